//! What the driver does with each transport.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::connecting::Connecting;
use super::log::Held;
use super::{Broker, BrokerEvent, Client, Question, QuestionToken, Timer};
use crate::connection::{AckToken, Closed, RequestError, RequestToken};
use crate::index::Deliveries;
use crate::message::Message;
use crate::options::Options;
use crate::packet::{Disconnect, SubscriptionOptions};
use crate::reason::ReasonCode;
use crate::server::{ServerConnection, ServerEvent};
use crate::session::DropReason;
use crate::time::Instant;
use crate::types::QoS;

/// Places that a buffer may keep; those that a burst needed beyond are given back once it is over.
pub(super) const KEPT: usize = 256;

/// A connection of a [`Broker`]. Never used again for another one, as long as those are fewer than 2³².
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct ConnectionId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl ConnectionId {
    /// A small number that no other connection of the broker has until this one is
    /// [`disconnected`](Broker::disconnected): where a driver's table can have its transport.
    #[must_use]
    pub const fn index(self) -> usize {
        self.slot as usize
    }
}

pub(super) struct Connection {
    /// Once it has ended it has no session any more, and perhaps something to say.
    pub(super) machine: ServerConnection,
    /// Taken apart.
    pub(super) is_over: bool,
    pub(super) generation: u32,
    /// The number of its client, from its acceptance to its end.
    pub(super) client: Option<u32>,
    /// What is asked and not answered.
    pub(super) asked: Option<Box<Asked>>,
    /// From CONNECT to its acceptance.
    pub(super) connecting: Option<Box<Connecting>>,
    /// Of the last question.
    pub(super) question: u32,
    pub(super) is_ready: bool,
    /// Where it stands among the timers.
    pub(super) timer: Option<Instant>,
    /// The record that what it is told next waits for.
    pub(super) waits: u64,
    /// Where it stands among those that wait for records; 0: nowhere.
    pub(super) waiting: u64,
    pub(super) held: Option<Box<Held>>,
}

pub(super) struct Asked {
    pub(super) kind: AskedKind,
    pub(super) until: Instant,
}

pub(super) enum AskedKind {
    Connect,
    /// Of one that is connected.
    Authenticate,
    Publish {
        message: Message,
        ack: Option<AckToken>,
    },
    Subscribe {
        token: RequestToken,
        filters: Vec<(Box<str>, SubscriptionOptions)>,
        identifier: Option<u32>,
    },
}

impl Connection {
    fn next_timeout(&self) -> Option<Instant> {
        match &self.asked {
            // Nothing is taken from a client that waits for an answer, so its silence proves nothing.
            Some(asked) => Some(asked.until),
            None => self.machine.poll_timeout(),
        }
    }
}

