// A slow and plain subscription index, and histories of operations that are held to it. A history is read from bytes, so
// that a fuzzer and a property make the same ones.

use std::collections::BTreeMap;

use sansio_mqtt::{
    Hit, IndexError, IndexOptions, MatchCursor, QoS, RetainHandling, Subscriber, SubscriberId,
    SubscriptionIndex, SubscriptionOptions, TopicFilter, TopicName, Version,
};

use super::index_bytes::Bytes;
use super::reference::{level_matches, levels};

/// Subscriptions by filter and subscriber.
type Model = BTreeMap<(String, u32), Subscriber>;

pub(crate) fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(Version::V5, text).unwrap()
}

/// Share name and filter of a Shared Subscription.
fn shared(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("$share/")?.split_once('/')
}

/// Something that can be sorted, with all that a subscription has.
fn word(subscriber: &Subscriber) -> (u32, Option<u32>, String) {
    let Subscriber {
        id,
        options,
        identifier,
    } = subscriber;
    (id.get(), *identifier, format!("{options:?}"))
}

fn sorted(mut subscribers: Vec<Subscriber>) -> Vec<Subscriber> {
    subscribers.sort_by_cached_key(word);
    subscribers
}

fn expected(model: &Model, topic: &str) -> Vec<Subscriber> {
    let topic = levels(topic);
    let matching = model.iter().filter(|((filter, _), _)| {
        shared(filter).is_none() && level_matches(&levels(filter), &topic)
    });
    sorted(matching.map(|(_, subscriber)| *subscriber).collect())
}

/// The Shared Subscriptions that match.
fn expected_groups(model: &Model, topic: &str) -> Vec<String> {
    let topic = levels(topic);
    let mut groups: Vec<String> = model
        .keys()
        .filter(|(filter, _)| {
            shared(filter).is_some_and(|(_, filter)| level_matches(&levels(filter), &topic))
        })
        .map(|(filter, _)| filter.clone())
        .collect();
    groups.dedup();
    groups
}

pub(crate) fn collect(into: &mut Vec<Subscriber>, hit: Hit<'_>) {
    if let Hit::Subscribers(subscribers) = hit {
        assert!(subscribers.ids().is_sorted());
        assert_eq!(subscribers.ids().len(), subscribers.iter().count());
        into.extend(subscribers.iter());
    }
}

/// What is given, groups by filter.
fn collect_all(index: &SubscriptionIndex, into: &mut (Vec<Subscriber>, Vec<String>), hit: Hit<'_>) {
    if let Hit::Group(group) = hit {
        let group = index.group(group).unwrap();
        into.1.push(group.filter().as_str().to_string());
    }
    collect(&mut into.0, hit);
}

fn subscriber(bytes: &mut Bytes<'_>) -> Subscriber {
    let number = match bytes.below(12) {
        0 => (1 << 29) - 1,
        1 => 1 << 29,
        2 => u32::MAX,
        number => number,
    };
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let options = SubscriptionOptions::new(qos[bytes.below(3) as usize]);
    let mut subscriber = Subscriber::new(SubscriberId::new(number), options);
    match bytes.below(8) {
        0 => subscriber.options.no_local = true,
        1 => subscriber.options.retain_as_published = true,
        2 => subscriber.options.retain_handling = RetainHandling::DoNotSend,
        3 => subscriber = subscriber.with_identifier(268_435_455),
        4 => subscriber = subscriber.with_identifier(bytes.below(250) + 1),
        _ => {}
    }
    subscriber
}

struct World {
    index: SubscriptionIndex,
    model: Model,
}

impl World {
    fn insert(&mut self, text: &str, subscriber: Subscriber) {
        if shared(text).is_some() && subscriber.options.no_local {
            let refused = self.index.insert(&filter(text), subscriber);
            assert_eq!(refused, Err(IndexError::NoLocalOnShared));
            return;
        }
        let old = self.index.insert(&filter(text), subscriber).unwrap();
        let key = (text.to_string(), subscriber.id.get());
        assert_eq!(old, self.model.insert(key, subscriber), "{text}");
    }

