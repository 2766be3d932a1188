//! What a peer or a caller can make a connection hold, and what happens at each bound.

#[path = "support/pair.rs"]
mod pair;

use pair::*;
use sansio_mqtt::*;

#[test]
fn a_publish_beyond_the_quota_waits() {
    let setup = Setup {
        server: Options::new()
            .with_receive_maximum(3)
            .with_manual_acknowledgement(true),
        ..Setup::new(Version::V5)
    };
    let mut pair = Pair::connected(setup);
    let now = pair.now;
    for n in 0..10 {
        let qos = if n % 2 == 0 {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        };
        pair.client()
            .publish(now, message("t", &n.to_string(), qos))
            .unwrap();
    }
    // Everything else still goes out (MQTT-3.3.4-8, MQTT-4.9.0-3).
    pair.client()
        .subscribe(
            &[Subscription::new("a", QoS::AtMostOnce)],
            Properties::new(),
        )
        .unwrap();
    pair.drive();
    assert_eq!(pair.client().send_quota(), 0);
    assert_eq!(payloads(&pair.server.seen), ["0", "1", "2"]);
    assert!(matches!(pair.client.seen[..], [Seen::Subscribed(..)]));
    for n in 3..10 {
        let token = pair.server.acks.remove(0);
        pair.server()
            .acknowledge(&token, ReasonCode::Success)
            .unwrap();
        pair.drive();
        assert_eq!(payloads(&pair.server.seen).len(), n + 1);
        assert_eq!(pair.client().send_quota(), 0);
    }
    for token in std::mem::take(&mut pair.server.acks) {
        pair.server()
            .acknowledge(&token, ReasonCode::Success)
            .unwrap();
    }
    pair.drive();
    assert_eq!(pair.client().send_quota(), 3);
    assert!(pair.server().is_connected());
}

#[test]
fn a_peer_that_overruns_the_receive_maximum_is_told() {
    for manual in [false, true] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let options = Options::new()
                .with_receive_maximum(2)
                .with_manual_acknowledgement(manual);
            let mut pair = Pair::connected(Setup {
                server: options,
                ..Setup::new(Version::V5)
            });
            let mut bytes = Vec::new();
            for id in 1..=3 {
                Packet::from(Publish {
                    qos,
                    packet_id: PacketId::new(id),
                    ..Publish::new("t", b"")
                })
                .encode(Version::V5, &mut bytes)
                .unwrap();
            }
            pair.inject_to_server(&bytes);
            pair.drive();
            if manual || qos == QoS::ExactlyOnce {
                assert_eq!(payloads(&pair.server.seen).len(), 2);
                assert!(
                    pair.client
                        .seen
                        .contains(&Seen::Disconnect(ReasonCode::ReceiveMaximumExceeded))
                );
            } else {
                // Each is acknowledged before the next is looked at.
                assert!(pair.server().is_connected());
            }
        }
    }
}

/// 3.1.1 cannot announce a limit, so the messages that the application does not acknowledge hold
/// up the input instead.
#[test]
fn unacknowledged_messages_hold_up_a_3_1_1_peer() {
    let options = Options::new()
        .with_receive_maximum(2)
        .with_manual_acknowledgement(true);
    let mut pair = Pair::connected(Setup {
        server: options,
        ..Setup::new(Version::V311)
    });
    let now = pair.now;
    for n in 0..20 {
        pair.client()
            .publish(now, message("t", &n.to_string(), QoS::AtLeastOnce))
            .unwrap();
    }
    pair.drive();
    let mut delivered = payloads(&pair.server.seen).len();
    assert_eq!(delivered, 2);
    while let Some(token) = pair.server.acks.pop() {
        pair.server()
            .acknowledge(&token, ReasonCode::Success)
            .unwrap();
        pair.drive();
        let more = payloads(&pair.server.seen).len();
        assert!(more - delivered <= 2);
        delivered = more;
    }
    assert_eq!(delivered, 20);
}

