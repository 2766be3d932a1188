//! Two connections, a virtual clock and a link between them that chunks, delays and cuts.
//!
//! Every test reads: make a `Pair`, act on its ends, `drive` it, look at what either side saw.

#![allow(dead_code)] // each test binary uses a part of it

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sansio_mqtt::*;

/// What an application keeps of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Connect {
        client_id: String,
        clean_start: bool,
    },
    Connack {
        session_present: bool,
        reason: ReasonCode,
    },
    Publish {
        message: Message,
        dup: bool,
        alias: Option<u16>,
        ids: Vec<u32>,
    },
    Published(PublishHandle, ReasonCode),
    Dropped(PublishHandle, DropReason),
    Subscribe(Vec<(String, SubscriptionOptions)>),
    Unsubscribe(Vec<String>),
    Subscribed(RequestHandle, Vec<ReasonCode>),
    Unsubscribed(RequestHandle, Vec<ReasonCode>),
    Unanswered(RequestHandle),
    Auth(ReasonCode, Vec<u8>),
    Disconnect(ReasonCode),
}

/// What a test sets up; the defaults are a clean 5.0 connection over a link without delay.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) version: Version,
    pub(crate) client_id: &'static str,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive: u16,
    pub(crate) will: bool,
    pub(crate) connect: Vec<Property<'static>>,
    pub(crate) connack: Vec<Property<'static>>,
    pub(crate) client: Options,
    pub(crate) server: Options,
    /// Bytes that arrive at once; they stand for the sizes that a transport happens to give.
    pub(crate) chunk: usize,
    /// Bytes that `poll_transmit` is asked for.
    pub(crate) limit: usize,
    /// Bytes of a streamed payload that an application supplies at a time.
    pub(crate) piece: usize,
    /// One way.
    pub(crate) delay: Duration,
    /// The server application accepts by itself.
    pub(crate) accept: bool,
    /// The server application answers requests by itself.
    pub(crate) answer: bool,
}

impl Setup {
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version,
            client_id: "client",
            clean_start: true,
            keep_alive: 0,
            will: false,
            connect: Vec::new(),
            connack: Vec::new(),
            client: Options::new(),
            server: Options::new(),
            chunk: usize::MAX,
            limit: usize::MAX,
            piece: usize::MAX,
            delay: Duration::ZERO,
            accept: true,
            answer: true,
        }
    }

    /// A session that lives on.
    pub(crate) fn persistent(version: Version) -> Self {
        let mut setup = Self::new(version);
        setup.clean_start = false;
        if version == Version::V5 {
            setup.connect.push(Property::SessionExpiryInterval(3600));
        }
        setup
    }
}

/// Bytes under way in one direction.
#[derive(Default)]
pub(crate) struct Wire {
    parts: VecDeque<(Instant, Vec<u8>)>,
    /// Everything that was ever put on it.
    pub(crate) sent: Vec<u8>,
    /// After this many more bytes the link breaks.
    pub(crate) budget: Option<usize>,
}

pub(crate) struct End<C> {
    pub(crate) connection: Option<C>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) acks: Vec<AckToken>,
    pub(crate) requests: Vec<(RequestToken, usize)>,
    /// The payloads of streamed messages, as this application keeps them.
    pub(crate) files: HashMap<PublishHandle, Vec<u8>>,
    /// A message that comes in pieces, and what is there of its payload.
    pub(crate) partial: Option<(Seen, Vec<u8>)>,
    /// Read and not taken.
    input: Vec<u8>,
    pub(crate) closed: Option<Closed>,
}

impl<C> Default for End<C> {
    fn default() -> Self {
        Self {
            connection: None,
            seen: Vec::new(),
            acks: Vec::new(),
            requests: Vec::new(),
            files: HashMap::new(),
            partial: None,
            input: Vec::new(),
            closed: None,
        }
    }
}

pub(crate) struct Pair {
    pub(crate) setup: Setup,
    pub(crate) now: Instant,
    pub(crate) client: End<ClientConnection>,
    pub(crate) server: End<ServerConnection>,
    pub(crate) to_server: Wire,
    pub(crate) to_client: Wire,
    /// What the server application keeps for the client.
    pub(crate) stored: Option<Session>,
    /// What the client application keeps.
    pub(crate) client_session: Option<Session>,
}

