//! What a server has, asked once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::clean::hello;
use super::link::{Read1, Target, Wire};
use super::support::traces::bytes::encode;

const VERSIONS: [&str; 3] = ["5.0", "3.1.1", "3.1"];
/// Seconds, for a server that wants some: more than any case is silent for.
const KEEP_ALIVE: u64 = 120;
/// What a trace can need; the file of capabilities has these and `given`.
const NEEDS: [&str; 20] = [
    "assigned_client_id",
    "authentication",
    "broker_routing",
    "connections",
    "manual_ack",
    "qos2",
    "refuses_3.1",
    "response_information",
    "retain",
    "serves_3.1",
    "session_persistence",
    "several_in_flight",
    "several_versions",
    "shared_subscriptions",
    "subscription_identifiers",
    "topic_alias",
    "unlimited_session_expiry",
    "websocket",
    "wildcards",
    "will",
];

/// What a server has and has not.
#[derive(Debug, Default)]
pub(crate) struct Capabilities {
    /// Why a version is not served.
    unserved: BTreeMap<&'static str, String>,
    /// Of CONNACK in 5.0.
    pub(crate) connack: Map<String, Value>,
    /// Why a need is not met.
    absent: BTreeMap<String, String>,
    /// Names of needs, from the file.
    told: BTreeMap<String, bool>,
    /// Why nobody is let in.
    refusal: Option<String>,
    has_answered: bool,
    /// Identifiers of traces, or keys of `given`, that the server is set up for.
    given: Vec<String>,
}

