//! What is answered, what is left out of an answer, and what has none.

#[path = "support/pair.rs"]
mod pair;

use std::time::Duration;

use pair::*;
use sansio_mqtt::*;

fn encoded<'a>(version: Version, packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.into().encode(version, &mut out).unwrap();
    out
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn publish(version: Version, qos: QoS, packet_id: u16, dup: bool) -> Vec<u8> {
    let publish = Publish {
        qos,
        dup,
        packet_id: Some(id(packet_id)),
        ..Publish::new("t", b"x")
    };
    encoded(version, publish)
}

/// What stands behind a refused CONNECT has no effect (5.0: MQTT-3.1.4-6; 3.1.1: MQTT-3.1.4-5).
#[test]
fn a_refused_client_is_not_heard() {
    for version in VERSIONS {
        let now = Instant::ZERO;
        let mut server = ServerConnection::new(now, Options::new());
        let mut bytes = encoded(version, Connect::new(version, "c"));
        bytes.extend(publish(version, QoS::AtLeastOnce, 1, false));
        bytes.extend([0xc0, 0x00]);
        let mut input = &bytes[..];
        assert!(matches!(
            server.receive(now, &mut input),
            Some(ServerEvent::Connect(_))
        ));
        server
            .refuse(now, &Connack::new(ReasonCode::NotAuthorized))
            .unwrap();
        assert!(server.receive(now, &mut input).is_none());
        assert!(input.is_empty());
        let mut out = Vec::new();
        server.poll_transmit(now, &mut out, usize::MAX);
        assert_eq!(types(version, &out), [PacketType::Connack]);
        assert_eq!(
            server.closed().unwrap().cause,
            CloseCause::Refused(ReasonCode::NotAuthorized)
        );
    }
}

/// CONNACK says whether a session was given (5.0: MQTT-3.2.2-3; 3.1.1: MQTT-3.2.2-2, MQTT-3.2.2-3).
#[test]
fn session_present_says_whether_there_is_one() {
    for version in VERSIONS {
        for session in [None, Some(Session::established())] {
            let now = Instant::ZERO;
            let mut server = ServerConnection::new(now, Options::new());
            let connect = Connect {
                clean_start: false,
                ..Connect::new(version, "c")
            };
            let bytes = encoded(version, connect);
            assert!(server.receive(now, &mut &bytes[..]).is_some());
            let present = u8::from(session.is_some());
            server
                .accept(now, session, &Connack::new(ReasonCode::Success))
                .unwrap();
            let mut out = Vec::new();
            server.poll_transmit(now, &mut out, usize::MAX);
            assert_eq!(out[2..4], [present, 0], "{version}");
        }
    }
}

/// Response Information is for those who ask for it (5.0: MQTT-3.1.2-28).
#[test]
fn response_information_is_sent_on_request_only() {
    let information = [Property::ResponseInformation("replies/")];
    let connack = Connack {
        properties: Properties::from(&information),
        ..Connack::new(ReasonCode::Success)
    };
    for (asked, allowed) in [(None, false), (Some(false), false), (Some(true), true)] {
        let request: Vec<_> = asked
            .map(Property::RequestResponseInformation)
            .into_iter()
            .collect();
        let connect = Connect {
            properties: Properties::from(&request[..]),
            ..Connect::new(Version::V5, "c")
        };
        let now = Instant::ZERO;
        let mut server = ServerConnection::new(now, Options::new());
        let bytes = encoded(Version::V5, connect);
        assert!(server.receive(now, &mut &bytes[..]).is_some());
        let result = server.accept(now, None, &connack);
        let refused = Some(AcceptErrorReason::ResponseInformation);
        assert_eq!(
            result.err().map(|error| error.reason),
            if allowed { None } else { refused },
            "{asked:?}"
        );
        if !allowed {
            // Nothing has happened: the same without it does.
            let plain = Connack::new(ReasonCode::Success);
            server.accept(now, None, &plain).unwrap();
        }
        let mut out = Vec::new();
        server.poll_transmit(now, &mut out, usize::MAX);
        let packet = Packet::decode(Version::V5, &DecodeOptions::new(), &mut &out[..]);
        let Ok(Some(Packet::Connack(sent))) = packet else {
            panic!("{packet:?}");
        };
        let expected = allowed.then_some("replies/");
        assert_eq!(sent.properties.response_information(), expected);
    }
}

