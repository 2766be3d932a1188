//! What goes to the peer: replies, then what a resumed session sends again, then the queue.
//!
//! The bytes of a message are made here and nowhere else, at the moment they leave: Packet
//! Identifier, DUP, alias and what is left of its lifetime are known only now.

use alloc::vec::Vec;

use super::aliases::Chosen;
use super::{Asked, Core, Phase, RequestError};
use crate::message::Message;
use crate::packet::{Ack, Measure, Packet, Publish};
use crate::session::{Change, DropReason, PublishHandle, Queued, State};
use crate::time::Instant;
use crate::topic::check_name;
use crate::types::{PacketId, QoS, Role, Version};

impl Core {
    /// Why this peer gets no such message, be it new or of an earlier connection.
    pub(super) fn refusal(&self, message: &Message) -> Option<DropReason> {
        if self.role == Role::Client
            && self
                .check_features(message.qos(), message.retain())
                .is_err()
        {
            return Some(DropReason::NotSupported);
        }
        self.is_too_large(message)
            .then_some(DropReason::PacketTooLarge)
    }

    /// MQTT-3.1.2-24, MQTT-3.2.2-15 of 5.0; to a client it counts as delivered then (MQTT-3.1.2-25). The
    /// size is taken only where it may matter.
    pub(super) fn is_too_large(&self, message: &Message) -> bool {
        let maximum = self.peer.maximum_packet_size as usize;
        let most =
            message.sent_len() + 5 * message.subscription_identifiers().len() + MAXIMUM_OVERHEAD;
        most > maximum && self.size(message) > maximum
    }

    /// Bytes of the packet, without an alias.
    pub(super) fn size(&self, message: &Message) -> usize {
        // Any identifier: it takes two bytes.
        let packet_id = PacketId::new(1).filter(|_| message.qos() != QoS::AtMostOnce);
        let expiry = message.message_expiry_interval();
        self.packet(message, packet_id, false, expiry)
            .measure(self.version)
            .with_payload(streamed_len(message))
            .packet_len()
    }

    /// Drops what would be dropped at the next sending, so that the application hears of it while
    /// it receives. True: something was dropped.
    #[inline]
    pub(crate) fn drop_undeliverable(&mut self, now: Instant) -> bool {
        !self.session.queue.is_empty() && self.drop_undeliverable_queued(now)
    }

    fn drop_undeliverable_queued(&mut self, now: Instant) -> bool {
        let before = self.session.dropped.len();
        if self.phase == Phase::Connected {
            while let Some(Queued { message, since, .. }) = self.session.queue.front() {
                let reason = match remaining(message, *since, now) {
                    Err(Expired) => DropReason::Expired,
                    Ok(_) => match self.refusal(message) {
                        Some(reason) => reason,
                        None => break,
                    },
                };
                self.drop_front(reason);
            }
        }
        self.session.dropped.len() > before
    }

    pub(crate) fn send_quota(&self) -> u16 {
        match self.phase {
            Phase::Connected => self.peer.receive_maximum.saturating_sub(self.sent),
            _ => 0,
        }
    }

