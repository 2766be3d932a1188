//! Each packet from its parts: the bytes and what they decode to.

use serde_json::{Map, Value, json};

use crate::build::{Body, Cut, Property, properties_json, shown};
use crate::rules::{Rule, level};
use crate::vector::hex;
use crate::version::{V5, Version};

#[derive(Clone, Debug)]
pub struct Case {
    pub body: Body,
    pub json: Value,
}

/// How much of what may be left out of an acknowledgement, DISCONNECT or AUTH is there.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Form {
    /// Neither reason code nor properties.
    Short,
    /// A reason code without a property length.
    Code,
    Full,
}

#[derive(Clone, Debug)]
pub struct Will<'a> {
    pub topic: &'a [u8],
    pub payload: &'a [u8],
    pub properties: Vec<Property>,
}

#[derive(Clone, Debug)]
pub struct Connect<'a> {
    /// The name and level of the version, unless set.
    pub name: Option<&'a [u8]>,
    pub level: Option<u8>,
    /// Bits that the other fields do not give.
    pub flags: u8,
    pub keep_alive: u16,
    pub client_id: &'a [u8],
    pub will: Option<Will<'a>>,
    pub user_name: Option<&'a [u8]>,
    pub password: Option<&'a [u8]>,
    pub properties: Vec<Property>,
}

pub const CLEAN: u8 = 0x02;
pub const WILL: u8 = 0x04;

impl Default for Connect<'_> {
    fn default() -> Self {
        Self {
            name: None,
            level: None,
            flags: CLEAN,
            keep_alive: 60,
            client_id: b"c",
            will: None,
            user_name: None,
            password: None,
            properties: Vec::new(),
        }
    }
}

impl Default for Will<'_> {
    fn default() -> Self {
        Self {
            topic: b"w",
            payload: b"",
            properties: Vec::new(),
        }
    }
}

fn object(entries: Vec<(&str, Value)>) -> Value {
    let entries = entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn code_json(code: u8) -> Value {
    json!(format!("0x{code:02x}"))
}

pub fn connect(version: Version, connect: &Connect<'_>) -> Case {
    let (name, number) = level(version);
    let mut flags = connect.flags;
    for (there, bit) in [
        (connect.will.is_some(), WILL),
        (connect.password.is_some(), 0x40),
        (connect.user_name.is_some(), 0x80),
    ] {
        if there {
            flags |= bit;
        }
    }
    let mut body = Body::new(0x10)
        .text("name", connect.name.unwrap_or(name.as_bytes()))
        .cites(["MQTT-3.1.2-1", "MQTT-3.1.2-1", "U31-14"])
        .byte("level", connect.level.unwrap_or(number))
        .cites(["", "U3-07", "U31-14"])
        .byte("flags", flags)
        .cites(["", "U3-07", ""])
        .two("keep alive", connect.keep_alive)
        .cites(["", "U3-07", ""]);
    let mut json = vec![
        ("type", json!("CONNECT")),
        ("version", json!(version.name())),
        ("clean_start", json!(flags & CLEAN != 0)),
        ("keep_alive", json!(connect.keep_alive)),
        ("client_id", shown(connect.client_id)),
    ];
    if version == V5 {
        body = body.properties("", &connect.properties);
    }
    body =
        body.text("client id", connect.client_id)
            .cites(["MQTT-3.1.3-3", "MQTT-3.1.3-3", "U31-24"]);
    if let Some(will) = &connect.will {
        let cites = ["MQTT-3.1.2-9", "MQTT-3.1.2-9", "U31-18"];
        let mut shown_will = vec![
            ("qos", json!(flags >> 3 & 3)),
            ("retain", json!(flags & 0x20 != 0)),
            ("topic", shown(will.topic)),
            ("payload", json!(hex(will.payload))),
        ];
        if version == V5 {
            body = body.properties("will ", &will.properties);
            shown_will.push(("properties", properties_json(&will.properties)));
        }
        body = body.text("will topic", will.topic).cites(cites);
        body = body.text("will payload", will.payload).cites(cites);
        json.push(("will", object(shown_will)));
    }
    // In 3.1 the Remaining Length has precedence over these two flags.
    let last = if version == crate::version::V31 {
        Cut::MayEndBefore
    } else {
        Cut::Needed
    };
    if let Some(user_name) = connect.user_name {
        body = body
            .text("user name", user_name)
            .cites(["MQTT-3.1.2-17", "MQTT-3.1.2-19", "U31-20"])
            .cut(last);
        json.push(("user_name", shown(user_name)));
    }
    if let Some(password) = connect.password {
        body = body
            .text("password", password)
            .cites(["MQTT-3.1.2-19", "MQTT-3.1.2-21", "U31-20"])
            .cut(last);
        json.push(("password", json!(hex(password))));
    }
    if version == V5 {
        json.push(("properties", properties_json(&connect.properties)));
    }
    Case {
        body,
        json: object(json),
    }
}

pub fn connack(version: Version, flags: u8, code: u8, properties: &[Property]) -> Case {
    let mut body = Body::new(0x20)
        .byte("flags", flags)
        .cites(["", "U3-21", "U31-28"])
        .byte("code", code)
        .cites(["MQTT-3.2.2-8", "U3-21", "U31-29"]);
    let session_present = version != crate::version::V31 && flags & 1 != 0;
    let mut json = vec![
        ("type", json!("CONNACK")),
        ("session_present", json!(session_present)),
        ("reason", code_json(code)),
    ];
    if version == V5 {
        body = body.properties("", properties);
        json.push(("properties", properties_json(properties)));
    }
    Case {
        body,
        json: object(json),
    }
}

/// `flags` are the four low bits of the first byte.
pub fn publish(
    version: Version,
    flags: u8,
    topic: impl AsRef<[u8]>,
    packet_id: u16,
    properties: &[Property],
    payload: &[u8],
) -> Case {
    let (topic, qos) = (topic.as_ref(), flags >> 1 & 3);
    let mut body = Body::new(0x30 | flags).text("topic", topic).cites([
        "MQTT-3.3.2-1",
        "MQTT-3.3.2-1",
        "U31-32",
    ]);
    let mut json = vec![
        ("type", json!("PUBLISH")),
        ("dup", json!(flags & 8 != 0)),
        ("qos", json!(qos)),
        ("retain", json!(flags & 1 != 0)),
        ("topic", shown(topic)),
    ];
    if qos != 0 {
        body = body.two("packet id", packet_id).cites([
            "MQTT-2.2.1-3 MQTT-2.2.1-4",
            "MQTT-2.3.1-1",
            "U31-10",
        ]);
        json.push(("packet_id", json!(packet_id)));
    }
    if version == V5 {
        body = body.properties("", properties);
        json.push(("properties", properties_json(properties)));
    }
    body = body.raw("payload", payload).cut(Cut::MayEndInside);
    json.push(("payload", json!(hex(payload))));
    Case {
        body,
        json: object(json),
    }
}

/// The first byte of the packet with this number, as a sender writes it.
pub fn first_byte(number: u8) -> u8 {
    number << 4 | if matches!(number, 6 | 8 | 10) { 2 } else { 0 }
}

pub fn name(number: u8) -> &'static str {
    [
        "",
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
    ][usize::from(number)]
}

