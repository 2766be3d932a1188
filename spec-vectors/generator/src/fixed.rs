//! The fixed header: types, flags and the forms of the Remaining Length.

use crate::build::{Property, overlong};
use crate::packet::{
    Case, Connect, Form, ack, codes, connack, connect, ending, file, name, ping, publish,
    subscribe, unsubscribe,
};
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{Any, C2s, Direction, V5, V31, Version, packet};

const FILE: &str = "fixed_header";

/// A packet of each type.
pub fn plain(version: Version, number: u8) -> Case {
    match number {
        1 => connect(version, &Connect::default()),
        2 => connack(version, 0, 0, &[]),
        3 => publish(version, 0, "a", 0, &[], b"x"),
        4..=7 => ack(version, number, 1, 0, &[], Form::Short),
        8 => subscribe(version, 1, &[], &[(b"a", 0)]),
        9 | 11 => codes(version, number, 1, &[], &[0]),
        10 => unsubscribe(version, 1, &[], &[b"a"]),
        12 | 13 => ping(number),
        14 => ending(version, 14, 0, &[], Form::Short),
        _ => ending(version, 15, 0x18, &[Property::text(0x15, "m")], Form::Full),
    }
}

fn types(version: Version) -> impl Iterator<Item = (u8, Direction)> {
    (1..=15).filter_map(move |number| Some((number, packet(version, number)?.direction?)))
}

pub fn generate(set: &mut Set) {
    let version = set.version;
    reserved(set);
    for (number, direction) in types(version) {
        if number != 3 {
            flags(set, number, direction);
        }
        let case = plain(version, number);
        if let Some(wrong) = direction.opposite() {
            let fault = Rule::TypeDirection.of(version);
            let name = format!(
                "{}-from-{}",
                file(number),
                if wrong == C2s { "client" } else { "server" }
            );
            let vector = Vector::refused(name, wrong, case.body.packet(), fault, 0);
            set.add(
                FILE,
                vector.comment(format!("{} is not sent by this side", name_of(number))),
            );
        }
        lengths(set, number, direction, &case);
    }
    if version == V5 {
        // A CONNECT names its version, and this one's rules hold for it.
        let case = plain(crate::version::V311, 1);
        let bytes = case.body.with_length(&overlong(case.body.bytes.len(), 2));
        let vector = Vector::valid("connect-of-3.1.1-length-in-2-bytes", C2s, &case, "U5-06")
            .rewritten(Some(bytes));
        let vector = vector
            .alternative("malformed", "A-01")
            .alternative("protocol-error", "A-46");
        set.add(
            FILE,
            vector.comment("a CONNECT of 3.1.1, which allows a longer form"),
        );
    }
    beginnings(set);
}

fn name_of(number: u8) -> &'static str {
    name(number)
}

/// Types that are none in this version.
fn reserved(set: &mut Set) {
    let version = set.version;
    for flags in 0..16_u8 {
        let fault = Rule::TypeReserved.of(version);
        let vector = Vector::refused(
            format!("type-0-flags-{flags:x}"),
            Any,
            vec![flags, 0],
            fault.clone(),
            0,
        );
        set.add(FILE, vector.comment("packet type 0"));
        if version != V5 {
            let vector = Vector::refused(
                format!("type-15-flags-{flags:x}"),
                Any,
                vec![0xF0 | flags, 0],
                fault,
                0,
            );
            set.add(FILE, vector.comment("packet type 15"));
        }
    }
    let fault = Rule::TypeReserved.of(version);
    let vector = Vector::refused(
        "type-0-with-body",
        Any,
        vec![0, 3, 0, 1, b'a'],
        fault.clone(),
        0,
    );
    set.add(FILE, vector.comment("packet type 0, with a body"));
    if version != V5 {
        let vector = Vector::refused("auth-of-5.0", Any, plain(V5, 15).body.packet(), fault, 0);
        set.add(FILE, vector.comment("an AUTH of 5.0"));
    }
}

