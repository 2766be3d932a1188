//! Clients of MQTT 3.1 on the same port as the others.

use sansio_mqtt::*;

use crate::lasting;
use crate::limits::V31;
use crate::net::{Net, QOS, message};
use crate::raw::{Raw, id, publish};

fn net() -> Net {
    Net::new(BrokerOptions::new().with_connection(V31))
}

/// 3.1, section 3.1.
fn connect(name: &str, flags: u8) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let mut bytes = vec![0x10, 14 + length];
    bytes.extend(b"\0\x06MQIsdp\x03");
    bytes.extend([flags, 0, 60, 0, length]);
    bytes.extend(name.as_bytes());
    bytes
}

#[test]
fn they_are_let_in_only_where_that_is_asked_for() {
    let mut off = Net::new(BrokerOptions::new());
    let ada = Raw::new(&mut off, Version::V31);
    let said = ada.send_bytes(&mut off, &connect("ada", 2));
    // MQTT-3.1.2-2: an unacceptable level.
    assert_eq!(said, ["CONNACK 01", "closed"]);
    assert_eq!(off.broker.counters().sessions, 0);

    let mut on = net();
    let ada = Raw::new(&mut on, Version::V31);
    assert_eq!(ada.send_bytes(&mut on, &connect("ada", 2)), ["CONNACK 00"]);
    assert_eq!(on.broker.version(ada.id), Some(Version::V31));
    // A level that there is not has no name either.
    for (name, level) in [("MQIsdp", 4), ("MQTT", 3)] {
        let mut bytes = connect("eve", 2);
        let length = name.len() + 2;
        bytes.splice(2..10, [0, u8::try_from(name.len()).unwrap()]);
        bytes.splice(4..4, name.bytes());
        bytes[2 + length] = level;
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
        let eve = Raw::new(&mut on, Version::V31);
        let said = eve.send_bytes(&mut on, &bytes);
        assert_eq!(said.last().unwrap(), "closed", "{name} {level}");
        assert!(!said.contains(&"CONNACK 00".to_owned()), "{name} {level}");
    }
}

/// 3.1, section 3.1: 1 to 23 characters, whatever their bytes.
#[test]
fn a_name_has_no_more_than_23_characters() {
    let mut net = net();
    let wide = "ä".repeat(23);
    for (name, code) in [
        ("a".repeat(23), "00"),
        (wide.clone(), "00"),
        (String::new(), "02"),
        ("a".repeat(24), "02"),
        (wide + "a", "02"),
    ] {
        let ada = Raw::new(&mut net, Version::V31);
        let said = ada.send_bytes(&mut net, &connect(&name, 2));
        assert_eq!(said[0], format!("CONNACK {code}"), "{name}");
        assert_eq!(said.len(), if code == "00" { 1 } else { 2 }, "{name}");
    }
    // Later versions have longer ones, and an empty one with a clean start.
    for (name, version) in [
        ("a".repeat(24), Version::V311),
        (String::new(), Version::V311),
        (String::new(), Version::V5),
    ] {
        Raw::join(&mut net, version, &name);
    }
}

/// The bits that mean DUP and QoS later are not looked at in SUBSCRIBE (3.1, section 3.8); later versions demand them as they
/// are.
#[test]
fn flags_of_a_subscribe() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for flags in [0x80, 0x82, 0x8a] {
            let mut net = net();
            let ada = Raw::join(&mut net, version, "ada");
            let mut bytes = vec![flags, 6, 0, 1];
            if version == Version::V5 {
                bytes[1] = 7;
                bytes.push(0);
            }
            bytes.extend(b"\0\x01a\x01");
            let said = ada.send_bytes(&mut net, &bytes);
            let is_taken = version == Version::V31 || flags == 0x82;
            let expected: &[&str] = match (is_taken, version) {
                (true, _) => &["SUBACK 01"],
                (false, Version::V5) => &["DISCONNECT 81", "closed"],
                (false, _) => &["closed"],
            };
            assert_eq!(said, expected, "{version} {flags:02x}");
            net.broker.publish(net.now, &message("a", "x", QOS[1]));
            let heard = ada.heard(&mut net);
            assert_eq!(heard.len(), usize::from(is_taken), "{version} {flags:02x}");
        }
    }
}

