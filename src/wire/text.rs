//! The rules for strings: well-formed UTF-8 without U+0000 [MQTT-1.5.4-1, MQTT-1.5.4-2; 3.1.1: MQTT-1.5.3-1,
//! MQTT-1.5.3-2], and for topic names without wildcards [MQTT-4.7.0-1; 3.1.1: MQTT-4.7.1-1].
//!
//! The forbidden characters are single bytes that no other character of UTF-8 contains, so they can be looked
//! for in the bytes. The search does not leave in the middle of a chunk: without a branch inside, all its
//! bytes are looked at together, and nearly all strings are good to their end.

use crate::violation::Violation;

/// The characters of a string.
#[inline(always)]
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Violation> {
    core::str::from_utf8(bytes).map_err(|_| Violation::Utf8Invalid)
}

/// What is forbidden in a string, be it UTF-8 or not.
#[inline(always)]
pub(crate) fn check_characters(bytes: &[u8]) -> Result<(), Violation> {
    if contains::<false>(bytes) {
        Err(Violation::NullCharacter)
    } else {
        Ok(())
    }
}

/// What is forbidden in a topic name, be it UTF-8 or not. An empty one passes: only its place tells whether it may
/// be empty.
#[inline(always)]
pub(crate) fn check_name_characters(bytes: &[u8], wildcard: Violation) -> Result<(), Violation> {
    if contains::<true>(bytes) {
        Err(forbidden(bytes, wildcard))
    } else {
        Ok(())
    }
}

/// All that makes a string, of bytes that are read as one later.
#[inline(always)]
pub(crate) fn check_string_bytes(bytes: &[u8]) -> Result<(), Violation> {
    if is_plain::<false>(bytes) {
        return Ok(());
    }
    look_closer(bytes)
}

/// All that makes a topic name, of bytes that are read as one later.
#[inline(always)]
pub(crate) fn check_topic_name_bytes(bytes: &[u8], wildcard: Violation) -> Result<(), Violation> {
    if is_plain::<true>(bytes) {
        return Ok(());
    }
    look_closer_at_name(bytes, wildcard)
}

#[inline(never)]
fn look_closer(bytes: &[u8]) -> Result<(), Violation> {
    check_characters(bytes)?;
    utf8(bytes).map(drop)
}

#[inline(never)]
fn look_closer_at_name(bytes: &[u8], wildcard: Violation) -> Result<(), Violation> {
    check_name_characters(bytes, wildcard)?;
    utf8(bytes).map(drop)
}

/// All that makes a string of text.
pub(crate) fn check_string(text: &str) -> Result<(), Violation> {
    check_characters(text.as_bytes())
}

/// All that makes a topic name of text.
#[inline(always)]
pub(crate) fn check_topic_name(text: &str, wildcard: Violation) -> Result<(), Violation> {
    check_name_characters(text.as_bytes(), wildcard)
}

/// Which of the two rules a topic name breaks that contains one of the three characters.
#[cold]
fn forbidden(bytes: &[u8], wildcard: Violation) -> Violation {
    if bytes.contains(&0) {
        Violation::NullCharacter
    } else {
        wildcard
    }
}

/// Whether U+0000, or with `WILDCARDS` one of the wildcards, is in `bytes`.
#[inline(always)]
fn contains<const WILDCARDS: bool>(bytes: &[u8]) -> bool {
    any(bytes, |byte| {
        if WILDCARDS {
            byte.min(unless_wildcard(byte)) == 0
        } else {
            byte == 0
        }
    })
}

/// Whether all is ASCII, which is UTF-8 as it stands, and there is no U+0000, and with `WILDCARDS` no wildcard. That
/// makes nearly all strings good, and is cheaper than a `str`, which only [`core::str::from_utf8`] makes.
#[inline(always)]
fn is_plain<const WILDCARDS: bool>(bytes: &[u8]) -> bool {
    // What is 0 gets the high bit, which ASCII has not.
    !any(bytes, |byte| {
        let mut marks = byte | byte.wrapping_sub(1);
        if WILDCARDS {
            marks |= unless_wildcard(byte).wrapping_sub(1);
        }
        marks >= 0x80
    })
}

/// 0 for a wildcard and nothing else: the two, 0x23 and 0x2B, differ in one bit. All is put into one comparison,
/// since from several the compiler makes branches.
#[inline(always)]
const fn unless_wildcard(byte: u8) -> u8 {
    byte & !(b'#' ^ b'+') ^ b'#'
}

