//! Packets that can be sent.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::text;
use crate::packet::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, Publish, ReasonCodes, Suback, Subscribe,
    Subscription, SubscriptionIdentifiers, SubscriptionOptions, Subscriptions, TopicFilters,
    Unsuback, Unsubscribe, Will,
};
use crate::property::{AUTHENTICATION_DATA, AUTHENTICATION_METHOD, Context, Properties, Property};
use crate::reason::ReasonCode;
use crate::types::{PacketType, QoS, RetainHandling, Version};
use crate::violation::Violation;

/// Where the data have no subscription.
const SUBSCRIPTIONS: &[Subscription<'_>] = &[
    Subscription::new("a", QoS::AtMostOnce),
    Subscription {
        filter: "+/#",
        options: SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        },
    },
    Subscription::new("$share/g/a/+", QoS::ExactlyOnce),
];
/// Where they have no filter.
const FILTERS: &[&str] = &["a", "+/#", "$share/g/a/+", "a"];
/// Where they have no reason code; SUBACK and UNSUBACK have these in common.
const REASONS: &[ReasonCode] = &[
    ReasonCode::Success,
    ReasonCode::UnspecifiedError,
    ReasonCode::NotAuthorized,
    ReasonCode::TopicFilterInvalid,
];
/// The values next to each length.
const IDENTIFIERS: &[u32] = &[
    1,
    127,
    128,
    16_383,
    16_384,
    2_097_151,
    2_097_152,
    268_435_455,
    1,
];
/// Where they have no property: every packet may have these.
const USER_PROPERTIES: &[Property<'_>] = &[
    Property::UserProperty("", ""),
    Property::UserProperty("k", "v"),
    Property::UserProperty("k", "v"),
];
/// Where AUTH has none, and it must have one.
const METHOD: &[Property<'_>] = &[Property::AuthenticationMethod("PLAIN")];

/// A packet of each type with the same probability. It can be encoded: as 5.0, save a CONNECT, which
/// [`Packet::encode`] writes in its own version; as an older version it can be encoded or is refused with
/// [`NeedsV5`](crate::EncodeError::NeedsV5) or [`NeedsV311`](crate::EncodeError::NeedsV311). Decoded again, it is equal; a
/// CONNECT of 3.1 needs [`with_accept_v31`](crate::DecodeOptions::with_accept_v31) for that.
impl<'a> Arbitrary<'a> for Packet<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let packet_type = u.arbitrary()?;
        Ok(match packet_type {
            PacketType::Connect => Self::Connect(u.arbitrary()?),
            PacketType::Connack => Self::Connack(u.arbitrary()?),
            PacketType::Publish => Self::Publish(u.arbitrary()?),
            PacketType::Puback => Self::Puback(ack(u, packet_type)?),
            PacketType::Pubrec => Self::Pubrec(ack(u, packet_type)?),
            PacketType::Pubrel => Self::Pubrel(ack(u, packet_type)?),
            PacketType::Pubcomp => Self::Pubcomp(ack(u, packet_type)?),
            PacketType::Subscribe => Self::Subscribe(u.arbitrary()?),
            PacketType::Suback => Self::Suback(u.arbitrary()?),
            PacketType::Unsubscribe => Self::Unsubscribe(u.arbitrary()?),
            PacketType::Unsuback => Self::Unsuback(u.arbitrary()?),
            PacketType::Pingreq => Self::Pingreq,
            PacketType::Pingresp => Self::Pingresp,
            PacketType::Disconnect => Self::Disconnect(u.arbitrary()?),
            PacketType::Auth => Self::Auth(u.arbitrary()?),
        })
    }
}

/// Of any version; it can be encoded.
impl<'a> Arbitrary<'a> for Connect<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let version = u.arbitrary()?;
        let mut connect = Self {
            version,
            clean_start: u.arbitrary()?,
            keep_alive: u.arbitrary()?,
            client_id: text::string(u)?,
            will: u.arbitrary()?,
            user_name: some(u, text::string)?,
            password: some(u, text::binary)?,
            properties: authenticated(u, Context::CONNECT)?,
        };
        if version != Version::V5 {
            connect.properties = Properties::EMPTY;
            if let Some(will) = &mut connect.will {
                will.properties = Properties::EMPTY;
            }
            if connect.user_name.is_none() {
                connect.password = None;
            }
        }
        Ok(connect)
    }
}

/// Such as a CONNECT of 5.0 may have.
impl<'a> Arbitrary<'a> for Will<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            topic: text::topic(u)?,
            payload: text::binary(u)?,
            qos: u.arbitrary()?,
            retain: u.arbitrary()?,
            properties: properties(u, Context::WILL)?,
        })
    }
}

/// Can be encoded as 5.0.
impl<'a> Arbitrary<'a> for Connack<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let reason = reason(u, PacketType::Connack)?;
        let session_present: bool = u.arbitrary()?;
        Ok(Self {
            session_present: session_present && reason == ReasonCode::Success,
            reason,
            properties: authenticated(u, Context::CONNACK)?,
        })
    }
}

/// Can be encoded as 5.0.
impl<'a> Arbitrary<'a> for Publish<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let qos = u.arbitrary()?;
        let acknowledged = qos != QoS::AtMostOnce;
        let dup: bool = u.arbitrary()?;
        let topic_alias = some(u, |u| u.int_in_range(1..=u16::MAX))?;
        let by_alias = topic_alias.is_some() && u.arbitrary()?;
        Ok(Self {
            dup: dup && acknowledged,
            qos,
            retain: u.arbitrary()?,
            topic: if by_alias { "" } else { text::topic(u)? },
            packet_id: if acknowledged {
                Some(u.arbitrary()?)
            } else {
                None
            },
            topic_alias,
            message_expiry_interval: u.arbitrary()?,
            subscription_identifiers: some(u, |u| text::some_of(u, IDENTIFIERS))?
                .map_or(SubscriptionIdentifiers::EMPTY, Into::into),
            properties: properties(u, Context::PUBLISH)?,
            payload: u.arbitrary()?,
        })
    }
}

