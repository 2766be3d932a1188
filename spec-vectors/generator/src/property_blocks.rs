//! Property blocks: identifiers that are none, their length, many properties, and those that need each other.

use crate::build::{Property, integer, overlong};
use crate::properties::{CARRIERS, Carrier, companions, method, plain};
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{Any, C2s, PropertyRow, S2c, V5, tables};

pub fn generate(set: &mut Set) {
    for carrier in CARRIERS {
        unknown(set, carrier);
        lengths(set, carrier);
        several(set, carrier);
    }
    authentication(set);
}

fn unknown(set: &mut Set, carrier: &Carrier) {
    let known = |id: u8| tables().properties.iter().any(|row| row.id() == id);
    let all = matches!(carrier.kind, "PUBLISH" | "CONNECT");
    let one_byte =
        (0..0x80).filter(|id| !known(*id) && (all || matches!(id, 0x00 | 0x04 | 0x2B | 0x7F)));
    let mut ids: Vec<Vec<u8>> = one_byte.map(|id| vec![id]).collect();
    ids.extend([
        vec![0x81, 0x01],
        vec![0xA6, 0x01],
        vec![0xFF, 0x7F],
        vec![0xFF, 0xFF, 0xFF, 0x7F],
    ]);
    for id in ids {
        let (case, at) = carrier.with(0, &[Property::raw(&id, &[0x00])]);
        let at = carrier.at(&case, "property", at);
        let spelt = crate::vector::hex(&id);
        let name = carrier.name(&format!("property-{spelt}"));
        let fault = Rule::PropertyUnknown.of(V5);
        let fault = if id.len() > 1 {
            fault.also(V5, ["U5-12", "", ""])
        } else {
            fault
        };
        let vector = Vector::refused(name, carrier.direction, case.body.packet(), fault, at);
        set.add(
            carrier.file,
            vector.comment(format!("no property has the identifier {spelt}")),
        );
    }
    // An identifier in more bytes than it needs, and in five.
    let (case, at) = carrier.with(0, &[Property::raw(&[0xA6, 0x00], &[0, 0, 0, 0])]);
    let at = carrier.at(&case, "property", at);
    let fault = Rule::IntegerOverlong
        .of(V5)
        .also(V5, ["U5-12 U5-10", "", ""]);
    let vector = Vector::refused(
        carrier.name("identifier-overlong"),
        carrier.direction,
        case.body.packet(),
        fault,
        at,
    );
    set.add(
        carrier.file,
        vector.comment("User Property with its identifier in two bytes"),
    );
    let (case, at) = carrier.with(
        0,
        &[Property::raw(
            &[0xA6, 0x80, 0x80, 0x80, 0x00],
            &[0, 0, 0, 0],
        )],
    );
    let at = carrier.at(&case, "property", at);
    let fault = Rule::IntegerTooLong
        .of(V5)
        .also(V5, ["U5-12 U5-10", "", ""]);
    let vector = Vector::refused(
        carrier.name("identifier-5-bytes"),
        carrier.direction,
        case.body.packet(),
        fault,
        at,
    );
    set.add(
        carrier.file,
        vector.comment("a property identifier of five bytes"),
    );
}

/// Property Length: overlong, of five bytes, a byte too small, too large, past the packet.
fn lengths(set: &mut Set, carrier: &Carrier) {
    let base = companions(carrier.kind, 0);
    let empty = (carrier.make)(&base);
    let lead: Vec<u8> = base.iter().flat_map(Property::bytes).collect();
    let mut add = |name: &str, comment: &str, bytes, fault, at: Option<usize>| {
        let vector = Vector::refused(carrier.name(name), carrier.direction, bytes, fault, at);
        set.add(carrier.file, vector.comment(comment));
    };
    for len in 2..=4 {
        let (bytes, at) = empty
            .body
            .with_block(carrier.prefix, &overlong(lead.len(), len), &lead);
        let name = format!("property-length-in-{len}-bytes");
        add(
            &name,
            &format!("property length {} in {len} bytes", lead.len()),
            bytes,
            Rule::IntegerOverlong.of(V5),
            Some(at),
        );
    }
    let (bytes, at) = empty
        .body
        .with_block(carrier.prefix, &overlong(lead.len(), 5), &lead);
    add(
        "property-length-in-5-bytes",
        "property length in five bytes",
        bytes,
        Rule::IntegerTooLong.of(V5),
        Some(at),
    );

    let pair = [&lead[..], &Property::pair("", "").bytes()[..]].concat();
    let (bytes, at) = empty
        .body
        .with_block(carrier.prefix, &integer(pair.len() - 1), &pair);
    let last = at + 1 + lead.len();
    add(
        "property-length-one-less",
        "property length one too small",
        bytes,
        Rule::PropertyBlock.of(V5),
        Some(last),
    );
    // What stands behind the block is taken for a property, if anything does.
    let (bytes, at) = empty
        .body
        .with_block(carrier.prefix, &integer(pair.len() + 1), &pair);
    let at_end = bytes.len() == at + 1 + pair.len();
    let mut fault = Rule::PropertyBlock.of(V5);
    if !at_end {
        fault = fault.also(V5, ["U5-10", "", ""]);
    }
    add(
        "property-length-one-more",
        "property length one too large",
        bytes,
        fault,
        at_end.then_some(at),
    );
    for (name, len) in [("past-packet", 127), ("far-past-packet", 268_435_455)] {
        let (bytes, at) = empty.body.with_block(carrier.prefix, &integer(len), &lead);
        let comment = format!("property length {len}, more than the packet");
        add(
            &format!("property-length-{name}"),
            &comment,
            bytes,
            Rule::PropertyBlock.of(V5),
            Some(at),
        );
    }
}

