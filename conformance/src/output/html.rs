//! One page with nothing outside of it: totals, sections, every statement, what differs, and the failures. Of one run, or of
//! several beside each other.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::coverage::Shown;
use crate::run::Standing;
use crate::statements::{self, Statement, Statements};

/// Reads what `--json` has written, and writes the page.
pub(crate) fn report(html: &Path, paths: &[PathBuf], all: &Statements) -> Result<(), String> {
    let mut runs = Vec::new();
    for path in paths {
        let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let run: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        if run["kind"] != "run" || run["format"] != 1 || !run["cases"].is_array() {
            return Err(wrong(&"no run that --json has written"));
        }
        runs.push(run);
    }
    std::fs::write(html, page(&runs, all)).map_err(|error| format!("{}: {error}", html.display()))
}

/// A run, and what it says of each statement.
struct Run<'a> {
    value: &'a Value,
    cases: &'a [Value],
    by_statement: HashMap<(&'a str, &'a str), Tally>,
    by_case: HashMap<(&'a str, &'a str), &'a Value>,
}

#[derive(Default)]
struct Tally {
    counts: [usize; 7],
    /// Number of the first case that failed.
    failed: Option<usize>,
}

impl Tally {
    fn add(&mut self, number: usize, result: &str) {
        for (count, standing) in self.counts.iter_mut().zip(Standing::ALL) {
            if standing.name() == result {
                *count += 1;
                if standing.is_failure() {
                    self.failed.get_or_insert(number);
                }
            }
        }
    }

    fn class(&self) -> &'static str {
        let has = |standing: Standing| {
            let all = Standing::ALL.iter().zip(self.counts);
            all.into_iter()
                .any(|(one, count)| *one == standing && count > 0)
        };
        if has(Standing::Failed) || has(Standing::UnexpectedPass) {
            "bad"
        } else if has(Standing::KnownFailing) || has(Standing::Should) || has(Standing::NonStrict) {
            "part"
        } else if has(Standing::Passed) {
            "ok"
        } else {
            "none"
        }
    }

    fn text(&self) -> String {
        Standing::ALL
            .iter()
            .zip(self.counts)
            .filter(|(_, count)| *count > 0)
            .map(|(standing, count)| format!("{count} {}", standing.name()))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl<'a> Run<'a> {
    fn of(value: &'a Value) -> Self {
        let cases = value["cases"].as_array().map_or(&[][..], Vec::as_slice);
        let mut by_statement: HashMap<_, Tally> = HashMap::new();
        let mut by_case = HashMap::new();
        for (number, case) in cases.iter().enumerate() {
            let version = text(&case["version"]);
            by_case.insert((text(&case["id"]), version), case);
            for id in case["statements"].as_array().into_iter().flatten() {
                let tally = by_statement.entry((version, text(id))).or_default();
                tally.add(number, text(&case["result"]));
            }
        }
        Self {
            value,
            cases,
            by_statement,
            by_case,
        }
    }

    fn name(&self) -> &str {
        text(&self.value["target"])
    }

    fn verdict(&self) -> (&'static str, String) {
        if let Some(error) = self.value["error"].as_str() {
            return ("bad", format!("not run to the end: {error}"));
        }
        if self.value["conforming"] == true {
            ("ok", "conforming".into())
        } else {
            ("bad", "not conforming".into())
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Text that may stand in an element or an attribute.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(one),
            one if one.is_control() => out.push('\u{fffd}'),
            one => out.push(one),
        }
    }
    out
}

pub(crate) fn page(runs: &[Value], all: &Statements) -> String {
    let runs: Vec<_> = runs.iter().map(Run::of).collect();
    let names: Vec<_> = runs.iter().map(Run::name).collect();
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>MQTT conformance: {title}</title>\n<style>\n{css}</style></head><body>\n\
         <h1>MQTT conformance: {title}</h1>\n",
        title = safe(&names.join(", ")),
        css = include_str!("page.css"),
    );
    totals(&mut out, &runs);
    sections(&mut out, &runs, all);
    if runs.len() > 1 {
        differing(&mut out, &runs);
    }
    matrix(&mut out, &runs, all);
    failures(&mut out, &runs, all);
    let _ = write!(
        out,
        "<div class=\"controls\"><label>Filter <input type=\"search\" id=\"text\" placeholder=\"id, section, words\"></label> \
         <label><input type=\"checkbox\" id=\"bad\"> only what failed</label> <span id=\"shown\"></span></div>\n\
         <script>\n{}</script>\n</body></html>\n",
        include_str!("page.js")
    );
    out
}

