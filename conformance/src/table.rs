//! `statements`: what shows each statement to each side, and the sums by version and side.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::coverage::{ROLES, Shown};
use crate::spell;
use crate::statements::{Statement, Statements};

/// How many cases are named in a text, and in a table.
const IN_TEXT: usize = 5;
const IN_TABLE: usize = 1;
/// Characters of a summary in a table.
const SUMMARY: usize = 90;

pub(crate) struct Table<'a> {
    all: &'a Statements,
    roles: Vec<&'static str>,
    version: Option<&'a str>,
}

/// Of the statements of a version, for a side.
#[derive(Default)]
struct Counts {
    cases: usize,
    statements: usize,
    shown: usize,
    numbered: usize,
    shown_numbered: usize,
    watched: usize,
    reasons: usize,
    missing: usize,
}

impl<'a> Table<'a> {
    pub(crate) fn new(all: &'a Statements, role: Option<&str>, version: Option<&'a str>) -> Self {
        let roles = ROLES.into_iter();
        let roles = roles.filter(|one| role.is_none_or(|role| role == *one));
        Self {
            all,
            roles: roles.collect(),
            version,
        }
    }

    fn versions(&self) -> impl Iterator<Item = &'static str> {
        let versions = ["3.1", "3.1.1", "5.0"].into_iter();
        versions.filter(|one| self.version.is_none_or(|version| version == *one))
    }

    fn statements(&self, version: &str) -> impl Iterator<Item = &'a Statement> {
        self.all.iter().filter(move |one| one.version == version)
    }

    fn ids(&self, numbers: &[usize], most: usize) -> Vec<&'a str> {
        let cases = numbers.iter().take(most);
        let cases = cases.filter_map(|number| self.all.cases().get(*number));
        cases.map(|case| &case.id[..]).collect()
    }

    fn counts(&self, version: &str, role: &str) -> Counts {
        let mut counts = Counts::default();
        let cases = self.all.cases().iter();
        counts.cases = cases
            .filter(|case| case.version == version && case.role == role)
            .count();
        for statement in self.statements(version) {
            counts.statements += 1;
            counts.numbered += usize::from(statement.is_numbered());
            match statement.shown(role) {
                Shown::Cases(_) => {
                    counts.shown += 1;
                    counts.shown_numbered += usize::from(statement.is_numbered());
                }
                Shown::Watched => counts.watched += 1,
                Shown::Reason(reason) if reason.kind != "missing" => counts.reasons += 1,
                Shown::Reason(_) | Shown::Gap => counts.missing += 1,
            }
        }
        counts
    }

    /// A statement and a side on a line, with tabs between, and the sums.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for version in self.versions() {
            for statement in self.statements(version) {
                for role in &self.roles {
                    let shown = match statement.shown(role) {
                        Shown::Cases(numbers) => {
                            let ids = self.ids(numbers, IN_TEXT);
                            let more = match numbers.len() - ids.len() {
                                0 => String::new(),
                                more => format!(" and {more} more"),
                            };
                            format!("{} cases: {}{more}", numbers.len(), ids.join(" "))
                        }
                        other => other.why(),
                    };
                    let _ = writeln!(out, "{version}:{}\t{role}\t{shown}", statement.id);
                }
            }
        }
        for version in self.versions() {
            for role in &self.roles {
                let counts = self.counts(version, role);
                let _ = writeln!(
                    out,
                    "{version} {role}: {} cases; of {} statements {} with cases ({} of {} numbered ones), {} watched, \
                     {} with a reason, {} missing",
                    counts.cases,
                    counts.statements,
                    counts.shown,
                    counts.shown_numbered,
                    counts.numbered,
                    counts.watched,
                    counts.reasons,
                    counts.missing,
                );
            }
        }
        out
    }

    pub(crate) fn json(&self) -> String {
        let mut statements = Vec::new();
        let mut sums = Vec::new();
        for version in self.versions() {
            for statement in self.statements(version) {
                let mut value = json!({
                    "version": version, "id": statement.id, "section": statement.section, "level": statement.level,
                    "actor": statement.actor, "layer": statement.layer, "summary": statement.summary,
                });
                for role in &self.roles {
                    value[role] = match statement.shown(role) {
                        Shown::Cases(numbers) => json!({"cases": self.ids(numbers, usize::MAX)}),
                        Shown::Watched => json!({"watched": true}),
                        Shown::Reason(reason) => {
                            json!({"reason": {"kind": reason.kind, "text": reason.text}})
                        }
                        Shown::Gap => json!({}),
                    };
                }
                statements.push(value);
            }
            for role in &self.roles {
                let counts = self.counts(version, role);
                sums.push(json!({
                    "version": version, "role": role, "cases": counts.cases, "statements": counts.statements,
                    "with_cases": counts.shown, "numbered": counts.numbered, "numbered_with_cases": counts.shown_numbered,
                    "watched": counts.watched, "with_reason": counts.reasons, "missing": counts.missing,
                }));
            }
        }
        let value: Value = json!({"statements": statements, "counts": sums});
        format!("{value:#}\n")
    }

    /// As it is committed: a line for each statement, the reasons that many have in short.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::from(
            "# What shows each statement\n\n\
             Generated by `mqtt-conformance statements --markdown`. For each side under test: how many cases show the statement, and\n\
             the first of them (`mqtt-conformance explain` has the others), else why there is none:\n\n\
             | | |\n|---|---|\n\
             | – | it binds the other side alone; for a codec: bytes alone do not decide it |\n\
             | watched | it binds what this side sends. Every packet of the target, in every case, goes through a strict decoder, and what breaks the statement fails the case |\n\
             | **missing** | a test on the wire could show it, and none does yet |\n\n",
        );
        self.sums(&mut out);
        for version in self.versions() {
            let _ = write!(out, "\n## MQTT {version}\n\n| statement | says | binds |");
            for role in &self.roles {
                let _ = write!(out, " {role} |");
            }
            let _ = writeln!(out, "\n|---|---|---|{}", "---|".repeat(self.roles.len()));
            for statement in self.statements(version) {
                let summary = cell(&spell::shorten(&statement.summary, SUMMARY));
                let Statement { id, actor, .. } = statement;
                let _ = write!(out, "| {id} | {summary} | {actor} |");
                for role in &self.roles {
                    let _ = write!(out, " {} |", self.cell(statement, role));
                }
                out.push('\n');
            }
        }
        out
    }

    fn cell(&self, statement: &Statement, role: &str) -> String {
        match statement.shown(role) {
            Shown::Cases(numbers) => {
                let ids = self.ids(numbers, IN_TABLE);
                let ids: Vec<_> = ids
                    .iter()
                    .map(|id| id.trim_start_matches("traces/"))
                    .collect();
                let dots = if numbers.len() > ids.len() {
                    " …"
                } else {
                    ""
                };
                format!("{}: {}{dots}", numbers.len(), ids.join(" "))
            }
            Shown::Watched => "watched".into(),
            Shown::Reason(reason) => match &reason.kind[..] {
                "other side" | "not bytes" => "–".into(),
                "missing" => format!("**missing**: {}", cell(&reason.text)),
                kind => format!("{kind}: {}", cell(&reason.text)),
            },
            Shown::Gap => "**missing**".into(),
        }
    }

    /// The sums by version and side.
    fn sums(&self, out: &mut String) {
        out.push_str(
            "| version | side | cases | statements | with cases | numbered, with cases | watched | with a reason | missing |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for version in self.versions() {
            for role in &self.roles {
                let counts = self.counts(version, role);
                let numbered = match counts.numbered {
                    0 => "–".to_owned(),
                    all => format!("{} of {all}", counts.shown_numbered),
                };
                let _ = writeln!(
                    out,
                    "| {version} | {role} | {} | {} | {} | {numbered} | {} | {} | {} |",
                    counts.cases,
                    counts.statements,
                    counts.shown,
                    counts.watched,
                    counts.reasons,
                    counts.missing
                );
            }
        }
    }
}

/// Text that may stand in a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
