//! Every shape that a node of the subscription index can have, reached on every way, and left again.

#[path = "support/index_beside.rs"]
mod index_beside;
#[allow(dead_code)] // what only other tests use
#[path = "support/reference.rs"]
mod reference;

use index_beside::{Beside, Op, filter, hits};
use proptest::prelude::*;
use sansio_mqtt::{
    IndexOptions, QoS, RetainHandling, Subscriber, SubscriberId, SubscriptionIndex,
    SubscriptionOptions,
};

fn plain(number: u32) -> Subscriber {
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    Subscriber::new(SubscriberId::new(number), options)
}

/// As `plain`, and with a subscription identifier: it takes a list of its own.
fn with_identifier(number: u32) -> Subscriber {
    plain(number).with_identifier(number % 7 + 1)
}

fn level() -> impl Strategy<Value = String> {
    prop_oneof![
        24 => Just("a".to_owned()),
        12 => Just("b".to_owned()),
        12 => (0u32..400).prop_map(|word| word.to_string()),
        6 => Just(String::new()),
        6 => Just("$x".to_owned()),
        6 => Just("é".to_owned()),
        // Those of more than 2040 bytes lie elsewhere.
        1 => (2038usize..2043).prop_map(|length| "l".repeat(length)),
    ]
}

fn text(wildcards: bool) -> impl Strategy<Value = String> {
    let level = if wildcards {
        prop_oneof![3 => level(), 1 => Just("+".to_owned())].boxed()
    } else {
        level().boxed()
    };
    (
        proptest::collection::vec(level, 1..5),
        prop::bool::weighted(0.25),
    )
        .prop_map(move |(mut levels, multi)| {
            if multi && wildcards {
                levels.push("#".to_owned());
            }
            let text = levels.join("/");
            if text.is_empty() {
                "/".to_owned()
            } else {
                text
            }
        })
}

fn subscriber() -> impl Strategy<Value = Subscriber> {
    let number = prop_oneof![
        8 => 0u32..6,
        1 => 0u32..300,
        1 => prop::sample::select(vec![(1 << 29) - 1, 1 << 29, (1 << 29) + 1, u32::MAX]),
    ];
    let identifier = prop::option::weighted(0.2, 1u32..=268_435_455);
    (
        number,
        0u8..3,
        0u8..3,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        identifier,
    )
        .prop_map(
            |(number, qos, handling, no_local, retain_as_published, identifier)| {
                let mut options = SubscriptionOptions::new(match qos {
                    0 => QoS::AtMostOnce,
                    1 => QoS::AtLeastOnce,
                    _ => QoS::ExactlyOnce,
                });
                options.no_local = no_local;
                options.retain_as_published = retain_as_published;
                options.retain_handling = match handling {
                    0 => RetainHandling::SendIfNew,
                    1 => RetainHandling::DoNotSend,
                    _ => RetainHandling::SendAtSubscribe,
                };
                let mut one = Subscriber::new(SubscriberId::new(number), options);
                one.identifier = identifier;
                one
            },
        )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (text(true), subscriber()).prop_map(|(text, one)| Op::Insert(text, one)),
        6 => (text(true), 0u32..6).prop_map(|(text, number)| Op::Remove(text, number)),
        1 => (0u32..6, 0usize..200).prop_map(|(number, limit)| Op::RemoveSubscriber(number, limit)),
        1 => (text(false), 1u32..300, subscriber()).prop_map(|(text, count, one)| Op::Widen(text, count, one)),
        1 => (text(false), 1u32..300, 0u32..6).prop_map(|(text, count, number)| Op::Narrow(text, count, number)),
        1 => (text(true), 1u32..300, subscriber()).prop_map(|(text, count, one)| Op::Crowd(text, count, one)),
        1 => (text(true), 1u32..300).prop_map(|(text, count)| Op::Disperse(text, count)),
        6 => (text(false), 0usize..4).prop_map(|(topic, steps)| Op::Match(topic, steps)),
        1 => (0u32..6).prop_map(Op::All),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 5_000, ..ProptestConfig::with_cases(100) })]

    /// Whatever the seed, with lists of what each subscriber has and without.
    #[test]
    fn histories_are_those_of_a_list(ops in proptest::collection::vec(op(), 0..80)) {
        let mut beside = Beside::new();
        for op in &ops {
            beside.apply(op);
        }
        beside.check_all(0);
        beside.empty();
    }

    /// What is there says what matches and in which parts, not the order in which it came.
    #[test]
    fn the_order_of_insertions_does_not_matter(
        entries in proptest::collection::btree_map((text(true), 0u32..6), subscriber(), 0..40),
        topics in proptest::collection::vec(text(false), 1..8),
        seed: u64,
    ) {
        let entries: Vec<(String, Subscriber)> = entries
            .into_iter()
            .map(|((text, number), one)| (text, Subscriber { id: SubscriberId::new(number), ..one }))
            .collect();
        let mut indexes: Vec<SubscriptionIndex> = (0..3)
            .map(|_| SubscriptionIndex::new(IndexOptions::new()))
            .collect();
        let count = entries.len();
        for (at, (text, one)) in entries.iter().enumerate() {
            indexes[0].insert(&filter(text), *one).unwrap();
            let (text, one) = &entries[count - 1 - at];
            indexes[1].insert(&filter(text), *one).unwrap();
        }
        // Among others that are gone in the end.
        for (text, one) in &entries {
            let other = SubscriberId::new((seed % 9) as u32 + 100);
            indexes[2].insert(&filter(text), Subscriber { id: other, ..*one }).unwrap();
            indexes[2].insert(&filter(text), *one).unwrap();
            indexes[2].remove(&filter(text), other).unwrap();
        }
        for topic in topics {
            let expected = hits(&indexes[0], &topic);
            prop_assert_eq!(&hits(&indexes[1], &topic), &expected);
            prop_assert_eq!(&hits(&indexes[2], &topic), &expected);
        }
    }
}

