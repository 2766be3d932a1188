//! Who gets a message, how, and for how long.

use sansio_mqtt::*;

use crate::net::{Net, QOS, message, retained};
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
