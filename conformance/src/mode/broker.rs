//! `broker`: a server, over its network connections.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use rustls::ClientConfig;
use sansio_mqtt_drivers::Scheme;
use sansio_mqtt_drivers::tls::{self, Trust};
use serde_json::Value;
use url::Url;

use crate::data::{Data, list};
use crate::trace::{
    self, Capabilities, Doubts, Isolation, NoServer, OwnServer, Plan, Setting, Target,
};
use crate::verdict::{Case, Failure, Outcome, Verdict};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Cases in a row without an answer, after which a target is waited for.
const MOST_DEAD: usize = 100;

#[derive(Args)]
pub(crate) struct Options {
    /// mqtt://, mqtts://, ws:// or wss:// with host and port
    #[arg(long, value_name = "URL")]
    pub(crate) target: String,
    /// For mqtts and wss: the authorities that the server's certificate may be of, PEM; without it those of the system
    #[arg(long, value_name = "FILE")]
    pub(crate) cafile: Option<PathBuf>,
    /// The runner's certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Do not look at the server's certificate at all: its name, its time and whom it is of
    #[arg(long)]
    pub(crate) insecure: bool,
    /// User name in every CONNECT
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Password in every CONNECT
    #[arg(long, value_name = "TEXT", requires = "user")]
    pub(crate) password: Option<String>,
    /// Cases at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Milliseconds to wait for what has no time of its own
    #[arg(long, value_name = "MS", default_value_t = 1_500)]
    #[arg(value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub(crate) timeout: u64,
    /// Longer silences are cut to this many seconds, cases with longer waits are skipped
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) longest: u32,
    /// A JSON object: names of what traces need, with true or false, which is not probed then; and `given`, a list of traces
    /// or of keys of their `given`, for which the server is set up
    #[arg(long, value_name = "FILE")]
    pub(crate) capabilities: Option<PathBuf>,
    /// The command of a server that is set up for one case, run by the shell for each that the target is not set up for
    #[arg(long, value_name = "COMMAND")]
    pub(crate) given_exec: Option<String>,
    /// Seconds to wait until it listens
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        requires = "given_exec"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) given_wait: u64,
}

/// All that there are for this mode, in order.
pub(crate) fn cases(data: &Data) -> Vec<Case> {
    let mut cases = trace::cases(data, "server");
    cases.append(&mut trace::wire_cases(data, "server"));
    cases
}

