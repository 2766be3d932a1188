//! `client`: a program that is a client, told what to ask for on its standard input.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use sansio_mqtt_drivers::Scheme;
use serde_json::Value;

use crate::data::Data;
use crate::trace::{self, Application, Isolation, Setting, Target};
use crate::verdict::{Case, Failure, Outcome, Verdict};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Args)]
pub(crate) struct Options {
    /// The command of the client, run by the shell for each case
    #[arg(long, value_name = "COMMAND")]
    pub(crate) exec: String,
    /// Cases at a time
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Milliseconds to wait for what has no time of its own
    #[arg(long, value_name = "MS", default_value_t = 1_500)]
    #[arg(value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub(crate) timeout: u64,
    /// Longer silences are cut to this many seconds, cases with longer waits are skipped
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) longest: u32,
}

/// All that there are for this mode, in order.
pub(crate) fn cases(data: &Data) -> Vec<Case> {
    let mut cases = trace::cases(data, "client");
    cases.append(&mut trace::wire_cases(data, "client"));
    cases
}

/// Cases that are tried again because the program did not connect; where there are more, it is at fault.
const MOST_DEAD: usize = 20;

struct Job<'c> {
    index: usize,
    case: &'c Case,
    trace: &'c Value,
    is_timed: bool,
    length: u64,
}

/// Runs those that are chosen; `done` is told of each outcome as it comes.
pub(crate) fn run(
    options: &Options,
    data: &Data,
    chosen: &[Case],
    done: &mut dyn FnMut(&Outcome),
) -> Result<Vec<Outcome>, Error> {
    let setting = Setting {
        // It is the client that connects.
        target: &Target {
            scheme: Scheme::Mqtt,
            host: String::new(),
            port: 0,
            addresses: Vec::new(),
            tls: None,
            user: None,
            password: None,
            timeout: Duration::from_millis(options.timeout),
            keep_alive: 0,
        },
        isolation: Isolation::default(),
        longest: Duration::from_secs(options.longest.into()),
    };
    let wire = trace::wire_traces(data, "client", chosen);
    let wire = wire.iter().map(|(trace, version)| (trace, *version));
    let by_case: HashMap<(&str, &str), &Value> = trace::traces(data, "client")
        .chain(wire)
        .map(|(trace, version)| ((trace["id"].as_str().unwrap_or_default(), version), trace))
        .collect();
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    let mut finish = |outcome: Outcome| {
        done(&outcome);
        Some(outcome)
    };
    let mut jobs = Vec::new();
    for (index, case) in chosen.iter().enumerate() {
        let trace = by_case.get(&(&case.id[..], &case.version[..]));
        let trace = trace.ok_or_else(|| "there is no such trace".to_owned());
        let job = trace.and_then(|trace| {
            Ok(Job {
                index,
                case,
                trace,
                is_timed: trace::is_timed(trace),
                length: trace::length_within(trace, setting.longest)?,
            })
        });
        outcomes.push(None);
        match job {
            Ok(job) => jobs.push(job),
            Err(reason) => {
                outcomes[index] = finish(Outcome {
                    case: case.clone(),
                    verdict: Verdict::Skipped(reason),
                    took: Duration::ZERO,
                });
            }
        }
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.length));
    let programs = Programs {
        command: &options.exec,
        setting: &setting,
        idle: Mutex::new(Vec::new()),
    };
    let one = |job: &Job<'_>| {
        let begin = Instant::now();
        let verdict = programs.verdict(job);
        Outcome {
            case: job.case.clone(),
            verdict,
            took: begin.elapsed(),
        }
    };
    let (mut again, mut dead) = (Vec::new(), Vec::new());
    let is_tried = |one: &Outcome| !matches!(one.verdict, Verdict::Skipped(_));
    trace::pool(&jobs, options.jobs.into(), one, |job, outcome| {
        // Where time decides, a failure beside other cases says little: it is tried once more, alone.
        match &outcome.verdict {
            Verdict::Fail(failure) if failure.is_dead => dead.push((job, outcome)),
            Verdict::Fail(_) if job.is_timed => again.push(job),
            _ => outcomes[job.index] = finish(outcome),
        }
    });
    // A program may be slow to start beside others. One that never connects is not waited for.
    let is_alive = !again.is_empty() || outcomes.iter().flatten().any(is_tried);
    if is_alive && dead.len() <= MOST_DEAD {
        again.extend(dead.drain(..).map(|(job, _)| job));
    }
    for (job, outcome) in dead {
        outcomes[job.index] = finish(outcome);
    }
    for job in again {
        let outcome = one(job);
        if trace::is_interrupted() {
            break;
        }
        outcomes[job.index] = finish(outcome);
    }
    if trace::is_interrupted() {
        return Err(trace::INTERRUPTED.into());
    }
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    let is_dead = |one: &Outcome| matches!(&one.verdict, Verdict::Fail(failure) if failure.is_dead);
    let mut tried = outcomes.iter().filter(|one| is_tried(one)).peekable();
    if tried.peek().is_some() && tried.all(is_dead) {
        return Err(format!("{}: it never connects", options.exec).into());
    }
    Ok(outcomes)
}

/// The command, and those that it was started as that are good for another vector.
struct Programs<'p> {
    command: &'p str,
    setting: &'p Setting<'p>,
    idle: Mutex<Vec<(String, Application)>>,
}

impl Programs<'_> {
    /// Vectors ask for one connection after the other, traces for a client of their own.
    fn verdict(&self, job: &Job<'_>) -> Verdict {
        let version = &job.case.version;
        if let Some(mut application) = self.take(job) {
            application.again();
            let verdict = self.run(job, application);
            // What fails may be due to a case before.
            if matches!(verdict, Verdict::Pass | Verdict::NonStrict(_)) || trace::is_interrupted() {
                return verdict;
            }
        }
        match Application::start(self.command, version, job.trace) {
            Ok(application) => self.run(job, application),
            Err(error) => Verdict::Fail(Failure {
                expected: "a program".into(),
                seen: error.to_string(),
                log: Vec::new(),
                is_dead: true,
            }),
        }
    }

    fn take(&self, job: &Job<'_>) -> Option<Application> {
        if !trace::is_wire(job.trace) {
            return None;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let index = idle.iter().position(|(of, _)| *of == job.case.version)?;
        Some(idle.swap_remove(index).1)
    }

    fn run(&self, job: &Job<'_>, application: Application) -> Verdict {
        let mut application = Some(application);
        let version = &job.case.version;
        let verdict = trace::run(self.setting, &mut application, job.trace, version);
        let is_good = matches!(verdict, Verdict::Pass | Verdict::NonStrict(_));
        if let Some(application) = application.filter(|_| is_good && trace::is_wire(job.trace)) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push((version.clone(), application));
        }
        verdict
    }
}
