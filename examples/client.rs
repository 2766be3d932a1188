//! A client for MQTT 3.1.1 and 5.0 on a blocking socket, with the options of `mosquitto_pub` and
//! `mosquitto_sub`.
//!
//! `cargo run --release --example client -- pub -t a/b -m hello -q 1`
//!
//! `cargo run --release --example client -- sub -t 'a/#' -v -V 5`
//!
//! The exit code is 0 if all went well, 1 if the connection or a request failed or time was up too
//! soon, 2 for a usage error. A `sub` that a signal ends does not say goodbye: the server publishes
//! its will.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use sansio_mqtt::{
    ClientConnection, ClientEvent, Clock, CloseCause, Connect, DecodeOptions, Disconnect, Instant,
    Message, Options, Packet, Properties, Property, PublishErrorReason, QoS, ReasonCode, Session,
    Subscription, Version, Will,
};

/// Bytes taken from and given to the socket at a time.
const CHUNK: usize = 64 << 10;
/// Lines read ahead of the session, which takes as many messages as its options say.
const AHEAD: usize = 1_000;

#[derive(Parser)]
#[command(about = "A client for MQTT 3.1.1 and 5.0", disable_help_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print help
    #[arg(long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Subcommand)]
enum Command {
    /// Publish messages and disconnect when the server has acknowledged them
    #[command(disable_help_flag = true)]
    Pub(Pub),
    /// Subscribe and print what arrives
    #[command(disable_help_flag = true)]
    Sub(Sub),
}

#[derive(Args)]
struct Common {
    /// Server name or address
    #[arg(short, long, default_value = "localhost")]
    host: String,
    /// Server port
    #[arg(short, long, default_value_t = 1883)]
    port: u16,
    /// Protocol version: mqttv311, 311, mqttv5 or 5
    #[arg(short = 'V', long, default_value = "mqttv311", value_parser = version)]
    protocol_version: Version,
    /// Client identifier; without it the server assigns one
    #[arg(short, long, default_value = "")]
    id: String,
    /// User name
    #[arg(short, long)]
    user: Option<String>,
    /// Password
    #[arg(short = 'P', long)]
    password: Option<String>,
    /// Keep alive in seconds, 0 for none
    #[arg(short, long, default_value_t = 60)]
    keepalive: u16,
    /// Keep the session: clean start off (and in 5.0 no expiry, if -x does not say otherwise)
    #[arg(short = 'c', long)]
    keep_session: bool,
    /// Session expiry interval in seconds (5.0)
    #[arg(short = 'x', long, value_name = "SECONDS")]
    session_expiry: Option<u32>,
    /// QoS of the messages, or the highest to receive
    #[arg(short, long, default_value = "0", value_parser = qos)]
    qos: QoS,
    /// Topic of the will
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,
    /// Payload of the will
    #[arg(
        long,
        value_name = "PAYLOAD",
        default_value = "",
        requires = "will_topic"
    )]
    will_payload: String,
    /// QoS of the will
    #[arg(long, value_name = "QOS", default_value = "0", value_parser = qos)]
    #[arg(requires = "will_topic")]
    will_qos: QoS,
    /// Have the will retained
    #[arg(long, requires = "will_topic")]
    will_retain: bool,
    /// Trace each packet on stderr
    #[arg(short, long)]
    debug: bool,
}

#[derive(Args)]
struct Pub {
    #[command(flatten)]
    common: Common,
    /// Topic to publish to
    #[arg(short, long)]
    topic: String,
    #[command(flatten)]
    source: Source,
    /// Have the message retained
    #[arg(short, long)]
    retain: bool,
    /// User property of the message (5.0), repeatable
    #[arg(short = 'D', long, num_args = 2, value_names = ["NAME", "VALUE"])]
    user_property: Vec<String>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Payload
    #[arg(short, long)]
    message: Option<String>,
    /// File that is the payload
    #[arg(short, long, value_name = "PATH")]
    file: Option<std::path::PathBuf>,
    /// Each line of standard input is a message
    #[arg(short, long)]
    lines: bool,
    /// Empty payload
    #[arg(short, long)]
    null: bool,
}

