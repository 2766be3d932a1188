//! The timers of a connection: nothing but them changes with time alone.

use core::time::Duration;

use super::{CloseCause, Core, Phase};
use crate::packet::{Disconnect, Packet};
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::types::{Role, Version};

/// A moment that may not be set.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Timer(u64);

impl Timer {
    pub(crate) const OFF: Self = Self(u64::MAX);

    /// What would be at the end of all time never comes.
    pub(crate) fn at(now: Instant, after: Duration) -> Self {
        match now.saturating_add(after) {
            Instant::LAST => Self::OFF,
            at => Self(at.as_millis()),
        }
    }

    pub(super) fn due(self, now: Instant) -> bool {
        self != Self::OFF && self.0 <= now.as_millis()
    }

    pub(super) fn instant(self) -> Option<Instant> {
        (self != Self::OFF).then_some(Instant::from_millis(self.0))
    }
}

impl Core {
    /// Starts the wait for CONNECT, CONNACK or AUTH.
    pub(crate) fn start_connect_timeout(&mut self, now: Instant) {
        self.deadline = Timer::at(now, self.options.connect_timeout());
    }

    pub(crate) fn stop_deadline(&mut self) {
        self.deadline = Timer::OFF;
    }

    /// Server: one and a half times the Keep Alive from now.
    pub(crate) fn restart_keep_alive(&mut self, now: Instant) {
        self.deadline = match self.keep_alive {
            0 => Timer::OFF,
            seconds => Timer::at(now, Duration::from_millis(u64::from(seconds) * 1500)),
        };
    }

    /// Client: something was sent at this moment. The PINGREQ goes out a little before the Keep
    /// Alive has passed, so that it is there in time (MQTT-3.1.2-20 of 5.0, MQTT-3.1.2-23 of
    /// 3.1.1).
    pub(crate) fn restart_ping(&mut self, now: Instant) {
        if self.role == Role::Client && self.phase == Phase::Connected {
            self.ping = match u64::from(self.keep_alive) * 1000 {
                0 => Timer::OFF,
                period => {
                    let early = (period / 4).min(5_000);
                    Timer::at(now, Duration::from_millis(period - early))
                }
            };
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.phase == Phase::Closed {
            return None;
        }
        let authentication = self.authentication_deadline();
        Timer(self.deadline.0.min(self.ping.0).min(authentication.0)).instant()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.deadline.due(now) && self.phase == Phase::Connected && self.is_held_by_application()
        {
            // Nobody listens: that nothing is heard proves nothing.
            self.heard(now);
        }
        if self.deadline.due(now) {
            let cause = match (self.phase, self.role) {
                (Phase::Connected, Role::Server) => CloseCause::KeepAliveTimeout,
                (Phase::Connected, Role::Client) => CloseCause::PingTimeout,
                _ => CloseCause::ConnectTimeout,
            };
            if cause == CloseCause::KeepAliveTimeout && self.version == Version::V5 {
                self.push_disconnect(&Disconnect::new(ReasonCode::KeepAliveTimeout));
            }
            self.close(cause, true);
            return;
        }
        if self.time_out_authentication(now) {
            return;
        }
        if self.ping.due(now) {
            // Only sending starts it again: a transport that takes nothing is not pinged twice.
            self.ping = Timer::OFF;
            // A server that does not even take a PINGREQ gets none, and has its silence counted.
            let _ = self.push_whole(Packet::Pingreq);
            if self.deadline == Timer::OFF {
                self.deadline = Timer::at(now, self.options.ping_timeout());
            }
        }
    }

    /// Client: the answer to a PINGREQ. While the next one has not left, the deadline stays, which
    /// [`heard`](Self::heard) has just set anew: nothing else would tell that the transport takes
    /// nothing any more. Inside a payload none waits, as none is due.
    pub(crate) fn on_pingresp(&mut self) {
        let next_waits = self.keep_alive != 0 && self.ping == Timer::OFF && !self.inside_payload;
        if !next_waits {
            self.stop_deadline();
        }
    }

    /// A whole packet came (MQTT-3.1.2-22 of 5.0, MQTT-3.1.2-24 of 3.1.1).
    pub(crate) fn heard(&mut self, now: Instant) {
        if self.phase != Phase::Connected {
            return;
        }
        match self.role {
            Role::Server => self.restart_keep_alive(now),
            // Whatever comes while a PINGRESP is due shows that the server lives.
            Role::Client => {
                if self.deadline != Timer::OFF {
                    self.deadline = Timer::at(now, self.options.ping_timeout());
                }
            }
        }
    }
}
