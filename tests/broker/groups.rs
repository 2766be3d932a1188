//! Shared Subscriptions.

use sansio_mqtt::*;

use crate::net::{message, retained};
use crate::raw::{Raw, id};
use crate::{SECOND, lasting, net};

#[test]
fn a_shared_message_goes_to_another_member_when_a_session_ends_and_its_lifetime_goes_on() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut net = net();
        let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
        for member in [ada, bob] {
            net.subscribe(member, &[Subscription::new("$share/g/a", qos)]);
        }
        let publisher = net.join(Version::V5, "eve");
        // On their way, and not acknowledged.
        (net.peers[ada].is_deaf, net.peers[bob].is_deaf) = (true, true);
        for text in ["1", "2", "3", "4"] {
            let brief = message("a", text, qos).with_message_expiry_interval(Some(30));
            net.publish(publisher, brief);
        }
        net.advance(10 * SECOND);
        net.cut(ada);
        net.peers[bob].is_deaf = false;
        net.run();
        let left = net.peers[bob].received.iter();
        let mut left: Vec<_> = left.map(Message::message_expiry_interval).collect();
        left.sort();
        let mut texts = net.texts(bob);
        texts.sort();
        match qos {
            // QoS 2 that was sent goes to nobody else (MQTT-4.8.2-5 of 5.0).
            QoS::ExactlyOnce => assert_eq!(texts.len(), 2),
            _ => {
                assert_eq!(texts, ["1", "2", "3", "4"]);
                assert_eq!(left, [Some(20), Some(20), Some(30), Some(30)]);
            }
        }
    }
}

fn share(filter: &str, retain_as_published: bool) -> Subscription<'_> {
    Subscription {
        filter,
        options: SubscriptionOptions {
            retain_as_published,
            ..SubscriptionOptions::new(QoS::AtLeastOnce)
        },
    }
}

/// MQTT-3.3.1-12, MQTT-3.3.1-13 of 5.0: as its own subscription says, not as that of the member whose session ended.
#[test]
fn a_message_that_moves_to_another_member_is_as_that_one_wants_it() {
    let mut net = net();
    let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
    net.subscribe_with(ada, &[share("$share/g/a", true)], Some(1));
    net.subscribe_with(bob, &[share("$share/g/a", false)], Some(2));
    let publisher = net.join(Version::V5, "eve");
    (net.peers[ada].is_deaf, net.peers[bob].is_deaf) = (true, true);
    for text in ["1", "2"] {
        net.publish(publisher, retained("a", text, QoS::AtLeastOnce));
    }
    net.cut(ada);
    net.peers[bob].is_deaf = false;
    net.run();
    let got = net.peers[bob].received.iter();
    let got: Vec<_> = got
        .map(|one| (one.retain(), one.subscription_identifiers().to_vec()))
        .collect();
    assert_eq!(got, [(false, vec![2]), (false, vec![2])]);
    let mut texts = net.texts(bob);
    texts.sort();
    assert_eq!(texts, ["1", "2"]);
}

/// Each group has one copy, whoever else subscribes; one client in several of them has one for each.
#[test]
fn each_group_gets_one_copy_and_others_theirs() {
    let mut net = net();
    let names = ["ada", "bob", "eve"].map(|name| net.join(Version::V5, name));
    for (at, filter) in [
        (0, "$share/g/t/+"),
        (1, "$share/g/t/+"),
        (0, "$share/h/t/+"),
        (0, "$share/g/t/#"),
        (1, "t/1"),
        (2, "t/#"),
    ] {
        net.subscribe(names[at], &[Subscription::new(filter, QoS::AtLeastOnce)]);
    }
    let publisher = net.join(Version::V311, "joe");
    for text in ["1", "2", "3", "4"] {
        net.publish(publisher, message("t/1", text, QoS::AtLeastOnce));
    }
    let got = names.map(|peer| net.texts(peer));
    // Two groups of its own, and half of that which it shares; the others are whole.
    assert_eq!(got.each_ref().map(Vec::len), [4 + 4 + 2, 2 + 4, 4]);
    for text in ["1", "2", "3", "4"] {
        let copies = got.iter().flatten().filter(|one| *one == text).count();
        assert_eq!(copies, 3 + 2, "{text}");
    }
}

/// 5.0 §3.8.4: nothing that is retained, be the subscription new or not.
#[test]
fn what_is_retained_is_not_for_a_group() {
    let mut net = net();
    let ada = net.join(Version::V5, "ada");
    net.publish(ada, retained("a", "kept", QoS::AtLeastOnce));
    for _ in 0..2 {
        net.subscribe(ada, &[share("$share/g/a", true)]);
        assert_eq!(net.take(ada), []);
    }
    net.publish(ada, retained("a", "live", QoS::AtLeastOnce));
    assert_eq!(net.take(ada), [("a".into(), "live".into(), 1, true)]);
}

