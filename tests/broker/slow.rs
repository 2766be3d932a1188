//! Clients that do not keep up: what they lose, what is told of it, and that nobody else notices.

use sansio_mqtt::*;

use crate::lasting;
use crate::limits::{ALL, V31};
use crate::net::{Net, QOS, message};
use crate::raw::{Raw, id, publish};

/// A broker in which a client that reads nothing has room for three messages.
fn net(policy: SlowConsumer, queue: QueuePolicy) -> Net {
    let connection = V31.with_maximum_kept_messages(3).with_queue_policy(queue);
    let options = BrokerOptions::new().with_connection(connection);
    Net::new(options.with_slow_consumer(policy).with_drop_events(true))
}

fn lost(net: &mut Net) -> Vec<String> {
    let mut lost = Vec::new();
    while let Some(event) = net.broker.poll_event() {
        let BrokerEvent::Dropped {
            client_id,
            message,
            reason,
            ..
        } = event
        else {
            panic!("{event:?}");
        };
        assert_eq!(reason, DropReason::QueueFull);
        let text = message.map_or(String::new(), |message| {
            String::from_utf8_lossy(message.payload()).into_owned()
        });
        lost.push(format!("{client_id} {text}"));
    }
    lost
}

fn copies(texts: &[&str]) -> Vec<String> {
    let copy = |text: &&str| format!("PUBLISH a {text} q1 r0");
    texts.iter().map(copy).collect()
}

#[test]
fn a_slow_client_is_disconnected_and_knows_that_it_lacks_something() {
    for version in ALL {
        let what = format!("{version}");
        let mut net = net(SlowConsumer::Disconnect, QueuePolicy::Reject);
        let (slow, _) = Raw::connect(&mut net, &lasting(version, "slow"));
        let watch = Raw::join(&mut net, version, "watch");
        for raw in [&slow, &watch] {
            raw.subscribe(&mut net, "a", QoS::AtLeastOnce);
        }
        let mut heard = Vec::new();
        for text in ["1", "2", "3", "4", "5"] {
            net.broker.publish(net.now, &message("a", text, QOS[1]));
            let said = watch.heard(&mut net);
            let ack = u16::try_from(heard.len() + 1).unwrap();
            watch.send(&mut net, &[Packet::Puback(Ack::new(id(ack)))]);
            heard.extend(said);
            if text == "3" {
                // Of QoS 0 it loses what does not fit, and stays.
                net.broker.publish(net.now, &message("a", "0", QOS[0]));
                assert_eq!(lost(&mut net), ["slow 0"], "{what}");
                assert_eq!(watch.heard(&mut net), ["PUBLISH a 0 q0 r0"], "{what}");
                assert!(net.broker.connection("slow").is_some(), "{what}");
            }
        }
        assert_eq!(heard, copies(&["1", "2", "3", "4", "5"]), "{what}");
        // The second one it loses as one that is away.
        assert_eq!(lost(&mut net), ["slow 4", "slow 5"], "{what}");
        let said = slow.heard(&mut net);
        match version {
            Version::V5 => assert_eq!(said, ["DISCONNECT 97", "closed"], "{what}"),
            _ => assert_eq!(said, ["closed"], "{what}"),
        }
        // What waited stays in its session.
        let (slow, said) = Raw::connect(&mut net, &lasting(version, "slow"));
        assert_eq!(said[1..], copies(&["1", "2", "3"]), "{what}");
        let acks = [1, 2, 3].map(|number| Packet::Puback(Ack::new(id(number))));
        slow.send(&mut net, &acks);
        net.broker.publish(net.now, &message("a", "6", QOS[1]));
        assert_eq!(slow.heard(&mut net), copies(&["6"]), "{what}");
        assert_eq!(net.broker.counters().messages_dropped, 3, "{what}");
    }
}

#[test]
fn a_slow_client_loses_messages_and_stays() {
    for version in ALL {
        let what = format!("{version}");
        let mut net = net(SlowConsumer::Drop, QueuePolicy::Reject);
        let (slow, watch) = (
            Raw::join(&mut net, version, "slow"),
            Raw::join(&mut net, version, "watch"),
        );
        slow.subscribe(&mut net, "a", QoS::AtLeastOnce);
        watch.subscribe(&mut net, "a", QoS::AtMostOnce);
        for text in ["1", "2", "3", "4", "5"] {
            net.broker.publish(net.now, &message("a", text, QOS[1]));
            let said = watch.heard(&mut net);
            assert_eq!(said, [format!("PUBLISH a {text} q0 r0")], "{what}");
        }
        assert_eq!(lost(&mut net), ["slow 4", "slow 5"], "{what}");
        assert_eq!(slow.heard(&mut net), copies(&["1", "2", "3"]), "{what}");
        slow.send(&mut net, &[Packet::Puback(Ack::new(id(1)))]);
        net.broker.publish(net.now, &message("a", "6", QOS[1]));
        assert_eq!(slow.heard(&mut net), copies(&["6"]), "{what}");
        assert_eq!(net.broker.counters().messages_dropped, 2, "{what}");
    }
}

