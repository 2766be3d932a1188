//! One application message, kept beyond the packet that brought it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::packet::{Publish, PublishHead, Will};
use crate::property::{Context, Properties};
use crate::topic::{TopicError, TopicName, check_name};
use crate::types::QoS;
use crate::wire::{EncodeError, varint, writer};

/// An application message that is kept: to be published, queued, retained or given to any number
/// of subscribers.
///
/// Topic, properties and payload lie in one reference-counted buffer, so a clone costs no copy and
/// pins nothing but the message itself. The properties are those that a server forwards unchanged
/// (5.0 §3.3.2.3: Payload Format Indicator, Content Type, Response Topic, Correlation Data and User
/// Properties); Topic Alias belongs to a connection and is never kept.
///
/// ```
/// use sansio_mqtt::{Message, QoS};
///
/// let message = Message::new("sensors/7/temperature", b"21.5")?.with_qos(QoS::AtLeastOnce);
/// assert_eq!(message.topic(), "sensors/7/temperature");
/// assert_eq!(message.payload(), b"21.5");
/// # Ok::<(), sansio_mqtt::MessageError>(())
/// ```
#[derive(Clone)]
pub struct Message {
    /// Topic, then encoded properties, then the payload unless that is shared.
    data: Bytes,
    rare: Option<Box<Rare>>,
    /// Which properties `data` holds, as a mask of their identifiers.
    present: u64,
    properties_len: u32,
    message_expiry_interval: Option<u32>,
    topic_len: u16,
    qos: QoS,
    retain: bool,
}

/// What few messages have: apart, since messages are moved about in queues.
#[derive(Clone, Default)]
struct Rare {
    shared_payload: Option<Bytes>,
    /// Length of a payload that the application keeps.
    streamed_payload: Option<u32>,
    subscription_identifiers: Box<[u32]>,
}

/// Why a message could not be made.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MessageError {
    /// The topic is not a valid Topic Name.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The properties could not be sent in a PUBLISH.
    #[error(transparent)]
    Properties(#[from] EncodeError),
}

/// The length of a message's bytes. Properties that no packet holds are refused before they are copied.
fn room(topic: usize, properties: usize, payload: usize) -> Result<usize, EncodeError> {
    let room = writer::total([topic, properties, payload]);
    if varint::value(properties).is_none() || isize::try_from(room).is_err() {
        return Err(EncodeError::PacketTooLarge);
    }
    Ok(room)
}

impl Message {
    /// A message of QoS 0 without RETAIN and properties; topic and payload are copied once.
    ///
    /// # Errors
    ///
    /// The topic is not a valid Topic Name.
    pub fn new(topic: &str, payload: &[u8]) -> Result<Self, MessageError> {
        Self::build(topic, Properties::new(), payload, None)
    }

    /// The same with a payload that is shared instead of copied: for large ones.
    ///
    /// # Errors
    ///
    /// The topic is not a valid Topic Name.
    pub fn with_shared_payload(topic: &str, payload: Bytes) -> Result<Self, MessageError> {
        Self::build(topic, Properties::new(), &[], Some(payload))
    }

    /// The same with a payload that is not here: the connection asks for it when it is to be sent, see
    /// [`payload_wanted`](crate::ClientConnection::payload_wanted). Only its length in bytes is kept, and
    /// what [`maximum_kept_bytes`](crate::Options::with_maximum_kept_bytes) counts is the rest.
    ///
    /// ```
    /// use sansio_mqtt::Message;
    ///
    /// let message = Message::with_streamed_payload("firmware/image", 200 << 20)?;
    /// assert_eq!(message.streamed_payload_len(), Some(200 << 20));
    /// assert!(message.payload().is_empty());
    /// # Ok::<(), sansio_mqtt::MessageError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The topic is not a valid Topic Name. A length that no packet can have is refused when the
    /// message is published, or dropped when it would be sent.
    pub fn with_streamed_payload(topic: &str, payload_len: u32) -> Result<Self, MessageError> {
        let message = Self::build(topic, Properties::new(), &[], None)?;
        Ok(message.streamed(payload_len))
    }

    fn streamed(mut self, payload_len: u32) -> Self {
        self.rare.get_or_insert_default().streamed_payload = Some(payload_len);
        self
    }

    /// The message of a PUBLISH that comes in pieces, to be sent in pieces: as
    /// [`from_publish`](Self::from_publish), with a
    /// [streamed payload](Self::with_streamed_payload) of the same length.
    ///
    /// # Errors
    ///
    /// As [`from_publish`](Self::from_publish).
    pub fn from_publish_head(topic: &str, head: &PublishHead<'_>) -> Result<Self, MessageError> {
        let message = Self::from_publish(topic, &head.publish)?;
        Ok(message.streamed(head.payload_len))
    }

