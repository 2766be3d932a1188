use alloc::vec;

use super::*;
use crate::packet::tests::{ALL, decodes, id, packet, refused, refused_with, unsendable, valid};
use crate::packet::{DecodeOptions, Packet};
use crate::property::Property;
use Version::{V5, V311};

#[test]
fn valid_packets() {
    let one = [Subscription::new("a/b", QoS::AtLeastOnce)];
    valid(
        V311,
        b"\x82\x08\x00\x0A\x00\x03a/b\x01",
        Subscribe::new(id(10), &one),
    );
    valid(
        V5,
        b"\x82\x09\x00\x0A\x00\x00\x03a/b\x01",
        Subscribe::new(id(10), &one),
    );
    let several = [
        Subscription::new("#", QoS::AtMostOnce),
        Subscription::new("+/+/#", QoS::ExactlyOnce),
        Subscription::new("$share/g/t", QoS::AtMostOnce),
    ];
    let filters = b"\x00\x01#\x00\x00\x05+/+/#\x02\x00\x0A$share/g/t\x00";
    let body = [b"\xFF\xFF", &filters[..]].concat();
    valid(
        V311,
        &packet(0x82, &body),
        Subscribe::new(id(65_535), &several),
    );
    let list = [
        Property::SubscriptionIdentifier(1),
        Property::UserProperty("k", "v"),
    ];
    let body = [b"\xFF\xFF\x09\x0B\x01\x26\x00\x01k\x00\x01v", &filters[..]].concat();
    let subscribe = Subscribe {
        properties: (&list).into(),
        ..Subscribe::new(id(65_535), &several)
    };
    valid(V5, &packet(0x82, &body), subscribe);
    // 3.1.1 knows no shared subscriptions.
    let odd = [Subscription::new("$share/g", QoS::AtMostOnce)];
    valid(
        V311,
        b"\x82\x0D\x00\x01\x00\x08$share/g\x00",
        Subscribe::new(id(1), &odd),
    );
}

#[test]
fn every_options_byte() {
    for byte in 0..=u8::MAX {
        let violation = |version| {
            let reserved = if version == V5 { 0xC0 } else { 0xFC };
            if byte & reserved != 0 {
                Some(Violation::SubscriptionOptionsReserved)
            } else if byte & 0x03 == 0x03 {
                Some(Violation::SubscriptionQos)
            } else if byte & 0x30 == 0x30 {
                Some(Violation::RetainHandlingInvalid)
            } else {
                None
            }
        };
        let options = SubscriptionOptions {
            qos: QoS::from_u8(byte & 3).unwrap_or_default(),
            no_local: byte & 4 != 0,
            retain_as_published: byte & 8 != 0,
            retain_handling: RetainHandling::from_u8(byte >> 4 & 3).unwrap_or_default(),
        };
        let list = [Subscription {
            filter: "a",
            options,
        }];
        let subscribe = Subscribe::new(id(1), &list);
        for version in ALL {
            let body: &[u8] = match version {
                Version::V31 | V311 => &[0, 1, 0, 1, b'a', byte],
                V5 => &[0, 1, 0, 0, 1, b'a', byte],
            };
            let bytes = packet(0x82, body);
            match violation(version) {
                Some(violation) => refused(version, &bytes, violation, bytes.len() - 1),
                None => valid(version, &bytes, subscribe),
            }
        }
        if violation(V5).is_none() && byte > 2 {
            unsendable(V311, subscribe, EncodeError::NeedsV5);
        }
    }
}

