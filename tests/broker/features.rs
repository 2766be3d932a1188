//! What the broker offers, and the bounds of one connection: what is announced, and what becomes of who does not keep to it.

use sansio_mqtt::*;

use crate::limits::{ALL, V31};
use crate::net::{Net, QOS, message};
use crate::raw::{Raw, id, publish};
use crate::{SECOND, lasting};

fn net(options: BrokerOptions) -> Net {
    Net::new(options.with_connection(V31))
}

/// What CONNACK has for a client of 5.0 that says no more than its name.
fn announced(net: &mut Net) -> Vec<String> {
    let peer = net.join(Version::V5, "told");
    net.peers[peer].connack.clone().unwrap().2
}

#[track_caller]
fn assert_announced(net: &mut Net, expected: &str) {
    let told = announced(net);
    assert!(told.iter().any(|one| one == expected), "{told:?}");
}

fn will(qos: QoS, retain: bool) -> Option<Will<'static>> {
    Some(Will {
        topic: "will",
        payload: b"gone",
        qos,
        retain,
        properties: Properties::EMPTY,
    })
}

#[test]
fn nothing_is_announced_that_goes_without_saying() {
    let mut net = net(BrokerOptions::new());
    assert_eq!(announced(&mut net), ["ReceiveMaximum(1024)"]);
}

#[test]
fn no_more_than_the_maximum_qos_is_granted_and_taken() {
    for maximum in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let options = BrokerOptions::new().with_maximum_qos(maximum);
        for version in ALL {
            let what = format!("{version} {maximum}");
            let mut net = net(options.clone());
            assert_announced(&mut net, &format!("MaximumQos({maximum:?})"));
            let ada = Raw::join(&mut net, version, "ada");
            let granted = maximum.as_u8();
            let said = ada.subscribe(&mut net, "a", QoS::ExactlyOnce);
            assert_eq!(said, [format!("SUBACK {granted:02x}")], "{what}");
            let said = ada.publish(&mut net, publish("b", "x", maximum));
            assert_eq!(said.len(), usize::from(maximum.as_u8()), "{what}");
            let more = match maximum {
                QoS::AtMostOnce => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            };
            let eve = Connect {
                will: will(more, false),
                ..Connect::new(version, "eve")
            };
            let (eve, said) = Raw::connect(&mut net, &eve);
            if version == Version::V5 {
                assert_eq!(said, ["CONNACK 9b", "closed"], "{what}");
                let said = ada.publish(&mut net, publish("a", "x", more));
                assert_eq!(said, ["DISCONNECT 9b", "closed"], "{what}");
            } else {
                // It was not told, so it may.
                assert_eq!(said, ["CONNACK 00"], "{what}");
                let said = ada.publish(&mut net, publish("a", "x", more));
                let copy = format!("PUBLISH a x q{granted} r0");
                assert!(said.contains(&copy), "{what} {said:?}");
                ada.subscribe(&mut net, "will", QoS::ExactlyOnce);
                net.broker.disconnected(eve.id, net.now);
                let copy = format!("PUBLISH will gone q{granted} r0");
                assert_eq!(ada.heard(&mut net), [copy], "{what}");
            }
        }
    }
}

