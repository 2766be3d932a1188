//! Rights that are taken away. The caller is asked for them with CONNECT, SUBSCRIBE and PUBLISH; what follows from an earlier
//! answer he takes back himself.

use std::time::Duration;

use sansio_mqtt::*;

use crate::net::{Net, message, retained};
use crate::wire::{VERSIONS, Wire, lasting, serve, with_witnesses};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(Version::V5, text).unwrap()
}

/// mosquitto CVE-2018-12546: what somebody has retained who may not publish any more is taken back, and reaches no new
/// subscription, nor one whose turn is still to come.
#[test]
fn retained_and_rights() {
    for version in VERSIONS {
        let mut net = with_witnesses(BrokerOptions::new());
        let mallory = net.join(version, "mallory");
        for at in 0..200 {
            net.publish(
                mallory,
                retained(&format!("a/{at}"), "bad", QoS::AtLeastOnce),
            );
            net.publish(0, retained(&format!("b/{at}"), "good", QoS::AtLeastOnce));
        }
        net.publish(mallory, retained("c", "bad", QoS::AtLeastOnce));
        net.publish(0, retained("c", "good", QoS::AtLeastOnce));
        net.leave(mallory);
        // One who reads nothing has some of them in its queue, some that are found, and the rest to come.
        let (slow, _) = Wire::join(&mut net, &Connect::new(version, "slow"));
        assert_eq!(
            slow.subscribe(&mut net, "nothing", QoS::AtLeastOnce).len(),
            1
        );
        let list = [Subscription::new("#", QoS::AtLeastOnce)];
        slow.send(&mut net, Subscribe::new(crate::wire::id(2), &list));
        let mut first = Vec::new();
        net.broker.poll_transmit(slow.id, net.now, &mut first, 1);

        let all = filter("#");
        let mut of = Vec::new();
        net.broker.retained(&all, |message, publisher, _| {
            if publisher == Some("mallory") {
                of.push(message.topic().to_owned());
            }
        });
        assert_eq!(of.len(), 200);
        let is_bad = |publisher: Option<&str>| publisher == Some("mallory");
        let cleared = net
            .broker
            .clear_retained(&all, |_, publisher| is_bad(publisher));
        assert_eq!(cleared, 200);
        net.broker.discard_queued("slow", |message| {
            of.iter().any(|topic| topic == message.topic())
        });
        let said = slow.read(&mut net);
        let count = |what: &str| said.iter().filter(|one| one.ends_with(what)).count();
        assert_eq!((count("bad"), count("good")), (0, 201));

        let new = net.join(version, "new");
        net.subscribe(new, &[Subscription::new("#", QoS::AtMostOnce)]);
        let texts = net.texts(new);
        assert_eq!(texts.len(), 201);
        assert!(texts.iter().all(|text| text == "good"));
    }
}

/// mosquitto CVE-2021-34434: a subscription whose right is revoked gives nothing any more, connected or away; also not when the
/// session is resumed, where no SUBSCRIBE asks for it.
#[test]
fn subscriptions_and_rights() {
    for version in VERSIONS {
        for is_away in [false, true] {
            let mut net = with_witnesses(BrokerOptions::new().with_ask_connect(true));
            // Each time that somebody connects what it has is looked at.
            net.answers = Box::new(|broker, now, question| {
                let Question::Connect { connect, token } = question else {
                    panic!("{question:?}");
                };
                let name = connect.client_id.to_owned();
                let has: Vec<_> = broker.subscriptions(&name).map(|one| one.0).collect();
                for filter in has {
                    if filter.as_str().starts_with("secret") {
                        assert!(broker.unsubscribe(&name, &filter));
                    }
                }
                broker.accept(token, now, &Admission::default()).unwrap();
            });
            let connect = lasting(version, "ada");
            let ada = net.join_with(&connect);
            for filter in ["secret/#", "public"] {
                net.subscribe(ada, &[Subscription::new(filter, QoS::AtLeastOnce)]);
            }
            net.publish(0, message("secret/a", "1", QoS::AtLeastOnce));
            assert_eq!(net.texts(ada), ["1"]);
            let ada = match is_away {
                false => {
                    assert!(net.broker.unsubscribe("ada", &filter("secret/#")));
                    assert!(!net.broker.unsubscribe("ada", &filter("secret/#")));
                    ada
                }
                true => net.rejoin(ada, &connect),
            };
            net.publish(0, message("secret/a", "2", QoS::AtLeastOnce));
            net.publish(0, message("public", "3", QoS::AtLeastOnce));
            assert_eq!(net.texts(ada), ["3"]);
            let mut left = net.broker.subscriptions("ada");
            assert_eq!(
                left.next().map(|one| one.0.into_owned()),
                Some(filter("public").into_owned())
            );
            assert!(left.next().is_none());
        }
    }
}

