//! CONNECT to CONNACK, what ends a connection, and what both sides say of the end.

#[path = "support/pair.rs"]
mod pair;

use std::time::Duration;

use pair::*;
use sansio_mqtt::*;

#[test]
fn a_connection_opens_and_ends_in_both_versions() {
    for version in VERSIONS {
        let mut pair = Pair::new(Setup::new(version));
        pair.connect();
        pair.drive();
        assert_eq!(
            pair.server.seen,
            [Seen::Connect {
                client_id: "client".into(),
                clean_start: true
            }]
        );
        assert_eq!(
            pair.client.seen,
            [Seen::Connack {
                session_present: false,
                reason: ReasonCode::Success
            }]
        );
        assert_eq!(pair.server().version(), version);
        let now = pair.now;
        pair.client()
            .disconnect(now, &Disconnect::default())
            .unwrap();
        assert_eq!(
            pair.client().closed().unwrap().cause,
            CloseCause::Disconnected(ReasonCode::NORMAL_DISCONNECTION)
        );
        pair.drive();
        assert_eq!(
            pair.server.closed.unwrap().cause,
            CloseCause::PeerDisconnected(ReasonCode::NORMAL_DISCONNECTION)
        );
        assert_eq!(
            pair.server.seen[1],
            Seen::Disconnect(ReasonCode::NORMAL_DISCONNECTION)
        );
        assert_eq!(
            pair.types_to_server(),
            [PacketType::Connect, PacketType::Disconnect]
        );
        assert_eq!(pair.types_to_client(), [PacketType::Connack]);
        // Nothing more is taken, nothing more is given.
        let mut out = Vec::new();
        assert_eq!(pair.client().poll_transmit(now, &mut out, 100), 0);
        assert_eq!(pair.client().poll_timeout(), None);
        let error = pair
            .client()
            .publish(now, message("t", "x", QoS::AtMostOnce))
            .unwrap_err();
        assert_eq!(error.reason, PublishErrorReason::NotOpen);
        assert_eq!(error.message.topic(), "t");
    }
}

#[test]
fn every_field_and_property_of_connect_and_connack_arrives() {
    let properties = [
        Property::SessionExpiryInterval(77),
        Property::RequestResponseInformation(true),
        Property::RequestProblemInformation(true),
        Property::UserProperty("k", "v"),
    ];
    let will_properties = [Property::WillDelayInterval(5), Property::ContentType("t")];
    let connect = Connect {
        keep_alive: 30,
        clean_start: false,
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            properties: Properties::from(&will_properties[..]),
            ..Will::new("w", b"\x00\xff")
        }),
        user_name: Some("user"),
        password: Some(b"\xff\x00"),
        properties: Properties::from(&properties[..]),
        ..Connect::new(Version::V5, "id")
    };
    let options = Options::new()
        .with_receive_maximum(9)
        .with_maximum_packet_size(5000)
        .with_topic_alias_maximum(3);
    let now = Instant::ZERO;
    let mut client = ClientConnection::new(now, &connect, Session::new(), options).unwrap();
    let mut bytes = Vec::new();
    client.poll_transmit(now, &mut bytes, 1000);
    let mut server = ServerConnection::new(now, Options::new().with_receive_maximum(8));
    let mut input = &bytes[..];
    let Some(ServerEvent::Connect(seen)) = server.receive(now, &mut input) else {
        panic!()
    };
    assert_eq!(seen.will, connect.will);
    assert_eq!(
        (
            seen.user_name,
            seen.password,
            seen.keep_alive,
            seen.clean_start,
            seen.client_id
        ),
        (connect.user_name, connect.password, 30, false, "id")
    );
    let announced = [
        Property::ReceiveMaximum(9),
        Property::MaximumPacketSize(5000),
        Property::TopicAliasMaximum(3),
    ];
    assert_eq!(
        seen.properties.iter().collect::<Vec<_>>(),
        [&properties[..], &announced[..]].concat()
    );

    let answer = [
        Property::SessionExpiryInterval(60),
        Property::ServerKeepAlive(20),
        Property::ResponseInformation("r"),
        Property::ReasonString("hello"),
        Property::MaximumQos(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
    ];
    let connack = Connack {
        properties: Properties::from(&answer[..]),
        ..Connack::new(ReasonCode::Success)
    };
    server.accept(now, None, &connack).unwrap();
    bytes.clear();
    server.poll_transmit(now, &mut bytes, 1000);
    let mut input = &bytes[..];
    let Some(ClientEvent::Connack(seen)) = client.receive(now, &mut input) else {
        panic!()
    };
    assert_eq!(
        seen.properties.iter().collect::<Vec<_>>(),
        [&answer[..], &[Property::ReceiveMaximum(8)]].concat()
    );
    assert_eq!((client.send_quota(), server.send_quota()), (8, 9));
    // What the server declared binds the client before anything is sent.
    let refused =
        |client: &mut ClientConnection, message| client.publish(now, message).unwrap_err();
    assert_eq!(
        refused(&mut client, message("t", "", QoS::ExactlyOnce)).reason,
        PublishErrorReason::QosNotSupported
    );
    assert_eq!(
        refused(
            &mut client,
            message("t", "", QoS::AtMostOnce).with_retain(true)
        )
        .reason,
        PublishErrorReason::RetainNotSupported
    );
}

