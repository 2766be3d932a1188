//! Servers for the tests.

#[path = "../../../tests/support/json.rs"]
pub(crate) mod json;
#[path = "../../examples/support/serve.rs"]
pub(crate) mod serve;
pub(crate) mod server;
#[path = "../../../tests/support/traces/mod.rs"]
pub(crate) mod traces;
#[path = "../../../tests/support/vector.rs"]
pub(crate) mod vector;
