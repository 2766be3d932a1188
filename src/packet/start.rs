//! PUBLISH in pieces: a head, and the payload in chunks as it comes or as it is read, so that nobody needs a buffer of
//! the size of the message.

use alloc::vec::Vec;

use super::{DecodeOptions, FixedHeader, Frame, Packet, Publish, characters, header_error};
use crate::types::{PacketType, Version};
use crate::violation::{DecodeError, Violation};
use crate::wire::EncodeError;
use crate::wire::varint::{self, Varint};
use crate::wire::writer::{self, Output};

/// A packet, or of a PUBLISH that is larger than [`DecodeOptions::whole_publish_limit`] all but the payload.
///
/// ```
/// use sansio_mqtt::{DecodeOptions, PacketStart, Publish, Version};
///
/// let mut bytes = Vec::new();
/// Publish::new("firmware/image", &[7; 5_000]).encode(Version::V5, &mut bytes)?;
/// let options = DecodeOptions::new().with_whole_publish_limit(1_024);
///
/// // What a transport gives, one piece at a time.
/// let mut pieces = bytes.chunks(1_000);
/// let mut input = pieces.next().unwrap();
/// let Some(PacketStart::Head(head)) = PacketStart::decode(Version::V5, &options, &mut input)? else {
///     unreachable!("the piece has all of the head, and the packet is over the limit");
/// };
/// assert_eq!((head.publish.topic, head.payload_len), ("firmware/image", 5_000));
///
/// let mut payload = head.payload();
/// let mut received = 0;
/// loop {
///     received += payload.take(&mut input).len();
///     if payload.is_done() {
///         break; // `input` is at the next packet
///     }
///     input = pieces.next().unwrap();
/// }
/// assert_eq!((received, input), (5_000, &[][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum PacketStart<'a> {
    /// All of a packet.
    Whole(Packet<'a>),
    /// All of a PUBLISH in front of its payload, which follows: see [`PublishHead::payload`].
    Head(PublishHead<'a>),
}

/// A PUBLISH whose payload goes apart from it, in chunks: received by [`PacketStart::decode`], or to be sent.
///
/// ```
/// use sansio_mqtt::{Publish, PublishHead, Version};
/// # let file = [7; 300_000];
/// # let mut socket = Vec::new();
///
/// let head = PublishHead::new(Publish::new("firmware/image", b""), 300_000);
/// head.encode(Version::V5, &mut socket)?;
/// let mut payload = head.payload();
/// for mut read in file.chunks(4_096) {
///     socket.extend_from_slice(payload.take(&mut read));
/// }
/// assert!(payload.is_done());
/// assert_eq!(socket.len(), head.encoded_len(Version::V5) + 300_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct PublishHead<'a> {
    /// All but the payload, which is empty here. One that is not is not sent, but compared and shown like any field:
    /// [`PublishHead::new`] leaves it out.
    pub publish: Publish<'a>,
    /// The length of the payload in bytes.
    pub payload_len: u32,
}

/// Counts the bytes of a payload that goes in chunks, and tells where it ends.
///
/// Not `Copy`: of two that count the same payload, one would take the next packet for the rest of it.
#[derive(Clone, Eq, PartialEq, Debug)]
#[cfg_attr(test, derive(Hash))]
pub struct PayloadChunks {
    remaining: u32,
}

impl<'a> PacketStart<'a> {
    /// Reads the packet at the beginning of `input`, as [`Packet::decode`] does, except that of a PUBLISH that is
    /// larger than [`DecodeOptions::whole_publish_limit`] the head suffices: `input` is then moved to the first
    /// byte of the payload, which is not a packet; [`PublishHead::payload`] takes it. That a head comes of a packet
    /// does not depend on how much of the payload is there.
    ///
    /// `Ok(None)` means that more bytes are needed; `input` is left as it is. For a head, no more than
    /// [`DecodeOptions::maximum_publish_head`] bytes ever are.
    ///
    /// # Errors
    ///
    /// Those of [`Packet::decode`], and [`Violation::PublishHeadTooLarge`] for a head over the limit.
    /// `input` is left as it is.
    pub fn decode(
        version: Version,
        options: &DecodeOptions,
        input: &mut &'a [u8],
    ) -> Result<Option<Self>, DecodeError> {
        let Some(header) = FixedHeader::read(version, options, input)? else {
            return Ok(None);
        };
        let large = header.packet_length() > options.whole_publish_limit as usize;
        if large && header.packet_type == PacketType::Publish {
            return Ok(PublishHead::decode(version, options, &header, input)?.map(Self::Head));
        }
        let packet = if options.control_characters_refused {
            characters::decode(version, options, input)?
        } else {
            Packet::decode_behind(version, options, header, input)?
        };
        Ok(packet.map(Self::Whole))
    }
}

/// In what form a connection takes a packet, by its fixed header.
pub(crate) enum Form {
    /// As a whole; or its fixed header is not there yet, or wrong.
    Whole,
    /// A PUBLISH in pieces.
    Pieces,
    /// Not at all: another packet that is larger than what may have to be in memory at once.
    TooLarge(DecodeError),
}

impl Form {
    pub(crate) fn of(version: Version, options: &DecodeOptions, input: &[u8]) -> Self {
        let Ok(Some(header)) = FixedHeader::read(version, options, input) else {
            return Self::Whole;
        };
        let length = header.packet_length();
        if length <= options.whole_publish_limit as usize {
            Self::Whole
        } else if header.packet_type == PacketType::Publish {
            Self::Pieces
        } else if length <= options.maximum_publish_head as usize {
            Self::Whole
        } else {
            let violation = Violation::PacketTooLarge;
            Self::TooLarge(header_error(version, header.first, violation, 1))
        }
    }
}

