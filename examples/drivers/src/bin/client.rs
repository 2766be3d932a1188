//! A client for MQTT 3.1.1 and 5.0 on a blocking socket, with the options of `mosquitto_pub` and
//! `mosquitto_sub`.
//!
//! `cargo run --release --bin client -- pub -t a/b -m hello -q 1`
//!
//! `cargo run --release --bin client -- sub -t 'a/#' -v -V 5 --url wss://localhost:8084 --cafile ca.pem --reconnect`
//!
//! The exit code is 0 if all went well, 1 if the connection or a request failed or time was up too
//! soon, 2 for a usage error. A `sub` that a signal ends does not say goodbye: the server publishes
//! its will.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use sansio_mqtt::{
    ClientConnection, ClientEvent, Clock, CloseCause, Connect, DecodeOptions, Disconnect, Incoming,
    Instant, Message, Options, Packet, Properties, Property, PublishErrorReason, QoS, ReasonCode,
    Session, Subscription, Version, Will,
};
use sansio_mqtt_drivers::tls::{self, Trust};
use sansio_mqtt_drivers::{Scheme, Transport};
use url::Url;

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
    /// The server's address with scheme: mqtt, mqtts, ws or wss. WebSocket is at /mqtt
    #[arg(short = 'L', long, conflicts_with_all = ["host", "port"])]
    url: Option<Url>,
    /// For mqtts and wss: the authorities that the server's certificate may be of, PEM; without it those of the system
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// The client's certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Do not look at the server's certificate at all: its name, its time and whom it is of
    #[arg(long)]
    insecure: bool,
    /// Connect again when the connection is lost, and go on with the session
    #[arg(long)]
    reconnect: bool,
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
    file: Option<PathBuf>,
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
    /// What to print for a message: %t topic, %p payload, %x payload in hexadecimal, %l its length, %q QoS, %r RETAIN,
    /// %j all of it as JSON, %% a percent sign
    #[arg(short = 'F', long, conflicts_with = "verbose")]
    format: Option<String>,
    /// Print no newline behind it
    #[arg(short = 'N')]
    no_newline: bool,
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

/// A connection and its transport.
struct Driver<'a> {
    common: &'a Common,
    connection: ClientConnection,
    transport: Transport<TcpStream>,
    clock: Clock,
    /// Read but not yet taken by the connection.
    input: Vec<u8>,
    /// Made by the connection but not yet written.
    out: Vec<u8>,
    /// The transport has passed on what was written.
    is_flushed: bool,
    /// CONNACK is there.
    is_connected: bool,
}

impl<'a> Driver<'a> {
    fn connect(common: &'a Common) -> Result<Self, Failure> {
        // An earlier run may have left a session at the server. Nothing is known of it here, but
        // that it may exist.
        let session = if common.keep_session {
            Session::established()
        } else {
            Session::new()
        };
        let clock = Clock::new();
        let connection = common
            .connection(clock.now(), session, !common.keep_session)
            .map_err(|Failure(_, text)| Failure(2, text))?;
        Ok(Self {
            common,
            connection,
            transport: common.transport()?,
            clock,
            input: Vec::new(),
            out: Vec::new(),
            is_flushed: true,
            is_connected: false,
        })
    }

