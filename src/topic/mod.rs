//! Topic Names and Topic Filters: what is well-formed, and whether one matches the other.
//!
//! The rules are section 4.7 of both versions and, for `$share/`, section 4.8.2 of 5.0. Everything here is iterative
//! and allocates nothing, so a topic of 65,535 slashes costs time in proportion to its length and no stack.

mod filter;
mod name;
mod shared;

pub use filter::TopicFilter;
pub use name::TopicName;

pub(crate) use filter::check_filter;
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
    /// A `+` that does not fill its level or a `#` that does not fill the last one (5.0: [MQTT-4.7.1-1] and
    /// [MQTT-4.7.1-2], 3.1.1: [MQTT-4.7.1-2] and [MQTT-4.7.1-3]).
    #[error("wildcard does not fill its level, or # is not the last level")]
    MisplacedWildcard,
    /// A Shared Subscription without a ShareName or without a Topic Filter, or with a wildcard in the ShareName
    /// (5.0 only: [MQTT-4.8.2-1], [MQTT-4.8.2-2]).
    #[error("shared subscription is not of the form $share/{{name}}/{{filter}}")]
    ShareName,
}

// Two functions and no `From`: an empty name and an empty filter are different violations.
impl TopicError {
    /// What a peer did that sent this as a Topic Name.
    pub(crate) const fn in_name(self) -> Violation {
        match self {
            Self::Empty => Violation::TopicNameEmpty,
            Self::NullCharacter => Violation::NullCharacter,
            // No packet can carry a longer string; "too large" is the nearest word for one that claims to.
            Self::TooLong => Violation::PacketTooLarge,
            Self::WildcardInName | Self::MisplacedWildcard | Self::ShareName => {
                Violation::TopicNameWildcard
            }
        }
    }

    /// What a peer did that sent this as a Topic Filter.
    pub(crate) const fn in_filter(self) -> Violation {
        match self {
            Self::Empty => Violation::TopicFilterEmpty,
            Self::NullCharacter => Violation::NullCharacter,
            Self::TooLong => Violation::PacketTooLarge,
            Self::WildcardInName | Self::MisplacedWildcard => Violation::TopicFilterWildcard,
            Self::ShareName => Violation::ShareNameInvalid,
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
    fn an_empty_name_and_an_empty_filter_are_different_violations() {
        let name = check_name("").unwrap_err();
        let filter = check_filter(Version::V5, "").unwrap_err();
        assert_eq!(name, filter);
        assert_eq!(name.in_name(), Violation::TopicNameEmpty);
        assert_eq!(filter.in_filter(), Violation::TopicFilterEmpty);
    }

    #[test]
    fn violations_name_the_rule_that_was_broken() {
        for (name, violation) in [
            ("a+", Violation::TopicNameWildcard),
            ("#", Violation::TopicNameWildcard),
            ("a\0", Violation::NullCharacter),
        ] {
            assert_eq!(
                check_name(name).unwrap_err().in_name(),
                violation,
                "{name:?}"
            );
        }
        for (filter, violation) in [
            ("a+", Violation::TopicFilterWildcard),
            ("#/a", Violation::TopicFilterWildcard),
            ("a\0", Violation::NullCharacter),
            ("$share/g", Violation::ShareNameInvalid),
            ("$share/g/a#", Violation::TopicFilterWildcard),
        ] {
            let error = check_filter(Version::V5, filter).unwrap_err();
            assert_eq!(error.in_filter(), violation, "{filter:?}");
        }
    }
}
