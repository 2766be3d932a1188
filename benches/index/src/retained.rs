//! W5: retained topics, searched by filter.

use std::hint::black_box;
use std::time::Instant;

use sansio_mqtt::{RetainedOptions, RetainedStore, SearchCursor, TopicFilter, TopicName};

use crate::measure::{best_of, nanoseconds};
use crate::table::{Cell, Goal, Section, number};
use crate::textbook::Retained;
use crate::workloads::{self, Random};
use crate::{OURS, alloc, matcher, say};

const SORTED: &str = "sorted set";
const LINEAR: &str = "one by one";

/// What a search should take, in µs, at a million topics. In the order of the workload.
const GOALS: [Option<f64>; 8] = [
    None,
    None,
    None,
    Some(57.0),
    None,
    Some(755.0),
    None,
    Some(18_500.0),
];
/// What the goals are meant for.
const LARGE: usize = 1_000_000;

pub(crate) fn retained(size: usize) -> Section {
    let workload = workloads::w5(size);
    say(workload.name);
    let topics: Vec<TopicName<'_>> = workload.filters.iter().map(|t| matcher::topic(t)).collect();
    let mut section = Section::new(format!(
        "W5: {} retained topics, µs a search",
        number(topics.len() as f64)
    ));
    let filters: Vec<Search<'_>> = workload
        .topics
        .iter()
        .map(|text| Search::new(text, &topics))
        .collect();
    by_ours(&topics, &filters, &mut section);
    by_sorted_set(&topics, &filters, &mut section);
    for search in &filters {
        search.measure(LINEAR, &mut section, |found| {
            let all = (0..).zip(&topics);
            let all = all.filter(|(_, topic)| search.filter.matches(topic));
            found.extend(all.map(|(value, _)| value));
        });
    }
    if size >= LARGE {
        for (search, goal) in filters.iter().zip(GOALS) {
            section.set_goal(&search.what, goal.map_or(Goal::None, Goal::AtMost));
        }
    }
    section
}

struct Search<'a> {
    what: String,
    filter: TopicFilter<'a>,
    /// The values of the topics that match, in ascending order.
    expected: Vec<u32>,
}

impl<'a> Search<'a> {
    fn new(text: &'a str, topics: &[TopicName<'_>]) -> Self {
        let filter = matcher::filter(text);
        let all = (0..).zip(topics);
        let all = all.filter(|(_, topic)| filter.matches(topic));
        let expected: Vec<u32> = all.map(|(value, _)| value).collect();
        Self {
            what: format!("{text}, {} found", number(expected.len() as f64)),
            filter,
            expected,
        }
    }

    /// Times a search, which appends the values of what it finds.
    fn measure(
        &self,
        column: &'static str,
        section: &mut Section,
        mut search: impl FnMut(&mut Vec<u32>),
    ) {
        let mut found = Vec::with_capacity(self.expected.len());
        let time = best_of(|| {
            found.clear();
            search(black_box(&mut found));
        });
        found.sort_unstable();
        let cell = Cell {
            value: time / 1e3,
            wrong: found != self.expected,
        };
        section.put_cell(&self.what, column, cell);
    }
}

/// The row of what is searched in slices, and the steps of one.
const SLICES: &str = "#, in slices of 1,000 steps, longest slice";
const STEPS: usize = 1000;

fn by_ours(topics: &[TopicName<'_>], filters: &[Search<'_>], section: &mut Section) {
    let before = alloc::in_use();
    let start = Instant::now();
    let mut store = RetainedStore::new(RetainedOptions::new(), |_: &u32| size_of::<u32>());
    for (value, topic) in (0..).zip(topics) {
        let _ = store.insert(topic, value, None);
    }
    let insert = nanoseconds(start.elapsed(), topics.len());
    let bytes = (alloc::in_use() - before) as f64 / topics.len() as f64;
    for search in filters {
        search.measure(OURS, section, |found| {
            store.search(&search.filter, |one| found.push(*one.value()));
        });
    }
    let (mut cursor, mut found, mut longest) = (SearchCursor::new(), Vec::new(), 0.0f64);
    let all = matcher::filter("#");
    loop {
        let start = Instant::now();
        let is_done = store.search_some(&all, &mut cursor, STEPS, |one| found.push(*one.value()));
        longest = longest.max(nanoseconds(start.elapsed(), 1));
        if is_done {
            break;
        }
    }
    black_box(&found);
    section.put(SLICES, OURS, longest / 1e3);
    let mut order: Vec<usize> = (0..topics.len()).collect();
    Random::new(7).shuffle(&mut order);
    let start = Instant::now();
    for at in order {
        store.remove(&topics[at]);
    }
    let remove = nanoseconds(start.elapsed(), topics.len());
    for (what, value) in [
        ("insert, ns", insert),
        ("remove, ns", remove),
        ("bytes a topic, value included", bytes),
    ] {
        section.put(what, OURS, value);
    }
}

fn by_sorted_set(topics: &[TopicName<'_>], filters: &[Search<'_>], section: &mut Section) {
    let before = alloc::in_use();
    let start = Instant::now();
    let mut sorted = Retained::default();
    for (value, topic) in (0..).zip(topics) {
        sorted.insert(topic.as_str(), value);
    }
    let insert = nanoseconds(start.elapsed(), topics.len());
    let bytes = (alloc::in_use() - before) as f64 / topics.len() as f64;
    for search in filters {
        search.measure(SORTED, section, |found| {
            sorted.search(search.filter.as_str(), |value| found.push(value));
        });
    }
    let mut order: Vec<usize> = (0..topics.len()).collect();
    Random::new(7).shuffle(&mut order);
    let start = Instant::now();
    for at in order {
        sorted.remove(topics[at].as_str());
    }
    let remove = nanoseconds(start.elapsed(), topics.len());
    for (what, value) in [
        ("insert, ns", insert),
        ("remove, ns", remove),
        ("bytes a topic, value included", bytes),
    ] {
        section.put(what, SORTED, value);
    }
}
