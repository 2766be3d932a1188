// What happens in one simulation, as records of eight bytes: proptest leaves out and lessens whole records, a fuzzer
// changes one without moving the others.

use std::fmt;
use std::time::Duration;

use sansio_mqtt::*;

pub(crate) type Record = [u8; 8];

/// The first record opens the first connection.
#[derive(Clone)]
pub(crate) struct History(pub(crate) Vec<Record>);

impl History {
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        self.0.iter().map(|&record| Step::of(record))
    }

    pub(crate) fn opening(&self) -> Opening {
        Opening::of(self.0.first().copied().unwrap_or_default())
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:02x?}\n{:#?}", self.0, self.opening())?;
        f.debug_list().entries(self.steps()).finish()
    }
}

/// A message to be made.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Content {
    pub(crate) qos: QoS,
    pub(crate) topic: &'static str,
    pub(crate) padding: usize,
    /// Seconds.
    pub(crate) expiry: Option<u32>,
    pub(crate) retain: bool,
    pub(crate) properties: bool,
}

/// How a transport takes bytes: so many at a time, and so often.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Pace {
    pub(crate) limit: usize,
    pub(crate) period: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Lets milliseconds pass.
    Advance(u64),
    Publish {
        client: bool,
        content: Content,
        count: usize,
        /// With `publish_into`.
        directly: bool,
    },
    Acknowledge {
        client: bool,
        index: usize,
        count: usize,
        reason: ReasonCode,
    },
    /// SUBSCRIBE or UNSUBSCRIBE of the client.
    Request {
        subscribe: bool,
        filters: usize,
    },
    Answer {
        index: usize,
        count: usize,
    },
    Pace {
        client: bool,
        pace: Pace,
    },
    /// The link breaks after so many bytes of one side.
    Cut {
        client: bool,
        after: usize,
        silent: bool,
        lose: bool,
    },
    Disconnect {
        client: bool,
    },
    Connect(Opening),
}

/// A new connection.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) version: Version,
    pub(crate) clean_start: bool,
    /// The server application has lost the session.
    pub(crate) forget: bool,
    /// Both applications restart: what they kept comes back from its snapshot.
    pub(crate) restart: bool,
    /// Seconds.
    pub(crate) keep_alive: u16,
    pub(crate) server_keep_alive: Option<u16>,
    pub(crate) maximum_qos: Option<QoS>,
    pub(crate) no_retain: bool,
    pub(crate) client: Options,
    pub(crate) server: Options,
    pub(crate) chunk: usize,
    /// One way, in milliseconds.
    pub(crate) delay: u64,
}

const QOS: [QoS; 3] = [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtMostOnce];

fn pick<T: Copy>(from: &[T], byte: u8) -> T {
    from[usize::from(byte) % from.len()]
}

impl Step {
    fn of(record: Record) -> Self {
        let [kind, a, b, c, d, e, _, _] = record;
        let client = a & 1 == 0;
        match kind % 64 {
            0..=13 => Self::Advance(match a {
                0..=199 => u64::from(b),
                200..=239 => u64::from(b) * 20,
                _ => u64::from(b) * 400,
            }),
            kind @ 14..=33 => Self::Publish {
                client,
                content: Content {
                    qos: pick(&QOS, b),
                    topic: pick(&["t", "a/longer/topic", "another/topic", "$b"], c),
                    padding: pick(&[0, 0, 3, 10, 100, 700], c >> 2) + usize::from(d >> 5),
                    expiry: (b >= 200).then(|| u32::from(b - 200) / 8),
                    retain: d & 7 == 7,
                    properties: d & 24 == 24,
                },
                count: match kind {
                    14..=29 => 1 + usize::from(e % 4),
                    _ => 1 + usize::from(e % 64),
                },
                directly: a & 6 == 6,
            },
            34..=44 => Self::Acknowledge {
                client,
                index: b.into(),
                count: 1 + usize::from(c % 16),
                reason: match d {
                    0..=200 => ReasonCode::Success,
                    _ => ReasonCode::QuotaExceeded,
                },
            },
            45..=48 => Self::Request {
                subscribe: a & 2 == 0,
                filters: 1 + usize::from(b % 4),
            },
            49..=52 => Self::Answer {
                index: b.into(),
                count: 1 + usize::from(c % 4),
            },
            53..=55 => Self::Pace {
                client,
                pace: match b & 1 {
                    0 => Pace {
                        limit: usize::MAX,
                        period: 0,
                    },
                    _ => Pace {
                        limit: c.into(),
                        period: u64::from(d % 100),
                    },
                },
            },
            56..=58 => Self::Cut {
                client,
                after: b.into(),
                silent: c & 3 == 3,
                lose: c & 4 == 4,
            },
            59 => Self::Disconnect { client },
            _ => Self::Connect(Opening::of(record)),
        }
    }
}

impl Opening {
    fn of([kind, a, b, c, d, e, f, g]: Record) -> Self {
        let version = if a & 1 == 0 {
            Version::V5
        } else {
            Version::V311
        };
        Self {
            version,
            clean_start: a & 0x1e == 0x1e,
            forget: a & 0xe0 == 0xe0,
            restart: kind % 2 == 1,
            keep_alive: pick(&[0, 30, 10, 60], g),
            server_keep_alive: (g & 0x1c == 0x1c).then_some(20),
            maximum_qos: (g & 0xe0 == 0xe0).then_some(QoS::AtLeastOnce),
            no_retain: f & 0xe0 == 0xe0,
            client: options(version, [b, c]),
            server: options(version, [d, e]),
            chunk: pick(&[usize::MAX, 1, 7, 40], f),
            delay: pick(&[0, 1, 30, 250], f >> 2),
        }
    }
}

/// Every bound small enough to be met; all zero: the defaults.
fn options(version: Version, [a, b]: [u8; 2]) -> Options {
    let maximum_packet_size = match version {
        Version::V5 => pick(&[MAXIMUM_PACKET_SIZE, MAXIMUM_PACKET_SIZE, 600, 90], a >> 4),
        // It cannot be announced: a larger packet ends the connection.
        _ => MAXIMUM_PACKET_SIZE,
    };
    Options::new()
        .with_receive_maximum(pick(&[1024, 1, 2, 3, 5, 8, 20, 65_535], a))
        .with_manual_acknowledgement(a & 8 != 0)
        .with_maximum_packet_size(maximum_packet_size)
        .with_maximum_kept_messages(pick(&[1024, 40, 10, 3], a >> 6))
        .with_topic_alias_maximum(pick(&[0, 1, 3, 10], b))
        .with_automatic_topic_aliases(pick(&[0, 2], b >> 2))
        .with_maximum_kept_bytes(pick(&[16 << 20, 900], b >> 3))
        .with_maximum_reply_bytes(pick(&[64 << 10, 200, 40, 1], b >> 4))
        .with_maximum_open_requests(pick(&[64, 1], b >> 6))
        .with_queue_policy(match b >> 5 {
            0..=3 => QueuePolicy::Reject,
            4 | 5 => QueuePolicy::DropOldest,
            _ => QueuePolicy::DropQos0First,
        })
        .with_ping_timeout(Duration::from_secs(10))
}
