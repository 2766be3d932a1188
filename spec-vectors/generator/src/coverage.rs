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
    let connected = cited_where(root, "traces", several_connections)?;
    let (mut files, mut table, mut report) = (BTreeMap::new(), head(), String::new());
    for version in VERSIONS {
        let path = format!("statements/{version}.json");
        let mut file = read(&root.join(&path))?;
        let codec = cited_in(root, &format!("codec/{version}"))?;
        let rules = file["statements"].as_array_mut().ok_or("no statements")?;
        let mut counts = BTreeMap::<_, [usize; 5]>::new();
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
            let shown = rule["evidence"]
                .as_object()
                .is_some_and(|kinds| kinds.values().any(|ids| *ids != json!([])));
            let open = rule["reason"]["kind"]
                .as_str()
                .is_none_or(|kind| kind == "open");
            let column = if shown { 0 } else { 1 + usize::from(open) };
            let counts = counts.entry(text(rule, "layer")).or_default();
            counts[column] += 1;
            counts[3] += usize::from(rule["evidence"]["traces"] != json!([]));
            if rule["several_connections"] == true {
                let traces = of(&connected);
                counts[4] += usize::from(!traces.is_empty());
                if traces.is_empty() {
                    let _ = writeln!(report, "no trace with several connections: {version} {id}");
                }
            }
            if column == 2 {
                let reason = rule["reason"]["text"]
                    .as_str()
                    .unwrap_or("neither evidence nor reason");
                let _ = writeln!(report, "open: {version} {id}: {reason}");
            }
        }
        files.insert(path, render(&file)?);
        let mut total = [0; 5];
        for layer in LAYERS {
            let Some(row) = counts.get(layer) else {
                continue;
            };
            line(&mut table, version, layer, *row);
            (0..5).for_each(|column| total[column] += row[column]);
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
    "| version | layer | shown | excused | open | by a trace | by one with several connections |\n|---|---|--:|--:|--:|--:|--:|\n".into()
}

fn line(
    table: &mut String,
    version: &str,
    layer: &str,
    [shown, excused, open, traced, connected]: [usize; 5],
) {
    let _ = writeln!(
        table,
        "| {version} | {layer} | {shown} | {excused} | {open} | {traced} | {connected} |"
    );
}

/// By version and statement, the ids of the vectors that cite it, in their order.
type Citations = BTreeMap<(String, String), Vec<String>>;

fn cited_in(root: &Path, directory: &str) -> Result<Citations, String> {
    cited_where(root, directory, |_| true)
}

/// Whether a trace of a server has more than one connection, in one of its ways at least.
fn several_connections(trace: &Value) -> bool {
    fn opened(steps: &[Value]) -> usize {
        let of = |step: &Value| {
            let ways = list(&step["any_of"]).iter();
            let most = ways.map(|way| opened(list(way))).max();
            usize::from(step["open"].is_string()) + most.unwrap_or(0)
        };
        steps.iter().map(of).sum()
    }
    trace["role"] == "server" && opened(list(&trace["steps"])) > 1
}

fn cited_where(
    root: &Path,
    directory: &str,
    counts: impl Fn(&Value) -> bool,
) -> Result<Citations, String> {
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
        for vector in vectors.filter(|vector| counts(vector)) {
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
