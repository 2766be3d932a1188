use alloc::borrow::Cow;
use core::fmt;

use super::name::is_wildcard;
use super::{TopicError, TopicName, check_len, shared};
use crate::types::Version;
use crate::violation::Violation;

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
    /// [`MisplacedMultiLevelWildcard`](TopicError::MisplacedMultiLevelWildcard),
    /// [`MisplacedSingleLevelWildcard`](TopicError::MisplacedSingleLevelWildcard) or, in 5.0,
    /// [`EmptyShareName`](TopicError::EmptyShareName) and [`ShareName`](TopicError::ShareName).
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

/// The same for bytes that are read as a string later; those of a field, so there are not too many.
#[inline(always)]
pub(crate) fn check_filter_bytes(version: Version, filter: &[u8]) -> Result<(), Violation> {
    // What is ASCII is UTF-8 as it stands.
    if well_formed::<true>(filter) && shared::inner_start(version, filter).is_ok() {
        return Ok(());
    }
    look_closer(version, filter)
}

#[inline(never)]
fn look_closer(version: Version, filter: &[u8]) -> Result<(), Violation> {
    let filter = core::str::from_utf8(filter).map_err(|_| Violation::Utf8Invalid)?;
    Ok(check_filter(version, filter)?)
}

/// Checks a whole filter; gives the start of the one inside `$share/{ShareName}/`, or 0.
fn check(version: Version, text: &str) -> Result<usize, TopicError> {
    check_len(text)?;
    let filter = text.as_bytes();
    let inner = shared::inner_start(version, filter)?;
    // A share name is a level without wildcards, so what holds for all of the text holds for the filter inside.
    if !well_formed::<false>(filter) {
        return Err(fault(filter));
    }
    Ok(inner)
}

/// What is wrong with a filter that is not well-formed: U+0000 before all, then what comes first.
#[cold]
fn fault(filter: &[u8]) -> TopicError {
    if filter.contains(&0) {
        return TopicError::NullCharacter;
    }
    let mut levels = filter.split(|&byte| byte == b'/').peekable();
    while let Some(level) = levels.next() {
        match (level, level.iter().find(|&&byte| is_wildcard(byte))) {
            ([b'+'], _) | (_, None) => {}
            ([b'#'], _) if levels.peek().is_none() => {}
            (_, Some(b'+')) => return TopicError::MisplacedSingleLevelWildcard,
            _ => break,
        }
    }
    TopicError::MisplacedMultiLevelWildcard
}

const ONES: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// Whether there is a character, but no U+0000, and each wildcard fills its level, `#` the last one; and with `ASCII`,
/// whether all is ASCII.
///
/// Each byte is looked at together with the one before it, many pairs at a time and without a branch among them:
/// nearly all filters are good to their end.
#[inline(always)]
fn well_formed<const ASCII: bool>(filter: &[u8]) -> bool {
    let refused = |byte: u8| byte == 0 || ASCII && byte >= 0x80;
    let (Some((&first, behind)), Some((_, before))) = (filter.split_first(), filter.split_last())
    else {
        return false;
    };
    let bad = |before: u8, byte: u8| {
        is_wildcard(byte) & (before != b'/')
            | is_wildcard(before) & (byte != b'/')
            | (before == b'#')
            | (byte == 0)
            | (ASCII & (byte >= 0x80))
    };
    let found = if let Some(found) = any_pair::<16>(before, behind, bad) {
        found
    } else if let Some(found) = any_pair::<8>(before, behind, bad) {
        found
    } else {
        before
            .iter()
            .zip(behind)
            .fold(false, |found, (&before, &byte)| found | bad(before, byte))
    };
    !(found | refused(first))
}

/// Whether one of the pairs is bad; `None` if there are fewer than `N` of them.
#[inline(always)]
fn any_pair<const N: usize>(
    before: &[u8],
    behind: &[u8],
    bad: impl Fn(u8, u8) -> bool,
) -> Option<bool> {
    let any = |before: &[u8; N], behind: &[u8; N]| {
        before
            .iter()
            .zip(behind)
            .fold(false, |found, (&before, &byte)| found | bad(before, byte))
    };
    // The last pairs, some of them again, so that no tail is left to be done one by one.
    let mut found = any(before.last_chunk()?, behind.last_chunk()?);
    let (mut before, mut behind) = (before, behind);
    while let (Some((a, before_rest)), Some((b, behind_rest))) =
        (before.split_first_chunk(), behind.split_first_chunk())
    {
        found |= any(a, b);
        (before, behind) = (before_rest, behind_rest);
    }
    Some(found)
}

