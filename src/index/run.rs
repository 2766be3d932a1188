//! Runs: entries of `W` words sorted by key, which is their first word or their first two (`K`). Up to 128 lie in one
//! block, more in pages of 128 under a directory; so an insertion moves at most 128 entries, or splits a page, however
//! many there are. A run is known by the address of its first block, which may change with every insertion and removal.
//!
//! A block has its length and capacity in the first word, a word of the owner's in the second, and then the entries
//! column by column: the keys lie side by side.

use alloc::vec::Vec;

use super::arena::{self, Arena};
use crate::slab::Slab;

/// Entries of a page, and the most that a run without pages has.
pub(super) const PAGE: usize = 128;
/// Fewer entries in two neighbours become one page, and in a last page a block.
const MERGE: usize = 96;
/// Words before the columns.
const HEADER: usize = 2;
const TAG: usize = 1;
/// In the first word: the block has, behind its tag, the number of a directory and that of all entries.
const IN_PAGES: u32 = 1 << 31;
/// In the first word from here on: a bit for each key below `LOW_KEYS` that is there.
const LOW_SHIFT: u32 = 16;
const LOW_KEYS: u32 = 5;

struct Directory {
    /// The first key of each page at the time when it was made: not above those that are in it, and above those of the
    /// page before.
    first: Vec<u64>,
    pages: Vec<u32>,
}

pub(super) struct Store {
    pub(super) arena: Arena,
    directories: Slab<Directory>,
}

/// Where an entry is.
#[derive(Copy, Clone)]
pub(super) struct Place {
    block: u32,
    /// Of the first column.
    word: usize,
    capacity: usize,
}

/// Entries side by side.
#[derive(Copy, Clone)]
pub(super) struct Chunk<'a> {
    words: &'a [u32],
    at: usize,
    len: usize,
    capacity: usize,
}

impl<'a> Chunk<'a> {
    #[inline]
    pub(super) fn column(&self, column: usize) -> &'a [u32] {
        let start = HEADER + column * self.capacity;
        self.words
            .get(start + self.at..start + self.len)
            .unwrap_or_default()
    }
}

/// The first entries, of two words each.
#[derive(Copy, Clone)]
pub(super) struct Edges<'a> {
    words: &'a [u32],
    head: u32,
}

impl<'a> Edges<'a> {
    /// A bit for each of the least keys, 0 to 4, that is there.
    #[inline(always)]
    pub(super) const fn low(&self) -> u32 {
        self.head >> LOW_SHIFT & ((1 << LOW_KEYS) - 1)
    }

    #[inline(always)]
    pub(super) const fn len(&self) -> usize {
        Head::new(self.head).len
    }

    #[inline(always)]
    pub(super) fn keys(&self) -> &'a [u32] {
        self.words
            .get(HEADER..HEADER + self.len())
            .unwrap_or_default()
    }

    /// Also for a place at which there is none: then anything.
    #[inline(always)]
    pub(super) fn key(&self, at: usize) -> u32 {
        self.words.get(HEADER + at).copied().unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn reference(&self, at: usize) -> u32 {
        let start = HEADER + Head::new(self.head).capacity;
        self.words.get(start + at).copied().unwrap_or_default()
    }
}

#[derive(Copy, Clone)]
struct Head {
    len: usize,
    capacity: usize,
}

impl Head {
    #[inline(always)]
    const fn new(word: u32) -> Self {
        Self {
            len: (word & 0xFF) as usize,
            capacity: (word >> 8 & 0xFF) as usize,
        }
    }

    /// Into a block whose keys are there.
    fn put(self, block: &mut [u32]) {
        let keys = block
            .iter()
            .skip(HEADER)
            .take(self.len.min(LOW_KEYS as usize));
        let low = keys.filter(|&&key| key < LOW_KEYS);
        let low = low.fold(0, |low, key| low | 1 << key);
        if let Some(word) = block.first_mut() {
            *word = self.len as u32 | (self.capacity as u32) << 8 | low << LOW_SHIFT;
        }
    }
}

fn key_of<const K: usize, const W: usize>(entry: &[u32; W]) -> u64 {
    match (K, entry.as_slice()) {
        (2, [high, low, ..]) => u64::from(*high) << 32 | u64::from(*low),
        (_, [key, ..]) => u64::from(*key),
        _ => 0,
    }
}

