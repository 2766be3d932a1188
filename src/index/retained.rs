use alloc::string::String;

use super::entries::{Entries, Value};
use super::expiries::Expiries;
use super::options::check;
use super::search::FoundTopic;
use super::tree::{self, Kind, Moved, Path, Place, Put, Tree, kind};
use super::{IndexError, RetainedOptions, SearchCursor};
use crate::slab::Slab;
use crate::time::Instant;
use crate::topic::{TopicFilter, TopicName};

/// What is retained, by topic: searched by filter, among millions (section 3.3.1.3).
///
/// The value is the caller's: the message, or where it is. A retained message without payload clears the topic
/// (5.0: [MQTT-3.3.1-6]; 3.1.1: [MQTT-3.3.1-10]); that is for the caller to see, and [`remove`](Self::remove) does it.
///
/// ```
/// use sansio_mqtt::*;
///
/// // The size of a value is for `bytes` and for the limit of that.
/// let mut store = RetainedStore::new(RetainedOptions::new(), |payload: &Vec<u8>| payload.len());
/// store.insert(&TopicName::new("room/1/temperature")?, b"21.5".to_vec(), None)?;
/// let until = Instant::from_millis(60_000);
/// store.insert(&TopicName::new("room/2/temperature")?, b"19".to_vec(), Some(until))?;
///
/// let filter = TopicFilter::new(Version::V5, "room/+/temperature")?;
/// let mut found = Vec::new();
/// store.search(&filter, |retained| found.push(retained.topic()));
/// assert_eq!(found.len(), 2);
///
/// // Once the time has come, the message is not to be sent any more.
/// assert_eq!(store.poll_timeout(), Some(until));
/// let (topic, _) = store.take_expired(until).ok_or("nothing")?;
/// assert_eq!(topic.as_str(), "room/2/temperature");
/// assert_eq!((store.len(), store.bytes()), (1, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// A topic takes some 25 bytes beside its value where topics have most of their levels in common. No insertion or removal moves more than some hundred
/// entries, and memory that topics have left is given back. Reading takes `&self`; the store is `Send + Sync` if the
/// values are. Nothing recurses. Something that expires takes some 75 bytes more.
pub struct RetainedStore<V> {
    options: RetainedOptions,
    tree: Tree,
    values: Slab<V>,
    expiries: Expiries,
    size_of: fn(&V) -> usize,
    bytes: usize,
}

/// A value that was not taken.
#[derive(Copy, Clone, Eq, PartialEq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct NotRetained<V> {
    /// Why.
    pub reason: IndexError,
    /// The value.
    pub value: V,
}

/// A topic that a search has found.
pub struct Retained<'a, V> {
    store: &'a RetainedStore<V>,
    found: FoundTopic<'a>,
    value: &'a V,
}

impl<'a, V> Retained<'a, V> {
    /// What is retained.
    #[must_use]
    pub const fn value(&self) -> &'a V {
        self.value
    }

    /// Under which topic; put together when asked for.
    #[must_use]
    pub fn topic(&self) -> TopicName<'static> {
        name(self.found.text())
    }

    /// When it expires.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        self.store.expiries.get(self.found.value)
    }
}

impl<V: core::fmt::Debug> core::fmt::Debug for Retained<'_, V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Retained")
            .field("topic", &self.topic())
            .field("value", self.value)
            .field("expires", &self.expires())
            .finish()
    }
}

/// Levels as they were put in, with slashes: so it is a Topic Name.
fn name(text: alloc::vec::Vec<u8>) -> TopicName<'static> {
    TopicName::checked_owned(String::from_utf8(text).unwrap_or_default())
}

impl<V> RetainedStore<V> {
    /// An empty store, which holds no memory. `size_of` is how much a value counts in [`bytes`](Self::bytes).
    #[must_use]
    pub fn new(options: RetainedOptions, size_of: fn(&V) -> usize) -> Self {
        Self {
            options,
            tree: Tree::new(options.seed()),
            values: Slab::new(),
            expiries: Expiries::new(),
            size_of,
            bytes: 0,
        }
    }

    /// Retains a value, until the given instant if there is one, in place of what the topic had, which is given back.
    ///
    /// # Errors
    ///
    /// [`NotRetained`] has the value, and says why; all is as it was then.
    pub fn insert(
        &mut self,
        topic: &TopicName<'_>,
        value: V,
        expires: Option<Instant>,
    ) -> Result<Option<V>, NotRetained<V>> {
        let size = (self.size_of)(&value);
        if let Err(reason) = self.check(topic, size) {
            return self.replace(topic, value, expires, reason);
        }
        let number = self.values.insert(value);
        let path = Path::new(topic.as_str(), false);
        let (put, moved) = self.tree.put(path, tree::value(number));
        self.moved(moved);
        self.bytes += size;
        match put {
            Put::New(place) => {
                if expires.is_some() {
                    self.expiries.set(number, expires, self.tree.name(place));
                }
                Ok(None)
            }
            Put::Old(place) => {
                // The old value has a place already; the new one goes there.
                let value = self.values.remove(number);
                Ok(value.and_then(|value| self.put(place, value, expires)))
            }
        }
    }

    /// Whether one topic and value more may be taken.
    fn check(&self, topic: &TopicName<'_>, size: usize) -> Result<(), IndexError> {
        check(topic.as_str(), self.options.maximum_levels(), &self.tree)?;
        let full = self.len() >= self.options.maximum_topics()
            || size > self.options.maximum_bytes().saturating_sub(self.bytes);
        if full { Err(IndexError::Full) } else { Ok(()) }
    }

