//! The floors of the house: a module uses only what stands lower. The sources are scanned as text, so this holds for
//! every feature and for test code too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules of `src/`, from the ground up. Those on one line do not see each other. The words that everyone uses are
/// one floor in three steps: a violation has a reason code, and a reason code knows the types.
const FLOORS: &[&[&str]] = &[
    &["display", "slab", "time", "types"],
    &["reason"],
    &["violation"],
    &["wire"],
    &["property", "topic"],
    &["packet"],
    &["index", "message", "options"],
    &["session"],
    &["connection"],
    &["client", "server"],
    &["broker"],
    &["with_arbitrary", "with_serde"],
    &["explore"],
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

#[test]
fn modules_use_only_what_stands_lower() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut Vec::new(), &mut files);
    let faults = check(&files);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Module path (empty: lib.rs) and text of every file below `directory`.
fn collect(directory: &Path, path: &mut Vec<String>, files: &mut Vec<(Vec<String>, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap().path();
        path.push(entry.file_stem().unwrap().to_str().unwrap().into());
        if entry.is_dir() {
            collect(&entry, path, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let mut module = path.clone();
            if module == ["lib"] || module.last().is_some_and(|name| name == "mod") {
                module.pop();
            }
            files.push((module, fs::read_to_string(&entry).unwrap()));
        }
        path.pop();
    }
}

/// One line for everything that is wrong.
fn check(files: &[(Vec<String>, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    let modules: BTreeSet<&str> = files
        .iter()
        .filter_map(|(path, _)| path.first())
        .map(String::as_str)
        .collect();
    for module in modules.iter().filter(|module| floor(module).is_none()) {
        faults.push(format!("module {module} has no floor: add it to FLOORS"));
    }

    // What stands in the crate root and is no module is an item that lib.rs takes from one.
    let mut items = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| path.is_empty()) {
        for (used, name) in uses(path, text) {
            if let (Some(module), Some(name)) = (used.first(), name) {
                items.insert(name, module.clone());
            }
        }
    }

    for (path, text) in files {
        let Some(user) = path.first() else { continue };
        for (used, _) in uses(path, text) {
            let Some(first) = used.first() else { continue };
            let module = if modules.contains(first.as_str()) {
                first
            } else if let Some(module) = items.get(first) {
                module
            } else {
                faults.push(format!(
                    "{}: crate::{first} comes from nowhere",
                    path.join("::")
                ));
                continue;
            };
            let allowed = user == module || floor(module) < floor(user);
            if !allowed {
                let (path, used) = (path.join("::"), used.join("::"));
                faults.push(format!(
                    "{path} uses crate::{used} of {module}, which is not below {user}"
                ));
            }
        }
    }
    faults.sort();
    faults.dedup();
    faults
}

/// The paths that `text`, the module `path`, spells with `crate`, `super` or `self`, and in lib.rs with the name of a module,
/// each from the crate root; with the name that a `use` gives it.
fn uses(path: &[String], text: &str) -> Vec<(Vec<String>, Option<String>)> {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut found = Vec::new();
    let mut here = path.to_vec(); // with the modules written in braces
    let mut braces = 0;
    let mut opened = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match token(at) {
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                if opened.last() == Some(&braces) {
                    opened.pop();
                    here.pop();
                }
            }
            "mod" if token(at + 2) == "{" => {
                opened.push(braces);
                here.push(token(at + 1).into());
            }
            "use" if path.is_empty() => at = tree(&tokens, at + 1, &here, &mut found),
            "crate" | "super" | "self"
                if token(at + 1) == "::" && token(at.wrapping_sub(1)) != "::" =>
            {
                at = tree(&tokens, at, &here, &mut found);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads the path or the tree of paths at `at`; gives where its last token stands.
fn tree(
    tokens: &[String],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<(Vec<String>, Option<String>)>,
) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut path = prefix.to_vec();
    loop {
        match token(at) {
            "{" => {
                at += 1;
                while token(at) != "}" && at < tokens.len() {
                    at = tree(tokens, at, &path, found) + 1;
                    if token(at) == "," {
                        at += 1;
                    }
                }
                return at;
            }
            "crate" => path.clear(),
            "super" => {
                path.pop();
            }
            "self" => {}
            name => path.push(name.into()),
        }
        if token(at + 1) != "::" {
            break;
        }
        at += 2;
    }
    let mut name = path.last().cloned();
    if token(at + 1) == "as" {
        at += 2;
        name = Some(token(at).into());
    }
    found.push((path, name));
    at
}

/// Words, `::` and single signs; comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some((fence, _)) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(fence));
            let open = rest.find('"').unwrap() + 1;
            rest[open..]
                .find(&close)
                .map_or(rest.len(), |end| open + end + close.len())
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && (rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'')) {
            quoted(rest, '\'')
        } else if word > 0 {
            tokens.push(rest[..word].into());
            word
        } else if rest.starts_with("::") {
            tokens.push("::".into());
            2
        } else {
            if !c.is_whitespace() {
                tokens.push(c.into());
            }
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    tokens
}

/// The number of `#` of the raw string that starts here.
fn raw_string(text: &str) -> Option<(usize, &str)> {
    let text = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let inner = text.trim_start_matches('#');
    inner
        .starts_with('"')
        .then_some((text.len() - inner.len(), inner))
}

/// The length of the text in quotes that starts here.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

// --- the check itself ------------------------------------------------------------------------------------------------

const LIB: &str = "mod topic; mod wire; mod packet; mod types;\n\
    pub use packet::{Packet, Publish as Published}; pub use self::types::Version; pub use wire::EncodeError;";

fn faults_of(file: &str, text: &str) -> Vec<String> {
    let mut files = vec![(Vec::new(), LIB.to_owned())];
    for module in ["topic", "wire", "packet", "types"] {
        files.push((vec![module.to_owned()], String::new()));
    }
    files.push((
        file.split("::").map(str::to_owned).collect(),
        text.to_owned(),
    ));
    check(&files)
}

#[test]
fn what_is_lower_may_be_used() {
    for text in [
        "use crate::{Version, wire::{self, Reader}}; use super::shared; use crate::topic::TopicError;",
        "fn f() { crate::wire::read(); super::super::types::g(); self::h::<'a'>() }",
        "pub(crate) fn f<'a>() {} // crate::packet\n/* crate::packet */ const A: &str = \"\\\"crate::packet\";",
        "const A: &str = r#\"\"crate::packet\"#; const B: [char; 2] = ['\"', '\\'']; use crate::Version;",
        "mod tests { use super::*; use super::super::name; } use super::name;",
    ] {
        assert_eq!(faults_of("topic::filter", text), [""; 0], "{text}");
    }
}

#[test]
fn what_is_not_lower_is_found() {
    for (file, text) in [
        ("topic::filter", "use crate::Packet;"),
        (
            "topic::filter",
            "use crate::{Version, wire::Reader, Published};",
        ),
        (
            "topic::filter",
            "use crate::{Version, packet::{connect::Connect}};",
        ),
        ("topic::filter", "fn f(p: &crate::packet::Packet) {}"),
        ("topic::filter", "use super::super::packet::Packet;"),
        ("topic::filter", "use super::{shared, super::Packet};"),
        (
            "topic::filter",
            "mod tests { use super::super::super::Packet; }",
        ),
        (
            "topic::filter",
            "mod a { mod b {} } use super::super::Packet;",
        ),
        ("topic::filter", "const A: char = '\"'; use crate::Packet;"),
        ("topic::filter", "fn f<'a>(x: &'a str) { crate::Packet }"),
        ("wire", "macro_rules! m { () => { $crate::topic::f() } }"),
        ("types", "use crate::Version; use crate::wire;"),
        ("wire", "use crate::Unheard;"),
        ("wire", "use crate::*;"),
        ("cellar", ""),
    ] {
        assert_eq!(faults_of(file, text).len(), 1, "{file}: {text}");
    }
}

#[test]
fn siblings_do_not_see_each_other() {
    let mut files = vec![(
        Vec::new(),
        "pub use topic::A; pub use property::B;".to_owned(),
    )];
    files.push((vec!["topic".into()], "use crate::B;".into()));
    files.push((vec!["property".into()], "use crate::topic;".into()));
    assert_eq!(check(&files).len(), 2);
}
