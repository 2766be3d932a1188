//! `Packet::decode` beside a second decoder, written from the standard alone and for nothing but to be right
//! (`support/naive.rs`): the same verdict, length and values, and a reason code that the standard allows.

#[path = "support/change.rs"]
mod change;
#[path = "support/check.rs"]
#[allow(dead_code)]
mod check;
#[path = "support/compare.rs"]
mod compare;
#[path = "support/generate.rs"]
mod generate;
#[path = "support/naive.rs"]
mod naive;
#[path = "support/samples.rs"]
mod samples;

use std::collections::BTreeMap;

use change::{apply, change, mend_length};
use compare::{
    SENDERS, VERSIONS, compare, compare_all, compare_encoded, compare_senders, compare_stream,
    decode_options,
};
use proptest::collection::vec;
use proptest::prelude::*;
use sansio_mqtt::{DecodeOptions, Version};

fn encoded(data: &[u8]) -> Option<(Version, Vec<u8>)> {
    generate::with_packet(data, |version, packet| {
        let mut out = Vec::new();
        packet.encode(version, &mut out).ok()?;
        Some((version, out))
    })?
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn packets_with_changes(
        data in vec(any::<u8>(), 0..600),
        changes in vec(change(), 0..4),
        mended in any::<bool>(),
        options in any::<u8>(),
    ) {
        if let Some((version, mut bytes)) = encoded(&data) {
            for change in &changes {
                apply(&mut bytes, change);
            }
            if mended {
                mend_length(&mut bytes);
            }
            compare_all(&bytes);
            let (_, options) = decode_options(options);
            compare(version, &options, &bytes);
        }
    }

    /// In its version and in those that it was not made for.
    #[test]
    fn what_is_encoded(data in vec(any::<u8>(), 0..600)) {
        generate::with_packet(&data, |_, packet| {
            for version in VERSIONS {
                if let Some(bytes) = check::check_encode(version, packet) {
                    compare_encoded(version, packet, &bytes);
                }
            }
        });
    }

    #[test]
    fn random_bytes(first in any::<u8>(), mut bytes in vec(any::<u8>(), 0..40)) {
        bytes.splice(0..0, [first, 0]);
        mend_length(&mut bytes);
        compare_all(&bytes);
    }
}

/// One packet after the other, and each as it was before it became bytes.
#[test]
fn streams_of_samples() {
    for version in VERSIONS {
        let mut stream = Vec::new();
        let samples = samples::samples(version);
        for packet in &samples {
            let begin = stream.len();
            packet.encode(version, &mut stream).unwrap();
            compare_encoded(version, packet, &stream[begin..]);
        }
        let options = DecodeOptions::new().with_accept_v31(true);
        let packets = compare_stream(version, &options, &stream);
        assert_eq!(packets, samples.len());
    }
}

/// All inputs of up to two bytes, and of three where the third may end a length or begin a body.
#[test]
fn all_short_inputs() {
    compare_all(&[]);
    for first in 0..=255 {
        compare_all(&[first]);
        for second in 0..=255 {
            compare_all(&[first, second]);
            for third in [0, 1, 2, 3, 4, 0x10, 0x18, 0x7F, 0x80, 0x81, 0x92, 0xFF] {
                compare_all(&[first, second, third]);
            }
        }
    }
}

/// Every first byte with every body of up to six bytes of a small alphabet: lengths, identifiers, flags, a letter, the
/// wildcard, what is in no string, and the identifiers of a few properties.
#[test]
fn all_small_bodies() {
    const ALPHABET: [&[u8]; 7] = [
        &[],
        &[0, 1, 2, 0x7F, 0x80, 0xFF, b'#', b'a', 0x24, 0x92],
        &[0, 1, 2, 0x80, 0xFF, b'#', b'a'],
        &[0, 1, 2, 0x80, b'#'],
        &[0, 1, 2, b'+', b'a'],
        &[0, 1, 2, 3],
        &[0, 1, b'a'],
    ];
    let mut valid = 0;
    for length in 0..=6_u8 {
        let alphabet = ALPHABET[usize::from(length)];
        let bodies = alphabet.len().pow(length.into());
        for first in 0..=255 {
            let mut bytes = vec![first, length];
            bytes.resize(2 + usize::from(length), 0);
            for mut number in 0..bodies {
                for byte in &mut bytes[2..] {
                    *byte = alphabet[number % alphabet.len()];
                    number /= alphabet.len();
                }
                valid += compare_all(&bytes);
            }
        }
    }
    assert!(valid > 5_000, "only {valid} packets");
}

