//! The broker as its clients see it: who gets which message, from whom, and when.

#[path = "support/net.rs"]
mod net;

use std::time::Duration;

use net::{Net, QOS, message, retained};
use sansio_mqtt::*;

const SECOND: Duration = Duration::from_secs(1);

fn net() -> Net {
    Net::new(BrokerOptions::new().with_connection(Options::new().with_accept_v31(true)))
}

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

/// A session that lives on.
fn lasting(version: Version, name: &str) -> Connect<'_> {
    const FOR_EVER: &[Property<'static>] = &[Property::SessionExpiryInterval(u32::MAX)];
    Connect {
        clean_start: false,
        properties: match version {
            Version::V5 => Properties::from(FOR_EVER),
            _ => Properties::new(),
        },
        ..Connect::new(version, name)
    }
}

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
fn a_resumed_session_has_its_subscriptions_already() {
    let mut net = net();
    let ada = net.join_with(&lasting(Version::V5, "ada"));
    let subscription = Subscription {
        filter: "a",
        options: SubscriptionOptions {
            retain_handling: RetainHandling::SendIfNew,
            ..SubscriptionOptions::new(QoS::AtLeastOnce)
        },
    };
    net.subscribe(ada, &[subscription]);
    let bob = net.join(Version::V5, "bob");
    let ada = net.rejoin(ada, &lasting(Version::V5, "ada"));
    assert!(net.peers[ada].connack.as_ref().unwrap().1);
    net.publish(bob, retained("a", "kept", QoS::AtLeastOnce));
    assert_eq!(net.texts(ada), ["kept"]);
    net.subscribe(ada, &[subscription]);
    assert_eq!(net.texts(ada), [""; 0]);
}

#[test]
fn a_client_that_is_away_gets_what_it_missed() {
    for version in VERSIONS {
        let mut net = net();
        let ada = net.join_with(&lasting(version, "ada"));
        net.subscribe(ada, &[Subscription::new("a/#", QoS::ExactlyOnce)]);
        net.leave(ada);
        let bob = net.join(Version::V5, "bob");
        for (at, qos) in QOS.into_iter().enumerate() {
            net.publish(bob, message("a/b", &at.to_string(), qos));
        }
        let ada = net.rejoin(ada, &lasting(version, "ada"));
        assert!(net.peers[ada].connack.as_ref().unwrap().1);
        assert_eq!(net.texts(ada), ["1", "2"]);
        // A clean start has none of it, and leaves nothing behind.
        net.leave(ada);
        net.publish(bob, message("a/b", "x", QoS::AtLeastOnce));
        let ada = net.join(version, "ada");
        assert!(!net.peers[ada].connack.as_ref().unwrap().1);
        assert_eq!(net.broker.counters().subscriptions, 0);
        assert_eq!(net.texts(ada), [""; 0]);
        net.leave(ada);
        assert_eq!(net.broker.counters().sessions, 1);
    }
}

#[test]
fn a_session_ends_when_its_time_has_passed() {
    let mut net = net();
    let properties = [Property::SessionExpiryInterval(10)];
    let connect = Connect {
        clean_start: false,
        properties: Properties::from(&properties),
        ..Connect::new(Version::V5, "ada")
    };
    let ada = net.join_with(&connect);
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.leave(ada);
    net.advance(9 * SECOND);
    let ada = net.rejoin(ada, &connect);
    assert!(net.peers[ada].connack.as_ref().unwrap().1);
    net.leave(ada);
    net.advance(10 * SECOND);
    let counters = net.broker.counters();
    assert_eq!((counters.sessions, counters.subscriptions), (0, 0));
    let ada = net.rejoin(ada, &connect);
    assert!(!net.peers[ada].connack.as_ref().unwrap().1);
    // A new interval in DISCONNECT (5.0 §3.14.2.2.2).
    let now = [Property::SessionExpiryInterval(0)];
    let disconnect = Disconnect {
        properties: Properties::from(&now),
        ..Disconnect::new(ReasonCode::Success)
    };
    net.leave_with(ada, &disconnect);
    assert_eq!(net.broker.counters().sessions, 0);
}

#[test]
fn a_session_that_has_expired_is_not_resumed_even_if_nobody_has_looked_at_the_clock() {
    let mut net = net();
    let properties = [Property::SessionExpiryInterval(10)];
    let connect = Connect {
        clean_start: false,
        properties: Properties::from(&properties),
        ..Connect::new(Version::V5, "ada")
    };
    let ada = net.join_with(&connect);
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.leave(ada);
    net.now = net.now + 10 * SECOND;
    let ada = net.join_with(&connect);
    assert!(!net.peers[ada].connack.as_ref().unwrap().1);
    assert_eq!(net.broker.counters().subscriptions, 0);
}

