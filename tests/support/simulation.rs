// A client and a server connection over a long history: the link chunks, delays and breaks, transports are slow, limits
// change, sessions move. A faithful driver sleeps exactly until `poll_timeout`. `run` panics where a guarantee does not hold.

#[path = "simulation/end.rs"]
mod end;
#[path = "simulation/history.rs"]
mod history;
#[path = "simulation/ledger.rs"]
mod ledger;

use std::collections::HashSet;

use end::{Around, End, Link, Random};
pub(crate) use history::History;
use history::{Content, Opening, Pace, Step};
use ledger::Ledger;
use sansio_mqtt::*;

use crate::machine::{Event, Machine};

/// What came out of a history: every event, every byte, every end, each with its moment.
#[derive(Default, PartialEq)]
pub(crate) struct Log {
    pub(crate) lines: Vec<(u64, &'static str, String)>,
    /// Messages that were accepted, and deliveries.
    pub(crate) messages: usize,
    pub(crate) deliveries: usize,
    pub(crate) connections: usize,
}

impl Log {
    fn event(&mut self, now: u64, name: &'static str, event: &Event) {
        let text = match event {
            // Tokens have the number of their connection, which differs from run to run.
            Event::Publish(arrival) => {
                self.deliveries += 1;
                let payload = arrival.message.payload();
                let payload = String::from_utf8_lossy(&payload[..payload.len().min(10)]);
                format!("{payload} {:?} {}", arrival.id, arrival.dup)
            }
            Event::Request {
                filters, subscribe, ..
            } => format!("{subscribe} {filters:?}"),
            other => format!("{other:?}"),
        };
        self.lines.push((now, name, text));
    }

    fn bytes(&mut self, now: u64, name: &'static str, bytes: &[u8]) {
        self.lines.push((now, name, format!("{bytes:02x?}")));
    }

    fn closed(&mut self, now: u64, name: &'static str, closed: Closed) {
        self.lines.push((now, name, format!("{closed:?}")));
    }
}

struct World {
    now: u64,
    opening: Opening,
    client: End<ClientConnection>,
    server: End<ServerConnection>,
    to_server: Link,
    to_client: Link,
    /// What each application keeps while there is no connection.
    stored: Option<Session>,
    client_session: Option<Session>,
    from_client: Ledger,
    from_server: Ledger,
    requests: Vec<(RequestToken, bool, usize)>,
    /// Requests of the client without an answer.
    asked: HashSet<RequestHandle>,
    connection: u32,
    /// The server has the session.
    accepted: bool,
    /// It has lost the session, and the client has not heard of it.
    forgotten: bool,
    /// How the link is to break: without a sign, and with what is under way.
    cut: (bool, bool),
    /// The link was whole, and nobody ended the connection.
    whole: bool,
    log: Log,
    spurious: Option<Random>,
    events: Vec<Event>,
}

/// Runs a history to its end, where the link heals and everything has to settle. With a seed, calls without a reason are
/// strewn in.
pub(crate) fn run(history: &History, spurious: Option<u64>) -> Log {
    let mut world = World::new(history.opening(), spurious);
    world.connect();
    let mut offline = 0;
    for step in history.steps() {
        world.step(&step);
        let over = |closed: bool, machine: bool| closed || !machine;
        let client = over(
            world.client.closed.is_some(),
            world.client.machine.is_some(),
        );
        let server = over(
            world.server.closed.is_some(),
            world.server.machine.is_some(),
        );
        offline = if world.whole { 0 } else { offline + 1 };
        if (client && server && offline > 3) || offline > 12 {
            world.reconnect();
            offline = 0;
        }
    }
    world.settle();
    world.log.messages = world.from_client.next() + world.from_server.next();
    world.log
}

macro_rules! on {
    ($world:ident, $client:expr, |$end:ident, $around:ident| $body:expr) => {{
        let spurious = &mut $world.spurious;
        if $client {
            let ($end, $around) = (
                &mut $world.client,
                &mut Around {
                    now: $world.now,
                    connection: $world.connection,
                    incoming: &mut $world.to_client,
                    outgoing: &mut $world.to_server,
                    theirs: &mut $world.from_server,
                    ours: &mut $world.from_client,
                    log: &mut $world.log,
                    spurious,
                    events: &mut $world.events,
                },
            );
            $body
        } else {
            let ($end, $around) = (
                &mut $world.server,
                &mut Around {
                    now: $world.now,
                    connection: $world.connection,
                    incoming: &mut $world.to_server,
                    outgoing: &mut $world.to_client,
                    theirs: &mut $world.from_client,
                    ours: &mut $world.from_server,
                    log: &mut $world.log,
                    spurious,
                    events: &mut $world.events,
                },
            );
            $body
        }
    }};
}

impl World {
    fn new(opening: Opening, spurious: Option<u64>) -> Self {
        Self {
            now: 1_000_000,
            opening,
            client: End::new("client"),
            server: End::new("server"),
            to_server: Link::default(),
            to_client: Link::default(),
            stored: None,
            client_session: None,
            from_client: Ledger::default(),
            from_server: Ledger::default(),
            requests: Vec::new(),
            asked: HashSet::new(),
            connection: 0,
            accepted: false,
            forgotten: false,
            cut: (false, false),
            whole: true,
            log: Log::default(),
            spurious: spurious.map(|seed| Random(seed | 1)),
            events: Vec::new(),
        }
    }

    fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn connect(&mut self) {
        let (now, opening) = (self.now, self.opening.clone());
        self.connection += 1;
        self.log.connections += 1;
        if opening.restart {
            self.client_session = self.client_session.take().map(restored);
            self.stored = self.stored.take().map(restored);
        }
        let expiry = [Property::SessionExpiryInterval(1 << 30)];
        let connect = Connect {
            clean_start: opening.clean_start,
            keep_alive: opening.keep_alive,
            properties: match opening.version {
                Version::V5 => Properties::from(&expiry[..]),
                _ => Properties::new(),
            },
            ..Connect::new(opening.version, "c")
        };
        let session = self.client_session.take().unwrap_or_default();
        let client =
            ClientConnection::new(self.instant(), &connect, session, opening.client.clone());
        let client = client.expect("CONNECT");
        let server = ServerConnection::new(self.instant(), opening.server.clone());
        let manual = opening.client.manual_acknowledgement();
        self.client.open(client, opening.version, manual, now);
        let manual = opening.server.manual_acknowledgement();
        self.server.open(server, opening.version, manual, now);
        for link in [&mut self.to_server, &mut self.to_client] {
            *link = Link::default();
            (link.chunk, link.delay) = (opening.chunk, opening.delay);
        }
        self.requests.clear();
        self.asked.clear();
        self.whole = true;
        self.moment();
    }

    /// The transport is given up; each application keeps its session.
    fn end(&mut self) {
        if let Some((session, _)) = on!(self, true, |end, around| end.take(around)) {
            self.from_client.check_session(&session);
            self.client_session = Some(session);
        }
        let accepted = std::mem::take(&mut self.accepted);
        if let Some((session, closed)) = on!(self, false, |end, around| end.take(around)) {
            if !accepted {
                assert_eq!((session.queued(), session.in_flight()), (0, 0));
            } else if closed.session_expiry_interval == 0 {
                self.from_server.forget();
                self.stored = None;
            } else {
                self.from_server.check_session(&session);
                self.stored = Some(session);
            }
        }
        self.events.clear();
    }

    fn reconnect(&mut self) {
        self.end();
        self.connect();
    }

    /// Everything that can happen at this moment.
    fn moment(&mut self) {
        let mut turns = 0;
        loop {
            let mut busy = on!(self, true, |end, around| end.turn(around));
            busy |= self.application();
            busy |= on!(self, false, |end, around| end.turn(around));
            busy |= self.application();
            self.look();
            if !busy {
                return;
            }
            turns += 1;
            assert!(turns < 100_000, "a driver that spins");
        }
    }

