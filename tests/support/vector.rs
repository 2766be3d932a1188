//! The files of `spec-vectors/` and the values in them, spelt out.

#![allow(dead_code)] // each test binary uses a part of it

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec-vectors")
}

pub(crate) fn read(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The bytes of a vector.
pub(crate) fn bytes(vector: &Value) -> Vec<u8> {
    let unhex = |text: &Value| {
        let text = text.as_str().expect("a text");
        assert_eq!(text, text.to_lowercase(), "digits are lower-case");
        json::unhex(text).expect("pairs of digits")
    };
    match &vector["runs"] {
        Value::Null => unhex(&vector["hex"]),
        runs => pieces(runs)
            .map(|(piece, times)| unhex(piece).repeat(times))
            .collect::<Vec<_>>()
            .concat(),
    }
}

fn pieces(runs: &Value) -> impl Iterator<Item = (&Value, usize)> {
    runs.as_array()
        .expect("a list of runs")
        .iter()
        .map(|run| (&run[0], number(&run[1])))
}

/// A text of a topic vector, spelt out or in runs.
pub(crate) fn spelt(vector: &Value, key: &str) -> String {
    match &vector[key] {
        Value::String(text) => text.clone(),
        _ => pieces(&vector[&format!("{key}_runs")])
            .map(|(piece, times)| piece.as_str().expect("a text").repeat(times))
            .collect(),
    }
}

/// A packet with its long texts and lists spelt out. A repetition that is an element of a list stands for so many elements.
pub(crate) fn expanded(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("repeat") => {
            let (piece, times) = repetition(value);
            text(&piece).repeat(times).into()
        }
        Value::Object(map) if map.contains_key("concat") => {
            let parts = map["concat"].as_array().expect("a list").iter();
            parts
                .map(|part| text(&expanded(part)).to_owned())
                .collect::<String>()
                .into()
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), expanded(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(list) => {
            let elements = list.iter().flat_map(|element| match element {
                Value::Object(map) if map.contains_key("repeat") => {
                    let (element, times) = repetition(element);
                    vec![element; times]
                }
                element => vec![expanded(element)],
            });
            elements.collect()
        }
        other => other.clone(),
    }
}

fn repetition(value: &Value) -> (Value, usize) {
    (expanded(&value["repeat"]), number(&value["times"]))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

pub(crate) fn number(value: &Value) -> usize {
    let number = value.as_u64().expect("a number");
    usize::try_from(number).expect("a number of bytes in memory")
}

/// The sections of the rules that have no number.
pub(crate) struct Rules(BTreeMap<String, String>);

impl Rules {
    pub(crate) fn of(version: &str) -> Self {
        let content = read(&format!("statements/{version}.json"));
        let statements = content["statements"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let one = |rule: &Value| (text(&rule["id"]), text(&rule["section"]));
        Self(statements.iter().map(one).collect())
    }

    /// Whether an error may name this statement or section: one that the vector cites, or the section of a rule that it
    /// cites and that has no number.
    pub(crate) fn allow(&self, seen: &str, cited: &Value) -> bool {
        let mut cited = cited.as_array().expect("a list").iter().map(text);
        let Some(section) = seen.strip_prefix("section ") else {
            return cited.any(|id| id == seen);
        };
        cited
            .filter(|id| !id.starts_with("MQTT-"))
            .filter_map(|id| self.0.get(id))
            .any(|sections| covers(sections, section))
    }
}

/// Whether a list of sections has this one, or a part of it, or what it is a part of.
fn covers(sections: &str, section: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    sections
        .split([',', ' '])
        .filter(|one| !one.is_empty())
        .any(|one| within(one, section) || within(section, one))
}
