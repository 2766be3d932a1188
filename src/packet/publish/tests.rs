use alloc::vec;

use super::*;
use crate::packet::DecodeOptions;
use crate::packet::Packet;
use crate::packet::tests::{ALL, decodes, id, packet, refused, refused_from, unsendable, valid};
use crate::property::Property;
use Version::{V5, V311};

fn with_id(qos: QoS, packet_id: u16, publish: Publish<'_>) -> Publish<'_> {
    Publish {
        qos,
        packet_id: Some(id(packet_id)),
        ..publish
    }
}

#[test]
fn valid_packets() {
    let plain = Publish::new("a/b", b"hi");
    valid(V311, b"\x30\x07\x00\x03a/bhi", plain);
    valid(V5, b"\x30\x08\x00\x03a/b\x00hi", plain);
    valid(V311, b"\x30\x03\x00\x01a", Publish::new("a", b""));
    valid(V5, b"\x30\x04\x00\x01a\x00", Publish::new("a", b""));
    valid(
        V311,
        b"\x31\x03\x00\x01a",
        Publish {
            retain: true,
            ..Publish::new("a", b"")
        },
    );
    let qos1 = with_id(QoS::AtLeastOnce, 10, Publish::new("a", b"\x00"));
    valid(V311, b"\x32\x06\x00\x01a\x00\x0A\x00", qos1);
    valid(V5, b"\x32\x07\x00\x01a\x00\x0A\x00\x00", qos1);
    let qos2 = with_id(QoS::ExactlyOnce, 65_535, Publish::new("a", b""));
    valid(V311, b"\x34\x05\x00\x01a\xFF\xFF", qos2);
    valid(
        V5,
        b"\x3D\x06\x00\x01a\xFF\xFF\x00",
        Publish {
            dup: true,
            retain: true,
            ..qos2
        },
    );
    // Not a wildcard, not forbidden: control characters, `$`, the byte order mark, other planes.
    for topic in [
        "/",
        "//",
        "$SYS/x",
        "\u{1}",
        "\u{FEFF}a",
        "😀/中",
        " ",
        "a/*",
    ] {
        let mut body = vec![0, u8::try_from(topic.len()).unwrap()];
        body.extend_from_slice(topic.as_bytes());
        valid(V311, &packet(0x30, &body), Publish::new(topic, b""));
        body.push(0);
        valid(V5, &packet(0x30, &body), Publish::new(topic, b""));
    }
}

#[test]
fn the_longest_topic() {
    let topic = "a".repeat(65_535);
    let body = [b"\xFF\xFF", topic.as_bytes()].concat();
    let bytes = packet(0x30, &body);
    let mut input = &bytes[..];
    let found = Packet::decode(V311, &DecodeOptions::new(), &mut input).unwrap();
    let publish = Publish::new(&topic, b"");
    assert_eq!(found, Some(publish.into()));
    let mut out = vec![];
    publish.encode(V311, &mut out).unwrap();
    assert_eq!(out, bytes);
    let longer = "a".repeat(65_536);
    unsendable(V5, Publish::new(&longer, b""), EncodeError::StringTooLong);
}

#[test]
fn valid_properties() {
    let properties = [
        Property::PayloadFormatIndicator(true),
        Property::ContentType("t"),
        Property::ResponseTopic("r"),
        Property::CorrelationData(b"\xFF"),
        Property::UserProperty("k", "v"),
        Property::UserProperty("k", ""),
    ];
    let bytes = b"\x30\x20\x00\x01a\x1B\x01\x01\x03\x00\x01t\x08\x00\x01r\x09\x00\x01\xFF\
        \x26\x00\x01k\x00\x01v\x26\x00\x01k\x00\x00!";
    valid(
        V5,
        bytes,
        Publish {
            properties: (&properties).into(),
            ..Publish::new("a", b"!")
        },
    );
    let lifted = Publish {
        topic_alias: Some(1),
        message_expiry_interval: Some(0),
        subscription_identifiers: (&[1, 300, 1, 268_435_455]).into(),
        ..Publish::new("a", b"!")
    };
    let bytes = b"\x30\x19\x00\x01a\x14\x23\x00\x01\x02\x00\x00\x00\x00\x0B\x01\x0B\xAC\x02\
        \x0B\x01\x0B\xFF\xFF\xFF\x7F!";
    valid(V5, bytes, lifted);
    let properties = [Property::ContentType("t")];
    let both = Publish {
        properties: (&properties).into(),
        ..lifted
    };
    let bytes = b"\x30\x1D\x00\x01a\x18\x23\x00\x01\x02\x00\x00\x00\x00\x0B\x01\x0B\xAC\x02\
        \x0B\x01\x0B\xFF\xFF\xFF\x7F\x03\x00\x01t!";
    valid(V5, bytes, both);
    // In another order they are the same packet.
    let bytes = b"\x30\x1D\x00\x01a\x18\x0B\x01\x03\x00\x01t\x0B\xAC\x02\x23\x00\x01\x0B\x01\
        \x02\x00\x00\x00\x00\x0B\xFF\xFF\xFF\x7F!";
    decodes(V5, bytes, both);
}

#[test]
fn many_user_properties() {
    let properties = vec![Property::UserProperty("name", "value"); 50_000];
    let publish = Publish {
        properties: properties[..].into(),
        ..Publish::new("a", b"")
    };
    let mut bytes = vec![];
    publish.encode(V5, &mut bytes).unwrap();
    let mut input = &bytes[..];
    let found = Packet::decode(V5, &DecodeOptions::new(), &mut input)
        .unwrap()
        .unwrap();
    assert_eq!(found, publish.into());
}

/// Section 3.3.2.1: an empty topic with an alias.
#[test]
fn topic_by_alias() {
    let publish = Publish {
        topic_alias: Some(65_535),
        ..Publish::new("", b"x")
    };
    valid(V5, b"\x30\x07\x00\x00\x03\x23\xFF\xFFx", publish);
    unsendable(V311, publish, EncodeError::NeedsV5);
    refused(V5, b"\x30\x03\x00\x00\x00", Violation::TopicNameEmpty, 2);
    refused(
        V5,
        b"\x30\x05\x00\x00\x02\x01\x01",
        Violation::TopicNameEmpty,
        2,
    );
    refused(V311, b"\x30\x02\x00\x00", Violation::TopicNameEmpty, 2);
    for version in ALL {
        unsendable(version, Publish::new("", b"x"), Violation::TopicNameEmpty);
    }
}

#[test]
fn invalid_packets() {
    for (violation, offset, v311, v5) in [
        (
            Violation::TopicNameWildcard,
            2,
            &b"\x30\x03\x00\x01+"[..],
            &b"\x30\x04\x00\x01+\x00"[..],
        ),
        (
            Violation::TopicNameWildcard,
            2,
            b"\x30\x05\x00\x03a/#",
            b"\x30\x06\x00\x03a/#\x00",
        ),
        (
            Violation::NullCharacter,
            2,
            b"\x30\x05\x00\x03a\x00b",
            b"\x30\x06\x00\x03a\x00b\x00",
        ),
        (
            Violation::Utf8Invalid,
            2,
            b"\x30\x04\x00\x02\xC0\x80",
            b"\x30\x05\x00\x02\xC0\x80\x00",
        ),
        (
            Violation::Utf8Invalid,
            2,
            b"\x30\x05\x00\x03\xED\xA0\x80",
            b"\x30\x06\x00\x03\xED\xA0\x80\x00",
        ),
        (
            Violation::PacketIdZero,
            5,
            b"\x32\x05\x00\x01a\x00\x00",
            b"\x32\x06\x00\x01a\x00\x00\x00",
        ),
        (
            Violation::PacketIdZero,
            5,
            b"\x34\x05\x00\x01a\x00\x00",
            b"\x34\x06\x00\x01a\x00\x00\x00",
        ),
        (Violation::Truncated, 2, b"\x30\x00", b"\x30\x00"),
        (Violation::Truncated, 2, b"\x30\x01\x00", b"\x30\x01\x00"),
        (
            Violation::Truncated,
            2,
            b"\x30\x03\x00\x02a",
            b"\x30\x03\x00\x02a",
        ),
        (
            Violation::Truncated,
            5,
            b"\x32\x04\x00\x01a\x00",
            b"\x32\x04\x00\x01a\x00",
        ),
    ] {
        refused(V311, v311, violation, offset);
        refused(V5, v5, violation, offset);
    }
    for (violation, offset, bytes) in [
        (Violation::Truncated, 5, &b"\x30\x03\x00\x01a"[..]),
        (Violation::Truncated, 5, b"\x30\x04\x00\x01a\x80"),
        (
            Violation::VariableByteIntegerOverlong,
            5,
            b"\x30\x05\x00\x01a\x80\x00",
        ),
        (
            Violation::VariableByteIntegerTooLong,
            5,
            b"\x30\x08\x00\x01a\x80\x80\x80\x80\x00",
        ),
        (Violation::PropertyLength, 5, b"\x30\x05\x00\x01a\x02\x01"),
        (
            Violation::PropertyLength,
            6,
            b"\x30\x06\x00\x01a\x01\x01\x01",
        ),
        (
            Violation::PropertyLength,
            6,
            b"\x30\x08\x00\x01a\x02\x23\x00\x01\x01",
        ),
        (
            Violation::PropertyUnknown,
            6,
            b"\x30\x06\x00\x01a\x02\x00\x00",
        ),
        (
            Violation::PropertyUnknown,
            6,
            b"\x30\x06\x00\x01a\x02\x81\x00",
        ),
        (
            Violation::PropertyNotAllowed,
            6,
            b"\x30\x07\x00\x01a\x03\x1F\x00\x00",
        ),
        (
            Violation::PropertyDuplicate,
            8,
            b"\x30\x08\x00\x01a\x04\x01\x01\x01\x01",
        ),
        (
            Violation::PropertyDuplicate,
            9,
            b"\x30\x0A\x00\x01a\x06\x23\x00\x01\x23\x00\x01",
        ),
        (
            Violation::TopicAliasZero,
            7,
            b"\x30\x07\x00\x01a\x03\x23\x00\x00",
        ),
        (
            Violation::SubscriptionIdentifierZero,
            7,
            b"\x30\x06\x00\x01a\x02\x0B\x00",
        ),
        (
            Violation::PropertyValue,
            7,
            b"\x30\x06\x00\x01a\x02\x01\x02",
        ),
        (
            Violation::ResponseTopicWildcard,
            7,
            b"\x30\x08\x00\x01a\x04\x08\x00\x01#",
        ),
    ] {
        refused(V5, bytes, violation, offset);
    }
}

/// [MQTT-3.3.4-6]
#[test]
fn subscription_identifiers_come_from_servers() {
    let bytes = b"\x30\x09\x00\x01a\x04\x01\x00\x0B\x01!";
    let violation = Violation::SubscriptionIdentifierFromClient;
    refused_from(Role::Client, V5, bytes, violation, 8);
    for sender in [None, Some(Role::Server)] {
        let options = DecodeOptions::new().with_sender(sender);
        let found = Packet::decode(V5, &options, &mut &bytes[..]).unwrap();
        let Some(Packet::Publish(publish)) = found else {
            panic!()
        };
        assert!(publish.subscription_identifiers.iter().eq([1]));
    }
}

#[test]
fn what_cannot_be_sent() {
    let plain = Publish::new("a", b"");
    for version in ALL {
        if version != Version::V31 {
            unsendable(
                version,
                Publish { dup: true, ..plain },
                Violation::DupWithQos0,
            );
        }
        for topic in ["+", "a/#", "a+"] {
            unsendable(
                version,
                Publish::new(topic, b""),
                Violation::TopicNameWildcard,
            );
        }
        unsendable(version, Publish::new("a\0", b""), Violation::NullCharacter);
        let mismatch = EncodeError::PacketIdMismatch;
        unsendable(
            version,
            Publish {
                packet_id: Some(id(1)),
                ..plain
            },
            mismatch,
        );
        unsendable(
            version,
            Publish {
                qos: QoS::AtLeastOnce,
                ..plain
            },
            mismatch,
        );
        unsendable(
            version,
            Publish {
                qos: QoS::ExactlyOnce,
                ..plain
            },
            mismatch,
        );
    }
    for (publish, error) in [
        (
            Publish {
                topic_alias: Some(0),
                ..plain
            },
            Violation::TopicAliasZero,
        ),
        (
            Publish {
                subscription_identifiers: (&[1, 0]).into(),
                ..plain
            },
            Violation::SubscriptionIdentifierZero,
        ),
        (
            Publish {
                subscription_identifiers: (&[268_435_456]).into(),
                ..plain
            },
            Violation::VariableByteIntegerTooLong,
        ),
    ] {
        unsendable(V5, publish, error);
        unsendable(V311, publish, EncodeError::NeedsV5);
    }
    for property in [
        Property::TopicAlias(1),
        Property::MessageExpiryInterval(1),
        Property::SubscriptionIdentifier(1),
        Property::WillDelayInterval(1),
    ] {
        let list = [property];
        let publish = Publish {
            properties: (&list).into(),
            ..plain
        };
        unsendable(V5, publish, Violation::PropertyNotAllowed);
        unsendable(V311, publish, EncodeError::NeedsV5);
    }
    unsendable(
        V311,
        Publish {
            message_expiry_interval: Some(1),
            ..plain
        },
        EncodeError::NeedsV5,
    );
}

#[test]
fn equality_of_identifiers() {
    let bytes = b"\x30\x0A\x00\x01a\x06\x0B\x01\x01\x01\x0B\x02";
    let found = Packet::decode(V5, &DecodeOptions::new(), &mut &bytes[..]).unwrap();
    let Some(Packet::Publish(publish)) = found else {
        panic!()
    };
    assert_eq!(publish.subscription_identifiers, (&[1, 2]).into());
    assert_ne!(publish.subscription_identifiers, (&[2, 1]).into());
    assert!(!publish.subscription_identifiers.is_empty());
    assert!(SubscriptionIdentifiers::default().is_empty());
}
