//! One trace against the target: its connections, what has come on them, and what becomes of the case.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::application::Application;
use super::interrupt::{INTERRUPTED, is_interrupted};
use super::isolation::Isolation;
use super::link::{Read1, Target, Wire};
use super::list;
use super::support::json::hex;
use super::support::traces::bytes::for_version;
use super::support::traces::pattern::Captured;
use crate::verdict::{Failure, Line, Verdict};

/// A target that sends more than this in one case is cut.
const MOST_BYTES: usize = 4 << 20;
const MOST_PACKETS: usize = 20_000;
/// Lines of the log that are kept.
const MOST_LINES: usize = 400;
/// Bytes of a packet that are shown.
const MOST_SHOWN: usize = 64;
/// Characters of a packet that are shown.
const MOST_TEXT: usize = 400;

const PINGRESP: [u8; 2] = [0xD0, 0];

/// How a case is run.
pub(crate) struct Setting<'t> {
    pub(crate) target: &'t Target,
    pub(crate) isolation: Isolation,
    /// Longer silences are cut to this.
    pub(crate) longest: Duration,
}

/// Why a run ends before its last step.
pub(crate) enum Stop {
    Failed {
        expected: String,
        seen: String,
        is_dead: bool,
    },
    /// The server is not one that the trace is for.
    Skipped(String),
}

pub(crate) fn failed(expected: impl Into<String>, seen: impl Into<String>) -> Stop {
    Stop::Failed {
        expected: expected.into(),
        seen: seen.into(),
        is_dead: false,
    }
}

/// Runs the trace of a server, or of a client if there is a program, which is for other cases afterwards, and clears away what it
/// leaves on a server.
pub(crate) fn run(
    setting: &Setting<'_>,
    application: &mut Option<Application>,
    trace: &Value,
    version: &str,
) -> Verdict {
    let mut run = Run::new(setting, trace, version);
    run.application = application.take();
    let mut result = run.all();
    let mut is_dead = false;
    if let Err(Stop::Failed {
        seen,
        is_dead: dead,
        ..
    }) = &mut result
    {
        *dead |= run.packets == 0 && is_nothing(seen) && awaits_connack(&trace["steps"]);
        is_dead = *dead;
    }
    if !is_dead && run.application.is_none() {
        run.clean();
    }
    *application = run.application.take();
    match result {
        Ok(()) => match run.remarks.first() {
            None => Verdict::Pass,
            Some(remark) => Verdict::NonStrict(remark.clone()),
        },
        Err(Stop::Skipped(reason)) => Verdict::Skipped(reason),
        Err(Stop::Failed {
            expected,
            seen,
            is_dead,
        }) => Verdict::Fail(Failure {
            expected,
            seen,
            log: run.log,
            is_dead,
        }),
    }
}

fn is_nothing(seen: &str) -> bool {
    seen.starts_with("closed") || seen == NOTHING
}

/// Whether the trace is about a connection that is accepted, so that no answer at all says nothing of it.
fn awaits_connack(steps: &Value) -> bool {
    list(steps)
        .iter()
        .map(|step| &step["expect"])
        .any(|one| one["type"] == "CONNECT" || one["type"] == "CONNACK" && one["reason"] == "0x00")
}

/// What is seen where there is neither a packet nor an end.
pub(super) const NOTHING: &str = "nothing came";
/// The same where other packets may have come.
pub(super) const MISSING: &str = "it did not come";

/// One connection, seen from the client.
pub(super) struct Link {
    pub(super) version: String,
    /// There is none as long as a client has not opened it.
    pub(super) wire: Option<Wire>,
    pub(super) packets: VecDeque<(Instant, Value)>,
    /// The target has closed it.
    pub(super) closed: Option<Instant>,
    /// The end is no news any more.
    pub(super) is_over: bool,
    /// CONNACK has come, with success.
    pub(super) is_connected: bool,
    /// The client has said that it goes, or sent what may be no whole packet.
    pub(super) is_spoilt: bool,
    /// CONNECT as it was sent, and the properties of CONNACK.
    pub(super) connect: Value,
    pub(super) connack: Value,
    /// Of the client's messages, those that are not acknowledged.
    pub(super) in_flight: BTreeSet<u64>,
}

impl Link {
    pub(super) fn new(version: &str, wire: Option<Wire>) -> Self {
        Self {
            version: version.into(),
            wire,
            packets: VecDeque::new(),
            closed: None,
            is_over: false,
            is_connected: false,
            is_spoilt: false,
            connect: Value::Null,
            connack: Value::Null,
            in_flight: BTreeSet::new(),
        }
    }

