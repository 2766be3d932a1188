// What one side of a connection puts on the wire, looked at packet by packet: legal, in a legal order, within what the
// peer has announced, acknowledgements in the order of arrival.

#![allow(dead_code)] // each user uses a part of it

use std::collections::{HashSet, VecDeque};

use sansio_mqtt::*;

use crate::machine::Limits;

pub(crate) struct Watch {
    sender: Role,
    version: Version,
    /// What the peer announced, once that is known.
    pub(crate) limits: Option<Limits>,
    /// An honest peer, so that every PUBLISH that comes is answered once and in its turn.
    strict: bool,
    first: bool,
    /// CONNACK has passed, whichever way.
    pub(crate) opened: bool,
    ended: bool,
    /// Our messages that count against the peer's Receive Maximum, and which of them PUBREC has released.
    open: HashSet<u16>,
    released: HashSet<u16>,
    pub(crate) requests: HashSet<u16>,
    /// Messages of the peer whose PUBACK or PUBREC (true) is not out; the last: it may stay out.
    arrivals: VecDeque<(u16, bool, bool)>,
    /// Bytes taken that are no whole packet yet.
    taken: Vec<u8>,
    /// Bytes of everything but messages since the start.
    pub(crate) replied: usize,
}

/// A PUBLISH that went out.
pub(crate) struct Transmission<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) id: Option<u16>,
    pub(crate) dup: bool,
    pub(crate) expiry: Option<u32>,
}

impl Watch {
    pub(crate) fn new(sender: Role, version: Version, strict: bool) -> Self {
        Self {
            sender,
            version,
            limits: None,
            strict,
            first: true,
            opened: false,
            ended: false,
            open: HashSet::new(),
            released: HashSet::new(),
            requests: HashSet::new(),
            arrivals: VecDeque::new(),
            taken: Vec::new(),
            replied: 0,
        }
    }

