//! What a case leaves on the server is cleared away: its sessions and its retained messages.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::link::{Read1, Target, Wire};
use super::run::Run;
use super::support::json::hex;
use super::support::traces::bytes::encode;

/// For each answer; a server that is slower keeps what it has.
const PATIENCE: Duration = Duration::from_millis(700);

impl Run<'_> {
    pub(super) fn clean(&mut self) {
        let target = self.setting.target;
        for link in self.links.values_mut() {
            if link.is_connected && !link.is_over && link.closed.is_none() {
                let Some(wire) = &mut link.wire else {
                    continue;
                };
                send(
                    wire,
                    &link.version,
                    &json!({"type": "DISCONNECT", "reason": "0x00"}),
                );
            }
        }
        self.links.clear();
        let ids = std::mem::take(&mut self.client_ids);
        let mut version = None;
        for (of, id) in &ids {
            version = Some(of.clone());
            if let Some(wire) = connect(target, of, id) {
                leave(wire, of);
            }
        }
        // Last, since the end of a session may publish a will.
        let Some(version) = version.filter(|_| !self.retained.is_empty()) else {
            return;
        };
        let id = format!("{}clean", self.setting.isolation.prefix);
        let Some(mut wire) = connect(target, &version, &id) else {
            return;
        };
        for topic in &self.retained {
            let publish = json!({"type": "PUBLISH", "retain": true, "topic": topic, "payload": ""});
            send(&mut wire, &version, &publish);
        }
        send(&mut wire, &version, &json!({"type": "PINGREQ"}));
        await_one(&mut wire, &version, "PINGRESP");
        leave(wire, &version);
    }
}

fn send(wire: &mut Wire, version: &str, packet: &Value) {
    if let Ok(bytes) = encode(version, packet) {
        let _ = wire.write(&bytes, PATIENCE);
    }
}

/// A connection with a new session.
pub(super) fn connect(target: &Target, version: &str, id: &str) -> Option<Wire> {
    let mut wire = target.open().ok()?;
    send(&mut wire, version, &hello(target, id, json!({})));
    let connack = await_one(&mut wire, version, "CONNACK")?;
    (connack["reason"] == "0x00").then_some(wire)
}

pub(super) fn hello(target: &Target, id: &str, properties: Value) -> Value {
    let mut connect = json!({"type": "CONNECT", "client_id": id,
        "keep_alive": target.keep_alive, "properties": properties});
    if let Some(user) = &target.user {
        connect["user_name"] = user.as_str().into();
    }
    if let Some(password) = &target.password {
        connect["password"] = hex(password.as_bytes()).into();
    }
    connect
}

fn leave(mut wire: Wire, version: &str) {
    send(
        &mut wire,
        version,
        &json!({"type": "DISCONNECT", "reason": "0x00"}),
    );
    let deadline = Instant::now() + PATIENCE;
    while wire.end().is_none() && Instant::now() < deadline {
        if wire.pump() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        while wire.next(version).is_some() {}
    }
}

/// The next packet of this type; others are passed over, as far as there is time.
fn await_one(wire: &mut Wire, version: &str, kind: &str) -> Option<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let read = wire.pump();
        while let Some(one) = wire.next(version) {
            match one {
                Read1::Packet(packet, _) if packet["type"] == kind => return Some(packet),
                Read1::Packet(..) => {}
                Read1::Garbage(..) => return None,
            }
        }
        if wire.end().is_some() || Instant::now() >= deadline {
            return None;
        }
        if read == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
