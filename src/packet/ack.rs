//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7), which differ in their type and their reason codes only.

use alloc::vec::Vec;

use super::{Frame, check_reason, first_byte};
use crate::property::{Context, Properties};
use crate::reason::ReasonCode;
use crate::types::{PacketId, PacketType, Version};
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
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let mut ack = Self::new(reader.packet_id()?);
        // 3.1.1 has nothing more. In 5.0 what is left out is a success, and no properties; a reason code without
        // a property length is taken whatever it says (section 3.4.2.2.1).
        if frame.version == Version::V5 && !reader.is_empty() {
            ack.reason = frame.read_reason(reader)?;
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
        let [high, low] = self.packet_id.get().to_be_bytes();
        if self.reason == ReasonCode::Success && self.properties.is_empty() {
            // All there is in 3.1.1, and in 5.0 the shortest form (section 3.4.2.1).
            out.extend_from_slice(&[first_byte(packet_type), 2, high, low]);
            return Ok(());
        }
        if version == Version::V311 {
            return Err(EncodeError::NeedsV5);
        }
        check_reason(self.reason, packet_type)?;
        self.properties.check(Context::ACK)?;
        writer::begin(out, first_byte(packet_type), self.remaining_length(version))?;
        out.extend_from_slice(&[high, low, self.reason.as_u8()]);
        if !self.properties.is_empty() {
            self.properties.write_block(version, out);
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
