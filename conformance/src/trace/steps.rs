//! The steps of a trace.

use std::thread;
use std::time::{Duration, Instant};

use sansio_mqtt::{Packet, Role};
use serde_json::{Value, json};

use super::list;
use super::run::{Link, Place, Run, Stop, failed, place, shown};
use super::support::json::{packet, receiver, unhex};
use super::support::traces::bytes::{encode, for_version};
use super::support::traces::pattern::{Captured, filled, fit};

/// A timer may be so much early, and what it causes so much later.
const TOLERANCE: Duration = Duration::from_millis(400);
/// Packets of different connections are taken in the order in which they are sent if there is this much between them.
const BETWEEN: Duration = Duration::from_millis(15);

/// The question when a server closes after the Keep Alive.
const KEEP_ALIVE: &str = "A-19";
/// Some servers look at it only now and then.
const KEEP_ALIVE_LATE: Duration = Duration::from_secs(15);

/// How far what has come fits a step.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Fits {
    Yes,
    /// Some of it is there.
    Partly,
    /// Nothing has come.
    NotYet,
    No,
}

impl Run<'_> {
    fn is_for_version(&self, step: &Value) -> bool {
        let only = list(&step["only"]);
        only.is_empty() || only.contains(&json!(self.version))
    }

    pub(super) fn step(&mut self, step: &Value) -> Result<(), Stop> {
        if !self.is_for_version(step) {
            return Ok(());
        }
        let name = step["on"].as_str().or_else(|| step["open"].as_str());
        if let Some(name) = name.filter(|name| **name != *self.current) {
            self.settle();
            self.current = name.into();
        }
        let verbs = [
            "open",
            "do",
            "delivered",
            "send",
            "send_hex",
            "expect",
            "expect_all",
            "any_of",
            "quiet_ms",
            "wait_ms",
            "close",
            "wire",
        ];
        let verb = verbs.into_iter().find(|verb| !step[*verb].is_null());
        let Some(verb) = verb else {
            return Err(Stop::Skipped("a step of an unknown kind".into()));
        };
        let value = &step[verb];
        // A client is told and sent things in two places.
        let is_client = self.application.is_some();
        if matches!(verb, "do" | "close") || is_client && matches!(verb, "send" | "send_hex") {
            self.settle();
        }
        self.has_sent = false;
        match verb {
            "open" => self.open(step)?,
            "do" => self.ask(value)?,
            "delivered" => self.delivered(step, value)?,
            "send" => self.send(value)?,
            "send_hex" => self.send_hex(value)?,
            "expect" if value == "close" => self.expect_close(step)?,
            "expect" => self.expect(step, self.within(step), value)?,
            "expect_all" => self.expect_all(step, list(value))?,
            "any_of" => self.any_of(step, list(value))?,
            "quiet_ms" => self.quiet(value.as_u64().unwrap_or(0))?,
            "wait_ms" => {
                let time = Duration::from_millis(value.as_u64().unwrap_or(0));
                self.wait(Instant::now() + time, |_| false)?;
            }
            "wire" => self.wire(value)?,
            _ => self.close(value.as_str().unwrap_or_default())?,
        }
        self.since = Instant::now();
        Ok(())
    }

    /// Gives what was sent the time to be read, before something else is done in another place.
    fn settle(&mut self) {
        if self.has_sent {
            let is_client = self.application.is_some();
            thread::sleep(if is_client { 3 * BETWEEN } else { BETWEEN });
        }
        self.has_sent = false;
    }

    fn open(&mut self, step: &Value) -> Result<(), Stop> {
        let name = self.current.clone();
        match self.setting.target.open() {
            Ok(wire) => {
                let version = step["version"].as_str().unwrap_or(self.version);
                let link = Link::new(version, Some(wire));
                self.links.insert(name.clone(), link);
                self.note(&name, true, "opened".into(), &[]);
                Ok(())
            }
            Err(error) => {
                self.note(&name, true, format!("not opened: {error}"), &[]);
                Err(Stop::Failed {
                    expected: "a network connection".into(),
                    seen: error.to_string(),
                    is_dead: true,
                })
            }
        }
    }

    pub(super) fn send(&mut self, packet: &Value) -> Result<(), Stop> {
        let version = self.link()?.version.clone();
        let packet = for_version(&version, packet);
        let mut sent = packet.clone();
        self.setting.isolation.packet_out(&mut sent);
        let mut sent = filled(&sent, &self.captured);
        if sent["type"] == "CONNECT" {
            let target = self.setting.target;
            if sent["keep_alive"].is_null() {
                sent["keep_alive"] = target.keep_alive.into();
            }
            if let Some(user) = &target.user {
                sent["user_name"] = user.as_str().into();
            }
            if let Some(password) = &target.password {
                sent["password"] = super::support::json::hex(password.as_bytes()).into();
            }
        }
        let bytes = encode(&version, &sent);
        let bytes = bytes.map_err(|error| Stop::Skipped(format!("{packet}: {error}")))?;
        self.check_limits(&sent, bytes.len())?;
        self.remember(&version, &sent)?;
        let text = shown(&filled(&packet, &self.captured));
        self.write(&bytes, text)
    }

    /// What has to be cleared away, and what the server has to answer.
    pub(super) fn remember(&mut self, version: &str, sent: &Value) -> Result<(), Stop> {
        match sent["type"].as_str() {
            Some("CONNECT") => {
                if let Some(id) = sent["client_id"].as_str().filter(|id| !id.is_empty()) {
                    self.client_ids.insert((version.into(), id.into()));
                }
                let will = &sent["will"];
                if will["retain"] == true
                    && let Some(topic) = will["topic"].as_str()
                {
                    self.retained.insert(topic.into());
                }
                self.link_mut()?.connect = sent.clone();
            }
            Some("PUBLISH") => {
                if sent["retain"] == true
                    && let Some(topic) = sent["topic"].as_str().filter(|topic| !topic.is_empty())
                {
                    self.retained.insert(topic.into());
                }
                if let Some(id) = sent["packet_id"].as_u64() {
                    self.link_mut()?.in_flight.insert(id);
                }
            }
            Some("DISCONNECT") => self.link_mut()?.is_spoilt = true,
            _ => {}
        }
        Ok(())
    }

    /// A trace that is not about the limits of this server does not go beyond them.
    fn check_limits(&self, sent: &Value, bytes: usize) -> Result<(), Stop> {
        let link = self.link()?;
        if self.is_given {
            return Ok(());
        }
        let limit = |name: &str| link.connack[name].as_u64();
        let skipped = |text: String| Err(Stop::Skipped(text));
        if let Some(maximum) = limit("maximum_packet_size").filter(|most| bytes as u64 > *most) {
            return skipped(format!("Maximum Packet Size is {maximum}"));
        }
        if sent["type"] != "PUBLISH" {
            return Ok(());
        }
        let qos = sent["qos"].as_u64().unwrap_or(0);
        if let Some(maximum) = limit("maximum_qos").filter(|most| qos > *most) {
            return skipped(format!("Maximum QoS is {maximum}"));
        }
        let id = sent["packet_id"].as_u64().unwrap_or(0);
        let others = link.in_flight.iter().filter(|other| **other != id).count();
        if let Some(maximum) = limit("receive_maximum")
            && qos > 0
            && others as u64 >= maximum
        {
            return skipped(format!("Receive Maximum is {maximum}"));
        }
        Ok(())
    }

    /// What is a packet is sent as one of this case, if its bytes are those that a packet is encoded to.
    fn send_hex(&mut self, value: &Value) -> Result<(), Stop> {
        let bytes = value.as_str().and_then(unhex);
        let bytes = bytes.ok_or_else(|| Stop::Skipped("no hexadecimal".into()))?;
        let version = self.link()?.version.clone();
        match decoded(&version, &bytes) {
            Some(packet) => self.send(&packet),
            None => {
                self.link_mut()?.is_spoilt = true;
                self.write(&bytes, "bytes".into())
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], text: String) -> Result<(), Stop> {
        let name = self.current.clone();
        self.note(&name, true, text, bytes);
        self.has_sent = true;
        let time = self.timeout();
        let link = self.link_mut()?;
        if link.is_over || link.closed.is_some() {
            return Ok(());
        }
        let written = link.wire.as_mut().map(|wire| wire.write(bytes, time));
        let written = written.unwrap_or_else(|| Err("it has opened no connection".into()));
        written.map_err(|seen| failed("that the target reads", seen))
    }

    fn close(&mut self, name: &str) -> Result<(), Stop> {
        self.pump()?;
        if let Some(link) = self.links.get_mut(name) {
            link.is_over = true;
            if let Some(wire) = &mut link.wire {
                wire.close();
            }
        }
        self.note(name, true, "closed".into(), &[]);
        Ok(())
    }

    pub(super) fn within(&self, step: &Value) -> Instant {
        let time = step["within_ms"].as_u64();
        let time = time.map(|time| Duration::from_millis(time) + TOLERANCE);
        Instant::now() + time.unwrap_or(self.timeout())
    }

    fn in_time(&self, step: &Value, at: Instant) -> Result<(), Stop> {
        let waited = at.saturating_duration_since(self.since);
        let least = Duration::from_millis(step["after_ms"].as_u64().unwrap_or(0));
        if waited + TOLERANCE < least {
            let expected = format!("not before {} ms", least.as_millis());
            return Err(failed(expected, format!("after {} ms", waited.as_millis())));
        }
        Ok(())
    }

    /// Waits until there is a packet or the end.
    pub(super) fn news(&mut self, end: Instant) -> Result<(), Stop> {
        self.link()?;
        self.wait(end, |run| {
            run.link()
                .is_ok_and(|link| !link.packets.is_empty() || link.closed.is_some())
        })?;
        Ok(())
    }

    /// Waits for a packet of the kind of one of these patterns, and for nothing once another one can only be wrong. Its place.
    fn front(
        &mut self,
        step: &Value,
        end: Instant,
        patterns: &[Value],
    ) -> Result<(usize, Value), Stop> {
        self.link()?;
        self.wait(end, |run| {
            run.link()
                .is_ok_and(|link| link.place(patterns) != Place::NotYet)
        })?;
        let link = self.link()?;
        let found = match link.place(patterns) {
            Place::At(place) => link.packets.get(place).map(|one| (place, one.clone())),
            Place::NotYet | Place::Never => None,
        };
        let Some((place, (at, packet))) = found else {
            let seen = link.seen();
            let expected = match patterns {
                [one] => shown(one),
                _ => shown(&Value::from(patterns)),
            };
            return Err(failed(expected, seen));
        };
        self.in_time(step, at)?;
        Ok((place, packet))
    }

    fn expect(&mut self, step: &Value, end: Instant, pattern: &Value) -> Result<(), Stop> {
        let mut pattern = self.pattern(pattern);
        let (place, packet) = self.front(step, end, std::slice::from_ref(&pattern))?;
        // To a version that it does not know a server may answer as 3.1.1 does.
        if pattern["reason"] == "0x84" && packet["type"] == "CONNACK" && packet["reason"] == "0x01"
        {
            pattern["reason"] = packet["reason"].clone();
            self.remark("A-46".into());
        }
        self.captured = fit(&pattern, &packet, &self.captured).map_err(|error| {
            let seen = format!("{}: {error}", shown(&packet));
            failed(shown(&pattern), seen)
        })?;
        self.link_mut()?.packets.remove(place);
        self.judge_reason(&pattern, &packet);
        Ok(())
    }

    /// The first of several reason codes is the best reading. 0x10 is no other reading of 0x00, but says more.
    fn judge_reason(&mut self, pattern: &Value, packet: &Value) {
        let best = list(&pattern["reason"]["one_of"]).first();
        if let (Some(best), Some(key)) = (best, self.trace["ambiguity"].as_str())
            && *best != packet["reason"]
            && packet["reason"] != "0x10"
        {
            self.remark(key.into());
        }
    }

    fn expect_all(&mut self, step: &Value, patterns: &[Value]) -> Result<(), Stop> {
        let mut left: Vec<Value> = patterns.iter().map(|one| self.pattern(one)).collect();
        let end = self.within(step);
        while !left.is_empty() {
            let (place, packet) = self.front(step, end, &left)?;
            let Some((index, captured)) = first_fit(&left, &packet, &self.captured) else {
                return Err(failed(shown(&Value::from(left)), shown(&packet)));
            };
            self.captured = captured;
            let pattern = left.remove(index);
            self.link_mut()?.packets.remove(place);
            self.judge_reason(&pattern, &packet);
        }
        Ok(())
    }

    /// What is to be told before the end, in this version. Before 5.0 a server has no DISCONNECT.
    fn told(&self, step: &Value) -> Option<Value> {
        let told = self.pattern(&step["told"]);
        let version = self.link().map_or("", |link| &link.version);
        (told.is_object() && (version == "5.0" || told["type"] != "DISCONNECT")).then_some(told)
    }

    fn expect_close(&mut self, step: &Value) -> Result<(), Stop> {
        let mut end = self.within(step);
        self.news(end)?;
        let is_still = |link: &Link| link.packets.is_empty() && link.closed.is_none();
        if is_still(self.link()?) && self.trace["ambiguity"] == KEEP_ALIVE {
            // The standard says how long a server waits, and not how fast it is then.
            end = Instant::now() + KEEP_ALIVE_LATE;
            self.news(end)?;
            if !is_still(self.link()?) {
                self.remark(format!("{KEEP_ALIVE}: late"));
            }
        }
        if let Some(told) = self.told(step) {
            if self.link()?.packets.is_empty() && self.link()?.closed.is_some() {
                self.remark(format!("closed without {}", shown(&told)));
            } else {
                self.expect(step, end, &told)?;
                end = end.max(Instant::now() + self.timeout());
            }
        }
        self.news(end)?;
        let link = self.link_mut()?;
        if let Some((_, packet)) = link.packets.front() {
            return Err(failed("close", shown(packet)));
        }
        let Some(at) = link.closed else {
            return Err(failed("close", "still open, and nothing came"));
        };
        link.is_over = true;
        self.in_time(step, at)
    }

    fn fits(&self, step: &Value) -> Fits {
        let name = step["on"].as_str().unwrap_or(&self.current);
        let Some(link) = self.links.get(name) else {
            return Fits::No;
        };
        let fits = |pattern: &Value, packet: &Value| {
            let pattern = for_version(&link.version, pattern);
            fit(&pattern, packet, &self.captured).is_ok()
        };
        if step["expect"] == "close" {
            return match link.packets.front() {
                Some((_, packet)) if step["told"].is_object() && fits(&step["told"], packet) => {
                    Fits::Yes
                }
                Some(_) => Fits::No,
                None if link.closed.is_some() => Fits::Yes,
                None => Fits::NotYet,
            };
        }
        let patterns = match &step["expect"] {
            one @ Value::Object(_) => std::slice::from_ref(one),
            _ => list(&step["expect_all"]),
        };
        let mut left: Vec<Value> = patterns
            .iter()
            .map(|pattern| for_version(&link.version, pattern))
            .collect();
        let is_closed = link.closed.is_some();
        let mut rest: Vec<_> = link.packets.iter().map(|(_, packet)| packet).collect();
        let mut captured = self.captured.clone();
        while !left.is_empty() {
            match place(rest.iter().copied(), &left, is_closed) {
                Place::At(place) => {
                    let packet = rest.remove(place);
                    let Some((index, now)) = first_fit(&left, packet, &captured) else {
                        return Fits::No;
                    };
                    captured = now;
                    left.remove(index);
                }
                Place::Never => return Fits::No,
                Place::NotYet if left.len() < patterns.len() => return Fits::Partly,
                Place::NotYet => return Fits::NotYet,
            }
        }
        Fits::Yes
    }

    /// The first alternative whose first step fits is the one. One of which a part has come is given the time for the rest.
    fn any_of(&mut self, step: &Value, alternatives: &[Value]) -> Result<(), Stop> {
        let mut chosen = Vec::new();
        for alternative in alternatives {
            let steps = list(alternative).iter();
            let mut steps: Vec<Value> = steps
                .filter(|step| self.is_for_version(step))
                .cloned()
                .collect();
            if let Some(first) = steps.first_mut() {
                for key in ["within_ms", "after_ms"] {
                    if first[key].is_null() && !step[key].is_null() {
                        first[key] = step[key].clone();
                    }
                }
            }
            chosen.push(steps);
        }
        let firsts: Vec<Value> = chosen
            .iter()
            .map(|steps| steps.first().cloned().unwrap_or_default())
            .collect();
        let end = firsts.iter().map(|first| self.within(first)).max();
        let end = end.unwrap_or_else(Instant::now);
        let is_quiet = |first: &Value| first["quiet_ms"].is_number();
        let decide = |run: &Self, is_end: bool| {
            for (index, first) in firsts.iter().enumerate() {
                match run.fits(first) {
                    _ if is_quiet(first) => {}
                    Fits::Yes => return Some(Some(index)),
                    Fits::Partly if !is_end => return None,
                    _ => {}
                }
            }
            let is_hopeless = firsts
                .iter()
                .all(|first| !is_quiet(first) && run.fits(first) == Fits::No);
            is_hopeless.then_some(None)
        };
        let mut found = None;
        self.wait(end, |run| {
            found = decide(run, false);
            found.is_some()
        })?;
        let found = found.or_else(|| decide(self, true)).flatten();
        let found = found.or_else(|| firsts.iter().position(is_quiet));
        let Some(index) = found else {
            let seen = self.link()?.seen();
            let expected: Vec<_> = firsts.iter().map(shown).collect();
            return Err(failed(expected.join(" or "), seen));
        };
        // A silence is none if something has come, which is what its step says.
        for step in &chosen[index] {
            self.step(step)?;
        }
        if let (true, Some(key)) = (index > 0, self.trace["ambiguity"].as_str()) {
            self.remark(key.into());
        }
        Ok(())
    }

    fn quiet(&mut self, milliseconds: u64) -> Result<(), Stop> {
        let time = Duration::from_millis(milliseconds).min(self.setting.longest);
        let is_loud = |run: &Self| {
            run.link().is_ok_and(|link| {
                !link.packets.is_empty() || link.closed.is_some() && !link.is_over
            })
        };
        self.link()?;
        if !self.wait(Instant::now() + time, is_loud)? {
            return Ok(());
        }
        let link = self.link()?;
        let seen = link.packets.front();
        let seen = seen.map_or_else(|| "closed".into(), |(_, packet)| shown(packet));
        let expected = format!("nothing for {} ms", time.as_millis());
        Err(failed(expected, seen))
    }
}

fn first_fit(patterns: &[Value], packet: &Value, captured: &Captured) -> Option<(usize, Captured)> {
    patterns.iter().enumerate().find_map(|(index, pattern)| {
        let captured = fit(pattern, packet, captured).ok()?;
        Some((index, captured))
    })
}

/// The packet, if these bytes are one and what it is encoded to.
fn decoded(version: &str, bytes: &[u8]) -> Option<Value> {
    let (number, options) = receiver(version)?;
    let options = options.with_sender(Some(Role::Client));
    let mut rest = bytes;
    let one = Packet::decode(number, &options, &mut rest).ok()??;
    let packet = packet(number, &one);
    // CONNECT of another version than that of the connection.
    if packet["version"].as_str().is_some_and(|own| own != version) {
        return None;
    }
    let is_same = rest.is_empty() && encode(version, &packet).is_ok_and(|same| same == bytes);
    is_same.then_some(packet)
}
