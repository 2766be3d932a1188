//! The subscription index: histories beside a slow one, small worlds as a whole, and what other matchers got wrong.

#[path = "support/index_bytes.rs"]
mod index_bytes;
#[path = "support/index_model.rs"]
mod index_model;
#[allow(dead_code)] // what only other tests use
#[path = "support/reference.rs"]
mod reference;

use std::thread;

use index_model::{collect, filter, run};
use proptest::prelude::*;
use reference::{level_matches, levels};
use sansio_mqtt::{
    Hit, IndexError, IndexOptions, MatchCursor, Pick, QoS, RetainHandling, Subscriber,
    SubscriberId, SubscriptionIndex, SubscriptionOptions, TopicFilter, TopicName, Version,
};

fn index() -> SubscriptionIndex {
    SubscriptionIndex::new(IndexOptions::new())
}

fn plain(number: u32) -> Subscriber {
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    Subscriber::new(SubscriberId::new(number), options)
}

fn found(index: &SubscriptionIndex, topic: &str) -> Vec<u32> {
    let mut found = Vec::new();
    index.matches_into(&TopicName::new(topic).unwrap(), &mut found);
    let mut found: Vec<_> = found.iter().map(|one| one.id.get()).collect();
    found.sort_unstable();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn histories(bytes in proptest::collection::vec(any::<u8>(), 0..2500)) {
        run(&bytes);
    }
}

/// All of these levels in all ways, up to a depth.
fn texts(words: &[&str], depth: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut last = vec![String::new()];
    for depth in 0..depth {
        let extend = |text: &String| {
            let text = text.clone();
            let slash = if depth == 0 { "" } else { "/" };
            words.iter().map(move |word| format!("{text}{slash}{word}"))
        };
        last = last.iter().flat_map(extend).collect();
        all.extend(last.iter().filter(|text| !text.is_empty()).cloned());
    }
    all
}

fn filters(words: &[&str], depth: usize) -> Vec<String> {
    let mut words = words.to_vec();
    words.push("+");
    let mut all = texts(&words, depth);
    let multi: Vec<String> = texts(&words, depth - 1)
        .iter()
        .map(|text| format!("{text}/#"))
        .collect();
    all.extend(multi);
    all.extend(["#".into(), "/#".into()]);
    all.sort();
    all.dedup();
    all
}

#[test]
fn every_filter_and_topic_of_a_small_world() {
    const WORDS: [&str; 4] = ["", "a", "$b", "é"];
    let (filters, topics) = (filters(&WORDS, 4), texts(&WORDS, 4));
    let mut index = index();
    let empty = index.heap_bytes();
    for (number, text) in filters.iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        assert_eq!(index.insert(&filter(text), plain(number)), Ok(None));
    }
    for topic in &topics {
        let topic_levels = levels(topic);
        let matching = (0u32..).zip(&filters);
        let expected: Vec<u32> = matching
            .filter(|(_, filter)| level_matches(&levels(filter), &topic_levels))
            .map(|(number, _)| number)
            .collect();
        assert_eq!(found(&index, topic), expected, "{topic}");
    }
    for (number, text) in (0u32..).zip(&filters) {
        let id = SubscriberId::new(number);
        assert_eq!(index.remove(&filter(text), id), Some(plain(number)));
        assert_eq!(index.get(&filter(text), id), None);
    }
    assert_eq!(index.heap_bytes(), empty);
}

/// Each pair of filters, in both orders in and in both orders out: every way in which two of them share nodes.
#[test]
fn every_pair_of_filters() {
    const WORDS: [&str; 2] = ["a", "$b"];
    let (filters, topics) = (filters(&WORDS, 3), texts(&WORDS, 3));
    for lists in [false, true] {
        let mut index = SubscriptionIndex::new(IndexOptions::new().with_subscriber_lists(lists));
        for first in &filters {
            for second in &filters {
                for last_first in [false, true] {
                    index.insert(&filter(first), plain(1)).unwrap();
                    index.insert(&filter(second), plain(2)).unwrap();
                    let (out, kept, number) = if last_first {
                        (second, first, 1)
                    } else {
                        (first, second, 2)
                    };
                    assert!(
                        index
                            .remove(&filter(out), SubscriberId::new(3 - number))
                            .is_some()
                    );
                    for topic in &topics {
                        let matches = level_matches(&levels(kept), &levels(topic));
                        let expected = if matches { vec![number] } else { vec![] };
                        assert_eq!(found(&index, topic), expected, "{first} {second} {topic}");
                    }
                    let removed = index.remove_subscriber(SubscriberId::new(number), 2);
                    assert_eq!((removed, index.len(), index.heap_bytes()), (1, 0, 0));
                }
            }
        }
    }
}

