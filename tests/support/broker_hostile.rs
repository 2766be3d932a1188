// Several connections of one broker whose peers are hostile: any bytes and any packets, among calls of the caller, crashes
// and jumps of the time. Nothing panics, what comes out is legal for the version of the peer, every loop of the driver ends,
// the bounds hold, and when all are gone nothing is left.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use sansio_mqtt::*;

use crate::generate;

const LINKS: usize = 5;
const CONNECTIONS: usize = 4;
const SESSIONS: usize = 3;
const SUBSCRIPTIONS: u32 = 6;
const TOPICS: usize = 4;
const TOPIC_BYTES: usize = 200;
const EXPIRY: u32 = 100;
/// More steps than any loop of the driver takes here.
const MANY: usize = 20_000;

const NAMES: [&str; 4] = ["a", "b", "c", ""];
const TOPIC_NAMES: [&str; 6] = ["a", "a/b", "a/b/c", "b", "$d/a", "$SYS/a"];
const FILTERS: [&str; 10] = [
    "a",
    "a/+",
    "a/#",
    "#",
    "+/b",
    "$share/g/a",
    "$share/g/#",
    "$share/h/+/b",
    "$d/#",
    "a/#/b",
];

struct Link {
    id: ConnectionId,
    /// Read, and not taken.
    input: Vec<u8>,
    is_eof: bool,
}

#[derive(Copy, Clone)]
enum Kind {
    Connect,
    Auth,
    Publish,
    Subscribe(usize),
}

struct World {
    now: Instant,
    options: BrokerOptions,
    broker: Broker,
    links: Vec<Link>,
    questions: Vec<(QuestionToken, Kind)>,
    stored: Vec<BrokerRecord>,
    /// Taken, and not stored.
    taken: Vec<BrokerRecord>,
    number: u64,
    is_sys: bool,
    takes_dollar: bool,
}

pub(crate) fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(mut world) = World::begin(&mut u) else {
        return;
    };
    while !u.is_empty() {
        if world.act(&mut u).is_err() {
            break;
        }
        world.check();
    }
    world.end();
}

fn options(u: &mut Unstructured<'_>) -> Result<(BrokerOptions, bool, bool)> {
    let policies = [
        QueuePolicy::Reject,
        QueuePolicy::DropOldest,
        QueuePolicy::DropQos0First,
    ];
    let connection = Options::new()
        .with_maximum_kept_messages(*u.choose(&[0, 3, 100])?)
        .with_maximum_kept_bytes(*u.choose(&[60, 100_000])?)
        .with_receive_maximum(2)
        .with_maximum_packet_size(*u.choose(&[120, 100_000])?)
        .with_maximum_reply_bytes(*u.choose(&[8, 1000])?)
        .with_maximum_open_requests(*u.choose(&[1, 4])?)
        .with_topic_alias_maximum(2)
        .with_automatic_topic_aliases(*u.choose(&[0, 2])?)
        .with_connect_timeout(Duration::from_secs(5))
        .with_answer_invalid_filters(u.arbitrary()?)
        .with_accept_v31(true)
        .with_queue_policy(*u.choose(&policies)?);
    let picks = [
        SharedPick::RoundRobin,
        SharedPick::LeastRecentlyUsed,
        SharedPick::StickyByTopic,
        SharedPick::StickyByPublisher,
        SharedPick::Random,
    ];
    let is_sys = u.ratio(1, 4)?;
    let takes_dollar = u.ratio(1, 4)?;
    let bits: u16 = u.arbitrary()?;
    let bit = |at: u16| bits >> at & 1 == 1;
    // Mostly everything is there.
    let rarely = u.ratio(1, 8)?;
    let options = BrokerOptions::new()
        .with_connection(connection)
        .with_index(
            IndexOptions::new()
                .with_maximum_subscriptions(SUBSCRIPTIONS)
                .with_maximum_levels(30),
        )
        .with_retained(
            RetainedOptions::new()
                .with_maximum_topics(TOPICS)
                .with_maximum_bytes(TOPIC_BYTES),
        )
        .with_seed(7)
        .with_maximum_connections(CONNECTIONS)
        .with_maximum_sessions(SESSIONS)
        .with_maximum_client_subscriptions(3)
        .with_maximum_session_expiry(EXPIRY)
        .with_maximum_keep_alive(20)
        .with_maximum_qos(match rarely && bit(0) {
            true => QoS::AtLeastOnce,
            false => QoS::ExactlyOnce,
        })
        .with_retain_available(!(rarely && bit(1)))
        .with_wildcard_subscriptions(!(rarely && bit(2)))
        .with_shared_subscriptions(!(rarely && bit(3)))
        .with_subscription_identifiers(!(rarely && bit(4)))
        .with_overlap(match bit(5) {
            true => Overlap::OneCopy,
            false => Overlap::CopyPerSubscription,
        })
        .with_shared_pick(*u.choose(&picks)?)
        .with_slow_consumer(match bit(6) {
            true => SlowConsumer::Disconnect,
            false => SlowConsumer::Drop,
        })
        .with_dollar_topics(takes_dollar)
        .with_sys_interval(is_sys.then(|| Duration::from_secs(10)))
        .with_ask_connect(bit(7) && bit(8))
        .with_ask_publish(bit(9) && bit(10))
        .with_ask_subscribe(bit(11) && bit(8))
        .with_answer_timeout(Duration::from_secs(5))
        .with_drop_events(bit(12))
        .with_session_events(bit(13))
        .with_bridge_events(bit(14))
        .with_maximum_events(*u.choose(&[1, 4, 10_000])?)
        .with_records(bit(15));
    Ok((options, is_sys, takes_dollar))
}

