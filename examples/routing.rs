//! Who gets a message: the subscription index beside a table of clients, as in a broker.
//!
//! `cargo run --release --example routing`

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

    let mut deliveries = Deliveries::new();
    let mut route = |index: &SubscriptionIndex, topic| {
        let topic = TopicName::new(topic)?;
        deliveries.clear();
        index.matches(&topic, |hit| {
            // There are no shared ones here; `Hit::Group` would be for `index.pick`.
            if let Hit::Subscribers(subscribers) = hit {
                deliveries.extend(&subscribers);
            }
        });
        // One copy for each client, with the highest QoS of its subscriptions that match (section 3.3.5).
        deliveries.merge(Overlap::OneCopy, None);
        println!("{topic}");
        for copy in deliveries.iter() {
            let client = clients[copy.subscriber.get() as usize];
            println!("  to {client} at QoS {}", copy.qos.as_u8());
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
