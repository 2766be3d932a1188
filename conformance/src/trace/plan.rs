//! Whether a case can be run, and in which way.

use std::time::Duration;

use serde_json::Value;

use super::isolation::can_be_prefixed;
use super::list;
use super::probe::Capabilities;
use super::support::traces::bytes::for_version;
use super::support::traces::pattern::{Captured, fit};

/// What is not done at once is timed.
const AT_ONCE: u64 = 1_000;
/// The longest client identifier that every server of 3.1.1 takes, less what stands before.
const LONGEST_CLIENT_ID: usize = 14;

/// How a case is run.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) has_topics: bool,
    pub(crate) has_client_ids: bool,
    /// Time decides, so one failure says little.
    pub(crate) is_timed: bool,
    /// It subscribes to all that there is.
    pub(crate) sees_all: bool,
    /// About how long it takes, in milliseconds.
    pub(crate) length: u64,
}

impl Plan {
    /// Nothing else may be run beside it.
    pub(crate) fn is_alone(&self) -> bool {
        !(self.has_topics && self.has_client_ids)
    }
}

/// An error: why it is skipped.
pub(crate) fn plan(
    trace: &Value,
    version: &str,
    capabilities: &Capabilities,
    longest: Duration,
) -> Result<Plan, String> {
    let mut versions = vec![version];
    versions.extend(
        list(&trace["steps"])
            .iter()
            .filter_map(|step| step["version"].as_str()),
    );
    let unserved = versions.iter().find_map(|one| capabilities.unserved(one));
    let needs_31 = list(&trace["needs"])
        .iter()
        .any(|need| need == "serves_3.1");
    if let Some(reason) = unserved.filter(|_| !needs_31) {
        return Err(reason.into());
    }
    for need in list(&trace["needs"]).iter().filter_map(Value::as_str) {
        if let Some(reason) = capabilities.lacks(need, version) {
            return Err(reason);
        }
    }
    let given = &trace["given"];
    if given.is_object() {
        if !capabilities.is_given(trace) {
            return Err(format!("the server would have to be set up so: {given}"));
        }
    } else if let Some(reason) = other_limits(trace, version, capabilities) {
        return Err(reason);
    }
    let most = capabilities.connack.get("maximum_packet_size");
    if let Some(most) = most.filter(|most| trace["bytes"].as_u64() > most.as_u64()) {
        return Err(format!("Maximum Packet Size is {most}"));
    }
    let mut all = Texts::default();
    all.walk(&trace["steps"], "");
    let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    check_length(trace, longest)?;
    let is_set = |names: &[&str]| names.iter().any(|name| !given[*name].is_null());
    let has_sizes = !given["connack"]["maximum_packet_size"].is_null();
    let has_topics = all.topics.iter().all(|topic| can_be_prefixed(topic))
        && !has_sizes
        && trace["is_alone"] != true
        && !is_set(&["refuse_publish", "suback", "disconnect", "reason_string"]);
    let client_ids = &all.client_ids;
    let has_client_ids = client_ids.iter().all(|id| id.len() <= LONGEST_CLIENT_ID)
        && trace["is_alone"] != true
        && !is_set(&["refuse_client_id", "reason_string"]);
    let sees_all = all
        .topics
        .iter()
        .any(|topic| topic.starts_with('#') || topic.starts_with('+'));
    Ok(Plan {
        has_topics,
        has_client_ids,
        is_timed: is_timed(trace),
        sees_all: sees_all && !has_topics,
        length: all.length(longest),
    })
}

