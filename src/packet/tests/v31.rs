//! Where MQTT 3.1 differs from 3.1.1; sections are those of 3.1.

use super::*;
use crate::types::QoS;
use Version::{V5, V31, V311};

const ACCEPT: DecodeOptions = DecodeOptions::new().with_accept_v31(true);

/// A CONNECT with these flags, a keep alive of 60 s, and this payload.
fn connect(flags: u8, payload: &[u8]) -> Vec<u8> {
    let head = [b"\x00\x06MQIsdp\x03", &[flags, 0, 60][..]].concat();
    packet(0x10, &[&head, payload].concat())
}

/// The bytes are that CONNECT, whatever version the connection was thought to have.
#[track_caller]
fn connects(bytes: &[u8], expected: Connect<'_>) {
    for version in ALL {
        assert_eq!(
            decode(version, &ACCEPT, bytes),
            Ok(Some((expected.into(), bytes.len())))
        );
    }
    let mut out = Vec::new();
    expected.encode(&mut out).unwrap();
    assert_eq!(expected.encoded_len(), out.len());
    assert_eq!(
        decode(V31, &ACCEPT, &out),
        Ok(Some((expected.into(), out.len())))
    );
}

#[track_caller]
fn refused_connect(bytes: &[u8], violation: Violation, offset: usize) {
    for version in ALL {
        refused_with(&ACCEPT, version, bytes, violation, offset);
        let error = decode(version, &ACCEPT, bytes).unwrap_err();
        assert_eq!(error.version(), V31);
        assert!(error.statement().starts_with("section "), "{error}");
    }
}

#[test]
fn connect_is_read_only_when_accepted() {
    let bytes = connect(0x02, b"\x00\x01x");
    let expected = Connect::new(V31, "x");
    connects(&bytes, expected);
    let mut out = Vec::new();
    expected.encode(&mut out).unwrap();
    assert_eq!(out, bytes);
    for version in ALL {
        let error = decode(version, &DecodeOptions::new(), &bytes).unwrap_err();
        let violation = Violation::ProtocolVersionLegacy;
        assert_eq!((error.violation(), error.offset()), (violation, 10));
        // It is not 3.1 that is broken.
        assert_eq!(error.version(), version);
    }
    // The other name and the other levels stay what they are.
    for (body, violation, offset) in [
        (
            &b"\x00\x04MQTT\x03\x02\x00\x3C\x00\x01x"[..],
            Violation::ProtocolVersionLegacy,
            8,
        ),
        (
            b"\x00\x06MQIsdp\x04\x02\x00\x3C\x00\x01x",
            Violation::ProtocolName,
            2,
        ),
        (
            b"\x00\x06MQIsdp\x83\x02\x00\x3C\x00\x01x",
            Violation::ProtocolName,
            2,
        ),
        (b"\x00\x06MQIsdp", Violation::Truncated, 10),
    ] {
        refused_with(&ACCEPT, V31, &packet(0x10, body), violation, offset);
    }
}

/// Section 3.1: bit 0 is not used, QoS and RETAIN of no will are disregarded, no password without a user name.
#[test]
fn connect_flags() {
    for flags in 0..=u8::MAX {
        let (will_qos, will) = (flags >> 3 & 3, flags & 0x04 != 0);
        let mut payload = b"\x00\x01x".to_vec();
        let mut expected = Connect {
            clean_start: flags & 0x02 != 0,
            ..Connect::new(V31, "x")
        };
        if will {
            payload.extend_from_slice(b"\x00\x01w\x00\x01\xFF");
            expected.will = Some(Will {
                qos: QoS::from_u8(will_qos).unwrap_or_default(),
                retain: flags & 0x20 != 0,
                ..Will::new("w", b"\xFF")
            });
        }
        if flags & 0x80 != 0 {
            payload.extend_from_slice(b"\x00\x01u");
            expected.user_name = Some("u");
        }
        if flags & 0x40 != 0 {
            payload.extend_from_slice(b"\x00\x01\xFF");
            expected.password = Some(b"\xFF");
        }
        let bytes = connect(flags, &payload);
        if will && will_qos == 3 {
            refused_connect(&bytes, Violation::WillQosInvalid, 11);
        } else if flags & 0xC0 == 0x40 {
            refused_connect(&bytes, Violation::PasswordWithoutUserName, 11);
        } else {
            connects(&bytes, expected);
        }
    }
}

