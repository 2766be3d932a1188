//! Words of the standard that every layer uses.

use core::fmt;
use core::num::NonZeroU16;

/// A version of the MQTT standard.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub enum Version {
    /// MQTT 3.1 (`MQIsdp`), protocol level 3: a legacy version that a server can be told to accept, see
    /// [`Options::with_accept_v31`](crate::Options::with_accept_v31).
    V31,
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5.0, protocol version 5.
    V5,
}

impl Version {
    /// The byte of CONNECT that names the version: 3, 4 or 5.
    #[must_use]
    pub const fn protocol_level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}

/// A side of a connection.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub enum Role {
    /// The side that sends CONNECT.
    Client,
    /// The side that answers it.
    Server,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// Quality of service (section 4.3).
#[repr(u8)]
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Default)]
pub enum QoS {
    /// QoS 0: sent once, not acknowledged.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: acknowledged with PUBACK, sent again after a lost connection.
    AtLeastOnce = 1,
    /// QoS 2: PUBREC, PUBREL, PUBCOMP; delivered once whatever the connection does.
    ExactlyOnce = 2,
}

impl QoS {
    /// `None` for anything above 2.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// 0, 1 or 2.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_u8().fmt(f)
    }
}

/// When a subscription gets the retained messages that match it (5.0, section 3.8.3.1).
#[repr(u8)]
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, Default)]
pub enum RetainHandling {
    /// At each SUBSCRIBE, as in 3.1.1 [MQTT-3.3.1-9].
    #[default]
    SendAtSubscribe = 0,
    /// Only if the subscription did not exist yet [MQTT-3.3.1-10].
    SendIfNew = 1,
    /// Never [MQTT-3.3.1-11].
    DoNotSend = 2,
}

impl RetainHandling {
    /// `None` for anything above 2.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::SendAtSubscribe),
            1 => Some(Self::SendIfNew),
            2 => Some(Self::DoNotSend),
            _ => None,
        }
    }

    /// 0, 1 or 2.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

/// A packet identifier: 1 to 65,535 (5.0 section 2.2.1, 3.1.1 section 2.3.1).
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// `None` for 0.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number, never 0.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A control packet type: the upper half of a packet's first byte (section 2.1.2; 3.1.1: 2.2.1).
#[repr(u8)]
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub enum PacketType {
    /// Connection request.
    Connect = 1,
    /// Answer to CONNECT.
    Connack = 2,
    /// An application message.
    Publish = 3,
    /// Acknowledgement of a QoS 1 PUBLISH.
    Puback = 4,
    /// QoS 2, first acknowledgement: received.
    Pubrec = 5,
    /// QoS 2, answer to PUBREC: release.
    Pubrel = 6,
    /// QoS 2, last acknowledgement: complete.
    Pubcomp = 7,
    /// Subscription request.
    Subscribe = 8,
    /// Answer to SUBSCRIBE.
    Suback = 9,
    /// Request to end subscriptions.
    Unsubscribe = 10,
    /// Answer to UNSUBSCRIBE.
    Unsuback = 11,
    /// Keep-alive request.
    Pingreq = 12,
    /// Keep-alive answer.
    Pingresp = 13,
    /// Last packet of a connection.
    Disconnect = 14,
    /// Step of an enhanced authentication, 5.0 only.
    Auth = 15,
}

impl PacketType {
    /// The type with this number; `None` for 0, which is reserved, and above 15.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            5 => Self::Pubrec,
            6 => Self::Pubrel,
            7 => Self::Pubcomp,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// 1 to 15.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The set of this one type: bit n is type n.
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn numbers_and_back() {
        for value in 0..=u8::MAX {
            assert_eq!(
                QoS::from_u8(value).map(QoS::as_u8),
                (value <= 2).then_some(value)
            );
            assert_eq!(
                RetainHandling::from_u8(value).map(RetainHandling::as_u8),
                (value <= 2).then_some(value)
            );
            assert_eq!(
                PacketType::from_u8(value).map(PacketType::as_u8),
                (1..=15).contains(&value).then_some(value)
            );
        }
        assert_eq!(PacketId::new(0), None);
        assert_eq!(PacketId::new(65_535).map(PacketId::get), Some(65_535));
    }

    #[test]
    fn an_optional_packet_id_costs_nothing() {
        assert_eq!(size_of::<Option<PacketId>>(), 2);
        assert_eq!(size_of::<Option<PacketType>>(), 1);
    }

    #[test]
    fn texts() {
        assert_eq!(Version::V311.to_string(), "3.1.1");
        assert_eq!(Version::V5.to_string(), "5.0");
        assert_eq!(QoS::ExactlyOnce.to_string(), "2");
        assert_eq!(PacketType::Unsuback.to_string(), "UNSUBACK");
    }
}