/// The Reason String goes first, then the User Properties, then the packet is as small as it can be (5.0: MQTT-3.2.2-19
/// and -20, MQTT-3.11.2-1 and -2, MQTT-3.14.2-3 and -4, MQTT-3.15.2-2 and -3).
#[test]
fn a_reason_string_yields_in_every_packet() {
    let long = "why ".repeat(10);
    let method = Property::AuthenticationMethod("M");
    let list = [
        method,
        Property::ReasonString(&long),
        Property::UserProperty("key", &long),
    ];
    // So many of reason and user property are left; the smallest still takes CONNECT.
    for (maximum, left) in [(200, 2), (60, 1), (30, 0)] {
        for packet in [
            PacketType::Connack,
            PacketType::Unsuback,
            PacketType::Disconnect,
            PacketType::Auth,
        ] {
            for from_client in [false, true] {
                if from_client && matches!(packet, PacketType::Connack | PacketType::Unsuback) {
                    continue;
                }
                let small = Options::new().with_maximum_packet_size(maximum);
                let large = Options::new().with_receive_maximum(u16::MAX);
                let (client, server) = match from_client {
                    true => (large, small),
                    false => (small, large),
                };
                let mut pair = Pair::new(Setup {
                    client,
                    server,
                    connect: vec![method],
                    accept: false,
                    answer: false,
                    ..Setup::new(Version::V5)
                });
                pair.connect();
                pair.drive();
                let now = pair.now;
                let connack = Connack {
                    properties: Properties::from(
                        &list[..match packet {
                            PacketType::Connack => 3,
                            _ => 1,
                        }],
                    ),
                    ..Connack::new(ReasonCode::Success)
                };
                pair.server().accept(now, None, &connack).unwrap();
                pair.drive();
                assert!(pair.client().is_connected());
                if packet != PacketType::Connack {
                    pair.clear();
                }
                let auth = Auth::new(ReasonCode::ReAuthenticate, &list);
                match packet {
                    PacketType::Unsuback => {
                        pair.client()
                            .unsubscribe(&["a"], Properties::new())
                            .unwrap();
                        pair.drive();
                        let (token, _) = pair.server.requests.pop().unwrap();
                        pair.server()
                            .unsuback(token, &[ReasonCode::Success], Properties::from(&list[1..]))
                            .unwrap();
                    }
                    PacketType::Disconnect => {
                        let disconnect = Disconnect {
                            properties: Properties::from(&list[1..]),
                            ..Disconnect::new(ReasonCode::QuotaExceeded)
                        };
                        match from_client {
                            true => pair.client().disconnect(now, &disconnect).unwrap(),
                            false => pair.server().disconnect(now, &disconnect).unwrap(),
                        }
                    }
                    PacketType::Auth if from_client => pair.client().auth(now, &auth).unwrap(),
                    PacketType::Auth => {
                        let again = Auth::new(ReasonCode::ReAuthenticate, &list[..1]);
                        pair.client().auth(now, &again).unwrap();
                        pair.drive();
                        let auth = Auth::new(ReasonCode::ContinueAuthentication, &list);
                        pair.server().auth(now, &auth).unwrap();
                    }
                    _ => {}
                }
                pair.drive();
                let what = format!("{packet} from client {from_client} in {maximum}");
                let sent = match from_client {
                    true => &pair.to_server.sent[..],
                    false => &pair.to_client.sent,
                };
                assert!(sent.len() <= maximum as usize, "{what}");
                assert_eq!(types(Version::V5, sent), [packet], "{what}");
                let seen = Packet::decode(Version::V5, &DecodeOptions::new(), &mut &sent[..]);
                let properties = match seen.unwrap().unwrap() {
                    Packet::Connack(packet) => packet.properties,
                    Packet::Unsuback(packet) => packet.properties,
                    Packet::Disconnect(packet) => packet.properties,
                    Packet::Auth(packet) => packet.properties,
                    other => panic!("{other}"),
                };
                assert_eq!(properties.reason_string().is_some(), left == 2, "{what}");
                assert_eq!(properties.user_properties().count(), left.min(1), "{what}");
            }
        }
    }
}

