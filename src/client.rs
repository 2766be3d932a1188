//! The client's side of one connection.

mod event;
mod request;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use event::{ClientEvent, ConnectError};

use crate::connection::{
    AckToken, AcknowledgeError, Asked, CloseCause, Closed, Core, PayloadWanted, PeerLimits, Phase,
    Piece, RequestError,
};
use crate::message::Message;
use crate::options::Options;
use crate::packet::{Auth, Connack, Connect, Disconnect, Packet, Publish};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::session::{
    Change, PublishError, PublishErrorReason, PublishHandle, RequestHandle, Session, State,
};
use crate::time::Instant;
use crate::types::{PacketId, PacketType, Role, Version};
use crate::violation::Violation;
use crate::wire::EncodeError;

/// The client's side of one connection, from CONNECT to the end of the transport.
///
/// Six methods drive it, in any order and any number of times:
/// [`receive`](Self::receive) and [`receive_eof`](Self::receive_eof) take what the transport gives,
/// [`poll_transmit`](Self::poll_transmit) gives what it is to take,
/// [`poll_timeout`](Self::poll_timeout) and [`handle_timeout`](Self::handle_timeout) tell and take
/// the time, and [`closed`](Self::closed) says when it is over.
///
/// # A driver
///
/// One turn of its loop, after bytes were read into `input`, a deadline has passed or the
/// application has called something:
///
/// ```
/// # use sansio_mqtt::*;
/// # fn turn(connection: &mut ClientConnection, now: Instant, input: &mut Vec<u8>, out: &mut Vec<u8>) {
/// loop {
///     let mut unread = &input[..];
///     while let Some(event) = connection.receive(now, &mut unread) {
///         // the application's business
///         # let _ = event;
///     }
///     let taken = input.len() - unread.len();
///     input.drain(..taken);
///     // After `receive`: what came in time but is looked at late counts.
///     connection.handle_timeout(now);
///     if connection.poll_transmit(now, out, 64 * 1024) == 0 {
///         break;
///     }
///     // write `out` to the transport
///     # out.clear();
/// }
/// // unless `closed()`: wait for bytes, for `poll_timeout()` or for the application
/// # }
/// ```
///
/// - **Reading.** What `receive` leaves is offered again with the bytes that follow it. While
///   [`wants_input`](Self::wants_input) is false, read nothing from the transport: that is what
///   slows a peer that asks faster than it is served.
/// - **Writing.** What `poll_transmit` gave counts as sent: write it in order and whole. Ask for more
///   when it is written. Until then messages wait in the session, where they are counted, expire and
///   outlive the transport.
/// - **Large payloads.** One that is not in memory goes out in pieces, see
///   [`payload_wanted`](Self::payload_wanted): ask it when `poll_transmit` gives 0. They come in pieces
///   with [`Options::with_whole_publish_limit`].
/// - **Write errors.** A transport that takes nothing any more may still give something: the last
///   acknowledgements, or the DISCONNECT that says why. Throw away what cannot be written, go on
///   reading, and call `receive_eof` when there is nothing more to be read.
/// - **The end.** Once `closed` says so, call `receive` until there is no event (messages may have
///   been dropped, requests have remained unanswered) and `poll_transmit` until it gives 0: there may be
///   a DISCONNECT, or a server's CONNACK. Write that, end the writing side of the transport, read for a moment until the peer has
///   ended its own, and close: TCP that is closed with input unread is reset, which can take the last
///   packet back.
/// - **The next transport.** A connection is used once. Take the [`Session`] out with
///   [`into_session`](Self::into_session), also after an error, and make a new connection around it.
///   To resume, leave `clean_start` off in [`Connect`] while the session
///   [is established](Session::is_established), and in 5.0 ask for a Session Expiry Interval.
///   Messages go on by themselves; a SUBSCRIBE or UNSUBSCRIBE without an answer does not, and is reported
///   as [`ClientEvent::Unanswered`]: by this connection, or else by the next.
///
/// It costs what a [`ServerConnection`](crate::ServerConnection#what-it-costs) does.
#[cfg_attr(test, derive(Clone, Hash))]
pub struct ClientConnection {
    core: Core,
}

