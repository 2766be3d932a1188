//! What time does.

use core::time::Duration;

use super::connections::AskedKind;
use super::{Broker, BrokerRecord, Client};
use crate::packet::Connack;
use crate::reason::ReasonCode;
use crate::time::Instant;

#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub(super) enum Timer {
    /// The next deadline of a connection, or of a question about it, or one before it.
    Connection(u32),
    /// The will or the end of the session of a client that is away.
    Client(u32),
}

/// What is done in one call: then others have their turn, and the time for the rest has come already.
const SOME: usize = 1024;

impl Broker {
    /// The next moment at which [`handle_timeout`](Self::handle_timeout) may have something to do: everything that time alone
    /// can change. It may turn out that the moment was put off; the next one is later then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let all = [timer, self.retained.poll_timeout(), self.sys_at];
        all.into_iter().flatten().min()
    }

    /// Does what is due at `now`, some thousand things at most; if more is due, [`poll_timeout`](Self::poll_timeout) says so.
    /// Nothing happens unless something is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.log.begin();
        for _ in 0..SOME {
            let Some(&(at, timer)) = self.timers.first().filter(|(at, _)| *at <= now) else {
                break;
            };
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Connection(slot) => self.connection_timeout(slot, now),
                Timer::Client(number) => self.client_timeout(number, now),
            }
            self.finish_closed(now);
        }
        for _ in 0..SOME {
            let Some((topic, _)) = self.retained.take_expired(now) else {
                break;
            };
            self.log.add(|| BrokerRecord::Cleared { topic });
        }
        if self.sys_at.is_some_and(|at| at <= now) {
            self.sys_at = self.options.sys_interval.map(|interval| {
                // Not twice in a millisecond.
                now + interval.max(Duration::from_millis(1))
            });
            if !self.has_many_events() {
                self.publish_counters(now);
                self.finish_closed(now);
            }
        }
    }

    fn connection_timeout(&mut self, slot: u32, now: Instant) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        connection.timer = None;
        match &connection.asked {
            None => connection.machine.handle_timeout(now),
            Some(asked) if asked.until > now => {}
            Some(asked) => {
                let is_connect = matches!(asked.kind, AskedKind::Connect);
                connection.asked = None;
                if is_connect {
                    let connack = Connack::new(ReasonCode::ServerUnavailable);
                    let _ = connection.machine.refuse(now, &connack);
                } else {
                    self.end_with(slot, now, ReasonCode::ServerBusy);
                }
            }
        }
        self.settle(slot);
    }

    /// Puts a client that is away where its next deadline is.
    pub(super) fn schedule_client(&mut self, number: u32) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let timer = Timer::Client(number);
        let next = client.will_at().into_iter().chain(client.expires_at());
        let next = next.min();
        if client.timer == next {
            return;
        }
        if let Some(old) = client.timer {
            self.timers.remove(&(old, timer));
        }
        client.timer = next;
        if let Some(next) = next {
            self.timers.insert((next, timer));
        }
    }

    fn client_timeout(&mut self, number: u32, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        client.timer = None;
        if due(client.expires_at()) {
            self.remove_client(number, now);
        } else {
            if due(client.will_at()) {
                self.publish_will(number, now);
            }
            self.schedule_client(number);
        }
    }
}

impl Client {
    /// When its session ends, if it is away and does not come back.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        let expiry = Some(self.expiry).filter(|&expiry| expiry < u32::MAX)?;
        Some(self.since? + Duration::from_secs(expiry.into()))
    }

    /// When its will is published, if it is away and does not come back.
    pub(super) fn will_at(&self) -> Option<Instant> {
        let delay = self.will.as_ref()?.delay;
        Some(self.since? + Duration::from_secs(delay.into()))
    }
}