/// Runs those that are chosen; `done` is told of each outcome as it comes. An error: the target cannot be reached at all.
pub(crate) fn run(
    options: &Options,
    data: &Data,
    chosen: &[Case],
    done: &mut dyn FnMut(&Outcome),
) -> Result<Vec<Outcome>, Error> {
    let target = target(options, &options.target);
    let mut target = target.map_err(|error| format!("--target {error}"))?;
    let name = name();
    let mut capabilities = trace::probe(&mut target, &name)?;
    let run = Run {
        name,
        options,
        target: &target,
        longest: Duration::from_secs(options.longest.into()),
        number: AtomicUsize::new(0),
        dead: AtomicUsize::new(0),
        is_gone: AtomicBool::new(false),
        waiting: Mutex::new(()),
    };
    if let Some(path) = &options.capabilities {
        told(path, &mut capabilities)?;
    }
    if let Some(refusal) = capabilities.is_closed_to_all() {
        return Err(format!("nobody is let in ({refusal})").into());
    }
    let wire = trace::wire_traces(data, "server", chosen);
    let wire = wire.iter().map(|(trace, version)| (trace, *version));
    let by_case: HashMap<(&str, &str), &Value> = trace::traces(data, "server")
        .chain(wire)
        .map(|(trace, version)| ((trace["id"].as_str().unwrap_or_default(), version), trace))
        .collect();
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    let mut jobs = Vec::new();
    let mut finish = |outcome: Outcome| {
        done(&outcome);
        Some(outcome)
    };
    for (index, case) in chosen.iter().enumerate() {
        let trace = by_case.get(&(&case.id[..], &case.version[..]));
        let planned = trace.ok_or_else(|| "there is no such trace".to_owned());
        let planned = planned.and_then(|trace| {
            let plan = trace::plan(trace, &case.version, &capabilities, run.longest);
            let (plan, unfit) = match (plan, &options.given_exec) {
                // A version that the target does not serve is none that its makers set a server up for.
                (Err(reason), Some(_)) if capabilities.unserved(&case.version).is_none() => {
                    (trace::plan_on_its_own(trace, run.longest)?, Some(reason))
                }
                (plan, _) => (plan?, None),
            };
            Ok(Job {
                index,
                case,
                trace,
                plan,
                unfit,
            })
        });
        outcomes.push(None);
        match planned {
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
    // The longest first, so that the others are done beside them.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.plan.length));
    let (alone, together): (Vec<_>, Vec<_>) = jobs
        .iter()
        .partition(|job| job.plan.is_alone() && job.unfit.is_none());
    let mut doubts = Doubts::new();
    let one = |job: &&Job<'_>| run.one(job);
    trace::pool(&together, options.jobs.into(), one, |job, outcome| {
        let is_shared = job.unfit.is_none();
        if let Some(outcome) = doubts.consider(*job, job.plan.is_timed, is_shared, outcome) {
            outcomes[job.index] = finish(outcome);
        }
    });
    let mut others = None;
    for job in alone {
        if trace::is_interrupted() {
            break;
        }
        let is_shared = job.plan.sees_all
            && *others
                .get_or_insert_with(|| trace::is_shared(&target, &job.case.version, &run.name));
        let outcome = match is_shared {
            false => run.one(job),
            true => Outcome {
                case: job.case.clone(),
                verdict: Verdict::Skipped("it subscribes to #, and others use this server".into()),
                took: Duration::ZERO,
            },
        };
        if trace::is_interrupted() {
            break;
        }
        if let Some(outcome) = doubts.consider(job, job.plan.is_timed, true, outcome) {
            outcomes[job.index] = finish(outcome);
        }
    }
    let decided = doubts.decide();
    for (job, outcome) in decided.stays {
        outcomes[job.index] = finish(outcome);
    }
    // One that has never answered is not waited for.
    let mut is_gone = !capabilities.has_answered() || run.is_gone.load(Ordering::Relaxed);
    for (job, first) in decided.again {
        let is_own = job.unfit.is_some();
        is_gone |= !is_own && !is_gone && !trace::is_back(&target, &job.case.version, &run.name);
        let can_be_tried = is_own || !is_gone;
        let outcome = if can_be_tried { run.one(job) } else { first };
        if trace::is_interrupted() {
            return Err(trace::INTERRUPTED.into());
        }
        outcomes[job.index] = finish(outcome);
    }
    if trace::is_interrupted() {
        return Err(trace::INTERRUPTED.into());
    }
    if run.is_gone.load(Ordering::Relaxed) {
        return Err(format!("given up: {MOST_DEAD} cases in a row had no answer").into());
    }
    Ok(outcomes.into_iter().flatten().collect())
}

struct Job<'c> {
    index: usize,
    case: &'c Case,
    trace: &'c Value,
    plan: Plan,
    /// Why the target is none for it: then it has a server of its own.
    unfit: Option<String>,
}

struct Run<'r> {
    /// Not that of any other run.
    name: String,
    options: &'r Options,
    target: &'r Target,
    longest: Duration,
    /// Of the next case.
    number: AtomicUsize,
    /// Cases in a row that had no answer.
    dead: AtomicUsize,
    /// The target is given up.
    is_gone: AtomicBool,
    /// Who waits for a target that answers nothing.
    waiting: Mutex<()>,
}

