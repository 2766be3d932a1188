//! What is refused when it is written: fields can say what no bytes may.

use std::fs;
use std::path::Path;

use sansio_mqtt::{
    Ack, Auth, Connack, Connect, DecodeOptions, Disconnect, EncodeError, Packet, PacketId,
    Properties, Property, Publish, QoS, ReasonCode, ReasonCodes, RetainHandling, Suback, Subscribe,
    Subscription, SubscriptionOptions, Unsuback, Unsubscribe, Version, Violation, Will,
};

/// What a packet's fields can say and its bytes must not.
#[test]
#[rustfmt::skip] // a table, one line each
fn what_is_not_written() {
    let id = PacketId::new(1).expect("not 0");
    let long = "a".repeat(65_536);
    let publish = Publish::new("a", b"");
    let qos1 = Publish { qos: QoS::AtLeastOnce, packet_id: Some(id), ..publish };
    let ack = Ack::new(id);
    let connect = |version| Connect::new(version, "");
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    let no_local = SubscriptionOptions { no_local: true, ..options };
    let never = SubscriptionOptions { retain_handling: RetainHandling::DoNotSend, ..options };
    let both = [Version::V311, Version::V5];
    let (v311, v5) = (&both[..1], &both[1..]);

    let refused = |versions: &[Version], packet: Packet<'_>, error: EncodeError| {
        for &version in versions {
            let mut out = b"before".to_vec();
            assert_eq!(packet.encode(version, &mut out), Err(error), "{version} {packet:.80}");
            assert_eq!(out, b"before");
        }
    };
    for (versions, packet, violation) in [
        (&both[..], Publish { dup: true, ..publish }.into(), Violation::DupWithQos0),
        (&both, Publish { topic: "a/+", ..publish }.into(), Violation::TopicNameWildcard),
        (&both, Publish { topic: "#", ..publish }.into(), Violation::TopicNameWildcard),
        (&both, Publish { topic: "", ..publish }.into(), Violation::TopicNameEmpty),
        (&both, Publish { topic: "\0", ..publish }.into(), Violation::NullCharacter),
        (v5, Publish { topic_alias: Some(0), ..publish }.into(), Violation::TopicAliasZero),
        (v5, Publish { topic: "", message_expiry_interval: Some(1), ..publish }.into(), Violation::TopicNameEmpty),
        (
            v5,
            Publish { subscription_identifiers: (&[1, 0]).into(), ..publish }.into(),
            Violation::SubscriptionIdentifierZero,
        ),
        (
            v5,
            Publish { subscription_identifiers: (&[268_435_456]).into(), ..publish }.into(),
            Violation::VariableByteIntegerTooLong,
        ),
        (&both, Subscribe::new(id, &[]).into(), Violation::NoTopicFilters),
        (&both, Subscribe::new(id, &[Subscription::new("", QoS::AtMostOnce)]).into(), Violation::TopicFilterEmpty),
        (&both, Subscribe::new(id, &[Subscription::new("a#", QoS::AtMostOnce)]).into(), Violation::MultiLevelWildcardMisplaced),
        (&both, Subscribe::new(id, &[Subscription::new("\0", QoS::AtMostOnce)]).into(), Violation::NullCharacter),
        (v5, Subscribe::new(id, &[Subscription::new("$share/g", QoS::AtMostOnce)]).into(), Violation::ShareNameInvalid),
        (
            v5,
            Subscribe::new(id, &[Subscription { filter: "$share/g/t", options: no_local }]).into(),
            Violation::NoLocalShared,
        ),
        (&both, Unsubscribe::new(id, &[]).into(), Violation::NoTopicFilters),
        (&both, Unsubscribe::new(id, &["a", "a+"]).into(), Violation::SingleLevelWildcardMisplaced),
        (v5, Unsubscribe::new(id, &["$share//t"]).into(), Violation::ShareNameEmpty),
        (&both, Suback::new(id, ReasonCodes::EMPTY).into(), Violation::NoReasonCodes),
        (&both, Suback::new(id, &[ReasonCode::NoSubscriptionExisted]).into(), Violation::ReasonCodeInvalid),
        (v5, Unsuback::new(id, ReasonCodes::EMPTY).into(), Violation::NoReasonCodes),
        (v5, Unsuback::new(id, &[ReasonCode::GrantedQos1]).into(), Violation::ReasonCodeInvalid),
        (v5, Packet::Puback(Ack { reason: ReasonCode::PacketIdentifierNotFound, ..ack }), Violation::ReasonCodeInvalid),
        (v5, Packet::Pubrec(Ack { reason: ReasonCode::PacketIdentifierNotFound, ..ack }), Violation::ReasonCodeInvalid),
        (v5, Packet::Pubrel(Ack { reason: ReasonCode::PacketIdentifierInUse, ..ack }), Violation::ReasonCodeInvalid),
        (v5, Packet::Pubcomp(Ack { reason: ReasonCode::UnspecifiedError, ..ack }), Violation::ReasonCodeInvalid),
        (v5, Disconnect::new(ReasonCode::GrantedQos1).into(), Violation::ReasonCodeInvalid),
        (
            v5,
            Auth::new(ReasonCode::UnspecifiedError, &[Property::AuthenticationMethod("m")]).into(),
            Violation::ReasonCodeInvalid,
        ),
        (v5, Auth::new(ReasonCode::Success, Properties::EMPTY).into(), Violation::AuthenticationMethodMissing),
        (&both, Connack::new(ReasonCode::ServerShuttingDown).into(), Violation::ReasonCodeInvalid),
        (
            &both,
            Connack { session_present: true, ..Connack::new(ReasonCode::NotAuthorized) }.into(),
            Violation::SessionPresentWithRefusal,
        ),
        (v311, Connect { password: Some(b""), ..connect(Version::V311) }.into(), Violation::PasswordWithoutUserName),
        (v5, Connect { client_id: "\0", ..connect(Version::V5) }.into(), Violation::NullCharacter),
        (v5, Connect { user_name: Some("\0"), ..connect(Version::V5) }.into(), Violation::NullCharacter),
        (v5, Connect { will: Some(Will::new("", b"")), ..connect(Version::V5) }.into(), Violation::TopicNameEmpty),
        (v5, Connect { will: Some(Will::new("+", b"")), ..connect(Version::V5) }.into(), Violation::TopicNameWildcard),
    ] {
        refused(versions, packet, violation.into());
    }
    for (versions, packet, error) in [
        (&both[..], Publish { packet_id: Some(id), ..publish }.into(), EncodeError::PacketIdMismatch),
        (&both, Publish { packet_id: None, ..qos1 }.into(), EncodeError::PacketIdMismatch),
        (&both, Publish { topic: &long, ..publish }.into(), EncodeError::StringTooLong),
        (&both, Unsubscribe::new(id, &[&long[..]]).into(), EncodeError::StringTooLong),
        (v311, Connect { client_id: &long, ..connect(Version::V311) }.into(), EncodeError::StringTooLong),
        (
            v5,
            Connect { will: Some(Will::new("w", long.as_bytes())), ..connect(Version::V5) }.into(),
            EncodeError::StringTooLong,
        ),
        (v5, Connect { password: Some(long.as_bytes()), ..connect(Version::V5) }.into(), EncodeError::StringTooLong),
        (v311, Publish { topic_alias: Some(1), ..publish }.into(), EncodeError::NeedsV5),
        (v311, Publish { message_expiry_interval: Some(1), ..publish }.into(), EncodeError::NeedsV5),
        (v311, Publish { subscription_identifiers: (&[1]).into(), ..publish }.into(), EncodeError::NeedsV5),
        (v311, Subscribe::new(id, &[Subscription { filter: "a", options: never }]).into(), EncodeError::NeedsV5),
        (v311, Suback::new(id, &[ReasonCode::NotAuthorized]).into(), EncodeError::NeedsV5),
        (v311, Unsuback::new(id, &[ReasonCode::Success]).into(), EncodeError::NeedsV5),
        (v311, Packet::Puback(Ack { reason: ReasonCode::NotAuthorized, ..ack }), EncodeError::NeedsV5),
        (v311, Disconnect::new(ReasonCode::DisconnectWithWillMessage).into(), EncodeError::NeedsV5),
        (v311, Connack::new(ReasonCode::Banned).into(), EncodeError::NeedsV5),
        (v311, Auth::new(ReasonCode::Success, &[Property::AuthenticationMethod("m")]).into(), EncodeError::NeedsV5),
    ] {
        refused(versions, packet, error);
    }
    // More bytes than a packet can have, out of few in memory.
    let many = vec![Property::UserProperty(&long[1..], &long[1..]); 2049];
    let large = Ack { properties: many[..].into(), ..ack };
    refused(v5, Packet::Puback(large), EncodeError::PacketTooLarge);
}

