//! PINGREQ, PINGRESP, DISCONNECT and AUTH.

use crate::acks::{all_codes, forms};
use crate::build::Property;
use crate::common::{Sample, cuts, left_over, prefixes};
use crate::packet::{Form, ending, file, ping};
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{Any, C2s, S2c, V5};

pub fn generate(set: &mut Set) {
    let version = set.version;
    let also = ["U5-89", "U3-21", "U31-43"];
    for (number, direction) in [(12, C2s), (13, S2c)] {
        let cites = version.pick("U31-43", "U3-21", "U5-89");
        let vector = Vector::valid("plain", direction, &ping(number), cites);
        set.add(file(number), vector.comment("two bytes"));
        let sample = Sample::new(file(number), "plain", direction, ping(number));
        prefixes(set, &sample);
        left_over(set, &sample, also);
    }
    let plain = ending(version, 14, 0, &[], Form::Short);
    if version != V5 {
        let vector = Vector::valid("plain", C2s, &plain, version.pick("U31-43", "U3-21", ""));
        set.add("disconnect", vector.comment("two bytes"));
        let sample = Sample::new("disconnect", "plain", C2s, plain);
        prefixes(set, &sample);
        left_over(set, &sample, also);
        let five = ending(V5, 14, 4, &[], Form::Code);
        let fault = Rule::Trailing.of(version).also(version, also);
        let vector = Vector::refused("of-5.0", C2s, five.body.packet(), fault, 2);
        set.add("disconnect", vector.comment("a reason code of 5.0"));
        return;
    }
    let pair = || vec![Property::pair("n", "v")];
    let method = || Property::text(0x15, "m");
    all_codes(set, 14, |code, form| {
        ending(
            V5,
            14,
            code,
            &if form == Form::Full { pair() } else { vec![] },
            form,
        )
    });
    forms(set, 14, |code, form| ending(V5, 14, code, &[], form));
    all_codes(set, 15, |code, form| {
        ending(V5, 15, code, &[method()], form)
    });
    short_auth(set);
    for (number, code, list) in [
        (
            14,
            0x80,
            vec![Property::text(0x1F, "why"), Property::pair("n", "v")],
        ),
        (
            15,
            0x18,
            vec![
                method(),
                Property::binary(0x16, "data"),
                Property::pair("n", "v"),
            ],
        ),
    ] {
        let sample = Sample::new(
            file(number),
            "full",
            Any,
            ending(V5, number, code, &list, Form::Full),
        );
        cuts(set, &sample, false);
        cuts(set, &sample, true);
        prefixes(set, &sample);
        left_over(set, &sample, [""; 3]);
    }
    let sample = Sample::new(
        "disconnect",
        "no-properties",
        Any,
        ending(V5, 14, 0, &[], Form::Full),
    );
    left_over(set, &sample, [""; 3]);
}

/// AUTH without what its own section demands: one sentence lets it be short, another wants a method in it.
fn short_auth(set: &mut Set) {
    for (name, code, direction, form) in [
        ("short", 0x00, Any, Form::Short),
        ("code-00-alone", 0x00, S2c, Form::Code),
        ("code-18-alone", 0x18, Any, Form::Code),
        ("code-19-alone", 0x19, C2s, Form::Code),
    ] {
        let case = ending(V5, 15, code, &[], form);
        let vector = Vector::valid(name, direction, &case, "U5-94 U5-95").rewritten(None);
        let vector = vector
            .alternative("protocol-error", "A-02")
            .alternative("malformed", "A-02");
        set.add(
            "auth",
            vector.comment(format!("reason code 0x{code:02x} and no method")),
        );
    }
    for (name, code, direction, form) in [
        ("code-00-alone-from-client", 0x00, C2s, Form::Code),
        ("code-19-alone-from-server", 0x19, S2c, Form::Code),
        ("code-80-alone", 0x80, Any, Form::Code),
    ] {
        let case = ending(V5, 15, code, &[], form);
        let fault = Rule::Reason(15)
            .of(V5)
            .also(V5, ["U5-95 U5-94", "", ""])
            .disputed("A-02");
        let vector =
            Vector::refused(name, direction, case.body.packet(), fault, None).tag("several");
        set.add(
            "auth",
            vector.comment(format!(
                "reason code 0x{code:02x}, not of this side, and no method"
            )),
        );
    }
}