    /// The message in a PUBLISH: QoS, RETAIN, Message Expiry Interval, properties and payload.
    ///
    /// The topic is given apart since the packet may have carried an alias in its stead, as with
    /// [`Incoming::topic`](crate::Incoming::topic). What belongs to one hop (DUP, Packet
    /// Identifier, Topic Alias, Subscription Identifiers) is left out.
    ///
    /// # Errors
    ///
    /// The topic or the properties are not valid; not with a packet that was decoded.
    pub fn from_publish(topic: &str, publish: &Publish<'_>) -> Result<Self, MessageError> {
        publish.properties.check(Context::PUBLISH)?;
        Ok(
            Self::build(topic, publish.properties, publish.payload, None)?
                .with_qos(publish.qos)
                .with_retain(publish.retain)
                .with_message_expiry_interval(publish.message_expiry_interval),
        )
    }

    /// Of a packet that can be encoded, save for what belongs to one hop.
    pub(crate) fn from_checked(publish: &Publish<'_>) -> Result<Self, EncodeError> {
        let Publish {
            topic,
            properties,
            payload,
            ..
        } = *publish;
        let mut message =
            Self::build_checked(topic, properties, payload, None)?.with_qos(publish.qos);
        message.retain = publish.retain;
        message.message_expiry_interval = publish.message_expiry_interval;
        if !publish.subscription_identifiers.is_empty() {
            let identifiers = publish.subscription_identifiers.iter().collect();
            message
                .rare
                .get_or_insert_default()
                .subscription_identifiers = identifiers;
        }
        Ok(message)
    }

    /// The message that a server publishes for a will (MQTT-3.1.2-8, in 3.1.1 and in 5.0).
    ///
    /// # Errors
    ///
    /// The topic or the properties are not valid; not with a packet that was decoded.
    pub fn from_will(will: &Will<'_>) -> Result<Self, MessageError> {
        will.properties.check(Context::WILL)?;
        Ok(
            Self::build(will.topic, will.properties, will.payload, None)?
                .with_qos(will.qos)
                .with_retain(will.retain)
                .with_message_expiry_interval(will.properties.message_expiry_interval()),
        )
    }

    /// The properties have been checked.
    fn build(
        topic: &str,
        properties: Properties<'_>,
        payload: &[u8],
        shared_payload: Option<Bytes>,
    ) -> Result<Self, MessageError> {
        check_name(topic)?;
        Ok(Self::build_checked(
            topic,
            properties,
            payload,
            shared_payload,
        )?)
    }

    /// The topic has been checked, too.
    #[inline]
    fn build_checked(
        topic: &str,
        properties: Properties<'_>,
        payload: &[u8],
        shared_payload: Option<Bytes>,
    ) -> Result<Self, EncodeError> {
        let topic_len = u16::try_from(topic.len()).map_err(|_| EncodeError::StringTooLong)?;
        let mut data;
        let mut present = 0;
        let mut properties_len = 0;
        if properties.is_empty() {
            data = Vec::with_capacity(room(topic.len(), 0, payload.len())?);
            data.extend_from_slice(topic.as_bytes());
        } else {
            let length = properties.encoded_len_forwardable();
            data = Vec::with_capacity(room(topic.len(), length, payload.len())?);
            data.extend_from_slice(topic.as_bytes());
            present = properties.write_forwardable(&mut data);
            properties_len =
                u32::try_from(data.len() - topic.len()).map_err(|_| EncodeError::PacketTooLarge)?;
        }
        data.extend_from_slice(payload);
        Ok(Self {
            data: Bytes::from(data),
            rare: shared_payload.map(|payload| {
                Box::new(Rare {
                    shared_payload: Some(payload),
                    ..Rare::default()
                })
            }),
            present,
            properties_len,
            message_expiry_interval: None,
            topic_len,
            qos: QoS::AtMostOnce,
            retain: false,
        })
    }

    /// Stands in where a message cannot be made; never met by a decoded packet.
    pub(crate) fn empty() -> Self {
        Self {
            data: Bytes::new(),
            rare: None,
            present: 0,
            properties_len: 0,
            message_expiry_interval: None,
            topic_len: 0,
            qos: QoS::AtMostOnce,
            retain: false,
        }
    }

