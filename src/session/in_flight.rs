//! Our own Packet Identifiers and what is open under them.

use alloc::vec::Vec;

use crate::message::Message;
use crate::time::Instant;
use crate::types::PacketId;

#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Entry {
    pub(crate) id: PacketId,
    /// Counts against the peer's Receive Maximum: its PUBLISH went out on this connection
    /// (5.0 §4.9; a PUBREL alone is free).
    pub(crate) counted: bool,
    /// The application was told that it is dropped; only the exchange goes on.
    pub(crate) reported: bool,
    /// Also the order of first sending.
    pub(crate) handle: u64,
    pub(crate) state: State,
}

/// What is left of an exchange that has ended.
pub(crate) struct Settled {
    /// None: the application was told already.
    pub(crate) handle: Option<u64>,
    pub(crate) counted: bool,
}

#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) enum State {
    /// PUBLISH sent; PUBACK or PUBREC is due.
    Publish { message: Message, since: Instant },
    /// PUBREC came; PUBCOMP is due. The peer owns the message.
    Release,
    /// SUBSCRIBE with this many filters; SUBACK is due.
    Subscribe(usize),
    /// UNSUBSCRIBE with this many filters; UNSUBACK is due.
    Unsubscribe(usize),
}

/// A table from Packet Identifier to entry without probing: the identifiers are ours to choose, so
/// each is chosen such that its slot, the low bits of the identifier, is free. Finding one is a
/// mask and a compare however many are in flight, and identifiers rise until they wrap
/// (MQTT-2.2.1-3, MQTT-2.2.1-4 of 5.0; MQTT-2.3.1-2, MQTT-2.3.1-4 of 3.1.1).
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct InFlight {
    /// Empty, or a power of two of slots, at most 65,536.
    slots: Vec<Option<Entry>>,
    len: usize,
    /// Of the messages, as [`Message::size`] counts.
    bytes: usize,
    next: u16,
}

impl State {
    fn bytes(&self) -> usize {
        match self {
            Self::Publish { message, .. } => message.size(),
            _ => 0,
        }
    }
}

/// With this many slots every identifier has its own.
const ALL: usize = 1 << 16;
const FIRST: usize = 4;
/// A table larger than this is given back when it becomes empty.
const KEPT: usize = 256;

impl InFlight {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn slot(&self, id: u16) -> usize {
        // An empty table has no slots: the index is out of range and `get` says so.
        usize::from(id) & self.slots.len().wrapping_sub(1)
    }

    pub(crate) fn get(&self, id: PacketId) -> Option<&Entry> {
        let entry = self.slots.get(self.slot(id.get()))?.as_ref()?;
        (entry.id == id).then_some(entry)
    }

    /// The message went out (again), and counts against the peer's Receive Maximum.
    pub(crate) fn count(&mut self, id: PacketId) {
        if let Some(entry) = self.get_mut(id) {
            entry.counted = true;
        }
    }

    /// The application was told that the message is dropped.
    pub(crate) fn report(&mut self, id: PacketId) {
        if let Some(entry) = self.get_mut(id) {
            entry.reported = true;
        }
    }

    /// The peer has the message: only PUBREL and PUBCOMP are left. The message comes back.
    pub(crate) fn release(&mut self, id: PacketId) -> Option<Message> {
        let state = core::mem::replace(&mut self.get_mut(id)?.state, State::Release);
        self.bytes -= state.bytes();
        match state {
            State::Publish { message, .. } => Some(message),
            _ => None,
        }
    }

    fn get_mut(&mut self, id: PacketId) -> Option<&mut Entry> {
        let slot = self.slot(id.get());
        let entry = self.slots.get_mut(slot)?.as_mut()?;
        (entry.id == id).then_some(entry)
    }

    pub(crate) fn remove(&mut self, id: PacketId) -> Option<Entry> {
        self.get(id)?;
        let slot = self.slot(id.get());
        let entry = self.slots.get_mut(slot)?.take()?;
        self.len -= 1;
        self.bytes -= entry.state.bytes();
        self.give_back();
        Some(entry)
    }

    /// Ends what is open under this identifier, which is free again.
    pub(crate) fn settle(&mut self, id: PacketId) -> Option<Settled> {
        let index = self.slot(id.get());
        let slot = self.slots.get_mut(index)?;
        let entry = slot.as_ref().filter(|entry| entry.id == id)?;
        let settled = Settled {
            handle: (!entry.reported).then_some(entry.handle),
            counted: entry.counted,
        };
        self.len -= 1;
        self.bytes -= entry.state.bytes();
        // Where it lies: an entry is large.
        *slot = None;
        self.give_back();
        Some(settled)
    }

    fn give_back(&mut self) {
        if self.len == 0 && self.slots.len() > KEPT {
            self.slots = Vec::new();
        }
    }

    /// The identifier that the next [`insert`](Self::insert) will use; `None`: all 65,535 are in
    /// use. Nothing is taken yet.
    pub(crate) fn vacant(&mut self) -> Option<PacketId> {
        // A quarter of the slots stays free so that a free one is found in a few steps.
        if self.slots.len() < ALL && self.len * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let mut candidate = self.next;
        for _ in 0..=self.slots.len() {
            if let Some(id) = PacketId::new(candidate) {
                if self
                    .slots
                    .get(self.slot(candidate))
                    .is_some_and(Option::is_none)
                {
                    self.next = candidate;
                    return Some(id);
                }
            }
            candidate = candidate.wrapping_add(1);
        }
        None
    }

