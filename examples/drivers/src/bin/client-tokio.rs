//! A client on tokio: `cargo run --release --bin client-tokio -- mqtt://127.0.0.1:1883 'a/#'`.
//!
//! It prints what arrives for the filters, publishes each line of standard input that reads `TOPIC PAYLOAD` at QoS 1, and
//! connects again when the connection is lost, with its session. The whole of the async loop is in `converse`: one
//! `select!` over what the transport gives, the connection's deadline, and what the application wants.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use sansio_mqtt::{
    ClientConnection, ClientEvent, Clock, CloseCause, Connect, Disconnect, Message, Options,
    Properties, Property, QoS, Session, Subscription, Version,
};
use sansio_mqtt_drivers::Scheme;
use sansio_mqtt_drivers::tls::{self, Trust};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Lines, Stdin,
};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use url::Url;

/// A client for MQTT 5.0 over TCP and TLS
#[derive(Parser)]
struct Arguments {
    /// The server: mqtt or mqtts
    url: Url,
    /// Topic filters
    #[arg(required = true)]
    filters: Vec<String>,
    /// For mqtts: the authorities that the server's certificate may be of, PEM; without it those of the system
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
}

/// Bytes taken from and given to the transport at a time.
const CHUNK: usize = 16 << 10;

trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let name = format!("tokio-{}", std::process::id());
    let clock = Clock::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut session = Session::new();
    let mut pause = Duration::from_secs(1);
    loop {
        let expiry = [Property::SessionExpiryInterval(3600)];
        let mut connect = Connect::new(Version::V5, &name);
        connect.clean_start = !session.is_established();
        connect.properties = Properties::from(&expiry);
        let mut connection = ClientConnection::new(clock.now(), &connect, session, Options::new())?;
        match timeout(Duration::from_secs(10), open(&arguments)).await {
            Ok(Ok(mut transport)) => {
                pause = Duration::from_secs(1);
                let ended = converse(
                    &arguments,
                    clock,
                    &mut transport,
                    &mut connection,
                    &mut lines,
                );
                if let Err(error) = ended.await {
                    eprintln!("{error}");
                }
                // Nothing follows on what the application wanted itself, or the server will not have.
                match connection.closed().map(|closed| closed.cause) {
                    Some(CloseCause::Refused(reason)) => {
                        return Err(format!("refused: {reason}").into());
                    }
                    Some(CloseCause::Disconnected(reason)) if !reason.is_error() => return Ok(()),
                    Some(cause) => eprintln!("closed: {cause}"),
                    None => {}
                }
            }
            Ok(Err(error)) => eprintln!("{}: {error}", arguments.url),
            Err(_) => eprintln!("{}: no connection within 10 s", arguments.url),
        }
        session = connection.into_session();
        sleep(pause).await;
        pause = (2 * pause).min(Duration::from_secs(30));
    }
}

async fn open(arguments: &Arguments) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    let scheme: Scheme = arguments.url.scheme().parse()?;
    let host = arguments.url.host_str().unwrap_or("localhost");
    let port = arguments.url.port().unwrap_or(scheme.default_port());
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    match scheme {
        Scheme::Mqtt => Ok(Box::new(stream)),
        Scheme::Mqtts => {
            let trust = Trust::new(arguments.cafile.as_deref(), false);
            let config = tls::client(&trust, None).map_err(|error| error.to_string())?;
            let name = rustls::pki_types::ServerName::try_from(host.to_owned())?;
            Ok(Box::new(
                TlsConnector::from(config).connect(name, stream).await?,
            ))
        }
        _ => Err("this client has no WebSocket".into()),
    }
}

/// Until the connection has ended.
async fn converse(
    arguments: &Arguments,
    clock: Clock,
    transport: &mut dyn Transport,
    connection: &mut ClientConnection,
    lines: &mut Lines<BufReader<Stdin>>,
) -> Result<(), Box<dyn Error>> {
    let filters = arguments.filters.iter();
    let subscriptions: Vec<_> = filters
        .map(|one| Subscription::new(one, QoS::ExactlyOnce))
        .collect();
    let (mut input, mut out) = (Vec::new(), Vec::new());
    let (mut is_connected, mut has_lines) = (false, true);
    loop {
        // What was read.
        let now = clock.now();
        let mut unread = &input[..];
        while let Some(event) = connection.receive(now, &mut unread) {
            match event {
                ClientEvent::Connack(connack) => {
                    is_connected = !connack.reason.is_error();
                    if is_connected && !connack.session_present {
                        connection.subscribe(&subscriptions, Properties::EMPTY)?;
                    }
                }
                ClientEvent::Publish(incoming) => {
                    let payload = String::from_utf8_lossy(incoming.publish.payload);
                    println!("{} {payload}", incoming.topic());
                }
                ClientEvent::Subscribed { suback, .. } => {
                    for code in suback.reason_codes.iter().filter(|code| code.is_error()) {
                        eprintln!("a subscription was refused: {code}");
                    }
                }
                ClientEvent::Published { ack, .. } if ack.reason.is_error() => {
                    eprintln!("a message was refused: {}", ack.reason);
                }
                _ => {}
            }
        }
        let taken = input.len() - unread.len();
        input.drain(..taken);
        connection.handle_timeout(now);
        // What there is to write. While the server does not take it, nothing more is read either; the time limit is for
        // one that never does.
        while connection.poll_transmit(now, &mut out, CHUNK) > 0 {
            timeout(Duration::from_secs(30), transport.write_all(&out)).await??;
            out.clear();
        }
        transport.flush().await?;
        if connection.closed().is_some() {
            let _ = timeout(Duration::from_secs(1), transport.shutdown()).await;
            return Ok(());
        }
        // What comes next. Each of these can be dropped at any `await` without losing anything.
        let deadline = connection
            .poll_timeout()
            .map(|deadline| clock.until(deadline));
        tokio::select! {
            read = transport.read_buf(&mut input) => {
                if read? == 0 {
                    connection.receive_eof(clock.now());
                }
            }
            () = sleep(deadline.unwrap_or_default()), if deadline.is_some() => {}
            line = lines.next_line(), if is_connected && has_lines => match line? {
                None => has_lines = false,
                Some(line) => {
                    let (topic, payload) = line.split_once(' ').unwrap_or((&line, ""));
                    let message = Message::new(topic, payload.as_bytes()).map(|one| one.with_qos(QoS::AtLeastOnce));
                    match message.map(|message| connection.publish(clock.now(), message)) {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) => eprintln!("{error}"),
                        Err(error) => eprintln!("{error}"),
                    }
                }
            },
            signal = tokio::signal::ctrl_c() => {
                signal?;
                if !is_connected {
                    return Err("not connected".into());
                }
                connection.disconnect(clock.now(), &Disconnect::default())?;
            }
        }
    }
}
