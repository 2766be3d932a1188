//! SUBSCRIBE and UNSUBSCRIBE.

use crate::build::Property;
use crate::common::{Sample, cuts, packet_ids, prefixes};
use crate::packet::{Case, file, subscribe, unsubscribe};
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{C2s, V5, V31, V311, Version};

pub fn generate(set: &mut Set) {
    options(set);
    for number in [8, 10] {
        requests(set, number);
        filters(set, number);
    }
}

fn request(
    version: Version,
    number: u8,
    id: u16,
    properties: &[Property],
    filters: &[&[u8]],
) -> Case {
    if number == 10 {
        return unsubscribe(version, id, properties, filters);
    }
    let filters: Vec<_> = filters.iter().map(|filter| (*filter, 1)).collect();
    subscribe(version, id, properties, &filters)
}

fn at_least_one(version: Version, number: u8) -> &'static str {
    if number == 8 {
        version.pick(
            "U31-36",
            "MQTT-3.8.3-3 MQTT-3.8.3-1",
            "MQTT-3.8.3-2 MQTT-3.8.3-1",
        )
    } else {
        version.pick(
            "U31-37",
            "MQTT-3.10.3-2 MQTT-3.10.3-1",
            "MQTT-3.10.3-2 MQTT-3.10.3-1",
        )
    }
}

fn requests(set: &mut Set, number: u8) {
    let version = set.version;
    let file = file(number);
    packet_ids(set, file, number, C2s, |id| {
        request(version, number, id, &[], &[b"a"])
    });
    let cites = at_least_one(version, number);
    let two = request(version, number, 1, &[], &[b"a", b"b/+"]);
    set.add(
        file,
        Vector::valid("two-filters", C2s, &two, cites).comment("two filters"),
    );
    let same = request(version, number, 1, &[], &[b"a", b"a"]);
    set.add(
        file,
        Vector::valid("one-filter-twice", C2s, &same, cites).comment("the same filter twice"),
    );
    for count in [40, 400] {
        let many = request(version, number, 1, &[], &vec![&b"f"[..]; count]);
        set.add(
            file,
            Vector::valid(format!("{count}-filters"), C2s, &many, cites)
                .comment(format!("{count} filters")),
        );
    }
    let none = request(version, number, 1, &[], &[]);
    let fault = Rule::NoFilters(number).of(version);
    let vector = Vector::refused(
        "no-filters",
        C2s,
        none.body.packet(),
        fault,
        none.body.end(),
    );
    set.add(file, vector.comment("no filter"));
    let plain = Sample::new(
        file,
        "plain",
        C2s,
        request(version, number, 0x1234, &[], &[b"a"]),
    );
    let properties = if version == V5 {
        vec![Property::pair("n", "v")]
    } else {
        vec![]
    };
    if version == V5 {
        let none = request(V5, number, 1, &properties, &[]);
        let fault = Rule::NoFilters(number).of(V5);
        let vector = Vector::refused(
            "no-filters-but-properties",
            C2s,
            none.body.packet(),
            fault,
            none.body.end(),
        );
        set.add(file, vector.comment("properties and no filter"));
    }
    let full = request(version, number, 0x1234, &properties, &[b"a/b", b"c/#"]);
    let full = Sample::new(file, "full", C2s, full);
    for sample in [&plain, &full] {
        cuts(set, sample, false);
        cuts(set, sample, true);
    }
    prefixes(set, &full);
    // Bytes behind the last filter are the beginning of a further one.
    let body = &plain.case.body;
    for (name, more) in [
        ("one-byte", &[0][..]),
        ("a-length", &[0, 1]),
        ("pingreq", &[0xC0, 0x00]),
    ] {
        let fault = Rule::Truncated.of(version).also(
            version,
            ["MQTT-3.8.3-1", "MQTT-3.8.3-1", ""].map(|cite| if number == 8 { cite } else { "" }),
        );
        let bytes = body.longer(more);
        let at = bytes.len() - more.len();
        let vector = Vector::refused(format!("plain-and-{name}"), C2s, bytes, fault, at);
        set.add(
            file,
            vector.comment("the beginning of a second filter, cut short"),
        );
    }
    if number == 8 {
        let bytes = body.longer(b"\0\x01b");
        let fault = Rule::Truncated
            .of(version)
            .also(version, ["MQTT-3.8.3-2", "MQTT-3.8.3-3", "U31-36"]);
        let at = bytes.len();
        let vector = Vector::refused("second-without-options", C2s, bytes, fault, at);
        set.add(file, vector.comment("a second filter without its options"));
    }
    if version == V5 && number == 8 {
        let ids = [Property::variable(0x0B, 0x7F), Property::pair("n", "v")];
        let case = subscribe(
            V5,
            1,
            &ids,
            &[(b"a/+", 0x2D), (b"$share/g/t", 0x1A), (b"#", 0x06)],
        );
        let vector = Vector::valid("every-field", C2s, &case, "MQTT-3.8.3-2 U5-81");
        set.add(
            file,
            vector.comment("an identifier and three filters with options"),
        );
    }
}

