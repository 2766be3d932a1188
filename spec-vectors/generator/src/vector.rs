//! A vector, the files it stands in, and how both are written.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use crate::packet::Case;
use crate::rules::Fault;
use crate::version::{Direction, Version};

/// Hex above this many digits is written as runs.
const HEX_LIMIT: usize = 4096;
/// Text above this length is written as a repetition, in vectors with runs.
const TEXT_LIMIT: usize = 64;

#[derive(Clone, Debug)]
pub enum Verdict {
    Valid { packet: Value, canonical: bool },
    Refused { fault: Fault, offset: Option<usize> },
    Incomplete,
}

#[derive(Clone, Debug)]
pub struct Vector {
    pub name: String,
    comment: String,
    direction: Direction,
    bytes: Vec<u8>,
    verdict: Verdict,
    alternatives: Vec<&'static str>,
    ambiguity: Vec<&'static str>,
    statements: Vec<String>,
    rest: Option<usize>,
    tags: Vec<&'static str>,
}

impl Vector {
    fn new(
        name: impl Into<String>,
        direction: Direction,
        bytes: Vec<u8>,
        verdict: Verdict,
    ) -> Self {
        Self {
            name: name.into(),
            comment: String::new(),
            direction,
            bytes,
            verdict,
            alternatives: Vec::new(),
            ambiguity: Vec::new(),
            statements: Vec::new(),
            rest: None,
            tags: Vec::new(),
        }
    }

    /// A packet that every reader takes, in its canonical form.
    pub fn valid(
        name: impl Into<String>,
        direction: Direction,
        case: &Case,
        statements: &str,
    ) -> Self {
        let verdict = Verdict::Valid {
            packet: case.json.clone(),
            canonical: true,
        };
        Self::new(name, direction, case.body.packet(), verdict).cites(statements)
    }

    /// A packet that is refused for one fault.
    pub fn refused(
        name: impl Into<String>,
        direction: Direction,
        bytes: Vec<u8>,
        fault: Fault,
        offset: impl Into<Option<usize>>,
    ) -> Self {
        let mut vector = Self::new(name, direction, bytes, Verdict::Incomplete);
        vector.statements.clone_from(&fault.statements);
        vector.ambiguity.clone_from(&fault.ambiguity);
        if fault.may_pass {
            vector.alternatives.push("valid");
        }
        vector.verdict = Verdict::Refused {
            fault,
            offset: offset.into(),
        };
        vector
    }

    /// A beginning.
    pub fn incomplete(
        name: impl Into<String>,
        direction: Direction,
        bytes: Vec<u8>,
        statements: &str,
    ) -> Self {
        Self::new(name, direction, bytes, Verdict::Incomplete).cites(statements)
    }

    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = comment.into();
        self
    }

    pub fn cites(mut self, statements: &str) -> Self {
        for statement in statements.split_whitespace() {
            if !self.statements.iter().any(|other| other == statement) {
                self.statements.push(statement.to_owned());
            }
        }
        self
    }

    /// The same packet in other bytes than a sender writes.
    pub fn rewritten(mut self, bytes: Option<Vec<u8>>) -> Self {
        if let Verdict::Valid { canonical, .. } = &mut self.verdict {
            *canonical = false;
        }
        if let Some(bytes) = bytes {
            self.bytes = bytes;
        }
        self
    }

    pub fn alternative(mut self, verdict: &'static str, ambiguity: &'static str) -> Self {
        if !self.alternatives.contains(&verdict) {
            self.alternatives.push(verdict);
        }
        self.disputed(ambiguity)
    }

    pub fn disputed(mut self, ambiguity: &'static str) -> Self {
        if !ambiguity.is_empty() && !self.ambiguity.contains(&ambiguity) {
            self.ambiguity.push(ambiguity);
        }
        self
    }

    pub fn tag(mut self, tag: &'static str) -> Self {
        self.tags.push(tag);
        self
    }

    /// Bytes that stand behind the packet.
    pub fn followed_by(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self.rest = Some(bytes.len());
        self.tag("stream")
    }

    fn to_json(&self, prefix: &str) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| {
            out.insert(key.to_owned(), value);
        };
        put("id", json!(format!("{prefix}/{}", self.name)));
        put("comment", json!(self.comment));
        put("direction", json!(self.direction.name()));
        let long = self.bytes.len() * 2 > HEX_LIMIT;
        if long {
            put("runs", runs(&self.bytes));
        } else {
            put("hex", json!(hex(&self.bytes)));
        }
        let verdict = match &self.verdict {
            Verdict::Valid { .. } => "valid",
            Verdict::Refused { fault, .. } if fault.is_malformed() => "malformed",
            Verdict::Refused { .. } => "protocol-error",
            Verdict::Incomplete => "incomplete",
        };
        put("verdict", json!(verdict));
        if let Verdict::Refused { fault, .. } = &self.verdict
            && prefix.starts_with("5.0")
        {
            put("reasons", json!(fault.reasons));
        }
        if !self.alternatives.is_empty() {
            put("alternatives", json!(self.alternatives));
        }
        if !self.ambiguity.is_empty() {
            put("ambiguity", json!(self.ambiguity));
        }
        put("statements", json!(self.statements));
        match &self.verdict {
            Verdict::Refused {
                offset: Some(offset),
                ..
            } => put("offset", json!(offset)),
            Verdict::Valid { packet, canonical } => {
                put("canonical", json!(canonical));
                put(
                    "packet",
                    if long {
                        shortened(packet)
                    } else {
                        packet.clone()
                    },
                );
            }
            _ => {}
        }
        if let Some(rest) = self.rest {
            put("rest", json!(rest));
        }
        if !self.tags.is_empty() {
            put("tags", json!(self.tags));
        }
        Value::Object(out)
    }
}

