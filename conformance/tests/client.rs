//! The mode `client` against the crate's own client, and against programs that are none.

#![allow(dead_code, unused_imports)] // a part of the program is used

#[path = "../src/mode/client.rs"]
mod client;
#[path = "../src/data.rs"]
mod data;
#[path = "../src/trace/mod.rs"]
mod trace;
#[path = "../src/verdict.rs"]
mod verdict;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

use data::Data;
use verdict::{Outcome, Verdict};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: client::Options,
}

fn run(command: &str, more: &[&str], filter: &str) -> Result<Vec<Outcome>, String> {
    let data = Data::load(None).expect("what is in the program");
    let mut cases = client::cases(&data);
    cases.retain(|case| case.id.contains(filter));
    assert!(!cases.is_empty());
    let mut words = vec!["client", "--exec", command];
    words.extend(more);
    let cli = Cli::parse_from(words);
    client::run(&cli.options, &data, &cases, &mut |_| ()).map_err(|error| error.to_string())
}

/// `cargo test` builds the examples beside the tests.
fn own() -> String {
    let mut path: PathBuf = std::env::current_exe().expect("this test");
    path.pop();
    path.pop();
    path.push("examples/client");
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
