//! Blocks of `u32` words in pages, all blocks of one page of one size, so that a page without blocks can be given back.
//! No allocation moves anything, so the longest one is that of a page.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;

const PAGE_BITS: u32 = 13;
/// Words in a full page: 32 KiB. The first pages of a size are smaller, so that a small index is small.
const PAGE_WORDS: usize = 1 << PAGE_BITS;
const FIRST_PAGE_WORDS: usize = 64;
/// Addresses count words and have 29 bits, so all pages are 2 GiB at most: the other three bits of a word tell what is
/// there.
pub(super) const ADDRESS_BITS: u32 = 29;
const MAXIMUM_PAGES: usize = 1 << (ADDRESS_BITS - PAGE_BITS);
/// Nothing lies below: these are keys with a meaning of their own, and 0 is no address.
pub(super) const FIRST_ADDRESS: u32 = 8;

/// Sizes in words.
const SIZES: [u16; 36] = [
    2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 56, 66, 80, 98,
    114, 130, 146, 162, 194, 226, 258, 290, 322, 386, 512,
];
pub(super) const MAXIMUM_WORDS: usize = 512;
/// The size that holds so many words.
const CLASSES: [u8; MAXIMUM_WORDS + 1] = classes();

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const fn classes() -> [u8; MAXIMUM_WORDS + 1] {
    let mut classes = [0; MAXIMUM_WORDS + 1];
    let (mut words, mut class) = (0, 0u8);
    while words <= MAXIMUM_WORDS {
        if words > SIZES[class as usize] as usize {
            class += 1;
        }
        classes[words] = class;
        words += 1;
    }
    classes
}

fn class_of(words: usize) -> usize {
    CLASSES.get(words).copied().unwrap_or_default().into()
}

fn size(class: usize) -> usize {
    SIZES.get(class).copied().unwrap_or_default().into()
}

/// The number of words that a block for so many really has.
pub(super) fn room(words: usize) -> usize {
    size(class_of(words))
}

const NONE: u32 = u32::MAX;

#[derive(Copy, Clone, Default)]
struct Page {
    class: u8,
    /// Blocks in use.
    live: u16,
    /// The word behind the last block that was ever used.
    bump: u16,
    /// The first block that was given back, as its first word; 0: none. Each holds the next one.
    free: u16,
    /// Neighbours among the pages of this size that have room, or among the pages that are not there.
    previous: u32,
    next: u32,
}

pub(super) struct Arena {
    pages: Vec<Box<[u32]>>,
    about: Vec<Page>,
    /// By size: the first page that has room, and how many pages there are.
    open: [(u32, u32); SIZES.len()],
    /// The first page that is not there.
    absent: u32,
    /// How many are there.
    present: usize,
    /// An empty full page, so that one block taken and given back by turns does not cost a page each time.
    spare: Option<Box<[u32]>>,
    words: usize,
}

impl Arena {
    pub(super) const fn new() -> Self {
        Self {
            pages: Vec::new(),
            about: Vec::new(),
            open: [(NONE, 0); SIZES.len()],
            absent: NONE,
            present: 0,
            spare: None,
            words: 0,
        }
    }

    /// Bytes of all pages and what is known about them.
    pub(super) fn heap_bytes(&self) -> usize {
        self.words * 4
            + self.spare.as_ref().map_or(0, |page| page.len() * 4)
            + self.pages.capacity() * size_of::<Box<[u32]>>()
            + self.about.capacity() * size_of::<Page>()
    }

    /// Whether so many words more are sure to find room, in blocks of any sizes.
    pub(super) fn has_room(&self, words: usize) -> bool {
        // A page may be wasted by half, and the last one of each size wholly.
        let pages = words / (PAGE_WORDS / 2) + SIZES.len();
        self.present.saturating_add(pages) < MAXIMUM_PAGES
    }

