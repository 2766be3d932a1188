//! A store of retained topics and a slow one, through the same history.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/index_bytes.rs"]
mod index_bytes;
#[allow(dead_code)] // what only other targets use
#[path = "../../tests/support/reference.rs"]
mod reference;
#[path = "../../tests/support/retained_model.rs"]
mod retained_model;

fuzz_target!(|bytes: &[u8]| retained_model::run(bytes));