/// A trace that says what CONNACK has, of a server that is not set up for it, is for servers that have just that.
fn other_limits(trace: &Value, version: &str, capabilities: &Capabilities) -> Option<String> {
    const LIMITS: [&str; 9] = [
        "topic_alias_maximum",
        "receive_maximum",
        "maximum_qos",
        "maximum_packet_size",
        "retain_available",
        "wildcard_subscription_available",
        "shared_subscription_available",
        "subscription_identifier_available",
        "server_keep_alive",
    ];
    if version != "5.0" {
        return None;
    }
    let connack = Value::from(capabilities.connack.clone());
    for step in list(&trace["steps"]) {
        let expected = for_version(version, &step["expect"]);
        if expected["type"] != "CONNACK" {
            continue;
        }
        for name in LIMITS {
            let Some(pattern) = expected["properties"].get(name) else {
                continue;
            };
            let mut one = serde_json::Map::new();
            one.insert(name.into(), pattern.clone());
            if fit(&one.into(), &connack, &Captured::new()).is_err() {
                return Some(format!("CONNACK has {name} {}", connack[name]));
            }
        }
    }
    None
}

/// Whether time decides.
pub(crate) fn is_timed(trace: &Value) -> bool {
    let mut all = Texts::default();
    all.walk(&trace["steps"], "");
    all.longest > AT_ONCE
}

/// About how long it takes, in milliseconds. An error: too long.
pub(crate) fn length_within(trace: &Value, longest: Duration) -> Result<u64, String> {
    check_length(
        trace,
        u64::try_from(longest.as_millis()).unwrap_or(u64::MAX),
    )?;
    Ok(length(trace, longest))
}

fn check_length(trace: &Value, longest: u64) -> Result<(), String> {
    match too_long(list(&trace["steps"]), longest) {
        Some(time) => Err(format!("it takes {} s (see --longest)", time / 1_000)),
        None => Ok(()),
    }
}

/// A time that is longer than it may be and cannot be cut: only a silence can, behind which nothing depends on time.
fn too_long(steps: &[Value], longest: u64) -> Option<u64> {
    for (index, step) in steps.iter().enumerate() {
        let mut one = Texts::default();
        one.walk(step, "");
        let quiet = one.quiet;
        if one.wait > longest {
            return Some(one.wait);
        }
        let mut rest = Texts::default();
        rest.walk(&Value::from(steps[index + 1..].to_vec()), "");
        if quiet > longest && rest.longest > 0 {
            return Some(quiet);
        }
    }
    None
}

/// About how long it takes, in milliseconds, if longer silences are cut to this.
pub(super) fn length(trace: &Value, longest: Duration) -> u64 {
    let mut all = Texts::default();
    all.walk(&trace["steps"], "");
    all.length(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX))
}

/// What stands in the steps, however deep.
#[derive(Default)]
struct Texts {
    topics: Vec<String>,
    client_ids: Vec<String>,
    /// The longest `quiet_ms`.
    quiet: u64,
    /// The longest `wait_ms`, and all of them.
    wait: u64,
    wait_sum: u64,
    /// And of `within_ms`.
    quiets: Vec<u64>,
    /// The longest of all times.
    longest: u64,
}

impl Texts {
    fn length(&self, longest: u64) -> u64 {
        let quiets = self.quiets.iter().map(|one| (*one).min(longest));
        quiets.fold(self.wait_sum, u64::saturating_add)
    }

    fn walk(&mut self, value: &Value, key: &str) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.walk(value, key);
                }
            }
            Value::Array(list) => {
                for value in list {
                    self.walk(value, key);
                }
            }
            Value::String(text) => match key {
                "topic" | "filter" | "filters" | "response_topic" => self.topics.push(text.clone()),
                "client_id" => self.client_ids.push(text.clone()),
                _ => {}
            },
            Value::Number(number) => {
                let number = number.as_u64().unwrap_or(0);
                match key {
                    "wait_ms" => {
                        self.wait = self.wait.max(number);
                        self.wait_sum = self.wait_sum.saturating_add(number);
                    }
                    "quiet_ms" => {
                        self.quiet = self.quiet.max(number);
                        self.quiets.push(number);
                    }
                    "within_ms" => self.quiets.push(number),
                    "after_ms" => {}
                    _ => return,
                }
                self.longest = self.longest.max(number);
            }
            _ => {}
        }
    }
}
