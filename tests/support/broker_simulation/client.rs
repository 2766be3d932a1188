use std::collections::BTreeMap;
use std::time::Duration;

use sansio_mqtt::*;

use super::random::Random;
use super::standing::{Fate, Standing, WaitingWill};
use super::world::{Connecting, Outcome, Sent, World, fail, payload_id, payload_of};

/// Who watches the wills.
pub(super) const OBSERVERS: usize = 2;
const SUBSCRIPTIONS: usize = 6;

/// A span of steps in which a subscription may stand.
#[derive(Copy, Clone)]
struct Span {
    start: u64,
    end: u64,
}

#[derive(Default)]
pub(super) struct Subscribed {
    spans: Vec<Span>,
    /// Any of these may hold.
    qos: Vec<QoS>,
    identifiers: Vec<u32>,
    may_be_own: bool,
    /// Whether it is sure to stand, and with that to bring messages of QoS 1 and 2.
    sure: Option<bool>,
    /// No answer yet.
    is_busy: bool,
}

enum Request {
    Subscribe { filter: String, sure: Option<bool> },
    Unsubscribe { filter: String },
}

pub(super) struct Client {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) link: Option<ConnectionId>,
    pub(super) connection: Option<ClientConnection>,
    session: Option<Session>,
    /// The shortest Session Expiry Interval since the last CONNACK, and that of this connection.
    expiry: (u32, u32),
    /// When the first connection was lost since the last CONNACK.
    lost_at: Option<Instant>,
    /// CONNACK has not come.
    is_opening: bool,
    /// Its session may have ended, and another one begun that it was not told of: only a clean start helps.
    is_doubtful: bool,
    /// Changes when the session at the broker may be another one.
    pub(super) session_number: u64,
    pub(super) standing: Standing,
    /// What CONNACK has to say.
    pub(super) is_present: Option<bool>,
    handles: BTreeMap<PublishHandle, usize>,
    requests: BTreeMap<RequestHandle, Request>,
    pub(super) subscribed: BTreeMap<String, Subscribed>,
    /// How often each message came in this session, those that are retained aside, at QoS 2.
    exactly_once: BTreeMap<usize, u32>,
    pub(super) received: BTreeMap<usize, u32>,
    /// The last message of a topic, by the QoS with which it came.
    last: BTreeMap<(usize, QoS), usize>,
    /// Messages that came as retained.
    pub(super) retained: Vec<(String, Vec<u8>)>,
}

