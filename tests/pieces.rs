//! A PUBLISH in pieces is the PUBLISH that comes whole, wherever the bytes are cut.

#[path = "support/generate.rs"]
mod generate;

use generate::with_packet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sansio_mqtt::{
    DecodeError, DecodeOptions, Packet, PacketStart, PayloadChunks, Publish, PublishHead, Version,
};

/// What comes of a stream, packet by packet; a PUBLISH in its canonical form, with the payload put together.
type Outcome = (Vec<Vec<u8>>, Result<(), DecodeError>);

fn canonical(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).unwrap();
    out
}

fn whole(version: Version, mut input: &[u8]) -> Outcome {
    let mut packets = Vec::new();
    loop {
        match Packet::decode(version, &DecodeOptions::new(), &mut input) {
            Ok(Some(packet)) => packets.push(canonical(version, &packet)),
            Ok(None) => return (packets, Ok(())),
            Err(error) => return (packets, Err(error)),
        }
    }
}

/// The same from bytes that come in `pieces`, with a buffer that keeps only what a decoder has not taken.
fn in_pieces(version: Version, limit: u32, pieces: &[&[u8]]) -> Outcome {
    let options = DecodeOptions::new().with_whole_publish_limit(limit);
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut payload: Option<PayloadChunks> = None;
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut input = buffer.as_slice();
        loop {
            if let (Some(chunks), Some(packet)) = (&mut payload, packets.last_mut()) {
                packet.extend_from_slice(chunks.take(&mut input));
                if !chunks.is_done() {
                    assert!(input.is_empty());
                    break;
                }
                payload = None;
            }
            match PacketStart::decode(version, &options, &mut input) {
                Ok(Some(PacketStart::Whole(packet))) => {
                    let bytes = canonical(version, &packet);
                    if matches!(packet, Packet::Publish(_)) {
                        assert!(bytes.len() <= limit as usize);
                    }
                    packets.push(bytes);
                }
                Ok(Some(PacketStart::Head(head))) => {
                    let mut bytes = Vec::new();
                    head.encode(version, &mut bytes).unwrap();
                    assert_eq!(bytes.len(), head.encoded_len(version));
                    payload = Some(head.payload());
                    packets.push(bytes);
                }
                Ok(None) => break,
                Err(error) => return (packets, Err(error)),
            }
        }
        let taken = buffer.len() - input.len();
        buffer.drain(..taken);
    }
    (packets, Ok(()))
}

fn split<'b>(bytes: &'b [u8], cuts: &[Index]) -> Vec<&'b [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// A legal packet, with a longer payload if it has one.
fn encoded(data: &[u8], payload: &[u8]) -> Option<(Version, Vec<u8>)> {
    with_packet(data, |version, packet| {
        let packet = match *packet {
            Packet::Publish(publish) => Packet::Publish(Publish { payload, ..publish }),
            other => other,
        };
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).ok()?;
        Some((version, bytes))
    })?
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_split_and_any_limit_give_the_same(
        data in vec(any::<u8>(), 200..600),
        payload in vec(any::<u8>(), 0..300),
        cuts in vec(any::<Index>(), 0..6),
        limit in 0..400_u32,
    ) {
        if let Some((version, packet)) = encoded(&data, &payload) {
            // A neighbour on each side shows where a packet begins and ends.
            let bytes = [b"\xD0\x00", &packet[..], b"\xD0\x00"].concat();
            let found = in_pieces(version, limit, &split(&bytes, &cuts));
            prop_assert_eq!(found, whole(version, &bytes));
        }
    }

    #[test]
    fn changed_bytes_give_the_same(
        data in vec(any::<u8>(), 200..600),
        payload in vec(any::<u8>(), 0..30),
        change in (any::<Index>(), any::<u8>()),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        if let Some((version, mut bytes)) = encoded(&data, &payload) {
            // The length stays, so that the whole packet is there.
            let header = 1 + bytes[1..].iter().take_while(|&&byte| byte >= 0x80).count() + 1;
            if header < bytes.len() {
                let at = header + change.0.index(bytes.len() - header);
                bytes[at] = change.1;
                let found = in_pieces(version, 0, &split(&bytes, &cuts));
                let expected = whole(version, &bytes);
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_truncated_head_is_no_head(data in vec(any::<u8>(), 200..600)) {
        let options = DecodeOptions::new().with_whole_publish_limit(0);
        with_packet(&data, |version, packet| {
            let Packet::Publish(publish) = *packet else { return };
            let head = PublishHead::new(publish, 70_000);
            let mut bytes = Vec::new();
            if head.encode(version, &mut bytes).is_err() || bytes.len() > 1_000 {
                return;
            }
            for cut in 0..bytes.len() {
                let found = PacketStart::decode(version, &options, &mut &bytes[..cut]);
                assert_eq!(found, Ok(None), "{cut} of {bytes:x?}");
            }
            let found = PacketStart::decode(version, &options, &mut &bytes[..]);
            assert_eq!(found, Ok(Some(PacketStart::Head(head))));
        });
    }

    /// A head is sent if and only if the packet that it begins is.
    #[test]
    fn a_head_is_sent_as_the_packet_is(data in vec(any::<u8>(), 0..600)) {
        with_packet(&data, |version, packet| {
            let Packet::Publish(publish) = packet else { return };
            let mut expected = Vec::new();
            let encoded = packet.encode(version, &mut expected);
            let head = PublishHead::new(*publish, u32::try_from(publish.payload.len()).unwrap());
            let mut bytes = Vec::new();
            assert_eq!(head.encode(version, &mut bytes), encoded);
            if encoded.is_ok() {
                bytes.extend_from_slice(publish.payload);
            }
            assert_eq!(bytes, expected);
        });
    }
}

/// The tests above would prove nothing if few of the packets were in pieces.
#[test]
fn enough_of_them_are_messages() {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut messages = 0;
    for _ in 0..2_000 {
        let mut data = [0; 600];
        rng.fill_bytes(&mut data);
        let found = encoded(&data, b"payload");
        messages += usize::from(found.is_some_and(|(_, bytes)| bytes[0] >> 4 == 3));
    }
    assert!(messages > 50, "{messages}");
}
