//! What goes to a client.

use sansio_mqtt::{
    Ack, Connack, Instant, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode,
    Suback, SubscriptionIdentifiers, Unsuback, Version,
};

use super::{Connection, DOLLAR, Fault, Faults, HOLD};

impl Faults {
    pub(super) fn client_gets(
        &self,
        connection: &mut Connection,
        now: Instant,
        packet: Packet<'_>,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) {
        let is_done = match packet {
            Packet::Connack(connack) => self.change_connack(connection, connack, out),
            Packet::Publish(publish) => self.change_publish(connection, now, publish, out),
            Packet::Suback(suback) => self.change_suback(connection, suback, out),
            Packet::Unsuback(unsuback) => self.change_unsuback(connection, unsuback, out),
            Packet::Puback(ack) => self.change_puback(connection, ack, out),
            Packet::Pubrec(_) => self.has(Fault::PubrecLost),
            Packet::Pubrel(ack) => self.change_pubrel(connection, ack, out),
            Packet::Pubcomp(_) => self.has(Fault::PubcompLost),
            Packet::Pingresp => self.has(Fault::PingrespLost),
            _ => false,
        };
        if !is_done {
            out.extend_from_slice(raw);
        }
    }

    fn change_connack(
        &self,
        connection: &Connection,
        connack: Connack<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut connack = connack;
        let version = connection.version.unwrap_or(Version::V5);
        if self.has(Fault::ConnackCode) && connack.reason == ReasonCode::ClientIdentifierNotValid {
            connack.reason = ReasonCode::BadUserNameOrPassword;
        }
        if self.has(Fault::SessionPresentLost) {
            connack.session_present = false;
        }
        if self.has(Fault::SessionPresentMadeUp) && !connack.reason.is_error() {
            connack.session_present |= connection.is_returning;
        }
        let properties: Vec<_> = connack
            .properties
            .iter()
            .filter(|property| match property {
                Property::AssignedClientIdentifier(_) => !self.has(Fault::AssignedIdMissing),
                _ => true,
            })
            .collect();
        connack.properties = Properties::from(&properties[..]);
        connack.encode(version, out).is_ok()
    }

    fn change_publish(
        &self,
        connection: &mut Connection,
        now: Instant,
        publish: Publish<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut publish = publish;
        if publish.dup && self.has(Fault::NotResent) {
            return true;
        }
        let topic = publish.topic.replace(DOLLAR, "$");
        publish.topic = &topic;
        if publish.qos != QoS::AtMostOnce {
            publish.dup |= self.has(Fault::DupAlways);
            publish.dup &= !self.has(Fault::DupNever);
        }
        publish.retain |= self.has(Fault::RetainLive);
        publish.retain &= !self.has(Fault::RetainMissing);
        if let Some(packet_id) = publish.packet_id
            && self.has(Fault::PacketIdTwice)
        {
            if !connection.ids.contains(&packet_id) {
                connection.ids.push_back(packet_id);
            }
            publish.packet_id = PacketId::new(1);
        }
        if self.has(Fault::IdentifierMissing) {
            publish.subscription_identifiers = SubscriptionIdentifiers::EMPTY;
        }
        if let Some(left) = &mut publish.message_expiry_interval
            && self.has(Fault::ExpiryNotCounted)
        {
            let key = (topic.clone(), publish.payload.to_vec());
            *left = self.lifetimes.get(&key).copied().unwrap_or(*left);
        }
        let (mut user, mut properties): (Vec<_>, Vec<_>) = publish
            .properties
            .iter()
            .filter(|property| match property {
                Property::UserProperty(..) => !self.has(Fault::UserPropertiesDropped),
                Property::CorrelationData(_) => !self.has(Fault::CorrelationDropped),
                _ => true,
            })
            .partition(|property| matches!(property, Property::UserProperty(..)));
        if self.has(Fault::UserPropertiesMoved) && !user.is_empty() {
            user.rotate_left(1);
        }
        properties.append(&mut user);
        publish.properties = Properties::from(&properties[..]);

        let version = connection.version.unwrap_or(Version::V5);
        let mut bytes = Vec::new();
        if publish.encode(version, &mut bytes).is_err() {
            return false;
        }
        if self.has(Fault::OrderSwapped) {
            let Some((_, held)) = connection.held.take() else {
                connection.held = Some((now + HOLD, bytes));
                return true;
            };
            bytes.extend_from_slice(&held);
        }
        out.append(&mut bytes);
        true
    }

    fn change_suback(
        &self,
        connection: &mut Connection,
        suback: Suback<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut suback = suback;
        let asked = connection.asked.remove(&suback.packet_id);
        if !self.has(Fault::QosNotLowered) {
            return false;
        }
        let asked = asked.unwrap_or_default();
        let codes: Vec<_> = suback
            .reason_codes
            .iter()
            .zip(asked)
            .map(|(code, asked)| match code.is_error() {
                true => code,
                false => ReasonCode::granted(asked),
            })
            .collect();
        suback.reason_codes = (&codes[..]).into();
        let version = connection.version.unwrap_or(Version::V5);
        suback.encode(version, out).is_ok()
    }

    fn change_unsuback(
        &self,
        connection: &mut Connection,
        unsuback: Unsuback<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let ended = connection.ended.remove(&unsuback.packet_id);
        let version = connection.version.unwrap_or(Version::V5);
        if !self.has(Fault::UnsubscribeIgnored) || version != Version::V5 {
            return false;
        }
        let code = |is_ended| match is_ended {
            true => ReasonCode::Success,
            false => ReasonCode::NoSubscriptionExisted,
        };
        let codes: Vec<_> = ended.unwrap_or_default().into_iter().map(code).collect();
        let mut unsuback = unsuback;
        unsuback.reason_codes = (&codes[..]).into();
        unsuback.encode(version, out).is_ok()
    }

    fn change_puback(&self, connection: &Connection, mut ack: Ack<'_>, out: &mut Vec<u8>) -> bool {
        let version = connection.version.unwrap_or(Version::V5);
        if self.has(Fault::PubackId) {
            let next = PacketId::new(ack.packet_id.get().wrapping_add(1));
            ack.packet_id = next.unwrap_or(ack.packet_id);
        }
        if self.has(Fault::PubackCode) && version == Version::V5 && !ack.reason.is_error() {
            ack.reason = ReasonCode::NoMatchingSubscribers;
        }
        self.has(Fault::PubackLost) || Packet::Puback(ack).encode(version, out).is_ok()
    }

    fn change_pubrel(&self, connection: &Connection, mut ack: Ack<'_>, out: &mut Vec<u8>) -> bool {
        if self.has(Fault::PacketIdTwice) {
            ack.packet_id = PacketId::new(1).unwrap_or(ack.packet_id);
        }
        let version = connection.version.unwrap_or(Version::V5);
        self.has(Fault::PubrelLost) || Packet::Pubrel(ack).encode(version, out).is_ok()
    }
}
