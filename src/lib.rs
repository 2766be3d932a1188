// The README's links lead to files; of two definitions the first counts, so in the documentation they
// lead to items.
//! [adapter]: #examples
//! [broker]: #examples
//! [client]: #examples
//! [client-tokio]: #examples
//! [load]: #examples
//! [no_sockets]: #examples
//! [concurrent]: #examples
//! [conformance]: #test-vectors-for-any-language
//! [routing]: #examples
//! [vectors]: #test-vectors-for-any-language
//! [`Broker`]: crate::Broker
//! [`Change`]: crate::Change
//! [`ClientConnection`]: crate::ClientConnection
//! [`DecodeError`]: crate::DecodeError
//! [`DecodeOptions`]: crate::DecodeOptions
//! [`EncodeError`]: crate::EncodeError
//! [`Deliveries`]: crate::Deliveries
//! [`Options`]: crate::Options
//! [`PacketStart`]: crate::PacketStart
//! [`PublishError`]: crate::PublishError
//! [`PublishHead`]: crate::PublishHead
//! [`QueuePolicy`]: crate::QueuePolicy
//! [`RetainedStore`]: crate::RetainedStore
//! [`RequestError`]: crate::RequestError
//! [`ServerConnection`]: crate::ServerConnection
//! [`Session`]: crate::Session
//! [`SubscriptionIndex`]: crate::SubscriptionIndex
//! [`Violation`]: crate::Violation
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

extern crate alloc;

#[cfg(target_has_atomic = "ptr")]
mod broker;
mod client;
mod connection;
mod display;
#[cfg(all(test, feature = "std"))]
mod explore;
mod index;
mod message;
mod options;
mod packet;
mod property;
mod reason;
mod server;
mod session;
#[allow(clippy::cast_possible_truncation)] // there are no more values than numbers
mod slab;
mod time;
mod topic;
mod types;
mod violation;
mod wire;
#[cfg(feature = "arbitrary")]
mod with_arbitrary;
#[cfg(feature = "serde")]
mod with_serde;

#[cfg(target_has_atomic = "ptr")]
pub use broker::{
    Admission, AnswerError, AnswerErrorReason, Broker, BrokerEvent, BrokerOptions, BrokerRecord,
    ConnectionId, Counters, MalformedRecord, Question, QuestionToken, RestoreError, SharedPick,
    SlowConsumer, Verdict,
};
pub use client::{ClientConnection, ClientEvent, ConnectError};
pub use connection::{
    AckToken, AcknowledgeError, CloseCause, Closed, Incoming, IncomingHead, PayloadWanted,
    ReplyError, ReplyErrorReason, RequestError, RequestToken,
};
pub use index::{
    Deliveries, Delivery, GroupId, Hit, IndexError, IndexOptions, MatchCursor, NotRetained,
    Overlap, Pick, Retained, RetainedOptions, RetainedStore, SearchCursor, SharedGroup, Subscriber,
    SubscriberId, Subscribers, SubscriptionIndex,
};
pub use message::{Message, MessageError};
pub use options::{Options, QueuePolicy};
pub use packet::{
    Ack, Auth, Connack, Connect, DecodeOptions, Disconnect, Packet, PacketStart, PayloadChunks,
    Publish, PublishHead, ReasonCodes, Suback, Subscribe, Subscription, SubscriptionIdentifiers,
    SubscriptionOptions, Subscriptions, TopicFilters, Unsuback, Unsubscribe, Will,
};
pub use property::{Properties, Property, PropertyIter};
pub use reason::ReasonCode;
pub use server::{AcceptError, AcceptErrorReason, ServerConnection, ServerEvent};
pub use session::{
    Change, DropReason, Dropped, PublishError, PublishErrorReason, PublishHandle, RequestHandle,
    Session, SnapshotError, SnapshotErrorKind,
};
#[cfg(feature = "std")]
pub use time::Clock;
pub use time::Instant;
pub use topic::{TopicError, TopicFilter, TopicName};
pub use types::{PacketId, PacketType, QoS, RetainHandling, Role, Version};
pub use violation::{DecodeError, Violation};
pub use wire::{EncodeError, MAXIMUM_PACKET_SIZE, MAXIMUM_REMAINING_LENGTH};