#[test]
fn a_refusal_carries_the_code_that_the_version_has() {
    for (version, reason, bytes) in [
        (
            Version::V311,
            ReasonCode::NotAuthorized,
            &[0x20, 2, 0, 5][..],
        ),
        (
            Version::V311,
            ReasonCode::BadUserNameOrPassword,
            &[0x20, 2, 0, 4],
        ),
        (
            Version::V311,
            ReasonCode::ServerUnavailable,
            &[0x20, 2, 0, 3],
        ),
        (
            Version::V311,
            ReasonCode::ClientIdentifierNotValid,
            &[0x20, 2, 0, 2],
        ),
        // No return code fits: closed without CONNACK (MQTT-3.2.2-6 of 3.1.1).
        (Version::V311, ReasonCode::QuotaExceeded, &[]),
        (
            Version::V5,
            ReasonCode::NotAuthorized,
            &[0x20, 3, 0, 0x87, 0],
        ),
        (
            Version::V5,
            ReasonCode::QuotaExceeded,
            &[0x20, 3, 0, 0x97, 0],
        ),
    ] {
        let mut pair = Pair::new(Setup {
            accept: false,
            will: true,
            ..Setup::new(version)
        });
        pair.connect();
        pair.drive();
        let now = pair.now;
        let error = pair
            .server()
            .refuse(now, &Connack::new(ReasonCode::Success))
            .unwrap_err();
        assert_eq!(error, RequestError::ReasonCode(ReasonCode::Success));
        pair.server().refuse(now, &Connack::new(reason)).unwrap();
        let closed = Closed {
            cause: CloseCause::Refused(reason),
            will_due: false,
            session_expiry_interval: 0,
        };
        assert_eq!(pair.server().closed(), Some(closed));
        pair.drive();
        assert_eq!(pair.to_client.sent, bytes, "{version} {reason}");
        if !bytes.is_empty() {
            assert_eq!(pair.client.closed, Some(closed));
            assert_eq!(
                pair.client.seen,
                [Seen::Connack {
                    session_present: false,
                    reason
                }]
            );
        }
    }
}

/// What a server answers to a first packet, byte for byte.
#[test]
fn bad_first_packets_get_what_the_standard_asks_for() {
    for (name, bytes, answer) in [
        (
            "3.1",
            &b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01c"[..],
            &[0x20, 2, 0, 1][..],
        ),
        (
            "level 3",
            b"\x10\x0d\x00\x04MQTT\x03\x02\x00\x3c\x00\x01c",
            &[0x20, 2, 0, 1],
        ),
        (
            "level 6",
            b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x01c",
            &[0x20, 3, 0, 0x84, 0],
        ),
        (
            "another name",
            b"\x10\x0d\x00\x04mqtt\x04\x02\x00\x3c\x00\x01c",
            &[],
        ),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n", &[]),
        ("PINGREQ", b"\xc0\x00", &[]),
        ("a reserved type", b"\x00\x00", &[]),
        // The version is not known: no answer would be in the right one.
        ("CONNECT with flags", b"\x11\x0d\x00\x04MQTT\x05", &[]),
        (
            "a CONNECT too large",
            b"\x10\xff\xff\x7f\x00\x04MQTT\x05",
            &[],
        ),
        ("a CONNECT too short", b"\x10\x04\x00\x04MQ", &[]),
        (
            "3.1.1 with the reserved flag",
            b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01c",
            &[],
        ),
        (
            "5.0 with the reserved flag",
            b"\x10\x0e\x00\x04MQTT\x05\x03\x00\x3c\x00\x00\x01c",
            &[0x20, 3, 0, 0x81, 0],
        ),
        (
            "5.0 with receive maximum 0",
            b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x03\x21\x00\x00\x00\x01c",
            &[0x20, 3, 0, 0x82, 0],
        ),
        (
            "3.1.1, no identifier, no clean session",
            b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00",
            &[0x20, 2, 0, 2],
        ),
    ] {
        let now = Instant::ZERO;
        let mut server = ServerConnection::new(now, Options::new());
        let mut input = bytes;
        assert!(server.receive(now, &mut input).is_none(), "{name}");
        assert!(input.is_empty(), "{name}");
        let closed = server.closed().unwrap_or_else(|| panic!("{name}: open"));
        assert!(
            matches!(closed.cause, CloseCause::Violation(_)),
            "{name}: {closed:?}"
        );
        assert!(!closed.will_due);
        let mut out = Vec::new();
        server.poll_transmit(now, &mut out, 1000);
        assert_eq!(out, answer, "{name}");
    }
}

