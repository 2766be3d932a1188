//! What a connection tells its caller, and the mistakes that a caller can make.

use core::fmt;

use bytes::Bytes;

use crate::message::Message;
use crate::packet::{Publish, PublishHead};
use crate::reason::ReasonCode;
use crate::session::PublishHandle;
use crate::topic::TopicError;
use crate::types::{QoS, Version};
use crate::violation::DecodeError;
use crate::wire::EncodeError;

/// A PUBLISH from the peer. It borrows the input, not the connection.
#[derive(Clone, Debug)]
pub struct Incoming<'i> {
    /// The packet as it came. Its topic is empty where an alias stands for it: see
    /// [`topic`](Self::topic).
    pub publish: Publish<'i>,
    /// What [`acknowledge`](crate::ClientConnection::acknowledge) takes; there with QoS 1 and 2
    /// under [manual acknowledgement](crate::Options::with_manual_acknowledgement).
    pub ack: Option<AckToken>,
    pub(crate) aliased: Option<Bytes>,
}

impl Incoming<'_> {
    /// The Topic Name, taken from the connection's aliases where the packet names one instead
    /// (5.0 §3.3.2.3.4).
    #[must_use]
    pub fn topic(&self) -> &str {
        match &self.aliased {
            // Kept from a `str`.
            Some(topic) => core::str::from_utf8(topic).unwrap_or_default(),
            None => self.publish.topic,
        }
    }

    /// The message, copied out of the input once.
    ///
    /// ```
    /// # use sansio_mqtt::*;
    /// # let message = |incoming: Incoming<'_>| {
    /// let message = incoming.to_message();
    /// assert_eq!(message.topic(), incoming.topic());
    /// # };
    /// ```
    #[must_use]
    pub fn to_message(&self) -> Message {
        // What was decoded is valid in a message: topic and properties were checked by the same
        // rules. The fallback is never met.
        Message::from_publish(self.topic(), &self.publish).unwrap_or_else(|_| Message::empty())
    }
}

/// A PUBLISH from the peer whose payload comes apart from it, in the events that follow. It borrows the
/// input, not the connection.
#[derive(Clone, Debug)]
pub struct IncomingHead<'i> {
    /// The packet as it came, without its payload. Its topic is empty where an alias stands for it: see
    /// [`topic`](Self::topic).
    pub publish: Publish<'i>,
    /// The length of the payload in bytes.
    pub payload_len: u32,
    /// As that of [`Incoming`]. Given before the payload is complete, the acknowledgement waits for
    /// that: it tells the peer that we have the message.
    pub ack: Option<AckToken>,
    pub(crate) aliased: Option<Bytes>,
}

impl IncomingHead<'_> {
    /// The Topic Name, as [`Incoming::topic`].
    #[must_use]
    pub fn topic(&self) -> &str {
        match &self.aliased {
            // Kept from a `str`.
            Some(topic) => core::str::from_utf8(topic).unwrap_or_default(),
            None => self.publish.topic,
        }
    }

    /// The message with a [streamed payload](Message::with_streamed_payload) of this length, to be
    /// passed on while it comes.
    #[must_use]
    pub fn to_message(&self) -> Message {
        let head = PublishHead::new(self.publish, self.payload_len);
        // As for `Incoming`.
        Message::from_publish_head(self.topic(), &head).unwrap_or_else(|_| Message::empty())
    }
}

/// The payload that is to go out next: see
/// [`payload_wanted`](crate::ClientConnection::payload_wanted).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct PayloadWanted {
    /// Of which message, from [`publish`](crate::ClientConnection::publish).
    pub handle: PublishHandle,
    /// The bytes of it that have gone out. A message that is sent again begins at 0 again.
    pub offset: u32,
    /// The bytes that are missing, at least 1.
    pub remaining: u32,
}

/// Tells one connection's tokens from those of any other.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct ConnectionNumber(pub(crate) usize);

/// States that differ in this number alone are one to the exploration: only tokens of the same state are compared with
/// it.
#[cfg(test)]
impl core::hash::Hash for ConnectionNumber {
    fn hash<H: core::hash::Hasher>(&self, _: &mut H) {}
}

/// Permission to acknowledge one message, once.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
pub struct AckToken {
    pub(crate) connection: ConnectionNumber,
    pub(crate) sequence: u32,
}

