//! What a *peer* can do wrong, and how a decoder says so.

use core::fmt;

use crate::reason::ReasonCode;
use crate::types::{PacketType, Version};

/// What 3.1.1 says of every violation that it has no statement of its own for: the connection is closed.
const CLOSE: &str = "MQTT-4.8.0-1";

/// What 3.1 says of what it has no rule of its own for: section 3, on its messages.
const LEGACY: &str = "section 3";

/// Each row: variant, reason code, statement or section of 5.0, of 3.1.1 (`CLOSE` where it has none), text. Those of 3.1 are in
/// `statement_v31`.
macro_rules! violations {
    ($($variant:ident, $code:ident, $v5:expr, $v311:expr, $text:literal;)*) => {
        /// One way in which a peer can break the standard.
        ///
        /// Its `Display` is a phrase such as `topic name contains a wildcard`.
        #[repr(u8)]
        #[non_exhaustive]
        #[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
        pub enum Violation {
            $(#[doc = concat!($text, " (", stringify!($code), ").")] $variant,)*
        }

        impl Violation {
            /// The reason code that 5.0 has for it, for a DISCONNECT or a CONNACK. Where the text names no
            /// code: 0x81 for what cannot be parsed, 0x82 for what is parsed but not allowed (section 1.2).
            #[must_use]
            pub const fn reason_code(self) -> ReasonCode {
                match self { $(Self::$variant => ReasonCode::$code,)* }
            }

            /// The numbered statement that is broken, such as `MQTT-3.3.2-2`, or where the rule has no
            /// number its section, such as `section 2.2.2.2`. Where 3.1.1 has no rule of its own, its
            /// statement on all violations. 3.1 numbers nothing; `section A` is its Appendix A.
            #[must_use]
            pub const fn statement(self, version: Version) -> &'static str {
                match version {
                    Version::V5 => match self { $(Self::$variant => $v5,)* },
                    Version::V311 => match self { $(Self::$variant => $v311,)* },
                    Version::V31 => statement_v31(self),
                }
            }

            const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The violation with this discriminant.
            pub(crate) fn from_u8(value: u8) -> Self {
                Self::ALL.get(usize::from(value)).copied().unwrap_or(Self::Truncated)
            }
        }
    };
}

