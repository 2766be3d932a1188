//! `$SYS`, and other topics that begin with `$`.

use std::collections::BTreeMap;

use sansio_mqtt::*;

use crate::net::{Net, QOS, message, retained};
use crate::raw::{Raw, publish};
use crate::{SECOND, lasting, net};

#[test]
fn what_begins_with_a_dollar_is_not_for_clients_nor_for_their_wills() {
    let mut net = net();
    let ada = net.join(Version::V5, "ada");
    net.subscribe(ada, &[Subscription::new("$SYS/#", QoS::AtLeastOnce)]);
    net.publish(ada, retained("$SYS/broker/uptime", "x", QoS::AtLeastOnce));
    assert_eq!(net.peers[ada].acks, [ReasonCode::NotAuthorized]);
    assert_eq!(net.take(ada), []);
    assert_eq!(net.broker.counters().retained_messages, 0);
    let connect = Connect {
        will: Some(Will {
            topic: "$SYS/broker/uptime",
            payload: b"x",
            qos: QoS::AtMostOnce,
            retain: true,
            properties: Properties::EMPTY,
        }),
        ..Connect::new(Version::V5, "eve")
    };
    let eve = net.join_with(&connect);
    let connack = net.peers[eve].connack.as_ref().map(|one| one.0);
    assert_eq!(connack, Some(ReasonCode::NotAuthorized));
}

