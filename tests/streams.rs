//! Payloads that go in pieces, in and out.

#[path = "support/pair.rs"]
mod pair;

use std::time::Duration;

use pair::{ALL_QOS, Pair, Seen, Setup, VERSIONS, message, payloads, types};
use sansio_mqtt::*;

/// Bytes that tell their place.
fn file(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| b"abcdefghijklmnopqrstuvw"[at % 23])
        .collect()
}

fn setup(version: Version) -> Setup {
    let mut setup = Setup::persistent(version);
    setup.client = setup.client.with_whole_publish_limit(64);
    setup.server = setup.server.with_whole_publish_limit(64);
    setup
}

fn publish(pair: &mut Pair, client: bool, message: Message) -> PublishHandle {
    let now = pair.now;
    if client {
        pair.client().publish(now, message).unwrap()
    } else {
        pair.server().publish(now, message).unwrap()
    }
}

/// A message whose payload the sender supplies.
fn stream(pair: &mut Pair, client: bool, qos: QoS, payload: &[u8]) -> PublishHandle {
    let length = u32::try_from(payload.len()).unwrap();
    let message = Message::with_streamed_payload("stream", length).unwrap();
    let handle = publish(pair, client, message.with_qos(qos));
    let files = if client {
        &mut pair.client.files
    } else {
        &mut pair.server.files
    };
    files.insert(handle, payload.to_vec());
    handle
}

fn seen(pair: &Pair, client: bool) -> &[Seen] {
    if client {
        &pair.client.seen
    } else {
        &pair.server.seen
    }
}

/// What the peer did that ended a connection.
fn broken(closed: Option<Closed>) -> Option<Violation> {
    match closed?.cause {
        CloseCause::Violation(error) => Some(error.violation()),
        _ => None,
    }
}

#[test]
fn every_qos_both_ways_in_every_piece_and_in_order() {
    let large = file(300);
    let large = String::from_utf8(large).unwrap();
    let expected = ["before", &large, "between", &large, "", "after"];
    for version in VERSIONS {
        for qos in ALL_QOS {
            for client in [true, false] {
                for size in (1..=40).chain([100, 308, usize::MAX]) {
                    let mut setup = setup(version);
                    (setup.chunk, setup.piece) = (size, size);
                    let mut pair = Pair::connected(setup);
                    publish(&mut pair, client, message("a", "before", qos));
                    let first = stream(&mut pair, client, qos, large.as_bytes());
                    publish(&mut pair, client, message("a", "between", qos));
                    // One that is here goes out whole and comes in pieces all the same.
                    publish(&mut pair, client, message("stream", &large, qos));
                    stream(&mut pair, client, qos, b"");
                    publish(&mut pair, client, message("a", "after", qos));
                    pair.drive();
                    assert_eq!(
                        payloads(seen(&pair, !client)),
                        expected,
                        "{version} {qos:?}"
                    );
                    let settled: Vec<_> = seen(&pair, client)
                        .iter()
                        .filter(|seen| matches!(seen, Seen::Published(..)))
                        .collect();
                    if qos == QoS::AtMostOnce {
                        assert!(settled.is_empty());
                    } else {
                        assert_eq!(settled.len(), 6);
                        let second = Seen::Published(first, ReasonCode::Success);
                        assert_eq!(settled[1], &second);
                    }
                    assert_eq!(pair.client().session().in_flight(), 0);
                    assert_eq!(pair.server().session().in_flight(), 0);
                }
            }
        }
    }
}

/// Cut at every byte in either direction, then on a link that works.
#[test]
fn a_cut_anywhere_loses_nothing_and_doubles_nothing() {
    let large = String::from_utf8(file(100)).unwrap();
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for client in [true, false] {
                for data in [true, false] {
                    let mut cuts = 0;
                    for budget in 0.. {
                        let mut setup = setup(version);
                        (setup.chunk, setup.piece) = (7, 13);
                        let mut pair = Pair::connected(setup);
                        let to_receiver = data == client;
                        let wire = if to_receiver {
                            &mut pair.to_server
                        } else {
                            &mut pair.to_client
                        };
                        wire.budget = Some(budget);
                        stream(&mut pair, client, qos, large.as_bytes());
                        publish(&mut pair, client, message("a", "small", qos));
                        pair.drive();
                        let wire = if to_receiver {
                            &pair.to_server
                        } else {
                            &pair.to_client
                        };
                        if wire.budget != Some(0) {
                            break;
                        }
                        cuts += 1;
                        pair.reconnect();
                        let context = format!("{version} {qos:?} {client} {data} {budget}");
                        let got = payloads(seen(&pair, !client));
                        let count = |text: &str| got.iter().filter(|one| *one == text).count();
                        assert_eq!(count(&large) + count("small"), got.len(), "{context}");
                        for text in [&large[..], "small"] {
                            if qos == QoS::ExactlyOnce {
                                assert_eq!(count(text), 1, "{context}");
                            } else {
                                assert!(count(text) >= 1, "{context}");
                            }
                        }
                        let settled = seen(&pair, client)
                            .iter()
                            .filter(|seen| matches!(seen, Seen::Published(..)))
                            .count();
                        assert_eq!(settled, 2, "{context}");
                        assert_eq!(pair.client().session().in_flight(), 0, "{context}");
                        assert_eq!(pair.server().session().in_flight(), 0, "{context}");
                    }
                    assert!(cuts >= 8, "{cuts}");
                }
            }
        }
    }
}

