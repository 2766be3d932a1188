//! A client and a server that store their sessions, over a link that is cut and with machines that stop between any two
//! writes.
//!
//! Each side keeps to the rule of [`Change`] and to no more: what `poll_transmit` gave is written once the records that
//! it must wait for are stored. A stop takes what is not stored and what is not written.

use std::collections::{BTreeMap, VecDeque};

use sansio_mqtt::*;

/// A small generator: histories are its numbers.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    /// All of it or a part.
    fn part(&mut self, all: usize) -> usize {
        if self.one_in(3) {
            self.roll(all + 1)
        } else {
            all
        }
    }
}

/// One write to the store, whole or not at all unless it is cut on purpose.
#[derive(Default)]
struct Write {
    records: Vec<u8>,
    /// Stored together with the records: a message that the application took.
    taken: Option<u32>,
    queued: Vec<u32>,
    may_be_late: bool,
}

enum Machine {
    Client(Box<ClientConnection>),
    Server(Box<ServerConnection>),
}

/// What the application does with a message of the peer.
enum Event {
    Connect,
    Publish(u32, Option<AckToken>),
    Other,
}

impl Machine {
    fn receive(&mut self, now: Instant, input: &mut &[u8]) -> Option<Event> {
        let publish = |incoming: Incoming<'_>| {
            let number = u32::from_be_bytes(incoming.publish.payload.try_into().unwrap());
            Event::Publish(number, incoming.ack)
        };
        Some(match self {
            Self::Client(client) => match client.receive(now, input)? {
                ClientEvent::Publish(incoming) => publish(incoming),
                ClientEvent::Dropped(dropped) => panic!("{dropped:?}"),
                _ => Event::Other,
            },
            Self::Server(server) => match server.receive(now, input)? {
                ServerEvent::Connect(_) => Event::Connect,
                ServerEvent::Publish(incoming) => publish(incoming),
                ServerEvent::Dropped(dropped) => panic!("{dropped:?}"),
                _ => Event::Other,
            },
        })
    }

    fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>, limit: usize) -> usize {
        match self {
            Self::Client(client) => client.poll_transmit(now, out, limit),
            Self::Server(server) => server.poll_transmit(now, out, limit),
        }
    }

    fn poll_change(&mut self) -> Option<Change> {
        match self {
            Self::Client(client) => client.poll_change(),
            Self::Server(server) => server.poll_change(),
        }
    }

    fn publish(&mut self, now: Instant, message: Message) -> bool {
        match self {
            Self::Client(client) => client.publish(now, message).is_ok(),
            Self::Server(server) => server.publish(now, message).is_ok(),
        }
    }

    fn acknowledge(&mut self, token: &AckToken) {
        let acknowledged = match self {
            Self::Client(client) => client.acknowledge(token, ReasonCode::Success),
            Self::Server(server) => server.acknowledge(token, ReasonCode::Success),
        };
        acknowledged.expect("a token of this connection");
    }

    fn session(&self) -> &Session {
        match self {
            Self::Client(client) => client.session(),
            Self::Server(server) => server.session(),
        }
    }

    fn closed(&self) -> Option<Closed> {
        match self {
            Self::Client(client) => client.closed(),
            Self::Server(server) => server.closed(),
        }
    }

    fn into_session(self) -> Session {
        match self {
            Self::Client(client) => client.into_session(),
            Self::Server(server) => server.into_session(),
        }
    }
}

pub(crate) struct Side {
    options: Options,
    machine: Option<Machine>,
    /// Without a connection; none: to be read from the log.
    session: Option<Session>,
    log: Vec<u8>,
    staged: VecDeque<Write>,
    /// What `poll_transmit` gave, with the number of writes that come first.
    out: VecDeque<(usize, Vec<u8>)>,
    /// Writes that were stored.
    stored: usize,
    input: Vec<u8>,
    unacknowledged: Vec<(u32, AckToken)>,
    /// What the application has stored of the peer's messages, and how often; QoS 0 as it was seen.
    pub(crate) taken: BTreeMap<u32, u32>,
    /// What has been accepted for sure.
    pub(crate) accepted: Vec<u32>,
}

