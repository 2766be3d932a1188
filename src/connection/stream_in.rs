//! A PUBLISH of the peer that comes in pieces: a head, then its payload as the transport gives it.
//!
//! The head is checked as a whole message is. What a complete message leaves behind (the identifier of
//! QoS 2 in the session, the acknowledgement that is due) is done with the last byte of its payload and
//! not before, so that a cut in the middle leaves nothing behind.

use super::inbound::Delivery;
use super::{AckToken, AcknowledgeError, Core, IncomingHead, Phase};
use crate::packet::{Form, PacketStart, PayloadChunks, PublishHead};
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::types::{PacketId, PacketType, QoS, Version};
use crate::violation::Violation;
use crate::wire::MAXIMUM_PACKET_SIZE;

/// A message of which the payload is not complete.
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Arriving {
    payload: PayloadChunks,
    id: Option<PacketId>,
    due: Due,
    /// The acknowledgement, given before it may be sent.
    reason: Option<ReasonCode>,
}

/// What the last byte brings about. A word of its own, since QoS and [`Delivery`] would take more room in every
/// connection.
#[derive(Copy, Clone, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
enum Due {
    Nothing,
    Puback,
    Pubrec,
    /// The application has had the message and is not given it again; PUBREC says so once more.
    PubrecAgain,
    /// It has had it, and has yet to acknowledge it.
    NothingAgain,
}

/// What is at the beginning of the input.
pub(crate) enum Piece<'i> {
    /// Nothing that comes in pieces.
    Whole,
    /// Nothing that can be told.
    Wait,
    /// Something that is not for the application.
    Again,
    Head(IncomingHead<'i>),
    Payload {
        chunk: &'i [u8],
        last: bool,
    },
}

impl Core {
    /// Whether messages may come in pieces.
    #[inline]
    pub(crate) fn takes_pieces(&self) -> bool {
        self.options.whole_publish_limit() < MAXIMUM_PACKET_SIZE
    }

