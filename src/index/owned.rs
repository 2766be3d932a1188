//! For each subscriber the names of its filters: a run of subscribers, in which one that has a single filter has its name
//! in place, and any other a run of names.

use super::run::Store;
use super::tree::Name;

/// In the place of a key: there is a run.
const RUN: u32 = u32::MAX;

pub(super) struct Owned {
    /// Subscriber, then a name or a run; 0: none.
    subscribers: u32,
}

const fn word((node, key): Name) -> u64 {
    (node as u64) << 32 | key as u64
}

impl Owned {
    pub(super) const fn new() -> Self {
        Self { subscribers: 0 }
    }

    fn entry(&self, store: &Store, subscriber: u32) -> Option<Name> {
        let place = store.find::<1>(self.subscribers, subscriber.into())?;
        Some((store.read(place, 1), store.read(place, 2)))
    }

    fn set(&mut self, store: &mut Store, subscriber: u32, (first, second): Name) {
        if let Some(place) = store.find::<1>(self.subscribers, subscriber.into()) {
            store.write(place, 1, first);
            store.write(place, 2, second);
        }
    }

    pub(super) fn add(&mut self, store: &mut Store, subscriber: u32, name: Name) {
        match self.entry(store, subscriber) {
            None => {
                let entry = [subscriber, name.0, name.1];
                self.subscribers = match self.subscribers {
                    0 => store.new_run(0, entry),
                    run => store.insert::<1, 3>(run, entry),
                };
            }
            Some((run, RUN)) => {
                let new = store.insert::<2, 2>(run, name.into());
                if new != run {
                    self.set(store, subscriber, (new, RUN));
                }
            }
            Some(only) => {
                let run = store.new_run(0, <[u32; 2]>::from(only));
                let run = store.insert::<2, 2>(run, name.into());
                self.set(store, subscriber, (run, RUN));
            }
        }
    }

    pub(super) fn remove(&mut self, store: &mut Store, subscriber: u32, name: Name) {
        match self.entry(store, subscriber) {
            Some((run, RUN)) => {
                let new = store.remove::<2, 2>(run, word(name));
                match store.only::<2>(new) {
                    Some([first, second]) => {
                        store.arena.free(new);
                        self.set(store, subscriber, (first, second));
                    }
                    None if new != run => self.set(store, subscriber, (new, RUN)),
                    None => {}
                }
            }
            Some(only) if only == name => {
                self.subscribers = store.remove::<1, 3>(self.subscribers, subscriber.into());
            }
            _ => {}
        }
    }

    /// The first name from one on.
    pub(super) fn next(&self, store: &Store, subscriber: u32, from: u64) -> Option<Name> {
        match self.entry(store, subscriber)? {
            (run, RUN) => {
                let chunk = store.chunk::<2>(run, from)?;
                Some((*chunk.column(0).first()?, *chunk.column(1).first()?))
            }
            only => Some(only).filter(|&only| word(only) >= from),
        }
    }

    /// From where to look for the name behind one.
    pub(super) const fn behind(name: Name) -> u64 {
        word(name) + 1
    }
}
