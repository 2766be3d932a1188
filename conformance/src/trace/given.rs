//! A server that is set up for one case: a program that says where it listens.

use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::plan::{Plan, is_timed, length_within};
use super::program::Program;

/// For a server that has started to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Characters of a line that are shown.
const MOST_TEXT: usize = 200;

pub(crate) struct OwnServer {
    program: Program,
    /// Where it listens, a URL.
    pub(crate) address: String,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum NoServer {
    /// It cannot be set up so.
    Unsupported(String),
    /// What has become of the program.
    Dead(String),
}

/// Nobody else is there, so client identifiers and topics are as in the trace. An error: it takes too long.
pub(crate) fn plan_on_its_own(trace: &Value, longest: Duration) -> Result<Plan, String> {
    Ok(Plan {
        has_topics: false,
        has_client_ids: false,
        is_timed: is_timed(trace),
        sees_all: false,
        length: length_within(trace, longest)?,
    })
}

impl OwnServer {
    /// Starts the program, and waits so long at most until it says where the server is.
    pub(crate) fn start(
        command: &str,
        version: &str,
        trace: &Value,
        time: Duration,
    ) -> Result<Self, NoServer> {
        let needs = match &trace["needs"] {
            Value::Null => "[]".into(),
            needs => needs.to_string(),
        };
        let program = Program::start(command, version, trace, &[("MQTT_NEEDS", needs)]);
        let mut program = program.map_err(|error| NoServer::Dead(error.to_string()))?;
        let line = program.line(time);
        let line = line.map_err(|error| {
            NoServer::Dead(match error {
                RecvTimeoutError::Timeout => format!("no line within {} s", time.as_secs()),
                RecvTimeoutError::Disconnected => {
                    let ended = ended(&program).unwrap_or_else(|| "it has closed it".into());
                    format!("its output has ended without a line ({ended})")
                }
            })
        })?;
        let told: Value = serde_json::from_str(&line).unwrap_or_default();
        match (told["listening"].as_str(), told["unsupported"].as_str()) {
            (Some(address), _) => {
                program.patience = PATIENCE;
                Ok(Self {
                    program,
                    address: address.into(),
                })
            }
            (None, Some(reason)) => Err(NoServer::Unsupported(reason.into())),
            (None, None) => {
                let line: String = line.chars().take(MOST_TEXT).collect();
                Err(NoServer::Dead(format!("printed {line:?}")))
            }
        }
    }

    /// How the program has ended, if it has.
    pub(crate) fn ended(&self) -> Option<String> {
        ended(&self.program)
    }
}

/// The same; what it had open ends a moment before it does.
fn ended(program: &Program) -> Option<String> {
    thread::sleep(Duration::from_millis(100));
    program.ended()
}
