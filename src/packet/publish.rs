//! PUBLISH (section 3.3).

use alloc::vec::Vec;
use core::fmt;

use super::{Frame, Packet, body_error};
use crate::property::{
    Block, Context, MESSAGE_EXPIRY_INTERVAL, Properties, RawProperties, SUBSCRIPTION_IDENTIFIER,
    TOPIC_ALIAS, check_subscription_identifier,
};
use crate::types::{PacketId, PacketType, QoS, Role, Version};
use crate::violation::{DecodeError, Violation};
use crate::wire::varint::{self, Varint};
use crate::wire::writer::{self, Output, Unwritten};
use crate::wire::{EncodeError, Fault, Reader, Row};

/// An application message on one hop (section 3.3).
///
/// ```
/// use sansio_mqtt::{PacketId, Publish, QoS};
///
/// let publish = Publish { qos: QoS::AtLeastOnce, packet_id: PacketId::new(1), ..Publish::new("a/b", b"hello") };
/// assert_eq!(publish.to_string(), r#"PUBLISH id=1 qos=1 topic="a/b" payload=5 bytes"#);
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Publish<'a> {
    /// The message may have been sent before. Only with QoS 1 and 2 [MQTT-3.3.1-2]; 3.1 does not say so.
    pub dup: bool,
    /// The quality of service of this hop.
    pub qos: QoS,
    /// To a server: keep the message for later subscribers. From a server: see section 3.3.1.3.
    pub retain: bool,
    /// The topic name, without wildcards [MQTT-3.3.2-2]. Empty only with a topic alias that stands for it.
    pub topic: &'a str,
    /// Present with QoS 1 and 2, absent with QoS 0 (5.0: [MQTT-2.2.1-2]; 3.1.1: [MQTT-2.3.1-5]).
    pub packet_id: Option<PacketId>,
    /// 5.0: the number that stands, or is to stand, for the topic on this connection; not 0 [MQTT-3.3.2-8].
    pub topic_alias: Option<u16>,
    /// 5.0: seconds until the message expires (section 3.3.2.3.3).
    pub message_expiry_interval: Option<u32>,
    /// 5.0, from a server: the subscriptions that the message is sent for [MQTT-3.3.4-3].
    pub subscription_identifiers: SubscriptionIdentifiers<'a>,
    /// 5.0: the properties that belong to the message and are forwarded with it.
    pub properties: Properties<'a>,
    /// The application's bytes, of any content and length.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// A QoS 0 message without properties.
    #[must_use]
    pub const fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            topic_alias: None,
            message_expiry_interval: None,
            subscription_identifiers: SubscriptionIdentifiers::EMPTY,
            properties: Properties::EMPTY,
            payload,
        }
    }

    /// The flags have been checked.
    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>) -> Result<Option<Packet<'a>>, DecodeError> {
        let mut reader = frame.reader();
        let (topic, packet_id) = match decode_front(frame.first, &mut reader) {
            Ok(front) => front,
            Err(fault) => return Err(frame.error(fault)),
        };
        match (frame.version, reader.rest()) {
            (Version::V31 | Version::V311, payload) | (Version::V5, [0, payload @ ..]) => {
                // [MQTT-4.7.3-1]
                if topic.is_empty() {
                    return Err(frame.error(frame.reader().fault(Violation::TopicNameEmpty)));
                }
                Ok(Some(Packet::Publish(Self::with_flags(
                    frame.first,
                    topic,
                    packet_id,
                    payload,
                ))))
            }
            (Version::V5, _) => {
                let sender = frame.options.sender;
                Self::decode_back(frame.first, sender, frame.body, topic, packet_id, reader)
            }
        }
    }

    /// The properties and what is behind them. Not inlined, so that what it needs of the stack is not made ready for
    /// messages without properties.
    #[inline(never)]
    fn decode_back(
        first: u8,
        sender: Option<Role>,
        body: &'a [u8],
        topic: &'a str,
        packet_id: Option<PacketId>,
        mut reader: Reader<'a>,
    ) -> Result<Option<Packet<'a>>, DecodeError> {
        let error = |fault| Err(body_error(Version::V5, PacketType::Publish, body, fault));
        let start = reader.back_to(body);
        // [MQTT-3.3.4-6]
        let context = match sender {
            Some(Role::Client) => Context::PUBLISH.forbidding(
                SUBSCRIPTION_IDENTIFIER,
                Violation::SubscriptionIdentifierFromClient,
            ),
            Some(Role::Server) | None => Context::PUBLISH,
        };
        let (mut topic_alias, mut message_expiry_interval) = (None, None);
        let block = match Block::read(&mut reader, context, |id, value| match id {
            TOPIC_ALIAS => topic_alias = u16::try_from(value).ok(),
            MESSAGE_EXPIRY_INTERVAL => message_expiry_interval = Some(value),
            _ => {}
        }) {
            Ok(block) => block,
            Err(fault) => return error(fault),
        };
        // An alias may stand for the topic (5.0, section 3.3.2.1).
        if topic.is_empty() && topic_alias.is_none() {
            return error(start.fault(Violation::TopicNameEmpty));
        }
        Ok(Some(Packet::Publish(Self {
            topic_alias,
            message_expiry_interval,
            subscription_identifiers: if block.contains(SUBSCRIPTION_IDENTIFIER) {
                SubscriptionIdentifiers(Repr::Block(block.bytes()))
            } else {
                SubscriptionIdentifiers::EMPTY
            },
            properties: block.visible(),
            ..Self::with_flags(first, topic, packet_id, reader.rest())
        })))
    }

    /// A message without properties, with the flags of this first byte.
    #[inline(always)]
    fn with_flags(
        first: u8,
        topic: &'a str,
        packet_id: Option<PacketId>,
        payload: &'a [u8],
    ) -> Self {
        Self {
            dup: first & 0x08 != 0,
            qos: QoS::from_u8(first >> 1 & 0x03).unwrap_or_default(),
            retain: first & 0x01 != 0,
            packet_id,
            ..Self::new(topic, payload)
        }
    }

    /// Appends the packet to `out`. In 5.0 the properties are written in this order: topic alias, message
    /// expiry interval, subscription identifiers, then `properties` as they stand.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode).
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Publish::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    /// The number of bytes that [`Publish::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        self.measure(version).packet_len()
    }

    /// Not inlined, like that of every packet, so that what one needs of the stack is not made ready for another.
    #[inline(never)]
    pub(super) fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        self.check_front(version)?;
        if !self.is_plain() {
            return self.write_with_properties(version, out);
        }
        self.check_topic()?;
        self.write_checked(version, &self.measure_with(version, 0), out)
    }

    #[inline(never)]
    fn write_with_properties(
        &self,
        version: Version,
        out: &mut impl Output,
    ) -> Result<(), EncodeError> {
        self.check_properties(version)?;
        self.write_checked(version, &self.measure(version), out)
    }

    /// The lengths that the packet will have.
    #[inline(always)]
    pub(crate) fn measure(&self, version: Version) -> Measure {
        let properties = match version {
            Version::V5 if !self.is_plain() => writer::total([
                self.topic_alias.map_or(0, |_| 3),
                self.message_expiry_interval.map_or(0, |_| 5),
                self.subscription_identifiers.encoded_len(),
                self.properties.encoded_len(),
            ]),
            _ => 0,
        };
        self.measure_with(version, properties)
    }

    /// The same with the length of the properties, without their length field, known.
    #[inline(always)]
    fn measure_with(&self, version: Version, properties: usize) -> Measure {
        let remaining = writer::total([
            writer::field_len(self.topic.len()),
            self.packet_id.map_or(0, |_| 2),
            match version {
                Version::V5 => writer::prefixed_len(properties),
                _ => 0,
            },
            self.payload.len(),
        ]);
        Measure {
            properties,
            remaining,
            apart: 0,
        }
    }

    /// [`Publish::encode`] of what is known to be valid.
    #[inline(always)]
    pub(crate) fn write_checked(
        &self,
        version: Version,
        measure: &Measure,
        out: &mut impl Output,
    ) -> Result<(), EncodeError> {
        let first = PacketType::Publish.as_u8() << 4
            | u8::from(self.dup) << 3
            | self.qos.as_u8() << 1
            | u8::from(self.retain);
        let front = measure.written_len() - self.payload.len();
        let mut out = writer::begin_part(out, first, measure.remaining, front, self.payload)?;
        out.binary(self.topic.as_bytes());
        if let Some(packet_id) = self.packet_id {
            out.u16(packet_id.get());
        }
        if version == Version::V5 {
            out.length(measure.properties);
            if measure.properties != 0 {
                self.write_properties(out);
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn write_properties(&self, mut out: Unwritten<'_>) {
        if let Some(alias) = self.topic_alias {
            let [high, low] = alias.to_be_bytes();
            out.array([TOPIC_ALIAS, high, low]);
        }
        if let Some(seconds) = self.message_expiry_interval {
            let [a, b, c, d] = seconds.to_be_bytes();
            out.array([MESSAGE_EXPIRY_INTERVAL, a, b, c, d]);
        }
        for identifier in self.subscription_identifiers.iter() {
            out.array([SUBSCRIPTION_IDENTIFIER]);
            out.varint(identifier);
        }
        self.properties.write(&mut out);
    }

    /// Whether it has nothing that only 5.0 has.
    #[inline(always)]
    pub(crate) const fn is_plain(&self) -> bool {
        self.topic_alias.is_none()
            && self.message_expiry_interval.is_none()
            && self.subscription_identifiers.is_empty()
            && self.properties.is_empty()
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), EncodeError> {
        self.check_front(version)?;
        if self.is_plain() {
            self.check_topic()
        } else {
            self.check_properties(version)
        }
    }

    /// The flags, and what stands in front of the properties.
    #[inline(always)]
    fn check_front(&self, version: Version) -> Result<(), EncodeError> {
        if self.dup && self.qos == QoS::AtMostOnce && version != Version::V31 {
            return Err(Violation::DupWithQos0.into());
        }
        if self.packet_id.is_some() != (self.qos != QoS::AtMostOnce) {
            return Err(EncodeError::PacketIdMismatch);
        }
        writer::check_topic_name(self.topic, Violation::TopicNameWildcard)
    }

    fn check_properties(&self, version: Version) -> Result<(), EncodeError> {
        if version != Version::V5 {
            return Err(EncodeError::NeedsV5);
        }
        if self.topic_alias == Some(0) {
            return Err(Violation::TopicAliasZero.into());
        }
        self.subscription_identifiers.check()?;
        self.properties.check(Context::PUBLISH)?;
        self.check_topic()
    }

    /// Whether there is a topic, or something that stands for it.
    #[inline(always)]
    fn check_topic(&self) -> Result<(), EncodeError> {
        if self.topic.is_empty() && self.topic_alias.is_none() {
            return Err(Violation::TopicNameEmpty.into());
        }
        Ok(())
    }
}

/// The lengths of a PUBLISH, taken once to see whether it fits and to write it.
pub(crate) struct Measure {
    properties: usize,
    remaining: usize,
    /// The part of `remaining` that the caller writes.
    apart: usize,
}

impl Measure {
    /// Of a packet with a payload that the caller writes behind it.
    #[inline(always)]
    pub(crate) fn with_payload(self, length: u32) -> Self {
        if length == 0 {
            return self;
        }
        Self {
            remaining: writer::total([self.remaining, length as usize]),
            apart: length as usize,
            ..self
        }
    }

    /// Of the packet less what the caller writes.
    #[inline]
    pub(crate) fn written_len(&self) -> usize {
        self.packet_len() - self.apart
    }

    /// Of the whole packet.
    #[inline]
    pub(crate) fn packet_len(&self) -> usize {
        writer::packet_len(self.remaining)
    }
}

/// Topic and packet identifier.
#[inline(always)]
fn decode_front<'a>(
    first: u8,
    reader: &mut Reader<'a>,
) -> Result<(&'a str, Option<PacketId>), Fault> {
    let topic = reader.topic_name(Row::NONE, Violation::TopicNameWildcard)?;
    let packet_id = if first & 0x06 == 0 {
        None
    } else {
        Some(reader.packet_id()?)
    };
    Ok((topic, packet_id))
}

/// The Subscription Identifiers of a PUBLISH (5.0, section 3.3.2.3.8), each 1 to 268,435,455: those of a received
/// packet, or a slice to be sent.
///
/// Two are equal if they have the same values in the same order.
#[derive(Copy, Clone)]
pub struct SubscriptionIdentifiers<'a>(Repr<'a>);

