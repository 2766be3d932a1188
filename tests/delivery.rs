//! Messages and requests on one connection: every QoS, both directions, both versions.

#[path = "support/pair.rs"]
mod pair;

use std::time::Duration;

use pair::*;
use sansio_mqtt::*;

fn client_publishes(pair: &mut Pair, message: Message) -> PublishHandle {
    let now = pair.now;
    pair.client().publish(now, message).unwrap()
}

fn server_publishes(pair: &mut Pair, message: Message) -> PublishHandle {
    let now = pair.now;
    pair.server().publish(now, message).unwrap()
}

#[test]
fn every_qos_in_both_directions_and_versions() {
    use PacketType::*;
    for version in VERSIONS {
        for (qos, there, back) in [
            (QoS::AtMostOnce, &[Publish][..], &[][..]),
            (QoS::AtLeastOnce, &[Publish], &[Puback]),
            (QoS::ExactlyOnce, &[Publish, Pubrel], &[Pubrec, Pubcomp]),
        ] {
            let mut pair = Pair::connected(Setup::new(version));
            let sent = message("a/b", "hello", qos).with_retain(true);
            let handle = client_publishes(&mut pair, sent.clone());
            pair.drive();
            let seen = Seen::Publish {
                message: sent.clone(),
                dup: false,
                alias: None,
                ids: vec![],
            };
            assert_eq!(pair.server.seen, std::slice::from_ref(&seen));
            assert_eq!(pair.types_to_server(), there);
            assert_eq!(pair.types_to_client(), back);
            let settled = Seen::Published(handle, ReasonCode::Success);
            let settled = if qos == QoS::AtMostOnce {
                vec![]
            } else {
                vec![settled]
            };
            assert_eq!(pair.client.seen, settled);
            assert_eq!(pair.client().session().in_flight(), 0);

            let mut pair = Pair::connected(Setup::new(version));
            server_publishes(&mut pair, sent);
            pair.drive();
            assert_eq!(pair.client.seen, [seen]);
            assert_eq!(pair.types_to_client(), there);
            assert_eq!(pair.types_to_server(), back);
            assert_eq!(pair.server.seen.len(), settled.len());
            assert_eq!(pair.server().session().in_flight(), 0);
        }
    }
}

#[test]
fn messages_of_every_qos_keep_their_order() {
    for version in VERSIONS {
        for limit in [1, 50, usize::MAX] {
            let mut pair = Pair::connected(Setup {
                limit,
                chunk: 7,
                ..Setup::new(version)
            });
            let expected: Vec<String> = (0..300).map(|n| n.to_string()).collect();
            for (n, text) in expected.iter().enumerate() {
                client_publishes(&mut pair, message("t", text, ALL_QOS[n % 3]));
                server_publishes(&mut pair, message("t", text, ALL_QOS[(n + 1) % 3]));
            }
            pair.drive();
            assert_eq!(payloads(&pair.server.seen), expected);
            assert_eq!(payloads(&pair.client.seen), expected);
        }
    }
}

#[test]
fn properties_arrive_in_5_0_and_stay_away_from_3_1_1() {
    let properties = [
        Property::PayloadFormatIndicator(true),
        Property::ContentType("text/plain"),
        Property::ResponseTopic("answer/here"),
        Property::CorrelationData(b"\x00\x01"),
        Property::UserProperty("k", "1"),
        Property::UserProperty("k", "2"),
    ];
    let full = message("t", "x", QoS::AtLeastOnce)
        .with_properties(Properties::from(&properties[..]))
        .unwrap()
        .with_message_expiry_interval(Some(100));
    let mut pair = Pair::connected(Setup::new(Version::V5));
    client_publishes(&mut pair, full.clone());
    let tagged = full
        .clone()
        .with_subscription_identifiers(&[1, 268_435_455])
        .unwrap();
    server_publishes(&mut pair, tagged.clone());
    let now = pair.now;
    let error = pair.client().publish(now, tagged.clone()).unwrap_err();
    assert_eq!(error.reason, PublishErrorReason::SubscriptionIdentifiers);
    pair.drive();
    let mut seen = Seen::Publish {
        message: full.clone(),
        dup: false,
        alias: None,
        ids: vec![],
    };
    assert_eq!(pair.server.seen[0], seen);
    if let Seen::Publish { ids, .. } = &mut seen {
        *ids = vec![1, 268_435_455];
    }
    assert!(pair.client.seen.contains(&seen));

    let mut pair = Pair::connected(Setup::new(Version::V311));
    let now = pair.now;
    let error = pair.client().publish(now, full.clone()).unwrap_err();
    assert_eq!(
        (error.reason, error.message),
        (PublishErrorReason::NeedsV5, full)
    );
    // A server that forwards leaves out what 3.1.1 has no place for.
    server_publishes(&mut pair, tagged);
    pair.drive();
    let plain = message("t", "x", QoS::AtLeastOnce);
    let seen = Seen::Publish {
        message: plain,
        dup: false,
        alias: None,
        ids: vec![],
    };
    assert_eq!(pair.client.seen, [seen]);
}

