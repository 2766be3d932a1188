//! Clients that read nothing, or acknowledge nothing.

use sansio_mqtt::*;

use crate::bounds::{BUFFERS, PAGES, World, packet, publish, subscribe};
use crate::counting::in_use;
use crate::net::QOS;

const POLICIES: [SlowConsumer; 2] = [SlowConsumer::Disconnect, SlowConsumer::Drop];

const KEPT: u32 = 100;
const KEPT_BYTES: u32 = 100_000;
/// A message that is kept, besides its bytes: its own fields (some 64 bytes) in a table that may be half empty, the header of
/// its bytes, the handle by which a Shared Subscription knows it.
const MESSAGE: usize = 256;
/// A client that is connected, with one subscription, and the buffers of a connection that is not at rest.
const CLIENT: usize = 2_048;
/// What may wait for one client.
const QUEUE: usize = KEPT as usize * MESSAGE + KEPT_BYTES as usize;

fn options(policy: SlowConsumer) -> BrokerOptions {
    let connection = Options::new()
        .with_maximum_kept_messages(KEPT)
        .with_maximum_kept_bytes(KEPT_BYTES);
    BrokerOptions::new()
        .with_connection(connection)
        .with_slow_consumer(policy)
}

/// By their number or by their bytes they fill a queue.
const SIZES: [usize; 2] = [10, 5_000];

/// A message goes all the way to the broker, and nothing of it stays between the two.
fn pass(world: &mut World, from: ConnectionId, payload: &[u8], qos: QoS) {
    world.send(from, &publish(Version::V5, "slow/a", payload, qos));
    world.read(from);
    if qos == QoS::ExactlyOnce {
        world.send(
            from,
            &packet(Version::V5, Packet::Pubrel(Ack::new(crate::bounds::id(1)))),
        );
        world.read(from);
    }
}

fn cases() -> impl Iterator<Item = (SlowConsumer, QoS, usize)> {
    let all = POLICIES
        .iter()
        .flat_map(|&policy| QOS.map(|qos| (policy, qos)));
    all.flat_map(|(policy, qos)| SIZES.map(|size| (policy, qos, size)))
}

/// One reader, or many, that never drain; where the policy ends them they come back.
fn never_drain(readers: usize, rounds: u32, filter: &str) {
    for (policy, qos, size) in cases() {
        let mut world = World::new(options(policy));
        let before = in_use();
        let publisher = world.join(&Connect::new(Version::V5, "fast"));
        let mut slow: Vec<_> = (0..readers)
            .map(|n| world.subscriber(&format!("slow-{n}"), filter, qos))
            .collect();
        let mut ended = 0;
        // All have the same messages, or each its own.
        let bytes = match filter.starts_with('$') {
            true => readers * KEPT_BYTES as usize,
            false => KEPT_BYTES as usize,
        };
        let bound = (readers + 1) * CLIENT + readers * KEPT as usize * MESSAGE + bytes;
        let name = format!("{readers} slow, {qos:?} of {size} bytes, {policy:?}");
        let held = world.flat(&name, before, bound, rounds, |world, _| {
            pass(world, publisher, &vec![7; size], qos);
            for (n, id) in slow.iter_mut().enumerate() {
                if world.is_closed(*id) {
                    ended += 1;
                    let last = world.read(*id);
                    assert_eq!(last[last.len() - 3..], [0xe0, 1, 0x97], "Quota exceeded");
                    world.gone(*id);
                    *id = world.subscriber(&format!("slow-{n}"), filter, qos);
                }
            }
        });
        println!("    {} bytes a reader", held / readers);
        let is_shared = filter.starts_with('$');
        let is_ended = !is_shared && policy == SlowConsumer::Disconnect && qos > QoS::AtMostOnce;
        assert_eq!(ended > 0, is_ended);
        let dropped = world.net.broker.counters().messages_dropped;
        assert!(dropped > 0 || is_shared, "{dropped}");
        for id in slow.drain(..).chain([publisher]) {
            world.gone(id);
        }
        drop((slow, name));
        world.is_back(before, BUFFERS);
    }
}

#[test]
fn slow_readers_that_never_drain() {
    never_drain(1, 1_000, "slow/#");
}

