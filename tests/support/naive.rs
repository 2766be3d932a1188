// A second decoder, for comparison: written from the standard's sentences, not from `src/`. It copies everything, goes
// through a packet once from front to back, and knows a rule as one line with the statement that makes it. "5:" stands
// before the statements of 5.0, "3:" before those of 3.1.1, "1:" before sections of 3.1.
//
// A packet may have several faults, and a receiver may act on any one of them (5.0, section 4.13.2 leaves it open), so
// this decoder goes on after a fault for as long as it knows where the next field begins, and gives all of them.

use std::collections::BTreeMap;

#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub(crate) enum Version {
    V31,
    V311,
    V5,
}
use Version::{V5, V31, V311};

/// The side that a packet comes from, if the receiver knows it.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Sender {
    Unknown,
    Client,
    Server,
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) version: Version,
    pub(crate) sender: Sender,
    pub(crate) maximum_packet_size: usize,
    /// Whether a CONNECT of MQTT 3.1 is taken.
    pub(crate) accept_v31: bool,
    /// Whether the syntax of topic filters is somebody else's business.
    pub(crate) unchecked_filters: bool,
    /// Whether to do what a receiver MAY do with control characters and noncharacters.
    pub(crate) control_characters_refused: bool,
}

#[derive(Clone, Eq, PartialEq, Debug)]
pub(crate) enum Verdict {
    Valid {
        packet: Packet,
        length: usize,
    },
    /// Never empty. What is known from the fixed header is known before the body is there.
    Refused(Vec<Fault>),
    /// With `hopeless`: it cannot become a packet, so a receiver may refuse it now.
    Incomplete {
        hopeless: Vec<Fault>,
    },
}

impl Verdict {
    const INCOMPLETE: Self = Self::Incomplete {
        hopeless: Vec::new(),
    };
}

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) struct Fault {
    /// The reason codes of 5.0 that a receiver may give, the one that the standard names first.
    pub(crate) reasons: &'static [u8],
    pub(crate) rule: &'static str,
}

/// Reason codes. A Malformed Packet cannot be parsed, a Protocol Error can and is not allowed (5: section 1.2).
const MALFORMED: &[u8] = &[0x81];
const PROTOCOL_ERROR: &[u8] = &[0x82];
/// The standard says that it is wrong and not how.
const EITHER: &[u8] = &[0x82, 0x81];
const VERSION: &[u8] = &[0x84];
const NAME: &[u8] = &[0x90, 0x82, 0x81];
const FILTER: &[u8] = &[0x8F, 0x82, 0x81];
const ALIAS: &[u8] = &[0x94];
const TOO_LARGE: &[u8] = &[0x95];

const OVERLONG: &str = "5: MQTT-1.5.5-1: as few bytes as it needs";

/// By identifier; the values of one identifier in their order.
pub(crate) type Properties = BTreeMap<u8, Vec<Value>>;

#[derive(Clone, Eq, PartialEq, Debug)]
pub(crate) enum Value {
    Byte(u8),
    Two(u16),
    Four(u32),
    Variable(u32),
    Text(String),
    Binary(Vec<u8>),
    Pair(String, String),
}