    /// Of our messages, how many count against the peer's Receive Maximum.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Looks at what `poll_transmit` gave, and hands on each PUBLISH. Returns the number of packets.
    pub(crate) fn sent(
        &mut self,
        version: Version,
        bytes: &[u8],
        mut published: impl FnMut(Transmission<'_>),
    ) -> usize {
        let decode = DecodeOptions::new()
            .with_sender(Some(self.sender))
            .with_accept_v31(true);
        self.version = version;
        let (mut rest, mut packets) = (bytes, 0);
        while !rest.is_empty() {
            let before = rest.len();
            let packet = Packet::decode(version, &decode, &mut rest);
            let packet = packet.unwrap_or_else(|error| panic!("{error}: {bytes:02x?}"));
            let packet = packet.unwrap_or_else(|| panic!("not whole: {bytes:02x?}"));
            packets += 1;
            let size = before - rest.len();
            self.packet(&packet, size);
            if let Packet::Publish(publish) = &packet {
                published(Transmission {
                    payload: publish.payload,
                    qos: publish.qos,
                    id: publish.packet_id.map(PacketId::get),
                    dup: publish.dup,
                    expiry: publish.message_expiry_interval,
                });
            } else {
                self.replied += size;
            }
        }
        packets
    }

    fn packet(&mut self, packet: &Packet<'_>, size: usize) {
        let kind = packet.packet_type();
        assert!(!self.ended, "behind DISCONNECT: {packet}");
        self.ended = kind == PacketType::Disconnect;
        match self.sender {
            Role::Client => {
                assert_eq!(self.first, kind == PacketType::Connect, "{packet}");
                let early = matches!(kind, PacketType::Auth | PacketType::Disconnect);
                assert!(
                    self.first || self.opened || early,
                    "before CONNACK: {packet}"
                );
            }
            Role::Server => {
                let opening = matches!(kind, PacketType::Auth | PacketType::Connack);
                assert!(self.opened || opening, "before CONNACK: {packet}");
                assert!(!self.opened || kind != PacketType::Connack, "{packet}");
                self.opened |= kind == PacketType::Connack;
            }
        }
        self.first = false;
        if let Some(limits) = &self.limits {
            let maximum = limits.maximum_packet_size;
            assert!(size <= maximum as usize, "{size} of {maximum}: {packet}");
        }
        match packet {
            Packet::Publish(publish) => {
                let limits = self.limits.expect("no message before the limits are known");
                let alias = publish.topic_alias.unwrap_or(0);
                assert!(alias <= limits.topic_alias_maximum, "{packet}");
                let Some(id) = publish.packet_id else { return };
                assert!(!self.requests.contains(&id.get()), "in use: {packet}");
                assert!(self.open.insert(id.get()), "in use: {packet}");
                let (open, maximum) = (self.open.len(), limits.receive_maximum);
                assert!(
                    open <= usize::from(maximum),
                    "{open} of {maximum}: {packet}"
                );
            }
            Packet::Subscribe(Subscribe { packet_id, .. })
            | Packet::Unsubscribe(Unsubscribe { packet_id, .. }) => {
                assert!(!self.open.contains(&packet_id.get()), "in use: {packet}");
                assert!(self.requests.insert(packet_id.get()), "in use: {packet}");
            }
            Packet::Puback(ack) => self.answered(ack, false),
            Packet::Pubrec(ack) => self.answered(ack, true),
            _ => {}
        }
    }

    fn answered(&mut self, ack: &Ack<'_>, qos_2: bool) {
        let id = ack.packet_id.get();
        let fits = |&(one, kind, _): &(u16, bool, bool)| (one, kind) == (id, qos_2);
        while self
            .arrivals
            .front()
            .is_some_and(|front| front.2 && !fits(front))
        {
            self.arrivals.pop_front();
        }
        if self.arrivals.front().is_some_and(fits) {
            self.arrivals.pop_front();
        } else {
            // A QoS 2 message that came again is answered out of turn, where the peer is not honest.
            let again = qos_2 && !self.strict;
            assert!(again, "{ack:?} out of turn: {:?}", self.arrivals);
        }
    }

    /// A message was given to the application.
    pub(crate) fn arrived(&mut self, id: Option<u16>, qos: QoS) {
        if let (Some(id), false) = (id, self.strict) {
            self.arrivals
                .push_back((id, qos == QoS::ExactlyOnce, false));
        }
    }

    /// Looks at what `receive` took.
    pub(crate) fn took(&mut self, version: Version, bytes: &[u8]) {
        self.taken.extend_from_slice(bytes);
        let taken = std::mem::take(&mut self.taken);
        let decode = DecodeOptions::new()
            .with_accept_v31(true)
            .with_unchecked_filters(true);
        let mut rest = &taken[..];
        // What is not legal ends the connection, and nothing depends on it any more.
        while let Ok(Some(packet)) = Packet::decode(version, &decode, &mut rest) {
            match packet {
                Packet::Connack(connack) if self.sender == Role::Client => {
                    self.opened |= !connack.reason.is_error();
                }
                Packet::Publish(publish) => {
                    if let (Some(id), true) = (publish.packet_id, self.strict) {
                        let qos_2 = publish.qos == QoS::ExactlyOnce;
                        self.arrivals.push_back((id.get(), qos_2, false));
                    }
                }
                Packet::Pubrel(ack) => {
                    for arrival in &mut self.arrivals {
                        arrival.2 |=
                            !self.strict && (arrival.0, arrival.1) == (ack.packet_id.get(), true);
                    }
                }
                Packet::Pubrec(ack) if !ack.reason.is_error() => {
                    self.released.insert(ack.packet_id.get());
                }
                Packet::Pubrec(ack) if self.released.contains(&ack.packet_id.get()) => {}
                Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubcomp(ack) => {
                    self.open.remove(&ack.packet_id.get());
                    self.released.remove(&ack.packet_id.get());
                }
                Packet::Suback(Suback { packet_id, .. })
                | Packet::Unsuback(Unsuback { packet_id, .. }) => {
                    self.requests.remove(&packet_id.get());
                }
                _ => {}
            }
        }
        self.taken = rest.to_vec();
    }
}