/// A PUBLISH of a stranger, 70 bytes of payload.
fn large(version: Version, qos: QoS, id: u16, dup: bool) -> Vec<u8> {
    let publish = Publish {
        qos,
        dup,
        packet_id: PacketId::new(id),
        ..Publish::new("t", &[b'x'; 70])
    };
    let mut bytes = Vec::new();
    publish.encode(version, &mut bytes).unwrap();
    bytes
}

/// Whatever the client would answer: a test speaks for it.
fn mute(pair: &mut Pair) {
    pair.client.connection = None;
    pair.client_session = Some(Session::established());
    pair.clear();
}

/// What a QoS 2 message brings twice is swallowed with its payload and answered, on the same connection
/// and on a later one (MQTT-4.3.3-10 of 5.0, MQTT-4.3.3-2 of 3.1.1).
#[test]
fn a_second_qos_2_message_is_swallowed_with_its_payload() {
    for version in VERSIONS {
        for manual in [false, true] {
            let mut setup = setup(version);
            setup.chunk = 9;
            setup.server = setup.server.with_manual_acknowledgement(manual);
            let mut pair = Pair::connected(setup);
            mute(&mut pair);
            let bytes = large(version, QoS::ExactlyOnce, 7, false);
            pair.inject_to_server(&bytes);
            pair.drive();
            if manual {
                assert!(pair.to_client.sent.is_empty());
                let token = pair.server.acks.remove(0);
                pair.server()
                    .acknowledge(&token, ReasonCode::Success)
                    .unwrap();
                pair.drive();
            }
            assert_eq!(pair.server.seen.len(), 1);
            assert_eq!(pair.types_to_client(), [PacketType::Pubrec]);

            let again = large(version, QoS::ExactlyOnce, 7, true);
            pair.clear();
            pair.inject_to_server(&again[..again.len() - 1]);
            pair.drive();
            assert!(
                pair.to_client.sent.is_empty(),
                "answered before it is there"
            );
            pair.inject_to_server(&again[again.len() - 1..]);
            pair.drive();
            assert!(pair.server.seen.is_empty());
            assert_eq!(pair.types_to_client(), [PacketType::Pubrec]);

            pair.reconnect();
            mute(&mut pair);
            pair.inject_to_server(&again);
            pair.inject_to_server(&[0x62, 2, 0, 7]);
            pair.drive();
            assert!(pair.server.seen.is_empty());
            let answers = [PacketType::Pubrec, PacketType::Pubcomp];
            assert_eq!(pair.types_to_client(), answers);

            // The identifier is free again.
            pair.inject_to_server(&bytes);
            pair.drive();
            assert_eq!(pair.server.seen.len(), 1);
        }
    }
}

#[test]
fn a_cut_in_the_middle_leaves_nothing_behind() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut pair = Pair::connected(setup(version));
            let bytes = large(version, qos, 7, false);
            pair.inject_to_server(&bytes[..bytes.len() - 1]);
            pair.drive();
            assert!(pair.server.partial.is_some());
            assert!(pair.server.seen.is_empty());
            pair.reconnect();
            pair.clear();
            pair.inject_to_server(&large(version, qos, 7, true));
            pair.drive();
            let [Seen::Publish { dup, message, .. }] = &pair.server.seen[..] else {
                panic!("{:?}", pair.server.seen);
            };
            assert!(dup);
            assert_eq!(message.payload(), [b'x'; 70]);
        }
    }
}

