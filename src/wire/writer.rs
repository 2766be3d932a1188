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
pub(crate) fn fixed_header(out: &mut Vec<u8>, first: u8, remaining_length: u32) {
    out.reserve(packet_len(remaining_length));
    out.push(first);
    varint(out, remaining_length);
}

/// The length of a whole packet in bytes.
#[inline]
pub(crate) const fn packet_len(remaining_length: u32) -> usize {
    1 + varint::len(remaining_length) + remaining_length as usize
}

/// The same for a remaining length that may be too large.
#[inline]
pub(crate) const fn packet_len_of(remaining_length: usize) -> usize {
    let length = if remaining_length > u32::MAX as usize {
        4
    } else {
        varint::len(low_u32(remaining_length))
    };
    1 + length + remaining_length
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller has checked the range"
)]
const fn low_u32(value: usize) -> u32 {
    value as u32
}

/// A remaining length that can be written.
#[inline]
pub(crate) fn remaining_length(length: usize) -> Result<u32, EncodeError> {
    varint::value(length).ok_or(EncodeError::PacketTooLarge)
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