/// One that all four packets may carry in 5.0: a success. In an arbitrary [`Packet`] it has any code of its packet.
impl<'a> Arbitrary<'a> for Ack<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            properties: properties(u, Context::ACK)?,
            ..Self::new(u.arbitrary()?)
        })
    }
}

/// Can be encoded as 5.0.
impl<'a> Arbitrary<'a> for Subscribe<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            packet_id: u.arbitrary()?,
            subscriptions: u.arbitrary()?,
            properties: properties(u, Context::SUBSCRIBE)?,
        })
    }
}

/// At least one, each such as a SUBSCRIBE of 5.0 may have.
impl<'a> Arbitrary<'a> for Subscriptions<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let list = text::list(u, Self::legal_prefix, Self::is_empty)?;
        Ok(if list.is_empty() {
            text::some_of(u, SUBSCRIPTIONS)?.into()
        } else {
            list
        })
    }
}

/// Can be encoded as 5.0.
impl<'a> Arbitrary<'a> for Suback<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            packet_id: u.arbitrary()?,
            reason_codes: reasons(u, PacketType::Suback)?,
            properties: properties(u, Context::ACK)?,
        })
    }
}

/// Can be encoded as 5.0.
impl<'a> Arbitrary<'a> for Unsubscribe<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            packet_id: u.arbitrary()?,
            filters: u.arbitrary()?,
            properties: properties(u, Context::UNSUBSCRIBE)?,
        })
    }
}

/// At least one, each well-formed.
impl<'a> Arbitrary<'a> for TopicFilters<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let list = text::list(u, Self::legal_prefix, Self::is_empty)?;
        Ok(if list.is_empty() {
            text::some_of(u, FILTERS)?.into()
        } else {
            list
        })
    }
}

/// Can be encoded as 5.0.
impl<'a> Arbitrary<'a> for Unsuback<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            packet_id: u.arbitrary()?,
            reason_codes: reasons(u, PacketType::Unsuback)?,
            properties: properties(u, Context::ACK)?,
        })
    }
}

/// Can be encoded as 5.0.
impl<'a> Arbitrary<'a> for Disconnect<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            reason: reason(u, PacketType::Disconnect)?,
            properties: properties(u, Context::DISCONNECT)?,
        })
    }
}

/// Can be encoded as 5.0: has an Authentication Method.
impl<'a> Arbitrary<'a> for Auth<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let properties = properties(u, Context::AUTH)?;
        Ok(Self {
            reason: reason(u, PacketType::Auth)?,
            properties: if properties.contains(AUTHENTICATION_METHOD) {
                properties
            } else {
                METHOD.into()
            },
        })
    }
}

fn ack<'a>(u: &mut Unstructured<'a>, packet_type: PacketType) -> Result<Ack<'a>> {
    Ok(Ack {
        reason: reason(u, packet_type)?,
        ..u.arbitrary()?
    })
}

/// A code that the packet may carry.
fn reason(u: &mut Unstructured<'_>, packet_type: PacketType) -> Result<ReasonCode> {
    let allowed = || {
        ReasonCode::ALL
            .iter()
            .filter(|code| code.allowed_in(packet_type, None))
    };
    let index = u.choose_index(allowed().count())?;
    let mut allowed = allowed();
    allowed
        .nth(index)
        .copied()
        .ok_or(arbitrary::Error::IncorrectFormat)
}

fn reasons<'a>(u: &mut Unstructured<'a>, packet_type: PacketType) -> Result<ReasonCodes<'a>> {
    let legal_prefix = |bytes| ReasonCodes::legal_prefix(packet_type, bytes);
    let list = text::list(u, legal_prefix, ReasonCodes::is_empty)?;
    Ok(if list.is_empty() {
        text::some_of(u, REASONS)?.into()
    } else {
        list
    })
}

fn properties<'a>(u: &mut Unstructured<'a>, context: Context) -> Result<Properties<'a>> {
    properties_by(u, |bytes| Properties::legal_prefix(bytes, context))
}

/// Authentication Data only with a method (5.0, section 3.1.2.11.10).
fn authenticated<'a>(u: &mut Unstructured<'a>, context: Context) -> Result<Properties<'a>> {
    let violation = Violation::AuthenticationDataWithoutMethod;
    let without_data = context.forbidding(AUTHENTICATION_DATA, violation);
    properties_by(u, |bytes| {
        let properties = Properties::legal_prefix(bytes, context);
        if properties.contains(AUTHENTICATION_METHOD) {
            properties
        } else {
            Properties::legal_prefix(bytes, without_data)
        }
    })
}

fn properties_by<'a>(
    u: &mut Unstructured<'a>,
    legal_prefix: impl Fn(&'a [u8]) -> Properties<'a>,
) -> Result<Properties<'a>> {
    let list = text::list(u, legal_prefix, Properties::is_empty)?;
    Ok(if list.is_empty() && u.arbitrary()? {
        text::some_of(u, USER_PROPERTIES)?.into()
    } else {
        list
    })
}

/// Something or nothing.
fn some<'a, T>(
    u: &mut Unstructured<'a>,
    make: impl FnOnce(&mut Unstructured<'a>) -> Result<T>,
) -> Result<Option<T>> {
    if u.arbitrary()? {
        make(u).map(Some)
    } else {
        Ok(None)
    }
}
