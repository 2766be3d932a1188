//! One run: the chosen cases, the progress, what counts, the reports and the exit code.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;
use crate::select::{self, KnownFailing, Selection};
use crate::statements::Statements;
use crate::verdict::{Case, Outcome, Verdict};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Args)]
pub(crate) struct Running {
    #[command(flatten)]
    selection: Selection,
    /// Non-strict outcomes and SHOULDs count as failures
    #[arg(long)]
    pub(crate) strict: bool,
    /// Cases that are known to fail, an id and perhaps a version on each line; one of them that passes fails the run
    #[arg(long, value_name = "FILE")]
    known_failing: Option<PathBuf>,
    /// Write those that fail into such a file
    #[arg(long, value_name = "FILE")]
    write_known_failing: Option<PathBuf>,
    /// What the target is called in the reports
    #[arg(long)]
    name: Option<String>,
    /// Show so many failures in full, the others on a line each
    #[arg(long, value_name = "MANY", default_value_t = 50)]
    details: usize,
    /// Write the outcomes as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the outcomes as JSON without what `report` knows by itself, to be kept in a repository
    #[arg(long, value_name = "FILE")]
    json_brief: Option<PathBuf>,
    /// Write the outcomes as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the outcomes in the Test Anything Protocol
    #[arg(long, value_name = "FILE")]
    tap: Option<PathBuf>,
    /// Write a page with the statements and the failures
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What an outcome counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    Passed,
    NonStrict,
    Failed,
    /// It fails something that SHOULD be, and the run is not strict.
    Should,
    KnownFailing,
    UnexpectedPass,
    Skipped,
}

impl Standing {
    pub(crate) const ALL: [Self; 7] = [
        Self::Passed,
        Self::NonStrict,
        Self::Failed,
        Self::UnexpectedPass,
        Self::Should,
        Self::KnownFailing,
        Self::Skipped,
    ];

    /// As in the JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NonStrict => "non-strict",
            Self::Failed => "failed",
            Self::Should => "should",
            Self::KnownFailing => "known-failing",
            Self::UnexpectedPass => "unexpected-pass",
            Self::Skipped => "skipped",
        }
    }

    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::UnexpectedPass)
    }
}

/// An outcome and what it counts as.
pub(crate) struct Judged {
    pub(crate) outcome: Outcome,
    pub(crate) standing: Standing,
}

fn standing(
    outcome: &Outcome,
    is_strict: bool,
    known: &KnownFailing,
    all: &Statements,
) -> Standing {
    let case = &outcome.case;
    let is_known = known.has(case);
    match &outcome.verdict {
        Verdict::Skipped(_) => return Standing::Skipped,
        Verdict::Pass if known.has_id(case) => return Standing::UnexpectedPass,
        Verdict::Pass => return Standing::Passed,
        Verdict::NonStrict(_) if !is_strict => return Standing::NonStrict,
        Verdict::NonStrict(_) | Verdict::Fail(_) => {}
    }
    let is_advice = case
        .statements
        .first()
        .and_then(|id| all.get(&case.version, id))
        .is_some_and(crate::statements::Statement::is_advice);
    if is_known {
        Standing::KnownFailing
    } else if is_advice && !is_strict {
        Standing::Should
    } else {
        Standing::Failed
    }
}

/// All that a report is made of.
pub(crate) struct Report<'a> {
    pub(crate) mode: &'a str,
    pub(crate) target: &'a str,
    pub(crate) is_strict: bool,
    pub(crate) took: Duration,
    pub(crate) judged: Vec<Judged>,
    /// Why the run did not come to its end.
    pub(crate) error: Option<String>,
    pub(crate) details: usize,
}

impl Report<'_> {
    pub(crate) fn count(&self, standing: Standing) -> usize {
        let all = self.judged.iter();
        all.filter(|one| one.standing == standing).count()
    }

    pub(crate) fn is_conforming(&self) -> bool {
        self.error.is_none() && !self.judged.iter().any(|one| one.standing.is_failure())
    }
}