/// PUBLISH alone waits for the quota (5.0: MQTT-3.3.4-10, MQTT-4.9.0-3).
#[test]
fn a_server_without_quota_answers_everything_else() {
    let mut pair = Pair::connected(Setup {
        client: Options::new().with_receive_maximum(1),
        ..Setup::new(Version::V5)
    });
    pair.client.connection = None;
    let now = pair.now;
    for text in ["1", "2"] {
        let waiting = message("t", text, QoS::ExactlyOnce);
        pair.server().publish(now, waiting).unwrap();
    }
    pair.drive();
    assert_eq!(pair.types_to_client(), [PacketType::Publish]);
    assert_eq!(pair.server().send_quota(), 0);
    pair.clear();
    for bytes in [
        encoded(Version::V5, Packet::Pingreq),
        encoded(
            Version::V5,
            Subscribe::new(id(1), &[Subscription::new("a", QoS::AtMostOnce)]),
        ),
        encoded(Version::V5, Unsubscribe::new(id(2), &["a"])),
        publish(Version::V5, QoS::AtLeastOnce, 3, false),
        publish(Version::V5, QoS::ExactlyOnce, 4, false),
        encoded(Version::V5, Packet::Pubrel(Ack::new(id(4)))),
        encoded(Version::V5, Packet::Pubrec(Ack::new(id(1)))),
    ] {
        pair.inject_to_server(&bytes);
        pair.drive();
    }
    use PacketType::{Pingresp, Puback, Pubcomp, Pubrec, Pubrel, Suback, Unsuback};
    assert_eq!(
        pair.types_to_client(),
        [Pingresp, Suback, Unsuback, Puback, Pubrec, Pubcomp, Pubrel]
    );
    assert_eq!(pair.server().send_quota(), 0);
}

/// What the server can take says nothing of what it may be asked for (5.0: MQTT-3.2.2-10).
#[test]
fn a_subscription_may_ask_for_any_qos() {
    for maximum in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut pair = Pair::connected(Setup {
            connack: vec![Property::MaximumQos(maximum)],
            answer: false,
            ..Setup::new(Version::V5)
        });
        let asked = [Subscription::new("a", QoS::ExactlyOnce)];
        let handle = pair.client().subscribe(&asked, Properties::new()).unwrap();
        pair.drive();
        let (token, _) = pair.server.requests.pop().unwrap();
        let granted = [ReasonCode::granted(maximum)];
        pair.server()
            .suback(token, &granted, Properties::new())
            .unwrap();
        pair.drive();
        assert_eq!(pair.client.seen, [Seen::Subscribed(handle, granted.into())]);
    }
}

/// 5.0: MQTT-3.11.3-1.
#[test]
fn unsuback_has_its_codes_in_the_order_of_the_filters() {
    let mut pair = Pair::connected(Setup {
        answer: false,
        ..Setup::new(Version::V5)
    });
    let handle = pair
        .client()
        .unsubscribe(&["a", "b", "c"], Properties::new())
        .unwrap();
    pair.drive();
    let (token, filters) = pair.server.requests.pop().unwrap();
    assert_eq!(filters, 3);
    let codes = [
        ReasonCode::NoSubscriptionExisted,
        ReasonCode::Success,
        ReasonCode::NotAuthorized,
    ];
    pair.server()
        .unsuback(token, &codes, Properties::new())
        .unwrap();
    pair.drive();
    assert_eq!(pair.client.seen, [Seen::Unsubscribed(handle, codes.into())]);
}

/// A server may send messages of a subscription before it answers SUBSCRIBE (5.0 and 3.1.1, §3.8.4).
#[test]
fn a_message_may_come_before_suback() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup {
            answer: false,
            ..Setup::new(version)
        });
        let now = pair.now;
        let asked = [Subscription::new("t", QoS::AtLeastOnce)];
        pair.client().subscribe(&asked, Properties::new()).unwrap();
        pair.drive();
        let early = message("t", "x", QoS::AtLeastOnce);
        pair.server().publish(now, early).unwrap();
        pair.drive();
        assert_eq!(payloads(&pair.client.seen), ["x"]);
        let (token, _) = pair.server.requests.pop().unwrap();
        pair.server()
            .suback(token, &[ReasonCode::GrantedQos1], Properties::new())
            .unwrap();
        pair.drive();
        assert!(matches!(
            pair.client.seen.last(),
            Some(Seen::Subscribed(..))
        ));
    }
}

