//! The mode `broker` against servers in threads of the test: a good one, and such as no server should be.

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

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use data::Data;
use servers::server::{Change, good, served};
use verdict::{Case, Outcome, Verdict};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: broker::Options,
}

fn run(port: u16, more: &[&str], data: &Data, chosen: &[Case]) -> Result<Vec<Outcome>, String> {
    let target = format!("mqtt://127.0.0.1:{port}");
    let mut words = vec!["broker", "--target", &target];
    words.extend(more);
    let cli = Cli::parse_from(words);
    let mut told = 0;
    let outcomes = broker::run(&cli.options, data, chosen, &mut |_| told += 1);
    let outcomes = outcomes.map_err(|error| error.to_string())?;
    assert_eq!(told, outcomes.len());
    assert_eq!(outcomes.len(), chosen.len());
    Ok(outcomes)
}

fn all() -> Data {
    Data::load(None).expect("what is in the program")
}

/// The cases of these traces in 5.0.
fn cases(data: &Data, ids: &[&str]) -> Vec<Case> {
    let mut cases = broker::cases(data);
    cases.retain(|case| case.version == "5.0" && ids.contains(&&case.id[..]));
    assert_eq!(cases.len(), ids.len());
    cases
}

const SOME: [&str; 3] = [
    "traces/connect/accepted",
    "traces/qos/server-takes-qos1",
    "traces/resume/qos1-sent-again",
];

/// A trace of its own.
fn one(steps: Value) -> (Data, Vec<Case>) {
    let trace = json!({"id": "traces/test/one", "comment": "", "role": "server", "versions": ["5.0"],
        "statements": {"5.0": ["U5-1"]}, "steps": steps});
    let data = Data {
        codec: Vec::new(),
        topics: Vec::new(),
        traces: vec![json!({"traces": [trace]})],
        statements: Vec::new(),
    };
    let cases = broker::cases(&data);
    (data, cases)
}

fn connected() -> Vec<Value> {
    vec![
        json!({"open": "a"}),
        json!({"send": {"type": "CONNECT"}}),
        json!({"expect": {"type": "CONNACK", "session_present": false, "reason": "0x00"}}),
    ]
}

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// Reads until CONNECT is there, as far as these tests need it.
fn await_connect(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 1024];
    matches!(stream.read(&mut buffer), Ok(read) if read > 0)
}

fn failure(outcome: &Outcome) -> &verdict::Failure {
    match &outcome.verdict {
        Verdict::Fail(failure) => failure,
        other => panic!("{}: {other:?}", outcome.case.id),
    }
}

#[test]
fn nobody_is_there() {
    let data = all();
    let result = run(1, &[], &data, &cases(&data, &SOME));
    let error = result.expect_err("no connection");
    assert!(error.contains("cannot connect"), "{error}");
}

#[test]
fn nobody_is_let_in() {
    let port = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(&[0x20, 3, 0, 0x87, 0]);
    });
    let data = all();
    let result = run(port, &[], &data, &cases(&data, &SOME));
    let error = result.expect_err("a refusal");
    assert!(error.contains("nobody is let in"), "{error}");
}

#[test]
fn one_that_closes_at_once_costs_its_cases() {
    let port = served(drop);
    let data = all();
    let outcomes = run(port, &[], &data, &cases(&data, &SOME)).expect("outcomes");
    for outcome in &outcomes {
        let failure = failure(outcome);
        assert!(failure.is_dead, "{failure:?}");
        assert!(failure.seen.contains("closed"), "{failure:?}");
    }
}

#[test]
fn one_that_hangs_costs_its_cases() {
    let port = served(|stream| {
        thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    let data = all();
    let begin = Instant::now();
    let outcomes = run(port, &["--timeout", "100"], &data, &cases(&data, &SOME));
    assert!(begin.elapsed() < Duration::from_secs(10));
    for outcome in &outcomes.expect("outcomes") {
        let failure = failure(outcome);
        assert!(failure.is_dead, "{failure:?}");
        assert_eq!(failure.seen, "nothing came");
    }
}

#[test]
fn one_that_floods_is_cut_off() {
    let port = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(&CONNACK);
        let publish = [0x30, 5, 0, 1, b'a', 0, 0];
        while stream.write_all(&publish.repeat(1_000)).is_ok() {}
    });
    let mut steps = connected();
    steps.push(json!({"wait_ms": 50_000}));
    let (data, cases) = one(steps.into());
    let begin = Instant::now();
    let outcomes = run(port, &["--timeout", "1000"], &data, &cases).expect("outcomes");
    assert!(begin.elapsed() < Duration::from_secs(20));
    let failure = failure(&outcomes[0]);
    assert!(failure.seen.contains("cut off"), "{}", failure.seen);
    assert!(failure.log.len() <= 400);
}

