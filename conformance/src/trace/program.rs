//! A program that is started by the shell for one case, spoken to by lines, and ended with all that it has started.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::Value;

use super::interrupt::is_interrupted;

/// Bytes that a program may print in one case; what is more is passed over.
const MOST_BYTES: u64 = 16 << 20;

/// Of a longer wait, until a signal is noticed.
const SLICE: Duration = Duration::from_millis(100);

const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Program {
    child: Child,
    /// Lines for it.
    input: Option<Sender<String>>,
    /// The lines that it prints.
    pub(super) output: Receiver<String>,
    /// For it to end by itself when nothing more is to be done.
    pub(super) patience: Duration,
}

impl Program {
    /// Starts it, with the case in its environment and these variables too.
    pub(super) fn start(
        command: &str,
        version: &str,
        trace: &Value,
        variables: &[(&str, String)],
    ) -> io::Result<Self> {
        let given = &trace["given"];
        let given = if given.is_null() {
            "{}".into()
        } else {
            given.to_string()
        };
        let mut child = Command::new("sh")
            .args(["-c", command])
            .env("MQTT_VERSION", version)
            .env("MQTT_TRACE", trace["id"].as_str().unwrap_or_default())
            .env("MQTT_GIVEN", given)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (input, lines) = mpsc::channel::<String>();
        let (tell, output) = mpsc::channel();
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
                let mut stdout = BufReader::new(stdout);
                for line in stdout.by_ref().take(MOST_BYTES).split(b'\n') {
                    let Ok(line) = line else { return };
                    let _ = tell.send(String::from_utf8_lossy(&line).into_owned());
                }
                drop(tell);
                // Read on, so that it can go on printing.
                let _ = io::copy(&mut stdout, &mut io::sink());
            });
        }
        Ok(Self {
            child,
            input: Some(input),
            output,
            patience: PATIENCE,
        })
    }

    /// One that has ended is noticed by what does not come.
    pub(super) fn write(&self, line: String) {
        if let Some(input) = &self.input {
            let _ = input.send(line);
        }
    }

    /// The next line, within this time. A signal ends the wait.
    pub(super) fn line(&self, time: Duration) -> Result<String, RecvTimeoutError> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left.min(SLICE)) {
                Err(RecvTimeoutError::Timeout) if !left.is_zero() && !is_interrupted() => {}
                other => return other,
            }
        }
    }

    /// How it has ended, if it has; what it has left is still of its group then.
    pub(super) fn ended(&self) -> Option<String> {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = match waitid(WaitId::Pid(self.id()?), how) {
            Ok(None) => return None,
            Ok(Some(status)) => status,
            Err(error) => return Some(error.to_string()),
        };
        Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or(0)),
        })
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The end of its input is the end of the case.
        self.input = None;
        let deadline = Instant::now() + self.patience;
        while self.ended().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        // It and what it has started.
        if let Some(id) = self.id() {
            let _ = kill_process_group(id, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
