//! Whether an answer is what the vector says. `spec-vectors/README.md` has the rules.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Op, Source};
use crate::data::{Data, list, text};
use crate::spell;
use crate::verdict::{Failure, Verdict};

pub(super) struct Judge<'a> {
    is_strict: bool,
    /// Sections of the statements, by version and id.
    sections: HashMap<(&'a str, &'a str), &'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Valid,
    Refused,
    Incomplete,
}

impl Class {
    fn of(word: &str) -> Option<Self> {
        match word {
            "valid" => Some(Self::Valid),
            "malformed" | "protocol-error" => Some(Self::Refused),
            "incomplete" => Some(Self::Incomplete),
            _ => None,
        }
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(data: &'a Data, is_strict: bool) -> Self {
        let mut sections = HashMap::new();
        for file in &data.statements {
            for statement in list(&file["statements"]) {
                sections.insert(
                    (text(&file["version"]), text(&statement["id"])),
                    text(&statement["section"]),
                );
            }
        }
        Self {
            is_strict,
            sections,
        }
    }

    /// For people.
    pub(super) fn expected(&self, source: &Source<'_>, beginning: Option<usize>) -> String {
        let vector = source.vector;
        match source.op {
            Op::Decode if beginning.is_some() => "incomplete".into(),
            Op::Decode => match text(&vector["verdict"]) {
                "valid" => {
                    let packet = spell::cut(&vector["packet"].to_string(), 1000);
                    match vector["rest"].as_u64() {
                        None | Some(0) => format!("ok, {packet}"),
                        Some(rest) => format!("ok, {packet}, rest {rest}"),
                    }
                }
                "incomplete" => "incomplete: a correct beginning".into(),
                word => {
                    let reasons = either(list(&vector["reasons"]));
                    let reasons = if reasons.is_empty() {
                        reasons
                    } else {
                        format!(" ({reasons})")
                    };
                    format!("refused, as {word}{reasons}")
                }
            },
            Op::Match => format!("{}", vector["matches"]),
            Op::Topic | Op::Filter => format!("{}", vector["valid"]),
        }
    }

    pub(super) fn verdict(
        &self,
        source: &Source<'_>,
        beginning: Option<usize>,
        answer: &Map<String, Value>,
    ) -> Verdict {
        let fail = |seen: String| {
            Verdict::Fail(Failure {
                expected: self.expected(source, beginning),
                seen: match beginning {
                    None => seen,
                    Some(length) => format!("the first {length} bytes: {seen}"),
                },
                ..Failure::default()
            })
        };
        if let Some(error) = answer.get("error") {
            let error = error.as_str().unwrap_or("an error");
            let error = spell::cut(error, 400);
            return if ["unsupported", "unknown op", "unknown version"]
                .iter()
                .any(|start| error.starts_with(start))
            {
                Verdict::Skipped(error)
            } else {
                fail(format!("error: {error}"))
            };
        }
        if source.op != Op::Decode {
            return self.topic(source, answer).unwrap_or_else(fail);
        }
        let Some(result) = answer.get("result").and_then(Value::as_str) else {
            return fail("no result".into());
        };
        let seen = match result {
            "ok" => Class::Valid,
            "malformed" | "protocol-error" => Class::Refused,
            "incomplete" => Class::Incomplete,
            other => {
                return fail(format!("the result {other}, which there is not"));
            }
        };
        let alternatives = list(&source.vector["alternatives"]);
        let is_alternative = alternatives
            .iter()
            .any(|word| Class::of(text(word)) == Some(seen));
        if beginning.is_some() {
            // What may be refused as a whole may be refused when it is seen.
            return match seen {
                Class::Incomplete => Verdict::Pass,
                Class::Refused if is_alternative => Verdict::Pass,
                _ => fail(shown(answer)),
            };
        }
        let verdict = text(&source.vector["verdict"]);
        match Class::of(verdict) {
            Some(class) if class == seen => match class {
                Class::Incomplete => Verdict::Pass,
                Class::Refused => match self.refusal(source, result, answer) {
                    Ok(()) => Verdict::Pass,
                    Err(what) => Verdict::NonStrict(what),
                },
                Class::Valid => match packet(source.vector, answer) {
                    Ok(()) => Verdict::Pass,
                    // Another reading may be another packet, too.
                    Err(_) if is_alternative => non_strict(source.vector, answer),
                    Err(what) => fail(what),
                },
            },
            _ if is_alternative => non_strict(source.vector, answer),
            _ => fail(shown(answer)),
        }
    }

    /// A refusal is one; what else it says is looked at here.
    fn refusal(
        &self,
        source: &Source<'_>,
        word: &str,
        answer: &Map<String, Value>,
    ) -> Result<(), String> {
        let vector = source.vector;
        let reasons = list(&vector["reasons"]);
        let reason = answer.get("reason").unwrap_or(&Value::Null);
        if !reasons.is_empty() && !reason.is_null() && !reasons.contains(reason) {
            return Err(format!(
                "the reason code {reason}, where {} fits",
                either(reasons)
            ));
        }
        if !self.is_strict {
            return Ok(());
        }
        let is_several = list(&vector["tags"]).iter().any(|tag| tag == "several");
        let is_open = is_several || !vector["ambiguity"].is_null();
        if !is_open && source.version == "5.0" {
            if let Some(first) = reasons.first()
                && !reason.is_null()
                && reason != first
            {
                return Err(format!(
                    "the reason code {reason}, where the standard names {first}"
                ));
            }
            if vector["verdict"] != word {
                return Err(format!("{word}, where it is {}", vector["verdict"]));
            }
        }
        if is_several {
            return Ok(());
        }
        self.statement(source.version, &vector["statements"], answer)?;
        match (answer.get("offset"), &vector["offset"]) {
            (Some(seen), expected) if !expected.is_null() && seen != expected => {
                Err(format!("the offset {seen}, where it is {expected}"))
            }
            _ => Ok(()),
        }
    }

    fn topic(&self, source: &Source<'_>, answer: &Map<String, Value>) -> Result<Verdict, String> {
        let vector = source.vector;
        let result = answer.get("result").unwrap_or(&Value::Null);
        if !result.is_boolean() {
            return Err(format!("the result {result}, neither true nor false"));
        }
        let key = if source.op == Op::Match {
            "matches"
        } else {
            "valid"
        };
        if *result == vector[key] {
            let cited = &vector["statements"][source.version];
            return Ok(match self.statement(source.version, cited, answer) {
                Err(what) if self.is_strict => Verdict::NonStrict(what),
                _ => Verdict::Pass,
            });
        }
        if list(&vector["alternatives"]).contains(result) {
            return Ok(non_strict(vector, answer));
        }
        Err(result.to_string())
    }

    /// If it names a statement or a section, it is one of those that the vector cites.
    fn statement(
        &self,
        version: &str,
        cited: &Value,
        answer: &Map<String, Value>,
    ) -> Result<(), String> {
        let Some(seen) = answer.get("statement").and_then(Value::as_str) else {
            return Ok(());
        };
        let fits = |id: &Value| match seen.strip_prefix("section ") {
            None => id == seen,
            Some(section) => {
                let id = text(id);
                !id.starts_with("MQTT-")
                    && self
                        .sections
                        .get(&(version, id))
                        .is_some_and(|sections| covers(sections, section))
            }
        };
        if list(cited).iter().any(fits) {
            Ok(())
        } else {
            Err(format!(
                "the statement {seen}, where {} fits",
                either(list(cited))
            ))
        }
    }
}

/// Whether a list of sections has this one, or a part of it, or what it is a part of.
fn covers(sections: &str, section: &str) -> bool {
    sections
        .split([',', ' '])
        .filter(|one| !one.is_empty())
        .any(|one| {
            crate::statements::is_within(one, section) || crate::statements::is_within(section, one)
        })
}

fn packet(vector: &Value, answer: &Map<String, Value>) -> Result<(), String> {
    let packet = spell::packet(&vector["packet"])?;
    let rest = |value: Option<&Value>| value.map_or(Some(0), Value::as_u64);
    let good = answer.get("packet") == Some(&packet)
        && rest(answer.get("rest")) == rest(vector.get("rest"));
    if good { Ok(()) } else { Err(shown(answer)) }
}

fn non_strict(vector: &Value, answer: &Map<String, Value>) -> Verdict {
    let keys = either(list(&vector["ambiguity"]));
    let seen = match answer.get("result") {
        Some(Value::String(text)) => text.clone(),
        other => other.unwrap_or(&Value::Null).to_string(),
    };
    Verdict::NonStrict(if keys.is_empty() {
        seen
    } else {
        format!("{keys}: {seen}")
    })
}

fn either(list: &[Value]) -> String {
    list.iter().map(text).collect::<Vec<_>>().join(" or ")
}

/// The answer without its `id`.
fn shown(answer: &Map<String, Value>) -> String {
    let result = text(answer.get("result").unwrap_or(&Value::Null));
    let mut all = vec![result.to_owned()];
    for key in ["reason", "statement", "offset", "packet", "rest"] {
        match answer.get(key) {
            None => {}
            Some(Value::String(text)) => all.push(text.clone()),
            Some(other) if key == "rest" => all.push(format!("rest {other}")),
            Some(other) if key == "offset" => all.push(format!("at byte {other}")),
            Some(other) => all.push(spell::cut(&other.to_string(), 1000)),
        }
    }
    all.join(", ")
}
