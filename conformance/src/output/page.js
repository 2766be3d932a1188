"use strict";
const text = document.getElementById("text"), bad = document.getElementById("bad"), shown = document.getElementById("shown");
const rows = [...document.querySelectorAll("[data-row]")].map(row => [row, row.textContent.toLowerCase()]);
let timer;
function filter() {
  const words = text.value.toLowerCase().split(/\s+/).filter(word => word);
  let many = 0;
  for (const [row, content] of rows) {
    const fits = words.every(word => content.includes(word)) && (!bad.checked || row.dataset.row === "bad");
    row.hidden = !fits;
    many += fits;
  }
  shown.textContent = `${many} of ${rows.length} rows`;
}
text.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 120); });
bad.addEventListener("change", filter);
addEventListener("hashchange", open_target);
function open_target() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") { target.open = true; target.hidden = false; target.scrollIntoView(); }
}
filter();
open_target();
