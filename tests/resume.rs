//! Sessions over several connections: what is sent again, what is not, and what is lost.

#[path = "support/pair.rs"]
mod pair;

use std::time::Duration;

use pair::*;
use sansio_mqtt::*;

fn publish(pair: &mut Pair, from_client: bool, message: Message) {
    let now = pair.now;
    if from_client {
        pair.client().publish(now, message).unwrap();
    } else {
        pair.server().publish(now, message).unwrap();
    }
}

/// Three messages of one QoS, with the link cut after every possible number of bytes in either
/// direction: nothing is lost at QoS 1 and 2, nothing comes twice at QoS 2, and the order of first
/// arrival is the order of sending.
#[test]
fn the_link_cut_at_every_byte() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for from_client in [true, false] {
                for cut_to_server in [true, false] {
                    for bytes in 0.. {
                        let done = cut_once(version, qos, from_client, cut_to_server, bytes);
                        if done {
                            assert!(bytes > 12);
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// True: the cut came too late to matter.
fn cut_once(
    version: Version,
    qos: QoS,
    from_client: bool,
    cut_to_server: bool,
    bytes: usize,
) -> bool {
    let what = format!("{version} {qos} client {from_client} to server {cut_to_server} {bytes}");
    let mut pair = Pair::connected(Setup {
        chunk: 3,
        ..Setup::persistent(version)
    });
    let wire = if cut_to_server {
        &mut pair.to_server
    } else {
        &mut pair.to_client
    };
    wire.budget = Some(bytes);
    for text in ["1", "2", "3"] {
        publish(&mut pair, from_client, message("t", text, qos));
    }
    pair.drive();
    let wire = if cut_to_server {
        &pair.to_server
    } else {
        &pair.to_client
    };
    let too_late = wire.budget != Some(0);
    pair.reconnect();
    assert!(
        pair.client().is_connected(),
        "{what}: {:?}",
        pair.client.closed
    );
    assert_eq!(pair.client().session().in_flight(), 0, "{what}");
    assert_eq!(pair.server().session().in_flight(), 0, "{what}");
    assert_eq!(pair.client().session().queued(), 0, "{what}");
    let seen = if from_client {
        &pair.server.seen
    } else {
        &pair.client.seen
    };
    let mut seen = payloads(seen);
    if qos == QoS::AtLeastOnce {
        // Sent again in the first order: what is seen is a prefix and then everything.
        let mut first = Vec::new();
        for text in seen {
            if !first.contains(&text) {
                first.push(text);
            }
        }
        seen = first;
    }
    assert_eq!(seen, ["1", "2", "3"], "{what}");
    // A PUBREL that comes again after its PUBCOMP was lost is answered with 0x92 in 5.0, which is no
    // error then (5.0 §3.6.2.1).
    let settled = |seen: &[Seen]| {
        use ReasonCode::{PacketIdentifierNotFound, Success};
        seen.iter()
            .filter(|seen| matches!(seen, Seen::Published(_, Success | PacketIdentifierNotFound)))
            .count()
    };
    let settled = settled(if from_client {
        &pair.client.seen
    } else {
        &pair.server.seen
    });
    assert_eq!(settled, 3, "{what}");
    too_late
}

#[test]
fn what_is_sent_again_is_what_was_open_in_the_first_order() {
    for version in VERSIONS {
        let setup = Setup {
            server: Options::new().with_manual_acknowledgement(true),
            ..Setup::persistent(version)
        };
        let mut pair = Pair::connected(setup);
        for (text, qos) in [
            ("settled", QoS::AtLeastOnce),
            ("released", QoS::ExactlyOnce),
            ("open 1", QoS::AtLeastOnce),
            ("open 2", QoS::ExactlyOnce),
            ("gone", QoS::AtMostOnce),
        ] {
            publish(&mut pair, true, message("t", text, qos));
        }
        pair.drive();
        // PUBACK for the first, PUBREC for the second; its PUBREL is lost on the way.
        for n in 0..2 {
            let token = pair.server.acks[n].clone();
            pair.server()
                .acknowledge(&token, ReasonCode::Success)
                .unwrap();
        }
        pair.to_server.budget = Some(0);
        pair.drive();
        pair.cut();
        pair.clear();
        pair.connect();
        // Queued behind what is sent again.
        publish(&mut pair, true, message("t", "new", QoS::AtLeastOnce));
        pair.drive();
        let sent = pair.packets(&pair.to_server.sent);
        let starts = |n: usize, text: &str| assert!(sent[n].starts_with(text), "{sent:#?}");
        starts(0, "CONNECT");
        starts(1, "PUBREL id=2");
        starts(2, "PUBLISH id=3 qos=1 dup");
        starts(3, "PUBLISH id=4 qos=2 dup");
        starts(4, "PUBLISH id=5 qos=1 topic");
        assert_eq!(payloads(&pair.server.seen), ["open 1", "open 2", "new"]);
    }
}

#[test]
fn a_lost_session_gives_everything_back() {
    for version in VERSIONS {
        let setup = Setup {
            server: Options::new()
                .with_manual_acknowledgement(true)
                .with_receive_maximum(4),
            ..Setup::persistent(version)
        };
        let mut pair = Pair::connected(setup);
        let now = pair.now;
        let mut handles = Vec::new();
        for (text, qos) in [
            ("1", QoS::AtLeastOnce),
            ("2", QoS::ExactlyOnce),
            ("3", QoS::ExactlyOnce),
            ("4", QoS::AtLeastOnce),
            ("5", QoS::AtLeastOnce),
        ] {
            handles.push(pair.client().publish(now, message("t", text, qos)).unwrap());
        }
        pair.drive();
        // The first is settled, the second released; its PUBREL is lost on the way.
        pair.to_server.budget = Some(0);
        for n in 0..2 {
            let token = pair.server.acks[n].clone();
            pair.server()
                .acknowledge(&token, ReasonCode::Success)
                .unwrap();
        }
        pair.drive();
        pair.cut();
        // The server forgets.
        pair.stored = None;
        pair.clear();
        pair.connect();
        pair.drive();
        let dropped: Vec<_> = pair
            .client
            .seen
            .iter()
            .filter_map(|seen| match seen {
                Seen::Dropped(handle, DropReason::SessionLost) => Some(*handle),
                _ => None,
            })
            .collect();
        assert!(matches!(
            pair.client.seen[0],
            Seen::Connack {
                session_present: false,
                ..
            }
        ));
        // Whatever had been sent is reported in the order of sending; what had not is sent now.
        let sent_before = dropped.len();
        assert!(sent_before >= 3, "{:?}", pair.client.seen);
        assert!(
            handles
                .iter()
                .filter(|handle| dropped.contains(handle))
                .eq(dropped.iter())
        );
        let rest = payloads(&pair.server.seen);
        assert!(rest.iter().all(|text| text == "5"), "{rest:?}");
        for token in std::mem::take(&mut pair.server.acks) {
            pair.server()
                .acknowledge(&token, ReasonCode::Success)
                .unwrap();
        }
        pair.drive();
        assert_eq!(pair.client().session().in_flight(), 0);
        let quota = if version == Version::V5 { 4 } else { u16::MAX };
        assert_eq!(pair.client().send_quota(), quota);
        // And works.
        publish(&mut pair, true, message("t", "after", QoS::ExactlyOnce));
        pair.drive();
        assert_eq!(payloads(&pair.server.seen).last().unwrap(), "after");
    }
}

#[test]
fn a_clean_start_drops_the_old_session_on_both_sides() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::persistent(version));
        publish(&mut pair, false, message("t", "old", QoS::ExactlyOnce));
        pair.to_client.budget = Some(0);
        pair.drive();
        pair.cut();
        pair.setup.clean_start = true;
        pair.connect();
        pair.drive();
        assert!(pair.client().is_connected());
        assert_eq!(payloads(&pair.client.seen), Vec::<String>::new());
        // The application cannot resume by mistake.
        let mut server = ServerConnection::new(pair.now, Options::new());
        let mut bytes = Vec::new();
        Packet::from(Connect::new(version, "x"))
            .encode(version, &mut bytes)
            .unwrap();
        assert!(server.receive(pair.now, &mut &bytes[..]).is_some());
        let connack = Connack::new(ReasonCode::Success);
        let error = server
            .accept(pair.now, Some(Session::new()), &connack)
            .unwrap_err();
        assert_eq!(error.reason, AcceptErrorReason::CleanStart);
        assert!(error.session.is_some());
        server.accept(pair.now, None, &connack).unwrap();
    }
}

#[test]
fn requests_without_answer_do_not_outlive_their_connection() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup {
            answer: false,
            ..Setup::persistent(version)
        });
        pair.client()
            .subscribe(
                &[Subscription::new("a", QoS::AtMostOnce)],
                Properties::new(),
            )
            .unwrap();
        pair.client()
            .unsubscribe(&["a"], Properties::new())
            .unwrap();
        pair.drive();
        let (token, _) = pair.server.requests.remove(0);
        pair.clear();
        pair.reconnect();
        assert_eq!(pair.client().session().in_flight(), 0);
        assert_eq!(pair.types_to_server(), [PacketType::Connect]);
        let error = pair
            .server()
            .suback(token, &[ReasonCode::Success], Properties::new());
        assert_eq!(error.unwrap_err().reason, ReplyErrorReason::StaleToken);
    }
}

