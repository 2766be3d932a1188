//! Messages that are retained, and what a new subscription gets of them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use super::{Broker, BrokerEvent, BrokerRecord, Client};
use crate::index::{IndexError, SearchCursor, SubscriberId};
use crate::message::Message;
use crate::session::{DropReason, PublishErrorReason};
use crate::time::Instant;
use crate::topic::{TopicFilter, TopicName};
use crate::types::RetainHandling;

/// What is retained.
pub(super) struct Kept {
    pub(super) message: Message,
    /// Who published it.
    pub(super) publisher: Option<Arc<str>>,
    pub(super) expires: Option<Instant>,
}

impl Kept {
    /// A name can be long, and perhaps nothing else holds it any more.
    pub(super) fn size(&self) -> usize {
        let publisher = self.publisher.as_ref();
        self.message.size() + publisher.map_or(0, |name| name.len())
    }
}

/// Subscriptions of a client whose retained messages are on their way, in their order. What the same filter is to bring
/// several times comes one after the other, and takes the memory of once.
#[derive(Default)]
pub(super) struct Searches {
    /// The one whose turn it is.
    running: Option<Search>,
    /// Those whose turn comes, and some that are gone.
    order: VecDeque<Arc<TopicFilter<'static>>>,
    /// Those whose turn comes, and how often.
    waiting: BTreeMap<Arc<TopicFilter<'static>>, usize>,
    /// How often in all.
    total: usize,
}

struct Search {
    filter: Arc<TopicFilter<'static>>,
    cursor: SearchCursor,
    /// Found, and not in the queue yet, with the time at which each expires.
    found: VecDeque<(Message, Option<Instant>)>,
    /// How often the store had changed when they were found.
    found_at: u64,
    /// How often it comes again behind this.
    again: usize,
}

impl Search {
    fn new(filter: Arc<TopicFilter<'static>>, again: usize) -> Self {
        Self {
            filter,
            cursor: SearchCursor::new(),
            found: VecDeque::new(),
            found_at: 0,
            again,
        }
    }
}

impl Searches {
    /// How many are on their way or wait, with some that are gone.
    pub(super) fn len(&self) -> usize {
        let running = self.running.as_ref().map_or(0, |one| one.again + 1);
        running + self.total.max(self.order.len())
    }

    fn push(&mut self, filter: TopicFilter<'static>) {
        self.total += 1;
        if let Some(times) = self.waiting.get_mut(&filter) {
            *times += 1;
        } else {
            let filter = Arc::new(filter);
            self.order.push_back(Arc::clone(&filter));
            self.waiting.insert(filter, 1);
        }
    }

    fn remove(&mut self, filter: &TopicFilter<'static>) {
        self.total -= self.waiting.remove(filter).unwrap_or(0);
        self.running.take_if(|one| *one.filter == *filter);
    }

    /// Forgets what is found and not in the queue yet; how many.
    pub(super) fn discard(&mut self, discard: &mut impl FnMut(&Message) -> bool) -> usize {
        let Some(search) = &mut self.running else {
            return 0;
        };
        let has = search.found.len();
        search.found.retain(|(message, _)| !discard(message));
        has - search.found.len()
    }

    /// The one whose turn it is.
    fn front(&mut self) -> Option<&mut Search> {
        while self.running.is_none() {
            let filter = self.order.pop_front()?;
            if let Some(times) = self.waiting.remove(&filter) {
                self.total -= times;
                self.running = Some(Search::new(filter, times.saturating_sub(1)));
            }
        }
        self.running.as_mut()
    }

    /// The running one has given everything. True: nothing else waits.
    fn finish(&mut self) -> bool {
        if let Some(Search { filter, again, .. }) = self.running.take() {
            let again = again.checked_sub(1);
            self.running = again.map(|again| Search::new(filter, again));
        }
        self.running.is_none() && self.waiting.is_empty()
    }
}

/// Messages wait for a client up to which more of what is retained is put behind them.
const FEW: usize = 32;
/// Levels of topics that are looked at before others have their turn.
const STEPS: usize = 1024;
/// How many are found at a time.
const SOME: usize = 64;

