//! Many connections, one state machine: the server connections, the sessions of clients that are away, the subscriptions, the
//! retained messages and the wills, and what goes from one to another.
//!
//! `connections` has what the caller drives, `connecting` how a client gets in and its session begins, goes on and ends,
//! `publish` who gets a message, `subscribe` who will, `timers` what time does, `admin` what else the caller can ask for, `log` what survives a restart;
//! `options`, `question`, `event`, `record` and `counters` are the public words.
//!
//! Nothing here calls itself in a circle: a connection that has to end while a message goes round is put on a list, and ended
//! behind it.

mod admin;
mod connecting;
mod connections;
mod counters;
mod event;
mod log;
mod options;
mod publish;
mod question;
mod record;
mod retained;
mod subscribe;
mod timers;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use connections::Connection;
pub use connections::ConnectionId;
pub use counters::Counters;
pub use event::BrokerEvent;
use log::Log;
pub use log::RestoreError;
pub use options::{BrokerOptions, SharedPick, SlowConsumer};
pub use question::{Admission, AnswerError, AnswerErrorReason, Question, QuestionToken, Verdict};
pub use record::{BrokerRecord, MalformedRecord};
use retained::{Kept, Searches};
use timers::Timer;

use crate::index::{Deliveries, GroupId, RetainedStore, SubscriptionIndex};
use crate::message::Message;
use crate::options::Options;
use crate::packet::Disconnect;
use crate::reason::ReasonCode;
use crate::session::{PublishHandle, Session};
use crate::slab::Slab;
use crate::time::Instant;