#[test]
fn a_client_without_identifier_gets_one_in_5_0() {
    let setup = Setup {
        client_id: "",
        accept: false,
        ..Setup::new(Version::V5)
    };
    let mut pair = Pair::new(setup);
    pair.connect();
    pair.drive();
    let now = pair.now;
    let error = pair
        .server()
        .accept(now, None, &Connack::new(ReasonCode::Success))
        .unwrap_err();
    assert_eq!(error.reason, AcceptErrorReason::ClientIdentifier);
    let assigned = [Property::AssignedClientIdentifier("given")];
    let connack = Connack {
        properties: Properties::from(&assigned[..]),
        ..Connack::new(ReasonCode::Success)
    };
    pair.server().accept(now, None, &connack).unwrap();
    pair.drive();
    assert!(pair.client().is_connected());
    // 3.1.1: only with a clean session, and then without ado.
    let pair = Pair::connected(Setup {
        client_id: "",
        ..Setup::new(Version::V311)
    });
    assert!(pair.client.closed.is_none());
    let connect = Connect {
        clean_start: false,
        ..Connect::new(Version::V311, "")
    };
    let error = ClientConnection::new(now, &connect, Session::new(), Options::new()).unwrap_err();
    assert_eq!(
        error.reason,
        RequestError::Encode(EncodeError::Violation(Violation::ClientIdEmpty))
    );
}

/// MQTT-3.2.2-12 and MQTT-3.2.2-13 of 5.0.
#[test]
fn a_will_beyond_what_connack_says_is_not_accepted() {
    let now = Instant::ZERO;
    let will = Will {
        qos: QoS::ExactlyOnce,
        retain: true,
        ..Will::new("w", b"")
    };
    let mut bytes = Vec::new();
    let connect = Connect {
        will: Some(will),
        ..Connect::new(Version::V5, "c")
    };
    Packet::from(connect)
        .encode(Version::V5, &mut bytes)
        .unwrap();
    let mut server = ServerConnection::new(now, Options::new());
    assert!(server.receive(now, &mut &bytes[..]).is_some());
    for (property, code) in [
        (
            Property::MaximumQos(QoS::AtLeastOnce),
            ReasonCode::QosNotSupported,
        ),
        (
            Property::RetainAvailable(false),
            ReasonCode::RetainNotSupported,
        ),
    ] {
        let list = [property];
        let connack = Connack {
            properties: Properties::from(&list),
            ..Connack::new(ReasonCode::Success)
        };
        let error = server.accept(now, None, &connack).unwrap_err();
        assert_eq!(
            error.reason,
            AcceptErrorReason::Request(RequestError::NotSupported(code))
        );
    }
    server
        .refuse(now, &Connack::new(ReasonCode::QosNotSupported))
        .unwrap();
    let mut out = Vec::new();
    server.poll_transmit(now, &mut out, 100);
    assert_eq!(out, [0x20, 3, 0, 0x9b, 0]);
}

#[test]
fn nothing_is_taken_before_the_application_answers_connect() {
    for version in VERSIONS {
        let mut pair = Pair::new(Setup {
            accept: false,
            ..Setup::new(version)
        });
        pair.connect();
        pair.drive();
        pair.inject_to_server(&[0xc0, 0x00]);
        pair.drive();
        assert!(pair.to_client.sent.is_empty());
        let now = pair.now;
        pair.server()
            .accept(now, None, &Connack::new(ReasonCode::Success))
            .unwrap();
        pair.drive();
        assert_eq!(
            pair.types_to_client(),
            [PacketType::Connack, PacketType::Pingresp]
        );
        assert!(
            pair.server()
                .accept(now, None, &Connack::new(ReasonCode::Success))
                .is_err()
        );
    }
}

#[test]
fn both_sides_wait_for_the_opening_for_a_bounded_time() {
    let options = Options::new().with_connect_timeout(Duration::from_secs(7));
    for version in VERSIONS {
        let setup = Setup {
            accept: false,
            client: options.clone(),
            server: options.clone(),
            ..Setup::new(version)
        };
        let mut pair = Pair::new(setup);
        pair.connect();
        pair.advance(Duration::from_millis(6_999));
        assert_eq!(pair.client.closed, None);
        pair.advance(Duration::from_millis(1));
        assert_eq!(
            pair.client().closed().unwrap().cause,
            CloseCause::ConnectTimeout
        );
        // The server had its CONNECT and waits for its own application.
        assert_eq!(pair.server().closed(), None);
    }
    let mut server = ServerConnection::new(Instant::ZERO, options);
    let at = server.poll_timeout().unwrap();
    assert_eq!(at, Instant::from_millis(7_000));
    server.handle_timeout(Instant::from_millis(6_999));
    assert_eq!(server.closed(), None);
    server.handle_timeout(at);
    assert_eq!(server.closed().unwrap().cause, CloseCause::ConnectTimeout);
    assert_eq!(server.poll_timeout(), None);
    assert_eq!(server.poll_transmit(at, &mut Vec::new(), 100), 0);
}

#[test]
fn a_stranger_gets_no_large_packet_past_the_door() {
    let mut server =
        ServerConnection::new(Instant::ZERO, Options::new().with_maximum_connect_size(100));
    // A CONNECT header of 101 bytes in all; its body is not there.
    let mut input = &[0x10, 99][..];
    assert!(server.receive(Instant::ZERO, &mut input).is_none());
    match server.closed().unwrap().cause {
        CloseCause::Violation(error) => assert_eq!(error.violation(), Violation::PacketTooLarge),
        cause => panic!("{cause:?}"),
    }
}

