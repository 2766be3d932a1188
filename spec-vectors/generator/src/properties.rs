//! Every property in every packet and in the will: allowed or not, once and twice, at and beyond its bounds, cut.

use crate::build::{Property, integer, overlong};
use crate::common::kebab;
use crate::packet::{
    Case, Connect, Form, Will, ack, codes, connack, connect, ending, publish, subscribe,
    unsubscribe,
};
use crate::property_blocks;
use crate::rules::{Fault, Rule};
use crate::vector::{Set, Vector};
use crate::version::{Any, C2s, Direction, PropertyRow, S2c, V5, tables};

/// A place where properties stand.
pub struct Carrier {
    pub kind: &'static str,
    pub file: &'static str,
    pub direction: Direction,
    /// Before the names of the block's fields, and of the vectors.
    pub prefix: &'static str,
    pub make: fn(&[Property]) -> Case,
}

pub const CARRIERS: &[Carrier] = &[
    carrier("CONNECT", "connect", C2s, |list| {
        connect(
            V5,
            &Connect {
                properties: list.to_vec(),
                ..Connect::default()
            },
        )
    }),
    Carrier {
        prefix: "will ",
        ..carrier("WILL", "connect", C2s, |list| {
            let will = Will {
                properties: list.to_vec(),
                ..Will::default()
            };
            connect(
                V5,
                &Connect {
                    will: Some(will),
                    ..Connect::default()
                },
            )
        })
    },
    carrier("CONNACK", "connack", S2c, |list| connack(V5, 0, 0, list)),
    carrier("PUBLISH", "publish", Any, |list| {
        publish(V5, 0, "a", 0, list, b"x")
    }),
    carrier("PUBACK", "puback", Any, |list| {
        ack(V5, 4, 1, 0, list, Form::Full)
    }),
    carrier("PUBREC", "pubrec", Any, |list| {
        ack(V5, 5, 1, 0, list, Form::Full)
    }),
    carrier("PUBREL", "pubrel", Any, |list| {
        ack(V5, 6, 1, 0, list, Form::Full)
    }),
    carrier("PUBCOMP", "pubcomp", Any, |list| {
        ack(V5, 7, 1, 0, list, Form::Full)
    }),
    carrier("SUBSCRIBE", "subscribe", C2s, |list| {
        subscribe(V5, 1, list, &[(b"a", 0)])
    }),
    carrier("SUBACK", "suback", S2c, |list| {
        codes(V5, 9, 1, list, &[0, 1])
    }),
    carrier("UNSUBSCRIBE", "unsubscribe", C2s, |list| {
        unsubscribe(V5, 1, list, &[b"a"])
    }),
    carrier("UNSUBACK", "unsuback", S2c, |list| {
        codes(V5, 11, 1, list, &[0, 0x11])
    }),
    carrier("DISCONNECT", "disconnect", Any, |list| {
        ending(V5, 14, 0, list, Form::Full)
    }),
    carrier("AUTH", "auth", Any, |list| {
        ending(V5, 15, 0x18, list, Form::Full)
    }),
];

const fn carrier(
    kind: &'static str,
    file: &'static str,
    direction: Direction,
    make: fn(&[Property]) -> Case,
) -> Carrier {
    Carrier {
        kind,
        file,
        direction,
        prefix: "",
        make,
    }
}

pub fn generate(set: &mut Set) {
    for carrier in CARRIERS {
        for row in &tables().properties {
            match row.packets.get(carrier.kind) {
                Some(direction) => {
                    allowed(set, carrier, row, *direction);
                    bounds(set, carrier, row, *direction);
                    twice(set, carrier, row, *direction);
                    cut_values(set, carrier, row, *direction);
                    text(set, carrier, row, *direction);
                }
                None => not_allowed(set, carrier, row),
            }
        }
    }
    property_blocks::generate(set);
}

pub fn method() -> Property {
    Property::text(0x15, "m")
}

/// What must stand before a property for it to be right.
pub fn companions(kind: &str, id: u8) -> Vec<Property> {
    match (kind, id) {
        ("AUTH", id) if id != 0x15 => vec![method()],
        ("CONNECT" | "CONNACK", 0x16) => vec![method()],
        _ => Vec::new(),
    }
}

impl Carrier {
    pub fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix.replace(' ', "-"))
    }

    pub fn at(&self, case: &Case, field: &str, index: usize) -> usize {
        case.body.at(&format!("{}{field} {index}", self.prefix))
    }

    /// A packet in which these properties stand behind what they need.
    pub fn with(&self, id: u8, properties: &[Property]) -> (Case, usize) {
        let mut list = companions(self.kind, id);
        let first = list.len();
        list.extend_from_slice(properties);
        ((self.make)(&list), first)
    }
}

