//! Runs a trace against a server or a client over network connections.

mod application;
mod asked;
mod cases;
mod clean;
mod doubt;
mod finish;
mod given;
mod interrupt;
mod isolation;
mod link;
mod plan;
mod pool;
mod probe;
mod program;
mod run;
mod steps;
mod support;
mod wire;

pub(crate) use application::Application;
pub(crate) use cases::{cases, traces};
pub(crate) use doubt::{Doubts, is_back};
pub(crate) use given::{NoServer, OwnServer, plan_on_its_own};
pub(crate) use interrupt::{INTERRUPTED, is_interrupted, listen};
pub(crate) use isolation::Isolation;
pub(crate) use link::Target;
pub(crate) use plan::{Plan, is_timed, length_within, plan};
pub(crate) use pool::pool;
pub(crate) use probe::{Capabilities, is_shared, probe};
pub(crate) use run::{Setting, run};
pub(crate) use support::json;
pub(crate) use wire::{cases as wire_cases, is_wire, traces as wire_traces};

use crate::data::list;
