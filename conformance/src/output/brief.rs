//! A run as it is kept in a repository: what `report` knows by itself is left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{failure, json};
use crate::run::Report;
use crate::spell;
use crate::verdict::{Line, Verdict};

/// Characters of a text, and of a packet whose bytes are not all there.
const LONGEST: usize = 300;
const LONGEST_LINE: usize = 160;
/// Lines of a log: the first and the last ones.
const FIRST: usize = 12;
const LAST: usize = 28;

/// The names of a beginning, by version, result and note.
type Groups<'a> = BTreeMap<(&'a str, &'static str, &'a str), BTreeMap<&'a str, Vec<&'a str>>>;

pub(crate) fn text(report: &Report<'_>) -> String {
    let mut groups = Groups::new();
    let mut failures = Vec::new();
    for judged in &report.judged {
        let case = &judged.outcome.case;
        if let Some(failure) = failure(judged) {
            let mut value = json!({
                "id": case.id,
                "version": case.version,
                "result": judged.standing.name(),
                "expected": spell::cut(&failure.expected, LONGEST),
                "seen": spell::cut(&failure.seen, LONGEST),
            });
            if failure.is_dead {
                value["dead"] = true.into();
            }
            if !failure.log.is_empty() {
                value["log"] = log(&failure.log);
            }
            failures.push(value);
            continue;
        }
        let note = match &judged.outcome.verdict {
            Verdict::NonStrict(note) | Verdict::Skipped(note) => note,
            _ => "",
        };
        let (beginning, name) = split(&case.id);
        let group = groups.entry((&case.version, judged.standing.name(), note));
        let names = group.or_default().entry(beginning).or_default();
        names.push(name);
    }
    let groups = groups.into_iter().map(|((version, result, note), ids)| {
        let mut value = json!({"version": version, "result": result, "ids": ids});
        if !note.is_empty() {
            value["note"] = spell::cut(note, LONGEST).into();
        }
        value
    });
    let groups = lines(groups);
    let failures = lines(failures.into_iter());
    let head = json::head(report, "brief").to_string();
    let head = head.trim_end_matches('}');
    format!("{head},\n\"cases\":[{groups}],\n\"failures\":[{failures}]}}\n")
}

/// An element on a line, so that differences can be read.
fn lines(values: impl Iterator<Item = Value>) -> String {
    let lines: Vec<_> = values.map(|value| format!("\n{value}")).collect();
    lines.join(",")
}

/// The identifier up to its last slash, and its name.
fn split(id: &str) -> (&str, &str) {
    id.rfind('/').map_or(("", id), |at| id.split_at(at + 1))
}

/// "7 < a: 20020000", or a text where the bytes are not those of a whole packet, with "<" for what came from the target.
fn log(all: &[Line]) -> Value {
    let mut out: Vec<Value> = Vec::new();
    let left_out = all.len().saturating_sub(FIRST + LAST);
    for (number, line) in all.iter().enumerate() {
        if left_out > 0 && number == FIRST {
            out.push(format!("… {left_out} lines").into());
        }
        if left_out > 0 && (FIRST..FIRST + left_out).contains(&number) {
            continue;
        }
        let arrow = if line.is_sent { ">" } else { "<" };
        let is_whole = line.text.starts_with("{\"type\"") && !line.hex.contains('.');
        let what = match (is_whole, &line.hex[..]) {
            (true, hex) if !hex.is_empty() => hex.to_owned(),
            (_, "") => spell::cut(&line.text, LONGEST_LINE),
            (_, hex) => format!("{} [{hex}]", spell::cut(&line.text, LONGEST_LINE)),
        };
        out.push(format!("{} {arrow} {}: {what}", line.at, line.connection).into());
    }
    out.into()
}
