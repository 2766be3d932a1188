//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7), which differ in their type and their reason codes only.

use super::{Frame, check_reason, first_byte};
use crate::property::{BlockLen, Context, Properties};
use crate::reason::ReasonCode;
use crate::types::{PacketId, PacketType, Version};
use crate::wire::writer::{self, Output};
use crate::wire::{EncodeError, Fault, Reader};

/// One of the four acknowledgements of a message: which one, the [`Packet`](crate::Packet) around it tells.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Ack<'a> {
    /// That of the PUBLISH.
    pub packet_id: PacketId,
    /// Before 5.0 always [`ReasonCode::Success`].
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

    /// A success without properties, as nearly all are, if it is one.
    #[inline(always)]
    pub(super) fn decode_short(body: &[u8]) -> Option<Self> {
        let &[high, low] = body else { return None };
        Some(Self::new(PacketId::new(u16::from_be_bytes([high, low]))?))
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let mut ack = Self::new(reader.packet_id()?);
        // Before 5.0 there is nothing more. In 5.0 what is left out is a success, and no properties; a reason code without
        // a property length is taken whatever it says (section 3.4.2.2.1).
        if frame.version == Version::V5 && !reader.is_empty() {
            ack.reason = frame.read_reason(reader)?;
            if !reader.is_empty() {
                ack.properties = Properties::read(reader, Context::ACK)?;
            }
        }
        Ok(ack)
    }

    /// Writes the packet in its shortest form.
    #[inline(always)]
    pub(crate) fn write(
        &self,
        packet_type: PacketType,
        version: Version,
        out: &mut impl Output,
    ) -> Result<(), EncodeError> {
        let [high, low] = self.packet_id.get().to_be_bytes();
        if self.reason == ReasonCode::Success && self.properties.is_empty() {
            // All there is before 5.0, and in 5.0 the shortest form (section 3.4.2.1).
            return out.put([first_byte(packet_type), 2, high, low]);
        }
        self.write_long(packet_type, version, out)
    }

    #[inline(never)]
    fn write_long(
        &self,
        packet_type: PacketType,
        version: Version,
        out: &mut impl Output,
    ) -> Result<(), EncodeError> {
        if version != Version::V5 {
            return Err(EncodeError::NeedsV5);
        }
        check_reason(self.reason, packet_type)?;
        self.properties.check(Context::ACK)?;
        let properties = self.properties.measure(version);
        let first = first_byte(packet_type);
        let mut out = writer::begin(out, first, self.remaining_length(properties))?;
        out.u16(self.packet_id.get());
        out.array([self.reason.as_u8()]);
        if !self.properties.is_empty() {
            self.properties.write_block(properties, &mut out);
        }
        Ok(())
    }

    pub(crate) fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(self.properties.measure(version)))
    }

    fn remaining_length(&self, properties: BlockLen) -> usize {
        if !self.properties.is_empty() {
            writer::total([3, properties.on_wire()])
        } else if self.reason != ReasonCode::Success {
            3
        } else {
            2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALL, decodes, id, refused, refused_from, unsendable, valid};
    use super::*;
    use crate::packet::Packet;
    use crate::property::Property;
    use crate::types::Role;
    use crate::violation::Violation;
    use Version::{V5, V311};

    type Wrap = fn(Ack<'static>) -> Packet<'static>;

    const ACKS: [(PacketType, u8, Wrap); 4] = [
        (PacketType::Puback, 0x40, Packet::Puback),
        (PacketType::Pubrec, 0x50, Packet::Pubrec),
        (PacketType::Pubrel, 0x62, Packet::Pubrel),
        (PacketType::Pubcomp, 0x70, Packet::Pubcomp),
    ];

    fn failure(packet_type: PacketType) -> ReasonCode {
        match packet_type {
            PacketType::Pubrel | PacketType::Pubcomp => ReasonCode::PacketIdentifierNotFound,
            _ => ReasonCode::NotAuthorized,
        }
    }

    #[test]
    fn valid_packets() {
        for (packet_type, first, wrap) in ACKS {
            for version in ALL {
                valid(version, &[first, 2, 0x12, 0x34], wrap(Ack::new(id(0x1234))));
            }
            let ack = Ack::new(id(1));
            decodes(V5, &[first, 3, 0, 1, 0], wrap(ack));
            decodes(V5, &[first, 4, 0, 1, 0, 0], wrap(ack));
            let reason = failure(packet_type);
            let failed = Ack { reason, ..ack };
            valid(V5, &[first, 3, 0, 1, reason.as_u8()], wrap(failed));
            decodes(V5, &[first, 4, 0, 1, reason.as_u8(), 0], wrap(failed));
            let properties =
                Properties::from(&[Property::ReasonString("no"), Property::UserProperty("", "")]);
            for ack in [ack, failed] {
                let code = ack.reason.as_u8();
                let bytes = [
                    first, 14, 0, 1, code, 10, 0x1F, 0, 2, b'n', b'o', 0x26, 0, 0, 0, 0,
                ];
                valid(V5, &bytes, wrap(Ack { properties, ..ack }));
            }
        }
    }

    #[test]
    fn invalid_packets() {
        for (_, first, _) in ACKS {
            for version in ALL {
                refused(version, &[first, 2, 0, 0], Violation::PacketIdZero, 2);
                refused(version, &[first, 0], Violation::Truncated, 2);
                refused(version, &[first, 1, 1], Violation::Truncated, 2);
            }
            refused(V311, &[first, 3, 0, 1, 0], Violation::TrailingBytes, 4);
            refused(V311, &[first, 4, 0, 1, 0, 0], Violation::TrailingBytes, 4);
            refused(V5, &[first, 5, 0, 1, 0, 0, 0], Violation::TrailingBytes, 6);
            refused(V5, &[first, 4, 0, 1, 0, 1], Violation::PropertyLength, 5);
            refused(
                V5,
                &[first, 6, 0, 1, 0, 2, 0x01, 0],
                Violation::PropertyNotAllowed,
                6,
            );
        }
    }

    #[test]
    fn every_reason_code() {
        for (packet_type, first, wrap) in ACKS {
            for value in 0..=u8::MAX {
                let bytes = [first, 3, 0, 1, value];
                match ReasonCode::from_u8(value) {
                    Some(reason) if reason.allowed_in(packet_type, None) => {
                        decodes(
                            V5,
                            &bytes,
                            wrap(Ack {
                                reason,
                                ..Ack::new(id(1))
                            }),
                        );
                    }
                    Some(reason) => {
                        refused(V5, &bytes, Violation::ReasonCodeInvalid, 4);
                        let ack = Ack {
                            reason,
                            ..Ack::new(id(1))
                        };
                        unsendable(V5, wrap(ack), Violation::ReasonCodeInvalid);
                    }
                    None => refused(V5, &bytes, Violation::ReasonCodeInvalid, 4),
                }
            }
        }
        // 0x10 is the server's to say.
        refused_from(
            Role::Client,
            V5,
            b"\x40\x03\x00\x01\x10",
            Violation::ReasonCodeInvalid,
            4,
        );
    }

    #[test]
    fn what_cannot_be_sent() {
        let ack = Ack::new(id(1));
        let text = Properties::from(&[Property::ReasonString("no")]);
        let other = Properties::from(&[Property::ContentType("no")]);
        for (packet_type, _, wrap) in ACKS {
            let reason = failure(packet_type);
            unsendable(V311, wrap(Ack { reason, ..ack }), EncodeError::NeedsV5);
            unsendable(
                V311,
                wrap(Ack {
                    properties: text,
                    ..ack
                }),
                EncodeError::NeedsV5,
            );
            let wrong = wrap(Ack {
                properties: other,
                ..ack
            });
            unsendable(V5, wrong, Violation::PropertyNotAllowed);
        }
    }
}
