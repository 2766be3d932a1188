//! One connection that sends without end.

use std::time::Duration;

use sansio_mqtt::*;

use crate::rig::{LITTLE, PAGES, Rig, bytes_of, subscribe};

/// Bytes of answers that wait for a client, of a test that has a bound of its own for them.
const REPLIES: u32 = 8 << 10;

fn options() -> BrokerOptions {
    BrokerOptions::new().with_connection(Options::new().with_maximum_reply_bytes(REPLIES))
}

fn join(rig: &mut Rig, version: Version) -> ConnectionId {
    rig.join(&Connect::new(version, "flood"))
}

/// Sends the same packets for ever and never reads: how many were taken.
fn unread(name: &str, prepare: fn(&mut Rig, ConnectionId), packets: &[u8]) {
    let mut rig = Rig::new(options());
    let before = rig.bytes();
    let id = join(&mut rig, Version::V5);
    prepare(&mut rig, id);
    let mut taken = 0;
    let [few, many] = rig.flood(20_000, |rig, _| taken += rig.send(id, packets));
    println!("{name}: {taken} bytes taken, {few} and {many} held");
    assert!(taken > 0);
    // Answers up to the bound and one more, in a buffer that doubles, and the connection itself.
    assert!(
        few.max(many) < 2 * REPLIES as usize + (4 << 10),
        "{name}: {few} {many}"
    );
    assert!(
        many <= few,
        "{name}: it goes on growing, from {few} to {many}"
    );
    assert!(!rig.broker.wants_input(id));
    // It reads after all, and is heard again.
    rig.read(id);
    assert!(rig.broker.wants_input(id));
    assert!(rig.send(id, packets) > 0);
    rig.end(id);
    rig.assert_back(before, LITTLE);
}

#[test]
fn pings() {
    unread("PINGREQ", |_, _| (), &[0xc0, 0]);
}

#[test]
fn pubrels_of_nothing() {
    unread("PUBREL", |_, _| (), &[0x62, 2, 0, 7]);
}

#[test]
fn subscribes_to_the_same() {
    let subscriptions = [Subscription::new("a/+/b", QoS::ExactlyOnce)];
    let packet = bytes_of(Version::V5, subscribe(&subscriptions));
    unread("SUBSCRIBE", |_, _| (), &packet);
}

/// With all that is retained coming each time.
#[test]
fn subscribes_to_everything_that_is_retained() {
    let mut rig = Rig::new(options());
    for number in 0..2_000 {
        let message = Message::new(&format!("kept/{number}"), &[0x2a; 100]).unwrap();
        rig.publish(&message.with_retain(true));
    }
    let before = rig.bytes();
    let id = join(&mut rig, Version::V5);
    let subscriptions = [Subscription::new("kept/#", QoS::AtMostOnce)];
    let packet = bytes_of(Version::V5, subscribe(&subscriptions));
    let mut taken = 0;
    let [few, many] = rig.flood(2_000, |rig, _| taken += rig.send(id, &packet));
    println!("SUBSCRIBE to all that is retained: {taken} bytes taken, {few} and {many} held");
    // 64 subscriptions that have still to look, and the one whose turn it is has found 64 messages.
    assert!(few.max(many) < 64 * 256 + (64 << 10), "{few} {many}");
    assert!(many <= few + 1_024, "{few} {many}");
    rig.end(id);
    let left = rig.bytes() - before;
    assert!(left < 64 << 10, "{left}");
}

#[test]
fn unsubscribes() {
    let packet = bytes_of(
        Version::V5,
        Packet::from(Unsubscribe {
            packet_id: PacketId::new(1).unwrap(),
            filters: ["a/+/b"][..].into(),
            properties: Properties::new(),
        }),
    );
    unread("UNSUBSCRIBE", |_, _| (), &packet);
}

/// Ever new filters, whose answers are read: as many as one client may have.
#[test]
fn subscribes_to_ever_new_filters() {
    const LIMIT: u32 = 1_000;
    let mut rig = Rig::new(options().with_maximum_client_subscriptions(LIMIT));
    let before = rig.bytes();
    let id = join(&mut rig, Version::V5);
    let mut granted = 0;
    let [few, many] = rig.flood(1_000, |rig, number| {
        let filter = format!("{number}/+/some/where/{number}/#");
        let subscriptions = [Subscription::new(&filter, QoS::AtLeastOnce)];
        assert!(rig.send_packet(id, Version::V5, subscribe(&subscriptions)));
        let code = rig.read(id)[5];
        assert!([1, 0x97].contains(&code));
        granted += u32::from(code == 1);
    });
    println!(
        "{} bytes for a subscription of its own levels",
        many / 1_000
    );
    assert_eq!(granted, LIMIT);
    assert!(few.max(many) < 1_000 * 300 + (64 << 10), "{few} {many}");
    rig.end(id);
    rig.assert_back(before, PAGES);
}

/// What begins with no CONNECT, or with a length that none has, is closed at once and holds nothing.
#[test]
fn connects_without_a_body() {
    let first: [&[u8]; 8] = [
        &[0x10, 0],
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0xff, 0xff, 0xff, 0xff],
        &[0x10, 10, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0],
        &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 9, 2, 0, 0, 0, 0],
        &[0xf0, 0],
        &[0x30, 0xff, 0xff, 0xff, 0x7f],
        &[0x82, 2, 0, 1],
    ];
    let mut rig = Rig::new(BrokerOptions::new());
    let before = rig.bytes();
    let [few, many] = rig.flood(2_000, |rig, number| {
        let id = rig.connected();
        let bytes = first[number % first.len()];
        rig.send(id, bytes);
        assert!(rig.broker.closed(id).is_some(), "{bytes:02x?}");
        rig.read(id);
        rig.end(id);
    });
    assert!(few.max(many) < 16 << 10, "{few} {many}");
    rig.assert_back(before, LITTLE);
}

