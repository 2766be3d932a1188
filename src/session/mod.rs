//! What outlives a connection (3.1.1 §4.1, 5.0 §4.1): messages not yet sent, messages not yet
//! settled, and the QoS 2 messages taken from the peer and not yet released.
//!
//! A [`Session`] is moved into a connection and out of it by value. Everything that belongs to one
//! connection alone (aliases, quotas, timers, the peer's limits) is not here.

mod change;
mod discard;
mod dropped;
mod ids;
mod in_flight;
mod queue;
pub(crate) mod record;
mod snapshot;

use alloc::boxed::Box;
use core::fmt;

pub use change::Change;
use change::Changes;
pub(crate) use dropped::Unreported;
pub use dropped::{DropReason, Dropped};
pub(crate) use ids::IdSet;
pub(crate) use in_flight::{Entry, InFlight, State};
pub(crate) use queue::{Queue, Queued};
#[cfg(feature = "serde")]
pub(crate) use snapshot::Parts;
pub use snapshot::{SnapshotError, SnapshotErrorKind};

use crate::message::Message;
use crate::options::{Options, QueuePolicy};
use crate::time::Instant;
use crate::types::{PacketId, QoS};
use crate::wire::EncodeError;

/// Names one published message, from [`publish`](crate::ClientConnection::publish) to the event
/// that settles it. Unique within a [`Session`] and its connections.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct PublishHandle(pub(crate) u64);

impl PublishHandle {
    /// The handle as a number, to be stored beside a [snapshot](Session::snapshot): never 0.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The handle of a number that [`as_u64`](Self::as_u64) gave.
    #[must_use]
    pub const fn from_u64(handle: u64) -> Self {
        Self(handle)
    }
}

/// Names one SUBSCRIBE or UNSUBSCRIBE, from the request to the event that answers it. Unique
/// within a [`Session`] and its connections.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct RequestHandle(pub(crate) u64);

/// A message that was not taken, with the reason.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("message not taken: {reason}")]
pub struct PublishError {
    /// The message, handed back.
    pub message: Message,
    /// Why.
    pub reason: PublishErrorReason,
}

/// Why a message was not taken.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PublishErrorReason {
    /// The connection is closed, or (server) not accepted yet.
    #[error("the connection is not open")]
    NotOpen,
    /// [`maximum_kept_messages`](Options::with_maximum_kept_messages) or
    /// [`maximum_kept_bytes`](Options::with_maximum_kept_bytes) is reached.
    #[error("the session keeps as many messages as it may")]
    QueueFull,
    /// The packet would be larger than the peer takes (MQTT-3.1.2-24, MQTT-3.2.2-15 of 5.0) or
    /// than MQTT can express.
    #[error("packet of {size} bytes, at most {maximum} are taken")]
    TooLarge {
        /// Bytes of the packet.
        size: usize,
        /// Bytes that the peer takes.
        maximum: u32,
    },
    /// Above the Maximum QoS of the server (MQTT-3.2.2-11 of 5.0).
    #[error("the server does not take this QoS")]
    QosNotSupported,
    /// The server has no retained messages (MQTT-3.2.2-14 of 5.0).
    #[error("the server does not take retained messages")]
    RetainNotSupported,
    /// A 3.1.1 client was asked to send properties or an expiry. (Towards a 3.1.1 client a server
    /// leaves them out.)
    #[error("needs MQTT 5.0")]
    NeedsV5,
    /// A client sends no Subscription Identifier (MQTT-3.3.4-6 of 5.0).
    #[error("a client sends no subscription identifier")]
    SubscriptionIdentifiers,
    /// It cannot be encoded: the topic or a property is not valid.
    #[error(transparent)]
    Invalid(#[from] EncodeError),
}

