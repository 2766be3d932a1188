//! Every statement, with what each run says of it.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::listed::Listed;
use super::tally::Tally;
use super::{Run, head, safe};
use crate::coverage::Shown;
use crate::statements::{Statement, Statements};

type ByStatement<'a> = HashMap<(&'a str, &'a str), Tally>;

fn tallies<'a>(run: &'a Run, listed: &Listed<'_>) -> ByStatement<'a> {
    let mut tallies = ByStatement::new();
    for case in &run.cases {
        let number = listed.number(&case.version, &case.id);
        for id in &case.statements {
            let tally = tallies.entry((&case.version, id)).or_default();
            tally.add(case.result, number);
        }
    }
    tallies
}

pub(super) fn write(out: &mut String, runs: &[Run], all: &Statements, listed: &Listed<'_>) {
    let by_run: Vec<_> = runs.iter().map(|run| tallies(run, listed)).collect();
    out.push_str("<h2>Statements</h2>\n");
    head(
        out,
        &["statement", "section", "level", "binds", "summary"],
        runs,
    );
    for statement in all.iter() {
        let key = (&statement.version[..], &statement.id[..]);
        let of_runs: Vec<_> = by_run.iter().map(|tallies| tallies.get(&key)).collect();
        let mut failed = of_runs.iter().flatten();
        let is_bad = failed.any(|tally| tally.failed.is_some());
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
        cells(out, runs, statement, &of_runs);
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// The same reason beside itself is written once.
fn cells(out: &mut String, runs: &[Run], statement: &Statement, of_runs: &[Option<&Tally>]) {
    let mut reasons: Option<(String, usize)> = None;
    let flush = |out: &mut String, reasons: &mut Option<(String, usize)>| {
        if let Some((why, many)) = reasons.take() {
            let span = if many > 1 {
                format!(" colspan=\"{many}\"")
            } else {
                String::new()
            };
            let _ = write!(out, "<td class=\"none\"{span}>{}</td>", safe(&why));
        }
    };
    for (run, tally) in runs.iter().zip(of_runs) {
        let Some(tally) = tally else {
            let why = match statement.shown(run.role) {
                Shown::Cases(_) => "no case in this run".into(),
                other => other.why(),
            };
            match &mut reasons {
                Some((last, many)) if *last == why => *many += 1,
                _ => {
                    flush(out, &mut reasons);
                    reasons = Some((why, 1));
                }
            }
            continue;
        };
        flush(out, &mut reasons);
        let (title, mut shown) = tally.cell(runs.len());
        if let Some(number) = tally.failed {
            shown = format!("<a href=\"#c{number}\">{shown}</a>");
        }
        let _ = write!(out, "<td class=\"{}\"{title}>{shown}</td>", tally.class());
    }
    flush(out, &mut reasons);
}
