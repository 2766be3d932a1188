//! Bytes in: one packet, field by field.

use core::fmt;

use super::text;
use super::varint::{self, Varint};
use crate::types::PacketId;
use crate::violation::Violation;

/// What is wrong with a field, and where in the packet the field begins.
///
/// One word and not two fields: a `Result` of a packet or a `Fault` is then moved in whole words. With two, the compiler
/// cuts the packet, too, into the pieces that the fault has, and decoding an acknowledgement takes twice the time.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) struct Fault(u64);

impl Fault {
    #[inline]
    pub(crate) const fn new(violation: Violation, offset: u32) -> Self {
        Self((violation as u64) << 32 | offset as u64)
    }

    pub(crate) fn violation(self) -> Violation {
        let [_, _, _, violation, ..] = self.0.to_be_bytes();
        Violation::from_u8(violation)
    }

    pub(crate) const fn offset(self) -> u32 {
        let [.., a, b, c, d] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.violation(), self.offset())
    }
}

/// The rest of a packet as text, if with all that stands between its strings it is text, as that of most CONNECTs
/// is. Each string is then a part of it, and `core::str::from_utf8` runs once: on strings as short as those of MQTT
/// it takes longer than everything else together.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Row<'a>(Option<&'a str>);

impl<'a> Row<'a> {
    /// Every string is looked at alone.
    pub(crate) const NONE: Self = Self(None);

    /// The bytes just in front of the reader, as a string.
    #[inline(always)]
    fn part(self, reader: &Reader<'a>, bytes: &'a [u8]) -> Result<&'a str, Violation> {
        let part = self.0.and_then(|text| {
            // Both end with the packet. What would cut a character is no part.
            let end = text.len().checked_sub(reader.rest.len())?;
            text.get(end.checked_sub(bytes.len())?..end)
        });
        match part {
            Some(part) => Ok(part),
            None => text::utf8(bytes),
        }
    }
}

/// The unread part of a packet or of a property block. It never looks behind its end.
///
/// Every method checks a field before it takes it, so [`Reader::fault`] points to the field's first byte.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` ends, in bytes from the first byte of the packet. The offset of the next field
    /// follows from it, so that nothing is counted while all is well.
    end: u32,
}

impl<'a> Reader<'a> {
    /// A reader of bytes that end at the offset `end` of their packet.
    #[inline(always)]
    pub(crate) const fn new(rest: &'a [u8], end: u32) -> Self {
        Self { rest, end }
    }

