//! The properties of a packet: a block that was received and checked, or a list that is to be sent.

use alloc::vec::Vec;
use core::fmt;
use core::iter::FusedIterator;
use core::{mem, slice};

use super::table::{self, Context, FORWARDABLE, Kind, bit};
use super::{Property, check_value};
use crate::types::{QoS, Version};
use crate::violation::Violation;
use crate::wire::varint::{self, Varint};
use crate::wire::writer::{self, Unwritten};
use crate::wire::{EncodeError, Fault, Reader};

/// In the set of a block: the block also holds properties that are fields of their packet and must not be seen.
const HIDING: u64 = 1 << 63;

/// A set of properties: the checked block of a received packet, read as it is asked for, or a slice to be sent.
///
/// ```
/// use sansio_mqtt::{Properties, Property};
///
/// let list = [Property::ContentType("text/plain"), Property::UserProperty("a", "b")];
/// let properties = Properties::from(&list);
/// assert_eq!(properties.content_type(), Some("text/plain"));
/// assert_eq!(properties.user_properties().next(), Some(("a", "b")));
/// assert_eq!(properties.reason_string(), None);
/// ```
///
/// In a PUBLISH the properties of the hop (topic alias, message expiry interval, subscription identifiers)
/// are fields of the packet, and not in here.
///
/// Two sets are equal if they have the same properties in the same order.
#[derive(Copy, Clone)]
pub struct Properties<'a>(Repr<'a>);

