//! DISCONNECT (section 3.14).

use alloc::vec::Vec;

use super::{Frame, check_reason, first_byte};
use crate::property::{Context, Properties, SESSION_EXPIRY_INTERVAL};
use crate::reason::ReasonCode;
use crate::types::{PacketType, Role, Version};
use crate::violation::Violation;
use crate::wire::{EncodeError, Fault, Reader, writer};

/// The last packet of a connection (section 3.14). The default is a normal disconnection.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Disconnect<'a> {
    /// In 3.1.1, where only the client sends the packet, always [`ReasonCode::NORMAL_DISCONNECTION`].
    pub reason: ReasonCode,
    /// 5.0: Session Expiry Interval (from a client only), Reason String, Server Reference, User Properties.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// Without properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let mut disconnect = Self::default();
        // 3.1.1 has neither. In 5.0 what is left out is 0x00, and no properties (section 3.14.2).
        if frame.version == Version::V5 && !reader.is_empty() {
            disconnect.reason = frame.read_reason(reader)?;
            if !reader.is_empty() {
                // [MQTT-3.14.2-2]
                let context = match frame.options.sender {
                    Some(Role::Server) => Context::DISCONNECT
                        .forbidding(SESSION_EXPIRY_INTERVAL, Violation::SessionExpiryFromServer),
                    Some(Role::Client) | None => Context::DISCONNECT,
                };
                disconnect.properties = Properties::read(reader, context)?;
            }
        }
        Ok(disconnect)
    }

    /// Appends the packet to `out` in its shortest form.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode).
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if version == Version::V311 && self.reason != ReasonCode::NORMAL_DISCONNECTION {
            return Err(EncodeError::NeedsV5);
        }
        check_reason(self.reason, PacketType::Disconnect)?;
        self.properties.check_block(version, Context::DISCONNECT)?;
        writer::begin(
            out,
            first_byte(PacketType::Disconnect),
            self.remaining_length(version),
        )?;
        if !self.properties.is_empty() {
            out.push(self.reason.as_u8());
            self.properties.write_block(version, out);
        } else if self.reason != ReasonCode::NORMAL_DISCONNECTION {
            out.push(self.reason.as_u8());
        }
        Ok(())
    }

    /// The number of bytes that [`Disconnect::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(version))
    }

    fn remaining_length(&self, version: Version) -> usize {
        if !self.properties.is_empty() {
            writer::total([1, self.properties.block_len(version)])
        } else if self.reason != ReasonCode::NORMAL_DISCONNECTION {
            1
        } else {
            0
        }
    }
}

impl Default for Disconnect<'_> {
    fn default() -> Self {
        Self::new(ReasonCode::NORMAL_DISCONNECTION)
    }
}
