//! The vectors put to a server or a client: each as a small trace, with a step of its own kind that sends the bytes and judges
//! what comes of them.

mod client;
mod goes_on;
mod judge;
mod matches;
mod server;
mod topics;

use std::collections::HashSet;

use serde_json::Value;

use super::list;
use crate::data::Data;
use crate::verdict::Case;

/// What the standard says of the bytes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Kind {
    Refused,
    Valid,
}

/// A vector that is a case, and its version.
#[derive(Copy, Clone)]
struct Source<'d> {
    vector: &'d Value,
    version: &'d str,
    /// Of the codec; else of topics.
    kind: Option<Kind>,
}

impl Source<'_> {
    fn text(&self, name: &str) -> String {
        self.vector[name].as_str().unwrap_or_default().to_owned()
    }

    /// Bound by a side as well as by its codec.
    fn statements(&self, role: &str) -> Vec<String> {
        let all = match self.kind {
            Some(_) => &self.vector["statements"],
            None => &self.vector["statements"][self.version],
        };
        let all = list(all).iter().filter_map(Value::as_str);
        let mut all: Vec<String> = all.map(ToOwned::to_owned).collect();
        // That a client closes is good advice in 5.0.
        if role == "client" && self.version == "5.0" && self.kind == Some(Kind::Refused) {
            all.retain(|one| one != CLOSES);
            all.insert(0, CLOSES.into());
        }
        all
    }

    fn trace(&self, role: &str) -> Result<Value, String> {
        let mut trace = match (self.kind, role) {
            (None, _) => topics::trace(self.vector, self.version)?,
            (Some(kind), "server") => server::trace(self.vector, self.version, kind)?,
            (Some(kind), _) => client::trace(self.vector, self.version, kind)?,
        };
        trace["id"] = self.vector["id"].clone();
        trace["role"] = role.into();
        Ok(trace)
    }
}

/// A client closes on an error.
const CLOSES: &str = "U5-109";

fn sources<'d>(data: &'d Data, role: &'static str) -> impl Iterator<Item = Source<'d>> {
    let codec = data.codec.iter().flat_map(move |file| {
        let version = file["version"].as_str().unwrap_or_default();
        list(&file["vectors"]).iter().filter_map(move |vector| {
            let kind = match role {
                "server" => server::kind(vector),
                _ => client::kind(vector, version),
            };
            Some(Source {
                vector,
                version,
                kind: Some(kind?),
            })
        })
    });
    let topics = data.topics.iter().filter(move |_| role == "server");
    let topics = topics.flat_map(|file| list(&file["vectors"]));
    let topics = topics.filter(|vector| topics::fits(vector));
    let topics = topics.flat_map(|vector| {
        let versions = list(&vector["versions"]).iter().filter_map(Value::as_str);
        versions.map(move |version| Source {
            vector,
            version,
            kind: None,
        })
    });
    codec.chain(topics)
}

/// The vectors that a side of this role can be shown.
pub(crate) fn cases(data: &Data, role: &'static str) -> Vec<Case> {
    let case = |source: Source<'_>| Case {
        id: source.text("id"),
        comment: source.text("comment"),
        version: source.version.into(),
        statements: source.statements(role),
        role,
    };
    sources(data, role).map(case).collect()
}

/// The traces of those that are chosen, with their versions.
pub(crate) fn traces<'d>(
    data: &'d Data,
    role: &'static str,
    chosen: &[Case],
) -> Vec<(Value, &'d str)> {
    let chosen: HashSet<_> = chosen
        .iter()
        .map(|case| (&case.id[..], &case.version[..]))
        .collect();
    let chosen = sources(data, role).filter(|source| {
        let id = source.vector["id"].as_str().unwrap_or_default();
        chosen.contains(&(id, source.version))
    });
    // One that cannot be spelt out is missing, which skips its case.
    chosen
        .filter_map(|source| Some((source.trace(role).ok()?, source.version)))
        .collect()
}

/// Whether a trace is one of these: then its last step has looked at the end.
pub(crate) fn is_wire(trace: &Value) -> bool {
    list(&trace["steps"])
        .last()
        .is_some_and(|step| step["wire"].is_object())
}

fn is_refusal(verdict: &Value) -> bool {
    *verdict == "malformed" || *verdict == "protocol-error"
}

fn has_tag(vector: &Value, tag: &str) -> bool {
    list(&vector["tags"]).iter().any(|one| one == tag)
}

/// The type of packet in its first byte.
fn first_nibble(vector: &Value) -> Option<u8> {
    let hex = vector["hex"]
        .as_str()
        .or_else(|| vector["runs"][0][0].as_str());
    let digit = hex?.chars().next()?.to_digit(16)?;
    u8::try_from(digit).ok()
}

/// The question that lets a side decide otherwise, if it may.
fn open_question(vector: &Value, kind: Kind) -> Value {
    let other = |verdict: &Value| match kind {
        Kind::Refused => *verdict == "valid" || *verdict == true,
        Kind::Valid => is_refusal(verdict) || *verdict == false,
    };
    if !list(&vector["alternatives"]).iter().any(other) {
        return Value::Null;
    }
    let keys = list(&vector["ambiguity"]).iter().filter_map(Value::as_str);
    let keys: Vec<_> = keys.collect();
    match keys.is_empty() {
        true => "the standard leaves it open".into(),
        false => keys.join(", ").into(),
    }
}
