//! A run as it is kept in a repository: what `report` knows by itself is left out.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::{failure, json};
use crate::run::Report;
use crate::spell;
use crate::verdict::{Case, Line, Verdict};

/// Characters of a text, and of a packet whose bytes are not all there.
const LONGEST: usize = 300;
const LONGEST_LINE: usize = 160;
/// Lines of a log: the first and the last ones.
const FIRST: usize = 12;
const LAST: usize = 28;

/// What cases have in common: version, result and note. With the cases.
type Groups<'a> = BTreeMap<(&'a str, &'static str, &'a str), Vec<&'a str>>;
/// The same for failures: version, result, what was expected and seen, and whether the target was gone.
type Failures = BTreeMap<(String, &'static str, String, String, bool), Vec<Value>>;

pub(crate) fn text(report: &Report<'_>) -> String {
    let mut groups = Groups::new();
    let mut failures = Failures::new();
    for judged in &report.judged {
        let (case, result) = (&judged.outcome.case, judged.standing.name());
        if let Some(failure) = failure(judged) {
            let cut = |text: &str| spell::cut(text, LONGEST);
            let (expected, seen) = (cut(&failure.expected), cut(&failure.seen));
            let key = (
                case.version.clone(),
                result,
                expected,
                seen,
                failure.is_dead,
            );
            let mut value = json!({"id": case.id});
            let log = log(needed(case, &failure.log));
            if !log.is_empty() {
                value["log"] = log.into();
            }
            failures.entry(key).or_default().push(value);
            continue;
        }
        let note = match &judged.outcome.verdict {
            Verdict::NonStrict(note) | Verdict::Skipped(note) => note,
            _ => "",
        };
        let group = groups.entry((&case.version, result, note)).or_default();
        group.push(&case.id);
    }
    let groups = groups.into_iter().map(|((version, result, note), ids)| {
        let mut value = json!({"version": version, "result": result});
        if !note.is_empty() {
            value["note"] = spell::cut(note, LONGEST).into();
        }
        value["ids"] = json!(folded(&ids));
        value
    });
    let groups = lines(groups);
    let failures = failures.into_iter();
    let failures = failures.map(|((version, result, expected, seen, is_dead), cases)| {
        let mut value =
            json!({"version": version, "result": result, "expected": expected, "seen": seen});
        if is_dead {
            value["dead"] = true.into();
        }
        value["cases"] = cases.into();
        value
    });
    let failures = lines(failures);
    let head = json::head(report, "brief").to_string();
    let head = head.strip_suffix('}').unwrap_or(&head);
    format!("{head},\n\"cases\":[{groups}],\n\"failures\":[{failures}]}}\n")
}

/// An element on a line, so that differences can be read.
fn lines(values: impl Iterator<Item = Value>) -> String {
    let lines: Vec<_> = values.map(|value| format!("\n{value}")).collect();
    lines.join(",")
}

/// A beginning is written once if so many identifiers have it.
const SHARED: usize = 4;

/// Identifiers by beginnings, which end with a slash or a hyphen.
fn folded<'a>(ids: &[&'a str]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let beginnings = |id: &'a str| {
        let ends = id.match_indices(['/', '-']);
        ends.map(|(at, _)| id.split_at(at + 1))
    };
    let mut many: HashMap<&str, usize> = HashMap::new();
    for id in ids {
        for (beginning, _) in beginnings(id) {
            *many.entry(beginning).or_default() += 1;
        }
    }
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for id in ids {
        let mut shared = beginnings(id).filter(|(beginning, _)| {
            beginning.ends_with('/') || many.get(beginning).is_some_and(|many| *many >= SHARED)
        });
        let (beginning, rest) = shared.next_back().unwrap_or(("", id));
        all.entry(beginning).or_default().push(rest);
    }
    all
}

/// Of a vector: its bytes, and what came then; of a codec nothing, since the data have the bytes.
fn needed<'l>(case: &Case, log: &'l [Line]) -> &'l [Line] {
    if case.id.starts_with("traces/") {
        return log;
    }
    match log.iter().rposition(|line| line.is_sent) {
        Some(last) if case.role != "codec" => log.get(last..).unwrap_or_default(),
        _ => &[],
    }
}

/// "7 < a: 20020000", or a text where the bytes are not those of a whole packet, with "<" for what came from the target.
fn log(all: &[Line]) -> Vec<Value> {
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
    out
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn beginnings_that_are_shared() {
        let ids = ["a/b-0", "a/b-1", "a/b-2", "a/b-3", "a/c-0", "d"];
        let folded = folded(&ids);
        let written: Vec<_> = folded.iter().collect();
        assert_eq!(
            written,
            [
                (&"", &vec!["d"]),
                (&"a/", &vec!["c-0"]),
                (&"a/b-", &vec!["0", "1", "2", "3"])
            ]
        );
    }
}
