//! One line per packet, for logs. Payloads are told by their size, passwords not at all; strings are escaped, and
//! strings and lists are cut.

use core::fmt::{self, Display, Formatter};

use super::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, Publish, PublishHead, ReasonCodes, Suback,
    Subscribe, Subscription, SubscriptionIdentifiers, SubscriptionOptions, Subscriptions,
    TopicFilters, Unsuback, Unsubscribe, Will,
};
use crate::display::{Size, Text, list};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::types::RetainHandling;

impl Display for Packet<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(packet) => packet.fmt(f),
            Self::Connack(packet) => packet.fmt(f),
            Self::Publish(packet) => packet.fmt(f),
            Self::Puback(ack) | Self::Pubrec(ack) | Self::Pubrel(ack) | Self::Pubcomp(ack) => {
                write!(f, "{} {ack}", self.packet_type())
            }
            Self::Subscribe(packet) => packet.fmt(f),
            Self::Suback(packet) => packet.fmt(f),
            Self::Unsubscribe(packet) => packet.fmt(f),
            Self::Unsuback(packet) => packet.fmt(f),
            Self::Pingreq | Self::Pingresp => self.packet_type().fmt(f),
            Self::Disconnect(packet) => packet.fmt(f),
            Self::Auth(packet) => packet.fmt(f),
        }
    }
}

impl Display for Connect<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CONNECT version={} client_id={}",
            self.version,
            Text(self.client_id)
        )?;
        flag(f, "clean_start", self.clean_start)?;
        write!(f, " keep_alive={}", self.keep_alive)?;
        if let Some(will) = &self.will {
            write!(f, " will=({will})")?;
        }
        if let Some(user_name) = self.user_name {
            write!(f, " user_name={}", Text(user_name))?;
        }
        flag(f, "password=(hidden)", self.password.is_some())?;
        properties(f, &self.properties)
    }
}

impl Display for Will<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "qos={}", self.qos)?;
        flag(f, "retain", self.retain)?;
        write!(f, " topic={}", Text(self.topic))?;
        write!(f, " payload={}", Size(self.payload))?;
        properties(f, &self.properties)
    }
}

impl Display for Connack<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CONNACK reason=\"{}\"", self.reason)?;
        flag(f, "session_present", self.session_present)?;
        properties(f, &self.properties)
    }
}

impl Display for Publish<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("PUBLISH")?;
        publish(f, self, self.payload.len())
    }
}

impl Display for PublishHead<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("head of PUBLISH")?;
        publish(f, &self.publish, self.payload_len as usize)
    }
}

/// All but the name, with a payload of this many bytes.
fn publish(f: &mut Formatter<'_>, publish: &Publish<'_>, payload_len: usize) -> fmt::Result {
    if let Some(packet_id) = publish.packet_id {
        write!(f, " id={packet_id}")?;
    }
    write!(f, " qos={}", publish.qos)?;
    flag(f, "retain", publish.retain)?;
    flag(f, "dup", publish.dup)?;
    write!(f, " topic={}", Text(publish.topic))?;
    if let Some(alias) = publish.topic_alias {
        write!(f, " alias={alias}")?;
    }
    if let Some(seconds) = publish.message_expiry_interval {
        write!(f, " expiry={seconds}")?;
    }
    if !publish.subscription_identifiers.is_empty() {
        write!(
            f,
            " subscription_identifiers={}",
            publish.subscription_identifiers
        )?;
    }
    write!(f, " payload={payload_len} bytes")?;
    properties(f, &publish.properties)
}

impl Display for Ack<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "id={}", self.packet_id)?;
        if self.reason != ReasonCode::Success {
            write!(f, " reason=\"{}\"", self.reason)?;
        }
        properties(f, &self.properties)
    }
}

impl Display for Subscribe<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "SUBSCRIBE id={}", self.packet_id)?;
        write!(f, " subscriptions={}", self.subscriptions)?;
        properties(f, &self.properties)
    }
}

impl Display for Subscriptions<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list(f, self.iter())
    }
}

impl Display for Subscription<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Text(self.filter), self.options)
    }
}

impl Display for SubscriptionOptions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "qos={}", self.qos)?;
        flag(f, "no_local", self.no_local)?;
        flag(f, "retain_as_published", self.retain_as_published)?;
        match self.retain_handling {
            RetainHandling::SendAtSubscribe => Ok(()),
            other => write!(f, " retain_handling={}", other.as_u8()),
        }
    }
}

impl Display for Suback<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "SUBACK id={}", self.packet_id)?;
        write!(f, " reasons={}", self.reason_codes)?;
        properties(f, &self.properties)
    }
}

impl Display for Unsubscribe<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "UNSUBSCRIBE id={}", self.packet_id)?;
        write!(f, " filters={}", self.filters)?;
        properties(f, &self.properties)
    }
}

