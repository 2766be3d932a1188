//! A broker for MQTT 3.1.1 and 5.0 over TCP: `cargo run --release --example broker`.
//!
//! The protocol is in the crate. What is here is what a broker adds to it: who gets which message,
//! what is kept for whom and for how long, and the sockets. A task per connection reads and writes
//! its socket and gives the one [`Broker`] a turn in between, behind one lock. So nothing is on its
//! way from one connection to another when the first one acknowledges it, and a session moves from
//! an old connection to a new one in one step.
//!
//! Messages for a slow consumer are queued up to the limits below. Beyond them it loses those of
//! QoS 0, and is disconnected (0x97, Quota exceeded) rather than let down silently at QoS 1 or 2.
//! Nobody is authenticated, and nothing survives the end of the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use clap::Parser;
use sansio_mqtt::{
    Clock, Connack, Connect, Disconnect, Instant, Message, Options, Properties, Property,
    PublishErrorReason, QoS, ReasonCode, RetainHandling, ServerConnection, ServerEvent, Session,
    Subscribe, Subscription, SubscriptionOptions, TopicFilter, TopicName, Unsubscribe, Version,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time;

/// Bytes of the largest packet: a message is held in memory as a whole.
const MAXIMUM_PACKET_SIZE: u32 = 16 << 20;
/// Messages, and bytes of messages, that wait for one client.
const MAXIMUM_QUEUED_MESSAGES: u32 = 100_000;
const MAXIMUM_QUEUED_BYTES: u32 = 64 << 20;
/// Every message is matched against each of them.
const MAXIMUM_SUBSCRIPTIONS_PER_CLIENT: usize = 1_000;
/// Bytes taken from and given to a socket at a time.
const CHUNK: usize = 64 << 10;
/// How long the end of a connection may take.
const LINGER: Duration = Duration::from_secs(5);

/// A broker for MQTT 3.1.1 and 5.0 over TCP
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883")]
    listen: String,
}

#[derive(Default)]
struct Broker {
    clock: Clock,
    clients: HashMap<Arc<str>, Client>,
    /// With the time since when a message is kept.
    retained: BTreeMap<TopicName<'static>, (Message, Instant)>,
    /// For assigned client identifiers and for turns in shared subscriptions.
    counter: u64,
    /// Tells the housekeeper that a client has got a deadline.
    deadline: Arc<Notify>,
}

/// What belongs to a client identifier, whether connected or not.
#[derive(Default)]
struct Client {
    connection: Option<Arc<Connection>>,
    /// While there is a connection, that has it.
    session: Option<Session>,
    subscriptions: Vec<Subscribed>,
    /// With its Will Delay Interval.
    will: Option<(Message, Duration)>,
    /// When to publish the will and when to end the session.
    will_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// When this client was last chosen from those that share a subscription.
    served: u64,
}

struct Subscribed {
    filter: TopicFilter<'static>,
    options: SubscriptionOptions,
    identifier: Option<u32>,
}

/// One connection, known to its task and to its client.
struct Connection {
    peer: String,
    /// Set when CONNECT is accepted.
    client: OnceLock<Arc<str>>,
    state: Mutex<State>,
    /// Tells the task that there is something to do.
    wake: Notify,
}

enum State {
    Open(Box<ServerConnection>),
    /// Its last bytes.
    Over(Vec<u8>),
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a turn panicked")
    }

    fn with<T>(&self, action: impl FnOnce(&mut ServerConnection) -> T) -> Option<T> {
        match &mut *self.lock() {
            State::Open(machine) => Some(action(machine)),
            State::Over(_) => None,
        }
    }

    fn name(&self) -> &str {
        self.client.get().map_or(&self.peer, |name| name)
    }
}

impl Broker {
    /// All that one connection can do now. `input` is left at the unread tail. `out` is added to
    /// only when it was written: a peer that does not read is not listened to for long. Returns
    /// how long to wait for bytes, or that the connection is over.
    fn turn(
        &mut self,
        connection: &Arc<Connection>,
        input: &mut &[u8],
        out: &mut Vec<u8>,
        end_of_input: bool,
    ) -> ControlFlow<(), Option<Duration>> {
        let now = self.clock.now();
        connection.with(|machine| machine.handle_timeout(now));
        while let Some(event) = connection
            .with(|machine| machine.receive(now, input))
            .flatten()
        {
            self.handle(connection, now, event);
        }
        connection.with(|machine| {
            if out.is_empty() {
                machine.poll_transmit(now, out, CHUNK);
            }
            if out.is_empty() && end_of_input {
                machine.receive_eof(now);
            }
        });
        if connection
            .with(|machine| machine.closed())
            .flatten()
            .is_some()
        {
            self.finish(connection, now);
        }
        match &mut *connection.lock() {
            State::Open(machine) => {
                let deadline = machine.poll_timeout();
                ControlFlow::Continue(deadline.map(|deadline| self.clock.until(deadline)))
            }
            State::Over(last) => {
                out.append(last);
                ControlFlow::Break(())
            }
        }
    }

