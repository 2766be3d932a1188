//! The client of the crate with a small application and its broker with a small administrator, as the crate's tests have them.

#[path = "../../../tests/support/json.rs"]
pub(crate) mod json;
pub(crate) mod serve;
#[path = "../../../tests/support/traces/mod.rs"]
pub(crate) mod traces;
#[path = "../../src/trace/support/vector.rs"]
pub(crate) mod vector;