/// Every property, with the values at its limits, in every packet: once, twice, cut short, and with a byte too many.
#[test]
fn every_property_in_every_packet() {
    let values: [&[u8]; 16] = [
        &[],
        &[0],
        &[1],
        &[2],
        &[0, 0],
        &[0, 1],
        &[0, 1, b'a'],
        &[0, 1, b'+'],
        &[0, 1, 0],
        &[0, 1, 0xC0],
        &[0, 0, 0, 0],
        &[0, 0, 0, 1],
        &[0, 1, b'a', 0, 1, b'b'],
        &[0, 1, b'a', 0, 1, 0],
        &[0x80, 0x01],
        &[0x80, 0x00],
    ];
    // What stands before and behind the properties; PUBREL and the like are in one form.
    let connect = b"\x00\x04MQTT\x05\x06\x00\x00";
    let packets: [(u8, &[u8], &[u8]); 16] = [
        (0x10, connect, b"\x00\x00\x00\x00\x01t\x00\x00"),
        (
            0x10,
            b"\x00\x04MQTT\x05\x06\x00\x00\x00\x00\x00",
            b"\x00\x01t\x00\x00",
        ),
        (0x20, b"\x00\x00", b""),
        (0x30, b"\x00\x01t", b"payload"),
        (0x32, b"\x00\x00\x00\x01", b""),
        (0x40, b"\x00\x01\x00", b""),
        (0x50, b"\x00\x01\x10", b""),
        (0x62, b"\x00\x01\x92", b""),
        (0x70, b"\x00\x01\x00", b""),
        (0x82, b"\x00\x01", b"\x00\x01t\x00"),
        (0x90, b"\x00\x01", b"\x00"),
        (0xA2, b"\x00\x01", b"\x00\x01t"),
        (0xB0, b"\x00\x01", b"\x00"),
        (0xE0, b"\x00", b""),
        (0xE0, b"\x82", b""),
        (0xF0, b"\x18", b""),
    ];
    let mut valid = 0;
    for (first, before, behind) in packets {
        for id in 0..=0x2B_u8 {
            for value in values {
                let one = [&[id], value].concat();
                let method = [&one, &b"\x15\x00\x01M"[..]].concat();
                for properties in [one.clone(), one.repeat(2), method] {
                    for length in [properties.len() - 1, properties.len(), properties.len() + 1] {
                        let length = [u8::try_from(length).unwrap()];
                        let body = [before, &length, &properties, behind].concat();
                        let header = [first, u8::try_from(body.len()).unwrap()];
                        valid += compare_all(&[&header[..], &body].concat());
                    }
                }
            }
        }
    }
    assert!(valid > 1_000, "only {valid} packets");
}

/// All strings of two bytes, and of four that begin and go on with what borders on being wrong.
#[test]
fn strings_at_the_borders() {
    let check = |text: &[u8]| {
        for version in VERSIONS {
            let options = DecodeOptions::new();
            let bytes = [&[0x30, 7, 0, 4], text, &[0][..]].concat();
            compare(version, &options, &bytes);
            let options = options.with_control_characters_refused(true);
            compare(version, &options, &bytes);
        }
    };
    for first in 0..=255 {
        for second in 0..=255 {
            check(&[b'a', first, second, b'a']);
        }
    }
    const NEXT: [u8; 12] = [
        0, b'#', 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xAF, 0xB7, 0xBE, 0xBF,
    ];
    for first in 0xC0..=255 {
        for second in NEXT {
            for third in NEXT {
                for fourth in NEXT {
                    check(&[first, second, third, fourth]);
                }
            }
        }
    }
}

/// Every value of each single byte of packets that are right.
#[test]
fn every_value_of_every_byte() {
    for version in VERSIONS {
        for packet in samples::samples(version) {
            let mut bytes = Vec::new();
            packet.encode(version, &mut bytes).unwrap();
            for at in 0..bytes.len() {
                let right = bytes[at];
                // All of them, save for the packets with every property: of these the limits and what is near.
                let step = if bytes.len() < 60 { 1 } else { 17 };
                let near = [right ^ 1, right ^ 2, right.wrapping_add(1), 1, 2, 0x80];
                for value in (0..=255).step_by(step).chain(near) {
                    bytes[at] = value;
                    compare_senders(version, &bytes);
                }
                bytes[at] = right;
            }
        }
    }
}

/// Every byte left out, and every byte doubled, with the length mended.
#[test]
fn every_byte_too_few_and_too_many() {
    for version in VERSIONS {
        for packet in samples::samples(version) {
            let mut bytes = Vec::new();
            packet.encode(version, &mut bytes).unwrap();
            for at in 1..bytes.len() {
                let mut fewer = bytes.clone();
                fewer.remove(at);
                compare_all(&fewer);
                mend_length(&mut fewer);
                compare_all(&fewer);
                let mut more = bytes.clone();
                more.insert(at, bytes[at]);
                compare_all(&more);
                mend_length(&mut more);
                compare_all(&more);
                compare_all(&bytes[..at]);
            }
        }
    }
}

/// Every length around every limit of the packet's size.
#[test]
fn the_limit_counts_the_whole_packet() {
    for version in VERSIONS {
        for length in [0_u8, 2, 3, 4, 100, 127] {
            let bytes = [&[0x30, length][..], &vec![b'a'; length.into()]].concat();
            for limit in 0..140 {
                let options = DecodeOptions::new().with_maximum_packet_size(limit);
                compare(version, &options, &bytes);
                compare(version, &options, &bytes[..2]);
            }
        }
    }
}

/// The comparisons would prove nothing if the two decoders refused everything.
#[test]
fn every_packet_type_is_compared() {
    let mut counts = BTreeMap::<(u8, u8), usize>::new();
    for version in VERSIONS {
        for packet in samples::samples(version) {
            let mut bytes = Vec::new();
            packet.encode(version, &mut bytes).unwrap();
            for sender in SENDERS {
                let options = DecodeOptions::new()
                    .with_sender(sender)
                    .with_accept_v31(true);
                let valid = usize::from(compare(version, &options, &bytes).is_some());
                let key = (version.protocol_level(), packet.packet_type().as_u8());
                *counts.entry(key).or_default() += valid;
            }
        }
    }
    assert_eq!(counts.len(), 14 + 14 + 15);
    assert!(counts.values().all(|&count| count >= 2), "{counts:?}");
}