    fn handle(&mut self, connection: &Arc<Connection>, now: Instant, event: ServerEvent<'_>) {
        match event {
            ServerEvent::Connect(connect) => {
                if let Err(reason) = self.connect(connection, now, &connect) {
                    eprintln!("{}: refused: {reason}", connection.peer);
                    connection.with(|machine| machine.refuse(now, &Connack::new(reason)));
                }
            }
            ServerEvent::Publish(incoming) => {
                self.publish(now, &incoming.to_message(), connection.name());
            }
            ServerEvent::Subscribe { subscribe, token } => {
                let (codes, retained) = self.subscribe(connection, now, &subscribe);
                connection.with(|machine| machine.suback(token, &codes, Properties::EMPTY));
                for message in retained {
                    self.deliver(connection.name(), now, message);
                }
            }
            ServerEvent::Unsubscribe { unsubscribe, token } => {
                let codes = self.unsubscribe(connection, &unsubscribe);
                connection.with(|machine| machine.unsuback(token, &codes, Properties::EMPTY));
            }
            ServerEvent::Dropped(dropped) => {
                eprintln!("{}: message lost: {:?}", connection.name(), dropped.reason);
            }
            // Deliveries that are complete need nothing, nor does DISCONNECT: `closed` tells what
            // follows from it. Authentication was refused with CONNECT.
            _ => {}
        }
    }

    fn connect(
        &mut self,
        connection: &Arc<Connection>,
        now: Instant,
        connect: &Connect<'_>,
    ) -> Result<(), ReasonCode> {
        if connect.properties.authentication_method().is_some() {
            return Err(ReasonCode::BadAuthenticationMethod);
        }
        let will = match &connect.will {
            Some(will) => {
                let delay = will.properties.will_delay_interval().unwrap_or(0);
                let message = Message::from_will(will).map_err(|_| ReasonCode::TopicNameInvalid)?;
                Some((message, Duration::from_secs(delay.into())))
            }
            None => None,
        };
        self.counter += 1;
        let assigned = format!("assigned-{}", self.counter);
        let assign = connect.client_id.is_empty();
        let name: Arc<str> = Arc::from(if assign { &assigned } else { connect.client_id });

        // Take-over: the older connection ends first, so that its session is here to be resumed.
        if let Some(older) = self
            .clients
            .get(&name)
            .and_then(|client| client.connection.clone())
        {
            let taken_over = Disconnect::new(ReasonCode::SessionTakenOver);
            older.with(|machine| machine.disconnect(now, &taken_over));
            self.finish(&older, now);
        }
        // A session that ends takes its delayed will along; one that is resumed cancels it.
        if connect.clean_start {
            self.end_session(&name, now);
        }
        let client = self.clients.entry(Arc::clone(&name)).or_default();
        let session = client.session.take();
        client.connection = Some(Arc::clone(connection));
        (client.will, client.will_at, client.expires_at) = (will, None, None);

        let properties = [Property::AssignedClientIdentifier(&assigned)];
        let mut connack = Connack::new(ReasonCode::Success);
        if assign && connect.version == Version::V5 {
            connack.properties = Properties::from(&properties);
        }
        let which = if session.is_some() { "resumed" } else { "new" };
        eprintln!(
            "{name}: connected from {}, MQTT {}, {which} session, keep alive {} s",
            connection.peer, connect.version, connect.keep_alive
        );
        let _ = connection.client.set(name);
        connection.with(|machine| machine.accept(now, session, &connack));
        Ok(())
    }

