//! Values go out and come back, through a format that describes itself and one that does not; what is no value of its type
//! does not come in; and packets show no secret.

#[path = "support/samples.rs"]
mod samples;

use std::fmt::Debug;
use std::time::Duration;

use samples::samples;
use sansio_mqtt::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The value is this JSON, and comes back from it and from bytes without names.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, expected: Value) {
    assert_eq!(serde_json::to_value(&value).unwrap(), expected);
    assert_eq!(serde_json::from_value::<T>(expected).unwrap(), value);
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(
        serde_json::from_reader::<_, T>(text.as_bytes()).unwrap(),
        value
    );
    let bytes = postcard::to_allocvec(&value).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), value);
}

/// The error says this.
fn refused<T: DeserializeOwned + Debug>(value: Value, error: &str) {
    let refusal = serde_json::from_value::<T>(value.clone()).unwrap_err();
    assert!(refusal.to_string().contains(error), "{value}: {refusal}");
}

#[test]
fn words() {
    round_trip(Version::V31, json!("3.1"));
    round_trip(Version::V311, json!("3.1.1"));
    round_trip(Version::V5, json!("5.0"));
    round_trip(Role::Client, json!("client"));
    round_trip(Role::Server, json!("server"));
    round_trip(PacketId::new(1), json!(1));
    round_trip(PacketId::new(65_535), json!(65_535));
    round_trip(Instant::ZERO, json!(0));
    round_trip(Instant::from_millis(u64::MAX), json!(u64::MAX - 1));
    round_trip(Violation::QosInvalid, json!("QosInvalid"));
    round_trip(Violation::DisallowedCharacter, json!("DisallowedCharacter"));
    for number in 0..=u8::MAX {
        let value = json!(number);
        match QoS::from_u8(number) {
            Some(qos) => round_trip(qos, value.clone()),
            None => refused::<QoS>(value.clone(), "expected 0, 1 or 2"),
        }
        match RetainHandling::from_u8(number) {
            Some(handling) => round_trip(handling, value.clone()),
            None => refused::<RetainHandling>(value.clone(), "expected 0, 1 or 2"),
        }
        match ReasonCode::from_u8(number) {
            Some(code) => round_trip(code, value.clone()),
            None => refused::<ReasonCode>(value.clone(), "expected a reason code"),
        }
        if let Some(packet_type) = PacketType::from_u8(number) {
            round_trip(packet_type, json!(packet_type.to_string()));
        }
    }
}

#[test]
fn what_is_no_word() {
    refused::<PacketId>(json!(0), "expected 1 to 65,535");
    refused::<PacketId>(json!(65_536), "65536");
    refused::<PacketId>(json!(-1), "-1");
    refused::<QoS>(json!(3), "expected 0, 1 or 2");
    refused::<QoS>(json!(256), "256");
    refused::<QoS>(json!("1"), "string");
    refused::<ReasonCode>(json!(0xA3), "expected a reason code");
    refused::<Version>(json!("3.1.2"), "expected the version");
    refused::<Version>(json!(5), "5");
    refused::<Role>(json!("broker"), "expected `client` or `server`");
    refused::<PacketType>(json!("publish"), "expected the name");
    refused::<Violation>(json!("Unheard"), "expected the name");
    for byte in [0x03, 0x7F, 0xFF] {
        assert!(postcard::from_bytes::<QoS>(&[byte]).is_err());
    }
    assert!(postcard::from_bytes::<PacketId>(&[0]).is_err());
}