    /// A block of at least so many words, with anything in it; 0 if the addresses are used up, which
    /// [`has_room`](Self::has_room) tells before.
    pub(super) fn alloc(&mut self, words: usize) -> u32 {
        let class = class_of(words);
        let open = self.open.get(class).map_or(NONE, |open| open.0);
        let index = if open == NONE {
            self.add_page(class)
        } else {
            open
        };
        let (Some(about), Some(page)) = (
            self.about.get_mut(index as usize),
            self.pages.get_mut(index as usize),
        ) else {
            return 0;
        };
        let size = size(class);
        let start = if about.free != 0 {
            let start = about.free;
            let next = page.get(usize::from(start)).copied();
            about.free = next.and_then(|next| next.try_into().ok()).unwrap_or(0);
            start
        } else {
            let start = about.bump;
            about.bump = start.saturating_add(size.try_into().unwrap_or(u16::MAX));
            start
        };
        about.live += 1;
        if about.free == 0 && usize::from(about.bump) + size > page.len() {
            self.unlink(index, class);
        }
        index << PAGE_BITS | u32::from(start)
    }

    pub(super) fn free(&mut self, address: u32) {
        let index = address >> PAGE_BITS;
        let (Some(about), Some(page)) = (
            self.about.get_mut(index as usize),
            self.pages.get_mut(index as usize),
        ) else {
            return;
        };
        let class = usize::from(about.class);
        let start = address & (PAGE_WORDS as u32 - 1);
        let was_full = about.free == 0 && usize::from(about.bump) + size(class) > page.len();
        if let Some(word) = page.get_mut(start as usize) {
            *word = about.free.into();
        }
        about.free = start.try_into().unwrap_or(0);
        about.live = about.live.saturating_sub(1);
        let live = about.live;
        if was_full {
            self.link(index, class);
        }
        if live == 0 {
            self.remove_page(index, class);
        }
    }

    fn add_page(&mut self, class: usize) -> u32 {
        if self.present >= MAXIMUM_PAGES {
            return NONE;
        }
        let pages = self.open.get(class).map_or(0, |open| open.1);
        let words = (FIRST_PAGE_WORDS << pages.min(PAGE_BITS))
            .max(2 * size(class))
            .min(PAGE_WORDS);
        let page = match self.spare.take_if(|_| words == PAGE_WORDS) {
            Some(page) => page,
            None => vec![0; words].into_boxed_slice(),
        };
        self.words += page.len();
        let about = Page {
            class: u8::try_from(class).unwrap_or_default(),
            ..Page::default()
        };
        let index = if self.absent == NONE {
            self.pages.push(page);
            self.about.push(about);
            self.about.len() as u32 - 1
        } else {
            let index = self.absent;
            if let (Some(slot), Some(old)) = (
                self.pages.get_mut(index as usize),
                self.about.get_mut(index as usize),
            ) {
                self.absent = old.next;
                *slot = page;
                *old = about;
            }
            index
        };
        // Word 0 of a page is never used: 0 ends the list of free blocks. So the first page has room for what is
        // below the first address.
        if let Some(about) = self.about.get_mut(index as usize) {
            about.bump = if index == 0 { FIRST_ADDRESS as u16 } else { 1 };
        }
        self.present += 1;
        if let Some(open) = self.open.get_mut(class) {
            open.1 += 1;
        }
        self.link(index, class);
        index
    }

    fn remove_page(&mut self, index: u32, class: usize) {
        self.unlink(index, class);
        if let Some(open) = self.open.get_mut(class) {
            open.1 -= 1;
        }
        self.present -= 1;
        if self.present == 0 {
            *self = Self::new();
            return;
        }
        if let Some(slot) = self.pages.get_mut(index as usize) {
            let page = mem::take(slot);
            self.words -= page.len();
            if page.len() == PAGE_WORDS {
                self.spare = Some(page);
            }
        }
        if let Some(about) = self.about.get_mut(index as usize) {
            about.next = self.absent;
            self.absent = index;
        }
    }

