//! A packet in readable form as bytes, and a pattern as it is in one version. Written from the tables of the standard, so
//! that what the side under test is sent owes nothing to its own encoder.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::super::json::unhex;
use super::super::vector::read;

/// The packet with what one version has: a trace of several versions is written as in 5.0.
pub(crate) fn for_version(version: &str, value: &Value) -> Value {
    let Value::Object(map) = value else {
        return match value {
            Value::Array(list) => list.iter().map(|one| for_version(version, one)).collect(),
            other => other.clone(),
        };
    };
    if let Some(Value::Object(versions)) = map.get("by_version") {
        // Null fits nothing and cannot be sent.
        return versions.get(version).cloned().unwrap_or_default();
    }
    let mut out = Map::new();
    for (key, value) in map {
        let only_5 = match &key[..] {
            "properties" | "no_local" | "retain_as_published" | "retain_handling" => true,
            "reason" => map["type"] != "CONNACK",
            "reasons" => map["type"] == "UNSUBACK",
            _ => false,
        };
        if version == "5.0" || !only_5 {
            out.insert(key.clone(), for_version(version, value));
        }
    }
    out.into()
}

/// The bytes; what is left out has its default. An error: this is no packet.
pub(crate) fn encode(version: &str, packet: &Value) -> Result<Vec<u8>, String> {
    let kind = packet["type"].as_str().ok_or("no type")?;
    let v5 = version == "5.0";
    let mut out = Body(Vec::new());
    let flag = |name: &str| packet[name].as_bool().unwrap_or(false);
    let qos = u8::try_from(packet["qos"].as_u64().unwrap_or(0) & 3).unwrap_or(0);
    let (number, flags) = match kind {
        "CONNECT" => (1, 0),
        "CONNACK" => (2, 0),
        "PUBLISH" => {
            let flags = u8::from(flag("dup")) << 3 | qos << 1 | u8::from(flag("retain"));
            (3, flags)
        }
        "PUBACK" => (4, 0),
        "PUBREC" => (5, 0),
        "PUBREL" => (6, 2),
        "PUBCOMP" => (7, 0),
        "SUBSCRIBE" => (8, 2),
        "SUBACK" => (9, 0),
        "UNSUBSCRIBE" => (10, 2),
        "UNSUBACK" => (11, 0),
        "PINGREQ" => (12, 0),
        "PINGRESP" => (13, 0),
        "DISCONNECT" => (14, 0),
        "AUTH" => (15, 0),
        other => return Err(format!("no packet {other}")),
    };
    match kind {
        "CONNECT" => connect(&mut out, version, packet)?,
        "CONNACK" => {
            out.byte(u8::from(flag("session_present")));
            out.byte(code(&packet["reason"]));
            out.properties(v5, &packet["properties"])?;
        }
        "PUBLISH" => {
            out.text(packet["topic"].as_str().ok_or("no topic")?);
            if qos > 0 {
                out.packet_id(packet)?;
            }
            out.properties(v5, &packet["properties"])?;
            out.0.extend(hex(&packet["payload"])?);
        }
        "PUBACK" | "PUBREC" | "PUBREL" | "PUBCOMP" => {
            out.packet_id(packet)?;
            if v5 && (packet["reason"].is_string() || packet["properties"].is_object()) {
                out.byte(code(&packet["reason"]));
                out.properties(v5, &packet["properties"])?;
            }
        }
        "SUBSCRIBE" => {
            out.packet_id(packet)?;
            out.properties(v5, &packet["properties"])?;
            for one in list(&packet["subscriptions"])? {
                let bit = |name: &str| u64::from(one[name].as_bool().unwrap_or(false));
                let number = |name: &str| one[name].as_u64().unwrap_or(0);
                out.text(one["filter"].as_str().ok_or("no filter")?);
                let options = number("qos")
                    | bit("no_local") << 2
                    | bit("retain_as_published") << 3
                    | number("retain_handling") << 4;
                out.number(options, 1);
            }
        }
        "UNSUBSCRIBE" => {
            out.packet_id(packet)?;
            out.properties(v5, &packet["properties"])?;
            for filter in list(&packet["filters"])? {
                out.text(filter.as_str().ok_or("no filter")?);
            }
        }
        "SUBACK" | "UNSUBACK" => {
            out.packet_id(packet)?;
            out.properties(v5, &packet["properties"])?;
            if v5 || kind == "SUBACK" {
                for reason in list(&packet["reasons"])? {
                    out.byte(code(reason));
                }
            }
        }
        "DISCONNECT" | "AUTH" if v5 => {
            out.byte(code(&packet["reason"]));
            out.properties(v5, &packet["properties"])?;
        }
        _ => {}
    }
    let mut bytes = Body(vec![number << 4 | flags]);
    bytes.variable(out.0.len());
    bytes.0.extend(out.0);
    Ok(bytes.0)
}

