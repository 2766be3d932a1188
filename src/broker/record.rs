use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::message::Message;
use crate::packet::SubscriptionOptions;
use crate::session::Change;
use crate::session::record::{Bytes, Framed, Length, Sink, Stored};
use crate::time::Instant;
use crate::topic::{TopicFilter, TopicName};
use crate::types::Version;

/// One change of what a [`Broker`](crate::Broker) has to have after a restart: see
/// [there](crate::Broker#what-survives-a-restart).
///
/// # Format
///
/// [`encode`](Self::encode) writes, and [`decode`](Self::decode) reads, the words of [stored
/// sessions](crate::Session#format): the length (`v`) of the rest, the kind (1 byte), and the fields, of which a text is its
/// length (`v`) and UTF-8, a message is the last and as there, and an instant is `v` plus 1, or 0 for none.
///
/// | record | kind | fields |
/// |---|---|---|
/// | `Client` | 0x01 | client, interval (`v`), since (instant) |
/// | `Ended` | 0x02 | client |
/// | `Snapshot` | 0x03 | client, the bytes |
/// | `Session` | 0x04 | client, the change |
/// | `Subscribed` | 0x05 | client, filter, whether it is shared (1 byte), options as in SUBSCRIBE (1 byte), identifier or 0 (`v`) |
/// | `Unsubscribed` | 0x06 | client, filter, whether it is shared (1 byte) |
/// | `Will` | 0x07 | client, delay (`v`), message |
/// | `WillGone` | 0x08 | client |
/// | `Retained` | 0x09 | publisher or an empty text, expires (instant), message |
/// | `Cleared` | 0x0A | topic |
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum BrokerRecord {
    /// A client has a session, or its times have changed.
    Client {
        /// Its name.
        client_id: Arc<str>,
        /// Seconds that its session outlives a connection.
        session_expiry_interval: u32,
        /// Since when it is away; `None`: it is connected.
        since: Option<Instant>,
    },
    /// A client has no session any more, nor subscriptions, nor a will.
    Ended {
        /// Its name.
        client_id: Arc<str>,
    },
    /// All of a session, as [`Session::snapshot`](crate::Session::snapshot) writes it. Only in a
    /// [`snapshot`](crate::Broker::snapshot) of the broker.
    Snapshot {
        /// Whose.
        client_id: Arc<str>,
        /// The bytes.
        session: Box<[u8]>,
    },
    /// A change of what is queued, in flight and received.
    Session {
        /// In whose session.
        client_id: Arc<str>,
        /// Which.
        change: Change,
    },
    /// A subscription is made, or made anew.
    Subscribed {
        /// Whose.
        client_id: Arc<str>,
        /// The whole filter.
        filter: TopicFilter<'static>,
        /// As granted.
        options: SubscriptionOptions,
        /// The Subscription Identifier.
        identifier: Option<u32>,
    },
    /// A subscription is gone.
    Unsubscribed {
        /// Whose.
        client_id: Arc<str>,
        /// The whole filter.
        filter: TopicFilter<'static>,
    },
    /// A client has a will.
    Will {
        /// Whose.
        client_id: Arc<str>,
        /// The Will Delay Interval, in seconds.
        delay: u32,
        /// The message.
        message: Message,
    },
    /// The will is published, or will not be.
    WillGone {
        /// Whose.
        client_id: Arc<str>,
    },
    /// A message is retained, in place of what its topic had.
    Retained {
        /// Who published it, if it was a client.
        publisher: Option<Arc<str>>,
        /// When it expires.
        expires: Option<Instant>,
        /// The message.
        message: Message,
    },
    /// A topic has no retained message any more.
    Cleared {
        /// The topic.
        topic: TopicName<'static>,
    },
}

/// Bytes that are no [`BrokerRecord`].
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed record")]
pub struct MalformedRecord;

const CLIENT: u8 = 0x01;
const ENDED: u8 = 0x02;
const SNAPSHOT: u8 = 0x03;
const SESSION: u8 = 0x04;
const SUBSCRIBED: u8 = 0x05;
const UNSUBSCRIBED: u8 = 0x06;
const WILL: u8 = 0x07;
const WILL_GONE: u8 = 0x08;
const RETAINED: u8 = 0x09;
const CLEARED: u8 = 0x0A;