    /// What cannot be one more may still take the place of what is there.
    fn replace(
        &mut self,
        topic: &TopicName<'_>,
        value: V,
        expires: Option<Instant>,
        reason: IndexError,
    ) -> Result<Option<V>, NotRetained<V>> {
        let size = (self.size_of)(&value);
        let place = self.find(topic);
        let old = place.and_then(|place| self.values.get(self.number(place)?));
        let rest = old.map(|old| self.bytes.saturating_sub((self.size_of)(old)));
        match (place, rest) {
            (Some(place), Some(rest))
                if size <= self.options.maximum_bytes().saturating_sub(rest) =>
            {
                self.bytes += size;
                Ok(self.put(place, value, expires))
            }
            _ => Err(NotRetained { reason, value }),
        }
    }

    /// Puts a value, which is counted, in the place of another, which is given.
    fn put(&mut self, place: Place, value: V, expires: Option<Instant>) -> Option<V> {
        let number = self.number(place)?;
        let old = core::mem::replace(self.values.get_mut(number)?, value);
        self.bytes = self.bytes.saturating_sub((self.size_of)(&old));
        self.expiries.set(number, expires, self.tree.name(place));
        Some(old)
    }

    fn moved(&mut self, moved: Option<Moved>) {
        if let Some(Moved { value, to, .. }) = moved {
            if let Kind::Value(number) = kind(value) {
                self.expiries.rename(number, to);
            }
        }
    }

    fn find(&self, topic: &TopicName<'_>) -> Option<Place> {
        self.tree.find(Path::new(topic.as_str(), false))
    }

    fn number(&self, place: Place) -> Option<u32> {
        match kind(self.tree.get(place)?) {
            Kind::Value(number) => Some(number),
            _ => None,
        }
    }

    /// Clears a topic; gives what it had.
    pub fn remove(&mut self, topic: &TopicName<'_>) -> Option<V> {
        self.take(self.find(topic)?)
    }

    fn take(&mut self, place: Place) -> Option<V> {
        let number = self.number(place)?;
        let value = self.values.remove(number)?;
        self.expiries.remove(number);
        self.bytes = self.bytes.saturating_sub((self.size_of)(&value));
        let moved = self.tree.take(place);
        self.moved(moved);
        Some(value)
    }

    /// What a topic has.
    #[must_use]
    pub fn get(&self, topic: &TopicName<'_>) -> Option<&V> {
        self.values.get(self.number(self.find(topic)?)?)
    }

    /// Gives all topics that the filter matches, each once, in no order to rely on. What has expired is among them until
    /// [`take_expired`](Self::take_expired) takes it.
    ///
    /// Of a Shared Subscription the filter alone counts; a server sends nothing that is retained on behalf of one
    /// (5.0 §3.8.4).
    pub fn search(&self, filter: &TopicFilter<'_>, visit: impl FnMut(Retained<'_, V>)) {
        self.search_some(filter, &mut SearchCursor::new(), usize::MAX, visit);
    }

    /// The same in parts: takes at most `steps` steps (at least one) from where the cursor stands; `true` once all has
    /// been given. A step is a level of one of the topics, and gives one topic at most.
    ///
    /// The store may change between the parts. A topic that is in it from the first to the last is given exactly once,
    /// with one of the values that it had meanwhile; what comes or goes, at most once for each time. The cursor belongs to
    /// one filter.
    ///
    /// ```
    /// # use sansio_mqtt::*;
    /// # let store = RetainedStore::new(RetainedOptions::new(), |_: &u32| 4);
    /// let filter = TopicFilter::new(Version::V5, "#")?;
    /// let mut cursor = SearchCursor::new();
    /// while !store.search_some(&filter, &mut cursor, 1000, |retained| { /* … */ }) {
    ///     // Something else, for a while.
    /// }
    /// # Ok::<(), TopicError>(())
    /// ```
    pub fn search_some(
        &self,
        filter: &TopicFilter<'_>,
        cursor: &mut SearchCursor,
        steps: usize,
        mut visit: impl FnMut(Retained<'_, V>),
    ) -> bool {
        let touch = |number| self.values.get(number).is_some();
        self.tree
            .search(filter.filter(), cursor, steps, &touch, &mut |found| {
                if let Some(value) = self.values.get(found.value) {
                    visit(Retained {
                        store: self,
                        found,
                        value,
                    });
                }
            })
    }

    /// Takes out one that has expired, the earliest first; `None` if there are no more. So each call is short, however
    /// many expire at once.
    pub fn take_expired(&mut self, now: Instant) -> Option<(TopicName<'static>, V)> {
        let place = self.tree.named(self.expiries.expired(now)?)?;
        let text = self.tree.text(place);
        Some((name(text), self.take(place)?))
    }

    /// When the next one expires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.expiries.next()
    }

    /// All topics with their values, in no order to rely on.
    pub fn iter(&self) -> impl Iterator<Item = (TopicName<'static>, &V)> {
        Entries::new(&self.tree).filter_map(|entry| match entry.value {
            Value::Value(number) => {
                let value = self.values.get(number)?;
                Some((name(entry.text.into_bytes()), value))
            }
            Value::Entry(_) => None,
        })
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sizes of all values together, as `size_of` tells them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the heap that the store holds, without what the values hold themselves and without what the allocator and
    /// the maps of those that expire add. Looks at every 256th value.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.tree.heap_bytes() + self.values.heap_bytes() + self.expiries.heap_bytes()
    }
}

impl<V> core::fmt::Debug for RetainedStore<V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RetainedStore")
            .field("options", &self.options)
            .field("len", &self.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
