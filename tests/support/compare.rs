// Holds `Packet::decode` to the naive decoder: the same verdict, the same length, the same values.

use sansio_mqtt::{
    Ack, Connect, DecodeOptions, MAXIMUM_PACKET_SIZE, Packet, PacketId, Properties, Property,
    ReasonCode, Role, Version,
};

use crate::naive::{self, Rules, Sender, Value, Verdict};

pub(crate) const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
pub(crate) const SENDERS: [Option<Role>; 3] = [None, Some(Role::Client), Some(Role::Server)];

pub(crate) fn rules(version: Version, options: &DecodeOptions) -> Rules {
    Rules {
        version: naive_version(version),
        sender: match options.sender() {
            None => Sender::Unknown,
            Some(Role::Client) => Sender::Client,
            Some(Role::Server) => Sender::Server,
        },
        maximum_packet_size: options.maximum_packet_size() as usize,
        accept_v31: options.accept_v31(),
        unchecked_filters: options.unchecked_filters(),
        control_characters_refused: options.control_characters_refused(),
    }
}

fn naive_version(version: Version) -> naive::Version {
    match version {
        Version::V31 => naive::Version::V31,
        Version::V311 => naive::Version::V311,
        Version::V5 => naive::Version::V5,
        other => panic!("a version of no standard: {other}"),
    }
}

/// Every version and sender. How many of these nine take the bytes.
pub(crate) fn compare_all(bytes: &[u8]) -> usize {
    let versions = VERSIONS.into_iter();
    versions
        .map(|version| compare_senders(version, bytes))
        .sum()
}

pub(crate) fn compare_senders(version: Version, bytes: &[u8]) -> usize {
    let mut valid = 0;
    for sender in SENDERS {
        let options = DecodeOptions::new()
            .with_sender(sender)
            .with_accept_v31(version == Version::V31);
        valid += usize::from(compare(version, &options, bytes).is_some());
    }
    valid
}

/// What both take the first packet of `bytes` to be, and its length. Panics where they differ.
pub(crate) fn compare<'a>(
    version: Version,
    options: &DecodeOptions,
    bytes: &'a [u8],
) -> Option<(Packet<'a>, usize)> {
    let verdict = naive::decode(&rules(version, options), bytes);
    let mut rest = bytes;
    let decoded = Packet::decode(version, options, &mut rest);
    let told = || {
        let shown = &bytes[..bytes.len().min(400)];
        format!(
            "{version}, {options:?}, {} bytes {shown:02x?}\n naive: {verdict:?}\n crate: {decoded:?}",
            bytes.len()
        )
    };
    match (&verdict, &decoded) {
        (Verdict::Valid { packet, length }, Ok(Some(decoded))) => {
            assert_eq!(bytes.len() - rest.len(), *length, "length: {}", told());
            assert_eq!(owned(version, decoded), *packet, "values: {}", told());
            return Some((*decoded, *length));
        }
        (Verdict::Incomplete { .. }, Ok(None)) => {}
        (Verdict::Refused(faults) | Verdict::Incomplete { hopeless: faults }, Err(error)) => {
            let reason = error.violation().reason_code().as_u8();
            let may = faults.iter().any(|fault| fault.reasons.contains(&reason));
            // Before 5.0 there are no reason codes.
            let may = may || !faults.is_empty() && error.version() != Version::V5;
            assert!(may, "reason: {}", told());
        }
        _ => panic!("verdict: {}", told()),
    }
    assert_eq!(rest.len(), bytes.len(), "input taken: {}", told());
    None
}