/// Permission to answer one SUBSCRIBE or UNSUBSCRIBE, once: it is given up with the answer.
#[derive(Debug, Eq, PartialEq)]
pub struct RequestToken {
    pub(crate) connection: ConnectionNumber,
    pub(crate) packet_id: crate::types::PacketId,
    pub(crate) filters: usize,
    pub(crate) subscribe: bool,
}

/// How a connection ended. There is one per connection.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
pub struct Closed {
    /// Who ended it and why.
    pub cause: CloseCause,
    /// Whether the will is to be published, after its Will Delay Interval (MQTT-3.1.2-8 and
    /// MQTT-3.14.4-3, in 3.1.1 and in 5.0). For a server this is an order, for a client a forecast.
    pub will_due: bool,
    /// Seconds that the session lives on: 0, it ended with the connection; `u32::MAX`, it does not
    /// expire (5.0 §3.1.2.11.2). Before 5.0 one of these two, by CleanSession.
    pub session_expiry_interval: u32,
}

/// Who ended a connection and why.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
pub enum CloseCause {
    /// The transport ended without DISCONNECT.
    Eof,
    /// The application called `disconnect`.
    Disconnected(ReasonCode),
    /// The peer sent DISCONNECT.
    PeerDisconnected(ReasonCode),
    /// CONNACK refused the connection, whichever side sent it.
    Refused(ReasonCode),
    /// The peer broke a rule.
    Violation(DecodeError),
    /// The peer did not open the connection in time.
    ConnectTimeout,
    /// Server: nothing came for one and a half times the Keep Alive.
    KeepAliveTimeout,
    /// Client: nothing came after a PINGREQ.
    PingTimeout,
    /// The peer's AUTH did not come in time in a re-authentication (MQTT-4.12.1-2 of 5.0).
    AuthenticationTimeout,
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("the transport ended"),
            Self::Disconnected(reason) => write!(f, "disconnected: {reason}"),
            Self::PeerDisconnected(reason) => write!(f, "the peer disconnected: {reason}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Violation(error) => error.fmt(f),
            Self::ConnectTimeout => f.write_str("the peer did not open the connection in time"),
            Self::KeepAliveTimeout => f.write_str("keep alive timeout"),
            Self::PingTimeout => f.write_str("no answer to a ping"),
            Self::AuthenticationTimeout => f.write_str("authentication timeout"),
        }
    }
}

/// A request that was not made.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// The connection is not in the state for it.
    #[error("the connection is not open for this")]
    NotOpen,
    /// The packet cannot be encoded: a filter is not valid, or the version does not have it.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The packet would be larger than the peer takes.
    #[error("packet of {size} bytes, at most {maximum} are taken")]
    TooLarge {
        /// Bytes of the packet.
        size: usize,
        /// Bytes that the peer takes.
        maximum: u32,
    },
    /// All 65,535 Packet Identifiers are in use.
    #[error("no packet identifier is free")]
    NoPacketId,
    /// [`maximum_reply_bytes`](crate::Options::with_maximum_reply_bytes) wait for the wire.
    #[error("too much waits to be sent")]
    Backlog,
    /// The server said in CONNACK that it does not do this (5.0 §3.2.2.3.11 to §3.2.2.3.13).
    #[error("the server does not support it: {0}")]
    NotSupported(ReasonCode),
    /// The reason code is not for this packet or this side.
    #[error("{0} is not for this packet")]
    ReasonCode(ReasonCode),
    /// The Authentication Method is not that of CONNECT (MQTT-4.12.0-5, MQTT-4.12.1-1 of 5.0).
    #[error("the authentication method is not that of CONNECT")]
    AuthenticationMethod,
    /// It is not this side's turn: there is no step of the peer to answer, or it has not answered ours, or
    /// a re-authentication is under way (5.0 §4.12).
    #[error("it is not this side's turn to authenticate")]
    AuthenticationOrder,
    /// A Session Expiry Interval of 0 in CONNECT cannot be raised (5.0 §3.14.2.2.2).
    #[error("a session expiry interval of 0 cannot be raised")]
    SessionExpiry,
    /// Receive Maximum, Maximum Packet Size and Topic Alias Maximum are written from
    /// [`Options`](crate::Options).
    #[error("this property is written from the options")]
    SetByOptions,
    /// The topic is no Topic Name.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The Topic Alias is 0 or above the peer's Topic Alias Maximum (MQTT-3.3.2-8 to MQTT-3.3.2-11 of
    /// 5.0).
    #[error("topic alias {alias}, the peer takes 1 to {maximum}")]
    TopicAlias {
        /// That was asked for.
        alias: u16,
        /// The peer's; 0: it takes none.
        maximum: u16,
    },
    /// The payload of a message is going out and not complete: nothing else can be sent. Supply the rest
    /// of it first, or end the transport.
    #[error("the payload of a message is not complete")]
    PayloadIncomplete,
    /// MQTT 3.1 is spoken by the server's side only, and there only if
    /// [asked for](crate::Options::with_accept_v31).
    #[error("MQTT 3.1 is not for clients")]
    LegacyVersion,
}

