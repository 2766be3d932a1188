use super::table::{ALL, FORWARDABLE, LIFTED, bit};
use super::*;
use crate::types::Version;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

/// A good value for each property.
fn sample(id: u8) -> Property<'static> {
    match id {
        0x01 => Property::PayloadFormatIndicator(true),
        0x02 => Property::MessageExpiryInterval(3600),
        0x03 => Property::ContentType("text/plain"),
        0x08 => Property::ResponseTopic("answers/1"),
        0x09 => Property::CorrelationData(&[0, 0xFF]),
        0x0B => Property::SubscriptionIdentifier(200),
        0x11 => Property::SessionExpiryInterval(u32::MAX),
        0x12 => Property::AssignedClientIdentifier("c"),
        0x13 => Property::ServerKeepAlive(0),
        0x15 => Property::AuthenticationMethod("SCRAM"),
        0x16 => Property::AuthenticationData(&[]),
        0x17 => Property::RequestProblemInformation(false),
        0x18 => Property::WillDelayInterval(1),
        0x19 => Property::RequestResponseInformation(true),
        0x1A => Property::ResponseInformation("r"),
        0x1C => Property::ServerReference("a b"),
        0x1F => Property::ReasonString(""),
        0x21 => Property::ReceiveMaximum(1),
        0x22 => Property::TopicAliasMaximum(0),
        0x23 => Property::TopicAlias(7),
        0x24 => Property::MaximumQos(QoS::AtLeastOnce),
        0x25 => Property::RetainAvailable(true),
        0x26 => Property::UserProperty("", "value"),
        0x27 => Property::MaximumPacketSize(1),
        0x28 => Property::WildcardSubscriptionAvailable(true),
        0x29 => Property::SubscriptionIdentifierAvailable(false),
        0x2A => Property::SharedSubscriptionAvailable(true),
        _ => panic!("{id:#x}"),
    }
}

fn encoded(properties: &[Property<'_>]) -> Vec<u8> {
    let properties = Properties::from(properties);
    written(properties.encoded_len(), |out| properties.write(out))
}

/// What is written into room of this length.
fn written(length: usize, write: impl FnOnce(&mut Unwritten<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut writer::extend(&mut out, length, &[]));
    out
}

/// A block with its length field, as if it began at byte 5 of a packet.
fn read(block: &[u8], context: Context) -> Result<Properties<'_>, Fault> {
    assert!(block.len() < 128);
    let bytes = [&[u8::try_from(block.len()).unwrap()], block]
        .concat()
        .leak();
    Properties::read(
        &mut Reader::new(bytes, 5 + u32::try_from(bytes.len()).unwrap()),
        context,
    )
}

fn fault(violation: Violation, offset: u32) -> Result<Properties<'static>, Fault> {
    Err(Fault::new(violation, offset))
}

const CONTEXTS: [(Context, u16); 9] = [
    (Context::WILL, 1),
    (Context::CONNECT, 1 << 1),
    (Context::CONNACK, 1 << 2),
    (Context::PUBLISH, 1 << 3),
    (Context::ACK, 1 << 4),
    (Context::SUBSCRIBE, 1 << 8),
    (Context::UNSUBSCRIBE, 1 << 10),
    (Context::DISCONNECT, 1 << 14),
    (Context::AUTH, 1 << 15),
];

