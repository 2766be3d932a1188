// Any packet, from random bytes: mostly legal, so that the rare illegal value is found in a packet that is else right.
// Packets borrow, so they are made in three steps: texts, lists of what borrows the texts, and the packet.

use arbitrary::{Result, Unstructured};
use sansio_mqtt::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, PacketId, PacketType, Property, Publish, QoS,
    ReasonCode, RetainHandling, Suback, Subscribe, Subscription, SubscriptionOptions, Unsuback,
    Unsubscribe, Version, Will,
};

/// Makes the packet that `data` describes and hands it to `with`. None: `data` was too short.
pub(crate) fn with_packet<R>(
    data: &[u8],
    with: impl FnOnce(Version, &Packet<'_>) -> R,
) -> Option<R> {
    let mut u = Unstructured::new(data);
    let texts = Texts::arbitrary(&mut u).ok()?;
    let version = *u
        .choose(&[Version::V5, Version::V5, Version::V311, Version::V31])
        .ok()?;
    let packet_type = PacketType::from_u8(u.int_in_range(1..=15).ok()?)?;
    let lists = Lists::arbitrary(&mut u, version, packet_type, &texts).ok()?;
    let packet = packet(&mut u, version, packet_type, &texts, &lists).ok()?;
    Some(with(version, &packet))
}

/// One in 64. Never when the data has run out.
fn rarely(u: &mut Unstructured<'_>) -> Result<bool> {
    Ok(!u.ratio(63, 64)?)
}

fn often(u: &mut Unstructured<'_>) -> Result<bool> {
    u.ratio(1, 2)
}

struct Texts {
    topic: String,
    strings: [String; 4],
    filters: Vec<String>,
    binary: [Vec<u8>; 2],
}

impl Texts {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut filters = Vec::new();
        for _ in 0..u.int_in_range(0..=4)? {
            filters.push(topic(u, true)?);
        }
        let wildcards = rarely(u)?;
        Ok(Self {
            topic: topic(u, wildcards)?,
            strings: [string(u)?, string(u)?, string(u)?, string(u)?],
            filters,
            binary: [binary(u)?, binary(u)?],
        })
    }

    fn string(&self, u: &mut Unstructured<'_>) -> Result<&str> {
        Ok(u.choose(&self.strings)?)
    }

    fn binary(&self, u: &mut Unstructured<'_>) -> Result<&[u8]> {
        Ok(u.choose(&self.binary)?)
    }
}

fn string(u: &mut Unstructured<'_>) -> Result<String> {
    if rarely(u)? {
        let odd = ["\0", "a\0b", "+", "#", "a/#", "\u{FEFF}", "\u{FFFF}", "\n"];
        return Ok((*u.choose(&odd)?).into());
    }
    if rarely(u)? && rarely(u)? {
        return Ok("x".repeat(u.int_in_range(65_534..=65_536)?));
    }
    let plain = ["", "a", "client-1", "text/plain", "replies/a", "日本", "🦀"];
    let length = u.int_in_range(0..=12)?;
    if often(u)? {
        return Ok((*u.choose(&plain)?).into());
    }
    let mut text = String::new();
    for _ in 0..length {
        let c = u.arbitrary::<char>()?;
        text.push(if matches!(c, '\0' | '+' | '#') {
            '_'
        } else {
            c
        });
    }
    Ok(text)
}

fn binary(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if rarely(u)? && rarely(u)? {
        return Ok(vec![7; u.int_in_range(65_534..=65_536)?]);
    }
    let length = u.int_in_range(0..=20)?;
    Ok(u.bytes(length.min(u.len()))?.to_vec())
}

fn topic(u: &mut Unstructured<'_>, wildcards: bool) -> Result<String> {
    let mut levels: Vec<String> = Vec::new();
    if wildcards && !u.ratio(3, 4)? {
        levels.push("$share".into());
    }
    for _ in 0..u.int_in_range(1..=4)? {
        levels.push(if wildcards && often(u)? {
            "+".into()
        } else if often(u)? {
            (*u.choose(&["sensors", "a", "", "$SYS", "é"])?).into()
        } else {
            string(u)?.replace('/', "")
        });
    }
    if wildcards && often(u)? {
        levels.push("#".into());
    }
    if rarely(u)? {
        levels.clear();
    }
    Ok(levels.join("/"))
}

