//! A broker with small bounds and several hostile clients: their bytes and packets among calls of the caller, questions that
//! are answered late, wrongly or never, records that are stored or lost, and jumps of the time.
#![no_main]

#[path = "../../tests/support/broker_hostile.rs"]
mod broker_hostile;
#[path = "../../tests/support/generate.rs"]
mod generate;

libfuzzer_sys::fuzz_target!(|data: &[u8]| broker_hostile::run(data));
