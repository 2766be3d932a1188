//! Topic aliases, in both directions.

use sansio_mqtt::*;

use crate::limits::V31;
use crate::net::{Net, QOS, message};
use crate::raw::{Raw, publish};

/// 5.0 §3.3.2.3.4: they are those of the connection, and what is published has its topic.
#[test]
fn topic_aliases_are_taken_as_far_as_announced() {
    let connection = Options::new().with_topic_alias_maximum(2);
    let mut net = Net::new(BrokerOptions::new().with_connection(connection));
    let peer = net.join(Version::V5, "told");
    let told = net.peers[peer].connack.clone().unwrap().2;
    assert!(
        told.contains(&"TopicAliasMaximum(2)".to_owned()),
        "{told:?}"
    );
    let watch = Raw::join(&mut net, Version::V5, "watch");
    watch.subscribe(&mut net, "#", QoS::AtMostOnce);
    let with = |topic: &'static str, alias: u16| Publish {
        topic_alias: Some(alias),
        ..publish(topic, "x", QoS::AtMostOnce)
    };
    let ada = Raw::join(&mut net, Version::V5, "ada");
    for (topic, alias) in [("a", 1), ("b", 2), ("", 1), ("", 2), ("c", 2), ("", 2)] {
        assert_eq!(ada.publish(&mut net, with(topic, alias)), [""; 0]);
    }
    let topics = ["a", "b", "a", "b", "c", "c"].map(|topic| format!("PUBLISH {topic} x q0 r0"));
    assert_eq!(watch.heard(&mut net), topics);
    let said = ada.publish(&mut net, with("d", 3));
    assert_eq!(said, ["DISCONNECT 94", "closed"]);
    let ada = Raw::join(&mut net, Version::V5, "ada");
    let said = ada.publish(&mut net, with("", 1));
    assert_eq!(said, ["DISCONNECT 82", "closed"]);
    assert_eq!(watch.heard(&mut net), [""; 0]);
}

/// 5.0 §3.1.2.11.5: no more of them than the client takes, and none before 5.0.
#[test]
fn topic_aliases_of_the_broker_are_those_that_a_client_takes() {
    let connection = V31.with_automatic_topic_aliases(2);
    let mut net = Net::new(BrokerOptions::new().with_connection(connection));
    let properties = [Property::TopicAliasMaximum(1)];
    let connect = Connect {
        properties: Properties::from(&properties),
        ..Connect::new(Version::V5, "ada")
    };
    let (ada, _) = Raw::connect(&mut net, &connect);
    let others = [Version::V311, Version::V5].map(|version| {
        let raw = Raw::join(&mut net, version, &format!("b{version}"));
        raw.subscribe(&mut net, "#", QoS::AtMostOnce);
        raw
    });
    ada.subscribe(&mut net, "#", QoS::AtMostOnce);
    for topic in ["a", "a", "b", "b", "a"] {
        net.broker.publish(net.now, &message(topic, "x", QOS[0]));
    }
    let copy = |topic: &str| format!("PUBLISH {topic} x q0 r0");
    // The alias stands for the topic that had it last.
    let expected = ["a", "", "b", "", "a"].map(copy);
    assert_eq!(ada.heard(&mut net), expected);
    for raw in others {
        let expected = ["a", "a", "b", "b", "a"].map(copy);
        assert_eq!(raw.heard(&mut net), expected);
    }
}
