//! `publish_into` gives what `publish` and `poll_transmit` give, byte for byte, and does not copy what it need not.

mod support {
    pub(crate) mod pair;
}

use proptest::prelude::*;
use sansio_mqtt::*;
use support::pair::*;

#[derive(Clone, Debug)]
enum Op {
    Publish {
        qos: u8,
        topic: u8,
        size: usize,
        retain: bool,
        expiry: Option<u32>,
        text: bool,
        ids: bool,
    },
    Settle,
    Wait(u64),
    Queue,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u8..3, 0u8..5, 0usize..60, any::<bool>(), prop::option::of(0u32..3), any::<bool>(), any::<bool>())
            .prop_map(|(qos, topic, size, retain, expiry, text, ids)| Op::Publish { qos, topic, size, retain, expiry, text, ids }),
        2 => Just(Op::Settle),
        1 => (0u64..3_000).prop_map(Op::Wait),
        1 => Just(Op::Queue),
    ]
}

fn setup(version: Version, bits: u8) -> Setup {
    let mut setup = Setup::new(version);
    if version == Version::V5 {
        setup.connack.push(Property::RetainAvailable(bits & 1 == 0));
        if bits & 2 != 0 {
            setup.connack.push(Property::MaximumQos(QoS::AtLeastOnce));
        }
    }
    let options = Options::new()
        .with_receive_maximum(if bits & 4 == 0 { 2 } else { 100 })
        .with_topic_alias_maximum(2)
        .with_automatic_topic_aliases(u16::from(bits >> 3 & 3))
        .with_maximum_packet_size(if bits & 32 == 0 { 50 } else { 1_000 })
        .with_maximum_kept_messages(9);
    setup.client = options.clone();
    setup.server = options;
    setup
}

/// The same call in both ways; what came out, and whether it was taken.
fn publish(
    pair: &mut Pair,
    from_client: bool,
    direct: bool,
    publish: &Publish<'_>,
) -> (Vec<u8>, Result<(), PublishErrorReason>) {
    let (now, mut out) = (pair.now, Vec::new());
    macro_rules! on {
        ($connection:expr) => {{
            let connection = $connection;
            if direct {
                connection.publish_into(now, publish, &mut out).map(drop)
            } else {
                let ids: Vec<u32> = publish.subscription_identifiers.iter().collect();
                let message = Message::from_publish(publish.topic, publish).expect("a message");
                let message = message
                    .with_subscription_identifiers(&ids)
                    .expect("identifiers");
                let result = connection
                    .publish(now, message)
                    .map(drop)
                    .map_err(|error| error.reason);
                if matches!(result, Ok(()) | Err(PublishErrorReason::QueueFull)) {
                    connection.poll_transmit(now, &mut out, usize::MAX);
                }
                result
            }
        }};
    }
    let result = if from_client {
        on!(pair.client())
    } else {
        on!(pair.server())
    };
    pair.carry_on(from_client, &out);
    (out, result)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_publish_and_transmit(
        v5 in any::<bool>(),
        from_client in any::<bool>(),
        bits in any::<u8>(),
        ops in prop::collection::vec(op(), 1..40),
    ) {
        let version = if v5 { Version::V5 } else { Version::V311 };
        let mut pairs = [true, false].map(|_| Pair::connected(setup(version, bits)));
        for op in ops {
            match op {
                Op::Publish { qos, topic, size, retain, expiry, text, ids } => {
                    let topic = ["a", "b/c", "d", "a/rather/long/topic/name", "e"][usize::from(topic)];
                    let properties = [Property::ContentType("text/plain")];
                    let message = Publish {
                        qos: QoS::from_u8(qos).expect("a QoS"),
                        retain,
                        message_expiry_interval: expiry,
                        subscription_identifiers: if ids { [7, 300].as_slice().into() } else { [].as_slice().into() },
                        properties: if text { Properties::from(&properties[..]) } else { Properties::new() },
                        // Not looked at.
                        dup: text,
                        topic_alias: expiry.map(|_| 9),
                        packet_id: PacketId::new(u16::from(qos) * 77),
                        ..Publish::new(topic, &[b'x'; 60][..size])
                    };
                    let [direct, queued] = &mut pairs;
                    let direct = publish(direct, from_client, true, &message);
                    let queued = publish(queued, from_client, false, &message);
                    let full = |result: &Result<(), _>| *result == Err(PublishErrorReason::QueueFull);
                    if full(&queued.1) && !full(&direct.1) {
                        // What leaves makes room first, and needs none at QoS 0: from here on they differ.
                        return Ok(());
                    }
                    prop_assert_eq!(direct, queued, "{:?}", message);
                }
                Op::Settle => pairs.iter_mut().for_each(Pair::drive),
                Op::Wait(millis) => {
                    for pair in &mut pairs {
                        pair.now = pair.now + std::time::Duration::from_millis(millis);
                    }
                }
                Op::Queue => {
                    for pair in &mut pairs {
                        let message = Message::new("queued", b"x").expect("a topic");
                        let now = pair.now;
                        let _ = if from_client { pair.client().publish(now, message) } else { pair.server().publish(now, message) };
                    }
                }
            }
        }
        pairs.iter_mut().for_each(Pair::drive);
        let [direct, queued] = &mut pairs;
        let seen = |pair: &Pair| (format!("{:?}", pair.client.seen), format!("{:?}", pair.server.seen));
        prop_assert_eq!(seen(direct), seen(queued));
    }
}

#[test]
fn what_cannot_be_encoded_is_refused_and_costs_nothing() {
    let mut pair = Pair::connected(Setup::new(Version::V5));
    let now = pair.now;
    let bad = [Property::ReasonString("no")];
    let mut out = Vec::new();
    for publish in [
        Publish::new("", b""),
        Publish::new("a/#", b""),
        Publish {
            qos: QoS::AtLeastOnce,
            properties: Properties::from(&bad[..]),
            ..Publish::new("a", b"")
        },
    ] {
        let result = pair.client().publish_into(now, &publish, &mut out);
        assert!(
            matches!(result, Err(PublishErrorReason::Invalid(_))),
            "{result:?}"
        );
        assert_eq!((out.len(), pair.client().session().in_flight()), (0, 0));
    }
    // The first identifier is still the first.
    let publish = Publish {
        qos: QoS::AtLeastOnce,
        ..Publish::new("a", b"")
    };
    pair.client()
        .publish_into(now, &publish, &mut out)
        .expect("valid");
    assert_eq!(out, b"\x32\x06\x00\x01a\x00\x01\x00");
}