#[test]
fn all_packet_identifiers_in_use() {
    for version in VERSIONS {
        let setup = Setup {
            client: Options::new()
                .with_maximum_kept_messages(70_000)
                .with_maximum_kept_bytes(u32::MAX),
            server: Options::new()
                .with_receive_maximum(u16::MAX)
                .with_manual_acknowledgement(true),
            ..Setup::new(version)
        };
        let mut pair = Pair::connected(setup);
        let now = pair.now;
        for _ in 0..65_536 {
            pair.client()
                .publish(now, message("t", "", QoS::AtLeastOnce))
                .unwrap();
        }
        pair.drive();
        assert_eq!(pair.server.acks.len(), 65_535);
        assert_eq!(pair.client().session().queued(), 1);
        let before = pair.to_server.sent.len();
        let asked = [Subscription::new("a", QoS::AtMostOnce)];
        assert_eq!(
            pair.client().subscribe(&asked, Properties::new()),
            Err(RequestError::NoPacketId)
        );
        pair.drive();
        assert_eq!(
            pair.to_server.sent.len(),
            before,
            "an error without side effect"
        );
        let token = pair.server.acks.remove(0);
        pair.server()
            .acknowledge(&token, ReasonCode::Success)
            .unwrap();
        pair.drive();
        // The one that waited has taken the identifier.
        assert_eq!(pair.client().session().queued(), 0);
        assert_eq!(pair.server.acks.len(), 65_535);
        for token in std::mem::take(&mut pair.server.acks) {
            pair.server()
                .acknowledge(&token, ReasonCode::Success)
                .unwrap();
        }
        pair.drive();
        assert!(pair.client().subscribe(&asked, Properties::new()).is_ok());
    }
}

#[test]
fn the_queue_is_bounded_in_messages_and_bytes() {
    for version in VERSIONS {
        let options = Options::new()
            .with_maximum_kept_messages(5)
            .with_maximum_kept_bytes(100);
        let mut pair = Pair::connected(Setup {
            client: options,
            ..Setup::new(version)
        });
        let now = pair.now;
        let client = pair.client();
        for _ in 0..5 {
            client
                .publish(now, message("t", "x", QoS::AtMostOnce))
                .unwrap();
        }
        let error = client
            .publish(now, message("t", "x", QoS::AtMostOnce))
            .unwrap_err();
        assert_eq!(error.reason, PublishErrorReason::QueueFull);
        pair.drive();
        let big = "y".repeat(60);
        pair.client()
            .publish(now, message("t", &big, QoS::AtMostOnce))
            .unwrap();
        let error = pair
            .client()
            .publish(now, message("t", &big, QoS::AtMostOnce))
            .unwrap_err();
        assert_eq!(error.reason, PublishErrorReason::QueueFull);
        assert_eq!(error.message.payload(), big.as_bytes());
    }
}

/// A peer that takes messages and never acknowledges them does not make us keep more.
#[test]
fn what_is_in_flight_counts() {
    for version in VERSIONS {
        let options = Options::new()
            .with_maximum_kept_messages(20)
            .with_maximum_kept_bytes(100);
        let setup = Setup {
            client: options,
            server: Options::new().with_manual_acknowledgement(true),
            ..Setup::new(version)
        };
        let mut pair = Pair::connected(setup);
        for (text, fits) in [("x", 20), ("0123456789012345678", 5)] {
            let mut taken = 0;
            let now = pair.now;
            while pair
                .client()
                .publish(now, message("t", text, QoS::ExactlyOnce))
                .is_ok()
            {
                taken += 1;
                pair.drive();
            }
            assert_eq!(taken, fits);
            assert_eq!(pair.client().session().in_flight(), fits);
            // PUBREC alone gives the bytes back, PUBCOMP the place.
            for token in std::mem::take(&mut pair.server.acks) {
                pair.server()
                    .acknowledge(&token, ReasonCode::Success)
                    .unwrap();
            }
            pair.drive();
            assert_eq!(pair.client().session().in_flight(), 0);
        }
    }
}