    /// What the applications do at once.
    fn application(&mut self) -> bool {
        let events = std::mem::take(&mut self.events);
        let busy = !events.is_empty();
        for event in events {
            match event {
                Event::Connect(asked) => self.accept(asked.clean_start),
                Event::Connack { reason, .. } => {
                    assert_eq!(reason, ReasonCode::Success);
                    self.forgotten = false;
                    self.client.keep_alive = self.keep_alive();
                }
                Event::Request {
                    token,
                    subscribe,
                    filters,
                } => {
                    self.requests.push((token, subscribe, filters.len()));
                }
                Event::Answered(handle, ..) => assert!(self.asked.remove(&handle)),
                Event::Disconnect(reason) => assert!(!self.whole, "{reason}"),
                Event::Other(_) => {}
                other => panic!("{other:?}"),
            }
        }
        busy
    }

    fn keep_alive(&self) -> u64 {
        let theirs = self
            .opening
            .server_keep_alive
            .filter(|_| self.opening.version == Version::V5);
        u64::from(theirs.unwrap_or(self.opening.keep_alive)) * 1000
    }

    fn accept(&mut self, clean_start: bool) {
        let opening = self.opening.clone();
        let mut session = self.stored.take();
        // Forgotten without the client's knowing is not forgotten for long: until it knows, what it has under way cannot
        // be told from what it would have.
        self.forgotten |= opening.forget && !clean_start;
        if clean_start || self.forgotten {
            session = None;
            self.from_server.forget();
        }
        let mut properties = Vec::new();
        if opening.version == Version::V5 {
            properties.extend(opening.server_keep_alive.map(Property::ServerKeepAlive));
            properties.extend(opening.maximum_qos.map(Property::MaximumQos));
            properties.extend(
                opening
                    .no_retain
                    .then_some(Property::RetainAvailable(false)),
            );
        }
        let connack = Connack {
            properties: Properties::from(&properties[..]),
            ..Connack::new(ReasonCode::Success)
        };
        let now = self.instant();
        let server = self.server.machine.as_mut().expect("a server");
        server.accept(now, session, &connack).expect("accept");
        // From here on the session is with the connection, whether or not CONNACK goes out.
        self.accepted = true;
        self.server.keep_alive = self.keep_alive();
        self.server.last_heard = self.now;
    }

    /// What must hold at any moment.
    fn look(&mut self) {
        if self.to_server.budget == Some(0) || self.to_client.budget == Some(0) {
            self.break_link();
        }
        let (acks, requests) = (!self.server.acks.is_empty(), !self.requests.is_empty());
        self.server.owes(self.now, acks || requests);
        self.client.owes(self.now, !self.client.acks.is_empty());
        for closed in [self.client.closed, self.server.closed]
            .into_iter()
            .flatten()
        {
            let held = self.now.saturating_sub(self.server.held) < 60_000;
            match closed.cause {
                CloseCause::Eof
                | CloseCause::Disconnected(ReasonCode::NORMAL_DISCONNECTION)
                | CloseCause::PeerDisconnected(ReasonCode::NORMAL_DISCONNECTION)
                | CloseCause::ConnectTimeout
                | CloseCause::PeerDisconnected(ReasonCode::KeepAliveTimeout) => {
                    assert!(!self.whole, "{closed:?} of a whole link");
                }
                CloseCause::KeepAliveTimeout => {
                    let excused = self.server.was_held(self.now);
                    assert!(!self.whole || excused, "{closed:?} of a whole link");
                }
                // A server that does not read because its application does not answer is dead to its client.
                CloseCause::PingTimeout => {
                    let excused = held || self.client.was_held(self.now);
                    assert!(!self.whole || excused, "{closed:?} of a whole link");
                }
                other => panic!("{other:?}"),
            }
            self.whole = false;
        }
    }

