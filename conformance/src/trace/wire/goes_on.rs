//! A good packet: what has to come for it, and what a target may have against it.

use serde_json::Value;

use super::super::list;
use super::super::run::{Run, Stop, failed, shown};
use super::judge::{Ending, PINGREQ};

/// These say that the packet is wrong; any other code is about the server's own rules.
const WRONG: [&str; 2] = ["0x81", "0x82"];

/// A server need not take so many bytes of somebody whom it does not know yet.
const LARGE: u64 = 16_384;

impl Run<'_> {
    pub(super) fn goes_on(&mut self, wire: &Value, demands: &str) -> Result<(), Stop> {
        if demands == "end" {
            return self.ends(wire);
        }
        let (mut seen, mut ending) = self.answers(self.timeout(), |packet| {
            demands == "CONNACK" && matches!(packet["type"].as_str(), Some("CONNACK" | "AUTH"))
        })?;
        if demands == "CONNACK" && ending == Ending::GoesOn {
            let answer = seen.first().cloned().unwrap_or_default();
            if answer["type"] == "AUTH" {
                return Err(Stop::Skipped("it asks for authentication".into()));
            }
            if answer["reason"] != "0x00" {
                return self.not_let_in(wire, &answer);
            }
            self.write(&PINGREQ, "{\"type\":\"PINGREQ\"}".into())?;
            (seen, ending) = self.answers(self.timeout(), |_| false)?;
            seen.insert(0, answer);
        }
        let is_answer = |packet: &&Value| {
            packet["type"] == demands
                && (wire["packet_id"].is_null() || packet["packet_id"] == wire["packet_id"])
        };
        let needs_answer = !matches!(demands, "PINGRESP" | "more");
        if needs_answer && ending == Ending::GoesOn && !seen.iter().any(|one| is_answer(&one)) {
            // The standards do not order an acknowledgement and PINGRESP.
            let (more, end) = self.answers(self.timeout(), |packet| is_answer(&packet))?;
            seen.extend(more);
            if end == Ending::Closed {
                ending = end;
            }
        }
        if ending == Ending::Closed {
            return self.closed(wire, demands, &seen);
        }
        let answer = seen.iter().find(is_answer);
        if needs_answer && answer.is_none() || ending == Ending::Silent {
            let expected = match needs_answer && answer.is_none() {
                true => demands,
                false => "an answer to what is behind it",
            };
            return Err(failed(expected, Self::nothing_or(&seen)));
        }
        if let Some(answer) = answer {
            self.judge_answer(wire, answer)?;
        }
        self.await_delivery(wire)
    }

    /// CONNACK with a code.
    fn not_let_in(&mut self, wire: &Value, answer: &Value) -> Result<(), Stop> {
        let reason = answer["reason"].as_str().unwrap_or_default();
        // Which identifiers a server has to take, the standards say, and the traces try; a good packet has others, too.
        if matches!(reason, "0x02" | "0x85") && wire["open"].is_string() {
            return Ok(());
        }
        let is_wrong = WRONG.contains(&reason) || matches!(reason, "0x01" | "0x84");
        self.against_it(wire, is_wrong, "CONNACK 0x00", shown(answer), reason)
    }

    fn closed(&mut self, wire: &Value, demands: &str, seen: &[Value]) -> Result<(), Stop> {
        let last = seen.last().cloned().unwrap_or_default();
        let reason = last["reason"].as_str().unwrap_or_default().to_owned();
        let is_told = last["type"] == "DISCONNECT" && &reason[..] >= "0x80";
        if demands == "CONNACK" && wire["bytes"].as_u64() > Some(LARGE) {
            return Err(Stop::Skipped("it takes no CONNECT that is so large".into()));
        }
        let is_wrong = !is_told || WRONG.contains(&&reason[..]);
        let seen = match last {
            Value::Null => "closed".into(),
            last => format!("{}, closed", shown(&last)),
        };
        let expected = match demands {
            "more" => "that it goes on",
            other => other,
        };
        self.against_it(wire, is_wrong, expected, seen, &reason)
    }

    fn against_it(
        &mut self,
        wire: &Value,
        is_wrong: bool,
        expected: &str,
        seen: String,
        reason: &str,
    ) -> Result<(), Stop> {
        if let Value::String(key) = &wire["open"] {
            self.remark(key.clone());
            return Ok(());
        }
        if wire["is_own"] == true {
            return Err(Stop::Skipped(format!(
                "what begins with $ is its own: {seen}"
            )));
        }
        match is_wrong {
            true => Err(failed(expected, seen)),
            false => Err(Stop::Skipped(format!(
                "refused for its own reasons: {reason}"
            ))),
        }
    }

    fn judge_answer(&mut self, wire: &Value, answer: &Value) -> Result<(), Stop> {
        let is_failure = |code: &&Value| code.as_str().is_some_and(|code| code >= "0x80");
        let reasons = list(&answer["reasons"]);
        if let Some(count) = wire["count"].as_u64()
            && answer["reasons"].is_array()
            && reasons.len() as u64 != count
        {
            return Err(failed(format!("{count} reason codes"), shown(answer)));
        }
        let reason = reasons.iter().chain([&answer["reason"]]).find(is_failure);
        let Some(reason) = reason.and_then(Value::as_str) else {
            return Ok(());
        };
        self.against_it(
            wire,
            WRONG.contains(&reason),
            "a code below 0x80",
            shown(answer),
            reason,
        )
    }

    /// A good DISCONNECT ends the connection, and the other side says nothing to it.
    fn ends(&mut self, wire: &Value) -> Result<(), Stop> {
        let (seen, _) = self.answers(self.short(), |_| false)?;
        match seen.first() {
            None => Ok(()),
            Some(packet) => {
                let reason = packet["reason"].as_str().unwrap_or_default().to_owned();
                self.against_it(wire, true, "close", shown(packet), &reason)
            }
        }
    }

    /// A client's application is given the message, at QoS 2 when the server lets it go.
    fn await_delivery(&mut self, wire: &Value) -> Result<(), Stop> {
        let expected = &wire["delivered"];
        if expected.is_null() {
            return Ok(());
        }
        if wire["demands"] == "PUBREC" {
            let release = serde_json::json!({"type": "PUBREL", "packet_id": wire["packet_id"]});
            self.send(&release)?;
        }
        let is_there = |run: &Self| {
            let application = run.application.as_ref();
            application.is_some_and(|application| application.delivered.contains(expected))
        };
        let end = std::time::Instant::now() + self.timeout();
        match self.wait(end, is_there)? {
            true => Ok(()),
            false => Err(failed("that it is delivered", "it is not")),
        }
    }
}