#[test]
fn a_second_connect_is_a_protocol_error() {
    for (version, answer) in [(Version::V311, &[][..]), (Version::V5, &[0xe0, 2, 0x82, 0])] {
        let mut pair = Pair::connected(Setup {
            will: true,
            ..Setup::new(version)
        });
        let mut connect = Vec::new();
        Packet::from(Connect::new(version, "x"))
            .encode(version, &mut connect)
            .unwrap();
        pair.inject_to_server(&connect);
        pair.drive();
        // The shortest form of a DISCONNECT is two or three bytes; read it as a packet.
        assert_eq!(pair.to_client.sent.is_empty(), answer.is_empty());
        if version == Version::V5 {
            assert_eq!(
                pair.client.seen,
                [Seen::Disconnect(ReasonCode::ProtocolError)]
            );
        }
        let closed = pair.server.closed.unwrap();
        assert!(closed.will_due, "a violation is no normal disconnection");
        match closed.cause {
            CloseCause::Violation(error) => {
                assert_eq!(error.violation(), Violation::SecondConnect);
                assert_eq!(error.packet_type(), Some(PacketType::Connect));
            }
            cause => panic!("{cause:?}"),
        }
    }
}

/// Who may send what: every packet type to either role, on an open connection. None panics, and
/// each is either taken or ends the connection.
#[test]
fn every_packet_type_to_either_role() {
    let id = PacketId::new(7).unwrap();
    for version in VERSIONS {
        let subscriptions = [Subscription::new("a", QoS::AtMostOnce)];
        let codes: &[ReasonCode] = if version == Version::V5 {
            &[ReasonCode::Success]
        } else {
            &[]
        };
        let method = [Property::AuthenticationMethod("m")];
        let packets = [
            Packet::from(Connect::new(version, "x")),
            Packet::from(Connack::new(ReasonCode::Success)),
            Packet::from(Publish::new("t", b"")),
            Packet::Puback(Ack::new(id)),
            Packet::Pubrec(Ack::new(id)),
            Packet::Pubrel(Ack::new(id)),
            Packet::Pubcomp(Ack::new(id)),
            Packet::from(Subscribe::new(id, &subscriptions)),
            Packet::from(Suback {
                packet_id: id,
                reason_codes: (&[ReasonCode::Success][..]).into(),
                properties: Properties::new(),
            }),
            Packet::from(Unsubscribe {
                packet_id: id,
                filters: (&["a"][..]).into(),
                properties: Properties::new(),
            }),
            Packet::from(Unsuback {
                packet_id: id,
                reason_codes: codes.into(),
                properties: Properties::new(),
            }),
            Packet::Pingreq,
            Packet::Pingresp,
            Packet::from(Disconnect::default()),
            Packet::from(Auth::new(ReasonCode::ContinueAuthentication, &method)),
        ];
        for packet in packets {
            let mut bytes = Vec::new();
            if packet.encode(version, &mut bytes).is_err() {
                assert_eq!(
                    (packet.packet_type(), version),
                    (PacketType::Auth, Version::V311)
                );
                continue;
            }
            let mut pair = Pair::connected(Setup::new(version));
            pair.client.connection = None;
            pair.inject_to_server(&bytes);
            pair.drive();
            let to_both = matches!(
                packet,
                Packet::Publish(_)
                    | Packet::Puback(_)
                    | Packet::Pubrec(_)
                    | Packet::Pubrel(_)
                    | Packet::Pubcomp(_)
            );
            let taken = to_both
                || matches!(
                    packet,
                    Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::Pingreq
                );
            assert_eq!(
                pair.server.closed.is_none(),
                taken,
                "{packet} to a {version} server"
            );
            let mut pair = Pair::connected(Setup::new(version));
            pair.server.connection = None;
            pair.inject_to_client(&bytes);
            pair.drive();
            let taken = to_both || matches!(packet, Packet::Pingresp);
            assert_eq!(
                pair.client.closed.is_none(),
                taken,
                "{packet} to a {version} client"
            );
        }
    }
}

