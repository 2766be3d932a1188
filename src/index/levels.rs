//! The texts of levels, each kept once and counted; a level is known by the address of its block. They are found by hash
//! through pages of 128 slots under a directory (extendible hashing): an insertion splits one page at most, and looks at
//! nothing else.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::arena::{Arena, MAXIMUM_WORDS};
use crate::topic::{split_level, zeros};

/// A level block: how often it is used, its length in bytes, its text.
const USES: usize = 0;
const LENGTH: usize = 1;
const TEXT: usize = 2;
/// Longer texts lie elsewhere.
const LONGEST: usize = (MAXIMUM_WORDS - TEXT) * 4;
/// Texts up to this length are compared as one word.
const SHORT: usize = 8;

/// A page: the bits of the hash that all in it have in common, how many are in it and whether there are more in
/// `crowded`, then slots of level and hash; a level of 0 is a free slot.
const DEPTH: usize = 0;
const COUNT: usize = 1;
const SLOTS: usize = 2;
const SLOT_MASK: usize = 127;
const PAGE_WORDS: usize = SLOTS + 2 * (SLOT_MASK + 1);
const FULL: u32 = 104;
const MERGE: u32 = 64;
const CROWDED: u32 = 1 << 31;

/// Where no page is: an address with nothing behind it.
const NOWHERE: u32 = u32::MAX;

pub(super) struct Levels {
    seed: u64,
    /// Pages by the first bits of the hash, as many as `bits`.
    directory: Vec<u32>,
    bits: u32,
    len: usize,
    long: BTreeMap<u32, Box<[u8]>>,
    long_bytes: usize,
    /// Hash and level of those whose page is full and not worth splitting, since too many hashes begin alike.
    crowded: BTreeSet<(u32, u32)>,
}

const A: u64 = 0x9E37_79B9_7F4A_7C15;
const B: u64 = 0xC2B2_AE3D_27D4_EB4F;

#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Level by hash: equal hashes say nothing, the text decides.
#[inline(always)]
pub(super) fn hash(seed: u64, text: &[u8]) -> u32 {
    if text.len() <= SHORT {
        return hash_short(seed, short(text), text.len());
    }
    let mut state = seed ^ A;
    let mut rest = text;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        if behind.is_empty() {
            break;
        }
        state = fold(u64::from_le_bytes(*chunk) ^ B, state ^ A).wrapping_add(B);
        rest = behind;
    }
    // The last eight bytes; some of them may be in already.
    let last = text
        .last_chunk()
        .map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let length = (text.len() as u64).wrapping_mul(A);
    let mixed = fold(last ^ B, state ^ length ^ B);
    (fold(mixed ^ A, seed ^ B) >> 16) as u32
}

/// The same for a text of at most eight bytes. Who does not know the seed knows neither factor, so chosen texts have equal
/// hashes about as often as others.
#[inline(always)]
fn hash_short(seed: u64, word: u64, length: usize) -> u32 {
    let length = (length as u64).wrapping_mul(A);
    (fold(word ^ seed ^ A, seed.rotate_left(32) ^ length ^ B) >> 16) as u32
}

/// A text of at most eight bytes, and then zeros.
#[inline(always)]
fn short(text: &[u8]) -> u64 {
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            u64::from(first) | u64::from(last) << (8 * (text.len() - 4) % 64)
        }
        _ => partial(text).into(),
    }
}

/// A level that is looked for.
#[derive(Copy, Clone, Default)]
pub(super) struct Sought<'a> {
    text: &'a [u8],
    /// The text, if it is short.
    word: u64,
    hash: u32,
}

impl<'a> Sought<'a> {
    #[inline(always)]
    fn new(seed: u64, text: &'a [u8]) -> Self {
        if text.len() > SHORT {
            return Self::long(seed, text);
        }
        Self::short(seed, text, short(text))
    }

    #[inline(always)]
    fn short(seed: u64, text: &'a [u8], word: u64) -> Self {
        let hash = hash_short(seed, word, text.len());
        Self { text, word, hash }
    }

