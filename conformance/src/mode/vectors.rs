//! `vectors`: a codec in any language, behind lines of JSON.

mod adapter;
mod judge;
mod process;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::data::{Data, list, text};
use crate::spell;
use crate::verdict::{Case, Failure, Line, Outcome, Verdict};
use adapter::{Adapter, Answer, Settings};
use judge::Judge;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Args)]
pub(crate) struct Options {
    /// The command of the adapter, run by the shell
    #[arg(long, value_name = "COMMAND")]
    pub(crate) adapter: String,
    /// How long to wait for each answer
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    timeout: u64,
    /// How long to wait for the first answer after a start
    #[arg(long, value_name = "MS", default_value_t = 120_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    start_timeout: u64,
    /// Give up when the adapter has died, hung or answered no JSON more often
    #[arg(long, value_name = "TIMES", default_value_t = 100)]
    restarts: u32,
    /// So many questions are under way at a time
    #[arg(long, value_name = "QUESTIONS", default_value_t = 64)]
    pipeline: usize,
    /// Put each beginning of each valid packet, too, which is incomplete
    #[arg(long)]
    beginnings: bool,
    /// Hold it to the words, reason codes, statements and offsets of the vectors, where it gives them
    #[arg(skip)]
    pub(crate) strict: bool,
}

/// All that there are for this mode, in order.
pub(crate) fn cases(data: &Data) -> Vec<Case> {
    sources(data).map(|source| source.case()).collect()
}

/// A vector, in one version.
#[derive(Clone, Copy)]
struct Source<'a> {
    version: &'a str,
    op: Op,
    vector: &'a Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    Decode,
    Topic,
    Filter,
    Match,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Op::Decode => "decode",
            Op::Topic => "topic",
            Op::Filter => "filter",
            Op::Match => "match",
        }
    }
}

fn sources(data: &Data) -> impl Iterator<Item = Source<'_>> {
    let codec = data.codec.iter().flat_map(|file| {
        let version = text(&file["version"]);
        list(&file["vectors"]).iter().map(move |vector| Source {
            version,
            op: Op::Decode,
            vector,
        })
    });
    let topics = data.topics.iter().flat_map(|file| {
        let op = match text(&file["kind"]) {
            "names" => Op::Topic,
            "filters" => Op::Filter,
            _ => Op::Match,
        };
        list(&file["vectors"]).iter().flat_map(move |vector| {
            list(&vector["versions"]).iter().map(move |version| Source {
                version: text(version),
                op,
                vector,
            })
        })
    });
    codec.chain(topics)
}

impl Source<'_> {
    fn case(&self) -> Case {
        let cited = match self.op {
            Op::Decode => &self.vector["statements"],
            _ => &self.vector["statements"][self.version],
        };
        Case {
            id: text(&self.vector["id"]).to_owned(),
            comment: text(&self.vector["comment"]).to_owned(),
            version: self.version.to_owned(),
            statements: list(cited).iter().map(|one| text(one).to_owned()).collect(),
            role: "codec",
        }
    }

    fn question(&self) -> Result<Map<String, Value>, String> {
        let mut question = Map::new();
        question.insert("op".into(), self.op.name().into());
        question.insert("version".into(), self.version.into());
        let mut put = |key: &str, runs: &str| -> Result<(), String> {
            question.insert(key.into(), spell::text(self.vector, key, runs)?.into());
            Ok(())
        };
        match self.op {
            Op::Decode => put("hex", "runs")?,
            Op::Topic => put("topic", "topic_runs")?,
            Op::Filter => put("filter", "filter_runs")?,
            Op::Match => {
                put("filter", "filter_runs")?;
                put("topic", "topic_runs")?;
            }
        }
        if self.op == Op::Decode {
            let direction = self.vector["direction"].as_str().unwrap_or("any");
            question.insert("direction".into(), direction.into());
        }
        Ok(question)
    }

    /// The length of the hexadecimal digits or texts of the question.
    fn length(&self) -> usize {
        ["hex", "topic", "filter"]
            .iter()
            .map(|key| text(&self.vector[*key]).len())
            .chain(
                ["runs", "topic_runs", "filter_runs"]
                    .iter()
                    .flat_map(|key| list(&self.vector[*key]))
                    .map(|run| {
                        let times = usize::try_from(run[1].as_u64().unwrap_or(0));
                        times.unwrap_or(0).saturating_mul(text(&run[0]).len())
                    }),
            )
            .fold(0, usize::saturating_add)
    }

    /// How many bytes each of its beginnings has that are put.
    fn beginnings(&self) -> Vec<usize> {
        let rest = self.vector["rest"].as_u64().unwrap_or(0);
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        if self.op != Op::Decode || self.vector["verdict"] != "valid" {
            return Vec::new();
        }
        let whole = (self.length() / 2).saturating_sub(rest);
        match whole {
            0..=64 => (1..whole).collect(),
            65..=65_536 => (1..16)
                .chain((16..whole - 4).step_by((whole / 8).max(1)))
                .chain(whole - 4..whole)
                .collect(),
            _ => (1..8).chain([whole - 1]).collect(),
        }
    }
}

