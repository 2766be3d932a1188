//! A client under test: a program that is told what to ask for, and tells what it is given.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use sansio_mqtt::Role;
use serde_json::Value;

use super::link::Wire;
use super::program::Program;

pub(crate) struct Application {
    program: Program,
    listener: TcpListener,
    /// What it was given since this was last looked at.
    pub(super) delivered: Vec<Value>,
    /// Why it cannot do what is asked.
    pub(super) unsupported: Option<String>,
    /// Cases that it was used for, whose connections have other names.
    earlier: usize,
}

impl Application {
    /// Starts the program for one case.
    pub(crate) fn start(command: &str, version: &str, trace: &Value) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let variables = [
            ("MQTT_HOST", "127.0.0.1".into()),
            ("MQTT_PORT", port.to_string()),
        ];
        let program = Program::start(command, version, trace, &variables)?;
        Ok(Self {
            program,
            listener,
            delivered: Vec::new(),
            unsupported: None,
            earlier: 0,
        })
    }

    /// The next case. What was left of the last one is nothing to it.
    pub(crate) fn again(&mut self) {
        self.earlier += 1;
        let _ = self.listen();
        self.delivered.clear();
        while self.listener.accept().is_ok() {}
    }

    /// Tells the program to do something; one that has ended is noticed by what does not come.
    pub(super) fn ask(&self, line: &Value) {
        let mut line = line.clone();
        if let (true, Some(name)) = (self.earlier > 0, line["on"].as_str()) {
            line["on"] = format!("{name}{}", self.earlier).into();
        }
        self.program.write(line.to_string());
    }

    /// The connection that the program has opened, if it has.
    pub(super) fn accept(&self, timeout: Duration) -> Option<Wire> {
        let (stream, _) = self.listener.accept().ok()?;
        Wire::accepted(stream, Role::Client, timeout).ok()
    }

    /// Takes what the program has printed. An error: what is none of the lines that it may print.
    pub(super) fn listen(&mut self) -> Result<(), String> {
        for line in self.program.output.try_iter() {
            let value: Value = serde_json::from_str(&line)
                .map_err(|error| format!("printed {line:?}: {error}"))?;
            if value["delivered"].is_object() {
                self.delivered.push(value["delivered"].clone());
            } else if let Some(reason) = value["unsupported"].as_str() {
                self.unsupported = Some(reason.into());
            } else {
                return Err(format!("printed {line:?}"));
            }
        }
        Ok(())
    }
}
