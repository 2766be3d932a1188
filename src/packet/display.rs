//! One line per packet, for logs. Payloads are told by their size, passwords not at all.

use core::fmt::{self, Display, Formatter};

use super::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, Publish, Suback, Subscribe, Subscription,
    Unsuback, Unsubscribe, Will,
};
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
            "CONNECT version={} client_id={:?}",
            self.version, self.client_id
        )?;
        flag(f, "clean_start", self.clean_start)?;
        write!(f, " keep_alive={}", self.keep_alive)?;
        if let Some(will) = &self.will {
            write!(f, " will=({will})")?;
        }
        if let Some(user_name) = self.user_name {
            write!(f, " user_name={user_name:?}")?;
        }
        flag(f, "password=(hidden)", self.password.is_some())?;
        properties(f, &self.properties)
    }
}

impl Display for Will<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "qos={}", self.qos)?;
        flag(f, "retain", self.retain)?;
        write!(
            f,
            " topic={:?} payload={} bytes",
            self.topic,
            self.payload.len()
        )?;
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
        if let Some(packet_id) = self.packet_id {
            write!(f, " id={packet_id}")?;
        }
        write!(f, " qos={}", self.qos)?;
        flag(f, "retain", self.retain)?;
        flag(f, "dup", self.dup)?;
        write!(f, " topic={:?}", self.topic)?;
        if let Some(alias) = self.topic_alias {
            write!(f, " alias={alias}")?;
        }
        if let Some(seconds) = self.message_expiry_interval {
            write!(f, " expiry={seconds}")?;
        }
        if !self.subscription_identifiers.is_empty() {
            f.write_str(" subscription_identifiers=")?;
            list(f, self.subscription_identifiers.iter())?;
        }
        write!(f, " payload={} bytes", self.payload.len())?;
        properties(f, &self.properties)
    }
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
        write!(f, "SUBSCRIBE id={} subscriptions=", self.packet_id)?;
        list(f, self.subscriptions.iter())?;
        properties(f, &self.properties)
    }
}

impl Display for Subscription<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} qos={}", self.filter, self.options.qos)?;
        flag(f, "no_local", self.options.no_local)?;
        flag(f, "retain_as_published", self.options.retain_as_published)?;
        match self.options.retain_handling {
            RetainHandling::SendAtSubscribe => Ok(()),
            other => write!(f, " retain_handling={}", other.as_u8()),
        }
    }
}

impl Display for Suback<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "SUBACK id={} reasons=", self.packet_id)?;
        // The name of 0x00 is another one here, and the numbers are what everyone knows.
        list(f, self.reason_codes.iter().map(Hex))?;
        properties(f, &self.properties)
    }
}

impl Display for Unsubscribe<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "UNSUBSCRIBE id={} filters=", self.packet_id)?;
        list(f, self.filters.iter().map(Quoted))?;
        properties(f, &self.properties)
    }
}

impl Display for Unsuback<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "UNSUBACK id={}", self.packet_id)?;
        if !self.reason_codes.is_empty() {
            f.write_str(" reasons=")?;
            list(f, self.reason_codes.iter().map(Hex))?;
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

struct Hex(ReasonCode);

impl Display for Hex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X}", self.0.as_u8())
    }
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn flag(f: &mut Formatter<'_>, name: &str, set: bool) -> fmt::Result {
    if set { write!(f, " {name}") } else { Ok(()) }
}

fn properties(f: &mut Formatter<'_>, properties: &Properties<'_>) -> fmt::Result {
    if properties.is_empty() {
        return Ok(());
    }
    f.write_str(" properties=")?;
    list(f, properties.iter())
}

fn list(f: &mut Formatter<'_>, items: impl Iterator<Item = impl Display>) -> fmt::Result {
    f.write_str("[")?;
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    f.write_str("]")
}

#[cfg(test)]
mod tests {
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
}
