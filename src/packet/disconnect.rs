//! DISCONNECT (section 3.14).

use alloc::vec::Vec;

use super::{Frame, check_reason, first_byte};
use crate::property::{BlockLen, Context, Properties, SESSION_EXPIRY_INTERVAL};
use crate::reason::ReasonCode;
use crate::types::{PacketType, Role, Version};
use crate::violation::Violation;
use crate::wire::writer::{self, Output};
use crate::wire::{EncodeError, Fault, Reader};

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
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Disconnect::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    /// The number of bytes that [`Disconnect::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(self.properties.measure(version)))
    }

    #[inline(never)]
    pub(super) fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        if version != Version::V5 && self.reason != ReasonCode::NORMAL_DISCONNECTION {
            return Err(EncodeError::NeedsV5);
        }
        check_reason(self.reason, PacketType::Disconnect)?;
        self.properties.check_block(version, Context::DISCONNECT)?;
        let properties = self.properties.measure(version);
        let mut out = writer::begin(
            out,
            first_byte(PacketType::Disconnect),
            self.remaining_length(properties),
        )?;
        if !self.properties.is_empty() {
            out.array([self.reason.as_u8()]);
            self.properties.write_block(properties, &mut out);
        } else if self.reason != ReasonCode::NORMAL_DISCONNECTION {
            out.array([self.reason.as_u8()]);
        }
        Ok(())
    }

    fn remaining_length(&self, properties: BlockLen) -> usize {
        if !self.properties.is_empty() {
            writer::total([1, properties.on_wire()])
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

#[cfg(test)]
mod tests {
    use super::super::tests::{decodes, refused, refused_from, unsendable, valid};
    use super::super::{DecodeOptions, Packet};
    use super::*;
    use crate::property::Property;
    use Version::{V5, V311};

    #[test]
    fn valid_packets() {
        let normal = Disconnect::default();
        valid(V311, b"\xE0\x00", normal);
        valid(V5, b"\xE0\x00", normal);
        decodes(V5, b"\xE0\x01\x00", normal);
        decodes(V5, b"\xE0\x02\x00\x00", normal);
        let failed = Disconnect::new(ReasonCode::ProtocolError);
        valid(V5, b"\xE0\x01\x82", failed);
        decodes(V5, b"\xE0\x02\x82\x00", failed);
        let list = [
            Property::SessionExpiryInterval(7),
            Property::ReasonString("t"),
            Property::UserProperty("k", "v"),
            Property::ServerReference("s"),
        ];
        let bytes =
            b"\xE0\x16\x00\x14\x11\x00\x00\x00\x07\x1F\x00\x01t\x26\x00\x01k\x00\x01v\x1C\x00\x01s";
        valid(
            V5,
            bytes,
            Disconnect {
                properties: (&list).into(),
                ..normal
            },
        );
    }

    #[test]
    fn invalid_packets() {
        for (version, bytes, violation, offset) in [
            (V311, &b"\xE0\x01\x00"[..], Violation::TrailingBytes, 2),
            (V5, b"\xE0\x03\x00\x00\x00", Violation::TrailingBytes, 4),
            (V5, b"\xE0\x02\x00\x01", Violation::PropertyLength, 3),
            (
                V5,
                b"\xE0\x05\x00\x03\x21\x00\x01",
                Violation::PropertyNotAllowed,
                4,
            ),
        ] {
            refused(version, bytes, violation, offset);
        }
    }

    #[test]
    fn every_reason_code() {
        for value in 0..=u8::MAX {
            let bytes = [0xE0, 1, value];
            let known = ReasonCode::from_u8(value);
            let Some(reason) = known.filter(|code| code.allowed_in(PacketType::Disconnect, None))
            else {
                refused(V5, &bytes, Violation::ReasonCodeInvalid, 2);
                if let Some(reason) = known {
                    unsendable(V5, Disconnect::new(reason), Violation::ReasonCodeInvalid);
                }
                continue;
            };
            decodes(V5, &bytes, Disconnect::new(reason));
            for sender in [Role::Client, Role::Server] {
                if reason.allowed_in(PacketType::Disconnect, Some(sender)) {
                    let options = DecodeOptions::new().with_sender(Some(sender));
                    let found = Packet::decode(V5, &options, &mut &bytes[..]);
                    assert_eq!(found, Ok(Some(Disconnect::new(reason).into())));
                } else {
                    refused_from(sender, V5, &bytes, Violation::ReasonCodeInvalid, 2);
                }
            }
            if value != 0 {
                unsendable(V311, Disconnect::new(reason), EncodeError::NeedsV5);
            }
        }
        let invalid = Violation::ReasonCodeInvalid;
        refused_from(Role::Server, V5, b"\xE0\x01\x04", invalid, 2);
        refused_from(Role::Client, V5, b"\xE0\x01\x8B", invalid, 2);
    }

    /// [MQTT-3.14.2-2]
    #[test]
    fn session_expiry_comes_from_clients() {
        let bytes = b"\xE0\x0B\x00\x09\x1F\x00\x01t\x11\x00\x00\x00\x01";
        refused_from(
            Role::Server,
            V5,
            bytes,
            Violation::SessionExpiryFromServer,
            8,
        );
        let options = DecodeOptions::new().with_sender(Some(Role::Client));
        let found = Packet::decode(V5, &options, &mut &bytes[..]).unwrap();
        let Some(Packet::Disconnect(disconnect)) = found else {
            panic!()
        };
        assert_eq!(disconnect.properties.session_expiry_interval(), Some(1));
    }

    #[test]
    fn what_cannot_be_sent() {
        let list = [Property::ReasonString("t")];
        let disconnect = Disconnect {
            properties: (&list).into(),
            ..Disconnect::default()
        };
        unsendable(V311, disconnect, EncodeError::NeedsV5);
        let list = [Property::ReceiveMaximum(1)];
        let disconnect = Disconnect {
            properties: (&list).into(),
            ..Disconnect::default()
        };
        unsendable(V5, disconnect, Violation::PropertyNotAllowed);
    }
}
