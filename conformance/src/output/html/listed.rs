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
    for of_run in &of_runs {
        let result = of_run.map_or("not run", |case| case.result.name());
        let class = of_run.map_or("none", |case| case.result.name());
        let _ = write!(out, "<i class={class}>{result}</i>");
    }
    out.push_str("</summary>\n");
    for id in case.statements.iter().skip(1) {
        let line = all.get(&case.version, id).map(Statement::line);
        let line = line.unwrap_or_else(|| format!("{}:{id}", case.version));
        let _ = writeln!(out, "<p>{}</p>", safe(&line));
    }
    let mut expected = None;
    for (run, case) in runs.iter().zip(&of_runs) {
        let Some(case) = case else { continue };
        if let Some(failure) = &case.failure {
            details(out, runs, run, failure, &mut expected);
        } else if !case.note.is_empty() && case.result != Standing::Skipped {
            let _ = writeln!(out, "<p>{}: {}</p>", safe(&run.name), safe(&case.note));
        }
    }
    out.push_str("</details>\n");
}

/// What was expected is written once as long as it is the same.
fn details<'f>(
    out: &mut String,
    runs: &[Run],
    run: &Run,
    failure: &'f Failure,
    expected: &mut Option<&'f str>,
) {
    out.push_str("<dl>");
    if *expected != Some(&failure.expected) {
        let _ = write!(out, "<dt>expected</dt><dd>{}</dd>", safe(&failure.expected));
        *expected = Some(&failure.expected);
    }
    let by = if runs.len() > 1 {
        format!(" by {}", safe(&run.name))
    } else {
        String::new()
    };
    let _ = write!(out, "<dt>seen{by}</dt><dd>{}</dd>", safe(&failure.seen));
    if failure.is_dead {
        out.push_str(
            "<dt>dead</dt><dd>the target was gone: nothing is known of the statement</dd>",
        );
    }
    out.push_str("</dl>\n");
    if !failure.log.is_empty() {
        let _ = writeln!(out, "<pre>{}</pre>", safe(&failure.log.join("\n")));
    }
}