    /// A reader of the body of a packet, which begins at this offset.
    #[inline(always)]
    pub(crate) const fn of_body(body: &'a [u8], header_length: usize) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "no packet has more than 28 bits of bytes"
        )]
        Self::new(body, (header_length + body.len()) as u32)
    }

    /// Everything that is left.
    #[inline(always)]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// A reader of the body that this one is at some place of.
    pub(crate) const fn back_to(&self, body: &'a [u8]) -> Self {
        Self::new(body, self.end)
    }

    /// Where the next field begins, in bytes from the first byte of the packet.
    #[inline]
    pub(crate) const fn offset(&self) -> u32 {
        // No packet has more than 28 bits of bytes.
        #[expect(clippy::cast_possible_truncation, reason = "a part of a packet")]
        self.end.wrapping_sub(self.rest.len() as u32)
    }

    /// The next field breaks a rule.
    #[inline]
    pub(crate) const fn fault(&self, violation: Violation) -> Fault {
        Fault::new(violation, self.offset())
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let Some((array, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.fault(Violation::Truncated));
        };
        self.rest = rest;
        Ok(*array)
    }

    #[inline(always)]
    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline(always)]
    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A packet identifier, never 0 (5.0 section 2.2.1; 3.1.1: section 2.3.1).
    #[inline(always)]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Fault> {
        let before = *self;
        PacketId::new(self.u16()?).ok_or_else(|| before.fault(Violation::PacketIdZero))
    }

    /// Two bytes of length and as many bytes as they say.
    #[inline(always)]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let field = self.rest.split_first_chunk().and_then(|(length, rest)| {
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        });
        let Some((bytes, rest)) = field else {
            return Err(self.fault(Violation::Truncated));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// Two bytes of length and as many bytes as they say, if `check` has nothing against these.
    #[inline(always)]
    pub(crate) fn checked(
        &mut self,
        check: impl FnOnce(&'a [u8]) -> Result<(), Violation>,
    ) -> Result<&'a [u8], Fault> {
        let before = *self;
        let bytes = self.binary()?;
        match check(bytes) {
            Ok(()) => Ok(bytes),
            Err(violation) => Err(before.fault(violation)),
        }
    }

    /// A string that is known to be one.
    #[inline(always)]
    pub(crate) fn known_string(&mut self) -> Option<&'a str> {
        text::utf8(self.binary().ok()?).ok()
    }

    /// A string of a [`Row`].
    #[inline(always)]
    pub(crate) fn string(&mut self, row: Row<'a>) -> Result<&'a str, Fault> {
        let before = *self;
        let bytes = self.checked(text::check_characters)?;
        row.part(self, bytes)
            .map_err(|violation| before.fault(violation))
    }

    /// A string of a [`Row`], without wildcards, or else the violation named. It may be empty.
    #[inline(always)]
    pub(crate) fn topic_name(
        &mut self,
        row: Row<'a>,
        wildcard: Violation,
    ) -> Result<&'a str, Fault> {
        let before = *self;
        let bytes = self.checked(|bytes| text::check_name_characters(bytes, wildcard))?;
        row.part(self, bytes)
            .map_err(|violation| before.fault(violation))
    }

    /// The strings to come as a row.
    #[inline(always)]
    pub(crate) fn row(&self) -> Row<'a> {
        // A few hundred bytes have mostly strings in them, but in many there may be any bytes.
        if self.rest.len() > 256 {
            return Row::NONE;
        }
        Row(core::str::from_utf8(self.rest).ok())
    }

    /// A Variable Byte Integer of 5.0, which must have no more bytes than it needs [MQTT-1.5.5-1].
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u32, Fault> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u32::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u32, Fault> {
        match varint::read(self.rest) {
            Varint::Value(value, count) if varint::len(value) == count => {
                self.rest = self.rest.get(count..).unwrap_or_default();
                Ok(value)
            }
            Varint::Value(..) => Err(self.fault(Violation::VariableByteIntegerOverlong)),
            Varint::Incomplete => Err(self.fault(Violation::Truncated)),
            Varint::TooLong => Err(self.fault(Violation::VariableByteIntegerTooLong)),
        }
    }

    /// What is behind the next block if its length is 0, as that of most property blocks.
    #[inline(always)]
    pub(crate) const fn behind_empty_block(&self) -> Option<Self> {
        match self.rest {
            [0, rest @ ..] => Some(Self::new(rest, self.end)),
            _ => None,
        }
    }

    /// The bytes of a block that is preceded by its length, as a reader of its own.
    #[inline(always)]
    pub(crate) fn block(&mut self) -> Result<Self, Fault> {
        let before = *self;
        let length = self.varint()?;
        let Some((block, rest)) = self.rest.split_at_checked(length as usize) else {
            return Err(before.fault(Violation::PropertyLength));
        };
        self.rest = rest;
        Ok(Self {
            rest: block,
            end: self.offset(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> Reader<'_> {
        // As if three bytes of the packet stood before them.
        Reader::new(bytes, 3 + u32::try_from(bytes.len()).unwrap())
    }

    fn fault<T>(violation: Violation, offset: u32) -> Result<T, Fault> {
        Err(Fault::new(violation, offset))
    }

    #[test]
    fn fields_in_a_row() {
        let mut r = reader(&[7, 0, 9, 0, 0, 1, 0, 0, 2, b'a', b'b', 0x80, 0x01, 0, 1]);
        assert_eq!(r.u8(), Ok(7));
        assert_eq!(r.u16(), Ok(9));
        assert_eq!(r.u32(), Ok(256));
        assert_eq!(r.string(Row::NONE), Ok("ab"));
        assert_eq!(r.varint(), Ok(128));
        assert!(!r.is_empty());
        assert_eq!(r.packet_id(), Ok(PacketId::new(1).unwrap()));
        assert!(r.is_empty());
        assert_eq!(r.u8(), fault(Violation::Truncated, 18));
    }

    #[test]
    fn a_refused_field_is_not_taken() {
        let mut r = reader(&[0, 3, b'a', b'b']);
        assert_eq!(r.binary(), fault(Violation::Truncated, 3));
        assert_eq!(r.u32(), Ok(0x0003_6162));
        assert_eq!(
            reader(&[0]).string(Row::NONE),
            fault(Violation::Truncated, 3)
        );
        assert_eq!(
            reader(&[0, 0]).packet_id(),
            fault(Violation::PacketIdZero, 3)
        );
        assert_eq!(
            reader(&[0, 1, 0]).string(Row::NONE),
            fault(Violation::NullCharacter, 3)
        );
        assert_eq!(
            reader(&[0, 1, 0xFF]).string(Row::NONE),
            fault(Violation::Utf8Invalid, 3)
        );
        assert_eq!(
            reader(&[0, 1, b'+']).topic_name(Row::NONE, Violation::TopicNameWildcard),
            fault(Violation::TopicNameWildcard, 3)
        );
    }

    /// What is found in a row is what is found alone, whichever byte is wrong.
    #[test]
    fn strings_of_a_row() {
        fn all<'a>(bytes: &'a [u8], row: Row<'a>) -> [Result<&'a str, Fault>; 3] {
            let mut r = reader(bytes);
            [
                r.string(row),
                r.topic_name(row, Violation::TopicNameWildcard),
                r.string(row),
            ]
        }
        let bytes = b"\x00\x02\xC3\xA9\x00\x03a/b\x00\x00\x00\x01z";
        assert!(reader(bytes).row().0.is_some());
        assert_eq!(
            all(bytes, reader(bytes).row()),
            [Ok("é"), Ok("a/b"), Ok("")]
        );
        for at in 0..bytes.len() {
            for value in 0..=u8::MAX {
                let mut changed = *bytes;
                changed[at] = value;
                let row = reader(&changed).row();
                assert_eq!(all(&changed, row), all(&changed, Row::NONE), "{changed:x?}");
            }
        }
        // It may begin before the strings.
        let mut r = reader(b"xy\x00\x01a");
        let row = r.row();
        assert_eq!((r.u16(), r.string(row)), (Ok(0x7879), Ok("a")));
        // Too long to be looked at as a whole.
        assert!(reader(&[b'a'; 257]).row().0.is_none());
    }

    #[test]
    fn integers_of_several_bytes() {
        assert_eq!(
            reader(&[0x80, 0]).varint(),
            fault(Violation::VariableByteIntegerOverlong, 3)
        );
        assert_eq!(reader(&[0x80]).varint(), fault(Violation::Truncated, 3));
        assert_eq!(reader(&[]).varint(), fault(Violation::Truncated, 3));
        assert_eq!(
            reader(&[0x80, 0x80, 0x80, 0x80, 1]).varint(),
            fault(Violation::VariableByteIntegerTooLong, 3)
        );
    }

    #[test]
    fn a_block_ends_where_it_says() {
        let mut r = reader(&[2, 10, 11, 12]);
        let mut block = r.block().unwrap();
        assert_eq!((block.u8(), block.u8()), (Ok(10), Ok(11)));
        assert_eq!(block.u8(), fault(Violation::Truncated, 6));
        assert_eq!(r.u8(), Ok(12));
        assert_eq!(
            reader(&[5, 1]).block().map(|_| ()),
            fault(Violation::PropertyLength, 3)
        );
    }
}
