//! Who gets a message, how, and for how long.

use sansio_mqtt::*;

use crate::net::{Net, QOS, message, retained};
use crate::raw::{Raw, publish};
use crate::{SECOND, VERSIONS, lasting, net};

#[test]
fn the_lower_qos_of_both_counts_between_all_versions() {
    for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| (VERSIONS[a], VERSIONS[b])) {
        for published in QOS {
            for granted in QOS {
                let mut net = net();
                let (ada, bob) = (net.join(from, "ada"), net.join(to, "bob"));
                let codes = net.subscribe(bob, &[Subscription::new("a/+", granted)]);
                assert_eq!(codes, [ReasonCode::granted(granted)]);
                net.publish(ada, message("a/b", "x", published));
                net.publish(ada, message("b/b", "y", published));
                let lower = published.min(granted).as_u8();
                assert_eq!(net.take(bob), [("a/b".into(), "x".into(), lower, false)]);
                assert_eq!(net.take(ada), []);
            }
        }
    }
}

#[test]
fn who_nobody_listens_to_is_told_where_there_is_a_word_for_it() {
    for version in VERSIONS {
        let mut net = net();
        let ada = net.join(version, "ada");
        for qos in QOS {
            net.publish(ada, message("a", "x", qos));
        }
        let expected = match version {
            Version::V5 => ReasonCode::NoMatchingSubscribers,
            _ => ReasonCode::Success,
        };
        assert_eq!(net.peers[ada].acks.len(), 2);
        if version == Version::V5 {
            assert_eq!(net.peers[ada].acks[0], expected);
        }
    }
}

#[test]
fn overlapping_subscriptions_give_one_copy_with_all_identifiers_or_one_each() {
    for overlap in [Overlap::OneCopy, Overlap::CopyPerSubscription] {
        let mut net = Net::new(BrokerOptions::new().with_overlap(overlap));
        let ada = net.join(Version::V5, "ada");
        net.subscribe_with(ada, &[Subscription::new("a/#", QoS::AtMostOnce)], Some(1));
        net.subscribe_with(ada, &[Subscription::new("a/+", QoS::ExactlyOnce)], Some(2));
        net.subscribe(ada, &[Subscription::new("a/b", QoS::AtLeastOnce)]);
        net.publish(ada, message("a/b", "x", QoS::ExactlyOnce));
        let got: Vec<_> = net.peers[ada]
            .received
            .iter()
            .map(|one| (one.qos().as_u8(), one.subscription_identifiers().to_vec()))
            .collect();
        match overlap {
            Overlap::OneCopy => assert_eq!(got, [(2, vec![1, 2])]),
            Overlap::CopyPerSubscription => {
                let mut got = got;
                got.sort();
                assert_eq!(got, [(0, vec![1]), (1, vec![]), (2, vec![2])]);
            }
        }
    }
}

#[test]
fn messages_expire_in_queues_and_in_the_store() {
    let mut net = net();
    let ada = net.join_with(&lasting(Version::V5, "ada"));
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.leave(ada);
    let bob = net.join(Version::V5, "bob");
    let brief = |text: &str, seconds| {
        retained("a", text, QoS::AtLeastOnce).with_message_expiry_interval(Some(seconds))
    };
    net.publish(bob, brief("too brief", 5));
    net.publish(bob, brief("in time", 60));
    net.advance(10 * SECOND);
    let ada = net.rejoin(ada, &lasting(Version::V5, "ada"));
    let left: Vec<_> = net.peers[ada]
        .received
        .iter()
        .map(Message::message_expiry_interval)
        .collect();
    assert_eq!(left, [Some(50)]);
    assert_eq!(net.texts(ada), ["in time"]);
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    assert_eq!(
        net.peers[ada].received[0].message_expiry_interval(),
        Some(50)
    );
    assert_eq!(net.texts(ada), ["in time"]);
    net.advance(50 * SECOND);
    assert_eq!(net.broker.counters().retained_messages, 0);
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    assert_eq!(net.texts(ada), [""; 0]);
}