    #[inline(never)]
    pub(crate) fn next_piece<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Piece<'i> {
        if self.phase == Phase::Closed {
            return Piece::Whole;
        }
        let piece = if self.arriving.is_some() {
            // Not held up by a backlog: it adds nothing to it, and what we send may wait for it, where a
            // message is passed on while it comes.
            self.next_chunk(now, input)
        } else if self.is_backlogged() {
            Piece::Whole
        } else {
            self.next_head(now, input)
        };
        match piece {
            Piece::Wait if self.drop_undeliverable(now) => Piece::Again,
            piece => piece,
        }
    }

    fn next_head<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Piece<'i> {
        let options = self.options.decode();
        match Form::of(self.version, options, input) {
            Form::Whole => return Piece::Whole,
            // Before CONNECT the options have a limit for that.
            Form::TooLarge(_) if self.phase == Phase::AwaitConnect => return Piece::Whole,
            Form::TooLarge(error) => self.fail(error),
            Form::Pieces => match PacketStart::decode(self.version, options, input) {
                Ok(Some(PacketStart::Head(head))) => {
                    self.trace_received(&head);
                    self.heard(now);
                    match self.on_head(&head) {
                        Ok(Some(incoming)) => return Piece::Head(incoming),
                        Ok(None) => {}
                        Err(violation) => self.violate(violation, PacketType::Publish),
                    }
                }
                Ok(_) => return Piece::Wait,
                Err(error) => self.fail(error),
            },
        }
        Piece::Again
    }

    fn on_head<'i>(
        &mut self,
        head: &PublishHead<'i>,
    ) -> Result<Option<IncomingHead<'i>>, Violation> {
        match self.phase {
            Phase::Connected => {}
            // MQTT-3.1.0-1, in 3.1.1 and in 5.0.
            Phase::AwaitConnect => return Err(Violation::FirstPacketNotConnect),
            _ => return Err(Violation::UnexpectedPacket),
        }
        let publish = head.publish;
        let aliased = self.admit(&publish)?;
        let (due, is_new) = match publish.packet_id {
            None => (Due::Nothing, true),
            Some(id) => match (self.admit_delivery(id, publish.qos)?, publish.qos) {
                (Delivery::New, QoS::ExactlyOnce) => (Due::Pubrec, true),
                (Delivery::New, _) => (Due::Puback, true),
                (Delivery::Again, _) => (Due::PubrecAgain, false),
                (Delivery::Awaited, _) => (Due::NothingAgain, false),
            },
        };
        let is_acknowledged = matches!(due, Due::Puback | Due::Pubrec);
        let ack = (is_acknowledged && self.options.manual_acknowledgement()).then(|| AckToken {
            connection: self.connection,
            sequence: self.next_sequence(),
        });
        self.arriving = Some(Arriving {
            payload: head.payload(),
            id: publish.packet_id,
            due,
            reason: None,
        });
        Ok(is_new.then_some(IncomingHead {
            publish,
            payload_len: head.payload_len,
            ack,
            aliased,
        }))
    }

    fn next_chunk<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Piece<'i> {
        let Some(arriving) = &mut self.arriving else {
            return Piece::Wait;
        };
        let chunk = arriving.payload.take(input);
        let last = arriving.payload.is_done();
        let is_again = matches!(arriving.due, Due::PubrecAgain | Due::NothingAgain);
        if chunk.is_empty() && !last {
            return Piece::Wait;
        }
        if !chunk.is_empty() {
            // The rules for time speak of packets; but who is sending one is not silent, and cannot
            // say so with another.
            self.heard(now);
            self.postpone_auth(now);
        }
        if last {
            self.complete();
        }
        if is_again {
            Piece::Again
        } else {
            Piece::Payload { chunk, last }
        }
    }

    /// The last byte has come.
    fn complete(&mut self) {
        let Some(Arriving {
            id: Some(id),
            due,
            reason,
            ..
        }) = self.arriving.take()
        else {
            return;
        };
        let qos = match due {
            Due::Puback => QoS::AtLeastOnce,
            Due::Pubrec => QoS::ExactlyOnce,
            Due::PubrecAgain => return self.acknowledge_again(id),
            Due::Nothing | Due::NothingAgain => return,
        };
        if let (Some(token), Some(reason)) = (self.expect_acknowledgement(id, qos), reason) {
            // Found right when it was given.
            let _ = self.acknowledge(&token, reason);
        }
    }

    /// An acknowledgement for the message that is not complete: kept until it is. `None`: it is for
    /// another one.
    pub(super) fn acknowledge_arriving(
        &mut self,
        token: &AckToken,
        reason: ReasonCode,
    ) -> Option<Result<(), AcknowledgeError>> {
        let qos = match self.arriving.as_ref()?.due {
            Due::Puback => QoS::AtLeastOnce,
            Due::Pubrec => QoS::ExactlyOnce,
            _ => return None,
        };
        let is_next = token.sequence == self.next_sequence();
        let is_ours = token.connection == self.connection && self.phase == Phase::Connected;
        if !is_next || !is_ours {
            return None;
        }
        Some(
            self.check_acknowledgement(qos, reason)
                .and_then(|()| match &mut self.arriving {
                    Some(Arriving {
                        reason: place @ None,
                        ..
                    }) => {
                        *place = Some(reason);
                        Ok(())
                    }
                    _ => Err(AcknowledgeError::StaleToken),
                }),
        )
    }

    /// The reason codes that acknowledge a message of this QoS from this side.
    pub(super) fn check_acknowledgement(
        &self,
        qos: QoS,
        reason: ReasonCode,
    ) -> Result<(), AcknowledgeError> {
        let packet_type = match qos {
            QoS::ExactlyOnce => PacketType::Pubrec,
            _ => PacketType::Puback,
        };
        let allowed = match self.version {
            Version::V31 | Version::V311 => reason == ReasonCode::Success,
            _ => reason.allowed_in(packet_type, Some(self.role)),
        };
        if allowed {
            Ok(())
        } else {
            Err(AcknowledgeError::ReasonCode(reason))
        }
    }
}
