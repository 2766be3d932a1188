//! Any bytes in any pieces, to a decoder, a client and a server: the same as at once.
#![no_main]

#[path = "../../tests/support/chunks.rs"]
mod chunks;
#[path = "../../tests/support/compare.rs"]
#[allow(dead_code)]
mod compare;
#[path = "../../tests/support/naive.rs"]
#[allow(dead_code)]
mod naive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&[options, a, b, c], bytes)) = data.split_first_chunk() else {
        return;
    };
    let (version, options) = compare::decode_options(options);
    chunks::check_chunks(version, &options, bytes, &[a, b, c]);
});
