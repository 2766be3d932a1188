//! The tree of filters: one node for each prefix that branches.
//!
//! A node is a run of edges: key, reference. The key of an edge is a level's address or one of the `key`s below; what
//! the reference leads to is its `Kind`. A node moves as its run grows, so it has a fixed place of its own too (block,
//! node above, key there), which is where others know it by; edges lead straight to the run.
//!
//! A filter that ends where nothing goes on has no node: its value stands in the edge. Where one more edge with one
//! value follows, both are a tail of two words.

use super::arena::FIRST_ADDRESS;
use super::levels::Levels;
use super::run::Store;
use crate::topic::split_level;

/// What is no level. In the order in which a match gives them.
pub(super) mod key {
    /// The filters that end at this node.
    pub(crate) const OWN: u32 = 0;
    pub(crate) const OWN_GROUPS: u32 = 1;
    /// `#`
    pub(crate) const MULTI: u32 = 2;
    pub(crate) const MULTI_GROUPS: u32 = 3;
    /// `+`
    pub(crate) const SINGLE: u32 = 4;
}

const fn is_level(key: u32) -> bool {
    key >= FIRST_ADDRESS
}

const VALUE: u32 = 1 << 31;
const NODE: u32 = 0;
const LIST: u32 = 1 << 29;
const TAIL: u32 = 2 << 29;
/// A tail whose key is a level or `+`.
const LEVEL_TAIL: u32 = 3 << 29;
const ADDRESS: u32 = (1 << 29) - 1;
/// The part of a value that lists are sorted by.
pub(super) const NUMBER: u32 = (1 << 29) - 1;

/// What a reference leads to.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(super) enum Kind {
    Node(u32),
    /// A run of values.
    List(u32),
    /// An edge that is all that follows, with a value.
    Tail(u32),
    /// 31 bits.
    Value(u32),
}

#[inline(always)]
pub(super) const fn kind(reference: u32) -> Kind {
    if reference & VALUE != 0 {
        return Kind::Value(reference & !VALUE);
    }
    let address = reference & ADDRESS;
    match reference & !ADDRESS {
        LIST => Kind::List(address),
        TAIL | LEVEL_TAIL => Kind::Tail(address),
        _ => Kind::Node(address),
    }
}

/// Of the reference to a tail: whether its key is a level or `+`.
#[inline(always)]
pub(super) const fn is_level_tail(reference: u32) -> bool {
    reference >> 29 == LEVEL_TAIL >> 29
}

pub(super) const fn value(value: u32) -> u32 {
    value | VALUE
}

pub(super) const fn list(address: u32) -> u32 {
    address | LIST
}

/// What a level may take: its block beside the text, a node, its place and a tail; and what all of a filter may take
/// besides: runs and pages that grow.
pub(super) const WORDS_PER_LEVEL: usize = 16;
pub(super) const WORDS_BESIDES: usize = 4096;

/// The words of a fixed place.
const BLOCK: usize = 0;
const ABOVE: usize = 1;
const KEY: usize = 2;

/// Where a value or a list of them stands: the edge of a node, or that of the tail which the edge leads to.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(super) struct Place {
    pub(super) node: u32,
    pub(super) key: u32,
    tail: bool,
}

impl Place {
    /// The edge of a node.
    pub(super) const fn edge((node, key): Name) -> Self {
        Self {
            node,
            key,
            tail: false,
        }
    }
}

/// The name of a filter that does not change while the filter is there: the node that its last level hangs from, and
/// the key there.
pub(super) type Name = (u32, u32);

/// A value whose filter has another name now.
#[derive(Copy, Clone, Debug)]
pub(super) struct Moved {
    pub(super) value: u32,
    pub(super) from: Name,
    pub(super) to: Name,
}

impl Moved {
    pub(super) const fn is_group(&self) -> bool {
        matches!(self.from.1, key::OWN_GROUPS | key::MULTI_GROUPS)
            || matches!(self.to.1, key::OWN_GROUPS | key::MULTI_GROUPS)
    }
}

pub(super) enum Put {
    New(Place),
    /// There was something, which is left as it was.
    Old(Place),
}

/// The levels of a filter.
#[derive(Copy, Clone)]
pub(super) struct Path<'a> {
    rest: Option<&'a [u8]>,
    end: u32,
}

#[derive(Copy, Clone)]
enum Level<'a> {
    Any,
    Text(&'a [u8]),
}

