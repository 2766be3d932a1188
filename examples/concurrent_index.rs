//! Matching on many threads while others change the subscriptions: one index behind a `ShardedLock` of the crate
//! `crossbeam-utils`. It is an `RwLock` in several pieces: readers of different threads take different pieces, so they
//! do not slow each other down; a writer takes them all.
//!
//! A change holds the lock for about a microsecond, and what may take long can be done in parts with the lock given
//! back in between: matching with `matches_some`, removing a subscriber with the limit of `remove_subscriber`.
//!
//! ```sh
//! cargo run --release --example concurrent_index
//! ```

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_utils::sync::ShardedLock;
use sansio_mqtt::{
    IndexOptions, Subscriber, SubscriberId, SubscriptionIndex, SubscriptionOptions, TopicError,
    TopicFilter, TopicName, Version,
};

/// How many subscriptions of a subscriber are removed at a time.
const AT_A_TIME: usize = 64;

fn main() -> Result<(), TopicError> {
    let index = SubscriptionIndex::new(IndexOptions::new());
    let index = &ShardedLock::new(index);
    let over = &AtomicBool::new(false);
    let topic = &TopicName::new("sensors/7/temperature")?;

    thread::scope(|scope| {
        for number in 0..2 {
            scope.spawn(move || {
                let (mut matches, mut most, mut found) = (0_u64, 0, Vec::new());
                while !over.load(Ordering::Relaxed) {
                    // The index does not panic, so what a thread that does has left behind is whole.
                    let index = index.read().unwrap_or_else(PoisonError::into_inner);
                    index.matches_into(topic, &mut found);
                    // Give the lock back before sending.
                    drop(index);
                    matches += 1;
                    most = most.max(found.len());
                }
                println!("reader {number}: {matches} matches, up to {most} subscribers");
            });
        }

        let write = || index.write().unwrap_or_else(PoisonError::into_inner);
        let subscribers = (0..100_000).map(SubscriberId::new);
        for id in subscribers.clone() {
            let subscriber = Subscriber {
                id,
                options: SubscriptionOptions::default(),
                identifier: None,
            };
            let level = id.get() % 10;
            let filter = TopicFilter::new(Version::V5, format!("sensors/{level}/#"))?;
            if let Err(error) = write().insert(&filter, subscriber) {
                println!("{error}"); // to be said in the SUBACK
            }
        }
        for id in subscribers {
            while write().remove_subscriber(id, AT_A_TIME) == AT_A_TIME {}
        }
        over.store(true, Ordering::Relaxed);
        Ok(())
    })
}