#[test]
fn with_a_receive_maximum_of_one() {
    for version in VERSIONS {
        for qos in ALL_QOS {
            for client in [true, false] {
                for manual in [true, false] {
                    let mut setup = setup(version);
                    (setup.chunk, setup.piece) = (11, 50);
                    setup.client = setup.client.with_receive_maximum(1);
                    setup.server = setup.server.with_receive_maximum(1);
                    setup.client = setup.client.with_manual_acknowledgement(manual);
                    setup.server = setup.server.with_manual_acknowledgement(manual);
                    let mut pair = Pair::connected(setup);
                    for length in [100, 200, 300] {
                        stream(&mut pair, client, qos, &file(length));
                    }
                    pair.drive();
                    if manual && qos != QoS::AtMostOnce {
                        for count in 1..=3 {
                            assert_eq!(payloads(seen(&pair, !client)).len(), count);
                            let reason = ReasonCode::Success;
                            if client {
                                let token = pair.server.acks.remove(0);
                                pair.server().acknowledge(&token, reason).unwrap();
                            } else {
                                let token = pair.client.acks.remove(0);
                                pair.client().acknowledge(&token, reason).unwrap();
                            }
                            pair.drive();
                        }
                    }
                    let got = payloads(seen(&pair, !client));
                    let lengths: Vec<_> = got.iter().map(String::len).collect();
                    assert_eq!(lengths, [100, 200, 300], "{version} {qos:?}");
                    assert_eq!(pair.client.closed, None);
                    assert_eq!(pair.server.closed, None);
                }
            }
        }
    }
}

#[test]
fn an_acknowledgement_that_is_given_early_waits_for_the_end() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for reason in [ReasonCode::Success, ReasonCode::NotAuthorized] {
            let mut setup = setup(Version::V5);
            setup.server = setup.server.with_manual_acknowledgement(true);
            let mut pair = Pair::connected(setup);
            mute(&mut pair);
            let bytes = large(Version::V5, qos, 7, false);
            // One before it, whose acknowledgement stays open.
            let open = large(Version::V5, QoS::AtLeastOnce, 6, false);
            pair.inject_to_server(&open);
            pair.inject_to_server(&bytes[..bytes.len() - 1]);
            pair.drive();
            let [first, token] = &pair.server.acks.clone()[..] else {
                panic!("{:?}", pair.server.acks);
            };
            let wrong = ReasonCode::granted(QoS::ExactlyOnce);
            let refused = pair.server().acknowledge(token, wrong);
            assert_eq!(refused, Err(AcknowledgeError::ReasonCode(wrong)));
            assert_eq!(pair.server().acknowledge(token, reason), Ok(()));
            let stale = pair.server().acknowledge(token, reason);
            assert_eq!(stale, Err(AcknowledgeError::StaleToken));
            assert_eq!(
                pair.server().acknowledge(first, ReasonCode::Success),
                Ok(())
            );
            pair.drive();
            assert_eq!(pair.types_to_client(), [PacketType::Puback]);
            pair.inject_to_server(&bytes[bytes.len() - 1..]);
            pair.drive();
            let stale = pair.server().acknowledge(token, reason);
            assert_eq!(stale, Err(AcknowledgeError::StaleToken));
            let mut sent = &pair.to_client.sent[4..];
            let packet = Packet::decode(Version::V5, &DecodeOptions::new(), &mut sent);
            let expected = Ack {
                reason,
                ..Ack::new(PacketId::new(7).unwrap())
            };
            let expected = match qos {
                QoS::ExactlyOnce => Packet::Pubrec(expected),
                _ => Packet::Puback(expected),
            };
            assert_eq!(packet, Ok(Some(expected)));
            assert!(sent.is_empty());

            // Cut before the end it counts for nothing.
            pair.reconnect();
            mute(&mut pair);
            let bytes = large(Version::V5, qos, 9, false);
            pair.inject_to_server(&bytes[..bytes.len() - 1]);
            pair.drive();
            let token = pair.server.acks[0].clone();
            assert_eq!(
                pair.server().acknowledge(&token, ReasonCode::Success),
                Ok(())
            );
            pair.reconnect();
            mute(&mut pair);
            pair.inject_to_server(&large(Version::V5, qos, 9, true));
            pair.drive();
            assert_eq!(payloads(&pair.server.seen).len(), 1);
        }
    }
}

#[test]
fn topics_by_alias_in_both_directions() {
    for client in [true, false] {
        let mut setup = setup(Version::V5);
        let options = |options: Options| {
            options
                .with_topic_alias_maximum(2)
                .with_automatic_topic_aliases(2)
        };
        setup.client = options(setup.client);
        setup.server = options(setup.server);
        let mut pair = Pair::connected(setup);
        for length in [100, 200] {
            stream(&mut pair, client, QoS::AtMostOnce, &file(length));
        }
        pair.drive();
        let [
            Seen::Publish { alias: set, .. },
            Seen::Publish { alias, message, .. },
        ] = seen(&pair, !client)
        else {
            panic!("{:?}", seen(&pair, !client));
        };
        assert_eq!((*set, *alias), (Some(1), Some(1)));
        assert_eq!(message.topic(), "stream");
        let sent = if client {
            &pair.to_server.sent
        } else {
            &pair.to_client.sent
        };
        let named = sent.windows(6).filter(|bytes| bytes == b"stream").count();
        assert_eq!(named, 1);
    }
}

