//! What is kept beyond a packet: topics, subscription options, messages.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::Octets;
use crate::message::Message;
use crate::packet::{Publish, PublishHead, SubscriptionOptions};
use crate::property::{Properties, Property};
use crate::topic::{TopicFilter, TopicName};
use crate::types::{QoS, RetainHandling, Version};

/// A text.
impl Serialize for TopicName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A text that [`TopicName::new`] takes. It is copied, so the name borrows nothing.
impl<'de> Deserialize<'de> for TopicName<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TopicName::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "TopicFilter", deny_unknown_fields)]
struct FilterFields<'a> {
    filter: Cow<'a, str>,
    shared: bool,
}

/// A structure: `filter`, the whole text, and `shared`, whether it is a Shared Subscription of 5.0. The text alone does not
/// tell: in 3.1.1 `$share/g/a` is an ordinary filter.
impl Serialize for TopicFilter<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FilterFields {
            filter: self.as_str().into(),
            shared: self.share_name().is_some(),
        }
        .serialize(serializer)
    }
}

/// The text is checked by the rules of 5.0 if it is said to be shared, else by those of 3.1.1, by which all other filters
/// of 5.0 are the same. It is copied, so the filter borrows nothing.
impl<'de> Deserialize<'de> for TopicFilter<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let FilterFields { filter, shared } = Deserialize::deserialize(deserializer)?;
        let version = if shared { Version::V5 } else { Version::V311 };
        let filter = TopicFilter::new(version, filter.into_owned()).map_err(de::Error::custom)?;
        if shared && filter.share_name().is_none() {
            return Err(de::Error::custom("filter is not a shared subscription"));
        }
        Ok(filter)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(
    remote = "SubscriptionOptions",
    rename = "SubscriptionOptions",
    deny_unknown_fields
)]
struct OptionsFields {
    qos: QoS,
    #[serde(default)]
    no_local: bool,
    #[serde(default)]
    retain_as_published: bool,
    #[serde(default)]
    retain_handling: RetainHandling,
}

/// A structure with the fields of this one.
impl Serialize for SubscriptionOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OptionsFields::serialize(self, serializer)
    }
}

/// All but `qos` may be left out.
impl<'de> Deserialize<'de> for SubscriptionOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OptionsFields::deserialize(deserializer)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "Message", deny_unknown_fields)]
struct MessageFields<'a> {
    topic: Cow<'a, str>,
    qos: QoS,
    retain: bool,
    message_expiry_interval: Option<u32>,
    subscription_identifiers: Cow<'a, [u32]>,
    properties: Vec<Kept<'a>>,
    #[serde(default)]
    streamed_payload_len: Option<u32>,
    payload: Octets<'a>,
}

/// The properties that a message keeps: those that are forwarded.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "Property")]
enum Kept<'a> {
    PayloadFormatIndicator(bool),
    ContentType(Cow<'a, str>),
    ResponseTopic(Cow<'a, str>),
    CorrelationData(Octets<'a>),
    UserProperty(Cow<'a, str>, Cow<'a, str>),
}

impl<'a> Kept<'a> {
    fn new(property: Property<'a>) -> Option<Self> {
        Some(match property {
            Property::PayloadFormatIndicator(utf8) => Self::PayloadFormatIndicator(utf8),
            Property::ContentType(text) => Self::ContentType(text.into()),
            Property::ResponseTopic(topic) => Self::ResponseTopic(topic.into()),
            Property::CorrelationData(bytes) => Self::CorrelationData(bytes.into()),
            Property::UserProperty(name, value) => Self::UserProperty(name.into(), value.into()),
            _ => return None,
        })
    }

    fn property(&self) -> Property<'_> {
        match self {
            Self::PayloadFormatIndicator(utf8) => Property::PayloadFormatIndicator(*utf8),
            Self::ContentType(text) => Property::ContentType(text),
            Self::ResponseTopic(topic) => Property::ResponseTopic(topic),
            Self::CorrelationData(bytes) => Property::CorrelationData(&bytes.0),
            Self::UserProperty(name, value) => Property::UserProperty(name, value),
        }
    }
}

/// A structure: `topic`, `qos`, `retain`, `message_expiry_interval`, `subscription_identifiers`, `properties` (a sequence, as
/// that of [`Properties`]), `streamed_payload_len` (of a payload that is not here; may be left out) and `payload` (bytes).
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MessageFields {
            topic: self.topic().into(),
            qos: self.qos(),
            retain: self.retain(),
            message_expiry_interval: self.message_expiry_interval(),
            subscription_identifiers: self.subscription_identifiers().into(),
            properties: self.properties().iter().filter_map(Kept::new).collect(),
            streamed_payload_len: self.streamed_payload_len(),
            payload: self.payload().into(),
        }
        .serialize(serializer)
    }
}

/// What the constructors of a message refuse is refused: an ill-formed topic, a property that is there twice, a
/// Subscription Identifier of 0, and so on.
impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = MessageFields::deserialize(deserializer)?;
        let properties: Vec<Property<'_>> = fields.properties.iter().map(Kept::property).collect();
        let publish = Publish {
            qos: fields.qos,
            retain: fields.retain,
            message_expiry_interval: fields.message_expiry_interval,
            properties: Properties::from(&properties[..]),
            ..Publish::new(&fields.topic, &fields.payload.0)
        };
        let message = match fields.streamed_payload_len {
            None => Message::from_publish(&fields.topic, &publish),
            Some(_) if !publish.payload.is_empty() => {
                return Err(de::Error::custom("payload both here and streamed"));
            }
            Some(length) => {
                Message::from_publish_head(&fields.topic, &PublishHead::new(publish, length))
            }
        };
        message
            .and_then(|message| {
                message.with_subscription_identifiers(&fields.subscription_identifiers)
            })
            .map_err(de::Error::custom)
    }
}
