//! Who of a Shared Subscription gets a message: what each way to pick promises.

#![allow(clippy::cast_possible_truncation)] // small numbers

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sansio_mqtt::*;

fn group(numbers: impl IntoIterator<Item = u32>) -> SharedGroup {
    let filter = TopicFilter::new(Version::V5, "$share/g/t/#").unwrap();
    let mut group = SharedGroup::new(&filter, 0x5EED).unwrap();
    for number in numbers {
        assert_eq!(group.add(member(number)), None);
    }
    group
}

fn member(number: u32) -> Subscriber {
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    Subscriber::new(SubscriberId::new(number), options)
}

fn pick(group: &mut SharedGroup, how: Pick<'_>, mut can: impl FnMut(u32) -> bool) -> Option<u32> {
    let picked = group.pick(how, usize::MAX, |member| can(member.id.get()));
    picked.map(|member| member.id.get())
}

fn topic(number: u32) -> TopicName<'static> {
    TopicName::new(format!("t/{number}/x")).unwrap()
}

/// Who has each of so many topics.
fn owners(group: &mut SharedGroup, topics: u32, can: impl Fn(u32) -> bool) -> Vec<u32> {
    let owner = |number| pick(group, Pick::StickyByTopic(&topic(number)), &can).unwrap();
    (0..topics).map(owner).collect()
}

