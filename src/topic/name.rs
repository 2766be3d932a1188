use alloc::borrow::Cow;
use core::borrow::Borrow;
use core::fmt;
use core::str::Split;

use super::{TopicError, check_len};
use crate::violation::Violation;
use crate::wire::text;

/// A well-formed Topic Name: what a message is published under.
///
/// One to 65,535 bytes of UTF-8 without U+0000, `+` and `#`. Levels, set apart by `/`, may be empty, and a leading `$`
/// is nothing special in the name itself. Names are compared byte by byte, never normalised [MQTT-4.7.3-4].
///
/// ```
/// use sansio_mqtt::{TopicError, TopicName};
///
/// let name = TopicName::new("sport/tennis")?;
/// assert_eq!(name.levels().collect::<Vec<_>>(), ["sport", "tennis"]);
/// assert_eq!(TopicName::new("sport/+"), Err(TopicError::WildcardInName));
/// # Ok::<(), TopicError>(())
/// ```
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct TopicName<'a>(Cow<'a, str>);

impl<'a> TopicName<'a> {
    /// Checks `text`, borrowed or owned.
    ///
    /// # Errors
    ///
    /// [`Empty`](TopicError::Empty), [`TooLong`](TopicError::TooLong), [`NullCharacter`](TopicError::NullCharacter) or
    /// [`WildcardInName`](TopicError::WildcardInName).
    pub fn new(text: impl Into<Cow<'a, str>>) -> Result<Self, TopicError> {
        let text = text.into();
        check_name(&text)?;
        Ok(Self(text))
    }

    /// Text that was checked before.
    pub(crate) fn checked(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The same, owned.
    pub(crate) fn checked_owned(text: alloc::string::String) -> TopicName<'static> {
        TopicName(Cow::Owned(text))
    }

    /// The same name, free of the lifetime of what it was made from. Copies only what was borrowed.
    #[must_use]
    pub fn into_owned(self) -> TopicName<'static> {
        TopicName(Cow::Owned(self.0.into_owned()))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The levels from left to right, at least one; any of them may be empty.
    #[must_use]
    pub fn levels(&self) -> Split<'_, char> {
        self.0.split('/')
    }
}

/// A map from names can be asked by text: both compare and hash alike.
impl Borrow<str> for TopicName<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for TopicName<'_> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether `name` is a Topic Name, without making one of it.
pub(crate) fn check_name(name: &str) -> Result<(), TopicError> {
    check_len(name)?;
    text::check_topic_name(name, Violation::TopicNameWildcard).map_err(
        |violation| match violation {
            Violation::NullCharacter => TopicError::NullCharacter,
            _ => TopicError::WildcardInName,
        },
    )
}

pub(super) const fn is_wildcard(byte: u8) -> bool {
    matches!(byte, b'+' | b'#')
}
