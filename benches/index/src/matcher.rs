//! Everyone who is measured, behind one trait.

use mqtt_topic_engine::{
    CacheStrategy, QoS, SubscriptionId, TopicPath, TopicPatternPath, TopicRouter,
};
use quill::{Pattern, Registry, Topic};
use sansio_mqtt::{
    Hit, IndexOptions, MatchCursor, Subscriber, SubscriberId, SubscriptionIndex,
    SubscriptionOptions, TopicFilter, TopicName, Version,
};

use crate::textbook;

/// Subscriptions of numbers.
///
/// A matcher is given filters and topics as a broker has them, checked and borrowed from a packet. What it makes of them
/// for itself, it makes within the time that is measured.
pub(crate) trait Matcher: Sized {
    const NAME: &'static str;
    /// Compares each filter with each topic.
    const LINEAR: bool = false;
    /// More subscribers to one filter would take minutes to put in.
    const MOST_ON_ONE_FILTER: usize = usize::MAX;
    /// How often it is filled; the best counts.
    const PASSES: usize = 1;

    type Filter<'a>;
    type Topic<'a>;

    fn filter(text: &str) -> Self::Filter<'_>;
    fn topic(text: &str) -> Self::Topic<'_>;

    fn new() -> Self;
    fn insert(&mut self, filter: &Self::Filter<'_>, subscriber: u32);
    fn remove(&mut self, filter: &Self::Filter<'_>, subscriber: u32);
    /// Appends the subscribers to `out`.
    fn matches(&self, topic: &Self::Topic<'_>, out: &mut Vec<u32>);

    /// Appends the subscribers of each topic to its part of `out`. Whether there is such a call.
    fn batch(&self, _topics: &[Self::Topic<'_>], _out: &mut [Vec<u32>]) -> bool {
        false
    }

    /// `matches` with a stop after every `steps`. Whether there is such a call.
    fn slices(&self, _topic: &Self::Topic<'_>, _steps: usize, _out: &mut Vec<u32>) -> bool {
        false
    }

    /// Removes all subscriptions of one subscriber. Whether there is such a call.
    fn remove_subscriber(&mut self, _subscriber: u32) -> bool {
        false
    }
}

/// With `LISTS` it knows what each subscriber has.
pub(crate) struct Ours<const LISTS: bool>(pub(crate) SubscriptionIndex);

impl<const LISTS: bool> Matcher for Ours<LISTS> {
    const NAME: &'static str = if LISTS { "ours with lists" } else { "ours" };
    const PASSES: usize = 3;

    type Filter<'a> = TopicFilter<'a>;
    type Topic<'a> = TopicName<'a>;

    fn filter(text: &str) -> TopicFilter<'_> {
        filter(text)
    }

    fn topic(text: &str) -> TopicName<'_> {
        topic(text)
    }

    fn new() -> Self {
        Self(SubscriptionIndex::new(
            IndexOptions::new().with_subscriber_lists(LISTS),
        ))
    }

    fn insert(&mut self, filter: &TopicFilter<'_>, subscriber: u32) {
        self.0
            .insert(filter, self::subscriber(subscriber))
            .expect("there is room");
    }

    fn remove(&mut self, filter: &TopicFilter<'_>, subscriber: u32) {
        self.0.remove(filter, SubscriberId::new(subscriber));
    }

    fn matches(&self, topic: &TopicName<'_>, out: &mut Vec<u32>) {
        self.0.matches(topic, |hit| take(hit, out));
    }

    fn batch(&self, topics: &[TopicName<'_>], out: &mut [Vec<u32>]) -> bool {
        self.0
            .matches_batch(topics, |topic, hit| take(hit, &mut out[topic]));
        true
    }

    fn slices(&self, topic: &TopicName<'_>, steps: usize, out: &mut Vec<u32>) -> bool {
        let mut cursor = MatchCursor::new();
        let index = &self.0;
        while !index.matches_some(topic, &mut cursor, steps, |hit| take(hit, out)) {}
        true
    }

    fn remove_subscriber(&mut self, subscriber: u32) -> bool {
        self.0
            .remove_subscriber(SubscriberId::new(subscriber), usize::MAX);
        LISTS
    }
}

pub(crate) fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(Version::V5, text).expect("a filter")
}

pub(crate) fn topic(text: &str) -> TopicName<'_> {
    TopicName::new(text).expect("a topic")
}

pub(crate) fn subscriber(number: u32) -> Subscriber {
    Subscriber {
        id: SubscriberId::new(number),
        options: SubscriptionOptions::default(),
        identifier: None,
    }
}

pub(crate) fn take(hit: Hit<'_>, out: &mut Vec<u32>) {
    if let Hit::Subscribers(subscribers) = hit {
        out.extend_from_slice(subscribers.ids());
    }
}

impl Matcher for textbook::Trie {
    const NAME: &'static str = "textbook";
    const PASSES: usize = 2;

    type Filter<'a> = &'a str;
    type Topic<'a> = &'a str;

    fn filter(text: &str) -> &str {
        text
    }

    fn topic(text: &str) -> &str {
        text
    }

    fn new() -> Self {
        Self::default()
    }

