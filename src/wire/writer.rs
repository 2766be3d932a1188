//! Bytes out. Nothing is checked here: a packet is checked and measured as a whole before its first byte is
//! written, so that a refused packet leaves no trace.

use alloc::vec::Vec;

use super::{EncodeError, text, varint};
use crate::violation::Violation;

/// The longest string or binary field (section 1.5.4; 3.1.1: 1.5.3).
const MAXIMUM_FIELD: usize = 65_535;

#[inline]
pub(crate) fn u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub(crate) fn u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A Variable Byte Integer in the fewest bytes [MQTT-1.5.5-1]. The value has been checked to have at most 28 bits.
#[inline]
pub(crate) fn varint(out: &mut Vec<u8>, value: u32) {
    match u8::try_from(value) {
        Ok(value @ 0..=0x7F) => out.push(value),
        _ => long_varint(out, value),
    }
}

fn long_varint(out: &mut Vec<u8>, value: u32) {
    let [a, b, c, d] = [0, 7, 14, 21].map(|shift| (value >> shift).to_le_bytes()[0]);
    match varint::len(value) {
        1 => out.push(a),
        2 => out.extend_from_slice(&[a | 0x80, b]),
        3 => out.extend_from_slice(&[a | 0x80, b | 0x80, c]),
        _ => out.extend_from_slice(&[a | 0x80, b | 0x80, c | 0x80, d & 0x7F]),
    }
}

/// Binary data or a string with its two-byte length, which has been checked.
#[inline]
pub(crate) fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let [.., high, low] = bytes.len().to_be_bytes();
    out.extend_from_slice(&[high, low]);
    out.extend_from_slice(bytes);
}

/// The first byte and the remaining length, with room for all of the packet behind it.
#[inline]
pub(crate) fn begin(
    out: &mut Vec<u8>,
    first: u8,
    remaining_length: usize,
) -> Result<(), EncodeError> {
    begin_part(out, first, remaining_length, packet_len(remaining_length))
}

/// The same with room for so many bytes of the packet: the others do not come here.
#[inline]
pub(crate) fn begin_part(
    out: &mut Vec<u8>,
    first: u8,
    remaining_length: usize,
    written: usize,
) -> Result<(), EncodeError> {
    let value = varint::value(remaining_length).ok_or(EncodeError::PacketTooLarge)?;
    out.reserve(written);
    out.push(first);
    varint(out, value);
    Ok(())
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

#[inline]
pub(crate) fn check_binary(bytes: &[u8]) -> Result<(), EncodeError> {
    if bytes.len() > MAXIMUM_FIELD {
        Err(EncodeError::StringTooLong)
    } else {
        Ok(())
    }
}

#[inline]
pub(crate) fn check_string(string: &str) -> Result<(), EncodeError> {
    check_binary(string.as_bytes())?;
    Ok(text::check_string(string)?)
}

#[inline]
pub(crate) fn check_topic_name(name: &str, wildcard: Violation) -> Result<(), EncodeError> {
    check_binary(name.as_bytes())?;
    Ok(text::check_topic_name(name, wildcard)?)
}