#[derive(Clone, Eq, PartialEq, Debug)]
pub(crate) struct Will {
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: Properties,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

#[derive(Clone, Eq, PartialEq, Debug)]
pub(crate) struct Subscription {
    pub(crate) filter: String,
    pub(crate) qos: u8,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: u8,
}

#[derive(Clone, Eq, PartialEq, Debug)]
pub(crate) enum Packet {
    Connect {
        version: Version,
        clean_start: bool,
        keep_alive: u16,
        properties: Properties,
        client_id: String,
        will: Option<Will>,
        user_name: Option<String>,
        password: Option<Vec<u8>>,
    },
    Connack {
        session_present: bool,
        reason: u8,
        properties: Properties,
    },
    Publish {
        dup: bool,
        qos: u8,
        retain: bool,
        topic: String,
        packet_id: Option<u16>,
        properties: Properties,
        payload: Vec<u8>,
    },
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    Ack {
        packet_type: u8,
        packet_id: u16,
        reason: u8,
        properties: Properties,
    },
    Subscribe {
        packet_id: u16,
        properties: Properties,
        subscriptions: Vec<Subscription>,
    },
    Unsubscribe {
        packet_id: u16,
        properties: Properties,
        filters: Vec<String>,
    },
    /// SUBACK, UNSUBACK.
    Codes {
        packet_type: u8,
        packet_id: u16,
        properties: Properties,
        reasons: Vec<u8>,
    },
    /// PINGREQ, PINGRESP.
    Ping {
        packet_type: u8,
    },
    Disconnect {
        reason: u8,
        properties: Properties,
    },
    Auth {
        reason: u8,
        properties: Properties,
    },
}

const CONNECT: u8 = 1;
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;
const SUBSCRIBE: u8 = 8;
const SUBACK: u8 = 9;
const UNSUBSCRIBE: u8 = 10;
const UNSUBACK: u8 = 11;
const PINGREQ: u8 = 12;
const PINGRESP: u8 = 13;
const DISCONNECT: u8 = 14;
const AUTH: u8 = 15;
/// Not a packet, but a place for properties of its own.
const WILL: u8 = 16;

/// What must hold, the reason codes if it does not, and where it is said.
macro_rules! rule {
    ($faults:expr; $holds:expr; $reasons:expr; $rule:expr) => {
        if !($holds) {
            $faults.push(fault($reasons, $rule));
        }
    };
}

// --- the fixed header ------------------------------------------------------------------------------------------------

pub(crate) fn decode(rules: &Rules, bytes: &[u8]) -> Verdict {
    let mut faults = Vec::new();
    let Some(&first) = bytes.first() else {
        return Verdict::INCOMPLETE;
    };
    let (packet_type, flags) = (first >> 4, first & 0x0F);
    check_first_byte(rules, packet_type, flags, &mut faults);
    if !faults.is_empty() {
        return Verdict::Refused(faults);
    }

    // 5: section 1.5.5, 2.1.4; 3: section 2.2.3. Seven bits a byte, the lowest first.
    let mut length = 0;
    let mut header = 1;
    loop {
        let Some(&byte) = bytes.get(header) else {
            return Verdict::INCOMPLETE;
        };
        length += usize::from(byte & 0x7F) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if header == 5 {
            let rule = "5: section 1.5.5, 3: section 2.2.3: at most four bytes";
            return Verdict::Refused(vec![fault(MALFORMED, rule)]);
        }
    }
    let overlong = header > 2 && bytes[header - 1] == 0;
    if header + length > rules.maximum_packet_size {
        let rule = "5: MQTT-3.1.2-24, MQTT-3.2.2-15: not larger than the receiver takes";
        faults.push(fault(TOO_LARGE, rule));
    }
    // A CONNECT says itself of what version it is.
    if overlong && rules.version == V5 && packet_type != CONNECT {
        faults.push(fault(MALFORMED, OVERLONG));
    }
    if !faults.is_empty() {
        return Verdict::Refused(faults);
    }
    if !length_is_possible(rules.version, packet_type, flags, length) {
        let rule = "5: section 3.x.2, 3: section 3.x.1: no packet of this type has this length";
        faults.push(fault(EITHER, rule));
    }
    let length = header + length;
    if bytes.len() < length {
        return Verdict::Incomplete { hopeless: faults };
    }

    let mut body = Body {
        rules: *rules,
        overlong,
        rest: &bytes[header..length],
        faults,
    };
    let packet = body.packet(packet_type, flags);
    match packet {
        Some(packet) if body.faults.is_empty() => Verdict::Valid { packet, length },
        _ => Verdict::Refused(body.faults),
    }
}

fn fault(reasons: &'static [u8], rule: &'static str) -> Fault {
    Fault { reasons, rule }
}

fn check_first_byte(rules: &Rules, packet_type: u8, flags: u8, faults: &mut Vec<Fault>) {
    let v5 = rules.version == V5;
    let reserved = packet_type == 0 || packet_type == AUTH && !v5;
    rule!(faults; !reserved; MALFORMED; "5: section 2.1.2, 3: section 2.2.1: reserved type");
    let qos = flags >> 1 & 3;
    if packet_type == PUBLISH {
        rule!(faults; qos != 3; MALFORMED; "5, 3: MQTT-3.3.1-4: QoS 3");
        // 3.1 has no such sentence.
        let dup = flags & 8 != 0;
        rule!(faults; !(dup && qos == 0) || rules.version == V31; EITHER; "5, 3: MQTT-3.3.1-2: DUP at QoS 0");
    } else {
        let fixed = match packet_type {
            PUBREL | SUBSCRIBE | UNSUBSCRIBE => 2,
            _ => 0,
        };
        // 1: section 2.1, 2.6: flags without a use should be 0, and nothing is said of a receiver. CONNECT is looked at
        // before its version is known.
        rule!(faults; flags == fixed || rules.version == V31 && packet_type != CONNECT; MALFORMED; "5: MQTT-2.1.3-1, 3: MQTT-2.2.2-1: flags of the type");
    }
    let from_client = match packet_type {
        CONNECT | SUBSCRIBE | UNSUBSCRIBE | PINGREQ => true,
        DISCONNECT => !v5,
        _ => false,
    };
    let from_server = matches!(packet_type, CONNACK | SUBACK | UNSUBACK | PINGRESP);
    rule!(faults; !(from_client && rules.sender == Sender::Server); PROTOCOL_ERROR; "5: table 2-1, 3: table 2.1: sent by a client only");
    rule!(faults; !(from_server && rules.sender == Sender::Client); PROTOCOL_ERROR; "5: table 2-1, 3: table 2.1: sent by a server only");
}

/// The sum of the fields that must be there, and no more where nothing may follow.
fn length_is_possible(version: Version, packet_type: u8, flags: u8, length: usize) -> bool {
    let v5 = version == V5;
    match packet_type {
        // Name, level, flags, keep alive, client identifier; its version is not known here.
        CONNECT => length >= 6 + 1 + 1 + 2 + 2,
        CONNACK if v5 => length >= 3,
        CONNACK => length == 2,
        PUBLISH => {
            let packet_id = if flags & 6 == 0 { 0 } else { 2 };
            length >= 2 + packet_id + usize::from(v5)
        }
        PUBACK | PUBREC | PUBREL | PUBCOMP if v5 => length >= 2,
        PUBACK | PUBREC | PUBREL | PUBCOMP => length == 2,
        SUBSCRIBE => length >= 2 + usize::from(v5) + 3,
        SUBACK => length >= 2 + usize::from(v5) + 1,
        UNSUBSCRIBE => length >= 2 + usize::from(v5) + 2,
        UNSUBACK if v5 => length >= 4,
        UNSUBACK => length == 2,
        PINGREQ | PINGRESP => length == 0,
        DISCONNECT if !v5 => length == 0,
        _ => true,
    }
}

// --- fields ----------------------------------------------------------------------------------------------------------

struct Body<'a> {
    rules: Rules,
    /// The Remaining Length has more bytes than it needs.
    overlong: bool,
    rest: &'a [u8],
    faults: Vec<Fault>,
}

