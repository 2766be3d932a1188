//! AUTH (5.0, section 3.15).

use alloc::vec::Vec;

use super::{Frame, check_reason, first_byte};
use crate::property::{AUTHENTICATION_METHOD, Context, Properties};
use crate::reason::ReasonCode;
use crate::types::{PacketType, Version};
use crate::violation::Violation;
use crate::wire::{EncodeError, Fault, Reader, writer};

/// A step of an enhanced authentication (5.0, section 4.12).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Auth<'a> {
    /// 0x00 (from the server), 0x18 or 0x19 (from the client).
    pub reason: ReasonCode,
    /// Authentication Method, which must be there; Authentication Data, Reason String, User Properties.
    ///
    /// A received packet may be without any: section 3.15.2.1 lets a success be sent as nothing but its type,
    /// though section 3.15.2.2.2 calls that a Protocol Error. It is read, and left to the connection to refuse.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// A step with its properties.
    #[must_use]
    pub fn new(reason: ReasonCode, properties: impl Into<Properties<'a>>) -> Self {
        Self {
            reason,
            properties: properties.into(),
        }
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let mut auth = Self {
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        };
        if !reader.is_empty() {
            auth.reason = frame.read_reason(reader)?;
            if !reader.is_empty() {
                let before = *reader;
                auth.properties = Properties::read(reader, Context::AUTH)?;
                if !auth.properties.contains(AUTHENTICATION_METHOD) {
                    return Err(before.fault(Violation::AuthenticationMethodMissing));
                }
            }
        }
        Ok(auth)
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode). An Authentication Method must be there, and 3.1.1 has no AUTH.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if version == Version::V311 {
            return Err(EncodeError::NeedsV5);
        }
        check_reason(self.reason, PacketType::Auth)?;
        self.properties.check_block(version, Context::AUTH)?;
        if !self.properties.contains(AUTHENTICATION_METHOD) {
            return Err(Violation::AuthenticationMethodMissing.into());
        }
        writer::begin(
            out,
            first_byte(PacketType::Auth),
            self.remaining_length(version),
        )?;
        out.push(self.reason.as_u8());
        self.properties.write_block(version, out);
        Ok(())
    }

    /// The number of bytes that [`Auth::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(version))
    }

    fn remaining_length(&self, version: Version) -> usize {
        writer::total([1, self.properties.block_len(version)])
    }
}
