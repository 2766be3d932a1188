//! What a connection accepts and how much it may hold: every bound in one place.

use core::fmt;
use core::time::Duration;

use crate::packet::DecodeOptions;
use crate::types::Role;
use crate::wire::MAXIMUM_PACKET_SIZE;

/// What happens to a message for which the session has no room, see
/// [`with_queue_policy`](Options::with_queue_policy).
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, Default)]
#[cfg_attr(test, derive(Hash))]
pub enum QueuePolicy {
    /// It is refused and handed back.
    #[default]
    Reject,
    /// The messages that have waited longest make room for it, whatever their QoS.
    DropOldest,
    /// The messages of QoS 0 that have waited longest make room for it. Where those are not enough it
    /// is refused: no message of QoS 1 or 2 is dropped.
    DropQos0First,
}

/// Bounds and choices of one connection. Both roles use the same options; each doc says where a
/// role differs.
///
/// The three limits that MQTT 5.0 negotiates ([`receive_maximum`](Self::with_receive_maximum),
/// [`maximum_packet_size`](Self::with_maximum_packet_size) and
/// [`topic_alias_maximum`](Self::with_topic_alias_maximum)) are written into CONNECT or CONNACK by
/// the connection, so that what is announced is what is enforced.
///
/// ```
/// use core::time::Duration;
/// use sansio_mqtt::Options;
///
/// let options = Options::new()
///     .with_receive_maximum(32)
///     .with_maximum_packet_size(1 << 20)
///     .with_connect_timeout(Duration::from_secs(5));
/// assert_eq!(options.receive_maximum(), 32);
/// ```
#[derive(Clone)]
#[cfg_attr(test, derive(Hash))]
pub struct Options {
    maximum_packet_size: u32,
    maximum_connect_size: u32,
    maximum_kept_messages: u32,
    maximum_kept_bytes: u32,
    maximum_reply_bytes: u32,
    connect_timeout_ms: u32,
    ping_timeout_ms: u32,
    maximum_open_requests: u16,
    receive_maximum: u16,
    topic_alias_maximum: u16,
    automatic_topic_aliases: u16,
    maximum_authentication_rounds: u8,
    queue_policy: QueuePolicy,
    manual_acknowledgement: bool,
    change_records: Records,
    /// What the decoder has to know, in its form: it is asked for with every packet.
    decode: DecodeOptions,
}

