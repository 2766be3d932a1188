use alloc::vec::Vec;
use core::ops::Range;

use super::{GroupId, Subscriber, SubscriberId, Subscribers};
use crate::types::QoS;

/// What a client gets of a message that several of its subscriptions match: the server has the choice (5.0 §3.3.4, 3.1.1
/// §3.3.5).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Overlap {
    /// One copy, with the highest QoS of them (5.0: [MQTT-3.3.4-2]; 3.1.1: [MQTT-3.3.5-1]) and the Subscription
    /// Identifiers of all of them [MQTT-3.3.4-3], [MQTT-3.3.4-4]. RETAIN stays as it was published if any of them asks.
    OneCopy,
    /// A copy for each, with its own QoS, options and Subscription Identifier [MQTT-3.3.4-5].
    CopyPerSubscription,
}

/// A copy of a message for one client.
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Delivery<'a> {
    /// Who gets it.
    pub subscriber: SubscriberId,
    /// The highest QoS of the subscriptions it is for; it is sent with the lower of this and the QoS it was published
    /// with (section 3.8.4).
    pub qos: QoS,
    /// Whether RETAIN stays as it was published, or is 0 (5.0: [MQTT-3.3.1-12], [MQTT-3.3.1-13]; 3.1.1, where it is
    /// never asked for: [MQTT-3.3.1-9]).
    pub retain_as_published: bool,
    /// The Subscription Identifiers that go with it, ascending. One stands there as often as matching subscriptions have
    /// it (5.0 §3.3.4).
    pub identifiers: &'a [u32],
    /// The Shared Subscription that it is for, if it is for one: see [`SharedGroup`](crate::SharedGroup) for what is then
    /// to be done with it.
    pub group: Option<GroupId>,
}

