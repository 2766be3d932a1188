//! Decoding and encoding take no memory but the caller's.
#![allow(unsafe_code)] // a global allocator cannot be written without

#[path = "support/generate.rs"]
mod generate;
#[path = "support/samples.rs"]
mod samples;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::hint::black_box;

use generate::with_packet;
use proptest::prelude::RngCore;
use proptest::test_runner::{RngAlgorithm, TestRng};
use samples::samples;
use sansio_mqtt::{
    DecodeOptions, EncodeError, Packet, Properties, TopicFilter, TopicName, Version,
};

thread_local! {
    /// Allocations of this thread: other tests and the harness run on threads of their own.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    COUNT.with(|count| count.set(count.get() + 1));
}

// Safety: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and how often it allocated.
fn allocations<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = COUNT.with(Cell::get);
    let result = black_box(work());
    (result, COUNT.with(Cell::get) - before)
}

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
