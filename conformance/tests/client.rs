//! The mode `client` against the crate's own client, and against programs that are none.

#![allow(dead_code, unused_imports)] // a part of the program is used

#[path = "../src/mode/client.rs"]
mod client;
#[path = "../src/data.rs"]
mod data;
#[path = "../src/spell.rs"]
mod spell;
#[path = "../src/trace/mod.rs"]
mod trace;
#[path = "../src/verdict.rs"]
mod verdict;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

use data::Data;
use verdict::{Case, Outcome, Verdict};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: client::Options,
}

fn run(command: &str, more: &[&str], filter: &str) -> Result<Vec<Outcome>, String> {
    let data = Data::load(None).expect("what is in the program");
    let mut cases = client::cases(&data);
    cases.retain(|case| case.id.starts_with("traces/") && case.id.contains(filter));
    run_cases(command, more, &data, &cases)
}

fn run_cases(
    command: &str,
    more: &[&str],
    data: &Data,
    cases: &[Case],
) -> Result<Vec<Outcome>, String> {
    assert!(!cases.is_empty());
    let mut words = vec!["client", "--exec", command];
    words.extend(more);
    let cli = Cli::parse_from(words);
    client::run(&cli.options, data, cases, &mut |_| ()).map_err(|error| error.to_string())
}

/// `cargo test` builds the examples beside the tests.
fn own() -> String {
    example("client")
}

fn example(name: &str) -> String {
    let mut path: PathBuf = std::env::current_exe().expect("this test");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    format!("'{}'", path.display())
}

#[test]
fn the_crate_passes() {
    let outcomes = run(&own(), &["--longest", "3"], "").expect("outcomes");
    let mut passed = 0;
    for outcome in outcomes {
        match outcome.verdict {
            Verdict::Pass => passed += 1,
            Verdict::Skipped(reason) if reason.starts_with("it takes") => {}
            other => panic!("{} {}: {other:?}", outcome.case.id, outcome.case.version),
        }
    }
    assert!(passed > 90, "{passed}");
}

#[test]
fn programs_that_are_none_end() {
    let begin = Instant::now();
    for command in [
        "true",
        "sleep 60",
        "no-such-program-here 2>/dev/null",
        "cat",
    ] {
        let result = run(command, &["--timeout", "200"], "client-qos/gives");
        match command {
            // What it prints is no line of the protocol.
            "cat" => {
                for outcome in result.expect("outcomes") {
                    let Verdict::Fail(failure) = outcome.verdict else {
                        panic!("{:?}", outcome.verdict);
                    };
                    assert!(failure.seen.contains("printed"), "{failure:?}");
                }
            }
            _ => {
                let error = result.expect_err("no client");
                assert!(error.contains("never connects"), "{error}");
            }
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_a_client_cannot_do_is_skipped() {
    let command = r#"echo '{"unsupported": "nothing"}'; cat > /dev/null"#;
    for outcome in run(command, &[], "client-qos/gives").expect("outcomes") {
        assert!(matches!(&outcome.verdict, Verdict::Skipped(reason) if reason == "nothing"));
    }
}

/// The cases of these vectors.
fn vectors(data: &Data, is_chosen: impl Fn(&Case) -> bool) -> Vec<Case> {
    let mut cases = client::cases(data);
    cases.retain(|case| !case.id.starts_with("traces/") && is_chosen(case));
    cases
}

#[test]
fn the_crate_takes_and_refuses_vectors() {
    let data = Data::load(None).expect("what is in the program");
    let all = vectors(&data, |_| true);
    assert!(all.len() > 5_500, "{}", all.len());
    let chosen: Vec<_> = all.into_iter().step_by(6).collect();
    for outcome in run_cases(&own(), &[], &data, &chosen).expect("outcomes") {
        let (id, version) = (&outcome.case.id, &outcome.case.version);
        assert!(
            matches!(outcome.verdict, Verdict::Pass),
            "{id} {version}: {:?}",
            outcome.verdict
        );
    }
}

/// What is advice in 5.0 is so by its first statement.
#[test]
fn one_that_takes_everything_fails_what_is_to_be_refused() {
    let data = Data::load(None).expect("what is in the program");
    let is_flags = |case: &Case| case.id.contains("/puback/flags-");
    let chosen = vectors(&data, is_flags);
    assert_eq!(chosen.len(), 30);
    for case in &chosen {
        assert_eq!(case.version == "5.0", case.statements[0] == "U5-109");
    }
    for fault in ["takes", "once"] {
        let command = format!("{} {fault}", example("faulty_client"));
        let outcomes = run_cases(&command, &["--timeout", "1000"], &data, &chosen);
        for outcome in outcomes.expect("outcomes") {
            let Verdict::Fail(failure) = &outcome.verdict else {
                panic!("{}: {:?}", outcome.case.id, outcome.verdict);
            };
            assert!(failure.seen.contains("goes on"), "{failure:?}");
        }
    }
}

/// A client may send PINGREQ at any time.
#[test]
fn a_ping_that_nobody_asked_for_is_none_of_the_steps() {
    let command = format!("{} pings", example("faulty_client"));
    let trace = serde_json::json!({"id": "traces/test/one", "comment": "", "role": "client",
        "versions": ["3.1.1", "5.0"], "statements": {}, "steps": [
            {"do": {"type": "CONNECT"}, "on": "a"}, {"expect": {"type": "CONNECT"}},
            {"send": {"type": "CONNACK", "session_present": false, "reason": "0x00"}},
            {"quiet_ms": 200}]});
    let data = Data {
        codec: Vec::new(),
        topics: Vec::new(),
        traces: vec![serde_json::json!({"traces": [trace]})],
        statements: Vec::new(),
    };
    let cases = client::cases(&data);
    let outcomes = run_cases(&command, &[], &data, &cases).expect("outcomes");
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        assert!(matches!(outcome.verdict, Verdict::Pass), "{outcome:?}");
    }
}

#[test]
fn one_that_was_slow_to_start_is_tried_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("started");
    let file = file.display();
    let command = format!("mkdir '{file}' 2>/dev/null && sleep 30; exec {}", own());
    let filter = "traces/client-connect/first-packet";
    let outcomes = run(&command, &["--jobs", "1"], filter).expect("outcomes");
    assert!(outcomes.len() > 1);
    for outcome in outcomes {
        assert!(matches!(outcome.verdict, Verdict::Pass), "{outcome:?}");
    }
}

/// One program is asked for many connections.
#[test]
fn one_that_closes_on_everything_fails_what_is_to_be_taken() {
    let data = Data::load(None).expect("what is in the program");
    let command = format!("{} closes", example("faulty_client"));
    let refused = vectors(&data, |case| case.id.contains("/puback/flags-"));
    for outcome in run_cases(&command, &[], &data, &refused).expect("outcomes") {
        assert!(matches!(outcome.verdict, Verdict::Pass), "{outcome:?}");
    }
    let taken = vectors(&data, |case| case.id.contains("/publish/flags-2"));
    assert_eq!(taken.len(), 2);
    for outcome in run_cases(&command, &[], &data, &taken).expect("outcomes") {
        let Verdict::Fail(failure) = &outcome.verdict else {
            panic!("{}: {:?}", outcome.case.id, outcome.verdict);
        };
        assert_eq!(failure.expected, "PUBACK", "{failure:?}");
    }
}
