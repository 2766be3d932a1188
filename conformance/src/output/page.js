"use strict";
const text = document.getElementById("text"), bad = document.getElementById("bad"), shown = document.getElementById("shown");
// A case is found by the statement that it stands under, too.
const words_of = row => (row.parentElement.matches(".g") ? row.parentElement.firstElementChild.textContent : "") + row.textContent;
const rows = [...document.querySelectorAll("[data-row]")].map(row => [row, words_of(row).toLowerCase()]);
const groups = [...document.querySelectorAll(".g")];
const results = {".": "passed", "~": "non-strict", F: "failed", U: "unexpected-pass", s: "should", k: "known-failing", "-": "skipped", _: "not run"};
let timer;
// A letter for each run is spelt out where it is seen.
for (const group of groups) group.addEventListener("toggle", () => {
  for (const code of group.querySelectorAll("summary > code")) {
    code.replaceWith(...[...code.textContent].map(letter => {
      const cell = document.createElement("i");
      cell.className = results[letter].replace("not run", "none");
      cell.textContent = results[letter];
      return cell;
    }));
  }
});
function filter() {
  const words = text.value.toLowerCase().split(/\s+/).filter(word => word);
  const full = new Set();
  let many = 0;
  for (const [row, content] of rows) {
    const fits = words.every(word => content.includes(word)) && (!bad.checked || row.dataset.row === "bad");
    row.hidden = !fits;
    many += fits;
    if (fits) full.add(row.parentElement);
  }
  for (const group of groups) {
    group.hidden = !full.has(group);
    if (words.length) group.open = true;
  }
  shown.textContent = `${many} of ${rows.length} rows`;
}
text.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 120); });
bad.addEventListener("change", filter);
addEventListener("hashchange", open_target);
function open_target() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || target.tagName !== "DETAILS") return;
  for (let one = target; one; one = one.parentElement) {
    one.hidden = false;
    if (one.tagName === "DETAILS") one.open = true;
  }
  target.scrollIntoView();
}
// "?filter=words&failed" is the page with these words in the box, "?picture" the overview alone.
const asked = new URLSearchParams(location.search);
text.value = asked.get("filter") ?? "";
bad.checked = asked.has("failed");
filter();
open_target();
const overview = document.getElementById("overview");
if (asked.has("picture") && overview) {
  document.body.classList.add("picture");
  document.body.dataset.size = `${overview.offsetWidth},${overview.offsetHeight}`;
}
