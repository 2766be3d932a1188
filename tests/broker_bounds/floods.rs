//! Clients that send the same thing again and again, and read what comes of it, or do not.

use sansio_mqtt::*;

use crate::bounds::{BUFFERS, PAGES, VERSIONS, World, id, packet, publish, subscribe};
use crate::counting::in_use;
use crate::net::retained;

const REPLIES: u32 = 4_096;
/// What a connection holds that is open and not at rest: itself, its client, buffers that were as long as the replies (a
/// vector may have twice the room it needs).
const CLIENT: usize = 2_048 + 2 * REPLIES as usize;
/// A subscription that waits for its retained messages, and the messages of one that are found, by reference.
const SEARCHES: usize = 64 * 256 + 64 * 128;

fn options() -> BrokerOptions {
    let connection = Options::new().with_maximum_reply_bytes(REPLIES);
    BrokerOptions::new().with_connection(connection)
}

/// A client of each version sends the packets that come from a function, and does or does not read; then it goes.
fn flood(
    name: &str,
    options: &BrokerOptions,
    bound: usize,
    reads: &[bool],
    next: impl Fn(Version, u32) -> Vec<u8>,
) {
    for version in VERSIONS {
        for &is_reading in reads {
            let mut world = World::new(options.clone());
            let before = in_use();
            let hostile = world.join(&Connect::new(version, "hostile"));
            let name = format!("{name}, {version}, reads: {is_reading}");
            let mut stopped = 0;
            world.flat(&name, before, bound, 2_500, |world, round| {
                let bytes = next(version, round);
                stopped += u32::from(world.send(hostile, &bytes) == 0);
                assert!(!world.is_closed(hostile));
                if is_reading {
                    world.read(hostile);
                }
            });
            // Who does not read is not read from.
            assert_eq!(stopped > 0, !is_reading, "{name}: {stopped}");
            assert_eq!(world.net.broker.wants_input(hostile), is_reading);
            world.gone(hostile);
            drop(name);
            world.is_back(before, PAGES);
        }
    }
}

/// Of all there are, one after the other.
fn number(round: u32) -> PacketId {
    id(u16::try_from(1 + round % 65_535).unwrap())
}

const BOTH: &[bool] = &[true, false];

#[test]
fn floods_of_subscribe_to_the_same_filter() {
    flood("SUBSCRIBE again", &options(), CLIENT, BOTH, |version, _| {
        subscribe(version, "a/+/b", QoS::AtLeastOnce)
    });
}

/// Up to the limit there is a subscription for each, beyond it 0x97.
#[test]
fn floods_of_subscribe_to_ever_new_filters() {
    let limit = 1_000;
    let options = options().with_maximum_client_subscriptions(limit);
    // A filter of 60 bytes that shares no level with another: its levels, their places, and the subscription.
    let bound = CLIENT + limit as usize * 400 + 65_536;
    flood(
        "SUBSCRIBE to new filters",
        &options,
        bound,
        BOTH,
        |version, round| {
            let filter = format!("one/{round}a/{round}b/{round}c/+/{}", "x".repeat(20));
            subscribe(version, &filter, QoS::AtLeastOnce)
        },
    );
}

/// Ever new filters of the longest kind: their bytes have a limit of their own. A filter of one level is kept as it is.
#[test]
fn floods_of_subscribe_to_the_longest_filters() {
    let limit: u32 = 500_000;
    let options = options().with_maximum_client_filter_bytes(limit);
    for version in VERSIONS {
        let mut world = World::new(options.clone());
        let before = in_use();
        let hostile = world.join(&Connect::new(version, "hostile"));
        let bound = CLIENT + limit as usize * 9 / 8 + 3 * 32_768;
        world.flat(
            "SUBSCRIBE to long filters",
            before,
            bound,
            50,
            |world, round| {
                let filter = format!("{round:065000}");
                world.send(hostile, &subscribe(version, &filter, QoS::AtMostOnce));
                let full = if version == Version::V5 { 0x97 } else { 0x80 };
                let code = if round < 7 { 0 } else { full };
                assert_eq!(world.read(hostile).last(), Some(&code), "{round}");
                // What it ends makes room again, for as much.
                if round % 10 == 9 {
                    let filter = format!("{:065000}", 3);
                    let filters = [filter.as_str()];
                    world.send(
                        hostile,
                        &packet(version, Unsubscribe::new(id(1), &filters[..])),
                    );
                    world.read(hostile);
                    world.send(hostile, &subscribe(version, &filter, QoS::AtMostOnce));
                    assert_eq!(world.read(hostile).last(), Some(&0));
                }
            },
        );
        world.gone(hostile);
        world.is_back(before, PAGES);
    }
}