#[test]
fn the_new_limits_hold_for_old_messages() {
    let setup = Setup {
        server: Options::new().with_manual_acknowledgement(true),
        ..Setup::persistent(Version::V5)
    };
    let mut pair = Pair::connected(setup);
    let now = pair.now;
    let big = "x".repeat(200);
    let too_large = pair
        .client()
        .publish(now, message("t", &big, QoS::AtLeastOnce))
        .unwrap();
    for n in 0..5 {
        pair.client()
            .publish(now, message("t", &n.to_string(), QoS::ExactlyOnce))
            .unwrap();
    }
    pair.drive();
    pair.cut();
    pair.clear();
    pair.setup.server = pair
        .setup
        .server
        .with_maximum_packet_size(100)
        .with_receive_maximum(2);
    pair.connect();
    pair.drive();
    assert!(
        pair.client
            .seen
            .contains(&Seen::Dropped(too_large, DropReason::PacketTooLarge))
    );
    assert_eq!(payloads(&pair.server.seen), ["0", "1"]);
    assert_eq!(pair.client().send_quota(), 0);
    while let Some(token) = pair.server.acks.pop() {
        pair.server()
            .acknowledge(&token, ReasonCode::Success)
            .unwrap_or(());
        for token in std::mem::take(&mut pair.server.acks) {
            pair.server()
                .acknowledge(&token, ReasonCode::Success)
                .unwrap();
        }
        pair.drive();
    }
    assert_eq!(payloads(&pair.server.seen), ["0", "1", "2", "3", "4"]);
    assert!(pair.server().is_connected());
    assert_eq!(pair.client().send_quota(), 2);
}