impl Broker {
    /// Retains a message in place of what its topic had, or clears the topic if it has no payload
    /// ([MQTT-3.3.1-5], [MQTT-3.3.1-6] of 5.0; [MQTT-3.3.1-5], [MQTT-3.3.1-10] of 3.1.1).
    pub(super) fn retain(
        &mut self,
        now: Instant,
        message: &Message,
        publisher: Option<&Arc<str>>,
    ) -> Result<(), IndexError> {
        let topic = message.topic_name();
        // One that is to be delivered at once or never cannot wait.
        if message.payload().is_empty() || message.message_expiry_interval() == Some(0) {
            self.clear(&topic);
            return Ok(());
        }
        let expires = expires(message, now);
        let kept = Kept {
            message: message.clone(),
            publisher: publisher.cloned(),
            expires,
        };
        let record = self.log.is_on.then(|| kept.record());
        self.retained_changes += 1;
        match self.retained.insert(&topic, kept, expires) {
            Ok(_) => {
                if let Some(record) = record {
                    self.log.add(|| record);
                }
                Ok(())
            }
            Err(error) => {
                self.counters.messages_not_retained += 1;
                if self.options.drop_events {
                    self.events.push_back(BrokerEvent::NotRetained {
                        message: error.value.message,
                        reason: error.reason,
                    });
                }
                Err(error.reason)
            }
        }
    }

    fn clear(&mut self, topic: &TopicName<'_>) {
        self.retained_changes += 1;
        if self.retained.remove(topic).is_some() {
            let topic = || topic.clone().into_owned();
            self.log.add(|| BrokerRecord::Cleared { topic: topic() });
        }
    }

