// The fifteen packets of the second decoder, in the order of the standard.

use super::*;

impl Body<'_> {
    pub(super) fn packet(&mut self, packet_type: u8, flags: u8) -> Option<Packet> {
        let packet = match packet_type {
            CONNECT => self.connect()?,
            CONNACK => self.connack()?,
            PUBLISH => self.publish(flags)?,
            PUBACK | PUBREC | PUBREL | PUBCOMP => self.ack(packet_type)?,
            SUBSCRIBE => self.subscribe()?,
            SUBACK | UNSUBACK => self.codes(packet_type)?,
            UNSUBSCRIBE => self.unsubscribe()?,
            PINGREQ | PINGRESP => Packet::Ping { packet_type },
            DISCONNECT => self.disconnect()?,
            _ => self.auth()?,
        };
        rule!(self.faults; self.rest.is_empty(); MALFORMED; "5: section 1.2: bytes behind the last field");
        Some(packet)
    }

    /// Section 3.1.
    fn connect(&mut self) -> Option<Packet> {
        // A name that cannot be read is no known name either.
        let name = self.binary().unwrap_or_default();
        let known = matches!(&name[..], b"MQTT" | b"MQIsdp");
        rule!(self.faults; known; VERSION; "5, 3: MQTT-3.1.2-1: name");
        let level = self.byte()?;
        let version = match (&name[..], level) {
            (b"MQTT", 5) => V5,
            (b"MQTT", 4) => V311,
            (b"MQIsdp", 3) if self.rules.accept_v31 => V31,
            _ => {
                let rule = "5, 3: MQTT-3.1.2-2: level of the name";
                rule!(self.faults; false; VERSION; rule);
                return None;
            }
        };
        // From here on the packet's own version holds.
        self.rules.version = version;
        rule!(self.faults; !(self.overlong && version == V5); MALFORMED; OVERLONG);

        let flags = self.byte()?;
        // 1: section 3.1: not used, and disregarded without a will.
        let disregarded = version == V31;
        rule!(self.faults; flags & 1 == 0 || disregarded; MALFORMED; "5, 3: MQTT-3.1.2-3: reserved flag");
        let clean_start = flags & 0x02 != 0;
        let has_will = flags & 0x04 != 0;
        let will_qos = flags >> 3 & 3;
        let will_retain = flags & 0x20 != 0;
        let has_password = flags & 0x40 != 0;
        let has_user_name = flags & 0x80 != 0;
        rule!(self.faults; has_will || will_qos == 0 || disregarded; EITHER; "5: MQTT-3.1.2-11, 3: MQTT-3.1.2-13: Will QoS without a will");
        rule!(self.faults; has_will || !will_retain || disregarded; EITHER; "5: MQTT-3.1.2-13, 3: MQTT-3.1.2-15: Will Retain without a will");
        rule!(self.faults; will_qos != 3 || !has_will && disregarded; MALFORMED; "5: MQTT-3.1.2-12, 3: MQTT-3.1.2-14, 1: section 3.1: Will QoS 3");
        rule!(self.faults; version == V5 || has_user_name || !has_password; MALFORMED; "3: MQTT-3.1.2-22, 1: section 3.1: password without user name");
        let keep_alive = self.two()?;
        let properties = self.properties(CONNECT)?;

        // 5, 3: MQTT-3.1.3-1: this order.
        let client_id = self.text()?;
        let mut will = None;
        if has_will {
            let properties = self.properties(WILL)?;
            let topic = self.text()?;
            self.check_topic_name(&topic);
            let payload = self.binary()?;
            will = Some(Will {
                qos: will_qos,
                retain: will_retain,
                properties,
                topic,
                payload,
            });
        }
        // 1: section 3.1: Remaining Length has precedence over these two flags.
        let mut user_name = None;
        if has_user_name && !(version == V31 && self.rest.is_empty()) {
            user_name = Some(self.text()?);
        }
        let mut password = None;
        if has_password && !(version == V31 && self.rest.is_empty()) {
            password = Some(self.binary()?);
        }
        Some(Packet::Connect {
            version,
            clean_start,
            keep_alive,
            properties,
            client_id,
            will,
            user_name,
            password,
        })
    }

    /// Section 3.2.
    fn connack(&mut self) -> Option<Packet> {
        let flags = self.byte()?;
        // 1: section 3.2: reserved, not used.
        let flags = if self.rules.version == V31 { 0 } else { flags };
        rule!(self.faults; flags <= 1; MALFORMED; "5: MQTT-3.2.2-1, 3: section 3.2.2.1: bits 7 to 1 are 0");
        let session_present = flags & 1 != 0;
        let reason = self.reason(CONNACK)?;
        rule!(self.faults; !session_present || reason == 0; EITHER; "5: MQTT-3.2.2-6, 3: MQTT-3.2.2-4: Session Present and refused");
        let properties = self.properties(CONNACK)?;
        Some(Packet::Connack {
            session_present,
            reason,
            properties,
        })
    }

    /// Section 3.3.
    fn publish(&mut self, flags: u8) -> Option<Packet> {
        let qos = flags >> 1 & 3;
        let topic = self.text()?;
        let mut packet_id = None;
        if qos > 0 {
            packet_id = Some(self.packet_id()?);
        }
        let properties = self.properties(PUBLISH)?;
        if topic.is_empty() && self.rules.version == V5 {
            rule!(self.faults; properties.contains_key(&0x23); PROTOCOL_ERROR; "5: section 3.3.2.1: neither topic nor alias");
        } else {
            self.check_topic_name(&topic);
        }
        let payload = self.take(self.rest.len())?.to_vec();
        Some(Packet::Publish {
            dup: flags & 8 != 0,
            qos,
            retain: flags & 1 != 0,
            topic,
            packet_id,
            properties,
            payload,
        })
    }

    /// Sections 3.4 to 3.7.
    fn ack(&mut self, packet_type: u8) -> Option<Packet> {
        let packet_id = self.packet_id()?;
        let (mut reason, mut properties) = (0, Properties::new());
        // 5: section 3.4.2.1: Remaining Length 2 stands for 0x00; 3.4.2.2.1: below 4 there is no Property Length.
        if self.rules.version == V5 && !self.rest.is_empty() {
            reason = self.reason(packet_type)?;
            if !self.rest.is_empty() {
                properties = self.properties(packet_type)?;
            }
        }
        Some(Packet::Ack {
            packet_type,
            packet_id,
            reason,
            properties,
        })
    }

    /// Section 3.8.
    fn subscribe(&mut self) -> Option<Packet> {
        let packet_id = self.packet_id()?;
        let properties = self.properties(SUBSCRIBE)?;
        rule!(self.faults; !self.rest.is_empty(); PROTOCOL_ERROR; "5: MQTT-3.8.3-2, 3: MQTT-3.8.3-3: at least one filter");
        let mut subscriptions = Vec::new();
        while !self.rest.is_empty() {
            let filter = self.topic_filter()?;
            let options = self.byte()?;
            let qos = options & 3;
            let no_local = options & 0x04 != 0;
            let retain_as_published = options & 0x08 != 0;
            let retain_handling = options >> 4 & 3;
            rule!(self.faults; qos != 3; PROTOCOL_ERROR; "5: section 3.8.3.1, 3: MQTT-3.8.3-4: QoS 3");
            if self.rules.version == V5 {
                rule!(self.faults; options & 0xC0 == 0; MALFORMED; "5: MQTT-3.8.3-5: reserved bits");
                rule!(self.faults; retain_handling != 3; PROTOCOL_ERROR; "5: section 3.8.3.1: Retain Handling 3");
                rule!(self.faults; !(no_local && filter.starts_with("$share/")); PROTOCOL_ERROR; "5: MQTT-3.8.3-4: No Local of a Shared Subscription");
            } else {
                rule!(self.faults; options & 0xFC == 0; MALFORMED; "3: MQTT-3.8.3-4: reserved bits");
            }
            subscriptions.push(Subscription {
                filter,
                qos,
                no_local,
                retain_as_published,
                retain_handling,
            });
        }
        Some(Packet::Subscribe {
            packet_id,
            properties,
            subscriptions,
        })
    }

    /// Sections 3.9 and 3.11.
    fn codes(&mut self, packet_type: u8) -> Option<Packet> {
        let packet_id = self.packet_id()?;
        let properties = self.properties(packet_type)?;
        let mut reasons = Vec::new();
        // 3: section 3.11.3: UNSUBACK has no payload.
        if self.rules.version == V5 || packet_type == SUBACK {
            rule!(self.faults; !self.rest.is_empty(); EITHER; "5: MQTT-3.8.4-6, MQTT-3.11.3-2, 3: MQTT-3.8.4-5: a code for each filter");
            while !self.rest.is_empty() {
                reasons.push(self.reason(packet_type)?);
            }
        }
        Some(Packet::Codes {
            packet_type,
            packet_id,
            properties,
            reasons,
        })
    }

    /// Section 3.10.
    fn unsubscribe(&mut self) -> Option<Packet> {
        let packet_id = self.packet_id()?;
        let properties = self.properties(UNSUBSCRIBE)?;
        rule!(self.faults; !self.rest.is_empty(); PROTOCOL_ERROR; "5, 3: MQTT-3.10.3-2: at least one filter");
        let mut filters = Vec::new();
        while !self.rest.is_empty() {
            filters.push(self.topic_filter()?);
        }
        Some(Packet::Unsubscribe {
            packet_id,
            properties,
            filters,
        })
    }

    /// Section 3.14.
    fn disconnect(&mut self) -> Option<Packet> {
        let (mut reason, mut properties) = (0, Properties::new());
        // 5: section 3.14.2.1: Remaining Length 0 stands for 0x00; 3.14.2.2.1: below 2 there is no Property Length.
        if self.rules.version == V5 && !self.rest.is_empty() {
            reason = self.reason(DISCONNECT)?;
            if !self.rest.is_empty() {
                properties = self.properties(DISCONNECT)?;
            }
        }
        Some(Packet::Disconnect { reason, properties })
    }

    /// 5: section 3.15.
    fn auth(&mut self) -> Option<Packet> {
        let (mut reason, mut properties) = (0, Properties::new());
        // 5: section 3.15.2.1: Remaining Length 0 stands for 0x00. Who may send that, and that there is no method then,
        // is left to the connection, which knows whether there can be an AUTH at all.
        if !self.rest.is_empty() {
            reason = self.reason(AUTH)?;
            if !self.rest.is_empty() {
                properties = self.properties(AUTH)?;
            }
        }
        Some(Packet::Auth { reason, properties })
    }
}