/// When a will is due: by version and by how the connection ended.
#[test]
fn the_will_by_how_the_connection_ended() {
    type End = fn(&mut Pair);
    let disconnect = |pair: &mut Pair, reason| {
        let now = pair.now;
        pair.client()
            .disconnect(now, &Disconnect::new(reason))
            .unwrap();
        pair.drive();
    };
    let normal: End = |pair| {
        let now = pair.now;
        pair.client()
            .disconnect(now, &Disconnect::default())
            .unwrap();
        pair.drive();
    };
    let eof: End = |pair| {
        let now = pair.now;
        pair.server().receive_eof(now);
        pair.server.closed = pair.server().closed();
    };
    let garbage: End = |pair| {
        pair.inject_to_server(&[0xff, 0xff]);
        pair.drive();
    };
    let timeout: End = |pair| {
        pair.client.connection = None;
        pair.advance(Duration::from_secs(15));
    };
    for version in VERSIONS {
        for (name, end, due) in [
            ("normal", normal, false),
            ("eof", eof, true),
            ("garbage", garbage, true),
            ("timeout", timeout, true),
        ] {
            for will in [false, true] {
                let setup = Setup {
                    will,
                    keep_alive: 10,
                    ..Setup::new(version)
                };
                let mut pair = Pair::connected(setup);
                end(&mut pair);
                let closed = pair.server.closed.unwrap_or_else(|| panic!("{name}: open"));
                assert_eq!(closed.will_due, due && will, "{version} {name}");
            }
        }
    }
    // 5.0: 0x00 alone discards it (MQTT-3.14.4-3).
    for reason in [
        ReasonCode::DisconnectWithWillMessage,
        ReasonCode::UnspecifiedError,
        ReasonCode::AdministrativeAction,
    ] {
        let mut pair = Pair::connected(Setup {
            will: true,
            ..Setup::new(Version::V5)
        });
        disconnect(&mut pair, reason);
        assert!(pair.server.closed.unwrap().will_due, "{reason}");
    }
    // The server's own end does not discard it either.
    let mut pair = Pair::connected(Setup {
        will: true,
        ..Setup::new(Version::V5)
    });
    let now = pair.now;
    pair.server()
        .disconnect(now, &Disconnect::new(ReasonCode::SessionTakenOver))
        .unwrap();
    pair.drive();
    assert!(pair.server.closed.unwrap().will_due);
    assert_eq!(
        pair.client.closed.unwrap().cause,
        CloseCause::PeerDisconnected(ReasonCode::SessionTakenOver)
    );
}

#[test]
fn session_expiry_is_what_was_said_last() {
    let run = |connect: Option<u32>, connack: Option<u32>, disconnect: Option<u32>| {
        let mut setup = Setup::new(Version::V5);
        setup
            .connect
            .extend(connect.map(Property::SessionExpiryInterval));
        setup
            .connack
            .extend(connack.map(Property::SessionExpiryInterval));
        let mut pair = Pair::connected(setup);
        let properties: Vec<_> = disconnect
            .map(Property::SessionExpiryInterval)
            .into_iter()
            .collect();
        let mut bytes = Vec::new();
        Packet::from(Disconnect {
            properties: Properties::from(&properties[..]),
            ..Disconnect::default()
        })
        .encode(Version::V5, &mut bytes)
        .unwrap();
        pair.inject_to_server(&bytes);
        pair.drive();
        let closed = pair.server.closed.unwrap();
        (closed.session_expiry_interval, closed.cause)
    };
    let normal = CloseCause::PeerDisconnected(ReasonCode::Success);
    assert_eq!(run(None, None, None), (0, normal));
    assert_eq!(run(Some(9), None, None), (9, normal));
    assert_eq!(run(Some(9), Some(5), None), (5, normal));
    assert_eq!(run(Some(9), Some(5), Some(7)), (7, normal));
    assert_eq!(run(Some(9), None, Some(0)), (0, normal));
    assert_eq!(run(Some(u32::MAX), None, None), (u32::MAX, normal));
    assert_eq!(run(None, None, Some(0)), (0, normal));
    // A CONNECT value of 0 cannot be raised, whatever CONNACK said (5.0 §3.14.2.2.2).
    for connack in [None, Some(5)] {
        let (expiry, cause) = run(Some(0), connack, Some(1));
        assert_eq!(expiry, connack.unwrap_or(0));
        match cause {
            CloseCause::Violation(error) => {
                assert_eq!(error.violation(), Violation::SessionExpiryRaised);
            }
            cause => panic!("{cause:?}"),
        }
    }
    let mut pair = Pair::connected(Setup::new(Version::V5));
    let now = pair.now;
    let raise = [Property::SessionExpiryInterval(1)];
    let disconnect = Disconnect {
        properties: Properties::from(&raise[..]),
        ..Disconnect::default()
    };
    assert_eq!(
        pair.client().disconnect(now, &disconnect),
        Err(RequestError::SessionExpiry)
    );
    assert_eq!(pair.client().closed(), None);
    for (clean, expiry) in [(true, 0), (false, u32::MAX)] {
        let setup = Setup {
            clean_start: clean,
            ..Setup::new(Version::V311)
        };
        let mut pair = Pair::connected(setup);
        pair.cut();
        assert_eq!(pair.server.closed.unwrap().session_expiry_interval, expiry);
        assert_eq!(pair.client.closed.unwrap().session_expiry_interval, expiry);
    }
}

#[test]
fn keep_alive_is_counted_from_what_was_sent() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup {
            keep_alive: 20,
            ..Setup::new(version)
        });
        // Idle for an hour: pings and answers, nothing else, and nobody is closed.
        pair.advance(Duration::from_secs(3600));
        assert!(pair.client().is_connected() && pair.server().is_connected());
        let pings = pair.types_to_server();
        assert!(pings.iter().all(|&packet| packet == PacketType::Pingreq));
        assert!(
            (3600 / 20..=3600 / 14).contains(&pings.len()),
            "{}",
            pings.len()
        );
        // A client that sends does not ping.
        pair.clear();
        for _ in 0..100 {
            pair.advance(Duration::from_secs(10));
            let now = pair.now;
            pair.client()
                .publish(now, message("t", "", QoS::AtMostOnce))
                .unwrap();
        }
        pair.drive();
        assert!(
            pair.types_to_server()
                .iter()
                .all(|&packet| packet == PacketType::Publish)
        );
    }
}