/// Older ones make room, of those that are not sent yet; the order of the others stays.
#[test]
fn what_makes_room_is_what_was_asked_for() {
    for policy in [QueuePolicy::DropOldest, QueuePolicy::DropQos0First] {
        for is_away in [false, true] {
            let what = format!("{policy:?} {is_away}");
            let mut net = net(SlowConsumer::Drop, policy);
            let connect = lasting(Version::V5, "slow");
            let (mut slow, _) = Raw::connect(&mut net, &connect);
            slow.subscribe(&mut net, "a", QoS::AtLeastOnce);
            if is_away {
                slow.leave(&mut net);
            }
            for (text, qos) in [("1", 1), ("2", 0), ("3", 1), ("4", 1), ("5", 1), ("6", 1)] {
                net.broker.publish(net.now, &message("a", text, QOS[qos]));
            }
            let mut said = Vec::new();
            if is_away {
                let (back, mut heard) = Raw::connect(&mut net, &connect);
                heard.remove(0);
                (slow, said) = (back, heard);
            }
            said.extend(slow.heard(&mut net));
            // One of QoS 0 does not wait for who is away.
            let expected = match policy {
                QueuePolicy::DropOldest => copies(&["4", "5", "6"]),
                _ => copies(&["1", "3", "4"]),
            };
            assert_eq!(said, expected, "{what}");
            let dropped = if is_away { 2 } else { 3 };
            assert_eq!(net.broker.counters().messages_dropped, dropped, "{what}");
            assert_eq!(lost(&mut net).len() as u64, dropped, "{what}");
        }
    }
}

/// The will of a client that is disconnected goes round, and who is slow in turn does not get it.
#[test]
fn a_slow_client_has_a_will() {
    let mut net = net(SlowConsumer::Disconnect, QueuePolicy::Reject);
    let with_will = |name| Connect {
        will: Some(Will {
            topic: "a",
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Properties::EMPTY,
        }),
        ..Connect::new(Version::V5, name)
    };
    let slow: Vec<Raw> = ["ada", "bob", "eve"]
        .map(|name| Raw::connect(&mut net, &with_will(name)).0)
        .into();
    for raw in &slow {
        raw.subscribe(&mut net, "a", QoS::AtLeastOnce);
    }
    let watch = Raw::join(&mut net, Version::V5, "watch");
    watch.subscribe(&mut net, "a", QoS::AtMostOnce);
    for text in ["1", "2", "3", "4"] {
        net.broker.publish(net.now, &message("a", text, QOS[1]));
    }
    let mut said = watch.heard(&mut net);
    // It has room for so many itself, and loses what comes behind.
    assert_eq!(said.len(), 3);
    said.retain(|one| one.contains("gone"));
    assert_eq!(said.len(), 0);
    for raw in &slow {
        assert_eq!(raw.heard(&mut net), ["DISCONNECT 97", "closed"]);
    }
    assert_eq!(net.broker.counters().connected, 1);
    assert_eq!(
        lost(&mut net)
            .iter()
            .filter(|one| one.ends_with("gone"))
            .count(),
        3
    );
}

/// Who publishes to himself faster than he reads.
#[test]
fn a_publisher_may_be_the_slow_one() {
    let mut net = net(SlowConsumer::Disconnect, QueuePolicy::Reject);
    let ada = net.join_with(&lasting(Version::V5, "ada"));
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.peers[ada].is_deaf = true;
    for text in ["1", "2", "3", "4", "5"] {
        let client = &mut net.peers[ada].client;
        client.publish(net.now, message("a", text, QOS[1])).unwrap();
    }
    net.run();
    assert!(net.broker.connection("ada").is_none());
    // The fourth was published, though it was one too many for its own queue; the fifth was not looked at any more.
    assert_eq!(lost(&mut net), ["ada 4"]);
    let ada = net.rejoin(ada, &lasting(Version::V5, "ada"));
    let mut got = net.texts(ada);
    got.truncate(3);
    assert_eq!(got, ["1", "2", "3"]);
    let bob = Raw::join(&mut net, Version::V5, "bob");
    assert_eq!(
        bob.publish(&mut net, publish("b", "x", QOS[1])),
        ["PUBACK 10"]
    );
}

/// A message of a Shared Subscription is nobody's own: that no member has room ends no connection, and is told.
#[test]
fn a_group_that_is_slow_loses_messages_and_no_members() {
    let mut net = net(SlowConsumer::Disconnect, QueuePolicy::Reject);
    let members = ["ada", "bob"].map(|name| {
        let raw = Raw::join(&mut net, Version::V5, name);
        raw.subscribe(&mut net, "$share/g/a", QoS::AtLeastOnce);
        raw
    });
    let texts: Vec<String> = (0..8).map(|at| at.to_string()).collect();
    for text in &texts {
        let message = message("a", text, QOS[1]);
        assert_eq!(net.broker.publish(net.now, &message), 1);
    }
    let lost = lost(&mut net);
    assert_eq!(lost.len(), 2);
    assert!(
        lost[0].ends_with(" 6") && lost[1].ends_with(" 7"),
        "{lost:?}"
    );
    let mut said: Vec<String> = Vec::new();
    for member in &members {
        let heard = member.heard(&mut net);
        assert_eq!(heard.len(), 3);
        said.extend(heard);
    }
    said.sort();
    let texts: Vec<&str> = texts[..6].iter().map(String::as_str).collect();
    assert_eq!(said, copies(&texts));
    // Who has room again is asked again.
    members[1].send(&mut net, &[Packet::Puback(Ack::new(id(1)))]);
    net.broker.publish(net.now, &message("a", "8", QOS[1]));
    assert_eq!(members[1].heard(&mut net), copies(&["8"]));
    assert_eq!(net.broker.counters().connected, 2);
}
