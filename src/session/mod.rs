//! What outlives a connection (3.1.1 §4.1, 5.0 §4.1): messages not yet sent, messages not yet
//! settled, and the QoS 2 messages taken from the peer and not yet released.
//!
//! A [`Session`] is moved into a connection and out of it by value. Everything that belongs to one
//! connection alone (aliases, quotas, timers, the peer's limits) is not here.

mod discard;
mod dropped;
mod ids;
mod in_flight;
mod queue;

use core::fmt;

pub(crate) use dropped::Unreported;
pub use dropped::{DropReason, Dropped};
pub(crate) use ids::IdSet;
pub(crate) use in_flight::{Entry, InFlight, State};
pub(crate) use queue::{Queue, Queued};

use crate::message::Message;
use crate::options::{Options, QueuePolicy};
use crate::time::Instant;
use crate::types::QoS;
use crate::wire::EncodeError;

/// Names one published message, from [`publish`](crate::ClientConnection::publish) to the event
/// that settles it. Unique within a [`Session`] and its connections.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct PublishHandle(pub(crate) u64);

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
/// It lives in memory. Subscriptions, the will and the time at which it expires are not in here: a
/// server application keeps these itself.
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
                self.dropped
                    .push(queued.handle, None, DropReason::QueueFull);
            }
        }
        true
    }

    /// The next message that will not be delivered, as a connection would report it: for a session
    /// that waits long for its next connection.
    pub fn take_dropped(&mut self) -> Option<Dropped> {
        self.dropped.pop()
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
