//! What the caller does and hears that no client asked for.

use sansio_mqtt::*;

use crate::limits::{ALL, V31};
use crate::net::{Net, QOS, message};
use crate::questions::desk;
use crate::raw::{Raw, id, publish};
use crate::{SECOND, lasting};

#[test]
fn bridges_hear_of_the_first_and_the_last_subscription_to_a_filter() {
    let mut net = Net::new(BrokerOptions::new().with_bridge_events(true));
    let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
    let events = |net: &mut Net| {
        let events = std::iter::from_fn(|| net.broker.poll_event());
        let mut events: Vec<String> = events
            .map(|event| match event {
                BrokerEvent::FirstSubscription { filter } => format!("+{}", filter.as_str()),
                BrokerEvent::LastSubscription { filter } => format!("-{}", filter.as_str()),
                BrokerEvent::Published { client_id, message } => {
                    format!("{client_id} {}", message.topic())
                }
                other => format!("{other:?}"),
            })
            .collect();
        events.sort();
        events
    };
    for peer in [ada, bob] {
        for filter in ["a/+", "$share/g/a/+", "a/+"] {
            net.subscribe(peer, &[Subscription::new(filter, QoS::AtLeastOnce)]);
        }
    }
    assert_eq!(events(&mut net), ["+$share/g/a/+", "+a/+"]);
    net.unsubscribe(ada, &["a/+"]);
    assert_eq!(events(&mut net), [""; 0]);
    net.publish(ada, message("a/b", "x", QoS::AtMostOnce));
    net.broker
        .publish(net.now, &message("a/b", "y", QoS::AtMostOnce));
    assert_eq!(events(&mut net), ["ada a/b"]);
    net.leave(bob);
    assert_eq!(events(&mut net), ["-a/+"]);
    net.unsubscribe(ada, &["$share/g/a/+"]);
    assert_eq!(events(&mut net), ["-$share/g/a/+"]);
}

const ADMIN: Disconnect<'_> = Disconnect::new(ReasonCode::AdministrativeAction);

/// In each phase of a connection, for each version; again, and for one that is forgotten, it does nothing.
#[test]
fn a_connection_is_ended_in_any_phase() {
    for version in ALL {
        let (mut net, desk) = desk(BrokerOptions::new().with_connection(V31));
        let is_v5 = version == Version::V5;
        let silent = Raw::new(&mut net, version);
        desk.holds.set(true);
        let (waits, said) = Raw::connect(&mut net, &Connect::new(version, "waits"));
        assert_eq!(said, [""; 0]);
        desk.holds.set(false);
        let ada = Raw::join(&mut net, version, "ada");
        let bob = Raw::join(&mut net, version, "bob");
        for raw in [&silent, &waits, &ada] {
            for _ in 0..2 {
                net.broker.disconnect(raw.id, net.now, &ADMIN);
            }
        }
        assert_eq!(silent.heard(&mut net), ["closed"], "{version}");
        let refused: &[&str] = match is_v5 {
            true => &["CONNACK 88", "closed"],
            false => &["CONNACK 03", "closed"],
        };
        assert_eq!(waits.heard(&mut net), refused, "{version}");
        let told: &[&str] = match is_v5 {
            true => &["DISCONNECT 98", "closed"],
            false => &["closed"],
        };
        assert_eq!(ada.heard(&mut net), told, "{version}");
        // Its place is another one's by now.
        let eve = Raw::join(&mut net, version, "eve");
        net.broker.disconnect(ada.id, net.now, &ADMIN);
        for raw in [&bob, &eve] {
            assert_eq!(raw.send(&mut net, &[Packet::Pingreq]), ["PINGRESP"]);
        }
        // A reason that DISCONNECT cannot have, or a property: it ends all the same.
        let banned = Disconnect::new(ReasonCode::Banned);
        net.broker.disconnect(bob.id, net.now, &banned);
        let expiry = [Property::SessionExpiryInterval(7)];
        let with_expiry = Disconnect {
            properties: Properties::from(&expiry),
            ..ADMIN
        };
        net.broker.disconnect(eve.id, net.now, &with_expiry);
        for raw in [&bob, &eve] {
            assert_eq!(raw.heard(&mut net), told, "{version}");
        }
        assert_eq!(net.broker.counters().connected, 0);
    }
}

