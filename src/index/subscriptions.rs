use alloc::vec::Vec;

use super::entries::{Entries, Value};
use super::groups::Groups;
use super::options::check;
use super::owned::Owned;
use super::subscriber::entry_of_value;
use super::tree::{self, Kind, Moved, NUMBER, Path, Place, Put, Tree, kind};
use super::walk::Found;
use super::{
    GroupId, IndexError, IndexOptions, MatchCursor, Pick, SharedGroup, Subscriber, SubscriberId,
    Subscribers,
};
use crate::packet::SubscriptionOptions;
use crate::topic::{TopicFilter, TopicName};
use crate::types::{QoS, Version};

/// What a topic meets.
#[non_exhaustive]
#[derive(Copy, Clone, Debug)]
pub enum Hit<'a> {
    /// Subscribers of one filter; of more than 128 some at a time.
    Subscribers(Subscribers<'a>),
    /// A Shared Subscription: one of its members takes the message (5.0 §4.8.2), see
    /// [`pick`](SubscriptionIndex::pick).
    Group(GroupId),
}

/// Topics that are walked side by side.
const BATCH: usize = 32;

/// Which subscriptions a message meets, among millions (section 4.7).
///
/// A subscription is a [`TopicFilter`] and a [`SubscriberId`], with options and Subscription Identifier of its own.
///
/// ```
/// use sansio_mqtt::*;
///
/// let mut index = SubscriptionIndex::new(IndexOptions::new());
/// let at_least_once = SubscriptionOptions::new(QoS::AtLeastOnce);
/// let filter = TopicFilter::new(Version::V5, "sensors/+/temperature")?;
/// let (ada, bob) = (SubscriberId::new(1), SubscriberId::new(2));
/// index.insert(&filter, Subscriber::new(ada, at_least_once))?;
/// let filter = TopicFilter::new(Version::V5, "sensors/#")?;
/// index.insert(&filter, Subscriber::new(bob, at_least_once).with_identifier(7))?;
///
/// let mut hits = Vec::new();
/// index.matches_into(&TopicName::new("sensors/7/temperature")?, &mut hits);
/// hits.sort_by_key(|hit| hit.id);
/// assert_eq!(hits[0], Subscriber::new(ada, at_least_once));
/// assert_eq!(hits[1].identifier, Some(7));
///
/// // A client is gone, with all that it had.
/// assert_eq!(index.remove_subscriber(bob, usize::MAX), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// Reading takes `&self` and allocates nothing for topics of up to 16 levels; the index is `Send + Sync`. A match looks
/// at each node that it meets once, so sets of filters made to be slow cost no more than it cost to make them; and
/// [`matches_some`](Self::matches_some) stops after any number of nodes.
///
/// No insertion or removal moves more than some hundred entries, however many subscriptions there are: nothing is ever
/// rehashed or copied as a whole. Memory that subscriptions have left is given back. Nothing recurses.
pub struct SubscriptionIndex {
    options: IndexOptions,
    tree: Tree,
    owned: Option<Owned>,
    groups: Groups,
    /// How many subscriptions are not shared.
    plain: usize,
}

impl SubscriptionIndex {
    /// An empty index, which holds no memory.
    #[must_use]
    pub fn new(options: IndexOptions) -> Self {
        let seed = options.seed();
        Self {
            options,
            tree: Tree::new(seed),
            groups: Groups::new(seed, options.subscriber_lists()),
            owned: options.subscriber_lists().then(Owned::new),
            plain: 0,
        }
    }