impl Pair {
    /// Connects and drives until both sides are quiet.
    pub(crate) fn connected(setup: Setup) -> Self {
        let mut pair = Self::new(setup);
        pair.connect();
        pair.drive();
        assert!(pair.client().is_connected(), "{:?}", pair.client.closed);
        assert!(pair.server().is_connected(), "{:?}", pair.server.closed);
        pair.clear();
        pair
    }

    /// Not connected yet.
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            now: Instant::from_millis(1_000_000),
            client: End::default(),
            server: End::default(),
            to_server: Wire::default(),
            to_client: Wire::default(),
            stored: None,
            client_session: None,
        }
    }

    /// A new transport: CONNECT is on its way.
    pub(crate) fn connect(&mut self) {
        let setup = &self.setup;
        let will = Will {
            qos: QoS::AtLeastOnce,
            ..Will::new("will", b"gone")
        };
        let connect = Connect {
            clean_start: setup.clean_start,
            keep_alive: setup.keep_alive,
            will: setup.will.then_some(will),
            properties: Properties::from(&setup.connect[..]),
            ..Connect::new(setup.version, setup.client_id)
        };
        let session = self.client_session.take().unwrap_or_default();
        let client = ClientConnection::new(self.now, &connect, session, setup.client.clone());
        self.client.connection = Some(client.expect("CONNECT"));
        self.server.connection = Some(ServerConnection::new(self.now, setup.server.clone()));
        self.client.closed = None;
        self.server.closed = None;
        self.client.input.clear();
        self.server.input.clear();
        self.client.acks.clear();
        self.server.acks.clear();
        self.server.requests.clear();
        self.client.partial = None;
        self.server.partial = None;
        self.to_server.parts.clear();
        self.to_client.parts.clear();
    }

    pub(crate) fn client(&mut self) -> &mut ClientConnection {
        self.client.connection.as_mut().expect("client")
    }

    pub(crate) fn server(&mut self) -> &mut ServerConnection {
        self.server.connection.as_mut().expect("server")
    }

    /// Forgets what was seen and sent.
    pub(crate) fn clear(&mut self) {
        self.client.seen.clear();
        self.server.seen.clear();
        self.to_server.sent.clear();
        self.to_client.sent.clear();
    }

    /// Moves bytes and time until nothing is under way; timers of the connections do not fire.
    pub(crate) fn drive(&mut self) {
        self.settle();
        while let Some(at) = self.next_arrival() {
            self.now = self.now.max(at);
            self.settle();
        }
    }

    /// Lets this time pass, firing every timer and delivering every byte at its moment.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now.saturating_add(time);
        loop {
            self.settle();
            let next = [self.next_arrival(), self.next_timeout()]
                .into_iter()
                .flatten()
                .min();
            match next {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.fire();
                }
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    fn next_arrival(&self) -> Option<Instant> {
        [&self.to_server, &self.to_client]
            .into_iter()
            .filter_map(|wire| wire.parts.front().map(|part| part.0))
            .min()
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let client = self
            .client
            .connection
            .as_ref()
            .and_then(ClientConnection::poll_timeout);
        let server = self
            .server
            .connection
            .as_ref()
            .and_then(ServerConnection::poll_timeout);
        client.into_iter().chain(server).min()
    }

    fn fire(&mut self) {
        let now = self.now;
        if let Some(client) = &mut self.client.connection {
            if client.poll_timeout().is_some_and(|at| at <= now) {
                client.handle_timeout(now);
                assert!(
                    client.poll_timeout().is_none_or(|at| at > now),
                    "a timer that spins"
                );
            }
        }
        if let Some(server) = &mut self.server.connection {
            if server.poll_timeout().is_some_and(|at| at <= now) {
                server.handle_timeout(now);
                assert!(
                    server.poll_timeout().is_none_or(|at| at > now),
                    "a timer that spins"
                );
            }
        }
    }

    /// Everything that can happen at this moment.
    fn settle(&mut self) {
        loop {
            let mut busy = self.run_client();
            busy |= self.run_server();
            busy |= self.carry();
            if !busy {
                break;
            }
        }
    }

    /// Hands over what has arrived by now. True: something did.
    fn carry(&mut self) -> bool {
        let mut busy = false;
        for (wire, input) in [
            (&mut self.to_server, &mut self.server.input),
            (&mut self.to_client, &mut self.client.input),
        ] {
            if let Some((at, _)) = wire.parts.front() {
                if *at <= self.now {
                    let (_, bytes) = wire.parts.pop_front().expect("front");
                    input.extend_from_slice(&bytes);
                    busy = true;
                }
            }
        }
        busy
    }

    /// Puts on the wire what a test has transmitted itself.
    pub(crate) fn carry_on(&mut self, from_client: bool, bytes: &[u8]) {
        let wire = if from_client {
            &mut self.to_server
        } else {
            &mut self.to_client
        };
        Self::put(wire, bytes, &self.setup, self.now);
    }

    fn put(wire: &mut Wire, bytes: &[u8], setup: &Setup, now: Instant) {
        let bytes = match &mut wire.budget {
            Some(budget) => {
                let kept = bytes.len().min(*budget);
                *budget -= kept;
                &bytes[..kept]
            }
            None => bytes,
        };
        wire.sent.extend_from_slice(bytes);
        for part in bytes.chunks(setup.chunk.max(1)) {
            wire.parts
                .push_back((now.saturating_add(setup.delay), part.to_vec()));
        }
    }

    fn run_client(&mut self) -> bool {
        let Some(connection) = &mut self.client.connection else {
            return false;
        };
        let mut busy = false;
        loop {
            let mut input = &self.client.input[..];
            while let Some(event) = connection.receive(self.now, &mut input) {
                busy = true;
                self.client.seen.push(match event {
                    ClientEvent::Connack(connack) => Seen::Connack {
                        session_present: connack.session_present,
                        reason: connack.reason,
                    },
                    ClientEvent::Publish(incoming) => {
                        self.client.acks.extend(incoming.ack.clone());
                        publish(&incoming)
                    }
                    ClientEvent::PublishHead(head) => {
                        self.client.acks.extend(head.ack.clone());
                        assert!(self.client.partial.is_none());
                        self.client.partial = Some((publish_head(&head), Vec::new()));
                        continue;
                    }
                    ClientEvent::Payload { chunk, last } => {
                        match complete(&mut self.client.partial, chunk, last) {
                            Some(seen) => seen,
                            None => continue,
                        }
                    }
                    ClientEvent::Published { handle, ack } => Seen::Published(handle, ack.reason),
                    ClientEvent::Dropped(dropped) => Seen::Dropped(dropped.handle, dropped.reason),
                    ClientEvent::Subscribed { handle, suback } => {
                        Seen::Subscribed(handle, suback.reason_codes.iter().collect())
                    }
                    ClientEvent::Unsubscribed { handle, unsuback } => {
                        Seen::Unsubscribed(handle, unsuback.reason_codes.iter().collect())
                    }
                    ClientEvent::Unanswered(handle) => Seen::Unanswered(handle),
                    ClientEvent::Auth(auth) => auth_seen(&auth),
                    ClientEvent::Disconnect(disconnect) => Seen::Disconnect(disconnect.reason),
                    other => panic!("{other:?}"),
                });
            }
            let taken = self.client.input.len() - input.len();
            self.client.input.drain(..taken);
            let mut out = Vec::new();
            if connection.poll_transmit(self.now, &mut out, self.setup.limit) == 0 {
                let wanted = connection.payload_wanted();
                let piece = piece(&self.client.files, wanted, self.setup.piece);
                out.extend_from_slice(connection.transmit_payload(self.now, &mut &piece[..]));
                if out.is_empty() {
                    break;
                }
            }
            busy = true;
            Self::put(&mut self.to_server, &out, &self.setup, self.now);
        }
        self.client.closed = connection.closed();
        busy
    }

    fn run_server(&mut self) -> bool {
        let Some(connection) = &mut self.server.connection else {
            return false;
        };
        let mut busy = false;
        loop {
            let mut input = &self.server.input[..];
            while let Some(event) = connection.receive(self.now, &mut input) {
                busy = true;
                self.server.seen.push(match event {
                    ServerEvent::Connect(connect) => {
                        let stored = self.stored.take();
                        let seen = Seen::Connect {
                            client_id: connect.client_id.into(),
                            clean_start: connect.clean_start,
                        };
                        if self.setup.accept {
                            let session = stored.filter(|_| !connect.clean_start);
                            let connack = Connack {
                                properties: Properties::from(&self.setup.connack[..]),
                                ..Connack::new(ReasonCode::Success)
                            };
                            connection
                                .accept(self.now, session, &connack)
                                .expect("accept");
                        }
                        seen
                    }
                    ServerEvent::Publish(incoming) => {
                        self.server.acks.extend(incoming.ack.clone());
                        publish(&incoming)
                    }
                    ServerEvent::PublishHead(head) => {
                        self.server.acks.extend(head.ack.clone());
                        assert!(self.server.partial.is_none());
                        self.server.partial = Some((publish_head(&head), Vec::new()));
                        continue;
                    }
                    ServerEvent::Payload { chunk, last } => {
                        match complete(&mut self.server.partial, chunk, last) {
                            Some(seen) => seen,
                            None => continue,
                        }
                    }
                    ServerEvent::Published { handle, ack } => Seen::Published(handle, ack.reason),
                    ServerEvent::Dropped(dropped) => Seen::Dropped(dropped.handle, dropped.reason),
                    ServerEvent::Subscribe { subscribe, token } => {
                        let filters: Vec<_> = subscribe
                            .subscriptions
                            .iter()
                            .map(|one| (one.filter.to_owned(), one.options))
                            .collect();
                        if self.setup.answer {
                            let codes: Vec<_> = filters
                                .iter()
                                .map(|(_, options)| ReasonCode::granted(options.qos))
                                .collect();
                            connection
                                .suback(token, &codes, Properties::new())
                                .expect("suback");
                        } else {
                            self.server.requests.push((token, filters.len()));
                        }
                        Seen::Subscribe(filters)
                    }
                    ServerEvent::Unsubscribe { unsubscribe, token } => {
                        let filters: Vec<_> =
                            unsubscribe.filters.iter().map(str::to_owned).collect();
                        if self.setup.answer {
                            let codes = vec![ReasonCode::Success; filters.len()];
                            connection
                                .unsuback(token, &codes, Properties::new())
                                .expect("unsuback");
                        } else {
                            self.server.requests.push((token, filters.len()));
                        }
                        Seen::Unsubscribe(filters)
                    }
                    ServerEvent::Auth(auth) => auth_seen(&auth),
                    ServerEvent::Disconnect(disconnect) => Seen::Disconnect(disconnect.reason),
                    other => panic!("{other:?}"),
                });
            }
            let taken = self.server.input.len() - input.len();
            self.server.input.drain(..taken);
            let mut out = Vec::new();
            if connection.poll_transmit(self.now, &mut out, self.setup.limit) == 0 {
                let wanted = connection.payload_wanted();
                let piece = piece(&self.server.files, wanted, self.setup.piece);
                out.extend_from_slice(connection.transmit_payload(self.now, &mut &piece[..]));
                if out.is_empty() {
                    break;
                }
            }
            busy = true;
            Self::put(&mut self.to_client, &out, &self.setup, self.now);
        }
        self.server.closed = connection.closed();
        busy
    }

    /// Puts bytes on the wire as if the client had sent them.
    pub(crate) fn inject_to_server(&mut self, bytes: &[u8]) {
        Self::put(&mut self.to_server, bytes, &self.setup, self.now);
    }

    /// Puts bytes on the wire as if the server had sent them.
    pub(crate) fn inject_to_client(&mut self, bytes: &[u8]) {
        Self::put(&mut self.to_client, bytes, &self.setup, self.now);
    }

    /// The transport breaks: what is under way is lost, both sides keep their sessions.
    pub(crate) fn cut(&mut self) {
        self.to_server.parts.clear();
        self.to_client.parts.clear();
        self.to_server.budget = None;
        self.to_client.budget = None;
        if let Some(mut client) = self.client.connection.take() {
            client.receive_eof(self.now);
            self.client.closed = client.closed();
            self.client_session = Some(client.into_session());
        }
        if let Some(mut server) = self.server.connection.take() {
            server.receive_eof(self.now);
            let closed = server.closed().expect("closed");
            self.server.closed = Some(closed);
            let was_accepted = server.session().is_established();
            let session = server.into_session();
            // A connection that was never accepted had no session of this client.
            if was_accepted {
                self.stored = (closed.session_expiry_interval > 0).then_some(session);
            }
        }
    }

    /// A new transport after a cut; the session goes on if there is one.
    pub(crate) fn reconnect(&mut self) {
        self.cut();
        self.connect();
        self.drive();
    }

    /// The packets on a wire, as their one-line texts.
    pub(crate) fn packets(&self, mut bytes: &[u8]) -> Vec<String> {
        let mut packets = Vec::new();
        while let Some(packet) =
            Packet::decode(self.setup.version, &DecodeOptions::new(), &mut bytes).expect("sent")
        {
            packets.push(packet.to_string());
        }
        packets
    }

    /// Types of the packets that went to the server.
    pub(crate) fn types_to_server(&self) -> Vec<PacketType> {
        types(self.setup.version, &self.to_server.sent)
    }

    /// Types of the packets that went to the client.
    pub(crate) fn types_to_client(&self) -> Vec<PacketType> {
        types(self.setup.version, &self.to_client.sent)
    }
}

