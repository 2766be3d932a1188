//! Any bytes, as a stream of packets, beside a decoder written from the standard alone: the same verdict and values. What
//! is decoded is encoded and decodes to the same.
#![no_main]

#[path = "../../tests/support/check.rs"]
#[allow(dead_code)]
mod check;
#[path = "../../tests/support/compare.rs"]
#[allow(dead_code)]
mod compare;
#[path = "../../tests/support/naive.rs"]
mod naive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&options, bytes)) = data.split_first() else {
        return;
    };
    let (version, options) = compare::decode_options(options);
    let packets = compare::compare_stream(version, &options, bytes);
    assert_eq!(check::check_stream_with(version, &options, bytes), packets);
});