/// A value that is right, for every type.
pub fn plain(row: &PropertyRow) -> Property {
    let id = row.id();
    match row.kind.as_str() {
        "byte" => Property::byte(id, 1),
        "two byte integer" => Property::two(id, 1),
        "four byte integer" => Property::four(id, 1),
        "variable byte integer" => Property::variable(id, 1),
        "UTF-8 string" => Property::text(id, "r"),
        "binary data" => Property::binary(id, [0x00, 0xFF]),
        _ => Property::pair("n", "v"),
    }
}

/// Values at the bounds, each with a word for it.
fn samples(row: &PropertyRow) -> Vec<(String, Property)> {
    let id = row.id();
    let (min, max) = (row.min.unwrap_or(0), row.max.unwrap_or(0));
    let long = vec![b'x'; 65_535];
    match row.kind.as_str() {
        "byte" => (min..=max)
            .map(|n| (n.to_string(), Property::byte(id, n as u8)))
            .collect(),
        "two byte integer" => [min, 1, 256, max]
            .map(|n| (n.to_string(), Property::two(id, n as u16)))
            .to_vec(),
        "four byte integer" => [min, 1, 65_536, max]
            .map(|n| (n.to_string(), Property::four(id, n)))
            .to_vec(),
        "variable byte integer" => [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, max]
            .map(|n| (n.to_string(), Property::variable(id, n)))
            .to_vec(),
        "UTF-8 string" => {
            vec![
                ("1-byte".to_owned(), Property::text(id, "r")),
                ("empty".into(), Property::text(id, "")),
                ("65535-bytes".into(), Property::text(id, long)),
            ]
        }
        "binary data" => vec![
            ("empty".into(), Property::binary(id, "")),
            (
                "any-bytes".into(),
                Property::binary(id, [0x00, 0xFF, 0xED, 0xA0, 0x80]),
            ),
            ("65535-bytes".into(), Property::binary(id, long)),
        ],
        _ => vec![
            ("empty".into(), Property::pair("", "")),
            ("short".into(), Property::pair("n", "v")),
            ("empty-value".into(), Property::pair("n", "")),
            ("empty-name".into(), Property::pair("", "v")),
            ("longest-name".into(), Property::pair(&long, "v")),
            ("longest-value".into(), Property::pair("n", &long)),
        ],
    }
}

fn statements(carrier: &Carrier, row: &PropertyRow) -> String {
    let by_type = match row.kind.as_str() {
        "byte" => "U5-10",
        "two byte integer" | "four byte integer" => "U5-01 U5-10",
        "variable byte integer" => "U5-04 U5-10",
        "UTF-8 string" | "binary data" => "U5-02 U5-10",
        _ => "MQTT-1.5.7-1 U5-02",
    };
    let range = row.range_statement.get(carrier.kind);
    format!("{} {by_type}", range.map_or("", |range| range))
}

fn allowed(set: &mut Set, carrier: &Carrier, row: &PropertyRow, direction: Direction) {
    let title = kebab(&row.title);
    for (label, property) in samples(row) {
        let (case, _) = carrier.with(row.id(), &[property]);
        let name = carrier.name(&format!("{title}-{label}"));
        let mut vector = Vector::valid(name, direction, &case, &statements(carrier, row));
        vector = vector.comment(format!("{}: {}", row.title, label.replace('-', " ")));
        if row.id() == 0x02 && label == "0" {
            vector = vector.disputed("A-21");
        }
        if row.id() == 0x13 && label == "0" {
            vector = vector.disputed("A-20");
        }
        // Nothing says whether it is a Topic Name, which has at least one character.
        if row.id() == 0x08 && label == "empty" {
            vector = vector
                .cites("MQTT-3.3.2-13 MQTT-4.7.3-1")
                .alternative("protocol-error", "A-60");
        }
        set.add(carrier.file, vector);
    }
    let wrong = direction.opposite().filter(|_| carrier.direction == Any);
    if let Some(wrong) = wrong {
        let (case, at) = carrier.with(row.id(), &[plain(row)]);
        let at = carrier.at(&case, "property", at);
        let name = carrier.name(&format!(
            "{title}-from-{}",
            if wrong == C2s { "client" } else { "server" }
        ));
        let vector = match (carrier.kind, row.id()) {
            ("PUBLISH", 0x0B) => {
                let fault = Rule::SubscriptionIdentifierFromClient.of(V5);
                Vector::refused(name, wrong, case.body.packet(), fault, at)
            }
            ("DISCONNECT", 0x11) => {
                let fault = Rule::SessionExpiryFromServer.of(V5);
                Vector::refused(name, wrong, case.body.packet(), fault, at)
            }
            // The server uses it, says the text, and nothing of a client that does.
            _ => Vector::valid(name, wrong, &case, "U5-51 U5-10").alternative("protocol-error", ""),
        };
        set.add(
            carrier.file,
            vector.comment(format!("{} from the wrong side", row.title)),
        );
    }
}