impl Side {
    fn new(options: Options) -> Self {
        let mut log = Vec::new();
        Session::new().snapshot(&mut log);
        Self {
            options,
            machine: None,
            session: None,
            log,
            staged: VecDeque::new(),
            out: VecDeque::new(),
            stored: 0,
            input: Vec::new(),
            unacknowledged: Vec::new(),
            taken: BTreeMap::new(),
            accepted: Vec::new(),
        }
    }

    /// Takes all records as one write.
    fn stage(&mut self, taken: Option<u32>) {
        let mut write = Write {
            taken,
            may_be_late: taken.is_none(),
            ..Write::default()
        };
        loop {
            let change = match (&mut self.machine, &mut self.session) {
                // With a machine, too: it waits for CONNECT.
                (_, Some(session)) => session.poll_change(),
                (Some(machine), None) => machine.poll_change(),
                (None, None) => None,
            };
            let Some(change) = change else { break };
            change.encode(&mut write.records);
            write.may_be_late &= change.may_be_late();
            if let Change::Queued { message, .. } = change {
                write
                    .queued
                    .push(u32::from_be_bytes(message.payload().try_into().unwrap()));
            }
        }
        if !write.records.is_empty() || write.taken.is_some() {
            self.staged.push_back(write);
        }
    }

    fn store(&mut self, writes: usize) {
        for write in self.staged.drain(..writes) {
            self.log.extend_from_slice(&write.records);
            self.accepted.extend(write.queued);
            if let Some(number) = write.taken {
                *self.taken.entry(number).or_default() += 1;
            }
            self.stored += 1;
        }
    }

    fn transmit(&mut self, now: Instant, limit: usize) -> bool {
        let mut bytes = Vec::new();
        let Some(machine) = &mut self.machine else {
            return false;
        };
        machine.poll_transmit(now, &mut bytes, limit);
        self.stage(None);
        if bytes.is_empty() {
            return false;
        }
        let due = self.staged.iter().rposition(|write| !write.may_be_late);
        let first = self.stored + due.map_or(0, |index| index + 1);
        self.out.push_back((first, bytes));
        true
    }

    fn receive(&mut self, now: Instant, bytes: usize) -> bool {
        let Some(mut machine) = self.machine.take() else {
            return false;
        };
        let mut input = &self.input[..bytes];
        let event = machine.receive(now, &mut input);
        let taken = bytes - input.len();
        self.input.drain(..taken);
        if let (Machine::Server(server), Some(Event::Connect)) = (&mut machine, &event) {
            let session = self.session.take().filter(Session::is_established);
            let connack = Connack::new(ReasonCode::Success);
            server.accept(now, session, &connack).expect("accept");
        }
        self.machine = Some(machine);
        let busy = event.is_some();
        match event {
            Some(Event::Publish(number, Some(token))) => self.unacknowledged.push((number, token)),
            Some(Event::Publish(number, None)) if number % 3 == 0 => {
                *self.taken.entry(number).or_default() += 1;
            }
            Some(Event::Publish(number, None)) => self.stage(Some(number)),
            _ => {}
        }
        busy
    }

    fn acknowledge(&mut self, index: usize) {
        let (number, token) = self.unacknowledged.remove(index);
        // Records of before are a write of their own.
        self.stage(None);
        if let Some(machine) = &mut self.machine {
            machine.acknowledge(&token);
            self.stage(Some(number));
        }
    }

    /// The transport is gone; the machine is not.
    fn cut(&mut self) {
        if let Some(machine) = self.machine.take() {
            let is_fresh = matches!(&machine, Machine::Server(_)) && self.session.is_some();
            if !is_fresh {
                self.session = Some(machine.into_session());
            }
        }
        self.stage(None);
        self.out.clear();
        self.input.clear();
        self.unacknowledged.clear();
    }

