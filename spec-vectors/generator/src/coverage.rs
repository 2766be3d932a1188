//! Which statement is shown by what: fills the evidence in `statements/` from the citations of the vectors, and counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

const VERSIONS: [&str; 3] = ["3.1", "3.1.1", "5.0"];
const LAYERS: [&str; 7] = [
    "codec",
    "topic",
    "session",
    "client",
    "server",
    "transport",
    "application",
];
const START: &str = "<!-- coverage -->";
const END: &str = "<!-- /coverage -->";

/// Writes the evidence and the table of README.md, and prints the counts and what is open.
pub fn run(root: &Path) {
    match files(root) {
        Ok((files, report)) => {
            for (path, text) in files {
                if let Err(error) = fs::write(root.join(&path), text) {
                    eprintln!("{path}: {error}");
                }
            }
            print!("{report}");
        }
        Err(error) => eprintln!("coverage: {error}"),
    }
}

/// The files as they should be, by their path below `root`, and what there is to tell.
pub fn files(root: &Path) -> Result<(BTreeMap<String, String>, String), String> {
    let topics = cited_in(root, "topics")?;
    let traces = cited_in(root, "traces")?;
    let (mut files, mut table, mut report) = (BTreeMap::new(), head(), String::new());
    for version in VERSIONS {
        let path = format!("statements/{version}.json");
        let mut file = read(&root.join(&path))?;
        let codec = cited_in(root, &format!("codec/{version}"))?;
        let rules = file["statements"].as_array_mut().ok_or("no statements")?;
        let mut counts = BTreeMap::<_, [usize; 4]>::new();
        for rule in rules.iter_mut() {
            let id = text(rule, "id");
            let of = |cited: &Citations| {
                cited
                    .get(&(version.to_owned(), id.clone()))
                    .cloned()
                    .unwrap_or_default()
            };
            rule["evidence"]["vectors"] = json!(of(&codec));
            rule["evidence"]["topics"] = json!(of(&topics));
            rule["evidence"]["traces"] = json!(of(&traces));
            // A trace of what a broker does beside its connections says nothing of the crate: then there is a reason.
            let shown = rule["evidence"].as_object().is_some_and(|kinds| {
                let mut kinds = kinds.iter().filter(|(_, ids)| **ids != json!([]));
                kinds.any(|(kind, _)| kind != "traces" || rule["reason"].is_null())
            });
            let open = rule["reason"]["kind"]
                .as_str()
                .is_none_or(|kind| kind == "open");
            let column = if shown { 0 } else { 1 + usize::from(open) };
            let counts = counts.entry(text(rule, "layer")).or_default();
            counts[column] += 1;
            counts[3] += usize::from(rule["evidence"]["traces"] != json!([]));
            if column == 2 {
                let reason = rule["reason"]["text"]
                    .as_str()
                    .unwrap_or("neither evidence nor reason");
                let _ = writeln!(report, "open: {version} {id}: {reason}");
            }
        }
        files.insert(path, render(&file)?);
        let mut total = [0; 4];
        for layer in LAYERS {
            let Some(row) = counts.get(layer) else {
                continue;
            };
            line(&mut table, version, layer, *row);
            (0..4).for_each(|column| total[column] += row[column]);
        }
        line(&mut table, version, "all", total);
    }
    report += &table;
    let readme = fs::read_to_string(root.join("README.md"))
        .map_err(|error| format!("README.md: {error}"))?;
    let (before, rest) = readme
        .split_once(START)
        .ok_or("README.md has no coverage marker")?;
    let (_, after) = rest
        .split_once(END)
        .ok_or("README.md has no end of the coverage")?;
    files.insert(
        "README.md".into(),
        format!("{before}{START}\n{table}{END}{after}"),
    );
    Ok((files, report))
}

fn head() -> String {
    "| version | layer | shown | excused | open | by a trace |\n|---|---|--:|--:|--:|--:|\n".into()
}

fn line(
    table: &mut String,
    version: &str,
    layer: &str,
    [shown, excused, open, traced]: [usize; 4],
) {
    let _ = writeln!(
        table,
        "| {version} | {layer} | {shown} | {excused} | {open} | {traced} |"
    );
}

/// By version and statement, the ids of the vectors that cite it, in their order.
type Citations = BTreeMap<(String, String), Vec<String>>;

fn cited_in(root: &Path, directory: &str) -> Result<Citations, String> {
    let mut out = Citations::new();
    let entries =
        fs::read_dir(root.join(directory)).map_err(|error| format!("{directory}: {error}"))?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.sort();
    for path in paths {
        let file = read(&path)?;
        let vectors = list(&file["vectors"]).iter().chain(list(&file["traces"]));
        for vector in vectors {
            // A vector of topics and a trace cite for each version by itself: the ids mean other statements there.
            let cited: Vec<(String, &Value)> = match &vector["statements"] {
                Value::Object(versions) => versions
                    .iter()
                    .map(|(version, ids)| (version.clone(), ids))
                    .collect(),
                ids => vec![(text(&file, "version"), ids)],
            };
            for (version, ids) in cited {
                for statement in strings(ids) {
                    let key = (version.clone(), statement);
                    out.entry(key).or_default().push(text(vector, "id"));
                }
            }
        }
    }
    Ok(out)
}

/// One statement on a line.
fn render(file: &Value) -> Result<String, String> {
    let rules: Vec<String> = list(&file["statements"])
        .iter()
        .map(Value::to_string)
        .collect();
    let version = file["version"].as_str().ok_or("no version")?;
    Ok(format!(
        "{{\"format\":1,\"kind\":\"statements\",\"version\":\"{version}\",\"statements\":[\n{}\n]}}\n",
        rules.join(",\n")
    ))
}

fn read(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn strings(value: &Value) -> Vec<String> {
    list(value)
        .iter()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
