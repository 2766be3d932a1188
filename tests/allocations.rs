//! Decoding and encoding take no memory but the caller's, and a message no more than what keeps it.
#![allow(unsafe_code)] // a global allocator cannot be written without

#[allow(dead_code)] // what only other tests use
#[path = "support/counting.rs"]
mod counting;
#[path = "support/generate.rs"]
mod generate;
#[path = "support/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hint::black_box;

use counting::{allocations, held_since, in_use, peak};
use generate::with_packet;
use proptest::prelude::RngCore;
use proptest::test_runner::{RngAlgorithm, TestRng};
use samples::samples;
use sansio_mqtt::{
    AcknowledgeError, ClientConnection, ClientEvent, Connack, Connect, DecodeOptions, Deliveries,
    EncodeError, Instant, MAXIMUM_REMAINING_LENGTH, Message, Options, Overlap, Packet, PacketStart,
    Pick, Properties, Publish, PublishHead, QoS, ReasonCode, ServerConnection, ServerEvent,
    Session, SharedGroup, Subscriber, SubscriberId, SubscriptionOptions, TopicFilter, TopicName,
    Version,
};

/// Takes text and keeps nothing.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        black_box(text);
        Ok(())
    }
}

/// Reads everything that is read lazily; gives how much there was.
fn walk(packet: &Packet<'_>) -> usize {
    let properties = |properties: &Properties<'_>| {
        properties.user_properties().for_each(|pair| {
            black_box(pair);
        });
        black_box(properties.reason_string());
        properties.iter().count()
    };
    match packet {
        Packet::Connect(connect) => {
            let will = connect.will.map_or(0, |will| properties(&will.properties));
            properties(&connect.properties) + will
        }
        Packet::Connack(connack) => properties(&connack.properties),
        Packet::Publish(publish) => {
            let identifiers = publish.subscription_identifiers.iter().count();
            properties(&publish.properties) + identifiers
        }
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            properties(&ack.properties)
        }
        Packet::Subscribe(subscribe) => {
            properties(&subscribe.properties) + subscribe.subscriptions.iter().count()
        }
        Packet::Suback(suback) => {
            properties(&suback.properties) + suback.reason_codes.iter().count()
        }
        Packet::Unsubscribe(unsubscribe) => {
            properties(&unsubscribe.properties) + unsubscribe.filters.iter().count()
        }
        Packet::Unsuback(unsuback) => {
            properties(&unsuback.properties) + unsuback.reason_codes.iter().count()
        }
        Packet::Pingreq | Packet::Pingresp => 0,
        Packet::Disconnect(disconnect) => properties(&disconnect.properties),
        Packet::Auth(auth) => properties(&auth.properties),
    }
}

#[test]
fn the_count_counts() {
    let ((), one) = allocations(|| drop(black_box(Box::new(1))));
    assert_eq!(one, 1);
    let mut bytes = Vec::<u8>::with_capacity(1);
    let ((), grown) = allocations(|| bytes.extend_from_slice(black_box(&[0; 100])));
    assert_eq!(grown, 1);
    assert_eq!(peak(|| drop(black_box(vec![1_u8; 1000]))), 1000);
}

