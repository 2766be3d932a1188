//! What is delivered once, again, or under which identifier, as links break and sessions are lost.

use std::collections::{BTreeMap, BTreeSet};

use sansio_mqtt::*;

use crate::net::{Net, message};
use crate::wire::{VERSIONS, Wire, id, lasting, serve, with_witnesses};

/// A message with an identifier of its own, for the first time or again.
fn publish(qos: QoS, number: u16, payload: &'static str, dup: bool) -> Packet<'static> {
    Packet::Publish(Publish {
        qos,
        dup,
        packet_id: Some(id(number)),
        ..Publish::new("t", payload.as_bytes())
    })
}

fn ack(number: u16) -> Ack<'static> {
    Ack::new(id(number))
}

fn subscribed(net: &mut Net) -> usize {
    let peer = net.join(Version::V5, "s");
    net.subscribe(peer, &[Subscription::new("t", QoS::ExactlyOnce)]);
    peer
}

/// mosquitto CVE-2023-28366, #3599 #3602, `FlashMQ` #171, rmqtt #458: the same identifier again and again before PUBREL is
/// one message for who has subscribed, on one connection and over many.
#[test]
fn qos_2_receiver() {
    for version in VERSIONS {
        for is_cut in [false, true] {
            let mut net = with_witnesses(BrokerOptions::new());
            let subscriber = subscribed(&mut net);
            let (mut wire, _) = Wire::join(&mut net, &lasting(version, "p"));
            for round in 0..500 {
                wire.send(&mut net, publish(QoS::ExactlyOnce, 7, "x", round > 0));
                assert_eq!(wire.read(&mut net), ["PUBREC #7"]);
                if is_cut {
                    wire.cut(&mut net);
                    let (next, said) = Wire::join(&mut net, &lasting(version, "p"));
                    assert_eq!(said, ["CONNACK 1 0x00"]);
                    wire = next;
                }
            }
            net.run();
            assert_eq!(net.texts(subscriber), ["x"]);
            wire.send(&mut net, Packet::Pubrel(ack(7)));
            assert_eq!(wire.read(&mut net), ["PUBCOMP #7"]);
            wire.send(&mut net, publish(QoS::ExactlyOnce, 7, "y", false));
            net.run();
            assert_eq!(net.texts(subscriber), ["y"]);
            serve(&mut net);
        }
    }
}

/// `FlashMQ` #176, bifromq #281, rmqtt #458: a publisher that is cut at each step of each QoS, or that is taken over from, and
/// goes on where it thinks that it was.
#[test]
fn resume_of_a_publisher() {
    for version in VERSIONS {
        for is_taken_over in [false, true] {
            let mut net = with_witnesses(BrokerOptions::new());
            let subscriber = subscribed(&mut net);
            let (mut wire, _) = Wire::join(&mut net, &lasting(version, "p"));
            let again = |net: &mut Net, wire: &mut Wire| {
                let older = *wire;
                if !is_taken_over {
                    older.cut(net);
                }
                let (next, said) = Wire::join(net, &lasting(version, "p"));
                assert_eq!(said, ["CONNACK 1 0x00"]);
                assert!(older.is_closed(net) || !is_taken_over);
                older.cut(net);
                *wire = next;
            };
            // QoS 1: the acknowledgement is lost.
            wire.send(&mut net, publish(QoS::AtLeastOnce, 6, "one", false));
            again(&mut net, &mut wire);
            wire.send(&mut net, publish(QoS::AtLeastOnce, 6, "one", true));
            assert_eq!(wire.read(&mut net), ["PUBACK #6"]);
            net.run();
            assert_eq!(net.texts(subscriber), ["one", "one"]);
            // QoS 2: PUBREC is lost, twice; then PUBCOMP.
            wire.send(&mut net, publish(QoS::ExactlyOnce, 7, "two", false));
            for _ in 0..2 {
                again(&mut net, &mut wire);
                wire.send(&mut net, publish(QoS::ExactlyOnce, 7, "two", true));
            }
            assert_eq!(wire.read(&mut net), ["PUBREC #7"]);
            again(&mut net, &mut wire);
            wire.send(&mut net, Packet::Pubrel(ack(7)));
            again(&mut net, &mut wire);
            wire.send(&mut net, Packet::Pubrel(ack(7)));
            // It has been released.
            let said = wire.read(&mut net);
            match version {
                Version::V5 => assert_eq!(said, ["PUBCOMP #7 0x92"]),
                _ => assert_eq!(said, ["PUBCOMP #7"]),
            }
            net.run();
            assert_eq!(net.texts(subscriber), ["two"]);
            // The identifier is free: this is another message, DUP or not.
            wire.send(&mut net, publish(QoS::ExactlyOnce, 7, "three", true));
            net.run();
            assert_eq!(net.texts(subscriber), ["three"]);
        }
    }
}

