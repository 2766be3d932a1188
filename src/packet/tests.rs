//! What holds for all packets, and the helpers of the packets' own tests.

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::types::PacketId;
use crate::types::Role;
use crate::wire::MAXIMUM_PACKET_SIZE;
use crate::wire::varint::{self, Varint};

pub(super) const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

pub(super) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn from(sender: Option<Role>) -> DecodeOptions {
    DecodeOptions::new().with_sender(sender)
}

mod v31;

fn decode<'a>(
    version: Version,
    options: &DecodeOptions,
    bytes: &'a [u8],
) -> Result<Option<(Packet<'a>, usize)>, DecodeError> {
    let mut input = bytes;
    let result = Packet::decode(version, options, &mut input);
    let used = bytes.len() - input.len();
    match result {
        Ok(Some(packet)) => Ok(Some((packet, used))),
        Ok(None) => {
            assert_eq!(used, 0, "input taken without a packet");
            Ok(None)
        }
        Err(error) => {
            assert_eq!(used, 0, "input taken with an error");
            Err(error)
        }
    }
}

/// A packet from its first byte and its body.
pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::begin(&mut out, first, body.len())
        .unwrap()
        .bytes(body);
    out
}

/// The bytes are that packet, and the packet is written as these bytes.
#[track_caller]
pub(super) fn valid<'a>(version: Version, bytes: &[u8], expected: impl Into<Packet<'a>>) {
    let expected = expected.into();
    decodes(version, bytes, expected);
    let mut out = b"before".to_vec();
    expected.encode(version, &mut out).unwrap();
    assert_eq!(out, [b"before", bytes].concat());
    assert_eq!(expected.encoded_len(version), bytes.len());
    // What was received is written as it came.
    let (received, _) = decode(version, &DecodeOptions::new(), bytes)
        .unwrap()
        .unwrap();
    out.clear();
    received.encode(version, &mut out).unwrap();
    assert_eq!(out, bytes);
    assert_eq!(received.encoded_len(version), bytes.len());
}

/// The bytes are that packet, but not the form in which it is written.
#[track_caller]
pub(super) fn decodes<'a>(version: Version, bytes: &[u8], expected: impl Into<Packet<'a>>) {
    let expected = expected.into();
    let options = DecodeOptions::new();
    let behind = [bytes, b"\xFF\x00\x10"].concat();
    assert_eq!(
        decode(version, &options, bytes),
        Ok(Some((expected, bytes.len())))
    );
    assert_eq!(
        decode(version, &options, &behind),
        Ok(Some((expected, bytes.len())))
    );
    assert!(!expected.to_string().contains('\n'));
    for cut in 0..bytes.len() {
        assert_eq!(
            decode(version, &options, &bytes[..cut]),
            Ok(None),
            "cut to {cut} bytes"
        );
    }
    stays_inside(version, bytes);
    // What is written decodes to the same.
    let mut out = Vec::new();
    if expected.encode(version, &mut out).is_ok() {
        assert_eq!(
            decode(version, &options, &out),
            Ok(Some((expected, out.len())))
        );
    }
}

/// The body cut at every byte, with the remaining length mended, and another packet behind it: whatever the result, no byte
/// of the other packet has a part in it.
#[track_caller]
fn stays_inside(version: Version, bytes: &[u8]) {
    let Varint::Value(length, count) = varint::read(&bytes[1..]) else {
        panic!()
    };
    let body = &bytes[1 + count..];
    assert_eq!(body.len(), length as usize);
    for cut in 0..body.len() {
        let short = packet(bytes[0], &body[..cut]);
        let alone = decode(version, &DecodeOptions::new(), &short);
        assert_ne!(alone, Ok(None), "cut to {cut} bytes");
        for neighbour in [
            &body[cut..],
            &[0; 16],
            &[0xFF; 16],
            b"\x30\x05\x00\x01a\x00b",
        ] {
            let both = [&short[..], neighbour].concat();
            let result = decode(version, &DecodeOptions::new(), &both);
            assert_eq!(result, alone, "cut to {cut} bytes");
            if let Ok(Some((_, used))) = result {
                assert_eq!(used, short.len());
            }
        }
    }
}

