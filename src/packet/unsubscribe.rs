//! UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11).

use alloc::vec::Vec;
use core::fmt;

use super::subscribe::{ReasonCodes, check_filter, check_next_filter};
use super::{Frame, first_byte};
use crate::property::{BlockLen, Context, Properties};
use crate::types::{PacketId, PacketType, Version};
use crate::violation::Violation;
use crate::wire::writer::{self, Output};
use crate::wire::{EncodeError, Fault, Reader};

/// A request to end subscriptions (section 3.10).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Unsubscribe<'a> {
    /// Repeated by the UNSUBACK.
    pub packet_id: PacketId,
    /// At least one [MQTT-3.10.3-2].
    pub filters: TopicFilters<'a>,
    /// 5.0: User Properties.
    pub properties: Properties<'a>,
}

/// The answer to an UNSUBSCRIBE (section 3.11).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Unsuback<'a> {
    /// That of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// 5.0: one for each filter, in their order [MQTT-3.11.3-1]. In 3.1.1 none.
    pub reason_codes: ReasonCodes<'a>,
    /// 5.0: Reason String and User Properties.
    pub properties: Properties<'a>,
}

/// The topic filters of an UNSUBSCRIBE: those of a received packet, read as they are asked for, or a slice to be sent.
///
/// Two are equal if they have the same filters in the same order.
#[derive(Copy, Clone)]
pub struct TopicFilters<'a>(List<'a>);

#[derive(Copy, Clone)]
enum List<'a> {
    Block {
        bytes: &'a [u8],
        count: u32,
        /// The version by whose rules all has been checked; `None` if the syntax of the filters has not.
        checked: Option<Version>,
    },
    Slice(&'a [&'a str]),
}

impl<'a> Unsubscribe<'a> {
    /// A request without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, filters: impl Into<TopicFilters<'a>>) -> Self {
        Self {
            packet_id,
            filters: filters.into(),
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let (version, unchecked) = (frame.version, frame.options.unchecked_filters);
        let packet_id = reader.packet_id()?;
        let properties = match version {
            Version::V5 => Properties::read(reader, Context::UNSUBSCRIBE)?,
            Version::V31 | Version::V311 => Properties::EMPTY,
        };
        let bytes = reader.rest();
        if bytes.is_empty() {
            return Err(reader.fault(Violation::NoTopicFilters));
        }
        let mut count = 0;
        while !reader.is_empty() {
            check_next_filter(version, unchecked, reader)?;
            count += 1;
        }
        let filters = TopicFilters(List::Block {
            bytes,
            count,
            checked: (!unchecked).then_some(version),
        });
        Ok(Self {
            packet_id,
            filters,
            properties,
        })
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode). The syntax of the filters is always checked.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Unsubscribe::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    /// The number of bytes that [`Unsubscribe::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(self.properties.measure(version)))
    }

    #[inline(never)]
    pub(super) fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        self.properties.check_block(version, Context::UNSUBSCRIBE)?;
        if self.filters.is_empty() {
            return Err(Violation::NoTopicFilters.into());
        }
        self.filters.check(version)?;
        let properties = self.properties.measure(version);
        let mut out = writer::begin(
            out,
            first_byte(PacketType::Unsubscribe),
            self.remaining_length(properties),
        )?;
        out.array(self.packet_id.get().to_be_bytes());
        self.properties.write_block(properties, &mut out);
        match self.filters.0 {
            List::Block { bytes, .. } => out.bytes(bytes),
            List::Slice(list) => {
                list.iter().for_each(|filter| out.binary(filter.as_bytes()));
            }
        }
        Ok(())
    }

    fn remaining_length(&self, properties: BlockLen) -> usize {
        let filters = match self.filters.0 {
            List::Block { bytes, .. } => bytes.len(),
            List::Slice(list) => {
                writer::total(list.iter().map(|filter| writer::field_len(filter.len())))
            }
        };
        writer::total([2, properties.on_wire(), filters])
    }
}

impl<'a> TopicFilters<'a> {
    /// As many filters from the beginning of `bytes` as are good in 5.0.
    #[cfg(feature = "arbitrary")]
    pub(crate) fn legal_prefix(bytes: &'a [u8]) -> Self {
        let mut reader = Reader::new(bytes, 0);
        let (mut rest, mut count) = (bytes, 0);
        while check_next_filter(Version::V5, false, &mut reader).is_ok() {
            count += 1;
            rest = reader.rest();
        }
        let length = bytes.len() - rest.len();
        Self(List::Block {
            bytes: bytes.get(..length).unwrap_or_default(),
            count,
            checked: Some(Version::V5),
        })
    }

