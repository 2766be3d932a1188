//! The crate's client behind the client protocol of `mqtt-conformance` (see `conformance/README.md`):
//!
//! `mqtt-conformance client --exec target/release/examples/client`

#![allow(dead_code)] // of what the tests have

mod support;

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

use sansio_mqtt::Clock;
use serde_json::{Value, json};

use support::traces::Side;
use support::traces::client::Application;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let address = format!("{}:{}", env::var("MQTT_HOST")?, env::var("MQTT_PORT")?);
    let given: Value = serde_json::from_str(&env::var("MQTT_GIVEN")?)?;
    let mut application = Application::new(&env::var("MQTT_VERSION")?, &given);
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.is_err() || sender.send(line.unwrap_or_default()).is_err() {
                return;
            }
        }
    });
    let clock = Clock::new();
    let mut sockets: BTreeMap<String, TcpStream> = BTreeMap::new();
    loop {
        let mut is_idle = true;
        // What has come is read first: a request may be about it.
        for (name, socket) in &mut sockets {
            let mut buffer = [0; 16 << 10];
            match socket.read(&mut buffer) {
                Ok(read) if read > 0 => {
                    is_idle = false;
                    application.input(clock.now(), name, &buffer[..read]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => application.end(clock.now(), name),
            }
        }
        match lines.try_recv() {
            Ok(line) => {
                is_idle = false;
                let step: Value = serde_json::from_str(&line)?;
                let name = step["on"].as_str().ok_or("no name")?;
                if step["do"]["type"] == "CONNECT" {
                    let socket = TcpStream::connect(&address)?;
                    socket.set_nodelay(true)?;
                    socket.set_nonblocking(true)?;
                    sockets.insert(name.to_owned(), socket);
                }
                application.act(clock.now(), name, &step["do"]);
            }
            Err(TryRecvError::Empty) => {}
            // The trace is over.
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        if application.next().is_some_and(|at| at <= clock.now()) {
            application.tick(clock.now());
        }
        sockets.retain(|name, socket| {
            let (bytes, is_closed) = application.output(name);
            // What is written to one that has ended is lost.
            let _ = socket.set_nonblocking(false);
            let _ = socket.write_all(&bytes);
            let _ = socket.set_nonblocking(true);
            if is_closed {
                let _ = socket.shutdown(Shutdown::Both);
            }
            !is_closed
        });
        let mut out = io::stdout().lock();
        for message in application.delivered() {
            writeln!(out, "{}", json!({"delivered": message}))?;
        }
        out.flush()?;
        if is_idle {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
