//! What the caller does and hears that no client asked for.

use sansio_mqtt::*;

use crate::net::{Net, message};

#[test]
fn bridges_hear_of_the_first_and_the_last_subscription_to_a_filter() {
    let mut net = Net::new(BrokerOptions::new().with_bridge_events(true));
    let (ada, bob) = (net.join(Version::V5, "ada"), net.join(Version::V5, "bob"));
    let events = |net: &mut Net| {
        let events = std::iter::from_fn(|| net.broker.poll_event());
        let mut events: Vec<String> = events
            .map(|event| match event {
                BrokerEvent::FirstSubscription { filter } => format!("+{}", filter.as_str()),
                BrokerEvent::LastSubscription { filter } => format!("-{}", filter.as_str()),
                BrokerEvent::Published { client_id, message } => {
                    format!("{client_id} {}", message.topic())
                }
                other => format!("{other:?}"),
            })
            .collect();
        events.sort();
        events
    };
    for peer in [ada, bob] {
        for filter in ["a/+", "$share/g/a/+", "a/+"] {
            net.subscribe(peer, &[Subscription::new(filter, QoS::AtLeastOnce)]);
        }
    }
    assert_eq!(events(&mut net), ["+$share/g/a/+", "+a/+"]);
    net.unsubscribe(ada, &["a/+"]);
    assert_eq!(events(&mut net), [""; 0]);
    net.publish(ada, message("a/b", "x", QoS::AtMostOnce));
    net.broker
        .publish(net.now, &message("a/b", "y", QoS::AtMostOnce));
    assert_eq!(events(&mut net), ["ada a/b"]);
    net.leave(bob);
    assert_eq!(events(&mut net), ["-a/+"]);
    net.unsubscribe(ada, &["$share/g/a/+"]);
    assert_eq!(events(&mut net), ["-$share/g/a/+"]);
}