/// Connected and away, with a will whose time has not come; what is left behind shows in a restart, too.
#[test]
fn a_session_is_ended_with_all_that_belongs_to_it() {
    for is_away in [false, true] {
        let what = format!("{is_away}");
        let options = BrokerOptions::new().with_records(true);
        let mut net = Net::new(options.with_session_events(true));
        let (watch, _) = Raw::connect(&mut net, &lasting(Version::V5, "watch"));
        watch.subscribe(&mut net, "will", QoS::AtLeastOnce);
        let delay = [Property::WillDelayInterval(1_000)];
        let connect = Connect {
            will: Some(Will {
                topic: "will",
                payload: b"gone",
                qos: QoS::AtLeastOnce,
                retain: false,
                properties: Properties::from(&delay),
            }),
            ..lasting(Version::V5, "ada")
        };
        let (ada, _) = Raw::connect(&mut net, &connect);
        ada.subscribe(&mut net, "a", QoS::AtLeastOnce);
        if is_away {
            net.broker.disconnected(ada.id, net.now);
        }
        net.broker.publish(net.now, &message("a", "x", QOS[1]));
        assert!(!net.broker.end_session("nobody", net.now, &ADMIN));
        assert!(net.broker.end_session("ada", net.now, &ADMIN), "{what}");
        assert!(!net.broker.end_session("ada", net.now, &ADMIN), "{what}");
        if !is_away {
            let said = ada.heard(&mut net);
            assert_eq!(said, ["DISCONNECT 98", "closed"]);
        }
        let will = "PUBLISH will gone q1 r0";
        assert_eq!(watch.heard(&mut net), [will], "{what}");
        let event = net.broker.poll_event();
        let Some(BrokerEvent::SessionEnded { client_id }) = event else {
            panic!("{event:?}");
        };
        assert_eq!(&*client_id, "ada");
        watch.leave(&mut net);
        for _ in 0..2 {
            assert_eq!(net.broker.counters().subscriptions, 1, "{what}");
            let (ada, said) = Raw::connect(&mut net, &lasting(Version::V5, "ada"));
            assert_eq!(said, ["CONNACK 00"], "{what}");
            ada.leave(&mut net);
            net.broker.end_session("ada", net.now, &ADMIN);
            net.restart();
        }
        let (_, said) = Raw::connect(&mut net, &lasting(Version::V5, "watch"));
        assert_eq!(said, ["CONNACK 00 present", will], "{what}");
    }
}

/// Rights that are taken away stay away.
#[test]
fn what_a_caller_takes_back_is_gone_after_a_restart_too() {
    let mut net = Net::new(BrokerOptions::new().with_records(true));
    let (ada, _) = Raw::connect(&mut net, &lasting(Version::V5, "ada"));
    let (eve, _) = Raw::connect(&mut net, &lasting(Version::V5, "eve"));
    for filter in ["a", "b", "$share/g/a"] {
        ada.subscribe(&mut net, filter, QoS::AtLeastOnce);
    }
    for (raw, topic) in [(&ada, "k/1"), (&eve, "k/2"), (&eve, "k/3"), (&eve, "l")] {
        let packet = Publish {
            retain: true,
            ..publish(topic, "x", QoS::AtLeastOnce)
        };
        raw.publish(&mut net, packet);
    }
    ada.leave(&mut net);
    let filter = |text| TopicFilter::new(Version::V5, text).unwrap();
    for text in ["a", "$share/g/a"] {
        assert!(net.broker.unsubscribe("ada", &filter(text)));
        assert!(!net.broker.unsubscribe("ada", &filter(text)));
    }
    assert!(!net.broker.unsubscribe("ada", &filter("$share/h/b")));
    assert!(!net.broker.unsubscribe("nobody", &filter("b")));
    let of_eve = |_: &Message, publisher: Option<&str>| publisher == Some("eve");
    assert_eq!(net.broker.clear_retained(&filter("k/#"), of_eve), 2);
    assert_eq!(net.broker.clear_retained(&filter("k/#"), of_eve), 0);
    for _ in 0..2 {
        for topic in ["a", "b"] {
            net.broker.publish(net.now, &message(topic, topic, QOS[1]));
        }
        let (ada, said) = Raw::connect(&mut net, &lasting(Version::V5, "ada"));
        assert_eq!(said[1..], ["PUBLISH b b q1 r0"]);
        let number = net.broker.session("ada").map(Session::in_flight);
        assert_eq!(number, Some(1));
        let late = Raw::join(&mut net, Version::V5, "late");
        let mut said = late.subscribe(&mut net, "#", QOS[0]);
        said.sort();
        let kept = ["k/1", "l"].map(|topic| format!("PUBLISH {topic} x q0 r1"));
        assert_eq!(said[..2], kept);
        assert_eq!(said.len(), 3);
        late.leave(&mut net);
        let ids = [1, 2].map(|number| Packet::Puback(Ack::new(id(number))));
        ada.send(&mut net, &ids[..1]);
        ada.leave(&mut net);
        // Whose it is is known behind the restart.
        let publishers = |net: &Net| {
            let mut publishers = Vec::new();
            net.broker.retained(&filter("#"), |kept, publisher, _| {
                publishers.push((kept.topic().to_owned(), publisher.map(str::to_owned)));
            });
            publishers.sort();
            publishers
        };
        let before = publishers(&net);
        net.restart();
        assert_eq!(publishers(&net), before);
    }
}

