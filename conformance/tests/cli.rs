//! The command line: what is chosen, what counts, what is written, and the exit codes.

mod cli_support;

use std::process::{Command, Stdio};

use cli_support::{Set, err, exits, out};
use serde_json::Value;

const PLAIN: &str = "5.0/pingreq/plain";

fn lines(set: &Set, arguments: &[&str]) -> Vec<String> {
    let output = set.run(&[&["list"], arguments].concat());
    exits(&output, 0);
    out(&output).lines().map(str::to_owned).collect()
}

#[test]
fn filters() {
    let set = Set::new();
    let all = lines(&set, &[]);
    assert!(all.iter().all(|line| line.split('\t').count() == 4));
    for role in ["codec", "server", "client"] {
        let of_role = lines_or_none(&set, &["--role", role]);
        let fits = |line: &&String| line.split('\t').nth(2) == Some(role);
        assert_eq!(of_role.len(), all.iter().filter(fits).count(), "{role}");
    }
    let part = lines(&set, &["--filter", "pingreq/"]);
    assert!(part.len() > 20 && part.iter().all(|line| line.contains("/pingreq/")));
    let glob = lines(&set, &["--filter", "*/pingreq/pl*n"]);
    // Each of them is shown to a codec and to a server.
    assert_eq!(glob.len(), 4, "{glob:?}");
    let version = lines(&set, &["--filter", "*/pingreq/plain", "--version", "3.1.1"]);
    assert_eq!(version.len(), 2, "{version:?}");
    for (line, role) in version.iter().zip(["codec", "server"]) {
        assert!(line.starts_with(&format!("3.1.1/pingreq/plain\t3.1.1\t{role}\t")));
    }
    let section = lines(&set, &["--filter", "4.7.1"]);
    assert!(section.iter().any(|line| line.contains("MQTT-4.7.1-1")));
    assert!(!section.iter().any(|line| line.contains("/pingreq/plain")));
    assert!(lines(&set, &["--filter", "4.7"]).len() > section.len());
    let statement = lines(&set, &["--filter", "5.0:MQTT-4.7.3-2"]);
    assert!(!statement.is_empty());
    for line in &statement {
        let fields: Vec<_> = line.split('\t').collect();
        assert!(fields[1] == "5.0" && fields[3].split(',').any(|id| id == "MQTT-4.7.3-2"));
    }
    let both = lines(&set, &["--filter", "MQTT-4.7.3-2"]);
    assert!(both.len() > statement.len());
    let two = lines(
        &set,
        &["--filter", PLAIN, "--filter", "3.1.1/pingreq/plain"],
    );
    assert_eq!(two.len(), 4);
    let json = out(&set.run(&["list", "--json", "--filter", PLAIN]));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json[0]["id"], PLAIN);
}

fn lines_or_none(set: &Set, arguments: &[&str]) -> Vec<String> {
    let output = set.run(&[&["list"], arguments].concat());
    out(&output).lines().map(str::to_owned).collect()
}

#[test]
fn show_and_explain() {
    let set = Set::new();
    let shown = out(&set.run(&["show", PLAIN]));
    for part in ["c0 00", "verdict: valid", "PINGREQ", "section"] {
        assert!(shown.contains(part), "{shown}");
    }
    let json: Value =
        serde_json::from_str(&out(&set.run(&["show", PLAIN, "--json"]))).expect("JSON");
    assert_eq!(json["hex"], "c000");
    let trace = out(&set.run(&["show", "traces/qos/server-qos0"]));
    assert!(
        trace.contains("1. open a") && trace.contains("send CONNECT"),
        "{trace}"
    );

    let both = out(&set.run(&["explain", "MQTT-4.7.1-1"]));
    assert!(both.contains("3.1.1:MQTT-4.7.1-1") && both.contains("5.0:MQTT-4.7.1-1"));
    let one = out(&set.run(&["explain", "MQTT-4.7.1-1", "--spec", "5.0"]));
    assert!(
        !one.contains("3.1.1:") && one.contains("section 4.7.1, MUST"),
        "{one}"
    );
    assert!(one.contains("topics/filters/"), "{one}");
    let none = out(&set.run(&["explain", "U5-112"]));
    for role in ["codec", "server", "client"] {
        let why = format!("no case for a {role}: application: ");
        assert!(none.contains(&why), "{none}");
    }
}

#[test]
fn usage() {
    let set = Set::new();
    let adapter = cli_support::adapter("none");
    for arguments in [
        &["vectors"][..],
        &["nothing"],
        &[
            "vectors",
            "--adapter",
            &adapter,
            "--filter",
            "there/is/none",
        ],
        &["vectors", "--adapter", &adapter, "--filter", "["],
        &["vectors", "--adapter", &adapter, "--version", "4"],
        &["vectors", "--adapter", &adapter, "--timeout", "0"],
        &[
            "vectors",
            "--adapter",
            &adapter,
            "--known-failing",
            "none.txt",
        ],
        &[
            "vectors",
            "--adapter",
            &adapter,
            "--json",
            "no/such/directory",
        ],
        &["broker", "--target", "127.0.0.1:1883"],
        &["broker", "--target", "mqtt://"],
        &["broker", "--target", "mqtt://me:secret@127.0.0.1"],
        &["broker", "--target", "ws://127.0.0.1/elsewhere"],
        &[
            "broker",
            "--target",
            "mqtt://127.0.0.1",
            "--capabilities",
            "none.json",
        ],
        &["show", "there/is/none"],
        &["explain", "MQTT-9.9.9-9"],
        &["report", "--html", "page.html"],
        &["report", "--html", "page.html", "codec/5.0/own.json"],
    ] {
        let output = set.run(arguments);
        exits(&output, 2);
        assert!(!err(&output).is_empty(), "{arguments:?}");
    }
    set.write("bad.txt", "an id 5.0\n");
    exits(&set.vectors("none", &["--known-failing", "bad.txt"]), 2);
    set.write("codec/5.0/own.json", "{");
    exits(&set.run(&["list"]), 2);
}

