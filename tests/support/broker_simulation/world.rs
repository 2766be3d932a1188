use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sansio_mqtt::*;

use super::Totals;
use super::client::Client;
use super::random::Random;
use super::standing::{Fate, Sealed, Standing, WaitingWill};

/// Bytes on the way that a link takes.
const ROOM: usize = 32 * 1024;

/// Written by one client only, always with the same QoS, so that there is one order.
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) qos: QoS,
    pub(super) owner: usize,
    /// Clients with subscriptions that stand, and how many of those are sure to bring a message of QoS 1 and 2.
    pub(super) standing: BTreeMap<usize, (u32, u32)>,
    /// Messages to be retained, in their order.
    pub(super) retained: Vec<usize>,
}

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(super) enum Outcome {
    Open,
    Acknowledged,
    Lost,
}

pub(super) struct Sent {
    pub(super) publisher: usize,
    pub(super) topic: Option<usize>,
    pub(super) name: String,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) is_clear: bool,
    pub(super) expiry: Option<u32>,
    pub(super) outcome: Outcome,
    /// First and last step at which the broker has taken it, and when that was.
    pub(super) taken: Option<(u64, u64)>,
    /// When it expires: not before the first, not after the second.
    pub(super) expires: Option<(Instant, Instant)>,
    /// Clients, with the number of their session, whose subscriptions stood each time; and whether it is sure to come.
    pub(super) stood: Vec<(usize, u64, bool)>,
    /// Of a will.
    pub(super) fate: Fate,
}

pub(super) struct Link {
    pub(super) client: usize,
    pub(super) version: Version,
    /// The client reads and writes it.
    pub(super) is_held: bool,
    /// The client has left; when the rest has come the transport ends.
    pub(super) ends: bool,
    pub(super) to_broker: Vec<u8>,
    /// Has come, and is not taken.
    pub(super) at_broker: Vec<u8>,
    pub(super) to_client: Vec<u8>,
    pub(super) is_ready: bool,
    /// What is sent now has not been made before.
    pub(super) floor: Instant,
    /// The broker has not taken CONNECT.
    pub(super) connecting: Option<Connecting>,
}

#[derive(Copy, Clone)]
pub(super) struct Connecting {
    pub(super) is_clean: bool,
    pub(super) expiry: u32,
    pub(super) will: Option<WaitingWill>,
}

struct Batch {
    bytes: Vec<u8>,
    is_snapshot: bool,
    number: u64,
    step: u64,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) random: Random,
    pub(super) now: Instant,
    pub(super) step: u64,
    pub(super) broker: Broker,
    options: BrokerOptions,
    stored: Vec<u8>,
    snapshot_len: usize,
    stored_step: u64,
    batches: VecDeque<Batch>,
    pub(super) topics: Vec<Topic>,
    pub(super) owners: Vec<usize>,
    pub(super) messages: Vec<Sent>,
    pub(super) clients: Vec<Client>,
    pub(super) links: BTreeMap<ConnectionId, Link>,
    active: Vec<ConnectionId>,
    pub(super) totals: Totals,
}

macro_rules! fail {
    ($world:expr, $($words:tt)*) => {
        panic!(
            "{} (step {}, SANSIO_MQTT_SEED={})",
            format_args!($($words)*),
            $world.step,
            $world.seed,
        )
    };
}
pub(super) use fail;

fn topics(clients: usize, random: &mut Random) -> Vec<Topic> {
    let count = (clients / 2).clamp(4, 160);
    (0..count)
        .map(|at| Topic {
            name: format!("s{}/k{}/t{at}", at % 4, at % 7),
            qos: random.pick(&[
                QoS::AtMostOnce,
                QoS::AtLeastOnce,
                QoS::AtLeastOnce,
                QoS::ExactlyOnce,
                QoS::ExactlyOnce,
            ]),
            owner: 2 + random.below(clients - 2),
            standing: BTreeMap::new(),
            retained: Vec::new(),
        })
        .collect()
}

fn options(random: &mut Random, seed: u64) -> BrokerOptions {
    let connection = Options::new()
        .with_maximum_kept_messages(1 << 20)
        .with_maximum_kept_bytes(1 << 30)
        .with_receive_maximum(random.pick(&[1, 3, 20, 1000]))
        .with_topic_alias_maximum(random.pick(&[0, 4]))
        .with_automatic_topic_aliases(random.pick(&[0, 3]));
    BrokerOptions::new()
        .with_connection(connection)
        .with_seed(seed)
        .with_records(true)
        .with_drop_events(true)
        .with_session_events(random.once_in(2))
        .with_bridge_events(random.once_in(2))
        .with_maximum_events(random.pick(&[4, 65_536]))
        .with_shared_pick(random.pick(&[
            SharedPick::RoundRobin,
            SharedPick::LeastRecentlyUsed,
            SharedPick::StickyByTopic,
            SharedPick::StickyByPublisher,
            SharedPick::Random,
        ]))
}