/// Each value of the options byte, on an ordinary filter; on a shared one; and of the second of two filters.
fn options(set: &mut Set) {
    let version = set.version;
    for options in 0..=255_u8 {
        let mut rules = Vec::new();
        let reserved = if version == V5 { 0xC0 } else { 0xFC };
        if options & reserved != 0 {
            rules.push(Rule::OptionsReserved);
        }
        if options & 3 == 3 {
            rules.push(Rule::SubscriptionQos3);
        }
        if version == V5 && options & 0x30 == 0x30 {
            rules.push(Rule::RetainHandling3);
        }
        let single = subscribe(version, 1, &[], &[(b"a", options)]);
        let second = subscribe(version, 1, &[], &[(b"a", 0), (b"b", options)]);
        for (place, case) in [("", single), ("-second", second)] {
            let name = format!("options-{options:02x}{place}");
            let comment = format!(
                "subscription options 0x{options:02x}{}",
                place.replace('-', " ")
            );
            let vector = if let Some(rule) = rules.first() {
                let mut fault = rule.of(version);
                for other in &rules[1..] {
                    for statement in other.of(version).statements {
                        if !fault.statements.contains(&statement) {
                            fault.statements.push(statement);
                        }
                    }
                }
                if version == V31 && options & 3 == 3 {
                    fault.may_pass = false;
                }
                let index = usize::from(!place.is_empty());
                let at = case.body.at(&format!("options {index}"));
                let vector = Vector::refused(name, C2s, case.body.packet(), fault, at);
                if rules.len() > 1 {
                    vector.tag("several")
                } else {
                    vector
                }
            } else {
                let cites = version.pick(
                    "U31-36",
                    "MQTT-3.8.3-4 MQTT-3.8.3-3",
                    "MQTT-3.8.3-5 MQTT-3.8.3-2",
                );
                Vector::valid(name, C2s, &case, cites)
            };
            // Every value once; behind a right one, a few stand for all.
            let few = matches!(options, 0x00..=0x04 | 0x08 | 0x2E | 0x30 | 0x40 | 0x80);
            if place.is_empty() || few {
                set.add("subscribe", vector.comment(comment));
            }
        }
        if version == V5 && rules.is_empty() {
            let case = subscribe(V5, 1, &[], &[(b"$share/g/t", options)]);
            let name = format!("shared-options-{options:02x}");
            let vector = if options & 4 != 0 {
                Vector::refused(
                    name,
                    C2s,
                    case.body.packet(),
                    Rule::NoLocalShared.of(V5),
                    case.body.at("options 0"),
                )
            } else {
                Vector::valid(name, C2s, &case, "MQTT-3.8.3-4 MQTT-4.8.2-1")
            };
            set.add(
                "subscribe",
                vector.comment(format!("shared subscription with options 0x{options:02x}")),
            );
        }
    }
}