pub(crate) fn types(version: Version, mut bytes: &[u8]) -> Vec<PacketType> {
    let mut types = Vec::new();
    while let Some(packet) =
        Packet::decode(version, &DecodeOptions::new(), &mut bytes).expect("sent")
    {
        types.push(packet.packet_type());
    }
    types
}

fn publish(incoming: &Incoming<'_>) -> Seen {
    Seen::Publish {
        message: incoming.to_message(),
        dup: incoming.publish.dup,
        alias: incoming.publish.topic_alias,
        ids: incoming.publish.subscription_identifiers.iter().collect(),
    }
}

fn publish_head(head: &IncomingHead<'_>) -> Seen {
    let message = head.to_message();
    assert_eq!(message.streamed_payload_len(), Some(head.payload_len));
    Seen::Publish {
        message,
        dup: head.publish.dup,
        alias: head.publish.topic_alias,
        ids: head.publish.subscription_identifiers.iter().collect(),
    }
}

/// The message as it would have come whole, once it is complete.
fn complete(partial: &mut Option<(Seen, Vec<u8>)>, chunk: &[u8], last: bool) -> Option<Seen> {
    let (_, payload) = partial.as_mut().expect("a head before its payload");
    payload.extend_from_slice(chunk);
    if !last {
        assert!(!chunk.is_empty());
        return None;
    }
    let (mut seen, payload) = partial.take()?;
    if let Seen::Publish { message, .. } = &mut seen {
        let length = message.streamed_payload_len();
        assert_eq!(length, u32::try_from(payload.len()).ok());
        *message = Message::new(message.topic(), &payload)
            .and_then(|whole| whole.with_properties(message.properties()))
            .expect("topic")
            .with_qos(message.qos())
            .with_retain(message.retain())
            .with_message_expiry_interval(message.message_expiry_interval());
    }
    Some(seen)
}

/// What the application supplies next; nothing if it does not have the payload.
fn piece(
    files: &HashMap<PublishHandle, Vec<u8>>,
    wanted: Option<PayloadWanted>,
    size: usize,
) -> Vec<u8> {
    let Some(wanted) = wanted else {
        return Vec::new();
    };
    let Some(file) = files.get(&wanted.handle) else {
        return Vec::new();
    };
    let rest = &file[wanted.offset as usize..];
    assert_eq!(rest.len(), wanted.remaining as usize);
    rest[..rest.len().min(size)].to_vec()
}

fn auth_seen(auth: &Auth<'_>) -> Seen {
    let data = auth.properties.authentication_data().unwrap_or_default();
    Seen::Auth(auth.reason, data.to_vec())
}

pub(crate) fn message(topic: &str, payload: &str, qos: QoS) -> Message {
    Message::new(topic, payload.as_bytes())
        .expect("topic")
        .with_qos(qos)
}

/// The payloads that an application was given, in order.
pub(crate) fn payloads(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::Publish { message, .. } => {
                Some(String::from_utf8_lossy(message.payload()).into_owned())
            }
            _ => None,
        })
        .collect()
}

pub(crate) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
pub(crate) const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
