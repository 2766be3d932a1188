//! The broker that stops, and the one that sends its clients elsewhere.

use sansio_mqtt::*;

use crate::limits::{ALL, V31};
use crate::net::{Net, QOS, message};
use crate::questions::desk;
use crate::raw::{Raw, publish};
use crate::{SECOND, lasting};

fn net() -> Net {
    Net::new(BrokerOptions::new().with_connection(V31))
}

const STOP: Disconnect<'_> = Disconnect::new(ReasonCode::ServerShuttingDown);

fn will<'a>(delay: &'a [Property<'a>]) -> Option<Will<'a>> {
    Some(Will {
        topic: "will",
        payload: b"gone",
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Properties::from(delay),
    })
}

#[test]
fn everybody_is_told_where_there_is_a_word_and_nobody_comes_in_any_more() {
    let mut net = net();
    let silent = Raw::new(&mut net, Version::V5);
    let clients: Vec<(Version, Raw)> = ALL
        .into_iter()
        .map(|version| {
            let name = format!("ada {version}");
            let (raw, _) = Raw::connect(&mut net, &lasting(version, &name));
            raw.subscribe(&mut net, "a", QoS::AtLeastOnce);
            (version, raw)
        })
        .collect();
    net.broker.publish(net.now, &message("a", "x", QOS[1]));
    net.broker.shut_down(net.now, &STOP);
    for (version, raw) in &clients {
        let said = raw.heard(&mut net);
        match version {
            Version::V5 => assert_eq!(said, ["DISCONNECT 8b", "closed"]),
            _ => assert_eq!(said, ["closed"], "{version}"),
        }
    }
    assert_eq!(silent.heard(&mut net), ["closed"]);
    let counters = net.broker.counters();
    assert_eq!((counters.connections, counters.connected), (0, 0));
    assert_eq!(net.broker.poll_ready(), None);
    assert_eq!(net.broker.poll_timeout(), None);
    // The sessions are there, and what waits in them.
    assert_eq!(counters.sessions, 3);
    for (version, _) in &clients {
        let session = net.broker.session(&format!("ada {version}")).unwrap();
        assert_eq!(session.queued(), 1);
        let (_, said) = Raw::connect(&mut net, &Connect::new(*version, "eve"));
        let refused = match version {
            Version::V5 => "CONNACK 88",
            _ => "CONNACK 03",
        };
        assert_eq!(said, [refused, "closed"]);
    }
    // Again makes no difference.
    net.broker.shut_down(net.now, &STOP);
    assert_eq!(net.broker.counters().connections, 0);
}

/// What was said before is said, and what waited is not: it stays for the next connection.
#[test]
fn answers_leave_before_disconnect() {
    let mut net = net();
    let ada = Raw::join(&mut net, Version::V5, "ada");
    ada.subscribe(&mut net, "a", QoS::AtLeastOnce);
    let mut bytes = Vec::new();
    let packet = Packet::from(publish("a", "x", QoS::AtLeastOnce));
    packet.encode(Version::V5, &mut bytes).unwrap();
    assert!(
        net.broker
            .receive(ada.id, net.now, &mut &bytes[..])
            .is_none()
    );
    net.broker.shut_down(net.now, &STOP);
    let said = ada.heard(&mut net);
    assert_eq!(said, ["PUBACK 00", "DISCONNECT 8b", "closed"]);
}

/// Questions that are open are answered by it.
#[test]
fn who_waits_for_an_answer_is_told_too() {
    let (mut net, desk) = desk(BrokerOptions::new());
    let bob = net.join(Version::V5, "bob");
    desk.holds.set(true);
    let ada = net.join(Version::V5, "ada");
    net.publish(bob, message("a", "x", QOS[1]));
    net.broker.shut_down(net.now, &STOP);
    net.run();
    let connack = net.peers[ada].connack.as_ref().map(|one| one.0);
    assert_eq!(connack, Some(ReasonCode::ServerUnavailable));
    let told = Some(ReasonCode::ServerShuttingDown);
    assert_eq!(net.peers[bob].disconnect, told);
    for _ in 0..2 {
        let error = net
            .broker
            .answer_publish(desk.take(), net.now, Verdict::Allow);
        assert_eq!(error.unwrap_err().reason, AnswerErrorReason::Stale);
    }
}

/// A will is due as after any other end, be its delay over before the restart, behind it, or never: once.
#[test]
fn wills_are_not_lost_with_the_broker() {
    for (delay, is_back) in [(0, false), (20, false), (20, true)] {
        for is_shut_down in [true, false] {
            let what = format!("{delay} {is_back} {is_shut_down}");
            let mut net = Net::new(BrokerOptions::new().with_records(true));
            let watch = lasting(Version::V5, "watch");
            let (raw, _) = Raw::connect(&mut net, &watch);
            raw.subscribe(&mut net, "will", QoS::AtLeastOnce);
            raw.leave(&mut net);
            let delay = [Property::WillDelayInterval(delay)];
            let ada = Connect {
                will: will(&delay),
                ..lasting(Version::V5, "ada")
            };
            let (raw, _) = Raw::connect(&mut net, &ada);
            if is_shut_down {
                net.broker.shut_down(net.now, &STOP);
                assert_eq!(raw.heard(&mut net), ["DISCONNECT 8b", "closed"]);
            }
            net.restart();
            net.advance(19 * SECOND);
            if is_back {
                let (raw, said) = Raw::connect(&mut net, &lasting(Version::V5, "ada"));
                assert_eq!(said, ["CONNACK 00 present"]);
                raw.leave(&mut net);
            }
            net.advance(SECOND);
            net.restart();
            net.advance(100 * SECOND);
            let (_, said) = Raw::connect(&mut net, &watch);
            let gone: &[&str] = match is_back {
                true => &[],
                false => &["PUBLISH will gone q1 r0"],
            };
            assert_eq!(said[1..], *gone, "{what}");
        }
    }
}

/// 5.0 §4.11: whoever is there, and whoever comes.
#[test]
fn clients_are_sent_to_another_server() {
    for reason in [ReasonCode::UseAnotherServer, ReasonCode::ServerMoved] {
        let mut net = net();
        let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
        let old = net.join(Version::V311, "old");
        let properties = [Property::ServerReference("b.example:1883")];
        let elsewhere = Disconnect {
            properties: Properties::from(&properties),
            ..Disconnect::new(reason)
        };
        let id = net.peers[ada].id;
        net.broker.disconnect(id, net.now, &elsewhere);
        net.run();
        let reference = |net: &Net, peer: usize| net.peers[peer].server_reference.clone();
        let there = Some("b.example:1883".to_owned());
        assert_eq!(net.peers[ada].disconnect, Some(reason));
        assert_eq!(reference(&net, ada), there);
        // It is the only one, and may come again.
        assert_eq!(net.peers[bob].disconnect, None);
        let ada = net.join(Version::V5, "ada");
        assert_eq!(
            net.peers[ada].connack.as_ref().unwrap().0,
            ReasonCode::Success
        );

        net.broker.shut_down(net.now, &elsewhere);
        net.run();
        assert_eq!(net.peers[bob].disconnect, Some(reason));
        assert_eq!(reference(&net, bob), there);
        assert!(net.peers[old].is_cut);
        let late = net.join(Version::V5, "late");
        assert_eq!(net.peers[late].connack.as_ref().unwrap().0, reason);
        assert_eq!(reference(&net, late), there);
        // Before 5.0 no code says so.
        let (_, said) = Raw::connect(&mut net, &Connect::new(Version::V311, "old"));
        assert_eq!(said, ["closed"]);
    }
}

/// As the answer to CONNECT.
#[test]
fn a_client_is_sent_to_another_server_at_the_door() {
    let (mut net, desk) = desk(BrokerOptions::new());
    desk.holds.set(true);
    let ada = net.join(Version::V5, "ada");
    let properties = [Property::ServerReference("b.example")];
    let connack = Connack {
        properties: Properties::from(&properties),
        ..Connack::new(ReasonCode::UseAnotherServer)
    };
    net.broker.refuse(desk.take(), net.now, &connack).unwrap();
    net.run();
    let peer = &net.peers[ada];
    let told = peer.connack.as_ref().map(|one| one.0);
    assert_eq!(told, Some(ReasonCode::UseAnotherServer));
    assert_eq!(peer.server_reference.as_deref(), Some("b.example"));
    assert_eq!(net.broker.counters().sessions, 0);
}
