//! What a message does: from its publisher to those who get it.

use alloc::sync::Arc;

use super::connections::AskedKind;
use super::retained::{expires, rest};
use super::{
    AnswerError, AnswerErrorReason, Broker, BrokerEvent, Client, QuestionToken, SharedPick,
    SlowConsumer, Verdict,
};
use crate::connection::AckToken;
use crate::index::{Delivery, GroupId, Hit, IndexError, Pick, Subscriber, SubscriberId};
use crate::message::Message;
use crate::reason::ReasonCode;
use crate::session::{DropReason, PublishErrorReason, PublishHandle};
use crate::time::Instant;
use crate::types::{PacketType, QoS, Role, Version};

/// How many members of a Shared Subscription are asked whether they can take a message.
const ASKED: usize = 1024;

impl Broker {
    /// A client publishes. `Some`: that is to be asked about.
    pub(super) fn on_publish(
        &mut self,
        slot: u32,
        now: Instant,
        message: Message,
        ack: Option<AckToken>,
    ) -> Option<Message> {
        self.counters.messages_received += 1;
        if self.is_reserved(message.topic()) {
            self.acknowledge(slot, ack.as_ref(), ReasonCode::NotAuthorized);
            return None;
        }
        if self.options.ask_publish {
            let kind = AskedKind::Publish {
                message: message.clone(),
                ack,
            };
            self.ask(slot, now, kind);
            return Some(message);
        }
        self.publish_from(slot, now, message, ack.as_ref());
        None
    }

    /// Whether a client may not publish to the topic, whatever it is authorised for (section 4.7.2).
    pub(super) fn is_reserved(&self, topic: &str) -> bool {
        let is_sys = topic
            .strip_prefix("$SYS")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_sys || (!self.options.dollar_topics && topic.starts_with('$'))
    }

    /// Answers [`Question::Publish`](crate::Question::Publish).
    ///
    /// # Errors
    ///
    /// The question is of another kind or not open any more, the reason code is not one of 0x80 and above that PUBACK
    /// can have, or the message in its place has a [streamed payload](Message::with_streamed_payload).
    pub fn answer_publish(
        &mut self,
        token: QuestionToken,
        now: Instant,
        verdict: Verdict,
    ) -> Result<(), AnswerError> {
        if let Verdict::Deny(reason) = verdict {
            if !reason.is_error() || !reason.allowed_in(PacketType::Puback, Some(Role::Server)) {
                return Err(self.refuse_answer(token, AnswerErrorReason::ReasonCode(reason)));
            }
        }
        if matches!(&verdict, Verdict::Rewrite(message) if is_streamed(message)) {
            return Err(self.refuse_answer(token, AnswerErrorReason::StreamedPayload));
        }
        let is_kind = |kind: &AskedKind| matches!(kind, AskedKind::Publish { .. });
        let slot = token.connection.slot;
        self.log.begin();
        if let AskedKind::Publish { message, ack } = self.take_asked(token, now, is_kind)? {
            let ack = ack.as_ref();
            match verdict {
                Verdict::Allow => self.publish_from(slot, now, message, ack),
                Verdict::Rewrite(message) => self.publish_from(slot, now, message, ack),
                Verdict::Deny(reason) => self.acknowledge(slot, ack, reason),
                Verdict::Drop => self.acknowledge(slot, ack, ReasonCode::Success),
            }
        }
        self.settle(slot);
        self.finish_closed(now);
        Ok(())
    }

    /// A client has published what it may.
    fn publish_from(&mut self, slot: u32, now: Instant, message: Message, ack: Option<&AckToken>) {
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        let is_v5 = connection.machine.version() == Version::V5;
        let number = connection.client;
        let client = number.and_then(|number| self.clients.get(number));
        let name = client.map(|client| Arc::clone(&client.name));
        let message = self.as_offered(message);
        if message.retain() {
            let retained = self.retain(now, &message, name.as_ref());
            // Who can be told that it is not retained is told, and the message goes to nobody.
            if let (Err(error), true, true) = (retained, is_v5, ack.is_some()) {
                let reason = match error {
                    IndexError::TooManyLevels { .. } => ReasonCode::TopicNameInvalid,
                    _ => ReasonCode::QuotaExceeded,
                };
                return self.acknowledge(slot, ack, reason);
            }
        }
        let receivers = self.route(now, &message, number);
        self.tell_published(name, message);
        // That nobody got it is something that 5.0 can say.
        let reason = match receivers {
            0 if is_v5 => ReasonCode::NoMatchingSubscribers,
            _ => ReasonCode::Success,
        };
        self.acknowledge(slot, ack, reason);
    }

    /// Where nothing is retained no message has RETAIN.
    pub(super) fn as_offered(&self, message: Message) -> Message {
        match self.options.retain_available {
            true => message,
            false => message.with_retain(false),
        }
    }

