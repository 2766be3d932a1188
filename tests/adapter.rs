//! The adapter example: what it answers to each kind of line, and that it goes on after it.

#[allow(dead_code)] // `main`, which the last test runs as a program
#[path = "../examples/adapter.rs"]
mod adapter;
#[path = "support/vector.rs"]
mod vector;

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use adapter::json;
use serde_json::{Value, json};

/// The answers to lines that arrive together.
fn answers(input: impl AsRef<[u8]>) -> Vec<Value> {
    answers_within(1 << 24, input)
}

fn answers_within(maximum: usize, input: impl AsRef<[u8]>) -> Vec<Value> {
    let mut output = Vec::new();
    adapter::serve(maximum, &mut Cursor::new(input), &mut output).expect("in memory");
    let text = String::from_utf8(output).expect("JSON is text");
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON")
}

#[track_caller]
fn answer(line: Value) -> Value {
    let mut answers = answers(line.to_string());
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[test]
fn decode() {
    for (request, response) in [
        (
            json!({"id": 1, "version": "5.0", "hex": "d000"}),
            json!({"id": 1, "result": "ok", "packet": {"type": "PINGRESP"}}),
        ),
        (
            json!({"op": "decode", "version": "3.1.1", "direction": "c2s", "hex": "C000C000C0"}),
            json!({"id": null, "result": "ok", "packet": {"type": "PINGREQ"}, "rest": 3}),
        ),
        (
            json!({"version": "5.0", "hex": ""}),
            json!({"id": null, "result": "incomplete"}),
        ),
        (
            json!({"version": "5.0", "hex": "30060001"}),
            json!({"id": null, "result": "incomplete"}),
        ),
        // Both kinds of errors; the reason code is one of 5.0.
        (
            json!({"version": "5.0", "hex": "300400016105"}),
            json!({"id": null, "result": "malformed", "reason": "0x81", "statement": "section 2.2.2.1", "offset": 5}),
        ),
        (
            json!({"version": "5.0", "hex": "30070001610323ffff", "direction": "c2s"}),
            json!({"id": null, "result": "ok", "packet": {"type": "PUBLISH", "dup": false, "qos": 0,
                "retain": false, "topic": "a", "payload": "", "properties": {"topic_alias": 65535}}}),
        ),
        (
            json!({"version": "5.0", "hex": "300700016103230000"}),
            json!({"id": null, "result": "protocol-error", "reason": "0x94",
                "statement": "MQTT-3.3.2-8", "offset": 7}),
        ),
        (
            json!({"version": "3.1.1", "hex": "40020000"}),
            json!({"id": null, "result": "protocol-error", "statement": "MQTT-2.3.1-6", "offset": 2}),
        ),
        // PINGREQ is the client's to send.
        (
            json!({"version": "5.0", "hex": "c000", "direction": "any"}),
            json!({"id": null, "result": "ok", "packet": {"type": "PINGREQ"}}),
        ),
        (
            json!({"version": "5.0", "hex": "c000", "direction": "s2c"}),
            json!({"id": null, "result": "protocol-error", "reason": "0x82",
                "statement": "section 2.1.2", "offset": 0}),
        ),
    ] {
        assert_eq!(answer(request.clone()), response, "{request}");
    }
}

#[test]
fn topics() {
    for (request, response) in [
        (
            json!({"op": "topic", "version": "5.0", "topic": "a/b"}),
            json!({"id": null, "result": true}),
        ),
        (
            json!({"op": "topic", "version": "5.0", "topic": "a/+"}),
            json!({"id": null, "result": false, "statement": "MQTT-3.3.2-2"}),
        ),
        (
            json!({"op": "topic", "version": "3.1.1", "topic": "\0"}),
            json!({"id": null, "result": false, "statement": "MQTT-4.7.3-2"}),
        ),
        (
            json!({"op": "filter", "version": "5.0", "filter": "a/+/#"}),
            json!({"id": null, "result": true}),
        ),
        (
            json!({"op": "filter", "version": "5.0", "filter": "$share//#"}),
            json!({"id": null, "result": false, "statement": "MQTT-4.8.2-1"}),
        ),
        (
            json!({"op": "filter", "version": "3.1.1", "filter": "$share//#"}),
            json!({"id": null, "result": true}),
        ),
        (
            json!({"op": "match", "version": "5.0", "filter": "a/+", "topic": "a/ä"}),
            json!({"id": null, "result": true}),
        ),
        (
            json!({"op": "match", "version": "3.1.1", "filter": "a/+", "topic": "a/b/c"}),
            json!({"id": null, "result": false}),
        ),
    ] {
        assert_eq!(answer(request.clone()), response, "{request}");
    }
}

/// A text that is too long for MQTT, and one that is not.
#[test]
fn long_topics() {
    for (length, good) in [(65_535, true), (65_536, false)] {
        for op in ["topic", "filter"] {
            let text = "ä".repeat(length / 2) + &"a".repeat(length % 2);
            let request = json!({"op": op, "version": "5.0", op: text});
            assert_eq!(answer(request)["result"], json!(good));
        }
    }
}

#[test]
fn requests_that_make_no_sense() {
    for request in [
        json!({"version": "5.0"}),
        json!({"hex": "d000"}),
        json!({"version": 5, "hex": "d000"}),
        json!({"version": "4.0", "hex": "d000"}),
        json!({"version": "5.0", "hex": "d00"}),
        json!({"version": "5.0", "hex": "d0 00"}),
        json!({"version": "5.0", "hex": "+d00"}),
        json!({"version": "5.0", "hex": "dä0"}),
        json!({"version": "5.0", "hex": 208}),
        json!({"version": "5.0", "hex": ["d0", "00"]}),
        json!({"version": "5.0", "hex": "d000", "direction": "up"}),
        json!({"version": "5.0", "hex": "d000", "direction": 1}),
        json!({"version": "5.0", "hex": "d000", "op": "encode"}),
        json!({"version": "5.0", "hex": "d000", "op": ["decode"]}),
        json!({"version": "5.0", "op": "topic", "filter": "a"}),
        json!({"version": "5.0", "op": "filter", "topic": "a"}),
        json!({"version": "5.0", "op": "match", "filter": "a"}),
        json!({"version": "5.0", "op": "match", "topic": "a"}),
        json!({"version": "5.0", "op": "match", "filter": "a#", "topic": "a"}),
        json!({"version": "5.0", "op": "match", "filter": "a", "topic": "#"}),
    ] {
        let mut with_id = request.clone();
        with_id["id"] = "same".into();
        let response = answer(with_id);
        let fields = response.as_object().expect("an object");
        assert_eq!(response["id"], "same", "{request}");
        assert!(response["error"].is_string(), "{request}: {response}");
        assert_eq!(fields.len(), 2, "{request}: {response}");
    }
}

#[test]
fn every_id_comes_back() {
    for id in [
        json!(null),
        json!(true),
        json!(0),
        json!(-7),
        json!(u64::MAX),
        json!(0.5),
        json!(""),
        json!("5.0/publish/a \"quoted\" \u{0} \u{1F600}"),
        json!([1, [2, {}]]),
        json!({"id": {"a": [null]}}),
    ] {
        let good = json!({"id": id, "version": "5.0", "hex": "d000"});
        assert_eq!(answer(good)["id"], id);
        let bad = json!({"id": id, "version": "?", "hex": "d000"});
        assert_eq!(answer(bad)["id"], id);
    }
}

#[test]
fn lines_that_are_not_json() {
    for (line, id) in [
        (&b"nonsense"[..], json!(null)),
        (b"{\"id\": 7, \"version\": ", json!(7)),
        (
            b"{\"version\": \"5.0\", \"id\" : \"x y\", \"hex\" \"d000\"}",
            json!("x y"),
        ),
        (b"{\"topic\": \"id\", \"id\": [1], ]", json!([1])),
        (b"{\"id\": 12", json!(null)),
        (b"{\"id\": \"12", json!(null)),
        (b"{\"id\": ", json!(null)),
        (b"{\"id\"", json!(null)),
        (b"{\"id\": 7, \"topic\": \"\xFF\"}", json!(7)),
        (b"\xFF\xFE", json!(null)),
        (b"\0", json!(null)),
        (b"{\"id\":1,\"topic\":\"\\ud800\"}", json!(1)),
        (b"{} {}", json!(null)),
        (b"[1]", json!(null)),
        (b"\"id\"", json!(null)),
        (b"7", json!(null)),
        (&[b'['; 100_000], json!(null)),
    ] {
        let stream = [
            line,
            b"\n{\"id\":\"next\",\"version\":\"5.0\",\"hex\":\"d000\"}\n",
        ]
        .concat();
        let answers = answers(&stream);
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]);
        assert_eq!(answers.len(), 2, "{shown}");
        assert_eq!(answers[0]["id"], id, "{shown}");
        assert!(answers[0]["error"].is_string(), "{shown}: {}", answers[0]);
        assert_eq!(answers[1]["id"], "next", "{shown}");
        assert_eq!(answers[1]["result"], "ok", "{shown}");
    }
}

