//! Messages from the application: what is wrong with one is found here, at once.

use alloc::vec::Vec;

use super::{Core, Phase};
use crate::message::Message;
use crate::packet::{Measure, Publish};
use crate::property::Properties;
use crate::session::{Change, Entry, PublishError, PublishErrorReason, PublishHandle, State};
use crate::time::Instant;
use crate::types::{PacketId, QoS, Role, Version};
use crate::wire::EncodeError;

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

    /// [`publish`](Self::publish) and [`poll_transmit`](Self::poll_transmit) in one. A message whose turn it
    /// is becomes bytes where it lies.
    pub(crate) fn publish_into(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        out: &mut Vec<u8>,
    ) -> Result<PublishHandle, PublishErrorReason> {
        let mut packet = Publish {
            dup: false,
            // Any identifier, for the size.
            packet_id: match publish.qos {
                QoS::AtMostOnce => None,
                _ => PacketId::new(1),
            },
            topic_alias: None,
            ..*publish
        };
        let mut measure = self.check_publish(&mut packet)?;
        if self.has_to_transmit() {
            self.transmit(now, out, usize::MAX);
        }
        let is_next = self.phase == Phase::Connected && !self.has_to_transmit();
        if packet.qos == QoS::AtMostOnce {
            if is_next {
                self.write_now(now, &mut packet, &mut measure, out)?;
                return Ok(PublishHandle(self.session.next_handle()));
            }
        } else if is_next && self.send_quota() > 0 {
            let message = Message::from_checked(publish)?;
            if !self.session.has_room(&message, &self.options) {
                return Err(PublishErrorReason::QueueFull);
            }
            packet.packet_id = self.session.in_flight.vacant();
            if let Some(id) = packet.packet_id {
                self.write_now(now, &mut packet, &mut measure, out)?;
                let handle = self.session.next_handle();
                self.session.record(|| Change::Queued {
                    handle: PublishHandle(handle),
                    message: message.clone(),
                    since: now,
                });
                self.put_in_flight(id, handle, message, now);
                return Ok(PublishHandle(handle));
            }
        }
        let message = Message::from_checked(publish)?;
        let queued = self.session.enqueue(now, message, &self.options);
        queued.map_err(|error| error.reason)
    }

    /// As [`check_message`](Self::check_message), and whether it can be encoded at all.
    #[inline]
    fn check_publish(&self, packet: &mut Publish<'_>) -> Result<Measure, PublishErrorReason> {
        self.check_open()?;
        // What a client of an earlier version does not get is kept with the message.
        packet.check(Version::V5)?;
        if !packet.is_plain() {
            self.check_properties(packet)?;
        }
        if self.role == Role::Client {
            self.check_features(packet.qos, packet.retain)?;
        }
        let measure = packet.measure(self.version);
        let (size, maximum) = (measure.packet_len(), self.peer.maximum_packet_size);
        if size > maximum as usize {
            return Err(PublishErrorReason::TooLarge { size, maximum });
        }
        Ok(measure)
    }

    #[inline(never)]
    fn check_properties(&self, packet: &mut Publish<'_>) -> Result<(), PublishErrorReason> {
        match (self.role, self.version) {
            (Role::Client, _) if !packet.subscription_identifiers.is_empty() => {
                Err(PublishErrorReason::SubscriptionIdentifiers)
            }
            (_, Version::V5) => Ok(()),
            (Role::Client, _) => Err(PublishErrorReason::NeedsV5),
            (Role::Server, _) => {
                packet.message_expiry_interval = None;
                packet.subscription_identifiers = (&[][..]).into();
                packet.properties = Properties::new();
                Ok(())
            }
        }
    }

    #[inline]
    fn write_now(
        &mut self,
        now: Instant,
        packet: &mut Publish<'_>,
        measure: &mut Measure,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        if self.uses_aliases() {
            let topic = packet.topic;
            let chosen;
            (*measure, chosen) = self.fit(packet);
            packet.write_checked(self.version, measure, out)?;
            if let Some(chosen) = chosen {
                self.rare().outbound_aliases.sent(topic, chosen);
            }
        } else {
            packet.write_checked(self.version, measure, out)?;
        }
        self.trace_sent(out.get(start..));
        self.restart_ping(now);
        Ok(())
    }

    /// A message has gone out for the first time.
    pub(super) fn put_in_flight(
        &mut self,
        id: PacketId,
        handle: u64,
        message: Message,
        since: Instant,
    ) {
        self.sent += 1;
        self.session.record(|| Change::Sent {
            handle: PublishHandle(handle),
            packet_id: Some(id),
        });
        self.session.in_flight.insert(Entry {
            id,
            counted: true,
            reported: false,
            handle,
            state: State::Publish { message, since },
        });
    }

    fn check_open(&self) -> Result<(), PublishErrorReason> {
        match (self.role, self.phase) {
            (_, Phase::Connected) | (Role::Client, Phase::Connecting) => Ok(()),
            _ => Err(PublishErrorReason::NotOpen),
        }
    }

    /// What CONNACK said binds the client (MQTT-3.2.2-11, MQTT-3.2.2-14 of 5.0).
    pub(super) fn check_features(&self, qos: QoS, retain: bool) -> Result<(), PublishErrorReason> {
        let features = &self.peer.features;
        if qos > features.maximum_qos {
            Err(PublishErrorReason::QosNotSupported)
        } else if retain && !features.retain {
            Err(PublishErrorReason::RetainNotSupported)
        } else {
            Ok(())
        }
    }

    fn check_message(&self, message: &Message) -> Result<(), PublishErrorReason> {
        self.check_open()?;
        if self.role == Role::Client {
            if !message.subscription_identifiers().is_empty() {
                return Err(PublishErrorReason::SubscriptionIdentifiers);
            }
            if self.version != Version::V5
                && (!message.properties().is_empty() || message.message_expiry_interval().is_some())
            {
                return Err(PublishErrorReason::NeedsV5);
            }
            self.check_features(message.qos(), message.retain())?;
        }
        if self.is_too_large(message) {
            let (size, maximum) = (self.size(message), self.peer.maximum_packet_size);
            return Err(PublishErrorReason::TooLarge { size, maximum });
        }
        Ok(())
    }
}
