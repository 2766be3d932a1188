//! A broker for MQTT 3.1.1 and 5.0, and for 3.1 if asked: `cargo run --release --bin broker`.
//!
//! The protocol is in the crate: [`sansio_mqtt::Broker`] is one state machine for all connections. Here is what it leaves
//! to others: sockets, TLS and WebSocket in `serve`, who may do what in `answers` and `access`, a database in `store`; this file has the
//! options. One thread runs the machine and all sockets; checking a password and writing to the disk, which take their
//! time, have threads of their own and answer later.

mod access;
mod answers;
#[cfg(feature = "faults")]
mod faults;
mod metrics;
mod peers;
mod serve;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sansio_mqtt::{BrokerOptions, Options};
use sansio_mqtt_drivers::Scheme;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A broker for MQTT 3.1.1 and 5.0, and for 3.1 if asked
#[derive(Parser, Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Arguments {
    /// Where to listen, repeatable: mqtt, mqtts, ws and wss; port 0 takes a free one. WebSocket is at /mqtt.
    /// Without any: mqtt://127.0.0.1:1883
    #[arg(long, value_name = "[SCHEME://]ADDRESS")]
    listen: Vec<String>,
    /// Certificate chain for mqtts and wss, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Require client certificates of this authority, PEM
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Users and their passwords, as mosquitto_passwd writes them; without it nobody is asked
    #[arg(long, value_name = "FILE")]
    passwords: Option<PathBuf>,
    /// Who may publish and subscribe, in mosquitto's format; without it everybody may
    #[arg(long, value_name = "FILE")]
    acl: Option<PathBuf>,
    /// Keep sessions and retained messages here; without it in memory
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Accept MQTT 3.1 too
    #[arg(long)]
    accept_v31: bool,
    /// Let clients publish to topics that begin with $, but for $SYS
    #[arg(long)]
    dollar_topics: bool,
    /// Connections at most [default: 100000]
    #[arg(long, value_name = "NUMBER")]
    maximum_connections: Option<usize>,
    /// Bytes of the largest packet [default: 16777216]
    #[arg(long, value_name = "BYTES")]
    maximum_packet_size: Option<u32>,
    /// Messages that wait for one client at most [default: 100000]
    #[arg(long, value_name = "NUMBER")]
    maximum_queued_messages: Option<u32>,
    /// Bytes of messages that wait for one client at most [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    maximum_queued_bytes: Option<u32>,
    /// Seconds that a session outlives its connection at most [default: no limit]
    #[arg(long, value_name = "SECONDS")]
    maximum_session_expiry: Option<u32>,
    /// Seconds between two publications of $SYS [default: 10; 0: never]
    #[arg(long, value_name = "SECONDS")]
    sys_interval: Option<u64>,
    /// Serve metrics for Prometheus over HTTP here
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// What to log: error, warn, info, debug, trace, or per target as in RUST_LOG [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Read these options from a file too, in TOML; what is given here goes before
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Misbehave so, repeatable: for the test of those who test brokers
    #[cfg(feature = "faults")]
    #[arg(long, value_name = "NAME")]
    #[serde(skip)]
    fault: Vec<faults::Fault>,
    /// Print the names of the faults, the statements that they break, a trace that shows each, and what they are
    #[cfg(feature = "faults")]
    #[arg(long)]
    #[serde(skip)]
    list_faults: bool,
}