/// In which order a number of things come: as they are, backwards, from both ends, and mixed.
fn orders(count: u32) -> Vec<Vec<u32>> {
    // The factor is odd, so each number below a power of two comes once.
    let mixed = (0..count.next_power_of_two())
        .map(|at| at.wrapping_mul(0x9E37_79B1) % count.next_power_of_two());
    vec![
        (0..count).collect(),
        (0..count).rev().collect(),
        (0..count)
            .map(|at| {
                if at % 2 == 0 {
                    at / 2
                } else {
                    count - 1 - at / 2
                }
            })
            .collect(),
        mixed.filter(|&number| number < count).collect(),
    ]
}

/// Around the numbers at which a run moves to another block, gets pages, and is without them again.
const COUNTS: [u32; 8] = [2, 33, 97, 128, 129, 193, 257, 700];

#[test]
fn nodes_become_wide_and_narrow_in_every_order() {
    for count in COUNTS {
        for come in orders(count) {
            for go in orders(count) {
                let mut index = SubscriptionIndex::new(IndexOptions::new());
                // What is no level comes before all levels, at whichever time it is put in.
                let others = ["w", "w/#", "w/+", "w/+/a"];
                for (at, &number) in come.iter().enumerate() {
                    if at == come.len() / 2 {
                        for (text, number) in others.iter().zip(10_000..) {
                            index.insert(&filter(text), plain(number)).unwrap();
                        }
                    }
                    let text = format!("w/{number}");
                    assert_eq!(index.insert(&filter(&text), plain(number)), Ok(None));
                }
                for number in [0, 1, count / 2, count - 1] {
                    let found = hits(&index, &format!("w/{number}"));
                    let found: Vec<u32> = found.iter().map(|one| one.0).collect();
                    assert_eq!(found, [number, 10_001, 10_002]);
                }
                for (at, &number) in go.iter().enumerate() {
                    let text = format!("w/{number}");
                    let id = SubscriberId::new(number);
                    assert_eq!(index.remove(&filter(&text), id), Some(plain(number)));
                    assert_eq!(index.remove(&filter(&text), id), None);
                    if at % 50 == 0 {
                        assert_eq!(hits(&index, &text).len(), 2);
                        let (next, there) = match go.get(at + 1) {
                            Some(next) => (next, 3),
                            None => (&number, 2),
                        };
                        assert_eq!(hits(&index, &format!("w/{next}")).len(), there);
                        assert_eq!(hits(&index, "w").len(), 2);
                        assert_eq!(hits(&index, "w/0/a").len(), 2);
                    }
                }
                assert_eq!(index.len(), others.len());
                for (text, number) in others.iter().zip(10_000..) {
                    assert!(
                        index
                            .remove(&filter(text), SubscriberId::new(number))
                            .is_some()
                    );
                }
                assert_eq!((index.len(), index.heap_bytes()), (0, 0));
            }
        }
    }
}

#[test]
fn filters_become_crowded_and_lonely_in_every_order() {
    for text in ["a", "a/#", "+/+", "#"] {
        for make in [plain, with_identifier] {
            for count in COUNTS {
                for (come, go) in orders(count).iter().zip(orders(count).iter().rev()) {
                    let mut index = SubscriptionIndex::new(IndexOptions::new());
                    let one = filter(text);
                    for &number in come {
                        assert_eq!(index.insert(&one, make(number)), Ok(None));
                    }
                    let topic = text.replace(['+', '#'], "x");
                    let found = hits(&index, &topic);
                    let found = found.iter().map(|one| (one.0, one.2));
                    assert!(found.eq((0..count).map(|n| (n, make(n).identifier))));
                    for &number in go {
                        let id = SubscriberId::new(number);
                        assert_eq!(index.remove(&one, id), Some(make(number)));
                        assert_eq!(index.get(&one, id), None);
                    }
                    assert_eq!((index.len(), index.heap_bytes()), (0, 0));
                }
            }
        }
    }
}

