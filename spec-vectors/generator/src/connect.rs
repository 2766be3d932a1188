//! CONNECT: layout, protocol name and level, the 256 flag bytes, the bounds of each field.

use crate::build::Property;
use crate::common::{Sample, cuts, left_over, prefixes};
use crate::connect_head;
use crate::packet::{CLEAN, Case, Connect, Will, connect};
use crate::rules::{Fault, Rule};
use crate::vector::{Set, Vector};
use crate::version::{C2s, V5, V31, Version};

pub const FILE: &str = "connect";
/// What shows that the layout is as it should be.
const LAYOUT: [&str; 3] = [
    "MQTT-3.1.3-1 MQTT-3.1.2-9 MQTT-3.1.2-17 MQTT-3.1.2-19 MQTT-3.1.3-3",
    "MQTT-3.1.3-1 MQTT-3.1.2-9 MQTT-3.1.2-19 MQTT-3.1.2-21 MQTT-3.1.3-3",
    "U31-14 U31-18 U31-20",
];

pub fn pick(version: Version, [v5, v311, v31]: [&'static str; 3]) -> &'static str {
    version.pick(v31, v311, v5)
}

/// A CONNECT with every field, and properties where it has them.
pub fn full(version: Version) -> Case {
    let list = if version == V5 {
        vec![Property::four(0x11, 300)]
    } else {
        vec![]
    };
    let about_will = if version == V5 {
        vec![Property::pair("n", "v")]
    } else {
        vec![]
    };
    connect(
        version,
        &Connect {
            flags: CLEAN | 0x30,
            will: Some(Will {
                topic: b"w/t",
                payload: b"gone",
                properties: about_will,
            }),
            user_name: Some(b"user"),
            password: Some(b"pass"),
            properties: list,
            ..Connect::default()
        },
    )
}

pub fn generate(set: &mut Set) {
    let version = set.version;
    layout(set);
    fields(set);
    connect_head::generate(set);
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
        let mut vector = Vector::valid(name, C2s, &connect(version, &parts), pick(version, cites));
        if version == V31 && parts.client_id.len() > 23 {
            vector = vector.alternative("protocol-error", "");
        }
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

pub fn refused(
    set: &mut Set,
    name: String,
    comment: String,
    case: &Case,
    fault: Fault,
    field: &str,
) {
    let vector = Vector::refused(name, C2s, case.body.packet(), fault, case.body.at(field));
    set.add(FILE, vector.comment(comment));
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