/// A number with its limits among the more likely ones.
fn number(u: &mut Unstructured<'_>, limit: u32) -> Result<u32> {
    Ok(match u.int_in_range(0..=15)? {
        15 if rarely(u)? || rarely(u)? => 0,
        14 => limit,
        13 => limit - 1,
        0..=4 => u.int_in_range(1..=127)?,
        5..=7 => u.int_in_range(1..=16_384)?,
        _ => u.int_in_range(1..=limit)?,
    })
}

fn number_u16(u: &mut Unstructured<'_>) -> Result<u16> {
    Ok(u16::try_from(number(u, 0xFFFF)?).unwrap_or(u16::MAX))
}

fn qos(u: &mut Unstructured<'_>) -> Result<QoS> {
    Ok(*u.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])?)
}

/// Any code, most of the time one that the packet may have.
fn reason(
    u: &mut Unstructured<'_>,
    version: Version,
    packet_type: PacketType,
) -> Result<ReasonCode> {
    let all: Vec<ReasonCode> = (0..=0xA2).filter_map(ReasonCode::from_u8).collect();
    if rarely(u)? {
        return Ok(*u.choose(&all)?);
    }
    let fits = |code: &ReasonCode| match (version, packet_type) {
        (Version::V31 | Version::V311, PacketType::Connack) => code.connect_return_code().is_some(),
        (Version::V31, PacketType::Suback) => matches!(code.as_u8(), 0..=2),
        (Version::V311, PacketType::Suback) => matches!(code.as_u8(), 0..=2 | 0x80),
        (Version::V31 | Version::V311, _) => *code == ReasonCode::Success,
        _ => code.allowed_in(packet_type, None),
    };
    let fitting: Vec<ReasonCode> = all.into_iter().filter(fits).collect();
    Ok(
        if fitting.is_empty() || often(u)? && fitting.contains(&ReasonCode::Success) {
            ReasonCode::Success
        } else {
            *u.choose(&fitting)?
        },
    )
}

/// The lists that a packet borrows.
struct Lists<'t> {
    properties: Vec<Property<'t>>,
    will_properties: Vec<Property<'t>>,
    subscriptions: Vec<Subscription<'t>>,
    filters: Vec<&'t str>,
    identifiers: Vec<u32>,
    reasons: Vec<ReasonCode>,
}

const WILL: &[u8] = &[24, 1, 2, 3, 8, 9, 38, 38];

/// Identifiers of the properties that a packet may have among its `properties`.
fn allowed(packet_type: PacketType) -> &'static [u8] {
    match packet_type {
        PacketType::Connect => &[17, 33, 39, 34, 25, 23, 38, 38, 21, 22],
        PacketType::Connack => &[
            17, 33, 36, 37, 39, 18, 34, 31, 38, 38, 40, 41, 42, 19, 26, 28, 21, 22,
        ],
        PacketType::Publish => &[1, 3, 8, 9, 38, 38],
        PacketType::Subscribe => &[11, 38, 38],
        PacketType::Unsubscribe => &[38, 38],
        PacketType::Disconnect => &[17, 28, 31, 38, 38],
        PacketType::Auth => &[21, 22, 31, 38],
        PacketType::Pingreq | PacketType::Pingresp => &[],
        _ => &[31, 38, 38],
    }
}

