//! Bugs that the broker had, each in its shortest form; and below `broker_past_bugs/` those that other implementations had, as far
//! as it takes several clients to see them.

#[path = "support/net.rs"]
#[allow(dead_code)]
mod net;
#[path = "support/samples.rs"]
mod samples;
#[path = "support/wire.rs"]
mod wire;

#[path = "broker_past_bugs/delivery.rs"]
mod delivery;
#[path = "broker_past_bugs/input.rs"]
mod input;
#[path = "broker_past_bugs/rights.rs"]
mod rights;
#[path = "broker_past_bugs/timers.rs"]
mod timers;

use std::time::Duration;

use net::{Net, QOS, message, retained};
use sansio_mqtt::*;

/// A message that a new subscription finds waits in the session while SUBACK waits for its record: a snapshot made then has
/// the message, and its record must not come behind it.
#[test]
fn what_a_snapshot_has_is_not_recorded_behind_it() {
    let now = Instant::from_millis(1_000);
    let options = BrokerOptions::new().with_seed(7).with_records(true);
    let mut broker = Broker::new(now, options.clone());
    broker.publish(now, &retained("a", "x", QoS::AtLeastOnce));
    let connect = Connect {
        clean_start: false,
        ..Connect::new(Version::V311, "bob")
    };
    let session = Session::established();
    let mut client = ClientConnection::new(now, &connect, session, Options::new()).unwrap();
    let id = broker.connected(now);
    let mut records = Vec::new();
    let exchange = |broker: &mut Broker, client: &mut ClientConnection| {
        let (mut bytes, mut answer) = (Vec::new(), Vec::new());
        client.poll_transmit(now, &mut bytes, usize::MAX);
        assert!(broker.receive(id, now, &mut &bytes[..]).is_none());
        broker.poll_transmit(id, now, &mut answer, usize::MAX);
        let mut input = &answer[..];
        while client.receive(now, &mut input).is_some() {}
    };
    exchange(&mut broker, &mut client);
    let number = broker.take_records(&mut records);
    broker.stored(number);
    exchange(&mut broker, &mut client);
    let filters = [Subscription::new("a", QoS::AtLeastOnce)];
    client.subscribe(&filters, Properties::EMPTY).unwrap();
    exchange(&mut broker, &mut client);

    let number = broker.take_records(&mut records);
    let mut log = Vec::new();
    broker.snapshot(|record| log.push(record));
    broker.stored(number);
    exchange(&mut broker, &mut client);
    broker.take_records(&mut log);
    let broker = Broker::restore(now, options, log).unwrap();
    let session = broker.session("bob").unwrap();
    assert_eq!((session.queued(), session.in_flight()), (0, 1));
}

/// More retained messages than the queue of a slow client takes at a time: those that are found and wait for room expire as
/// the others do.
#[test]
fn retained_messages_that_wait_for_room_expire() {
    let mut net = Net::new(BrokerOptions::new());
    for at in 0..60 {
        let message = retained(&format!("r/{at}"), "x", QoS::AtLeastOnce);
        let message = message.with_message_expiry_interval(Some(10));
        net.broker.publish(net.now, &message);
    }
    let slow = Options::new().with_receive_maximum(1);
    let session = Session::established();
    let bob = net.open(&Connect::new(Version::V5, "bob"), session, slow);
    net.run();
    net.peers[bob]
        .client
        .subscribe(
            &[Subscription::new("r/#", QoS::AtLeastOnce)],
            Properties::EMPTY,
        )
        .unwrap();
    net.peers[bob].is_deaf = true;
    net.run();
    net.advance(Duration::from_secs(11));
    net.peers[bob].is_deaf = false;
    net.run();
    // One was on its way before.
    assert_eq!(net.texts(bob), ["x"]);
    assert_eq!(net.broker.counters().retained_messages, 0);
}

/// What comes on a connection that has ended is discarded, also while events wait and nothing is taken from others.
#[test]
fn input_of_a_connection_that_has_ended_is_discarded_while_events_wait() {
    let options = BrokerOptions::new().with_session_events(true);
    let mut net = Net::new(options.with_maximum_events(1));
    let bob = net.join(Version::V5, "bob");
    let id = net.peers[bob].id;
    let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
    net.broker.end_session("bob", net.now, &disconnect);
    let mut input = &b"\xc0\0"[..];
    assert!(net.broker.wants_input(id));
    assert!(net.broker.receive(id, net.now, &mut input).is_none());
    assert!(input.is_empty());
    assert!(net.broker.poll_event().is_some());
}