/// Section 3.1: the remaining length has precedence over the flags of user name and password, and over no other.
#[test]
fn remaining_length_has_precedence() {
    let bare = Connect::new(V31, "x");
    connects(&connect(0x82, b"\x00\x01x"), bare);
    connects(&connect(0xC2, b"\x00\x01x"), bare);
    let user_name = Connect {
        user_name: Some(""),
        ..bare
    };
    connects(&connect(0xC2, b"\x00\x01x\x00\x00"), user_name);
    refused_connect(&connect(0x82, b"\x00\x01x\x00"), Violation::Truncated, 17);
    refused_connect(
        &connect(0x82, b"\x00\x01x\x00\x02u"),
        Violation::Truncated,
        17,
    );
    refused_connect(&connect(0x06, b"\x00\x01x"), Violation::Truncated, 17);
    refused_connect(
        &connect(0x06, b"\x00\x01x\x00\x01w"),
        Violation::Truncated,
        20,
    );
    refused_connect(
        &connect(0x02, b"\x00\x01x\x00"),
        Violation::TrailingBytes,
        17,
    );
    // 3.1.1 has no such rule.
    refused(
        V311,
        b"\x10\x0D\x00\x04MQTT\x04\x82\x00\x3C\x00\x01x",
        Violation::Truncated,
        15,
    );
}

/// How long a client identifier may be is for the connection to say.
#[test]
fn client_identifiers() {
    connects(&connect(0x02, b"\x00\x00"), Connect::new(V31, ""));
    let long = "a".repeat(24);
    let payload = [b"\x00\x18", long.as_bytes()].concat();
    connects(&connect(0x02, &payload), Connect::new(V31, &long));
    refused_connect(
        &connect(0x02, b"\x00\x01\x00"),
        Violation::NullCharacter,
        14,
    );
    refused_connect(&connect(0x02, b"\x00\x01\xFF"), Violation::Utf8Invalid, 14);
    let will = connect(0x06, b"\x00\x01x\x00\x01#\x00\x00");
    refused_connect(&will, Violation::TopicNameWildcard, 17);
}

/// Sections 2.1 and 2.6: DUP is set on what is sent again, and unused bits are not looked at.
#[test]
fn flags_of_the_first_byte() {
    let subscriptions = [Subscription::new("a", QoS::AtLeastOnce)];
    let subscribe = Subscribe::new(id(1), &subscriptions);
    let unsubscribe = Unsubscribe::new(id(1), &["a"]);
    for flags in 0..=0x0F {
        let with = |first: u8, body: &[u8]| packet(first << 4 | flags, body);
        for (bytes, expected) in [
            (with(6, b"\x00\x01"), Packet::Pubrel(Ack::new(id(1)))),
            (with(8, b"\x00\x01\x00\x01a\x01"), subscribe.into()),
            (with(10, b"\x00\x01\x00\x01a"), unsubscribe.into()),
            (with(4, b"\x00\x01"), Packet::Puback(Ack::new(id(1)))),
            (with(5, b"\x00\x01"), Packet::Pubrec(Ack::new(id(1)))),
            (with(7, b"\x00\x01"), Packet::Pubcomp(Ack::new(id(1)))),
            (with(12, b""), Packet::Pingreq),
            (with(14, b""), Disconnect::default().into()),
        ] {
            decodes(V31, &bytes, expected);
            let mut out = Vec::new();
            expected.encode(V31, &mut out).unwrap();
            assert_eq!(out[0], first_byte(expected.packet_type()));
        }
    }
    refused(V311, b"\x8A\x00", Violation::FixedHeaderFlags, 0);
    let bytes = packet(0x11, b"\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x01x");
    refused_with(&ACCEPT, V31, &bytes, Violation::FixedHeaderFlags, 0);
    let error = decode(V31, &ACCEPT, &bytes).unwrap_err();
    assert_eq!(error.statement(), "section 3.1");
}