#[derive(Copy, Clone)]
enum Repr<'a> {
    /// A checked property block that has one of them, among other properties; or nothing.
    Block(&'a [u8]),
    List(&'a [u32]),
}

impl<'a> SubscriptionIdentifiers<'a> {
    /// None.
    pub const EMPTY: Self = Self(Repr::Block(&[]));

    /// The values in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = u32> + Clone + use<'a> {
        let (block, list) = match self.0 {
            Repr::Block(block) => (block, &[][..]),
            Repr::List(list) => (&[][..], list),
        };
        RawProperties::new(block)
            .filter_map(identifier)
            .chain(list.iter().copied())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Repr::Block(block) => block.is_empty(),
            Repr::List(list) => list.is_empty(),
        }
    }

    fn encoded_len(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        writer::total(self.iter().map(|identifier| 1 + varint::len(identifier)))
    }

    fn check(&self) -> Result<(), EncodeError> {
        match self.0 {
            Repr::Block(_) => Ok(()),
            Repr::List(list) => list
                .iter()
                .try_for_each(|&value| check_subscription_identifier(value)),
        }
    }
}

/// The value, if the property is a Subscription Identifier.
fn identifier(raw: &[u8]) -> Option<u32> {
    match raw.split_first() {
        Some((&SUBSCRIPTION_IDENTIFIER, value)) => match varint::read(value) {
            Varint::Value(value, _) => Some(value),
            Varint::Incomplete | Varint::TooLong => None,
        },
        _ => None,
    }
}

impl Default for SubscriptionIdentifiers<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<'a> From<&'a [u32]> for SubscriptionIdentifiers<'a> {
    fn from(list: &'a [u32]) -> Self {
        Self(Repr::List(list))
    }
}

impl<'a, const N: usize> From<&'a [u32; N]> for SubscriptionIdentifiers<'a> {
    fn from(list: &'a [u32; N]) -> Self {
        Self(Repr::List(list))
    }
}

impl PartialEq for SubscriptionIdentifiers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SubscriptionIdentifiers<'_> {}

impl fmt::Debug for SubscriptionIdentifiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
