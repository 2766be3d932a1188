//! CONNECT: layout, protocol name and level, the 256 flag bytes, the bounds of each field.

use crate::common::{Sample, cuts, left_over, prefixes};
use crate::packet::{CLEAN, Case, Connect, WILL, Will, connect};
use crate::rules::{Fault, Rule};
use crate::vector::{Set, Vector};
use crate::version::{C2s, V5, V31, V311, Version};

const FILE: &str = "connect";
/// What shows that the layout is as it should be.
const LAYOUT: [&str; 3] = [
    "MQTT-3.1.3-1 MQTT-3.1.2-9 MQTT-3.1.2-17 MQTT-3.1.2-19 MQTT-3.1.3-3",
    "MQTT-3.1.3-1 MQTT-3.1.2-9 MQTT-3.1.2-19 MQTT-3.1.2-21 MQTT-3.1.3-3",
    "U31-14 U31-18 U31-20",
];

fn pick(version: Version, [v5, v311, v31]: [&'static str; 3]) -> &'static str {
    version.pick(v31, v311, v5)
}

pub fn full(version: Version) -> Case {
    connect(
        version,
        &Connect {
            flags: CLEAN | 0x30,
            will: Some(Will {
                topic: b"w/t",
                payload: b"gone",
                ..Will::default()
            }),
            user_name: Some(b"user"),
            password: Some(b"pass"),
            ..Connect::default()
        },
    )
}

pub fn generate(set: &mut Set) {
    let version = set.version;
    layout(set);
    fields(set);
    names(set);
    levels(set);
    flags(set);
    unflagged(set);
    will_topics(set);
    let plain = Sample::new(FILE, "plain", C2s, connect(version, &Connect::default()));
    cuts(set, &plain, false);
    cuts(set, &plain, true);
    let all = Sample::new(FILE, "full", C2s, full(version));
    cuts(set, &all, false);
    cuts(set, &all, true);
    prefixes(set, &all);
    let also = ["MQTT-3.1.4-1", "MQTT-3.1.4-1", "U31-48"];
    left_over(set, &plain, also);
    left_over(set, &all, also);
    let mut parts = vec![
        (
            "will",
            Connect {
                will: Some(Will::default()),
                ..Connect::default()
            },
        ),
        (
            "user-name",
            Connect {
                user_name: Some(b"u"),
                ..Connect::default()
            },
        ),
    ];
    if version == V5 {
        parts.push((
            "password",
            Connect {
                password: Some(b"p"),
                ..Connect::default()
            },
        ));
    }
    for (name, parts) in parts {
        let sample = Sample::new(FILE, name, C2s, connect(version, &parts));
        cuts(set, &sample, false);
        left_over(set, &sample, also);
    }
}

fn layout(set: &mut Set) {
    let version = set.version;
    let one = [
        "MQTT-3.1.2-1 MQTT-3.1.3-3",
        "MQTT-3.1.2-1 U3-07 MQTT-3.1.3-3",
        "U31-14",
    ];
    for (name, comment, case) in [
        (
            "plain",
            "client identifier only",
            connect(version, &Connect::default()),
        ),
        ("full", "will, user name and password", full(version)),
    ] {
        let cites = if name == "plain" { one } else { LAYOUT };
        set.add(
            FILE,
            Vector::valid(name, C2s, &case, pick(version, cites)).comment(comment),
        );
    }
    let empty = Connect {
        client_id: b"",
        ..Connect::default()
    };
    let vector = Vector::valid(
        "minimal",
        C2s,
        &connect(version, &empty),
        pick(version, one),
    );
    let vector = if version == V31 {
        vector.cites("U31-24").alternative("protocol-error", "")
    } else {
        vector
    };
    set.add(
        FILE,
        vector.comment("the shortest: an empty client identifier"),
    );
    let kept = Connect {
        client_id: b"",
        flags: 0,
        ..Connect::default()
    };
    let cites = pick(
        version,
        ["MQTT-3.1.3-3", "MQTT-3.1.3-3 MQTT-3.1.3-8", "U31-24"],
    );
    let ambiguity = if version == V5 { "A-48" } else { "" };
    let vector = Vector::valid(
        "empty-client-id-not-clean",
        C2s,
        &connect(version, &kept),
        cites,
    );
    let vector = vector.alternative("protocol-error", ambiguity);
    set.add(
        FILE,
        vector.comment("well formed, though the server may answer with a refusal"),
    );
}

/// Bounds of the fields.
fn fields(set: &mut Set) {
    let version = set.version;
    let long = vec![b'x'; 65_535];
    let mut add = |name: String, comment: &str, cites: [&'static str; 3], parts: Connect<'_>| {
        let vector = Vector::valid(name, C2s, &connect(version, &parts), pick(version, cites));
        set.add(FILE, vector.comment(comment));
    };
    let integer = ["U5-01", "U3-01", "U31-50"];
    for keep_alive in [0, 1, 255, 256, 32_768, 65_535] {
        let parts = Connect {
            keep_alive,
            ..Connect::default()
        };
        add(
            format!("keep-alive-{keep_alive}"),
            "keep alive",
            integer,
            parts,
        );
    }
    let string = ["MQTT-3.1.3-4 U5-02", "MQTT-3.1.3-4", "U31-24 U31-12"];
    for len in [23, 24, 128, 1024, 65_535] {
        let parts = Connect {
            client_id: &long[..len],
            ..Connect::default()
        };
        let cites = if len > 23 {
            ["U5-35 U5-02", "U3-11", "U31-24 U31-12"]
        } else {
            string
        };
        add(
            format!("client-id-{len}-bytes"),
            "length of the client identifier",
            cites,
            parts,
        );
    }
    for (name, client_id) in [
        ("wildcards", &b"+/#"[..]),
        ("spaces", b" a "),
        ("punctuation", b"\"\\$&"),
        ("two-byte-characters", "\u{e9}\u{e8}".as_bytes()),
    ] {
        let cites = ["U5-35", "U3-11", "U31-12"];
        add(
            format!("client-id-{name}"),
            "wildcards and other characters mean nothing here",
            cites,
            Connect {
                client_id,
                ..Connect::default()
            },
        );
    }
    for len in [0, 1, 65_535] {
        let user = [
            "MQTT-3.1.2-17 MQTT-3.1.3-12 U5-02",
            "MQTT-3.1.2-19 MQTT-3.1.3-11",
            "U31-20 U31-23",
        ];
        let parts = Connect {
            user_name: Some(&long[..len]),
            ..Connect::default()
        };
        add(
            format!("user-name-{len}-bytes"),
            "length of the user name",
            user,
            parts,
        );
        let secret = [
            "MQTT-3.1.2-19 U5-02",
            "MQTT-3.1.2-21 U3-12",
            "U31-20 U31-23",
        ];
        let parts = Connect {
            user_name: Some(b"u"),
            password: Some(&long[..len]),
            ..Connect::default()
        };
        add(
            format!("password-{len}-bytes"),
            "length of the password",
            secret,
            parts,
        );
        let will = ["MQTT-3.1.2-9 U5-02", "MQTT-3.1.2-9", "U31-18"];
        let parts = Connect {
            will: Some(Will {
                payload: &long[..len],
                ..Will::default()
            }),
            ..Connect::default()
        };
        add(
            format!("will-payload-{len}-bytes"),
            "length of the will payload",
            will,
            parts,
        );
    }
    let parts = Connect {
        will: Some(Will {
            topic: &long,
            ..Will::default()
        }),
        ..Connect::default()
    };
    if version != V31 {
        add(
            "will-topic-65535-bytes".into(),
            "the longest will topic",
            ["MQTT-3.1.3-11 U5-02", "MQTT-3.1.3-10", ""],
            parts,
        );
    }
    let binary = [0x00, 0xFF, 0xC0, 0x80];
    let parts = Connect {
        user_name: Some(b"u"),
        password: Some(&binary),
        ..Connect::default()
    };
    add(
        "password-any-bytes".into(),
        "a password is bytes, not text",
        ["MQTT-3.1.2-19 U5-02", "U3-12", "U31-23"],
        parts,
    );
    let parts = Connect {
        will: Some(Will {
            payload: &binary,
            ..Will::default()
        }),
        ..Connect::default()
    };
    add(
        "will-payload-any-bytes".into(),
        "a will payload is bytes, not text",
        ["MQTT-3.1.2-9", "MQTT-3.1.2-9", "U31-19"],
        parts,
    );
    if version == V5 {
        let parts = Connect {
            password: Some(&binary),
            ..Connect::default()
        };
        add(
            "password-alone".into(),
            "a password without a user name",
            ["U5-25 MQTT-3.1.2-19", "", ""],
            parts,
        );
    }
}

fn refused(set: &mut Set, name: String, comment: String, case: &Case, fault: Fault, field: &str) {
    let vector = Vector::refused(name, C2s, case.body.packet(), fault, case.body.at(field));
    set.add(FILE, vector.comment(comment));
}

fn names(set: &mut Set) {
    let version = set.version;
    for name in [
        "",
        "M",
        "mqtt",
        "Mqtt",
        "MQT",
        "MQTX",
        "MQTTT",
        "MQTT ",
        " MQTT",
        "MQTT\0",
        "mqisdp",
        "MQIsdq",
        "MQISDP",
        "MQTT5",
        "\u{feff}MQTT",
    ] {
        let case = connect(
            version,
            &Connect {
                name: Some(name.as_bytes()),
                ..Connect::default()
            },
        );
        let spelt = crate::vector::hex(name.as_bytes());
        let comment = format!("protocol name {:?}", name);
        refused(
            set,
            format!("name-{spelt}"),
            comment,
            &case,
            Rule::ProtocolName.of(version),
            "name",
        );
    }
    // The name of 3.1 with every level but 3, and in 3.1 the other way round.
    let old = version == V31;
    for level in [0, 2, 4, 5, 6, 0x83] {
        let case = connect(
            version,
            &Connect {
                name: Some(b"MQIsdp"),
                level: Some(level),
                ..Connect::default()
            },
        );
        let (rule, field) = if old {
            (Rule::ProtocolVersion, "level")
        } else {
            (Rule::ProtocolName, "name")
        };
        let mut fault = rule.of(version);
        if !old {
            fault = fault.also(version, ["MQTT-3.1.2-2", "MQTT-3.1.2-2", ""]);
        }
        refused(
            set,
            format!("mqisdp-level-{level}"),
            format!("MQIsdp with level {level}"),
            &case,
            fault,
            field,
        );
    }
}

fn levels(set: &mut Set) {
    let version = set.version;
    if version == V31 {
        let case = connect(
            V31,
            &Connect {
                name: Some(b"MQTT"),
                ..Connect::default()
            },
        );
        let fault = Rule::ProtocolVersion.of(V31);
        refused(
            set,
            "mqtt-level-3".into(),
            "MQTT with level 3".into(),
            &case,
            fault,
            "level",
        );
        for (name, level) in [(b"MQTT", 0), (b"MQTT", 6)] {
            let case = connect(
                V31,
                &Connect {
                    name: Some(name),
                    level: Some(level),
                    ..Connect::default()
                },
            );
            let fault = Rule::ProtocolVersion.of(V31);
            refused(
                set,
                format!("mqtt-level-{level}"),
                format!("MQTT with level {level}"),
                &case,
                fault,
                "level",
            );
        }
        return;
    }
    // A receiver of both reads either, whatever it was told of the connection.
    let other = if version == V5 { V311 } else { V5 };
    let cites = pick(version, ["MQTT-3.1.2-1", "MQTT-3.1.2-1", ""]);
    for (name, case) in [
        ("plain", connect(other, &Connect::default())),
        ("full", full(other)),
    ] {
        let vector = Vector::valid(format!("{name}-of-{}", other.name()), C2s, &case, cites);
        let vector = vector.alternative("protocol-error", "A-46");
        set.add(
            FILE,
            vector.comment(format!("a CONNECT of {}", other.name())),
        );
    }
    for level in (0..=255).filter(|level| !matches!(level, 4 | 5)) {
        let case = connect(
            version,
            &Connect {
                level: Some(level),
                ..Connect::default()
            },
        );
        let fault = Rule::ProtocolVersion.of(version);
        refused(
            set,
            format!("level-{level}"),
            format!("protocol level {level}"),
            &case,
            fault,
            "level",
        );
    }
    let case = connect(V31, &Connect::default());
    let fault = Rule::ProtocolVersion
        .of(version)
        .also(version, ["MQTT-3.1.2-1", "MQTT-3.1.2-1", ""]);
    refused(
        set,
        "of-3.1".into(),
        "a CONNECT of 3.1".into(),
        &case,
        fault,
        "level",
    );
}

/// Each value of the flags byte, with the payload that its flags ask for.
fn flags(set: &mut Set) {
    let version = set.version;
    for flags in 0..=255_u8 {
        let will = flags & WILL != 0;
        let parts = Connect {
            flags,
            will: will.then(Will::default),
            user_name: (flags & 0x80 != 0).then_some(b"u"),
            password: (flags & 0x40 != 0).then_some(b"p"),
            ..Connect::default()
        };
        let case = connect(version, &parts);
        let qos = flags >> 3 & 3;
        let mut rules = Vec::new();
        let mut rule = |broken: bool, rule| {
            if broken {
                rules.push(rule);
            }
        };
        let strict = version != V31;
        rule(strict && flags & 1 != 0, Rule::ConnectReserved);
        rule(strict && !will && qos != 0, Rule::WillQosWithoutWill);
        rule(
            strict && !will && flags & 0x20 != 0,
            Rule::WillRetainWithoutWill,
        );
        rule(will && qos == 3, Rule::WillQos3);
        rule(
            version != V5 && flags & 0xC0 == 0x40,
            Rule::PasswordWithoutUserName,
        );
        let name = format!("flags-{flags:02x}");
        let comment = format!("connect flags 0x{flags:02x}");
        if rules.is_empty() {
            let mut cites =
                pick(version, ["U5-20 MQTT-3.1.2-3", "MQTT-3.1.2-3", "U31-15"]).to_owned();
            if will {
                cites += pick(version, [" MQTT-3.1.2-12", " MQTT-3.1.2-14", " U31-17"]);
            }
            let mut vector = Vector::valid(name, C2s, &case, &cites);
            if !strict && (flags & 1 != 0 || !will && flags & 0x38 != 0) {
                vector = vector.cites("U31-15 U31-16").rewritten(None);
            }
            set.add(FILE, vector.comment(comment));
        } else {
            let mut fault = rules[0].of(version);
            for other in &rules[1..] {
                for statement in other.of(version).statements {
                    if !fault.statements.contains(&statement) {
                        fault.statements.push(statement);
                    }
                }
            }
            if rules.contains(&Rule::ConnectReserved) {
                fault = fault.also(version, ["MQTT-3.1.4-1", "MQTT-3.1.4-1", ""]);
            }
            let several = rules.len() > 1;
            let vector =
                Vector::refused(name, C2s, case.body.packet(), fault, case.body.at("flags"));
            let vector = if several {
                vector.tag("several")
            } else {
                vector
            };
            set.add(FILE, vector.comment(comment));
        }
    }
    if version == V31 {
        missing(set);
    }
}

/// 3.1: the Remaining Length has precedence over the flags for user name and password.
fn missing(set: &mut Set) {
    let plain = connect(V31, &Connect::default());
    for (name, flags) in [("user-name", 0x82), ("user-name-and-password", 0xC2)] {
        let mut case = plain.clone();
        let at = case.body.at("flags") - case.body.header();
        case.body.bytes[at] = flags;
        let vector = Vector::valid(format!("no-{name}"), C2s, &case, "U31-20").rewritten(None);
        set.add(
            FILE,
            vector.comment(format!("flags for {name}, but nothing there")),
        );
    }
    let mut case = connect(
        V31,
        &Connect {
            user_name: Some(b"u"),
            ..Connect::default()
        },
    );
    let at = case.body.at("flags") - case.body.header();
    case.body.bytes[at] = 0xC2;
    let vector = Vector::valid("no-password", C2s, &case, "U31-20").rewritten(None);
    set.add(
        FILE,
        vector.comment("flags for user name and password, a user name only"),
    );
    let mut case = connect(V31, &Connect::default());
    case.body.bytes[at] = 0x42;
    let fault = Rule::PasswordWithoutUserName.of(V31);
    refused(
        set,
        "no-user-name-no-password".into(),
        "flag for a password only, and none there".into(),
        &case,
        fault,
        "flags",
    );
}

/// Fields whose flag is 0.
fn unflagged(set: &mut Set) {
    let version = set.version;
    let hide = |parts: Connect<'_>, bit: u8| {
        let mut case = connect(version, &parts);
        let at = case.body.at("flags") - case.body.header();
        case.body.bytes[at] &= !bit;
        case
    };
    let user = hide(
        Connect {
            user_name: Some(b"u"),
            ..Connect::default()
        },
        0x80,
    );
    let password = hide(
        Connect {
            user_name: Some(b"u"),
            password: Some(b"p"),
            ..Connect::default()
        },
        0x40,
    );
    let will = hide(
        Connect {
            will: Some(Will::default()),
            ..Connect::default()
        },
        WILL,
    );
    for (what, case, field, cites) in [
        (
            "user-name",
            user,
            "user name",
            [
                "MQTT-3.1.2-16 MQTT-3.1.4-1",
                "MQTT-3.1.2-18 MQTT-3.1.4-1",
                "U31-21",
            ],
        ),
        (
            "password",
            password,
            "password",
            [
                "MQTT-3.1.2-18 MQTT-3.1.4-1",
                "MQTT-3.1.2-20 MQTT-3.1.4-1",
                "U31-21",
            ],
        ),
        (
            "will",
            will,
            if version == V5 {
                "will properties"
            } else {
                "will topic"
            },
            ["MQTT-3.1.4-1", "MQTT-3.1.2-11 MQTT-3.1.4-1", "U31-48"],
        ),
    ] {
        let fault = Rule::Trailing.of(version).also(version, cites);
        refused(
            set,
            format!("{what}-without-flag"),
            format!("{what} though its flag is 0"),
            &case,
            fault,
            field,
        );
    }
}

fn will_topics(set: &mut Set) {
    let version = set.version;
    let make = |topic: &[u8]| {
        connect(
            version,
            &Connect {
                will: Some(Will {
                    topic,
                    ..Will::default()
                }),
                ..Connect::default()
            },
        )
    };
    for (name, topic) in [
        ("slash", "/"),
        ("slashes", "//"),
        ("dollar", "$SYS/x"),
        ("space", " "),
        ("levels", "a/b/c"),
    ] {
        let cites = pick(
            version,
            ["MQTT-4.7.3-1 U5-105", "MQTT-4.7.3-1 U3-29", "U31-18 U31-32"],
        );
        let vector = Vector::valid(
            format!("will-topic-{name}"),
            C2s,
            &make(topic.as_bytes()),
            cites,
        );
        set.add(FILE, vector.comment(format!("will topic {topic:?}")));
    }
    for (name, topic) in [
        ("plus", "+"),
        ("hash", "#"),
        ("level-plus", "a/+"),
        ("level-hash", "a/#"),
        ("plus-inside", "a+b"),
        ("hash-inside", "a#b"),
    ] {
        let fault = Rule::WillTopicWildcard.of(version);
        refused(
            set,
            format!("will-topic-wildcard-{name}"),
            format!("will topic {topic:?}"),
            &make(topic.as_bytes()),
            fault,
            "will topic",
        );
    }
    let mut fault = Rule::TopicEmpty.of(version);
    if version == V5 {
        fault.statements.retain(|statement| statement != "U5-60");
    }
    if version == V31 {
        fault = fault.first("U31-18");
    }
    refused(
        set,
        "will-topic-empty".into(),
        "will topic of no characters".into(),
        &make(b""),
        fault,
        "will topic",
    );
}
