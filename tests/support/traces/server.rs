//! A server under test: the connections of the crate and what a broker adds to them, as small as the traces allow.
//!
//! It keeps sessions, subscriptions, wills and retained messages by client identifier and routes by plain comparison.
//! What a trace says in `given` is what its administrator has set.

mod routing;

use std::collections::BTreeMap;
use std::time::Duration;

use sansio_mqtt::*;
use serde_json::{Value, json};

use super::super::json::unhex;
use super::Side;
use super::bytes::encode;
use super::client::reason;
use routing::{Kept, remark_properties};

/// Everything that outlives a connection, and the connections.
pub(crate) struct Broker {
    given: Value,
    options: Options,
    links: BTreeMap<String, Link>,
    clients: BTreeMap<String, Client>,
    retained: BTreeMap<String, Message>,
    assigned: usize,
}

struct Link {
    connection: Option<ServerConnection>,
    input: Vec<u8>,
    output: Vec<u8>,
    closed: bool,
    /// Of an accepted connection, or of one that authenticates itself.
    client: String,
    /// The bytes of CONNECT, until it is answered.
    connect: Vec<u8>,
    challenges: usize,
}

#[derive(Default)]
struct Client {
    link: Option<String>,
    session: Option<Session>,
    subscriptions: Vec<Kept>,
    will: Option<(Message, u32)>,
    will_at: Option<Instant>,
    expires: Option<Instant>,
}

impl Broker {
    pub(crate) fn new(given: &Value) -> Self {
        let connack = &given["connack"];
        let number = |name: &str| connack[name].as_u64();
        let small = |number: u64| u16::try_from(number).expect("small");
        let mut options = Options::new()
            .with_receive_maximum(number("receive_maximum").map_or(u16::MAX, small))
            .with_topic_alias_maximum(number("topic_alias_maximum").map_or(0, small))
            .with_automatic_topic_aliases(given["topic_aliases"].as_u64().map_or(0, small))
            .with_manual_acknowledgement(given["refuse_publish"].is_object());
        if let Some(maximum) = number("maximum_packet_size") {
            options = options.with_maximum_packet_size(u32::try_from(maximum).expect("a size"));
        }
        Self {
            given: given.clone(),
            options,
            links: BTreeMap::new(),
            clients: BTreeMap::new(),
            retained: BTreeMap::new(),
            assigned: 0,
        }
    }

    /// The code that is given for a name, if one is.
    fn refused(&self, kind: &str, name: &str) -> Option<ReasonCode> {
        let text = &self.given[kind][name];
        text.is_string().then(|| reason(text))
    }

    /// What is added to the packets that may have it.
    fn remarks(&self) -> Vec<(String, String)> {
        let remark = |name: &str| {
            self.given[name]
                .as_str()
                .map(|text| (name.into(), text.into()))
        };
        [remark("reason_string"), remark("user_property")]
            .into_iter()
            .flatten()
            .collect()
    }

    fn run(&mut self, now: Instant, name: &str) {
        let Some(mut link) = self.links.remove(name) else {
            return;
        };
        let Some(mut connection) = link.connection.take() else {
            self.links.insert(name.into(), link);
            return;
        };
        let mut routed = Vec::new();
        loop {
            let input = std::mem::take(&mut link.input);
            let mut unread = &input[..];
            let mut before = unread;
            while let Some(event) = connection.receive(now, &mut unread) {
                let taken = &before[..before.len() - unread.len()];
                match event {
                    ServerEvent::Connect(_) => {
                        link.connect = taken.to_vec();
                        self.asked(now, name, &mut link, &mut connection);
                    }
                    ServerEvent::Auth(auth) => {
                        self.authenticate(now, name, &mut link, &mut connection, auth.reason);
                    }
                    event => self.on_event(now, &link.client, &mut connection, event, &mut routed),
                }
                before = unread;
            }
            link.input = unread.to_vec();
            // Delivered to the same client before more is read, so that the answer to what came first is first.
            link.connection = Some(connection);
            self.links.insert(name.into(), link);
            for (from, message, only) in routed.drain(..) {
                self.route(now, &from, &message, only);
            }
            link = self.links.remove(name).expect("put there");
            connection = link.connection.take().expect("put there");
            if connection.poll_transmit(now, &mut link.output, usize::MAX) == 0 {
                break;
            }
        }
        let over = connection.closed();
        link.connection = Some(connection);
        let client = link.client.clone();
        let before = link.closed;
        link.closed = over.is_some();
        self.links.insert(name.into(), link);
        if let (Some(over), false) = (over, before) {
            self.over(now, name, &client, &over);
        }
    }