impl BrokerRecord {
    /// Appends the record to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut length = Length(0);
        self.write(&mut length);
        out.varint(length.0);
        self.write(out);
    }

    /// Takes a record from the front of `input`; `None`: it is not there to its end, as where a machine has stopped within
    /// a write.
    ///
    /// # Errors
    ///
    /// The bytes are no record. Whether they were altered is for the store to know; there is no checksum.
    pub fn decode(input: &mut &[u8]) -> Result<Option<Self>, MalformedRecord> {
        let mut bytes = Bytes(input);
        match bytes.framed() {
            Framed::Truncated => Ok(None),
            Framed::Malformed => Err(MalformedRecord),
            Framed::Whole(body) => {
                let record = read(body).ok_or(MalformedRecord)?;
                *input = bytes.0;
                Ok(Some(record))
            }
        }
    }

    fn write(&self, out: &mut impl Sink) {
        match self {
            Self::Client {
                client_id,
                session_expiry_interval,
                since,
            } => {
                named(out, CLIENT, client_id);
                out.varint((*session_expiry_interval).into());
                instant(out, *since);
            }
            Self::Ended { client_id } => named(out, ENDED, client_id),
            Self::Snapshot { client_id, session } => {
                named(out, SNAPSHOT, client_id);
                out.put(session);
            }
            Self::Session { client_id, change } => {
                named(out, SESSION, client_id);
                out.record(&change.into());
            }
            Self::Subscribed {
                client_id,
                filter,
                options,
                identifier,
            } => {
                named(out, SUBSCRIBED, client_id);
                text(out, filter.as_str());
                out.put(&[filter.share_name().is_some().into(), options.to_byte()]);
                out.varint(identifier.unwrap_or(0).into());
            }
            Self::Unsubscribed { client_id, filter } => {
                named(out, UNSUBSCRIBED, client_id);
                text(out, filter.as_str());
                out.put(&[filter.share_name().is_some().into()]);
            }
            Self::Will {
                client_id,
                delay,
                message,
            } => {
                named(out, WILL, client_id);
                out.varint((*delay).into());
                out.message(message);
            }
            Self::WillGone { client_id } => named(out, WILL_GONE, client_id),
            Self::Retained {
                publisher,
                expires,
                message,
            } => {
                named(out, RETAINED, publisher.as_deref().unwrap_or_default());
                instant(out, *expires);
                out.message(message);
            }
            Self::Cleared { topic } => named(out, CLEARED, topic.as_str()),
        }
    }
}

fn named(out: &mut impl Sink, kind: u8, name: &str) {
    out.put(&[kind]);
    text(out, name);
}

fn text(out: &mut impl Sink, text: &str) {
    out.varint(text.len() as u64);
    out.put(text.as_bytes());
}

fn instant(out: &mut impl Sink, at: Option<Instant>) {
    out.varint(at.map_or(0, |at| at.as_millis().saturating_add(1)));
}

fn read(mut body: Bytes<'_>) -> Option<BrokerRecord> {
    let kind = body.u8()?;
    let name = read_text(&mut body)?;
    let client_id = || Arc::<str>::from(name);
    let record = match kind {
        CLIENT => BrokerRecord::Client {
            client_id: client_id(),
            session_expiry_interval: u32::try_from(body.varint()?).ok()?,
            since: read_instant(&mut body)?,
        },
        ENDED => BrokerRecord::Ended {
            client_id: client_id(),
        },
        SNAPSHOT => BrokerRecord::Snapshot {
            client_id: client_id(),
            session: core::mem::take(&mut body.0).into(),
        },
        SESSION => match body.stored()? {
            Stored::Change(change) => BrokerRecord::Session {
                client_id: client_id(),
                change,
            },
            _ => return None,
        },
        SUBSCRIBED => BrokerRecord::Subscribed {
            filter: read_filter(&mut body)?,
            client_id: client_id(),
            options: SubscriptionOptions::from_byte(Version::V5, body.u8()?).ok()?,
            identifier: match u32::try_from(body.varint()?).ok()? {
                0 => None,
                identifier => Some(identifier),
            },
        },
        UNSUBSCRIBED => BrokerRecord::Unsubscribed {
            client_id: client_id(),
            filter: read_filter(&mut body)?,
        },
        WILL => BrokerRecord::Will {
            client_id: client_id(),
            delay: u32::try_from(body.varint()?).ok()?,
            message: body.message()?,
        },
        WILL_GONE => BrokerRecord::WillGone {
            client_id: client_id(),
        },
        RETAINED => BrokerRecord::Retained {
            publisher: (!name.is_empty()).then(client_id),
            expires: read_instant(&mut body)?,
            message: body.message()?,
        },
        CLEARED => BrokerRecord::Cleared {
            topic: TopicName::new(name).ok()?.into_owned(),
        },
        _ => return None,
    };
    body.0.is_empty().then_some(record)
}

fn read_text<'a>(body: &mut Bytes<'a>) -> Option<&'a str> {
    let length = body.varint()?;
    core::str::from_utf8(body.take(length)?).ok()
}

fn read_instant(body: &mut Bytes<'_>) -> Option<Option<Instant>> {
    let at = body.varint()?;
    Some(at.checked_sub(1).map(Instant::from_millis))
}

/// Before 5.0 there is nothing shared, whatever a filter begins with.
fn read_filter(body: &mut Bytes<'_>) -> Option<TopicFilter<'static>> {
    let text = read_text(body)?;
    let version = match body.u8()? {
        0 => Version::V311,
        1 => Version::V5,
        _ => return None,
    };
    let filter = TopicFilter::new(version, text).ok()?.into_owned();
    (filter.share_name().is_some() == (version == Version::V5)).then_some(filter)
}