#[test]
fn invalid_packets() {
    for (version, bytes, violation, offset) in [
        (
            V311,
            &b"\x82\x06\x00\x00\x00\x01a\x00"[..],
            Violation::PacketIdZero,
            2,
        ),
        (
            V5,
            b"\x82\x07\x00\x00\x00\x00\x01a\x00",
            Violation::PacketIdZero,
            2,
        ),
        (V311, b"\x82\x02\x00\x01", Violation::NoTopicFilters, 4),
        (V5, b"\x82\x03\x00\x01\x00", Violation::NoTopicFilters, 5),
        (V311, b"\x82\x01\x00", Violation::Truncated, 2),
        (V5, b"\x82\x02\x00\x01", Violation::Truncated, 4),
        (V311, b"\x82\x05\x00\x01\x00\x01a", Violation::Truncated, 7),
        (V311, b"\x82\x05\x00\x01\x00\x02a", Violation::Truncated, 4),
        (
            V311,
            b"\x82\x07\x00\x01\x00\x01a\x00\x00",
            Violation::Truncated,
            8,
        ),
        (
            V311,
            b"\x82\x06\x00\x01\x00\x01\x00\x00",
            Violation::NullCharacter,
            4,
        ),
        (
            V311,
            b"\x82\x06\x00\x01\x00\x01\xFF\x00",
            Violation::Utf8Invalid,
            4,
        ),
        (
            V311,
            b"\x82\x05\x00\x01\x00\x00\x00",
            Violation::TopicFilterEmpty,
            4,
        ),
        (
            V5,
            b"\x82\x0A\x00\x01\x00\x00\x04a/#b\x00",
            Violation::MultiLevelWildcardMisplaced,
            5,
        ),
        (
            V5,
            b"\x82\x08\x00\x01\x00\x00\x02a+\x00",
            Violation::SingleLevelWildcardMisplaced,
            5,
        ),
        (
            V5,
            b"\x82\x0F\x00\x01\x00\x00\x09$share//t\x00",
            Violation::ShareNameEmpty,
            5,
        ),
        // The second one, with the first as it should be.
        (
            V311,
            b"\x82\x0C\x00\x01\x00\x01a\x00\x00\x03#/b\x00",
            Violation::MultiLevelWildcardMisplaced,
            8,
        ),
        (
            V5,
            b"\x82\x09\x00\x01\x02\x0B\x00\x00\x01a\x00",
            Violation::SubscriptionIdentifierZero,
            6,
        ),
        (
            V5,
            b"\x82\x0B\x00\x01\x04\x0B\x01\x0B\x01\x00\x01a\x00",
            Violation::PropertyDuplicate,
            7,
        ),
        (
            V5,
            b"\x82\x0A\x00\x01\x03\x1F\x00\x00\x00\x01a\x00",
            Violation::PropertyNotAllowed,
            5,
        ),
        (
            V5,
            b"\x82\x10\x00\x01\x00\x00\x0A$share/g/t\x04",
            Violation::NoLocalShared,
            17,
        ),
    ] {
        refused(version, bytes, violation, offset);
    }
    // Only a share is shared.
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    let list = [Subscription {
        filter: "$share",
        options,
    }];
    valid(
        V5,
        b"\x82\x0C\x00\x01\x00\x00\x06$share\x04",
        Subscribe::new(id(1), &list),
    );
    let list = [Subscription {
        filter: "$share/g/t",
        options,
    }];
    unsendable(V5, Subscribe::new(id(1), &list), Violation::NoLocalShared);
}

/// With unchecked filters, any string is one; what else must hold still must.
#[test]
fn unchecked_filters() {
    let options = DecodeOptions::new().with_unchecked_filters(true);
    for filter in ["", "a/#/b", "a+", "$share//t"] {
        let mut body = vec![0, 1, 0, 0, u8::try_from(filter.len()).unwrap()];
        body.extend_from_slice(filter.as_bytes());
        body.push(1);
        let bytes = packet(0x82, &body);
        let found = Packet::decode(V5, &options, &mut &bytes[..])
            .unwrap()
            .unwrap();
        let list = [Subscription::new(filter, QoS::AtLeastOnce)];
        let subscribe = Subscribe::new(id(1), &list);
        assert_eq!(found, subscribe.into());
        // It is not sent on, neither as it came nor newly made.
        let mut out = vec![];
        assert!(subscribe.encode(V5, &mut out).is_err());
        assert!(found.encode(V5, &mut out).is_err());
        assert!(out.is_empty());
    }
    for (bytes, violation, offset) in [
        (
            &b"\x82\x07\x00\x01\x00\x00\x01\x00\x00"[..],
            Violation::NullCharacter,
            5,
        ),
        (
            b"\x82\x07\x00\x01\x00\x00\x01\xFF\x00",
            Violation::Utf8Invalid,
            5,
        ),
        (
            b"\x82\x0F\x00\x01\x00\x00\x09$share//t\x04",
            Violation::NoLocalShared,
            16,
        ),
    ] {
        refused_with(&options, V5, bytes, violation, offset);
    }
}

/// What was checked by the rules of one version is checked again for the other.
#[test]
fn sent_on_in_the_other_version() {
    let decode = |version, bytes: &'static [u8]| {
        Packet::decode(version, &DecodeOptions::new(), &mut &*bytes)
            .unwrap()
            .unwrap()
    };
    let odd = decode(V311, b"\x82\x0D\x00\x01\x00\x08$share/g\x00");
    unsendable(V5, odd, Violation::ShareNameInvalid);
    let no_local = decode(V5, b"\x82\x07\x00\x01\x00\x00\x01a\x04");
    unsendable(V311, no_local, EncodeError::NeedsV5);
    let plain = decode(V5, b"\x82\x07\x00\x01\x00\x00\x01a\x01");
    let mut out = vec![];
    plain.encode(V311, &mut out).unwrap();
    assert_eq!(out, b"\x82\x06\x00\x01\x00\x01a\x01");
}

