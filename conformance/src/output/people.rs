//! Failures and a summary, on standard output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::{failure, lines};
use crate::run::{Report, Standing};
use crate::statements::{self, Statements};
use crate::verdict::Verdict;

pub(crate) fn print(report: &Report<'_>, all: &Statements) -> io::Result<()> {
    match io::stdout().lock().write_all(text(report, all).as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn text(report: &Report<'_>, all: &Statements) -> String {
    let mut out = String::new();
    for (kind, what) in [
        (Standing::Should, "SHOULD, does not count"),
        (Standing::Failed, "failed"),
        (Standing::UnexpectedPass, "known to fail, but passes"),
    ] {
        let of_kind = report.judged.iter().filter(|one| one.standing == kind);
        for (number, judged) in of_kind.enumerate() {
            let case = &judged.outcome.case;
            let _ = writeln!(out, "{} ({}): {what}", case.id, case.version);
            if let Some(failure) = failure(judged)
                && number < report.details
            {
                for line in lines(judged, &failure, all).lines() {
                    let _ = writeln!(out, "    {line}");
                }
                out.push('\n');
            }
        }
    }
    skipped(&mut out, report);
    sections(&mut out, report, all);
    let _ = writeln!(
        out,
        "{} ({}), {:.1} s{}",
        report.target,
        report.mode,
        report.took.as_secs_f64(),
        if report.is_strict { ", strict" } else { "" }
    );
    let counts = Standing::ALL
        .iter()
        .map(|standing| (standing.name(), report.count(*standing)))
        .filter(|(name, count)| *count > 0 || ["passed", "failed"].contains(name))
        .map(|(name, count)| format!("{count} {name}"));
    let _ = writeln!(out, "{}", counts.collect::<Vec<_>>().join(", "));
    let verdict = match (&report.error, report.is_conforming()) {
        (Some(error), _) => format!("not run to the end: {error}"),
        (None, false) => "not conforming".into(),
        (None, true) if report.count(Standing::Skipped) == report.judged.len() => {
            "nothing was run".into()
        }
        (None, true) => "conforming".into(),
    };
    let _ = writeln!(out, "{verdict}");
    out
}

/// Why, and how many.
fn skipped(out: &mut String, report: &Report<'_>) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for judged in &report.judged {
        if let Verdict::Skipped(why) = &judged.outcome.verdict {
            *reasons.entry(why).or_default() += 1;
        }
    }
    for (why, many) in &reasons {
        let _ = writeln!(out, "{many} skipped: {why}");
    }
    if !reasons.is_empty() {
        out.push('\n');
    }
}

/// A table for each version, by the section of the first statement.
fn sections(out: &mut String, report: &Report<'_>, all: &Statements) {
    const COLUMNS: [Standing; 7] = Standing::ALL;
    let mut rows: BTreeMap<(&str, Vec<u32>, String), [usize; 7]> = BTreeMap::new();
    for judged in &report.judged {
        let case = &judged.outcome.case;
        let first = case.statements.first();
        let section = first
            .and_then(|id| all.get(&case.version, id))
            .map(|statement| statements::chapter(&statement.section))
            .unwrap_or_default();
        let order = section
            .split('.')
            .map(|part| part.parse().unwrap_or(u32::MAX))
            .collect();
        let row = rows.entry((&case.version, order, section)).or_default();
        for (count, standing) in row.iter_mut().zip(COLUMNS) {
            *count += usize::from(standing == judged.standing);
        }
    }
    let used: Vec<_> = (0..COLUMNS.len())
        .filter(|column| *column == 0 || *column == 2 || rows.values().any(|row| row[*column] > 0))
        .collect();
    let mut last = "";
    for ((version, _, section), row) in &rows {
        if *version != last {
            let _ = write!(out, "{:<44}", format!("MQTT {version}"));
            for column in &used {
                let _ = write!(out, "{:>16}", COLUMNS[*column].name());
            }
            out.push('\n');
            last = version;
        }
        let title = statements::title(version, section);
        let _ = write!(out, "  {section:<6} {title:<35}");
        for column in &used {
            let _ = write!(out, "{:>16}", row[*column]);
        }
        out.push('\n');
    }
    out.push('\n');
}