/// What waits because of a right that is revoked is taken back: of a client that is connected what is not sent, of one that is away
/// everything, whatever its QoS; and what others wait for stays.
#[test]
fn queued_messages_and_rights() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for is_away in [false, true] {
                let mut net = with_witnesses(BrokerOptions::new());
                let (wire, _) = Wire::join(&mut net, &lasting(version, "ada"));
                wire.subscribe(&mut net, "+", qos);
                let (other, _) = Wire::join(&mut net, &lasting(version, "bob"));
                other.subscribe(&mut net, "+", qos);
                let publish = |net: &mut Net, topic, payload| {
                    net.broker.publish(net.now, &message(topic, payload, qos));
                };
                publish(&mut net, "secret", "sent");
                assert_eq!(wire.read(&mut net), ["PUBLISH #1 sent"]);
                if is_away {
                    wire.cut(&mut net);
                }
                publish(&mut net, "secret", "waits");
                publish(&mut net, "public", "stays");
                let secret = filter("secret");
                let count = net
                    .broker
                    .discard_queued("ada", |message| secret.matches(&message.topic_name()));
                assert_eq!(count, if is_away { 2 } else { 1 });
                assert_eq!(
                    net.broker
                        .discard_queued("ada", |one| one.topic() == "secret"),
                    0
                );
                assert_eq!(net.broker.discard_queued("nobody", |_| true), 0);
                let said = match is_away {
                    false => wire.read(&mut net),
                    true => Wire::join(&mut net, &lasting(version, "ada")).1[1..].to_vec(),
                };
                match (is_away, qos) {
                    (false, _) => assert_eq!(said, ["PUBLISH #2 stays"]),
                    (true, QoS::AtLeastOnce) => assert_eq!(said.len(), 1),
                    // Its identifier is released.
                    (true, _) => assert_eq!(said[0], "PUBREL #1"),
                }
                assert!(said.last().unwrap().ends_with("stays"));
                let said = other.read(&mut net);
                assert_eq!(
                    said,
                    ["PUBLISH #1 sent", "PUBLISH #2 waits", "PUBLISH #3 stays"]
                );
                serve(&mut net);
            }
        }
    }
}

/// The same over a restart, of one that is connected and of one that is away.
#[test]
fn queued_messages_and_rights_over_a_restart() {
    for is_away in [false, true] {
        let mut net = Net::new(BrokerOptions::new().with_records(true));
        let connect = lasting(Version::V311, "ada");
        let ada = net.open(&connect, Session::established(), Options::new());
        net.run();
        let client = &mut net.peers[ada].client;
        let list = [Subscription::new("+", QoS::AtLeastOnce)];
        client.subscribe(&list, Properties::EMPTY).unwrap();
        net.run();
        if is_away {
            net.cut(ada);
        } else {
            net.peers[ada].is_deaf = true;
        }
        for topic in ["secret", "public", "secret"] {
            net.broker
                .publish(net.now, &message(topic, topic, QoS::AtLeastOnce));
        }
        assert_eq!(
            net.broker
                .discard_queued("ada", |one| one.topic() == "secret"),
            2
        );
        net.restart();
        let session = net.broker.session("ada").unwrap();
        assert_eq!(session.in_flight() + session.queued(), 1);
    }
}

/// What was on its way to a member of a Shared Subscription and is taken back goes to nobody else.
#[test]
fn shared_messages_and_rights() {
    let mut net = with_witnesses(BrokerOptions::new());
    let [a, b] = ["a", "b"].map(|name| {
        let connect = lasting(Version::V5, name);
        let peer = net.join_with(&connect);
        net.subscribe(peer, &[Subscription::new("$share/g/t", QoS::AtLeastOnce)]);
        peer
    });
    (net.peers[a].is_deaf, net.peers[b].is_deaf) = (true, true);
    for _ in 0..4 {
        net.broker
            .publish(net.now, &message("t", "x", QoS::AtLeastOnce));
    }
    let discarded = net.broker.discard_queued("a", |_| true);
    assert_eq!(discarded, 2);
    let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
    net.broker.end_session("a", net.now, &disconnect);
    net.peers[b].is_deaf = false;
    net.run();
    net.advance(Duration::from_secs(1));
    assert_eq!(net.texts(b), ["x", "x"]);
}

/// A will that was allowed with CONNECT and is not any more: it is taken back of a client that is connected, of one that is away,
/// and before its session is ended; also over a restart.
#[test]
fn wills_and_rights() {
    for version in VERSIONS {
        for case in ["connected", "away", "ended", "kept"] {
            let options = BrokerOptions::new().with_seed(7).with_records(true);
            let mut net = Net::new(options.clone());
            let properties = [Property::WillDelayInterval(10)];
            let will = Will {
                retain: true,
                properties: match version {
                    Version::V5 => Properties::from(&properties[..]),
                    _ => Properties::EMPTY,
                },
                ..Will::new("will", b"bad")
            };
            let connect = Connect {
                will: Some(will),
                ..lasting(version, "mallory")
            };
            let mut log = Vec::new();
            let wire = Wire::open(&mut net, version);
            wire.send(&mut net, connect);
            let number = net.broker.take_records(&mut log);
            net.broker.stored(number);
            assert_eq!(wire.read(&mut net), ["CONNACK 0 0x00"]);
            let discard = |net: &mut Net| {
                let will = net.broker.discard_will("mallory").unwrap();
                assert_eq!(will.payload(), b"bad");
                assert!(net.broker.discard_will("mallory").is_none());
                assert!(net.broker.discard_will("nobody").is_none());
            };
            match case {
                "connected" | "ended" => discard(&mut net),
                _ => {}
            }
            wire.cut(&mut net);
            // Before 5.0 it has gone round by now.
            if case == "away" && version == Version::V5 {
                discard(&mut net);
            }
            if case == "ended" {
                let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
                net.broker.end_session("mallory", net.now, &disconnect);
            }
            let is_out = case == "kept" || (case == "away" && version != Version::V5);
            net.broker.take_records(&mut log);
            let mut again = Net::new(options.clone());
            again.broker = Broker::restore(net.now, options, log).unwrap();
            for mut net in [net, again] {
                net.advance(Duration::from_secs(11));
                let retained = net.broker.counters().retained_messages;
                assert_eq!(retained, usize::from(is_out), "{version} {case}");
            }
        }
    }
}