#[test]
fn requests_are_answered_by_handle() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::new(version));
        let first = pair
            .client()
            .subscribe(
                &[
                    Subscription::new("a/+", QoS::ExactlyOnce),
                    Subscription::new("b/#", QoS::AtMostOnce),
                ],
                Properties::new(),
            )
            .unwrap();
        let second = pair
            .client()
            .unsubscribe(&["a/+", "c"], Properties::new())
            .unwrap();
        assert_ne!(first, second);
        assert_eq!(pair.client().session().in_flight(), 2);
        pair.drive();
        let success = match version {
            Version::V5 => vec![ReasonCode::Success; 2],
            _ => vec![],
        };
        assert_eq!(
            pair.client.seen,
            [
                Seen::Subscribed(
                    first,
                    vec![ReasonCode::GrantedQos2, ReasonCode::GRANTED_QOS_0]
                ),
                Seen::Unsubscribed(second, success),
            ]
        );
        assert_eq!(pair.client().session().in_flight(), 0);
        let options = SubscriptionOptions::new;
        assert_eq!(
            pair.server.seen,
            [
                Seen::Subscribe(vec![
                    ("a/+".into(), options(QoS::ExactlyOnce)),
                    ("b/#".into(), options(QoS::AtMostOnce)),
                ]),
                Seen::Unsubscribe(vec!["a/+".into(), "c".into()]),
            ]
        );
    }
}

#[test]
fn an_answer_has_one_code_for_each_filter() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup {
            answer: false,
            ..Setup::new(version)
        });
        let handle = pair
            .client()
            .subscribe(
                &[
                    Subscription::new("a", QoS::AtLeastOnce),
                    Subscription::new("b", QoS::AtLeastOnce),
                ],
                Properties::new(),
            )
            .unwrap();
        pair.drive();
        let (token, _) = pair.server.requests.pop().unwrap();
        let one = [ReasonCode::Success];
        let error = pair
            .server()
            .suback(token, &one, Properties::new())
            .unwrap_err();
        assert_eq!(
            error.reason,
            ReplyErrorReason::Count {
                given: 1,
                filters: 2
            }
        );
        let error =
            pair.server()
                .unsuback(error.token, &[ReasonCode::Success; 2], Properties::new());
        let error = error.unwrap_err();
        assert_eq!(error.reason, ReplyErrorReason::StaleToken);
        let bad = [ReasonCode::Success, ReasonCode::Banned];
        let mut token = error.token;
        if version == Version::V5 {
            let error = pair
                .server()
                .suback(token, &bad, Properties::new())
                .unwrap_err();
            assert!(matches!(
                error.reason,
                ReplyErrorReason::Request(RequestError::Encode(_))
            ));
            token = error.token;
        }
        // 3.1.1 has one failure code.
        let codes = [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized];
        pair.server()
            .suback(token, &codes, Properties::new())
            .unwrap();
        pair.drive();
        let refused = match version {
            Version::V311 => ReasonCode::UnspecifiedError,
            _ => ReasonCode::NotAuthorized,
        };
        assert_eq!(
            pair.client.seen,
            [Seen::Subscribed(
                handle,
                vec![ReasonCode::GrantedQos1, refused]
            )]
        );
    }
    // The client holds the server to it.
    for bytes in [&[0x90, 4, 0, 1, 0, 0][..], &[0x90, 6, 0, 1, 0, 0, 0, 0]] {
        let mut pair = Pair::connected(Setup {
            answer: false,
            ..Setup::new(Version::V5)
        });
        let two = [
            Subscription::new("a", QoS::AtMostOnce),
            Subscription::new("b", QoS::AtMostOnce),
        ];
        pair.client().subscribe(&two, Properties::new()).unwrap();
        pair.drive();
        pair.inject_to_client(bytes);
        pair.drive();
        match pair.client.closed.unwrap().cause {
            CloseCause::Violation(error) => {
                assert_eq!(error.violation(), Violation::ReasonCodeCount);
            }
            cause => panic!("{cause:?}"),
        }
    }
}