impl World {
    fn begin(u: &mut Unstructured<'_>) -> Result<Self> {
        let (options, is_sys, takes_dollar) = options(u)?;
        let now = Instant::from_millis(1_000_000);
        Ok(Self {
            now,
            broker: Broker::new(now, options.clone()),
            options,
            links: Vec::new(),
            questions: Vec::new(),
            stored: Vec::new(),
            taken: Vec::new(),
            number: 0,
            is_sys,
            takes_dollar,
        })
    }

    fn act(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=31)? {
            0..=2 => {
                if self.links.len() < LINKS {
                    self.links.push(Link {
                        id: self.broker.connected(self.now),
                        input: Vec::new(),
                        is_eof: false,
                    });
                }
            }
            3 => {
                let bytes = u.arbitrary::<&[u8]>()?;
                let bytes = bytes[..bytes.len().min(60)].to_vec();
                if let Some(at) = self.some_link(u)? {
                    self.input(at, &bytes);
                }
            }
            4..=15 => {
                let Some(at) = self.some_link(u)? else {
                    return Ok(());
                };
                let id = self.links[at].id;
                let known = self.broker.client_id(id).and(self.broker.version(id));
                let mut bytes = Vec::new();
                packet(u, known, &mut bytes)?;
                match u.int_in_range(0..=20)? {
                    0 => bytes.truncate(bytes.len() / 2),
                    1 => {
                        let (place, byte): (usize, u8) = u.arbitrary()?;
                        let len = bytes.len().max(1);
                        if let Some(one) = bytes.get_mut(place % len) {
                            *one = byte;
                        }
                    }
                    _ => {}
                }
                self.input(at, &bytes);
            }
            16 => {
                if let Some(at) = self.some_link(u)? {
                    self.links[at].is_eof = true;
                    self.broker.receive_eof(self.links[at].id, self.now);
                }
            }
            17 => {
                if let Some(at) = self.some_link(u)? {
                    let link = self.links.swap_remove(at);
                    self.broker.disconnected(link.id, self.now);
                    assert_eq!(self.broker.closed(link.id), None);
                    // Calls about one that is gone do nothing.
                    self.broker.disconnected(link.id, self.now);
                    assert!(
                        self.broker
                            .receive(link.id, self.now, &mut &b"x"[..])
                            .is_none()
                    );
                }
            }
            18..=20 => {
                let millis = *u.choose(&[0, 1, 999, 5_000, 10_000, 31_000, 120_000])?;
                self.pass(Duration::from_millis(millis));
            }
            21 => self.answer(u)?,
            22..=24 => {
                let limit = *u.choose(&[0, 1, 40, usize::MAX])?;
                self.transmit(limit);
            }
            25 => {
                self.take();
            }
            26 => {
                self.store();
            }
            27 => while self.broker.poll_event().is_some() {},
            28 if u.ratio(1, 4)? => self.crash(u)?,
            _ => self.administer(u)?,
        }
        Ok(())
    }

    fn some_link(&self, u: &mut Unstructured<'_>) -> Result<Option<usize>> {
        match self.links.len() {
            0 => Ok(None),
            count => Ok(Some(u.int_in_range(0..=count - 1)?)),
        }
    }

    /// Bytes come on some link, and are offered with what was left.
    fn input(&mut self, at: usize, bytes: &[u8]) {
        if !self.links[at].is_eof {
            self.links[at].input.extend_from_slice(bytes);
        }
        let link = &mut self.links[at];
        let input = std::mem::take(&mut link.input);
        let mut rest = &input[..];
        for round in 0.. {
            assert!(round < MANY);
            let Some(question) = self.broker.receive(link.id, self.now, &mut rest) else {
                break;
            };
            self.questions.push(match question {
                Question::Connect { token, .. } => (token, Kind::Connect),
                Question::Auth { token, .. } => (token, Kind::Auth),
                Question::Publish { token, .. } => (token, Kind::Publish),
                Question::Subscribe { token, subscribe } => {
                    (token, Kind::Subscribe(subscribe.subscriptions.len()))
                }
                _ => continue,
            });
            assert!(!self.broker.wants_input(link.id));
        }
        if self.broker.closed(link.id).is_some() {
            // All is discarded.
            self.broker.receive(link.id, self.now, &mut rest);
            assert!(rest.is_empty());
        }
        link.input = rest.to_vec();
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
        for round in 0.. {
            assert!(round < MANY, "time does not pass");
            if self.broker.poll_timeout().is_none_or(|at| at > self.now) {
                break;
            }
            self.broker.handle_timeout(self.now);
        }
    }

    fn answer(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let count = self.questions.len();
        if count == 0 {
            return Ok(());
        }
        let at = u.int_in_range(0..=count - 1)?;
        let (token, mut kind) = self.questions.swap_remove(at);
        if u.ratio(1, 16)? {
            kind = *u.choose(&[Kind::Connect, Kind::Auth, Kind::Publish, Kind::Subscribe(1)])?;
        }
        let now = self.now;
        let id = token.connection();
        let broker = &mut self.broker;
        let done = match kind {
            Kind::Connect | Kind::Auth => match u.int_in_range(0..=7)? {
                0 => {
                    let reason = *u.choose(&[
                        ReasonCode::NotAuthorized,
                        ReasonCode::ServerMoved,
                        ReasonCode::Success,
                    ])?;
                    broker.refuse(token, now, &Connack::new(reason))
                }
                1..=2 => {
                    let method = [Property::AuthenticationMethod("M")];
                    let reason = *u.choose(&[
                        ReasonCode::ContinueAuthentication,
                        ReasonCode::Success,
                        ReasonCode::NotAuthorized,
                    ])?;
                    let auth = Auth::new(reason, &method[..]);
                    broker.authenticate(token, now, &auth)
                }
                _ => {
                    let method = [Property::AuthenticationMethod("M")];
                    let few = Options::new()
                        .with_maximum_kept_messages(1)
                        .with_receive_maximum(1);
                    let admission = Admission {
                        client_id: match u.ratio(1, 4)? {
                            true => Some(*u.choose(&NAMES)?),
                            false => None,
                        },
                        properties: match u.ratio(1, 4)? {
                            true => Properties::from(&method[..]),
                            false => Properties::EMPTY,
                        },
                        options: u.ratio(1, 4)?.then_some(few),
                    };
                    broker.accept(token, now, &admission)
                }
            },
            Kind::Publish => {
                let other = Message::new("b", b"other").expect("valid");
                let verdict = match u.int_in_range(0..=7)? {
                    0 => Verdict::Deny(ReasonCode::NotAuthorized),
                    1 => Verdict::Deny(ReasonCode::Success),
                    2 => Verdict::Drop,
                    3 => Verdict::Rewrite(other.with_retain(true)),
                    _ => Verdict::Allow,
                };
                broker.answer_publish(token, now, verdict)
            }
            Kind::Subscribe(filters) => {
                let code = *u.choose(&[
                    ReasonCode::GrantedQos2,
                    ReasonCode::GrantedQos1,
                    ReasonCode::NotAuthorized,
                    ReasonCode::NoMatchingSubscribers,
                ])?;
                let filters = filters + usize::from(u.ratio(1, 16)?);
                broker.answer_subscribe(token, now, &vec![code; filters])
            }
        };
        if let Err(error) = done {
            if let Some(token) = error.token {
                assert!(self.broker.closed(id).is_none());
                self.questions.push((token, kind));
            }
        }
        Ok(())
    }

    /// Everybody who is ready gets some.
    fn transmit(&mut self, limit: usize) {
        let mut rounds = 0;
        while let Some(id) = self.broker.poll_ready() {
            let version = self.broker.version(id).expect("a connection");
            let mut out = Vec::new();
            while self.broker.poll_transmit(id, self.now, &mut out, limit) > 0 {
                rounds += 1;
                assert!(rounds < MANY, "there is always more to send");
            }
            let options = DecodeOptions::new().with_sender(Some(Role::Server));
            let mut input = &out[..];
            while let Some(packet) =
                Packet::decode(version, &options, &mut input).expect("it is legal")
            {
                assert!(!matches!(packet, Packet::Connect(_)));
            }
            assert!(input.is_empty(), "a part of a packet");
            rounds += 1;
            assert!(rounds < MANY, "somebody is always ready");
        }
    }

    fn take(&mut self) -> bool {
        let before = self.taken.len();
        self.number = self.broker.take_records(&mut self.taken);
        self.taken.len() > before
    }

    fn store(&mut self) {
        self.stored.append(&mut self.taken);
        self.broker.stored(self.number);
    }

    /// What is not stored is lost, or in part.
    fn crash(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        if u.arbitrary()? {
            self.take();
            self.store();
        }
        if u.arbitrary()? {
            self.take();
            self.stored.clear();
            self.taken.clear();
            let stored = &mut self.stored;
            self.broker.snapshot(|record| stored.push(record));
        }
        let mut bytes = Vec::new();
        for record in &self.stored {
            record.encode(&mut bytes);
        }
        let (mut input, mut records) = (&bytes[..], Vec::new());
        while let Some(record) = BrokerRecord::decode(&mut input).expect("as it was written") {
            records.push(record);
        }
        assert_eq!(records.len(), self.stored.len());
        self.taken.clear();
        self.questions.clear();
        self.links.clear();
        self.number = 0;
        if !self.options.records() {
            self.broker = Broker::new(self.now, self.options.clone());
            return Ok(());
        }
        let restored = Broker::restore(self.now, self.options.clone(), records);
        self.broker = restored.expect("records of a broker");
        self.pass(Duration::ZERO);
        Ok(())
    }

    fn administer(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let now = self.now;
        let name = *u.choose(&NAMES)?;
        let reasons = [
            ReasonCode::AdministrativeAction,
            ReasonCode::UseAnotherServer,
            ReasonCode::Success,
        ];
        let disconnect = Disconnect::new(*u.choose(&reasons)?);
        let filter = TopicFilter::new(Version::V5, *u.choose(&FILTERS)?);
        match u.int_in_range(0..=24)? {
            21..=22 => {
                let topic = *u.choose(&TOPIC_NAMES)?;
                let count = self
                    .broker
                    .discard_queued(name, |message| message.topic() == topic);
                assert!(count == 0 || self.broker.session(name).is_some());
                let again = self
                    .broker
                    .discard_queued(name, |message| message.topic() == topic);
                assert_eq!(again, 0);
            }
            23 => {
                self.broker.discard_will(name);
                assert!(self.broker.discard_will(name).is_none());
            }
            0..=8 => {
                let payload = *u.choose(&["", "x", "a longer payload that takes more room"])?;
                let message = Message::new(u.choose(&TOPIC_NAMES)?, payload.as_bytes());
                let message = message.expect("valid");
                let message = message
                    .with_qos(u.arbitrary::<u8>().map(qos)?)
                    .with_retain(u.arbitrary()?)
                    .with_message_expiry_interval(*u.choose(&[None, Some(0), Some(9)])?);
                self.broker.publish(now, &message);
            }
            9..=11 => {
                if let Ok(filter) = &filter {
                    self.broker.unsubscribe(name, filter);
                }
            }
            12..=13 => {
                self.broker.end_session(name, now, &disconnect);
                assert!(self.broker.session(name).is_none());
            }
            14..=15 => {
                if let Some(at) = self.some_link(u)? {
                    self.broker.disconnect(self.links[at].id, now, &disconnect);
                }
            }
            16..=17 => {
                if let Ok(filter) = &filter {
                    let takes_all: bool = u.arbitrary()?;
                    self.broker
                        .clear_retained(filter, |_, publisher| takes_all || publisher.is_none());
                }
            }
            18 if u.ratio(1, 16)? => self.broker.shut_down(now, &disconnect),
            _ => {
                if let Some(id) = self.broker.connection(name) {
                    assert_eq!(self.broker.client_id(id).map(|id| &**id), Some(name));
                }
                assert!(self.broker.subscriptions(name).count() <= 3);
            }
        }
        Ok(())
    }

    fn check(&self) {
        let counters = self.broker.counters();
        assert_eq!(counters.connections, self.links.len());
        assert!(counters.connected <= counters.connections.min(CONNECTIONS));
        assert!(counters.connected <= counters.sessions);
        assert!(counters.sessions <= SESSIONS);
        assert_eq!(counters.sessions, self.broker.client_ids().count());
        assert!(counters.subscriptions <= SUBSCRIPTIONS as usize);
        let all = self.broker.client_ids();
        let subscriptions = all.map(|name| self.broker.subscriptions(name).count());
        assert_eq!(counters.subscriptions, subscriptions.sum::<usize>());
        assert!(counters.retained_messages <= TOPICS);
        assert!(counters.retained_bytes <= TOPIC_BYTES);
        let all = self.broker.client_ids();
        let connected = all.filter(|name| self.broker.connection(name).is_some());
        assert_eq!(counters.connected, connected.count());
    }

    /// All are gone, and so is what they had.
    fn end(&mut self) {
        self.transmit(usize::MAX);
        for link in std::mem::take(&mut self.links) {
            self.broker.disconnected(link.id, self.now);
        }
        self.check();
        self.pass(Duration::from_secs(u64::from(EXPIRY) + 1));
        self.check();
        for filter in ["#", "$d/#", "$SYS/#"] {
            let filter = TopicFilter::new(Version::V5, filter).expect("valid");
            self.broker.clear_retained(&filter, |_, _| true);
        }
        let counters = self.broker.counters();
        assert_eq!(counters.connections, 0);
        assert_eq!(counters.connected, 0);
        assert_eq!(counters.sessions, 0);
        assert_eq!(counters.subscriptions, 0);
        assert_eq!(self.broker.poll_ready(), None);
        if self.is_sys || self.takes_dollar {
            return;
        }
        assert_eq!(counters.retained_messages, 0);
        assert_eq!(counters.retained_bytes, 0);
        assert_eq!(self.broker.poll_timeout(), None);
        self.take();
        self.broker.snapshot(|record| panic!("{record:?} is left"));
    }
}

