//! What a client learns from the server, and the mistakes it can make in connecting.

use alloc::boxed::Box;

use crate::connection::{Incoming, IncomingHead, RequestError};
use crate::packet::{Ack, Auth, Connack, Disconnect, Suback, Unsuback};
use crate::session::{Dropped, PublishHandle, RequestHandle, Session};

/// What a client learns from the server.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum ClientEvent<'i> {
    /// The answer to CONNECT. With a reason of 0x80 and above the connection is closed.
    Connack(Connack<'i>),
    /// A message.
    Publish(Incoming<'i>),
    /// A message over [`whole_publish_limit`](crate::Options::with_whole_publish_limit) begins. Its payload
    /// comes in the next events: at least one [`Payload`](Self::Payload), with nothing but
    /// [`Dropped`](Self::Dropped) between them.
    PublishHead(IncomingHead<'i>),
    /// The next bytes of that payload. With the last of them the message counts as delivered, and its
    /// automatic acknowledgement is due with the next `receive`. If the connection ends before,
    /// forget the message: it comes again from the beginning, or not at all.
    Payload {
        /// The bytes; empty only if all of the payload is.
        chunk: &'i [u8],
        /// The payload is complete.
        last: bool,
    },
    /// One of our messages of QoS 1 or 2 is settled, with the server's last word: PUBACK, PUBCOMP
    /// or a PUBREC of 0x80 and above. Messages of QoS 0 have no such event.
    Published {
        /// From [`publish`](crate::ClientConnection::publish).
        handle: PublishHandle,
        /// The acknowledgement.
        ack: Ack<'i>,
    },
    /// One of our messages will not be sent any more, or what became of it is not known. Not for what
    /// is only queued when a connection ends: that stays in the session.
    Dropped(Dropped),
    /// The answer to SUBSCRIBE: one reason code for each filter.
    Subscribed {
        /// From [`subscribe`](crate::ClientConnection::subscribe).
        handle: RequestHandle,
        /// The answer.
        suback: Suback<'i>,
    },
    /// The answer to UNSUBSCRIBE: in 5.0 one reason code for each filter.
    Unsubscribed {
        /// From [`unsubscribe`](crate::ClientConnection::unsubscribe).
        handle: RequestHandle,
        /// The answer.
        unsuback: Unsuback<'i>,
    },
    /// The connection ended before the answer to this SUBSCRIBE or UNSUBSCRIBE. It is not sent again: what
    /// the server made of it is not known.
    Unanswered(RequestHandle),
    /// A step of enhanced authentication (5.0 §4.12), to be answered with
    /// [`auth`](crate::ClientConnection::auth); with Success it is the end of it.
    Auth(Auth<'i>),
    /// The server ends the connection (5.0).
    Disconnect(Disconnect<'i>),
}

/// A connection that could not be begun; the session comes back.
#[derive(Debug, thiserror::Error)]
#[error("connection not begun: {reason}")]
pub struct ConnectError {
    /// The session, handed back.
    pub session: Box<Session>,
    /// Why.
    pub reason: RequestError,
}
