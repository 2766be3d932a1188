//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7), which differ in their type and their reason codes only.

use alloc::vec::Vec;

use super::{check_reason, first_byte, read_reason};
use crate::property::{Context, Properties};
use crate::reason::ReasonCode;
use crate::types::{PacketId, PacketType, Role, Version};
use crate::wire::{EncodeError, Fault, Reader, writer};

/// One of the four acknowledgements of a message: which one, the [`Packet`](crate::Packet) around it tells.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Ack<'a> {
    /// That of the PUBLISH.
    pub packet_id: PacketId,
    /// In 3.1.1 always [`ReasonCode::Success`].
    pub reason: ReasonCode,
    /// 5.0: Reason String and User Properties.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    /// A success without properties.
    #[must_use]
    pub const fn new(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn decode(
        packet_type: PacketType,
        version: Version,
        sender: Option<Role>,
        reader: &mut Reader<'a>,
    ) -> Result<Self, Fault> {
        let mut ack = Self::new(reader.packet_id()?);
        // 3.1.1 has nothing more. In 5.0 what is left out is a success, and no properties; a reason code without
        // a property length is taken whatever it says (section 3.4.2.2.1).
        if version == Version::V5 && !reader.is_empty() {
            ack.reason = read_reason(reader, packet_type, sender)?;
            if !reader.is_empty() {
                ack.properties = Properties::read(reader, Context::ACK)?;
            }
        }
        Ok(ack)
    }

    /// Appends the packet in its shortest form.
    pub(super) fn encode(
        &self,
        packet_type: PacketType,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if version == Version::V311 && self.reason != ReasonCode::Success {
            return Err(EncodeError::NeedsV5);
        }
        check_reason(self.reason, packet_type)?;
        self.properties.check_block(version, Context::ACK)?;
        writer::begin(out, first_byte(packet_type), self.remaining_length(version))?;
        writer::u16(out, self.packet_id.get());
        if !self.properties.is_empty() {
            out.push(self.reason.as_u8());
            self.properties.write_block(version, out);
        } else if self.reason != ReasonCode::Success {
            out.push(self.reason.as_u8());
        }
        Ok(())
    }

    pub(super) fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(version))
    }

    fn remaining_length(&self, version: Version) -> usize {
        if !self.properties.is_empty() {
            writer::total([3, self.properties.block_len(version)])
        } else if self.reason != ReasonCode::Success {
            3
        } else {
            2
        }
    }
}