    /// The filters in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let (block, slice) = match self.0 {
            List::Block { bytes, .. } => (bytes, &[][..]),
            List::Slice(slice) => (&[][..], slice),
        };
        let mut reader = Reader::new(block, 0);
        let block = core::iter::from_fn(move || reader.known_string());
        block.chain(slice.iter().copied())
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            List::Block { count, .. } => count as usize,
            List::Slice(slice) => slice.len(),
        }
    }

    /// Whether there is none: never so in a received packet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self, version: Version) -> Result<(), EncodeError> {
        match self.0 {
            List::Block { checked, .. } if checked == Some(version) => Ok(()),
            _ => self
                .iter()
                .try_for_each(|filter| check_filter(version, filter)),
        }
    }
}

impl<'a> From<&'a [&'a str]> for TopicFilters<'a> {
    fn from(slice: &'a [&'a str]) -> Self {
        Self(List::Slice(slice))
    }
}

impl<'a, const N: usize> From<&'a [&'a str; N]> for TopicFilters<'a> {
    fn from(slice: &'a [&'a str; N]) -> Self {
        Self(List::Slice(slice))
    }
}

impl PartialEq for TopicFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for TopicFilters<'_> {}

impl fmt::Debug for TopicFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Unsuback<'a> {
    /// An answer without properties. For 3.1.1 the codes are [`ReasonCodes::EMPTY`].
    #[must_use]
    pub fn new(packet_id: PacketId, reason_codes: impl Into<ReasonCodes<'a>>) -> Self {
        Self {
            packet_id,
            reason_codes: reason_codes.into(),
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let packet_id = reader.packet_id()?;
        Ok(match frame.version {
            Version::V31 | Version::V311 => Self::new(packet_id, ReasonCodes::EMPTY),
            Version::V5 => Self {
                packet_id,
                properties: Properties::read(reader, Context::ACK)?,
                reason_codes: ReasonCodes::decode(frame, reader)?,
            },
        })
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode). [`EncodeError::NeedsV5`] for any reason code in 3.1.1.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Unsuback::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    /// The number of bytes that [`Unsuback::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(self.properties.measure(version)))
    }

    #[inline(never)]
    pub(super) fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        self.properties.check_block(version, Context::ACK)?;
        match version {
            Version::V31 | Version::V311 if self.reason_codes.is_empty() => {}
            Version::V31 | Version::V311 => return Err(EncodeError::NeedsV5),
            Version::V5 => self.reason_codes.check(PacketType::Unsuback, version)?,
        }
        let properties = self.properties.measure(version);
        let mut out = writer::begin(
            out,
            first_byte(PacketType::Unsuback),
            self.remaining_length(properties),
        )?;
        out.array(self.packet_id.get().to_be_bytes());
        self.properties.write_block(properties, &mut out);
        self.reason_codes.write(&mut out);
        Ok(())
    }

    fn remaining_length(&self, properties: BlockLen) -> usize {
        writer::total([2, properties.on_wire(), self.reason_codes.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALL, id, refused, unsendable, valid};
    use super::super::{DecodeOptions, Packet};
    use super::*;
    use crate::property::Property;
    use crate::reason::ReasonCode;
    use Version::{V5, V311};

    #[test]
    fn valid_packets() {
        let unsubscribe = Unsubscribe::new(id(1), &["a", "+/#"]);
        valid(V311, b"\xA2\x0A\x00\x01\x00\x01a\x00\x03+/#", unsubscribe);
        valid(V5, b"\xA2\x0B\x00\x01\x00\x00\x01a\x00\x03+/#", unsubscribe);
        let list = [Property::UserProperty("", "")];
        let unsubscribe = Unsubscribe {
            properties: (&list).into(),
            ..Unsubscribe::new(id(1), &["a"])
        };
        valid(
            V5,
            b"\xA2\x0B\x00\x01\x05\x26\x00\x00\x00\x00\x00\x01a",
            unsubscribe,
        );
    }

    #[test]
    fn invalid_packets() {
        for (version, bytes, violation, offset) in [
            (
                V311,
                &b"\xA2\x05\x00\x00\x00\x01a"[..],
                Violation::PacketIdZero,
                2,
            ),
            (V311, b"\xA2\x02\x00\x01", Violation::NoTopicFilters, 4),
            (V5, b"\xA2\x03\x00\x01\x00", Violation::NoTopicFilters, 5),
            (V5, b"\xA2\x02\x00\x01", Violation::Truncated, 4),
            (
                V311,
                b"\xA2\x06\x00\x01\x00\x01a\x00",
                Violation::Truncated,
                7,
            ),
            (
                V311,
                b"\xA2\x04\x00\x01\x00\x00",
                Violation::TopicFilterEmpty,
                4,
            ),
            (
                V311,
                b"\xA2\x06\x00\x01\x00\x02a#",
                Violation::MultiLevelWildcardMisplaced,
                4,
            ),
            (
                V5,
                b"\xA2\x0D\x00\x01\x00\x00\x08$share/g",
                Violation::ShareNameInvalid,
                5,
            ),
            (
                V311,
                b"\xA2\x05\x00\x01\x00\x01\x00",
                Violation::NullCharacter,
                4,
            ),
            (
                V311,
                b"\xA2\x05\x00\x01\x00\x01\x80",
                Violation::Utf8Invalid,
                4,
            ),
            (
                V5,
                b"\xA2\x08\x00\x01\x02\x0B\x01\x00\x01a",
                Violation::PropertyNotAllowed,
                5,
            ),
        ] {
            refused(version, bytes, violation, offset);
        }
    }

    #[test]
    fn unchecked_filters() {
        let options = DecodeOptions::new().with_unchecked_filters(true);
        let bytes = b"\xA2\x06\x00\x01\x00\x02a#";
        let found = Packet::decode(V311, &options, &mut &bytes[..])
            .unwrap()
            .unwrap();
        assert_eq!(found, Unsubscribe::new(id(1), &["a#"]).into());
        unsendable(V311, found, Violation::MultiLevelWildcardMisplaced);
    }

    #[test]
    fn what_cannot_be_sent() {
        for version in ALL {
            let none: [&str; 0] = [];
            unsendable(
                version,
                Unsubscribe::new(id(1), &none),
                Violation::NoTopicFilters,
            );
            unsendable(
                version,
                Unsubscribe::new(id(1), &["a", "#/a"]),
                Violation::MultiLevelWildcardMisplaced,
            );
            unsendable(
                version,
                Unsubscribe::new(id(1), &["a", ""]),
                Violation::TopicFilterEmpty,
            );
        }
    }

    #[test]
    fn filters_of_a_received_packet() {
        let bytes = b"\xA2\x08\x00\x01\x00\x01a\x00\x01b";
        let found = Packet::decode(V311, &DecodeOptions::new(), &mut &bytes[..]).unwrap();
        let Some(Packet::Unsubscribe(unsubscribe)) = found else {
            panic!()
        };
        assert_eq!(unsubscribe.filters.len(), 2);
        assert!(unsubscribe.filters.iter().eq(["a", "b"]));
        assert_ne!(unsubscribe.filters, (&["a"]).into());
    }

    #[test]
    fn valid_unsubacks() {
        valid(
            V311,
            b"\xB0\x02\x00\x01",
            Unsuback::new(id(1), ReasonCodes::EMPTY),
        );
        let codes = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
        let unsuback = Unsuback::new(id(1), &codes);
        valid(V5, b"\xB0\x05\x00\x01\x00\x00\x11", unsuback);
        unsendable(V311, unsuback, EncodeError::NeedsV5);
        let list = [Property::ReasonString("")];
        let unsuback = Unsuback {
            properties: (&list).into(),
            ..unsuback
        };
        valid(V5, b"\xB0\x08\x00\x01\x03\x1F\x00\x00\x00\x11", unsuback);
        unsendable(
            V5,
            Unsuback::new(id(1), ReasonCodes::EMPTY),
            Violation::NoReasonCodes,
        );
    }

    #[test]
    fn invalid_unsubacks() {
        for (version, bytes, violation, offset) in [
            (V311, &b"\xB0\x02\x00\x00"[..], Violation::PacketIdZero, 2),
            (V311, b"\xB0\x03\x00\x01\x00", Violation::TrailingBytes, 4),
            (V311, b"\xB0\x01\x00", Violation::Truncated, 2),
            (V5, b"\xB0\x02\x00\x01", Violation::Truncated, 4),
            (V5, b"\xB0\x03\x00\x01\x00", Violation::NoReasonCodes, 5),
        ] {
            refused(version, bytes, violation, offset);
        }
    }

    #[test]
    fn every_reason_code() {
        for value in 0..=u8::MAX {
            let bytes = [0xB0, 4, 0, 1, 0, value];
            match ReasonCode::from_u8(value) {
                Some(code) if code.allowed_in(PacketType::Unsuback, None) => {
                    valid(V5, &bytes, Unsuback::new(id(1), &[code]));
                }
                Some(code) => {
                    refused(V5, &bytes, Violation::ReasonCodeInvalid, 5);
                    unsendable(
                        V5,
                        Unsuback::new(id(1), &[code]),
                        Violation::ReasonCodeInvalid,
                    );
                }
                None => refused(V5, &bytes, Violation::ReasonCodeInvalid, 5),
            }
        }
    }
}
