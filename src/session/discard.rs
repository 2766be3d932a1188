//! Taking a message back.

use alloc::vec::Vec;

use super::{Change, PublishHandle, Session, State};
use crate::message::Message;
use crate::types::{PacketId, QoS};

impl Session {
    /// Takes a message out that waits to be sent or is sent and not acknowledged, and gives it back: it
    /// is neither sent (again) nor reported. For one with a
    /// [streamed payload](Message::with_streamed_payload) that cannot be supplied any more; while a
    /// connection has the session, end that first.
    ///
    /// Whether the peer got a message that was sent is not known. Of one of QoS 2 the exchange is
    /// completed: the peer gets PUBREL.
    ///
    /// `None`: no such message is kept, or the peer has taken it (QoS 2 after PUBREC).
    ///
    /// ```
    /// use sansio_mqtt::{Instant, Message, Options, Session};
    ///
    /// let mut session = Session::new();
    /// let message = Message::with_streamed_payload("log", 1 << 20)?;
    /// let handle = session.enqueue(Instant::ZERO, message, &Options::new())?;
    /// // The file is gone.
    /// assert!(session.discard(handle).is_some());
    /// assert_eq!(session.queued(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard(&mut self, handle: PublishHandle) -> Option<Message> {
        let packet_id = match self.queue.contains(handle.0) {
            true => None,
            false => Some(self.in_flight.iter().find_map(|entry| match &entry.state {
                State::Publish { .. } if entry.handle == handle.0 => Some(entry.id),
                _ => None,
            })?),
        };
        let message = self.take_back(handle, packet_id)?;
        self.record_of(message.qos(), || Change::Discarded { handle, packet_id });
        Some(message)
    }

    /// Takes all those out for which the closure says so; `sent`: also of those that are sent and not acknowledged.
    pub(crate) fn discard_all(
        &mut self,
        sent: bool,
        mut chosen: impl FnMut(&Message) -> bool,
    ) -> Vec<PublishHandle> {
        let queued = self.queue.iter().map(|one| (one.handle, &one.message));
        let in_flight = self.in_flight.iter().filter(|_| sent);
        let in_flight = in_flight.filter_map(|entry| match &entry.state {
            State::Publish { message, .. } => Some((entry.handle, message)),
            _ => None,
        });
        let all = queued.chain(in_flight);
        let mut handles: Vec<_> = all
            .filter(|(_, message)| chosen(message))
            .map(|(handle, _)| PublishHandle(handle))
            .collect();
        handles.retain(|&handle| self.discard(handle).is_some());
        handles
    }

    /// A message that waits, or is in flight under this identifier.
    pub(super) fn take_back(
        &mut self,
        handle: PublishHandle,
        packet_id: Option<PacketId>,
    ) -> Option<Message> {
        let Some(id) = packet_id else {
            return Some(self.queue.remove(handle.0)?.message);
        };
        let goes_on = self.in_flight.get(id)?.is_publish(QoS::ExactlyOnce);
        let message = self.in_flight.release(id);
        if goes_on {
            // The peer may have the message under this identifier. It must get a PUBREL, or it
            // would take a later message under it for the same one.
            self.in_flight.report(id);
        } else {
            self.in_flight.remove(id);
        }
        message
    }
}