/// Each property in each place: read and written where the table has it, refused everywhere else.
#[test]
fn every_property_in_every_place() {
    for (context, packet) in CONTEXTS {
        for &(id, name, packets) in ALL {
            let property = sample(id);
            assert_eq!((property.id(), property.name()), (id, name));
            let bytes = encoded(&[property]);
            assert_eq!(bytes.len(), property.encoded_len());
            let list = [property];
            let list = Properties::from(&list);
            if packets & packet == 0 {
                assert_eq!(
                    read(&bytes, context),
                    fault(Violation::PropertyNotAllowed, 6),
                    "{name}"
                );
                assert_eq!(
                    list.check(context),
                    Err(Violation::PropertyNotAllowed.into())
                );
            } else if context.lifted & bit(id) != 0 {
                assert_eq!(read(&bytes, context), Ok(Properties::EMPTY), "{name}");
                assert_eq!(
                    list.check(context),
                    Err(Violation::PropertyNotAllowed.into())
                );
            } else {
                let block = read(&bytes, context).unwrap();
                assert_eq!(block, list, "{name}");
                assert_eq!(block.check(context), Ok(()));
                assert_eq!(list.check(context), Ok(()));
                assert_eq!(block.first(id), Some(property));
                assert_eq!(list.first(id), Some(property));
                assert!(block.contains(id) && list.contains(id));
                assert_eq!(block.present(), list.present());
            }
        }
    }
}

/// Only User Property may be there twice, and in a PUBLISH the Subscription Identifier.
#[test]
fn every_property_twice() {
    for (context, packet) in CONTEXTS {
        for &(id, name, packets) in ALL {
            if packets & packet == 0 {
                continue;
            }
            let property = sample(id);
            let bytes = encoded(&[property, property]);
            let second = 6 + u32::try_from(property.encoded_len()).unwrap();
            match id {
                0x0B if packet == 1 << 3 => {
                    assert_eq!(read(&bytes, context), Ok(Properties::EMPTY));
                }
                0x26 => assert_eq!(read(&bytes, context), Ok((&[property; 2]).into())),
                _ => {
                    let error = fault(Violation::PropertyDuplicate, second);
                    assert_eq!(read(&bytes, context), error, "{name}");
                    if context.lifted & bit(id) == 0 {
                        let list = [property; 2];
                        let check = Properties::from(&list).check(context);
                        assert_eq!(check, Err(Violation::PropertyDuplicate.into()));
                    }
                }
            }
        }
    }
}

/// Every cut of every property is a fault of that property, whatever stands behind the block.
#[test]
fn every_property_cut_short() {
    for &(id, name, packets) in ALL {
        let (context, _) = CONTEXTS
            .into_iter()
            .find(|(_, packet)| packets & packet != 0)
            .unwrap();
        let bytes = encoded(&[sample(id)]);
        for cut in 1..bytes.len() {
            let mut packet = vec![u8::try_from(cut).unwrap()];
            packet.extend(&bytes);
            let mut reader = Reader::new(&packet, 100);
            let start = 100 - u32::try_from(bytes.len()).unwrap();
            let result = Properties::read(&mut reader, context).map(|_| ());
            let error = Fault::new(Violation::PropertyLength, start);
            assert_eq!(result, Err(error), "{name} cut to {cut}");
        }
    }
}

#[test]
fn unknown_identifiers() {
    for id in 0..=u8::MAX {
        if ALL.iter().all(|row| row.0 != id) {
            for (context, _) in CONTEXTS {
                assert_eq!(
                    read(&[id, 0, 0, 0, 0], context),
                    fault(Violation::PropertyUnknown, 6)
                );
            }
        }
    }
}

