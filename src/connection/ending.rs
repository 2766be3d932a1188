//! How a connection ends, and what the peer is told.

use super::{CloseCause, Closed, Core, Phase, RequestError, Timer};
use crate::packet::{Connack, Disconnect, Packet};
use crate::reason::ReasonCode;
use crate::session::Session;
use crate::types::{PacketType, Role, Version};
use crate::violation::{DecodeError, Violation};

/// Where the protocol version stands in a CONNECT, at the least: behind a fixed header of two bytes
/// and the protocol name.
const LEVEL: usize = 2 + 2 + 4;

impl Core {
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.closed
    }

    /// Ends the connection; the first cause stays.
    pub(crate) fn close(&mut self, cause: CloseCause, abnormal: bool) {
        if self.phase == Phase::Closed {
            return;
        }
        // A will is stored with an accepted connection only (MQTT-3.1.2-7 of 5.0, MQTT-3.1.2-8 of
        // 3.1.1).
        let will_due = abnormal && self.will.is_some() && self.phase == Phase::Connected;
        if self.role == Role::Server && self.phase != Phase::Connected {
            // Not accepted: whatever session the client has is not the empty one in here.
            self.session_expiry_interval = 0;
        }
        self.phase = Phase::Closed;
        self.trace_state(format_args!("closed: {cause}"));
        self.session.take_requests();
        self.deadline = Timer::OFF;
        self.ping = Timer::OFF;
        self.closed = Some(Closed {
            cause,
            will_due,
            session_expiry_interval: self.session_expiry_interval,
        });
    }

    /// The peer broke a rule that the bytes alone do not show.
    pub(crate) fn violate(&mut self, violation: Violation, packet_type: PacketType) {
        self.fail(DecodeError::new(
            violation,
            Some(packet_type),
            self.version,
            0,
        ));
    }

    /// The peer broke a rule: says so where the standard has a packet for it, and closes
    /// (5.0 §4.13.1, MQTT-4.8.0-1 of 3.1.1).
    pub(crate) fn fail(&mut self, error: DecodeError) {
        let reason = error.violation().reason_code();
        match (self.role, self.phase) {
            (Role::Server, Phase::AwaitConnect) => {
                // To whatever is no CONNECT the answer is silence: DISCONNECT is not allowed
                // (MQTT-3.14.0-1 of 5.0) and CONNACK answers nothing. Nor is there an answer in a
                // version that is not known yet.
                if error.packet_type() == Some(PacketType::Connect) && error.offset() >= LEVEL {
                    self.answer_bad_connect(&error);
                }
            }
            (Role::Server, Phase::Connecting) => self.push_refusal(reason),
            _ => {
                if self.version == Version::V5 {
                    let reason = if reason.allowed_in(PacketType::Disconnect, Some(self.role)) {
                        reason
                    } else {
                        ReasonCode::ProtocolError
                    };
                    self.push_disconnect(&Disconnect::new(reason));
                }
            }
        }
        self.close(CloseCause::Violation(error), true);
    }

    fn answer_bad_connect(&mut self, error: &DecodeError) {
        match error.violation() {
            // Something else than MQTT has come to this port.
            Violation::ProtocolName => {}
            // In the form that the client can read (MQTT-3.1.2-2, in 3.1.1 and in 5.0).
            Violation::ProtocolVersionLegacy => {
                self.version = Version::V311;
                self.push_refusal(ReasonCode::UnsupportedProtocolVersion);
            }
            Violation::ProtocolVersion => {
                self.version = Version::V5;
                self.push_refusal(ReasonCode::UnsupportedProtocolVersion);
            }
            // Before 5.0 it closes without CONNACK (MQTT-3.1.4-1 of 3.1.1; 3.1 §3.1).
            _ => {
                self.version = error.version();
                if self.version == Version::V5 {
                    self.push_refusal(error.violation().reason_code());
                }
            }
        }
    }

    /// A CONNACK of refusal, where the version has the code.
    pub(crate) fn push_refusal(&mut self, reason: ReasonCode) {
        let reason = if self.version != Version::V5
            || reason.allowed_in(PacketType::Connack, Some(Role::Server))
        {
            reason
        } else {
            ReasonCode::ProtocolError
        };
        // 3.1.1 closes without CONNACK where no return code fits (MQTT-3.2.2-6 of 3.1.1), 5.0 where
        // the client takes no packet of five bytes: then nothing is encoded.
        let _ = self.push_whole(Packet::from(Connack::new(reason)));
    }

    /// The last packet, trimmed to what the peer takes; nothing where even that is too much.
    pub(crate) fn push_disconnect(&mut self, disconnect: &Disconnect<'_>) {
        let _ = self.push_trimmed(Packet::from(*disconnect));
    }

    pub(crate) fn receive_eof(&mut self) {
        self.close(CloseCause::Eof, true);
    }

    pub(crate) fn disconnect(&mut self, disconnect: &Disconnect<'_>) -> Result<(), RequestError> {
        let connected = match self.role {
            // A client may leave at any time after CONNECT.
            Role::Client => self.phase != Phase::Closed,
            Role::Server => self.phase == Phase::Connected,
        };
        if !connected {
            return Err(RequestError::NotOpen);
        }
        if !disconnect
            .reason
            .allowed_in(PacketType::Disconnect, Some(self.role))
        {
            return Err(RequestError::ReasonCode(disconnect.reason));
        }
        let expiry = disconnect.properties.session_expiry_interval();
        if let Some(expiry) = expiry {
            let raised = self.session_is_brief && expiry != 0;
            if raised || self.role == Role::Server {
                return Err(RequestError::SessionExpiry);
            }
        }
        let mut told = true;
        if self.version != Version::V5 && self.role == Role::Server {
            // 3.1.1 has no DISCONNECT from a server: it closes (3.1.1 §3.14).
        } else if self.inside_payload {
            return Err(RequestError::PayloadIncomplete);
        } else {
            match self.push_trimmed(Packet::from(*disconnect)) {
                // Even without its properties: then the close has to say it, and the rest stays unsaid.
                Err(RequestError::TooLarge { .. }) => told = false,
                result => result?,
            }
        }
        if told {
            self.session_expiry_interval = expiry.unwrap_or(self.session_expiry_interval);
            self.note_restart();
        }
        let discards_will =
            told && self.role == Role::Client && disconnect.reason == ReasonCode::Success;
        self.close(CloseCause::Disconnected(disconnect.reason), !discards_will);
        Ok(())
    }

    pub(crate) fn into_session(mut self) -> Session {
        self.take_session()
    }

    pub(crate) fn take_session(&mut self) -> Session {
        self.session.detach();
        core::mem::take(&mut self.session)
    }
}
