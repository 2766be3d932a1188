//! The traces of `spec-vectors/traces/`, against the client and the server connection.

use std::collections::BTreeMap;

use serde_json::{Value, json};

#[path = "support"]
mod support {
    pub(crate) mod json;
    pub(crate) mod traces;
    pub(crate) mod vector;
}

use support::traces::runner::{Outcome, run};
use support::traces::{Fault, Manner};

/// Every trace with each of its versions.
fn traces() -> Vec<(Value, String)> {
    let directory = support::vector::root().join("traces");
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a file");
        let file: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        for trace in file["traces"].as_array().expect("a list") {
            for version in trace["versions"].as_array().expect("a list") {
                found.push((
                    trace.clone(),
                    version.as_str().expect("a version").to_owned(),
                ));
            }
        }
    }
    found
}

#[test]
fn every_trace_in_every_version() {
    let mut faults = Vec::new();
    let mut counts = BTreeMap::<_, usize>::new();
    for (trace, version) in traces() {
        for manner in [Manner::Whole, Manner::Bytes, Manner::Restarts] {
            if let Err(error) = run(&trace, &version, manner, Fault::None) {
                faults.push(format!("{} {version} {manner:?}: {error}", trace["id"]));
            }
        }
        let role = trace["role"].as_str().expect("a role").to_owned();
        *counts.entry((version, role)).or_default() += 1;
    }
    println!("{counts:?}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// No packet of the side under test may be missing or come twice, and no close, without the trace noticing.
#[test]
fn every_trace_notices_a_side_that_fails() {
    let mut unnoticed = Vec::new();
    let mut tried = 0;
    for (trace, version) in traces() {
        let Ok(Outcome { packets, closes }) = run(&trace, &version, Manner::Whole, Fault::None)
        else {
            continue;
        };
        // Where there are alternatives, a packet less may be one of them.
        let open_choice = trace["steps"].to_string().contains("any_of");
        let lost = (0..packets).filter(|_| !open_choice).map(Fault::Lost);
        let twice = (0..packets).map(Fault::Twice);
        let open = (closes > 0).then_some(Fault::StaysOpen);
        for fault in lost.chain(twice).chain(open) {
            tried += 1;
            if run(&trace, &version, Manner::Whole, fault).is_ok() {
                unnoticed.push(format!("{} {version} {fault:?}", trace["id"]));
            }
        }
    }
    println!("{tried} failures of a side");
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

/// Each thing that a trace expects is one that can fail: a trace that expects something else does not pass.
#[test]
fn every_expectation_can_fail() {
    let mut unnoticed = Vec::new();
    let mut tried = 0;
    for (trace, version) in traces() {
        for (place, other) in others(&trace["steps"], &version) {
            let mut changed = trace.clone();
            *changed["steps"].pointer_mut(&place).expect("a place") = other.clone();
            tried += 1;
            if run(&changed, &version, Manner::Whole, Fault::None).is_ok() {
                unnoticed.push(format!("{} {version} {place} {other}", trace["id"]));
            }
        }
    }
    println!("{tried} changed expectations");
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

/// Where something is expected, and another value for it.
fn others(steps: &Value, version: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (index, step) in steps.as_array().expect("steps").iter().enumerate() {
        if step["only"]
            .as_array()
            .is_some_and(|only| !only.contains(&json!(version)))
        {
            continue;
        }
        for verb in ["expect", "expect_all", "delivered"] {
            leaves(&step[verb], format!("/{index}/{verb}"), version, &mut found);
        }
        if version == "5.0" || step["told"]["type"] == "CONNACK" {
            leaves(&step["told"], format!("/{index}/told"), version, &mut found);
        }
        if step["any_of"].is_array() {
            let none = json!([[{"expect": {"type": "no such packet"}}]]);
            found.push((format!("/{index}/any_of"), none));
        }
        if step["quiet_ms"].is_number() {
            found.push((
                format!("/{index}"),
                json!({"expect": {}, "within_ms": step["quiet_ms"]}),
            ));
        }
    }
    found
}

/// The single values of a pattern, as far as the version has them.
fn leaves(pattern: &Value, place: String, version: &str, found: &mut Vec<(String, Value)>) {
    match pattern {
        Value::Object(map) if map.contains_key("by_version") => {
            leaves(
                &map["by_version"][version],
                format!("{place}/by_version/{version}"),
                version,
                found,
            );
        }
        Value::Object(map) if map.contains_key("one_of") => {
            found.push((place, json!({"one_of": ["none of these"]})));
        }
        Value::Object(map) if map.contains_key("min") || map.contains_key("max") => {
            found.push((place, json!({"min": 4_294_967_296_u64})));
        }
        Value::Object(map) if map.contains_key("absent") => found.push((place, json!("something"))),
        Value::Object(map) if map.contains_key("var") => {}
        Value::Object(map) => {
            for (key, value) in map {
                let only_5 = match &key[..] {
                    "properties" | "no_local" | "retain_as_published" | "retain_handling" => true,
                    "reason" => map["type"] != "CONNACK",
                    "reasons" => map["type"] == "UNSUBACK",
                    _ => false,
                };
                if version == "5.0" || !only_5 {
                    leaves(value, format!("{place}/{key}"), version, found);
                }
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                leaves(value, format!("{place}/{index}"), version, found);
            }
            let mut longer = list.clone();
            longer.push(json!({"type": "no such packet"}));
            found.push((place, longer.into()));
        }
        Value::Null => {}
        Value::Bool(value) => found.push((place, json!(!value))),
        Value::Number(number) => found.push((place, json!(number.as_u64().unwrap_or(0) + 7))),
        Value::String(_) => found.push((place, json!("something else"))),
    }
}

/// What the codec's vectors say of packets holds for these bytes too.
#[test]
fn what_is_sent_is_what_the_vectors_say() {
    use support::traces::bytes::encode;
    use support::vector::{bytes, read};
    let mut seen = 0;
    for version in ["3.1", "3.1.1", "5.0"] {
        for file in [
            "connect",
            "connack",
            "publish",
            "subscribe",
            "suback",
            "disconnect",
        ] {
            let file = read(&format!("codec/{version}/{file}.json"));
            for vector in file["vectors"].as_array().expect("a list") {
                let ours = vector["packet"]["version"].as_str().unwrap_or(version) == version;
                if vector["canonical"] == true && vector["hex"].is_string() && ours {
                    let mut got = encode(version, &vector["packet"]).expect("a packet");
                    let mut expected = bytes(vector);
                    // The order of different properties is not kept, and the shortest DISCONNECT is shorter.
                    if vector["packet"]["type"] == "DISCONNECT"
                        && vector["packet"]["properties"] == json!({})
                    {
                        continue;
                    }
                    got.sort_unstable();
                    expected.sort_unstable();
                    assert_eq!(got, expected, "{}", vector["id"]);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}
