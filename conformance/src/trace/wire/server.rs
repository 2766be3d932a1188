//! What a server is shown of the vectors of the codec.

use sansio_mqtt::{Packet, Version};
use serde_json::{Value, json};

use super::super::list;
use super::super::support::json::{hex, receiver, unhex};
use super::super::support::traces::bytes::encode;
use super::{Kind, first_nibble, has_tag, is_refusal, open_question};
use crate::spell;

/// CONNACK may be too large for a client that takes less.
pub(super) const SMALL: u64 = 128;
/// A topic with something before it is not longer than any.
const LONG: usize = 65_000;

/// What is a case for a server. Acknowledgements and AUTH depend on what was before, so only wrong ones are.
pub(super) fn kind(vector: &Value) -> Option<Kind> {
    if vector["direction"] == "s2c" {
        return None;
    }
    if is_refusal(&vector["verdict"]) {
        // Who takes it would keep it, under a topic that may be another's.
        return (!is_retained(vector)).then_some(Kind::Refused);
    }
    if vector["verdict"] != "valid" || has_tag(vector, "stream") {
        return None;
    }
    let packet = &vector["packet"];
    let properties = &packet["properties"];
    let is_case = match packet["type"].as_str()? {
        "CONNECT" => {
            let most = properties["maximum_packet_size"].as_u64();
            most.is_none_or(|most| most >= SMALL)
        }
        // An alias alone stands for nothing yet.
        "PUBLISH" if packet["topic"] == "" => false,
        // What cannot have a topic of its own would stay.
        "PUBLISH" if packet["retain"] == true => {
            vector["canonical"] == true && vector["hex"].is_string()
        }
        "PUBLISH" | "SUBSCRIBE" | "UNSUBSCRIBE" | "PINGREQ" | "DISCONNECT" => true,
        _ => false,
    };
    is_case.then_some(Kind::Valid)
}

/// Whether it is a message to be retained, or such a will and bytes behind it that may end the connection.
fn is_retained(vector: &Value) -> bool {
    let hex = vector["hex"].as_str().unwrap_or_default();
    match first_nibble(vector) {
        Some(3) => matches!(
            hex.get(1..2),
            Some("1" | "3" | "5" | "7" | "9" | "b" | "d" | "f")
        ),
        Some(1) => has_tag(vector, "stream") && has_retained_will(hex),
        _ => false,
    }
}

/// By the flags of CONNECT, which stand behind the protocol's name and level.
fn has_retained_will(hex: &str) -> bool {
    const FLAGS: u8 = 0x24;
    let bytes = unhex(hex).unwrap_or_default();
    let rest = bytes.iter().skip(1).skip_while(|byte| **byte >= 0x80);
    let mut rest = rest.skip(1);
    let length = rest.next().zip(rest.next());
    let length = length.map_or(0, |(high, low)| usize::from(*high) << 8 | usize::from(*low));
    let flags = rest.nth(length + 1);
    flags.is_some_and(|flags| flags & FLAGS == FLAGS)
}

pub(super) fn trace(vector: &Value, version: &str, kind: Kind) -> Result<Value, String> {
    let bytes = spell::text(vector, "hex", "runs")?;
    match kind {
        Kind::Refused => Ok(refused(vector, version, &bytes)),
        Kind::Valid => valid(vector, version, bytes),
    }
}

/// A connection that is accepted, to begin with.
pub(super) fn connected(connect: Value) -> Vec<Value> {
    vec![
        json!({"open": "a"}),
        json!({"send": connect}),
        json!({"expect": {"type": "CONNACK", "reason": "0x00"}}),
    ]
}

fn refused(vector: &Value, version: &str, bytes: &str) -> Value {
    let first = first_nibble(vector);
    let is_connect = first == Some(1);
    let mut steps = match is_connect {
        // It may be answered as in any version.
        true => vec![json!({"open": "a", "version": "any"})],
        false => connected(json!({"type": "CONNECT"})),
    };
    let has = |key: &str| list(&vector["ambiguity"]).iter().any(|one| one == key);
    steps.push(json!({"wire": {
        "hex": bytes, "demands": "refused", "is_first": is_connect,
        "open": open_question(vector, Kind::Refused),
        "reasons": if has_tag(vector, "several") { Value::Null } else { vector["reasons"].clone() },
        "is_filter": has("A-09"),
        "is_name": has("A-10") || has("A-14"),
    }}));
    let mut needs = Vec::new();
    if version != "3.1" && is_connect && is_of_31(bytes) {
        needs.push("refuses_3.1");
    }
    // Clients of the same identifier would take each other over, and then a will goes out.
    let is_alone = is_connect && has_retained_will(bytes);
    json!({"steps": steps, "needs": needs, "bytes": bytes.len() / 2, "is_alone": is_alone})
}

