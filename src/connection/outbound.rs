//! What goes to the peer: replies, then what a resumed session sends again, then the queue.
//!
//! The bytes of a message are made here and nowhere else, at the moment they leave: Packet
//! Identifier, DUP, alias and what is left of its lifetime are known only now.

use alloc::vec::Vec;

use super::aliases::Chosen;
use super::{Asked, Core, DropReason, Dropped, Phase};
use crate::message::Message;
use crate::packet::{Ack, Packet, Publish};
use crate::session::{Entry, PublishError, PublishErrorReason, PublishHandle, Queued, State};
use crate::time::Instant;
use crate::types::{PacketId, QoS, Role, Version};

impl Core {
    pub(crate) fn publish(
        &mut self,
        now: Instant,
        message: Message,
    ) -> Result<PublishHandle, PublishError> {
        let reason = match self.check_message(&message) {
            Ok(()) => return self.session.enqueue(now, message, &self.options),
            Err(reason) => reason,
        };
        Err(PublishError { message, reason })
    }

    fn check_message(&self, message: &Message) -> Result<(), PublishErrorReason> {
        match (self.role, self.phase) {
            (_, Phase::Connected) | (Role::Client, Phase::Connecting) => {}
            _ => return Err(PublishErrorReason::NotOpen),
        }
        if self.role == Role::Client {
            if !message.subscription_identifiers().is_empty() {
                return Err(PublishErrorReason::SubscriptionIdentifiers);
            }
            if self.version == Version::V311
                && (!message.properties().is_empty() || message.message_expiry_interval().is_some())
            {
                return Err(PublishErrorReason::NeedsV5);
            }
        }
        self.check_features(message)?;
        // What was dropped and not yet reported counts, or a caller that never receives would pile
        // it up.
        let dropped = self.rare.as_ref().map_or(0, |rare| rare.dropped.len());
        if dropped >= self.options.maximum_queued_messages() as usize {
            return Err(PublishErrorReason::QueueFull);
        }
        let maximum = self.peer.maximum_packet_size;
        let identifiers = message.subscription_identifiers().len();
        if message.size() + 5 * identifiers + MAXIMUM_OVERHEAD <= maximum as usize {
            return Ok(());
        }
        // Any identifier: it takes two bytes.
        let packet_id = PacketId::new(1).filter(|_| message.qos() != QoS::AtMostOnce);
        let expiry = message.message_expiry_interval();
        let packet = self.packet(message, packet_id, false, expiry);
        let size = packet.encoded_len(self.version);
        if size > maximum as usize {
            return Err(PublishErrorReason::TooLarge { size, maximum });
        }
        Ok(())
    }

    /// What CONNACK said binds the client for every message, also one of an earlier connection
    /// (MQTT-3.2.2-11, MQTT-3.2.2-14 of 5.0).
    fn check_features(&self, message: &Message) -> Result<(), PublishErrorReason> {
        let features = &self.peer.features;
        if self.role == Role::Server {
            return Ok(());
        }
        if message.qos() > features.maximum_qos {
            return Err(PublishErrorReason::QosNotSupported);
        }
        if message.retain() && !features.retain {
            return Err(PublishErrorReason::RetainNotSupported);
        }
        Ok(())
    }

