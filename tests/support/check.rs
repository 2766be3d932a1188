// What must hold for any bytes and for any packet; included by the fuzz targets and by the tests.

use sansio_mqtt::{
    DecodeError, DecodeOptions, EncodeError, MAXIMUM_PACKET_SIZE, Packet, PacketStart, PacketType,
    PublishHead, Role, Version, Violation,
};

/// Takes `bytes` as a stream and checks every packet in it, in every version and from every sender. Gives the number of packets.
pub(crate) fn check_stream(bytes: &[u8]) -> usize {
    let mut packets = 0;
    for version in [Version::V31, Version::V311, Version::V5] {
        for sender in [None, Some(Role::Client), Some(Role::Server)] {
            for unchecked_filters in [false, true] {
                let options = DecodeOptions::new()
                    .with_sender(sender)
                    .with_accept_v31(version == Version::V31)
                    .with_unchecked_filters(unchecked_filters);
                packets += check_stream_with(version, &options, bytes);
            }
        }
    }
    packets
}

pub(crate) fn check_stream_with(version: Version, options: &DecodeOptions, bytes: &[u8]) -> usize {
    let mut packets = 0;
    let mut input = bytes;
    loop {
        let before = input;
        let result = Packet::decode(version, options, &mut input);
        check_start(version, options, before, &result);
        match result {
            Ok(Some(packet)) => {
                assert!(input.len() < before.len(), "no progress");
                let taken = &before[..before.len() - input.len()];
                assert!(before.ends_with(input));
                check_decoded(version, options, taken, &packet);
                packets += 1;
            }
            Ok(None) => {
                assert_eq!(input, before, "input taken without a packet");
                return packets;
            }
            Err(error) => {
                assert_eq!(input, before, "input taken with an error");
                // It may lie behind the input: some packets have a length that is wrong from the start.
                assert!(error.offset() <= MAXIMUM_PACKET_SIZE as usize, "{error:?}");
                let own_version = error.packet_type() == Some(PacketType::Connect);
                assert!(own_version || error.version() == version, "{error:?}");
                assert!(!error.to_string().contains('\n'));
                return packets;
            }
        }
    }
}

/// The head of a PUBLISH is that of the packet, and refused as the packet is; and other packets come as they do.
fn check_start(
    version: Version,
    options: &DecodeOptions,
    bytes: &[u8],
    whole: &Result<Option<Packet<'_>>, DecodeError>,
) {
    let options = options
        .with_whole_publish_limit(0)
        .with_maximum_publish_head(MAXIMUM_PACKET_SIZE);
    let mut input = bytes;
    let start = PacketStart::decode(version, &options, &mut input);
    match (whole, start) {
        (Ok(Some(Packet::Publish(publish))), Ok(Some(PacketStart::Head(head)))) => {
            let length = u32::try_from(publish.payload.len()).unwrap();
            assert_eq!(head, PublishHead::new(*publish, length));
            assert_eq!(head.payload().take(&mut input), publish.payload);
        }
        (Ok(Some(packet)), start) => assert_eq!(start, Ok(Some(PacketStart::Whole(*packet)))),
        (Err(error), start) => assert_eq!(start, Err(*error)),
        // The head of a packet that is not all there may be there, or be refused.
        (Ok(None), Ok(Some(PacketStart::Whole(packet)))) => panic!("not there: {packet:?}"),
        (Ok(None), _) => {}
    }
}

/// `packet` was decoded from exactly the bytes `taken`.
fn check_decoded(version: Version, options: &DecodeOptions, taken: &[u8], packet: &Packet<'_>) {
    let text = packet.to_string();
    assert!(!text.contains('\n'), "{text:?}");
    let _ = format!("{packet:?}");

    // It needs its last byte, and a limit counts the whole of it.
    let mut cut = &taken[..taken.len() - 1];
    assert_eq!(Packet::decode(version, options, &mut cut), Ok(None));
    let size = u32::try_from(taken.len()).unwrap();
    let exact = options.with_maximum_packet_size(size);
    assert_eq!(
        Packet::decode(version, &exact, &mut &*taken).as_ref(),
        Ok(&Some(*packet))
    );
    let too_small = options.with_maximum_packet_size(size - 1);
    let error = Packet::decode(version, &too_small, &mut &*taken).unwrap_err();
    assert_eq!(error.violation(), Violation::PacketTooLarge);

    let mut canonical = Vec::new();
    match packet.encode(version, &mut canonical) {
        Ok(()) => {}
        // AUTH without properties may be received and must not be sent.
        Err(EncodeError::Violation(Violation::AuthenticationMethodMissing))
            if packet.packet_type() == PacketType::Auth && taken.len() <= 3 =>
        {
            return;
        }
        // What was let pass on the way in is checked on the way out.
        Err(EncodeError::Violation(
            Violation::TopicFilterEmpty
            | Violation::MultiLevelWildcardMisplaced
            | Violation::SingleLevelWildcardMisplaced
            | Violation::ShareNameEmpty
            | Violation::ShareNameInvalid,
        )) if options.unchecked_filters() => return,
        Err(error) => panic!("decoded but refused: {error}: {packet:?}"),
    }
    assert!(canonical.len() <= taken.len(), "not the shortest form");
    check_encoded(version, packet, &canonical);
}

