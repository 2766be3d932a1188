//! Every statement of the standards is shown by a vector or a test, or `spec-vectors/statements/` says why not.
//!
//! The evidence from vectors is written by the generator; this holds that it is up to date, that tests and vectors that are
//! named exist, and that nothing is left open where bytes or topics alone decide.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// With the number of numbered statements; 3.1 numbers none.
const VERSIONS: [(&str, usize); 3] = [("3.1", 0), ("3.1.1", 141), ("5.0", 251)];
const LAYERS: [&str; 7] = [
    "codec",
    "topic",
    "session",
    "client",
    "server",
    "transport",
    "application",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("no list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(text).collect()
}

/// The JSON files below a directory of `spec-vectors/`, in order; none if there is no such directory.
fn files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root().join("spec-vectors").join(directory)];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// By version and statement, the vectors below a directory that cite it. A vector of topics cites for each version by
/// itself, since an id is another statement in another version.
fn citations(directory: &str) -> BTreeMap<(String, String), Vec<String>> {
    citations_where(directory, |_| true)
}

/// Whether a trace of a server has more than one connection, in one of its ways at least.
fn several_connections(trace: &Value) -> bool {
    fn opened(steps: &Value) -> usize {
        let of = |step: &Value| {
            let ways = step["any_of"].as_array();
            let most = ways.and_then(|ways| ways.iter().map(opened).max());
            usize::from(step["open"].is_string()) + most.unwrap_or(0)
        };
        list(steps).iter().map(of).sum()
    }
    trace["role"] == "server" && opened(&trace["steps"]) > 1
}

fn citations_where(
    directory: &str,
    counts: impl Fn(&Value) -> bool,
) -> BTreeMap<(String, String), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for path in files(directory) {
        let file = read(&path);
        let vectors = file["vectors"].as_array().or(file["traces"].as_array());
        for vector in vectors.into_iter().flatten().filter(|one| counts(one)) {
            let id = text(&vector["id"]);
            let cited: Vec<(&str, &Value)> = match &vector["statements"] {
                Value::Object(versions) => {
                    versions.iter().map(|(of, ids)| (&of[..], ids)).collect()
                }
                ids => vec![(text(&file["version"]), ids)],
            };
            if vector["versions"].is_array() {
                let of: Vec<&str> = cited.iter().map(|(version, _)| *version).collect();
                assert_eq!(of, texts(&vector["versions"]), "versions of {id}");
            }
            for (version, ids) in cited {
                assert!(!list(ids).is_empty(), "{id} cites nothing in {version}");
                for statement in texts(ids) {
                    let key = (version.to_owned(), statement.to_owned());
                    found.entry(key).or_default().push(id.to_owned());
                }
            }
        }
    }
    found
}

/// The names of all tests, as the evidence names them: `file::function` and `script::label`.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![root().join("tests"), root().join("src")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let name = path.strip_prefix(root()).expect("below it");
        let name = name.to_str().expect("UTF-8").replace('\\', "/");
        let Ok(content) = fs::read_to_string(&path) else {
            continue;
        };
        let mut is_test = false;
        for line in content.lines().map(str::trim) {
            if name.ends_with(".rs") {
                if let Some(rest) = line.strip_prefix("fn ") {
                    let end = rest.find(['(', '<']).unwrap_or(rest.len());
                    if is_test {
                        found.insert(format!("{name}::{}", &rest[..end]));
                    }
                    is_test = false;
                } else {
                    // Other attributes and comments may stand between.
                    is_test = line == "#[test]" || is_test && line.starts_with(['#', '/']);
                }
            } else if name.ends_with(".sh") {
                for start in ["check \"", "same \""] {
                    let label = line
                        .split_once(start)
                        .and_then(|(_, rest)| rest.split_once('"'));
                    found.extend(label.map(|(label, _)| format!("{name}::{label}")));
                }
            }
        }
    }
    assert!(found.len() > 200, "{} tests", found.len());
    found
}

