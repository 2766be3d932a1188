//! What shows each statement to each side: cases, the decoder behind all of them, or a reason why nothing does.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::data::{Data, list, text};
use crate::statements::Statement;
use crate::verdict::Case;

/// The sides that may be under test.
pub(crate) const ROLES: [&str; 3] = ["codec", "server", "client"];

/// What no case can show, or none does yet, by version, role and statement.
static REASONS: &str = include_str!("../reasons.json");

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl Reason {
    pub(crate) fn new(kind: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            text: text.into(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Numbers of the cases that cite it.
    Cases(Vec<usize>),
    /// It binds what that side sends, and the strict decoder that reads all of it refuses what breaks it.
    Watched,
    /// Why there is neither.
    Reason(Reason),
    /// Nothing is known; there is no such statement in what is released.
    #[default]
    Gap,
}

impl Shown {
    /// Why there is no case.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Cases(_) => String::new(),
            Self::Watched => "watched: every packet that it sends in any case is looked at".into(),
            Self::Reason(reason) => format!("{}: {}", reason.kind, reason.text),
            Self::Gap => "gap: neither a case nor a reason".into(),
        }
    }
}

type Key<'k> = (&'k str, &'k str, &'k str);

pub(crate) fn fill(statements: &mut [Statement], data: &Data, cases: &[Case]) {
    let mut by_statement: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
    for (number, case) in cases.iter().enumerate() {
        for id in &case.statements {
            let key = (&case.version[..], &id[..], case.role);
            by_statement.entry(key).or_default().push(number);
        }
    }
    let refused = refused(data);
    let spoken = spoken(data, cases);
    let reasons: Value = serde_json::from_str(REASONS).unwrap_or_default();
    let shown = statements.iter().map(|of| {
        ROLES.map(|role| {
            let key = (&of.version[..], &of.id[..], role);
            if let Some(numbers) = by_statement.get(&key) {
                return Shown::Cases(numbers.clone());
            }
            // A vector may be refused for something else than all that it cites, which the file of reasons knows.
            let is_spoken = spoken.contains(&(role, &of.version));
            if is_spoken && told(of, role, &reasons).is_none() && is_watched(of, role, &refused) {
                return Shown::Watched;
            }
            match reason(of, role, &reasons) {
                Some(reason) => Shown::Reason(reason),
                None => Shown::Gap,
            }
        })
    });
    let shown: Vec<_> = shown.collect();
    for (statement, shown) in statements.iter_mut().zip(shown) {
        statement.shown = shown;
    }
}

/// The statements that a vector breaks which has no other verdict, with its direction.
fn refused(data: &Data) -> HashSet<Key<'_>> {
    let mut refused = HashSet::new();
    for file in &data.codec {
        let version = text(&file["version"]);
        for vector in list(&file["vectors"]) {
            let is_refused = matches!(text(&vector["verdict"]), "malformed" | "protocol-error");
            if is_refused && vector["alternatives"].is_null() {
                let ids = list(&vector["statements"]).iter();
                refused.extend(ids.map(|id| (version, text(id), text(&vector["direction"]))));
            }
        }
    }
    refused
}

/// The versions in which packets of each role are seen at all.
fn spoken<'a>(data: &'a Data, cases: &'a [Case]) -> HashSet<(&'a str, &'a str)> {
    let mut spoken: HashSet<_> = cases
        .iter()
        .map(|case| (case.role, &case.version[..]))
        .collect();
    for trace in data.traces.iter().flat_map(|file| list(&file["traces"])) {
        let steps = list(&trace["steps"]).iter();
        let versions = steps.filter_map(|step| step["version"].as_str());
        spoken.extend(versions.map(|version| (text(&trace["role"]), version)));
    }
    spoken
}

/// A trace fails on what the decoder of the crate refuses, and that is what the vectors say.
fn is_watched(statement: &Statement, role: &str, refused: &HashSet<Key<'_>>) -> bool {
    let own = match role {
        "server" => "s2c",
        "client" => "c2s",
        _ => return false,
    };
    let is_refused =
        |direction| refused.contains(&(&statement.version[..], &statement.id[..], direction));
    let is_of_bytes = matches!(&statement.layer[..], "codec" | "topic");
    is_of_bytes
        && match &statement.actor[..] {
            // What binds a side as a receiver is broken by packets of the other one.
            actor if actor == role => is_refused(own),
            "sender" | "both" => is_refused(own) || is_refused("any"),
            _ => false,
        }
}

fn reason(statement: &Statement, role: &str, reasons: &Value) -> Option<Reason> {
    let actor = &statement.actor[..];
    match (role, actor) {
        ("server", "client") | ("client", "server") => {
            return Some(Reason::new(
                "other side",
                format!("binds the {actor} alone"),
            ));
        }
        _ => {}
    }
    if let Some(reason) = &statement.reason {
        return Some(reason.clone());
    }
    let layer = &statement.layer[..];
    if role == "codec" && !matches!(layer, "codec" | "topic") {
        return Some(Reason::new(
            "not bytes",
            format!("bytes alone do not decide it ({layer})"),
        ));
    }
    if role != "codec" && statement.no_trace.is_some() {
        return statement.no_trace.clone();
    }
    let found = told(statement, role, reasons)?;
    Some(Reason::new(text(&found["kind"]), text(&found["text"])))
}

/// What the file of reasons says.
fn told<'r>(statement: &Statement, role: &str, reasons: &'r Value) -> Option<&'r Value> {
    list(reasons).iter().find(|one| {
        let ids = &one["statements"];
        one["version"] == statement.version[..]
            && one["role"] == *role
            && (ids.is_null() || list(ids).iter().any(|id| *id == statement.id[..]))
    })
}
