//! What the programs share: bytes over TCP, TLS and WebSocket, on sockets that block or do not.

pub mod tls;
mod transport;

pub use transport::{Scheme, Transport};