/// The same for a subscriber: what is owed comes again under the same identifiers, in the order in which it came first, and each
/// PUBREL, which waits for no quota, before all PUBLISH.
#[test]
fn resume_of_a_subscriber() {
    for version in VERSIONS {
        for is_taken_over in [false, true] {
            let mut net = with_witnesses(BrokerOptions::new());
            let (mut wire, _) = Wire::join(&mut net, &lasting(version, "s"));
            wire.subscribe(&mut net, "t", QoS::ExactlyOnce);
            let again = |net: &mut Net, wire: &mut Wire, expected: &[&str]| {
                let older = *wire;
                if !is_taken_over {
                    older.cut(net);
                }
                let (next, said) = Wire::join(net, &lasting(version, "s"));
                let mut all = vec!["CONNACK 1 0x00"];
                all.extend(expected);
                assert_eq!(said, all);
                older.cut(net);
                *wire = next;
            };
            for (payload, qos) in [
                ("a", QoS::AtLeastOnce),
                ("b", QoS::ExactlyOnce),
                ("c", QoS::AtMostOnce),
                ("d", QoS::AtLeastOnce),
            ] {
                net.broker.publish(net.now, &message("t", payload, qos));
            }
            let first = wire.read(&mut net);
            assert_eq!(
                first,
                [
                    "PUBLISH #1 a",
                    "PUBLISH #2 b",
                    "PUBLISH #0 c",
                    "PUBLISH #3 d"
                ]
            );
            // While it is away more comes, which has not been sent.
            let (older, now) = (wire, net.now);
            older.cut(&mut net);
            net.broker
                .publish(now, &message("t", "e", QoS::ExactlyOnce));
            again(
                &mut net,
                &mut wire,
                &[
                    "PUBLISH dup #1 a",
                    "PUBLISH dup #2 b",
                    "PUBLISH dup #3 d",
                    "PUBLISH #4 e",
                ],
            );
            wire.send(&mut net, Packet::Puback(ack(1)));
            wire.send(&mut net, Packet::Pubrec(ack(2)));
            // PUBREL is lost before it is read.
            let rest = ["PUBREL #2", "PUBLISH dup #3 d", "PUBLISH dup #4 e"];
            for _ in 0..2 {
                again(&mut net, &mut wire, &rest);
            }
            wire.send(&mut net, Packet::Pubrec(ack(4)));
            assert_eq!(wire.read(&mut net), ["PUBREL #4"]);
            again(
                &mut net,
                &mut wire,
                &["PUBREL #2", "PUBREL #4", "PUBLISH dup #3 d"],
            );
            wire.send(&mut net, Packet::Puback(ack(3)));
            wire.send(&mut net, Packet::Pubcomp(ack(2)));
            again(&mut net, &mut wire, &["PUBREL #4"]);
            wire.send(&mut net, Packet::Pubcomp(ack(4)));
            again(&mut net, &mut wire, &[]);
            let session = net.broker.session("s").unwrap();
            assert_eq!((session.in_flight(), session.queued()), (0, 0));
            serve(&mut net);
        }
    }
}

/// mosquitto #918, rumqtt #1057: all identifiers in flight to one client; none is used again before PUBCOMP, and one that is not
/// known changes nothing.
#[test]
fn packet_ids() {
    let connection = Options::new()
        .with_maximum_kept_messages(70_000)
        .with_receive_maximum(65_535);
    for version in VERSIONS {
        let mut net = with_witnesses(BrokerOptions::new().with_connection(connection.clone()));
        let (wire, _) = Wire::join(&mut net, &Connect::new(version, "s"));
        wire.subscribe(&mut net, "t", QoS::ExactlyOnce);
        let one = message("t", "x", QoS::ExactlyOnce);
        for _ in 0..65_540 {
            net.broker.publish(net.now, &one);
        }
        let sent: BTreeSet<_> = wire.read(&mut net).into_iter().collect();
        assert_eq!(sent.len(), 65_535, "each under another one");
        assert!(sent.contains("PUBLISH #1 x") && sent.contains("PUBLISH #65535 x"));
        for number in [1, 40_000, 65_535] {
            wire.send(&mut net, Packet::Pubrec(ack(number)));
            assert_eq!(wire.read(&mut net), [format!("PUBREL #{number}")]);
            // It is not free yet, also not if this comes twice.
            wire.send(&mut net, Packet::Pubrec(ack(number)));
            assert_eq!(wire.read(&mut net), [format!("PUBREL #{number}")]);
            wire.send(&mut net, Packet::Pubcomp(ack(number)));
            assert_eq!(wire.read(&mut net), [format!("PUBLISH #{number} x")]);
        }
        // Its own identifiers are others.
        wire.send(&mut net, Packet::Pubrel(ack(9)));
        let code = if version == Version::V5 { " 0x92" } else { "" };
        assert_eq!(wire.read(&mut net), [format!("PUBCOMP #9{code}")]);
        let session = net.broker.session("s").unwrap();
        assert_eq!((session.in_flight(), session.queued()), (65_535, 2));
        serve(&mut net);
    }
}