impl Client {
    pub(super) fn new(at: usize, random: &mut Random) -> Self {
        Self {
            name: format!("c{at}"),
            version: random.pick(&[Version::V311, Version::V5, Version::V5]),
            link: None,
            connection: None,
            session: Some(Session::new()),
            expiry: (u32::MAX, u32::MAX),
            lost_at: None,
            is_opening: false,
            is_doubtful: false,
            session_number: 0,
            standing: Standing::default(),
            is_present: None,
            handles: BTreeMap::new(),
            requests: BTreeMap::new(),
            subscribed: BTreeMap::new(),
            exactly_once: BTreeMap::new(),
            received: BTreeMap::new(),
            last: BTreeMap::new(),
            retained: Vec::new(),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(ClientConnection::is_connected)
    }

    pub(super) fn has_unsettled(&self) -> bool {
        !self.handles.is_empty()
    }
}

/// Section 4.7, level by level.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let plain = match filter.strip_prefix("$share/") {
        Some(rest) => rest.split_once('/').map_or("", |(_, plain)| plain),
        None => filter,
    };
    let mut topic = topic.split('/');
    for level in plain.split('/') {
        match (level, topic.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(one)) if level == one => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

impl World {
    /// The first connections, those of who watches.
    pub(super) fn begin(&mut self) {
        for at in 0..OBSERVERS {
            self.clients[at].version = [Version::V5, Version::V311][at];
            self.connect(at, u32::MAX, false, false);
        }
        self.quiesce();
        for at in 0..OBSERVERS {
            self.subscribe(
                at,
                "w/#".into(),
                SubscriptionOptions::new(QoS::ExactlyOnce),
                None,
            );
        }
        self.quiesce();
        for at in OBSERVERS..self.clients.len() {
            self.client_does(at);
        }
        self.quiesce();
        for at in OBSERVERS..self.clients.len() {
            for _ in 0..2 {
                self.subscribe_some(at);
            }
        }
        self.quiesce();
    }

    fn random_filter(&mut self) -> String {
        let at = self.random.below(self.topics.len());
        let topic = self.topics[at].name.clone();
        let levels: Vec<&str> = topic.split('/').collect();
        let plain = match self.random.below(20) {
            0..10 => topic.clone(),
            10 => format!("{}/+/{}", levels[0], levels[2]),
            11 => format!("{}/{}/+", levels[0], levels[1]),
            12 => format!("+/{}/{}", levels[1], levels[2]),
            13 => format!("{}/{}/#", levels[0], levels[1]),
            14 => format!("{topic}/#"),
            15 => format!("+/+/{}", levels[2]),
            16 if self.random.once_in(4) => format!("{}/#", levels[0]),
            17 if self.random.once_in(self.clients.len()) => "#".into(),
            18 if self.random.once_in(self.clients.len()) => "+/+/+".into(),
            _ => format!("{}/{}/+", levels[0], levels[1]),
        };
        match self.random.once_in(6) {
            true => format!("$share/g{}/{plain}", self.random.below(3)),
            false => plain,
        }
    }

    /// Something that a client may do now.
    pub(super) fn client_does(&mut self, at: usize) -> bool {
        let is_observer = at < OBSERVERS;
        if self.clients[at].connection.is_none() {
            if self.random.once_in(2) {
                return false;
            }
            if is_observer {
                return self.connect(at, u32::MAX, false, false);
            }
            if self.random.once_in(10) {
                self.forget(at);
            }
            let expiry = self.random.pick(&[0, 20, 100, 1000, u32::MAX, u32::MAX]);
            let is_clean = self.random.once_in(8);
            let has_will = self.random.once_in(3);
            return self.connect(at, expiry, is_clean, has_will);
        }
        let Some(link) = self.clients[at].link else {
            return false;
        };
        match self.random.below(100) {
            0..5 => {
                self.cut_anywhere(link);
                true
            }
            5..7 => {
                self.leave_half_open(at);
                true
            }
            7..10 => {
                self.leave_half_open(at);
                self.client_does(at)
            }
            _ if is_observer => false,
            10..13 => {
                let with_will = self.random.once_in(4);
                self.disconnect(at, with_will)
            }
            13..25 => self.unsubscribe_some(at),
            _ => self.subscribe_some(at),
        }
    }

    /// Another device, or one that has lost everything, under the same name.
    fn forget(&mut self, at: usize) {
        let client = &mut self.clients[at];
        for number in std::mem::take(&mut client.handles).into_values() {
            self.messages[number].outcome = Outcome::Lost;
        }
        client.requests.clear();
        client.session = Some(Session::new());
        client.version = self.random.pick(&[Version::V311, Version::V5]);
    }

    pub(super) fn connect(
        &mut self,
        at: usize,
        expiry: u32,
        wants_clean: bool,
        has_will: bool,
    ) -> bool {
        let now = self.now;
        let client = &mut self.clients[at];
        let Some(session) = client.session.take() else {
            return false;
        };
        let version = client.version;
        let is_clean = wants_clean || client.is_doubtful || !session.is_established();
        let (mut expiry, mut clean_start) = (expiry, is_clean);
        if version == Version::V311 {
            // CleanSession is both.
            clean_start = is_clean || expiry == 0;
            expiry = if clean_start { 0 } else { u32::MAX };
            if !wants_clean && at < OBSERVERS {
                // Nothing is there before.
                (clean_start, expiry) = (false, u32::MAX);
            }
        }
        client.expiry = (client.expiry.0.min(expiry), expiry);
        client.is_opening = true;
        let session = match (session.is_established(), clean_start) {
            (false, false) => Session::established(),
            _ => session,
        };
        let name = client.name.clone();
        let will_topic = format!("w/{name}");
        let number = self.messages.len();
        let will_payload = payload_of(number);
        let qos = self
            .random
            .pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce]);
        let (retain, delay) = (
            self.random.once_in(3),
            match version {
                Version::V5 => self.random.pick(&[0, 0, 5, 30, 120]),
                _ => 0,
            },
        );
        let will_delay = [Property::WillDelayInterval(delay)];
        let session_expiry = [Property::SessionExpiryInterval(expiry)];
        let is_v5 = version == Version::V5;
        let connect = Connect {
            clean_start,
            keep_alive: self.random.pick(&[0, 30, 60, 300]),
            will: has_will.then_some(Will {
                topic: &will_topic,
                payload: &will_payload,
                qos,
                retain,
                properties: match is_v5 {
                    true => Properties::from(&will_delay[..]),
                    false => Properties::EMPTY,
                },
            }),
            properties: match is_v5 {
                true => Properties::from(&session_expiry[..]),
                false => Properties::EMPTY,
            },
            ..Connect::new(version, &name)
        };
        let options = Options::new()
            .with_receive_maximum(self.random.pick(&[1, 4, 100]))
            .with_topic_alias_maximum(self.random.pick(&[0, 2]))
            .with_automatic_topic_aliases(self.random.pick(&[0, 2]));
        let connection = match ClientConnection::new(now, &connect, session, options) {
            Ok(connection) => connection,
            Err(error) => fail!(self, "{error}"),
        };
        // It may ask for a clean start of its own.
        let (mut bytes, mut connection) = (Vec::new(), connection);
        connection.poll_transmit(now, &mut bytes, usize::MAX);
        let is_clean = match Packet::decode(version, &DecodeOptions::new(), &mut &bytes[..]) {
            Ok(Some(Packet::Connect(connect))) => connect.clean_start,
            wrong => fail!(self, "a client has sent {wrong:?}"),
        };
        let will = has_will.then_some(WaitingWill {
            message: number,
            delay,
        });
        if has_will {
            self.totals.wills += 1;
            self.messages.push(Sent {
                publisher: at,
                topic: None,
                name: will_topic,
                qos,
                retain,
                is_clear: false,
                expiry: None,
                outcome: Outcome::Open,
                taken: None,
                expires: None,
                stood: Vec::new(),
                fate: Fate::Open,
            });
        }
        self.clients[at].connection = Some(connection);
        let connecting = Connecting {
            is_clean,
            expiry,
            will,
        };
        self.open_link(at, version, connecting);
        if let Some(link) = self.clients[at].link.and_then(|id| self.links.get_mut(&id)) {
            link.to_broker = bytes;
        }
        true
    }

    fn take_connection(&mut self, at: usize) {
        let (now, mut events) = (self.now, Vec::new());
        let client = &mut self.clients[at];
        client.link = None;
        let Some(mut connection) = client.connection.take() else {
            return;
        };
        let lives = Duration::from_secs(client.expiry.0.into());
        let since = *client.lost_at.get_or_insert(now);
        client.is_doubtful |=
            client.expiry.0 < u32::MAX && client.is_opening && now >= since + lives;
        connection.receive_eof(now);
        while let Some(event) = connection.receive(now, &mut &[][..]) {
            match event {
                ClientEvent::Dropped(dropped) => events.push(dropped.handle),
                ClientEvent::Unanswered(handle) => {
                    self.clients[at].unanswered(handle);
                }
                _ => {}
            }
        }
        for handle in events {
            self.lost(at, handle);
        }
        self.clients[at].session = Some(connection.into_session());
    }

    fn lost(&mut self, at: usize, handle: PublishHandle) {
        if let Some(number) = self.clients[at].handles.remove(&handle) {
            self.messages[number].outcome = Outcome::Lost;
        }
    }

    /// The client learns that its transport is gone.
    pub(super) fn client_lost(&mut self, at: usize) {
        self.take_connection(at);
    }

    /// Its CONNECT could come behind that of the next connection, and take that over.
    fn is_still_connecting(&self, id: ConnectionId) -> bool {
        let link = self.links.get(&id);
        link.is_some_and(|link| link.connecting.is_some())
    }

    /// The client is gone, and the broker does not learn of it; or only when the rest has come.
    fn leave_half_open(&mut self, at: usize) {
        let Some(id) = self.clients[at].link else {
            return;
        };
        if self.is_still_connecting(id) {
            return self.cut(id);
        }
        let ends = self.random.once_in(2);
        if let Some(link) = self.links.get_mut(&id) {
            link.is_held = false;
            link.ends = ends;
        }
        self.take_connection(at);
    }

    fn disconnect(&mut self, at: usize, with_will: bool) -> bool {
        let now = self.now;
        if let Some(id) = self.clients[at]
            .link
            .filter(|&id| self.is_still_connecting(id))
        {
            self.cut(id);
            return true;
        }
        let client = &mut self.clients[at];
        let reason = match with_will && client.version == Version::V5 {
            true => ReasonCode::DisconnectWithWillMessage,
            false => ReasonCode::Success,
        };
        let (Some(connection), Some(id)) = (&mut client.connection, client.link) else {
            return false;
        };
        if connection
            .disconnect(now, &Disconnect::new(reason))
            .is_err()
        {
            return false;
        }
        if let Some(link) = self.links.get_mut(&id) {
            while connection.poll_transmit(now, &mut link.to_broker, usize::MAX) > 0 {}
            link.is_held = false;
            link.ends = true;
        }
        self.take_connection(at);
        true
    }

    pub(super) fn leave_for_good(&mut self, at: usize) {
        self.disconnect(at, false);
    }

    pub(super) fn client_timeout(&mut self, at: usize) {
        let now = self.now;
        let client = &mut self.clients[at];
        let Some(connection) = &mut client.connection else {
            return;
        };
        connection.handle_timeout(now);
        if connection.closed().is_some() {
            if let Some(id) = client.link {
                self.cut(id);
            }
        }
    }

    /// Publishes to one of the topics that are its own.
    pub(super) fn client_publishes(&mut self, at: usize) -> Option<usize> {
        let own: Vec<usize> = (0..self.topics.len())
            .filter(|&topic| self.topics[topic].owner == at)
            .collect();
        let topic = self.random.pick(&own);
        let retain = self.random.once_in(4);
        let is_clear = retain && self.random.once_in(5);
        let expiry = self
            .random
            .once_in(5)
            .then(|| self.random.pick(&[5, 20, 60, 600]));
        self.publish(at, topic, retain, is_clear, expiry)
    }

    pub(super) fn publish(
        &mut self,
        at: usize,
        topic: usize,
        retain: bool,
        is_clear: bool,
        expiry: Option<u32>,
    ) -> Option<usize> {
        let number = self.messages.len();
        let (name, qos) = (self.topics[topic].name.clone(), self.topics[topic].qos);
        let client = &mut self.clients[at];
        let expiry = expiry.filter(|_| client.version == Version::V5);
        let payload = match is_clear {
            true => Vec::new(),
            false => payload_of(number),
        };
        let message = Message::new(&name, &payload)
            .ok()?
            .with_qos(qos)
            .with_retain(retain)
            .with_message_expiry_interval(expiry);
        // Without room, or not connected.
        let handle = client
            .connection
            .as_mut()?
            .publish(self.now, message)
            .ok()?;
        if qos > QoS::AtMostOnce {
            client.handles.insert(handle, number);
        }
        self.totals.messages += 1;
        self.messages.push(Sent {
            publisher: at,
            topic: Some(topic),
            name,
            qos,
            retain,
            is_clear,
            expiry,
            outcome: Outcome::Open,
            taken: None,
            expires: None,
            stood: Vec::new(),
            fate: Fate::Open,
        });
        if retain {
            self.topics[topic].retained.push(number);
        }
        Some(number)
    }

    fn subscribe_some(&mut self, at: usize) -> bool {
        let subscribed = self.clients[at].subscribed.values();
        let standing =
            subscribed.filter(|one| one.spans.last().is_some_and(|one| one.end == u64::MAX));
        if standing.count() >= SUBSCRIPTIONS {
            return self.unsubscribe_some(at);
        }
        let filter = self.random_filter();
        let is_v5 = self.clients[at].version == Version::V5;
        if !is_v5 && is_shared(&filter) {
            return false;
        }
        let qos = self.random.pick(&[
            QoS::AtMostOnce,
            QoS::AtLeastOnce,
            QoS::ExactlyOnce,
            QoS::ExactlyOnce,
        ]);
        let mut options = SubscriptionOptions::new(qos);
        let mut identifier = None;
        if is_v5 {
            options.no_local = !is_shared(&filter) && self.random.once_in(5);
            options.retain_as_published = self.random.once_in(3);
            options.retain_handling = self.random.pick(&[
                RetainHandling::SendAtSubscribe,
                RetainHandling::SendIfNew,
                RetainHandling::DoNotSend,
            ]);
            identifier = [None, Some(1), Some(2), Some(300)][self.random.below(4)];
        }
        self.subscribe(at, filter, options, identifier)
    }

    pub(super) fn subscribe(
        &mut self,
        at: usize,
        filter: String,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> bool {
        if !self.clients[at].is_connected() {
            return false;
        }
        let known = self.clients[at].subscribed.get(&filter);
        if known.is_some_and(|known| known.is_busy) {
            return false;
        }
        let subscription = Subscription {
            filter: &filter,
            options,
        };
        let property = identifier.map(Property::SubscriptionIdentifier);
        let Some(connection) = &mut self.clients[at].connection else {
            return false;
        };
        let properties = Properties::from(property.as_slice());
        let Ok(handle) = connection.subscribe(&[subscription], properties) else {
            return false;
        };
        let is_sure = !is_shared(&filter) && !options.no_local;
        let sure = is_sure.then_some(options.qos > QoS::AtMostOnce);
        if known_sure(&self.clients[at], &filter) != sure {
            self.stands(at, &filter, None);
        }
        let (step, client) = (self.step, &mut self.clients[at]);
        let entry = client.subscribed.entry(filter.clone()).or_default();
        entry.is_busy = true;
        if entry.spans.last().is_none_or(|span| span.end < u64::MAX) {
            entry.spans.push(Span {
                start: step,
                end: u64::MAX,
            });
        }
        entry.qos.push(options.qos);
        entry.identifiers.extend(identifier);
        entry.may_be_own |= !options.no_local;
        let request = Request::Subscribe { filter, sure };
        client.requests.insert(handle, request);
        true
    }

    fn unsubscribe_some(&mut self, at: usize) -> bool {
        let client = &self.clients[at];
        if !client.is_connected() || client.subscribed.is_empty() {
            return false;
        }
        let which = self.random.below(client.subscribed.len());
        let Some((filter, entry)) = client.subscribed.iter().nth(which) else {
            return false;
        };
        if entry.is_busy {
            return false;
        }
        let filter = filter.clone();
        let Some(connection) = &mut self.clients[at].connection else {
            return false;
        };
        let Ok(handle) = connection.unsubscribe(&[&filter], Properties::EMPTY) else {
            return false;
        };
        self.stands(at, &filter, None);
        let client = &mut self.clients[at];
        if let Some(entry) = client.subscribed.get_mut(&filter) {
            entry.is_busy = true;
        }
        client
            .requests
            .insert(handle, Request::Unsubscribe { filter });
        true
    }

    /// A subscription is sure to stand from now on, or not.
    fn stands(&mut self, at: usize, filter: &str, sure: Option<bool>) {
        let Some(entry) = self.clients[at].subscribed.get_mut(filter) else {
            return;
        };
        let old = std::mem::replace(&mut entry.sure, sure);
        for topic in &mut self.topics {
            if old == sure || !matches(filter, &topic.name) {
                continue;
            }
            let count = topic.standing.entry(at).or_default();
            count.0 += u32::from(sure.is_some());
            count.1 += u32::from(sure == Some(true));
            count.0 -= u32::from(old.is_some());
            count.1 -= u32::from(old == Some(true));
            if count.0 == 0 {
                topic.standing.remove(&at);
            }
        }
    }

    /// The session at the broker is another one; or may be, if it is not sure to be new.
    pub(super) fn begin_session(&mut self, at: usize, is_new: bool) {
        let filters: Vec<String> = self.clients[at].subscribed.keys().cloned().collect();
        for filter in filters {
            self.stands(at, &filter, None);
        }
        let client = &mut self.clients[at];
        client.session_number += 1;
        client.last.clear();
        if is_new {
            client.subscribed.clear();
            client.received.clear();
            client.exactly_once.clear();
        }
    }

    pub(super) fn client_reads(&mut self, at: usize, bytes: &[u8]) {
        let now = self.now;
        let Some(mut connection) = self.clients[at].connection.take() else {
            return;
        };
        let mut input = bytes;
        loop {
            let Some(event) = connection.receive(now, &mut input) else {
                // Replies may wait for room.
                break;
            };
            self.client_learns(at, event);
        }
        if let Some(closed) = connection.closed() {
            if let CloseCause::Violation(error) = closed.cause {
                fail!(self, "client {at} finds that {error}");
            }
        }
        self.clients[at].connection = Some(connection);
        // What is left of a packet comes again, in front of the rest.
        let link = self.clients[at].link.and_then(|id| self.links.get_mut(&id));
        if let Some(link) = link {
            link.to_client.splice(0..0, input.iter().copied());
        }
    }

    fn client_learns(&mut self, at: usize, event: ClientEvent<'_>) {
        match event {
            ClientEvent::Connack(connack) => {
                if connack.reason != ReasonCode::Success {
                    fail!(self, "client {at}: {connack:?}");
                }
                let client = &mut self.clients[at];
                if client
                    .is_present
                    .is_some_and(|is| is != connack.session_present)
                {
                    let is_present = client.is_present;
                    fail!(self, "client {at}: {connack:?}, not {is_present:?}");
                }
                client.standing.is_connack_seen = true;
                client.expiry.0 = client.expiry.1;
                (client.lost_at, client.is_opening, client.is_doubtful) = (None, false, false);
                if client.is_present.is_none() && !connack.session_present {
                    self.begin_session(at, true);
                }
            }
            ClientEvent::Publish(incoming) => self.client_gets(at, &incoming),
            ClientEvent::Published { handle, ack } => {
                let Some(number) = self.clients[at].handles.remove(&handle) else {
                    fail!(self, "client {at}: {ack:?} for nothing");
                };
                let message = &mut self.messages[number];
                message.outcome = Outcome::Acknowledged;
                // PUBREL comes again where PUBCOMP was lost.
                let is_again = message.qos == QoS::ExactlyOnce
                    && ack.reason == ReasonCode::PacketIdentifierNotFound;
                if ack.reason.is_error() && !is_again {
                    fail!(self, "client {at}: {ack:?}");
                }
                if message.taken.is_none() && !message.is_clear {
                    fail!(self, "message {number} is acknowledged and was not taken");
                }
                let sessions = &self.clients;
                let stands = |(client, session, _): &&(usize, u64, bool)| {
                    sessions[*client].session_number == *session
                };
                let nobody = ack.reason == ReasonCode::NoMatchingSubscribers;
                if let (true, Some(one)) = (nobody, message.stood.iter().find(stands)) {
                    fail!(
                        self,
                        "message {number}: {ack:?}, but {one:?} has subscribed"
                    );
                }
            }
            ClientEvent::Dropped(dropped) => self.lost(at, dropped.handle),
            ClientEvent::Unanswered(handle) => self.clients[at].unanswered(handle),
            ClientEvent::Subscribed { handle, suback } => {
                let request = self.clients[at].requests.remove(&handle);
                if suback.reason_codes.iter().any(ReasonCode::is_error) {
                    fail!(self, "client {at}: {suback:?}");
                }
                if let Some(Request::Subscribe { filter, sure }) = request {
                    if let Some(entry) = self.clients[at].subscribed.get_mut(&filter) {
                        entry.is_busy = false;
                    }
                    self.stands(at, &filter, sure);
                }
            }
            ClientEvent::Unsubscribed { handle, .. } => {
                let (step, client) = (self.step, &mut self.clients[at]);
                if let Some(Request::Unsubscribe { filter }) = client.requests.remove(&handle) {
                    if let Some(entry) = client.subscribed.get_mut(&filter) {
                        entry.is_busy = false;
                        if let Some(span) = entry.spans.last_mut() {
                            span.end = span.end.min(step);
                        }
                    }
                }
            }
            ClientEvent::Disconnect(disconnect) => match disconnect.reason {
                ReasonCode::SessionTakenOver | ReasonCode::KeepAliveTimeout => {}
                _ => fail!(self, "client {at}: {disconnect:?}"),
            },
            _ => {}
        }
    }

    /// A message reaches a client.
    fn client_gets(&mut self, at: usize, incoming: &Incoming<'_>) {
        self.totals.deliveries += 1;
        let publish = &incoming.publish;
        let topic = incoming.topic();
        if publish.retain {
            let retained = (topic.to_owned(), publish.payload.to_vec());
            self.clients[at].retained.push(retained);
        }
        let Some(number) = payload_id(publish.payload) else {
            return;
        };
        let Some(message) = self.messages.get(number) else {
            fail!(self, "client {at} gets {publish:?}, which nobody sent");
        };
        let Some(taken) = message.taken.filter(|_| topic == message.name) else {
            fail!(
                self,
                "client {at} gets {publish:?} of topic {topic}, which was not published"
            );
        };
        if publish.payload != payload_of(number) || publish.retain && !message.retain {
            fail!(
                self,
                "client {at} gets {publish:?}, which was published otherwise"
            );
        }
        let client = &self.clients[at];
        let is_own = message.publisher == at && message.topic.is_some() && !publish.retain;
        let right = client.subscribed.iter().filter(|(filter, entry)| {
            matches(filter, topic)
                && (entry.may_be_own || !is_own)
                && entry.spans.iter().any(|span| {
                    let is_late = publish.retain || is_shared(filter);
                    span.end >= taken.0 && (is_late || span.start <= taken.1)
                })
        });
        if right.clone().next().is_none() {
            fail!(
                self,
                "client {at} gets {publish:?} of topic {topic} without a subscription"
            );
        }
        // From one member of a Shared Subscription to another it may have lost some.
        if !right.clone().any(|(filter, entry)| {
            let mut qos = entry.qos.iter().map(|qos| message.qos.min(*qos));
            qos.any(|qos| qos == publish.qos || is_shared(filter) && qos > publish.qos)
        }) {
            fail!(
                self,
                "client {at} gets {publish:?} with a QoS that it has not"
            );
        }
        for identifier in publish.subscription_identifiers.iter() {
            let mut right = right.clone();
            if !right.any(|(_, entry)| entry.identifiers.contains(&identifier)) {
                fail!(
                    self,
                    "client {at} gets {publish:?} with an identifier that it has not"
                );
            }
        }
        let may_be_shared = client
            .subscribed
            .keys()
            .any(|filter| is_shared(filter) && matches(filter, topic));
        let stood = message.stood.binary_search_by_key(&at, |one| one.0);
        let stood = stood.ok().map(|index| message.stood[index]);
        // A subscription that was not yet acknowledged may have missed it the first time.
        let stood = stood.is_some_and(|one| one.1 == client.session_number && one.2);
        // Where a copy may be lost or expire, one that was published again may come late.
        let is_kept = message.qos == QoS::AtMostOnce || publish.qos > QoS::AtMostOnce;
        let stood = stood && is_kept && message.expiry.is_none();
        let (order, qos) = (message.topic, publish.qos);
        let client = &mut self.clients[at];
        let is_first = !client.received.contains_key(&number);
        *client.received.entry(number).or_default() += 1;
        if publish.retain || may_be_shared {
            return;
        }
        if qos == QoS::ExactlyOnce {
            let count = client.exactly_once.entry(number).or_default();
            *count += 1;
            if *count > 1 {
                fail!(self, "client {at} gets {publish:?} of topic {topic} again");
            }
        }
        if let (Some(order), true, true) = (order, is_first, stood) {
            let last = client.last.entry((order, qos)).or_default();
            if *last > number {
                let last = *last;
                fail!(self, "client {at} gets {number} behind {last}");
            }
            *last = number;
        }
    }
}

fn known_sure(client: &Client, filter: &str) -> Option<bool> {
    client.subscribed.get(filter)?.sure
}

impl Client {
    /// Whether the broker has done what was asked for is not known.
    fn unanswered(&mut self, handle: RequestHandle) {
        let filter = match self.requests.remove(&handle) {
            Some(Request::Subscribe { filter, .. } | Request::Unsubscribe { filter }) => filter,
            None => return,
        };
        if let Some(entry) = self.subscribed.get_mut(&filter) {
            entry.is_busy = false;
        }
    }
}