impl<'t> Lists<'t> {
    fn arbitrary(
        u: &mut Unstructured<'_>,
        version: Version,
        packet_type: PacketType,
        texts: &'t Texts,
    ) -> Result<Self> {
        let mut subscriptions = Vec::new();
        for filter in &texts.filters {
            let options = SubscriptionOptions {
                qos: qos(u)?,
                ..SubscriptionOptions::default()
            };
            let options = match version {
                Version::V31 | Version::V311 if !rarely(u)? => options,
                _ => SubscriptionOptions {
                    no_local: !u.ratio(7, 8)?,
                    retain_as_published: u.arbitrary()?,
                    retain_handling: *u.choose(&[
                        RetainHandling::SendAtSubscribe,
                        RetainHandling::SendIfNew,
                        RetainHandling::DoNotSend,
                    ])?,
                    ..options
                },
            };
            let filter = filter.as_str();
            subscriptions.push(Subscription { filter, options });
        }
        let mut identifiers = Vec::new();
        if version == Version::V5 && often(u)? || rarely(u)? {
            for _ in 0..u.int_in_range(0..=3)? {
                identifiers.push(number(u, 268_435_455)?);
            }
            if rarely(u)? {
                identifiers.push(268_435_456);
            }
        }
        let mut reasons = Vec::new();
        let none = version != Version::V5 && packet_type == PacketType::Unsuback;
        if !none || rarely(u)? {
            for _ in 0..u.int_in_range(1..=4)? {
                reasons.push(reason(u, version, packet_type)?);
            }
        }
        if rarely(u)? {
            reasons.clear();
        }
        Ok(Self {
            properties: properties(u, version, allowed(packet_type), texts)?,
            will_properties: properties(u, version, WILL, texts)?,
            subscriptions,
            filters: texts.filters.iter().map(String::as_str).collect(),
            identifiers,
            reasons,
        })
    }
}

fn properties<'t>(
    u: &mut Unstructured<'_>,
    version: Version,
    allowed: &[u8],
    texts: &'t Texts,
) -> Result<Vec<Property<'t>>> {
    let mut properties = Vec::new();
    if version != Version::V5 && !rarely(u)? {
        return Ok(properties);
    }
    // Any order: start somewhere and go round.
    let start = u.choose_index(allowed.len().max(1))?;
    let (end, begin) = allowed.split_at(start.min(allowed.len()));
    for &id in begin.iter().chain(end) {
        if often(u)? {
            properties.push(property(u, id, texts)?);
        }
    }
    if rarely(u)? {
        let id = u.int_in_range(1..=42)?;
        properties.push(property(u, id, texts)?);
    }
    Ok(properties)
}

/// The property with this identifier; a User Property where there is none.
fn property<'t>(u: &mut Unstructured<'_>, id: u8, texts: &'t Texts) -> Result<Property<'t>> {
    Ok(match id {
        1 => Property::PayloadFormatIndicator(u.arbitrary()?),
        2 => Property::MessageExpiryInterval(u.arbitrary()?),
        3 => Property::ContentType(texts.string(u)?),
        8 => Property::ResponseTopic(texts.string(u)?),
        9 => Property::CorrelationData(texts.binary(u)?),
        11 => Property::SubscriptionIdentifier(number(u, 268_435_455)?),
        17 => Property::SessionExpiryInterval(u.arbitrary()?),
        18 => Property::AssignedClientIdentifier(texts.string(u)?),
        19 => Property::ServerKeepAlive(u.arbitrary()?),
        21 => Property::AuthenticationMethod(texts.string(u)?),
        22 => Property::AuthenticationData(texts.binary(u)?),
        23 => Property::RequestProblemInformation(u.arbitrary()?),
        24 => Property::WillDelayInterval(u.arbitrary()?),
        25 => Property::RequestResponseInformation(u.arbitrary()?),
        26 => Property::ResponseInformation(texts.string(u)?),
        28 => Property::ServerReference(texts.string(u)?),
        31 => Property::ReasonString(texts.string(u)?),
        33 => Property::ReceiveMaximum(number_u16(u)?),
        34 => Property::TopicAliasMaximum(u.arbitrary()?),
        35 => Property::TopicAlias(number_u16(u)?),
        36 if rarely(u)? => Property::MaximumQos(QoS::ExactlyOnce),
        36 => Property::MaximumQos(*u.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce])?),
        37 => Property::RetainAvailable(u.arbitrary()?),
        39 => Property::MaximumPacketSize(number(u, u32::MAX)?),
        40 => Property::WildcardSubscriptionAvailable(u.arbitrary()?),
        41 => Property::SubscriptionIdentifierAvailable(u.arbitrary()?),
        42 => Property::SharedSubscriptionAvailable(u.arbitrary()?),
        _ => Property::UserProperty(texts.string(u)?, texts.string(u)?),
    })
}