    fn break_link(&mut self) {
        (self.to_server.broken, self.to_client.broken) = (true, true);
        (self.to_server.budget, self.to_client.budget) = (None, None);
        self.whole = false;
        let (silent, lose) = self.cut;
        if lose {
            self.to_server.lose();
            self.to_client.lose();
        }
        if !silent {
            self.to_server.end(self.now);
            self.to_client.end(self.now);
        }
    }

    /// Lets time pass; each end is woken when it asked for it, and when something comes.
    fn advance(&mut self, time: u64) {
        let end = self.now + time;
        self.moment();
        loop {
            let next = [
                self.client.next(&self.to_client),
                self.server.next(&self.to_server),
            ];
            let next = next.into_iter().flatten().min().filter(|next| *next <= end);
            if let Some(random) = &mut self.spurious {
                let until = next.unwrap_or(end);
                if until > self.now + 1 && random.below(4) == 0 {
                    let early = self.now + 1 + random.below(until - self.now - 1);
                    self.client.early(early, random);
                    self.server.early(early, random);
                }
            }
            let Some(next) = next else { break };
            assert!(next >= self.now);
            self.now = next;
            self.moment();
        }
        self.now = end;
        self.moment();
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Advance(time) => self.advance(time),
            Step::Publish {
                client,
                content,
                count,
                directly,
            } => {
                for _ in 0..count {
                    if client {
                        on!(self, true, |end, around| publish(
                            end,
                            around,
                            content,
                            directly,
                            &mut self.client_session,
                            &self.opening
                        ));
                    } else {
                        on!(self, false, |end, around| publish(
                            end,
                            around,
                            content,
                            directly,
                            &mut self.stored,
                            &self.opening
                        ));
                    }
                }
            }
            Step::Acknowledge {
                client,
                index,
                count,
                reason,
            } => {
                let v5 = self.opening.version == Version::V5;
                let reason = if v5 { reason } else { ReasonCode::Success };
                on!(self, client, |end, around| acknowledge(
                    end,
                    around.theirs,
                    index,
                    count,
                    reason
                ));
            }
            Step::Request { subscribe, filters } => self.request(subscribe, filters),
            Step::Answer { index, count } => self.answer(index, count),
            Step::Pace { client, pace } => on!(self, client, |end, _around| end.pace = pace),
            Step::Cut {
                client,
                after,
                silent,
                lose,
            } => {
                if self.whole {
                    self.cut = (silent, lose);
                    let link = if client {
                        &mut self.to_server
                    } else {
                        &mut self.to_client
                    };
                    link.budget.get_or_insert(after);
                    self.look();
                }
            }
            Step::Disconnect { client } => {
                let at = self.instant();
                let left = on!(self, client, |end, _around| {
                    let left = end
                        .machine
                        .as_mut()
                        .map(|one| one.disconnect(at, &Disconnect::default()));
                    left == Some(Ok(()))
                });
                if left {
                    self.whole = false;
                }
            }
            Step::Connect(ref opening) => {
                self.end();
                self.opening = opening.clone();
                self.connect();
            }
        }
        self.moment();
    }

