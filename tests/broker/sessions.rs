//! How sessions begin, go on, move to a newer connection, and end.

use sansio_mqtt::*;

use crate::net::{Net, QOS, message, retained};
use crate::raw::{Raw, id, publish};
use crate::{SECOND, VERSIONS, lasting, net};

#[test]
fn a_resumed_session_has_its_subscriptions_already() {
    let mut net = net();
    let ada = net.join_with(&lasting(Version::V5, "ada"));
    let subscription = Subscription {
        filter: "a",
        options: SubscriptionOptions {
            retain_handling: RetainHandling::SendIfNew,
            ..SubscriptionOptions::new(QoS::AtLeastOnce)
        },
    };
    net.subscribe(ada, &[subscription]);
    let bob = net.join(Version::V5, "bob");
    let ada = net.rejoin(ada, &lasting(Version::V5, "ada"));
    assert!(net.peers[ada].connack.as_ref().unwrap().1);
    net.publish(bob, retained("a", "kept", QoS::AtLeastOnce));
    assert_eq!(net.texts(ada), ["kept"]);
    net.subscribe(ada, &[subscription]);
    assert_eq!(net.texts(ada), [""; 0]);
}

#[test]
fn a_client_that_is_away_gets_what_it_missed() {
    for version in VERSIONS {
        let mut net = net();
        let ada = net.join_with(&lasting(version, "ada"));
        net.subscribe(ada, &[Subscription::new("a/#", QoS::ExactlyOnce)]);
        net.leave(ada);
        let bob = net.join(Version::V5, "bob");
        for (at, qos) in QOS.into_iter().enumerate() {
            net.publish(bob, message("a/b", &at.to_string(), qos));
        }
        let ada = net.rejoin(ada, &lasting(version, "ada"));
        assert!(net.peers[ada].connack.as_ref().unwrap().1);
        assert_eq!(net.texts(ada), ["1", "2"]);
        // A clean start has none of it, and leaves nothing behind.
        net.leave(ada);
        net.publish(bob, message("a/b", "x", QoS::AtLeastOnce));
        let ada = net.join(version, "ada");
        assert!(!net.peers[ada].connack.as_ref().unwrap().1);
        assert_eq!(net.broker.counters().subscriptions, 0);
        assert_eq!(net.texts(ada), [""; 0]);
        net.leave(ada);
        assert_eq!(net.broker.counters().sessions, 1);
    }
}

#[test]
fn a_session_ends_when_its_time_has_passed() {
    let mut net = net();
    let properties = [Property::SessionExpiryInterval(10)];
    let connect = Connect {
        clean_start: false,
        properties: Properties::from(&properties),
        ..Connect::new(Version::V5, "ada")
    };
    let ada = net.join_with(&connect);
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.leave(ada);
    net.advance(9 * SECOND);
    let ada = net.rejoin(ada, &connect);
    assert!(net.peers[ada].connack.as_ref().unwrap().1);
    net.leave(ada);
    net.advance(10 * SECOND);
    let counters = net.broker.counters();
    assert_eq!((counters.sessions, counters.subscriptions), (0, 0));
    let ada = net.rejoin(ada, &connect);
    assert!(!net.peers[ada].connack.as_ref().unwrap().1);
    // A new interval in DISCONNECT (5.0 §3.14.2.2.2).
    let now = [Property::SessionExpiryInterval(0)];
    let disconnect = Disconnect {
        properties: Properties::from(&now),
        ..Disconnect::new(ReasonCode::Success)
    };
    net.leave_with(ada, &disconnect);
    assert_eq!(net.broker.counters().sessions, 0);
}

#[test]
fn a_session_that_has_expired_is_not_resumed_even_if_nobody_has_looked_at_the_clock() {
    let mut net = net();
    let properties = [Property::SessionExpiryInterval(10)];
    let connect = Connect {
        clean_start: false,
        properties: Properties::from(&properties),
        ..Connect::new(Version::V5, "ada")
    };
    let ada = net.join_with(&connect);
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.leave(ada);
    net.now = net.now + 10 * SECOND;
    let ada = net.join_with(&connect);
    assert!(!net.peers[ada].connack.as_ref().unwrap().1);
    assert_eq!(net.broker.counters().subscriptions, 0);
}

