//! A client under test with a small application: it does what the trace asks for and writes down what it is given.

use std::collections::BTreeMap;

use sansio_mqtt::*;
use serde_json::{Map, Value};

use super::super::json::{self, unhex};
use super::Side;
use super::bytes::{code, encode};

pub(crate) struct Application {
    version: &'static str,
    given: Value,
    links: BTreeMap<String, Link>,
    /// What is kept between connections.
    session: Option<Session>,
    delivered: Vec<Value>,
}

struct Link {
    connection: Option<ClientConnection>,
    input: Vec<u8>,
    output: Vec<u8>,
    closed: bool,
    /// Messages that wait to be acknowledged.
    tokens: Vec<(u64, AckToken)>,
    /// What the application answers to AUTH, in turn.
    answers: Vec<Vec<u8>>,
    method: String,
}

impl Application {
    pub(crate) fn new(version: &str, given: &Value) -> Self {
        Self {
            version: if version == "5.0" { "5.0" } else { "3.1.1" },
            given: given.clone(),
            links: BTreeMap::new(),
            session: None,
            delivered: Vec::new(),
        }
    }

    fn connect(&mut self, now: Instant, name: &str, connect: &Connect<'_>) {
        let mut options = Options::new()
            .with_receive_maximum(connect.properties.receive_maximum().unwrap_or(u16::MAX))
            .with_topic_alias_maximum(connect.properties.topic_alias_maximum().unwrap_or(0))
            .with_manual_acknowledgement(self.given["manual_ack"] == true);
        if let Some(maximum) = connect.properties.maximum_packet_size() {
            options = options.with_maximum_packet_size(maximum);
        }
        if let Some(aliases) = self.given["topic_aliases"].as_u64() {
            options = options.with_automatic_topic_aliases(u16::try_from(aliases).expect("few"));
        }
        let kept: Vec<_> = connect
            .properties
            .iter()
            .filter(|property| {
                !matches!(
                    property,
                    Property::ReceiveMaximum(_)
                        | Property::MaximumPacketSize(_)
                        | Property::TopicAliasMaximum(_)
                )
            })
            .collect();
        let connect = Connect {
            properties: Properties::from(&kept[..]),
            ..*connect
        };
        // The earlier connection is over.
        for link in self.links.values_mut() {
            if let Some(connection) = link.connection.take() {
                self.session = Some(connection.into_session());
            }
        }
        let session = self.session.take().unwrap_or_default();
        // What a client may not even ask for is not sent: the trace then waits for nothing.
        let connection = ClientConnection::new(now, &connect, session, options);
        let answers = self.given["auth"]["answers"]
            .as_array()
            .into_iter()
            .flatten();
        let link = Link {
            connection: connection.ok(),
            input: Vec::new(),
            output: Vec::new(),
            closed: false,
            tokens: Vec::new(),
            answers: answers
                .map(|text| unhex(text.as_str().expect("hex")).expect("hex"))
                .collect(),
            method: connect
                .properties
                .authentication_method()
                .unwrap_or_default()
                .into(),
        };
        self.links.insert(name.into(), link);
    }

    /// Everything that can be done now.
    fn run(&mut self, now: Instant, name: &str) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        let Some(connection) = &mut link.connection else {
            return;
        };
        loop {
            let input = std::mem::take(&mut link.input);
            let mut unread = &input[..];
            while let Some(event) = connection.receive(now, &mut unread) {
                match event {
                    ClientEvent::Publish(incoming) => {
                        let mut message = Map::new();
                        message.insert("topic".into(), incoming.topic().into());
                        message
                            .insert("payload".into(), json::hex(incoming.publish.payload).into());
                        self.delivered.push(message.into());
                        if let (Some(id), Some(token)) = (incoming.publish.packet_id, incoming.ack)
                        {
                            link.tokens.push((u64::from(id.get()), token));
                        }
                    }
                    ClientEvent::Auth(auth)
                        if auth.reason == ReasonCode::ContinueAuthentication =>
                    {
                        let data = if link.answers.is_empty() {
                            Vec::new()
                        } else {
                            link.answers.remove(0)
                        };
                        let properties = [
                            Property::AuthenticationMethod(&link.method),
                            Property::AuthenticationData(&data),
                        ];
                        let auth = Auth {
                            reason: ReasonCode::ContinueAuthentication,
                            properties: Properties::from(&properties[..]),
                        };
                        let _ = connection.auth(now, &auth);
                    }
                    _ => {}
                }
            }
            link.input = unread.to_vec();
            if connection.poll_transmit(now, &mut link.output, usize::MAX) == 0 {
                break;
            }
        }
        link.closed = connection.closed().is_some();
    }
}