#[test]
fn names_and_filters() {
    let name = |text: &'static str| TopicName::new(text).unwrap();
    round_trip(name("a/é"), json!("a/é"));
    for (text, error) in [
        ("", "empty"),
        ("a/+", "wildcard"),
        ("#", "wildcard"),
        ("a\0", "U+0000"),
        (&"x".repeat(65_536), "65,535"),
    ] {
        refused::<TopicName<'static>>(json!(text), error);
    }
    // Text that is escaped cannot be borrowed from the input, text that is not need not be.
    let text = String::from(r#""a\/b""#);
    let owned: TopicName<'static> = serde_json::from_str(&text).unwrap();
    drop(text);
    assert_eq!(owned.as_str(), "a/b");

    let filter = |version, text: &'static str| TopicFilter::new(version, text).unwrap();
    for version in [Version::V31, Version::V311, Version::V5] {
        round_trip(
            filter(version, "+/#"),
            json!({"filter": "+/#", "shared": false}),
        );
    }
    round_trip(
        filter(Version::V5, "$share/g/+/a"),
        json!({"filter": "$share/g/+/a", "shared": true}),
    );
    // 3.1.1: an ordinary filter, and it stays one.
    let ordinary = filter(Version::V311, "$share/g/+/a");
    round_trip(
        ordinary.clone(),
        json!({"filter": "$share/g/+/a", "shared": false}),
    );
    assert_ne!(ordinary, filter(Version::V5, "$share/g/+/a"));
    for (text, shared, error) in [
        ("", false, "empty"),
        ("a#", false, "# is not the whole last level"),
        ("#/a", true, "# is not the whole last level"),
        ("a\0", false, "U+0000"),
        ("a", true, "not a shared subscription"),
        ("$share/g", true, "$share/{name}/{filter}"),
        ("$share/g/a#", true, "# is not the whole last level"),
        (&"x".repeat(65_536), false, "65,535"),
    ] {
        refused::<TopicFilter<'static>>(json!({"filter": text, "shared": shared}), error);
    }
    refused::<TopicFilter<'static>>(json!({"filter": "a"}), "missing field `shared`");
}

#[test]
fn subscription_options() {
    round_trip(
        SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        },
        json!({"qos": 2, "no_local": true, "retain_as_published": true, "retain_handling": 2}),
    );
    let options = serde_json::from_value::<SubscriptionOptions>(json!({"qos": 1})).unwrap();
    assert_eq!(options, SubscriptionOptions::new(QoS::AtLeastOnce));
    refused::<SubscriptionOptions>(json!({"qos": 3}), "expected 0, 1 or 2");
    refused::<SubscriptionOptions>(
        json!({"qos": 0, "retain_handling": 3}),
        "expected 0, 1 or 2",
    );
    refused::<SubscriptionOptions>(json!({"qos": 0, "nolocal": true}), "unknown field");
}

/// All that a message can have, the properties in an unusual order.
fn message() -> (Message, Value) {
    let list = [
        Property::UserProperty("k", "v"),
        Property::CorrelationData(b"\x00\xFF"),
        Property::UserProperty("k", "v"),
        Property::ResponseTopic("r"),
        Property::ContentType("t"),
        Property::PayloadFormatIndicator(true),
    ];
    let message = Message::new("a/b", b"\x01\xFE")
        .unwrap()
        .with_qos(QoS::ExactlyOnce)
        .with_retain(true)
        .with_message_expiry_interval(Some(60))
        .with_properties((&list).into())
        .unwrap()
        .with_subscription_identifiers(&[1, 268_435_455])
        .unwrap();
    let value = json!({
        "topic": "a/b",
        "qos": 2,
        "retain": true,
        "message_expiry_interval": 60,
        "subscription_identifiers": [1, 268_435_455],
        "properties": [
            {"UserProperty": ["k", "v"]},
            {"CorrelationData": [0, 255]},
            {"UserProperty": ["k", "v"]},
            {"ResponseTopic": "r"},
            {"ContentType": "t"},
            {"PayloadFormatIndicator": true},
        ],
        "streamed_payload_len": null,
        "payload": [1, 254],
    });
    (message, value)
}