/// QoS 2 without PUBREL: in 5.0 as many as Receive Maximum allows; before, where nothing tells the client, each identifier.
#[test]
fn messages_of_qos_2_that_are_never_released() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let connection = Options::new()
            .with_receive_maximum(20)
            .with_accept_v31(true);
        let mut rig = Rig::new(BrokerOptions::new().with_connection(connection));
        let before = rig.bytes();
        let id = join(&mut rig, version);
        let mut taken = 0;
        let [few, many] = rig.flood(500, |rig, number| {
            let publish = Publish {
                qos: QoS::ExactlyOnce,
                packet_id: PacketId::new(u16::try_from(number).unwrap() + 1),
                ..Publish::new("a", &[0x2a; 1024])
            };
            let is_open = rig.broker.closed(id).is_none();
            let is_taken = rig.send_packet(id, version, Packet::from(publish));
            taken += usize::from(is_open && is_taken);
            rig.read(id);
        });
        println!("QoS 2 of {version} without PUBREL: {taken} taken, {few} and {many} bytes held");
        assert!(few.max(many) < 16 << 10, "{few} {many}");
        match version {
            // One more is looked at.
            Version::V5 => {
                assert_eq!(taken, 21);
                assert!(rig.broker.closed(id).is_some());
            }
            // Two bytes for each: that is all there can be.
            _ => assert_eq!(taken, 2_000),
        }
        rig.end(id);
        rig.assert_back(before, LITTLE);
    }
}

/// The same identifier again and again before PUBREL: PUBREC each time, one delivery.
#[test]
fn the_same_message_of_qos_2_again_and_again() {
    for version in [Version::V311, Version::V5] {
        let mut rig = Rig::new(BrokerOptions::new());
        let before = rig.bytes();
        let watcher = rig.join(&Connect::new(Version::V5, "watcher"));
        rig.subscribe(watcher, "again", QoS::AtMostOnce);
        let id = join(&mut rig, version);
        let publish = Publish {
            qos: QoS::ExactlyOnce,
            packet_id: PacketId::new(9),
            ..Publish::new("again", b"x")
        };
        let mut bytes = bytes_of(version, Packet::from(publish));
        let [few, many] = rig.flood(2_000, |rig, _| {
            assert_eq!(rig.send(id, &bytes), bytes.len());
            bytes[0] |= 0x08;
            assert_eq!(rig.read(id), [0x50, 2, 0, 9]);
        });
        assert!(few.max(many) < 8 << 10, "{few} {many}");
        assert_eq!(
            rig.read(watcher)
                .iter()
                .filter(|&&byte| byte == b'x')
                .count(),
            1
        );
        assert_eq!(rig.send(id, &[0x62, 2, 0, 9]), 4);
        rig.end(id);
        rig.end(watcher);
        rig.assert_back(before, LITTLE);
    }
}

/// All that a client says, one byte at a time: what it is told is the same, and nothing is kept of what is no whole packet.
#[test]
fn one_byte_at_a_time() {
    let filters = [Subscription::new("slow/#", QoS::ExactlyOnce)];
    let publish = |qos, id| {
        Packet::from(Publish {
            qos,
            packet_id: PacketId::new(id),
            ..Publish::new("slow/a", &[0x2a; 300])
        })
    };
    let connect = Connect::new(Version::V5, "slow");
    let packets = [
        Packet::from(connect),
        subscribe(&filters),
        publish(QoS::AtMostOnce, 0),
        publish(QoS::AtLeastOnce, 1),
        publish(QoS::ExactlyOnce, 2),
    ];
    let mut bytes: Vec<u8> = packets
        .iter()
        .flat_map(|&packet| bytes_of(Version::V5, packet))
        .collect();
    bytes.extend([0x62, 2, 0, 2, 0xc0, 0, 0xe0, 0]);

    let mut rig = Rig::new(BrokerOptions::new());
    let before = rig.bytes();
    let id = rig.connected();
    let (mut input, mut whole) = (&bytes[..], Vec::new());
    while !input.is_empty() {
        let packet = input;
        Packet::decode(Version::V5, &DecodeOptions::new(), &mut input).unwrap();
        let packet = &packet[..packet.len() - input.len()];
        assert_eq!(rig.send(id, packet), packet.len());
        whole.extend(rig.read(id));
    }
    rig.end(id);
    rig.settle();

    let id = rig.connected();
    let (mut from, mut told) = (0, Vec::new());
    for to in 1..=bytes.len() {
        from += rig.send(id, &bytes[from..to]);
        told.extend(rig.read(id));
        rig.serve();
        rig.pass(Duration::from_millis(1));
    }
    assert_eq!(from, bytes.len());
    // Answers come before messages, which come when they can: so the order may be another one, the packets are the same.
    let sorted = |mut input: &[u8]| {
        let mut packets = Vec::new();
        while let Ok(Some(packet)) = Packet::decode(Version::V5, &DecodeOptions::new(), &mut input)
        {
            packets.push(format!("{packet:?}"));
        }
        assert!(input.is_empty());
        packets.sort();
        packets
    };
    assert_eq!(sorted(&told), sorted(&whole));
    assert!(rig.broker.closed(id).is_some());
    rig.end(id);
    rig.assert_back(before, LITTLE);
}
