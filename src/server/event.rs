//! What a server learns from the client, and the mistakes it can make in accepting it.

use alloc::boxed::Box;

use crate::connection::{Incoming, IncomingHead, RequestError, RequestToken};
use crate::packet::{Ack, Auth, Connect, Disconnect, Subscribe, Unsubscribe};
use crate::session::{Dropped, PublishHandle, Session};

/// What a server learns from the client.
#[non_exhaustive]
#[derive(Debug)]
pub enum ServerEvent<'i> {
    /// A client asks to connect. To be answered with [`accept`](crate::ServerConnection::accept) or
    /// [`refuse`](crate::ServerConnection::refuse); in an enhanced authentication after
    /// [`auth`](crate::ServerConnection::auth).
    Connect(Connect<'i>),
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
    /// One of our messages of QoS 1 or 2 is settled, with the client's last word: PUBACK, PUBCOMP
    /// or a PUBREC of 0x80 and above. Messages of QoS 0 have no such event.
    Published {
        /// From [`publish`](crate::ServerConnection::publish).
        handle: PublishHandle,
        /// The acknowledgement.
        ack: Ack<'i>,
    },
    /// One of our messages will not be sent any more, or what became of it is not known. Not for what
    /// is only queued when a connection ends: that stays in the session.
    Dropped(Dropped),
    /// To be answered with [`suback`](crate::ServerConnection::suback).
    Subscribe {
        /// The packet.
        subscribe: Subscribe<'i>,
        /// The permission to answer.
        token: RequestToken,
    },
    /// To be answered with [`unsuback`](crate::ServerConnection::unsuback).
    Unsubscribe {
        /// The packet.
        unsubscribe: Unsubscribe<'i>,
        /// The permission to answer.
        token: RequestToken,
    },
    /// A step of enhanced authentication, or the first of a re-authentication (5.0 §4.12): to be answered
    /// with [`auth`](crate::ServerConnection::auth), or with what ends it.
    Auth(Auth<'i>),
    /// The client ends the connection; [`closed`](crate::ServerConnection::closed) says what follows for its
    /// will and its session.
    Disconnect(Disconnect<'i>),
}

/// A connection that was not accepted; the session comes back. The connection waits for another
/// answer unless it is closed.
#[derive(Debug, thiserror::Error)]
#[error("connection not accepted: {reason}")]
pub struct AcceptError {
    /// The session, handed back.
    pub session: Option<Box<Session>>,
    /// Why.
    pub reason: AcceptErrorReason,
}

/// Why a connection was not accepted.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AcceptErrorReason {
    /// The client asked for a clean start, so there is no session to resume (MQTT-3.1.2-4 of 5.0,
    /// MQTT-3.1.2-6 of 3.1.1).
    #[error("the client asked for a clean start")]
    CleanStart,
    /// A client without an identifier needs an Assigned Client Identifier (MQTT-3.2.2-16 of 5.0).
    #[error("the client needs an assigned client identifier")]
    ClientIdentifier,
    /// Response Information for a client that did not ask for it (MQTT-3.1.2-28 of 5.0).
    #[error("the client did not ask for response information")]
    ResponseInformation,
    /// CONNACK could not be made.
    #[error(transparent)]
    Request(#[from] RequestError),
}
