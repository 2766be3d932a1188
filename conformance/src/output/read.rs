//! Runs as the page needs them, from either kind of file.

use std::collections::HashMap;

use sansio_mqtt::{Packet, Role};
use serde_json::Value;

use crate::data::list;
use crate::run::Standing;
use crate::statements::Statements;
use crate::trace::json::{packet, receiver, unhex};

/// A run, with what its file leaves out taken from the data.
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) mode: String,
    /// The side under test.
    pub(crate) role: &'static str,
    pub(crate) is_strict: bool,
    pub(crate) is_conforming: bool,
    pub(crate) error: Option<String>,
    pub(crate) took_ms: u64,
    pub(crate) cases: Vec<Case>,
    by_case: HashMap<(String, String), usize>,
}

pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) comment: String,
    pub(crate) statements: Vec<String>,
    pub(crate) result: Standing,
    /// Of what is skipped or not strict.
    pub(crate) note: String,
    pub(crate) failure: Option<Failure>,
}

pub(crate) struct Failure {
    pub(crate) expected: String,
    pub(crate) seen: String,
    pub(crate) is_dead: bool,
    /// Lines to show.
    pub(crate) log: Vec<String>,
}

impl Run {
    /// An error: it is none of the files that this program writes.
    pub(crate) fn of(value: &Value, all: &Statements) -> Result<Self, String> {
        let wrong = || "no run that --json or --json-brief has written".to_owned();
        if value["format"] != 1 || !value["cases"].is_array() {
            return Err(wrong());
        }
        let mode = text(&value["mode"]);
        let role = match &mode[..] {
            "broker" => "server",
            "client" => "client",
            _ => "codec",
        };
        let mut cases = match value["kind"].as_str() {
            Some("run") => list(&value["cases"])
                .iter()
                .map(|one| case(one, one, role))
                .collect(),
            Some("brief") => brief(value, role),
            _ => return Err(wrong()),
        };
        let mut by_case = HashMap::new();
        for (number, case) in cases.iter_mut().enumerate() {
            if let Some(known) = all.case(&case.id, &case.version, role) {
                if case.comment.is_empty() {
                    case.comment.clone_from(&known.comment);
                }
                if case.statements.is_empty() {
                    case.statements.clone_from(&known.statements);
                }
            }
            by_case.insert((case.version.clone(), case.id.clone()), number);
        }
        Ok(Self {
            name: text(&value["target"]),
            mode,
            role,
            is_strict: value["strict"] == true,
            is_conforming: value["conforming"] == true,
            error: value["error"].as_str().map(ToOwned::to_owned),
            took_ms: value["took_ms"].as_u64().unwrap_or(0),
            cases,
            by_case,
        })
    }

    pub(crate) fn case(&self, version: &str, id: &str) -> Option<&Case> {
        let number = self.by_case.get(&(version.to_owned(), id.to_owned()))?;
        self.cases.get(*number)
    }

    pub(crate) fn count(&self, standing: Standing) -> usize {
        let cases = self.cases.iter();
        cases.filter(|case| case.result == standing).count()
    }
}

/// A result that there is not is none to rely on.
fn standing(name: &Value) -> Standing {
    let all = Standing::ALL.into_iter();
    let mut found = all.filter(|one| name == one.name());
    found.next().unwrap_or(Standing::Failed)
}

/// `common` has what several may have in common.
fn case(value: &Value, common: &Value, role: &str) -> Case {
    let statements = list(&value["statements"]).iter();
    let version = text(&common["version"]);
    let failure = common["seen"].as_str().map(|seen| Failure {
        expected: text(&common["expected"]),
        seen: seen.to_owned(),
        is_dead: common["dead"] == true,
        log: list(&value["log"])
            .iter()
            .map(|line| match line.as_str() {
                Some(line) => brief_line(line, &version, role),
                None => full_line(line, &version, role),
            })
            .collect(),
    });
    Case {
        id: text(&value["id"]),
        comment: text(&value["comment"]),
        statements: statements.map(text).collect(),
        result: standing(&common["result"]),
        note: text(&common["note"]),
        failure,
        version,
    }
}

/// The cases of groups, and those that failed.
fn brief(value: &Value, role: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for group in list(&value["cases"]) {
        for (beginning, names) in group["ids"].as_object().into_iter().flatten() {
            cases.extend(list(names).iter().map(|name| {
                let mut one = case(&Value::Null, group, role);
                one.id = format!("{beginning}{}", text(name));
                one
            }));
        }
    }
    for group in list(&value["failures"]) {
        let failed = list(&group["cases"]).iter();
        cases.extend(failed.map(|one| case(one, group, role)));
    }
    cases
}

fn full_line(line: &Value, version: &str, role: &str) -> String {
    let is_sent = line["sent"] == true;
    let at = line["at_ms"].as_u64().unwrap_or(0);
    let hex = text(&line["hex"]);
    let what = match decoded(&hex, version, role, is_sent) {
        Some(text) => text,
        None => text(&line["text"]),
    };
    shown(
        &at.to_string(),
        is_sent,
        &text(&line["connection"]),
        &what,
        &hex,
    )
}

/// As `brief.rs` writes it; anything else is shown as it is.
fn brief_line(line: &str, version: &str, role: &str) -> String {
    let parts = line.split_once(": ").and_then(|(head, what)| {
        let mut words = head.split(' ');
        let (at, arrow) = (words.next()?, words.next()?);
        Some((at, arrow, words.next()?, what))
    });
    let Some((at, arrow @ (">" | "<"), connection, what)) = parts else {
        return line.to_owned();
    };
    match decoded(what, version, role, arrow == ">") {
        Some(text) => shown(at, arrow == ">", connection, &text, what),
        None => shown(at, arrow == ">", connection, what, ""),
    }
}

fn shown(at: &str, is_sent: bool, connection: &str, what: &str, hex: &str) -> String {
    let arrow = if is_sent { "→" } else { "←" };
    let mut out = format!("{at:>6} ms {arrow} ");
    if !connection.is_empty() {
        out.push_str(&format!("{connection}: "));
    }
    out.push_str(what);
    if !hex.is_empty() {
        out.push_str(&format!("  [{hex}]"));
    }
    out
}

/// A whole packet in short: without what is 0, false or empty.
fn decoded(hex: &str, version: &str, role: &str, is_sent: bool) -> Option<String> {
    let sender = match (role, is_sent) {
        ("server", true) | ("client", false) => Role::Client,
        ("server", false) | ("client", true) => Role::Server,
        _ => return None,
    };
    let bytes = unhex(hex).filter(|bytes| !bytes.is_empty())?;
    let (version, options) = receiver(version)?;
    let mut rest = &bytes[..];
    let one = Packet::decode(version, &options.with_sender(Some(sender)), &mut rest);
    match one {
        Ok(Some(one)) if rest.is_empty() => Some(short(&packet(version, &one))),
        _ => None,
    }
}

fn short(packet: &Value) -> String {
    let mut out = text(&packet["type"]);
    for (key, value) in packet.as_object().into_iter().flatten() {
        let is_nothing = match value {
            Value::Bool(is) => !is,
            Value::String(text) => text.is_empty() || text == "0x00",
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Number(number) => number.as_u64() == Some(0),
            Value::Null => true,
        };
        match value {
            _ if is_nothing || key == "type" => {}
            Value::Bool(_) => out.push_str(&format!(" {key}")),
            value => out.push_str(&format!(" {key} {value}")),
        }
    }
    out
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
