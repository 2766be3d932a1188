//! The server's side of one connection.

mod answer;
mod event;

use alloc::vec::Vec;

pub use event::{AcceptError, AcceptErrorReason, ServerEvent};

use crate::connection::{
    AckToken, AcknowledgeError, CloseCause, Closed, Core, PayloadWanted, PeerLimits, Phase, Piece,
    RequestError, RequestToken,
};
use crate::message::Message;
use crate::options::Options;
use crate::packet::{Auth, Disconnect, Packet, Publish, Subscribe};
use crate::reason::ReasonCode;
use crate::session::{Change, Dropped, PublishError, PublishErrorReason, PublishHandle, Session};
use crate::time::Instant;
use crate::types::{PacketId, QoS, Role, Version};
use crate::violation::Violation;

/// The server's side of one connection, from the first byte to the end of the transport.
///
/// Driven by the same six methods as [`ClientConnection`](crate::ClientConnection), in the same
/// [loop](crate::ClientConnection#a-driver). Which client this is and what it may do is the
/// application's business: it answers [`ServerEvent::Connect`] with [`accept`](Self::accept) or
/// [`refuse`](Self::refuse), and [`ServerEvent::Subscribe`] with [`suback`](Self::suback), at once or
/// later. Until a connection is accepted it takes no further packet (AUTH excepted), so what a client
/// sends behind CONNECT waits in the caller's buffer; and it has no deadline, so an application that
/// asks others who the client is bounds that time itself.
///
/// # What it costs
///
/// At most 272 bytes with its [`Session`], where pointers have 64 bits, and no memory besides while nothing goes
/// on: after the opening, and once a ping finds everything settled. With [`publish_into`](Self::publish_into) traffic
/// of QoS 0 allocates nothing, that of QoS 1 and 2 only the message that is kept. [`Options`] bounds the rest.
///
/// # What a broker adds
///
/// It keeps, under each Client Identifier, the connection or else the [`Session`], the subscriptions
/// (which are session state too, but not in [`Session`]) and the will.
///
/// - **Take-over.** If the Client Identifier of a CONNECT is connected, the older connection ends
///   first: [`disconnect`](Self::disconnect) it with [`ReasonCode::SessionTakenOver`]
///   (MQTT-3.1.4-3 of 5.0, MQTT-3.1.4-2 of 3.1.1), send its last bytes, look at its
///   [`closed`](Self::closed), take its session out.
/// - **Resume.** `accept` gets the session that is kept, and the subscriptions stay. Session Present
///   and everything that has to be sent again follow from that.
/// - **Clean start.** With `clean_start` set in CONNECT, drop the session and the subscriptions, and
///   `accept` with `None` (MQTT-3.1.2-4 of 5.0, MQTT-3.1.2-6 of 3.1.1). So too where
///   [`session_expiry_interval`](Closed::session_expiry_interval) was 0 or has passed since.
/// - **The will.** Keep that of CONNECT ([`Message::from_will`]). A connection publishes nothing
///   itself: when [`will_due`](Closed::will_due), the broker does so after the Will Delay Interval or
///   at the end of the session, whichever is first, unless the session is resumed before
///   (MQTT-3.1.2-8, MQTT-3.1.3-9 of 5.0). 3.1.1 has no delay.
/// - **While a client is away** its messages go to [`Session::enqueue`]. What was queued when its
///   connection ended is still there, QoS 0 too.
///
/// # Towards a 3.1.1 client
///
/// A [`Message`] can be given to a client of either version; so can the answers.
///
/// | what 5.0 has | what a 3.1.1 client gets |
/// |---|---|
/// | properties of a message, User Properties among them | nothing of them |
/// | Message Expiry Interval | nothing; it is dropped here when it expires before it is sent |
/// | Subscription Identifiers, Topic Alias | nothing; the topic is whole |
/// | CONNACK: reason code, properties | the return code 1 to 5 that says the same, else the connection closes |
/// | SUBACK: a failure, properties | 0x80 |
/// | UNSUBACK: reason codes, properties | the Packet Identifier alone |
/// | PUBACK, PUBREC: a failure | [`AcknowledgeError::ReasonCode`]: success or nothing |
/// | DISCONNECT from the server, AUTH | the connection closes; no AUTH |
/// | Receive Maximum, Maximum Packet Size of the server | not announced: it is read no further, or the connection closes |
/// | Server Keep Alive | its own Keep Alive holds |
/// | Maximum QoS, Retain Available and the like in CONNACK | not announced, so not enforced either |
/// | No Local, Retain As Published, Retain Handling | SUBSCRIBE has the QoS alone; `$share/` is an ordinary filter |
///
/// Towards 5.0 nothing is lost.
///
/// # Towards a 3.1 client
///
/// MQTT 3.1 is accepted only [if asked for](Options::with_accept_v31); [`Connect::version`] tells. The table
/// above holds but for SUBACK, and in 3.1
///
/// - a Client Identifier that does not have 1 to 23 characters is refused with 0x02 before the application hears of
///   it (3.1, section 3.1);
/// - CONNACK has no Session Present, though the session is resumed all the same;
/// - SUBACK has no failure: a filter that is refused is granted QoS 0, since 3.1 demands a positive answer (section
///   3.8). The application just never serves that subscription;
/// - a PUBREL that is sent again has DUP set (section 2.1), and a SUBSCRIBE that the client sends again, with DUP or
///   without, is a second event.
///
/// Within a connection nothing is sent again; 3.1 recommends it (section 4.2), later versions forbid it or advise
/// against it.
///
/// [`Connect::version`]: crate::Connect::version
#[cfg_attr(test, derive(Clone, Hash))]
pub struct ServerConnection {
    core: Core,
}