#[test]
fn bad_values() {
    use Context as C;
    for (context, bytes, violation) in [
        (C::PUBLISH, &[0x01, 2][..], Violation::PropertyValue),
        (C::CONNECT, &[0x17, 2], Violation::PropertyValue),
        (C::CONNECT, &[0x19, 255], Violation::PropertyValue),
        (C::CONNACK, &[0x24, 2], Violation::PropertyValue),
        (C::CONNACK, &[0x25, 2], Violation::PropertyValue),
        (C::CONNACK, &[0x28, 2], Violation::PropertyValue),
        (C::CONNACK, &[0x29, 2], Violation::PropertyValue),
        (C::CONNACK, &[0x2A, 2], Violation::PropertyValue),
        (C::CONNECT, &[0x21, 0, 0], Violation::ReceiveMaximumZero),
        (
            C::CONNECT,
            &[0x27, 0, 0, 0, 0],
            Violation::MaximumPacketSizeZero,
        ),
        (C::PUBLISH, &[0x23, 0, 0], Violation::TopicAliasZero),
        (
            C::SUBSCRIBE,
            &[0x0B, 0],
            Violation::SubscriptionIdentifierZero,
        ),
        (
            C::SUBSCRIBE,
            &[0x0B, 0x81, 0],
            Violation::VariableByteIntegerOverlong,
        ),
        (
            C::SUBSCRIBE,
            &[0x0B, 0x80, 0x80, 0x80, 0x80, 1],
            Violation::VariableByteIntegerTooLong,
        ),
        (
            C::PUBLISH,
            &[0x08, 0, 1, b'+'],
            Violation::ResponseTopicWildcard,
        ),
        (
            C::PUBLISH,
            &[0x08, 0, 3, b'a', b'/', b'#'],
            Violation::ResponseTopicWildcard,
        ),
        (C::PUBLISH, &[0x08, 0, 1, 0], Violation::NullCharacter),
        (C::PUBLISH, &[0x03, 0, 1, 0], Violation::NullCharacter),
        (C::PUBLISH, &[0x03, 0, 1, 0xC3], Violation::Utf8Invalid),
    ] {
        assert_eq!(read(bytes, context), fault(violation, 7), "{bytes:x?}");
    }
    // The second string of a pair is a field of its own.
    let pair = [0x26, 0, 1, b'a', 0, 1, 0];
    assert_eq!(
        read(&pair, Context::ACK),
        fault(Violation::NullCharacter, 10)
    );
}

#[test]
fn values_that_cannot_be_sent() {
    let long = "a".repeat(65_536);
    for (property, error) in [
        (
            Property::ReceiveMaximum(0),
            Violation::ReceiveMaximumZero.into(),
        ),
        (
            Property::MaximumPacketSize(0),
            Violation::MaximumPacketSizeZero.into(),
        ),
        (Property::TopicAlias(0), Violation::TopicAliasZero.into()),
        (
            Property::SubscriptionIdentifier(0),
            Violation::SubscriptionIdentifierZero.into(),
        ),
        (
            Property::SubscriptionIdentifier(268_435_456),
            Violation::VariableByteIntegerTooLong.into(),
        ),
        (
            Property::MaximumQos(QoS::ExactlyOnce),
            Violation::PropertyValue.into(),
        ),
        (
            Property::ResponseTopic("a/+"),
            Violation::ResponseTopicWildcard.into(),
        ),
        (
            Property::ResponseTopic("\0"),
            Violation::NullCharacter.into(),
        ),
        (
            Property::ReasonString("a\0"),
            Violation::NullCharacter.into(),
        ),
        (
            Property::UserProperty("", "\0"),
            Violation::NullCharacter.into(),
        ),
        (
            Property::UserProperty("\0", ""),
            Violation::NullCharacter.into(),
        ),
        (Property::ContentType(&long), EncodeError::StringTooLong),
        (Property::ResponseTopic(&long), EncodeError::StringTooLong),
        (
            Property::UserProperty("", &long),
            EncodeError::StringTooLong,
        ),
        (
            Property::AuthenticationData(long.as_bytes()),
            EncodeError::StringTooLong,
        ),
        (
            Property::CorrelationData(long.as_bytes()),
            EncodeError::StringTooLong,
        ),
    ] {
        assert_eq!(property.check(), Err(error), "{}", property.name());
    }
    assert_eq!(Property::ContentType(&long[1..]).check(), Ok(()));
    assert_eq!(
        Property::SubscriptionIdentifier(268_435_455).check(),
        Ok(())
    );
}

