//! Topic Names and Topic Filters: what is well-formed, and whether one matches the other.
//!
//! The rules are section 4.7 of both versions and, for `$share/`, section 4.8.2 of 5.0. Everything here is iterative
//! and allocates nothing, so a topic of 65,535 slashes costs time in proportion to its length and no stack.

mod filter;
mod name;
mod shared;

pub use filter::TopicFilter;
pub use name::TopicName;

pub(crate) use filter::{check_filter, check_filter_bytes, split_level, zeros};
pub(crate) use name::check_name;

use crate::violation::Violation;

/// Why a text is no Topic Name or no Topic Filter.
#[derive(thiserror::Error, Copy, Clone, Eq, PartialEq, Debug)]
#[non_exhaustive]
pub enum TopicError {
    /// There is not one character [MQTT-4.7.3-1].
    #[error("topic is empty")]
    Empty,
    /// More than 65,535 bytes in UTF-8 [MQTT-4.7.3-3].
    #[error("topic is longer than 65,535 bytes")]
    TooLong,
    /// U+0000 occurs in it [MQTT-4.7.3-2].
    #[error("topic contains U+0000")]
    NullCharacter,
    /// `+` or `#` in a Topic Name (5.0: [MQTT-4.7.0-1], 3.1.1: [MQTT-4.7.1-1]).
    #[error("topic name contains a wildcard")]
    WildcardInName,
    /// A `#` that does not fill the last level (5.0: [MQTT-4.7.1-1], 3.1.1: [MQTT-4.7.1-2]).
    #[error("# is not the whole last level")]
    MisplacedMultiLevelWildcard,
    /// A `+` that does not fill its level (5.0: [MQTT-4.7.1-2], 3.1.1: [MQTT-4.7.1-3]).
    #[error("+ is not a whole level")]
    MisplacedSingleLevelWildcard,
    /// A Shared Subscription whose share name is empty (5.0 only: [MQTT-4.8.2-1]).
    #[error("shared subscription has an empty share name")]
    EmptyShareName,
    /// A Shared Subscription with a wildcard in its share name, or without a Topic Filter behind it (5.0 only:
    /// [MQTT-4.8.2-2]).
    #[error("shared subscription is not of the form $share/{{name}}/{{filter}}")]
    ShareName,
}

/// What a peer did that sent this as a Topic Filter, or a Topic Name that is not empty: an empty name can be right, and
/// only the packet it stands in can tell.
impl From<TopicError> for Violation {
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::Empty => Self::TopicFilterEmpty,
            // No packet can carry a longer string; "too large" is the nearest word for one that claims to.
            TopicError::TooLong => Self::PacketTooLarge,
            TopicError::NullCharacter => Self::NullCharacter,
            TopicError::WildcardInName => Self::TopicNameWildcard,
            TopicError::MisplacedMultiLevelWildcard => Self::MultiLevelWildcardMisplaced,
            TopicError::MisplacedSingleLevelWildcard => Self::SingleLevelWildcardMisplaced,
            TopicError::EmptyShareName => Self::ShareNameEmpty,
            TopicError::ShareName => Self::ShareNameInvalid,
        }
    }
}

/// The rule about the length that names and filters share. It counts bytes of UTF-8, not characters.
const fn check_len(text: &str) -> Result<(), TopicError> {
    match text.len() {
        0 => Err(TopicError::Empty),
        1..=0xFFFF => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Version;

    #[test]
    fn violations_name_the_rule_that_was_broken() {
        for (name, violation) in [
            ("a+", Violation::TopicNameWildcard),
            ("#", Violation::TopicNameWildcard),
            ("a\0", Violation::NullCharacter),
        ] {
            assert_eq!(
                check_name(name).map_err(Violation::from),
                Err(violation),
                "{name:?}"
            );
        }
        for (filter, violation) in [
            ("", Violation::TopicFilterEmpty),
            ("a+", Violation::SingleLevelWildcardMisplaced),
            ("#/a", Violation::MultiLevelWildcardMisplaced),
            ("a\0", Violation::NullCharacter),
            ("$share/g", Violation::ShareNameInvalid),
            ("$share/g/a#", Violation::MultiLevelWildcardMisplaced),
        ] {
            let checked = check_filter(Version::V5, filter);
            assert_eq!(
                checked.map_err(Violation::from),
                Err(violation),
                "{filter:?}"
            );
        }
    }
}
