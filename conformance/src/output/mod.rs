//! Reports, for people and for programs.

pub(crate) mod brief;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod people;
mod read;
pub(crate) mod tap;

use std::fmt::Write as _;

use crate::run::{Judged, Standing};
use crate::statements::Statements;
use crate::verdict::{Failure, Verdict};

/// The failure of a case that did not pass, a strict one included.
fn failure(judged: &Judged) -> Option<Failure> {
    match &judged.outcome.verdict {
        Verdict::Fail(failure) => Some(failure.clone()),
        Verdict::NonStrict(seen) if judged.standing != Standing::NonStrict => Some(Failure {
            expected: "the best reading, for a strict run".into(),
            seen: seen.clone(),
            ..Failure::default()
        }),
        Verdict::Pass if judged.standing == Standing::UnexpectedPass => Some(Failure {
            expected: "a failure: it is known to fail".into(),
            seen: "it passes".into(),
            ..Failure::default()
        }),
        _ => None,
    }
}

/// Everything about a failure but the id, as lines.
fn lines(judged: &Judged, failure: &Failure, all: &Statements) -> String {
    let case = &judged.outcome.case;
    let mut out = format!("{}\n", case.comment);
    for id in &case.statements {
        match all.get(&case.version, id) {
            Some(statement) => {
                let _ = writeln!(out, "{}", statement.line());
            }
            None => {
                let _ = writeln!(out, "{}:{id}", case.version);
            }
        }
    }
    let _ = writeln!(out, "expected: {}", failure.expected);
    let _ = writeln!(out, "seen:     {}", failure.seen);
    if failure.is_dead {
        let _ = writeln!(
            out,
            "the target was gone: nothing is known of the statement"
        );
    }
    for line in &failure.log {
        let _ = writeln!(out, "{}", logged(line));
    }
    out
}

fn logged(line: &crate::verdict::Line) -> String {
    let arrow = if line.is_sent { "->" } else { "<-" };
    let mut out = format!("{:6} ms {arrow} ", line.at);
    if !line.connection.is_empty() {
        let _ = write!(out, "{}: ", line.connection);
    }
    out.push_str(&line.text);
    if !line.hex.is_empty() {
        let _ = write!(out, "  [{}]", line.hex);
    }
    out
}