#[test]
fn what_the_caller_gets_wrong_costs_nothing() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::new(version));
        let client = pair.client();
        for filter in ["", "a/#/b", "a+", "a\0"] {
            let asked = [Subscription::new(filter, QoS::AtMostOnce)];
            assert!(matches!(
                client.subscribe(&asked, Properties::new()),
                Err(RequestError::Encode(EncodeError::Violation(_)))
            ));
            assert!(client.unsubscribe(&[filter], Properties::new()).is_err());
        }
        assert!(client.subscribe(&[], Properties::new()).is_err());
        let user = [Property::UserProperty("a", "b")];
        let with = client.unsubscribe(&["a"], Properties::from(&user[..]));
        assert_eq!(with.is_ok(), version == Version::V5);
        let no_local = Subscription {
            options: SubscriptionOptions {
                no_local: true,
                ..Default::default()
            },
            ..Subscription::new("a", QoS::AtMostOnce)
        };
        let result = client.subscribe(&[no_local], Properties::new());
        assert_eq!(result.is_ok(), version == Version::V5);
        if version == Version::V311 {
            assert_eq!(result, Err(RequestError::Encode(EncodeError::NeedsV5)));
            assert_eq!(client.session().in_flight(), 0);
        }
        pair.drive();
        assert!(pair.client().is_connected());
    }
    // What the server declared is not available is not asked for, and not taken from others.
    for (property, filter, code, violation) in [
        (
            Property::WildcardSubscriptionAvailable(false),
            "a/+",
            ReasonCode::WildcardSubscriptionsNotSupported,
            Violation::WildcardNotSupported,
        ),
        (
            Property::SharedSubscriptionAvailable(false),
            "$share/g/a",
            ReasonCode::SharedSubscriptionsNotSupported,
            Violation::SharedNotSupported,
        ),
    ] {
        let setup = Setup {
            connack: vec![property],
            ..Setup::new(Version::V5)
        };
        let mut pair = Pair::connected(setup);
        let asked = [Subscription::new(filter, QoS::AtMostOnce)];
        assert_eq!(
            pair.client().subscribe(&asked, Properties::new()),
            Err(RequestError::NotSupported(code))
        );
        let mut bytes = Vec::new();
        Packet::from(Subscribe::new(PacketId::new(1).unwrap(), &asked))
            .encode(Version::V5, &mut bytes)
            .unwrap();
        pair.inject_to_server(&bytes);
        pair.drive();
        assert_eq!(pair.client.seen, [Seen::Disconnect(code)]);
        assert!(matches!(
            pair.server.closed.unwrap().cause,
            CloseCause::Violation(error) if error.violation() == violation
        ));
    }
}

#[test]
fn manual_acknowledgements_leave_in_the_order_of_arrival() {
    // Every order of five acknowledgements.
    fn permutations(items: Vec<usize>) -> Vec<Vec<usize>> {
        let Some((&first, rest)) = items.split_first() else {
            return vec![vec![]];
        };
        let mut all = Vec::new();
        for shorter in permutations(rest.to_vec()) {
            for place in 0..=shorter.len() {
                let mut one = shorter.clone();
                one.insert(place, first);
                all.push(one);
            }
        }
        all
    }
    for version in VERSIONS {
        for order in permutations((0..5).collect()) {
            let setup = Setup {
                server: Options::new().with_manual_acknowledgement(true),
                ..Setup::new(version)
            };
            let mut pair = Pair::connected(setup);
            for n in 0..5 {
                let qos = if n % 2 == 0 {
                    QoS::AtLeastOnce
                } else {
                    QoS::ExactlyOnce
                };
                client_publishes(&mut pair, message("t", &n.to_string(), qos));
            }
            pair.drive();
            assert_eq!(pair.types_to_client(), []);
            let tokens = std::mem::take(&mut pair.server.acks);
            for &n in &order {
                pair.server()
                    .acknowledge(&tokens[n], ReasonCode::Success)
                    .unwrap();
                let again = pair.server().acknowledge(&tokens[n], ReasonCode::Success);
                assert_eq!(again, Err(AcknowledgeError::StaleToken));
                pair.drive();
            }
            let acks: Vec<_> = pair
                .types_to_client()
                .into_iter()
                .filter(|&packet| packet != PacketType::Pubcomp)
                .collect();
            use PacketType::*;
            assert_eq!(acks, [Puback, Pubrec, Puback, Pubrec, Puback], "{order:?}");
            assert_eq!(pair.client.seen.len(), 5);
            assert_eq!(pair.client().session().in_flight(), 0);
        }
    }
}

