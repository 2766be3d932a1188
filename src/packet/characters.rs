//! The characters that a receiver may refuse (5.0, section 1.5.4; 3.1.1, section 1.5.3): control characters and
//! noncharacters. U+0000, which it must refuse, is refused as the strings are read.
//!
//! This is a pass of its own over a packet that is decoded, so that who does not ask for it pays nothing.

use super::{DecodeError, DecodeOptions, Packet, Will};
use crate::property::{Properties, Property};
use crate::types::Version;
use crate::violation::Violation;

/// [`Packet::decode`] for who asks for it.
#[cold]
#[inline(never)]
pub(super) fn decode<'a>(
    version: Version,
    options: &DecodeOptions,
    input: &mut &'a [u8],
) -> Result<Option<Packet<'a>>, DecodeError> {
    let bytes = *input;
    let decoded = Packet::decode_lenient(version, options, input)?;
    if let Some(packet) = &decoded {
        if let Err(error) = check(version, packet, bytes) {
            *input = bytes;
            return Err(error);
        }
    }
    Ok(decoded)
}

/// Looks at every string of the packet that was decoded from `bytes`, which begin with its fixed header.
pub(super) fn check(
    version: Version,
    packet: &Packet<'_>,
    bytes: &[u8],
) -> Result<(), DecodeError> {
    let Err(text) = check_packet(packet) else {
        return Ok(());
    };
    // A string is a part of the packet that it was read from, and its length stands in front of it.
    let offset = (text.as_ptr().addr())
        .saturating_sub(bytes.as_ptr().addr())
        .saturating_sub(2);
    let version = match packet {
        Packet::Connect(connect) => connect.version,
        _ => version,
    };
    Err(DecodeError::new(
        Violation::DisallowedCharacter,
        Some(packet.packet_type()),
        version,
        u32::try_from(offset).unwrap_or(u32::MAX),
    ))
}

/// The error is the string that has such a character: the first one in the order of the packet.
fn check_packet<'a>(packet: &Packet<'a>) -> Result<(), &'a str> {
    match packet {
        Packet::Connect(connect) => {
            check_properties(&connect.properties)?;
            check_text(connect.client_id)?;
            connect.will.as_ref().map_or(Ok(()), check_will)?;
            connect.user_name.map_or(Ok(()), check_text)
        }
        Packet::Connack(connack) => check_properties(&connack.properties),
        Packet::Publish(publish) => {
            check_text(publish.topic)?;
            check_properties(&publish.properties)
        }
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            check_properties(&ack.properties)
        }
        Packet::Subscribe(subscribe) => {
            check_properties(&subscribe.properties)?;
            (subscribe.subscriptions.iter())
                .try_for_each(|subscription| check_text(subscription.filter))
        }
        Packet::Suback(suback) => check_properties(&suback.properties),
        Packet::Unsubscribe(unsubscribe) => {
            check_properties(&unsubscribe.properties)?;
            unsubscribe.filters.iter().try_for_each(check_text)
        }
        Packet::Unsuback(unsuback) => check_properties(&unsuback.properties),
        Packet::Pingreq | Packet::Pingresp => Ok(()),
        Packet::Disconnect(disconnect) => check_properties(&disconnect.properties),
        Packet::Auth(auth) => check_properties(&auth.properties),
    }
}

fn check_will<'a>(will: &Will<'a>) -> Result<(), &'a str> {
    check_properties(&will.properties)?;
    check_text(will.topic)
}

fn check_properties<'a>(properties: &Properties<'a>) -> Result<(), &'a str> {
    properties.iter().try_for_each(|property| match property {
        Property::ContentType(text)
        | Property::ResponseTopic(text)
        | Property::AssignedClientIdentifier(text)
        | Property::AuthenticationMethod(text)
        | Property::ResponseInformation(text)
        | Property::ServerReference(text)
        | Property::ReasonString(text) => check_text(text),
        Property::UserProperty(name, value) => check_text(name).and_then(|()| check_text(value)),
        Property::PayloadFormatIndicator(_)
        | Property::MessageExpiryInterval(_)
        | Property::CorrelationData(_)
        | Property::SubscriptionIdentifier(_)
        | Property::SessionExpiryInterval(_)
        | Property::ServerKeepAlive(_)
        | Property::AuthenticationData(_)
        | Property::RequestProblemInformation(_)
        | Property::WillDelayInterval(_)
        | Property::RequestResponseInformation(_)
        | Property::ReceiveMaximum(_)
        | Property::TopicAliasMaximum(_)
        | Property::TopicAlias(_)
        | Property::MaximumQos(_)
        | Property::RetainAvailable(_)
        | Property::MaximumPacketSize(_)
        | Property::WildcardSubscriptionAvailable(_)
        | Property::SubscriptionIdentifierAvailable(_)
        | Property::SharedSubscriptionAvailable(_) => Ok(()),
    })
}