    /// The machine stops: what is left is the store, perhaps with a part of the next write.
    fn stop(&mut self, dice: &mut Dice) {
        let writes = dice.roll(self.staged.len() + 1);
        self.store(writes);
        if let Some(next) = self.staged.front() {
            if next.taken.is_none() && next.queued.is_empty() && !next.records.is_empty() {
                let torn = dice.roll(next.records.len());
                self.log.extend_from_slice(&next.records[..torn]);
            }
        }
        self.staged.clear();
        self.out.clear();
        self.input.clear();
        self.unacknowledged.clear();
        self.machine = None;
        self.session = None;
    }

    /// The session for the next connection.
    fn load(&mut self) -> Session {
        if let Some(session) = self.session.take() {
            return session;
        }
        let session = Session::restore(&self.log).or_else(|error| {
            assert_eq!(error.kind, SnapshotErrorKind::Truncated, "{error}");
            self.log.truncate(error.offset);
            Session::restore(&self.log)
        });
        let session = session.unwrap();
        // It comes back as it was; and identifiers begin anew, as they may: so they are soon used again.
        let mut bytes = snapshot(&session);
        assert_eq!(snapshot(&restored(&bytes)), bytes);
        bytes[14..16].copy_from_slice(&[0, 1]);
        restored(&bytes)
    }

    /// The session, wherever it is now.
    fn held(&self) -> Option<&Session> {
        let of_machine = || self.machine.as_ref().map(Machine::session);
        self.session.as_ref().or_else(of_machine)
    }

    /// The log and what is not stored yet give the session as it is.
    fn check(&mut self) {
        self.stage(None);
        let Some(session) = self.held() else { return };
        let mut log = self.log.clone();
        for write in &self.staged {
            log.extend_from_slice(&write.records);
        }
        assert_eq!(canonical(&restored(&log)), canonical(session));
    }

    fn compact(&mut self) {
        self.stage(None);
        let Some(session) = self.held() else { return };
        let new = snapshot(session);
        self.store(self.staged.len());
        self.log = new;
    }
}

pub(crate) fn snapshot(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    session.snapshot(&mut bytes);
    bytes
}

pub(crate) fn restored(bytes: &[u8]) -> Session {
    Session::restore(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:x?}"))
}

/// A snapshot without the identifier that is tried next, which no record tells.
pub(crate) fn canonical(session: &Session) -> Vec<u8> {
    let mut bytes = snapshot(session);
    bytes[14..16].fill(0);
    bytes
}

pub(crate) struct World {
    version: Version,
    now: Instant,
    /// The client's, the server's.
    pub(crate) sides: [Side; 2],
    published: u32,
    pub(crate) stops: usize,
}

impl World {
    pub(crate) fn new(version: Version, manual: bool, receive_maximum: u16) -> Self {
        let options = Options::new()
            .with_change_records(true)
            .with_manual_acknowledgement(manual)
            .with_receive_maximum(receive_maximum)
            .with_maximum_kept_messages(8);
        Self {
            version,
            now: Instant::from_millis(1_000),
            sides: [Side::new(options.clone()), Side::new(options)],
            published: 0,
            stops: 0,
        }
    }

    /// A new transport.
    fn connect(&mut self) {
        let expiry = [Property::SessionExpiryInterval(3600)];
        let connect = Connect {
            clean_start: false,
            properties: match self.version {
                Version::V5 => Properties::from(&expiry[..]),
                _ => Properties::new(),
            },
            ..Connect::new(self.version, "c")
        };
        let [client, server] = &mut self.sides;
        client.cut();
        server.cut();
        let session = client.load();
        let options = client.options.clone();
        let connection = ClientConnection::new(self.now, &connect, session, options).unwrap();
        client.machine = Some(Machine::Client(Box::new(connection)));
        server.session = Some(server.load());
        let connection = ServerConnection::new(self.now, server.options.clone());
        server.machine = Some(Machine::Server(Box::new(connection)));
    }

