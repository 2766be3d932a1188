//! A server on a port of its own: one that does what a function says, or the crate's broker.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use sansio_mqtt::Instant;
use sansio_mqtt_drivers::{Scheme, Transport};
use serde_json::{Value, json};

use super::traces::bytes::for_version;
use super::traces::server::Administered;
use super::traces::single::Single;
use super::traces::{Manner, Side};

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

struct Connection {
    name: String,
    transport: Transport<TcpStream>,
    output: Vec<u8>,
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
    listener.set_nonblocking(true).expect("a listener");
    let given = for_version(version, &set_up["given"]);
    let needs = set_up["needs"].as_array().cloned().unwrap_or_default();
    thread::spawn(move || {
        let begin = std::time::Instant::now();
        let now = || Instant::from_millis(1_000_000).saturating_add(begin.elapsed());
        let mut side: Box<dyn Side> = if given["reason_string"].is_string() && needs.is_empty() {
            Box::new(Single::new(&given))
        } else {
            let serves_31 = needs.contains(&json!("serves_3.1"));
            Box::new(Administered::new(now(), &given, serves_31, Manner::Whole))
        };
        let mut connections: Vec<Connection> = Vec::new();
        let mut number = 0;
        loop {
            let mut is_idle = true;
            if let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true).expect("a socket");
                number += 1;
                let name = format!("connection{number}");
                side.open(now(), &name);
                let output = Vec::new();
                let transport = Transport::accept(scheme, stream, tls.as_ref());
                connections.push(Connection {
                    name,
                    transport: transport.expect("a transport"),
                    output,
                });
                is_idle = false;
            }
            for one in &mut connections {
                let mut buffer = [0; 16 << 10];
                match one.transport.read(&mut buffer) {
                    Ok(read) if read > 0 => {
                        is_idle = false;
                        side.input(now(), &one.name, &buffer[..read]);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    _ => side.end(now(), &one.name),
                }
            }
            if side.next().is_some_and(|at| at <= now()) {
                side.tick(now());
            }
            connections.retain_mut(|one| {
                let (bytes, is_closed) = side.output(&one.name);
                one.output.extend(changed(&bytes, change));
                match one.transport.write(&one.output) {
                    Ok(written) => drop(one.output.drain(..written)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => one.output.clear(),
                }
                let _ = one.transport.flush();
                if is_closed && one.output.is_empty() {
                    one.transport.close();
                    if let Some(socket) = one.transport.socket() {
                        let _ = socket.shutdown(Shutdown::Both);
                    }
                    return false;
                }
                true
            });
            if is_idle {
                thread::sleep(Duration::from_millis(1));
            }
        }
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