    /// After the end of a connection: another one that goes on with its session, if that is wanted.
    fn reconnect(&mut self, Failure(code, why): Failure) -> Result<(), Failure> {
        if !self.common.reconnect {
            return Err(Failure(code, why));
        }
        eprintln!("{why}");
        let mut pause = Duration::from_secs(1);
        self.transport = loop {
            std::thread::sleep(pause);
            match self.common.transport() {
                Ok(transport) => break transport,
                Err(Failure(_, text)) => eprintln!("{text}"),
            }
            pause = (2 * pause).min(Duration::from_secs(30));
        };
        let now = self.clock.now();
        let placeholder = self.common.connection(now, Session::new(), true)?;
        let session = mem::replace(&mut self.connection, placeholder).into_session();
        self.connection = self.common.connection(now, session, false)?;
        (self.is_flushed, self.is_connected) = (true, false);
        self.input.clear();
        self.out.clear();
        Ok(())
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
            if self.common.debug {
                trace(
                    "<-",
                    self.connection.version(),
                    &before[..before.len() - unread.len()],
                );
            }
            let Some(event) = event else { break };
            if let ClientEvent::Connack(connack) = &event {
                // One that refuses closes the connection.
                self.is_connected = !connack.reason.is_error();
            }
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
            return match closed.cause {
                CloseCause::Refused(reason) => failed(format!("connection refused: {reason}")),
                cause => self.reconnect(Failure(1, format!("connection closed: {cause}"))),
            };
        }
        let deadline = self
            .connection
            .poll_timeout()
            .into_iter()
            .chain(until)
            .min();
        let wait = match deadline {
            // The rest has to be written soon.
            _ if !self.out.is_empty() || !self.is_flushed => Some(Duration::ZERO),
            deadline => deadline.map(|deadline| self.clock.until(deadline)),
        };
        self.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        let start = self.input.len();
        self.input.resize(start + CHUNK, 0);
        let result = self.transport.read(&mut self.input[start..]);
        self.input
            .truncate(start + result.as_ref().map_or(0, |read| *read));
        match result {
            Ok(0) => self.connection.receive_eof(self.clock.now()),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(error) => {
                self.connection.receive_eof(self.clock.now());
                return self.reconnect(error.into());
            }
        }
        Ok(())
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.transport.socket() {
            Some(socket) => socket.set_read_timeout(timeout),
            None => Ok(()),
        }
    }

    /// Writes what there is to write, as far as the transport takes it.
    fn write(&mut self) -> Result<(), Failure> {
        match self.write_some() {
            Err(error) if !is_timeout(&error) => {
                self.connection.receive_eof(self.clock.now());
                self.reconnect(error.into())
            }
            _ => Ok(()),
        }
    }

    fn write_some(&mut self) -> io::Result<()> {
        loop {
            if self.out.is_empty() {
                let now = self.clock.now();
                if self.connection.poll_transmit(now, &mut self.out, CHUNK) == 0 {
                    self.transport.flush()?;
                    self.is_flushed = true;
                    return Ok(());
                }
                if self.common.debug {
                    trace("->", self.connection.version(), &self.out);
                }
            }
            self.is_flushed = false;
            let written = self.transport.write(&self.out)?;
            self.out.drain(..written);
        }
    }

    /// Says goodbye and waits for the server to close: to close with input unread could take the
    /// DISCONNECT back.
    fn disconnect(mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        self.connection.disconnect(now, &Disconnect::default())?;
        self.write_some().or_else(ignore_timeout)?;
        while !self.out.is_empty() || !self.is_flushed {
            if self.clock.now() >= now + Duration::from_secs(5) {
                return failed("the server does not read");
            }
            self.write_some().or_else(ignore_timeout)?;
        }
        self.set_read_timeout(Some(Duration::from_secs(1)))?;
        self.transport.close();
        if let Some(socket) = self.transport.socket() {
            // An error: the server has closed already.
            let _ = socket.shutdown(Shutdown::Write);
        }
        while matches!(self.transport.read(&mut [0; 4096]), Ok(1..)) {}
        Ok(())
    }
}

impl Common {
    fn connection(
        &self,
        now: Instant,
        session: Session,
        clean_start: bool,
    ) -> Result<ClientConnection, Failure> {
        let mut connect = Connect::new(self.protocol_version, &self.id);
        connect.clean_start = clean_start;
        connect.keep_alive = self.keepalive;
        connect.user_name = self.user.as_deref();
        connect.password = self.password.as_deref().map(str::as_bytes);
        connect.will = self.will_topic.as_deref().map(|topic| Will {
            qos: self.will_qos,
            retain: self.will_retain,
            ..Will::new(topic, self.will_payload.as_bytes())
        });
        // In 3.1.1 a session that is not clean does not expire; 5.0 has to be told.
        let keep = self.keep_session || self.reconnect;
        let keep =
            (keep && self.protocol_version == Version::V5).then_some(match self.keep_session {
                true => u32::MAX,
                false => 3600,
            });
        let expiry = self
            .session_expiry
            .or(keep)
            .map(Property::SessionExpiryInterval);
        connect.properties = Properties::from(expiry.as_slice());
        Ok(ClientConnection::new(
            now,
            &connect,
            session,
            Options::new(),
        )?)
    }