    #[inline]
    pub(crate) fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>, limit: usize) -> usize {
        if self.has_to_transmit() {
            self.transmit(now, out, limit)
        } else {
            0
        }
    }

    /// Whether anything waits, be it for a quota.
    #[inline]
    pub(super) fn has_to_transmit(&self) -> bool {
        !self.control.is_empty()
            || !self.session.queue.is_empty()
            || !self.nothing_to_resend()
            || self.inside_payload
    }

    /// Whether `poll_transmit` has something to give; what waits to be sent again may wait for a quota.
    pub(crate) fn has_output(&self) -> bool {
        if !self.control.is_empty() {
            return true;
        }
        self.phase == Phase::Connected
            && (!self.nothing_to_resend()
                || self.session.queue.front().is_some_and(|queued| {
                    queued.message.qos() == QoS::AtMostOnce || self.send_quota() > 0
                }))
    }

    pub(super) fn transmit(&mut self, now: Instant, out: &mut Vec<u8>, limit: usize) -> usize {
        if self.inside_payload {
            return 0;
        }
        let start = out.len();
        let mut room = Room { start, limit };
        if self.drain_control(out, &mut room) && self.phase == Phase::Connected {
            while self.send_again(now, out, &room) {}
            if self.nothing_to_resend() && !self.inside_payload {
                while !self.session.queue.is_empty()
                    && self.session.takes_record(0, &self.options)
                    && self.send_queued(now, out, &room)
                {}
            }
        }
        let written = out.len() - start;
        if written > 0 {
            self.trace_sent(out.get(start..));
            if self.asked == Asked::Unsent {
                self.asked = Asked::Unanswered;
                self.note_restart();
            }
            if !self.inside_payload {
                self.restart_ping(now);
            }
        }
        written
    }

    /// True: nothing is left of it.
    fn drain_control(&mut self, out: &mut Vec<u8>, room: &mut Room) -> bool {
        if self.control.is_empty() {
            return true;
        }
        if self.control.len() <= room.limit {
            out.extend_from_slice(&self.control);
            self.control.clear();
            if self.resting {
                self.give_back();
            } else {
                self.control.shrink_to(KEPT);
            }
            return true;
        }
        let mut taken = 0;
        while let Some(size) = self.control.get(taken..).and_then(packet_size) {
            if taken > 0 && taken + size > room.limit {
                break;
            }
            taken += size;
        }
        let taken = taken.min(self.control.len());
        out.extend(self.control.drain(..taken));
        self.control.is_empty()
    }

    fn nothing_to_resend(&self) -> bool {
        self.rare.as_ref().is_none_or(|rare| rare.resend.is_empty())
    }

    /// One step through what a resumed session owes, each kind in the order of first sending
    /// (MQTT-4.4.0-1, MQTT-4.6.0-1, in 3.1.1 and in 5.0). False: nothing more for now.
    fn send_again(&mut self, now: Instant, out: &mut Vec<u8>, room: &Room) -> bool {
        let Some(&(id, handle)) = self.rare.as_ref().and_then(|rare| rare.resend.front()) else {
            return false;
        };
        let entry = self
            .session
            .in_flight
            .get(id)
            .filter(|entry| entry.handle == handle);
        match entry.map(|entry| &entry.state) {
            Some(State::Release) => {
                let pubrel = Packet::Pubrel(Ack::new(id));
                let size = pubrel.encoded_len(self.version);
                if !room.has(out, size) {
                    return false;
                }
                if size <= self.peer.maximum_packet_size as usize {
                    let start = out.len();
                    let _ = pubrel.encode(self.version, out);
                    if self.version == Version::V31 {
                        // DUP, which later versions took from this packet (3.1, section 2.1).
                        if let Some(first) = out.get_mut(start) {
                            *first |= 0x08;
                        }
                    }
                }
            }
            Some(State::Publish { message, since }) => {
                if self.send_quota() == 0 {
                    return false;
                }
                // Once sent it does not expire (MQTT-4.3.3-7 of 5.0); a peer that is told 0 would
                // be free to think so.
                let expiry = remaining(message, *since, now).unwrap_or(Some(1));
                let packet = self.packet(message, Some(id), true, expiry);
                let streamed = streamed_len(message);
                let measure = packet.measure(self.version).with_payload(streamed);
                if !room.has(out, measure.written_len()) {
                    return false;
                }
                let _ = packet.write_checked(self.version, &measure, out);
                self.sent += 1;
                self.session.in_flight.count(id);
                if streamed > 0 {
                    self.rare().resend.pop_front();
                    self.begin_payload(handle, Some(id), true, streamed);
                    return false;
                }
            }
            // Settled meanwhile.
            _ => {}
        }
        self.rare().resend.pop_front();
        true
    }

    /// Sends the message at the front of the queue. False: nothing more for now.
    fn send_queued(&mut self, now: Instant, out: &mut Vec<u8>, room: &Room) -> bool {
        self.drop_undeliverable(now);
        let Some(Queued { message, since, .. }) = self.session.queue.front() else {
            return false;
        };
        let packet_id = if message.qos() == QoS::AtMostOnce {
            None
        } else {
            if self.peer.receive_maximum <= self.sent {
                return false;
            }
            match self.session.in_flight.vacant() {
                None => return false,
                id => id,
            }
        };
        let expiry = remaining(message, *since, now).unwrap_or(None);
        let mut packet = self.packet(message, packet_id, false, expiry);
        let streamed = streamed_len(message);
        let (measure, chosen) = match streamed {
            0 => self.fit(&mut packet),
            _ => self.fit_streamed(&mut packet, streamed),
        };
        if !room.has(out, measure.written_len()) {
            return false;
        }
        if packet.write_checked(self.version, &measure, out).is_err() {
            // A message is valid by construction; one that could not be sent must not be tried
            // again and again.
            return self.drop_front(DropReason::PacketTooLarge);
        }
        let Some(queued) = self.session.queue.pop() else {
            return false;
        };
        if let Some(chosen) = chosen {
            let aliases = &mut self.rare().outbound_aliases;
            aliases.sent(queued.message.topic(), chosen);
        }
        let handle = queued.handle;
        match packet_id {
            Some(id) => self.put_in_flight(id, handle, queued.message, queued.since),
            None => self.session.record_of(QoS::AtMostOnce, || Change::Sent {
                handle: PublishHandle(handle),
                packet_id: None,
            }),
        }
        if streamed > 0 {
            self.begin_payload(handle, packet_id, false, streamed);
            return false;
        }
        true
    }

    /// Gives the packet an alias, unless it would not fit with one: it fits without.
    pub(super) fn fit(&self, packet: &mut Publish<'_>) -> (Measure, Option<Chosen>) {
        let topic = packet.topic;
        let chosen = self.choose_alias(topic);
        match chosen {
            Some(Chosen::Known(alias)) => {
                packet.topic = "";
                packet.topic_alias = Some(alias);
            }
            Some(Chosen::Set(alias)) => packet.topic_alias = Some(alias),
            None => {}
        }
        let measure = packet.measure(self.version);
        if chosen.is_none() || measure.packet_len() <= self.peer.maximum_packet_size as usize {
            return (measure, chosen);
        }
        packet.topic = topic;
        packet.topic_alias = None;
        (packet.measure(self.version), None)
    }

    /// The same for one whose payload goes out apart.
    #[cold]
    #[inline(never)]
    fn fit_streamed(&self, packet: &mut Publish<'_>, streamed: u32) -> (Measure, Option<Chosen>) {
        let topic = packet.topic;
        let (measure, chosen) = self.fit(packet);
        let measure = measure.with_payload(streamed);
        if chosen.is_none() || measure.packet_len() <= self.peer.maximum_packet_size as usize {
            return (measure, chosen);
        }
        packet.topic = topic;
        packet.topic_alias = None;
        (packet.measure(self.version).with_payload(streamed), None)
    }

    #[inline]
    pub(super) fn uses_aliases(&self) -> bool {
        self.peer.topic_alias_maximum > 0
            && (self.options.automatic_topic_aliases() > 0 || self.has_explicit_aliases())
    }

    fn has_explicit_aliases(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.outbound_aliases.has_explicit())
    }

    /// From now on messages to this topic go out with this alias, as long as the connection lives.
    pub(crate) fn set_topic_alias(&mut self, topic: &str, alias: u16) -> Result<(), RequestError> {
        self.require_connected()?;
        check_name(topic)?;
        let maximum = self.peer.topic_alias_maximum;
        if alias == 0 || alias > maximum {
            return Err(RequestError::TopicAlias { alias, maximum });
        }
        self.rare().outbound_aliases.bind(topic, alias);
        Ok(())
    }

    fn choose_alias(&self, topic: &str) -> Option<Chosen> {
        if !self.uses_aliases() {
            return None;
        }
        let maximum = self.peer.topic_alias_maximum;
        let automatic = self.options.automatic_topic_aliases();
        match &self.rare {
            Some(rare) => rare.outbound_aliases.choose(topic, automatic, maximum),
            None => Some(Chosen::Set(1)),
        }
    }

    /// The packet for a message; before 5.0 there is no place for what 5.0 adds, so a server that forwards
    /// to such a client leaves it out.
    fn packet<'m>(
        &self,
        message: &'m Message,
        packet_id: Option<PacketId>,
        dup: bool,
        expiry: Option<u32>,
    ) -> Publish<'m> {
        let packet = Publish {
            dup,
            qos: message.qos(),
            retain: message.retain(),
            packet_id,
            ..Publish::new(message.topic(), message.payload())
        };
        match self.version {
            Version::V31 | Version::V311 => packet,
            _ => Publish {
                message_expiry_interval: expiry,
                // A message with some may have come into a client's session past `publish`
                // (MQTT-3.3.4-6 of 5.0).
                subscription_identifiers: match self.role {
                    Role::Client => (&[][..]).into(),
                    Role::Server => message.subscription_identifiers().into(),
                },
                properties: message.properties(),
                ..packet
            },
        }
    }

    fn drop_front(&mut self, reason: DropReason) -> bool {
        let queued = self.session.queue.pop();
        let dropped = queued.is_some();
        if let Some(queued) = queued {
            self.session.drop_queued(queued, reason);
        }
        dropped
    }
}

