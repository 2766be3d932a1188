//! A legal packet, encoded, with a few of its bytes changed: what is then decoded and refused is the same beside a decoder
//! written from the standard alone. The first bytes say what to change, the rest makes the packet.
#![no_main]

#[path = "../../tests/support/check.rs"]
#[allow(dead_code)]
mod check;
#[path = "../../tests/support/compare.rs"]
#[allow(dead_code)]
mod compare;
#[path = "../../tests/support/generate.rs"]
mod generate;
#[path = "../../tests/support/naive.rs"]
mod naive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&[options, count, a, b, c, d, e, f], data)) = data.split_first_chunk() else {
        return;
    };
    generate::with_packet(data, |version, packet| {
        let mut bytes = Vec::new();
        if packet.encode(version, &mut bytes).is_err() {
            return;
        }
        let (_, options) = compare::decode_options(options);
        compare::compare(version, &options, &bytes);
        let changes = [[a, b], [c, d], [e, f]];
        for &[at, change] in changes.iter().take(usize::from(count % 4)) {
            // The same place from either end: most of what matters is near one of them.
            let at = match count & 0x40 {
                0 => usize::from(at),
                _ => bytes.len().wrapping_sub(at.into()),
            };
            if at >= bytes.len() {
                continue;
            }
            match count & 0x30 {
                0x00 => bytes[at] = change,
                0x10 => bytes[at] = bytes[at].wrapping_add(change),
                0x20 => drop(bytes.remove(at)),
                _ => bytes.insert(at, change),
            }
        }
        // The Remaining Length, as far as one byte can say it.
        let rest = bytes.len().saturating_sub(2);
        if let (0, Some(length), 0..=127) = (count & 0x80, bytes.get_mut(1), rest) {
            *length = rest as u8;
        }
        let packets = compare::compare_stream(version, &options, &bytes);
        assert_eq!(check::check_stream_with(version, &options, &bytes), packets);
    });
});
