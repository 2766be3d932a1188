//! The servers of the tests behind a TCP port.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use sansio_mqtt::{Clock, Instant};
use sansio_mqtt_drivers::{Scheme, Transport};
use serde_json::{Value, json};

use super::traces::bytes::for_version;
use super::traces::server::Administered;
use super::traces::single::Single;
use super::traces::{Manner, Side};

/// A server that is set up as a trace says.
pub(crate) fn side(now: Instant, version: &str, given: &Value, needs: &Value) -> Box<dyn Side> {
    let given = for_version(version, given);
    let needs = needs.as_array().cloned().unwrap_or_default();
    // A broker gives no Reason String to SUBACK.
    if given["reason_string"].is_string() && needs.is_empty() {
        return Box::new(Single::new(&given));
    }
    let serves_31 = version == "3.1" || needs.contains(&json!("serves_3.1"));
    Box::new(Administered::new(now, &given, serves_31, Manner::Whole))
}

struct Connection {
    name: String,
    transport: Transport<TcpStream>,
    output: Vec<u8>,
}

/// Serves for ever. What is written goes through `change`.
pub(crate) fn serve(
    listener: &TcpListener,
    scheme: Scheme,
    tls: Option<&Arc<ServerConfig>>,
    side: &mut dyn Side,
    clock: &Clock,
    change: impl Fn(Vec<u8>) -> Vec<u8>,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut connections: Vec<Connection> = Vec::new();
    let mut number = 0;
    loop {
        let mut is_idle = true;
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            number += 1;
            let name = format!("connection{number}");
            side.open(clock.now(), &name);
            let output = Vec::new();
            connections.push(Connection {
                name,
                transport: Transport::accept(scheme, stream, tls)?,
                output,
            });
            is_idle = false;
        }
        for one in &mut connections {
            let mut buffer = [0; 16 << 10];
            match one.transport.read(&mut buffer) {
                Ok(read) if read > 0 => {
                    is_idle = false;
                    side.input(clock.now(), &one.name, &buffer[..read]);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                _ => side.end(clock.now(), &one.name),
            }
        }
        if side.next().is_some_and(|at| at <= clock.now()) {
            side.tick(clock.now());
        }
        connections.retain_mut(|one| {
            let (bytes, is_closed) = side.output(&one.name);
            one.output.extend(change(bytes));
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
}