#[derive(Copy, Clone)]
enum Repr<'a> {
    Block {
        bytes: &'a [u8],
        /// The identifiers of the visible properties, and `HIDING`.
        present: u64,
    },
    List(&'a [Property<'a>]),
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self::new();

    /// No properties.
    #[must_use]
    pub const fn new() -> Self {
        // A block, as all received properties are, so that a decoder has one form to deal with.
        Self(Repr::Block {
            bytes: &[],
            present: 0,
        })
    }

    /// Properties in the form they have on the wire, without their length, that were checked before.
    pub(crate) const fn from_encoded(bytes: &'a [u8], present: u64) -> Self {
        Self(Repr::Block { bytes, present })
    }

    /// Reads the length and the properties behind it, and checks everything about them that `context` decides.
    #[inline(always)]
    pub(crate) fn read(reader: &mut Reader<'a>, context: Context) -> Result<Self, Fault> {
        if let Some(rest) = reader.behind_empty_block() {
            *reader = rest;
            return Ok(Self::EMPTY);
        }
        // A reader whose address goes nowhere stays in registers.
        let (properties, rest) = Self::read_from(*reader, context)?;
        *reader = rest;
        Ok(properties)
    }

    #[inline(never)]
    fn read_from(mut reader: Reader<'a>, context: Context) -> Result<(Self, Reader<'a>), Fault> {
        let block = Block::read(&mut reader, context, |_, _| {})?;
        Ok((block.visible(), reader))
    }

    /// All properties in their order.
    #[must_use]
    pub fn iter(&self) -> PropertyIter<'a> {
        PropertyIter(match self.0 {
            Repr::Block { bytes, present } => Source::Block {
                raw: RawProperties(bytes),
                hidden: hidden(present),
            },
            Repr::List(list) => Source::List(list.iter()),
        })
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Repr::Block { present, .. } => present & !HIDING == 0,
            Repr::List(list) => list.is_empty(),
        }
    }

    /// The User Properties (0x26) in their order: names and values.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let all = if self.contains(table::USER_PROPERTY) {
            self.iter()
        } else {
            Self::EMPTY.iter()
        };
        all.filter_map(|property| match property {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// The identifiers of all properties as a set.
    pub(crate) fn present(&self) -> u64 {
        match self.0 {
            Repr::Block { present, .. } => present & !HIDING,
            Repr::List(list) => list
                .iter()
                .fold(0, |set, property| set | bit(property.id())),
        }
    }

    /// Whether there is a property with this identifier. A block knows without looking.
    pub(crate) fn contains(&self, id: u8) -> bool {
        match self.0 {
            Repr::Block { present, .. } => present & bit(id) != 0,
            Repr::List(list) => list.iter().any(|property| property.id() == id),
        }
    }

    pub(super) fn first(&self, id: u8) -> Option<Property<'a>> {
        match self.0 {
            Repr::Block { present, .. } if present & bit(id) == 0 => None,
            Repr::Block { bytes, .. } => {
                let (id, value) = RawProperties(bytes)
                    .map(split)
                    .find(|(found, _)| *found == id)?;
                parse(id, value)
            }
            Repr::List(list) => list.iter().find(|property| property.id() == id).copied(),
        }
    }

    /// Refuses what [`Properties::read`] would refuse in this place.
    #[inline]
    pub(crate) fn check(&self, context: Context) -> Result<(), EncodeError> {
        let allowed = context.allowed & !context.lifted;
        match self.0 {
            // The values and the repetitions were checked when the block was made, and the same rules hold
            // for a property wherever it may be.
            Repr::Block { present, .. } if present & !HIDING & !allowed == 0 => Ok(()),
            Repr::Block { .. } => Err(Violation::PropertyNotAllowed.into()),
            Repr::List(list) => check_list(list, allowed),
        }
    }

    /// The length on the wire without the length field.
    #[inline(always)]
    pub(crate) fn encoded_len(&self) -> usize {
        match self.as_written() {
            Some(bytes) => bytes.len(),
            None => self.encoded_len_of_each(),
        }
    }

    /// Writes the properties without the length field.
    #[inline(always)]
    pub(crate) fn write(&self, out: &mut Unwritten<'_>) {
        match self.as_written() {
            Some(bytes) => out.bytes(bytes),
            None => *out = self.write_each(mem::take(out)),
        }
    }

    /// The properties in one piece, if they are there as they have to be written.
    #[inline(always)]
    const fn as_written(&self) -> Option<&'a [u8]> {
        match self.0 {
            Repr::Block { bytes, present } if present & HIDING == 0 => Some(bytes),
            _ => None,
        }
    }

    #[inline(never)]
    fn encoded_len_of_each(&self) -> usize {
        match self.0 {
            Repr::Block { bytes, present } => {
                writer::total(visible(bytes, present).map(<[u8]>::len))
            }
            Repr::List(list) => writer::total(list.iter().map(Property::encoded_len)),
        }
    }

    #[inline(never)]
    fn write_each<'o>(&self, mut out: Unwritten<'o>) -> Unwritten<'o> {
        match self.0 {
            Repr::Block { bytes, present } => {
                visible(bytes, present).for_each(|raw| out.bytes(raw));
            }
            Repr::List(list) => list.iter().for_each(|property| property.write(&mut out)),
        }
        out
    }

    /// Measures the block that [`Properties::write_block`] writes: once, though its length is needed twice.
    #[inline(always)]
    pub(crate) fn measure(&self, version: Version) -> BlockLen {
        BlockLen((version == Version::V5).then(|| self.encoded_len()))
    }

    /// Writes the length and the properties [MQTT-2.2.2-1]. Before 5.0 there is neither.
    #[inline(always)]
    pub(crate) fn write_block(&self, length: BlockLen, out: &mut Unwritten<'_>) {
        if let BlockLen(Some(length)) = length {
            out.length(length);
            if length != 0 {
                self.write(out);
            }
        }
    }

    /// [`Properties::check`], and before 5.0 there must be none.
    #[inline]
    pub(crate) fn check_block(
        &self,
        version: Version,
        context: Context,
    ) -> Result<(), EncodeError> {
        match version {
            Version::V31 | Version::V311 if self.is_empty() => Ok(()),
            Version::V31 | Version::V311 => Err(EncodeError::NeedsV5),
            Version::V5 => self.check(context),
        }
    }

    /// The length on the wire of what [`Properties::write_forwardable`] writes.
    pub(crate) fn encoded_len_forwardable(&self) -> usize {
        match self.0 {
            Repr::Block { bytes, present } if present & !FORWARDABLE == 0 => bytes.len(),
            Repr::Block { bytes, .. } => writer::total(forwardable(bytes).map(<[u8]>::len)),
            Repr::List(list) => writer::total(
                list.iter()
                    .filter(|property| FORWARDABLE & bit(property.id()) != 0)
                    .map(Property::encoded_len),
            ),
        }
    }

    /// Writes the properties that go with a message to its subscribers, without a length field, and returns
    /// their set: what [`Properties::from_encoded`] takes. The properties have been checked.
    pub(crate) fn write_forwardable(&self, out: &mut Vec<u8>) -> u64 {
        let mut out = writer::extend(out, self.encoded_len_forwardable(), &[]);
        match self.0 {
            Repr::Block { bytes, present } if present & !FORWARDABLE == 0 => out.bytes(bytes),
            Repr::Block { bytes, .. } => forwardable(bytes).for_each(|raw| out.bytes(raw)),
            Repr::List(list) => list
                .iter()
                .filter(|property| FORWARDABLE & bit(property.id()) != 0)
                .for_each(|property| property.write(&mut out)),
        }
        self.present() & FORWARDABLE
    }
}

