//! PUBLISH: the flags, topics, packet identifiers and payloads.

use crate::build::Property;
use crate::common::{Sample, cuts, packet_ids, prefixes};
use crate::packet::publish;
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{Any, C2s, S2c, V5, V31};

const FILE: &str = "publish";

pub fn generate(set: &mut Set) {
    let version = set.version;
    flags(set);
    topics(set);
    payloads(set);
    packet_ids(set, FILE, 3, Any, |id| {
        publish(version, 2, "a", id, &[], b"x")
    });
    let zero = publish(version, 4, "a", 0, &[], b"x");
    let fault = Rule::PacketIdZero(3).of(version);
    let vector = Vector::refused(
        "packet-id-0-qos-2",
        Any,
        zero.body.packet(),
        fault,
        zero.body.at("packet id"),
    );
    set.add(FILE, vector.comment("packet identifier 0, QoS 2"));
    for (name, flags) in [("qos-0", 0), ("qos-1", 2), ("qos-2", 4)] {
        let properties = if version == V5 {
            vec![Property::pair("n", "v")]
        } else {
            vec![]
        };
        let case = publish(version, flags, "a/b", 0x1234, &properties, b"payload");
        let sample = Sample::new(FILE, name, Any, case);
        cuts(set, &sample, false);
        cuts(set, &sample, true);
        if flags == 2 {
            prefixes(set, &sample);
        }
    }
    if version == V5 {
        aliases(set);
    }
}

fn flags(set: &mut Set) {
    let version = set.version;
    for flags in 0..16 {
        let case = publish(version, flags, "a", 1, &[], b"x");
        let (dup, qos) = (flags & 8 != 0, flags >> 1 & 3);
        let rule = match qos {
            3 => Some(Rule::Qos3),
            0 if dup && version != V31 => Some(Rule::DupQos0),
            _ => None,
        };
        let name = format!("flags-{flags:x}");
        let comment = format!("DUP {}, QoS {qos}, RETAIN {}", u8::from(dup), flags & 1);
        let vector = match rule {
            Some(rule) => Vector::refused(name, Any, case.body.packet(), rule.of(version), 0),
            None => {
                let cites = match qos {
                    0 => version.pick(
                        "U31-10",
                        "MQTT-2.3.1-5 MQTT-3.3.2-1",
                        "MQTT-2.2.1-2 MQTT-2.2.2-1 MQTT-3.3.2-1",
                    ),
                    _ => version.pick(
                        "U31-10",
                        "MQTT-2.3.1-1 MQTT-3.3.1-4",
                        "MQTT-2.2.1-3 MQTT-3.3.1-4",
                    ),
                };
                let vector = Vector::valid(name, Any, &case, cites);
                if version == V31 && dup && qos == 0 {
                    vector.cites("U31-03")
                } else {
                    vector
                }
            }
        };
        set.add(FILE, vector.comment(comment));
    }
}

