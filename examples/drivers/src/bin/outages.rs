//! Kills a durable broker again and again, under load: `cargo run --release --bin outages -- --program target/release/broker`.
//!
//! One client publishes numbers at QoS 1 and 2, another one receives them; both keep their sessions through all outages. At
//! the end every number that was published has arrived, those of QoS 2 once and in order.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant as SystemInstant};

use clap::Parser;
use sansio_mqtt::{
    ClientConnection, ClientEvent, Clock, Connect, Message, Options, Properties, Property, QoS,
    ReasonCode, Session, Subscription, Version,
};

/// Kill a durable broker again and again, under load
#[derive(Parser)]
struct Arguments {
    /// The broker; it is given --listen, --data and --log
    #[arg(long)]
    program: PathBuf,
    /// Where it keeps its data; has to be empty
    #[arg(long)]
    data: PathBuf,
    #[arg(long, default_value_t = 18_830)]
    port: u16,
    /// How often it is killed
    #[arg(long, default_value_t = 50)]
    times: u64,
    /// Where the intervals between begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A client that keeps its session, and so much of its connection as there is.
struct Client {
    name: &'static str,
    connection: ClientConnection,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    out: Vec<u8>,
    is_connected: bool,
}

type Handler<'h> = &'h mut dyn FnMut(&mut ClientConnection, ClientEvent<'_>);

impl Client {
    fn new(name: &'static str, clock: Clock) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            name,
            connection: connection(name, clock, Session::new(), true)?,
            stream: None,
            input: Vec::new(),
            out: Vec::new(),
            is_connected: false,
        })
    }

