//! Values under numbers, in pages, so that no insertion moves the others and a page without values can be given back.

use alloc::vec::Vec;
use core::mem;

const PAGE: usize = 256;
const NONE: u32 = u32::MAX;

enum Slot<T> {
    Full(T),
    /// The next one of the page that is free.
    Free(u32),
}

struct Page<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: usize,
    /// Whether it is among those that have room.
    is_open: bool,
}

pub(crate) struct Slab<T> {
    pages: Vec<Page<T>>,
    open: Vec<u32>,
    len: usize,
}

impl<T> Page<T> {
    const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            len: 0,
            is_open: false,
        }
    }

    /// A free slot; the position.
    fn insert(&mut self, value: T, room: usize) -> usize {
        self.len += 1;
        let at = self.free as usize;
        if let Some(slot) = self.slots.get_mut(at) {
            if let Slot::Free(next) = mem::replace(slot, Slot::Full(value)) {
                self.free = next;
            }
            return at;
        }
        if self.slots.capacity() == 0 {
            self.slots.reserve_exact(room);
        }
        self.slots.push(Slot::Full(value));
        self.slots.len() - 1
    }
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            pages: Vec::new(),
            open: Vec::new(),
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let slots: usize = self.pages.iter().map(|page| page.slots.capacity()).sum();
        self.pages.capacity() * size_of::<Page<T>>()
            + self.open.capacity() * size_of::<u32>()
            + slots * size_of::<Slot<T>>()
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        let number = self.open.last().copied().unwrap_or_else(|| {
            let number = self.pages.len() as u32;
            self.pages.push(Page {
                is_open: true,
                ..Page::new()
            });
            self.open.push(number);
            number
        });
        let Some(page) = self.pages.get_mut(number as usize) else {
            return NONE;
        };
        // The first page grows as a `Vec` does, so that few values take little.
        let at = page.insert(value, if number == 0 { 0 } else { PAGE });
        if page.len == PAGE {
            page.is_open = false;
            self.open.pop();
        }
        (number as usize * PAGE + at) as u32
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let (number, at) = (number as usize / PAGE, number as usize % PAGE);
        let page = self.pages.get_mut(number)?;
        let slot = page.slots.get_mut(at)?;
        if let Slot::Free(_) = slot {
            return None;
        }
        let Slot::Full(value) = mem::replace(slot, Slot::Free(page.free)) else {
            return None;
        };
        page.free = at as u32;
        page.len -= 1;
        if page.len == 0 {
            (page.slots, page.free) = (Vec::new(), NONE);
        }
        if !page.is_open {
            page.is_open = true;
            self.open.push(number as u32);
        }
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        }
        Some(value)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        match self.pages.get(number / PAGE)?.slots.get(number % PAGE)? {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let number = number as usize;
        let page = self.pages.get_mut(number / PAGE)?;
        match page.slots.get_mut(number % PAGE)? {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// Under which there is a value.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        let pages = self.pages.iter().enumerate();
        pages.flat_map(|(page, slots)| {
            let slots = slots.slots.iter().enumerate();
            let full = slots.filter(|(_, slot)| matches!(slot, Slot::Full(_)));
            full.map(move |(at, _)| (page * PAGE + at) as u32)
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let slots = self.pages.iter().flat_map(|page| &page.slots);
        slots.filter_map(|slot| match slot {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn numbers_lead_to_their_values_and_empty_pages_are_given_back() {
        let mut slab = Slab::new();
        let mut map = BTreeMap::new();
        let mut random = 1u64;
        for step in 0..60_000u64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            if step / 10_000 % 2 == 0 || random >> 60 == 0 {
                let number = slab.insert(step);
                assert_eq!(map.insert(number, step), None);
            } else {
                let number = (random >> 33) as u32 % (10_000);
                assert_eq!(slab.remove(number), map.remove(&number));
            }
            assert_eq!(slab.len(), map.len());
        }
        assert!(
            map.iter()
                .all(|(&number, value)| slab.get(number) == Some(value))
        );
        assert_eq!(slab.iter().sum::<u64>(), map.values().sum::<u64>());
        let full = slab.heap_bytes();
        // All but one in sixteen pages.
        for &number in map.keys().filter(|&number| number % 4096 != 0) {
            slab.remove(number);
        }
        assert!(slab.heap_bytes() < full / 4);
        for &number in map.keys() {
            slab.remove(number);
        }
        assert_eq!(slab.heap_bytes(), 0);
    }
}
