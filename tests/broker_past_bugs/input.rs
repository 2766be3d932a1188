//! What clients send that they should not.

use sansio_mqtt::*;

use crate::net::{Net, QOS, message, retained};
use crate::samples::samples;
use crate::wire::{VERSIONS, Wire, encoded, id, serve, with_witnesses};

fn refuse(net: &mut Net, version: Version, reason: ReasonCode) -> (Wire, bool) {
    let wire = Wire::open(net, version);
    let connect = encoded(version, Connect::new(version, "stranger"));
    let mut input = &connect[..];
    let question = net.broker.receive(wire.id, net.now, &mut input);
    let Some(Question::Connect { token, .. }) = question else {
        panic!("{question:?}");
    };
    let refused = net
        .broker
        .refuse(token, net.now, &Connack::new(reason))
        .is_ok();
    (wire, refused)
}

/// mosquitto CVE-2023-0809, `tinyMQTT` CVE-2025-56352: whoever runs the broker refuses with each reason there is; that closes,
/// nothing is kept, and the name is free.
#[test]
fn before_connect_each_refusal_closes() {
    let mut net = with_witnesses(BrokerOptions::new().with_ask_connect(true));
    for version in VERSIONS {
        for code in 0..=u8::MAX {
            let Some(reason) = ReasonCode::from_u8(code) else {
                continue;
            };
            let allowed =
                reason.is_error() && reason.allowed_in(PacketType::Connack, Some(Role::Server));
            let (wire, refused) = refuse(&mut net, version, reason);
            assert_eq!(refused, allowed, "{reason}");
            assert_eq!(wire.is_closed(&net), refused);
            let said = wire.read(&mut net);
            match (refused, version) {
                (false, _) => assert_eq!(said, [""; 0]),
                (true, Version::V5) => assert_eq!(said, [format!("CONNACK 0 0x{code:02X}")]),
                (true, _) => {
                    assert!(said.len() <= 1 && said.iter().all(|one| one.starts_with("CONNACK 0")));
                }
            }
            if refused {
                wire.send(&mut net, Packet::Pingreq);
                assert_eq!(wire.read(&mut net), [""; 0]);
            }
            wire.cut(&mut net);
            let counters = net.broker.counters();
            assert_eq!(
                (counters.connections, counters.sessions),
                (2, 2),
                "{reason}"
            );
        }
    }
    serve(&mut net);
}

/// The same, where the broker refuses by itself.
#[test]
fn before_connect_the_broker_refuses() {
    let method = [Property::AuthenticationMethod("M")];
    let plain = |version| Connect::new(version, "stranger");
    let will = |version, will: Will<'static>| Connect {
        will: Some(will),
        ..plain(version)
    };
    let options = BrokerOptions::new;
    let sys = Will::new("$SYS/a", b"x");
    let qos_2 = Will {
        qos: QoS::ExactlyOnce,
        ..Will::new("a", b"x")
    };
    let kept = Will {
        retain: true,
        ..Will::new("a", b"x")
    };
    let authenticates = Connect {
        properties: Properties::from(&method[..]),
        ..plain(Version::V5)
    };
    let nameless = Connect {
        clean_start: false,
        ..Connect::new(Version::V311, "")
    };
    use Version::{V5, V31, V311};
    let cases = [
        (options().with_maximum_connections(2), plain(V5), 0x89),
        (options().with_maximum_connections(2), plain(V311), 0x03),
        (options().with_maximum_sessions(2), plain(V5), 0x97),
        (options().with_maximum_sessions(2), plain(V311), 0x03),
        (options(), will(V5, sys), 0x87),
        (options(), will(V311, sys), 0x05),
        (
            options().with_maximum_qos(QoS::AtLeastOnce),
            will(V5, qos_2),
            0x9b,
        ),
        (options().with_retain_available(false), will(V5, kept), 0x9a),
        (options(), authenticates, 0x8c),
        (options(), nameless, 0x02),
        (options(), plain(V31), 0x01),
    ];
    for (options, connect, code) in cases {
        let mut net = with_witnesses(options);
        for _ in 0..3 {
            let wire = Wire::open(&mut net, connect.version);
            wire.send(&mut net, connect);
            assert!(wire.is_closed(&net), "{connect}");
            let mut out = Vec::new();
            net.broker
                .poll_transmit(wire.id, net.now, &mut out, usize::MAX);
            assert_eq!((out[0], out[2], out[3]), (0x20, 0, code), "{connect}");
            wire.cut(&mut net);
            let counters = net.broker.counters();
            assert_eq!((counters.connections, counters.sessions), (2, 2));
            serve(&mut net);
        }
    }
}