#[test]
fn the_maximum_packet_size_holds_in_both_directions() {
    for (client, server) in [(60, 1000), (1000, 60)] {
        let setup = Setup {
            client: Options::new().with_maximum_packet_size(client),
            server: Options::new().with_maximum_packet_size(server),
            ..Setup::new(Version::V5)
        };
        let mut pair = Pair::connected(setup);
        let now = pair.now;
        let fits = message("t", &"x".repeat(60 - 2 - 3 - 2 - 1), QoS::AtLeastOnce);
        let too_large = message("t", &"x".repeat(60 - 2 - 3 - 2), QoS::AtLeastOnce);
        let (result, small) = if server == 60 {
            let result = pair.client().publish(now, too_large.clone());
            (result, pair.client().publish(now, fits))
        } else {
            let result = pair.server().publish(now, too_large.clone());
            (result, pair.server().publish(now, fits))
        };
        let error = result.unwrap_err();
        assert_eq!(
            error.reason,
            PublishErrorReason::TooLarge {
                size: 61,
                maximum: 60
            }
        );
        assert_eq!(error.message, too_large);
        small.unwrap();
        pair.drive();
        let seen = if server == 60 {
            &pair.server.seen
        } else {
            &pair.client.seen
        };
        assert_eq!(payloads(seen).len(), 1);
        // A peer that sends it all the same is told, before its body has come.
        if server == 60 {
            pair.inject_to_server(&[0x30, 59]);
            pair.drive();
            assert!(
                pair.client
                    .seen
                    .contains(&Seen::Disconnect(ReasonCode::PacketTooLarge))
            );
        } else {
            pair.inject_to_client(&[0x30, 59]);
            pair.drive();
            assert!(
                pair.server
                    .seen
                    .contains(&Seen::Disconnect(ReasonCode::PacketTooLarge))
            );
        }
    }
}

#[test]
fn a_reason_string_yields_to_the_maximum_packet_size() {
    let long = "why ".repeat(10);
    let list = [
        Property::ReasonString(&long),
        Property::UserProperty("key", "value"),
    ];
    for (maximum, left) in [(200, 2), (30, 1), (10, 0)] {
        let setup = Setup {
            client: Options::new().with_maximum_packet_size(maximum),
            // Its own announcement would not fit the smallest.
            server: Options::new().with_receive_maximum(u16::MAX),
            answer: false,
            ..Setup::new(Version::V5)
        };
        let mut pair = Pair::connected(setup);
        pair.client()
            .subscribe(
                &[Subscription::new("a", QoS::AtMostOnce)],
                Properties::new(),
            )
            .unwrap();
        pair.drive();
        let (token, _) = pair.server.requests.pop().unwrap();
        let codes = [ReasonCode::NotAuthorized];
        pair.server()
            .suback(token, &codes, Properties::from(&list[..]))
            .unwrap();
        pair.drive();
        let mut sent = &pair.to_client.sent[..];
        let packet = Packet::decode(Version::V5, &DecodeOptions::new(), &mut sent).unwrap();
        let Some(Packet::Suback(suback)) = packet else {
            panic!("{packet:?}")
        };
        assert_eq!(suback.properties.iter().count(), left);
    }
    // And to a client that asked for none (MQTT-3.1.2-29).
    let mut setup = Setup {
        answer: false,
        ..Setup::new(Version::V5)
    };
    setup
        .connect
        .push(Property::RequestProblemInformation(false));
    let mut pair = Pair::connected(setup);
    pair.client()
        .subscribe(
            &[Subscription::new("a", QoS::AtMostOnce)],
            Properties::new(),
        )
        .unwrap();
    pair.drive();
    let (token, _) = pair.server.requests.pop().unwrap();
    pair.server()
        .suback(token, &[ReasonCode::Success], Properties::from(&list[..]))
        .unwrap();
    pair.drive();
    assert_eq!(pair.to_client.sent, [0x90, 4, 0, 1, 0, 0]);
    // Such a client ends the connection when it gets one all the same.
    let mut bytes = Vec::new();
    let ack = Ack {
        properties: Properties::from(&list[..]),
        ..Ack::new(PacketId::new(1).unwrap())
    };
    Packet::Puback(ack).encode(Version::V5, &mut bytes).unwrap();
    pair.inject_to_client(&bytes);
    pair.drive();
    assert!(matches!(
        pair.client.closed.unwrap().cause,
        CloseCause::Violation(error)
            if error.violation() == Violation::ProblemInformationNotRequested
    ));
}

