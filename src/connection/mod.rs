//! The core of both roles: one connection's state, its opening and its gate for input.
//!
//! `inbound` has what comes from the peer while the connection is open, `publish` takes the messages that
//! go to it and `outbound` makes bytes of them, `replies` has all other packets, `timers` what time does,
//! `ending` the end, `aliases` the two tables of topic aliases, `authentication` the steps of AUTH,
//! `stream_in` and `stream_out` payloads that go in pieces, `event` the public words.
//!
//! Everything that answers input goes through one buffer, `control`, in the order in which it came
//! about; messages follow it. So the bytes that come out depend on the calls and on nothing else.

mod aliases;
mod authentication;
mod ending;
mod event;
mod idle;
mod inbound;
mod outbound;
mod publish;
mod replies;
mod stream_in;
mod stream_out;
mod timers;
mod trace;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use aliases::{InboundAliases, OutboundAliases};
use authentication::Authentication;
pub use event::{
    AckToken, AcknowledgeError, CloseCause, Closed, Incoming, IncomingHead, PayloadWanted,
    ReplyError, ReplyErrorReason, RequestError, RequestToken,
};
pub(crate) use event::{ConnectionNumber, Features, PeerLimits};
use inbound::Received;
use stream_in::Arriving;
pub(crate) use stream_in::Piece;
use stream_out::Departing;
use timers::Timer;

use crate::options::Options;
use crate::packet::{Connect, Packet};
use crate::session::{Dropped, RequestHandle, Session, State};
use crate::types::{PacketId, QoS, Role, Version};
use crate::violation::DecodeError;

/// How far the opening of the connection has come.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
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
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Asked {
    Unsent,
    /// It has left and nobody knows what came of it.
    Unanswered,
    /// Nothing came of it.
    Refused,
    Accepted,
}

/// What most connections never have.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
struct Rare {
    inbound_aliases: InboundAliases,
    outbound_aliases: OutboundAliases,
    authentication: Option<Authentication>,
    /// What a resumed session has to send again, PUBREL and then PUBLISH, each in the order of first
    /// sending: identifier and handle, since the identifier may be given away before its turn
    /// comes.
    resend: VecDeque<(PacketId, u64)>,
    /// Our message whose payload is not complete.
    departing: Option<Departing>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.inbound_aliases.is_empty()
            && self.outbound_aliases.is_empty()
            && self.authentication.is_none()
            && self.resend.is_empty()
            && self.departing.is_none()
    }
}