#[test]
fn a_message_can_be_refused_in_5_0() {
    for (qos, answer) in [
        (QoS::AtLeastOnce, PacketType::Puback),
        (QoS::ExactlyOnce, PacketType::Pubrec),
    ] {
        let setup = Setup {
            server: Options::new().with_manual_acknowledgement(true),
            ..Setup::new(Version::V5)
        };
        let mut pair = Pair::connected(setup);
        let handle = client_publishes(&mut pair, message("t", "x", qos));
        pair.drive();
        let token = pair.server.acks.pop().unwrap();
        let wrong = pair.server().acknowledge(&token, ReasonCode::ServerBusy);
        assert_eq!(
            wrong,
            Err(AcknowledgeError::ReasonCode(ReasonCode::ServerBusy))
        );
        pair.server()
            .acknowledge(&token, ReasonCode::QuotaExceeded)
            .unwrap();
        pair.drive();
        assert_eq!(pair.types_to_client(), [answer]);
        assert_eq!(
            pair.client.seen,
            [Seen::Published(handle, ReasonCode::QuotaExceeded)]
        );
        assert_eq!(pair.client().send_quota(), 1024);
        // The identifier is free on both sides (MQTT-4.3.3-9).
        pair.client.seen.clear();
        client_publishes(&mut pair, message("t", "y", qos));
        pair.drive();
        assert_eq!(payloads(&pair.server.seen), ["x", "y"]);
    }
    let setup = Setup {
        server: Options::new().with_manual_acknowledgement(true),
        ..Setup::new(Version::V311)
    };
    let mut pair = Pair::connected(setup);
    client_publishes(&mut pair, message("t", "x", QoS::AtLeastOnce));
    pair.drive();
    let token = pair.server.acks.pop().unwrap();
    let refused = pair.server().acknowledge(&token, ReasonCode::NotAuthorized);
    assert_eq!(
        refused,
        Err(AcknowledgeError::ReasonCode(ReasonCode::NotAuthorized))
    );
    pair.server()
        .acknowledge(&token, ReasonCode::Success)
        .unwrap();
}

#[test]
fn a_token_of_an_earlier_connection_is_refused() {
    for version in VERSIONS {
        let setup = Setup {
            client: Options::new().with_manual_acknowledgement(true),
            ..Setup::persistent(version)
        };
        let mut pair = Pair::connected(setup);
        server_publishes(&mut pair, message("t", "old", QoS::AtLeastOnce));
        pair.drive();
        let stale = pair.client.acks.pop().unwrap();
        pair.reconnect();
        // Delivered again, under the same identifier and in the same place.
        assert_eq!(payloads(&pair.client.seen), ["old", "old"]);
        let fresh = pair.client.acks.pop().unwrap();
        let refused = pair.client().acknowledge(&stale, ReasonCode::Success);
        assert_eq!(refused, Err(AcknowledgeError::StaleToken));
        pair.clear();
        pair.drive();
        assert_eq!(pair.types_to_server(), []);
        pair.client()
            .acknowledge(&fresh, ReasonCode::Success)
            .unwrap();
        pair.drive();
        assert_eq!(pair.types_to_server(), [PacketType::Puback]);
    }
}

/// The same QoS 2 identifier again and again before PUBREL: an answer for each, one delivery.
#[test]
fn a_repeated_qos_2_publish_is_delivered_once() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::new(version));
        pair.client.connection = None;
        let mut publish = Vec::new();
        Packet::from(Publish {
            qos: QoS::ExactlyOnce,
            packet_id: PacketId::new(5),
            ..Publish::new("t", b"x")
        })
        .encode(version, &mut publish)
        .unwrap();
        for _ in 0..50 {
            pair.inject_to_server(&publish);
            publish[0] |= 0x08; // DUP
        }
        pair.drive();
        assert_eq!(payloads(&pair.server.seen), ["x"]);
        assert_eq!(pair.types_to_client(), [PacketType::Pubrec; 50]);
        let mut pubrel = Vec::new();
        Packet::Pubrel(Ack::new(PacketId::new(5).unwrap()))
            .encode(version, &mut pubrel)
            .unwrap();
        pair.inject_to_server(&pubrel);
        pair.inject_to_server(&publish);
        pair.drive();
        // MQTT-4.3.3-12 of 5.0: a new message whatever its DUP flag.
        assert_eq!(payloads(&pair.server.seen), ["x", "x"]);
    }
}

