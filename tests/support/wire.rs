// A client that is nothing but its packets, beside clients of this crate: for what those would not do. And two that are served
// meanwhile.

use sansio_mqtt::*;

use crate::net::{Net, message};

pub(crate) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

#[derive(Copy, Clone)]
pub(crate) struct Wire {
    pub(crate) id: ConnectionId,
    version: Version,
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

pub(crate) fn encoded<'p>(version: Version, packet: impl Into<Packet<'p>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.into().encode(version, &mut bytes).unwrap();
    bytes
}

/// A session that lasts for an hour, or before 5.0 for ever.
pub(crate) fn lasting(version: Version, name: &str) -> Connect<'_> {
    const HOUR: &[Property<'static>] = &[Property::SessionExpiryInterval(3_600)];
    Connect {
        clean_start: false,
        properties: match version {
            Version::V5 => Properties::from(HOUR),
            _ => Properties::EMPTY,
        },
        ..Connect::new(version, name)
    }
}

fn show(packet: &Packet<'_>) -> String {
    let ack = |ack: &Ack<'_>| match ack.reason {
        ReasonCode::Success => format!("{} #{}", packet.packet_type(), ack.packet_id),
        reason => format!(
            "{} #{} 0x{:02X}",
            packet.packet_type(),
            ack.packet_id,
            reason.as_u8()
        ),
    };
    match packet {
        Packet::Publish(publish) => {
            let dup = if publish.dup { " dup" } else { "" };
            let number = publish.packet_id.map_or(0, PacketId::get);
            let text = String::from_utf8_lossy(publish.payload);
            format!("PUBLISH{dup} #{number} {text}")
        }
        Packet::Puback(one) | Packet::Pubrec(one) | Packet::Pubrel(one) | Packet::Pubcomp(one) => {
            ack(one)
        }
        Packet::Connack(connack) => format!(
            "CONNACK {} 0x{:02X}",
            u8::from(connack.session_present),
            connack.reason.as_u8()
        ),
        Packet::Suback(suback) => {
            let codes: Vec<_> = suback.reason_codes.iter().map(ReasonCode::as_u8).collect();
            format!("SUBACK {codes:x?}")
        }
        Packet::Disconnect(one) => format!("DISCONNECT 0x{:02X}", one.reason.as_u8()),
        other => other.packet_type().to_string(),
    }
}

impl Wire {
    pub(crate) fn open(net: &mut Net, version: Version) -> Self {
        let id = net.broker.connected(net.now);
        Self { id, version }
    }

    /// One that is accepted; what it is told.
    pub(crate) fn join(net: &mut Net, connect: &Connect<'_>) -> (Self, Vec<String>) {
        let wire = Self::open(net, connect.version);
        wire.send(net, *connect);
        let said = wire.read(net);
        assert!(!wire.is_closed(net), "{said:?}");
        (wire, said)
    }

    pub(crate) fn send<'p>(self, net: &mut Net, packet: impl Into<Packet<'p>>) {
        self.send_bytes(net, &encoded(self.version, packet));
    }

    /// All of them are taken.
    pub(crate) fn send_bytes(self, net: &mut Net, bytes: &[u8]) {
        let mut input = bytes;
        let Net {
            broker,
            now,
            answers,
            ..
        } = net;
        while let Some(question) = broker.receive(self.id, *now, &mut input) {
            answers(broker, *now, question);
        }
        assert!(input.is_empty(), "{input:02x?} is left");
    }

    pub(crate) fn subscribe(self, net: &mut Net, filter: &str, qos: QoS) -> Vec<String> {
        let list = [Subscription::new(filter, qos)];
        self.send(net, Subscribe::new(id(1), &list));
        self.read(net)
    }

    /// Each packet that the broker has for it.
    pub(crate) fn read(self, net: &mut Net) -> Vec<String> {
        let mut out = Vec::new();
        while net
            .broker
            .poll_transmit(self.id, net.now, &mut out, usize::MAX)
            > 0
        {}
        let (mut input, mut all) = (&out[..], Vec::new());
        let options = DecodeOptions::new();
        while let Some(packet) = Packet::decode(self.version, &options, &mut input).unwrap() {
            all.push(show(&packet));
        }
        assert!(input.is_empty());
        all
    }

    pub(crate) fn is_closed(self, net: &Net) -> bool {
        net.broker.closed(self.id).is_some()
    }

    /// The transport fails.
    pub(crate) fn cut(self, net: &mut Net) {
        net.broker.disconnected(self.id, net.now);
    }
}

/// A publisher and a subscriber, the first two of the net.
pub(crate) fn with_witnesses(options: BrokerOptions) -> Net {
    let mut net = Net::new(options);
    net.answers = Box::new(|broker, now, question| {
        if let Question::Connect { token, .. } = question {
            broker.accept(token, now, &Admission::default()).unwrap();
        }
    });
    for name in ["publisher", "subscriber"] {
        net.join_with(&Connect {
            keep_alive: 0,
            ..Connect::new(Version::V5, name)
        });
    }
    net.subscribe(1, &[Subscription::new("witness", QoS::ExactlyOnce)]);
    net.answers = Box::new(|_, _, question| panic!("nobody answers {question:?}"));
    net
}

pub(crate) fn serve(net: &mut Net) {
    net.publish(0, message("witness", "x", QoS::AtLeastOnce));
    assert_eq!(net.texts(1), ["x"]);
}
