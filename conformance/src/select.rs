//! Which cases are taken, and which are known to fail.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::Args;
use globset::{GlobBuilder, GlobMatcher};

use crate::statements::{self, Statements};
use crate::verdict::Case;

#[derive(Args)]
pub(crate) struct Selection {
    /// Only these: an id, a part or a glob of it, a section (4.7.1) or a statement (5.0:MQTT-3.3.1-5); repeat for more
    #[arg(long, value_name = "WHICH")]
    filter: Vec<String>,
    /// Only those of this version; repeat for more
    #[arg(long, value_parser = ["3.1", "3.1.1", "5.0"])]
    version: Vec<String>,
}

enum Filter {
    /// A version or none, and the section.
    Section(Option<String>, String),
    Statement(Option<String>, String),
    Glob(GlobMatcher),
    Part(String),
    Id(String),
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn glob(text: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(text).literal_separator(false).build();
    let glob = glob.map_err(|error| format!("{text}: {}", error.kind()))?;
    Ok(glob.compile_matcher())
}

impl Filter {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty filter".into());
        }
        let (version, rest) = match text.split_once(':') {
            Some((version @ ("3.1" | "3.1.1" | "5.0"), rest)) => (Some(version.to_owned()), rest),
            _ => (None, text),
        };
        let is_section = !rest.is_empty()
            && rest
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit()));
        if is_section {
            return Ok(Self::Section(version, rest.to_owned()));
        }
        let is_statement = ["MQTT-", "U5-", "U3-", "U31-"]
            .iter()
            .any(|start| rest.starts_with(start));
        if is_statement {
            return Ok(Self::Statement(version, rest.to_owned()));
        }
        if version.is_some() {
            return Err(format!("{text}: neither a section nor a statement"));
        }
        if is_glob(text) {
            return Ok(Self::Glob(glob(text)?));
        }
        Ok(Self::Part(text.to_owned()))
    }

    fn takes(&self, case: &Case, all: &Statements) -> bool {
        let is_version = |version: &Option<String>| {
            version
                .as_ref()
                .is_none_or(|version| *version == case.version)
        };
        match self {
            Self::Glob(glob) => glob.is_match(&case.id),
            Self::Id(id) => case.id == *id,
            Self::Part(part) => case.id.contains(part.as_str()),
            Self::Statement(version, id) => is_version(version) && case.statements.contains(id),
            Self::Section(version, section) => {
                is_version(version)
                    && case.statements.iter().any(|id| {
                        all.get(&case.version, id).is_some_and(|statement| {
                            statements::sections(&statement.section)
                                .any(|one| statements::is_within(one, section))
                        })
                    })
            }
        }
    }
}

impl Selection {
    /// Those that fit one of the filters and one of the versions, in their order. None at all is an error.
    pub(crate) fn of(&self, cases: Vec<Case>, all: &Statements) -> Result<Vec<Case>, String> {
        let mut filters = self
            .filter
            .iter()
            .map(|text| Filter::parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        for filter in &mut filters {
            // A whole id is that case, and not those that begin with it.
            if let Filter::Part(id) = filter
                && cases.iter().any(|case| case.id == *id)
            {
                *filter = Filter::Id(std::mem::take(id));
            }
        }
        let is_version =
            |case: &Case| self.version.is_empty() || self.version.contains(&case.version);
        let chosen: Vec<_> = cases
            .into_iter()
            .filter(|case| {
                is_version(case)
                    && (filters.is_empty() || filters.iter().any(|filter| filter.takes(case, all)))
            })
            .collect();
        if chosen.is_empty() {
            return Err("no case fits --filter and --version".into());
        }
        Ok(chosen)
    }
}

/// Cases that are known to fail: ids or globs of them, with a version or for all.
#[derive(Default)]
pub(crate) struct KnownFailing {
    ids: HashMap<String, HashSet<Option<String>>>,
    globs: Vec<(GlobMatcher, Option<String>)>,
}

impl KnownFailing {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut all = Self::default();
        for (number, line) in text.lines().enumerate() {
            let words = line.split('#').next().unwrap_or_default();
            let mut words = words.split_whitespace();
            let Some(id) = words.next() else { continue };
            let version = words.next();
            let is_known = version.is_none_or(|version| ["3.1", "3.1.1", "5.0"].contains(&version));
            if !is_known || words.next().is_some() {
                return Err(format!("line {}: not an id and a version", number + 1));
            }
            let version = version.map(str::to_owned);
            if is_glob(id) {
                let glob = glob(id).map_err(|error| format!("line {}: {error}", number + 1))?;
                all.globs.push((glob, version));
            } else {
                let versions = all.ids.entry(id.to_owned()).or_default();
                versions.insert(version);
            }
        }
        Ok(all)
    }

