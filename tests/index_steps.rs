//! What a match costs, counted in steps; and matches in parts while the index changes.

#[path = "support/index_beside.rs"]
#[allow(dead_code)] // what only other tests use
mod index_beside;
#[allow(dead_code)] // what only other tests use
#[path = "support/reference.rs"]
mod reference;

use std::collections::{BTreeMap, BTreeSet};

use index_beside::{Word, filter, hits, hits_by, take, word};
use proptest::prelude::*;
use reference::{level_matches, levels};
use sansio_mqtt::{
    IndexOptions, MatchCursor, QoS, Subscriber, SubscriberId, SubscriptionIndex,
    SubscriptionOptions, TopicName,
};

fn index() -> SubscriptionIndex {
    SubscriptionIndex::new(IndexOptions::new())
}

fn plain(number: u32) -> Subscriber {
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    Subscriber::new(SubscriberId::new(number), options)
}

/// How many steps a match takes, one at a time; each gives at most four filters.
fn steps(index: &SubscriptionIndex, topic: &str) -> usize {
    let name = TopicName::new(topic).unwrap();
    let (mut cursor, mut steps) = (MatchCursor::new(), 1);
    let mut hits = 0;
    assert!(!cursor.is_done());
    while !index.matches_some(&name, &mut cursor, 1, |_| hits += 1) {
        assert!(hits <= 4, "{hits} at a time");
        assert!(!cursor.is_done());
        hits = 0;
        steps += 1;
    }
    assert!(cursor.is_done());
    // The end is the end.
    assert!(index.matches_some(&name, &mut cursor, 1, |_| panic!("after the end")));
    steps
}

/// The filters of so many levels that some bits of a number choose from `a` and `+`, and an end.
fn chosen(bits: u32, depth: u32, end: &str) -> String {
    let word = |at: u32| if bits >> at & 1 == 0 { "a" } else { "+" };
    let levels: Vec<&str> = (0..depth).map(word).collect();
    levels.join("/") + end
}

/// The prefixes of all filters: as many nodes as there can be, and as whoever made them had to send.
fn prefixes(index: &SubscriptionIndex) -> usize {
    let mut prefixes = BTreeSet::new();
    for (filter, _) in index.iter() {
        let text = filter.as_str();
        let ends = text.match_indices('/').map(|(at, _)| at);
        prefixes.extend(ends.chain([text.len()]).map(|end| text[..end].to_owned()));
    }
    prefixes.len() + 1
}

/// All filters of `a` and `+` that there are at a depth: all match, none does for want of its last level, or one.
#[test]
fn a_match_looks_at_each_node_once() {
    const DEPTH: u32 = 10;
    let topic = vec!["a"; DEPTH as usize].join("/");
    for (end, topic, matching) in [
        ("", topic.clone(), 1 << DEPTH),
        ("/#", topic.clone(), 1 << DEPTH),
        ("/+", topic.clone() + "/x", 1 << DEPTH),
        ("/x", topic.clone() + "/y", 0),
        ("/x/#", topic.clone() + "/y", 0),
        ("", topic.clone() + "/a", 0),
        ("/x", topic, 0),
    ] {
        let mut index = index();
        for bits in 0..1 << DEPTH {
            let text = chosen(bits, DEPTH, end);
            index.insert(&filter(&text), plain(bits)).unwrap();
        }
        assert_eq!(hits(&index, &topic).len(), matching, "{end} {topic}");
        let nodes = prefixes(&index);
        let steps = steps(&index, &topic);
        assert!(steps <= nodes, "{end} {topic}: {steps} for {nodes}");
        // Alone or in parts of any size.
        for parts in [2, 3, 100, usize::MAX] {
            assert_eq!(hits_by(&index, &topic, parts).len(), matching);
        }
    }
}

