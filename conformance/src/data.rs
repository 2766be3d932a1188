//! The files of `spec-vectors/`: those in the program, or those of a directory.

use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};
use serde_json::Value;

type Error = Box<dyn std::error::Error + Send + Sync>;

static CODEC: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../spec-vectors/codec");
static TOPICS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../spec-vectors/topics");
static TRACES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../spec-vectors/traces");
static STATEMENTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../spec-vectors/statements");

/// Each a list of files, parsed, in the order of their names.
pub(crate) struct Data {
    pub(crate) codec: Vec<Value>,
    pub(crate) topics: Vec<Value>,
    pub(crate) traces: Vec<Value>,
    pub(crate) statements: Vec<Value>,
}

impl Data {
    /// `directory` is laid out as `spec-vectors/`; `None`: what is in the program.
    pub(crate) fn load(directory: Option<&Path>) -> Result<Self, Error> {
        let part = |name: &str, embedded: &Dir<'_>| -> Result<Vec<Value>, Error> {
            let mut files = Vec::new();
            match directory {
                None => collect(embedded, &mut files),
                Some(directory) => read(&directory.join(name), &mut files)?,
            }
            files.sort();
            files
                .into_iter()
                .map(|(path, text)| {
                    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}").into())
                })
                .collect()
        };
        Ok(Self {
            codec: part("codec", &CODEC)?,
            topics: part("topics", &TOPICS)?,
            traces: part("traces", &TRACES)?,
            statements: part("statements", &STATEMENTS)?,
        })
    }
}

/// The elements; none if it is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The text; empty if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn collect(directory: &Dir<'_>, files: &mut Vec<(String, String)>) {
    for file in directory.files() {
        if let Some(text) = file.contents_utf8() {
            files.push((file.path().display().to_string(), text.to_owned()));
        }
    }
    for directory in directory.dirs() {
        collect(directory, files);
    }
}

fn read(directory: &Path, files: &mut Vec<(String, String)>) -> Result<(), Error> {
    let entries =
        fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            files.push((path.display().to_string(), text));
        }
    }
    Ok(())
}