/// The largest message there is, from one side to the other, with a buffer of 4 KiB on each.
#[test]
fn the_largest_message_needs_no_buffer_of_its_size() {
    const BUFFER: usize = 4096;
    let version = Version::V5;
    let options = DecodeOptions::new().with_whole_publish_limit(64 * 1024);
    let topic = "firmware/image";
    let head_len = u32::try_from(2 + topic.len() + 1).unwrap();
    let sent = PublishHead::new(
        Publish::new(topic, b""),
        MAXIMUM_REMAINING_LENGTH - head_len,
    );

    let peak = peak(|| {
        let mut out = Vec::with_capacity(BUFFER);
        sent.encode(version, &mut out).unwrap();
        let file = [7; BUFFER];
        let mut to_send = sent.payload();
        let mut to_receive = None;
        let mut received = 0;
        loop {
            // What is not taken by the next of these lines is behind the packet.
            let mut input = out.as_slice();
            let payload = match &mut to_receive {
                Some(payload) => payload,
                None => match PacketStart::decode(version, &options, &mut input) {
                    Ok(Some(PacketStart::Head(head))) => {
                        assert_eq!(head, sent);
                        to_receive.insert(head.payload())
                    }
                    other => panic!("{other:?}"),
                },
            };
            let chunk = payload.take(&mut input);
            received += chunk.len();
            assert_eq!(input, b"");
            if payload.is_done() {
                break;
            }
            out.clear();
            out.extend_from_slice(to_send.take(&mut &file[..]));
            assert!(!out.is_empty());
        }
        assert!(to_send.is_done());
        assert_eq!(received, sent.payload_len as usize);
    });
    assert!(peak <= 2 * BUFFER, "{peak} bytes");
}

const IN_PIECES: Options = Options::new().with_whole_publish_limit(1024);

/// The largest message there is through both connections, with their sessions and one buffer between them.
#[test]
fn the_largest_message_passes_both_connections_in_little_memory() {
    const BUFFER: usize = 16 * 1024;
    let now = Instant::ZERO;
    for (version, qos) in [
        (Version::V311, QoS::AtMostOnce),
        (Version::V5, QoS::AtLeastOnce),
        (Version::V5, QoS::ExactlyOnce),
    ] {
        let topic = "firmware/image";
        let in_head = 2
            + u32::try_from(topic.len()).unwrap()
            + if qos == QoS::AtMostOnce { 0 } else { 2 }
            + u32::from(version == Version::V5);
        let payload_len = MAXIMUM_REMAINING_LENGTH - in_head;
        let peak = peak(|| {
            let (mut client, mut server) = connected(version, &IN_PIECES);
            let message = Message::with_streamed_payload(topic, payload_len).unwrap();
            let handle = client.publish(now, message.with_qos(qos)).unwrap();
            let file = [7; BUFFER];
            let (mut received, mut complete, mut settled) = (0, 0, None);
            let (mut out, mut back) = (Vec::with_capacity(BUFFER), Vec::with_capacity(64));
            loop {
                client.poll_transmit(now, &mut out, BUFFER);
                if client.payload_wanted().is_some() {
                    let room = BUFFER - out.len();
                    let mut bytes = &file[..room];
                    out.extend_from_slice(client.transmit_payload(now, &mut bytes));
                }
                let mut input = &out[..];
                while let Some(event) = server.receive(now, &mut input) {
                    match event {
                        ServerEvent::PublishHead(head) => {
                            assert_eq!((head.topic(), head.payload_len), (topic, payload_len));
                        }
                        ServerEvent::Payload { chunk, last } => {
                            received += chunk.len();
                            complete += usize::from(last);
                        }
                        other => panic!("{other:?}"),
                    }
                }
                assert!(input.is_empty());
                server.poll_transmit(now, &mut back, usize::MAX);
                let mut input = &back[..];
                while let Some(event) = client.receive(now, &mut input) {
                    let ClientEvent::Published { handle, .. } = event else {
                        panic!("{event:?}");
                    };
                    settled = Some(handle);
                }
                if out.is_empty() && back.is_empty() {
                    break;
                }
                out.clear();
                back.clear();
            }
            assert_eq!((received, complete), (payload_len as usize, 1));
            assert_eq!(settled, (qos != QoS::AtMostOnce).then_some(handle));
        });
        // The buffer, and what both keep.
        assert!(peak <= BUFFER + 4096, "{qos:?}: {peak} bytes");
    }
}

