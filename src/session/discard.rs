//! Taking a message back.

use super::{PublishHandle, Session, State};
use crate::message::Message;
use crate::types::QoS;

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
        if let Some(queued) = self.queue.remove_first(|queued| queued.handle == handle.0) {
            return Some(queued.message);
        }
        let (id, qos) = self.in_flight.iter().find_map(|entry| match &entry.state {
            State::Publish { message, .. } if entry.handle == handle.0 => {
                Some((entry.id, message.qos()))
            }
            _ => None,
        })?;
        let message = self.in_flight.release(id);
        if qos == QoS::ExactlyOnce {
            // The peer may have the message under this identifier, see `Core::resume`.
            self.in_flight.report(id);
        } else {
            self.in_flight.remove(id);
        }
        message
    }
}
