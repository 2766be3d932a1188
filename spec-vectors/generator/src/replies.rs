//! CONNACK, SUBACK and UNSUBACK.

use crate::build::Property;
use crate::common::{Sample, cuts, left_over, packet_ids, prefixes};
use crate::packet::{codes, connack, file, name};
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{S2c, V5, V31, V311, reason};

pub fn generate(set: &mut Set) {
    connacks(set);
    for number in [9, 11] {
        code_lists(set, number);
    }
}

fn connacks(set: &mut Set) {
    let version = set.version;
    let file = "connack";
    let known = |code: u8| {
        if version == V5 {
            reason("CONNACK", code).is_some()
        } else {
            code <= 5
        }
    };
    for code in 0..=255 {
        let case = connack(version, 0, code, &[]);
        let comment = format!("code 0x{code:02x}");
        let name = format!("code-{code:02x}");
        let vector = if known(code) {
            Vector::valid(
                name,
                S2c,
                &case,
                version.pick("U31-29", "U3-17", "MQTT-3.2.2-8"),
            )
        } else {
            Vector::refused(
                name,
                S2c,
                case.body.packet(),
                Rule::Reason(2).of(version),
                case.body.at("code"),
            )
        };
        set.add(file, vector.comment(comment));
        if code != 0 && known(code) && version != V31 {
            let case = connack(version, 1, code, &[]);
            let fault = Rule::SessionPresentRefused.of(version);
            let vector = Vector::refused(
                format!("session-present-{code:02x}"),
                S2c,
                case.body.packet(),
                fault,
                case.body.at("flags"),
            );
            set.add(
                file,
                vector.comment(format!("session present with the refusal 0x{code:02x}")),
            );
        }
    }
    for flags in 0..=255 {
        let case = connack(version, flags, 0, &[]);
        let name = format!("flags-{flags:02x}");
        let vector = if version == V31 {
            let vector = Vector::valid(name, S2c, &case, "U31-28");
            if flags == 0 {
                vector
            } else {
                vector.rewritten(None).alternative("malformed", "")
            }
        } else if flags <= 1 {
            Vector::valid(name, S2c, &case, version.pick("", "U3-15", "MQTT-3.2.2-1"))
        } else {
            Vector::refused(
                name,
                S2c,
                case.body.packet(),
                Rule::ConnackFlags.of(version),
                case.body.at("flags"),
            )
        };
        set.add(
            file,
            vector.comment(format!("acknowledge flags 0x{flags:02x}")),
        );
    }
    if version == V31 {
        let vector = Vector::valid("flags-01-code-05", S2c, &connack(V31, 1, 5, &[]), "U31-28")
            .rewritten(None)
            .alternative("malformed", "");
        set.add(
            file,
            vector.comment("a refusal with a value in the reserved byte"),
        );
    }
    let also = ["", "U3-21", ""];
    let plain = Sample::new(file, "plain", S2c, connack(version, 0, 0, &[]));
    cuts(set, &plain, false);
    cuts(set, &plain, true);
    left_over(set, &plain, also);
    if version == V5 {
        let list = [
            Property::four(0x11, 10),
            Property::text(0x12, "id"),
            Property::pair("n", "v"),
        ];
        let full = Sample::new(file, "full", S2c, connack(V5, 1, 0, &list));
        cuts(set, &full, false);
        cuts(set, &full, true);
        prefixes(set, &full);
        left_over(set, &full, also);
    } else {
        prefixes(set, &plain);
        let five = connack(V5, 0, 0, &[]);
        let fault = Rule::Trailing.of(version).also(version, also);
        set.add(
            file,
            Vector::refused("of-5.0", S2c, five.body.packet(), fault, 4)
                .comment("a property length of 5.0"),
        );
    }
}

fn code_lists(set: &mut Set, number: u8) {
    let version = set.version;
    let (file, kind) = (file(number), name(number));
    let make = |id, list: &[u8]| codes(version, number, id, &[], list);
    packet_ids(set, file, number, S2c, |id| make(id, &[0]));
    let sample = Sample::new(
        file,
        "plain",
        S2c,
        codes(version, number, 0x1234, &[], &[0]),
    );
    cuts(set, &sample, false);
    cuts(set, &sample, true);
    prefixes(set, &sample);
    if version == V5 {
        let list = [Property::text(0x1F, "why"), Property::pair("n", "v")];
        let sample = Sample::new(
            file,
            "full",
            S2c,
            codes(V5, number, 0x1234, &list, &[0x80, 0x00]),
        );
        cuts(set, &sample, false);
        cuts(set, &sample, true);
        prefixes(set, &sample);
    }
    if number == 11 && version != V5 {
        left_over(set, &sample, ["", "U3-21", "U31-42"]);
        let fault = Rule::Trailing
            .of(version)
            .also(version, ["", "U3-21", "U31-42"]);
        let five = codes(V5, 11, 1, &[], &[0]);
        set.add(
            file,
            Vector::refused("of-5.0", S2c, five.body.packet(), fault, 4)
                .comment("property length and code of 5.0"),
        );
        return;
    }
    let known = |code: u8| match version {
        V5 => reason(kind, code).is_some(),
        V311 => matches!(code, 0 | 1 | 2 | 0x80),
        V31 => code <= 2,
    };
    let cites = if number == 9 {
        version.pick(
            "U31-39",
            "MQTT-3.9.3-2 MQTT-3.8.4-5 U3-23",
            "MQTT-3.9.3-2 MQTT-3.8.4-6",
        )
    } else {
        "MQTT-3.11.3-2"
    };
    let mut right = Vec::new();
    for code in 0..=255 {
        if known(code) {
            right.push(code);
            let vector = Vector::valid(format!("code-{code:02x}"), S2c, &make(1, &[code]), cites);
            set.add(file, vector.comment(format!("code 0x{code:02x}")));
            continue;
        }
        for (place, list) in [("", &[code][..]), ("-second", &[0, code])] {
            // Behind a right one, a few stand for all.
            if !place.is_empty() && !matches!(code, 0x03 | 0x10 | 0x7F | 0x81 | 0x92 | 0xFF) {
                continue;
            }
            let case = make(1, list);
            let at = case.body.at(&format!("code {}", list.len() - 1));
            let mut fault = Rule::Reason(number).of(version);
            if version == V31 && code == 0x80 {
                fault = fault.may_pass("");
            }
            let vector = Vector::refused(
                format!("code-{code:02x}{place}"),
                S2c,
                case.body.packet(),
                fault,
                at,
            );
            set.add(
                file,
                vector.comment(format!("code 0x{code:02x}{}", place.replace('-', " "))),
            );
        }
    }
    let vector = Vector::valid("every-code", S2c, &make(1, &right), cites);
    set.add(file, vector.comment("every code that there is"));
    for count in [2, 128, 1000] {
        let vector = Vector::valid(
            format!("{count}-codes"),
            S2c,
            &make(1, &vec![0; count]),
            cites,
        );
        set.add(file, vector.comment(format!("{count} codes")));
    }
}
