//! The bounds of what all clients have together, and of sessions: to the edge, one beyond, and what makes room again.

use sansio_mqtt::*;

use crate::net::{Net, QOS, message};
use crate::raw::{Raw, id, publish};
use crate::{SECOND, lasting};

pub(crate) const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

pub(crate) const V31: Options = Options::new().with_accept_v31(true);

fn net(options: BrokerOptions) -> Net {
    Net::new(options.with_connection(V31))
}

#[test]
fn connections_are_counted_until_they_are_forgotten() {
    for version in ALL {
        let mut net = net(BrokerOptions::new().with_maximum_connections(2));
        let ada = Raw::join(&mut net, version, "ada");
        let bob = Raw::join(&mut net, version, "bob");
        for _ in 0..2 {
            let (_, said) = Raw::connect(&mut net, &Connect::new(version, "eve"));
            let expected = match version {
                Version::V5 => "CONNACK 89",
                _ => "CONNACK 03",
            };
            assert_eq!(said, [expected, "closed"], "{version}");
        }
        bob.leave(&mut net);
        // One that says nothing counts.
        let silent = Raw::new(&mut net, version);
        let (_, said) = Raw::connect(&mut net, &Connect::new(version, "eve"));
        assert_eq!(said.len(), 2, "{version}");
        net.broker.disconnected(silent.id, net.now);
        let eve = Raw::join(&mut net, version, "eve");
        for raw in [ada, eve] {
            assert_eq!(raw.send(&mut net, &[Packet::Pingreq]), ["PINGRESP"]);
        }
    }
}

#[test]
fn sessions_are_counted_with_those_that_are_away() {
    for version in ALL {
        let what = format!("{version}");
        let mut net = net(BrokerOptions::new().with_maximum_sessions(2));
        for name in ["ada", "bob"] {
            let (raw, said) = Raw::connect(&mut net, &lasting(version, name));
            assert_eq!(said, ["CONNACK 00"], "{what}");
            raw.leave(&mut net);
        }
        let refused = match version {
            Version::V5 => "CONNACK 97",
            _ => "CONNACK 03",
        };
        for connect in [Connect::new(version, "eve"), lasting(version, "eve")] {
            let (_, said) = Raw::connect(&mut net, &connect);
            assert_eq!(said, [refused, "closed"], "{what}");
        }
        // Who has one needs no other: to go on, and to begin anew.
        let present = match version {
            Version::V31 => "CONNACK 00",
            _ => "CONNACK 00 present",
        };
        let (ada, said) = Raw::connect(&mut net, &lasting(version, "ada"));
        assert_eq!(said, [present], "{what}");
        ada.leave(&mut net);
        // And a clean one ends with its connection.
        let ada = Raw::join(&mut net, version, "ada");
        ada.leave(&mut net);
        let eve = Raw::join(&mut net, version, "eve");
        let (_, said) = Raw::connect(&mut net, &Connect::new(version, "joe"));
        assert_eq!(said, [refused, "closed"], "{what}");
        eve.leave(&mut net);
        let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
        assert!(net.broker.end_session("bob", net.now, &disconnect));
        for name in ["joe", "eve"] {
            Raw::join(&mut net, version, name);
        }
        let (_, said) = Raw::connect(&mut net, &Connect::new(version, "bob"));
        assert_eq!(said, [refused, "closed"], "{what}");
    }
}

#[test]
fn a_session_whose_time_has_passed_makes_room() {
    let options = BrokerOptions::new().with_maximum_session_expiry(10);
    for version in ALL {
        let mut net = net(options.clone().with_maximum_sessions(1));
        let (ada, _) = Raw::connect(&mut net, &lasting(version, "ada"));
        ada.leave(&mut net);
        net.advance(9 * SECOND);
        let (_, said) = Raw::connect(&mut net, &Connect::new(version, "bob"));
        assert_eq!(said.len(), 2, "{version}");
        net.advance(SECOND);
        Raw::join(&mut net, version, "bob");
    }
}

