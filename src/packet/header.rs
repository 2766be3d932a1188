//! The fixed header (section 2.1; 3.1.1: 2.2): what is refused before there is a body.

use super::DecodeOptions;
use crate::types::{PacketType, Role, Version};
use crate::violation::{DecodeError, Violation};
use crate::wire::Reader;
use crate::wire::varint::{self, Varint};

/// The beginning of a packet: one that may be sent, of a length that is taken.
#[derive(Copy, Clone)]
pub(super) struct FixedHeader<'a> {
    pub(super) packet_type: PacketType,
    pub(super) first: u8,
    pub(super) header_length: usize,
    pub(super) remaining_length: usize,
    /// What of the input stands behind it.
    pub(super) behind: &'a [u8],
}

impl<'a> FixedHeader<'a> {
    /// `None` if it is not complete.
    #[inline(always)]
    pub(super) fn read(
        version: Version,
        options: &DecodeOptions,
        bytes: &'a [u8],
    ) -> Result<Option<Self>, DecodeError> {
        let Some((&first, behind)) = bytes.split_first() else {
            return Ok(None);
        };
        let packet_type = match read_first_byte(version, options.sender, first) {
            Ok(packet_type) => packet_type,
            Err(violation) => return Err(header_error(version, first, violation, 0)),
        };
        let (remaining_length, behind) = match behind.split_first() {
            Some((&byte, behind)) if byte < 0x80 => (usize::from(byte), behind),
            _ => match read_remaining_length(version, packet_type, behind) {
                Ok(Some(read)) => read,
                Ok(None) => return Ok(None),
                Err(violation) => return Err(header_error(version, first, violation, 1)),
            },
        };
        let header = Self {
            packet_type,
            first,
            header_length: bytes.len() - behind.len(),
            remaining_length,
            behind,
        };
        if header.packet_length() > options.maximum_packet_size as usize {
            return Err(header_error(version, first, Violation::PacketTooLarge, 1));
        }
        Ok(Some(header))
    }

    #[inline(always)]
    pub(super) const fn packet_length(&self) -> usize {
        self.header_length + self.remaining_length
    }
}

/// For each first byte the packet type, or what the byte breaks.
type FirstBytes = [Result<PacketType, Violation>; 256];
static FIRST_BYTE_V31: FirstBytes = first_bytes(Version::V31);
static FIRST_BYTE_V311: FirstBytes = first_bytes(Version::V311);
static FIRST_BYTE_V5: FirstBytes = first_bytes(Version::V5);

const fn first_bytes(version: Version) -> FirstBytes {
    let mut table = [Err(Violation::PacketTypeReserved); 256];
    let mut rest: &mut [Result<PacketType, Violation>] = &mut table;
    let mut first: u8 = 0;
    while let Some((entry, behind)) = rest.split_first_mut() {
        *entry = match (
            check_first_byte(version, first),
            PacketType::from_u8(first >> 4),
        ) {
            (None, Some(packet_type)) => Ok(packet_type),
            (Some(violation), _) => Err(violation),
            (None, None) => Err(Violation::PacketTypeReserved),
        };
        rest = behind;
        first = first.wrapping_add(1);
    }
    table
}

/// The packet type, and the flags: of PUBLISH [MQTT-3.3.1-2, MQTT-3.3.1-4], of the others [MQTT-2.1.3-1; 3.1.1:
/// MQTT-2.2.2-1].
///
/// 3.1 says only that unused bits should be 0 (section 2.6), and has a use for DUP in PUBREL, SUBSCRIBE and UNSUBSCRIBE
/// (section 2.1): there the flags of PUBLISH alone mean something. Those of CONNECT are looked at before its version
/// is known.
const fn check_first_byte(version: Version, first: u8) -> Option<Violation> {
    match (first >> 4, first & 0x0F) {
        (0, _) => Some(Violation::PacketTypeReserved),
        (15, _) if !matches!(version, Version::V5) => Some(Violation::PacketTypeNotInVersion),
        (3, 0x6 | 0x7 | 0xE | 0xF) => Some(Violation::QosInvalid),
        (1, 0x1..=0xF) => Some(Violation::FixedHeaderFlags),
        (_, _) if matches!(version, Version::V31) => None,
        (3, 0x8 | 0x9) => Some(Violation::DupWithQos0),
        (3, _) | (6 | 8 | 10, 0x2) => None,
        (6 | 8 | 10, _) => Some(Violation::FixedHeaderFlags),
        (_, 0) => None,
        (_, _) => Some(Violation::FixedHeaderFlags),
    }
}