    /// Where the packet is that is for one of these patterns.
    pub(super) fn place(&self, patterns: &[Value]) -> Place {
        let packets = self.packets.iter().map(|(_, packet)| packet);
        place(packets, patterns, self.closed.is_some())
    }

    /// What there is instead of what was to come.
    pub(super) fn seen(&self) -> String {
        match self.packets.front() {
            Some((_, packet)) => shown(packet),
            None if self.closed.is_some() => "closed".into(),
            None => NOTHING.into(),
        }
    }
}

/// Where a packet is that is waited for.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    At(usize),
    NotYet,
    /// What has come forbids it.
    Never,
}

/// Where the first packet is that is of the kind of one of these patterns. The standards order packets of one kind, and not an
/// acknowledgement and a message, so packets of other kinds may come first. CONNACK, AUTH and DISCONNECT stand where they are.
pub(super) fn place<'p>(
    packets: impl Iterator<Item = &'p Value>,
    patterns: &[Value],
    is_closed: bool,
) -> Place {
    let is_of = |packet: &Value| patterns.iter().any(|one| one["type"] == packet["type"]);
    let all_are_fixed = patterns.iter().all(|one| is_fixed(&one["type"]));
    for (place, packet) in packets.enumerate() {
        if is_of(packet) && (place == 0 || !is_fixed(&packet["type"])) {
            return Place::At(place);
        }
        if is_fixed(&packet["type"]) || all_are_fixed {
            return Place::Never;
        }
    }
    match is_closed {
        true => Place::Never,
        false => Place::NotYet,
    }
}

/// Whether what comes before and behind such a packet does so for good.
fn is_fixed(kind: &Value) -> bool {
    matches!(
        kind.as_str(),
        None | Some("CONNECT" | "CONNACK" | "AUTH" | "DISCONNECT")
    )
}

pub(super) struct Run<'t> {
    pub(super) setting: &'t Setting<'t>,
    /// The client under test.
    pub(super) application: Option<Application>,
    pub(super) trace: &'t Value,
    pub(super) version: &'t str,
    /// `given` tells how the server is set up, so its limits are part of the trace.
    pub(super) is_given: bool,
    pub(super) begin: Instant,
    /// When the last step was done.
    pub(super) since: Instant,
    pub(super) links: BTreeMap<String, Link>,
    pub(super) current: String,
    pub(super) captured: Captured,
    /// The last step was to send something.
    pub(super) has_sent: bool,
    pub(super) log: Vec<Line>,
    /// What was not the best reading.
    pub(super) remarks: Vec<String>,
    /// Client identifiers that were used, by version.
    pub(super) client_ids: BTreeSet<(String, String)>,
    /// Topics under which a message may be retained.
    pub(super) retained: BTreeSet<String>,
    /// A step is about PINGREQ, or judges what comes by itself.
    expects_ping: bool,
    bytes: usize,
    pub(super) packets: usize,
}

impl<'t> Run<'t> {
    fn new(setting: &'t Setting<'t>, trace: &'t Value, version: &'t str) -> Self {
        let now = Instant::now();
        Self {
            setting,
            application: None,
            trace,
            version,
            is_given: trace["given"]["connack"].is_object(),
            begin: now,
            since: now,
            links: BTreeMap::new(),
            current: String::new(),
            captured: Captured::new(),
            has_sent: false,
            log: Vec::new(),
            remarks: Vec::new(),
            client_ids: BTreeSet::new(),
            retained: BTreeSet::new(),
            expects_ping: super::wire::is_wire(trace)
                || names_ping(&trace["allow"])
                || names_ping(&trace["steps"]),
            bytes: 0,
            packets: 0,
        }
    }

    fn all(&mut self) -> Result<(), Stop> {
        for step in list(&self.trace["steps"]) {
            self.step(step)?;
        }
        match super::wire::is_wire(self.trace) {
            true => Ok(()),
            false => self.finish(),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.setting.target.timeout
    }

    pub(super) fn note(&mut self, connection: &str, is_sent: bool, text: String, bytes: &[u8]) {
        if self.log.len() >= MOST_LINES {
            return;
        }
        let shown = &bytes[..bytes.len().min(MOST_SHOWN)];
        let mut hex = hex(shown);
        if shown.len() < bytes.len() {
            hex.push_str(&format!("... ({} bytes)", bytes.len()));
        }
        self.log.push(Line {
            at: u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX),
            connection: connection.into(),
            is_sent,
            text,
            hex,
        });
    }

