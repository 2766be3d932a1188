//! Any packet, legal or not: refused, or encoded to bytes that decode to it.
#![no_main]

#[path = "../../tests/support/check.rs"]
#[allow(dead_code)]
mod check;
#[path = "../../tests/support/generate.rs"]
mod generate;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    generate::with_packet(data, |version, packet| {
        check::check_encode(version, packet);
    });
});