/// One history.
pub(crate) fn run(seed: u64) -> Totals {
    let mut random = Random::new(seed);
    let clients = match seed % 50 {
        49 => 1000 + random.below(2000),
        3 | 13 | 23 | 33 | 43 => 200 + random.below(200),
        at if at % 2 == 0 => 4 + random.below(8),
        _ => 20 + random.below(60),
    };
    let steps = (clients * 60).clamp(4_000, 40_000);
    let options = options(&mut random, seed);
    let now = Instant::from_millis(1_000_000);
    let topics = topics(clients, &mut random);
    let owners: BTreeSet<_> = topics.iter().map(|topic| topic.owner).collect();
    let mut world = World {
        seed,
        now,
        step: 1,
        broker: Broker::new(now, options.clone()),
        options,
        stored: Vec::new(),
        snapshot_len: 0,
        stored_step: 0,
        batches: VecDeque::new(),
        topics,
        owners: owners.into_iter().collect(),
        messages: Vec::new(),
        clients: (0..clients)
            .map(|at| Client::new(at, &mut random))
            .collect(),
        links: BTreeMap::new(),
        active: Vec::new(),
        totals: Totals {
            clients: clients as u64,
            ..Totals::default()
        },
        random,
    };
    world.begin();
    for _ in 0..steps {
        world.next_step();
    }
    world.end();
    world.totals
}

impl World {
    fn next_step(&mut self) {
        self.step += 1;
        let clients = self.clients.len();
        let done = match self.random.below(200) {
            0..90 => {
                let at = self.random.below(self.active.len());
                match self.active.get(at) {
                    Some(&id) => self.pump(id, false),
                    None => false,
                }
            }
            90..120 => {
                let client = self.random.below(clients);
                self.client_does(client)
            }
            120..155 => {
                let at = self.random.below(self.owners.len());
                self.client_publishes(self.owners[at]).is_some()
            }
            155..175 => self.take_ready(8 + self.active.len() / 8),
            175..182 => self.take_records(),
            182..188 => self.store_first(),
            _ if self.random.once_in(2_000) => {
                let long = self.random.next() % 100_000;
                self.pass(Duration::from_millis(long));
                true
            }
            _ if self.random.once_in(500) => {
                self.crash();
                true
            }
            _ => {
                let most = 16_000 / clients as u64 + 2;
                let brief = self.random.next() % most;
                self.pass(Duration::from_millis(brief));
                true
            }
        };
        self.totals.events += u64::from(done);
    }

    /// The broker hears of a transport.
    pub(super) fn open_link(&mut self, client: usize, version: Version, connecting: Connecting) {
        let id = self.broker.connected(self.now);
        self.links.insert(
            id,
            Link {
                client,
                version,
                is_held: true,
                ends: false,
                to_broker: Vec::new(),
                at_broker: Vec::new(),
                to_client: Vec::new(),
                is_ready: false,
                floor: self.now,
                connecting: Some(connecting),
            },
        );
        self.active.push(id);
        self.clients[client].link = Some(id);
        self.totals.connections += 1;
    }

    /// Some bytes go on their way on a link, or all.
    pub(super) fn pump(&mut self, id: ConnectionId, is_whole: bool) -> bool {
        let limit = match is_whole {
            true => usize::MAX,
            false => self.random.pick(&[1, 100, 1000, usize::MAX]),
        };
        let mut moved = false;
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        if link.is_held && link.to_broker.len() < ROOM {
            if let Some(connection) = &mut self.clients[link.client].connection {
                moved |= connection.poll_transmit(self.now, &mut link.to_broker, limit) > 0;
            }
        }
        let count = match is_whole {
            true => link.to_broker.len(),
            false => self.random.below(link.to_broker.len() + 1),
        };
        moved |= count > 0;
        link.at_broker.extend(link.to_broker.drain(..count));
        moved |= self.broker_reads(id);
        moved |= self.broker_writes(id, limit);
        let Some(link) = self.links.get_mut(&id) else {
            return moved;
        };
        let count = match is_whole {
            true => link.to_client.len(),
            false => self.random.below(link.to_client.len() + 1),
        };
        if count > 0 || is_whole {
            moved |= count > 0;
            let bytes: Vec<u8> = link.to_client.drain(..count).collect();
            let (is_held, client) = (link.is_held, link.client);
            if is_held {
                self.client_reads(client, &bytes);
            }
        }
        self.close_if_done(id) || moved
    }