/// MQTT-3.10.4-3 of both versions.
#[test]
fn what_is_in_flight_is_finished_after_unsuback() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut pair = Pair::connected(Setup {
                client: Options::new().with_manual_acknowledgement(true),
                ..Setup::new(version)
            });
            let now = pair.now;
            pair.server().publish(now, message("t", "x", qos)).unwrap();
            pair.drive();
            pair.client()
                .unsubscribe(&["t"], Properties::new())
                .unwrap();
            pair.drive();
            assert!(pair.types_to_client().contains(&PacketType::Unsuback));
            assert_eq!(pair.server().session().in_flight(), 1);
            let token = pair.client.acks.pop().unwrap();
            pair.client()
                .acknowledge(&token, ReasonCode::Success)
                .unwrap();
            pair.drive();
            assert_eq!(pair.server().session().in_flight(), 0);
            assert!(
                pair.server
                    .seen
                    .iter()
                    .any(|seen| matches!(seen, Seen::Published(_, ReasonCode::Success)))
            );
        }
    }
}

/// After PUBACK the identifier stands for a new message, whatever its DUP (5.0: MQTT-4.3.2-5; 3.1.1: MQTT-4.3.2-2).
#[test]
fn a_repeated_qos_1_publish_is_a_new_message() {
    for version in VERSIONS {
        for dup in [false, true] {
            let mut pair = Pair::connected(Setup::new(version));
            pair.client.connection = None;
            for again in [false, dup] {
                pair.inject_to_server(&publish(version, QoS::AtLeastOnce, 7, again));
                pair.drive();
            }
            assert_eq!(payloads(&pair.server.seen), ["x", "x"]);
            assert_eq!(pair.types_to_client(), [PacketType::Puback; 2]);
        }
    }
}

/// PUBREC and PUBCOMP are owed for a message that has expired meanwhile (5.0: MQTT-4.3.3-13).
#[test]
fn an_expired_message_is_acknowledged_to_the_end() {
    let mut pair = Pair::connected(Setup {
        server: Options::new().with_manual_acknowledgement(true),
        ..Setup::new(Version::V5)
    });
    let now = pair.now;
    let short = message("t", "x", QoS::ExactlyOnce).with_message_expiry_interval(Some(1));
    let handle = pair.client().publish(now, short).unwrap();
    pair.drive();
    pair.advance(std::time::Duration::from_secs(100));
    let token = pair.server.acks.pop().unwrap();
    pair.server()
        .acknowledge(&token, ReasonCode::Success)
        .unwrap();
    pair.drive();
    use PacketType::*;
    assert_eq!(pair.types_to_client(), [Pubrec, Pubcomp]);
    assert_eq!(pair.types_to_server(), [Publish, Pubrel]);
    assert_eq!(
        pair.client.seen,
        [Seen::Published(handle, ReasonCode::Success)]
    );
}

/// A failing PUBACK or PUBREC settles the message (5.0: MQTT-4.4.0-2).
#[test]
fn a_refused_message_is_not_sent_again() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut pair = Pair::connected(Setup {
            server: Options::new().with_manual_acknowledgement(true),
            ..Setup::persistent(Version::V5)
        });
        let now = pair.now;
        pair.client().publish(now, message("t", "x", qos)).unwrap();
        pair.drive();
        let token = pair.server.acks.pop().unwrap();
        pair.server()
            .acknowledge(&token, ReasonCode::QuotaExceeded)
            .unwrap();
        pair.drive();
        pair.clear();
        pair.reconnect();
        assert_eq!(pair.types_to_server(), [PacketType::Connect]);
        assert!(pair.client().is_connected());
    }
}

/// MQTT-4.6.0-4 of both versions, for both roles.
#[test]
fn pubrels_leave_in_the_order_of_the_pubrecs() {
    for version in VERSIONS {
        for from_client in [true, false] {
            let mut pair = Pair::connected(Setup::new(version));
            match from_client {
                true => pair.server.connection = None,
                false => pair.client.connection = None,
            }
            let now = pair.now;
            for text in ["1", "2", "3"] {
                let sent = message("t", text, QoS::ExactlyOnce);
                match from_client {
                    true => pair.client().publish(now, sent).unwrap(),
                    false => pair.server().publish(now, sent).unwrap(),
                };
            }
            pair.drive();
            pair.clear();
            let order = [3, 1, 2];
            let pubrecs: Vec<u8> = order
                .into_iter()
                .flat_map(|value| encoded(version, Packet::Pubrec(Ack::new(id(value)))))
                .collect();
            match from_client {
                true => pair.inject_to_client(&pubrecs),
                false => pair.inject_to_server(&pubrecs),
            }
            pair.drive();
            let pubrels: Vec<u8> = order
                .into_iter()
                .flat_map(|value| encoded(version, Packet::Pubrel(Ack::new(id(value)))))
                .collect();
            let sent = match from_client {
                true => &pair.to_server.sent,
                false => &pair.to_client.sent,
            };
            assert_eq!(*sent, pubrels);
        }
    }
}

