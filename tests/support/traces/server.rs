//! A server under test: the `Broker` of the crate. What a trace says in `given` is what its administrator has set.

use std::collections::BTreeMap;

use sansio_mqtt::*;
use serde_json::{Map, Value};

use super::super::json::unhex;
use super::client::reason;
use super::{Manner, Side};

/// The broker, its transports by name, and who answers its questions.
pub(crate) struct Administered {
    given: Value,
    options: BrokerOptions,
    broker: Broker,
    /// All records, if it makes some.
    log: Vec<BrokerRecord>,
    links: BTreeMap<String, Link>,
}

struct Link {
    id: ConnectionId,
    input: Vec<u8>,
    output: Vec<u8>,
    closed: bool,
    /// What CONNECT says, for as long as it is not answered.
    client_id: String,
    method: Option<String>,
    wants_response_information: bool,
    /// Challenges that were sent.
    challenges: usize,
}

impl Administered {
    pub(crate) fn new(now: Instant, given: &Value, serves_31: bool, manner: Manner) -> Self {
        let options = options(given, serves_31).with_records(manner == Manner::Restarts);
        Self {
            given: given.clone(),
            broker: Broker::new(now, options.clone()),
            options,
            log: Vec::new(),
            links: BTreeMap::new(),
        }
    }

    /// The code that is given for a name, if one is.
    fn refused(&self, kind: &str, name: &str) -> Option<ReasonCode> {
        let text = &self.given[kind][name];
        text.is_string().then(|| reason(text))
    }

    /// Bytes pass until none are left.
    fn run(&mut self, now: Instant) {
        loop {
            let mut moved = false;
            for name in self.links.keys().cloned().collect::<Vec<_>>() {
                moved |= self.read(now, &name);
            }
            moved |= self.store();
            while let Some(id) = self.broker.poll_ready() {
                moved |= self.write(now, id);
            }
            if !moved {
                return;
            }
        }
    }

    /// Nothing is told before what it says is safe.
    fn store(&mut self) -> bool {
        let before = self.log.len();
        let number = self.broker.take_records(&mut self.log);
        self.broker.stored(number);
        self.log.len() > before
    }

    fn read(&mut self, now: Instant, name: &str) -> bool {
        let link = self.links.get_mut(name).expect("a transport");
        let (id, bytes) = (link.id, std::mem::take(&mut link.input));
        let mut input = &bytes[..];
        while let Some(question) = self.broker.receive(id, now, &mut input) {
            self.answer(now, name, question);
        }
        let link = self.links.get_mut(name).expect("a transport");
        link.input = input.to_vec();
        input.len() < bytes.len()
    }

    fn write(&mut self, now: Instant, id: ConnectionId) -> bool {
        let mut links = self.links.values_mut();
        let Some(link) = links.find(|link| link.id == id) else {
            return false;
        };
        let mut moved = false;
        while self
            .broker
            .poll_transmit(id, now, &mut link.output, usize::MAX)
            > 0
        {
            moved = true;
        }
        if self.broker.closed(id).is_some() {
            link.closed = true;
            self.broker.disconnected(id, now);
        }
        moved
    }

