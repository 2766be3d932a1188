//! Runs as small files, and the page that is made of either kind.

mod cli_support;

use std::collections::BTreeMap;

use cli_support::{Set, exits};
use serde_json::{Map, Value};

/// What is known of a case: result, note, expected, seen.
type Known = BTreeMap<(String, String), [Value; 4]>;

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn known(of: &Value) -> [Value; 4] {
    ["result", "note", "expected", "seen"].map(|key| of[key].clone())
}

fn of_run(run: &Value) -> Known {
    let cases = list(&run["cases"]).iter();
    let key = |case: &Value| (text(&case["id"]), text(&case["version"]));
    cases.map(|case| (key(case), known(case))).collect()
}

fn of_brief(brief: &Value) -> Known {
    let mut all = Known::new();
    for group in list(&brief["cases"]) {
        for (beginning, names) in group["ids"].as_object().expect("an object") {
            for name in list(names) {
                let id = format!("{beginning}{}", text(name));
                let before = all.insert((id, text(&group["version"])), known(group));
                assert_eq!(before, None);
            }
        }
    }
    for group in list(&brief["failures"]) {
        for case in list(&group["cases"]) {
            let key = (text(&case["id"]), text(&group["version"]));
            assert_eq!(all.insert(key, known(group)), None);
        }
    }
    all
}

fn run(set: &Set, fault: &str, name: &str) -> (Value, Value) {
    let (full, brief) = (format!("{name}.json"), format!("{name}.brief.json"));
    let html = format!("{name}.html");
    let files = [
        "--json",
        &full,
        "--json-brief",
        &brief,
        "--html",
        &html,
        "--name",
        name,
    ];
    set.vectors(fault, &files);
    (set.json(&full), set.json(&brief))
}

#[test]
fn a_brief_run_says_what_the_run_says() {
    let set = Set::new();
    for fault in [
        "none",
        "wrong '\"hex\":\"c000\"'",
        "wrong '\"op\":\"filter\"'",
    ] {
        let (full, brief) = run(&set, fault, "run");
        assert_eq!(of_run(&full), of_brief(&brief), "{fault}");
        for (key, value) in full.as_object().expect("an object") {
            if !["kind", "cases"].contains(&&key[..]) {
                assert_eq!(brief[key], *value, "{key}");
            }
        }
        assert_eq!(
            (&brief["format"], &brief["kind"]),
            (&1.into(), &"brief".into())
        );
    }
}

#[test]
fn a_case_that_passes_has_few_bytes() {
    let set = Set::new();
    let (full, brief) = run(&set, "none", "run");
    let cases = list(&full["cases"]).len();
    let bytes = set.read("run.brief.json").len();
    assert!(
        cases > 300 && bytes < cases * 40,
        "{bytes} bytes for {cases}"
    );
    assert!(list(&brief["failures"]).len() < 5);
}

/// The page knows by itself what its files leave out.
#[test]
fn the_same_page_from_any_file() {
    let set = Set::new();
    let (mut full, _) = run(&set, "wrong '\"hex\":\"c000\"'", "run");
    let report = |from: &str, to: &str| exits(&set.run(&["report", "--html", to, from]), 0);
    report("run.json", "full.html");
    assert_eq!(set.read("run.html"), set.read("full.html"));

    for case in full["cases"].as_array_mut().expect("cases") {
        let kept = [
            "id", "version", "result", "note", "expected", "seen", "dead", "log",
        ];
        let kept = kept
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), case.get(*key)?.clone())));
        *case = Value::Object(kept.collect::<Map<_, _>>());
    }
    set.write("less.json", &full.to_string());
    report("less.json", "less.html");
    assert_eq!(set.read("less.html"), set.read("full.html"));

    report("run.brief.json", "brief.html");
    // But for the log, which the data have.
    let without = |name: &str| {
        let page = set.read(name);
        let parts = page
            .split("<pre>")
            .map(|part| part.split_once("</pre>\n").map_or(part, |(_, rest)| rest));
        let mut lines: Vec<_> = parts
            .collect::<String>()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines.retain(|line| !line.contains("id=\"c") && !line.contains("href=\"#c"));
        lines
    };
    assert_eq!(without("brief.html"), without("full.html"));
}

#[test]
fn several_runs_beside_each_other() {
    let set = Set::new();
    run(&set, "wrong '\"hex\":\"c000\"'", "bad");
    run(&set, "none", "good");
    let output = set.run(&[
        "report",
        "--html",
        "both.html",
        "bad.brief.json",
        "good.json",
    ]);
    exits(&output, 0);
    let page = set.read("both.html");
    assert!(page.contains("id=\"overview\""));
    let row = page
        .lines()
        .find(|line| line.contains("data-row=\"bad\"") && line.contains("5.0/pingreq/plain "));
    let row = row.expect("the case");
    assert!(row.contains("<code>F.</code>"), "{row}");
    // What is the same for both is no difference.
    assert!(!page.contains("<span>3.1.1/pingreq/flags-1 "));

    set.write("bad.json", "{\"format\":1,\"kind\":\"other\",\"cases\":[]}");
    exits(&set.run(&["report", "--html", "x.html", "bad.json"]), 2);
}
