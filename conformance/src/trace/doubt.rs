//! What is to be done again, alone: where time decides, and where another case may have brought the target down.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::interrupt::is_interrupted;
use super::link::Target;
use super::probe::answer;
use super::run::{MISSING, NOTHING};
use crate::verdict::{Outcome, Verdict};

/// For a target that is down to be up again. Whoever supervises it needs some seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// Failures for want of an answer that are tried again: one that is slow under load may have the time, one that does not answer at
/// all is not waited for in each case twice.
const MOST_LATE: usize = 100;

/// Outcomes that wait for a decision.
pub(crate) struct Doubts<'j, J> {
    /// Where time decides, a failure beside other cases says little.
    again: Vec<(&'j J, Outcome)>,
    /// Failures, with their end: they count unless the target went down meanwhile.
    failed: Vec<(&'j J, Outcome, Instant)>,
    /// How many have had no answer.
    late: usize,
    /// When the target was found dead, from and until.
    deaths: Vec<(Instant, Instant)>,
}

impl<'j, J> Doubts<'j, J> {
    pub(crate) fn new() -> Self {
        Self {
            again: Vec::new(),
            failed: Vec::new(),
            late: 0,
            deaths: Vec::new(),
        }
    }

    /// Gives the outcome back if nothing of it is in doubt. `is_shared`: other cases have the same server.
    pub(crate) fn consider(
        &mut self,
        job: &'j J,
        is_timed: bool,
        is_shared: bool,
        outcome: Outcome,
    ) -> Option<Outcome> {
        let Verdict::Fail(failure) = &outcome.verdict else {
            return Some(outcome);
        };
        let now = Instant::now();
        if failure.is_dead && is_shared {
            let begin = now.checked_sub(outcome.took).unwrap_or(now);
            self.deaths.push((begin, now + PATIENCE));
        }
        let is_late = failure.seen == NOTHING || failure.seen == MISSING;
        self.late += usize::from(is_late);
        if failure.is_dead || is_timed || is_late && self.late <= MOST_LATE {
            self.again.push((job, outcome));
        } else {
            self.failed.push((job, outcome, now));
        }
        None
    }

    /// What is to be done again, each with what it was, and what stays as it is.
    pub(crate) fn decide(self) -> Decided<'j, J> {
        let Self {
            mut again,
            failed,
            deaths,
            ..
        } = self;
        let mut stays = Vec::new();
        for (job, outcome, end) in failed {
            let begin = end.checked_sub(outcome.took).unwrap_or(end);
            let is_near = |(from, until): &(Instant, Instant)| begin <= *until && end >= *from;
            match deaths.iter().any(is_near) {
                true => again.push((job, outcome)),
                false => stays.push((job, outcome)),
            }
        }
        Decided { again, stays }
    }
}

pub(crate) struct Decided<'j, J> {
    pub(crate) again: Vec<(&'j J, Outcome)>,
    pub(crate) stays: Vec<(&'j J, Outcome)>,
}

/// Waits until the target answers a CONNECT, if it does so in time.
pub(crate) fn is_back(target: &Target, version: &str, run: &str) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        if answer(target, version, &format!("{run}back"), json!({})) {
            return true;
        }
        if Instant::now() >= end || is_interrupted() {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
}
