//! How many cases ended in which way.

use crate::run::Standing;

#[derive(Default)]
pub(super) struct Tally {
    counts: [usize; 7],
    /// Number of the first one in the list of failures.
    pub(super) failed: Option<usize>,
}

impl Tally {
    /// `listed` is the number in the list of failures.
    pub(super) fn add(&mut self, result: Standing, listed: Option<usize>) {
        for (count, standing) in self.counts.iter_mut().zip(Standing::ALL) {
            if standing == result {
                *count += 1;
            }
        }
        if result.is_failure() && self.failed.is_none() {
            self.failed = listed;
        }
    }

    fn of(&self, standing: Standing) -> usize {
        let mut all = Standing::ALL.iter().zip(self.counts);
        all.find(|(one, _)| **one == standing)
            .map_or(0, |(_, count)| count)
    }

    pub(super) fn class(&self) -> &'static str {
        let has = |standing| self.of(standing) > 0;
        if has(Standing::Failed) || has(Standing::UnexpectedPass) {
            "bad"
        } else if has(Standing::KnownFailing) || has(Standing::Should) || has(Standing::NonStrict) {
            "part"
        } else if has(Standing::Passed) {
            "ok"
        } else {
            "none"
        }
    }

    /// All that were put to the target.
    pub(super) fn put(&self) -> usize {
        self.counts.iter().sum::<usize>() - self.of(Standing::Skipped)
    }

    /// Those that hold: a reading that the standard allows does, too.
    pub(super) fn kept(&self) -> usize {
        self.of(Standing::Passed) + self.of(Standing::NonStrict)
    }

    pub(super) fn text(&self) -> String {
        let all = Standing::ALL.iter().zip(self.counts);
        all.filter(|(_, count)| *count > 0)
            .map(|(standing, count)| format!("{count} {}", standing.name()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A title and a text for a cell, which beside others is short.
    pub(super) fn cell(&self, runs: usize) -> (String, String) {
        let words = self.text();
        if runs == 1 {
            return (String::new(), words);
        }
        let shown = match self.put() {
            0 => "skipped".into(),
            put if self.kept() == put => put.to_string(),
            put => format!("{} of {put}", self.kept()),
        };
        match self.class() {
            "ok" => (String::new(), shown),
            _ => (format!(" title=\"{words}\""), shown),
        }
    }
}
