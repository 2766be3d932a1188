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

#[path = "naive/packets.rs"]
mod packets;
#[path = "naive/properties.rs"]
mod properties;

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
        SUBSCRIBE => length >= 5 + usize::from(v5),
        SUBACK => length >= 3 + usize::from(v5),
        UNSUBSCRIBE => length >= 4 + usize::from(v5),
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
