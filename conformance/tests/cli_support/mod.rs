//! The program, a small set of vectors to run it with, and an adapter with faults.

#![allow(dead_code)] // each test binary uses a part of it

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Some files of `spec-vectors/` and one of our own, in a directory that goes with this.
pub(crate) struct Set(TempDir);

impl Set {
    pub(crate) fn new() -> Self {
        let set = Self(tempfile::tempdir().expect("a directory"));
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec-vectors");
        for file in [
            "codec/3.1.1/pingreq.json",
            "codec/5.0/pingreq.json",
            "codec/5.0/fixed_header.json",
            "topics/filters.json",
            "traces/qos.json",
            "statements/3.1.json",
            "statements/3.1.1.json",
            "statements/5.0.json",
        ] {
            let to = set.path(file);
            fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
            fs::copy(from.join(file), to).expect("a file");
        }
        fs::create_dir_all(set.path("tables")).expect("a directory");
        // The first statement of the first is a SHOULD.
        set.write(
            "codec/5.0/own.json",
            &json!({"format": 1, "kind": "codec", "version": "5.0", "vectors": [
                {"id": "5.0/own/should", "comment": "<&\"\u{1}#", "direction": "any", "hex": "d000",
                 "verdict": "malformed", "reasons": ["0x81"], "statements": [should(), "MQTT-3.1.0-1"]},
                {"id": "5.0/own/open", "comment": "open", "direction": "any", "hex": "d000",
                 "verdict": "malformed", "alternatives": ["valid"], "ambiguity": ["A-13"], "statements": ["U5-17"]},
            ]})
            .to_string(),
        );
        set
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).expect("JSON")
    }

    /// The program with this set.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
            .args(arguments)
            .arg("--vectors")
            .arg(self.0.path())
            .current_dir(self.0.path())
            .output()
            .expect("the program runs")
    }

    /// `vectors` with the adapter that has this fault.
    pub(crate) fn vectors(&self, fault: &str, arguments: &[&str]) -> Output {
        let adapter = adapter(fault);
        let mut all = vec!["vectors", "--adapter", &adapter];
        all.extend(arguments);
        self.run(&all)
    }
}

/// A SHOULD of 5.0.
pub(crate) fn should() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec-vectors/statements/5.0.json");
    let file: Value =
        serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON");
    let mut all = file["statements"].as_array().expect("a list").iter();
    let found = all.find(|one| one["level"] == "SHOULD").expect("a SHOULD");
    found["id"].as_str().expect("a text").to_owned()
}

/// The command of the adapter that is built beside the tests.
pub(crate) fn adapter(fault: &str) -> String {
    let program = std::env::current_exe().expect("this program");
    let directory = program
        .parent()
        .and_then(Path::parent)
        .expect("a directory");
    let adapter = directory.join("examples/faulty_adapter");
    assert!(
        adapter
            .with_extension(std::env::consts::EXE_EXTENSION)
            .exists(),
        "cargo build -p mqtt-conformance --examples"
    );
    format!("'{}' {fault}", adapter.display())
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The exit code, and what it said if it is another one.
pub(crate) fn exits(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}\n{}",
        out(output),
        err(output)
    );
}