    /// Puts a page before the others of its size that have room.
    fn link(&mut self, index: u32, class: usize) {
        let Some(open) = self.open.get_mut(class) else {
            return;
        };
        let next = mem::replace(&mut open.0, index);
        if let Some(next) = self.about.get_mut(next as usize) {
            next.previous = index;
        }
        if let Some(about) = self.about.get_mut(index as usize) {
            (about.previous, about.next) = (NONE, next);
        }
    }

    fn unlink(&mut self, index: u32, class: usize) {
        let Some(&Page { previous, next, .. }) = self.about.get(index as usize) else {
            return;
        };
        if let Some(next) = self.about.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.about.get_mut(previous as usize) {
            previous.next = next;
        } else if let Some(open) = self.open.get_mut(class) {
            open.0 = next;
        }
    }

    /// The words from an address to the end of its page; nothing if there is no such address.
    #[inline(always)]
    pub(super) fn block(&self, address: u32) -> &[u32] {
        let start = (address & (PAGE_WORDS as u32 - 1)) as usize;
        let page = self.pages.get((address >> PAGE_BITS) as usize);
        page.and_then(|page| page.get(start..)).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn block_mut(&mut self, address: u32) -> &mut [u32] {
        let start = (address & (PAGE_WORDS as u32 - 1)) as usize;
        let page = self.pages.get_mut((address >> PAGE_BITS) as usize);
        page.and_then(|page| page.get_mut(start..))
            .unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn word(&self, address: u32, at: usize) -> u32 {
        self.block(address).get(at).copied().unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn set(&mut self, address: u32, at: usize, word: u32) {
        if let Some(old) = self.block_mut(address).get_mut(at) {
            *old = word;
        }
    }

    /// Copies words from one block to another, through a buffer on the stack.
    pub(super) fn copy(
        &mut self,
        (from, at): (u32, usize),
        (to, to_at): (u32, usize),
        words: usize,
    ) {
        const CHUNK: usize = 64;
        let mut done = 0;
        while done < words {
            let count = CHUNK.min(words - done);
            let mut buffer = [0; CHUNK];
            let source = self.block(from).get(at + done..at + done + count);
            if let (Some(source), Some(buffer)) = (source, buffer.get_mut(..count)) {
                buffer.copy_from_slice(source);
            }
            let target = self
                .block_mut(to)
                .get_mut(to_at + done..to_at + done + count);
            if let (Some(target), Some(buffer)) = (target, buffer.get(..count)) {
                target.copy_from_slice(buffer);
            }
            done += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn blocks_do_not_overlap_and_pages_are_given_back() {
        let mut arena = Arena::new();
        let mut blocks = BTreeMap::new();
        let mut random = 1u64;
        for round in 0..200_000u32 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let words = (random >> 33) as usize % MAXIMUM_WORDS + 1;
            if round % 5 < 3 && round < 100_000 || blocks.is_empty() {
                let words = if round % 3 == 0 {
                    words
                } else {
                    words % 20 + 1
                };
                let address = arena.alloc(words);
                assert!((FIRST_ADDRESS..1 << ADDRESS_BITS).contains(&address));
                arena.block_mut(address)[..words].fill(address);
                assert!(blocks.insert(address, words).is_none());
            } else {
                let from = (random >> 20) as u32 % (blocks.last_key_value().unwrap().0 + 1);
                let (&address, &words) = blocks.range(from..).next().unwrap();
                assert!(
                    arena.block(address)[..words]
                        .iter()
                        .all(|&word| word == address)
                );
                blocks.remove(&address);
                arena.free(address);
            }
        }
        for (&address, &words) in &blocks {
            assert!(
                arena.block(address)[..words]
                    .iter()
                    .all(|&word| word == address)
            );
        }
        for address in blocks.into_keys() {
            arena.free(address);
        }
        assert_eq!(arena.heap_bytes(), 0);
    }

    #[test]
    fn every_size_has_a_class_that_holds_it() {
        for words in 0..=MAXIMUM_WORDS {
            let size = room(words);
            assert!(
                size >= words && size <= words.max(1) * 4 / 3 + 1,
                "{words} {size}"
            );
        }
    }
}