/// The length of the payload counts where an alias would make the packet too large.
#[test]
fn an_alias_that_does_not_fit_is_left_out() {
    // Fixed header 2, topic 8, properties 1.
    for (maximum, expected) in [(111, None), (114, Some(1))] {
        let mut setup = setup(Version::V5);
        setup.client = setup.client.with_automatic_topic_aliases(1);
        setup.server = setup.server.with_topic_alias_maximum(1);
        setup.server = setup.server.with_maximum_packet_size(maximum);
        let mut pair = Pair::connected(setup);
        stream(&mut pair, true, QoS::AtMostOnce, &file(100));
        pair.drive();
        assert_eq!(pair.server.closed, None);
        let [Seen::Publish { alias, .. }] = &pair.server.seen[..] else {
            panic!("{:?}", pair.server.seen);
        };
        assert_eq!(*alias, expected);
    }
}

/// A head is held to what a whole message is held to, before its payload is there.
#[test]
fn violations_show_with_the_head() {
    let publish = |qos: QoS, id, retain, alias| {
        let publish = Publish {
            qos,
            packet_id: PacketId::new(id),
            retain,
            topic_alias: alias,
            ..Publish::new("t", &[0; 100])
        };
        let mut bytes = Vec::new();
        publish.encode(Version::V5, &mut bytes).unwrap();
        bytes.truncate(bytes.len() - 100);
        bytes
    };
    let none = QoS::AtMostOnce;
    let once = QoS::ExactlyOnce;
    for (head, violation) in [
        (publish(none, 0, true, None), Violation::RetainNotSupported),
        (publish(once, 1, false, None), Violation::QosNotSupported),
        (
            publish(none, 0, false, Some(3)),
            Violation::TopicAliasTooLarge,
        ),
    ] {
        let mut setup = setup(Version::V5);
        setup.connack = vec![
            Property::RetainAvailable(false),
            Property::MaximumQos(QoS::AtLeastOnce),
        ];
        let mut pair = Pair::connected(setup);
        pair.inject_to_server(&head);
        pair.drive();
        assert_eq!(broken(pair.server.closed), Some(violation));
        assert!(pair.server.partial.is_none());
    }

    // More at a time than was announced (5.0, section 3.3.4).
    let mut limited = setup(Version::V5);
    limited.server = limited
        .server
        .with_receive_maximum(1)
        .with_manual_acknowledgement(true);
    let mut pair = Pair::connected(limited);
    pair.inject_to_server(&large(Version::V5, QoS::AtLeastOnce, 1, false));
    pair.inject_to_server(&publish(QoS::AtLeastOnce, 2, false, None));
    pair.drive();
    assert_eq!(
        broken(pair.server.closed),
        Some(Violation::ReceiveMaximumExceeded)
    );
}

#[test]
fn what_has_to_be_in_memory_at_once_has_a_bound() {
    let mut small = setup(Version::V5);
    small.server = small.server.with_maximum_publish_head(100);
    let mut pair = Pair::connected(small.clone());
    // The head of a PUBLISH, over the limit: as soon as the length of its topic is there.
    pair.inject_to_server(&[0x30, 0xff, 0x7f, 0x00, 0x60]);
    pair.drive();
    assert_eq!(
        broken(pair.server.closed),
        Some(Violation::PublishHeadTooLarge)
    );

    // Another packet: a head may have as much, so it may, too.
    let mut pair = Pair::connected(small.clone());
    pair.inject_to_server(&[0x82, 98]);
    pair.drive();
    assert_eq!(pair.server.closed, None);
    let mut pair = Pair::connected(small);
    pair.inject_to_server(&[0x82, 99]);
    pair.drive();
    assert_eq!(broken(pair.server.closed), Some(Violation::PacketTooLarge));
}

/// Its end is told without a further byte.
#[test]
fn an_empty_payload_in_pieces() {
    let mut setup = setup(Version::V5);
    setup.server = setup.server.with_whole_publish_limit(0);
    let mut pair = Pair::connected(setup);
    let mut bytes = Vec::new();
    let publish = Publish::new("t", b"");
    publish.encode(Version::V5, &mut bytes).unwrap();
    let now = pair.now;
    let mut input = &bytes[..];
    let event = pair.server().receive(now, &mut input);
    assert!(matches!(event, Some(ServerEvent::PublishHead(head)) if head.payload_len == 0));
    assert!(input.is_empty());
    let event = pair.server().receive(now, &mut input);
    let Some(ServerEvent::Payload { chunk, last }) = event else {
        panic!("{event:?}");
    };
    assert_eq!((chunk, last), (&[][..], true));
    assert!(pair.server().receive(now, &mut input).is_none());
}