    fn answer(&mut self, now: Instant, name: &str, question: Question<'_>) {
        match question {
            Question::Connect { connect, token } => {
                let link = self.links.get_mut(name).expect("a transport");
                link.client_id = connect.client_id.to_owned();
                link.method = connect.properties.authentication_method().map(Into::into);
                link.wants_response_information =
                    connect.properties.request_response_information() == Some(true);
                let known = self.given["auth"]["method"].as_str();
                match &link.method {
                    Some(method) if known != Some(method) => {
                        self.refuse(now, token, ReasonCode::BadAuthenticationMethod);
                    }
                    Some(_) => self.authenticate(now, name, token),
                    None => self.accept(now, name, token),
                }
            }
            Question::Auth { auth, token } => {
                let link = self.links.get_mut(name).expect("a transport");
                // A re-authentication begins anew.
                if auth.reason == ReasonCode::ReAuthenticate {
                    link.challenges = 0;
                }
                let id = link.id;
                let is_connected = self.broker.client_id(id).is_some();
                let refusal = &self.given["auth"]["refuse"];
                match refusal.is_string().then(|| reason(refusal)) {
                    Some(refused) if is_connected => {
                        let disconnect = Disconnect::new(refused);
                        self.broker.disconnect(id, now, &disconnect);
                    }
                    Some(refused) if self.given["auth"]["later"] != true => {
                        self.refuse(now, token, refused);
                    }
                    _ => self.authenticate(now, name, token),
                }
            }
            Question::Publish { message, token } => {
                if let Some(reason) = self.refused("disconnect", message.topic()) {
                    let id = token.connection();
                    let remarks = remarks(&self.given);
                    let disconnect = Disconnect {
                        properties: Properties::from(&remarks[..]),
                        ..Disconnect::new(reason)
                    };
                    self.broker.disconnect(id, now, &disconnect);
                    return;
                }
                let refused = self.refused("refuse_publish", message.topic());
                let verdict = refused.map_or(Verdict::Allow, Verdict::Deny);
                let answered = self.broker.answer_publish(token, now, verdict);
                answered.expect("an answer");
            }
            Question::Subscribe { subscribe, token } => {
                let codes = subscribe.subscriptions.iter().map(|one| {
                    let granted = ReasonCode::granted(one.options.qos);
                    self.refused("suback", one.filter).unwrap_or(granted)
                });
                let codes: Vec<_> = codes.collect();
                let answered = self.broker.answer_subscribe(token, now, &codes);
                answered.expect("an answer");
            }
            other => panic!("{other:?}"),
        }
    }

    fn refuse(&mut self, now: Instant, token: QuestionToken, reason: ReasonCode) {
        let refused = self.broker.refuse(token, now, &Connack::new(reason));
        refused.expect("a refusal");
    }

    /// The next challenge, or that all is well.
    fn authenticate(&mut self, now: Instant, name: &str, token: QuestionToken) {
        let link = self.links.get_mut(name).expect("a transport");
        let is_connected = self.broker.client_id(link.id).is_some();
        let challenge = &self.given["auth"]["challenges"][link.challenges];
        let challenge = challenge.as_str().and_then(unhex);
        link.challenges += 1;
        let reason = match &challenge {
            Some(_) => ReasonCode::ContinueAuthentication,
            None if is_connected => ReasonCode::Success,
            None => return self.accept(now, name, token),
        };
        let challenge = challenge.unwrap_or_default();
        let mut properties = remarks(&self.given);
        properties.extend(link.method.as_deref().map(Property::AuthenticationMethod));
        properties.push(Property::AuthenticationData(&challenge));
        let properties = Properties::from(&properties[..]);
        let sent = self
            .broker
            .authenticate(token, now, &Auth { reason, properties });
        sent.expect("AUTH");
    }

    fn accept(&mut self, now: Instant, name: &str, token: QuestionToken) {
        let link = self.links.get_mut(name).expect("a transport");
        link.challenges = 0;
        let link = &self.links[name];
        let for_all = &self.given["refuse"];
        let refused = self
            .refused("refuse_client_id", &link.client_id)
            .or_else(|| for_all.is_string().then(|| reason(for_all)));
        if let Some(reason) = refused {
            return self.refuse(now, token, reason);
        }
        let mut properties = remarks(&self.given);
        properties.extend(link.method.as_deref().map(Property::AuthenticationMethod));
        let information = self.given["response_information"].as_str();
        let information = information.filter(|_| link.wants_response_information);
        properties.extend(information.map(Property::ResponseInformation));
        let admission = Admission {
            properties: Properties::from(&properties[..]),
            ..Admission::default()
        };
        let accepted = self.broker.accept(token, now, &admission);
        accepted.expect("an admission");
    }
}