    /// Puts a subscription in. One of the same subscriber to the same filter is replaced, and given back
    /// (5.0: [MQTT-3.8.4-3]; 3.1.1: [MQTT-3.8.4-3]).
    ///
    /// # Errors
    ///
    /// [`IndexError`] says what is not taken; all is as it was then.
    pub fn insert(
        &mut self,
        filter: &TopicFilter<'_>,
        subscriber: Subscriber,
    ) -> Result<Option<Subscriber>, IndexError> {
        let is_shared = filter.share_name().is_some();
        check(filter.filter(), self.options.maximum_levels(), &self.tree)?;
        if !matches!(subscriber.identifier, None | Some(1..=268_435_455)) {
            return Err(IndexError::SubscriptionIdentifier);
        }
        if is_shared && subscriber.options.no_local {
            return Err(IndexError::NoLocalOnShared);
        }
        if self.len() >= self.options.maximum_subscriptions() as usize {
            // Only in the place of one that is there.
            if self.get(filter, subscriber.id).is_none() {
                return Err(IndexError::Full);
            }
        }
        if is_shared {
            return self.insert_shared(filter, subscriber);
        }
        let (old, place) = self.enter(Path::new(filter.filter(), false), subscriber);
        if old.is_some() {
            return Ok(old);
        }
        self.plain += 1;
        if let Some(owned) = &mut self.owned {
            let name = self.tree.name(place);
            owned.add(&mut self.tree.store, subscriber.id.get(), name);
        }
        Ok(None)
    }

    fn insert_shared(
        &mut self,
        filter: &TopicFilter<'_>,
        subscriber: Subscriber,
    ) -> Result<Option<Subscriber>, IndexError> {
        let group = self.groups.get_or_create(filter).ok_or(IndexError::Full)?;
        if self.groups.group(group).is_some_and(SharedGroup::is_empty) {
            if let Some(slot) = self.groups.slot(group) {
                self.enter(Path::new(filter.filter(), true), as_entry(slot));
            }
        }
        Ok(self.groups.add(group, subscriber))
    }

    fn remove_shared(&mut self, filter: &TopicFilter<'_>, id: SubscriberId) -> Option<Subscriber> {
        let group = self.groups.find(filter)?;
        let old = self.groups.remove(group, id)?;
        let slot = self.groups.slot(group);
        if self.groups.remove_if_empty(group) {
            let place = self.tree.find(Path::new(filter.filter(), true));
            if let (Some(slot), Some(place)) = (slot, place) {
                self.leave(place, SubscriberId::new(slot), true);
            }
        }
        Some(old)
    }

    /// Puts in what a path leads to; gives what was in its place.
    fn enter(&mut self, path: Path<'_>, subscriber: Subscriber) -> (Option<Subscriber>, Place) {
        let reference = self.reference(subscriber);
        let (put, moved) = self.tree.put(path, reference);
        self.moved(moved);
        match put {
            Put::New(place) => (None, place),
            Put::Old(place) => {
                if let Kind::List(list) = kind(reference) {
                    self.tree.store.arena.free(list);
                }
                self.insert_beside(place, subscriber)
            }
        }
    }

    /// Puts a subscriber beside others, or in its own place.
    fn insert_beside(
        &mut self,
        place: Place,
        subscriber: Subscriber,
    ) -> (Option<Subscriber>, Place) {
        let number = subscriber.id.get();
        match self.tree.get(place).map(kind) {
            Some(Kind::Value(value)) => {
                let old = Subscriber::from_value(value);
                if old.id == subscriber.id {
                    let reference = self.reference(subscriber);
                    let place = self.set(place, reference);
                    return (Some(old), place);
                }
                let store = &mut self.tree.store;
                let list = store.new_run(0, old.entry());
                let list = store.insert::<1, 3>(list, subscriber.entry());
                (None, self.set(place, tree::list(list)))
            }
            Some(Kind::List(list)) => {
                let store = &mut self.tree.store;
                if let Some(entry) = store.find::<1>(list, number.into()) {
                    let columns = [0, 1, 2];
                    let old = columns.map(|column| store.read(entry, column));
                    for (column, word) in columns.into_iter().zip(subscriber.entry()) {
                        store.write(entry, column, word);
                    }
                    self.shorten(place, list);
                    return (Some(Subscriber::from_entry(old)), place);
                }
                let new = store.insert::<1, 3>(list, subscriber.entry());
                if new != list {
                    self.set(place, tree::list(new));
                }
                (None, place)
            }
            _ => (None, place),
        }
    }

