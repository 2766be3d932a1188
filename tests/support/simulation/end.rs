// One end of the link: a connection, its faithful driver, and what its application holds.

use std::collections::VecDeque;

use sansio_mqtt::*;

use super::Log;
use super::history::Pace;
use super::ledger::Ledger;
use crate::machine::{Event, Limits, Machine};
use crate::watch::Watch;

/// Bytes under way in one direction.
#[derive(Default)]
pub(crate) struct Link {
    parts: VecDeque<(u64, Vec<u8>)>,
    pub(crate) chunk: usize,
    pub(crate) delay: u64,
    /// After this many more bytes the link breaks.
    pub(crate) budget: Option<usize>,
    /// When the end of the transport is seen behind the bytes.
    eof: Option<u64>,
    pub(crate) broken: bool,
}

impl Link {
    fn put(&mut self, now: u64, mut bytes: &[u8]) {
        if self.broken || self.eof.is_some() {
            return;
        }
        if let Some(budget) = &mut self.budget {
            let kept = bytes.len().min(*budget);
            *budget -= kept;
            bytes = &bytes[..kept];
        }
        for part in bytes.chunks(self.chunk) {
            self.parts.push_back((now + self.delay, part.to_vec()));
        }
    }

    pub(crate) fn end(&mut self, now: u64) {
        self.eof.get_or_insert(now + self.delay);
    }

    pub(crate) fn lose(&mut self) {
        self.parts.clear();
    }