fn qos(byte: u8) -> QoS {
    QoS::from_u8(byte % 3).unwrap_or_default()
}

/// A packet such as a client may send, or any. One whose version is known has been accepted, and seldom sends CONNECT.
fn packet(u: &mut Unstructured<'_>, known: Option<Version>, out: &mut Vec<u8>) -> Result<()> {
    let version = match known {
        Some(version) => version,
        None => *u.choose(&[Version::V5, Version::V5, Version::V311, Version::V31])?,
    };
    let kind = match (known, u.int_in_range(0..=15)?) {
        (Some(_), kind @ 1..=3) => kind + 3,
        (None, kind @ 4..=12) => kind % 4,
        (_, kind) => kind,
    };
    let id = PacketId::new(u16::from(u.int_in_range(1..=4_u8)?)).expect("not 0");
    // What cannot be said in a version is not sent.
    let _ = match kind {
        0..=3 => connect(u, version, out)?,
        4..=7 => {
            let qos = qos(u.arbitrary()?);
            let is_v5 = version == Version::V5;
            let alias = *u.choose(&[None, None, Some(1), Some(3)])?;
            Publish {
                dup: qos > QoS::AtMostOnce && u.ratio(1, 4)?,
                qos,
                retain: u.arbitrary()?,
                packet_id: (qos > QoS::AtMostOnce).then_some(id),
                topic_alias: alias.filter(|_| is_v5),
                message_expiry_interval: (*u.choose(&[None, Some(0), Some(7)])?).filter(|_| is_v5),
                ..Publish::new(
                    u.choose(&TOPIC_NAMES)?,
                    u.choose(&[&b""[..], b"x", b"some bytes of payload, not so few"])?,
                )
            }
            .encode(version, out)
        }
        8..=9 => {
            let options = SubscriptionOptions {
                qos: qos(u.arbitrary()?),
                no_local: version == Version::V5 && u.ratio(1, 8)?,
                retain_as_published: version == Version::V5 && u.arbitrary()?,
                retain_handling: match version {
                    Version::V5 => {
                        RetainHandling::from_u8(u.arbitrary::<u8>()? % 3).unwrap_or_default()
                    }
                    _ => RetainHandling::default(),
                },
            };
            let list = [
                Subscription {
                    filter: u.choose(&FILTERS)?,
                    options,
                },
                Subscription {
                    filter: u.choose(&FILTERS)?,
                    options,
                },
            ];
            let identifier = [Property::SubscriptionIdentifier(5)];
            let has_identifier = version == Version::V5 && u.arbitrary()?;
            let count = 1 + usize::from(u.arbitrary::<bool>()?);
            Subscribe {
                properties: match has_identifier {
                    true => Properties::from(&identifier[..]),
                    false => Properties::EMPTY,
                },
                ..Subscribe::new(id, &list[..count])
            }
            .encode(version, out)
        }
        10 => {
            let filters = [*u.choose(&FILTERS)?];
            Unsubscribe::new(id, &filters[..]).encode(version, out)
        }
        11..=13 => {
            let ack = Ack::new(id);
            let packet = match u.int_in_range(0..=3)? {
                0 => Packet::Puback(ack),
                1 => Packet::Pubrec(ack),
                2 => Packet::Pubrel(ack),
                _ => Packet::Pubcomp(ack),
            };
            packet.encode(version, out)
        }
        14 => {
            let expiry = [Property::SessionExpiryInterval(*u.choose(&[0, 9])?)];
            let method = [Property::AuthenticationMethod("M")];
            let packet = match u.int_in_range(0..=3)? {
                0 => Packet::Pingreq,
                1 => Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
                2 => Packet::Disconnect(Disconnect {
                    properties: Properties::from(&expiry[..]),
                    ..Disconnect::new(ReasonCode::DisconnectWithWillMessage)
                }),
                _ => {
                    let reason = *u.choose(&[
                        ReasonCode::ContinueAuthentication,
                        ReasonCode::ReAuthenticate,
                    ])?;
                    Packet::Auth(Auth::new(reason, &method[..]))
                }
            };
            packet.encode(version, out)
        }
        _ => {
            let data = u.arbitrary::<&[u8]>()?;
            generate::with_packet(data, |version, packet| packet.encode(version, out))
                .unwrap_or(Ok(()))
        }
    };
    Ok(())
}

