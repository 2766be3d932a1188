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

use net::{Net, message, retained};
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
