//! Many-to-one matching: which subscriptions a Topic Name meets, who of a Shared Subscription takes a message, and what each
//! client gets of it; which retained topics a filter meets. Data structures that know topics only: no connection, no session, no packet.

#[allow(clippy::cast_possible_truncation)] // words are parts of keys, hashes and sizes
mod arena;
mod deliveries;
mod entries;
mod expiries;
mod group;
mod groups;
#[allow(clippy::cast_possible_truncation)] // words are parts of keys, hashes and sizes
mod levels;
mod members;
mod options;
mod owned;
mod retained;
#[allow(clippy::cast_possible_truncation)] // words are parts of keys, hashes and sizes
mod run;
mod search;
mod subscriber;
mod subscriptions;
mod sweep;
mod topic;
mod tree;
mod walk;

pub use deliveries::{Deliveries, Delivery, Overlap};
pub(crate) use group::mix;
pub use group::{Pick, SharedGroup};
pub use groups::GroupId;
pub(crate) use options::random_seed;
pub use options::{IndexError, IndexOptions, RetainedOptions};
pub use retained::{NotRetained, Retained, RetainedStore};
pub use search::SearchCursor;
pub use subscriber::{Subscriber, SubscriberId, Subscribers};
pub use subscriptions::{Hit, SubscriptionIndex};
pub use walk::MatchCursor;
