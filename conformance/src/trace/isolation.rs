//! Client identifiers and topics of a case's own, so that cases run side by side and on a server that others use.

use serde_json::Value;

use super::list;

/// What stands before client identifiers and topics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Isolation {
    pub(crate) prefix: String,
    pub(crate) has_topics: bool,
    pub(crate) has_client_ids: bool,
}

/// Whether a level before this topic or filter leaves its meaning as it is.
pub(crate) fn can_be_prefixed(topic: &str) -> bool {
    !topic.starts_with('$') || shared(topic).is_some()
}

/// The name and the filter of `$share/name/filter`.
fn shared(filter: &str) -> Option<(&str, &str)> {
    let (name, filter) = filter.strip_prefix("$share/")?.split_once('/')?;
    (!name.is_empty() && !filter.is_empty()).then_some((name, filter))
}

/// That of a CONNECT that does not say.
const CLIENT_ID: &str = "trace";

impl Isolation {
    /// How much longer a topic is.
    fn longer(&self) -> u64 {
        self.prefix.len() as u64 + 1
    }

    pub(crate) fn topic_out(&self, topic: &str) -> String {
        let prefix = &self.prefix;
        match shared(topic) {
            _ if !self.has_topics || topic.is_empty() || !can_be_prefixed(topic) => topic.into(),
            // Before 5.0 it is a filter like others.
            Some((name, filter)) if name.contains(['+', '#']) => {
                format!("$share/{name}/{prefix}/{filter}")
            }
            Some((name, filter)) => format!("$share/{name}{prefix}/{prefix}/{filter}"),
            None => format!("{prefix}/{topic}"),
        }
    }

    fn topic_in(&self, topic: &str) -> String {
        if !self.has_topics {
            return topic.into();
        }
        let own = |topic: &str| {
            let rest = topic.strip_prefix(&self.prefix)?.strip_prefix('/')?;
            Some(rest.to_owned())
        };
        let found = match shared(topic) {
            Some((name, filter)) if name.contains(['+', '#']) => {
                own(filter).map(|filter| format!("$share/{name}/{filter}"))
            }
            Some((name, filter)) => {
                let name = name.strip_suffix(&self.prefix);
                name.zip(own(filter))
                    .map(|(name, filter)| format!("$share/{name}/{filter}"))
            }
            None => own(topic),
        };
        found.unwrap_or_else(|| topic.into())
    }

    /// A packet of the trace as it is sent; what was captured is not in it yet.
    pub(crate) fn packet_out(&self, packet: &mut Value) {
        let topic = |value: &mut Value| {
            if let Value::String(text) = value {
                *text = self.topic_out(text);
            }
        };
        match packet["type"].as_str() {
            Some("CONNECT") => {
                if packet["client_id"].is_null() {
                    packet["client_id"] = CLIENT_ID.into();
                }
                if let Value::String(id) = &mut packet["client_id"]
                    && self.has_client_ids
                    && !id.is_empty()
                {
                    *id = format!("{}{id}", self.prefix);
                }
                if let Some(will) = packet.get_mut("will").filter(|will| will.is_object()) {
                    change(will, "/topic", topic);
                    change(will, "/properties/response_topic", topic);
                }
                if self.has_topics {
                    change(packet, "/properties/maximum_packet_size", |value| {
                        if let Some(number) = value.as_u64() {
                            *value = (number + self.longer()).min(u64::from(u32::MAX)).into();
                        }
                    });
                }
            }
            Some("PUBLISH") => {
                change(packet, "/topic", topic);
                change(packet, "/properties/response_topic", topic);
            }
            Some("SUBSCRIBE") => {
                for index in 0..list(&packet["subscriptions"]).len() {
                    change(packet, &format!("/subscriptions/{index}/filter"), topic);
                }
            }
            Some("UNSUBSCRIBE") => {
                for index in 0..list(&packet["filters"]).len() {
                    change(packet, &format!("/filters/{index}"), topic);
                }
            }
            _ => {}
        }
    }

    /// Whether it is a message of another case: a client of this one has subscribed to nothing of the kind.
    pub(crate) fn is_of_another(&self, packet: &Value) -> bool {
        let topic = packet["topic"].as_str().unwrap_or_default();
        self.has_topics
            && packet["type"] == "PUBLISH"
            && !topic.is_empty()
            && !topic.starts_with(&self.prefix)
    }

    /// A packet that was received, in the words of the trace.
    pub(crate) fn packet_in(&self, packet: &mut Value) {
        if packet["type"] == "PUBLISH" {
            for place in ["/topic", "/properties/response_topic"] {
                change(packet, place, |value| {
                    if let Value::String(text) = value {
                        *text = self.topic_in(text);
                    }
                });
            }
        }
    }
}

fn change(packet: &mut Value, place: &str, change: impl Fn(&mut Value)) {
    if let Some(value) = packet.pointer_mut(place) {
        change(value);
    }
}

#[test]
fn what_is_put_before_is_taken_off() {
    let isolation = Isolation {
        prefix: "p1".into(),
        has_topics: true,
        has_client_ids: true,
    };
    for (topic, sent) in [
        ("a/b", "p1/a/b"),
        ("#", "p1/#"),
        ("+/x", "p1/+/x"),
        ("/", "p1//"),
        ("$share/g/f/#", "$share/gp1/p1/f/#"),
        ("$x/t", "$x/t"),
        ("$share/g", "$share/g"),
        ("$share/+/f", "$share/+/p1/f"),
        ("", ""),
    ] {
        assert_eq!(isolation.topic_out(topic), sent);
        assert_eq!(isolation.topic_in(sent), topic);
    }
    let mut connect = serde_json::json!({"type": "CONNECT", "properties": {"maximum_packet_size": 40},
        "will": {"topic": "w"}});
    isolation.packet_out(&mut connect);
    assert_eq!(connect["client_id"], "p1trace");
    assert_eq!(connect["will"]["topic"], "p1/w");
    assert_eq!(connect["properties"]["maximum_packet_size"], 43);
}