/// Each topic against what the test has counted itself, twice.
#[test]
fn the_counters_are_published_as_they_are() {
    let options = BrokerOptions::new()
        .with_connection(Options::new().with_maximum_kept_messages(12))
        .with_slow_consumer(SlowConsumer::Drop);
    let mut net = Net::new(options.with_sys_interval(Some(10 * SECOND)));
    net.advance(SECOND);
    let (away, _) = Raw::connect(&mut net, &lasting(Version::V5, "away"));
    away.subscribe(&mut net, "a/#", QoS::AtLeastOnce);
    away.leave(&mut net);
    let clients = ["ada", "bob"].map(|name| Raw::join(&mut net, Version::V311, name));
    let watch = Raw::join(&mut net, Version::V5, "watch");
    let told = watch.subscribe(&mut net, "$SYS/broker/#", QoS::AtMostOnce);
    clients[0].subscribe(&mut net, "a/+", QoS::AtLeastOnce);
    clients[0].subscribe(&mut net, "a/+", QoS::AtMostOnce);
    let gone = Raw::connect(&mut net, &Connect::new(Version::V311, "")).0;
    net.broker.disconnected(gone.id, net.now);
    let (mut received, mut queued, mut dropped, mut waiting) = (0, 0, 0, 0);
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    // What the broker has said of itself, which is retained like all else.
    for (topic, text) in values(&told[1..]) {
        kept.insert(format!("$SYS/broker/{topic}"), text.len());
    }
    for round in 1..3_u64 {
        let topics = [("a/1", "x"), ("a/2", "yy"), ("b", "zzz"), ("a/1", "xyz")];
        for (topic, text) in topics.repeat(5) {
            let packet = Publish {
                retain: true,
                ..publish(topic, text, QoS::AtLeastOnce)
            };
            clients[1].publish(&mut net, packet);
            clients[0].heard(&mut net);
            // With the name of who published it.
            kept.insert(topic.to_owned(), text.len() + "bob".len());
            received += 1;
            if topic.starts_with('a') {
                // One reads, and one is away, with room for a dozen.
                let has_room = waiting < 12;
                waiting += usize::from(has_room);
                queued += 1 + usize::from(has_room);
                dropped += usize::from(!has_room);
            }
        }
        // Who is refused what it publishes has published it.
        clients[1].publish(
            &mut net,
            publish("$SYS/broker/uptime", "0", QoS::AtLeastOnce),
        );
        received += 1;
        let until = Instant::from_millis(1_000 + round * 10_000);
        let silent = std::time::Duration::from_millis(until.as_millis() - net.now.as_millis() - 1);
        net.advance(silent);
        assert_eq!(watch.heard(&mut net), [""; 0]);
        let sum = |part: fn(&Raw) -> usize| {
            let all = clients.iter().chain([&watch, &away, &gone]);
            all.map(part).sum::<usize>()
        };
        let said = sum(|raw| raw.said.get());
        let heard = sum(|raw| raw.heard.get());
        net.advance(std::time::Duration::from_millis(1));
        let bytes: usize = kept
            .iter()
            .map(|(topic, length)| topic.len() + length)
            .sum();
        let expected: BTreeMap<String, String> = [
            (
                "version",
                format!("sansio-mqtt {}", env!("CARGO_PKG_VERSION")),
            ),
            ("uptime", format!("{} seconds", round * 10)),
            ("clients/connected", "3".into()),
            ("clients/total", "4".into()),
            ("subscriptions/count", "3".into()),
            ("retained messages/count", kept.len().to_string()),
            ("retained messages/bytes", bytes.to_string()),
            ("bytes/received", said.to_string()),
            ("bytes/sent", heard.to_string()),
            ("publish/messages/received", received.to_string()),
            ("publish/messages/sent", "?".into()),
            ("publish/messages/dropped", dropped.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut got = values(&watch.heard(&mut net));
        for (topic, text) in &got {
            kept.insert(format!("$SYS/broker/{topic}"), text.len());
        }
        // With the twelve that this client gets itself in each round.
        let sent: usize = got["publish/messages/sent"].parse().unwrap();
        let own = 12 * usize::try_from(round).unwrap();
        assert_eq!(sent, queued + own, "{round}");
        got.insert("publish/messages/sent".into(), "?".into());
        assert_eq!(got, expected, "{round}");
    }
}

/// The last value of each topic.
fn values(said: &[String]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for line in said {
        let rest = line.strip_prefix("PUBLISH $SYS/broker/").unwrap();
        let rest = rest.rsplit_once(" q0 r").unwrap().0;
        let names = ["retained messages/count", "retained messages/bytes"];
        let named = names.iter().find(|name| rest.starts_with(*name));
        let (name, value) = match named {
            Some(name) => (*name, &rest[name.len() + 1..]),
            None => rest.split_once(' ').unwrap(),
        };
        values.insert(name.to_owned(), value.to_owned());
    }
    values
}

/// Section 4.7.2: no wildcard at the front of a filter meets them; and they are retained.
#[test]
fn who_wants_to_know_asks_for_it() {
    for version in [Version::V311, Version::V5] {
        let options = BrokerOptions::new().with_sys_interval(Some(SECOND));
        let mut net = Net::new(options);
        net.advance(SECOND);
        let patient = Connect {
            keep_alive: 0,
            ..Connect::new(version, "ada")
        };
        let (ada, _) = Raw::connect(&mut net, &patient);
        for filter in ["#", "+/broker/uptime", "+/#", "+/+/+"] {
            assert_eq!(ada.subscribe(&mut net, filter, QOS[0]), ["SUBACK 00"]);
        }
        net.advance(SECOND);
        assert_eq!(ada.heard(&mut net), [""; 0], "{version}");
        let said = ada.subscribe(&mut net, "$SYS/+/uptime", QOS[0]);
        let uptime = "PUBLISH $SYS/broker/uptime 2 seconds q0 r1";
        assert_eq!(said, ["SUBACK 00", uptime], "{version}");
        net.advance(SECOND);
        let uptime = "PUBLISH $SYS/broker/uptime 3 seconds q0 r0";
        assert_eq!(ada.heard(&mut net), [uptime], "{version}");
        // A clock that stands still, or jumps: once for each time that it was looked at.
        net.now = net.now + 100 * SECOND;
        while net.broker.poll_timeout().is_some_and(|at| at <= net.now) {
            net.broker.handle_timeout(net.now);
        }
        let uptime = "PUBLISH $SYS/broker/uptime 103 seconds q0 r0";
        assert_eq!(ada.heard(&mut net), [uptime], "{version}");
    }
}

/// It is the caller who says who may.
#[test]
fn who_may_not_know_is_refused() {
    let mut net = Net::new(BrokerOptions::new().with_ask_subscribe(true));
    net.answers =
        Box::new(|broker, now, question| {
            if let Question::Subscribe { subscribe, token } = question {
                let codes = subscribe.subscriptions.iter().map(|one| {
                    match one.filter.starts_with("$SYS") {
                        true => ReasonCode::NotAuthorized,
                        false => ReasonCode::GrantedQos2,
                    }
                });
                let codes: Vec<_> = codes.collect();
                broker.answer_subscribe(token, now, &codes).unwrap();
            }
        });
    let ada = Raw::join(&mut net, Version::V5, "ada");
    assert_eq!(ada.subscribe(&mut net, "$SYS/#", QOS[0]), ["SUBACK 87"]);
    net.broker
        .publish(net.now, &message("$SYS/broker/x", "x", QOS[0]));
    assert_eq!(ada.heard(&mut net), [""; 0]);
}

/// What begins with a dollar and is not the broker's own.
#[test]
fn other_topics_with_a_dollar_are_for_clients_where_that_is_asked_for() {
    for is_allowed in [false, true] {
        let mut net = Net::new(BrokerOptions::new().with_dollar_topics(is_allowed));
        let ada = Raw::join(&mut net, Version::V5, "ada");
        for filter in ["$other/#", "$SYS/#", "$SYSTEM", "$SYS"] {
            ada.subscribe(&mut net, filter, QoS::AtMostOnce);
        }
        for topic in ["$other/x", "$SYSTEM"] {
            let said = ada.publish(&mut net, publish(topic, "x", QoS::AtLeastOnce));
            match is_allowed {
                true => assert_eq!(said, ["PUBACK 00", &format!("PUBLISH {topic} x q0 r0")]),
                false => assert_eq!(said, ["PUBACK 87"]),
            }
        }
        for topic in ["$SYS", "$SYS/x"] {
            let said = ada.publish(&mut net, publish(topic, "x", QoS::AtLeastOnce));
            assert_eq!(said, ["PUBACK 87"]);
        }
    }
}
