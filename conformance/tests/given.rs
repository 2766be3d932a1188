//! `broker --given-exec` with the crate's own broker, and with commands that are none.

#![allow(dead_code, unused_imports)] // a part of the program is used
#![allow(clippy::duplicate_mod)] // by the program and by the servers

#[path = "../src/mode/broker.rs"]
mod broker;
#[path = "../src/data.rs"]
mod data;
#[path = "../src/spell.rs"]
mod spell;
#[path = "../src/trace/mod.rs"]
mod trace;
#[path = "../src/verdict.rs"]
mod verdict;

mod servers;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use data::Data;
use servers::server::{Change, good};
use verdict::{Case, Failure, Outcome, Verdict};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: broker::Options,
}

const REFUSED: &str = "traces/connect/refused";

/// The cases with this in their id whose trace has `given`, against a target that is set up so.
fn run(set_up: &Value, command: &str, more: &[&str], filter: &str) -> Vec<Outcome> {
    let data = Data::load(None).expect("what is in the program");
    let given: Vec<_> = trace::traces(&data, "server")
        .filter(|(trace, _)| trace["given"].is_object())
        .map(|(trace, _)| trace["id"].as_str().expect("an id"))
        .collect();
    run_cases(set_up, command, more, &data, |case| {
        case.version == "5.0" && case.id.contains(filter) && given.contains(&&case.id[..])
    })
}

fn run_cases(
    set_up: &Value,
    command: &str,
    more: &[&str],
    data: &Data,
    is_chosen: impl Fn(&Case) -> bool,
) -> Vec<Outcome> {
    let mut cases = broker::cases(data);
    cases.retain(is_chosen);
    assert!(!cases.is_empty());
    let target = format!("mqtt://127.0.0.1:{}", good(set_up, "5.0", Change::None));
    let mut words = vec!["broker", "--target", &target, "--given-exec", command];
    words.extend(more);
    let cli = Cli::parse_from(words);
    broker::run(&cli.options, data, &cases, &mut |_| ()).expect("outcomes")
}

/// One case that no target is set up for by itself.
fn one(command: &str, more: &[&str]) -> Verdict {
    let mut outcomes = run(&json!({}), command, more, REFUSED);
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0).verdict
}

fn failure(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Fail(failure) => failure,
        other => panic!("{other:?}"),
    }
}

/// `cargo test` builds the examples beside the tests.
fn own() -> String {
    let mut path: PathBuf = std::env::current_exe().expect("this test");
    path.pop();
    path.pop();
    path.push("examples/server");
    format!("'{}'", path.display())
}

/// A file of this test, and its path for the shell.
fn file(directory: &tempfile::TempDir) -> (PathBuf, String) {
    let path = directory.path().join("file");
    let quoted = format!("'{}'", path.display());
    (path, quoted)
}

#[test]
fn the_crate_passes_what_the_target_is_not_set_up_for() {
    let outcomes = run(&json!({}), &own(), &["--longest", "2"], "");
    let (mut passed, mut skipped) = (0, 0);
    for outcome in outcomes {
        match outcome.verdict {
            Verdict::Pass | Verdict::NonStrict(_) => passed += 1,
            Verdict::Skipped(reason) if reason.starts_with("it takes") => skipped += 1,
            other => panic!("{} {}: {other:?}", outcome.case.id, outcome.case.version),
        }
    }
    assert!(passed > 40 && skipped < 10, "{passed}, {skipped}");
}