#[test]
fn a_packet_without_an_end_is_cut_off() {
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let port = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'a']);
        let mut sent = 0;
        while let Ok(more) = stream.write(&[0; 1 << 16]) {
            sent += more;
            MOST.fetch_max(sent, Ordering::Relaxed);
        }
    });
    let (data, cases) = one(connected().into());
    let outcomes = run(port, &["--timeout", "5000"], &data, &cases).expect("outcomes");
    failure(&outcomes[0]);
    // Whoever asks what the server has reads no more either; the rest is in the buffers of the system.
    assert!(MOST.load(Ordering::Relaxed) < 64 << 20);
}

#[test]
fn one_that_reads_nothing_is_given_up() {
    let port = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(&CONNACK);
        thread::sleep(Duration::from_secs(30));
    });
    let mut steps = connected();
    let payload = "00".repeat(60_000);
    let publish = json!({"send": {"type": "PUBLISH", "topic": "a", "payload": payload}});
    steps.extend(vec![publish; 200]);
    let (data, cases) = one(steps.into());
    let begin = Instant::now();
    let outcomes = run(port, &["--timeout", "1000"], &data, &cases).expect("outcomes");
    assert!(begin.elapsed() < Duration::from_secs(20));
    let failure = failure(&outcomes[0]);
    assert_eq!(failure.expected, "that the target reads");
}

#[test]
fn what_is_no_packet_fails() {
    let port = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        thread::sleep(Duration::from_millis(500));
    });
    let data = all();
    let outcomes = run(port, &[], &data, &cases(&data, &SOME)).expect("outcomes");
    for outcome in &outcomes {
        let failure = failure(outcome);
        assert!(failure.seen.contains("no packet"), "{failure:?}");
        assert!(!failure.log.is_empty());
    }
}

/// Nothing that comes behind the last step is overlooked, and no close.
#[test]
fn the_end_is_looked_at() {
    let (data, cases) = one(connected().into());
    let late = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(&CONNACK);
        await_connect(&mut stream);
        let _ = stream.write_all(&[0xD0, 0]);
        thread::sleep(Duration::from_millis(20));
        // SUBACK that nobody has asked for.
        let _ = stream.write_all(&[0x90, 4, 0, 1, 0, 0]);
        thread::sleep(Duration::from_millis(500));
    });
    let outcomes = run(late, &["--timeout", "1000"], &data, &cases).expect("outcomes");
    assert_eq!(failure(&outcomes[0]).expected, "nothing more at the end");
    let closing = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(&CONNACK);
        thread::sleep(Duration::from_millis(20));
    });
    let outcomes = run(closing, &["--timeout", "1000"], &data, &cases).expect("outcomes");
    assert_eq!(failure(&outcomes[0]).seen, "a closed");
}

/// The longest time of any step.
fn longest(trace: &Value) -> u64 {
    match trace {
        Value::Object(map) => {
            let own = ["wait_ms", "quiet_ms", "within_ms"];
            let own = own.iter().filter_map(|name| map.get(*name)?.as_u64());
            own.chain(map.values().map(longest)).max().unwrap_or(0)
        }
        Value::Array(list) => list.iter().map(longest).max().unwrap_or(0),
        _ => 0,
    }
}

