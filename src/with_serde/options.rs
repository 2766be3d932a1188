//! The options of a connection, as from a configuration file.

use core::time::Duration;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::options::{Options, QueuePolicy};

/// Each row: field, its type, how it is read from the options, how it is set.
macro_rules! options {
    ($($name:ident: $type:ty, $get:expr, $set:expr;)*) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename = "Options", default, deny_unknown_fields)]
        struct Fields {
            $($name: $type,)*
        }

        impl Default for Fields {
            fn default() -> Self {
                Self::from(&Options::new())
            }
        }

        impl From<&Options> for Fields {
            fn from(options: &Options) -> Self {
                Self { $($name: $get(options),)* }
            }
        }

        impl Fields {
            /// The error names a field whose value the options do not hold.
            fn apply(self) -> Result<Options, &'static str> {
                let options = Options::new();
                $(let options = $set(options, self.$name);)*
                let held = Self::from(&options);
                $(if held.$name != self.$name {
                    return Err(concat!("value out of the bounds of ", stringify!($name)));
                })*
                Ok(options)
            }
        }
    };
}

options! {
    maximum_packet_size: u32, Options::maximum_packet_size, Options::with_maximum_packet_size;
    maximum_connect_size: u32, Options::maximum_connect_size, Options::with_maximum_connect_size;
    maximum_kept_messages: u32, Options::maximum_kept_messages, Options::with_maximum_kept_messages;
    maximum_kept_bytes: u32, Options::maximum_kept_bytes, Options::with_maximum_kept_bytes;
    maximum_authentication_rounds: u8, Options::maximum_authentication_rounds, Options::with_maximum_authentication_rounds;
    queue_policy: QueuePolicy, Options::queue_policy, Options::with_queue_policy;
    maximum_reply_bytes: u32, Options::maximum_reply_bytes, Options::with_maximum_reply_bytes;
    maximum_open_requests: u16, Options::maximum_open_requests, Options::with_maximum_open_requests;
    receive_maximum: u16, Options::receive_maximum, Options::with_receive_maximum;
    topic_alias_maximum: u16, Options::topic_alias_maximum, Options::with_topic_alias_maximum;
    automatic_topic_aliases: u16, Options::automatic_topic_aliases, Options::with_automatic_topic_aliases;
    manual_acknowledgement: bool, Options::manual_acknowledgement, Options::with_manual_acknowledgement;
    answer_invalid_filters: bool, Options::answer_invalid_filters, Options::with_answer_invalid_filters;
    whole_publish_limit: u32, Options::whole_publish_limit, Options::with_whole_publish_limit;
    maximum_publish_head: u32, Options::maximum_publish_head, Options::with_maximum_publish_head;
    accept_v31: bool, Options::accept_v31, Options::with_accept_v31;
    change_records: bool, Options::change_records, Options::with_change_records;
    control_characters_refused: bool, Options::control_characters_refused, Options::with_control_characters_refused;
    connect_timeout_ms: u64, |options: &Options| milliseconds(options.connect_timeout()),
        |options: Options, millis| options.with_connect_timeout(Duration::from_millis(millis));
    ping_timeout_ms: u64, |options: &Options| milliseconds(options.ping_timeout()),
        |options: Options, millis| options.with_ping_timeout(Duration::from_millis(millis));
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A structure with a field for each option: `maximum_packet_size`, and so on; `connect_timeout_ms` and `ping_timeout_ms`
/// in milliseconds.
impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields::from(self).serialize(serializer)
    }
}

/// A field that is left out has its default. A field that does not exist is refused, and so is a value that the setter would
/// change, such as a Receive Maximum of 0.
impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields::deserialize(deserializer)?
            .apply()
            .map_err(de::Error::custom)
    }
}