/// What other matchers got wrong: filter, topics that match, topics that do not.
#[test]
fn pitfalls() {
    const TABLE: &[(&str, &[&str], &[&str])] = &[
        // `$` counts as the first byte of the topic only [MQTT-4.7.2-1].
        ("#", &["a", "/", "a/$b", "/$b"], &["$", "$SYS", "$SYS/a"]),
        ("+", &["a"], &["$a", "/", "a/b"]),
        ("+/a", &["b/a", "/a"], &["$SYS/a"]),
        ("+/#", &["a", "/", "a/b"], &["$SYS", "$SYS/a"]),
        ("$SYS/#", &["$SYS", "$SYS/a"], &["SYS/a"]),
        ("$SYS/+", &["$SYS/a", "$SYS/"], &["$SYS"]),
        ("a/+", &["a/$b", "a/"], &["a"]),
        ("a/$b/#", &["a/$b", "a/$b/c"], &["a/b"]),
        // `#` stands for its parent too (section 4.7.1.2).
        (
            "sport/#",
            &["sport", "sport/", "sport/a/b"],
            &["sports", "spor"],
        ),
        ("a/+/#", &["a/", "a/b", "a/b/c"], &["a"]),
        ("/#", &["/", "//", "/a"], &["a"]),
        // Levels may be empty (section 4.7.1.1).
        ("/", &["/"], &["//", "a"]),
        ("//", &["//"], &["/", "///"]),
        ("+/+", &["/", "a/", "/a"], &["a", "//"]),
        ("a//b", &["a//b"], &["a/b", "a/c/b"]),
        // More than one byte, also at the start.
        ("é/+", &["é/a"], &["e/a", "\u{65}\u{301}/a"]),
        ("+/無線機", &["é/無線機", "😀/無線機"], &["é/無線"]),
        // The same levels elsewhere are another topic.
        ("a/b", &["a/b"], &["b/a", "a/b/", "/a/b", "ab"]),
        ("a/a/b", &["a/a/b"], &["a/b/a", "b/a/a"]),
        // Without anything behind it, this is a filter like any other.
        ("$share", &["$share"], &["$share/a"]),
    ];
    let mut all = index();
    for (number, (text, matching, others)) in (0u32..).zip(TABLE) {
        let mut alone = index();
        alone.insert(&filter(text), plain(number)).unwrap();
        all.insert(&filter(text), plain(number)).unwrap();
        for topic in *matching {
            assert_eq!(found(&alone, topic), [number], "{text} {topic}");
        }
        for topic in *others {
            assert!(found(&alone, topic).is_empty(), "{text} {topic}");
        }
    }
    for (number, (text, matching, others)) in (0u32..).zip(TABLE) {
        for topic in *matching {
            assert!(found(&all, topic).contains(&number), "{text} {topic}");
        }
        for topic in *others {
            assert!(!found(&all, topic).contains(&number), "{text} {topic}");
        }
    }
}

/// Before 5.0 `$share` means nothing, in 5.0 the filter behind it is what matches, with the rule about `$`.
#[test]
fn shared_filters_are_those_of_version_5() {
    let mut index = index();
    let text = "$share/g/a";
    let before = TopicFilter::new(Version::V311, text).unwrap();
    index.insert(&before, plain(1)).unwrap();
    assert_eq!(found(&index, text), [1]);
    index.insert(&filter(text), plain(2)).unwrap();
    index.insert(&filter("$share/g/#"), plain(3)).unwrap();
    let groups = |index: &SubscriptionIndex, topic| {
        let mut groups = Vec::new();
        index.matches(&TopicName::new(topic).unwrap(), |hit| {
            if let Hit::Group(group) = hit {
                groups.push(index.group(group).unwrap().filter().as_str().to_string());
            }
        });
        groups.sort();
        groups
    };
    assert_eq!(groups(&index, "a"), ["$share/g/#", "$share/g/a"]);
    assert_eq!(groups(&index, "b"), ["$share/g/#"]);
    assert!(groups(&index, "$SYS/a").is_empty());
    assert_eq!(found(&index, text), [1]);
    assert_eq!(index.iter().count(), 3);
    let no_local = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::new(QoS::AtMostOnce)
    };
    let refused = Subscriber::new(SubscriberId::new(4), no_local);
    assert_eq!(
        index.insert(&filter(text), refused),
        Err(IndexError::NoLocalOnShared)
    );
}