/// The file in which the packet's vectors stand.
pub fn file(number: u8) -> &'static str {
    [
        "",
        "connect",
        "connack",
        "publish",
        "puback",
        "pubrec",
        "pubrel",
        "pubcomp",
        "subscribe",
        "suback",
        "unsubscribe",
        "unsuback",
        "pingreq",
        "pingresp",
        "disconnect",
        "auth",
    ][usize::from(number)]
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP.
pub fn ack(
    version: Version,
    number: u8,
    packet_id: u16,
    code: u8,
    properties: &[Property],
    form: Form,
) -> Case {
    let id_of = if number == 7 {
        "MQTT-2.2.1-5"
    } else {
        "MQTT-2.3.1-6"
    };
    let mut body = Body::new(first_byte(number))
        .two("packet id", packet_id)
        .cites([
            "MQTT-2.2.1-5",
            if number == 7 { "U3-21" } else { id_of },
            "U31-44",
        ]);
    let mut json = vec![
        ("type", json!(name(number))),
        ("packet_id", json!(packet_id)),
    ];
    if version == V5 {
        body = code_and_properties(body, code, properties, form);
        json.push(("reason", code_json(code)));
        json.push(("properties", properties_json(properties)));
    }
    Case {
        body,
        json: object(json),
    }
}

fn code_and_properties(mut body: Body, code: u8, properties: &[Property], form: Form) -> Body {
    if form != Form::Short {
        body = body.byte("code", code).cut(Cut::MayEndBefore);
    }
    if form == Form::Full {
        let index = body.fields.len();
        body = body.properties("", properties);
        body.fields[index].cut = Cut::MayEndBefore;
    }
    body
}

