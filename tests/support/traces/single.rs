//! One `ServerConnection` without a broker: it can give a Reason String and User Properties to SUBACK and UNSUBACK, which a
//! `Broker` leaves out.

use std::collections::BTreeMap;

use sansio_mqtt::*;
use serde_json::Value;

use super::Side;
use super::client::reason;
use super::server::remarks;

pub(crate) struct Single {
    given: Value,
    links: BTreeMap<String, Link>,
}

struct Link {
    connection: ServerConnection,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Single {
    pub(crate) fn new(given: &Value) -> Self {
        Self {
            given: given.clone(),
            links: BTreeMap::new(),
        }
    }
}

/// Every client is accepted, every subscription made, and nothing routed.
fn answer(now: Instant, given: &Value, connection: &mut ServerConnection, event: ServerEvent<'_>) {
    let remarks = remarks(given);
    let properties = Properties::from(&remarks[..]);
    match event {
        ServerEvent::Connect(_) => {
            let connack = Connack {
                properties,
                ..Connack::new(ReasonCode::Success)
            };
            // Not the one that would have to be assigned an identifier.
            let _ = connection.accept(now, None, &connack);
        }
        ServerEvent::Subscribe { subscribe, token } => {
            let codes = subscribe.subscriptions.iter();
            let codes: Vec<_> = codes
                .map(|one| ReasonCode::granted(one.options.qos))
                .collect();
            connection
                .suback(token, &codes, properties)
                .expect("SUBACK");
        }
        ServerEvent::Unsubscribe { unsubscribe, token } => {
            let codes: Vec<_> = unsubscribe
                .filters
                .iter()
                .map(|_| ReasonCode::Success)
                .collect();
            let answered = connection.unsuback(token, &codes, properties);
            answered.expect("UNSUBACK");
        }
        ServerEvent::Publish(incoming) => {
            let code = &given["disconnect"][incoming.topic()];
            if code.is_string() {
                let disconnect = Disconnect {
                    properties,
                    ..Disconnect::new(reason(code))
                };
                connection.disconnect(now, &disconnect).expect("DISCONNECT");
            }
        }
        _ => {}
    }
}

impl Side for Single {
    fn open(&mut self, now: Instant, name: &str) {
        let link = Link {
            connection: ServerConnection::new(now, Options::new()),
            input: Vec::new(),
            output: Vec::new(),
        };
        self.links.insert(name.into(), link);
    }

    fn input(&mut self, now: Instant, name: &str, bytes: &[u8]) {
        let link = self.links.get_mut(name).expect("a transport");
        link.input.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut link.input);
        let mut input = &bytes[..];
        loop {
            while let Some(event) = link.connection.receive(now, &mut input) {
                answer(now, &self.given, &mut link.connection, event);
            }
            let written = link
                .connection
                .poll_transmit(now, &mut link.output, usize::MAX);
            if written == 0 {
                break;
            }
        }
        link.input = input.to_vec();
    }

    fn end(&mut self, now: Instant, name: &str) {
        let link = self.links.get_mut(name).expect("a transport");
        link.connection.receive_eof(now);
    }

    fn act(&mut self, _now: Instant, _name: &str, packet: &Value) {
        panic!("a server is asked for nothing: {packet}");
    }

    fn output(&mut self, name: &str) -> (Vec<u8>, bool) {
        let link = self.links.get_mut(name).expect("a transport");
        let closed = link.connection.closed().is_some();
        (std::mem::take(&mut link.output), closed)
    }

    fn next(&self) -> Option<Instant> {
        let links = self.links.values();
        links
            .filter_map(|link| link.connection.poll_timeout())
            .min()
    }

    fn tick(&mut self, now: Instant) {
        for link in self.links.values_mut() {
            link.connection.handle_timeout(now);
        }
    }

    fn delivered(&mut self) -> Vec<Value> {
        Vec::new()
    }
}