/// A member goes, another takes what it had; a group without members is none, and its name says nothing any more.
#[test]
fn one_member_of_each_group_takes_a_message() {
    let mut index = index();
    let text = filter("$share/g/a/+");
    for number in 0..3 {
        index.insert(&text, plain(number)).unwrap();
    }
    let topic = TopicName::new("a/b").unwrap();
    let mut met = None;
    index.matches(&topic, |hit| {
        if let Hit::Group(group) = hit {
            assert!(met.replace(group).is_none());
        }
    });
    let group = met.unwrap();
    let pick = |index: &mut SubscriptionIndex| {
        let member = index.pick(group, Pick::RoundRobin, usize::MAX, |_| true);
        member.map(|member| member.id.get())
    };
    let mut all: Vec<_> = (0..3).filter_map(|_| pick(&mut index)).collect();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2]);
    assert_eq!(index.remove_subscriber(SubscriberId::new(1), 9), 1);
    assert!((0..4).all(|_| matches!(pick(&mut index), Some(0 | 2))));
    let cannot = index.pick(group, Pick::RoundRobin, usize::MAX, |_| false);
    assert_eq!(cannot, None);
    for number in [0, 2] {
        assert!(index.remove(&text, SubscriberId::new(number)).is_some());
    }
    assert_eq!(pick(&mut index), None);
    assert!(index.group(group).is_none());
    index.insert(&text, plain(5)).unwrap();
    assert_eq!(pick(&mut index), None);
}

/// As many levels as a topic can have, with a stack on which nothing could recurse.
#[test]
fn depth_takes_no_stack() {
    for levels in [10_000, 65_536] {
        let deep = move || {
            let options = IndexOptions::new().with_maximum_levels(65_536);
            let mut index = SubscriptionIndex::new(options);
            let (exact, any) = ("/".repeat(levels - 1), vec!["+"; levels].join("/"));
            let any = if any.len() > 65_535 {
                // 65,535 bytes.
                vec!["+"; 32_768].join("/")
            } else {
                any
            };
            let multi = format!("{}#", "/".repeat(levels.min(65_535) - 1));
            let texts = [&exact, &any, &multi];
            for (number, text) in (0..).zip(texts) {
                index.insert(&filter(text), plain(number)).unwrap();
            }
            for text in texts.map(|text| text.replace(['+', '#'], "a")) {
                assert!(!found(&index, &text).is_empty());
                let name = TopicName::new(text).unwrap();
                let (mut cursor, mut hits) = (MatchCursor::new(), 0);
                while !index.matches_some(&name, &mut cursor, 9000, |_| hits += 1) {}
                assert!(hits > 0);
            }
            assert_eq!(index.iter().count(), 3);
            assert_eq!(index.subscriptions_of(SubscriberId::new(1)).count(), 1);
            assert_eq!(index.remove_subscriber(SubscriberId::new(1), 9), 1);
            assert!(
                index
                    .remove(&filter(&multi), SubscriberId::new(2))
                    .is_some()
            );
        };
        let thread = thread::Builder::new().stack_size(128 << 10);
        thread.spawn(deep).unwrap().join().unwrap();
    }
}

#[test]
fn many_levels_none_confused() {
    let mut index = index();
    let text = |number: u32| format!("{number}/{}", number ^ 0x5555);
    for number in 0..100_000 {
        index.insert(&filter(&text(number)), plain(number)).unwrap();
    }
    for number in 0..100_000 {
        assert_eq!(found(&index, &text(number)), [number]);
        assert!(found(&index, &format!("{}/{number}", number ^ 0x5555 ^ 1)).is_empty());
    }
}

#[test]
fn each_subscription_has_its_own_options() {
    let mut index = index();
    let mut all = Vec::new();
    let text = filter("a/+");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for flags in 0..4 {
            for retain_handling in [
                RetainHandling::SendAtSubscribe,
                RetainHandling::SendIfNew,
                RetainHandling::DoNotSend,
            ] {
                for identifier in [None, Some(1), Some(268_435_455)] {
                    for base in [0, 1 << 29, u32::MAX - 200] {
                        let number = base + u32::try_from(all.len()).unwrap() / 3;
                        let options = SubscriptionOptions {
                            qos,
                            no_local: flags & 1 != 0,
                            retain_as_published: flags & 2 != 0,
                            retain_handling,
                        };
                        let id = SubscriberId::new(number);
                        all.push(Subscriber {
                            id,
                            options,
                            identifier,
                        });
                    }
                }
            }
        }
    }
    for one in &all {
        // Alone, and beside the others.
        let alone = filter("b/c");
        assert_eq!(index.insert(&alone, *one), Ok(None));
        assert_eq!(index.remove(&alone, one.id), Some(*one));
        assert_eq!(index.insert(&text, *one), Ok(None));
    }
    let mut hits = Vec::new();
    let topic = TopicName::new("a/b").unwrap();
    index.matches(&topic, |hit| collect(&mut hits, hit));
    all.sort_by_key(|one| one.id);
    assert_eq!(hits, all);
    // The same filter again is the same subscription, with what is asked for now [MQTT-3.8.4-3].
    for one in &all {
        let new = plain(one.id.get()).with_identifier(7);
        assert_eq!(index.insert(&text, new), Ok(Some(*one)));
        assert_eq!(index.get(&text, one.id), Some(new));
    }
    assert_eq!(index.len(), all.len());
}