/// Every trace that takes no longer than some seconds, against a server that is set up for it.
#[test]
fn the_crate_passes() {
    let data = all();
    let mut traces = BTreeMap::new();
    for file in &data.traces {
        for trace in file["traces"].as_array().expect("traces") {
            traces.insert(trace["id"].as_str().expect("an id"), trace);
        }
    }
    // Those with the same set-up share a server.
    let mut groups: BTreeMap<String, (Value, Vec<Case>)> = BTreeMap::new();
    for case in broker::cases(&data) {
        let Some(trace) = traces.get(&case.id[..]) else {
            continue;
        };
        let has_need = |name| {
            let needs = trace["needs"].as_array();
            needs.is_some_and(|needs| needs.contains(&json!(name)))
        };
        // Over a WebSocket the tests of --given-exec have it.
        if longest(trace) > 5_000 || has_need("websocket") {
            continue;
        }
        let mut set_up = json!({"given": trace["given"], "needs": trace["needs"]});
        if trace["given"].is_null() {
            let refuses = has_need("refuses_3.1");
            set_up["needs"] = json!([if refuses { "refuses_3.1" } else { "serves_3.1" }]);
        }
        let group = groups
            .entry(format!("{set_up} {}", case.version))
            .or_insert_with(|| (set_up.clone(), Vec::new()));
        group.1.push(case);
    }
    let mut faults = Vec::new();
    let mut passed = 0;
    for (index, (set_up, cases)) in groups.values().enumerate() {
        let port = good(set_up, &cases[0].version, Change::None);
        let ids: Vec<&str> = cases.iter().map(|case| &case.id[..]).collect();
        let told = json!({"authentication": true, "response_information": true,
            "topic_alias": true, "qos2": true, "retain": true, "wildcards": true,
            "shared_subscriptions": true, "session_persistence": true,
            "given": if set_up["given"].is_null() { Vec::new() } else { ids }});
        let path =
            std::env::temp_dir().join(format!("capabilities-{}-{index}", std::process::id()));
        std::fs::write(&path, told.to_string()).expect("a file");
        let file = path.to_str().expect("a path");
        let outcomes = run(port, &["--capabilities", file], &data, cases);
        std::fs::remove_file(&path).expect("a file");
        for outcome in outcomes.expect("outcomes") {
            match outcome.verdict {
                Verdict::Pass => passed += 1,
                other => faults.push(format!(
                    "{} {}: {other:?}",
                    outcome.case.id, outcome.case.version
                )),
            }
        }
    }
    println!("{passed} passed");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(passed > 350, "{passed}");
}

/// A server that does one thing wrong fails where that is looked for, and nowhere else.
#[test]
fn one_misbehaviour_is_found() {
    let data = all();
    let ids = [
        "traces/connect/accepted",
        "traces/qos/server-takes-qos1",
        "traces/qos/server-takes-qos2",
        "traces/subscribe/unsubscribe",
    ];
    let all = cases(&data, &ids);
    for (change, found) in [
        (Change::None, None),
        (Change::Lost(4), Some(1)),
        (Change::Twice(4), Some(1)),
        (Change::Lost(7), Some(2)),
        (Change::Twice(7), Some(2)),
        (Change::Lost(11), Some(3)),
        (Change::Twice(11), Some(3)),
    ] {
        let port = good(&json!({}), "5.0", change);
        let outcomes = run(port, &["--timeout", "400"], &data, &all).expect("outcomes");
        for (index, id) in ids.iter().enumerate() {
            let outcome = outcomes.iter().find(|outcome| outcome.case.id == *id);
            let verdict = &outcome.expect("an outcome").verdict;
            if found == Some(index) {
                assert!(
                    matches!(verdict, Verdict::Fail(failure) if !failure.is_dead),
                    "{id} {change:?}: {verdict:?}"
                );
            } else if index != 3 || change == Change::None {
                assert!(
                    matches!(verdict, Verdict::Pass),
                    "{id} {change:?}: {verdict:?}"
                );
            }
        }
    }
}

/// Cases leave nothing behind: no session, no retained message.
#[test]
fn the_server_is_left_clean() {
    let data = all();
    let mut cases = broker::cases(&data);
    cases.retain(|case| {
        case.id.starts_with("traces/retained/") || case.id.starts_with("traces/resume/qos")
    });
    assert!(cases.len() > 5);
    let port = good(&json!({"needs": ["serves_3.1"]}), "5.0", Change::None);
    let outcomes = run(port, &[], &data, &cases).expect("outcomes");
    assert!(
        outcomes
            .iter()
            .any(|outcome| matches!(outcome.verdict, Verdict::Pass))
    );
    let steps = json!([
        {"open": "a"},
        {"send": {"type": "CONNECT"}},
        {"expect": {"type": "CONNACK"}},
        {"send": {"type": "SUBSCRIBE", "packet_id": 1, "subscriptions": [{"filter": "#"}]}},
        {"expect": {"type": "SUBACK"}},
        {"quiet_ms": 200},
    ]);
    let (data, cases) = one(steps);
    let outcomes = run(port, &[], &data, &cases).expect("outcomes");
    assert!(
        matches!(outcomes[0].verdict, Verdict::Pass),
        "{:?}",
        outcomes[0]
    );
}