impl Broker {
    /// A transport is there. CONNECT is awaited from now on.
    pub fn connected(&mut self, now: Instant) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let options = self.connection_options(None, false);
        let slot = self.connections.insert(Connection {
            machine: ServerConnection::new(now, options),
            is_over: false,
            generation: self.generation,
            client: None,
            asked: None,
            connecting: None,
            question: 0,
            is_ready: false,
            timer: None,
            waits: 0,
            waiting: 0,
            held: None,
        });
        self.settle(slot);
        ConnectionId {
            slot,
            generation: self.generation,
        }
    }

    pub(super) fn connection_options(&self, given: Option<&Options>, lasts: bool) -> Options {
        given
            .unwrap_or(&self.options.connection)
            .clone()
            .with_manual_acknowledgement(true)
            .with_whole_publish_limit(u32::MAX)
            .with_lasting_change_records(lasts && self.log.is_on)
    }

    /// The connection under this number, unless it is another one by now.
    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.connections.get(id.slot);
        connection.filter(|connection| connection.generation == id.generation)
    }

    pub(super) fn machine(&mut self, slot: u32) -> Option<&mut ServerConnection> {
        Some(&mut self.connections.get_mut(slot)?.machine)
    }

    /// Takes bytes from a transport and moves `input` past them; stops behind a packet that asks a [`Question`].
    ///
    /// `None`: all that can be taken now is taken. Keep what is left and offer it again, with what comes behind it: more
    /// bytes are needed, or, if it does not [`want input`](Self::wants_input), an answer, a
    /// [`poll_transmit`](Self::poll_transmit), a [`poll_event`](Self::poll_event) or a
    /// [`take_records`](Self::take_records) is due first. Of a connection that
    /// has ended all input is discarded.
    ///
    /// A client that breaks a rule is disconnected, and the others go on.
    pub fn receive<'i>(
        &mut self,
        id: ConnectionId,
        now: Instant,
        input: &mut &'i [u8],
    ) -> Option<Question<'i>> {
        if self.get(id).is_none() {
            *input = &[];
            return None;
        }
        self.log.begin();
        let before = input.len();
        let question = self.receive_some(id.slot, now, input);
        self.counters.bytes_received += (before - input.len()) as u64;
        self.settle(id.slot);
        self.finish_closed(now);
        question
    }

    fn receive_some<'i>(
        &mut self,
        slot: u32,
        now: Instant,
        input: &mut &'i [u8],
    ) -> Option<Question<'i>> {
        loop {
            if self.is_held(slot) {
                return None;
            }
            let Some(machine) = self.machine(slot) else {
                *input = &[];
                return None;
            };
            let event = machine.receive(now, input)?;
            if let Some(question) = self.handle(slot, now, event) {
                return Some(question);
            }
        }
    }

    /// Whether [`receive`](Self::receive) looks at input of this connection now. False: a question about it is not answered,
    /// or what it asked for waits for [`poll_transmit`](Self::poll_transmit), or events for
    /// [`poll_event`](Self::poll_event), or records for [`take_records`](Self::take_records).
    #[must_use]
    pub fn wants_input(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.get(id) else {
            return true;
        };
        connection.is_over || (!self.is_held(id.slot) && connection.machine.wants_input())
    }

    /// Whether nothing may be taken from the connection. What comes on one that has ended is discarded at any time.
    fn is_held(&self, slot: u32) -> bool {
        let connection = self.connections.get(slot);
        let Some(connection) = connection.filter(|connection| !connection.is_over) else {
            return false;
        };
        let client = connection
            .client
            .and_then(|number| self.clients.get(number));
        connection.asked.is_some()
            || self.has_many_events()
            || client.is_some_and(Client::has_many_searches)
    }

    /// Whether so many events or records wait that nothing is done that would make more.
    pub(super) fn has_many_events(&self) -> bool {
        self.events.len().max(self.log.len()) >= self.options.maximum_events.max(1)
    }

    fn handle<'i>(
        &mut self,
        slot: u32,
        now: Instant,
        event: ServerEvent<'i>,
    ) -> Option<Question<'i>> {
        match event {
            ServerEvent::Publish(incoming) => {
                let message = incoming.to_message();
                let message = self.on_publish(slot, now, message, incoming.ack)?;
                let token = self.token(slot)?;
                Some(Question::Publish { message, token })
            }
            ServerEvent::Published { handle, .. } => {
                if let Some(client) = self.client_of(slot) {
                    client.settle_shared(handle);
                }
                None
            }
            ServerEvent::Subscribe { subscribe, token } => {
                if self.on_subscribe(slot, now, &subscribe, token) {
                    let token = self.token(slot)?;
                    return Some(Question::Subscribe { subscribe, token });
                }
                None
            }
            ServerEvent::Unsubscribe { unsubscribe, token } => {
                self.on_unsubscribe(slot, now, &unsubscribe, token);
                None
            }
            ServerEvent::Connect(connect) => {
                if self.on_connect(slot, now, &connect) {
                    let token = self.token(slot)?;
                    return Some(Question::Connect { connect, token });
                }
                None
            }
            ServerEvent::Auth(auth) => {
                let is_connected = self.connections.get(slot)?.client.is_some();
                self.ask(
                    slot,
                    now,
                    match is_connected {
                        true => AskedKind::Authenticate,
                        false => AskedKind::Connect,
                    },
                );
                let token = self.token(slot)?;
                Some(Question::Auth { auth, token })
            }
            ServerEvent::Dropped(dropped) => {
                let number = self.connections.get(slot)?.client?;
                let client = self.clients.get_mut(number)?;
                client.settle_shared(dropped.handle);
                self.note_dropped(number, dropped.message, dropped.reason);
                None
            }
            // `closed` tells what follows from DISCONNECT. Messages are taken whole.
            ServerEvent::Disconnect(_)
            | ServerEvent::PublishHead(_)
            | ServerEvent::Payload { .. } => None,
        }
    }

    pub(super) fn client_of(&mut self, slot: u32) -> Option<&mut Client> {
        let number = self.connections.get(slot)?.client?;
        self.clients.get_mut(number)
    }

    pub(super) fn ask(&mut self, slot: u32, now: Instant, kind: AskedKind) {
        let until = now + self.options.answer_timeout;
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.question = connection.question.wrapping_add(1);
            connection.asked = Some(Box::new(Asked { kind, until }));
        }
    }

    fn token(&self, slot: u32) -> Option<QuestionToken> {
        let connection = self.connections.get(slot)?;
        Some(QuestionToken {
            connection: ConnectionId {
                slot,
                generation: connection.generation,
            },
            number: connection.question,
        })
    }

    /// Counts a message that a client does not get, and tells of it.
    pub(super) fn note_dropped(
        &mut self,
        number: u32,
        message: Option<Message>,
        reason: DropReason,
    ) {
        self.counters.messages_dropped += 1;
        if let (true, Some(client)) = (self.options.drop_events, self.clients.get(number)) {
            let client_id = client.name.clone();
            self.events.push_back(BrokerEvent::Dropped {
                client_id,
                message,
                reason,
            });
        }
    }

    /// The transport has ended: no more bytes will come. Offer what was read to [`receive`](Self::receive) first. What the
    /// connection has still to say can be transmitted; of no use unless the other direction is open.
    pub fn receive_eof(&mut self, id: ConnectionId, now: Instant) {
        self.log.begin();
        if self.get(id).is_some() {
            if let Some(machine) = self.machine(id.slot) {
                machine.receive_eof(now);
            }
            self.settle(id.slot);
            self.finish_closed(now);
        }
    }

    /// The transport is gone, and the connection is forgotten. One that was not closed ends as if its transport had failed.
    pub fn disconnected(&mut self, id: ConnectionId, now: Instant) {
        self.receive_eof(id, now);
        if self.get(id).is_some() {
            if let Some(connection) = self.connections.remove(id.slot) {
                if let Some(timer) = connection.timer {
                    self.timers.remove(&(timer, Timer::Connection(id.slot)));
                }
                self.end_wait(id.slot, connection.waiting);
            }
            // No larger than in proportion to what may still be found.
            if self.deliveries.capacity() > KEPT + 4 * self.index.len() {
                self.deliveries = Deliveries::new();
            }
        }
    }

    /// Ends a connection, with DISCONNECT where the client is one of 5.0: 0x98 (Administrative action), say, or 0x9C (Use
    /// another server) with a Server Reference. One that is not accepted yet is refused with the same reason if CONNACK can
    /// have it. What cannot be said so is said with 0x98, or 0x88 (Server unavailable) in CONNACK. Without effect on one
    /// that has ended.
    pub fn disconnect(&mut self, id: ConnectionId, now: Instant, disconnect: &Disconnect<'_>) {
        self.log.begin();
        if self.get(id).is_some() {
            self.end_connection(id.slot, now, disconnect);
            self.finish_closed(now);
        }
    }

    pub(super) fn end_connection(&mut self, slot: u32, now: Instant, disconnect: &Disconnect<'_>) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let machine = &mut connection.machine;
        let told = match machine.disconnect(now, disconnect) {
            // It ends all the same, with what can be said.
            Err(error) if error != RequestError::NotOpen => {
                machine.disconnect(now, &Disconnect::new(ReasonCode::AdministrativeAction))
            }
            told => told,
        };
        if told.is_err() {
            let _ = machine.refuse(now, &super::connecting::refusal(disconnect));
            // Without effect where that has closed it.
            machine.receive_eof(now);
        }
        self.settle(slot);
    }

    pub(super) fn end_with(&mut self, slot: u32, now: Instant, reason: ReasonCode) {
        self.end_connection(slot, now, &Disconnect::new(reason));
    }

    /// The next connection that has something to send or has ended, each once until something more comes up. Who could not
    /// write everything remembers that himself.
    pub fn poll_ready(&mut self) -> Option<ConnectionId> {
        loop {
            let Some(id) = self.ready.pop_front() else {
                if self.ready.capacity() > KEPT + 4 * self.connections.len() {
                    self.ready.shrink_to(KEPT);
                }
                return None;
            };
            let connection = self.connections.get_mut(id.slot);
            // It may be another one by now.
            if let Some(connection) = connection.filter(|one| one.generation == id.generation) {
                connection.is_ready = false;
                return Some(id);
            }
        }
    }

    /// Appends whole packets for this connection to `out` and returns the bytes appended; 0: there is nothing to send now.
    ///
    /// It stops before `limit` bytes are passed, but gives the first packet whatever its size. What it gave counts as
    /// sent.
    pub fn poll_transmit(
        &mut self,
        id: ConnectionId,
        now: Instant,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> usize {
        if self.get(id).is_none() {
            return 0;
        }
        let goes_on = self.continue_searches(id.slot, now);
        self.collect_changes(id.slot);
        let written = match self.log.is_on {
            false => self
                .machine(id.slot)
                .map_or(0, |machine| machine.poll_transmit(now, out, limit)),
            true => self.transmit_stored(id.slot, now, out, limit),
        };
        if goes_on && written == 0 {
            // It has found nothing yet: others have their turn before it looks further.
            self.push_ready(id.slot);
        }
        self.note_undelivered(id.slot);
        // A snapshot has all that has changed, so the records must be there before it.
        self.collect_changes(id.slot);
        self.counters.bytes_sent += written as u64;
        written
    }

    /// What turned out not to be deliverable when its turn came.
    fn note_undelivered(&mut self, slot: u32) {
        while let Some(dropped) = self.machine(slot).and_then(ServerConnection::take_dropped) {
            let number = self.connections.get(slot).and_then(|one| one.client);
            let Some(number) = number else { return };
            if let Some(client) = self.clients.get_mut(number) {
                client.settle_shared(dropped.handle);
            }
            self.note_dropped(number, dropped.message, dropped.reason);
        }
    }

    /// How a connection ended, once it has. `None` also for one that is forgotten.
    #[must_use]
    pub fn closed(&self, id: ConnectionId) -> Option<Closed> {
        self.get(id)?.machine.closed()
    }

    /// Whether a connection has ended and all that it had to say is transmitted: close the transport, and say that it is
    /// [`disconnected`](Self::disconnected). What it says last may wait for a record to be [stored](Self::stored); until
    /// then this is false.
    #[must_use]
    pub fn is_finished(&self, id: ConnectionId) -> bool {
        self.get(id).is_some_and(|connection| {
            let waits = connection.held.is_some() || connection.machine.has_output();
            connection.is_over && !waits
        })
    }

    /// After anything that may have changed a connection: who waits for it is told, be it the driver, the timers, or those
    /// that take it apart.
    pub(super) fn settle(&mut self, slot: u32) {
        self.collect_changes(slot);
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        if let Some(last) = self.log.made() {
            connection.waits = last;
        }
        if connection.machine.closed().is_some() {
            self.closing.push(slot);
            return;
        }
        let next = connection.next_timeout();
        // A later one is found when the earlier one has come: most are put off with every packet.
        let is_earlier = next.is_some_and(|next| connection.timer.is_none_or(|timer| next < timer));
        if let (true, Some(next)) = (is_earlier, next) {
            let timer = Timer::Connection(slot);
            if let Some(old) = connection.timer.replace(next) {
                self.timers.remove(&(old, timer));
            }
            self.timers.insert((next, timer));
        }
        self.make_ready(slot);
    }

    /// Tells the driver of a connection that has something to send.
    pub(super) fn make_ready(&mut self, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        if connection.is_ready || connection.held.is_some() {
            return;
        }
        let client = connection
            .client
            .and_then(|number| self.clients.get(number));
        let searches = client.is_some_and(Client::has_searches);
        // That one is over has to be seen, too.
        if connection.is_over || searches || connection.machine.has_output() {
            self.push_ready(slot);
        }
    }

    pub(super) fn push_ready(&mut self, slot: u32) {
        let connection = self.connections.get_mut(slot);
        if let Some(connection) = connection.filter(|connection| !connection.is_ready) {
            connection.is_ready = true;
            self.ready.push_back(ConnectionId {
                slot,
                generation: connection.generation,
            });
        }
    }

    /// Takes connections apart that have ended. A will may go round, and end more of them.
    pub(super) fn finish_closed(&mut self, now: Instant) {
        while let Some(slot) = self.closing.pop() {
            self.finish(slot, now);
        }
        if self.closing.capacity() > KEPT {
            self.closing.shrink_to(KEPT);
        }
    }

    /// The last bytes of a connection stay for its driver; session and will go to its client.
    pub(super) fn finish(&mut self, slot: u32, now: Instant) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let Some(closed) = connection.machine.closed().filter(|_| !connection.is_over) else {
            return;
        };
        connection.is_over = true;
        connection.asked = None;
        connection.connecting = None;
        self.collect_changes(slot);
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let session = connection.machine.take_session();
        let number = connection.client.take();
        if let Some(timer) = connection.timer.take() {
            self.timers.remove(&(timer, Timer::Connection(slot)));
        }
        self.make_ready(slot);
        if let Some(number) = number {
            self.counters.connected -= 1;
            self.client_left(number, now, session, closed);
        }
    }
}

impl Client {
    /// How many subscriptions may wait for their retained messages before no more are taken.
    const SEARCHES: usize = 64;

    fn has_many_searches(&self) -> bool {
        self.rare
            .as_ref()
            .and_then(|rare| rare.searches.as_ref())
            .is_some_and(|searches| searches.len() >= Self::SEARCHES)
    }

    fn has_searches(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.searches.is_some())
    }

    pub(super) fn options(&self) -> Option<&Options> {
        self.rare.as_ref()?.options.as_ref()
    }

    pub(super) fn set_options(&mut self, options: Option<Options>) {
        if options.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().options = options;
            self.tidy();
        }
    }

    /// Gives memory back in which nothing is.
    pub(super) fn tidy(&mut self) {
        self.rare.take_if(|rare| {
            rare.searches.is_none() && rare.shared.is_empty() && rare.options.is_none()
        });
    }

    /// The QoS that matters for [`SlowConsumer`](super::SlowConsumer).
    pub(super) const fn keeps(qos: QoS) -> bool {
        !matches!(qos, QoS::AtMostOnce)
    }
}