impl<'a> Path<'a> {
    /// Of a filter, or of a Topic Name, in which no level is a wildcard.
    pub(super) fn new(filter: &'a str, of_group: bool) -> Self {
        Self {
            rest: Some(filter.as_bytes()),
            end: if of_group { key::OWN_GROUPS } else { key::OWN },
        }
    }

    /// The next level; after the last one `end` is the key of what the path leads to.
    fn next(&mut self) -> Option<Level<'a>> {
        let (level, rest) = split_level(self.rest?);
        self.rest = rest;
        match level {
            b"#" => {
                self.rest = None;
                self.end += key::MULTI - key::OWN;
                None
            }
            b"+" => Some(Level::Any),
            text => Some(Level::Text(text)),
        }
    }
}

pub(super) struct Tree {
    pub(super) store: Store,
    pub(super) levels: Levels,
    /// The fixed place of the root; 0 as long as the tree is empty.
    root: u32,
}

impl Tree {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            store: Store::new(),
            levels: Levels::new(seed),
            root: 0,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.store.heap_bytes() + self.levels.heap_bytes()
    }

    /// The run of the root; 0 if there is none.
    #[inline]
    pub(super) fn root(&self) -> u32 {
        self.block(self.root)
    }

    fn block(&self, node: u32) -> u32 {
        if node == 0 {
            return 0;
        }
        self.store.arena.word(node, BLOCK)
    }

    /// The node above and the key there; `None` for the root.
    pub(super) fn above(&self, node: u32) -> Option<Name> {
        let above = self.store.arena.word(node, ABOVE);
        (above != 0).then(|| (above, self.store.arena.word(node, KEY)))
    }

    fn key(&self, level: &Level<'_>) -> Option<u32> {
        match level {
            Level::Any => Some(key::SINGLE),
            Level::Text(text) => self.levels.find(&self.store.arena, text),
        }
    }

    fn acquire(&mut self, level: &Level<'_>) -> u32 {
        match level {
            Level::Any => key::SINGLE,
            Level::Text(text) => self.levels.acquire(&mut self.store.arena, text),
        }
    }

    fn release(&mut self, key: u32) {
        if is_level(key) {
            self.levels.release(&mut self.store.arena, key);
        }
    }

    fn edge(&self, node: u32, key: u32) -> Option<u32> {
        self.edge_of(self.block(node), key)
    }

    /// The reference of an edge in a node's run.
    #[inline]
    pub(super) fn edge_of(&self, run: u32, key: u32) -> Option<u32> {
        let place = self.store.find::<1>(run, key.into()).filter(|_| run != 0)?;
        Some(self.store.read(place, 1))
    }

    fn set_edge(&mut self, node: u32, key: u32, reference: u32) {
        if let Some(place) = self.store.find::<1>(self.block(node), key.into()) {
            self.store.write(place, 1, reference);
        }
    }

    fn add_edge(&mut self, node: u32, key: u32, reference: u32) {
        let block = self.block(node);
        let new = match block {
            0 => self.store.new_run(node, [key, reference]),
            _ => self.store.insert::<1, 2>(block, [key, reference]),
        };
        if new != block {
            self.set_block(node, new);
        }
    }

    fn set_block(&mut self, node: u32, block: u32) {
        self.store.arena.set(node, BLOCK, block);
        if let Some((above, key)) = self.above(node) {
            self.set_edge(above, key, NODE | block);
        }
    }

    fn new_node(&mut self, above: u32, key: u32) -> u32 {
        let node = self.store.arena.alloc(3);
        if let Some(words) = self.store.arena.block_mut(node).get_mut(..3) {
            words.copy_from_slice(&[0, above, key]);
        }
        node
    }

    fn new_tail(&mut self, key: u32, value: u32) -> u32 {
        let tail = self.store.arena.alloc(2);
        self.store.arena.set(tail, 0, key);
        self.store.arena.set(tail, 1, value);
        let kind = if key < key::SINGLE { TAIL } else { LEVEL_TAIL };
        kind | tail
    }

    /// Key and value of a tail.
    #[inline]
    pub(super) fn tail(&self, tail: u32) -> (u32, u32) {
        match self.store.arena.block(tail) {
            [key, value, ..] => (*key, *value),
            _ => (u32::MAX, 0),
        }
    }

    /// Makes a node of a tail, with the one edge; gives the node.
    fn expand(&mut self, node: u32, key: u32, tail: u32) -> (u32, Moved) {
        let (inner, value) = self.tail(tail);
        self.store.arena.free(tail);
        let child = self.new_node(node, key);
        self.add_edge(child, inner, value);
        let (from, to) = ((node, key), (child, inner));
        (child, Moved { value, from, to })
    }

    pub(super) fn find(&self, mut path: Path<'_>) -> Option<Place> {
        let mut node = self.root;
        loop {
            let Some(level) = path.next() else {
                return self.place(node, path.end);
            };
            let key = self.key(&level)?;
            match kind(self.edge(node, key)?) {
                Kind::Node(block) => node = self.store.tag(block),
                Kind::Value(_) | Kind::List(_) => {
                    let ends = path.next().is_none() && path.end == key::OWN;
                    return ends.then_some(Place {
                        node,
                        key,
                        tail: false,
                    });
                }
                Kind::Tail(tail) => {
                    let tail = self.tail(tail).0;
                    return self.is_tail(path, tail).then_some(Place {
                        node,
                        key,
                        tail: true,
                    });
                }
            }
        }
    }

    fn place(&self, node: u32, key: u32) -> Option<Place> {
        self.edge(node, key)?;
        Some(Place {
            node,
            key,
            tail: false,
        })
    }

    /// Whether what is left of a path is one edge with this key.
    fn is_tail(&self, mut path: Path<'_>, tail: u32) -> bool {
        match path.next() {
            None => path.end == tail,
            Some(level) => {
                self.key(&level) == Some(tail) && path.next().is_none() && path.end == key::OWN
            }
        }
    }

    /// Puts in what a path leads to, unless there is something.
    ///
    /// The arena must have room for it, see `WORDS_PER_LEVEL`.
    pub(super) fn put(&mut self, mut path: Path<'_>, reference: u32) -> (Put, Option<Moved>) {
        if self.root == 0 {
            self.root = self.new_node(0, 0);
        }
        let mut moved = None;
        let mut node = self.root;
        let mut level = path.next();
        while let Some(text) = level {
            let found = self
                .key(&text)
                .and_then(|key| Some((key, self.edge(node, key)?)));
            let Some((key, edge)) = found else {
                let key = self.acquire(&text);
                level = path.next();
                if let Some(tail) = self.add_branch(node, key, path, level, reference) {
                    return (Put::New(Place { node, key, tail }), moved);
                }
                node = self.new_node(node, key);
                continue;
            };
            match kind(edge) {
                Kind::Node(block) => node = self.store.tag(block),
                Kind::Value(_) | Kind::List(_) => {
                    let mut behind = path;
                    if behind.next().is_none() && behind.end == key::OWN {
                        let place = Place {
                            node,
                            key,
                            tail: false,
                        };
                        return (Put::Old(place), moved);
                    }
                    node = self.new_node(node, key);
                    self.add_edge(node, key::OWN, edge);
                }
                Kind::Tail(tail) => {
                    if self.is_tail(path, self.tail(tail).0) {
                        let place = Place {
                            node,
                            key,
                            tail: true,
                        };
                        return (Put::Old(place), moved);
                    }
                    let (child, change) = self.expand(node, key, tail);
                    moved = Some(change);
                    node = child;
                }
            }
            level = path.next();
        }
        match self.place(node, path.end) {
            Some(place) => (Put::Old(place), moved),
            None => {
                let (key, tail) = (path.end, false);
                self.add_edge(node, key, reference);
                (Put::New(Place { node, key, tail }), moved)
            }
        }
    }

    /// Adds an edge that is not there, with all behind it if that takes no node: tells whether it took a tail. `level`
    /// is what follows, and `path` what follows then.
    fn add_branch(
        &mut self,
        node: u32,
        key: u32,
        mut path: Path<'_>,
        level: Option<Level<'_>>,
        reference: u32,
    ) -> Option<bool> {
        let is_value = matches!(kind(reference), Kind::Value(_));
        let tail = match level {
            None if path.end == key::OWN => {
                self.add_edge(node, key, reference);
                return Some(false);
            }
            None => is_value.then_some(path.end),
            Some(last) if is_value && path.next().is_none() && path.end == key::OWN => {
                Some(self.acquire(&last))
            }
            Some(_) => None,
        };
        let branch = tail.map_or(NODE, |tail| self.new_tail(tail, reference));
        self.add_edge(node, key, branch);
        tail.map(|_| true)
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<u32> {
        let edge = self.edge(place.node, place.key)?;
        match kind(edge) {
            Kind::Tail(tail) if place.tail => Some(self.tail(tail).1),
            _ => Some(edge),
        }
    }

    /// Puts a value or a list in the place of what is there.
    pub(super) fn set(&mut self, place: Place, reference: u32) -> Option<Moved> {
        let Place { node, key, tail } = place;
        let edge = self.edge(node, key)?;
        let Kind::Tail(at) = kind(edge) else {
            self.set_edge(node, key, reference);
            return None;
        };
        if tail && matches!(kind(reference), Kind::Value(_)) {
            self.store.arena.set(at, 1, reference);
            return None;
        }
        let (child, moved) = self.expand(node, key, at);
        self.set_edge(child, moved.to.1, reference);
        Some(moved)
    }

    /// Takes out what is there, which the caller has freed if it was a list, and all that leads nowhere then.
    pub(super) fn take(&mut self, place: Place) -> Option<Moved> {
        let Place {
            mut node, mut key, ..
        } = place;
        if let Kind::Tail(tail) = kind(self.edge(node, key)?) {
            let inner = self.tail(tail).0;
            self.release(inner);
            self.store.arena.free(tail);
        }
        loop {
            self.release(key);
            let block = self.block(node);
            let new = self.store.remove::<1, 2>(block, key.into());
            if new != 0 {
                if new != block {
                    self.set_block(node, new);
                }
                return self.collapse(node, new);
            }
            let above = self.above(node);
            self.store.arena.free(node);
            let Some(above) = above else {
                self.root = 0;
                return None;
            };
            (node, key) = above;
        }
    }

    /// Does without a node that has one edge with one value.
    fn collapse(&mut self, node: u32, block: u32) -> Option<Moved> {
        let (above, above_key) = self.above(node)?;
        if self.store.len(block) != 1 {
            return None;
        }
        let chunk = self.store.chunk::<1>(block, 0)?;
        let (&inner, &reference) = (chunk.column(0).first()?, chunk.column(1).first()?);
        let replaced = if inner == key::OWN {
            reference
        } else if matches!(kind(reference), Kind::Value(_)) {
            self.new_tail(inner, reference)
        } else {
            return None;
        };
        self.store.arena.free(block);
        self.store.arena.free(node);
        self.set_edge(above, above_key, replaced);
        (inner != key::OWN).then_some(Moved {
            value: reference,
            from: (node, inner),
            to: (above, above_key),
        })
    }

    /// The name of the filter whose values stand in a place.
    pub(super) fn name(&self, place: Place) -> Name {
        match place.key {
            key::OWN => self.above(place.node).unwrap_or_default(),
            key => (place.node, key),
        }
    }

    /// Where the values of a filter stand.
    pub(super) fn named(&self, (node, key): Name) -> Option<Place> {
        let place = |node, key, tail| Some(Place { node, key, tail });
        match kind(self.edge(node, key)?) {
            Kind::Node(block) => self.place(self.store.tag(block), key::OWN),
            Kind::Tail(_) => place(node, key, true),
            Kind::Value(_) | Kind::List(_) => place(node, key, false),
        }
    }

    /// The text of a filter.
    pub(super) fn text(&self, place: Place) -> alloc::vec::Vec<u8> {
        let mut keys = alloc::vec::Vec::new();
        if let Some(Kind::Tail(tail)) = self.edge(place.node, place.key).map(kind) {
            keys.push(self.tail(tail).0);
        }
        keys.push(place.key);
        let mut node = place.node;
        while let Some((above, key)) = self.above(node) {
            keys.push(key);
            node = above;
        }
        let mut text = alloc::vec::Vec::new();
        for (at, &key) in keys.iter().rev().enumerate() {
            self.push_level(key, at == 0, &mut text);
        }
        text
    }

    /// Appends a level, with a slash before it unless it is the first.
    pub(super) fn push_level(&self, key: u32, first: bool, text: &mut alloc::vec::Vec<u8>) {
        if !first && !matches!(key, key::OWN | key::OWN_GROUPS) {
            text.push(b'/');
        }
        match key {
            key::OWN | key::OWN_GROUPS => {}
            key::MULTI | key::MULTI_GROUPS => text.push(b'#'),
            key::SINGLE => text.push(b'+'),
            level => self.levels.push_text(&self.store.arena, level, text),
        }
    }
}