/// The cases of vectors of 5.0 that are to be refused, or to be taken, one of so many.
fn vectors(data: &Data, is_valid: bool, of: usize) -> Vec<Case> {
    let mut verdicts = BTreeMap::new();
    for file in &data.codec {
        for vector in file["vectors"].as_array().expect("vectors") {
            verdicts.insert(vector["id"].as_str().expect("an id"), &vector["verdict"]);
        }
    }
    let mut cases = broker::cases(data);
    cases.retain(|case| {
        let verdict = verdicts.get(&case.id[..]);
        case.version == "5.0" && verdict.is_some_and(|verdict| (*verdict == "valid") == is_valid)
    });
    let cases: Vec<_> = cases.into_iter().step_by(of).collect();
    assert!(cases.len() > 50);
    cases
}

/// A CONNACK for the first bytes, then what the function says for the others, until it says nothing.
fn answering(stream: TcpStream, answer: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mut stream = stream;
    let mut buffer = vec![0; 1 << 16];
    let mut is_first = true;
    while let Ok(read) = stream.read(&mut buffer) {
        let bytes = &buffer[..read];
        if read == 0 || is_first && stream.write_all(&CONNACK).is_err() {
            return;
        }
        // CONNECT may have something behind it.
        if is_first && !bytes.ends_with(&[0xC0, 0]) {
            is_first = false;
            continue;
        }
        is_first = false;
        match answer(bytes) {
            Some(answer) if stream.write_all(&answer).is_ok() => {}
            _ => return,
        }
    }
}

#[test]
fn one_that_takes_everything_fails_what_is_to_be_refused() {
    let port = served(|stream| {
        answering(stream, |bytes| {
            let is_ping = bytes.ends_with(&[0xC0, 0]);
            Some(if is_ping { vec![0xD0, 0] } else { Vec::new() })
        });
    });
    let data = all();
    let chosen = vectors(&data, false, 5);
    let outcomes = run(port, &["--timeout", "1000"], &data, &chosen).expect("outcomes");
    let mut failed = 0;
    for outcome in &outcomes {
        match &outcome.verdict {
            Verdict::Fail(failure) => {
                assert!(!failure.is_dead, "{}: {failure:?}", outcome.case.id);
                assert_eq!(failure.expected, "close", "{}", outcome.case.id);
                failed += 1;
            }
            // What the standard leaves open.
            Verdict::NonStrict(_) => {}
            other => panic!("{}: {other:?}", outcome.case.id),
        }
    }
    assert!(failed > outcomes.len() * 9 / 10, "{failed}");
}

#[test]
fn one_that_closes_on_everything_fails_what_is_to_be_taken() {
    let port = served(|stream| answering(stream, |_| None));
    let data = all();
    let chosen = vectors(&data, true, 3);
    let outcomes = run(port, &["--timeout", "1000"], &data, &chosen).expect("outcomes");
    let mut failed = 0;
    for outcome in &outcomes {
        match &outcome.verdict {
            Verdict::Fail(_) => failed += 1,
            Verdict::NonStrict(_) | Verdict::Skipped(_) => {}
            // The end of the connection is what it asks for.
            Verdict::Pass => {
                assert!(
                    outcome.case.id.contains("disconnect"),
                    "{}",
                    outcome.case.id
                );
            }
        }
    }
    assert!(
        failed > outcomes.len() / 2,
        "{failed} of {}",
        outcomes.len()
    );
}

/// The standards do not order PINGRESP and an acknowledgement.
#[test]
fn an_answer_may_come_behind_that_to_what_was_sent_later() {
    let port = served(|stream| {
        let late = stream.try_clone().expect("a connection");
        answering(stream, move |bytes| {
            // The identifier of these vectors is 1.
            if bytes[0] & 0xF6 == 0x32 {
                let mut late = late.try_clone().expect("a connection");
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(50));
                    let _ = late.write_all(&[0x40, 2, 0, 1]);
                });
            }
            let is_ping = bytes.ends_with(&[0xC0, 0]);
            Some(if is_ping { vec![0xD0, 0] } else { Vec::new() })
        });
    });
    let data = all();
    let mut chosen = broker::cases(&data);
    chosen.retain(|case| {
        let is_one = matches!(&case.id[..], "5.0/publish/flags-2" | "5.0/publish/flags-4");
        is_one && case.version == "5.0"
    });
    let outcomes = run(port, &["--timeout", "500"], &data, &chosen).expect("outcomes");
    assert!(
        matches!(outcomes[0].verdict, Verdict::Pass),
        "{:?}",
        outcomes[0]
    );
    // And one that never comes is missing.
    assert_eq!(failure(&outcomes[1]).expected, "PUBREC");
}