#[test]
fn the_newer_connection_of_a_client_takes_over() {
    for version in VERSIONS {
        let mut net = net();
        let old = net.join_with(&lasting(version, "ada"));
        net.subscribe(old, &[Subscription::new("a", QoS::AtLeastOnce)]);
        let new = net.open(
            &lasting(version, "ada"),
            Session::established(),
            Options::new(),
        );
        net.run();
        let told = (version == Version::V5).then_some(ReasonCode::SessionTakenOver);
        assert_eq!(net.peers[old].disconnect, told);
        assert!(net.peers[old].is_cut);
        assert!(net.peers[new].connack.as_ref().unwrap().1);
        assert_eq!(net.broker.connection("ada"), Some(net.peers[new].id));
        net.publish(new, message("a", "x", QoS::AtLeastOnce));
        assert_eq!(net.texts(new), ["x"]);
        assert_eq!(net.broker.counters().connections, 1);
    }
}

/// How the connection of a client with a will ends.
#[derive(Copy, Clone, Debug, PartialEq)]
enum End {
    Cut,
    Left,
    LeftWithWill,
    KeepAlive,
    Violation,
    TakenOver { clean: bool },
    Administrator,
    ShutDown,
}

/// MQTT-3.1.2-8, MQTT-3.1.2-10, MQTT-3.1.3-9, MQTT-3.14.4-3 of 5.0, MQTT-3.1.2-8, MQTT-3.1.2-10 of 3.1.1: each way to end,
/// with and without a delay, with sessions that end at once, before the delay, behind it, and never.
#[test]
fn a_will_is_published_when_it_is_due() {
    const ENDS: [End; 9] = [
        End::Cut,
        End::Left,
        End::LeftWithWill,
        End::KeepAlive,
        End::Violation,
        End::TakenOver { clean: false },
        End::TakenOver { clean: true },
        End::Administrator,
        End::ShutDown,
    ];
    for version in VERSIONS {
        for end in ENDS {
            for delay in [0u32, 20] {
                for expiry in [0u32, 10, 30, u32::MAX] {
                    let is_v5 = version == Version::V5;
                    if !is_v5
                        && (delay > 0 || end == End::LeftWithWill || expiry % 10 == 0 && expiry > 0)
                    {
                        continue;
                    }
                    will_case(version, end, delay, expiry);
                }
            }
        }
    }
}

fn will_case(version: Version, end: End, delay: u32, expiry: u32) {
    let what = format!("{version} {end:?} delay {delay} expiry {expiry}");
    let is_v5 = version == Version::V5;
    let mut net = net();
    let watch = net.join_with(&Connect {
        keep_alive: 0,
        ..lasting(Version::V5, "watch")
    });
    net.subscribe(watch, &[Subscription::new("will", QoS::AtLeastOnce)]);
    let delays = [Property::WillDelayInterval(delay)];
    let expiries = [Property::SessionExpiryInterval(expiry)];
    let connect = Connect {
        clean_start: !is_v5 && expiry == 0,
        keep_alive: 10,
        will: Some(Will {
            topic: "will",
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: match is_v5 {
                true => Properties::from(&delays),
                false => Properties::new(),
            },
        }),
        properties: match is_v5 {
            true => Properties::from(&expiries),
            false => Properties::new(),
        },
        ..Connect::new(version, "ada")
    };
    let ada = net.join_with(&connect);
    let id = net.peers[ada].id;
    assert!(net.peers[ada].connack.is_some(), "{what}");
    match end {
        End::Cut => net.cut(ada),
        End::Left => net.leave(ada),
        End::LeftWithWill => {
            net.leave_with(ada, &Disconnect::new(ReasonCode::DisconnectWithWillMessage));
        }
        End::KeepAlive => {
            // It falls silent.
            net.peers[ada].is_cut = true;
            net.advance(15 * SECOND - Duration::from_millis(1));
            assert_eq!(net.texts(watch), [""; 0], "{what}");
            net.advance(Duration::from_millis(1));
            net.broker.disconnected(id, net.now);
            net.run();
        }
        End::Violation => {
            net.broker
                .receive(id, net.now, &mut &[0xf1, 0x01, 0x00][..]);
            net.run();
        }
        End::TakenOver { clean } => {
            let again = Connect {
                clean_start: clean || connect.clean_start,
                will: None,
                ..connect
            };
            net.open(&again, Session::established(), Options::new());
            net.run();
        }
        End::Administrator => {
            let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
            net.broker.disconnect(id, net.now, &disconnect);
            net.run();
        }
        End::ShutDown => {
            let disconnect = Disconnect::new(ReasonCode::ServerShuttingDown);
            // The one that watches is away, and reads it later.
            net.cut(watch);
            net.broker.shut_down(net.now, &disconnect);
            net.run();
        }
    }
    let is_due = end != End::Left;
    let is_back = matches!(end, End::TakenOver { .. });
    // After so many seconds; it may never be.
    let due = match end {
        _ if !is_due => None,
        // What the older session was ends with it; else a delay that has not passed is over.
        End::TakenOver { clean } if clean || connect.clean_start || expiry == 0 => Some(0),
        End::TakenOver { .. } => (delay == 0).then_some(0),
        _ => Some(delay.min(expiry)),
    };
    let session = |net: &Net| net.broker.session("watch").map_or(0, Session::queued);
    let heard = |net: &mut Net| match end {
        End::ShutDown => session(net),
        _ => net.texts(watch).len(),
    };
    match due {
        None => {
            net.advance(100 * SECOND);
            assert_eq!(heard(&mut net), 0, "{what}");
        }
        Some(0) => assert_eq!(heard(&mut net), 1, "{what}"),
        Some(seconds) => {
            net.advance(seconds * SECOND - Duration::from_millis(1));
            assert_eq!(heard(&mut net), 0, "{what}");
            net.advance(Duration::from_millis(1));
            assert_eq!(heard(&mut net), 1, "{what}");
        }
    }
    if !is_back && expiry != u32::MAX {
        net.advance(60 * SECOND);
        assert!(net.broker.session("ada").is_none(), "{what}");
    }
}

