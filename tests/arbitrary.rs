//! What the feature `arbitrary` promises of packets, out of random bytes, few bytes and none.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::RngCore;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sansio_mqtt::*;

/// Random bytes, or bytes that look like lists: mostly small numbers.
fn seeds(count: usize, with: impl Fn(&[u8])) {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for round in 0..count {
        let mut data = vec![0; round % 400];
        rng.fill_bytes(&mut data);
        if round % 2 == 0 {
            for byte in &mut data {
                *byte = match *byte {
                    0..=127 => *byte % 4,
                    128..=191 => *byte % 48,
                    _ => *byte & 0x7F,
                };
            }
        }
        with(&data);
    }
}

fn arbitrary<'a, T: Arbitrary<'a>>(data: &'a [u8]) -> T {
    T::arbitrary(&mut Unstructured::new(data)).unwrap()
}

/// It encodes as 5.0 (CONNECT: in its version) and decodes to itself; as an older version that too, or it needs a
/// newer one. Gives the oldest version that it has.
fn check(packet: Packet<'_>) -> Version {
    let options = DecodeOptions::new().with_accept_v31(true);
    let mut written = Version::V5;
    for version in [Version::V5, Version::V311, Version::V31] {
        let mut bytes = Vec::new();
        match packet.encode(version, &mut bytes) {
            Ok(()) => written = written.min(version),
            Err(EncodeError::NeedsV5) if version != Version::V5 => continue,
            Err(EncodeError::NeedsV311) if version == Version::V31 => continue,
            Err(error) => panic!("{version} {packet:?}: {error}"),
        }
        assert_eq!(bytes.len(), packet.encoded_len(version));
        let mut input = &bytes[..];
        let decoded = Packet::decode(version, &options, &mut input);
        assert_eq!(decoded, Ok(Some(packet)));
        assert!(input.is_empty());
    }
    match packet {
        Packet::Connect(connect) => connect.version,
        _ => written,
    }
}

#[test]
fn packets_can_be_encoded_and_decode_to_themselves() {
    seeds(20_000, |data| {
        check(arbitrary(data));
    });
    check(arbitrary(&[]));
}

#[test]
fn each_struct_can_be_encoded() {
    macro_rules! check_each {
        ($data:ident, $($type:ident)*) => {
            $(check(Packet::$type(arbitrary($data)));)*
        };
    }
    seeds(2000, |data| {
        // An `Ack` that stands alone is good for all four.
        check_each!(data, Connect Connack Publish Puback Pubrec Pubrel Pubcomp Subscribe Suback Unsubscribe Unsuback Disconnect Auth);
    });
}