#[test]
fn many_slow_readers_at_once() {
    never_drain(100, 250, "slow/#");
}

#[test]
fn slow_members_of_a_shared_subscription() {
    never_drain(4, 1_000, "$share/g/slow/#");
}

/// One that takes and acknowledges everything, one that is away, and messages that expire: what the broker knows of the way of a
/// message ends with it.
#[test]
fn members_of_a_shared_subscription_that_keep_up() {
    for qos in QOS {
        let mut world = World::new(options(SlowConsumer::Disconnect));
        let before = in_use();
        let publisher = world.join(&Connect::new(Version::V5, "fast"));
        let member = world.subscriber("member", "$share/g/slow/#", qos);
        let name = format!("shared, {qos:?}");
        world.flat(&name, before, 2 * CLIENT + 2_048, 1_500, |world, round| {
            let one = Publish {
                qos,
                packet_id: (qos > QoS::AtMostOnce).then_some(crate::bounds::id(1)),
                // Every other one is too late when its turn comes.
                message_expiry_interval: (round % 2 == 0).then_some(1),
                ..Publish::new("slow/a", b"x")
            };
            world.send(publisher, &packet(Version::V5, one));
            let released = Packet::Pubrel(Ack::new(crate::bounds::id(1)));
            world.read(publisher);
            if qos == QoS::ExactlyOnce {
                world.send(publisher, &packet(Version::V5, released));
                world.read(publisher);
            }
            if round % 2 == 0 {
                world.net.now = world.net.now + std::time::Duration::from_secs(1);
                for id in [publisher, member] {
                    world.send(id, &packet(Version::V5, Packet::Pingreq));
                }
            }
            let mut bytes = world.read(member);
            loop {
                let mut input = &bytes[..];
                let options = DecodeOptions::new();
                let mut acks = Vec::new();
                while let Some(one) = Packet::decode(Version::V5, &options, &mut input).unwrap() {
                    let ack = |id| Ack::new(id);
                    match one {
                        Packet::Publish(publish) => match (publish.packet_id, publish.qos) {
                            (Some(id), QoS::AtLeastOnce) => acks.push(Packet::Puback(ack(id))),
                            (Some(id), _) => acks.push(Packet::Pubrec(ack(id))),
                            _ => {}
                        },
                        Packet::Pubrel(one) => acks.push(Packet::Pubcomp(ack(one.packet_id))),
                        _ => {}
                    }
                }
                if acks.is_empty() {
                    break;
                }
                for one in acks {
                    world.send(member, &packet(Version::V5, one));
                }
                bytes = world.read(member);
            }
        });
        assert!(world.net.broker.counters().messages_dropped > 1_000);
        world.gone(member);
        world.gone(publisher);
        drop(name);
        world.is_back(before, BUFFERS);
    }
}

/// They read everything and acknowledge nothing: what is on its way to them counts as what waits does.
#[test]
fn readers_that_never_acknowledge() {
    for (policy, qos, size) in cases() {
        let mut world = World::new(options(policy));
        let before = in_use();
        let publisher = world.join(&Connect::new(Version::V5, "fast"));
        let mut reader = world.subscriber("mute", "slow/#", qos);
        let bound = 2 * CLIENT + QUEUE;
        let name = format!("never acknowledges, {qos:?} of {size} bytes, {policy:?}");
        world.flat(&name, before, bound, 1_000, |world, _| {
            pass(world, publisher, &vec![7; size], qos);
            world.read(reader);
            if world.is_closed(reader) {
                world.gone(reader);
                reader = world.subscriber("mute", "slow/#", qos);
            }
        });
        world.gone(reader);
        world.gone(publisher);
        drop(name);
        world.is_back(before, BUFFERS);
    }
}