fn filters(set: &mut Set, number: u8) {
    let version = set.version;
    let file = file(number);
    let long = vec![b'x'; 65_535];
    let good = |set: &mut Set, name: &str, filter: &[u8], cites: [&'static str; 3]| {
        let case = request(version, number, 1, &[], &[filter]);
        let [v5, v311, v31] = cites;
        let vector = Vector::valid(
            format!("filter-{name}"),
            C2s,
            &case,
            version.pick(v31, v311, v5),
        );
        let vector = if version == V31 && filter.len() > 32_767 {
            vector.cites("U31-33").alternative("malformed", "")
        } else if version == V5 && filter == b"$share" {
            vector.alternative("protocol-error", "A-52")
        } else {
            vector
        };
        set.add(
            file,
            vector.comment(format!("filter of {} bytes", filter.len())),
        );
    };
    let plus = ["MQTT-4.7.1-2", "MQTT-4.7.1-3", "U31-38"];
    let hash = ["MQTT-4.7.1-1", "MQTT-4.7.1-2", "U31-38"];
    let plain = ["MQTT-4.7.3-1 U5-105", "MQTT-4.7.3-1 U3-29", "U31-38"];
    for (name, filter, cites) in [
        ("plus", "+", plus),
        ("plus-plus", "+/+", plus),
        ("slash-plus", "/+", plus),
        ("plus-slash", "+/", plus),
        ("a-plus-b", "a/+/b", plus),
        ("plus-hash", "a/+/+/#", hash),
        ("hash", "#", hash),
        ("a-hash", "a/#", hash),
        ("slash-hash", "/#", hash),
        ("slash", "/", plain),
        ("slashes", "//", plain),
        ("space", " ", plain),
        ("dollar", "$SYS/#", hash),
        ("share-alone", "$share", plain),
        ("share-case", "$SHARE/g", plain),
        ("shared", "$shared/g", plain),
    ] {
        good(set, name, filter.as_bytes(), cites);
    }
    good(
        set,
        "65535-bytes",
        &long,
        ["MQTT-4.7.3-3 U5-02", "MQTT-4.7.3-3", "U31-38"],
    );
    let shared = ["MQTT-4.8.2-1 MQTT-4.8.2-2", "U3-31", "U31-38"];
    for (name, filter) in [
        ("shared-topic", "$share/g/t"),
        ("shared-hash", "$share/g/#"),
        ("shared-plus", "$share/g/+/x"),
        ("shared-slash", "$share/g//"),
        ("shared-dollar", "$share/g/$SYS/x"),
        ("shared-space", "$share/ /t"),
        ("shared-dollar-name", "$share/$/t"),
        ("shared-twice", "$share/g/$share/g/t"),
    ] {
        good(set, name, filter.as_bytes(), shared);
    }
    let mut bad = |name: &str, filter: &str, rule: Rule| {
        for (place, list) in [
            ("", vec![filter.as_bytes()]),
            ("-second", vec![&b"a"[..], filter.as_bytes()]),
        ] {
            let case = request(version, number, 1, &[], &list);
            let at = case.body.at(&format!("filter {}", list.len() - 1));
            let mut fault = rule.of(version);
            // By another reading it is no shared subscription, and an ordinary filter.
            if filter == "$share/" {
                fault = fault.may_pass("A-52");
            }
            let vector = Vector::refused(
                format!("filter-{name}{place}"),
                C2s,
                case.body.packet(),
                fault,
                at,
            );
            set.add(
                file,
                vector.comment(format!("filter {filter:?}{}", place.replace('-', " "))),
            );
        }
    };
    bad("empty", "", Rule::FilterEmpty);
    for (name, filter) in [
        ("letter-hash", "a#"),
        ("level-letter-hash", "a/b#"),
        ("hash-letter", "#a"),
        ("hash-slash", "#/"),
        ("hash-not-last", "a/#/b"),
        ("hash-hash", "##"),
        ("two-hashes", "#/#"),
        ("hash-inside", "a#b"),
        ("dollar-hash", "$SYS#"),
    ] {
        bad(name, filter, Rule::FilterHash);
    }
    for (name, filter) in [
        ("letter-plus", "a+"),
        ("plus-letter", "+a"),
        ("level-letter-plus", "a/b+"),
        ("plus-letter-level", "+a/b"),
        ("plus-twice", "++"),
        ("plus-inside", "a/b+c/d"),
        ("dollar-plus", "$SYS+/a"),
    ] {
        bad(name, filter, Rule::FilterPlus);
    }
    if version == V5 {
        for (name, filter, rule) in [
            ("share-slash", "$share/", Rule::ShareNameEmpty),
            ("share-no-name", "$share//t", Rule::ShareNameEmpty),
            ("share-no-slash", "$share/g", Rule::ShareForm),
            ("share-no-filter", "$share/g/", Rule::ShareForm),
            ("share-name-plus", "$share/+/t", Rule::ShareForm),
            ("share-name-with-plus", "$share/g+/t", Rule::ShareForm),
            ("share-name-hash", "$share/#/t", Rule::ShareForm),
            ("share-name-with-hash", "$share/g#/t", Rule::ShareForm),
            ("share-inner-hash", "$share/g/a#", Rule::FilterHash),
            (
                "share-inner-hash-not-last",
                "$share/g/#/a",
                Rule::FilterHash,
            ),
            ("share-inner-plus", "$share/g/a+", Rule::FilterPlus),
        ] {
            bad(name, filter, rule);
        }
        return;
    }
    // Before 5.0 these are ordinary filters.
    bad("share-name-with-plus", "$share/g+/t", Rule::FilterPlus);
    bad("share-name-hash", "$share/#/t", Rule::FilterHash);
    for (name, filter) in [
        ("share-slash", "$share/"),
        ("share-no-name", "$share//t"),
        ("share-no-slash", "$share/g"),
        ("share-no-filter", "$share/g/"),
        ("share-name-plus", "$share/+/t"),
    ] {
        let case = request(version, number, 1, &[], &[filter.as_bytes()]);
        let cites = if version == V311 { "U3-31" } else { "U31-38" };
        let vector = Vector::valid(format!("filter-{name}"), C2s, &case, cites).disputed("A-52");
        set.add(
            file,
            vector.comment(format!("{filter} is an ordinary filter")),
        );
    }
}
