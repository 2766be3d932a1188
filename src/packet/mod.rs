//! The fifteen control packets (chapter 3), for all versions: views of received bytes, and what is to be sent.

mod ack;
mod auth;
mod characters;
mod connack;
mod connect;
mod decode_options;
mod disconnect;
mod display;
mod header;
mod publish;
mod start;
mod subscribe;
mod unsubscribe;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::Connack;
pub use connect::{Connect, Will};
pub use decode_options::DecodeOptions;
pub use disconnect::Disconnect;
pub(crate) use publish::Measure;
pub use publish::{Publish, SubscriptionIdentifiers};
pub(crate) use start::Form;
pub use start::{PacketStart, PayloadChunks, PublishHead};
pub use subscribe::{
    ReasonCodes, Suback, Subscribe, Subscription, SubscriptionOptions, Subscriptions,
};
pub use unsubscribe::{TopicFilters, Unsuback, Unsubscribe};

use alloc::vec::Vec;

use header::{FixedHeader, check_length, first_byte, header_error, length_error};

use crate::reason::ReasonCode;
use crate::types::{PacketType, Version};
use crate::violation::{DecodeError, Violation};
use crate::wire::writer::{self, Output};
use crate::wire::{EncodeError, Fault, Reader};

/// A control packet of any version. One of 3.1.1 or 3.1 has no properties.
///
/// [`Packet::decode`] and [`Packet::encode_to_slice`] never use `alloc`, whatever the packet and whatever the error;
/// nor does anything that reads a decoded packet. The memory is the caller's.
///
/// ```
/// use sansio_mqtt::{DecodeOptions, Packet, Publish, Version};
///
/// let mut bytes = Vec::new();
/// Publish::new("a/b", b"hello").encode(Version::V5, &mut bytes)?;
///
/// let mut input = &bytes[..];
/// let packet = Packet::decode(Version::V5, &DecodeOptions::new(), &mut input)?;
/// assert_eq!(packet, Some(Packet::Publish(Publish::new("a/b", b"hello"))));
/// assert!(input.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Packet<'a> {
    /// Connection request (section 3.1).
    Connect(Connect<'a>),
    /// Answer to CONNECT (section 3.2).
    Connack(Connack<'a>),
    /// An application message (section 3.3).
    Publish(Publish<'a>),
    /// Acknowledgement of a QoS 1 message (section 3.4).
    Puback(Ack<'a>),
    /// QoS 2, first acknowledgement (section 3.5).
    Pubrec(Ack<'a>),
    /// QoS 2, answer to PUBREC (section 3.6).
    Pubrel(Ack<'a>),
    /// QoS 2, last acknowledgement (section 3.7).
    Pubcomp(Ack<'a>),
    /// Subscription request (section 3.8).
    Subscribe(Subscribe<'a>),
    /// Answer to SUBSCRIBE (section 3.9).
    Suback(Suback<'a>),
    /// Request to end subscriptions (section 3.10).
    Unsubscribe(Unsubscribe<'a>),
    /// Answer to UNSUBSCRIBE (section 3.11).
    Unsuback(Unsuback<'a>),
    /// Keep-alive request (section 3.12).
    Pingreq,
    /// Keep-alive answer (section 3.13).
    Pingresp,
    /// Last packet of a connection (section 3.14).
    Disconnect(Disconnect<'a>),
    /// Step of an enhanced authentication (5.0, section 3.15).
    Auth(Auth<'a>),
}

/// A packet of which all bytes are there, and its first byte allowed.
#[derive(Copy, Clone)]
struct Frame<'a, 'o> {
    version: Version,
    options: &'o DecodeOptions,
    packet_type: PacketType,
    first: u8,
    header_length: usize,
    body: &'a [u8],
}

/// Decodes the body of a frame. Each use builds its packet where the caller wants it: one `match` that yields a packet of
/// any type would build it on the stack, in the size of the largest, and copy it.
macro_rules! packet {
    ($frame:ident, $variant:ident, |$reader:ident| $decode:expr) => {{
        let mut reader = $frame.reader();
        let $reader = &mut reader;
        match $decode {
            Ok(packet) if reader.is_empty() => Ok(Some(Packet::$variant(packet))),
            Ok(_) => Err($frame.error(reader.fault(Violation::TrailingBytes))),
            Err(fault) => Err($frame.error(fault)),
        }
    }};
}

impl<'a> Frame<'a, '_> {
    /// The packets of which a connection has few. What they need of the stack is not made ready for the others.
    #[inline(never)]
    fn decode_other(
        version: Version,
        options: &DecodeOptions,
        packet_type: PacketType,
        header_length: usize,
        body: &'a [u8],
    ) -> Result<Option<Packet<'a>>, DecodeError> {
        let frame = Frame {
            version,
            options,
            packet_type,
            first: first_byte(packet_type),
            header_length,
            body,
        };
        match frame.packet_type {
            PacketType::Connect => packet!(frame, Connect, |r| Connect::decode(&frame, r)),
            PacketType::Connack => packet!(frame, Connack, |r| Connack::decode(&frame, r)),
            PacketType::Subscribe => packet!(frame, Subscribe, |r| Subscribe::decode(&frame, r)),
            PacketType::Suback => packet!(frame, Suback, |r| Suback::decode(&frame, r)),
            PacketType::Unsubscribe => {
                packet!(frame, Unsubscribe, |r| Unsubscribe::decode(&frame, r))
            }
            PacketType::Unsuback => packet!(frame, Unsuback, |r| Unsuback::decode(&frame, r)),
            PacketType::Disconnect => packet!(frame, Disconnect, |r| Disconnect::decode(&frame, r)),
            PacketType::Auth => packet!(frame, Auth, |r| Auth::decode(&frame, r)),
            PacketType::Pingreq if frame.body.is_empty() => Ok(Some(Packet::Pingreq)),
            PacketType::Pingresp if frame.body.is_empty() => Ok(Some(Packet::Pingresp)),
            _ => Err(frame.error(frame.reader().fault(Violation::TrailingBytes))),
        }
    }

    /// An acknowledgement that says more than that all is well, or is wrong.
    #[inline(never)]
    fn decode_ack(
        version: Version,
        options: &DecodeOptions,
        packet_type: PacketType,
        header_length: usize,
        body: &'a [u8],
        variant: fn(Ack<'a>) -> Packet<'a>,
    ) -> Result<Option<Packet<'a>>, DecodeError> {
        let frame = Frame {
            version,
            options,
            packet_type,
            first: first_byte(packet_type),
            header_length,
            body,
        };
        let mut reader = frame.reader();
        match Ack::decode(&frame, &mut reader) {
            Ok(ack) if reader.is_empty() => Ok(Some(variant(ack))),
            Ok(_) => Err(frame.error(reader.fault(Violation::TrailingBytes))),
            Err(fault) => Err(frame.error(fault)),
        }
    }

    #[inline(always)]
    fn reader(&self) -> Reader<'a> {
        Reader::of_body(self.body, self.header_length)
    }

    #[inline(always)]
    fn error(&self, fault: Fault) -> DecodeError {
        body_error(self.version, self.packet_type, self.body, fault)
    }

    /// A reason code of 5.0 that this packet may carry.
    #[inline(always)]
    fn read_reason(&self, reader: &mut Reader<'_>) -> Result<ReasonCode, Fault> {
        let before = *reader;
        match ReasonCode::from_u8(reader.u8()?) {
            Some(reason) if reason.allowed_in(self.packet_type, self.options.sender) => Ok(reason),
            _ => Err(before.fault(Violation::ReasonCodeInvalid)),
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads the packet at the beginning of `input` and moves `input` behind it.
    ///
    /// `Ok(None)` means that more bytes are needed; `input` is left as it is. Until the whole packet is there only
    /// its fixed header is looked at: type, flags and length, so nothing that will be refused for these has to
    /// be waited for.
    ///
    /// `version` is that of the connection. For a CONNECT it means nothing: it names its version itself, and is
    /// read by the rules of that version.
    ///
    /// Nothing is allocated, and the packet borrows the input.
    ///
    /// # Errors
    ///
    /// Everything that the standards call malformed or a Protocol Error and that shows in one packet alone.
    /// `input` is left as it is, and there is no going on: the place of the next packet is not trustworthy.
    // Into the caller, who has few such calls and many packets: entering and leaving the function costs as much as
    // decoding an acknowledgement.
    #[inline(always)]
    pub fn decode(
        version: Version,
        options: &DecodeOptions,
        input: &mut &'a [u8],
    ) -> Result<Option<Self>, DecodeError> {
        // Asked before all else: to look at the packet here, once it is decoded, would copy it.
        if options.control_characters_refused {
            characters::decode(version, options, input)
        } else {
            Self::decode_lenient(version, options, input)
        }
    }

    /// [`Packet::decode`] with any characters.
    #[inline(always)]
    fn decode_lenient(
        version: Version,
        options: &DecodeOptions,
        input: &mut &'a [u8],
    ) -> Result<Option<Self>, DecodeError> {
        let Some(header) = FixedHeader::read(version, options, input)? else {
            return Ok(None);
        };
        Self::decode_behind(version, options, header, input)
    }

    /// The packet with this header, at the beginning of `input`.
    #[inline(always)]
    fn decode_behind(
        version: Version,
        options: &DecodeOptions,
        header: FixedHeader<'a>,
        input: &mut &'a [u8],
    ) -> Result<Option<Self>, DecodeError> {
        let FixedHeader {
            packet_type,
            first,
            header_length,
            remaining_length,
            behind,
        } = header;
        let Some((body, rest)) = behind.split_at_checked(remaining_length) else {
            return match check_length(version, packet_type, header_length, remaining_length) {
                Ok(()) => Ok(None),
                Err(offset) => Err(length_error(version, first, offset)),
            };
        };
        let frame = Frame {
            version,
            options,
            packet_type,
            first,
            header_length,
            body,
        };
        // The packets of which a busy connection has many; and no one is given the address of the frame, so that it
        // stays in registers.
        macro_rules! short_ack {
            ($variant:ident) => {
                match Ack::decode_short(body) {
                    Some(ack) => Ok(Some(Self::$variant(ack))),
                    None => Frame::decode_ack(
                        version,
                        options,
                        packet_type,
                        header_length,
                        body,
                        Self::$variant,
                    ),
                }
            };
        }
        let decoded = match packet_type {
            PacketType::Publish => Publish::decode(&frame),
            PacketType::Puback => short_ack!(Puback),
            PacketType::Pubrec => short_ack!(Pubrec),
            PacketType::Pubrel => short_ack!(Pubrel),
            PacketType::Pubcomp => short_ack!(Pubcomp),
            _ => Frame::decode_other(version, options, packet_type, header_length, body),
        };
        if decoded.is_ok() {
            *input = rest;
        } else if let Err(offset) =
            check_length(version, packet_type, header_length, remaining_length)
        {
            // The error is the one that shows before the body is there, in whatever pieces the packet comes.
            return Err(length_error(version, first, offset));
        }
        decoded
    }

    /// Appends the packet to `out`. A CONNECT is written in the version that it names itself.
    ///
    /// Nothing is allocated if `out` has room for the packet.
    ///
    /// # Errors
    ///
    /// Whatever [`Packet::decode`] would refuse, and what `version` cannot express. `out` is then as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(version, out)
    }

    /// Writes the packet to the front of `out` and returns its length: the bytes that [`Packet::encode`] appends, for
    /// those who have no `Vec`. What is behind the packet in `out` is left as it is.
    ///
    /// Like [`Packet::decode`] this never uses `alloc`.
    ///
    /// ```
    /// use sansio_mqtt::{EncodeError, Packet, Version};
    ///
    /// let mut buffer = [0; 64];
    /// let length = Packet::Pingreq.encode_to_slice(Version::V5, &mut buffer)?;
    /// assert_eq!(buffer[..length], [0xC0, 0x00]);
    ///
    /// let refused = Packet::Pingreq.encode_to_slice(Version::V5, &mut buffer[..1]);
    /// assert_eq!(refused, Err(EncodeError::BufferTooSmall { needed: 2 }));
    /// # Ok::<(), EncodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Packet::encode`]; and [`EncodeError::BufferTooSmall`] if all is well but the room: it names the bytes
    /// that are needed, which are [`Packet::encoded_len`]. Nothing is written then.
    pub fn encode_to_slice(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        writer::to_slice(out, |out| self.write(version, out))
    }

    fn write(&self, version: Version, out: &mut impl Output) -> Result<(), EncodeError> {
        match self {
            Self::Connect(packet) => packet.write(out),
            Self::Connack(packet) => packet.write(version, out),
            Self::Publish(packet) => packet.write(version, out),
            Self::Puback(packet) => packet.write(PacketType::Puback, version, out),
            Self::Pubrec(packet) => packet.write(PacketType::Pubrec, version, out),
            Self::Pubrel(packet) => packet.write(PacketType::Pubrel, version, out),
            Self::Pubcomp(packet) => packet.write(PacketType::Pubcomp, version, out),
            Self::Subscribe(packet) => packet.write(version, out),
            Self::Suback(packet) => packet.write(version, out),
            Self::Unsubscribe(packet) => packet.write(version, out),
            Self::Unsuback(packet) => packet.write(version, out),
            Self::Pingreq => out.put([first_byte(PacketType::Pingreq), 0]),
            Self::Pingresp => out.put([first_byte(PacketType::Pingresp), 0]),
            Self::Disconnect(packet) => packet.write(version, out),
            Self::Auth(packet) => packet.write(version, out),
        }
    }

    /// The number of bytes that [`Packet::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        match self {
            Self::Connect(packet) => packet.encoded_len(),
            Self::Connack(packet) => packet.encoded_len(version),
            Self::Publish(packet) => packet.encoded_len(version),
            Self::Puback(packet)
            | Self::Pubrec(packet)
            | Self::Pubrel(packet)
            | Self::Pubcomp(packet) => packet.encoded_len(version),
            Self::Subscribe(packet) => packet.encoded_len(version),
            Self::Suback(packet) => packet.encoded_len(version),
            Self::Unsubscribe(packet) => packet.encoded_len(version),
            Self::Unsuback(packet) => packet.encoded_len(version),
            Self::Pingreq | Self::Pingresp => writer::packet_len(0),
            Self::Disconnect(packet) => packet.encoded_len(version),
            Self::Auth(packet) => packet.encoded_len(version),
        }
    }

    /// Which packet it is.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq => PacketType::Pingreq,
            Self::Pingresp => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

/// The packets whose struct tells their type. An [`Ack`] does not: it is four of them.
macro_rules! from {
    ($($name:ident)*) => {
        $(impl<'a> From<$name<'a>> for Packet<'a> {
            fn from(packet: $name<'a>) -> Self {
                Self::$name(packet)
            }
        })*
    };
}

from!(Connect Connack Publish Subscribe Suback Unsubscribe Unsuback Disconnect Auth);

/// What the body breaks. A CONNECT breaks the rules of its own version, if it gets as far as naming it and it is one
/// that is spoken.
#[cold]
fn body_error(version: Version, packet_type: PacketType, body: &[u8], fault: Fault) -> DecodeError {
    let version = match packet_type {
        PacketType::Connect if fault.violation() != Violation::ProtocolVersionLegacy => {
            connect::named_version(body).unwrap_or(version)
        }
        _ => version,
    };
    DecodeError::new(
        fault.violation(),
        Some(packet_type),
        version,
        fault.offset(),
    )
}

/// Refuses a reason code that this packet may not carry in 5.0.
fn check_reason(reason: ReasonCode, packet_type: PacketType) -> Result<(), EncodeError> {
    if reason.allowed_in(packet_type, None) {
        Ok(())
    } else {
        Err(Violation::ReasonCodeInvalid.into())
    }
}

#[cfg(test)]
mod tests;