/// A property by itself, in the packet that may have it.
#[test]
#[rustfmt::skip] // a table, one line each
fn what_is_not_written_as_a_property() {
    let long = "a".repeat(65_536);
    for (list, error) in [
        (&[Property::MaximumQos(QoS::ExactlyOnce)][..], Violation::PropertyValue.into()),
        (&[Property::ReceiveMaximum(0)], Violation::ReceiveMaximumZero.into()),
        (&[Property::MaximumPacketSize(0)], Violation::MaximumPacketSizeZero.into()),
        (&[Property::ReasonString("\0")], Violation::NullCharacter.into()),
        (&[Property::UserProperty("\0", "")], Violation::NullCharacter.into()),
        (&[Property::UserProperty("", "\0")], Violation::NullCharacter.into()),
        (&[Property::UserProperty("", &long)], EncodeError::StringTooLong),
        (&[Property::ServerReference(&long)], EncodeError::StringTooLong),
        (&[Property::AuthenticationData(b"")], Violation::AuthenticationDataWithoutMethod.into()),
        (&[Property::ServerKeepAlive(0), Property::ServerKeepAlive(0)], Violation::PropertyDuplicate.into()),
        (&[Property::TopicAlias(1)], Violation::PropertyNotAllowed.into()),
    ] {
        let connack = Connack { properties: list.into(), ..Connack::new(ReasonCode::Success) };
        assert_eq!(connack.encode(Version::V5, &mut Vec::new()), Err(error));
    }
    // In a PUBLISH the properties of the hop have fields of their own, and are refused among the others.
    for (property, violation) in [
        (Property::ResponseTopic("a/#"), Violation::ResponseTopicWildcard),
        (Property::TopicAlias(1), Violation::PropertyNotAllowed),
        (Property::MessageExpiryInterval(1), Violation::PropertyNotAllowed),
        (Property::SubscriptionIdentifier(1), Violation::PropertyNotAllowed),
    ] {
        let list = [property];
        let publish = Publish { properties: (&list).into(), ..Publish::new("a", b"") };
        assert_eq!(publish.encode(Version::V5, &mut Vec::new()), Err(violation.into()));
    }
}

