//! Very many connections and sessions.

use std::time::Duration;

use sansio_mqtt::*;

use crate::rig::{PAGES, Rig, bytes_of, kilobyte};

fn persistent<'a>(name: &'a str, expiry: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        clean_start: false,
        properties: Properties::from(expiry),
        ..Connect::new(Version::V5, name)
    }
}

#[test]
fn ten_thousand_idle_connections() {
    let mut rig = Rig::new(BrokerOptions::new());
    let before = rig.bytes();
    let mut ids = Vec::with_capacity(10_000);
    let own = rig.bytes() - before;
    for number in 0..10_000 {
        let connect = Connect {
            keep_alive: 60,
            ..Connect::new(Version::V5, "")
        };
        let name = format!("client-{number}");
        let id = rig.join(&Connect {
            client_id: &name,
            ..connect
        });
        rig.subscribe(id, &format!("devices/{number}/set"), QoS::AtLeastOnce);
        ids.push(id);
    }
    rig.serve();
    let each = (rig.bytes() - before - own) / 10_000;
    println!("{each} bytes for an idle connection with a subscription");
    assert!(each < 640, "{each}");
    for id in ids.drain(..) {
        rig.end(id);
    }
    drop(ids);
    rig.assert_back(before, PAGES);
}

/// Transports on which nothing comes, or the beginning of CONNECT, end when its time is over.
#[test]
fn half_open_connections() {
    let mut rig = Rig::new(BrokerOptions::new());
    let before = rig.bytes();
    let connect = bytes_of(Version::V5, Packet::from(Connect::new(Version::V5, "half")));
    let mut ids = Vec::with_capacity(5_000);
    let own = rig.bytes() - before;
    for number in 0..5_000 {
        let id = rig.connected();
        // What is not a whole packet stays with the driver.
        assert_eq!(rig.send(id, &connect[..number % connect.len()]), 0);
        ids.push(id);
    }
    rig.serve();
    let each = (rig.bytes() - before - own) / 5_000;
    println!("{each} bytes for a half-open connection");
    assert!(each < 450, "{each}");
    rig.pass(Duration::from_secs(31));
    for id in ids.drain(..) {
        let closed = rig.broker.closed(id).unwrap();
        assert_eq!(closed.cause, CloseCause::ConnectTimeout);
        rig.end(id);
    }
    drop(ids);
    rig.assert_back(before, PAGES);
}

/// Connections beyond the limit are told so and hold nothing once their transport is gone.
#[test]
fn more_connections_than_the_limit() {
    let mut rig = Rig::new(BrokerOptions::new().with_maximum_connections(10));
    let before = rig.bytes();
    let mut ids: Vec<_> = (0..8)
        .map(|number| rig.join(&Connect::new(Version::V311, &format!("c{number}"))))
        .collect();
    let [few, many] = rig.flood(500, |rig, _| {
        let id = rig.connected();
        let connect = Connect::new(Version::V5, "more");
        rig.send_packet(id, Version::V5, Packet::from(connect));
        assert_eq!(rig.read(id)[..4], [0x20, 3, 0, 0x89]);
        assert!(rig.broker.closed(id).is_some());
        rig.end(id);
    });
    assert!(few.max(many) < 16 << 10, "{few} {many}");
    ids.drain(..).for_each(|id| rig.end(id));
    drop(ids);
    rig.assert_back(before, PAGES);
}

/// Thousands of connections that take one client's session over, one from the other.
#[test]
fn a_storm_of_take_overs() {
    let options = BrokerOptions::new().with_slow_consumer(SlowConsumer::Drop);
    let mut rig = Rig::new(options);
    let before = rig.bytes();
    let expiry = [Property::SessionExpiryInterval(60)];
    let mut last = None;
    let [few, many] = rig.flood(500, |rig, number| {
        let id = rig.join(&persistent("the-one", &expiry));
        if number == 0 {
            rig.subscribe(id, "the-one/#", QoS::AtLeastOnce);
        }
        rig.publish(&kilobyte("the-one/a", QoS::AtLeastOnce));
        if let Some(older) = last.replace(id) {
            let told = rig.read(older);
            assert!(told.ends_with(&[0xe0, 1, 0x8e]), "{number} {told:02x?}");
            rig.end(older);
        }
        // It reads and never acknowledges.
        if number < 1_000 {
            rig.read(id);
        }
    });
    println!("{few} and {many} bytes in a storm of take-overs");
    // The queue's default is 1,024 messages: each of a kilobyte, what a message is, and its places.
    assert!(
        few.max(many) < 1_024 * (1_024 + 512) + (64 << 10),
        "{few} {many}"
    );
    assert_eq!(rig.broker.counters().sessions, 3);
    rig.end(last.unwrap());
    rig.pass(Duration::from_secs(61));
    rig.assert_back(before, PAGES);
}

