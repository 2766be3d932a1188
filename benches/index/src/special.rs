//! W3, W4 and W6, and subscribers who go: what is hard in a way of its own.

use std::hint::black_box;
use std::time::Instant;

use sansio_mqtt::{Hit, MatchCursor, Subscriber};

use crate::matcher::{Matcher, Ours, Quill, TopicEngine, take};
use crate::measure::{self, Answers, best_of, nanoseconds};
use crate::table::{Cell, Goal, Section, number};
use crate::textbook::Trie;
use crate::workloads::{self, Random, W6_FILTER, Workload};
use crate::{alloc, say};

const STEPS: usize = 64;

/// W3: filters that someone chose to make matching slow.
pub(crate) fn adversarial() -> Section {
    let workloads = workloads::w3();
    let mut section =
        Section::new("W3: 100,000 filters of `a` and `+`, one topic of 16 levels, µs");
    for (workload, goal) in workloads.iter().zip([1900.0, 330.0, 970.0]) {
        say(workload.name);
        let what = format!("{}: {}", workload.name, workload.what);
        let mut expected = None;
        one_topic::<Trie>(&what, workload, &mut section, &mut expected);
        one_topic::<Ours<false>>(&what, workload, &mut section, &mut expected);
        one_topic::<TopicEngine>(&what, workload, &mut section, &mut expected);
        one_topic::<Quill>(&what, workload, &mut section, &mut expected);
        section.set_goal(&what, Goal::AtMost(goal));
        slices(workload, &mut section);
    }
    section
}

/// Times one match of the workload's one topic.
fn one_topic<M: Matcher>(
    what: &str,
    workload: &Workload,
    section: &mut Section,
    expected: &mut Option<Answers>,
) {
    let filters: Vec<_> = workload.filters.iter().map(|f| M::filter(f)).collect();
    let matcher = measure::build::<M>(&filters);
    let answers = Answers::by(&matcher, &workload.topics);
    let wrong = *expected.get_or_insert(answers) != Answers::by(&matcher, &workload.topics);
    let topic = M::topic(&workload.topics[0]);
    let mut buffer = Vec::new();
    let time = best_of(|| {
        buffer.clear();
        matcher.matches(black_box(&topic), &mut buffer);
        black_box(&buffer);
    });
    let value = time / 1e3;
    section.put_cell(what, M::NAME, Cell { value, wrong });
}

/// The same in slices, as a whole and the longest of them.
fn slices(workload: &Workload, section: &mut Section) {
    let filters: Vec<_> = workload
        .filters
        .iter()
        .map(|filter| Ours::<false>::filter(filter))
        .collect();
    let Ours(index) = measure::build::<Ours<false>>(&filters);
    let topic = Ours::<false>::topic(&workload.topics[0]);
    let mut buffer = Vec::new();
    let (mut count, mut longest) = (0, f64::INFINITY);
    let whole = best_of(|| {
        buffer.clear();
        let mut cursor = MatchCursor::new();
        let mut longest_now = 0.0_f64;
        count = 0;
        loop {
            let start = Instant::now();
            let done = index.matches_some(&topic, &mut cursor, STEPS, |hit| take(hit, &mut buffer));
            longest_now = longest_now.max(nanoseconds(start.elapsed(), 1));
            count += 1;
            if done {
                break;
            }
        }
        longest = longest.min(longest_now);
    });
    let what = format!("    in {count} slices of {STEPS} steps");
    section.put(&what, Ours::<false>::NAME, whole / 1e3);
    let what = format!("    the longest of {count}");
    section.put(&what, Ours::<false>::NAME, longest / 1e3);
}

/// W4: one topic goes to very many.
pub(crate) fn fan_out() -> Section {
    const WHAT: &str = "numbers, into a Vec<u32>";
    let workload = workloads::w4();
    say(workload.name);
    let mut section = Section::new("W4: one topic to 10,000 subscribers of one filter, µs");
    let mut expected = None;
    one_topic::<Trie>(WHAT, &workload, &mut section, &mut expected);
    one_topic::<Ours<false>>(WHAT, &workload, &mut section, &mut expected);
    one_topic::<Ours<true>>(WHAT, &workload, &mut section, &mut expected);
    one_topic::<TopicEngine>(WHAT, &workload, &mut section, &mut expected);
    one_topic::<Quill>(WHAT, &workload, &mut section, &mut expected);
    section.set_goal(WHAT, Goal::AtMost(1.0));

    let filters: Vec<_> = workload
        .filters
        .iter()
        .map(|filter| Ours::<false>::filter(filter))
        .collect();
    let Ours(index) = measure::build::<Ours<false>>(&filters);
    let topic = Ours::<false>::topic(&workload.topics[0]);
    let mut found: Vec<Subscriber> = Vec::new();
    let time = best_of(|| {
        found.clear();
        index.matches(black_box(&topic), |hit| {
            if let Hit::Subscribers(subscribers) = hit {
                found.extend(subscribers.iter());
            }
        });
        black_box(&found);
    });
    let what = "with options, into a Vec<Subscriber>";
    section.put(what, Ours::<false>::NAME, time / 1e3);
    section
}