#[test]
fn a_crowd_takes_a_step_for_each_page() {
    for text in ["a", "a/#", "+", "#"] {
        for count in [1u32, 128, 129, 10_000] {
            let mut index = index();
            for number in 0..count {
                index.insert(&filter(text), plain(number)).unwrap();
            }
            // Pages are half full at least.
            let bound = 4 + count.div_ceil(64) as usize;
            let steps = steps(&index, "a");
            assert!(steps <= bound, "{text} {count}: {steps}");
            assert_eq!(hits_by(&index, "a", 1).len(), count as usize);
        }
    }
}

/// As in regular expressions with nested stars: each level may be any, and each prefix matches.
#[test]
fn nested_wildcards_do_not_multiply() {
    let mut index = index();
    for number in 0..10_000u32 {
        let depth = number % 100 + 1;
        let text = chosen(u32::MAX, depth.min(32), "") + &"/+".repeat(depth as usize / 33) + "/#";
        index.insert(&filter(&text), plain(number)).unwrap();
    }
    let nodes = prefixes(&index);
    for length in [1, 40, 1_000, 30_000] {
        let topic = vec!["b"; length].join("/");
        let found = hits(&index, &topic).len();
        let steps = steps(&index, &topic);
        assert!(steps <= nodes + found / 64, "{length}: {steps} for {nodes}");
    }
}

/// Neither the length of a topic nor what is elsewhere in the index costs anything.
#[test]
fn what_is_elsewhere_costs_nothing() {
    let mut index = index();
    for (number, text) in (0..).zip(["a/+/c", "+/b/c", "a/#", "#", "a/b/c"]) {
        index.insert(&filter(text), plain(number)).unwrap();
    }
    let topics = [
        "a/b/c",
        "a/x/c",
        "x/b/c",
        "x",
        "$a/b/c",
        &"/".repeat(65_534),
    ];
    let before = topics.map(|topic| steps(&index, topic));
    assert!(before.iter().all(|&steps| steps <= 6), "{before:?}");
    for number in 0..20_000 {
        for text in [format!("{number}/b/c"), format!("z/{number}")] {
            index.insert(&filter(&text), plain(number)).unwrap();
        }
        if number % 5_000 == 0 {
            assert_eq!(topics.map(|topic| steps(&index, topic)), before);
        }
    }
    assert_eq!(topics.map(|topic| steps(&index, topic)), before);
}

/// The choices of a cursor do not fit in one word, and the way branches on both sides of its end.
#[test]
fn a_match_in_parts_goes_deep() {
    let mut index = SubscriptionIndex::new(IndexOptions::new().with_maximum_levels(65_536));
    for (before, bits) in [(0, 7), (60, 7), (124, 7), (1_000, 4), (65_527, 1)] {
        for bits in 0..1 << bits {
            let start = "/".repeat(before);
            for end in ["", "/+", "/#"] {
                let text = start.clone() + &chosen(bits, 4, end);
                if text.len() < 65_536 {
                    index.insert(&filter(&text), plain(bits)).unwrap();
                }
            }
        }
    }
    for before in [0, 60, 124, 1_000, 65_527] {
        for end in ["a/a/a/a", "a/a/a/a/", "a/a/+/a/b/c"] {
            let topic = "/".repeat(before) + &end.replace('+', "x");
            if topic.len() < 65_536 {
                let all = hits(&index, &topic);
                assert!(!all.is_empty());
                // Each part begins at the root, so where that is far the parts are few.
                let steps = if before > 1_000 { 10_000 } else { 1 };
                assert_eq!(hits_by(&index, &topic, steps), all, "{before} {end}");
            }
        }
    }
}

/// 65,536 levels are as many as there can be, and one more than 16 bits count.
#[test]
fn the_last_level_of_the_longest_topic_counts() {
    let mut index = SubscriptionIndex::new(IndexOptions::new().with_maximum_levels(65_536));
    let topic = "/".repeat(65_535);
    for number in 0..3 {
        index.insert(&filter(&topic), plain(number)).unwrap();
    }
    assert_eq!(hits(&index, &topic).len(), 3);
    assert_eq!(hits_by(&index, &topic, 65_000).len(), 3);
    assert!(hits(&index, &topic[1..]).is_empty());
}