impl ServerConnection {
    /// Begins with a transport that a client has opened. CONNECT is awaited until
    /// [`connect_timeout`](Options::with_connect_timeout) has passed.
    #[must_use]
    pub fn new(now: Instant, options: Options) -> Self {
        let mut core = Core::new(Role::Server, Version::V5, Session::new(), options);
        core.start_connect_timeout(now);
        Self { core }
    }

    /// Takes bytes from the transport, at most one event's worth, and moves `input` past them.
    ///
    /// `None`: more bytes are needed, or CONNECT waits for the application's answer, or replies
    /// wait for [`poll_transmit`](Self::poll_transmit), or too many requests or messages for the
    /// application's answers. Keep what is left of `input` and offer it again. Calling it again
    /// also tells that the last event has been dealt with, so that its automatic acknowledgement
    /// is sent.
    ///
    /// A peer that breaks a rule ends the connection: see [`closed`](Self::closed). From then on
    /// input is discarded.
    #[inline]
    pub fn receive<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Option<ServerEvent<'i>> {
        self.core.begin_receive();
        if input.is_empty() && self.core.has_nothing_to_report() {
            return None;
        }
        self.receive_next(now, input)
    }

    fn receive_next<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Option<ServerEvent<'i>> {
        loop {
            if let Some(dropped) = self.core.take_dropped() {
                return Some(ServerEvent::Dropped(dropped));
            }
            if self.awaits_answer_to_connect() {
                return None;
            }
            if self.core.takes_pieces() {
                match self.core.next_piece(now, input) {
                    Piece::Whole => {}
                    Piece::Wait => return None,
                    Piece::Again => continue,
                    Piece::Head(head) => return Some(ServerEvent::PublishHead(head)),
                    Piece::Payload { chunk, last } => {
                        return Some(ServerEvent::Payload { chunk, last });
                    }
                }
            }
            let decoded = if self.core.takes_input(input) {
                self.core.decode(input)
            } else {
                Ok(None)
            };
            let packet = match &decoded {
                Ok(Some(packet)) => packet,
                Ok(None) if self.core.drop_undeliverable(now) => continue,
                Ok(None) => return None,
                Err(error) => {
                    self.core.fail(*error);
                    continue;
                }
            };
            self.core.trace_received(packet);
            self.core.heard(now);
            // What a busy connection has many of: made where the caller wants it, since events are large.
            let settled = match (self.core.phase, packet) {
                (Phase::Connected, Packet::Publish(publish)) => {
                    match self.core.on_publish(publish) {
                        Ok(Some(taken)) => return Some(ServerEvent::Publish(taken.with(publish))),
                        Ok(None) => Ok(None),
                        Err(violation) => Err(violation),
                    }
                }
                (Phase::Connected, Packet::Puback(ack)) => self.core.on_puback(ack),
                (Phase::Connected, Packet::Pubrec(ack)) => self.core.on_pubrec(ack),
                (Phase::Connected, Packet::Pubrel(ack)) => self.core.on_pubrel(ack),
                (Phase::Connected, Packet::Pubcomp(ack)) => self.core.on_pubcomp(ack),
                (phase, _) => match self.on_other(phase, packet) {
                    Ok(Some(event)) => return Some(event),
                    Ok(None) => Ok(None),
                    Err(violation) => Err(violation),
                },
            };
            match (settled, packet) {
                (
                    Ok(Some(handle)),
                    Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubcomp(ack),
                ) => return Some(ServerEvent::Published { handle, ack: *ack }),
                (Ok(_), _) => {}
                (Err(violation), _) => self.core.violate(violation, packet.packet_type()),
            }
        }
    }

    fn on_first<'i>(&mut self, packet: &Packet<'i>) -> Result<Option<ServerEvent<'i>>, Violation> {
        let Packet::Connect(connect) = packet else {
            // MQTT-3.1.0-1, in 3.1.1 and in 5.0.
            return Err(Violation::FirstPacketNotConnect);
        };
        let core = &mut self.core;
        core.apply_connect(connect);
        core.peer = PeerLimits::from_properties(&connect.properties);
        core.phase = Phase::Connecting;
        core.trace_state("opening");
        core.stop_deadline();
        match connect.version {
            // MQTT-3.1.3-8 of 3.1.1.
            Version::V311 if connect.client_id.is_empty() && !connect.clean_start => {
                return Err(Violation::ClientIdEmpty);
            }
            // 3.1, section 3.1: characters, not bytes.
            Version::V31 if connect.client_id.is_empty() => return Err(Violation::ClientIdEmpty),
            Version::V31 if connect.client_id.chars().nth(23).is_some() => {
                return Err(Violation::ClientIdTooLong);
            }
            _ => {}
        }
        core.client_id_empty = connect.client_id.is_empty();
        Ok(Some(ServerEvent::Connect(*connect)))
    }

    fn on_authentication<'i>(
        &mut self,
        packet: &Packet<'i>,
    ) -> Result<Option<ServerEvent<'i>>, Violation> {
        match packet {
            Packet::Auth(auth) => {
                self.core.on_auth(auth)?;
                Ok(Some(ServerEvent::Auth(*auth)))
            }
            Packet::Disconnect(disconnect) => {
                self.core
                    .close(CloseCause::PeerDisconnected(disconnect.reason), false);
                Ok(Some(ServerEvent::Disconnect(*disconnect)))
            }
            _ => Err(Violation::UnexpectedPacket),
        }
    }

    #[inline(never)]
    fn on_other<'i>(
        &mut self,
        phase: Phase,
        packet: &Packet<'i>,
    ) -> Result<Option<ServerEvent<'i>>, Violation> {
        match phase {
            Phase::Connected => self.on_packet(packet),
            Phase::AwaitConnect => self.on_first(packet),
            _ => self.on_authentication(packet),
        }
    }

    fn on_packet<'i>(&mut self, packet: &Packet<'i>) -> Result<Option<ServerEvent<'i>>, Violation> {
        Ok(match packet {
            Packet::Auth(auth) => {
                self.core.on_auth(auth)?;
                Some(ServerEvent::Auth(*auth))
            }
            Packet::Disconnect(disconnect) => {
                self.core.on_disconnect(disconnect)?;
                Some(ServerEvent::Disconnect(*disconnect))
            }
            Packet::Subscribe(subscribe) => {
                self.check_subscribe(subscribe)?;
                let filters = subscribe.subscriptions.len();
                Some(ServerEvent::Subscribe {
                    subscribe: *subscribe,
                    token: self.open_request(subscribe.packet_id, filters, true),
                })
            }
            Packet::Unsubscribe(unsubscribe) => Some(ServerEvent::Unsubscribe {
                unsubscribe: *unsubscribe,
                token: self.open_request(unsubscribe.packet_id, unsubscribe.filters.len(), false),
            }),
            Packet::Pingreq => {
                // MQTT-3.12.4-1, in 3.1.1 and in 5.0.
                self.core.push(&[0xd0, 0x00]);
                self.core.rest();
                None
            }
            // MQTT-3.1.0-2, in 3.1.1 and in 5.0.
            Packet::Connect(_) => return Err(Violation::SecondConnect),
            _ => return Err(Violation::UnexpectedPacket),
        })
    }

    /// What CONNACK declared unavailable ends the connection (5.0 §3.2.2.3.11 to §3.2.2.3.13).
    fn check_subscribe(&self, subscribe: &Subscribe<'_>) -> Result<(), Violation> {
        let features = &self.core.peer.features;
        if !features.subscription_identifier
            && subscribe.properties.subscription_identifier().is_some()
        {
            return Err(Violation::SubscriptionIdentifierNotSupported);
        }
        if features.wildcard && features.shared {
            return Ok(());
        }
        for subscription in subscribe.subscriptions.iter() {
            match features.refuses(subscription.filter, self.core.version) {
                None => {}
                Some(ReasonCode::SharedSubscriptionsNotSupported) => {
                    return Err(Violation::SharedNotSupported);
                }
                Some(_) => return Err(Violation::WildcardNotSupported),
            }
        }
        Ok(())
    }

    fn open_request(
        &mut self,
        packet_id: PacketId,
        filters: usize,
        subscribe: bool,
    ) -> RequestToken {
        self.core.request_opened();
        RequestToken {
            connection: self.core.token(),
            packet_id,
            filters,
            subscribe,
        }
    }

    /// The transport has ended: no more bytes will come. Offer what was read to
    /// [`receive`](Self::receive) first: from now on input is discarded. Without effect once closed.
    pub fn receive_eof(&mut self, _now: Instant) {
        self.core.receive_eof();
    }

    /// Takes messages back that wait to be sent for the first time.
    pub(crate) fn discard_queued(
        &mut self,
        chosen: impl FnMut(&Message) -> bool,
    ) -> Vec<PublishHandle> {
        self.core.session.discard_all(false, chosen)
    }

    /// Does what is due at `now`; nothing before [`poll_timeout`](Self::poll_timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(now);
    }

    /// Appends whole packets to `out` and returns the bytes appended; 0: there is nothing to send.
    ///
    /// It stops before `limit` bytes are passed, but gives the first packet whatever its size.
    /// What it gave counts as sent. Once [`closed`](Self::closed) it gives what was to be said
    /// before, and no messages.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>, limit: usize) -> usize {
        self.core.poll_transmit(now, out, limit)
    }

    /// The next moment at which [`handle_timeout`](Self::handle_timeout) has something to do:
    /// everything that time alone can change.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    /// How the connection ended, once it has; it does not change any more.
    /// [`poll_transmit`](Self::poll_transmit) may still give a last packet; then close the transport
    /// (5.0 §4.13.2; MQTT-4.8.0-1 of 3.1.1).
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.core.closed()
    }

    /// Takes the session out, at any time, for the client's next connection. Everything that was
    /// not sent, QoS 0 too, or not settled is in it. Of no use where
    /// [`Closed::session_expiry_interval`] is 0.
    #[must_use]
    pub fn into_session(self) -> Session {
        self.core.into_session()
    }

    /// The protocol version of CONNECT; 5.0 before it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.core.version
    }

    /// Whether the connection was accepted and is not closed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.core.phase == Phase::Connected
    }

    /// Whether [`receive`](Self::receive) looks at input now. False: CONNECT, requests or messages
    /// wait for the application's answers, or replies for [`poll_transmit`](Self::poll_transmit);
    /// until then more bytes would only pile up in the caller's buffer.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.awaits_answer_to_connect() && self.core.wants_input()
    }

    /// Nothing but AUTH is looked at until the application has answered CONNECT (MQTT-3.1.2-30,
    /// MQTT-3.1.4-6 of 5.0, MQTT-3.1.4-5 of 3.1.1).
    fn awaits_answer_to_connect(&self) -> bool {
        self.core.phase == Phase::Connecting && self.core.authentication_method().is_none()
    }

    /// The next [`Change`] of the session to be stored, in order; there is none unless
    /// [asked for](Options::with_change_records). Take them all after each
    /// [`poll_transmit`](Self::poll_transmit), and [store them](Change#which-bytes-wait-for-which-record) before its
    /// bytes go out.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.core.session.poll_change()
    }

    /// Messages of QoS 1 and 2 that the client would take now (5.0 §4.9); further ones wait in the
    /// queue. 0 before the connection is accepted.
    #[must_use]
    pub fn send_quota(&self) -> u16 {
        self.core.send_quota()
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has something to give, nearly.
    pub(crate) fn has_output(&self) -> bool {
        self.core.has_output()
    }

    /// The highest QoS that CONNACK promised.
    pub(crate) fn maximum_qos(&self) -> QoS {
        self.core.peer.features.maximum_qos
    }

    /// The bounds of a connection that is not accepted yet.
    pub(crate) fn set_options(&mut self, options: Options) {
        self.core.set_options(options);
    }

    /// That the client was not listened to is not its fault.
    pub(crate) fn forgive_silence(&mut self, now: Instant) {
        self.core.heard(now);
    }

    /// Puts a message into the session of a connection that has ended.
    pub(crate) fn enqueue(
        &mut self,
        now: Instant,
        message: Message,
    ) -> Result<PublishHandle, PublishError> {
        self.core.session.enqueue(now, message, &self.core.options)
    }

    /// As [`receive`](Self::receive) would report it.
    pub(crate) fn take_dropped(&mut self) -> Option<Dropped> {
        self.core.take_dropped()
    }

    /// As [`into_session`](Self::into_session), of one that has ended.
    pub(crate) fn take_session(&mut self) -> Session {
        self.core.take_session()
    }

    #[cfg(all(test, feature = "std"))]
    pub(crate) fn unsettled_of_peer(&self) -> (usize, usize) {
        self.core.unsettled_of_peer()
    }

    /// The session, as it stands.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.core.session
    }

    /// Queues a message; it leaves with [`poll_transmit`](Self::poll_transmit) as soon as the
    /// client's Receive Maximum allows, in the order of the calls. To a 3.1.1 client it goes
    /// without its properties, expiry and subscription identifiers.
    ///
    /// The handle comes back in one event: [`ServerEvent::Published`] at QoS 1 and 2, or
    /// [`ServerEvent::Dropped`], perhaps from a later connection of the session. A message of QoS 0
    /// that was sent has no event.
    ///
    /// # Errors
    ///
    /// The message comes back: the connection is not accepted or closed, the queue is full, or the
    /// client does not take a packet of that size.
    pub fn publish(
        &mut self,
        now: Instant,
        message: Message,
    ) -> Result<PublishHandle, PublishError> {
        self.core.publish(now, message)
    }

    /// [`publish`](Self::publish) and [`poll_transmit`](Self::poll_transmit) without a limit in one: appends to
    /// `out` what has to go out before, and the message unless it has to wait for the client's Receive
    /// Maximum. The message is given as a packet, and copied only if it waits or has to be kept until it
    /// is acknowledged; one of QoS 0 that leaves at once takes no place in the session.
    ///
    /// DUP, Packet Identifier and Topic Alias in `publish` are not looked at: the connection writes
    /// them.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and [`Invalid`](PublishErrorReason::Invalid) for what cannot be encoded.
    /// With [`QueueFull`](PublishErrorReason::QueueFull) `out` may have got what had to go out before.
    pub fn publish_into(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        out: &mut Vec<u8>,
    ) -> Result<PublishHandle, PublishErrorReason> {
        self.core.publish_into(now, publish, out)
    }

    /// Binds a Topic Alias to a topic for the rest of this connection: the next message to that topic
    /// carries both, later ones the alias alone (5.0 §3.3.2.3.4). To bind either to another one is
    /// allowed. [Automatic aliases](Options::with_automatic_topic_aliases) use what is left. At most
    /// the peer's Topic Alias Maximum of topics is kept.
    ///
    /// # Errors
    ///
    /// The connection is not open, the topic is no Topic Name, or the alias is 0 or above the peer's
    /// Topic Alias Maximum, which is 0 before 5.0.
    pub fn set_topic_alias(&mut self, topic: &str, alias: u16) -> Result<(), RequestError> {
        self.core.set_topic_alias(topic, alias)
    }

    /// The payload that is to go out next: the last thing that [`poll_transmit`](Self::poll_transmit) gave
    /// was the head of a message with a [streamed payload](Message::with_streamed_payload). Until that is
    /// complete `poll_transmit` gives 0: not even PINGREQ can be sent, nor an acknowledgement, and
    /// [`disconnect`](Self::disconnect) is refused.
    ///
    /// A message that is sent again after a reconnect wants its payload from the beginning, a QoS 2 one
    /// not any more after PUBREC. One whose payload cannot be supplied any more: end the transport,
    /// call [`Session::discard`], and go on with the next one. One of QoS 0 is gone with the transport.
    /// [`ClientConnection::payload_wanted`](crate::ClientConnection::payload_wanted) shows a driver.
    #[must_use]
    pub fn payload_wanted(&self) -> Option<PayloadWanted> {
        self.core.payload_wanted()
    }

    /// Takes what the message that [`payload_wanted`](Self::payload_wanted) tells needs of `bytes`, and
    /// moves `bytes` behind it. What is returned counts as sent: write it to the transport, behind what
    /// `poll_transmit` gave. Empty if no payload is wanted.
    pub fn transmit_payload<'b>(&mut self, now: Instant, bytes: &mut &'b [u8]) -> &'b [u8] {
        self.core.transmit_payload(now, bytes)
    }

    /// Acknowledges a message, in any order: acknowledgements leave in the order in which the
    /// messages came (MQTT-4.6.0-2, MQTT-4.6.0-3, in 3.1.1 and in 5.0).
    ///
    /// # Errors
    ///
    /// The token is of an earlier connection or was used, or the reason code is not for PUBACK or
    /// PUBREC; 3.1.1 knows success only. One for a message whose payload is not complete is kept and
    /// sent when it is.
    pub fn acknowledge(
        &mut self,
        token: &AckToken,
        reason: ReasonCode,
    ) -> Result<(), AcknowledgeError> {
        self.core.acknowledge(token, reason)
    }

    /// Sends a step of enhanced authentication: Continue authentication before
    /// [`accept`](Self::accept), and in a re-authentication, which only a client begins, also Success
    /// (5.0 §4.12). The client has [`connect_timeout`](Options::with_connect_timeout) for each answer. A
    /// re-authentication that fails ends with [`disconnect`](Self::disconnect) and
    /// [`NotAuthorized`](ReasonCode::NotAuthorized) (MQTT-4.12.1-2).
    ///
    /// # Errors
    ///
    /// It is not the server's turn ([`AuthenticationOrder`](RequestError::AuthenticationOrder)), CONNECT named no Authentication Method or another one, the reason code is not a server's at
    /// this point, there is no room, or the connection is closed.
    pub fn auth(&mut self, now: Instant, auth: &Auth<'_>) -> Result<(), RequestError> {
        self.core.auth(now, auth)
    }

    /// Ends the connection. 5.0: DISCONNECT follows what [`poll_transmit`](Self::poll_transmit)
    /// still has to give, messages excepted; those stay in the session. To have them sent, transmit
    /// first. 3.1.1 has no such packet: it just closes.
    ///
    /// # Errors
    ///
    /// The reason code is not a server's, a Session Expiry Interval is among the properties
    /// (MQTT-3.14.2-2 of 5.0), or the connection is not accepted or closed already.
    pub fn disconnect(
        &mut self,
        _now: Instant,
        disconnect: &Disconnect<'_>,
    ) -> Result<(), RequestError> {
        self.core.disconnect(disconnect)
    }
}

impl core::fmt::Debug for ServerConnection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.core.fmt_as("ServerConnection", f)
    }
}
