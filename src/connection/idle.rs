//! Memory of a connection without traffic: none.
//!
//! Buffers are kept from message to message, so that traffic allocates nothing. They are given back when a
//! ping shows that there is none: a client sends PINGREQ only when it has had nothing else to send for its
//! Keep Alive. A server does so behind SUBACK and UNSUBACK, too, since many subscribers do nothing else.

use alloc::vec::Vec;

use super::Core;

impl Core {
    /// The connection has opened, a ping has come to its end, or a request is answered. What is kept goes as soon as there
    /// is nothing to be sent.
    pub(crate) fn rest(&mut self) {
        self.resting = true;
        if self.control.is_empty() {
            self.give_back();
        }
    }

    /// Nothing is left in `control`.
    #[cold]
    pub(super) fn give_back(&mut self) {
        self.resting = false;
        self.control = Vec::new();
        self.session.give_back();
        if let Some(received) = self.received.take_if(|received| received.is_empty()) {
            self.next_sequence = received.first();
        }
        self.rare.take_if(|rare| rare.is_empty());
    }
}