#[test]
fn ends_of_lines() {
    let ping = r#"{"version":"5.0","hex":"d000"}"#;
    assert_eq!(answers("").len(), 0);
    assert_eq!(answers("\n\n  \n\r\n").len(), 0);
    assert_eq!(answers(format!("{ping}\r\n\n{ping}\n {ping} ")).len(), 3);
    // Two objects on a line are no request.
    assert!(answers(format!("{ping}{ping}\n"))[0]["error"].is_string());
    // The order of the keys is free, and what is not known is not looked at.
    let odd = r#"{"hex":"d000","more":{"op":1},"version":"5.0","id":1}"#;
    assert_eq!(answers(odd)[0]["result"], "ok");
}

#[test]
fn a_line_that_is_too_long() {
    let ping = r#"{"id":1,"version":"5.0","hex":"d000"}"#;
    let pings = format!("{ping}\n{ping}\n");
    for answer in answers_within(ping.len(), &pings) {
        assert_eq!(answer["result"], "ok");
    }
    for maximum in [8, 20, ping.len() - 1] {
        let answers = answers_within(maximum, &pings);
        assert_eq!(answers.len(), 2);
        for answer in answers {
            assert_eq!(answer["id"], 1, "{maximum}");
            assert!(answer["error"].as_str().expect("text").contains("longer"));
        }
    }
    // The line at the end of the input may be without an end.
    assert_eq!(answers_within(ping.len(), ping)[0]["result"], "ok");
    assert_eq!(answers_within(ping.len() - 1, ping).len(), 1);
    assert_eq!(answers_within(10, [b' '; 1000]).len(), 1);
}