    fn reference(&mut self, subscriber: Subscriber) -> u32 {
        subscriber
            .value()
            .unwrap_or_else(|| tree::list(self.tree.store.new_run(0, subscriber.entry())))
    }

    /// Does without a list of one, if one can be a value.
    fn shorten(&mut self, place: Place, list: u32) {
        let only = self.tree.store.only::<3>(list).map(Subscriber::from_entry);
        if let Some(value) = only.and_then(Subscriber::value) {
            self.tree.store.arena.free(list);
            self.set(place, value);
        }
    }

    fn set(&mut self, place: Place, reference: u32) -> Place {
        let moved = self.tree.set(place, reference);
        self.moved(moved);
        moved.map_or(place, |moved| Place::edge(moved.to))
    }

    fn moved(&mut self, moved: Option<Moved>) {
        let (Some(moved), Some(owned)) = (moved, &mut self.owned) else {
            return;
        };
        if moved.is_group() {
            return;
        }
        if let Kind::Value(value) = kind(moved.value) {
            let [number, ..] = entry_of_value(value);
            owned.remove(&mut self.tree.store, number, moved.from);
            owned.add(&mut self.tree.store, number, moved.to);
        }
    }

    /// Takes a subscription out [MQTT-3.10.4-1]; `None` if there is none.
    pub fn remove(&mut self, filter: &TopicFilter<'_>, id: SubscriberId) -> Option<Subscriber> {
        if filter.share_name().is_some() {
            return self.remove_shared(filter, id);
        }
        let place = self.find(filter)?;
        self.remove_at(place, id)
    }

    fn remove_at(&mut self, place: Place, id: SubscriberId) -> Option<Subscriber> {
        let old = self.leave(place, id, false)?;
        self.plain -= 1;
        Some(old)
    }

    /// Takes out one of those that a place has.
    fn leave(&mut self, place: Place, id: SubscriberId, is_group: bool) -> Option<Subscriber> {
        let old = self.get_at(place, id)?;
        if !is_group {
            let name = self.tree.name(place);
            self.forget(id, name);
        }
        let rest = match kind(self.tree.get(place)?) {
            Kind::List(list) => {
                let rest = self.tree.store.remove::<1, 3>(list, id.get().into());
                (rest != 0).then_some((list, rest))
            }
            _ => None,
        };
        match rest {
            None => {
                let moved = self.tree.take(place);
                self.moved(moved);
            }
            Some((list, rest)) => {
                if rest != list {
                    self.set(place, tree::list(rest));
                }
                self.shorten(place, rest);
            }
        }
        Some(old)
    }

    fn forget(&mut self, id: SubscriberId, name: tree::Name) {
        if let Some(owned) = &mut self.owned {
            owned.remove(&mut self.tree.store, id.get(), name);
        }
    }

    /// Takes out what one subscriber has, at most `limit` subscriptions; gives how many those were. Less than `limit`:
    /// there are no more.
    ///
    /// Without [subscriber lists](IndexOptions::with_subscriber_lists) each call looks at all subscriptions.
    pub fn remove_subscriber(&mut self, id: SubscriberId, limit: usize) -> usize {
        let mut removed = 0;
        if self.owned.is_none() {
            let filters: Vec<_> = self.subscriptions_of(id).take(limit).collect();
            for (filter, _) in &filters {
                removed += usize::from(self.remove(filter, id).is_some());
            }
            return removed;
        }
        while removed < limit {
            let owned = self.owned.as_ref();
            let name = owned.and_then(|owned| owned.next(&self.tree.store, id.get(), 0));
            let place = name.and_then(|name| self.tree.named(name));
            if place.and_then(|place| self.remove_at(place, id)).is_none() {
                break;
            }
            removed += 1;
        }
        removed + self.remove_from_groups(id, limit - removed)
    }

    fn remove_from_groups(&mut self, id: SubscriberId, limit: usize) -> usize {
        for removed in 0..limit {
            let Some((_, group)) = self.groups.of(id).next() else {
                return removed;
            };
            let filter = group.filter().clone();
            self.remove_shared(&filter, id);
        }
        limit
    }

