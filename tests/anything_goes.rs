//! Every public call of both connections in any order, with whole, changed and random bytes on the
//! wires, clocks that jump, and sessions that go from one connection to the next in either role.
//! Whatever happens, what comes out is legal for the peer that it goes to.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sansio_mqtt::*;

#[derive(Clone, Debug)]
enum Op {
    Connect {
        client: u8,
        server: u8,
        clean: bool,
        swap: bool,
    },
    Receive {
        client: bool,
        bytes: usize,
        once: bool,
    },
    Transmit {
        client: bool,
        limit: usize,
    },
    Rounds(u8),
    Clock(i64),
    Timeout(bool),
    Publish {
        client: bool,
        qos: u8,
        size: usize,
        retain: bool,
        expiry: Option<u32>,
        ids: bool,
        streamed: bool,
    },
    Supply {
        client: bool,
        bytes: usize,
    },
    Discard {
        client: bool,
        index: usize,
    },
    Subscribe {
        filter: u8,
        unsubscribe: bool,
    },
    Reply {
        index: usize,
        wrong: bool,
    },
    Acknowledge {
        client: bool,
        index: usize,
        reason: u8,
    },
    Auth {
        client: bool,
        reason: u8,
    },
    Disconnect {
        client: bool,
        reason: u8,
        expiry: Option<u32>,
    },
    Accept {
        resume: bool,
        properties: u8,
    },
    Refuse(u8),
    Eof(bool),
    Enqueue {
        client: bool,
        qos: u8,
    },
    Raw {
        client: bool,
        bytes: Vec<u8>,
    },
    Inject {
        client: bool,
        kind: u8,
        id: u16,
        qos: u8,
    },
    Flip {
        client: bool,
        at: usize,
        xor: u8,
    },
    Lose {
        client: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let side = any::<bool>;
    prop_oneof![
        2 => (any::<u8>(), any::<u8>(), side(), any::<u8>()).prop_map(|(client, server, clean, swap)| {
            Op::Connect { client, server, clean, swap: swap < 16 }
        }),
        6 => (side(), 0usize..80, side()).prop_map(|(client, bytes, once)| Op::Receive { client, bytes, once }),
        6 => (side(), prop_oneof![0usize..20, 0usize..60, Just(usize::MAX)]).prop_map(|(client, limit)| Op::Transmit { client, limit }),
        8 => (1u8..5).prop_map(Op::Rounds),
        2 => prop_oneof![-5_000i64..20_000, Just(i64::MAX), Just(i64::MIN)].prop_map(Op::Clock),
        2 => side().prop_map(Op::Timeout),
        8 => (side(), 0u8..3, 0usize..50, any::<u8>(), prop::option::of(0u32..4), any::<u8>()).prop_map(
            |(client, qos, size, retain, expiry, ids)| Op::Publish {
                client, qos, size, retain: retain < 30, expiry, ids: ids < 30, streamed: ids & 3 == 3 }),
        4 => (side(), 0usize..30).prop_map(|(client, bytes)| Op::Supply { client, bytes }),
        1 => (side(), any::<usize>()).prop_map(|(client, index)| Op::Discard { client, index }),
        3 => (any::<u8>(), side()).prop_map(|(filter, unsubscribe)| Op::Subscribe { filter, unsubscribe }),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(index, wrong)| Op::Reply { index, wrong: wrong < 30 }),
        5 => (side(), any::<usize>(), any::<u8>()).prop_map(|(client, index, reason)| Op::Acknowledge { client, index, reason }),
        1 => (side(), any::<u8>()).prop_map(|(client, reason)| Op::Auth { client, reason }),
        1 => (side(), any::<u8>(), prop::option::of(0u32..3)).prop_map(|(client, reason, expiry)| Op::Disconnect { client, reason, expiry }),
        5 => (side(), any::<u8>()).prop_map(|(resume, properties)| Op::Accept { resume, properties }),
        1 => any::<u8>().prop_map(Op::Refuse),
        1 => side().prop_map(Op::Eof),
        1 => (side(), 0u8..3).prop_map(|(client, qos)| Op::Enqueue { client, qos }),
        1 => (side(), vec(any::<u8>(), 0..20)).prop_map(|(client, bytes)| Op::Raw { client, bytes }),
        4 => (side(), any::<u8>(), 1u16..6, 0u8..3).prop_map(|(client, kind, id, qos)| Op::Inject { client, kind, id, qos }),
        1 => (side(), any::<usize>(), 1u8..).prop_map(|(client, at, xor)| Op::Flip { client, at, xor }),
        1 => side().prop_map(|client| Op::Lose { client }),
    ]
}