/// After CONNECT, after the first AUTH or the second (5.0: MQTT-4.12.0-4).
#[test]
fn authentication_can_be_refused_at_any_step() {
    let method = [Property::AuthenticationMethod("M")];
    for steps in 0..3 {
        let mut pair = Pair::new(Setup {
            connect: method.into(),
            accept: false,
            ..Setup::new(Version::V5)
        });
        pair.connect();
        pair.drive();
        let now = pair.now;
        let auth = Auth::new(ReasonCode::ContinueAuthentication, &method);
        for _ in 0..steps {
            pair.server().auth(now, &auth).unwrap();
            pair.drive();
            pair.client().auth(now, &auth).unwrap();
            pair.drive();
        }
        pair.clear();
        let refusal = Connack::new(ReasonCode::BadAuthenticationMethod);
        pair.server().refuse(now, &refusal).unwrap();
        pair.drive();
        assert_eq!(pair.to_client.sent, [0x20, 3, 0, 0x8c, 0]);
        let cause = CloseCause::Refused(ReasonCode::BadAuthenticationMethod);
        assert_eq!(pair.server.closed.unwrap().cause, cause);
        assert_eq!(pair.client.closed.unwrap().cause, cause);
    }
}

/// Every request has an event, whatever ends the connection and whoever drains it.
#[test]
fn a_request_without_an_answer_is_reported() {
    for version in VERSIONS {
        for end in 0..5 {
            for drained in [true, false] {
                let mut pair = Pair::connected(Setup {
                    answer: false,
                    client: Options::new().with_ping_timeout(Duration::from_secs(1)),
                    keep_alive: 10,
                    ..Setup::persistent(version)
                });
                let now = pair.now;
                let filter = [Subscription::new("a", QoS::AtMostOnce)];
                let client = pair.client();
                let answered = client.subscribe(&filter, Properties::new()).unwrap();
                let mut open = vec![client.unsubscribe(&["b"], Properties::new()).unwrap()];
                let kept = client.publish(now, message("t", "x", QoS::ExactlyOnce));
                open.push(client.subscribe(&filter, Properties::new()).unwrap());
                pair.to_client.budget = Some(0);
                pair.drive();
                let (token, _) = pair.server.requests.remove(0);
                pair.server()
                    .suback(token, &[ReasonCode::Success], Properties::new())
                    .unwrap();
                pair.to_client.budget = None;
                pair.drive();
                let codes = vec![ReasonCode::Success];
                assert_eq!(pair.client.seen, [Seen::Subscribed(answered, codes)]);
                pair.clear();
                let client = pair.client();
                let cause = match end {
                    0 => {
                        client.receive_eof(now);
                        CloseCause::Eof
                    }
                    1 => {
                        let disconnect = Disconnect::new(ReasonCode::Success);
                        client.disconnect(now, &disconnect).unwrap();
                        CloseCause::Disconnected(ReasonCode::Success)
                    }
                    2 => {
                        let now = now + Duration::from_secs(20);
                        client.handle_timeout(now);
                        client.handle_timeout(now + Duration::from_secs(2));
                        CloseCause::PingTimeout
                    }
                    // A reserved type, which is found in `receive`; and not closed at all.
                    _ => CloseCause::Eof,
                };
                if end < 3 {
                    assert_eq!(client.closed().unwrap().cause, cause);
                }
                let take = |client: &mut ClientConnection, mut input: &[u8]| {
                    let mut seen = Vec::new();
                    while let Some(event) = client.receive(now, &mut input) {
                        match event {
                            ClientEvent::Unanswered(handle) => seen.push(handle),
                            other => panic!("{other:?}"),
                        }
                    }
                    seen
                };
                let mut left = open.clone();
                if drained && end != 4 {
                    let input: &[u8] = if end == 3 { &[0x00, 0x00] } else { &[] };
                    assert_eq!(take(client, input), open, "{version} {end}");
                    assert!(client.closed().is_some());
                    left.clear();
                }
                let session = pair.client.connection.take().unwrap().into_session();
                assert_eq!(session.in_flight(), 1, "{kept:?}");
                let connect = Connect {
                    clean_start: false,
                    ..Connect::new(version, "client")
                };
                let mut client =
                    ClientConnection::new(now, &connect, session, Options::new()).unwrap();
                assert_eq!(take(&mut client, &[]), left, "{version} {end} {drained}");
            }
        }
    }
}