/// A peer that asks and never reads: replies stop growing, input is not taken.
#[test]
fn a_flood_meets_back_pressure() {
    for version in VERSIONS {
        let id = PacketId::new(1).unwrap();
        let publish = Publish {
            qos: QoS::ExactlyOnce,
            packet_id: Some(id),
            ..Publish::new("t", b"")
        };
        let subscriptions = [Subscription::new("a", QoS::AtMostOnce)];
        for packet in [
            Packet::Pingreq,
            Packet::Pubrel(Ack::new(id)),
            Packet::Pubrec(Ack::new(id)),
            Packet::from(publish),
            Packet::from(Subscribe::new(id, &subscriptions)),
        ] {
            let options = Options::new().with_maximum_reply_bytes(1000);
            let setup = Setup {
                server: options,
                answer: false,
                ..Setup::new(version)
            };
            let mut pair = Pair::connected(setup);
            let mut bytes = Vec::new();
            for _ in 0..5000 {
                packet.encode(version, &mut bytes).unwrap();
            }
            let mut input = &bytes[..];
            let mut events = 0;
            let now = pair.now;
            while pair.server().receive(now, &mut input).is_some() {
                events += 1;
            }
            assert!(events <= 65, "{packet}");
            assert!(!input.is_empty(), "{packet}: all was taken");
            assert!(!pair.server().wants_input(), "{packet}");
            let mut out = Vec::new();
            pair.server().poll_transmit(now, &mut out, usize::MAX);
            assert!(out.len() <= 1004, "{packet}: {} bytes", out.len());
            assert!(pair.server().is_connected());
        }
    }
}

/// A driver that reads only when input is wanted is never stuck, and never fills its buffer in vain.
#[test]
fn whether_input_is_wanted() {
    for version in VERSIONS {
        let now = Instant::ZERO;
        let mut bytes = Vec::new();
        Packet::from(Connect::new(version, "c"))
            .encode(version, &mut bytes)
            .unwrap();
        let id = PacketId::new(1).unwrap();
        Packet::from(Subscribe::new(
            id,
            &[Subscription::new("a", QoS::AtMostOnce)],
        ))
        .encode(version, &mut bytes)
        .unwrap();
        let options = Options::new()
            .with_maximum_open_requests(1)
            .with_maximum_reply_bytes(1);
        let mut server = ServerConnection::new(now, options);
        let mut input = &bytes[..];
        assert!(server.wants_input());
        assert!(matches!(
            server.receive(now, &mut input),
            Some(ServerEvent::Connect(_))
        ));
        assert!(!server.wants_input(), "CONNECT is not answered");
        server
            .accept(now, None, &Connack::new(ReasonCode::Success))
            .unwrap();
        assert!(!server.wants_input(), "CONNACK waits");
        assert!(server.poll_transmit(now, &mut Vec::new(), 1) > 0);
        assert!(server.wants_input());
        let Some(ServerEvent::Subscribe { token, .. }) = server.receive(now, &mut input) else {
            panic!("no SUBSCRIBE");
        };
        assert!(!server.wants_input(), "SUBSCRIBE is not answered");
        server
            .suback(token, &[ReasonCode::Success], Properties::EMPTY)
            .unwrap();
        assert!(!server.wants_input(), "SUBACK waits");
        server.receive_eof(now);
        assert!(server.wants_input(), "what comes now is thrown away");
    }
    let options = Options::new()
        .with_receive_maximum(1)
        .with_manual_acknowledgement(true);
    let mut pair = Pair::connected(Setup {
        client: options,
        ..Setup::new(Version::V311)
    });
    let now = pair.now;
    assert!(pair.client().wants_input());
    pair.server()
        .publish(now, message("t", "", QoS::AtLeastOnce))
        .unwrap();
    pair.drive();
    assert!(!pair.client().wants_input(), "PUBLISH is not acknowledged");
    let token = pair.client.acks.remove(0);
    pair.client()
        .acknowledge(&token, ReasonCode::Success)
        .unwrap();
    assert!(pair.client().wants_input());
}

#[test]
fn poll_transmit_gives_whole_packets_up_to_the_limit() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::new(version));
        let now = pair.now;
        pair.client()
            .subscribe(
                &[Subscription::new("some/filter", QoS::AtMostOnce)],
                Properties::new(),
            )
            .unwrap();
        pair.client()
            .unsubscribe(&["some/filter"], Properties::new())
            .unwrap();
        for n in 0..20 {
            pair.client()
                .publish(now, message("t", &"x".repeat(n), QoS::AtLeastOnce))
                .unwrap();
        }
        let mut all = Vec::new();
        loop {
            let before = all.len();
            let given = pair.client().poll_transmit(now, &mut all, 40);
            assert_eq!(all.len() - before, given);
            if given == 0 {
                break;
            }
            assert!(given <= 40);
            types(version, &all[before..]);
        }
        assert_eq!(types(version, &all).len(), 22);
    }
}

