//! Feature `tracing`: a line for each change of a connection's state and for each packet, under the target
//! `sansio_mqtt`. Without the feature all of it is nothing.
//!
//! What goes out is read back from the bytes, since they are made in many places; and only if somebody
//! listens.

use core::fmt::Display;

use super::Core;

#[cfg(feature = "tracing")]
macro_rules! line {
    ($level:ident, $core:expr, $($text:tt)*) => {
        tracing::$level!(
            target: "sansio_mqtt",
            connection = $core.connection.0,
            role = %$core.role,
            $($text)*
        )
    };
}

#[cfg(feature = "tracing")]
impl Core {
    pub(crate) fn trace_state(&self, state: impl Display) {
        line!(debug, self, "{state}");
    }

    pub(crate) fn trace_received(&self, packet: &impl Display) {
        line!(trace, self, "received {packet}");
    }

    /// Whole packets; the last may be the head of a payload that goes in pieces.
    pub(super) fn trace_sent(&self, bytes: Option<&[u8]>) {
        use crate::packet::{DecodeOptions, Packet, PacketStart};

        if !tracing::enabled!(target: "sansio_mqtt", tracing::Level::TRACE) {
            return;
        }
        let options = DecodeOptions::new();
        let mut bytes = bytes.unwrap_or_default();
        while let Ok(Some(packet)) = Packet::decode(self.version, &options, &mut bytes) {
            line!(trace, self, "sent {packet}");
        }
        let options = options.with_whole_publish_limit(0);
        let head = PacketStart::decode(self.version, &options, &mut bytes);
        if let Ok(Some(PacketStart::Head(head))) = head {
            line!(trace, self, "sent {head}");
        }
    }
}

#[cfg(not(feature = "tracing"))]
impl Core {
    #[inline(always)]
    pub(crate) fn trace_state(&self, _: impl Display) {}

    #[inline(always)]
    pub(crate) fn trace_received(&self, _: &impl Display) {}

    #[inline(always)]
    pub(super) fn trace_sent(&self, _: Option<&[u8]>) {}
}