/// An answer that was not given; the token comes back.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct ReplyError {
    /// The token, to try again.
    pub token: RequestToken,
    /// Why.
    pub reason: ReplyErrorReason,
}

/// Why an answer was not given.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReplyErrorReason {
    /// The token is of another connection, or of the other kind of request.
    #[error("the token is not of such a request of this connection")]
    StaleToken,
    /// One reason code per filter is asked for (MQTT-3.8.4-6, MQTT-3.11.3-2 of 5.0; MQTT-3.8.4-5
    /// of 3.1.1).
    #[error("{given} reason codes for {filters} filters")]
    Count {
        /// Codes that were given.
        given: usize,
        /// Filters in the request.
        filters: usize,
    },
    /// The packet could not be made.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// An acknowledgement that was not given.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AcknowledgeError {
    /// The message is of an earlier connection or was acknowledged before.
    #[error("nothing waits for this acknowledgement")]
    StaleToken,
    /// The reason code is not for the acknowledgement of this message from this side.
    #[error("{0} does not acknowledge this message")]
    ReasonCode(ReasonCode),
}

/// What a peer said it can do; the defaults are those of an absent property.
#[derive(Copy, Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct PeerLimits {
    pub(crate) maximum_packet_size: u32,
    pub(crate) receive_maximum: u16,
    pub(crate) topic_alias_maximum: u16,
    /// It asked for Response Information (MQTT-3.1.2-28 of 5.0).
    pub(crate) response_information: bool,
    pub(crate) features: Features,
}

/// What the server said in CONNACK that it does: binds both sides.
#[derive(Copy, Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Features {
    pub(crate) maximum_qos: QoS,
    pub(crate) retain: bool,
    pub(crate) wildcard: bool,
    pub(crate) shared: bool,
    pub(crate) subscription_identifier: bool,
}

impl PeerLimits {
    pub(crate) const fn none() -> Self {
        Self {
            maximum_packet_size: crate::wire::MAXIMUM_PACKET_SIZE,
            receive_maximum: u16::MAX,
            topic_alias_maximum: 0,
            response_information: false,
            features: Features {
                maximum_qos: QoS::ExactlyOnce,
                retain: true,
                wildcard: true,
                shared: true,
                subscription_identifier: true,
            },
        }
    }

    /// From CONNECT or CONNACK.
    pub(crate) fn from_properties(properties: &crate::property::Properties<'_>) -> Self {
        let none = Self::none();
        Self {
            maximum_packet_size: properties
                .maximum_packet_size()
                .unwrap_or(none.maximum_packet_size)
                .min(none.maximum_packet_size),
            receive_maximum: properties.receive_maximum().unwrap_or(none.receive_maximum),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            response_information: properties.request_response_information().unwrap_or(false),
            features: Features::from_properties(properties),
        }
    }
}

impl Features {
    /// From CONNACK.
    pub(crate) fn from_properties(properties: &crate::property::Properties<'_>) -> Self {
        Self {
            maximum_qos: properties.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain: properties.retain_available().unwrap_or(true),
            wildcard: properties.wildcard_subscription_available().unwrap_or(true),
            shared: properties.shared_subscription_available().unwrap_or(true),
            subscription_identifier: properties
                .subscription_identifier_available()
                .unwrap_or(true),
        }
    }

    /// The reason why a SUBSCRIBE with this filter is beyond the server, if it is
    /// (5.0 §3.2.2.3.11, §3.2.2.3.13).
    pub(crate) fn refuses(&self, filter: &str, version: Version) -> Option<ReasonCode> {
        if self.wildcard && self.shared {
            return None;
        }
        // An ill-formed filter is somebody else's business.
        let filter = crate::topic::TopicFilter::new(version, filter).ok()?;
        if !self.shared && filter.share_name().is_some() {
            Some(ReasonCode::SharedSubscriptionsNotSupported)
        } else if !self.wildcard && filter.has_wildcard() {
            Some(ReasonCode::WildcardSubscriptionsNotSupported)
        } else {
            None
        }
    }
}
