//! A run that is interrupted: reports of what there is, and nothing left of what was started.
#![cfg(unix)]

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Hears no signal, reads nothing, and has a child that has the same standard error.
const STUBBORN: &str =
    "trap '' INT TERM HUP; sleep 600 & touch \"$STARTED\"; while :; do sleep 1; done";

fn is_left_well(arguments: &[&str], signal: Signal) {
    let directory = tempfile::tempdir().expect("a directory");
    let (started, json) = (
        directory.path().join("started"),
        directory.path().join("json"),
    );
    let begun = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .args(arguments)
        .arg("--json")
        .arg(&json)
        .env("STARTED", &started)
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    await_file(&started);
    let pid = i32::try_from(program.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), signal).expect("a signal");
    // It ends when nobody has it any more.
    let mut errors = String::new();
    let stderr = program.stderr.as_mut().expect("a pipe");
    stderr.read_to_string(&mut errors).expect("text");
    let status = program.wait().expect("an end");
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(status.code(), Some(3), "{errors}");
    let run = std::fs::read_to_string(&json).expect("a report");
    let run: Value = serde_json::from_str(&run).expect("JSON");
    assert_eq!(run["error"], "interrupted");
    assert_eq!(run["conforming"], false);
}

fn await_file(path: &Path) {
    let end = Instant::now() + Duration::from_secs(30);
    while !path.exists() {
        assert!(Instant::now() < end, "it was not started");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn clients_end() {
    is_left_well(
        &["client", "--exec", STUBBORN, "--timeout", "60000"],
        Signal::INT,
    );
}

#[test]
fn adapters_end() {
    // What an adapter says to standard error goes elsewhere, so it is its end that ends the wait.
    is_left_well(&["vectors", "--adapter", STUBBORN], Signal::TERM);
}
