//! The bytes of a stored session: records, each behind its length.

use alloc::vec::Vec;

use super::{Change, DropReason, Dropped, Entry, PublishHandle, Queued, State};
use crate::message::Message;
use crate::packet::{Publish, PublishHead};
use crate::property::{Context, Properties};
use crate::time::Instant;
use crate::types::{PacketId, QoS};
use crate::wire::Reader;

/// What stands in a record: a change, or a part of a snapshot that no change makes.
pub(crate) enum Record<'a> {
    Queued(u64, u64, &'a Message),
    Sent(u64, Option<PacketId>),
    Released(PacketId),
    Settled(PacketId),
    Dropped(u64, Option<PacketId>, DropReason),
    Reported(u64),
    Received(PacketId),
    Forgotten(PacketId),
    Begun,
    Standing(u8),
    Discarded(u64, Option<PacketId>),
    InFlight(u64, PacketId, u64, &'a Message),
    Release(u64, PacketId, bool),
    Unreported(&'a Dropped),
    AllReceived(&'a [u16]),
}

const QUEUED: u8 = 0x01;
const SENT: u8 = 0x02;
const RELEASED: u8 = 0x03;
const SETTLED: u8 = 0x04;
const DROPPED: u8 = 0x05;
const REPORTED: u8 = 0x06;
const RECEIVED: u8 = 0x07;
const FORGOTTEN: u8 = 0x08;
const BEGUN: u8 = 0x09;
const STANDING: u8 = 0x0A;
const DISCARDED: u8 = 0x0B;
const IN_FLIGHT: u8 = 0x11;
const RELEASE: u8 = 0x12;
const UNREPORTED: u8 = 0x13;
const ALL_RECEIVED: u8 = 0x14;

const ESTABLISHED: u8 = 0x01;
const ENDED: u8 = 0x02;

// The flags of a message. Bits 0 and 1 are the QoS.
const RETAIN: u8 = 0x04;
const EXPIRY: u8 = 0x08;
const IDENTIFIERS: u8 = 0x10;
const STREAMED: u8 = 0x20;

/// Handles up to here are read, so that there are enough left to go on counting.
pub(crate) const MAXIMUM_HANDLE: u64 = u64::MAX >> 1;

pub(crate) fn standing(established: bool, ended: bool) -> u8 {
    (u8::from(established) * ESTABLISHED) | (u8::from(ended) * ENDED)
}

/// `None`: a flag that does not exist.
pub(crate) fn standing_of(flags: u8) -> Option<(bool, bool)> {
    (flags & !(ESTABLISHED | ENDED) == 0).then_some((flags & ESTABLISHED != 0, flags & ENDED != 0))
}

fn drop_reason(reason: DropReason) -> u8 {
    match reason {
        DropReason::SessionLost => 0,
        DropReason::PacketTooLarge => 1,
        DropReason::Expired => 2,
        DropReason::NotSupported => 3,
        DropReason::QueueFull => 4,
    }
}

fn drop_reason_of(byte: u8) -> Option<DropReason> {
    Some(match byte {
        0 => DropReason::SessionLost,
        1 => DropReason::PacketTooLarge,
        2 => DropReason::Expired,
        3 => DropReason::NotSupported,
        4 => DropReason::QueueFull,
        _ => return None,
    })
}

impl<'a> From<&'a Change> for Record<'a> {
    fn from(change: &'a Change) -> Self {
        match change {
            Change::Queued {
                handle,
                message,
                since,
            } => Self::Queued(handle.0, since.as_millis(), message),
            &Change::Sent { handle, packet_id } => Self::Sent(handle.0, packet_id),
            &Change::Released { packet_id } => Self::Released(packet_id),
            &Change::Settled { packet_id } => Self::Settled(packet_id),
            &Change::Dropped {
                handle,
                packet_id,
                reason,
            } => Self::Dropped(handle.0, packet_id, reason),
            &Change::Reported { handle } => Self::Reported(handle.0),
            &Change::Received { packet_id } => Self::Received(packet_id),
            &Change::Forgotten { packet_id } => Self::Forgotten(packet_id),
            &Change::Discarded { handle, packet_id } => Self::Discarded(handle.0, packet_id),
            Change::Begun => Self::Begun,
            &Change::Standing { established, ended } => {
                Self::Standing(standing(established, ended))
            }
        }
    }
}

/// Takes bytes, or counts them: a record's length stands in front of it.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(&[value.to_le_bytes()[0] | 0x80]);
            value >>= 7;
        }
        self.put(&[value.to_le_bytes()[0]]);
    }

    fn packet_id(&mut self, id: Option<PacketId>) {
        self.put(&id.map_or(0, PacketId::get).to_be_bytes());
    }

    fn message(&mut self, message: &Message) {
        let expiry = message.message_expiry_interval();
        let identifiers = message.subscription_identifiers();
        let streamed = message.streamed_payload_len();
        let mut flags = message.qos().as_u8();
        for (flag, is_set) in [
            (RETAIN, message.retain()),
            (EXPIRY, expiry.is_some()),
            (IDENTIFIERS, !identifiers.is_empty()),
            (STREAMED, streamed.is_some()),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        self.put(&[flags]);
        self.varint(message.topic().len() as u64);
        self.put(message.topic().as_bytes());
        if let Some(seconds) = expiry {
            self.put(&seconds.to_be_bytes());
        }
        if !identifiers.is_empty() {
            self.varint(identifiers.len() as u64);
            for &identifier in identifiers {
                self.varint(identifier.into());
            }
        }
        let properties = message.encoded_properties();
        self.varint(properties.len() as u64);
        self.put(properties);
        match streamed {
            Some(length) => self.varint(length.into()),
            None => self.put(message.payload()),
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        match *record {
            Record::Queued(handle, since, message) => {
                self.put(&[QUEUED]);
                self.varint(handle);
                self.varint(since);
                self.message(message);
            }
            Record::Sent(handle, id) => {
                self.put(&[SENT]);
                self.varint(handle);
                self.packet_id(id);
            }
            Record::Released(id) => self.identifier(RELEASED, id),
            Record::Settled(id) => self.identifier(SETTLED, id),
            Record::Dropped(handle, id, reason) => {
                self.put(&[DROPPED]);
                self.varint(handle);
                self.packet_id(id);
                self.put(&[drop_reason(reason)]);
            }
            Record::Reported(handle) => {
                self.put(&[REPORTED]);
                self.varint(handle);
            }
            Record::Received(id) => self.identifier(RECEIVED, id),
            Record::Forgotten(id) => self.identifier(FORGOTTEN, id),
            Record::Discarded(handle, id) => {
                self.put(&[DISCARDED]);
                self.varint(handle);
                self.packet_id(id);
            }
            Record::Begun => self.put(&[BEGUN]),
            Record::Standing(flags) => self.put(&[STANDING, flags]),
            Record::InFlight(handle, id, since, message) => {
                self.identifier(IN_FLIGHT, id);
                self.varint(handle);
                self.varint(since);
                self.message(message);
            }
            Record::Release(handle, id, reported) => {
                self.identifier(RELEASE, id);
                self.varint(handle);
                self.put(&[reported.into()]);
            }
            Record::Unreported(dropped) => {
                self.put(&[UNREPORTED]);
                self.varint(dropped.handle.0);
                self.put(&[drop_reason(dropped.reason)]);
                if let Some(message) = &dropped.message {
                    self.message(message);
                }
            }
            Record::AllReceived(ids) => {
                self.put(&[ALL_RECEIVED]);
                for id in ids {
                    self.put(&id.to_be_bytes());
                }
            }
        }
    }

    fn identifier(&mut self, kind: u8, id: PacketId) {
        self.put(&[kind]);
        self.packet_id(Some(id));
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

pub(crate) struct Length(pub(crate) u64);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len() as u64);
    }
}