impl Options {
    /// The defaults, each named with its setter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            maximum_packet_size: MAXIMUM_PACKET_SIZE,
            // A CONNECT is a client id, credentials and a will: brokers in the field see a few
            // hundred bytes. A stranger gets no more than this before it is known.
            maximum_connect_size: 65_536,
            maximum_kept_messages: 1024,
            maximum_kept_bytes: 16 << 20,
            maximum_reply_bytes: 64 << 10,
            connect_timeout_ms: 30_000,
            ping_timeout_ms: 10_000,
            maximum_open_requests: 64,
            receive_maximum: 1024,
            topic_alias_maximum: 0,
            automatic_topic_aliases: 0,
            maximum_authentication_rounds: 16,
            queue_policy: QueuePolicy::Reject,
            manual_acknowledgement: false,
            change_records: Records::None,
            decode: DecodeOptions::new(),
        }
    }

    /// QoS 1 and 2 messages that the peer may have open towards us, 1 to 65,535; 0 counts as 1.
    /// Default 1024.
    ///
    /// Announced as Receive Maximum in 5.0, where more is answered with 0x93 (5.0 §3.3.4). 3.1.1
    /// cannot announce it: there, `receive` stops taking input while this many messages wait for
    /// a manual acknowledgement.
    #[must_use]
    pub const fn with_receive_maximum(mut self, messages: u16) -> Self {
        self.receive_maximum = if messages == 0 { 1 } else { messages };
        self
    }

    /// The largest packet that we take, in bytes with its fixed header; 0 counts as 1. Default
    /// 268,435,460, the largest that MQTT can express.
    ///
    /// Announced in 5.0 (MQTT-3.1.2-24, MQTT-3.2.2-15). A larger packet is refused as soon as its
    /// length is known, before its body is there.
    #[must_use]
    pub const fn with_maximum_packet_size(mut self, bytes: u32) -> Self {
        self.maximum_packet_size = match bytes {
            0 => 1,
            bytes if bytes > MAXIMUM_PACKET_SIZE => MAXIMUM_PACKET_SIZE,
            bytes => bytes,
        };
        self
    }

    /// Topic aliases that the peer may use towards us; each keeps one topic of at most 65,535
    /// bytes for as long as the connection lives. Default 0: none.
    ///
    /// Announced in 5.0 (MQTT-3.3.2-9, MQTT-3.3.2-11); without meaning in 3.1.1.
    #[must_use]
    pub const fn with_topic_alias_maximum(mut self, aliases: u16) -> Self {
        self.topic_alias_maximum = aliases;
        self
    }

    /// Topic aliases that we use on outgoing messages at most, the least recently used one being
    /// given to a new topic; never more than the peer allows, nor any that the application
    /// [chose itself](crate::ClientConnection::set_topic_alias). Default 0: none.
    ///
    /// The search for a topic is linear in this number: a few dozen are meant.
    #[must_use]
    pub const fn with_automatic_topic_aliases(mut self, aliases: u16) -> Self {
        self.automatic_topic_aliases = aliases;
        self
    }

    /// Messages of ours that a session keeps at most: those that wait to be sent, and those of
    /// QoS 1 and 2 that are sent and not settled. Default 1024.
    ///
    /// So a peer that takes messages and never acknowledges them makes us hold no more than one
    /// that takes none.
    #[must_use]
    pub const fn with_maximum_kept_messages(mut self, messages: u32) -> Self {
        self.maximum_kept_messages = messages;
        self
    }

    /// Bytes of topic, properties and payload of the messages that a session keeps, at most; a Subscription Identifier
    /// counts four. Default 16 MiB.
    #[must_use]
    pub const fn with_maximum_kept_bytes(mut self, bytes: u32) -> Self {
        self.maximum_kept_bytes = bytes;
        self
    }

    /// What happens to a message for which there is no room within the two bounds above. Default
    /// [`QueuePolicy::Reject`].
    ///
    /// Only what waits to be sent for the first time makes room, and only where that makes enough:
    /// else, as for a message that is larger than `maximum_kept_bytes` by itself, nothing is dropped
    /// and the new message is refused. What is dropped is reported as
    /// [`DropReason::QueueFull`](crate::DropReason::QueueFull), by its handle alone: the message is
    /// gone at once, or it would still take the room. At most `maximum_kept_messages` such reports
    /// wait; where there are more, messages are refused until some are taken. Finding a message of
    /// QoS 0 is linear in the length of the queue.
    #[must_use]
    pub const fn with_queue_policy(mut self, policy: QueuePolicy) -> Self {
        self.queue_policy = policy;
        self
    }

    /// Bytes of replies that wait for [`poll_transmit`](crate::ClientConnection::poll_transmit)
    /// before `receive` stops taking input; 0 counts as 1. Default 64 KiB.
    ///
    /// This is what a peer meets that sends requests and reads no answers.
    #[must_use]
    pub const fn with_maximum_reply_bytes(mut self, bytes: u32) -> Self {
        self.maximum_reply_bytes = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Server: SUBSCRIBE and UNSUBSCRIBE packets that wait for the application's answer before
    /// `receive` stops taking input; 0 counts as 1. Default 64.
    #[must_use]
    pub const fn with_maximum_open_requests(mut self, requests: u16) -> Self {
        self.maximum_open_requests = if requests == 0 { 1 } else { requests };
        self
    }

    /// Whether the application acknowledges QoS 1 and 2 messages itself, with the token that comes
    /// with each. Default `false`: the connection acknowledges a message with the next `receive`.
    #[must_use]
    pub const fn with_manual_acknowledgement(mut self, manual: bool) -> Self {
        self.manual_acknowledgement = manual;
        self
    }

    /// Whether each change of the session is recorded, for a store: see [`Change`](crate::Change). Default `false`.
    ///
    /// Records wait for `poll_change`, as many as [`maximum_kept_messages`](Self::with_maximum_kept_messages) and
    /// those that the last call added. At that bound `receive` takes no input, `poll_transmit` gives no messages, and
    /// a new message is refused with [`QueueFull`](crate::PublishErrorReason::QueueFull). So too where the messages in
    /// them have [`maximum_kept_bytes`](Self::with_maximum_kept_bytes), which are counted apart from those that the
    /// session keeps, with which they share their memory.
    ///
    /// A session that gets a connection without this option loses the records that wait.
    #[must_use]
    pub const fn with_change_records(mut self, recorded: bool) -> Self {
        self.change_records = if recorded {
            Records::All
        } else {
            Records::None
        };
        self
    }

    /// How long the peer may take to open the connection: for a client until CONNACK (or the next
    /// AUTH), for a server until CONNECT (or the next AUTH); and how long for each AUTH that is due from it
    /// in a re-authentication. Millisecond steps, at most 49 days. Default 30 s.
    #[must_use]
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout_ms = milliseconds(timeout);
        self
    }

    /// Client: how long the server may be silent after a PINGREQ. Millisecond steps, at most
    /// 49 days. Default 10 s.
    #[must_use]
    pub const fn with_ping_timeout(mut self, timeout: Duration) -> Self {
        self.ping_timeout_ms = milliseconds(timeout);
        self
    }

    /// AUTH packets that the peer may send in one authentication, be it before CONNACK or a
    /// re-authentication. One more ends the connection with 0x97. Default 16.
    #[must_use]
    pub const fn with_maximum_authentication_rounds(mut self, rounds: u8) -> Self {
        self.maximum_authentication_rounds = rounds;
        self
    }

    /// Server: the largest packet taken before the connection is accepted, in bytes with its
    /// fixed header. Default 65,536.
    #[must_use]
    pub const fn with_maximum_connect_size(mut self, bytes: u32) -> Self {
        self.maximum_connect_size = bytes;
        self
    }

    /// Server: hand a SUBSCRIBE or UNSUBSCRIBE with an ill-formed filter to the application, which
    /// can refuse that filter alone. Default `false`: it closes the connection. The standard names
    /// no reaction.
    #[must_use]
    pub const fn with_answer_invalid_filters(mut self, answer: bool) -> Self {
        self.decode = self.decode.with_unchecked_filters(answer);
        self
    }

    /// Whether a packet from the peer is malformed if one of its strings has a control character or a
    /// noncharacter: both standards let the receiver choose. See
    /// [`DecodeOptions`](crate::DecodeOptions::with_control_characters_refused). Default `false`.
    #[must_use]
    pub const fn with_control_characters_refused(mut self, refused: bool) -> Self {
        self.decode = self.decode.with_control_characters_refused(refused);
        self
    }

    /// Server: accept MQTT 3.1 (`MQIsdp`, level 3) too, see
    /// [`ServerConnection`](crate::ServerConnection#towards-a-31-client). Default `false`: such a
    /// CONNECT is answered with CONNACK 0x01 (MQTT-3.1.2-2, in 3.1.1 and in 5.0).
    #[must_use]
    pub const fn with_accept_v31(mut self, accept: bool) -> Self {
        self.decode = self.decode.with_accept_v31(accept);
        self
    }

    /// The largest PUBLISH, in bytes with its fixed header, that comes as a whole. Of a larger one the
    /// connection gives the head
    /// ([`ClientEvent::PublishHead`](crate::ClientEvent::PublishHead)) as soon as that is there, and
    /// then the payload as it comes. Default 268,435,460: all come whole.
    ///
    /// With a limit, the caller's input buffer never has to hold more than this or
    /// [`maximum_publish_head`](Self::with_maximum_publish_head), whichever is larger: a packet of
    /// another type that is larger than both is refused like one over the Maximum Packet Size (0x95).
    /// And a payload that takes longer than the Keep Alive to arrive is no silence then: each piece
    /// counts as a sign of life.
    #[must_use]
    pub const fn with_whole_publish_limit(mut self, bytes: u32) -> Self {
        self.decode = self.decode.with_whole_publish_limit(bytes);
        self
    }

    /// The longest head of a PUBLISH that does not come as a whole: fixed header, topic, Packet
    /// Identifier and properties, in bytes. A longer one is answered with 0x97. Default 131,072.
    #[must_use]
    pub const fn with_maximum_publish_head(mut self, bytes: u32) -> Self {
        self.decode = self.decode.with_maximum_publish_head(bytes);
        self
    }

    /// See [`with_receive_maximum`](Self::with_receive_maximum).
    #[must_use]
    pub const fn receive_maximum(&self) -> u16 {
        self.receive_maximum
    }

    /// See [`with_maximum_packet_size`](Self::with_maximum_packet_size).
    #[must_use]
    pub const fn maximum_packet_size(&self) -> u32 {
        self.maximum_packet_size
    }

    /// See [`with_topic_alias_maximum`](Self::with_topic_alias_maximum).
    #[must_use]
    pub const fn topic_alias_maximum(&self) -> u16 {
        self.topic_alias_maximum
    }

    /// See [`with_automatic_topic_aliases`](Self::with_automatic_topic_aliases).
    #[must_use]
    pub const fn automatic_topic_aliases(&self) -> u16 {
        self.automatic_topic_aliases
    }

    /// See [`with_maximum_kept_messages`](Self::with_maximum_kept_messages).
    #[must_use]
    pub const fn maximum_kept_messages(&self) -> u32 {
        self.maximum_kept_messages
    }

    /// See [`with_maximum_kept_bytes`](Self::with_maximum_kept_bytes).
    #[must_use]
    pub const fn maximum_kept_bytes(&self) -> u32 {
        self.maximum_kept_bytes
    }

    /// See [`with_queue_policy`](Self::with_queue_policy).
    #[must_use]
    pub const fn queue_policy(&self) -> QueuePolicy {
        self.queue_policy
    }

    /// See [`with_maximum_reply_bytes`](Self::with_maximum_reply_bytes).
    #[must_use]
    pub const fn maximum_reply_bytes(&self) -> u32 {
        self.maximum_reply_bytes
    }

    /// See [`with_maximum_open_requests`](Self::with_maximum_open_requests).
    #[must_use]
    pub const fn maximum_open_requests(&self) -> u16 {
        self.maximum_open_requests
    }

    /// See [`with_change_records`](Self::with_change_records).
    #[must_use]
    pub const fn change_records(&self) -> bool {
        !matches!(self.change_records, Records::None)
    }

    /// See [`with_manual_acknowledgement`](Self::with_manual_acknowledgement).
    #[must_use]
    pub const fn manual_acknowledgement(&self) -> bool {
        self.manual_acknowledgement
    }

    /// See [`with_connect_timeout`](Self::with_connect_timeout).
    #[must_use]
    pub const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms as u64)
    }

    /// See [`with_ping_timeout`](Self::with_ping_timeout).
    #[must_use]
    pub const fn ping_timeout(&self) -> Duration {
        Duration::from_millis(self.ping_timeout_ms as u64)
    }

    /// See [`with_maximum_authentication_rounds`](Self::with_maximum_authentication_rounds).
    #[must_use]
    pub const fn maximum_authentication_rounds(&self) -> u8 {
        self.maximum_authentication_rounds
    }

    /// See [`with_maximum_connect_size`](Self::with_maximum_connect_size).
    #[must_use]
    pub const fn maximum_connect_size(&self) -> u32 {
        self.maximum_connect_size
    }

    /// See [`with_answer_invalid_filters`](Self::with_answer_invalid_filters).
    #[must_use]
    pub const fn answer_invalid_filters(&self) -> bool {
        self.decode.unchecked_filters()
    }

    /// See [`with_control_characters_refused`](Self::with_control_characters_refused).
    #[must_use]
    pub const fn control_characters_refused(&self) -> bool {
        self.decode.control_characters_refused()
    }

    /// See [`with_whole_publish_limit`](Self::with_whole_publish_limit).
    #[must_use]
    pub const fn whole_publish_limit(&self) -> u32 {
        self.decode.whole_publish_limit()
    }

    /// See [`with_maximum_publish_head`](Self::with_maximum_publish_head).
    #[must_use]
    pub const fn maximum_publish_head(&self) -> u32 {
        self.decode.maximum_publish_head()
    }

    /// See [`with_accept_v31`](Self::with_accept_v31).
    #[must_use]
    pub const fn accept_v31(&self) -> bool {
        self.decode.accept_v31()
    }

    /// Changes are recorded, but none of a message of QoS 0, nor which drops were reported.
    pub(crate) const fn with_lasting_change_records(mut self, recorded: bool) -> Self {
        self.change_records = if recorded {
            Records::Lasting
        } else {
            Records::None
        };
        self
    }

    pub(crate) const fn qos0_unrecorded(&self) -> bool {
        matches!(self.change_records, Records::Lasting)
    }

    /// For the packets of that side, before its connection is open.
    pub(crate) fn begin(&mut self, sender: Role) {
        let maximum = match sender {
            Role::Client => self.maximum_connect_size.min(self.maximum_packet_size),
            Role::Server => self.maximum_packet_size,
        };
        self.decode = self
            .decode
            .with_sender(Some(sender))
            .with_maximum_packet_size(maximum);
    }

    /// From CONNACK of success on.
    pub(crate) fn open(&mut self) {
        self.decode = self
            .decode
            .with_maximum_packet_size(self.maximum_packet_size);
    }

    pub(crate) const fn decode(&self) -> &DecodeOptions {
        &self.decode
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        macro_rules! fields {
            ($($name:ident)*) => {
                f.debug_struct("Options")
                    $(.field(stringify!($name), &self.$name()))*
                    .finish()
            };
        }
        fields! {
            receive_maximum maximum_packet_size topic_alias_maximum automatic_topic_aliases
            maximum_kept_messages maximum_kept_bytes queue_policy maximum_reply_bytes
            maximum_open_requests manual_acknowledgement change_records connect_timeout ping_timeout
            maximum_authentication_rounds maximum_connect_size answer_invalid_filters control_characters_refused accept_v31
            whole_publish_limit maximum_publish_head
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

const fn milliseconds(duration: Duration) -> u32 {
    let milliseconds = duration.as_millis();
    if milliseconds > u32::MAX as u128 {
        u32::MAX
    } else {
        #[allow(clippy::cast_possible_truncation)] // compared above; `try_from` is not const
        {
            milliseconds as u32
        }
    }
}

/// Which changes of a session are recorded.
#[derive(Copy, Clone)]
#[cfg_attr(test, derive(Hash))]
enum Records {
    None,
    All,
    /// None of a message of QoS 0.
    Lasting,
}