#[test]
fn what_cannot_be_sent() {
    let long = "a".repeat(65_536);
    for version in ALL {
        let none: [Subscription<'_>; 0] = [];
        unsendable(
            version,
            Subscribe::new(id(1), &none),
            Violation::NoTopicFilters,
        );
        for (filter, error) in [
            ("", Violation::TopicFilterEmpty.into()),
            ("a/#/b", Violation::MultiLevelWildcardMisplaced.into()),
            ("a\0", Violation::NullCharacter.into()),
            (&long[..], EncodeError::StringTooLong),
        ] {
            let list = [
                Subscription::new("a", QoS::AtMostOnce),
                Subscription::new(filter, QoS::AtMostOnce),
            ];
            unsendable(version, Subscribe::new(id(1), &list), error);
        }
    }
    let list = [Subscription::new("a", QoS::AtMostOnce)];
    let identifier = [Property::SubscriptionIdentifier(0)];
    let subscribe = Subscribe {
        properties: (&identifier).into(),
        ..Subscribe::new(id(1), &list)
    };
    unsendable(V5, subscribe, Violation::SubscriptionIdentifierZero);
    unsendable(V311, subscribe, EncodeError::NeedsV5);
}

#[test]
fn subscriptions_of_a_received_packet() {
    let bytes = b"\x82\x0B\x00\x01\x00\x00\x01a\x00\x00\x01b\x02";
    let found = Packet::decode(V5, &DecodeOptions::new(), &mut &bytes[..]).unwrap();
    let Some(Packet::Subscribe(subscribe)) = found else {
        panic!()
    };
    let list = [
        Subscription::new("a", QoS::AtMostOnce),
        Subscription::new("b", QoS::ExactlyOnce),
    ];
    assert_eq!(subscribe.subscriptions.len(), 2);
    assert!(!subscribe.subscriptions.is_empty());
    assert!(subscribe.subscriptions.iter().eq(list));
    assert_ne!(subscribe.subscriptions, list[..1].into());
}

#[test]
fn valid_subacks() {
    let codes = [
        ReasonCode::Success,
        ReasonCode::GrantedQos2,
        ReasonCode::UnspecifiedError,
    ];
    let suback = Suback::new(id(1), &codes);
    valid(V311, b"\x90\x05\x00\x01\x00\x02\x80", suback);
    valid(V5, b"\x90\x06\x00\x01\x00\x00\x02\x80", suback);
    let list = [Property::ReasonString("t")];
    let suback = Suback {
        properties: (&list).into(),
        ..suback
    };
    valid(V5, b"\x90\x0A\x00\x01\x04\x1F\x00\x01t\x00\x02\x80", suback);
    let many = [ReasonCode::GrantedQos1; 1000];
    let body = [&[0, 1, 0][..], &[1; 1000]].concat();
    decodes(V5, &packet(0x90, &body), Suback::new(id(1), &many));
}

#[test]
fn invalid_subacks() {
    for (version, bytes, violation, offset) in [
        (
            V311,
            &b"\x90\x03\x00\x00\x00"[..],
            Violation::PacketIdZero,
            2,
        ),
        (V311, b"\x90\x02\x00\x01", Violation::NoReasonCodes, 4),
        (V5, b"\x90\x03\x00\x01\x00", Violation::NoReasonCodes, 5),
        (V5, b"\x90\x02\x00\x01", Violation::Truncated, 4),
        (
            V5,
            b"\x90\x05\x00\x01\x00\x00\x11",
            Violation::ReasonCodeInvalid,
            6,
        ),
        (
            V5,
            b"\x90\x04\x00\x01\x02\x00",
            Violation::PropertyLength,
            4,
        ),
    ] {
        refused(version, bytes, violation, offset);
    }
    for version in ALL {
        let none: [ReasonCode; 0] = [];
        unsendable(version, Suback::new(id(1), &none), Violation::NoReasonCodes);
    }
    let codes = [ReasonCode::Success];
    let list = [Property::ReasonString("t")];
    let suback = Suback {
        properties: (&list).into(),
        ..Suback::new(id(1), &codes)
    };
    unsendable(V311, suback, EncodeError::NeedsV5);
}

#[test]
fn every_reason_code() {
    for value in 0..=u8::MAX {
        let v311 = [0x90, 3, 0, 1, value];
        let v5 = [0x90, 4, 0, 1, 0, value];
        let known = ReasonCode::from_u8(value);
        let codes = [known.unwrap_or(ReasonCode::Success)];
        let suback = Suback::new(id(1), &codes);
        if [0, 1, 2, 0x80].contains(&value) {
            valid(V311, &v311, suback);
        } else {
            refused(V311, &v311, Violation::ReasonCodeInvalid, 4);
        }
        if known.is_some_and(|code| code.allowed_in(PacketType::Suback, None)) {
            valid(V5, &v5, suback);
            if ![0, 1, 2, 0x80].contains(&value) {
                unsendable(V311, suback, EncodeError::NeedsV5);
            }
        } else {
            refused(V5, &v5, Violation::ReasonCodeInvalid, 5);
            if known.is_some() {
                unsendable(V5, suback, Violation::ReasonCodeInvalid);
            }
        }
    }
}