impl Run<'_> {
    fn one(&self, job: &Job<'_>) -> Outcome {
        let begin = Instant::now();
        let verdict = match (&self.options.given_exec, &job.unfit) {
            (Some(command), Some(reason)) => self.on_its_own(job, command, reason),
            _ => self.on_the_target(job),
        };
        Outcome {
            case: job.case.clone(),
            verdict,
            took: begin.elapsed(),
        }
    }

    /// A target that has answered nothing for many cases is waited for, and then given up.
    fn on_the_target(&self, job: &Job<'_>) -> Verdict {
        if self.dead.load(Ordering::Relaxed) >= MOST_DEAD {
            let _others_wait = self.waiting.lock();
            if self.dead.load(Ordering::Relaxed) >= MOST_DEAD {
                let is_back = !self.is_gone.load(Ordering::Relaxed)
                    && trace::is_back(self.target, &job.case.version, &self.name);
                match is_back {
                    true => self.dead.store(0, Ordering::Relaxed),
                    false => self.is_gone.store(true, Ordering::Relaxed),
                }
            }
        }
        if self.is_gone.load(Ordering::Relaxed) {
            return Verdict::Fail(Failure {
                expected: "a target".into(),
                seen: "not tried: it has answered nothing for a long time".into(),
                log: Vec::new(),
                is_dead: true,
            });
        }
        let verdict = self.verdict(job, self.target);
        let is_silent = match &verdict {
            Verdict::Fail(failure) => failure.is_dead || failure.log.iter().all(|one| one.is_sent),
            _ => false,
        };
        match is_silent {
            true => _ = self.dead.fetch_add(1, Ordering::Relaxed),
            false => self.dead.store(0, Ordering::Relaxed),
        }
        verdict
    }

    fn on_its_own(&self, job: &Job<'_>, command: &str, reason: &str) -> Verdict {
        let dead = |seen| {
            Verdict::Fail(Failure {
                expected: "a server that is set up for the case (--given-exec)".into(),
                seen,
                log: Vec::new(),
                is_dead: true,
            })
        };
        let time = Duration::from_secs(self.options.given_wait);
        let server = match OwnServer::start(command, &job.case.version, job.trace, time) {
            Ok(server) => server,
            Err(NoServer::Unsupported(why)) => {
                return Verdict::Skipped(format!("{reason} ({why})"));
            }
            Err(NoServer::Dead(seen)) => return dead(seen),
        };
        let target = match target(self.options, &server.address) {
            Ok(target) => target,
            Err(error) => return dead(format!("listening: {error}")),
        };
        // Over TCP such a case would pass, and show nothing.
        let needs = list(&job.trace["needs"]);
        if needs.iter().any(|need| need == "websocket") && !target.scheme.is_web_socket() {
            let address = &server.address;
            return Verdict::Skipped(format!("{reason} ({address} is none of ws or wss)"));
        }
        let mut verdict = self.verdict(job, &target);
        if let Verdict::Fail(failure) = &mut verdict
            && let Some(ended) = server.ended()
        {
            let ended = format!("; the program of --given-exec has ended ({ended})");
            failure.seen.push_str(&ended);
        }
        verdict
    }

    fn verdict(&self, job: &Job<'_>, target: &Target) -> Verdict {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let setting = Setting {
            target,
            isolation: Isolation {
                prefix: format!("{}{}", self.name, digits(number as u64, 3)),
                has_topics: job.plan.has_topics,
                has_client_ids: job.plan.has_client_ids,
            },
            longest: self.longest,
        };
        trace::run(&setting, &mut None, job.trace, &job.case.version)
    }
}

/// Five letters and digits.
fn name() -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("c{}", digits(random, 4))
}

fn digits(mut number: u64, count: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = String::new();
    for _ in 0..count {
        let digit = usize::try_from(number % 36).unwrap_or(0);
        text.insert(0, char::from(DIGITS[digit]));
        number /= 36;
    }
    text
}

/// What is wrong with the options, and not with the target.
pub(crate) fn check(options: &Options) -> Result<(), Error> {
    let (scheme, ..) = address(&options.target).map_err(|error| format!("--target {error}"))?;
    tls_of(options, scheme)?;
    if let Some(path) = &options.capabilities {
        told(path, &mut Capabilities::default())?;
    }
    Ok(())
}

/// What the file of capabilities says.
fn told(path: &Path, capabilities: &mut Capabilities) -> Result<(), String> {
    let wrong = |error: String| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let file: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    capabilities.tell(&file).map_err(wrong)
}

fn tls_of(options: &Options, scheme: Scheme) -> Result<Option<Arc<ClientConfig>>, Error> {
    if !scheme.is_tls() {
        return Ok(None);
    }
    let trust = Trust::new(options.cafile.as_deref(), options.insecure);
    let identity = options.cert.as_deref().zip(options.key.as_deref());
    Ok(Some(tls::client(&trust, identity)?))
}

/// Scheme, host and port. What would be passed over is refused.
fn address(url: &str) -> Result<(Scheme, String, u16), String> {
    let wrong = |text: &str| format!("{url}: {text}");
    let parsed: Url = url.parse().map_err(|error| wrong(&format!("{error}")))?;
    let scheme: Scheme = parsed
        .scheme()
        .parse()
        .map_err(|error: String| wrong(&error))?;
    let host = parsed.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| wrong("no host"))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("who connects is said by --user and --password"));
    }
    let is_path = matches!(parsed.path(), "" | "/" | "/mqtt");
    if !is_path || parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong("nothing behind the port; a WebSocket is at /mqtt"));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = parsed.port().unwrap_or(scheme.default_port());
    Ok((scheme, host.to_owned(), port))
}

fn target(options: &Options, url: &str) -> Result<Target, Error> {
    let wrong = |text: &str| format!("{url}: {text}");
    let (scheme, host, port) = address(url)?;
    let tls = tls_of(options, scheme)?;
    let addresses = (&host[..], port).to_socket_addrs();
    let addresses = addresses
        .map_err(|error| wrong(&error.to_string()))?
        .collect();
    Ok(Target {
        scheme,
        host,
        port,
        addresses,
        tls,
        user: options.user.clone(),
        password: options.password.clone(),
        timeout: Duration::from_millis(options.timeout),
        keep_alive: 0,
    })
}