/// A block that hides the properties of the hop looks and is written as if they were not there.
#[test]
fn hidden_properties() {
    let seen = [
        Property::ContentType("a"),
        Property::UserProperty("k", "1"),
        Property::UserProperty("k", "2"),
        Property::PayloadFormatIndicator(false),
    ];
    let all = [
        Property::TopicAlias(1),
        seen[0],
        Property::SubscriptionIdentifier(1),
        seen[1],
        Property::SubscriptionIdentifier(300),
        seen[2],
        Property::MessageExpiryInterval(9),
        seen[3],
    ];
    let bytes = encoded(&all);
    let block = read(&bytes, Context::PUBLISH).unwrap();
    assert_eq!(block, (&seen).into());
    let out = written(block.encoded_len(), |out| block.write(out));
    assert_eq!(out, encoded(&seen));
    assert_eq!(block.message_expiry_interval(), None);
    assert_eq!(block.content_type(), Some("a"));
    assert!(block.user_properties().eq([("k", "1"), ("k", "2")]));
    assert_eq!(block.check(Context::PUBLISH), Ok(()));
    assert_eq!(
        block.check(Context::ACK),
        Err(Violation::PropertyNotAllowed.into())
    );

    let lifted = encoded(&[Property::TopicAlias(1)]);
    let only = read(&lifted, Context::PUBLISH).unwrap();
    assert!(only.is_empty());
    assert_eq!(
        (only.encoded_len(), only.measure(Version::V5).on_wire()),
        (0, 1)
    );
}

#[test]
fn what_goes_with_a_message() {
    let will = [
        Property::WillDelayInterval(5),
        Property::UserProperty("k", "1"),
        Property::MessageExpiryInterval(9),
        Property::ContentType("a"),
    ];
    let forwarded = [will[1], will[3]];
    let bytes = encoded(&will);
    let block = read(&bytes, Context::WILL).unwrap();
    let list = Properties::from(&will);
    for properties in [block, list, Properties::from(&forwarded)] {
        let mut out = Vec::new();
        let present = properties.write_forwardable(&mut out);
        assert_eq!(out.len(), properties.encoded_len_forwardable());
        assert_eq!(present, bit(0x03) | bit(0x26));
        assert_eq!(
            Properties::from_encoded(&out, present),
            Properties::from(&forwarded)
        );
    }
    assert_eq!(FORWARDABLE & LIFTED, 0);
}

#[test]
fn versions() {
    let list = [Property::UserProperty("a", "b")];
    let list = Properties::from(&list);
    let check =
        |properties: Properties<'_>, version| properties.check_block(version, Context::CONNECT);
    assert_eq!(check(list, Version::V311), Err(EncodeError::NeedsV5));
    assert_eq!(check(list, Version::V5), Ok(()));
    assert_eq!(check(Properties::EMPTY, Version::V311), Ok(()));
    let empty = |version| Properties::EMPTY.measure(version);
    assert_eq!(empty(Version::V311).on_wire(), 0);
    assert_eq!(empty(Version::V5).on_wire(), 1);
    assert_eq!(
        written(1, |out| Properties::EMPTY
            .write_block(empty(Version::V5), out)),
        [0]
    );
    let none = written(0, |out| {
        Properties::EMPTY.write_block(empty(Version::V311), out);
    });
    assert!(none.is_empty());
}

#[test]
fn equality_is_by_value_and_order() {
    let (a, b) = (
        Property::UserProperty("a", ""),
        Property::UserProperty("b", ""),
    );
    let bytes = encoded(&[a, b]);
    let block = read(&bytes, Context::ACK).unwrap();
    assert_eq!(block, (&[a, b]).into());
    assert_ne!(block, (&[b, a]).into());
    assert_ne!(block, (&[a]).into());
    assert_ne!(block, (&[a, b, b]).into());
}

#[test]
fn sizes() {
    assert!(size_of::<Properties<'_>>() <= 24);
    assert!(size_of::<Property<'_>>() <= 40);
}

#[test]
fn texts() {
    assert_eq!(sample(0x24).to_string(), "Maximum QoS=1");
    assert_eq!(sample(0x26).to_string(), r#"User Property="":"value""#);
    assert_eq!(
        Property::AuthenticationData(b"secret").to_string(),
        "Authentication Data=6 bytes"
    );
}
