//! AUTH (5.0, section 3.15).

use alloc::vec::Vec;

use super::{Frame, check_reason, first_byte};
use crate::property::{AUTHENTICATION_METHOD, BlockLen, Context, Properties};
use crate::reason::ReasonCode;
use crate::types::{PacketType, Version};
use crate::violation::Violation;
use crate::wire::writer::{self, Output};
use crate::wire::{EncodeError, Fault, Reader};

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
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Auth::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    /// The number of bytes that [`Auth::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(self.properties.measure(version)))
    }

    #[inline(never)]
    pub(super) fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        if version != Version::V5 {
            return Err(EncodeError::NeedsV5);
        }
        check_reason(self.reason, PacketType::Auth)?;
        self.properties.check_block(version, Context::AUTH)?;
        if !self.properties.contains(AUTHENTICATION_METHOD) {
            return Err(Violation::AuthenticationMethodMissing.into());
        }
        let properties = self.properties.measure(version);
        let mut out = writer::begin(
            out,
            first_byte(PacketType::Auth),
            self.remaining_length(properties),
        )?;
        out.array([self.reason.as_u8()]);
        self.properties.write_block(properties, &mut out);
        Ok(())
    }

    fn remaining_length(&self, properties: BlockLen) -> usize {
        writer::total([1, properties.on_wire()])
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{decodes, refused, refused_from, unsendable, valid};
    use super::*;
    use crate::property::Property;
    use crate::types::Role;
    use Version::{V5, V311};

    const METHOD: [Property<'static>; 1] = [Property::AuthenticationMethod("m")];

    #[test]
    fn valid_packets() {
        let auth = Auth::new(ReasonCode::ContinueAuthentication, &METHOD);
        valid(V5, b"\xF0\x06\x18\x04\x15\x00\x01m", auth);
        valid(
            V5,
            b"\xF0\x06\x00\x04\x15\x00\x01m",
            Auth {
                reason: ReasonCode::Success,
                ..auth
            },
        );
        let list = [
            METHOD[0],
            Property::AuthenticationData(b"\xFF"),
            Property::ReasonString("t"),
            Property::UserProperty("k", "v"),
        ];
        let auth = Auth::new(ReasonCode::ReAuthenticate, &list);
        let bytes =
            b"\xF0\x15\x19\x13\x15\x00\x01m\x16\x00\x01\xFF\x1F\x00\x01t\x26\x00\x01k\x00\x01v";
        valid(V5, bytes, auth);
    }

    /// Section 3.15.2.1 against section 3.15.2.2.2: it is read, but never sent.
    #[test]
    fn short_forms() {
        let success = Auth::new(ReasonCode::Success, Properties::EMPTY);
        decodes(V5, b"\xF0\x00", success);
        decodes(V5, b"\xF0\x01\x00", success);
        let other = Auth {
            reason: ReasonCode::ContinueAuthentication,
            ..success
        };
        decodes(V5, b"\xF0\x01\x18", other);
        unsendable(V5, success, Violation::AuthenticationMethodMissing);
        unsendable(V5, other, Violation::AuthenticationMethodMissing);
    }

    #[test]
    fn invalid_packets() {
        for (bytes, violation, offset) in [
            (
                &b"\xF0\x02\x18\x00"[..],
                Violation::AuthenticationMethodMissing,
                3,
            ),
            (
                b"\xF0\x05\x18\x03\x16\x00\x00",
                Violation::AuthenticationMethodMissing,
                3,
            ),
            (
                b"\xF0\x0A\x18\x08\x15\x00\x01m\x15\x00\x01m",
                Violation::PropertyDuplicate,
                8,
            ),
            (
                b"\xF0\x07\x18\x04\x15\x00\x01m\x00",
                Violation::TrailingBytes,
                8,
            ),
            (b"\xF0\x02\x18\x05", Violation::PropertyLength, 3),
            (
                b"\xF0\x05\x18\x03\x21\x00\x01",
                Violation::PropertyNotAllowed,
                4,
            ),
        ] {
            refused(V5, bytes, violation, offset);
            refused(V311, bytes, Violation::PacketTypeNotInVersion, 0);
        }
    }

    #[test]
    fn every_reason_code() {
        for value in 0..=u8::MAX {
            let bytes = [0xF0, 6, value, 4, 0x15, 0, 1, b'm'];
            match ReasonCode::from_u8(value) {
                Some(reason) if reason.allowed_in(PacketType::Auth, None) => {
                    valid(V5, &bytes, Auth::new(reason, &METHOD));
                }
                Some(reason) => {
                    refused(V5, &bytes, Violation::ReasonCodeInvalid, 2);
                    unsendable(V5, Auth::new(reason, &METHOD), Violation::ReasonCodeInvalid);
                }
                None => refused(V5, &bytes, Violation::ReasonCodeInvalid, 2),
            }
        }
        let invalid = Violation::ReasonCodeInvalid;
        refused_from(Role::Client, V5, b"\xF0\x01\x00", invalid, 2);
        refused_from(Role::Server, V5, b"\xF0\x01\x19", invalid, 2);
    }

    #[test]
    fn what_cannot_be_sent() {
        let auth = Auth::new(ReasonCode::ContinueAuthentication, &METHOD);
        unsendable(V311, auth, EncodeError::NeedsV5);
        let list = [METHOD[0], Property::ReceiveMaximum(1)];
        let auth = Auth::new(ReasonCode::ContinueAuthentication, &list);
        unsendable(V5, auth, Violation::PropertyNotAllowed);
    }
}
