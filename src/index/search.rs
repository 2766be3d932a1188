//! From a filter to the values of all topics that match it, in the order of their keys: one loop with a stack of its own,
//! which can be stopped at each edge and goes on from a path of keys, whatever became of the nodes meanwhile.

use alloc::vec;
use alloc::vec::Vec;

use super::tree::{Kind, Tree, key, kind};
use crate::topic::split_level;

/// How far a search in parts has come: see [`search_some`](super::RetainedStore::search_some).
///
/// It holds nothing of the store, and 4 bytes for each level that the search has gone down.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SearchCursor(Stopped);

#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum Stopped {
    #[default]
    Start,
    /// The keys that everything given lies before. A topic is the keys of its levels, and then `key::OWN`.
    At(Vec<u32>),
    End,
}

impl SearchCursor {
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

/// What a level of a topic has to be.
#[derive(Copy, Clone)]
enum Want {
    Any,
    Key(u32),
}

/// A node, and how far in it.
#[derive(Copy, Clone)]
struct Frame {
    /// Of the edge that leads here.
    key: u32,
    run: u32,
    page: u32,
    at: usize,
}

/// The references of nodes with so many are loaded early.
const TOUCHED: usize = 16;
/// Beyond all edges.
const DONE: usize = usize::MAX;

impl Frame {
    const fn new(key: u32, run: u32) -> Self {
        Self {
            key,
            run,
            page: 0,
            at: 0,
        }
    }
}

/// A topic: the nodes down to it, the keys behind the last, and its value.
#[derive(Copy, Clone)]
pub(super) struct FoundTopic<'a> {
    tree: &'a Tree,
    frames: &'a [Frame],
    last: [u32; 2],
    pub(super) value: u32,
}

impl FoundTopic<'_> {
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let nodes = self.frames.iter().skip(1).map(|frame| frame.key);
        for (at, key) in nodes.chain(self.last).enumerate() {
            self.tree.push_level(key, at == 0, &mut text);
        }
        text
    }
}

struct Search<'t> {
    tree: &'t Tree,
    wants: Vec<Want>,
    /// Whether any more levels may follow.
    is_multi: bool,
    frames: Vec<Frame>,
}

impl Tree {
    /// Gives the topics that match, at most so many steps of it; `true` at the end. `touch` does nothing but load a value.
    pub(super) fn search(
        &self,
        filter: &str,
        cursor: &mut SearchCursor,
        steps: usize,
        touch: &impl Fn(u32) -> bool,
        visit: &mut impl FnMut(FoundTopic<'_>),
    ) -> bool {
        let stopped = core::mem::replace(&mut cursor.0, Stopped::End);
        if self.root() == 0 || stopped == Stopped::End {
            return true;
        }
        let Some(mut search) = Search::new(self, filter) else {
            return true;
        };
        if let Stopped::At(keys) = stopped {
            search.resume(&keys);
        }
        match search.run(steps.max(1), touch, visit) {
            None => true,
            Some(next) => {
                let keys = search.frames.iter().skip(1).map(|frame| frame.key);
                cursor.0 = Stopped::At(keys.chain([next]).collect());
                false
            }
        }
    }

    /// Loads the beginning of what some edges lead to, and of what follows there: the processor waits for all of it at once.
    #[inline(always)]
    fn touch(&self, references: &[u32], most: usize, touch: &impl Fn(u32) -> bool) {
        let one = |reference: u32| match kind(reference) {
            Kind::Value(value) => touch(value).into(),
            Kind::Node(at) | Kind::List(at) | Kind::Tail(at) => self.store.arena.word(at, 0),
        };
        let mut sum = 0u32;
        for &reference in references {
            sum = sum.wrapping_add(one(reference));
        }
        for &reference in references {
            if let Kind::Node(run) = kind(reference) {
                let next = self.store.front(run);
                if next.len() <= most {
                    for at in 0..next.len() {
                        sum = sum.wrapping_add(one(next.reference(at)));
                    }
                }
            }
        }
        core::hint::black_box(sum);
    }

    fn is_reserved(&self, key: u32) -> bool {
        self.levels.is_reserved(&self.store.arena, key)
    }
}

impl<'t> Search<'t> {
    /// `None` if no topic has one of the levels.
    fn new(tree: &'t Tree, filter: &str) -> Option<Self> {
        let mut wants = Vec::new();
        let mut rest = Some(filter.as_bytes());
        let mut is_multi = false;
        while let Some(text) = rest {
            let (level, behind) = split_level(text);
            match level {
                b"#" => is_multi = true,
                b"+" => wants.push(Want::Any),
                text => wants.push(Want::Key(tree.levels.find(&tree.store.arena, text)?)),
            }
            rest = behind;
        }
        Some(Self {
            tree,
            wants,
            is_multi,
            frames: vec![Frame::new(0, tree.root())],
        })
    }