/// How many of the sorted words are less.
#[inline(always)]
pub(super) fn lower(mut words: &[u32], key: u32) -> usize {
    let mut before = 0;
    while words.len() > 16 {
        let (low, high) = words.split_at(words.len() / 2);
        match high.first() {
            Some(&middle) if middle < key => {
                before += low.len();
                words = high;
            }
            _ => words = low,
        }
    }
    before + words.iter().map(|&word| u32::from(word < key)).sum::<u32>() as usize
}

/// How many entries of a block have lesser keys.
#[inline(always)]
fn position<const K: usize>(words: &[u32], head: Head, key: u64) -> usize {
    let column = |column: usize| {
        let start = HEADER + column * head.capacity;
        words.get(start..start + head.len).unwrap_or_default()
    };
    if K == 1 {
        return u32::try_from(key).map_or(head.len, |key| lower(column(0), key));
    }
    let (high, low) = ((key >> 32) as u32, key as u32);
    let start = lower(column(0), high);
    let end = high
        .checked_add(1)
        .map_or(head.len, |next| lower(column(0), next));
    start + lower(column(1).get(start..end).unwrap_or_default(), low)
}

impl Store {
    pub(super) const fn new() -> Self {
        Self {
            arena: Arena::new(),
            directories: Slab::new(),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let directories = self.directories.iter().map(|directory| {
            directory.first.capacity() * size_of::<u64>()
                + directory.pages.capacity() * size_of::<u32>()
        });
        self.arena.heap_bytes() + self.directories.heap_bytes() + directories.sum::<usize>()
    }

    /// A run of one entry.
    pub(super) fn new_run<const W: usize>(&mut self, tag: u32, entry: [u32; W]) -> u32 {
        let (run, capacity) = self.block_for::<W>(1);
        let block = self.arena.block_mut(run);
        if let Some(word) = block.get_mut(TAG) {
            *word = tag;
        }
        write(block, 0, capacity, &entry);
        Head { len: 1, capacity }.put(block);
        run
    }

    /// A block for at least so many entries, and how many it holds.
    fn block_for<const W: usize>(&mut self, entries: usize) -> (u32, usize) {
        let words = HEADER + entries * W;
        let capacity = ((arena::room(words) - HEADER) / W).min(PAGE);
        (self.arena.alloc(words), capacity)
    }

    /// The owner's word.
    #[inline]
    pub(super) fn tag(&self, run: u32) -> u32 {
        self.arena.word(run, TAG)
    }

    pub(super) fn len(&self, run: u32) -> usize {
        match self.arena.block(run) {
            [head, _, _, total, ..] if head & IN_PAGES != 0 => *total as usize,
            [head, ..] => Head::new(*head).len,
            [] => 0,
        }
    }

    /// The first words of the only entry, if there is but one.
    pub(super) fn only<const C: usize>(&self, run: u32) -> Option<[u32; C]> {
        let words = self.arena.block(run);
        let head = *words.first()?;
        let capacity = Head::new(head).capacity;
        let is_one = head & IN_PAGES == 0 && Head::new(head).len == 1;
        let word = |column| words.get(HEADER + column * capacity).copied();
        let entry = core::array::from_fn(|column| word(column).unwrap_or_default());
        is_one.then_some(entry)
    }

    pub(super) fn is_in_pages(&self, run: u32) -> bool {
        self.arena.word(run, 0) & IN_PAGES != 0
    }

    /// The block that has the key or would have it, and its page in the directory.
    #[inline(always)]
    fn leaf(&self, run: u32, key: u64) -> (u32, usize) {
        match self.arena.block(run) {
            [head, _, directory, ..] if head & IN_PAGES != 0 => {
                let Some(directory) = self.directories.get(*directory) else {
                    return (0, 0);
                };
                let page = directory.first.partition_point(|&first| first <= key);
                let page = page.saturating_sub(1);
                (directory.pages.get(page).copied().unwrap_or_default(), page)
            }
            _ => (run, 0),
        }
    }

    /// Where the entry of a key is.
    #[inline]
    pub(super) fn find<const K: usize>(&self, run: u32, key: u64) -> Option<Place> {
        let (block, _) = self.leaf(run, key);
        let words = self.arena.block(block);
        let head = Head::new(*words.first()?);
        let at = position::<K>(words, head, key);
        let word = HEADER + at;
        let found = match K {
            1 => u64::from(*words.get(word)?),
            _ => {
                let low = u64::from(*words.get(word + head.capacity)?);
                u64::from(*words.get(word)?) << 32 | low
            }
        };
        (at < head.len && found == key).then_some(Place {
            block,
            word,
            capacity: head.capacity,
        })
    }

    /// A word of an entry.
    #[inline]
    pub(super) fn read(&self, place: Place, column: usize) -> u32 {
        self.arena
            .word(place.block, place.word + column * place.capacity)
    }

    pub(super) fn write(&mut self, place: Place, column: usize, word: u32) {
        self.arena
            .set(place.block, place.word + column * place.capacity, word);
    }

    /// The entries from a key on that lie side by side.
    #[inline]
    pub(super) fn chunk<const K: usize>(&self, run: u32, from: u64) -> Option<Chunk<'_>> {
        let (mut block, page) = self.leaf(run, from);
        let mut words = self.arena.block(block);
        let mut head = Head::new(*words.first()?);
        let mut at = position::<K>(words, head, from);
        if at == head.len && block != run {
            let directory = self.directories.get(self.arena.word(run, 2))?;
            block = *directory.pages.get(page + 1)?;
            words = self.arena.block(block);
            head = Head::new(*words.first()?);
            at = 0;
        }
        (at < head.len).then_some(Chunk {
            words,
            at,
            len: head.len,
            capacity: head.capacity,
        })
    }