/// As TCP gives it.
#[test]
fn a_payload_in_pieces_is_received_without_allocating() {
    let now = Instant::ZERO;
    for version in [Version::V311, Version::V5] {
        let (_, mut server) = connected(version, &IN_PIECES);
        let mut bytes = Vec::new();
        let payload = vec![7; 1 << 20];
        let publish = Publish::new("t", &payload);
        publish.encode(version, &mut bytes).unwrap();
        let mut received = 0;
        let ((), count) = allocations(|| {
            for mut piece in bytes.chunks(1460) {
                while let Some(event) = server.receive(now, &mut piece) {
                    if let ServerEvent::Payload { chunk, .. } = event {
                        received += chunk.len();
                    }
                }
                assert!(piece.is_empty());
            }
        });
        assert_eq!((received, count), (1 << 20, 0), "{version}");
    }
}

#[test]
fn packets() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let (mut types, mut walked) = (BTreeSet::new(), BTreeSet::new());
        for packet in samples(version) {
            let length = packet.encoded_len(version);
            let mut bytes = Vec::with_capacity(length);
            let (encoded, count) = allocations(|| packet.encode(version, &mut bytes));
            assert_eq!(encoded, Ok(()), "{version} {packet}");
            assert_eq!(count, 0, "encode {version} {packet}");
            assert_eq!(bytes.len(), length, "{version} {packet}");

            let options = DecodeOptions::new().with_accept_v31(true);
            let mut input = bytes.as_slice();
            let (decoded, count) = allocations(|| Packet::decode(version, &options, &mut input));
            assert_eq!(count, 0, "decode {version} {packet}");
            let decoded = decoded.unwrap().unwrap();
            assert_eq!(decoded, packet);

            let (found, count) = allocations(|| walk(&decoded));
            assert_eq!(count, 0, "iterate {version} {packet}");
            if found > 0 {
                walked.insert(packet.packet_type().as_u8());
            }
            let (written, count) = allocations(|| write!(Nowhere, "{decoded}"));
            assert_eq!((written, count), (Ok(()), 0), "display {version} {packet}");

            let mut again = Vec::with_capacity(length);
            let (encoded, count) = allocations(|| decoded.encode(version, &mut again));
            assert_eq!(
                (encoded, count),
                (Ok(()), 0),
                "encode again {version} {packet}"
            );
            assert_eq!(again, bytes);

            for packet in [&packet, &decoded] {
                let mut slice = vec![0; length];
                let (written, count) = allocations(|| packet.encode_to_slice(version, &mut slice));
                assert_eq!(
                    (written, count),
                    (Ok(length), 0),
                    "encode to slice {version} {packet}"
                );
                assert_eq!(slice, bytes);
            }
            types.insert(packet.packet_type().as_u8());
        }
        let all = if version == Version::V5 { 15 } else { 14 };
        assert_eq!(types.len(), all, "a packet type without sample");
        // Without PINGREQ and PINGRESP; before 5.0 only what has a list of filters or codes.
        let full = if version == Version::V5 { 13 } else { 3 };
        assert_eq!(walked.len(), full, "{version}: nothing to walk through");
    }
}

#[test]
fn refused_bytes() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for packet in samples(version) {
            let mut bytes = Vec::new();
            packet.encode(version, &mut bytes).unwrap();
            for at in 0..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0xFF;
                let options = DecodeOptions::new().with_accept_v31(true);
                let mut input = bytes.as_slice();
                let (_, count) = allocations(|| Packet::decode(version, &options, &mut input));
                assert_eq!(count, 0, "{version} {packet}, byte {at}");
            }
        }
    }
}

/// Packets that cannot be sent, and slices that are too short.
#[test]
fn refused_packets() {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut refused = BTreeSet::new();
    for _ in 0..10_000 {
        let mut data = [0; 600];
        rng.fill_bytes(&mut data);
        with_packet(&data, |version, packet| {
            let mut none = Vec::new();
            let (encoded, count) = allocations(|| packet.encode(version, &mut none));
            if encoded.is_err() {
                assert_eq!(count, 0, "{version} {packet}");
                refused.insert((version, packet.packet_type()));
            }
            let length = packet.encoded_len(version);
            let (too_short, count) = allocations(|| packet.encode_to_slice(version, &mut []));
            assert_eq!(count, 0, "{version} {packet}");
            let needed = EncodeError::BufferTooSmall { needed: length };
            assert_eq!(too_short, Err(encoded.err().unwrap_or(needed)));
        });
    }
    // All that can be wrong: PINGREQ and PINGRESP cannot.
    assert_eq!(refused.len(), 3 * 13, "{refused:?}");
}

