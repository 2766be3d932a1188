//! The levels of a topic as the keys of edges.

use alloc::vec::Vec;

use super::levels::Cut;
use super::tree::Tree;
use crate::topic::TopicName;

/// A level of the topic that no filter has.
pub(super) const UNKNOWN: u32 = u32::MAX;
/// Levels that are kept without an allocation.
const INLINE: usize = 16;
/// Levels that are looked up at once: their cache misses overlap.
const AHEAD: usize = 8;

/// A list that allocates only when it becomes long.
pub(super) struct Short<T, const INLINE: usize> {
    inline: [T; INLINE],
    more: Vec<T>,
    len: usize,
}

impl<T: Copy, const INLINE: usize> Short<T, INLINE> {
    pub(super) const fn new(filler: T) -> Self {
        Self {
            inline: [filler; INLINE],
            more: Vec::new(),
            len: 0,
        }
    }

    #[inline(always)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(super) fn push(&mut self, value: T) {
        match self.inline.get_mut(self.len) {
            Some(slot) => *slot = value,
            None => self.more.push(value),
        }
        self.len += 1;
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        match self.inline.get(self.len) {
            Some(value) => Some(*value),
            None => self.more.pop(),
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, at: usize) -> Option<T> {
        if at >= self.len {
            return None;
        }
        match self.inline.get(at) {
            Some(value) => Some(*value),
            None => self.more.get(at - INLINE).copied(),
        }
    }
}

/// The levels of a topic as keys, looked up when they are needed first.
pub(super) struct Topic<'a> {
    rest: Cut<'a>,
    keys: Short<u32, INLINE>,
    /// Wildcards at the first level do not match it [MQTT-4.7.2-1].
    pub(super) is_reserved: bool,
}

impl<'a> Topic<'a> {
    pub(super) fn new(name: &'a TopicName<'_>) -> Self {
        let text = name.as_str().as_bytes();
        Self {
            rest: Cut::new(text),
            keys: Short::new(0),
            is_reserved: text.first() == Some(&b'$'),
        }
    }

    /// The key of a level; `None` behind the last one.
    #[inline(always)]
    pub(super) fn level(&mut self, tree: &Tree, depth: usize) -> Option<u32> {
        if depth >= self.keys.len {
            self.look_ahead(tree);
        }
        self.keys.get(depth)
    }

    #[inline(never)]
    pub(super) fn look_ahead(&mut self, tree: &Tree) {
        for _ in 0..AHEAD {
            let Some(level) = self.rest.next(&tree.levels) else {
                break;
            };
            let key = tree.levels.find_sought(&tree.store.arena, &level);
            self.keys.push(key.unwrap_or(UNKNOWN));
        }
    }

    #[inline(always)]
    pub(super) fn is_end(&mut self, tree: &Tree, depth: usize) -> bool {
        self.level(tree, depth).is_none()
    }
}
