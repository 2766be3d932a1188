//! What the peer sends on an open connection and both roles treat alike: messages, the
//! acknowledgements of ours, AUTH and DISCONNECT.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::{
    AckToken, AcknowledgeError, CloseCause, ConnectionNumber, Core, Incoming, Phase, RequestError,
};
use crate::packet::{Ack, Disconnect, Publish};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::session::{Change, Entry, IdSet, PublishHandle, State};
use crate::types::{PacketId, PacketType, QoS, Role, Version};
use crate::violation::Violation;

/// What the peer has opened on this connection and is not settled.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Received {
    /// In the order of arrival; acknowledgements leave from its front only (MQTT-4.6.0-2,
    /// MQTT-4.6.0-3, in 3.1.1 and in 5.0).
    pending: VecDeque<Pending>,
    /// Sequence number of `pending`'s front.
    first: u32,
    /// What counts against our Receive Maximum.
    open: IdSet,
}

impl Received {
    fn from(first: u32) -> Box<Self> {
        Box::new(Self {
            first,
            ..Self::default()
        })
    }

    pub(super) fn first(&self) -> u32 {
        self.first
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.open.len() == 0
    }

    /// Whether the acknowledgement of such a message is still to be sent.
    fn awaits(&self, id: PacketId, qos: QoS) -> bool {
        let mut pending = self.pending.iter();
        pending.any(|pending| pending.id == id && pending.qos == qos)
    }
}

/// A QoS 1 or 2 PUBLISH whose PUBACK or PUBREC is not in `control` yet.
#[cfg_attr(test, derive(Clone, Hash))]
struct Pending {
    id: PacketId,
    qos: QoS,
    reason: Option<ReasonCode>,
    /// PUBREL has come meanwhile: it leaves without a trace.
    superseded: bool,
}

impl Core {
    /// A message from the peer; `None`: the application has it already.
    #[inline]
    pub(crate) fn on_publish(&mut self, publish: &Publish<'_>) -> Result<Option<Taken>, Violation> {
        let is_plain = publish.packet_id.is_none()
            && publish.topic_alias.is_none()
            && (!publish.retain || self.role == Role::Client);
        if is_plain {
            // Whatever QoS and RETAIN are allowed, this is.
            Ok(Some(Taken::default()))
        } else {
            self.take(publish)
        }
    }

    fn take(&mut self, publish: &Publish<'_>) -> Result<Option<Taken>, Violation> {
        let aliased = self.admit(publish)?;
        let ack = match publish.packet_id {
            None => None,
            Some(id) => match self.admit_delivery(id, publish.qos)? {
                Delivery::New => self.expect_acknowledgement(id, publish.qos),
                Delivery::Again => {
                    self.acknowledge_again(id);
                    return Ok(None);
                }
                Delivery::Awaited => return Ok(None),
            },
        };
        Ok(Some(Taken { ack, aliased }))
    }

    /// Whether the server has what the message asks for, and the topic that its alias stands for.
    #[inline(always)]
    pub(super) fn admit(&mut self, publish: &Publish<'_>) -> Result<Option<Bytes>, Violation> {
        if self.role == Role::Server {
            let features = &self.peer.features;
            if publish.qos > features.maximum_qos {
                return Err(Violation::QosNotSupported);
            }
            if publish.retain && !features.retain {
                return Err(Violation::RetainNotSupported);
            }
        }
        if let Some(alias) = publish.topic_alias {
            if alias > self.options.topic_alias_maximum() {
                return Err(Violation::TopicAliasTooLarge);
            }
            let aliases = &mut self.rare().inbound_aliases;
            if publish.topic.is_empty() {
                return Ok(Some(
                    aliases.get(alias).ok_or(Violation::TopicAliasUnknown)?,
                ));
            }
            aliases.set(alias, publish.topic);
        }
        Ok(None)
    }

    /// Whether the peer may send this now, and whether the application has had it.
    #[inline(always)]
    pub(super) fn admit_delivery(&mut self, id: PacketId, qos: QoS) -> Result<Delivery, Violation> {
        if qos == QoS::AtLeastOnce && !self.options.manual_acknowledgement() {
            self.take_automatically(id)?;
            Ok(Delivery::New)
        } else {
            self.take_delivery(id, qos)
        }
    }

    /// Messages whose acknowledgement is not given yet, or waits behind such a one.
    pub(super) fn pending(&self) -> usize {
        self.received.as_ref().map_or(0, |peer| peer.pending.len())
    }

