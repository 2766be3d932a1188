//! Everything in a tree, one after the other.

use alloc::string::String;
use alloc::vec::Vec;

use super::tree::{Kind, Tree, key, kind};

/// Values of a tree with the text that leads to them, in the order of their keys.
pub(super) struct Entries<'a> {
    tree: &'a Tree,
    /// Run, next key there, length of the text up to it; the first one is the root.
    nodes: Vec<(u32, u64, usize)>,
    text: Vec<u8>,
    /// The list that is being given: its key, run and next entry.
    list: Option<(u32, u32, u64)>,
}

pub(super) struct Entry {
    pub(super) text: String,
    pub(super) is_group: bool,
    /// A value as an entry of a list, or an entry.
    pub(super) value: Value,
}

pub(super) enum Value {
    Value(u32),
    Entry([u32; 3]),
}

impl<'a> Entries<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        let root = tree.root();
        let nodes = if root == 0 {
            Vec::new()
        } else {
            [(root, 0, 0)].into()
        };
        Self {
            tree,
            nodes,
            text: Vec::new(),
            list: None,
        }
    }

    fn entry(&self, key: u32, value: Value) -> Entry {
        Entry {
            // Whole levels of text, so it is text.
            text: String::from_utf8(self.text.clone()).unwrap_or_default(),
            is_group: matches!(key, key::OWN_GROUPS | key::MULTI_GROUPS),
            value,
        }
    }

    fn next_of_list(&mut self) -> Option<Entry> {
        let (key, run, from) = self.list?;
        let chunk = self.tree.store.chunk::<1>(run, from);
        let word = |column| chunk.and_then(|chunk| chunk.column(column).first().copied());
        let (Some(number), Some(options), Some(identifier)) = (word(0), word(1), word(2)) else {
            self.list = None;
            return None;
        };
        self.list = Some((key, run, u64::from(number) + 1));
        Some(self.entry(key, Value::Entry([number, options, identifier])))
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.next_of_list() {
                return Some(entry);
            }
            let is_root = self.nodes.len() == 1;
            let (run, from, length) = self.nodes.last_mut()?;
            let Some(chunk) = self.tree.store.chunk::<1>(*run, *from) else {
                self.nodes.pop();
                continue;
            };
            let (key, reference) = (*chunk.column(0).first()?, *chunk.column(1).first()?);
            *from = u64::from(key) + 1;
            self.text.truncate(*length);
            self.tree.push_level(key, is_root, &mut self.text);
            match kind(reference) {
                Kind::Node(run) => self.nodes.push((run, 0, self.text.len())),
                Kind::List(run) => self.list = Some((key, run, 0)),
                Kind::Value(value) => return Some(self.entry(key, Value::Value(value))),
                Kind::Tail(tail) => {
                    let (inner, value) = self.tree.tail(tail);
                    self.tree.push_level(inner, false, &mut self.text);
                    if let Kind::Value(value) = kind(value) {
                        return Some(self.entry(inner, Value::Value(value)));
                    }
                }
            }
        }
    }
}
