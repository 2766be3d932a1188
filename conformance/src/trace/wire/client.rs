//! What a client is shown of the vectors of the codec.

use serde_json::{Value, json};

use super::server::SMALL;
use super::{Kind, first_nibble, has_tag, is_refusal, open_question};
use crate::spell;

/// Topic aliases that the client is asked to take.
const ALIASES: u16 = 65_535;

/// What is a case for a client. Acknowledgements and AUTH depend on what was before, so only wrong ones are.
pub(super) fn kind(vector: &Value, version: &str) -> Option<Kind> {
    if vector["direction"] == "c2s" || version == "3.1" {
        return None;
    }
    if is_refusal(&vector["verdict"]) {
        return Some(Kind::Refused);
    }
    if vector["verdict"] != "valid" || has_tag(vector, "stream") {
        return None;
    }
    let packet = &vector["packet"];
    let properties = &packet["properties"];
    let is_case = match packet["type"].as_str()? {
        // One that refuses, or goes on with a session or an exchange that there is not, ends the connection.
        "CONNACK" => {
            let most = properties["maximum_packet_size"].as_u64();
            packet["reason"] == "0x00"
                && packet["session_present"] == false
                && properties["authentication_method"].is_null()
                && most.is_none_or(|most| most >= SMALL)
        }
        // An alias alone stands for nothing yet.
        "PUBLISH" => packet["topic"] != "",
        "PINGRESP" | "DISCONNECT" => true,
        _ => false,
    };
    is_case.then_some(Kind::Valid)
}

pub(super) fn trace(vector: &Value, version: &str, kind: Kind) -> Result<Value, String> {
    let bytes = spell::text(vector, "hex", "runs")?;
    let packet = match kind {
        Kind::Valid => spell::packet(&vector["packet"])?,
        Kind::Refused => Value::Null,
    };
    let is_connack = first_nibble(vector) == Some(2);
    let mut connect = json!({"type": "CONNECT"});
    if version == "5.0" {
        connect["properties"] = json!({"topic_alias_maximum": ALIASES});
    }
    let properties = &packet["properties"];
    if properties["assigned_client_identifier"].is_string() {
        connect["client_id"] = "".into();
    }
    if properties["response_information"].is_string() {
        connect["properties"]["request_response_information"] = 1.into();
    }
    let mut steps = vec![
        json!({"do": connect, "on": "a"}),
        json!({"expect": {"type": "CONNECT"}}),
    ];
    if !is_connack {
        steps
            .push(json!({"send": {"type": "CONNACK", "session_present": false, "reason": "0x00"}}));
    }
    let demands = match (packet["type"].as_str(), packet["qos"].as_u64()) {
        (None, _) => "refused",
        (Some("PUBLISH"), Some(1)) => "PUBACK",
        (Some("PUBLISH"), Some(2)) => "PUBREC",
        (Some("DISCONNECT"), _) => "end",
        // What is behind it is answered.
        _ => "more",
    };
    let mut wire = json!({
        "hex": bytes, "demands": demands, "is_first": is_connack,
        "open": open_question(vector, kind),
        "reasons": if has_tag(vector, "several") { Value::Null } else { vector["reasons"].clone() },
    });
    if packet["type"] == "PUBLISH" {
        wire["packet_id"] = packet["packet_id"].clone();
        wire["topic_alias"] = properties["topic_alias"].clone();
        wire["delivered"] = json!({"topic": packet["topic"], "payload": packet["payload"]});
    }
    steps.push(json!({"wire": wire}));
    Ok(json!({"steps": steps, "bytes": bytes.len() / 2}))
}