#[test]
fn a_silent_client_is_closed_at_exactly_one_and_a_half_keep_alive() {
    for version in VERSIONS {
        for keep_alive in [1, 3, 60, u16::MAX] {
            let mut pair = Pair::connected(Setup {
                keep_alive,
                ..Setup::new(version)
            });
            pair.client.connection = None;
            let period = Duration::from_millis(u64::from(keep_alive) * 1500);
            pair.advance(period - Duration::from_millis(1));
            assert_eq!(pair.server.closed, None);
            pair.advance(Duration::from_millis(1));
            assert_eq!(
                pair.server().closed().unwrap().cause,
                CloseCause::KeepAliveTimeout
            );
            pair.drive();
            let code: &[u8] = if version == Version::V5 { &[0x8d] } else { &[] };
            assert_eq!(pair.to_client.sent.get(2..3).unwrap_or_default(), code);
        }
        // 0 turns it off.
        let mut pair = Pair::connected(Setup {
            keep_alive: 0,
            ..Setup::new(version)
        });
        assert_eq!(pair.next_timeout(), None);
        pair.advance(Duration::from_secs(1_000_000));
        assert!(pair.server().is_connected());
    }
}

/// A client whose packets the application holds up is not silent.
#[test]
fn a_client_that_is_not_listened_to_is_not_closed() {
    for version in VERSIONS {
        let setup = Setup {
            keep_alive: 10,
            answer: false,
            server: Options::new().with_maximum_open_requests(1),
            client: Options::new().with_ping_timeout(Duration::from_secs(100)),
            ..Setup::new(version)
        };
        let mut pair = Pair::connected(setup);
        pair.client()
            .subscribe(
                &[Subscription::new("a", QoS::AtMostOnce)],
                Properties::new(),
            )
            .unwrap();
        pair.advance(Duration::from_secs(60));
        assert!(pair.server().is_connected());
        let (token, _) = pair.server.requests.pop().unwrap();
        pair.server()
            .suback(token, &[ReasonCode::Success], Properties::new())
            .unwrap();
        pair.drive();
        assert!(pair.types_to_client().contains(&PacketType::Pingresp));
        // From then on its silence counts again.
        pair.client.connection = None;
        pair.advance(Duration::from_millis(15_000));
        assert_eq!(
            pair.server().closed().unwrap().cause,
            CloseCause::KeepAliveTimeout
        );
    }
}

#[test]
fn the_servers_keep_alive_rules_on_both_sides() {
    let mut setup = Setup {
        keep_alive: 1000,
        ..Setup::new(Version::V5)
    };
    setup.connack.push(Property::ServerKeepAlive(4));
    let mut pair = Pair::connected(setup.clone());
    pair.advance(Duration::from_secs(60));
    assert!(pair.types_to_server().len() >= 15);
    assert!(pair.server().is_connected());
    pair.client.connection = None;
    pair.advance(Duration::from_millis(6_000));
    assert_eq!(
        pair.server().closed().unwrap().cause,
        CloseCause::KeepAliveTimeout
    );
    setup.connack[0] = Property::ServerKeepAlive(0);
    let pair = Pair::connected(setup);
    assert_eq!(pair.next_timeout(), None);
}

#[test]
fn a_server_that_does_not_answer_a_ping_is_left() {
    for version in VERSIONS {
        let setup = Setup {
            keep_alive: 10,
            client: Options::new().with_ping_timeout(Duration::from_secs(2)),
            ..Setup::new(version)
        };
        let mut pair = Pair::connected(setup);
        pair.server.connection = None;
        pair.advance(Duration::from_millis(7_500 + 1_999));
        assert_eq!(pair.client().closed(), None);
        assert_eq!(pair.types_to_server(), [PacketType::Pingreq]);
        pair.advance(Duration::from_millis(1));
        assert_eq!(
            pair.client().closed().unwrap().cause,
            CloseCause::PingTimeout
        );
    }
}

/// A transport that takes nothing any more is noticed also when the answer to an earlier ping arrives meanwhile.
#[test]
fn a_ping_that_does_not_leave_keeps_its_deadline() {
    for version in VERSIONS {
        let setup = Setup {
            keep_alive: 10,
            client: Options::new().with_ping_timeout(Duration::from_secs(10)),
            ..Setup::new(version)
        };
        let mut pair = Pair::connected(setup);
        pair.server.connection = None;
        pair.advance(Duration::from_millis(7_500));
        assert_eq!(pair.types_to_server(), [PacketType::Pingreq]);
        let now = pair.now + Duration::from_millis(7_500);
        let client = pair.client();
        assert_eq!(client.poll_timeout(), Some(now));
        client.handle_timeout(now);
        assert!(client.receive(now, &mut &b"\xd0\x00"[..]).is_none());
        let end = now + Duration::from_secs(10);
        assert_eq!(client.poll_timeout(), Some(end));
        client.handle_timeout(end);
        assert_eq!(client.closed().unwrap().cause, CloseCause::PingTimeout);
    }
}