    fn request(&mut self, subscribe: bool, filters: usize) {
        let filters = &["a/+", "t", "#", "a/b/c/d"][..filters];
        let Some(client) = &mut self.client.machine else {
            return;
        };
        let result = if subscribe {
            let list: Vec<_> = filters
                .iter()
                .map(|one| Subscription::new(one, QoS::ExactlyOnce))
                .collect();
            client.subscribe(&list, Properties::new())
        } else {
            client.unsubscribe(filters, Properties::new())
        };
        match result {
            Ok(handle) => assert!(self.asked.insert(handle)),
            Err(RequestError::NotOpen) => assert!(!client.is_connected()),
            Err(RequestError::Backlog) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn answer(&mut self, index: usize, count: usize) {
        for _ in 0..count {
            if self.requests.is_empty() {
                return;
            }
            let index = index % self.requests.len();
            let (token, subscribe, filters) = self.requests.swap_remove(index);
            let codes = vec![ReasonCode::Success; filters];
            let Some(server) = &mut self.server.machine else {
                return;
            };
            let result = if subscribe {
                server.suback(token, &codes, Properties::new())
            } else {
                server.unsuback(token, &codes, Properties::new())
            };
            assert_eq!(result.is_ok(), server.is_connected(), "{result:?}");
        }
    }

    /// The link heals and the applications answer: everything settles, and nothing is left of it.
    fn settle(&mut self) {
        self.end();
        let kept = Opening {
            clean_start: false,
            forget: false,
            ..self.opening.clone()
        };
        self.opening = kept;
        let pace = Pace {
            limit: usize::MAX,
            period: 0,
        };
        (self.client.pace, self.server.pace) = (pace, pace);
        self.connect();
        for round in 0.. {
            self.answer(0, usize::MAX);
            on!(self, true, |end, around| acknowledge(
                end,
                around.theirs,
                0,
                usize::MAX,
                ReasonCode::Success
            ));
            on!(self, false, |end, around| acknowledge(
                end,
                around.theirs,
                0,
                usize::MAX,
                ReasonCode::Success
            ));
            self.advance(if round == 0 { 0 } else { 20 });
            assert!(
                self.whole,
                "{:?} {:?}",
                self.client.closed, self.server.closed
            );
            if self.is_quiet() {
                break;
            }
            assert!(
                round < 100_000,
                "no way forward: {:?} {:?}",
                self.client.machine,
                self.server.machine
            );
        }
        self.from_client.check_end();
        self.from_server.check_end();
        check_empty(&self.client);
        check_empty(&self.server);
    }

    fn is_quiet(&self) -> bool {
        let (Some(client), Some(server)) = (&self.client.machine, &self.server.machine) else {
            return false;
        };
        let (ours, theirs) = (client.session(), server.session());
        client.is_connected()
            && server.is_connected()
            && [
                ours.queued(),
                ours.in_flight(),
                theirs.queued(),
                theirs.in_flight(),
            ] == [0; 4]
            && self.client.acks.is_empty()
            && self.server.acks.is_empty()
            && self.to_client.is_empty()
            && self.to_server.is_empty()
            && self.asked.is_empty()
    }
}

/// As it comes back from a store.
fn restored(session: Session) -> Session {
    let mut snapshot = Vec::new();
    session.snapshot(&mut snapshot);
    drop(session);
    Session::restore(&snapshot).expect("a snapshot")
}

/// Nothing is left of the messages but the session itself.
fn check_empty<M: Machine>(end: &End<M>) {
    let machine = end.machine.as_ref().expect("a connection");
    let maximum = end.limits().expect("limits").receive_maximum;
    assert_eq!(machine.send_quota(), maximum, "the quota is whole");
    let session = format!("{:?}", machine.session());
    assert!(session.contains("received: 0"), "{session}");
}

fn publish<M: Machine>(
    end: &mut End<M>,
    around: &mut Around<'_>,
    content: Content,
    directly: bool,
    stored: &mut Option<Session>,
    opening: &Opening,
) {
    let now = Instant::from_millis(around.now);
    let client = M::SENDER == Role::Client;
    let options = if client {
        &opening.client
    } else {
        &opening.server
    };
    let text = format!("{} {}", around.ours.next(), "-".repeat(content.padding));
    let list = [Property::ContentType("x"), Property::UserProperty("a", "b")];
    let mut message = Message::new(content.topic, text.as_bytes())
        .expect("topic")
        .with_qos(content.qos)
        .with_retain(content.retain)
        .with_message_expiry_interval(content.expiry);
    if content.properties {
        message = message
            .with_properties(Properties::from(&list[..]))
            .expect("properties");
    }
    let copy = message.clone();
    let Some(machine) = &mut end.machine else {
        if let Some(session) = stored {
            match session.enqueue(now, message, options) {
                Ok(handle) => around.ours.accepted(handle, copy, now),
                Err(error) => assert_eq!(
                    (error.message, error.reason),
                    (copy, PublishErrorReason::QueueFull)
                ),
            }
        }
        return;
    };
    let (version, connected, closed) = (
        machine.version(),
        machine.is_connected(),
        machine.closed().is_some(),
    );
    let state = |machine: &M| {
        let session = machine.session();
        (
            session.queued(),
            session.in_flight(),
            machine.send_quota(),
            machine.poll_timeout(),
            machine.closed(),
        )
    };
    let before = state(machine);
    if directly && connected && end.may_send(around.now) && end.pace.limit == usize::MAX {
        let machine = end.machine.as_mut().expect("a connection");
        let mut out = Vec::new();
        let publish = Publish {
            qos: copy.qos(),
            retain: copy.retain(),
            message_expiry_interval: copy.message_expiry_interval(),
            properties: copy.properties(),
            ..Publish::new(copy.topic(), copy.payload())
        };
        let result = machine.publish_into(now, &publish, &mut out);
        if let Ok(handle) = result {
            around.ours.accepted(handle, copy, now);
        }
        end.put(&out, around);
        return;
    }
    let machine = end.machine.as_mut().expect("a connection");
    let error = match machine.publish(now, message) {
        Ok(handle) => {
            assert!(connected || (client && !closed));
            return around.ours.accepted(handle, copy, now);
        }
        Err(error) => error,
    };
    // Handed back, and nothing has happened.
    assert_eq!(error.message, copy);
    assert_eq!(state(machine), before);
    match error.reason {
        PublishErrorReason::NotOpen => assert!(!connected),
        PublishErrorReason::QueueFull => {
            let (messages, bytes) = around.ours.kept();
            let (messages, bytes) = (
                messages + before.1 + 1,
                bytes + 64 + copy.topic().len() + copy.payload().len(),
            );
            let full = messages > options.maximum_kept_messages() as usize
                || bytes > options.maximum_kept_bytes() as usize;
            assert!(full, "{messages} messages, {bytes} bytes are not too many");
        }
        PublishErrorReason::TooLarge { maximum, size } => {
            assert_eq!(
                Some(maximum),
                end.limits().map(|limits| limits.maximum_packet_size)
            );
            assert!(size > maximum as usize);
        }
        PublishErrorReason::QosNotSupported => {
            assert!(
                client
                    && opening
                        .maximum_qos
                        .is_some_and(|maximum| copy.qos() > maximum)
            );
        }
        PublishErrorReason::RetainNotSupported => {
            assert!(client && opening.no_retain && copy.retain());
        }
        PublishErrorReason::NeedsV5 => assert!(client && version != Version::V5),
        other => panic!("{other}"),
    }
}

fn acknowledge<M: Machine>(
    end: &mut End<M>,
    theirs: &mut Ledger,
    index: usize,
    count: usize,
    reason: ReasonCode,
) {
    let Some(machine) = &mut end.machine else {
        return;
    };
    if let Some(stale) = &end.stale {
        assert_eq!(
            machine.acknowledge(stale, reason),
            Err(AcknowledgeError::StaleToken)
        );
    }
    for step in 0..count {
        if end.acks.is_empty() {
            return;
        }
        let index = (index + step * 7) % end.acks.len();
        let (token, message) = end.acks.swap_remove(index);
        let result = machine.acknowledge(&token, reason);
        if machine.is_connected() {
            assert_eq!(result, Ok(()));
            theirs.acknowledged(message, reason);
        }
        assert_eq!(
            machine.acknowledge(&token, reason),
            Err(AcknowledgeError::StaleToken)
        );
        end.stale = Some(token);
    }
}
