//! Shared Subscriptions.

use sansio_mqtt::*;

use crate::net::message;
use crate::{SECOND, net};

#[test]
fn a_shared_message_goes_to_another_member_when_a_session_ends_and_its_lifetime_goes_on() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut net = net();
        let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
        for member in [ada, bob] {
            net.subscribe(member, &[Subscription::new("$share/g/a", qos)]);
        }
        let publisher = net.join(Version::V5, "eve");
        // On their way, and not acknowledged.
        (net.peers[ada].is_deaf, net.peers[bob].is_deaf) = (true, true);
        for text in ["1", "2", "3", "4"] {
            let brief = message("a", text, qos).with_message_expiry_interval(Some(30));
            net.publish(publisher, brief);
        }
        net.advance(10 * SECOND);
        net.cut(ada);
        net.peers[bob].is_deaf = false;
        net.run();
        let left = net.peers[bob].received.iter();
        let mut left: Vec<_> = left.map(Message::message_expiry_interval).collect();
        left.sort();
        let mut texts = net.texts(bob);
        texts.sort();
        match qos {
            // QoS 2 that was sent goes to nobody else (MQTT-4.8.2-5 of 5.0).
            QoS::ExactlyOnce => assert_eq!(texts.len(), 2),
            _ => {
                assert_eq!(texts, ["1", "2", "3", "4"]);
                assert_eq!(left, [Some(20), Some(20), Some(30), Some(30)]);
            }
        }
    }
}