/// The same packet in the other model.
pub(crate) fn owned(version: Version, packet: &Packet<'_>) -> naive::Packet {
    match packet {
        Packet::Connect(connect) => owned_connect(connect),
        Packet::Connack(connack) => naive::Packet::Connack {
            session_present: connack.session_present,
            reason: match version {
                Version::V5 => connack.reason.as_u8(),
                _ => connack
                    .reason
                    .connect_return_code()
                    .expect("a code that 3.1.1 has"),
            },
            properties: properties(&connack.properties),
        },
        Packet::Publish(publish) => {
            let mut properties = properties(&publish.properties);
            // What a PUBLISH has as fields.
            let alias = publish.topic_alias.map(|alias| vec![Value::Two(alias)]);
            let expiry = publish.message_expiry_interval;
            let expiry = expiry.map(|interval| vec![Value::Four(interval)]);
            let ids = publish.subscription_identifiers.iter();
            let ids: Vec<Value> = ids.map(Value::Variable).collect();
            let ids = (!publish.subscription_identifiers.is_empty()).then_some(ids);
            for (id, values) in [(0x23, alias), (0x02, expiry), (0x0B, ids)] {
                if let Some(values) = values {
                    assert!(properties.insert(id, values).is_none(), "{id} twice");
                }
            }
            naive::Packet::Publish {
                dup: publish.dup,
                qos: publish.qos.as_u8(),
                retain: publish.retain,
                topic: publish.topic.into(),
                packet_id: publish.packet_id.map(PacketId::get),
                properties,
                payload: publish.payload.into(),
            }
        }
        Packet::Puback(ack) => owned_ack(4, ack),
        Packet::Pubrec(ack) => owned_ack(5, ack),
        Packet::Pubrel(ack) => owned_ack(6, ack),
        Packet::Pubcomp(ack) => owned_ack(7, ack),
        Packet::Subscribe(subscribe) => {
            let subscriptions: Vec<_> = subscribe
                .subscriptions
                .iter()
                .map(|subscription| naive::Subscription {
                    filter: subscription.filter.into(),
                    qos: subscription.options.qos.as_u8(),
                    no_local: subscription.options.no_local,
                    retain_as_published: subscription.options.retain_as_published,
                    retain_handling: subscription.options.retain_handling.as_u8(),
                })
                .collect();
            assert_eq!(subscribe.subscriptions.len(), subscriptions.len());
            naive::Packet::Subscribe {
                packet_id: subscribe.packet_id.get(),
                properties: properties(&subscribe.properties),
                subscriptions,
            }
        }
        Packet::Suback(suback) => naive::Packet::Codes {
            packet_type: 9,
            packet_id: suback.packet_id.get(),
            properties: properties(&suback.properties),
            reasons: suback.reason_codes.iter().map(ReasonCode::as_u8).collect(),
        },
        Packet::Unsubscribe(unsubscribe) => naive::Packet::Unsubscribe {
            packet_id: unsubscribe.packet_id.get(),
            properties: properties(&unsubscribe.properties),
            filters: unsubscribe.filters.iter().map(Into::into).collect(),
        },
        Packet::Unsuback(unsuback) => naive::Packet::Codes {
            packet_type: 11,
            packet_id: unsuback.packet_id.get(),
            properties: properties(&unsuback.properties),
            reasons: unsuback
                .reason_codes
                .iter()
                .map(ReasonCode::as_u8)
                .collect(),
        },
        Packet::Pingreq => naive::Packet::Ping { packet_type: 12 },
        Packet::Pingresp => naive::Packet::Ping { packet_type: 13 },
        Packet::Disconnect(disconnect) => naive::Packet::Disconnect {
            reason: disconnect.reason.as_u8(),
            properties: properties(&disconnect.properties),
        },
        Packet::Auth(auth) => naive::Packet::Auth {
            reason: auth.reason.as_u8(),
            properties: properties(&auth.properties),
        },
    }
}

fn owned_connect(connect: &Connect<'_>) -> naive::Packet {
    naive::Packet::Connect {
        version: naive_version(connect.version),
        clean_start: connect.clean_start,
        keep_alive: connect.keep_alive,
        properties: properties(&connect.properties),
        client_id: connect.client_id.into(),
        will: connect.will.as_ref().map(|will| naive::Will {
            qos: will.qos.as_u8(),
            retain: will.retain,
            properties: properties(&will.properties),
            topic: will.topic.into(),
            payload: will.payload.into(),
        }),
        user_name: connect.user_name.map(Into::into),
        password: connect.password.map(Into::into),
    }
}