    /// Keeps a retained message, and gives every message to those who subscribed to its topic.
    fn publish(&mut self, now: Instant, message: &Message, from: &str) {
        let Ok(topic) = TopicName::new(message.topic()) else {
            return;
        };
        if message.retain() && message.payload().is_empty() {
            self.retained.remove(&topic);
        } else if message.retain() {
            self.retained
                .insert(topic.clone().into_owned(), (message.clone(), now));
        }
        let mut copies = Vec::new();
        let mut shared = HashMap::<&str, Vec<_>>::new();
        for (name, client) in &self.clients {
            // Where subscriptions overlap, one copy goes out, at the highest QoS and with all
            // identifiers (MQTT-3.3.4-2, -3, -4; MQTT-3.3.5-1 of 3.1.1).
            let (mut qos, mut retain, mut identifiers) = (None, false, Vec::new());
            for entry in client
                .subscriptions
                .iter()
                .filter(|entry| entry.filter.matches(&topic))
            {
                if entry.filter.share_name().is_some() {
                    shared
                        .entry(entry.filter.as_str())
                        .or_default()
                        .push((name, client, entry));
                } else if !(entry.options.no_local && **name == *from) {
                    qos = qos.max(Some(entry.options.qos));
                    retain |= entry.options.retain_as_published;
                    identifiers.extend(entry.identifier);
                }
            }
            if let Some(qos) = qos {
                let copy = copy_for(message, qos, retain, &identifiers);
                copies.push((Arc::clone(name), copy));
            }
        }
        // Of those who share a subscription, whoever is there and has waited longest.
        let waited =
            |(_, client, _): &&(_, &Client, _)| (client.connection.is_none(), client.served);
        let mut chosen = Vec::new();
        for (name, _, entry) in shared
            .values()
            .filter_map(|group| group.iter().min_by_key(waited))
        {
            let retain = entry.options.retain_as_published;
            let copy = copy_for(
                message,
                entry.options.qos,
                retain,
                entry.identifier.as_slice(),
            );
            chosen.push(Arc::clone(name));
            copies.push((Arc::clone(name), copy));
        }
        for name in chosen {
            self.counter += 1;
            self.clients.entry(name).or_default().served = self.counter;
        }
        eprintln!(
            "{from}: published {:?}, QoS {}, {}{} bytes, to {} clients",
            message.topic(),
            message.qos(),
            if message.retain() { "retained, " } else { "" },
            message.payload().len(),
            copies.len(),
        );
        for (name, copy) in copies {
            self.deliver(&name, now, copy);
        }
    }

    fn deliver(&mut self, name: &str, now: Instant, message: Message) {
        let Some(client) = self.clients.get_mut(name) else {
            return;
        };
        let qos = message.qos();
        let result = if let Some(connection) = &client.connection {
            connection.wake.notify_one();
            connection.with(|machine| {
                let result = machine.publish(now, message);
                let full = matches!(&result, Err(e) if e.reason == PublishErrorReason::QueueFull);
                if full && qos > QoS::AtMostOnce {
                    let _ = machine.disconnect(now, &Disconnect::new(ReasonCode::QuotaExceeded));
                }
                result
            })
        } else if qos > QoS::AtMostOnce {
            client
                .session
                .as_mut()
                .map(|session| session.enqueue(now, message, &options()))
        } else {
            None
        };
        if let Some(Err(error)) = result {
            eprintln!(
                "{name}: QoS {qos} lost: {:?}: {error}",
                error.message.topic()
            );
        }
    }

    /// Returns the reason codes, and the retained messages to be sent.
    fn subscribe(
        &mut self,
        connection: &Connection,
        now: Instant,
        subscribe: &Subscribe<'_>,
    ) -> (Vec<ReasonCode>, Vec<Message>) {
        let (mut codes, mut messages) = (Vec::new(), Vec::new());
        let identifier = subscribe.properties.subscription_identifier();
        let version = connection
            .with(|machine| machine.version())
            .unwrap_or(Version::V5);
        let Some(client) = self.clients.get_mut(connection.name()) else {
            return (codes, messages);
        };
        for Subscription { filter, options } in subscribe.subscriptions.iter() {
            eprintln!(
                "{}: subscribed to {filter:?}, QoS {}",
                connection.name(),
                options.qos
            );
            // An ill-formed filter ended the connection before: see `with_answer_invalid_filters`.
            let Ok(filter) = TopicFilter::new(version, filter.to_owned()) else {
                continue;
            };
            let known = client
                .subscriptions
                .iter()
                .position(|entry| entry.filter == filter);
            if known.is_none() && client.subscriptions.len() >= MAXIMUM_SUBSCRIPTIONS_PER_CLIENT {
                codes.push(ReasonCode::QuotaExceeded);
                continue;
            }
            let retained = match options.retain_handling {
                _ if filter.share_name().is_some() => false,
                RetainHandling::SendAtSubscribe => true,
                RetainHandling::SendIfNew => known.is_none(),
                RetainHandling::DoNotSend => false,
            };
            if retained {
                let matching = self
                    .retained
                    .iter()
                    .filter(|(topic, _)| filter.matches(topic));
                let unexpired =
                    matching.filter_map(|(_, (message, since))| rest(message, *since, now));
                let copy = |m: Message| copy_for(&m, options.qos, true, identifier.as_slice());
                messages.extend(unexpired.map(copy));
            }
            codes.push(ReasonCode::granted(options.qos));
            let entry = Subscribed {
                filter,
                options,
                identifier,
            };
            match known.and_then(|at| client.subscriptions.get_mut(at)) {
                Some(place) => *place = entry,
                None => client.subscriptions.push(entry),
            }
        }
        (codes, messages)
    }