/// What the caller publishes reaches everybody once, is retained, and comes back to nobody who bridges.
#[test]
fn a_message_of_elsewhere_goes_to_whoever_has_subscribed() {
    let options = BrokerOptions::new().with_bridge_events(true);
    let mut net = Net::new(options.with_records(true));
    let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V311, "bob"));
    let no_local = Subscription {
        filter: "a/#",
        options: SubscriptionOptions {
            no_local: true,
            ..SubscriptionOptions::new(QoS::AtLeastOnce)
        },
    };
    net.subscribe(ada, &[no_local]);
    net.subscribe(ada, &[Subscription::new("a/b", QoS::ExactlyOnce)]);
    net.subscribe(bob, &[Subscription::new("a/+", QoS::ExactlyOnce)]);
    while net.broker.poll_event().is_some() {}
    let remote = message("a/b", "x", QOS[2]).with_retain(true);
    assert_eq!(net.broker.publish(net.now, &remote), 2);
    assert_eq!(net.broker.publish(net.now, &message("c", "x", QOS[1])), 0);
    net.run();
    for peer in [ada, bob] {
        assert_eq!(net.take(peer), [("a/b".into(), "x".into(), 2, false)]);
    }
    assert!(net.broker.poll_event().is_none());
    // What a client and its will publish is told with its name, and comes back with No Local to others only.
    let eve = net.join_with(&Connect {
        will: Some(Will {
            topic: "a/w",
            payload: b"gone",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
        }),
        ..Connect::new(Version::V5, "eve")
    });
    net.publish(ada, message("a/c", "1", QOS[0]));
    net.publish(eve, message("a/c", "2", QOS[0]));
    net.cut(eve);
    let mut told = Vec::new();
    while let Some(event) = net.broker.poll_event() {
        let BrokerEvent::Published { client_id, message } = event else {
            panic!("{event:?}");
        };
        told.push(format!("{client_id} {}", message.topic()));
    }
    assert_eq!(told, ["ada a/c", "eve a/c", "eve a/w"]);
    assert_eq!(net.texts(ada), ["2", "gone"]);
    assert_eq!(net.texts(bob), ["1", "2", "gone"]);
    // It is there after a restart, as nobody's.
    net.restart();
    let late = Raw::join(&mut net, Version::V5, "late");
    let said = late.subscribe(&mut net, "#", QOS[2]);
    assert_eq!(said[1..], ["PUBLISH a/b x q2 r1"]);
}

/// The last subscription to a filter, however it ends.
#[test]
fn bridges_hear_of_the_end_of_a_subscription_however_it_comes() {
    for end in 0..6 {
        let options = BrokerOptions::new().with_bridge_events(true);
        let mut net = Net::new(options.with_maximum_session_expiry(10));
        let is_brief = end == 0;
        let connect = match is_brief {
            true => Connect::new(Version::V5, "ada"),
            false => lasting(Version::V5, "ada"),
        };
        let (ada, _) = Raw::connect(&mut net, &connect);
        ada.subscribe(&mut net, "a/+", QOS[1]);
        assert!(matches!(
            net.broker.poll_event(),
            Some(BrokerEvent::FirstSubscription { .. })
        ));
        let filter = TopicFilter::new(Version::V5, "a/+").unwrap();
        match end {
            0 => ada.leave(&mut net),
            1 => {
                ada.leave(&mut net);
                assert!(net.broker.poll_event().is_none());
                net.advance(10 * SECOND);
            }
            2 => {
                net.broker.end_session("ada", net.now, &ADMIN);
            }
            3 => {
                net.broker.unsubscribe("ada", &filter);
            }
            4 => {
                Raw::join(&mut net, Version::V5, "ada");
            }
            _ => {
                let filters = ["a/+"];
                ada.send(&mut net, &[Unsubscribe::new(id(1), &filters[..]).into()]);
            }
        }
        let event = net.broker.poll_event();
        let Some(BrokerEvent::LastSubscription { filter: gone }) = event else {
            panic!("{end} {event:?}");
        };
        assert_eq!(gone, filter, "{end}");
        assert!(net.broker.poll_event().is_none(), "{end}");
    }
}

/// Who bridges knows behind a restart what is of use here, and a bound that has become lower holds for what is there.
#[test]
fn a_broker_comes_back_with_what_its_caller_has_to_know() {
    let options = BrokerOptions::new().with_seed(7).with_records(true);
    let mut net = Net::new(options.clone());
    for name in ["ada", "bob"] {
        let (raw, _) = Raw::connect(&mut net, &lasting(Version::V5, name));
        for filter in ["a/+", "$share/g/a/+"] {
            raw.subscribe(&mut net, filter, QOS[1]);
        }
        raw.leave(&mut net);
    }
    let shorter = options.with_maximum_session_expiry(60);
    let shorter = shorter.with_bridge_events(true).with_session_events(true);
    let records = net.records.clone();
    let mut broker = Broker::restore(net.now, shorter, records).unwrap();
    let mut told: Vec<String> = std::iter::from_fn(|| broker.poll_event())
        .map(|event| match event {
            BrokerEvent::FirstSubscription { filter } => filter.as_str().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort();
    assert_eq!(told, ["$share/g/a/+", "a/+"]);
    net.broker = broker;
    net.advance(59 * SECOND);
    assert_eq!(net.broker.counters().sessions, 2);
    net.advance(SECOND);
    assert_eq!(net.broker.counters().sessions, 0);
}
