//! The core of both roles: one connection's state, its gate for input, its timers, its end.
//!
//! `inbound` has what comes from the peer while the connection is open, `outbound` what goes to it,
//! `aliases` the two tables of topic aliases, `event` the public words.
//!
//! Everything that answers input goes through one buffer, `control`, in the order in which it came
//! about; messages follow it. So the bytes that come out depend on the calls and on nothing else.

mod aliases;
mod event;
mod inbound;
mod outbound;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use aliases::{InboundAliases, OutboundAliases};
pub use event::{
    AckToken, AcknowledgeError, CloseCause, Closed, DropReason, Dropped, Incoming, ReplyError,
    ReplyErrorReason, RequestError, RequestToken,
};
pub(crate) use event::{Features, PeerLimits};

use crate::options::Options;
use crate::packet::{Auth, Connack, Connect, DecodeOptions, Disconnect, Packet};
use crate::property::{Properties, Property};
use crate::reason::ReasonCode;
use crate::session::{IdSet, Session, State};
use crate::time::Instant;
use crate::types::{PacketId, PacketType, QoS, Role, Version};
use crate::violation::{DecodeError, Violation};

/// How far the opening of the connection has come.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Server: waits for CONNECT. Client: never.
    AwaitConnect,
    /// Server: CONNECT is with the application. Client: waits for CONNACK.
    Connecting,
    /// After a CONNACK of success.
    Connected,
    Closed,
}

/// How far the CONNECT of a client has come.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    Unsent,
    /// It has left and nobody knows what came of it.
    Unanswered,
    /// Nothing came of it.
    Refused,
    Accepted,
}

/// A moment that may not be set.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Timer(u64);

impl Timer {
    pub(crate) const OFF: Self = Self(u64::MAX);

    pub(crate) fn at(now: Instant, after: core::time::Duration) -> Self {
        Self(now.saturating_add(after).as_millis())
    }

    fn due(self, now: Instant) -> bool {
        self != Self::OFF && self.0 <= now.as_millis()
    }

    fn instant(self) -> Option<Instant> {
        (self != Self::OFF).then_some(Instant::from_millis(self.0))
    }
}

/// A QoS 1 or 2 PUBLISH whose PUBACK or PUBREC is not in `control` yet.
struct Pending {
    id: PacketId,
    qos: QoS,
    reason: Option<ReasonCode>,
}

/// What most connections never have.
#[derive(Default)]
struct Rare {
    inbound_aliases: InboundAliases,
    outbound_aliases: OutboundAliases,
    /// That of CONNECT.
    authentication_method: Option<Box<str>>,
    /// To be reported by `receive`.
    dropped: VecDeque<Dropped>,
    /// What a resumed session has to send again, PUBREL and then PUBLISH, each in the order of first
    /// sending: identifier and handle, since the identifier may be given away before its turn
    /// comes.
    resend: VecDeque<(PacketId, u64)>,
}

pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) session: Session,
    pub(crate) peer: PeerLimits,
    decode_options: DecodeOptions,
    /// Whole packets that wait for the wire, messages excepted.
    control: Vec<u8>,
    /// In the order of arrival; acknowledgements leave from its front only (MQTT-4.6.0-2,
    /// MQTT-4.6.0-3, in 3.1.1 and in 5.0).
    pending: VecDeque<Pending>,
    /// Exchanges that the peer opened on this connection and that are not settled: what counts
    /// against our Receive Maximum.
    open: IdSet,
    rare: Option<Box<Rare>>,
    closed: Option<Closed>,
    /// Opening of the connection; then, client: answer to a ping, server: keep alive.
    deadline: Timer,
    /// Client: when the next PINGREQ is due.
    ping: Timer,
    /// Tells this connection's tokens from those of any other.
    connection: usize,
    /// Sequence number of `pending`'s front.
    first_pending: u32,
    pub(crate) session_expiry_interval: u32,
    /// What CONNECT said: it alone decides whether DISCONNECT may raise it (5.0 §3.14.2.2.2).
    connect_session_expiry_interval: u32,
    /// Our messages that count against the peer's Receive Maximum.
    sent: u16,
    pub(crate) keep_alive: u16,
    /// Server: requests that wait for the application.
    open_requests: u16,
    pub(crate) version: Version,
    role: Role,
    pub(crate) phase: Phase,
    pub(crate) asked: Asked,
    pub(crate) clean_start: bool,
    has_will: bool,
    /// Server: CONNECT named no client identifier.
    pub(crate) client_id_empty: bool,
    /// What the client asked for (MQTT-3.1.2-29 of 5.0).
    problem_information: bool,
}