/// A good CONNECT of 3.1, which is refused by those that do not serve it.
fn is_of_31(bytes: &str) -> bool {
    let bytes = unhex(bytes).unwrap_or_default();
    receiver("3.1").is_some_and(|(version, options)| {
        let packet = Packet::decode(version, &options, &mut &bytes[..]);
        matches!(packet, Ok(Some(Packet::Connect(connect)))
            if connect.version == Version::V31)
    })
}

fn valid(vector: &Value, version: &str, bytes: String) -> Result<Value, String> {
    let packet = spell::packet(&vector["packet"])?;
    let kind = packet["type"].as_str().unwrap_or_default();
    let mut wire = json!({
        "open": open_question(vector, Kind::Valid),
        "demands": match (kind, packet["qos"].as_u64()) {
            ("CONNECT", _) => "CONNACK",
            ("PUBLISH", Some(1)) => "PUBACK",
            ("PUBLISH", Some(2)) => "PUBREC",
            ("SUBSCRIBE", _) => "SUBACK",
            ("UNSUBSCRIBE", _) => "UNSUBACK",
            ("DISCONNECT", _) => "end",
            _ => "PINGRESP",
        },
    });
    let own = packet["version"].as_str().unwrap_or(version);
    let topic = packet["topic"].as_str().unwrap_or_default();
    wire["is_own"] = topic.starts_with('$').into();
    wire["qos"] = packet["qos"].clone();
    wire["retain"] = packet["retain"].clone();
    wire["topic_alias"] = packet["properties"]["topic_alias"].clone();
    for name in ["packet_id", "subscriptions", "filters"] {
        match &packet[name] {
            Value::Null => {}
            Value::Array(all) => wire["count"] = all.len().into(),
            other => wire["packet_id"] = other.clone(),
        }
    }
    // Those that others would see have identifiers and topics of their own, as far as the bytes are what a packet is encoded to.
    let is_seen = matches!(kind, "CONNECT" | "SUBSCRIBE") || packet["retain"] == true;
    let is_own = encode(own, &packet).is_ok_and(|own| hex(&own) == bytes);
    let is_alone = is_seen && (!is_own || has_long(&packet));
    let many = bytes.len() / 2;
    wire["bytes"] = many.into();
    if is_seen && (is_own || kind == "CONNECT") {
        wire["packet"] = packet.clone();
    }
    if !is_seen || !is_own {
        wire["hex"] = bytes.into();
    }
    let expiry = &packet["properties"]["session_expiry_interval"];
    let is_kept = expiry.as_u64().is_some_and(|expiry| expiry > 0);
    let mut steps = match kind {
        "CONNECT" => vec![json!({"open": "a", "version": own})],
        "DISCONNECT" if is_kept => {
            connected(json!({"type": "CONNECT", "properties": {"session_expiry_interval": 10}}))
        }
        _ => connected(json!({"type": "CONNECT"})),
    };
    let may_stay = is_kept || packet["clean_start"] == false || packet["retain"] == true;
    wire["stays"] = (may_stay || packet["will"].is_object()).into();
    steps.push(json!({"wire": wire}));
    Ok(json!({"steps": steps, "needs": needs(&packet), "bytes": many, "is_alone": is_alone}))
}

/// Whether there is no room for more in one of its texts.
fn has_long(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() > LONG,
        Value::Array(all) => all.iter().any(has_long),
        Value::Object(all) => all.values().any(has_long),
        _ => false,
    }
}

/// What a server need not have.
fn needs(packet: &Value) -> Vec<&'static str> {
    let mut needs = Vec::new();
    let properties = &packet["properties"];
    let mut add = |need, is_so: bool| {
        if is_so {
            needs.push(need);
        }
    };
    let subscriptions = list(&packet["subscriptions"]).iter();
    let mut filters = subscriptions.filter_map(|one| one["filter"].as_str());
    add(
        "wildcards",
        filters.clone().any(|filter| filter.contains(['+', '#'])),
    );
    // Before 5.0 it is an ordinary filter.
    let is_5 = properties.is_object();
    add(
        "shared_subscriptions",
        is_5 && filters.any(|filter| filter.starts_with("$share/")),
    );
    add(
        "subscription_identifiers",
        !properties["subscription_identifiers"].is_null(),
    );
    add(
        "retain",
        packet["retain"] == true || packet["will"]["retain"] == true,
    );
    add("qos2", packet["qos"] == 2 || packet["will"]["qos"] == 2);
    add("topic_alias", !properties["topic_alias"].is_null());
    add("assigned_client_id", packet["client_id"] == "");
    needs
}
