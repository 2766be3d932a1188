//! Ever new clients, sessions, wills and retained messages.

use std::time::Duration;

use sansio_mqtt::*;

use crate::bounds::{BUFFERS, PAGES, VERSIONS, World, id, packet, publish, subscribe};
use crate::counting::in_use;

/// A session that is away, with a name of twenty bytes and a subscription, and its timer.
const SESSION: usize = 1_024;

/// Thousands of connections with one Client Identifier: each takes over the session, or begins it anew.
#[test]
fn take_over_storm() {
    let will = Will::new("will", b"gone");
    let expiry = [Property::SessionExpiryInterval(60)];
    for clean_start in [true, false] {
        let connect = Connect {
            clean_start,
            will: Some(will),
            properties: Properties::from(&expiry[..]),
            ..Connect::new(Version::V5, "one")
        };
        let options = BrokerOptions::new().with_slow_consumer(SlowConsumer::Drop);
        let mut world = World::new(options);
        let before = in_use();
        let publisher = world.join(&Connect::new(Version::V5, "fast"));
        let mut last = world.join(&connect);
        let name = format!("take-over, clean start: {clean_start}");
        // The connection, the one that it takes over from, and the publisher; what waits for the session.
        let bound = 3 * 2_048 + SESSION + 1_024 * 256;
        world.flat(&name, before, bound, 1_000, |world, round| {
            world.send(last, &subscribe(Version::V5, "t/#", QoS::AtLeastOnce));
            world.send(
                publisher,
                &publish(Version::V5, "t/a", b"x", QoS::AtLeastOnce),
            );
            world.read(publisher);
            let next = world.join(&connect);
            assert!(world.is_closed(last));
            let said = world.read(last);
            assert_eq!(
                said[said.len() - 3..],
                [0xe0, 1, 0x8e],
                "Session taken over"
            );
            // A transport that is gone at once, or after more of them.
            world.gone(last);
            last = next;
            let counters = world.net.broker.counters();
            assert_eq!((counters.connections, counters.sessions), (4, 4), "{round}");
        });
        world.gone(last);
        world.gone(publisher);
        world.net.advance(Duration::from_secs(61));
        drop(name);
        world.is_back(before, BUFFERS);
    }
}

/// They come and go, and their sessions stay: as many as there may be, and 0x97 for the next one until some have ended.
#[test]
fn ever_new_clients_with_a_long_session_expiry() {
    const LIMIT: usize = 500;
    let expiry = [Property::SessionExpiryInterval(3_600)];
    for version in VERSIONS {
        let options = BrokerOptions::new()
            .with_maximum_sessions(LIMIT + 2)
            .with_maximum_session_expiry(7_200);
        let mut world = World::new(options);
        let before = in_use();
        let name = format!("new clients, {version}");
        world.flat(&name, before, LIMIT * SESSION, 600, |world, round| {
            let client_id = format!("client-{round:013}");
            let connect = Connect {
                clean_start: false,
                properties: match version {
                    Version::V5 => Properties::from(&expiry[..]),
                    _ => Properties::EMPTY,
                },
                ..Connect::new(version, &client_id)
            };
            let id = world.open();
            world.send(id, &packet(version, connect));
            let connack = world.read(id);
            let is_in = connack[3] == 0;
            assert_eq!(is_in, (round as usize) < LIMIT);
            if is_in {
                world.send(
                    id,
                    &subscribe(version, &format!("t/{round}"), QoS::AtLeastOnce),
                );
                world.read(id);
            } else {
                assert_eq!(connack[3], if version == Version::V5 { 0x97 } else { 3 });
                assert!(world.is_closed(id));
            }
            world.gone(id);
        });
        drop(name);
        world.net.advance(Duration::from_secs(7_201));
        world.is_back(before, PAGES);
    }
}