#[test]
fn messages() {
    let (full, value) = message();
    round_trip(full, value);
    let shared = Message::with_shared_payload("a", b"shared".to_vec().into()).unwrap();
    let bytes = postcard::to_allocvec(&shared).unwrap();
    assert_eq!(postcard::from_bytes::<Message>(&bytes).unwrap(), shared);
    // The payload is bytes: a length and as they are.
    assert!(bytes.ends_with(b"\x06shared"));

    let (_, mut value) = message();
    value
        .as_object_mut()
        .unwrap()
        .remove("streamed_payload_len");
    assert_eq!(
        serde_json::from_value::<Message>(value).unwrap(),
        message().0
    );
    let (_, mut value) = message();
    value["streamed_payload_len"] = json!(1 << 20);
    value["payload"] = json!([]);
    let streamed: Message = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(streamed.streamed_payload_len(), Some(1 << 20));
    round_trip(streamed, value);
}

#[test]
fn what_is_no_message() {
    let change = |field: &str, value: Value, error: &str| {
        let (_, mut message) = message();
        message[field] = value;
        refused::<Message>(message, error);
    };
    change("topic", json!("a/#"), "wildcard");
    change("topic", json!(""), "empty");
    change("topic", json!("x".repeat(65_536)), "65,535");
    change("qos", json!(3), "expected 0, 1 or 2");
    change("payload", json!([256]), "256");
    change("payload", json!("text"), "expected bytes");
    change("message_expiry_interval", json!(-1), "-1");
    change("subscription_identifiers", json!([0]), "is 0");
    change(
        "subscription_identifiers",
        json!([268_435_456]),
        "more than four bytes",
    );
    change("dup", json!(true), "unknown field");
    change("streamed_payload_len", json!(5), "both here and streamed");
    for (properties, error) in [
        (json!([{"ResponseTopic": "a/+"}]), "wildcard"),
        (json!([{"ContentType": "a\0"}]), "U+0000"),
        (json!([{"ContentType": "a"}, {"ContentType": "a"}]), "twice"),
        (json!([{"TopicAlias": 1}]), "unknown variant"),
        (json!([{"MessageExpiryInterval": 1}]), "unknown variant"),
        (json!([{"ReasonString": "a"}]), "unknown variant"),
        (
            json!([{"UserProperty": ["x".repeat(65_536), ""]}]),
            "65,535",
        ),
    ] {
        change("properties", properties, error);
    }
}

/// No input makes a panic, nor a value that could not be made by hand.
#[test]
fn changed_bytes() {
    let (full, _) = message();
    let bytes = postcard::to_allocvec(&full).unwrap();
    let mut taken = 0;
    for at in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            let Ok(message) = postcard::from_bytes::<Message>(&bytes) else {
                continue;
            };
            taken += 1;
            let publish = Publish {
                subscription_identifiers: message.subscription_identifiers().into(),
                properties: message.properties(),
                ..Publish::new(message.topic(), message.payload())
            };
            publish.encode(Version::V5, &mut Vec::new()).unwrap();
        }
        assert!(postcard::from_bytes::<Message>(&bytes[..at]).is_err());
    }
    assert!(taken > 1000, "{taken}");
}

#[test]
fn options() {
    let default = serde_json::to_value(Options::new()).unwrap();
    let read: Options = serde_json::from_value(json!({})).unwrap();
    assert_eq!(format!("{read:?}"), format!("{:?}", Options::new()));

    // No option is forgotten: a field for each, but no two options are named together.
    let debug = format!("{:?}", Options::new());
    let fields = default.as_object().unwrap();
    for field in fields.keys() {
        let name = field.trim_end_matches("_ms");
        assert!(debug.contains(&format!("{name}: ")), "{field}");
    }
    assert_eq!(fields.len(), debug.matches(": ").count(), "{debug}");

    // Each field is read into its own option, and none is read as another.
    for (field, value) in fields {
        let changed = match value {
            Value::Bool(flag) => json!(!flag),
            Value::String(_) => json!("DropOldest"),
            value => json!(value.as_u64().unwrap() ^ 1),
        };
        if field == "maximum_packet_size" {
            continue; // the default is the largest there is
        }
        let mut expected = default.clone();
        expected[field] = changed.clone();
        let options: Options = serde_json::from_value(json!({ field: changed })).unwrap();
        assert_eq!(serde_json::to_value(&options).unwrap(), expected);
        let bytes = postcard::to_allocvec(&options).unwrap();
        let back: Options = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{options:?}"));
    }
    let options: Options = serde_json::from_value(json!({"ping_timeout_ms": 1500})).unwrap();
    assert_eq!(options.ping_timeout(), Duration::from_millis(1500));
}