/// Tokens must not be taken by another connection, even of another session in another thread, so
/// their number cannot come from either. It never shows in bytes.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

#[cfg(target_has_atomic = "ptr")]
fn next_connection() -> usize {
    CONNECTIONS.fetch_add(1, Ordering::Relaxed)
}

/// Single-core chips without compare-and-swap.
#[cfg(not(target_has_atomic = "ptr"))]
fn next_connection() -> usize {
    let number = CONNECTIONS.load(Ordering::Relaxed);
    CONNECTIONS.store(number.wrapping_add(1), Ordering::Relaxed);
    number
}

impl Core {
    pub(crate) fn new(role: Role, version: Version, session: Session, options: Options) -> Self {
        let (phase, maximum, sender) = match role {
            Role::Client => (
                Phase::Connecting,
                options.maximum_packet_size(),
                Role::Server,
            ),
            Role::Server => (
                Phase::AwaitConnect,
                options
                    .maximum_connect_size()
                    .min(options.maximum_packet_size()),
                Role::Client,
            ),
        };
        Self {
            decode_options: DecodeOptions::new()
                .with_maximum_packet_size(maximum)
                .with_sender(Some(sender))
                .with_unchecked_filters(options.answer_invalid_filters()),
            options,
            session,
            peer: PeerLimits::none(),
            control: Vec::new(),
            pending: VecDeque::new(),
            open: IdSet::default(),
            rare: None,
            closed: None,
            deadline: Timer::OFF,
            ping: Timer::OFF,
            connection: next_connection(),
            first_pending: 0,
            session_expiry_interval: 0,
            connect_session_expiry_interval: 0,
            sent: 0,
            keep_alive: 0,
            open_requests: 0,
            version,
            role,
            phase,
            asked: Asked::Unsent,
            clean_start: true,
            has_will: false,
            client_id_empty: false,
            problem_information: true,
        }
    }

    /// Takes over what CONNECT settles, for either role.
    pub(crate) fn apply_connect(&mut self, connect: &Connect<'_>) {
        self.version = connect.version;
        self.clean_start = connect.clean_start;
        self.keep_alive = connect.keep_alive;
        self.has_will = connect.will.is_some();
        self.session_expiry_interval = match connect.version {
            // CleanSession is both "start clean" and "end with the connection" (MQTT-3.1.2-6 of
            // 3.1.1).
            Version::V311 => {
                if connect.clean_start {
                    0
                } else {
                    u32::MAX
                }
            }
            _ => connect.properties.session_expiry_interval().unwrap_or(0),
        };
        self.connect_session_expiry_interval = self.session_expiry_interval;
        self.problem_information = connect
            .properties
            .request_problem_information()
            .unwrap_or(true);
        if let Some(method) = connect.properties.authentication_method() {
            self.rare().authentication_method = Some(Box::from(method));
        }
    }

    /// After a CONNACK of success: the session is known to both sides, and a resumed one has to
    /// send again what is not settled (MQTT-4.4.0-1, in 3.1.1 and in 5.0).
    pub(crate) fn open(&mut self, resumed: bool) {
        self.phase = Phase::Connected;
        self.asked = Asked::Accepted;
        let resumed = resumed && !self.session.ended;
        self.session.ended = false;
        self.session.established = true;
        self.decode_options = self
            .decode_options
            .with_maximum_packet_size(self.options.maximum_packet_size());
        if resumed {
            let mut resend: Vec<(bool, u64, PacketId)> = self
                .session
                .in_flight
                .iter()
                .map(|entry| {
                    let publish = matches!(entry.state, State::Publish { .. });
                    (publish, entry.handle, entry.id)
                })
                .collect();
            if !resend.is_empty() {
                // PUBREL first: it must not wait behind a PUBLISH for which there is no quota
                // (MQTT-3.3.4-8, MQTT-4.9.0-3 of 5.0).
                resend.sort_unstable();
                let resend = resend.into_iter().map(|(_, handle, id)| (id, handle));
                self.rare().resend = resend.collect();
            }
        } else {
            self.session.received.clear();
            if self.session.in_flight.len() > 0 {
                let lost = self.session.in_flight.take_all();
                self.rare()
                    .dropped
                    .extend(lost.into_iter().map(Dropped::session_lost));
            }
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Box::default)
    }

