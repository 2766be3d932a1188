use alloc::vec;

use super::*;
use crate::packet::tests::{ALL, id, packet};
use crate::property::Property;
use crate::types::{QoS, Role};
use Version::{V5, V311};

/// A limit that no packet is below.
const ALL_IN_PIECES: DecodeOptions = DecodeOptions::new().with_whole_publish_limit(0);

/// What is decoded, and what is left of the bytes.
fn start<'a>(
    version: Version,
    options: &DecodeOptions,
    bytes: &'a [u8],
) -> Result<Option<(PacketStart<'a>, &'a [u8])>, DecodeError> {
    let mut input = bytes;
    let result = PacketStart::decode(version, options, &mut input);
    if !matches!(result, Ok(Some(_))) {
        assert_eq!(input, bytes, "input taken without a packet");
    }
    Ok(result?.map(|start| (start, input)))
}

#[track_caller]
fn head<'a>(version: Version, options: &DecodeOptions, bytes: &'a [u8]) -> PublishHead<'a> {
    match start(version, options, bytes) {
        Ok(Some((PacketStart::Head(head), _))) => head,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_limit_decides_what_comes_whole() {
    let bytes = b"\x30\x08\x00\x03a/b\x00hi";
    let publish = Publish::new("a/b", b"hi");
    for (limit, whole) in [(0, false), (9, false), (10, true), (u32::MAX, true)] {
        let options = DecodeOptions::new().with_whole_publish_limit(limit);
        let expected = if whole {
            (PacketStart::Whole(publish.into()), &b""[..])
        } else {
            (PacketStart::Head(PublishHead::new(publish, 2)), &b"hi"[..])
        };
        assert_eq!(start(V5, &options, bytes), Ok(Some(expected)), "{limit}");
        // The payload has no part in it.
        let cut = start(V5, &options, &bytes[..8]).unwrap();
        assert_eq!(cut.is_some(), !whole, "{limit}");
    }
    // Other packets come whole, whatever their size.
    let bytes = b"\x82\x07\x00\x01\x00\x00\x01a\x00";
    let (found, rest) = start(V5, &ALL_IN_PIECES, bytes).unwrap().unwrap();
    assert!(matches!(found, PacketStart::Whole(Packet::Subscribe(_))));
    assert_eq!(rest, b"");
}

#[test]
fn a_head_with_everything() {
    let properties = [Property::ContentType("t"), Property::UserProperty("", "v")];
    let publish = Publish {
        dup: true,
        qos: QoS::ExactlyOnce,
        retain: true,
        packet_id: Some(id(7)),
        topic_alias: Some(1),
        message_expiry_interval: Some(2),
        subscription_identifiers: (&[3, 300]).into(),
        properties: (&properties).into(),
        ..Publish::new("a", b"not looked at")
    };
    let expected = PublishHead::new(publish, 200_000);
    let mut bytes = vec![];
    PublishHead {
        publish,
        payload_len: 200_000,
    }
    .encode(V5, &mut bytes)
    .unwrap();
    assert_eq!(expected.encoded_len(V5), bytes.len());
    assert_eq!(head(V5, &ALL_IN_PIECES, &bytes), expected);
    assert_eq!(expected.publish.payload, b"");
    for cut in 0..bytes.len() {
        assert_eq!(start(V5, &ALL_IN_PIECES, &bytes[..cut]), Ok(None), "{cut}");
    }
    let mut again = vec![];
    head(V5, &ALL_IN_PIECES, &bytes)
        .encode(V5, &mut again)
        .unwrap();
    assert_eq!(again, bytes);
    let mut slice = vec![0xA5; bytes.len() + 1];
    assert_eq!(expected.encode_to_slice(V5, &mut slice), Ok(bytes.len()));
    assert_eq!(slice.split_last(), Some((&0xA5, bytes.as_slice())));
    slice.truncate(bytes.len() - 1);
    let needed = bytes.len();
    assert_eq!(
        expected.encode_to_slice(V5, &mut slice),
        Err(EncodeError::BufferTooSmall { needed })
    );
}

#[test]
fn payloads_of_any_length() {
    for version in ALL {
        for length in [0, 1, 100, 123, 124, 16_000, 268_435_455 - 4] {
            let expected = PublishHead::new(Publish::new("a", b""), length);
            let mut bytes = b"before".to_vec();
            expected.encode(version, &mut bytes).unwrap();
            assert!(bytes.capacity() < 100, "no room for the payload is made");
            let bytes = bytes.strip_prefix(b"before").unwrap();
            assert_eq!(expected.encoded_len(version), bytes.len());
            assert_eq!(head(version, &ALL_IN_PIECES, bytes), expected);
        }
        for length in [268_435_455, u32::MAX] {
            let mut bytes = vec![];
            let head = PublishHead::new(Publish::new("a", b""), length);
            let encoded = head.encode(version, &mut bytes);
            assert_eq!(encoded, Err(EncodeError::PacketTooLarge));
            let encoded = head.encode_to_slice(version, &mut []);
            assert_eq!(encoded, Err(EncodeError::PacketTooLarge));
            assert_eq!((bytes.len(), bytes.capacity()), (0, 0));
        }
    }
}

#[test]
fn what_cannot_be_sent() {
    let plain = Publish::new("a", b"");
    for (version, publish, error) in [
        (
            V5,
            Publish::new("+", b""),
            Violation::TopicNameWildcard.into(),
        ),
        (V5, Publish::new("", b""), Violation::TopicNameEmpty.into()),
        (
            V5,
            Publish { dup: true, ..plain },
            Violation::DupWithQos0.into(),
        ),
        (
            V5,
            Publish {
                topic_alias: Some(0),
                ..plain
            },
            Violation::TopicAliasZero.into(),
        ),
        (
            V311,
            Publish {
                topic_alias: Some(1),
                ..plain
            },
            EncodeError::NeedsV5,
        ),
        (
            V311,
            Publish {
                qos: QoS::AtLeastOnce,
                ..plain
            },
            EncodeError::PacketIdMismatch,
        ),
    ] {
        let mut bytes = vec![];
        let encoded = PublishHead::new(publish, 1).encode(version, &mut bytes);
        assert_eq!((encoded, bytes.len()), (Err(error), 0), "{publish}");
    }
}

/// Every change of a byte in a body with all parts, cut at any length: where the whole packet is refused, so is the
/// head, for the same and no later than with its last byte; where it is not, the head is that of the packet.
#[test]
fn a_head_is_refused_as_the_packet_is() {
    let all = b"\x00\x02ab\x00\x07\x0A\x23\x00\x01\x03\x00\x01t\x0B\x80\x01!?";
    let mut bodies = vec![all.to_vec()];
    for at in 0..all.len() {
        for value in [0, 1, 2, 0x7F, 0x80, 0xFF, b'+', all[at] ^ 1] {
            let mut changed = all.to_vec();
            changed[at] = value;
            bodies.push(changed);
        }
    }
    for body in bodies {
        for length in 0..=body.len() {
            for first in [0x30, 0x32, 0x3C] {
                for version in ALL {
                    let bytes = packet(first, &body[..length]);
                    as_whole(version, &ALL_IN_PIECES, &bytes);
                    let strict = ALL_IN_PIECES
                        .with_sender(Some(Role::Client))
                        .with_control_characters_refused(true);
                    as_whole(version, &strict, &bytes);
                }
            }
        }
    }
}

fn as_whole(version: Version, options: &DecodeOptions, bytes: &[u8]) {
    let whole = Packet::decode(version, options, &mut &*bytes);
    let found = start(version, options, bytes);
    match (whole, found) {
        (Err(whole), Err(found)) => {
            assert_eq!(found, whole, "{version} {bytes:x?}");
            // Once it is known it stays so.
            let all = 0..bytes.len();
            let known = all.map(|cut| start(version, options, &bytes[..cut]).err());
            let mut known = known.skip_while(Option::is_none);
            assert!(known.all(|error| error == Some(whole)));
        }
        (Ok(Some(Packet::Publish(publish))), Ok(Some((PacketStart::Head(head), rest)))) => {
            assert_eq!(rest, publish.payload);
            let length = u32::try_from(rest.len()).unwrap();
            assert_eq!(head, PublishHead::new(publish, length));
        }
        (whole, found) => panic!("{version} {bytes:x?}: {whole:?}, {found:?}"),
    }
}

/// What shows from lengths alone need not be waited for, and there is no waiting for what does not come.
#[test]
fn a_field_past_the_end_is_refused_at_once() {
    for (version, bytes, violation, offset) in [
        (V311, &b"\x30\x09\x00\x08"[..], Violation::Truncated, 2),
        (V5, b"\x30\x09\x00\x01a\x06", Violation::PropertyLength, 5),
        (
            V5,
            b"\x30\x09\x00\x01a\x80\x00",
            Violation::VariableByteIntegerOverlong,
            5,
        ),
        (
            V5,
            b"\x30\x09\x00\x01a\x80\x80\x80\x80",
            Violation::VariableByteIntegerTooLong,
            5,
        ),
    ] {
        let error = start(version, &ALL_IN_PIECES, bytes).unwrap_err();
        assert_eq!((error.violation(), error.offset()), (violation, offset));
    }
}

#[test]
fn a_head_has_a_limit() {
    let options = ALL_IN_PIECES.with_maximum_publish_head(10);
    let violation = Violation::PublishHeadTooLarge;
    for (version, bytes, refused_at) in [
        (V311, &b"\x30\x10\x00\x06abcdef"[..], None),
        (V311, b"\x30\x10\x00\x07", Some(2)),
        (V311, b"\x32\x10\x00\x05", Some(2)),
        // The property length is waited for, as the topic has been: it takes a byte, and then what it says.
        (V5, b"\x30\x10\x00\x05abcde\x00", None),
        (V5, b"\x30\x10\x00\x03abc\x02\x01\x01", None),
        (V5, b"\x30\x10\x00\x03abc\x03", Some(2)),
        (V5, b"\x30\x10\x00\x06", Some(2)),
    ] {
        let found = start(version, &options, bytes);
        match refused_at {
            None => assert!(matches!(found, Ok(Some(_))), "{bytes:x?}: {found:?}"),
            Some(offset) => {
                let error = found.unwrap_err();
                assert_eq!((error.violation(), error.offset()), (violation, offset));
            }
        }
    }
    // It is one of heads only: the same packet may come whole.
    let whole = options.with_whole_publish_limit(100);
    let bytes = b"\x30\x09\x00\x07abcdefg";
    assert!(start(V311, &whole, bytes).unwrap().is_some());
    assert!(start(V311, &options, bytes).is_err());
}

/// The error of a head does not depend on how much of it is there.
#[test]
fn a_head_over_the_limit_is_one_error() {
    let bytes = b"\x30\x0F\x00\x0Aaaaaaaaaaa\x00hi";
    for limit in 0..20 {
        let options = ALL_IN_PIECES.with_maximum_publish_head(limit);
        let whole = start(V5, &options, bytes);
        for cut in 0..bytes.len() {
            match start(V5, &options, &bytes[..cut]) {
                Ok(None) => {}
                found => assert_eq!(found.err(), whole.err(), "{cut} bytes, limit {limit}"),
            }
        }
    }
}

#[test]
fn limits_of_the_packet_hold() {
    let options = ALL_IN_PIECES.with_maximum_packet_size(99);
    let error = start(V5, &options, b"\x30\x62").unwrap_err();
    assert_eq!(
        (error.violation(), error.offset()),
        (Violation::PacketTooLarge, 1)
    );
    assert_eq!(start(V5, &options, b"\x30\x61"), Ok(None));
}

#[test]
fn chunks() {
    let mut payload = PublishHead::new(Publish::new("a", b""), 5).payload();
    assert_eq!((payload.remaining(), payload.is_done()), (5, false));
    let mut input = &b""[..];
    assert_eq!(payload.take(&mut input), b"");
    input = b"ab";
    assert_eq!((payload.take(&mut input), input), (&b"ab"[..], &b""[..]));
    assert_eq!((payload.remaining(), payload.is_done()), (3, false));
    input = b"cde\xC0\x00";
    assert_eq!(payload.take(&mut input), b"cde");
    assert_eq!((payload.remaining(), payload.is_done()), (0, true));
    assert_eq!(
        (payload.take(&mut input), input),
        (&b""[..], &b"\xC0\x00"[..])
    );
}