#[test]
fn topics() {
    let ((), count) = allocations(|| {
        let filter = TopicFilter::new(Version::V5, "$share/g/sensors/+/#").unwrap();
        let name = TopicName::new("sensors/é/temperature").unwrap();
        assert!(filter.matches(&name));
        assert_eq!(filter.share_name(), Some("g"));
        assert_eq!(name.levels().count(), 3);
        assert!(TopicFilter::new(Version::V5, "a+").is_err());
    });
    assert_eq!(count, 0);
}

/// Two connections with an exchange behind them, which has made them what memory they keep.
fn connected(version: Version, options: &Options) -> (ClientConnection, ServerConnection) {
    let now = Instant::ZERO;
    let connect = Connect {
        keep_alive: 60,
        ..Connect::new(version, "c")
    };
    let client = ClientConnection::new(now, &connect, Session::new(), options.clone());
    let mut client = client.expect("CONNECT");
    let mut server = ServerConnection::new(now, options.clone());
    let mut bytes = Vec::new();
    client.poll_transmit(now, &mut bytes, usize::MAX);
    let event = server.receive(now, &mut &bytes[..]);
    assert!(matches!(event, Some(ServerEvent::Connect(_))));
    server
        .accept(now, None, &Connack::new(ReasonCode::Success))
        .expect("CONNACK");
    bytes.clear();
    server.poll_transmit(now, &mut bytes, usize::MAX);
    let event = client.receive(now, &mut &bytes[..]);
    assert!(matches!(event, Some(ClientEvent::Connack(_))));
    (client, server)
}

#[test]
fn messages_in_a_steady_state() {
    let now = Instant::ZERO;
    for version in [Version::V311, Version::V5] {
        let (mut client, mut server) = connected(version, &Options::new());
        let (mut up, mut down) = (Vec::with_capacity(1024), Vec::with_capacity(1024));
        let mut exchange = |qos: QoS, from_client: bool| {
            let publish = Publish {
                qos,
                ..Publish::new("sensors/7/temperature", b"21.5")
            };
            let sent = if from_client {
                client.publish_into(now, &publish, &mut up).map(drop)
            } else {
                server.publish_into(now, &publish, &mut down).map(drop)
            };
            assert_eq!(sent, Ok(()));
            let mut events = 0;
            while !up.is_empty() || !down.is_empty() {
                let mut input = &up[..];
                while server.receive(now, &mut input).is_some() {
                    events += 1;
                }
                up.clear();
                let mut input = &down[..];
                while client.receive(now, &mut input).is_some() {
                    events += 1;
                }
                down.clear();
                client.poll_transmit(now, &mut up, usize::MAX);
                server.poll_transmit(now, &mut down, usize::MAX);
            }
            events
        };
        let kinds = [
            (QoS::AtMostOnce, 1, 0),
            (QoS::AtLeastOnce, 2, 1),
            (QoS::ExactlyOnce, 2, 1),
        ];
        for (qos, events, most) in kinds {
            for from_client in [true, false] {
                for _ in 0..20 {
                    assert_eq!(exchange(qos, from_client), events);
                }
                let (_, count) = allocations(|| {
                    for _ in 0..1_000 {
                        exchange(qos, from_client);
                    }
                });
                // The message that is kept, and nothing else.
                assert_eq!(count, 1_000 * most, "{version} {qos:?} {from_client}");
            }
        }
    }
}

/// Both sides and their sessions, and the bytes that they hold.
fn held(work: impl FnOnce() -> (ClientConnection, ServerConnection)) -> (usize, Quiet) {
    let before = in_use();
    let (client, server) = work();
    (held_since(before), Quiet { client, server })
}

