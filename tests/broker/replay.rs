//! Random calls: the same ones do the same, and a broker that comes back from its records goes on as one that never stopped.

use std::fmt::Write;

use proptest::prelude::*;
use sansio_mqtt::*;

use crate::SECOND;
use crate::limits::{ALL, V31};
use crate::net::message;
use crate::raw::id;

/// A call, by numbers.
pub(crate) type Step = [u8; 4];

const NAMES: [&str; 5] = ["ada", "bob", "eve", "joe", "zoe"];
const TOPICS: [&str; 4] = ["t/0", "t/1", "t/2", "u/0"];
const FILTERS: [&str; 8] = [
    "t/0",
    "t/1",
    "t/+",
    "#",
    "+/0",
    "u/#",
    "$share/g/t/+",
    "$share/h/#",
];

struct Link {
    id: ConnectionId,
    version: Version,
    /// Acknowledges nothing.
    is_lazy: bool,
}

pub(crate) struct World {
    now: Instant,
    broker: Broker,
    options: BrokerOptions,
    links: [Option<Link>; 5],
    /// How many of the filters are used: Shared Subscriptions are the last.
    filters: usize,
    published: u32,
    pub(crate) records: Vec<BrokerRecord>,
    /// Everything that came out: bytes, events, records.
    log: Vec<u8>,
    /// What clients read, for each step.
    heard: Vec<Vec<String>>,
}

impl World {
    pub(crate) fn new(has_records: bool, filters: usize) -> Self {
        let options = BrokerOptions::new()
            .with_seed(7)
            .with_connection(V31)
            .with_records(has_records)
            .with_bridge_events(true)
            .with_session_events(true)
            .with_drop_events(true);
        let now = Instant::from_millis(1_000);
        Self {
            now,
            broker: Broker::new(now, options.clone()),
            options,
            links: Default::default(),
            filters,
            published: 0,
            records: Vec::new(),
            log: Vec::new(),
            heard: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.heard.push(Vec::new());
            self.step(*step);
            self.settle();
        }
    }

