//! The numbered statements of the standards and the rules without a number, in our words, and what shows them.

use std::collections::HashMap;

use serde_json::Value;

use crate::coverage::{self, ROLES, Reason, Shown};
use crate::data::Data;
use crate::mode;
use crate::verdict::Case;

pub(crate) struct Statement {
    pub(crate) version: String,
    pub(crate) id: String,
    pub(crate) section: String,
    pub(crate) level: String,
    pub(crate) actor: String,
    pub(crate) layer: String,
    pub(crate) summary: String,
    /// Why nothing shows it, and why no trace does.
    pub(crate) reason: Option<Reason>,
    pub(crate) no_trace: Option<Reason>,
    /// What shows it for each of `ROLES`, in their order.
    pub(crate) shown: [Shown; 3],
}

impl Statement {
    /// What shows it for that role; for one that there is not: nothing.
    pub(crate) fn shown(&self, role: &str) -> &Shown {
        let number = ROLES.iter().position(|one| *one == role);
        number
            .and_then(|number| self.shown.get(number))
            .unwrap_or(&Shown::Gap)
    }

    /// One of those that the standard itself numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        self.id.starts_with("MQTT-")
    }

    /// SHOULD or SHOULD NOT: good advice, and no conformance.
    pub(crate) fn is_advice(&self) -> bool {
        self.level.starts_with("SHOULD")
    }

    /// One line: where it stands, and what it says.
    pub(crate) fn line(&self) -> String {
        format!(
            "{}:{} (section {}, {}): {}",
            self.version, self.id, self.section, self.level, self.summary
        )
    }
}

pub(crate) struct Statements {
    all: Vec<Statement>,
    by_id: HashMap<(String, String), usize>,
    cases: Vec<Case>,
    by_case: HashMap<(String, String, &'static str), usize>,
}

impl Statements {
    pub(crate) fn of(data: &Data) -> Self {
        let mut all = Vec::new();
        let mut by_id = HashMap::new();
        for file in &data.statements {
            let version = text(&file["version"]);
            for statement in file["statements"].as_array().into_iter().flatten() {
                let why = |key: &str| {
                    let why = statement.get(key)?;
                    Some(Reason::new(text(&why["kind"]), text(&why["text"])))
                };
                let statement = Statement {
                    version: version.clone(),
                    id: text(&statement["id"]),
                    section: text(&statement["section"]),
                    level: text(&statement["level"]),
                    actor: text(&statement["actor"]),
                    layer: text(&statement["layer"]),
                    summary: text(&statement["summary"]),
                    reason: why("reason"),
                    no_trace: why("no_trace"),
                    shown: Default::default(),
                };
                by_id.insert((version.clone(), statement.id.clone()), all.len());
                all.push(statement);
            }
        }
        let cases = [
            mode::vectors::cases(data),
            mode::broker::cases(data),
            mode::client::cases(data),
        ]
        .concat();
        coverage::fill(&mut all, data, &cases);
        let numbers = cases.iter().enumerate();
        let by_case = numbers
            .map(|(number, case)| ((case.id.clone(), case.version.clone(), case.role), number))
            .collect();
        Self {
            all,
            by_id,
            cases,
            by_case,
        }
    }

    /// The case of this identifier, version and side under test.
    pub(crate) fn case(&self, id: &str, version: &str, role: &'static str) -> Option<&Case> {
        let key = (id.to_owned(), version.to_owned(), role);
        self.cases.get(*self.by_case.get(&key)?)
    }

    /// The cases of all modes.
    pub(crate) fn cases(&self) -> &[Case] {
        &self.cases
    }

    pub(crate) fn get(&self, version: &str, id: &str) -> Option<&Statement> {
        let number = self.by_id.get(&(version.to_owned(), id.to_owned()))?;
        self.all.get(*number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Statement> {
        self.all.iter()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Whether a section is another one or a part of it: `3.3.2.1` is within `3.3.2`.
pub(crate) fn is_within(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The sections of a list like `3.6.2.1, 3.7.2.1`.
pub(crate) fn sections(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ']).filter(|one| !one.is_empty())
}

/// The first two numbers of the first section, by which a summary is ordered.
pub(crate) fn chapter(list: &str) -> String {
    let first = sections(list).next().unwrap_or_default();
    let mut parts = first.split('.');
    match (parts.next(), parts.next()) {
        (Some(one), Some(two)) => format!("{one}.{two}"),
        _ => first.to_owned(),
    }
}

/// What a chapter of that version is about, as far as it is the same in all.
pub(crate) fn title(version: &str, chapter: &str) -> &'static str {
    if version == "3.1" {
        match chapter {
            "2.1" => return "fixed header",
            "2.2" => return "variable header",
            "2.4" => return "message identifiers",
            "2.5" => return "UTF-8",
            "2.6" => return "unused bits",
            "4.1" => return "quality of service",
            "4.2" => return "sending again",
            "4.3" => return "order",
            "A" => return "topics",
            _ => {}
        }
    }
    match chapter {
        "1" => "what is of 5.0 alone",
        "1.2" => "terms",
        "1.5" => "data types",
        "2.2" if version == "3.1.1" => "fixed header",
        "2.3" if version == "3.1.1" => "variable header",
        "2.1" => "fixed header",
        "2.2" => "variable header",
        "2.4" if version == "5.0" => "reason codes",
        "2.3" | "2.4" => "payload",
        "3.1" => "CONNECT",
        "3.2" => "CONNACK",
        "3.3" => "PUBLISH",
        "3.4" => "PUBACK",
        "3.5" => "PUBREC",
        "3.6" => "PUBREL",
        "3.7" => "PUBCOMP",
        "3.8" => "SUBSCRIBE",
        "3.9" => "SUBACK",
        "3.10" => "UNSUBSCRIBE",
        "3.11" => "UNSUBACK",
        "3.12" => "PINGREQ",
        "3.13" => "PINGRESP",
        "3.14" => "DISCONNECT",
        "3.15" => "AUTH",
        "4.1" => "session state",
        "4.2" => "network connections",
        "4.3" => "quality of service",
        "4.4" => "sending again",
        "4.5" => "receiving",
        "4.6" => "order",
        "4.7" => "topics",
        "4.8" if version == "5.0" => "subscriptions",
        "4.8" => "errors",
        "4.9" => "flow control",
        "4.10" => "request and response",
        "4.11" => "server redirection",
        "4.12" => "enhanced authentication",
        "4.13" => "errors",
        "6.0" => "WebSocket",
        _ => "",
    }
}