/// What a PUBLISH can have besides what [`Message::sent_len`] counts and its Subscription Identifiers:
/// fixed header 5, length of the topic 2, Packet Identifier 2, length of the properties 4, Topic
/// Alias 3, Message Expiry Interval 5.
const MAXIMUM_OVERHEAD: usize = 21;

/// Bytes of the reply buffer that a connection keeps once it is empty: some acknowledgements. What
/// more a burst needed is given back.
const KEPT: usize = 256;

/// Bytes of a payload that goes out apart from its packet.
#[inline]
fn streamed_len(message: &Message) -> u32 {
    message.streamed_payload_len().unwrap_or(0)
}

/// How much may be appended.
struct Room {
    start: usize,
    limit: usize,
}

impl Room {
    /// The first packet always fits: a limit below its size must not stop the connection.
    fn has(&self, out: &[u8], size: usize) -> bool {
        let written = out.len() - self.start;
        written == 0 || written.saturating_add(size) <= self.limit
    }
}

struct Expired;

/// What is left of a message's lifetime (MQTT-3.3.2-5, MQTT-3.3.2-6 of 5.0). Whole seconds that
/// have passed are taken off, so that the value never says more than is left by a second or more.
fn remaining(message: &Message, since: Instant, now: Instant) -> Result<Option<u32>, Expired> {
    let Some(expiry) = message.message_expiry_interval() else {
        return Ok(None);
    };
    let waited = now.saturating_duration_since(since);
    // 0 asks for delivery at once or never.
    if !waited.is_zero() && waited.as_secs() >= u64::from(expiry) {
        return Err(Expired);
    }
    let waited = u32::try_from(waited.as_secs()).unwrap_or(u32::MAX);
    Ok(Some(expiry.saturating_sub(waited)))
}

/// The size of the packet at the front of bytes that we wrote.
fn packet_size(bytes: &[u8]) -> Option<usize> {
    let mut remaining = 0usize;
    for (index, &byte) in bytes.get(1..)?.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some(2 + index + remaining);
        }
    }
    None
}
