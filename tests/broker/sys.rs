//! `$SYS`, and other topics that begin with `$`.

use sansio_mqtt::*;

use crate::net;
use crate::net::retained;

#[test]
fn what_begins_with_a_dollar_is_not_for_clients_nor_for_their_wills() {
    let mut net = net();
    let ada = net.join(Version::V5, "ada");
    net.subscribe(ada, &[Subscription::new("$SYS/#", QoS::AtLeastOnce)]);
    net.publish(ada, retained("$SYS/broker/uptime", "x", QoS::AtLeastOnce));
    assert_eq!(net.peers[ada].acks, [ReasonCode::NotAuthorized]);
    assert_eq!(net.take(ada), []);
    assert_eq!(net.broker.counters().retained_messages, 0);
    let connect = Connect {
        will: Some(Will {
            topic: "$SYS/broker/uptime",
            payload: b"x",
            qos: QoS::AtMostOnce,
            retain: true,
            properties: Properties::EMPTY,
        }),
        ..Connect::new(Version::V5, "eve")
    };
    let eve = net.join_with(&connect);
    let connack = net.peers[eve].connack.as_ref().map(|one| one.0);
    assert_eq!(connack, Some(ReasonCode::NotAuthorized));
}
