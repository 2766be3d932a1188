//! `FlashMQ` CVE-2026-42209 (divide by zero), mosquitto CVE-2020-13849: every interval at 0, 1 and its maximum, with a clock that
//! stands still, and one that jumps.

use std::time::Duration;

use sansio_mqtt::*;

use crate::net::{Net, message, retained};
use crate::wire::{VERSIONS, Wire, serve, with_witnesses};

const SECOND: u64 = 1_000;
const DECADES: u64 = 40 * 365 * 86_400 * SECOND;
/// When a clock begins; the last has a thousand years to go.
const STARTS: [u64; 4] = [0, 1_000, u64::MAX / 2, u64::MAX - 25 * DECADES];

fn net(start: u64) -> Net {
    let mut net = Net::new(BrokerOptions::new());
    net.now = Instant::from_millis(start);
    net.broker = Broker::new(net.now, BrokerOptions::new().with_seed(7));
    net
}

/// Everything that is due, and how many calls that takes.
fn settle(net: &mut Net) -> usize {
    let mut calls = 0;
    while net.broker.poll_timeout().is_some_and(|at| at <= net.now) {
        net.broker.handle_timeout(net.now);
        calls += 1;
        assert!(calls < 100, "it does not end");
    }
    while net.broker.poll_ready().is_some() {}
    calls
}

fn pass(net: &mut Net, milliseconds: u64) {
    net.now = net.now + Duration::from_millis(milliseconds);
    settle(net);
}

/// One and a half times the Keep Alive, to the millisecond; none, if it is 0.
#[test]
fn keep_alive() {
    for version in VERSIONS {
        for start in STARTS {
            for keep_alive in [0, 1, 2, 65_534, 65_535_u16] {
                let mut net = net(start);
                let connect = Connect {
                    keep_alive,
                    ..Connect::new(version, "one")
                };
                let (wire, _) = Wire::join(&mut net, &connect);
                // The clock stands still.
                for _ in 0..10 {
                    net.broker.handle_timeout(net.now);
                }
                let half = u64::from(keep_alive) * 1_500;
                pass(&mut net, half.saturating_sub(1));
                assert!(!wire.is_closed(&net), "{keep_alive} from {start}");
                wire.send(&mut net, Packet::Pingreq);
                pass(&mut net, half.saturating_sub(1));
                assert!(!wire.is_closed(&net), "{keep_alive} from {start}");
                pass(&mut net, if keep_alive == 0 { DECADES } else { 1 });
                assert_eq!(
                    wire.is_closed(&net),
                    keep_alive > 0,
                    "{keep_alive} from {start}"
                );
                wire.cut(&mut net);
                assert_eq!(net.broker.poll_timeout(), None);
            }
        }
    }
}

/// A session lives as long as it says: not a millisecond, a second, as long as can be counted, for ever.
#[test]
fn session_expiry() {
    for start in STARTS {
        for expiry in [0, 1, 0xFFFF_FFFE, 0xFFFF_FFFF_u32] {
            for maximum in [0, 1, 0xFFFF_FFFE, 0xFFFF_FFFF_u32] {
                let mut net = net(start);
                let options = BrokerOptions::new().with_maximum_session_expiry(maximum);
                net.broker = Broker::new(net.now, options.with_seed(7));
                let properties = [Property::SessionExpiryInterval(expiry)];
                let connect = Connect {
                    clean_start: false,
                    properties: Properties::from(&properties[..]),
                    ..Connect::new(Version::V5, "one")
                };
                let (wire, _) = Wire::join(&mut net, &connect);
                wire.cut(&mut net);
                settle(&mut net);
                let seconds = expiry.min(maximum);
                let lasts = |net: &Net| net.broker.session("one").is_some();
                assert_eq!(lasts(&net), seconds > 0);
                if seconds == 0 {
                    continue;
                }
                let end = u64::from(seconds) * SECOND;
                pass(&mut net, end - 1);
                assert!(lasts(&net));
                // Back within the last millisecond, and away again: it begins anew.
                let (wire, said) = Wire::join(&mut net, &connect);
                assert_eq!(said, ["CONNACK 1 0x00"]);
                wire.cut(&mut net);
                pass(&mut net, end - 1);
                assert!(lasts(&net));
                pass(&mut net, 1);
                assert_eq!(lasts(&net), seconds == u32::MAX);
                pass(&mut net, 10 * DECADES);
                assert_eq!(lasts(&net), seconds == u32::MAX);
                assert_eq!(net.broker.poll_timeout(), None);
            }
        }
    }
}