    /// With this QoS.
    #[must_use]
    pub fn with_qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// With this RETAIN flag.
    #[must_use]
    pub fn with_retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// With this lifetime in seconds, counted from the moment it is queued; `None`: it does not
    /// expire (5.0 §3.3.2.3.3).
    #[must_use]
    pub fn with_message_expiry_interval(mut self, seconds: Option<u32>) -> Self {
        self.message_expiry_interval = seconds;
        self
    }

    /// With these properties instead of the former ones. Copies the message once more; to copy it
    /// only once, start from a [`Publish`].
    ///
    /// # Errors
    ///
    /// A property that PUBLISH does not have or that is out of its range, or one of the three that
    /// are set otherwise: Topic Alias, Message Expiry Interval, Subscription Identifier.
    pub fn with_properties(self, properties: Properties<'_>) -> Result<Self, MessageError> {
        properties.check(Context::PUBLISH)?;
        let payload = match self.shared_payload() {
            Some(_) => &[][..],
            None => self.payload(),
        };
        let mut message = Self::build(self.topic(), properties, payload, None)?;
        message.rare = self.rare;
        Ok(message
            .with_qos(self.qos)
            .with_retain(self.retain)
            .with_message_expiry_interval(self.message_expiry_interval))
    }

    /// With the Subscription Identifiers of the subscriptions that it is delivered for: a server's
    /// business (MQTT-3.3.4-3, MQTT-3.3.4-4 of 5.0); not sent to a 3.1.1 client.
    ///
    /// # Errors
    ///
    /// An identifier of 0 or above 268,435,455 (5.0 §3.3.2.3.8).
    pub fn with_subscription_identifiers(
        mut self,
        identifiers: &[u32],
    ) -> Result<Self, MessageError> {
        use crate::violation::Violation;
        use crate::wire::MAXIMUM_REMAINING_LENGTH;
        for &identifier in identifiers {
            if identifier == 0 {
                return Err(EncodeError::Violation(Violation::SubscriptionIdentifierZero).into());
            }
            if identifier > MAXIMUM_REMAINING_LENGTH {
                return Err(EncodeError::Violation(Violation::VariableByteIntegerTooLong).into());
            }
        }
        if self.rare.is_some() || !identifiers.is_empty() {
            self.rare.get_or_insert_default().subscription_identifiers = identifiers.into();
        }
        Ok(self)
    }

    /// The Topic Name.
    #[must_use]
    pub fn topic(&self) -> &str {
        let bytes = self.data.get(..usize::from(self.topic_len));
        // Valid by construction: copied from a `str`.
        bytes
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// The Topic Name as [`TopicFilter::matches`](crate::TopicFilter::matches) takes it: checked when
    /// the message was made, and not again.
    #[must_use]
    pub fn topic_name(&self) -> TopicName<'_> {
        TopicName::checked(self.topic())
    }

    /// The payload; empty if it is [streamed](Self::with_streamed_payload).
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match self.shared_payload() {
            Some(payload) => payload,
            None => self
                .data
                .get(usize::from(self.topic_len) + self.properties_len as usize..)
                .unwrap_or_default(),
        }
    }

    /// The length in bytes of a payload that is [streamed](Self::with_streamed_payload); `None`: the
    /// payload is here.
    #[must_use]
    pub fn streamed_payload_len(&self) -> Option<u32> {
        self.rare.as_ref()?.streamed_payload
    }

    /// The properties that are forwarded with it.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        Properties::from_encoded(self.encoded_properties(), self.present)
    }

    /// The same as they are on the wire, without a length.
    pub(crate) fn encoded_properties(&self) -> &[u8] {
        let start = usize::from(self.topic_len);
        let bytes = self.data.get(start..start + self.properties_len as usize);
        bytes.unwrap_or_default()
    }

    /// The QoS.
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// The RETAIN flag.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// The lifetime in seconds.
    #[must_use]
    pub fn message_expiry_interval(&self) -> Option<u32> {
        self.message_expiry_interval
    }

    /// The Subscription Identifiers that go out with it.
    #[must_use]
    pub fn subscription_identifiers(&self) -> &[u32] {
        self.rare
            .as_ref()
            .map_or(&[], |rare| &rare.subscription_identifiers)
    }

    /// What the message counts in a queue: bytes of topic, properties and payload. A copy has its Subscription Identifiers
    /// for itself, and a client that has many subscriptions gets many.
    pub(crate) fn size(&self) -> usize {
        self.data.len()
            + self.shared_payload().map_or(0, Bytes::len)
            + size_of_val(self.subscription_identifiers())
    }

    /// The same for the wire: with a payload that is streamed.
    pub(crate) fn sent_len(&self) -> usize {
        let apart = self.rare.as_ref().map_or(0, |rare| {
            let shared = rare.shared_payload.as_ref().map_or(0, Bytes::len);
            shared + rare.streamed_payload.unwrap_or(0) as usize
        });
        self.data.len() + apart
    }

    fn shared_payload(&self) -> Option<&Bytes> {
        self.rare.as_ref()?.shared_payload.as_ref()
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.qos == other.qos
            && self.retain == other.retain
            && self.message_expiry_interval == other.message_expiry_interval
            && self.topic() == other.topic()
            && self.properties() == other.properties()
            && self.subscription_identifiers() == other.subscription_identifiers()
            && self.payload() == other.payload()
            && self.streamed_payload_len() == other.streamed_payload_len()
    }
}

