// The packets that are measured: small messages as a sensor sends them, and one of every other kind.

use sansio_mqtt::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, PacketId, Property, Publish, QoS, ReasonCode,
    Suback, Subscribe, Subscription, Unsuback, Unsubscribe, Version, Will,
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

/// In 5.0 with the limits that a server tells.
pub(crate) fn connack<'a>(version: Version) -> Connack<'a> {
    const PROPERTIES: &[Property<'_>] = &[
        Property::ReceiveMaximum(100),
        Property::MaximumPacketSize(1_048_576),
        Property::TopicAliasMaximum(10),
        Property::AssignedClientIdentifier("auto-4bf92f3577b34da6"),
        Property::SharedSubscriptionAvailable(true),
    ];
    Connack {
        properties: match version {
            Version::V5 => PROPERTIES.into(),
            _ => Default::default(),
        },
        ..Connack::new(ReasonCode::Success)
    }
}

/// The filters of [`subscribe`].
pub(crate) fn unsubscribe<'a>() -> Unsubscribe<'a> {
    const FILTERS: &[&str] = &[
        TOPIC,
        "sensors/eu-west/+/humidity",
        "sensors/eu-west/device-0042/#",
        "commands/device-0042/+",
        "config/device-0042/#",
        "alerts/eu-west/+/critical",
        "firmware/device-0042/update",
        "broadcast/#",
    ];
    Unsubscribe::new(packet_id(), FILTERS)
}

/// A failure with its reason, which only 5.0 has.
pub(crate) fn failed_puback<'a>() -> Ack<'a> {
    const PROPERTIES: &[Property<'_>] = &[Property::ReasonString("quota of the tenant exceeded")];
    Ack {
        reason: ReasonCode::QuotaExceeded,
        properties: PROPERTIES.into(),
        ..puback()
    }
}

/// Each packet with its name.
pub(crate) fn packets<'a>(version: Version) -> Vec<(&'static str, Packet<'a>)> {
    const GRANTED: &[ReasonCode] = &[ReasonCode::GrantedQos1; 8];
    const SUCCESS: &[ReasonCode] = &[ReasonCode::Success; 8];
    const METHOD: &[Property<'_>] = &[
        Property::AuthenticationMethod("SCRAM-SHA-256"),
        Property::AuthenticationData(b"r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096"),
    ];
    let v5 = version == Version::V5;
    let removed = if v5 { SUCCESS } else { &[] };
    let mut packets = vec![
        ("PUBLISH QoS 0, 64 B", small_publish().into()),
        ("PUBLISH QoS 1, 1 KiB", large_publish(version).into()),
        ("PUBACK", Packet::Puback(puback())),
        ("PUBREC", Packet::Pubrec(puback())),
        ("PUBREL", Packet::Pubrel(puback())),
        ("PUBCOMP", Packet::Pubcomp(puback())),
        ("CONNECT", connect(version).into()),
        ("CONNACK", connack(version).into()),
        ("SUBSCRIBE, 8 filters", subscribe().into()),
        ("SUBACK, 8 codes", Suback::new(packet_id(), GRANTED).into()),
        ("UNSUBSCRIBE, 8 filters", unsubscribe().into()),
        ("UNSUBACK", Unsuback::new(packet_id(), removed).into()),
        ("PINGREQ", Packet::Pingreq),
        ("PINGRESP", Packet::Pingresp),
        ("DISCONNECT", Disconnect::default().into()),
    ];
    if v5 {
        let auth = Auth::new(ReasonCode::ContinueAuthentication, METHOD);
        packets.push(("PUBACK with a reason", Packet::Puback(failed_puback())));
        packets.push(("AUTH", auth.into()));
    }
    packets
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