/// A will that waits belongs to a session, and each of those has one at most.
#[test]
fn wills_with_a_long_delay_of_ever_new_clients() {
    const LIMIT: usize = 50;
    let delay = [Property::WillDelayInterval(u32::MAX)];
    let expiry = [Property::SessionExpiryInterval(3_600)];
    let payload = [7; 5_000];
    let will = Will {
        properties: Properties::from(&delay[..]),
        ..Will::new("will", &payload)
    };
    let connection = Options::new().with_maximum_connect_size(6_000);
    let options = BrokerOptions::new()
        .with_connection(connection)
        .with_maximum_sessions(LIMIT + 2);
    let mut world = World::new(options);
    let before = in_use();
    let bound = LIMIT * (SESSION + 6_000);
    world.flat("wills that wait", before, bound, 250, |world, round| {
        let client_id = format!("client-{round:013}");
        let connect = Connect {
            clean_start: false,
            will: Some(will),
            properties: Properties::from(&expiry[..]),
            ..Connect::new(Version::V5, &client_id)
        };
        let id = world.open();
        world.send(id, &packet(Version::V5, connect));
        world.read(id);
        world.gone(id);
    });
    // They go round when the sessions end, and nobody is there.
    world.net.advance(Duration::from_secs(3_601));
    world.is_back(before, BUFFERS);
    assert!(in_use() - before < 5_000);
}

/// The store is full at a number of topics, or of bytes; what it has may be replaced. Each message keeps who published it.
#[test]
fn retained_messages_of_ever_new_clients_on_ever_new_topics() {
    const TOPICS: usize = 300;
    const BYTES: usize = 200_000;
    // A topic of two levels, the value and who published it, besides their bytes.
    const TOPIC: usize = 400;
    for (payload, client_id) in [(10, 20), (2_000, 20), (10, 60_000)] {
        let store = RetainedOptions::new()
            .with_maximum_topics(TOPICS)
            .with_maximum_bytes(BYTES);
        let mut world = World::new(BrokerOptions::new().with_retained(store));
        let before = in_use();
        let name = format!("retained, {payload} bytes of clients of {client_id}");
        let payload = vec![7; payload];
        let bound = TOPICS * TOPIC + BYTES + 65_536;
        world.flat(&name, before, bound, 500, |world, round| {
            let client_id = format!("{round:0client_id$}");
            let hostile = world.join(&Connect::new(Version::V5, &client_id));
            let topic = format!("r/{round}");
            let one = Publish {
                retain: true,
                qos: QoS::AtLeastOnce,
                packet_id: Some(id(1)),
                ..Publish::new(&topic, &payload)
            };
            world.send(hostile, &packet(Version::V5, one));
            let puback = world.read(hostile);
            let counters = world.net.broker.counters();
            let is_kept = puback[4] == 0x10;
            assert!(is_kept || puback[4] == 0x97, "{puback:?}");
            // Full, and from then on.
            assert!(is_kept || counters.messages_not_retained > 0);
            assert!(counters.retained_messages <= TOPICS && counters.retained_bytes <= BYTES);
            world.gone(hostile);
        });
        let counters = world.net.broker.counters();
        assert!(counters.messages_not_retained > 1_000, "{counters:?}");
        let all = TopicFilter::new(Version::V5, "#").unwrap();
        world.net.broker.clear_retained(&all, |_, _| true);
        drop((payload, name));
        world.is_back(before, BUFFERS);
    }
}

/// A client that is away has what is found for it, also when all that was retained is replaced meanwhile.
#[test]
fn what_is_found_for_clients_that_read_nothing() {
    let connection = Options::new()
        .with_maximum_kept_bytes(10_000)
        .with_maximum_packet_size(6_000);
    let store = RetainedOptions::new().with_maximum_bytes(500_000);
    let options = BrokerOptions::new()
        .with_connection(connection)
        .with_slow_consumer(SlowConsumer::Drop)
        .with_retained(store);
    let mut world = World::new(options);
    let before = in_use();
    let mut readers = Vec::new();
    // What is retained; and for each reader what its queue takes, as much that is found, and one message more.
    let bound = 500_000 + 90 * 400 + 40 * (2 * 10_000 + 6_000 + 4_096);
    world.flat("found for nobody", before, bound, 10, |world, round| {
        for at in 0..90 {
            let message = Message::new(&format!("r/{at}"), &[7; 5_000]).unwrap();
            let now = world.net.now;
            let message = message.with_retain(true).with_qos(QoS::AtLeastOnce);
            world.net.broker.publish(now, &message);
        }
        let reader = world.join(&Connect::new(Version::V5, &format!("reader-{round}")));
        world.send(reader, &subscribe(Version::V5, "r/#", QoS::AtLeastOnce));
        world.read(reader);
        readers.push(reader);
    });
    println!("    {} bytes a reader", (in_use() - before - 450_000) / 40);
    for reader in readers.drain(..) {
        world.gone(reader);
    }
    drop(readers);
    let all = TopicFilter::new(Version::V5, "#").unwrap();
    world.net.broker.clear_retained(&all, |_, _| true);
    world.is_back(before, BUFFERS);
}
