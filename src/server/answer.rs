//! What the application answers: CONNECT, SUBSCRIBE and UNSUBSCRIBE.

use alloc::vec::Vec;

use super::{AcceptError, AcceptErrorReason, ServerConnection};
use crate::connection::{
    CloseCause, Core, Features, Phase, ReplyError, ReplyErrorReason, RequestError, RequestToken,
};
use crate::packet::{Connack, Packet, Suback, Unsuback};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::session::Session;
use crate::time::Instant;
use crate::types::{PacketId, PacketType, Role, Version};

impl ServerConnection {
    /// Accepts the client: CONNACK is sent, and a resumed session sends again what is not settled
    /// (MQTT-3.1.4-5, MQTT-4.4.0-1 of 5.0; MQTT-3.1.4-4, MQTT-4.4.0-1 of 3.1.1).
    ///
    /// `session` is the stored one of this client, if there is one to resume; Session Present is
    /// written accordingly, whatever `connack` says. 3.1 has none.
    ///
    /// `connack.reason` is Success. Its properties are the application's, save for Receive Maximum,
    /// Maximum Packet Size and Topic Alias Maximum, which are written from the options. What it
    /// declares unavailable (Maximum QoS, Retain Available, Wildcard, Shared, Subscription
    /// Identifier Available) is enforced, its Server Keep Alive obeyed. Before 5.0 the properties are
    /// left out.
    ///
    /// # Errors
    ///
    /// No CONNECT waits for an answer, or an AUTH of ours does; a session was given to a clean start; CONNACK is not one of
    /// success, lacks the Assigned Client Identifier or the Authentication Method that it must
    /// have, declares unavailable what the will needs, or cannot be encoded or does not fit. The
    /// session comes back, and the client waits for another answer.
    pub fn accept(
        &mut self,
        now: Instant,
        session: Option<Session>,
        connack: &Connack<'_>,
    ) -> Result<(), AcceptError> {
        let resumed = session.is_some();
        if let Err(reason) = self.push_connack(resumed, connack) {
            return Err(AcceptError {
                session: session.map(Into::into),
                reason,
            });
        }
        let core = &mut self.core;
        let properties = match core.version {
            Version::V31 | Version::V311 => Properties::new(),
            _ => connack.properties,
        };
        core.peer.features = Features::from_properties(&properties);
        // MQTT-3.2.2-22 of 5.0: without it, that of CONNECT.
        core.keep_alive = properties.server_keep_alive().unwrap_or(core.keep_alive);
        if let Some(seconds) = properties.session_expiry_interval() {
            core.session_expiry_interval = seconds;
        }
        core.session = session.unwrap_or_default();
        core.session.attach(&core.options);
        core.open(resumed);
        core.rest();
        core.restart_keep_alive(now);
        Ok(())
    }

    /// Whether [`accept`](Self::accept) could be done, with or without a session.
    pub(crate) fn check_accept(&mut self, connack: &Connack<'_>) -> Result<(), AcceptErrorReason> {
        let length = self.core.waiting_bytes();
        let result = self.push_connack(false, connack);
        self.core.take_back(length);
        result
    }

    fn push_connack(
        &mut self,
        resumed: bool,
        connack: &Connack<'_>,
    ) -> Result<(), AcceptErrorReason> {
        let core = &mut self.core;
        if core.phase != Phase::Connecting {
            return Err(RequestError::NotOpen.into());
        }
        if connack.reason.is_error() {
            return Err(RequestError::ReasonCode(connack.reason).into());
        }
        if resumed && core.clean_start {
            return Err(AcceptErrorReason::CleanStart);
        }
        let announced = if core.version != Version::V5 {
            Vec::new()
        } else {
            let properties = &connack.properties;
            if core.client_id_empty && properties.assigned_client_identifier().is_none() {
                return Err(AcceptErrorReason::ClientIdentifier);
            }
            if properties.response_information().is_some() && !core.peer.response_information {
                return Err(AcceptErrorReason::ResponseInformation);
            }
            if core.awaits_auth() {
                return Err(RequestError::AuthenticationOrder.into());
            }
            // MQTT-4.12.0-5, MQTT-4.12.0-6 of 5.0.
            if properties.authentication_method() != core.authentication_method() {
                return Err(RequestError::AuthenticationMethod.into());
            }
            let features = Features::from_properties(properties);
            if let Some((qos, retain)) = core.will {
                // MQTT-3.2.2-12, MQTT-3.2.2-13 of 5.0.
                if qos > features.maximum_qos {
                    return Err(RequestError::NotSupported(ReasonCode::QosNotSupported).into());
                }
                if retain && !features.retain {
                    return Err(RequestError::NotSupported(ReasonCode::RetainNotSupported).into());
                }
            }
            Core::announce(&core.options, core.version, *properties)?
        };
        let properties = Properties::from(&announced[..]);
        let connack = Connack {
            session_present: resumed && core.version != Version::V31,
            properties,
            ..*connack
        };
        Ok(core.push_trimmed(Packet::from(connack))?)
    }

