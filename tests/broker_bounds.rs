//! What one client, or many, can make the broker hold: a load goes on and on, what is held stays below a bound that follows
//! from the options, two clients are served meanwhile, and once the others have gone nothing is left of them.
//!
//! Each bound is what the options allow, in bytes, and for each thing that is kept what a table of such things takes. The
//! figures: `cargo test --test broker_bounds -- --nocapture`.
#![allow(unsafe_code)] // a global allocator cannot be written without

#[path = "support/bounds.rs"]
mod bounds;
#[allow(dead_code)] // what only other tests use
#[path = "support/counting.rs"]
mod counting;
#[allow(dead_code)]
#[path = "support/net.rs"]
mod net;

#[path = "broker_bounds/floods.rs"]
mod floods;
#[path = "broker_bounds/questions.rs"]
mod questions;
#[path = "broker_bounds/sessions.rs"]
mod sessions;
#[path = "broker_bounds/slow.rs"]
mod slow;

use std::time::Duration;

use bounds::{BUFFERS, PAGES, VERSIONS, World, packet, subscribe};
use counting::{held_since, in_use};
use sansio_mqtt::*;

/// A connection before it is accepted: 272 bytes of `ServerConnection`, what the broker has beside it, and its timer.
const HALF_OPEN: usize = 512;

/// Ten thousand, each with a subscription of its own, and at rest: what they take, and that all of it comes back.
#[test]
fn ten_thousand_idle_connections() {
    for version in VERSIONS {
        let mut world = World::new(BrokerOptions::new());
        let before = in_use();
        let mut idle = Vec::with_capacity(10_000);
        let vector = in_use() - before;
        for n in 0..10_000 {
            let id = world.join(&Connect::new(version, &format!("client-{n:05}")));
            let filter = format!("site/{}/device/{n:05}", n % 97);
            world.send(id, &subscribe(version, &filter, QoS::AtLeastOnce));
            assert_eq!(world.read(id)[0], 0x90);
            world.send(id, &packet(version, Packet::Pingreq));
            assert_eq!(world.read(id), [0xd0, 0]);
            idle.push(id);
            if n % 2_000 == 0 {
                world.serve();
            }
        }
        world.serve();
        let each = (held_since(before) - usize::try_from(vector).unwrap()) / idle.len();
        println!("idle, {version}: {each} bytes a connection");
        assert!(each <= 640, "{each}");
        for id in idle {
            world.gone(id);
        }
        world.is_back(before, PAGES);
    }
}

/// Connections without a byte, with the first byte, with all of CONNECT but the last byte, and with a length that says that
/// much is to come: none of it is kept, and the deadline ends them all.
#[test]
fn half_open_connections() {
    let timeout = Duration::from_secs(10);
    let connection = Options::new().with_connect_timeout(timeout);
    let mut world = World::new(BrokerOptions::new().with_connection(connection));
    let before = in_use();
    let connect = packet(Version::V5, Connect::new(Version::V5, "half"));
    let parts = [
        &[][..],
        &connect[..1],
        &connect[..2],
        &connect[..connect.len() - 1],
        // 65,000 bytes to come.
        &[0x10, 0xe8, 0xfb, 0x03, 0, 4],
    ];
    let mut open = std::collections::VecDeque::new();
    let bound = 1_000 * HALF_OPEN + 32_768;
    world.flat("half-open", before, bound, 2_000, |world, round| {
        let id = world.open();
        let part = parts[round as usize % parts.len()];
        assert_eq!(world.send(id, part), 0);
        // Each byte that comes later buys no time.
        open.push_back(id);
        world.net.advance(timeout / 1_000);
        while open.front().is_some_and(|&id| world.is_closed(id)) {
            world.gone(open.pop_front().unwrap());
        }
        assert!(open.len() <= 1_001, "{}", open.len());
    });
    world.net.advance(timeout);
    assert!(open.iter().all(|&id| world.is_closed(id)));
    for id in open.drain(..) {
        world.gone(id);
    }
    drop((open, connect));
    world.is_back(before, BUFFERS);
}

