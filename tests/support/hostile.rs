// One connection whose peer is hostile: any bytes and any packets, among calls of the application and jumps of the time.
// Nothing panics, what comes out is legal for the peer, the bounds of the options hold, and an end is an end.

use std::collections::HashMap;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use sansio_mqtt::*;

use crate::generate;
use crate::machine::{Event, Machine};
use crate::watch::Watch;

/// Calls that only one role has.
pub(crate) trait Hosted: Machine {
    fn begin(
        u: &mut Unstructured<'_>,
        version: Version,
        now: Instant,
        session: Session,
        options: Options,
    ) -> Result<Self>;
    /// Answers a CONNECT; a request of the application, or an answer to one.
    fn act(&mut self, u: &mut Unstructured<'_>, now: Instant, held: &mut Held) -> Result<()>;
}

/// What the application holds.
#[derive(Default)]
pub(crate) struct Held {
    asked: Option<crate::machine::Asked>,
    stored: Option<Session>,
    requests: Vec<(RequestToken, bool, usize)>,
}

impl Hosted for ClientConnection {
    fn begin(
        u: &mut Unstructured<'_>,
        version: Version,
        now: Instant,
        session: Session,
        options: Options,
    ) -> Result<Self> {
        let expiry = Property::SessionExpiryInterval(u.arbitrary()?);
        let list = [expiry, Property::AuthenticationMethod("M")];
        let properties = match (version, u.int_in_range(0..=3)?) {
            (Version::V5, 0) => &list[..],
            (Version::V5, 1..=2) => &list[..1],
            _ => &[],
        };
        let connect = Connect {
            clean_start: u.arbitrary()?,
            keep_alive: *u.choose(&[0, 1, 30, 65_535])?,
            will: u.ratio(1, 4)?.then(|| Will::new("will", b"")),
            properties: Properties::from(properties),
            ..Connect::new(version, "c")
        };
        Ok(Self::new(now, &connect, session, options).expect("CONNECT"))
    }

    fn act(&mut self, u: &mut Unstructured<'_>, _: Instant, _: &mut Held) -> Result<()> {
        let filters = ["a", "a/+", "$share/g/a", "a/#/b", ""];
        let filter = *u.choose(&filters)?;
        if u.arbitrary()? {
            let _ = self.unsubscribe(&[filter, "b"], Properties::new());
        } else {
            let one = [Subscription::new(filter, QoS::ExactlyOnce)];
            let _ = self.subscribe(&one, Properties::new());
        }
        Ok(())
    }
}

impl Hosted for ServerConnection {
    fn begin(
        _: &mut Unstructured<'_>,
        _: Version,
        now: Instant,
        _: Session,
        options: Options,
    ) -> Result<Self> {
        Ok(Self::new(now, options))
    }