fn head(out: &mut String, first: &[&str], runs: &[Run<'_>]) {
    out.push_str("<table><thead><tr>");
    for name in first {
        let _ = write!(out, "<th>{name}</th>");
    }
    for run in runs {
        let _ = write!(out, "<th>{}</th>", safe(run.name()));
    }
    out.push_str("</tr></thead><tbody>\n");
}

fn totals(out: &mut String, runs: &[Run<'_>]) {
    out.push_str("<h2>Totals</h2>\n");
    head(out, &[""], runs);
    let mut row = |name: &str, cell: &dyn Fn(&Run<'_>) -> (String, String)| {
        let _ = write!(out, "<tr><td>{name}</td>");
        for run in runs {
            let (class, text) = cell(run);
            let _ = write!(out, "<td class=\"{class}\">{}</td>", safe(&text));
        }
        out.push_str("</tr>\n");
    };
    row("outcome", &|run| {
        let (class, text) = run.verdict();
        (class.into(), text)
    });
    row("mode", &|run| {
        let strict = if run.value["strict"] == true {
            ", strict"
        } else {
            ""
        };
        (
            String::new(),
            format!("{}{strict}", text(&run.value["mode"])),
        )
    });
    row("cases", &|run| (String::new(), run.cases.len().to_string()));
    for standing in Standing::ALL {
        let name = standing.name();
        row(name, &|run| {
            let many = run.value["totals"][name].as_u64().unwrap_or(0);
            let class = if many == 0 { "none" } else { name };
            (class.into(), many.to_string())
        });
    }
    row("seconds", &|run| {
        let tenths = run.value["took_ms"].as_u64().unwrap_or(0) / 100;
        (String::new(), format!("{}.{}", tenths / 10, tenths % 10))
    });
    out.push_str("</tbody></table>\n");
}

/// A table by the section of the first statement.
fn sections(out: &mut String, runs: &[Run<'_>], all: &Statements) {
    let mut rows: BTreeMap<(&str, Vec<u32>, String), Vec<Tally>> = BTreeMap::new();
    for (column, run) in runs.iter().enumerate() {
        for (number, case) in run.cases.iter().enumerate() {
            let version = text(&case["version"]);
            let section = all
                .get(version, text(&case["statements"][0]))
                .map(|statement| statements::chapter(&statement.section))
                .unwrap_or_default();
            let order = section
                .split('.')
                .map(|part| part.parse().unwrap_or(u32::MAX))
                .collect();
            let row = rows.entry((version, order, section)).or_default();
            row.resize_with(runs.len(), Tally::default);
            row[column].add(number, text(&case["result"]));
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
            let _ = write!(out, "<td class=\"{}\">{}</td>", tally.class(), tally.text());
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// The cases whose results are not the same, and those that fail everywhere.
fn differing(out: &mut String, runs: &[Run<'_>]) {
    out.push_str("<h2>Cases that differ or fail</h2>\n");
    head(out, &["case", "version", ""], runs);
    let mut seen = std::collections::HashSet::new();
    for case in runs.iter().flat_map(|run| run.cases) {
        let key = (text(&case["id"]), text(&case["version"]));
        if !seen.insert(key) {
            continue;
        }
        let of_this = runs.iter().map(|run| run.by_case.get(&key));
        let results: Vec<_> = of_this
            .map(|case| case.map(|case| text(&case["result"])))
            .collect();
        let is_bad = |result: &Option<&str>| {
            Standing::ALL
                .iter()
                .any(|one| Some(one.name()) == *result && one.is_failure())
        };
        let any_bad = results.iter().any(is_bad);
        if !any_bad && results.iter().all(|one| *one == results[0]) {
            continue;
        }
        let _ = write!(
            out,
            "<tr data-row=\"{}\"><td>{}</td><td>{}</td><td>{}</td>",
            if any_bad { "bad" } else { "" },
            safe(key.0),
            safe(key.1),
            safe(text(&case["comment"]))
        );
        for result in results {
            let result = result.unwrap_or("not run");
            let _ = write!(out, "<td class=\"{0}\">{0}</td>", safe(result));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

fn matrix(out: &mut String, runs: &[Run<'_>], all: &Statements) {
    out.push_str("<h2>Statements</h2>\n");
    head(
        out,
        &["statement", "section", "level", "binds", "summary"],
        runs,
    );
    for statement in all.iter() {
        let key = (&statement.version[..], &statement.id[..]);
        let tallies = runs.iter().map(|run| run.by_statement.get(&key));
        let is_bad = tallies.flatten().any(|tally| tally.failed.is_some());
        let _ = write!(
            out,
            "<tr data-row=\"{}\"><td class=\"id\">{}:{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
            if is_bad { "bad" } else { "" },
            safe(&statement.version),
            safe(&statement.id),
            safe(&statement.section),
            safe(&statement.level),
            safe(&statement.actor),
            safe(&statement.summary)
        );
        for (column, run) in runs.iter().enumerate() {
            match run.by_statement.get(&key) {
                Some(tally) => {
                    let words = tally.text();
                    let words = match tally.failed {
                        Some(number) => format!("<a href=\"#f-{column}-{number}\">{words}</a>"),
                        None => words,
                    };
                    let _ = write!(out, "<td class=\"{}\">{words}</td>", tally.class());
                }
                None => {
                    let why = safe(&why_none(statement, text(&run.value["mode"])));
                    let _ = write!(out, "<td class=\"none\">{why}</td>");
                }
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// Of what the mode puts the cases to.
fn role(mode: &str) -> &'static str {
    match mode {
        "broker" => "server",
        "client" => "client",
        _ => "codec",
    }
}

fn why_none(statement: &Statement, mode: &str) -> String {
    match statement.shown(role(mode)) {
        Shown::Cases(_) => "no case in this run".into(),
        other => other.why(),
    }
}

fn failures(out: &mut String, runs: &[Run<'_>], all: &Statements) {
    for (column, run) in runs.iter().enumerate() {
        let failed = run.cases.iter().enumerate();
        let mut failed = failed
            .filter(|(_, case)| !case["seen"].is_null())
            .peekable();
        let _ = writeln!(out, "<h2>Failures: {}</h2>", safe(run.name()));
        if failed.peek().is_none() {
            out.push_str("<p>None.</p>\n");
        }
        for (number, case) in failed {
            let result = text(&case["result"]);
            let is_bad = Standing::ALL
                .iter()
                .any(|one| one.name() == result && one.is_failure());
            let _ = write!(
                out,
                "<details id=\"f-{column}-{number}\" data-row=\"{}\"><summary><span class=\"{result}\">{result}</span> {} ({}): {}</summary>\n<dl>",
                if is_bad { "bad" } else { "" },
                safe(text(&case["id"])),
                safe(text(&case["version"])),
                safe(text(&case["comment"])),
                result = safe(result),
            );
            for id in case["statements"].as_array().into_iter().flatten() {
                let version = text(&case["version"]);
                let line = all.get(version, text(id)).map(Statement::line);
                let line = line.unwrap_or_else(|| format!("{version}:{}", text(id)));
                let _ = write!(out, "<dt>statement</dt><dd>{}</dd>", safe(&line));
            }
            for key in ["expected", "seen"] {
                let _ = write!(out, "<dt>{key}</dt><dd>{}</dd>", safe(text(&case[key])));
            }
            if case["dead"] == true {
                out.push_str(
                    "<dt>dead</dt><dd>the target was gone: nothing is known of the statement</dd>",
                );
            }
            out.push_str("</dl>\n");
            let log = case["log"].as_array().map_or(&[][..], Vec::as_slice);
            if !log.is_empty() {
                out.push_str("<pre>");
                for line in log {
                    let arrow = if line["sent"] == true { "→" } else { "←" };
                    let at = line["at_ms"].as_u64().unwrap_or(0);
                    let _ = write!(out, "{at:6} ms {arrow} ");
                    let (on, hex) = (text(&line["connection"]), text(&line["hex"]));
                    if !on.is_empty() {
                        let _ = write!(out, "{}: ", safe(on));
                    }
                    out.push_str(&safe(text(&line["text"])));
                    if !hex.is_empty() {
                        let _ = write!(out, "  [{}]", safe(hex));
                    }
                    out.push('\n');
                }
                out.push_str("</pre>");
            }
            out.push_str("</details>\n");
        }
    }
}