/// Replies that wait hold up the next packet and not the payload of this one: what is to be sent first may wait for it.
#[test]
fn a_backlog_does_not_hold_up_a_payload() {
    let mut setup = setup(Version::V5);
    setup.answer = false;
    setup.server = setup.server.with_maximum_reply_bytes(1);
    let mut pair = Pair::connected(setup);
    let one = [Subscription::new("a", QoS::AtMostOnce)];
    pair.client().subscribe(&one, Properties::new()).unwrap();
    pair.drive();
    let (token, _) = pair.server.requests.remove(0);
    let bytes = large(Version::V5, QoS::AtMostOnce, 0, false);
    let (mut head, mut rest) = bytes.split_at(bytes.len() - 60);
    let now = pair.now;
    let server = pair.server();
    let event = server.receive(now, &mut head);
    assert!(matches!(event, Some(ServerEvent::PublishHead(_))));
    let event = server.receive(now, &mut head);
    assert!(matches!(
        event,
        Some(ServerEvent::Payload { last: false, .. })
    ));
    let codes = [ReasonCode::GRANTED_QOS_0];
    server.suback(token, &codes, Properties::new()).unwrap();
    assert!(server.wants_input());
    let event = server.receive(now, &mut rest);
    assert!(matches!(
        event,
        Some(ServerEvent::Payload { last: true, .. })
    ));
    assert!(!server.wants_input());
    let mut next = &bytes[..];
    assert!(server.receive(now, &mut next).is_none());
    assert_eq!(next.len(), bytes.len());
}

/// Before the connection is open a message is out of place, in pieces as whole.
#[test]
fn a_head_before_the_connection_is_open() {
    let mut bytes = &large(Version::V5, QoS::AtMostOnce, 0, false)[..20];
    let options = Options::new().with_whole_publish_limit(64);
    let mut server = ServerConnection::new(Instant::ZERO, options.clone());
    assert!(server.receive(Instant::ZERO, &mut bytes).is_none());
    assert_eq!(
        broken(server.closed()),
        Some(Violation::FirstPacketNotConnect)
    );

    let mut bytes = &large(Version::V5, QoS::AtMostOnce, 0, false)[..20];
    let connect = Connect::new(Version::V5, "c");
    let mut client =
        ClientConnection::new(Instant::ZERO, &connect, Session::new(), options).unwrap();
    assert!(client.receive(Instant::ZERO, &mut bytes).is_none());
    assert_eq!(broken(client.closed()), Some(Violation::UnexpectedPacket));
}

#[test]
fn a_payload_that_trickles_in_is_a_sign_of_life_and_silence_is_not() {
    for version in VERSIONS {
        let mut setup = setup(version);
        setup.keep_alive = 10;
        let mut pair = Pair::connected(setup);
        let mut silent = pair.client.connection.take();
        let bytes = large(version, QoS::AtMostOnce, 0, false);
        let (head, payload) = bytes.split_at(bytes.len() - 70);
        pair.inject_to_server(head);
        for byte in &payload[..69] {
            pair.inject_to_server(&[*byte]);
            pair.advance(Duration::from_secs(14));
        }
        assert_eq!(pair.server.closed, None);
        pair.advance(Duration::from_millis(999));
        assert_eq!(pair.server.closed, None);
        pair.advance(Duration::from_millis(1));
        let cause = pair.server.closed.unwrap().cause;
        assert_eq!(cause, CloseCause::KeepAliveTimeout);
        assert!(silent.take().is_some());
    }
}

/// A PINGREQ cannot be sent inside a packet, and none is due there.
#[test]
fn no_ping_inside_a_payload() {
    for version in VERSIONS {
        let mut setup = setup(version);
        setup.keep_alive = 10;
        let mut pair = Pair::connected(setup);
        pair.setup.piece = 1;
        let now = pair.now;
        let message = Message::with_streamed_payload("t", 100).unwrap();
        pair.client().publish(now, message).unwrap();
        let mut out = Vec::new();
        assert!(pair.client().poll_transmit(now, &mut out, usize::MAX) > 0);
        assert_eq!(pair.client().poll_timeout(), None);
        let later = now.saturating_add(Duration::from_secs(3600));
        pair.client().handle_timeout(later);
        assert_eq!(pair.client().closed(), None);
        assert_eq!(pair.client().poll_transmit(later, &mut out, usize::MAX), 0);
        let mut bytes = &[0; 200][..];
        assert_eq!(pair.client().transmit_payload(later, &mut bytes).len(), 100);
        assert_eq!(bytes.len(), 100);
        // From the end of the packet on.
        let due = later.saturating_add(Duration::from_millis(7_500));
        assert_eq!(pair.client().poll_timeout(), Some(due));
        pair.client().handle_timeout(due);
        out.clear();
        assert_eq!(pair.client().poll_transmit(due, &mut out, usize::MAX), 2);
        assert_eq!(out, [0xc0, 0x00]);
    }
}