    /// A QoS 1 message that is acknowledged before anything else is looked at: it takes no place among
    /// what is open, but there must be one.
    fn take_automatically(&self, id: PacketId) -> Result<(), Violation> {
        if let Some(peer) = &self.received {
            if peer.open.contains(id) {
                return Err(Violation::PacketIdInUse);
            }
            if self.version == Version::V5
                && peer.open.len() >= usize::from(self.options.receive_maximum())
            {
                return Err(Violation::ReceiveMaximumExceeded);
            }
        }
        Ok(())
    }

    /// For the exploration of all states: acknowledgements not sent, and identifiers that count against our Receive Maximum.
    #[cfg(all(test, feature = "std"))]
    pub(crate) fn unsettled_of_peer(&self) -> (usize, usize) {
        let peer = self.received.as_ref();
        peer.map_or((0, 0), |peer| (peer.pending.len(), peer.open.len()))
    }

    /// Whether this is a message that the application has not had.
    fn take_delivery(&mut self, id: PacketId, qos: QoS) -> Result<Delivery, Violation> {
        let peer = self
            .received
            .get_or_insert_with(|| Received::from(self.next_sequence));
        let received = qos == QoS::ExactlyOnce && self.session.received.contains(id);
        if !peer.open.insert(id) {
            return if received {
                // MQTT-4.3.3-10 of 5.0, MQTT-4.3.3-2 of 3.1.1.
                Ok(Delivery::Again)
            } else if self.version != Version::V5 && peer.awaits(id, qos) {
                // A resend while the application still has the first (3.1.1 §4.4, 3.1 §4.2 allow it): the
                // acknowledgement that is due answers both.
                Ok(Delivery::Awaited)
            } else {
                // 5.0 forbids it within a connection (MQTT-4.4.0-1); in either version an
                // identifier in use is not for another message (MQTT-2.2.1-3, MQTT-2.2.1-4 of 5.0,
                // MQTT-2.3.1-2, MQTT-2.3.1-4 of 3.1.1).
                Err(Violation::PacketIdInUse)
            };
        }
        if self.version == Version::V5
            && peer.open.len() > usize::from(self.options.receive_maximum())
        {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        if received {
            // Sent again after a reconnect; the application had it on an earlier connection.
            return Ok(Delivery::Again);
        }
        Ok(Delivery::New)
    }

    /// A PUBREC for a QoS 2 message that is ours already, in its place among the others.
    pub(super) fn acknowledge_again(&mut self, id: PacketId) {
        let reason = Some(ReasonCode::Success);
        let peer = self
            .received
            .get_or_insert_with(|| Received::from(self.next_sequence));
        peer.pending.push_back(Pending {
            id,
            qos: QoS::ExactlyOnce,
            reason,
            superseded: false,
        });
        self.flush_acknowledgements();
    }

    #[inline(always)]
    pub(super) fn expect_acknowledgement(&mut self, id: PacketId, qos: QoS) -> Option<AckToken> {
        if !self.options.manual_acknowledgement() {
            if qos == QoS::ExactlyOnce {
                // The application gets it now: should the connection end before PUBREC is sent, the
                // peer sends it again and it must not be delivered twice.
                self.remember(id);
            }
            self.automatic = Some((id, qos));
            return None;
        }
        let sequence = self.next_sequence();
        let peer = self
            .received
            .get_or_insert_with(|| Received::from(self.next_sequence));
        peer.pending.push_back(Pending {
            id,
            qos,
            reason: None,
            superseded: false,
        });
        Some(AckToken {
            connection: self.connection,
            sequence,
        })
    }

    /// That of the next message to be acknowledged.
    pub(super) fn next_sequence(&self) -> u32 {
        self.received.as_ref().map_or(0, |peer| {
            let index = u32::try_from(peer.pending.len()).unwrap_or(u32::MAX);
            peer.first.wrapping_add(index)
        })
    }

    pub(crate) fn acknowledge(
        &mut self,
        token: &AckToken,
        reason: ReasonCode,
    ) -> Result<(), AcknowledgeError> {
        if let Some(result) = self.acknowledge_arriving(token, reason) {
            return result;
        }
        let pending = self.received.as_ref().and_then(|peer| {
            let index = token.sequence.wrapping_sub(peer.first);
            peer.pending.get(index as usize)
        });
        let Some(pending) = pending.filter(|pending| pending.reason.is_none()) else {
            return Err(AcknowledgeError::StaleToken);
        };
        if token.connection != self.connection || self.phase != Phase::Connected {
            return Err(AcknowledgeError::StaleToken);
        }
        self.check_acknowledgement(pending.qos, reason)?;
        let pending = self.received.as_mut().and_then(|peer| {
            let index = token.sequence.wrapping_sub(peer.first);
            peer.pending.get_mut(index as usize)
        });
        let Some(pending) = pending else {
            return Err(AcknowledgeError::StaleToken);
        };
        pending.reason = Some(reason);
        if pending.qos == QoS::ExactlyOnce && !reason.is_error() {
            let id = pending.id;
            self.remember(id);
        }
        self.flush_acknowledgements();
        Ok(())
    }

    /// The application has a QoS 2 message, until PUBREL comes.
    fn remember(&mut self, packet_id: PacketId) {
        if self.session.received.insert(packet_id) {
            self.session.record(|| Change::Received { packet_id });
        }
    }

    /// What begins every `receive`: the application has had the last message, so its automatic
    /// acknowledgement is due.
    #[inline]
    pub(crate) fn begin_receive(&mut self) {
        if let Some((id, qos)) = self.automatic.take() {
            // Nothing may follow DISCONNECT (MQTT-3.14.4-1, in 3.1.1 and in 5.0).
            if self.phase == Phase::Connected {
                let packet_type = match qos {
                    QoS::ExactlyOnce => PacketType::Pubrec,
                    _ => PacketType::Puback,
                };
                self.push_ack(packet_type, &Ack::new(id));
            }
        }
    }

    /// Puts the acknowledgements that are given on the wire, in the order of arrival.
    pub(super) fn flush_acknowledgements(&mut self) {
        while let Some((packet_type, ack)) = self.next_acknowledgement() {
            self.push_ack(packet_type, &ack);
        }
    }

    /// Takes the next one, if it is given.
    fn next_acknowledgement(&mut self) -> Option<(PacketType, Ack<'static>)> {
        let peer = self.received.as_mut()?;
        loop {
            let front = peer.pending.front()?;
            let (id, qos, reason, superseded) =
                (front.id, front.qos, front.reason?, front.superseded);
            peer.pending.pop_front();
            peer.first = peer.first.wrapping_add(1);
            if superseded {
                continue;
            }
            let ack = Ack {
                reason,
                ..Ack::new(id)
            };
            if qos == QoS::ExactlyOnce {
                if reason.is_error() {
                    // MQTT-4.3.3-9 of 5.0: the identifier is free again.
                    peer.open.remove(id);
                }
                return Some((PacketType::Pubrec, ack));
            }
            peer.open.remove(id);
            return Some((PacketType::Puback, ack));
        }
    }

    /// The peer has our PUBREC. It settles no message of ours.
    pub(crate) fn on_pubrel(&mut self, ack: &Ack<'_>) -> Result<Option<PublishHandle>, Violation> {
        self.check_problem_information(&ack.properties)?;
        let mut answer = Ack::new(ack.packet_id);
        if self.session.received.remove(ack.packet_id) {
            self.session.record(|| Change::Forgotten {
                packet_id: ack.packet_id,
            });
            if let Some(peer) = &mut self.received {
                peer.open.remove(ack.packet_id);
                // A PUBREC that repeats an earlier one and waits for its turn would come too late,
                // and be taken for the answer to the next message under this identifier.
                for pending in &mut peer.pending {
                    pending.superseded |= pending.id == ack.packet_id && pending.reason.is_some();
                }
            }
        } else if self.version == Version::V5 {
            // 3.1.1 answers alike whether it knows the identifier or not (MQTT-4.3.3-2).
            answer.reason = ReasonCode::PacketIdentifierNotFound;
        }
        self.push_ack(PacketType::Pubcomp, &answer);
        Ok(None)
    }

    /// The message that PUBACK settles; `None`: late or never asked for, nothing to settle.
    #[inline]
    pub(crate) fn on_puback(&mut self, ack: &Ack<'_>) -> Result<Option<PublishHandle>, Violation> {
        self.check_problem_information(&ack.properties)?;
        if self.inside_payload {
            self.check_payload_sent(ack)?;
        }
        match self.session.in_flight.get(ack.packet_id) {
            None => Ok(None),
            Some(Entry {
                state: State::Publish { message, .. },
                ..
            }) if message.qos() == QoS::AtLeastOnce => Ok(self.settle(ack.packet_id)),
            Some(_) => Err(Violation::AckUnexpected),
        }
    }

    /// The message that a failing PUBREC settles; the others are answered with PUBREL.
    pub(crate) fn on_pubrec(&mut self, ack: &Ack<'_>) -> Result<Option<PublishHandle>, Violation> {
        self.check_problem_information(&ack.properties)?;
        if self.inside_payload {
            self.check_payload_sent(ack)?;
        }
        let mut answer = Ack::new(ack.packet_id);
        match self.session.in_flight.get(ack.packet_id) {
            None => {
                if ack.reason.is_error() {
                    return Ok(None);
                }
                if self.version == Version::V5 {
                    answer.reason = ReasonCode::PacketIdentifierNotFound;
                }
            }
            Some(entry) => match &entry.state {
                State::Publish { message, .. } if message.qos() == QoS::ExactlyOnce => {
                    if ack.reason.is_error() {
                        return Ok(self.settle(ack.packet_id));
                    }
                    // MQTT-4.3.3-4 and MQTT-4.3.3-6 of 5.0, MQTT-4.3.3-1 of 3.1.1: the peer has
                    // the message, which is never sent again.
                    self.session.in_flight.release(ack.packet_id);
                    self.session.record(|| Change::Released {
                        packet_id: ack.packet_id,
                    });
                }
                // A repeated answer: our PUBREL may be on its way still.
                State::Release => {}
                _ => return Err(Violation::AckUnexpected),
            },
        }
        self.push_ack(PacketType::Pubrel, &answer);
        Ok(None)
    }

    /// The message that PUBCOMP settles.
    pub(crate) fn on_pubcomp(&mut self, ack: &Ack<'_>) -> Result<Option<PublishHandle>, Violation> {
        self.check_problem_information(&ack.properties)?;
        match self.session.in_flight.get(ack.packet_id) {
            None => Ok(None),
            Some(Entry {
                state: State::Release,
                ..
            }) => Ok(self.settle(ack.packet_id)),
            Some(_) => Err(Violation::AckUnexpected),
        }
    }

    /// Ends an exchange of ours: the identifier and its place in the quota are free (5.0 §4.9).
    fn settle(&mut self, id: PacketId) -> Option<PublishHandle> {
        let settled = self.session.in_flight.settle(id)?;
        self.session.record(|| Change::Settled { packet_id: id });
        self.sent = self.sent.saturating_sub(u16::from(settled.counted));
        settled.handle.map(PublishHandle)
    }

    /// The peer ends the connection.
    pub(crate) fn on_disconnect(&mut self, disconnect: &Disconnect<'_>) -> Result<(), Violation> {
        if let Some(expiry) = disconnect.properties.session_expiry_interval() {
            if self.session_is_brief && expiry != 0 {
                // Not a valid DISCONNECT, so the will stays due (5.0 §3.14.2.2.2).
                return Err(Violation::SessionExpiryRaised);
            }
            self.session_expiry_interval = expiry;
            self.note_restart();
        }
        // MQTT-3.14.4-3, in 3.1.1 and in 5.0.
        let discards_will =
            self.role == Role::Server && disconnect.reason == ReasonCode::NORMAL_DISCONNECTION;
        self.close(
            CloseCause::PeerDisconnected(disconnect.reason),
            !discards_will,
        );
        Ok(())
    }

    /// A client that declined Reason Strings and User Properties gets none (5.0 §3.1.2.11.7).
    pub(crate) fn check_problem_information(
        &self,
        properties: &Properties<'_>,
    ) -> Result<(), Violation> {
        let declined = self.role == Role::Client && !self.problem_information;
        if declined
            && !properties.is_empty()
            && (properties.reason_string().is_some()
                || properties.user_properties().next().is_some())
        {
            return Err(Violation::ProblemInformationNotRequested);
        }
        Ok(())
    }

    /// One of the four acknowledgements. A server whose Maximum Packet Size is below its four or five
    /// bytes has said that it takes none (MQTT-3.2.2-15 of 5.0); a client with such a limit cannot even
    /// take CONNACK.
    #[inline]
    fn push_ack(&mut self, packet_type: PacketType, ack: &Ack<'static>) {
        if ack.encoded_len(self.version) <= self.peer.maximum_packet_size as usize {
            let _ = ack.write(packet_type, self.version, &mut self.control);
        }
    }

    /// Server: one more request is with the application.
    pub(crate) fn request_opened(&mut self) {
        self.open_requests += 1;
    }

    /// Server: one of them is answered.
    pub(crate) fn request_answered(&mut self) {
        self.open_requests = self.open_requests.saturating_sub(1);
    }

    pub(crate) fn token(&self) -> ConnectionNumber {
        self.connection
    }

    /// What a role does with a request that makes no sense now.
    pub(crate) fn require_connected(&self) -> Result<(), RequestError> {
        match self.phase {
            Phase::Connected => Ok(()),
            _ => Err(RequestError::NotOpen),
        }
    }
}

/// What the event of a message has besides the packet.
#[derive(Default)]
pub(crate) struct Taken {
    ack: Option<AckToken>,
    aliased: Option<Bytes>,
}

impl Taken {
    #[inline(always)]
    pub(crate) fn with<'i>(self, publish: &Publish<'i>) -> Incoming<'i> {
        Incoming {
            publish: *publish,
            ack: self.ack,
            aliased: self.aliased,
        }
    }
}

pub(super) enum Delivery {
    New,
    /// One of QoS 2 that the application has had.
    Again,
    /// One whose acknowledgement is still to be sent: it answers this one, too.
    Awaited,
}