#[test]
fn what_is_refused_leaves_all_as_it_was() {
    let options = IndexOptions::new()
        .with_maximum_levels(3)
        .with_maximum_subscriptions(2);
    let mut index = SubscriptionIndex::new(options);
    index.insert(&filter("a/b/c"), plain(1)).unwrap();
    index.insert(&filter("a/b"), plain(1)).unwrap();
    let before = index.heap_bytes();
    for (text, subscriber, error) in [
        (
            "a/b/c/d",
            plain(1),
            IndexError::TooManyLevels { maximum: 3 },
        ),
        (
            "a/b/c/#",
            plain(1),
            IndexError::TooManyLevels { maximum: 3 },
        ),
        ("x/y/z", plain(1), IndexError::Full),
        ("a/b", plain(2), IndexError::Full),
        (
            "a/b",
            plain(1).with_identifier(0),
            IndexError::SubscriptionIdentifier,
        ),
        (
            "a/b",
            plain(1).with_identifier(268_435_456),
            IndexError::SubscriptionIdentifier,
        ),
    ] {
        assert_eq!(
            index.insert(&filter(text), subscriber),
            Err(error),
            "{text}"
        );
        assert_eq!((index.len(), index.heap_bytes()), (2, before), "{text}");
    }
    // One that is there takes no more room.
    let again = plain(1).with_identifier(5);
    assert_eq!(index.insert(&filter("a/b"), again), Ok(Some(plain(1))));
    assert_eq!(found(&index, "a/b"), [1]);
    // A topic may have any number of levels.
    index.remove(&filter("a/b"), SubscriberId::new(1));
    index.insert(&filter("a/#"), plain(3)).unwrap();
    assert_eq!(found(&index, "a/b/c/d/e"), [3]);
}

/// How many steps a match takes.
fn steps(index: &SubscriptionIndex, topic: &str) -> usize {
    let name = TopicName::new(topic).unwrap();
    let mut cursor = MatchCursor::new();
    (1..)
        .find(|_| index.matches_some(&name, &mut cursor, 1, |_| {}))
        .unwrap()
}

/// Sets made to be slow cost what they took to make: a node is looked at once.
#[test]
fn adversarial_sets_cost_what_was_paid_for() {
    let mut index = index();
    let mut levels_made = 0;
    for number in 0..5_000u32 {
        let bits = number.wrapping_mul(0x9E37_79B9);
        let word = |at: u32| if bits >> at & 1 == 0 { "a" } else { "+" };
        let text: Vec<&str> = (0..15).map(word).chain(["zz"]).collect();
        levels_made += text.len();
        index
            .insert(&filter(&text.join("/")), plain(number))
            .unwrap();
    }
    let topic = vec!["a"; 16].join("/");
    assert!(steps(&index, &topic) <= levels_made);
    // And each of a prefix, so nothing is multiplied.
    let mut multi = SubscriptionIndex::new(IndexOptions::new());
    for number in 0..10_000u32 {
        let depth = number as usize % 20 + 1;
        let text = format!("{}/#", vec!["+"; depth].join("/"));
        multi.insert(&filter(&text), plain(number)).unwrap();
    }
    let topic = vec!["a"; 100].join("/");
    assert_eq!(found(&multi, &topic).len(), 10_000);
    assert!(
        steps(&multi, &topic) <= 20 + 10_000 / 64,
        "{}",
        steps(&multi, &topic)
    );
}

#[test]
fn what_does_not_match_costs_nothing() {
    let mut index = index();
    index.insert(&filter("a/+/c"), plain(0)).unwrap();
    let before = steps(&index, "a/b/c");
    for number in 0..50_000 {
        let text = format!("{}/{}/{}", number % 300, number / 300, number);
        index.insert(&filter(&text), plain(number)).unwrap();
    }
    assert_eq!(steps(&index, "a/b/c"), before);
    assert!(steps(&index, &"/".repeat(65_535)) <= 3);
}

#[test]
fn a_list_of_many_is_given_in_parts() {
    let mut index = index();
    for number in 0..1000 {
        index.insert(&filter("a"), plain(number)).unwrap();
    }
    let name = TopicName::new("a").unwrap();
    let mut cursor = MatchCursor::new();
    let mut all = Vec::new();
    let mut done = false;
    while !done {
        let mut part = 0;
        done = index.matches_some(&name, &mut cursor, 1, |hit| {
            if let Hit::Subscribers(subscribers) = hit {
                part += subscribers.ids().len();
                all.extend_from_slice(subscribers.ids());
            }
        });
        assert!(part <= 128);
        // Those that were given may go.
        for &number in &all {
            index.remove(&filter("a"), SubscriberId::new(number));
        }
    }
    assert!(all.into_iter().eq(0..1000));
    assert!(index.is_empty());
}