#[test]
fn the_limit_of_subscriptions_is_that_of_each_client_and_of_all() {
    for version in VERSIONS {
        let options = options()
            .with_maximum_client_subscriptions(3)
            .with_index(IndexOptions::new().with_maximum_subscriptions(6));
        let mut world = World::new(options);
        let full = match version {
            Version::V5 => 0x97,
            _ => 0x80,
        };
        // One of the six is the witness's.
        for (name, expected) in [("a", [1, 1, 1, full]), ("b", [1, 1, full, full])] {
            let id = world.join(&Connect::new(version, name));
            for (at, expected) in expected.into_iter().enumerate() {
                world.send(id, &subscribe(version, &format!("{at}"), QoS::AtLeastOnce));
                assert_eq!(world.read(id).last(), Some(&expected), "{name} {at}");
            }
            // What it has it may replace.
            world.send(id, &subscribe(version, "0", QoS::AtMostOnce));
            assert_eq!(world.read(id).last(), Some(&0));
        }
    }
}

/// `#` again and again, with ten thousand messages retained: each time they are on their way anew.
#[test]
fn floods_of_subscribe_with_a_large_retained_store() {
    for is_reading in [true, false] {
        let mut world = World::new(options().with_slow_consumer(SlowConsumer::Drop));
        for at in 0..10_000 {
            let message = retained(&format!("r/{}/{at}", at % 70), "x", QoS::AtLeastOnce);
            world.net.broker.publish(world.net.now, &message);
        }
        let before = in_use();
        let hostile = world.join(&Connect::new(Version::V5, "hostile"));
        // 32 messages wait in the queue at most, besides those that are found; what is sent is not settled.
        let bound = CLIENT + SEARCHES + 1_024 * 256;
        let name = format!("# again, reads: {is_reading}");
        world.flat(&name, before, bound, 200, |world, _| {
            world.send(hostile, &subscribe(Version::V5, "#", QoS::AtLeastOnce));
            world.send(hostile, &subscribe(Version::V5, "r/#", QoS::AtMostOnce));
            assert!(!world.is_closed(hostile));
            if is_reading {
                let broker = &mut world.net.broker;
                broker.poll_transmit(hostile, world.net.now, &mut Vec::new(), 10_000);
            }
        });
        world.gone(hostile);
        drop(name);
        world.is_back(before, PAGES);
    }
}

/// One packet with thousands of filters, all of them `#`, or all of another one in turn.
#[test]
fn subscribe_with_the_same_filter_thousands_of_times() {
    let texts: Vec<String> = (0..10_000).map(|at| format!("r/{}/#", at % 10)).collect();
    for version in VERSIONS {
        for is_same in [true, false] {
            let mut world = World::new(options());
            let message = retained("r/0/a", "x", QoS::AtLeastOnce);
            world.net.broker.publish(world.net.now, &message);
            let filters = texts
                .iter()
                .map(|text| if is_same { "#" } else { text.as_str() });
            let list: Vec<_> = filters
                .map(|filter| Subscription::new(filter, QoS::AtMostOnce))
                .collect();
            let bytes = packet(version, Subscribe::new(id(1), &list[..]));
            drop(list);
            let before = in_use();
            let hostile = world.join(&Connect::new(version, "hostile"));
            // A reply of one byte for each filter.
            let bound = CLIENT + SEARCHES + 2 * 16_384;
            world.flat("the same filter", before, bound, 2, |world, _| {
                world.send(hostile, &bytes);
            });
            world.gone(hostile);
            world.is_back(before, PAGES);
        }
    }
}

