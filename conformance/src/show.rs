//! `list`, `show` and `explain`.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::coverage::{ROLES, Shown};
use crate::data::Data;
use crate::spell;
use crate::statements::{Statement, Statements};
use crate::verdict::Case;

/// One case on a line: id, version, role and statements, with tabs between.
pub(crate) fn list(cases: &[Case]) -> String {
    let mut out = String::new();
    for case in cases {
        let _ = writeln!(
            out,
            "{}\t{}\t{}\t{}",
            case.id,
            case.version,
            case.role,
            case.statements.join(",")
        );
    }
    out
}

pub(crate) fn list_json(cases: &[Case]) -> String {
    let all: Value = cases
        .iter()
        .map(|case| {
            json!({
                "id": case.id, "version": case.version, "role": case.role,
                "statements": case.statements, "comment": case.comment,
            })
        })
        .collect();
    format!("{all:#}\n")
}

/// The vector or trace of this id, and its version if it has one alone.
fn find<'a>(data: &'a Data, id: &str) -> Option<(&'a Value, Option<&'a str>)> {
    let files = data
        .codec
        .iter()
        .chain(&data.topics)
        .map(|file| (file, "vectors"))
        .chain(data.traces.iter().map(|file| (file, "traces")));
    for (file, key) in files {
        let all = file[key].as_array().into_iter().flatten();
        if let Some(found) = all.into_iter().find(|one| one["id"] == id) {
            return Some((found, file["version"].as_str()));
        }
    }
    None
}

pub(crate) fn show(data: &Data, all: &Statements, id: &str, as_json: bool) -> Option<String> {
    let (value, version) = find(data, id)?;
    if as_json {
        return Some(format!("{value:#}\n"));
    }
    let mut out = format!("{id}\n{}\n", value["comment"].as_str().unwrap_or_default());
    if let Some(version) = version {
        let _ = writeln!(out, "version: {version}");
        cited(&mut out, all, version, &value["statements"]);
    } else {
        for (version, ids) in value["statements"].as_object().into_iter().flatten() {
            let _ = writeln!(out, "version: {version}");
            cited(&mut out, all, version, ids);
        }
    }
    for (key, field) in value.as_object().into_iter().flatten() {
        match &key[..] {
            "id" | "comment" | "statements" | "steps" | "versions" => {}
            "hex" => {
                let _ = writeln!(out, "bytes:\n{}", dump(field.as_str().unwrap_or_default()));
            }
            _ => {
                let _ = writeln!(out, "{key}: {}", plain(field));
            }
        }
    }
    for (number, step) in value["steps"].as_array().into_iter().flatten().enumerate() {
        let _ = writeln!(out, "{:3}. {}", number + 1, steps(step));
    }
    Some(out)
}

fn cited(out: &mut String, all: &Statements, version: &str, ids: &Value) {
    for id in ids.as_array().into_iter().flatten() {
        let id = id.as_str().unwrap_or_default();
        match all.get(version, id) {
            Some(statement) => {
                let _ = writeln!(out, "  {}", statement.line());
            }
            None => {
                let _ = writeln!(out, "  {version}:{id}");
            }
        }
    }
}

/// A step on one line: its verb, what it is about, and the rest.
fn steps(step: &Value) -> String {
    const VERBS: &[&str] = &[
        "open",
        "close",
        "send",
        "send_hex",
        "do",
        "expect",
        "expect_all",
        "any_of",
        "delivered",
        "wait_ms",
        "quiet_ms",
    ];
    let mut words = Vec::new();
    let verb = VERBS.iter().find(|verb| step.get(**verb).is_some());
    if let Some(verb) = verb {
        words.push(format!("{verb} {}", plain(&step[*verb])));
    }
    for (key, value) in step.as_object().into_iter().flatten() {
        if Some(&&key[..]) != verb {
            words.push(format!("{key} {}", plain(value)));
        }
    }
    words.join("  ")
}

/// A text without its quotes, a packet with its type first.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) if map.contains_key("type") => {
            let mut rest = map.clone();
            let kind = rest.shift_remove("type").unwrap_or_default();
            let kind = kind.as_str().unwrap_or_default();
            if rest.is_empty() {
                kind.to_owned()
            } else {
                format!("{kind} {}", Value::Object(rest))
            }
        }
        Value::Array(list) => {
            let parts: Vec<_> = list.iter().map(plain).collect();
            format!("[{}]", parts.join(", "))
        }
        other => other.to_string(),
    }
}

/// Hexadecimal digits as lines of sixteen bytes.
fn dump(hex: &str) -> String {
    let digits: Vec<_> = hex.chars().collect();
    let mut lines = Vec::new();
    for (number, line) in digits.chunks(32).enumerate().take(64) {
        let bytes: Vec<String> = line.chunks(2).map(|byte| byte.iter().collect()).collect();
        let texts: String = bytes
            .iter()
            .map(|byte| match u8::from_str_radix(byte, 16) {
                Ok(byte @ 0x20..=0x7e) => char::from(byte),
                _ => '.',
            })
            .collect();
        lines.push(format!(
            "  {:04x}  {:47}  {texts}",
            number * 16,
            bytes.join(" ")
        ));
    }
    if digits.len() > 64 * 32 {
        lines.push(format!("  … {} bytes", digits.len() / 2));
    }
    lines.join("\n")
}

/// How many cases are named; `list --filter` has all of them.
const CASES: usize = 10;

/// What a statement says and what shows it, in each version that has it, or in the one that is asked for.
pub(crate) fn explain(all: &Statements, id: &str, version: Option<&str>) -> Option<String> {
    let (version, id) = match id.split_once(':') {
        Some((version, id)) => (Some(version), id),
        None => (version, id),
    };
    let found: Vec<_> = all
        .iter()
        .filter(|one| one.id == id && version.is_none_or(|version| version == one.version))
        .map(|statement| explained(statement, all.cases()))
        .collect();
    (!found.is_empty()).then(|| found.join("\n"))
}

fn explained(statement: &Statement, cases: &[Case]) -> String {
    let Statement {
        version,
        id,
        section,
        level,
        actor,
        layer,
        summary,
        ..
    } = statement;
    let mut out = format!(
        "{version}:{id}\n{summary}\nsection {section}, {level}, binds: {actor}, kept by: {layer}\n"
    );
    let mut named = HashSet::new();
    for role in ROLES {
        let numbers = match statement.shown(role) {
            Shown::Cases(numbers) => numbers,
            other => {
                let _ = writeln!(out, "no case for a {role}: {}", other.why());
                continue;
            }
        };
        let cases_of = if numbers.len() == 1 { "case" } else { "cases" };
        let _ = writeln!(out, "{} {cases_of} for a {role}:", numbers.len());
        let all = format!("list --role {role} --filter {version}:{id}");
        let of_role = numbers.iter().filter_map(|number| cases.get(*number));
        // A vector is named once.
        let (same, own): (Vec<_>, Vec<_>) = of_role.partition(|case| named.contains(&case.id));
        for case in own.iter().take(CASES) {
            let _ = writeln!(out, "  {}  {}", case.id, spell::cut(&case.comment, 200));
        }
        if own.len() > CASES {
            let _ = writeln!(out, "  and {} more: {all}", own.len() - CASES);
        }
        if !same.is_empty() {
            let _ = writeln!(out, "  {} of those above: {all}", same.len());
        }
        named.extend(own.iter().map(|case| &case.id));
    }
    out
}
