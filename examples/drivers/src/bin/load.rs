//! Puts a load on any broker: `cargo run --release --bin load -- --target 127.0.0.1:1883 pairs --qos 1`.
//!
//! All clients are here in one thread, on non-blocking sockets: [`sansio_mqtt::ClientConnection`] under mio. The load is a
//! closed loop, in which a publisher has so many messages on their way and waits for one to arrive before it sends the
//! next: so it is the broker that sets the pace, and no queue grows. With `--pid` the broker's CPU time and memory are read
//! from the system (Linux).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant as SystemInstant};

use clap::{Parser, Subcommand};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use sansio_mqtt::{
    ClientConnection, ClientEvent, Clock, Connect, Disconnect, Message, Options, Properties, QoS,
    ReasonCode, Session, Subscription, Version,
};

type Error = Box<dyn std::error::Error>;

/// Measure a broker under load
#[derive(Parser)]
struct Arguments {
    /// Broker's address
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    target: String,
    /// Protocol version: 3.1.1 or 5.0
    #[arg(short = 'V', long, default_value = "5.0", value_parser = version)]
    protocol_version: Version,
    /// Process of the broker, to read its CPU time and memory
    #[arg(long)]
    pid: Option<u32>,
    /// End after this many seconds at the latest
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Print one line of numbers, for scripts
    #[arg(long)]
    brief: bool,
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// One publisher, several subscribers of its topic
    Fanout {
        #[arg(long, default_value_t = 10)]
        subscribers: usize,
        #[command(flatten)]
        traffic: Traffic,
    },
    /// Publishers with a subscriber each
    Pairs {
        #[arg(long, default_value_t = 100)]
        pairs: usize,
        #[command(flatten)]
        traffic: Traffic,
    },
    /// Connections that do nothing, with a subscription each
    Idle {
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// How long they stay
        #[arg(long, value_name = "SECONDS", default_value_t = 2)]
        stay: u64,
    },
}

#[derive(clap::Args, Copy, Clone)]
struct Traffic {
    #[arg(long, default_value = "0", value_parser = qos)]
    qos: QoS,
    /// Messages published in all
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// Bytes of a payload, 8 at least
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Messages of one publisher on their way at a time
    #[arg(long, default_value_t = 20)]
    window: u64,
}

fn version(text: &str) -> Result<Version, &'static str> {
    match text {
        "3.1.1" => Ok(Version::V311),
        "5.0" => Ok(Version::V5),
        _ => Err("expected 3.1.1 or 5.0"),
    }
}

fn qos(text: &str) -> Result<QoS, &'static str> {
    let number = text.parse().ok().and_then(QoS::from_u8);
    number.ok_or("expected 0, 1 or 2")
}

struct Client {
    stream: TcpStream,
    connection: ClientConnection,
    input: Vec<u8>,
    out: Vec<u8>,
    is_ready: bool,
    /// To subscribe to when it is connected.
    filter: Option<(String, QoS)>,
    /// The number of what it publishes to or subscribes to.
    topic: usize,
}

/// A topic with one publisher.
#[derive(Default)]
struct Topic {
    publisher: usize,
    subscribers: u64,
    published: u64,
    arrived: u64,
}

struct Bench {
    poll: Poll,
    clock: Clock,
    clients: Vec<Client>,
    topics: Vec<Topic>,
    target: SocketAddr,
    version: Version,
    started: SystemInstant,
    latency: Histogram<u64>,
    buffer: Vec<u8>,
    ready: usize,
    arrived: u64,
    end: SystemInstant,
}

impl Bench {
    fn new(arguments: &Arguments) -> Result<Self, Error> {
        let mut targets = arguments.target.to_socket_addrs()?;
        Ok(Self {
            poll: Poll::new()?,
            clock: Clock::new(),
            clients: Vec::new(),
            topics: Vec::new(),
            target: targets.next().ok_or("no such host")?,
            version: arguments.protocol_version,
            started: SystemInstant::now(),
            latency: Histogram::new(3)?,
            buffer: vec![0; 64 << 10],
            ready: 0,
            arrived: 0,
            end: SystemInstant::now() + Duration::from_secs(arguments.seconds),
        })
    }