    fn unsubscribe(
        &mut self,
        connection: &Connection,
        packet: &Unsubscribe<'_>,
    ) -> Vec<ReasonCode> {
        let Some(client) = self.clients.get_mut(connection.name()) else {
            return Vec::new();
        };
        let mut remove = |filter| {
            eprintln!("{}: unsubscribed from {filter:?}", connection.name());
            match client
                .subscriptions
                .iter()
                .position(|entry| entry.filter.as_str() == filter)
            {
                Some(at) => drop(client.subscriptions.remove(at)),
                None => return ReasonCode::NoSubscriptionExisted,
            }
            ReasonCode::Success
        };
        packet.filters.iter().map(&mut remove).collect()
    }

    /// Takes a closed connection apart: its last bytes are for its task, its session for its client.
    fn finish(&mut self, connection: &Connection, now: Instant) {
        let mut last = Vec::new();
        connection.with(|machine| while machine.poll_transmit(now, &mut last, CHUNK) > 0 {});
        connection.wake.notify_one();
        let over = std::mem::replace(&mut *connection.lock(), State::Over(last));
        let State::Open(machine) = over else { return };
        let Some(closed) = machine.closed() else {
            return;
        };
        eprintln!("{}: closed: {}", connection.name(), closed.cause);
        let Some((name, client)) = connection
            .client
            .get()
            .and_then(|name| Some((name, self.clients.get_mut(name)?)))
        else {
            return;
        };
        client.connection = None;
        client.session = Some(machine.into_session());
        let expiry = closed.session_expiry_interval;
        client.expires_at = (expiry < u32::MAX).then(|| now + Duration::from_secs(expiry.into()));
        client.will = client.will.take().filter(|_| closed.will_due);
        client.will_at = client.will.as_ref().map(|(_, delay)| now + *delay);
        self.client_timeout(name, now);
        self.deadline.notify_one();
    }

    /// A will is published when its delay is over or the session ends (MQTT-3.1.2-8).
    fn client_timeout(&mut self, name: &Arc<str>, now: Instant) {
        let Some(client) = self.clients.get_mut(name) else {
            return;
        };
        if client.expires_at.is_some_and(|at| at <= now) {
            self.end_session(name, now);
        } else if client.will_at.is_some_and(|at| at <= now) {
            client.will_at = None;
            if let Some((will, _)) = client.will.take() {
                self.publish(now, &will, name);
            }
        }
    }

    fn end_session(&mut self, name: &str, now: Instant) {
        if let Some((will, _)) = self.clients.remove(name).and_then(|client| client.will) {
            self.publish(now, &will, name);
        }
    }

    /// Sees to all clients that are away, and returns the time to the next deadline of one.
    fn housekeeping(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        let deadline = |client: &Client| client.will_at.into_iter().chain(client.expires_at).min();
        let is_due = |client: &Client| deadline(client).is_some_and(|at| at <= now);
        let due = self.clients.iter().filter(|(_, client)| is_due(client));
        for name in due.map(|(name, _)| Arc::clone(name)).collect::<Vec<_>>() {
            self.client_timeout(&name, now);
        }
        let next = self.clients.values().filter_map(deadline).min()?;
        Some(self.clock.until(next))
    }
}

fn options() -> Options {
    Options::new()
        .with_maximum_packet_size(MAXIMUM_PACKET_SIZE)
        .with_maximum_queued_messages(MAXIMUM_QUEUED_MESSAGES)
        .with_maximum_queued_bytes(MAXIMUM_QUEUED_BYTES)
        .with_topic_alias_maximum(32)
        .with_automatic_topic_aliases(32)
}

