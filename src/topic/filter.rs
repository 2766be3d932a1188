use alloc::borrow::Cow;
use core::fmt;

use super::name::is_wildcard;
use super::{TopicError, TopicName, check_len, shared};
use crate::types::Version;

/// A well-formed Topic Filter: what a subscription asks for.
///
/// One to 65,535 bytes of UTF-8 without U+0000, in which `+` fills one whole level and `#` the last one. In 5.0 a
/// filter of the form `$share/{ShareName}/{filter}` is a Shared Subscription; in 3.1.1 it is an ordinary filter.
///
/// ```
/// use sansio_mqtt::{TopicFilter, TopicName, Version};
///
/// let filter = TopicFilter::new(Version::V5, "$share/workers/sport/+/score")?;
/// assert_eq!(filter.share_name(), Some("workers"));
/// assert_eq!(filter.filter(), "sport/+/score");
/// assert!(filter.matches(&TopicName::new("sport/tennis/score")?));
/// # Ok::<(), sansio_mqtt::TopicError>(())
/// ```
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct TopicFilter<'a> {
    text: Cow<'a, str>,
    /// Where the filter inside `$share/{ShareName}/` starts; 0: not shared.
    inner: u16,
}

impl<'a> TopicFilter<'a> {
    /// Checks `text`, borrowed or owned, by the rules of `version`.
    ///
    /// # Errors
    ///
    /// [`Empty`](TopicError::Empty), [`TooLong`](TopicError::TooLong), [`NullCharacter`](TopicError::NullCharacter),
    /// [`MisplacedWildcard`](TopicError::MisplacedWildcard) or, in 5.0, [`ShareName`](TopicError::ShareName).
    pub fn new(version: Version, text: impl Into<Cow<'a, str>>) -> Result<Self, TopicError> {
        let text = text.into();
        let inner = check(version, &text)?;
        let inner = u16::try_from(inner).map_err(|_| TopicError::TooLong)?;
        Ok(Self { text, inner })
    }

    /// The same filter, free of the lifetime of what it was made from. Copies only what was borrowed.
    #[must_use]
    pub fn into_owned(self) -> TopicFilter<'static> {
        TopicFilter {
            text: Cow::Owned(self.text.into_owned()),
            inner: self.inner,
        }
    }

    /// The whole filter, as it stands in SUBSCRIBE: with `$share/{ShareName}/`, if it is shared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The share name, if this is a Shared Subscription.
    #[must_use]
    pub fn share_name(&self) -> Option<&str> {
        shared::share_name(&self.text, usize::from(self.inner))
    }

    /// The filter that topics are matched with: without `$share/{ShareName}/`.
    #[must_use]
    pub fn filter(&self) -> &str {
        // The start lies behind a slash, so on a character boundary, and before the end.
        self.text.get(usize::from(self.inner)..).unwrap_or_default()
    }

    /// Whether `+` or `#` occurs in it.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.text.bytes().any(is_wildcard)
    }

    /// Whether a message published under `name` is meant (section 4.7).
    ///
    /// `#` stands for its parent too: `sport/#` matches `sport`. A filter that starts with a wildcard, also one inside
    /// `$share/{ShareName}/`, does not match a name that starts with `$` [MQTT-4.7.2-1].
    #[must_use]
    pub fn matches(&self, name: &TopicName<'_>) -> bool {
        matches(self.filter().as_bytes(), name.as_str().as_bytes())
    }
}

impl AsRef<str> for TopicFilter<'_> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether `filter` is a Topic Filter in `version`, without making one of it.
pub(crate) fn check_filter(version: Version, filter: &str) -> Result<(), TopicError> {
    check(version, filter).map(|_| ())
}

/// Checks a whole filter; gives the start of the one inside `$share/{ShareName}/`, or 0.
fn check(version: Version, text: &str) -> Result<usize, TopicError> {
    check_len(text)?;
    let inner = match version {
        Version::V31 | Version::V311 => 0, // nothing is said of `$share`
        Version::V5 => shared::inner_start(text)?,
    };
    let filter = text.as_bytes().get(inner..).unwrap_or_default();

    if !well_formed(filter) {
        return Err(if filter.contains(&0) {
            TopicError::NullCharacter
        } else {
            TopicError::MisplacedWildcard
        });
    }
    Ok(inner)
}