violations! {
    // What the codec finds.
    PacketTypeReserved, MalformedPacket, "section 2.1.2", "section 2.2.1", "packet type is reserved";
    FixedHeaderFlags, MalformedPacket, "MQTT-2.1.3-1", "MQTT-2.2.2-1", "fixed header flags are wrong";
    RemainingLengthTooLong, MalformedPacket, "section 1.5.5", "section 2.2.3", "remaining length has more than four bytes";
    VariableByteIntegerTooLong, MalformedPacket, "section 1.5.5", CLOSE, "variable byte integer has more than four bytes";
    VariableByteIntegerOverlong, MalformedPacket, "MQTT-1.5.5-1", CLOSE, "variable byte integer has more bytes than it needs";
    PacketTooLarge, PacketTooLarge, "section 3.1.2.11.4", "MQTT-4.8.0-2", "packet is larger than the receiver takes";
    PublishHeadTooLarge, QuotaExceeded, "section 3.14.2.1", "MQTT-4.8.0-2", "topic and properties are longer than the receiver takes";
    Truncated, MalformedPacket, "section 1.2", CLOSE, "field runs past the end of the packet";
    TrailingBytes, MalformedPacket, "section 1.2", CLOSE, "bytes are left over after the last field";
    Utf8Invalid, MalformedPacket, "MQTT-1.5.4-1", "MQTT-1.5.3-1", "string is not well-formed UTF-8";
    NullCharacter, MalformedPacket, "MQTT-1.5.4-2", "MQTT-1.5.3-2", "string contains U+0000";
    DisallowedCharacter, MalformedPacket, "section 1.5.4", "section 1.5.3", "string contains a control character or a noncharacter";
    PacketIdZero, ProtocolError, "section 2.2.1", "MQTT-2.3.1-1", "packet identifier is 0";
    DupWithQos0, MalformedPacket, "MQTT-3.3.1-2", "MQTT-3.3.1-2", "DUP is set on a QoS 0 message";
    QosInvalid, MalformedPacket, "MQTT-3.3.1-4", "MQTT-3.3.1-4", "QoS is 3";
    TopicNameEmpty, ProtocolError, "MQTT-4.7.3-1", "MQTT-4.7.3-1", "topic name is empty";
    TopicNameWildcard, MalformedPacket, "MQTT-3.3.2-2", "MQTT-3.3.2-2", "topic name contains a wildcard";
    TopicFilterEmpty, TopicFilterInvalid, "MQTT-4.7.3-1", "MQTT-4.7.3-1", "topic filter is empty";
    MultiLevelWildcardMisplaced, TopicFilterInvalid, "MQTT-4.7.1-1", "MQTT-4.7.1-2", "# in a topic filter is not the whole last level";
    SingleLevelWildcardMisplaced, TopicFilterInvalid, "MQTT-4.7.1-2", "MQTT-4.7.1-3", "+ in a topic filter is not a whole level";
    ShareNameEmpty, TopicFilterInvalid, "MQTT-4.8.2-1", CLOSE, "shared subscription has an empty share name";
    ShareNameInvalid, TopicFilterInvalid, "MQTT-4.8.2-2", CLOSE, "shared subscription has a wildcard in its share name, or no topic filter behind it";
    ResponseTopicWildcard, ProtocolError, "MQTT-3.3.2-14", CLOSE, "response topic contains a wildcard";
    PropertyUnknown, MalformedPacket, "section 2.2.2.2", CLOSE, "property identifier is unknown";
    PropertyNotAllowed, MalformedPacket, "section 2.2.2.2", CLOSE, "property is not allowed in this packet";
    PropertyDuplicate, ProtocolError, "section 2.2.2", CLOSE, "property is there twice";
    PropertyLength, MalformedPacket, "section 2.2.2.1", CLOSE, "property runs past its block, or the block past the packet";
    PropertyValue, ProtocolError, "section 2.2.2", CLOSE, "property value is neither 0 nor 1";
    ReceiveMaximumZero, ProtocolError, "section 3.1.2.11.3", CLOSE, "receive maximum is 0";
    MaximumPacketSizeZero, ProtocolError, "section 3.1.2.11.4", CLOSE, "maximum packet size is 0";
    TopicAliasZero, TopicAliasInvalid, "MQTT-3.3.2-8", CLOSE, "topic alias is 0";
    SubscriptionIdentifierZero, ProtocolError, "section 3.8.2.1.2", CLOSE, "subscription identifier is 0";
    SubscriptionIdentifierFromClient, ProtocolError, "MQTT-3.3.4-6", CLOSE, "client's message has a subscription identifier";
    AuthenticationDataWithoutMethod, ProtocolError, "section 3.1.2.11.10", CLOSE, "authentication data without an authentication method";
    AuthenticationMethodMissing, ProtocolError, "section 3.15.2.2.2", CLOSE, "authentication method is missing";
    SessionExpiryFromServer, ProtocolError, "MQTT-3.14.2-2", CLOSE, "server's DISCONNECT has a session expiry interval";
    ProtocolName, UnsupportedProtocolVersion, "MQTT-3.1.2-1", "MQTT-3.1.2-1", "protocol name is not MQTT";
    ProtocolVersion, UnsupportedProtocolVersion, "MQTT-3.1.2-2", "MQTT-3.1.2-2", "protocol version is unknown";
    ProtocolVersionLegacy, UnsupportedProtocolVersion, "MQTT-3.1.2-2", "MQTT-3.1.2-2", "protocol version is older than 3.1.1";
    ConnectFlagReserved, MalformedPacket, "MQTT-3.1.2-3", "MQTT-3.1.2-3", "reserved connect flag is set";
    WillQosInvalid, MalformedPacket, "MQTT-3.1.2-12", "MQTT-3.1.2-14", "will QoS is 3";
    WillQosWithoutWill, MalformedPacket, "MQTT-3.1.2-11", "MQTT-3.1.2-13", "will QoS without a will";
    WillRetainWithoutWill, MalformedPacket, "MQTT-3.1.2-13", "MQTT-3.1.2-15", "will retain without a will";
    PasswordWithoutUserName, MalformedPacket, "section 3.1.2.9", "MQTT-3.1.2-22", "password without a user name";
    ConnackFlags, MalformedPacket, "MQTT-3.2.2-1", "section 3.2.2.1", "reserved connect acknowledge flags are set";
    SessionPresentWithRefusal, ProtocolError, "MQTT-3.2.2-6", "MQTT-3.2.2-4", "session present in a refusal";
    ReasonCodeInvalid, ProtocolError, "section 2.4", CLOSE, "reason code is not one of this packet from this sender";
    NoTopicFilters, ProtocolError, "MQTT-3.8.3-2", "MQTT-3.8.3-3", "no topic filter";
    NoReasonCodes, ProtocolError, "MQTT-3.8.4-6", "MQTT-3.8.4-5", "no reason code";
    SubscriptionOptionsReserved, MalformedPacket, "MQTT-3.8.3-5", "MQTT-3.8.3-4", "reserved bits of the subscription options are set";
    SubscriptionQos, ProtocolError, "section 3.8.3.1", "MQTT-3.8.3-4", "requested QoS is 3";
    RetainHandlingInvalid, ProtocolError, "section 3.8.3.1", CLOSE, "retain handling is 3";
    NoLocalShared, ProtocolError, "MQTT-3.8.3-4", CLOSE, "no local on a shared subscription";
    PacketTypeNotInVersion, MalformedPacket, "section 2.1.2", "section 2.2.1", "packet type does not exist in this version";
    PacketTypeWrongDirection, ProtocolError, "section 2.1.2", "section 2.2.1", "packet type is not one that this side sends";
    // What a connection finds: the packet is well formed, but not here and now.
    FirstPacketNotConnect, ProtocolError, "MQTT-3.1.0-1", "MQTT-3.1.0-1", "first packet is not CONNECT";
    SecondConnect, ProtocolError, "MQTT-3.1.0-2", "MQTT-3.1.0-2", "second CONNECT";
    UnexpectedPacket, ProtocolError, "section 1.2", CLOSE, "packet does not fit the state of the connection";
    ClientIdEmpty, ClientIdentifierNotValid, "section 3.1.3.1", "MQTT-3.1.3-7", "client identifier is empty";
    ReceiveMaximumExceeded, ReceiveMaximumExceeded, "section 3.3.4", CLOSE, "more messages in flight than the receive maximum";
    TopicAliasTooLarge, TopicAliasInvalid, "section 3.3.4", CLOSE, "topic alias is above the topic alias maximum";
    TopicAliasUnknown, ProtocolError, "section 3.3.4", CLOSE, "topic alias stands for no topic";
    QosNotSupported, QosNotSupported, "MQTT-3.2.2-11", CLOSE, "QoS is above the maximum QoS";
    RetainNotSupported, RetainNotSupported, "MQTT-3.2.2-14", CLOSE, "retained message, but retain is not available";
    WildcardNotSupported, WildcardSubscriptionsNotSupported, "section 3.2.2.3.11", CLOSE, "wildcard subscription, but they are not available";
    SharedNotSupported, SharedSubscriptionsNotSupported, "section 3.2.2.3.13", CLOSE, "shared subscription, but they are not available";
    SubscriptionIdentifierNotSupported, SubscriptionIdentifiersNotSupported, "section 3.2.2.3.12", CLOSE, "subscription identifier, but they are not available";
    PacketIdInUse, ProtocolError, "section 2.2.1", "section 2.3.1", "packet identifier is in use";
    AckUnexpected, ProtocolError, "section 4.3", CLOSE, "acknowledgement does not fit the message";
    ReasonCodeCount, ProtocolError, "MQTT-3.8.4-6", "MQTT-3.8.4-5", "not one reason code for each topic filter";
    SessionPresentUnexpected, ProtocolError, "MQTT-3.2.2-4", "section 3.2.2.2", "session present, but there is no session";
    AuthenticationMethodMismatch, ProtocolError, "MQTT-4.12.0-5", CLOSE, "authentication method is not that of CONNECT";
    AuthenticationNotNegotiated, ProtocolError, "section 4.12", CLOSE, "authentication, but CONNECT had no authentication method";
    ReauthenticationMethod, ProtocolError, "MQTT-4.12.1-1", CLOSE, "re-authentication with another method";
    AuthenticationUnexpected, ProtocolError, "section 4.12", CLOSE, "authentication out of turn";
    AuthenticationRounds, QuotaExceeded, "section 4.12", CLOSE, "too many steps of authentication";
    SessionExpiryRaised, ProtocolError, "section 3.14.2.2.2", CLOSE, "session expiry interval raised from 0";
    ProblemInformationNotRequested, ProtocolError, "MQTT-3.1.2-29", CLOSE, "reason string or user property, but problem information was declined";
    RetransmissionWithinConnection, ProtocolError, "MQTT-4.4.0-1", CLOSE, "message sent again within one connection";
    ClientIdTooLong, ClientIdentifierNotValid, "section 3.1.3.1", "section 3.1.3.1", "client identifier has more than 23 characters";
}

