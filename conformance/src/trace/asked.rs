//! The steps that only traces of a client have.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::list;
use super::run::{Link, Run, Stop, failed, shown};
use super::support::traces::bytes::for_version;
use super::support::traces::pattern::{filled, fit};

/// For more than what was expected to be delivered.
const LATE: Duration = Duration::from_millis(50);

impl Run<'_> {
    /// Asks the application for a packet. CONNECT is on a connection that it opens for it.
    pub(super) fn ask(&mut self, packet: &Value) -> Result<(), Stop> {
        let mut packet = filled(&for_version(self.version, packet), &self.captured);
        let name = self.current.clone();
        if packet["type"] == "CONNECT" {
            if packet["client_id"].is_null() {
                packet["client_id"] = "trace".into();
            }
            let link = Link::new(self.version, None);
            self.links.insert(name.clone(), link);
        }
        self.note(&name, true, format!("do {}", shown(&packet)), &[]);
        let Some(application) = &self.application else {
            return Err(Stop::Skipped("a server is asked for nothing".into()));
        };
        application.ask(&json!({"do": packet, "on": name}));
        self.has_sent = true;
        Ok(())
    }

    /// What the application was given since the last such step.
    pub(super) fn delivered(&mut self, step: &Value, patterns: &Value) -> Result<(), Stop> {
        let expected = list(patterns).len();
        let count = |run: &Self| {
            let application = run.application.as_ref();
            application.map_or(0, |application| application.delivered.len())
        };
        self.wait(self.within(step), |run| count(run) >= expected)?;
        self.wait(Instant::now() + LATE, |_| false)?;
        let application = self.application.as_mut();
        let delivered = application.map(|application| std::mem::take(&mut application.delivered));
        let delivered = Value::from(delivered.unwrap_or_default());
        let patterns = for_version(self.version, patterns);
        self.captured = fit(&patterns, &delivered, &self.captured)
            .map_err(|error| failed(shown(&patterns), format!("{}: {error}", shown(&delivered))))?;
        Ok(())
    }
}
