//! Time: it moves from deadline to deadline, and none may be missed.

use core::time::Duration;
use std::format;
use std::string::String;

use super::oracle::Side;
use super::world::{Setup, Time, World};
use crate::{ClientConnection, CloseCause, Instant, Packet, ServerConnection};

/// The clock, and what moments the rules need.
#[derive(Clone, Default, Hash)]
pub(super) struct Watch {
    pub(super) now: Instant,
    /// How often time has moved.
    pub(super) steps: u8,
    /// When the connection was made.
    connected: Instant,
    /// When either side saw the connection open.
    opened: [Option<Instant>; 2],
    /// When the server last got a packet.
    server_heard: Instant,
    /// When the client last sent a packet.
    client_sent: Instant,
    /// Since when the client waits for a sign of life after a PINGREQ.
    pinged: Option<Instant>,
    /// A PINGREQ has not left yet.
    ping_waits: bool,
}

impl Watch {
    pub(super) fn connect(&mut self) {
        self.cut();
        self.connected = self.now;
    }

    pub(super) fn cut(&mut self) {
        *self = Self {
            now: self.now,
            steps: self.steps,
            ..Self::default()
        };
    }

    pub(super) fn opened(&mut self, side: Side) {
        self.opened[side as usize] = Some(self.now);
        match side {
            // The client counts from CONNACK: it knows the server's Keep Alive only then.
            Side::Client => self.client_sent = self.now,
            Side::Server => self.server_heard = self.now,
        }
    }

    pub(super) fn leaves(&mut self, side: Side) {
        if side == Side::Client {
            self.client_sent = self.now;
            self.ping_waits = false;
        }
    }

    pub(super) fn arrives(&mut self, side: Side, packet: &Packet<'_>) {
        match side {
            Side::Server => self.server_heard = self.now,
            Side::Client if *packet == Packet::Pingresp => {
                self.pinged = self.ping_waits.then_some(self.now);
            }
            // Any packet is a sign of life.
            Side::Client => self.pinged = self.pinged.map(|_| self.now),
        }
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

impl World {
    /// Time moves to the next deadline, and those for whom it is one are told.
    pub(super) fn wait(&mut self, setup: &Setup) -> Result<(), String> {
        let prompt = setup.time.is_some_and(|time| time.prompt);
        if prompt && !self.is_quiet() {
            return Ok(());
        }
        let Some(next) = self.next_deadline() else {
            return Ok(());
        };
        if next <= self.watch.now {
            return Err("a deadline in the past".into());
        }
        self.watch.now = next;
        self.watch.steps += 1;
        let now = next;
        if let Some(client) = &mut self.client {
            client.handle_timeout(Instant::from_millis(now.as_millis() - 1));
            let due = client.poll_timeout() == Some(now);
            client.handle_timeout(now);
            if due && client.poll_timeout().is_some_and(|at| at <= now) {
                return Err("a deadline of the client that stays".into());
            }
            if due && client.closed().is_none() {
                // The only one that does not close is the ping.
                self.watch.pinged.get_or_insert(now);
                self.watch.ping_waits = true;
            }
        }
        if let Some(server) = &mut self.server {
            server.handle_timeout(Instant::from_millis(now.as_millis() - 1));
            let due = server.poll_timeout() == Some(now);
            server.handle_timeout(now);
            if due && server.closed().is_none() {
                return Err("a deadline of the server that does nothing".into());
            }
        }
        self.check_ends(prompt)
    }

    /// A connection may end by itself only when the other side was silent for as long as the rules say.
    fn check_ends(&self, prompt: bool) -> Result<(), String> {
        let now = self.watch.now;
        let ends = [
            self.client.as_ref().and_then(ClientConnection::closed),
            self.server.as_ref().and_then(ServerConnection::closed),
        ];
        for closed in ends.into_iter().flatten() {
            if prompt {
                return Err(format!("{:?} on a link that works", closed.cause));
            }
            let right = match closed.cause {
                CloseCause::PingTimeout => self
                    .watch
                    .pinged
                    .is_some_and(|since| now >= since + PING_TIMEOUT),
                CloseCause::KeepAliveTimeout => true,
                CloseCause::ConnectTimeout => now >= self.watch.connected + CONNECT_TIMEOUT,
                _ => true,
            };
            if !right {
                return Err(format!("{:?} too early", closed.cause));
            }
        }
        Ok(())
    }

    /// That each deadline is set, and neither too late nor (server) too early.
    pub(super) fn check_time(&self, time: Time) -> Result<(), String> {
        let watch = &self.watch;
        let keep_alive = Duration::from_secs(time.keep_alive.into());
        if let Some(client) = self.client.as_ref().filter(|end| end.closed().is_none()) {
            let latest = match (watch.opened[Side::Client as usize], watch.pinged) {
                (None, _) => watch.connected + CONNECT_TIMEOUT,
                (Some(_), None) => watch.client_sent + keep_alive,
                (Some(_), Some(since)) => since + PING_TIMEOUT,
            };
            if client.poll_timeout().is_none_or(|at| at > latest) {
                return Err(format!(
                    "the client's next deadline is {:?}, {latest:?} is due",
                    client.poll_timeout()
                ));
            }
        }
        if let Some(server) = self.server.as_ref().filter(|end| end.closed().is_none()) {
            let due = match watch.opened[Side::Server as usize] {
                None => watch.connected + CONNECT_TIMEOUT,
                Some(_) => watch.server_heard + keep_alive * 3 / 2,
            };
            if server.poll_timeout() != Some(due) {
                return Err(format!(
                    "the server's next deadline is {:?}, {due:?} is due",
                    server.poll_timeout()
                ));
            }
        }
        Ok(())
    }
}