#[test]
fn options_out_of_bounds() {
    for (field, value) in [
        ("receive_maximum", json!(0)),
        ("maximum_packet_size", json!(0)),
        ("maximum_packet_size", json!(MAXIMUM_PACKET_SIZE + 1)),
        ("maximum_reply_bytes", json!(0)),
        ("maximum_open_requests", json!(0)),
        ("connect_timeout_ms", json!(1_u64 << 32)),
        ("ping_timeout_ms", json!(u64::MAX)),
    ] {
        refused::<Options>(
            json!({ field: value }),
            &format!("value out of the bounds of {field}"),
        );
    }
    refused::<Options>(json!({"receive_maximum": 65_536}), "65536");
    refused::<Options>(json!({"receiv_maximum": 1}), "unknown field");
}

#[test]
fn every_packet_goes_out() {
    for version in [Version::V311, Version::V5] {
        for packet in samples(version) {
            let value = serde_json::to_value(packet).unwrap();
            let name = match &value {
                Value::String(name) => name.clone(),
                value => value.as_object().unwrap().keys().next().unwrap().clone(),
            };
            assert_eq!(name.to_uppercase(), packet.packet_type().to_string());
            let bytes = postcard::to_allocvec(&packet).unwrap();
            assert_eq!(bytes[0], packet.packet_type().as_u8());

            // A received packet goes out as the one that was sent.
            let mut wire = Vec::new();
            packet.encode(version, &mut wire).unwrap();
            let received = Packet::decode(version, &DecodeOptions::new(), &mut &wire[..]);
            let received = received.unwrap().unwrap();
            assert_eq!(serde_json::to_value(received).unwrap(), value);
            assert_eq!(postcard::to_allocvec(&received).unwrap(), bytes);
        }
    }
}

#[test]
fn packets() {
    let id = PacketId::new(7).unwrap();
    let list = [
        Property::CorrelationData(b"\x00"),
        Property::UserProperty("k", "v"),
    ];
    let publish = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id),
        subscription_identifiers: (&[1, 2]).into(),
        properties: (&list).into(),
        ..Publish::new("a", b"\xFF")
    };
    let head = serde_json::to_value(PublishHead::new(publish, 268_435_000)).unwrap();
    assert_eq!(head["payload_len"], 268_435_000);
    assert_eq!(head["publish"]["payload"], json!([]));
    let subscriptions = [Subscription::new("a/#", QoS::AtLeastOnce)];
    let limits = [
        Property::MaximumQos(QoS::AtLeastOnce),
        Property::ReceiveMaximum(9),
        Property::RetainAvailable(false),
    ];
    for (packet, expected) in [
        (
            Packet::from(publish),
            json!({"Publish": {
                "dup": false,
                "qos": 1,
                "retain": false,
                "topic": "a",
                "packet_id": 7,
                "topic_alias": null,
                "message_expiry_interval": null,
                "subscription_identifiers": [1, 2],
                "properties": [{"CorrelationData": [0]}, {"UserProperty": ["k", "v"]}],
                "payload": [255],
            }}),
        ),
        (
            Connack {
                properties: (&limits).into(),
                ..Connack::new(ReasonCode::Success)
            }
            .into(),
            json!({"Connack": {
                "session_present": false,
                "reason": 0,
                "properties": [
                    {"MaximumQos": 1},
                    {"ReceiveMaximum": 9},
                    {"RetainAvailable": false},
                ],
            }}),
        ),
        (
            Packet::Pubrel(Ack::new(id)),
            json!({"Pubrel": {"packet_id": 7, "reason": 0, "properties": []}}),
        ),
        (
            Subscribe::new(id, &subscriptions).into(),
            json!({"Subscribe": {
                "packet_id": 7,
                "subscriptions": [{
                    "filter": "a/#",
                    "options": {
                        "qos": 1,
                        "no_local": false,
                        "retain_as_published": false,
                        "retain_handling": 0,
                    },
                }],
                "properties": [],
            }}),
        ),
        (
            Suback::new(id, &[ReasonCode::NotAuthorized]).into(),
            json!({"Suback": {"packet_id": 7, "reason_codes": [135], "properties": []}}),
        ),
        (
            Unsubscribe::new(id, &["a", "b"]).into(),
            json!({"Unsubscribe": {"packet_id": 7, "filters": ["a", "b"], "properties": []}}),
        ),
        (Packet::Pingreq, json!("Pingreq")),
    ] {
        assert_eq!(serde_json::to_value(packet).unwrap(), expected);
    }
}

