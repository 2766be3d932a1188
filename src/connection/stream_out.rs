//! A message of ours whose payload the application keeps: its head goes out like any packet, then the
//! payload as the application gives it. Until it is complete nothing else can be sent.

use super::timers::Timer;
use super::{Core, PayloadWanted, Phase};
use crate::packet::{Ack, PayloadChunks};
use crate::session::PublishHandle;
use crate::time::Instant;
use crate::types::PacketId;
use crate::violation::Violation;

/// The message that is going out.
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Departing {
    handle: u64,
    id: Option<PacketId>,
    /// It was sent before.
    dup: bool,
    payload_len: u32,
    payload: PayloadChunks,
}

impl Core {
    /// The head of a message has gone out.
    #[cold]
    #[inline(never)]
    pub(super) fn begin_payload(
        &mut self,
        handle: u64,
        id: Option<PacketId>,
        dup: bool,
        payload_len: u32,
    ) {
        self.inside_payload = true;
        // Not even PINGREQ can be sent, and none is due: Keep Alive is the time between the end of a
        // packet and the beginning of the next (MQTT-3.1.2-20 of 5.0, MQTT-3.1.2-23 of 3.1.1).
        self.ping = Timer::OFF;
        self.rare().departing = Some(Departing {
            handle,
            id,
            dup,
            payload_len,
            payload: PayloadChunks::new(payload_len),
        });
    }

    pub(crate) fn payload_wanted(&self) -> Option<PayloadWanted> {
        if self.phase != Phase::Connected {
            return None;
        }
        let departing = self.rare.as_ref()?.departing.as_ref()?;
        let remaining = departing.payload.remaining();
        Some(PayloadWanted {
            handle: PublishHandle(departing.handle),
            offset: departing.payload_len.saturating_sub(remaining),
            remaining,
        })
    }

    pub(crate) fn transmit_payload<'b>(&mut self, now: Instant, bytes: &mut &'b [u8]) -> &'b [u8] {
        if !self.inside_payload || self.phase != Phase::Connected {
            return &[];
        }
        let rare = self.rare();
        let Some(departing) = &mut rare.departing else {
            return &[];
        };
        let chunk = departing.payload.take(bytes);
        if departing.payload.is_done() {
            rare.departing = None;
            self.inside_payload = false;
            self.restart_ping(now);
        }
        chunk
    }

    /// A peer that has taken a message whose payload it does not have is not to be believed: it would
    /// be lost. It may refuse it, and it may have had it when it was sent before.
    #[cold]
    #[inline(never)]
    pub(super) fn check_payload_sent(&self, ack: &Ack<'_>) -> Result<(), Violation> {
        let departing = self.rare.as_ref().and_then(|rare| rare.departing.as_ref());
        match departing {
            Some(departing)
                if departing.id == Some(ack.packet_id)
                    && !departing.dup
                    && !ack.reason.is_error() =>
            {
                Err(Violation::AckUnexpected)
            }
            _ => Ok(()),
        }
    }
}
