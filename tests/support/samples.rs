// One small and one full packet of every type.

use sansio_mqtt::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, PacketId, Property, Publish, QoS, ReasonCode,
    RetainHandling, Suback, Subscribe, Subscription, SubscriptionOptions, Unsuback, Unsubscribe,
    Version, Will,
};

const WILL: &[Property<'_>] = &[
    Property::WillDelayInterval(5),
    Property::PayloadFormatIndicator(true),
    Property::MessageExpiryInterval(60),
    Property::ContentType("text/plain"),
    Property::ResponseTopic("replies/a"),
    Property::CorrelationData(b"\x00\xFF"),
    Property::UserProperty("k", "v"),
];

const CONNECT: &[Property<'_>] = &[
    Property::SessionExpiryInterval(3600),
    Property::ReceiveMaximum(100),
    Property::MaximumPacketSize(65_536),
    Property::TopicAliasMaximum(10),
    Property::RequestResponseInformation(true),
    Property::RequestProblemInformation(false),
    Property::UserProperty("k", "v"),
    Property::UserProperty("k", "w"),
    Property::AuthenticationMethod("SCRAM-SHA-256"),
    Property::AuthenticationData(b"n,,n=user"),
];

const CONNACK: &[Property<'_>] = &[
    Property::SessionExpiryInterval(3600),
    Property::ReceiveMaximum(100),
    Property::MaximumQos(QoS::AtLeastOnce),
    Property::RetainAvailable(true),
    Property::MaximumPacketSize(65_536),
    Property::AssignedClientIdentifier("auto-1"),
    Property::TopicAliasMaximum(10),
    Property::ReasonString("welcome"),
    Property::UserProperty("k", "v"),
    Property::WildcardSubscriptionAvailable(true),
    Property::SubscriptionIdentifierAvailable(true),
    Property::SharedSubscriptionAvailable(false),
    Property::ServerKeepAlive(30),
    Property::ResponseInformation("replies/a"),
    Property::ServerReference("other:1883"),
    Property::AuthenticationMethod("SCRAM-SHA-256"),
    Property::AuthenticationData(b"v=rmF9"),
];

const PUBLISH: &[Property<'_>] = &[
    Property::PayloadFormatIndicator(true),
    Property::ContentType("text/plain"),
    Property::ResponseTopic("replies/a"),
    Property::CorrelationData(b"\x00\xFF"),
    Property::UserProperty("k", "v"),
];

const ACK: &[Property<'_>] = &[
    Property::ReasonString("why"),
    Property::UserProperty("k", "v"),
];

const SUBSCRIBE: &[Property<'_>] = &[
    Property::SubscriptionIdentifier(268_435_455),
    Property::UserProperty("k", "v"),
];

const USER: &[Property<'_>] = &[Property::UserProperty("k", "v")];

const DISCONNECT: &[Property<'_>] = &[
    Property::SessionExpiryInterval(0),
    Property::ReasonString("bye"),
    Property::UserProperty("k", "v"),
];

const AUTH: &[Property<'_>] = &[
    Property::AuthenticationMethod("SCRAM-SHA-256"),
    Property::AuthenticationData(b"r=fyko"),
    Property::ReasonString("go on"),
    Property::UserProperty("k", "v"),
];

const SUBSCRIPTIONS: &[Subscription<'_>] = &[
    Subscription::new("sensors/+/temperature", QoS::AtLeastOnce),
    Subscription::new("#", QoS::ExactlyOnce),
];

const OPTIONS: &[Subscription<'_>] = &[
    Subscription {
        filter: "a/#",
        options: SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        },
    },
    Subscription::new("$share/g/+/b", QoS::AtMostOnce),
];

const FILTERS: &[&str] = &["a/#", "+/b"];