impl<'a> From<Packet<'a>> for PacketStart<'a> {
    fn from(packet: Packet<'a>) -> Self {
        Self::Whole(packet)
    }
}

impl<'a> PublishHead<'a> {
    /// The head of a message with a payload of this many bytes. `publish.payload` is not looked at.
    #[must_use]
    pub const fn new(publish: Publish<'a>, payload_len: u32) -> Self {
        let publish = Publish {
            payload: &[],
            ..publish
        };
        Self {
            publish,
            payload_len,
        }
    }

    /// To take the payload with, when all of it is still to come.
    #[must_use]
    pub const fn payload(&self) -> PayloadChunks {
        PayloadChunks::new(self.payload_len)
    }

    #[inline(never)]
    fn decode(
        version: Version,
        options: &DecodeOptions,
        header: &FixedHeader<'a>,
        input: &mut &'a [u8],
    ) -> Result<Option<Self>, DecodeError> {
        let &FixedHeader {
            first,
            remaining_length,
            behind,
            header_length,
            ..
        } = header;
        // Of the body, what is there.
        let body = behind.get(..remaining_length).unwrap_or(behind);
        let extent = head_extent(version, first, remaining_length, body);
        if header_length + extent > options.maximum_publish_head as usize {
            let violation = Violation::PublishHeadTooLarge;
            // More of the head may show that another field is too much as well: the error is that of all of it.
            return Err(header_error(version, first, violation, header_length));
        }
        if extent > body.len() {
            return Ok(None);
        }
        // All that the decoder of a whole packet looks at is there, or its lack shows already. So it finds here
        // what it finds there; what is behind the head is the payload to it.
        let frame = Frame {
            version,
            options,
            packet_type: PacketType::Publish,
            first,
            header_length,
            body,
        };
        let Some(packet) = Publish::decode(&frame)? else {
            return Ok(None);
        };
        if options.control_characters_refused {
            characters::check(version, &packet, input)?;
        }
        let Packet::Publish(publish) = packet else {
            return Ok(None);
        };
        let head_length = body.len() - publish.payload.len();
        *input = behind.get(head_length..).unwrap_or_default();
        // At most the remaining length, which has 28 bits.
        let payload_len = u32::try_from(remaining_length - head_length).unwrap_or_default();
        Ok(Some(Self::new(publish, payload_len)))
    }

    /// Appends the packet without its payload to `out`. The caller sends `payload_len` bytes behind it.
    ///
    /// # Errors
    ///
    /// See [`Packet::encode`](crate::Packet::encode). [`EncodeError::PacketTooLarge`] if head and payload together are.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(version, out)
    }

    /// Writes the packet without its payload to the front of `out` and returns the length of that: [`PublishHead::encode`]
    /// without a `Vec`.
    ///
    /// # Errors
    ///
    /// See [`PublishHead::encode`], and [`Packet::encode_to_slice`](crate::Packet::encode_to_slice).
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        let Self { publish, .. } = Self::new(self.publish, 0);
        publish.check(version)?;
        let measure = publish.measure(version).with_payload(self.payload_len);
        publish.write_checked(version, &measure, out)
    }

    /// The number of bytes that [`PublishHead::encode`] appends. With `payload_len` it is the size of the packet.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        let Self { publish, .. } = Self::new(self.publish, 0);
        let measure = publish.measure(version).with_payload(self.payload_len);
        measure.written_len()
    }
}

impl PayloadChunks {
    pub(crate) const fn new(payload_len: u32) -> Self {
        Self {
            remaining: payload_len,
        }
    }

    /// Takes what `input` has of the payload, which may be nothing, and moves `input` behind it: to its end, or to
    /// the next packet.
    pub fn take<'a>(&mut self, input: &mut &'a [u8]) -> &'a [u8] {
        let wanted = self.remaining as usize;
        let (chunk, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
        *input = rest;
        // No more than `remaining`.
        self.remaining -= u32::try_from(chunk.len()).unwrap_or(self.remaining);
        chunk
    }

    /// The number of bytes still to come.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Whether the payload is complete. An empty one is from the start.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.remaining == 0
    }
}

/// How much of a body has to be there before a head can be taken or refused, as far as its beginning `body` tells. Where
/// a field runs past the end of the packet, its length alone tells that, and is all that is waited for.
fn head_extent(version: Version, first: u8, remaining_length: usize, body: &[u8]) -> usize {
    let extent = || {
        let Some((topic_length, _)) = body.split_first_chunk() else {
            return 2;
        };
        let behind_topic = 2 + usize::from(u16::from_be_bytes(*topic_length));
        if behind_topic > remaining_length {
            return 2;
        }
        let behind_id = behind_topic + if first & 0x06 == 0 { 0 } else { 2 };
        if version != Version::V5 {
            return behind_id;
        }
        let Some(properties) = body.get(behind_id..).filter(|rest| !rest.is_empty()) else {
            return behind_id + 1;
        };
        match varint::read(properties) {
            Varint::Value(length, count) => {
                let block = behind_id + count;
                let end = block + length as usize;
                let is_block = end <= remaining_length && count == varint::len(length);
                if is_block { end } else { block }
            }
            Varint::Incomplete => body.len() + 1,
            Varint::TooLong => behind_id + 4,
        }
    };
    extent().min(remaining_length)
}

#[cfg(test)]
mod tests;
