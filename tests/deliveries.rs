//! What each client gets of a message (5.0 §3.3.4), against a plain grouping.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sansio_mqtt::*;

type Copied = (u32, QoS, bool, Vec<u32>);

fn copied(deliveries: &Deliveries) -> Vec<Copied> {
    let copies = deliveries.iter().map(|one| {
        assert_eq!(one.group, None);
        let identifiers = one.identifiers.to_vec();
        (
            one.subscriber.get(),
            one.qos,
            one.retain_as_published,
            identifiers,
        )
    });
    copies.collect()
}

/// One subscriber after the other, and for each everything that it has.
fn naive(hits: &[Subscriber], overlap: Overlap, publisher: Option<SubscriberId>) -> Vec<Copied> {
    let mut by_client = BTreeMap::<u32, Vec<Copied>>::new();
    for hit in hits {
        if hit.options.no_local && Some(hit.id) == publisher {
            continue;
        }
        let copies = by_client.entry(hit.id.get()).or_default();
        copies.push((
            hit.id.get(),
            hit.options.qos,
            hit.options.retain_as_published,
            hit.identifier.into_iter().collect(),
        ));
    }
    let mut all = Vec::new();
    for (number, copies) in by_client {
        match overlap {
            Overlap::CopyPerSubscription => all.extend(copies),
            Overlap::OneCopy => {
                let qos = copies.iter().map(|copy| copy.1).max().unwrap();
                let retain = copies.iter().any(|copy| copy.2);
                let mut identifiers: Vec<_> = copies.into_iter().flat_map(|copy| copy.3).collect();
                identifiers.sort_unstable();
                all.push((number, qos, retain, identifiers));
            }
        }
    }
    all.sort();
    all
}

fn hits() -> impl Strategy<Value = Vec<Subscriber>> {
    let hit = (
        0..6u32,
        0..3u8,
        any::<bool>(),
        any::<bool>(),
        prop::option::of(1..5u32),
    );
    let hit = hit.prop_map(
        |(number, qos, no_local, retain_as_published, identifier)| Subscriber {
            id: SubscriberId::new(number),
            options: SubscriptionOptions {
                qos: QoS::from_u8(qos).unwrap(),
                no_local,
                retain_as_published,
                ..SubscriptionOptions::default()
            },
            identifier,
        },
    );
    prop::collection::vec(hit, 0..40)
}

proptest! {
    #[test]
    fn as_a_plain_grouping(
        first in hits(),
        second in hits(),
        publisher in prop::option::of(0..7u32),
        rotation in any::<prop::sample::Index>(),
    ) {
        let publisher = publisher.map(SubscriberId::new);
        let mut deliveries = Deliveries::new();
        for hits in [first, second] {
            deliveries.clear();
            prop_assert!(deliveries.is_empty());
            for &hit in &hits {
                deliveries.add(hit);
            }
            // In another order the same comes out.
            let mut turned = Deliveries::new();
            let at = if hits.is_empty() { 0 } else { rotation.index(hits.len()) };
            for &hit in hits[at..].iter().chain(&hits[..at]) {
                turned.add(hit);
            }
            for overlap in [Overlap::OneCopy, Overlap::CopyPerSubscription, Overlap::OneCopy] {
                deliveries.merge(overlap, publisher);
                turned.merge(overlap, publisher);
                let copies = copied(&deliveries);
                prop_assert_eq!(&copies, &copied(&turned));
                prop_assert_eq!(copies.len(), deliveries.len());
                prop_assert!(copies.is_sorted_by_key(|copy| copy.0));
                let mut sorted = copies;
                sorted.sort();
                prop_assert_eq!(sorted, naive(&hits, overlap, publisher));
            }
        }
    }
}

fn subscriber(number: u32, qos: QoS) -> Subscriber {
    Subscriber::new(SubscriberId::new(number), SubscriptionOptions::new(qos))
}

/// [MQTT-3.8.3-3]: what is left decides about QoS, RETAIN and identifiers.
#[test]
fn no_local_takes_a_subscription_out() {
    let mut own = subscriber(1, QoS::ExactlyOnce).with_identifier(9);
    own.options.no_local = true;
    own.options.retain_as_published = true;
    let other = subscriber(1, QoS::AtMostOnce).with_identifier(4);
    let mut deliveries = Deliveries::new();
    deliveries.add(own);
    deliveries.add(other);
    deliveries.merge(Overlap::OneCopy, Some(SubscriberId::new(1)));
    assert_eq!(copied(&deliveries), [(1, QoS::AtMostOnce, false, vec![4])]);
    deliveries.merge(Overlap::OneCopy, Some(SubscriberId::new(2)));
    assert_eq!(
        copied(&deliveries),
        [(1, QoS::ExactlyOnce, true, vec![4, 9])]
    );
    deliveries.merge(Overlap::OneCopy, None);
    assert_eq!(
        copied(&deliveries),
        [(1, QoS::ExactlyOnce, true, vec![4, 9])]
    );

    deliveries.clear();
    deliveries.add(own);
    deliveries.merge(Overlap::OneCopy, Some(SubscriberId::new(1)));
    assert!(deliveries.is_empty());
}

/// 5.0 §3.3.4: "the PUBLISH packet will carry multiple identical Subscription Identifiers".
#[test]
fn an_identifier_used_twice_comes_twice() {
    let mut deliveries = Deliveries::new();
    for _ in 0..2 {
        deliveries.add(subscriber(1, QoS::AtMostOnce).with_identifier(5));
    }
    deliveries.merge(Overlap::OneCopy, None);
    assert_eq!(
        copied(&deliveries),
        [(1, QoS::AtMostOnce, false, vec![5, 5])]
    );
}