#[test]
fn authentication_is_handed_through() {
    let mut setup = Setup {
        accept: false,
        ..Setup::new(Version::V5)
    };
    setup.connect.push(Property::AuthenticationMethod("M"));
    setup.connect.push(Property::AuthenticationData(b"first"));
    let mut pair = Pair::new(setup);
    pair.connect();
    pair.drive();
    let now = pair.now;
    let auth = |reason, method, data| {
        (
            reason,
            [
                Property::AuthenticationMethod(method),
                Property::AuthenticationData(data),
            ],
        )
    };
    let (reason, list) = auth(ReasonCode::ContinueAuthentication, "M", &b"challenge"[..]);
    pair.server().auth(now, &Auth::new(reason, &list)).unwrap();
    pair.drive();
    assert_eq!(
        pair.client.seen,
        [Seen::Auth(
            ReasonCode::ContinueAuthentication,
            b"challenge".to_vec()
        )]
    );
    let (_, other) = auth(ReasonCode::ContinueAuthentication, "other", &b""[..]);
    assert_eq!(
        pair.client().auth(now, &Auth::new(reason, &other)),
        Err(RequestError::AuthenticationMethod)
    );
    let (_, list) = auth(reason, "M", &b"response"[..]);
    let re = Auth::new(ReasonCode::ReAuthenticate, &list);
    assert!(matches!(
        pair.client().auth(now, &re),
        Err(RequestError::ReasonCode(_))
    ));
    pair.client().auth(now, &Auth::new(reason, &list)).unwrap();
    pair.drive();
    assert_eq!(
        pair.server.seen[1],
        Seen::Auth(reason, b"response".to_vec())
    );
    // CONNACK repeats the method.
    let plain = Connack::new(ReasonCode::Success);
    let error = pair.server().accept(now, None, &plain).unwrap_err();
    assert_eq!(
        error.reason,
        AcceptErrorReason::Request(RequestError::AuthenticationMethod)
    );
    let method = [Property::AuthenticationMethod("M")];
    let connack = Connack {
        properties: (&method[..]).into(),
        ..plain
    };
    pair.server().accept(now, None, &connack).unwrap();
    pair.drive();
    assert!(pair.client().is_connected());
    // Re-authentication, with a message amid.
    pair.clear();
    pair.client().auth(now, &re).unwrap();
    pair.client()
        .publish(now, message("t", "x", QoS::AtLeastOnce))
        .unwrap();
    pair.drive();
    assert_eq!(
        pair.server.seen[0],
        Seen::Auth(ReasonCode::ReAuthenticate, b"response".to_vec())
    );
    assert_eq!(payloads(&pair.server.seen), ["x"]);
    pair.server()
        .auth(now, &Auth::new(ReasonCode::Success, &method))
        .unwrap();
    pair.drive();
    assert!(
        pair.client
            .seen
            .contains(&Seen::Auth(ReasonCode::Success, vec![]))
    );
    // Another method from the peer ends the connection.
    let mut bytes = Vec::new();
    Packet::from(Auth::new(ReasonCode::ReAuthenticate, &other))
        .encode(Version::V5, &mut bytes)
        .unwrap();
    pair.inject_to_server(&bytes);
    pair.drive();
    match pair.server.closed.unwrap().cause {
        CloseCause::Violation(error) => {
            assert_eq!(error.violation(), Violation::ReauthenticationMethod);
        }
        cause => panic!("{cause:?}"),
    }
}

#[test]
fn a_client_that_authenticates_sends_nothing_else_meanwhile() {
    let mut setup = Setup {
        accept: false,
        ..Setup::new(Version::V5)
    };
    setup.connect.push(Property::AuthenticationMethod("M"));
    let mut pair = Pair::new(setup.clone());
    pair.connect();
    let now = pair.now;
    // The client keeps its own messages back until CONNACK (MQTT-3.1.2-30).
    pair.client()
        .publish(now, message("t", "x", QoS::AtMostOnce))
        .unwrap();
    pair.drive();
    assert_eq!(pair.types_to_server(), [PacketType::Connect]);
    pair.inject_to_server(&[0xc0, 0x00]);
    pair.drive();
    // CONNACK 0x82, never DISCONNECT (MQTT-3.14.0-1).
    assert_eq!(pair.to_client.sent, [0x20, 3, 0, 0x82, 0]);
    assert!(matches!(
        pair.server.closed.unwrap().cause,
        CloseCause::Violation(_)
    ));
}

