//! The bounds and the switches of the decoder.

use crate::types::Role;
use crate::wire::MAXIMUM_PACKET_SIZE;

/// What a decoder takes beyond what the standard says of every packet.
///
/// By default it takes what both standards allow, and nothing else. These switches make it more lenient or more
/// strict; everything else that it refuses, it refuses always.
/// [`with_whole_publish_limit`](Self::with_whole_publish_limit) only decides in what form a PUBLISH comes.
///
/// | switch | default | effect when set |
/// |---|---|---|
/// | [`with_unchecked_filters`](Self::with_unchecked_filters) | `false` | lenient: takes topic filters that are ill-formed (sections 4.7.1, 4.8.2), for the caller to refuse one by one |
/// | [`with_accept_v31`](Self::with_accept_v31) | `false` | lenient: reads a CONNECT of MQTT 3.1, which neither standard knows |
/// | [`with_sender`](Self::with_sender) | `None` | strict: refuses what that side must not send; the default takes it from either |
/// | [`with_maximum_packet_size`](Self::with_maximum_packet_size) | no limit | strict: refuses larger packets (5.0, section 3.1.2.11.4) |
/// | [`with_maximum_publish_head`](Self::with_maximum_publish_head) | 131,072 | strict: refuses larger heads, where PUBLISH is taken in pieces |
/// | [`with_control_characters_refused`](Self::with_control_characters_refused) | `false` | strict: refuses characters that a receiver may refuse (5.0, section 1.5.4; 3.1.1, section 1.5.3) |
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
#[cfg_attr(test, derive(Hash))]
pub struct DecodeOptions {
    pub(super) maximum_packet_size: u32,
    pub(super) sender: Option<Role>,
    pub(super) unchecked_filters: bool,
    pub(super) whole_publish_limit: u32,
    pub(super) maximum_publish_head: u32,
    pub(super) control_characters_refused: bool,
    pub(super) accept_v31: bool,
}

impl DecodeOptions {
    /// Every packet that the standard allows, from either side.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            maximum_packet_size: MAXIMUM_PACKET_SIZE,
            sender: None,
            unchecked_filters: false,
            whole_publish_limit: MAXIMUM_PACKET_SIZE,
            // The longest topic, and as much again for what stands around it and the properties.
            maximum_publish_head: 128 * 1024,
            control_characters_refused: false,
            accept_v31: false,
        }
    }

    /// The largest packet to take, in bytes, the fixed header included (5.0, section 3.1.2.11.4). Larger
    /// ones are refused as soon as their length is known. Default: [`MAXIMUM_PACKET_SIZE`].
    #[must_use]
    pub const fn with_maximum_packet_size(self, maximum_packet_size: u32) -> Self {
        Self {
            maximum_packet_size,
            ..self
        }
    }

    /// The side that the packets come from. If it is known, packets, reason codes and properties that only the
    /// other side may send are refused. Default: `None`, nothing depends on the direction.
    #[must_use]
    pub const fn with_sender(self, sender: Option<Role>) -> Self {
        Self { sender, ..self }
    }

    /// Whether to leave it to the caller to check the syntax of the topic filters (section 4.7.1, 4.8.2) in
    /// SUBSCRIBE and UNSUBSCRIBE, so that a bad one can be answered with a reason code of its own. They are
    /// strings without U+0000 in any case. Default: `false`, a bad filter makes the packet an error.
    #[must_use]
    pub const fn with_unchecked_filters(self, unchecked_filters: bool) -> Self {
        Self {
            unchecked_filters,
            ..self
        }
    }

    /// The largest PUBLISH, in bytes, the fixed header included, that
    /// [`PacketStart::decode`](crate::PacketStart::decode) gives as a whole. Of a larger one it gives the head, and then
    /// the payload may come in any pieces. Default: [`MAXIMUM_PACKET_SIZE`], all come whole.
    /// [`Packet::decode`](crate::Packet::decode) does not look at it.
    #[must_use]
    pub const fn with_whole_publish_limit(self, whole_publish_limit: u32) -> Self {
        Self {
            whole_publish_limit,
            ..self
        }
    }

    /// The longest head of a PUBLISH, in bytes, that [`PacketStart::decode`](crate::PacketStart::decode) takes when it
    /// does not take the whole: fixed header, topic, packet identifier and properties, which have to be there together.
    /// Default: 131,072.
    #[must_use]
    pub const fn with_maximum_publish_head(self, maximum_publish_head: u32) -> Self {
        Self {
            maximum_publish_head,
            ..self
        }
    }

    /// Whether a string with a character that SHOULD NOT be sent makes the packet malformed, as the receiver MAY treat it
    /// (5.0, section 1.5.4; 3.1.1, section 1.5.3): the control characters U+0001 to U+001F and U+007F to U+009F, and
    /// the noncharacters of Unicode. That is
    /// [`Violation::DisallowedCharacter`](crate::Violation::DisallowedCharacter); it goes for every string, such as
    /// topic names, filters and user properties, and not for binary data, passwords and payloads. 3.1 says nothing of
    /// such characters, and its strings are treated alike. Default: `false`.
    ///
    /// A server that takes such a topic and forwards it to clients that refuse it closes their connections
    /// (5.0, section 5.4.9), so a server for such clients sets this.
    #[must_use]
    pub const fn with_control_characters_refused(self, control_characters_refused: bool) -> Self {
        Self {
            control_characters_refused,
            ..self
        }
    }

    /// Whether a CONNECT of MQTT 3.1 (`MQIsdp`, level 3) is read. Default: `false`, it is refused as
    /// [`Violation::ProtocolVersionLegacy`](crate::Violation::ProtocolVersionLegacy). Strings keep the rules of 3.1.1. The other packets of 3.1 are read by its rules wherever
    /// [`Packet::decode`](crate::Packet::decode) is given [`Version::V31`](crate::Version::V31).
    #[must_use]
    pub const fn with_accept_v31(self, accept_v31: bool) -> Self {
        Self { accept_v31, ..self }
    }

    /// See [`DecodeOptions::with_maximum_packet_size`].
    #[must_use]
    pub const fn maximum_packet_size(&self) -> u32 {
        self.maximum_packet_size
    }

    /// See [`DecodeOptions::with_sender`].
    #[must_use]
    pub const fn sender(&self) -> Option<Role> {
        self.sender
    }

    /// See [`DecodeOptions::with_unchecked_filters`].
    #[must_use]
    pub const fn unchecked_filters(&self) -> bool {
        self.unchecked_filters
    }

    /// See [`DecodeOptions::with_whole_publish_limit`].
    #[must_use]
    pub const fn whole_publish_limit(&self) -> u32 {
        self.whole_publish_limit
    }

    /// See [`DecodeOptions::with_maximum_publish_head`].
    #[must_use]
    pub const fn maximum_publish_head(&self) -> u32 {
        self.maximum_publish_head
    }

    /// See [`DecodeOptions::with_control_characters_refused`].
    #[must_use]
    pub const fn control_characters_refused(&self) -> bool {
        self.control_characters_refused
    }

    /// See [`DecodeOptions::with_accept_v31`].
    #[must_use]
    pub const fn accept_v31(&self) -> bool {
        self.accept_v31
    }
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self::new()
    }
}
