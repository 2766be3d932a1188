//! SUBSCRIBE and SUBACK (sections 3.8 and 3.9).

use alloc::vec::Vec;
use core::fmt;

use super::{Frame, check_reason, first_byte};
use crate::property::{BlockLen, Context, Properties};
use crate::reason::ReasonCode;
use crate::topic;
use crate::types::{PacketId, PacketType, QoS, RetainHandling, Version};
use crate::violation::Violation;
use crate::wire::writer::{self, Output, Unwritten};
use crate::wire::{EncodeError, Fault, Reader, text};

const NO_LOCAL: u8 = 0x04;
const RETAIN_AS_PUBLISHED: u8 = 0x08;
const RETAIN_HANDLING_SHIFT: u32 = 4;

/// How a subscription is to be served (5.0, section 3.8.3.1). Before 5.0 there is the QoS only.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, Default)]
pub struct SubscriptionOptions {
    /// The highest QoS that the client wants.
    pub qos: QoS,
    /// 5.0: not the client's own messages. Never on a shared subscription [MQTT-3.8.3-4].
    pub no_local: bool,
    /// 5.0: forward with the RETAIN flag as it was published, instead of 0.
    pub retain_as_published: bool,
    /// 5.0: when to send retained messages.
    pub retain_handling: RetainHandling,
}

/// A topic filter and how it is to be served.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Subscription<'a> {
    /// A topic filter (section 4.7), in 5.0 perhaps a shared one (section 4.8.2).
    pub filter: &'a str,
    /// In 3.1.1 only the QoS may differ from the default.
    pub options: SubscriptionOptions,
}

/// A subscription request (section 3.8).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Subscribe<'a> {
    /// Repeated by the SUBACK.
    pub packet_id: PacketId,
    /// At least one (5.0: [MQTT-3.8.3-2]; 3.1.1: [MQTT-3.8.3-3]).
    pub subscriptions: Subscriptions<'a>,
    /// 5.0: Subscription Identifier and User Properties.
    pub properties: Properties<'a>,
}

/// The answer to a SUBSCRIBE (section 3.9).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Suback<'a> {
    /// That of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each subscription, in their order [MQTT-3.9.3-1]. In 3.1.1: 0x00, 0x01, 0x02 and 0x80 only; in 3.1 no
    /// 0x80 either.
    pub reason_codes: ReasonCodes<'a>,
    /// 5.0: Reason String and User Properties.
    pub properties: Properties<'a>,
}

/// The subscriptions of a SUBSCRIBE: those of a received packet, read as they are asked for, or a slice to be sent.
///
/// Two are equal if they have the same subscriptions in the same order.
#[derive(Copy, Clone)]
pub struct Subscriptions<'a>(List<'a>);

#[derive(Copy, Clone)]
enum List<'a> {
    Block {
        bytes: &'a [u8],
        count: u32,
        /// The version by whose rules all has been checked; `None` if the syntax of the filters has not.
        checked: Option<Version>,
    },
    Slice(&'a [Subscription<'a>]),
}

/// The reason codes of a SUBACK or UNSUBACK: those of a received packet or a slice to be sent.
///
/// Two are equal if they have the same codes in the same order.
#[derive(Copy, Clone)]
pub struct ReasonCodes<'a>(Codes<'a>);

