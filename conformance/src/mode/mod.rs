//! The kinds of targets.

pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod vectors;
