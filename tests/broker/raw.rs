//! A client that does what it likes: packets in, packets out, no rules.

use std::cell::Cell;

use sansio_mqtt::*;

use crate::net::Net;

pub(crate) struct Raw {
    pub(crate) id: ConnectionId,
    version: Version,
    /// Bytes, in both directions.
    pub(crate) said: Cell<usize>,
    pub(crate) heard: Cell<usize>,
}

impl Raw {
    pub(crate) fn new(net: &mut Net, version: Version) -> Self {
        let id = net.broker.connected(net.now);
        Self {
            id,
            version,
            said: Cell::new(0),
            heard: Cell::new(0),
        }
    }

    /// With the answer to CONNECT.
    pub(crate) fn connect(net: &mut Net, connect: &Connect<'_>) -> (Self, Vec<String>) {
        let raw = Self::new(net, connect.version);
        let said = raw.send(net, &[Packet::from(*connect)]);
        (raw, said)
    }

    /// One that is accepted.
    pub(crate) fn join(net: &mut Net, version: Version, name: &str) -> Self {
        let (raw, said) = Self::connect(net, &Connect::new(version, name));
        assert_eq!(said, ["CONNACK 00"]);
        raw
    }

    /// What the broker says to these, in one piece, and what else there is.
    pub(crate) fn send(&self, net: &mut Net, packets: &[Packet<'_>]) -> Vec<String> {
        let mut bytes = Vec::new();
        for packet in packets {
            packet.encode(self.version, &mut bytes).unwrap();
        }
        self.send_bytes(net, &bytes)
    }

    pub(crate) fn send_bytes(&self, net: &mut Net, mut bytes: &[u8]) -> Vec<String> {
        self.said.set(self.said.get() + bytes.len());
        let mut said = Vec::new();
        loop {
            let before = bytes.len();
            while let Some(question) = net.broker.receive(self.id, net.now, &mut bytes) {
                (net.answers)(&mut net.broker, net.now, question);
            }
            let more = self.heard(net);
            if more.is_empty() && before == bytes.len() {
                return said;
            }
            said.extend(more);
        }
    }

    /// What has come since, and at last `closed`.
    pub(crate) fn heard(&self, net: &mut Net) -> Vec<String> {
        let mut bytes = Vec::new();
        loop {
            net.run();
            let broker = &mut net.broker;
            while broker.poll_transmit(self.id, net.now, &mut bytes, usize::MAX) > 0 {}
            // What it waits for.
            let before = net.records.len();
            let number = broker.take_records(&mut net.records);
            broker.stored(number);
            if net.records.len() == before {
                break;
            }
        }
        self.heard.set(self.heard.get() + bytes.len());
        let (mut input, mut said) = (&bytes[..], Vec::new());
        let options = DecodeOptions::new();
        while let Some(packet) = Packet::decode(self.version, &options, &mut input).unwrap() {
            said.push(self.text(&packet));
        }
        assert!(input.is_empty());
        if net.broker.is_finished(self.id) {
            net.broker.disconnected(self.id, net.now);
            said.push("closed".to_owned());
        }
        net.run();
        said
    }

    fn text(&self, packet: &Packet<'_>) -> String {
        let codes = |codes: ReasonCodes<'_>| -> String {
            let codes = codes.iter().map(|code| format!(" {:02x}", code.as_u8()));
            codes.collect()
        };
        match packet {
            Packet::Connack(connack) => {
                let code = match self.version {
                    Version::V5 => Some(connack.reason.as_u8()),
                    _ => connack.reason.connect_return_code(),
                };
                let present = if connack.session_present {
                    " present"
                } else {
                    ""
                };
                format!("CONNACK {:02x}{present}", code.unwrap())
            }
            Packet::Publish(publish) => {
                let payload = String::from_utf8_lossy(publish.payload);
                let (qos, retain) = (publish.qos.as_u8(), u8::from(publish.retain));
                format!("PUBLISH {} {payload} q{qos} r{retain}", publish.topic)
            }
            Packet::Puback(ack) => format!("PUBACK {:02x}", ack.reason.as_u8()),
            Packet::Pubrec(ack) => format!("PUBREC {:02x}", ack.reason.as_u8()),
            Packet::Pubcomp(ack) => format!("PUBCOMP {:02x}", ack.reason.as_u8()),
            Packet::Suback(suback) => format!("SUBACK{}", codes(suback.reason_codes)),
            Packet::Unsuback(unsuback) => format!("UNSUBACK{}", codes(unsuback.reason_codes)),
            Packet::Disconnect(disconnect) => {
                format!("DISCONNECT {:02x}", disconnect.reason.as_u8())
            }
            Packet::Pingresp => "PINGRESP".to_owned(),
            other => format!("{other}"),
        }
    }

    pub(crate) fn subscribe(&self, net: &mut Net, filter: &str, qos: QoS) -> Vec<String> {
        let filters = [Subscription::new(filter, qos)];
        self.send(net, &[Subscribe::new(id(9), &filters[..]).into()])
    }

    pub(crate) fn publish(&self, net: &mut Net, publish: Publish<'_>) -> Vec<String> {
        self.send(net, &[publish.into()])
    }

    /// DISCONNECT.
    pub(crate) fn leave(&self, net: &mut Net) {
        let said = self.send(net, &[Disconnect::new(ReasonCode::Success).into()]);
        assert_eq!(said, ["closed"]);
    }
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

/// A PUBLISH with identifier 1 if it has to have one.
pub(crate) fn publish<'a>(topic: &'a str, payload: &'a str, qos: QoS) -> Publish<'a> {
    Publish {
        qos,
        packet_id: (qos > QoS::AtMostOnce).then(|| id(1)),
        ..Publish::new(topic, payload.as_bytes())
    }
}