    /// The broker takes what has come.
    fn broker_reads(&mut self, id: ConnectionId) -> bool {
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        if link.at_broker.is_empty() {
            return false;
        }
        let bytes = std::mem::take(&mut link.at_broker);
        if self.broker.closed(id).is_some() {
            return true;
        }
        let mut input = &bytes[..];
        if let Some(question) = self.broker.receive(id, self.now, &mut input) {
            fail!(self, "nobody asked for {question:?}");
        }
        let taken = bytes.len() - input.len();
        if let Some(link) = self.links.get_mut(&id) {
            link.at_broker = input.to_vec();
        }
        self.observe(id, &bytes[..taken]);
        if let Some(closed) = self.broker.closed(id) {
            if !matches!(closed.cause, CloseCause::PeerDisconnected(_)) {
                fail!(self, "{} was closed: {:?}", self.links[&id].client, closed);
            }
        }
        taken > 0
    }

    /// What the broker has taken.
    fn observe(&mut self, id: ConnectionId, mut bytes: &[u8]) {
        let (version, client) = (self.links[&id].version, self.links[&id].client);
        let options = DecodeOptions::new().with_sender(Some(Role::Client));
        while let Ok(Some(packet)) = Packet::decode(version, &options, &mut bytes) {
            match packet {
                Packet::Connect(_) => self.broker_accepts(id, client),
                Packet::Disconnect(disconnect) => {
                    let is_normal = disconnect.reason == ReasonCode::Success;
                    self.broker_lost(id, is_normal);
                }
                Packet::Publish(publish) => {
                    if let Some(message) = payload_id(publish.payload) {
                        self.broker_takes(message, publish.message_expiry_interval);
                    }
                }
                _ => {}
            }
        }
        if !bytes.is_empty() {
            fail!(self, "the broker has taken a part of a packet");
        }
    }

    fn broker_takes(&mut self, number: usize, expiry: Option<u32>) {
        let (step, now) = (self.step, self.now);
        let message = &mut self.messages[number];
        let Some(topic) = message.topic else {
            return;
        };
        let clients = &self.clients;
        let is_there = |client: usize| {
            let standing = &clients[client].standing;
            standing.link.is_some() || standing.is_present(now) == Some(true)
        };
        match &mut message.taken {
            Some((_, last)) => {
                *last = step;
                let standing = &self.topics[topic].standing;
                message.stood.retain_mut(|(client, session, is_sure)| {
                    let now = standing.get(client);
                    *is_sure &= now.is_some_and(|(_, sure)| *sure > 0);
                    now.is_some()
                        && clients[*client].session_number == *session
                        && is_there(*client)
                });
            }
            None => {
                message.taken = Some((step, step));
                let standing = self.topics[topic].standing.iter();
                message.stood = standing
                    .filter(|(client, _)| is_there(**client))
                    .map(|(&client, (_, sure))| (client, clients[client].session_number, *sure > 0))
                    .collect();
            }
        }
        // What is left when it is sent again may be more or less.
        if let Some(at) = expiry.map(|seconds| now + Duration::from_secs(seconds.into())) {
            let (first, last) = message.expires.unwrap_or((at, at));
            message.expires = Some((first.min(at), last.max(at)));
        }
    }

    pub(super) fn settle_will(&mut self, sealed: impl IntoIterator<Item = (usize, Fate)>) {
        for (message, fate) in sealed {
            self.messages[message].fate = fate;
        }
    }

