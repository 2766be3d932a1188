//! A server connection and a hostile peer: its bytes among calls of the application and jumps of the time.
#![no_main]

#[path = "../../tests/support/generate.rs"]
mod generate;
#[path = "../../tests/support/hostile.rs"]
mod hostile;
#[path = "../../tests/support/machine.rs"]
mod machine;
#[path = "../../tests/support/watch.rs"]
mod watch;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::run::<sansio_mqtt::ServerConnection>(data));