/// The answer to a PINGREQ that went out before the payload ends the wait for it, though no ping is due: the
/// server has nothing more to say while it reads.
#[test]
fn a_ping_is_answered_inside_a_payload() {
    for version in VERSIONS {
        let mut setup = setup(version);
        setup.keep_alive = 10;
        let mut pair = Pair::connected(setup);
        let due = pair.client().poll_timeout().unwrap();
        pair.client().handle_timeout(due);
        let message = Message::with_streamed_payload("t", 100).unwrap();
        pair.client().publish(due, message).unwrap();
        let mut out = Vec::new();
        pair.client().poll_transmit(due, &mut out, usize::MAX);
        assert_eq!(out[..2], [0xc0, 0x00]);
        let wanted = pair.client().payload_wanted();
        assert_eq!(wanted.map(|wanted| wanted.remaining), Some(100));
        // Without an answer it is waited for, payload or not.
        let answer_by = due.saturating_add(Duration::from_secs(10));
        assert_eq!(pair.client().poll_timeout(), Some(answer_by));
        assert!(pair.client().receive(due, &mut &[0xd0, 0x00][..]).is_none());
        assert_eq!(pair.client().poll_timeout(), None);
        let later = due.saturating_add(Duration::from_secs(3600));
        pair.client().handle_timeout(later);
        assert_eq!(pair.client().closed(), None);
    }
}

/// Replies, requests and DISCONNECT wait for the end of the payload.
#[test]
fn nothing_is_sent_inside_a_payload() {
    for version in VERSIONS {
        let mut pair = Pair::connected(setup(version));
        let now = pair.now;
        let message = Message::with_streamed_payload("t", 100).unwrap();
        let handle = pair.client().publish(now, message).unwrap();
        let mut out = Vec::new();
        assert!(pair.client().poll_transmit(now, &mut out, usize::MAX) > 0);
        let (head, mut payload) = (out.len(), Vec::new());
        let client = pair.client();
        let wanted = |client: &ClientConnection| {
            client
                .payload_wanted()
                .map(|wanted| (wanted.offset, wanted.remaining))
        };
        assert_eq!(
            client.payload_wanted().map(|wanted| wanted.handle),
            Some(handle)
        );
        assert_eq!(wanted(client), Some((0, 100)));

        // With nothing else that waits.
        let small = Publish::new("a", b"small");
        client.publish_into(now, &small, &mut out).unwrap();
        let subscriptions = [Subscription::new("a", QoS::AtMostOnce)];
        client.subscribe(&subscriptions, Properties::new()).unwrap();
        let bytes = large(version, QoS::AtLeastOnce, 3, false);
        let mut input = &bytes[..];
        while client.receive(now, &mut input).is_some() {}
        let disconnect = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
        let refused = client.disconnect(now, &disconnect);
        assert_eq!(refused, Err(RequestError::PayloadIncomplete));
        assert_eq!(client.closed(), None);

        let file = file(100);
        for piece in file.chunks(30) {
            assert_eq!(client.poll_transmit(now, &mut out, usize::MAX), 0);
            assert_eq!(wanted(client).unwrap().0 as usize, payload.len());
            payload.extend_from_slice(client.transmit_payload(now, &mut &piece[..]));
        }
        assert_eq!(out.len(), head);
        assert_eq!(payload, file);
        assert_eq!(wanted(client), None);
        assert_eq!(client.transmit_payload(now, &mut &file[..]), b"");
        out.extend(payload);
        client.disconnect(now, &disconnect).unwrap();
        client.poll_transmit(now, &mut out, usize::MAX);
        let sent = types(version, &out);
        let expected = [
            PacketType::Publish,
            PacketType::Subscribe,
            PacketType::Puback,
            PacketType::Disconnect,
        ];
        assert_eq!(sent, expected);
        assert_eq!(client.session().queued(), 1);
    }
}

