//! The step that sends a vector's bytes and takes in what the target makes of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::list;
use super::super::run::{NOTHING, Run, Stop, failed, shown};
use super::super::support::json::unhex;
use super::super::support::traces::bytes::encode;

/// What a server that goes on answers.
pub(super) const PINGREQ: [u8; 2] = [0xC0, 0];
/// What a client that goes on acknowledges.
const PROBE: u64 = 60_001;
/// For the end of a connection that need not be ended, and for a message to be delivered.
const SHORT: Duration = Duration::from_millis(300);

/// How it went on.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Closed,
    /// What was sent behind the bytes is answered.
    GoesOn,
    Silent,
}

impl Run<'_> {
    pub(in super::super) fn wire(&mut self, wire: &Value) -> Result<(), Stop> {
        let is_stay = wire["stays"] == true;
        if !is_stay {
            // The session of a clean start ends with its connection.
            self.client_ids.clear();
        }
        if wire["demands"] == "match" {
            return self.matching(wire);
        }
        self.put(wire)?;
        if !is_stay {
            self.client_ids.clear();
        }
        let result = match wire["demands"].as_str().unwrap_or_default() {
            "refused" => self.refused(wire),
            demands => self.goes_on(wire, demands),
        };
        self.leave_client();
        result
    }

    /// Sends the bytes, or a packet of this case's own.
    fn put(&mut self, wire: &Value) -> Result<(), Stop> {
        self.check_wire(wire)?;
        let packet = &wire["packet"];
        let mut bytes = match wire["hex"].as_str() {
            None => {
                self.send(packet)?;
                Vec::new()
            }
            Some(text) => {
                let bytes = unhex(text);
                bytes.ok_or_else(|| Stop::Skipped("no hexadecimal".into()))?
            }
        };
        if packet.is_object() && !bytes.is_empty() {
            let version = self.link()?.version.clone();
            self.remember(&version, packet)?;
        }
        // What is behind CONNECT comes when it is answered, and nothing comes behind DISCONNECT.
        let is_end = wire["demands"] == "CONNACK" || wire["demands"] == "end";
        if !is_end {
            bytes.extend(self.probe()?);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.write(&bytes, "bytes, and behind them what is answered".into())
    }

    /// What a target that goes on answers.
    fn probe(&self) -> Result<Vec<u8>, Stop> {
        if self.application.is_none() {
            return Ok(PINGREQ.to_vec());
        }
        let publish = json!({"type": "PUBLISH", "qos": 1, "topic": "probe", "packet_id": PROBE});
        encode(self.version, &publish).map_err(Stop::Skipped)
    }

    /// Beyond its limits a target refuses for another reason.
    fn check_wire(&self, wire: &Value) -> Result<(), Stop> {
        let link = self.link()?;
        // Those that it has announced.
        let limits = match self.application.is_some() {
            true => &link.connect["properties"],
            false => &link.connack,
        };
        let limit = |name: &str| limits[name].as_u64();
        let skipped = |text: String| Err(Stop::Skipped(text));
        let bytes = wire["hex"].as_str().map_or(0, |hex| hex.len() as u64 / 2);
        if let Some(most) = limit("maximum_packet_size").filter(|most| bytes > *most) {
            return skipped(format!("Maximum Packet Size is {most}"));
        }
        // A wrong packet shows no more than its first byte.
        let first = wire["hex"].as_str().and_then(|hex| hex.get(..2));
        let first = first.and_then(|first| u8::from_str_radix(first, 16).ok());
        let first = first.filter(|first| first >> 4 == 3).map(u64::from);
        let qos = first.map_or(0, |first| first >> 1 & 3);
        if let Some(most) = limit("maximum_qos").filter(|most| qos > *most && qos < 3) {
            return skipped(format!("Maximum QoS is {most}"));
        }
        if first.is_some_and(|first| first & 1 == 1) && limit("retain_available") == Some(0) {
            return skipped("Retain Available is 0".into());
        }
        let most = limit("topic_alias_maximum").unwrap_or(0);
        if wire["topic_alias"]
            .as_u64()
            .is_some_and(|alias| alias > most)
        {
            return skipped(format!("Topic Alias Maximum is {most}"));
        }
        Ok(())
    }

    /// What comes until the connection is closed, what was sent behind is answered, or the time is over.
    pub(super) fn answers(
        &mut self,
        time: Duration,
        is_enough: impl Fn(&Value) -> bool,
    ) -> Result<(Vec<Value>, Ending), Stop> {
        let end = Instant::now() + time;
        let is_client = self.application.is_some();
        let mut seen = Vec::new();
        loop {
            self.news(end)?;
            let link = self.link_mut()?;
            let Some((_, packet)) = link.packets.pop_front() else {
                let is_closed = link.closed.is_some();
                return Ok((
                    seen,
                    if is_closed {
                        Ending::Closed
                    } else {
                        Ending::Silent
                    },
                ));
            };
            let is_probe = match is_client {
                true => packet["type"] == "PUBACK" && packet["packet_id"] == PROBE,
                false => packet["type"] == "PINGRESP",
            };
            if is_probe {
                return Ok((seen, Ending::GoesOn));
            }
            let is_last = is_enough(&packet);
            // Messages that a server has for everybody, and a client's own time.
            let is_other = match is_client {
                true => packet["type"] == "PINGREQ",
                false => packet["type"] == "PUBLISH",
            };
            if !is_other {
                seen.push(packet);
            }
            if is_last {
                return Ok((seen, Ending::GoesOn));
            }
        }
    }

    fn refused(&mut self, wire: &Value) -> Result<(), Stop> {
        let is_accepted =
            |packet: &Value| packet["type"] == "CONNACK" && packet["reason"] == "0x00";
        let (mut seen, mut ending) = self.answers(self.timeout(), is_accepted)?;
        if ending == Ending::GoesOn {
            // What was sent behind it may be answered before it. And what is not read when the connection ends may take
            // DISCONNECT with it, and then a will is published.
            let later = self.answers(self.short(), |_| false);
            // A SUBSCRIBE that was taken as it is may bring more messages of other cases than one is good for.
            if let (Ok((mut later, end)), false) = (later, wire["is_first"] == true) {
                seen.append(&mut later);
                if end == Ending::Closed {
                    ending = end;
                }
            }
        }
        let mut taken = seen.iter().filter(|packet| !is_error(packet));
        let taken = taken
            .next()
            .or_else(|| seen.iter().find(|one| is_accepted(one)));
        if ending == Ending::Closed && taken.is_none() {
            return self.judge_codes(wire, &seen);
        }
        let remark = match &wire["open"] {
            Value::String(key) if ending != Ending::Silent => Some(key.clone()),
            _ if ending == Ending::GoesOn => told_so(self.version, wire, &seen),
            _ => None,
        };
        if let Some(key) = remark {
            self.remark(key);
            return Ok(());
        }
        let all: Vec<_> = seen.iter().map(shown).collect();
        let all = match all.is_empty() {
            true => String::new(),
            false => format!("{}, ", all.join(", ")),
        };
        let seen = match ending {
            Ending::Closed => format!("{all}closed"),
            Ending::GoesOn => format!("{all}and it goes on"),
            Ending::Silent => format!("{all}still open"),
        };
        Err(failed("close", seen))
    }

    /// To refuse is what counts; both words for it stand for any fault.
    fn judge_codes(&mut self, wire: &Value, seen: &[Value]) -> Result<(), Stop> {
        const ANY: [&str; 3] = ["0x80", "0x81", "0x82"];
        let reasons = list(&wire["reasons"]);
        for packet in seen {
            let Some(reason) = packet["reason"].as_str() else {
                continue;
            };
            let is_name = |name: &str| packet["type"] == name;
            if is_name("CONNACK") && matches!(reason, "0x04" | "0x05" | "0x86" | "0x87") {
                return Err(Stop::Skipped(format!("nobody is let in: CONNACK {reason}")));
            }
            let is_judged = is_name("DISCONNECT") || is_name("CONNACK") && reason >= "0x80";
            if is_judged
                && !reasons.is_empty()
                && !ANY.contains(&reason)
                && !reasons.contains(&packet["reason"])
            {
                self.remark(format!("{} {reason}", shown(&packet["type"])));
            }
        }
        Ok(())
    }

    /// The client ends its connection, so that it can be asked for another one.
    fn leave_client(&mut self) {
        let name = self.current.clone();
        let is_open = self.link().is_ok_and(|link| link.closed.is_none());
        let Some(application) = self.application.as_ref().filter(|_| is_open) else {
            return;
        };
        application.ask(&json!({"do": {"type": "DISCONNECT"}, "on": name}));
        let is_closed = |run: &Self| run.link().is_ok_and(|link| link.closed.is_some());
        let _ = self.wait(Instant::now() + SHORT, is_closed);
    }

    pub(super) fn nothing_or(seen: &[Value]) -> String {
        match seen.first() {
            None => NOTHING.into(),
            Some(packet) => shown(packet),
        }
    }

    pub(super) fn short(&self) -> Duration {
        SHORT.min(self.timeout())
    }
}

