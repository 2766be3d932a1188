//! Bytes out. Nothing is checked here: a packet is checked and measured as a whole before its first byte is
//! written, so that a refused packet leaves no trace.

use alloc::vec::Vec;
use core::{iter, mem};

use super::{EncodeError, text, varint};
use crate::violation::Violation;

/// The longest string or binary field (section 1.5.4; 3.1.1: 1.5.3).
const MAXIMUM_FIELD: usize = 65_535;

/// Bytes up to which a payload is quicker written over zeros than appended.
const SHORT_PAYLOAD: usize = 128;

/// Where packets are written to. It gives the room for a packet at once: what fills it in need not know whose it is.
pub(crate) trait Output {
    /// Room for a packet of `front` bytes and this payload behind them, which is put there.
    fn claim(&mut self, front: usize, payload: &[u8]) -> Result<Unwritten<'_>, EncodeError>;

    /// Writes a whole packet.
    fn put<const N: usize>(&mut self, packet: [u8; N]) -> Result<(), EncodeError>;
}

impl Output for Vec<u8> {
    #[inline(always)]
    fn claim(&mut self, front: usize, payload: &[u8]) -> Result<Unwritten<'_>, EncodeError> {
        Ok(extend(self, front, payload))
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, packet: [u8; N]) -> Result<(), EncodeError> {
        self.extend(packet);
        Ok(())
    }
}

/// [`Output::claim`], which a `Vec` never refuses.
///
/// The room is filled with zeros first: that costs less than to ask at each field whether there is still room, and for a
/// short payload less than a call.
#[inline(always)]
pub(crate) fn extend<'o>(out: &'o mut Vec<u8>, front: usize, payload: &[u8]) -> Unwritten<'o> {
    let start = out.len();
    let whole = front + payload.len();
    let is_short = payload.len() <= SHORT_PAYLOAD;
    if is_short {
        out.extend(iter::repeat_n(0, whole));
    } else {
        out.reserve(whole);
        out.extend(iter::repeat_n(0, front));
        out.extend_from_slice(payload);
    }
    let (front, behind) = out
        .get_mut(start..)
        .and_then(|packet| packet.split_at_mut_checked(front))
        .unwrap_or_default();
    if is_short && behind.len() == payload.len() {
        behind.copy_from_slice(payload);
    }
    Unwritten(front)
}

/// A slice, and how much of it the packet has.
pub(crate) struct Slice<'a> {
    bytes: &'a mut [u8],
    used: usize,
}

impl Output for Slice<'_> {
    #[inline(always)]
    fn claim(&mut self, front: usize, payload: &[u8]) -> Result<Unwritten<'_>, EncodeError> {
        let needed = front + payload.len();
        let room = self.bytes.split_at_mut_checked(front);
        let Some((front, to)) =
            room.and_then(|(front, behind)| Some((front, behind.get_mut(..payload.len())?)))
        else {
            return Err(EncodeError::BufferTooSmall { needed });
        };
        to.copy_from_slice(payload);
        self.used = needed;
        Ok(Unwritten(front))
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, packet: [u8; N]) -> Result<(), EncodeError> {
        self.claim(N, &[])?.array(packet);
        Ok(())
    }
}

/// Lets `write` write a packet to the front of a slice; gives the length of the packet.
#[inline(always)]
pub(crate) fn to_slice(
    bytes: &mut [u8],
    write: impl FnOnce(&mut Slice<'_>) -> Result<(), EncodeError>,
) -> Result<usize, EncodeError> {
    let mut slice = Slice { bytes, used: 0 };
    write(&mut slice)?;
    Ok(slice.used)
}

/// What is not written yet of the room that was claimed. Each piece has its place there: it was measured.
///
/// What is not inlined takes it and gives it back: if its address went anywhere, it would not stay in registers.
#[derive(Default)]
pub(crate) struct Unwritten<'a>(&'a mut [u8]);

