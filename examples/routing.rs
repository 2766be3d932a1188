//! Who gets a message: the subscription index beside a table of clients, as in a broker.
//!
//! `cargo run --release --example routing`

use std::collections::BTreeMap;
use std::error::Error;

use sansio_mqtt::*;

fn main() -> Result<(), Box<dyn Error>> {
    let clients = ["ada", "bob", "eve"];
    let mut index = SubscriptionIndex::new(IndexOptions::new());
    for (client, text, qos) in [
        (0, "home/+/temperature", QoS::AtLeastOnce),
        (1, "home/#", QoS::ExactlyOnce),
        (1, "home/attic/+", QoS::AtMostOnce),
        (2, "+/+/alarm", QoS::AtLeastOnce),
    ] {
        let filter = TopicFilter::new(Version::V5, text)?;
        let options = SubscriptionOptions::new(qos);
        let subscriber = Subscriber::new(SubscriberId::new(client), options);
        if index.insert(&filter, subscriber)?.is_some() {
            println!("{text} replaced");
        }
    }

    let route = |index: &SubscriptionIndex, topic| {
        let topic = TopicName::new(topic)?;
        // One copy for each client, with the highest QoS of its subscriptions that match (section 3.3.5).
        let mut copies: BTreeMap<SubscriberId, QoS> = BTreeMap::new();
        index.matches(&topic, |hit| {
            let Hit::Subscribers(subscribers) = hit else {
                return;
            };
            for subscriber in subscribers.iter() {
                let qos = copies.entry(subscriber.id).or_default();
                *qos = subscriber.options.qos.max(*qos);
            }
        });
        println!("{topic}");
        for (id, qos) in copies {
            println!("  to {} at QoS {}", clients[id.get() as usize], qos.as_u8());
        }
        Ok::<_, TopicError>(())
    };
    route(&index, "home/attic/temperature")?;
    route(&index, "home/attic/alarm")?;

    let gone = index.remove_subscriber(SubscriberId::new(1), usize::MAX);
    println!("bob is gone, and {gone} subscriptions");
    route(&index, "home/attic/alarm")?;
    Ok(())
}
