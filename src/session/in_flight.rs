//! Our own Packet Identifiers and what is open under them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::message::Message;
use crate::time::Instant;
use crate::types::{PacketId, QoS};

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
    /// Empty, or a power of two of slots, at most 65,536, and behind them the strays: entries of a
    /// restored session whose slot is another's.
    slots: Box<[Option<Entry>]>,
    /// Of the messages, as [`Message::size`] counts.
    bytes: usize,
    len: u32,
    next: u16,
    /// The low bits of an identifier that are its slot.
    mask: u16,
}

impl Entry {
    /// Whether this is a PUBLISH of this QoS that is not answered.
    pub(crate) fn is_publish(&self, qos: QoS) -> bool {
        matches!(&self.state, State::Publish { message, .. } if message.qos() == qos)
    }
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
        self.len as usize
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn slot(&self, id: u16) -> usize {
        // An empty table has no slots: the index is out of range and `get` says so.
        usize::from(id & self.mask)
    }

    /// Slots without the strays.
    fn size(&self) -> usize {
        self.slots.len().min(usize::from(self.mask) + 1)
    }

    /// Where the entry of this identifier is.
    #[inline]
    fn position(&self, id: PacketId) -> Option<usize> {
        let slot = self.slot(id.get());
        match self.slots.get(slot)? {
            Some(entry) if entry.id == id => Some(slot),
            _ => self.stray(id),
        }
    }

    #[inline]
    fn stray(&self, id: PacketId) -> Option<usize> {
        let size = self.size();
        let strays = self.slots.get(size..).filter(|slots| !slots.is_empty())?;
        let is_it = |slot: &Option<Entry>| slot.as_ref().is_some_and(|entry| entry.id == id);
        Some(size + strays.iter().position(is_it)?)
    }

    pub(crate) fn get(&self, id: PacketId) -> Option<&Entry> {
        self.slots.get(self.position(id)?)?.as_ref()
    }

    /// The identifier that is tried first for the next entry.
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    pub(crate) fn set_next(&mut self, id: u16) {
        self.next = id;
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
        let index = self.position(id)?;
        self.slots.get_mut(index)?.as_mut()
    }

    pub(crate) fn remove(&mut self, id: PacketId) -> Option<Entry> {
        let index = self.position(id)?;
        let entry = self.slots.get_mut(index)?.take()?;
        self.len -= 1;
        self.bytes -= entry.state.bytes();
        self.give_back();
        Some(entry)
    }

    /// Ends what is open under this identifier, which is free again.
    pub(crate) fn settle(&mut self, id: PacketId) -> Option<Settled> {
        let index = self.position(id)?;
        let slot = self.slots.get_mut(index)?;
        let entry = slot.as_ref()?;
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
        if self.len == 0 && (self.slots.len() > KEPT || self.slots.len() > self.size()) {
            self.clear();
        }
    }

