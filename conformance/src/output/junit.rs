//! JUnit's XML: a suite for each version and file of vectors or traces.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};

use super::{failure, lines};
use crate::run::{Judged, Report, Standing};
use crate::spell;
use crate::statements::Statements;
use crate::verdict::Verdict;

/// No description is longer.
const LONGEST: usize = 8000;

pub(crate) fn text(report: &Report<'_>, all: &Statements) -> Result<String, String> {
    let mut xml = Xml::new(format!("mqtt-conformance {}", report.mode));
    xml.set_time(report.took);
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    for judged in &report.judged {
        let case = &judged.outcome.case;
        let file = case.id.rsplit_once('/').map_or("", |(file, _)| file);
        let name = if file.starts_with(&case.version) {
            file.to_owned()
        } else {
            format!("{}/{file}", case.version)
        };
        // Cases of a file are together, but for their versions.
        let at = suites.iter().rposition(|(known, _)| *known == name);
        let at = at.unwrap_or_else(|| {
            suites.push((name.clone(), TestSuite::new(name.as_str())));
            suites.len() - 1
        });
        suites[at].1.add_test_case(one(judged, &name, all));
    }
    if let Some(error) = &report.error {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(error.as_str());
        let mut suite = TestSuite::new("run");
        suite.add_test_case(TestCase::new("run to the end", status));
        suites.push(("run".into(), suite));
    }
    for (_, mut suite) in suites {
        let time = suite
            .test_cases
            .iter()
            .filter_map(|case| case.time)
            .sum::<Duration>();
        suite.set_time(time);
        xml.add_test_suite(suite);
    }
    xml.to_string().map_err(|error| error.to_string())
}

fn one(judged: &Judged, suite: &str, all: &Statements) -> TestCase {
    let case = &judged.outcome.case;
    let status = match (judged.standing, failure(judged)) {
        (Standing::Failed | Standing::UnexpectedPass, Some(failure)) => {
            let kind = if failure.is_dead {
                NonSuccessKind::Error
            } else {
                NonSuccessKind::Failure
            };
            let mut status = TestCaseStatus::non_success(kind);
            status
                .set_message(spell::cut(&case.comment, LONGEST))
                .set_type(case.statements.first().map_or("", String::as_str))
                .set_description(spell::cut(&lines(judged, &failure, all), LONGEST));
            status
        }
        (Standing::Should | Standing::KnownFailing, failure) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(match judged.standing {
                Standing::Should => "fails a SHOULD",
                _ => "known to fail",
            });
            if let Some(failure) = failure {
                status.set_description(spell::cut(&lines(judged, &failure, all), LONGEST));
            }
            status
        }
        _ => match &judged.outcome.verdict {
            Verdict::Skipped(why) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(spell::cut(why, LONGEST));
                status
            }
            _ => TestCaseStatus::success(),
        },
    };
    let mut out = TestCase::new(case.id.as_str(), status);
    out.set_classname(suite).set_time(judged.outcome.took);
    if let (Standing::NonStrict, Verdict::NonStrict(note)) =
        (judged.standing, &judged.outcome.verdict)
    {
        out.set_system_out(format!("non-strict: {}", spell::cut(note, LONGEST)));
    }
    out
}
