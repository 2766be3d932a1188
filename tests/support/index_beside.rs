// Subscription indexes with different options beside a list of all subscriptions: each operation is done to all of them,
// and what it gives is compared.

use std::collections::BTreeMap;

use sansio_mqtt::{
    Hit, IndexOptions, MatchCursor, Subscriber, SubscriberId, SubscriptionIndex, TopicFilter,
    TopicName, Version,
};

use super::reference::{level_matches, levels};

/// The number of a subscriber, its options, its identifier: what can be sorted and compared.
pub(crate) type Word = (u32, [u8; 4], Option<u32>);

pub(crate) fn word(one: Subscriber) -> Word {
    let options = one.options;
    let options = [
        options.qos as u8,
        options.no_local.into(),
        options.retain_as_published.into(),
        options.retain_handling as u8,
    ];
    (one.id.get(), options, one.identifier)
}

pub(crate) fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(Version::V311, text).unwrap()
}

/// What an index gives for a topic, sorted.
pub(crate) fn hits(index: &SubscriptionIndex, topic: &str) -> Vec<Word> {
    let mut all = Vec::new();
    index.matches(&TopicName::new(topic).unwrap(), |hit| take(&mut all, hit));
    all.sort_unstable();
    all
}

/// The same in parts of so many steps.
pub(crate) fn hits_by(index: &SubscriptionIndex, topic: &str, steps: usize) -> Vec<Word> {
    let name = TopicName::new(topic).unwrap();
    let (mut all, mut cursor) = (Vec::new(), MatchCursor::new());
    while !index.matches_some(&name, &mut cursor, steps, |hit| take(&mut all, hit)) {}
    all.sort_unstable();
    all
}

