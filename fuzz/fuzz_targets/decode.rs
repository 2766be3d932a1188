//! Any bytes, as a stream of packets: refused, or decoded to packets with one canonical form.
#![no_main]

#[path = "../../tests/support/check.rs"]
#[allow(dead_code)]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check::check_stream(bytes);
});