#[test]
fn the_target_is_taken_where_it_will_do() {
    let set_up = json!({"given": {"connack": {"topic_alias_maximum": 5}}});
    for outcome in run(&set_up, "exit 1", &[], "traces/aliases/server-takes") {
        assert!(matches!(outcome.verdict, Verdict::Pass), "{outcome:?}");
    }
    // The file says that it is set up so, and it is not.
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = file(&directory);
    fs::write(&path, r#"{"given": ["refuse"]}"#).expect("a file");
    let path = path.display().to_string();
    let failure = failure(one(&own(), &["--capabilities", &path]));
    assert!(!failure.log.is_empty(), "{failure:?}");
}

#[test]
fn a_version_that_the_target_does_not_serve_is_skipped() {
    let data = Data::load(None).expect("what is in the program");
    let is_chosen = |case: &Case| case.id.starts_with("3.1/pingreq/plain");
    for outcome in run_cases(&json!({}), "exit 1", &[], &data, is_chosen) {
        assert!(
            matches!(&outcome.verdict, Verdict::Skipped(reason) if reason.starts_with("3.1 is not served")),
            "{outcome:?}"
        );
    }
    // What it serves is put to a server of its own, with the version.
    let directory = tempfile::tempdir().expect("a directory");
    let (path, quoted) = file(&directory);
    let command = format!(r#"echo "$MQTT_VERSION" > {quoted}; {}"#, own());
    let serves = json!({"needs": ["serves_3.1"], "given": {"connack": {"retain_available": 0}}});
    let is_chosen = |case: &Case| case.id == "3.1/publish/flags-1";
    for outcome in run_cases(&serves, &command, &[], &data, is_chosen) {
        assert!(matches!(outcome.verdict, Verdict::Pass), "{outcome:?}");
    }
    let version = fs::read_to_string(&path).expect("a file");
    assert_eq!(version.trim_end(), "3.1");
}

#[test]
fn a_server_of_websockets_is_one_that_is_set_up() {
    let data = Data::load(None).expect("what is in the program");
    let is_chosen = |case: &Case| case.id == "traces/fields/packets-and-frames";
    let outcomes = run_cases(&json!({}), &own(), &[], &data, is_chosen);
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        assert!(matches!(outcome.verdict, Verdict::Pass), "{outcome:?}");
    }
    // One that listens for TCP alone shows nothing.
    let command = format!("MQTT_NEEDS='[]' {}", own());
    for outcome in run_cases(&json!({}), &command, &[], &data, is_chosen) {
        assert!(
            matches!(&outcome.verdict, Verdict::Skipped(reason) if reason.contains("none of ws or wss")),
            "{outcome:?}"
        );
    }
}

#[test]
fn the_command_is_told_the_case() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, quoted) = file(&directory);
    let command = format!(
        r#"echo "$MQTT_TRACE $MQTT_VERSION $MQTT_GIVEN $MQTT_NEEDS" > {quoted}; echo '{{"unsupported": "why"}}'"#
    );
    let filter = "qos/server-refuses-qos1";
    let outcomes = run(&json!({}), &command, &[], filter);
    assert!(
        matches!(&outcomes[0].verdict, Verdict::Skipped(reason) if reason.ends_with("(why)")),
        "{outcomes:?}"
    );
    assert_eq!(
        fs::read_to_string(&path).expect("a file").trim_end(),
        r#"traces/qos/server-refuses-qos1 5.0 {"refuse_publish":{"no":"0x87"}} ["broker_routing"]"#
    );
}

#[test]
fn commands_that_are_no_server_cost_their_case() {
    let begin = Instant::now();
    for (command, seen) in [
        ("exec sleep 60", "no line within 1 s"),
        ("cat", "no line within 1 s"),
        ("echo ready; cat", r#"printed "ready""#),
        ("echo '{\"listening\": 1883}'; cat", "printed"),
        ("printf '\\377\\n'; cat", "printed"),
        ("echo '{\"listening\": \"nowhere\"}'; cat", "nowhere"),
        ("exit 3", "exit code 3"),
        ("kill -9 $$", "signal 9"),
        // It is not there any more.
        (
            "echo '{\"listening\": \"mqtt://127.0.0.1:1\"}'",
            "ended (exit code 0)",
        ),
    ] {
        let failure = failure(one(command, &["--given-wait", "1", "--timeout", "200"]));
        assert!(failure.is_dead, "{command}: {failure:?}");
        assert!(failure.seen.contains(seen), "{command}: {failure:?}");
    }
    assert!(begin.elapsed() < Duration::from_secs(60));
}

/// What the command has left behind ends with the case.
#[test]
fn what_was_started_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, quoted) = file(&directory);
    let command = format!("sleep 60 2>/dev/null & echo $! > {quoted}; {}", own());
    let verdict = one(&command, &[]);
    assert!(matches!(verdict, Verdict::Pass), "{verdict:?}");
    let left = fs::read_to_string(&path).expect("a file");
    let ps = ["-o", "stat=", "-p", left.trim()];
    let state = Command::new("ps").args(ps).output().expect("ps").stdout;
    let state = String::from_utf8_lossy(&state);
    assert!(state.trim().is_empty() || state.starts_with('Z'), "{state}");
}
