//! How sessions begin, go on, move to a newer connection, and end.

use sansio_mqtt::*;

use crate::net::{QOS, message, retained};
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
            net.broker.client_id(net.peers[peer].id).unwrap().to_owned()
        })
        .into();
    assert!(names.iter().all(|name| name.len() > 32), "{names:?}");
    assert!(names[0] != names[1] && names[1] != names[2]);
    let told = &net.peers[1].connack.as_ref().unwrap().2;
    let expected = format!("AssignedClientIdentifier({:?})", names[1]);
    assert!(told.contains(&expected), "{told:?}");
    assert!(net.peers[0].connack.as_ref().unwrap().2.is_empty());
}