    fn next(&self) -> Option<u64> {
        self.parts.front().map(|part| part.0).or(self.eof)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Marsaglia's xorshift.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

pub(crate) struct End<M> {
    name: &'static str,
    pub(crate) machine: Option<M>,
    /// Read and not taken.
    input: Vec<u8>,
    /// Tokens with the numbers of their messages.
    pub(crate) acks: Vec<(AckToken, usize)>,
    pub(crate) stale: Option<AckToken>,
    pub(crate) watch: Watch,
    pub(crate) pace: Pace,
    /// When the transport takes bytes again, and whether something may wait for that.
    slot: u64,
    waits: bool,
    pub(crate) manual: bool,
    eof_given: bool,
    pub(crate) closed: Option<Closed>,
    /// The Keep Alive in force, in milliseconds, and when something was last sent and last heard.
    pub(crate) keep_alive: u64,
    pub(crate) last_sent: u64,
    pub(crate) last_heard: u64,
    /// When the application or the transport last held up the reading.
    pub(crate) held: u64,
    /// When the application last held it up.
    unanswered: u64,
}

/// What a turn of the driver needs besides its end.
pub(crate) struct Around<'a> {
    pub(crate) now: u64,
    pub(crate) connection: u32,
    pub(crate) incoming: &'a mut Link,
    pub(crate) outgoing: &'a mut Link,
    /// Of the messages to this end, and of those from it.
    pub(crate) theirs: &'a mut Ledger,
    pub(crate) ours: &'a mut Ledger,
    pub(crate) log: &'a mut Log,
    pub(crate) spurious: &'a mut Option<Random>,
    /// For the application: what is not a message.
    pub(crate) events: &'a mut Vec<Event>,
}

impl<M: Machine> End<M> {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            machine: None,
            input: Vec::new(),
            acks: Vec::new(),
            stale: None,
            watch: Watch::new(M::SENDER, Version::V5, true),
            pace: Pace {
                limit: usize::MAX,
                period: 0,
            },
            slot: 0,
            waits: false,
            manual: false,
            eof_given: false,
            closed: None,
            keep_alive: 0,
            last_sent: 0,
            last_heard: 0,
            held: 0,
            unanswered: 0,
        }
    }

    pub(crate) fn open(&mut self, machine: M, version: Version, manual: bool, now: u64) {
        self.machine = Some(machine);
        self.input.clear();
        self.stale = self.acks.pop().map(|ack| ack.0).or(self.stale.take());
        self.acks.clear();
        self.watch = Watch::new(M::SENDER, version, true);
        self.manual = manual;
        (self.eof_given, self.closed, self.waits) = (false, None, false);
        (self.keep_alive, self.last_sent, self.last_heard) = (0, now, now);
        (self.held, self.unanswered, self.slot) = (0, 0, now);
    }

    /// Whether the transport takes bytes now.
    pub(crate) fn may_send(&self, now: u64) -> bool {
        self.slot <= now
    }

    /// Notes whether the application holds up the reading.
    pub(crate) fn owes(&mut self, now: u64, answers: bool) {
        if answers && self.machine.as_ref().is_some_and(|one| !one.wants_input()) {
            self.unanswered = now;
        }
    }

    /// The application held up the reading, and then answered so much at once that the replies hold it up further, past
    /// the end of a period: what the peer sent in time is still unread.
    pub(crate) fn was_held(&self, now: u64) -> bool {
        self.held == now && now - self.unanswered <= self.keep_alive * 3 / 2
    }

    /// When this end has something to do next.
    pub(crate) fn next(&self, incoming: &Link) -> Option<u64> {
        let machine = self.machine.as_ref()?;
        let reads = machine.wants_input() && !self.eof_given;
        let arrival = incoming.next().filter(|_| reads);
        let timeout = machine.poll_timeout().map(Instant::as_millis);
        let slot = Some(self.slot).filter(|_| self.waits);
        [arrival, timeout, slot].into_iter().flatten().min()
    }

    /// One turn of the driver's loop. True: something happened.
    pub(crate) fn turn(&mut self, around: &mut Around<'_>) -> bool {
        let now = around.now;
        let at = Instant::from_millis(now);
        let Some(machine) = &mut self.machine else {
            return false;
        };
        assert!(
            machine.poll_timeout().is_none_or(|due| due >= at),
            "{}: late",
            self.name
        );
        // What has come in time. Nothing is read that is not wanted.
        let mut busy = self.receive(around);
        while around.events.is_empty()
            && self.machine.as_ref().is_some_and(M::wants_input)
            && around
                .incoming
                .parts
                .front()
                .is_some_and(|part| part.0 <= now)
        {
            let (_, bytes) = around.incoming.parts.pop_front().expect("front");
            self.input.extend_from_slice(&bytes);
            self.receive(around);
            busy = true;
        }
        if !around.events.is_empty() {
            return true;
        }
        let Some(machine) = &mut self.machine else {
            return busy;
        };
        let ended = around.incoming.is_empty() && around.incoming.eof.is_some_and(|eof| eof <= now);
        if ended && !self.eof_given && machine.wants_input() {
            machine.receive_eof(at);
            self.eof_given = true;
            busy = true;
        }
        if !machine.wants_input() {
            self.held = now;
        }
        let due = machine.poll_timeout().filter(|due| *due <= at);
        let wanted = machine.wants_input();
        machine.handle_timeout(at);
        if due.is_some() {
            assert!(
                machine.poll_timeout().is_none_or(|due| due > at),
                "{}: spins",
                self.name
            );
            busy = true;
            if !wanted && M::SENDER == Role::Server && machine.closed().is_none() {
                self.last_heard = now;
            }
        }
        busy |= self.transmit(around);
        self.look(around, wanted);
        let spurious = around.spurious.as_mut().filter(|_| !busy);
        let chosen = spurious.and_then(|random| (random.below(3) == 0).then(|| random.below(64)));
        if let Some(which) = chosen {
            self.spurious(now, which);
        }
        busy
    }

    fn receive(&mut self, around: &mut Around<'_>) -> bool {
        let now = around.now;
        let at = Instant::from_millis(now);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        let mut busy = false;
        while let Some(machine) = &mut self.machine {
            let before = rest.len();
            let event = machine.receive(at, &mut rest);
            let taken = before - rest.len();
            if taken > 0 && machine.closed().is_none() {
                self.last_heard = now;
            }
            let start = input.len() - before;
            self.watch
                .took(machine.version(), &input[start..start + taken]);
            busy |= taken > 0 || event.is_some();
            let Some(event) = event else { break };
            around.log.event(now, self.name, &event);
            match event {
                Event::Publish(arrival) => {
                    let index = around.theirs.delivered(
                        &arrival,
                        around.connection,
                        self.manual,
                        machine.version(),
                    );
                    let owed = self.manual && arrival.id.is_some();
                    assert_eq!(arrival.ack.is_some(), owed);
                    self.acks.extend(arrival.ack.map(|ack| (ack, index)));
                }
                Event::Published(handle, id, _) => around.ours.published(handle, id),
                Event::Dropped(dropped) => around.ours.dropped(&dropped),
                Event::Connack { limits, .. } => {
                    self.watch.limits = Some(limits);
                    around.events.push(event);
                }
                Event::Connect(ref asked) => {
                    self.watch.limits = Some(asked.limits);
                    around.events.push(event);
                    break;
                }
                other => around.events.push(other),
            }
        }
        self.input = rest.to_vec();
        if let Some(machine) = &self.machine {
            assert!(machine.closed().is_none() || self.input.is_empty());
        }
        busy
    }

    fn transmit(&mut self, around: &mut Around<'_>) -> bool {
        let now = around.now;
        let Some(machine) = &mut self.machine else {
            return false;
        };
        self.waits = self.slot > now;
        if self.waits {
            return false;
        }
        let mut out = Vec::new();
        let given = machine.poll_transmit(Instant::from_millis(now), &mut out, self.pace.limit);
        assert_eq!(given, out.len());
        let packets = self.put(&out, around);
        assert!(
            given <= self.pace.limit || packets == 1,
            "{given} of {}",
            self.pace.limit
        );
        given > 0
    }

    /// Puts what the connection gave on the wire. Returns the packets.
    pub(crate) fn put(&mut self, out: &[u8], around: &mut Around<'_>) -> usize {
        let Some(machine) = &self.machine else {
            return 0;
        };
        let version = machine.version();
        let (ours, at) = (&mut *around.ours, Instant::from_millis(around.now));
        let packets = self.watch.sent(version, out, |packet| {
            ours.transmitted(&packet, around.connection, at, version);
        });
        if !out.is_empty() {
            self.slot = around.now + self.pace.period;
            self.waits = self.pace.period > 0;
            self.last_sent = around.now;
            around.log.bytes(around.now, self.name, out);
            around.outgoing.put(around.now, out);
        } else if machine.closed().is_some() {
            around.outgoing.end(around.now);
        }
        packets
    }

    /// What must hold whenever the driver has done what there was to do.
    fn look(&mut self, around: &mut Around<'_>, wanted: bool) {
        let Some(machine) = &self.machine else { return };
        let now = around.now;
        let closed = machine.closed();
        assert!(
            self.closed.is_none() || self.closed == closed,
            "the end has changed"
        );
        if let (None, Some(closed)) = (self.closed, closed) {
            around.log.closed(now, self.name, closed);
            assert!(machine.poll_timeout().is_none() && !machine.is_connected());
            if closed.cause == CloseCause::KeepAliveTimeout {
                let due = self.last_heard + self.keep_alive * 3 / 2;
                assert_eq!(now, due, "not at one and a half times the Keep Alive");
            }
        }
        self.closed = closed;
        if closed.is_some() || !machine.is_connected() || self.keep_alive == 0 {
            return;
        }
        match M::SENDER {
            // MQTT-3.1.2-20 of 5.0, MQTT-3.1.2-23 of 3.1.1.
            Role::Client => assert!(now <= self.last_sent + self.keep_alive, "silent too long"),
            // MQTT-3.1.2-22 of 5.0, MQTT-3.1.2-24 of 3.1.1.
            Role::Server => assert!(
                !wanted || now < self.last_heard + self.keep_alive * 3 / 2,
                "heard nothing and went on"
            ),
        }
        if let (Some(limits), Version::V5) = (self.watch.limits, machine.version()) {
            let open = u16::try_from(self.watch.open()).expect("a quota");
            assert_eq!(machine.send_quota(), limits.receive_maximum - open);
        }
    }

    /// Calls without a reason, when nothing is to be done: nothing comes of them.
    fn spurious(&mut self, now: u64, which: u64) {
        let at = Instant::from_millis(now);
        let Some(machine) = &mut self.machine else {
            return;
        };
        let before = (
            machine.poll_timeout(),
            machine.closed(),
            machine.send_quota(),
        );
        if which & 1 == 0 {
            let mut rest = &self.input[..];
            assert!(machine.receive(at, &mut rest).is_none());
            assert_eq!(rest.len(), self.input.len());
        }
        if which & 2 == 0 {
            assert!(machine.receive(at, &mut &[][..]).is_none());
        }
        if which & 4 == 0 {
            machine.handle_timeout(at);
        }
        if which & 8 == 0 && self.slot <= now {
            assert_eq!(
                machine.poll_transmit(at, &mut Vec::new(), self.pace.limit),
                0
            );
        }
        if which & 16 == 0 && machine.closed().is_some() {
            machine.receive_eof(at);
            let mut rest = &b"\x30\x03\0\x01t\xff\xff"[..];
            assert!(machine.receive(at, &mut rest).is_none());
            assert!(rest.is_empty());
            let token = RequestError::NotOpen;
            assert_eq!(machine.disconnect(at, &Disconnect::default()), Err(token));
        }
        if which & 32 == 0 {
            let _ = (machine.session(), machine.version(), machine.is_connected());
        }
        assert_eq!(
            before,
            (
                machine.poll_timeout(),
                machine.closed(),
                machine.send_quota()
            )
        );
    }

    /// Calls at a moment when nothing is due.
    pub(crate) fn early(&mut self, now: u64, random: &mut Random) {
        let at = Instant::from_millis(now);
        let Some(machine) = &mut self.machine else {
            return;
        };
        let before = (machine.poll_timeout(), machine.closed());
        machine.handle_timeout(at);
        // What waits may expire, and that is told as soon as it is asked for.
        if random.below(2) == 0 && machine.session().queued() == 0 {
            let mut rest = &self.input[..];
            assert!(machine.receive(at, &mut rest).is_none());
            assert_eq!(rest.len(), self.input.len());
        }
        assert_eq!(before, (machine.poll_timeout(), machine.closed()));
    }

    /// Takes the session out, with everything reported that there is to report.
    pub(crate) fn take(&mut self, around: &mut Around<'_>) -> Option<(Session, Closed)> {
        let at = Instant::from_millis(around.now);
        self.machine.as_mut()?.receive_eof(at);
        self.input.clear();
        self.receive(around);
        let machine = self.machine.take()?;
        let closed = machine.closed().expect("closed");
        Some((machine.into_session(), closed))
    }

    pub(crate) fn limits(&self) -> Option<Limits> {
        self.watch.limits
    }
}