    fn acknowledge(&mut self, slot: u32, ack: Option<&AckToken>, reason: ReasonCode) {
        let (Some(machine), Some(ack)) = (self.machine(slot), ack) else {
            return;
        };
        // Before 5.0 there is only success.
        let reason = match machine.version() {
            Version::V5 => reason,
            _ => ReasonCode::Success,
        };
        let _ = machine.acknowledge(ack, reason);
    }

    pub(super) fn tell_published(&mut self, client_id: Option<Arc<str>>, message: Message) {
        if let (true, Some(client_id)) = (self.options.bridge_events, client_id) {
            self.events
                .push_back(BrokerEvent::Published { client_id, message });
        }
    }

    /// Publishes a message of the caller's: its own, or one that came from another broker. It goes to whoever has subscribed,
    /// without any question, and is retained if it says so. Gives how many get it; one with a [streamed
    /// payload](Message::with_streamed_payload) reaches nobody.
    pub fn publish(&mut self, now: Instant, message: &Message) -> usize {
        if is_streamed(message) {
            return 0;
        }
        self.log.begin();
        let message = self.as_offered(message.clone());
        if message.retain() {
            // What is not retained is counted and told.
            let _ = self.retain(now, &message, None);
        }
        let receivers = self.route(now, &message, None);
        self.finish_closed(now);
        receivers
    }

    /// Gives a message to all whose subscriptions match; how many those are.
    pub(super) fn route(
        &mut self,
        now: Instant,
        message: &Message,
        publisher: Option<u32>,
    ) -> usize {
        let topic = message.topic_name();
        self.deliveries.clear();
        self.groups.clear();
        let (deliveries, groups) = (&mut self.deliveries, &mut self.groups);
        self.index.matches(&topic, |hit| match hit {
            Hit::Subscribers(subscribers) => deliveries.extend(&subscribers),
            Hit::Group(group) => groups.push(group),
        });
        for at in 0..self.groups.len() {
            let group = self.groups.get(at).copied();
            let member = group.and_then(|group| self.pick(group, message, publisher));
            match (group, member) {
                (Some(group), Some(member)) => self.deliveries.add_shared(group, member),
                _ => self.counters.messages_dropped += 1,
            }
        }
        let publisher = publisher.map(SubscriberId::new);
        self.deliveries.merge(self.options.overlap, publisher);
        let deliveries = core::mem::take(&mut self.deliveries);
        for delivery in deliveries.iter() {
            let copy = copy_for(message, &delivery);
            self.deliver(delivery.subscriber.get(), now, copy, delivery.group);
        }
        let receivers = deliveries.len();
        self.deliveries = deliveries;
        receivers
    }

    /// The member that takes a message: one that is connected, else one that is away and whose session keeps it, else one
    /// that has no room for it, where what is lost is counted.
    fn pick(
        &mut self,
        group: GroupId,
        message: &Message,
        publisher: Option<u32>,
    ) -> Option<Subscriber> {
        let topic = message.topic_name();
        let pick = match (self.options.shared_pick, publisher) {
            (SharedPick::RoundRobin, _) => Pick::RoundRobin,
            (SharedPick::LeastRecentlyUsed, _) => Pick::LeastRecentlyUsed,
            (SharedPick::StickyByPublisher, Some(number)) => {
                Pick::StickyByPublisher(SubscriberId::new(number))
            }
            (SharedPick::StickyByTopic | SharedPick::StickyByPublisher, _) => {
                Pick::StickyByTopic(&topic)
            }
            (SharedPick::Random, _) => Pick::Random,
        };
        let Self {
            index,
            clients,
            connections,
            options,
            ..
        } = self;
        let room = |client: &Client, session: &crate::session::Session| {
            let options = client.options().unwrap_or(&options.connection);
            session.has_room(message, options)
        };
        let is_there = |member: &Subscriber| {
            let client = clients.get(member.id.get());
            let connection = client
                .and_then(|client| client.connection)
                .and_then(|slot| connections.get(slot));
            client
                .zip(connection)
                .filter(|(_, connection)| connection.machine.is_connected())
                .is_some_and(|(client, connection)| room(client, connection.machine.session()))
        };
        if let Some(member) = index.pick(group, pick, ASKED, is_there) {
            return Some(member);
        }
        let keeps =
            |member: &Subscriber| Client::keeps(message.qos()) && Client::keeps(member.options.qos);
        let waits = |member: &Subscriber| {
            let client = clients.get(member.id.get());
            let session = client.and_then(|client| client.session.as_deref());
            keeps(member)
                && client
                    .zip(session)
                    .is_some_and(|(client, session)| room(client, session))
        };
        if let Some(member) = index.pick(group, pick, ASKED, waits) {
            return Some(member);
        }
        let is_full = |member: &Subscriber| {
            let client = clients.get(member.id.get());
            keeps(member) || client.is_some_and(|client| client.connection.is_some())
        };
        index.pick(group, pick, ASKED, is_full)
    }

