// A broker with two clients that are served whatever others do. The others are bytes, so that what is counted is the broker's.

use sansio_mqtt::*;

use crate::counting::in_use;
use crate::net::{Net, message};

pub(crate) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

/// By this much buffers may have grown that are kept from call to call, when all others have gone: 256 places each.
pub(crate) const BUFFERS: isize = 8_192;
/// The same, and pages of 32 KiB in the index that are still there for a block of the two.
pub(crate) const PAGES: isize = BUFFERS + 3 * 32_768;

pub(crate) struct World {
    pub(crate) net: Net,
    publisher: usize,
    subscriber: usize,
    served: u32,
}

pub(crate) fn packet<'p>(version: Version, packet: impl Into<Packet<'p>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.into().encode(version, &mut bytes).unwrap();
    bytes
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

/// A SUBSCRIBE of one filter.
pub(crate) fn subscribe(version: Version, filter: &str, qos: QoS) -> Vec<u8> {
    let list = [Subscription::new(filter, qos)];
    packet(version, Subscribe::new(id(1), &list))
}

/// A PUBLISH, with Packet Identifier 1 if it needs one.
pub(crate) fn publish(version: Version, topic: &str, payload: &[u8], qos: QoS) -> Vec<u8> {
    let one = Publish {
        qos,
        packet_id: (qos > QoS::AtMostOnce).then_some(id(1)),
        ..Publish::new(topic, payload)
    };
    packet(version, one)
}

impl World {
    pub(crate) fn new(options: BrokerOptions) -> Self {
        Self::answering(options, |_, _, question| {
            panic!("nobody answers {question:?}")
        })
    }

    /// What the two ask is answered.
    pub(crate) fn answering(
        options: BrokerOptions,
        answer: impl FnMut(&mut Broker, Instant, Question<'_>) + 'static,
    ) -> Self {
        let some = 300.min(options.maximum_sessions() - 2);
        let mut net = Net::new(options);
        net.answers = Box::new(answer);
        let (publisher, subscriber) = (
            net.join(Version::V5, "publisher"),
            net.join(Version::V311, "subscriber"),
        );
        net.subscribe(
            subscriber,
            &[Subscription::new("witness", QoS::ExactlyOnce)],
        );
        let mut world = Self {
            net,
            publisher,
            subscriber,
            served: 0,
        };
        // Buffers grow to what they need, and tables to their first page, which stays.
        let mut page = Vec::new();
        for n in 0..some {
            let (name, filter) = (n.to_string(), format!("page/{n}"));
            page.push(world.subscriber(&name, &filter, QoS::AtMostOnce));
            while world.net.broker.poll_event().is_some() {}
        }
        for id in page {
            world.gone(id);
            while world.net.broker.poll_event().is_some() {}
        }
        for _ in 0..8 {
            world.serve();
            while world.net.broker.poll_event().is_some() {}
        }
        let id = world.open();
        world.gone(id);
        world
    }

    /// A message of QoS 1 and one of QoS 2 go from the one to the other, once.
    pub(crate) fn serve(&mut self) {
        self.served += 1;
        let text = self.served.to_string();
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            self.net
                .publish(self.publisher, message("witness", &text, qos));
        }
        let got = self.net.texts(self.subscriber);
        assert_eq!(got, [text.as_str(), text.as_str()]);
        let acks = &mut self.net.peers[self.publisher].acks;
        assert_eq!(*acks, [ReasonCode::Success; 2]);
        acks.clear();
    }

    /// A transport.
    pub(crate) fn open(&mut self) -> ConnectionId {
        self.net.broker.connected(self.net.now)
    }

    /// Gives bytes to the broker; how many it takes.
    pub(crate) fn send(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        let mut input = bytes;
        let Net {
            broker,
            now,
            answers,
            ..
        } = &mut self.net;
        while let Some(question) = broker.receive(id, *now, &mut input) {
            answers(broker, *now, question);
        }
        bytes.len() - input.len()
    }

    /// All that the broker has to say.
    pub(crate) fn read(&mut self, id: ConnectionId) -> Vec<u8> {
        let mut out = Vec::new();
        let broker = &mut self.net.broker;
        while broker.poll_transmit(id, self.net.now, &mut out, usize::MAX) > 0 {}
        out
    }

    /// A client that is accepted.
    pub(crate) fn join(&mut self, connect: &Connect<'_>) -> ConnectionId {
        let id = self.open();
        self.send(id, &packet(connect.version, *connect));
        let connack = self.read(id);
        assert_eq!((connack[0], connack[3]), (0x20, 0), "accepted");
        id
    }

    /// One with a clean start that has subscribed, and has read that.
    pub(crate) fn subscriber(&mut self, name: &str, filter: &str, qos: QoS) -> ConnectionId {
        let id = self.join(&Connect::new(Version::V5, name));
        self.send(id, &subscribe(Version::V5, filter, qos));
        assert_eq!(self.read(id).first(), Some(&0x90));
        id
    }

    pub(crate) fn is_closed(&self, id: ConnectionId) -> bool {
        self.net.broker.closed(id).is_some()
    }

    /// The transport is gone.
    pub(crate) fn gone(&mut self, id: ConnectionId) {
        self.net.broker.disconnected(id, self.net.now);
    }

    /// What is held above `before` while a load goes on, after some rounds of it and after four times as many: both are
    /// below the bound.
    pub(crate) fn flat(
        &mut self,
        name: &str,
        before: isize,
        bound: usize,
        rounds: u32,
        mut load: impl FnMut(&mut Self, u32),
    ) -> usize {
        let mut figures = [0; 2];
        for (figure, part) in figures.iter_mut().zip([0..rounds, rounds..4 * rounds]) {
            for round in part {
                load(self, round);
                if round % (rounds / 4).max(1) == 0 {
                    self.serve();
                }
            }
            self.serve();
            *figure = usize::try_from(in_use() - before).unwrap_or_default();
            assert!(*figure <= bound, "{name}: {figure} of {bound} bytes");
        }
        println!("{name}: {figures:?} of {bound} bytes");
        figures[1]
    }

    /// Only the two are left, and what they take.
    pub(crate) fn is_back(&mut self, before: isize, tolerance: isize) {
        self.serve();
        let counters = self.net.broker.counters();
        assert_eq!((counters.connections, counters.sessions), (2, 2));
        assert_eq!(counters.subscriptions, 1);
        let left = in_use() - before;
        assert!(left <= tolerance, "{left} bytes are left");
    }
}
