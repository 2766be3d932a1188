use super::tree::{Tree, WORDS_BESIDES, WORDS_PER_LEVEL};

/// The bounds of a [`SubscriptionIndex`](crate::SubscriptionIndex), and what it keeps.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct IndexOptions {
    seed: Option<u64>,
    maximum_levels: u32,
    maximum_subscriptions: u32,
    subscriber_lists: bool,
}

impl IndexOptions {
    /// At most 256 levels in a filter, as many subscriptions as can be addressed, a random seed, and lists of what each
    /// subscriber has.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seed: None,
            maximum_levels: 256,
            maximum_subscriptions: u32::MAX,
            subscriber_lists: true,
        }
    }

    /// Where the hashes of levels start. Who knows the seed can choose levels whose hashes are equal, which makes
    /// finding one of them slower in proportion to how many there are.
    ///
    /// Default: with `std` random, without it a constant, so give one.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Filters of more levels are refused ([`IndexError::TooManyLevels`]). No filter has more than 65,536. Each level that
    /// no other filter shares takes some 40 bytes, and a level can be one byte of a SUBSCRIBE.
    ///
    /// Topics may have any number of levels: only those that a filter goes down to are looked at.
    ///
    /// Default: 256.
    #[must_use]
    pub const fn with_maximum_levels(mut self, levels: u32) -> Self {
        self.maximum_levels = levels;
        self
    }

    /// More subscriptions are refused ([`IndexError::Full`]). Whatever this is, the index holds at most 2 GiB besides
    /// directories: some 80 million subscriptions.
    ///
    /// Default: no limit of its own.
    #[must_use]
    pub const fn with_maximum_subscriptions(mut self, subscriptions: u32) -> Self {
        self.maximum_subscriptions = subscriptions;
        self
    }

    /// Whether to keep, for each subscriber, where its subscriptions are:
    /// [`remove_subscriber`](crate::SubscriptionIndex::remove_subscriber) and
    /// [`subscriptions_of`](crate::SubscriptionIndex::subscriptions_of) look at what the subscriber has, and not at
    /// everything. Takes 8 to 13 bytes a subscription. Who knows the filters of a session anyway can remove them one by
    /// one.
    ///
    /// Default: yes.
    #[must_use]
    pub const fn with_subscriber_lists(mut self, lists: bool) -> Self {
        self.subscriber_lists = lists;
        self
    }
}

impl IndexOptions {
    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(random_seed)
    }

    pub(super) const fn maximum_subscriptions(&self) -> u32 {
        self.maximum_subscriptions
    }

    pub(super) const fn subscriber_lists(&self) -> bool {
        self.subscriber_lists
    }

    pub(super) const fn maximum_levels(&self) -> u32 {
        self.maximum_levels
    }
}

/// Whether a filter or topic has not too many levels, and there is room for all of them.
pub(super) fn check(text: &str, maximum: u32, tree: &Tree) -> Result<(), IndexError> {
    let slashes = text.bytes().filter(|&byte| byte == b'/').count();
    if slashes >= maximum as usize {
        return Err(IndexError::TooManyLevels { maximum });
    }
    let words = (slashes + 1) * WORDS_PER_LEVEL + text.len() + WORDS_BESIDES;
    if !tree.store.arena.has_room(words) {
        return Err(IndexError::Full);
    }
    Ok(())
}

/// The bounds of a [`RetainedStore`](crate::RetainedStore).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct RetainedOptions {
    seed: Option<u64>,
    maximum_levels: u32,
    maximum_topics: usize,
    maximum_bytes: usize,
}

impl RetainedOptions {
    /// At most 256 levels in a topic, as many topics as can be addressed, any number of bytes, and a random seed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seed: None,
            maximum_levels: 256,
            maximum_topics: usize::MAX,
            maximum_bytes: usize::MAX,
        }
    }

    /// Where the hashes of levels start: [`IndexOptions::with_seed`].
    ///
    /// Default: with `std` random, without it a constant, so give one.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Topics of more levels are refused ([`IndexError::TooManyLevels`]). Each level that no other topic shares takes some
    /// 40 bytes, and a level can be one byte of a PUBLISH.
    ///
    /// Filters may have any number of levels.
    ///
    /// Default: 256.
    #[must_use]
    pub const fn with_maximum_levels(mut self, levels: u32) -> Self {
        self.maximum_levels = levels;
        self
    }

    /// More topics are refused ([`IndexError::Full`]). Whatever this is, the store holds at most 2 GiB besides values and
    /// directories: some 80 million topics.
    ///
    /// Default: no limit of its own.
    #[must_use]
    pub const fn with_maximum_topics(mut self, topics: usize) -> Self {
        self.maximum_topics = topics;
        self
    }

    /// What would make [`bytes`](crate::RetainedStore::bytes) more than this is refused ([`IndexError::Full`]).
    ///
    /// Default: no limit.
    #[must_use]
    pub const fn with_maximum_bytes(mut self, bytes: usize) -> Self {
        self.maximum_bytes = bytes;
        self
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(random_seed)
    }

    pub(super) const fn maximum_levels(&self) -> u32 {
        self.maximum_levels
    }

    pub(super) const fn maximum_topics(&self) -> usize {
        self.maximum_topics
    }

    pub(super) const fn maximum_bytes(&self) -> usize {
        self.maximum_bytes
    }
}

impl Default for RetainedOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "std")]
pub(crate) fn random_seed() -> u64 {
    use core::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0)
}

#[cfg(not(feature = "std"))]
pub(crate) const fn random_seed() -> u64 {
    0x5A17_5A17_5A17_5A17
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a subscription or a topic was not put in. Nothing has changed then.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug, thiserror::Error)]
pub enum IndexError {
    /// More levels than [`IndexOptions::with_maximum_levels`] or [`RetainedOptions::with_maximum_levels`].
    #[error("more than {maximum} levels")]
    TooManyLevels {
        /// The limit.
        maximum: u32,
    },
    /// As much as [`IndexOptions::with_maximum_subscriptions`], [`RetainedOptions::with_maximum_topics`] or
    /// [`RetainedOptions::with_maximum_bytes`] say, or as can be addressed.
    #[error("full")]
    Full,
    /// A Subscription Identifier that is not 1 to 268,435,455 (5.0 §3.8.2.1.2).
    #[error("subscription identifier is not 1 to 268,435,455")]
    SubscriptionIdentifier,
    /// No Local on a Shared Subscription (5.0: [MQTT-3.8.3-4]).
    #[error("no local on a shared subscription")]
    NoLocalOnShared,
}
