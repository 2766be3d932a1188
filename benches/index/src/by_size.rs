//! W1 and W2, at some sizes: what it takes to put subscriptions in, match and remove them.

use std::hint::black_box;

use crate::alloc;
use crate::chart::Point;
use crate::matcher::{Linear, Matcher, Mqtt5Protocol, Ours, Quill, Rumqttc, TopicEngine};
use crate::measure::{self, Answers, HOT};
use crate::table::{Cell, Goal, Row, Section, number};
use crate::textbook::Trie;
use crate::workloads::Workload;
use crate::{OURS, say};

const INSERT: &str = "insert, ns";
const LONGEST_INSERT: &str = "longest insert, µs";
const BYTES: &str = "bytes";
const COLD: &str = "match, random topics, ns";
const COLD_BATCH: &str = "the same in batches of 32, ns";
const COLD_SLICES: &str = "the same in slices of 64 steps, ns";
const HOT_MATCH: &str = "match, 64 topics over and over, ns";
const EVEN: &str = "the same, topics with equally many matches, ns";
const REMOVE: &str = "remove, ns";
const LEFT: &str = "left when all are removed, KiB";

const ROWS: [&str; 10] = [
    INSERT,
    LONGEST_INSERT,
    REMOVE,
    COLD,
    COLD_BATCH,
    COLD_SLICES,
    HOT_MATCH,
    EVEN,
    BYTES,
    LEFT,
];

const BATCH: usize = 32;
const STEPS: usize = 64;
/// Up to here, all filters are compared with a topic one by one to see what is right, and the crates that match no other
/// way take part.
const MOST_LINEAR: usize = 10_000;
/// Where growth is counted from: smaller ones are in the processor's cache.
const FROM: usize = 100_000;
/// What the goals are meant for. Above, rivals may be too large for the memory that there is.
const LARGE: usize = 1_000_000;

/// What `TopicFilter::matches` says for each filter.
fn naive(filters: &[String], topics: &[String]) -> Answers {
    let filters: Vec<_> = filters.iter().map(|f| crate::matcher::filter(f)).collect();
    Answers::of(topics, |topic, found| {
        let topic = crate::matcher::topic(topic);
        let all = (0..).zip(&filters);
        found.extend(all.filter(|(_, f)| f.matches(&topic)).map(|(n, _)| n));
    })
}

/// W1 or W2 at all sizes, printed one by one. Adds to `points` what is drawn.
pub(crate) fn by_size(
    generate: fn(usize) -> Workload,
    sizes: &[usize],
    points: &mut Vec<Point>,
    print: impl Fn(&Section),
) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for &size in sizes {
        let workload = generate(size);
        say(&format!("{}, {}", workload.name, number(size as f64)));
        let mut section = Section::new("").with_rows(&ROWS);
        let mut expected = None;
        if workload.filters.len() <= MOST_LINEAR {
            expected = Some(naive(&workload.filters, &workload.topics));
        }
        let mut run = Run {
            workload: &workload,
            section: &mut section,
            expected: &mut expected,
            smaller: sections.last(),
            points,
        };
        run.measure::<Trie>();
        run.measure::<Ours<false>>();
        run.measure::<Ours<true>>();
        run.measure::<TopicEngine>();
        run.measure::<Quill>();
        run.measure::<Linear<Rumqttc>>();
        run.measure::<Linear<Mqtt5Protocol>>();
        if size >= LARGE {
            set_goals(&mut section, workload.name);
        }
        let matches = expected.map_or(0.0, |expected| {
            let asked = Answers::asked(&workload.topics).len();
            expected.matches as f64 / asked as f64
        });
        section.title = format!(
            "{}: {} {}, {matches:.1} matches a topic",
            workload.name,
            number(workload.filters.len() as f64),
            workload.what
        );
        print(&section);
        sections.push(section);
    }
    sections
}

fn set_goals(section: &mut Section, workload: &str) {
    let [insert, cold, hot, remove, bytes] = match workload {
        "W1" => [0.3, 0.33, 0.45, 0.5, 30.0],
        _ => [0.25, 0.3, 0.42, 0.5, 25.0],
    };
    for (what, goal) in [
        (INSERT, Goal::OfTextbook(insert)),
        (LONGEST_INSERT, Goal::AtMost(1000.0)),
        (COLD, Goal::OfTextbook(cold)),
        (HOT_MATCH, Goal::OfTextbook(hot)),
        (REMOVE, Goal::OfTextbook(remove)),
        (BYTES, Goal::AtMost(bytes)),
    ] {
        section.set_goal(what, goal);
    }
}

/// One workload at one size.
struct Run<'a> {
    workload: &'a Workload,
    section: &'a mut Section,
    /// What the first one says that is asked, if it is not known.
    expected: &'a mut Option<Answers>,
    smaller: Option<&'a Section>,
    points: &'a mut Vec<Point>,
}