/// Ever new clients whose sessions, with a will each, are to outlive them for long.
#[test]
fn ever_new_sessions() {
    const SESSIONS: usize = 500;
    let mut rig = Rig::new(BrokerOptions::new().with_maximum_sessions(SESSIONS + 2));
    let before = rig.bytes();
    let expiry = [Property::SessionExpiryInterval(3_600)];
    let delay = [Property::WillDelayInterval(3_600)];
    let [few, many] = rig.flood(1_000, |rig, number| {
        let name = format!("client-{number}");
        let connect = Connect {
            will: Some(Will {
                qos: QoS::AtLeastOnce,
                properties: Properties::from(&delay[..]),
                ..Will::new("wills", &[0x2a; 1024])
            }),
            ..persistent(&name, &expiry)
        };
        let id = rig.connected();
        rig.send_packet(id, Version::V5, Packet::from(connect));
        let code = rig.read(id)[3];
        assert_eq!(code, if number < SESSIONS { 0 } else { 0x97 });
        rig.end(id);
    });
    println!("{} bytes for a session with a will", many / SESSIONS);
    assert!(few.max(many) < SESSIONS * (1_024 + 700), "{few} {many}");
    rig.pass(Duration::from_secs(3_601));
    rig.assert_back(before, PAGES);
}

#[test]
fn ever_new_retained_topics() {
    const BYTES: usize = 256 << 10;
    let retained = RetainedOptions::new()
        .with_maximum_topics(1_000)
        .with_maximum_bytes(BYTES);
    let mut rig = Rig::new(BrokerOptions::new().with_retained(retained));
    let before = rig.bytes();
    let id = rig.join(&Connect::new(Version::V311, "retainer"));
    let [few, many] = rig.flood(2_000, |rig, number| {
        let topic = format!("some/where/{number}");
        let publish = Publish {
            retain: true,
            ..Publish::new(&topic, &[0x2a; 512])
        };
        assert!(rig.send_packet(id, Version::V311, Packet::from(publish)));
        rig.read(id);
    });
    println!("{few} and {many} bytes of retained messages where {BYTES} are allowed");
    assert!(rig.broker.counters().retained_bytes <= BYTES);
    assert!(rig.broker.counters().messages_not_retained > 0);
    // What is counted is messages; the topics in the tree and the places are beside them.
    assert!(
        few.max(many) < BYTES + 1_000 * 256 + (64 << 10),
        "{few} {many}"
    );
    rig.end(id);
    let all = TopicFilter::new(Version::V5, "#").unwrap();
    rig.broker.clear_retained(&all, |_, _| true);
    rig.assert_back(before, PAGES);
}

/// Nobody answers what the broker asks: who waits is refused or disconnected when the time for that is over.
#[test]
fn questions_without_an_answer() {
    let options = BrokerOptions::new()
        .with_ask_connect(true)
        .with_ask_publish(true);
    let mut rig = Rig::new(options);
    let before = rig.bytes();
    let mut ids = Vec::with_capacity(2_000);
    let own = rig.bytes() - before;
    for number in 0..2_000 {
        let id = rig.connected();
        let name = format!("client-{number}");
        let bytes = bytes_of(
            Version::V5,
            Packet::from(Connect {
                will: Some(Will::new("wills", &[0x2a; 1024])),
                ..Connect::new(Version::V5, &name)
            }),
        );
        let mut input = &bytes[..];
        let question = rig.broker.receive(id, rig.now, &mut input);
        assert!(matches!(question, Some(Question::Connect { .. })));
        // More is not taken meanwhile.
        assert_eq!(rig.send(id, &[0xc0, 0]), 0);
        ids.push(id);
    }
    rig.serve();
    let each = (rig.bytes() - before - own) / 2_000;
    println!("{each} bytes for a client that waits to be let in, with a will of a kilobyte");
    assert!(each < 1_024 + 900, "{each}");
    rig.pass(Duration::from_secs(31));
    for id in ids.drain(..) {
        assert_eq!(rig.read(id)[..4], [0x20, 3, 0, 0x88]);
        rig.end(id);
    }
    drop(ids);
    rig.assert_back(before, PAGES);
}

/// The caller takes no events: the clients are not read any further, and nothing is lost.
#[test]
fn events_that_nobody_takes() {
    let options = BrokerOptions::new()
        .with_bridge_events(true)
        .with_maximum_events(100);
    let mut rig = Rig::new(options);
    let before = rig.bytes();
    let id = rig.join(&Connect::new(Version::V5, "busy"));
    let publish = bytes_of(
        Version::V5,
        Packet::from(Publish::new("elsewhere", &[0x2a; 512])),
    );
    let mut taken = 0;
    for _ in 0..1_000 {
        taken += usize::from(rig.send(id, &publish) == publish.len());
    }
    // The witness has its own before.
    assert!((50..=100).contains(&taken), "{taken}");
    let mut events = 0;
    while rig.broker.poll_event().is_some() {
        events += 1;
    }
    assert_eq!(events, 100);
    assert_eq!(rig.send(id, &publish), publish.len());
    rig.serve();
    rig.end(id);
    rig.assert_back(before, PAGES);
}
