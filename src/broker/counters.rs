use alloc::format;
use alloc::string::{String, ToString};

use super::Broker;
use crate::message::Message;
use crate::time::Instant;

/// What a broker has and has done. All count from its making.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Transports, with those of clients that are not accepted.
    pub connections: usize,
    /// Clients that are connected.
    pub connected: usize,
    /// Sessions, with those of clients that are away.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Topics with a retained message.
    pub retained_messages: usize,
    /// Bytes of topic, properties and payload of the retained messages, and of the names of those who published them.
    pub retained_bytes: usize,
    /// Bytes taken from transports.
    pub bytes_received: u64,
    /// Bytes given to transports.
    pub bytes_sent: u64,
    /// Messages that clients have published.
    pub messages_received: u64,
    /// Messages put into the queue of a client.
    pub messages_queued: u64,
    /// Messages that a client will not get: too slow, too large or too late. And those that no member of a Shared Subscription
    /// can take.
    pub messages_dropped: u64,
    /// Messages that were to be retained and are not.
    pub messages_not_retained: u64,
}

impl Broker {
    /// Publishes the counters below `$SYS/broker`.
    pub(super) fn publish_counters(&mut self, now: Instant) {
        let counters = self.counters();
        let uptime = now.saturating_duration_since(self.started).as_secs();
        let rows: [(&str, String); 12] = [
            (
                "version",
                concat!("sansio-mqtt ", env!("CARGO_PKG_VERSION")).into(),
            ),
            ("uptime", format!("{uptime} seconds")),
            ("clients/connected", counters.connected.to_string()),
            ("clients/total", counters.sessions.to_string()),
            ("subscriptions/count", counters.subscriptions.to_string()),
            (
                "retained messages/count",
                counters.retained_messages.to_string(),
            ),
            (
                "retained messages/bytes",
                counters.retained_bytes.to_string(),
            ),
            ("bytes/received", counters.bytes_received.to_string()),
            ("bytes/sent", counters.bytes_sent.to_string()),
            (
                "publish/messages/received",
                counters.messages_received.to_string(),
            ),
            (
                "publish/messages/sent",
                counters.messages_queued.to_string(),
            ),
            (
                "publish/messages/dropped",
                counters.messages_dropped.to_string(),
            ),
        ];
        for (name, value) in rows {
            let topic = format!("$SYS/broker/{name}");
            if let Ok(message) = Message::new(&topic, value.as_bytes()) {
                let message = self.as_offered(message.with_retain(true));
                if message.retain() {
                    // What does not fit is counted.
                    let _ = self.retain(now, &message, None);
                }
                self.route(now, &message, None);
            }
        }
    }
}