    pub(super) fn remark(&mut self, text: String) {
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }

    /// Takes what has come on all connections.
    pub(super) fn pump(&mut self) -> Result<(), Stop> {
        let names: Vec<String> = self.links.keys().cloned().collect();
        for name in names {
            self.pump_one(&name)?;
        }
        let Some(application) = &mut self.application else {
            return Ok(());
        };
        let listened = application.listen();
        if let Some(reason) = application.unsupported.take() {
            return Err(Stop::Skipped(reason));
        }
        listened.map_err(|seen| failed("lines of the client protocol", seen))
    }

    fn pump_one(&mut self, name: &str) -> Result<(), Stop> {
        let Some(link) = self.links.get_mut(name) else {
            return Ok(());
        };
        if link.is_over || link.closed.is_some() {
            return Ok(());
        }
        if let (None, Some(application)) = (&link.wire, &mut self.application) {
            link.wire = application.accept(self.setting.target.timeout);
            if link.wire.is_some() {
                self.note(name, false, "opened".into(), &[]);
            }
        }
        let wire = self.links.get_mut(name).and_then(|link| link.wire.as_mut());
        let Some(wire) = wire else {
            return Ok(());
        };
        self.bytes += wire.pump();
        loop {
            let Some(link) = self.links.get_mut(name) else {
                return Ok(());
            };
            let next = link.wire.as_mut().and_then(|wire| wire.next(&link.version));
            match next {
                None => break,
                Some(Read1::Garbage(error, bytes)) => {
                    self.note(name, false, format!("no packet: {error}"), &bytes);
                    return Err(failed("packets", format!("no packet: {error}")));
                }
                Some(Read1::Packet(packet, bytes))
                    if self.setting.isolation.is_of_another(&packet)
                        && !super::wire::is_wire(self.trace) =>
                {
                    // What is wrong with that, the cases on matching and retained messages show.
                    self.note(name, false, shown(&packet), &bytes);
                    self.packets += 1;
                    self.remark("messages came that nobody has subscribed to".into());
                }
                Some(Read1::Packet(mut packet, bytes)) => {
                    self.setting.isolation.packet_in(&mut packet);
                    self.note(name, false, shown(&packet), &bytes);
                    self.packets += 1;
                    self.received(name, packet)?;
                }
            }
            if self.packets > MOST_PACKETS {
                break;
            }
        }
        if self.packets > MOST_PACKETS || self.bytes > MOST_BYTES {
            let (packets, bytes) = (self.packets, self.bytes);
            let seen = format!("{packets} packets, {bytes} bytes: cut off");
            return Err(failed("a few packets", seen));
        }
        let Some(link) = self.links.get_mut(name) else {
            return Ok(());
        };
        let wire = link.wire.as_ref();
        if let Some((wire, end)) = wire.and_then(|wire| Some((wire, wire.end()?))) {
            let left = wire.left().to_vec();
            let text = end.to_owned();
            link.closed = Some(Instant::now());
            self.note(name, false, text.clone(), &left);
            if !left.is_empty() {
                return Err(failed("packets", format!("{text} within a packet")));
            }
        }
        Ok(())
    }

    /// A client may send PINGREQ at any time. Where a trace does not expect one it is answered, and is nothing to the steps.
    fn is_unasked_ping(&self, packet: &Value) -> bool {
        self.application.is_some() && !self.expects_ping && packet["type"] == "PINGREQ"
    }

    fn answer_ping(&mut self, name: &str) {
        let time = self.timeout();
        let Some(link) = self.links.get_mut(name).filter(|link| !link.is_spoilt) else {
            return;
        };
        let written = link.wire.as_mut().map(|wire| wire.write(&PINGRESP, time));
        if written.is_some_and(|written| written.is_ok()) {
            let text = "{\"type\":\"PINGRESP\"}";
            self.note(name, true, text.into(), &PINGRESP);
        }
    }