const ONES: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// Whether there is no U+0000, and each wildcard fills its level, `#` the last one.
fn well_formed(filter: &[u8]) -> bool {
    let Some(last) = filter.last_chunk() else {
        return filter
            .iter()
            .enumerate()
            .all(|(at, &byte)| !(byte == 0 || is_wildcard(byte)) || is_in_place(filter, at));
    };
    let mut at = 0;
    let mut rest = filter;
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        if !are_in_place(filter, at, chunk) {
            return false;
        }
        at += 8;
        rest = behind;
    }
    // The last eight, some of them again, so that no tail is left to be done byte by byte.
    are_in_place(filter, filter.len() - 8, last)
}

/// Whether all wildcards in `chunk`, which stands at `at`, are in their places.
#[inline(always)]
fn are_in_place(filter: &[u8], at: usize, chunk: &[u8; 8]) -> bool {
    let word = u64::from_le_bytes(*chunk);
    // `#` and `+` differ in one bit.
    let mut marks = zeros((word | (ONES * 0x08)) ^ (ONES * 0x2B)) | zeros(word);
    // A mark above another may be wrong, but not if the lower one is in its place: then a slash is between them.
    while marks != 0 {
        if !is_in_place(filter, at + marks.trailing_zeros() as usize / 8) {
            return false;
        }
        marks &= marks - 1;
    }
    true
}

/// Whether a wildcard is at `at` and fills its level.
fn is_in_place(filter: &[u8], at: usize) -> bool {
    (at == 0 || filter.get(at - 1) == Some(&b'/'))
        && matches!(skip(filter, at), [b'+' | b'#'] | [b'+', b'/', ..])
}

/// The high bit of every byte that is zero; above the lowest of them it may be set in others too.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// The walk works on bytes, for a slash, a wildcard and `$` are never part of a longer character in UTF-8. It runs
/// along both texts while they are equal. A name has no wildcard, so where they part the filter has one, and as it
/// fills its level both stand at the start of a level; or else there is no match.
fn matches(mut filter: &[u8], mut name: &[u8]) -> bool {
    if let ([b'+' | b'#', ..], [b'$', ..]) = (filter, name) {
        return false;
    }
    loop {
        (filter, name) = skip_common(filter, name);
        match (filter, name) {
            ([], []) | ([b'#', ..], _) | ([b'/', b'#'], []) => return true,
            ([b'+', rest @ ..], _) => (filter, name) = (rest, skip_level(name)),
            _ => return false,
        }
    }
}

/// Both texts without what they begin with in common.
fn skip_common<'f, 'n>(mut filter: &'f [u8], mut name: &'n [u8]) -> (&'f [u8], &'n [u8]) {
    while let (Some((f, filter_rest)), Some((n, name_rest))) =
        (filter.split_first_chunk(), name.split_first_chunk())
    {
        let different = u64::from_le_bytes(*f) ^ u64::from_le_bytes(*n);
        if different != 0 {
            let equal = different.trailing_zeros() as usize / 8;
            return (skip(filter, equal), skip(name, equal));
        }
        (filter, name) = (filter_rest, name_rest);
    }
    while let ([f, filter_rest @ ..], [n, name_rest @ ..]) = (filter, name) {
        if f != n {
            break;
        }
        (filter, name) = (filter_rest, name_rest);
    }
    (filter, name)
}

/// The name from its next slash on, or empty.
fn skip_level(mut name: &[u8]) -> &[u8] {
    const SLASHES: u64 = u64::from_le_bytes([b'/'; 8]);
    while let Some((chunk, rest)) = name.split_first_chunk() {
        // A slash becomes a zero byte, and the lowest mark is the first slash.
        let slashes = zeros(u64::from_le_bytes(*chunk) ^ SLASHES);
        if slashes != 0 {
            return skip(name, slashes.trailing_zeros() as usize / 8);
        }
        name = rest;
    }
    while let [byte, rest @ ..] = name {
        if *byte == b'/' {
            break;
        }
        name = rest;
    }
    name
}

/// `text` without its first `count` bytes, of which there are that many.
fn skip(text: &[u8], count: usize) -> &[u8] {
    text.get(count..).unwrap_or_default()
}