#[test]
fn where_nothing_is_retained_nothing_comes_with_retain() {
    for version in ALL {
        let what = format!("{version}");
        let options = BrokerOptions::new().with_retain_available(false);
        let mut net = net(options.with_sys_interval(Some(SECOND)));
        assert_announced(&mut net, "RetainAvailable(false)");
        let watch = Raw::join(&mut net, Version::V5, "watch");
        let properties = [Property::SubscriptionIdentifier(1)];
        let all = [Subscription {
            filter: "#",
            options: SubscriptionOptions {
                retain_as_published: true,
                ..SubscriptionOptions::new(QoS::AtMostOnce)
            },
        }];
        let subscribe = Subscribe {
            properties: Properties::from(&properties),
            ..Subscribe::new(id(1), &all[..])
        };
        watch.send(&mut net, &[subscribe.into()]);
        let ada = Raw::join(&mut net, version, "ada");
        let packet = Publish {
            retain: true,
            ..publish("a", "x", QoS::AtMostOnce)
        };
        let eve = Connect {
            will: will(QoS::AtMostOnce, true),
            ..Connect::new(version, "eve")
        };
        let (eve, said) = Raw::connect(&mut net, &eve);
        if version == Version::V5 {
            assert_eq!(said, ["CONNACK 9a", "closed"], "{what}");
            let said = ada.publish(&mut net, packet);
            assert_eq!(said, ["DISCONNECT 9a", "closed"], "{what}");
            assert_eq!(watch.heard(&mut net), [""; 0], "{what}");
        } else {
            ada.publish(&mut net, packet);
            assert_eq!(watch.heard(&mut net), ["PUBLISH a x q0 r0"], "{what}");
            net.broker.disconnected(eve.id, net.now);
            let said = watch.heard(&mut net);
            assert_eq!(said, ["PUBLISH will gone q0 r0"], "{what}");
        }
        // Nor what is the broker's own, nor its caller's.
        watch.subscribe(&mut net, "$SYS/#", QoS::AtMostOnce);
        net.advance(SECOND);
        let caller = message("c", "x", QOS[0]).with_retain(true);
        net.broker.publish(net.now, &caller);
        let said = watch.heard(&mut net);
        assert!(said.len() > 10, "{said:?}");
        assert!(said.iter().all(|one| one.ends_with(" r0")), "{said:?}");
        assert_eq!(net.broker.counters().retained_messages, 0, "{what}");
    }
}

/// 5.0 §3.2.2.3.11 to §3.2.2.3.13: who was told is disconnected, who could not be told is refused that one filter.
#[test]
fn filters_of_a_kind_that_there_is_not() {
    for version in ALL {
        let is_v5 = version == Version::V5;
        let what = format!("{version}");
        let failure = match version {
            Version::V31 => "SUBACK 00",
            _ => "SUBACK 80",
        };
        let mut one = net(BrokerOptions::new().with_wildcard_subscriptions(false));
        assert_announced(&mut one, "WildcardSubscriptionAvailable(false)");
        let ada = Raw::join(&mut one, version, "ada");
        assert_eq!(ada.subscribe(&mut one, "a/b", QOS[1]), ["SUBACK 01"]);
        for filter in ["a/#", "+"] {
            let ada = Raw::join(&mut one, version, "ada2");
            let said = ada.subscribe(&mut one, filter, QOS[1]);
            match is_v5 {
                true => assert_eq!(said, ["DISCONNECT a2", "closed"], "{what}"),
                false => assert_eq!(said, [failure], "{what}"),
            }
            one.broker.publish(one.now, &message("a", "x", QOS[1]));
            assert_eq!(ada.heard(&mut one), [""; 0], "{what}");
        }

        let mut one = net(BrokerOptions::new().with_shared_subscriptions(false));
        assert_announced(&mut one, "SharedSubscriptionAvailable(false)");
        let ada = Raw::join(&mut one, version, "ada");
        assert_eq!(ada.subscribe(&mut one, "a/#", QOS[1]), ["SUBACK 01"]);
        let said = ada.subscribe(&mut one, "$share/g/a", QOS[1]);
        match is_v5 {
            true => assert_eq!(said, ["DISCONNECT 9e", "closed"], "{what}"),
            // An ordinary filter.
            false => assert_eq!(said, ["SUBACK 01"], "{what}"),
        }
    }
    let mut net = net(BrokerOptions::new().with_subscription_identifiers(false));
    assert_announced(&mut net, "SubscriptionIdentifierAvailable(false)");
    let ada = Raw::join(&mut net, Version::V5, "ada");
    assert_eq!(ada.subscribe(&mut net, "a", QOS[1]), ["SUBACK 01"]);
    let properties = [Property::SubscriptionIdentifier(1)];
    let filters = [Subscription::new("b", QOS[1])];
    let subscribe = Subscribe {
        properties: Properties::from(&properties),
        ..Subscribe::new(id(1), &filters[..])
    };
    let said = ada.send(&mut net, &[subscribe.into()]);
    assert_eq!(said, ["DISCONNECT a1", "closed"]);
}