/// The length of the properties of a packet that is to be sent, taken once; `None` before 5.0, where there is no block.
#[derive(Copy, Clone)]
pub(crate) struct BlockLen(Option<usize>);

impl BlockLen {
    /// Of no block.
    pub(crate) const NONE: Self = Self(None);

    /// The length of the block on the wire, its length field included.
    #[inline(always)]
    pub(crate) fn on_wire(self) -> usize {
        self.0.map_or(0, writer::prefixed_len)
    }
}

/// One accessor per property that a packet may have once.
macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident -> $type:ty = $variant:ident, $id:ident;)*) => {
        impl<'a> Properties<'a> {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Option<$type> {
                    match self.first(table::$id) {
                        Some(Property::$variant(value)) => Some(value),
                        _ => None,
                    }
                }
            )*
        }
    };
}

accessors! {
    /// Payload Format Indicator (0x01): whether the payload is UTF-8.
    payload_format_indicator -> bool = PayloadFormatIndicator, PAYLOAD_FORMAT_INDICATOR;
    /// Message Expiry Interval (0x02) of a will, in seconds; that of a PUBLISH is a field of the packet.
    message_expiry_interval -> u32 = MessageExpiryInterval, MESSAGE_EXPIRY_INTERVAL;
    /// Content Type (0x03).
    content_type -> &'a str = ContentType, CONTENT_TYPE;
    /// Response Topic (0x08).
    response_topic -> &'a str = ResponseTopic, RESPONSE_TOPIC;
    /// Correlation Data (0x09).
    correlation_data -> &'a [u8] = CorrelationData, CORRELATION_DATA;
    /// Subscription Identifier (0x0B) of a SUBSCRIBE; those of a PUBLISH are a field of the packet.
    subscription_identifier -> u32 = SubscriptionIdentifier, SUBSCRIPTION_IDENTIFIER;
    /// Session Expiry Interval (0x11) in seconds, `u32::MAX` for ever.
    session_expiry_interval -> u32 = SessionExpiryInterval, SESSION_EXPIRY_INTERVAL;
    /// Assigned Client Identifier (0x12).
    assigned_client_identifier -> &'a str = AssignedClientIdentifier, ASSIGNED_CLIENT_IDENTIFIER;
    /// Server Keep Alive (0x13) in seconds.
    server_keep_alive -> u16 = ServerKeepAlive, SERVER_KEEP_ALIVE;
    /// Authentication Method (0x15).
    authentication_method -> &'a str = AuthenticationMethod, AUTHENTICATION_METHOD;
    /// Authentication Data (0x16).
    authentication_data -> &'a [u8] = AuthenticationData, AUTHENTICATION_DATA;
    /// Request Problem Information (0x17).
    request_problem_information -> bool = RequestProblemInformation, REQUEST_PROBLEM_INFORMATION;
    /// Will Delay Interval (0x18) in seconds.
    will_delay_interval -> u32 = WillDelayInterval, WILL_DELAY_INTERVAL;
    /// Request Response Information (0x19).
    request_response_information -> bool = RequestResponseInformation, REQUEST_RESPONSE_INFORMATION;
    /// Response Information (0x1A).
    response_information -> &'a str = ResponseInformation, RESPONSE_INFORMATION;
    /// Server Reference (0x1C).
    server_reference -> &'a str = ServerReference, SERVER_REFERENCE;
    /// Reason String (0x1F).
    reason_string -> &'a str = ReasonString, REASON_STRING;
    /// Receive Maximum (0x21), never 0.
    receive_maximum -> u16 = ReceiveMaximum, RECEIVE_MAXIMUM;
    /// Topic Alias Maximum (0x22).
    topic_alias_maximum -> u16 = TopicAliasMaximum, TOPIC_ALIAS_MAXIMUM;
    /// Maximum QoS (0x24), 0 or 1.
    maximum_qos -> QoS = MaximumQos, MAXIMUM_QOS;
    /// Retain Available (0x25).
    retain_available -> bool = RetainAvailable, RETAIN_AVAILABLE;
    /// Maximum Packet Size (0x27) in bytes, never 0.
    maximum_packet_size -> u32 = MaximumPacketSize, MAXIMUM_PACKET_SIZE;
    /// Wildcard Subscription Available (0x28).
    wildcard_subscription_available -> bool = WildcardSubscriptionAvailable, WILDCARD_SUBSCRIPTION_AVAILABLE;
    /// Subscription Identifier Available (0x29).
    subscription_identifier_available -> bool = SubscriptionIdentifierAvailable, SUBSCRIPTION_IDENTIFIER_AVAILABLE;
    /// Shared Subscription Available (0x2A).
    shared_subscription_available -> bool = SharedSubscriptionAvailable, SHARED_SUBSCRIPTION_AVAILABLE;
}