/// The state of one client's session, on either side of the connection (3.1.1 §4.1, 5.0 §4.1):
/// messages that wait, messages in flight, and which QoS 2 messages of the peer were taken.
///
/// It lives in memory, and writes itself to where the application stores it: see below. Subscriptions, the will and the time at which it expires are not in here: a
/// server application keeps these itself.
///
/// # Storing
///
/// [`snapshot`](Self::snapshot) writes all of it, [`restore`](Self::restore) reads it back. Who does not want to write
/// all for every message lets [changes be recorded](Options::with_change_records) and appends them: a log of a snapshot
/// and the changes since is restored as a snapshot is. [`Change`] says which bytes wait for which record.
///
/// ```
/// use sansio_mqtt::*;
///
/// /// An append-only file.
/// struct Store {
///     log: Vec<u8>,
///     snapshot_len: usize,
/// }
///
/// impl Store {
///     /// After each `poll_transmit`, before its bytes go out.
///     fn keep(&mut self, connection: &mut ClientConnection) {
///         while let Some(change) = connection.poll_change() {
///             change.encode(&mut self.log);
///         }
///         // a file would be synced here
///         if self.log.len() > 2 * self.snapshot_len + 4096 {
///             // The new file takes the place of the old one when it is whole.
///             self.log.clear();
///             connection.session().snapshot(&mut self.log);
///             self.snapshot_len = self.log.len();
///         }
///     }
///
///     /// After a restart.
///     fn load(&mut self) -> Result<Session, SnapshotError> {
///         Session::restore(&self.log).or_else(|error| match error.kind {
///             SnapshotErrorKind::Truncated if error.offset > 0 => {
///                 self.log.truncate(error.offset);
///                 Session::restore(&self.log)
///             }
///             _ => Err(error),
///         })
///     }
/// }
///
/// let now = Instant::ZERO;
/// let mut store = Store { log: Vec::new(), snapshot_len: 0 };
/// Session::new().snapshot(&mut store.log);
///
/// let options = Options::new().with_change_records(true);
/// let connect = Connect { clean_start: false, ..Connect::new(Version::V311, "sensor-7") };
/// let mut client = ClientConnection::new(now, &connect, store.load()?, options)?;
/// client.publish(now, Message::new("a", b"1")?.with_qos(QoS::ExactlyOnce))?;
/// let mut out = Vec::new();
/// client.poll_transmit(now, &mut out, usize::MAX);
/// store.keep(&mut client);
/// // Here `out` may go to the transport. Then the machine stops, within the next write:
/// store.log.extend([40, 1, 2]);
/// drop(client);
///
/// let session = store.load()?;
/// assert_eq!(session.queued(), 1);
/// assert!(session.is_established());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Times are stored as milliseconds of the caller's [`Instant`]. With an origin that survives a restart (UNIX time) what
/// passes meanwhile counts against the expiry of a message; with one that does not, the expiry begins anew or stands
/// still.
///
/// # Format
///
/// A snapshot is a header and its parts; behind it there may be changes. Integers have the most significant byte first;
/// `v` is an integer in groups of seven bits, the least significant first, each in a byte whose high bit says that
/// another follows, in no more bytes than needed.
///
/// | header | bytes |
/// |---|---|
/// | `MQTS` | 4 |
/// | version of the format: 1 | 1 |
/// | length of the rest of the header and the parts | 8 |
/// | 0x01: the peer may have the session; 0x02: what is in flight is of one that has ended | 1 |
/// | the Packet Identifier to be tried next | 2 |
/// | the handle given last | 8 |
///
/// Each part and each change is a record: its length (`v`) without these bytes, its kind (1 byte), its fields. `id` is
/// a Packet Identifier (2 bytes), `handle` and `since` are `v`, `reason` is the place of a [`DropReason`] from 0.
///
/// | part, in this order | kind | fields |
/// |---|---|---|
/// | in flight, PUBLISH sent | 0x11 | id, handle, since, message |
/// | in flight, PUBREL due | 0x12 | id, handle, whether it was reported as dropped (1 byte) |
/// | waiting | 0x01 | handle, since, message |
/// | dropped and not reported | 0x13 | handle, reason, message if there is one |
/// | QoS 2 identifiers received | 0x14 | all ids, rising |
///
/// Those in flight (of both kinds) and those waiting are in the order of their handles.
///
/// | [`Change`] | kind | fields |
/// |---|---|---|
/// | `Queued` | 0x01 | handle, since, message |
/// | `Sent` | 0x02 | handle, id or 0 |
/// | `Released` | 0x03 | id |
/// | `Settled` | 0x04 | id |
/// | `Dropped` | 0x05 | handle, id or 0, reason |
/// | `Reported` | 0x06 | handle |
/// | `Received` | 0x07 | id |
/// | `Forgotten` | 0x08 | id |
/// | `Begun` | 0x09 | |
/// | `Standing` | 0x0A | flags as in the header (1 byte) |
/// | `Discarded` | 0x0B | handle, id or 0 |
///
/// A message is the last field of its record:
///
/// | field of a message | bytes |
/// |---|---|
/// | QoS; 0x04: RETAIN; 0x08: it expires; 0x10: it has Subscription Identifiers; 0x20: its payload is streamed | 1 |
/// | topic | length (`v`), UTF-8 |
/// | Message Expiry Interval | 4, if the flag says so |
/// | Subscription Identifiers | their number (`v`), each as `v`, if the flag says so |
/// | properties, as in a PUBLISH of 5.0, of those that are forwarded | length (`v`), bytes |
/// | payload; its length (`v`) if it is streamed | the rest |
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub struct Session {
    pub(crate) queue: Queue,
    pub(crate) in_flight: InFlight,
    /// QoS 2 messages taken from the peer whose PUBREL has not come.
    pub(crate) received: IdSet,
    /// A connection may end before it has reported them all; the next one goes on.
    pub(crate) dropped: Unreported,
    next_handle: u64,
    pub(crate) established: bool,
    /// What is in flight or received is of a session that has ended at the peer: it is reported as
    /// lost by the next connection, whatever session that has.
    pub(crate) ended: bool,
    /// What the two above become should the connection end now; the same without a connection.
    restart: Standing,
    /// There if changes are recorded.
    changes: Option<Box<Changes>>,
}