#[test]
fn a_connection_that_ends_inside_a_payload_says_nothing_more() {
    for version in VERSIONS {
        let mut setup = setup(version);
        setup.will = true;
        let mut pair = Pair::connected(setup);
        let now = pair.now;
        let message = Message::with_streamed_payload("t", 100).unwrap();
        pair.client().publish(now, message).unwrap();
        let mut out = Vec::new();
        assert!(pair.client().poll_transmit(now, &mut out, usize::MAX) > 0);
        // A packet that no server sends.
        let client = pair.client();
        assert!(client.receive(now, &mut &[0xc0, 0x00][..]).is_none());
        assert!(client.closed().unwrap().will_due);
        assert_eq!(client.payload_wanted(), None);
        assert_eq!(client.transmit_payload(now, &mut &[0; 100][..]), b"");
        assert_eq!(client.poll_transmit(now, &mut out, usize::MAX), 0);
    }
}

/// The peer cannot have a message whose payload it does not have; it can refuse it, and it can know it from before.
#[test]
fn an_acknowledgement_before_the_payload_is_complete() {
    let begin = |version, qos| {
        let mut pair = Pair::connected(setup(version));
        let now = pair.now;
        let message = Message::with_streamed_payload("t", 100)
            .unwrap()
            .with_qos(qos);
        let handle = pair.client().publish(now, message).unwrap();
        let mut out = Vec::new();
        pair.client().poll_transmit(now, &mut out, usize::MAX);
        pair.carry_on(true, &out);
        pair.drive();
        (pair, handle)
    };
    for version in VERSIONS {
        for (qos, first) in [(QoS::AtLeastOnce, 0x40), (QoS::ExactlyOnce, 0x50)] {
            let (mut pair, _) = begin(version, qos);
            pair.inject_to_client(&[first, 2, 0, 1]);
            pair.drive();
            assert_eq!(broken(pair.client.closed), Some(Violation::AckUnexpected));
            assert_eq!(pair.client().session().in_flight(), 1);

            // The second time it may have been there before.
            pair.reconnect();
            pair.clear();
            assert!(pair.client().payload_wanted().is_some());
            pair.inject_to_client(&[first, 2, 0, 1]);
            pair.drive();
            assert_eq!(pair.client.closed, None);
            let settled = qos == QoS::AtLeastOnce;
            assert_eq!(pair.client.seen.len(), usize::from(settled));
            // The packet has to be completed all the same.
            let wanted = pair.client().payload_wanted().unwrap();
            assert_eq!((wanted.offset, wanted.remaining), (0, 100));
        }
    }
    for (qos, first) in [(QoS::AtLeastOnce, 0x40), (QoS::ExactlyOnce, 0x50)] {
        let (mut pair, handle) = begin(Version::V5, qos);
        pair.inject_to_client(&[first, 3, 0, 1, 0x97]);
        pair.drive();
        let refused = Seen::Published(handle, ReasonCode::QuotaExceeded);
        assert_eq!(pair.client.seen, [refused]);
        assert!(pair.client().payload_wanted().is_some());
        pair.client.files.insert(handle, file(100));
        publish(&mut pair, true, message("a", "next", QoS::AtLeastOnce));
        pair.drive();
        assert_eq!(payloads(&pair.server.seen).last().unwrap(), "next");
    }
}

/// What is not supplied keeps the connection from sending, and nothing else.
#[test]
fn a_payload_that_is_never_supplied() {
    for version in VERSIONS {
        for qos in ALL_QOS {
            let mut pair = Pair::connected(setup(version));
            let handle = stream(&mut pair, true, qos, &file(100));
            let waiting = stream(&mut pair, true, qos, &file(200));
            publish(&mut pair, true, message("a", "after", qos));
            pair.client.files.clear();
            pair.drive();
            publish(&mut pair, false, message("a", "down", QoS::AtMostOnce));
            pair.drive();
            assert_eq!(payloads(&pair.client.seen), ["down"]);
            assert!(payloads(&pair.server.seen).is_empty());
            assert_eq!(pair.client().payload_wanted().unwrap().handle, handle);

            pair.cut();
            pair.clear();
            let session = pair.client_session.as_mut().unwrap();
            let discarded = session.discard(handle);
            // One of QoS 0 is gone with the transport.
            assert_eq!(discarded.is_some(), qos != QoS::AtMostOnce);
            let length = discarded.and_then(|message| message.streamed_payload_len());
            assert_eq!(length, (qos != QoS::AtMostOnce).then_some(100));
            assert!(session.discard(handle).is_none());
            assert!(session.discard(waiting).is_some());
            pair.connect();
            pair.drive();
            assert_eq!(pair.client().payload_wanted(), None);
            assert_eq!(payloads(&pair.server.seen), ["after"]);
            // QoS 2: the identifier is freed by PUBREL.
            let released = pair.types_to_server().contains(&PacketType::Pubrel);
            assert_eq!(released, qos == QoS::ExactlyOnce);
            assert_eq!(pair.client().session().in_flight(), 0);
            let settled = pair.client.seen.iter();
            let settled = settled
                .filter(|seen| matches!(seen, Seen::Published(..)))
                .count();
            assert_eq!(settled, usize::from(qos != QoS::AtMostOnce));
        }
    }
}

