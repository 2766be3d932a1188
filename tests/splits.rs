//! A transport may give any number of bytes at a time: the events and the bytes that come out are
//! the same.

#[path = "support/change.rs"]
mod change;
#[path = "support/chunks.rs"]
mod chunks;
#[path = "support/generate.rs"]
mod generate;

use change::{apply, change, mend_length};
use proptest::collection::vec;
use proptest::prelude::*;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Any packets, right or wrong, in any pieces, to a decoder, a server and a client.
    #[test]
    fn any_stream_in_any_pieces(
        packets in vec((vec(any::<u8>(), 200..400), vec(change(), 0..2)), 1..4),
        lengths in vec(any::<u8>(), 1..4),
        opened in any::<bool>(),
        limited in any::<bool>(),
        (version, sender) in (0..3_usize, 0..3_usize),
    ) {
        let version = [Version::V31, Version::V311, Version::V5][version];
        let sender = [None, Some(Role::Client), Some(Role::Server)][sender];
        let mut stream = Vec::new();
        if opened {
            let opening = match sender {
                Some(Role::Server) => Packet::from(Connack::new(ReasonCode::Success)),
                _ => Packet::from(Connect::new(version, "client")),
            };
            opening.encode(version, &mut stream).unwrap();
        }
        for (data, changes) in &packets {
            let mut bytes = Vec::new();
            generate::with_packet(data, |_, packet| packet.encode(version, &mut bytes).ok());
            for change in changes {
                apply(&mut bytes, change);
                mend_length(&mut bytes);
            }
            stream.extend_from_slice(&bytes);
        }
        let options = DecodeOptions::new().with_sender(sender).with_accept_v31(true);
        let size = if limited { 60 } else { MAXIMUM_PACKET_SIZE };
        let options = options.with_maximum_packet_size(size);
        chunks::check_chunks(version, &options, &stream, &lengths);
    }
}

/// What shows in the length is said whether or not the body is there.
#[test]
fn an_error_does_not_depend_on_the_pieces() {
    let options = DecodeOptions::new();
    for bytes in [
        &b"\x20\x03\0\xFC\0"[..],
        b"\x40\x04\0\0\0\0",
        b"\xB0\x03\0\0\0",
        b"\xE0\x01\0",
        b"\xC0\x01\0",
    ] {
        let whole = Packet::decode(Version::V311, &options, &mut &*bytes).unwrap_err();
        let begin = Packet::decode(Version::V311, &options, &mut &bytes[..2]).unwrap_err();
        assert_eq!(whole, begin, "{bytes:02x?}");
    }
}