    pub(crate) fn send_quota(&self) -> u16 {
        match self.phase {
            Phase::Connected => self.peer.receive_maximum.saturating_sub(self.sent),
            _ => 0,
        }
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>, limit: usize) -> usize {
        let start = out.len();
        let mut room = Room { start, limit };
        if self.drain_control(out, &mut room) && self.phase == Phase::Connected {
            while self.send_again(now, out, &room) {}
            if self.nothing_to_resend() {
                while self.send_queued(now, out, &room) {}
            }
        }
        let written = out.len() - start;
        if written > 0 {
            if self.asked == Asked::Unsent {
                self.asked = Asked::Unanswered;
            }
            self.restart_ping(now);
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
                    let _ = pubrel.encode(self.version, out);
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
                let measure = packet.measure(self.version);
                let size = measure.packet_len();
                let refused = if self.check_features(message).is_err() {
                    Some(DropReason::NotSupported)
                } else if size > self.peer.maximum_packet_size as usize {
                    // The new connection has a smaller limit: treated as delivered
                    // (MQTT-3.1.2-25 of 5.0).
                    Some(DropReason::PacketTooLarge)
                } else {
                    None
                };
                if let Some(reason) = refused {
                    if let Some(entry) = self.session.in_flight.remove(id) {
                        self.drop_message(entry.handle, entry.state, reason);
                    }
                } else if !room.has(out, size) {
                    return false;
                } else {
                    let _ = packet.write(self.version, &measure, out);
                    self.sent += 1;
                    if let Some(entry) = self.session.in_flight.get_mut(id) {
                        entry.counted = true;
                    }
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
        let Some(Queued { message, since, .. }) = self.session.queue.front() else {
            return false;
        };
        let expiry = remaining(message, *since, now);
        let refused = match expiry {
            Err(Expired) => Some(DropReason::Expired),
            Ok(_) if self.check_features(message).is_err() => Some(DropReason::NotSupported),
            Ok(_) => None,
        };
        if let Some(reason) = refused {
            return self.drop_front(reason);
        }
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
        // Borrowed anew: finding a vacant identifier may have moved the table.
        let Some(Queued { message, .. }) = self.session.queue.front() else {
            return false;
        };
        let chosen = self.choose_alias(message);
        let mut packet = self.packet(message, packet_id, false, expiry.unwrap_or(None));
        match chosen {
            Some(Chosen::Known(alias)) => {
                packet.topic = "";
                packet.topic_alias = Some(alias);
            }
            Some(Chosen::Set(alias)) => packet.topic_alias = Some(alias),
            None => {}
        }
        let mut chosen = chosen;
        let maximum = self.peer.maximum_packet_size as usize;
        let mut measure = packet.measure(self.version);
        if measure.packet_len() > maximum && matches!(chosen, Some(Chosen::Set(_))) {
            packet.topic_alias = None;
            chosen = None;
            measure = packet.measure(self.version);
        }
        let size = measure.packet_len();
        if size > maximum {
            return self.drop_front(DropReason::PacketTooLarge);
        }
        if !room.has(out, size) {
            return false;
        }
        if packet.write(self.version, &measure, out).is_err() {
            // A message is valid by construction; one that could not be sent must not be sent
            // again and again.
            return self.drop_front(DropReason::PacketTooLarge);
        }
        let Some(Queued {
            handle,
            message,
            since,
        }) = self.session.queue.pop()
        else {
            return false;
        };
        if let Some(chosen) = chosen {
            self.rare().outbound_aliases.sent(message.topic(), chosen);
        }
        if let Some(id) = packet_id {
            self.sent += 1;
            let state = State::Publish { message, since };
            self.session.in_flight.insert(Entry {
                id,
                counted: true,
                handle,
                state,
            });
        }
        true
    }

    fn choose_alias(&self, message: &Message) -> Option<Chosen> {
        let maximum = self
            .options
            .automatic_topic_aliases()
            .min(self.peer.topic_alias_maximum);
        if maximum == 0 {
            return None;
        }
        match &self.rare {
            Some(rare) => rare.outbound_aliases.choose(message.topic(), maximum),
            None => Some(Chosen::Set(1)),
        }
    }

    /// The packet for a message; 3.1.1 has no place for what 5.0 adds, so a server that forwards
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
            Version::V311 => packet,
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
        match self.session.queue.pop() {
            Some(Queued {
                handle,
                message,
                since,
            }) => {
                self.drop_message(handle, State::Publish { message, since }, reason);
                true
            }
            None => false,
        }
    }

    fn drop_message(&mut self, handle: u64, state: State, reason: DropReason) {
        let message = match state {
            State::Publish { message, .. } => Some(message),
            _ => None,
        };
        let handle = PublishHandle(handle);
        self.rare().dropped.push_back(Dropped {
            handle,
            message,
            reason,
        });
    }
}

/// What a PUBLISH can have besides what [`Message::size`] counts and its Subscription Identifiers:
/// fixed header 5, length of the topic 2, Packet Identifier 2, length of the properties 4, Topic
/// Alias 3, Message Expiry Interval 5.
const MAXIMUM_OVERHEAD: usize = 21;

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