    /// Whether it may fail.
    pub(crate) fn has(&self, case: &Case) -> bool {
        let of = |version: &Option<String>| version.as_ref().is_none_or(|one| *one == case.version);
        let mut globs = self.globs.iter();
        self.has_id(case) || globs.any(|(glob, version)| of(version) && glob.is_match(&case.id))
    }

    /// Whether it has to: a glob takes in some that pass.
    pub(crate) fn has_id(&self, case: &Case) -> bool {
        self.ids.get(&case.id).is_some_and(|versions| {
            versions.contains(&None) || versions.contains(&Some(case.version.clone()))
        })
    }

    /// Ids that there are not, and globs that no case fits.
    pub(crate) fn unknown(&self, cases: &[Case]) -> Vec<&str> {
        let ids: HashSet<_> = cases.iter().map(|case| &case.id[..]).collect();
        let mut unknown: Vec<_> = self.ids.keys().map(String::as_str).collect();
        unknown.retain(|id| !ids.contains(id));
        let fits = |glob: &GlobMatcher| cases.iter().any(|case| glob.is_match(&case.id));
        let globs = self.globs.iter().filter(|(glob, _)| !fits(glob));
        unknown.extend(globs.map(|(glob, _)| glob.glob().glob()));
        unknown.sort_unstable();
        unknown
    }
}

/// The text of such a file.
pub(crate) fn known_failing<'a>(target: &str, cases: impl Iterator<Item = &'a Case>) -> String {
    let target = target.replace(['\r', '\n'], " ");
    let mut text = format!("# Known to fail: {target}\n");
    for case in cases {
        let comment = case.comment.replace(['\r', '\n'], " ");
        let _ = writeln!(text, "{} {}  # {comment}", case.id, case.version);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Filter, KnownFailing, known_failing};
    use crate::verdict::Case;

    fn case(id: &str, version: &str) -> Case {
        Case {
            id: id.into(),
            comment: "a # in it\nand a line".into(),
            version: version.into(),
            statements: vec!["MQTT-3.3.1-5".into()],
            role: "codec",
        }
    }

    #[test]
    fn known_failing_is_read_as_it_is_written() {
        let listed = case("a/b", "5.0");
        let text = known_failing("cmd\n--x", [&listed].into_iter());
        let known = KnownFailing::parse(&text);
        assert!(known.is_ok_and(|known| known.has(&listed) && !known.has(&case("a/b", "3.1.1"))));
        let all = KnownFailing::parse("# x\n\n a/b # all\n");
        assert!(all.is_ok_and(|known| known.has(&listed) && known.has(&case("a/b", "3.1.1"))));
        assert!(KnownFailing::parse("a/b 6.0").is_err());
        assert!(KnownFailing::parse("a/b 5.0 c").is_err());
    }

    #[test]
    fn known_failing_has_globs() {
        let known = KnownFailing::parse("{a,b}/* 5.0").unwrap_or_default();
        let cases = [case("a/b", "5.0"), case("a/b", "3.1.1"), case("c/b", "5.0")];
        assert_eq!(
            cases.each_ref().map(|one| known.has(one)),
            [true, false, false]
        );
        assert!(!known.has_id(&cases[0]));
        assert!(known.unknown(&cases).is_empty());
        assert_eq!(known.unknown(&cases[2..]), ["{a,b}/*"]);
        assert!(KnownFailing::parse("{a").is_err());
    }

    #[test]
    fn kinds_of_filters() {
        assert!(
            matches!(Filter::parse("4.7.1"), Ok(Filter::Section(None, section)) if section == "4.7.1")
        );
        assert!(
            matches!(Filter::parse("5.0:4.7"), Ok(Filter::Section(Some(version), _)) if version == "5.0")
        );
        assert!(matches!(
            Filter::parse("5.0:MQTT-3.3.1-5"),
            Ok(Filter::Statement(Some(_), _))
        ));
        assert!(matches!(
            Filter::parse("U5-64"),
            Ok(Filter::Statement(None, _))
        ));
        assert!(matches!(Filter::parse("traces/*"), Ok(Filter::Glob(_))));
        assert!(matches!(Filter::parse("5.0/publish"), Ok(Filter::Part(_))));
        assert!(Filter::parse("[").is_err());
        assert!(Filter::parse("").is_err());
        assert!(Filter::parse("5.0:x").is_err());
    }
}
