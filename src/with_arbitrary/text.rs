//! Strings, bytes and lists that are parts of the data.

use arbitrary::{Result, Unstructured};

use crate::topic::check_filter;
use crate::types::Version;

/// Where a list is looked for in its part of the data. Each place costs a look at one element.
const PLACES: usize = 64;

/// What stands in where the data have no legal one.
const TOPICS: [&str; 6] = ["a", "a/b", "/", "$SYS/a", "é/日/🦀", "a//b/"];
const FILTERS: [&str; 8] = [
    "#",
    "+",
    "a/#",
    "+/+",
    "/",
    "$SYS/#",
    "$share/g/a",
    "$share/g/+/#",
];

/// At most 65,535 bytes.
pub(super) fn binary<'a>(u: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    let bytes: &[u8] = u.arbitrary()?;
    Ok(bytes.get(..0xFFFF).unwrap_or(bytes))
}

/// A string that every string field takes.
pub(super) fn string<'a>(u: &mut Unstructured<'a>) -> Result<&'a str> {
    Ok(before(bounded(u.arbitrary()?), &['\0']))
}

/// A topic name, not empty.
pub(super) fn topic<'a>(u: &mut Unstructured<'a>) -> Result<&'a str> {
    match before(string(u)?, &['+', '#']) {
        "" => Ok(u.choose(&TOPICS)?),
        topic => Ok(topic),
    }
}

/// A topic filter, well-formed in every version.
pub(super) fn filter<'a>(u: &mut Unstructured<'a>) -> Result<&'a str> {
    let text = string(u)?;
    for filter in [text, before(text, &['+', '#'])] {
        if check_filter(Version::V5, filter).is_ok() {
            return Ok(filter);
        }
    }
    Ok(u.choose(&FILTERS)?)
}

/// The first list in a part of the data that is not empty, else an empty one.
pub(super) fn list<'a, L>(
    u: &mut Unstructured<'a>,
    legal_prefix: impl Fn(&'a [u8]) -> L,
    is_empty: impl Fn(&L) -> bool,
) -> Result<L> {
    let bytes: &[u8] = u.arbitrary()?;
    let found = (0..bytes.len().min(PLACES))
        .filter_map(|place| bytes.get(place..))
        .map(&legal_prefix)
        .find(|list| !is_empty(list));
    Ok(found.unwrap_or_else(|| legal_prefix(&[])))
}

/// A part of a constant list, with at least one element.
pub(super) fn some_of<T>(u: &mut Unstructured<'_>, all: &'static [T]) -> Result<&'static [T]> {
    let start = u.choose_index(all.len())?;
    let rest = all.get(start..).unwrap_or(all);
    let length = 1 + u.choose_index(rest.len())?;
    Ok(rest.get(..length).unwrap_or(rest))
}

/// At most 65,535 bytes of it.
fn bounded(text: &str) -> &str {
    if text.len() <= 0xFFFF {
        return text;
    }
    // A character has at most four bytes.
    let mut ends = (0xFFFC..=0xFFFF).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

fn before<'a>(text: &'a str, characters: &[char]) -> &'a str {
    text.split(characters).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_string_is_cut_between_two_characters() {
        for (character, length) in [("x", 65_535), ("é", 65_534), ("日", 65_535), ("🦀", 65_532)]
        {
            let text = character.repeat(65_536);
            assert_eq!(bounded(&text).len(), length);
            let short = &text[..length];
            assert_eq!(bounded(short).len(), length);
        }
        assert_eq!(bounded(""), "");
        assert_eq!(bounded("ab"), "ab");
    }

    #[test]
    fn what_stands_in_is_good() {
        for topic in TOPICS {
            assert!(crate::topic::check_name(topic).is_ok());
        }
        for filter in FILTERS {
            assert!(check_filter(Version::V5, filter).is_ok());
        }
    }
}