fn has_properties(packet: &Packet<'_>) -> bool {
    let properties = match packet {
        Packet::Connect(packet) => packet.properties,
        Packet::Connack(packet) => packet.properties,
        Packet::Publish(packet) => packet.properties,
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => packet.properties,
        Packet::Subscribe(packet) => packet.properties,
        Packet::Suback(packet) => packet.properties,
        Packet::Unsubscribe(packet) => packet.properties,
        Packet::Unsuback(packet) => packet.properties,
        Packet::Pingreq | Packet::Pingresp => return true,
        Packet::Disconnect(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
    };
    !properties.is_empty()
}

/// The promises would be worth little if the packets were all alike.
#[test]
fn packets_of_every_kind_come_out() {
    let counts = std::cell::RefCell::new(BTreeMap::<u8, [u32; 3]>::new());
    let lists = std::cell::RefCell::new([0; 3]);
    seeds(20_000, |data| {
        let packet: Packet<'_> = arbitrary(data);
        let mut counts = counts.borrow_mut();
        let [all, properties, old] = counts.entry(packet.packet_type().as_u8()).or_default();
        *all += 1;
        *properties += u32::from(has_properties(&packet));
        *old += u32::from(check(packet) < Version::V5);
        // Lists of the data, not the constants that stand in for them.
        let inside = |text: &str| data.as_ptr_range().contains(&text.as_ptr());
        let mut lists = lists.borrow_mut();
        match packet {
            Packet::Subscribe(packet) => {
                lists[0] += u32::from(packet.subscriptions.iter().any(|s| inside(s.filter)));
            }
            Packet::Unsubscribe(packet) => {
                lists[1] += u32::from(packet.filters.iter().any(inside));
            }
            Packet::Publish(packet) => lists[2] += u32::from(inside(packet.topic)),
            _ => {}
        }
    });
    let (counts, lists) = (counts.into_inner(), lists.into_inner());
    println!("{counts:?} {lists:?}");
    for packet_type in 1..=15 {
        let [all, properties, old] = counts[&packet_type];
        assert!(all > 500, "type {packet_type}: {all}");
        assert!(
            properties > 200,
            "type {packet_type}: {properties} with properties"
        );
        let only_v5 = [PacketType::Unsuback.as_u8(), PacketType::Auth.as_u8()];
        assert!(
            old > 20 || only_v5.contains(&packet_type),
            "type {packet_type}: {old} in an older version"
        );
    }
    assert!(lists.iter().all(|&count| count > 20), "{lists:?}");
}

#[test]
fn values_stay_in_their_bounds() {
    let ids = std::cell::RefCell::new([0_u32; 27]);
    seeds(20_000, |data| {
        let property: Property<'_> = arbitrary(data);
        // Some packet or will takes it; the property with the number n is the nth of the table.
        let id = usize::from(property.id());
        let order = [
            1, 2, 3, 8, 9, 11, 17, 18, 19, 21, 22, 23, 24, 25, 26, 28, 31, 33, 34, 35, 36, 37, 38,
            39, 40, 41, 42,
        ];
        ids.borrow_mut()[order.iter().position(|&other| other == id).unwrap()] += 1;
        assert!(fits(property), "{property:?}");

        let message: Message = arbitrary(data);
        let publish = Publish {
            subscription_identifiers: message.subscription_identifiers().into(),
            properties: message.properties(),
            ..Publish::new(message.topic(), message.payload())
        };
        check(publish.into());

        let name: TopicName<'_> = arbitrary(data);
        assert_eq!(TopicName::new(name.as_str()), Ok(name.clone()));
        let filter: TopicFilter<'_> = arbitrary(data);
        for version in [Version::V31, Version::V311, Version::V5] {
            assert!(TopicFilter::new(version, filter.as_str()).is_ok());
        }
        let subscriptions = [arbitrary::<Subscription<'_>>(data)];
        let filters = [filter.as_str()];
        let id: PacketId = arbitrary(data);
        check(Subscribe::new(id, &subscriptions).into());
        check(Unsubscribe::new(id, &filters).into());
        let _: (Role, RetainHandling, ReasonCode, Instant) = arbitrary(data);
    });
    assert!(ids.borrow().iter().all(|&count| count > 100), "{ids:?}");
}

/// Whether a packet can carry it.
fn fits(property: Property<'_>) -> bool {
    if let Property::TopicAlias(alias) = property {
        return alias > 0; // a field of PUBLISH
    }
    let list = [Property::AuthenticationMethod("m"), property];
    let list = if property.id() == list[0].id() {
        &list[1..]
    } else {
        &list[..]
    };
    let alone = [property];
    let subscriptions = [Subscription::new("a", QoS::AtMostOnce)];
    let packets: [Packet<'_>; 4] = [
        Connect {
            properties: list.into(),
            ..Connect::new(Version::V5, "")
        }
        .into(),
        Connack {
            properties: list.into(),
            ..Connack::new(ReasonCode::Success)
        }
        .into(),
        Connect {
            will: Some(Will {
                properties: (&alone).into(),
                ..Will::new("a", b"")
            }),
            ..Connect::new(Version::V5, "")
        }
        .into(),
        Subscribe {
            properties: (&alone).into(),
            ..Subscribe::new(PacketId::new(1).unwrap(), &subscriptions)
        }
        .into(),
    ];
    let fits = |packet: &Packet<'_>| packet.encode(Version::V5, &mut Vec::new()).is_ok();
    packets.iter().any(fits)
}