    /// A CONNECT waits for its answer.
    fn asked(
        &mut self,
        now: Instant,
        name: &str,
        link: &mut Link,
        connection: &mut ServerConnection,
    ) {
        let bytes = link.connect.clone();
        let Ok(Some(Packet::Connect(connect))) =
            Packet::decode(connection.version(), &DecodeOptions::new(), &mut &bytes[..])
        else {
            panic!("it was decoded before");
        };
        if let Some(method) = connect.properties.authentication_method() {
            if self.given["auth"]["method"] != method {
                let _ = connection.refuse(now, &Connack::new(ReasonCode::BadAuthenticationMethod));
                return;
            }
            if self.challenge(now, link, connection) {
                return;
            }
        }
        self.accept(now, name, link, connection);
    }

    /// Sends the next challenge, if there is one left.
    fn challenge(&self, now: Instant, link: &mut Link, connection: &mut ServerConnection) -> bool {
        let challenge = &self.given["auth"]["challenges"][link.challenges];
        let Some(data) = challenge.as_str().and_then(unhex) else {
            link.challenges = 0;
            return false;
        };
        link.challenges += 1;
        self.auth(now, connection, ReasonCode::ContinueAuthentication, &data);
        true
    }

    fn auth(
        &self,
        now: Instant,
        connection: &mut ServerConnection,
        reason: ReasonCode,
        data: &[u8],
    ) {
        let method = self.given["auth"]["method"]
            .as_str()
            .expect("a method")
            .to_owned();
        let remarks = self.remarks();
        let mut properties = vec![
            Property::AuthenticationMethod(&method),
            Property::AuthenticationData(data),
        ];
        properties.extend(remark_properties(&remarks));
        let properties = Properties::from(&properties[..]);
        connection
            .auth(now, &Auth { reason, properties })
            .expect("AUTH");
    }

    fn authenticate(
        &mut self,
        now: Instant,
        name: &str,
        link: &mut Link,
        connection: &mut ServerConnection,
        asked: ReasonCode,
    ) {
        let opened = connection.is_connected();
        // A re-authentication begins anew.
        if asked == ReasonCode::ReAuthenticate {
            link.challenges = 0;
        }
        let refusal = &self.given["auth"]["refuse"];
        if refusal.is_string() && (opened || self.given["auth"]["later"] != true) {
            let refused = reason(refusal);
            if opened {
                let _ = connection.disconnect(now, &Disconnect::new(refused));
            } else {
                let _ = connection.refuse(now, &Connack::new(refused));
            }
        } else if !self.challenge(now, link, connection) {
            if opened {
                self.auth(now, connection, ReasonCode::Success, b"");
            } else {
                self.accept(now, name, link, connection);
            }
        }
    }

    fn accept(
        &mut self,
        now: Instant,
        name: &str,
        link: &mut Link,
        connection: &mut ServerConnection,
    ) {
        let bytes = std::mem::take(&mut link.connect);
        let Ok(Some(Packet::Connect(connect))) =
            Packet::decode(connection.version(), &DecodeOptions::new(), &mut &bytes[..])
        else {
            panic!("it was decoded before");
        };
        if self.given["refuse"].is_string() {
            let refused = reason(&self.given["refuse"]);
            let _ = connection.refuse(now, &Connack::new(refused));
            return;
        }
        let mut set = self.given["connack"].clone();
        let client = match connect.client_id {
            "" => {
                self.assigned += 1;
                let assigned = format!("assigned-{}", self.assigned);
                set["assigned_client_identifier"] = json!(assigned);
                assigned
            }
            given => given.to_owned(),
        };
        if let Some(refused) = self.refused("refuse_client_id", &client) {
            let _ = connection.refuse(now, &Connack::new(refused));
            return;
        }
        if let Some(other) = self
            .clients
            .get(&client)
            .and_then(|client| client.link.clone())
        {
            if let Some(other) = self
                .links
                .get_mut(&other)
                .and_then(|link| link.connection.as_mut())
            {
                let _ = other.disconnect(now, &Disconnect::new(ReasonCode::SessionTakenOver));
            }
            self.run(now, &other);
        }
        if connect.clean_start {
            self.forget(now, &client);
        }
        let kept = self.clients.entry(client.clone()).or_default();
        let session = kept.session.take();
        if connection.version() == Version::V5 {
            // Those of the options are written by the connection.
            for name in [
                "receive_maximum",
                "maximum_packet_size",
                "topic_alias_maximum",
            ] {
                if let Value::Object(set) = &mut set {
                    set.remove(name);
                }
            }
            if let Some(method) = connect.properties.authentication_method() {
                set["authentication_method"] = json!(method);
            }
            if connect.properties.request_response_information() == Some(true) {
                set["response_information"] = self.given["response_information"].clone();
            }
            for (name, text) in self.remarks() {
                match &name[..] {
                    "reason_string" => set["reason_string"] = json!(text),
                    _ => set["user_properties"] = json!([[text, ""]]),
                }
            }
        }
        if let Value::Object(set) = &mut set {
            set.retain(|_, value| !value.is_null());
        }
        let connack = json!({"type": "CONNACK", "reason": "0x00", "properties": set});
        let bytes = encode("5.0", &connack);
        let decoded = Packet::decode(Version::V5, &DecodeOptions::new(), &mut &bytes[..]);
        let Ok(Some(Packet::Connack(connack))) = decoded else {
            panic!("CONNACK of the trace: {decoded:?}")
        };
        match connection.accept(now, session, &connack) {
            Ok(()) => {}
            Err(AcceptError {
                reason: AcceptErrorReason::Request(RequestError::NotSupported(reason)),
                ..
            }) => {
                let _ = connection.refuse(now, &Connack::new(reason));
                return;
            }
            Err(error) => panic!("{error}"),
        }
        let kept = self.clients.entry(client.clone()).or_default();
        kept.link = Some(name.into());
        kept.expires = None;
        kept.will_at = None;
        kept.will = connect.will.map(|will| {
            let delay = will.properties.will_delay_interval().unwrap_or(0);
            (Message::from_will(&will).expect("decoded"), delay)
        });
        link.client = client;
    }