impl Default for Properties<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> From<&'a [Property<'a>]> for Properties<'a> {
    fn from(list: &'a [Property<'a>]) -> Self {
        Self(Repr::List(list))
    }
}

impl<'a, const N: usize> From<&'a [Property<'a>; N]> for Properties<'a> {
    fn from(list: &'a [Property<'a>; N]) -> Self {
        Self(Repr::List(list))
    }
}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Properties<'_> {}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The properties of a packet in their order: see [`Properties::iter`].
#[derive(Clone)]
pub struct PropertyIter<'a>(Source<'a>);

#[derive(Clone)]
enum Source<'a> {
    Block { raw: RawProperties<'a>, hidden: u64 },
    List(slice::Iter<'a, Property<'a>>),
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        match &mut self.0 {
            Source::Block { raw, hidden } => {
                let (id, value) = raw
                    .by_ref()
                    .map(split)
                    .find(|(id, _)| *hidden & bit(*id) == 0)?;
                parse(id, value)
            }
            Source::List(list) => list.next().copied(),
        }
    }
}

impl FusedIterator for PropertyIter<'_> {}

impl fmt::Debug for PropertyIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// A block of a received packet, checked.
#[derive(Copy, Clone)]
pub(crate) struct Block<'a> {
    bytes: &'a [u8],
    /// The identifiers of all properties in it.
    present: u64,
    /// Without those that are fields of their packet. If these come first, as those do that this crate writes,
    /// they are cut off, and what is left is copied as it is when it is sent on.
    visible: Properties<'a>,
}