/// The peer may have a QoS 2 message that the new limits forbid to send again: its identifier is
/// released, or the next message under it would be swallowed.
#[test]
fn a_forbidden_qos_2_message_is_released() {
    let mut pair = Pair::connected(Setup::persistent(Version::V5));
    let now = pair.now;
    let big = "x".repeat(200);
    let handle = pair
        .client()
        .publish(now, message("t", &big, QoS::ExactlyOnce))
        .unwrap();
    pair.to_client.budget = Some(0);
    pair.drive();
    assert_eq!(payloads(&pair.server.seen).len(), 1);
    pair.cut();
    pair.clear();
    pair.setup.server = Options::new().with_maximum_packet_size(100);
    pair.connect();
    pair.drive();
    use PacketType::{Connect, Pubrel};
    assert_eq!(pair.types_to_server(), [Connect, Pubrel]);
    assert_eq!(
        pair.client.seen[1..],
        [Seen::Dropped(handle, DropReason::PacketTooLarge)]
    );
    assert_eq!(pair.client().session().in_flight(), 0);
    // Every identifier once more.
    for n in 0..65_536 {
        let now = pair.now;
        let text = n.to_string();
        pair.client()
            .publish(now, message("t", &text, QoS::ExactlyOnce))
            .unwrap();
        if n % 1000 == 0 {
            pair.drive();
        }
    }
    pair.drive();
    assert_eq!(payloads(&pair.server.seen).len(), 65_536);
}

