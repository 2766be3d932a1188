//! A server on a port of its own: one that does what a function says, or the crate's broker.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use sansio_mqtt::Clock;
use sansio_mqtt_drivers::Scheme;
use serde_json::Value;

use super::serve::{serve, side};

/// Each connection is served by this function, in a thread.
pub(crate) fn served(serve: impl Fn(TcpStream) + Copy + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// What is done to the packets of this type.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    None,
    Lost(u8),
    Twice(u8),
}

/// The crate's broker, set up as a trace says.
pub(crate) fn good(set_up: &Value, version: &str, change: Change) -> u16 {
    good_over(Scheme::Mqtt, None, set_up, version, change)
}

pub(crate) fn good_over(
    scheme: Scheme,
    tls: Option<Arc<ServerConfig>>,
    set_up: &Value,
    version: &str,
    change: Change,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (set_up, version) = (set_up.clone(), version.to_owned());
    thread::spawn(move || {
        let clock = Clock::new();
        let mut side = side(clock.now(), &version, &set_up["given"], &set_up["needs"]);
        serve(
            &listener,
            scheme,
            tls.as_ref(),
            &mut *side,
            &clock,
            |bytes| changed(&bytes, change),
        )
    });
    port
}

/// Whole packets, of less than 128 bytes where there is a change.
fn changed(bytes: &[u8], change: Change) -> Vec<u8> {
    let (kind, times) = match change {
        Change::None => return bytes.to_vec(),
        Change::Lost(kind) => (kind, 0),
        Change::Twice(kind) => (kind, 2),
    };
    let mut rest = bytes;
    let mut out = Vec::new();
    while let [first, length, ..] = rest {
        assert!(*length < 128, "a long packet");
        let (packet, behind) = rest.split_at(2 + usize::from(*length));
        let times = if first >> 4 == kind { times } else { 1 };
        out.extend(packet.repeat(times));
        rest = behind;
    }
    out
}
