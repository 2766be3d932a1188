//! SUBSCRIBE and UNSUBSCRIBE: what is made, made anew and undone.

use sansio_mqtt::*;

use crate::limits::ALL;
use crate::net::{Net, QOS, message};
use crate::raw::{Raw, id, publish};
use crate::{lasting, net};

/// MQTT-3.8.4-3 of 5.0 and of 3.1.1: in place of the older one, with all that it has.
#[test]
fn a_subscription_that_is_made_anew_is_one() {
    let mut net = net();
    let ada = net.join(Version::V5, "ada");
    let no_local = Subscription {
        filter: "a",
        options: SubscriptionOptions {
            no_local: true,
            ..SubscriptionOptions::new(QoS::ExactlyOnce)
        },
    };
    let plain = |qos| Subscription::new("a", qos);
    for (subscription, identifier, qos, ids) in [
        (plain(QOS[0]), Some(1), 0, vec![1]),
        (plain(QOS[2]), Some(2), 2, vec![2]),
        (plain(QOS[1]), None, 1, vec![]),
    ] {
        let codes = net.subscribe_with(ada, &[subscription], identifier);
        assert_eq!(codes, [ReasonCode::granted(subscription.options.qos)]);
        net.publish(ada, message("a", "x", QOS[2]));
        let got: Vec<_> = net.peers[ada]
            .received
            .drain(..)
            .map(|one| (one.qos().as_u8(), one.subscription_identifiers().to_vec()))
            .collect();
        assert_eq!(got, [(qos, ids)]);
        assert_eq!(net.broker.counters().subscriptions, 1);
    }
    net.subscribe(ada, &[no_local]);
    net.publish(ada, message("a", "x", QOS[2]));
    assert_eq!(net.take(ada), []);
    // Twice in one packet: the second one is it.
    let codes = net.subscribe(ada, &[plain(QOS[2]), plain(QOS[0])]);
    assert_eq!(codes, [ReasonCode::GrantedQos2, ReasonCode::GRANTED_QOS_0]);
    net.publish(ada, message("a", "x", QOS[2]));
    assert_eq!(net.take(ada), [("a".into(), "x".into(), 0, false)]);
}

/// MQTT-3.10.4-1 of 5.0 and of 3.1.1: character by character, and each filter has its answer.
#[test]
fn what_is_undone_is_that_very_filter() {
    for version in ALL {
        let mut net = net();
        let ada = Raw::join(&mut net, version, "ada");
        for filter in ["a/+", "a/b", "#"] {
            ada.subscribe(&mut net, filter, QoS::AtMostOnce);
        }
        let filters = ["a/b", "a/c", "+/b", "#", "#"];
        let said = ada.send(&mut net, &[Unsubscribe::new(id(1), &filters[..]).into()]);
        match version {
            Version::V5 => assert_eq!(said, ["UNSUBACK 00 11 11 00 11"]),
            _ => assert_eq!(said, ["UNSUBACK"], "{version}"),
        }
        let copy = "PUBLISH a/b x q0 r0";
        let said = ada.publish(&mut net, publish("a/b", "x", QoS::AtMostOnce));
        assert_eq!(said, [copy], "{version}");
        let said = ada.publish(&mut net, publish("b", "x", QoS::AtMostOnce));
        assert_eq!(said, [""; 0], "{version}");
    }
}

/// MQTT-3.10.4-2, MQTT-3.10.4-3 of 5.0: nothing new, and what was on its way is brought to its end.
#[test]
fn what_was_sent_before_is_brought_to_its_end() {
    for version in ALL {
        let mut net = net();
        let (ada, _) = Raw::connect(&mut net, &lasting(version, "ada"));
        ada.subscribe(&mut net, "a", QoS::ExactlyOnce);
        net.broker.publish(net.now, &message("a", "1", QOS[2]));
        assert_eq!(ada.heard(&mut net), ["PUBLISH a 1 q2 r0"], "{version}");
        let filters = ["a"];
        ada.send(&mut net, &[Unsubscribe::new(id(7), &filters[..]).into()]);
        net.broker.publish(net.now, &message("a", "2", QOS[2]));
        assert_eq!(ada.heard(&mut net), [""; 0], "{version}");
        ada.leave(&mut net);
        let (ada, said) = Raw::connect(&mut net, &lasting(version, "ada"));
        assert_eq!(said[1..], ["PUBLISH a 1 q2 r0"], "{version}");
        let said = ada.send(&mut net, &[Packet::Pubrec(Ack::new(id(1)))]);
        assert_eq!(said.len(), 1, "{version}");
        let said = ada.send(&mut net, &[Packet::Pubcomp(Ack::new(id(1)))]);
        assert_eq!(said, [""; 0], "{version}");
        assert_eq!(net.broker.session("ada").map(Session::in_flight), Some(0));
    }
}

/// The filter that one has is another's too, and each keeps its own.
#[test]
fn one_filter_of_many_clients() {
    let mut net = Net::new(BrokerOptions::new());
    let raws: Vec<Raw> = (0..20)
        .map(|at| Raw::join(&mut net, Version::V311, &format!("c{at}")))
        .collect();
    for (at, raw) in raws.iter().enumerate() {
        raw.subscribe(&mut net, "a/#", QOS[at % 3]);
    }
    // Every fourth one goes, one way or the other.
    let filters = ["a/#"];
    for (at, raw) in raws.iter().enumerate().filter(|(at, _)| at % 4 == 0) {
        match at % 8 {
            0 => raw.leave(&mut net),
            _ => {
                let unsubscribe = Unsubscribe::new(id(1), &filters[..]);
                assert_eq!(raw.send(&mut net, &[unsubscribe.into()]), ["UNSUBACK"]);
            }
        }
    }
    assert_eq!(net.broker.publish(net.now, &message("a", "x", QOS[2])), 15);
    for (at, raw) in raws.iter().enumerate() {
        let expected = match at % 4 {
            0 => vec![],
            _ => vec![format!("PUBLISH a x q{} r0", at % 3)],
        };
        assert_eq!(raw.heard(&mut net), expected, "{at}");
    }
}