fn topics(set: &mut Set) {
    let version = set.version;
    let cites = version.pick("U31-32 U31-12", "MQTT-4.7.3-1 U3-29", "MQTT-4.7.3-1 U5-105");
    let long = |len: usize| vec![b'x'; len];
    let mut add = |name: String, topic: &[u8], qos: u8| {
        let vector = Vector::valid(
            name,
            Any,
            &publish(version, qos << 1, topic, 1, &[], b""),
            cites,
        );
        let vector = match topic.len() {
            32_768.. if version == V31 => vector.cites("U31-33").alternative("malformed", ""),
            32_767 if version == V31 => vector.cites("U31-33"),
            65_535 => vector.cites(version.pick("", "MQTT-4.7.3-3", "MQTT-4.7.3-3 U5-02")),
            _ => vector,
        };
        set.add(
            FILE,
            vector.comment(format!("topic name of {} bytes", topic.len())),
        );
    };
    for (name, topic) in [
        ("one-character", "a"),
        ("slash", "/"),
        ("slashes", "///"),
        ("leading-slash", "/a"),
        ("trailing-slash", "a/"),
        ("empty-level", "a//b"),
        ("space", " "),
        ("spaces", "a b/c d"),
        ("dollar", "$SYS/a"),
        ("dollar-alone", "$"),
        ("dollar-inside", "a/$b"),
        ("share", "$share/g/t"),
        ("case", "A/a"),
        ("two-byte-characters", "\u{e9}/\u{fc}"),
        ("many-levels", "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"),
    ] {
        for qos in [0, 1] {
            add(format!("topic-{name}-qos-{qos}"), topic.as_bytes(), qos);
        }
    }
    for len in [127, 128, 255, 256, 32_767, 32_768, 65_535] {
        add(format!("topic-{len}-bytes"), &long(len), 0);
    }
    for (name, topic) in [
        ("plus", "+"),
        ("hash", "#"),
        ("level-plus", "a/+"),
        ("level-hash", "a/#"),
        ("plus-first", "+/a"),
        ("plus-inside", "a+b"),
        ("hash-inside", "a#b"),
        ("plus-last", "a+"),
        ("hash-last", "a#"),
        ("slash-hash", "/#"),
        ("behind-dollar", "$SYS/#"),
    ] {
        for qos in 0..3 {
            let case = publish(version, qos << 1, topic, 1, &[], b"x");
            let fault = Rule::TopicWildcard.of(version);
            let name = format!("topic-wildcard-{name}-qos-{qos}");
            let vector =
                Vector::refused(name, Any, case.body.packet(), fault, case.body.at("topic"));
            set.add(
                FILE,
                vector.comment(format!("wildcard in the topic name {topic:?}")),
            );
        }
    }
    for qos in 0..3 {
        let case = publish(version, qos << 1, "", 1, &[], b"x");
        let fault = Rule::TopicEmpty.of(version);
        let vector = Vector::refused(
            format!("topic-empty-qos-{qos}"),
            Any,
            case.body.packet(),
            fault,
            case.body.at("topic"),
        );
        set.add(FILE, vector.comment("a topic name of no characters"));
    }
}

fn payloads(set: &mut Set) {
    let version = set.version;
    let cites = version.pick("U31-10", "U3-06", "U5-14");
    // A length of four bytes is what the algorithm first printed in 3.1.1 could not read.
    let long = version.pick("U31-08", "U3-04 U3-05", "U5-04");
    let mut add = |name: String, payload: &[u8], qos: u8| {
        let case = publish(version, qos << 1, "a", 1, &[], payload);
        let mut vector = Vector::valid(name, Any, &case, cites);
        if payload.len() > 100 {
            vector = vector.cites(long);
        }
        set.add(
            FILE,
            vector.comment(format!("payload of {} bytes", payload.len())),
        );
    };
    for qos in 0..3 {
        add(format!("payload-empty-qos-{qos}"), b"", qos);
        add(
            format!("payload-any-bytes-qos-{qos}"),
            &[0x00, 0xFF, 0xC0, 0x80, 0x30, 0x00],
            qos,
        );
    }
    // The lengths at which the Remaining Length needs one byte more.
    for remaining in [127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        for qos in [0, 1] {
            let header = publish(version, qos << 1, "a", 1, &[], b"")
                .body
                .bytes
                .len();
            add(
                format!("remaining-length-{remaining}-qos-{qos}"),
                &vec![b'x'; remaining - header],
                qos,
            );
        }
    }
}

