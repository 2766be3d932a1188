//! The members of a group in numbered slots and in the order of their last use. The slots are in pages, so that no
//! addition moves the others.

use alloc::vec::Vec;

use super::Subscriber;

const PAGE: usize = 128;
pub(super) const NONE: u32 = u32::MAX;

#[derive(Copy, Clone)]
struct Slot {
    member: Option<Subscriber>,
    /// Neighbours among the members by use, or among the free slots.
    previous: u32,
    next: u32,
}

#[derive(Copy, Clone)]
struct Ends {
    first: u32,
    last: u32,
}

impl Ends {
    const NONE: Self = Self {
        first: NONE,
        last: NONE,
    };
}

#[derive(Copy, Clone)]
enum List {
    Used,
    Free,
}

#[derive(Clone)]
pub(super) struct Members {
    /// The first page grows by half, so that a small group is small; the others are made whole.
    first: Vec<Slot>,
    more: Vec<Vec<Slot>>,
    slots: u32,
    len: u32,
    /// The least recently used first.
    used: Ends,
    free: Ends,
}

impl Members {
    pub(super) const fn new() -> Self {
        Self {
            first: Vec::new(),
            more: Vec::new(),
            slots: 0,
            len: 0,
            used: Ends::NONE,
            free: Ends::NONE,
        }
    }

    /// Puts a member into a free slot, or a new one, as the most recently used; gives the slot.
    pub(super) fn insert(&mut self, member: Subscriber) -> u32 {
        let at = match self.free.first {
            NONE => self.push(),
            at => {
                self.unlink(List::Free, at);
                at
            }
        };
        if let Some(slot) = self.slot_mut(at) {
            slot.member = Some(member);
            self.len += 1;
            self.append(List::Used, at);
        }
        at
    }

    /// The slot stays, free, unless it is the last one.
    pub(super) fn remove(&mut self, at: u32) -> Option<Subscriber> {
        let member = self.slot_mut(at)?.member.take()?;
        self.unlink(List::Used, at);
        self.len = self.len.saturating_sub(1);
        if self.len == 0 {
            *self = Self::new();
        } else if at + 1 == self.slots {
            self.pop();
        } else {
            self.append(List::Free, at);
        }
        Some(member)
    }

    /// Whether so many slots are free that memory should be given back.
    pub(super) const fn is_sparse(&self) -> bool {
        self.slots > 8 && self.slots - 8 > self.len.saturating_mul(2)
    }

    /// Does without the last slot; gives the member that was there and its new slot.
    pub(super) fn shorten(&mut self) -> Option<(Subscriber, u32)> {
        let last = self.slots.checked_sub(1)?;
        let Slot {
            member,
            previous,
            next,
        } = *self.slot(last)?;
        let Some(member) = member else {
            self.unlink(List::Free, last);
            self.pop();
            return None;
        };
        // The one that became free last: its keys had to move anyway.
        let to = self.free.last;
        if to == NONE {
            return None;
        }
        self.unlink(List::Free, to);
        if let Some(slot) = self.slot_mut(to) {
            *slot = Slot {
                member: Some(member),
                previous,
                next,
            };
        }
        self.join(List::Used, previous, to);
        self.join(List::Used, to, next);
        self.pop();
        Some((member, to))
    }

    /// Puts another in the place of a member.
    pub(super) fn replace(&mut self, at: u32, member: Subscriber) -> Option<Subscriber> {
        self.slot_mut(at)?.member.as_mut().map(|old| {
            let before = *old;
            *old = member;
            before
        })
    }

    /// Makes a member the most recently used.
    pub(super) fn touch(&mut self, at: u32) {
        if self.used.last != at && self.get(at).is_some() {
            self.unlink(List::Used, at);
            self.append(List::Used, at);
        }
    }

    pub(super) fn get(&self, at: u32) -> Option<&Subscriber> {
        self.slot(at)?.member.as_ref()
    }

