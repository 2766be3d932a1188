//! Runs a trace against a server over network connections.

mod clean;
mod finish;
mod isolation;
mod link;
mod plan;
mod probe;
mod run;
mod steps;
mod vector;

/// What the crate's own tests use too.
#[allow(dead_code)]
mod support {
    #[path = "../../../../tests/support/json.rs"]
    pub(crate) mod json;
    pub(crate) mod vector {
        pub(crate) use super::super::vector::read;
    }
    pub(crate) mod traces {
        #[path = "../../../../../tests/support/traces/bytes.rs"]
        pub(crate) mod bytes;
        #[path = "../../../../../tests/support/traces/pattern.rs"]
        pub(crate) mod pattern;
    }
}

pub(crate) use link::Target;
pub(crate) use plan::{Plan, plan};
pub(crate) use probe::{Capabilities, probe};
pub(crate) use run::{Setting, run};

use serde_json::Value;

/// The elements; none if it is no list.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