    fn remove(&mut self, text: &str, number: u32) {
        let key = (text.to_string(), number);
        let (text, id) = (filter(text), SubscriberId::new(number));
        assert_eq!(self.index.get(&text, id), self.model.get(&key).copied());
        assert_eq!(self.index.remove(&text, id), self.model.remove(&key));
    }

    fn remove_subscriber(&mut self, number: u32, limit: usize) {
        let there = self.model.keys().filter(|key| key.1 == number).count();
        let removed = self
            .index
            .remove_subscriber(SubscriberId::new(number), limit);
        assert_eq!(removed, there.min(limit));
        let index = &self.index;
        let id = SubscriberId::new(number);
        self.model
            .retain(|key, _| key.1 != number || index.get(&filter(&key.0), id).is_some());
        assert_eq!(self.index.len(), self.model.len());
    }

    fn matches(&self, topic: &str, steps: usize) {
        let name = TopicName::new(topic).unwrap();
        let expected = expected(&self.model, topic);
        let groups = expected_groups(&self.model, topic);
        let check = |(found, mut found_groups): (_, Vec<String>)| {
            assert_eq!(sorted(found), expected, "{topic} by {steps}");
            found_groups.sort();
            assert_eq!(found_groups, groups, "{topic} by {steps}");
        };
        let mut found = (Vec::new(), Vec::new());
        self.index
            .matches(&name, |hit| collect_all(&self.index, &mut found, hit));
        check(found);
        let mut found = Vec::new();
        self.index.matches_into(&name, &mut found);
        assert_eq!(sorted(found), expected, "{topic}");
        let mut found = (Vec::new(), Vec::new());
        let mut cursor = MatchCursor::new();
        let mut visit = |hit: Hit<'_>| collect_all(&self.index, &mut found, hit);
        while !self
            .index
            .matches_some(&name, &mut cursor, steps, &mut visit)
        {}
        assert!(cursor.is_done());
        check(found);
    }

    /// Many topics at once, each as it is alone.
    fn matches_batch(&self, topics: &[String]) {
        let name = |topic: &String| TopicName::new(topic.clone()).unwrap();
        let names: Vec<TopicName<'_>> = topics.iter().map(name).collect();
        let mut found = vec![(Vec::new(), Vec::new()); topics.len()];
        self.index.matches_batch(&names, |at, hit| {
            collect_all(&self.index, &mut found[at], hit);
        });
        for (topic, (found, mut groups)) in topics.iter().zip(found) {
            assert_eq!(sorted(found), expected(&self.model, topic), "{topic}");
            groups.sort();
            assert_eq!(groups, expected_groups(&self.model, topic), "{topic}");
        }
    }

    /// A match in parts, with changes between them.
    fn matches_meanwhile(&mut self, topic: &str, steps: usize, bytes: &mut Bytes<'_>) {
        let name = TopicName::new(topic).unwrap();
        let topic = levels(topic);
        let matching = |model: &Model| -> Model {
            let all = model.iter();
            let all = all.filter(|((filter, _), _)| {
                shared(filter).is_none() && level_matches(&levels(filter), &topic)
            });
            all.map(|(key, one)| (key.clone(), *one)).collect()
        };
        // What was there from the beginning, and what was there at any time.
        let mut throughout = matching(&self.model);
        let mut ever: Vec<Subscriber> = throughout.values().copied().collect();
        let mut found = Vec::new();
        let mut cursor = MatchCursor::new();
        while !self
            .index
            .matches_some(&name, &mut cursor, steps, |hit| collect(&mut found, hit))
        {
            let before = matching(&self.model);
            self.change(bytes);
            let after = matching(&self.model);
            throughout.retain(|key, one| after.get(key) == Some(one));
            let new = after
                .iter()
                .filter(|(key, one)| before.get(*key) != Some(one));
            ever.extend(new.map(|(_, one)| *one));
        }
        let mut left = sorted(ever);
        let found = sorted(found);
        for one in &found {
            let at = left.iter().position(|other| other == one);
            left.remove(at.unwrap_or_else(|| panic!("{one:?} is too much")));
        }
        for one in throughout.values() {
            let count = |list: &[Subscriber]| list.iter().filter(|other| *other == one).count();
            let times = throughout.values().filter(|other| *other == one).count();
            assert!(count(&found) >= times, "{one:?} is missing");
        }
    }