    fn step(&mut self, [kind, a, b, c]: Step) {
        let at = usize::from(a) % NAMES.len();
        let name = NAMES[at];
        let is_odd = u32::from(c % 2);
        let (b, c) = (usize::from(b), usize::from(c));
        match kind % 16 {
            0..=2 => self.connect(at, b, c),
            3..=6 => {
                let text = self.next_text();
                let qos = QoS::from_u8((c % 3).try_into().unwrap()).unwrap();
                let packet = Publish {
                    qos,
                    retain: c / 3 % 3 == 0,
                    packet_id: (qos > QoS::AtMostOnce).then(|| id(6 + u16::from(qos.as_u8()))),
                    message_expiry_interval: (c / 9 % 3 == 0).then_some(12),
                    ..Publish::new(TOPICS[b % TOPICS.len()], text.as_bytes())
                };
                let packet = match self.version(at) {
                    Version::V5 => packet,
                    _ => Publish {
                        message_expiry_interval: None,
                        ..packet
                    },
                };
                self.say(at, &packet.into());
            }
            7 | 8 => {
                let filter = FILTERS[b % self.filters];
                let mut options =
                    SubscriptionOptions::new(QoS::from_u8((c % 3).try_into().unwrap()).unwrap());
                let identifier = [Property::SubscriptionIdentifier(1 + is_odd)];
                let mut properties = Properties::new();
                if self.version(at) == Version::V5 {
                    options.no_local = c / 3 % 4 == 0 && !filter.starts_with('$');
                    options.retain_as_published = c / 12 % 2 == 0;
                    options.retain_handling = match c / 24 % 3 {
                        0 => RetainHandling::SendAtSubscribe,
                        1 => RetainHandling::SendIfNew,
                        _ => RetainHandling::DoNotSend,
                    };
                    if c / 72 % 2 == 0 {
                        properties = Properties::from(&identifier);
                    }
                }
                let filters = [Subscription { filter, options }];
                let subscribe = Subscribe {
                    properties,
                    ..Subscribe::new(id(5), &filters[..])
                };
                self.say(at, &subscribe.into());
            }
            9 => {
                let filters = [FILTERS[b % self.filters]];
                self.say(at, &Unsubscribe::new(id(5), &filters[..]).into());
            }
            10 => {
                let reason = match self.version(at) == Version::V5 && b % 2 == 0 {
                    true => ReasonCode::DisconnectWithWillMessage,
                    false => ReasonCode::Success,
                };
                let expiry = [Property::SessionExpiryInterval(5)];
                let properties = match self.version(at) == Version::V5 && b % 3 == 0 {
                    true => Properties::from(&expiry),
                    false => Properties::new(),
                };
                let disconnect = Disconnect { reason, properties };
                self.say(at, &disconnect.into());
            }
            11 => {
                if let Some(link) = self.links[at].take() {
                    self.broker.disconnected(link.id, self.now);
                }
            }
            12 => {
                self.now = self.now + SECOND * [1, 2, 6, 20][b % 4];
                self.tick();
            }
            13 => {
                if let Some(link) = &mut self.links[at] {
                    link.is_lazy = !link.is_lazy;
                }
            }
            14 => {
                let text = self.next_text();
                let qos = QoS::from_u8((c % 3).try_into().unwrap()).unwrap();
                let message = message(TOPICS[b % TOPICS.len()], &text, qos);
                let message = message.with_retain(c / 3 % 2 == 0);
                self.broker.publish(self.now, &message);
            }
            _ => {
                let version = Version::V5;
                let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
                let filter = TopicFilter::new(version, FILTERS[b % self.filters]).unwrap();
                match c % 4 {
                    0 => drop(self.broker.end_session(name, self.now, &disconnect)),
                    1 => drop(self.broker.unsubscribe(name, &filter)),
                    2 => {
                        let mine = |_: &Message, by: Option<&str>| by == Some(name);
                        self.broker.clear_retained(&filter, mine);
                    }
                    _ => {
                        if let Some(link) = &self.links[at] {
                            self.broker.disconnect(link.id, self.now, &disconnect);
                        }
                    }
                }
            }
        }
    }

    fn next_text(&mut self) -> String {
        self.published += 1;
        // Some clear what is retained.
        match self.published % 7 {
            0 => String::new(),
            _ => self.published.to_string(),
        }
    }

    fn version(&self, at: usize) -> Version {
        let link = self.links[at].as_ref();
        link.map_or(Version::V5, |link| link.version)
    }

    fn connect(&mut self, at: usize, b: usize, c: usize) {
        let version = ALL[b % 3];
        if let Some(link) = self.links[at].take_if(|_| b / 3 % 2 == 0) {
            self.broker.disconnected(link.id, self.now);
        }
        let is_v5 = version == Version::V5;
        let expiry = [Property::SessionExpiryInterval([0, 10, u32::MAX][c % 3])];
        let delay = [Property::WillDelayInterval([0, 5, 30][c / 3 % 3])];
        let with = |properties| match is_v5 {
            true => properties,
            false => Properties::new(),
        };
        let topic = format!("u/{at}");
        let connect = Connect {
            clean_start: b / 6 % 3 == 0,
            keep_alive: [0, 30][c / 9 % 2],
            properties: with(Properties::from(&expiry)),
            will: (c / 18 % 2 == 0).then(|| Will {
                topic: &topic,
                payload: b"gone",
                qos: QoS::AtLeastOnce,
                retain: c / 36 % 2 == 0,
                properties: with(Properties::from(&delay)),
            }),
            ..Connect::new(version, NAMES[at])
        };
        let id = self.broker.connected(self.now);
        let older = self.links[at].replace(Link {
            id,
            version,
            is_lazy: false,
        });
        self.say(at, &connect.into());
        if let Some(link) = older {
            self.broker.disconnected(link.id, self.now);
        }
    }