#[track_caller]
pub(super) fn refused(version: Version, bytes: &[u8], violation: Violation, offset: usize) {
    refused_with(&DecodeOptions::new(), version, bytes, violation, offset);
}

#[track_caller]
pub(super) fn refused_from(
    sender: Role,
    version: Version,
    bytes: &[u8],
    violation: Violation,
    offset: usize,
) {
    refused_with(&from(Some(sender)), version, bytes, violation, offset);
}

#[track_caller]
pub(super) fn refused_with(
    options: &DecodeOptions,
    version: Version,
    bytes: &[u8],
    violation: Violation,
    offset: usize,
) {
    let error = decode(version, options, bytes).unwrap_err();
    assert_eq!(
        (error.violation(), error.offset()),
        (violation, offset),
        "{error}"
    );
    assert_eq!(error.packet_type(), PacketType::from_u8(bytes[0] >> 4));
    let behind = [bytes, b"\xC0\x00"].concat();
    assert_eq!(decode(version, options, &behind), Err(error));
}

/// The packet cannot be written, and nothing is.
#[track_caller]
pub(super) fn unsendable<'a>(
    version: Version,
    packet: impl Into<Packet<'a>>,
    error: impl Into<EncodeError>,
) {
    let mut out = b"before".to_vec();
    assert_eq!(packet.into().encode(version, &mut out), Err(error.into()));
    assert_eq!(out, b"before");
}

#[test]
fn pings() {
    for version in ALL {
        valid(version, b"\xC0\x00", Packet::Pingreq);
        valid(version, b"\xD0\x00", Packet::Pingresp);
        refused(version, b"\xC0\x01\x00", Violation::TrailingBytes, 2);
        refused(version, b"\xD0\x01\x00", Violation::TrailingBytes, 2);
    }
}

