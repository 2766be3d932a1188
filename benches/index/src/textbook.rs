//! What a textbook would write: a trie of nested `HashMap`s, and a sorted map of retained topics.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

#[derive(Default)]
pub(crate) struct Trie {
    root: Node,
}

#[derive(Default)]
struct Node {
    children: HashMap<String, Node>,
    plus: Option<Box<Node>>,
    /// Of the filter that ends here.
    subscribers: Vec<u32>,
    /// Of the filter that ends here and has a `#` behind that.
    hash: Vec<u32>,
}

impl Trie {
    pub(crate) fn insert(&mut self, filter: &str, subscriber: u32) {
        let mut node = &mut self.root;
        for level in filter.split('/') {
            node = match level {
                "#" => return add(&mut node.hash, subscriber),
                "+" => node.plus.get_or_insert_default(),
                _ => node.children.entry(level.to_owned()).or_default(),
            };
        }
        add(&mut node.subscribers, subscriber);
    }

    pub(crate) fn remove(&mut self, filter: &str, subscriber: u32) {
        self.root.remove(Some(filter), subscriber);
    }

    pub(crate) fn matches(&self, topic: &str, out: &mut Vec<u32>) {
        if topic.starts_with('$') {
            let (level, rest) = first_level(topic);
            if let Some(child) = self.root.children.get(level) {
                child.matches(rest, out);
            }
        } else {
            self.root.matches(Some(topic), out);
        }
    }
}

impl Node {
    fn matches(&self, levels: Option<&str>, out: &mut Vec<u32>) {
        out.extend_from_slice(&self.hash);
        let Some(levels) = levels else {
            out.extend_from_slice(&self.subscribers);
            return;
        };
        let (level, rest) = first_level(levels);
        if let Some(child) = self.children.get(level) {
            child.matches(rest, out);
        }
        if let Some(child) = &self.plus {
            child.matches(rest, out);
        }
    }

    fn remove(&mut self, levels: Option<&str>, subscriber: u32) {
        let Some(levels) = levels else {
            return take_out(&mut self.subscribers, subscriber);
        };
        let (level, rest) = first_level(levels);
        match level {
            "#" => take_out(&mut self.hash, subscriber),
            "+" => {
                if let Some(child) = &mut self.plus {
                    child.remove(rest, subscriber);
                    if child.is_empty() {
                        self.plus = None;
                    }
                }
            }
            _ => {
                if let Some(child) = self.children.get_mut(level) {
                    child.remove(rest, subscriber);
                    if child.is_empty() {
                        self.children.remove(level);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.plus.is_none()
            && self.subscribers.is_empty()
            && self.hash.is_empty()
    }
}

fn first_level(levels: &str) -> (&str, Option<&str>) {
    match levels.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (levels, None),
    }
}

/// Who subscribes twice to one filter has one subscription.
fn add(subscribers: &mut Vec<u32>, subscriber: u32) {
    if !subscribers.contains(&subscriber) {
        subscribers.push(subscriber);
    }
}

fn take_out(subscribers: &mut Vec<u32>, subscriber: u32) {
    if let Some(at) = subscribers.iter().position(|&s| s == subscriber) {
        subscribers.swap_remove(at);
    }
}

/// Retained topics in order. At a `+` a search seeks from each level that there is to the next.
#[derive(Default)]
pub(crate) struct Retained {
    /// With U+0000 for `/`, so that what is below a topic follows it.
    topics: BTreeMap<String, u32>,
}

impl Retained {
    pub(crate) fn insert(&mut self, topic: &str, value: u32) {
        self.topics.insert(topic.replace('/', "\0"), value);
    }

    pub(crate) fn remove(&mut self, topic: &str) {
        self.topics.remove(&topic.replace('/', "\0"));
    }

    pub(crate) fn search(&self, filter: &str, mut visit: impl FnMut(u32)) {
        self.search_below(&mut String::new(), &filter.replace('/', "\0"), &mut visit);
    }

    /// Those that begin with `found` and have what the filter says behind that.
    fn search_below(&self, found: &mut String, filter: &str, visit: &mut impl FnMut(u32)) {
        let (literal, wild) = filter.split_at(filter.find(['+', '#']).unwrap_or(filter.len()));
        found.push_str(literal);
        match wild.strip_prefix('+') {
            None if wild == "#" => {
                // `a/#` meets `a`, too.
                let parent = found.strip_suffix('\0');
                let parent = parent.and_then(|parent| self.topics.get(parent));
                parent.into_iter().for_each(|&value| visit(value));
                self.from(found)
                    .take_while(|(topic, _)| topic.starts_with(&*found))
                    .filter(|(topic, _)| !found.is_empty() || !topic.starts_with('$'))
                    .for_each(|(_, &value)| visit(value));
            }
            None => self.topics.get(found).into_iter().for_each(|&v| visit(v)),
            Some(rest) => {
                let length = found.len();
                let mut next = self.from(found).next();
                while let Some(behind) =
                    next.and_then(|(topic, _)| topic.strip_prefix(&found[..length]))
                {
                    found.truncate(length);
                    found.push_str(behind.split('\0').next().unwrap_or_default());
                    if !found.starts_with('$') || length > 0 {
                        let level = found.len();
                        self.search_below(found, rest, visit);
                        found.truncate(level);
                    }
                    found.push('\u{1}');
                    next = self.from(found).next();
                }
                found.truncate(length);
            }
        }
    }

    fn from(&self, start: &str) -> impl Iterator<Item = (&String, &u32)> {
        self.topics
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
    }
}
