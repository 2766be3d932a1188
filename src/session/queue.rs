//! Messages that wait to be sent for the first time, of every QoS in one queue: it keeps the order
//! (MQTT-4.6.0-5 of 5.0, MQTT-4.6.0-6 of 3.1.1).

use alloc::boxed::Box;
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

/// Of an idle session it takes a pointer.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Queue(Option<Box<Waiting>>);

#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
struct Waiting {
    messages: VecDeque<Queued>,
    bytes: usize,
}

/// Places that an empty queue keeps; what more a burst needed is given back.
const KEPT: usize = 16;

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.messages.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of the messages, as [`Message::size`] counts.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    pub(crate) fn push(&mut self, queued: Queued) {
        let waiting = self.0.get_or_insert_default();
        waiting.bytes += queued.message.size();
        waiting.messages.push_back(queued);
    }

    pub(crate) fn front(&self) -> Option<&Queued> {
        self.0.as_ref()?.messages.front()
    }

    /// Gives memory back in which nothing is.
    pub(crate) fn give_back(&mut self) {
        self.0.take_if(|waiting| waiting.messages.is_empty());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.0.iter().flat_map(|waiting| &waiting.messages)
    }

    /// Takes out the first message for which this holds.
    pub(crate) fn remove_first(&mut self, chosen: impl FnMut(&Queued) -> bool) -> Option<Queued> {
        let waiting = self.0.as_mut()?;
        let index = waiting.messages.iter().position(chosen)?;
        waiting.remove(index)
    }

    pub(crate) fn contains(&self, handle: u64) -> bool {
        let waiting = self.0.as_ref();
        waiting.is_some_and(|waiting| waiting.position(handle).is_some())
    }

    /// Takes out the message of this handle.
    pub(crate) fn remove(&mut self, handle: u64) -> Option<Queued> {
        let waiting = self.0.as_mut()?;
        waiting.remove(waiting.position(handle)?)
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        let waiting = self.0.as_mut()?;
        let queued = waiting.messages.pop_front()?;
        waiting.bytes -= queued.message.size();
        if waiting.messages.is_empty() && waiting.messages.capacity() > KEPT {
            waiting.messages.shrink_to(KEPT);
        }
        Some(queued)
    }
}

impl Waiting {
    /// Handles rise in the queue.
    fn position(&self, handle: u64) -> Option<usize> {
        let found = self
            .messages
            .binary_search_by_key(&handle, |queued| queued.handle);
        found.ok()
    }

    fn remove(&mut self, index: usize) -> Option<Queued> {
        let queued = self.messages.remove(index)?;
        self.bytes -= queued.message.size();
        Some(queued)
    }
}