impl ClientConnection {
    /// Begins a connection on a transport that is open: CONNECT is the first thing that
    /// [`poll_transmit`](Self::poll_transmit) gives (MQTT-3.1.0-1, in 3.1.1 and in 5.0).
    ///
    /// With Clean Start, or when the server has no session, what was in flight in `session` is
    /// reported as [`ClientEvent::Dropped`]; what was only queued is sent.
    ///
    /// A clean start that got no answer is asked for again, whatever `connect` says: Session Present would
    /// not tell the old session from a new one, and one taken for the other loses or doubles messages. In
    /// 3.1.1 that session ends with its connection, as [`Closed::session_expiry_interval`] says.
    ///
    /// # Errors
    ///
    /// `connect` cannot be encoded, is one of MQTT 3.1 ([`RequestError::LegacyVersion`]), has an empty
    /// client identifier without CleanSession in 3.1.1 (MQTT-3.1.3-7), or sets one of the three
    /// properties that are written from `options`: Receive Maximum, Maximum Packet Size, Topic Alias
    /// Maximum.
    pub fn new(
        now: Instant,
        connect: &Connect<'_>,
        session: Session,
        options: Options,
    ) -> Result<Self, ConnectError> {
        let connect = &Connect {
            clean_start: connect.clean_start || (session.ended && session.established),
            ..*connect
        };
        let mut bytes = Vec::new();
        if let Err(reason) = Self::encode_connect(connect, &options, &mut bytes) {
            return Err(ConnectError {
                session: Box::new(session),
                reason,
            });
        }
        let mut core = Core::new(Role::Client, connect.version, session, options);
        core.apply_connect(connect);
        core.push(&bytes);
        core.start_connect_timeout(now);
        core.trace_state("opening");
        Ok(Self { core })
    }

    fn encode_connect(
        connect: &Connect<'_>,
        options: &Options,
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        if connect.version == Version::V31 {
            return Err(RequestError::LegacyVersion);
        }
        if connect.version == Version::V311 && connect.client_id.is_empty() && !connect.clean_start
        {
            return Err(EncodeError::Violation(Violation::ClientIdEmpty).into());
        }
        let announced = Core::announce(options, connect.version, connect.properties)?;
        let connect = Connect {
            properties: Properties::from(&announced[..]),
            ..*connect
        };
        Ok(Packet::from(connect).encode(connect.version, out)?)
    }