/// What an administrator sets once.
fn options(given: &Value, serves_31: bool) -> BrokerOptions {
    let small = |number: u64| u16::try_from(number).expect("small");
    let large = |number: u64| u32::try_from(number).expect("four bytes");
    let aliases = given["topic_aliases"].as_u64().map_or(0, small);
    let mut connection = Options::new()
        .with_accept_v31(serves_31)
        .with_automatic_topic_aliases(aliases);
    let mut options = BrokerOptions::new().with_seed(7).with_dollar_topics(true);
    let none = Map::new();
    for (name, value) in given["connack"].as_object().unwrap_or(&none) {
        let number = value.as_u64().expect("a number");
        match &name[..] {
            "receive_maximum" => connection = connection.with_receive_maximum(small(number)),
            "maximum_packet_size" => {
                connection = connection.with_maximum_packet_size(large(number));
            }
            "topic_alias_maximum" => {
                connection = connection.with_topic_alias_maximum(small(number));
            }
            "maximum_qos" => {
                let qos = u8::try_from(number).ok().and_then(QoS::from_u8);
                options = options.with_maximum_qos(qos.expect("a QoS"));
            }
            "retain_available" => options = options.with_retain_available(number > 0),
            "wildcard_subscription_available" => {
                options = options.with_wildcard_subscriptions(number > 0);
            }
            "shared_subscription_available" => {
                options = options.with_shared_subscriptions(number > 0);
            }
            "subscription_identifier_available" => {
                options = options.with_subscription_identifiers(number > 0);
            }
            "session_expiry_interval" => {
                options = options.with_maximum_session_expiry(large(number));
            }
            "server_keep_alive" => options = options.with_maximum_keep_alive(small(number)),
            other => panic!("nothing sets {other}"),
        }
    }
    let is_given = |names: &[&str]| names.iter().any(|name| !given[*name].is_null());
    options
        .with_connection(connection)
        .with_ask_connect(is_given(&[
            "auth",
            "refuse",
            "refuse_client_id",
            "response_information",
            "reason_string",
            "user_property",
        ]))
        .with_ask_publish(is_given(&["refuse_publish", "disconnect"]))
        .with_ask_subscribe(is_given(&["suback"]))
}

/// What is added to the packets that may have it.
pub(super) fn remarks(given: &Value) -> Vec<Property<'_>> {
    let text = given["reason_string"].as_str();
    let name = given["user_property"].as_str();
    let name = name.map(|name| Property::UserProperty(name, ""));
    text.map(Property::ReasonString)
        .into_iter()
        .chain(name)
        .collect()
}

impl Side for Administered {
    fn open(&mut self, now: Instant, name: &str) {
        if self.options.records() && self.links.values().all(|link| link.closed) {
            let options = self.options.clone();
            let restored = Broker::restore(now, options, self.log.clone());
            self.broker = restored.expect("what was recorded");
            self.links.clear();
            self.tick(now);
        }
        let link = Link {
            id: self.broker.connected(now),
            input: Vec::new(),
            output: Vec::new(),
            closed: false,
            client_id: String::new(),
            method: None,
            wants_response_information: false,
            challenges: 0,
        };
        self.links.insert(name.into(), link);
    }

    fn input(&mut self, now: Instant, name: &str, bytes: &[u8]) {
        let link = self.links.get_mut(name).expect("a transport");
        link.input.extend_from_slice(bytes);
        self.run(now);
    }

    fn end(&mut self, now: Instant, name: &str) {
        self.broker.receive_eof(self.links[name].id, now);
        self.run(now);
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
        self.broker.poll_timeout()
    }

    fn tick(&mut self, now: Instant) {
        while self.broker.poll_timeout().is_some_and(|at| at <= now) {
            self.broker.handle_timeout(now);
        }
        self.run(now);
    }

    fn delivered(&mut self) -> Vec<Value> {
        Vec::new()
    }
}
