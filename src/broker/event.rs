use alloc::sync::Arc;

use crate::index::IndexError;
use crate::message::Message;
use crate::session::DropReason;
use crate::topic::TopicFilter;

/// What happens in a broker and no connection is told of.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum BrokerEvent {
    /// A client does not get a message: it is too slow, it takes no packet of that size, or the message expired. Given if
    /// [asked for](crate::BrokerOptions::with_drop_events).
    Dropped {
        /// Whose queue it would have been in.
        client_id: Arc<str>,
        /// Unless it had to make room for another one.
        message: Option<Message>,
        /// Why.
        reason: DropReason,
    },
    /// A message was published but not retained. Given if [asked for](crate::BrokerOptions::with_drop_events).
    NotRetained {
        /// The message.
        message: Message,
        /// Why.
        reason: IndexError,
    },
    /// A session has ended, with its subscriptions and all that waited. Given if
    /// [asked for](crate::BrokerOptions::with_session_events).
    SessionEnded {
        /// Whose.
        client_id: Arc<str>,
    },
    /// Somebody has subscribed to a filter to which nobody was subscribed: from now on such messages of elsewhere are of
    /// use here. Given if [asked for](crate::BrokerOptions::with_bridge_events).
    FirstSubscription {
        /// The whole filter, with `$share/` if it is shared.
        filter: TopicFilter<'static>,
    },
    /// Nobody is subscribed to the filter any more.
    LastSubscription {
        /// The whole filter.
        filter: TopicFilter<'static>,
    },
    /// A client, or the will of one, has published a message. Not given for what the caller
    /// [publishes](crate::Broker::publish) itself, so nothing goes round in circles.
    Published {
        /// Who.
        client_id: Arc<str>,
        /// The message.
        message: Message,
    },
}