#[test]
fn the_newer_connection_of_a_client_takes_over() {
    for version in VERSIONS {
        let mut net = net();
        let old = net.join_with(&lasting(version, "ada"));
        net.subscribe(old, &[Subscription::new("a", QoS::AtLeastOnce)]);
        let new = net.open(
            &lasting(version, "ada"),
            Session::established(),
            Options::new(),
        );
        net.run();
        let told = (version == Version::V5).then_some(ReasonCode::SessionTakenOver);
        assert_eq!(net.peers[old].disconnect, told);
        assert!(net.peers[old].is_cut);
        assert!(net.peers[new].connack.as_ref().unwrap().1);
        assert_eq!(net.broker.connection("ada"), Some(net.peers[new].id));
        net.publish(new, message("a", "x", QoS::AtLeastOnce));
        assert_eq!(net.texts(new), ["x"]);
        assert_eq!(net.broker.counters().connections, 1);
    }
}

#[test]
fn clients_without_a_name_get_one_that_others_cannot_guess() {
    let mut net = net();
    let names: Vec<String> = [Version::V311, Version::V5, Version::V5]
        .map(|version| {
            let peer = net.join(version, "");
            net.broker
                .client_id(net.peers[peer].id)
                .unwrap()
                .to_string()
        })
        .into();
    assert!(names.iter().all(|name| name.len() > 32), "{names:?}");
    assert!(names[0] != names[1] && names[1] != names[2]);
    let told = &net.peers[1].connack.as_ref().unwrap().2;
    let expected = format!("AssignedClientIdentifier({:?})", names[1]);
    assert!(told.contains(&expected), "{told:?}");
    assert!(net.peers[0].connack.as_ref().unwrap().2.is_empty());
}

/// Whoever has the next name already keeps it.
#[test]
fn an_assigned_name_is_nobody_elses() {
    let mut first = net();
    let ada = first.join(Version::V311, "");
    let name = first.broker.client_id(first.peers[ada].id).unwrap();
    let name = name.to_owned();
    // The same seed, and somebody who knew.
    let mut net = net();
    let bob = net.join(Version::V5, &name);
    let ada = net.join(Version::V311, "");
    assert_eq!(net.peers[bob].disconnect, None);
    let other = net.broker.client_id(net.peers[ada].id).unwrap();
    assert_ne!(**other, *name);
}

/// What comes on a connection that another one has taken the place of is not looked at.
#[test]
fn a_connection_that_was_taken_over_has_no_say() {
    for version in VERSIONS {
        let mut net = net();
        let watch = Raw::join(&mut net, Version::V5, "watch");
        watch.subscribe(&mut net, "#", QoS::AtMostOnce);
        let (old, _) = Raw::connect(&mut net, &lasting(version, "ada"));
        let (new, said) = Raw::connect(&mut net, &lasting(version, "ada"));
        assert_eq!(said, ["CONNACK 00 present"], "{version}");
        let mut bytes = Vec::new();
        let filters = [Subscription::new("a", QoS::AtLeastOnce)];
        for packet in [
            Packet::from(publish("a", "x", QoS::AtLeastOnce)),
            Subscribe::new(id(2), &filters[..]).into(),
            Disconnect::new(ReasonCode::Success).into(),
        ] {
            packet.encode(version, &mut bytes).unwrap();
        }
        let mut input = &bytes[..];
        assert!(net.broker.receive(old.id, net.now, &mut input).is_none());
        assert!(input.is_empty(), "{version}");
        let said = old.heard(&mut net);
        match version {
            Version::V5 => assert_eq!(said, ["DISCONNECT 8e", "closed"]),
            _ => assert_eq!(said, ["closed"]),
        }
        assert_eq!(watch.heard(&mut net), [""; 0], "{version}");
        assert_eq!(new.send(&mut net, &[Packet::Pingreq]), ["PINGRESP"]);
        assert_eq!(net.broker.counters().subscriptions, 1, "{version}");
    }
}