    /// The subscription of one subscriber to one filter.
    #[must_use]
    pub fn get(&self, filter: &TopicFilter<'_>, id: SubscriberId) -> Option<Subscriber> {
        if filter.share_name().is_some() {
            return self.groups.group(self.groups.find(filter)?)?.get(id);
        }
        let place = self.find(filter)?;
        self.get_at(place, id)
    }

    /// Whether anybody has subscribed to this very filter.
    #[must_use]
    pub fn contains(&self, filter: &TopicFilter<'_>) -> bool {
        match filter.share_name() {
            Some(_) => self.groups.find(filter).is_some(),
            None => self.find(filter).is_some(),
        }
    }

    /// A group that a topic has met; `None` once it has no members.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&SharedGroup> {
        self.groups.group(id)
    }

    /// Who of a group takes a message: [`SharedGroup::pick`]. `None` also if the group has no members any more.
    ///
    /// What was on the way at QoS 1 to a member that is gone is to be given to another
    /// (5.0 §4.8.2): so keep the [`GroupId`] with it, and pick again.
    pub fn pick(
        &mut self,
        id: GroupId,
        pick: Pick<'_>,
        limit: usize,
        can_take: impl FnMut(&Subscriber) -> bool,
    ) -> Option<Subscriber> {
        self.groups.group_mut(id)?.pick(pick, limit, can_take)
    }

    fn find(&self, filter: &TopicFilter<'_>) -> Option<Place> {
        self.tree.find(Path::new(filter.filter(), false))
    }

    fn get_at(&self, place: Place, id: SubscriberId) -> Option<Subscriber> {
        match kind(self.tree.get(place)?) {
            Kind::Value(value) => Some(Subscriber::from_value(value)).filter(|one| one.id == id),
            Kind::List(list) => {
                let store = &self.tree.store;
                let entry = store.find::<1>(list, id.get().into())?;
                let words = [0, 1, 2].map(|column| store.read(entry, column));
                Some(Subscriber::from_entry(words))
            }
            _ => None,
        }
    }

    /// Gives all that the topic meets, each subscription once, in no order to rely on: a client with several filters
    /// that match is among the hits several times (5.0 §3.3.4).
    #[inline]
    pub fn matches(&self, topic: &TopicName<'_>, mut visit: impl FnMut(Hit<'_>)) {
        self.tree.walk(topic, &mut |groups, found| {
            self.hit(groups, found, &mut visit);
        });
    }

    #[inline(always)]
    fn hit(&self, groups: bool, found: Found<'_>, visit: &mut impl FnMut(Hit<'_>)) {
        if groups {
            let mut group = |slot| {
                if let Some(id) = self.groups.id_of(slot) {
                    visit(Hit::Group(id));
                }
            };
            match found {
                Found::Value(value) => group(value & NUMBER),
                Found::List([slots, ..]) => slots.iter().copied().for_each(group),
            }
            return;
        }
        match found {
            Found::Value(value) => {
                let [number, options, identifier] = entry_of_value(value);
                let columns = [&[number][..], &[options], &[identifier]];
                visit(Hit::Subscribers(Subscribers::new(columns)));
            }
            Found::List(columns) => visit(Hit::Subscribers(Subscribers::new(columns))),
        }
    }

    /// All subscribers that the topic meets, without groups, in place of what is in the buffer.
    pub fn matches_into(&self, topic: &TopicName<'_>, buffer: &mut Vec<Subscriber>) {
        buffer.clear();
        self.matches(topic, |hit| {
            if let Hit::Subscribers(subscribers) = hit {
                buffer.extend(subscribers.iter());
            }
        });
    }

    /// The same in parts: takes at most `steps` steps (at least one) from where the cursor stands; `true` once all has
    /// been given. A step is one node, or up to 128 subscribers of one filter, or four such lists of one node.
    ///
    /// The index may change between the parts. What is in it from the first to the last is given exactly once; what comes
    /// or goes meanwhile, at most once for each time. The cursor belongs to one topic.
    ///
    /// ```
    /// # use sansio_mqtt::*;
    /// # let index = SubscriptionIndex::new(IndexOptions::new());
    /// let topic = TopicName::new("a/b")?;
    /// let mut cursor = MatchCursor::new();
    /// while !index.matches_some(&topic, &mut cursor, 100, |hit| { /* … */ }) {
    ///     // Something else, for a while.
    /// }
    /// # Ok::<(), TopicError>(())
    /// ```
    pub fn matches_some(
        &self,
        topic: &TopicName<'_>,
        cursor: &mut MatchCursor,
        steps: usize,
        mut visit: impl FnMut(Hit<'_>),
    ) -> bool {
        self.tree
            .walk_some(topic, cursor, steps, &mut |groups, found| {
                self.hit(groups, found, &mut visit);
            })
    }

    /// [`matches`](Self::matches) for many topics: some of them are walked side by side, so that the processor waits for the
    /// memory of all at once. Pays off if there are more subscriptions than caches hold. `visit` gets the position of the
    /// topic too; hits of different topics come mixed. Allocates once for each 32 topics.
    pub fn matches_batch(&self, topics: &[TopicName<'_>], mut visit: impl FnMut(usize, Hit<'_>)) {
        for (some, topics) in topics.chunks(BATCH).enumerate() {
            self.tree.walk_batch(topics, &mut |at, groups, found| {
                self.hit(groups, found, &mut |hit| visit(some * BATCH + at, hit));
            });
        }
    }

    /// How many subscriptions there are, members of groups included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain + self.groups.members()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All subscriptions with their filters, in no order to rely on.
    pub fn iter(&self) -> impl Iterator<Item = (TopicFilter<'static>, Subscriber)> + '_ {
        let plain = Entries::new(&self.tree).filter_map(|entry| {
            if entry.is_group {
                return None;
            }
            let subscriber = match entry.value {
                Value::Value(value) => Subscriber::from_value(value),
                Value::Entry(entry) => Subscriber::from_entry(entry),
            };
            let filter = TopicFilter::new(Version::V311, entry.text).ok()?;
            Some((filter, subscriber))
        });
        let groups = self.groups.iter();
        let shared = groups.flat_map(|(_, group)| {
            let members = group.iter();
            members.map(|member| (group.filter().clone(), member))
        });
        plain.chain(shared)
    }

    /// What one subscriber has, in no order to rely on. Without
    /// [subscriber lists](IndexOptions::with_subscriber_lists) it looks at all subscriptions.
    pub fn subscriptions_of(
        &self,
        id: SubscriberId,
    ) -> impl Iterator<Item = (TopicFilter<'static>, Subscriber)> + '_ {
        let all = self
            .owned
            .is_none()
            .then(|| self.iter().filter(move |(_, one)| one.id == id));
        let mut from = 0;
        let own = core::iter::from_fn(move || {
            let name = self
                .owned
                .as_ref()?
                .next(&self.tree.store, id.get(), from)?;
            from = Owned::behind(name);
            let place = self.tree.named(name)?;
            let text = alloc::string::String::from_utf8(self.tree.text(place)).ok()?;
            let filter = TopicFilter::new(Version::V311, text).ok()?;
            Some((filter, self.get_at(place, id)?))
        });
        let groups = self.owned.is_some().then(|| self.groups.of(id));
        let shared = groups
            .into_iter()
            .flatten()
            .filter_map(move |(_, group)| Some((group.filter().clone(), group.get(id)?)));
        all.into_iter().flatten().chain(own).chain(shared)
    }

    /// Bytes of the heap that the index holds, without what the allocator adds; to within some hundred. Takes time in
    /// proportion to nothing but the number of filters with more than 128 branches or subscribers.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.tree.heap_bytes() + self.groups.heap_bytes()
    }
}

/// A group among the entries of its filter, by its slot.
const fn as_entry(slot: u32) -> Subscriber {
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    Subscriber::new(SubscriberId::new(slot), options)
}

impl core::fmt::Debug for SubscriptionIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SubscriptionIndex")
            .field("options", &self.options)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