/// Of a crowd that is given in parts only one is left, which was given already, or was not yet.
#[test]
fn one_that_is_left_of_a_crowd_is_given_once() {
    for text in ["a", "a/#", "+", "#", "+/#"] {
        for beside in [&[][..], &["a/b"], &["+/b"], &["a", "#", "+", "a/#"]] {
            for left in [0, 127, 128, 299] {
                let mut index = index();
                for number in 0..300 {
                    index.insert(&filter(text), plain(number)).unwrap();
                }
                for other in beside {
                    index.insert(&filter(other), plain(1_000)).unwrap();
                }
                let name = TopicName::new("a").unwrap();
                let (mut cursor, mut found) = (MatchCursor::new(), Vec::new());
                // Up to where some of the crowd have been given.
                while found.len() < 6 {
                    index.matches_some(&name, &mut cursor, 1, |hit| take(&mut found, hit));
                }
                for number in (0..300).filter(|&number| number != left) {
                    index.remove(&filter(text), SubscriberId::new(number));
                }
                while !index.matches_some(&name, &mut cursor, 1, |hit| take(&mut found, hit)) {}
                let times = found.iter().filter(|one| one.0 == left).count();
                assert_eq!(times, 1, "{text} {beside:?} {left}");
            }
        }
    }
}

/// What was given and what was not come to lie in one page, or in several where there was one.
#[test]
fn a_crowd_that_moves_between_pages_is_given_once() {
    for text in ["a", "a/#", "+", "#"] {
        for given in 1..5 {
            for every in [2, 3, 4] {
                let mut index = index();
                for number in 0..700 {
                    index.insert(&filter(text), plain(number * 2)).unwrap();
                }
                let name = TopicName::new("a").unwrap();
                let (mut cursor, mut found) = (MatchCursor::new(), Vec::new());
                while found.len() < given * 128 {
                    index.matches_some(&name, &mut cursor, 1, |hit| take(&mut found, hit));
                }
                let edge = u32::try_from(given).unwrap() * 128;
                for number in edge.saturating_sub(120)..edge + 120 {
                    if number % every != 0 {
                        index.remove(&filter(text), SubscriberId::new(number * 2));
                    }
                }
                // New ones between those that are there.
                for number in 0..300 {
                    index.insert(&filter(text), plain(number * 2 + 1)).unwrap();
                }
                while !index.matches_some(&name, &mut cursor, 1, |hit| take(&mut found, hit)) {}
                let mut times = BTreeMap::new();
                for one in found {
                    *times.entry(one.0).or_insert(0) += 1;
                }
                assert!(times.values().all(|&times| times == 1), "{text} {given}");
                for (_, one) in index.iter().filter(|(_, one)| one.id.get() % 2 == 0) {
                    assert!(times.contains_key(&one.id.get()), "{text} {given}");
                }
            }
        }
    }
}

/// No step is none: it would not end.
#[test]
fn no_steps_are_one() {
    let mut index = index();
    assert_eq!(steps(&index, "a"), 1);
    assert!(hits_by(&index, "a", 0).is_empty());
    for (number, text) in (0..).zip(["a", "+", "#", "a/#"]) {
        index.insert(&filter(text), plain(number)).unwrap();
    }
    assert_eq!(hits_by(&index, "a", 0).len(), 4);
}

