//! A broker that stops and comes back from its records.

#[path = "support/net.rs"]
#[allow(dead_code)]
mod net;

use std::time::Duration;

use net::{message, retained};
use sansio_mqtt::*;

const NOW: Instant = Instant::from_millis(1_000);

fn options() -> BrokerOptions {
    BrokerOptions::new().with_seed(7).with_records(true)
}

/// Through bytes, as a store would keep them.
fn restart(log: &[u8], now: Instant) -> Broker {
    let (mut input, mut records) = (log, Vec::new());
    while let Some(record) = BrokerRecord::decode(&mut input).unwrap() {
        records.push(record);
    }
    assert!(input.is_empty());
    Broker::restore(now, options(), records).unwrap()
}

fn store(broker: &mut Broker, log: &mut Vec<u8>) -> u64 {
    let mut records = Vec::new();
    let number = broker.take_records(&mut records);
    for record in &records {
        record.encode(log);
    }
    number
}

fn connect(name: &str) -> Connect<'_> {
    Connect {
        clean_start: false,
        ..Connect::new(Version::V311, name)
    }
}

struct Link {
    id: ConnectionId,
    client: ClientConnection,
    received: Vec<String>,
    settled: usize,
}

impl Link {
    fn open(broker: &mut Broker, connect: &Connect<'_>, session: Session) -> Self {
        Self {
            id: broker.connected(NOW),
            client: ClientConnection::new(NOW, connect, session, Options::new()).unwrap(),
            received: Vec::new(),
            settled: 0,
        }
    }

    fn send(&mut self, broker: &mut Broker) {
        let mut bytes = Vec::new();
        self.client.poll_transmit(NOW, &mut bytes, usize::MAX);
        assert!(broker.receive(self.id, NOW, &mut &bytes[..]).is_none());
    }

    /// How many bytes came.
    fn take(&mut self, broker: &mut Broker) -> usize {
        let mut bytes = Vec::new();
        while broker.poll_transmit(self.id, NOW, &mut bytes, usize::MAX) > 0 {}
        let mut input = &bytes[..];
        while let Some(event) = self.client.receive(NOW, &mut input) {
            match event {
                ClientEvent::Publish(incoming) => {
                    let payload = String::from_utf8_lossy(incoming.publish.payload);
                    self.received.push(payload.into_owned());
                }
                ClientEvent::Published { .. } => self.settled += 1,
                _ => {}
            }
        }
        bytes.len()
    }

    fn exchange(&mut self, broker: &mut Broker, log: &mut Vec<u8>) {
        for _ in 0..6 {
            self.send(broker);
            self.take(broker);
            let number = store(broker, log);
            broker.stored(number);
            self.take(broker);
            let number = store(broker, log);
            broker.stored(number);
            self.take(broker);
        }
    }
}

#[test]
fn nothing_that_waits_for_a_record_leaves_before_it_is_stored() {
    let (mut broker, mut log) = (Broker::new(NOW, options()), Vec::new());
    let mut ada = Link::open(&mut broker, &connect("ada"), Session::established());
    ada.send(&mut broker);
    assert_eq!(ada.take(&mut broker), 0);
    let number = store(&mut broker, &mut log);
    assert_eq!(ada.take(&mut broker), 0);
    while broker.poll_ready().is_some() {}
    broker.stored(number);
    assert_eq!(broker.poll_ready(), Some(ada.id));
    assert_eq!(ada.take(&mut broker), 4);

    let filters = [Subscription::new("a", QoS::AtLeastOnce)];
    ada.client.subscribe(&filters, Properties::EMPTY).unwrap();
    ada.send(&mut broker);
    assert_eq!(ada.take(&mut broker), 0);
    let number = store(&mut broker, &mut log);
    broker.stored(number);
    assert_eq!(ada.take(&mut broker), 5);

    // A PUBLISH leaves behind the record that it does.
    broker.publish(NOW, &message("a", "x", QoS::AtLeastOnce));
    assert_eq!(ada.take(&mut broker), 0);
    let number = store(&mut broker, &mut log);
    broker.stored(number);
    assert_eq!(ada.take(&mut broker), 8);
    assert_eq!(ada.received, ["x"]);
    // One of QoS 0 waits for nothing.
    broker.publish(NOW, &message("a", "y", QoS::AtMostOnce));
    assert_eq!(ada.take(&mut broker), 6);
    assert_eq!(store(&mut broker, &mut log), number);
}

