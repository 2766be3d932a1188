//! A client under test: a program that is told what to ask for, and tells what it is given.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use sansio_mqtt::Role;
use serde_json::Value;

use super::link::Wire;

/// Bytes that a program may print.
const MOST_BYTES: u64 = 16 << 20;
/// For a program to end by itself when nothing more is to be done.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) struct Application {
    child: Child,
    listener: TcpListener,
    /// Lines for the program.
    asked: Option<Sender<String>>,
    /// What it has printed.
    told: Receiver<String>,
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
        let given = &trace["given"];
        let given = if given.is_null() {
            "{}".into()
        } else {
            given.to_string()
        };
        let mut child = Command::new("sh")
            .args(["-c", command])
            .env("MQTT_HOST", "127.0.0.1")
            .env("MQTT_PORT", port.to_string())
            .env("MQTT_VERSION", version)
            .env("MQTT_TRACE", trace["id"].as_str().unwrap_or_default())
            .env("MQTT_GIVEN", given)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (asked, lines) = mpsc::channel::<String>();
        let (tell, told) = mpsc::channel();
        // Threads, so that a program that reads or prints nothing is not waited for. They end with it.
        if let Some(mut stdin) = child.stdin.take() {
            thread::spawn(move || {
                for line in lines {
                    if writeln!(stdin, "{line}")
                        .and_then(|()| stdin.flush())
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout.take(MOST_BYTES)).lines() {
                    let Ok(line) = line else { return };
                    if tell.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self {
            child,
            listener,
            asked: Some(asked),
            told,
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
        if let Some(asked) = &self.asked {
            let mut line = line.clone();
            if let (true, Some(name)) = (self.earlier > 0, line["on"].as_str()) {
                line["on"] = format!("{name}{}", self.earlier).into();
            }
            let _ = asked.send(line.to_string());
        }
    }

    /// The connection that the program has opened, if it has.
    pub(super) fn accept(&self, timeout: Duration) -> Option<Wire> {
        let (stream, _) = self.listener.accept().ok()?;
        Wire::accepted(stream, Role::Client, timeout).ok()
    }

    /// Takes what the program has printed. An error: what is none of the lines that it may print.
    pub(super) fn listen(&mut self) -> Result<(), String> {
        for line in self.told.try_iter() {
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

impl Drop for Application {
    fn drop(&mut self) {
        // The end of its input is the end of the case.
        self.asked = None;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // It and what it has started.
        let group = i32::try_from(self.child.id());
        if let Some(group) = group.ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