pub(crate) fn write(out: &mut Vec<u8>, record: &Record<'_>) {
    let mut length = Length(0);
    length.record(record);
    out.varint(length.0);
    out.record(record);
}

/// A record that was read.
pub(crate) enum Stored {
    Change(Change),
    InFlight(Entry),
    Unreported(Dropped),
    AllReceived(Vec<PacketId>),
}

/// The part of some bytes that is not read yet. `None` from any method: they are not what was asked for.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

/// What stands at the beginning of some bytes.
pub(crate) enum Framed<'a> {
    /// The body of a record.
    Whole(Bytes<'a>),
    Truncated,
    Malformed,
}

impl<'a> Bytes<'a> {
    /// The next record, without its length.
    pub(crate) fn framed(&mut self) -> Framed<'a> {
        let ends_in_length = self.0.len() < 10 && self.0.iter().all(|&byte| byte >= 0x80);
        if ends_in_length {
            return Framed::Truncated;
        }
        let Some(length) = self.varint() else {
            return Framed::Malformed;
        };
        let body = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length));
        let Some((body, rest)) = body else {
            return Framed::Truncated;
        };
        self.0 = rest;
        Framed::Whole(Bytes(body))
    }

    /// The record that these bytes are.
    pub(crate) fn record(mut self) -> Option<Stored> {
        let stored = self.stored()?;
        self.0.is_empty().then_some(stored)
    }

    pub(crate) fn stored(&mut self) -> Option<Stored> {
        Some(Stored::Change(match self.u8()? {
            QUEUED => {
                let Queued {
                    handle,
                    message,
                    since,
                } = self.queued()?;
                Change::Queued {
                    handle: PublishHandle(handle),
                    message,
                    since,
                }
            }
            SENT => Change::Sent {
                handle: self.handle()?,
                packet_id: self.maybe_packet_id()?,
            },
            RELEASED => Change::Released {
                packet_id: self.packet_id()?,
            },
            SETTLED => Change::Settled {
                packet_id: self.packet_id()?,
            },
            DROPPED => Change::Dropped {
                handle: self.handle()?,
                packet_id: self.maybe_packet_id()?,
                reason: drop_reason_of(self.u8()?)?,
            },
            REPORTED => Change::Reported {
                handle: self.handle()?,
            },
            RECEIVED => Change::Received {
                packet_id: self.packet_id()?,
            },
            FORGOTTEN => Change::Forgotten {
                packet_id: self.packet_id()?,
            },
            BEGUN => Change::Begun,
            DISCARDED => Change::Discarded {
                handle: self.handle()?,
                packet_id: self.maybe_packet_id()?,
            },
            STANDING => {
                let (established, ended) = standing_of(self.u8()?)?;
                Change::Standing { established, ended }
            }
            other => return self.part(other),
        }))
    }

    fn part(&mut self, kind: u8) -> Option<Stored> {
        Some(match kind {
            IN_FLIGHT => {
                let id = self.packet_id()?;
                let Queued {
                    handle,
                    message,
                    since,
                } = self.queued()?;
                Stored::InFlight(Entry {
                    id,
                    counted: false,
                    reported: false,
                    handle,
                    state: State::Publish { message, since },
                })
            }
            RELEASE => Stored::InFlight(Entry {
                id: self.packet_id()?,
                counted: false,
                handle: self.handle()?.0,
                reported: match self.u8()? {
                    0 => false,
                    1 => true,
                    _ => return None,
                },
                state: State::Release,
            }),
            UNREPORTED => Stored::Unreported(Dropped {
                handle: self.handle()?,
                reason: drop_reason_of(self.u8()?)?,
                message: match self.0 {
                    [] => None,
                    _ => Some(self.message()?),
                },
            }),
            ALL_RECEIVED => {
                let mut ids = Vec::with_capacity(self.0.len() / 2);
                while !self.0.is_empty() {
                    ids.push(self.packet_id()?);
                }
                Stored::AllReceived(ids)
            }
            _ => return None,
        })
    }

    fn queued(&mut self) -> Option<Queued> {
        Some(Queued {
            handle: self.handle()?.0,
            since: Instant::from_millis(self.varint()?),
            message: self.message()?,
        })
    }

    /// To the end: the payload has no length.
    pub(crate) fn message(&mut self) -> Option<Message> {
        let flags = self.u8()?;
        let qos = QoS::from_u8(flags & 0x03)?;
        if flags & !(0x03 | RETAIN | EXPIRY | IDENTIFIERS | STREAMED) != 0 {
            return None;
        }
        let length = self.varint()?;
        let topic = core::str::from_utf8(self.take(length)?).ok()?;
        let message_expiry_interval = match flags & EXPIRY {
            0 => None,
            _ => Some(u32::from_be_bytes(self.array()?)),
        };
        let mut identifiers = Vec::new();
        if flags & IDENTIFIERS != 0 {
            for _ in 0..self.varint()? {
                identifiers.push(u32::try_from(self.varint()?).ok()?);
            }
            if identifiers.is_empty() {
                return None;
            }
        }
        let mut reader = Reader::new(self.0, 0);
        let properties = Properties::read(&mut reader, Context::PUBLISH).ok()?;
        let read = self.0.len() - reader.rest().len();
        self.0 = reader.rest();
        let streamed = match flags & STREAMED {
            0 => None,
            _ => Some(u32::try_from(self.varint()?).ok()?),
        };
        let publish = Publish {
            qos,
            retain: flags & RETAIN != 0,
            message_expiry_interval,
            properties,
            ..Publish::new(topic, self.0)
        };
        let message = match streamed {
            None => Message::from_publish(topic, &publish),
            Some(_) if !self.0.is_empty() => return None,
            Some(length) => Message::from_publish_head(topic, &PublishHead::new(publish, length)),
        };
        let message = message
            .and_then(|message| message.with_subscription_identifiers(&identifiers))
            .ok()?;
        // What belongs to one hop is not among the properties of a message.
        let kept = message.encoded_properties().len();
        if read != kept + varint_len(kept) {
            return None;
        }
        self.0 = &[];
        Some(message)
    }

    pub(crate) fn handle(&mut self) -> Option<PublishHandle> {
        match self.varint()? {
            handle @ 1..=MAXIMUM_HANDLE => Some(PublishHandle(handle)),
            _ => None,
        }
    }

    fn packet_id(&mut self) -> Option<PacketId> {
        self.maybe_packet_id()?
    }

    fn maybe_packet_id(&mut self) -> Option<Option<PacketId>> {
        Some(PacketId::new(u16::from_be_bytes(self.array()?)))
    }

    /// In no more bytes than it needs.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return (byte != 0 || shift == 0).then_some(value);
            }
        }
        None
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(crate) fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

fn varint_len(value: usize) -> usize {
    let mut length = Length(0);
    length.varint(value as u64);
    usize::try_from(length.0).unwrap_or_default()
}