/// A broker as one state machine, for MQTT 3.1.1 and 5.0 (and 3.1, [if asked for](Options::with_accept_v31)) on one port.
///
/// It is driven as a connection is, with the [`ConnectionId`] of each transport, and opens no socket itself:
///
/// | the driver | tells the broker |
/// |---|---|
/// | has a new transport | [`connected`](Self::connected) |
/// | has read bytes | [`receive`](Self::receive), until it gives `None`; what it leaves is to be offered again |
/// | has read the end | [`receive_eof`](Self::receive_eof) |
/// | has done any of this | [`poll_ready`](Self::poll_ready), until it gives `None`: who has something to send |
/// | can write, and the connection was ready | [`poll_transmit`](Self::poll_transmit), until it gives 0 |
/// | has slept until [`poll_timeout`](Self::poll_timeout) | [`handle_timeout`](Self::handle_timeout) |
/// | finds that the connection [is finished](Self::is_finished) and has written the last bytes | [`disconnected`](Self::disconnected) |
///
/// ```
/// use sansio_mqtt::*;
///
/// let now = Instant::ZERO;
/// let mut broker = Broker::new(now, BrokerOptions::new());
/// // Two clients; their bytes would come from sockets.
/// let mut connect = |name| -> Result<_, ConnectError> {
///     let connect = Connect::new(Version::V5, name);
///     let client = ClientConnection::new(now, &connect, Session::new(), Options::new())?;
///     Ok((broker.connected(now), client))
/// };
/// let mut peers = [connect("ada")?, connect("bob")?];
///
/// let mut exchange = |broker: &mut Broker, peers: &mut [(ConnectionId, ClientConnection)]| {
///     let mut received = Vec::new();
///     for round in 0..8 {
///         for (id, client) in peers.iter_mut() {
///             let (mut bytes, mut answer) = (Vec::new(), Vec::new());
///             client.poll_transmit(now, &mut bytes, usize::MAX);
///             assert!(broker.receive(*id, now, &mut &bytes[..]).is_none());
///             broker.poll_transmit(*id, now, &mut answer, usize::MAX);
///             let mut input = &answer[..];
///             while let Some(event) = client.receive(now, &mut input) {
///                 if let ClientEvent::Publish(incoming) = event {
///                     received.push(incoming.to_message());
///                 }
///             }
///         }
///     }
///     received
/// };
/// assert!(exchange(&mut broker, &mut peers).is_empty());
/// let filters = [Subscription::new("sensors/+", QoS::AtLeastOnce)];
/// peers[1].1.subscribe(&filters, Properties::EMPTY)?;
/// assert!(exchange(&mut broker, &mut peers).is_empty());
/// peers[0].1.publish(now, Message::new("sensors/7", b"21.5")?.with_qos(QoS::ExactlyOnce))?;
/// let received = exchange(&mut broker, &mut peers);
/// assert_eq!((received[0].topic(), received[0].qos()), ("sensors/7", QoS::AtLeastOnce));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The same calls with the same [seed](BrokerOptions::with_seed) give the same bytes.
///
/// # Who decides
///
/// Who may connect, publish and subscribe is the caller's: [`receive`](Self::receive) gives a [`Question`] for what
/// [`BrokerOptions`] say is to be asked. It is answered at once or later; meanwhile that connection waits, and no other.
///
/// Rights that are taken away: [`unsubscribe`](Self::unsubscribe) ends subscriptions, also of clients that are away,
/// [`discard_queued`](Self::discard_queued) takes back what waits for a client, [`clear_retained`](Self::clear_retained) what is
/// retained (each tells who published it), [`discard_will`](Self::discard_will) a will, and
/// [`end_session`](Self::end_session) ends everything. A right is asked for once, with SUBSCRIBE for the filter, and not again
/// with each message.
///
/// # What goes on between clients
///
/// - A message goes to a client in one copy however many of its subscriptions match ([`Overlap`](crate::Overlap)), in the
///   order in which the messages came. All copies share one memory.
/// - A client that is away gets what is of QoS 1 and 2, as long as its session lasts.
/// - A client that does not keep up loses messages of QoS 0 and is disconnected at others ([`SlowConsumer`]).
/// - Retained messages that a new subscription meets are put into the queue as that empties, however many there are; what
///   is retained when their turn comes is sent. If several wait, they come in the order of the subscriptions, and what the
///   same filter is to bring several times at the first of its places.
/// - Before 5.0, RETAIN is set on what is sent because of a new subscription, and on nothing else.
/// - A message to a Shared Subscription goes to a member that is connected, if there is one, else into the queue of one that
///   is away. When a session ends, what of QoS 1 was on the way to it goes to another member; of QoS 2 only what was
///   not sent yet (5.0 §4.8.2).
/// - A will below a topic to which clients may not publish is refused with the connection, 0x87 (Not authorized).
/// - A will is published when its delay has passed or the session ends, unless the client is back before
///   (MQTT-3.1.3-9 of 5.0). No Local holds for the wills of the client that subscribes, and not for what is retained.
///
/// # What survives a restart
///
/// With [`with_records`](BrokerOptions::with_records) each change of a session that outlives its connection, of what is in its
/// queue and in flight at QoS 1 and 2, of subscriptions, wills and retained messages comes out as a [`BrokerRecord`]. Bytes
/// that must not leave before a record is stored are held: so whatever was acknowledged is there after a crash, and no message
/// of QoS 2 goes round twice. The driver's round is then:
///
/// 1. [`receive`](Self::receive) what there is, and [`handle_timeout`](Self::handle_timeout);
/// 2. [`take_records`](Self::take_records), write all of them in one transaction, and say that they are
///    [`stored`](Self::stored);
/// 3. [`poll_transmit`](Self::poll_transmit) whoever is ready: what is sent makes records in turn. If there are any, 2 again.
///
/// Writing may take its time; others go on meanwhile. [`snapshot`](Self::snapshot) makes a log short again, and
/// [`restore`](Self::restore) reads it. Times are those of the caller's [`Instant`], so its origin has to survive, too: UNIX
/// time does.
///
/// Not stored: messages of QoS 0, retained messages that a new subscription has still to get, and which messages of
/// QoS 1 were on their way for a Shared Subscription (they stay with the member that has them).
///
/// # Bounds
///
/// What one client can make the broker hold is bounded by [`Options`], what all can by [`BrokerOptions`]. Nothing recurses.
/// A call takes time in proportion to its input and to those who get a message of it.
pub struct Broker {
    options: BrokerOptions,
    connections: Slab<Connection>,
    clients: Slab<Client>,
    names: BTreeMap<Arc<str>, u32>,
    index: SubscriptionIndex,
    retained: RetainedStore<Kept>,
    retained_changes: u64,
    ready: VecDeque<ConnectionId>,
    /// Connections that have ended and are not taken apart yet.
    closing: Vec<u32>,
    timers: BTreeSet<(Instant, Timer)>,
    events: VecDeque<BrokerEvent>,
    counters: Counters,
    started: Instant,
    sys_at: Option<Instant>,
    generation: u32,
    assigned: u64,
    seed: u64,
    leaving: Option<Leaving>,
    log: Log,
    /// The bounds of sessions whose clients are away.
    away: Options,
    // Buffers.
    deliveries: Deliveries,
    groups: Vec<GroupId>,
}