/// Every vector, put as a request: the verdict comes back, and the packet. Some payloads of megabytes are left out, since
/// they would take most of the time.
#[test]
fn vectors() {
    let (mut asked, mut wrong) = (0, Vec::new());
    for directory in fs::read_dir(vector::root().join("codec")).expect("spec-vectors") {
        for file in fs::read_dir(directory.expect("an entry").path()).expect("a directory") {
            let text = fs::read_to_string(file.expect("an entry").path()).expect("text");
            let file: Value = serde_json::from_str(&text).expect("JSON");
            for vector in file["vectors"].as_array().expect("a list") {
                let bytes = vector::bytes(vector);
                if bytes.len() > 100_000 {
                    continue;
                }
                asked += 1;
                if let Err(response) = ask(&file["version"], vector, &bytes) {
                    let response = response.to_string();
                    let start: String = response.chars().take(400).collect();
                    wrong.push(format!("{}: {start}", vector["id"]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 10_000, "only {asked} vectors");
}

fn ask(version: &Value, vector: &Value, bytes: &[u8]) -> Result<(), Value> {
    let response = answer(json!({
        "id": vector["id"],
        "version": version,
        "direction": vector["direction"],
        "hex": json::hex(bytes),
    }));
    let result = response["result"].as_str().unwrap_or_default();
    let good = match vector["verdict"].as_str() {
        Some("valid") => {
            result == "ok"
                && response["packet"] == vector::expanded(&vector["packet"])
                && response["rest"] == vector["rest"]
        }
        Some("incomplete") => result == "incomplete",
        // Before 5.0 the two kinds are one.
        _ if version == "5.0" => {
            vector["verdict"] == result && response["reason"] == vector["reasons"][0]
        }
        _ => ["malformed", "protocol-error"].contains(&result) && response["reason"] == Value::Null,
    };
    if good && response["id"] == vector["id"] {
        Ok(())
    } else {
        Err(response)
    }
}

/// The program itself, with a peer that waits for each answer before it asks on.
#[test]
fn a_conversation_with_the_program() {
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example runs");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    for (line, expected) in [
        (r#"{"id":1,"version":"5.0","hex":"d000"}"#, json!("ok")),
        ("nonsense", json!(null)),
        (
            r#"{"id":2,"op":"match","version":"5.0","filter":"+","topic":"a"}"#,
            json!(true),
        ),
    ] {
        writeln!(input, "{line}").expect("it reads");
        let mut response = String::new();
        output.read_line(&mut response).expect("it answers");
        let response: Value = serde_json::from_str(&response).expect("JSON");
        assert_eq!(response["result"], expected, "{line}");
    }
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn help_and_wrong_arguments() {
    for (argument, good) in [("--help", true), ("--other", false)] {
        let output = Command::new(program()).arg(argument).output();
        let output = output.expect("the example runs");
        assert_eq!(output.status.success(), good);
        assert!(String::from_utf8_lossy(&output.stdout).contains("one line"));
    }
}

/// `cargo test` builds the examples into a directory beside that of the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let profile = test.parent().and_then(Path::parent).expect("directories");
    let name = format!("adapter{}", std::env::consts::EXE_SUFFIX);
    let program = profile.join("examples").join(name);
    assert!(
        program.exists(),
        "not built: run `cargo build --example adapter`, or `cargo test` for all"
    );
    program
}