impl Run<'_> {
    fn measure<M: Matcher>(&mut self) {
        let size = self.workload.filters.len();
        if M::LINEAR && size > MOST_LINEAR {
            return;
        }
        if size > LARGE && !self.fits::<M>() {
            say(&format!("{} would need too much memory", M::NAME));
            return;
        }
        say(&format!("  {}", M::NAME));
        let filters: Vec<_> = self.workload.filters.iter().map(|f| M::filter(f)).collect();
        let (mut insert, mut remove) = (f64::INFINITY, f64::INFINITY);
        let mut wrong = false;
        let passes = if size > LARGE && M::NAME != OURS {
            1
        } else {
            M::PASSES
        };
        for pass in 0..passes {
            let before = alloc::in_use();
            let (mut matcher, time, bytes) = measure::build_timed::<M>(&filters);
            insert = time.min(insert);
            if pass == 0 {
                wrong = !self.is_right(&matcher);
                let cold = self.matches(&matcher, wrong);
                self.put::<M>(BYTES, bytes, wrong);
                self.points.push(Point {
                    workload: self.workload.name,
                    size,
                    matcher: M::NAME,
                    matches_per_second: 1e9 / cold,
                    bytes,
                });
            }
            remove = measure::empty(&mut matcher, &filters).min(remove);
            if pass == 0 {
                let left = (alloc::in_use() - before) as f64 / 1024.0;
                self.put::<M>(LEFT, left, wrong).with_ratios = false;
            }
        }
        self.put::<M>(INSERT, insert, wrong);
        self.put::<M>(REMOVE, remove, wrong);
        if !M::LINEAR {
            let worst = measure::longest_insert::<M>(&filters, passes.min(2));
            self.put::<M>(LONGEST_INSERT, worst, wrong);
        }
    }

    fn put<M: Matcher>(&mut self, what: &str, value: f64, wrong: bool) -> &mut Row {
        self.section.put_cell(what, M::NAME, Cell { value, wrong })
    }

    /// Whether, as far as what it took at the last size tells, there is memory enough.
    fn fits<M: Matcher>(&self) -> bool {
        let bytes = self.smaller.and_then(|s| s.get(BYTES, M::NAME));
        let needed = bytes.unwrap_or(0.0) * self.workload.filters.len() as f64;
        // Half as much again for what the allocator adds.
        available_memory().is_none_or(|available| needed * 1.5 < available)
    }

    /// Whether the answers are those of the others, in batches and slices too.
    fn is_right<M: Matcher>(&mut self, matcher: &M) -> bool {
        let topics = &self.workload.topics;
        let answers = Answers::by(matcher, topics);
        let mut buffers = vec![Vec::new(); BATCH];
        let mut right = true;
        let mut batches = Vec::new();
        for topics in Answers::asked(topics).chunks(BATCH) {
            let topics: Vec<_> = topics.iter().map(|topic| M::topic(topic)).collect();
            if matcher.batch(&topics, &mut buffers) {
                batches.extend(buffers.iter_mut().take(topics.len()).map(std::mem::take));
            }
        }
        if !batches.is_empty() {
            let mut batches = batches.into_iter();
            let of_batches = Answers::of(topics, |_, found| {
                *found = batches.next().unwrap_or_default();
            });
            right &= of_batches == answers;
        }
        let mut sliced = true;
        let of_slices = Answers::of(topics, |topic, found| {
            sliced &= matcher.slices(&M::topic(topic), 3, found);
        });
        right &= !sliced || of_slices == answers;
        right && *self.expected.get_or_insert(answers) == Answers::by(matcher, topics)
    }

    /// Times all ways to match; ns for a random topic.
    fn matches<M: Matcher>(&mut self, matcher: &M, wrong: bool) -> f64 {
        let topics: Vec<_> = self.workload.topics.iter().map(|t| M::topic(t)).collect();
        let mut buffer = Vec::new();
        let cold = measure::cold(&topics, |topics| measure::ask(matcher, topics, &mut buffer));
        self.put::<M>(COLD, cold, wrong);

        let mut buffers = vec![Vec::new(); BATCH];
        if matcher.batch(&topics[..1], &mut buffers) {
            let time = measure::cold(&topics, |topics| {
                for topics in topics.chunks(BATCH) {
                    buffers.iter_mut().for_each(Vec::clear);
                    matcher.batch(black_box(topics), &mut buffers);
                    black_box(&buffers);
                }
            });
            self.put::<M>(COLD_BATCH, time, wrong);
        }
        if matcher.slices(&topics[0], STEPS, &mut buffer) {
            let time = measure::cold(&topics, |topics| {
                for topic in topics {
                    buffer.clear();
                    matcher.slices(black_box(topic), STEPS, &mut buffer);
                    black_box(&buffer);
                }
            });
            self.put::<M>(COLD_SLICES, time, wrong);
        }

        let hot = &topics[..HOT.min(topics.len())];
        let time = measure::hot(hot, |topics| measure::ask(matcher, topics, &mut buffer));
        self.put::<M>(HOT_MATCH, time, wrong);

        let matches = if self.workload.name == "W1" { 1 } else { 5 };
        let even = topics
            .into_iter()
            .take(if M::LINEAR { HOT } else { usize::MAX });
        let even: Vec<_> = even
            .filter(|topic| {
                buffer.clear();
                matcher.matches(topic, &mut buffer);
                buffer.len() == matches
            })
            .take(HOT)
            .collect();
        if even.len() == HOT {
            let time = measure::hot(&even, |topics| measure::ask(matcher, topics, &mut buffer));
            self.put::<M>(EVEN, time, wrong);
        }
        cold
    }
}

/// In bytes; `None` where the system does not tell.
fn available_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// How the time of a match grows with the number of subscriptions.
pub(crate) fn growth(sizes: &[usize], sections: &[Section]) -> Option<Section> {
    let small = sizes.iter().position(|&size| size >= FROM)?;
    let (&from, &to) = (sizes.get(small)?, sizes.last()?);
    let (of_small, of_large) = (sections.get(small)?, sections.last()?);
    let name = of_large.title.split(':').next().unwrap_or_default();
    let mut growth = Section::new(format!(
        "{name}: a match at {} by one at {}, topics with equally many matches",
        number(to as f64),
        number(from as f64)
    ));
    for &column in of_large.columns() {
        let of = |section: &Section| section.get(EVEN, column);
        if let Some((small, large)) = of(of_small).zip(of(of_large)) {
            let row = growth.put("hot, times", column, large / small);
            row.goal = Goal::AtMost(1.5);
        }
    }
    (from < to && !growth.rows.is_empty()).then_some(growth)
}
