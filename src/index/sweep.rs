//! A match that does not stop: some nodes side by side, whatever topics they are for, so that their cache misses overlap.

use alloc::vec::Vec;
use core::hint::black_box;

use super::topic::{Short, Topic};
use super::tree::{Kind, Tree, is_level_tail, key, kind};
use super::walk::{Found, Next, give};
use crate::topic::TopicName;

/// References that wait without an allocation as long as there are few.
const INLINE: usize = 16;
/// If more wait, some are looked at side by side.
const WIDE: usize = 8;
/// References that are looked at side by side.
const WIDTH: usize = 32;
/// References that wait without an allocation: with as many topics no more come together, as long as they have at most
/// 16 levels.
const WAITING: usize = 256;
/// Below this, any number may be added.
const ROOM: usize = WAITING - WIDTH - 16;

/// What to look at: a reference, how many levels lead there (17 bits), and for which topic.
#[derive(Copy, Clone, Default)]
pub(super) struct Wide {
    reference: u32,
    at: u32,
}

const TOPIC_SHIFT: u32 = 17;

impl Wide {
    #[inline(always)]
    pub(super) const fn new(reference: u32, depth: u32, topic: u32) -> Self {
        let at = depth | topic << TOPIC_SHIFT;
        Self { reference, at }
    }

    const fn depth(self) -> u32 {
        self.at & ((1 << TOPIC_SHIFT) - 1)
    }

    const fn topic(self) -> u32 {
        self.at >> TOPIC_SHIFT
    }
}

impl Tree {
    /// Visits all that matches. The first argument of `visit` is whether these are groups.
    #[inline]
    pub(super) fn walk(&self, name: &TopicName<'_>, visit: &mut impl FnMut(bool, Found<'_>)) {
        let mut topic = Topic::new(name);
        let mut waiting = Short::<Wide, INLINE>::new(Wide::new(0, 0, 0));
        let (mut reference, mut depth) = (self.root(), 0);
        loop {
            let mut next = Next::default();
            match kind(reference) {
                Kind::Node(0) => return,
                Kind::Node(run) => next = self.node::<false>(&mut topic, run, depth, visit),
                _ => self.no_node(&mut topic, reference, depth, visit),
            }
            depth += 1;
            if next.any != 0 && matches!(kind(next.any), Kind::Value(_) | Kind::Tail(_)) {
                self.leaf(&mut topic, next.any, depth, visit);
                next.any = 0;
            }
            if next.any == 0 {
                reference = next.exact;
            } else {
                reference = next.any;
                if next.exact != 0 {
                    waiting.push(Wide::new(next.exact, depth, 0));
                    if waiting.len() >= WIDE {
                        waiting.push(Wide::new(next.any, depth, 0));
                        return self.go_wide(&mut topic, &mut waiting, visit);
                    }
                }
            }
            if reference == 0 {
                let Some(last) = waiting.pop() else {
                    return;
                };
                (reference, depth) = (last.reference, last.depth());
            }
        }
    }

    #[inline(never)]
    fn go_wide(
        &self,
        topic: &mut Topic<'_>,
        waiting: &mut Short<Wide, INLINE>,
        visit: &mut impl FnMut(bool, Found<'_>),
    ) {
        let topics = core::slice::from_mut(topic);
        let visit = &mut |_, groups, found: Found<'_>| visit(groups, found);
        self.sweep(topics, core::iter::from_fn(|| waiting.pop()), visit);
    }

    /// The same for some topics side by side. The first argument of `visit` is the position of the topic.
    pub(super) fn walk_batch(
        &self,
        names: &[TopicName<'_>],
        visit: &mut impl FnMut(usize, bool, Found<'_>),
    ) {
        let mut topics: Vec<_> = names.iter().map(Topic::new).collect();
        for topic in &mut topics {
            topic.look_ahead(self);
        }
        let root = self.root();
        let roots = (0..).take(topics.len());
        let roots = roots.map(|topic| Wide::new(root, 0, topic));
        self.sweep(&mut topics, roots.filter(|_| root != 0), visit);
    }

    /// Visits all that matches behind these references.
    fn sweep(
        &self,
        topics: &mut [Topic<'_>],
        from: impl Iterator<Item = Wide>,
        visit: &mut impl FnMut(usize, bool, Found<'_>),
    ) {
        let mut waiting = Short::<Wide, WAITING>::new(Wide::new(0, 0, 0));
        from.for_each(|wide| waiting.push(wide));
        let mut round = [Wide::default(); WIDTH];
        while waiting.len() > 0 {
            let width = if waiting.len() <= ROOM { WIDTH } else { 1 };
            let mut count = 0;
            for slot in round.iter_mut().take(width) {
                let Some(wide) = waiting.pop() else {
                    break;
                };
                *slot = wide;
                count += 1;
            }
            let round = round.get(..count).unwrap_or_default();
            // Nothing depends on these, so the processor waits for all of them at once.
            let mut sum = 0;
            for wide in round {
                sum ^= self.store.arena.word(address(wide.reference), 0);
            }
            black_box(sum);
            for wide in round {
                let (number, depth) = (wide.topic(), wide.depth());
                let Some(topic) = topics.get_mut(number as usize) else {
                    continue;
                };
                let visit = &mut |groups, found: Found<'_>| visit(number as usize, groups, found);
                let Kind::Node(run) = kind(wide.reference) else {
                    self.no_node(topic, wide.reference, depth, visit);
                    continue;
                };
                let Next { exact, any, .. } = self.node::<false>(topic, run, depth, visit);
                let depth = depth + 1;
                for next in [exact, any] {
                    let waits = match kind(next) {
                        Kind::Node(0) => false,
                        Kind::Value(_) => {
                            self.leaf(topic, next, depth, visit);
                            false
                        }
                        Kind::Tail(_) if is_level_tail(next) => {
                            let depth = depth as usize;
                            !topic.is_end(self, depth) && topic.is_end(self, depth + 1)
                        }
                        _ => true,
                    };
                    if waits {
                        waiting.push(Wide::new(next, depth, number));
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn no_node(
        &self,
        topic: &mut Topic<'_>,
        reference: u32,
        depth: u32,
        visit: &mut impl FnMut(bool, Found<'_>),
    ) {
        match kind(reference) {
            Kind::List(_) => {
                if topic.is_end(self, depth as usize) {
                    give::<false>(self, key::OWN, reference, 0, visit);
                }
            }
            _ => self.leaf(topic, reference, depth, visit),
        }
    }
}

/// Where the words are that a reference leads to, if it leads to words.
#[inline(always)]
const fn address(reference: u32) -> u32 {
    match kind(reference) {
        Kind::Node(address) | Kind::List(address) | Kind::Tail(address) => address,
        Kind::Value(_) => 0,
    }
}