// `Clone` and `Hash` in tests, here and on everything that this holds, are for the exploration of all states.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) session: Session,
    pub(crate) peer: PeerLimits,
    /// Whole packets that wait for the wire, messages excepted.
    control: Vec<u8>,
    /// There from the first QoS 2 message of the peer on, or QoS 1 with manual acknowledgement.
    received: Option<Box<Received>>,
    /// The message that the next `receive` acknowledges.
    automatic: Option<(PacketId, QoS)>,
    /// The peer's message whose payload is not complete.
    arriving: Option<Arriving>,
    rare: Option<Box<Rare>>,
    closed: Option<Closed>,
    /// Opening of the connection; then, client: answer to a ping, server: keep alive.
    deadline: Timer,
    /// Client: when the next PINGREQ is due.
    ping: Timer,
    /// Tells this connection's tokens from those of any other.
    connection: ConnectionNumber,
    pub(crate) session_expiry_interval: u32,
    /// CONNECT said 0: it alone decides whether DISCONNECT may raise it (5.0 §3.14.2.2.2).
    session_is_brief: bool,
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
    /// QoS and RETAIN of the will in CONNECT.
    pub(crate) will: Option<(QoS, bool)>,
    /// Server: CONNECT named no client identifier.
    pub(crate) client_id_empty: bool,
    /// What the client asked for (MQTT-3.1.2-29 of 5.0).
    problem_information: bool,
    /// What went out last is a head: nothing but its payload may follow.
    inside_payload: bool,
    /// Once `control` is empty, buffers are given back.
    resting: bool,
    /// Where the sequence of `received` goes on when that is made anew: no token of this connection comes
    /// twice.
    next_sequence: u32,
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
    pub(crate) fn new(
        role: Role,
        version: Version,
        session: Session,
        mut options: Options,
    ) -> Self {
        let (phase, sender) = match role {
            Role::Client => (Phase::Connecting, Role::Server),
            Role::Server => (Phase::AwaitConnect, Role::Client),
        };
        options.begin(sender);
        let mut session = session;
        session.attach(&options);
        Self {
            options,
            session,
            peer: PeerLimits::none(),
            control: Vec::new(),
            received: None,
            automatic: None,
            arriving: None,
            rare: None,
            closed: None,
            deadline: Timer::OFF,
            ping: Timer::OFF,
            connection: ConnectionNumber(next_connection()),
            session_expiry_interval: 0,
            session_is_brief: true,
            sent: 0,
            keep_alive: 0,
            open_requests: 0,
            version,
            role,
            phase,
            asked: Asked::Unsent,
            clean_start: true,
            will: None,
            client_id_empty: false,
            problem_information: true,
            inside_payload: false,
            resting: false,
            next_sequence: 0,
        }
    }

    /// Takes over what CONNECT settles, for either role.
    pub(crate) fn apply_connect(&mut self, connect: &Connect<'_>) {
        self.version = connect.version;
        self.clean_start = connect.clean_start;
        self.keep_alive = connect.keep_alive;
        self.will = connect.will.as_ref().map(|will| (will.qos, will.retain));
        self.session_expiry_interval = match connect.version {
            // CleanSession is both "start clean" and "end with the connection" (MQTT-3.1.2-6 of
            // 3.1.1).
            Version::V31 | Version::V311 => {
                if connect.clean_start {
                    0
                } else {
                    u32::MAX
                }
            }
            _ => connect.properties.session_expiry_interval().unwrap_or(0),
        };
        self.session_is_brief = self.session_expiry_interval == 0;
        self.problem_information = connect
            .properties
            .request_problem_information()
            .unwrap_or(true);
        if let Some(method) = connect.properties.authentication_method() {
            self.begin_authentication(method);
        }
    }

    /// After a CONNACK of success: the session is known to both sides, and a resumed one has to
    /// send again what is not settled (MQTT-4.4.0-1, in 3.1.1 and in 5.0).
    pub(crate) fn open(&mut self, resumed: bool) {
        self.phase = Phase::Connected;
        self.trace_state("connected");
        self.asked = Asked::Accepted;
        self.options.open();
        self.end_authentication();
        if self.session.open(resumed) {
            self.resume();
        }
        self.note_restart();
    }

    /// Something has happened by which it is decided what the next connection of the session may think of the
    /// peer's.
    pub(crate) fn note_restart(&mut self) {
        let lives = self.session_expiry_interval != 0;
        let Session {
            established, ended, ..
        } = self.session;
        let (established, ended) = match (self.role, self.asked) {
            // The server may have done what CONNECT asked for: ended the old session, begun one.
            (Role::Client, Asked::Unanswered) => (established | lives, ended | self.clean_start),
            (Role::Client, Asked::Accepted) => (established & lives, ended | !lives),
            // Of a server's session the application knows when it ends.
            _ => (established, ended),
        };
        self.session.set_restart(established, ended);
    }

    fn resume(&mut self) {
        let mut resend: Vec<(bool, u64, PacketId)> = Vec::new();
        let mut refused = Vec::new();
        for entry in self.session.in_flight.iter() {
            let mut publish = false;
            if let State::Publish { message, .. } = &entry.state {
                // The new connection may have smaller limits. What was sent does not expire any
                // more (MQTT-4.3.3-7 of 5.0).
                match self.refusal(message) {
                    Some(reason) => refused.push((entry.handle, entry.id, reason)),
                    None => publish = true,
                }
            }
            resend.push((publish, entry.handle, entry.id));
        }
        refused.sort_unstable_by_key(|&(handle, ..)| handle);
        for (_, id, reason) in refused {
            self.session.drop_in_flight(id, reason);
        }
        if !resend.is_empty() {
            // PUBREL first: it must not wait behind a PUBLISH for which there is no quota
            // (MQTT-3.3.4-8, MQTT-4.9.0-3 of 5.0).
            resend.sort_unstable();
            let resend = resend.into_iter().map(|(_, handle, id)| (id, handle));
            self.rare().resend = resend.collect();
        }
    }

    /// Other bounds, as long as the connection is not open.
    pub(crate) fn set_options(&mut self, options: Options) {
        self.options = options;
        self.options.begin(match self.role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        });
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Box::default)
    }

    pub(crate) fn take_unanswered(&mut self) -> Option<RequestHandle> {
        self.session.dropped.pop_unanswered()
    }

    pub(crate) fn take_dropped(&mut self) -> Option<Dropped> {
        if self.session.dropped.is_empty() {
            return None;
        }
        self.session.take_dropped()
    }

    /// Whether `receive` has nothing to say without more input.
    #[inline]
    pub(crate) fn has_nothing_to_report(&self) -> bool {
        self.phase == Phase::Connected
            && self.session.queue.is_empty()
            && self.session.dropped.is_empty()
            && self.arriving.is_none()
    }

    /// Whether a packet is to be looked for in the input.
    pub(crate) fn takes_input(&self, input: &mut &[u8]) -> bool {
        if self.phase == Phase::Closed {
            *input = &[];
            return false;
        }
        !self.is_backlogged()
    }

    /// Whether more input is of use. Once closed it is discarded, which holds nobody up.
    pub(crate) fn wants_input(&self) -> bool {
        self.phase == Phase::Closed || self.arriving.is_some() || !self.is_backlogged()
    }

    /// The next packet. The caller looks at it where it lies: it is large.
    #[inline(always)]
    pub(crate) fn decode<'i>(
        &self,
        input: &mut &'i [u8],
    ) -> Result<Option<Packet<'i>>, DecodeError> {
        Packet::decode(self.version, self.options.decode(), input)
    }

    /// A peer that asks and does not read the answers is read no further; nor is one whose
    /// messages or requests the application does not answer.
    fn is_backlogged(&self) -> bool {
        self.control.len() >= self.options.maximum_reply_bytes() as usize
            || self.is_held_by_application()
    }

    fn is_held_by_application(&self) -> bool {
        self.open_requests >= self.options.maximum_open_requests()
            || self.pending() >= self.maximum_pending()
            || !self.session.takes_record(0, &self.options)
    }

    /// 5.0: one more is looked at, since a peer that overruns what was announced is told. 3.1.1
    /// announces nothing, so the peer is held up.
    fn maximum_pending(&self) -> usize {
        let announced = usize::from(self.version == Version::V5);
        usize::from(self.options.receive_maximum()) + announced
    }

    pub(crate) fn fmt_as(&self, name: &str, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct(name)
            .field("version", &self.version)
            .field("phase", &self.phase)
            .field("session", &self.session)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