    #[inline(never)]
    fn long(seed: u64, text: &'a [u8]) -> Self {
        let (word, hash) = (0, hash(seed, text));
        Self { text, word, hash }
    }
}

/// The levels of a topic that are still to come.
pub(super) struct Cut<'a> {
    rest: Option<&'a [u8]>,
    /// The last eight bytes of the topic; before a shorter one there are zeros.
    last: u64,
}

impl<'a> Cut<'a> {
    #[inline(always)]
    pub(super) fn new(text: &'a [u8]) -> Self {
        let last = match text.last_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => short(text) << (8 * (8 - text.len()) % 64),
        };
        Self {
            rest: Some(text),
            last,
        }
    }

    #[inline(always)]
    pub(super) fn next(&mut self, levels: &Levels) -> Option<Sought<'a>> {
        const SLASHES: u64 = u64::from_le_bytes([b'/'; 8]);
        let rest = self.rest?;
        // At the end of the topic as if there were a slash behind it.
        let word = match rest.first_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => {
                let bits = 8 * rest.len() as u32;
                let word = self.last.checked_shr(64 - bits).unwrap_or(0);
                word | u64::from(b'/') << (bits % 64)
            }
        };
        let slashes = zeros(word ^ SLASHES);
        if slashes == 0 {
            let (level, rest) = split_level(rest);
            self.rest = rest;
            return Some(if level.len() == SHORT {
                Sought::short(levels.seed, level, word)
            } else {
                Sought::long(levels.seed, level)
            });
        }
        let length = slashes.trailing_zeros() as usize / 8;
        let before = ((slashes & slashes.wrapping_neg()) >> 7) - 1;
        self.rest = rest.get(length + 1..);
        let level = rest.get(..length).unwrap_or_default();
        Some(Sought::short(levels.seed, level, word & before))
    }
}