    /// The session ends; a will that waits goes out with it.
    fn forget(&mut self, now: Instant, client: &str) {
        let waits = self
            .clients
            .get(client)
            .is_some_and(|client| client.will_at.is_some());
        if waits {
            self.publish_will(now, client);
        }
        self.clients.remove(client);
    }

    fn publish_will(&mut self, now: Instant, client: &str) {
        let kept = self.clients.entry(client.into()).or_default();
        kept.will_at = None;
        if let Some((message, _)) = kept.will.take() {
            self.retain(&message);
            self.route(now, client, &message, None);
        }
    }

    /// Keeps a retained message, or forgets the one that there is.
    fn retain(&mut self, message: &Message) {
        if message.retain() {
            self.retained.remove(message.topic());
            if !message.payload().is_empty() {
                self.retained
                    .insert(message.topic().into(), message.clone());
            }
        }
    }

    fn over(&mut self, now: Instant, name: &str, client: &str, closed: &Closed) {
        let link = self.links.get_mut(name).expect("it is there");
        let Some(kept) = self.clients.get_mut(client) else {
            return;
        };
        if kept.link.as_deref() != Some(name) {
            return;
        }
        kept.link = None;
        let session = link.connection.take().expect("it is there").into_session();
        kept.session = Some(session);
        let lives = closed.session_expiry_interval;
        if lives != u32::MAX {
            kept.expires = Some(after(now, lives));
        }
        match &kept.will {
            Some((_, delay)) if closed.will_due => {
                kept.will_at = Some(after(now, (*delay).min(lives)));
            }
            _ => kept.will = None,
        }
        self.due(now);
    }

    /// Wills and sessions whose time has come.
    fn due(&mut self, now: Instant) {
        let names: Vec<_> = self.clients.keys().cloned().collect();
        for name in names {
            if self
                .clients
                .get(&name)
                .is_some_and(|client| client.will_at.is_some_and(|at| at <= now))
            {
                self.publish_will(now, &name);
            }
            if self
                .clients
                .get(&name)
                .is_some_and(|client| client.expires.is_some_and(|at| at <= now))
            {
                self.forget(now, &name);
            }
        }
    }
}

fn after(now: Instant, seconds: u32) -> Instant {
    now.saturating_add(Duration::from_secs(u64::from(seconds)))
}

impl Side for Broker {
    fn open(&mut self, now: Instant, name: &str) {
        let link = Link {
            connection: Some(ServerConnection::new(now, self.options.clone())),
            input: Vec::new(),
            output: Vec::new(),
            closed: false,
            client: String::new(),
            connect: Vec::new(),
            challenges: 0,
        };
        self.links.insert(name.into(), link);
    }

    fn input(&mut self, now: Instant, name: &str, bytes: &[u8]) {
        if let Some(link) = self.links.get_mut(name) {
            link.input.extend_from_slice(bytes);
        }
        self.run(now, name);
        self.run_all(now);
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
        self.run_all(now);
    }

    fn act(&mut self, _now: Instant, _name: &str, packet: &Value) {
        panic!("a server is asked for nothing: {packet}");
    }

    fn output(&mut self, name: &str) -> (Vec<u8>, bool) {
        match self.links.get_mut(name) {
            Some(link) => (std::mem::take(&mut link.output), link.closed),
            None => (Vec::new(), false),
        }
    }

    fn next(&self) -> Option<Instant> {
        let links = self
            .links
            .values()
            .filter_map(|link| link.connection.as_ref()?.poll_timeout());
        let clients = self.clients.values();
        let clients = clients
            .flat_map(|client| [client.will_at, client.expires])
            .flatten();
        links.chain(clients).min()
    }

    fn tick(&mut self, now: Instant) {
        for link in self.links.values_mut() {
            if let Some(connection) = &mut link.connection {
                connection.handle_timeout(now);
            }
        }
        self.run_all(now);
        self.due(now);
        self.run_all(now);
    }

    fn delivered(&mut self) -> Vec<Value> {
        Vec::new()
    }
}

impl Broker {
    fn run_all(&mut self, now: Instant) {
        let names: Vec<_> = self.links.keys().cloned().collect();
        for name in names {
            self.run(now, &name);
        }
    }
}