/// The four low bits of the first byte.
fn flags(set: &mut Set, number: u8, direction: Direction) {
    let version = set.version;
    let case = plain(version, number);
    let row = packet(version, number).and_then(|row| row.flags.as_deref());
    let right = row
        .and_then(|flags| u8::from_str_radix(flags, 2).ok())
        .expect("flags in the table");
    for flags in 0..16 {
        let mut case = case.clone();
        case.body.first = case.body.first & 0xF0 | flags;
        let name = format!("flags-{flags:x}");
        let comment = format!("flags {flags:04b} in the first byte");
        let vector = if flags == right {
            let cites = version.pick(
                if number == 1 { "U31-06" } else { "U31-05" },
                "MQTT-2.2.2-1",
                "MQTT-2.1.3-1",
            );
            Vector::valid(name, direction, &case, cites)
        } else if version == V31 && number != 1 {
            let cites = match number {
                6 | 8 | 10 if flags == 0x0A => "U31-02 U31-07",
                6 | 8 | 10 => "U31-07 U31-22",
                _ => "U31-05 U31-22",
            };
            let vector = Vector::valid(name, direction, &case, cites).rewritten(None);
            // Unused bits should be 0, and of those who read them 3.1 says nothing. DUP is used.
            if matches!(number, 6 | 8 | 10) && flags == 0x0A {
                vector
            } else {
                vector.alternative("malformed", "")
            }
        } else {
            let mut fault = Rule::Flags(number).of(version);
            fault.may_pass = version == V31;
            Vector::refused(name, direction, case.body.packet(), fault, 0)
        };
        set.add(file(number), vector.comment(comment));
    }
}

/// The Remaining Length in more bytes than it needs, and in five.
fn lengths(set: &mut Set, number: u8, direction: Direction, case: &Case) {
    let version = set.version;
    let len = case.body.bytes.len();
    for bytes in 2..=4 {
        let name = format!("{}-length-in-{bytes}-bytes", file(number));
        let comment = format!("remaining length {len} in {bytes} bytes");
        let spelt = case.body.with_length(&overlong(len, bytes));
        let vector = if version == V5 {
            Vector::refused(name, direction, spelt, Rule::IntegerOverlong.of(V5), 1)
        } else {
            let cites = version.pick("U31-08", "U3-04", "");
            Vector::valid(name, direction, case, cites)
                .rewritten(Some(spelt))
                .disputed("A-01")
        };
        set.add(FILE, vector.comment(comment));
    }
    let spelt = case.body.with_length(&overlong(len, 5));
    let fault = Rule::RemainingLengthTooLong.of(version);
    let vector = Vector::refused(
        format!("{}-length-in-5-bytes", file(number)),
        direction,
        spelt,
        fault,
        1,
    );
    set.add(FILE, vector.comment("remaining length in five bytes"));
}

fn beginnings(set: &mut Set) {
    let version = set.version;
    let cites = version.pick("U31-08", "U3-04", "U5-04");
    for (name, comment, bytes) in [
        ("type-only", "a first byte", &[0x30][..]),
        ("length-1-of-2", "the length goes on", &[0x30, 0x80]),
        ("length-2-of-3", "the length goes on", &[0x30, 0x80, 0x80]),
        (
            "length-3-of-4",
            "the length goes on",
            &[0x30, 0xFF, 0xFF, 0xFF],
        ),
        ("length-127", "127 bytes to come", &[0x30, 0x7F]),
        ("length-128", "128 bytes to come", &[0x30, 0x80, 0x01]),
        ("length-16383", "16,383 bytes to come", &[0x30, 0xFF, 0x7F]),
        (
            "length-16384",
            "16,384 bytes to come",
            &[0x30, 0x80, 0x80, 0x01],
        ),
        (
            "length-2097151",
            "2,097,151 bytes to come",
            &[0x30, 0xFF, 0xFF, 0x7F],
        ),
        (
            "length-2097152",
            "2,097,152 bytes to come",
            &[0x30, 0x80, 0x80, 0x80, 0x01],
        ),
        (
            "length-268435455",
            "the most there can be",
            &[0x30, 0xFF, 0xFF, 0xFF, 0x7F],
        ),
    ] {
        set.add(
            FILE,
            Vector::incomplete(name, Any, bytes.to_vec(), cites).comment(comment),
        );
    }
    let most = [0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0x00, 0x01, b'a', 0x00];
    let vector = Vector::incomplete("length-268435455-and-topic", Any, most.to_vec(), cites);
    set.add(
        FILE,
        vector.comment("the most there can be, and its first bytes"),
    );
    for (name, bytes) in [
        ("zero", [0x30, 0x80, 0x80, 0x80, 0x80, 0x00]),
        ("most", [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        ("go-on", [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
    ] {
        let fault = Rule::RemainingLengthTooLong.of(version);
        let vector = Vector::refused(
            format!("length-of-5-bytes-{name}"),
            Any,
            bytes.to_vec(),
            fault,
            1,
        );
        set.add(FILE, vector.comment("a fifth byte of the remaining length"));
    }
}