impl<'a> Body<'a> {
    /// None: there are not as many, and where the next field begins is not known.
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        if length > self.rest.len() {
            let rule = "5: section 1.2: the field ends behind the packet or the properties";
            self.faults.push(fault(MALFORMED, rule));
            return None;
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    /// 5: section 1.5.2; 3: section 1.5.2.
    fn two(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from(bytes[0]) * 256 + u16::from(bytes[1]))
    }

    /// 5: section 1.5.3.
    fn four(&mut self) -> Option<u32> {
        Some(u32::from(self.two()?) * 65_536 + u32::from(self.two()?))
    }

    /// 5: section 1.5.5.
    fn variable(&mut self) -> Option<u32> {
        let mut value = 0;
        for position in 0..4 {
            let byte = self.byte()?;
            value += u32::from(byte & 0x7F) << (7 * position);
            if byte & 0x80 == 0 {
                let overlong = position > 0 && byte == 0;
                rule!(self.faults; !overlong; MALFORMED; OVERLONG);
                return Some(value);
            }
        }
        rule!(self.faults; false; MALFORMED; "5: section 1.5.5: at most four bytes");
        None
    }

    /// 5: section 1.5.6; 3: section 3.1.3.3, 3.1.3.5.
    fn binary(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(self.two()?);
        Some(self.take(length)?.to_vec())
    }

    /// 5: section 1.5.4; 3: section 1.5.3.
    fn text(&mut self) -> Option<String> {
        let bytes = self.binary()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        rule!(self.faults; text.as_bytes() == bytes; MALFORMED; "5: MQTT-1.5.4-1, 3: MQTT-1.5.3-1: well-formed UTF-8");
        // 1: nothing is said of such characters.
        let odd = self.rules.control_characters_refused && text.chars().any(is_disallowed);
        rule!(self.faults; !odd; MALFORMED; "5: section 1.5.4, 3: section 1.5.3: MAY be malformed");
        rule!(self.faults; !text.contains('\0'); MALFORMED; "5: MQTT-1.5.4-2, 3: MQTT-1.5.3-2: no U+0000");
        Some(text)
    }

    fn packet_id(&mut self) -> Option<u16> {
        let packet_id = self.two()?;
        rule!(self.faults; packet_id != 0; EITHER; "5: MQTT-2.2.1-3, MQTT-2.2.1-4, 3: MQTT-2.3.1-1: not zero");
        Some(packet_id)
    }

    fn check_topic_name(&mut self, name: &str) {
        rule!(self.faults; !name.contains(['+', '#']); NAME; "5: MQTT-4.7.0-1, 3: MQTT-4.7.1-1: wildcard in a name");
        rule!(self.faults; !name.is_empty(); NAME; "5, 3: MQTT-4.7.3-1: at least one character");
    }

