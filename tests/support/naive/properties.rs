// Properties and reason codes of the second decoder.

use super::*;

#[derive(Copy, Clone)]
enum Type {
    Byte,
    Two,
    Four,
    Variable,
    Text,
    Binary,
    Pair,
}

const EVERYWHERE: &[u8] = &[
    CONNECT,
    CONNACK,
    PUBLISH,
    WILL,
    PUBACK,
    PUBREC,
    PUBREL,
    PUBCOMP,
    SUBSCRIBE,
    SUBACK,
    UNSUBSCRIBE,
    UNSUBACK,
    DISCONNECT,
    AUTH,
];
const REASON_STRING: &[u8] = &[
    CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH,
];

/// 5: table 2-4: type, and where it may stand.
fn property(id: u8) -> Option<(Type, &'static [u8])> {
    Some(match id {
        0x01 => (Type::Byte, &[PUBLISH, WILL]),
        0x02 => (Type::Four, &[PUBLISH, WILL]),
        0x03 => (Type::Text, &[PUBLISH, WILL]),
        0x08 => (Type::Text, &[PUBLISH, WILL]),
        0x09 => (Type::Binary, &[PUBLISH, WILL]),
        0x0B => (Type::Variable, &[PUBLISH, SUBSCRIBE]),
        0x11 => (Type::Four, &[CONNECT, CONNACK, DISCONNECT]),
        0x12 => (Type::Text, &[CONNACK]),
        0x13 => (Type::Two, &[CONNACK]),
        0x15 => (Type::Text, &[CONNECT, CONNACK, AUTH]),
        0x16 => (Type::Binary, &[CONNECT, CONNACK, AUTH]),
        0x17 => (Type::Byte, &[CONNECT]),
        0x18 => (Type::Four, &[WILL]),
        0x19 => (Type::Byte, &[CONNECT]),
        0x1A => (Type::Text, &[CONNACK]),
        0x1C => (Type::Text, &[CONNACK, DISCONNECT]),
        0x1F => (Type::Text, REASON_STRING),
        0x21 => (Type::Two, &[CONNECT, CONNACK]),
        0x22 => (Type::Two, &[CONNECT, CONNACK]),
        0x23 => (Type::Two, &[PUBLISH]),
        0x24 => (Type::Byte, &[CONNACK]),
        0x25 => (Type::Byte, &[CONNACK]),
        0x26 => (Type::Pair, EVERYWHERE),
        0x27 => (Type::Four, &[CONNECT, CONNACK]),
        0x28 => (Type::Byte, &[CONNACK]),
        0x29 => (Type::Byte, &[CONNACK]),
        0x2A => (Type::Byte, &[CONNACK]),
        _ => return None,
    })
}