fn connect(out: &mut Body, version: &str, packet: &Value) -> Result<(), String> {
    let will = &packet["will"];
    let (v5, (name, level)) = match version {
        "3.1" => (false, ("MQIsdp", 3)),
        "3.1.1" => (false, ("MQTT", 4)),
        _ => (true, ("MQTT", 5)),
    };
    out.text(name);
    out.byte(level);
    let will_flags = match will.as_object() {
        None => 0,
        Some(_) => {
            let retain = u64::from(will["retain"].as_bool().unwrap_or(false));
            0x04 | will["qos"].as_u64().unwrap_or(0) << 3 | retain << 5
        }
    };
    let clean = u64::from(packet["clean_start"].as_bool().unwrap_or(true));
    let user = u64::from(packet["user_name"].is_string());
    let password = u64::from(packet["password"].is_string());
    out.number(will_flags | clean << 1 | user << 7 | password << 6, 1);
    out.number(packet["keep_alive"].as_u64().unwrap_or(0), 2);
    out.properties(v5, &packet["properties"])?;
    out.text(packet["client_id"].as_str().unwrap_or("trace"));
    if will.is_object() {
        out.properties(v5, &will["properties"])?;
        out.text(will["topic"].as_str().ok_or("no topic")?);
        out.binary(&hex(&will["payload"])?);
    }
    if let Some(name) = packet["user_name"].as_str() {
        out.text(name);
    }
    if packet["password"].is_string() {
        out.binary(&hex(&packet["password"])?);
    }
    Ok(())
}

fn list(value: &Value) -> Result<&[Value], String> {
    let list = value.as_array().ok_or("no list")?;
    Ok(list)
}

fn hex(value: &Value) -> Result<Vec<u8>, String> {
    let bytes = unhex(value.as_str().unwrap_or_default()).ok_or("no hexadecimal")?;
    Ok(bytes)
}

/// 0x00 where there is none.
pub(crate) fn code(value: &Value) -> u8 {
    let text = value.as_str().unwrap_or("0x00");
    u8::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
}

struct Body(Vec<u8>);

impl Body {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, number: u64, bytes: usize) {
        self.0.extend(&number.to_be_bytes()[8 - bytes..]);
    }

    fn variable(&mut self, mut number: usize) {
        loop {
            let low = number.to_le_bytes()[0] & 0x7F;
            number /= 128;
            self.byte(low | u8::from(number > 0) << 7);
            if number == 0 {
                return;
            }
        }
    }

    fn packet_id(&mut self, packet: &Value) -> Result<(), String> {
        self.number(packet["packet_id"].as_u64().ok_or("no identifier")?, 2);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.binary(text.as_bytes());
    }

    fn binary(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64, 2);
        self.0.extend(bytes);
    }

    fn properties(&mut self, v5: bool, properties: &Value) -> Result<(), String> {
        if !v5 {
            return Ok(());
        }
        static TABLE: OnceLock<Value> = OnceLock::new();
        let table = TABLE.get_or_init(|| read("tables/properties.json"));
        let mut block = Body(Vec::new());
        let none = Map::new();
        for (name, value) in properties.as_object().unwrap_or(&none) {
            let row = list(&table["properties"])?
                .iter()
                .find(|row| row["name"] == *name)
                .ok_or_else(|| format!("no property {name}"))?;
            let values = match &name[..] {
                "user_properties" | "subscription_identifiers" => list(value)?.to_vec(),
                _ => vec![value.clone()],
            };
            for value in values {
                block.byte(code(&row["id"]));
                block.value(row["type"].as_str().unwrap_or_default(), &value)?;
            }
        }
        self.variable(block.0.len());
        self.0.extend(block.0);
        Ok(())
    }

    fn value(&mut self, kind: &str, value: &Value) -> Result<(), String> {
        let number = || value.as_u64().ok_or("no number");
        match kind {
            "byte" => self.number(number()?, 1),
            "two byte integer" => self.number(number()?, 2),
            "four byte integer" => self.number(number()?, 4),
            "variable byte integer" => {
                self.variable(usize::try_from(number()?).map_err(|_| "no small number")?);
            }
            "UTF-8 string" => self.text(value.as_str().ok_or("no text")?),
            "binary data" => self.binary(&hex(value)?),
            _ => {
                for part in list(value)? {
                    self.text(part.as_str().ok_or("no text")?);
                }
            }
        }
        Ok(())
    }
}