/// What 5.0 has forwarded unaltered and in its order (MQTT-3.3.2-4, -15 to -18, -20): live, from a queue, from the store, as a
/// will, and behind a restart. Earlier versions get the payload.
#[test]
fn properties_of_a_message_go_where_it_goes() {
    let properties = [
        Property::PayloadFormatIndicator(true),
        Property::ContentType("text/plain"),
        Property::ResponseTopic("answers/7"),
        Property::CorrelationData(b"\x00\xff7"),
        Property::UserProperty("b", "2"),
        Property::UserProperty("a", "1"),
        Property::UserProperty("b", "2"),
    ];
    let expected = format!(
        "{:?}",
        Properties::from(&properties).iter().collect::<Vec<_>>()
    );
    let properties = Properties::from(&properties);
    let mut net = Net::new(BrokerOptions::new().with_records(true));
    let ada = net.join_with(&Connect {
        will: Some(Will {
            topic: "a",
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: false,
            properties,
        }),
        ..Connect::new(Version::V5, "ada")
    });
    let lasts = lasting(Version::V5, "lasts");
    let (bob, old) = (net.join_with(&lasts), net.join(Version::V311, "old"));
    for peer in [bob, old] {
        net.subscribe(peer, &[Subscription::new("a", QoS::AtLeastOnce)]);
    }
    let said = |net: &mut Net, peer: usize| -> Vec<(String, String)> {
        let received = net.peers[peer].received.drain(..);
        received
            .map(|one| {
                let properties: Vec<_> = one.properties().iter().collect();
                let payload = String::from_utf8_lossy(one.payload()).into_owned();
                (payload, format!("{properties:?}"))
            })
            .collect()
    };
    let message = retained("a", "live", QoS::AtLeastOnce);
    net.publish(ada, message.with_properties(properties).unwrap());
    assert_eq!(said(&mut net, bob), [("live".into(), expected.clone())]);
    assert_eq!(said(&mut net, old), [("live".into(), "[]".into())]);
    net.cut(bob);
    net.cut(ada);
    assert_eq!(said(&mut net, old), [("gone".into(), "[]".into())]);
    net.restart();
    let bob = net.rejoin(bob, &lasts);
    assert_eq!(said(&mut net, bob), [("gone".into(), expected.clone())]);
    net.subscribe(bob, &[Subscription::new("a", QoS::AtLeastOnce)]);
    assert_eq!(said(&mut net, bob), [("live".into(), expected)]);
}

/// MQTT-3.3.1-3 of 5.0 and of 3.1.1: DUP is about one hop.
#[test]
fn dup_does_not_go_from_one_to_the_other() {
    let mut net = net();
    let watch = net.join(Version::V5, "watch");
    net.subscribe(watch, &[Subscription::new("a", QoS::AtLeastOnce)]);
    for version in VERSIONS {
        let raw = Raw::join(&mut net, version, "raw");
        let packet = Publish {
            dup: true,
            ..publish("a", "x", QoS::AtLeastOnce)
        };
        assert_eq!(raw.publish(&mut net, packet), ["PUBACK 00"], "{version}");
        raw.leave(&mut net);
        // Had it DUP, it would be the same one once more.
        assert_eq!(net.texts(watch), ["x"], "{version}");
    }
    let slow = Raw::join(&mut net, Version::V311, "slow");
    slow.subscribe(&mut net, "a", QoS::AtLeastOnce);
    let raw = Raw::join(&mut net, Version::V5, "raw");
    let mut bytes = Vec::new();
    let packet = Publish {
        dup: true,
        ..publish("a", "x", QoS::AtLeastOnce)
    };
    raw.publish(&mut net, packet);
    net.broker
        .poll_transmit(slow.id, net.now, &mut bytes, usize::MAX);
    assert_eq!(bytes, b"\x32\x06\0\x01a\0\x01x");
}