#[test]
fn a_client_that_is_back_in_time_has_its_will_cancelled() {
    let mut net = net();
    let watch = net.join(Version::V5, "watch");
    net.subscribe(watch, &[Subscription::new("will", QoS::AtLeastOnce)]);
    let delays = [Property::WillDelayInterval(20)];
    let expiries = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        clean_start: false,
        will: Some(Will {
            topic: "will",
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Properties::from(&delays),
        }),
        properties: Properties::from(&expiries),
        ..Connect::new(Version::V5, "ada")
    };
    let ada = net.join_with(&connect);
    net.cut(ada);
    net.advance(19 * SECOND);
    let ada = net.rejoin(ada, &connect);
    net.advance(19 * SECOND);
    assert_eq!(net.texts(watch), [""; 0]);
    net.cut(ada);
    net.advance(20 * SECOND);
    assert_eq!(net.texts(watch), ["gone"]);
    // It asked for RETAIN.
    let late = net.join(Version::V311, "late");
    net.subscribe(late, &[Subscription::new("#", QoS::AtMostOnce)]);
    assert_eq!(net.take(late), [("will".into(), "gone".into(), 0, true)]);
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

#[test]
fn clients_without_a_name_get_one_that_others_cannot_guess() {
    let mut net = net();
    let names: Vec<String> = [Version::V311, Version::V5, Version::V5]
        .map(|version| {
            let peer = net.join(version, "");
            net.broker
                .client_id(net.peers[peer].id)
                .unwrap()
                .to_string()
        })
        .into();
    assert!(names.iter().all(|name| name.len() > 32), "{names:?}");
    assert!(names[0] != names[1] && names[1] != names[2]);
    let told = &net.peers[1].connack.as_ref().unwrap().2;
    let expected = format!("AssignedClientIdentifier({:?})", names[1]);
    assert!(told.contains(&expected), "{told:?}");
    assert!(net.peers[0].connack.as_ref().unwrap().2.is_empty());
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

#[test]
fn a_question_waits_for_its_answer_and_nobody_else_does() {
    use std::sync::{Arc, Mutex};
    let mut net = Net::new(BrokerOptions::new().with_ask_publish(true));
    let open = Arc::new(Mutex::new(Vec::new()));
    let waiting = Arc::clone(&open);
    net.answers = Box::new(move |broker, now, question| match question {
        Question::Publish { message, token } if message.topic() == "later" => {
            waiting.lock().unwrap().push(token);
        }
        Question::Publish { token, .. } => {
            broker.answer_publish(token, now, Verdict::Allow).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
    net.subscribe(bob, &[Subscription::new("#", QoS::AtLeastOnce)]);
    net.publish(ada, message("later", "1", QoS::AtLeastOnce));
    net.publish(ada, message("a", "2", QoS::AtLeastOnce));
    net.publish(bob, message("a", "3", QoS::AtLeastOnce));
    assert_eq!(net.texts(bob), ["3"]);
    assert!(!net.broker.wants_input(net.peers[ada].id));

    let token = open.lock().unwrap().pop().unwrap();
    // What cannot be an answer leaves the question open.
    let error = net
        .broker
        .answer_subscribe(token, net.now, &[])
        .unwrap_err();
    assert_eq!(error.reason, AnswerErrorReason::Kind);
    let deny = Verdict::Deny(ReasonCode::NotAuthorized);
    net.broker
        .answer_publish(error.token.unwrap(), net.now, deny)
        .unwrap();
    net.run();
    assert_eq!(net.texts(bob), ["2"]);
    assert_eq!(
        net.peers[ada].acks,
        [ReasonCode::NotAuthorized, ReasonCode::Success]
    );

    // One that is never answered ends the connection, and its token is worth nothing then.
    net.publish(ada, message("later", "4", QoS::AtLeastOnce));
    net.advance(30 * SECOND);
    assert_eq!(net.peers[ada].disconnect, Some(ReasonCode::ServerBusy));
    let token = open.lock().unwrap().pop().unwrap();
    let error = net
        .broker
        .answer_publish(token, net.now, Verdict::Allow)
        .unwrap_err();
    assert_eq!(
        (error.token, error.reason),
        (None, AnswerErrorReason::Stale)
    );
    assert_eq!(net.texts(bob), [""; 0]);
}

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