fn bounds(set: &mut Set, carrier: &Carrier, row: &PropertyRow, direction: Direction) {
    let Some(error) = row.range_error.as_deref() else {
        return;
    };
    let id = row.id();
    let bad: Vec<(u32, Property)> = match row.kind.as_str() {
        "byte" => [2, 3, 127, 128, 255]
            .map(|n| (u32::from(n), Property::byte(id, n)))
            .to_vec(),
        "two byte integer" => vec![(0, Property::two(id, 0))],
        "four byte integer" => vec![(0, Property::four(id, 0))],
        _ => vec![(0, Property::variable(id, 0))],
    };
    for (value, property) in bad {
        let (case, at) = carrier.with(id, &[property]);
        let at = carrier.at(&case, "value", at);
        let mut fault = Fault {
            statements: vec![row.range_statement[carrier.kind].clone()],
            reasons: vec!["0x82", "0x81"],
            ..Fault::default()
        };
        if error == "0x94" {
            fault = fault
                .first("U5-64")
                .first("MQTT-3.3.2-8")
                .reasons(&["0x94", "0x82", "0x81"]);
        }
        if id == 0x01 {
            fault = fault.disputed("A-04");
        }
        let name = carrier.name(&format!("{}-{value}", kebab(&row.title)));
        let vector = Vector::refused(name, direction, case.body.packet(), fault, at);
        set.add(
            carrier.file,
            vector.comment(format!("{} {value}", row.title)),
        );
    }
}

fn twice(set: &mut Set, carrier: &Carrier, row: &PropertyRow, direction: Direction) {
    let id = row.id();
    let (case, first) = carrier.with(id, &[plain(row), plain(row)]);
    let name = carrier.name(&format!("{}-twice", kebab(&row.title)));
    if row.repeats.iter().any(|kind| kind == carrier.kind) {
        let vector = Vector::valid(name, direction, &case, "U5-13");
        set.add(
            carrier.file,
            vector.comment(format!("{} twice, as it may be", row.title)),
        );
        return;
    }
    let mut fault = Rule::PropertyTwice.of(V5);
    match (carrier.kind, id) {
        ("SUBSCRIBE", 0x0B) => fault = fault.also(V5, ["U5-81", "", ""]),
        ("AUTH", 0x15) => fault = fault.also(V5, ["U5-94", "", ""]),
        ("PUBLISH", 0x01 | 0x02) => fault = fault.may_pass("A-03"),
        _ => {}
    }
    let at = carrier.at(&case, "property", first + 1);
    let vector = Vector::refused(name, direction, case.body.packet(), fault.clone(), at);
    set.add(carrier.file, vector.comment(format!("{} twice", row.title)));
    // Not beside each other, and not of one value.
    let other = Property::pair("n", "v");
    let second = match row.kind.as_str() {
        "byte" => Property::byte(id, 0),
        "UTF-8 string" => Property::text(id, "s"),
        "binary data" => Property::binary(id, ""),
        "four byte integer" => Property::four(id, 2),
        "two byte integer" => Property::two(id, 2),
        _ => Property::variable(id, 2),
    };
    let (case, first) = carrier.with(id, &[plain(row), other, second]);
    let name = carrier.name(&format!("{}-twice-apart", kebab(&row.title)));
    let at = carrier.at(&case, "property", first + 2);
    let vector = Vector::refused(name, direction, case.body.packet(), fault, at);
    set.add(
        carrier.file,
        vector.comment(format!(
            "{} twice, another value, another property between",
            row.title
        )),
    );
}

