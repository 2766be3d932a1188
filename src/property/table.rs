//! The 27 properties of 5.0: table 2-4 and the property lists of the packets' own sections.

use crate::types::PacketType;
use crate::violation::Violation;

/// The type of a property's value.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Kind {
    Byte,
    TwoByteInteger,
    FourByteInteger,
    VariableByteInteger,
    BinaryData,
    String,
    /// A UTF-8 encoded string that names a topic.
    TopicName,
    StringPair,
}

const WILL: u16 = 1;
const CONNECT: u16 = PacketType::Connect.bit();
const CONNACK: u16 = PacketType::Connack.bit();
const PUBLISH: u16 = PacketType::Publish.bit();
const SUBSCRIBE: u16 = PacketType::Subscribe.bit();
const UNSUBSCRIBE: u16 = PacketType::Unsubscribe.bit();
const DISCONNECT: u16 = PacketType::Disconnect.bit();
const AUTH: u16 = PacketType::Auth.bit();
/// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK have the same two properties.
const ACKS: u16 = PacketType::Puback.bit()
    | PacketType::Pubrec.bit()
    | PacketType::Pubrel.bit()
    | PacketType::Pubcomp.bit()
    | PacketType::Suback.bit()
    | PacketType::Unsuback.bit();
const ANY: u16 =
    WILL | CONNECT | CONNACK | PUBLISH | ACKS | SUBSCRIBE | UNSUBSCRIBE | DISCONNECT | AUTH;

/// Each row: constant, identifier, name, type, the packets that may have it.
macro_rules! table {
    ($($constant:ident = $id:literal, $name:literal, $kind:ident, $packets:expr;)*) => {
        $(pub(crate) const $constant: u8 = $id;)*

        pub(super) const fn name(id: u8) -> &'static str {
            match id {
                $($id => $name,)*
                _ => "",
            }
        }

        pub(super) const fn kind(id: u8) -> Option<Kind> {
            Some(match id {
                $($id => Kind::$kind,)*
                _ => return None,
            })
        }

        const fn allowed(packet: u16) -> u64 {
            let mut mask = 0;
            $(if $packets & packet != 0 {
                mask |= bit($id);
            })*
            mask
        }

        #[cfg(test)]
        pub(crate) const ALL: &[(u8, &str, u16)] = &[$(($id, $name, $packets),)*];
    };
}

table! {
    PAYLOAD_FORMAT_INDICATOR = 0x01, "Payload Format Indicator", Byte, PUBLISH | WILL;
    MESSAGE_EXPIRY_INTERVAL = 0x02, "Message Expiry Interval", FourByteInteger, PUBLISH | WILL;
    CONTENT_TYPE = 0x03, "Content Type", String, PUBLISH | WILL;
    RESPONSE_TOPIC = 0x08, "Response Topic", TopicName, PUBLISH | WILL;
    CORRELATION_DATA = 0x09, "Correlation Data", BinaryData, PUBLISH | WILL;
    SUBSCRIPTION_IDENTIFIER = 0x0B, "Subscription Identifier", VariableByteInteger, PUBLISH | SUBSCRIBE;
    SESSION_EXPIRY_INTERVAL = 0x11, "Session Expiry Interval", FourByteInteger, CONNECT | CONNACK | DISCONNECT;
    ASSIGNED_CLIENT_IDENTIFIER = 0x12, "Assigned Client Identifier", String, CONNACK;
    SERVER_KEEP_ALIVE = 0x13, "Server Keep Alive", TwoByteInteger, CONNACK;
    AUTHENTICATION_METHOD = 0x15, "Authentication Method", String, CONNECT | CONNACK | AUTH;
    AUTHENTICATION_DATA = 0x16, "Authentication Data", BinaryData, CONNECT | CONNACK | AUTH;
    REQUEST_PROBLEM_INFORMATION = 0x17, "Request Problem Information", Byte, CONNECT;
    WILL_DELAY_INTERVAL = 0x18, "Will Delay Interval", FourByteInteger, WILL;
    REQUEST_RESPONSE_INFORMATION = 0x19, "Request Response Information", Byte, CONNECT;
    RESPONSE_INFORMATION = 0x1A, "Response Information", String, CONNACK;
    SERVER_REFERENCE = 0x1C, "Server Reference", String, CONNACK | DISCONNECT;
    REASON_STRING = 0x1F, "Reason String", String, CONNACK | ACKS | DISCONNECT | AUTH;
    RECEIVE_MAXIMUM = 0x21, "Receive Maximum", TwoByteInteger, CONNECT | CONNACK;
    TOPIC_ALIAS_MAXIMUM = 0x22, "Topic Alias Maximum", TwoByteInteger, CONNECT | CONNACK;
    TOPIC_ALIAS = 0x23, "Topic Alias", TwoByteInteger, PUBLISH;
    MAXIMUM_QOS = 0x24, "Maximum QoS", Byte, CONNACK;
    RETAIN_AVAILABLE = 0x25, "Retain Available", Byte, CONNACK;
    USER_PROPERTY = 0x26, "User Property", StringPair, ANY;
    MAXIMUM_PACKET_SIZE = 0x27, "Maximum Packet Size", FourByteInteger, CONNECT | CONNACK;
    WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28, "Wildcard Subscription Available", Byte, CONNACK;
    SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29, "Subscription Identifier Available", Byte, CONNACK;
    SHARED_SUBSCRIPTION_AVAILABLE = 0x2A, "Shared Subscription Available", Byte, CONNACK;
}