#[test]
fn the_longest_that_a_session_lasts_is_told_and_kept() {
    let ten = BrokerOptions::new().with_maximum_session_expiry(10);
    for (asked, is_told) in [(9, false), (10, false), (11, true), (u32::MAX, true)] {
        let mut net = net(ten.clone());
        let properties = [Property::SessionExpiryInterval(asked)];
        let connect = Connect {
            clean_start: false,
            properties: Properties::from(&properties),
            ..Connect::new(Version::V5, "ada")
        };
        let ada = net.join_with(&connect);
        let told = &net.peers[ada].connack.as_ref().unwrap().2;
        let is = told.iter().any(|one| one == "SessionExpiryInterval(10)");
        assert_eq!(is, is_told, "{asked}: {told:?}");
        // Nor can DISCONNECT make it longer.
        let longer = [Property::SessionExpiryInterval(1_000)];
        net.leave_with(
            ada,
            &Disconnect {
                properties: Properties::from(&longer),
                ..Disconnect::new(ReasonCode::Success)
            },
        );
        net.advance(9 * SECOND);
        assert_eq!(net.broker.counters().sessions, 1, "{asked}");
        net.advance(SECOND);
        assert_eq!(net.broker.counters().sessions, 0, "{asked}");
    }
}

#[test]
fn subscriptions_of_one_client_are_counted() {
    for version in ALL {
        let what = format!("{version}");
        let mut net = net(BrokerOptions::new().with_maximum_client_subscriptions(2));
        let (ada, _) = Raw::connect(&mut net, &lasting(version, "ada"));
        for filter in ["a", "b"] {
            let said = ada.subscribe(&mut net, filter, QoS::AtLeastOnce);
            assert_eq!(said, ["SUBACK 01"], "{what}");
        }
        let refused = match version {
            Version::V31 => "SUBACK 00",
            Version::V311 => "SUBACK 80",
            _ => "SUBACK 97",
        };
        let said = ada.subscribe(&mut net, "c", QoS::AtLeastOnce);
        assert_eq!(said, [refused], "{what}");
        // One that is there can be made anew.
        let said = ada.subscribe(&mut net, "b", QoS::ExactlyOnce);
        assert_eq!(said, ["SUBACK 02"], "{what}");
        // Within one packet, each by itself.
        let filters = ["a", "c", "b"].map(|filter| Subscription::new(filter, QOS[1]));
        let said = ada.send(&mut net, &[Subscribe::new(id(3), &filters[..]).into()]);
        let code = &refused[7..];
        assert_eq!(said, [format!("SUBACK 01 {code} 01")], "{what}");
        // Another client has its own.
        let bob = Raw::join(&mut net, version, "bob");
        assert_eq!(bob.subscribe(&mut net, "c", QOS[1]), ["SUBACK 01"]);
        let said = bob.publish(&mut net, publish("c", "x", QOS[0]));
        assert_eq!(said, ["PUBLISH c x q0 r0"], "{what}");
        assert_eq!(ada.heard(&mut net), [""; 0], "{what}");
        // They are those of the session, not of the connection.
        ada.leave(&mut net);
        let (ada, _) = Raw::connect(&mut net, &lasting(version, "ada"));
        assert_eq!(ada.subscribe(&mut net, "c", QOS[1]), [refused], "{what}");
        // Unsubscribing what there is not makes no room, what there is does.
        for (filter, expected) in [("x", refused), ("a", "SUBACK 01")] {
            let filters = [filter];
            ada.send(&mut net, &[Unsubscribe::new(id(4), &filters[..]).into()]);
            assert_eq!(ada.subscribe(&mut net, "c", QOS[1]), [expected], "{what}");
        }
        let b = TopicFilter::new(Version::V311, "b").unwrap();
        assert!(net.broker.unsubscribe("ada", &b));
        assert!(!net.broker.unsubscribe("ada", &b));
        for (filter, expected) in [("d", "SUBACK 01"), ("e", refused)] {
            assert_eq!(ada.subscribe(&mut net, filter, QOS[1]), [expected]);
        }
    }
}

#[test]
fn subscriptions_of_all_clients_are_counted_and_their_levels() {
    for version in ALL {
        let index = IndexOptions::new().with_maximum_subscriptions(2);
        let mut net = net(BrokerOptions::new().with_index(index.with_maximum_levels(3)));
        let ada = Raw::join(&mut net, version, "ada");
        let bob = Raw::join(&mut net, version, "bob");
        let (full, deep) = match version {
            Version::V31 => ("SUBACK 00", "SUBACK 00"),
            Version::V311 => ("SUBACK 80", "SUBACK 80"),
            _ => ("SUBACK 97", "SUBACK 8f"),
        };
        assert_eq!(ada.subscribe(&mut net, "a/b/c", QOS[1]), ["SUBACK 01"]);
        assert_eq!(ada.subscribe(&mut net, "a/b/c/d", QOS[1]), [deep]);
        assert_eq!(bob.subscribe(&mut net, "b", QOS[1]), ["SUBACK 01"]);
        assert_eq!(bob.subscribe(&mut net, "c", QOS[1]), [full]);
        ada.leave(&mut net);
        assert_eq!(bob.subscribe(&mut net, "c", QOS[1]), ["SUBACK 01"]);
        assert_eq!(bob.subscribe(&mut net, "d", QOS[1]), [full]);
    }
}