    /// The identifier that the next [`insert`](Self::insert) will use; `None`: all 65,535 are in
    /// use. Nothing is taken yet.
    pub(crate) fn vacant(&mut self) -> Option<PacketId> {
        // A quarter of the slots stays free so that a free one is found in a few steps.
        if self.is_crowded() {
            self.grow();
        }
        let mut candidate = self.next;
        for _ in 0..=self.slots.len() {
            if let Some(id) = PacketId::new(candidate) {
                if self
                    .slots
                    .get(self.slot(candidate))
                    .is_some_and(Option::is_none)
                    && self.stray(id).is_none()
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
            self.len += u32::from(place.is_none());
            self.bytes += entry.state.bytes();
            *place = Some(entry);
            self.next = id.wrapping_add(1);
        }
    }

    /// Puts the entry of a stored session under its identifier, which another table gave. False: there
    /// is one under it already.
    ///
    /// A table that gave all of them has slots enough for them; one that was made up may have two that
    /// differ in the highest bit alone. So the table grows in proportion to what is in it, and who has
    /// no slot then is a stray.
    pub(crate) fn restore(&mut self, entry: Entry) -> bool {
        let id = entry.id;
        if self.get(id).is_some() {
            return false;
        }
        if self.is_crowded() {
            self.grow();
        }
        let bound = (4 * (self.len() + 1)).clamp(KEPT, ALL);
        while self.size() < bound && !self.is_vacant(id) {
            self.grow();
        }
        self.len += 1;
        self.bytes += entry.state.bytes();
        self.next = id.get().wrapping_add(1);
        self.place(entry);
        true
    }

    fn is_crowded(&self) -> bool {
        self.size() < ALL && self.len() * 4 >= self.size() * 3
    }

    fn is_vacant(&self, id: PacketId) -> bool {
        matches!(self.slots.get(self.slot(id.get())), Some(None))
    }

    fn place(&mut self, entry: Entry) {
        let slot = self.slot(entry.id.get());
        if let Some(place @ None) = self.slots.get_mut(slot) {
            *place = Some(entry);
            return;
        }
        let size = self.size();
        let mut strays = self.slots.iter_mut().skip(size);
        if let Some(place) = strays.find(|place| place.is_none()) {
            *place = Some(entry);
            return;
        }
        // Some more at a time: each time all are copied.
        let mut slots = core::mem::take(&mut self.slots).into_vec();
        let more = ((slots.len() - size) / 16).saturating_sub(1);
        slots.push(Some(entry));
        slots.extend((0..more).map(|_| None));
        self.slots = slots.into();
    }

    /// Doubles the table. Identifiers that differ in their low bits still do with one bit more.
    fn grow(&mut self) {
        let size = (self.size() * 2).clamp(FIRST, ALL);
        let mut grown: Vec<Option<Entry>> = Vec::new();
        grown.resize_with(size, || None);
        let former = core::mem::replace(&mut self.slots, grown.into());
        self.mask = u16::try_from(size - 1).unwrap_or(u16::MAX);
        for entry in former.into_iter().flatten() {
            self.place(entry);
        }
    }

    fn clear(&mut self) {
        self.slots = Box::default();
        self.mask = 0;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    /// Gives memory back in which nothing is.
    pub(crate) fn give_back_all(&mut self) {
        if self.len == 0 {
            self.clear();
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
        let mut entries: Vec<Entry> = core::mem::take(&mut self.slots)
            .into_iter()
            .flatten()
            .collect();
        entries.sort_unstable_by_key(|entry| entry.handle);
        self.clear();
        (self.len, self.bytes) = (0, 0);
        entries
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            slots: Box::default(),
            len: 0,
            bytes: 0,
            next: 1,
            mask: 0,
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

    /// Identifiers that no table gave together are found all the same, none is given twice, and the table
    /// stays in proportion.
    #[test]
    fn strays_of_a_restored_session() {
        let restored = |ids: &[u16]| {
            let mut table = InFlight::default();
            for (&id, handle) in ids.iter().zip(1..) {
                assert!(table.restore(entry(PacketId::new(id).unwrap(), handle)));
                assert!(!table.restore(entry(PacketId::new(id).unwrap(), handle)));
            }
            table
        };
        // All that have the low bits of 1 in a table of `KEPT` slots.
        let ids: Vec<u16> = (0..40).map(|n| 1 + n * 256).collect();
        let mut table = restored(&ids);
        assert!(
            table.slots.len() <= KEPT + ids.len(),
            "{}",
            table.slots.len()
        );
        for (&id, handle) in ids.iter().zip(1..) {
            assert_eq!(
                table.get(PacketId::new(id).unwrap()).unwrap().handle,
                handle
            );
        }
        assert_eq!(table.iter().count(), ids.len());
        // The slot of 1 is free and is not given to those that are strays.
        table.settle(PacketId::new(1).unwrap()).unwrap();
        let mut seen: Vec<u16> = ids[1..].to_vec();
        for handle in 100..40_000 {
            seen.push(take(&mut table, handle).unwrap());
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), ids.len() - 1 + 39_900);
        assert_eq!(table.len(), seen.len());
        for id in seen {
            assert!(table.settle(PacketId::new(id).unwrap()).is_some(), "{id}");
        }
        assert_eq!((table.len(), table.slots.len()), (0, 0));

        // Two that differ in the highest bit alone.
        let mut table = restored(&[7, 0x8007]);
        assert_eq!(table.slots.len(), KEPT + 1);
        table.set_next(7);
        assert_eq!(take(&mut table, 3), Some(8));
        assert!(table.remove(PacketId::new(0x8007).unwrap()).is_some());
        assert_eq!(table.get(PacketId::new(0x8007).unwrap()).map(|_| ()), None);
        assert_eq!(table.len(), 2);
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