/// The session of one that is disconnected outlives it, and so does what waits, but nothing more comes to it.
#[test]
fn a_session_that_outlives_a_slow_reader() {
    let for_ever = [Property::SessionExpiryInterval(60)];
    let connect = Connect {
        clean_start: false,
        properties: Properties::from(&for_ever[..]),
        ..Connect::new(Version::V5, "slow")
    };
    for policy in POLICIES {
        for drops in [
            QueuePolicy::Reject,
            QueuePolicy::DropOldest,
            QueuePolicy::DropQos0First,
        ] {
            let mut world = {
                let options = options(policy);
                let connection = Options::new()
                    .with_maximum_kept_messages(KEPT)
                    .with_maximum_kept_bytes(KEPT_BYTES)
                    .with_queue_policy(drops);
                World::new(options.with_connection(connection))
            };
            let before = in_use();
            let publisher = world.join(&Connect::new(Version::V5, "fast"));
            let mut reader = world.join(&connect);
            world.send(reader, &subscribe(Version::V5, "slow/#", QoS::ExactlyOnce));
            let bound = 2 * CLIENT + QUEUE;
            let name = format!("slow for ever, {drops:?}, {policy:?}");
            world.flat(&name, before, bound, 1_000, |world, round| {
                let size = SIZES[round as usize / 30 % 2];
                pass(world, publisher, &vec![7; size], QOS[round as usize % 3]);
                if round % 50 == 0 || world.is_closed(reader) {
                    // Back at once, or only later.
                    world.gone(reader);
                    if round % 100 == 0 {
                        reader = world.open();
                        world.send(reader, &packet(Version::V5, connect));
                    }
                }
            });
            world.gone(reader);
            world.gone(publisher);
            world.net.advance(std::time::Duration::from_secs(61));
            drop(name);
            world.is_back(before, BUFFERS);
        }
    }
}

/// Thousands of filters that overlap, each with an identifier, beside `#` and `$SYS/#`: each message comes once, and its
/// identifiers count in what may wait.
#[test]
fn a_client_that_subscribes_to_everything() {
    let subscriptions = 2_000;
    let options = options(SlowConsumer::Drop)
        .with_maximum_client_subscriptions(subscriptions)
        .with_sys_interval(Some(std::time::Duration::from_secs(1)));
    let mut world = World::new(options);
    let before = in_use();
    let topic = "0/".repeat(12);
    let levels = 13;
    let all = world.subscriber("all", "#", QoS::AtLeastOnce);
    world.send(all, &subscribe(Version::V5, "$SYS/#", QoS::AtLeastOnce));
    // Each meets the topic.
    for n in 2..subscriptions {
        let filter: Vec<_> = (0..levels)
            .map(|level| match (n >> level & 1, level) {
                (1, _) => "+",
                (_, 12) => "",
                _ => "0",
            })
            .collect();
        let filter = filter.join("/");
        let identifier = [Property::SubscriptionIdentifier(n)];
        let list = [Subscription::new(&filter, QoS::AtLeastOnce)];
        let one = Subscribe {
            properties: Properties::from(&identifier[..]),
            ..Subscribe::new(crate::bounds::id(1), &list)
        };
        world.send(all, &packet(Version::V5, one));
        let suback = world.read(all);
        assert_eq!(suback.last(), Some(&1), "{filter}");
    }
    // A subscription of 13 levels takes some 200 bytes; what goes round has a copy of its hits in buffers.
    let bound = CLIENT + QUEUE + subscriptions as usize * (200 + 100);
    let publisher = world.join(&Connect::new(Version::V5, "fast"));
    world.flat(
        "subscribed to everything",
        before,
        bound,
        60,
        |world, round| {
            world.send(
                publisher,
                &publish(Version::V5, &topic, b"x", QoS::AtLeastOnce),
            );
            world.read(publisher);
            // The queue is full of what the topic brings before `$SYS` comes.
            if round >= 150 {
                world.net.advance(std::time::Duration::from_secs(1));
            }
            world.send(publisher, &packet(Version::V5, Packet::Pingreq));
            world.send(all, &packet(Version::V5, Packet::Pingreq));
        },
    );
    let waiting = world.net.broker.session("all").unwrap().queued();
    assert!(waiting > 0);
    world.gone(all);
    world.gone(publisher);
    drop(topic);
    world
        .net
        .broker
        .clear_retained(&TopicFilter::new(Version::V5, "$SYS/#").unwrap(), |_, _| {
            true
        });
    world.is_back(before, PAGES);
}