impl Unwritten<'_> {
    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((to, behind)) = mem::take(&mut self.0).split_first_chunk_mut() {
            *to = bytes;
            self.0 = behind;
        }
    }

    #[inline(always)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if let Some((to, behind)) = mem::take(&mut self.0).split_at_mut_checked(bytes.len()) {
            to.copy_from_slice(bytes);
            self.0 = behind;
        }
    }

    #[inline(always)]
    pub(crate) fn u16(&mut self, value: u16) {
        self.array(value.to_be_bytes());
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self, value: u32) {
        self.array(value.to_be_bytes());
    }

    /// A Variable Byte Integer in the fewest bytes [MQTT-1.5.5-1]. The value has been checked to have at most 28 bits.
    #[inline(always)]
    pub(crate) fn varint(&mut self, value: u32) {
        match u8::try_from(value) {
            Ok(value @ 0..=0x7F) => self.array([value]),
            _ => *self = mem::take(self).long_varint(value),
        }
    }

    #[inline(never)]
    fn long_varint(mut self, value: u32) -> Self {
        let septet = |index: u32| (value >> (7 * index)).to_le_bytes()[0] & 0x7F;
        let (a, b, c, d) = (septet(0) | 0x80, septet(1), septet(2), septet(3));
        match varint::len(value) {
            2 => self.array([a, b]),
            3 => self.array([a, b | 0x80, c]),
            _ => self.array([a, b | 0x80, c | 0x80, d]),
        }
        self
    }

    /// A length that has been checked.
    #[inline(always)]
    pub(crate) fn length(&mut self, length: usize) {
        self.varint(varint::value(length).unwrap_or_default());
    }

    /// Binary data or a string with its two-byte length, which has been checked.
    #[inline(always)]
    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        let [.., high, low] = bytes.len().to_be_bytes();
        self.array([high, low]);
        self.bytes(bytes);
    }
}

/// The first byte and the remaining length, with room for all of the packet behind them.
#[inline(always)]
pub(crate) fn begin(
    out: &mut impl Output,
    first: u8,
    remaining_length: usize,
) -> Result<Unwritten<'_>, EncodeError> {
    let front = packet_len(remaining_length);
    begin_part(out, first, remaining_length, front, &[])
}

/// The same with room for so many bytes of the packet, and for this payload behind them, which is put there.
#[inline(always)]
pub(crate) fn begin_part<'o>(
    out: &'o mut impl Output,
    first: u8,
    remaining_length: usize,
    front: usize,
    payload: &[u8],
) -> Result<Unwritten<'o>, EncodeError> {
    let value = varint::value(remaining_length).ok_or(EncodeError::PacketTooLarge)?;
    let mut unwritten = out.claim(front, payload)?;
    unwritten.array([first]);
    unwritten.varint(value);
    Ok(unwritten)
}

/// The length of a whole packet.
#[inline]
pub(crate) fn packet_len(remaining_length: usize) -> usize {
    total([1, prefixed_len(remaining_length)])
}

/// The length of some bytes with their length as a Variable Byte Integer in front of them.
#[inline]
pub(crate) fn prefixed_len(length: usize) -> usize {
    total([
        varint::len(u32::try_from(length).unwrap_or(u32::MAX)),
        length,
    ])
}

/// A sum of lengths. Where an address has 32 bits, a list that names one long string many times can have more
/// bytes than can be counted; such a packet is too large, and must not look small.
#[inline]
pub(crate) fn total(lengths: impl IntoIterator<Item = usize>) -> usize {
    lengths.into_iter().fold(0, usize::saturating_add)
}

/// The length on the wire of a string or binary field.
#[inline]
pub(crate) const fn field_len(length: usize) -> usize {
    2 + length
}

#[inline(always)]
pub(crate) fn check_binary(bytes: &[u8]) -> Result<(), EncodeError> {
    if bytes.len() > MAXIMUM_FIELD {
        Err(EncodeError::StringTooLong)
    } else {
        Ok(())
    }
}

#[inline(always)]
pub(crate) fn check_string(string: &str) -> Result<(), EncodeError> {
    check_binary(string.as_bytes())?;
    Ok(text::check_string(string)?)
}

#[inline(always)]
pub(crate) fn check_topic_name(name: &str, wildcard: Violation) -> Result<(), EncodeError> {
    check_binary(name.as_bytes())?;
    Ok(text::check_topic_name(name, wildcard)?)
}