impl Levels {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            seed,
            directory: Vec::new(),
            bits: 0,
            len: 0,
            long: BTreeMap::new(),
            long_bytes: 0,
            crowded: BTreeSet::new(),
        }
    }

    /// What is not in the arena, without the nodes of the maps.
    pub(super) fn heap_bytes(&self) -> usize {
        self.directory.capacity() * size_of::<u32>()
            + self.long_bytes
            + self.long.len() * size_of::<(u32, Box<[u8]>)>()
            + self.crowded.len() * size_of::<(u32, u32)>()
    }

    #[inline(always)]
    fn page(&self, hash: u32) -> u32 {
        let at = hash.checked_shr(32 - self.bits).unwrap_or(0);
        self.directory.get(at as usize).copied().unwrap_or(NOWHERE)
    }

    /// The level with this text.
    #[inline(always)]
    pub(super) fn find(&self, arena: &Arena, text: &[u8]) -> Option<u32> {
        self.find_sought(arena, &Sought::new(self.seed, text))
    }

    #[inline(always)]
    pub(super) fn find_sought(&self, arena: &Arena, sought: &Sought<'_>) -> Option<u32> {
        let Sought { text, word, hash } = *sought;
        let page = arena.block(self.page(hash));
        let mut slot = hash as usize & SLOT_MASK;
        if text.len() <= SHORT {
            if let Some(page) = page.first_chunk::<PAGE_WORDS>() {
                for _ in 0..=SLOT_MASK {
                    let (Some(&level), Some(&of)) =
                        (page.get(SLOTS + 2 * slot), page.get(SLOTS + 2 * slot + 1))
                    else {
                        break;
                    };
                    if level == 0 {
                        if self.crowded.is_empty() {
                            return None;
                        }
                        break;
                    }
                    if of == hash && is_short(arena, level, word, text.len()) {
                        return Some(level);
                    }
                    slot = (slot + 1) & SLOT_MASK;
                }
            }
        }
        self.find_hashed(arena, text, hash)
    }

    #[inline(never)]
    fn find_hashed(&self, arena: &Arena, text: &[u8], hash: u32) -> Option<u32> {
        let page = arena.block(self.page(hash));
        let mut slot = hash as usize & SLOT_MASK;
        // There are free slots, so this ends; the bound is for a page that is not there.
        for _ in 0..=SLOT_MASK {
            let [level, of] = slot_at(page, slot);
            if level == 0 {
                break;
            }
            if of == hash && self.is(arena, level, text) {
                return Some(level);
            }
            slot = (slot + 1) & SLOT_MASK;
        }
        if page.get(COUNT).is_some_and(|count| count & CROWDED != 0) {
            let alike = self.crowded.range((hash, 0)..=(hash, u32::MAX));
            return alike
                .map(|of| of.1)
                .find(|&level| self.is(arena, level, text));
        }
        None
    }

    #[inline(always)]
    fn is(&self, arena: &Arena, level: u32, text: &[u8]) -> bool {
        let block = arena.block(level);
        if block
            .get(LENGTH)
            .is_none_or(|&length| length as usize != text.len())
        {
            return false;
        }
        if text.len() > LONGEST {
            return self.long.get(&level).is_some_and(|long| **long == *text);
        }
        let words = block.get(TEXT..).unwrap_or_default();
        let (chunks, rest) = text.as_chunks_4();
        let equal = |(chunk, word): (&[u8; 4], &u32)| u32::from_le_bytes(*chunk) == *word;
        chunks.zip(words).all(equal)
            && (rest.is_empty() || words.get(text.len() / 4) == Some(&partial(rest)))
    }

    /// The level with this text, counted once more.
    pub(super) fn acquire(&mut self, arena: &mut Arena, text: &[u8]) -> u32 {
        let sought = Sought::new(self.seed, text);
        let hash = sought.hash;
        if let Some(level) = self.find_sought(arena, &sought) {
            let uses = arena.word(level, USES);
            arena.set(level, USES, uses.saturating_add(1));
            return level;
        }
        let kept = if text.len() > LONGEST { &[] } else { text };
        let level = arena.alloc(TEXT + kept.len().div_ceil(4).max(1));
        let block = arena.block_mut(level);
        for (word, chunk) in block.iter_mut().skip(TEXT).zip(kept.chunks(4)) {
            *word = partial(chunk);
        }
        if let [uses, length, ..] = block {
            *uses = 1;
            *length = text.len() as u32;
        }
        if text.len() > LONGEST {
            self.long.insert(level, text.into());
            self.long_bytes += text.len();
        }
        self.insert(arena, level, hash);
        level
    }

    /// Counted once less; gone with the last use.
    pub(super) fn release(&mut self, arena: &mut Arena, level: u32) {
        let uses = arena.word(level, USES);
        if uses > 1 {
            arena.set(level, USES, uses - 1);
            return;
        }
        let mut text = Vec::new();
        self.push_text(arena, level, &mut text);
        self.remove(arena, level, hash(self.seed, &text));
        if let Some(long) = self.long.remove(&level) {
            self.long_bytes -= long.len();
            if self.long.is_empty() {
                // One that is emptied keeps its root.
                self.long = BTreeMap::new();
            }
        }
        arena.free(level);
    }

    /// Whether the text of a level starts with `$`.
    pub(super) fn is_reserved(&self, arena: &Arena, level: u32) -> bool {
        match arena.block(level) {
            [_, length, ..] if *length as usize > LONGEST => {
                let long = self.long.get(&level);
                long.is_some_and(|text| text.starts_with(b"$"))
            }
            [_, length, text, ..] => *length > 0 && text.to_le_bytes().starts_with(b"$"),
            _ => false,
        }
    }

    /// Appends the text of a level.
    pub(super) fn push_text(&self, arena: &Arena, level: u32, text: &mut Vec<u8>) {
        if let Some(long) = self.long.get(&level) {
            text.extend_from_slice(long);
            return;
        }
        let block = arena.block(level);
        let length = block.get(LENGTH).copied().unwrap_or_default() as usize;
        let end = text.len() + length;
        for word in block.iter().skip(TEXT).take(length.div_ceil(4)) {
            text.extend_from_slice(&word.to_le_bytes());
        }
        text.truncate(end);
    }

    fn insert(&mut self, arena: &mut Arena, level: u32, hash: u32) {
        self.len += 1;
        if self.directory.is_empty() {
            self.directory.push(new_page(arena, 0));
        }
        loop {
            let page = self.page(hash);
            let count = arena.word(page, COUNT);
            if count & !CROWDED < FULL {
                put(arena.block_mut(page), level, hash);
                return;
            }
            // Twice as many bits as so many levels need, and some: more would be the work of someone who chose their
            // hashes.
            let worth = (usize::BITS - (self.len / 32).leading_zeros() + 3).min(24);
            if arena.word(page, DEPTH) >= worth {
                arena.set(page, COUNT, count | CROWDED);
                self.crowded.insert((hash, level));
                return;
            }
            self.split(arena, page, hash);
        }
    }

    /// The places of the directory that lead to the page of a hash.
    fn places(&self, hash: u32, depth: u32) -> core::ops::Range<usize> {
        let prefix = hash.checked_shr(32 - depth).unwrap_or(0) as usize;
        let width = self.bits.saturating_sub(depth);
        prefix << width..(prefix + 1) << width
    }

    fn split(&mut self, arena: &mut Arena, page: u32, hash: u32) {
        let depth = arena.word(page, DEPTH);
        if depth == self.bits {
            self.bits += 1;
            let mut directory = Vec::with_capacity(2 * self.directory.len());
            directory.extend(self.directory.iter().flat_map(|&page| [page, page]));
            self.directory = directory;
        }
        let halves = [new_page(arena, depth + 1), new_page(arena, depth + 1)];
        let places = self.places(hash, depth);
        let middle = places.len() / 2;
        if let Some(places) = self.directory.get_mut(places) {
            let (low, high) = places.split_at_mut(middle);
            low.fill(halves[0]);
            high.fill(halves[1]);
        }
        for slot in 0..=SLOT_MASK {
            let [level, of] = slot_at(arena.block(page), slot);
            if level != 0 {
                let [low, high] = halves;
                let half = if of >> (31 - depth) & 1 == 0 {
                    low
                } else {
                    high
                };
                put(arena.block_mut(half), level, of);
            }
        }
        if arena.word(page, COUNT) & CROWDED != 0 {
            for half in halves {
                let count = arena.word(half, COUNT);
                arena.set(half, COUNT, count | CROWDED);
            }
        }
        arena.free(page);
    }

    fn remove(&mut self, arena: &mut Arena, level: u32, hash: u32) {
        self.len = self.len.saturating_sub(1);
        let page = self.page(hash);
        let in_page = take(arena.block_mut(page), level, hash);
        if !in_page {
            self.crowded.remove(&(hash, level));
            if self.crowded.is_empty() {
                self.crowded = BTreeSet::new();
            }
        }
        if self.len == 0 {
            let mut pages = core::mem::take(&mut self.directory);
            pages.dedup();
            pages.into_iter().for_each(|page| arena.free(page));
            self.bits = 0;
        } else if in_page {
            self.merge(arena, page, hash);
        }
    }

    /// Joins a page that has become small with the other half of what it was split from.
    fn merge(&mut self, arena: &mut Arena, mut page: u32, hash: u32) {
        loop {
            let depth = arena.word(page, DEPTH);
            let Some(bit) = 32u32.checked_sub(depth).filter(|_| depth > 0) else {
                return;
            };
            let other = self.page(hash ^ 1 << bit);
            let (count, more) = (arena.word(page, COUNT), arena.word(other, COUNT));
            // Marks of crowding are far above the limit, so such pages stay.
            if arena.word(other, DEPTH) != depth || count.saturating_add(more) > MERGE {
                return;
            }
            for slot in 0..=SLOT_MASK {
                let [level, of] = slot_at(arena.block(other), slot);
                if level != 0 {
                    put(arena.block_mut(page), level, of);
                }
            }
            arena.set(page, DEPTH, depth - 1);
            let places = self.places(hash, depth - 1);
            if let Some(places) = self.directory.get_mut(places) {
                places.fill(page);
            }
            arena.free(other);
            if depth == self.bits {
                self.shrink(arena);
            }
            page = self.page(hash);
        }
    }

    /// Halves the directory where no page needs all of its bits.
    fn shrink(&mut self, arena: &Arena) {
        // Looked at once in a while only: after as many merges as it takes to come here.
        let deep = |&page: &u32| arena.word(page, DEPTH) == self.bits;
        if self.bits > 0 && !self.directory.iter().any(deep) {
            self.bits -= 1;
            self.directory = self.directory.iter().copied().step_by(2).collect();
        }
    }
}