/// mosquitto CVE-2021-28166, rumqttd #812: every packet, before CONNECT, while CONNECT is asked about, of one that is
/// connected, and behind the end.
#[test]
fn wrong_direction_wrong_state() {
    use PacketType as P;
    for version in VERSIONS {
        for packet in samples(version) {
            let bytes = encoded(version, packet);
            let kind = packet.packet_type();

            let mut net = with_witnesses(BrokerOptions::new());
            let wire = Wire::open(&mut net, version);
            if kind != P::Connect {
                wire.send_bytes(&mut net, &bytes);
                assert!(wire.is_closed(&net), "{packet} first");
                assert_eq!(wire.read(&mut net), [""; 0], "{packet} first");
            }
            wire.cut(&mut net);
            serve(&mut net);

            // What comes behind CONNECT waits; AUTH is not asked for.
            let mut asking = with_witnesses(BrokerOptions::new().with_ask_connect(true));
            let wire = Wire::open(&mut asking, version);
            let connect = encoded(version, Connect::new(version, "one"));
            let all = [&connect[..], &bytes[..]].concat();
            let mut input = &all[..];
            let question = asking.broker.receive(wire.id, asking.now, &mut input);
            assert!(matches!(question, Some(Question::Connect { .. })));
            drop(question);
            assert!(
                asking
                    .broker
                    .receive(wire.id, asking.now, &mut input)
                    .is_none()
            );
            assert_eq!(input.len(), bytes.len(), "{packet} waits");
            wire.cut(&mut asking);
            serve(&mut asking);

            let (wire, _) = Wire::join(&mut net, &Connect::new(version, "one"));
            wire.send_bytes(&mut net, &bytes);
            let said = wire.read(&mut net);
            let cause = net.broker.closed(wire.id).map(|closed| closed.cause);
            let is_wrong = match packet {
                Packet::Connect(_)
                | Packet::Connack(_)
                | Packet::Suback(_)
                | Packet::Unsuback(_)
                | Packet::Pingresp
                | Packet::Auth(_) => true,
                // Only a server can say this.
                Packet::Puback(ack) => ack.reason == ReasonCode::NoMatchingSubscribers,
                // No alias was offered, and identifiers are a server's.
                Packet::Publish(publish) => publish.topic_alias.is_some(),
                _ => false,
            };
            match cause {
                Some(CloseCause::Violation(_)) => assert!(is_wrong, "{packet}"),
                Some(_) => assert_eq!(kind, P::Disconnect, "{packet}"),
                None => assert!(!is_wrong && kind != P::Disconnect, "{packet}"),
            }
            let is_told = said.iter().any(|one| one.starts_with("DISCONNECT"));
            assert_eq!(
                is_told,
                is_wrong && version == Version::V5,
                "{packet}: {said:?}"
            );
            // Behind the end, and in place of an answer.
            wire.send_bytes(&mut net, &encoded(version, Packet::Pingreq));
            let expected: &[&str] = if cause.is_some() { &[] } else { &["PINGRESP"] };
            assert_eq!(wire.read(&mut net), expected, "{packet}");
            wire.cut(&mut net);
            serve(&mut net);
            assert_eq!(net.broker.counters().connections, 2);
        }
    }
}