#[test]
fn an_ill_formed_filter_closes_or_is_answered_by_option() {
    let bytes = b"\x82\x0b\x00\x01\x00\x00\x05a/#/b\x00";
    for answer in [false, true] {
        let setup = Setup {
            server: Options::new().with_answer_invalid_filters(answer),
            answer: false,
            ..Setup::new(Version::V5)
        };
        let mut pair = Pair::connected(setup);
        pair.inject_to_server(bytes);
        pair.drive();
        if answer {
            let (token, filters) = pair.server.requests.pop().unwrap();
            assert_eq!(filters, 1);
            let code = [ReasonCode::TopicFilterInvalid];
            pair.server()
                .suback(token, &code, Properties::new())
                .unwrap();
        } else {
            assert_eq!(
                pair.client.seen,
                [Seen::Disconnect(ReasonCode::TopicFilterInvalid)]
            );
        }
    }
}

#[test]
fn connection_sizes() {
    // Ceilings, so that growth is a decision.
    assert!(
        size_of::<ServerConnection>() <= 272,
        "{}",
        size_of::<ServerConnection>()
    );
    assert!(
        size_of::<ClientConnection>() <= 272,
        "{}",
        size_of::<ClientConnection>()
    );
    assert!(size_of::<Session>() <= 80, "{}", size_of::<Session>());
    assert!(size_of::<Message>() <= 64, "{}", size_of::<Message>());
}

/// Not even what has to be answered goes out where the peer does not take it (MQTT-3.1.2-24,
/// MQTT-3.2.2-15).
#[test]
fn nothing_is_larger_than_the_smallest_peer_takes() {
    // CONNACK of refusal has five bytes.
    for maximum in 1..=5u32 {
        let mut setup = Setup::new(Version::V5);
        setup.client = Options::new().with_maximum_packet_size(maximum);
        setup.connect.push(Property::AuthenticationMethod("M"));
        setup.accept = false;
        let mut pair = Pair::new(setup);
        pair.connect();
        pair.drive();
        pair.inject_to_server(&[0xc0, 0x00]);
        pair.drive();
        assert!(pair.server.closed.is_some());
        let expected = if maximum < 5 { 0 } else { 5 };
        assert_eq!(pair.to_client.sent.len(), expected, "{maximum}");
    }
    // A server may take less than an acknowledgement or a PINGREQ has.
    for maximum in 1..=4u8 {
        let expiry = [Property::SessionExpiryInterval(60)];
        let connect = Connect {
            keep_alive: 10,
            clean_start: false,
            properties: Properties::from(&expiry[..]),
            ..Connect::new(Version::V5, "c")
        };
        let now = Instant::ZERO;
        let mut session = Session::established();
        for _ in 0..2 {
            let mut client = ClientConnection::new(now, &connect, session, Options::new()).unwrap();
            let mut out = Vec::new();
            client.poll_transmit(now, &mut out, usize::MAX);
            out.clear();
            let mut input = vec![0x20, 8, 1, 0, 5, 0x27, 0, 0, 0, maximum];
            // PUBLISH of QoS 1 and 2, PUBREL, PUBREC.
            input.extend([0x32, 6, 0, 1, b't', 0, 1, 0]);
            input.extend([0x34, 6, 0, 1, b't', 0, 2, 0]);
            input.extend([0x62, 2, 0, 2, 0x50, 2, 0, 7]);
            let mut input = &input[..];
            while client.receive(now, &mut input).is_some() {}
            assert!(client.is_connected(), "{:?}", client.closed());
            let at = client.poll_timeout().unwrap();
            client.handle_timeout(at);
            client.poll_transmit(at, &mut out, usize::MAX);
            while let Some(packet) =
                Packet::decode(Version::V5, &DecodeOptions::new(), &mut &out[..]).unwrap()
            {
                let size = packet.encoded_len(Version::V5);
                assert!(size <= usize::from(maximum), "{packet} to {maximum}");
                out.drain(..size);
            }
            // It does not spin, and ends by itself.
            while let Some(at) = client.poll_timeout() {
                client.handle_timeout(at);
                assert!(client.poll_timeout().is_none_or(|next| next > at));
                if client.poll_transmit(at, &mut out, usize::MAX) == 0
                    && client.poll_timeout().is_none()
                {
                    break;
                }
                if at.as_millis() > 100_000 {
                    break;
                }
            }
            session = client.into_session();
        }
    }
}