#[derive(Copy, Clone)]
enum Codes<'a> {
    Block(&'a [u8]),
    Slice(&'a [ReasonCode]),
}

impl SubscriptionOptions {
    /// This QoS, all else as in 3.1.1.
    #[must_use]
    pub const fn new(qos: QoS) -> Self {
        Self {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        }
    }

    #[inline(always)]
    pub(crate) fn from_byte(version: Version, byte: u8) -> Result<Self, Violation> {
        // 5.0: [MQTT-3.8.3-5]; 3.1.1: [MQTT-3.8.3-4]; 3.1 does not use the bits (section 3.8), and no value with one
        // of them set is a QoS.
        let reserved = match version {
            Version::V31 | Version::V311 => 0b1111_1100,
            Version::V5 => 0b1100_0000,
        };
        if byte & reserved != 0 {
            return Err(Violation::SubscriptionOptionsReserved);
        }
        Ok(Self {
            qos: QoS::from_u8(byte & 0x03).ok_or(Violation::SubscriptionQos)?,
            no_local: byte & NO_LOCAL != 0,
            retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
            retain_handling: RetainHandling::from_u8(byte >> RETAIN_HANDLING_SHIFT & 0x03)
                .ok_or(Violation::RetainHandlingInvalid)?,
        })
    }

    pub(crate) fn to_byte(self) -> u8 {
        let no_local = if self.no_local { NO_LOCAL } else { 0 };
        let retain_as_published = if self.retain_as_published {
            RETAIN_AS_PUBLISHED
        } else {
            0
        };
        self.qos.as_u8()
            | no_local
            | retain_as_published
            | self.retain_handling.as_u8() << RETAIN_HANDLING_SHIFT
    }
}

impl<'a> Subscription<'a> {
    /// A filter with a QoS, all else as in 3.1.1.
    #[must_use]
    pub const fn new(filter: &'a str, qos: QoS) -> Self {
        Self {
            filter,
            options: SubscriptionOptions::new(qos),
        }
    }

    /// Checks the next one, which [`Subscription::read`] then gives without looking again.
    #[inline(always)]
    fn check_next(
        version: Version,
        unchecked_filters: bool,
        reader: &mut Reader<'_>,
    ) -> Result<(), Fault> {
        let filter = check_next_filter(version, unchecked_filters, reader)?;
        let before = *reader;
        SubscriptionOptions::from_byte(version, reader.u8()?)
            .and_then(|options| check_no_local(filter, options))
            .map_err(|violation| before.fault(violation))
    }

    /// The next one of a checked block. What is right by the rules of an older version is so by those of 5.0, too.
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let filter = reader.known_string()?;
        let options = SubscriptionOptions::from_byte(Version::V5, reader.u8().ok()?).ok()?;
        Some(Self { filter, options })
    }

    fn check(&self, version: Version) -> Result<(), EncodeError> {
        check_filter(version, self.filter)?;
        if version != Version::V5 && self.options != SubscriptionOptions::new(self.options.qos) {
            return Err(EncodeError::NeedsV5);
        }
        Ok(check_no_local(self.filter.as_bytes(), self.options)?)
    }
}

/// Checks a topic filter of SUBSCRIBE or UNSUBSCRIBE.
#[inline(always)]
pub(super) fn check_next_filter<'a>(
    version: Version,
    unchecked_filters: bool,
    reader: &mut Reader<'a>,
) -> Result<&'a [u8], Fault> {
    reader.checked(|filter| {
        if unchecked_filters {
            text::check_string_bytes(filter)
        } else {
            topic::check_filter_bytes(version, filter)
        }
    })
}

/// The same for a filter to be sent.
pub(super) fn check_filter(version: Version, filter: &str) -> Result<(), EncodeError> {
    writer::check_binary(filter.as_bytes())?;
    topic::check_filter(version, filter).map_err(|error| EncodeError::Violation(error.into()))
}

/// [MQTT-3.8.3-4]. In 3.1.1 the option does not exist.
#[inline(always)]
fn check_no_local(filter: &[u8], options: SubscriptionOptions) -> Result<(), Violation> {
    if options.no_local && filter.starts_with(b"$share/") {
        return Err(Violation::NoLocalShared);
    }
    Ok(())
}