/// The value ends where the block ends: before it begins, one byte early, and with its last byte behind the block.
fn cut_values(set: &mut Set, carrier: &Carrier, row: &PropertyRow, direction: Direction) {
    let before = companions(carrier.kind, row.id());
    let lead: Vec<u8> = before.iter().flat_map(Property::bytes).collect();
    let whole = plain(row).bytes();
    let case = (carrier.make)(&before);
    for (label, kept, behind) in [
        ("without-value", 1, false),
        ("value-cut", whole.len() - 1, false),
        ("value-past-block", whole.len() - 1, true),
    ] {
        let block = [&lead[..], &whole[..kept]].concat();
        let len = integer(block.len());
        let written = if behind {
            [&lead[..], &whole[..]].concat()
        } else {
            block
        };
        let (bytes, at) = case.body.with_block(carrier.prefix, &len, &written);
        let name = carrier.name(&format!("{}-{label}", kebab(&row.title)));
        let fault = Rule::PropertyBlock.of(V5);
        let vector = Vector::refused(name, direction, bytes, fault, at + len.len() + lead.len());
        set.add(
            carrier.file,
            vector.comment(format!("{}: {}", row.title, label.replace('-', " "))),
        );
    }
}

/// Strings that are not UTF-8 or hold U+0000, and integers that are longer than they need.
fn text(set: &mut Set, carrier: &Carrier, row: &PropertyRow, direction: Direction) {
    let id = row.id();
    let title = kebab(&row.title);
    let about: [&'static str; 3] = match id {
        0x03 => ["MQTT-3.3.2-19", "", ""],
        0x08 => ["MQTT-3.3.2-13", "", ""],
        0x26 => ["MQTT-1.5.7-1", "", ""],
        _ => ["", "", ""],
    };
    let mut add = |label: &str, property: Property, fault, field: &str, into: usize| {
        let (case, at) = carrier.with(id, &[property]);
        let at = carrier.at(&case, field, at) + into;
        let name = carrier.name(&format!("{title}-{label}"));
        let vector = Vector::refused(name, direction, case.body.packet(), fault, at);
        set.add(
            carrier.file,
            vector.comment(format!("{}: {}", row.title, label.replace('-', " "))),
        );
    };
    let (ill, null) = (
        Rule::Utf8.of(V5).also(V5, about),
        Rule::Null.of(V5).also(V5, about),
    );
    match row.kind.as_str() {
        "UTF-8 string" => {
            add("ill-formed", Property::text(id, [0xFF]), ill, "value", 0);
            let null = if id == 0x08 {
                null.also(V5, ["MQTT-4.7.3-2", "", ""])
            } else {
                null
            };
            add(
                "null-character",
                Property::text(id, [0x00]),
                null,
                "value",
                0,
            );
            if id == 0x08 {
                for (label, topic) in [
                    ("plus", "a/+"),
                    ("hash", "#"),
                    ("hash-inside", "a#b"),
                    ("plus-inside", "a+b"),
                ] {
                    let fault = Rule::ResponseTopicWildcard.of(V5);
                    add(
                        &format!("wildcard-{label}"),
                        Property::text(id, topic),
                        fault,
                        "value",
                        0,
                    );
                }
            }
        }
        "UTF-8 string pair" => {
            add(
                "name-ill-formed",
                Property::pair([0xFF], "v"),
                ill.clone(),
                "value",
                0,
            );
            add(
                "value-ill-formed",
                Property::pair("n", [0xFF]),
                ill,
                "value",
                3,
            );
            add(
                "name-null-character",
                Property::pair([0x00], "v"),
                null.clone(),
                "value",
                0,
            );
            add(
                "value-null-character",
                Property::pair("n", [0x00]),
                null,
                "value",
                3,
            );
        }
        "variable byte integer" => {
            for len in 2..=4 {
                let fault = Rule::IntegerOverlong.of(V5);
                add(
                    &format!("in-{len}-bytes"),
                    Property::raw(&[id], &overlong(1, len)),
                    fault,
                    "value",
                    0,
                );
            }
            let long = Property::raw(&[id], &[0x80, 0x80, 0x80, 0x80, 0x01]);
            add("in-5-bytes", long, Rule::IntegerTooLong.of(V5), "value", 0);
        }
        _ => {}
    }
}

fn not_allowed(set: &mut Set, carrier: &Carrier, row: &PropertyRow) {
    let (case, at) = carrier.with(row.id(), &[plain(row)]);
    let at = carrier.at(&case, "property", at);
    let fault = Rule::PropertyNotAllowed.of(V5);
    let fault = if carrier.kind == "WILL" {
        fault.also(V5, ["U5-36", "", ""])
    } else {
        fault
    };
    let name = carrier.name(&format!("{}-not-allowed", kebab(&row.title)));
    let vector = Vector::refused(name, carrier.direction, case.body.packet(), fault, at);
    set.add(
        carrier.file,
        vector.comment(format!("{} has no place here", row.title)),
    );
}
