//! CONNACK (section 3.2).

use alloc::vec::Vec;

use super::{Frame, check_reason, first_byte};
use crate::property::{AUTHENTICATION_DATA, AUTHENTICATION_METHOD, Context, Properties};
use crate::reason::ReasonCode;
use crate::types::{PacketType, Version};
use crate::violation::Violation;
use crate::wire::{EncodeError, Fault, Reader, writer};

/// The answer to a CONNECT (section 3.2).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Connack<'a> {
    /// The server had kept the session. Never with a refusal (5.0: [MQTT-3.2.2-6]; 3.1.1: [MQTT-3.2.2-4]).
    pub session_present: bool,
    /// In 3.1.1 one of those that [`ReasonCode::connect_return_code`] has a number for.
    pub reason: ReasonCode,
    /// 5.0: the server's limits and what else section 3.2.2.3 lists.
    pub properties: Properties<'a>,
}

impl<'a> Connack<'a> {
    /// An answer without a session and without properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            session_present: false,
            reason,
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let start = *reader;
        let flags = reader.u8()?;
        // 5.0: [MQTT-3.2.2-1]; 3.1.1: section 3.2.2.1
        if flags > 1 {
            return Err(start.fault(Violation::ConnackFlags));
        }
        let session_present = flags == 1;
        let reason_at = *reader;
        let reason = match frame.version {
            Version::V5 => frame.read_reason(reader)?,
            Version::V311 => ReasonCode::from_connect_return_code(reader.u8()?)
                .ok_or_else(|| reason_at.fault(Violation::ReasonCodeInvalid))?,
        };
        // 5.0: [MQTT-3.2.2-6]; 3.1.1: [MQTT-3.2.2-4]
        if session_present && reason != ReasonCode::Success {
            return Err(start.fault(Violation::SessionPresentWithRefusal));
        }
        let properties = match frame.version {
            Version::V5 => read_authenticated(reader, Context::CONNACK)?,
            Version::V311 => Properties::EMPTY,
        };
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode). [`EncodeError::NeedsV5`] for a reason code that 3.1.1 has no
    /// return code for: by [MQTT-3.2.2-6] of 3.1.1 the server then closes without CONNACK.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        check_reason(self.reason, PacketType::Connack)?;
        let reason = match version {
            Version::V5 => self.reason.as_u8(),
            Version::V311 => self
                .reason
                .connect_return_code()
                .ok_or(EncodeError::NeedsV5)?,
        };
        if self.session_present && self.reason != ReasonCode::Success {
            return Err(Violation::SessionPresentWithRefusal.into());
        }
        self.properties.check_block(version, Context::CONNACK)?;
        check_authentication(&self.properties)?;
        writer::begin(
            out,
            first_byte(PacketType::Connack),
            self.remaining_length(version),
        )?;
        out.extend_from_slice(&[u8::from(self.session_present), reason]);
        self.properties.write_block(version, out);
        Ok(())
    }

    /// The number of bytes that [`Connack::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(version))
    }

    fn remaining_length(&self, version: Version) -> usize {
        writer::total([2, self.properties.block_len(version)])
    }
}

/// Properties among which Authentication Data needs an Authentication Method (5.0, section 3.1.2.11.10).
pub(super) fn read_authenticated<'a>(
    reader: &mut Reader<'a>,
    context: Context,
) -> Result<Properties<'a>, Fault> {
    let before = *reader;
    let properties = Properties::read(reader, context)?;
    if data_without_method(&properties) {
        return Err(before.fault(Violation::AuthenticationDataWithoutMethod));
    }
    Ok(properties)
}

/// The same for properties to be sent.
pub(super) fn check_authentication(properties: &Properties<'_>) -> Result<(), EncodeError> {
    if data_without_method(properties) {
        return Err(Violation::AuthenticationDataWithoutMethod.into());
    }
    Ok(())
}

fn data_without_method(properties: &Properties<'_>) -> bool {
    properties.contains(AUTHENTICATION_DATA) && !properties.contains(AUTHENTICATION_METHOD)
}