#[test]
fn a_session_moves_between_the_versions() {
    for (first, second) in [(Version::V311, Version::V5), (Version::V5, Version::V311)] {
        let mut pair = Pair::connected(Setup::persistent(first));
        let properties = [Property::ContentType("text/plain")];
        let full = message("t", "from server", QoS::ExactlyOnce)
            .with_properties(Properties::from(&properties[..]))
            .unwrap();
        publish(&mut pair, false, full);
        publish(
            &mut pair,
            true,
            message("t", "from client", QoS::AtLeastOnce),
        );
        pair.to_client.budget = Some(0);
        pair.to_server.budget = Some(0);
        pair.drive();
        pair.cut();
        let other = Setup::persistent(second);
        pair.setup = other;
        pair.connect();
        pair.drive();
        assert_eq!(payloads(&pair.server.seen), ["from client"]);
        assert_eq!(payloads(&pair.client.seen), ["from server"]);
        let kept = pair.client.seen.iter().any(|seen| {
            matches!(seen, Seen::Publish { message, .. } if !message.properties().is_empty())
        });
        assert_eq!(kept, second == Version::V5);
    }
}

#[test]
fn a_message_that_was_sent_does_not_expire() {
    let mut pair = Pair::connected(Setup::persistent(Version::V5));
    let expiring = message("t", "x", QoS::ExactlyOnce).with_message_expiry_interval(Some(10));
    publish(&mut pair, false, expiring.clone());
    pair.to_client.budget = Some(0);
    pair.drive();
    pair.cut();
    // What waits is counted down and dropped (MQTT-4.3.3-7, MQTT-3.3.2-5 of 5.0).
    let mut stored = pair.stored.take().unwrap();
    let now = pair.now;
    stored
        .enqueue(
            now,
            message("t", "y", QoS::AtLeastOnce).with_message_expiry_interval(Some(10)),
            &Options::new(),
        )
        .unwrap();
    stored
        .enqueue(
            now,
            message("t", "z", QoS::AtLeastOnce).with_message_expiry_interval(Some(60)),
            &Options::new(),
        )
        .unwrap();
    pair.stored = Some(stored);
    pair.advance(Duration::from_secs(20));
    pair.connect();
    pair.drive();
    assert_eq!(payloads(&pair.client.seen), ["x", "z"]);
    let left: Vec<_> = pair
        .client
        .seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Publish { message, .. } => Some(message.message_expiry_interval()),
            _ => None,
        })
        .collect();
    // The late one says 1, since a peer may drop what says 0.
    assert_eq!(left, [Some(1), Some(40)]);
}

#[test]
fn what_is_dropped_is_told_at_once_or_by_the_next_connection() {
    let expiring =
        |text| message("t", text, QoS::AtLeastOnce).with_message_expiry_interval(Some(5));
    let mut pair = Pair::connected(Setup::persistent(Version::V5));
    let now = pair.now;
    let first = pair.client().publish(now, expiring("1")).unwrap();
    // Nothing is sent, and the loop ends with `None`: it has been told by then.
    let later = now.saturating_add(Duration::from_secs(6));
    let event = pair.client().receive(later, &mut &[][..]);
    assert!(matches!(event, Some(ClientEvent::Dropped(dropped))
        if dropped.handle == first && dropped.reason == DropReason::Expired));
    assert!(pair.client().receive(later, &mut &[][..]).is_none());
    // Found while sending, and the connection ends before it could tell.
    let second = pair.client().publish(later, expiring("2")).unwrap();
    let latest = later.saturating_add(Duration::from_secs(6));
    assert_eq!(pair.client().poll_transmit(latest, &mut Vec::new(), 100), 0);
    pair.reconnect();
    assert!(
        pair.client
            .seen
            .contains(&Seen::Dropped(second, DropReason::Expired))
    );
}