    fn act(&mut self, u: &mut Unstructured<'_>, now: Instant, held: &mut Held) -> Result<()> {
        if let Some(asked) = held.asked.take() {
            let mut list = Vec::new();
            list.extend(asked.method.as_deref().map(Property::AuthenticationMethod));
            if asked.client_id_empty {
                list.push(Property::AssignedClientIdentifier("assigned"));
            }
            let features = [
                Property::MaximumQos(QoS::AtLeastOnce),
                Property::RetainAvailable(false),
                Property::WildcardSubscriptionAvailable(false),
                Property::ServerKeepAlive(2),
            ];
            let choice: u8 = u.arbitrary()?;
            list.extend(
                features
                    .into_iter()
                    .enumerate()
                    .filter(|(bit, _)| choice >> bit & 3 == 3)
                    .map(|one| one.1),
            );
            let properties = match self.version() {
                Version::V5 => Properties::from(&list[..]),
                _ => Properties::new(),
            };
            if u.ratio(1, 16)? {
                let reason = ReasonCode::NotAuthorized;
                let _ = self.refuse(now, &Connack::new(reason));
                return Ok(());
            }
            let session = held.stored.take().filter(|_| !asked.clean_start);
            let connack = Connack {
                properties,
                ..Connack::new(ReasonCode::Success)
            };
            if self.accept(now, session, &connack).is_err() {
                held.asked = Some(asked);
            }
        } else if !held.requests.is_empty() {
            let index = u.choose_index(held.requests.len())?;
            let (token, subscribe, filters) = held.requests.swap_remove(index);
            let codes = vec![ReasonCode::Success; filters];
            let reason = [Property::ReasonString("a reason that may be left out")];
            let properties = Properties::from(&reason[..]);
            let result = match subscribe {
                true => self.suback(token, &codes, properties),
                false => self.unsuback(token, &codes, properties),
            };
            if let Err(error) = result {
                held.requests.push((error.token, subscribe, filters));
            }
        }
        Ok(())
    }
}

struct Bounds {
    receive_maximum: usize,
    kept: usize,
    reply_bytes: usize,
    requests: usize,
}

struct Host<M> {
    machine: M,
    version: Version,
    watch: Watch,
    bounds: Bounds,
    now: Instant,
    input: Vec<u8>,
    acks: Vec<AckToken>,
    held: Held,
    /// Identifiers of the messages that went out, by payload.
    sent: HashMap<Vec<u8>, u16>,
    count: usize,
    closed: Option<Closed>,
}

/// A conversation with a hostile peer, as the input describes it.
pub(crate) fn run<M: Hosted>(data: &[u8]) {
    // What has run out ends it.
    let _ = converse::<M>(&mut Unstructured::new(data));
}

fn options(u: &mut Unstructured<'_>) -> Result<(Options, Bounds)> {
    let receive_maximum = *u.choose(&[1, 2, 5, 1024])?;
    let kept = *u.choose(&[1024, 0, 1, 6])?;
    let reply_bytes = *u.choose(&[65_536, 1, 30])?;
    let requests = *u.choose(&[64, 1, 2])?;
    let policies = [
        QueuePolicy::Reject,
        QueuePolicy::DropOldest,
        QueuePolicy::DropQos0First,
    ];
    let options = Options::new()
        .with_receive_maximum(receive_maximum)
        .with_maximum_kept_messages(kept)
        .with_maximum_reply_bytes(reply_bytes)
        .with_maximum_open_requests(requests)
        .with_queue_policy(*u.choose(&policies)?)
        .with_manual_acknowledgement(u.arbitrary()?)
        .with_topic_alias_maximum(*u.choose(&[0, 2])?)
        .with_automatic_topic_aliases(*u.choose(&[0, 2])?)
        .with_maximum_packet_size(*u.choose(&[MAXIMUM_PACKET_SIZE, 40, 4])?)
        .with_answer_invalid_filters(u.arbitrary()?)
        .with_accept_v31(u.arbitrary()?)
        .with_connect_timeout(Duration::from_secs(9))
        .with_ping_timeout(Duration::from_secs(2));
    let bounds = Bounds {
        receive_maximum: receive_maximum.into(),
        kept: kept as usize,
        reply_bytes: reply_bytes as usize,
        requests: requests.into(),
    };
    Ok((options, bounds))
}

fn converse<M: Hosted>(u: &mut Unstructured<'_>) -> Result<()> {
    let version = *u.choose(&[Version::V5, Version::V311])?;
    let (options, bounds) = options(u)?;
    let now = Instant::from_millis(1_000_000);
    let machine = M::begin(u, version, now, Session::established(), options)?;
    let mut host = Host {
        machine,
        version,
        watch: Watch::new(M::SENDER, version, false),
        bounds,
        now,
        input: Vec::new(),
        acks: Vec::new(),
        held: Held::default(),
        sent: HashMap::new(),
        count: 0,
        closed: None,
    };
    while !u.is_empty() {
        host.step(u)?;
        host.look();
    }
    Ok(())
}

impl<M: Hosted> Host<M> {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let now = self.now;
        match u.int_in_range(0..=23)? {
            0..=2 => {
                let length = u.int_in_range(0..=40)?;
                let length = length.min(u.len());
                self.input.extend_from_slice(u.bytes(length)?);
                self.receive(usize::MAX);
            }
            3..=8 => {
                self.packet(u)?;
                self.receive(usize::MAX);
            }
            9 => {
                let length = u.len().min(100);
                let bytes = u.bytes(length)?;
                generate::with_packet(bytes, |_, packet| {
                    let _ = packet.encode(self.version, &mut self.input);
                });
                self.receive(usize::MAX);
            }
            10..=13 => self.publish(u)?,
            14 | 15 if !self.acks.is_empty() => {
                let index = u.choose_index(self.acks.len())?;
                let token = self.acks.swap_remove(index);
                let reason = *u.choose(&[ReasonCode::Success, ReasonCode::QuotaExceeded])?;
                if self.machine.acknowledge(&token, reason).is_ok() {
                    let again = self.machine.acknowledge(&token, reason);
                    assert_eq!(again, Err(AcknowledgeError::StaleToken));
                }
            }
            14..=17 => self.machine.act(u, now, &mut self.held)?,
            18 => {
                let by = *u.choose(&[0, 1, 700, 2_000, 10_000])?;
                self.now = now + Duration::from_millis(by);
            }
            19 => {
                self.now = self.machine.poll_timeout().unwrap_or(now).max(now);
                self.timeout();
            }
            20 | 21 => {
                let limit = *u.choose(&[usize::MAX, 0, 10, 60])?;
                self.transmit(limit);
            }
            22 => self.receive(1),
            _ => match u.int_in_range(0..=9)? {
                0 => self.machine.receive_eof(now),
                1 => {
                    let _ = self.machine.disconnect(now, &Disconnect::default());
                }
                2 | 3 => {
                    let method = [Property::AuthenticationMethod("M")];
                    let reasons = [
                        ReasonCode::ContinueAuthentication,
                        ReasonCode::ReAuthenticate,
                        ReasonCode::Success,
                    ];
                    let auth = Auth::new(*u.choose(&reasons)?, &method);
                    let _ = self.machine.auth(now, &auth);
                }
                4 | 5 => self.timeout(),
                _ => return self.reconnect(u),
            },
        }
        Ok(())
    }