/// A refusal may be told, and is none if it is told that all is well.
#[test]
fn a_code_before_the_end_is_one_of_an_error() {
    let data = all();
    let mut chosen = vectors(&data, false, 1);
    chosen.retain(|case| case.id.starts_with("5.0/subscribe/options-"));
    assert!(chosen.len() > 50);
    let good = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(&CONNACK);
        await_connect(&mut stream);
        let _ = stream.write_all(&[0xE0, 2, 0x82, 0]);
    });
    for outcome in run(good, &[], &data, &chosen).expect("outcomes") {
        assert!(
            matches!(outcome.verdict, Verdict::Pass),
            "{}: {:?}",
            outcome.case.id,
            outcome.verdict
        );
    }
    let bad = served(|mut stream| {
        await_connect(&mut stream);
        let _ = stream.write_all(&CONNACK);
        await_connect(&mut stream);
        let _ = stream.write_all(&[0xE0, 0]);
    });
    for outcome in run(bad, &[], &data, &chosen).expect("outcomes") {
        let failure = failure(&outcome);
        assert!(failure.seen.contains("DISCONNECT"), "{failure:?}");
    }
}

/// The vectors, against the crate, and nothing is left of them.
#[test]
fn the_crate_takes_and_refuses_vectors() {
    let port = good(&json!({"needs": ["serves_3.1"]}), "5.0", Change::None);
    let data = all();
    let mut chosen = broker::cases(&data);
    chosen.retain(|case| !case.id.starts_with("traces/"));
    let many = |version: &str| chosen.iter().filter(|case| case.version == version).count();
    assert!(many("3.1") > 2_000 && many("3.1.1") > 2_500 && many("5.0") > 5_500);
    // What may be retained is among them.
    let is_kept = |case: &Case| case.id.contains("retain") || case.id.contains("will");
    let mut number = 0;
    chosen.retain(|case| {
        number += 1;
        number % 10 == 0 || is_kept(case)
    });
    let outcomes = run(port, &[], &data, &chosen).expect("outcomes");
    let passed = outcomes
        .iter()
        .filter(|outcome| matches!(outcome.verdict, Verdict::Pass));
    assert!(passed.count() > outcomes.len() / 2);
    for outcome in &outcomes {
        assert!(
            !matches!(outcome.verdict, Verdict::Fail(_)),
            "{} {}: {:?}",
            outcome.case.id,
            outcome.case.version,
            outcome.verdict
        );
    }
    let (data, cases) = one(json!([
        {"open": "a"},
        {"send": {"type": "CONNECT"}},
        {"expect": {"type": "CONNACK"}},
        {"send": {"type": "SUBSCRIBE", "packet_id": 1, "subscriptions": [{"filter": "#"}]}},
        {"expect": {"type": "SUBACK"}},
        {"quiet_ms": 200},
    ]));
    let outcomes = run(port, &[], &data, &cases).expect("outcomes");
    assert!(
        matches!(outcomes[0].verdict, Verdict::Pass),
        "{:?}",
        outcomes[0]
    );
}

/// A server whose messages come to nobody, or to everybody.
#[test]
fn matches_are_looked_at() {
    let data = all();
    let mut chosen = broker::cases(&data);
    chosen.retain(|case| {
        case.version == "5.0"
            && case.id.starts_with("topics/matches/a-2d-")
            && !case.id.contains("dollar")
    });
    assert!(chosen.len() > 2);
    let port = good(&json!({}), "5.0", Change::None);
    for outcome in run(port, &[], &data, &chosen).expect("outcomes") {
        assert!(matches!(outcome.verdict, Verdict::Pass), "{outcome:?}");
    }
    // What it is sent goes back, whatever was subscribed to.
    let echo = served(|stream| {
        answering(stream, |bytes| match bytes.first() {
            Some(0x82) => {
                let mut answer = vec![0x90, 5, bytes[2], bytes[3], 0, 0, 0];
                if bytes.iter().filter(|byte| **byte == b'/').count() < 3 {
                    answer[1] = 4;
                    answer.pop();
                }
                Some(answer)
            }
            Some(0x30) => Some(bytes.to_vec()),
            _ => Some(Vec::new()),
        });
    });
    let outcomes = run(echo, &["--timeout", "1000"], &data, &chosen).expect("outcomes");
    for outcome in outcomes {
        let has_to = outcome.case.id.contains("-matches-");
        let is_passed = matches!(outcome.verdict, Verdict::Pass);
        assert_eq!(is_passed, has_to, "{outcome:?}");
    }
}