/// The will goes when its delay has passed or the session ends, whichever is first.
#[test]
fn will_delay() {
    for start in STARTS {
        for delay in [0, 1, 0xFFFF_FFFE, 0xFFFF_FFFF_u32] {
            for expiry in [0, 1, 0xFFFF_FFFE, 0xFFFF_FFFF_u32] {
                let mut net = net(start);
                let own = [Property::SessionExpiryInterval(expiry)];
                let of_will = [Property::WillDelayInterval(delay)];
                let will = Will {
                    retain: true,
                    properties: Properties::from(&of_will[..]),
                    ..Will::new("will", b"gone")
                };
                let connect = Connect {
                    clean_start: false,
                    will: Some(will),
                    properties: Properties::from(&own[..]),
                    ..Connect::new(Version::V5, "one")
                };
                let (wire, _) = Wire::join(&mut net, &connect);
                wire.cut(&mut net);
                settle(&mut net);
                // It is retained, so that it can be seen when it has come.
                let is_out = |net: &Net| net.broker.counters().retained_messages == 1;
                // A session that lasts for ever has no end.
                let seconds = match expiry {
                    u32::MAX => delay,
                    _ => delay.min(expiry),
                };
                let due = u64::from(seconds) * SECOND;
                if due > 0 {
                    assert!(!is_out(&net), "{delay} {expiry}");
                    pass(&mut net, due - 1);
                    assert!(!is_out(&net), "{delay} {expiry}");
                    pass(&mut net, 1);
                }
                assert!(is_out(&net), "{delay} {expiry}");
            }
        }
    }
}

/// A message that waits, and one that is retained, for as long as they say, with what is left of it.
#[test]
fn message_expiry() {
    for start in STARTS {
        for expiry in [0, 1, 0xFFFF_FFFE, 0xFFFF_FFFF_u32] {
            let mut net = net(start);
            let ever = [Property::SessionExpiryInterval(u32::MAX)];
            let connect = Connect {
                clean_start: false,
                properties: Properties::from(&ever[..]),
                ..Connect::new(Version::V5, "one")
            };
            let (wire, _) = Wire::join(&mut net, &connect);
            wire.subscribe(&mut net, "#", QoS::AtLeastOnce);
            wire.cut(&mut net);
            let brief = |text: &str| {
                retained(text, text, QoS::AtLeastOnce).with_message_expiry_interval(Some(expiry))
            };
            net.broker.publish(net.now, &brief("a"));
            net.broker
                .publish(net.now, &message("b", "b", QoS::AtLeastOnce));
            settle(&mut net);
            assert_eq!(
                net.broker.counters().retained_messages,
                usize::from(expiry > 0)
            );
            let end = u64::from(expiry) * SECOND;
            if expiry > 0 {
                pass(&mut net, end - 1);
                assert_eq!(net.broker.counters().retained_messages, 1);
            }
            // In the last millisecond, or none.
            let reader = net.join(Version::V5, "reader");
            net.subscribe(reader, &[Subscription::new("a", QoS::AtLeastOnce)]);
            let left: Vec<_> = net.peers[reader]
                .received
                .iter()
                .map(Message::message_expiry_interval)
                .collect();
            assert_eq!(left, vec![Some(1); usize::from(expiry > 0)]);
            pass(&mut net, 1);
            assert_eq!(net.broker.counters().retained_messages, 0);
            let (_, said) = Wire::join(&mut net, &connect);
            assert_eq!(said.len(), 2, "{said:?}");
            assert!(said[1].ends_with(" b"));
        }
    }
}

/// A clock that jumps by decades: all that is due in between is done at once, and nobody who has not been silent is lost to it.
#[test]
fn jumps_of_decades() {
    let options = BrokerOptions::new().with_sys_interval(Some(Duration::from_millis(1)));
    let mut net = with_witnesses(options);
    let expiry = [Property::SessionExpiryInterval(86_400)];
    for at in 0..3_000 {
        let name = format!("{at}");
        let connect = Connect {
            clean_start: false,
            properties: Properties::from(&expiry[..]),
            ..Connect::new(Version::V5, &name)
        };
        let (wire, _) = Wire::join(&mut net, &connect);
        if at % 2 == 0 {
            wire.cut(&mut net);
        }
        let one = retained(&name, "x", QoS::AtMostOnce).with_message_expiry_interval(Some(at + 1));
        net.broker.publish(net.now, &one);
    }
    for _ in 0..3 {
        net.now = net.now + Duration::from_millis(DECADES);
        let calls = settle(&mut net);
        assert!(calls < 20, "{calls}");
        assert_eq!(net.broker.counters().connected, 2);
        // Whose Keep Alive passed within the jump are away since then.
        let left = net.broker.counters().sessions;
        assert!(left == 2 || left == 1_502, "{left}");
        serve(&mut net);
    }
    assert_eq!(net.broker.counters().sessions, 2);
    let all = TopicFilter::new(Version::V5, "#").unwrap();
    net.broker
        .retained(&all, |message, _, _| panic!("{message:?}"));
}

/// Questions that may stay open for no time at all, or for ever.
#[test]
fn answer_timeout() {
    for timeout in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
        for start in STARTS {
            let options = BrokerOptions::new()
                .with_ask_connect(true)
                .with_answer_timeout(timeout);
            let now = Instant::from_millis(start);
            let mut net = Net::new(options.clone());
            net.now = now;
            net.broker = Broker::new(now, options.with_seed(7));
            let wire = Wire::open(&mut net, Version::V5);
            let connect = crate::wire::encoded(Version::V5, Connect::new(Version::V5, "one"));
            let mut input = &connect[..];
            assert!(net.broker.receive(wire.id, now, &mut input).is_some());
            settle(&mut net);
            assert_eq!(wire.is_closed(&net), timeout.is_zero());
            pass(&mut net, 1);
            assert_eq!(wire.is_closed(&net), timeout != Duration::MAX);
            pass(&mut net, DECADES);
            assert_eq!(wire.is_closed(&net), timeout != Duration::MAX);
        }
    }
}
