//! What has to survive a restart: records of each change, the acknowledgements that wait until they are stored, and the way
//! back.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Broker, BrokerEvent, BrokerOptions, BrokerRecord, Client, Kept, Will};
use crate::index::{Subscriber, SubscriberId};
use crate::session::Session;
use crate::time::Instant;
use crate::types::QoS;

/// Records that were not taken, and who waits for which.
#[derive(Default)]
pub(super) struct Log {
    pub(super) is_on: bool,
    records: Vec<BrokerRecord>,
    /// The number of the last record made.
    last: u64,
    /// That of the last one that is stored.
    stored: u64,
    /// That of the last one made before the call that is under way.
    mark: u64,
    /// Connections whose bytes wait, by the record that they wait for.
    waiting: BTreeSet<(u64, u32)>,
}

/// Bytes that count as sent and wait for a record.
pub(super) struct Held {
    bytes: Vec<u8>,
    until: u64,
}

impl Log {
    pub(super) fn new(is_on: bool) -> Self {
        Self {
            is_on,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    #[inline]
    pub(super) fn add(&mut self, record: impl FnOnce() -> BrokerRecord) {
        if self.is_on {
            self.last += 1;
            self.records.push(record());
        }
    }

    /// A call begins, for which somebody may have to wait.
    pub(super) fn begin(&mut self) {
        self.mark = self.last;
    }

    /// The last record of this call, if it has made any.
    pub(super) fn made(&self) -> Option<u64> {
        (self.last > self.mark).then_some(self.last)
    }
}

/// Not one of those that a restored broker can follow.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("record {index} does not follow from those before")]
pub struct RestoreError {
    /// Which one, from 0.
    pub index: usize,
}

impl Broker {
    /// Appends the records of everything that has changed since the last call, and gives the number that says so to
    /// [`stored`](Self::stored). They belong together: store all of them in one transaction, or none. There are none unless
    /// [asked for](BrokerOptions::with_records).
    pub fn take_records(&mut self, records: &mut Vec<BrokerRecord>) -> u64 {
        records.append(&mut self.log.records);
        self.log.last
    }

    /// All records up to a number that [`take_records`](Self::take_records) gave are safe: what waited for them can be sent,
    /// see [`poll_ready`](Self::poll_ready).
    pub fn stored(&mut self, number: u64) {
        self.log.stored = self.log.stored.max(number.min(self.log.last));
        while let Some(&(until, slot)) = self.log.waiting.first() {
            if until > self.log.stored {
                break;
            }
            self.log.waiting.remove(&(until, slot));
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.waiting = 0;
            }
            self.push_ready(slot);
        }
    }

    /// A connection waits for a record, and for no other.
    fn wait(&mut self, slot: u32, until: u64) {
        if let Some(connection) = self.connections.get_mut(slot) {
            let old = core::mem::replace(&mut connection.waiting, until);
            self.log.waiting.remove(&(old, slot));
            self.log.waiting.insert((until, slot));
        }
    }

    pub(super) fn end_wait(&mut self, slot: u32, until: u64) {
        self.log.waiting.remove(&(until, slot));
    }

    /// Gives the bytes of a connection that may go out: those that it has, or new ones.
    pub(super) fn transmit_stored(
        &mut self,
        slot: u32,
        now: Instant,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> usize {
        let Some(connection) = self.connections.get_mut(slot) else {
            return 0;
        };
        if let Some(held) = connection
            .held
            .take_if(|held| held.until <= self.log.stored)
        {
            out.extend_from_slice(&held.bytes);
            return held.bytes.len();
        }
        let until = connection
            .held
            .as_ref()
            .map_or(connection.waits, |held| held.until);
        if until > self.log.stored {
            self.wait(slot, until);
            return 0;
        }
        let start = out.len();
        let written = connection.machine.poll_transmit(now, out, limit);
        if written == 0 || !self.collect_changes(slot) {
            return written;
        }
        let held = Held {
            bytes: out.split_off(start),
            until: self.log.last,
        };
        self.wait(slot, held.until);
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.held = Some(Box::new(held));
        }
        0
    }

    /// Makes records of what has changed in the session of a connection. True: bytes wait for one of them.
    pub(super) fn collect_changes(&mut self, slot: u32) -> bool {
        if !self.log.is_on {
            return false;
        }
        let Some(connection) = self.connections.get_mut(slot) else {
            return false;
        };
        let client = connection
            .client
            .and_then(|number| self.clients.get(number));
        let mut is_urgent = false;
        while let Some(change) = connection.machine.poll_change() {
            if let Some(client) = client {
                is_urgent |= !change.may_be_late();
                let client_id = Arc::clone(&client.name);
                self.log.add(|| BrokerRecord::Session { client_id, change });
            }
        }
        is_urgent
    }

    /// The same for a client that is away.
    pub(super) fn collect_changes_of(log: &mut Log, client: &mut Client) {
        if !log.is_on {
            return;
        }
        let Some(session) = &mut client.session else {
            return;
        };
        while let Some(change) = session.poll_change() {
            let client_id = Arc::clone(&client.name);
            log.add(|| BrokerRecord::Session { client_id, change });
        }
    }

    /// Gives the records that make up all of what is to survive a restart: with those that come later, they are all that a
    /// store needs. Take the records that wait [first](Self::take_records); they are in it.
    pub fn snapshot(&self, mut visit: impl FnMut(BrokerRecord)) {
        for client in self.clients.iter().filter(|client| client.is_stored) {
            let client_id = || Arc::clone(&client.name);
            visit(client.record());
            if client.expiry > 0 {
                let connection = client
                    .connection
                    .and_then(|slot| self.connections.get(slot));
                let session = match connection {
                    Some(connection) => Some(connection.machine.session()),
                    None => client.session.as_deref(),
                };
                if let Some(session) = session {
                    let mut bytes = Vec::new();
                    session.snapshot_of(&mut bytes, QoS::AtLeastOnce);
                    visit(BrokerRecord::Snapshot {
                        client_id: client_id(),
                        session: bytes.into(),
                    });
                }
            }
            if let Some(will) = &client.will {
                visit(BrokerRecord::Will {
                    client_id: client_id(),
                    delay: will.delay,
                    message: will.message.clone(),
                });
            }
        }
        for (filter, subscriber) in self.index.iter() {
            let client = self.clients.get(subscriber.id.get());
            if let Some(client) = client.filter(|client| client.expiry > 0) {
                visit(BrokerRecord::Subscribed {
                    client_id: Arc::clone(&client.name),
                    filter,
                    options: subscriber.options,
                    identifier: subscriber.identifier,
                });
            }
        }
        for (_, kept) in self.retained.iter() {
            visit(kept.record());
        }
    }

    /// The broker that made these records: a [snapshot](Self::snapshot), if there is one, and all that came behind it.
    ///
    /// Who was connected is away from now on, as if the transport had failed at `now`. What is due is done by the first
    /// [`handle_timeout`](Self::handle_timeout). No session lasts longer than `options` allow, though it was to when it
    /// began. For bridges, each filter has a [`FirstSubscription`](crate::BrokerEvent::FirstSubscription).
    ///
    /// # Errors
    ///
    /// A record does not follow from those before it, or does not fit the bounds of `options`.
    pub fn restore(
        now: Instant,
        options: BrokerOptions,
        records: impl IntoIterator<Item = BrokerRecord>,
    ) -> Result<Self, RestoreError> {
        let mut broker = Self::new(now, options);
        let is_on = core::mem::take(&mut broker.log.is_on);
        for (index, record) in records.into_iter().enumerate() {
            broker.apply(now, record).ok_or(RestoreError { index })?;
        }
        broker.log.is_on = is_on;
        let numbers: Vec<u32> = broker.clients.numbers().collect();
        for number in numbers {
            let maximum = broker.options.maximum_session_expiry;
            if let Some(client) = broker.clients.get_mut(number) {
                client.expiry = client.expiry.min(maximum);
                client.since.get_or_insert(now);
                client.session.get_or_insert_default();
                let record = client.record();
                broker.log.add(|| record);
            }
            broker.schedule_client(number);
        }
        if broker.options.bridge_events {
            let filters = broker.index.iter().map(|(filter, _)| filter);
            let filters: BTreeSet<_> = filters.collect();
            let events = filters
                .into_iter()
                .map(|filter| BrokerEvent::FirstSubscription { filter });
            broker.events.extend(events);
        }
        Ok(broker)
    }

    fn apply(&mut self, now: Instant, record: BrokerRecord) -> Option<()> {
        match record {
            BrokerRecord::Client {
                client_id,
                session_expiry_interval,
                since,
            } => {
                let number = match self.names.get(&client_id) {
                    Some(&number) => number,
                    None => self.insert_client(&client_id),
                };
                let client = self.clients.get_mut(number)?;
                client.is_stored = true;
                client.expiry = session_expiry_interval;
                client.since = since;
                client.session.get_or_insert_default();
            }
            BrokerRecord::Ended { client_id } => {
                let number = self.names.remove(&client_id)?;
                self.clients.remove(number)?;
                self.index
                    .remove_subscriber(SubscriberId::new(number), usize::MAX);
            }
            BrokerRecord::Snapshot { client_id, session } => {
                let client = self.client_named(&client_id)?;
                client.session = Some(Box::new(Session::restore(&session).ok()?));
            }
            BrokerRecord::Session { client_id, change } => {
                let session = self.client_named(&client_id)?.session.as_mut()?;
                session.apply(change).ok()?;
                while session.take_dropped().is_some() {}
            }
            BrokerRecord::Subscribed {
                client_id,
                filter,
                options,
                identifier,
            } => {
                let number = *self.names.get(&client_id)?;
                let subscriber = Subscriber {
                    id: SubscriberId::new(number),
                    options,
                    identifier,
                };
                if self.index.insert(&filter, subscriber).ok()?.is_none() {
                    self.clients.get_mut(number)?.count_filter(&filter);
                }
            }
            BrokerRecord::Unsubscribed { client_id, filter } => {
                let number = *self.names.get(&client_id)?;
                self.index.remove(&filter, SubscriberId::new(number))?;
                let client = self.clients.get_mut(number)?;
                client.uncount_filter(&filter);
            }
            BrokerRecord::Will {
                client_id,
                delay,
                message,
            } => {
                self.client_named(&client_id)?.will = Some(Box::new(Will { message, delay }));
            }
            BrokerRecord::WillGone { client_id } => {
                self.client_named(&client_id)?.will.take()?;
            }
            BrokerRecord::Retained {
                publisher,
                expires,
                message,
            } => {
                let topic = message.topic_name().into_owned();
                if expires.is_some_and(|at| at <= now) {
                    self.retained.remove(&topic);
                } else {
                    let kept = Kept {
                        message,
                        publisher,
                        expires,
                    };
                    self.retained.insert(&topic, kept, expires).ok()?;
                }
            }
            // It may have expired meanwhile.
            BrokerRecord::Cleared { topic } => {
                self.retained.remove(&topic);
            }
        }
        Some(())
    }

    fn client_named(&mut self, name: &str) -> Option<&mut Client> {
        self.clients.get_mut(*self.names.get(name)?)
    }
}

impl Client {
    pub(super) fn record(&self) -> BrokerRecord {
        BrokerRecord::Client {
            client_id: Arc::clone(&self.name),
            session_expiry_interval: self.expiry,
            since: self.since,
        }
    }
}

impl Kept {
    pub(super) fn record(&self) -> BrokerRecord {
        BrokerRecord::Retained {
            publisher: self.publisher.clone(),
            expires: self.expires,
            message: self.message.clone(),
        }
    }
}
