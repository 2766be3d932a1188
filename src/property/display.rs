//! Properties on one line, for logs, and for `Debug` without what is secret.

use core::fmt::{self, Debug, Display, Formatter};

use super::{Properties, Property};
use crate::display::{Size, Text, list};

/// Such as `Content Type="text/plain"`. Of bytes the number is told; strings are escaped and, if they are longer than
/// 128 bytes, cut.
impl Display for Property<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name())?;
        match *self {
            Self::PayloadFormatIndicator(value)
            | Self::RequestProblemInformation(value)
            | Self::RequestResponseInformation(value)
            | Self::RetainAvailable(value)
            | Self::WildcardSubscriptionAvailable(value)
            | Self::SubscriptionIdentifierAvailable(value)
            | Self::SharedSubscriptionAvailable(value) => write!(f, "{}", u8::from(value)),
            Self::MaximumQos(qos) => write!(f, "{qos}"),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => write!(f, "{value}"),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value)
            | Self::MaximumPacketSize(value)
            | Self::SubscriptionIdentifier(value) => write!(f, "{value}"),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => write!(f, "{}", Text(text)),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                write!(f, "{}", Size(bytes))
            }
            Self::UserProperty(name, value) => write!(f, "{}:{}", Text(name), Text(value)),
        }
    }
}

/// As derived, but of Authentication Data, which may be a password, only the size is told.
impl Debug for Property<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        macro_rules! tuple {
            ($($variant:ident)*) => {
                match self {
                    $(Self::$variant(value) => {
                        f.debug_tuple(stringify!($variant)).field(value).finish()
                    })*
                    Self::AuthenticationData(bytes) => {
                        f.debug_tuple("AuthenticationData").field(&Size(bytes)).finish()
                    }
                    Self::UserProperty(name, value) => {
                        f.debug_tuple("UserProperty").field(name).field(value).finish()
                    }
                }
            };
        }
        tuple! {
            PayloadFormatIndicator MessageExpiryInterval ContentType ResponseTopic CorrelationData
            SubscriptionIdentifier SessionExpiryInterval AssignedClientIdentifier ServerKeepAlive
            AuthenticationMethod RequestProblemInformation WillDelayInterval
            RequestResponseInformation ResponseInformation ServerReference ReasonString
            ReceiveMaximum TopicAliasMaximum TopicAlias MaximumQos RetainAvailable
            MaximumPacketSize WildcardSubscriptionAvailable SubscriptionIdentifierAvailable
            SharedSubscriptionAvailable
        }
    }
}

/// Such as `[Content Type="text/plain", User Property="a":"b"]`; after the sixteenth the rest is counted.
impl Display for Properties<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list(f, self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;
    use crate::types::QoS;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    const SHOWN: [(Property<'_>, &str); 27] = [
        (
            Property::PayloadFormatIndicator(true),
            "Payload Format Indicator=1",
        ),
        (
            Property::MessageExpiryInterval(60),
            "Message Expiry Interval=60",
        ),
        (
            Property::ContentType("text/plain"),
            r#"Content Type="text/plain""#,
        ),
        (Property::ResponseTopic("a\nb"), r#"Response Topic="a\nb""#),
        (
            Property::CorrelationData(b"\n\xFF"),
            "Correlation Data=2 bytes",
        ),
        (
            Property::SubscriptionIdentifier(7),
            "Subscription Identifier=7",
        ),
        (
            Property::SessionExpiryInterval(u32::MAX),
            "Session Expiry Interval=4294967295",
        ),
        (
            Property::AssignedClientIdentifier("c"),
            r#"Assigned Client Identifier="c""#,
        ),
        (Property::ServerKeepAlive(30), "Server Keep Alive=30"),
        (
            Property::AuthenticationMethod("PLAIN\r"),
            r#"Authentication Method="PLAIN\r""#,
        ),
        (
            Property::AuthenticationData(b"secret"),
            "Authentication Data=6 bytes",
        ),
        (
            Property::RequestProblemInformation(false),
            "Request Problem Information=0",
        ),
        (Property::WillDelayInterval(5), "Will Delay Interval=5"),
        (
            Property::RequestResponseInformation(true),
            "Request Response Information=1",
        ),
        (
            Property::ResponseInformation("\u{1b}[1m"),
            r#"Response Information="\u{1b}[1m""#,
        ),
        (
            Property::ServerReference("b:1883"),
            r#"Server Reference="b:1883""#,
        ),
        (
            Property::ReasonString("\"no\"\u{2028}"),
            r#"Reason String="\"no\"\u{2028}""#,
        ),
        (Property::ReceiveMaximum(10), "Receive Maximum=10"),
        (Property::TopicAliasMaximum(0), "Topic Alias Maximum=0"),
        (Property::TopicAlias(3), "Topic Alias=3"),
        (Property::MaximumQos(QoS::AtLeastOnce), "Maximum QoS=1"),
        (Property::RetainAvailable(false), "Retain Available=0"),
        (
            Property::UserProperty("k\0", "v\n"),
            r#"User Property="k\0":"v\n""#,
        ),
        (
            Property::MaximumPacketSize(65_536),
            "Maximum Packet Size=65536",
        ),
        (
            Property::WildcardSubscriptionAvailable(true),
            "Wildcard Subscription Available=1",
        ),
        (
            Property::SubscriptionIdentifierAvailable(true),
            "Subscription Identifier Available=1",
        ),
        (
            Property::SharedSubscriptionAvailable(false),
            "Shared Subscription Available=0",
        ),
    ];

    #[test]
    fn every_property() {
        let ids: Vec<u8> = SHOWN.iter().map(|(property, _)| property.id()).collect();
        let all: Vec<u8> = table::ALL.iter().map(|row| row.0).collect();
        assert_eq!(ids, all);
        for (property, expected) in SHOWN {
            assert_eq!(property.to_string(), expected);
            let list = [property];
            assert_eq!(Properties::from(&list).to_string(), format!("[{expected}]"));
            // The variant is the name without its spaces.
            let debug = format!("{property:?}");
            let (name, _) = debug.split_once('(').unwrap();
            assert_eq!(name, property.name().replace(' ', "").replace("QoS", "Qos"));
        }
    }

    #[test]
    fn many_properties() {
        assert_eq!(Properties::EMPTY.to_string(), "[]");
        let list = [Property::UserProperty("", ""); 20];
        assert_eq!(
            Properties::from(&list).to_string(),
            format!("[{}... 4 more]", "User Property=\"\":\"\", ".repeat(16))
        );
    }

    #[test]
    fn debug_hides_what_may_be_a_password() {
        let list = [
            Property::AuthenticationMethod("PLAIN"),
            Property::AuthenticationData(b"secret"),
            Property::CorrelationData(b"\x01"),
            Property::UserProperty("k", "v"),
        ];
        assert_eq!(
            format!("{:?}", Properties::from(&list)),
            r#"[AuthenticationMethod("PLAIN"), AuthenticationData(6 bytes), CorrelationData([1]), UserProperty("k", "v")]"#
        );
    }
}
