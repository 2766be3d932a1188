//! The store of retained topics: histories beside a slow one, a small world as a whole, what matchers get wrong, and searches
//! in parts.

#[path = "support/index_bytes.rs"]
mod index_bytes;
#[allow(dead_code)] // what only other tests use
#[path = "support/reference.rs"]
mod reference;
#[path = "support/retained_model.rs"]
mod retained_model;

use std::collections::BTreeMap;
use std::thread;

use proptest::prelude::*;
use retained_model::{matching, run, size};
use sansio_mqtt::{
    IndexError, Instant, Retained, RetainedOptions, RetainedStore, SearchCursor, TopicFilter,
    TopicName, Version,
};

fn store() -> RetainedStore<u32> {
    RetainedStore::new(RetainedOptions::new(), size)
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::new(text).unwrap()
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(Version::V5, text).unwrap()
}

fn found(store: &RetainedStore<u32>, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    store.search(&filter(text), |one| {
        found.push(one.topic().as_str().to_owned());
    });
    found.sort();
    found
}

/// How many steps a search takes, one at a time; each gives one topic at most.
fn steps(store: &RetainedStore<u32>, text: &str) -> usize {
    let (mut cursor, mut steps) = (SearchCursor::new(), 1);
    loop {
        let mut topics = 0;
        assert!(!cursor.is_done());
        let done = store.search_some(&filter(text), &mut cursor, 1, |_| topics += 1);
        assert!(topics <= 1);
        assert_eq!(done, cursor.is_done());
        if done {
            // The end is the end.
            assert!(store.search_some(&filter(text), &mut cursor, 1, |_| panic!("once more")));
            return steps;
        }
        steps += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn histories(bytes in proptest::collection::vec(any::<u8>(), 0..2500)) {
        run(&bytes);
    }
}

/// All of these levels in all ways, up to a depth.
fn texts(words: &[&str], depth: usize) -> Vec<String> {
    let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let mut last = all.clone();
    for _ in 1..depth {
        let extend = |text: &String| {
            let text = text.clone();
            words.iter().map(move |word| format!("{text}/{word}"))
        };
        last = last.iter().flat_map(extend).collect();
        all.extend(last.iter().cloned());
    }
    all.retain(|text| !text.is_empty());
    all
}

/// Every filter over every set of topics that has the first so many of all, in two orders.
#[test]
fn a_small_world() {
    let topics = texts(&["", "a", "$x"], 4);
    let mut filters = texts(&["", "a", "$x", "+"], 4);
    let multi: Vec<String> = filters.iter().map(|text| format!("{text}/#")).collect();
    filters.extend(multi);
    filters.extend([
        "#".to_owned(),
        "$share/g/#".to_owned(),
        "$share/g/+/a".to_owned(),
    ]);
    let mut store = store();
    let mut model = BTreeMap::new();
    let order = (0..topics.len()).map(|at| &topics[at * 50 % topics.len()]);
    for (number, topic) in (0..).zip(order) {
        assert_eq!(store.insert(&name(topic), number, None), Ok(None));
        model.insert(topic.clone(), number);
        if ![3, 10, 40].contains(&model.len()) && model.len() != topics.len() {
            continue;
        }
        for text in &filters {
            let made = filter(text);
            let expected = matching(&model, made.filter());
            let expected: Vec<String> = expected.map(|(topic, _)| topic.clone()).collect();
            assert_eq!(found(&store, text), expected, "{text}");
        }
    }
    assert_eq!(model.len(), topics.len());
    for topic in topics.iter().rev() {
        assert_eq!(store.remove(&name(topic)), model.remove(topic));
        assert_eq!(store.len(), model.len());
    }
    assert_eq!(store.heap_bytes(), 0);
}

#[test]
fn what_matchers_get_wrong() {
    let mut store = store();
    for topic in [
        "sport",
        "sport/",
        "sport/tennis",
        "/",
        "/finance",
        "$SYS",
        "$SYS/a",
        "été/x",
        "a//b",
        "x/$y",
    ] {
        store.insert(&name(topic), 1, None).unwrap();
    }
    for (text, expected) in [
        // `#` and the level above.
        ("sport/#", &["sport", "sport/", "sport/tennis"][..]),
        ("sport/+", &["sport/", "sport/tennis"]),
        ("+", &["sport"]),
        // Empty levels.
        (
            "+/+",
            &["/", "/finance", "sport/", "sport/tennis", "x/$y", "été/x"],
        ),
        ("/+", &["/", "/finance"]),
        ("/", &["/"]),
        ("a/+/b", &["a//b"]),
        ("a//#", &["a//b"]),
        // `$` counts as the first character of the topic only, and for wildcards only.
        ("$SYS/#", &["$SYS", "$SYS/a"]),
        ("$SYS/+", &["$SYS/a"]),
        ("+/a", &[]),
        ("+/$y", &["x/$y"]),
        ("x/#", &["x/$y"]),
        ("$share/g/$SYS/#", &["$SYS", "$SYS/a"]),
        ("été/+", &["été/x"]),
        ("ét/+", &[]),
        ("nothing/#", &[]),
    ] {
        assert_eq!(found(&store, text), expected, "{text}");
    }
    for text in ["#", "$share/g/#"] {
        assert_eq!(found(&store, text).len(), 8, "{text}");
    }
}

#[test]
fn long_levels_that_start_with_a_dollar_are_reserved_too() {
    let mut store = store();
    let (long, other) = ("$".repeat(3000), "l".repeat(3000));
    for topic in [&long, &other, &format!("{long}/a"), &format!("{other}/a")] {
        store.insert(&name(topic), 1, None).unwrap();
    }
    assert_eq!(found(&store, "#"), [other.clone(), format!("{other}/a")]);
    assert_eq!(found(&store, "+/a"), [format!("{other}/a")]);
    assert_eq!(found(&store, &format!("{long}/+")), [format!("{long}/a")]);
}

#[test]
fn limits_leave_all_as_it_was() {
    let options = RetainedOptions::new()
        .with_maximum_levels(2)
        .with_maximum_topics(2)
        .with_maximum_bytes(60);
    let mut store = RetainedStore::new(options, size);
    let later = Some(Instant::from_millis(5));
    store.insert(&name("a"), 20, later).unwrap();
    store.insert(&name("a/b"), 30, None).unwrap();
    for (topic, value, reason) in [
        ("a/b/c", 1, IndexError::TooManyLevels { maximum: 2 }),
        ("c", 1, IndexError::Full),
        ("a", 31, IndexError::Full),
        ("a/b", 41, IndexError::Full),
    ] {
        let refused = store.insert(&name(topic), value, None).unwrap_err();
        assert_eq!((refused.reason, refused.value), (reason, value));
        assert_eq!(refused.to_string(), reason.to_string());
        assert_eq!((store.len(), store.bytes()), (2, 50));
        assert_eq!(store.poll_timeout(), later);
    }
    // What is there may be replaced, up to the last byte.
    assert_eq!(store.insert(&name("a"), 30, None), Ok(Some(20)));
    assert_eq!((store.bytes(), store.poll_timeout()), (60, None));
}

#[test]
fn the_longest_topics_need_no_stack() {
    let deep = "/".repeat(65_535);
    let work = move || {
        let options = RetainedOptions::new().with_maximum_levels(u32::MAX);
        let mut store = RetainedStore::new(options, size);
        let later = Some(Instant::from_millis(1));
        store.insert(&name(&deep), 1, later).unwrap();
        store.insert(&name(&deep[1..]), 2, None).unwrap();
        assert_eq!(found(&store, "#"), [deep[1..].to_owned(), deep.clone()]);
        assert_eq!(found(&store, &format!("{}#", &deep[..65_534])).len(), 2);
        let plus = "+/".repeat(32_767) + "+";
        assert_eq!(found(&store, &plus).len(), 0);
        assert_eq!(store.iter().count(), 2);
        // By one step at a time from wherever it stands.
        let mut cursor = SearchCursor::new();
        let mut topics = 0;
        while !store.search_some(&filter("#"), &mut cursor, 5000, |_| topics += 1) {}
        assert_eq!(topics, 2);
        let (topic, value) = store.take_expired(Instant::from_millis(1)).unwrap();
        assert_eq!((topic.as_str(), value), (deep.as_str(), 1));
        drop(store);
    };
    let thread = thread::Builder::new().stack_size(128 << 10);
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_search_looks_at_what_may_match_only() {
    let mut store = store();
    for number in 0..3000 {
        let topic = format!("t{}/s{}/d{number}", number % 10, number % 100);
        store.insert(&name(&topic), number, None).unwrap();
    }
    // Ten times as many elsewhere.
    for number in 0..30_000 {
        store
            .insert(&name(&format!("other/{number}/x")), number, None)
            .unwrap();
    }
    assert!(steps(&store, "t3/s3/d3") <= 4);
    assert!(steps(&store, "t3/s3/+") <= 40);
    assert!(steps(&store, "t3/#") <= 340);
    assert!(steps(&store, "+/s3/d3") <= 40);
    assert!(steps(&store, "nothing/#") <= 1);
    assert_eq!(found(&store, "#").len(), 33_000);
    assert!(steps(&store, "#") <= 66_300);
}

#[test]
fn those_that_expire_do_so_in_order_whatever_moves_around_them() {
    let mut store = store();
    let at = |millis| Some(Instant::from_millis(millis));
    // Tails become nodes, nodes become tails, values get neighbours below them.
    store.insert(&name("a/b/c"), 1, at(30)).unwrap();
    store.insert(&name("a/b"), 2, at(20)).unwrap();
    store.insert(&name("a/b/d"), 3, at(10)).unwrap();
    store.insert(&name("a"), 4, at(10)).unwrap();
    store.insert(&name("a/b/c/d"), 5, None).unwrap();
    store.insert(&name("a/b/c"), 6, at(40)).unwrap();
    store.remove(&name("a/b/c/d")).unwrap();
    assert_eq!(store.take_expired(Instant::from_millis(9)), None);
    let mut taken = Vec::new();
    for now in [10, 25, 100] {
        while let Some((topic, value)) = store.take_expired(Instant::from_millis(now)) {
            taken.push((now, topic.as_str().to_owned(), value));
        }
    }
    let (first, rest) = taken.split_at_mut(2);
    first.sort();
    assert_eq!(
        first,
        [(10, "a".to_owned(), 4), (10, "a/b/d".to_owned(), 3)]
    );
    assert_eq!(
        rest,
        [(25, "a/b".to_owned(), 2), (100, "a/b/c".to_owned(), 6)]
    );
    assert_eq!((store.len(), store.heap_bytes()), (0, 0));
    // Replaced without an expiry: none is left.
    store.insert(&name("x"), 1, at(1)).unwrap();
    store.insert(&name("x"), 2, None).unwrap();
    assert_eq!(store.poll_timeout(), None);
    assert_eq!(store.take_expired(Instant::from_millis(u64::MAX)), None);
}

/// Every set of these topics becomes every other between any two steps, which makes nodes of tails and values and the other
/// way round.
#[test]
fn whatever_becomes_of_a_node() {
    const TOPICS: [&str; 5] = ["a", "a/b", "a/b/c", "a/d", "e"];
    const FILTERS: [&str; 7] = ["#", "a/#", "a/+", "+/b/#", "+/+/c", "+", "a/b/c"];
    let is_in = |set: u32, at: usize| set >> at & 1 == 1;
    let number = |at: usize| u32::try_from(at).unwrap();
    let mut cases = 0;
    for from in 0..1u32 << TOPICS.len() {
        for to in 0..1u32 << TOPICS.len() {
            for (text, stop) in FILTERS
                .iter()
                .flat_map(|text| (1..12).map(move |stop| (text, stop)))
            {
                let mut store = RetainedStore::new(RetainedOptions::new().with_seed(1), size);
                // In an order that depends on the set, so that keys are in several.
                let order = |round: u32| (0..5).map(move |at| (at * 2 + round as usize) % 5);
                for at in order(from).filter(|&at| is_in(from, at)) {
                    store.insert(&name(TOPICS[at]), number(at), None).unwrap();
                }
                let mut topics = Vec::new();
                let mut cursor = SearchCursor::new();
                let mut visit = |one: Retained<'_, u32>| topics.push(*one.value() as usize);
                if store.search_some(&filter(text), &mut cursor, stop, &mut visit) {
                    continue;
                }
                for at in order(to) {
                    match (is_in(from, at), is_in(to, at)) {
                        (false, true) => drop(store.insert(&name(TOPICS[at]), number(at), None)),
                        (true, false) => drop(store.remove(&name(TOPICS[at]))),
                        _ => {}
                    }
                }
                while !store.search_some(&filter(text), &mut cursor, 1, &mut visit) {}
                for (at, topic) in TOPICS.iter().enumerate() {
                    let times = topics.iter().filter(|&&found| found == at).count();
                    let matches = filter(text).matches(&name(topic));
                    let stays = matches && is_in(from & to, at);
                    assert!(
                        times >= stays.into(),
                        "{topic} by {text} of {from:b} then {to:b}"
                    );
                    assert!(
                        times <= matches.into(),
                        "{topic} by {text} of {from:b} then {to:b}"
                    );
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 10_000, "{cases}");
}

/// Everything but a few goes and others come, between any two steps.
#[test]
fn what_stays_is_found_once_whatever_changes() {
    for (text, stays) in [("#", 40), ("w/+/x", 20), ("w/#", 40)] {
        let mut store = store();
        let keep = |number: u32| format!("w/{number}{}", if number % 2 == 0 { "/x" } else { "" });
        for number in 0..40 {
            store.insert(&name(&keep(number)), number, None).unwrap();
        }
        let (mut cursor, mut round) = (SearchCursor::new(), 0u32);
        let mut topics: BTreeMap<String, u32> = BTreeMap::new();
        loop {
            let done = store.search_some(&filter(text), &mut cursor, 1, |one| {
                *topics.entry(one.topic().as_str().to_owned()).or_default() += 1;
            });
            if done {
                break;
            }
            // Below, beside and above those that stay.
            let shape = |round: u32| {
                let number = round % 40;
                match round / 40 % 4 {
                    0 => format!("w/{number}/x/y"),
                    1 => format!("w/{number}/z"),
                    2 => format!("w/more{round}/x"),
                    _ => format!("w/{number}/x/y/z"),
                }
            };
            for step in 0..7 {
                let _ = store.insert(&name(&shape(round * 7 + step)), 0, None);
                if let Some(before) = (round * 7 + step).checked_sub(90) {
                    store.remove(&name(&shape(before)));
                }
            }
            round += 1;
            assert!(round < 100_000);
        }
        let kept: Vec<String> = (0..40).map(keep).collect();
        let found: Vec<u32> = kept
            .iter()
            .filter_map(|topic| topics.get(topic).copied())
            .collect();
        assert_eq!(found, vec![1; stays], "{text}");
    }
}
