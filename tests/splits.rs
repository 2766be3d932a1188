//! A transport may give any number of bytes at a time: the events and the bytes that come out are
//! the same.

use sansio_mqtt::*;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// Everything that a client can send, in one stream.
fn transcript(version: Version) -> Vec<u8> {
    let id = |id| PacketId::new(id).unwrap();
    let properties = [Property::UserProperty("key", "value")];
    let properties = match version {
        Version::V5 => Properties::from(&properties[..]),
        _ => Properties::new(),
    };
    let subscriptions = [
        Subscription::new("a/+", QoS::ExactlyOnce),
        Subscription::new("b/#", QoS::AtLeastOnce),
    ];
    let publish = |qos, packet_id: u16, payload| {
        let packet_id = PacketId::new(packet_id);
        Packet::from(Publish {
            qos,
            packet_id,
            properties,
            ..Publish::new("a/topic", payload)
        })
    };
    let mut out = Vec::new();
    let mut send = |packet: Packet<'_>| packet.encode(version, &mut out).unwrap();
    send(Packet::from(Connect {
        will: Some(Will::new("will", b"gone")),
        user_name: Some("user"),
        password: Some(b"secret"),
        properties,
        ..Connect::new(version, "client")
    }));
    send(Packet::from(Subscribe {
        properties,
        ..Subscribe::new(id(1), &subscriptions)
    }));
    send(publish(QoS::AtMostOnce, 0, b"zero"));
    send(publish(QoS::AtLeastOnce, 2, b"one"));
    send(publish(QoS::ExactlyOnce, 3, &[b'x'; 200]));
    send(Packet::Pingreq);
    send(Packet::Pubrel(Ack::new(id(3))));
    send(publish(QoS::ExactlyOnce, 3, b"again"));
    send(Packet::Pubrel(Ack::new(id(3))));
    send(Packet::Pubrel(Ack::new(id(9))));
    send(Packet::from(Unsubscribe {
        packet_id: id(4),
        filters: (&["a/+", "c"][..]).into(),
        properties,
    }));
    send(Packet::from(Disconnect::default()));
    out
}

/// Feeds the parts one after the other; the text of each event, the bytes that came out, the end.
fn feed(parts: &[&[u8]]) -> (Vec<String>, Vec<u8>, Option<Closed>) {
    let now = Instant::ZERO;
    let mut server = ServerConnection::new(now, Options::new().with_accept_v31(true));
    let (mut events, mut out, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        buffer.extend_from_slice(part);
        let mut input = &buffer[..];
        loop {
            while let Some(event) = server.receive(now, &mut input) {
                match event {
                    ServerEvent::Connect(connect) => {
                        events.push(format!("{}", Packet::from(connect)));
                        server
                            .accept(now, None, &Connack::new(ReasonCode::Success))
                            .unwrap();
                    }
                    ServerEvent::Subscribe { subscribe, token } => {
                        events.push(format!("{}", Packet::from(subscribe)));
                        let codes = vec![ReasonCode::Success; subscribe.subscriptions.len()];
                        server.suback(token, &codes, Properties::new()).unwrap();
                    }
                    ServerEvent::Unsubscribe { unsubscribe, token } => {
                        events.push(format!("{}", Packet::from(unsubscribe)));
                        let codes = vec![ReasonCode::Success; unsubscribe.filters.len()];
                        server.unsuback(token, &codes, Properties::new()).unwrap();
                    }
                    ServerEvent::Publish(incoming) => {
                        events.push(format!("{}", Packet::from(incoming.publish)));
                    }
                    other => events.push(format!("{other:?}")),
                }
            }
            if server.poll_transmit(now, &mut out, usize::MAX) == 0 {
                break;
            }
        }
        let taken = buffer.len() - input.len();
        buffer.drain(..taken);
    }
    (events, out, server.closed())
}

#[test]
fn every_split_gives_the_same() {
    for version in VERSIONS {
        let bytes = transcript(version);
        let whole = feed(&[&bytes]);
        assert_eq!(whole.0.len(), 8, "{:#?}", whole.0);
        assert!(whole.2.is_some());
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(feed(&[first, second]), whole, "{version} split at {at}");
        }
        for size in 1..40 {
            let parts: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(feed(&parts), whole, "{version} in parts of {size}");
        }
    }
}

#[test]
fn every_prefix_is_a_beginning() {
    for version in VERSIONS {
        let bytes = transcript(version);
        let whole = feed(&[&bytes]);
        for length in 0..bytes.len() {
            let (events, out, closed) = feed(&[&bytes[..length]]);
            assert!(whole.0.starts_with(&events), "{version} {length}");
            assert!(whole.1.starts_with(&out), "{version} {length}");
            assert_eq!(closed, None, "{version} {length}");
        }
    }
}

/// One byte changed at a time: no panic, and either the stream goes on or the connection is closed.
#[test]
fn every_changed_byte_is_survived() {
    for version in VERSIONS {
        let bytes = transcript(version);
        for at in 0..bytes.len() {
            for value in [
                0,
                1,
                0x7f,
                0x80,
                0xff,
                bytes[at] ^ 1,
                bytes[at] ^ 0x10,
                bytes[at].wrapping_add(1),
            ] {
                let mut changed = bytes.clone();
                changed[at] = value;
                feed(&[&changed]);
            }
        }
    }
}
