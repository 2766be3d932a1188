//! Mistakes that other implementations made with bytes, and that no vector can show: what happens with many packets, in
//! pieces, in some state of a connection, or with more work than there should be.

#[path = "support/samples.rs"]
mod samples;

use sansio_mqtt::*;

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

fn decode<'a>(version: Version, input: &mut &'a [u8]) -> Result<Option<Packet<'a>>, DecodeError> {
    Packet::decode(version, &DecodeOptions::new(), input)
}

fn encoded<'a>(version: Version, packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.into().encode(version, &mut bytes).unwrap();
    bytes
}

/// A server that has accepted a client.
fn server(version: Version) -> ServerConnection {
    let mut server = ServerConnection::new(Instant::ZERO, Options::new());
    let connect = encoded(version, Connect::new(version, "client"));
    assert!(matches!(
        server.receive(Instant::ZERO, &mut &connect[..]),
        Some(ServerEvent::Connect(_))
    ));
    let connack = Connack::new(ReasonCode::Success);
    server.accept(Instant::ZERO, None, &connack).unwrap();
    server
}

/// A client that is waiting for CONNACK, or has it.
fn client(version: Version, connected: bool) -> ClientConnection {
    let connect = Connect::new(version, "client");
    let mut client =
        ClientConnection::new(Instant::ZERO, &connect, Session::new(), Options::new()).unwrap();
    client.poll_transmit(Instant::ZERO, &mut Vec::new(), usize::MAX);
    if connected {
        let connack = encoded(version, Connack::new(ReasonCode::Success));
        client.receive(Instant::ZERO, &mut &connack[..]);
        assert!(client.is_connected());
    }
    client
}

