//! One trace, step by step.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sansio_mqtt::{Instant, Packet, Role};
use serde_json::{Value, json};

use super::super::json::{packet, receiver, sender, unhex};
use super::bytes::{encode, for_version};
use super::pattern::{Captured, filled, fit};
use super::{Fault, Manner, Side, client, server, single};

const START: Instant = Instant::from_millis(1_000_000);

/// How a run went, if it went well.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Packets that the side under test has sent.
    pub(crate) packets: usize,
    /// Times that it has closed a transport.
    pub(crate) closes: usize,
}

/// Runs a trace in one version.
pub(crate) fn run(
    trace: &Value,
    version: &str,
    manner: Manner,
    fault: Fault,
) -> Result<Outcome, String> {
    let sends = if trace["role"] == "server" {
        "s2c"
    } else {
        "c2s"
    };
    let role = sender(sends).flatten().expect("a side");
    let given = for_version(version, &trace["given"]);
    let side: Box<dyn Side> = match role {
        // A broker gives no Reason String to SUBACK.
        Role::Server if given["reason_string"].is_string() && trace["needs"].is_null() => {
            Box::new(single::Single::new(&given))
        }
        Role::Server => {
            let needs = list(&trace["needs"]);
            let serves_31 = needs.contains(&json!("serves_3.1"));
            Box::new(server::Administered::new(START, &given, serves_31, manner))
        }
        Role::Client => Box::new(client::Application::new(version, &given)),
    };
    let mut run = Run {
        version,
        role,
        side,
        manner,
        fault,
        allowed: list(&trace["allow"]).to_vec(),
        now: START,
        since: START,
        links: BTreeMap::new(),
        current: String::new(),
        captured: Captured::new(),
        outcome: Outcome::default(),
    };
    for (index, step) in list(&trace["steps"]).iter().enumerate() {
        run.step(step)
            .map_err(|error| format!("step {index}, {step}: {error}"))?;
    }
    run.finish()?;
    Ok(run.outcome)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// One transport, seen from the peer of the side under test.
struct Link {
    /// That of the trace, unless the step that opens it says otherwise.
    version: String,
    packets: VecDeque<(Instant, Value)>,
    /// The side under test has closed it.
    closed: Option<Instant>,
    /// The end is no news any more.
    over: bool,
}

impl Link {
    fn new(version: &str) -> Self {
        Self {
            version: version.into(),
            packets: VecDeque::new(),
            closed: None,
            over: false,
        }
    }
}

struct Run<'t> {
    version: &'t str,
    role: Role,
    side: Box<dyn Side>,
    manner: Manner,
    fault: Fault,
    allowed: Vec<Value>,
    now: Instant,
    /// When the last step was done.
    since: Instant,
    links: BTreeMap<String, Link>,
    current: String,
    captured: Captured,
    outcome: Outcome,
}