    /// Whatever can be done now.
    fn turn(&mut self, clock: Clock, port: u16, handle: Handler<'_>) -> Result<(), Box<dyn Error>> {
        if self.stream.is_none() {
            let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else {
                return Ok(());
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        if self.pass(clock, handle).is_err() {
            // The session goes on in another connection.
            self.connection.receive_eof(clock.now());
            let placeholder = connection(self.name, clock, Session::new(), true)?;
            let session = std::mem::replace(&mut self.connection, placeholder).into_session();
            let clean_start = !session.is_established();
            self.connection = connection(self.name, clock, session, clean_start)?;
            (self.stream, self.is_connected) = (None, false);
            self.input.clear();
            self.out.clear();
        }
        Ok(())
    }

    fn pass(&mut self, clock: Clock, handle: Handler<'_>) -> Result<(), Box<dyn Error>> {
        let stream = self.stream.as_mut().ok_or("no stream")?;
        let mut buffer = [0; 16 << 10];
        let now = clock.now();
        match stream.read(&mut buffer) {
            Ok(0) => return Err("the end".into()),
            Ok(read) => self.input.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let mut input = &self.input[..];
        while let Some(event) = self.connection.receive(now, &mut input) {
            if let ClientEvent::Connack(connack) = &event {
                self.is_connected = !connack.reason.is_error();
            }
            handle(&mut self.connection, event);
        }
        let taken = self.input.len() - input.len();
        self.input.drain(..taken);
        self.connection.handle_timeout(now);
        loop {
            if self.out.is_empty()
                && self.connection.poll_transmit(now, &mut self.out, 16 << 10) == 0
            {
                break;
            }
            match stream.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        match self.connection.closed() {
            Some(closed) => Err(closed.cause.to_string().into()),
            None => Ok(()),
        }
    }
}

fn connection(
    name: &str,
    clock: Clock,
    session: Session,
    clean_start: bool,
) -> Result<ClientConnection, Box<dyn Error>> {
    let expiry = [Property::SessionExpiryInterval(u32::MAX)];
    let mut connect = Connect::new(Version::V5, name);
    connect.clean_start = clean_start;
    connect.properties = Properties::from(&expiry);
    Ok(ClientConnection::new(
        clock.now(),
        &connect,
        session,
        Options::new(),
    )?)
}

/// Ended with whoever started it.
struct Broker(Child);

impl Broker {
    fn start(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let child = Command::new(&arguments.program)
            .arg(format!("--listen=mqtt://127.0.0.1:{}", arguments.port))
            .arg("--data")
            .arg(&arguments.data)
            .arg("--log=warn")
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const WINDOW: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let clock = Clock::new();
    let (mut publisher, mut subscriber) = (
        Client::new("publisher", clock)?,
        Client::new("subscriber", clock)?,
    );
    let mut random = arguments.seed;
    let mut next = [0u64; 2];
    let mut acknowledged = 0u64;
    let mut at_least_once = BTreeSet::new();
    let mut exactly_once: Vec<u64> = Vec::new();
    let (mut repeated, mut kills) = (0u64, 0);
    let mut is_subscribed = false;
    let end = SystemInstant::now() + Duration::from_secs(60 + 4 * arguments.times);
    let mut broker = Some(Broker::start(&arguments)?);
    let mut kill_at = None;
    loop {
        if SystemInstant::now() > end {
            let [first, second] = next;
            return Err(format!(
                "time is up: {} of {first} and {} of {second} have arrived",
                at_least_once.len(),
                exactly_once.len()
            )
            .into());
        }
        subscriber.turn(
            clock,
            arguments.port,
            &mut |connection, event| match event {
                ClientEvent::Connack(_) if !is_subscribed => {
                    let filter = [Subscription::new("outages/+", QoS::ExactlyOnce)];
                    if let Err(error) = connection.subscribe(&filter, Properties::EMPTY) {
                        eprintln!("{error}");
                    }
                }
                ClientEvent::Subscribed { .. } => is_subscribed = true,
                ClientEvent::Publish(incoming) => {
                    let number = incoming.publish.payload.first_chunk();
                    let number = number.map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes));
                    match incoming.publish.qos {
                        QoS::ExactlyOnce => exactly_once.push(number),
                        _ => repeated += u64::from(!at_least_once.insert(number)),
                    }
                }
                _ => {}
            },
        )?;
        publisher.turn(clock, arguments.port, &mut |_, event| match event {
            // The other end knows no more of it: it had sent PUBCOMP before the outage.
            ClientEvent::Published { ack, .. }
                if !ack.reason.is_error() || ack.reason == ReasonCode::PacketIdentifierNotFound =>
            {
                acknowledged += 1;
            }
            ClientEvent::Published { ack, .. } => eprintln!("refused: {}", ack.reason),
            _ => {}
        })?;
        let is_last = kills == arguments.times;
        let session = publisher.connection.session();
        let under_way = session.queued() + session.in_flight();
        if is_subscribed && publisher.is_connected && !is_last && under_way < WINDOW {
            let kind = usize::from(next[0] > next[1]);
            let (topic, qos) = [
                ("outages/1", QoS::AtLeastOnce),
                ("outages/2", QoS::ExactlyOnce),
            ][kind];
            let message = Message::new(topic, &next[kind].to_be_bytes())?.with_qos(qos);
            publisher.connection.publish(clock.now(), message)?;
            next[kind] += 1;
            if kill_at.is_none() {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                kill_at =
                    Some(SystemInstant::now() + Duration::from_millis(20 + (random >> 33) % 400));
            }
        } else {
            sleep(Duration::from_micros(200));
        }
        if kill_at.is_some_and(|at| at <= SystemInstant::now()) {
            kill_at = None;
            kills += 1;
            // SIGKILL, and it is gone before the next one opens its files.
            drop(broker.take());
            broker = Some(Broker::start(&arguments)?);
        }
        if is_last
            && under_way == 0
            && at_least_once.len() as u64 == next[0]
            && exactly_once.len() as u64 >= next[1]
        {
            break;
        }
    }
    // Whatever would come twice has its chance.
    let until = SystemInstant::now() + Duration::from_secs(1);
    while SystemInstant::now() < until {
        subscriber.turn(clock, arguments.port, &mut |_, event| {
            if let ClientEvent::Publish(incoming) = event {
                let bytes = incoming.publish.payload.first_chunk();
                exactly_once.push(bytes.map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes)));
            }
        })?;
        sleep(Duration::from_millis(1));
    }
    let [first, second] = next;
    if !exactly_once.iter().copied().eq(0..second) {
        return Err("QoS 2: a message is lost, double or out of order".into());
    }
    if acknowledged != first + second {
        return Err(format!("{acknowledged} of {} acknowledged", first + second).into());
    }
    println!(
        "killed {kills} times; {first} messages of QoS 1 arrived, {repeated} of them more than once, and {second} of QoS 2, each once and in order"
    );
    Ok(())
}