impl<'a> Subscribe<'a> {
    /// A request without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, subscriptions: impl Into<Subscriptions<'a>>) -> Self {
        Self {
            packet_id,
            subscriptions: subscriptions.into(),
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let (version, unchecked) = (frame.version, frame.options.unchecked_filters);
        let packet_id = reader.packet_id()?;
        let properties = match version {
            Version::V5 => Properties::read(reader, Context::SUBSCRIBE)?,
            Version::V31 | Version::V311 => Properties::EMPTY,
        };
        let bytes = reader.rest();
        if bytes.is_empty() {
            return Err(reader.fault(Violation::NoTopicFilters));
        }
        let mut count = 0;
        while !reader.is_empty() {
            Subscription::check_next(version, unchecked, reader)?;
            count += 1;
        }
        let subscriptions = Subscriptions(List::Block {
            bytes,
            count,
            checked: (!unchecked).then_some(version),
        });
        Ok(Self {
            packet_id,
            subscriptions,
            properties,
        })
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode). The syntax of the filters is always checked.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Subscribe::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    /// The number of bytes that [`Subscribe::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(self.properties.measure(version)))
    }

    #[inline(never)]
    pub(super) fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        self.properties.check_block(version, Context::SUBSCRIBE)?;
        if self.subscriptions.is_empty() {
            return Err(Violation::NoTopicFilters.into());
        }
        self.subscriptions.check(version)?;
        let properties = self.properties.measure(version);
        let mut out = writer::begin(
            out,
            first_byte(PacketType::Subscribe),
            self.remaining_length(properties),
        )?;
        out.array(self.packet_id.get().to_be_bytes());
        self.properties.write_block(properties, &mut out);
        match self.subscriptions.0 {
            List::Block { bytes, .. } => out.bytes(bytes),
            List::Slice(list) => {
                for subscription in list {
                    out.binary(subscription.filter.as_bytes());
                    out.array([subscription.options.to_byte()]);
                }
            }
        }
        Ok(())
    }

    fn remaining_length(&self, properties: BlockLen) -> usize {
        let subscriptions = match self.subscriptions.0 {
            List::Block { bytes, .. } => bytes.len(),
            List::Slice(list) => writer::total(
                list.iter()
                    .map(|subscription| writer::field_len(subscription.filter.len()) + 1),
            ),
        };
        writer::total([2, properties.on_wire(), subscriptions])
    }
}

impl<'a> Subscriptions<'a> {
    /// As many subscriptions from the beginning of `bytes` as are good in 5.0.
    #[cfg(feature = "arbitrary")]
    pub(crate) fn legal_prefix(bytes: &'a [u8]) -> Self {
        let mut reader = Reader::new(bytes, 0);
        let (mut rest, mut count) = (bytes, 0);
        while Subscription::check_next(Version::V5, false, &mut reader).is_ok() {
            count += 1;
            rest = reader.rest();
        }
        let length = bytes.len() - rest.len();
        Self(List::Block {
            bytes: bytes.get(..length).unwrap_or_default(),
            count,
            checked: Some(Version::V5),
        })
    }

    /// The subscriptions in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = Subscription<'a>> + Clone + use<'a> {
        let (block, slice) = match self.0 {
            List::Block { bytes, .. } => (bytes, &[][..]),
            List::Slice(slice) => (&[][..], slice),
        };
        let mut reader = Reader::new(block, 0);
        let block = core::iter::from_fn(move || Subscription::read(&mut reader));
        block.chain(slice.iter().copied())
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            List::Block { count, .. } => count as usize,
            List::Slice(slice) => slice.len(),
        }
    }

    /// Whether there is none: never so in a received packet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self, version: Version) -> Result<(), EncodeError> {
        match self.0 {
            List::Block { checked, .. } if checked == Some(version) => Ok(()),
            _ => self
                .iter()
                .try_for_each(|subscription| subscription.check(version)),
        }
    }
}

impl<'a> From<&'a [Subscription<'a>]> for Subscriptions<'a> {
    fn from(slice: &'a [Subscription<'a>]) -> Self {
        Self(List::Slice(slice))
    }
}

impl<'a, const N: usize> From<&'a [Subscription<'a>; N]> for Subscriptions<'a> {
    fn from(slice: &'a [Subscription<'a>; N]) -> Self {
        Self(List::Slice(slice))
    }
}

impl PartialEq for Subscriptions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Subscriptions<'_> {}

impl fmt::Debug for Subscriptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Suback<'a> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reason_codes: impl Into<ReasonCodes<'a>>) -> Self {
        Self {
            packet_id,
            reason_codes: reason_codes.into(),
            properties: Properties::EMPTY,
        }
    }

    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let packet_id = reader.packet_id()?;
        let properties = match frame.version {
            Version::V5 => Properties::read(reader, Context::ACK)?,
            Version::V31 | Version::V311 => Properties::EMPTY,
        };
        let reason_codes = ReasonCodes::decode(frame, reader)?;
        Ok(Self {
            packet_id,
            reason_codes,
            properties,
        })
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode). [`EncodeError::NeedsV5`] for a failure other than 0x80 before
    /// 5.0, [`EncodeError::NeedsV311`] for 0x80 in 3.1.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: [`Suback::encode`] without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    /// The number of bytes that [`Suback::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::packet_len(self.remaining_length(self.properties.measure(version)))
    }

    #[inline(never)]
    pub(super) fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        self.properties.check_block(version, Context::ACK)?;
        self.reason_codes.check(PacketType::Suback, version)?;
        let properties = self.properties.measure(version);
        let mut out = writer::begin(
            out,
            first_byte(PacketType::Suback),
            self.remaining_length(properties),
        )?;
        out.array(self.packet_id.get().to_be_bytes());
        self.properties.write_block(properties, &mut out);
        self.reason_codes.write(&mut out);
        Ok(())
    }

    fn remaining_length(&self, properties: BlockLen) -> usize {
        writer::total([2, properties.on_wire(), self.reason_codes.len()])
    }
}