/// rumqtt #1056 #1014: the client has forgotten everything and does not say so. What it is sent it answers as it can, and all
/// identifiers and the whole quota come back.
#[test]
fn lost_session_at_the_client() {
    for version in VERSIONS {
        let mut net = with_witnesses(BrokerOptions::new());
        let quota = [
            Property::SessionExpiryInterval(3_600),
            Property::ReceiveMaximum(3),
        ];
        let connect = Connect {
            properties: match version {
                Version::V5 => Properties::from(&quota[..]),
                _ => Properties::EMPTY,
            },
            ..lasting(version, "s")
        };
        let (wire, _) = Wire::join(&mut net, &connect);
        wire.subscribe(&mut net, "t", QoS::ExactlyOnce);
        for (payload, qos) in [
            ("a", QoS::AtLeastOnce),
            ("b", QoS::ExactlyOnce),
            ("c", QoS::ExactlyOnce),
        ] {
            net.broker.publish(net.now, &message("t", payload, qos));
        }
        wire.read(&mut net);
        wire.send(&mut net, Packet::Pubrec(ack(3)));
        wire.cut(&mut net);
        let (wire, said) = Wire::join(&mut net, &connect);
        assert_eq!(
            said[1..],
            ["PUBREL #3", "PUBLISH dup #1 a", "PUBLISH dup #2 b"]
        );
        wire.send(&mut net, Packet::Puback(ack(1)));
        // For what it does not know it has a word in 5.0.
        let unknown = Ack {
            reason: match version {
                Version::V5 => ReasonCode::PacketIdentifierNotFound,
                _ => ReasonCode::Success,
            },
            ..ack(3)
        };
        wire.send(&mut net, Packet::Pubcomp(unknown));
        wire.send(&mut net, Packet::Pubrec(ack(2)));
        assert_eq!(wire.read(&mut net), ["PUBREL #2"]);
        wire.send(&mut net, Packet::Pubcomp(ack(2)));
        for _ in 0..40 {
            for _ in 0..5 {
                net.broker
                    .publish(net.now, &message("t", "x", QoS::AtLeastOnce));
            }
            let mut got = 0;
            while got < 5 {
                let said = wire.read(&mut net);
                let most = if version == Version::V5 { 3 } else { 5 };
                assert!((1..=most).contains(&said.len()), "{said:?}");
                got += said.len();
                for one in said {
                    let number = one.strip_prefix("PUBLISH #").unwrap();
                    let number = number.strip_suffix(" x").unwrap().parse().unwrap();
                    wire.send(&mut net, Packet::Puback(ack(number)));
                }
            }
            assert_eq!(got, 5);
        }
        assert_eq!(net.broker.session("s").unwrap().in_flight(), 0);
        serve(&mut net);
    }
}

/// The broker has forgotten everything, and says so: the client begins anew, and nothing hangs.
#[test]
fn lost_session_at_the_broker() {
    for version in VERSIONS {
        let mut net = with_witnesses(BrokerOptions::new());
        let connect = lasting(version, "p");
        let peer = net.join_with(&connect);
        net.peers[peer].is_deaf = true;
        // Sent, and not acknowledged.
        for _ in 0..20 {
            net.publish(peer, message("t", "lost", QoS::ExactlyOnce));
        }
        let peers = std::mem::take(&mut net.peers);
        let client = peers.into_iter().nth(peer).unwrap().client;
        net = with_witnesses(BrokerOptions::new());
        let subscriber = subscribed(&mut net);
        let peer = net.open(&connect, client.into_session(), Options::new());
        net.run();
        assert_eq!(
            net.peers[peer].connack.as_ref().map(|one| one.1),
            Some(false)
        );
        for _ in 0..100 {
            net.publish(peer, message("t", "new", QoS::ExactlyOnce));
        }
        assert_eq!(net.peers[peer].acks.len(), 100);
        let texts = net.texts(subscriber);
        assert_eq!(texts.iter().filter(|text| *text == "new").count(), 100);
        serve(&mut net);
    }
}