#[test]
fn secrets_stay_in() {
    let list = [
        Property::AuthenticationMethod("PLAIN"),
        Property::AuthenticationData(b"SECRET"),
    ];
    let connect = Connect {
        user_name: Some("u"),
        password: Some(b"SECRET"),
        properties: (&list).into(),
        ..Connect::new(Version::V5, "c")
    };
    assert_eq!(
        serde_json::to_value(connect).unwrap(),
        json!({
            "version": "5.0",
            "clean_start": true,
            "keep_alive": 60,
            "client_id": "c",
            "will": null,
            "user_name": "u",
            "password": "(hidden)",
            "properties": [
                {"AuthenticationMethod": "PLAIN"},
                {"AuthenticationData": "(hidden)"},
            ],
        })
    );
    let connect = Connect {
        password: None,
        ..connect
    };
    assert_eq!(
        serde_json::to_value(connect).unwrap()["password"],
        json!(null)
    );
    let auth = Auth::new(ReasonCode::ContinueAuthentication, &list);
    let bytes = postcard::to_allocvec(&auth).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"SECRET"));
}

#[test]
fn decode_errors() {
    let decode = |mut bytes: &[u8]| {
        let error = Packet::decode(Version::V5, &DecodeOptions::new(), &mut bytes).unwrap_err();
        serde_json::to_value(error).unwrap()
    };
    assert_eq!(
        decode(b"\x30\x05\x00\x01#\x00x"),
        json!({
            "violation": "TopicNameWildcard",
            "reason_code": 129,
            "packet_type": "PUBLISH",
            "version": "5.0",
            "offset": 2,
            "statement": "MQTT-3.3.2-2",
        })
    );
    assert_eq!(decode(b"\x00")["packet_type"], json!(null));
}

/// A session with one of everything, as bytes.
fn stored_session() -> Vec<u8> {
    let message = |qos| Message::new("t", b"x").unwrap().with_qos(qos);
    let handle = PublishHandle::from_u64;
    let id = |id| PacketId::new(id).unwrap();
    let mut bytes = Vec::new();
    Session::established().snapshot(&mut bytes);
    for change in stored_changes(message(QoS::ExactlyOnce)) {
        change.encode(&mut bytes);
    }
    for number in 5..9 {
        let queued = Change::Queued {
            handle: handle(number),
            message: message(QoS::AtLeastOnce),
            since: Instant::from_millis(7),
        };
        queued.encode(&mut bytes);
    }
    for (number, packet_id) in [(5, 30_000), (6, 6)] {
        let sent = Change::Sent {
            handle: handle(number),
            packet_id: Some(id(packet_id)),
        };
        sent.encode(&mut bytes);
    }
    let dropped = Change::Dropped {
        handle: handle(7),
        packet_id: None,
        reason: DropReason::Expired,
    };
    dropped.encode(&mut bytes);
    let mut snapshot = Vec::new();
    Session::restore(&bytes).unwrap().snapshot(&mut snapshot);
    snapshot
}

