//! Any packet, legal or not, in its version and in those it was not made for: refused, or encoded to what it decodes from,
//! here and in a decoder written from the standard alone.
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
    generate::with_packet(data, |_, packet| {
        for version in compare::VERSIONS {
            if let Some(bytes) = check::check_encode(version, packet) {
                compare::compare_encoded(version, packet, &bytes);
            }
        }
    });
});
