// A slow and plain store of retained topics, and histories of operations that are held to it.

use std::collections::BTreeMap;

use sansio_mqtt::{
    IndexError, Instant, NotRetained, Retained, RetainedOptions, RetainedStore, SearchCursor,
    TopicFilter, TopicName, Version,
};

use super::index_bytes::Bytes;
use super::reference::{level_matches, levels};

/// Value and expiry by topic.
type Model = BTreeMap<String, (u32, Option<Instant>)>;
type Entry = (String, u32, Option<Instant>);

const LEVELS: u32 = 8;

pub(crate) fn size(value: &u32) -> usize {
    *value as usize % 50
}

pub(crate) fn entry(retained: &Retained<'_, u32>) -> Entry {
    let topic = retained.topic().as_str().to_owned();
    (topic, *retained.value(), retained.expires())
}

/// The topics that match.
pub(crate) fn matching<'a, V>(
    model: &'a BTreeMap<String, V>,
    filter: &'a str,
) -> impl Iterator<Item = (&'a String, &'a V)> {
    let filter = levels(filter);
    let all = model.iter();
    all.filter(move |(topic, _)| level_matches(&filter, &levels(topic)))
}

struct World {
    store: RetainedStore<u32>,
    model: Model,
    now: u64,
    topics: usize,
    bytes: usize,
}

impl World {
    fn bytes(&self) -> usize {
        self.model.values().map(|(value, _)| size(value)).sum()
    }

    fn insert(&mut self, topic: &str, value: u32, expires: Option<Instant>) {
        let name = TopicName::new(topic).unwrap();
        let result = self.store.insert(&name, value, expires);
        let old = self.model.get(topic).copied();
        let after = self.bytes() - old.map_or(0, |old| size(&old.0)) + size(&value);
        let too_many = old.is_none() && self.model.len() >= self.topics;
        if levels(topic).len() > LEVELS as usize {
            let maximum = LEVELS;
            let reason = IndexError::TooManyLevels { maximum };
            assert_eq!(result, Err(NotRetained { reason, value }));
        } else if too_many || after > self.bytes {
            let reason = IndexError::Full;
            assert_eq!(result, Err(NotRetained { reason, value }));
        } else {
            assert_eq!(result, Ok(old.map(|old| old.0)));
            self.model.insert(topic.to_owned(), (value, expires));
        }
    }

    fn remove(&mut self, topic: &str) {
        let name = TopicName::new(topic).unwrap();
        let there = self.model.remove(topic).map(|(value, _)| value);
        assert_eq!(self.store.get(&name).copied(), there);
        assert_eq!(self.store.remove(&name), there);
        assert_eq!(self.store.get(&name), None);
    }

    fn expire(&mut self) {
        let now = Instant::from_millis(self.now);
        let next = self.model.values().filter_map(|of| of.1).min();
        assert_eq!(self.store.poll_timeout(), next);
        match self.store.take_expired(now) {
            Some((topic, value)) => {
                let of = self.model.remove(topic.as_str());
                assert_eq!(of, Some((value, next)));
                assert!(next.unwrap() <= now);
            }
            None => assert!(next.is_none_or(|next| next > now)),
        }
    }

    fn change(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.below(8) {
            0..=3 => {
                let topic = bytes.text(false);
                let value = bytes.below(250);
                let expires = match bytes.below(3) {
                    0 => Some(Instant::from_millis(self.now + u64::from(bytes.below(40)))),
                    _ => None,
                };
                self.insert(&topic, value, expires);
            }
            4 => {
                let topic = bytes.text(false);
                self.remove(&topic);
            }
            5 | 6 => {
                // One that is there.
                let at = bytes.below(250) as usize * self.model.len() / 250;
                if let Some(topic) = self.model.keys().nth(at).cloned() {
                    self.remove(&topic);
                }
            }
            _ => {
                self.now += u64::from(bytes.below(10));
                self.expire();
            }
        }
    }

    /// So many that there are pages, or all of them out again.
    fn many(&mut self, bytes: &mut Bytes<'_>) {
        let prefix = bytes.text(false);
        let count = bytes.below(250) + 100;
        let (deep, insert) = (bytes.below(2) == 0, bytes.below(3) > 0);
        for at in 0..count {
            let topic = match deep {
                true => format!("{prefix}/w{at}/x{}", at % 3),
                false => format!("{prefix}/w{at}"),
            };
            if insert {
                self.insert(&topic, at, None);
            } else {
                self.remove(&topic);
            }
        }
    }

