//! What is retained, and who gets it when.

use sansio_mqtt::*;

use crate::net::{Net, QOS, retained};
use crate::raw::{Raw, id};
use crate::{VERSIONS, lasting, net};

/// 5.0 §3.3.1.3, §3.8.3.1: every combination of the three options, for a new subscription and for one that is there.
#[test]
fn what_is_retained_is_sent_as_the_subscription_says() {
    for handling in [
        RetainHandling::SendAtSubscribe,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ] {
        for retain_as_published in [false, true] {
            for no_local in [false, true] {
                let mut net = net();
                let ada = net.join(Version::V5, "ada");
                net.publish(ada, retained("a", "kept", QoS::AtLeastOnce));
                let options = SubscriptionOptions {
                    no_local,
                    retain_as_published,
                    retain_handling: handling,
                    ..SubscriptionOptions::new(QoS::AtLeastOnce)
                };
                let subscription = Subscription {
                    filter: "a",
                    options,
                };
                let kept = [("a".to_owned(), "kept".to_owned(), 1, true)];
                let what = format!("{options:?}");

                net.subscribe(ada, &[subscription]);
                let is_sent = handling != RetainHandling::DoNotSend;
                assert_eq!(net.take(ada), kept[..usize::from(is_sent)], "{what}");
                net.subscribe(ada, &[subscription]);
                let is_sent = handling == RetainHandling::SendAtSubscribe;
                assert_eq!(net.take(ada), kept[..usize::from(is_sent)], "{what}");

                // While the subscription is there.
                let bob = net.join(Version::V311, "bob");
                net.publish(bob, retained("a", "live", QoS::AtLeastOnce));
                let live = [("a".to_owned(), "live".to_owned(), 1, retain_as_published)];
                assert_eq!(net.take(ada), live, "{what}");
                net.publish(ada, retained("a", "live", QoS::AtLeastOnce));
                assert_eq!(net.take(ada), live[..usize::from(!no_local)], "{what}");
                // The clearing goes to subscribers like any other message.
                net.publish(bob, retained("a", "", QoS::AtMostOnce));
                assert_eq!(net.take(ada).len(), 1, "{what}");
                net.unsubscribe(ada, &["a"]);
                net.subscribe(ada, &[subscription]);
                assert_eq!(net.take(ada), [], "{what}");
            }
        }
    }
}

#[test]
fn each_subscribe_brings_what_is_retained_however_fast_they_follow() {
    let mut net = net();
    let ada = net.join(Version::V5, "ada");
    net.publish(ada, retained("a", "kept", QOS[1]));
    for qos in [QOS[1], QOS[1], QOS[0]] {
        let subscription = [Subscription::new("a", qos)];
        let client = &mut net.peers[ada].client;
        client.subscribe(&subscription, Properties::EMPTY).unwrap();
    }
    net.run();
    // As the last one has it.
    let copy = ("a".to_owned(), "kept".to_owned(), 0, true);
    assert_eq!(net.take(ada), vec![copy; 3]);
}

#[test]
fn many_retained_messages_go_into_a_queue_that_is_smaller() {
    let options = Options::new().with_maximum_kept_messages(10);
    let mut net = Net::new(BrokerOptions::new().with_connection(options));
    let topics: Vec<String> = (0..3000).map(|at| format!("a/{}/{at}", at % 7)).collect();
    for topic in &topics {
        net.broker
            .publish(net.now, &retained(topic, "x", QoS::AtLeastOnce));
    }
    for version in VERSIONS {
        let ada = net.join(version, "ada");
        net.subscribe(ada, &[Subscription::new("a/#", QoS::AtLeastOnce)]);
        let mut got: Vec<String> = net.take(ada).into_iter().map(|one| one.0).collect();
        got.sort();
        let mut expected = topics.clone();
        expected.sort();
        assert_eq!(got, expected);
    }
    // Who goes meanwhile gets the rest when it is back.
    let connect = lasting(Version::V5, "bob");
    let bob = net.join_with(&connect);
    net.peers[bob].is_deaf = true;
    net.subscribe(bob, &[Subscription::new("a/#", QoS::AtLeastOnce)]);
    let bob = net.rejoin(bob, &connect);
    let mut got: Vec<String> = net.take(bob).into_iter().map(|one| one.0).collect();
    got.sort();
    got.dedup();
    assert_eq!(got.len(), topics.len());
    assert_eq!(net.broker.counters().messages_dropped, 0);
}

/// Each call looks at a part, so that a filter that meets nothing holds nobody up.
#[test]
fn a_search_for_nothing_goes_on_call_by_call() {
    let mut net = net();
    for at in 0..20_000 {
        let topic = format!("a/{at}/b");
        net.broker
            .publish(net.now, &retained(&topic, "x", QoS::AtMostOnce));
    }
    // Or it would be seen at once that no topic has such a level.
    net.broker
        .publish(net.now, &retained("c", "x", QoS::AtMostOnce));
    let ada = net.join(Version::V5, "ada");
    let filters = [Subscription::new("+/+/c", QoS::AtMostOnce)];
    net.peers[ada]
        .client
        .subscribe(&filters, Properties::EMPTY)
        .unwrap();
    let mut bytes = Vec::new();
    net.peers[ada]
        .client
        .poll_transmit(net.now, &mut bytes, usize::MAX);
    let id = net.peers[ada].id;
    assert!(net.broker.receive(id, net.now, &mut &bytes[..]).is_none());
    let mut calls = 0;
    while let Some(ready) = net.broker.poll_ready() {
        let mut out = Vec::new();
        while net.broker.poll_transmit(ready, net.now, &mut out, 1) > 0 {}
        calls += 1;
    }
    assert!(calls > 10, "{calls}");
}