/// mosquitto CVE-2021-34432: a topic of no bytes, with and without an alias, as a will, retained, and as a filter.
#[test]
fn zero_length_topic() {
    let options = Options::new().with_topic_alias_maximum(2);
    let mut net = with_witnesses(BrokerOptions::new().with_connection(options));
    let all = net.join(Version::V5, "all");
    net.subscribe(all, &[Subscription::new("#", QoS::AtLeastOnce)]);
    let cases: [(Version, &[u8], &[&str]); 8] = [
        (Version::V311, b"\x30\x03\0\0x", &[]),
        (Version::V311, b"\x31\x03\0\0x", &[]),
        (Version::V311, b"\x82\x05\0\x01\0\0\0", &[]),
        (Version::V5, b"\x30\x04\0\0\0x", &["DISCONNECT 0x82"]),
        (Version::V5, b"\x31\x04\0\0\0x", &["DISCONNECT 0x82"]),
        // An alias that is not known, and one that cannot be.
        (
            Version::V5,
            b"\x31\x07\0\0\x03\x23\0\x01x",
            &["DISCONNECT 0x82"],
        ),
        (
            Version::V5,
            b"\x31\x07\0\0\x03\x23\0\0x",
            &["DISCONNECT 0x94"],
        ),
        (Version::V5, b"\x82\x06\0\x01\0\0\0\0", &["DISCONNECT 0x8F"]),
    ];
    for (version, bytes, expected) in cases {
        let (wire, _) = Wire::join(&mut net, &Connect::new(version, "one"));
        wire.send_bytes(&mut net, bytes);
        assert!(wire.is_closed(&net), "{bytes:02x?}");
        assert_eq!(wire.read(&mut net), expected, "{bytes:02x?}");
        wire.cut(&mut net);
    }
    for version in VERSIONS {
        // As a will, retained or not: refused with CONNECT, and never published.
        for flags in [0x06, 0x26] {
            let level = if version == Version::V5 { 5 } else { 4 };
            let mut connect = b"\x10\0\0\x04MQTT".to_vec();
            connect.extend([level, flags, 0, 60]);
            let properties: &[u8] = if version == Version::V5 { b"\0" } else { b"" };
            for part in [properties, b"\0\x01a", properties, b"\0\0", b"\0\x01x"] {
                connect.extend(part);
            }
            connect[1] = u8::try_from(connect.len() - 2).unwrap();
            let wire = Wire::open(&mut net, version);
            wire.send_bytes(&mut net, &connect);
            assert!(wire.is_closed(&net), "{connect:02x?}");
            wire.cut(&mut net);
        }
    }
    net.run();
    assert_eq!(net.take(all), []);
    assert_eq!(net.broker.counters().retained_messages, 0);
    // With an alias that is known it is the topic that this stands for.
    let (wire, _) = Wire::join(&mut net, &Connect::new(Version::V5, "one"));
    wire.send_bytes(&mut net, b"\x31\x0a\0\x03a/b\x03\x23\0\x011");
    wire.send_bytes(&mut net, b"\x31\x07\0\0\x03\x23\0\x012");
    net.run();
    let got: Vec<_> = net
        .take(all)
        .into_iter()
        .map(|one| (one.0, one.1))
        .collect();
    let expected = [("a/b", "1"), ("a/b", "2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(got, expected);
    let mut topics = Vec::new();
    let any = TopicFilter::new(Version::V5, "#").unwrap();
    net.broker.retained(&any, |message, _, _| {
        topics.push(message.topic().to_owned());
    });
    assert_eq!(topics, ["a/b"]);
    serve(&mut net);
}

/// mosquitto CVE-2019-11779, `VerneMQ` CVE-2021-33176, hivemq #334: 65,535 slashes as a filter, a topic, a will, retained: nothing
/// recurses, and limits refuse what they are for.
#[test]
fn deep_topics() {
    let slashes = "/".repeat(65_535);
    let deep = "+/".repeat(32_767);
    let connection = Options::new().with_maximum_connect_size(200_000);
    for (limit, is_limited) in [(256, true), (65_536, false)] {
        let index = IndexOptions::new().with_maximum_levels(limit);
        let store = RetainedOptions::new().with_maximum_levels(limit);
        let options = BrokerOptions::new()
            .with_connection(connection.clone())
            .with_index(index)
            .with_retained(store);
        let mut net = with_witnesses(options);
        let all = net.join(Version::V5, "all");
        net.subscribe(all, &[Subscription::new("#", QoS::AtLeastOnce)]);
        for version in VERSIONS {
            let (wire, _) = Wire::join(&mut net, &Connect::new(version, "deep"));
            let granted = match (is_limited, version) {
                (false, _) => "SUBACK [1]",
                (true, Version::V5) => "SUBACK [8f]",
                (true, _) => "SUBACK [80]",
            };
            for filter in [&slashes, &deep] {
                let said = wire.subscribe(&mut net, filter, QoS::AtLeastOnce);
                assert_eq!(said, [granted]);
            }
            // Live it goes wherever a filter matches.
            net.broker
                .publish(net.now, &message(&slashes, "live", QoS::AtLeastOnce));
            net.run();
            assert_eq!(net.texts(all), ["live"]);
            let got = wire.read(&mut net);
            assert_eq!(got.len(), usize::from(!is_limited), "{got:?}");
            // Retained it is found again, or its publisher is told.
            let one = Publish {
                qos: QoS::AtLeastOnce,
                retain: true,
                packet_id: Some(id(2)),
                ..Publish::new(&slashes, b"kept")
            };
            wire.send(&mut net, one);
            let acks = wire.read(&mut net).pop();
            net.run();
            let is_refused = is_limited && version == Version::V5;
            assert_eq!(
                acks.as_deref() == Some("PUBACK #2 0x90"),
                is_refused,
                "{acks:?}"
            );
            assert_eq!(net.texts(all).len(), usize::from(!is_refused));
            assert_eq!(
                net.broker.counters().retained_messages,
                usize::from(!is_limited)
            );
            let finder = net.join(Version::V5, "finder");
            net.subscribe(finder, &[Subscription::new("/+/#", QoS::AtMostOnce)]);
            assert_eq!(net.texts(finder).len(), usize::from(!is_limited));
            net.cut(finder);
            let any = TopicFilter::new(Version::V5, "#").unwrap();
            net.broker.clear_retained(&any, |_, _| true);
            // As a will, of one whose session ends with its deep subscriptions.
            wire.cut(&mut net);
            let will = Will {
                retain: true,
                ..Will::new(&slashes, b"will")
            };
            let connect = Connect {
                will: Some(will),
                ..Connect::new(version, "deep")
            };
            let (wire, _) = Wire::join(&mut net, &connect);
            wire.subscribe(&mut net, &deep, QoS::AtMostOnce);
            wire.cut(&mut net);
            net.run();
            assert_eq!(net.texts(all), ["will"]);
            assert_eq!(
                net.broker.counters().retained_messages,
                usize::from(!is_limited)
            );
            net.broker.clear_retained(&any, |_, _| true);
            assert_eq!(net.broker.counters().subscriptions, 2);
            serve(&mut net);
            assert_eq!(net.texts(all), ["x"]);
        }
        // And by unsubscribing.
        let (wire, _) = Wire::join(&mut net, &Connect::new(Version::V5, "deep"));
        wire.subscribe(&mut net, &slashes, QoS::AtMostOnce);
        let filters = [slashes.as_str()];
        wire.send(&mut net, Unsubscribe::new(id(3), &filters[..]));
        assert_eq!(wire.read(&mut net), ["UNSUBACK"]);
        assert_eq!(net.broker.counters().subscriptions, 2);
    }
}

/// mosquitto CVE-2017-7650, CVE-2018-12543: wildcards and `$` in names of clients and users mean nothing, and no client publishes
/// below `$`.
#[test]
fn wildcard_or_dollar_where_it_means_nothing() {
    const NAMES: [&str; 6] = ["#", "+", "$x", "a/#", "$share/g/#", "/"];
    for version in VERSIONS {
        let mut net = with_witnesses(BrokerOptions::new());
        let owns = ["0", "1", "2", "3", "4", "5"].map(|at| format!("own/{at}"));
        let mut owns = owns.into_iter();
        let peers = NAMES.map(|name| {
            let connect = Connect {
                user_name: Some(name),
                password: Some(b"x"),
                ..Connect::new(version, name)
            };
            let peer = net.join_with(&connect);
            let own = owns.next().unwrap();
            net.subscribe(peer, &[Subscription::new(&own, QoS::AtLeastOnce)]);
            (peer, own)
        });
        let mut ids: Vec<_> = net.broker.client_ids().collect();
        ids.sort_unstable();
        let mut expected = [&NAMES[..], &["publisher", "subscriber"]].concat();
        expected.sort_unstable();
        assert_eq!(ids, expected);
        for (at, (_, own)) in peers.iter().enumerate() {
            net.publish(0, message(own, "x", QoS::AtLeastOnce));
            for (other, (peer, _)) in peers.iter().enumerate() {
                assert_eq!(net.texts(*peer).len(), usize::from(at == other), "{own}");
            }
        }
        // What is done to one is done to no other.
        let own = TopicFilter::new(version, &peers[1].1).unwrap().into_owned();
        assert!(!net.broker.unsubscribe("#", &own));
        assert!(net.broker.unsubscribe("+", &own));
        let again = net.join(version, "#");
        assert!(net.peers[peers[0].0].is_cut && !net.peers[again].is_cut);
        let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
        assert!(net.broker.end_session("#", net.now, &disconnect));
        assert!(!net.broker.end_session("#", net.now, &disconnect));
        net.run();
        assert_eq!(net.broker.counters().sessions, NAMES.len() + 1);

        let (publisher, dollar) = (net.join(version, "p"), net.join(version, "d"));
        let filters = ["$x/#", "#", "+/y", "$SYS/#"];
        for filter in filters {
            net.subscribe(dollar, &[Subscription::new(filter, QoS::ExactlyOnce)]);
        }
        for qos in QOS {
            for topic in ["$x/y", "$x", "$", "$SYS/broker/uptime", "$share/g/y"] {
                net.publish(publisher, retained(topic, "x", qos));
            }
        }
        assert_eq!(net.take(dollar), []);
        assert_eq!(net.broker.counters().retained_messages, 0);
        let code = match version {
            Version::V5 => ReasonCode::NotAuthorized,
            _ => ReasonCode::Success,
        };
        assert_eq!(net.peers[publisher].acks, [code; 10]);
        serve(&mut net);
    }
    // Where it may, it goes to who asks for `$x`, and to nobody else.
    let mut net = with_witnesses(BrokerOptions::new().with_dollar_topics(true));
    let [a, b, c] = [("a", "$x/#"), ("b", "#"), ("c", "+/y")].map(|(name, filter)| {
        let peer = net.join(Version::V5, name);
        net.subscribe(peer, &[Subscription::new(filter, QoS::AtMostOnce)]);
        peer
    });
    net.publish(0, retained("$x/y", "x", QoS::AtMostOnce));
    net.publish(0, retained("$SYS/y", "x", QoS::AtMostOnce));
    assert_eq!([a, b, c].map(|peer| net.texts(peer).len()), [1, 0, 0]);
    assert_eq!(net.broker.counters().retained_messages, 1);
}

/// rumqttc: a topic that begins with a character of several bytes, live and retained.
#[test]
fn matching_with_text() {
    const TOPICS: [&str; 6] = ["é/1", "日本/語", "😀", "\u{FEFF}a/é", "é", "ßa/日"];
    const FILTERS: [(&str, &[&str]); 8] = [
        ("#", &TOPICS),
        ("+", &["😀", "é"]),
        ("+/1", &["é/1"]),
        ("é/#", &["é", "é/1"]),
        ("日本/+", &["日本/語"]),
        ("\u{FEFF}a/+", &["\u{FEFF}a/é"]),
        ("a/é", &[]),
        ("+/日", &["ßa/日"]),
    ];
    for version in VERSIONS {
        let mut net = with_witnesses(BrokerOptions::new());
        for is_retained in [false, true] {
            let peers: Vec<_> = FILTERS
                .iter()
                .map(|(filter, _)| {
                    let peer = net.join(version, filter);
                    if !is_retained {
                        net.subscribe(peer, &[Subscription::new(filter, QoS::AtMostOnce)]);
                    }
                    peer
                })
                .collect();
            for topic in TOPICS {
                net.publish(0, retained(topic, "x", QoS::AtMostOnce));
            }
            for (peer, (filter, expected)) in peers.into_iter().zip(FILTERS) {
                if is_retained {
                    net.subscribe(peer, &[Subscription::new(filter, QoS::AtMostOnce)]);
                }
                let mut got: Vec<String> = net.take(peer).into_iter().map(|one| one.0).collect();
                let mut expected = expected.to_vec();
                got.sort();
                expected.sort_unstable();
                assert_eq!(got, expected, "{filter}");
            }
        }
    }
}