/// Places for events that are kept when there are none.
const FEW_EVENTS: usize = 64;

/// The broker takes no more clients.
struct Leaving {
    reason: ReasonCode,
    server_reference: Option<Box<str>>,
}

/// What belongs to a Client Identifier, whether connected or not.
struct Client {
    name: Arc<str>,
    /// The number of its connection.
    connection: Option<u32>,
    /// While there is a connection, that has it.
    session: Option<Box<Session>>,
    will: Option<Box<Will>>,
    /// Seconds that its session outlives this connection, or the last one.
    expiry: u32,
    /// Since when it is away.
    since: Option<Instant>,
    /// Whether records tell of it.
    is_stored: bool,
    /// Where it stands among the timers.
    timer: Option<Instant>,
    subscriptions: u32,
    /// Of the filters of all of them.
    filter_bytes: u32,
    rare: Option<Box<Rare>>,
}

/// What most clients do not have.
#[derive(Default)]
struct Rare {
    /// New subscriptions whose retained messages are not all sent.
    searches: Option<Searches>,
    /// What is on the way to it for a Shared Subscription.
    shared: BTreeMap<PublishHandle, GroupId>,
    /// Unless those of the broker.
    options: Option<Options>,
}

struct Will {
    message: Message,
    /// Seconds.
    delay: u32,
}

impl Broker {
    /// A broker without connections, sessions and retained messages.
    #[must_use]
    pub fn new(now: Instant, options: BrokerOptions) -> Self {
        let seed = options.seed.unwrap_or_else(crate::index::random_seed);
        Self {
            index: SubscriptionIndex::new(options.index),
            retained: RetainedStore::new(options.retained, Kept::size),
            retained_changes: 0,
            connections: Slab::new(),
            clients: Slab::new(),
            names: BTreeMap::new(),
            ready: VecDeque::new(),
            closing: Vec::new(),
            timers: BTreeSet::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            started: now,
            sys_at: options.sys_interval.map(|_| now),
            generation: 0,
            assigned: 0,
            seed,
            leaving: None,
            log: Log::new(options.records),
            away: options
                .connection
                .clone()
                .with_lasting_change_records(options.records),
            deliveries: Deliveries::new(),
            groups: Vec::new(),
            options,
        }
    }

    /// What happened that no connection is told of, in order; only of the kinds that [`BrokerOptions`] ask for.
    pub fn poll_event(&mut self) -> Option<BrokerEvent> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > FEW_EVENTS {
            self.events.shrink_to(FEW_EVENTS);
        }
        event
    }

    /// What the broker has and has done.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.connections.len(),
            sessions: self.clients.len(),
            subscriptions: self.index.len(),
            retained_messages: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            ..self.counters
        }
    }

    /// Ends all connections and takes no more: 0x8B (Server shutting down), or 0x9C or 0x9D with a Server Reference
    /// (5.0 §4.11). Wills and sessions are seen to as at any other end; transmit and end the transports as ever.
    pub fn shut_down(&mut self, now: Instant, disconnect: &Disconnect<'_>) {
        self.leaving = Some(Leaving {
            reason: disconnect.reason,
            server_reference: disconnect.properties.server_reference().map(Into::into),
        });
        self.log.begin();
        let slots: Vec<u32> = self.connections.numbers().collect();
        for slot in slots {
            self.end_connection(slot, now, disconnect);
        }
        self.finish_closed(now);
    }
}

impl core::fmt::Debug for Broker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Broker")
            .field("options", &self.options)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