impl Side for Application {
    fn open(&mut self, _now: Instant, name: &str) {
        panic!("{name}: a client opens its transports itself");
    }

    fn input(&mut self, now: Instant, name: &str, bytes: &[u8]) {
        if let Some(link) = self.links.get_mut(name) {
            link.input.extend_from_slice(bytes);
        }
        self.run(now, name);
    }

    fn end(&mut self, now: Instant, name: &str) {
        if let Some(connection) = self
            .links
            .get_mut(name)
            .and_then(|link| link.connection.as_mut())
        {
            connection.receive_eof(now);
        }
        self.run(now, name);
    }

    fn act(&mut self, now: Instant, name: &str, packet: &Value) {
        if matches!(packet["type"].as_str(), Some("PUBACK" | "PUBREC")) {
            let link = self.links.get_mut(name).expect("a connection");
            let id = packet["packet_id"].as_u64().expect("an identifier");
            let at = link
                .tokens
                .iter()
                .position(|(of, _)| *of == id)
                .expect("a message");
            let (_, token) = link.tokens.remove(at);
            let connection = link.connection.as_mut().expect("a connection");
            let _ = connection.acknowledge(&token, reason(&packet["reason"]));
            self.run(now, name);
            return;
        }
        let mut asked = packet.clone();
        if packet["packet_id"].is_null() {
            // The client chooses it.
            asked["packet_id"] = 1.into();
        }
        let bytes = encode(self.version, &asked).expect("a packet");
        let version = if self.version == "5.0" {
            Version::V5
        } else {
            Version::V311
        };
        let decoded = Packet::decode(version, &DecodeOptions::new(), &mut &bytes[..]);
        let decoded = decoded
            .expect("what the trace asks for")
            .expect("all of it");
        if let Packet::Connect(connect) = &decoded {
            self.connect(now, name, connect);
            self.run(now, name);
            return;
        }
        let link = self.links.get_mut(name).expect("a connection");
        let connection = link.connection.as_mut().expect("a connection");
        // Each may be refused: then nothing is sent, which the trace sees.
        match &decoded {
            Packet::Publish(publish) => {
                let message = Message::from_publish(publish.topic, publish).expect("a message");
                let _ = connection.publish(now, message);
            }
            Packet::Subscribe(subscribe) => {
                let list: Vec<_> = subscribe.subscriptions.iter().collect();
                let _ = connection.subscribe(&list, subscribe.properties);
            }
            Packet::Unsubscribe(unsubscribe) => {
                let list: Vec<_> = unsubscribe.filters.iter().collect();
                let _ = connection.unsubscribe(&list, unsubscribe.properties);
            }
            Packet::Auth(auth) => {
                let _ = connection.auth(now, auth);
            }
            Packet::Disconnect(disconnect) => {
                let _ = connection.disconnect(now, disconnect);
            }
            other => panic!("no request: {other:?}"),
        }
        self.run(now, name);
    }

    fn output(&mut self, name: &str) -> (Vec<u8>, bool) {
        match self.links.get_mut(name) {
            Some(link) => (std::mem::take(&mut link.output), link.closed),
            None => (Vec::new(), false),
        }
    }

    fn next(&self) -> Option<Instant> {
        let links = self.links.values();
        links
            .filter_map(|link| link.connection.as_ref()?.poll_timeout())
            .min()
    }

    fn tick(&mut self, now: Instant) {
        let names: Vec<_> = self.links.keys().cloned().collect();
        for name in names {
            if let Some(connection) = self
                .links
                .get_mut(&name)
                .and_then(|link| link.connection.as_mut())
            {
                connection.handle_timeout(now);
            }
            self.run(now, &name);
        }
    }

    fn delivered(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.delivered)
    }
}

/// A reason code of a trace.
pub(crate) fn reason(value: &Value) -> ReasonCode {
    ReasonCode::from_u8(code(value)).expect("a reason code of the standard")
}
