//! What the tests of the crate use too.

#![allow(dead_code)]

#[path = "../../../../tests/support/json.rs"]
pub(crate) mod json;
pub(crate) mod traces;
pub(crate) mod vector;