#[test]
fn floods_of_unsubscribe() {
    flood(
        "UNSUBSCRIBE of nothing",
        &options(),
        CLIENT,
        BOTH,
        |version, round| {
            let filter = format!("never/{round}");
            let filters = [filter.as_str()];
            packet(version, Unsubscribe::new(id(1), &filters[..]))
        },
    );
    // To ever new filters, and from them again.
    flood(
        "SUBSCRIBE and UNSUBSCRIBE",
        &options(),
        CLIENT + 65_536,
        BOTH,
        |version, round| {
            let filter = format!("now/{}/a", round / 2);
            let filters = [filter.as_str()];
            match round % 2 {
                0 => subscribe(version, &filter, QoS::AtMostOnce),
                _ => packet(version, Unsubscribe::new(id(1), &filters[..])),
            }
        },
    );
}

#[test]
fn floods_of_pingreq() {
    flood("PINGREQ", &options(), CLIENT, BOTH, |version, _| {
        packet(version, Packet::Pingreq)
    });
}

/// For identifiers that nobody knows.
#[test]
fn floods_of_pubrel_and_pubrec() {
    let unknown = |round| Ack::new(number(round));
    flood("PUBREL", &options(), CLIENT, BOTH, |version, round| {
        packet(version, Packet::Pubrel(unknown(round)))
    });
    flood("PUBREC", &options(), CLIENT, BOTH, |version, round| {
        packet(version, Packet::Pubrec(unknown(round)))
    });
    // There is no answer to these.
    flood(
        "PUBACK and PUBCOMP",
        &options(),
        CLIENT,
        &[true],
        |version, round| match round % 2 {
            0 => packet(version, Packet::Puback(unknown(round))),
            _ => packet(version, Packet::Pubcomp(unknown(round))),
        },
    );
}

/// The same identifier without PUBREL: one message, and an answer to each.
#[test]
fn floods_of_publish_with_the_same_identifier() {
    flood("QoS 2, the same", &options(), CLIENT, BOTH, |version, _| {
        publish(version, "a", b"x", QoS::ExactlyOnce)
    });
    flood("QoS 1, the same", &options(), CLIENT, BOTH, |version, _| {
        publish(version, "a", b"x", QoS::AtLeastOnce)
    });
}

/// Ever new identifiers without PUBREL: 5.0 has been told how many, and is disconnected with 0x93; before 5.0 there is no
/// word for it, and all there are take two bytes each.
#[test]
fn qos_2_without_ever_pubrel() {
    let one = |version, round: u32| {
        let one = Publish {
            qos: QoS::ExactlyOnce,
            packet_id: Some(number(round)),
            ..Publish::new("a", b"x")
        };
        packet(version, one)
    };
    for version in VERSIONS {
        let connection = Options::new().with_receive_maximum(50);
        let mut world = World::new(BrokerOptions::new().with_connection(connection));
        let before = in_use();
        let mut hostile = world.join(&Connect::new(version, "hostile"));
        let mut ended = 0;
        let bound = CLIENT + 2 * 2 * 65_536;
        let name = format!("never PUBREL, {version}");
        world.flat(&name, before, bound, 25_000, |world, round| {
            world.send(hostile, &one(version, round));
            let answer = world.read(hostile);
            if world.is_closed(hostile) {
                ended += 1;
                assert_eq!(answer[..], [0xe0, 1, 0x93], "Receive Maximum exceeded");
                world.gone(hostile);
                hostile = world.join(&Connect::new(version, "hostile"));
            }
        });
        assert_eq!(ended > 0, version == Version::V5, "{ended}");
        world.gone(hostile);
        drop(name);
        world.is_back(before, BUFFERS);
    }
}

/// Topic aliases up to the maximum, each for ever new topics of the longest kind.
#[test]
fn topic_aliases_for_ever_new_topics() {
    let connection = Options::new().with_topic_alias_maximum(4);
    let mut world = World::new(BrokerOptions::new().with_connection(connection));
    let before = in_use();
    let hostile = world.join(&Connect::new(Version::V5, "hostile"));
    let bound = CLIENT + 4 * 66_000 + 8_192;
    world.flat("topic aliases", before, bound, 100, |world, round| {
        let topic = format!("{round}/{}", "x".repeat(65_000));
        let one = Publish {
            topic_alias: Some(number(round % 4).get()),
            ..Publish::new(&topic, b"x")
        };
        world.send(hostile, &packet(Version::V5, one));
        assert!(!world.is_closed(hostile));
    });
    world.gone(hostile);
    world.is_back(before, BUFFERS);
}
