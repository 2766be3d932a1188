//! A set of Packet Identifiers that the peer chose.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::types::PacketId;

/// A sorted deque: peers count upwards, so an insert is nearly always a push at the back and a
/// removal a pop at the front; nothing is allocated before the first, and two bytes an identifier
/// bound it at 128 KiB whatever a peer does. In a box, since most sessions have none.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct IdSet {
    #[allow(clippy::box_collection)] // 8 bytes in each session, not 32
    ids: Option<Box<VecDeque<u16>>>,
}

impl IdSet {
    pub(crate) fn len(&self) -> usize {
        self.ids.as_ref().map_or(0, |ids| ids.len())
    }

    /// Gives memory back in which nothing is.
    pub(crate) fn give_back(&mut self) {
        self.ids.take_if(|ids| ids.is_empty());
    }

    pub(crate) fn contains(&self, id: PacketId) -> bool {
        self.ids.as_ref().is_some_and(|ids| {
            // What is asked for is mostly beyond the last.
            ids.back().is_some_and(|&last| last >= id.get()) && ids.binary_search(&id.get()).is_ok()
        })
    }

    /// False: it was there already.
    pub(crate) fn insert(&mut self, id: PacketId) -> bool {
        let ids = self.ids.get_or_insert_default();
        if ids.back().is_none_or(|&last| last < id.get()) {
            ids.push_back(id.get());
            return true;
        }
        match ids.binary_search(&id.get()) {
            Ok(_) => false,
            Err(position) => {
                ids.insert(position, id.get());
                true
            }
        }
    }

    /// False: it was not there.
    pub(crate) fn remove(&mut self, id: PacketId) -> bool {
        let Some(ids) = &mut self.ids else {
            return false;
        };
        if ids.front() == Some(&id.get()) {
            ids.pop_front();
            return true;
        }
        match ids.binary_search(&id.get()) {
            Ok(position) => ids.remove(position).is_some(),
            Err(_) => false,
        }
    }

    /// In rising order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.ids.iter().flat_map(|ids| ids.iter().copied())
    }

    pub(crate) fn clear(&mut self) {
        self.ids = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn behaves_as_a_set() {
        let mut set = IdSet::default();
        let mut model = BTreeSet::new();
        let mut state = 1u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let Some(id) = PacketId::new((state >> 16) as u16 & 0x3ff) else {
                continue;
            };
            if state & 1 == 0 {
                assert_eq!(set.insert(id), model.insert(id.get()));
            } else {
                assert_eq!(set.remove(id), model.remove(&id.get()));
            }
            assert_eq!(set.contains(id), model.contains(&id.get()));
            assert_eq!(set.len(), model.len());
        }
        assert!(set.ids.iter().flat_map(|ids| ids.iter()).eq(model.iter()));
    }
}