/// An ill-formed filter or a topic name may be refused with a code of its own. To UNSUBSCRIBE the answer may be that there
/// was no such subscription, which is all that can be said before 5.0. SUBACK of 3.1 has no code that refuses.
fn told_so(version: &str, wire: &Value, seen: &[Value]) -> Option<String> {
    let [answer] = seen else { return None };
    let is_none = |code: &Value| *code == "0x11" || is_failure(code);
    let (is_filter, is_name) = (wire["is_filter"] == true, wire["is_name"] == true);
    match answer["type"].as_str()? {
        "SUBACK" if is_filter && (version == "3.1" || is_error(answer)) => Some("A-09".into()),
        "UNSUBACK" if is_filter && answer["reasons"].is_null() => Some("A-09".into()),
        "UNSUBACK" if is_filter && list(&answer["reasons"]).iter().any(is_none) => {
            Some("A-09".into())
        }
        "PUBACK" | "PUBREC" if is_name && answer["reason"] == "0x90" => Some("A-10".into()),
        _ => None,
    }
}

fn is_failure(code: &Value) -> bool {
    code.as_str().is_some_and(|code| code >= "0x80")
}

/// Whether it says that something is wrong. A DISCONNECT before 5.0 says nothing, and no server sends one.
fn is_error(packet: &Value) -> bool {
    match packet["type"].as_str() {
        Some("CONNACK") => packet["reason"] != "0x00",
        Some("SUBACK" | "UNSUBACK") => list(&packet["reasons"]).iter().any(is_failure),
        Some("DISCONNECT") if packet["reason"].is_null() => true,
        _ => is_failure(&packet["reason"]),
    }
}