#[test]
fn the_offline_queue_is_bounded_too() {
    let options = Options::new().with_maximum_kept_messages(2);
    let mut session = Session::new();
    for n in 0..3 {
        let result = session.enqueue(Instant::ZERO, message("t", "x", QoS::AtLeastOnce), &options);
        assert_eq!(result.is_ok(), n < 2);
    }
    assert_eq!(session.queued(), 2);
}

/// What CONNACK newly rules out is not sent again either (MQTT-3.2.2-11, MQTT-3.2.2-14).
#[test]
fn the_new_features_hold_for_old_messages() {
    let setup = Setup {
        server: Options::new().with_manual_acknowledgement(true),
        ..Setup::persistent(Version::V5)
    };
    for (property, retain) in [
        (Property::MaximumQos(QoS::AtLeastOnce), false),
        (Property::RetainAvailable(false), true),
    ] {
        let mut pair = Pair::connected(setup.clone());
        let now = pair.now;
        let old = message("t", "old", QoS::ExactlyOnce).with_retain(retain);
        let handle = pair.client().publish(now, old).unwrap();
        publish(&mut pair, true, message("t", "other", QoS::AtLeastOnce));
        pair.drive();
        pair.cut();
        pair.clear();
        pair.setup.connack.push(property);
        pair.connect();
        pair.drive();
        assert!(pair.server().is_connected(), "{:?}", pair.server.closed);
        assert_eq!(payloads(&pair.server.seen), ["other"]);
        assert!(
            pair.client
                .seen
                .contains(&Seen::Dropped(handle, DropReason::NotSupported))
        );
    }
}

/// A clean start ends the old session when the server sees it, whether or not the client sees
/// CONNACK: what is left of it must not be taken for a part of the new one (MQTT-3.1.2-4 of 5.0,
/// MQTT-3.1.2-6 of 3.1.1).
#[test]
fn a_clean_start_whose_connack_is_lost_ends_the_old_session() {
    let mut pair = Pair::connected(Setup::persistent(Version::V5));
    // Both ways a message is delivered and its PUBREC lost.
    publish(&mut pair, true, message("t", "to server", QoS::ExactlyOnce));
    pair.to_client.budget = Some(0);
    pair.drive();
    assert_eq!(payloads(&pair.server.seen), ["to server"]);
    pair.to_client.budget = None;
    pair.to_server.budget = Some(0);
    publish(
        &mut pair,
        false,
        message("t", "to client", QoS::ExactlyOnce),
    );
    pair.drive();
    assert_eq!(payloads(&pair.client.seen), ["to client"]);
    pair.cut();
    pair.clear();
    pair.setup.clean_start = true;
    pair.connect();
    pair.to_client.budget = Some(0);
    pair.drive();
    assert!(pair.server().is_connected());
    pair.cut();
    pair.clear();
    pair.setup.clean_start = false;
    pair.connect();
    pair.drive();
    // New messages under the same identifiers.
    publish(&mut pair, false, message("t", "new", QoS::ExactlyOnce));
    pair.drive();
    assert_eq!(payloads(&pair.client.seen), ["new"]);
    assert_eq!(payloads(&pair.server.seen), Vec::<String>::new());
    assert!(
        pair.client
            .seen
            .iter()
            .any(|seen| matches!(seen, Seen::Dropped(_, DropReason::SessionLost)))
    );
}

/// A clean start that never arrives has ended nothing: the server still has the old session, and the
/// client must not take that for a new one. So it asks again.
#[test]
fn a_clean_start_that_is_lost_is_asked_for_again() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::persistent(version));
        // The first is taken and its PUBREC lost, so the server knows its identifier.
        publish(&mut pair, true, message("t", "old", QoS::ExactlyOnce));
        pair.to_client.budget = Some(0);
        pair.drive();
        pair.cut();
        pair.setup.clean_start = true;
        pair.connect();
        pair.to_server.budget = Some(0);
        pair.drive();
        pair.cut();
        pair.clear();
        pair.setup.clean_start = false;
        pair.connect();
        pair.drive();
        let asked = Seen::Connect {
            client_id: "client".into(),
            clean_start: true,
        };
        assert_eq!(pair.server.seen, [asked], "{version}");
        let last = pair.client.seen.pop();
        assert!(matches!(
            last,
            Some(Seen::Dropped(_, DropReason::SessionLost))
        ));
        for text in ["1", "2", "3", "4", "5"] {
            publish(&mut pair, true, message("t", text, QoS::ExactlyOnce));
        }
        pair.drive();
        let session = format!("{:?}", pair.server().session());
        assert!(session.contains("received: 0"), "{session}");
    }
}

