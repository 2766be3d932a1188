//! Writes the generated files of `spec-vectors/`, checks all files of it, and counts what they cover.
//!
//! `generate` (default), `check` or `coverage`.

mod acks;
mod build;
mod check;
mod common;
mod connect;
mod connect_head;
mod coverage;
mod ending;
mod fixed;
mod packet;
mod properties;
mod property_blocks;
mod publish;
mod replies;
mod rules;
mod strings;
mod subscribe;
mod vector;
mod version;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use crate::vector::Set;
use crate::version::Version;

/// All generated files, by their path under `spec-vectors/`.
fn generated() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for version in Version::ALL {
        let mut set = Set::new(version);
        connect::generate(&mut set);
        replies::generate(&mut set);
        publish::generate(&mut set);
        acks::generate(&mut set);
        subscribe::generate(&mut set);
        ending::generate(&mut set);
        fixed::generate(&mut set);
        strings::generate(&mut set);
        if version.is_5() {
            properties::generate(&mut set);
        }
        files.extend(set.render());
    }
    files
}

fn run(command: &str, root: &Path) -> Result<(), String> {
    version::load(root)?;
    match command {
        "generate" => {
            for (path, text) in generated() {
                let path = root.join(path);
                let parent = path.parent().unwrap_or(root);
                std::fs::create_dir_all(parent).map_err(|error| error.to_string())?;
                std::fs::write(&path, text)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
            coverage::run(root);
            Ok(())
        }
        "check" => check::run(root, &generated()),
        "coverage" => {
            coverage::run(root);
            Ok(())
        }
        other => Err(format!(
            "unknown command {other}: generate, check or coverage"
        )),
    }
}

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_else(|| "generate".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match run(&command, &root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
