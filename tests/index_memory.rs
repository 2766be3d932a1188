//! The subscription index gives back what it took, takes it in small pieces, and knows how much it has.
#![allow(unsafe_code)] // a global allocator cannot be written without

#[allow(dead_code)] // what only other tests use
#[path = "support/counting.rs"]
mod counting;

use counting::{allocations, asked, held_since, in_use};
use sansio_mqtt::{
    IndexOptions, Instant, MatchCursor, QoS, RetainedOptions, RetainedStore, Subscriber,
    SubscriberId, SubscriptionIndex, SubscriptionOptions, TopicFilter, TopicName, Version,
};

fn plain(number: u32) -> Subscriber {
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    Subscriber::new(SubscriberId::new(number), options)
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(Version::V5, text).unwrap()
}

/// A number that has nothing to do with another.
fn mixed(number: u32) -> u32 {
    let number = (number ^ number >> 16).wrapping_mul(0x045D_9F3B);
    let number = (number ^ number >> 16).wrapping_mul(0x045D_9F3B);
    number ^ number >> 16
}

/// Sets of subscriptions that fill each of the structures: the name, and the subscription of a number.
type Shape = (&'static str, fn(u32) -> (String, Subscriber));
const SHAPES: &[Shape] = &[
    ("tenants", |number| {
        let device = mixed(number);
        let text = format!(
            "tenant-{}/site/{}/{device:08x}/state",
            number % 97,
            number % 7
        );
        (text, plain(number))
    }),
    ("wildcards", |number| {
        let word = mixed(number) % 5_000;
        let text = match number % 4 {
            0 => format!("t/{word}/#"),
            1 => format!("+/{word}/{}", number / 100),
            2 => format!("t/+/{word}/+/{}", number % 100),
            _ => format!("{word}/{number}/#"),
        };
        (text, plain(number % 1_000).with_identifier(number + 1))
    }),
    ("one wide node", |number| {
        (format!("wide/{:x}", mixed(number)), plain(number))
    }),
    ("one filter", |number| {
        ("news".to_owned(), plain(mixed(number)).with_identifier(1))
    }),
    ("one subscriber", |number| {
        (format!("{}/{number}/b", number % 50), plain(5))
    }),
    ("crowded filters", |number| {
        (format!("room/{}", number % 100), plain(number))
    }),
    ("no level twice", |number| {
        let [a, b, c] = [1, 2, 3].map(|part| mixed(number ^ part << 28));
        (format!("{a:x}/{b:x}/{c:x}"), plain(number))
    }),
];

/// Longer than what lies beside the others.
fn long(number: u32) -> (String, Subscriber) {
    (format!("{}{number}", "long".repeat(600)), plain(number))
}

fn build(
    options: IndexOptions,
    shape: fn(u32) -> (String, Subscriber),
    count: u32,
) -> SubscriptionIndex {
    let mut index = SubscriptionIndex::new(options);
    for number in 0..count {
        let (text, one) = shape(number);
        index.insert(&filter(&text), one).unwrap();
    }
    index
}

fn both() -> [IndexOptions; 2] {
    [true, false].map(|lists| IndexOptions::new().with_subscriber_lists(lists))
}

#[test]
fn everything_is_given_back() {
    for options in both() {
        for (name, shape) in SHAPES
            .iter()
            .copied()
            .chain([("long", long as fn(u32) -> _)])
        {
            let count = if name == "long" { 300 } else { 8_000 };
            let before = in_use();
            let mut index = build(options, shape, count);
            assert!((1..1 << 30).contains(&held_since(before)));
            // One after the other, in an order of its own.
            let mut numbers: Vec<u32> = (0..count).collect();
            numbers.sort_by_key(|&number| mixed(number));
            for &number in &numbers {
                let (text, one) = shape(number);
                index.remove(&filter(&text), one.id);
            }
            drop(numbers);
            assert_eq!(index.len(), 0, "{name}");
            assert_eq!((in_use(), index.heap_bytes()), (before, 0), "{name}");
            // By subscriber, and in the index that was used before.
            if options == both()[0] {
                for number in 0..count {
                    let (text, one) = shape(number);
                    index.insert(&filter(&text), one).unwrap();
                }
                for number in 0..count {
                    index.remove_subscriber(shape(number).1.id, usize::MAX);
                }
                assert_eq!(index.len(), 0, "{name}");
                assert_eq!((in_use(), index.heap_bytes()), (before, 0), "{name}");
            }
            // And by leaving it.
            let index = build(options, shape, count);
            drop(index);
            assert_eq!(in_use(), before, "{name}");
        }
    }
}

/// Whatever comes beside a filter and goes again, in its node or in its place, leaves nothing behind; where the filter has
/// more levels than one, a node at each of the last at most.
#[test]
fn what_was_there_for_a_while_leaves_nothing() {
    const TEXTS: [&str; 8] = ["", "/#", "/b", "/b/#", "/+/c", "/b/c/d", "/+", "//"];
    let own = plain(1);
    for text in TEXTS {
        let texts: Vec<String> = (0..400).map(|number| format!("{number}{text}")).collect();
        let mut index = SubscriptionIndex::new(IndexOptions::new().with_seed(1));
        for text in &texts {
            index.insert(&filter(text), own).unwrap();
        }
        let before = index.heap_bytes();
        for (number, text) in texts.iter().enumerate() {
            for other in TEXTS {
                let other = format!("{number}{other}");
                if other != *text {
                    index.insert(&filter(&other), plain(2)).unwrap();
                    index.remove(&filter(&other), SubscriberId::new(2));
                }
            }
            // In a list of its own and in one with others, and the other way round.
            for step in [number % 2, 1 - number % 2] {
                if step == 0 {
                    let longer = own.with_identifier(1);
                    index.insert(&filter(text), longer).unwrap();
                    index.insert(&filter(text), own).unwrap();
                } else {
                    index.insert(&filter(text), plain(2)).unwrap();
                    index.remove(&filter(text), SubscriberId::new(2));
                }
            }
        }
        let after = index.heap_bytes();
        println!("{text}: {before}, {after}");
        let most = if text.is_empty() { 0 } else { 400 * 128 };
        assert!(after <= before + most, "{text}: {after} after {before}");
    }
}

/// Blocks do not move, so some that stay can keep many pages. But what is free in those is used again: rounds of leaving
/// and coming back take no more than the first.
#[test]
fn what_is_free_is_used_again() {
    for (name, shape) in SHAPES {
        let mut index = build(IndexOptions::new(), *shape, 10_000);
        let mut sizes = Vec::new();
        for round in 0..4 {
            sizes.push(index.heap_bytes());
            let mut order: Vec<u32> = (0..10_000).collect();
            order.sort_by_key(|&number| mixed(number ^ round << 16));
            let (_, gone) = order.split_at(500);
            for &number in gone {
                let (text, one) = shape(number);
                index.remove(&filter(&text), one.id);
            }
            for &number in gone {
                let (text, one) = shape(number);
                index.insert(&filter(&text), one).unwrap();
            }
        }
        println!("{name}: {sizes:?}");
        let first = sizes[0];
        assert!(
            sizes.iter().all(|&size| size <= first + first / 2),
            "{name}: {sizes:?}"
        );
    }
}

#[test]
fn the_index_knows_its_bytes() {
    for options in both() {
        for (name, shape) in SHAPES
            .iter()
            .copied()
            .chain([("long", long as fn(u32) -> _)])
        {
            for count in [1, 10, 300, 3_000, 30_000] {
                if name == "long" && count > 3_000 {
                    continue;
                }
                let before = in_use();
                let index = build(options, shape, count);
                let real = held_since(before);
                let told = index.heap_bytes();
                println!("{name} {count}: {real} bytes, told {told}");
                assert!(
                    real.abs_diff(told) <= 200 + real / 100,
                    "{name} {count}: {real} bytes, told {told}"
                );
            }
        }
    }
}

/// Nothing is copied as a whole: what one operation asks for is what a page takes, and directories of pages.
#[test]
fn no_operation_takes_much() {
    for (name, shape) in SHAPES {
        let mut index = SubscriptionIndex::new(IndexOptions::new());
        let mut most = [0; 2];
        for number in 0..30_000 {
            let (text, one) = shape(number);
            let text = filter(&text);
            let (_, bytes) = asked(|| index.insert(&text, one).unwrap());
            most[0] = most[0].max(bytes);
        }
        for number in 0..30_000 {
            let (text, one) = shape(number);
            let text = filter(&text);
            let (_, bytes) = asked(|| index.remove(&text, one.id));
            most[1] = most[1].max(bytes);
        }
        println!("{name}: most {most:?}");
        assert!(
            most.iter().all(|&most| most <= 128 << 10),
            "{name}: {most:?}"
        );
    }
}

/// A subscription that comes and goes does not take and give back a full page each time, wherever the pages end.
#[test]
fn coming_and_going_takes_little() {
    for (name, shape) in SHAPES {
        let mut index = build(IndexOptions::new(), *shape, 10_000);
        for number in 10_000..14_500 {
            let (text, one) = shape(number);
            let text = filter(&text);
            let ((), bytes) = asked(|| {
                for _ in 0..5 {
                    index.insert(&text, one).unwrap();
                    index.remove(&text, one.id).unwrap();
                }
            });
            // One page that is new, and the first and small one of a size.
            assert!(
                bytes <= (40 << 10) + 5 * (20 << 10),
                "{name} {number}: {bytes}"
            );
            index.insert(&text, one).unwrap();
        }
    }
}

/// What was wide takes less when it is narrow: nodes, filters, what a subscriber has, and pages of levels. Not as little as
/// if it had never been wide, since blocks do not move.
#[test]
fn what_becomes_narrow_takes_less() {
    let nodes = |number| {
        let text = format!("{}/{}/x", number / 100, number % 100);
        (text, plain(0))
    };
    let filters = |number| {
        let one = plain(number % 100).with_identifier(1);
        (format!("{}", number / 100), one)
    };
    let subscribers = |number| (format!("{}", number % 100), plain(number / 100));
    let levels = |number| (format!("{:x}", mixed(number)), plain(0));
    // The most that may be left, of eight parts.
    let shapes: [(Shape, usize); 4] = [
        (("nodes", nodes), 6),
        (("filters", filters), 3),
        (("subscribers", subscribers), 3),
        (("levels", levels), 7),
    ];
    for ((name, shape), most) in shapes {
        let mut index = build(IndexOptions::new().with_seed(1), shape, 20_000);
        let full = index.heap_bytes();
        for number in 0..20_000 {
            let (text, one) = shape(number);
            if number % 100 > 1 {
                index.remove(&filter(&text), one.id);
            }
        }
        assert_eq!(index.len(), 400);
        let left = index.heap_bytes();
        println!("{name}: {full}, {left} left");
        assert!(left <= full / 8 * most, "{name}: {left} of {full}");
    }
}

#[test]
fn reading_takes_no_memory() {
    let mut index = SubscriptionIndex::new(IndexOptions::new());
    // All filters of `a` and `+` at each depth up to 10, and some of those below, so that as many nodes wait as can.
    for depth in 1..=16usize {
        for bits in 0..(1u32 << depth.min(10)) {
            let word = |at: usize| if bits >> at & 1 == 0 { "a" } else { "+" };
            let text: Vec<&str> = (0..depth).map(word).collect();
            for end in ["", "/#"] {
                let text = text.join("/") + end;
                for number in 0..2 {
                    index.insert(&filter(&text), plain(number)).unwrap();
                }
            }
        }
    }
    for number in 0..1000 {
        index.insert(&filter("a/a"), plain(number)).unwrap();
    }
    let id = SubscriberId::new(1);
    for depth in 1..=16usize {
        let topic = vec!["a"; depth].join("/");
        let name = TopicName::new(&*topic).unwrap();
        let text = filter(&topic);
        let (mut hits, mut parts, mut there) = (0, 0, false);
        let ((), count) = allocations(|| {
            index.matches(&name, |_| hits += 1);
            let mut cursor = MatchCursor::new();
            while !index.matches_some(&name, &mut cursor, 7, |_| parts += 1) {}
            there = index.get(&text, id).is_some();
        });
        assert_eq!(count, 0, "{depth}");
        assert!(there && hits > 1 && parts == hits);
    }
    // As long as the documentation says.
    assert!(size_of::<MatchCursor>() <= 48);
}

/// Retained topics take little at a time, tell what they take, and leave nothing; some expire.
#[test]
fn retained_topics_come_and_go() {
    let name = |number: u32| {
        let device = mixed(number);
        format!(
            "tenant-{}/site/{}/{device:08x}/state",
            number % 97,
            number % 7
        )
    };
    for expiring in [0, 3_000] {
        let before = in_use();
        let mut store = RetainedStore::new(RetainedOptions::new(), |_: &u64| 8);
        let mut most = [0; 2];
        for number in 0..30_000 {
            let expires = (number < expiring).then(|| Instant::from_millis(number.into()));
            let topic = TopicName::new(name(number)).unwrap();
            let (_, bytes) = asked(|| store.insert(&topic, number.into(), expires).unwrap());
            most[0] = most[0].max(bytes);
        }
        let real = held_since(before);
        let told = store.heap_bytes();
        // Maps are told of without their nodes.
        let room = 200 + real / 100 + 80 * expiring as usize;
        assert!(real.abs_diff(told) <= room, "{real} bytes, told {told}");
        while let Some((_, number)) = store.take_expired(Instant::from_millis(u64::MAX)) {
            assert!(number < expiring.into());
        }
        for number in expiring..30_000 {
            let topic = TopicName::new(name(number)).unwrap();
            let (_, bytes) = asked(|| store.remove(&topic).unwrap());
            most[1] = most[1].max(bytes);
        }
        assert!(most.iter().all(|&most| most <= 128 << 10), "{most:?}");
        assert_eq!((store.heap_bytes(), in_use()), (0, before));
    }
}