/// What a server adds for one subscriber does not leave a client, whichever way it came into its
/// session (MQTT-3.3.4-6).
#[test]
fn a_client_never_sends_a_subscription_identifier() {
    let mut session = Session::new();
    let marked = message("t", "x", QoS::AtLeastOnce)
        .with_subscription_identifiers(&[7])
        .unwrap();
    let mut pair = Pair::new(Setup::new(Version::V5));
    session.enqueue(pair.now, marked, &Options::new()).unwrap();
    pair.client_session = Some(session);
    pair.connect();
    pair.drive();
    assert!(pair.server().is_connected(), "{:?}", pair.server.closed);
    assert_eq!(payloads(&pair.server.seen), ["x"]);
}

/// The first CONNACK is lost: the server has a session of which the client knows nothing but that
/// it may be there.
#[test]
fn the_link_cut_at_every_byte_of_the_opening() {
    for version in VERSIONS {
        for to_server in [true, false] {
            for bytes in 0..60 {
                let mut pair = Pair::new(Setup::persistent(version));
                pair.connect();
                publish(&mut pair, true, message("t", "1", QoS::ExactlyOnce));
                let wire = if to_server {
                    &mut pair.to_server
                } else {
                    &mut pair.to_client
                };
                wire.budget = Some(bytes);
                pair.drive();
                pair.reconnect();
                let what = format!("{version} to server {to_server} {bytes}");
                assert!(
                    pair.client().is_connected(),
                    "{what}: {:?}",
                    pair.client.closed
                );
                pair.drive();
                assert_eq!(payloads(&pair.server.seen), ["1"], "{what}");
            }
        }
    }
}

/// The quota holds back PUBLISH and nothing else (MQTT-3.3.4-8, MQTT-4.9.0-3).
#[test]
fn a_pubrel_does_not_wait_for_the_quota() {
    let setup = Setup {
        server: Options::new().with_manual_acknowledgement(true),
        ..Setup::persistent(Version::V5)
    };
    let mut pair = Pair::connected(setup);
    for (text, qos) in [
        ("open 1", QoS::AtLeastOnce),
        ("open 2", QoS::AtLeastOnce),
        ("released", QoS::ExactlyOnce),
    ] {
        publish(&mut pair, true, message("t", text, qos));
    }
    pair.drive();
    pair.to_server.budget = Some(0);
    // The peer, unlike ours, does not keep the order.
    pair.inject_to_client(&[0x50, 2, 0, 3]);
    pair.drive();
    pair.cut();
    pair.clear();
    pair.setup.server = pair.setup.server.with_receive_maximum(1);
    pair.connect();
    pair.drive();
    let sent = pair.packets(&pair.to_server.sent);
    assert!(sent[1].starts_with("PUBREL id=3"), "{sent:#?}");
    assert!(sent[2].starts_with("PUBLISH id=1 qos=1 dup"), "{sent:#?}");
    assert_eq!(pair.client().send_quota(), 0);
}

/// A clean session of 3.1.1 ends with its connection, even if a server should think otherwise.
#[test]
fn a_session_that_ended_is_not_resumed() {
    let mut pair = Pair::connected(Setup::new(Version::V311));
    publish(&mut pair, true, message("t", "old", QoS::ExactlyOnce));
    pair.to_server.budget = Some(0);
    pair.drive();
    pair.cut();
    pair.clear();
    pair.setup.clean_start = false;
    pair.stored = Some(Session::established());
    pair.connect();
    pair.drive();
    assert!(matches!(
        pair.client.seen[..],
        [
            Seen::Connack {
                session_present: true,
                ..
            },
            Seen::Dropped(_, DropReason::SessionLost)
        ]
    ));
    assert_eq!(payloads(&pair.server.seen), Vec::<String>::new());
}
