//! What holds in every state, and what holds at rest.

use std::collections::VecDeque;
use std::format;
use std::vec::Vec;

use super::oracle::Side;
use super::world::{Outcome, Setup, World, announced};
use crate::{ClientConnection, Instant, ServerConnection, Session};

impl World {
    /// What holds in every state.
    pub(super) fn check(&self, setup: &Setup) -> Outcome {
        for side in [Side::Client, Side::Server] {
            if self.closed(side) && setup.time.is_none() {
                return Err(match side {
                    Side::Client => format!("{:?}", self.client.as_ref().unwrap().closed()),
                    Side::Server => format!("{:?}", self.server.as_ref().unwrap().closed()),
                });
            }
            if let Some(session) = self.session(side) {
                self.oracle.check_session(side, session)?;
            }
        }
        let quotas = [
            self.client
                .as_ref()
                .filter(|end| end.is_connected())
                .map(ClientConnection::send_quota),
            self.server
                .as_ref()
                .filter(|end| end.is_connected())
                .map(ServerConnection::send_quota),
        ];
        for side in [Side::Client, Side::Server] {
            if let Some(quota) = quotas[side as usize] {
                let maximum = announced(setup, side.other());
                self.oracle.check_quota(side, quota, maximum)?;
            }
        }
        match setup.time {
            Some(time) => self.check_time(time),
            None => Ok(()),
        }
    }

    /// What holds when nothing is left to be done.
    pub(super) fn check_at_rest(&self, setup: &Setup) -> Outcome {
        let (Some(client), Some(server)) = (&self.client, &self.server) else {
            return Err("at rest without a connection".into());
        };
        if !client.is_connected() || !server.is_connected() {
            return Err("at rest and not connected".into());
        }
        if self.link.iter().any(|link| !link.is_empty()) {
            return Err("at rest with bytes under way".into());
        }
        let lost = self.losses > 0;
        for (side, unsettled) in [
            (Side::Client, client.unsettled_of_peer()),
            (Side::Server, server.unsettled_of_peer()),
        ] {
            if unsettled != (0, 0) {
                return Err(format!("{side:?} still has {unsettled:?} of the peer"));
            }
            self.oracle.check_at_rest(side, lost)?;
            let session = self.session(side).unwrap();
            let left = (session.queued(), session.in_flight(), session.dropped.len());
            if left != (0, 0, 0) {
                return Err(format!("{side:?} keeps {left:?} at rest"));
            }
            if session.received.len() > 0 && !self.oracle.is_confused() {
                return Err(format!("{side:?} keeps identifiers of the peer"));
            }
            if self.quota(side) != announced(setup, side.other()) {
                return Err(format!("{side:?} has a quota of {}", self.quota(side)));
            }
        }
        Ok(())
    }

    fn quota(&self, side: Side) -> u16 {
        match side {
            Side::Client => self.client.as_ref().map_or(0, ClientConnection::send_quota),
            Side::Server => self.server.as_ref().map_or(0, ServerConnection::send_quota),
        }
    }

    /// Where this side's session is, if it has one.
    pub(super) fn session(&self, side: Side) -> Option<&Session> {
        match side {
            Side::Client => self
                .client_session
                .as_ref()
                .or_else(|| self.client.as_ref().map(ClientConnection::session)),
            Side::Server => self.server_session.as_ref().or_else(|| {
                let server = self.server.as_ref();
                server.map(ServerConnection::session)
            }),
        }
    }

    pub(super) fn closed(&self, side: Side) -> bool {
        match side {
            Side::Client => self
                .client
                .as_ref()
                .is_some_and(|end| end.closed().is_some()),
            Side::Server => self
                .server
                .as_ref()
                .is_some_and(|end| end.closed().is_some()),
        }
    }

    pub(super) fn wants_input(&self, side: Side) -> bool {
        match side {
            Side::Client => self
                .client
                .as_ref()
                .is_some_and(ClientConnection::wants_input),
            Side::Server => self
                .server
                .as_ref()
                .is_some_and(ServerConnection::wants_input),
        }
    }

    /// Nothing under way and nothing to send.
    pub(super) fn is_quiet(&self) -> bool {
        let now = self.watch.now;
        let mut bytes = Vec::new();
        if let Some(client) = &self.client {
            client.clone().poll_transmit(now, &mut bytes, 1);
        }
        if let Some(server) = &self.server {
            server.clone().poll_transmit(now, &mut bytes, 1);
        }
        bytes.is_empty() && self.link.iter().all(VecDeque::is_empty)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let client = self
            .client
            .as_ref()
            .and_then(ClientConnection::poll_timeout);
        let server = self
            .server
            .as_ref()
            .and_then(ServerConnection::poll_timeout);
        client.into_iter().chain(server).min()
    }
}