    fn search(&self, filter: &str, steps: usize) {
        let made = TopicFilter::new(Version::V5, filter).unwrap();
        let expected: Vec<Entry> = matching(&self.model, made.filter())
            .map(|(topic, &(value, expires))| (topic.clone(), value, expires))
            .collect();
        let mut found = Vec::new();
        self.store.search(&made, |one| found.push(entry(&one)));
        found.sort();
        assert_eq!(found, expected, "{filter}");
        let (mut found, mut cursor) = (Vec::new(), SearchCursor::new());
        let mut before = 0;
        while !self
            .store
            .search_some(&made, &mut cursor, steps, |one| found.push(entry(&one)))
        {
            assert!(found.len() - before <= steps.max(1));
            before = found.len();
        }
        assert!(cursor.is_done());
        found.sort();
        assert_eq!(found, expected, "{filter} by {steps}");
    }

    /// A search in parts, with changes between them.
    fn search_meanwhile(&mut self, filter: &str, steps: usize, bytes: &mut Bytes<'_>) {
        // Not too many parts.
        let steps = steps + self.model.len() / 50;
        let made = TopicFilter::new(Version::V5, filter).unwrap();
        let mut throughout: Vec<String> = matching(&self.model, made.filter())
            .map(|(topic, _)| topic.clone())
            .collect();
        // How often a topic has come.
        let mut came: BTreeMap<String, usize> =
            throughout.iter().map(|topic| (topic.clone(), 1)).collect();
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let mut cursor = SearchCursor::new();
        while !self.store.search_some(&made, &mut cursor, steps, |one| {
            let (topic, value, expires) = entry(&one);
            assert_eq!(self.model.get(&topic), Some(&(value, expires)), "{topic}");
            *found.entry(topic).or_default() += 1;
        }) {
            let before = self.model.clone();
            self.change(bytes);
            throughout.retain(|topic| self.model.contains_key(topic));
            for (topic, _) in matching(&self.model, made.filter()) {
                if !before.contains_key(topic) {
                    *came.entry(topic.clone()).or_default() += 1;
                }
            }
        }
        for (topic, times) in &found {
            assert!(
                came.get(topic).is_some_and(|came| times <= came),
                "{topic} too often"
            );
        }
        for topic in &throughout {
            assert_eq!(found.get(topic), Some(&1), "{topic} of {filter}");
        }
    }

    fn everything(&self) {
        let mut all: Vec<(String, u32)> = self
            .store
            .iter()
            .map(|(topic, value)| (topic.as_str().to_owned(), *value))
            .collect();
        all.sort();
        let model = self.model.iter();
        assert!(
            all.into_iter()
                .eq(model.map(|(topic, of)| (topic.clone(), of.0)))
        );
        assert_eq!(self.store.len(), self.model.len());
        assert_eq!(self.store.is_empty(), self.model.is_empty());
        assert_eq!(self.store.bytes(), self.bytes());
    }
}

/// One history, to the end of the bytes, and everything out again.
pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let topics = [usize::MAX, usize::MAX, 5][bytes.below(3) as usize];
    let limit = [usize::MAX, usize::MAX, 300][bytes.below(3) as usize];
    let options = RetainedOptions::new()
        .with_seed(bytes.below(4).into())
        .with_maximum_levels(LEVELS)
        .with_maximum_topics(topics)
        .with_maximum_bytes(limit);
    let mut world = World {
        store: RetainedStore::new(options, size),
        model: Model::new(),
        now: 0,
        topics,
        bytes: limit,
    };
    while !bytes.is_empty() {
        match bytes.below(12) {
            0..=6 => world.change(&mut bytes),
            7 if world.model.len() < 2000 => world.many(&mut bytes),
            8 => {
                let filter = bytes.text(true);
                let steps = bytes.below(4) as usize;
                world.search_meanwhile(&filter, steps, &mut bytes);
            }
            9 if bytes.below(8) == 0 => world.everything(),
            _ => {
                let filter = bytes.text(true);
                let steps = bytes.below(4) as usize;
                world.search(&filter, steps);
            }
        }
        assert_eq!(world.store.len(), world.model.len());
    }
    world.everything();
    let topics: Vec<_> = world.model.keys().cloned().collect();
    for topic in topics {
        world.remove(&topic);
    }
    assert!(world.store.is_empty());
    assert_eq!((world.store.bytes(), world.store.heap_bytes()), (0, 0));
    assert_eq!(world.store.poll_timeout(), None);
}