#[test]
fn known_failing() {
    let set = Set::new();
    let fault = "wrong '\"hex\":\"c000\"'";
    let filter = ["--filter", "pingreq", "--write-known-failing", "known.txt"];
    exits(&set.vectors(fault, &filter), 1);
    let written = set.read("known.txt");
    assert!(written.contains("5.0/pingreq/plain 5.0  #"), "{written}");
    let known = [
        "--filter",
        "pingreq",
        "--known-failing",
        "known.txt",
        "--json",
        "run.json",
    ];
    exits(&set.vectors(fault, &known), 0);
    assert!(set.json("run.json")["totals"]["known-failing"].as_u64() >= Some(2));
    // One that passes.
    let output = set.vectors("none", &known);
    exits(&output, 1);
    assert!(out(&output).contains("5.0/pingreq/plain (5.0): known to fail, but passes"));
    // One that fails and is not listed.
    let listed: Vec<_> = written
        .lines()
        .filter(|line| !line.starts_with("5.0/pingreq/plain "))
        .collect();
    set.write("known.txt", &listed.join("\n"));
    let output = set.vectors(fault, &known);
    exits(&output, 1);
    assert!(out(&output).contains("5.0/pingreq/plain (5.0): failed"));
    // What is not chosen does not count, and what there is not is told.
    set.write("known.txt", "5.0/pingreq/plain\nthere/is/none\n");
    let output = set.vectors(
        "none",
        &["--filter", "topics", "--known-failing", "known.txt"],
    );
    exits(&output, 0);
    assert!(err(&output).contains("there is no such case: there/is/none"));
}

#[test]
fn shoulds_and_open_readings_count_when_strict() {
    let set = Set::new();
    let filter = ["--filter", "5.0/own", "--json", "run.json"];
    exits(&set.vectors("none", &filter), 0);
    let run = set.json("run.json");
    assert_eq!(run["totals"]["should"], 1);
    assert_eq!(run["totals"]["non-strict"], 1);
    assert_eq!(run["cases"][1]["note"], "A-13: ok");
    exits(
        &set.vectors("none", &[&filter[..], &["--strict"]].concat()),
        1,
    );
    assert_eq!(set.json("run.json")["totals"]["failed"], 2);
}

#[test]
fn every_format_can_be_read() {
    let set = Set::new();
    let output = set.vectors(
        "wrong '\"hex\":\"c000\"'",
        &[
            "--filter",
            "5.0/own",
            "--filter",
            "pingreq",
            "--json",
            "run.json",
            "--junit",
            "run.xml",
            "--tap",
            "run.tap",
            "--html",
            "run.html",
            "--name",
            "<the> \"target\"",
        ],
    );
    exits(&output, 1);
    let run = set.json("run.json");
    let cases = run["cases"].as_array().expect("a list");
    let total: u64 = run["totals"]
        .as_object()
        .expect("totals")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(total, cases.len() as u64);
    let failed = run["totals"]["failed"].as_u64().expect("a number");
    assert!(failed >= 2);
    let plain = cases
        .iter()
        .find(|case| case["id"] == PLAIN)
        .expect("the case");
    assert!(
        plain["expected"]
            .as_str()
            .is_some_and(|text| text.contains("PINGREQ"))
    );
    assert_eq!(plain["log"][0]["hex"], "c000");

    let xml = set.read("run.xml");
    let xml = roxmltree::Document::parse(&xml).expect("XML");
    let count = |name: &str| {
        xml.descendants()
            .filter(|node| node.has_tag_name(name))
            .count() as u64
    };
    assert_eq!(count("testcase"), total);
    assert_eq!(count("failure"), failed);
    let sum: u64 = xml
        .descendants()
        .filter(|node| node.has_tag_name("testsuite"))
        .filter_map(|node| node.attribute("tests")?.parse::<u64>().ok())
        .sum();
    assert_eq!(sum, total);

    let tap = set.read("run.tap");
    assert!(
        tap.starts_with(&format!("TAP version 14\n1..{total}\n")),
        "{tap}"
    );
    let points: Vec<_> = tap
        .lines()
        .filter(|line| line.starts_with("ok ") || line.starts_with("not ok "))
        .collect();
    assert_eq!(points.len() as u64, total);
    for (number, point) in points.iter().enumerate() {
        assert!(point.contains(&format!("ok {} - ", number + 1)), "{point}");
    }
    let bad = points
        .iter()
        .filter(|point| point.starts_with("not ok") && !point.contains(" # TODO "));
    assert_eq!(bad.count() as u64, failed);

    let html = set.read("run.html");
    assert!(html.contains("&lt;the&gt; \"target\"") && !html.contains("<the>"));
    assert!(html.contains("5.0/pingreq/plain") && html.contains("MQTT-4.7.1-1"));
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("src="));

    exits(
        &set.vectors(
            "none",
            &[
                "--filter",
                "pingreq",
                "--json",
                "good.json",
                "--name",
                "good",
            ],
        ),
        0,
    );
    exits(
        &set.run(&["report", "--html", "both.html", "run.json", "good.json"]),
        0,
    );
    let both = set.read("both.html");
    assert!(both.contains("<th>good</th>") && both.contains("Cases that differ or fail"));
    // A SHOULD that one fails, and that is not run in the other.
    assert!(both.contains("<code>s_</code>"));
}

#[test]
fn a_reader_that_goes_is_no_fault() {
    let set = Set::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .args(["list", "--vectors"])
        .arg(set.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}
