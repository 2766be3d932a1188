use alloc::collections::{BTreeMap, BTreeSet};

use super::tree::Name;
use crate::time::Instant;

/// When values expire, by their number. Takes memory for those only that do.
pub(super) struct Expiries {
    of: BTreeMap<u32, (Instant, Name)>,
    due: BTreeSet<(Instant, u32)>,
}

impl Expiries {
    pub(super) const fn new() -> Self {
        Self {
            of: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Without what the maps add.
    pub(super) fn heap_bytes(&self) -> usize {
        self.of.len() * size_of::<(u32, (Instant, Name), Instant, u32)>()
    }

    pub(super) fn get(&self, number: u32) -> Option<Instant> {
        self.of.get(&number).map(|of| of.0)
    }

    /// In place of what was set before.
    pub(super) fn set(&mut self, number: u32, at: Option<Instant>, name: Name) {
        self.remove(number);
        if let Some(at) = at {
            self.of.insert(number, (at, name));
            self.due.insert((at, number));
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        let Some((at, _)) = self.of.remove(&number) else {
            return;
        };
        self.due.remove(&(at, number));
        if self.of.is_empty() {
            // An emptied map keeps a node.
            *self = Self::new();
        }
    }

    pub(super) fn rename(&mut self, number: u32, name: Name) {
        if let Some(of) = self.of.get_mut(&number) {
            of.1 = name;
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|due| due.0)
    }

    /// The name of one that has expired.
    pub(super) fn expired(&self, now: Instant) -> Option<Name> {
        let (_, number) = self.due.first().filter(|due| due.0 <= now)?;
        self.of.get(number).map(|of| of.1)
    }
}