/// The high bit of every byte that is zero; above the lowest of them it may be set in others too.
pub(crate) const fn zeros(word: u64) -> u64 {
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
#[inline]
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

/// The first level, and what follows the slash behind it, if there is one.
#[inline(always)]
pub(crate) fn split_level(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let rest = skip_level(text);
    let level = text.get(..text.len() - rest.len()).unwrap_or_default();
    (level, rest.split_first().map(|(_slash, rest)| rest))
}

/// `text` without its first `count` bytes, of which there are that many.
fn skip(text: &[u8], count: usize) -> &[u8] {
    text.get(count..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    /// The rule as the standard has it, level by level.
    fn is_filter(text: &str) -> bool {
        let levels = text.split('/').count();
        !text.is_empty()
            && !text.contains('\0')
            && text.split('/').enumerate().all(|(at, level)| match level {
                "#" => at + 1 == levels,
                "+" => true,
                _ => !level.contains(['+', '#']),
            })
    }

    /// Four characters of every kind at every place of filters of every length around that of a chunk.
    #[test]
    fn every_wildcard_at_every_place() {
        const KINDS: [&str; 6] = ["a", "/", "+", "#", "\0", "é"];
        for filler in ["a", "/", "é"] {
            for (before, behind) in (0..20).flat_map(|n| [(n, 0), (0, n), (n, 13)]) {
                for four in 0..KINDS.len().pow(4) {
                    let mut text = filler.repeat(before);
                    let mut rest = four;
                    for _ in 0..4 {
                        text.push_str(KINDS[rest % KINDS.len()]);
                        rest /= KINDS.len();
                    }
                    text.push_str(&filler.repeat(behind));
                    as_the_standard_says(&text);
                }
            }
        }
        for text in [
            "", "a", "/", "+", "#", "\0", "é", "a+", "+a", "#/", "/#", "+/", "++", "+#",
        ] {
            as_the_standard_says(text);
        }
    }

    fn as_the_standard_says(text: &str) {
        let checked = check_filter(Version::V311, text);
        assert_eq!(checked.is_ok(), is_filter(text), "{text:?}");
        let as_bytes = check_filter_bytes(Version::V311, text.as_bytes());
        assert_eq!(as_bytes, checked.map_err(Violation::from), "{text:?}");
    }

    #[test]
    fn bytes_that_are_no_text() {
        for length in 1..40 {
            for at in 0..length {
                for (byte, violation) in [
                    (0xFF, Violation::Utf8Invalid),
                    (0x80, Violation::Utf8Invalid),
                    (0, Violation::NullCharacter),
                ] {
                    let mut bytes = String::from("a").repeat(length).into_bytes();
                    bytes[at] = byte;
                    for version in [Version::V311, Version::V5] {
                        assert_eq!(check_filter_bytes(version, &bytes), Err(violation));
                    }
                }
            }
        }
    }

    #[test]
    fn shared_filters_are_those_of_version_5() {
        for (text, violation) in [
            ("$share/g/a", None),
            ("$share/é/#", None),
            ("$share", None),
            ("$share/", Some(Violation::ShareNameEmpty)),
            ("$share/+/a", Some(Violation::ShareNameInvalid)),
            ("$share/#", Some(Violation::ShareNameInvalid)),
            ("$share//a", Some(Violation::ShareNameEmpty)),
            ("$share/g/a#", Some(Violation::MultiLevelWildcardMisplaced)),
            ("$share/g/", Some(Violation::ShareNameInvalid)),
        ] {
            let checked = check_filter_bytes(Version::V5, text.as_bytes());
            assert_eq!(checked.err(), violation, "{text:?}");
            assert_eq!(
                checked,
                check_filter(Version::V5, text).map_err(Violation::from)
            );
            let before_v5 = check_filter_bytes(Version::V311, text.as_bytes());
            assert_eq!(before_v5.is_ok(), is_filter(text), "{text:?}");
        }
    }
}