    /// Puts the entry under its identifier, which [`vacant`](Self::vacant) gave.
    pub(crate) fn insert(&mut self, entry: Entry) {
        let id = entry.id.get();
        let slot = self.slot(id);
        if let Some(place) = self.slots.get_mut(slot) {
            self.len += usize::from(place.is_none());
            self.bytes += entry.state.bytes();
            *place = Some(entry);
            self.next = id.wrapping_add(1);
        }
    }

    /// Doubles the table. Identifiers that differ in their low bits still do with one bit more.
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(FIRST);
        let mut grown: Vec<Option<Entry>> = Vec::new();
        grown.resize_with(slots, || None);
        for entry in self.slots.drain(..).flatten() {
            if let Some(place) = grown.get_mut(usize::from(entry.id.get()) & (slots - 1)) {
                *place = Some(entry);
            }
        }
        self.slots = grown;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    /// Gives memory back in which nothing is.
    pub(crate) fn give_back_all(&mut self) {
        if self.len == 0 {
            self.slots = Vec::new();
        }
    }

    /// Takes the requests of a connection that ends out, in the order of the calls: they are no part of the
    /// session.
    pub(crate) fn take_requests(&mut self) -> Vec<u64> {
        let mut requests = Vec::new();
        for slot in &mut self.slots {
            let is_request = |entry: &mut Entry| {
                matches!(entry.state, State::Subscribe(_) | State::Unsubscribe(_))
            };
            if let Some(entry) = slot.take_if(is_request) {
                requests.push(entry.handle);
                self.len -= 1;
            }
        }
        requests.sort_unstable();
        requests
    }

    /// Ends a connection: nothing is on the wire any more.
    pub(crate) fn detach(&mut self) {
        for entry in self.slots.iter_mut().flatten() {
            entry.counted = false;
        }
    }

    /// Takes everything out, in the order of first sending.
    pub(crate) fn take_all(&mut self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.slots.drain(..).flatten().collect();
        entries.sort_unstable_by_key(|entry| entry.handle);
        self.slots = Vec::new();
        (self.len, self.bytes) = (0, 0);
        entries
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            len: 0,
            bytes: 0,
            next: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn entry(id: PacketId, handle: u64) -> Entry {
        Entry {
            id,
            counted: false,
            reported: false,
            handle,
            state: State::Release,
        }
    }

    fn take(table: &mut InFlight, handle: u64) -> Option<u16> {
        let id = table.vacant()?;
        table.insert(entry(id, handle));
        Some(id.get())
    }

    #[test]
    fn identifiers_rise_and_wrap_past_zero() {
        let mut table = InFlight::default();
        for round in 0..3 {
            for expected in 1..=u16::MAX {
                let id = take(&mut table, 0).unwrap();
                assert_eq!(id, expected, "round {round}");
                assert!(table.remove(PacketId::new(id).unwrap()).is_some());
            }
        }
        assert_eq!(table.len(), 0);
        assert_eq!(table.slots.len(), FIRST);
    }

    #[test]
    fn all_of_them_then_none_then_the_one_that_is_freed() {
        let mut table = InFlight::default();
        let mut seen = vec![false; 65_536];
        for handle in 0..65_535 {
            let id = usize::from(take(&mut table, handle).unwrap());
            assert!(!seen[id]);
            seen[id] = true;
        }
        assert!(!seen[0]);
        assert_eq!(table.len(), 65_535);
        assert_eq!(table.vacant(), None);
        assert_eq!(table.vacant(), None);
        let id = PacketId::new(40_000).unwrap();
        let handle = table.remove(id).unwrap().handle;
        assert_eq!(take(&mut table, handle), Some(40_000));
        assert_eq!(table.vacant(), None);
        let handles: Vec<u64> = table.take_all().iter().map(|entry| entry.handle).collect();
        assert!(handles.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(handles.len(), 65_535);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn an_identifier_in_use_is_passed_over() {
        let mut table = InFlight::default();
        let stuck = take(&mut table, 0).unwrap();
        let mut handles = 0u64;
        for _ in 0..200_000 {
            handles += 1;
            let id = take(&mut table, handles).unwrap();
            assert_ne!(id, stuck);
            assert_eq!(
                table.get(PacketId::new(id).unwrap()).unwrap().handle,
                handles
            );
            table.remove(PacketId::new(id).unwrap());
        }
        assert_eq!(table.len(), 1);
        assert_eq!(table.slots.len(), FIRST);
        assert_eq!(table.get(PacketId::new(stuck).unwrap()).unwrap().handle, 0);
    }

    #[test]
    fn requests_end_with_the_connection() {
        let mut table = InFlight::default();
        for (handle, state) in [State::Subscribe(1), State::Release, State::Unsubscribe(2)]
            .into_iter()
            .enumerate()
        {
            let id = table.vacant().unwrap();
            table.insert(Entry {
                id,
                counted: true,
                reported: false,
                handle: handle as u64,
                state,
            });
        }
        assert_eq!(table.take_requests().len(), 2);
        table.detach();
        assert_eq!(table.len(), 1);
        assert!(
            table
                .iter()
                .all(|entry| !entry.counted && entry.handle == 1)
        );
    }
}
