//! A broker and clients of this crate, with links in memory and a virtual clock.

use std::time::Duration;

use sansio_mqtt::*;

/// What a test answers for whoever runs the broker.
pub(crate) type Answers = Box<dyn FnMut(&mut Broker, Instant, Question<'_>)>;

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) broker: Broker,
    pub(crate) peers: Vec<Peer>,
    pub(crate) answers: Answers,
    /// All that the broker has recorded, if it records.
    pub(crate) records: Vec<BrokerRecord>,
    options: BrokerOptions,
}

/// A client, with all that it was told.
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) client: ClientConnection,
    pub(crate) received: Vec<Message>,
    pub(crate) subacks: Vec<Vec<ReasonCode>>,
    pub(crate) unsubacks: Vec<Vec<ReasonCode>>,
    pub(crate) acks: Vec<ReasonCode>,
    pub(crate) connack: Option<(ReasonCode, bool, Vec<String>)>,
    /// DISCONNECT from the broker.
    pub(crate) disconnect: Option<ReasonCode>,
    pub(crate) server_reference: Option<String>,
    pub(crate) auths: Vec<(ReasonCode, Vec<u8>)>,
    /// Does not read.
    pub(crate) is_deaf: bool,
    to_broker: Vec<u8>,
    to_client: Vec<u8>,
    pub(crate) is_cut: bool,
}

impl Net {
    pub(crate) fn new(options: BrokerOptions) -> Self {
        let now = Instant::from_millis(1_000);
        let options = options.with_seed(7);
        Self {
            now,
            broker: Broker::new(now, options.clone()),
            peers: Vec::new(),
            answers: Box::new(|_, _, question| panic!("nobody answers {question:?}")),
            records: Vec::new(),
            options,
        }
    }

    /// The broker crashes, and comes back from its records.
    pub(crate) fn restart(&mut self) {
        self.run();
        for peer in &mut self.peers {
            peer.is_cut = true;
            peer.client.receive_eof(self.now);
        }
        let records = self.records.clone();
        self.broker = Broker::restore(self.now, self.options.clone(), records).unwrap();
        self.tick();
    }

    /// A client connects with a session of its own; it is there once the net has run.
    pub(crate) fn open(
        &mut self,
        connect: &Connect<'_>,
        session: Session,
        options: Options,
    ) -> usize {
        let client = ClientConnection::new(self.now, connect, session, options).unwrap();
        self.peers.push(Peer {
            id: self.broker.connected(self.now),
            client,
            received: Vec::new(),
            subacks: Vec::new(),
            unsubacks: Vec::new(),
            acks: Vec::new(),
            connack: None,
            disconnect: None,
            server_reference: None,
            auths: Vec::new(),
            is_deaf: false,
            to_broker: Vec::new(),
            to_client: Vec::new(),
            is_cut: false,
        });
        self.peers.len() - 1
    }

    pub(crate) fn join_with(&mut self, connect: &Connect<'_>) -> usize {
        let peer = self.open(connect, Session::established(), Options::new());
        self.run();
        peer
    }

    /// A client with a clean start that says no more than its name.
    pub(crate) fn join(&mut self, version: Version, name: &str) -> usize {
        self.join_with(&Connect::new(version, name))
    }

    /// The same client again, with the session that it had.
    pub(crate) fn rejoin(&mut self, peer: usize, connect: &Connect<'_>) -> usize {
        self.cut(peer);
        let gone = Connect::new(Version::V311, "gone");
        let gone = ClientConnection::new(self.now, &gone, Session::new(), Options::new()).unwrap();
        let client = std::mem::replace(&mut self.peers[peer].client, gone);
        let peer = self.open(connect, client.into_session(), Options::new());
        self.run();
        peer
    }