struct Quiet {
    client: ClientConnection,
    server: ServerConnection,
}

/// After the opening; and after traffic once it is settled and a ping has passed.
#[test]
fn an_idle_connection_holds_no_memory() {
    for version in [Version::V311, Version::V5] {
        for manual in [false, true] {
            let options = Options::new().with_manual_acknowledgement(manual);
            let (bytes, pair) = held(|| connected(version, &options));
            assert_eq!(bytes, 0, "{version}");
            let Quiet { client, server } = pair;
            let mut busy = 0;
            let (bytes, pair) = held(|| traffic(client, server, manual, 1_000, &mut busy));
            assert!(busy > 100_000, "{busy}");
            assert_eq!(bytes, 0, "{version} {manual}");
            // A few, of which less is given back at once.
            let Quiet { client, server } = pair;
            let (bytes, _pair) = held(|| traffic(client, server, manual, 5, &mut busy));
            assert_eq!(bytes, 0, "{version} {manual}");
        }
    }
}

/// So many messages of each QoS both ways and a request, all settled, then the ping. `busy` is the most that
/// was in use.
fn traffic(
    mut client: ClientConnection,
    mut server: ServerConnection,
    manual: bool,
    rounds: usize,
    busy: &mut usize,
) -> (ClientConnection, ServerConnection) {
    let mut now = Instant::ZERO;
    let start = in_use();
    for round in 0..rounds {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let message = Message::new("topic", &[7; 100]).expect("message");
            let message = message.with_qos(qos);
            // Not all can be kept.
            let _ = client.publish(now, message.clone());
            let _ = server.publish(now, message);
        }
        if round == 0 {
            client
                .unsubscribe(&["t"], Properties::new())
                .expect("UNSUBSCRIBE");
        }
    }
    *busy = (*busy).max(held_since(start));
    for ping in [false, true] {
        if ping {
            now = client.poll_timeout().expect("keep alive");
            client.handle_timeout(now);
        }
        loop {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            client.poll_transmit(now, &mut up, usize::MAX);
            server.poll_transmit(now, &mut down, usize::MAX);
            if up.is_empty() && down.is_empty() {
                break;
            }
            let mut tokens = Vec::new();
            let mut input = &up[..];
            while let Some(event) = server.receive(now, &mut input) {
                match event {
                    ServerEvent::Publish(incoming) => tokens.extend(incoming.ack),
                    ServerEvent::Unsubscribe { token, .. } => server
                        .unsuback(token, &[ReasonCode::Success], Properties::new())
                        .expect("UNSUBACK"),
                    _ => {}
                }
            }
            assert!(input.is_empty());
            for token in tokens.drain(..) {
                let given = server.acknowledge(&token, ReasonCode::Success);
                assert!(manual && given.is_ok());
                // Nor does it count again, whatever was given back.
                let again = server.acknowledge(&token, ReasonCode::Success);
                assert_eq!(again, Err(AcknowledgeError::StaleToken));
            }
            let mut input = &down[..];
            while let Some(event) = client.receive(now, &mut input) {
                if let ClientEvent::Publish(incoming) = event {
                    tokens.extend(incoming.ack);
                }
            }
            assert!(input.is_empty());
            for token in tokens {
                let given = client.acknowledge(&token, ReasonCode::Success);
                assert!(manual && given.is_ok());
            }
        }
        assert_eq!(client.session().in_flight(), 0);
        assert_eq!(server.session().in_flight(), 0);
        assert_eq!(client.session().queued() + server.session().queued(), 0);
    }
    (client, server)
}