    fn say(&mut self, at: usize, packet: &Packet<'_>) {
        if let Some(link) = &self.links[at] {
            let mut bytes = Vec::new();
            packet.encode(link.version, &mut bytes).unwrap();
            let mut input = &bytes[..];
            let question = self.broker.receive(link.id, self.now, &mut input);
            assert!(question.is_none() && input.is_empty());
        }
    }

    fn tick(&mut self) {
        while self.broker.poll_timeout().is_some_and(|at| at <= self.now) {
            self.broker.handle_timeout(self.now);
        }
    }

    fn store(&mut self) -> bool {
        let before = self.records.len();
        let number = self.broker.take_records(&mut self.records);
        self.broker.stored(number);
        for record in &self.records[before..] {
            record.encode(&mut self.log);
        }
        self.records.len() > before
    }

    /// Until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            let mut moved = self.store();
            while let Some(event) = self.broker.poll_event() {
                write!(StringOf(&mut self.log), "{event:?}").unwrap();
                moved = true;
            }
            for at in 0..self.links.len() {
                moved |= self.exchange(at);
            }
            if !moved {
                return self.check();
            }
        }
    }

    /// What the counters say against what can be seen.
    fn check(&self) {
        let broker = &self.broker;
        let names = || broker.client_ids();
        let all = TopicFilter::new(Version::V5, "#").unwrap();
        let (mut kept, mut bytes) = (0, 0);
        broker.retained(&all, |message, publisher, _| {
            kept += 1;
            bytes += message.topic().len() + message.payload().len();
            bytes += publisher.map_or(0, str::len);
        });
        let is_there = |name: &&str| broker.connection(name).is_some();
        let subscriptions = names().map(|name| broker.subscriptions(name).count());
        let counters = broker.counters();
        let seen = (
            self.links.iter().flatten().count(),
            names().filter(is_there).count(),
            names().count(),
            subscriptions.sum::<usize>(),
            (kept, bytes),
        );
        let counted = (
            counters.connections,
            counters.connected,
            counters.sessions,
            counters.subscriptions,
            (counters.retained_messages, counters.retained_bytes),
        );
        assert_eq!(counted, seen);
    }

    fn exchange(&mut self, at: usize) -> bool {
        let Some(link) = &self.links[at] else {
            return false;
        };
        let (id, version, is_lazy) = (link.id, link.version, link.is_lazy);
        let mut bytes = Vec::new();
        self.broker
            .poll_transmit(id, self.now, &mut bytes, usize::MAX);
        self.log.extend(&bytes);
        let mut replies = Vec::new();
        let (mut input, options) = (&bytes[..], DecodeOptions::new());
        while let Some(packet) = Packet::decode(version, &options, &mut input).unwrap() {
            let reply = match packet {
                Packet::Publish(publish) => match (publish.qos, publish.packet_id) {
                    (QoS::AtLeastOnce, Some(id)) => Some(Packet::Puback(Ack::new(id))),
                    (QoS::ExactlyOnce, Some(id)) => Some(Packet::Pubrec(Ack::new(id))),
                    _ => None,
                },
                Packet::Pubrec(ack) if !ack.reason.is_error() => {
                    Some(Packet::Pubrel(Ack::new(ack.packet_id)))
                }
                Packet::Pubrel(ack) => Some(Packet::Pubcomp(Ack::new(ack.packet_id))),
                _ => None,
            };
            if let Some(reply) = reply.filter(|_| !is_lazy) {
                reply.encode(version, &mut replies).unwrap();
            }
            // Without the identifiers of ours: wills that are due together go round in no order to rely on.
            let text = match packet {
                Packet::Publish(Publish {
                    qos: QoS::AtMostOnce,
                    ..
                }) => continue,
                Packet::Publish(publish) => {
                    let packet_id = None;
                    format!(
                        "{:?}",
                        Publish {
                            packet_id,
                            ..publish
                        }
                    )
                }
                Packet::Pubrel(_) => "Pubrel".to_owned(),
                packet => format!("{packet:?}"),
            };
            let heard = self.heard.last_mut().unwrap();
            heard.push(format!("{} {text}", NAMES[at]));
        }
        let mut input = &replies[..];
        assert!(self.broker.receive(id, self.now, &mut input).is_none());
        if self.broker.is_finished(id) {
            self.broker.disconnected(id, self.now);
            self.links[at] = None;
            return true;
        }
        !bytes.is_empty() || !replies.is_empty()
    }

    /// All transports fail.
    fn cut_all(&mut self) {
        for link in &mut self.links {
            if let Some(link) = link.take() {
                self.broker.disconnected(link.id, self.now);
            }
        }
        self.tick();
        self.store();
    }

    /// The machine fails, and its store has kept these.
    pub(crate) fn restore(&mut self, records: &[BrokerRecord]) -> Result<(), RestoreError> {
        self.links = Default::default();
        let records = through_bytes(records);
        self.broker = Broker::restore(self.now, self.options.clone(), records)?;
        self.tick();
        self.store();
        Ok(())
    }

    /// What was heard in each step, in no order: that of what is retained is none to rely on.
    fn sorted(mut self) -> Vec<Vec<String>> {
        for heard in &mut self.heard {
            heard.sort();
        }
        self.heard
    }
}

