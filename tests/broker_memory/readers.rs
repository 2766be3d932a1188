//! Clients that get more than they take.

use sansio_mqtt::*;

use crate::rig::{LITTLE, PAGES, Rig, kilobyte};

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const KEPT: u32 = 64 << 10;

/// Fifty clients that never read, with each QoS and under each policy, and one that publishes to them without end. What waits
/// for them is one message for all, and none has more than its options allow.
#[test]
fn slow_readers() {
    for policy in [SlowConsumer::Disconnect, SlowConsumer::Drop] {
        for qos in QOS {
            let connection = Options::new()
                .with_maximum_kept_bytes(KEPT)
                .with_maximum_kept_messages(100);
            let options = BrokerOptions::new()
                .with_connection(connection)
                .with_slow_consumer(policy);
            let mut rig = Rig::new(options);
            let before = rig.bytes();
            let mut ids: Vec<_> = (0..50)
                .map(|number| {
                    let id = rig.join(&Connect::new(Version::V5, &format!("slow-{number}")));
                    rig.subscribe(id, "news/#", qos);
                    id
                })
                .collect();
            let [few, many] = rig.flood(1_000, |rig, _| rig.publish(&kilobyte("news/a", qos)));
            let is_over = policy == SlowConsumer::Disconnect && qos > QoS::AtMostOnce;
            let closed = ids.iter().filter(|&&id| rig.broker.closed(id).is_some());
            assert_eq!(closed.count(), if is_over { 50 } else { 0 });
            println!(
                "{policy:?}, QoS {qos}: {} bytes for a client that never reads, of {KEPT} allowed",
                many / 50
            );
            // What waits is the same for all, and has a place of some 200 bytes with each.
            let bound = KEPT as usize + 50 * (1_000 + 64 * 250) + (16 << 10);
            assert!(few.max(many) < bound, "{few} {many} {bound}");
            assert!(many <= few, "{few} {many}");
            assert!(rig.broker.counters().messages_dropped > 0);
            ids.drain(..).for_each(|id| rig.end(id));
            drop(ids);
            rig.assert_back(before, PAGES);
        }
    }
}

/// The same where no message is like another: each client holds what its options allow, and no more.
#[test]
fn a_slow_reader_of_its_own() {
    for qos in QOS {
        let connection = Options::new().with_maximum_kept_bytes(KEPT);
        let options = BrokerOptions::new()
            .with_connection(connection)
            .with_slow_consumer(SlowConsumer::Drop);
        let mut rig = Rig::new(options);
        let before = rig.bytes();
        let id = rig.join(&Connect::new(Version::V5, "slow"));
        rig.subscribe(id, "news/#", qos);
        let [few, many] = rig.flood(1_000, |rig, number| {
            rig.publish(&kilobyte("news/a", qos));
            // It takes one in four, and answers none.
            if number % 4 == 0 {
                let mut out = Vec::new();
                rig.broker.poll_transmit(id, rig.now, &mut out, 1);
            }
        });
        println!("QoS {qos}: {few} and {many} bytes held for it, of {KEPT} allowed");
        assert!(
            few.max(many) < (KEPT + KEPT / 2) as usize + (16 << 10),
            "{few} {many}"
        );
        rig.end(id);
        rig.assert_back(before, LITTLE);
    }
}

/// `#`, all counters, and thousands of filters that overlap: a message goes to it once.
#[test]
fn one_that_subscribes_to_everything() {
    let connection = Options::new().with_maximum_kept_bytes(KEPT);
    let options = BrokerOptions::new()
        .with_connection(connection)
        .with_sys_interval(Some(std::time::Duration::from_secs(1)));
    let mut rig = Rig::new(options);
    rig.pass(std::time::Duration::from_secs(2));
    for number in 0..2_000 {
        rig.publish(&kilobyte(&format!("kept/{number}"), QoS::AtLeastOnce).with_retain(true));
    }
    let before = rig.bytes();
    let id = rig.join(&Connect::new(Version::V5, "curious"));
    let mut filters = vec!["#".to_owned(), "$SYS/#".to_owned(), "+/#".to_owned()];
    for number in 0..3_000 {
        let levels = ["a", "+"].map(|level| vec![level; number % 40 + 1].join("/"));
        filters.push(format!("{}/{number}/#", levels[number % 2]));
    }
    let packets: Vec<Vec<u8>> = filters
        .iter()
        .map(|filter| {
            let options = SubscriptionOptions {
                retain_handling: RetainHandling::DoNotSend,
                ..SubscriptionOptions::new(QoS::AtLeastOnce)
            };
            let all = [Subscription {
                options,
                ..Subscription::new(filter, QoS::AtLeastOnce)
            }];
            crate::rig::bytes_of(Version::V5, crate::rig::subscribe(&all))
        })
        .collect();
    let own = rig.bytes() - before;
    for packet in &packets {
        assert_eq!(rig.send(id, packet), packet.len());
        let answer = rig.read(id);
        assert_eq!((answer[0], answer[5]), (0x90, 1));
    }
    let topic = vec!["a"; 41].join("/");
    let mut closed = false;
    let [few, many] = rig.flood(300, |rig, number| {
        rig.publish(&kilobyte(&format!("{topic}/{number}"), QoS::AtLeastOnce));
        rig.pass(std::time::Duration::from_millis(100));
        closed |= rig.broker.closed(id).is_some();
    });
    println!("{few} and {many} bytes held for the one that subscribes to everything");
    // It was told that it does not get everything.
    assert!(closed);
    assert!(
        few.max(many) < (KEPT + KEPT / 2) as usize + (64 << 10),
        "{few} {many}"
    );
    rig.end(id);
    let left = rig.bytes() - before - own;
    assert!(left < 64 << 10, "{left}");
    assert_eq!(rig.broker.counters().subscriptions, 1);
}