/// What a resumed session had to send again leaves nothing behind either.
#[test]
fn an_idle_connection_that_was_resumed_holds_no_memory() {
    let now = Instant::ZERO;
    let connect = Connect {
        clean_start: false,
        keep_alive: 60,
        ..Connect::new(Version::V311, "c")
    };
    let before = in_use();
    let mut session = Session::new();
    let mut client = None;
    for connack in [[0x20, 2, 0, 0], [0x20, 2, 1, 0]] {
        let options = Options::new();
        let mut next = ClientConnection::new(now, &connect, session, options).expect("CONNECT");
        let mut bytes = Vec::new();
        next.poll_transmit(now, &mut bytes, usize::MAX);
        let event = next.receive(now, &mut &connack[..]);
        assert!(matches!(event, Some(ClientEvent::Connack(_))));
        if connack[2] == 0 {
            let message = Message::new("t", b"x").expect("message");
            next.publish(now, message.with_qos(QoS::AtLeastOnce))
                .expect("PUBLISH");
        }
        next.poll_transmit(now, &mut bytes, usize::MAX);
        // PUBLISH is the last, with DUP the second time.
        assert_eq!(bytes[bytes.len() - 8] & 0xf6, 0x32);
        assert_eq!(next.session().in_flight(), 1);
        session = if connack[2] == 0 {
            next.into_session()
        } else {
            client = Some(next);
            Session::new()
        };
    }
    let mut client = client.expect("connection");
    let event = client.receive(now, &mut &[0x40, 2, 0, 1][..]);
    assert!(matches!(event, Some(ClientEvent::Published { .. })));
    drop(event);
    assert!(in_use() > before);
    let now = client.poll_timeout().expect("keep alive");
    client.handle_timeout(now);
    let mut bytes = Vec::new();
    client.poll_transmit(now, &mut bytes, usize::MAX);
    assert_eq!(bytes, [0xc0, 0]);
    drop(bytes);
    assert!(client.receive(now, &mut &[0xd0, 0][..]).is_none());
    assert_eq!(held_since(before), 0);
}

/// To pick a member allocates nothing, whoever can take the message; and a group knows what it holds.
#[test]
fn a_pick() {
    let filter = TopicFilter::new(Version::V5, "$share/workers/jobs/#").unwrap();
    let topic = TopicName::new("jobs/7").unwrap();
    for members in [1, 10, 17, 1000, 20_000] {
        let before = in_use();
        let mut group = SharedGroup::new(&filter, 1).unwrap();
        for number in 0..members {
            let id = SubscriberId::new(number * 7);
            group.add(Subscriber::new(id, SubscriptionOptions::default()));
        }
        let held = held_since(before);
        let known = group.heap_bytes();
        assert!(
            known.abs_diff(held) <= held / 4 + 100,
            "{members}: {known} {held}"
        );
        assert!(held < 64 * members as usize + 100, "{members}: {held}");
        let (_, count) = allocations(|| {
            for how in [
                Pick::RoundRobin,
                Pick::LeastRecentlyUsed,
                Pick::StickyByTopic(&topic),
                Pick::StickyByPublisher(SubscriberId::new(3)),
                Pick::Random,
            ] {
                assert!(group.pick(how, usize::MAX, |_| true).is_some());
                assert!(group.pick(how, usize::MAX, |_| false).is_none());
            }
        });
        assert_eq!(count, 0, "{members}");
    }
}

#[test]
fn deliveries_in_a_buffer_that_is_warm() {
    let mut deliveries = Deliveries::new();
    let fill = |deliveries: &mut Deliveries| {
        for number in 0..100 {
            let id = SubscriberId::new(number * 37 % 50);
            let subscriber = Subscriber::new(id, SubscriptionOptions::default());
            deliveries.add(subscriber.with_identifier(number + 1));
        }
        deliveries.merge(Overlap::CopyPerSubscription, None);
        assert_eq!(deliveries.len(), 100);
        deliveries.merge(Overlap::OneCopy, None);
        assert_eq!(
            deliveries
                .iter()
                .map(|one| one.identifiers.len())
                .sum::<usize>(),
            100
        );
        deliveries.clear();
    };
    fill(&mut deliveries);
    let (_, count) = allocations(|| fill(&mut deliveries));
    assert_eq!(count, 0);
}
