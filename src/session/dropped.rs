//! Messages that will not be delivered and requests that will not be answered, until the application is
//! told.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::fmt;

use super::{Entry, PublishHandle, Queued, RequestHandle, State};
use crate::message::Message;

/// A message that will not be delivered, with the reason.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
pub struct Dropped {
    /// Which one.
    pub handle: PublishHandle,
    /// The message; `None` where the peer had taken it already (QoS 2 after PUBREC), or where it had to
    /// make room ([`DropReason::QueueFull`]).
    pub message: Option<Message>,
    /// Why.
    pub reason: DropReason,
}

/// Why a message was dropped.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
pub enum DropReason {
    /// The peer has no session any more, so whether it had the message is unknown (MQTT-3.2.2-5 of
    /// 5.0).
    SessionLost,
    /// It does not fit the peer's Maximum Packet Size (MQTT-3.1.2-25 of 5.0).
    PacketTooLarge,
    /// Its Message Expiry Interval passed before it was sent (MQTT-3.3.2-5 of 5.0).
    Expired,
    /// The server turned out not to take its QoS or its RETAIN flag (MQTT-3.2.2-11 and
    /// MQTT-3.2.2-14 of 5.0).
    NotSupported,
    /// It made room for a newer one, as [`QueuePolicy`](crate::QueuePolicy) asks.
    QueueFull,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SessionLost => "the peer has lost the session",
            Self::PacketTooLarge => "larger than the peer takes",
            Self::Expired => "expired",
            Self::NotSupported => "the server does not take its QoS or RETAIN flag",
            Self::QueueFull => "it made room for a newer message",
        })
    }
}

/// In the order of dropping. Nothing is allocated while there is none.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Unreported(Option<Box<List>>);

#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
struct List {
    dropped: VecDeque<Dropped>,
    bytes: usize,
    /// How many made room for others.
    for_room: usize,
    /// Requests of connections that have ended, in the order of the calls. At most as many as there are
    /// Packet Identifiers: the next connection reports them before it opens.
    unanswered: VecDeque<RequestHandle>,
}

impl Unreported {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |list| list.dropped.len())
    }

    /// Those that made room for others: they have a bound of their own, or they would still take it.
    pub(crate) fn for_room(&self) -> usize {
        self.0.as_ref().map_or(0, |list| list.for_room)
    }

    /// Of the messages, as [`Message::size`] counts.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |list| list.bytes)
    }

    pub(crate) fn push(&mut self, handle: u64, message: Option<Message>, reason: DropReason) {
        let list = self.0.get_or_insert_default();
        list.bytes += message.as_ref().map_or(0, Message::size);
        list.for_room += usize::from(reason == DropReason::QueueFull);
        list.dropped.push_back(Dropped {
            handle: PublishHandle(handle),
            message,
            reason,
        });
    }

    /// One that waited.
    pub(crate) fn push_queued(&mut self, queued: Queued, reason: DropReason) {
        // What made room for another takes none itself.
        let message = (reason != DropReason::QueueFull).then_some(queued.message);
        self.push(queued.handle, message, reason);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Dropped> {
        self.0.iter().flat_map(|list| list.dropped.iter())
    }

    /// The session that the entry was a part of is lost.
    pub(crate) fn push_lost(&mut self, entry: Entry) {
        let message = match entry.state {
            State::Publish { message, .. } => Some(message),
            _ => None,
        };
        if !entry.reported {
            self.push(entry.handle, message, DropReason::SessionLost);
        }
    }

    #[inline]
    pub(crate) fn push_unanswered(&mut self, requests: &[u64]) {
        if !requests.is_empty() {
            let list = self.0.get_or_insert_default();
            list.unanswered
                .extend(requests.iter().map(|&handle| RequestHandle(handle)));
        }
    }

    pub(crate) fn pop_unanswered(&mut self) -> Option<RequestHandle> {
        let handle = self.0.as_mut()?.unanswered.pop_front();
        self.tidy();
        handle
    }

    fn tidy(&mut self) {
        if self
            .0
            .as_ref()
            .is_some_and(|list| list.dropped.is_empty() && list.unanswered.is_empty())
        {
            self.0 = None;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Dropped> {
        self.0.as_ref()?;
        self.pop_one()
    }

    fn pop_one(&mut self) -> Option<Dropped> {
        let list = self.0.as_mut()?;
        let dropped = list.dropped.pop_front()?;
        list.bytes -= dropped.message.as_ref().map_or(0, Message::size);
        list.for_room -= usize::from(dropped.reason == DropReason::QueueFull);
        self.tidy();
        Some(dropped)
    }
}