fn stored_changes(message: Message) -> Vec<Change> {
    let (handle, packet_id) = (PublishHandle::from_u64(1), PacketId::new(9).unwrap());
    vec![
        Change::Queued {
            handle,
            message,
            since: Instant::from_millis(5),
        },
        Change::Sent {
            handle,
            packet_id: Some(packet_id),
        },
        Change::Released { packet_id },
        Change::Received { packet_id },
    ]
}

#[test]
fn sessions() {
    let bytes = stored_session();
    let session = Session::restore(&bytes).unwrap();
    let value = serde_json::to_value(&session).unwrap();
    assert_eq!(
        value["in_flight"][0]["Release"],
        json!({"packet_id": 9, "handle": 1, "reported": false})
    );
    assert_eq!(value["in_flight"][1]["Publish"]["message"]["topic"], "t");
    assert_eq!(value["queued"].as_array().unwrap().len(), 1);
    assert_eq!(value["dropped"][0]["reason"], "Expired");
    assert_eq!(value["received"], json!([9]));
    assert_eq!(value["established"], true);
    let snapshot = |session: &Session| {
        let mut bytes = Vec::new();
        session.snapshot(&mut bytes);
        bytes
    };
    let again: Session = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(snapshot(&again), bytes);
    let posted = postcard::to_allocvec(&session).unwrap();
    let again: Session = postcard::from_bytes(&posted).unwrap();
    assert_eq!(snapshot(&again), bytes);

    let altered = |pointer: &str, with: Value| {
        let mut value = value.clone();
        *value.pointer_mut(pointer).unwrap() = with;
        value
    };
    let inconsistent = "record that does not follow";
    refused::<Session>(altered("/last_handle", json!(2)), inconsistent);
    refused::<Session>(altered("/last_handle", json!(u64::MAX)), inconsistent);
    refused::<Session>(altered("/received", json!([9, 9])), inconsistent);
    refused::<Session>(altered("/received", json!([0])), "1 to 65,535");
    refused::<Session>(
        altered("/in_flight/0/Release/packet_id", json!(6)),
        inconsistent,
    );
    refused::<Session>(
        altered("/in_flight/1/Publish/message/qos", json!(0)),
        inconsistent,
    );
    refused::<Session>(
        altered("/in_flight/1/Publish/message/topic", json!("#")),
        "wildcard",
    );
    refused::<Session>(altered("/queued/0/handle", json!(6)), inconsistent);
    refused::<Session>(altered("/dropped/0/handle", json!(8)), inconsistent);
    refused::<Session>(
        altered("/dropped/0/reason", json!("Bored")),
        "the name of a variant",
    );
}

#[test]
fn changes() {
    let message = Message::new("t", b"x").unwrap();
    let (handle, packet_id) = (PublishHandle::from_u64(1), PacketId::new(9).unwrap());
    let mut all = stored_changes(message);
    all.extend([
        Change::Settled { packet_id },
        Change::Dropped {
            handle,
            packet_id: Some(packet_id),
            reason: DropReason::SessionLost,
        },
        Change::Discarded {
            handle,
            packet_id: None,
        },
        Change::Reported { handle },
        Change::Forgotten { packet_id },
        Change::Begun,
    ]);
    for change in all {
        let value = serde_json::to_value(&change).unwrap();
        round_trip(change, value);
    }
    round_trip(
        Change::Standing {
            established: true,
            ended: false,
        },
        json!({"Standing": {"established": true, "ended": false}}),
    );
    refused::<Change>(json!({"Reported": {"handle": 0}}), "a handle, not 0");
}
