//! What shows each statement: no gaps, no reason that is not needed, and what is committed is what the program says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const ROLES: [&str; 3] = ["codec", "server", "client"];

fn statements(format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .args(["statements", format])
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn json() -> Value {
    serde_json::from_str(&statements("--json")).expect("JSON")
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).expect("a file")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn each_statement_has_cases_or_a_reason_for_each_side() {
    let all = json();
    let mut many = 0;
    let mut gaps = Vec::new();
    for statement in list(&all["statements"]) {
        for role in ROLES {
            let shown = &statement[role];
            let is_shown = !list(&shown["cases"]).is_empty() || shown["watched"] == true;
            let text = shown["reason"]["text"].as_str().unwrap_or_default();
            if !is_shown && text.is_empty() {
                gaps.push(format!(
                    "{}:{} {role}",
                    statement["version"], statement["id"]
                ));
            }
            many += 1;
        }
    }
    assert_eq!(many, 3 * (50 + 173 + 349));
    assert!(
        gaps.is_empty(),
        "neither a case nor a reason in conformance/reasons.json:\n{}",
        gaps.join("\n")
    );
}

/// With `UPDATE` in the environment those that are not needed are taken out.
#[test]
fn no_reason_stands_where_there_is_a_case() {
    let all = json();
    let mut reasons: Value = serde_json::from_str(&read("reasons.json")).expect("JSON");
    let mut stale = Vec::new();
    for one in reasons.as_array_mut().expect("a list") {
        let role = one["role"].as_str().expect("a role").to_owned();
        let is_used = |id: Option<&Value>| {
            list(&all["statements"]).iter().any(|statement| {
                let reason = &statement[&role]["reason"];
                statement["version"] == one["version"]
                    && id.is_none_or(|id| statement["id"] == *id)
                    && reason["kind"] == one["kind"]
                    && reason["text"] == one["text"]
            })
        };
        let Some(ids) = one["statements"].as_array() else {
            assert!(is_used(None), "{one}");
            continue;
        };
        let (used, unused): (Vec<_>, Vec<_>) =
            ids.iter().cloned().partition(|id| is_used(Some(id)));
        stale.extend(
            unused
                .iter()
                .map(|id| format!("{} {role}: {id}", one["version"])),
        );
        one["statements"] = used.into();
    }
    if std::env::var_os("UPDATE").is_some() {
        let left = list(&reasons).iter();
        let left = left.filter(|one| one["statements"] != Value::Array(Vec::new()));
        let lines: Vec<_> = left.map(Value::to_string).collect();
        let text = format!("[\n{}\n]\n", lines.join(",\n"));
        fs::write(path("reasons.json"), text).expect("a file");
        return;
    }
    assert!(
        stale.is_empty(),
        "not needed in conformance/reasons.json, UPDATE=1 takes them out:\n{}",
        stale.join("\n")
    );
}

#[test]
fn the_sums_are_those_of_the_statements() {
    let all = json();
    for sums in list(&all["counts"]) {
        let role = sums["role"].as_str().expect("a role");
        let of_version = list(&all["statements"]).iter();
        let of_version = of_version.filter(|one| one["version"] == sums["version"]);
        let count =
            |is: &dyn Fn(&Value) -> bool| of_version.clone().filter(|one| is(&one[role])).count();
        let with_cases = count(&|shown| shown["cases"].is_array());
        let watched = count(&|shown| shown["watched"] == true);
        let missing = count(&|shown| shown["reason"]["kind"] == "missing");
        let reasons = count(&|shown| shown["reason"].is_object()) - missing;
        assert_eq!(sums["with_cases"], with_cases);
        assert_eq!(sums["watched"], watched);
        assert_eq!(sums["missing"], missing);
        assert_eq!(sums["with_reason"], reasons);
        assert_eq!(sums["statements"], with_cases + watched + missing + reasons);
    }
}

/// With `UPDATE` in the environment the files are written, not compared.
#[test]
fn the_committed_tables_are_up_to_date() {
    const BEGIN: &str = "<!-- statements -->\n";
    const END: &str = "<!-- /statements -->";
    let table = statements("--markdown");
    assert!(table.len() < 150_000, "{} bytes", table.len());
    let sums: String = table
        .lines()
        .skip_while(|line| !line.starts_with("| version |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| format!("{line}\n"))
        .collect();
    let readme = read("README.md");
    let (head, rest) = readme.split_once(BEGIN).expect("a begin");
    let (_, tail) = rest.split_once(END).expect("an end");
    let wanted = format!("{head}{BEGIN}{sums}{END}{tail}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path("STATEMENTS.md"), &table).expect("a file");
        fs::write(path("README.md"), &wanted).expect("a file");
        return;
    }
    let how = "UPDATE=1 cargo test -p mqtt-conformance --test statements";
    assert!(
        table == read("STATEMENTS.md"),
        "STATEMENTS.md is not up to date: {how}"
    );
    assert!(wanted == readme, "README.md is not up to date: {how}");
}
