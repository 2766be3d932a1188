//! The words of the standard: numbers where the standard has numbers, texts where it has names.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use serde::de::{self, Deserialize, Deserializer, Unexpected};
use serde::ser::{Serialize, Serializer};

use crate::options::QueuePolicy;
use crate::reason::ReasonCode;
use crate::session::{DropReason, PublishHandle};
use crate::time::Instant;
use crate::types::{PacketId, PacketType, QoS, RetainHandling, Role, Version};
use crate::violation::Violation;

/// Each row: type, its number, the number of a value, the value of a number, which numbers there are.
macro_rules! numbers {
    ($($type:ident as $number:ident, $to:expr, $from:expr, $expected:literal;)*) => {$(
        #[doc = concat!("A number: ", $expected, ".")]
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $to(*self).serialize(serializer)
            }
        }

        #[doc = concat!("A number: ", $expected, "; any other is refused.")]
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = $number::deserialize(deserializer)?;
                $from(number).ok_or_else(|| {
                    de::Error::invalid_value(Unexpected::Unsigned(number.into()), &$expected)
                })
            }
        }
    )*};
}

numbers! {
    QoS as u8, QoS::as_u8, QoS::from_u8, "0, 1 or 2";
    RetainHandling as u8, RetainHandling::as_u8, RetainHandling::from_u8, "0, 1 or 2";
    PacketId as u16, PacketId::get, PacketId::new, "1 to 65,535";
    ReasonCode as u8, ReasonCode::as_u8, ReasonCode::from_u8, "a reason code of MQTT 5.0";
    PublishHandle as u64, PublishHandle::as_u64, |handle| (handle != 0).then_some(PublishHandle::from_u64(handle)),
        "a handle, not 0";
    Instant as u64, Instant::as_millis, |millis| Some(Instant::from_millis(millis)),
        "milliseconds since the origin";
}

/// Each row: type, all its values, the text of a value, what the texts are.
macro_rules! texts {
    ($($type:ident, $all:expr, $text:expr, $expected:literal;)*) => {$(
        #[doc = concat!("A text: ", $expected, ".")]
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$text(self))
            }
        }

        #[doc = concat!("A text: ", $expected, "; any other is refused.")]
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                let mut all = $all;
                all.find(|value| -> bool { $text(value) == text }).ok_or_else(|| {
                    de::Error::invalid_value(Unexpected::Str(&text), &$expected)
                })
            }
        }
    )*};
}

texts! {
    Version, [Version::V31, Version::V311, Version::V5].into_iter(), Version::to_string,
        "the version as the standard writes it, such as `3.1.1` or `5.0`";
    Role, [Role::Client, Role::Server].into_iter(), Role::to_string, "`client` or `server`";
    PacketType, (0..=15).filter_map(PacketType::from_u8), PacketType::to_string,
        "the name of a control packet, such as `PUBLISH`";
    QueuePolicy, [QueuePolicy::Reject, QueuePolicy::DropOldest, QueuePolicy::DropQos0First].into_iter(),
        |policy: &QueuePolicy| format!("{policy:?}"), "the name of a variant, such as `DropOldest`";
    DropReason, [
        DropReason::SessionLost, DropReason::PacketTooLarge, DropReason::Expired, DropReason::NotSupported,
        DropReason::QueueFull,
    ].into_iter(), |reason: &DropReason| format!("{reason:?}"), "the name of a variant, such as `Expired`";
    // The numbers of the variants shift as variants are added.
    Violation, Violation::ALL.iter().copied(), name, "the name of a variant, such as `QosInvalid`";
}

fn name(violation: &Violation) -> String {
    format!("{violation:?}")
}