/// 5.0 §3.2.2.3.14: with more or none it gets the maximum, and what it was told is what is measured. Earlier versions keep
/// their own.
#[test]
fn the_longest_keep_alive_is_told_and_kept() {
    for (version, asked, told, silence) in [
        (Version::V5, 9, None, Some(13_500)),
        (Version::V5, 10, None, Some(15_000)),
        (Version::V5, 11, Some(10), Some(15_000)),
        (Version::V5, 0, Some(10), Some(15_000)),
        (Version::V311, 0, None, None),
        (Version::V311, 20, None, Some(30_000)),
        (Version::V31, 20, None, Some(30_000)),
    ] {
        let what = format!("{version} {asked}");
        let mut net = net(BrokerOptions::new().with_maximum_keep_alive(10));
        let connect = Connect {
            keep_alive: asked,
            ..Connect::new(version, "ada")
        };
        if version == Version::V5 {
            let ada = net.join_with(&connect);
            let properties = net.peers[ada].connack.clone().unwrap().2;
            let is = properties.iter().find(|one| one.starts_with("ServerKeep"));
            let expected = told.map(|told: u16| format!("ServerKeepAlive({told})"));
            assert_eq!(is, expected.as_ref(), "{what}");
            net.leave(ada);
        }
        let (ada, _) = Raw::connect(&mut net, &connect);
        let Some(silence) = silence else {
            net.advance(100_000 * SECOND);
            assert_eq!(ada.heard(&mut net), [""; 0], "{what}");
            continue;
        };
        let silence = std::time::Duration::from_millis(silence);
        let least = std::time::Duration::from_millis(1);
        net.advance(silence - least);
        assert_eq!(ada.send(&mut net, &[Packet::Pingreq]), ["PINGRESP"]);
        net.advance(silence - least);
        assert_eq!(ada.heard(&mut net), [""; 0], "{what}");
        net.advance(least);
        let said = ada.heard(&mut net);
        match version {
            Version::V5 => assert_eq!(said, ["DISCONNECT 8d", "closed"], "{what}"),
            _ => assert_eq!(said, ["closed"], "{what}"),
        }
    }
}

#[test]
fn packets_are_as_large_as_they_may_be() {
    for version in ALL {
        let what = format!("{version}");
        let connection = V31
            .with_maximum_packet_size(200)
            .with_maximum_connect_size(100);
        let mut net = Net::new(BrokerOptions::new().with_connection(connection));
        let largest = |size: usize| {
            let rest = usize::from(version == Version::V5);
            "x".repeat(size - 3 - 2 - 1 - rest)
        };
        let ada = Raw::join(&mut net, version, "ada");
        ada.subscribe(&mut net, "a", QoS::AtMostOnce);
        let (most, more) = (largest(200), largest(201));
        let said = ada.publish(&mut net, publish("a", &most, QoS::AtMostOnce));
        assert_eq!(said, [format!("PUBLISH a {most} q0 r0")], "{what}");
        let said = ada.publish(&mut net, publish("a", &more, QoS::AtMostOnce));
        match version {
            Version::V5 => {
                assert_eq!(said, ["DISCONNECT 95", "closed"], "{what}");
                assert_announced(&mut net, "MaximumPacketSize(200)");
            }
            _ => assert_eq!(said, ["closed"], "{what}"),
        }
        // A stranger has less.
        for (size, is_taken) in [(100, true), (101, false)] {
            let length = size - Connect::new(version, "").encoded_len();
            let connect = Connect {
                user_name: Some("u"),
                ..Connect::new(version, "ada")
            };
            let fixed = connect.encoded_len() - Connect::new(version, "").encoded_len();
            let name = "x".repeat(length - fixed + 1);
            let connect = Connect {
                user_name: Some(&name),
                ..connect
            };
            assert_eq!(connect.encoded_len(), size);
            let (_, said) = Raw::connect(&mut net, &connect);
            // Of a packet that is not read no version is known, so there is no answer.
            let expected = if is_taken { "CONNACK 00" } else { "closed" };
            assert_eq!(said, [expected], "{what} {size}");
        }
    }
}