/// The client goes on elsewhere without a word; the broker still has its transport.
fn take_over(
    net: &mut Net,
    peer: usize,
    connect: &Connect<'_>,
    gone: &mut Vec<ConnectionId>,
) -> usize {
    gone.push(net.peers[peer].id);
    net.peers[peer].is_cut = true;
    let other = Connect::new(Version::V311, "gone");
    let other = ClientConnection::new(net.now, &other, Session::new(), Options::new()).unwrap();
    let client = std::mem::replace(&mut net.peers[peer].client, other);
    let received = std::mem::take(&mut net.peers[peer].received);
    let next = net.open(connect, client.into_session(), Options::new());
    net.peers[next].received = received;
    next
}

/// `NanoMQ` CVE-2025-59946, CVE-2026-22040: clients are taken over from amid publishing, and others subscribe, unsubscribe and
/// leave: what was acknowledged arrives, in order, and of QoS 2 once.
#[test]
fn take_over_races() {
    for seed in 0..30_u64 {
        let mut state = seed;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut net = with_witnesses(BrokerOptions::new());
        let version = VERSIONS[usize::try_from(seed % 2).unwrap()];
        let (p, s) = (lasting(version, "p"), lasting(version, "s"));
        let (mut publisher, mut subscriber) = (net.join_with(&p), net.join_with(&s));
        net.subscribe(subscriber, &[Subscription::new("t/#", QoS::ExactlyOnce)]);
        let (mut gone, mut sent) = (Vec::new(), BTreeMap::new());
        let mut churn = net.join(Version::V5, "churn");
        for step in 0..200_u32 {
            match random(12) {
                0..=4 => {
                    let qos = if random(2) == 0 {
                        QoS::AtLeastOnce
                    } else {
                        QoS::ExactlyOnce
                    };
                    let text = format!("{step}");
                    let one = message("t/a", &text, qos);
                    if net.peers[publisher].client.publish(net.now, one).is_ok() {
                        sent.insert(step, qos);
                    }
                }
                5 => publisher = take_over(&mut net, publisher, &p, &mut gone),
                6 => subscriber = take_over(&mut net, subscriber, &s, &mut gone),
                7 => {
                    let peer = if random(2) == 0 {
                        publisher
                    } else {
                        subscriber
                    };
                    net.peers[peer].is_deaf ^= true;
                }
                8 => {
                    net.cut(churn);
                    churn = net.join(Version::V5, "churn");
                }
                9 => {
                    let filters = [
                        Subscription::new("t/#", QoS::ExactlyOnce),
                        Subscription::new("$share/g/t/#", QoS::AtLeastOnce),
                    ];
                    let client = &mut net.peers[churn].client;
                    client.subscribe(&filters, Properties::EMPTY).unwrap();
                }
                10 => {
                    let client = &mut net.peers[churn].client;
                    client.unsubscribe(&["t/#"], Properties::EMPTY).unwrap();
                }
                _ => {
                    // The transports that are over end at some time.
                    for id in gone.drain(..) {
                        net.broker.disconnected(id, net.now);
                    }
                }
            }
            if random(3) == 0 {
                net.run();
            }
        }
        for peer in [publisher, subscriber] {
            net.peers[peer].is_deaf = false;
        }
        net.run();
        let texts = net.texts(subscriber);
        let got: Vec<u32> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let mut firsts = Vec::new();
        for one in &got {
            if !firsts.contains(one) {
                firsts.push(*one);
            }
        }
        let expected: Vec<u32> = sent.keys().copied().collect();
        assert_eq!(firsts, expected, "seed {seed}");
        for (step, qos) in sent {
            let times = got.iter().filter(|&&one| one == step).count();
            assert!(
                qos == QoS::AtLeastOnce || times == 1,
                "seed {seed}: {step} {times} times"
            );
        }
        for id in gone {
            net.broker.disconnected(id, net.now);
        }
        net.cut(churn);
        let counters = net.broker.counters();
        assert_eq!((counters.connections, counters.sessions), (4, 4));
        serve(&mut net);
    }
}