/// Who can be told is told, and the message goes to nobody; else it goes to the subscribers and is not retained.
#[test]
fn retained_messages_are_counted_and_their_bytes_and_levels() {
    // Of topic, payload and the name of who published it.
    let size = 14;
    for version in ALL {
        for qos in QOS {
            for by_bytes in [false, true] {
                let what = format!("{version} {qos} {by_bytes}");
                let bounds = match by_bytes {
                    false => RetainedOptions::new().with_maximum_topics(2),
                    true => RetainedOptions::new().with_maximum_bytes(2 * size),
                };
                let options = BrokerOptions::new().with_retained(bounds.with_maximum_levels(2));
                let mut net = net(options.with_drop_events(true));
                let watch = Raw::join(&mut net, Version::V311, "watch");
                watch.subscribe(&mut net, "#", QoS::AtMostOnce);
                let ada = Raw::join(&mut net, version, "ada");
                let is_told = version == Version::V5 && qos > QoS::AtMostOnce;
                let say = |net: &mut Net, topic: &str, text: &str| -> (String, usize) {
                    let packet = Publish {
                        retain: true,
                        ..publish(topic, text, qos)
                    };
                    let said = ada.publish(net, packet).pop().unwrap_or_default();
                    if qos == QoS::ExactlyOnce && said.ends_with("00") {
                        ada.send(net, &[Packet::Pubrel(Ack::new(id(1)))]);
                    }
                    (said, watch.heard(net).len())
                };
                let ack = |code: &str| match qos {
                    QoS::AtMostOnce => String::new(),
                    QoS::AtLeastOnce => format!("PUBACK {code}"),
                    QoS::ExactlyOnce => format!("PUBREC {code}"),
                };
                let text = "0123456789";
                assert_eq!(say(&mut net, "a", text), (ack("00"), 1), "{what}");
                assert_eq!(say(&mut net, "b", text), (ack("00"), 1), "{what}");
                let (full, deep) = match is_told {
                    true => (ack("97"), ack("90")),
                    false => (ack("00"), ack("00")),
                };
                let reached = usize::from(!is_told);
                assert_eq!(say(&mut net, "c", text), (full, reached), "{what}");
                let event = net.broker.poll_event();
                let Some(BrokerEvent::NotRetained { message, reason }) = event else {
                    panic!("{event:?}");
                };
                assert_eq!((message.topic(), reason), ("c", IndexError::Full), "{what}");
                assert_eq!(net.broker.counters().messages_not_retained, 1, "{what}");
                // In place of one that is there.
                assert_eq!(say(&mut net, "b", text), (ack("00"), 1), "{what}");
                // One that is cleared makes room.
                assert_eq!(say(&mut net, "a", ""), (ack("00"), 1), "{what}");
                assert_eq!(say(&mut net, "x/y/z", "").1, 1, "{what}");
                assert_eq!(say(&mut net, "x/y/z", "1"), (deep, reached), "{what}");
                assert_eq!(say(&mut net, "c", text), (ack("00"), 1), "{what}");
                assert_eq!(net.broker.counters().retained_messages, 2, "{what}");
                let late = Raw::join(&mut net, Version::V311, "late");
                let said = late.subscribe(&mut net, "#", QoS::AtMostOnce);
                let mut said: Vec<_> = said.iter().map(|one| &one[..9]).collect();
                said.sort_unstable();
                assert_eq!(said, ["PUBLISH b", "PUBLISH c", "SUBACK 00"], "{what}");
            }
        }
    }
}