#[derive(Args)]
struct Sub {
    #[command(flatten)]
    common: Common,
    /// Topic filter, repeatable
    #[arg(short, long, required = true)]
    topic: Vec<String>,
    /// End after this many messages
    #[arg(short = 'C', long, value_name = "MESSAGES")]
    count: Option<u64>,
    /// End after this many seconds; an error if messages are missing then
    #[arg(short = 'W', long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Print the topic too
    #[arg(short, long)]
    verbose: bool,
    /// Do not print retained messages
    #[arg(short = 'R', long)]
    no_retained: bool,
}

fn version(text: &str) -> Result<Version, &'static str> {
    match text {
        "mqttv311" | "311" | "3.1.1" => Ok(Version::V311),
        "mqttv5" | "5" | "5.0" => Ok(Version::V5),
        _ => Err("expected mqttv311, 311, mqttv5 or 5"),
    }
}

fn qos(text: &str) -> Result<QoS, &'static str> {
    text.parse()
        .ok()
        .and_then(QoS::from_u8)
        .ok_or("expected 0, 1 or 2")
}

/// What ends the program early: the exit code and the message.
struct Failure(u8, String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(1, error.to_string())
    }
}

fn failed<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure(1, text.into()))
}

/// A connection and its socket.
struct Driver {
    connection: ClientConnection,
    stream: TcpStream,
    clock: Clock,
    /// Read but not yet taken by the connection.
    input: Vec<u8>,
    /// Made by the connection but not yet written.
    out: Vec<u8>,
    debug: bool,
}

impl Driver {
    fn connect(common: &Common) -> Result<Self, Failure> {
        let mut connect = Connect::new(common.protocol_version, &common.id);
        connect.clean_start = !common.keep_session;
        connect.keep_alive = common.keepalive;
        connect.user_name = common.user.as_deref();
        connect.password = common.password.as_deref().map(str::as_bytes);
        connect.will = common.will_topic.as_deref().map(|topic| Will {
            qos: common.will_qos,
            retain: common.will_retain,
            ..Will::new(topic, common.will_payload.as_bytes())
        });
        // In 3.1.1 a session that is not clean does not expire; 5.0 has to be told.
        let keep =
            (common.keep_session && common.protocol_version == Version::V5).then_some(u32::MAX);
        let expiry = common
            .session_expiry
            .or(keep)
            .map(Property::SessionExpiryInterval);
        connect.properties = Properties::from(expiry.as_slice());

        // An earlier run may have left a session at the server. Nothing is known of it here, but
        // that it may exist.
        let session = if common.keep_session {
            Session::established()
        } else {
            Session::new()
        };
        let clock = Clock::new();
        let connection = ClientConnection::new(clock.now(), &connect, session, Options::new())
            .map_err(|error| Failure(2, error.to_string()))?;
        let stream = TcpStream::connect((&*common.host, common.port))
            .or_else(|error| failed(format!("{}:{}: {error}", common.host, common.port)))?;
        stream.set_nodelay(true)?;
        // A server that does not read may be waiting for us to read: no write may take forever.
        stream.set_write_timeout(Some(Duration::from_millis(50)))?;
        Ok(Self {
            connection,
            stream,
            clock,
            input: Vec::new(),
            out: Vec::new(),
            debug: common.debug,
        })
    }

