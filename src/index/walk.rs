//! From a Topic Name to the values of all filters that match it: through `+` and the level itself at each node, in one
//! loop with a stack of its own. It can be stopped at each node, and goes on from a path of choices, whatever became of
//! the nodes meanwhile.

use alloc::vec::Vec;

use super::run::lower;
use super::topic::{Short, Topic, UNKNOWN};
use super::tree::{Kind, NUMBER, Tree, is_level_tail, key, kind};
use crate::topic::TopicName;

/// What a match gives: the words of a list, column by column, or a value.
#[derive(Copy, Clone)]
pub(super) enum Found<'a> {
    Value(u32),
    List([&'a [u32]; 3]),
}

/// The next thing to do: to look at what a reference leads to.
#[derive(Copy, Clone)]
pub(super) struct Frame {
    pub(super) reference: u32,
    /// How many levels lead there (17 bits), whether the last was a `+`, and perhaps a key: then it is about what stands
    /// in the reference itself, from this key on, since what follows has its own frames.
    at: u32,
    /// From this entry of the first list on.
    from: u32,
}

const ANY: u32 = 1 << 17;
const OWN_SHIFT: u32 = 18;
/// Frames that wait without an allocation.
const INLINE: usize = 16;

impl Frame {
    pub(super) const fn new(reference: u32, depth: u32, is_any: bool) -> Self {
        let any = if is_any { ANY } else { 0 };
        Self {
            reference,
            at: depth | any,
            from: 0,
        }
    }

    const fn with_own(self, key: u32, from: u32) -> Self {
        let at = self.at & (ANY | (ANY - 1)) | (key + 1) << OWN_SHIFT;
        Self { at, from, ..self }
    }

    pub(super) const fn depth(self) -> u32 {
        self.at & (ANY - 1)
    }

    const fn is_any(self) -> bool {
        self.at & ANY != 0
    }

    const fn own(self) -> Option<u32> {
        (self.at >> OWN_SHIFT).checked_sub(1)
    }
}

/// Choices from the root to a frame; bits, set for `+`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Choices {
    first: u64,
    more: Vec<u64>,
}

impl Choices {
    #[inline(always)]
    fn set(&mut self, at: usize, choice: bool) {
        let (word, bit) = (at / 64, at % 64);
        let word = if word == 0 {
            &mut self.first
        } else {
            if self.more.len() < word {
                self.more.resize(word, 0);
            }
            let Some(word) = self.more.get_mut(word - 1) else {
                return;
            };
            word
        };
        *word = *word & !(1 << bit) | u64::from(choice) << bit;
    }

    fn get(&self, at: usize) -> bool {
        let word = match (at / 64).checked_sub(1) {
            None => Some(&self.first),
            Some(word) => self.more.get(word),
        };
        word.is_some_and(|word| word >> (at % 64) & 1 != 0)
    }
}

/// How far a match in parts has come: see [`matches_some`](super::SubscriptionIndex::matches_some).
///
/// It holds nothing of the index, 48 bytes, and for topics of more than 64 levels one bit each.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MatchCursor(Stopped);

#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum Stopped {
    #[default]
    Start,
    At {
        choices: Choices,
        /// Depth and key, as in a frame.
        at: u32,
        from: u32,
    },
    End,
}

impl MatchCursor {
    /// Nothing is given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether everything has been given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0 == Stopped::End
    }
}

struct Walk<'t> {
    tree: &'t Tree,
    topic: Topic<'t>,
    frames: Short<Frame, INLINE>,
    choices: Choices,
}