/// Options and properties from a few bits; every bound small enough to be met.
fn options(bits: u8) -> Options {
    Options::new()
        .with_receive_maximum(1 + u16::from(bits & 3))
        .with_manual_acknowledgement(bits & 4 != 0)
        .with_topic_alias_maximum(u16::from(bits >> 3 & 1) * 2)
        .with_automatic_topic_aliases(u16::from(bits >> 4 & 1) * 2)
        .with_maximum_packet_size([MAXIMUM_PACKET_SIZE, 40, 6, 3][usize::from(bits >> 5 & 3)])
        .with_maximum_reply_bytes(if bits >> 7 == 1 { 0 } else { 60 })
        .with_maximum_open_requests(2)
        .with_maximum_kept_messages(12)
        .with_answer_invalid_filters(bits & 1 != 0)
        .with_connect_timeout(Duration::from_secs(9))
        .with_ping_timeout(Duration::from_secs(2))
        .with_whole_publish_limit(if bits.count_ones() % 2 == 1 {
            20
        } else {
            MAXIMUM_PACKET_SIZE
        })
        .with_maximum_publish_head(40)
}

/// What one connection has put on the wire, watched packet by packet.
#[derive(Default)]
struct Watch {
    client: bool,
    types: Vec<PacketType>,
    /// What the peer announced in the CONNECT or CONNACK that was taken.
    maximum: Option<u32>,
    receive_maximum: Option<u16>,
    opened: bool,
    /// Ids of ours without an answer, sent on this connection.
    open: HashSet<u16>,
    /// QoS 1 and 2 messages given to the application, in order, whose answer is not out.
    unanswered: VecDeque<(u16, bool)>,
    /// A message that comes in pieces: its answer, and the bytes that are missing.
    arriving: Option<(Option<(u16, bool)>, u32)>,
    /// What has gone out of a packet whose payload is supplied.
    departing: Vec<u8>,
    closed: Option<Closed>,
}

impl Watch {
    fn packet(&mut self, packet: &Packet<'_>, size: usize, log: &mut Log) {
        let kind = packet.packet_type();
        let what = format!("{packet} after {:?}", self.types);
        assert!(
            !self.types.contains(&PacketType::Disconnect),
            "behind DISCONNECT: {what}"
        );
        if self.client {
            assert_eq!(self.types.is_empty(), kind == PacketType::Connect, "{what}");
            if !self.opened && !self.types.is_empty() {
                assert!(
                    matches!(kind, PacketType::Auth | PacketType::Disconnect),
                    "{what}"
                );
            }
        } else if !self.types.contains(&PacketType::Connack) {
            assert!(
                matches!(kind, PacketType::Auth | PacketType::Connack),
                "{what}"
            );
        } else {
            assert_ne!(kind, PacketType::Connack, "{what}");
        }
        if let Some(maximum) = self.maximum {
            assert!(size <= maximum as usize, "{size} of {maximum}: {what}");
        }
        self.types.push(kind);
        match packet {
            Packet::Publish(publish) => {
                let Some(id) = publish.packet_id else { return };
                let text = String::from_utf8_lossy(publish.payload).into_owned();
                let again = log.sent.get(&text).copied();
                assert_eq!(publish.dup, again.is_some(), "{what}");
                if let Some(again) = again {
                    assert_eq!(again, id.get(), "sent again under another id: {what}");
                } else {
                    assert!(
                        !log.sent.values().any(|&used| used == id.get()),
                        "in use: {what}"
                    );
                }
                log.sent.insert(text, id.get());
                assert!(self.open.insert(id.get()), "in use: {what}");
                let publishes = self.open.len() - log.requests.len();
                let maximum = usize::from(self.receive_maximum.unwrap_or(u16::MAX));
                assert!(publishes <= maximum, "{publishes} of {maximum}: {what}");
            }
            Packet::Subscribe(Subscribe { packet_id, .. })
            | Packet::Unsubscribe(Unsubscribe { packet_id, .. }) => {
                let id = packet_id.get();
                assert!(!log.sent.values().any(|&used| used == id), "in use: {what}");
                assert!(self.open.insert(id), "in use: {what}");
                log.requests.insert(id);
            }
            Packet::Puback(ack) | Packet::Pubrec(ack) => {
                let answered = (ack.packet_id.get(), kind == PacketType::Pubrec);
                if self.unanswered.front() == Some(&answered) {
                    self.unanswered.pop_front();
                } else {
                    // Only a QoS 2 message that came again is answered out of turn.
                    assert_eq!(kind, PacketType::Pubrec, "{what}: {:?}", self.unanswered);
                }
            }
            _ => {}
        }
    }