fn counts(picked: impl IntoIterator<Item = u32>) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    for number in picked {
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// The sum of squared deviations from equal shares, over the share: with k shares k - 1 on average, and beyond
/// `k + 4 * sqrt(2 * k) + 6` once in thousands of times.
fn is_even(counts: &BTreeMap<u32, u32>, shares: usize) -> bool {
    let total: u32 = counts.values().sum();
    let share = f64::from(total) / shares as f64;
    let missing = (shares - counts.len()) as f64 * share;
    let squares = counts
        .values()
        .map(|&count| (f64::from(count) - share).powi(2) / share);
    let k = shares as f64;
    squares.sum::<f64>() + missing < k + 4.0 * (2.0 * k).sqrt() + 6.0
}

#[test]
fn a_group_is_of_a_shared_subscription() {
    let plain = TopicFilter::new(Version::V5, "g/t").unwrap();
    assert!(SharedGroup::new(&plain, 0).is_none());
    let group = group([]);
    assert_eq!((group.share_name(), group.filter().filter()), ("g", "t/#"));
    assert!(group.is_empty());
}

#[test]
fn subscribing_again_counts_once() {
    for count in [2, 40] {
        let mut group = group(0..count);
        let again = member(1).with_identifier(7);
        assert_eq!(group.add(again), Some(member(1)));
        assert_eq!(
            (group.len(), group.get(again.id)),
            (count as usize, Some(again))
        );
        assert_eq!(
            group.iter().filter(|member| member.id == again.id).count(),
            1
        );
        assert_eq!(group.remove(again.id), Some(again));
        assert_eq!((group.remove(again.id), group.get(again.id)), (None, None));
    }
}

#[test]
fn round_robin_goes_round() {
    for count in [1, 2, 5, 16, 17, 300] {
        let numbers: Vec<_> = (0..count).map(|number| number * 1000 + 3).collect();
        let mut group = group(numbers.iter().rev().copied());
        for _ in 0..3 {
            for &number in &numbers {
                assert_eq!(pick(&mut group, Pick::RoundRobin, |_| true), Some(number));
            }
        }
    }
}

#[test]
fn the_highest_number_is_one_like_any_other() {
    let mut group = group([0, 7, u32::MAX]);
    let mut turn = || pick(&mut group, Pick::RoundRobin, |_| true);
    assert_eq!(
        [turn(), turn(), turn(), turn()],
        [0, 7, u32::MAX, 0].map(Some)
    );
}

#[test]
fn round_robin_does_not_favour_the_neighbour_of_one_who_cannot() {
    for count in [5, 50] {
        let mut group = group(0..count);
        let rounds = 40;
        let picked = (0..(count - 2) * rounds).map(|_| {
            pick(&mut group, Pick::RoundRobin, |number| {
                number != 2 && number != 3
            })
        });
        let counts = counts(picked.map(Option::unwrap));
        assert_eq!(counts.len() as u32, count - 2);
        assert!(counts.values().all(|&count| count == rounds));
    }
}

#[test]
fn round_robin_with_a_limit_comes_to_everyone() {
    let mut group = group(0..40);
    let mut asked = BTreeSet::new();
    for _ in 0..10 {
        let picked = group.pick(Pick::RoundRobin, 4, |member| {
            assert!(asked.insert(member.id));
            false
        });
        assert_eq!(picked, None);
    }
    assert_eq!(asked.len(), 40);
}

#[test]
fn the_least_recently_used_is_picked_and_who_cannot_keeps_its_place() {
    for count in [4, 40] {
        let mut group = group(0..count);
        let mut used = |can: fn(u32) -> bool| pick(&mut group, Pick::LeastRecentlyUsed, can);
        assert_eq!(used(|number| number > 1), Some(2));
        assert_eq!(used(|number| number > 0), Some(1));
        assert_eq!(used(|_| true), Some(0));
        assert_eq!(used(|_| true), Some(3));
        for _ in 4..count {
            used(|_| true);
        }
        assert_eq!(
            [used(|_| true), used(|_| true), used(|_| true)],
            [2, 1, 0].map(Some)
        );
    }
    // A use is a use.
    let mut group = group(0..3);
    let topic = topic(0);
    let sticky = pick(&mut group, Pick::StickyByTopic(&topic), |_| true);
    let mut last = None;
    for _ in 0..3 {
        last = pick(&mut group, Pick::LeastRecentlyUsed, |_| true);
    }
    assert_eq!(last, sticky);
}

/// Some can take everything and some only small messages: those are not left behind.
#[test]
fn the_least_recently_used_is_fair_though_some_messages_are_too_large() {
    let mut group = group(0..4);
    let mut small = Vec::new();
    for _ in 0..1000 {
        small.extend(pick(&mut group, Pick::LeastRecentlyUsed, |_| true));
        pick(&mut group, Pick::LeastRecentlyUsed, |number| {
            number % 3 == 0
        });
    }
    let counts = counts(small);
    assert!(counts[&1] >= 250 && counts[&2] >= 250, "{counts:?}");
}

#[test]
fn a_topic_and_a_publisher_stay_with_a_member() {
    for count in [1, 3, 30] {
        let mut group = group(0..count);
        let before = owners(&mut group, 200, |_| true);
        assert_eq!(owners(&mut group, 200, |_| true), before);
        for number in 0..50 {
            let how = Pick::StickyByPublisher(SubscriberId::new(number));
            let first = pick(&mut group, how, |_| true);
            assert_eq!(pick(&mut group, how, |_| true), first);
        }
    }
}

#[test]
fn topics_and_publishers_are_spread_evenly() {
    for count in [2, 3, 7, 16, 17, 100] {
        let mut group = group(0..count);
        let owners = owners(&mut group, 20_000, |_| true);
        assert!(is_even(&counts(owners), count as usize), "{count}");
        let publishers = (0..20_000).map(|number| {
            let how = Pick::StickyByPublisher(SubscriberId::new(number));
            pick(&mut group, how, |_| true).unwrap()
        });
        assert!(is_even(&counts(publishers), count as usize), "{count}");
    }
}

#[test]
fn the_topics_of_one_who_cannot_go_to_all_others_and_come_back() {
    for count in [3, 10, 40] {
        let mut group = group(0..count);
        let before = owners(&mut group, 20_000, |_| true);
        let meanwhile = owners(&mut group, 20_000, |number| number != 1);
        let moved = before
            .iter()
            .zip(&meanwhile)
            .filter(|(old, new)| old != new);
        let moved: Vec<_> = moved.collect();
        assert!(moved.iter().all(|&(&old, _)| old == 1));
        let to = counts(moved.into_iter().map(|(_, &new)| new));
        assert!(is_even(&to, count as usize - 1), "{count} {to:?}");
        assert_eq!(owners(&mut group, 20_000, |_| true), before);
    }
}

#[test]
fn one_that_comes_takes_topics_and_one_that_goes_leaves_them() {
    for count in [1u32, 2, 8, 16, 17, 100] {
        let mut group = group(0..count);
        let before = owners(&mut group, 5000, |_| true);
        group.add(member(1000));
        let with = owners(&mut group, 5000, |_| true);
        let moved = before.iter().zip(&with).filter(|(old, new)| old != new);
        let moved: Vec<_> = moved.map(|(_, &new)| new).collect();
        assert!(moved.iter().all(|&new| new == 1000), "{count}");
        let share = 5000 / (count + 1);
        assert!((moved.len() as u32).abs_diff(share) < share / 5 + 25);
        group.remove(SubscriberId::new(1000));
        assert_eq!(owners(&mut group, 5000, |_| true), before);

        // Any of them, not the last: and another one takes its slot.
        let gone = SubscriberId::new(count / 2);
        if count > 1 {
            group.remove(gone);
            let without = owners(&mut group, 5000, |_| true);
            let mut pairs = before.iter().zip(&without);
            assert!(pairs.all(|(&old, &new)| (old == new) != (old == gone.get())));
            group.add(member(2000));
            let filled = owners(&mut group, 5000, |_| true);
            let mut pairs = without.iter().zip(&filled);
            assert!(pairs.all(|(&old, &new)| old == new || new == 2000));
            assert!(is_even(&counts(filled), count as usize));
        }
    }
}

/// Half of a group at once, then more and more: what moves is bounded, and what is left stays even.
#[test]
fn many_may_go() {
    let mut group = group(0..200);
    let mut before = owners(&mut group, 4000, |_| true);
    for number in (0..200).map(|number| number * 77 % 200).take(190) {
        group.remove(SubscriberId::new(number));
        let after = owners(&mut group, 4000, |_| true);
        let pairs = before.iter().zip(&after);
        let needless = pairs
            .filter(|&(&old, &new)| old != new && old != number)
            .count();
        // Three members' shares, with room for chance, and none before most slots are free.
        let share = 4000 / group.len();
        let bound = if group.len() < 96 {
            3 * share + share / 2 + 20
        } else {
            0
        };
        assert!(needless <= bound, "{} {needless}", group.len());
        assert!(
            is_even(&counts(after.iter().copied()), group.len()),
            "{}",
            group.len()
        );
        before = after;
    }
}

#[test]
fn random_is_even_and_the_same_each_time() {
    for count in [1, 2, 3, 5, 16, 17, 60] {
        for unable in [0, 1, count / 2, count - 1].map(|unable| unable.min(count - 1)) {
            let (mut first, mut second) = (group(0..count), group(0..count));
            let can = |number: u32| number >= unable;
            let run = |group: &mut SharedGroup| -> Vec<_> {
                (0..10_000)
                    .map(|_| pick(group, Pick::Random, can).unwrap())
                    .collect()
            };
            let picked = run(&mut first);
            assert_eq!(picked, run(&mut second));
            let counts = counts(picked);
            assert!(
                is_even(&counts, (count - unable) as usize),
                "{count} {unable} {counts:?}"
            );
        }
    }
}

/// Also when there are holes, and so many are asked that they are not all drawn.
#[test]
fn random_is_even_among_few_of_many() {
    let mut group = group(0..400);
    for number in (0..400).filter(|number| number % 2 == 1) {
        group.remove(SubscriberId::new(number));
    }
    let able = [0, 2, 4, 198, 200, 398];
    let picked =
        (0..12_000).map(|_| pick(&mut group, Pick::Random, |number| able.contains(&number)));
    let counts = counts(picked.map(Option::unwrap));
    assert!(is_even(&counts, able.len()), "{counts:?}");
}

#[test]
fn members_are_given_back_their_memory() {
    let empty = group([]).heap_bytes();
    let mut group = group(0..10_000);
    let full = group.heap_bytes();
    assert!(full / 10_000 < 64, "{full}");
    for number in 0..9990 {
        group.remove(SubscriberId::new(number));
    }
    assert!(
        group.heap_bytes() < empty + 40 * 64,
        "{}",
        group.heap_bytes()
    );
    for number in 9990..10_000 {
        group.remove(SubscriberId::new(number));
    }
    assert_eq!(group.heap_bytes(), empty);
}

#[derive(Clone, Debug)]
enum Step {
    Add(u32),
    Remove(u32),
    Pick {
        how: u8,
        key: u32,
        able: u64,
        limit: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let number = || prop_oneof![0..8u32, 0..60u32];
    prop_oneof![
        3 => number().prop_map(Step::Add),
        2 => number().prop_map(Step::Remove),
        3 => (0..5u8, 0..100u32, prop_oneof![Just(0), any::<u64>(), Just(u64::MAX)], prop_oneof![0..5usize, Just(usize::MAX)])
            .prop_map(|(how, key, able, limit)| Step::Pick { how, key, able, limit }),
    ]
}

proptest! {
    /// Whatever came before: nobody is asked twice, whoever is picked is a member that can, and if there is one it is found.
    #[test]
    fn each_is_asked_once(steps in prop::collection::vec(step(), 0..200)) {
        let mut group = group([]);
        let mut model = BTreeSet::new();
        let mut by_use = Vec::new();
        for step in steps {
            match step {
                Step::Add(number) => {
                    let is_new = model.insert(number);
                    prop_assert_eq!(group.add(member(number)).is_none(), is_new);
                    if is_new {
                        by_use.push(number);
                    }
                }
                Step::Remove(number) => {
                    let removed = group.remove(SubscriberId::new(number));
                    prop_assert_eq!(removed.is_some(), model.remove(&number));
                    by_use.retain(|&other| other != number);
                }
                Step::Pick { how, key, able, limit } => {
                    let topic = topic(key);
                    let how = match how {
                        0 => Pick::RoundRobin,
                        1 => Pick::LeastRecentlyUsed,
                        2 => Pick::StickyByTopic(&topic),
                        3 => Pick::StickyByPublisher(SubscriberId::new(key)),
                        _ => Pick::Random,
                    };
                    let can = |number: u32| able >> number & 1 == 1;
                    let mut asked = Vec::new();
                    let picked = group.pick(how, limit, |member| {
                        asked.push(member.id.get());
                        can(member.id.get())
                    });
                    let distinct: BTreeSet<_> = asked.iter().copied().collect();
                    prop_assert_eq!(distinct.len(), asked.len());
                    prop_assert!(distinct.is_subset(&model));
                    match picked {
                        Some(member) => {
                            let number = member.id.get();
                            prop_assert!(can(number) && asked.last() == Some(&number));
                            by_use.retain(|&other| other != number);
                            by_use.push(number);
                        }
                        None => {
                            prop_assert!(!asked.iter().any(|&number| can(number)));
                            prop_assert_eq!(asked.len(), limit.min(model.len()));
                        }
                    }
                }
            }
            prop_assert_eq!(group.len(), model.len());
            prop_assert!(model.iter().all(|&number| group.get(SubscriberId::new(number)).is_some()));
        }
        // The order of use came through all of it.
        for number in by_use {
            prop_assert_eq!(pick(&mut group, Pick::LeastRecentlyUsed, |_| true), Some(number));
        }
    }
}
