//! A broker, two clients that are always to be served, and connections of which only the bytes are known. Nothing is kept of
//! what they send and get, so that what grows is the broker.

use std::time::Duration;

use sansio_mqtt::*;

use crate::counting::in_use;

/// What may stay: buffers of the index.
pub(crate) const LITTLE: isize = 24 << 10;
/// And after a crowd: connections and clients are in pages of 256, of which the two that are always there keep one each, the
/// index has pages of 32 KiB, and who is ready is in a list of 1,024.
pub(crate) const PAGES: isize = 200 << 10;

pub(crate) struct Rig {
    pub(crate) now: Instant,
    pub(crate) broker: Broker,
    publisher: (ConnectionId, ClientConnection),
    subscriber: (ConnectionId, ClientConnection),
    served: u32,
    out: Vec<u8>,
}

impl Rig {
    pub(crate) fn new(options: BrokerOptions) -> Self {
        let now = Instant::from_millis(1_000);
        let mut broker = Broker::new(now, options.with_seed(7));
        let mut client = |name| {
            let connect = Connect::new(Version::V5, name);
            let client = ClientConnection::new(now, &connect, Session::new(), Options::new());
            (broker.connected(now), client.unwrap())
        };
        let (publisher, subscriber) = (client("publisher"), client("subscriber"));
        let mut rig = Self {
            now,
            broker,
            publisher,
            subscriber,
            served: 0,
            out: Vec::with_capacity(1 << 20),
        };
        rig.exchange();
        let filters = [Subscription::new("served/+", QoS::ExactlyOnce)];
        let subscriber = &mut rig.subscriber.1;
        subscriber.subscribe(&filters, Properties::EMPTY).unwrap();
        rig.exchange();
        rig.serve();
        rig.settle();
        rig
    }

    /// The broker answers a question about one of the two with yes.
    fn exchange(&mut self) -> Vec<Message> {
        let mut received = Vec::new();
        loop {
            let mut moved = false;
            for (id, client) in [&mut self.publisher, &mut self.subscriber] {
                self.out.clear();
                client.poll_transmit(self.now, &mut self.out, usize::MAX);
                let mut input = &self.out[..];
                moved |= !input.is_empty();
                while let Some(question) = self.broker.receive(*id, self.now, &mut input) {
                    allow(&mut self.broker, self.now, question);
                }
                assert!(input.is_empty(), "nobody waits for others");
                self.out.clear();
                while self
                    .broker
                    .poll_transmit(*id, self.now, &mut self.out, 1 << 20)
                    > 0
                {}
                let mut input = &self.out[..];
                moved |= !input.is_empty();
                while let Some(event) = client.receive(self.now, &mut input) {
                    if let ClientEvent::Publish(incoming) = event {
                        received.push(incoming.to_message());
                    }
                }
                assert_eq!(client.closed(), None);
            }
            if !moved {
                return received;
            }
        }
    }