pub(crate) fn take(all: &mut Vec<Word>, hit: Hit<'_>) {
    match hit {
        Hit::Subscribers(some) => {
            assert!((1..=128).contains(&some.ids().len()));
            assert!(some.ids().windows(2).all(|pair| pair[0] < pair[1]));
            assert!(
                some.iter()
                    .map(|one| one.id.get())
                    .eq(some.ids().iter().copied())
            );
            all.extend(some.iter().map(word));
        }
        hit => panic!("{hit:?}"),
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Insert(String, Subscriber),
    Remove(String, u32),
    RemoveSubscriber(u32, usize),
    /// Each of these words after the text, with a slash between, for one subscriber; or the way back.
    Widen(String, u32, Subscriber),
    Narrow(String, u32, u32),
    /// So many subscribers of one filter.
    Crowd(String, u32, Subscriber),
    Disperse(String, u32),
    Match(String, usize),
    All(u32),
}

pub(crate) struct Beside {
    pub(crate) indexes: Vec<SubscriptionIndex>,
    pub(crate) model: BTreeMap<(String, u32), Subscriber>,
}

impl Beside {
    /// With and without lists of what each subscriber has, and with several seeds.
    pub(crate) fn new() -> Self {
        let options = [(true, 0), (false, 1), (true, u64::MAX)];
        let index = |(lists, seed)| {
            let options = IndexOptions::new().with_subscriber_lists(lists);
            SubscriptionIndex::new(options.with_seed(seed))
        };
        Self {
            indexes: options.map(index).into(),
            model: BTreeMap::new(),
        }
    }

    pub(crate) fn insert(&mut self, text: &str, one: Subscriber) {
        let old = self.model.insert((text.to_owned(), one.id.get()), one);
        for index in &mut self.indexes {
            assert_eq!(index.insert(&filter(text), one), Ok(old), "{text}");
            assert_eq!(index.get(&filter(text), one.id), Some(one), "{text}");
            assert_eq!(index.len(), self.model.len());
        }
    }

    pub(crate) fn remove(&mut self, text: &str, number: u32) {
        let old = self.model.remove(&(text.to_owned(), number));
        let id = SubscriberId::new(number);
        for index in &mut self.indexes {
            assert_eq!(index.get(&filter(text), id), old, "{text}");
            assert_eq!(index.remove(&filter(text), id), old, "{text}");
            assert_eq!(index.get(&filter(text), id), None, "{text}");
            assert_eq!(index.len(), self.model.len());
        }
    }

    /// Which ones go is the index's choice, so the same are taken out of the other indexes.
    pub(crate) fn remove_subscriber(&mut self, number: u32, limit: usize) {
        let id = SubscriberId::new(number);
        let own: Vec<String> = self
            .model
            .keys()
            .filter(|key| key.1 == number)
            .map(|key| key.0.clone())
            .collect();
        for at in 0..self.indexes.len() {
            let index = &mut self.indexes[at];
            if at == 0 {
                assert_eq!(index.remove_subscriber(id, limit), own.len().min(limit));
                for text in &own {
                    if self.indexes[0].get(&filter(text), id).is_none() {
                        self.model.remove(&(text.clone(), number));
                    }
                }
            } else if limit >= own.len() {
                assert_eq!(index.remove_subscriber(id, limit), own.len());
            } else {
                for text in &own {
                    if !self.model.contains_key(&(text.clone(), number)) {
                        assert!(index.remove(&filter(text), id).is_some());
                    }
                }
            }
            assert_eq!(self.indexes[at].len(), self.model.len());
        }
    }

    pub(crate) fn expected(&self, topic: &str) -> Vec<Word> {
        let topic = levels(topic);
        let mut all: Vec<Word> = self
            .model
            .iter()
            .filter(|((text, _), _)| level_matches(&levels(text), &topic))
            .map(|(_, one)| word(*one))
            .collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn check(&self, topic: &str, steps: usize) {
        let expected = self.expected(topic);
        let mut buffer = vec![Subscriber::new(SubscriberId::new(9), Default::default())];
        for index in &self.indexes {
            assert_eq!(hits(index, topic), expected, "{topic}");
            assert_eq!(hits_by(index, topic, steps), expected, "{topic} by {steps}");
            index.matches_into(&TopicName::new(topic).unwrap(), &mut buffer);
            let mut buffer: Vec<Word> = buffer.iter().copied().map(word).collect();
            buffer.sort_unstable();
            assert_eq!(buffer, expected, "{topic}");
        }
    }

    /// All that is there, and all that one subscriber has.
    pub(crate) fn check_all(&self, number: u32) {
        for index in &self.indexes {
            assert_eq!(index.is_empty(), self.model.is_empty());
            let all = index.iter();
            let mut all: Vec<_> = all
                .map(|(text, one)| ((text.as_str().to_owned(), one.id.get()), one))
                .collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            let model = self.model.iter().map(|(key, one)| (key.clone(), *one));
            assert!(all.into_iter().eq(model));
            let own = index.subscriptions_of(SubscriberId::new(number));
            let mut own: Vec<_> = own
                .map(|(text, one)| (text.as_str().to_owned(), word(one)))
                .collect();
            own.sort();
            let model = self.model.iter().filter(|(key, _)| key.1 == number);
            assert!(
                own.into_iter()
                    .eq(model.map(|(key, one)| (key.0.clone(), word(*one))))
            );
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Insert(text, one) => self.insert(text, *one),
            Op::Remove(text, number) => self.remove(text, *number),
            Op::RemoveSubscriber(number, limit) => self.remove_subscriber(*number, *limit),
            Op::Widen(text, count, one) => {
                for word in 0..*count {
                    self.insert(&format!("{text}/{word}"), *one);
                }
            }
            Op::Narrow(text, count, number) => {
                for word in 0..*count {
                    self.remove(&format!("{text}/{word}"), *number);
                }
            }
            Op::Crowd(text, count, one) => {
                for number in 0..*count {
                    let id = SubscriberId::new(number * 3 % count);
                    self.insert(text, Subscriber { id, ..*one });
                }
            }
            Op::Disperse(text, count) => {
                for number in 0..*count {
                    self.remove(text, number);
                }
            }
            Op::Match(topic, steps) => self.check(topic, *steps),
            Op::All(number) => self.check_all(*number),
        }
    }

    /// Everything out again, one after the other, in an order that has nothing to do with how it came in.
    pub(crate) fn empty(&mut self) {
        let mut keys: Vec<_> = self.model.keys().cloned().collect();
        keys.sort_by_cached_key(|(text, number)| {
            let bytes = text.bytes().map(u32::from);
            bytes.fold(*number, |hash, byte| {
                (hash ^ byte).wrapping_mul(0x0100_0193)
            })
        });
        for (text, number) in keys {
            self.remove(&text, number);
        }
        for index in &self.indexes {
            assert_eq!((index.len(), index.heap_bytes()), (0, 0));
            assert_eq!(index.iter().count(), 0);
        }
    }
}
