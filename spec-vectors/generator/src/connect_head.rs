//! CONNECT up to its flags: protocol name and level, the 256 flag bytes, and what they say is there.

use crate::connect::{FILE, full, pick, refused};
use crate::packet::{Connect, WILL, Will, connect};
use crate::rules::Rule;
use crate::vector::{Set, Vector};
use crate::version::{C2s, V5, V31, V311};

pub fn generate(set: &mut Set) {
    names(set);
    levels(set);
    flags(set);
    unflagged(set);
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
        let rule = if old {
            Rule::ProtocolVersion
        } else {
            Rule::ProtocolName
        };
        let mut fault = rule.of(version);
        if !old {
            fault = fault.also(version, ["MQTT-3.1.2-2", "MQTT-3.1.2-2", ""]);
        }
        // In 3.1 both are at fault: neither name nor level is said to be the wrong one.
        let at = (!old).then(|| case.body.at("name"));
        let name = format!("mqisdp-level-{level}");
        let vector = Vector::refused(name, C2s, case.body.packet(), fault, at);
        set.add(FILE, vector.comment(format!("MQIsdp with level {level}")));
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
            if !strict && flags & 1 != 0 {
                vector = vector.alternative("malformed", "");
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
