//! Sessions and their changes, for stores that keep values rather than bytes.

use alloc::vec::Vec;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::message::Message;
use crate::session::{
    Change, DropReason, Dropped, Entry, Parts, PublishHandle, Queued, Session, State,
};
use crate::time::Instant;
use crate::types::PacketId;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "Session", deny_unknown_fields)]
struct SessionFields<M> {
    established: bool,
    ended: bool,
    next_packet_id: u16,
    last_handle: u64,
    in_flight: Vec<InFlightFields<M>>,
    queued: Vec<QueuedFields<M>>,
    dropped: Vec<DroppedFields<M>>,
    received: Vec<PacketId>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "InFlight")]
enum InFlightFields<M> {
    Publish {
        packet_id: PacketId,
        handle: PublishHandle,
        since: Instant,
        message: M,
    },
    Release {
        packet_id: PacketId,
        handle: PublishHandle,
        reported: bool,
    },
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "Queued", deny_unknown_fields)]
struct QueuedFields<M> {
    handle: PublishHandle,
    since: Instant,
    message: M,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "Dropped", deny_unknown_fields)]
struct DroppedFields<M> {
    handle: PublishHandle,
    reason: DropReason,
    message: Option<M>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "Change")]
enum ChangeFields<M> {
    Queued {
        handle: PublishHandle,
        message: M,
        since: Instant,
    },
    Sent {
        handle: PublishHandle,
        packet_id: Option<PacketId>,
    },
    Released {
        packet_id: PacketId,
    },
    Settled {
        packet_id: PacketId,
    },
    Dropped {
        handle: PublishHandle,
        packet_id: Option<PacketId>,
        reason: DropReason,
    },
    Discarded {
        handle: PublishHandle,
        packet_id: Option<PacketId>,
    },
    Reported {
        handle: PublishHandle,
    },
    Received {
        packet_id: PacketId,
    },
    Forgotten {
        packet_id: PacketId,
    },
    Begun,
    Standing {
        established: bool,
        ended: bool,
    },
}

/// A structure with the parts of a [snapshot](Session#format): `established`, `ended`, `next_packet_id`, `last_handle`,
/// and the sequences `in_flight`, `queued`, `dropped` and `received`.
impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (established, ended) = self.standing();
        let mut entries: Vec<&Entry> = self.in_flight.iter().collect();
        entries.sort_unstable_by_key(|entry| entry.handle);
        let in_flight = entries.into_iter().filter_map(|entry| {
            let (packet_id, handle) = (entry.id, PublishHandle(entry.handle));
            Some(match &entry.state {
                State::Publish { message, since } => InFlightFields::Publish {
                    packet_id,
                    handle,
                    since: *since,
                    message,
                },
                State::Release => InFlightFields::Release {
                    packet_id,
                    handle,
                    reported: entry.reported,
                },
                State::Subscribe(_) | State::Unsubscribe(_) => return None,
            })
        });
        SessionFields {
            established,
            ended,
            next_packet_id: self.in_flight.next(),
            last_handle: self.last_handle(),
            in_flight: in_flight.collect(),
            queued: self
                .queue
                .iter()
                .map(|queued| QueuedFields {
                    handle: PublishHandle(queued.handle),
                    since: queued.since,
                    message: &queued.message,
                })
                .collect(),
            dropped: self
                .dropped
                .iter()
                .map(|dropped| DroppedFields {
                    handle: dropped.handle,
                    reason: dropped.reason,
                    message: dropped.message.as_ref(),
                })
                .collect(),
            received: self.received.iter().filter_map(PacketId::new).collect(),
        }
        .serialize(serializer)
    }
}

/// What [`Session::restore`] refuses is refused.
impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = SessionFields::<Message>::deserialize(deserializer)?;
        let mut parts = Parts::new(fields.last_handle);
        for entry in fields.in_flight {
            let entry = match entry {
                InFlightFields::Publish {
                    packet_id,
                    handle,
                    since,
                    message,
                } => Entry {
                    id: packet_id,
                    counted: false,
                    reported: false,
                    handle: handle.0,
                    state: State::Publish { message, since },
                },
                InFlightFields::Release {
                    packet_id,
                    handle,
                    reported,
                } => Entry {
                    id: packet_id,
                    counted: false,
                    reported,
                    handle: handle.0,
                    state: State::Release,
                },
            };
            parts.in_flight(entry).map_err(de::Error::custom)?;
        }
        for queued in fields.queued {
            let queued = Queued {
                handle: queued.handle.0,
                message: queued.message,
                since: queued.since,
            };
            parts.queued(queued).map_err(de::Error::custom)?;
        }
        for dropped in fields.dropped {
            let dropped = Dropped {
                handle: dropped.handle,
                message: dropped.message,
                reason: dropped.reason,
            };
            parts.unreported(dropped).map_err(de::Error::custom)?;
        }
        if !fields.received.is_empty() {
            parts
                .received(&fields.received)
                .map_err(de::Error::custom)?;
        }
        parts
            .finish(fields.established, fields.ended, fields.next_packet_id)
            .map_err(de::Error::custom)
    }
}

/// Each row: a variant with its fields.
macro_rules! changes {
    ($($variant:ident { $($field:ident),* })*) => {
        /// The variant with its fields.
        impl Serialize for Change {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.clone() {
                    $(Self::$variant { $($field),* } => ChangeFields::$variant { $($field),* },)*
                    Self::Begun => ChangeFields::<Message>::Begun,
                }
                .serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for Change {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(match ChangeFields::<Message>::deserialize(deserializer)? {
                    $(ChangeFields::$variant { $($field),* } => Self::$variant { $($field),* },)*
                    ChangeFields::Begun => Self::Begun,
                })
            }
        }
    };
}

changes! {
    Queued { handle, message, since }
    Sent { handle, packet_id }
    Released { packet_id }
    Settled { packet_id }
    Dropped { handle, packet_id, reason }
    Discarded { handle, packet_id }
    Reported { handle }
    Received { packet_id }
    Forgotten { packet_id }
    Standing { established, ended }
}