fn check_text(text: &str) -> Result<(), &str> {
    if text.chars().any(is_disallowed) {
        Err(text)
    } else {
        Ok(())
    }
}

/// U+0001 to U+001F, U+007F to U+009F, and the noncharacters of Unicode: U+FDD0 to U+FDEF and the last two of each plane.
const fn is_disallowed(c: char) -> bool {
    matches!(c, '\u{1}'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{FDD0}'..='\u{FDEF}')
        || (c as u32) & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::super::{
        Ack, Auth, Connack, Connect, Disconnect, Publish, Suback, Subscribe, Subscription,
        Unsuback, Unsubscribe,
    };
    use super::*;
    use crate::reason::ReasonCode;
    use crate::types::{PacketId, QoS};
    use Version::{V5, V311};

    const STRICT: DecodeOptions = DecodeOptions::new().with_control_characters_refused(true);

    #[test]
    fn which_characters() {
        let mut count = 0;
        for c in '\u{1}'..=char::MAX {
            let expected = c.is_control()
                || ('\u{FDD0}'..='\u{FDEF}').contains(&c)
                || matches!(c as u32 % 0x1_0000, 0xFFFE | 0xFFFF);
            assert_eq!(is_disallowed(c), expected, "{c:?}");
            count += usize::from(expected);
        }
        // 31 and 33 control characters, 66 noncharacters.
        assert_eq!(count, 31 + 33 + 66);
    }

    /// Encodes the packet; it is taken by default, and refused at `offset` if asked for.
    fn refused(version: Version, packet: Packet<'_>, offset: usize) {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        let taken = Packet::decode(version, &DecodeOptions::new(), &mut &bytes[..]);
        assert_eq!(taken, Ok(Some(packet)));
        let mut input = &bytes[..];
        let error = Packet::decode(version, &STRICT, &mut input).unwrap_err();
        assert_eq!(input, bytes, "{packet}");
        assert_eq!(error.violation(), Violation::DisallowedCharacter);
        assert_eq!(error.packet_type(), Some(packet.packet_type()));
        assert_eq!((error.version(), error.offset()), (version, offset));
    }

    #[test]
    fn every_string_of_every_packet() {
        let id = PacketId::new(1).unwrap();
        for bad in ["\u{1}", "a\u{7F}b", "\u{9F}", "\u{FDD0}", "日\u{10FFFF}"] {
            for version in [V311, V5] {
                let back = usize::from(version == V5);
                refused(version, Connect::new(version, bad).into(), 12 + back);
                let will = Connect {
                    will: Some(Will::new(bad, b"")),
                    ..Connect::new(version, "c")
                };
                refused(version, will.into(), 15 + 2 * back);
                let user_name = Connect {
                    user_name: Some(bad),
                    ..Connect::new(version, "c")
                };
                refused(version, user_name.into(), 15 + back);
                refused(version, Publish::new(bad, b"").into(), 2);
                let list = [
                    Subscription::new("good", QoS::AtMostOnce),
                    Subscription::new(bad, QoS::AtMostOnce),
                ];
                refused(version, Subscribe::new(id, &list).into(), 11 + back);
                let list = ["good", bad];
                refused(version, Unsubscribe::new(id, &list).into(), 10 + back);
            }
            let text = [Property::ReasonString(bad)];
            let name = [Property::UserProperty(bad, "")];
            let value = [Property::UserProperty("", bad)];
            for (list, shift) in [(&text, 0), (&name, 0), (&value, 2)] {
                let properties = Properties::from(list);
                let ack = Ack {
                    properties,
                    ..Ack::new(id)
                };
                let suback = Suback {
                    properties,
                    ..Suback::new(id, &[ReasonCode::Success])
                };
                let unsuback = Unsuback {
                    properties,
                    ..Unsuback::new(id, &[ReasonCode::Success])
                };
                let connack = Connack {
                    properties,
                    ..Connack::new(ReasonCode::Success)
                };
                let disconnect = Disconnect {
                    properties,
                    ..Disconnect::default()
                };
                for (packet, offset) in [
                    (Packet::Puback(ack), 7),
                    (Packet::Pubrec(ack), 7),
                    (Packet::Pubrel(ack), 7),
                    (Packet::Pubcomp(ack), 7),
                    (suback.into(), 6),
                    (unsuback.into(), 6),
                    (connack.into(), 6),
                    (disconnect.into(), 5),
                ] {
                    refused(V5, packet, offset + shift);
                }
            }
            let list = [Property::AuthenticationMethod(bad)];
            let auth = Auth::new(ReasonCode::ContinueAuthentication, &list);
            refused(V5, auth.into(), 5);
        }
    }

    #[test]
    fn every_property() {
        for property in [
            Property::AssignedClientIdentifier("\u{1}"),
            Property::AuthenticationMethod("\u{1}"),
            Property::ResponseInformation("\u{1}"),
            Property::ServerReference("\u{1}"),
            Property::ReasonString("\u{1}"),
        ] {
            let list = [property];
            let connack = Connack {
                properties: (&list).into(),
                ..Connack::new(ReasonCode::Success)
            };
            refused(V5, connack.into(), 6);
        }
        for property in [
            Property::ContentType("\u{1}"),
            Property::ResponseTopic("\u{1}"),
        ] {
            let list = [property];
            let publish = Publish {
                properties: (&list).into(),
                ..Publish::new("a", b"")
            };
            refused(V5, publish.into(), 7);
            let connect = Connect {
                will: Some(Will {
                    properties: (&list).into(),
                    ..Will::new("a", b"")
                }),
                ..Connect::new(V5, "")
            };
            refused(V5, connect.into(), 17);
        }
    }

    /// Bytes are no strings; and the text of a payload is the application's.
    #[test]
    fn what_is_not_looked_at() {
        let list = [
            Property::PayloadFormatIndicator(true),
            Property::CorrelationData(b"\x01"),
            Property::ContentType("\u{A0}\u{FEFF}é日🦀"),
        ];
        let will = Will {
            properties: (&list).into(),
            ..Will::new("a", b"\x01")
        };
        let connect = Connect {
            will: Some(will),
            user_name: Some(" ~"),
            password: Some(b"\x01"),
            ..Connect::new(V5, "\u{FFFD}")
        };
        let publish = Publish {
            properties: (&list).into(),
            ..Publish::new("a", b"\x01")
        };
        for packet in [Packet::from(connect), publish.into()] {
            let mut bytes = Vec::new();
            packet.encode(V5, &mut bytes).unwrap();
            let taken = Packet::decode(V5, &STRICT, &mut &bytes[..]);
            assert_eq!(taken, Ok(Some(packet)));
        }
    }

    /// What must be refused is refused for its own reason.
    #[test]
    fn the_first_fault_is_told() {
        let error = |bytes: &[u8]| -> String {
            let error = Packet::decode(V311, &STRICT, &mut &bytes[..]);
            error.unwrap_err().to_string()
        };
        assert_eq!(
            error(b"\x30\x05\x00\x01\x01ab"),
            "malformed PUBLISH at byte 2: string contains a control character or a noncharacter [section 1.5.3]"
        );
        assert!(error(b"\x30\x04\x00\x02\x01\x00").contains("U+0000"));
        // A filter that is not checked otherwise.
        let options = STRICT.with_unchecked_filters(true);
        let bytes = b"\xA2\x07\x00\x01\x00\x03a#\x01";
        let error = Packet::decode(V311, &options, &mut &bytes[..]).unwrap_err();
        assert_eq!(error.violation(), Violation::DisallowedCharacter);
        assert_eq!(error.offset(), 4);
    }
}
