//! The end of a trace: nothing is left over that no step has expected.

use std::time::{Duration, Instant};

use serde_json::json;

use super::run::{Run, Stop, failed, shown};
use super::support::traces::bytes::encode;

/// For what is still on its way when every connection has answered.
const LATE: Duration = Duration::from_millis(50);

impl Run<'_> {
    /// Every connection is asked for a last answer, so that what the server has sent before it is here.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        self.pump()?;
        let open = self.links.iter().filter(|(_, link)| {
            link.is_connected && !link.is_over && !link.is_spoilt && link.closed.is_none()
        });
        let names: Vec<String> = open.map(|(name, _)| name.clone()).collect();
        let time = self.timeout();
        for name in &names {
            let Some(link) = self.links.get_mut(name) else {
                continue;
            };
            if let Ok(bytes) = encode(&link.version, &json!({"type": "PINGREQ"})) {
                let _ = link.wire.as_mut().map(|wire| wire.write(&bytes, time));
                self.note(
                    name,
                    true,
                    "{\"type\":\"PINGREQ\"} at the end".into(),
                    &bytes,
                );
            }
        }
        // One that does not answer is not what the trace is about.
        self.wait(Instant::now() + time, |run| {
            names.iter().all(|name| {
                run.links.get(name).is_some_and(|link| {
                    link.closed.is_some()
                        || link
                            .packets
                            .iter()
                            .any(|(_, one)| one["type"] == "PINGRESP")
                })
            })
        })?;
        self.wait(Instant::now() + LATE, |_| false)?;
        for (name, link) in &mut self.links {
            if names.contains(name) {
                let answer = link
                    .packets
                    .iter()
                    .position(|(_, packet)| packet["type"] == "PINGRESP");
                answer.map(|answer| link.packets.remove(answer));
            }
            if let Some((_, packet)) = link.packets.front() {
                let seen = format!("{} on {name}", shown(packet));
                return Err(failed("nothing more at the end", seen));
            }
            if link.closed.is_some() && !link.is_over {
                return Err(failed(
                    "open connections at the end",
                    format!("{name} closed"),
                ));
            }
        }
        Ok(())
    }
}