/// MQTT-3.1.2-24, MQTT-3.1.2-25 of 5.0: what is too large for a client does not reach it, and what is behind that does.
#[test]
fn a_client_gets_no_packet_that_is_larger_than_it_takes() {
    for qos in QOS {
        let mut net = Net::new(BrokerOptions::new().with_drop_events(true));
        let properties = [Property::MaximumPacketSize(40)];
        let connect = Connect {
            properties: Properties::from(&properties),
            ..Connect::new(Version::V5, "ada")
        };
        let (ada, _) = Raw::connect(&mut net, &connect);
        ada.subscribe(&mut net, "a", QoS::ExactlyOnce);
        let rest = 2 + 2 + 1 + 1 + if qos > QoS::AtMostOnce { 2 } else { 0 };
        let (most, more) = ("x".repeat(40 - rest), "y".repeat(41 - rest));
        for text in [&*more, &*most, "last"] {
            net.broker.publish(net.now, &message("a", text, qos));
        }
        let copy = |text: &str| format!("PUBLISH a {text} q{} r0", qos.as_u8());
        assert_eq!(ada.heard(&mut net), [copy(&most), copy("last")]);
        let event = net.broker.poll_event();
        let Some(BrokerEvent::Dropped { reason, .. }) = event else {
            panic!("{event:?}");
        };
        assert_eq!(reason, DropReason::PacketTooLarge);
        assert_eq!(net.broker.counters().messages_dropped, 1);
    }
}

/// 5.0 §4.9, in both directions.
#[test]
fn no_more_messages_are_open_than_either_side_takes() {
    for version in ALL {
        let what = format!("{version}");
        let connection = V31.with_receive_maximum(2);
        let mut net = Net::new(BrokerOptions::new().with_connection(connection));
        let ada = Raw::join(&mut net, version, "ada");
        let packets: Vec<Packet<'_>> = (1..4)
            .map(|number| {
                Packet::from(Publish {
                    packet_id: Some(id(number)),
                    ..publish("a", "x", QoS::ExactlyOnce)
                })
            })
            .collect();
        let said = ada.send(&mut net, &packets);
        let code = match version {
            Version::V5 => "10",
            _ => "00",
        };
        let mut expected = vec![format!("PUBREC {code}"); 2];
        if version == Version::V5 {
            // A PUBREC of less than 0x80 leaves it open.
            expected.extend(["DISCONNECT 93".into(), "closed".into()]);
        } else {
            // It was told of no bound.
            expected.push(format!("PUBREC {code}"));
        }
        assert_eq!(said, expected, "{what}");
        // What is released makes room.
        let bob = Raw::join(&mut net, version, "bob");
        for _ in 0..3 {
            bob.send(&mut net, &packets[..2]);
            let released = [1, 2].map(|number| Packet::Pubrel(Ack::new(id(number))));
            let said = bob.send(&mut net, &released);
            assert_eq!(said, ["PUBCOMP 00"; 2], "{what}");
        }
    }
    let mut net = Net::new(BrokerOptions::new());
    let properties = [Property::ReceiveMaximum(2)];
    let connect = Connect {
        properties: Properties::from(&properties),
        ..Connect::new(Version::V5, "ada")
    };
    let (ada, _) = Raw::connect(&mut net, &connect);
    ada.subscribe(&mut net, "a", QoS::AtLeastOnce);
    for text in ["1", "2", "3", "4"] {
        net.broker.publish(net.now, &message("a", text, QOS[1]));
    }
    let copy = |text: &str| format!("PUBLISH a {text} q1 r0");
    assert_eq!(ada.heard(&mut net), [copy("1"), copy("2")]);
    let said = ada.send(&mut net, &[Packet::Puback(Ack::new(id(1)))]);
    assert_eq!(said, [copy("3")]);
    let said = ada.send(&mut net, &[Packet::Puback(Ack::new(id(2)))]);
    assert_eq!(said, [copy("4")]);
}