    /// Whether a topic may have this level there: the first one is not left to wildcards if it starts with `$`
    /// [MQTT-4.7.2-1].
    #[inline(always)]
    fn takes(&self, depth: usize, key: u32) -> bool {
        let free = match self.wants.get(depth) {
            Some(Want::Key(level)) => return *level == key,
            Some(Want::Any) => true,
            None => self.is_multi,
        };
        free && (depth > 0 || !self.tree.is_reserved(key))
    }

    /// Whether a topic may end after so many levels. `#` includes the level above it (section 4.7.1.2).
    #[inline(always)]
    fn ends(&self, levels: usize) -> bool {
        levels == self.wants.len() || self.is_multi && levels > self.wants.len()
    }

    /// Goes down to where the keys lead. What is not there any more, or leads no further, lies before or behind them.
    fn resume(&mut self, keys: &[u32]) {
        for (depth, &key) in keys.iter().enumerate() {
            let rest = keys.get(depth + 1..).unwrap_or_default();
            let one = self.one(depth);
            let tree = self.tree;
            let Some(frame) = self.frames.last_mut() else {
                return;
            };
            if one.is_none() {
                (frame.page, frame.at) = tree.store.seek(frame.run, key);
            }
            let edge = tree.edge_of(frame.run, key);
            let Some(edge) = edge.filter(|_| one.is_none_or(|level| level == key)) else {
                return;
            };
            let mut child = None;
            let is_done = match kind(edge) {
                Kind::Node(run) => {
                    let leads_on = self.is_multi || depth + 1 < self.wants.len();
                    child = (leads_on && !rest.is_empty()).then_some(run);
                    child.is_some()
                }
                Kind::Tail(tail) => [tree.tail(tail).0, key::OWN].as_slice() < rest,
                Kind::Value(_) | Kind::List(_) => [key::OWN].as_slice() < rest,
            };
            if is_done {
                frame.at = one.map_or(frame.at + 1, |_| DONE);
            }
            let Some(run) = child else {
                return;
            };
            self.frames.push(Frame::new(key, run));
        }
    }

    /// The one level that a topic may have at this depth.
    #[inline(always)]
    fn one(&self, depth: usize) -> Option<u32> {
        match self.wants.get(depth) {
            Some(Want::Key(level)) => Some(*level),
            _ => None,
        }
    }

