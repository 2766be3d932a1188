//! The edges of UTF-8, in each string where they can be told apart.

use crate::build::Property;
use crate::packet::{Case, Connect, Will, connect, publish, subscribe, unsubscribe};
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{Any, C2s, Direction, V5, V31, Version};

const FILE: &str = "strings";

#[derive(Copy, Clone, Eq, PartialEq)]
enum Kind {
    Good,
    /// U+FEFF, which is a character.
    Mark,
    /// Not to be sent; a receiver may refuse it.
    May,
    Bad,
    Null,
}

use Kind::{Bad, Good, Mark, May, Null};

/// Name, bytes, kind, comment.
const SAMPLES: &[(&str, &[u8], Kind, &str)] = &[
    ("ascii", b"az AZ 09 !~", Good, "printable ASCII"),
    (
        "u+0080-to-07ff",
        b"\xc2\xa0\xc3\xa9\xdf\xbf",
        Good,
        "U+00A0, U+00E9, U+07FF",
    ),
    ("u+0800", b"\xe0\xa0\x80", Good, "the first of three bytes"),
    (
        "u+d7ff",
        b"\xed\x9f\xbf",
        Good,
        "the last before the surrogates",
    ),
    (
        "u+e000",
        b"\xee\x80\x80",
        Good,
        "the first behind the surrogates",
    ),
    (
        "u+fffd",
        b"\xef\xbf\xbd",
        Good,
        "the replacement character itself",
    ),
    (
        "u+10000",
        b"\xf0\x90\x80\x80",
        Good,
        "the first of four bytes",
    ),
    ("u+1f600", b"\xf0\x9f\x98\x80", Good, "four bytes"),
    (
        "u+10fffd",
        b"\xf4\x8f\xbf\xbd",
        Good,
        "the last that is a character",
    ),
    ("composed", b"\xc3\xa9", Good, "U+00E9"),
    (
        "decomposed",
        b"e\xcc\x81",
        Good,
        "the same letter in two code points",
    ),
    ("feff-first", b"\xef\xbb\xbfa", Mark, "U+FEFF first"),
    ("feff-inside", b"a\xef\xbb\xbfb", Mark, "U+FEFF inside"),
    ("feff-only", b"\xef\xbb\xbf", Mark, "U+FEFF only"),
    (
        "feff-twice",
        b"\xef\xbb\xbf\xef\xbb\xbf",
        Mark,
        "U+FEFF twice",
    ),
    ("u+0001", b"\x01", May, "a control character"),
    ("u+000a", b"a\nb", May, "a line feed"),
    (
        "u+001f",
        b"\x1f",
        May,
        "the last control character of ASCII below space",
    ),
    ("u+007f", b"\x7f", May, "delete"),
    (
        "u+0080",
        b"\xc2\x80",
        May,
        "the first of the further control characters",
    ),
    ("u+009f", b"\xc2\x9f", May, "the last of them"),
    ("u+fdd0", b"\xef\xb7\x90", May, "a noncharacter"),
    ("u+fdef", b"\xef\xb7\xaf", May, "a noncharacter"),
    ("u+fffe", b"\xef\xbf\xbe", May, "a noncharacter"),
    ("u+ffff", b"\xef\xbf\xbf", May, "a noncharacter"),
    ("u+1fffe", b"\xf0\x9f\xbf\xbe", May, "a noncharacter"),
    ("u+1ffff", b"\xf0\x9f\xbf\xbf", May, "a noncharacter"),
    (
        "u+10ffff",
        b"\xf4\x8f\xbf\xbf",
        May,
        "the last code point, a noncharacter",
    ),
    ("u+0000", b"\x00", Null, "U+0000 only"),
    ("u+0000-first", b"\x00a", Null, "U+0000 first"),
    ("u+0000-inside", b"a\x00b", Null, "U+0000 inside"),
    ("u+0000-last", b"a\x00", Null, "U+0000 last"),
    ("u+0000-in-2-bytes", b"\xc0\x80", Bad, "U+0000 as C0 80"),
    ("overlong-2", b"\xc1\xbf", Bad, "U+007F in two bytes"),
    ("overlong-2-slash", b"\xc0\xaf", Bad, "a slash in two bytes"),
    ("overlong-3", b"\xe0\x9f\xbf", Bad, "U+07FF in three bytes"),
    (
        "overlong-3-null",
        b"\xe0\x80\x80",
        Bad,
        "U+0000 in three bytes",
    ),
    (
        "overlong-4",
        b"\xf0\x8f\xbf\xbf",
        Bad,
        "U+FFFF in four bytes",
    ),
    (
        "overlong-4-null",
        b"\xf0\x80\x80\x80",
        Bad,
        "U+0000 in four bytes",
    ),
    ("u+d800", b"\xed\xa0\x80", Bad, "the first high surrogate"),
    ("u+dbff", b"\xed\xaf\xbf", Bad, "the last high surrogate"),
    ("u+dc00", b"\xed\xb0\x80", Bad, "the first low surrogate"),
    ("u+dfff", b"\xed\xbf\xbf", Bad, "the last low surrogate"),
    (
        "surrogate-pair",
        b"\xed\xa0\xbd\xed\xb8\x80",
        Bad,
        "U+1F600 as two surrogates",
    ),
    (
        "surrogate-inside",
        b"a\xed\xa0\x80b",
        Bad,
        "a surrogate between letters",
    ),
    (
        "u+110000",
        b"\xf4\x90\x80\x80",
        Bad,
        "one above the last code point",
    ),
    (
        "f5",
        b"\xf5\x80\x80\x80",
        Bad,
        "a first byte that there is not",
    ),
    ("f8", b"\xf8\x88\x80\x80\x80", Bad, "five bytes"),
    ("fc", b"\xfc\x84\x80\x80\x80\x80", Bad, "six bytes"),
    ("fe", b"\xfe", Bad, "FE"),
    ("ff", b"\xff", Bad, "FF"),
    ("continuation", b"\x80", Bad, "a continuation byte alone"),
    ("continuation-bf", b"\xbf", Bad, "a continuation byte alone"),
    (
        "continuation-behind",
        b"a\x80",
        Bad,
        "a continuation byte behind a letter",
    ),
    (
        "continuation-too-many",
        b"\xc3\xa9\xa9",
        Bad,
        "one continuation byte too many",
    ),
    ("cut-2", b"\xc3", Bad, "one of two bytes"),
    ("cut-3", b"\xe2\x82", Bad, "two of three bytes"),
    ("cut-3-first", b"\xe2", Bad, "one of three bytes"),
    ("cut-4", b"\xf0\x9f\x98", Bad, "three of four bytes"),
    (
        "cut-2-inside",
        b"\xc3a",
        Bad,
        "one of two bytes, then a letter",
    ),
    (
        "cut-3-inside",
        b"\xe2\x82a",
        Bad,
        "two of three bytes, then a letter",
    ),
    (
        "cut-4-inside",
        b"\xf0\x9f\x98a",
        Bad,
        "three of four bytes, then a letter",
    ),
    ("utf-16", b"\xff\xfe\xe9\x20", Bad, "UTF-16"),
    ("latin-1", b"\xe9t\xe9", Bad, "Latin-1"),
];

