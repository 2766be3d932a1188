//! Wills: when they are published, and when not.

use std::time::Duration;

use sansio_mqtt::*;

use crate::net::Net;
use crate::{SECOND, VERSIONS, lasting, net};

/// How the connection of a client with a will ends.
#[derive(Copy, Clone, Debug, PartialEq)]
enum End {
    Cut,
    Left,
    LeftWithWill,
    KeepAlive,
    Violation,
    TakenOver { clean: bool },
    Administrator,
    ShutDown,
}

/// MQTT-3.1.2-8, MQTT-3.1.2-10, MQTT-3.1.3-9, MQTT-3.14.4-3 of 5.0, MQTT-3.1.2-8, MQTT-3.1.2-10 of 3.1.1: each way to end,
/// with and without a delay, with sessions that end at once, before the delay, behind it, and never.
#[test]
fn a_will_is_published_when_it_is_due() {
    const ENDS: [End; 9] = [
        End::Cut,
        End::Left,
        End::LeftWithWill,
        End::KeepAlive,
        End::Violation,
        End::TakenOver { clean: false },
        End::TakenOver { clean: true },
        End::Administrator,
        End::ShutDown,
    ];
    for version in VERSIONS {
        for end in ENDS {
            for delay in [0u32, 20] {
                for expiry in [0u32, 10, 30, u32::MAX] {
                    let is_v5 = version == Version::V5;
                    if !is_v5
                        && (delay > 0 || end == End::LeftWithWill || expiry % 10 == 0 && expiry > 0)
                    {
                        continue;
                    }
                    will_case(version, end, delay, expiry);
                }
            }
        }
    }
}

fn will_case(version: Version, end: End, delay: u32, expiry: u32) {
    let what = format!("{version} {end:?} delay {delay} expiry {expiry}");
    let is_v5 = version == Version::V5;
    let mut net = net();
    let watch = net.join_with(&Connect {
        keep_alive: 0,
        ..lasting(Version::V5, "watch")
    });
    net.subscribe(watch, &[Subscription::new("will", QoS::AtLeastOnce)]);
    let delays = [Property::WillDelayInterval(delay)];
    let expiries = [Property::SessionExpiryInterval(expiry)];
    let connect = Connect {
        clean_start: !is_v5 && expiry == 0,
        keep_alive: 10,
        will: Some(Will {
            topic: "will",
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: match is_v5 {
                true => Properties::from(&delays),
                false => Properties::new(),
            },
        }),
        properties: match is_v5 {
            true => Properties::from(&expiries),
            false => Properties::new(),
        },
        ..Connect::new(version, "ada")
    };
    let ada = net.join_with(&connect);
    let id = net.peers[ada].id;
    assert!(net.peers[ada].connack.is_some(), "{what}");
    match end {
        End::Cut => net.cut(ada),
        End::Left => net.leave(ada),
        End::LeftWithWill => {
            net.leave_with(ada, &Disconnect::new(ReasonCode::DisconnectWithWillMessage));
        }
        End::KeepAlive => {
            // It falls silent.
            net.peers[ada].is_cut = true;
            net.advance(15 * SECOND - Duration::from_millis(1));
            assert_eq!(net.texts(watch), [""; 0], "{what}");
            net.advance(Duration::from_millis(1));
            net.broker.disconnected(id, net.now);
            net.run();
        }
        End::Violation => {
            net.broker
                .receive(id, net.now, &mut &[0xf1, 0x01, 0x00][..]);
            net.run();
        }
        End::TakenOver { clean } => {
            let again = Connect {
                clean_start: clean || connect.clean_start,
                will: None,
                ..connect
            };
            net.open(&again, Session::established(), Options::new());
            net.run();
        }
        End::Administrator => {
            let disconnect = Disconnect::new(ReasonCode::AdministrativeAction);
            net.broker.disconnect(id, net.now, &disconnect);
            net.run();
        }
        End::ShutDown => {
            let disconnect = Disconnect::new(ReasonCode::ServerShuttingDown);
            // The one that watches is away, and reads it later.
            net.cut(watch);
            net.broker.shut_down(net.now, &disconnect);
            net.run();
        }
    }
    let is_due = end != End::Left;
    let is_back = matches!(end, End::TakenOver { .. });
    // After so many seconds; it may never be.
    let due = match end {
        _ if !is_due => None,
        // What the older session was ends with it; else a delay that has not passed is over.
        End::TakenOver { clean } if clean || connect.clean_start || expiry == 0 => Some(0),
        End::TakenOver { .. } => (delay == 0).then_some(0),
        _ => Some(delay.min(expiry)),
    };
    let session = |net: &Net| net.broker.session("watch").map_or(0, Session::queued);
    let heard = |net: &mut Net| match end {
        End::ShutDown => session(net),
        _ => net.texts(watch).len(),
    };
    match due {
        None => {
            net.advance(100 * SECOND);
            assert_eq!(heard(&mut net), 0, "{what}");
        }
        Some(0) => assert_eq!(heard(&mut net), 1, "{what}"),
        Some(seconds) => {
            net.advance(seconds * SECOND - Duration::from_millis(1));
            assert_eq!(heard(&mut net), 0, "{what}");
            net.advance(Duration::from_millis(1));
            assert_eq!(heard(&mut net), 1, "{what}");
        }
    }
    if !is_back && expiry != u32::MAX {
        net.advance(60 * SECOND);
        assert!(net.broker.session("ada").is_none(), "{what}");
    }
}

#[test]
fn a_client_that_is_back_in_time_has_its_will_cancelled() {
    let mut net = net();
    let watch = net.join(Version::V5, "watch");
    net.subscribe(watch, &[Subscription::new("will", QoS::AtLeastOnce)]);
    let delays = [Property::WillDelayInterval(20)];
    let expiries = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        clean_start: false,
        will: Some(Will {
            topic: "will",
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Properties::from(&delays),
        }),
        properties: Properties::from(&expiries),
        ..Connect::new(Version::V5, "ada")
    };
    let ada = net.join_with(&connect);
    net.cut(ada);
    net.advance(19 * SECOND);
    let ada = net.rejoin(ada, &connect);
    net.advance(19 * SECOND);
    assert_eq!(net.texts(watch), [""; 0]);
    net.cut(ada);
    net.advance(20 * SECOND);
    assert_eq!(net.texts(watch), ["gone"]);
    // It asked for RETAIN.
    let late = net.join(Version::V311, "late");
    net.subscribe(late, &[Subscription::new("#", QoS::AtMostOnce)]);
    assert_eq!(net.take(late), [("will".into(), "gone".into(), 0, true)]);
}
