//! The Test Anything Protocol, version 14.

use std::fmt::Write as _;

use super::{failure, lines};
use crate::run::{Report, Standing};
use crate::spell;
use crate::statements::Statements;
use crate::verdict::Verdict;

/// No line of a failure is longer.
const LONGEST: usize = 2000;

pub(crate) fn text(report: &Report<'_>, all: &Statements) -> String {
    let mut out = format!("TAP version 14\n1..{}\n", report.judged.len());
    if report.judged.is_empty() {
        out = "TAP version 14\n1..0 # SKIP nothing was run\n".into();
    }
    for (number, judged) in report.judged.iter().enumerate() {
        let case = &judged.outcome.case;
        let failure = failure(judged);
        let word = if failure.is_some() { "not ok" } else { "ok" };
        let description = escaped(&format!("{} ({})", case.id, case.version));
        let _ = write!(out, "{word} {} - {description}", number + 1);
        match (judged.standing, &judged.outcome.verdict) {
            (Standing::Should, _) => out.push_str(" # TODO fails a SHOULD"),
            (Standing::KnownFailing, _) => out.push_str(" # TODO known to fail"),
            (_, Verdict::Skipped(why)) => {
                let _ = write!(out, " # SKIP {}", escaped(why));
            }
            _ => {}
        }
        out.push('\n');
        if let Some(failure) = failure {
            out.push_str("  ---\n  message: |\n");
            for line in lines(judged, &failure, all).lines() {
                let line: String = line.chars().filter(|one| !one.is_control()).collect();
                let _ = writeln!(out, "    {}", spell::cut(&line, LONGEST));
            }
            out.push_str("  ...\n");
        }
    }
    if let Some(error) = &report.error {
        let _ = writeln!(out, "Bail out! {}", escaped(error));
    }
    out
}

/// On one line, without a directive.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('#', "\\#");
    text.chars()
        .map(|one| if one.is_control() { ' ' } else { one })
        .collect()
}