/// Whole pages in the middle are emptied, while their neighbours are full; and filled again.
#[test]
fn pages_are_emptied_between_full_ones() {
    for from in [0, 1, 128, 200] {
        for to in [129, 384, 513, 1_000, 1_024] {
            let mut beside = Beside::new();
            beside.indexes.truncate(2);
            // Children of one node, subscribers of one filter, and what one subscriber has.
            let both = |number| [(format!("w/{number}"), 5), ("c".to_owned(), number)];
            for number in 0..1_024 {
                for (text, id) in both(number) {
                    beside.insert(&text, plain(id));
                }
            }
            for number in from..to {
                for (text, id) in both(number) {
                    beside.remove(&text, id);
                }
                if number + 1 == to || number % 128 == 127 {
                    beside.check_all(5);
                    beside.check("c", 1);
                    beside.check("w/700", 1);
                }
            }
            for number in (from..to).step_by(3) {
                for (text, id) in both(number) {
                    beside.insert(&text, plain(id));
                }
            }
            beside.check_all(5);
            beside.check("c", 1);
            beside.empty();
        }
    }
}

/// What one subscriber has: none, one, several, more than fit in a block, and all of it out in parts.
#[test]
fn a_subscriber_with_many_subscriptions_goes_in_parts() {
    for count in COUNTS.into_iter().chain([0, 1, 5_000]) {
        for limit in [1, 100, 128, usize::MAX] {
            if limit == 1 && count > 700 {
                continue;
            }
            let mut index = SubscriptionIndex::new(IndexOptions::new());
            let (gone, stays) = (SubscriberId::new(7), SubscriberId::new(u32::MAX));
            for number in 0..count {
                // Alone, beside others, in tails and in nodes of their own.
                let text = match number % 4 {
                    0 => format!("{number}"),
                    1 => format!("{number}/+/#"),
                    2 => format!("a/{number}/b/c"),
                    _ => format!("+/{number}/+"),
                };
                index.insert(&filter(&text), plain(7)).unwrap();
                if number % 3 == 0 {
                    index.insert(&filter(&text), plain(u32::MAX)).unwrap();
                }
            }
            let stay = count.div_ceil(3) as usize;
            assert_eq!(index.subscriptions_of(gone).count(), count as usize);
            let mut left = count as usize;
            loop {
                let removed = index.remove_subscriber(gone, limit);
                assert_eq!(removed, left.min(limit));
                left -= removed;
                assert_eq!(index.len(), left + stay);
                if removed < limit {
                    break;
                }
            }
            assert_eq!(index.remove_subscriber(gone, 0), 0);
            assert_eq!(index.subscriptions_of(gone).count(), 0);
            assert_eq!(index.subscriptions_of(stays).count(), stay);
            assert_eq!(index.remove_subscriber(stays, usize::MAX), stay);
            assert_eq!((index.len(), index.heap_bytes()), (0, 0));
        }
    }
}

/// Levels that differ in one byte only, wherever it is, or in their length.
#[test]
fn long_levels_are_told_apart() {
    let mut beside = Beside::new();
    let mut texts = Vec::new();
    for length in [1, 3, 4, 5, 8, 9, 2039, 2040, 2041, 2044, 65_535] {
        texts.push("x".repeat(length));
        for at in [0, length / 2, length - 1] {
            let mut text = "x".repeat(length);
            text.replace_range(at..=at, "y");
            texts.push(text);
        }
    }
    texts.sort();
    texts.dedup();
    for (number, text) in (0..).zip(&texts) {
        beside.insert(text, plain(number));
    }
    for text in &texts {
        beside.check(text, 1);
        if text.len() < 65_533 {
            beside.insert(&format!("{text}/+"), plain(1));
            beside.check(&format!("{text}/a"), 1);
        }
    }
    beside.check(&"z".repeat(65_535), 1);
    beside.check_all(1);
    beside.empty();
}

/// A filter whose values are in the edge, in a tail, in a list or in a node, and every way from the one to the other.
#[test]
fn values_move_with_what_is_around_them() {
    // In turn beside one filter, and then all at once: what stands in its place before, behind, and in it.
    const AROUND: &[&str] = &[
        "a", "a/#", "a/+", "a/b", "a/b/#", "a/b/+", "a/b/c", "a/b/c/d", "+", "+/b", "#", "/a",
    ];
    for text in AROUND {
        for others in AROUND
            .iter()
            .map(|other| vec![*other])
            .chain([AROUND.to_vec()])
        {
            for make in [plain, with_identifier] {
                let mut beside = Beside::new();
                beside.insert(text, plain(1));
                for other in &others {
                    // The same filter too: that is another subscriber.
                    beside.insert(other, make(2));
                    // Another form in the same place, and back.
                    beside.insert(text, plain(1).with_identifier(3));
                    beside.check_all(1);
                    beside.insert(text, plain(1));
                    beside.check_all(1);
                }
                for topic in ["a", "a/b", "a/b/c", "a/b/c/d", "b", "/a"] {
                    beside.check(topic, 1);
                }
                for other in &others {
                    beside.remove(other, 2);
                    beside.check_all(1);
                    beside.check("a/b", 1);
                }
                beside.empty();
            }
        }
    }
}