/// An empty topic name, which 5.0 allows with a Topic Alias.
fn aliases(set: &mut Set) {
    for alias in [1, 0xFFFF] {
        for qos in 0..3 {
            let case = publish(V5, qos << 1, "", 1, &[Property::two(0x23, alias)], b"x");
            let vector = Vector::valid(
                format!("topic-empty-alias-{alias}-qos-{qos}"),
                Any,
                &case,
                "MQTT-4.7.3-1 U5-63",
            );
            set.add(
                FILE,
                vector
                    .comment("an alias instead of a topic name")
                    .disputed("A-14"),
            );
        }
    }
    let case = publish(
        V5,
        0,
        "",
        1,
        &[Property::pair("n", "v"), Property::two(0x23, 1)],
        b"x",
    );
    let vector = Vector::valid("topic-empty-alias-last", Any, &case, "MQTT-4.7.3-1 U5-63");
    set.add(
        FILE,
        vector
            .comment("the alias behind another property")
            .disputed("A-14"),
    );
    let case = publish(V5, 0, "a", 1, &[Property::two(0x23, 7)], b"x");
    let vector = Vector::valid("topic-and-alias", Any, &case, "U5-63");
    set.add(FILE, vector.comment("an alias beside its topic name"));
    let case = publish(V5, 0, "", 1, &[Property::two(0x23, 0)], b"x");
    let fault = Rule::TopicEmpty
        .of(V5)
        .first("U5-64")
        .first("MQTT-3.3.2-8")
        .reasons(&["0x94", "0x82", "0x81"]);
    let vector = Vector::refused(
        "topic-empty-alias-0",
        Any,
        case.body.packet(),
        fault,
        case.body.at("value 0"),
    );
    set.add(
        FILE,
        vector.comment("alias 0, which stands for no topic name either"),
    );
    for (name, list) in [
        ("message-expiry", Property::four(2, 1)),
        ("user-property", Property::pair("n", "v")),
    ] {
        let case = publish(V5, 0, "", 1, &[list], b"x");
        let fault = Rule::TopicEmpty.of(V5);
        let vector = Vector::refused(
            format!("topic-empty-{name}"),
            Any,
            case.body.packet(),
            fault,
            case.body.at("topic"),
        );
        set.add(
            FILE,
            vector.comment("no topic name, and another property than an alias"),
        );
    }
    // Several identifiers of subscriptions from a server.
    let ids = [1, 268_435_455, 128, 1].map(|id| Property::variable(0x0B, id));
    let case = publish(V5, 0, "a", 1, &ids, b"x");
    let vector = Vector::valid(
        "several-subscription-identifiers",
        S2c,
        &case,
        "U5-66 U5-13",
    );
    set.add(
        FILE,
        vector.comment("four Subscription Identifiers, two of them equal"),
    );
    let at = case.body.at("property 0");
    let fault = Rule::SubscriptionIdentifierFromClient.of(V5);
    let vector = Vector::refused(
        "several-subscription-identifiers-from-client",
        C2s,
        case.body.packet(),
        fault,
        at,
    );
    set.add(
        FILE,
        vector.comment("four Subscription Identifiers from a client"),
    );
    let case = publish(
        V5,
        0,
        "a",
        1,
        &[Property::variable(0x0B, 1), Property::variable(0x0B, 0)],
        b"x",
    );
    let fault = Rule::PropertyTwice.of(V5);
    let fault = crate::rules::Fault {
        statements: vec!["U5-66".into()],
        ..fault
    };
    let vector = Vector::refused(
        "subscription-identifier-1-and-0",
        S2c,
        case.body.packet(),
        fault,
        case.body.at("value 1"),
    );
    set.add(
        FILE,
        vector.comment("the second Subscription Identifier is 0"),
    );
    for indicator in 0..2 {
        let case = publish(
            V5,
            0,
            "a",
            1,
            &[Property::byte(1, indicator)],
            &[0xFF, 0xFE],
        );
        let mut vector = Vector::valid(
            format!("payload-format-{indicator}-ill-formed"),
            Any,
            &case,
            "U5-62",
        );
        if indicator == 1 {
            vector = vector.alternative("protocol-error", "").tag("may");
        }
        set.add(FILE, vector.comment("a payload that is not UTF-8"));
    }
}