    /// A subscription is made: what is retained is to be sent, unless it does not ask for it
    /// ([MQTT-3.3.1-9] to [MQTT-3.3.1-11] of 5.0; [MQTT-3.3.1-6] of 3.1.1), or is shared (5.0 §3.8.4).
    pub(super) fn begin_search(
        &mut self,
        number: u32,
        filter: &TopicFilter<'_>,
        retain_handling: RetainHandling,
        is_new: bool,
    ) {
        let wanted = match retain_handling {
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        if filter.share_name().is_some() {
            return;
        }
        if let (true, Some(client)) = (
            wanted && !self.retained.is_empty(),
            self.clients.get_mut(number),
        ) {
            let rare = client.rare.get_or_insert_default();
            let searches = rare.searches.get_or_insert_default();
            searches.push(filter.clone().into_owned());
        }
    }

    /// Puts some of what is retained into the queue of a client that has emptied it. True: something was done, and more is
    /// to be done now.
    pub(super) fn continue_searches(&mut self, slot: u32, now: Instant) -> bool {
        let Self {
            connections,
            clients,
            retained,
            retained_changes,
            index,
            options,
            ..
        } = self;
        let Some(connection) = connections.get_mut(slot) else {
            return false;
        };
        let client = connection.client.and_then(|number| clients.get_mut(number));
        let Some((client, number)) = client.zip(connection.client) else {
            return false;
        };
        let Some(rare) = &mut client.rare else {
            return false;
        };
        let Some(searches) = &mut rare.searches else {
            return false;
        };
        let Some(search) = searches.front() else {
            rare.searches = None;
            client.tidy();
            return false;
        };
        // As the subscription is by now.
        let id = SubscriberId::new(number);
        let Some(subscriber) = index.get(&search.filter, id) else {
            searches.running = None;
            return true;
        };
        if search.found.is_empty() && !search.cursor.is_done() {
            let Search {
                filter,
                cursor,
                found,
                found_at,
                ..
            } = search;
            *found_at = *retained_changes;
            let bounds = rare.options.as_ref().unwrap_or(&options.connection);
            let most = bounds.maximum_kept_bytes() as usize;
            let (mut steps, mut bytes, mut some) = (0, 0, SOME);
            while steps < STEPS && found.len() < SOME && bytes < most && !cursor.is_done() {
                let (start, has, mut new) = (cursor.clone(), found.len(), 0);
                // A step gives at most one topic.
                retained.search_some(filter, cursor, some, |one| {
                    let message = one.value().message.clone();
                    new += message.size();
                    found.push_back((message, one.expires()));
                });
                steps += some;
                if (bytes + new > most || found.len() > SOME) && some > 1 {
                    // What waits here counts in no queue, so it must not be more than one may have: a shorter way.
                    found.truncate(has);
                    *cursor = start;
                    some = (some / 8).max(1);
                } else {
                    bytes += new;
                    // Each part goes down to where the last one stopped, so where nothing is found they are few.
                    if found.len() == has {
                        some = (some * 8).min(STEPS);
                    }
                }
            }
        }
        let mut undeliverable = alloc::vec::Vec::new();
        let mut goes_on = true;
        while let Some((found, expires)) = search.found.pop_front() {
            if connection.machine.session().queued() >= FEW {
                search.found.push_front((found, expires));
                goes_on = false;
                break;
            }
            // What was there when it was found would come behind what was published since.
            let message = match search.found_at == *retained_changes {
                true => rest(&found, expires, now),
                false => {
                    let kept = retained.get(&found.topic_name());
                    kept.and_then(|kept| rest(&kept.message, kept.expires, now))
                }
            };
            let Some(message) = message else {
                continue;
            };
            let qos = message.qos().min(subscriber.options.qos);
            let identifiers = subscriber.identifier.as_slice();
            let message = super::publish::with_identifiers(message.with_qos(qos), identifiers);
            let Err(error) = connection.machine.publish(now, message) else {
                self.counters.messages_queued += 1;
                continue;
            };
            let session = connection.machine.session();
            let is_idle = session.queued() == 0 && session.in_flight() == 0;
            match error.reason {
                // It will fit later.
                PublishErrorReason::QueueFull if !is_idle => {
                    search.found.push_front((found, expires));
                    goes_on = false;
                    break;
                }
                PublishErrorReason::NotOpen => return false,
                PublishErrorReason::TooLarge { .. } => {
                    undeliverable.push((error.message, DropReason::PacketTooLarge));
                }
                _ => undeliverable.push((error.message, DropReason::QueueFull)),
            }
        }
        if search.found.is_empty() && search.cursor.is_done() && searches.finish() {
            rare.searches = None;
            client.tidy();
            goes_on = false;
        }
        for (message, reason) in undeliverable {
            self.note_dropped(number, Some(message), reason);
        }
        goes_on
    }

    /// Takes retained messages back: all for which the closure says so, given the message and who published it, among those
    /// whose topic the filter matches. Gives how many those were.
    ///
    /// ```
    /// # use sansio_mqtt::*;
    /// # let mut broker = Broker::new(Instant::ZERO, BrokerOptions::new());
    /// // Mallory has lost the right to publish.
    /// let all = TopicFilter::new(Version::V5, "#")?;
    /// broker.clear_retained(&all, |_, publisher| publisher == Some("mallory"));
    /// # Ok::<(), TopicError>(())
    /// ```
    pub fn clear_retained(
        &mut self,
        filter: &TopicFilter<'_>,
        mut clear: impl FnMut(&Message, Option<&str>) -> bool,
    ) -> usize {
        let mut topics = alloc::vec::Vec::new();
        self.retained.search(filter, |one| {
            let Kept {
                message, publisher, ..
            } = one.value();
            if clear(message, publisher.as_deref()) {
                topics.push(one.topic());
            }
        });
        for topic in &topics {
            self.clear(topic);
        }
        topics.len()
    }

    /// Gives each retained message whose topic the filter matches, with who published it and when it expires.
    pub fn retained(
        &self,
        filter: &TopicFilter<'_>,
        mut visit: impl FnMut(&Message, Option<&str>, Option<Instant>),
    ) {
        self.retained.search(filter, |one| {
            let Kept {
                message, publisher, ..
            } = one.value();
            visit(message, publisher.as_deref(), one.expires());
        });
    }
}

impl Client {
    /// A subscription is gone: what of it is not sent is not sent any more.
    pub(super) fn end_search(&mut self, filter: &TopicFilter<'_>) {
        if let Some(searches) = self.rare.as_mut().and_then(|rare| rare.searches.as_mut()) {
            searches.remove(&filter.clone().into_owned());
        }
    }
}

/// When a message expires that is kept since then.
pub(super) fn expires(message: &Message, since: Instant) -> Option<Instant> {
    let seconds = message.message_expiry_interval()?;
    Some(since + core::time::Duration::from_secs(seconds.into()))
}

/// With the lifetime that is left ([MQTT-3.3.2-6] of 5.0); `None`: it is over ([MQTT-3.3.2-5] of 5.0).
pub(super) fn rest(message: &Message, expires: Option<Instant>, now: Instant) -> Option<Message> {
    let message = message.clone();
    let Some(expires) = expires else {
        return Some(message);
    };
    let left = expires
        .saturating_duration_since(now)
        .as_millis()
        .div_ceil(1000);
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    (left > 0).then(|| message.with_message_expiry_interval(Some(left)))
}