impl Capabilities {
    /// Takes over what a file says: names of needs with whether they are met, and `given`.
    pub(crate) fn tell(&mut self, file: &Value) -> Result<(), String> {
        let map = file.as_object().ok_or("no object")?;
        for (name, value) in map {
            if name == "given" {
                let list = value.as_array().ok_or("given is no list")?;
                for one in list {
                    let one = one.as_str().ok_or("given is no list of texts")?;
                    self.given.push(one.into());
                }
            } else {
                if !NEEDS.contains(&&name[..]) {
                    return Err(format!("there is no need {name:?}"));
                }
                let value = value.as_bool();
                let value = value.ok_or_else(|| format!("{name} is neither true nor false"))?;
                self.told.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    /// Why there is no use in any case.
    pub(crate) fn is_closed_to_all(&self) -> Option<&str> {
        self.refusal.as_deref().filter(|_| self.given.is_empty())
    }

    /// Whether the target has said anything to a CONNECT.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Why a version cannot be tried.
    pub(crate) fn unserved(&self, version: &str) -> Option<&str> {
        self.unserved.get(version).map(|text| &text[..])
    }

    /// Why this need is not met in this version.
    pub(crate) fn lacks(&self, need: &str, version: &str) -> Option<String> {
        match self.told.get(need) {
            Some(true) => return None,
            Some(false) => return Some(format!("{need}: the file of capabilities says no")),
            None => {}
        }
        let serves = |version| !self.unserved.contains_key(version);
        let no = |text: &str| Some(format!("{need}: {text}"));
        match need {
            "serves_3.1" => {
                let reason = self.unserved.get("3.1");
                reason.and_then(|reason| no(reason))
            }
            "refuses_3.1" if serves("3.1") => no("3.1 is served"),
            "several_versions" if !(serves("3.1.1") && serves("5.0")) => {
                no("one version is served")
            }
            "authentication" | "response_information" | "manual_ack" => no("cannot be probed"),
            _ => {
                let of_version = self.absent.get(&format!("{need} {version}"));
                let reason = of_version.or_else(|| self.absent.get(need));
                reason.and_then(|reason| no(reason))
            }
        }
    }

    /// Whether the server is set up as this trace says.
    pub(crate) fn is_given(&self, trace: &Value) -> bool {
        let id = trace["id"].as_str().unwrap_or_default();
        let given = trace["given"].as_object();
        let mut given = given.into_iter().flatten();
        self.given.iter().any(|one| one == id)
            || given.all(|(key, value)| {
                self.given.contains(key)
                    || key == "connack"
                        && value.as_object().is_some_and(|properties| {
                            let mut properties = properties.iter();
                            properties.all(|(name, value)| self.connack.get(name) == Some(value))
                        })
            })
    }
}

/// Asks. An error: no network connection.
pub(crate) fn probe(target: &mut Target, run: &str) -> Result<Capabilities, String> {
    let mut found = Capabilities::default();
    let mut served = found.look_at_versions(target, run)?;
    if served.is_empty() && found.refusal.is_none() {
        // Some servers want a Keep Alive.
        let mut other = Capabilities::default();
        target.keep_alive = KEEP_ALIVE;
        served = other.look_at_versions(target, run)?;
        match served.is_empty() {
            true => target.keep_alive = 0,
            false => found = other,
        }
    }
    if served.is_empty() {
        // Each case sees for itself.
        found.unserved.clear();
        return Ok(found);
    }
    if !target.scheme.is_web_socket() {
        let text = "the target is none of ws or wss";
        found.absent.insert("websocket".into(), text.into());
    }
    found.look_at_connack();
    found.look_at_identifiers(target, &served);
    if let Some(version) = served.first() {
        found.look_at_routing(target, version, run);
    }
    Ok(found)
}

impl Capabilities {
    fn look_at_versions(
        &mut self,
        target: &Target,
        run: &str,
    ) -> Result<Vec<&'static str>, String> {
        let mut served = Vec::new();
        for (index, version) in VERSIONS.into_iter().enumerate() {
            let id = format!("{run}v{index}");
            let wire = target.open();
            let mut wire = wire.map_err(|error| format!("cannot connect: {error}"))?;
            let asked = json!({"session_expiry_interval": u32::MAX});
            let connect = hello(target, &id, asked);
            send(&mut wire, version, &connect, target.timeout);
            let seen = next(&mut wire, version, target.timeout);
            self.has_answered |= seen.is_ok();
            let reason = match seen {
                Ok(packet) if packet["type"] == "CONNACK" && packet["reason"] == "0x00" => {
                    served.push(version);
                    if version == "5.0" {
                        let properties = packet["properties"].as_object();
                        self.connack = properties.cloned().unwrap_or_default();
                    }
                    let end = json!({"type": "DISCONNECT", "reason": "0x00",
                        "properties": {"session_expiry_interval": 0}});
                    send(&mut wire, version, &end, target.timeout);
                    continue;
                }
                Ok(packet) => {
                    let reason = packet["reason"].as_str().unwrap_or_default();
                    // Not authorized, or a wrong password: all versions are alike.
                    if matches!(reason, "0x04" | "0x05" | "0x86" | "0x87") {
                        let refusal = format!("{version}: CONNACK {reason}");
                        self.refusal.get_or_insert(refusal);
                    }
                    format!("{} {reason}", packet["type"].as_str().unwrap_or_default())
                }
                Err(error) => error,
            };
            let text = format!("{version} is not served: {reason}");
            self.unserved.insert(version, text);
        }
        if !served.is_empty() {
            self.refusal = None;
        }
        Ok(served)
    }

    fn look_at_connack(&mut self) {
        let none = |name: &str| self.connack.get(name).is_some_and(|value| *value == 0);
        let mut absent = Vec::new();
        for (need, name) in [
            ("retain", "retain_available"),
            ("wildcards", "wildcard_subscription_available"),
            ("shared_subscriptions", "shared_subscription_available"),
            (
                "subscription_identifiers",
                "subscription_identifier_available",
            ),
            ("session_persistence", "session_expiry_interval"),
        ] {
            if none(name) {
                absent.push((need, format!("CONNACK has {name} 0")));
            }
        }
        if let Some(qos) = self.connack.get("maximum_qos") {
            absent.push(("qos2", format!("CONNACK has maximum_qos {qos}")));
        }
        let aliases = self.connack.get("topic_alias_maximum");
        if aliases.is_none_or(|aliases| *aliases == 0) {
            absent.push(("topic_alias", "CONNACK has no topic_alias_maximum".into()));
        }
        if let Some(seconds) = self.connack.get("session_expiry_interval")
            && *seconds != u32::MAX
        {
            let text = format!("CONNACK has session_expiry_interval {seconds}");
            absent.push(("unlimited_session_expiry", text));
        }
        let absent = absent.into_iter();
        self.absent
            .extend(absent.map(|(need, text)| (need.to_owned(), text)));
    }

    fn look_at_identifiers(&mut self, target: &Target, served: &[&str]) {
        for version in served.iter().filter(|version| **version != "3.1") {
            let Ok(mut wire) = target.open() else {
                continue;
            };
            send(
                &mut wire,
                version,
                &hello(target, "", json!({})),
                target.timeout,
            );
            let seen = match next(&mut wire, version, target.timeout) {
                Ok(packet) if packet["reason"] == "0x00" => {
                    send(
                        &mut wire,
                        version,
                        &json!({"type": "DISCONNECT"}),
                        target.timeout,
                    );
                    continue;
                }
                Ok(packet) => packet["reason"].as_str().unwrap_or_default().to_owned(),
                Err(error) => error,
            };
            let text = format!("an empty client identifier is refused: {seen}");
            self.absent
                .insert(format!("assigned_client_id {version}"), text);
        }
    }

    /// Whether a message comes back to the client that has subscribed to it, with which QoS it may at most, and whether the next
    /// one comes before the acknowledgement of the first.
    fn look_at_routing(&mut self, target: &Target, version: &str, run: &str) {
        match route(target, version, run) {
            Ok(Routing { granted, several }) => {
                if granted != "0x02" {
                    let text = format!("SUBACK grants {granted} where QoS 2 is asked for");
                    self.absent.entry("qos2".into()).or_insert(text);
                }
                if !several {
                    let text = "no second message comes before PUBACK for the first";
                    self.absent.insert("several_in_flight".into(), text.into());
                }
            }
            Err(error) => {
                let text = format!("a message did not come back ({error})");
                self.absent.insert("broker_routing".into(), text);
            }
        }
    }
}

/// What a server makes of messages to the client that sends them.
struct Routing {
    granted: Value,
    several: bool,
}

fn route(target: &Target, version: &str, run: &str) -> Result<Routing, String> {
    let topic = format!("{run}/probe");
    let time = target.timeout;
    let mut wire = target.open().map_err(|error| error.to_string())?;
    let connect = hello(target, &format!("{run}probe"), json!({}));
    send(&mut wire, version, &connect, time);
    expected(next(&mut wire, version, time)?, "CONNACK")?;
    let subscribe = json!({"type": "SUBSCRIBE", "packet_id": 1,
        "subscriptions": [{"filter": topic, "qos": 2}]});
    send(&mut wire, version, &subscribe, time);
    let suback = expected(next(&mut wire, version, time)?, "SUBACK")?;
    let publish = json!({"type": "PUBLISH", "topic": topic, "payload": "01"});
    send(&mut wire, version, &publish, time);
    expected(next(&mut wire, version, time)?, "PUBLISH")?;
    for id in 1..=2 {
        let publish = json!({"type": "PUBLISH", "qos": 1, "packet_id": id, "topic": topic,
            "payload": "01"});
        send(&mut wire, version, &publish, time);
    }
    let mut messages = 0;
    while messages < 2 {
        match next(&mut wire, version, time) {
            Ok(packet) if packet["type"] == "PUBLISH" => messages += 1,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    send(&mut wire, version, &json!({"type": "DISCONNECT"}), time);
    let granted = suback["reasons"][0].clone();
    // A subscription of QoS 0 holds nothing up.
    let several = messages != 1 || granted == "0x00";
    Ok(Routing { granted, several })
}

fn expected(packet: Value, kind: &str) -> Result<Value, String> {
    match packet["type"] == kind {
        true => Ok(packet),
        false => Err(format!("{} instead of {kind}", packet["type"])),
    }
}

/// Whether a CONNECT has an answer.
pub(super) fn answer(target: &Target, version: &str, id: &str, properties: Value) -> bool {
    let Ok(mut wire) = target.open() else {
        return false;
    };
    let time = target.timeout;
    send(&mut wire, version, &hello(target, id, properties), time);
    let is_answer = next(&mut wire, version, time).is_ok();
    send(&mut wire, version, &json!({"type": "DISCONNECT"}), time);
    is_answer
}

/// Whether anything comes to a client that subscribes to everything: then others use this server.
pub(crate) fn is_shared(target: &Target, version: &str, run: &str) -> bool {
    let Ok(mut wire) = target.open() else {
        return false;
    };
    let time = target.timeout;
    let subscribe = json!({"type": "SUBSCRIBE", "packet_id": 1,
        "subscriptions": [{"filter": "#", "qos": 0}]});
    send(
        &mut wire,
        version,
        &hello(target, &format!("{run}all"), json!({})),
        time,
    );
    if next(&mut wire, version, time).is_err() {
        return false;
    }
    send(&mut wire, version, &subscribe, time);
    let first = next(&mut wire, version, time);
    let mut is_shared = first.is_ok_and(|packet| packet["type"] == "PUBLISH");
    is_shared |= next(&mut wire, version, Duration::from_millis(300)).is_ok();
    send(&mut wire, version, &json!({"type": "DISCONNECT"}), time);
    is_shared
}

fn send(wire: &mut Wire, version: &str, packet: &Value, time: Duration) {
    if let Ok(bytes) = encode(version, packet) {
        let _ = wire.write(&bytes, time);
    }
}

fn next(wire: &mut Wire, version: &str, time: Duration) -> Result<Value, String> {
    let deadline = Instant::now() + time;
    loop {
        let read = wire.pump();
        match wire.next(version) {
            Some(Read1::Packet(packet, _)) => return Ok(packet),
            Some(Read1::Garbage(error, _)) => return Err(format!("no packet: {error}")),
            None => {}
        }
        if let Some(end) = wire.end() {
            return Err(end.into());
        }
        if Instant::now() >= deadline {
            return Err("no answer".into());
        }
        if read == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
