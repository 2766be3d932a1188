//! Values under numbers, in pages, so that no insertion moves the others.

use alloc::vec::Vec;
use core::mem;

const PAGE: usize = 256;
const NONE: u32 = u32::MAX;

enum Slot<T> {
    Full(T),
    /// The next one that is free.
    Free(u32),
}

pub(super) struct Slab<T> {
    pages: Vec<Vec<Slot<T>>>,
    free: u32,
    len: usize,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self {
            pages: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.pages.capacity() * size_of::<Vec<Slot<T>>>()
            + self.pages.iter().map(Vec::capacity).sum::<usize>() * size_of::<Slot<T>>()
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        let reused = self.free;
        if let Some(slot) = self.slot_mut(reused) {
            if let Slot::Free(next) = mem::replace(slot, Slot::Full(value)) {
                self.free = next;
            }
            return reused;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            // The first page grows as a `Vec` does, so that few values take little.
            let room = if self.pages.is_empty() { 0 } else { PAGE };
            self.pages.push(Vec::with_capacity(room));
        }
        let before = (self.pages.len() - 1) * PAGE;
        self.pages.last_mut().map_or(NONE, |page| {
            page.push(Slot::Full(value));
            (before + page.len() - 1) as u32
        })
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let free = self.free;
        let slot = self.slot_mut(number)?;
        if let Slot::Free(_) = slot {
            return None;
        }
        let Slot::Full(value) = mem::replace(slot, Slot::Free(free)) else {
            return None;
        };
        self.free = number;
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        }
        Some(value)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        match self.pages.get(number / PAGE)?.get(number % PAGE)? {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        match self.slot_mut(number)? {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    fn slot_mut(&mut self, number: u32) -> Option<&mut Slot<T>> {
        let number = number as usize;
        self.pages.get_mut(number / PAGE)?.get_mut(number % PAGE)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten().filter_map(|slot| match slot {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        })
    }
}