#[test]
fn every_statement_has_evidence_or_a_reason() {
    let (topics, traces, tests) = (citations("topics"), citations("traces"), tests());
    let connected = citations_where("traces", several_connections);
    let mut faults = Vec::new();
    let mut table = String::new();
    for (version, numbered) in VERSIONS {
        let file = read(&root().join(format!("spec-vectors/statements/{version}.json")));
        assert_eq!(file["version"], version);
        let vectors = citations(&format!("codec/{version}"));
        let mut counts = BTreeMap::<&str, [usize; 5]>::new();
        let mut known = BTreeSet::new();
        for rule in list(&file["statements"]) {
            let id = text(&rule["id"]);
            let mut fault = |what: String| faults.push(format!("{version} {id}: {what}"));
            if !known.insert(id) {
                fault("twice".into());
            }
            let evidence = &rule["evidence"];
            let key = (version.to_owned(), id.to_owned());
            for (kind, cited) in [
                ("vectors", &vectors),
                ("topics", &topics),
                ("traces", &traces),
            ] {
                let expected = cited.get(&key).map_or(&[][..], Vec::as_slice);
                if texts(&evidence[kind]) != expected {
                    fault(format!("the evidence from {kind} is not up to date"));
                }
            }
            for name in texts(&evidence["tests"]) {
                if !tests.contains(name) {
                    fault(format!("there is no test {name}"));
                }
            }
            let kind = rule["reason"]["kind"].as_str();
            let traced = !texts(&evidence["traces"]).is_empty();
            let shown = ["vectors", "topics", "tests", "traces"]
                .iter()
                .any(|kind| !texts(&evidence[kind]).is_empty());
            let column = match (shown, kind) {
                (true, None) => 0,
                (false, Some("open")) => 2,
                (false, Some("unobservable" | "application" | "transport")) => 1,
                (true, Some(_)) => {
                    fault("evidence, and a reason to have none".into());
                    0
                }
                (false, _) => {
                    fault("neither evidence nor a reason".into());
                    2
                }
            };
            let layer = LAYERS
                .into_iter()
                .find(|layer| rule["layer"] == *layer)
                .unwrap_or_else(|| panic!("{id}: layer {}", rule["layer"]));
            if column == 2 {
                println!("open: {version} {id}: {}", rule["reason"]["text"]);
            }
            if matches!(layer, "codec" | "topic") && column > 0 && kind != Some("unobservable") {
                fault("bytes or topics can show it, and do not".into());
            }
            let asked = version != "3.1" && matches!(layer, "session" | "client" | "server");
            match (asked, traced, rule["no_trace"].is_object()) {
                (true, false, false) => fault("neither a trace nor a reason to have none".into()),
                (_, true, true) => fault("a trace, and a reason to have none".into()),
                (false, _, true) => {
                    fault("a reason to have no trace, which nobody asks for".into());
                }
                _ => {}
            }
            let several = rule["several_connections"] == true;
            if several && !connected.contains_key(&key) {
                fault("it takes several connections, and no trace has them".into());
            }
            let counts = counts.entry(layer).or_default();
            counts[column] += 1;
            counts[3] += usize::from(traced);
            counts[4] += usize::from(several && connected.contains_key(&key));
        }
        for (of, statement) in vectors.keys().chain(topics.keys()).chain(traces.keys()) {
            if of == version && !known.contains(&statement[..]) {
                faults.push(format!("{version} {statement} is cited and does not exist"));
            }
        }
        let found = known.iter().filter(|id| id.starts_with("MQTT-")).count();
        assert_eq!(found, numbered, "numbered statements of {version}");
        let mut total = [0; 5];
        let mut line = |layer: &str, [shown, excused, open, traced, connected]: [usize; 5]| {
            let line = format!(
                "| {version} | {layer} | {shown} | {excused} | {open} | {traced} | {connected} |\n"
            );
            table.push_str(&line);
        };
        for layer in LAYERS {
            let Some(row) = counts.get(layer) else {
                continue;
            };
            line(layer, *row);
            (0..5).for_each(|column| total[column] += row[column]);
        }
        line("all", total);
    }
    println!("{table}");
    let readme = fs::read_to_string(root().join("spec-vectors/README.md")).expect("README.md");
    if !readme.contains(&table) {
        faults.push("the table in spec-vectors/README.md is not up to date".into());
    }
    assert!(
        faults.is_empty(),
        "{}\n(the generator in spec-vectors/generator/ writes evidence and table)",
        faults.join("\n")
    );
}