/// Whether a level has this short text.
#[inline(always)]
fn is_short(arena: &Arena, level: u32, word: u64, text_length: usize) -> bool {
    let [_, length, low, rest @ ..] = arena.block(level) else {
        return false;
    };
    let high = rest.first().copied().unwrap_or_default();
    // An empty text has no word of its own.
    (*length as usize == text_length)
        & ((*low == word as u32) | (text_length == 0))
        & ((high == (word >> 32) as u32) | (text_length <= 4))
}

/// Up to four bytes as a word.
#[inline(always)]
fn partial(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u32::from(byte))
}

trait Chunks {
    fn as_chunks_4(&self) -> (impl Iterator<Item = &[u8; 4]>, &[u8]);
}

impl Chunks for [u8] {
    #[inline(always)]
    fn as_chunks_4(&self) -> (impl Iterator<Item = &[u8; 4]>, &[u8]) {
        let chunks = self.chunks_exact(4);
        let rest = chunks.remainder();
        (chunks.filter_map(|chunk| chunk.first_chunk()), rest)
    }
}

#[inline(always)]
fn slot_at(page: &[u32], slot: usize) -> [u32; 2] {
    match page.get(SLOTS + 2 * slot..SLOTS + 2 * slot + 2) {
        Some(&[level, hash]) => [level, hash],
        _ => [0; 2],
    }
}

