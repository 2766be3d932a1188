//! CONNACK (section 3.2).

use alloc::vec::Vec;

use super::{Frame, check_reason, first_byte};
use crate::property::{AUTHENTICATION_DATA, AUTHENTICATION_METHOD, BlockLen, Context, Properties};
use crate::reason::ReasonCode;
use crate::types::{PacketType, Version};
use crate::violation::Violation;
use crate::wire::writer::{self, Output};
use crate::wire::{EncodeError, Fault, Reader};

/// The answer to a CONNECT (section 3.2).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Connack<'a> {
    /// The server had kept the session. Never with a refusal (5.0: [MQTT-3.2.2-6]; 3.1.1: [MQTT-3.2.2-4]), and never
    /// in 3.1, where the byte is not used.
    pub session_present: bool,
    /// Before 5.0 one of those that [`ReasonCode::connect_return_code`] has a number for.
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
        let flags = match (frame.version, reader.u8()?) {
            // Reserved and not used (3.1, section 3.2).
            (Version::V31, _) => 0,
            (_, flags) => flags,
        };
        // 5.0: [MQTT-3.2.2-1]; 3.1.1: section 3.2.2.1
        if flags > 1 {
            return Err(start.fault(Violation::ConnackFlags));
        }
        let session_present = flags == 1;
        let reason_at = *reader;
        let reason = match frame.version {
            Version::V5 => frame.read_reason(reader)?,
            Version::V31 | Version::V311 => ReasonCode::from_connect_return_code(reader.u8()?)
                .ok_or_else(|| reason_at.fault(Violation::ReasonCodeInvalid))?,
        };
        // 5.0: [MQTT-3.2.2-6]; 3.1.1: [MQTT-3.2.2-4]
        if session_present && reason != ReasonCode::Success {
            return Err(start.fault(Violation::SessionPresentWithRefusal));
        }
        let properties = match frame.version {
            Version::V5 => read_authenticated(reader, Context::CONNACK)?,
            Version::V31 | Version::V311 => Properties::EMPTY,
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
    /// return code for: by [MQTT-3.2.2-6] of 3.1.1 the server then closes without CONNACK. [`EncodeError::NeedsV311`]
    /// for Session Present in 3.1.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Connack::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    /// The number of bytes that [`Connack::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(self.properties.measure(version)))
    }

    #[inline(never)]
    pub(super) fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        check_reason(self.reason, PacketType::Connack)?;
        let reason = match version {
            Version::V5 => self.reason.as_u8(),
            Version::V31 | Version::V311 => self
                .reason
                .connect_return_code()
                .ok_or(EncodeError::NeedsV5)?,
        };
        if self.session_present && self.reason != ReasonCode::Success {
            return Err(Violation::SessionPresentWithRefusal.into());
        }
        if self.session_present && version == Version::V31 {
            return Err(EncodeError::NeedsV311);
        }
        self.properties.check_block(version, Context::CONNACK)?;
        check_authentication(&self.properties)?;
        let properties = self.properties.measure(version);
        let mut out = writer::begin(
            out,
            first_byte(PacketType::Connack),
            self.remaining_length(properties),
        )?;
        out.array([u8::from(self.session_present), reason]);
        self.properties.write_block(properties, &mut out);
        Ok(())
    }

    fn remaining_length(&self, properties: BlockLen) -> usize {
        writer::total([2, properties.on_wire()])
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

#[cfg(test)]
mod tests {
    use super::super::tests::{refused, unsendable, valid};
    use super::*;
    use crate::property::Property;
    use crate::types::QoS;
    use Version::{V5, V311};

    #[test]
    fn valid_packets() {
        let success = Connack::new(ReasonCode::Success);
        valid(V311, b"\x20\x02\x00\x00", success);
        valid(
            V311,
            b"\x20\x02\x01\x00",
            Connack {
                session_present: true,
                ..success
            },
        );
        valid(
            V311,
            b"\x20\x02\x00\x05",
            Connack::new(ReasonCode::NotAuthorized),
        );
        valid(V5, b"\x20\x03\x00\x00\x00", success);
        valid(
            V5,
            b"\x20\x03\x01\x00\x00",
            Connack {
                session_present: true,
                ..success
            },
        );
        valid(
            V5,
            b"\x20\x03\x00\x87\x00",
            Connack::new(ReasonCode::NotAuthorized),
        );
        let list = [
            Property::SessionExpiryInterval(1),
            Property::AssignedClientIdentifier("c"),
            Property::ServerKeepAlive(2),
            Property::AuthenticationMethod("m"),
            Property::AuthenticationData(b"\x00"),
            Property::ResponseInformation("r"),
            Property::ServerReference("s"),
            Property::ReasonString("t"),
            Property::ReceiveMaximum(3),
            Property::TopicAliasMaximum(4),
            Property::MaximumQos(QoS::AtLeastOnce),
            Property::RetainAvailable(false),
            Property::UserProperty("k", "v"),
            Property::MaximumPacketSize(5),
            Property::WildcardSubscriptionAvailable(false),
            Property::SubscriptionIdentifierAvailable(true),
            Property::SharedSubscriptionAvailable(false),
        ];
        let bytes = b"\x20\x3F\x00\x00\x3C\x11\x00\x00\x00\x01\x12\x00\x01c\x13\x00\x02\
            \x15\x00\x01m\x16\x00\x01\x00\x1A\x00\x01r\x1C\x00\x01s\x1F\x00\x01t\x21\x00\x03\
            \x22\x00\x04\x24\x01\x25\x00\x26\x00\x01k\x00\x01v\x27\x00\x00\x00\x05\x28\x00\
            \x29\x01\x2A\x00";
        valid(
            V5,
            bytes,
            Connack {
                properties: (&list).into(),
                ..success
            },
        );
    }

    #[test]
    fn invalid_packets() {
        for (version, bytes, violation, offset) in [
            (V311, &b"\x20\x02\x02\x00"[..], Violation::ConnackFlags, 2),
            (V5, b"\x20\x03\x80\x00\x00", Violation::ConnackFlags, 2),
            (V5, b"\x20\x03\xFF\x00\x00", Violation::ConnackFlags, 2),
            (
                V311,
                b"\x20\x02\x01\x05",
                Violation::SessionPresentWithRefusal,
                2,
            ),
            (
                V5,
                b"\x20\x03\x01\x80\x00",
                Violation::SessionPresentWithRefusal,
                2,
            ),
            (V311, b"\x20\x00", Violation::Truncated, 2),
            (V311, b"\x20\x01\x00", Violation::Truncated, 3),
            (V311, b"\x20\x03\x00\x00\x00", Violation::TrailingBytes, 4),
            (V5, b"\x20\x02\x00\x00", Violation::Truncated, 4),
            (V5, b"\x20\x04\x00\x00\x00\x00", Violation::TrailingBytes, 5),
            (V5, b"\x20\x03\x00\x00\x01", Violation::PropertyLength, 4),
            (
                V5,
                b"\x20\x06\x00\x00\x03\x21\x00\x00",
                Violation::ReceiveMaximumZero,
                6,
            ),
            (
                V5,
                b"\x20\x08\x00\x00\x05\x27\x00\x00\x00\x00",
                Violation::MaximumPacketSizeZero,
                6,
            ),
            (
                V5,
                b"\x20\x05\x00\x00\x02\x24\x02",
                Violation::PropertyValue,
                6,
            ),
            (
                V5,
                b"\x20\x05\x00\x00\x02\x17\x01",
                Violation::PropertyNotAllowed,
                5,
            ),
            (
                V5,
                b"\x20\x06\x00\x00\x03\x16\x00\x00",
                Violation::AuthenticationDataWithoutMethod,
                4,
            ),
        ] {
            refused(version, bytes, violation, offset);
        }
    }

    #[test]
    fn every_reason_code() {
        for value in 0..=u8::MAX {
            let bytes = [0x20, 2, 0, value];
            match ReasonCode::from_connect_return_code(value) {
                Some(reason) => valid(V311, &bytes, Connack::new(reason)),
                None => refused(V311, &bytes, Violation::ReasonCodeInvalid, 3),
            }
            let bytes = [0x20, 3, 0, value, 0];
            match ReasonCode::from_u8(value) {
                Some(reason) if reason.allowed_in(PacketType::Connack, None) => {
                    let connack = Connack::new(reason);
                    valid(V5, &bytes, connack);
                    if reason.connect_return_code().is_none() {
                        unsendable(V311, connack, EncodeError::NeedsV5);
                    }
                }
                Some(reason) => {
                    refused(V5, &bytes, Violation::ReasonCodeInvalid, 3);
                    unsendable(V5, Connack::new(reason), Violation::ReasonCodeInvalid);
                }
                None => refused(V5, &bytes, Violation::ReasonCodeInvalid, 3),
            }
        }
    }

    #[test]
    fn what_cannot_be_sent() {
        let refusal = Connack {
            session_present: true,
            ..Connack::new(ReasonCode::NotAuthorized)
        };
        unsendable(V311, refusal, Violation::SessionPresentWithRefusal);
        unsendable(V5, refusal, Violation::SessionPresentWithRefusal);
        let success = Connack::new(ReasonCode::Success);
        let list = [Property::AuthenticationData(b"")];
        let data = Connack {
            properties: (&list).into(),
            ..success
        };
        unsendable(V5, data, Violation::AuthenticationDataWithoutMethod);
        unsendable(V311, data, EncodeError::NeedsV5);
        let list = [Property::ContentType("")];
        let wrong = Connack {
            properties: (&list).into(),
            ..success
        };
        unsendable(V5, wrong, Violation::PropertyNotAllowed);
    }
}