    /// At most so many steps; gives the key that is next, if there is one.
    fn run(
        &mut self,
        mut steps: usize,
        touch: &impl Fn(u32) -> bool,
        visit: &mut impl FnMut(FoundTopic<'_>),
    ) -> Option<u32> {
        while let Some(depth) = self.frames.len().checked_sub(1) {
            let next = match self.one(depth) {
                Some(level) => self.one_edge(depth, level, &mut steps, visit),
                None => self.edges(depth, &mut steps, touch, visit),
            };
            match next {
                Next::Down(frame) => self.frames.push(frame),
                Next::Up => drop(self.frames.pop()),
                Next::Again => {}
                Next::Stop(key) => return Some(key),
            }
        }
        None
    }

    #[inline(always)]
    fn one_edge(
        &mut self,
        depth: usize,
        level: u32,
        steps: &mut usize,
        visit: &mut impl FnMut(FoundTopic<'_>),
    ) -> Next {
        let Some(frame) = self.frames.last_mut().filter(|frame| frame.at != DONE) else {
            return Next::Up;
        };
        if *steps == 0 {
            return Next::Stop(level);
        }
        *steps -= 1;
        frame.at = DONE;
        let edge = self.tree.edge_of(frame.run, level);
        let child = edge.and_then(|edge| self.look(depth, level, edge, visit));
        child.map_or(Next::Up, Next::Down)
    }

    #[inline(always)]
    fn edges(
        &mut self,
        depth: usize,
        steps: &mut usize,
        touch: &impl Fn(u32) -> bool,
        visit: &mut impl FnMut(FoundTopic<'_>),
    ) -> Next {
        let Some(&Frame { run, page, at, .. }) = self.frames.last() else {
            return Next::Up;
        };
        let Some(chunk) = self.tree.store.page(run, page) else {
            return Next::Up;
        };
        let (keys, references) = (chunk.column(0), chunk.column(1));
        if at == 0 && keys.len() > 1 {
            let most = self.one(depth + 1).map_or(TOUCHED, |_| TOUCHED / 2);
            self.tree.touch(references, most, touch);
        }
        let edges = (0..).zip(keys).zip(references).skip(at);
        for ((at, &key), &reference) in edges {
            if *steps == 0 {
                self.go_on_at(page, at);
                return Next::Stop(key);
            }
            *steps -= 1;
            if key == key::OWN {
                if let (Kind::Value(value), true) = (kind(reference), self.ends(depth)) {
                    visit(self.found([key::OWN; 2], value));
                }
            } else if let Some(child) = self.look(depth, key, reference, visit) {
                self.go_on_at(page, at + 1);
                return Next::Down(child);
            }
        }
        if self.tree.store.is_in_pages(run) {
            self.go_on_at(page + 1, 0);
            return Next::Again;
        }
        Next::Up
    }

    #[inline(always)]
    fn go_on_at(&mut self, page: u32, at: usize) {
        if let Some(frame) = self.frames.last_mut() {
            (frame.page, frame.at) = (page, at);
        }
    }

    #[inline(always)]
    fn found(&self, last: [u32; 2], value: u32) -> FoundTopic<'_> {
        FoundTopic {
            tree: self.tree,
            frames: &self.frames,
            last,
            value,
        }
    }

    /// Looks at one edge; gives the node where it leads, if that has to be gone through.
    #[inline(always)]
    fn look(
        &self,
        depth: usize,
        key: u32,
        reference: u32,
        visit: &mut impl FnMut(FoundTopic<'_>),
    ) -> Option<Frame> {
        if !self.takes(depth, key) {
            return None;
        }
        let levels = depth + 1;
        match kind(reference) {
            Kind::Value(value) => {
                if self.ends(levels) {
                    visit(self.found([key, key::OWN], value));
                }
            }
            Kind::Tail(tail) => {
                let (inner, value) = self.tree.tail(tail);
                let matches = self.takes(levels, inner) && self.ends(levels + 1);
                if let (Kind::Value(value), true) = (kind(value), matches) {
                    visit(self.found([key, inner], value));
                }
            }
            Kind::Node(run) if self.is_multi || levels < self.wants.len() => {
                return Some(Frame::new(key, run));
            }
            Kind::Node(run) => {
                // Only what ends here.
                let front = self.tree.store.front(run);
                if let (key::OWN, Kind::Value(value)) = (front.key(0), kind(front.reference(0))) {
                    visit(self.found([key, key::OWN], value));
                }
            }
            Kind::List(_) => {}
        }
        None
    }
}

enum Next {
    Down(Frame),
    Up,
    /// With the next page.
    Again,
    /// Before this key.
    Stop(u32),
}
