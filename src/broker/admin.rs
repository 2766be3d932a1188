//! What a caller asks for that no client asked for.

use alloc::sync::Arc;

use super::{Broker, BrokerRecord, ConnectionId};
use crate::index::{Subscriber, SubscriberId};
use crate::message::Message;
use crate::packet::Disconnect;
use crate::session::Session;
use crate::time::Instant;
use crate::topic::TopicFilter;
use crate::types::Version;

impl Broker {
    /// The Client Identifier of a connection that is accepted and has not ended: that of its session. A clone shares the
    /// memory.
    #[must_use]
    pub fn client_id(&self, id: ConnectionId) -> Option<&Arc<str>> {
        let number = self.get(id)?.client?;
        Some(&self.clients.get(number)?.name)
    }

    /// The protocol version of a connection, once CONNECT is there; 5.0 before.
    #[must_use]
    pub fn version(&self, id: ConnectionId) -> Option<Version> {
        Some(self.get(id)?.machine.version())
    }

    /// The connection of a client; `None` while it is away.
    #[must_use]
    pub fn connection(&self, client_id: &str) -> Option<ConnectionId> {
        let slot = self.clients.get(*self.names.get(client_id)?)?.connection?;
        let generation = self.connections.get(slot)?.generation;
        Some(ConnectionId { slot, generation })
    }

    /// The Client Identifiers of all sessions, in their order.
    pub fn client_ids(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }

    /// The session of a client, connected or not: what waits and what is in flight.
    #[must_use]
    pub fn session(&self, client_id: &str) -> Option<&Session> {
        let client = self.clients.get(*self.names.get(client_id)?)?;
        match client.connection {
            Some(slot) => Some(self.connections.get(slot)?.machine.session()),
            None => client.session.as_deref(),
        }
    }

    /// The subscriptions of a client, connected or not, in no order to rely on. The number in them is the broker's own.
    pub fn subscriptions(
        &self,
        client_id: &str,
    ) -> impl Iterator<Item = (TopicFilter<'static>, Subscriber)> + '_ {
        let number = self.names.get(client_id).copied();
        let id = number.map(SubscriberId::new);
        id.into_iter()
            .flat_map(|id| self.index.subscriptions_of(id))
    }

    /// Ends a subscription of a client, connected or not, without its doing: its right to it is gone. False: it has none.
    ///
    /// What is in its queue because of it stays there, see [`discard_queued`](Self::discard_queued).
    pub fn unsubscribe(&mut self, client_id: &str, filter: &TopicFilter<'_>) -> bool {
        self.log.begin();
        let number = self.names.get(client_id).copied();
        number.is_some_and(|number| self.remove_subscription(number, filter))
    }

    /// Takes messages back that wait for a client, connected or not: all for which the closure says so, among those that are not
    /// sent yet. Of a client that is away also those that were sent and not acknowledged; of QoS 2 the exchange is then
    /// completed without the message. Gives how many those were.
    ///
    /// ```
    /// # use sansio_mqtt::*;
    /// # let mut broker = Broker::new(Instant::ZERO, BrokerOptions::new());
    /// // Ada may not read this any more.
    /// let secret = TopicFilter::new(Version::V5, "secret/#")?;
    /// broker.unsubscribe("ada", &secret);
    /// broker.discard_queued("ada", |message| secret.matches(&message.topic_name()));
    /// # Ok::<(), TopicError>(())
    /// ```
    pub fn discard_queued(
        &mut self,
        client_id: &str,
        mut discard: impl FnMut(&Message) -> bool,
    ) -> usize {
        self.log.begin();
        let number = self.names.get(client_id).copied();
        let Some(client) = number.and_then(|number| self.clients.get_mut(number)) else {
            return 0;
        };
        let rare = client.rare.as_mut();
        let searches = rare.and_then(|rare| rare.searches.as_mut());
        let found = searches.map_or(0, |searches| searches.discard(&mut discard));
        let slot = client.connection;
        let machine = slot.and_then(|slot| self.connections.get_mut(slot));
        let handles = match (machine, &mut client.session) {
            (Some(connection), _) => connection.machine.discard_queued(discard),
            (None, Some(session)) => session.discard_all(true, discard),
            (None, None) => alloc::vec::Vec::new(),
        };
        for &handle in &handles {
            client.settle_shared(handle);
        }
        match slot {
            Some(slot) => self.settle(slot),
            None => Self::collect_changes_of(&mut self.log, client),
        }
        found + handles.len()
    }

    /// Takes the will of a client back, connected or not: its right to publish it is gone. `None`: it has none.
    pub fn discard_will(&mut self, client_id: &str) -> Option<Message> {
        self.log.begin();
        let number = *self.names.get(client_id)?;
        let client = self.clients.get_mut(number)?;
        let will = client.will.take()?;
        let client_id = &client.name;
        self.log.add(|| BrokerRecord::WillGone {
            client_id: Arc::clone(client_id),
        });
        self.schedule_client(number);
        Some(will.message)
    }

    /// Ends a session, with its subscriptions and all that waits. If the client is connected that ends first, as with
    /// [`disconnect`](Self::disconnect). A will that is due is published, unless it was
    /// [taken back](Self::discard_will) before. False: there is no such session.
    pub fn end_session(
        &mut self,
        client_id: &str,
        now: Instant,
        disconnect: &Disconnect<'_>,
    ) -> bool {
        self.log.begin();
        let Some(&number) = self.names.get(client_id) else {
            return false;
        };
        if let Some(slot) = self
            .clients
            .get(number)
            .and_then(|client| client.connection)
        {
            self.end_connection(slot, now, disconnect);
            self.finish(slot, now);
        }
        // It may have ended with its connection.
        if let Some(&number) = self.names.get(client_id) {
            self.remove_client(number, now);
        }
        self.finish_closed(now);
        true
    }
}