const SECOND: Duration = Duration::from_secs(1);

fn lasting<'a>(name: &'a str, properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        clean_start: false,
        properties: Properties::from(properties),
        ..Connect::new(Version::V5, name)
    }
}

const FOR_EVER: &[Property<'static>] = &[Property::SessionExpiryInterval(u32::MAX)];

fn will(qos: QoS, properties: Properties<'_>) -> Option<Will<'_>> {
    Some(Will {
        topic: "will",
        payload: b"gone",
        qos,
        retain: false,
        properties,
    })
}

/// A Will Delay Interval that has passed is over, also if its client is back before anybody has looked at the clock.
#[test]
fn a_client_that_is_back_too_late_does_not_take_its_will_back() {
    let mut net = Net::new(BrokerOptions::new());
    let watch = net.join(Version::V5, "watch");
    net.subscribe(watch, &[Subscription::new("will", QoS::AtLeastOnce)]);
    let delay = [Property::WillDelayInterval(20)];
    let connect = Connect {
        will: will(QoS::AtLeastOnce, Properties::from(&delay)),
        ..lasting("ada", FOR_EVER)
    };
    let ada = net.join_with(&connect);
    net.cut(ada);
    net.now = net.now + 20 * SECOND;
    let ada = net.join_with(&connect);
    assert!(net.peers[ada].connack.as_ref().unwrap().1);
    assert_eq!(net.texts(watch), ["gone"]);
    // That of the new connection is another one.
    net.cut(ada);
    net.advance(20 * SECOND);
    assert_eq!(net.texts(watch), ["gone"]);
}

/// Who is refused ends no connection and no session, be they of its own name (5.0 §3.1.4).
#[test]
fn a_client_that_is_refused_takes_nothing_over() {
    let mut net = Net::new(BrokerOptions::new().with_maximum_qos(QoS::AtMostOnce));
    let ada = net.join_with(&lasting("ada", FOR_EVER));
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    for clean_start in [false, true] {
        let again = Connect {
            clean_start,
            will: will(QoS::AtLeastOnce, Properties::EMPTY),
            ..lasting("ada", FOR_EVER)
        };
        let again = net.join_with(&again);
        let connack = net.peers[again].connack.as_ref().map(|one| one.0);
        assert_eq!(connack, Some(ReasonCode::QosNotSupported));
        assert_eq!(net.peers[ada].disconnect, None);
        net.publish(ada, message("a", "x", QoS::AtMostOnce));
        assert_eq!(net.texts(ada), ["x"]);
    }
}

/// CONNACK has said that the session ends with its connection: nothing of it was recorded, so DISCONNECT cannot keep it.
#[test]
fn a_session_that_was_granted_no_time_gets_none_with_disconnect() {
    let mut net = Net::new(BrokerOptions::new().with_ask_connect(true));
    net.answers = Box::new(|broker, now, question| match question {
        Question::Connect { token, .. } => {
            let none = [Property::SessionExpiryInterval(0)];
            let admission = Admission {
                properties: Properties::from(&none),
                ..Admission::default()
            };
            broker.accept(token, now, &admission).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let ada = net.join_with(&lasting("ada", FOR_EVER));
    let longer = [Property::SessionExpiryInterval(100)];
    let disconnect = Disconnect {
        properties: Properties::from(&longer),
        ..Disconnect::new(ReasonCode::Success)
    };
    net.leave_with(ada, &disconnect);
    let ada = net.join_with(&lasting("ada", FOR_EVER));
    assert!(!net.peers[ada].connack.as_ref().unwrap().1);
}

/// A client that is too slow is disconnected, and away from then on: in the same call, too.
#[test]
fn what_comes_behind_the_message_that_ended_a_connection_waits_in_the_session() {
    let options = Options::new().with_maximum_kept_bytes(1_000);
    let mut net = Net::new(BrokerOptions::new().with_connection(options));
    let eve = net.join(Version::V5, "eve");
    let ada = net.join_with(&lasting("ada", FOR_EVER));
    net.subscribe(ada, &[Subscription::new("a", QoS::AtLeastOnce)]);
    net.peers[ada].is_deaf = true;
    net.publish(eve, message("a", &"1".repeat(900), QoS::AtLeastOnce));
    for text in ["2".repeat(500), "3".to_owned()] {
        let message = message("a", &text, QoS::AtLeastOnce);
        net.peers[eve].client.publish(net.now, message).unwrap();
    }
    net.run();
    assert!(net.broker.connection("ada").is_none());
    let ada = net.rejoin(ada, &lasting("ada", FOR_EVER));
    assert_eq!(net.texts(ada), ["1".repeat(900), "3".to_owned()]);
    assert_eq!(net.broker.counters().messages_dropped, 1);
}

/// Nor does a member of a Shared Subscription get anything whose connection has just ended, while others are there.
#[test]
fn a_shared_message_does_not_go_to_a_connection_that_has_just_ended() {
    let options = Options::new().with_maximum_kept_bytes(1_000);
    let mut net = Net::new(BrokerOptions::new().with_connection(options));
    let eve = net.join(Version::V5, "eve");
    let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
    for member in [ada, bob] {
        net.subscribe(member, &[Subscription::new("$share/g/a", QOS[1])]);
    }
    net.subscribe(ada, &[Subscription::new("b", QoS::AtLeastOnce)]);
    for (topic, text) in [
        ("b", "x".repeat(1_100)),
        ("a", "1".into()),
        ("a", "2".into()),
    ] {
        let message = message(topic, &text, QoS::AtLeastOnce);
        net.peers[eve].client.publish(net.now, message).unwrap();
    }
    net.run();
    assert_eq!(net.peers[ada].disconnect, Some(ReasonCode::QuotaExceeded));
    assert_eq!(net.texts(bob), ["1", "2"]);
}

/// A message that no member of a Shared Subscription has room for is lost as any other: it is counted and told, and
/// older ones make room for it if they are to.
#[test]
fn a_shared_message_for_which_no_member_has_room_is_not_lost_in_silence() {
    for policy in [QueuePolicy::Reject, QueuePolicy::DropOldest] {
        let options = Options::new()
            .with_maximum_kept_messages(2)
            .with_queue_policy(policy);
        let options = BrokerOptions::new().with_connection(options);
        let mut net = Net::new(options.with_drop_events(true));
        let ada = net.join_with(&lasting("ada", FOR_EVER));
        net.subscribe(ada, &[Subscription::new("$share/g/a", QOS[1])]);
        net.cut(ada);
        let eve = net.join(Version::V5, "eve");
        for text in ["1", "2", "3"] {
            net.publish(eve, message("a", text, QoS::AtLeastOnce));
        }
        assert_eq!(net.broker.counters().messages_dropped, 1);
        let event = net.broker.poll_event();
        assert!(
            matches!(event, Some(BrokerEvent::Dropped { .. })),
            "{event:?}"
        );
        assert!(
            net.peers[eve]
                .acks
                .iter()
                .all(|&ack| ack == ReasonCode::Success)
        );
        let ada = net.rejoin(ada, &lasting("ada", FOR_EVER));
        match policy {
            QueuePolicy::Reject => assert_eq!(net.texts(ada), ["1", "2"]),
            _ => assert_eq!(net.texts(ada), ["2", "3"]),
        }
    }
}

/// What a new subscription has found and could not be sent yet may change, or be taken back: a value that is older must not
/// come behind a newer one.
#[test]
fn what_is_retained_when_its_turn_comes_is_sent() {
    let mut net = Net::new(BrokerOptions::new());
    for at in 0..60 {
        let message = retained(&format!("r/{at}"), "old", QoS::AtLeastOnce);
        net.broker.publish(net.now, &message);
    }
    let slow = Options::new().with_receive_maximum(1);
    let bob = net.open(
        &Connect::new(Version::V5, "bob"),
        Session::established(),
        slow,
    );
    net.run();
    net.peers[bob].is_deaf = true;
    let filters = [Subscription::new("r/#", QoS::AtLeastOnce)];
    let client = &mut net.peers[bob].client;
    client.subscribe(&filters, Properties::EMPTY).unwrap();
    net.run();
    for at in 0..60 {
        let text = if at % 2 == 0 { "new" } else { "" };
        let message = retained(&format!("r/{at}"), text, QoS::AtLeastOnce);
        net.broker.publish(net.now, &message);
    }
    net.peers[bob].is_deaf = false;
    net.run();
    let mut last = std::collections::BTreeMap::new();
    for (topic, text, ..) in net.take(bob) {
        last.insert(topic, text);
    }
    assert_eq!(last.len(), 60);
    for (topic, text) in last {
        let at: usize = topic[2..].parse().unwrap();
        assert_eq!(text, if at % 2 == 0 { "new" } else { "" }, "{topic}");
    }
}

/// While a question about a client is open nothing is taken from it: its Keep Alive counts from the answer on.
#[test]
fn silence_during_a_question_is_not_counted() {
    let mut net = Net::new(BrokerOptions::new().with_ask_publish(true));
    let open = std::sync::Arc::new(std::sync::Mutex::new(None));
    let slot = std::sync::Arc::clone(&open);
    net.answers = Box::new(move |_, _, question| match question {
        Question::Publish { token, .. } => *slot.lock().unwrap() = Some(token),
        other => panic!("{other:?}"),
    });
    let connect = Connect {
        keep_alive: 10,
        ..Connect::new(Version::V5, "ada")
    };
    let ada = net.join_with(&connect);
    net.publish(ada, message("a", "x", QoS::AtLeastOnce));
    // Its PINGREQ is with the driver.
    net.now = net.now + 14 * SECOND;
    let token = open.lock().unwrap().take().unwrap();
    let answer = net.broker.answer_publish(token, net.now, Verdict::Allow);
    answer.unwrap();
    net.now = net.now + 2 * SECOND;
    while net.broker.poll_timeout().is_some_and(|at| at <= net.now) {
        net.broker.handle_timeout(net.now);
    }
    assert_eq!(net.broker.closed(net.peers[ada].id), None);
    net.run();
    assert_eq!(net.peers[ada].disconnect, None);
}

/// What a connection says last may wait for a record: a driver that closes it before has told nobody why.
#[test]
fn a_connection_is_finished_when_what_it_says_last_may_leave() {
    let now = Instant::from_millis(1_000);
    let mut broker = Broker::new(now, BrokerOptions::new().with_seed(7).with_records(true));
    let mut bytes = Vec::new();
    let connect = lasting("ada", FOR_EVER);
    connect.encode(&mut bytes).unwrap();
    let id = broker.connected(now);
    let (mut records, mut out) = (Vec::new(), Vec::new());
    assert!(broker.receive(id, now, &mut &bytes[..]).is_none());
    let number = broker.take_records(&mut records);
    broker.stored(number);
    assert!(broker.poll_transmit(id, now, &mut out, usize::MAX) > 0);

    // It subscribes, which is recorded, and sends CONNECT once more.
    let filters = [Subscription::new("a", QoS::AtMostOnce)];
    let packet_id = PacketId::new(1).unwrap();
    let subscribe = Subscribe::new(packet_id, &filters[..]);
    let mut input = Vec::new();
    subscribe.encode(Version::V5, &mut input).unwrap();
    input.extend(&bytes);
    out.clear();
    assert!(broker.receive(id, now, &mut &input[..]).is_none());
    assert_eq!(broker.poll_transmit(id, now, &mut out, usize::MAX), 0);
    assert!(broker.closed(id).is_some() && !broker.is_finished(id));
    let number = broker.take_records(&mut records);
    while broker.poll_ready().is_some() {}
    broker.stored(number);
    assert_eq!(broker.poll_ready(), Some(id));
    broker.poll_transmit(id, now, &mut out, usize::MAX);
    // SUBACK, and DISCONNECT with Protocol Error.
    assert_eq!(out, b"\x90\x04\0\x01\0\0\xe0\x01\x82");
    assert!(broker.is_finished(id));
}

/// A message whose payload comes apart would wait for it in each connection, and all else behind it.
#[test]
fn a_message_with_a_streamed_payload_goes_to_nobody() {
    let mut net = Net::new(BrokerOptions::new().with_ask_publish(true));
    net.answers = Box::new(|broker, now, question| {
        if let Question::Publish { message, token } = question {
            let streamed = Message::with_streamed_payload("a", 10).unwrap();
            let verdict = Verdict::Rewrite(streamed);
            let error = broker.answer_publish(token, now, verdict).unwrap_err();
            assert_eq!(error.reason, AnswerErrorReason::StreamedPayload);
            let verdict = Verdict::Rewrite(message);
            let answer = broker.answer_publish(error.token.unwrap(), now, verdict);
            answer.unwrap();
        }
    });
    let bob = net.join(Version::V5, "bob");
    net.subscribe(bob, &[Subscription::new("a", QoS::AtLeastOnce)]);
    let kept = retained("a", "kept", QoS::AtMostOnce);
    assert_eq!(net.broker.publish(net.now, &kept), 1);
    let streamed = Message::with_streamed_payload("a", 10).unwrap();
    let streamed = streamed.with_retain(true);
    assert_eq!(net.broker.publish(net.now, &streamed), 0);
    net.publish(bob, message("a", "x", QoS::AtLeastOnce));
    assert_eq!(net.texts(bob), ["kept", "x"]);
    assert_eq!(net.broker.counters().retained_messages, 1);
}

/// Each copy has the Subscription Identifiers of all subscriptions that match: they count in what may wait for a client.
#[test]
fn subscription_identifiers_count_in_a_queue() {
    let options = Options::new().with_maximum_kept_bytes(100);
    let mut net = Net::new(BrokerOptions::new().with_connection(options));
    let bob = net.join(Version::V5, "bob");
    for (identifier, filter) in (1..).zip(["#", "+", "a", "a/#", "+/#"]) {
        let filters = [Subscription::new(filter, QoS::AtMostOnce)];
        net.subscribe_with(bob, &filters, Some(identifier));
    }
    net.broker
        .publish(net.now, &message("a", "1", QoS::AtMostOnce));
    for _ in 0..10 {
        net.broker
            .publish(net.now, &message("a", "2", QoS::AtMostOnce));
    }
    // Two bytes and five times four each.
    assert_eq!(net.broker.session("bob").unwrap().queued(), 4);
    net.run();
    assert_eq!(net.peers[bob].received.len(), 4);
}

/// One SUBSCRIBE with the same filter thousands of times: what is retained comes as often, and what waits for that takes the
/// memory of one.
#[test]
fn the_same_filter_many_times_in_one_subscribe() {
    let mut net = Net::new(BrokerOptions::new());
    net.broker
        .publish(net.now, &retained("a", "x", QoS::AtMostOnce));
    net.broker
        .publish(net.now, &retained("b", "y", QoS::AtMostOnce));
    let bob = net.join(Version::V5, "bob");
    let filters = ["a", "b", "a", "a"].map(|filter| Subscription::new(filter, QoS::AtMostOnce));
    assert_eq!(net.subscribe(bob, &filters).len(), 4);
    assert_eq!(net.texts(bob), ["x", "x", "x", "y"]);
    // Until the subscription ends.
    net.peers[bob]
        .client
        .subscribe(&filters, Properties::EMPTY)
        .unwrap();
    net.peers[bob]
        .client
        .unsubscribe(&["a"], Properties::EMPTY)
        .unwrap();
    net.run();
    assert_eq!(net.texts(bob), ["y"]);
}

/// Who published a retained message is kept with it, and may have a name of 65,535 bytes: that counts.
#[test]
fn the_name_of_who_published_counts_in_what_is_retained() {
    let options = RetainedOptions::new().with_maximum_bytes(1_000);
    let mut net = Net::new(BrokerOptions::new().with_retained(options));
    for (name, expected) in [
        ("b".repeat(2_000), ReasonCode::QuotaExceeded),
        ("b".repeat(998), ReasonCode::NoMatchingSubscribers),
    ] {
        let bob = net.join(Version::V5, &name);
        net.publish(bob, retained("a", "x", QoS::AtLeastOnce));
        assert_eq!(net.peers[bob].acks, [expected]);
    }
    assert_eq!(net.broker.counters().retained_bytes, 1_000);
}

/// The counters below `$SYS` that a slow client does not get are events of their own, each time anew.
#[test]
fn counters_are_not_published_while_events_wait() {
    let options = BrokerOptions::new()
        .with_drop_events(true)
        .with_sys_interval(Some(Duration::from_secs(1)))
        .with_connection(Options::new().with_maximum_kept_messages(0));
    let mut net = Net::new(options.with_maximum_events(20));
    let bob = net.join(Version::V5, "bob");
    net.subscribe(bob, &[Subscription::new("$SYS/#", QoS::AtMostOnce)]);
    let count = |net: &mut Net| {
        net.advance(Duration::from_secs(10));
        std::iter::from_fn(|| net.broker.poll_event()).count()
    };
    let counts = [count(&mut net), count(&mut net)];
    assert_eq!(counts, [24, 24], "twelve at a time");
}

/// Few topics that match among many that do not, in steps that grow and shrink again: all come, though only one fits at a time.
#[test]
fn retained_messages_far_apart_are_all_found() {
    let options = Options::new().with_maximum_kept_bytes(500);
    let mut net = Net::new(BrokerOptions::new().with_connection(options));
    let large = "x".repeat(400);
    for at in 0..5_000 {
        let one = retained(&format!("a/{at}/b"), "x", QoS::AtLeastOnce);
        net.broker.publish(net.now, &one);
        if at % 7 == 0 || at > 4_900 {
            let one = retained(&format!("a/{at}/c"), &large, QoS::AtLeastOnce);
            net.broker.publish(net.now, &one);
        }
    }
    let bob = net.join(Version::V5, "bob");
    net.subscribe(bob, &[Subscription::new("a/+/c", QoS::AtLeastOnce)]);
    let mut topics: Vec<String> = net.take(bob).into_iter().map(|one| one.0).collect();
    let count = topics.len();
    topics.sort();
    topics.dedup();
    assert_eq!((count, topics.len()), (800, 800));
}

/// A message that no member of a Shared Subscription has room for is lost, and nobody's in particular: it is counted.
#[test]
fn what_no_member_takes_is_counted() {
    let options = Options::new().with_maximum_kept_messages(3);
    let mut net = Net::new(BrokerOptions::new().with_connection(options));
    let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
    net.subscribe(bob, &[Subscription::new("$share/g/a", QoS::AtLeastOnce)]);
    net.peers[bob].is_deaf = true;
    for _ in 0..5 {
        net.publish(ada, message("a", "x", QoS::AtLeastOnce));
    }
    assert_eq!(net.broker.counters().messages_dropped, 2);
    net.peers[bob].is_deaf = false;
    net.run();
    assert_eq!(net.texts(bob).len(), 3);
}

/// What a client has subscribed to counts after a restart as before.
#[test]
fn filters_count_over_a_restart() {
    let now = Instant::from_millis(1_000);
    let options = BrokerOptions::new().with_maximum_client_filter_bytes(6);
    let client_id = std::sync::Arc::<str>::from("bob");
    let filter = |text| TopicFilter::new(Version::V311, text).unwrap().into_owned();
    let subscribed = |text| BrokerRecord::Subscribed {
        client_id: client_id.clone(),
        filter: filter(text),
        options: SubscriptionOptions::new(QoS::AtMostOnce),
        identifier: None,
    };
    let log = [
        BrokerRecord::Client {
            client_id: client_id.clone(),
            session_expiry_interval: u32::MAX,
            since: None,
        },
        subscribed("abc"),
        subscribed("abc"),
        subscribed("def"),
        BrokerRecord::Unsubscribed {
            client_id: client_id.clone(),
            filter: filter("def"),
        },
    ];
    let mut net = Net::new(options.clone());
    net.broker = Broker::restore(now, options, log).unwrap();
    let connect = wire::lasting(Version::V311, "bob");
    let bob = net.join_with(&connect);
    let list = ["1234", "123", "abc", "1"].map(|text| Subscription::new(text, QoS::AtMostOnce));
    let codes: Vec<_> = net
        .subscribe(bob, &list)
        .iter()
        .map(|one| one.as_u8())
        .collect();
    assert_eq!(codes, [0x80, 0, 0, 0x80]);
}