/// A repeated PUBLISH is answered behind a message that the application still holds; when PUBREL
/// comes first, that answer must not reach the next message under the identifier.
#[test]
fn a_late_pubrec_does_not_answer_the_next_message() {
    let setup = Setup {
        server: Options::new().with_manual_acknowledgement(true),
        ..Setup::new(Version::V311)
    };
    let mut pair = Pair::connected(setup);
    pair.client.connection = None;
    let publish = |qos, id, payload| {
        Packet::from(Publish {
            qos,
            packet_id: PacketId::new(id),
            ..Publish::new("t", payload)
        })
    };
    let send = |pair: &mut Pair, packet: Packet<'_>| {
        let mut bytes = Vec::new();
        packet.encode(Version::V311, &mut bytes).unwrap();
        pair.inject_to_server(&bytes);
        pair.drive();
    };
    send(&mut pair, publish(QoS::ExactlyOnce, 7, b"first"));
    let token = pair.server.acks.remove(0);
    pair.server()
        .acknowledge(&token, ReasonCode::Success)
        .unwrap();
    send(&mut pair, publish(QoS::AtLeastOnce, 8, b"held"));
    send(&mut pair, publish(QoS::ExactlyOnce, 7, b"first"));
    send(
        &mut pair,
        Packet::Pubrel(Ack::new(PacketId::new(7).unwrap())),
    );
    send(&mut pair, publish(QoS::ExactlyOnce, 7, b"second"));
    assert_eq!(payloads(&pair.server.seen), ["first", "held", "second"]);
    for token in std::mem::take(&mut pair.server.acks) {
        pair.server()
            .acknowledge(&token, ReasonCode::Success)
            .unwrap();
    }
    pair.drive();
    use PacketType::{Puback, Pubcomp, Pubrec};
    assert_eq!(pair.types_to_client(), [Pubrec, Pubcomp, Puback, Pubrec]);
}

/// An identifier that is open for a QoS 2 message is not for a QoS 1 message, nor the other way
/// round: it could never be acknowledged.
#[test]
fn an_identifier_in_use_is_not_for_another_message() {
    for version in VERSIONS {
        for (first, second) in [
            (QoS::ExactlyOnce, QoS::AtLeastOnce),
            (QoS::AtLeastOnce, QoS::ExactlyOnce),
        ] {
            for acknowledged in [false, true] {
                let setup = Setup {
                    server: Options::new().with_manual_acknowledgement(true),
                    ..Setup::new(version)
                };
                let mut pair = Pair::connected(setup);
                pair.client.connection = None;
                let send = |pair: &mut Pair, qos| {
                    let mut bytes = Vec::new();
                    Packet::from(Publish {
                        qos,
                        packet_id: PacketId::new(3),
                        ..Publish::new("t", b"x")
                    })
                    .encode(version, &mut bytes)
                    .unwrap();
                    pair.inject_to_server(&bytes);
                    pair.drive();
                };
                send(&mut pair, first);
                if acknowledged {
                    let token = pair.server.acks.remove(0);
                    pair.server()
                        .acknowledge(&token, ReasonCode::Success)
                        .unwrap();
                }
                send(&mut pair, second);
                // PUBACK alone has freed it.
                let free = acknowledged && first == QoS::AtLeastOnce;
                assert_eq!(
                    pair.server.closed.is_none(),
                    free,
                    "{version} {first} {second}"
                );
                assert_eq!(payloads(&pair.server.seen).len(), 1 + usize::from(free));
            }
        }
    }
}

#[test]
fn acknowledgements_of_nothing_change_nothing() {
    let id = PacketId::new(9).unwrap();
    for version in VERSIONS {
        for (packet, answer) in [
            (Packet::Puback(Ack::new(id)), None),
            (Packet::Pubcomp(Ack::new(id)), None),
            (Packet::Pubrec(Ack::new(id)), Some(PacketType::Pubrel)),
            (Packet::Pubrel(Ack::new(id)), Some(PacketType::Pubcomp)),
        ] {
            let mut pair = Pair::connected(Setup::new(version));
            let mut bytes = Vec::new();
            packet.encode(version, &mut bytes).unwrap();
            pair.inject_to_server(&bytes);
            pair.drive();
            assert!(pair.server().is_connected());
            assert_eq!(
                pair.types_to_client(),
                answer.into_iter().collect::<Vec<_>>()
            );
            if answer.is_some() && version == Version::V5 {
                assert_eq!(pair.to_client.sent[4], 0x92);
            }
            assert_eq!(pair.server.seen, []);
        }
    }
}