#[test]
fn publish() {
    let again = Publish {
        dup: true,
        ..Publish::new("a", b"x")
    };
    valid(V31, b"\x38\x04\x00\x01ax", again);
    unsendable(V311, again, Violation::DupWithQos0);
    let qos1 = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(1)),
        retain: true,
        ..again
    };
    valid(V31, b"\x3B\x06\x00\x01a\x00\x01x", qos1);
    for first in [0x36, 0x37, 0x3E, 0x3F] {
        refused(V31, &[first, 0], Violation::QosInvalid, 0);
    }
    refused(V31, b"\x30\x03\x00\x01+", Violation::TopicNameWildcard, 2);
    refused(V31, b"\x30\x02\x00\x00", Violation::TopicNameEmpty, 2);
    refused(
        V31,
        b"\x32\x05\x00\x01a\x00\x00",
        Violation::PacketIdZero,
        5,
    );
    // Appendix A allows 64 k, section 2.2 has 32,767: the longer one is taken.
    let topic = "a".repeat(65_535);
    let body = [b"\xFF\xFF", topic.as_bytes()].concat();
    let bytes = packet(0x30, &body);
    let decoded = Packet::decode(V31, &DecodeOptions::new(), &mut &bytes[..]);
    assert_eq!(decoded, Ok(Some(Publish::new(&topic, b"").into())));
}

/// Section 3.2: there is no Session Present, and the byte where it stands later is not used.
#[test]
fn connack() {
    for flags in 0..=u8::MAX {
        for (code, reason) in [(0, ReasonCode::Success), (5, ReasonCode::NotAuthorized)] {
            decodes(V31, &[0x20, 2, flags, code], Connack::new(reason));
        }
    }
    refused(V31, b"\x20\x02\x00\x06", Violation::ReasonCodeInvalid, 3);
    let present = Connack {
        session_present: true,
        ..Connack::new(ReasonCode::Success)
    };
    unsendable(V31, present, EncodeError::NeedsV311);
    unsendable(V31, Connack::new(ReasonCode::Banned), EncodeError::NeedsV5);
}

/// Section 3.9: granted QoS only.
#[test]
fn suback() {
    for value in 0..=u8::MAX {
        let bytes = [0x90, 3, 0, 1, value];
        if value > 2 {
            refused(V31, &bytes, Violation::ReasonCodeInvalid, 4);
        } else {
            let code = ReasonCode::from_u8(value).unwrap();
            valid(V31, &bytes, Suback::new(id(1), &[code]));
        }
    }
    for (code, error) in [
        (ReasonCode::UnspecifiedError, EncodeError::NeedsV311),
        (ReasonCode::NotAuthorized, EncodeError::NeedsV5),
    ] {
        unsendable(V31, Suback::new(id(1), &[code]), error);
    }
}

/// What 5.0 added is refused as in 3.1.1, and by a section of 3.1.
#[test]
fn nothing_of_5_0() {
    refused(V31, b"\xF0\x00", Violation::PacketTypeNotInVersion, 0);
    refused(V31, b"\xE0\x01\x00", Violation::TrailingBytes, 2);
    refused(
        V31,
        b"\x82\x06\x00\x01\x00\x01a\x04",
        Violation::SubscriptionOptionsReserved,
        7,
    );
    valid(
        V31,
        b"\x82\x0B\x00\x01\x00\x06$share\x02",
        Subscribe::new(id(1), &[Subscription::new("$share", QoS::ExactlyOnce)]),
    );
    for (bytes, statement) in [
        (&b"\xF0\x00"[..], "section 2.1"),
        (b"\xE0\x01\x00", "section 2.1"),
        (b"\x40\x02\x00\x00", "section 2.4"),
        (b"\x30\x03\x00\x01\xFF", "section 2.5"),
        (b"\x30\x03\x00\x01\x00", "section A"),
        (b"\x30\x03\x00\x01#", "section 3.3"),
        (b"\x20\x02\x00\x06", "section 3.2"),
        (b"\x82\x02\x00\x01", "section 3.8"),
        (b"\x82\x06\x00\x01\x00\x01a\x03", "section 3.8"),
        (b"\x82\x07\x00\x01\x00\x02#a\x00", "section A"),
        (b"\x90\x03\x00\x01\x80", "section 3.9"),
        (b"\xA2\x02\x00\x01", "section 3.10"),
    ] {
        let error = decode(V31, &from(None), bytes).unwrap_err();
        assert_eq!(error.statement(), statement, "{error}");
    }
    let list = [crate::property::Property::UserProperty("k", "v")];
    let with = Connect {
        properties: (&list).into(),
        ..Connect::new(V31, "x")
    };
    unsendable(V5, with, EncodeError::NeedsV5);
}