/// Whether one of the bytes is wanted.
#[inline(always)]
fn any(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> bool {
    if let Some(found) = any_in_chunks::<16>(bytes, &wanted) {
        found
    } else if let Some(found) = any_in_chunks::<8>(bytes, &wanted) {
        found
    } else {
        bytes
            .iter()
            .fold(false, |found, &byte| found | wanted(byte))
    }
}

/// Whether one of the bytes is wanted; `None` if there are fewer than `N` of them.
#[inline(always)]
fn any_in_chunks<const N: usize>(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> Option<bool> {
    // No branch inside a chunk, so that its bytes are compared all together.
    let any = |chunk: &[u8; N]| {
        chunk
            .iter()
            .fold(false, |found, &byte| found | wanted(byte))
    };
    // The last chunk may overlap the one before it, so that no tail is left to be done byte by byte.
    let last = bytes.last_chunk()?;
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        if any(chunk) {
            return Some(true);
        }
        rest = behind;
    }
    Some(any(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A string field, taken in both ways.
    fn string(bytes: &[u8]) -> Result<&str, Violation> {
        let string = check_characters(bytes).and_then(|()| utf8(bytes));
        assert_eq!(check_string_bytes(bytes), string.map(drop), "{bytes:x?}");
        string
    }

    fn topic_name(bytes: &[u8], wildcard: Violation) -> Result<&str, Violation> {
        let name = check_name_characters(bytes, wildcard).and_then(|()| utf8(bytes));
        let checked = check_topic_name_bytes(bytes, wildcard);
        assert_eq!(checked, name.map(drop), "{bytes:x?}");
        name
    }

    /// Each forbidden byte at each place of each length around the chunk size, among all other bytes.
    #[test]
    fn finds_every_forbidden_byte() {
        for filler in [b'a', 0x01, 0x7f, b'*', b'"', b'$', b','] {
            for length in 0..40 {
                let mut bytes = vec![filler; length];
                assert_eq!(string(&bytes).map(str::len), Ok(length));
                let name = topic_name(&bytes, Violation::TopicNameWildcard);
                assert_eq!(name.map(str::len), Ok(length), "{filler:#x} x {length}");
                for at in 0..length {
                    bytes[at] = 0;
                    assert_eq!(string(&bytes), Err(Violation::NullCharacter));
                    let name = topic_name(&bytes, Violation::TopicNameWildcard);
                    assert_eq!(name, Err(Violation::NullCharacter));
                    for wildcard in [b'+', b'#'] {
                        bytes[at] = wildcard;
                        assert!(string(&bytes).is_ok());
                        let name = topic_name(&bytes, Violation::TopicNameWildcard);
                        assert_eq!(name, Err(Violation::TopicNameWildcard));
                        let text = core::str::from_utf8(&bytes).unwrap();
                        assert!(check_topic_name(text, Violation::TopicNameWildcard).is_err());
                        assert!(check_string(text).is_ok());
                    }
                    bytes[at] = filler;
                }
            }
        }
    }

    #[test]
    fn no_other_byte_is_forbidden() {
        for byte in 1..=u8::MAX {
            let bytes = [byte; 19];
            let wanted = byte == b'+' || byte == b'#';
            assert_eq!(contains::<true>(&bytes), wanted, "{byte:#x}");
            assert_eq!(contains::<true>(&bytes[..3]), wanted, "{byte:#x}");
        }
    }

    /// Surrogates, overlong forms, values above U+10FFFF, cut characters.
    #[test]
    fn ill_formed_utf8() {
        for bytes in [
            &b"\xED\xA0\x80"[..],
            b"\xED\xBF\xBF",
            b"\xC0\x80",
            b"\xE0\x80\xAF",
            b"\xF0\x80\x80\xAF",
            b"\xF4\x90\x80\x80",
            b"\xF8\x88\x80\x80\x80",
            b"\xFF",
            b"a\xC3",
            b"\x80",
        ] {
            assert_eq!(string(bytes), Err(Violation::Utf8Invalid), "{bytes:x?}");
            let name = topic_name(bytes, Violation::TopicNameWildcard);
            assert_eq!(name, Err(Violation::Utf8Invalid), "{bytes:x?}");
        }
    }

    /// [MQTT-1.5.4-3]: U+FEFF is a character like any other. Control characters and noncharacters pass too.
    #[test]
    fn characters_that_are_kept() {
        for text in [
            "\u{FEFF}a",
            "a\u{FEFF}",
            "\u{1}\u{7F}\u{9F}",
            "\u{FFFF}\u{10FFFF}",
            "Ā·中😀",
        ] {
            assert_eq!(string(text.as_bytes()), Ok(text));
        }
    }
}