/// The first byte of a packet whose flags are constant.
pub(super) const fn first_byte(packet_type: PacketType) -> u8 {
    packet_type.as_u8() << 4
        | match packet_type {
            PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe => 0x02,
            _ => 0x00,
        }
}

/// The packet type, if the first byte is one that this sender may send.
#[inline(always)]
fn read_first_byte(
    version: Version,
    sender: Option<Role>,
    first: u8,
) -> Result<PacketType, Violation> {
    let table = match version {
        Version::V31 => &FIRST_BYTE_V31,
        Version::V311 => &FIRST_BYTE_V311,
        Version::V5 => &FIRST_BYTE_V5,
    };
    let packet_type = match table.get(usize::from(first)) {
        Some(&Ok(packet_type)) => packet_type,
        Some(&Err(violation)) => return Err(violation),
        None => return Err(Violation::PacketTypeReserved),
    };
    match sender {
        Some(sender) if !sends(sender, packet_type, version) => {
            Err(Violation::PacketTypeWrongDirection)
        }
        _ => Ok(packet_type),
    }
}

/// The remaining length, and what is behind it, if it has more than one byte; `None` if it is not complete.
fn read_remaining_length(
    version: Version,
    packet_type: PacketType,
    bytes: &[u8],
) -> Result<Option<(usize, &[u8])>, Violation> {
    match varint::read(bytes) {
        // 3.1 and 3.1.1 demand no shortest form (3.1.1, section 2.2.3), 5.0 does [MQTT-1.5.5-1]. Which of these a CONNECT
        // has to obey is not known before its body.
        Varint::Value(value, count)
            if version == Version::V5
                && packet_type != PacketType::Connect
                && count != varint::len(value) =>
        {
            Err(Violation::VariableByteIntegerOverlong)
        }
        Varint::Value(value, count) => Ok(bytes.get(count..).map(|rest| (value as usize, rest))),
        Varint::Incomplete => Ok(None),
        Varint::TooLong => Err(Violation::RemainingLengthTooLong),
    }
}

/// Whether the packet can have a body of this length, for those that have a fixed one. Reading the body finds the
/// same, but only after it has been waited for. The error is where the bytes begin that are too many.
#[cold]
pub(super) fn check_length(
    version: Version,
    packet_type: PacketType,
    header_length: usize,
    remaining_length: usize,
) -> Result<(), usize> {
    let expected = match (packet_type, version) {
        (PacketType::Pingreq | PacketType::Pingresp, _)
        | (PacketType::Disconnect, Version::V31 | Version::V311) => 0,
        (
            PacketType::Connack
            | PacketType::Puback
            | PacketType::Pubrec
            | PacketType::Pubrel
            | PacketType::Pubcomp
            | PacketType::Unsuback,
            Version::V31 | Version::V311,
        ) => 2,
        _ => return Ok(()),
    };
    if remaining_length <= expected {
        Ok(())
    } else {
        Err(header_length + expected)
    }
}

/// Whether this side sends such packets.
const fn sends(sender: Role, packet_type: PacketType, version: Version) -> bool {
    let other_side = match packet_type {
        PacketType::Connect
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::Pingreq => Role::Server,
        PacketType::Connack | PacketType::Suback | PacketType::Unsuback | PacketType::Pingresp => {
            Role::Client
        }
        PacketType::Disconnect if !matches!(version, Version::V5) => Role::Server,
        _ => return true,
    };
    !matches!(
        (sender, other_side),
        (Role::Client, Role::Client) | (Role::Server, Role::Server)
    )
}

/// What the fixed header breaks.
#[cold]
pub(super) fn header_error(
    version: Version,
    first: u8,
    violation: Violation,
    offset: usize,
) -> DecodeError {
    let offset = Reader::of_body(&[], offset).offset();
    DecodeError::new(violation, PacketType::from_u8(first >> 4), version, offset)
}

/// What the length breaks: from this offset on there are too many bytes.
#[cold]
pub(super) fn length_error(version: Version, first: u8, offset: usize) -> DecodeError {
    header_error(version, first, Violation::TrailingBytes, offset)
}