/// What is known of the peer's session.
#[derive(Copy, Clone, Default, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
struct Standing {
    established: bool,
    ended: bool,
}

impl Session {
    /// A session of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty session that the peer may know: for a client that kept no state but does not want
    /// to be disconnected when the server has some (MQTT-3.2.2-4 of 5.0).
    #[must_use]
    pub fn established() -> Self {
        Self {
            established: true,
            restart: Standing {
                established: true,
                ended: false,
            },
            ..Self::default()
        }
    }

    /// Queues a message while there is no connection, as a server does for a client that is away
    /// (MQTT-4.5.0-1). Its expiry is counted from `now`.
    ///
    /// # Errors
    ///
    /// [`maximum_kept_messages`](Options::with_maximum_kept_messages) or
    /// [`maximum_kept_bytes`](Options::with_maximum_kept_bytes) of `options` is reached, and its
    /// [policy](Options::with_queue_policy) makes no room; the message comes back. Whether the client takes a packet of that size shows when it is back.
    pub fn enqueue(
        &mut self,
        now: Instant,
        message: Message,
        options: &Options,
    ) -> Result<PublishHandle, PublishError> {
        if !self.has_room(&message, options) && !self.make_room(&message, options) {
            return Err(PublishError {
                message,
                reason: PublishErrorReason::QueueFull,
            });
        }
        let handle = self.next_handle();
        if options.change_records() {
            let changes = self.changes.get_or_insert_default();
            changes.skip_qos0(options.qos0_unrecorded());
        }
        self.record_of(message.qos(), || Change::Queued {
            handle: PublishHandle(handle),
            message: message.clone(),
            since: now,
        });
        self.queue.push(Queued {
            handle,
            message,
            since: now,
        });
        Ok(PublishHandle(handle))
    }