/// More subscriptions at once than the broker searches for: what comes behind waits, and each is served.
#[test]
fn many_subscriptions_at_once_each_bring_what_is_retained() {
    for version in VERSIONS {
        let mut net = net();
        let ada = net.join(version, "ada");
        for at in 0..200 {
            let kept = retained(&format!("a/{at}"), "x", QoS::AtLeastOnce);
            net.broker.publish(net.now, &kept);
        }
        for at in 0..200 {
            let filter = format!("a/{at}");
            let filters = [Subscription::new(&filter, QoS::AtLeastOnce)];
            let client = &mut net.peers[ada].client;
            client.subscribe(&filters, Properties::EMPTY).unwrap();
        }
        net.run();
        assert_eq!(net.peers[ada].subacks.len(), 200, "{version}");
        let got: Vec<String> = net.take(ada).into_iter().map(|one| one.0).collect();
        let expected: Vec<String> = (0..200).map(|at| format!("a/{at}")).collect();
        assert_eq!(got, expected, "{version}");
    }
}

/// What an earlier SUBSCRIBE has still to bring is not brought any more (MQTT-3.10.4-2 of 5.0), be it undone by the client or
/// by the caller.
#[test]
fn an_unsubscribe_ends_what_is_still_to_come() {
    for by_client in [true, false] {
        let mut net = net();
        for at in 0..200 {
            let kept = retained(&format!("a/{at}"), "x", QoS::AtLeastOnce);
            net.broker.publish(net.now, &kept);
        }
        let slow = Options::new().with_receive_maximum(1);
        let connect = Connect::new(Version::V5, "ada");
        let ada = net.open(&connect, Session::established(), slow);
        net.run();
        net.peers[ada].is_deaf = true;
        let filters = [Subscription::new("a/+", QoS::AtLeastOnce)];
        let client = &mut net.peers[ada].client;
        client.subscribe(&filters, Properties::EMPTY).unwrap();
        net.run();
        let client = &mut net.peers[ada].client;
        match by_client {
            true => drop(client.unsubscribe(&["a/+"], Properties::EMPTY).unwrap()),
            false => {
                let filter = TopicFilter::new(Version::V5, "a/+").unwrap();
                assert!(net.broker.unsubscribe("ada", &filter));
            }
        }
        net.run();
        net.peers[ada].is_deaf = false;
        net.run();
        // One was sent, and a few waited behind it.
        let got = net.take(ada).len();
        assert!((1..100).contains(&got), "{got}");
        net.broker
            .publish(net.now, &retained("a/b", "x", QoS::AtLeastOnce));
        net.run();
        assert_eq!(net.take(ada), []);
    }
}

/// At once or never (5.0 §3.3.2.3.3): whoever is there gets it, and it is not retained, but takes the place of what was.
#[test]
fn what_lives_no_time_is_not_retained() {
    let mut net = net();
    let ada = net.join(Version::V5, "ada");
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.publish(ada, retained("a", "old", QoS::AtLeastOnce));
    let now = retained("a", "now", QoS::AtLeastOnce).with_message_expiry_interval(Some(0));
    net.publish(ada, now);
    assert_eq!(net.texts(ada), ["old", "now"]);
    assert_eq!(net.broker.counters().retained_messages, 0);
    let late = net.join(Version::V5, "late");
    net.subscribe(late, &[Subscription::new("a", QoS::AtLeastOnce)]);
    assert_eq!(net.take(late), []);
}

/// So much waits for a client that asks and does not read; what it asks beyond that is not looked at.
#[test]
fn searches_that_wait_hold_the_input_up() {
    let mut net = net();
    net.broker
        .publish(net.now, &retained("a", "x", QoS::AtLeastOnce));
    let ada = Raw::join(&mut net, Version::V311, "ada");
    let mut bytes = Vec::new();
    for number in 1..101 {
        let filter = format!("{number}");
        let filters = [Subscription::new(&filter, QoS::AtMostOnce)];
        let subscribe = Subscribe::new(id(number), &filters[..]);
        subscribe.encode(Version::V311, &mut bytes).unwrap();
    }
    let mut input = &bytes[..];
    assert!(net.broker.receive(ada.id, net.now, &mut input).is_none());
    assert!(!input.is_empty());
    assert!(!net.broker.wants_input(ada.id));
    let before = ada.heard(&mut net).len();
    assert!(before < 100);
    assert_eq!(ada.send_bytes(&mut net, input).len(), 100 - before);
}