/// The properties of some vectors of each packet, moved to each other one, and each packet in the other version: what is
/// written is read again as the same.
#[test]
fn what_was_read_is_written_elsewhere() {
    let packets = vectors();
    let (mut moved, mut written) = (0, 0);
    for from in packets.iter().map(|bytes| read(bytes)) {
        for to in packets.iter().map(|bytes| read(bytes)) {
            for properties in properties_of(from) {
                let mut packet = with_properties(to, properties);
                for version in [Version::V311, Version::V5] {
                    if let Packet::Connect(connect) = &mut packet {
                        connect.version = version;
                    }
                    let mut out = Vec::new();
                    moved += 1;
                    if packet.encode(version, &mut out).is_ok() {
                        let again = Packet::decode(version, &DecodeOptions::new(), &mut &out[..]);
                        assert_eq!(again, Ok(Some(packet)), "{version}");
                        written += 1;
                    }
                }
            }
        }
    }
    assert!(
        written > 1000 && moved - written > 1000,
        "{written} of {moved}"
    );
}

/// The bytes of some valid packets of 5.0 from `spec-vectors/`, short ones of every type.
fn vectors() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec-vectors/codec/5.0");
    let mut packets = Vec::new();
    for entry in fs::read_dir(directory).expect("vectors") {
        let text = fs::read_to_string(entry.expect("a file").path()).expect("UTF-8");
        let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let vectors = file["vectors"].as_array().expect("a list").iter();
        let valid =
            vectors.filter(|vector| vector["canonical"] == true && vector["rest"].is_null());
        let short = valid.filter_map(|vector| vector["hex"].as_str().filter(|hex| hex.len() < 120));
        // Evenly, so that the kinds of vectors in a file all have a part in it.
        let short: Vec<_> = short.collect();
        let some = short.iter().step_by(short.len() / 4 + 1);
        packets.extend(some.map(|hex| {
            let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits");
            (0..hex.len()).step_by(2).map(digits).collect::<Vec<u8>>()
        }));
    }
    packets.retain(
        |bytes| !matches!(read(bytes), Packet::Connect(connect) if connect.version != Version::V5),
    );
    assert!(packets.len() > 50, "{} packets", packets.len());
    packets
}

fn read(bytes: &[u8]) -> Packet<'_> {
    let packet = Packet::decode(Version::V5, &DecodeOptions::new(), &mut &*bytes);
    packet.expect("valid").expect("complete")
}

fn properties_of(packet: Packet<'_>) -> Vec<Properties<'_>> {
    match packet {
        Packet::Connect(connect) => {
            let will = connect.will.map(|will| will.properties);
            [connect.properties].into_iter().chain(will).collect()
        }
        Packet::Connack(packet) => vec![packet.properties],
        Packet::Publish(packet) => vec![packet.properties],
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            vec![ack.properties]
        }
        Packet::Subscribe(packet) => vec![packet.properties],
        Packet::Suback(packet) => vec![packet.properties],
        Packet::Unsubscribe(packet) => vec![packet.properties],
        Packet::Unsuback(packet) => vec![packet.properties],
        Packet::Disconnect(packet) => vec![packet.properties],
        Packet::Auth(packet) => vec![packet.properties],
        Packet::Pingreq | Packet::Pingresp => vec![],
    }
}

/// The packet with these properties; a CONNECT with a will has them in the will.
fn with_properties<'a>(mut packet: Packet<'a>, properties: Properties<'a>) -> Packet<'a> {
    match &mut packet {
        Packet::Connect(Connect {
            will: Some(will), ..
        }) => will.properties = properties,
        Packet::Connect(packet) => packet.properties = properties,
        Packet::Connack(packet) => packet.properties = properties,
        Packet::Publish(packet) => packet.properties = properties,
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            ack.properties = properties;
        }
        Packet::Subscribe(packet) => packet.properties = properties,
        Packet::Suback(packet) => packet.properties = properties,
        Packet::Unsubscribe(packet) => packet.properties = properties,
        Packet::Unsuback(packet) => packet.properties = properties,
        Packet::Disconnect(packet) => packet.properties = properties,
        Packet::Auth(packet) => packet.properties = properties,
        Packet::Pingreq | Packet::Pingresp => {}
    }
    packet
}