    /// Gives each event that has arrived to `handle`, until it returns false or nothing is left.
    fn events(
        &mut self,
        mut handle: impl FnMut(&mut ClientConnection, ClientEvent<'_>) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let now = self.clock.now();
        let mut unread = &self.input[..];
        loop {
            let before = unread;
            let event = self.connection.receive(now, &mut unread);
            if self.debug {
                trace(
                    "<-",
                    self.connection.version(),
                    &before[..before.len() - unread.len()],
                );
            }
            let Some(event) = event else { break };
            if !handle(&mut self.connection, event)? {
                break;
            }
        }
        let used = self.input.len() - unread.len();
        self.input.drain(..used);
        self.connection.handle_timeout(now);
        Ok(())
    }

    /// Waits for input, for `until` or for the connection's own deadline.
    fn wait(&mut self, until: Option<Instant>) -> Result<(), Failure> {
        if let Some(closed) = self.connection.closed() {
            return failed(match closed.cause {
                CloseCause::Refused(reason) => format!("connection refused: {reason}"),
                cause => format!("connection closed: {cause}"),
            });
        }
        let deadline = self
            .connection
            .poll_timeout()
            .into_iter()
            .chain(until)
            .min();
        let wait = match deadline {
            // The rest has to be written soon.
            _ if !self.out.is_empty() => Some(Duration::ZERO),
            deadline => deadline.map(|deadline| self.clock.until(deadline)),
        };
        self.stream
            .set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        let start = self.input.len();
        self.input.resize(start + CHUNK, 0);
        let result = self.stream.read(&mut self.input[start..]);
        self.input
            .truncate(start + result.as_ref().map_or(0, |read| *read));
        match result {
            Ok(0) => self.connection.receive_eof(self.clock.now()),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Writes what there is to write, as far as the socket takes it.
    fn write(&mut self) -> Result<(), Failure> {
        loop {
            if self.out.is_empty() {
                let now = self.clock.now();
                if self.connection.poll_transmit(now, &mut self.out, CHUNK) == 0 {
                    return Ok(());
                }
                if self.debug {
                    trace("->", self.connection.version(), &self.out);
                }
            }
            match self.stream.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if is_timeout(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says goodbye and waits for the server to close: to close with input unread could take the
    /// DISCONNECT back.
    fn disconnect(mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        self.connection.disconnect(now, &Disconnect::default())?;
        self.write()?;
        while !self.out.is_empty() {
            if self.clock.now() >= now + Duration::from_secs(5) {
                return failed("the server does not read");
            }
            self.write()?;
        }
        self.stream.shutdown(Shutdown::Write)?;
        self.stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        while matches!(self.stream.read(&mut [0; 4096]), Ok(1..)) {}
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Prints packets by decoding their bytes again.
fn trace(direction: &str, version: Version, mut bytes: &[u8]) {
    loop {
        match Packet::decode(version, &DecodeOptions::new(), &mut bytes) {
            Ok(Some(packet)) => eprintln!("{direction} {packet}"),
            Ok(None) => return,
            Err(error) => return eprintln!("{direction} {error}"),
        }
    }
}

/// The payloads to publish. Standard input cannot be waited for together with a socket, so a thread
/// reads its lines.
fn payloads(source: &Source) -> Result<Receiver<io::Result<Vec<u8>>>, Failure> {
    let (sender, payloads) = mpsc::sync_channel(AHEAD);
    if source.lines {
        std::thread::spawn(move || {
            let lines = io::stdin().lock().split(b'\n');
            // An error here: the other end is gone.
            let _ = lines.into_iter().try_for_each(|line| sender.send(line));
        });
    } else {
        let payload = match (&source.file, &source.message) {
            (Some(path), _) => std::fs::read(path)
                .map_err(|error| Failure(1, format!("{}: {error}", path.display())))?,
            (None, message) => message.clone().unwrap_or_default().into_bytes(),
        };
        let _ = sender.send(Ok(payload));
    }
    Ok(payloads)
}

fn publish(arguments: &Pub) -> Result<(), Failure> {
    let common = &arguments.common;
    let user_properties: Vec<_> = arguments.user_property.chunks_exact(2).collect();
    let properties: Vec<_> = user_properties
        .iter()
        .map(|pair| Property::UserProperty(&pair[0], &pair[1]))
        .collect();
    let message = |payload: &[u8]| -> Result<Message, Failure> {
        let message = Message::new(&arguments.topic, payload)?;
        let message = message.with_qos(common.qos).with_retain(arguments.retain);
        Ok(message.with_properties(Properties::from(&properties[..]))?)
    };
    // A topic or property that cannot be is known before there is a connection.
    message(&[]).map_err(|Failure(_, text)| Failure(2, text))?;
    let payloads = payloads(&arguments.source)?;

    let mut driver = Driver::connect(common)?;
    let mut connected = false;
    let mut open = true;
    let mut held = None;
    loop {
        driver.events(|_, event| {
            match event {
                // One that refuses closes the connection.
                ClientEvent::Connack(connack) => connected = !connack.reason.is_error(),
                ClientEvent::Published { ack, .. } if ack.reason.is_error() => {
                    return failed(format!("refused: {}", ack.reason));
                }
                ClientEvent::Dropped(dropped) => {
                    return failed(format!("not sent: {}", dropped.reason));
                }
                _ => {}
            }
            Ok(true)
        })?;
        while connected && open {
            let message = match held.take() {
                Some(message) => message,
                None => match payloads.try_recv() {
                    Ok(payload) => message(&payload?)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        open = false;
                        break;
                    }
                },
            };
            let session = driver.connection.session();
            let under_way = session.queued() + session.in_flight() > 0;
            match driver.connection.publish(driver.clock.now(), message) {
                Ok(_) => {}
                // It comes back, and is tried again when others are out of the way.
                Err(error) if under_way && error.reason == PublishErrorReason::QueueFull => {
                    held = Some(error.message);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        driver.write()?;
        let session = driver.connection.session();
        if connected
            && !open
            && session.queued() == 0
            && session.in_flight() == 0
            && driver.out.is_empty()
        {
            return driver.disconnect();
        }
        // While lines may come, the socket is waited for in short slices.
        let slice = Duration::from_millis(10);
        let until = (connected && open).then(|| driver.clock.now() + slice);
        driver.wait(until)?;
    }
}

fn subscribe(arguments: &Sub) -> Result<(), Failure> {
    let common = &arguments.common;
    let subscriptions: Vec<_> = arguments
        .topic
        .iter()
        .map(|filter| Subscription::new(filter, common.qos))
        .collect();
    let mut driver = Driver::connect(common)?;
    let end = arguments
        .timeout
        .map(|seconds| driver.clock.now() + Duration::from_secs(seconds));
    let mut stdout = io::stdout().lock();
    let mut count = 0;
    let complete = |count: u64| arguments.count.is_some_and(|wanted| count >= wanted);
    loop {
        driver.events(|connection, event| {
            match event {
                ClientEvent::Connack(connack) if connack.reason == ReasonCode::Success => {
                    connection.subscribe(&subscriptions, Properties::EMPTY)?;
                }
                ClientEvent::Subscribed { suback, .. } => {
                    let mut refused = 0;
                    for (subscription, code) in subscriptions.iter().zip(suback.reason_codes.iter())
                    {
                        if code.is_error() {
                            eprintln!("subscription to {:?} refused: {code}", subscription.filter);
                            refused += 1;
                        }
                    }
                    if refused == subscriptions.len() {
                        return failed("all subscriptions were refused");
                    }
                }
                ClientEvent::Publish(incoming)
                    if !(arguments.no_retained && incoming.publish.retain) =>
                {
                    if arguments.verbose {
                        write!(stdout, "{} ", incoming.topic())?;
                    }
                    stdout.write_all(incoming.publish.payload)?;
                    stdout.write_all(b"\n")?;
                    count += 1;
                }
                _ => {}
            }
            Ok(!complete(count))
        })?;
        stdout.flush()?;
        if complete(count) {
            // The next call acknowledges the last message. It gets no input: no further message is
            // wanted.
            driver.connection.receive(driver.clock.now(), &mut &[][..]);
            return driver.disconnect();
        }
        if end.is_some_and(|end| driver.clock.now() >= end) {
            driver.disconnect()?;
            return match arguments.count {
                Some(wanted) => failed(format!("time is up: {count} of {wanted} messages")),
                None => Ok(()),
            };
        }
        driver.write()?;
        driver.wait(end)?;
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Pub(arguments) => publish(&arguments),
        Command::Sub(arguments) => subscribe(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, text)) => {
            eprintln!("{text}");
            ExitCode::from(code)
        }
    }
}
