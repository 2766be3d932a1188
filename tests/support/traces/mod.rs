//! Runs the traces of `spec-vectors/traces/` against one side of a connection, in memory and in virtual time.

#![allow(dead_code)] // each test binary uses a part of it

pub(crate) mod bytes;
pub(crate) mod client;
pub(crate) mod pattern;
pub(crate) mod runner;
pub(crate) mod server;
pub(crate) mod single;

use sansio_mqtt::Instant;
use serde_json::Value;

/// The side under test, as the runner sees it: transports by name, bytes, time, and a client's application.
pub(crate) trait Side {
    /// A server gets a new transport.
    fn open(&mut self, now: Instant, name: &str);
    /// Bytes have come on a transport.
    fn input(&mut self, now: Instant, name: &str, bytes: &[u8]);
    /// A transport has ended.
    fn end(&mut self, now: Instant, name: &str);
    /// The application of a client is asked for a packet.
    fn act(&mut self, now: Instant, name: &str, packet: &Value);
    /// What is to be written to a transport since the last call, and whether the side has closed it.
    fn output(&mut self, name: &str) -> (Vec<u8>, bool);
    /// The next moment at which time changes something.
    fn next(&self) -> Option<Instant>;
    /// Does what is due.
    fn tick(&mut self, now: Instant);
    /// What a client's application was given since the last call.
    fn delivered(&mut self) -> Vec<Value>;
}

/// How a trace is run.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// Each packet in one piece.
    Whole,
    /// Byte by byte.
    Bytes,
    /// With a server that records what it does, and is another one, restored from the records, whenever nobody is connected.
    Restarts,
}

/// What is done to a side's output, to see that a trace notices.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    None,
    /// The packet of this number does not arrive.
    Lost(usize),
    /// It arrives twice.
    Twice(usize),
    /// The side never closes.
    StaysOpen,
}