#[test]
fn a_session_that_the_client_does_not_know_is_refused_in_5_0() {
    let mut pair = Pair::connected(Setup::persistent(Version::V5));
    pair.cut();
    // The client has lost its store.
    pair.client_session = None;
    pair.connect();
    pair.drive();
    match pair.client.closed.unwrap().cause {
        CloseCause::Violation(error) => {
            assert_eq!(error.violation(), Violation::SessionPresentUnexpected);
        }
        cause => panic!("{cause:?}"),
    }
    // Unless it says that it may.
    pair.cut();
    pair.client_session = Some(Session::established());
    pair.connect();
    pair.drive();
    assert!(pair.client().is_connected());
    // 3.1.1 leaves it to the client, and ours goes on.
    let mut pair = Pair::connected(Setup::persistent(Version::V311));
    pair.cut();
    pair.client_session = None;
    pair.connect();
    pair.drive();
    assert!(pair.client().is_connected());
}

/// DISCONNECT is the last packet (MQTT-3.14.4-1), also when the application ends the connection
/// while it handles a message whose acknowledgement is still to come.
#[test]
fn nothing_follows_disconnect() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut pair = Pair::connected(Setup {
                keep_alive: 10,
                ..Setup::new(version)
            });
            let now = pair.now;
            let mut bytes = Vec::new();
            Packet::from(Publish {
                qos,
                packet_id: PacketId::new(1),
                ..Publish::new("t", b"x")
            })
            .encode(version, &mut bytes)
            .unwrap();
            let mut input = &bytes[..];
            let client = pair.client();
            assert!(matches!(
                client.receive(now, &mut input),
                Some(ClientEvent::Publish(_))
            ));
            client.disconnect(now, &Disconnect::default()).unwrap();
            assert!(client.receive(now, &mut input).is_none());
            let mut out = Vec::new();
            client.poll_transmit(now, &mut out, usize::MAX);
            assert_eq!(pair::types(version, &out), [PacketType::Disconnect]);
            // And when time ends it.
            let server = pair.server();
            let mut input = &bytes[..];
            assert!(matches!(
                server.receive(now, &mut input),
                Some(ServerEvent::Publish(_))
            ));
            let at = now + Duration::from_secs(15);
            server.handle_timeout(at);
            assert!(server.receive(at, &mut input).is_none());
            let mut out = Vec::new();
            server.poll_transmit(at, &mut out, usize::MAX);
            let last = match version {
                Version::V311 => &[][..],
                _ => &[PacketType::Disconnect],
            };
            assert_eq!(pair::types(version, &out), last);
        }
    }
}

/// A connection that was never accepted has no session: its owner must not take the empty one for
/// that of the client.
#[test]
fn a_connection_that_was_not_accepted_has_no_session() {
    for version in VERSIONS {
        for end in 0..3 {
            let mut pair = Pair::new(Setup {
                accept: false,
                ..Setup::persistent(version)
            });
            pair.connect();
            pair.drive();
            let now = pair.now;
            let server = pair.server();
            match end {
                0 => server.receive_eof(now),
                1 => server
                    .refuse(now, &Connack::new(ReasonCode::NotAuthorized))
                    .unwrap(),
                _ => {
                    server.auth(now, &Auth::new(ReasonCode::Success, &[])).ok();
                    server.receive_eof(now);
                }
            }
            assert_eq!(server.closed().unwrap().session_expiry_interval, 0);
        }
    }
}

/// Each step of the authentication has its time, and each side's forecast of the end is right.
#[test]
fn what_a_connection_that_ends_early_says() {
    let method = [Property::AuthenticationMethod("M")];
    let mut setup = Setup {
        accept: false,
        will: true,
        ..Setup::persistent(Version::V5)
    };
    setup.connect.extend(method);
    let mut pair = Pair::new(setup);
    pair.connect();
    pair.drive();
    let now = pair.now;
    assert_eq!(pair.server().poll_timeout(), None);
    let auth = Auth::new(ReasonCode::ContinueAuthentication, &method);
    pair.server().auth(now, &auth).unwrap();
    assert_eq!(
        pair.server().poll_timeout(),
        Some(now + Duration::from_secs(30))
    );
    pair.advance(Duration::from_secs(20));
    let now = pair.now;
    pair.client().auth(now, &auth).unwrap();
    assert_eq!(
        pair.client().poll_timeout(),
        Some(now + Duration::from_secs(30))
    );
    pair.drive();
    assert_eq!(pair.server().poll_timeout(), None);
    // Not accepted: no will is stored (MQTT-3.1.2-7).
    pair.cut();
    assert!(!pair.server.closed.unwrap().will_due);

    for (reason, due) in [
        (ReasonCode::Success, false),
        (ReasonCode::DisconnectWithWillMessage, true),
    ] {
        let mut setup = Setup {
            will: true,
            ..Setup::persistent(Version::V5)
        };
        setup.connack.push(Property::SessionExpiryInterval(7));
        let mut pair = Pair::connected(setup);
        let now = pair.now;
        pair.client()
            .disconnect(now, &Disconnect::new(reason))
            .unwrap();
        pair.drive();
        for closed in [pair.client.closed, pair.server.closed] {
            let closed = closed.unwrap();
            assert_eq!(closed.will_due, due);
            assert_eq!(closed.session_expiry_interval, 7);
        }
    }
}