/// The section of 3.1. What it has no rule of its own for cannot occur there, or is a violation as such.
const fn statement_v31(violation: Violation) -> &'static str {
    use Violation as V;

    match violation {
        V::PacketTypeReserved
        | V::PacketTypeNotInVersion
        | V::PacketTypeWrongDirection
        | V::FixedHeaderFlags
        | V::RemainingLengthTooLong
        | V::PacketTooLarge
        | V::Truncated
        | V::TrailingBytes
        | V::DupWithQos0
        | V::QosInvalid => "section 2.1",
        V::PacketIdZero | V::PacketIdInUse => "section 2.4",
        V::Utf8Invalid => "section 2.5",
        V::ProtocolName
        | V::ProtocolVersion
        | V::ProtocolVersionLegacy
        | V::ConnectFlagReserved
        | V::WillQosInvalid
        | V::WillQosWithoutWill
        | V::WillRetainWithoutWill
        | V::PasswordWithoutUserName
        | V::FirstPacketNotConnect
        | V::SecondConnect
        | V::ClientIdEmpty
        | V::ClientIdTooLong => "section 3.1",
        V::ConnackFlags | V::SessionPresentWithRefusal | V::SessionPresentUnexpected => {
            "section 3.2"
        }
        V::NoTopicFilters | V::SubscriptionOptionsReserved | V::SubscriptionQos => "section 3.8",
        V::NoReasonCodes | V::ReasonCodeCount => "section 3.9",
        V::AckUnexpected => "section 4.1",
        V::NullCharacter
        | V::TopicNameEmpty
        | V::TopicNameWildcard
        | V::TopicFilterEmpty
        | V::MultiLevelWildcardMisplaced
        | V::SingleLevelWildcardMisplaced => "section A",
        _ => LEGACY,
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Why the bytes of a peer are not an MQTT packet: what is wrong, in which packet, where.
///
/// Reads like `malformed PUBLISH at byte 7: topic name contains a wildcard [MQTT-3.3.2-2]`.
#[derive(Copy, Clone, Eq, PartialEq, Debug, thiserror::Error)]
#[cfg_attr(test, derive(Hash))]
pub struct DecodeError {
    violation: Violation,
    packet_type: Option<PacketType>,
    version: Version,
    offset: u32,
}

impl DecodeError {
    pub(crate) const fn new(
        violation: Violation,
        packet_type: Option<PacketType>,
        version: Version,
        offset: u32,
    ) -> Self {
        Self {
            violation,
            packet_type,
            version,
            offset,
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn violation(&self) -> Violation {
        self.violation
    }

    /// The packet it is wrong in; `None` if the first byte names no packet type.
    #[must_use]
    pub const fn packet_type(&self) -> Option<PacketType> {
        self.packet_type
    }

    /// The version whose rule is broken: that of the connection, or for a CONNECT its own if it names one.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Where the offending field begins, in bytes from the first byte of the packet.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }

    /// The statement or section that is broken: that of the [`Violation`], or a closer one if the packet type
    /// decides which of several statements it is.
    #[must_use]
    pub const fn statement(&self) -> &'static str {
        match self.packet_type {
            Some(packet_type) => statement_in(self.violation, packet_type, self.version),
            None => self.violation.statement(self.version),
        }
    }
}

/// Where the same mistake breaks different statements in different packets.
const fn statement_in(
    violation: Violation,
    packet_type: PacketType,
    version: Version,
) -> &'static str {
    use PacketType as P;
    use Version::{V5, V31, V311};
    use Violation as V;

    match (violation, packet_type, version) {
        (V::FixedHeaderFlags, P::Connect, V31) => "section 3.1",
        (V::TopicNameWildcard, P::Publish, V31) => "section 3.3",
        (V::ReasonCodeInvalid, P::Connack, V31) => "section 3.2",
        (V::ReasonCodeInvalid, P::Suback, V31) => "section 3.9",
        (V::NoTopicFilters, P::Unsubscribe, V31) => "section 3.10",
        (_, _, V31) => violation.statement(version),
        (V::FixedHeaderFlags, P::Pubrel, _) => "MQTT-3.6.1-1",
        (V::FixedHeaderFlags, P::Subscribe, _) => "MQTT-3.8.1-1",
        (V::FixedHeaderFlags, P::Unsubscribe, _) => "MQTT-3.10.1-1",
        (V::FixedHeaderFlags, P::Disconnect, _) => "MQTT-3.14.1-1",
        (V::FixedHeaderFlags, P::Auth, V5) => "MQTT-3.15.1-1",
        (V::PacketIdZero, P::Subscribe | P::Unsubscribe, V5) => "MQTT-2.2.1-3",
        (V::PacketIdZero, P::Puback | P::Pubrec | P::Pubrel | P::Pubcomp, V5) => "MQTT-2.2.1-5",
        (V::PacketIdZero, P::Suback | P::Unsuback, V5) => "MQTT-2.2.1-6",
        (V::PacketIdZero, P::Puback | P::Pubrec | P::Pubrel, V311) => "MQTT-2.3.1-6",
        (V::PacketIdZero, P::Pubcomp, V311) => "MQTT-4.3.3-2",
        (V::PacketIdZero, P::Suback | P::Unsuback, V311) => "MQTT-2.3.1-7",
        (V::TopicNameWildcard, P::Connect, V311) => "MQTT-4.7.1-1",
        (V::TopicNameWildcard | V::ResponseTopicWildcard, P::Connect, V5) => "MQTT-4.7.0-1",
        (V::ReceiveMaximumZero, P::Connack, V5) => "section 3.2.2.3.3",
        (V::MaximumPacketSizeZero, P::Connack, V5) => "section 3.2.2.3.6",
        (V::AuthenticationDataWithoutMethod, P::Connack, V5) => "section 4.12",
        (V::SubscriptionIdentifierZero, P::Publish, V5) => "section 3.3.2.3.8",
        // Said of each property in the section on the packet, and for a CONNECT also in that on its will.
        (V::PropertyDuplicate | V::PropertyValue, _, V5) => match packet_type {
            P::Connect => "section 3.1",
            P::Connack => "section 3.2.2.3",
            P::Publish => "section 3.3.2.3",
            P::Puback => "section 3.4.2.2",
            P::Pubrec => "section 3.5.2.2",
            P::Pubrel => "section 3.6.2.2",
            P::Pubcomp => "section 3.7.2.2",
            P::Subscribe => "section 3.8.2.1",
            P::Suback => "section 3.9.2.1",
            P::Unsuback => "section 3.11.2.1",
            P::Disconnect => "section 3.14.2.2",
            P::Auth => "section 3.15.2.2",
            _ => violation.statement(version),
        },
        (V::ReasonCodeInvalid, P::Connack, V311) => "section 3.2.2.3",
        (V::ReasonCodeInvalid, P::Suback, _) => "MQTT-3.9.3-2",
        (V::ReasonCodeInvalid, _, V5) => match packet_type {
            P::Connack => "MQTT-3.2.2-8",
            P::Puback => "MQTT-3.4.2-1",
            P::Pubrec => "MQTT-3.5.2-1",
            P::Pubrel => "MQTT-3.6.2-1",
            P::Pubcomp => "MQTT-3.7.2-1",
            P::Unsuback => "MQTT-3.11.3-2",
            P::Disconnect => "MQTT-3.14.2-1",
            P::Auth => "MQTT-3.15.2-1",
            _ => violation.statement(version),
        },
        (V::NoReasonCodes | V::ReasonCodeCount, P::Unsuback, V5) => "MQTT-3.11.3-2",
        (V::NoTopicFilters, P::Unsubscribe, _) => "MQTT-3.10.3-2",
        _ => violation.statement(version),
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The two kinds of section 1.2 of 5.0: what cannot be parsed, and what is parsed but not allowed.
        let kind = match self.violation.reason_code() {
            ReasonCode::MalformedPacket => "malformed",
            _ => "protocol error in",
        };
        write!(f, "{kind} ")?;
        match self.packet_type {
            Some(packet_type) => write!(f, "{packet_type}")?,
            None => f.write_str("packet")?,
        }
        write!(
            f,
            " at byte {}: {} [{}]",
            self.offset,
            self.violation,
            self.statement()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_error_is_eight_bytes() {
        assert_eq!(size_of::<DecodeError>(), 8);
        assert_eq!(size_of::<Result<(), DecodeError>>(), 8);
    }

    #[test]
    fn texts() {
        let error = |violation, packet_type, version| {
            DecodeError::new(violation, packet_type, version, 7).to_string()
        };
        assert_eq!(
            error(
                Violation::TopicNameWildcard,
                Some(PacketType::Publish),
                Version::V5
            ),
            "malformed PUBLISH at byte 7: topic name contains a wildcard [MQTT-3.3.2-2]"
        );
        assert_eq!(
            error(
                Violation::PacketIdZero,
                Some(PacketType::Puback),
                Version::V311
            ),
            "protocol error in PUBACK at byte 7: packet identifier is 0 [MQTT-2.3.1-6]"
        );
        assert_eq!(
            error(Violation::PacketTypeReserved, None, Version::V5),
            "malformed packet at byte 7: packet type is reserved [section 2.1.2]"
        );
        assert_eq!(
            error(
                Violation::NoTopicFilters,
                Some(PacketType::Unsubscribe),
                Version::V5
            ),
            "protocol error in UNSUBSCRIBE at byte 7: no topic filter [MQTT-3.10.3-2]"
        );
    }

    #[test]
    fn every_violation_is_a_failure_with_a_source() {
        for violation in Violation::ALL {
            assert!(violation.reason_code().is_error(), "{violation:?}");
            for version in [Version::V31, Version::V311, Version::V5] {
                let statement = violation.statement(version);
                assert!(
                    statement.starts_with("MQTT-") || statement.starts_with("section "),
                    "{violation:?}: {statement}"
                );
            }
        }
    }
}