/// Every version to every version, at each QoS, with what is retained and what a session has missed.
#[test]
fn all_versions_talk_to_each_other() {
    const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];
    for from in ALL {
        for to in ALL {
            for qos in QOS {
                let what = format!("{from} {to} {qos}");
                let mut net = net();
                let ada = Raw::join(&mut net, from, "ada");
                let packet = Publish {
                    retain: true,
                    ..publish("a", "kept", qos)
                };
                ada.publish(&mut net, packet);
                if qos == QoS::ExactlyOnce {
                    ada.send(&mut net, &[Packet::Pubrel(Ack::new(id(1)))]);
                }
                let (bob, _) = Raw::connect(&mut net, &lasting(to, "bob"));
                let said = bob.subscribe(&mut net, "a", QoS::AtLeastOnce);
                let lower = qos.as_u8().min(1);
                let kept = format!("PUBLISH a kept q{lower} r1");
                assert_eq!(said, ["SUBACK 01", &kept], "{what}");
                bob.send(&mut net, &[Packet::Puback(Ack::new(id(1)))]);
                let next = Publish {
                    packet_id: (qos > QOS[0]).then(|| id(2)),
                    ..publish("a", "live", qos)
                };
                ada.publish(&mut net, next);
                let live = format!("PUBLISH a live q{lower} r0");
                assert_eq!(bob.heard(&mut net), [&*live], "{what}");
                bob.leave(&mut net);
                let (_, said) = Raw::connect(&mut net, &lasting(to, "bob"));
                let present = match to {
                    Version::V31 => "CONNACK 00",
                    _ => "CONNACK 00 present",
                };
                // It comes again, as it is not acknowledged.
                let again: &[&str] = match lower {
                    0 => &[present],
                    _ => &[present, &live],
                };
                assert_eq!(said, again, "{what}");
            }
        }
    }
}

/// One client, first of this version, then of that.
#[test]
fn a_session_goes_on_in_another_version() {
    let order = [Version::V31, Version::V5, Version::V311, Version::V31];
    let mut net = net();
    let (ada, _) = Raw::connect(&mut net, &lasting(order[0], "ada"));
    ada.subscribe(&mut net, "a/+", QoS::AtLeastOnce);
    let mut last = ada;
    for (at, version) in order.into_iter().enumerate().skip(1) {
        // The older connection is there, or not.
        if at % 2 == 0 {
            last.leave(&mut net);
        }
        let text = at.to_string();
        net.broker.publish(net.now, &message("a/b", &text, QOS[1]));
        let (next, said) = Raw::connect(&mut net, &lasting(version, "ada"));
        let present = match version {
            Version::V31 => "CONNACK 00",
            _ => "CONNACK 00 present",
        };
        let copy = format!("PUBLISH a/b {at} q1 r0");
        assert_eq!(said, [present, &copy], "{version}");
        let number = u16::try_from(at).unwrap();
        let said = next.send(&mut net, &[Packet::Puback(Ack::new(id(number)))]);
        assert_eq!(said, [""; 0], "{version}");
        last = next;
    }
    assert_eq!(net.broker.counters().sessions, 1);
}

/// SUBACK has no failure: a filter that is refused is granted QoS 0 and brings nothing (3.1, section 3.8).
#[test]
fn a_filter_that_is_refused_brings_nothing() {
    let options = BrokerOptions::new().with_ask_subscribe(true);
    let mut net = Net::new(options.with_connection(V31));
    net.answers = Box::new(|broker, now, question| {
        if let Question::Subscribe { token, .. } = question {
            let codes = [ReasonCode::NotAuthorized];
            broker.answer_subscribe(token, now, &codes).unwrap();
        }
    });
    let ada = Raw::join(&mut net, Version::V31, "ada");
    assert_eq!(ada.subscribe(&mut net, "a", QOS[2]), ["SUBACK 00"]);
    net.broker.publish(net.now, &message("a", "x", QOS[0]));
    assert_eq!(ada.heard(&mut net), [""; 0]);
    assert_eq!(net.broker.counters().subscriptions, 0);
}