    fn insert(&mut self, filter: &&str, subscriber: u32) {
        self.insert(filter, subscriber);
    }

    fn remove(&mut self, filter: &&str, subscriber: u32) {
        self.remove(filter, subscriber);
    }

    fn matches(&self, topic: &&str, out: &mut Vec<u32>) {
        self.matches(topic, out);
    }
}

/// The crate `mqtt-topic-engine`.
pub(crate) struct TopicEngine {
    router: TopicRouter<u32>,
    /// What a subscription is removed by, which its owner has to keep. By subscriber: each has one here.
    ids: Vec<Option<SubscriptionId>>,
}

impl Matcher for TopicEngine {
    const NAME: &'static str = "mqtt-topic-engine";
    // It looks at all other subscribers to the filter.
    const MOST_ON_ONE_FILTER: usize = 10_000;

    type Filter<'a> = &'a str;
    type Topic<'a> = &'a str;

    fn filter(text: &str) -> &str {
        text
    }

    fn topic(text: &str) -> &str {
        text
    }

    fn new() -> Self {
        Self {
            router: TopicRouter::new(),
            ids: Vec::new(),
        }
    }

    fn insert(&mut self, filter: &&str, subscriber: u32) {
        let pattern = TopicPatternPath::new_from_string(*filter, CacheStrategy::NoCache);
        let (_, id) =
            self.router
                .add_subscription(pattern.expect("a filter"), QoS::AtMostOnce, subscriber);
        let at = subscriber as usize;
        if self.ids.len() <= at {
            self.ids.resize(at + 1, None);
        }
        self.ids[at] = Some(id);
    }

    fn remove(&mut self, _filter: &&str, subscriber: u32) {
        if let Some(id) = self.ids[subscriber as usize].take() {
            self.router.unsubscribe(&id).expect("a subscription");
        }
    }

    fn matches(&self, topic: &&str, out: &mut Vec<u32>) {
        let found = self.router.get_subscribers(&TopicPath::new(*topic));
        out.extend(found.iter().map(|&(_, _, &subscriber)| subscriber));
    }
}

/// The crate `quill-pubsub`.
pub(crate) struct Quill(Registry<u32>);

impl Matcher for Quill {
    const NAME: &'static str = "quill-pubsub";

    type Filter<'a> = &'a str;
    type Topic<'a> = &'a str;

    fn filter(text: &str) -> &str {
        text
    }

    fn topic(text: &str) -> &str {
        text
    }

    fn new() -> Self {
        Self(Registry::new())
    }

    fn insert(&mut self, filter: &&str, subscriber: u32) {
        self.0
            .subscribe(Pattern::parse(filter).expect("a filter"), subscriber);
    }

    fn remove(&mut self, filter: &&str, subscriber: u32) {
        self.0
            .unsubscribe(&Pattern::parse(filter).expect("a filter"), &subscriber);
    }

    fn matches(&self, topic: &&str, out: &mut Vec<u32>) {
        out.extend(self.0.matching(&Topic::parse(topic).expect("a topic")));
    }

    fn remove_subscriber(&mut self, subscriber: u32) -> bool {
        self.0.unsubscribe_all(&subscriber);
        true
    }
}

/// A crate that compares one filter with one topic: its user keeps a list.
pub(crate) struct Linear<F: OneToOne> {
    filters: Vec<(String, u32)>,
    matches: std::marker::PhantomData<F>,
}

pub(crate) trait OneToOne {
    const NAME: &'static str;
    fn matches(filter: &str, topic: &str) -> bool;
}

pub(crate) struct Rumqttc;

impl OneToOne for Rumqttc {
    const NAME: &'static str = "rumqttc";

    fn matches(filter: &str, topic: &str) -> bool {
        rumqttc::matches(topic, filter)
    }
}

pub(crate) struct Mqtt5Protocol;

impl OneToOne for Mqtt5Protocol {
    const NAME: &'static str = "mqtt5-protocol";

    fn matches(filter: &str, topic: &str) -> bool {
        mqtt5_protocol::topic_matching::matches(topic, filter)
    }
}

impl<F: OneToOne> Matcher for Linear<F> {
    const NAME: &'static str = F::NAME;
    const LINEAR: bool = true;

    type Filter<'a> = &'a str;
    type Topic<'a> = &'a str;

    fn filter(text: &str) -> &str {
        text
    }

    fn topic(text: &str) -> &str {
        text
    }

    fn new() -> Self {
        Self {
            filters: Vec::new(),
            matches: std::marker::PhantomData,
        }
    }

    fn insert(&mut self, filter: &&str, subscriber: u32) {
        self.filters.push(((*filter).to_owned(), subscriber));
    }

    fn remove(&mut self, filter: &&str, subscriber: u32) {
        let mut all = self.filters.iter();
        if let Some(at) = all.position(|(f, s)| f == filter && *s == subscriber) {
            self.filters.swap_remove(at);
        }
    }

    fn matches(&self, topic: &&str, out: &mut Vec<u32>) {
        let all = self.filters.iter();
        out.extend(
            all.filter(|(filter, _)| F::matches(filter, topic))
                .map(|&(_, subscriber)| subscriber),
        );
    }
}
