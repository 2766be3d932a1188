//! Packets as bytes, and patterns.

#[path = "../../../../tests/support/traces/bytes.rs"]
pub(crate) mod bytes;
#[path = "../../../../tests/support/traces/pattern.rs"]
pub(crate) mod pattern;