/// `bytes` were encoded from `packet`: they are its canonical form.
pub(crate) fn check_encoded(version: Version, packet: &Packet<'_>, bytes: &[u8]) {
    assert_eq!(packet.encoded_len(version), bytes.len(), "{packet:?}");
    let mut input = bytes;
    let options = DecodeOptions::new().with_accept_v31(true);
    let decoded = match Packet::decode(version, &options, &mut input) {
        Ok(Some(decoded)) => decoded,
        other => panic!("encoded but refused: {other:?}: {packet:?}"),
    };
    assert_eq!(input, [], "bytes left over: {packet:?}");
    assert_eq!(decoded, *packet);
    assert_eq!(decoded.encoded_len(version), bytes.len(), "{packet:?}");
    let mut again = Vec::new();
    decoded.encode(version, &mut again).unwrap();
    assert_eq!(again, bytes, "not a fixed point: {packet:?}");
    check_slice(version, &decoded, Ok(bytes));
}

/// A slice gets what a `Vec` gets: these bytes or this refusal.
fn check_slice(version: Version, packet: &Packet<'_>, expected: Result<&[u8], EncodeError>) {
    const BEFORE: u8 = 0xA5;
    let length = expected.map_or(0, <[u8]>::len);
    for room in [length + 1000, length, length.saturating_sub(1), 0] {
        for write in [Packet::encode_to_slice, write_by_itself] {
            let mut out = vec![BEFORE; room];
            let written = write(packet, version, &mut out);
            let expected = match expected {
                Ok(_) if room < length => Err(EncodeError::BufferTooSmall { needed: length }),
                expected => expected,
            };
            assert_eq!(written, expected.map(<[u8]>::len), "{packet:?}");
            let (front, behind) = out.split_at(expected.map_or(0, <[u8]>::len));
            assert_eq!(front, expected.unwrap_or_default(), "{packet:?}");
            let untouched = behind.iter().all(|&byte| byte == BEFORE);
            assert!(untouched, "written behind the packet: {packet:?}");
        }
    }
}

/// Through the packet's own struct where that can be encoded.
fn write_by_itself(
    packet: &Packet<'_>,
    version: Version,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    match packet {
        Packet::Connect(packet) => packet.encode_to_slice(out),
        Packet::Connack(packet) => packet.encode_to_slice(version, out),
        Packet::Publish(packet) => packet.encode_to_slice(version, out),
        Packet::Subscribe(packet) => packet.encode_to_slice(version, out),
        Packet::Suback(packet) => packet.encode_to_slice(version, out),
        Packet::Unsubscribe(packet) => packet.encode_to_slice(version, out),
        Packet::Unsuback(packet) => packet.encode_to_slice(version, out),
        Packet::Disconnect(packet) => packet.encode_to_slice(version, out),
        Packet::Auth(packet) => packet.encode_to_slice(version, out),
        other => other.encode_to_slice(version, out),
    }
}

/// Encodes any packet, legal or not. Gives its bytes if it was not refused.
pub(crate) fn check_encode(version: Version, packet: &Packet<'_>) -> Option<Vec<u8>> {
    const BEFORE: &[u8] = b"before";
    let mut out = BEFORE.to_vec();
    let encoded = packet.encode(version, &mut out);
    let Some(bytes) = out.strip_prefix(BEFORE) else {
        panic!("what stood in the buffer was changed: {packet:?}");
    };
    match encoded {
        Ok(()) => {
            check_encoded(version, packet, bytes);
            check_slice(version, packet, Ok(bytes));
            Some(bytes.to_vec())
        }
        Err(error) => {
            assert_eq!(bytes, [], "refused with {error}, yet written: {packet:?}");
            check_slice(version, packet, Err(error));
            None
        }
    }
}