/// Puts the chosen ones of `cases` to the target. The exit code; an error is one of usage.
pub(crate) fn run(
    running: &Running,
    all: &Statements,
    mode: &str,
    target: &str,
    cases: Vec<Case>,
    put: impl FnOnce(&[Case], &mut dyn FnMut(&Outcome)) -> Result<Vec<Outcome>, Error>,
) -> Result<u8, Error> {
    let known = match &running.known_failing {
        Some(path) => KnownFailing::read(path)?,
        None => KnownFailing::default(),
    };
    for id in known.unknown(&cases) {
        eprintln!("mqtt-conformance: known to fail, but there is no such case: {id}");
    }
    let chosen = running.selection.of(cases, all)?;
    let files = [
        &running.json,
        &running.json_brief,
        &running.junit,
        &running.tap,
        &running.html,
        &running.write_known_failing,
    ];
    for path in files.into_iter().flatten() {
        writable(path)?;
    }

    crate::trace::listen()?;
    let bar = ProgressBar::new(chosen.len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} left {eta}  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let begun = Instant::now();
    let mut outcomes = Vec::with_capacity(chosen.len());
    let mut failed = 0;
    let result = put(&chosen, &mut |outcome| {
        if matches!(outcome.verdict, Verdict::Fail(_)) {
            failed += 1;
            bar.set_message(format!("{failed} failed"));
        }
        bar.inc(1);
        outcomes.push(outcome.clone());
    });
    bar.finish_and_clear();

    let error = match result {
        Ok(mut returned) => {
            if returned.len() > outcomes.len() {
                outcomes.append(&mut returned.split_off(outcomes.len()));
            }
            let missing = chosen.len().saturating_sub(outcomes.len());
            let is_dead = |outcome: &Outcome| match &outcome.verdict {
                Verdict::Fail(failure) => Some(failure.is_dead),
                Verdict::Skipped(_) => None,
                _ => Some(false),
            };
            let mut dead = outcomes.iter().filter_map(is_dead).peekable();
            if missing > 0 {
                Some(format!("{missing} cases were not run"))
            } else if dead.peek().is_some() && dead.all(|dead| dead) {
                Some("the target answered in no case".into())
            } else {
                None
            }
        }
        Err(error) => Some(error.to_string()),
    };
    let report = Report {
        mode,
        target: running.name.as_deref().unwrap_or(target),
        is_strict: running.strict,
        took: begun.elapsed(),
        judged: outcomes
            .into_iter()
            .map(|outcome| Judged {
                standing: standing(&outcome, running.strict, &known, all),
                outcome,
            })
            .collect(),
        error,
        details: running.details,
    };
    write(running, &report, all)?;
    output::people::print(&report, all)?;
    Ok(match &report.error {
        Some(error) => {
            eprintln!("mqtt-conformance: {error}");
            3
        }
        None => u8::from(!report.is_conforming()),
    })
}

/// Before a long run, not after it.
fn writable(path: &Path) -> Result<(), String> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map(drop)
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn write(running: &Running, report: &Report<'_>, all: &Statements) -> Result<(), Error> {
    let run = output::json::run(report, all);
    let put = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    if let Some(path) = &running.json {
        put(path, format!("{run:#}\n"))?;
    }
    if let Some(path) = &running.json_brief {
        put(path, output::brief::text(report))?;
    }
    if let Some(path) = &running.junit {
        put(path, output::junit::text(report, all)?)?;
    }
    if let Some(path) = &running.tap {
        put(path, output::tap::text(report, all))?;
    }
    if let Some(path) = &running.html {
        put(path, output::html::single(&run, all)?)?;
    }
    if let Some(path) = &running.write_known_failing {
        if report.error.is_some() {
            return Ok(());
        }
        let failing = report
            .judged
            .iter()
            .filter(|one| matches!(one.standing, Standing::Failed | Standing::KnownFailing));
        let failing = failing.map(|one| &one.outcome.case);
        put(path, select::known_failing(report.target, failing))?;
    }
    Ok(())
}
