//! A run as JSON: what `report` compares, and what the page is made of.

use serde_json::{Map, Value, json};

use super::failure;
use crate::run::{Report, Standing};
use crate::spell;
use crate::statements::Statements;
use crate::verdict::Verdict;

/// No text is longer.
const LONGEST: usize = 4000;

pub(crate) fn run(report: &Report<'_>, all: &Statements) -> Value {
    let cases: Vec<Value> = report
        .judged
        .iter()
        .map(|judged| {
            let case = &judged.outcome.case;
            let first = case.statements.first();
            let first = first.and_then(|id| all.get(&case.version, id));
            let mut value = json!({
                "id": case.id,
                "version": case.version,
                "role": case.role,
                "comment": case.comment,
                "statements": case.statements,
                "level": first.map(|statement| &statement.level),
                "result": judged.standing.name(),
                "took_ms": milliseconds(judged.outcome.took.as_millis()),
            });
            match &judged.outcome.verdict {
                Verdict::NonStrict(note) | Verdict::Skipped(note) => {
                    value["note"] = spell::cut(note, LONGEST).into();
                }
                _ => {}
            }
            if let Some(failure) = failure(judged) {
                value["expected"] = spell::cut(&failure.expected, LONGEST).into();
                value["seen"] = spell::cut(&failure.seen, LONGEST).into();
                value["dead"] = failure.is_dead.into();
                let log = failure.log.iter().map(|line| {
                    json!({
                        "at_ms": line.at,
                        "connection": line.connection,
                        "sent": line.is_sent,
                        "text": spell::cut(&line.text, LONGEST),
                        "hex": spell::cut(&line.hex, LONGEST),
                    })
                });
                value["log"] = log.collect();
            }
            value
        })
        .collect();
    let mut value = head(report, "run");
    value["cases"] = cases.into();
    value
}

/// All but the cases.
pub(super) fn head(report: &Report<'_>, kind: &str) -> Value {
    let totals: Map<String, Value> = Standing::ALL
        .iter()
        .map(|standing| (standing.name().into(), report.count(*standing).into()))
        .collect();
    json!({
        "format": 1,
        "kind": kind,
        "tool": concat!("mqtt-conformance ", env!("CARGO_PKG_VERSION")),
        "mode": report.mode,
        "target": report.target,
        "strict": report.is_strict,
        "took_ms": milliseconds(report.took.as_millis()),
        "conforming": report.is_conforming(),
        "error": report.error,
        "totals": totals,
    })
}

fn milliseconds(time: u128) -> u64 {
    u64::try_from(time).unwrap_or(u64::MAX)
}