pub(crate) fn samples(version: Version) -> Vec<Packet<'static>> {
    let id = PacketId::new(10).unwrap();
    let v5 = version == Version::V5;
    let of_5_0 = |properties: &'static [Property<'static>]| -> &'static [Property<'static>] {
        if v5 { properties } else { &[] }
    };
    let full = |reason| Ack {
        reason: if v5 { reason } else { ReasonCode::Success },
        properties: of_5_0(ACK).into(),
        ..Ack::new(id)
    };
    let mut samples = vec![
        Packet::Connect(Connect::new(version, "")),
        Packet::Connect(Connect {
            clean_start: false,
            keep_alive: 30,
            will: Some(Will {
                qos: QoS::ExactlyOnce,
                retain: true,
                properties: of_5_0(WILL).into(),
                ..Will::new("status/é", b"offline")
            }),
            user_name: Some("user"),
            password: Some(b"password"),
            properties: of_5_0(CONNECT).into(),
            ..Connect::new(version, "client-1")
        }),
        Packet::Connack(Connack::new(ReasonCode::NotAuthorized)),
        Packet::Connack(Connack {
            session_present: version != Version::V31,
            properties: of_5_0(CONNACK).into(),
            ..Connack::new(ReasonCode::Success)
        }),
        Packet::Publish(Publish::new("a", b"")),
        Packet::Publish(Publish {
            dup: true,
            qos: QoS::ExactlyOnce,
            retain: true,
            packet_id: Some(id),
            topic_alias: v5.then_some(3),
            message_expiry_interval: v5.then_some(60),
            subscription_identifiers: if v5 { &[1, 128, 16_384][..] } else { &[] }.into(),
            properties: of_5_0(PUBLISH).into(),
            ..Publish::new("sensors/日本/temperature", b"21.5")
        }),
        Packet::Puback(Ack::new(id)),
        Packet::Puback(full(ReasonCode::NoMatchingSubscribers)),
        Packet::Pubrec(Ack::new(id)),
        Packet::Pubrec(full(ReasonCode::QuotaExceeded)),
        Packet::Pubrel(Ack::new(id)),
        Packet::Pubrel(full(ReasonCode::PacketIdentifierNotFound)),
        Packet::Pubcomp(Ack::new(id)),
        Packet::Pubcomp(full(ReasonCode::PacketIdentifierNotFound)),
        Packet::Subscribe(Subscribe::new(id, SUBSCRIPTIONS)),
        Packet::Subscribe(Subscribe {
            properties: of_5_0(SUBSCRIBE).into(),
            ..Subscribe::new(id, if v5 { OPTIONS } else { SUBSCRIPTIONS })
        }),
        Packet::Suback(Suback {
            packet_id: id,
            reason_codes: if version == Version::V31 {
                &[ReasonCode::GRANTED_QOS_0, ReasonCode::GrantedQos1][..]
            } else {
                &[ReasonCode::GRANTED_QOS_0, ReasonCode::UnspecifiedError]
            }
            .into(),
            properties: of_5_0(ACK).into(),
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: id,
            filters: FILTERS.into(),
            properties: of_5_0(USER).into(),
        }),
        Packet::Unsuback(Unsuback {
            packet_id: id,
            reason_codes: if v5 {
                &[ReasonCode::Success, ReasonCode::NoSubscriptionExisted][..]
            } else {
                &[]
            }
            .into(),
            properties: of_5_0(ACK).into(),
        }),
        Packet::Pingreq,
        Packet::Pingresp,
        Packet::Disconnect(Disconnect::default()),
    ];
    if v5 {
        samples.extend([
            Packet::Publish(Publish {
                topic_alias: Some(3),
                ..Publish::new("", b"by alias")
            }),
            Packet::Puback(Ack {
                reason: ReasonCode::NotAuthorized,
                ..Ack::new(id)
            }),
            Packet::Disconnect(Disconnect::new(ReasonCode::DisconnectWithWillMessage)),
            Packet::Disconnect(Disconnect {
                reason: ReasonCode::Success,
                properties: DISCONNECT.into(),
            }),
            Packet::Auth(Auth {
                reason: ReasonCode::ContinueAuthentication,
                properties: AUTH.into(),
            }),
        ]);
    }
    samples
}
