//! PUBACK, PUBREC, PUBREL and PUBCOMP; and the codes that 5.0 has in these, DISCONNECT and AUTH.

use crate::build::Property;
use crate::common::{Sample, cuts, left_over, packet_ids, prefixes};
use crate::packet::{Case, Form, ack, file, name};
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{Any, C2s, Direction, S2c, V5, reason};

pub fn generate(set: &mut Set) {
    let version = set.version;
    for number in 4..=7 {
        let file = file(number);
        let make = |id| ack(version, number, id, 0, &[], Form::Short);
        packet_ids(set, file, number, Any, make);
        let also = ["", "U3-21", "U31-44"];
        if version == V5 {
            all_codes(set, number, |code, form| {
                let list = if form == Form::Full {
                    vec![Property::pair("n", "v")]
                } else {
                    vec![]
                };
                ack(V5, number, 1, code, &list, form)
            });
            forms(set, number, |code, form| {
                ack(V5, number, 1, code, &[], form)
            });
            let full = ack(
                V5,
                number,
                0x1234,
                0,
                &[Property::text(0x1F, "why"), Property::pair("n", "v")],
                Form::Full,
            );
            let sample = Sample::new(file, "full", Any, full);
            cuts(set, &sample, false);
            cuts(set, &sample, true);
            prefixes(set, &sample);
            left_over(set, &sample, also);
            let sample = Sample::new(
                file,
                "no-properties",
                Any,
                ack(V5, number, 1, 0, &[], Form::Full),
            );
            left_over(set, &sample, also);
        } else {
            let sample = Sample::new(file, "plain", Any, make(0x1234));
            cuts(set, &sample, false);
            cuts(set, &sample, true);
            prefixes(set, &sample);
            left_over(set, &sample, also);
            let five = ack(V5, number, 1, 0, &[], Form::Full);
            let fault = Rule::Trailing.of(version).also(version, also);
            let vector = Vector::refused("of-5.0", Any, five.body.packet(), fault, 4);
            set.add(
                file,
                vector.comment("reason code and property length of 5.0"),
            );
        }
    }
}

fn sides(direction: Direction) -> &'static str {
    match direction {
        C2s => "-from-client",
        S2c => "-from-server",
        Any => "",
    }
}

/// Every value of the reason code, from both sides where it matters, in a packet that has properties too. What is
/// right is there without them as well.
pub fn all_codes(set: &mut Set, number: u8, make: impl Fn(u8, Form) -> Case) {
    let (file, kind) = (file(number), name(number));
    let cites = match number {
        4 => "MQTT-3.4.2-1",
        5 => "MQTT-3.5.2-1",
        6 => "MQTT-3.6.2-1",
        7 => "MQTT-3.7.2-1",
        14 => "MQTT-3.14.2-1",
        _ => "MQTT-3.15.2-1 U5-95",
    };
    for code in 0..=255_u8 {
        let case = make(code, Form::Full);
        let at = case.body.at("code");
        let refused = |direction: Direction| {
            let fault = Rule::Reason(number).of(V5);
            let fault = if number == 15 && reason(kind, code).is_some() {
                fault.also(V5, ["U5-95", "", ""])
            } else {
                fault
            };
            let name = format!("code-{code:02x}{}", sides(direction));
            let comment = format!(
                "reason code 0x{code:02x}{}",
                sides(direction).replace('-', " ")
            );
            Vector::refused(name, direction, case.body.packet(), fault, at).comment(comment)
        };
        let Some((direction, row)) = reason(kind, code) else {
            set.add(file, refused(Any));
            continue;
        };
        if let Some(wrong) = direction.opposite() {
            set.add(file, refused(wrong));
        }
        let disputed = row.ambiguity.get(kind);
        let split = if disputed.is_some() && direction == Any {
            vec![C2s, S2c]
        } else {
            vec![direction]
        };
        for direction in split {
            for form in [Form::Full, Form::Code] {
                // AUTH has no place for its method then.
                if form == Form::Code && (number == 15 || code == 0) {
                    continue;
                }
                let suffix = if form == Form::Code { "-alone" } else { "" };
                let name = format!("code-{code:02x}{}{suffix}", sides(direction));
                let mut vector = Vector::valid(name, direction, &make(code, form), cites);
                if code == 0x10 {
                    vector = vector.cites("U5-74");
                }
                if form == Form::Code {
                    vector = vector
                        .cites(if number == 14 { "U5-90" } else { "U5-73" })
                        .alternative("malformed", "A-05");
                }
                if let Some(ambiguity) = disputed.and_then(|sides| sides.get(&direction)) {
                    vector = vector.alternative("protocol-error", ambiguity.as_str());
                }
                set.add(file, vector.comment(format!("{} (0x{code:02x})", row.name)));
            }
        }
    }
}

/// What may be left out, is there or not.
pub fn forms(set: &mut Set, number: u8, make: impl Fn(u8, Form) -> Case) {
    let file = file(number);
    let cites = if number == 14 { "U5-90" } else { "U5-73" };
    let vector = Vector::valid("short", Any, &make(0, Form::Short), cites);
    set.add(
        file,
        vector.comment("no reason code and no property length"),
    );
    let vector = Vector::valid("code-only", Any, &make(0, Form::Code), cites).rewritten(None);
    set.add(
        file,
        vector
            .alternative("malformed", "A-05")
            .comment("reason code 0x00 and no property length"),
    );
    let vector = Vector::valid("code-and-length", Any, &make(0, Form::Full), cites).rewritten(None);
    set.add(
        file,
        vector.comment("reason code 0x00 and property length 0"),
    );
    let failure = match number {
        4 | 5 => 0x80,
        6 | 7 => 0x92,
        _ => 0x81,
    };
    let vector =
        Vector::valid("failure-and-length", Any, &make(failure, Form::Full), cites).rewritten(None);
    set.add(file, vector.comment("a failure and property length 0"));
}