    pub(crate) fn subscribe(
        &mut self,
        peer: usize,
        filters: &[Subscription<'_>],
    ) -> Vec<ReasonCode> {
        self.subscribe_with(peer, filters, None)
    }

    pub(crate) fn subscribe_with(
        &mut self,
        peer: usize,
        filters: &[Subscription<'_>],
        identifier: Option<u32>,
    ) -> Vec<ReasonCode> {
        let properties: Vec<_> = identifier
            .into_iter()
            .map(Property::SubscriptionIdentifier)
            .collect();
        self.peers[peer]
            .client
            .subscribe(filters, Properties::from(&properties[..]))
            .unwrap();
        self.run();
        self.peers[peer].subacks.pop().unwrap_or_default()
    }

    pub(crate) fn unsubscribe(&mut self, peer: usize, filters: &[&str]) -> Vec<ReasonCode> {
        self.peers[peer]
            .client
            .unsubscribe(filters, Properties::EMPTY)
            .unwrap();
        self.run();
        self.peers[peer].unsubacks.pop().unwrap_or_default()
    }

    pub(crate) fn publish(&mut self, peer: usize, message: Message) {
        self.peers[peer].client.publish(self.now, message).unwrap();
        self.run();
    }

    /// What it got since it was last asked: topic and payload as text, QoS, RETAIN.
    pub(crate) fn take(&mut self, peer: usize) -> Vec<(String, String, u8, bool)> {
        self.peers[peer]
            .received
            .drain(..)
            .map(|message| {
                let payload = String::from_utf8_lossy(message.payload()).into_owned();
                let qos = message.qos().as_u8();
                (message.topic().to_owned(), payload, qos, message.retain())
            })
            .collect()
    }

    /// The payloads alone.
    pub(crate) fn texts(&mut self, peer: usize) -> Vec<String> {
        self.take(peer).into_iter().map(|one| one.1).collect()
    }

    /// DISCONNECT with Normal disconnection.
    pub(crate) fn leave(&mut self, peer: usize) {
        self.leave_with(peer, &Disconnect::new(ReasonCode::Success));
    }

    pub(crate) fn leave_with(&mut self, peer: usize, disconnect: &Disconnect<'_>) {
        self.peers[peer]
            .client
            .disconnect(self.now, disconnect)
            .unwrap();
        self.run();
        self.cut(peer);
    }

    /// The transport fails, with all that is in it.
    pub(crate) fn cut(&mut self, peer: usize) {
        let one = &mut self.peers[peer];
        if !one.is_cut {
            one.is_cut = true;
            one.client.receive_eof(self.now);
            self.broker.disconnected(one.id, self.now);
        }
        self.run();
    }

    /// Bytes pass until none are left.
    pub(crate) fn run(&mut self) {
        loop {
            let mut moved = false;
            for at in 0..self.peers.len() {
                moved |= self.turn(at);
            }
            while let Some(id) = self.broker.poll_ready() {
                moved |= self.transmit(id);
            }
            let before = self.records.len();
            let number = self.broker.take_records(&mut self.records);
            self.broker.stored(number);
            moved |= self.records.len() > before;
            if !moved {
                return;
            }
        }
    }

    fn turn(&mut self, at: usize) -> bool {
        let peer = &mut self.peers[at];
        if peer.is_cut {
            return false;
        }
        let mut moved = false;
        if !peer.is_deaf {
            let bytes = std::mem::take(&mut peer.to_client);
            let mut input = &bytes[..];
            while let Some(event) = peer.client.receive(self.now, &mut input) {
                moved = true;
                peer.hear(&event);
            }
            peer.to_client = input.to_vec();
        }
        peer.client
            .poll_transmit(self.now, &mut peer.to_broker, usize::MAX);
        let bytes = std::mem::take(&mut peer.to_broker);
        let mut input = &bytes[..];
        let id = peer.id;
        while let Some(question) = self.broker.receive(id, self.now, &mut input) {
            moved = true;
            (self.answers)(&mut self.broker, self.now, question);
        }
        moved |= input.len() < bytes.len();
        self.peers[at].to_broker = input.to_vec();
        moved
    }

    fn transmit(&mut self, id: ConnectionId) -> bool {
        let Some(at) = self
            .peers
            .iter()
            .position(|peer| peer.id == id && !peer.is_cut)
        else {
            return false;
        };
        // A link that is full takes nothing: so much is on its way.
        let room = 64 * 1024;
        let peer = &mut self.peers[at];
        let mut moved = false;
        while peer.to_client.len() < room
            && self
                .broker
                .poll_transmit(id, self.now, &mut peer.to_client, room)
                > 0
        {
            moved = true;
        }
        if self.broker.is_finished(id) && (!peer.is_deaf || peer.to_client.is_empty()) {
            let bytes = std::mem::take(&mut peer.to_client);
            let mut input = &bytes[..];
            while let Some(event) = peer.client.receive(self.now, &mut input) {
                peer.hear(&event);
            }
            peer.is_cut = true;
            peer.client.receive_eof(self.now);
            self.broker.disconnected(id, self.now);
        }
        moved
    }

    /// Time passes, from deadline to deadline.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let clients = self.peers.iter().filter(|peer| !peer.is_cut);
            let clients = clients.filter_map(|peer| peer.client.poll_timeout());
            let next = clients.chain(self.broker.poll_timeout()).min();
            let Some(next) = next.filter(|&next| next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.tick();
        }
        self.now = end;
        self.run();
    }

    fn tick(&mut self) {
        while self.broker.poll_timeout().is_some_and(|at| at <= self.now) {
            self.broker.handle_timeout(self.now);
        }
        for peer in &mut self.peers {
            peer.client.handle_timeout(self.now);
        }
        self.run();
    }
}

impl Peer {
    fn hear(&mut self, event: &ClientEvent<'_>) {
        match event {
            ClientEvent::Publish(incoming) => self.received.push(incoming_message(incoming)),
            ClientEvent::Subscribed { suback, .. } => {
                self.subacks.push(suback.reason_codes.iter().collect());
            }
            ClientEvent::Unsubscribed { unsuback, .. } => {
                self.unsubacks.push(unsuback.reason_codes.iter().collect());
            }
            ClientEvent::Published { ack, .. } => self.acks.push(ack.reason),
            ClientEvent::Connack(connack) => {
                self.server_reference = connack.properties.server_reference().map(Into::into);
                let properties = connack.properties.iter();
                let properties = properties.map(|one| format!("{one:?}")).collect();
                self.connack = Some((connack.reason, connack.session_present, properties));
            }
            ClientEvent::Auth(auth) => {
                let data = auth.properties.authentication_data().unwrap_or_default();
                self.auths.push((auth.reason, data.to_vec()));
            }
            ClientEvent::Disconnect(disconnect) => {
                self.server_reference = disconnect.properties.server_reference().map(Into::into);
                self.disconnect = Some(disconnect.reason);
            }
            _ => {}
        }
    }
}

fn incoming_message(incoming: &Incoming<'_>) -> Message {
    let identifiers: Vec<u32> = incoming.publish.subscription_identifiers.iter().collect();
    let message = incoming.to_message();
    message.with_subscription_identifiers(&identifiers).unwrap()
}

pub(crate) fn message(topic: &str, payload: &str, qos: QoS) -> Message {
    Message::new(topic, payload.as_bytes())
        .unwrap()
        .with_qos(qos)
}

pub(crate) fn retained(topic: &str, payload: &str, qos: QoS) -> Message {
    message(topic, payload, qos).with_retain(true)
}

pub(crate) const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
