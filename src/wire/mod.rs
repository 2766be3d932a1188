//! Bytes in and out: integers, strings, binary data (section 1.5).

mod reader;
pub(crate) mod text;
pub(crate) mod varint;
pub(crate) mod writer;

pub(crate) use reader::{Fault, Reader, Row};

use crate::violation::Violation;

/// The largest remaining length: what four bytes of seven bits hold (section 1.5.5; 3.1.1: 2.2.3).
pub const MAXIMUM_REMAINING_LENGTH: u32 = 268_435_455;

/// The largest packet: the remaining length, its four bytes and the first byte.
pub const MAXIMUM_PACKET_SIZE: u32 = 268_435_460;

/// Why a packet cannot be put into bytes. What the *caller* did; nothing has been written.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// The peer would have to refuse it.
    #[error("the peer would refuse it: {0}")]
    Violation(Violation),
    /// A property, reason code, option or packet that 3.1.1 does not have.
    #[error("not in MQTT 3.1.1")]
    NeedsV5,
    /// What 3.1.1 has and 3.1 has not: Session Present in CONNACK, a failure in SUBACK.
    #[error("not in MQTT 3.1")]
    NeedsV311,
    /// A string or binary field of more than 65,535 bytes (section 1.5.4).
    #[error("string or binary field over 65,535 bytes")]
    StringTooLong,
    /// A remaining length, or a property length, over 268,435,455 (section 1.5.5).
    #[error("packet too large for MQTT")]
    PacketTooLarge,
    /// A packet identifier on a QoS 0 message, or none on a QoS 1 or 2 message [MQTT-2.2.1-2, MQTT-2.2.1-3;
    /// 3.1.1: MQTT-2.3.1-5, MQTT-2.3.1-1].
    #[error("packet identifier does not fit the QoS")]
    PacketIdMismatch,
    /// The slice is shorter than the packet, which is right in itself.
    #[error("no room for the packet's {needed} bytes")]
    BufferTooSmall {
        /// The length of the packet in bytes.
        needed: usize,
    },
}

impl From<Violation> for EncodeError {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}
