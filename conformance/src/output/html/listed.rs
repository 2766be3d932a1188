//! The cases that fail somewhere, or not everywhere in the same way, by their first statement, folded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use super::{Run, safe};
use crate::output::read::{Case, Failure};
use crate::run::Standing;
use crate::statements::{Statement, Statements};

pub(super) struct Listed<'a> {
    /// By version and first statement; with the numbers of the cases.
    groups: BTreeMap<(&'a str, &'a str), Vec<(usize, &'a Case)>>,
    numbers: HashMap<(&'a str, &'a str), usize>,
}

impl<'a> Listed<'a> {
    pub(super) fn of(runs: &'a [Run]) -> Self {
        let mut listed = Self {
            groups: BTreeMap::new(),
            numbers: HashMap::new(),
        };
        let mut seen = HashSet::new();
        for case in runs.iter().flat_map(|run| &run.cases) {
            let key = (&case.version[..], &case.id[..]);
            if !seen.insert(key) {
                continue;
            }
            let of_runs = runs.iter().filter_map(|run| run.case(key.0, key.1));
            let mut results = HashSet::new();
            let mut is_listed = false;
            for one in of_runs {
                is_listed |= one.failure.is_some();
                // What was not put says nothing.
                if one.result != Standing::Skipped {
                    results.insert(one.result);
                }
            }
            is_listed |= results.len() > 1;
            if is_listed {
                let number = listed.numbers.len();
                listed.numbers.insert(key, number);
                let statement = case.statements.first().map_or("", String::as_str);
                let group = listed.groups.entry((key.0, statement)).or_default();
                group.push((number, case));
            }
        }
        listed
    }

    pub(super) fn number(&self, version: &str, id: &str) -> Option<usize> {
        self.numbers.get(&(version, id)).copied()
    }

    pub(super) fn write(&self, out: &mut String, runs: &[Run], all: &Statements) {
        let title = if runs.len() > 1 {
            "Cases that differ or fail"
        } else {
            "Failures"
        };
        let _ = writeln!(out, "<h2>{title}</h2>");
        if self.groups.is_empty() {
            out.push_str("<p>None.</p>\n");
        }
        if runs.len() > 1 {
            out.push_str("<p id=\"runs\">");
            for run in runs {
                let _ = write!(out, "<span>{}</span>", safe(&run.name));
            }
            out.push_str("</p>\n");
        }
        for ((version, id), cases) in &self.groups {
            let line = all.get(version, id).map(Statement::line);
            let line = line.unwrap_or_else(|| format!("{version}:{id}"));
            let many = cases.len();
            let _ = writeln!(
                out,
                "<details class=\"g\"><summary>{} <b>{many}</b></summary>",
                safe(&line)
            );
            for (number, case) in cases {
                one(out, *number, case, runs, all);
            }
            out.push_str("</details>\n");
        }
    }
}

fn one(out: &mut String, number: usize, case: &Case, runs: &[Run], all: &Statements) {
    let of_runs: Vec<_> = runs
        .iter()
        .map(|run| run.case(&case.version, &case.id))
        .collect();
    let mut failed = of_runs.iter().flatten();
    let is_bad = failed.any(|case| case.result.is_failure());
    let _ = write!(
        out,
        "<details class=\"c\" id=\"c{number}\" data-row=\"{}\"><summary><span>{} {}</span>",
        if is_bad { "bad" } else { "" },
        safe(&case.id),
        safe(&case.comment)
    );
    let letters: String = of_runs.iter().map(|case| letter(*case)).collect();
    let _ = writeln!(out, "<code>{letters}</code></summary>");
    for id in case.statements.iter().skip(1) {
        let line = all.get(&case.version, id).map(Statement::line);
        let line = line.unwrap_or_else(|| format!("{}:{id}", case.version));
        let _ = writeln!(out, "<p>{}</p>", safe(&line));
    }
    let mut shown = Shown::default();
    for (run, case) in runs.iter().zip(&of_runs) {
        let Some(case) = case else { continue };
        let by = if runs.len() > 1 { &run.name } else { "" };
        if let Some(failure) = &case.failure {
            details(out, by, case, failure, &mut shown);
        } else if !case.note.is_empty() && case.result != Standing::Skipped {
            let _ = writeln!(out, "<p>{} {}</p>", safe(by), safe(&case.note));
        }
    }
    out.push_str("</details>\n");
}

/// A run in a row, until the script spells it out: `page.js` has the same letters.
fn letter(case: Option<&Case>) -> char {
    match case.map(|case| case.result) {
        Some(Standing::Passed) => '.',
        Some(Standing::NonStrict) => '~',
        Some(Standing::Failed) => 'F',
        Some(Standing::UnexpectedPass) => 'U',
        Some(Standing::Should) => 's',
        Some(Standing::KnownFailing) => 'k',
        Some(Standing::Skipped) => '-',
        None => '_',
    }
}

/// What has been written of a case, and need not be again.
#[derive(Default)]
struct Shown<'f> {
    expected: Option<&'f str>,
    has_bytes: bool,
}

fn details<'f>(
    out: &mut String,
    by: &str,
    case: &Case,
    failure: &'f Failure,
    shown: &mut Shown<'f>,
) {
    out.push_str("<dl>");
    if shown.expected != Some(&failure.expected) {
        let _ = write!(out, "<dt>expected<dd>{}", safe(&failure.expected));
        shown.expected = Some(&failure.expected);
    }
    let is_beside = !by.is_empty();
    let by = if is_beside { by } else { "seen" };
    let _ = write!(out, "<dt>{}<dd>{}", safe(by), safe(&failure.seen));
    if failure.is_dead {
        out.push_str("<dt>dead<dd>the target was gone: nothing is known of the statement");
    }
    out.push_str("</dl>\n");
    // Beside others only the bytes of a vector, once: every run has them, and what came is what was seen.
    let is_brief = is_beside && !case.id.starts_with("traces/");
    let log = failure.log.iter().map(String::as_str);
    let log: Vec<_> = log
        .filter(|line| !is_brief || !line.contains(" ms ← "))
        .collect();
    let is_known = is_brief && shown.has_bytes;
    if !is_known && !log.is_empty() {
        let _ = writeln!(out, "<pre>{}</pre>", safe(&log.join("\n")));
        shown.has_bytes = true;
    }
}