impl Body<'_> {
    /// 5: section 2.2.2. `place`: the packet type, or `WILL`. No properties before 5.0.
    pub(super) fn properties(&mut self, place: u8) -> Option<Properties> {
        if self.rules.version != V5 {
            return Some(Properties::new());
        }
        let length = self.variable()? as usize;
        let mut block = Body {
            rules: self.rules,
            overlong: false,
            rest: self.take(length)?,
            faults: Vec::new(),
        };
        let properties = block.property_block(place);
        self.faults.append(&mut block.faults);
        // Behind the block all is well, whatever is in it.
        Some(properties.unwrap_or_default())
    }

    fn property_block(&mut self, place: u8) -> Option<Properties> {
        let mut properties = Properties::new();
        while !self.rest.is_empty() {
            let id = self.variable()?;
            // All identifiers of the table are below 128.
            let id = u8::try_from(id).unwrap_or(u8::MAX);
            let Some((value_type, places)) = property(id) else {
                rule!(self.faults; false; MALFORMED; "5: section 2.2.2.2: unknown property");
                return None;
            };
            rule!(self.faults; places.contains(&place); MALFORMED; "5: section 2.2.2.2: not in this packet");
            self.check_sender(place, id);
            let may_repeat = id == 0x26 || id == 0x0B && place == PUBLISH;
            rule!(self.faults; may_repeat || !properties.contains_key(&id); PROTOCOL_ERROR; "5: section 3.x.2: property included more than once");
            let value = match value_type {
                Type::Byte => Value::Byte(self.byte()?),
                Type::Two => Value::Two(self.two()?),
                Type::Four => Value::Four(self.four()?),
                Type::Variable => Value::Variable(self.variable()?),
                Type::Text => Value::Text(self.text()?),
                Type::Binary => Value::Binary(self.binary()?),
                Type::Pair => Value::Pair(self.text()?, self.text()?),
            };
            self.check_value(id, &value);
            properties.entry(id).or_default().push(value);
        }
        let has = |id| properties.contains_key(&id);
        rule!(self.faults; place == AUTH || !has(0x16) || has(0x15); PROTOCOL_ERROR; "5: section 3.1.2.11.10, 3.2.2.3.18: Authentication Data without Method");
        rule!(self.faults; place != AUTH || has(0x15); PROTOCOL_ERROR; "5: section 3.15.2.2.2: Authentication Method is not there");
        Some(properties)
    }

    fn check_value(&mut self, id: u8, value: &Value) {
        match (id, value) {
            (0x01, Value::Byte(flag)) => {
                rule!(self.faults; *flag <= 1; EITHER; "5: section 3.3.2.3.2: 0 or 1");
            }
            (_, Value::Byte(flag)) => {
                rule!(self.faults; *flag <= 1; PROTOCOL_ERROR; "5: section 3.1.2.11.6, .7, 3.2.2.3.4, .5, .11 to .13: 0 or 1");
            }
            (0x0B, Value::Variable(identifier)) => {
                rule!(self.faults; *identifier != 0; PROTOCOL_ERROR; "5: section 3.3.2.3.8, 3.8.2.1.2: not zero");
            }
            (0x21, Value::Two(maximum)) => {
                rule!(self.faults; *maximum != 0; PROTOCOL_ERROR; "5: section 3.1.2.11.3, 3.2.2.3.3: not zero");
            }
            (0x27, Value::Four(maximum)) => {
                rule!(self.faults; *maximum != 0; PROTOCOL_ERROR; "5: section 3.1.2.11.4, 3.2.2.3.6: not zero");
            }
            (0x23, Value::Two(alias)) => {
                rule!(self.faults; *alias != 0; ALIAS; "5: MQTT-3.3.2-8: not zero");
            }
            (0x08, Value::Text(name)) => {
                rule!(self.faults; !name.contains(['+', '#']); NAME; "5: MQTT-3.3.2-14: wildcard in the Response Topic");
            }
            _ => {}
        }
    }

    fn check_sender(&mut self, place: u8, id: u8) {
        let sender = self.rules.sender;
        match (place, id) {
            (PUBLISH, 0x0B) => {
                rule!(self.faults; sender != Sender::Client; EITHER; "5: MQTT-3.3.4-6: Subscription Identifier from a client");
            }
            (DISCONNECT, 0x11) => {
                rule!(self.faults; sender != Sender::Server; EITHER; "5: MQTT-3.14.2-2: Session Expiry Interval from a server");
            }
            _ => {}
        }
    }
}

// --- reason codes ----------------------------------------------------------------------------------------------------

/// 5: tables 2-6, 3-1, 3-4 to 3-11. 3: section 3.2.2.3, 3.9.3.
fn reason_is_allowed(rules: &Rules, packet_type: u8, reason: u8) -> bool {
    let client = rules.sender != Sender::Server;
    let server = rules.sender != Sender::Client;
    match (rules.version, packet_type) {
        (V31 | V311, CONNACK) => reason <= 5,
        (V31, SUBACK) => reason <= 2,
        (V311, SUBACK) => matches!(reason, 0 | 1 | 2 | 0x80),
        (V5, CONNACK) => matches!(
            reason,
            0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F
        ),
        (V5, PUBACK | PUBREC) => match reason {
            0x00 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99 => true,
            0x10 => server,
            _ => false,
        },
        (V5, PUBREL | PUBCOMP) => matches!(reason, 0x00 | 0x92),
        (V5, SUBACK) => matches!(
            reason,
            0x00 | 0x01 | 0x02 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2
        ),
        (V5, UNSUBACK) => matches!(reason, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
        (V5, DISCONNECT) => match reason {
            0x00 | 0x80..=0x83 | 0x90 | 0x93..=0x99 => true,
            0x04 => client,
            // Table 3-10 has it for servers, section 3.3.4 has a client send it.
            0x9B => true,
            // Table 3-10 leaves it out, table 2-6 does not.
            0x8C => server,
            0x87 | 0x89 | 0x8B | 0x8D..=0x8F | 0x9A | 0x9C..=0xA2 => server,
            _ => false,
        },
        (V5, AUTH) => match reason {
            0x00 => server,
            0x18 => true,
            0x19 => client,
            _ => false,
        },
        _ => false,
    }
}

impl Body<'_> {
    pub(super) fn reason(&mut self, packet_type: u8) -> Option<u8> {
        let reason = self.byte()?;
        self.check_reason(packet_type, reason);
        Some(reason)
    }

    fn check_reason(&mut self, packet_type: u8, reason: u8) {
        rule!(self.faults; reason_is_allowed(&self.rules, packet_type, reason); EITHER; "5: MQTT-3.2.2-8, 3.4.2-1, 3.5.2-1, 3.6.2-1, 3.7.2-1, 3.9.3-2, 3.11.3-2, 3.14.2-1, 3.15.2-1, 3: section 3.2.2.3, MQTT-3.9.3-2: code of the packet");
    }
}