    fn transport(&self) -> Result<Transport<TcpStream>, Failure> {
        let (mut scheme, mut host, mut port) = (Scheme::Mqtt, &*self.host, self.port);
        if let Some(url) = &self.url {
            scheme = url.scheme().parse().map_err(|text| Failure(2, text))?;
            let brackets: &[_] = &['[', ']'];
            host = url.host_str().unwrap_or("localhost").trim_matches(brackets);
            port = url.port().unwrap_or(scheme.default_port());
        }
        let tls = match scheme.is_tls() {
            false => None,
            true => {
                let trust = Trust::new(self.cafile.as_deref(), self.insecure);
                let identity = self.cert.as_deref().zip(self.key.as_deref());
                let config = tls::client(&trust, identity);
                Some(config.map_err(|error| Failure(2, error.to_string()))?)
            }
        };
        let at = |error: io::Error| Failure(1, format!("{host}:{port}: {error}"));
        let stream = TcpStream::connect((host, port)).map_err(at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut transport =
            Transport::connect(scheme, stream, host, port, tls.as_ref()).map_err(at)?;
        // A server that does not read may be waiting for us to read: no write may take forever.
        if let Some(socket) = transport.socket() {
            socket.set_write_timeout(Some(Duration::from_millis(50)))?;
        }
        Ok(transport)
    }
}

fn ignore_timeout(error: io::Error) -> io::Result<()> {
    if is_timeout(&error) {
        Ok(())
    } else {
        Err(error)
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
    let mut open = true;
    let mut held = None;
    loop {
        driver.events(|_, event| {
            match event {
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
        while driver.is_connected && open {
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
        if driver.is_connected
            && !open
            && session.queued() == 0
            && session.in_flight() == 0
            && driver.out.is_empty()
            && driver.is_flushed
        {
            return driver.disconnect();
        }
        // While lines may come, the socket is waited for in short slices.
        let slice = Duration::from_millis(10);
        let until = (driver.is_connected && open).then(|| driver.clock.now() + slice);
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
                // Another run of the program may have subscribed to something else.
                ClientEvent::Connack(connack)
                    if connack.reason == ReasonCode::Success
                        && !(connack.session_present && count > 0) =>
                {
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
                    print(&mut stdout, arguments, &incoming)?;
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

fn print(out: &mut impl Write, arguments: &Sub, incoming: &Incoming<'_>) -> io::Result<()> {
    let payload = incoming.publish.payload;
    let mut format = match (&arguments.format, arguments.verbose) {
        (Some(format), _) => &**format,
        (None, true) => "%t %p",
        (None, false) => "%p",
    };
    while let Some((text, rest)) = format.split_once('%') {
        out.write_all(text.as_bytes())?;
        let mut rest = rest.chars();
        match rest.next() {
            Some('t') => write!(out, "{}", incoming.topic())?,
            Some('p') => out.write_all(payload)?,
            Some('x') => payload
                .iter()
                .try_for_each(|byte| write!(out, "{byte:02x}"))?,
            Some('l') => write!(out, "{}", payload.len())?,
            Some('q') => write!(out, "{}", incoming.publish.qos.as_u8())?,
            Some('r') => write!(out, "{}", u8::from(incoming.publish.retain))?,
            Some('j') => {
                let json = serde_json::json!({
                    "topic": incoming.topic(),
                    "qos": incoming.publish.qos.as_u8(),
                    "retain": incoming.publish.retain,
                    "payload": String::from_utf8_lossy(payload),
                });
                write!(out, "{json}")?;
            }
            Some(other) => write!(out, "{other}")?,
            None => {}
        }
        format = rest.as_str();
    }
    out.write_all(format.as_bytes())?;
    if arguments.no_newline {
        Ok(())
    } else {
        out.write_all(b"\n")
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