/// Endless loop in a parser that did not move on: every first and second byte, with several tails behind them.
#[test]
fn remaining_length_the_parser_advances_or_stops() {
    let tails: [&[u8]; 6] = [
        &[],
        &[0; 5],
        &[0xFF; 5],
        &[0x80; 5],
        b"\x00\x01a\x00\x00\xC0\x00",
        b"\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00",
    ];
    for version in VERSIONS {
        for start in 0..=u16::MAX {
            for tail in tails {
                let bytes = [&start.to_be_bytes()[..], tail].concat();
                let mut input = &bytes[..];
                loop {
                    let before = input.len();
                    match decode(version, &mut input) {
                        Ok(Some(_)) => assert!(input.len() + 2 <= before, "{bytes:02X?}"),
                        Ok(None) | Err(_) => {
                            assert_eq!(input.len(), before, "{bytes:02X?}");
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// The first and the last length of each size, and the end of the header at every byte.
#[test]
fn header_longer_than_two_bytes() {
    let lengths: [(usize, &[u8]); 8] = [
        (127, b"\x30\x7F"),
        (128, b"\x30\x80\x01"),
        (16_383, b"\x30\xFF\x7F"),
        (16_384, b"\x30\x80\x80\x01"),
        (2_097_151, b"\x30\xFF\xFF\x7F"),
        (2_097_152, b"\x30\x80\x80\x80\x01"),
        (268_435_454, b"\x30\xFE\xFF\xFF\x7F"),
        (268_435_455, b"\x30\xFF\xFF\xFF\x7F"),
    ];
    for (length, header) in lengths {
        // The pages of the payload are never touched.
        let mut bytes = vec![0; header.len() + length + 1];
        bytes[..header.len()].copy_from_slice(header);
        bytes[header.len()..][..3].copy_from_slice(b"\x00\x01a");
        for version in VERSIONS {
            for cut in (0..header.len() + 5).chain([header.len() + length - 1]) {
                assert_eq!(
                    decode(version, &mut &bytes[..cut]),
                    Ok(None),
                    "{length} {cut}"
                );
            }
            let mut input = &bytes[..];
            let packet = decode(version, &mut input).unwrap();
            let Some(Packet::Publish(publish)) = packet else {
                panic!("{packet:?}");
            };
            let front = if version == Version::V5 { 4 } else { 3 };
            assert_eq!(publish.payload.len(), length - front);
            assert_eq!(publish.encoded_len(version), header.len() + length);
            assert_eq!(input.len(), 1);
        }
    }
}

/// The same through a connection, to which the header comes byte by byte.
#[test]
fn header_split_at_every_byte() {
    for version in VERSIONS {
        for length in [10, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let front = if version == Version::V5 { 4 } else { 3 };
            let payload = vec![7; length - front];
            let bytes = encoded(version, Publish::new("a", &payload));
            let mut server = server(version);
            for cut in 0..8 {
                let mut input = &bytes[..cut];
                assert!(server.receive(Instant::ZERO, &mut input).is_none());
                assert_eq!(input.len(), cut, "a part of a packet is not taken");
                assert!(server.wants_input());
            }
            let mut input = &bytes[..];
            let Some(ServerEvent::Publish(incoming)) = server.receive(Instant::ZERO, &mut input)
            else {
                panic!("{version} {length}: {:?}", server.closed());
            };
            assert_eq!(incoming.publish.payload, payload);
            assert!(input.is_empty());
        }
    }
}

/// A length of five bytes, and one that is far away: told from the header, without room for the body.
#[test]
fn remaining_length_of_a_peer_that_never_sends_the_body() {
    for version in VERSIONS {
        let options = Options::new().with_maximum_packet_size(1000);
        for (header, violation) in [
            (
                &b"\x30\xFF\xFF\xFF\xFF"[..],
                Violation::RemainingLengthTooLong,
            ),
            (b"\x30\xFF\xFF\xFF\x7F", Violation::PacketTooLarge),
            (b"\x30\xE7\x07", Violation::PacketTooLarge),
        ] {
            let mut server = ServerConnection::new(Instant::ZERO, options.clone());
            let connect = encoded(version, Connect::new(version, "client"));
            server.receive(Instant::ZERO, &mut &connect[..]);
            let connack = Connack::new(ReasonCode::Success);
            server.accept(Instant::ZERO, None, &connack).unwrap();
            server.receive(Instant::ZERO, &mut &header[..]);
            match server.closed().map(|closed| closed.cause) {
                Some(CloseCause::Violation(error)) => assert_eq!(error.violation(), violation),
                other => panic!("{version} {header:02X?}: {other:?}"),
            }
        }
    }
}

/// A linear decoder is through with a million properties at once; a quadratic one (50,000 were enough in a broker) would
/// still be at it tomorrow. That the test ends is what it shows, so that no clock decides.
#[test]
fn properties_50_000_and_more_in_linear_time() {
    for count in [50_000, 1_000_000] {
        let list = vec![Property::UserProperty("", "v"); count];
        let properties = Properties::from(&list[..]);
        let publish = Publish {
            properties,
            ..Publish::new("t", b"payload")
        };
        let mut bytes = encoded(Version::V5, publish);
        let packet = decode(Version::V5, &mut &bytes[..]).unwrap();
        let Some(Packet::Publish(read)) = packet else {
            panic!("{packet:?}");
        };
        assert_eq!(read.properties.iter().count(), count);
        assert_eq!(read.properties.user_properties().count(), count);
        assert_eq!(read.properties.content_type(), None);
        assert_eq!(read.payload, b"payload");
        assert!(read.properties == properties);
        assert_eq!(encoded(Version::V5, read), bytes);
        // The last of all is at fault.
        let last = bytes.len() - b"payload".len() - 1;
        bytes[last] = 0;
        let error = decode(Version::V5, &mut &bytes[..]).unwrap_err();
        assert_eq!(error.violation(), Violation::NullCharacter);
        assert_eq!(error.offset(), last - 2);
    }
}

/// What may stand once is looked for among any number of what may stand often.
#[test]
fn properties_a_repetition_among_50_000() {
    for at in [0, 1, 25_000, 49_998, 49_999] {
        let mut list = vec![Property::UserProperty("k", "v"); 50_000];
        list[at] = Property::ContentType("a");
        list.push(Property::ContentType("a"));
        let publish = Publish {
            properties: (&list[..]).into(),
            ..Publish::new("t", b"")
        };
        let error = publish.encode(Version::V5, &mut Vec::new());
        assert_eq!(error, Err(Violation::PropertyDuplicate.into()));
        list.pop();
        let publish = Publish {
            properties: (&list[..]).into(),
            ..Publish::new("t", b"")
        };
        let mut bytes = encoded(Version::V5, publish);
        // One more behind the others, and the lengths mended: both have four bytes.
        bytes.extend_from_slice(b"\x03\x00\x01a");
        for at in [1, 4 + 3] {
            bytes[at] += 4;
            assert!(bytes[at] & 0x80 != 0, "no carry");
        }
        let error = decode(Version::V5, &mut &bytes[..]).unwrap_err();
        assert_eq!(error.violation(), Violation::PropertyDuplicate);
        assert_eq!(error.offset(), bytes.len() - 4);
    }
}

/// Every type of packet, to both roles, in every state: taken, or the connection ends with a cause that fits.
#[test]
fn wrong_direction_wrong_state() {
    for version in VERSIONS {
        for packet in samples::samples(version) {
            let bytes = encoded(version, packet);
            let packet_type = packet.packet_type();
            for state in 0..4 {
                to_a_server(version, state, packet_type, &bytes);
                to_a_client(version, state, packet_type, &bytes);
            }
        }
    }
}

fn to_a_server(version: Version, state: u8, packet_type: PacketType, bytes: &[u8]) {
    use PacketType as P;
    let now = Instant::ZERO;
    let mut server = match state {
        0 | 1 => ServerConnection::new(now, Options::new()),
        _ => server(version),
    };
    let connect = encoded(version, Connect::new(version, "client"));
    match state {
        // CONNECT is there, and the application thinks about it.
        1 => drop(server.receive(now, &mut &connect[..])),
        3 => server.disconnect(now, &Disconnect::default()).unwrap(),
        _ => {}
    }
    let mut input = bytes;
    let event = server.receive(now, &mut input).is_some();
    let what = format!("{packet_type} to a {version} server in state {state}");
    let wrong = matches!(
        packet_type,
        P::Connack | P::Suback | P::Unsuback | P::Pingresp
    );
    match state {
        0 => assert_eq!(event, packet_type == P::Connect, "{what}"),
        1 | 3 => assert!(!event, "{what}"),
        _ if wrong || packet_type == P::Connect => {
            assert!(!event, "{what}");
            let cause = server.closed().map(|closed| closed.cause);
            assert!(matches!(cause, Some(CloseCause::Violation(_))), "{what}");
        }
        _ => assert!(
            event || input.is_empty() || server.closed().is_some(),
            "{what}"
        ),
    }
    if state == 0 && packet_type != P::Connect {
        assert!(server.closed().is_some(), "{what}");
    }
    server.poll_transmit(now, &mut Vec::new(), usize::MAX);
    server.receive_eof(now);
    assert!(server.closed().is_some(), "{what}");
}

fn to_a_client(version: Version, state: u8, packet_type: PacketType, bytes: &[u8]) {
    use PacketType as P;
    let now = Instant::ZERO;
    let mut client = client(version, state >= 2);
    if state == 3 {
        client.disconnect(now, &Disconnect::default()).unwrap();
    }
    let mut input = bytes;
    let event = client.receive(now, &mut input).is_some();
    let what = format!("{packet_type} to a {version} client in state {state}");
    let wrong = matches!(
        packet_type,
        P::Connect | P::Subscribe | P::Unsubscribe | P::Pingreq
    ) || packet_type == P::Disconnect && version == Version::V311;
    match state {
        // 5.0 has a server that says DISCONNECT, or asks on with AUTH, before CONNACK.
        0 | 1 if !matches!(packet_type, P::Connack | P::Disconnect) => {
            assert!(!event, "{what}");
            assert!(client.closed().is_some(), "{what}");
        }
        2 if wrong => {
            assert!(!event, "{what}");
            let cause = client.closed().map(|closed| closed.cause);
            assert!(matches!(cause, Some(CloseCause::Violation(_))), "{what}");
        }
        3 => assert!(!event, "{what}"),
        _ => assert!(
            event || input.is_empty() || client.closed().is_some(),
            "{what}"
        ),
    }
    client.poll_transmit(now, &mut Vec::new(), usize::MAX);
    client.receive_eof(now);
    assert!(client.closed().is_some(), "{what}");
}

/// An empty topic with an alias that stands for nothing, with one that was never allowed, and without one: retained or
/// not, it ends the connection and the application sees nothing.
#[test]
fn zero_length_topic() {
    for version in VERSIONS {
        for first in [0x30, 0x31] {
            for alias in [None, Some(1), Some(9)] {
                let mut bytes = vec![first, 2, 0, 0];
                match (version, alias) {
                    (Version::V5, Some(alias)) => {
                        bytes.extend_from_slice(&[3, 0x23, 0, alias]);
                        bytes[1] += 4;
                    }
                    (Version::V5, None) => {
                        bytes.push(0);
                        bytes[1] += 1;
                    }
                    (_, Some(_)) => continue,
                    _ => {}
                }
                let mut server = server(version);
                assert!(server.receive(Instant::ZERO, &mut &bytes[..]).is_none());
                let cause = server.closed().map(|closed| closed.cause);
                let Some(CloseCause::Violation(error)) = cause else {
                    panic!("{bytes:02X?}: {cause:?}");
                };
                let expected = match alias {
                    None => Violation::TopicNameEmpty,
                    Some(1) if Options::new().topic_alias_maximum() > 0 => {
                        Violation::TopicAliasUnknown
                    }
                    Some(_) => Violation::TopicAliasTooLarge,
                };
                assert_eq!(error.violation(), expected, "{bytes:02X?}");
            }
        }
    }
}

/// The most levels that a topic can have, in every place where a packet has one.
#[test]
fn deep_topics() {
    let slashes = "/".repeat(65_535);
    let id = PacketId::new(1).unwrap();
    for version in VERSIONS {
        let subscriptions = [Subscription::new(&slashes, QoS::AtMostOnce)];
        let filters = [&slashes[..]];
        let retained = Publish {
            retain: true,
            ..Publish::new(&slashes, b"")
        };
        let mut server = server(version);
        for packet in [
            Packet::from(retained),
            Packet::from(Subscribe::new(id, &subscriptions)),
            Packet::from(Unsubscribe::new(id, &filters)),
        ] {
            let bytes = encoded(version, packet);
            match server.receive(Instant::ZERO, &mut &bytes[..]) {
                Some(ServerEvent::Publish(incoming)) => {
                    assert_eq!(incoming.topic(), slashes);
                    assert_eq!(incoming.to_message().topic(), slashes);
                }
                Some(ServerEvent::Subscribe { subscribe, .. }) => {
                    assert_eq!(Packet::from(subscribe), packet);
                }
                Some(ServerEvent::Unsubscribe { unsubscribe, .. }) => {
                    assert_eq!(Packet::from(unsubscribe), packet);
                }
                other => panic!("{other:?} {:?}", server.closed()),
            }
        }
        let connect = Connect {
            will: Some(Will::new(&slashes, b"")),
            ..Connect::new(version, "c")
        };
        let bytes = encoded(version, connect);
        let packet = decode(version, &mut &bytes[..]);
        assert_eq!(packet, Ok(Some(connect.into())));
    }
}

/// A wildcard or a `$` is a character like any other in a client identifier, a user name and behind the first
/// character of a topic level, and a topic may begin with `$`.
#[test]
fn wildcard_or_dollar_where_it_means_nothing() {
    for version in VERSIONS {
        for text in ["#", "+", "$", "a/+/#", "$share/g/t", "$SYS/#"] {
            let connect = Connect {
                user_name: Some(text),
                password: Some(b"#"),
                ..Connect::new(version, text)
            };
            let bytes = encoded(version, connect);
            let packet = decode(version, &mut &bytes[..]);
            assert_eq!(packet, Ok(Some(connect.into())));
        }
        for topic in ["$x/y", "$", "$share/g/t", "$SYS", "a/$b"] {
            let bytes = encoded(version, Publish::new(topic, b""));
            let mut server = server(version);
            let Some(ServerEvent::Publish(incoming)) =
                server.receive(Instant::ZERO, &mut &bytes[..])
            else {
                panic!("{topic}: {:?}", server.closed());
            };
            assert_eq!(incoming.topic(), topic);
        }
    }
}

/// Control characters and noncharacters are taken and kept: a receiver may refuse them, and this one does not.
#[test]
fn utf8_characters_that_a_receiver_may_refuse_are_kept() {
    let controls = ('\u{1}'..='\u{1F}').chain('\u{7F}'..='\u{9F}');
    let others = [
        '\u{FDD0}',
        '\u{FDEF}',
        '\u{FFFE}',
        '\u{FFFF}',
        '\u{10FFFF}',
        '\u{FEFF}',
    ];
    for version in VERSIONS {
        for character in controls.clone().chain(others) {
            let topic = format!("{character}a{character}");
            let bytes = encoded(version, Publish::new(&topic, b""));
            let packet = decode(version, &mut &bytes[..]);
            assert_eq!(packet, Ok(Some(Publish::new(&topic, b"").into())));
        }
    }
}
