//! A subscription index and a slow one, through the same history.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/index_bytes.rs"]
mod index_bytes;
#[path = "../../tests/support/index_model.rs"]
mod index_model;
#[allow(dead_code)] // what only other targets use
#[path = "../../tests/support/reference.rs"]
mod reference;

fuzz_target!(|bytes: &[u8]| index_model::run(bytes));