#[test]
fn sessions_subscriptions_wills_and_what_is_retained_survive() {
    let (mut broker, mut log) = (Broker::new(NOW, options()), Vec::new());
    let will = Will {
        topic: "will",
        payload: b"gone",
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: Properties::EMPTY,
    };
    let with_will = Connect {
        will: Some(will),
        ..connect("ada")
    };
    let mut ada = Link::open(&mut broker, &with_will, Session::established());
    ada.exchange(&mut broker, &mut log);
    let filters = [
        Subscription::new("a/+", QoS::ExactlyOnce),
        Subscription::new("b", QoS::AtLeastOnce),
    ];
    ada.client.subscribe(&filters, Properties::EMPTY).unwrap();
    ada.exchange(&mut broker, &mut log);
    ada.client.unsubscribe(&["b"], Properties::EMPTY).unwrap();
    ada.exchange(&mut broker, &mut log);
    let mut brief = Link::open(
        &mut broker,
        &Connect::new(Version::V311, "brief"),
        Session::new(),
    );
    brief.exchange(&mut broker, &mut log);
    let expires = Some(10);
    for kept in [
        retained("r/1", "stays", QoS::AtLeastOnce),
        retained("r/2", "goes", QoS::AtLeastOnce).with_message_expiry_interval(expires),
        retained("r/3", "cleared", QoS::AtLeastOnce),
        retained("r/3", "", QoS::AtLeastOnce),
    ] {
        broker.publish(NOW, &kept);
    }
    // In each state: on the way, and waiting.
    for text in ["1", "2", "3"] {
        broker.publish(NOW, &message("a/b", text, QoS::ExactlyOnce));
    }
    store(&mut broker, &mut log);
    let late = NOW + Duration::from_secs(10);

    // A snapshot says the same as the log.
    let mut snapshot = Vec::new();
    broker.snapshot(|record| record.encode(&mut snapshot));
    for bytes in [&log, &snapshot] {
        let mut broker = restart(bytes, late);
        assert_eq!(broker.client_ids().collect::<Vec<_>>(), ["ada"]);
        assert_eq!(broker.counters().retained_messages, 1);
        assert_eq!(broker.counters().subscriptions, 1);
        assert_eq!(broker.poll_timeout(), Some(late));
        broker.handle_timeout(late);
        // The will.
        assert_eq!(broker.counters().retained_messages, 2);

        let (mut log, session) = (Vec::new(), Session::established());
        let mut ada = Link::open(&mut broker, &connect("ada"), session);
        ada.exchange(&mut broker, &mut log);
        assert_eq!(ada.received, ["1", "2", "3"]);
        assert_eq!(broker.session("ada").map(Session::in_flight), Some(0));
    }
}

/// Whatever a crash leaves of the records, whole batches of them, no acknowledged message is missing and no QoS 2 message comes
/// twice.
#[test]
fn a_crash_at_any_moment_loses_nothing_acknowledged_and_repeats_no_exactly_once() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for seed in 0..400 {
            crash_after(qos, seed);
        }
    }
}

fn crash_after(qos: QoS, seed: u64) {
    let (mut broker, mut log) = (Broker::new(NOW, options()), Vec::new());
    let mut bob = Link::open(&mut broker, &connect("bob"), Session::established());
    bob.exchange(&mut broker, &mut log);
    let filters = [Subscription::new("a", qos)];
    bob.client.subscribe(&filters, Properties::EMPTY).unwrap();
    bob.exchange(&mut broker, &mut log);
    let mut ada = Link::open(&mut broker, &connect("ada"), Session::established());
    ada.exchange(&mut broker, &mut log);
    for text in ["1", "2", "3"] {
        let message = message("a", text, qos);
        ada.client.publish(NOW, message).unwrap();
    }
    let mut stored = log.clone();
    let mut number = 0;
    let mut random = seed;
    for _ in 0..seed % 50 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match (random >> 33) % 5 {
            0 => ada.send(&mut broker),
            1 => bob.send(&mut broker),
            2 => {
                number = store(&mut broker, &mut log);
                stored.clone_from(&log);
            }
            3 => broker.stored(number),
            _ => {
                ada.take(&mut broker);
                bob.take(&mut broker);
            }
        }
    }
    let mut broker = restart(&stored, NOW);
    let mut log = Vec::new();
    for link in [&mut ada, &mut bob] {
        link.client.receive_eof(NOW);
    }
    let (settled, mut received) = (ada.settled, bob.received);
    let mut ada = Link::open(&mut broker, &connect("ada"), ada.client.into_session());
    let mut bob = Link::open(&mut broker, &connect("bob"), bob.client.into_session());
    for _ in 0..4 {
        ada.exchange(&mut broker, &mut log);
        bob.exchange(&mut broker, &mut log);
    }
    assert_eq!(settled + ada.settled, 3, "{qos} {seed}");
    received.append(&mut bob.received);
    if qos == QoS::AtLeastOnce {
        received.sort();
        received.dedup();
    }
    assert_eq!(received, ["1", "2", "3"], "{qos} {seed}");
}
