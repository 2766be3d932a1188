//! Questions and answers: many are under way at a time, and a fault of the adapter costs the one question it is at.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::process::{Process, Silence};
use crate::spell;
use crate::trace::{INTERRUPTED, is_interrupted};

/// So many bytes of questions may be under way, or a single longer one.
const UNDER_WAY: usize = 1 << 20;
/// So often in a row the adapter may fail the first question, when it is new.
const STARTS: u32 = 3;

pub(super) struct Settings {
    pub(super) command: String,
    pub(super) timeout: Duration,
    pub(super) start_timeout: Duration,
    pub(super) restarts: u32,
    /// How many questions are under way at a time.
    pub(super) window: usize,
    /// Of an answer, in bytes.
    pub(super) limit: usize,
}

/// What came of a question.
pub(super) enum Answer {
    /// It has the question's `id`.
    Given(Map<String, Value>),
    /// The adapter died, hung, or what it wrote is no answer.
    None(String),
}

pub(super) struct Adapter {
    settings: Settings,
    process: Option<Process>,
    next_id: u64,
    faults: u32,
    /// Given up for an adapter that does not keep the order.
    keeps_order: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Silent,
    Disorder,
}

struct Fault {
    kind: Kind,
    text: String,
}

impl Adapter {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            process: None,
            next_id: 0,
            faults: 0,
            keeps_order: true,
        }
    }

    /// Puts `many` questions, which `question` makes, and has `done` told of each answer in their order. An error: there is
    /// no adapter, or it was restarted too often.
    pub(super) fn ask(
        &mut self,
        many: usize,
        question: &mut dyn FnMut(usize) -> Map<String, Value>,
        done: &mut dyn FnMut(usize, Answer),
    ) -> Result<(), String> {
        // Number, `id`, length of the line.
        let mut under_way: VecDeque<(usize, u64, usize)> = VecDeque::new();
        let mut next = 0;
        // So many are put one by one, to see which is at fault.
        let mut alone = 0;
        let mut suspected = None;
        let mut since = Instant::now();
        loop {
            let window = if alone > 0 || !self.keeps_order {
                1
            } else {
                self.settings.window.max(1)
            };
            self.running()?;
            if is_interrupted() {
                return Err(INTERRUPTED.into());
            }
            let mut length: usize = under_way.iter().map(|one| one.2).sum();
            while next < many
                && under_way.len() < window
                && (under_way.is_empty() || length < UNDER_WAY)
            {
                if under_way.is_empty() {
                    since = Instant::now();
                }
                let (id, line) = self.line(question(next));
                length += line.len();
                under_way.push_back((next, id, line.len()));
                if let Some(process) = &self.process {
                    process.send(line);
                }
                next += 1;
            }
            let Some(&(number, id, _)) = under_way.front() else {
                return Ok(());
            };
            match self.answer(id, since + self.settings.timeout) {
                Ok(answer) => {
                    under_way.pop_front();
                    since = Instant::now();
                    alone = usize::saturating_sub(alone, 1);
                    if suspected.take() == Some((number, Kind::Disorder)) {
                        self.keeps_order = false;
                    }
                    done(number, Answer::Given(answer));
                }
                Err(fault) => {
                    self.process = None;
                    if is_interrupted() {
                        return Err(INTERRUPTED.into());
                    }
                    if under_way.len() > 1 {
                        // An adapter that does not flush each answer may have died at a later one.
                        alone = under_way.len();
                        suspected = Some((number, fault.kind));
                        next = number;
                    } else {
                        alone = usize::saturating_sub(alone, 1);
                        self.faults += 1;
                        done(number, Answer::None(fault.text.clone()));
                        next = number + 1;
                    }
                    under_way.clear();
                    if self.faults > self.settings.restarts {
                        return Err(format!(
                            "given up after {} faults of the adapter (--restarts); the last: {}",
                            self.faults, fault.text
                        ));
                    }
                }
            }
        }
    }

    /// Starts it if it does not run, and waits for it to answer a first question.
    fn running(&mut self) -> Result<(), String> {
        let mut starts = 0;
        while self.process.is_none() {
            starts += 1;
            let process = Process::start(&self.settings.command, self.settings.limit)
                .map_err(|error| format!("the adapter does not start: {error}"))?;
            let question = json!({"op": "decode", "version": "5.0", "hex": "c000"});
            let question = question.as_object().cloned().unwrap_or_default();
            let (id, line) = self.line(question);
            process.send(line);
            self.process = Some(process);
            let deadline = Instant::now() + self.settings.start_timeout;
            if let Err(fault) = self.answer(id, deadline) {
                self.process = None;
                if is_interrupted() {
                    return Err(INTERRUPTED.into());
                }
                if starts == STARTS || self.next_id == 1 {
                    return Err(format!(
                        "the adapter does not answer its first question: {}",
                        fault.text
                    ));
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, mut question: Map<String, Value>) -> (u64, Vec<u8>) {
        self.next_id += 1;
        question.insert("id".into(), self.next_id.into());
        let mut line = Value::Object(question).to_string().into_bytes();
        line.push(b'\n');
        (self.next_id, line)
    }

    fn answer(&mut self, id: u64, deadline: Instant) -> Result<Map<String, Value>, Fault> {
        let silent = |text: String| Fault {
            kind: Kind::Silent,
            text,
        };
        let Some(process) = &mut self.process else {
            return Err(silent("it does not run".into()));
        };
        let line = loop {
            match process.line(deadline) {
                Ok(line) if line.trim_ascii().is_empty() => {}
                Ok(line) => break line,
                Err(Silence::Ended) => {
                    let words = process.last_words();
                    return Err(silent(format!("the adapter ended: {words}")));
                }
                Err(Silence::Late) => {
                    return Err(silent("no answer in time; is each one flushed?".into()));
                }
                Err(Silence::TooLong(limit)) => {
                    return Err(silent(format!(
                        "an answer of more than {limit} bytes without an end"
                    )));
                }
            }
        };
        let shown = || spell::cut(String::from_utf8_lossy(&line).trim(), 200);
        match serde_json::from_slice(&line) {
            Ok(Value::Object(answer)) if answer.get("id") == Some(&id.into()) => Ok(answer),
            Ok(Value::Object(_)) => Err(Fault {
                kind: Kind::Disorder,
                text: format!("the answer to another question: {}", shown()),
            }),
            Ok(_) | Err(_) => Err(silent(format!("no JSON object: {}", shown()))),
        }
    }
}