    /// A message of each QoS goes from the one to the other.
    pub(crate) fn serve(&mut self) {
        self.served += 1;
        let payload = self.served.to_be_bytes();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let message = Message::new(&format!("served/{qos:?}"), &payload).unwrap();
            let publisher = &mut self.publisher.1;
            publisher.publish(self.now, message.with_qos(qos)).unwrap();
        }
        let received = self.exchange();
        assert_eq!(received.len(), 3);
        assert!(received.iter().all(|message| message.payload() == payload));
    }

    /// Nobody has anything to say: what the two have in their buffers goes back, and the list of who is ready.
    pub(crate) fn settle(&mut self) {
        self.exchange();
        while self.broker.poll_ready().is_some() {}
        while self.broker.poll_event().is_some() {}
    }

    /// Bytes that there are, with nothing on its way.
    pub(crate) fn bytes(&mut self) -> isize {
        self.settle();
        in_use()
    }

    pub(crate) fn connected(&mut self) -> ConnectionId {
        self.broker.connected(self.now)
    }

    /// Gives the broker bytes; how many it took.
    pub(crate) fn send(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        let mut input = bytes;
        let question = self.broker.receive(id, self.now, &mut input);
        assert!(question.is_none(), "{question:?}");
        bytes.len() - input.len()
    }

    pub(crate) fn send_packet(
        &mut self,
        id: ConnectionId,
        version: Version,
        packet: Packet<'_>,
    ) -> bool {
        let bytes = bytes_of(version, packet);
        self.send(id, &bytes) == bytes.len()
    }

    /// Takes all that a connection has to say; the packets.
    pub(crate) fn read(&mut self, id: ConnectionId) -> Vec<u8> {
        let mut out = Vec::new();
        while self.broker.poll_transmit(id, self.now, &mut out, 1 << 20) > 0 {}
        out
    }

    /// A client, accepted.
    pub(crate) fn join(&mut self, connect: &Connect<'_>) -> ConnectionId {
        let id = self.connected();
        assert!(self.send_packet(id, connect.version, Packet::from(*connect)));
        let answer = self.read(id);
        assert_eq!(
            (answer[0], answer[3]),
            (0x20, 0),
            "{:?}",
            self.broker.closed(id)
        );
        id
    }

    pub(crate) fn subscribe(&mut self, id: ConnectionId, filter: &str, qos: QoS) {
        let subscriptions = [Subscription::new(filter, qos)];
        assert!(self.send_packet(id, Version::V5, subscribe(&subscriptions)));
        let answer = self.read(id);
        assert_eq!(
            (answer[0], answer.get(5)),
            (0x90, Some(&qos.as_u8())),
            "{filter}"
        );
    }

    pub(crate) fn publish(&mut self, message: &Message) {
        self.broker.publish(self.now, message);
    }

    /// The transport is gone.
    pub(crate) fn end(&mut self, id: ConnectionId) {
        self.broker.disconnected(id, self.now);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let clients = [&self.publisher, &self.subscriber].map(|(_, one)| one.poll_timeout());
            let next = clients.into_iter().chain([self.broker.poll_timeout()]);
            let next = next.flatten().min().filter(|&at| at <= end);
            self.now = self.now.max(next.unwrap_or(end));
            self.broker.handle_timeout(self.now);
            for (_, client) in [&mut self.publisher, &mut self.subscriber] {
                client.handle_timeout(self.now);
            }
            self.exchange();
            if next.is_none() {
                return;
            }
        }
    }

    /// The same step, `times` and then three times as often again: the most bytes that there were within each, beyond what
    /// there was before.
    pub(crate) fn flood(
        &mut self,
        times: usize,
        mut step: impl FnMut(&mut Self, usize),
    ) -> [usize; 2] {
        let before = self.bytes();
        let mut at = 0;
        [times, 3 * times].map(|times| {
            let mut most = 0;
            for number in 0..times {
                step(self, at);
                at += 1;
                while self.broker.poll_ready().is_some() {}
                if number % (times / 16).max(1) == 0 {
                    self.serve();
                    most = most.max(in_use() - before);
                }
            }
            self.serve();
            most = most.max(self.bytes() - before);
            usize::try_from(most).unwrap_or(0)
        })
    }

    /// Everything is given back that there was not before.
    pub(crate) fn assert_back(&mut self, before: isize, allowed: isize) {
        let left = self.bytes() - before;
        assert!(left <= allowed, "{left} bytes are left");
        assert_eq!(self.broker.counters().connections, 2);
        assert_eq!(self.broker.counters().sessions, 2);
        assert_eq!(self.broker.counters().subscriptions, 1);
    }
}

fn allow(broker: &mut Broker, now: Instant, question: Question<'_>) {
    match question {
        Question::Connect { token, .. } => broker.accept(token, now, &Admission::default()),
        Question::Publish { token, .. } => broker.answer_publish(token, now, Verdict::Allow),
        Question::Subscribe { token, subscribe } => {
            let codes: Vec<_> = subscribe
                .subscriptions
                .iter()
                .map(|one| ReasonCode::granted(one.options.qos))
                .collect();
            broker.answer_subscribe(token, now, &codes)
        }
        other => panic!("{other:?}"),
    }
    .unwrap();
}

pub(crate) fn bytes_of(version: Version, packet: Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

pub(crate) fn subscribe<'a>(subscriptions: &'a [Subscription<'a>]) -> Packet<'a> {
    Packet::from(Subscribe {
        packet_id: PacketId::new(1).unwrap(),
        subscriptions: subscriptions.into(),
        properties: Properties::new(),
    })
}

pub(crate) fn kilobyte(topic: &str, qos: QoS) -> Message {
    Message::new(topic, &[0x2a; 1024]).unwrap().with_qos(qos)
}