impl Display for Unsuback<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "UNSUBACK id={}", self.packet_id)?;
        if !self.reason_codes.is_empty() {
            write!(f, " reasons={}", self.reason_codes)?;
        }
        properties(f, &self.properties)
    }
}

impl Display for Disconnect<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("DISCONNECT")?;
        if self.reason == ReasonCode::NORMAL_DISCONNECTION {
            f.write_str(" reason=\"0x00 Normal disconnection\"")?;
        } else {
            write!(f, " reason=\"{}\"", self.reason)?;
        }
        properties(f, &self.properties)
    }
}

impl Display for Auth<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "AUTH reason=\"{}\"", self.reason)?;
        properties(f, &self.properties)
    }
}

impl Display for SubscriptionIdentifiers<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list(f, self.iter())
    }
}

impl Display for TopicFilters<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list(f, self.iter().map(Text))
    }
}

/// The name of 0x00 is another one in a SUBACK, and the numbers are what everyone knows.
impl Display for ReasonCodes<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list(f, self.iter().map(Hex))
    }
}

struct Hex(ReasonCode);

impl Display for Hex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X}", self.0.as_u8())
    }
}

fn flag(f: &mut Formatter<'_>, name: &str, set: bool) -> fmt::Result {
    if set { write!(f, " {name}") } else { Ok(()) }
}