    /// The entries of one page; what is not in pages counts as one.
    #[inline(always)]
    pub(super) fn page(&self, run: u32, page: u32) -> Option<Chunk<'_>> {
        let mut words = self.arena.block(run);
        let mut head = *words.first()?;
        if head & IN_PAGES != 0 {
            let directory = self.directories.get(*words.get(2)?)?;
            words = self.arena.block(*directory.pages.get(page as usize)?);
            head = *words.first()?;
        } else if page > 0 {
            return None;
        }
        let Head { len, capacity } = Head::new(head);
        Some(Chunk {
            words,
            at: 0,
            len,
            capacity,
        })
    }

    /// The page where the entries from a key on begin, and how many in it are before.
    pub(super) fn seek(&self, run: u32, key: u32) -> (u32, usize) {
        let (block, page) = self.leaf(run, key.into());
        let words = self.arena.block(block);
        let head = Head::new(words.first().copied().unwrap_or_default());
        (page as u32, position::<1>(words, head, key.into()))
    }

    /// The first entries, those that lie side by side. Not to be asked of an empty run.
    #[inline(always)]
    pub(super) fn front(&self, run: u32) -> Edges<'_> {
        let mut words = self.arena.block(run);
        let mut head = words.first().copied().unwrap_or_default();
        if head & IN_PAGES != 0 {
            words = self.first_page(words);
            head = words.first().copied().unwrap_or_default();
        }
        Edges { words, head }
    }

    #[inline(never)]
    fn first_page(&self, top: &[u32]) -> &[u32] {
        let number = top.get(2).copied().unwrap_or_default();
        self.arena.block(self.leaf_of(number, 0))
    }

    /// Gives the entries from a key on, at most so many chunks of them; the first key behind them, if there are more.
    #[inline(always)]
    pub(super) fn chunks<'a>(
        &'a self,
        run: u32,
        from: u32,
        limit: usize,
        give: &mut impl FnMut(Chunk<'a>),
    ) -> Option<u32> {
        if !self.is_in_pages(run) {
            if let Some(chunk) = self.chunk::<1>(run, from.into()) {
                give(chunk);
            }
            return None;
        }
        let (_, page) = self.leaf(run, from.into());
        let directory = self.directories.get(self.arena.word(run, 2))?;
        let mut given = 0;
        for &block in directory.pages.get(page..)? {
            let words = self.arena.block(block);
            let head = Head::new(words.first().copied().unwrap_or_default());
            // Only in the first page there may be others before.
            let at = match given {
                0 => position::<1>(words, head, from.into()),
                _ => 0,
            };
            if at == head.len {
                continue;
            }
            if given == limit {
                return words.get(HEADER + at).copied();
            }
            given += 1;
            give(Chunk {
                words,
                at,
                len: head.len,
                capacity: head.capacity,
            });
        }
        None
    }

    /// Puts an entry in whose key is not there; gives what the run is known by from now on.
    pub(super) fn insert<const K: usize, const W: usize>(
        &mut self,
        run: u32,
        entry: [u32; W],
    ) -> u32 {
        let key = key_of::<K, W>(&entry);
        let (block, page) = self.leaf(run, key);
        let words = self.arena.block(block);
        let head = Head::new(words.first().copied().unwrap_or_default());
        let at = position::<K>(words, head, key);
        if head.len < head.capacity {
            insert_at(self.arena.block_mut(block), at, head, &entry);
            if block != run {
                self.add_to_total(run, 1);
            }
            return run;
        }
        if block != run {
            self.split::<K, W>(run, page, at, entry);
            return run;
        }
        if head.len < PAGE {
            let larger = self.resized::<W>(run, head, head.len + 1);
            let words = self.arena.block_mut(larger);
            let head = Head::new(words.first().copied().unwrap_or_default());
            insert_at(words, at, head, &entry);
            return larger;
        }
        // The block becomes the first page.
        let tag = self.tag(run);
        let first = 0;
        let directory = Directory {
            first: [first].into(),
            pages: [run].into(),
        };
        let directory = self.directories.insert(directory);
        let top = self.arena.alloc(4);
        if let [head_word, tag_word, number, total, ..] = self.arena.block_mut(top) {
            *head_word = IN_PAGES;
            *tag_word = tag;
            *number = directory;
            *total = head.len as u32;
        }
        self.split::<K, W>(top, 0, at, entry);
        top
    }

    /// Puts an entry into a page that is full.
    fn split<const K: usize, const W: usize>(
        &mut self,
        run: u32,
        page: usize,
        at: usize,
        entry: [u32; W],
    ) {
        let number = self.arena.word(run, 2);
        let last = |directory: &Directory| page + 1 == directory.pages.len();
        let is_last = self.directories.get(number).is_some_and(last);
        let block = self.leaf_of(number, page);
        let full = Head {
            len: PAGE,
            capacity: PAGE,
        };
        // What comes in order fills its pages.
        let keep = if is_last && at == PAGE {
            PAGE
        } else {
            PAGE / 2
        };
        let (new, _) = self.block_for::<W>(PAGE);
        let new_head = Head {
            len: PAGE - keep,
            capacity: PAGE,
        };
        for column in 0..W {
            let start = HEADER + column * PAGE;
            let moved = PAGE - keep;
            self.arena.copy((block, start + keep), (new, start), moved);
        }
        self.arena.set(new, TAG, 0);
        new_head.put(self.arena.block_mut(new));
        let mut old_head = full;
        old_head.len = keep;
        old_head.put(self.arena.block_mut(block));
        if at < keep || keep < PAGE && at == keep {
            insert_at(self.arena.block_mut(block), at, old_head, &entry);
        } else {
            insert_at(self.arena.block_mut(new), at - keep, new_head, &entry);
        }
        let first = self.first_key::<K>(new);
        if let Some(directory) = self.directories.get_mut(number) {
            directory.first.insert(page + 1, first);
            directory.pages.insert(page + 1, new);
        }
        self.add_to_total(run, 1);
    }

    fn leaf_of(&self, number: u32, page: usize) -> u32 {
        let directory = self.directories.get(number);
        let page = directory.and_then(|directory| directory.pages.get(page));
        page.copied().unwrap_or_default()
    }

    fn first_key<const K: usize>(&self, block: u32) -> u64 {
        match self.arena.block(block) {
            [head, _, key, rest @ ..] => {
                let low = Head::new(*head)
                    .capacity
                    .checked_sub(1)
                    .and_then(|at| rest.get(at));
                match (K, low) {
                    (2, Some(low)) => u64::from(*key) << 32 | u64::from(*low),
                    _ => u64::from(*key),
                }
            }
            _ => 0,
        }
    }

    fn add_to_total(&mut self, run: u32, by: i32) {
        let total = self.arena.word(run, 3);
        self.arena.set(run, 3, total.saturating_add_signed(by));
    }

    /// Moves a run without pages into a block for so many entries.
    fn resized<const W: usize>(&mut self, run: u32, head: Head, entries: usize) -> u32 {
        let (new, capacity) = self.block_for::<W>(entries);
        for column in 0..W {
            self.arena.copy(
                (run, HEADER + column * head.capacity),
                (new, HEADER + column * capacity),
                head.len,
            );
        }
        let tag = self.tag(run);
        self.arena.set(new, TAG, tag);
        let len = head.len;
        Head { len, capacity }.put(self.arena.block_mut(new));
        self.arena.free(run);
        new
    }

    /// Takes an entry out; gives what the run is known by from now on, or 0 if it was the last: then the run is gone.
    pub(super) fn remove<const K: usize, const W: usize>(&mut self, run: u32, key: u64) -> u32 {
        let (block, page) = self.leaf(run, key);
        let Some(place) = self.find::<K>(run, key) else {
            return run;
        };
        let words = self.arena.block_mut(block);
        let mut head = Head::new(words.first().copied().unwrap_or_default());
        remove_at::<W>(words, place.word - HEADER, head);
        head.len -= 1;
        if block == run {
            if head.len == 0 {
                self.arena.free(run);
                return 0;
            }
            // Down to three quarters, so that one entry that comes and goes does not move the rest each time.
            let wanted = head.len + head.len.div_ceil(4);
            let smaller =
                arena::room(HEADER + wanted * W) < arena::room(HEADER + head.capacity * W);
            return if smaller {
                self.resized::<W>(run, head, head.len)
            } else {
                run
            };
        }
        self.add_to_total(run, -1);
        self.join::<W>(run, page, head.len)
    }

    /// Joins a page that has become small with a neighbour, and the last one with the run.
    fn join<const W: usize>(&mut self, run: u32, page: usize, len: usize) -> u32 {
        let number = self.arena.word(run, 2);
        let Some(directory) = self.directories.get(number) else {
            return run;
        };
        let len_of = |page: usize| {
            let block = directory.pages.get(page)?;
            Some(Head::new(self.arena.word(*block, 0)).len)
        };
        // No page stays empty: `chunk` goes one further at most.
        let fits = |neighbour: usize| len == 0 || neighbour + len <= MERGE;
        let left = if page > 0 && len_of(page - 1).is_some_and(fits) {
            Some(page - 1)
        } else if len_of(page + 1).is_some_and(fits) {
            Some(page)
        } else {
            None
        };
        if let Some(left) = left {
            let (to, from) = (self.leaf_of(number, left), self.leaf_of(number, left + 1));
            let mut to_head = Head::new(self.arena.word(to, 0));
            let from_head = Head::new(self.arena.word(from, 0));
            for column in 0..W {
                let start = HEADER + column * PAGE;
                self.arena
                    .copy((from, start), (to, start + to_head.len), from_head.len);
            }
            to_head.len += from_head.len;
            to_head.put(self.arena.block_mut(to));
            self.arena.free(from);
            if let Some(directory) = self.directories.get_mut(number) {
                directory.first.remove(left + 1);
                directory.pages.remove(left + 1);
                if directory.pages.len() * 4 < directory.pages.capacity() {
                    directory.first.shrink_to(directory.first.len() * 2);
                    directory.pages.shrink_to(directory.pages.len() * 2);
                }
            }
        }
        let Some([only]) = self
            .directories
            .get(number)
            .map(|directory| &*directory.pages)
        else {
            return run;
        };
        let only = *only;
        let head = Head::new(self.arena.word(only, 0));
        if head.len > MERGE {
            return run;
        }
        let tag = self.tag(run);
        self.directories.remove(number);
        self.arena.free(run);
        if head.len == 0 {
            self.arena.free(only);
            return 0;
        }
        self.arena.set(only, TAG, tag);
        self.resized::<W>(only, head, head.len)
    }

    #[cfg(test)]
    fn keys<const K: usize>(&self, run: u32) -> Vec<u64> {
        let mut keys = Vec::new();
        let mut from = 0;
        while let Some(chunk) = self.chunk::<K>(run, from) {
            for (at, &first) in chunk.column(0).iter().enumerate() {
                let key = match K {
                    1 => u64::from(first),
                    _ => u64::from(first) << 32 | u64::from(chunk.column(1)[at]),
                };
                keys.push(key);
                from = key + 1;
            }
        }
        keys
    }
}

fn write<const W: usize>(block: &mut [u32], at: usize, capacity: usize, entry: &[u32; W]) {
    for (column, word) in entry.iter().enumerate() {
        if let Some(old) = block.get_mut(HEADER + column * capacity + at) {
            *old = *word;
        }
    }
}

/// Puts an entry into a block that has room.
fn insert_at<const W: usize>(block: &mut [u32], at: usize, mut head: Head, entry: &[u32; W]) {
    for column in 0..W {
        let start = HEADER + column * head.capacity;
        if let Some(column) = block.get_mut(start + at..start + head.len + 1) {
            let len = column.len();
            column.copy_within(..len - 1, 1);
        }
    }
    write(block, at, head.capacity, entry);
    head.len += 1;
    head.put(block);
}

fn remove_at<const W: usize>(block: &mut [u32], at: usize, mut head: Head) {
    for column in 0..W {
        let start = HEADER + column * head.capacity;
        if let Some(column) = block.get_mut(start + at..start + head.len) {
            column.copy_within(1.., 0);
        }
    }
    head.len -= 1;
    head.put(block);
}

#[cfg(test)]
mod tests;