    /// A packet as a peer may send it, under one of a few identifiers.
    fn packet(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let id = PacketId::new(u.int_in_range(1..=6)?).expect("not 0");
        let ack = Ack::new(id);
        let qos = *u.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])?;
        let refused = Ack {
            reason: ReasonCode::QuotaExceeded,
            ..ack
        };
        let limits = [
            Property::ReceiveMaximum(2),
            Property::MaximumPacketSize(60),
            Property::TopicAliasMaximum(2),
        ];
        let v5 = self.version == Version::V5;
        let limits = Properties::from(if v5 && u.arbitrary()? {
            &limits[..]
        } else {
            &[]
        });
        let codes = [ReasonCode::Success];
        let one = [Subscription::new("a/+", qos)];
        let two = ["a/+"];
        let packet = match u.int_in_range(0..=19)? {
            0 | 1 => Packet::Puback(ack),
            2 => Packet::Pubrec(ack),
            3 => Packet::Pubrec(refused),
            4 => Packet::Pubrel(ack),
            5 => Packet::Pubcomp(ack),
            6..=9 => Packet::from(Publish {
                qos,
                dup: qos != QoS::AtMostOnce && u.ratio(1, 4)?,
                packet_id: Some(id).filter(|_| qos != QoS::AtMostOnce),
                topic_alias: if v5 && u.arbitrary()? {
                    Some(u.int_in_range(1..=3)?)
                } else {
                    None
                },
                ..Publish::new("t", b"x")
            }),
            10 => Packet::Pingreq,
            11 => Packet::Pingresp,
            12..=14 if M::SENDER == Role::Client => Packet::from(Connack {
                session_present: u.arbitrary()?,
                properties: limits,
                ..Connack::new(ReasonCode::Success)
            }),
            12..=14 => Packet::from(Connect {
                clean_start: u.arbitrary()?,
                properties: limits,
                keep_alive: u.int_in_range(0..=3)?,
                ..Connect::new(self.version, "c")
            }),
            15 if M::SENDER == Role::Client => Packet::from(Suback {
                packet_id: id,
                reason_codes: (&codes[..]).into(),
                properties: Properties::new(),
            }),
            16 if M::SENDER == Role::Client => Packet::from(Unsuback {
                packet_id: id,
                reason_codes: (&codes[..if v5 { 1 } else { 0 }]).into(),
                properties: Properties::new(),
            }),
            15 => Packet::from(Subscribe {
                packet_id: id,
                subscriptions: (&one[..]).into(),
                properties: Properties::new(),
            }),
            16 => Packet::from(Unsubscribe {
                packet_id: id,
                filters: (&two[..]).into(),
                properties: Properties::new(),
            }),
            17 => Packet::from(Disconnect::default()),
            _ => Packet::Pubrec(ack),
        };
        let _ = packet.encode(self.version, &mut self.input);
        Ok(())
    }

    fn publish(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.count += 1;
        let padding = *u.choose(&[0, 0, 10, 60])?;
        let text = format!("{} {}", self.count, "-".repeat(padding));
        let message = Message::new(u.choose(&["t", "a/b", "u"])?, text.as_bytes())
            .expect("topic")
            .with_qos(*u.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])?)
            .with_retain(u.ratio(1, 8)?)
            .with_message_expiry_interval(u.ratio(1, 8)?.then_some(1));
        if u.ratio(1, 4)? {
            let publish = Publish {
                qos: message.qos(),
                ..Publish::new(message.topic(), message.payload())
            };
            let mut out = Vec::new();
            let _ = self.machine.publish_into(self.now, &publish, &mut out);
            self.sent(&out);
            return Ok(());
        }
        let copy = message.clone();
        let before = (
            self.machine.session().queued(),
            self.machine.session().in_flight(),
        );
        if let Err(error) = self.machine.publish(self.now, message) {
            assert_eq!(error.message, copy);
            let session = self.machine.session();
            assert_eq!((session.queued(), session.in_flight()), before);
        } else {
            assert!(self.machine.closed().is_none());
        }
        Ok(())
    }

    fn receive(&mut self, most: usize) {
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        for _ in 0..most {
            let before = rest.len();
            let event = self.machine.receive(self.now, &mut rest);
            assert!(rest.len() <= before);
            let start = input.len() - before;
            let version = self.machine.version();
            if self.closed.is_none() {
                self.watch
                    .took(version, &input[start..input.len() - rest.len()]);
            }
            let Some(event) = event else { break };
            match event {
                Event::Connect(asked) => {
                    self.watch.limits = Some(asked.limits);
                    self.held.asked = Some(asked);
                }
                Event::Connack { limits, .. } => self.watch.limits = Some(limits),
                Event::Publish(arrival) => {
                    assert!(self.closed.is_none());
                    assert!(!arrival.message.topic().is_empty());
                    self.watch.arrived(arrival.id, arrival.message.qos());
                    self.acks.extend(arrival.ack);
                    let most = self.bounds.receive_maximum;
                    assert!(
                        self.acks.len() <= most,
                        "{} of {most} unacknowledged",
                        self.acks.len()
                    );
                }
                Event::Published(_, id, _) => self.sent.retain(|_, sent| *sent != id),
                Event::Dropped(dropped) => {
                    if let Some(message) = &dropped.message {
                        self.sent.remove(message.payload());
                    }
                }
                Event::Request {
                    token,
                    subscribe,
                    filters,
                } => {
                    self.held.requests.push((token, subscribe, filters.len()));
                    let most = self.bounds.requests;
                    assert!(
                        self.held.requests.len() <= most,
                        "more than {most} requests"
                    );
                }
                Event::Other(_) | Event::Answered(..) | Event::Auth(_) | Event::Disconnect(_) => {}
            }
        }
        self.input = rest.to_vec();
    }

    fn sent(&mut self, bytes: &[u8]) -> usize {
        let (version, sent) = (self.machine.version(), &mut self.sent);
        self.watch.sent(version, bytes, |packet| {
            if let Some(id) = packet.id {
                let before = sent.insert(packet.payload.to_vec(), id);
                assert_eq!(packet.dup, before.is_some(), "DUP");
                assert!(
                    before.is_none_or(|before| before == id),
                    "another identifier"
                );
            }
        })
    }

    fn transmit(&mut self, limit: usize) -> usize {
        let mut out = Vec::new();
        let given = self.machine.poll_transmit(self.now, &mut out, limit);
        assert_eq!(given, out.len());
        let packets = self.sent(&out);
        assert!(given <= limit || packets == 1, "{given} of {limit}");
        given
    }

    fn timeout(&mut self) {
        let due = self.machine.poll_timeout();
        let closed = self.machine.closed();
        self.machine.handle_timeout(self.now);
        if due.is_none_or(|due| due > self.now) {
            assert_eq!(
                (self.machine.poll_timeout(), self.machine.closed()),
                (due, closed)
            );
        } else {
            assert!(
                self.machine.poll_timeout().is_none_or(|due| due > self.now),
                "spins"
            );
        }
    }

    /// What holds after every step.
    fn look(&mut self) {
        let closed = self.machine.closed();
        assert!(
            self.closed.is_none() || self.closed == closed,
            "the end has changed"
        );
        self.closed = closed;
        let session = self.machine.session();
        // Requests have their places among the identifiers, and are bounded by what waits for the wire.
        let kept = session.queued() + session.in_flight()
            - self.watch.requests.len().min(session.in_flight());
        if M::SENDER == Role::Server {
            assert!(
                kept <= self.bounds.kept,
                "{kept} of {} kept",
                self.bounds.kept
            );
        }
        if closed.is_some() {
            assert!(self.machine.poll_timeout().is_none() && !self.machine.is_connected());
            assert_eq!(self.machine.send_quota(), 0);
            let mut rest = &b"\xd0\0\x30\x03\0\x01t"[..];
            while let Some(event) = self.machine.receive(self.now, &mut rest) {
                assert!(
                    matches!(event, Event::Dropped(_) | Event::Other(_)),
                    "{event:?} after the end"
                );
            }
            assert!(rest.is_empty());
        } else if self.machine.is_connected() {
            let open = self.watch.open();
            let maximum = self.watch.limits.map_or(0, |limits| limits.receive_maximum);
            assert!(usize::from(self.machine.send_quota()) + open <= usize::from(maximum));
        }
    }

    /// The next connection of the session, in the same role.
    fn reconnect(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        // What was to be said is said; then nothing comes any more.
        let before = self.watch.replied;
        while self.transmit(usize::MAX) > 0 {}
        let replies = self.watch.replied - before;
        let session = self.machine.session();
        // One packet more than the bound, what the application asked for, and what a resumed session owes.
        let owed = 4 * (session.in_flight() + self.bounds.receive_maximum + 2)
            + 80 * (self.bounds.requests + 2);
        let most = self.bounds.reply_bytes + owed;
        assert!(
            replies <= most,
            "{replies} bytes of replies, {most} at most"
        );
        self.receive(usize::MAX);
        let (options, bounds) = options(u)?;
        let version = *u.choose(&[Version::V5, Version::V311])?;
        let fresh = M::begin(u, version, self.now, Session::new(), options.clone())?;
        let accepted = self.watch.opened;
        let session = std::mem::replace(&mut self.machine, fresh).into_session();
        match M::SENDER {
            Role::Client => self.machine = M::begin(u, version, self.now, session, options)?,
            Role::Server if accepted => self.held.stored = Some(session),
            Role::Server => {}
        }
        self.held.asked = None;
        self.held.requests.clear();
        self.acks.clear();
        self.input.clear();
        self.bounds = Bounds {
            // What an earlier connection kept stays.
            kept: bounds.kept.max(self.bounds.kept),
            ..bounds
        };
        (self.version, self.closed) = (version, None);
        self.watch = Watch::new(M::SENDER, version, false);
        Ok(())
    }
}