    fn change(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.below(8) {
            0..=3 => {
                let text = bytes.text(true);
                let one = subscriber(bytes);
                self.insert(&text, one);
            }
            4 => {
                let text = bytes.text(true);
                let number = subscriber(bytes).id.get();
                self.remove(&text, number);
            }
            5 | 6 => {
                // One that is there.
                let at = bytes.below(250) as usize * self.model.len() / 250;
                let key = self.model.keys().nth(at).cloned();
                if let Some((text, number)) = key {
                    self.remove(&text, number);
                }
            }
            _ => {
                let number = subscriber(bytes).id.get();
                let limit = bytes.below(5) as usize;
                self.remove_subscriber(number, limit);
            }
        }
    }

    /// So many that there are pages, or all of them out again.
    fn many(&mut self, bytes: &mut Bytes<'_>) {
        let prefix = bytes.text(false);
        let count = bytes.below(250) + 100;
        let (wide, insert) = (bytes.below(2) == 0, bytes.below(3) > 0);
        let number = bytes.below(12) + 3;
        for at in 0..count {
            let (text, number) = if wide {
                (format!("{prefix}/w{at}"), number)
            } else {
                (prefix.clone(), at * 7 % count)
            };
            let options = SubscriptionOptions::new(QoS::AtLeastOnce);
            if insert {
                self.insert(&text, Subscriber::new(SubscriberId::new(number), options));
            } else {
                self.remove(&text, number);
            }
        }
    }

    fn everything(&self) {
        let mut all: Vec<_> = self
            .index
            .iter()
            .map(|(filter, one)| ((filter.as_str().to_string(), one.id.get()), one))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let model = self.model.iter().map(|(key, one)| (key.clone(), *one));
        assert!(all.into_iter().eq(model));
        for number in [3, 4, 1 << 29, u32::MAX] {
            let mut own: Vec<_> = self
                .index
                .subscriptions_of(SubscriberId::new(number))
                .map(|(filter, one)| (filter.as_str().to_string(), one))
                .collect();
            own.sort_by(|a, b| a.0.cmp(&b.0));
            let model = self.model.iter().filter(|(key, _)| key.1 == number);
            assert!(
                own.into_iter()
                    .eq(model.map(|(key, one)| (key.0.clone(), *one)))
            );
        }
    }
}

/// One history, to the end of the bytes, and everything out again.
pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let lists = bytes.below(2) == 0;
    let options = IndexOptions::new()
        .with_subscriber_lists(lists)
        .with_seed(bytes.below(4).into());
    let mut world = World {
        index: SubscriptionIndex::new(options),
        model: Model::new(),
    };
    let empty = world.index.heap_bytes();
    while !bytes.is_empty() {
        match bytes.below(16) {
            0..=9 => world.change(&mut bytes),
            10 if world.model.len() < 2000 => world.many(&mut bytes),
            11 => {
                let topic = bytes.text(false);
                let steps = bytes.below(4) as usize;
                world.matches_meanwhile(&topic, steps, &mut bytes);
            }
            12 if bytes.below(8) == 0 => world.everything(),
            13 => {
                let count = bytes.below(70);
                let topics: Vec<String> = (0..count).map(|_| bytes.text(false)).collect();
                world.matches_batch(&topics);
            }
            _ => {
                let topic = bytes.text(false);
                let steps = bytes.below(4) as usize;
                world.matches(&topic, steps);
            }
        }
        assert_eq!(world.index.len(), world.model.len());
    }
    world.everything();
    let keys: Vec<_> = world.model.keys().cloned().collect();
    for (text, number) in keys {
        world.remove(&text, number);
    }
    assert!(world.index.is_empty());
    assert_eq!(world.index.heap_bytes(), empty);
}