    fn broker_accepts(&mut self, id: ConnectionId, client: usize) {
        let (now, step) = (self.now, self.step);
        let Some(connecting) = self
            .links
            .get_mut(&id)
            .and_then(|link| link.connecting.take())
        else {
            return;
        };
        let standing = &mut self.clients[client].standing;
        let mut sealed: Vec<_> = Vec::new();
        if standing.link.is_some() {
            self.totals.takeovers += 1;
            sealed.extend(standing.left(now, step, false));
        }
        let present = match connecting.is_clean {
            true => Some(false),
            false => standing.is_present(now),
        };
        sealed.extend(standing.come_back(now, step, connecting.is_clean));
        let kept = std::mem::take(&mut standing.sealed);
        *standing = Standing {
            exists: true,
            link: Some(id),
            connect_step: step,
            expiry: connecting.expiry,
            will: connecting.will,
            sealed: kept,
            ..Standing::default()
        };
        self.settle_will(sealed);
        if let Some(will) = connecting.will {
            self.messages[will.message].taken = Some((step, u64::MAX));
        }
        self.clients[client].is_present = present;
        match present {
            Some(true) => {}
            Some(false) => self.begin_session(client, true),
            None => self.begin_session(client, false),
        }
    }

    /// The broker sees that a connection has ended.
    pub(super) fn broker_lost(&mut self, id: ConnectionId, is_normal: bool) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let standing = &mut self.clients[link.client].standing;
        if standing.link == Some(id) {
            let sealed: Sealed = standing.left(self.now, self.step, is_normal);
            self.settle_will(sealed);
        }
    }

    /// The broker writes to a link that is ready.
    fn broker_writes(&mut self, id: ConnectionId, limit: usize) -> bool {
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        if !link.is_ready || link.to_client.len() > ROOM {
            return false;
        }
        let mut bytes = Vec::new();
        if self.broker.poll_transmit(id, self.now, &mut bytes, limit) == 0 {
            link.is_ready = false;
            return false;
        }
        let (version, floor) = (link.version, link.floor);
        link.to_client.extend_from_slice(&bytes);
        let options = DecodeOptions::new().with_sender(Some(Role::Server));
        let mut input = &bytes[..];
        loop {
            match Packet::decode(version, &options, &mut input) {
                Ok(Some(Packet::Publish(publish))) => self.check_lifetime(version, floor, &publish),
                Ok(Some(_)) => {}
                Ok(None) if input.is_empty() => return true,
                wrong => fail!(self, "the broker has sent {wrong:?}"),
            }
        }
    }

    /// Nothing is sent for the first time that has expired before the link was there.
    fn check_lifetime(&self, version: Version, floor: Instant, publish: &Publish<'_>) {
        let message = payload_id(publish.payload).map(|number| &self.messages[number]);
        let Some((_, expires)) = message.and_then(|message| message.expires) else {
            return;
        };
        if publish.dup {
            return;
        }
        // What is left may be rounded up, and was perhaps rounded up before.
        let expires = expires + Duration::from_secs(2);
        if floor > expires {
            fail!(self, "{publish:?} has expired");
        }
        let left = publish.message_expiry_interval.map(u64::from);
        let most = expires.saturating_duration_since(floor).as_secs();
        if version == Version::V5 && left.is_none_or(|left| left > most) {
            fail!(self, "{publish:?} lives too long: {most} s are left");
        }
    }

    /// Both sides see the end of a connection that the broker has closed, or the client has left.
    fn close_if_done(&mut self, id: ConnectionId) -> bool {
        let Some(link) = self.links.get(&id) else {
            return false;
        };
        let is_closed = self.broker.closed(id).is_some();
        let is_over = is_closed && !link.is_ready && link.to_client.is_empty();
        let is_left = link.ends && link.to_broker.is_empty() && link.at_broker.is_empty();
        if is_over || is_left {
            self.cut(id);
        }
        is_over || is_left
    }

    /// A transport fails, for both sides.
    pub(super) fn cut(&mut self, id: ConnectionId) {
        let (is_held, client) = match self.links.get(&id) {
            Some(link) => (link.is_held, link.client),
            None => return,
        };
        if is_held {
            self.client_lost(client);
        }
        if self.random.once_in(2) {
            self.broker.receive_eof(id, self.now);
        }
        self.broker.disconnected(id, self.now);
        self.broker_lost(id, false);
        self.links.remove(&id);
        self.active.retain(|one| *one != id);
    }

    /// Any part of what is on the way still comes.
    pub(super) fn cut_anywhere(&mut self, id: ConnectionId) {
        self.pump(id, false);
        self.cut(id);
    }

    pub(super) fn take_ready(&mut self, most: usize) -> bool {
        let mut some = false;
        for _ in 0..most {
            let Some(id) = self.broker.poll_ready() else {
                break;
            };
            some = true;
            if let Some(link) = self.links.get_mut(&id) {
                link.is_ready = true;
            }
        }
        while let Some(event) = self.broker.poll_event() {
            match event {
                BrokerEvent::Dropped {
                    reason: DropReason::Expired,
                    ..
                } => {
                    self.totals.expired += 1;
                }
                BrokerEvent::Dropped { .. } | BrokerEvent::NotRetained { .. } => {
                    fail!(self, "{event:?}")
                }
                _ => {}
            }
        }
        some
    }

    fn take_records(&mut self) -> bool {
        let mut records = Vec::new();
        let number = self.broker.take_records(&mut records);
        if records.is_empty() {
            return false;
        }
        let mut bytes = Vec::new();
        for record in &records {
            record.encode(&mut bytes);
        }
        self.batches.push_back(Batch {
            bytes,
            is_snapshot: false,
            number,
            step: self.step,
        });
        let waiting: usize = self.batches.iter().map(|batch| batch.bytes.len()).sum();
        if self.stored.len() + waiting > 2 * self.snapshot_len + 100_000 || self.random.once_in(500)
        {
            let mut bytes = Vec::new();
            self.broker.snapshot(|record| record.encode(&mut bytes));
            self.snapshot_len = bytes.len();
            self.batches.push_back(Batch {
                bytes,
                is_snapshot: true,
                number,
                step: self.step,
            });
        }
        true
    }

    fn write_first(&mut self) -> Option<u64> {
        let batch = self.batches.pop_front()?;
        if batch.is_snapshot {
            self.stored.clear();
        }
        self.stored.extend_from_slice(&batch.bytes);
        self.stored_step = batch.step;
        Some(batch.number)
    }

    fn store_first(&mut self) -> bool {
        let number = self.write_first();
        if let Some(number) = number {
            self.broker.stored(number);
        }
        number.is_some()
    }

    pub(super) fn store_all(&mut self) -> bool {
        let some = self.take_records();
        while self.store_first() {}
        some
    }

    /// Time passes, at once.
    pub(super) fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.expire();
        for at in 0..self.clients.len() {
            self.client_timeout(at);
        }
    }

    fn expire(&mut self) {
        while self.broker.poll_timeout().is_some_and(|at| at <= self.now) {
            self.broker.handle_timeout(self.now);
        }
        for at in 0..self.active.len() {
            let id = self.active[at];
            if self.broker.closed(id).is_some() {
                self.broker_lost(id, false);
            }
        }
    }

    /// The broker loses all that is not stored, and comes back.
    fn crash(&mut self) {
        self.totals.crashes += 1;
        for _ in 0..self.random.below(self.batches.len() + 1) {
            self.write_first();
        }
        self.batches.clear();
        while let Some(&id) = self.active.last() {
            let Some(mut link) = self.links.remove(&id) else {
                self.active.pop();
                continue;
            };
            self.active.pop();
            if link.is_held {
                let count = self.random.below(link.to_client.len() + 1);
                let bytes: Vec<u8> = link.to_client.drain(..count).collect();
                self.client_reads(link.client, &bytes);
                self.client_lost(link.client);
            }
        }
        let (mut input, mut records) = (&self.stored[..], Vec::new());
        while let Ok(Some(record)) = BrokerRecord::decode(&mut input) {
            records.push(record);
        }
        self.broker = match Broker::restore(self.now, self.options.clone(), records) {
            Ok(broker) => broker,
            Err(error) => fail!(self, "{error}"),
        };
        let (now, step, stored) = (self.now, self.step, self.stored_step);
        for at in 0..self.clients.len() {
            let fates = self.clients[at].standing.crash(now, step, stored);
            self.settle_will(fates);
        }
        self.expire();
    }

    /// Bytes pass until none are left.
    pub(super) fn quiesce(&mut self) {
        loop {
            self.step += 1;
            self.totals.events += 1;
            let mut moved = self.store_all();
            moved |= self.take_ready(usize::MAX);
            for id in self.active.clone() {
                while self.pump(id, true) {
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        for link in self.links.values_mut() {
            link.floor = self.now;
        }
    }
}

/// Which message it is; nothing that clears a topic has a number.
pub(super) fn payload_id(payload: &[u8]) -> Option<usize> {
    let bytes = payload.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

/// Its number, and some more bytes.
pub(super) fn payload_of(number: usize) -> Vec<u8> {
    let short = u32::try_from(number).unwrap_or_default();
    let mut payload = short.to_be_bytes().to_vec();
    payload.resize(4 + number % 23, b'.');
    if number % 97 == 0 {
        payload.resize(700, b'.');
    }
    payload
}