    /// Puts a copy into the queue of a client.
    pub(super) fn deliver(
        &mut self,
        number: u32,
        now: Instant,
        message: Message,
        group: Option<GroupId>,
    ) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let keeps = Client::keeps(message.qos());
        let slot = client.connection;
        let result = match slot.and_then(|slot| self.connections.get_mut(slot)) {
            Some(connection) => match connection.machine.closed() {
                None => connection.machine.publish(now, message),
                // It has just ended, and is not taken apart yet: the client counts as away.
                Some(closed)
                    if !keeps || closed.session_expiry_interval.min(client.expiry) == 0 =>
                {
                    return;
                }
                Some(_) => connection.machine.enqueue(now, message),
            },
            None if !keeps => return,
            None => {
                let options = client.rare.as_ref().and_then(|rare| rare.options.as_ref());
                let options = options.unwrap_or(&self.away);
                match &mut client.session {
                    Some(session) => session.enqueue(now, message, options),
                    None => return,
                }
            }
        };
        match result {
            Ok(handle) => {
                self.counters.messages_queued += 1;
                if let (Some(group), true) = (group, keeps) {
                    let rare = client.rare.get_or_insert_default();
                    rare.shared.insert(handle, group);
                }
            }
            Err(error) => {
                let reason = match error.reason {
                    PublishErrorReason::QueueFull => DropReason::QueueFull,
                    _ => DropReason::PacketTooLarge,
                };
                // A message of a Shared Subscription is nobody's own, so nobody has to learn that he lacks it.
                let is_slow = reason == DropReason::QueueFull && keeps && group.is_none();
                self.note_dropped(number, Some(error.message), reason);
                if let (true, SlowConsumer::Disconnect, Some(slot)) =
                    (is_slow, self.options.slow_consumer, slot)
                {
                    self.end_with(slot, now, ReasonCode::QuotaExceeded);
                }
            }
        }
        match slot {
            Some(slot) => {
                self.collect_changes(slot);
                self.make_ready(slot);
            }
            // To make room, older ones may have gone.
            None => self.note_lost_while_away(number),
        }
    }

    fn note_lost_while_away(&mut self, number: u32) {
        loop {
            let Some(client) = self.clients.get_mut(number) else {
                return;
            };
            Self::collect_changes_of(&mut self.log, client);
            let session = client.session.as_deref_mut();
            let Some(dropped) = session.and_then(crate::session::Session::take_dropped) else {
                return;
            };
            client.settle_shared(dropped.handle);
            self.note_dropped(number, dropped.message, dropped.reason);
        }
    }

    /// What was on the way to a member of a Shared Subscription whose session has ended: of QoS 1 another one should get it,
    /// of QoS 2 only if it was not sent ([MQTT-4.8.2-5] of 5.0).
    pub(super) fn give_to_others(&mut self, now: Instant, client: &mut Client) {
        let (Some(session), Some(rare)) = (&mut client.session, &mut client.rare) else {
            return;
        };
        for (handle, group) in core::mem::take(&mut rare.shared) {
            let Some((is_queued, since)) = session.find(handle) else {
                continue;
            };
            let message = session.discard(handle);
            let message = message.filter(|one| is_queued || one.qos() < QoS::ExactlyOnce);
            // Its lifetime goes on.
            let Some(message) = message.and_then(|one| rest(&one, expires(&one, since), now))
            else {
                continue;
            };
            let Some(member) = self.pick(group, &message, None) else {
                continue;
            };
            let qos = message.qos().min(member.options.qos);
            let retain = message.retain() && member.options.retain_as_published;
            let copy = message.with_qos(qos).with_retain(retain);
            let copy = with_identifiers(copy, member.identifier.as_slice());
            self.deliver(member.id.get(), now, copy, Some(group));
        }
    }
}

impl Client {
    pub(super) fn settle_shared(&mut self, handle: PublishHandle) {
        if let Some(rare) = &mut self.rare {
            rare.shared.remove(&handle);
            self.tidy();
        }
    }
}

/// Nobody can supply the payload of such a message to all who get it, and behind its head nothing else leaves.
fn is_streamed(message: &Message) -> bool {
    message.streamed_payload_len().is_some()
}

/// At the lower QoS of both, with RETAIN only where that is wanted.
fn copy_for(message: &Message, delivery: &Delivery<'_>) -> Message {
    let retain = message.retain() && delivery.retain_as_published;
    let copy = message
        .clone()
        .with_qos(message.qos().min(delivery.qos))
        .with_retain(retain);
    with_identifiers(copy, delivery.identifiers)
}

/// The identifiers have been checked when they came in.
pub(super) fn with_identifiers(message: Message, identifiers: &[u32]) -> Message {
    if identifiers.is_empty() && message.subscription_identifiers().is_empty() {
        return message;
    }
    let plain = message.clone();
    message
        .with_subscription_identifiers(identifiers)
        .unwrap_or(plain)
}