/// Who gets how many copies of a message, and how: the hits of an index put together by client. A buffer to be used again:
/// once it has been as full as it gets it allocates nothing.
///
/// ```
/// use sansio_mqtt::*;
///
/// let (ada, bob) = (SubscriberId::new(1), SubscriberId::new(2));
/// let subscriber = |id, qos| Subscriber::new(id, SubscriptionOptions::new(qos));
/// let mut index = SubscriptionIndex::new(IndexOptions::new());
/// for (filter, subscriber) in [
///     ("sensors/+", subscriber(ada, QoS::ExactlyOnce).with_identifier(7)),
///     ("sensors/#", subscriber(ada, QoS::AtMostOnce).with_identifier(8)),
///     ("#", subscriber(bob, QoS::AtLeastOnce)),
/// ] {
///     index.insert(&TopicFilter::new(Version::V5, filter)?, subscriber)?;
/// }
///
/// let mut deliveries = Deliveries::new();
/// index.matches(&TopicName::new("sensors/7")?, |hit| {
///     if let Hit::Subscribers(subscribers) = hit {
///         deliveries.extend(&subscribers);
///     }
/// });
/// let publisher = None; // or the number of the client that published it
/// deliveries.merge(Overlap::OneCopy, publisher);
/// let all: Vec<_> = deliveries.iter().map(|one| (one.subscriber, one.qos, one.identifiers)).collect();
/// assert_eq!(all, [
///     (ada, QoS::ExactlyOnce, &[7, 8][..]),
///     (bob, QoS::AtLeastOnce, &[]),
/// ]);
///
/// deliveries.merge(Overlap::CopyPerSubscription, publisher);
/// assert_eq!(deliveries.len(), 3);
/// deliveries.clear();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Rules
///
/// - Each client has its own copies, with the identifiers of its own subscriptions and no others.
/// - A subscription with No Local of the client that published the message is as if it did not match [MQTT-3.8.3-3]: it
///   gives neither QoS nor RETAIN nor identifier. The standard does not say how it goes together with another one that
///   matches too; this is the plain reading.
/// - A member picked for a Shared Subscription gets a copy of its own, whatever else it gets (5.0 §4.8.2).
/// - Copies come in the order of the subscribers' numbers, those for Shared Subscriptions behind the client's others; the
///   order in which the hits came makes no difference.
///
/// # Cost
///
/// With n hits O(n log n) in all; O(n) if they come in the order of their numbers, as one call of
/// [`extend`](Self::extend) gives them.
#[derive(Clone, Default, Debug)]
pub struct Deliveries {
    hits: Vec<Hit>,
    copies: Vec<Copied>,
    identifiers: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Hit {
    subscriber: Subscriber,
    group: Option<GroupId>,
}

#[derive(Clone, Debug)]
struct Copied {
    subscriber: SubscriberId,
    qos: QoS,
    retain_as_published: bool,
    group: Option<GroupId>,
    identifiers: Range<usize>,
}

impl Deliveries {
    /// An empty buffer, which holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            hits: Vec::new(),
            copies: Vec::new(),
            identifiers: Vec::new(),
        }
    }

    /// Forgets hits and copies, for the next message; the memory stays.
    pub fn clear(&mut self) {
        self.hits.clear();
        self.copies.clear();
        self.identifiers.clear();
    }

    /// Hits for which there is room.
    pub(crate) fn capacity(&self) -> usize {
        self.hits.capacity()
    }

    /// A subscription that matches.
    pub fn add(&mut self, subscriber: Subscriber) {
        self.hits.push(Hit {
            subscriber,
            group: None,
        });
    }

    /// Subscriptions that match.
    pub fn extend(&mut self, subscribers: &Subscribers<'_>) {
        let hits = subscribers.iter().map(|subscriber| Hit {
            subscriber,
            group: None,
        });
        self.hits.extend(hits);
    }

    /// The member that was picked for a Shared Subscription that matches.
    pub fn add_shared(&mut self, group: GroupId, member: Subscriber) {
        self.hits.push(Hit {
            subscriber: member,
            group: Some(group),
        });
    }

    /// Makes copies of all hits since [`clear`](Self::clear), in place of those made before. `publisher` is the client
    /// that published the message, if it is one that may have subscriptions here.
    pub fn merge(&mut self, overlap: Overlap, publisher: Option<SubscriberId>) {
        self.copies.clear();
        self.identifiers.clear();
        self.hits.sort_unstable_by_key(Hit::key);
        for Hit { subscriber, group } in &self.hits {
            let options = subscriber.options;
            if options.no_local && publisher == Some(subscriber.id) {
                continue;
            }
            let start = self.identifiers.len();
            self.identifiers.extend(subscriber.identifier);
            let end = self.identifiers.len();
            if overlap == Overlap::OneCopy && group.is_none() {
                let last = self.copies.last_mut();
                let same = last.filter(|last| last.subscriber == subscriber.id);
                if let Some(copy) = same {
                    copy.qos = copy.qos.max(options.qos);
                    copy.retain_as_published |= options.retain_as_published;
                    copy.identifiers.end = end;
                    continue;
                }
            }
            self.copies.push(Copied {
                subscriber: subscriber.id,
                qos: options.qos,
                retain_as_published: options.retain_as_published,
                group: *group,
                identifiers: start..end,
            });
        }
    }

    /// The copies that [`merge`](Self::merge) made.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Delivery<'_>> {
        self.copies.iter().map(|copy| Delivery {
            subscriber: copy.subscriber,
            qos: copy.qos,
            retain_as_published: copy.retain_as_published,
            identifiers: self
                .identifiers
                .get(copy.identifiers.clone())
                .unwrap_or_default(),
            group: copy.group,
        })
    }

    /// How many copies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.copies.len()
    }

    /// Whether nobody gets any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }
}

impl Hit {
    /// Everything that tells hits apart, so that their order is that of no buffer.
    fn key(&self) -> (SubscriberId, Option<GroupId>, Option<u32>, u8) {
        let Self { subscriber, group } = self;
        let options = subscriber.options.to_byte();
        (subscriber.id, *group, subscriber.identifier, options)
    }
}
