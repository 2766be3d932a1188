use core::time::Duration;

use crate::index::{IndexOptions, Overlap, RetainedOptions};
use crate::options::Options;
use crate::types::QoS;

/// Who of a Shared Subscription gets a message, of those that can take it now: as [`Pick`](crate::Pick), which see.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum SharedPick {
    /// One after the other.
    RoundRobin,
    /// The one that got none for the longest time.
    LeastRecentlyUsed,
    /// The same one for the same topic.
    StickyByTopic,
    /// The same one for the same publisher.
    StickyByPublisher,
    /// Any.
    Random,
}

/// What becomes of a client that is connected and takes its messages so slowly that no more fit in its queue.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum SlowConsumer {
    /// It loses the message if that is of QoS 0 or comes through a Shared Subscription, no member of which has room; else
    /// it is disconnected with 0x97 (Quota exceeded): it knows then that it does not get everything. That message is lost;
    /// what waited stays in its session.
    Disconnect,
    /// It loses the message.
    Drop,
}

/// The bounds of a [`Broker`](crate::Broker), what it offers, and what it asks and tells its caller.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    pub(super) connection: Options,
    pub(super) index: IndexOptions,
    pub(super) retained: RetainedOptions,
    pub(super) seed: Option<u64>,
    pub(super) maximum_connections: usize,
    pub(super) maximum_sessions: usize,
    pub(super) maximum_client_subscriptions: u32,
    pub(super) maximum_client_filter_bytes: u32,
    pub(super) maximum_session_expiry: u32,
    pub(super) maximum_keep_alive: u16,
    pub(super) maximum_qos: QoS,
    pub(super) retain_available: bool,
    pub(super) wildcard_subscriptions: bool,
    pub(super) shared_subscriptions: bool,
    pub(super) subscription_identifiers: bool,
    pub(super) overlap: Overlap,
    pub(super) shared_pick: SharedPick,
    pub(super) slow_consumer: SlowConsumer,
    pub(super) dollar_topics: bool,
    pub(super) sys_interval: Option<Duration>,
    pub(super) ask_connect: bool,
    pub(super) ask_publish: bool,
    pub(super) ask_subscribe: bool,
    pub(super) answer_timeout: Duration,
    pub(super) drop_events: bool,
    pub(super) session_events: bool,
    pub(super) bridge_events: bool,
    pub(super) maximum_events: usize,
    pub(super) records: bool,
}