/// More connections than there may be: each is refused with its CONNECT, also where those before it say nothing.
#[test]
fn connections_beyond_the_maximum() {
    const MAXIMUM: usize = 400;
    for version in VERSIONS {
        let mut world = World::new(BrokerOptions::new().with_maximum_connections(MAXIMUM));
        let before = in_use();
        let mut open = Vec::with_capacity(MAXIMUM);
        while open.len() + 2 < MAXIMUM {
            open.push(world.open());
        }
        let bound = MAXIMUM * HALF_OPEN + 32_768;
        world.flat("too many", before, bound, 1_000, |world, round| {
            let id = world.open();
            let name = format!("client-{round}");
            world.send(id, &packet(version, Connect::new(version, &name)));
            let connack = world.read(id);
            assert_eq!(connack[3], if version == Version::V5 { 0x89 } else { 3 });
            assert!(world.is_closed(id));
            world.gone(id);
        });
        // They make room when their time is over.
        world.net.advance(Duration::from_secs(31));
        for id in open.drain(..) {
            assert!(world.is_closed(id));
            world.gone(id);
        }
        drop(open);
        let id = world.join(&Connect::new(version, "one"));
        world.gone(id);
        world.is_back(before, PAGES);
    }
}

/// CONNECT that is nothing but its fixed header, too long, of an unknown version, or refused: the connection ends, and
/// nothing is left with or without its transport.
#[test]
fn floods_of_connect_without_body() {
    let mut world = World::new(BrokerOptions::new());
    let before = in_use();
    let inputs: [&[u8]; 6] = [
        b"\x10\x00",
        // 268,435,455 bytes to come.
        b"\x10\xff\xff\xff\x7f",
        b"\x10\xff\xff\xff\xff",
        b"\x10\x0d\x00\x04MQTT\x09\x02\x00\x3c\x00\x01a",
        b"\x10\x02\x00\x04",
        b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01a",
    ];
    for reads in [false, true] {
        world.flat(
            "CONNECT without body",
            before,
            4_096,
            3_000,
            |world, round| {
                let id = world.open();
                let input = inputs[round as usize % inputs.len()];
                world.send(id, input);
                assert!(world.is_closed(id), "{input:?}");
                assert_eq!(
                    world.send(id, b"\xc0\x00"),
                    2,
                    "what comes behind is discarded"
                );
                if reads {
                    let answer = world.read(id);
                    assert!(answer.is_empty() || answer[0] == 0x20, "{answer:?}");
                }
                world.gone(id);
            },
        );
    }
    // Transports that nobody closes have no more than their last bytes.
    let mut open = Vec::with_capacity(1_000);
    for round in 0..1_000 {
        let id = world.open();
        world.send(id, inputs[round % inputs.len()]);
        open.push(id);
    }
    assert!(held_since(before) <= 1_000 * (HALF_OPEN + size_of::<ConnectionId>()) + 32_768);
    for id in open.drain(..) {
        world.gone(id);
    }
    drop(open);
    world.is_back(before, BUFFERS);
}

/// Every packet of an ordinary client, byte by byte: the broker keeps nothing of a packet that is not there as a whole.
#[test]
fn one_byte_at_a_time() {
    for version in VERSIONS {
        let mut world = World::new(BrokerOptions::new());
        let before = in_use();
        let topic = "t/".repeat(100);
        let filters = ["t/#"];
        let packets = [
            packet(version, Connect::new(version, "slow")),
            subscribe(version, "t/#", QoS::ExactlyOnce),
            bounds::publish(version, &topic, &[7; 300], QoS::AtMostOnce),
            bounds::publish(version, &topic, &[7; 300], QoS::AtLeastOnce),
            bounds::publish(version, &topic, &[7; 300], QoS::ExactlyOnce),
            packet(version, Packet::Pubrel(Ack::new(bounds::id(1)))),
            packet(version, Packet::Pingreq),
            packet(version, Unsubscribe::new(bounds::id(1), &filters[..])),
            packet(
                version,
                Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
            ),
        ];
        let own = in_use() - before;
        // Between packets: a session with three messages that it does not acknowledge, and buffers.
        let bound = HALF_OPEN + 8_192;
        let rounds = 25;
        let start = in_use();
        world.flat("byte by byte", start, bound, rounds, |world, _| {
            let id = world.open();
            for one in &packets {
                let already = in_use();
                for have in 1..one.len() {
                    assert_eq!(world.send(id, &one[..have]), 0);
                    assert!(world.net.broker.wants_input(id));
                    assert_eq!(in_use(), already);
                }
                assert_eq!(world.send(id, one), one.len());
                world.read(id);
            }
            assert!(world.is_closed(id));
            world.gone(id);
        });
        drop(packets);
        drop(topic);
        world.is_back(start - own, BUFFERS);
    }
}