    pub(crate) fn has_room(&self, message: &Message, options: &Options) -> bool {
        self.has_room_without(0, 0, message, options)
    }

    /// As if this much less were kept.
    fn has_room_without(
        &self,
        fewer: usize,
        fewer_bytes: usize,
        message: &Message,
        options: &Options,
    ) -> bool {
        let reports = self.dropped.len() - self.dropped.for_room();
        let messages = self.queue.len() + self.in_flight.len() + reports - fewer;
        let bytes =
            self.queue.bytes() + self.in_flight.bytes() + self.dropped.bytes() - fewer_bytes;
        messages < options.maximum_kept_messages() as usize
            && bytes.saturating_add(message.size()) <= options.maximum_kept_bytes() as usize
            && self.takes_record(message.size(), options)
    }

    /// Drops what the policy lets make room. False: that would not be enough, and nothing is dropped.
    #[cold]
    fn make_room(&mut self, message: &Message, options: &Options) -> bool {
        let policy = options.queue_policy();
        let gives_way = |queued: &Queued| match policy {
            QueuePolicy::Reject => false,
            QueuePolicy::DropOldest => true,
            QueuePolicy::DropQos0First => queued.message.qos() == QoS::AtMostOnce,
        };
        if message.size() > options.maximum_kept_bytes() as usize {
            return false;
        }
        let (mut messages, mut bytes) = (0, 0);
        for queued in self.queue.iter().filter(|queued| gives_way(queued)) {
            if self.has_room_without(messages, bytes, message, options) {
                break;
            }
            messages += 1;
            bytes += queued.message.size();
        }
        let reports = self.dropped.for_room() + messages;
        if !self.has_room_without(messages, bytes, message, options)
            || reports > options.maximum_kept_messages() as usize
        {
            return false;
        }
        for _ in 0..messages {
            if let Some(queued) = self.queue.remove_first(gives_way) {
                self.drop_queued(queued, DropReason::QueueFull);
            }
        }
        true
    }

    /// The next message that will not be delivered, as a connection would report it: for a session
    /// that waits long for its next connection.
    pub fn take_dropped(&mut self) -> Option<Dropped> {
        let dropped = self.dropped.pop()?;
        self.record_of(QoS::AtMostOnce, || Change::Reported {
            handle: dropped.handle,
        });
        Some(dropped)
    }