/// A cursor that is used for another topic, or with another index, gives something or nothing, and ends.
#[test]
fn a_cursor_of_another_topic_ends() {
    let mut full = index();
    for bits in 0..64 {
        for end in ["", "/#", "/a"] {
            full.insert(&filter(&chosen(bits, 6, end)), plain(bits))
                .unwrap();
        }
    }
    for number in 0..500 {
        full.insert(&filter("+/a"), plain(number)).unwrap();
    }
    let mut other = index();
    other.insert(&filter("+"), plain(1)).unwrap();
    let topics = [
        "a",
        "a/a",
        "a/a/a/a/a/a",
        "a/a/a/a/a/a/a/a",
        "$a/a",
        "b/a",
        "/",
    ];
    for first in topics {
        for second in topics {
            for stop in 1..40 {
                for next in [&full, &other, &index()] {
                    let mut cursor = MatchCursor::new();
                    let (first, second) = (
                        TopicName::new(first).unwrap(),
                        TopicName::new(second).unwrap(),
                    );
                    full.matches_some(&first, &mut cursor, stop, |_| {});
                    let mut left = 1_000;
                    while !next.matches_some(&second, &mut cursor, 1, |_| {}) {
                        left -= 1;
                        assert!(left > 0);
                    }
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Insert(usize, u32, bool),
    Remove(usize, u32),
    Crowd(usize, u32),
    Disperse(usize, u32),
    /// All but one of so many: pages with what was given and pages with what was not become one.
    Thin(usize, u32, u32),
    RemoveSubscriber(u32),
    /// Beside the way of the match, so that its nodes move and get pages.
    Widen(usize, u32),
    Narrow(usize, u32),
    Empty,
}

const FILTERS: &[&str] = &[
    "a/b/a", "a/b/+", "a/+/a", "a/+/+", "+/b/a", "+/b/+", "+/+/a", "+/+/+", "#", "a/#", "+/#",
    "a/b/#", "a/+/#", "+/b/#", "+/+/#", "a/b/a/#", "+/+/+/#", "a", "a/b", "b/b/a", "+",
];
const TOPIC: &str = "a/b/a";
/// At most so many numbers.
const CROWD: u32 = 400;

fn change() -> impl Strategy<Value = Change> {
    let at = || 0..FILTERS.len();
    prop_oneof![
        6 => (at(), 0..CROWD, any::<bool>()).prop_map(|(at, number, plain)| Change::Insert(at, number, plain)),
        4 => (at(), 0..CROWD).prop_map(|(at, number)| Change::Remove(at, number)),
        3 => (at(), 1..CROWD).prop_map(|(at, count)| Change::Crowd(at, count)),
        2 => (at(), 1..CROWD).prop_map(|(at, count)| Change::Disperse(at, count)),
        2 => (at(), 2u32..5, 0..CROWD).prop_map(|(at, every, from)| Change::Thin(at, every, from)),
        1 => (0..CROWD).prop_map(Change::RemoveSubscriber),
        1 => (at(), 1u32..300).prop_map(|(at, count)| Change::Widen(at, count)),
        1 => (at(), 1u32..300).prop_map(|(at, count)| Change::Narrow(at, count)),
        1 => Just(Change::Empty),
    ]
}

/// Which subscriptions there are, with what they are, and how often each of them came.
#[derive(Default)]
struct Model {
    there: BTreeMap<(String, u32), Subscriber>,
}

struct World {
    index: SubscriptionIndex,
    model: Model,
}

impl World {
    fn insert(&mut self, text: &str, one: Subscriber) {
        self.index.insert(&filter(text), one).unwrap();
        self.model
            .there
            .insert((text.to_owned(), one.id.get()), one);
    }

    fn remove(&mut self, text: &str, number: u32) {
        self.index.remove(&filter(text), SubscriberId::new(number));
        self.model.there.remove(&(text.to_owned(), number));
    }

    fn apply(&mut self, change: &Change) {
        // Each filter has identifiers of its own, so that a hit tells where it comes from; or none, since those stand in
        // other places.
        let at_filter = |at: usize| u32::try_from(at).unwrap() + 1;
        match *change {
            Change::Insert(at, number, has_none) => {
                let mut one = plain(number);
                if !has_none {
                    one = one.with_identifier(at_filter(at) * 2 + 1);
                }
                self.insert(FILTERS[at], one);
            }
            Change::Remove(at, number) => self.remove(FILTERS[at], number),
            Change::Crowd(at, count) => {
                for number in 0..count {
                    let mut one = plain(number);
                    if count % 2 == 0 {
                        one = one.with_identifier(at_filter(at) * 2);
                    }
                    self.insert(FILTERS[at], one);
                }
            }
            Change::Disperse(at, count) => {
                for number in 0..count {
                    self.remove(FILTERS[at], number);
                }
            }
            Change::Thin(at, every, from) => {
                for number in from..(from + 150).min(CROWD) {
                    if number % every != 0 {
                        self.remove(FILTERS[at], number);
                    }
                }
            }
            Change::RemoveSubscriber(number) => {
                self.index
                    .remove_subscriber(SubscriberId::new(number), usize::MAX);
                self.model.there.retain(|key, _| key.1 != number);
            }
            Change::Widen(at, count) | Change::Narrow(at, count) => {
                let beside = FILTERS[at].trim_end_matches('#').trim_end_matches('/');
                for word in 0..count {
                    let text = format!("{beside}/{word}/x");
                    let text = text.trim_start_matches('/');
                    if matches!(change, Change::Widen(..)) {
                        self.insert(text, plain(word));
                    } else {
                        self.remove(text, word);
                    }
                }
            }
            Change::Empty => {
                let keys: Vec<_> = self.model.there.keys().cloned().collect();
                for (text, number) in keys {
                    self.remove(&text, number);
                }
            }
        }
        assert_eq!(self.index.len(), self.model.there.len());
    }

    /// What matches: filter and number.
    fn matching(&self) -> BTreeMap<(String, u32), Word> {
        let topic = levels(TOPIC);
        let all = self.model.there.iter();
        all.filter(|(key, _)| level_matches(&levels(&key.0), &topic))
            .map(|(key, one)| (key.clone(), word(*one)))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 5_000, ..ProptestConfig::with_cases(250) })]

    /// What is there from the first part to the last is given once, as it is at that time; what came or went in between at
    /// most once for each time that it came; nothing else.
    #[test]
    fn a_match_in_parts_outlives_changes(
        before in proptest::collection::vec(change(), 0..12),
        between in proptest::collection::vec((1usize..6, change()), 0..25),
        lists: bool,
    ) {
        let options = IndexOptions::new().with_subscriber_lists(lists);
        let mut world = World { index: SubscriptionIndex::new(options), model: Model::default() };
        before.iter().for_each(|change| world.apply(change));
        let name = TopicName::new(TOPIC).unwrap();
        let mut cursor = MatchCursor::new();
        let mut found = Vec::new();
        // Throughout: filter and number. How often: by the number and the filter's identifier.
        let mut throughout = world.matching();
        let mut times: BTreeMap<Word, usize> = BTreeMap::new();
        for word in throughout.values() {
            *times.entry(*word).or_default() += 1;
        }
        let mut between = between.iter();
        loop {
            let next = between.next();
            let steps = next.map_or(usize::MAX, |(steps, _)| *steps);
            if world.index.matches_some(&name, &mut cursor, steps, |hit| take(&mut found, hit)) {
                break;
            }
            let Some((_, change)) = next else { continue };
            let old = world.matching();
            world.apply(change);
            let new = world.matching();
            throughout.retain(|key, word| new.get(key) == Some(word));
            for (key, word) in &new {
                if old.get(key) != Some(word) {
                    *times.entry(*word).or_default() += 1;
                }
            }
        }
        let mut given: BTreeMap<Word, usize> = BTreeMap::new();
        for word in &found {
            *given.entry(*word).or_default() += 1;
        }
        for (word, given) in &given {
            let times = times.get(word).copied().unwrap_or_default();
            prop_assert!(*given <= times, "{:?} {} times, was there {}", word, given, times);
        }
        let mut expected: BTreeMap<Word, usize> = BTreeMap::new();
        for word in throughout.values() {
            *expected.entry(*word).or_default() += 1;
        }
        for (word, count) in &expected {
            let given = given.get(word).copied().unwrap_or_default();
            prop_assert!(given >= *count, "{:?} {} times, is there {}", word, given, count);
        }
    }
}