/// A released message of an earlier connection is released only where PUBREL fits.
#[test]
fn pubrel_waits_for_a_peer_that_takes_it() {
    let mut setup = Setup::persistent(Version::V5);
    setup.server = Options::new().with_manual_acknowledgement(true);
    let mut pair = Pair::connected(setup);
    let now = pair.now;
    pair.client()
        .publish(now, message("t", "x", QoS::ExactlyOnce))
        .unwrap();
    pair.drive();
    let token = pair.server.acks.pop().unwrap();
    pair.to_server.budget = Some(0);
    pair.server()
        .acknowledge(&token, ReasonCode::Success)
        .unwrap();
    pair.drive();
    pair.cut();
    pair.clear();
    pair.setup.server = Options::new().with_maximum_packet_size(3);
    pair.setup.server = pair.setup.server.with_maximum_connect_size(3);
    pair.connect();
    pair.server.connection = None;
    pair.drive();
    pair.to_server.sent.clear();
    pair.inject_to_client(&[0x20, 8, 1, 0, 5, 0x27, 0, 0, 0, 3]);
    pair.drive();
    assert!(pair.client().is_connected());
    assert_eq!(pair.types_to_server(), []);
    assert_eq!(pair.client().session().in_flight(), 1);
}

#[test]
fn the_callers_own_packets_are_bounded_too() {
    let mut setup = Setup::new(Version::V5);
    setup.connect.push(Property::AuthenticationMethod("M"));
    setup.connack.push(Property::AuthenticationMethod("M"));
    setup.client = Options::new().with_maximum_reply_bytes(1000);
    let mut pair = Pair::connected(setup);
    let now = pair.now;
    let method = [Property::AuthenticationMethod("M")];
    let auth = Auth::new(ReasonCode::ReAuthenticate, &method);
    let mut refused = None;
    for _ in 0..1000 {
        if let Err(error) = pair.client().unsubscribe(&["t"], Properties::new()) {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused, Some(RequestError::Backlog));
    assert_eq!(pair.client().auth(now, &auth), Err(RequestError::Backlog));
}

/// Every bound at its smallest: a connection works, if slowly.
#[test]
fn the_smallest_options_still_move() {
    for version in VERSIONS {
        let options = Options::new()
            .with_receive_maximum(0)
            .with_maximum_reply_bytes(0)
            .with_maximum_open_requests(0)
            .with_maximum_kept_messages(1);
        let mut pair = Pair::connected(Setup {
            client: options.clone(),
            server: options,
            limit: 0,
            chunk: 1,
            ..Setup::new(version)
        });
        for qos in ALL_QOS {
            let now = pair.now;
            pair.client().publish(now, message("t", "x", qos)).unwrap();
            pair.server().publish(now, message("t", "x", qos)).unwrap();
            pair.client()
                .subscribe(&[Subscription::new("a", qos)], Properties::new())
                .unwrap();
            pair.drive();
        }
        assert_eq!(payloads(&pair.server.seen).len(), 3);
        assert_eq!(payloads(&pair.client.seen).len(), 3);
        assert_eq!(pair.client().session().in_flight(), 0);
        assert_eq!(pair.server().session().in_flight(), 0);
    }
}

#[test]
fn replies_keep_to_the_limit_and_their_place() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::new(version));
        let now = pair.now;
        let pings = [0xc0, 0x00].repeat(20);
        assert!(pair.server().receive(now, &mut &pings[..]).is_none());
        pair.server()
            .publish(now, message("t", "x", QoS::AtMostOnce))
            .unwrap();
        for limit in [0, 1, 2, 3, 5, 7] {
            let mut out = Vec::new();
            let given = pair.server().poll_transmit(now, &mut out, limit);
            assert_eq!(given, (limit & !1).max(2), "{limit}");
        }
        let mut out = Vec::new();
        pair.server().poll_transmit(now, &mut out, usize::MAX);
        let types = types(version, &out);
        let (last, pingresps) = types.split_last().unwrap();
        assert_eq!(*last, PacketType::Publish);
        assert!(pingresps.iter().all(|one| *one == PacketType::Pingresp));
        assert_eq!(pingresps.len(), 20 - 9);
    }
    // No message before CONNACK, however little is asked for.
    let mut setup = Setup {
        accept: false,
        limit: 0,
        ..Setup::new(Version::V5)
    };
    setup.connect.push(Property::AuthenticationMethod("M"));
    let mut pair = Pair::new(setup);
    pair.connect();
    pair.drive();
    let now = pair.now;
    let method = [Property::AuthenticationMethod("M")];
    let server = pair.server();
    let auth = Auth::new(ReasonCode::ContinueAuthentication, &method);
    server.auth(now, &auth).unwrap();
    // A client that answers before it is asked.
    let mut answer = Vec::new();
    Packet::from(auth).encode(Version::V5, &mut answer).unwrap();
    assert!(server.receive(now, &mut &answer[..]).is_some());
    let long = [method[0], Property::UserProperty("a long", "property")];
    let connack = Connack {
        properties: (&long[..]).into(),
        ..Connack::new(ReasonCode::Success)
    };
    server.accept(now, None, &connack).unwrap();
    server
        .publish(now, message("t", "x", QoS::AtMostOnce))
        .unwrap();
    let mut out = Vec::new();
    // AUTH and the message would fit, CONNACK between them does not.
    while server.poll_transmit(now, &mut out, 20) > 0 {}
    assert_eq!(
        types(Version::V5, &out),
        [PacketType::Auth, PacketType::Connack, PacketType::Publish]
    );
}