fn owned_ack(packet_type: u8, ack: &Ack<'_>) -> naive::Packet {
    naive::Packet::Ack {
        packet_type,
        packet_id: ack.packet_id.get(),
        reason: ack.reason.as_u8(),
        properties: properties(&ack.properties),
    }
}

fn properties(properties: &Properties<'_>) -> naive::Properties {
    let mut owned = naive::Properties::new();
    for property in properties {
        owned
            .entry(property.id())
            .or_default()
            .push(value(&property));
    }
    owned
}

fn value(property: &Property<'_>) -> Value {
    use Property as P;
    match *property {
        P::PayloadFormatIndicator(flag)
        | P::RequestProblemInformation(flag)
        | P::RequestResponseInformation(flag)
        | P::RetainAvailable(flag)
        | P::WildcardSubscriptionAvailable(flag)
        | P::SubscriptionIdentifierAvailable(flag)
        | P::SharedSubscriptionAvailable(flag) => Value::Byte(flag.into()),
        P::MaximumQos(qos) => Value::Byte(qos.as_u8()),
        P::ServerKeepAlive(n)
        | P::ReceiveMaximum(n)
        | P::TopicAliasMaximum(n)
        | P::TopicAlias(n) => Value::Two(n),
        P::MessageExpiryInterval(n)
        | P::SessionExpiryInterval(n)
        | P::WillDelayInterval(n)
        | P::MaximumPacketSize(n) => Value::Four(n),
        P::SubscriptionIdentifier(n) => Value::Variable(n),
        P::ContentType(text)
        | P::ResponseTopic(text)
        | P::AssignedClientIdentifier(text)
        | P::AuthenticationMethod(text)
        | P::ResponseInformation(text)
        | P::ServerReference(text)
        | P::ReasonString(text) => Value::Text(text.into()),
        P::CorrelationData(bytes) | P::AuthenticationData(bytes) => Value::Binary(bytes.into()),
        P::UserProperty(name, value) => Value::Pair(name.into(), value.into()),
        other => panic!("a property of no standard: {other:?}"),
    }
}

/// How to decode, from one byte, so that each way has a byte.
pub(crate) fn decode_options(byte: u8) -> (Version, DecodeOptions) {
    let version = VERSIONS[usize::from(byte % 3)];
    let sender = SENDERS[usize::from(byte / 3 % 3)];
    let maximum_packet_size = [MAXIMUM_PACKET_SIZE, 40, 12][usize::from(byte / 9 % 3)];
    let options = DecodeOptions::new()
        .with_sender(sender)
        .with_maximum_packet_size(maximum_packet_size)
        .with_accept_v31(byte / 27 % 2 == 1)
        .with_unchecked_filters(byte / 54 % 2 == 1)
        .with_control_characters_refused(byte / 108 % 2 == 1);
    (version, options)
}

/// The packets of a stream, as far as both take it. How many they are.
pub(crate) fn compare_stream(version: Version, options: &DecodeOptions, bytes: &[u8]) -> usize {
    let (mut packets, mut rest) = (0, bytes);
    while let Some((_, length)) = compare(version, options, rest) {
        packets += 1;
        rest = &rest[length..];
    }
    packets
}

/// What is encoded is what the other decoder takes for the same packet.
pub(crate) fn compare_encoded(version: Version, packet: &Packet<'_>, bytes: &[u8]) {
    let mut rules = rules(version, &DecodeOptions::new());
    rules.accept_v31 = true;
    let verdict = naive::decode(&rules, bytes);
    let packet = owned(version, packet);
    let length = bytes.len();
    assert_eq!(verdict, Verdict::Valid { packet, length }, "{bytes:02x?}");
}
