//! Mode `vectors` with adapters that do what they must not.

mod cli_support;

use std::time::{Duration, Instant};

use cli_support::{Set, err, exits, out};
use serde_json::Value;

/// Of fixed_header, what is not there in 5.0.
const ONE: &str = "5.0/fixed_header/type-0-flags-0";

fn result(run: &Value, id: &str) -> String {
    let cases = run["cases"].as_array().expect("a list");
    let case = cases
        .iter()
        .find(|case| case["id"] == id)
        .expect("the case");
    case["result"].as_str().expect("a text").to_owned()
}

fn failed(run: &Value) -> Vec<&str> {
    let cases = run["cases"].as_array().expect("a list").iter();
    cases
        .filter(|case| case["result"] == "failed")
        .filter_map(|case| case["id"].as_str())
        .collect()
}

#[test]
fn the_crate_passes_in_every_way() {
    let set = Set::new();
    for more in [
        &[][..],
        &["--strict"],
        &["--beginnings"],
        &["--pipeline", "1"],
    ] {
        let arguments = [
            &[
                "--filter",
                "pingreq",
                "--filter",
                "fixed_header",
                "--filter",
                "topics",
            ],
            more,
        ]
        .concat();
        let output = set.vectors("none", &arguments);
        exits(&output, 0);
        assert!(out(&output).contains("\nconforming\n"), "{}", out(&output));
    }
}

/// Whatever happens at one question costs that case, and no other.
#[test]
fn a_fault_costs_one_case() {
    for (fault, seen) in [
        ("dies", "exit status: 7"),
        ("hangs", "no answer in time"),
        ("garbage", "no JSON object: not JSON"),
        ("other-id", "the answer to another question"),
        ("floods", "bytes without an end"),
        ("error", "error: something is wrong"),
        ("wrong", "incomplete"),
    ] {
        let set = Set::new();
        let output = set.vectors(
            &format!("{fault} '\"hex\":\"0000\"'"),
            &[
                "--filter",
                "5.0/fixed_header/",
                "--timeout",
                "1000",
                "--json",
                "run.json",
            ],
        );
        exits(&output, 1);
        let run = set.json("run.json");
        assert_eq!(failed(&run), [ONE], "{fault}: {}", out(&output));
        assert_eq!(
            run["totals"]["passed"],
            run["cases"].as_array().expect("a list").len() - 1
        );
        assert!(out(&output).contains(seen), "{fault}: {}", out(&output));
    }
}

#[test]
fn a_small_fault_is_seen() {
    let set = Set::new();
    let filter = ["--filter", "fixed_header", "--json", "run.json"];
    exits(
        &set.vectors("other-rest c000", &["--filter", "pingreq/plain"]),
        1,
    );
    // The other word for a refusal counts for a strict run alone.
    exits(&set.vectors("other-word", &filter), 0);
    let strict = [&filter[..], &["--strict"]].concat();
    exits(&set.vectors("other-word", &strict), 1);
    // A reason code that does not fit is told of.
    exits(&set.vectors("other-code", &filter), 0);
    let run = set.json("run.json");
    assert_eq!(result(&run, ONE), "non-strict");
    exits(&set.vectors("other-code", &strict), 1);
    // The statement counts for a strict run, of topics as of packets.
    for filter in [["--filter", ONE], ["--filter", "topics/filters/"]] {
        exits(&set.vectors("other-statement", &filter), 0);
        let strict = [&filter[..], &["--strict"]].concat();
        exits(&set.vectors("other-statement", &strict), 1);
    }
}

#[test]
fn without_order_one_is_under_way() {
    let set = Set::new();
    let filter = ["--filter", "5.0/pingreq"];
    exits(&set.vectors("swaps", &filter), 0);
}

#[test]
fn an_adapter_that_answers_nothing_is_unreachable() {
    let set = Set::new();
    let filter = ["--filter", "5.0/own", "--json", "run.json"];
    let output = set.vectors("dies '\"direction\":\"any\"'", &filter);
    exits(&output, 3);
    assert!(
        err(&output).contains("answered in no case"),
        "{}",
        err(&output)
    );
    assert_eq!(set.json("run.json")["cases"][0]["dead"], true);
}

#[test]
fn it_is_given_up() {
    let set = Set::new();
    // With one question under way it answers none.
    let output = set.vectors(
        "unordered",
        &[
            "--filter",
            "5.0/pingreq",
            "--timeout",
            "300",
            "--restarts",
            "3",
            "--json",
            "run.json",
        ],
    );
    exits(&output, 3);
    assert!(
        err(&output).contains("given up after 4 faults"),
        "{}",
        err(&output)
    );
    assert_eq!(set.json("run.json")["conforming"], false);
}

#[test]
fn what_an_adapter_does_not_know_is_skipped() {
    let set = Set::new();
    let output = set.vectors(
        "decodes-only",
        &[
            "--version",
            "5.0",
            "--filter",
            "pingreq",
            "--filter",
            "topics",
            "--json",
            "run.json",
        ],
    );
    exits(&output, 0);
    let run = set.json("run.json");
    assert!(run["totals"]["skipped"].as_u64() > Some(100));
    assert!(
        out(&output).contains("no filter in 5.0: what is that?"),
        "{}",
        out(&output)
    );
    let output = set.vectors(
        "unsupported '\"hex\":\"0000\"'",
        &["--filter", "fixed_header", "--json", "run.json"],
    );
    exits(&output, 0);
    assert_eq!(result(&set.json("run.json"), ONE), "skipped");
}

#[test]
fn no_adapter_is_unreachable() {
    let set = Set::new();
    let output = set.run(&[
        "vectors",
        "--adapter",
        "/there/is/none",
        "--json",
        "run.json",
    ]);
    exits(&output, 3);
    assert!(
        err(&output).contains("does not answer its first question"),
        "{}",
        err(&output)
    );
    assert!(set.json("run.json")["error"].is_string());
    let output = set.vectors("ends", &[]);
    exits(&output, 3);
    assert!(err(&output).contains("nothing to do"), "{}", err(&output));
    let begun = Instant::now();
    exits(&set.vectors("hangs", &["--start-timeout", "1000"]), 3);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_is_left_behind_ends() {
    // The shell's child holds the pipes.
    let set = Set::new();
    let begun = Instant::now();
    let output = set.run(&[
        "vectors",
        "--adapter",
        "sleep 600; true",
        "--start-timeout",
        "1000",
    ]);
    exits(&output, 3);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_vector_that_cannot_be_read_fails() {
    let set = Set::new();
    set.write(
        "codec/5.0/own.json",
        r#"{"version":"5.0","vectors":[{"id":"5.0/own/x","verdict":"valid","runs":[["61",1000000000000]],"statements":["U5-1"]},{},7]}"#,
    );
    let output = set.vectors("none", &["--filter", "5.0/own"]);
    exits(&output, 1);
    assert!(
        out(&output).contains("no number of repetitions"),
        "{}",
        out(&output)
    );
}