/// A line of the adapter protocol to put, and the case that it belongs to.
struct Question {
    case: usize,
    /// The first so many bytes; none: all.
    beginning: Option<usize>,
}

/// Runs those that are chosen; `done` is told of each outcome as it comes. An error: the target cannot be reached at all.
pub(crate) fn run(
    options: &Options,
    data: &Data,
    chosen: &[Case],
    done: &mut dyn FnMut(&Outcome),
) -> Result<Vec<Outcome>, Error> {
    let mut by_id = HashMap::new();
    for source in sources(data) {
        by_id.insert((text(&source.vector["id"]), source.version), source);
    }
    let chosen: Vec<_> = chosen
        .iter()
        .filter_map(|case| {
            let source = by_id.get(&(&case.id[..], &case.version[..]))?;
            Some((case, *source))
        })
        .collect();
    let longest = chosen.iter().map(|(_, source)| source.length()).max();
    let mut adapter = Adapter::new(Settings {
        command: options.adapter.clone(),
        timeout: Duration::from_millis(options.timeout),
        start_timeout: Duration::from_millis(options.start_timeout),
        restarts: options.restarts,
        window: options.pipeline,
        // A byte of a packet, two digits, is seven characters at most: `"0x00",`.
        limit: longest
            .unwrap_or(0)
            .saturating_mul(4)
            .saturating_add(1 << 20),
    });
    let lacking = lacking(&mut adapter, &chosen)?;

    let mut questions = Vec::new();
    for (case, (_, source)) in chosen.iter().enumerate() {
        if lacking.contains_key(&(source.op, source.version)) {
            continue;
        }
        questions.push(Question {
            case,
            beginning: None,
        });
        if options.beginnings {
            let beginnings = source.beginnings().into_iter();
            questions.extend(beginnings.map(|length| Question {
                case,
                beginning: Some(length),
            }));
        }
    }

    let judge = Judge::new(data, options.strict);
    let mut outcomes = Vec::with_capacity(chosen.len());
    let mut finished = |case: &Case, verdict, took| {
        let outcome = Outcome {
            case: case.clone(),
            verdict,
            took,
        };
        done(&outcome);
        outcomes.push(outcome);
    };
    for (case, source) in &chosen {
        if let Some(why) = lacking.get(&(source.op, source.version)) {
            finished(case, Verdict::Skipped(why.clone()), Duration::ZERO);
        }
    }
    let ask = |question: &Question| -> Result<Map<String, Value>, String> {
        let mut ask = chosen[question.case].1.question()?;
        if let Some(length) = question.beginning
            && let Some(Value::String(hex)) = ask.get_mut("hex")
        {
            let beginning = hex.get(..2 * length).ok_or("no hexadecimal")?;
            *hex = beginning.to_owned();
        }
        Ok(ask)
    };
    // The verdict on the case so far, of which there are several questions.
    let mut so_far: Option<Verdict> = None;
    let mut since = Instant::now();
    adapter.ask(
        questions.len(),
        // A vector that cannot be read is put as nothing, and judged as that.
        &mut |number| ask(&questions[number]).unwrap_or_default(),
        &mut |number, answer| {
            let question = &questions[number];
            let (case, source) = &chosen[question.case];
            let verdict = match ask(question) {
                Ok(ask) => {
                    let verdict = match &answer {
                        Answer::Given(answer) => judge.verdict(source, question.beginning, answer),
                        Answer::None(why) => Verdict::Fail(Failure {
                            expected: judge.expected(source, question.beginning),
                            seen: why.clone(),
                            log: Vec::new(),
                            is_dead: true,
                        }),
                    };
                    with_log(verdict, &ask, &answer)
                }
                Err(why) => Verdict::Fail(Failure {
                    expected: "a vector that can be read".into(),
                    seen: why,
                    ..Failure::default()
                }),
            };
            let worst = match so_far.take() {
                None | Some(Verdict::Pass) => verdict,
                Some(failed @ Verdict::Fail(_)) => failed,
                Some(other) if matches!(verdict, Verdict::Fail(_)) => {
                    drop(other);
                    verdict
                }
                Some(other) => other,
            };
            let is_last = questions
                .get(number + 1)
                .is_none_or(|next| next.case != question.case);
            if is_last {
                finished(case, worst, since.elapsed());
                since = Instant::now();
            } else {
                so_far = Some(worst);
            }
        },
    )?;
    Ok(outcomes)
}

