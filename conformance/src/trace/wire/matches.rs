//! Whether a message comes to who has subscribed to a filter, and to nobody else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::list;
use super::super::run::{MISSING, Run, Stop, failed, shown};

/// Its own topic, which no filter of the vectors is.
const LAST: &str = "behind/the/others/at/the/end";
/// For a message that another one has overtaken.
const LATE: Duration = Duration::from_millis(200);

impl Run<'_> {
    /// Both messages are published by the client that has subscribed; the second one says that the first has had its time.
    pub(super) fn matching(&mut self, wire: &Value) -> Result<(), Stop> {
        let topic = wire["topic"].as_str().unwrap_or_default().to_owned();
        let has_to = wire["matches"] == true;
        self.send(
            &json!({"type": "SUBSCRIBE", "packet_id": 1, "subscriptions": [
            {"filter": wire["filter"], "qos": 0}, {"filter": LAST, "qos": 0}]}),
        )?;
        let end = Instant::now() + self.timeout();
        let answer = self.next_of(end, |packet| packet["type"] == "SUBACK")?;
        let Some(answer) = answer else {
            return Err(self.nothing("SUBACK"));
        };
        if let Some(code) = list(&answer["reasons"])
            .iter()
            .find(|code| code.as_str() >= Some("0x80"))
        {
            return Err(Stop::Skipped(format!("SUBACK {}", shown(code))));
        }
        for (topic, payload) in [(&topic[..], "01"), (LAST, "02")] {
            self.send(&json!({"type": "PUBLISH", "topic": topic, "payload": payload}))?;
        }
        let is_message = |packet: &Value, payload: &str, topic: &str| {
            packet["type"] == "PUBLISH" && packet["payload"] == payload && packet["topic"] == topic
        };
        let end = Instant::now() + self.timeout();
        let mut is_there = false;
        let last = self.next_of(end, |packet| {
            is_there |= is_message(packet, "01", &topic);
            is_message(packet, "02", LAST) || is_there && has_to
        })?;
        if last.is_some() && has_to && !is_there {
            let late = Instant::now() + LATE;
            let message = self.next_of(late, |packet| is_message(packet, "01", &topic))?;
            is_there = message.is_some();
        }
        let is_own = topic.starts_with('$');
        match (has_to, is_there, &wire["open"]) {
            (true, true, _) => Ok(()),
            (true, false, _) if is_own => {
                Err(Stop::Skipped("topics that begin with $ are its own".into()))
            }
            (true, false, _) => Err(self.nothing("the message")),
            (false, true, Value::String(key)) => {
                self.remark(key.clone());
                Ok(())
            }
            (false, true, _) => Err(failed("no message", "it came")),
            (false, false, _) if last.is_some() => Ok(()),
            (false, false, _) if is_own => {
                Err(Stop::Skipped("topics that begin with $ are its own".into()))
            }
            (false, false, _) => Err(self.nothing("the message behind it")),
        }
    }

    /// The next packet that is so; others are passed over.
    fn next_of(
        &mut self,
        end: Instant,
        mut is_so: impl FnMut(&Value) -> bool,
    ) -> Result<Option<Value>, Stop> {
        loop {
            self.news(end)?;
            match self.link_mut()?.packets.pop_front() {
                Some((_, packet)) if is_so(&packet) => return Ok(Some(packet)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Whether a filter or a topic is taken is shown by other cases.
    fn nothing(&self, expected: &str) -> Stop {
        match self.link().is_ok_and(|link| link.closed.is_some()) {
            true => Stop::Skipped("it does not take the filter or the topic".into()),
            false => failed(expected, MISSING),
        }
    }
}