/// Each of ours in flight, answered with the wrong packet.
#[test]
fn an_acknowledgement_of_the_wrong_kind_ends_the_connection() {
    use PacketType::*;
    for version in VERSIONS {
        for (qos, after_pubrec, wrong) in [
            (QoS::AtLeastOnce, false, Pubrec),
            (QoS::AtLeastOnce, false, Pubcomp),
            (QoS::ExactlyOnce, false, Puback),
            (QoS::ExactlyOnce, false, Pubcomp),
            (QoS::ExactlyOnce, true, Puback),
        ] {
            let mut pair = Pair::connected(Setup::new(version));
            pair.server.connection = None;
            client_publishes(&mut pair, message("t", "x", qos));
            pair.drive();
            let ack = Ack::new(PacketId::new(1).unwrap());
            let mut inject = |packet: Packet<'_>| {
                let mut bytes = Vec::new();
                packet.encode(version, &mut bytes).unwrap();
                pair.inject_to_client(&bytes);
                pair.drive();
            };
            if after_pubrec {
                inject(Packet::Pubrec(ack));
            }
            inject(match wrong {
                Puback => Packet::Puback(ack),
                Pubrec => Packet::Pubrec(ack),
                _ => Packet::Pubcomp(ack),
            });
            match pair.client.closed.unwrap().cause {
                CloseCause::Violation(error) => {
                    assert_eq!(error.violation(), Violation::AckUnexpected);
                    assert_eq!(error.packet_type(), Some(wrong));
                }
                cause => panic!("{cause:?}"),
            }
            assert_eq!(
                pair.client().session().in_flight(),
                1,
                "nothing is settled by it"
            );
        }
    }
}

