use crate::message::Message;
use crate::options::Options;
use crate::packet::{Auth, Connect, Subscribe};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::server::AcceptErrorReason;

use super::ConnectionId;

/// What the broker asks its caller, who answers at once or later. Until then it takes nothing more from this connection;
/// all others go on.
///
/// The packet borrows the input. Who answers later keeps of it what he needs and the token; what the broker needs it has
/// kept itself.
#[non_exhaustive]
#[derive(Debug)]
pub enum Question<'i> {
    /// A client wants to connect: [`accept`](crate::Broker::accept) it, [`refuse`](crate::Broker::refuse) it, or, if it
    /// names an Authentication Method, go on with [`authenticate`](crate::Broker::authenticate). With it goes the will,
    /// whose topic is not asked about again.
    Connect {
        /// The packet.
        connect: Connect<'i>,
        /// The permission to answer.
        token: QuestionToken,
    },
    /// A step of enhanced authentication: before the client is accepted, to be answered as `Connect`; in a
    /// re-authentication with [`authenticate`](crate::Broker::authenticate), or by ending the connection.
    Auth {
        /// The packet.
        auth: Auth<'i>,
        /// The permission to answer.
        token: QuestionToken,
    },
    /// A client publishes: [`answer_publish`](crate::Broker::answer_publish).
    Publish {
        /// The message.
        message: Message,
        /// The permission to answer.
        token: QuestionToken,
    },
    /// A client subscribes: [`answer_subscribe`](crate::Broker::answer_subscribe).
    Subscribe {
        /// The packet.
        subscribe: Subscribe<'i>,
        /// The permission to answer.
        token: QuestionToken,
    },
}

/// Permission to answer one question, once. It lapses with the connection and with
/// [`answer_timeout`](crate::BrokerOptions::with_answer_timeout).
#[derive(Debug, Eq, PartialEq)]
pub struct QuestionToken {
    pub(super) connection: ConnectionId,
    pub(super) number: u32,
}

impl QuestionToken {
    /// Whose question it is.
    #[must_use]
    pub const fn connection(&self) -> ConnectionId {
        self.connection
    }
}

/// How a client is accepted.
#[derive(Clone, Debug, Default)]
pub struct Admission<'a> {
    /// The name of the session, in place of the Client Identifier in CONNECT: for clients of several tenants that may have
    /// the same. `None`: the one in CONNECT, or an assigned one if that is empty.
    pub client_id: Option<&'a str>,
    /// For CONNACK, besides what the broker writes itself: Assigned Client Identifier and what
    /// [`BrokerOptions`](crate::BrokerOptions) and [`Options`] announce, unless it is among these.
    pub properties: Properties<'a>,
    /// The bounds of this connection and its session, in place of those of the
    /// [broker](crate::BrokerOptions::with_connection).
    pub options: Option<Options>,
}

/// What becomes of a message that a client publishes.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is published.
    Allow,
    /// This one is published in its place. The client does not learn of it.
    Rewrite(Message),
    /// It is not published, and the reason is in its acknowledgement. Where there is none (QoS 0), and before 5.0, where
    /// an acknowledgement has no reason, the client does not learn of it: to tell it,
    /// [end the connection](crate::Broker::disconnect) (MQTT-3.3.5-2 of 3.1.1 leaves these two).
    Deny(ReasonCode),
    /// It is not published, and acknowledged as if it were.
    Drop,
}

/// An answer that was not taken. The token comes back where the question is still open.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct AnswerError {
    /// To try again.
    pub token: Option<QuestionToken>,
    /// Why.
    pub reason: AnswerErrorReason,
}

/// Why an answer was not taken.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AnswerErrorReason {
    /// The connection has ended, or the time for the answer has passed.
    #[error("the question is not open any more")]
    Stale,
    /// It is the answer to another kind of question.
    #[error("the answer is to another kind of question")]
    Kind,
    /// One reason code per filter is asked for.
    #[error("{given} reason codes for {filters} filters")]
    Count {
        /// Codes that were given.
        given: usize,
        /// Filters in the request.
        filters: usize,
    },
    /// The reason code is not for this packet.
    #[error("{0} is not for this packet")]
    ReasonCode(ReasonCode),
    /// The message has a payload that comes apart from it.
    #[error("the payload of the message is streamed")]
    StreamedPayload,
    /// The name is empty or longer than 65,535 bytes.
    #[error("no client identifier")]
    ClientIdentifier,
    /// The packet cannot be made, or it is not the server's turn.
    #[error(transparent)]
    Connection(#[from] AcceptErrorReason),
}
