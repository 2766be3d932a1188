// The packets that are measured: small ones as a sensor sends them, and one of each larger kind.

use sansio_mqtt::{
    Ack, Connect, Packet, PacketId, Property, Publish, QoS, Subscribe, Subscription, Version, Will,
};

pub(crate) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

const TOPIC: &str = "sensors/eu-west/device-0042/temperature";

/// Some bytes that are no text.
static PAYLOAD: [u8; 1024] = {
    let mut bytes = [7_u8; 1024];
    let mut i = 1;
    while i < bytes.len() {
        bytes[i] = bytes[i - 1].wrapping_add(31);
        i += 1;
    }
    bytes
};

fn packet_id() -> PacketId {
    PacketId::new(1234).unwrap()
}

/// QoS 0, 64 bytes.
pub(crate) fn small_publish<'a>() -> Publish<'a> {
    Publish::new(TOPIC, &PAYLOAD[..64])
}

/// QoS 1, 1 KiB; in 5.0 with five properties, one of them lifted into the packet's fields.
pub(crate) fn large_publish<'a>(version: Version) -> Publish<'a> {
    const PROPERTIES: &[Property<'_>] = &[
        Property::ContentType("application/json"),
        Property::ResponseTopic("replies/eu-west/device-0042"),
        Property::CorrelationData(b"0123456789abcdef"),
        Property::UserProperty("trace-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ];
    let v5 = version == Version::V5;
    Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(packet_id()),
        message_expiry_interval: v5.then_some(3600),
        properties: if v5 { PROPERTIES } else { &[] }.into(),
        ..Publish::new(TOPIC, &PAYLOAD)
    }
}

pub(crate) fn puback<'a>() -> Ack<'a> {
    Ack::new(packet_id())
}

/// With a will, a user name and a password.
pub(crate) fn connect<'a>(version: Version) -> Connect<'a> {
    const PROPERTIES: &[Property<'_>] = &[
        Property::SessionExpiryInterval(3600),
        Property::ReceiveMaximum(100),
    ];
    Connect {
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            ..Will::new("sensors/eu-west/device-0042/status", b"offline")
        }),
        user_name: Some("device-0042"),
        password: Some(b"s3cr3t-password"),
        properties: match version {
            Version::V5 => PROPERTIES.into(),
            _ => Default::default(),
        },
        ..Connect::new(version, "device-0042-eu-west")
    }
}

/// Eight filters, five of them with wildcards.
pub(crate) fn subscribe<'a>() -> Subscribe<'a> {
    static SUBSCRIPTIONS: [Subscription<'static>; 8] = {
        const fn at_least_once(filter: &'static str) -> Subscription<'static> {
            Subscription::new(filter, QoS::AtLeastOnce)
        }
        [
            at_least_once(TOPIC),
            at_least_once("sensors/eu-west/+/humidity"),
            at_least_once("sensors/eu-west/device-0042/#"),
            at_least_once("commands/device-0042/+"),
            at_least_once("config/device-0042/#"),
            at_least_once("alerts/eu-west/+/critical"),
            at_least_once("firmware/device-0042/update"),
            at_least_once("broadcast/#"),
        ]
    };
    Subscribe::new(packet_id(), &SUBSCRIPTIONS)
}

/// Each packet with its name.
pub(crate) fn packets<'a>(version: Version) -> [(&'static str, Packet<'a>); 5] {
    [
        ("PUBLISH QoS 0, 64 B", small_publish().into()),
        ("PUBLISH QoS 1, 1 KiB", large_publish(version).into()),
        ("PUBACK", Packet::Puback(puback())),
        ("CONNECT", connect(version).into()),
        ("SUBSCRIBE, 8 filters", subscribe().into()),
    ]
}

/// 10,000 packets in a random but fixed order: eight small PUBLISH to one large one and one PUBACK.
pub(crate) fn mixed<'a>(version: Version) -> Vec<Packet<'a>> {
    let mut packets: Vec<Packet<'a>> = (0..10_000)
        .map(|i| match i % 10 {
            0 => large_publish(version).into(),
            5 => Packet::Puback(puback()),
            _ => small_publish().into(),
        })
        .collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for i in (1..packets.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let below = u64::try_from(i).unwrap() + 1;
        packets.swap(i, usize::try_from(state % below).unwrap());
    }
    packets
}
