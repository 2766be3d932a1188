//! Values that stand alone.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::text;
use crate::message::Message;
use crate::packet::{Publish, Subscription, SubscriptionOptions};
use crate::property::Property;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::topic::{TopicFilter, TopicName};
use crate::types::{PacketId, PacketType, QoS, RetainHandling, Role, Version};

/// Each row: type, its values.
macro_rules! one_of {
    ($($type:ident: $values:expr;)*) => {$(
        /// Each value is as likely as any other.
        impl<'a> Arbitrary<'a> for $type {
            fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
                Ok(*u.choose($values)?)
            }
        }
    )*};
}

one_of! {
    Version: &[Self::V31, Self::V311, Self::V5];
    Role: &[Self::Client, Self::Server];
    QoS: &[Self::AtMostOnce, Self::AtLeastOnce, Self::ExactlyOnce];
    RetainHandling: &[Self::SendAtSubscribe, Self::SendIfNew, Self::DoNotSend];
    ReasonCode: Self::ALL;
}

/// Each value is as likely as any other.
impl<'a> Arbitrary<'a> for PacketType {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::from_u8(u.int_in_range(1..=15)?).ok_or(arbitrary::Error::IncorrectFormat)
    }
}

/// 1 to 65,535.
impl<'a> Arbitrary<'a> for PacketId {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::new(u.int_in_range(1..=u16::MAX)?).ok_or(arbitrary::Error::IncorrectFormat)
    }
}

/// Any number of milliseconds.
impl<'a> Arbitrary<'a> for Instant {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::from_millis(u.arbitrary()?))
    }
}

/// Any options of 5.0.
impl<'a> Arbitrary<'a> for SubscriptionOptions {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            qos: u.arbitrary()?,
            no_local: u.arbitrary()?,
            retain_as_published: u.arbitrary()?,
            retain_handling: u.arbitrary()?,
        })
    }
}

/// Such as a SUBSCRIBE of 5.0 may have: a well-formed filter, no `no_local` on a shared one.
impl<'a> Arbitrary<'a> for Subscription<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let filter = text::filter(u)?;
        let options: SubscriptionOptions = u.arbitrary()?;
        Ok(Self {
            filter,
            options: SubscriptionOptions {
                no_local: options.no_local && !filter.starts_with("$share/"),
                ..options
            },
        })
    }
}

/// Any property with a value in its bounds. Which packet may have it is another matter.
impl<'a> Arbitrary<'a> for Property<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=26)? {
            0 => Self::PayloadFormatIndicator(u.arbitrary()?),
            1 => Self::MessageExpiryInterval(u.arbitrary()?),
            2 => Self::ContentType(text::string(u)?),
            3 => Self::ResponseTopic(text::topic(u)?),
            4 => Self::CorrelationData(text::binary(u)?),
            5 => Self::SubscriptionIdentifier(u.int_in_range(1..=268_435_455)?),
            6 => Self::SessionExpiryInterval(u.arbitrary()?),
            7 => Self::AssignedClientIdentifier(text::string(u)?),
            8 => Self::ServerKeepAlive(u.arbitrary()?),
            9 => Self::AuthenticationMethod(text::string(u)?),
            10 => Self::AuthenticationData(text::binary(u)?),
            11 => Self::RequestProblemInformation(u.arbitrary()?),
            12 => Self::WillDelayInterval(u.arbitrary()?),
            13 => Self::RequestResponseInformation(u.arbitrary()?),
            14 => Self::ResponseInformation(text::string(u)?),
            15 => Self::ServerReference(text::string(u)?),
            16 => Self::ReasonString(text::string(u)?),
            17 => Self::ReceiveMaximum(u.int_in_range(1..=u16::MAX)?),
            18 => Self::TopicAliasMaximum(u.arbitrary()?),
            19 => Self::TopicAlias(u.int_in_range(1..=u16::MAX)?),
            20 => Self::MaximumQos(*u.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce])?),
            21 => Self::RetainAvailable(u.arbitrary()?),
            22 => Self::UserProperty(text::string(u)?, text::string(u)?),
            23 => Self::MaximumPacketSize(u.int_in_range(1..=u32::MAX)?),
            24 => Self::WildcardSubscriptionAvailable(u.arbitrary()?),
            25 => Self::SubscriptionIdentifierAvailable(u.arbitrary()?),
            _ => Self::SharedSubscriptionAvailable(u.arbitrary()?),
        })
    }
}

/// Borrows the data.
impl<'a> Arbitrary<'a> for TopicName<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        TopicName::new(text::topic(u)?).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

/// Borrows the data; by the rules of any version.
impl<'a> Arbitrary<'a> for TopicFilter<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        TopicFilter::new(u.arbitrary()?, text::filter(u)?)
            .map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

/// The message of an arbitrary [`Publish`], with its Subscription Identifiers.
impl<'a> Arbitrary<'a> for Message {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let topic = text::topic(u)?;
        let publish: Publish<'_> = u.arbitrary()?;
        let identifiers: alloc::vec::Vec<u32> = publish.subscription_identifiers.iter().collect();
        Message::from_publish(topic, &publish)
            .and_then(|message| message.with_subscription_identifiers(&identifiers))
            .map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}