impl<'a> Block<'a> {
    /// Reads and checks a block, and shows to `visit` on the way each property that is a field of its packet; all
    /// of these are integers.
    ///
    /// A property that is cut short by the end of its block is a fault of the property; what stands behind the
    /// block is out of the reader's reach.
    #[inline(always)]
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        context: Context,
        mut visit: impl FnMut(u8, u32),
    ) -> Result<Self, Fault> {
        let mut block = reader.block()?;
        let bytes = block.rest();
        let mut visible = bytes;
        let mut present = 0;
        let mut seen = false;
        let mut hiding = 0;
        while !block.is_empty() {
            let start = block;
            // Identifiers are Variable Byte Integers, but none has two bytes, so a first byte of 0x80 and
            // above is no known identifier.
            let id = block.u8()?;
            let this = if id < 64 { bit(id) } else { 0 };
            if this & context.allowed == 0 {
                return Err(start.fault(context.refusal(id)));
            }
            if this & present & !context.repeatable != 0 {
                return Err(start.fault(Violation::PropertyDuplicate));
            }
            present |= this;
            match check_value(id, &mut block) {
                Ok(_) if this & context.lifted == 0 => seen = true,
                Ok(value) => {
                    if seen {
                        hiding = HIDING;
                    } else {
                        visible = block.rest();
                    }
                    visit(id, value);
                }
                Err(fault) if fault.violation() == Violation::Truncated => {
                    return Err(start.fault(Violation::PropertyLength));
                }
                Err(fault) => return Err(fault),
            }
        }
        let visible = Properties(Repr::Block {
            bytes: visible,
            present: present & !context.lifted | hiding,
        });
        Ok(Self {
            bytes,
            present,
            visible,
        })
    }

    /// The properties that are not fields of their packet.
    #[inline(always)]
    pub(crate) const fn visible(&self) -> Properties<'a> {
        self.visible
    }

    #[inline(always)]
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline(always)]
    pub(crate) const fn contains(&self, id: u8) -> bool {
        self.present & bit(id) != 0
    }
}

/// The properties of a checked block as they stand on the wire, each with its identifier.
#[derive(Clone)]
pub(crate) struct RawProperties<'a>(&'a [u8]);

impl<'a> RawProperties<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for RawProperties<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&id, value) = self.0.split_first()?;
        let (raw, rest) = self.0.split_at_checked(1 + value_len(id, value)?)?;
        self.0 = rest;
        Some(raw)
    }
}

/// The length of the value of the property `id` that begins `bytes`.
fn value_len(id: u8, bytes: &[u8]) -> Option<usize> {
    let field = |bytes: &[u8]| {
        bytes
            .first_chunk()
            .map(|length| writer::field_len(usize::from(u16::from_be_bytes(*length))))
    };
    Some(match table::kind(id)? {
        Kind::Byte => 1,
        Kind::TwoByteInteger => 2,
        Kind::FourByteInteger => 4,
        Kind::VariableByteInteger => match varint::read(bytes) {
            Varint::Value(_, count) => count,
            Varint::Incomplete | Varint::TooLong => return None,
        },
        Kind::BinaryData | Kind::String | Kind::TopicName => field(bytes)?,
        Kind::StringPair => {
            let name = field(bytes)?;
            name + field(bytes.get(name..)?)?
        }
    })
}

#[inline(never)]
fn check_list(list: &[Property<'_>], allowed: u64) -> Result<(), EncodeError> {
    let mut present = 0;
    for property in list {
        let this = bit(property.id());
        if this & allowed == 0 {
            return Err(Violation::PropertyNotAllowed.into());
        }
        if this & present & !bit(table::USER_PROPERTY) != 0 {
            return Err(Violation::PropertyDuplicate.into());
        }
        present |= this;
        property.check()?;
    }
    Ok(())
}

/// The identifier and the value of one property.
fn split(raw: &[u8]) -> (u8, &[u8]) {
    raw.split_first()
        .map_or((0, &[]), |(&id, value)| (id, value))
}

/// The property of a checked block; its offset in the packet no longer matters.
fn parse(id: u8, value: &[u8]) -> Option<Property<'_>> {
    Property::read(id, &mut Reader::new(value, 0))
}

const fn hidden(present: u64) -> u64 {
    if present & HIDING == 0 {
        0
    } else {
        table::LIFTED
    }
}

fn visible(bytes: &[u8], present: u64) -> impl Iterator<Item = &[u8]> {
    let hidden = hidden(present);
    RawProperties(bytes).filter(move |raw| hidden & bit(split(raw).0) == 0)
}

fn forwardable(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    RawProperties(bytes).filter(|raw| FORWARDABLE & bit(split(raw).0) != 0)
}