/// A string field: its name, the direction, what holds for it in 5.0, 3.1.1 and 3.1, whether U+0000 is forbidden in
/// it by 3.1 too, the field of the body, and how far into it the string begins.
struct Place {
    name: &'static str,
    direction: Direction,
    cites: [&'static str; 3],
    topic: bool,
    field: &'static str,
    make: fn(Version, &[u8]) -> Case,
    into: usize,
}

const PLACES: &[Place] = &[
    Place {
        name: "topic",
        direction: Any,
        cites: ["MQTT-3.3.2-1", "MQTT-3.3.2-1", "U31-32"],
        topic: true,
        field: "topic",
        make: |version, text| publish(version, 0, text, 0, &[], b"x"),
        into: 0,
    },
    Place {
        name: "will-topic",
        direction: C2s,
        cites: ["MQTT-3.1.3-11", "MQTT-3.1.3-10", "U31-18"],
        topic: true,
        field: "will topic",
        make: |version, topic| {
            let will = Some(Will {
                topic,
                ..Will::default()
            });
            connect(
                version,
                &Connect {
                    will,
                    ..Connect::default()
                },
            )
        },
        into: 0,
    },
    Place {
        name: "client-id",
        direction: C2s,
        cites: ["MQTT-3.1.3-4", "MQTT-3.1.3-4", ""],
        topic: false,
        field: "client id",
        make: |version, client_id| {
            connect(
                version,
                &Connect {
                    client_id,
                    ..Connect::default()
                },
            )
        },
        into: 0,
    },
    Place {
        name: "user-name",
        direction: C2s,
        cites: ["MQTT-3.1.3-12", "MQTT-3.1.3-11", "U31-23"],
        topic: false,
        field: "user name",
        make: |version, text| {
            connect(
                version,
                &Connect {
                    user_name: Some(text),
                    ..Connect::default()
                },
            )
        },
        into: 0,
    },
    Place {
        name: "subscribe-filter",
        direction: C2s,
        cites: ["MQTT-3.8.3-1", "MQTT-3.8.3-1", ""],
        topic: true,
        field: "filter 0",
        make: |version, text| subscribe(version, 1, &[], &[(text, 0)]),
        into: 0,
    },
    Place {
        name: "unsubscribe-filter",
        direction: C2s,
        cites: ["MQTT-3.10.3-1", "MQTT-3.10.3-1", ""],
        topic: true,
        field: "filter 0",
        make: |version, text| unsubscribe(version, 1, &[], &[text]),
        into: 0,
    },
    Place {
        name: "user-property-name",
        direction: Any,
        cites: ["MQTT-1.5.7-1", "", ""],
        topic: false,
        field: "value 0",
        make: |_, text| publish(V5, 0, "a", 0, &[Property::pair(text, "v")], b"x"),
        into: 0,
    },
    Place {
        name: "user-property-value",
        direction: Any,
        cites: ["MQTT-1.5.7-1", "", ""],
        topic: false,
        field: "value 0",
        make: |_, text| publish(V5, 0, "a", 0, &[Property::pair("n", text)], b"x"),
        into: 3,
    },
];

pub fn generate(set: &mut Set) {
    let version = set.version;
    for place in PLACES {
        if place.cites[1].is_empty() && version != V5 {
            continue;
        }
        for &(name, text, kind, comment) in SAMPLES {
            let case = (place.make)(version, text);
            let name = format!("{}-{name}", place.name);
            let refused = |rule: Rule| {
                let mut fault = rule.of(version).also(version, place.cites);
                if rule == Rule::Null {
                    if place.topic {
                        fault = fault.also(version, ["MQTT-4.7.3-2", "MQTT-4.7.3-2", ""]);
                    } else if version == V31 {
                        fault = fault.may_pass("");
                    }
                }
                // 3.1 points to Java's writeUTF, which writes these.
                let java =
                    text == b"\xed\xa0\xbd\xed\xb8\x80" || text == b"\xc0\x80" && !place.topic;
                if version == V31 && java {
                    fault = fault.may_pass("");
                }
                let at = case.body.at(place.field) + place.into;
                Vector::refused(name.clone(), place.direction, case.body.packet(), fault, at)
            };
            let valid = |cites: [&'static str; 3]| {
                let [v5, v311, v31] = cites;
                Vector::valid(
                    name.clone(),
                    place.direction,
                    &case,
                    version.pick(v31, v311, v5),
                )
            };
            let vector = match kind {
                // And its readUTF knows no character of four bytes.
                Good if version == V31 && text.iter().any(|byte| *byte >= 0xF0) => {
                    valid(["", "", "U31-12"]).alternative("malformed", "")
                }
                Good => valid(["MQTT-1.5.4-1", "MQTT-1.5.3-1", "U31-12"]),
                Mark => valid(["MQTT-1.5.4-3", "MQTT-1.5.3-3", "U31-12"]),
                May => valid(["U5-03", "U3-02", "U31-12"])
                    .alternative("malformed", "A-17")
                    .tag("may"),
                Bad => refused(Rule::Utf8),
                Null => refused(Rule::Null),
            };
            let place = place.name.replace('-', " ");
            set.add(FILE, vector.comment(format!("{place}: {comment}")));
        }
    }
}