/// MQTT-4.3.3-10 of 5.0, MQTT-4.3.3-2 of 3.1.1: the identifiers of QoS 2 are those of the session, and go with it.
#[test]
fn what_was_received_is_known_as_long_as_the_session_lasts() {
    for version in VERSIONS {
        for is_clean in [false, true] {
            let what = format!("{version} {is_clean}");
            let mut net = net();
            let watch = Raw::join(&mut net, Version::V5, "watch");
            watch.subscribe(&mut net, "a", QoS::AtMostOnce);
            let (ada, _) = Raw::connect(&mut net, &lasting(version, "ada"));
            let packet = publish("a", "x", QoS::ExactlyOnce);
            assert_eq!(ada.publish(&mut net, packet), ["PUBREC 00"], "{what}");
            let again = match is_clean {
                true => Connect::new(version, "ada"),
                false => lasting(version, "ada"),
            };
            let (ada, _) = Raw::connect(&mut net, &again);
            let packet = Publish {
                dup: !is_clean,
                ..packet
            };
            assert_eq!(ada.publish(&mut net, packet), ["PUBREC 00"], "{what}");
            let said = ada.send(&mut net, &[Packet::Pubrel(Ack::new(id(1)))]);
            assert_eq!(said, ["PUBCOMP 00"], "{what}");
            let copies = if is_clean { 2 } else { 1 };
            assert_eq!(watch.heard(&mut net).len(), copies, "{what}");
        }
    }
}

/// 5.0 §3.14.2.2.2: a session that was to end with its connection cannot be kept with DISCONNECT; that is none, so the will
/// is due.
#[test]
fn disconnect_does_not_make_a_session_that_was_none() {
    let mut net = net();
    let watch = Raw::join(&mut net, Version::V5, "watch");
    watch.subscribe(&mut net, "will", QoS::AtMostOnce);
    let connect = Connect {
        will: Some(Will {
            topic: "will",
            payload: b"gone",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
        }),
        ..Connect::new(Version::V5, "ada")
    };
    let (ada, _) = Raw::connect(&mut net, &connect);
    let expiry = [Property::SessionExpiryInterval(10)];
    let disconnect = Disconnect {
        properties: Properties::from(&expiry),
        ..Disconnect::new(ReasonCode::Success)
    };
    let said = ada.send(&mut net, &[disconnect.into()]);
    assert_eq!(said, ["DISCONNECT 82", "closed"]);
    assert_eq!(watch.heard(&mut net), ["PUBLISH will gone q0 r0"]);
    assert!(net.broker.session("ada").is_none());
}

/// The time that a client was away before a restart counts, and what the machine was off, too.
#[test]
fn the_time_of_a_session_goes_on_through_a_restart() {
    for is_early in [true, false] {
        let mut net = Net::new(BrokerOptions::new().with_records(true));
        let expiry = [Property::SessionExpiryInterval(10)];
        let connect = Connect {
            clean_start: false,
            properties: Properties::from(&expiry),
            ..Connect::new(Version::V5, "ada")
        };
        let (ada, _) = Raw::connect(&mut net, &connect);
        ada.subscribe(&mut net, "a", QoS::AtLeastOnce);
        ada.leave(&mut net);
        net.advance(4 * SECOND);
        net.restart();
        net.advance(3 * SECOND);
        // Off.
        net.now = net.now + 2 * SECOND;
        net.restart();
        if !is_early {
            net.advance(SECOND);
        }
        let (_, said) = Raw::connect(&mut net, &connect);
        let expected = match is_early {
            true => "CONNACK 00 present",
            false => "CONNACK 00",
        };
        assert_eq!(said, [expected]);
    }
}

/// A client that does not come back between two restarts is neither forgotten nor, once its session is ended, remembered.
#[test]
fn a_session_is_there_behind_two_restarts() {
    for is_ended in [false, true] {
        let mut net = Net::new(BrokerOptions::new().with_records(true));
        let connect = lasting(Version::V5, "ada");
        let (ada, _) = Raw::connect(&mut net, &connect);
        ada.leave(&mut net);
        net.restart();
        let mut snapshot = Vec::new();
        net.broker.snapshot(|record| snapshot.push(record));
        net.records = snapshot;
        if is_ended {
            let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
            net.broker.end_session("ada", net.now, &disconnect);
        }
        net.restart();
        let (_, said) = Raw::connect(&mut net, &connect);
        match is_ended {
            true => assert_eq!(said, ["CONNACK 00"]),
            false => assert_eq!(said, ["CONNACK 00 present"]),
        }
    }
}