    /// Refuses the client and closes (MQTT-3.2.2-7 of 5.0, MQTT-3.2.2-5 of 3.1.1). A client before
    /// 5.0 gets a CONNACK only where that version has a return code for the reason (MQTT-3.2.2-6).
    ///
    /// # Errors
    ///
    /// No CONNECT waits for an answer, the reason is not one of 0x80 and above that CONNACK can
    /// have, or CONNACK cannot be encoded.
    pub fn refuse(&mut self, _now: Instant, connack: &Connack<'_>) -> Result<(), RequestError> {
        let core = &mut self.core;
        if core.phase != Phase::Connecting {
            return Err(RequestError::NotOpen);
        }
        let reason = connack.reason;
        if !reason.is_error() || !reason.allowed_in(PacketType::Connack, Some(Role::Server)) {
            return Err(RequestError::ReasonCode(reason));
        }
        match core.version {
            Version::V31 | Version::V311 => core.push_refusal(reason),
            _ => match core.push_trimmed(Packet::from(Connack {
                session_present: false,
                ..*connack
            })) {
                // Even without its properties: then the close has to say it.
                Err(RequestError::TooLarge { .. }) => {}
                result => result?,
            },
        }
        core.close(CloseCause::Refused(reason), false);
        Ok(())
    }

    /// Answers a SUBSCRIBE: one reason code for each filter, in their order (MQTT-3.8.4-6,
    /// MQTT-3.9.3-1 of 5.0; MQTT-3.8.4-5, MQTT-3.9.3-1 of 3.1.1). To a 3.1.1 client any failure is
    /// 0x80, to a 3.1 client it is a granted QoS 0; for both the properties are left out.
    ///
    /// # Errors
    ///
    /// The number of codes is wrong, a code is not for SUBACK, the packet is too large for the
    /// client, or the token is of another connection. The token comes back.
    pub fn suback(
        &mut self,
        token: RequestToken,
        codes: &[ReasonCode],
        properties: Properties<'_>,
    ) -> Result<(), ReplyError> {
        match self.version() {
            version @ (Version::V31 | Version::V311) => {
                let failure = match version {
                    // There is none: the answer has to be positive (3.1, section 3.8).
                    Version::V31 => ReasonCode::GRANTED_QOS_0,
                    _ => ReasonCode::UnspecifiedError,
                };
                let codes: Vec<ReasonCode> = codes
                    .iter()
                    .map(|&code| if code.is_error() { failure } else { code })
                    .collect();
                self.reply(token, true, codes.len(), |packet_id| {
                    let properties = Properties::new();
                    Packet::from(Suback {
                        packet_id,
                        reason_codes: codes[..].into(),
                        properties,
                    })
                })
            }
            _ => self.reply(token, true, codes.len(), |packet_id| {
                Packet::from(Suback {
                    packet_id,
                    reason_codes: codes.into(),
                    properties,
                })
            }),
        }
    }

    /// Answers an UNSUBSCRIBE: one reason code for each filter, in their order (MQTT-3.11.3-1,
    /// MQTT-3.11.3-2 of 5.0). Before 5.0 a client gets neither codes nor properties.
    ///
    /// # Errors
    ///
    /// As [`suback`](Self::suback).
    pub fn unsuback(
        &mut self,
        token: RequestToken,
        codes: &[ReasonCode],
        properties: Properties<'_>,
    ) -> Result<(), ReplyError> {
        let version = self.version();
        self.reply(token, false, codes.len(), |packet_id| {
            let full = Unsuback {
                packet_id,
                reason_codes: codes.into(),
                properties,
            };
            Packet::from(match version {
                Version::V31 | Version::V311 => Unsuback {
                    reason_codes: [].as_slice().into(),
                    properties: Properties::new(),
                    ..full
                },
                _ => full,
            })
        })
    }

    fn reply<'p>(
        &mut self,
        token: RequestToken,
        subscribe: bool,
        given: usize,
        packet: impl FnOnce(PacketId) -> Packet<'p>,
    ) -> Result<(), ReplyError> {
        let core = &mut self.core;
        let filters = token.filters;
        let reason = if token.connection != core.token() || token.subscribe != subscribe {
            ReplyErrorReason::StaleToken
        } else if given != filters {
            ReplyErrorReason::Count { given, filters }
        } else if let Err(error) = core.require_connected() {
            error.into()
        } else if let Err(error) = core.push_trimmed(packet(token.packet_id)) {
            error.into()
        } else {
            core.request_answered();
            core.rest();
            return Ok(());
        };
        Err(ReplyError { token, reason })
    }
}
