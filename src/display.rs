//! How what a peer has sent is shown: on one line, and short, whatever it is.

use core::fmt::{self, Display, Formatter};

/// Bytes of a string that are shown. Topics and identifiers of the usual kind are shown whole; of one of 65,535
/// bytes, which a peer may send with every packet, a log gets no more than this.
const SHOWN_BYTES: usize = 128;
/// Items of a list that are shown.
const SHOWN_ITEMS: usize = 16;

/// A string in quotes. Whatever could end or bend the line is escaped: control characters, line and paragraph
/// separators, characters that turn the direction of writing.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.0;
        let mut end = SHOWN_BYTES;
        while !text.is_char_boundary(end) && end < text.len() {
            end -= 1;
        }
        match text.get(..end) {
            Some(head) if end < text.len() => write!(f, "{head:?}... ({} bytes)", text.len()),
            _ => write!(f, "{text:?}"),
        }
    }
}

/// Bytes that are nobody's business, or of any length: their number alone.
pub(crate) struct Size<'a>(pub(crate) &'a [u8]);

impl Display for Size<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Debug for Size<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// `[a, b, c]`, or `[a, b, ... 7 more]`.
pub(crate) fn list(
    f: &mut Formatter<'_>,
    mut items: impl Iterator<Item = impl Display>,
) -> fmt::Result {
    f.write_str("[")?;
    for (index, item) in items.by_ref().take(SHOWN_ITEMS).enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    match items.count() {
        0 => f.write_str("]"),
        more => write!(f, ", ... {more} more]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn a_string_stays_on_its_line() {
        for (text, expected) in [
            ("plain é日🦀", r#""plain é日🦀""#),
            ("a\r\nb", r#""a\r\nb""#),
            ("\"\\", r#""\"\\""#),
            ("\u{1b}[2J\u{7f}", r#""\u{1b}[2J\u{7f}""#),
            ("\u{85}\u{2028}\u{2029}", r#""\u{85}\u{2028}\u{2029}""#),
            ("\u{202e}gpj", r#""\u{202e}gpj""#),
            ("\u{2066}\u{feff}", r#""\u{2066}\u{feff}""#),
        ] {
            assert_eq!(Text(text).to_string(), expected);
        }
    }

    #[test]
    fn a_string_is_cut_between_two_characters() {
        let whole = "x".repeat(128);
        assert_eq!(Text(&whole).to_string(), format!("{whole:?}"));
        for (width, c) in [(1, "x"), (2, "é"), (3, "日"), (4, "🦀")] {
            let long = format!("x{}", c.repeat(65_534 / width));
            let shown = format!("{:?}", format!("x{}", c.repeat(127 / width)));
            let bytes = long.len();
            assert_eq!(
                Text(&long).to_string(),
                format!("{shown}... ({bytes} bytes)")
            );
        }
    }

    #[test]
    fn a_list_is_cut() {
        struct List(u32);
        impl Display for List {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                list(f, 0..self.0)
            }
        }
        assert_eq!(List(0).to_string(), "[]");
        assert_eq!(List(2).to_string(), "[0, 1]");
        assert!(List(16).to_string().ends_with(", 14, 15]"));
        assert!(List(1000).to_string().ends_with(", 15, ... 984 more]"));
    }
}
