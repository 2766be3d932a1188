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
//! Nobody is authenticated, nothing survives the end of the process, and sessions, subscriptions
//! and retained messages are as many as clients make them.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use clap::Parser;
use sansio_mqtt::{
    Clock, Connack, Connect, Disconnect, Instant, Message, Options, Properties, Property,
    PublishError, PublishErrorReason, QoS, ReasonCode, RetainHandling, ServerConnection,
    ServerEvent, Session, Subscribe, Subscription, SubscriptionOptions, TopicFilter, TopicName,
    Unsubscribe, Version,
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
/// Bytes taken from and given to a socket at a time.
const CHUNK: usize = 64 << 10;
/// How long the end of a connection may take.
const LINGER: Duration = Duration::from_secs(5);

/// A broker for MQTT 3.1.1 and 5.0 over TCP, and for 3.1 if asked
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883")]
    listen: String,
    /// Accept MQTT 3.1 too
    #[arg(long)]
    accept_v31: bool,
}

#[derive(Default)]
struct Broker {
    accept_v31: bool,
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
    /// With the Subscription Identifier.
    subscriptions: BTreeMap<TopicFilter<'static>, (SubscriptionOptions, Option<u32>)>,
    /// With its Will Delay Interval.
    will: Option<(Message, Duration)>,
    /// When to publish the will and when to end the session.
    will_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// The number of the last message it was given.
    served: u64,
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
    fn new(peer: String, now: Instant, options: Options) -> Self {
        let machine = Box::new(ServerConnection::new(now, options));
        let (client, wake) = (OnceLock::new(), Notify::new());
        Self {
            peer,
            client,
            state: Mutex::new(State::Open(machine)),
            wake,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a turn panicked")
    }

    fn with<T>(&self, action: impl FnOnce(&mut ServerConnection) -> T) -> Option<T> {
        match &mut *self.lock() {
            State::Open(machine) => Some(action(machine)),
            State::Over(_) => None,
        }
    }

    fn shut_down(&self, now: Instant) {
        self.with(|c| {
            let told = c.disconnect(now, &Disconnect::new(ReasonCode::ServerShuttingDown));
            // Whoever is not accepted yet cannot be told.
            told.unwrap_or_else(|_| c.receive_eof(now));
        });
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
        while let Some(event) = connection.with(|c| c.receive(now, input)).flatten() {
            self.handle(connection, now, event);
        }
        connection.with(|c| {
            c.handle_timeout(now);
            if out.is_empty() {
                c.poll_transmit(now, out, CHUNK);
            }
            if out.is_empty() && end_of_input {
                c.receive_eof(now);
            }
        });
        if connection.with(|c| c.closed()).flatten().is_some() {
            self.finish(connection, now);
        }
        match &mut *connection.lock() {
            State::Open(c) => {
                let deadline = c.poll_timeout();
                ControlFlow::Continue(deadline.map(|deadline| self.clock.until(deadline)))
            }
            State::Over(last) => {
                out.append(last);
                ControlFlow::Break(())
            }
        }
    }

    fn handle(&mut self, connection: &Arc<Connection>, now: Instant, event: ServerEvent<'_>) {
        let name = connection.name();
        match event {
            ServerEvent::Connect(connect) => {
                if let Err(reason) = self.connect(connection, now, &connect) {
                    println!("{name:?}: refused: {reason}");
                    connection.with(|c| c.refuse(now, &Connack::new(reason)));
                }
            }
            ServerEvent::Publish(incoming) => self.publish(now, &incoming.to_message(), name),
            ServerEvent::Subscribe { subscribe, token } => {
                let (codes, retained) = self.subscribe(connection, now, &subscribe);
                connection.with(|c| c.suback(token, &codes, Properties::EMPTY));
                for message in retained {
                    self.deliver(name, now, message);
                }
            }
            ServerEvent::Unsubscribe { unsubscribe, token } => {
                let codes = self.unsubscribe(name, &unsubscribe);
                connection.with(|c| c.unsuback(token, &codes, Properties::EMPTY));
            }
            ServerEvent::Dropped(lost) => println!("{name:?}: message lost: {}", lost.reason),
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
        let mut will = None;
        if let Some(packet) = &connect.will {
            let delay = packet.properties.will_delay_interval().unwrap_or(0);
            let message = Message::from_will(packet).map_err(|_| ReasonCode::TopicNameInvalid)?;
            will = Some((message, Duration::from_secs(delay.into())));
        }
        let mut name: Arc<str> = connect.client_id.into();
        while name.is_empty() || (connect.client_id.is_empty() && self.clients.contains_key(&name))
        {
            self.counter += 1;
            name = format!("assigned-{}", self.counter).into();
        }

        // Take-over: the older connection ends first, so that its session is here to be resumed.
        let client = self.clients.get(&name);
        if let Some(older) = client.and_then(|client| client.connection.clone()) {
            older.with(|c| c.disconnect(now, &Disconnect::new(ReasonCode::SessionTakenOver)));
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

        let properties = [Property::AssignedClientIdentifier(&name)];
        let mut connack = Connack::new(ReasonCode::Success);
        if connect.client_id.is_empty() && connect.version == Version::V5 {
            connack.properties = Properties::from(&properties);
        }
        let (peer, version, keep_alive) = (connection.name(), connect.version, connect.keep_alive);
        let which = if session.is_some() { "old" } else { "new" };
        println!("{name:?}: {which} session for {peer}, MQTT {version}, keep alive {keep_alive} s");
        // CONNACK can be too large for a client that takes very little.
        let accepted = connection.with(|c| c.accept(now, session, &connack).is_ok());
        if accepted != Some(true) {
            self.clients.remove(&name);
            return Err(ReasonCode::PacketTooLarge);
        }
        let _ = connection.client.set(name);
        Ok(())
    }

    /// Keeps a retained message, and gives every message to those who subscribed to its topic.
    fn publish(&mut self, now: Instant, message: &Message, from: &str) {
        let topic = message.topic_name();
        if message.retain() && message.payload().is_empty() {
            self.retained.remove(message.topic());
        } else if message.retain() {
            self.retained
                .insert(topic.clone().into_owned(), (message.clone(), now));
        }
        let mut copies = Vec::new();
        let mut shared = BTreeMap::<&str, BTreeMap<_, _>>::new();
        for (name, client) in &self.clients {
            // Where subscriptions overlap, one copy goes out, at the highest QoS and with all
            // identifiers (MQTT-3.3.4-2, -3, -4; MQTT-3.3.5-1 of 3.1.1).
            let (mut qos, mut retain, mut identifiers) = (None, false, Vec::new());
            for (filter, (options, identifier)) in &client.subscriptions {
                if !filter.matches(&topic) || (options.no_local && **name == *from) {
                    continue;
                }
                if filter.share_name().is_some() {
                    // To be served first: who is there, and of these who has waited longest.
                    let rank = (client.connection.is_none(), client.served, name);
                    let group = shared.entry(filter.as_str()).or_default();
                    group.insert(rank, (options, identifier.as_slice()));
                } else {
                    qos = qos.max(Some(options.qos));
                    retain |= options.retain_as_published;
                    identifiers.extend(*identifier);
                }
            }
            if let Some(qos) = qos {
                let copy = copy_for(message, qos, retain, &identifiers);
                copies.push((Arc::clone(name), copy));
            }
        }
        for ((_, _, name), (options, identifier)) in
            shared.values().filter_map(BTreeMap::first_key_value)
        {
            let copy = copy_for(
                message,
                options.qos,
                options.retain_as_published,
                identifier,
            );
            copies.push((Arc::clone(name), copy));
        }
        let (topic, qos, size) = (message.topic(), message.qos(), message.payload().len());
        let retained = if message.retain() { "retained, " } else { "" };
        let receivers = copies.len();
        println!(
            "{from:?}: published {topic:?}, QoS {qos}, {retained}{size} bytes, to {receivers}"
        );
        for (name, copy) in copies {
            self.deliver(&name, now, copy);
        }
    }

    fn deliver(&mut self, name: &str, now: Instant, message: Message) {
        self.counter += 1;
        let Some(client) = self.clients.get_mut(name) else {
            return;
        };
        client.served = self.counter;
        let qos = message.qos();
        let mut result = None;
        if let Some(connection) = &client.connection {
            connection.wake.notify_one();
            result = connection.with(|c| c.publish(now, message));
        } else if let (true, Some(session)) = (qos > QoS::AtMostOnce, &mut client.session) {
            result = Some(session.enqueue(now, message, &options()));
        }
        if let Some(Err(PublishError { message, reason })) = result {
            println!("{name:?}: QoS {qos} lost: {:?}: {reason}", message.topic());
            let full = reason == PublishErrorReason::QueueFull && qos > QoS::AtMostOnce;
            if let (true, Some(connection)) = (full, &client.connection) {
                let quota_exceeded = Disconnect::new(ReasonCode::QuotaExceeded);
                connection.with(|c| c.disconnect(now, &quota_exceeded));
            }
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
        let (name, version) = (
            connection.name(),
            connection.with(|c| c.version()).unwrap_or(Version::V5),
        );
        let identifier = subscribe.properties.subscription_identifier();
        let Some(client) = self.clients.get_mut(name) else {
            return (codes, messages);
        };
        for Subscription { filter, options } in subscribe.subscriptions.iter() {
            println!("{name:?}: subscribed to {filter:?}, QoS {}", options.qos);
            // An ill-formed filter ended the connection before: see `with_answer_invalid_filters`.
            let Ok(filter) = TopicFilter::new(version, filter.to_owned()) else {
                continue;
            };
            codes.push(ReasonCode::granted(options.qos));
            let entry = (options, identifier);
            let known = client.subscriptions.insert(filter.clone(), entry).is_some();
            let handling = options.retain_handling;
            if filter.share_name().is_some()
                || handling == RetainHandling::DoNotSend
                || (handling == RetainHandling::SendIfNew && known)
            {
                continue;
            }
            for (topic, (message, since)) in &self.retained {
                if let (true, Some(message)) = (filter.matches(topic), rest(message, *since, now)) {
                    messages.push(copy_for(&message, options.qos, true, identifier.as_slice()));
                }
            }
        }
        (codes, messages)
    }

    fn unsubscribe(&mut self, name: &str, packet: &Unsubscribe<'_>) -> Vec<ReasonCode> {
        let mut codes = Vec::new();
        let Some(client) = self.clients.get_mut(name) else {
            return codes;
        };
        for filter in packet.filters.iter() {
            println!("{name:?}: unsubscribed from {filter:?}");
            let before = client.subscriptions.len();
            client
                .subscriptions
                .retain(|known, _| known.as_str() != filter);
            codes.push(match client.subscriptions.len() < before {
                true => ReasonCode::Success,
                false => ReasonCode::NoSubscriptionExisted,
            });
        }
        codes
    }

    /// Takes a closed connection apart: its last bytes are for its task, the rest for its client.
    fn finish(&mut self, connection: &Connection, now: Instant) -> Option<()> {
        let mut last = Vec::new();
        connection.with(|c| while c.poll_transmit(now, &mut last, CHUNK) > 0 {});
        connection.wake.notify_one();
        let State::Open(machine) = mem::replace(&mut *connection.lock(), State::Over(last)) else {
            return None;
        };
        let closed = machine.closed()?;
        println!("{:?}: closed: {}", connection.name(), closed.cause);
        let name = connection.client.get()?;
        let client = self.clients.get_mut(name)?;
        client.connection = None;
        client.session = Some(machine.into_session());
        let expiry = closed.session_expiry_interval;
        client.expires_at = (expiry < u32::MAX).then(|| now + Duration::from_secs(expiry.into()));
        client.will = client.will.take().filter(|_| closed.will_due);
        client.will_at = client.will.as_ref().map(|(_, delay)| now + *delay);
        self.client_timeout(name, now);
        self.deadline.notify_one();
        Some(())
    }

    /// A will is published when its delay is over or the session ends (MQTT-3.1.2-8).
    fn client_timeout(&mut self, name: &Arc<str>, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.clients.get_mut(name) {
            Some(client) if due(client.expires_at) => self.end_session(name, now),
            Some(client) if due(client.will_at) => {
                client.will_at = None;
                if let Some((will, _)) = client.will.take() {
                    self.publish(now, &will, name);
                }
            }
            _ => {}
        }
    }

    fn end_session(&mut self, name: &str, now: Instant) {
        if let Some((will, _)) = self.clients.remove(name).and_then(|client| client.will) {
            self.publish(now, &will, name);
        }
    }

    /// Sees to the clients that are away, and returns the time to the next deadline.
    fn housekeeping(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        for name in self.clients.keys().cloned().collect::<Vec<_>>() {
            self.client_timeout(&name, now);
        }
        let clients = self.clients.values();
        let next = clients.flat_map(|client| client.will_at.into_iter().chain(client.expires_at));
        next.min().map(|next| self.clock.until(next))
    }
}

fn options() -> Options {
    Options::new()
        .with_maximum_packet_size(MAXIMUM_PACKET_SIZE)
        .with_maximum_kept_messages(MAXIMUM_QUEUED_MESSAGES)
        .with_maximum_kept_bytes(MAXIMUM_QUEUED_BYTES)
        .with_topic_alias_maximum(32)
        .with_automatic_topic_aliases(32)
}

/// The copy for one subscriber: at the lower QoS of both, with RETAIN only where it is wanted.
fn copy_for(message: &Message, qos: QoS, retain: bool, identifiers: &[u32]) -> Message {
    let copy = message.clone().with_qos(qos.min(message.qos()));
    let copy = copy.with_retain(retain && message.retain());
    let plain = copy.clone();
    copy.with_subscription_identifiers(identifiers)
        .unwrap_or(plain)
}

/// A retained message with what is left of its expiry interval, if any (MQTT-3.3.2-5, -6).
fn rest(message: &Message, since: Instant, now: Instant) -> Option<Message> {
    let Some(interval) = message.message_expiry_interval() else {
        return Some(message.clone());
    };
    let waited = now.saturating_duration_since(since).as_secs();
    let left = interval.saturating_sub(u32::try_from(waited).unwrap_or(u32::MAX));
    let message = message.clone().with_message_expiry_interval(Some(left));
    (left > 0).then_some(message)
}

type Shared = Arc<Mutex<Broker>>;

fn lock(broker: &Shared) -> MutexGuard<'_, Broker> {
    broker.lock().expect("a turn panicked")
}

/// Reads, writes, deadlines and what other connections bring are waited for together.
async fn serve(broker: Shared, mut socket: TcpStream, peer: String, mut stop: watch::Receiver<()>) {
    let _ = socket.set_nodelay(true);
    let (now, accept_v31) = {
        let broker = lock(&broker);
        (broker.clock.now(), broker.accept_v31)
    };
    let options = options().with_accept_v31(accept_v31);
    let connection = Arc::new(Connection::new(peer, now, options));
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
                // What the peer sent before it went may still be there to be read.
                Err(_) => out.clear(),
            },
            () = connection.wake.notified() => {}
            () = time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            _ = stop.changed() => connection.shut_down(lock(&broker).clock.now()),
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
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    let broker = Shared::new(Mutex::new(Broker {
        accept_v31: arguments.accept_v31,
        ..Broker::default()
    }));
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
                let (broker, stop) = (Arc::clone(&broker), stopping.clone());
                tokio::spawn(serve(broker, socket, peer.to_string(), stop));
            }
            Err(error) => {
                // Out of file descriptors, say: that takes a while to pass.
                println!("accept: {error}");
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