fn through_bytes(records: &[BrokerRecord]) -> Vec<BrokerRecord> {
    let mut bytes = Vec::new();
    for record in records {
        record.encode(&mut bytes);
    }
    let (mut input, mut records) = (&bytes[..], Vec::new());
    while let Some(record) = BrokerRecord::decode(&mut input).unwrap() {
        records.push(record);
    }
    records
}

struct StringOf<'a>(&'a mut Vec<u8>);

impl Write for StringOf<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend(text.as_bytes());
        Ok(())
    }
}

pub(crate) fn steps(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), length)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_same_calls_give_the_same_bytes_events_and_records(
        steps in steps(1..200),
        has_records in any::<bool>(),
    ) {
        let run = || {
            let mut world = World::new(has_records, FILTERS.len());
            world.run(&steps);
            (world.log, world.broker.counters())
        };
        let (one, other) = (run(), run());
        prop_assert_eq!(one.1, other.1);
        prop_assert!(one.0 == other.0);
    }

    #[test]
    fn a_broker_from_its_records_goes_on_as_one_that_lost_its_connections(
        steps in steps(2..200),
        snapshot_at in any::<prop::sample::Index>(),
        crash_at in any::<prop::sample::Index>(),
    ) {
        let crash_at = crash_at.index(steps.len());
        let snapshot_at = snapshot_at.index(crash_at + 1);
        let (before, after) = steps.split_at(crash_at);
        let begin = || {
            let mut world = World::new(true, FILTERS.len() - 2);
            world.run(&before[..snapshot_at]);
            let taken = world.records.len();
            let mut snapshot = Vec::new();
            world.broker.snapshot(|record| snapshot.push(record));
            world.run(&before[snapshot_at..]);
            snapshot.extend_from_slice(&world.records[taken..]);
            (world, snapshot)
        };
        let (mut whole, _) = begin();
        whole.cut_all();
        whole.run(after);
        let expected = whole.sorted();
        for is_snapshot in [false, true] {
            let (mut world, snapshot) = begin();
            let records = match is_snapshot {
                true => snapshot,
                false => std::mem::take(&mut world.records),
            };
            world.restore(&records).unwrap();
            world.run(after);
            let heard = world.sorted();
            let differs = heard.iter().zip(&expected).position(|(one, other)| one != other);
            if let Some(at) = differs {
                let (is, was) = (&heard[at], &expected[at]);
                prop_assert_eq!(is, was, "step {}, crash {}, {}", at, crash_at, is_snapshot);
            }
        }
    }
}
