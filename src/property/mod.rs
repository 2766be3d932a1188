//! Properties (5.0, section 2.2.2): one of them, the table of all, and the set that a packet has.

mod display;
#[cfg(feature = "arbitrary")]
mod prefix;
mod table;
mod view;

pub(crate) use table::Context;
use table::Kind;
pub(crate) use table::{
    AUTHENTICATION_DATA, AUTHENTICATION_METHOD, MESSAGE_EXPIRY_INTERVAL, SESSION_EXPIRY_INTERVAL,
    SUBSCRIPTION_IDENTIFIER, TOPIC_ALIAS,
};
pub(crate) use view::{Block, BlockLen, RawProperties};
pub use view::{Properties, PropertyIter};

use crate::types::QoS;
use crate::violation::Violation;
use crate::wire::writer::{self, Unwritten};
use crate::wire::{EncodeError, Fault, MAXIMUM_REMAINING_LENGTH, Reader, text, varint};

/// A property with its value (5.0, table 2-4). The sections named are those of 5.0.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq)]
pub enum Property<'a> {
    /// 0x01, PUBLISH and will: the payload is UTF-8 (`true`) or unspecified bytes (section 3.3.2.3.2). The
    /// payload is not checked.
    PayloadFormatIndicator(bool),
    /// 0x02, PUBLISH and will: seconds (section 3.3.2.3.3). In a PUBLISH this is
    /// [`Publish::message_expiry_interval`](crate::Publish::message_expiry_interval) instead.
    MessageExpiryInterval(u32),
    /// 0x03, PUBLISH and will (section 3.3.2.3.9).
    ContentType(&'a str),
    /// 0x08, PUBLISH and will: a topic name, without wildcards [MQTT-3.3.2-14].
    ResponseTopic(&'a str),
    /// 0x09, PUBLISH and will (section 3.3.2.3.6).
    CorrelationData(&'a [u8]),
    /// 0x0B, SUBSCRIBE: 1 to 268,435,455 (section 3.8.2.1.2). In a PUBLISH this is
    /// [`Publish::subscription_identifiers`](crate::Publish::subscription_identifiers) instead.
    SubscriptionIdentifier(u32),
    /// 0x11, CONNECT, CONNACK and a client's DISCONNECT: seconds, `u32::MAX` for ever (section 3.1.2.11.2).
    SessionExpiryInterval(u32),
    /// 0x12, CONNACK (section 3.2.2.3.7).
    AssignedClientIdentifier(&'a str),
    /// 0x13, CONNACK: seconds, 0 for off (section 3.2.2.3.14).
    ServerKeepAlive(u16),
    /// 0x15, CONNECT, CONNACK and AUTH (section 3.1.2.11.9).
    AuthenticationMethod(&'a str),
    /// 0x16, CONNECT, CONNACK and AUTH, only with a method (section 3.1.2.11.10).
    AuthenticationData(&'a [u8]),
    /// 0x17, CONNECT: whether the server may send reason strings and user properties with anything but PUBLISH,
    /// CONNACK and DISCONNECT (section 3.1.2.11.7).
    RequestProblemInformation(bool),
    /// 0x18, will: seconds (section 3.1.3.2.2).
    WillDelayInterval(u32),
    /// 0x19, CONNECT: whether the server may send Response Information (section 3.1.2.11.6).
    RequestResponseInformation(bool),
    /// 0x1A, CONNACK (section 3.2.2.3.15).
    ResponseInformation(&'a str),
    /// 0x1C, CONNACK and DISCONNECT: the servers to use instead, separated by spaces (section 4.11).
    ServerReference(&'a str),
    /// 0x1F, all acknowledgements, DISCONNECT and AUTH: for people (section 3.2.2.3.9).
    ReasonString(&'a str),
    /// 0x21, CONNECT and CONNACK: 1 to 65,535 (section 3.1.2.11.3).
    ReceiveMaximum(u16),
    /// 0x22, CONNECT and CONNACK (section 3.1.2.11.5).
    TopicAliasMaximum(u16),
    /// 0x23. In a PUBLISH, the only packet that has it, this is
    /// [`Publish::topic_alias`](crate::Publish::topic_alias) instead.
    TopicAlias(u16),
    /// 0x24, CONNACK: QoS 0 or 1; 2 is expressed by leaving it out (section 3.2.2.3.4).
    MaximumQos(QoS),
    /// 0x25, CONNACK (section 3.2.2.3.5).
    RetainAvailable(bool),
    /// 0x26, everywhere and any number of times: a name and a value (section 3.1.2.11.8).
    UserProperty(&'a str, &'a str),
    /// 0x27, CONNECT and CONNACK: bytes, not 0 (section 3.1.2.11.4).
    MaximumPacketSize(u32),
    /// 0x28, CONNACK (section 3.2.2.3.11).
    WildcardSubscriptionAvailable(bool),
    /// 0x29, CONNACK (section 3.2.2.3.12).
    SubscriptionIdentifierAvailable(bool),
    /// 0x2A, CONNACK (section 3.2.2.3.13).
    SharedSubscriptionAvailable(bool),
}

impl<'a> Property<'a> {
    /// The property's identifier on the wire.
    #[must_use]
    pub const fn id(&self) -> u8 {
        match self {
            Self::PayloadFormatIndicator(_) => table::PAYLOAD_FORMAT_INDICATOR,
            Self::MessageExpiryInterval(_) => table::MESSAGE_EXPIRY_INTERVAL,
            Self::ContentType(_) => table::CONTENT_TYPE,
            Self::ResponseTopic(_) => table::RESPONSE_TOPIC,
            Self::CorrelationData(_) => table::CORRELATION_DATA,
            Self::SubscriptionIdentifier(_) => table::SUBSCRIPTION_IDENTIFIER,
            Self::SessionExpiryInterval(_) => table::SESSION_EXPIRY_INTERVAL,
            Self::AssignedClientIdentifier(_) => table::ASSIGNED_CLIENT_IDENTIFIER,
            Self::ServerKeepAlive(_) => table::SERVER_KEEP_ALIVE,
            Self::AuthenticationMethod(_) => table::AUTHENTICATION_METHOD,
            Self::AuthenticationData(_) => table::AUTHENTICATION_DATA,
            Self::RequestProblemInformation(_) => table::REQUEST_PROBLEM_INFORMATION,
            Self::WillDelayInterval(_) => table::WILL_DELAY_INTERVAL,
            Self::RequestResponseInformation(_) => table::REQUEST_RESPONSE_INFORMATION,
            Self::ResponseInformation(_) => table::RESPONSE_INFORMATION,
            Self::ServerReference(_) => table::SERVER_REFERENCE,
            Self::ReasonString(_) => table::REASON_STRING,
            Self::ReceiveMaximum(_) => table::RECEIVE_MAXIMUM,
            Self::TopicAliasMaximum(_) => table::TOPIC_ALIAS_MAXIMUM,
            Self::TopicAlias(_) => table::TOPIC_ALIAS,
            Self::MaximumQos(_) => table::MAXIMUM_QOS,
            Self::RetainAvailable(_) => table::RETAIN_AVAILABLE,
            Self::UserProperty(..) => table::USER_PROPERTY,
            Self::MaximumPacketSize(_) => table::MAXIMUM_PACKET_SIZE,
            Self::WildcardSubscriptionAvailable(_) => table::WILDCARD_SUBSCRIPTION_AVAILABLE,
            Self::SubscriptionIdentifierAvailable(_) => table::SUBSCRIPTION_IDENTIFIER_AVAILABLE,
            Self::SharedSubscriptionAvailable(_) => table::SHARED_SUBSCRIPTION_AVAILABLE,
        }
    }

    /// The property's name in the standard, such as `Content Type`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        table::name(self.id())
    }

    /// The property `id` of a checked block.
    fn read(id: u8, reader: &mut Reader<'a>) -> Option<Self> {
        Some(match id {
            table::PAYLOAD_FORMAT_INDICATOR => Self::PayloadFormatIndicator(flag(reader)?),
            table::MESSAGE_EXPIRY_INTERVAL => Self::MessageExpiryInterval(reader.u32().ok()?),
            table::CONTENT_TYPE => Self::ContentType(reader.known_string()?),
            table::RESPONSE_TOPIC => Self::ResponseTopic(reader.known_string()?),
            table::CORRELATION_DATA => Self::CorrelationData(reader.binary().ok()?),
            table::SUBSCRIPTION_IDENTIFIER => Self::SubscriptionIdentifier(reader.varint().ok()?),
            table::SESSION_EXPIRY_INTERVAL => Self::SessionExpiryInterval(reader.u32().ok()?),
            table::ASSIGNED_CLIENT_IDENTIFIER => {
                Self::AssignedClientIdentifier(reader.known_string()?)
            }
            table::SERVER_KEEP_ALIVE => Self::ServerKeepAlive(reader.u16().ok()?),
            table::AUTHENTICATION_METHOD => Self::AuthenticationMethod(reader.known_string()?),
            table::AUTHENTICATION_DATA => Self::AuthenticationData(reader.binary().ok()?),
            table::REQUEST_PROBLEM_INFORMATION => Self::RequestProblemInformation(flag(reader)?),
            table::WILL_DELAY_INTERVAL => Self::WillDelayInterval(reader.u32().ok()?),
            table::REQUEST_RESPONSE_INFORMATION => Self::RequestResponseInformation(flag(reader)?),
            table::RESPONSE_INFORMATION => Self::ResponseInformation(reader.known_string()?),
            table::SERVER_REFERENCE => Self::ServerReference(reader.known_string()?),
            table::REASON_STRING => Self::ReasonString(reader.known_string()?),
            table::RECEIVE_MAXIMUM => Self::ReceiveMaximum(reader.u16().ok()?),
            table::TOPIC_ALIAS_MAXIMUM => Self::TopicAliasMaximum(reader.u16().ok()?),
            table::TOPIC_ALIAS => Self::TopicAlias(reader.u16().ok()?),
            table::MAXIMUM_QOS => Self::MaximumQos(if flag(reader)? {
                QoS::AtLeastOnce
            } else {
                QoS::AtMostOnce
            }),
            table::RETAIN_AVAILABLE => Self::RetainAvailable(flag(reader)?),
            table::USER_PROPERTY => {
                Self::UserProperty(reader.known_string()?, reader.known_string()?)
            }
            table::MAXIMUM_PACKET_SIZE => Self::MaximumPacketSize(reader.u32().ok()?),
            table::WILDCARD_SUBSCRIPTION_AVAILABLE => {
                Self::WildcardSubscriptionAvailable(flag(reader)?)
            }
            table::SUBSCRIPTION_IDENTIFIER_AVAILABLE => {
                Self::SubscriptionIdentifierAvailable(flag(reader)?)
            }
            table::SHARED_SUBSCRIPTION_AVAILABLE => {
                Self::SharedSubscriptionAvailable(flag(reader)?)
            }
            _ => return None,
        })
    }

    /// Refuses a value that [`check_value`] would refuse.
    fn check(&self) -> Result<(), EncodeError> {
        match *self {
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => writer::check_string(text),
            Self::ResponseTopic(topic) => {
                writer::check_topic_name(topic, Violation::ResponseTopicWildcard)
            }
            Self::UserProperty(name, value) => {
                writer::check_string(name)?;
                writer::check_string(value)
            }
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                writer::check_binary(bytes)
            }
            Self::SubscriptionIdentifier(value) => check_subscription_identifier(value),
            Self::ReceiveMaximum(0) => Err(Violation::ReceiveMaximumZero.into()),
            Self::MaximumPacketSize(0) => Err(Violation::MaximumPacketSizeZero.into()),
            Self::TopicAlias(0) => Err(Violation::TopicAliasZero.into()),
            Self::MaximumQos(QoS::ExactlyOnce) => Err(Violation::PropertyValue.into()),
            _ => Ok(()),
        }
    }

    /// The length on the wire, identifier included.
    fn encoded_len(&self) -> usize {
        let value = match *self {
            Self::PayloadFormatIndicator(_)
            | Self::RequestProblemInformation(_)
            | Self::RequestResponseInformation(_)
            | Self::MaximumQos(_)
            | Self::RetainAvailable(_)
            | Self::WildcardSubscriptionAvailable(_)
            | Self::SubscriptionIdentifierAvailable(_)
            | Self::SharedSubscriptionAvailable(_) => 1,
            Self::ServerKeepAlive(_)
            | Self::ReceiveMaximum(_)
            | Self::TopicAliasMaximum(_)
            | Self::TopicAlias(_) => 2,
            Self::MessageExpiryInterval(_)
            | Self::SessionExpiryInterval(_)
            | Self::WillDelayInterval(_)
            | Self::MaximumPacketSize(_) => 4,
            Self::SubscriptionIdentifier(value) => varint::len(value),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => writer::field_len(text.len()),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                writer::field_len(bytes.len())
            }
            Self::UserProperty(name, value) => {
                writer::total([name, value].map(|text| writer::field_len(text.len())))
            }
        };
        writer::total([1, value])
    }

    fn write(&self, out: &mut Unwritten<'_>) {
        out.array([self.id()]);
        match *self {
            Self::PayloadFormatIndicator(value)
            | Self::RequestProblemInformation(value)
            | Self::RequestResponseInformation(value)
            | Self::RetainAvailable(value)
            | Self::WildcardSubscriptionAvailable(value)
            | Self::SubscriptionIdentifierAvailable(value)
            | Self::SharedSubscriptionAvailable(value) => out.array([u8::from(value)]),
            Self::MaximumQos(qos) => out.array([qos.as_u8()]),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => out.u16(value),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value)
            | Self::MaximumPacketSize(value) => out.u32(value),
            Self::SubscriptionIdentifier(value) => out.varint(value),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => out.binary(text.as_bytes()),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                out.binary(bytes);
            }
            Self::UserProperty(name, value) => {
                out.binary(name.as_bytes());
                out.binary(value.as_bytes());
            }
        }
    }
}

/// 1 to 268,435,455 (section 3.8.2.1.2).
pub(crate) fn check_subscription_identifier(value: u32) -> Result<(), EncodeError> {
    match value {
        0 => Err(Violation::SubscriptionIdentifierZero.into()),
        1..=MAXIMUM_REMAINING_LENGTH => Ok(()),
        _ => Err(Violation::VariableByteIntegerTooLong.into()),
    }
}

/// A byte that has been checked to be 0 or 1.
fn flag(reader: &mut Reader<'_>) -> Option<bool> {
    Some(reader.u8().ok()? == 1)
}

/// Checks the value of the property `id` and moves the reader behind it. Gives the value if it is an integer, and 0
/// if not. An identifier that the table does not have is taken for a cut one.
#[inline(always)]
fn check_value(id: u8, reader: &mut Reader<'_>) -> Result<u32, Fault> {
    let before = *reader;
    let value = match table::kind(id) {
        // Anything but 0 and 1 is a Protocol Error; for the Payload Format Indicator the text names no error, and
        // it gets the same.
        Some(Kind::Byte) => match reader.u8()? {
            value @ 0..=1 => u32::from(value),
            _ => return Err(before.fault(Violation::PropertyValue)),
        },
        Some(Kind::TwoByteInteger) => u32::from(reader.u16()?),
        Some(Kind::FourByteInteger) => reader.u32()?,
        Some(Kind::VariableByteInteger) => reader.varint()?,
        Some(Kind::BinaryData) => {
            reader.binary()?;
            return Ok(0);
        }
        Some(Kind::String) => {
            reader.checked(text::check_string_bytes)?;
            return Ok(0);
        }
        Some(Kind::TopicName) => {
            let wildcard = Violation::ResponseTopicWildcard;
            reader.checked(|bytes| text::check_topic_name_bytes(bytes, wildcard))?;
            return Ok(0);
        }
        Some(Kind::StringPair) => {
            reader.checked(text::check_string_bytes)?;
            reader.checked(text::check_string_bytes)?;
            return Ok(0);
        }
        None => return Err(before.fault(Violation::Truncated)),
    };
    if value == 0 {
        if let Some(violation) = if_zero(id) {
            return Err(before.fault(violation));
        }
    }
    Ok(value)
}

/// What a property breaks whose value is 0.
fn if_zero(id: u8) -> Option<Violation> {
    match id {
        table::SUBSCRIPTION_IDENTIFIER => Some(Violation::SubscriptionIdentifierZero),
        table::RECEIVE_MAXIMUM => Some(Violation::ReceiveMaximumZero),
        table::TOPIC_ALIAS => Some(Violation::TopicAliasZero),
        table::MAXIMUM_PACKET_SIZE => Some(Violation::MaximumPacketSizeZero),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