/// The vectors of one version, by file.
pub struct Set {
    pub version: Version,
    files: BTreeMap<&'static str, Vec<Vector>>,
    seen: HashSet<(Direction, Vec<u8>)>,
    names: HashSet<(&'static str, String)>,
}

impl Set {
    pub fn new(version: Version) -> Self {
        Self {
            version,
            files: BTreeMap::new(),
            seen: HashSet::new(),
            names: HashSet::new(),
        }
    }

    /// Adds a vector, unless these bytes are there already: families overlap.
    pub fn add(&mut self, file: &'static str, vector: Vector) {
        let shown = format!("{}/{file}/{}", self.version.name(), vector.name);
        assert!(!vector.statements.is_empty(), "{shown} cites nothing");
        assert!(!vector.comment.is_empty(), "{shown} has no comment");
        if !self.seen.insert((vector.direction, vector.bytes.clone())) {
            return;
        }
        assert!(
            self.names.insert((file, vector.name.clone())),
            "two vectors {shown}"
        );
        self.files.entry(file).or_default().push(vector);
    }

    /// The files as text, by name.
    pub fn render(&self) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (file, vectors) in &self.files {
            let packet = match *file {
                "fixed_header" | "strings" => Value::Null,
                _ => json!(file.to_uppercase()),
            };
            let mut text = format!(
                "{{\"format\":1,\"kind\":\"codec\",\"version\":\"{}\",\"packet\":{packet},\"generated\":true,\"vectors\":[\n",
                self.version.name()
            );
            let prefix = format!("{}/{file}", self.version.name());
            let lines: Vec<String> = vectors
                .iter()
                .map(|v| ascii(&v.to_json(&prefix).to_string()))
                .collect();
            text += &lines.join(",\n");
            text += "\n]}\n";
            out.insert(format!("codec/{}/{file}.json", self.version.name()), text);
        }
        out
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pieces of hex, each with how often it stands: a piece of many is one byte.
fn runs(bytes: &[u8]) -> Value {
    let mut out: Vec<(String, usize)> = Vec::new();
    let mut plain: Vec<u8> = Vec::new();
    for chunk in bytes.chunk_by(|a, b| a == b) {
        if chunk.len() >= 32 {
            if !plain.is_empty() {
                out.push((hex(&std::mem::take(&mut plain)), 1));
            }
            out.push((hex(&chunk[..1]), chunk.len()));
        } else {
            plain.extend_from_slice(chunk);
        }
    }
    if !plain.is_empty() {
        out.push((hex(&plain), 1));
    }
    json!(out)
}

/// The same with long text and long lists as repetitions.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > TEXT_LIMIT => {
            let unit = if text.len().is_multiple_of(2)
                && text
                    .as_bytes()
                    .chunks(2)
                    .all(|pair| pair == &text.as_bytes()[..2])
            {
                2
            } else {
                1
            };
            let single = unit == 2 && text.as_bytes()[0] == text.as_bytes()[1] && !is_hex(text);
            let unit = if single { 1 } else { unit };
            let repeats = text
                .as_bytes()
                .chunks(unit)
                .all(|part| part == &text.as_bytes()[..unit]);
            assert!(repeats, "long text has one period");
            json!({"repeat": text[..unit], "times": text.len() / unit})
        }
        Value::Array(items)
            if items.len() > TEXT_LIMIT && items.iter().all(|item| *item == items[0]) =>
        {
            json!([{"repeat": shortened(&items[0]), "times": items.len()}])
        }
        // A repetition that is an element of a list stands for so many elements.
        Value::Array(items) => items
            .iter()
            .map(|item| match shortened(item) {
                short if item.is_string() && short.is_object() => json!({"concat": [short]}),
                short => short,
            })
            .collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), shortened(value)))
            .collect(),
        other => other.clone(),
    }
}

fn is_hex(text: &str) -> bool {
    text.len().is_multiple_of(2)
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Escapes what a terminal or a diff would not show; JSON allows that in strings, where all of it stands.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if (' '..='~').contains(&character) {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out += &format!("\\u{unit:04x}");
            }
        }
    }
    out
}