fn connect(
    u: &mut Unstructured<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<std::result::Result<(), EncodeError>> {
    let delay = [Property::WillDelayInterval(*u.choose(&[0, 3, 50])?)];
    let list = [
        Property::SessionExpiryInterval(*u.choose(&[0, 9, 50, u32::MAX])?),
        Property::ReceiveMaximum(*u.choose(&[1, 2, 100])?),
        Property::MaximumPacketSize(*u.choose(&[10, 30, 10_000])?),
        Property::TopicAliasMaximum(*u.choose(&[0, 1])?),
        Property::AuthenticationMethod("M"),
    ];
    let count = *u.choose(&[0, 1, 2, 2, 4, 5])?;
    let is_v5 = version == Version::V5;
    let connect = Connect {
        clean_start: u.arbitrary()?,
        keep_alive: *u.choose(&[0, 1, 10, 60])?,
        will: match u.ratio(1, 3)? {
            true => Some(Will {
                qos: qos(u.arbitrary()?),
                retain: u.arbitrary()?,
                properties: match is_v5 {
                    true => Properties::from(&delay[..]),
                    false => Properties::EMPTY,
                },
                ..Will::new(u.choose(&TOPIC_NAMES)?, b"will")
            }),
            false => None,
        },
        properties: match is_v5 {
            true => Properties::from(&list[..count]),
            false => Properties::EMPTY,
        },
        ..Connect::new(version, u.choose(&NAMES)?)
    };
    Ok(connect.encode(out))
}