impl Tree {
    /// Visits a part of all that matches; `true` at the end.
    pub(super) fn walk_some(
        &self,
        name: &TopicName<'_>,
        cursor: &mut MatchCursor,
        steps: usize,
        visit: &mut impl FnMut(bool, Found<'_>),
    ) -> bool {
        let mut walk = Walk::new(self, name);
        match core::mem::replace(&mut cursor.0, Stopped::End) {
            Stopped::Start => walk.begin(),
            Stopped::At { choices, at, from } => walk.resume(&choices, at, from),
            Stopped::End => return true,
        }
        if let Some(next) = walk.run(steps.max(1), visit) {
            walk.choices.set_last(&next);
            cursor.0 = Stopped::At {
                choices: walk.choices,
                at: next.at,
                from: next.from,
            };
            return false;
        }
        true
    }

    /// A child by key, also one in a tail.
    fn child(&self, reference: u32, key: u32) -> Option<u32> {
        match kind(reference) {
            Kind::Node(run) => self.edge_of(run, key),
            Kind::Tail(tail) => {
                let (inner, value) = self.tail(tail);
                (inner == key).then_some(value)
            }
            Kind::List(_) | Kind::Value(_) => None,
        }
    }
}

/// What a node leads to: by the level itself, by `+` (0: nothing), and back to a key of its own, from an entry on.
#[derive(Copy, Clone, Default)]
pub(super) struct Next {
    pub(super) exact: u32,
    pub(super) any: u32,
    unfinished: Option<(u32, u32)>,
}

impl Tree {
    /// What leads no further.
    #[inline(always)]
    pub(super) fn leaf(
        &self,
        topic: &mut Topic<'_>,
        reference: u32,
        depth: u32,
        visit: &mut impl FnMut(bool, Found<'_>),
    ) {
        let depth = depth as usize;
        let level = topic.level(self, depth);
        match kind(reference) {
            Kind::Value(value) => {
                if level.is_none() {
                    visit(false, Found::Value(value));
                }
            }
            Kind::Tail(tail) => {
                // Often the number of levels alone tells that there is no match.
                let of_level = is_level_tail(reference);
                if of_level && (level.is_none() || !topic.is_end(self, depth + 1)) {
                    return;
                }
                let (inner, value) = self.tail(tail);
                let matches = match inner {
                    key::MULTI | key::MULTI_GROUPS => true,
                    key::OWN | key::OWN_GROUPS => level.is_none(),
                    key::SINGLE => true,
                    _ => level == Some(inner),
                };
                if let (true, Kind::Value(value)) = (matches, kind(value)) {
                    visit(is_groups(inner), Found::Value(value));
                }
            }
            Kind::Node(_) | Kind::List(_) => {}
        }
    }

    /// Gives what stands in a node itself, and looks up what follows.
    #[inline(always)]
    pub(super) fn node<const PARTS: bool>(
        &self,
        topic: &mut Topic<'_>,
        run: u32,
        depth: u32,
        visit: &mut impl FnMut(bool, Found<'_>),
    ) -> Next {
        let edges = self.store.front(run);
        let level = topic.level(self, depth as usize);
        let low = edges.low();
        let mut any = 0;
        let mut special = 0;
        let mut unfinished = None;
        if low & !(1 << key::SINGLE) != 0 {
            for at in 0..edges.len() {
                let key = edges.key(at);
                if key > key::SINGLE {
                    break;
                }
                special += 1;
                let applies = match key {
                    key::OWN | key::OWN_GROUPS => level.is_none(),
                    _ => depth > 0 || !topic.is_reserved,
                };
                if !applies {
                    continue;
                }
                let reference = edges.reference(at);
                if key == key::SINGLE {
                    any = reference;
                } else if unfinished.is_none() {
                    let from = give::<PARTS>(self, key, reference, 0, visit);
                    unfinished = from.map(|from| (key, from));
                }
            }
        } else if low != 0 {
            special = 1;
            if depth > 0 || !topic.is_reserved {
                any = edges.reference(0);
            }
        }
        let Some(level) = level else {
            let (exact, any) = (0, 0);
            return Next {
                exact,
                any,
                unfinished,
            };
        };
        let len = edges.len();
        let at = if len <= special + 1 || edges.key(special) >= level {
            special
        } else {
            let levels = edges.keys().get(special..).unwrap_or_default();
            special + lower(levels, level)
        };
        let exact = if at < len && edges.key(at) == level {
            edges.reference(at)
        } else if at + 1 >= len && level != UNKNOWN && self.store.is_in_pages(run) {
            // Not in the first page, then perhaps in another.
            self.edge_of(run, level).unwrap_or_default()
        } else {
            0
        };
        Next {
            exact,
            any,
            unfinished,
        }
    }
}

impl Choices {
    fn set_last(&mut self, frame: &Frame) {
        if let Some(at) = frame.depth().checked_sub(1) {
            self.set(at as usize, frame.is_any());
        }
    }
}

impl<'t> Walk<'t> {
    #[inline(always)]
    fn new(tree: &'t Tree, name: &'t TopicName<'_>) -> Self {
        Self {
            tree,
            topic: Topic::new(name),
            frames: Short::new(Frame::new(0, 0, false)),
            choices: Choices::default(),
        }
    }

    #[inline(always)]
    fn push(&mut self, reference: u32, depth: u32, is_any: bool) {
        self.frames.push(Frame::new(reference, depth, is_any));
    }

    fn begin(&mut self) {
        let root = self.tree.root();
        if root != 0 {
            self.push(root, 0, false);
        }
    }

    /// Puts the frames back that waited: beside each `+` of the path the level itself, and then the last.
    fn resume(&mut self, choices: &Choices, at: u32, from: u32) {
        let root = self.tree.root();
        if root == 0 {
            return;
        }
        let mut last = Frame {
            reference: root,
            at,
            from,
        };
        let depth = last.depth();
        for at in 0..depth {
            let is_any = choices.get(at as usize);
            self.choices.set(at as usize, is_any);
            let Some(level) = self.topic.level(self.tree, at as usize) else {
                return;
            };
            let exact = self.tree.child(last.reference, level).filter(|_| is_any);
            if let Some(exact) = exact {
                self.push(exact, at + 1, false);
            }
            let key = if is_any { key::SINGLE } else { level };
            match self.tree.child(last.reference, key) {
                Some(child) => last.reference = child,
                None => return,
            }
        }
        if last.own().is_some() {
            self.push_children(last.reference, depth);
        }
        self.frames.push(last);
    }

    fn push_children(&mut self, reference: u32, depth: u32) {
        let Some(level) = self.topic.level(self.tree, depth as usize) else {
            return;
        };
        if let Some(exact) = self.tree.child(reference, level) {
            self.push(exact, depth + 1, false);
        }
        let hidden = depth == 0 && self.topic.is_reserved;
        if let Some(any) = self.tree.child(reference, key::SINGLE).filter(|_| !hidden) {
            self.push(any, depth + 1, true);
        }
    }

    /// At most so many steps; gives the frame that is next, if there is one.
    ///
    /// What comes after `+` is gone on with at once, the rest waits.
    #[inline(always)]
    fn run(&mut self, mut steps: usize, visit: &mut impl FnMut(bool, Found<'_>)) -> Option<Frame> {
        let mut next = self.frames.pop();
        while let Some(frame) = next {
            if steps == 0 {
                return Some(frame);
            }
            steps -= 1;
            self.choices.set_last(&frame);
            next = self.step(frame, visit);
            if next.is_none() {
                next = self.frames.pop();
            }
        }
        None
    }

    /// Looks at one reference; gives the one that comes next, if it leads on.
    #[inline(always)]
    fn step(&mut self, frame: Frame, visit: &mut impl FnMut(bool, Found<'_>)) -> Option<Frame> {
        match kind(frame.reference) {
            _ if frame.own().is_some() => self.own(frame, visit),
            Kind::Node(run) => self.node(frame, run, visit),
            Kind::List(_) => self.list(frame, visit),
            Kind::Value(_) | Kind::Tail(_) => {
                self.tree
                    .leaf(&mut self.topic, frame.reference, frame.depth(), visit);
                None
            }
        }
    }

    #[inline(always)]
    fn list(&mut self, frame: Frame, visit: &mut impl FnMut(bool, Found<'_>)) -> Option<Frame> {
        if !self.topic.is_end(self.tree, frame.depth() as usize) {
            return None;
        }
        let from = give::<true>(self.tree, key::OWN, frame.reference, 0, visit)?;
        Some(frame.with_own(key::OWN, from))
    }

    #[inline(always)]
    fn node(
        &mut self,
        frame: Frame,
        run: u32,
        visit: &mut impl FnMut(bool, Found<'_>),
    ) -> Option<Frame> {
        let depth = frame.depth();
        let Next {
            exact,
            any,
            unfinished,
        } = self.tree.node::<true>(&mut self.topic, run, depth, visit);
        let some = |reference, is_any| {
            let frame = Frame::new(reference, depth + 1, is_any);
            Some(frame).filter(|_| reference != 0)
        };
        let unfinished = unfinished.map(|(key, from)| frame.with_own(key, from));
        let mut next = some(exact, false);
        for first in [some(any, true), unfinished].into_iter().flatten() {
            if let Some(later) = next.replace(first) {
                self.frames.push(later);
            }
        }
        next
    }

    /// What stands in a reference itself, from a key and an entry on; up to the end of a page.
    #[inline(never)]
    fn own(&mut self, frame: Frame, visit: &mut impl FnMut(bool, Found<'_>)) -> Option<Frame> {
        let tree = self.tree;
        let hidden = frame.depth() == 0 && self.topic.is_reserved;
        let is_end = self.topic.is_end(self.tree, frame.depth() as usize);
        let start = frame.own().unwrap_or_default();
        let mut from = frame.from;
        for key in start..=key::MULTI_GROUPS {
            let applies = match key {
                key::OWN | key::OWN_GROUPS => is_end,
                _ => !hidden,
            };
            let reference = match kind(frame.reference) {
                Kind::Value(_) | Kind::List(_) => Some(frame.reference).filter(|_| key == key::OWN),
                _ => tree.child(frame.reference, key),
            };
            let unfinished = reference
                .filter(|_| applies)
                .and_then(|reference| give::<true>(tree, key, reference, from, visit));
            if let Some(from) = unfinished {
                return Some(frame.with_own(key, from));
            }
            from = 0;
        }
        None
    }
}

const fn is_groups(key: u32) -> bool {
    matches!(key, key::OWN_GROUPS | key::MULTI_GROUPS)
}

/// Gives a value, or the entries of a list from one on, in `PARTS` a page of them; the next one, if there are more.
#[inline(always)]
pub(super) fn give<const PARTS: bool>(
    tree: &Tree,
    key: u32,
    reference: u32,
    from: u32,
    visit: &mut impl FnMut(bool, Found<'_>),
) -> Option<u32> {
    match kind(reference) {
        Kind::Value(value) => {
            if value & NUMBER >= from {
                visit(is_groups(key), Found::Value(value));
            }
            None
        }
        Kind::List(run) => {
            let limit = if PARTS { 1 } else { usize::MAX };
            tree.store.chunks(run, from, limit, &mut |chunk| {
                let columns = [0, 1, 2].map(|column| chunk.column(column));
                visit(is_groups(key), Found::List(columns));
            })
        }
        _ => None,
    }
}