/// The queue of a client that is away, by number and by bytes: to the last one, and no further.
#[test]
fn a_queue_takes_so_many_messages_and_so_many_bytes() {
    // Of topic and payload.
    let size = 2;
    for version in ALL {
        for by_bytes in [false, true] {
            let what = format!("{version} {by_bytes}");
            let options = match by_bytes {
                false => V31.with_maximum_kept_messages(3),
                true => V31.with_maximum_kept_bytes(3 * size),
            };
            let options = BrokerOptions::new().with_connection(options);
            let mut net = Net::new(options.with_drop_events(true));
            let (ada, _) = Raw::connect(&mut net, &lasting(version, "ada"));
            ada.subscribe(&mut net, "a", QoS::AtLeastOnce);
            ada.leave(&mut net);
            for text in ["1", "2", "3", "4"] {
                net.broker.publish(net.now, &message("a", text, QOS[1]));
            }
            let event = net.broker.poll_event();
            let Some(BrokerEvent::Dropped {
                client_id,
                message: Some(lost),
                reason: DropReason::QueueFull,
                ..
            }) = event
            else {
                panic!("{event:?}");
            };
            assert_eq!((&*client_id, lost.payload()), ("ada", &b"4"[..]), "{what}");
            assert!(net.broker.poll_event().is_none(), "{what}");
            let (ada, said) = Raw::connect(&mut net, &lasting(version, "ada"));
            let texts = ["1", "2", "3"].map(|text| format!("PUBLISH a {text} q1 r0"));
            assert_eq!(said[1..], texts, "{what}");
            // What is acknowledged makes room.
            ada.send(&mut net, &[Packet::Puback(Ack::new(id(2)))]);
            ada.leave(&mut net);
            for text in ["5", "6"] {
                net.broker.publish(net.now, &message("a", text, QOS[1]));
            }
            let (_, said) = Raw::connect(&mut net, &lasting(version, "ada"));
            let texts = ["1", "3", "5"].map(|text| format!("PUBLISH a {text} q1 r0"));
            assert_eq!(said[1..], texts, "{what}");
            assert_eq!(net.broker.counters().messages_dropped, 2, "{what}");
        }
    }
}

/// While events wait that nobody takes, no more input is taken, and nothing of it is lost.
#[test]
fn events_that_wait_hold_the_input_up() {
    let options = BrokerOptions::new().with_bridge_events(true);
    let mut net = Net::new(options.with_maximum_events(2));
    let ada = net.join(Version::V5, "ada");
    for text in ["1", "2", "3"] {
        let client = &mut net.peers[ada].client;
        client.publish(net.now, message("a", text, QOS[1])).unwrap();
    }
    net.run();
    assert_eq!(net.peers[ada].acks.len(), 2);
    assert!(!net.broker.wants_input(net.peers[ada].id));
    assert!(net.broker.poll_event().is_some());
    assert!(net.broker.wants_input(net.peers[ada].id));
    net.run();
    assert_eq!(net.peers[ada].acks.len(), 3);
}

/// What was counted before a restart counts behind it, and a broker that came back leaves as much to the next one.
#[test]
fn subscriptions_are_counted_through_restarts() {
    let options = BrokerOptions::new().with_records(true);
    let mut net = net(options.with_maximum_client_subscriptions(2));
    let connect = lasting(Version::V5, "ada");
    let (ada, _) = Raw::connect(&mut net, &connect);
    for (filter, expected) in [("a", "SUBACK 01"), ("b", "SUBACK 01"), ("c", "SUBACK 97")] {
        assert_eq!(ada.subscribe(&mut net, filter, QOS[1]), [expected]);
    }
    for (goes, comes) in [("a", "c"), ("b", "d"), ("c", "e")] {
        // All that is left of the older one is a snapshot.
        let mut snapshot = Vec::new();
        net.broker.snapshot(|record| snapshot.push(record));
        net.records = snapshot;
        net.restart();
        let (ada, said) = Raw::connect(&mut net, &connect);
        assert_eq!(said, ["CONNACK 00 present"]);
        assert_eq!(ada.subscribe(&mut net, comes, QOS[1]), ["SUBACK 97"]);
        let filters = [goes];
        let said = ada.send(&mut net, &[Unsubscribe::new(id(4), &filters[..]).into()]);
        assert_eq!(said, ["UNSUBACK 00"]);
        // That is in the records of the one that came back.
        net.restart();
        let (ada, _) = Raw::connect(&mut net, &connect);
        assert_eq!(ada.subscribe(&mut net, comes, QOS[1]), ["SUBACK 01"]);
        assert_eq!(ada.subscribe(&mut net, "z", QOS[1]), ["SUBACK 97"]);
    }
}
