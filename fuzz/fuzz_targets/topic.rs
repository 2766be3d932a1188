//! Any filter and any name, with a line feed between them: well-formed and matching as one level after the other says.
#![no_main]

#[path = "../../tests/support/reference.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (filter, name) = text.split_once('\n').unwrap_or((text, text));
    reference::check_topics(filter, name);
});