    fn closed(&mut self, closed: Option<Closed>) {
        if self.closed.is_some() {
            assert_eq!(self.closed, closed, "the end changed");
        }
        self.closed = closed;
    }
}

/// What one session has in flight as far as the wire tells; by text, since each is unique.
#[derive(Default)]
struct Log {
    sent: HashMap<String, u16>,
    /// Dropped after it was sent: at QoS 2 the exchange goes on without its message.
    abandoned: HashSet<u16>,
    texts: HashMap<PublishHandle, String>,
    /// Payloads that are supplied when they are wanted.
    files: HashMap<PublishHandle, String>,
    requests: HashSet<u16>,
}

impl Log {
    fn settled(&mut self, handle: PublishHandle) {
        let text = self.texts.remove(&handle).expect("a handle that was given");
        self.sent.remove(&text);
    }

    fn dropped(&mut self, dropped: &Dropped) {
        let text = self
            .texts
            .get(&dropped.handle)
            .expect("a handle that was given");
        if let (Some(&id), true) = (
            self.sent.get(text),
            dropped.reason != DropReason::SessionLost,
        ) {
            self.abandoned.insert(id);
        }
        self.settled(dropped.handle);
    }
}

macro_rules! for_side {
    ($world:ident, $client:expr, |$connection:ident| $body:expr) => {
        if $client {
            $world.client.as_mut().map(|$connection| $body)
        } else {
            $world.server.as_mut().map(|$connection| $body)
        }
    };
}

struct World {
    version: Version,
    now: u64,
    client: Option<ClientConnection>,
    server: Option<ServerConnection>,
    /// Index 1 is the client's, 0 the server's, here and below: the outgoing side.
    wires: [Vec<u8>; 2],
    watches: [Watch; 2],
    logs: [Log; 2],
    sessions: [Option<Session>; 2],
    acks: [Vec<AckToken>; 2],
    requests: Vec<(RequestToken, usize, bool)>,
    asked: Option<bool>,
    count: usize,
}

