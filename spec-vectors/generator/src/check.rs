//! Holds all files of the set to their schemas, to each other and to what the generator writes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Each kind of file: the folder, the schema.
const KINDS: [(&str, &str); 4] = [
    ("codec", "codec.schema.json"),
    ("topics", "topics.schema.json"),
    ("statements", "statements.schema.json"),
    ("traces", "traces.schema.json"),
];

/// The faults that were found.
#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    fn fault(&mut self, text: String) {
        self.0.push(text);
    }
}

pub fn run(root: &Path, generated: &BTreeMap<String, String>) -> Result<(), String> {
    let mut report = Report::default();
    let mut ids = HashSet::new();
    let known = statements(root)?;
    for (folder, schema) in KINDS {
        let files = json_files(&root.join(folder))?;
        if files.is_empty() {
            continue;
        }
        let schema = read(&root.join("schema").join(schema))?;
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        let mut bytes = HashMap::new();
        for path in files {
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            let file = read(&path)?;
            for error in validator.iter_errors(&file).take(5) {
                // The text of an error may quote the whole file.
                let text: String = error.to_string().chars().take(200).collect();
                report.fault(format!("{name}: {}: {text}", error.instance_path()));
            }
            let vectors = file["vectors"].as_array().or(file["traces"].as_array());
            for vector in vectors.into_iter().flatten() {
                let id = vector["id"].as_str().unwrap_or_default();
                if !ids.insert(id.to_owned()) {
                    report.fault(format!("{name}: {id}: a second vector of this name"));
                }
                cited(&mut report, id, vector, &file["version"], &known);
                match folder {
                    "codec" => codec(&mut report, &name, &file, vector, &mut bytes),
                    "traces" => trace(&mut report, &name, vector),
                    _ => {}
                }
            }
        }
    }
    for (path, text) in generated {
        if std::fs::read_to_string(root.join(path)).ok().as_ref() != Some(text) {
            report.fault(format!("{path}: not what the generator writes"));
        }
    }
    // A generated file that is no longer written.
    for path in json_files(&root.join("codec"))? {
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        if read(&path)?["generated"] == true && !generated.contains_key(&name) {
            report.fault(format!("{name}: says it is generated, but is not"));
        }
    }
    for fault in &report.0 {
        eprintln!("{fault}");
    }
    match report.0.len() {
        0 => {
            println!("{} vectors and traces, no faults", ids.len());
            Ok(())
        }
        count => Err(format!("{count} faults")),
    }
}

/// What the schema cannot say of one codec vector: its id and its bytes.
fn codec(
    report: &mut Report,
    name: &str,
    file: &Value,
    vector: &Value,
    bytes: &mut HashMap<(String, String, Vec<u8>), String>,
) {
    let id = vector["id"].as_str().unwrap_or_default();
    let version = file["version"].as_str().unwrap_or_default();
    let stem = Path::new(name)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if !id.starts_with(&format!("{version}/{stem}/"))
        || !name.starts_with(&format!("codec/{version}/"))
    {
        report.fault(format!("{name}: {id}: not where its id says"));
    }
    let Some(all) = spelt(vector) else {
        report.fault(format!("{id}: bytes that are not hexadecimal"));
        return;
    };
    for field in ["offset", "rest"] {
        if vector[field]
            .as_u64()
            .is_some_and(|at| at > all.len() as u64)
        {
            report.fault(format!("{id}: {field} behind the last byte"));
        }
    }
    let direction = vector["direction"].as_str().unwrap_or_default();
    let key = (version.to_owned(), direction.to_owned(), all);
    if let Some(other) = bytes.insert(key, id.to_owned()) {
        report.fault(format!("{id}: the bytes of {other}"));
    }
}

/// What the schema cannot say of a trace: where it stands, that it cites in each of its versions, and that a server is
/// asked for others only if it says so.
fn trace(report: &mut Report, name: &str, trace: &Value) {
    let id = trace["id"].as_str().unwrap_or_default();
    let folder = name.trim_end_matches(".json");
    if !id.starts_with(&format!("{folder}/")) {
        report.fault(format!("{name}: {id}: not where its id says"));
    }
    let cites = trace["statements"].as_object().into_iter().flatten();
    let cites: Vec<&str> = cites.map(|(version, _)| &version[..]).collect();
    let versions = trace["versions"].as_array().into_iter().flatten();
    let versions: Vec<&str> = versions.filter_map(Value::as_str).collect();
    if cites != versions {
        report.fault(format!(
            "{id}: versions {versions:?}, statements of {cites:?}"
        ));
    }
    let mut others = Vec::new();
    opened(&trace["steps"], &mut others);
    let needs = |need: &str| {
        let needs = trace["needs"].as_array().into_iter().flatten();
        needs.into_iter().any(|one| one == need)
    };
    if others.contains(&"3.1") && !needs("serves_3.1") {
        report.fault(format!("{id}: a connection of 3.1, which it does not need"));
    }
    if others.iter().any(|other| versions != [*other]) && !needs("several_versions") {
        report.fault(format!(
            "{id}: connections of versions that it does not need"
        ));
    }
}

/// The versions that steps open connections of, where they say so.
fn opened<'t>(steps: &'t Value, found: &mut Vec<&'t str>) {
    for step in steps.as_array().into_iter().flatten() {
        found.extend(step["version"].as_str());
        for way in step["any_of"].as_array().into_iter().flatten() {
            opened(way, found);
        }
    }
}

/// The bytes of a vector, from `hex` or from `runs`.
fn spelt(vector: &Value) -> Option<Vec<u8>> {
    let Some(runs) = vector["runs"].as_array() else {
        return unhex(vector["hex"].as_str()?);
    };
    let mut out = Vec::new();
    for run in runs {
        let piece = unhex(run[0].as_str()?)?;
        out.extend(piece.repeat(usize::try_from(run[1].as_u64()?).ok()?));
    }
    Some(out)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The ids of all statements by version; none if there are no such files.
fn statements(root: &Path) -> Result<BTreeMap<String, HashSet<String>>, String> {
    let mut out = BTreeMap::new();
    for path in json_files(&root.join("statements"))? {
        let file = read(&path)?;
        let rows = file["statements"].as_array().into_iter().flatten();
        let ids = rows
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect();
        out.insert(file["version"].as_str().unwrap_or_default().to_owned(), ids);
    }
    Ok(out)
}

fn cited(
    report: &mut Report,
    id: &str,
    vector: &Value,
    version: &Value,
    known: &BTreeMap<String, HashSet<String>>,
) {
    // One list for the file's version, or one for each version.
    let lists: Vec<(&str, &Value)> = match (&vector["statements"], version.as_str()) {
        (Value::Object(lists), _) => lists.iter().map(|(key, list)| (&key[..], list)).collect(),
        (list, version) => vec![(version.unwrap_or_default(), list)],
    };
    for (version, list) in lists {
        for statement in list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if known
                .get(version)
                .is_some_and(|ids| !ids.contains(statement))
            {
                report.fault(format!(
                    "{id}: cites {statement}, which is none of {version}"
                ));
            }
        }
    }
}

fn read(path: &Path) -> Result<Value, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// All JSON files below a folder, in order.
fn json_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut out = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                out.push(path);
            }
        }
    }
    out.sort();
    Ok(out)
}