/// Many of one, and one of each in both orders.
fn several(set: &mut Set, carrier: &Carrier) {
    let base = companions(carrier.kind, 0);
    let many = |count: usize| [base.clone(), vec![Property::pair("n", "v"); count]].concat();
    for count in [3, 40] {
        let name = carrier.name(&format!("{count}-user-properties"));
        let case = (carrier.make)(&many(count));
        let vector = Vector::valid(name, carrier.direction, &case, "U5-13 U5-11");
        set.add(
            carrier.file,
            vector.comment(format!("{count} times the same User Property")),
        );
    }
    let ordered: Vec<_> = base
        .iter()
        .cloned()
        .chain(["b", "a", "c", "a"].map(|n| Property::pair(n, n)))
        .collect();
    let name = carrier.name("user-properties-in-order");
    let vector = Vector::valid(
        name,
        carrier.direction,
        &(carrier.make)(&ordered),
        "U5-11 U5-13",
    );
    set.add(
        carrier.file,
        vector.comment("User Properties keep their order"),
    );
    let directions = if carrier.direction == Any {
        vec![C2s, S2c]
    } else {
        vec![carrier.direction]
    };
    for direction in directions {
        let fits = |row: &&PropertyRow| {
            row.packets
                .get(carrier.kind)
                .is_some_and(|at| *at == Any || *at == direction)
        };
        let mut each: Vec<Property> = tables().properties.iter().filter(fits).map(plain).collect();
        let side = if carrier.direction == Any {
            format!(
                "-from-{}",
                if direction == C2s { "client" } else { "server" }
            )
        } else {
            String::new()
        };
        for order in ["", "-backwards"] {
            let name = carrier.name(&format!("one-of-each{side}{order}"));
            let vector = Vector::valid(name, direction, &(carrier.make)(&each), "U5-10 U5-11");
            set.add(
                carrier.file,
                vector.comment(format!("all {} properties of this packet", each.len())),
            );
            each.reverse();
        }
    }
}

/// Authentication Data and Method need each other.
fn authentication(set: &mut Set) {
    let data = Property::binary(0x16, "");
    for carrier in CARRIERS {
        let (rule, list) = match carrier.kind {
            "CONNECT" => (Rule::DataWithoutMethod, vec![data.clone()]),
            "CONNACK" => (Rule::ConnackDataWithoutMethod, vec![data.clone()]),
            "AUTH" => (Rule::MethodMissing, vec![data.clone()]),
            _ => continue,
        };
        let case = (carrier.make)(&list);
        let mut fault = rule.of(V5);
        if carrier.kind == "CONNACK" {
            fault = fault.may_pass("");
        }
        let at = case.body.at("properties");
        let vector = Vector::refused(
            "authentication-data-without-method",
            carrier.direction,
            case.body.packet(),
            fault,
            at,
        );
        set.add(
            carrier.file,
            vector.comment("Authentication Data without an Authentication Method"),
        );
        if carrier.kind == "AUTH" {
            for (name, list) in [
                ("no-properties", vec![]),
                ("reason-string-only", vec![Property::text(0x1F, "r")]),
            ] {
                let case = (carrier.make)(&list);
                let at = case.body.at("properties");
                let vector = Vector::refused(
                    name,
                    Any,
                    case.body.packet(),
                    Rule::MethodMissing.of(V5),
                    at,
                );
                set.add(carrier.file, vector.comment("no Authentication Method"));
            }
        }
        let list = vec![Property::binary(0x16, "d"), method()];
        let vector = Vector::valid(
            "authentication-data-first",
            carrier.direction,
            &(carrier.make)(&list),
            "U5-11 U5-10",
        );
        set.add(carrier.file, vector.comment("the data before the method"));
    }
}