/// The copy for one subscriber: at the lower QoS of both, with RETAIN only where it is wanted.
fn copy_for(message: &Message, qos: QoS, retain: bool, identifiers: &[u32]) -> Message {
    let retain = retain && message.retain();
    let copy = message
        .clone()
        .with_qos(qos.min(message.qos()))
        .with_retain(retain);
    if identifiers.is_empty() {
        return copy;
    }
    copy.clone()
        .with_subscription_identifiers(identifiers)
        .unwrap_or(copy)
}

/// A retained message with what is left of its expiry interval, if any (MQTT-3.3.2-5, -6).
fn rest(message: &Message, since: Instant, now: Instant) -> Option<Message> {
    let Some(interval) = message.message_expiry_interval() else {
        return Some(message.clone());
    };
    let waited = now.saturating_duration_since(since).as_secs();
    let left = u64::from(interval)
        .checked_sub(waited)
        .filter(|left| *left > 0)?;
    Some(
        message
            .clone()
            .with_message_expiry_interval(u32::try_from(left).ok()),
    )
}

type Shared = Arc<Mutex<Broker>>;

fn lock(broker: &Shared) -> MutexGuard<'_, Broker> {
    broker.lock().expect("a turn panicked")
}

/// Reads, writes, deadlines and what other connections bring are waited for together.
async fn serve(broker: Shared, mut socket: TcpStream, peer: String, mut stop: watch::Receiver<()>) {
    let _ = socket.set_nodelay(true);
    let machine = Box::new(ServerConnection::new(lock(&broker).clock.now(), options()));
    let state = Mutex::new(State::Open(machine));
    let connection = Connection {
        peer,
        client: OnceLock::new(),
        state,
        wake: Notify::new(),
    };
    let connection = Arc::new(connection);
    let (mut reader, mut writer) = socket.split();
    let (mut input, mut out, mut end_of_input) = (BytesMut::new(), Vec::new(), false);
    loop {
        let mut unread = &input[..];
        let turn = lock(&broker).turn(&connection, &mut unread, &mut out, end_of_input);
        let used = input.len() - unread.len();
        input.advance(used);
        let ControlFlow::Continue(wait) = turn else {
            break;
        };
        // So much unread input is a whole packet, and waits for `out` to be written.
        let reading = !end_of_input && input.len() < MAXIMUM_PACKET_SIZE as usize;
        input.reserve(if reading { CHUNK } else { 0 });
        tokio::select! {
            result = reader.read_buf(&mut input), if reading => {
                end_of_input = !matches!(result, Ok(1..));
            }
            result = writer.write(&out), if !out.is_empty() => match result {
                Ok(written) => drop(out.drain(..written)),
                Err(_) => (end_of_input, out) = (true, Vec::new()),
            },
            () = connection.wake.notified() => {}
            () = time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            _ = stop.changed() => {
                let (broker, shut_down) = (lock(&broker), Disconnect::new(ReasonCode::ServerShuttingDown));
                let now = broker.clock.now();
                // Whoever is not accepted yet cannot be told.
                connection.with(|machine| if machine.disconnect(now, &shut_down).is_err() { machine.receive_eof(now) });
            }
        }
    }
    // To close with input unread would reset the connection and could take the last packet back.
    let farewell = async {
        writer.write_all(&out).await?;
        writer.shutdown().await?;
        while reader.read(&mut [0; 4096]).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = time::timeout(LINGER, farewell).await;
}

async fn housekeeper(broker: Shared) {
    let deadline = Arc::clone(&lock(&broker).deadline);
    loop {
        let wait = lock(&broker).housekeeping().unwrap_or(Duration::MAX);
        let _ = time::timeout(wait, deadline.notified()).await;
    }
}

async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen).await?;
    println!("listening on {}", listener.local_addr()?);
    let broker = Shared::default();
    tokio::spawn(housekeeper(Arc::clone(&broker)));
    let (stop, stopping) = watch::channel(());
    let mut signal = std::pin::pin!(stop_signal());
    loop {
        let accepted = tokio::select! {
            result = &mut signal => break result?,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let task = serve(
                    Arc::clone(&broker),
                    socket,
                    peer.to_string(),
                    stopping.clone(),
                );
                tokio::spawn(task);
            }
            Err(error) => {
                // Out of file descriptors, say: that takes a while to pass.
                eprintln!("accept: {error}");
                time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, stopping));
    let _ = stop.send(());
    // Until every connection's task is done.
    stop.closed().await;
    println!("stopped");
    Ok(())
}