/// A member that is connected is asked first; one that is away keeps what nobody else takes, but nothing of QoS 0.
#[test]
fn members_that_are_away_come_last() {
    let mut net = net();
    let connect = lasting(Version::V5, "ada");
    let (ada, bob) = (net.join_with(&connect), net.join(Version::V5, "bob"));
    for member in [ada, bob] {
        net.subscribe(member, &[share("$share/g/a", false)]);
    }
    let publisher = net.join(Version::V5, "eve");
    net.cut(ada);
    for text in ["1", "2", "3"] {
        net.publish(publisher, message("a", text, QoS::AtLeastOnce));
    }
    assert_eq!(net.texts(bob), ["1", "2", "3"]);
    net.unsubscribe(bob, &["$share/g/a"]);
    net.publish(publisher, message("a", "4", QoS::AtLeastOnce));
    net.publish(publisher, message("a", "5", QoS::AtMostOnce));
    assert_eq!(net.texts(bob), [""; 0]);
    let told = net.peers[publisher].acks.last();
    assert_eq!(told, Some(&ReasonCode::Success));
    let ada = net.rejoin(ada, &connect);
    assert_eq!(net.texts(ada), ["4"]);
    // Nobody is left: nobody gets it, and nothing of it stays.
    net.unsubscribe(ada, &["$share/g/a"]);
    net.publish(publisher, message("a", "6", QoS::AtLeastOnce));
    let told = net.peers[publisher].acks.last();
    assert_eq!(told, Some(&ReasonCode::NoMatchingSubscribers));
    assert_eq!(net.broker.counters().subscriptions, 0);
}

/// The message moves when the session ends, however that comes; as often as sessions end.
#[test]
fn a_message_moves_as_often_as_sessions_end() {
    for end in 0..5 {
        let mut net = net();
        let short = [Property::SessionExpiryInterval(10)];
        let names = ["ada", "bob", "eve"];
        let connect = |name| Connect {
            clean_start: false,
            properties: Properties::from(&short),
            ..Connect::new(Version::V5, name)
        };
        let members = names.map(|name| net.join_with(&connect(name)));
        for member in members {
            net.subscribe(member, &[share("$share/g/a", false)]);
            net.peers[member].is_deaf = true;
        }
        let publisher = net.join(Version::V5, "joe");
        for text in ["1", "2", "3"] {
            net.publish(publisher, message("a", text, QoS::AtLeastOnce));
        }
        let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
        for (member, name) in members.into_iter().zip(names).take(2) {
            match end {
                0 => {
                    net.broker.end_session(name, net.now, &disconnect);
                    net.run();
                }
                1 => {
                    net.cut(member);
                    net.advance(10 * SECOND);
                }
                2 => {
                    // A clean start takes its place, which is no member.
                    net.cut(member);
                    net.join(Version::V5, name);
                }
                3 => {
                    net.join(Version::V5, name);
                }
                _ => {
                    let now = [Property::SessionExpiryInterval(0)];
                    let disconnect = Disconnect {
                        properties: Properties::from(&now),
                        ..Disconnect::new(ReasonCode::Success)
                    };
                    net.leave_with(member, &disconnect);
                }
            }
        }
        net.peers[members[2]].is_deaf = false;
        net.run();
        let mut texts = net.texts(members[2]);
        texts.sort();
        assert_eq!(texts, ["1", "2", "3"], "{end}");
        // What was acknowledged does not move any more.
        net.broker.end_session("eve", net.now, &disconnect);
        assert_eq!(net.broker.counters().messages_queued, 3 + 1 + 2, "{end}");
    }
}

/// MQTT-4.8.2-6 of 5.0: what a member refuses goes to nobody else.
#[test]
fn what_a_member_refuses_goes_to_nobody() {
    let mut net = net();
    let (ada, bob) = (
        Raw::join(&mut net, Version::V5, "ada"),
        Raw::join(&mut net, Version::V5, "bob"),
    );
    for member in [&ada, &bob] {
        member.subscribe(&mut net, "$share/g/a", QoS::AtLeastOnce);
    }
    for text in ["1", "2"] {
        net.broker
            .publish(net.now, &message("a", text, QoS::AtLeastOnce));
    }
    assert_eq!(ada.heard(&mut net), ["PUBLISH a 1 q1 r0"]);
    let refused = Ack {
        reason: ReasonCode::NotAuthorized,
        ..Ack::new(id(1))
    };
    ada.send(&mut net, &[Packet::Puback(refused)]);
    ada.leave(&mut net);
    assert_eq!(bob.heard(&mut net), ["PUBLISH a 2 q1 r0"]);
}

/// A member that is away and would get it at QoS 0 would not get it at all.
#[test]
fn a_member_that_keeps_nothing_is_not_asked_while_it_is_away() {
    let mut net = net();
    let members = [("ada", QoS::AtMostOnce), ("bob", QoS::AtLeastOnce)].map(|(name, qos)| {
        let (raw, _) = Raw::connect(&mut net, &lasting(Version::V5, name));
        raw.subscribe(&mut net, "$share/g/a", qos);
        raw
    });
    for member in members {
        member.leave(&mut net);
    }
    for text in ["1", "2", "3"] {
        let message = message("a", text, QoS::ExactlyOnce);
        assert_eq!(net.broker.publish(net.now, &message), 1);
    }
    let (_, said) = Raw::connect(&mut net, &lasting(Version::V5, "ada"));
    assert_eq!(said.len(), 1);
    let (_, said) = Raw::connect(&mut net, &lasting(Version::V5, "bob"));
    let expected = ["1", "2", "3"].map(|text| format!("PUBLISH a {text} q1 r0"));
    assert_eq!(said[1..], expected);
}