impl<'a> ReasonCodes<'a> {
    /// None, as in an UNSUBACK of 3.1.1.
    pub const EMPTY: Self = Self(Codes::Slice(&[]));

    /// The rest of the packet.
    #[inline(always)]
    pub(super) fn decode(frame: &Frame<'a, '_>, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let bytes = reader.rest();
        if bytes.is_empty() {
            return Err(reader.fault(Violation::NoReasonCodes));
        }
        while !reader.is_empty() {
            let before = *reader;
            let good = ReasonCode::from_u8(reader.u8()?)
                .is_some_and(|code| is_allowed(code, frame.packet_type, frame.version));
            if !good {
                return Err(before.fault(Violation::ReasonCodeInvalid));
            }
        }
        Ok(Self(Codes::Block(bytes)))
    }

    /// As many codes from the beginning of `bytes` as this packet may carry in 5.0.
    #[cfg(feature = "arbitrary")]
    pub(crate) fn legal_prefix(packet_type: PacketType, bytes: &'a [u8]) -> Self {
        let is_good = |&byte: &u8| {
            ReasonCode::from_u8(byte).is_some_and(|code| code.allowed_in(packet_type, None))
        };
        let length = bytes.iter().take_while(|byte| is_good(byte)).count();
        Self(Codes::Block(bytes.get(..length).unwrap_or_default()))
    }

    /// The codes in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = ReasonCode> + Clone + use<'a> {
        let (block, slice) = match self.0 {
            Codes::Block(bytes) => (bytes, &[][..]),
            Codes::Slice(slice) => (&[][..], slice),
        };
        block
            .iter()
            .filter_map(|&byte| ReasonCode::from_u8(byte))
            .chain(slice.iter().copied())
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Codes::Block(bytes) => bytes.len(),
            Codes::Slice(slice) => slice.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn check(
        &self,
        packet_type: PacketType,
        version: Version,
    ) -> Result<(), EncodeError> {
        if self.is_empty() {
            return Err(Violation::NoReasonCodes.into());
        }
        self.iter().try_for_each(|code| {
            check_reason(code, packet_type)?;
            if is_allowed(code, packet_type, version) {
                Ok(())
            } else if version == Version::V31 && is_allowed(code, packet_type, Version::V311) {
                Err(EncodeError::NeedsV311)
            } else {
                Err(EncodeError::NeedsV5)
            }
        })
    }

    pub(super) fn write(&self, out: &mut Unwritten<'_>) {
        match self.0 {
            Codes::Block(bytes) => out.bytes(bytes),
            Codes::Slice(slice) => slice.iter().for_each(|code| out.array([code.as_u8()])),
        }
    }
}

/// 5.0: [MQTT-3.9.3-2, MQTT-3.11.3-2]; 3.1.1, SUBACK only: [MQTT-3.9.3-2]; 3.1, SUBACK only: section 3.9.
fn is_allowed(code: ReasonCode, packet_type: PacketType, version: Version) -> bool {
    match version {
        Version::V5 => code.allowed_in(packet_type, None),
        Version::V311 => code.granted_qos().is_some() || code == ReasonCode::UnspecifiedError,
        Version::V31 => code.granted_qos().is_some(),
    }
}

impl<'a> From<&'a [ReasonCode]> for ReasonCodes<'a> {
    fn from(slice: &'a [ReasonCode]) -> Self {
        Self(Codes::Slice(slice))
    }
}

impl<'a, const N: usize> From<&'a [ReasonCode; N]> for ReasonCodes<'a> {
    fn from(slice: &'a [ReasonCode; N]) -> Self {
        Self(Codes::Slice(slice))
    }
}

impl PartialEq for ReasonCodes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ReasonCodes<'_> {}

impl fmt::Debug for ReasonCodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
