//! Readers on threads of their own while one thread writes.

use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::sync::ShardedLock;
use left_right::{Absorb, ReadHandle, WriteHandle};
use sansio_mqtt::{SubscriberId, SubscriptionIndex, TopicFilter, TopicName};

use crate::matcher::{self, Matcher, Ours, take};
use crate::table::{Section, number};
use crate::workloads;
use crate::{alloc, say};

const FOR: Duration = Duration::from_millis(400);
/// Changes that become visible together.
const GROUP: usize = 16;
/// Between groups, if the writer has other things to do: 16,000 changes in a second, less what the groups take.
const PAUSE: Duration = Duration::from_millis(1);

/// What the writer does to a subscription of the subscriber of this number.
#[derive(Clone)]
enum Change {
    Insert(TopicFilter<'static>, u32),
    Remove(TopicFilter<'static>, u32),
}

impl Change {
    fn apply(&self, index: &mut SubscriptionIndex) {
        match self {
            Self::Insert(filter, number) => {
                index
                    .insert(filter, matcher::subscriber(*number))
                    .expect("there is room");
            }
            Self::Remove(filter, number) => {
                index.remove(filter, SubscriberId::new(*number));
            }
        }
    }
}

/// A way to share an index.
trait Sharing {
    const NAME: &'static str;
    type Writer: Send;
    type Reader: Send + Clone;

    fn new() -> (Self::Writer, Self::Reader);
    fn change(writer: &mut Self::Writer, changes: Vec<Change>);
    fn matches(reader: &Self::Reader, topic: &TopicName<'_>, out: &mut Vec<u32>);
}

/// One index behind a lock, which is taken for each match and each change.
struct Locked<L>(PhantomData<L>);

trait Lock: Send + Sync {
    const NAME: &'static str;
    fn new(index: SubscriptionIndex) -> Self;
    fn read(&self, act: impl FnOnce(&SubscriptionIndex));
    fn write(&self, act: impl FnOnce(&mut SubscriptionIndex));
}

impl<L: Lock> Sharing for Locked<L> {
    const NAME: &'static str = L::NAME;
    type Writer = Arc<L>;
    type Reader = Arc<L>;

    fn new() -> (Self::Writer, Self::Reader) {
        let index = Arc::new(L::new(Ours::<true>::new().0));
        (index.clone(), index)
    }

    fn change(writer: &mut Self::Writer, changes: Vec<Change>) {
        for change in changes {
            writer.write(|index| change.apply(index));
        }
    }

    fn matches(reader: &Self::Reader, topic: &TopicName<'_>, out: &mut Vec<u32>) {
        reader.read(|index| index.matches(topic, |hit| take(hit, out)));
    }
}

macro_rules! lock {
    ($type:ident, $name:literal) => {
        impl Lock for $type<SubscriptionIndex> {
            const NAME: &'static str = $name;

            fn new(index: SubscriptionIndex) -> Self {
                $type::new(index)
            }

            fn read(&self, act: impl FnOnce(&SubscriptionIndex)) {
                act(&self.read().unwrap_or_else(PoisonError::into_inner));
            }

            fn write(&self, act: impl FnOnce(&mut SubscriptionIndex)) {
                act(&mut self.write().unwrap_or_else(PoisonError::into_inner));
            }
        }
    };
}
lock!(RwLock, "RwLock");
// Readers of different threads take different ones of several locks, a writer takes all.
lock!(ShardedLock, "ShardedLock");

/// Two indexes that take turns, and readers that wait for nothing.
struct LeftRight;

struct Half(SubscriptionIndex);

impl Default for Half {
    fn default() -> Self {
        Self(Ours::<true>::new().0)
    }
}

impl Absorb<Change> for Half {
    fn absorb_first(&mut self, change: &mut Change, _: &Self) {
        change.apply(&mut self.0);
    }

    fn sync_with(&mut self, first: &Self) {
        for (filter, subscriber) in first.0.iter() {
            self.0.insert(&filter, subscriber).expect("there is room");
        }
    }
}

impl Sharing for LeftRight {
    const NAME: &'static str = "left-right";
    type Writer = WriteHandle<Half, Change>;
    type Reader = ReadHandle<Half>;

    fn new() -> (Self::Writer, Self::Reader) {
        let (mut writer, reader) = left_right::new();
        writer.publish();
        (writer, reader)
    }

    fn change(writer: &mut Self::Writer, changes: Vec<Change>) {
        writer.extend(changes);
        writer.publish();
    }

    fn matches(reader: &Self::Reader, topic: &TopicName<'_>, out: &mut Vec<u32>) {
        let half = reader.enter().expect("the writer is there");
        half.0.matches(topic, |hit| take(hit, out));
    }
}

#[derive(Copy, Clone)]
enum Pace {
    None,
    Modest,
    Full,
}

pub(crate) fn section(size: usize) -> Section {
    say("concurrency");
    let mut section = Section::new(format!(
        "readers while one writes, {} subscriptions (W2), with lists; in a second",
        number(size as f64)
    ));
    let workload = workloads::w2(size);
    let filters: Vec<TopicFilter<'static>> = workload
        .filters
        .iter()
        .map(|filter| matcher::filter(filter).into_owned())
        .collect();
    let topics: Vec<TopicName<'_>> = workload.topics.iter().map(|t| matcher::topic(t)).collect();
    measure::<Locked<RwLock<_>>>(&filters, &topics, &mut section);
    measure::<Locked<ShardedLock<_>>>(&filters, &topics, &mut section);
    measure::<LeftRight>(&filters, &topics, &mut section);
    section
}

fn measure<S: Sharing>(
    filters: &[TopicFilter<'static>],
    topics: &[TopicName<'_>],
    section: &mut Section,
) {
    let before = alloc::in_use();
    let (mut writer, reader) = S::new();
    for (numbers, filters) in (0..filters.len()).step_by(GROUP).zip(filters.chunks(GROUP)) {
        let all = (u32::try_from(numbers).unwrap_or(0)..).zip(filters);
        let all = all.map(|(number, filter)| Change::Insert(filter.clone(), number));
        S::change(&mut writer, all.collect());
    }
    let bytes = (alloc::in_use() - before) as f64 / filters.len() as f64;
    section.put("bytes a subscription", S::NAME, bytes);

    for (pace, what) in [
        (Pace::None, "no writer"),
        (Pace::Modest, "a writer with pauses"),
        (Pace::Full, "a writer without"),
    ] {
        for readers in [1, 2] {
            let (matches, changes) =
                together::<S>(&mut writer, &reader, filters, topics, readers, pace);
            let what = format!("{what}, {readers} reading");
            section.put(&format!("{what}: matches"), S::NAME, matches);
            if !matches!(pace, Pace::None) {
                section.put(&format!("{what}: changes"), S::NAME, changes);
            }
        }
    }
}

/// Matches and changes in a second.
fn together<S: Sharing>(
    writer: &mut S::Writer,
    reader: &S::Reader,
    filters: &[TopicFilter<'static>],
    topics: &[TopicName<'_>],
    readers: usize,
    pace: Pace,
) -> (f64, f64) {
    let over = AtomicBool::new(false);
    let start = Instant::now();
    let (matches, changes) = thread::scope(|scope| {
        let readers: Vec<_> = (0..readers)
            .map(|n| {
                let (reader, over) = (reader.clone(), &over);
                let topics = &topics[n * topics.len() / readers..];
                scope.spawn(move || {
                    let mut found = Vec::new();
                    let mut count = 0_usize;
                    for topic in topics.iter().cycle() {
                        found.clear();
                        S::matches(&reader, topic, &mut found);
                        black_box(&found);
                        count += 1;
                        if over.load(Relaxed) {
                            break;
                        }
                    }
                    count
                })
            })
            .collect();
        let mut changes = 0_usize;
        // Each of a group goes and comes again.
        let groups = filters.chunks_exact(GROUP / 2).enumerate().cycle();
        for (group, filters) in groups {
            if start.elapsed() >= FOR {
                break;
            }
            if matches!(pace, Pace::None) {
                thread::sleep(PAUSE);
                continue;
            }
            let first = u32::try_from(group * filters.len()).unwrap_or(0);
            let removes = (first..).zip(filters);
            let removes = removes.map(|(number, filter)| Change::Remove(filter.clone(), number));
            let inserts = (first..).zip(filters);
            let inserts = inserts.map(|(number, filter)| Change::Insert(filter.clone(), number));
            S::change(writer, removes.chain(inserts).collect());
            changes += GROUP;
            if matches!(pace, Pace::Modest) {
                thread::sleep(PAUSE);
            }
        }
        over.store(true, Relaxed);
        let readers = readers.into_iter().map(thread::ScopedJoinHandle::join);
        let matches: usize = readers.map(|count| count.expect("no panic")).sum();
        (matches, changes)
    });
    let seconds = start.elapsed().as_secs_f64();
    (matches as f64 / seconds, changes as f64 / seconds)
}