/// What the adapter does not have: it answers the simplest question of an `op` and version by an error. Why not.
fn lacking<'a>(
    adapter: &mut Adapter,
    chosen: &[(&Case, Source<'a>)],
) -> Result<HashMap<(Op, &'a str), String>, Error> {
    let mut kinds: Vec<(Op, &str)> = Vec::new();
    for (_, source) in chosen {
        let kind = (source.op, source.version);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let mut lacking = HashMap::new();
    let mut fault = None;
    let mut simplest = |number: usize| {
        let (op, version) = kinds[number];
        let question = match op {
            Op::Decode => json!({"version": version, "direction": "c2s", "hex": "c000"}),
            Op::Topic => json!({"version": version, "topic": "a"}),
            Op::Filter => json!({"version": version, "filter": "a"}),
            Op::Match => json!({"version": version, "filter": "a", "topic": "a"}),
        };
        let mut question = question.as_object().cloned().unwrap_or_default();
        question.insert("op".into(), op.name().into());
        question
    };
    adapter.ask(kinds.len(), &mut simplest, &mut |number, answer| {
        let (op, version) = kinds[number];
        match answer {
            Answer::Given(answer) => {
                if let Some(error) = answer.get("error") {
                    let error = error.as_str().unwrap_or("an error");
                    let why = format!("no {} in {version}: {}", op.name(), spell::cut(error, 200));
                    lacking.insert((op, version), why);
                }
            }
            Answer::None(why) => {
                fault.get_or_insert(format!(
                    "the simplest {} of {version}: {why}; what an adapter does not know is answered by an error",
                    op.name()
                ));
            }
        }
    })?;
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(lacking),
    }
}

/// A failure with the question and the answer.
fn with_log(verdict: Verdict, ask: &Map<String, Value>, answer: &Answer) -> Verdict {
    let Verdict::Fail(mut failure) = verdict else {
        return verdict;
    };
    let hex = ask.get("hex").and_then(Value::as_str).unwrap_or_default();
    let mut shown = ask.clone();
    shown.shift_remove("hex");
    let line = |is_sent, text: &str, hex: &str| Line {
        at: 0,
        connection: String::new(),
        is_sent,
        text: spell::cut(text, 1000),
        hex: spell::cut(hex, 1000),
    };
    failure.log = vec![line(true, &Value::Object(shown).to_string(), hex)];
    if let Answer::Given(answer) = answer {
        let mut answer = answer.clone();
        answer.shift_remove("id");
        let answer = Value::Object(answer).to_string();
        failure.log.push(line(false, &answer, ""));
    }
    Verdict::Fail(failure)
}