    /// Takes bytes from the transport, at most one event's worth, and moves `input` past them.
    ///
    /// `None`: more bytes are needed, or replies wait for [`poll_transmit`](Self::poll_transmit),
    /// or (with manual acknowledgement) for [`acknowledge`](Self::acknowledge). Keep what is left
    /// of `input` and offer it again. Calling it again also tells that the last event has been
    /// dealt with, so that its automatic acknowledgement is sent.
    ///
    /// A peer that breaks a rule ends the connection: see [`closed`](Self::closed). From then on
    /// input is discarded.
    #[inline]
    pub fn receive<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Option<ClientEvent<'i>> {
        self.core.begin_receive();
        if input.is_empty() && self.core.has_nothing_to_report() {
            return None;
        }
        self.receive_next(now, input)
    }

    fn receive_next<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Option<ClientEvent<'i>> {
        loop {
            if let Some(dropped) = self.core.take_dropped() {
                return Some(ClientEvent::Dropped(dropped));
            }
            if let Some(handle) = self.core.take_unanswered() {
                return Some(ClientEvent::Unanswered(handle));
            }
            if self.core.takes_pieces() {
                match self.core.next_piece(now, input) {
                    Piece::Whole => {}
                    Piece::Wait => return None,
                    Piece::Again => continue,
                    Piece::Head(head) => return Some(ClientEvent::PublishHead(head)),
                    Piece::Payload { chunk, last } => {
                        return Some(ClientEvent::Payload { chunk, last });
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
                        Ok(Some(taken)) => return Some(ClientEvent::Publish(taken.with(publish))),
                        Ok(None) => Ok(None),
                        Err(violation) => Err(violation),
                    }
                }
                (Phase::Connected, Packet::Puback(ack)) => self.core.on_puback(ack),
                (Phase::Connected, Packet::Pubrec(ack)) => self.core.on_pubrec(ack),
                (Phase::Connected, Packet::Pubrel(ack)) => self.core.on_pubrel(ack),
                (Phase::Connected, Packet::Pubcomp(ack)) => self.core.on_pubcomp(ack),
                (phase, _) => match self.on_other(now, phase, packet) {
                    Ok(Some(event)) => return Some(event),
                    Ok(None) => Ok(None),
                    Err(violation) => Err(violation),
                },
            };
            match (settled, packet) {
                (
                    Ok(Some(handle)),
                    Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubcomp(ack),
                ) => return Some(ClientEvent::Published { handle, ack: *ack }),
                (Ok(_), _) => {}
                (Err(violation), _) => self.core.violate(violation, packet.packet_type()),
            }
        }
    }

    /// Before CONNACK of success.
    fn on_opening<'i>(
        &mut self,
        now: Instant,
        packet: &Packet<'i>,
    ) -> Result<Option<ClientEvent<'i>>, Violation> {
        match packet {
            Packet::Connack(connack) => {
                let opened = self.on_connack(now, connack);
                self.core.note_restart();
                opened?;
                Ok(Some(ClientEvent::Connack(*connack)))
            }
            Packet::Auth(auth) => {
                self.core.on_auth(auth)?;
                Ok(Some(ClientEvent::Auth(*auth)))
            }
            // MQTT-3.2.0-1, in 3.1.1 and in 5.0.
            _ => Err(Violation::UnexpectedPacket),
        }
    }

    fn on_connack(&mut self, now: Instant, connack: &Connack<'_>) -> Result<(), Violation> {
        let core = &mut self.core;
        if connack.reason.is_error() || !core.clean_start {
            core.asked = Asked::Refused;
        } // else the old session has ended, even if what follows ends the connection
        if connack.reason.is_error() {
            core.close(CloseCause::Refused(connack.reason), false);
            return Ok(());
        }
        if core.version == Version::V5 {
            match core.authentication_method() {
                // MQTT-4.12.0-5 and MQTT-4.12.0-6 of 5.0.
                None if connack.properties.authentication_method().is_none() => {}
                _ => core.check_authentication_method(&connack.properties)?,
            }
        }
        // MQTT-3.2.2-4 of 5.0; 3.1.1 leaves it to the client whether to go on (§3.2.2.2), but a
        // clean session is never an old one (MQTT-3.2.2-1 of 3.1.1).
        let unknown = core.version == Version::V5 && !core.session.is_established();
        if connack.session_present && (unknown || core.clean_start) {
            return Err(Violation::SessionPresentUnexpected);
        }
        core.peer = PeerLimits::from_properties(&connack.properties);
        // MQTT-3.1.2-21, MQTT-3.2.2-21 of 5.0.
        if let Some(seconds) = connack.properties.server_keep_alive() {
            core.keep_alive = seconds;
        }
        if let Some(seconds) = connack.properties.session_expiry_interval() {
            core.session_expiry_interval = seconds;
        }
        core.stop_deadline();
        core.open(connack.session_present);
        core.rest();
        core.restart_ping(now);
        Ok(())
    }

    #[inline(never)]
    fn on_other<'i>(
        &mut self,
        now: Instant,
        phase: Phase,
        packet: &Packet<'i>,
    ) -> Result<Option<ClientEvent<'i>>, Violation> {
        match phase {
            Phase::Connected => self.on_packet(packet),
            _ => self.on_opening(now, packet),
        }
    }

    fn on_packet<'i>(&mut self, packet: &Packet<'i>) -> Result<Option<ClientEvent<'i>>, Violation> {
        Ok(match packet {
            Packet::Auth(auth) => {
                self.core.on_auth(auth)?;
                Some(ClientEvent::Auth(*auth))
            }
            Packet::Disconnect(disconnect) => {
                self.core.on_disconnect(disconnect)?;
                Some(ClientEvent::Disconnect(*disconnect))
            }
            Packet::Suback(suback) => {
                self.core.check_problem_information(&suback.properties)?;
                let codes = Some(suback.reason_codes.len());
                let handle = self.take_request(suback.packet_id, PacketType::Suback, codes)?;
                Some(ClientEvent::Subscribed {
                    handle,
                    suback: *suback,
                })
            }
            Packet::Unsuback(unsuback) => {
                self.core.check_problem_information(&unsuback.properties)?;
                let codes = match self.core.version {
                    // It has none (3.1.1 §3.11.3).
                    Version::V311 => None,
                    _ => Some(unsuback.reason_codes.len()),
                };
                let handle = self.take_request(unsuback.packet_id, PacketType::Unsuback, codes)?;
                Some(ClientEvent::Unsubscribed {
                    handle,
                    unsuback: *unsuback,
                })
            }
            Packet::Pingresp => {
                self.core.on_pingresp();
                self.core.rest();
                None
            }
            _ => return Err(Violation::UnexpectedPacket),
        })
    }

    /// The request that an answer belongs to, with its identifier freed.
    fn take_request(
        &mut self,
        id: PacketId,
        answer: PacketType,
        codes: Option<usize>,
    ) -> Result<RequestHandle, Violation> {
        let in_flight = &mut self.core.session.in_flight;
        let filters = match in_flight.get(id).map(|entry| &entry.state) {
            Some(&State::Subscribe(filters)) if answer == PacketType::Suback => filters,
            Some(&State::Unsubscribe(filters)) if answer == PacketType::Unsuback => filters,
            _ => return Err(Violation::AckUnexpected),
        };
        if codes.is_some_and(|codes| codes != filters) {
            return Err(Violation::ReasonCodeCount);
        }
        let entry = in_flight.remove(id).ok_or(Violation::AckUnexpected)?;
        Ok(RequestHandle(entry.handle))
    }

    /// The transport has ended: no more bytes will come. Offer what was read to
    /// [`receive`](Self::receive) first: from now on input is discarded. Without effect once closed.
    pub fn receive_eof(&mut self, _now: Instant) {
        self.core.receive_eof();
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
    /// (MQTT-3.14.4-1 of 3.1.1, MQTT-3.14.4-2 of 5.0).
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.core.closed()
    }

    /// Takes the session out, at any time, for the next connection. Everything that was not sent,
    /// QoS 0 too, or not settled is in it. Where it has ended with the connection
    /// ([`Closed::session_expiry_interval`] of 0), what was in flight is reported by the next
    /// connection as [`ClientEvent::Dropped`].
    #[must_use]
    pub fn into_session(self) -> Session {
        self.core.into_session()
    }

    /// The protocol version of CONNECT.
    #[must_use]
    pub fn version(&self) -> Version {
        self.core.version
    }

    /// Whether CONNACK has accepted the connection and it is not closed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.core.phase == Phase::Connected
    }

    /// Whether [`receive`](Self::receive) looks at input now. False: replies wait for
    /// [`poll_transmit`](Self::poll_transmit), or messages for
    /// [`acknowledge`](Self::acknowledge); until then more bytes would only pile up in the caller's
    /// buffer.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.core.wants_input()
    }

    /// The next [`Change`] of the session to be stored, in order; there is none unless
    /// [asked for](Options::with_change_records). Take them all after each
    /// [`poll_transmit`](Self::poll_transmit), and [store them](Change#which-bytes-wait-for-which-record) before its
    /// bytes go out.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.core.session.poll_change()
    }

    /// Messages of QoS 1 and 2 that the server would take now (5.0 §4.9); further ones wait in the
    /// queue. 0 before CONNACK.
    #[must_use]
    pub fn send_quota(&self) -> u16 {
        self.core.send_quota()
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
    /// server's Receive Maximum allows, in the order of the calls. Allowed before CONNACK.
    ///
    /// The handle comes back in one event: [`ClientEvent::Published`] at QoS 1 and 2, or
    /// [`ClientEvent::Dropped`], perhaps from a later connection of the session. A message of QoS 0
    /// that was sent has no event.
    ///
    /// # Errors
    ///
    /// The message comes back: the connection is closed, the queue is full, the server does not
    /// take such a message, or 3.1.1 cannot express it. What the server takes is known with CONNACK;
    /// a message that was queued before and turns out too much is dropped.
    pub fn publish(
        &mut self,
        now: Instant,
        message: Message,
    ) -> Result<PublishHandle, PublishError> {
        self.core.publish(now, message)
    }

    /// [`publish`](Self::publish) and [`poll_transmit`](Self::poll_transmit) without a limit in one: appends to
    /// `out` what has to go out before, and the message unless it has to wait for the server's Receive
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
    /// A server is not pinged then, nor missed: Keep Alive is the time between two packets.
    ///
    /// A message that is sent again after a reconnect wants its payload from the beginning, a QoS 2 one
    /// not any more after PUBREC. One whose payload cannot be supplied any more: end the transport,
    /// call [`Session::discard`], and connect again. One of QoS 0 is gone with the transport.
    ///
    /// ```
    /// # use sansio_mqtt::*;
    /// # use std::io::{Read, Seek, SeekFrom, Write};
    /// /// What a driver does when `poll_transmit` gives 0 and the transport takes more.
    /// fn send_payload(
    ///     connection: &mut ClientConnection,
    ///     now: Instant,
    ///     mut file_of: impl FnMut(PublishHandle) -> std::fs::File,
    ///     transport: &mut impl Write,
    /// ) -> std::io::Result<()> {
    ///     let mut buffer = [0; 16 * 1024];
    ///     while let Some(wanted) = connection.payload_wanted() {
    ///         let mut file = file_of(wanted.handle);
    ///         file.seek(SeekFrom::Start(wanted.offset.into()))?;
    ///         let length = file.read(&mut buffer)?;
    ///         if length == 0 {
    ///             return Err(std::io::ErrorKind::UnexpectedEof.into()); // shorter than promised
    ///         }
    ///         let mut bytes = &buffer[..length];
    ///         transport.write_all(connection.transmit_payload(now, &mut bytes))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
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

    /// Sends a step of enhanced authentication, in answer to [`ClientEvent::Auth`], or with
    /// [`ReAuthenticate`](ReasonCode::ReAuthenticate) begins a re-authentication, during which other
    /// traffic goes on (5.0 §4.12). It ends with an AUTH of Success, or the connection does; the server
    /// has [`connect_timeout`](Options::with_connect_timeout) for each step.
    ///
    /// # Errors
    ///
    /// It is not the client's turn ([`AuthenticationOrder`](RequestError::AuthenticationOrder)), CONNECT named no Authentication Method or another one, the reason code is not a client's at
    /// this point, there is no room, or the connection is closed.
    pub fn auth(&mut self, now: Instant, auth: &Auth<'_>) -> Result<(), RequestError> {
        self.core.auth(now, auth)
    }

    /// Ends the connection: DISCONNECT follows what [`poll_transmit`](Self::poll_transmit) still
    /// has to give, messages excepted; those stay in the session. To have them sent, transmit
    /// first.
    ///
    /// # Errors
    ///
    /// The reason code is not a client's, 3.1.1 cannot express it, the Session Expiry Interval
    /// would rise from 0, or the connection is closed already.
    pub fn disconnect(
        &mut self,
        _now: Instant,
        disconnect: &Disconnect<'_>,
    ) -> Result<(), RequestError> {
        self.core.disconnect(disconnect)
    }
}

impl core::fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.core.fmt_as("ClientConnection", f)
    }
}
