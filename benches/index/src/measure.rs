//! How time and memory are measured, and that answers are right before they are timed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::alloc;
use crate::matcher::Matcher;
use crate::workloads::Random;

/// Matching goes on for so long at most.
const PATIENCE: Duration = Duration::from_millis(400);
/// Between looks at the clock.
const AT_A_TIME: usize = 64;
/// How often all topics are asked for.
const PASSES: usize = 3;
/// Topics that are asked for over and over, and how many batches of what length.
pub(crate) const HOT: usize = 64;
const HOT_BATCHES: usize = 15;
const HOT_ROUNDS: usize = 40;
/// Topics whose answers are checked.
const CHECKED: usize = 500;

pub(crate) fn nanoseconds(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

/// Puts all in; the number of a filter is that of its subscriber.
pub(crate) fn build<M: Matcher>(filters: &[M::Filter<'_>]) -> M {
    let mut matcher = M::new();
    for (subscriber, filter) in (0..).zip(filters) {
        matcher.insert(filter, subscriber);
    }
    matcher
}

/// The same with the ns and the bytes that one took.
pub(crate) fn build_timed<M: Matcher>(filters: &[M::Filter<'_>]) -> (M, f64, f64) {
    let before = alloc::in_use();
    let start = Instant::now();
    let matcher = build(filters);
    let time = start.elapsed();
    let bytes = (alloc::in_use() - before) as f64 / filters.len() as f64;
    (matcher, nanoseconds(time, filters.len()), bytes)
}

/// Removes all in any order: ns each.
pub(crate) fn empty<M: Matcher>(matcher: &mut M, filters: &[M::Filter<'_>]) -> f64 {
    let mut order: Vec<u32> = (0..).take(filters.len()).collect();
    Random::new(7).shuffle(&mut order);
    let start = Instant::now();
    for subscriber in order {
        matcher.remove(&filters[subscriber as usize], subscriber);
    }
    nanoseconds(start.elapsed(), filters.len())
}

/// The longest insert in µs. Each one's best of some passes counts: what it has to do is the same in each, but that the
/// system takes the processor away is not.
pub(crate) fn longest_insert<M: Matcher>(filters: &[M::Filter<'_>], passes: usize) -> f64 {
    let mut best = vec![u32::MAX; filters.len()];
    for _ in 0..passes {
        let mut matcher = M::new();
        let mut before = Instant::now();
        for ((subscriber, filter), best) in (0..).zip(filters).zip(&mut best) {
            matcher.insert(filter, subscriber);
            let now = Instant::now();
            let time = u32::try_from((now - before).as_nanos()).unwrap_or(u32::MAX);
            *best = time.min(*best);
            before = now;
        }
    }
    f64::from(best.into_iter().max().unwrap_or(0)) / 1e3
}

/// The best of some passes over all topics, as far as patience goes: ns each.
pub(crate) fn cold<T>(topics: &[T], mut ask: impl FnMut(&[T])) -> f64 {
    let mut best = f64::INFINITY;
    let all = Instant::now();
    for _ in 0..PASSES {
        let start = Instant::now();
        let mut done = 0;
        for topics in topics.chunks(AT_A_TIME) {
            ask(topics);
            done += topics.len();
            if start.elapsed() > PATIENCE {
                break;
            }
        }
        best = best.min(nanoseconds(start.elapsed(), done));
        if all.elapsed() > 2 * PATIENCE {
            break;
        }
    }
    best
}

/// The same few topics over and over: the best batch, ns each.
pub(crate) fn hot<T>(topics: &[T], mut ask: impl FnMut(&[T])) -> f64 {
    let mut best = f64::INFINITY;
    let all = Instant::now();
    for _ in 0..HOT_BATCHES {
        let start = Instant::now();
        let mut done = 0;
        for _ in 0..HOT_ROUNDS {
            ask(topics);
            done += topics.len();
            if start.elapsed() > PATIENCE {
                break;
            }
        }
        best = best.min(nanoseconds(start.elapsed(), done));
        if all.elapsed() > PATIENCE {
            break;
        }
    }
    best
}

/// What it takes to do something once, in ns: the best of as often as it can be done in a while, and three at least.
pub(crate) fn best_of(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let all = Instant::now();
    for round in 0.. {
        let start = Instant::now();
        run();
        best = best.min(nanoseconds(start.elapsed(), 1));
        if round >= 2 && (all.elapsed() > PATIENCE || round > 10_000) {
            break;
        }
    }
    best
}

/// Asks for all of the topics, into a buffer that is emptied for each.
pub(crate) fn ask<M: Matcher>(matcher: &M, topics: &[M::Topic<'_>], buffer: &mut Vec<u32>) {
    for topic in topics {
        buffer.clear();
        matcher.matches(black_box(topic), buffer);
        black_box(&buffer);
    }
}

/// What the answers to some of the topics should be.
#[derive(Eq, PartialEq, Debug)]
pub(crate) struct Answers {
    digests: Vec<u64>,
    /// Of all of them.
    pub(crate) matches: usize,
}

impl Answers {
    pub(crate) fn of(topics: &[String], mut matches: impl FnMut(&str, &mut Vec<u32>)) -> Self {
        let mut found = Vec::new();
        let mut count = 0;
        let digests = Self::asked(topics).iter().map(|topic| {
            found.clear();
            matches(topic, &mut found);
            found.sort_unstable();
            count += found.len();
            let mut hasher = DefaultHasher::new();
            found.hash(&mut hasher);
            hasher.finish()
        });
        Self {
            digests: digests.collect(),
            matches: count,
        }
    }

    pub(crate) fn by<M: Matcher>(matcher: &M, topics: &[String]) -> Self {
        Self::of(topics, |topic, found| {
            matcher.matches(&M::topic(topic), found);
        })
    }

    /// The topics that are asked for.
    pub(crate) fn asked(topics: &[String]) -> &[String] {
        &topics[..topics.len().min(CHECKED)]
    }
}