    fn is_connected(&self) -> bool {
        self.sides.iter().all(|side| side.machine.is_some())
    }

    /// Messages have their number as the payload; the number modulo 3 is the QoS.
    fn publish(&mut self, side: usize) {
        let qos = QoS::from_u8((self.published % 3) as u8).unwrap();
        let message = Message::new("t", &self.published.to_be_bytes())
            .unwrap()
            .with_qos(qos);
        let is_client = side == 0;
        let side = &mut self.sides[side];
        let is_taken = match (&mut side.machine, &mut side.session) {
            (Some(machine), None) => machine.publish(self.now, message),
            // A server has a session to queue into once the client has begun one.
            (None, Some(session)) if is_client || session.is_established() => {
                session.enqueue(self.now, message, &side.options).is_ok()
            }
            _ => false,
        };
        self.published += u32::from(is_taken);
    }

    /// Moves bytes that may be written from one side to the other.
    fn write(&mut self, from: usize, part: impl FnOnce(usize) -> usize) -> bool {
        let (stored, out) = (self.sides[from].stored, &mut self.sides[from].out);
        let Some((first, bytes)) = out.front_mut() else {
            return false;
        };
        if *first > stored {
            return false;
        }
        let moved: Vec<u8> = bytes.drain(..part(bytes.len())).collect();
        if bytes.is_empty() {
            out.pop_front();
        }
        self.sides[1 - from].input.extend_from_slice(&moved);
        true
    }

    pub(crate) fn step(&mut self, dice: &mut Dice) {
        self.now = Instant::from_millis(self.now.as_millis() + 1);
        let at = dice.roll(2);
        match dice.roll(40) {
            0..=4 => self.publish(at),
            5..=13 => {
                let bytes = dice.part(self.sides[at].input.len());
                while self.sides[at].receive(self.now, bytes.min(self.sides[at].input.len())) {
                    if dice.one_in(3) {
                        break;
                    }
                }
            }
            14..=21 => {
                let limit = 1 + dice.part(200);
                self.sides[at].transmit(self.now, limit);
            }
            22..=26 => {
                let side = &mut self.sides[at];
                side.store(dice.part(side.staged.len()));
            }
            27..=34 => {
                self.write(at, |length| 1 + dice.part(length - 1));
            }
            35 | 36 => {
                let side = &mut self.sides[at];
                if !side.unacknowledged.is_empty() {
                    side.acknowledge(dice.roll(side.unacknowledged.len()));
                }
            }
            37 => self.sides[at].check(),
            38 => self.sides[at].compact(),
            _ => match dice.roll(9) {
                3.. => {}
                0 => self.sides.iter_mut().for_each(Side::cut),
                1 => {
                    self.sides.iter_mut().for_each(|side| side.stop(dice));
                    self.stops += 1;
                }
                _ => {
                    self.sides[1 - at].cut();
                    self.sides[at].stop(dice);
                    self.stops += 1;
                }
            },
        }
        for side in &self.sides {
            let closed = side.machine.as_ref().and_then(Machine::closed);
            assert_eq!(closed, None);
        }
        if !self.is_connected() && dice.one_in(4) {
            self.connect();
        }
    }

    /// The link heals, everything is stored and written, until there is nothing more to do.
    pub(crate) fn settle(&mut self) {
        self.connect();
        loop {
            let mut busy = false;
            for at in 0..2 {
                let side = &mut self.sides[at];
                busy |= side.receive(self.now, side.input.len());
                while !side.unacknowledged.is_empty() {
                    side.acknowledge(0);
                    busy = true;
                }
                busy |= side.transmit(self.now, usize::MAX);
                side.store(side.staged.len());
                busy |= self.write(at, |length| length);
            }
            if !busy {
                break;
            }
        }
        for side in &mut self.sides {
            side.check();
            let session = side.machine.as_ref().unwrap().session();
            assert_eq!((session.queued(), session.in_flight()), (0, 0));
        }
    }
}
