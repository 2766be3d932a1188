//! Reason codes of 5.0 (section 2.4) and the return codes of 3.1.1 that correspond to them.

use core::fmt;

use crate::types::{PacketType, QoS, Role};

const CONNACK: u16 = PacketType::Connack.bit();
const PUBACK: u16 = PacketType::Puback.bit();
const PUBREC: u16 = PacketType::Pubrec.bit();
const PUBREL: u16 = PacketType::Pubrel.bit();
const PUBCOMP: u16 = PacketType::Pubcomp.bit();
const SUBACK: u16 = PacketType::Suback.bit();
const UNSUBACK: u16 = PacketType::Unsuback.bit();
const DISCONNECT: u16 = PacketType::Disconnect.bit();
const AUTH: u16 = PacketType::Auth.bit();

/// Each row: variant, value, name, packets in which the client may send it, packets in which the server may.
macro_rules! reason_codes {
    ($($variant:ident = $value:literal, $name:literal, $client:expr, $server:expr;)*) => {
        /// A reason code: how an operation ended, or why a connection ends (5.0, section 2.4).
        ///
        /// Below 0x80 is success, 0x80 and above is failure. In 3.1.1 only CONNACK and SUBACK carry a code;
        /// CONNACK's has its own numbers, see [`ReasonCode::connect_return_code`].
        #[repr(u8)]
        #[non_exhaustive]
        #[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
        pub enum ReasonCode {
            $(#[doc = concat!(stringify!($value), " ", $name)] $variant = $value,)*
        }

        impl ReasonCode {
            /// The code with this number; `None` if the standard has none.
            #[must_use]
            pub const fn from_u8(value: u8) -> Option<Self> {
                Some(match value {
                    $($value => Self::$variant,)*
                    _ => return None,
                })
            }

            /// The packets that may carry the code: from the client, from the server.
            const fn packets(self) -> (u16, u16) {
                match self {
                    $(Self::$variant => ($client, $server),)*
                }
            }

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            #[cfg(any(test, feature = "arbitrary"))]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

const ACKS: u16 = PUBACK | PUBREC;
const ALL_ACKS: u16 = PUBACK | PUBREC | PUBREL | PUBCOMP;
const FAILURE: u16 = CONNACK | ACKS | SUBACK | UNSUBACK | DISCONNECT;

reason_codes! {
    Success = 0x00, "Success", ALL_ACKS | DISCONNECT, CONNACK | ALL_ACKS | SUBACK | UNSUBACK | DISCONNECT | AUTH;
    GrantedQos1 = 0x01, "Granted QoS 1", 0, SUBACK;
    GrantedQos2 = 0x02, "Granted QoS 2", 0, SUBACK;
    DisconnectWithWillMessage = 0x04, "Disconnect with Will Message", DISCONNECT, 0;
    NoMatchingSubscribers = 0x10, "No matching subscribers", 0, ACKS;
    NoSubscriptionExisted = 0x11, "No subscription existed", 0, UNSUBACK;
    ContinueAuthentication = 0x18, "Continue authentication", AUTH, AUTH;
    ReAuthenticate = 0x19, "Re-authenticate", AUTH, 0;
    UnspecifiedError = 0x80, "Unspecified error", ACKS | DISCONNECT, FAILURE;
    MalformedPacket = 0x81, "Malformed Packet", DISCONNECT, CONNACK | DISCONNECT;
    ProtocolError = 0x82, "Protocol Error", DISCONNECT, CONNACK | DISCONNECT;
    ImplementationSpecificError = 0x83, "Implementation specific error", ACKS | DISCONNECT, FAILURE;
    UnsupportedProtocolVersion = 0x84, "Unsupported Protocol Version", 0, CONNACK;
    ClientIdentifierNotValid = 0x85, "Client Identifier not valid", 0, CONNACK;
    BadUserNameOrPassword = 0x86, "Bad User Name or Password", 0, CONNACK;
    NotAuthorized = 0x87, "Not authorized", ACKS, FAILURE;
    ServerUnavailable = 0x88, "Server unavailable", 0, CONNACK;
    ServerBusy = 0x89, "Server busy", 0, CONNACK | DISCONNECT;
    Banned = 0x8A, "Banned", 0, CONNACK;
    ServerShuttingDown = 0x8B, "Server shutting down", 0, DISCONNECT;
    // Table 2-6 has it for DISCONNECT, table 3-10 leaves it out: taken.
    BadAuthenticationMethod = 0x8C, "Bad authentication method", 0, CONNACK | DISCONNECT;
    KeepAliveTimeout = 0x8D, "Keep Alive timeout", 0, DISCONNECT;
    SessionTakenOver = 0x8E, "Session taken over", 0, DISCONNECT;
    TopicFilterInvalid = 0x8F, "Topic Filter invalid", 0, SUBACK | UNSUBACK | DISCONNECT;
    TopicNameInvalid = 0x90, "Topic Name invalid", ACKS | DISCONNECT, CONNACK | ACKS | DISCONNECT;
    PacketIdentifierInUse = 0x91, "Packet Identifier in use", ACKS, ACKS | SUBACK | UNSUBACK;
    PacketIdentifierNotFound = 0x92, "Packet Identifier not found", PUBREL | PUBCOMP, PUBREL | PUBCOMP;
    ReceiveMaximumExceeded = 0x93, "Receive Maximum exceeded", DISCONNECT, DISCONNECT;
    TopicAliasInvalid = 0x94, "Topic Alias invalid", DISCONNECT, DISCONNECT;
    PacketTooLarge = 0x95, "Packet too large", DISCONNECT, CONNACK | DISCONNECT;
    MessageRateTooHigh = 0x96, "Message rate too high", DISCONNECT, DISCONNECT;
    QuotaExceeded = 0x97, "Quota exceeded", ACKS | DISCONNECT, CONNACK | ACKS | SUBACK | DISCONNECT;
    AdministrativeAction = 0x98, "Administrative action", DISCONNECT, DISCONNECT;
    PayloadFormatInvalid = 0x99, "Payload format invalid", ACKS | DISCONNECT, CONNACK | ACKS | DISCONNECT;
    RetainNotSupported = 0x9A, "Retain not supported", 0, CONNACK | DISCONNECT;
    // Table 3-10 says server only, but section 3.3.4 has the client send it.
    QosNotSupported = 0x9B, "QoS not supported", DISCONNECT, CONNACK | DISCONNECT;
    UseAnotherServer = 0x9C, "Use another server", 0, CONNACK | DISCONNECT;
    ServerMoved = 0x9D, "Server moved", 0, CONNACK | DISCONNECT;
    SharedSubscriptionsNotSupported = 0x9E, "Shared Subscriptions not supported", 0, SUBACK | DISCONNECT;
    ConnectionRateExceeded = 0x9F, "Connection rate exceeded", 0, CONNACK | DISCONNECT;
    MaximumConnectTime = 0xA0, "Maximum connect time", 0, DISCONNECT;
    SubscriptionIdentifiersNotSupported = 0xA1, "Subscription Identifiers not supported", 0, SUBACK | DISCONNECT;
    WildcardSubscriptionsNotSupported = 0xA2, "Wildcard Subscriptions not supported", 0, SUBACK | DISCONNECT;
}

impl ReasonCode {
    /// What 0x00 is called in DISCONNECT.
    pub const NORMAL_DISCONNECTION: Self = Self::Success;
    /// What 0x00 is called in SUBACK.
    pub const GRANTED_QOS_0: Self = Self::Success;

    /// The byte on the wire (in 3.1.1's CONNACK: [`ReasonCode::connect_return_code`]).
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Whether the code tells of a failure: 0x80 and above.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// Whether a packet may carry the code in 5.0 (table 2-6, and the table of each packet); with
    /// `sender` also whether that side may send it.
    ///
    /// Where the tables disagree, both readings are taken: 0x8C in DISCONNECT, 0x9B in DISCONNECT from a client.
    #[must_use]
    pub const fn allowed_in(self, packet: PacketType, sender: Option<Role>) -> bool {
        let (client, server) = self.packets();
        let packets = match sender {
            Some(Role::Client) => client,
            Some(Role::Server) => server,
            None => client | server,
        };
        packets & packet.bit() != 0
    }

    /// The SUBACK code that grants this QoS.
    #[must_use]
    pub const fn granted(qos: QoS) -> Self {
        match qos {
            QoS::AtMostOnce => Self::Success,
            QoS::AtLeastOnce => Self::GrantedQos1,
            QoS::ExactlyOnce => Self::GrantedQos2,
        }
    }

    /// The QoS that this SUBACK code grants; `None` if it is a failure or no SUBACK code.
    #[must_use]
    pub const fn granted_qos(self) -> Option<QoS> {
        QoS::from_u8(self as u8)
    }

    /// The Connect Return code of 3.1.1 (section 3.2.2.3), 0 to 5, that says the same; `None` if there is none.
    #[must_use]
    pub const fn connect_return_code(self) -> Option<u8> {
        Some(match self {
            Self::Success => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::ServerUnavailable => 3,
            Self::BadUserNameOrPassword => 4,
            Self::NotAuthorized => 5,
            _ => return None,
        })
    }

    /// The reason code for a Connect Return code of 3.1.1; `None` above 5, which is reserved.
    #[must_use]
    pub const fn from_connect_return_code(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::Success,
            1 => Self::UnsupportedProtocolVersion,
            2 => Self::ClientIdentifierNotValid,
            3 => Self::ServerUnavailable,
            4 => Self::BadUserNameOrPassword,
            5 => Self::NotAuthorized,
            _ => return None,
        })
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X} {}", self.as_u8(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn numbers_and_back() {
        let mut known = 0;
        for value in 0..=u8::MAX {
            if let Some(code) = ReasonCode::from_u8(value) {
                assert_eq!(code.as_u8(), value);
                assert_eq!(code.is_error(), value >= 0x80);
                known += 1;
            }
        }
        assert_eq!(known, ReasonCode::ALL.len());
        assert_eq!(known, 43);
    }

    #[test]
    fn return_codes_of_311() {
        for value in 0..=u8::MAX {
            let code = ReasonCode::from_connect_return_code(value);
            assert_eq!(code.is_some(), value <= 5);
            if let Some(code) = code {
                assert_eq!(code.connect_return_code(), Some(value));
            }
        }
        assert_eq!(ReasonCode::Banned.connect_return_code(), None);
    }

    #[test]
    fn granted_codes() {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            assert_eq!(ReasonCode::granted(qos).granted_qos(), Some(qos));
        }
        assert_eq!(ReasonCode::UnspecifiedError.granted_qos(), None);
        assert_eq!(ReasonCode::DisconnectWithWillMessage.granted_qos(), None);
    }

    /// The number of codes in each packet's own table (3-1, 3-4 to 3-10, and so on), plus 0x8C in DISCONNECT.
    #[test]
    fn codes_per_packet() {
        for (packet, any, client, server) in [
            (PacketType::Connect, 0, 0, 0),
            (PacketType::Connack, 22, 0, 22),
            (PacketType::Publish, 0, 0, 0),
            (PacketType::Puback, 9, 8, 9),
            (PacketType::Pubrec, 9, 8, 9),
            (PacketType::Pubrel, 2, 2, 2),
            (PacketType::Pubcomp, 2, 2, 2),
            (PacketType::Suback, 12, 0, 12),
            (PacketType::Unsuback, 7, 0, 7),
            (PacketType::Disconnect, 30, 15, 29),
            (PacketType::Auth, 3, 2, 2),
        ] {
            let count = |sender| {
                ReasonCode::ALL
                    .iter()
                    .filter(|code| code.allowed_in(packet, sender))
                    .count()
            };
            assert_eq!(count(None), any, "{packet}");
            assert_eq!(
                count(Some(Role::Client)),
                client,
                "{packet} from the client"
            );
            assert_eq!(
                count(Some(Role::Server)),
                server,
                "{packet} from the server"
            );
        }
    }

    #[test]
    fn text() {
        assert_eq!(ReasonCode::NotAuthorized.to_string(), "0x87 Not authorized");
    }
}
