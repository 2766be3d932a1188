//! The crate's broker, set up for one case of `mqtt-conformance` (see `conformance/README.md`):
//!
//! `mqtt-conformance broker --target URL --given-exec target/release/examples/server`

#![allow(dead_code)] // of what the tests have

mod support;

use std::env;
use std::io::{self, Write};
use std::net::TcpListener;
use std::process::{self, ExitCode};
use std::thread;

use sansio_mqtt::Clock;
use sansio_mqtt_drivers::Scheme;
use serde_json::{Value, json};

use support::serve::{serve, side};

type Error = Box<dyn std::error::Error>;

/// What it can be set up with.
const KNOWN: [&str; 11] = [
    "auth",
    "connack",
    "disconnect",
    "reason_string",
    "refuse",
    "refuse_client_id",
    "refuse_publish",
    "response_information",
    "suback",
    "topic_aliases",
    "user_property",
];

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
    let given: Value = serde_json::from_str(&env::var("MQTT_GIVEN")?)?;
    let needs: Value = serde_json::from_str(&env::var("MQTT_NEEDS")?)?;
    let mut names = given
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    if let Some(name) = names.find(|name| !KNOWN.contains(&&name[..])) {
        return tell(&json!({"unsupported": format!("nothing sets {name}")}));
    }
    let clock = Clock::new();
    let mut side = side(clock.now(), &env::var("MQTT_VERSION")?, &given, &needs);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(|| {
        // The end of the input is the end of the case.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    let is_websocket = needs
        .as_array()
        .is_some_and(|needs| needs.contains(&json!("websocket")));
    let (scheme, name) = match is_websocket {
        true => (Scheme::Ws, "ws"),
        false => (Scheme::Mqtt, "mqtt"),
    };
    tell(&json!({"listening": format!("{name}://{address}")}))?;
    serve(&listener, scheme, None, &mut *side, &clock, |bytes| bytes)?;
    Ok(())
}

fn tell(line: &Value) -> Result<(), Error> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
