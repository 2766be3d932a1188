//! Topic names, topic filters and what they match, as a server shows them.

use serde_json::{Value, json};

use super::super::list;
use super::super::support::json::hex;
use super::super::support::traces::bytes::encode;
use super::server::connected;
use super::{Kind, open_question};
use crate::spell;

/// No string is longer.
const MOST: usize = 65_535;

pub(super) fn trace(vector: &Value, version: &str) -> Result<Value, String> {
    let text = |name: &str| spell::text(vector, name, &format!("{name}_runs"));
    match (text("topic"), text("filter"), vector["matches"].as_bool()) {
        (Ok(topic), Ok(filter), Some(matches)) => Ok(matching(vector, &topic, &filter, matches)),
        (Ok(topic), Err(_), None) => name(vector, version, &topic),
        (Err(_), Ok(filter), None) => one_filter(vector, version, &filter),
        _ => Err("no topic vector".into()),
    }
}

/// Whether its texts can stand in a packet.
pub(super) fn fits(vector: &Value) -> bool {
    ["topic_runs", "filter_runs"].iter().all(|name| {
        let runs = list(&vector[*name]).iter();
        let length = |run: &Value| {
            let piece = run[0].as_str().map_or(0, str::len) as u64;
            piece.saturating_mul(run[1].as_u64().unwrap_or(0))
        };
        let lengths = runs.map(length);
        lengths.fold(0, u64::saturating_add) <= MOST as u64
    })
}

fn kind(vector: &Value) -> Kind {
    match vector["valid"] == true {
        true => Kind::Valid,
        false => Kind::Refused,
    }
}

/// Published to at QoS 1, so that there is an answer; nobody keeps the message.
fn name(vector: &Value, version: &str, topic: &str) -> Result<Value, String> {
    let packet = json!({"type": "PUBLISH", "qos": 1, "topic": topic, "packet_id": 1});
    let (bytes, many) = bytes(version, topic, &packet)?;
    let kind = kind(vector);
    let mut steps = connected(json!({"type": "CONNECT"}));
    steps.push(json!({"wire": {
        "hex": bytes, "open": open_question(vector, kind), "is_own": topic.starts_with('$'),
        "demands": if kind == Kind::Valid { "PUBACK" } else { "refused" },
        "packet_id": 1, "qos": 1, "is_name": true,
    }}));
    Ok(json!({"steps": steps, "bytes": many}))
}

fn bytes(version: &str, text: &str, packet: &Value) -> Result<(String, usize), String> {
    if text.len() > MOST {
        return Err("a text that is longer than any".into());
    }
    let bytes = encode(version, packet)?;
    Ok((hex(&bytes), bytes.len()))
}

fn one_filter(vector: &Value, version: &str, filter: &str) -> Result<Value, String> {
    let packet = json!({"type": "SUBSCRIBE", "packet_id": 1,
        "subscriptions": [{"filter": filter, "qos": 0}]});
    let (bytes, many) = bytes(version, filter, &packet)?;
    let mut steps = connected(json!({"type": "CONNECT"}));
    let kind = kind(vector);
    let mut wire = json!({
        "open": open_question(vector, kind), "is_own": filter.starts_with('$'),
        "demands": if kind == Kind::Valid { "SUBACK" } else { "refused" },
        "packet_id": 1, "count": 1, "is_filter": true,
    });
    match kind {
        Kind::Valid => wire["packet"] = packet,
        Kind::Refused => wire["hex"] = bytes.into(),
    }
    steps.push(json!({"wire": wire}));
    let needs = match kind {
        Kind::Valid => needs(vector, filter),
        Kind::Refused => Vec::new(),
    };
    // With something before it it would be too long.
    let is_alone = kind == Kind::Valid && filter.len() > MOST - 100;
    Ok(json!({"steps": steps, "needs": needs, "bytes": many, "is_alone": is_alone}))
}

fn needs(vector: &Value, filter: &str) -> Vec<&'static str> {
    let mut needs = Vec::new();
    if filter.contains(['+', '#']) {
        needs.push("wildcards");
    }
    let is_of_5 = vector["statements"]["3.1.1"].is_null();
    if is_of_5 && filter.starts_with("$share/") {
        needs.push("shared_subscriptions");
    }
    needs
}

fn matching(vector: &Value, topic: &str, filter: &str, matches: bool) -> Value {
    let mut steps = connected(json!({"type": "CONNECT"}));
    let other = match matches {
        true => Kind::Valid,
        false => Kind::Refused,
    };
    steps.push(json!({"wire": {
        "demands": "match", "filter": filter, "topic": topic, "matches": matches,
        "open": open_question(vector, other),
    }}));
    let mut needs = needs(vector, filter);
    needs.push("broker_routing");
    let many = topic.len().max(filter.len());
    json!({"steps": steps, "needs": needs, "bytes": many, "is_alone": many > MOST - 100})
}