/// The set of this one identifier. All identifiers are below 64; what is not is in no set of the table.
#[inline(always)]
pub(crate) const fn bit(id: u8) -> u64 {
    1 << (id & 63)
}

/// The properties of a PUBLISH that belong to one hop and not to the message: they are fields of the packet.
pub(crate) const LIFTED: u64 =
    bit(TOPIC_ALIAS) | bit(MESSAGE_EXPIRY_INTERVAL) | bit(SUBSCRIPTION_IDENTIFIER);

/// The properties that go with a message to its subscribers unchanged [MQTT-3.3.2-4, MQTT-3.3.2-15 to
/// MQTT-3.3.2-17, MQTT-3.3.2-20]: all that a PUBLISH and a will have in common, less the expiry.
pub(crate) const FORWARDABLE: u64 = allowed(PUBLISH) & allowed(WILL) & !LIFTED;

/// Where a property block stands, and so what may be in it.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Context {
    /// May be in a block that is read.
    pub(super) allowed: u64,
    /// Is not among the packet's `properties`: has a field of its own.
    pub(super) lifted: u64,
    pub(super) repeatable: u64,
    /// Not allowed because of who sends the packet.
    pub(super) forbidden: Option<(u8, Violation)>,
}

impl Context {
    pub(crate) const WILL: Self = Self::new(WILL);
    pub(crate) const CONNECT: Self = Self::new(CONNECT);
    pub(crate) const CONNACK: Self = Self::new(CONNACK);
    pub(crate) const PUBLISH: Self = Self {
        lifted: LIFTED,
        repeatable: bit(USER_PROPERTY) | bit(SUBSCRIPTION_IDENTIFIER),
        ..Self::new(PUBLISH)
    };
    pub(crate) const ACK: Self = Self::new(ACKS);
    pub(crate) const SUBSCRIBE: Self = Self::new(SUBSCRIBE);
    pub(crate) const UNSUBSCRIBE: Self = Self::new(UNSUBSCRIBE);
    pub(crate) const DISCONNECT: Self = Self::new(DISCONNECT);
    pub(crate) const AUTH: Self = Self::new(AUTH);

    const fn new(packet: u16) -> Self {
        Self {
            allowed: allowed(packet),
            lifted: 0,
            repeatable: bit(USER_PROPERTY),
            forbidden: None,
        }
    }

    /// The same without a property that this sender must not use.
    pub(crate) const fn forbidding(self, id: u8, violation: Violation) -> Self {
        Self {
            allowed: self.allowed & !bit(id),
            forbidden: Some((id, violation)),
            ..self
        }
    }

    /// Why a property is not in `allowed`.
    #[cold]
    pub(super) fn refusal(&self, id: u8) -> Violation {
        match self.forbidden {
            Some((forbidden, violation)) if forbidden == id => violation,
            _ if kind(id).is_none() => Violation::PropertyUnknown,
            _ => Violation::PropertyNotAllowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits of packet types, from the table's letters: will, types 1 to 15.
    fn count(packet: u16) -> usize {
        ALL.iter()
            .filter(|(_, _, packets)| packets & packet != 0)
            .count()
    }

    /// The number of properties that each packet's own section lists.
    #[test]
    fn properties_per_packet() {
        assert_eq!(ALL.len(), 27);
        assert_eq!(count(WILL), 7);
        assert_eq!(count(CONNECT), 9);
        assert_eq!(count(CONNACK), 17);
        assert_eq!(count(PUBLISH), 8);
        assert_eq!(count(SUBSCRIBE), 2);
        assert_eq!(count(UNSUBSCRIBE), 1);
        assert_eq!(count(DISCONNECT), 4);
        assert_eq!(count(AUTH), 4);
        for packet in [4, 5, 6, 7, 9, 11] {
            assert_eq!(count(1 << packet), 2);
        }
        for packet in [12, 13] {
            assert_eq!(count(1 << packet), 0);
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(ALL.iter().all(|&(id, name, _)| id < 63 && !name.is_empty()));
    }

    #[test]
    fn what_is_forwarded() {
        let ids: alloc::vec::Vec<u8> = ALL
            .iter()
            .map(|row| row.0)
            .filter(|&id| FORWARDABLE & bit(id) != 0)
            .collect();
        assert_eq!(ids, [0x01, 0x03, 0x08, 0x09, 0x26]);
    }
}