impl World {
    fn new(version: Version) -> Self {
        Self {
            version,
            now: 1_000_000,
            client: None,
            server: None,
            wires: Default::default(),
            watches: Default::default(),
            logs: Default::default(),
            sessions: Default::default(),
            acks: Default::default(),
            requests: Vec::new(),
            asked: None,
            count: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    /// Takes both sessions out, and looks that what was not settled is still in them.
    fn end(&mut self) {
        for side in [0, 1] {
            // What was dropped and not yet told is told.
            self.receive(side == 1, &mut &[][..], false);
        }
        if let Some(client) = self.client.take() {
            self.sessions[1] = Some(client.into_session());
        }
        if let Some(server) = self.server.take() {
            let accepted = self.watches[0].opened;
            let session = server.into_session();
            if accepted {
                self.sessions[0] = Some(session);
            } else {
                assert_eq!((session.queued(), session.in_flight()), (0, 0));
            }
        }
        for side in [0, 1] {
            let log = &mut self.logs[side];
            log.requests.clear();
            let known = self.sessions[side].as_ref().map_or(0, Session::in_flight);
            let (sent, abandoned) = (log.sent.len(), log.abandoned.len());
            let range = sent..=sent + abandoned;
            assert!(range.contains(&known), "{known} in flight: {:?}", log.sent);
        }
        self.wires = Default::default();
        self.acks[0].clear();
        self.acks[1].clear();
        self.requests.clear();
        self.asked = None;
    }

    fn connect(&mut self, client: u8, server: u8, clean: bool, swap: bool) {
        self.end();
        if swap {
            self.sessions.swap(0, 1);
            self.logs.swap(0, 1);
        }
        let mut properties = Vec::new();
        if self.version == Version::V5 {
            if client & 8 == 0 {
                properties.push(Property::SessionExpiryInterval(100));
            }
            if server & 48 == 48 {
                properties.push(Property::AuthenticationMethod("M"));
            }
        }
        let connect = Connect {
            clean_start: clean,
            keep_alive: u16::from(client >> 6),
            will: (server & 8 != 0).then(|| Will::new("will", b"")),
            properties: Properties::from(&properties[..]),
            ..Connect::new(self.version, "c")
        };
        let session = self.sessions[1].take().unwrap_or_default();
        let connection = ClientConnection::new(self.now(), &connect, session, options(client));
        self.client = Some(connection.unwrap());
        self.server = Some(ServerConnection::new(self.now(), options(server)));
        self.watches = [
            Watch::default(),
            Watch {
                client: true,
                ..Watch::default()
            },
        ];
    }

    fn closed(&mut self) {
        for client in [false, true] {
            if let Some(closed) = for_side!(self, client, |one| one.closed()) {
                self.watches[usize::from(client)].closed(closed);
            }
            let session = for_side!(self, client, |one| {
                assert!(one.closed().is_none() || one.poll_timeout().is_none());
                assert!(one.closed().is_none() || !one.is_connected());
                one.session().in_flight()
            });
            assert!(session.unwrap_or_default() <= 65_535);
        }
    }

    fn transmit(&mut self, client: bool, limit: usize) -> usize {
        let now = self.now();
        let mut out = b"kept".to_vec();
        let Some(given) = for_side!(self, client, |one| one.poll_transmit(now, &mut out, limit))
        else {
            return 0;
        };
        assert_eq!(given + 4, out.len());
        let bytes = out.strip_prefix(b"kept").expect("what was there stays");
        let version = match (client, &self.server) {
            (false, Some(server)) => server.version(),
            _ => self.version,
        };
        let sender = if client { Role::Client } else { Role::Server };
        let decode = DecodeOptions::new().with_sender(Some(sender));
        let (mut rest, mut packets) = (bytes, 0);
        let side = usize::from(client);
        let wanted = for_side!(self, client, |one| one.payload_wanted()).flatten();
        let (watch, log) = (&mut self.watches[side], &mut self.logs[side]);
        assert!(
            watch.departing.is_empty() || given == 0,
            "behind a head: {bytes:02x?}"
        );
        while !rest.is_empty() {
            let before = rest.len();
            let packet = Packet::decode(version, &decode, &mut rest);
            let packet = packet.unwrap_or_else(|error| panic!("{error}: {bytes:02x?}"));
            packets += 1;
            if let Some(packet) = packet {
                watch.packet(&packet, before - rest.len(), log);
                continue;
            }
            // The rest is a head; the whole packet is looked at as if it were there.
            let wanted = wanted.unwrap_or_else(|| panic!("not whole: {bytes:02x?}"));
            watch.departing = rest.to_vec();
            let pieces = decode.with_whole_publish_limit(0);
            let head = PacketStart::decode(version, &pieces, &mut rest);
            let Ok(Some(PacketStart::Head(head))) = head else {
                panic!("{head:?}: {bytes:02x?}");
            };
            assert!(rest.is_empty());
            assert_eq!((wanted.offset, wanted.remaining), (0, head.payload_len));
            let file = log.files[&wanted.handle].clone();
            let publish = Publish {
                payload: file.as_bytes(),
                ..head.publish
            };
            assert_eq!(publish.payload.len(), head.payload_len as usize);
            watch.packet(&publish.into(), before + publish.payload.len(), log);
        }
        assert!(
            given <= limit || packets == 1,
            "{packets} packets, {given} of {limit}"
        );
        self.wires[side].extend_from_slice(bytes);
        given
    }

    /// Supplies some of the payload that one side wants. True: it wanted one.
    fn supply(&mut self, client: bool, bytes: usize) -> bool {
        let (now, side) = (self.now(), usize::from(client));
        let wanted = for_side!(self, client, |one| one.payload_wanted()).flatten();
        let Some(PayloadWanted { handle, offset, .. }) = wanted else {
            let none = for_side!(self, client, |one| one
                .transmit_payload(now, &mut &b"x"[..])
                .len());
            assert_eq!(none.unwrap_or_default(), 0);
            return false;
        };
        // The next packet is not taken for the rest of this one.
        let file = format!("{}behind", self.logs[side].files[&handle]);
        let rest = &file.as_bytes()[offset as usize..];
        let mut piece = &rest[..bytes.min(rest.len())];
        let chunk = for_side!(self, client, |one| one.transmit_payload(now, &mut piece)).unwrap();
        self.wires[side].extend_from_slice(chunk);
        let departing = &mut self.watches[side].departing;
        departing.extend_from_slice(chunk);
        let wanted = for_side!(self, client, |one| one.payload_wanted()).flatten();
        if wanted.is_none() {
            let decode = DecodeOptions::new();
            let version = match (client, &self.server) {
                (false, Some(server)) => server.version(),
                _ => self.version,
            };
            let mut whole = &departing[..];
            let packet = Packet::decode(version, &decode, &mut whole);
            let Ok(Some(Packet::Publish(publish))) = packet else {
                panic!("{packet:?}");
            };
            assert_eq!(publish.payload, self.logs[side].files[&handle].as_bytes());
            assert!(whole.is_empty());
            departing.clear();
        }
        true
    }

    /// Gives `input` to one side until it takes no more; keeps what an application would.
    fn receive(&mut self, client: bool, input: &mut &[u8], once: bool) -> usize {
        let now = self.now();
        let side = usize::from(client);
        let mut events = 0;
        loop {
            let before = input.len();
            let (mut settled, mut answered, mut publish) = (None, None, None);
            let (mut head, mut payload) = (None, None);
            let (watch, log) = (&mut self.watches[side], &mut self.logs[side]);
            if client {
                let Some(connection) = &mut self.client else {
                    break;
                };
                let Some(event) = connection.receive(now, input) else {
                    break;
                };
                match event {
                    ClientEvent::Connack(connack) => {
                        watch.opened = !connack.reason.is_error();
                        watch.maximum = connack.properties.maximum_packet_size();
                        watch.receive_maximum = connack.properties.receive_maximum();
                    }
                    ClientEvent::Publish(incoming) => publish = Some(incoming),
                    ClientEvent::PublishHead(incoming) => head = Some(incoming),
                    ClientEvent::Payload { chunk, last } => payload = Some((chunk, last)),
                    ClientEvent::Published { handle, ack } => {
                        settled = Some((handle, ack.packet_id));
                    }
                    ClientEvent::Dropped(dropped) => log.dropped(&dropped),
                    ClientEvent::Subscribed { suback, .. } => answered = Some(suback.packet_id),
                    ClientEvent::Unsubscribed { unsuback, .. } => {
                        answered = Some(unsuback.packet_id);
                    }
                    _ => {}
                }
            } else {
                let Some(connection) = &mut self.server else {
                    break;
                };
                let Some(event) = connection.receive(now, input) else {
                    break;
                };
                match event {
                    ServerEvent::Connect(connect) => {
                        self.asked = Some(connect.clean_start);
                        watch.maximum = connect.properties.maximum_packet_size();
                        watch.receive_maximum = connect.properties.receive_maximum();
                    }
                    ServerEvent::Publish(incoming) => publish = Some(incoming),
                    ServerEvent::PublishHead(incoming) => head = Some(incoming),
                    ServerEvent::Payload { chunk, last } => payload = Some((chunk, last)),
                    ServerEvent::Published { handle, ack } => {
                        settled = Some((handle, ack.packet_id));
                    }
                    ServerEvent::Dropped(dropped) => log.dropped(&dropped),
                    ServerEvent::Subscribe { subscribe, token } => {
                        self.requests
                            .push((token, subscribe.subscriptions.len(), true));
                    }
                    ServerEvent::Unsubscribe { unsubscribe, token } => {
                        self.requests
                            .push((token, unsubscribe.filters.len(), false));
                    }
                    _ => {}
                }
            }
            if let Some((handle, id)) = settled {
                log.settled(handle);
                watch.open.remove(&id.get());
            }
            if let Some(id) = answered {
                watch.open.remove(&id.get());
                log.requests.remove(&id.get());
            }
            if let Some(incoming) = publish {
                assert!(!incoming.topic().is_empty());
                if let Some(id) = incoming.publish.packet_id {
                    let qos_2 = incoming.publish.qos == QoS::ExactlyOnce;
                    watch.unanswered.push_back((id.get(), qos_2));
                }
                self.acks[side].extend(incoming.ack);
            }
            if let Some(incoming) = head {
                assert!(!incoming.topic().is_empty());
                let qos_2 = incoming.publish.qos == QoS::ExactlyOnce;
                let answer = incoming.publish.packet_id.map(|id| (id.get(), qos_2));
                let before = watch.arriving.replace((answer, incoming.payload_len));
                assert_eq!(before, None, "a head inside a payload");
                self.acks[side].extend(incoming.ack);
            }
            if let Some((chunk, last)) = payload {
                let (answer, missing) = watch.arriving.take().expect("a payload with a head");
                let missing = missing - u32::try_from(chunk.len()).unwrap();
                assert_eq!(last, missing == 0);
                if last {
                    watch.unanswered.extend(answer);
                } else {
                    assert!(!chunk.is_empty());
                    watch.arriving = Some((answer, missing));
                }
            }
            events += 1;
            assert!(input.len() <= before);
            if once {
                break;
            }
        }
        events
    }

    /// Moves bytes from the wire into one side.
    fn deliver(&mut self, client: bool, bytes: usize, once: bool) -> bool {
        let wire = usize::from(!client);
        let all = std::mem::take(&mut self.wires[wire]);
        let mut input = &all[..bytes.min(all.len())];
        let offered = input.len();
        let events = self.receive(client, &mut input, once);
        let taken = offered - input.len();
        self.wires[wire] = all[taken..].to_vec();
        taken > 0 || events > 0
    }

    /// Both sides do what they can; the server application answers everything.
    fn round(&mut self) -> bool {
        let mut busy = self.accept(true, 0);
        for client in [true, false] {
            busy |= self.transmit(client, usize::MAX) > 0;
            busy |= self.supply(client, usize::MAX);
            busy |= self.deliver(!client, usize::MAX, false);
            let side = usize::from(client);
            while !self.acks[side].is_empty() {
                self.acknowledge(client, 0, 0);
                busy = true;
            }
        }
        while !self.requests.is_empty() {
            let before = self.requests.len();
            self.reply(0, false);
            busy = true;
            if self.requests.len() == before {
                break;
            }
        }
        busy
    }

    fn message(&mut self, qos: u8, size: usize) -> (Message, String) {
        self.count += 1;
        let text = format!("{}{}", self.count, "-".repeat(size));
        let message = Message::new(["t", "a/b", "u"][self.count % 3], text.as_bytes()).unwrap();
        (message.with_qos(QoS::from_u8(qos).unwrap()), text)
    }

    fn acknowledge(&mut self, client: bool, index: usize, reason: u8) {
        let acks = &mut self.acks[usize::from(client)];
        if acks.is_empty() {
            return;
        }
        let token = acks.swap_remove(index % acks.len());
        let reasons = [
            ReasonCode::Success,
            ReasonCode::Success,
            ReasonCode::QuotaExceeded,
            ReasonCode::ServerMoved,
        ];
        let reason = reasons[usize::from(reason & 3)];
        let given = for_side!(self, client, |one| one.acknowledge(&token, reason));
        let again = for_side!(self, client, |one| one
            .acknowledge(&token, ReasonCode::Success));
        if given == Some(Ok(())) {
            assert_eq!(again, Some(Err(AcknowledgeError::StaleToken)));
        }
    }

    fn reply(&mut self, index: usize, wrong: bool) {
        if self.requests.is_empty() {
            return;
        }
        let index = index % self.requests.len();
        let (token, filters, subscribe) = self.requests.swap_remove(index);
        let codes = vec![ReasonCode::Success; filters + usize::from(wrong)];
        let Some(server) = &mut self.server else {
            return;
        };
        let long = "x".repeat(50);
        let properties = [Property::ReasonString(&long)];
        let properties = Properties::from(&properties[..]);
        let result = if subscribe {
            server.suback(token, &codes, properties)
        } else {
            server.unsuback(token, &codes, properties)
        };
        if let Err(error) = result {
            self.requests.push((error.token, filters, subscribe));
        }
    }

    fn accept(&mut self, resume: bool, properties: u8) -> bool {
        let Some(clean) = self.asked else {
            return false;
        };
        let now = self.now();
        let Some(server) = &mut self.server else {
            return false;
        };
        // A server resumes what its client knows, unless the test wants to see that refused.
        let known = self
            .client
            .as_ref()
            .is_some_and(|client| client.session().is_established());
        let resume = resume && !clean && known;
        let session = self.sessions[0].take_if(|_| resume);
        let resumed = session.is_some();
        let mut list = Vec::new();
        if server.version() == Version::V5 {
            if properties & 3 == 3 {
                list.push(Property::MaximumQos(QoS::AtLeastOnce));
            }
            if properties & 12 == 12 {
                list.push(Property::RetainAvailable(false));
            }
            if properties & 48 == 48 {
                list.push(Property::ServerKeepAlive(3));
            }
            list.push(Property::AuthenticationMethod("M"));
        }
        let mut session = session;
        for skip in 0..2 {
            let connack = Connack {
                properties: Properties::from(&list[..list.len() - skip.min(list.len())]),
                ..Connack::new(ReasonCode::Success)
            };
            match server.accept(now, session.take(), &connack) {
                Ok(()) => {
                    self.watches[0].opened = true;
                    self.asked = None;
                    if !resumed {
                        // The application forgets the old session.
                        self.sessions[0] = None;
                        self.logs[0] = Log::default();
                    }
                    return true;
                }
                Err(error) => session = error.session.map(|session| *session),
            }
        }
        self.sessions[0] = session.or(self.sessions[0].take());
        false
    }

    fn run(&mut self, op: &Op) {
        let now = self.now();
        match *op {
            Op::Connect {
                client,
                server,
                clean,
                swap,
            } => self.connect(client, server, clean, swap),
            Op::Receive {
                client,
                bytes,
                once,
            } => drop(self.deliver(client, bytes, once)),
            Op::Transmit { client, limit } => drop(self.transmit(client, limit)),
            Op::Rounds(rounds) => {
                for _ in 0..rounds {
                    self.round();
                }
            }
            Op::Clock(by) => self.now = self.now.saturating_add_signed(by),
            Op::Timeout(client) => {
                for_side!(self, client, |one| {
                    let due = one.poll_timeout();
                    let closed = one.closed();
                    one.handle_timeout(now);
                    if due.is_none_or(|at| at > now) {
                        assert_eq!((one.poll_timeout(), one.closed()), (due, closed));
                    } else {
                        assert_ne!((one.poll_timeout(), one.closed()), (due, closed));
                        assert!(one.poll_timeout().is_none_or(|at| at > now));
                    }
                });
            }
            Op::Publish {
                client,
                qos,
                size,
                retain,
                expiry,
                ids,
                streamed,
            } => {
                let (mut message, text) = self.message(qos, size);
                if streamed {
                    let length = u32::try_from(text.len()).unwrap();
                    message = Message::with_streamed_payload(message.topic(), length)
                        .unwrap()
                        .with_qos(message.qos());
                }
                let mut message = message.with_retain(retain);
                if self.version == Version::V5 {
                    message = message.with_message_expiry_interval(expiry);
                }
                if ids {
                    message = message.with_subscription_identifiers(&[5, 6]).unwrap();
                }
                let copy = message.clone();
                match for_side!(self, client, |one| one.publish(now, message)) {
                    Some(Ok(handle)) => {
                        let log = &mut self.logs[usize::from(client)];
                        if streamed {
                            log.files.insert(handle, text.clone());
                        }
                        log.texts.insert(handle, text);
                    }
                    Some(Err(error)) => assert_eq!(error.message, copy),
                    None => {}
                }
            }
            Op::Supply { client, bytes } => drop(self.supply(client, bytes)),
            Op::Discard { client, index } => {
                let side = usize::from(client);
                let mut handles: Vec<_> = self.logs[side].texts.keys().copied().collect();
                handles.sort_unstable();
                if let (Some(session), false) = (&mut self.sessions[side], handles.is_empty()) {
                    let handle = handles[index % handles.len()];
                    let in_flight = session.in_flight();
                    if let Some(message) = session.discard(handle) {
                        assert_eq!(session.discard(handle), None);
                        let qos_2 = message.qos() == QoS::ExactlyOnce;
                        assert!(!qos_2 || session.in_flight() == in_flight);
                        self.logs[side].dropped(&Dropped {
                            handle,
                            message: Some(message),
                            reason: DropReason::NotSupported,
                        });
                    }
                }
            }
            Op::Subscribe {
                filter,
                unsubscribe,
            } => {
                let filters = ["a", "a/+", "$share/g/a", "a/#/b", "#", ""];
                let filter = filters[usize::from(filter) % filters.len()];
                let Some(client) = &mut self.client else {
                    return;
                };
                if unsubscribe {
                    let _ = client.unsubscribe(&[filter, "b"], Properties::new());
                } else {
                    let one = [Subscription::new(filter, QoS::AtLeastOnce)];
                    let _ = client.subscribe(&one, Properties::new());
                }
            }
            Op::Reply { index, wrong } => self.reply(index, wrong),
            Op::Acknowledge {
                client,
                index,
                reason,
            } => self.acknowledge(client, index, reason),
            Op::Auth { client, reason } => {
                let reasons = [
                    ReasonCode::ContinueAuthentication,
                    ReasonCode::ReAuthenticate,
                    ReasonCode::Success,
                ];
                let method = [Property::AuthenticationMethod("M")];
                let auth = Auth::new(reasons[usize::from(reason) % 3], &method);
                let _ = for_side!(self, client, |one| one.auth(now, &auth));
            }
            Op::Disconnect {
                client,
                reason,
                expiry,
            } => {
                let reasons = [
                    ReasonCode::Success,
                    ReasonCode::DisconnectWithWillMessage,
                    ReasonCode::ServerBusy,
                ];
                let properties: Vec<_> = expiry
                    .map(Property::SessionExpiryInterval)
                    .into_iter()
                    .collect();
                let disconnect = Disconnect {
                    properties: Properties::from(&properties[..]),
                    ..Disconnect::new(reasons[usize::from(reason) % 3])
                };
                let _ = for_side!(self, client, |one| {
                    let before = one.closed();
                    let result = one.disconnect(now, &disconnect);
                    assert_eq!(result.is_ok(), one.closed() != before);
                    result
                });
            }
            Op::Accept { resume, properties } => drop(self.accept(resume, properties)),
            Op::Refuse(reason) => {
                let reasons = [
                    ReasonCode::NotAuthorized,
                    ReasonCode::Banned,
                    ReasonCode::Success,
                ];
                let connack = Connack::new(reasons[usize::from(reason) % 3]);
                if let Some(server) = &mut self.server {
                    let _ = server.refuse(now, &connack);
                }
            }
            Op::Eof(client) => drop(for_side!(self, client, |one| one.receive_eof(now))),
            Op::Enqueue { client, qos } => {
                let (message, text) = self.message(qos, 0);
                let side = usize::from(client);
                if let Some(session) = &mut self.sessions[side] {
                    let message = message.with_subscription_identifiers(&[9]).unwrap();
                    if let Ok(handle) = session.enqueue(now, message, &options(0)) {
                        self.logs[side].texts.insert(handle, text);
                    }
                }
            }
            Op::Raw { client, ref bytes } => {
                self.wires[usize::from(client)].extend_from_slice(bytes);
            }
            Op::Inject {
                client,
                kind,
                id,
                qos,
            } => {
                let id = PacketId::new(id).unwrap();
                let ack = Ack::new(id);
                let qos = QoS::from_u8(qos).unwrap();
                let packet = match kind % 12 {
                    0 => Packet::Puback(ack),
                    1 => Packet::Pubrec(ack),
                    2 => Packet::Pubrel(ack),
                    3 => Packet::Pubcomp(ack),
                    4..=7 => Packet::from(Publish {
                        qos,
                        packet_id: Some(id).filter(|_| qos != QoS::AtMostOnce),
                        ..Publish::new("t", b"")
                    }),
                    8 => Packet::Pingreq,
                    9 => Packet::Pingresp,
                    10 => Packet::from(Disconnect::default()),
                    _ => Packet::Pubrec(Ack {
                        reason: ReasonCode::QuotaExceeded,
                        ..ack
                    }),
                };
                // At a moment when the wire holds whole packets or nothing, else it is garbage: fine.
                let _ = packet.encode(self.version, &mut self.wires[usize::from(client)]);
            }
            Op::Flip { client, at, xor } => {
                let wire = &mut self.wires[usize::from(client)];
                if !wire.is_empty() {
                    let at = at % wire.len();
                    wire[at] ^= xor;
                }
            }
            Op::Lose { client } => self.wires[usize::from(client)].clear(),
        }
    }

    /// After all that, two honest ends over a whole link settle everything.
    fn settle(&mut self, clean: bool) {
        self.now = self.now.min(1 << 40);
        self.connect(0, 0, clean, false);
        for _ in 0..1_000 {
            if !self.round() {
                break;
            }
        }
        let (Some(client), Some(server)) = (&mut self.client, &mut self.server) else {
            panic!("no connections")
        };
        assert!(client.is_connected(), "{:?}", client.closed());
        assert!(server.is_connected(), "{:?}", server.closed());

        assert!(client.send_quota() >= 1 && server.send_quota() >= 1);
        assert_eq!(
            (client.session().in_flight(), client.session().queued()),
            (0, 0)
        );
        assert_eq!(
            (server.session().in_flight(), server.session().queued()),
            (0, 0)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn anything_goes(v5 in prop::bool::weighted(0.7), clean: bool, ops in vec(op(), 1..120)) {
        let mut world = World::new(if v5 { Version::V5 } else { Version::V311 });
        world.connect(0, 0, true, false);
        for op in &ops {
            world.run(op);
            world.closed();
        }
        world.settle(clean);
    }
}