fn packet<'l>(
    u: &mut Unstructured<'_>,
    version: Version,
    packet_type: PacketType,
    texts: &'l Texts,
    lists: &'l Lists<'l>,
) -> Result<Packet<'l>> {
    let properties = lists.properties.as_slice().into();
    let packet_id =
        PacketId::new(number_u16(u)?.max(1)).ok_or(arbitrary::Error::IncorrectFormat)?;
    let reason = reason(u, version, packet_type)?;
    let ack = Ack {
        packet_id,
        reason,
        properties,
    };
    Ok(match packet_type {
        PacketType::Connect => {
            let will = Will {
                topic: &texts.topic,
                payload: texts.binary(u)?,
                qos: qos(u)?,
                retain: u.arbitrary()?,
                properties: lists.will_properties.as_slice().into(),
            };
            let user_name = often(u)?.then_some(texts.strings[0].as_str());
            let password = user_name.is_some() || version == Version::V5 || rarely(u)?;
            Packet::Connect(Connect {
                version,
                clean_start: u.arbitrary()?,
                keep_alive: u.arbitrary()?,
                client_id: texts.string(u)?,
                will: often(u)?.then_some(will),
                user_name,
                password: (password && often(u)?).then_some(texts.binary[0].as_slice()),
                properties,
            })
        }
        PacketType::Connack => Packet::Connack(Connack {
            session_present: (reason == ReasonCode::Success || rarely(u)?) && often(u)?,
            reason,
            properties,
        }),
        PacketType::Publish => {
            let qos = qos(u)?;
            let v5 = version == Version::V5 || rarely(u)?;
            Packet::Publish(Publish {
                dup: (qos != QoS::AtMostOnce || rarely(u)?) && often(u)?,
                qos,
                retain: u.arbitrary()?,
                topic: &texts.topic,
                packet_id: ((qos != QoS::AtMostOnce) != rarely(u)?).then_some(packet_id),
                topic_alias: if v5 && often(u)? {
                    Some(number_u16(u)?)
                } else {
                    None
                },
                message_expiry_interval: if v5 && often(u)? {
                    Some(u.arbitrary()?)
                } else {
                    None
                },
                subscription_identifiers: lists.identifiers.as_slice().into(),
                properties,
                payload: texts.binary(u)?,
            })
        }
        PacketType::Puback => Packet::Puback(ack),
        PacketType::Pubrec => Packet::Pubrec(ack),
        PacketType::Pubrel => Packet::Pubrel(ack),
        PacketType::Pubcomp => Packet::Pubcomp(ack),
        PacketType::Subscribe => Packet::Subscribe(Subscribe {
            packet_id,
            subscriptions: lists.subscriptions.as_slice().into(),
            properties,
        }),
        PacketType::Suback => Packet::Suback(Suback {
            packet_id,
            reason_codes: lists.reasons.as_slice().into(),
            properties,
        }),
        PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe {
            packet_id,
            filters: lists.filters.as_slice().into(),
            properties,
        }),
        PacketType::Unsuback => Packet::Unsuback(Unsuback {
            packet_id,
            reason_codes: lists.reasons.as_slice().into(),
            properties,
        }),
        PacketType::Pingreq => Packet::Pingreq,
        PacketType::Pingresp => Packet::Pingresp,
        PacketType::Disconnect => Packet::Disconnect(Disconnect { reason, properties }),
        PacketType::Auth => Packet::Auth(Auth { reason, properties }),
    })
}