    /// The next [`Change`] to be stored, as a connection would give it: for a session that waits for its next
    /// connection. There is none unless [asked for](Options::with_change_records).
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.as_mut()?.pop()
    }

    /// Records what the closure says, if changes are recorded.
    #[inline]
    pub(crate) fn record(&mut self, change: impl FnOnce() -> Change) {
        if let Some(changes) = &mut self.changes {
            changes.push(change());
        }
    }

    /// The same for a message of this QoS.
    #[inline]
    pub(crate) fn record_of(&mut self, qos: QoS, change: impl FnOnce() -> Change) {
        if let Some(changes) = &mut self.changes {
            if qos != QoS::AtMostOnce || !changes.skips_qos0() {
                changes.push(change());
            }
        }
    }

    /// Whether records that were not taken leave room for that of a message of this size.
    #[inline]
    pub(crate) fn takes_record(&self, size: usize, options: &Options) -> bool {
        self.changes.as_ref().is_none_or(|changes| {
            changes.len() < (options.maximum_kept_messages() as usize).max(1)
                && changes.bytes().saturating_add(size) <= options.maximum_kept_bytes() as usize
        })
    }

    /// A connection takes the session over.
    pub(crate) fn attach(&mut self, options: &Options) {
        if options.change_records() {
            let changes = self.changes.get_or_insert_default();
            changes.skip_qos0(options.qos0_unrecorded());
        } else {
            self.changes = None;
        }
    }

    pub(crate) fn drop_queued(&mut self, queued: Queued, reason: DropReason) {
        self.record_of(queued.message.qos(), || Change::Dropped {
            handle: PublishHandle(queued.handle),
            packet_id: None,
            reason,
        });
        self.dropped.push_queued(queued, reason);
    }

    /// Drops a message that was sent on an earlier connection and does not fit this one.
    pub(crate) fn drop_in_flight(&mut self, id: PacketId, reason: DropReason) {
        let Some(entry) = self.in_flight.get(id) else {
            return;
        };
        let handle = PublishHandle(entry.handle);
        self.record(|| Change::Dropped {
            handle,
            packet_id: Some(id),
            reason,
        });
        let message = self.take_back(handle, Some(id));
        self.dropped.push(handle.0, message, reason);
    }

    /// The peer has no session: what is in flight is lost.
    pub(crate) fn lose(&mut self) {
        self.received.clear();
        for entry in self.in_flight.take_all() {
            self.dropped.push_lost(entry);
        }
    }

    /// CONNACK has opened the connection. True: a session goes on.
    pub(crate) fn open(&mut self, resumed: bool) -> bool {
        let resumed = resumed && !self.ended;
        (self.ended, self.established) = (false, true);
        if !resumed {
            self.record(|| Change::Begun);
            self.restart = Standing {
                established: true,
                ended: false,
            };
            self.lose();
        }
        resumed
    }

    /// What is known of the peer's session if the connection ends now.
    pub(crate) fn set_restart(&mut self, established: bool, ended: bool) {
        let restart = Standing { established, ended };
        if self.restart != restart {
            self.restart = restart;
            self.record(|| Change::Standing { established, ended });
        }
    }

    /// Whether the peer has this session, or may have it: a CONNECT that would make one went out and
    /// its answer did not come.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// Messages that wait to be sent for the first time.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Messages of QoS 1 and 2 that were sent and are not settled, and (while a connection has
    /// the session) requests without an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether the message waits to be sent for the first time, and since when it is kept; `None`: it is settled, or
    /// nothing but its PUBREL is owed.
    pub(crate) fn find(&self, handle: PublishHandle) -> Option<(bool, Instant)> {
        let mut queued = self.queue.iter();
        if let Some(queued) = queued.find(|queued| queued.handle == handle.0) {
            return Some((true, queued.since));
        }
        self.in_flight.iter().find_map(|entry| match &entry.state {
            State::Publish { since, .. } if entry.handle == handle.0 => Some((false, *since)),
            _ => None,
        })
    }

    /// One number space for messages and requests; its order is the order of the calls.
    pub(crate) fn next_handle(&mut self) -> u64 {
        self.next_handle += 1;
        self.next_handle
    }

    /// Gives memory back in which nothing is.
    pub(crate) fn give_back(&mut self) {
        self.queue.give_back();
        self.in_flight.give_back_all();
        self.received.give_back();
    }

    /// A connection has ended: what it asked for is not answered any more.
    pub(crate) fn take_requests(&mut self) {
        let requests = self.in_flight.take_requests();
        self.dropped.push_unanswered(&requests);
    }

    /// Takes out what belongs to the connection that ends.
    pub(crate) fn detach(&mut self) {
        self.take_requests();
        self.in_flight.detach();
        self.take_standing();
    }

    /// What a restart would take the peer's session for: established, ended.
    #[cfg(feature = "serde")]
    pub(crate) fn standing(&self) -> (bool, bool) {
        (self.restart.established, self.restart.ended)
    }

    #[cfg(feature = "serde")]
    pub(crate) fn last_handle(&self) -> u64 {
        self.next_handle
    }

    fn take_standing(&mut self) {
        (self.established, self.ended) = (self.restart.established, self.restart.ended);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("established", &self.established)
            .field("queued", &self.queue.len())
            .field("in_flight", &self.in_flight.len())
            .field("received", &self.received.len())
            .finish()
    }
}
