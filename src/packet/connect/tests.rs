use alloc::format;
use alloc::string::ToString;

use super::*;
use crate::packet::tests::{ALL, packet, refused, unsendable, valid};
use crate::property::Property;
use Version::{V5, V311};

/// The version of the connection does not matter for CONNECT.
#[track_caller]
fn valid_connect(bytes: &[u8], connect: Connect<'_>) {
    for version in ALL {
        valid(version, bytes, connect);
    }
}

#[track_caller]
fn refused_connect(bytes: &[u8], violation: Violation, offset: usize) {
    for version in ALL {
        refused(version, bytes, violation, offset);
    }
}

#[test]
fn valid_packets() {
    let v311 = Connect::new(V311, "c");
    let v5 = Connect::new(V5, "c");
    valid_connect(b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01c", v311);
    valid_connect(b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x01c", v5);
    let connect = Connect {
        clean_start: false,
        keep_alive: 65_535,
        client_id: "",
        ..v311
    };
    valid_connect(b"\x10\x0C\x00\x04MQTT\x04\x00\xFF\xFF\x00\x00", connect);
    let connect = Connect {
        will: Some(Will {
            qos: QoS::ExactlyOnce,
            retain: true,
            ..Will::new("w", b"\x00")
        }),
        user_name: Some("u"),
        password: Some(b"\xFF"),
        ..v311
    };
    valid_connect(
        b"\x10\x19\x00\x04MQTT\x04\xF6\x00\x3C\x00\x01c\x00\x01w\x00\x01\x00\x00\x01u\x00\x01\xFF",
        connect,
    );
    let will_properties = [
        Property::WillDelayInterval(1),
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(2),
        Property::ContentType("t"),
        Property::ResponseTopic("r"),
        Property::CorrelationData(b"d"),
        Property::UserProperty("k", "v"),
    ];
    let properties = [
        Property::SessionExpiryInterval(3),
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(b"d"),
        Property::RequestProblemInformation(false),
        Property::RequestResponseInformation(true),
        Property::ReceiveMaximum(4),
        Property::TopicAliasMaximum(5),
        Property::UserProperty("k", "v"),
        Property::MaximumPacketSize(6),
    ];
    let connect = Connect {
        will: Some(Will {
            properties: (&will_properties).into(),
            ..Will::new("w", b"")
        }),
        properties: (&properties).into(),
        ..v5
    };
    valid_connect(
        b"\x10\x56\x00\x04MQTT\x05\x06\x00\x3C\x23\x11\x00\x00\x00\x03\x15\x00\x01m\x16\x00\x01d\
            \x17\x00\x19\x01\x21\x00\x04\x22\x00\x05\x26\x00\x01k\x00\x01v\x27\x00\x00\x00\x06\
            \x00\x01c\x1F\x18\x00\x00\x00\x01\x01\x01\x02\x00\x00\x00\x02\x03\x00\x01t\
            \x08\x00\x01r\x09\x00\x01d\x26\x00\x01k\x00\x01v\x00\x01w\x00\x00",
        connect,
    );
    // An empty user name and an empty password are there.
    let connect = Connect {
        user_name: Some(""),
        password: Some(b""),
        ..v311
    };
    valid_connect(
        b"\x10\x11\x00\x04MQTT\x04\xC2\x00\x3C\x00\x01c\x00\x00\x00\x00",
        connect,
    );
    let connect = Connect {
        user_name: Some("#"),
        client_id: "$x/+",
        ..v311
    };
    valid_connect(
        b"\x10\x13\x00\x04MQTT\x04\x82\x00\x3C\x00\x04$x/+\x00\x01#",
        connect,
    );
}

/// 5.0, section 3.1.2.9; 3.1.1 forbids it [MQTT-3.1.2-22].
#[test]
fn password_without_user_name() {
    let connect = Connect {
        password: Some(b"p"),
        ..Connect::new(V5, "c")
    };
    valid_connect(
        b"\x10\x11\x00\x04MQTT\x05\x42\x00\x3C\x00\x00\x01c\x00\x01p",
        connect,
    );
    let violation = Violation::PasswordWithoutUserName;
    refused_connect(
        b"\x10\x10\x00\x04MQTT\x04\x42\x00\x3C\x00\x01c\x00\x01p",
        violation,
        9,
    );
    unsendable(
        V311,
        Connect {
            version: V311,
            ..connect
        },
        violation,
    );
}

/// Name and level come before all else, even before what is cut off behind them.
#[test]
fn protocol_names_and_versions() {
    for (body, violation, offset) in [
        (
            &b"\x00\x04MQTT\x03"[..],
            Violation::ProtocolVersionLegacy,
            8,
        ),
        (b"\x00\x06MQIsdp\x03", Violation::ProtocolVersionLegacy, 10),
        (
            b"\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x01c",
            Violation::ProtocolVersionLegacy,
            10,
        ),
        (b"\x00\x06MQIsdp\x04", Violation::ProtocolName, 2),
        (b"\x00\x04MQTT\x06\xFF", Violation::ProtocolVersion, 8),
        (b"\x00\x04MQTT\x00", Violation::ProtocolVersion, 8),
        (b"\x00\x04MQTT\x84", Violation::ProtocolVersion, 8),
        (b"\x00\x04mqtt\x04", Violation::ProtocolName, 2),
        (b"\x00\x00\x04", Violation::ProtocolName, 2),
        (b"\x00\x05MQTTX\x04", Violation::ProtocolName, 2),
        (b"\x00\x04\xFFQTT\x04", Violation::ProtocolName, 2),
        (b"\x00\x04MQTT", Violation::Truncated, 8),
        (b"\x00\x04MQT", Violation::Truncated, 2),
        (b"", Violation::Truncated, 2),
        (b"\x00\x04MQTT\x04", Violation::Truncated, 9),
    ] {
        refused_connect(&packet(0x10, body), violation, offset);
    }
}

#[test]
fn flags() {
    for flags in 0..=u8::MAX {
        for version in [V311, V5] {
            let (will_qos, will) = (flags >> 3 & 3, flags & 0x04 != 0);
            let expected = if flags & 0x01 != 0 {
                Some(Violation::ConnectFlagReserved)
            } else if !will && will_qos != 0 {
                Some(Violation::WillQosWithoutWill)
            } else if !will && flags & 0x20 != 0 {
                Some(Violation::WillRetainWithoutWill)
            } else if will_qos == 3 {
                Some(Violation::WillQosInvalid)
            } else if version == V311 && flags & 0xC0 == 0x40 {
                Some(Violation::PasswordWithoutUserName)
            } else {
                None
            };
            let properties = if version == V5 { &b"\x00"[..] } else { b"" };
            let mut body = b"\x00\x04MQTT".to_vec();
            body.extend_from_slice(&[version.protocol_level(), flags, 0, 0]);
            body.extend_from_slice(properties);
            body.extend_from_slice(b"\x00\x00");
            let mut connect = Connect {
                keep_alive: 0,
                ..Connect::new(version, "")
            };
            connect.clean_start = flags & 0x02 != 0;
            if will {
                body.extend_from_slice(properties);
                body.extend_from_slice(b"\x00\x01w\x00\x00");
                let qos = QoS::from_u8(will_qos).unwrap_or_default();
                connect.will = Some(Will {
                    qos,
                    retain: flags & 0x20 != 0,
                    ..Will::new("w", b"")
                });
            }
            if flags & 0x80 != 0 {
                body.extend_from_slice(b"\x00\x01u");
                connect.user_name = Some("u");
            }
            if flags & 0x40 != 0 {
                body.extend_from_slice(b"\x00\x01p");
                connect.password = Some(b"p");
            }
            let bytes = packet(0x10, &body);
            match expected {
                Some(violation) => refused_connect(&bytes, violation, 9),
                None => valid_connect(&bytes, connect),
            }
        }
    }
}

#[test]
fn invalid_packets() {
    for (bytes, violation, offset) in [
        (&b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01\x00"[..], Violation::NullCharacter, 12),
        (b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01\xFF", Violation::Utf8Invalid, 12),
        (b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x02c", Violation::Truncated, 12),
        (b"\x10\x0A\x00\x04MQTT\x04\x02\x00\x3C", Violation::Truncated, 12),
        (b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x3C\x00\x01c!", Violation::TrailingBytes, 15),
        (b"\x10\x0F\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x01c!", Violation::TrailingBytes, 16),
        // Fields that the flags announce.
        (b"\x10\x0C\x00\x04MQTT\x04\x04\x00\x00\x00\x00", Violation::Truncated, 14),
        (b"\x10\x0F\x00\x04MQTT\x04\x04\x00\x00\x00\x00\x00\x01w", Violation::Truncated, 17),
        (b"\x10\x0C\x00\x04MQTT\x04\x80\x00\x00\x00\x00", Violation::Truncated, 14),
        (b"\x10\x0E\x00\x04MQTT\x04\xC0\x00\x00\x00\x00\x00\x00", Violation::Truncated, 16),
        // The will.
        (b"\x10\x10\x00\x04MQTT\x04\x04\x00\x00\x00\x00\x00\x00\x00\x00", Violation::TopicNameEmpty, 14),
        (b"\x10\x11\x00\x04MQTT\x04\x04\x00\x00\x00\x00\x00\x01#\x00\x00", Violation::TopicNameWildcard, 14),
        (b"\x10\x11\x00\x04MQTT\x04\x04\x00\x00\x00\x00\x00\x01\x00\x00\x00", Violation::NullCharacter, 14),
        (b"\x10\x10\x00\x04MQTT\x04\x80\x00\x00\x00\x00\x00\x02\xC3\x28", Violation::Utf8Invalid, 14),
        // Properties.
        (b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x00\x00\x00", Violation::ReceiveMaximumZero, 14),
        (b"\x10\x0F\x00\x04MQTT\x05\x02\x00\x00\x02\x17\x02\x00\x00", Violation::PropertyValue, 14),
        (b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x03\x16\x00\x00\x00\x00", Violation::AuthenticationDataWithoutMethod, 12),
        (b"\x10\x12\x00\x04MQTT\x05\x02\x00\x00\x05\x18\x00\x00\x00\x00\x00\x00", Violation::PropertyNotAllowed, 13),
        (b"\x10\x0B\x00\x04MQTT\x05\x02\x00\x00\x01", Violation::PropertyLength, 12),
        (
            b"\x10\x18\x00\x04MQTT\x05\x04\x00\x00\x00\x00\x00\x05\x11\x00\x00\x00\x00\x00\x01w\x00\x00\
                ",
            Violation::PropertyNotAllowed,
            16,
        ),
    ] {
        let mut bytes = bytes.to_vec();
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
        refused_connect(&bytes, violation, offset);
    }
}

/// Which version rules the remaining length is known from the body only.
#[test]
fn remaining_length_longer_than_needed() {
    let v311 = b"\x10\x8C\x00\x00\x04MQTT\x04\x02\x00\x3C\x00\x00";
    let v5 = b"\x10\x8D\x80\x00\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x00";
    for version in ALL {
        crate::packet::tests::decodes(version, v311, Connect::new(V311, ""));
    }
    refused_connect(v5, Violation::VariableByteIntegerOverlong, 1);
}

#[test]
fn what_cannot_be_sent() {
    let long = "a".repeat(65_536);
    for version in ALL {
        let connect = Connect::new(version, "c");
        let with_will = |will| Connect {
            will: Some(will),
            ..connect
        };
        for (connect, error) in [
            (Connect::new(version, "\0"), Violation::NullCharacter.into()),
            (Connect::new(version, &long), EncodeError::StringTooLong),
            (
                with_will(Will::new("", b"")),
                Violation::TopicNameEmpty.into(),
            ),
            (
                with_will(Will::new("a/+", b"")),
                Violation::TopicNameWildcard.into(),
            ),
            (
                with_will(Will::new("\0", b"")),
                Violation::NullCharacter.into(),
            ),
            (with_will(Will::new(&long, b"")), EncodeError::StringTooLong),
            (
                with_will(Will::new("w", long.as_bytes())),
                EncodeError::StringTooLong,
            ),
            (
                Connect {
                    user_name: Some("\0"),
                    ..connect
                },
                Violation::NullCharacter.into(),
            ),
            (
                Connect {
                    user_name: Some(&long),
                    ..connect
                },
                EncodeError::StringTooLong,
            ),
            (
                Connect {
                    user_name: Some(""),
                    password: Some(long.as_bytes()),
                    ..connect
                },
                EncodeError::StringTooLong,
            ),
        ] {
            unsendable(V5, connect, error);
        }
    }
    let list = [Property::UserProperty("k", "v")];
    let v311 = Connect::new(V311, "c");
    let properties = Properties::from(&list);
    unsendable(V5, Connect { properties, ..v311 }, EncodeError::NeedsV5);
    let will = Some(Will {
        properties,
        ..Will::new("w", b"")
    });
    unsendable(V5, Connect { will, ..v311 }, EncodeError::NeedsV5);
    let list = [Property::AuthenticationData(b"d")];
    let connect = Connect {
        properties: (&list).into(),
        ..Connect::new(V5, "c")
    };
    unsendable(V311, connect, Violation::AuthenticationDataWithoutMethod);
    let list = [Property::WillDelayInterval(1)];
    let connect = Connect {
        properties: (&list).into(),
        ..Connect::new(V5, "c")
    };
    unsendable(V5, connect, Violation::PropertyNotAllowed);
}

#[test]
fn the_password_is_hidden() {
    let list = [
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(b"hunter2"),
    ];
    let connect = Connect {
        user_name: Some("u"),
        password: Some(b"hunter2"),
        properties: (&list).into(),
        ..Connect::new(V5, "c")
    };
    let bytes = format!("{:?}", b"hunter2");
    let bytes = bytes.trim_matches(['[', ']']);
    for text in [connect.to_string(), format!("{connect:?}")] {
        assert!(text.contains("hidden"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let plain = Connect {
        properties: Properties::EMPTY,
        ..connect
    };
    assert!(!format!("{plain:?}").contains(bytes));
    assert_eq!(connect.to_string().lines().count(), 1);
}