impl Eq for Message {}

/// For the exploration of all states.
#[cfg(test)]
impl core::hash::Hash for Message {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (self.topic(), self.payload(), self.qos, self.retain).hash(state);
        (self.message_expiry_interval, self.streamed_payload_len()).hash(state);
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("message_expiry_interval", &self.message_expiry_interval)
            .field("subscription_identifiers", &self.subscription_identifiers())
            .field("properties", &self.properties())
            .field("payload_len", &self.payload().len())
            .field("streamed_payload_len", &self.streamed_payload_len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::Property;

    #[test]
    fn keeps_what_is_forwarded_and_drops_what_belongs_to_one_hop() {
        let properties = [
            Property::ContentType("text/plain"),
            Property::UserProperty("a", "1"),
            Property::UserProperty("a", "2"),
        ];
        let publish = Publish {
            qos: QoS::ExactlyOnce,
            retain: true,
            dup: true,
            topic_alias: Some(4),
            message_expiry_interval: Some(9),
            properties: Properties::from(&properties[..]),
            ..Publish::new("", b"payload")
        };
        let message = Message::from_publish("a/b", &publish).unwrap();
        assert_eq!(message.topic(), "a/b");
        assert_eq!(message.topic_name(), TopicName::new("a/b").unwrap());
        assert_eq!(message.payload(), b"payload");
        assert_eq!(message.qos(), QoS::ExactlyOnce);
        assert!(message.retain());
        assert_eq!(message.message_expiry_interval(), Some(9));
        assert_eq!(message.properties(), Properties::from(&properties[..]));
        assert_eq!(message.properties().content_type(), Some("text/plain"));
        assert!(message.subscription_identifiers().is_empty());
    }

    #[test]
    fn more_than_a_packet_or_an_address_space_holds() {
        assert_eq!(room(1, 268_435_455, 2), Ok(268_435_458));
        for (properties, payload) in [(268_435_456, 0), (usize::MAX, 0), (0, usize::MAX)] {
            let too_large = Err(EncodeError::PacketTooLarge);
            assert_eq!(room(1, properties, payload), too_large);
        }
    }

    #[test]
    fn a_shared_payload_equals_a_copied_one() {
        let payload = Bytes::from_static(b"shared");
        let shared = Message::with_shared_payload("t", payload.clone()).unwrap();
        assert_eq!(shared, Message::new("t", b"shared").unwrap());
        assert_eq!(shared.payload().as_ptr(), payload.as_ptr());
        let properties = [Property::ContentType("x")];
        let shared = shared
            .with_properties(Properties::from(&properties[..]))
            .unwrap();
        assert_eq!(shared.payload().as_ptr(), payload.as_ptr());
        assert_eq!(shared.topic(), "t");
        assert_eq!(shared.properties().content_type(), Some("x"));
    }

    #[test]
    fn refuses_what_could_not_be_sent() {
        for topic in ["", "a/+", "#", "a\0b"] {
            assert!(
                matches!(Message::new(topic, b""), Err(MessageError::Topic(_))),
                "{topic:?}"
            );
        }
        let message = Message::new("t", b"").unwrap();
        for property in [
            Property::TopicAlias(1),
            Property::MessageExpiryInterval(1),
            Property::SubscriptionIdentifier(1),
            Property::ReasonString("no"),
            Property::ResponseTopic("a/+"),
        ] {
            let list = [property];
            let result = message.clone().with_properties(Properties::from(&list[..]));
            assert!(
                matches!(result, Err(MessageError::Properties(_))),
                "{property:?}"
            );
        }
        assert!(message.clone().with_subscription_identifiers(&[0]).is_err());
        assert!(
            message
                .clone()
                .with_subscription_identifiers(&[1 << 28])
                .is_err()
        );
        assert!(
            message
                .with_subscription_identifiers(&[(1 << 28) - 1])
                .is_ok()
        );
    }
}