fn set_slot(page: &mut [u32], slot: usize, entry: [u32; 2]) {
    if let Some(slot) = page.get_mut(SLOTS + 2 * slot..SLOTS + 2 * slot + 2) {
        slot.copy_from_slice(&entry);
    }
}

fn new_page(arena: &mut Arena, depth: u32) -> u32 {
    let page = arena.alloc(PAGE_WORDS);
    if let Some(words) = arena.block_mut(page).get_mut(..PAGE_WORDS) {
        words.fill(0);
        if let Some(word) = words.get_mut(DEPTH) {
            *word = depth;
        }
    }
    page
}

/// Puts a level into a page that has room.
fn put(page: &mut [u32], level: u32, hash: u32) {
    let mut slot = hash as usize & SLOT_MASK;
    for _ in 0..=SLOT_MASK {
        if slot_at(page, slot)[0] == 0 {
            break;
        }
        slot = (slot + 1) & SLOT_MASK;
    }
    set_slot(page, slot, [level, hash]);
    if let Some(count) = page.get_mut(COUNT) {
        *count += 1;
    }
}

/// Takes a level out of a page; whether it was there.
fn take(page: &mut [u32], level: u32, hash: u32) -> bool {
    let mut free = hash as usize & SLOT_MASK;
    for probed in 0.. {
        let [at, _] = slot_at(page, free);
        if at == level {
            break;
        }
        if at == 0 || probed > SLOT_MASK {
            return false;
        }
        free = (free + 1) & SLOT_MASK;
    }
    // Those behind move up, unless that would put them before their place.
    let mut slot = free;
    for _ in 0..SLOT_MASK {
        slot = (slot + 1) & SLOT_MASK;
        let [level, hash] = slot_at(page, slot);
        if level == 0 {
            break;
        }
        let home = hash as usize & SLOT_MASK;
        let distance = |from: usize| slot.wrapping_sub(from) & SLOT_MASK;
        if distance(home) >= distance(free) {
            set_slot(page, free, [level, hash]);
            free = slot;
        }
    }
    set_slot(page, free, [0; 2]);
    if let Some(count) = page.get_mut(COUNT) {
        *count -= 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn levels_are_counted_and_found() {
        let (mut levels, mut arena) = (Levels::new(7), Arena::new());
        let texts: Vec<String> = (0..30_000)
            .map(|n| match n % 5 {
                0 => format!("{n}"),
                1 => format!("device-{n:08x}"),
                2 => format!("{}{n}", "long".repeat(n % 40)),
                3 => format!("é{n}"),
                _ => format!("{n}").repeat(n % 30),
            })
            .chain([0, 1, 3, 4, 7, 8, 9, LONGEST, LONGEST + 1, 65_535].map(|n| "x".repeat(n)))
            .collect();
        let mut distinct: BTreeMap<&str, u32> = BTreeMap::new();
        for text in &texts {
            let found = levels.find(&arena, text.as_bytes());
            assert_eq!(found, distinct.get(&**text).copied(), "{text}");
            let level = levels.acquire(&mut arena, text.as_bytes());
            assert_eq!(*distinct.entry(text).or_insert(level), level);
            let mut back = Vec::new();
            levels.push_text(&arena, level, &mut back);
            assert_eq!(back, text.as_bytes());
        }
        assert!(levels.crowded.is_empty());
        assert_eq!(levels.len, distinct.len());
        for (done, text) in texts.iter().enumerate() {
            let level = distinct[&**text];
            assert_eq!(levels.find(&arena, text.as_bytes()), Some(level), "{text}");
            levels.release(&mut arena, level);
            if done == texts.len() / 2 {
                let peak = 1 << 18;
                assert!(levels.heap_bytes() < peak);
            }
        }
        assert_eq!(levels.len, 0);
        assert_eq!((arena.heap_bytes(), levels.heap_bytes()), (0, 0));
    }

    #[test]
    fn equal_hashes_are_told_apart() {
        let (mut levels, mut arena) = (Levels::new(0), Arena::new());
        // Pages as they are with a hash that is always the same.
        let texts: Vec<String> = (0..900)
            .map(|n| format!("{n}"))
            // Each the beginning of the next, and differences in one byte only, wherever it is.
            .chain((0..40).map(|n| "x".repeat(n)))
            .chain((0..24).map(|n| format!("{}y{}", "x".repeat(n), "x".repeat(23 - n))))
            .chain([LONGEST, LONGEST + 1, LONGEST + 4].map(|n| "x".repeat(n)))
            .chain(["a", "b"].map(|end| "x".repeat(LONGEST + 4) + end))
            .collect();
        let mut ids = Vec::new();
        for text in &texts {
            let level = levels.acquire(&mut arena, text.as_bytes());
            levels.remove(&mut arena, level, hash(0, text.as_bytes()));
            ids.push(level);
        }
        for &level in &ids {
            levels.insert(&mut arena, level, 0xABCD_EF01);
        }
        assert!(levels.directory.len() <= 256, "{}", levels.directory.len());
        for (text, &level) in texts.iter().zip(&ids) {
            let found = levels.find_hashed(&arena, text.as_bytes(), 0xABCD_EF01);
            assert_eq!(found, Some(level));
        }
        for (text, &level) in texts.iter().zip(&ids) {
            levels.remove(&mut arena, level, 0xABCD_EF01);
            let found = levels.find_hashed(&arena, text.as_bytes(), 0xABCD_EF01);
            assert_eq!(found, None);
            arena.free(level);
        }
        assert_eq!(arena.heap_bytes(), 0);
    }

    #[test]
    fn every_byte_and_the_length_count_in_the_hash() {
        let mut seen = BTreeSet::new();
        for length in 0..40 {
            assert!(seen.insert(hash(1, &[0; 40][..length])));
            for at in 0..length {
                for bit in 0..8 {
                    let mut text = [0; 40];
                    text[at] = 1 << bit;
                    assert!(seen.insert(hash(1, &text[..length])), "{length} {at} {bit}");
                }
            }
        }
        assert_ne!(hash(1, b"a"), hash(2, b"a"));
    }
}