impl Run<'_> {
    fn step(&mut self, step: &Value) -> Result<(), String> {
        if !list(&step["only"]).is_empty() && !list(&step["only"]).contains(&json!(self.version)) {
            return Ok(());
        }
        if let Some(name) = step["on"].as_str() {
            self.current = name.into();
        }
        let verbs = [
            "open",
            "do",
            "send",
            "send_hex",
            "expect",
            "expect_all",
            "any_of",
            "delivered",
            "quiet_ms",
            "wait_ms",
            "close",
        ];
        let verb = verbs.into_iter().find(|verb| !step[*verb].is_null());
        let verb = verb.ok_or("no step that is known")?;
        let value = &step[verb];
        match verb {
            "open" => {
                self.current = value.as_str().ok_or("no name")?.into();
                let version = step["version"].as_str().unwrap_or(self.version);
                let link = Link::new(version);
                self.links.insert(self.current.clone(), link);
                self.side.open(self.now, &self.current);
            }
            "do" => {
                let packet = filled(&for_version(self.version, value), &self.captured);
                if packet["type"] == "CONNECT" {
                    let link = Link::new(self.version);
                    self.links.insert(self.current.clone(), link);
                }
                self.side.act(self.now, &self.current, &packet);
            }
            "send" => {
                let version = self.link()?.version.clone();
                let packet = filled(&for_version(&version, value), &self.captured);
                self.send(&encode(&version, &packet)?);
            }
            "send_hex" => {
                let bytes = value.as_str().and_then(unhex).ok_or("no bytes")?;
                self.send(&bytes);
            }
            "expect" if value == "close" => self.expect_close(step)?,
            "expect" => self.expect(step, value)?,
            "expect_all" => self.expect_all(step, list(value))?,
            "any_of" => self.any_of(step, list(value))?,
            "delivered" => self.delivered(list(value))?,
            "quiet_ms" => self.quiet(value.as_u64().ok_or("no time")?)?,
            "wait_ms" => self.pass(self.after(value.as_u64().ok_or("no time")?)),
            _ => {
                let name = value.as_str().ok_or("no name")?.to_owned();
                self.settle();
                self.side.end(self.now, &name);
                let link = self.links.get_mut(&name).ok_or("not open")?;
                link.over = true;
            }
        }
        self.settle();
        self.since = self.now;
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) {
        let size = match self.manner {
            Manner::Whole | Manner::Restarts => bytes.len().max(1),
            Manner::Bytes => 1,
        };
        for part in bytes.chunks(size) {
            self.side.input(self.now, &self.current, part);
        }
    }

    fn after(&self, milliseconds: u64) -> Instant {
        self.now.saturating_add(Duration::from_millis(milliseconds))
    }

    /// Takes what the side has written.
    fn settle(&mut self) {
        for (name, link) in &mut self.links {
            let (version, options) = receiver(&link.version).expect("a version");
            let options = options.with_sender(Some(self.role));
            let (bytes, closed) = self.side.output(name);
            let mut input = &bytes[..];
            while !input.is_empty() {
                let value = match Packet::decode(version, &options, &mut input) {
                    Ok(Some(one)) => packet(version, &one),
                    other => panic!("what is sent is no packet: {other:?}"),
                };
                if self.allowed.contains(&value["type"]) {
                    continue;
                }
                let number = self.outcome.packets;
                self.outcome.packets += 1;
                let times = match self.fault {
                    Fault::Lost(at) if at == number => 0,
                    Fault::Twice(at) if at == number => 2,
                    _ => 1,
                };
                for _ in 0..if link.over { 0 } else { times } {
                    link.packets.push_back((self.now, value.clone()));
                }
            }
            if closed && link.closed.is_none() {
                self.outcome.closes += usize::from(!link.over);
                if self.fault != Fault::StaysOpen {
                    link.closed = Some(self.now);
                }
            }
        }
    }

    /// Lets time pass to the next moment at which something is due, or to the end.
    fn advance(&mut self, end: Instant) {
        match self.side.next() {
            Some(at) if at <= end => {
                self.now = self.now.max(at);
                self.side.tick(self.now);
            }
            _ => self.now = end,
        }
        self.settle();
    }

    fn pass(&mut self, end: Instant) {
        self.settle();
        while self.now < end || self.side.next().is_some_and(|at| at <= end) {
            self.advance(end);
        }
    }

    fn link(&mut self) -> Result<&mut Link, String> {
        let name = &self.current;
        self.links
            .get_mut(name)
            .ok_or_else(|| format!("{name} is not open"))
    }

    /// Lets time pass until there is a packet or the end, at most as long as the step says.
    fn await_news(&mut self, step: &Value) -> Result<(), String> {
        let end = self.after(step["within_ms"].as_u64().unwrap_or(0));
        self.settle();
        loop {
            let link = self.link()?;
            if !link.packets.is_empty() || link.closed.is_some() || self.now >= end {
                return Ok(());
            }
            self.advance(end);
        }
    }

    fn in_time(&self, step: &Value, at: Instant) -> Result<(), String> {
        let waited = at.saturating_duration_since(self.since).as_millis();
        let least = step["after_ms"].as_u64().unwrap_or(0);
        if waited < u128::from(least) {
            return Err(format!("came after {waited} ms"));
        }
        Ok(())
    }

    /// The next packet, without taking it.
    fn front(&mut self, step: &Value) -> Result<Value, String> {
        self.await_news(step)?;
        let link = self.link()?;
        let Some((at, packet)) = link.packets.front().cloned() else {
            let closed = link.closed.is_some();
            return Err(if closed { "closed" } else { "nothing came" }.into());
        };
        self.in_time(step, at)?;
        Ok(packet)
    }

    fn expect(&mut self, step: &Value, pattern: &Value) -> Result<(), String> {
        let packet = self.front(step)?;
        let pattern = for_version(&self.link()?.version, pattern);
        self.captured =
            fit(&pattern, &packet, &self.captured).map_err(|error| format!("{packet}: {error}"))?;
        self.link()?.packets.pop_front();
        Ok(())
    }

    /// Takes none of them unless all come.
    fn expect_all(&mut self, step: &Value, patterns: &[Value]) -> Result<(), String> {
        let mut left: Vec<&Value> = patterns.iter().collect();
        let mut taken = Vec::new();
        let result = loop {
            if left.is_empty() {
                break Ok(());
            }
            let packet = match self.front(step) {
                Ok(packet) => packet,
                Err(error) => break Err(error),
            };
            let version = self.link()?.version.clone();
            let found = left.iter().enumerate().find_map(|(index, pattern)| {
                let pattern = for_version(&version, pattern);
                let captured = fit(&pattern, &packet, &self.captured).ok()?;
                Some((index, captured))
            });
            let Some((index, captured)) = found else {
                break Err(format!("{packet} fits none of {left:?}"));
            };
            self.captured = captured;
            left.remove(index);
            taken.extend(self.link()?.packets.pop_front());
        };
        if result.is_err() {
            let link = self.link()?;
            taken
                .into_iter()
                .rev()
                .for_each(|packet| link.packets.push_front(packet));
        }
        result
    }

    /// The transport is closed, after the packet that may be told before it. In memory that one has to be there.
    fn expect_close(&mut self, step: &Value) -> Result<(), String> {
        let version = self.link()?.version.clone();
        let told = for_version(&version, &step["told"]);
        // Before 5.0 a server has no DISCONNECT.
        if told.is_object() && (version == "5.0" || told["type"] != "DISCONNECT") {
            self.expect(step, &told)?;
        } else {
            self.await_news(step)?;
        }
        let link = self.link()?;
        if let Some((_, packet)) = link.packets.front() {
            return Err(format!("{packet} instead of the end"));
        }
        let at = link.closed.ok_or("not closed")?;
        link.over = true;
        self.in_time(step, at)
    }

    /// The first alternative whose first step fits is the one.
    fn any_of(&mut self, step: &Value, alternatives: &[Value]) -> Result<(), String> {
        let mut errors = Vec::new();
        for alternative in alternatives {
            let steps = list(alternative);
            let captured = self.captured.clone();
            let mut first = steps.first().cloned().unwrap_or_default();
            for key in ["within_ms", "after_ms"] {
                if first[key].is_null() && !step[key].is_null() {
                    first[key] = step[key].clone();
                }
            }
            match self.step(&first) {
                Ok(()) => {
                    for step in &steps[1..] {
                        self.step(step)?;
                    }
                    return Ok(());
                }
                Err(error) => errors.push(error),
            }
            self.captured = captured;
        }
        Err(errors.join("; "))
    }

    fn quiet(&mut self, milliseconds: u64) -> Result<(), String> {
        self.pass(self.after(milliseconds));
        let link = self.link()?;
        match link.packets.front() {
            Some((_, packet)) => Err(format!("{packet} in a silence")),
            None if link.closed.is_some() && !link.over => Err("closed".into()),
            None => Ok(()),
        }
    }

    fn delivered(&mut self, patterns: &[Value]) -> Result<(), String> {
        self.settle();
        let delivered = Value::from(self.side.delivered());
        let patterns = for_version(self.version, &Value::from(patterns.to_vec()));
        self.captured = fit(&patterns, &delivered, &self.captured)?;
        Ok(())
    }

    /// Nothing is left over that was not expected.
    fn finish(&mut self) -> Result<(), String> {
        self.settle();
        for (name, link) in &self.links {
            if let Some((_, packet)) = link.packets.front() {
                return Err(format!("{packet} at the end of {name}"));
            }
            if link.closed.is_some() && !link.over {
                return Err(format!("{name} is closed"));
            }
        }
        Ok(())
    }
}