/// A setter and a getter of the same value.
macro_rules! options {
    ($($(#[$doc:meta])* $with:ident $name:ident: $type:ty;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub const fn $with(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            }

            #[doc = concat!("See [`", stringify!($with), "`](Self::", stringify!($with), ").")]
            #[must_use]
            pub const fn $name(&self) -> $type {
                self.$name
            }
        )*
    };
}

impl BrokerOptions {
    /// The defaults that each method names.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connection: Options::new(),
            index: IndexOptions::new(),
            retained: RetainedOptions::new(),
            seed: None,
            maximum_connections: usize::MAX,
            maximum_sessions: usize::MAX,
            maximum_client_subscriptions: 10_000,
            maximum_client_filter_bytes: 4 << 20,
            maximum_session_expiry: u32::MAX,
            maximum_keep_alive: u16::MAX,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscriptions: true,
            shared_subscriptions: true,
            subscription_identifiers: true,
            overlap: Overlap::OneCopy,
            shared_pick: SharedPick::RoundRobin,
            slow_consumer: SlowConsumer::Disconnect,
            dollar_topics: false,
            sys_interval: None,
            ask_connect: false,
            ask_publish: false,
            ask_subscribe: false,
            answer_timeout: Duration::from_secs(30),
            drop_events: false,
            session_events: false,
            bridge_events: false,
            maximum_events: 65_536,
            records: false,
        }
    }

    /// The bounds of each connection and its session, unless [`Admission::options`](crate::Admission::options) has others.
    /// Whatever they say, messages come whole and the broker acknowledges them itself. Default: [`Options::new`].
    #[must_use]
    pub const fn with_connection(mut self, options: Options) -> Self {
        self.connection = options;
        self
    }

    /// The bounds of all subscriptions together. More are answered with 0x97 (Quota exceeded). Default:
    /// [`IndexOptions::new`].
    #[must_use]
    pub const fn with_index(mut self, options: IndexOptions) -> Self {
        self.index = options;
        self
    }

    /// The bounds of all retained messages together. A message that may not be retained is answered with 0x97 (Quota
    /// exceeded) and goes to nobody; where no answer can say so (QoS 0, and before 5.0) it goes to the subscribers and
    /// is not retained. What counts are the bytes of topic, properties, payload and the Client Identifier of who published
    /// it. Default: [`RetainedOptions::new`].
    #[must_use]
    pub const fn with_retained(mut self, options: RetainedOptions) -> Self {
        self.retained = options;
        self
    }

    /// Where assigned Client Identifiers, the hashes of the index and the choice among members of a Shared Subscription
    /// start: with the same seed the same calls give the same bytes. Default: with `std` random, without it a constant, so
    /// give one.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self.index = self.index.with_seed(seed);
        self.retained = self.retained.with_seed(seed);
        self
    }

    options! {
        /// Connections at most, from [`connected`](crate::Broker::connected) to [`disconnected`](crate::Broker::disconnected); the
        /// CONNECT of one more is refused with 0x89 (Server busy). Default: no limit.
        with_maximum_connections maximum_connections: usize;
        /// Sessions at most, with those of clients that are away; a client that would begin one more is refused with 0x97
        /// (Quota exceeded). Default: no limit.
        with_maximum_sessions maximum_sessions: usize;
        /// Subscriptions of one client at most; one more is answered with 0x97 (Quota exceeded). Default 10,000.
        with_maximum_client_subscriptions maximum_client_subscriptions: u32;
        /// Bytes of the Topic Filters of one client at most, of which one alone can have 65,535; one more is answered with 0x97
        /// (Quota exceeded). Default 4 MiB.
        with_maximum_client_filter_bytes maximum_client_filter_bytes: u32;
        /// Seconds that a session outlives its connection at most, in each version; `u32::MAX`: for ever. A client of 5.0
        /// that asks for more is told (5.0 §3.2.2.3.2). Default `u32::MAX`.
        with_maximum_session_expiry maximum_session_expiry: u32;
        /// Seconds of Keep Alive at most: a client of 5.0 that asks for more, or for none, gets this as Server Keep Alive
        /// (5.0 §3.2.2.3.14). `u16::MAX`: as the client wants. Default `u16::MAX`.
        with_maximum_keep_alive maximum_keep_alive: u16;
        /// The highest QoS. It is announced (5.0 §3.2.2.3.4), a client of 5.0 that sends more is disconnected with 0x9B
        /// (QoS not supported), and no subscription is granted more. Default 2.
        with_maximum_qos maximum_qos: QoS;
        /// Whether messages are retained. If not it is announced, a client of 5.0 that sends one to be retained is
        /// disconnected with 0x9A (Retain not supported), and that of another is published as any other. Default `true`.
        with_retain_available retain_available: bool;
        /// Whether a Topic Filter may have wildcards: if not, 0xA2. Default `true`.
        with_wildcard_subscriptions wildcard_subscriptions: bool;
        /// Whether there are Shared Subscriptions: if not, 0x9E. Default `true`.
        with_shared_subscriptions shared_subscriptions: bool;
        /// Whether a subscription may have an identifier: if not, 0xA1. Default `true`.
        with_subscription_identifiers subscription_identifiers: bool;
        /// What a client gets of a message that several of its subscriptions match. Default [`Overlap::OneCopy`].
        with_overlap overlap: Overlap;
        /// Who of a Shared Subscription gets a message. Default [`SharedPick::RoundRobin`].
        with_shared_pick shared_pick: SharedPick;
        /// What becomes of a client that does not keep up. Default [`SlowConsumer::Disconnect`].
        with_slow_consumer slow_consumer: SlowConsumer;
        /// Whether clients may publish to topics that begin with `$`, which a server should prevent (section 4.7.2). If
        /// not, that is answered as [`Verdict::Deny`](crate::Verdict::Deny) with 0x87 (Not authorized). `$SYS` and what is
        /// below is always the broker's alone. Default `false`.
        with_dollar_topics dollar_topics: bool;
        /// How often the [counters](crate::Broker::counters) are published below `$SYS/broker`, retained where
        /// there are [such](Self::with_retain_available) messages; `None`: never. Not while as many events wait as
        /// [may](Self::with_maximum_events): each slow client would make more of them.
        /// Default `None`.
        with_sys_interval sys_interval: Option<Duration>;
        /// Whether each CONNECT is asked about ([`Question::Connect`](crate::Question::Connect)); if not, all are accepted
        /// but those that want enhanced authentication. Default `false`.
        with_ask_connect ask_connect: bool;
        /// Whether each message of a client is asked about ([`Question::Publish`](crate::Question::Publish)). Default
        /// `false`: all are allowed.
        with_ask_publish ask_publish: bool;
        /// Whether each SUBSCRIBE is asked about ([`Question::Subscribe`](crate::Question::Subscribe)). Default `false`: all
        /// are allowed.
        with_ask_subscribe ask_subscribe: bool;
        /// How long a question may stay open. Then a client that asks to connect is refused with 0x88 (Server
        /// unavailable), another one disconnected with 0x89 (Server busy). Default 30 s.
        with_answer_timeout answer_timeout: Duration;
        /// Whether [`BrokerEvent::Dropped`](crate::BrokerEvent::Dropped) and
        /// [`BrokerEvent::NotRetained`](crate::BrokerEvent::NotRetained) are given. Default `false`: they are only counted.
        with_drop_events drop_events: bool;
        /// Whether [`BrokerEvent::SessionEnded`](crate::BrokerEvent::SessionEnded) is given. Default `false`.
        with_session_events session_events: bool;
        /// Whether [`BrokerEvent::FirstSubscription`](crate::BrokerEvent::FirstSubscription),
        /// [`LastSubscription`](crate::BrokerEvent::LastSubscription) and
        /// [`Published`](crate::BrokerEvent::Published) are given. Default `false`.
        with_bridge_events bridge_events: bool;
        /// Events that wait for [`poll_event`](crate::Broker::poll_event), and records that wait for
        /// [`take_records`](crate::Broker::take_records), before [`receive`](crate::Broker::receive) stops taking input,
        /// besides those that the last call adds. Default 65,536.
        with_maximum_events maximum_events: usize;
        /// Whether each change of what is to survive a restart is recorded, and bytes are held until the records that they
        /// wait for are [`stored`](crate::Broker::stored). Default `false`.
        with_records records: bool;
    }
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self::new()
    }
}