/// W6: very many subscribe to one filter, and some of them come and go.
pub(crate) fn one_filter() -> Section {
    const SIZES: [usize; 2] = [1_000, 100_000];
    say("W6");
    let mut section = Section::new("W6: coming and going among many subscribers of one filter, µs");
    for size in SIZES {
        come_and_go::<Trie>(size, &mut section);
        come_and_go::<Ours<false>>(size, &mut section);
        come_and_go::<Ours<true>>(size, &mut section);
        come_and_go::<TopicEngine>(size, &mut section);
        come_and_go::<Quill>(size, &mut section);
    }
    for row in &mut section.rows {
        row.goal = Goal::AtMost(1.0);
    }
    section
}

fn come_and_go<M: Matcher>(size: usize, section: &mut Section) {
    const GOING: usize = 500;
    if size > M::MOST_ON_ONE_FILTER {
        return;
    }
    let mut matcher = M::new();
    let filter = M::filter(W6_FILTER);
    let mut subscribers: Vec<u32> = (0..).take(size).collect();
    for &subscriber in &subscribers {
        matcher.insert(&filter, subscriber);
    }
    Random::new(6).shuffle(&mut subscribers);
    let (mut going, mut coming) = (f64::INFINITY, f64::INFINITY);
    for group in subscribers.chunks_exact(GOING).take(20) {
        let start = Instant::now();
        for &subscriber in group {
            matcher.remove(black_box(&filter), subscriber);
        }
        going = nanoseconds(start.elapsed(), GOING).min(going);
        let start = Instant::now();
        for &subscriber in group {
            matcher.insert(black_box(&filter), subscriber);
        }
        coming = nanoseconds(start.elapsed(), GOING).min(coming);
    }
    // All are there again.
    let mut found = Vec::new();
    matcher.matches(&M::topic(W6_FILTER), &mut found);
    found.sort_unstable();
    let wrong = !(0..).take(size).eq(found);
    let size = number(size as f64);
    for (what, time) in [("subscribe", coming), ("unsubscribe", going)] {
        let value = time / 1e3;
        section.put_cell(&format!("{what}, {size}"), M::NAME, Cell { value, wrong });
    }
}

/// Subscribers who go with all that they have, in W2.
pub(crate) fn subscribers(size: usize) -> Section {
    let workload = workloads::w2(size);
    say("subscribers");
    let mut section = Section::new(format!(
        "subscribers who go with all that they have, of {} subscriptions (W2)",
        number(size as f64)
    ));
    for each in [1, 10] {
        going::<Ours<true>>(&workload, each, &mut section);
        going::<Quill>(&workload, each, &mut section);
    }
    section
}

fn going<M: Matcher>(workload: &Workload, each: u32, section: &mut Section) {
    /// Of a hundred.
    const GOING: u64 = 10;
    let filters: Vec<_> = workload.filters.iter().map(|f| M::filter(f)).collect();
    let before = alloc::in_use();
    let mut matcher = M::new();
    for (n, filter) in (0..).zip(&filters) {
        matcher.insert(filter, n / each);
    }
    let bytes = (alloc::in_use() - before) as f64 / filters.len() as f64;
    section.put(
        &format!("{each} each: bytes a subscription"),
        M::NAME,
        bytes,
    );
    let subscribers = u32::try_from(filters.len()).unwrap_or(u32::MAX) / each;
    let mut random = Random::new(8);
    let mut going: Vec<u32> = (0..subscribers)
        .filter(|_| random.below(100) < GOING)
        .collect();
    random.shuffle(&mut going);
    let start = Instant::now();
    let can = going
        .iter()
        .all(|&subscriber| matcher.remove_subscriber(subscriber));
    let time = nanoseconds(start.elapsed(), going.len() * each as usize);
    if can {
        let what = format!("{each} each: remove all of one, ns a subscription");
        section.put(&what, M::NAME, time);
    }
}
