//! What changes in a session, one record at a time, for a store that does not rewrite the whole.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::record;
use super::{DropReason, PublishHandle};
use crate::message::Message;
use crate::time::Instant;
use crate::types::PacketId;

/// One change of a [`Session`](crate::Session), to be stored behind a snapshot of it.
///
/// Made only with [`Options::with_change_records`](crate::Options::with_change_records), and handed out in order by
/// `poll_change` of the connection, or of the session while it has none.
///
/// # Which bytes wait for which record
///
/// **Bytes that `poll_transmit`, `publish_into` or `transmit_payload` gave may go to the transport once every record that `poll_change`
/// gives after that call is stored.** Records are stored in their order; a crash may take the last ones, and the bytes
/// that waited for them.
///
/// | record | stands for | if it were lost although the bytes went out |
/// |---|---|---|
/// | `Queued` | a message was taken from the application | it is not sent after a restart: who answers for it upstream waits for this record |
/// | `Sent` | PUBLISH is given to the transport | a new message under the identifier is taken for the old one; QoS 0 is sent twice |
/// | `Released` | PUBREC has come, PUBREL answers | PUBLISH is sent again and delivered twice |
/// | `Settled` | PUBACK or PUBCOMP has come, or a PUBREC that refuses | *may be late*: the end of the exchange is repeated |
/// | `Dropped` | a message will not be sent (any more) | what the peer has under the identifier is sent again |
/// | `Discarded` | the application took a message back | as with `Dropped` |
/// | `Reported` | the application was told of a dropped one | *may be late*: it is told twice |
/// | `Received` | a QoS 2 message was taken, PUBREC answers | nobody sends it again: it is lost, unless the application has stored it |
/// | `Forgotten` | PUBREL has come, PUBCOMP answers | the next message under the identifier is taken for this one and lost |
/// | `Begun` | the peer has a new session, the old one is gone | both sides take different exchanges for the same |
/// | `Standing` | what a restart has to think of the peer's session | an ended session is taken for one that goes on |
///
/// Bytes that wait for nothing but records that [may be late](Self::may_be_late) need not wait.
///
/// What the application does with a message of the peer is its own. QoS 1: store it before it is acknowledged, that is
/// before the next `receive`, or with manual acknowledgement before `acknowledge`. QoS 2, exactly once across a crash:
/// store the message and its `Received` in one write; with manual acknowledgement the record is made by `acknowledge`,
/// else it is there with the event.
///
/// Topic aliases, quotas, timers and requests without an answer die with a connection and have no record.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
pub enum Change {
    /// A message was queued, of any QoS.
    Queued {
        /// Its name.
        handle: PublishHandle,
        /// The message.
        message: Message,
        /// When: its expiry counts from here.
        since: Instant,
    },
    /// The message at the front of the queue was sent.
    Sent {
        /// Its name.
        handle: PublishHandle,
        /// Its Packet Identifier; none at QoS 0.
        packet_id: Option<PacketId>,
    },
    /// The peer has the QoS 2 message in flight under this identifier; PUBCOMP is due.
    Released {
        /// The identifier.
        packet_id: PacketId,
    },
    /// The exchange under this identifier has ended.
    Settled {
        /// The identifier.
        packet_id: PacketId,
    },
    /// A message was dropped and is to be reported.
    Dropped {
        /// Its name.
        handle: PublishHandle,
        /// Its Packet Identifier if it was in flight; at QoS 2 the exchange goes on from PUBREL.
        packet_id: Option<PacketId>,
        /// Why.
        reason: DropReason,
    },
    /// The application took a message back, see [`discard`](crate::Session::discard).
    Discarded {
        /// Its name.
        handle: PublishHandle,
        /// As for `Dropped`.
        packet_id: Option<PacketId>,
    },
    /// The oldest dropped message was reported.
    Reported {
        /// Its name.
        handle: PublishHandle,
    },
    /// A QoS 2 message of the peer was taken.
    Received {
        /// The peer's identifier.
        packet_id: PacketId,
    },
    /// The peer has released its identifier.
    Forgotten {
        /// The peer's identifier.
        packet_id: PacketId,
    },
    /// The peer has a new session: what was in flight is lost, what was received forgotten.
    Begun,
    /// What is known of the peer's session should the connection end now.
    Standing {
        /// As [`Session::is_established`](crate::Session::is_established) will say.
        established: bool,
        /// What is in flight belongs to a session that has ended.
        ended: bool,
    },
}

impl Change {
    /// Appends the record to `out`, where a log is kept behind a [snapshot](crate::Session#format).
    pub fn encode(&self, out: &mut Vec<u8>) {
        record::write(out, &record::Record::from(self));
    }

    /// Whether a loss of the record costs nothing but a repetition that the standard allows, so that no bytes wait for
    /// it.
    #[must_use]
    pub fn may_be_late(&self) -> bool {
        matches!(self, Self::Settled { .. } | Self::Reported { .. })
    }
}

/// Records that were not handed out yet, and whether there are any to be made: in a box, since most sessions make none.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Changes {
    waiting: VecDeque<Change>,
    /// Of the messages in them, as [`Message::size`] counts.
    bytes: usize,
    /// Those of messages of QoS 0 are not made, nor those of what was reported.
    skips_qos0: bool,
}

impl Changes {
    pub(crate) fn skip_qos0(&mut self, skip: bool) {
        self.skips_qos0 = skip;
    }

    pub(crate) fn skips_qos0(&self) -> bool {
        self.skips_qos0
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.bytes += change.size();
        self.waiting.push_back(change);
    }

    pub(crate) fn pop(&mut self) -> Option<Change> {
        let change = self.waiting.pop_front()?;
        self.bytes -= change.size();
        Some(change)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Change {
    fn size(&self) -> usize {
        match self {
            Self::Queued { message, .. } => message.size(),
            _ => 0,
        }
    }
}