    /// How many slots there are, free ones among them.
    pub(super) const fn slots(&self) -> u32 {
        self.slots
    }

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// Slot and member, in the order of the slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Subscriber)> {
        let slots = self.first.iter().chain(self.more.iter().flatten());
        (0..)
            .zip(slots)
            .filter_map(|(at, slot)| Some((at, slot.member.as_ref()?)))
    }

    /// Slot and member, the least recently used first.
    pub(super) fn by_use(&self) -> impl Iterator<Item = (u32, &Subscriber)> {
        let mut next = self.used.first;
        core::iter::from_fn(move || {
            let at = next;
            let slot = self.slot(at)?;
            next = slot.next;
            Some((at, slot.member.as_ref()?))
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        (self.first.capacity() + self.more.len() * PAGE) * size_of::<Slot>()
            + self.more.capacity() * size_of::<Vec<Slot>>()
    }

    fn slot(&self, at: u32) -> Option<&Slot> {
        let at = at as usize;
        match (at / PAGE).checked_sub(1) {
            None => self.first.get(at),
            Some(page) => self.more.get(page)?.get(at % PAGE),
        }
    }

    fn slot_mut(&mut self, at: u32) -> Option<&mut Slot> {
        let at = at as usize;
        match (at / PAGE).checked_sub(1) {
            None => self.first.get_mut(at),
            Some(page) => self.more.get_mut(page)?.get_mut(at % PAGE),
        }
    }

    fn push(&mut self) -> u32 {
        let slot = Slot {
            member: None,
            previous: NONE,
            next: NONE,
        };
        let page = if self.first.len() < PAGE {
            if self.first.len() == self.first.capacity() {
                self.first.reserve_exact((self.first.len() / 2).max(1));
            }
            &mut self.first
        } else {
            if self.more.last().is_none_or(|page| page.len() == PAGE) {
                self.more.push(Vec::with_capacity(PAGE));
            }
            self.more.last_mut().unwrap_or(&mut self.first)
        };
        page.push(slot);
        self.slots += 1;
        self.slots - 1
    }

    /// Takes the last slot away, which is in no list any more.
    fn pop(&mut self) {
        let Some(page) = self.more.last_mut() else {
            self.first.pop();
            if self.first.len() <= self.first.capacity() / 4 {
                self.first.shrink_to(self.first.capacity() / 2);
            }
            self.slots = self.slots.saturating_sub(1);
            return;
        };
        page.pop();
        if page.is_empty() {
            self.more.pop();
            if self.more.len() <= self.more.capacity() / 4 {
                self.more.shrink_to(self.more.capacity() / 2);
            }
        }
        self.slots = self.slots.saturating_sub(1);
    }

    const fn ends_mut(&mut self, list: List) -> &mut Ends {
        match list {
            List::Used => &mut self.used,
            List::Free => &mut self.free,
        }
    }

    fn append(&mut self, list: List, at: u32) {
        let last = self.ends_mut(list).last;
        self.join(list, last, at);
        self.join(list, at, NONE);
    }

    fn unlink(&mut self, list: List, at: u32) {
        if let Some(&Slot { previous, next, .. }) = self.slot(at) {
            self.join(list, previous, next);
        }
    }

    /// Makes two slots neighbours; none stands for the end of the list.
    fn join(&mut self, list: List, left: u32, right: u32) {
        match self.slot_mut(left) {
            Some(slot) => slot.next = right,
            None => self.ends_mut(list).first = right,
        }
        match self.slot_mut(right) {
            Some(slot) => slot.previous = left,
            None => self.ends_mut(list).last = left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::SubscriberId;
    use crate::packet::SubscriptionOptions;
    use alloc::collections::VecDeque;

    fn member(number: u32) -> Subscriber {
        Subscriber::new(SubscriberId::new(number), SubscriptionOptions::default())
    }

    #[test]
    fn a_slot_is_small() {
        assert_eq!(size_of::<Slot>(), 24);
    }

    /// Against the members in the order of their use as a list.
    #[test]
    fn order_and_slots_hold_whatever_comes_and_goes() {
        let mut members = Members::new();
        let mut model = VecDeque::new();
        let mut random = 1u64;
        for round in 0..60_000u32 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let chance = (random >> 33) as usize;
            let grows = (round / 3000) % 2 == 0;
            if model.is_empty() || chance % 5 < if grows { 3 } else { 1 } {
                let at = members.insert(member(round));
                model.push_back((at, round));
            } else if chance % 5 == 4 {
                let (at, number) = model.remove(chance / 5 % model.len()).unwrap();
                members.touch(at);
                model.push_back((at, number));
            } else {
                let (at, number) = model.remove(chance / 5 % model.len()).unwrap();
                assert_eq!(members.remove(at), Some(member(number)));
                for _ in 0..2 {
                    if members.is_sparse() {
                        if let Some((moved, to)) = members.shorten() {
                            let entry = model.iter_mut().find(|(_, of)| *of == moved.id.get());
                            entry.unwrap().0 = to;
                        }
                    }
                }
            }
            assert_eq!(members.len() as usize, model.len());
            assert!(members.slots() <= 2 * members.len() + 8);
            if round % 64 == 0 {
                let by_use = members.by_use().map(|(at, member)| (at, member.id.get()));
                assert!(by_use.eq(model.iter().copied()));
                assert_eq!(members.iter().count(), model.len());
            }
        }
        while let Some((at, _)) = model.pop_back() {
            members.remove(at);
            for _ in 0..2 {
                if members.is_sparse() {
                    if let Some((moved, to)) = members.shorten() {
                        let entry = model.iter_mut().find(|(_, of)| *of == moved.id.get());
                        entry.unwrap().0 = to;
                    }
                }
            }
        }
        assert_eq!(members.heap_bytes(), 0);
    }
}