fn properties(f: &mut Formatter<'_>, properties: &Properties<'_>) -> fmt::Result {
    if properties.is_empty() {
        return Ok(());
    }
    write!(f, " properties={properties}")
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::super::{ReasonCodes, SubscriptionOptions};
    use super::*;
    use crate::property::Property;
    use crate::types::{PacketId, QoS, Version};

    #[test]
    fn one_line_each() {
        let id = PacketId::new(3).unwrap();
        let list = [
            Property::ContentType("t"),
            Property::UserProperty("k", "v\n"),
        ];
        let properties = Properties::from(&list);
        let text = [Property::ReasonString("no")];
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        };
        let subscriptions = [
            Subscription {
                filter: "a/#",
                options,
            },
            Subscription::new("b", QoS::AtMostOnce),
        ];
        let codes = [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized];
        let will = Will {
            qos: QoS::AtLeastOnce,
            retain: true,
            ..Will::new("w", b"gone")
        };
        let publish = Publish {
            dup: true,
            qos: QoS::AtLeastOnce,
            retain: true,
            packet_id: Some(id),
            topic_alias: Some(2),
            message_expiry_interval: Some(9),
            subscription_identifiers: (&[1, 2]).into(),
            properties,
            ..Publish::new("a/b", b"hello")
        };
        let connect = Connect {
            will: Some(will),
            user_name: Some("u"),
            password: Some(b"p"),
            ..Connect::new(Version::V5, "c")
        };
        assert_eq!(
            PublishHead::new(publish, 268_435_000).to_string(),
            r#"head of PUBLISH id=3 qos=1 retain dup topic="a/b" alias=2 expiry=9 subscription_identifiers=[1, 2] payload=268435000 bytes properties=[Content Type="t", User Property="k":"v\n"]"#
        );
        for (packet, expected) in [
            (
                Packet::from(connect),
                r#"CONNECT version=5.0 client_id="c" clean_start keep_alive=60 will=(qos=1 retain topic="w" payload=4 bytes) user_name="u" password=(hidden)"#,
            ),
            (
                Connack {
                    session_present: true,
                    ..Connack::new(ReasonCode::Success)
                }
                .into(),
                r#"CONNACK reason="0x00 Success" session_present"#,
            ),
            (
                publish.into(),
                r#"PUBLISH id=3 qos=1 retain dup topic="a/b" alias=2 expiry=9 subscription_identifiers=[1, 2] payload=5 bytes properties=[Content Type="t", User Property="k":"v\n"]"#,
            ),
            (Packet::Puback(Ack::new(id)), "PUBACK id=3"),
            (
                Packet::Pubrec(Ack {
                    reason: ReasonCode::QuotaExceeded,
                    properties: (&text).into(),
                    ..Ack::new(id)
                }),
                r#"PUBREC id=3 reason="0x97 Quota exceeded" properties=[Reason String="no"]"#,
            ),
            (
                Subscribe::new(id, &subscriptions).into(),
                r#"SUBSCRIBE id=3 subscriptions=["a/#" qos=1 no_local retain_as_published retain_handling=2, "b" qos=0]"#,
            ),
            (
                Suback::new(id, &codes).into(),
                "SUBACK id=3 reasons=[0x01, 0x87]",
            ),
            (
                Unsubscribe::new(id, &["a", "b"]).into(),
                r#"UNSUBSCRIBE id=3 filters=["a", "b"]"#,
            ),
            (
                Unsuback::new(id, ReasonCodes::EMPTY).into(),
                "UNSUBACK id=3",
            ),
            (Packet::Pingreq, "PINGREQ"),
            (Packet::Pingresp, "PINGRESP"),
            (
                Disconnect::default().into(),
                r#"DISCONNECT reason="0x00 Normal disconnection""#,
            ),
            (
                Auth::new(ReasonCode::ContinueAuthentication, &text).into(),
                r#"AUTH reason="0x18 Continue authentication" properties=[Reason String="no"]"#,
            ),
        ] {
            assert_eq!(packet.to_string(), expected);
        }
    }

    const LINES: &str = "x\r\n\u{1b}\u{85}\u{2028}\u{202e}\"";
    const ESCAPED: &str = r#""x\r\n\u{1b}\u{85}\u{2028}\u{202e}\"""#;

    /// Every string of every packet, and the property that most of them have.
    fn with_strings(text: &str, check: impl Fn(Packet<'_>)) {
        let id = PacketId::new(3).unwrap();
        let list = [
            Property::ReasonString(text),
            Property::UserProperty(text, text),
        ];
        let properties = Properties::from(&list);
        let subscriptions = [Subscription::new(text, QoS::AtMostOnce)];
        let will = Will {
            properties,
            ..Will::new(text, b"")
        };
        let ack = Ack {
            properties,
            ..Ack::new(id)
        };
        let connect = Connect {
            will: Some(will),
            user_name: Some(text),
            properties,
            ..Connect::new(Version::V5, text)
        };
        let publish = Publish {
            properties,
            ..Publish::new(text, b"")
        };
        let connack = Connack {
            properties,
            ..Connack::new(ReasonCode::Success)
        };
        let subscribe = Subscribe {
            properties,
            ..Subscribe::new(id, &subscriptions)
        };
        let suback = Suback {
            properties,
            ..Suback::new(id, &[ReasonCode::Success])
        };
        let filters = [text];
        let unsubscribe = Unsubscribe {
            properties,
            ..Unsubscribe::new(id, &filters)
        };
        let unsuback = Unsuback {
            properties,
            ..Unsuback::new(id, &[ReasonCode::Success])
        };
        let disconnect = Disconnect {
            properties,
            ..Disconnect::default()
        };
        for packet in [
            connect.into(),
            connack.into(),
            publish.into(),
            Packet::Puback(ack),
            Packet::Pubrec(ack),
            Packet::Pubrel(ack),
            Packet::Pubcomp(ack),
            subscribe.into(),
            suback.into(),
            unsubscribe.into(),
            unsuback.into(),
            disconnect.into(),
            Auth::new(ReasonCode::Success, properties).into(),
        ] {
            check(packet);
        }
    }

    /// How many strings each packet above has.
    fn strings(packet: &Packet<'_>) -> usize {
        3 + match packet {
            Packet::Connect(_) => 6,
            Packet::Publish(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) => 1,
            _ => 0,
        }
    }

    #[test]
    fn no_string_can_end_the_line() {
        with_strings(LINES, |packet| {
            let line = packet.to_string();
            assert_eq!(line.matches(ESCAPED).count(), strings(&packet), "{line}");
            let bad = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}');
            assert!(!line.contains(bad), "{line:?}");
        });
    }

    #[test]
    fn no_string_makes_the_line_long() {
        with_strings(&"\u{1}".repeat(65_535), |packet| {
            let line = packet.to_string();
            let cut = line.matches("... (65535 bytes)").count();
            assert_eq!(cut, strings(&packet));
            // Each byte escaped as five.
            assert!(line.len() < strings(&packet) * 700 + 200, "{}", line.len());
        });
        let id = PacketId::new(1).unwrap();
        let subscriptions = [Subscription::new("a", QoS::AtMostOnce); 1000];
        let subscribe = Subscribe::new(id, &subscriptions).to_string();
        assert!(subscribe.ends_with(", ... 984 more]"), "{subscribe}");
    }

    #[test]
    fn secrets_are_not_shown() {
        let list = [
            Property::AuthenticationMethod("PLAIN"),
            Property::AuthenticationData(b"\x01SECRET\x02"),
        ];
        let connect = Connect {
            user_name: Some("u"),
            password: Some(b"\x01SECRET\x02"),
            properties: (&list).into(),
            will: Some(Will::new("w", b"SECRET")),
            ..Connect::new(Version::V5, "c")
        };
        let display = connect.to_string();
        assert!(display.contains("password=(hidden)") && !display.contains("SECRET"));
        let auth = Auth::new(ReasonCode::ContinueAuthentication, &list);
        assert!(!auth.to_string().contains("SECRET"));
        // Debug shows bytes as numbers; 0x53, 0x45 begin the word.
        let connect = Connect {
            will: None,
            ..connect
        };
        for debug in [
            format!("{connect:?}"),
            format!("{connect:#?}"),
            format!("{:?}", Packet::from(connect)),
            format!("{auth:?}"),
        ] {
            let word = ["SECRET", "83, 69", "83,\n"];
            assert!(!word.iter().any(|word| debug.contains(word)), "{debug}");
            assert!(debug.contains("8 bytes"), "{debug}");
        }
    }
}