    /// Connects one more client; with `filter` it is ready when its subscription stands.
    fn add(&mut self, topic: usize, filter: Option<(String, QoS)>) -> Result<usize, Error> {
        let key = self.clients.len();
        let name = format!("load-{}-{key}", std::process::id());
        let mut connect = Connect::new(self.version, &name);
        connect.keep_alive = 0;
        let options = Options::new().with_maximum_kept_messages(1_000_000);
        let now = self.clock.now();
        let connection = ClientConnection::new(now, &connect, Session::new(), options)?;
        let stream = std::net::TcpStream::connect(self.target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(key), interest)?;
        self.clients.push(Client {
            stream,
            connection,
            input: Vec::new(),
            out: Vec::new(),
            is_ready: false,
            filter,
            topic,
        });
        self.write(key)?;
        // The system accepts so many at a time; and here they are awaited in turn.
        let goal = self.ready + 1;
        while self.ready < goal {
            self.turn(&mut |_, _| {})?;
        }
        Ok(key)
    }

    /// Waits for events once.
    fn turn(&mut self, arrived: &mut dyn FnMut(usize, u64)) -> Result<(), Error> {
        if SystemInstant::now() >= self.end {
            return Err("time is up".into());
        }
        let mut events = Events::with_capacity(1024);
        self.poll
            .poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let Token(key) = event.token();
            if event.is_readable() {
                self.read(key, arrived)?;
            }
            self.write(key)?;
        }
        Ok(())
    }

    fn read(&mut self, key: usize, arrived: &mut dyn FnMut(usize, u64)) -> Result<(), Error> {
        let client = &mut self.clients[key];
        loop {
            let read = match client.stream.read(&mut self.buffer) {
                Ok(0) => return Err(format!("client {key}: the broker closed").into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let now = self.clock.now();
            client.input.extend_from_slice(&self.buffer[..read]);
            let mut input = &client.input[..];
            while let Some(event) = client.connection.receive(now, &mut input) {
                match event {
                    ClientEvent::Connack(connack) if connack.reason.is_error() => {
                        return Err(format!("refused: {}", connack.reason).into());
                    }
                    ClientEvent::Connack(_) => match &client.filter {
                        Some((filter, qos)) => {
                            let subscription = [Subscription::new(filter, *qos)];
                            client
                                .connection
                                .subscribe(&subscription, Properties::EMPTY)?;
                        }
                        None => {
                            self.ready += 1;
                            client.is_ready = true;
                        }
                    },
                    ClientEvent::Subscribed { suback, .. } => {
                        if suback.reason_codes.iter().any(ReasonCode::is_error) {
                            return Err("the subscription was refused".into());
                        }
                        self.ready += usize::from(!client.is_ready);
                        client.is_ready = true;
                    }
                    ClientEvent::Publish(incoming) => {
                        let sent = incoming.publish.payload.first_chunk();
                        let sent = u64::from_be_bytes(*sent.ok_or("an unknown message")?);
                        arrived(client.topic, sent);
                    }
                    ClientEvent::Disconnect(disconnect) => {
                        return Err(format!("disconnected: {}", disconnect.reason).into());
                    }
                    _ => {}
                }
            }
            let taken = client.input.len() - input.len();
            client.input.drain(..taken);
            if read < self.buffer.len() {
                return Ok(());
            }
        }
    }

    fn write(&mut self, key: usize) -> Result<(), Error> {
        let client = &mut self.clients[key];
        loop {
            if client.out.is_empty()
                && client
                    .connection
                    .poll_transmit(self.clock.now(), &mut client.out, 64 << 10)
                    == 0
            {
                return Ok(());
            }
            match client.stream.write(&client.out) {
                Ok(written) => drop(client.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn nanoseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Publishes until all has arrived everywhere.
    fn run(&mut self, traffic: Traffic, progress: &ProgressBar) -> Result<(), Error> {
        let total = traffic.messages / self.topics.len() as u64;
        let deliveries: u64 = self
            .topics
            .iter()
            .map(|topic| topic.subscribers * total)
            .sum();
        progress.set_length(deliveries);
        let mut payload = vec![0; traffic.size.max(8)];
        let mut changed: Vec<usize> = (0..self.topics.len()).collect();
        let mut arrivals = Vec::new();
        loop {
            for number in changed.drain(..) {
                let topic = &mut self.topics[number];
                let key = topic.publisher;
                let name = format!("load/{number}");
                let mut some = false;
                // What the slowest has: on average, as one connection's order is the order of all.
                while topic.published < total
                    && topic.published - topic.arrived / topic.subscribers < traffic.window
                {
                    let sent = u64::try_from(self.started.elapsed().as_nanos())?;
                    payload[..8].copy_from_slice(&sent.to_be_bytes());
                    let message = Message::new(&name, &payload)?.with_qos(traffic.qos);
                    self.clients[key]
                        .connection
                        .publish(self.clock.now(), message)?;
                    topic.published += 1;
                    some = true;
                }
                if some {
                    self.write(key)?;
                }
            }
            let is_over = |topic: &Topic| topic.arrived == total * topic.subscribers;
            if self.topics.iter().all(is_over) {
                return Ok(());
            }
            self.turn(&mut |topic, sent| arrivals.push((topic, sent)))?;
            let now = self.nanoseconds();
            for (topic, sent) in arrivals.drain(..) {
                self.latency.record(now.saturating_sub(sent) / 1_000)?;
                self.topics[topic].arrived += 1;
                self.arrived += 1;
                if changed.last() != Some(&topic) {
                    changed.push(topic);
                }
            }
            progress.set_position(self.arrived);
        }
    }

    /// Says goodbye, so that the broker keeps nothing.
    fn leave(&mut self) {
        for key in 0..self.clients.len() {
            let client = &mut self.clients[key];
            let now = self.clock.now();
            let _ = client.connection.disconnect(now, &Disconnect::default());
            let _ = self.write(key);
        }
    }
}

/// Of a process: CPU time in seconds, and resident memory in bytes.
fn usage(pid: u32) -> io::Result<(f64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may have blanks in it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<f64> = fields
        .split_ascii_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    let ticks = fields
        .get(11)
        .zip(fields.get(12))
        .map_or(0.0, |(user, system)| user + system);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse().ok());
    // The kernel tells these in hundredths of a second, whatever it counts itself.
    Ok((ticks / 100.0, resident.unwrap_or(0u64) * 1024))
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    let mut bench = Bench::new(&arguments)?;
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} {eta}")?;
    let progress = if arguments.brief {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    let progress = progress.with_style(style);
    let before_all = arguments.pid.map(usage).transpose()?;
    let traffic = match arguments.load {
        Load::Fanout {
            subscribers,
            traffic,
        } => {
            bench.topics.push(Topic {
                subscribers: subscribers as u64,
                ..Topic::default()
            });
            for _ in 0..subscribers {
                bench.add(0, Some(("load/0".into(), traffic.qos)))?;
            }
            bench.topics[0].publisher = bench.add(0, None)?;
            traffic
        }
        Load::Pairs { pairs, traffic } => {
            for number in 0..pairs {
                bench.topics.push(Topic {
                    subscribers: 1,
                    ..Topic::default()
                });
                bench.add(number, Some((format!("load/{number}"), traffic.qos)))?;
                bench.topics[number].publisher = bench.add(number, None)?;
            }
            traffic
        }
        Load::Idle { connections, stay } => {
            progress.set_length(connections as u64);
            for number in 0..connections {
                bench.add(number, Some((format!("idle/{number}"), QoS::AtLeastOnce)))?;
                progress.inc(1);
            }
            progress.finish_and_clear();
            std::thread::sleep(Duration::from_secs(stay));
            if let (Some(pid), Some((_, before))) = (arguments.pid, before_all) {
                let bytes = usage(pid)?.1.saturating_sub(before) / connections as u64;
                match arguments.brief {
                    true => println!("bytes_per_connection={bytes}"),
                    false => {
                        println!("{connections} connections, {bytes} bytes each in the broker");
                    }
                }
            }
            bench.leave();
            return Ok(());
        }
    };
    let before = arguments.pid.map(usage).transpose()?;
    let start = SystemInstant::now();
    bench.run(traffic, &progress)?;
    let seconds = start.elapsed().as_secs_f64();
    progress.finish_and_clear();
    let arrived = bench.arrived as f64;
    let latency = [50.0, 99.0, 99.9].map(|at| bench.latency.value_at_percentile(at));
    let [p50, p99, p999] = latency;
    let cpu = match (arguments.pid, before) {
        (Some(pid), Some((before, _))) => Some((usage(pid)?.0 - before) * 1e6 / arrived),
        _ => None,
    };
    let rate = arrived / seconds;
    if arguments.brief {
        let cpu = cpu.unwrap_or(f64::NAN);
        println!(
            "messages_per_second={rate:.0} p50_us={p50} p99_us={p99} p999_us={p999} cpu_seconds_per_million={cpu:.4}"
        );
    } else {
        println!("{arrived} messages received in {seconds:.2} s: {rate:.0} per second");
        println!("latency: 50 % {p50} µs, 99 % {p99} µs, 99.9 % {p999} µs");
        if let Some(cpu) = cpu {
            println!("the broker's CPU time: {cpu:.3} s for a million messages received");
        }
    }
    bench.leave();
    Ok(())
}