/// [MQTT-2.1.3-1; 3.1.1: MQTT-2.2.2-1, MQTT-2.2.2-2]: all first bytes, and with the bodies of all packets no panic.
#[test]
fn all_first_bytes() {
    for first in 0..=u8::MAX {
        let (packet_type, flags) = (first >> 4, first & 0x0F);
        for version in ALL {
            let expected = match (packet_type, flags) {
                (0, _) => Some(Violation::PacketTypeReserved),
                (15, _) if version != Version::V5 => Some(Violation::PacketTypeNotInVersion),
                (3, _) if flags & 0x06 == 0x06 => Some(Violation::QosInvalid),
                (1, 1..) => Some(Violation::FixedHeaderFlags),
                (_, _) if version == Version::V31 => None,
                (3, _) if flags & 0x0E == 0x08 => Some(Violation::DupWithQos0),
                (3, _) => None,
                (6 | 8 | 10, 0x02) => None,
                (6 | 8 | 10, _) => Some(Violation::FixedHeaderFlags),
                (_, 0) => None,
                _ => Some(Violation::FixedHeaderFlags),
            };
            let bytes = [first];
            let found = decode(version, &DecodeOptions::new(), &bytes);
            match expected {
                // The first byte is enough to refuse a packet.
                Some(violation) => {
                    let error = found.unwrap_err();
                    assert_eq!((error.violation(), error.offset()), (violation, 0));
                    refused(version, &[first, 0x7F], violation, 0);
                }
                None => assert_eq!(found, Ok(None)),
            }
            for body in 0..=u8::MAX {
                for length in [0, 1, 2, 3, 7, 40] {
                    let bytes = packet(first, &vec![body; length]);
                    for sender in [None, Some(Role::Client), Some(Role::Server)] {
                        let found = decode(version, &from(sender), &bytes);
                        assert_ne!(found, Ok(None));
                        if let Ok(Some((packet, used))) = found {
                            assert_eq!(used, bytes.len());
                            assert_eq!(packet.packet_type().as_u8(), packet_type);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn directions() {
    use PacketType as T;
    let client = [T::Connect, T::Subscribe, T::Unsubscribe, T::Pingreq];
    let server = [T::Connack, T::Suback, T::Unsuback, T::Pingresp];
    for value in 1..=15 {
        let packet_type = PacketType::from_u8(value).unwrap();
        let bytes = [first_byte(packet_type)];
        for version in ALL {
            if packet_type == T::Auth && version != Version::V5 {
                continue;
            }
            let only_client = client.contains(&packet_type)
                || packet_type == T::Disconnect && version != Version::V5;
            for (sender, wrong) in [
                (Role::Client, server.contains(&packet_type)),
                (Role::Server, only_client),
            ] {
                if wrong {
                    let violation = Violation::PacketTypeWrongDirection;
                    refused_from(sender, version, &[bytes[0], 0], violation, 0);
                } else {
                    assert_eq!(decode(version, &from(Some(sender)), &bytes), Ok(None));
                }
            }
            assert_eq!(decode(version, &from(None), &bytes), Ok(None));
        }
    }
}

/// A fifth byte of the remaining length is refused as soon as the fourth announces it.
#[test]
fn remaining_length_of_five_bytes() {
    for version in ALL {
        for bytes in [
            &b"\x30\xFF\xFF\xFF\xFF"[..],
            b"\x30\x80\x80\x80\x80\x01",
            b"\x10\x80\x80\x80\x80",
        ] {
            refused(version, bytes, Violation::RemainingLengthTooLong, 1);
        }
        assert_eq!(decode(version, &from(None), b"\x30\xFF\xFF\xFF"), Ok(None));
        assert_eq!(
            decode(version, &from(None), b"\x30\xFF\xFF\xFF\x7F"),
            Ok(None)
        );
    }
}

/// 5.0: [MQTT-1.5.5-1]; 3.1.1 demands no shortest form.
#[test]
fn remaining_length_longer_than_needed() {
    for bytes in [
        &b"\xC0\x80\x00"[..],
        b"\xC0\x80\x80\x00",
        b"\xC0\x80\x80\x80\x00",
    ] {
        refused(
            Version::V5,
            bytes,
            Violation::VariableByteIntegerOverlong,
            1,
        );
        decodes(Version::V311, bytes, Packet::Pingreq);
    }
    let publish = Publish::new("a", b"");
    decodes(Version::V311, b"\x30\x83\x00\x00\x01a", publish);
    refused(
        Version::V5,
        b"\x30\x84\x00\x00\x01a\x00",
        Violation::VariableByteIntegerOverlong,
        1,
    );
    // An error behind such a length is where it is.
    refused(
        Version::V311,
        b"\x30\x83\x80\x00\x00\x01+",
        Violation::TopicNameWildcard,
        4,
    );
}

/// Packets whose remaining length has one, two, three and four bytes.
#[test]
fn remaining_lengths() {
    for length in [127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        let payload = vec![7; length - 3];
        let publish = Publish::new("a", &payload);
        let body = [b"\x00\x01a", &payload[..]].concat();
        let bytes = packet(0x30, &body);
        assert_eq!(
            decode(Version::V311, &from(None), &bytes),
            Ok(Some((publish.into(), bytes.len())))
        );
        assert_eq!(publish.encoded_len(Version::V311), bytes.len());
        let mut out = Vec::new();
        publish.encode(Version::V311, &mut out).unwrap();
        assert_eq!(out, bytes);
    }
}

#[test]
fn packets_of_no_possible_length() {
    // The payload is not looked at, and none of it is copied before the length is known to be too large.
    let payload = vec![0; MAXIMUM_PACKET_SIZE as usize];
    let publish = Publish::new("a", &payload);
    unsendable(Version::V311, publish, EncodeError::PacketTooLarge);
    unsendable(Version::V5, publish, EncodeError::PacketTooLarge);
    assert_eq!(
        publish.encoded_len(Version::V311),
        1 + 4 + 3 + payload.len()
    );
}

/// The size of the whole packet counts, and it is enough to know it.
#[test]
fn maximum_packet_size() {
    let bytes = b"\x30\x04\x00\x01a\x00";
    for (maximum, good) in [(5, false), (6, true), (7, true), (0, false)] {
        let options = DecodeOptions::new().with_maximum_packet_size(maximum);
        if good {
            assert!(decode(Version::V5, &options, bytes).unwrap().is_some());
            assert_eq!(decode(Version::V5, &options, &bytes[..2]), Ok(None));
        } else {
            refused_with(&options, Version::V5, bytes, Violation::PacketTooLarge, 1);
            let error = decode(Version::V5, &options, &bytes[..2]).unwrap_err();
            assert_eq!(error.violation(), Violation::PacketTooLarge);
            assert_eq!(error.violation().reason_code(), ReasonCode::PacketTooLarge);
        }
    }
    // The bytes of the length itself count, too.
    let options = DecodeOptions::new().with_maximum_packet_size(130);
    let long = packet(0x30, &[0; 128]);
    let error = decode(Version::V311, &options, &long[..3]).unwrap_err();
    assert_eq!(error.violation(), Violation::PacketTooLarge);
}

/// What has a fixed length is not waited for if it announces more.
#[test]
fn lengths_that_are_refused_at_once() {
    use Version::{V5, V311};
    for (version, bytes, offset) in [
        (V311, &b"\xC0\x01"[..], 2),
        (V5, b"\xC0\x01", 2),
        (V5, b"\xD0\xFF\xFF\x7F", 4),
        (V311, b"\xE0\x01", 2),
        (V311, b"\x40\x03", 4),
        (V311, b"\x50\x03\x00", 4),
        (V311, b"\x62\x03", 4),
        (V311, b"\x70\x7F\x00\x01", 4),
        (V311, b"\x20\x03", 4),
        (V311, b"\xB0\x03", 4),
    ] {
        let error = decode(version, &from(None), bytes).unwrap_err();
        assert_eq!(
            (error.violation(), error.offset()),
            (Violation::TrailingBytes, offset)
        );
    }
    for bytes in [
        b"\x40\x03",
        b"\x50\x03",
        b"\x62\x03",
        b"\x20\x03",
        b"\xB0\x03",
        b"\xE0\x03",
    ] {
        assert_eq!(decode(V5, &from(None), bytes), Ok(None));
    }
}

#[test]
fn no_input() {
    for version in ALL {
        assert_eq!(decode(version, &from(None), b""), Ok(None));
    }
}

/// The borrowed packets are small enough to be passed on.
#[test]
fn sizes() {
    assert!(size_of::<Packet<'_>>() <= 144);
    assert!(size_of::<Publish<'_>>() <= 104);
    assert!(size_of::<Ack<'_>>() <= 32);
    assert_eq!(
        size_of::<Result<Option<Packet<'_>>, DecodeError>>(),
        size_of::<Packet<'_>>()
    );
}

/// An error message names the version whose statement it cites: a CONNECT's own, else the connection's.
#[test]
fn versions_of_errors() {
    let error = |version, bytes| decode(version, &from(None), bytes).unwrap_err();
    for version in ALL {
        let v311 = error(version, b"\x10\x0C\x00\x04MQTT\x04\x01\x00\x00\x00\x00");
        assert_eq!(v311.version(), Version::V311);
        let v5 = error(version, b"\x10\x0D\x00\x04MQTT\x05\x01\x00\x00\x00\x00\x00");
        assert_eq!(v5.version(), Version::V5);
        assert_eq!(
            error(version, b"\x10\x07\x00\x04MQTT\x06").version(),
            version
        );
        assert_eq!(error(version, b"\x30\x02\x00\x00").version(), version);
    }
    assert_eq!(
        error(Version::V311, b"\x38\x00").to_string(),
        "malformed PUBLISH at byte 0: DUP is set on a QoS 0 message [MQTT-3.3.1-2]"
    );
}
