//! The client of the crate with a small application, as the crate's tests have it.

#[path = "../../../tests/support/json.rs"]
pub(crate) mod json;
#[path = "../../../tests/support/traces/mod.rs"]
pub(crate) mod traces;
#[path = "../../src/trace/support/vector.rs"]
pub(crate) mod vector;