/// Once the peer has a QoS 2 message, its payload is not asked for again.
#[test]
fn after_pubrec_no_payload_is_wanted() {
    for version in VERSIONS {
        let mut pair = Pair::connected(setup(version));
        stream(&mut pair, true, QoS::ExactlyOnce, &file(100));
        // PUBLISH passes, PUBREC passes, PUBREL does not.
        let head = 2 + 8 + 2 + usize::from(version == Version::V5);
        pair.to_server.budget = Some(head + 100);
        pair.drive();
        assert_eq!(payloads(&pair.server.seen).len(), 1);
        pair.client.files.clear();
        pair.reconnect();
        assert_eq!(pair.client().payload_wanted(), None);
        assert_eq!(payloads(&pair.server.seen).len(), 1);
        assert_eq!(pair.client().session().in_flight(), 0);
    }
}

#[test]
fn the_peer_counts_the_payload_and_the_queue_does_not() {
    let mut setup = setup(Version::V5);
    setup.server = setup.server.with_maximum_packet_size(1000);
    setup.client = setup.client.with_maximum_kept_bytes(10);
    let mut pair = Pair::connected(setup);
    let now = pair.now;
    // Fixed header 3, topic 3, properties 1.
    let refused = pair
        .client()
        .publish(now, Message::with_streamed_payload("t", 994).unwrap());
    let too_large = PublishErrorReason::TooLarge {
        size: 1001,
        maximum: 1000,
    };
    assert_eq!(refused.unwrap_err().reason, too_large);
    for _ in 0..10 {
        let message = Message::with_streamed_payload("t", 993).unwrap();
        pair.client().publish(now, message).unwrap();
    }
    let full = pair
        .client()
        .publish(now, Message::with_streamed_payload("t", 1).unwrap());
    assert_eq!(full.unwrap_err().reason, PublishErrorReason::QueueFull);

    // What waits for a client that is away shows when it is back.
    let mut session = Session::established();
    let message = Message::with_streamed_payload("t", u32::MAX).unwrap();
    let handle = session.enqueue(now, message, &Options::new()).unwrap();
    pair.cut();
    pair.client_session = Some(session);
    pair.connect();
    pair.drive();
    let dropped = Seen::Dropped(handle, DropReason::PacketTooLarge);
    assert!(pair.client.seen.contains(&dropped));
}

/// Its lifetime is looked at when its head would be sent, and not after.
#[test]
fn a_stream_expires_in_the_queue_and_not_on_the_wire() {
    let mut pair = Pair::connected(setup(Version::V5));
    pair.setup.piece = 10;
    let now = pair.now;
    let message = Message::with_streamed_payload("t", 100)
        .unwrap()
        .with_message_expiry_interval(Some(5));
    let first = pair.client().publish(now, message.clone()).unwrap();
    let second = pair.client().publish(now, message).unwrap();
    pair.drive();
    assert_eq!(pair.client().payload_wanted().unwrap().handle, first);
    pair.advance(Duration::from_secs(6));
    pair.client.files.insert(first, file(100));
    pair.client.files.insert(second, file(100));
    pair.drive();
    assert_eq!(payloads(&pair.server.seen).len(), 1);
    assert_eq!(
        pair.client.seen,
        [Seen::Dropped(second, DropReason::Expired)]
    );
}

#[test]
fn messages_with_a_payload_elsewhere() {
    let message = Message::with_streamed_payload("t", 5).unwrap();
    assert_eq!(message, message.clone());
    assert_ne!(message, Message::with_streamed_payload("t", 6).unwrap());
    assert_ne!(message, Message::new("t", b"").unwrap());
    assert_ne!(
        Message::with_streamed_payload("t", 0).unwrap(),
        Message::new("t", b"").unwrap()
    );
    assert!(format!("{message:?}").contains("streamed_payload_len: Some(5)"));
    let properties = [Property::ContentType("x")];
    let message = message
        .with_properties(Properties::from(&properties[..]))
        .unwrap();
    assert_eq!(message.streamed_payload_len(), Some(5));
    assert_eq!(message.payload(), b"");
    assert!(Message::with_streamed_payload("#", 5).is_err());
    assert_eq!(Message::new("t", b"").unwrap().streamed_payload_len(), None);
}
