//! Variable Byte Integers (5.0 section 1.5.5; 3.1.1 section 2.2.3: the remaining length).

use super::MAXIMUM_REMAINING_LENGTH;

/// What stands at the beginning of some bytes.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Varint {
    /// A value and the number of its bytes, 1 to 4.
    Value(u32, usize),
    /// The bytes end before the value does.
    Incomplete,
    /// The fourth byte announces a fifth.
    TooLong,
}

/// Reads the integer at the beginning of `bytes`. It may be longer than its value needs: see [`len`].
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Varint {
    let mut value = 0;
    let mut count = 0;
    for &byte in bytes.iter().take(4) {
        value |= u32::from(byte & 0x7F) << (7 * count);
        count += 1;
        if byte < 0x80 {
            return Varint::Value(value, count);
        }
    }
    if count == 4 {
        Varint::TooLong
    } else {
        Varint::Incomplete
    }
}

/// The number of bytes that a value needs [MQTT-1.5.5-1]; 4 also for what is too large to be written.
#[inline]
pub(crate) const fn len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x001F_FFFF => 3,
        _ => 4,
    }
}

/// A length as a Variable Byte Integer's value; `None` if it has none.
#[inline]
pub(crate) fn value(length: usize) -> Option<u32> {
    u32::try_from(length)
        .ok()
        .filter(|&value| value <= MAXIMUM_REMAINING_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::writer;
    use alloc::vec::Vec;

    #[test]
    fn borders() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            assert_eq!(read(bytes), Varint::Value(value, bytes.len()));
            assert_eq!(len(value), bytes.len());
            let mut out = Vec::new();
            writer::extend(&mut out, len(value), &[]).varint(value);
            assert_eq!(out, bytes);
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Varint::Incomplete);
            }
        }
    }

    #[test]
    fn longer_than_needed_and_too_long() {
        assert_eq!(read(&[0x80, 0x00]), Varint::Value(0, 2));
        assert_eq!(read(&[0xFF, 0x80, 0x80, 0x00]), Varint::Value(127, 4));
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80]), Varint::TooLong);
        assert_eq!(read(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F]), Varint::TooLong);
    }

    #[test]
    fn lengths_without_a_value() {
        assert_eq!(value(268_435_455), Some(268_435_455));
        assert_eq!(value(268_435_456), None);
        assert_eq!(value(usize::MAX), None);
    }
}
