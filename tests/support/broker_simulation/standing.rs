//! What the broker has to know of a client: whether there is a session, and what becomes of the will. After a crash some of
//! it is not sure.

use std::time::Duration;

use sansio_mqtt::{ConnectionId, Instant};

/// What has to become of a will.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Fate {
    Published,
    NotPublished,
    /// Its connection stands, or either may be right.
    Open,
}

#[derive(Copy, Clone)]
pub(crate) struct WaitingWill {
    pub(crate) message: usize,
    pub(crate) delay: u32,
}

#[derive(Default)]
pub(crate) struct Standing {
    pub(crate) exists: bool,
    /// A crash may have taken the last connect back.
    pub(crate) is_unsure: bool,
    pub(crate) link: Option<ConnectionId>,
    pub(crate) connect_step: u64,
    pub(crate) is_connack_seen: bool,
    pub(crate) expiry: u32,
    /// When it left: not before the first, not after the second.
    pub(crate) ended: Option<(Instant, Instant)>,
    pub(crate) end_step: u64,
    pub(crate) will: Option<WaitingWill>,
    /// Fates that a crash may change, with the step at which they were sealed.
    pub(crate) sealed: Vec<(u64, usize)>,
}

fn later(instant: Instant, seconds: u32) -> Instant {
    instant + Duration::from_secs(seconds.into())
}

/// A will and its fate.
pub(crate) type Sealed = Option<(usize, Fate)>;

impl Standing {
    fn seal(&mut self, step: u64, fate: Fate) -> Sealed {
        let will = self.will.take()?;
        self.sealed.push((step, will.message));
        Some((will.message, fate))
    }

    /// The broker has seen the end of the connection.
    pub(crate) fn left(&mut self, now: Instant, step: u64, is_normal: bool) -> Sealed {
        self.link = None;
        self.ended = Some((now, now));
        self.end_step = step;
        self.exists = self.expiry > 0;
        let is_due = self.expiry == 0 || self.will.is_some_and(|will| will.delay == 0);
        match (is_normal, is_due) {
            (true, _) => self.seal(step, Fate::NotPublished),
            (false, true) => self.seal(step, Fate::Published),
            (false, false) => None,
        }
    }

    /// Whether there is a session to go on with; `None`: it is not sure.
    pub(crate) fn is_present(&self, now: Instant) -> Option<bool> {
        if self.is_unsure {
            return None;
        }
        let Some((first, last)) = self.ended.filter(|_| self.exists) else {
            return Some(false);
        };
        if self.expiry == u32::MAX || now < later(first, self.expiry) {
            Some(true)
        } else if now >= later(last, self.expiry) {
            Some(false)
        } else {
            None
        }
    }

    /// What becomes of a will that waits, if the client connects now.
    pub(crate) fn come_back(&mut self, now: Instant, step: u64, is_clean: bool) -> Sealed {
        let fate = match (self.will, self.ended) {
            (Some(will), Some((first, last))) if !self.is_unsure => {
                let delay = will.delay.min(self.expiry);
                if now >= later(last, delay) {
                    Fate::Published
                } else if now < later(first, delay) {
                    match is_clean {
                        true => Fate::Published,
                        false => Fate::NotPublished,
                    }
                } else {
                    Fate::Open
                }
            }
            _ => Fate::Open,
        };
        self.seal(step, fate)
    }

    /// The broker has what was stored up to a step, and takes everybody for gone. Gives the wills whose fate is new.
    pub(crate) fn crash(&mut self, now: Instant, step: u64, stored: u64) -> Vec<(usize, Fate)> {
        let mut fates: Vec<_> = self
            .sealed
            .drain(..)
            .filter(|(sealed, _)| *sealed > stored)
            .map(|(_, will)| (will, Fate::Open))
            .collect();
        let is_lost = self.connect_step > stored && !self.is_connack_seen;
        if is_lost {
            self.is_unsure = true;
            fates.extend(self.seal(step, Fate::Open));
        }
        if self.link.is_some() {
            fates.extend(self.left(now, step, false));
        } else if self.end_step > stored {
            fates.extend(self.seal(step, Fate::Open));
            if let Some((_, last)) = &mut self.ended {
                *last = now;
            }
        }
        fates
    }
}