#[test]
fn expiry_is_counted_down_while_a_message_waits() {
    let mut setup = Setup::new(Version::V5);
    setup.client = Options::new().with_receive_maximum(1);
    let mut pair = Pair::connected(setup);
    // The first takes the whole quota; the client does not answer for a while.
    let held = pair.client.connection.take();
    let expiring =
        |text, seconds| message("t", text, QoS::AtLeastOnce).with_message_expiry_interval(seconds);
    server_publishes(&mut pair, expiring("first", Some(1)));
    pair.drive();
    server_publishes(&mut pair, expiring("short", Some(5)));
    let short = server_publishes(&mut pair, expiring("gone", Some(3)));
    server_publishes(&mut pair, expiring("long", Some(100)));
    server_publishes(&mut pair, expiring("for ever", None));
    pair.advance(Duration::from_millis(3_999));
    pair.client.connection = held;
    pair.drive();
    let left: Vec<_> = pair
        .client
        .seen
        .iter()
        .map(|seen| match seen {
            Seen::Publish { message, .. } => message.message_expiry_interval(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        payloads(&pair.client.seen),
        ["first", "short", "long", "for ever"]
    );
    assert_eq!(left, [Some(1), Some(2), Some(97), None]);
    assert!(
        pair.server
            .seen
            .contains(&Seen::Dropped(short, DropReason::Expired))
    );
}

#[test]
fn aliases_are_set_used_and_replaced() {
    let aliases = |maximum| Options::new().with_topic_alias_maximum(maximum);
    let setup = Setup {
        client: Options::new().with_automatic_topic_aliases(2),
        server: aliases(10),
        ..Setup::new(Version::V5)
    };
    let mut pair = Pair::connected(setup);
    for topic in [
        "long/topic/a",
        "long/topic/b",
        "long/topic/a",
        "long/topic/c",
        "long/topic/b",
    ] {
        client_publishes(&mut pair, message(topic, "x", QoS::AtLeastOnce));
        pair.drive();
    }
    let seen: Vec<_> = pair
        .server
        .seen
        .iter()
        .map(|seen| match seen {
            Seen::Publish { message, alias, .. } => (message.topic().to_owned(), alias.unwrap()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("long/topic/a", 1),
        ("long/topic/b", 2),
        ("long/topic/a", 1),
        ("long/topic/c", 2),
        ("long/topic/b", 1),
    ];
    assert_eq!(
        seen,
        expected.map(|(topic, alias)| (topic.to_owned(), alias))
    );
    // The third carries no topic.
    let texts = pair.packets(&pair.to_server.sent);
    assert!(texts[2].contains("topic=\"\""), "{}", texts[2]);
    // Resent with the whole topic: the aliases died with the connection.
    let setup = Setup {
        client: Options::new().with_automatic_topic_aliases(2),
        server: aliases(10).with_manual_acknowledgement(true),
        ..Setup::persistent(Version::V5)
    };
    let mut pair = Pair::connected(setup);
    for text in ["1", "2"] {
        client_publishes(&mut pair, message("long/topic/a", text, QoS::AtLeastOnce));
    }
    pair.drive();
    pair.clear();
    pair.reconnect();
    assert_eq!(payloads(&pair.server.seen), ["1", "2"]);
    let texts = pair.packets(&pair.to_server.sent);
    assert!(
        texts[1..]
            .iter()
            .all(|text| text.contains("topic=\"long/topic/a\"")),
        "{texts:?}"
    );
    // No more than the peer allows, and none where it allows none.
    let setup = Setup {
        server: Options::new().with_automatic_topic_aliases(9),
        client: aliases(1),
        ..Setup::new(Version::V5)
    };
    let mut pair = Pair::connected(setup);
    for topic in ["a", "b", "a"] {
        server_publishes(&mut pair, message(topic, "x", QoS::AtMostOnce));
    }
    client_publishes(&mut pair, message("a", "x", QoS::AtMostOnce));
    pair.drive();
    for seen in &pair.client.seen {
        assert!(
            matches!(seen, Seen::Publish { alias: Some(1), .. }),
            "{seen:?}"
        );
    }
    assert!(matches!(
        pair.server.seen[0],
        Seen::Publish { alias: None, .. }
    ));
}

/// (MQTT-3.3.2-8 to MQTT-3.3.2-12, MQTT-3.3.2-7.)
#[test]
fn aliases_that_the_application_chose() {
    let setup = Setup {
        client: Options::new().with_automatic_topic_aliases(8),
        server: Options::new().with_topic_alias_maximum(3),
        ..Setup::persistent(Version::V5)
    };
    let mut pair = Pair::new(setup);
    pair.connect();
    assert_eq!(
        pair.client().set_topic_alias("t", 1),
        Err(RequestError::NotOpen)
    );
    pair.drive();
    pair.clear();
    for alias in [0, 4, u16::MAX] {
        let error = RequestError::TopicAlias { alias, maximum: 3 };
        assert_eq!(pair.client().set_topic_alias("t", alias), Err(error));
    }
    let error = RequestError::Topic(TopicError::WildcardInName);
    assert_eq!(pair.client().set_topic_alias("#", 1), Err(error));
    // The server's client takes none.
    let error = RequestError::TopicAlias {
        alias: 1,
        maximum: 0,
    };
    assert_eq!(pair.server().set_topic_alias("t", 1), Err(error));
    pair.client().set_topic_alias("mine", 3).unwrap();
    let now = pair.now;
    // What is sent: the alias, and whether the topic stays out.
    let send = |pair: &mut Pair, topic: &str| {
        pair.clear();
        let handle = pair
            .client()
            .publish(now, message(topic, "x", QoS::ExactlyOnce))
            .unwrap();
        pair.drive();
        let Seen::Publish { message, alias, .. } = &pair.server.seen[0] else {
            panic!("{:?}", pair.server.seen)
        };
        assert_eq!(message.topic(), topic);
        assert_eq!(
            pair.client.seen,
            [Seen::Published(handle, ReasonCode::Success)]
        );
        let sent = &pair.to_server.sent;
        let bare = !sent.windows(topic.len()).any(|w| w == topic.as_bytes());
        (*alias, bare)
    };
    for (topic, alias, bare) in [
        ("mine", 3, false),
        ("mine", 3, true),
        ("auto1", 1, false),
        ("auto2", 2, false),
        ("auto3", 1, false),
        ("auto3", 1, true),
        ("mine", 3, true),
    ] {
        assert_eq!(send(&mut pair, topic), (Some(alias), bare), "{topic}");
    }
    // To another topic, and back.
    pair.client().set_topic_alias("other", 3).unwrap();
    assert_eq!(send(&mut pair, "other"), (Some(3), false));
    assert_eq!(send(&mut pair, "other"), (Some(3), true));
    pair.client().set_topic_alias("mine", 3).unwrap();
    assert_eq!(send(&mut pair, "mine"), (Some(3), false));
    // It dies with the connection.
    pair.cut();
    pair.setup.client = Options::new();
    pair.connect();
    pair.drive();
    assert!(pair.client().is_connected());
    assert_eq!(send(&mut pair, "mine"), (None, false));
}

/// Chosen when the bytes are made: a message that waited goes by what is bound then; and by
/// `publish_into` as by `publish`.
#[test]
fn an_alias_is_chosen_when_the_bytes_are_made() {
    let mut pair = Pair::connected(Setup {
        client: Options::new().with_topic_alias_maximum(1),
        ..Setup::new(Version::V5)
    });
    let now = pair.now;
    let server = pair.server();
    for _ in 0..2 {
        server
            .publish(now, message("topic", "x", QoS::AtMostOnce))
            .unwrap();
    }
    server.set_topic_alias("topic", 1).unwrap();
    let mut out = Vec::new();
    server.poll_transmit(now, &mut out, usize::MAX);
    server
        .publish_into(now, &Publish::new("topic", b"x"), &mut out)
        .unwrap();
    let expected: [&[u8]; 3] = [
        b"\x30\x0c\x00\x05topic\x03\x23\x00\x01x",
        b"\x30\x07\x00\x00\x03\x23\x00\x01x",
        b"\x30\x07\x00\x00\x03\x23\x00\x01x",
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn an_alias_out_of_place_ends_the_connection() {
    for (maximum, alias, topic, code) in [
        (0, 1, "t", ReasonCode::TopicAliasInvalid),
        (5, 6, "t", ReasonCode::TopicAliasInvalid),
        (5, 6, "", ReasonCode::TopicAliasInvalid),
        (5, 5, "", ReasonCode::ProtocolError),
    ] {
        let setup = Setup {
            server: Options::new().with_topic_alias_maximum(maximum),
            ..Setup::new(Version::V5)
        };
        let mut pair = Pair::connected(setup);
        let mut bytes = Vec::new();
        Packet::from(Publish {
            topic_alias: Some(alias),
            ..Publish::new(topic, b"")
        })
        .encode(Version::V5, &mut bytes)
        .unwrap();
        pair.inject_to_server(&bytes);
        pair.drive();
        assert_eq!(pair.client.seen, [Seen::Disconnect(code)]);
    }
}

/// A refused QoS 2 message is over: its identifier and its place are free, and the next message
/// under it is a new one (MQTT-4.3.3-9).
#[test]
fn a_refused_message_leaves_nothing_behind() {
    let mut pair = Pair::connected(Setup {
        server: Options::new()
            .with_manual_acknowledgement(true)
            .with_receive_maximum(1),
        ..Setup::new(Version::V5)
    });
    pair.client.connection = None;
    let mut publish = Vec::new();
    Packet::from(Publish {
        qos: QoS::ExactlyOnce,
        packet_id: PacketId::new(5),
        ..Publish::new("t", b"x")
    })
    .encode(Version::V5, &mut publish)
    .unwrap();
    for n in 1..=3 {
        pair.inject_to_server(&publish);
        pair.drive();
        assert_eq!(payloads(&pair.server.seen).len(), n);
        let token = pair.server.acks.pop().unwrap();
        pair.server()
            .acknowledge(&token, ReasonCode::QuotaExceeded)
            .unwrap();
        pair.drive();
    }
    assert!(pair.server().is_connected());
}

/// What CONNACK declared unavailable is not taken (5.0 §3.2.2.3.4, §3.2.2.3.5).
#[test]
fn a_publish_beyond_what_connack_said_ends_the_connection() {
    for (property, byte, violation) in [
        (
            Property::MaximumQos(QoS::AtMostOnce),
            0x32,
            Violation::QosNotSupported,
        ),
        (
            Property::RetainAvailable(false),
            0x31,
            Violation::RetainNotSupported,
        ),
    ] {
        let mut setup = Setup::new(Version::V5);
        setup.connack.push(property);
        let mut pair = Pair::connected(setup);
        let mut bytes = vec![byte, 0, 0, 1, b't'];
        if byte == 0x32 {
            bytes.extend([0, 1]);
        }
        bytes.push(0);
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
        pair.inject_to_server(&bytes);
        pair.drive();
        match pair.server.closed.unwrap().cause {
            CloseCause::Violation(error) => assert_eq!(error.violation(), violation),
            cause => panic!("{cause:?}"),
        }
        let code = violation.reason_code();
        assert!(pair.client.seen.contains(&Seen::Disconnect(code)));
    }
}

/// What a ping makes the connection give back does not make an old token good again.
#[test]
fn a_token_stays_used_after_a_ping() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup {
            server: Options::new().with_manual_acknowledgement(true),
            keep_alive: 10,
            ..Setup::new(version)
        });
        let publish = |pair: &mut Pair| {
            let now = pair.now;
            pair.client()
                .publish(now, message("t", "x", QoS::AtLeastOnce))
                .unwrap();
            pair.drive();
            pair.server.acks.pop().unwrap()
        };
        let old = publish(&mut pair);
        pair.server()
            .acknowledge(&old, ReasonCode::Success)
            .unwrap();
        pair.drive();
        pair.clear();
        pair.advance(Duration::from_secs(10));
        assert_eq!(pair.types_to_client(), [PacketType::Pingresp]);
        let new = publish(&mut pair);
        assert_eq!(
            pair.server().acknowledge(&old, ReasonCode::Success),
            Err(AcknowledgeError::StaleToken)
        );
        pair.server()
            .acknowledge(&new, ReasonCode::Success)
            .unwrap();
    }
}