/// A filter that is none, where it is to be answered and where it ends the connection.
#[test]
fn a_filter_that_is_none() {
    for version in ALL {
        for is_answered in [false, true] {
            let what = format!("{version} {is_answered}");
            let connection = V31.with_answer_invalid_filters(is_answered);
            let mut net = Net::new(BrokerOptions::new().with_connection(connection));
            let ada = Raw::join(&mut net, version, "ada");
            let mut bytes = vec![0x82, 13, 0, 1];
            bytes.extend((version == Version::V5).then_some(0));
            bytes.extend(b"\0\x01a\x01\0\x02a+\x01");
            bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
            let said = ada.send_bytes(&mut net, &bytes);
            let expected: &[&str] = match (is_answered, version) {
                (true, Version::V31) => &["SUBACK 01 00"],
                (true, Version::V311) => &["SUBACK 01 80"],
                (true, _) => &["SUBACK 01 8f"],
                (false, Version::V5) => &["DISCONNECT 8f", "closed"],
                (false, _) => &["closed"],
            };
            assert_eq!(said, expected, "{what}");
            if is_answered {
                net.broker.publish(net.now, &message("a", "x", QOS[1]));
                assert_eq!(ada.heard(&mut net), ["PUBLISH a x q1 r0"], "{what}");
            }
        }
    }
}

/// What says nothing for too long, and who asks and does not read.
#[test]
fn silence_before_connect_and_answers_that_nobody_reads() {
    let connection = Options::new()
        .with_connect_timeout(5 * SECOND)
        .with_maximum_reply_bytes(8);
    let mut net = Net::new(BrokerOptions::new().with_connection(connection));
    let silent = Raw::new(&mut net, Version::V5);
    net.advance(4 * SECOND);
    assert_eq!(silent.heard(&mut net), [""; 0]);
    net.advance(SECOND);
    assert_eq!(silent.heard(&mut net), ["closed"]);

    let ada = Raw::join(&mut net, Version::V5, "ada");
    let pings = b"\xc0\0".repeat(10);
    let mut input = &pings[..];
    assert!(net.broker.receive(ada.id, net.now, &mut input).is_none());
    // So many answers wait.
    assert_eq!(input.len(), pings.len() - 4 * 2);
    assert!(!net.broker.wants_input(ada.id));
    assert_eq!(ada.heard(&mut net).len(), 4);
    assert!(net.broker.wants_input(ada.id));
    let rest = ada.send_bytes(&mut net, input);
    assert_eq!(rest.len(), 6);
}

/// A session goes on with what another connection is allowed, be it less.
#[test]
fn a_session_goes_on_in_a_connection_with_other_bounds() {
    let mut net = Net::new(BrokerOptions::new());
    let connect = lasting(Version::V311, "ada");
    let (ada, _) = Raw::connect(&mut net, &connect);
    ada.subscribe(&mut net, "a", QoS::AtLeastOnce);
    let long = "x".repeat(100);
    net.broker.publish(net.now, &message("a", &long, QOS[1]));
    assert_eq!(ada.heard(&mut net).len(), 1);
    ada.leave(&mut net);
    for text in [&*long, "short"] {
        net.broker.publish(net.now, &message("a", text, QOS[1]));
    }
    let properties = [
        Property::SessionExpiryInterval(100),
        Property::MaximumPacketSize(50),
    ];
    let smaller = Connect {
        clean_start: false,
        properties: Properties::from(&properties),
        ..Connect::new(Version::V5, "ada")
    };
    let (_, said) = Raw::connect(&mut net, &smaller);
    assert_eq!(said, ["CONNACK 00 present", "PUBLISH a short q1 r0"]);
    assert_eq!(net.broker.counters().messages_dropped, 2);
}