    fn received(&mut self, name: &str, packet: Value) -> Result<(), Stop> {
        if self.is_unasked_ping(&packet) {
            self.answer_ping(name);
            return Ok(());
        }
        let Some(link) = self.links.get_mut(name) else {
            return Ok(());
        };
        match packet["type"].as_str() {
            Some("CONNACK") if packet["reason"] == "0x00" => {
                link.is_connected = true;
                link.connack = packet["properties"].clone();
                if let Some(id) = link.connack["assigned_client_identifier"].as_str() {
                    self.client_ids.insert((link.version.clone(), id.into()));
                }
                self.check_connack(name)?;
            }
            Some("CONNECT") => link.connect = packet.clone(),
            Some("PUBACK" | "PUBCOMP") => {
                let id = packet["packet_id"].as_u64();
                id.map(|id| link.in_flight.remove(&id));
            }
            Some("PUBREC") if packet["reason"].as_str() >= Some("0x80") => {
                let id = packet["packet_id"].as_u64();
                id.map(|id| link.in_flight.remove(&id));
            }
            _ => {}
        }
        let is_allowed = list(&self.trace["allow"]).contains(&packet["type"]);
        if let Some(link) = self.links.get_mut(name)
            && !is_allowed
        {
            link.packets.push_back((Instant::now(), packet));
        }
        Ok(())
    }

    /// A server may change what the client has asked for; what the trace says is then of no use.
    fn check_connack(&self, name: &str) -> Result<(), Stop> {
        let Some(link) = self.links.get(name).filter(|_| !self.is_given) else {
            return Ok(());
        };
        let (connect, connack) = (&link.connect, &link.connack);
        let is_timed = super::plan::is_timed(self.trace);
        let length = super::plan::length(self.trace, self.setting.longest);
        let skipped = |text: String| Err(Stop::Skipped(text));
        let own = connect["keep_alive"].as_u64().unwrap_or(0);
        if let Some(seconds) = connack["server_keep_alive"].as_u64()
            && seconds != own
            && (own > 0 && is_timed || seconds > 0 && seconds * 1_000 < length)
        {
            return skipped(format!("Server Keep Alive is {seconds}"));
        }
        let asked = connect["properties"]["session_expiry_interval"].as_u64();
        let asked = asked.unwrap_or(0);
        if let Some(seconds) = connack["session_expiry_interval"].as_u64()
            && seconds != asked
            && (is_timed || seconds < asked.min(60))
        {
            return skipped(format!("Session Expiry Interval is {seconds}, not {asked}"));
        }
        Ok(())
    }

    /// Lets time pass until it is so, at most until then.
    pub(super) fn wait(
        &mut self,
        end: Instant,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Stop> {
        let begin = Instant::now();
        loop {
            if is_interrupted() {
                return Err(Stop::Skipped(INTERRUPTED.into()));
            }
            self.pump()?;
            if is_so(self) {
                return Ok(true);
            }
            let now = Instant::now();
            let left = end.saturating_duration_since(now);
            if left.is_zero() {
                return Ok(false);
            }
            let pause = match now.duration_since(begin).as_millis() {
                0..50 => Duration::from_micros(500),
                50..1_000 => Duration::from_millis(2),
                _ => Duration::from_millis(10),
            };
            thread::sleep(pause.min(left));
        }
    }

    pub(super) fn link(&self) -> Result<&Link, Stop> {
        self.links
            .get(&self.current)
            .ok_or_else(|| Stop::Skipped(format!("the trace has no connection {:?}", self.current)))
    }

    pub(super) fn link_mut(&mut self) -> Result<&mut Link, Stop> {
        self.links
            .get_mut(&self.current)
            .ok_or_else(|| Stop::Skipped(format!("the trace has no connection {:?}", self.current)))
    }

    /// What was to come, as it is in the version of the connection.
    pub(super) fn pattern(&self, pattern: &Value) -> Value {
        let version = self.links.get(&self.current);
        let version = version.map_or(self.version, |link| &link.version);
        for_version(version, pattern)
    }
}

/// Whether a PINGREQ may come by these steps. One that is sent is a wrong server's, and says nothing of the client's.
fn names_ping(steps: &Value) -> bool {
    match steps {
        Value::String(text) => text == "PINGREQ",
        Value::Array(all) => all.iter().any(names_ping),
        Value::Object(map) => map
            .iter()
            .any(|(key, one)| key != "send" && names_ping(one)),
        _ => false,
    }
}

/// A packet on one line.
pub(super) fn shown(packet: &Value) -> String {
    let mut text = packet.to_string();
    if text.len() > MOST_TEXT {
        let end = (0..=MOST_TEXT)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push_str("...");
    }
    text
}