impl Arguments {
    fn or(self, file: Self) -> Self {
        Self {
            listen: if self.listen.is_empty() {
                file.listen
            } else {
                self.listen
            },
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            tls_client_ca: self.tls_client_ca.or(file.tls_client_ca),
            passwords: self.passwords.or(file.passwords),
            acl: self.acl.or(file.acl),
            data: self.data.or(file.data),
            accept_v31: self.accept_v31 || file.accept_v31,
            dollar_topics: self.dollar_topics || file.dollar_topics,
            maximum_connections: self.maximum_connections.or(file.maximum_connections),
            maximum_packet_size: self.maximum_packet_size.or(file.maximum_packet_size),
            maximum_queued_messages: self
                .maximum_queued_messages
                .or(file.maximum_queued_messages),
            maximum_queued_bytes: self.maximum_queued_bytes.or(file.maximum_queued_bytes),
            maximum_session_expiry: self.maximum_session_expiry.or(file.maximum_session_expiry),
            sys_interval: self.sys_interval.or(file.sys_interval),
            metrics: self.metrics.or(file.metrics),
            log: self.log.or(file.log),
            config: None,
            #[cfg(feature = "faults")]
            fault: self.fault,
            #[cfg(feature = "faults")]
            list_faults: self.list_faults,
        }
    }

    fn listeners(&self) -> Result<Vec<(Scheme, String)>, Error> {
        let default = ["mqtt://127.0.0.1:1883".to_owned()];
        let given = if self.listen.is_empty() {
            &default
        } else {
            &self.listen[..]
        };
        let parse = |text: &String| -> Result<_, Error> {
            let (scheme, address) = text.split_once("://").unwrap_or(("mqtt", text));
            Ok((scheme.parse()?, address.to_owned()))
        };
        given.iter().map(parse).collect()
    }

    fn options(&self) -> BrokerOptions {
        let connection = Options::new()
            .with_accept_v31(self.accept_v31)
            .with_topic_alias_maximum(32)
            .with_automatic_topic_aliases(32)
            .with_maximum_packet_size(self.maximum_packet_size.unwrap_or(16 << 20))
            .with_maximum_kept_messages(self.maximum_queued_messages.unwrap_or(100_000))
            .with_maximum_kept_bytes(self.maximum_queued_bytes.unwrap_or(64 << 20));
        let sys_interval = self.sys_interval.unwrap_or(10);
        BrokerOptions::new()
            .with_connection(connection)
            .with_maximum_connections(self.maximum_connections.unwrap_or(100_000))
            .with_maximum_session_expiry(self.maximum_session_expiry.unwrap_or(u32::MAX))
            .with_sys_interval((sys_interval > 0).then(|| Duration::from_secs(sys_interval)))
            .with_dollar_topics(self.dollar_topics)
            .with_ask_connect(true)
            .with_ask_subscribe(true)
            .with_ask_publish(self.acl.is_some())
            .with_drop_events(true)
            .with_records(self.data.is_some())
    }
}

fn main() -> ExitCode {
    let result = Arguments::try_parse()
        .map_err(|error| error.exit())
        .and_then(run);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments) -> Result<(), Error> {
    #[cfg(feature = "faults")]
    if arguments.list_faults {
        print!("{}", faults::list());
        return Ok(());
    }
    if let Some(path) = arguments.config.take() {
        let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| in_file(&error))?;
        arguments = arguments.or(toml::from_str(&text).map_err(|error| in_file(&error))?);
    }
    let filter = match &arguments.log {
        Some(filter) => EnvFilter::try_new(filter)?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(chain), Some(key)) => Some(sansio_mqtt_drivers::tls::server(
            chain,
            key,
            arguments.tls_client_ca.as_deref(),
        )?),
        (None, None) => None,
        _ => return Err("--tls-cert and --tls-key go together".into()),
    };
    let listeners = arguments.listeners()?;
    if tls.is_none() && listeners.iter().any(|(scheme, _)| scheme.is_tls()) {
        return Err("mqtts and wss need --tls-cert and --tls-key".into());
    }
    let server = serve::Server::new(serve::Setup {
        options: arguments.options(),
        listeners,
        tls,
        passwords: arguments
            .passwords
            .as_deref()
            .map(access::Passwords::read)
            .transpose()?,
        acl: arguments
            .acl
            .as_deref()
            .map(access::Acl::read)
            .transpose()?,
        data: arguments.data,
        metrics: arguments.metrics,
        #[cfg(feature = "faults")]
        faults: faults::Faults::new(arguments.fault),
    })?;
    server.run()
}
