//! Packets and what a decoder says of them: out only.

use serde::ser::{Serialize, SerializeStruct, SerializeTupleVariant, Serializer};

use super::{Octets, sequence};
use crate::packet::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, Publish, PublishHead, ReasonCodes, Suback,
    Subscribe, Subscription, SubscriptionIdentifiers, Subscriptions, TopicFilters, Unsuback,
    Unsubscribe, Will,
};
use crate::property::{Properties, Property};
use crate::violation::DecodeError;

/// What stands for a secret that is there.
const HIDDEN: &str = "(hidden)";

/// Each row: packet and its fields, those that are not serialised as they are with what stands for them.
macro_rules! structures {
    ($($(#[$doc:meta])* $type:ident { $($field:ident $(=> $shown:expr)?),* })*) => {$(
        $(#[$doc])*
        impl Serialize for $type<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // Every field by name, so that none that is added is forgotten.
                let Self { $($field),* } = self;
                let count = [$(stringify!($field)),*].len();
                let mut fields = serializer.serialize_struct(stringify!($type), count)?;
                $(fields.serialize_field(stringify!($field), structures!($field $(=> $shown)?))?;)*
                fields.end()
            }
        }
    )*};
    ($field:ident) => { $field };
    ($field:ident => $shown:expr) => { &$shown($field) };
}

structures! {
    /// A structure with the fields of this one, but in the place of a password stands `"(hidden)"`.
    Connect {
        version, clean_start, keep_alive, client_id, will, user_name,
        password => |password: &Option<&[u8]>| password.map(|_| HIDDEN), properties
    }
    /// A structure with the fields of this one; the payload is bytes.
    Will { topic, payload => octets, qos, retain, properties }
    /// A structure with the fields of this one.
    Connack { session_present, reason, properties }
    /// A structure with the fields of this one; the payload is bytes.
    Publish {
        dup, qos, retain, topic, packet_id, topic_alias, message_expiry_interval,
        subscription_identifiers, properties, payload => octets
    }
    /// A structure with the fields of this one.
    PublishHead { publish, payload_len }
    /// A structure with the fields of this one.
    Ack { packet_id, reason, properties }
    /// A structure with the fields of this one.
    Subscribe { packet_id, subscriptions, properties }
    /// A structure with the fields of this one.
    Subscription { filter, options }
    /// A structure with the fields of this one.
    Suback { packet_id, reason_codes, properties }
    /// A structure with the fields of this one.
    Unsubscribe { packet_id, filters, properties }
    /// A structure with the fields of this one.
    Unsuback { packet_id, reason_codes, properties }
    /// A structure with the fields of this one.
    Disconnect { reason, properties }
    /// A structure with the fields of this one.
    Auth { reason, properties }
}

fn octets<'a>(bytes: &'a &[u8]) -> Octets<'a> {
    Octets::from(*bytes)
}

/// A variant of this enumeration, by its name or by the number of the packet type.
impl Serialize for Packet<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = self.packet_type().as_u8().into();
        macro_rules! variants {
            ($($variant:ident)*) => {
                match self {
                    $(Self::$variant(packet) => serializer.serialize_newtype_variant(
                        "Packet", index, stringify!($variant), packet,
                    ),)*
                    Self::Pingreq => serializer.serialize_unit_variant("Packet", index, "Pingreq"),
                    Self::Pingresp => serializer.serialize_unit_variant("Packet", index, "Pingresp"),
                }
            };
        }
        variants! {
            Connect Connack Publish Puback Pubrec Pubrel Pubcomp Subscribe Suback Unsubscribe
            Unsuback Disconnect Auth
        }
    }
}

/// A variant of this enumeration, by its name or by the property's identifier. Binary data are bytes; in the place of
/// Authentication Data, which may be a password, stands `"(hidden)"`.
impl Serialize for Property<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = self.id().into();
        macro_rules! variants {
            ($($variant:ident)*) => {
                match self {
                    $(Self::$variant(value) => serializer.serialize_newtype_variant(
                        "Property", index, stringify!($variant), value,
                    ),)*
                    Self::CorrelationData(bytes) => serializer.serialize_newtype_variant(
                        "Property", index, "CorrelationData", &octets(bytes),
                    ),
                    Self::AuthenticationData(_) => serializer.serialize_newtype_variant(
                        "Property", index, "AuthenticationData", HIDDEN,
                    ),
                    Self::UserProperty(name, value) => {
                        let mut pair = serializer.serialize_tuple_variant(
                            "Property", index, "UserProperty", 2,
                        )?;
                        pair.serialize_field(name)?;
                        pair.serialize_field(value)?;
                        pair.end()
                    }
                }
            };
        }
        variants! {
            PayloadFormatIndicator MessageExpiryInterval ContentType ResponseTopic
            SubscriptionIdentifier SessionExpiryInterval AssignedClientIdentifier ServerKeepAlive
            AuthenticationMethod RequestProblemInformation WillDelayInterval
            RequestResponseInformation ResponseInformation ServerReference ReasonString
            ReceiveMaximum TopicAliasMaximum TopicAlias MaximumQos RetainAvailable
            MaximumPacketSize WildcardSubscriptionAvailable SubscriptionIdentifierAvailable
            SharedSubscriptionAvailable
        }
    }
}

macro_rules! sequences {
    ($($type:ident)*) => {$(
        /// A sequence in the order of the packet.
        impl Serialize for $type<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                sequence(serializer, self.iter())
            }
        }
    )*};
}

sequences! { Properties SubscriptionIdentifiers Subscriptions ReasonCodes TopicFilters }

/// A structure: `violation`, `reason_code`, `packet_type`, `version`, `offset` and `statement`, each what the method of this
/// name says.
impl Serialize for DecodeError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("DecodeError", 6)?;
        fields.serialize_field("violation", &self.violation())?;
        fields.serialize_field("reason_code", &self.violation().reason_code())?;
        fields.serialize_field("packet_type", &self.packet_type())?;
        fields.serialize_field("version", &self.version())?;
        fields.serialize_field("offset", &self.offset())?;
        fields.serialize_field("statement", self.statement())?;
        fields.end()
    }
}