pub fn subscribe(
    version: Version,
    packet_id: u16,
    properties: &[Property],
    filters: &[(&[u8], u8)],
) -> Case {
    let mut body = Body::new(0x82).two("packet id", packet_id).cites([
        "MQTT-2.2.1-3",
        "MQTT-2.3.1-1",
        "U31-07",
    ]);
    if version == V5 {
        body = body.properties("", properties);
    }
    let mut list = Vec::new();
    for (index, (filter, options)) in filters.iter().enumerate() {
        let cut = if index == 0 {
            Cut::First(Rule::NoFilters(8))
        } else {
            Cut::MayEndBefore
        };
        let cites = ["MQTT-3.8.3-1", "MQTT-3.8.3-1", "U31-36"];
        body = body
            .raw(format!("filter {index}"), &crate::build::field(filter))
            .cut(cut)
            .cites(cites);
        let cites = ["MQTT-3.8.3-2", "MQTT-3.8.3-3", "U31-36"];
        body = body
            .raw(format!("options {index}"), &[*options])
            .cites(cites);
        let mut entry = vec![("filter", shown(filter)), ("qos", json!(options & 3))];
        if version == V5 {
            entry.push(("no_local", json!(options & 4 != 0)));
            entry.push(("retain_as_published", json!(options & 8 != 0)));
            entry.push(("retain_handling", json!(options >> 4 & 3)));
        }
        list.push(object(entry));
    }
    let mut json = vec![
        ("type", json!("SUBSCRIBE")),
        ("packet_id", json!(packet_id)),
        ("subscriptions", Value::Array(list)),
    ];
    if version == V5 {
        json.push(("properties", properties_json(properties)));
    }
    Case {
        body,
        json: object(json),
    }
}

pub fn unsubscribe(
    version: Version,
    packet_id: u16,
    properties: &[Property],
    filters: &[&[u8]],
) -> Case {
    let mut body = Body::new(0xA2).two("packet id", packet_id).cites([
        "MQTT-2.2.1-3",
        "MQTT-2.3.1-1",
        "U31-07",
    ]);
    let mut json = vec![
        ("type", json!("UNSUBSCRIBE")),
        ("packet_id", json!(packet_id)),
        (
            "filters",
            filters.iter().map(|filter| shown(filter)).collect(),
        ),
    ];
    if version == V5 {
        body = body.properties("", properties);
        json.push(("properties", properties_json(properties)));
    }
    for (index, filter) in filters.iter().enumerate() {
        let cut = if index == 0 {
            Cut::First(Rule::NoFilters(10))
        } else {
            Cut::MayEndBefore
        };
        let cites = ["MQTT-3.10.3-1", "MQTT-3.10.3-1", "U31-37"];
        body = body
            .raw(format!("filter {index}"), &crate::build::field(filter))
            .cut(cut)
            .cites(cites);
    }
    Case {
        body,
        json: object(json),
    }
}

/// SUBACK and UNSUBACK; the latter has codes in 5.0 only.
pub fn codes(
    version: Version,
    number: u8,
    packet_id: u16,
    properties: &[Property],
    codes: &[u8],
) -> Case {
    let mut body = Body::new(first_byte(number))
        .two("packet id", packet_id)
        .cites([
            "MQTT-2.2.1-6",
            "MQTT-2.3.1-7",
            if number == 9 { "U31-39" } else { "U31-42" },
        ]);
    let mut json = vec![
        ("type", json!(name(number))),
        ("packet_id", json!(packet_id)),
    ];
    if version == V5 {
        body = body.properties("", properties);
    }
    if version == V5 || number == 9 {
        for (index, code) in codes.iter().enumerate() {
            let cut = if index == 0 {
                Cut::First(Rule::NoCodes(number))
            } else {
                Cut::MayEndBefore
            };
            body = body.raw(format!("code {index}"), &[*code]).cut(cut);
        }
        json.push((
            "reasons",
            codes.iter().map(|code| code_json(*code)).collect(),
        ));
    }
    if version == V5 {
        json.push(("properties", properties_json(properties)));
    }
    Case {
        body,
        json: object(json),
    }
}

/// PINGREQ and PINGRESP.
pub fn ping(number: u8) -> Case {
    Case {
        body: Body::new(first_byte(number)),
        json: json!({"type": name(number)}),
    }
}

/// DISCONNECT and AUTH.
pub fn ending(version: Version, number: u8, code: u8, properties: &[Property], form: Form) -> Case {
    let mut body = Body::new(first_byte(number));
    let mut json = vec![("type", json!(name(number)))];
    if version == V5 {
        body = code_and_properties(body, code, properties, form);
        json.push(("reason", code_json(code)));
        json.push(("properties", properties_json(properties)));
    }
    Case {
        body,
        json: object(json),
    }
}