    fn topic_filter(&mut self) -> Option<String> {
        let text = self.text()?;
        if self.rules.unchecked_filters {
            return Some(text);
        }
        let mut filter = text.as_str();
        if let (V5, Some(shared)) = (self.rules.version, text.strip_prefix("$share/")) {
            let (share_name, inner) = shared.split_once('/').unwrap_or((shared, ""));
            rule!(self.faults; !share_name.is_empty(); FILTER; "5: MQTT-4.8.2-1: ShareName of one character");
            rule!(self.faults; !share_name.contains(['+', '#']); FILTER; "5: MQTT-4.8.2-2: wildcard in ShareName");
            rule!(self.faults; !inner.is_empty(); FILTER; "5: MQTT-4.8.2-2: a filter behind ShareName");
            filter = inner;
        }
        rule!(self.faults; !filter.is_empty(); FILTER; "5, 3: MQTT-4.7.3-1: at least one character");
        let levels: Vec<&str> = filter.split('/').collect();
        for (i, level) in levels.iter().enumerate() {
            let last = i + 1 == levels.len();
            rule!(self.faults; !level.contains('#') || *level == "#" && last; FILTER; "5: MQTT-4.7.1-1, 3: MQTT-4.7.1-2: # alone and last");
            rule!(self.faults; !level.contains('+') || *level == "+"; FILTER; "5: MQTT-4.7.1-2, 3: MQTT-4.7.1-3: + fills its level");
        }
        Some(text)
    }
}

/// 5: section 1.5.4, 3: section 1.5.3: control characters, and code points that Unicode makes no characters.
fn is_disallowed(c: char) -> bool {
    let code = u32::from(c);
    matches!(code, 0x01..=0x1F | 0x7F..=0x9F | 0xFDD0..=0xFDEF) || code % 0x1_0000 >= 0xFFFE
}

// --- properties ------------------------------------------------------------------------------------------------------

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
fn property(id: u32) -> Option<(Type, &'static [u8])> {
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
    fn properties(&mut self, place: u8) -> Option<Properties> {
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
            let Some((value_type, places)) = property(id) else {
                rule!(self.faults; false; MALFORMED; "5: section 2.2.2.2: unknown property");
                return None;
            };
            rule!(self.faults; places.contains(&place); MALFORMED; "5: section 2.2.2.2: not in this packet");
            let id = id as u8;
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
                rule!(self.faults; *flag <= 1; EITHER; "5: section 3.3.2.3.2: 0 or 1")
            }
            (_, Value::Byte(flag)) => {
                rule!(self.faults; *flag <= 1; PROTOCOL_ERROR; "5: section 3.1.2.11.6, .7, 3.2.2.3.4, .5, .11 to .13: 0 or 1")
            }
            (0x0B, Value::Variable(identifier)) => {
                rule!(self.faults; *identifier != 0; PROTOCOL_ERROR; "5: section 3.3.2.3.8, 3.8.2.1.2: not zero")
            }
            (0x21, Value::Two(maximum)) => {
                rule!(self.faults; *maximum != 0; PROTOCOL_ERROR; "5: section 3.1.2.11.3, 3.2.2.3.3: not zero")
            }
            (0x27, Value::Four(maximum)) => {
                rule!(self.faults; *maximum != 0; PROTOCOL_ERROR; "5: section 3.1.2.11.4, 3.2.2.3.6: not zero")
            }
            (0x23, Value::Two(alias)) => {
                rule!(self.faults; *alias != 0; ALIAS; "5: MQTT-3.3.2-8: not zero");
            }
            (0x08, Value::Text(name)) => {
                rule!(self.faults; !name.contains(['+', '#']); NAME; "5: MQTT-3.3.2-14: wildcard in the Response Topic")
            }
            _ => {}
        }
    }

    fn check_sender(&mut self, place: u8, id: u8) {
        let sender = self.rules.sender;
        match (place, id) {
            (PUBLISH, 0x0B) => {
                rule!(self.faults; sender != Sender::Client; EITHER; "5: MQTT-3.3.4-6: Subscription Identifier from a client")
            }
            (DISCONNECT, 0x11) => {
                rule!(self.faults; sender != Sender::Server; EITHER; "5: MQTT-3.14.2-2: Session Expiry Interval from a server")
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
    fn reason(&mut self, packet_type: u8) -> Option<u8> {
        let reason = self.byte()?;
        self.check_reason(packet_type, reason);
        Some(reason)
    }

    fn check_reason(&mut self, packet_type: u8, reason: u8) {
        rule!(self.faults; reason_is_allowed(&self.rules, packet_type, reason); EITHER; "5: MQTT-3.2.2-8, 3.4.2-1, 3.5.2-1, 3.6.2-1, 3.7.2-1, 3.9.3-2, 3.11.3-2, 3.14.2-1, 3.15.2-1, 3: section 3.2.2.3, MQTT-3.9.3-2: code of the packet");
    }
}

// --- packets ---------------------------------------------------------------------------------------------------------

impl Body<'_> {
    fn packet(&mut self, packet_type: u8, flags: u8) -> Option<Packet> {
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