    pub(crate) fn authentication_method(&self) -> Option<&str> {
        self.rare.as_ref()?.authentication_method.as_deref()
    }

    pub(crate) fn take_dropped(&mut self) -> Option<Dropped> {
        self.rare.as_mut()?.dropped.pop_front()
    }

    // --- input -------------------------------------------------------------------------------

    /// What begins every `receive`: the application has had the last message, so its automatic
    /// acknowledgement is due.
    pub(crate) fn begin_receive(&mut self) {
        // Nothing may follow DISCONNECT (MQTT-3.14.4-1, in 3.1.1 and in 5.0).
        if self.phase == Phase::Connected
            && !self.options.manual_acknowledgement()
            && !self.pending.is_empty()
        {
            for pending in &mut self.pending {
                pending.reason.get_or_insert(ReasonCode::Success);
            }
            self.flush_acknowledgements();
        }
    }

    #[inline(always)] // a packet is large: it is made where it is looked at
    /// The next packet, if one is whole and the connection can bear its consequences.
    pub(crate) fn next_packet<'i>(
        &mut self,
        now: Instant,
        input: &mut &'i [u8],
    ) -> Option<Packet<'i>> {
        if self.phase == Phase::Closed {
            *input = &[];
            return None;
        }
        if self.is_backlogged() {
            return None;
        }
        match Packet::decode(self.version, &self.decode_options, input) {
            Ok(Some(packet)) => {
                self.heard(now);
                Some(packet)
            }
            Ok(None) => None,
            Err(error) => {
                self.fail(error);
                *input = &[];
                None
            }
        }
    }

    /// A peer that asks and does not read the answers is read no further; nor is one whose
    /// messages or requests the application does not answer.
    fn is_backlogged(&self) -> bool {
        self.control.len() >= self.options.maximum_reply_bytes() as usize
            || self.open_requests >= self.options.maximum_open_requests()
            || self.pending.len() >= self.maximum_pending()
    }

    /// 5.0: one more is looked at, since a peer that overruns what was announced is told. 3.1.1
    /// announces nothing, so the peer is held up.
    fn maximum_pending(&self) -> usize {
        let announced = usize::from(self.version != Version::V311);
        usize::from(self.options.receive_maximum()) + announced
    }

    /// A whole packet came (MQTT-3.1.2-22 of 5.0, MQTT-3.1.2-24 of 3.1.1).
    fn heard(&mut self, now: Instant) {
        if self.phase != Phase::Connected {
            return;
        }
        match self.role {
            Role::Server => self.restart_keep_alive(now),
            // Whatever comes while a PINGRESP is due shows that the server lives.
            Role::Client => {
                if self.deadline != Timer::OFF {
                    self.deadline = Timer::at(now, self.options.ping_timeout());
                }
            }
        }
    }

    // --- time --------------------------------------------------------------------------------

    /// Starts the wait for CONNECT, CONNACK or AUTH.
    pub(crate) fn start_connect_timeout(&mut self, now: Instant) {
        self.deadline = Timer::at(now, self.options.connect_timeout());
    }

    pub(crate) fn stop_deadline(&mut self) {
        self.deadline = Timer::OFF;
    }

    /// Server: one and a half times the Keep Alive from now.
    pub(crate) fn restart_keep_alive(&mut self, now: Instant) {
        self.deadline = match self.keep_alive {
            0 => Timer::OFF,
            seconds => Timer::at(
                now,
                core::time::Duration::from_millis(u64::from(seconds) * 1500),
            ),
        };
    }

    /// Client: something was sent at this moment. The PINGREQ goes out a little before the Keep
    /// Alive has passed, so that it is there in time (MQTT-3.1.2-20 of 5.0, MQTT-3.1.2-23 of
    /// 3.1.1).
    pub(crate) fn restart_ping(&mut self, now: Instant) {
        if self.role == Role::Client && self.phase == Phase::Connected {
            self.ping = match u64::from(self.keep_alive) * 1000 {
                0 => Timer::OFF,
                period => {
                    let early = (period / 4).min(5_000);
                    Timer::at(now, core::time::Duration::from_millis(period - early))
                }
            };
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.phase == Phase::Closed {
            return None;
        }
        Timer(self.deadline.0.min(self.ping.0)).instant()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.deadline.due(now) {
            let cause = match (self.phase, self.role) {
                (Phase::Connected, Role::Server) => CloseCause::KeepAliveTimeout,
                (Phase::Connected, Role::Client) => CloseCause::PingTimeout,
                _ => CloseCause::ConnectTimeout,
            };
            if cause == CloseCause::KeepAliveTimeout && self.version != Version::V311 {
                self.push_disconnect(&Disconnect::new(ReasonCode::KeepAliveTimeout));
            }
            self.close(cause, true);
            return;
        }
        if self.ping.due(now) {
            // Only sending starts it again: a transport that takes nothing is not pinged twice.
            self.ping = Timer::OFF;
            // A server that does not even take a PINGREQ gets none, and has its silence counted.
            let _ = self.push_whole(Packet::Pingreq);
            if self.deadline == Timer::OFF {
                self.deadline = Timer::at(now, self.options.ping_timeout());
            }
        }
    }

    // --- the end -----------------------------------------------------------------------------

    pub(crate) fn closed(&self) -> Option<Closed> {
        self.closed
    }

    /// Ends the connection; the first cause stays.
    pub(crate) fn close(&mut self, cause: CloseCause, abnormal: bool) {
        if self.phase == Phase::Closed {
            return;
        }
        // A will is stored with an accepted connection only (MQTT-3.1.2-7 of 5.0, MQTT-3.1.2-8 of
        // 3.1.1).
        let will_due = abnormal && self.has_will && self.phase == Phase::Connected;
        if self.role == Role::Server && self.phase != Phase::Connected {
            // Not accepted: whatever session the client has is not the empty one in here.
            self.session_expiry_interval = 0;
        }
        self.phase = Phase::Closed;
        self.deadline = Timer::OFF;
        self.ping = Timer::OFF;
        self.closed = Some(Closed {
            cause,
            will_due,
            session_expiry_interval: self.session_expiry_interval,
        });
    }

    /// The peer broke a rule that the bytes alone do not show.
    pub(crate) fn violate(&mut self, violation: Violation, packet_type: PacketType) {
        self.fail(DecodeError::new(
            violation,
            Some(packet_type),
            self.version,
            0,
        ));
    }

    /// The peer broke a rule: says so where the standard has a packet for it, and closes
    /// (5.0 §4.13.1, MQTT-4.8.0-1 of 3.1.1).
    pub(crate) fn fail(&mut self, error: DecodeError) {
        let reason = error.violation().reason_code();
        match (self.role, self.phase) {
            (Role::Server, Phase::AwaitConnect) => {
                // To whatever is no CONNECT the answer is silence: DISCONNECT is not allowed
                // (MQTT-3.14.0-1 of 5.0) and CONNACK answers nothing.
                if error.packet_type() == Some(PacketType::Connect) {
                    self.answer_bad_connect(&error);
                }
            }
            (Role::Server, Phase::Connecting) => self.push_refusal(reason),
            _ => {
                if self.version != Version::V311 {
                    let reason = if reason.allowed_in(PacketType::Disconnect, Some(self.role)) {
                        reason
                    } else {
                        ReasonCode::ProtocolError
                    };
                    self.push_disconnect(&Disconnect::new(reason));
                }
            }
        }
        self.close(CloseCause::Violation(error), true);
    }

    fn answer_bad_connect(&mut self, error: &DecodeError) {
        match error.violation() {
            // Something else than MQTT has come to this port.
            Violation::ProtocolName => {}
            // In the form that the client can read (MQTT-3.1.2-2, in 3.1.1 and in 5.0).
            Violation::ProtocolVersionLegacy => {
                self.version = Version::V311;
                self.push_refusal(ReasonCode::UnsupportedProtocolVersion);
            }
            Violation::ProtocolVersion => {
                self.version = Version::V5;
                self.push_refusal(ReasonCode::UnsupportedProtocolVersion);
            }
            // 3.1.1 closes without CONNACK (MQTT-3.1.4-1 of 3.1.1).
            _ => {
                self.version = error.version();
                if self.version != Version::V311 {
                    self.push_refusal(error.violation().reason_code());
                }
            }
        }
    }

    /// A CONNACK of refusal, where the version has the code.
    pub(crate) fn push_refusal(&mut self, reason: ReasonCode) {
        let reason = if self.version == Version::V311
            || reason.allowed_in(PacketType::Connack, Some(Role::Server))
        {
            reason
        } else {
            ReasonCode::ProtocolError
        };
        // 3.1.1 closes without CONNACK where no return code fits (MQTT-3.2.2-6 of 3.1.1), 5.0 where
        // the client takes no packet of five bytes: then nothing is encoded.
        let _ = self.push_whole(Packet::from(Connack::new(reason)));
    }

    /// The last packet, trimmed to what the peer takes; nothing where even that is too much.
    pub(crate) fn push_disconnect(&mut self, disconnect: &Disconnect<'_>) {
        let _ = self.push_trimmed(Packet::from(*disconnect));
    }

    pub(crate) fn receive_eof(&mut self) {
        self.close(CloseCause::Eof, true);
    }

    pub(crate) fn disconnect(&mut self, disconnect: &Disconnect<'_>) -> Result<(), RequestError> {
        let connected = match self.role {
            // A client may leave at any time after CONNECT.
            Role::Client => self.phase != Phase::Closed,
            Role::Server => self.phase == Phase::Connected,
        };
        if !connected {
            return Err(RequestError::NotOpen);
        }
        if !disconnect
            .reason
            .allowed_in(PacketType::Disconnect, Some(self.role))
        {
            return Err(RequestError::ReasonCode(disconnect.reason));
        }
        let expiry = disconnect.properties.session_expiry_interval();
        if let Some(expiry) = expiry {
            let raised = self.connect_session_expiry_interval == 0 && expiry != 0;
            if raised || self.role == Role::Server {
                return Err(RequestError::SessionExpiry);
            }
        }
        if self.version == Version::V311 && self.role == Role::Server {
            // 3.1.1 has no DISCONNECT from a server: it closes (3.1.1 §3.14).
        } else {
            self.push_trimmed(Packet::from(*disconnect))?;
        }
        self.session_expiry_interval = expiry.unwrap_or(self.session_expiry_interval);
        let discards_will = self.role == Role::Client && disconnect.reason == ReasonCode::Success;
        self.close(CloseCause::Disconnected(disconnect.reason), !discards_will);
        Ok(())
    }

    pub(crate) fn into_session(mut self) -> Session {
        self.session.detach();
        self.session
    }

    // --- replies -----------------------------------------------------------------------------

    /// Sends a packet that may carry a Reason String and User Properties. Both are left out where
    /// the client did not ask for them (MQTT-3.1.2-29 of 5.0), and one after the other where they
    /// would not fit the peer's Maximum Packet Size (MQTT-3.2.2-19, MQTT-3.2.2-20 of 5.0 and their
    /// likes for each packet).
    pub(crate) fn push_trimmed(&mut self, packet: Packet<'_>) -> Result<(), RequestError> {
        let maximum = self.peer.maximum_packet_size;
        let declined = self.role == Role::Server
            && !self.problem_information
            && !matches!(packet, Packet::Connack(_) | Packet::Disconnect(_));
        let mut size = 0;
        for step in 0..3 {
            let (no_reason, no_user) = (declined || step > 0, declined || step > 1);
            let mut trimmed = packet;
            let mut kept: Vec<Property<'_>> = Vec::new();
            if no_reason {
                if let Some(properties) = properties_mut(&mut trimmed) {
                    kept.extend(properties.iter().filter(|property| match property {
                        Property::ReasonString(_) => false,
                        Property::UserProperty(..) => !no_user,
                        _ => true,
                    }));
                    *properties = Properties::from(&kept[..]);
                }
            }
            size = trimmed.encoded_len(self.version);
            if size <= maximum as usize {
                return Ok(trimmed.encode(self.version, &mut self.control)?);
            }
        }
        Err(RequestError::TooLarge { size, maximum })
    }

    /// Sends a packet that is a caller's, or says why not.
    pub(crate) fn push_whole(&mut self, packet: Packet<'_>) -> Result<(), RequestError> {
        let (size, maximum) = (
            packet.encoded_len(self.version),
            self.peer.maximum_packet_size,
        );
        if size > maximum as usize {
            return Err(RequestError::TooLarge { size, maximum });
        }
        Ok(packet.encode(self.version, &mut self.control)?)
    }

    /// Sends bytes of a whole packet.
    pub(crate) fn push(&mut self, packet: &[u8]) {
        self.control.extend_from_slice(packet);
    }

    /// A caller that asks faster than the transport takes is told so.
    pub(crate) fn require_room(&self) -> Result<(), RequestError> {
        if self.control.len() >= self.options.maximum_reply_bytes() as usize {
            return Err(RequestError::Backlog);
        }
        Ok(())
    }

    pub(crate) fn fmt_as(&self, name: &str, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct(name)
            .field("version", &self.version)
            .field("phase", &self.phase)
            .field("session", &self.session)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }

    /// AUTH, which the connection carries without knowing the method (5.0 §4.12).
    pub(crate) fn auth(&mut self, now: Instant, auth: &Auth<'_>) -> Result<(), RequestError> {
        if !matches!(self.phase, Phase::Connecting | Phase::Connected) {
            return Err(RequestError::NotOpen);
        }
        let method = self.authentication_method();
        if method.is_none() || auth.properties.authentication_method() != method {
            return Err(RequestError::AuthenticationMethod);
        }
        let role = self.role;
        let fits_phase = match self.phase {
            // MQTT-4.12.0-2 and MQTT-4.12.0-3 of 5.0.
            Phase::Connecting => auth.reason == ReasonCode::ContinueAuthentication,
            _ => auth.reason.allowed_in(PacketType::Auth, Some(role)),
        };
        if !fits_phase {
            return Err(RequestError::ReasonCode(auth.reason));
        }
        self.require_room()?;
        self.push_trimmed(Packet::from(*auth))?;
        if self.phase == Phase::Connecting {
            self.start_connect_timeout(now);
        }
        Ok(())
    }

    /// The peer's AUTH belongs to the method of CONNECT (MQTT-4.12.0-5 to -7, MQTT-4.12.1-1 of
    /// 5.0).
    pub(crate) fn check_auth(&self, properties: &Properties<'_>) -> Result<(), Violation> {
        self.check_problem_information(properties)?;
        match (
            self.authentication_method(),
            properties.authentication_method(),
        ) {
            (None, _) => Err(Violation::AuthenticationNotNegotiated),
            (Some(ours), Some(theirs)) if ours == theirs => Ok(()),
            _ => Err(Violation::AuthenticationMethodMismatch),
        }
    }

    /// What the options announce, for CONNECT and CONNACK; nothing that the standard assumes
    /// anyway.
    pub(crate) fn announce<'p>(
        options: &Options,
        version: Version,
        properties: Properties<'p>,
    ) -> Result<Vec<Property<'p>>, RequestError> {
        let mut announced: Vec<Property<'p>> = properties.iter().collect();
        if announced.iter().any(|property| {
            matches!(
                property,
                Property::ReceiveMaximum(_)
                    | Property::MaximumPacketSize(_)
                    | Property::TopicAliasMaximum(_)
            )
        }) {
            return Err(RequestError::SetByOptions);
        }
        if version != Version::V311 {
            if options.receive_maximum() != u16::MAX {
                announced.push(Property::ReceiveMaximum(options.receive_maximum()));
            }
            if options.maximum_packet_size() < crate::wire::MAXIMUM_PACKET_SIZE {
                announced.push(Property::MaximumPacketSize(options.maximum_packet_size()));
            }
            if options.topic_alias_maximum() > 0 {
                announced.push(Property::TopicAliasMaximum(options.topic_alias_maximum()));
            }
        }
        Ok(announced)
    }
}

/// The properties of a packet that can have a Reason String.
fn properties_mut<'a, 'p>(packet: &'a mut Packet<'p>) -> Option<&'a mut Properties<'p>> {
    match packet {
        Packet::Connack(packet) => Some(&mut packet.properties),
        Packet::Suback(packet) => Some(&mut packet.properties),
        Packet::Unsuback(packet) => Some(&mut packet.properties),
        Packet::Disconnect(packet) => Some(&mut packet.properties),
        Packet::Auth(packet) => Some(&mut packet.properties),
        _ => None,
    }
}
