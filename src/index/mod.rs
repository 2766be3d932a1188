//! Many-to-one matching: which subscriptions a Topic Name meets. A data structure that knows topics only: no connection, no
//! session, no packet.

#[allow(clippy::cast_possible_truncation)] // words are parts of keys, hashes and sizes
mod arena;
mod entries;
#[allow(clippy::cast_possible_truncation)] // words are parts of keys, hashes and sizes
mod levels;
mod options;
mod owned;
#[allow(clippy::cast_possible_truncation)] // words are parts of keys, hashes and sizes
mod run;
#[allow(clippy::cast_possible_truncation)] // words are parts of keys, hashes and sizes
mod slab;
mod subscriber;
mod subscriptions;
mod tree;
mod walk;

pub use options::{IndexError, IndexOptions};
pub use subscriber::{Subscriber, SubscriberId, Subscribers};
pub use subscriptions::{Hit, SubscriptionIndex};
pub use walk::MatchCursor;
