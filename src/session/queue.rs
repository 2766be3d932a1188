//! Messages that wait to be sent for the first time, of every QoS in one queue: it keeps the order
//! (MQTT-4.6.0-5 of 5.0, MQTT-4.6.0-6 of 3.1.1).

use alloc::collections::VecDeque;

use crate::message::Message;
use crate::time::Instant;

#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Queued {
    pub(crate) handle: u64,
    pub(crate) message: Message,
    /// When it was queued: its expiry counts from here.
    pub(crate) since: Instant,
}

#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Queue {
    messages: VecDeque<Queued>,
    bytes: usize,
}

/// Places that an empty queue keeps; what more a burst needed is given back.
const KEPT: usize = 16;

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Of the messages, as [`Message::size`] counts.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, queued: Queued) {
        self.bytes += queued.message.size();
        self.messages.push_back(queued);
    }

    pub(crate) fn front(&self) -> Option<&Queued> {
        self.messages.front()
    }

    /// Gives memory back in which nothing is.
    pub(crate) fn give_back(&mut self) {
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.messages.iter()
    }

    /// Takes out the first message for which this holds.
    pub(crate) fn remove_first(&mut self, chosen: impl FnMut(&Queued) -> bool) -> Option<Queued> {
        let index = self.messages.iter().position(chosen)?;
        let queued = self.messages.remove(index)?;
        self.bytes -= queued.message.size();
        Some(queued)
    }

    pub(crate) fn contains(&self, handle: u64) -> bool {
        self.position(handle).is_some()
    }

    /// Handles rise in the queue.
    fn position(&self, handle: u64) -> Option<usize> {
        let found = self
            .messages
            .binary_search_by_key(&handle, |queued| queued.handle);
        found.ok()
    }

    /// Takes out the message of this handle.
    pub(crate) fn remove(&mut self, handle: u64) -> Option<Queued> {
        let index = self.position(handle)?;
        let queued = self.messages.remove(index)?;
        self.bytes -= queued.message.size();
        Some(queued)
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        let queued = self.messages.pop_front()?;
        self.bytes -= queued.message.size();
        if self.messages.is_empty() && self.messages.capacity() > KEPT {
            self.messages.shrink_to(KEPT);
        }
        Some(queued)
    }
}