/// The size that a stranger is held to ends with the opening.
#[test]
fn an_accepted_client_may_send_larger_packets() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup {
            server: Options::new().with_maximum_connect_size(100),
            ..Setup::new(version)
        });
        let now = pair.now;
        let large = "x".repeat(200);
        pair.client()
            .publish(now, message("t", &large, QoS::AtMostOnce))
            .unwrap();
        pair.drive();
        assert_eq!(payloads(&pair.server.seen), [large]);
    }
}

/// A caller that publishes and never receives does not pile up what was dropped.
#[test]
fn what_was_dropped_and_not_told_is_bounded() {
    let mut pair = Pair::connected(Setup {
        client: Options::new().with_maximum_kept_messages(10),
        ..Setup::new(Version::V5)
    });
    let now = pair.now;
    let later = now + std::time::Duration::from_secs(2);
    let mut taken = 0;
    for _ in 0..100 {
        let expiring = message("t", "x", QoS::AtMostOnce).with_message_expiry_interval(Some(1));
        taken += usize::from(pair.client().publish(now, expiring).is_ok());
        pair.client().poll_transmit(later, &mut Vec::new(), 1000);
    }
    assert_eq!(taken, 10);
}

/// A QoS 2 message that comes again after a reconnect counts like any other until PUBREL.
#[test]
fn repeated_messages_count_against_the_receive_maximum() {
    let mut pair = Pair::connected(Setup {
        client: Options::new().with_receive_maximum(2),
        ..Setup::persistent(Version::V5)
    });
    let now = pair.now;
    for text in ["1", "2"] {
        pair.server()
            .publish(now, message("t", text, QoS::ExactlyOnce))
            .unwrap();
    }
    pair.to_server.budget = Some(0);
    pair.drive();
    assert_eq!(payloads(&pair.client.seen), ["1", "2"]);
    pair.cut();
    pair.clear();
    pair.connect();
    pair.server.connection = None;
    pair.drive();
    pair.inject_to_client(&[0x20, 3, 1, 0, 0]);
    for id in [1, 2, 3] {
        pair.inject_to_client(&[0x3c, 6, 0, 1, b't', 0, id, 0]);
    }
    pair.drive();
    match pair.client.closed.unwrap().cause {
        CloseCause::Violation(error) => {
            assert_eq!(error.violation(), Violation::ReceiveMaximumExceeded);
        }
        cause => panic!("{cause:?}"),
    }
}
