//! One page with nothing outside of it: totals, sections, every statement, what differs, and the failures. Of one run, or of
//! several beside each other.

mod listed;
mod matrix;
mod overview;
mod tally;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::read::{Case, Run};
use crate::run::Standing;
use crate::statements::{self, Statements};
use listed::Listed;
use tally::Tally;

/// Reads what `--json` or `--json-brief` has written, and writes the page.
pub(crate) fn report(html: &Path, paths: &[PathBuf], all: &Statements) -> Result<(), String> {
    let mut runs = Vec::new();
    for path in paths {
        let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let run: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        runs.push(Run::of(&run, all).map_err(|error| wrong(&error))?);
    }
    std::fs::write(html, page(&runs, all)).map_err(|error| format!("{}: {error}", html.display()))
}

/// The page of one run.
pub(crate) fn single(run: &Value, all: &Statements) -> Result<String, String> {
    Ok(page(&[Run::of(run, all)?], all))
}

/// Text that may stand in an element; not in an attribute.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' => out.push(one),
            one if one.is_control() => out.push('\u{fffd}'),
            one => out.push(one),
        }
    }
    out
}

fn page(runs: &[Run], all: &Statements) -> String {
    let names: Vec<_> = runs.iter().map(|run| &run.name[..]).collect();
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>MQTT conformance: {title}</title>\n<style>\n{css}.c summary, #runs {{ grid-template-columns: 1fr repeat({many}, 6.2rem); }}\n\
         </style></head><body>\n<h1>MQTT conformance: {title}</h1>\n",
        title = safe(&names.join(", ")),
        css = include_str!("page.css"),
        many = runs.len(),
    );
    let listed = Listed::of(runs);
    if runs.len() > 1 {
        overview::write(&mut out, runs, all);
    }
    totals(&mut out, runs);
    sections(&mut out, runs, all);
    skipped(&mut out, runs);
    matrix::write(&mut out, runs, all, &listed);
    listed.write(&mut out, runs, all);
    let _ = write!(
        out,
        "<div class=\"controls\"><label>Filter <input type=\"search\" id=\"text\" placeholder=\"id, section, words\"></label> \
         <label><input type=\"checkbox\" id=\"bad\"> only what failed</label> <span id=\"shown\"></span></div>\n\
         <script>\n{}</script>\n</body></html>\n",
        include_str!("page.js")
    );
    out
}

fn head(out: &mut String, first: &[&str], runs: &[Run]) {
    out.push_str("<table><thead><tr>");
    for name in first {
        let _ = write!(out, "<th>{name}</th>");
    }
    for run in runs {
        let _ = write!(out, "<th>{}</th>", safe(&run.name));
    }
    out.push_str("</tr></thead><tbody>\n");
}

fn verdict(run: &Run) -> (&'static str, String) {
    match &run.error {
        Some(error) => ("bad", format!("not run to the end: {error}")),
        None if run.is_conforming => ("ok", "conforming".into()),
        None => ("bad", "not conforming".into()),
    }
}

fn totals(out: &mut String, runs: &[Run]) {
    out.push_str("<h2>Totals</h2>\n");
    head(out, &[""], runs);
    let mut row = |name: &str, cell: &dyn Fn(&Run) -> (&'static str, String)| {
        let _ = write!(out, "<tr><td>{name}</td>");
        for run in runs {
            let (class, text) = cell(run);
            let _ = write!(out, "<td class=\"{class}\">{}</td>", safe(&text));
        }
        out.push_str("</tr>\n");
    };
    row("outcome", &verdict);
    row("mode", &|run| {
        let strict = if run.is_strict { ", strict" } else { "" };
        ("", format!("{}{strict}", run.mode))
    });
    row("cases", &|run| ("", run.cases.len().to_string()));
    for standing in Standing::ALL {
        row(standing.name(), &|run| {
            let many = run.count(standing);
            let class = if many == 0 { "none" } else { standing.name() };
            (class, many.to_string())
        });
    }
    row("seconds", &|run| {
        let tenths = run.took_ms / 100;
        ("", format!("{}.{}", tenths / 10, tenths % 10))
    });
    out.push_str("</tbody></table>\n");
}

/// The chapter of the first statement of a case, with what orders it.
fn chapter(case: &Case, all: &Statements) -> (Vec<u32>, String) {
    let first = case.statements.first();
    let section = first
        .and_then(|id| all.get(&case.version, id))
        .map(|statement| statements::chapter(&statement.section))
        .unwrap_or_default();
    let parts = section.split('.');
    let order = parts.map(|part| part.parse().unwrap_or(u32::MAX)).collect();
    (order, section)
}

/// A table by the section of the first statement.
fn sections(out: &mut String, runs: &[Run], all: &Statements) {
    let mut rows: BTreeMap<(&str, Vec<u32>, String), Vec<Tally>> = BTreeMap::new();
    for (column, run) in runs.iter().enumerate() {
        for case in &run.cases {
            let (order, section) = chapter(case, all);
            let row = rows.entry((&case.version, order, section)).or_default();
            row.resize_with(runs.len(), Tally::default);
            if let Some(tally) = row.get_mut(column) {
                tally.add(case.result, None);
            }
        }
    }
    out.push_str("<h2>Sections</h2>\n");
    head(out, &["version", "section", ""], runs);
    for ((version, _, section), row) in &rows {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td>",
            safe(version),
            safe(section),
            statements::title(version, section)
        );
        for tally in row {
            let (title, shown) = tally.cell(runs.len());
            let _ = write!(out, "<td class=\"{}\"{title}>{shown}</td>", tally.class());
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// How many cases were skipped for which reason.
fn skipped(out: &mut String, runs: &[Run]) {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (column, run) in runs.iter().enumerate() {
        let skipped = run.cases.iter();
        for case in skipped.filter(|case| case.result == Standing::Skipped) {
            let row = rows.entry(&case.note).or_default();
            row.resize(runs.len(), 0);
            if let Some(many) = row.get_mut(column) {
                *many += 1;
            }
        }
    }
    if rows.is_empty() {
        return;
    }
    out.push_str("<details><summary>Why cases were skipped</summary>\n");
    head(out, &[""], runs);
    for (note, row) in rows {
        let _ = write!(out, "<tr><td class=\"note\">{}</td>", safe(note));
        for many in row {
            let many = if many == 0 {
                String::new()
            } else {
                many.to_string()
            };
            let _ = write!(out, "<td>{many}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></details>\n");
}
