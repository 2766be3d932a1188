//! A network connection to the target, on which nothing waits longer than it may.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use sansio_mqtt::{Packet, Role};
use sansio_mqtt_drivers::{Scheme, Transport};
use serde_json::Value;

use super::support::json::{packet, receiver};

/// Bytes taken at a time from one connection, so that one that floods does not keep the others waiting.
const AT_A_TIME: usize = 256 << 10;

/// Bytes that are no whole packet yet; no case has a packet that is so long.
const MOST_LEFT: usize = 8 << 20;

/// CONNACK 0x01 of 3.1.1.
const UNKNOWN_VERSION: [u8; 4] = [0x20, 2, 0, 1];

/// Where the server is, and how it is spoken to.
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// For whatever has no time of its own.
    pub(crate) timeout: Duration,
    /// In a CONNECT that is not about it, in seconds: 0, if the server takes that.
    pub(crate) keep_alive: u64,
}

impl Target {
    pub(crate) fn open(&self) -> io::Result<Wire> {
        let mut last = io::Error::other("no address");
        for address in &self.addresses {
            match TcpStream::connect_timeout(address, self.timeout) {
                Ok(stream) => return self.hand_shake(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn hand_shake(&self, stream: TcpStream) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        let control = stream.try_clone()?;
        let socket = Socket {
            stream,
            deadline: Some(Instant::now() + self.timeout),
            budget: 0,
        };
        let transport = Transport::connect(
            self.scheme,
            socket,
            &self.host,
            self.port,
            self.tls.as_ref(),
        )?;
        Wire::new(transport, control, Role::Server)
    }
}

/// The socket: blocking until a moment, or not blocking with a number of bytes that may be read.
struct Socket {
    stream: TcpStream,
    deadline: Option<Instant>,
    budget: usize,
}

impl Socket {
    fn remaining(deadline: Instant) -> io::Result<Duration> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

/// A time-out of a blocking socket is told as `WouldBlock` on some systems.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(deadline) = self.deadline {
            let left = Self::remaining(deadline)?;
            self.stream.set_read_timeout(Some(left))?;
            return self.stream.read(buffer).map_err(timed_out);
        }
        let most = self.budget.min(buffer.len());
        if most == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = self.stream.read(&mut buffer[..most])?;
        self.budget -= read;
        Ok(read)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(deadline) = self.deadline {
            let left = Self::remaining(deadline)?;
            self.stream.set_write_timeout(Some(left))?;
            return self.stream.write(bytes).map_err(timed_out);
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

pub(crate) struct Wire {
    transport: Transport<Socket>,
    control: TcpStream,
    /// The side under test.
    sender: Role,
    input: Vec<u8>,
    end: Option<String>,
}

/// What was read.
pub(crate) enum Read1 {
    Packet(Value, Vec<u8>),
    /// Why it is none.
    Garbage(String, Vec<u8>),
}

impl Wire {
    fn new(mut transport: Transport<Socket>, control: TcpStream, sender: Role) -> io::Result<Self> {
        if let Some(socket) = transport.socket() {
            socket.deadline = None;
        }
        control.set_nonblocking(true)?;
        Ok(Self {
            transport,
            control,
            sender,
            input: Vec::new(),
            end: None,
        })
    }

    /// One that the side under test has opened.
    pub(crate) fn accepted(stream: TcpStream, sender: Role, time: Duration) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        let control = stream.try_clone()?;
        let socket = Socket {
            stream,
            deadline: Some(Instant::now() + time),
            budget: 0,
        };
        Self::new(
            Transport::accept(Scheme::Mqtt, socket, None)?,
            control,
            sender,
        )
    }

    /// Takes what has come. Returns how many bytes.
    pub(crate) fn pump(&mut self) -> usize {
        if self.end.is_some() {
            return 0;
        }
        if let Some(socket) = self.transport.socket() {
            socket.budget = AT_A_TIME;
        }
        let before = self.input.len();
        let mut buffer = [0; 16 << 10];
        while self.input.len() - before < AT_A_TIME {
            match self.transport.read(&mut buffer) {
                Ok(0) => {
                    self.end = Some("closed".into());
                    break;
                }
                Ok(read) => self.input.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.end = Some(format!("closed ({error})"));
                    break;
                }
            }
        }
        if self.input.len() > MOST_LEFT && self.end.is_none() {
            self.end = Some(format!("cut off after {} bytes", self.input.len()));
            let _ = self.control.shutdown(Shutdown::Both);
        }
        self.input.len() - before
    }

    /// How the target has ended the connection, if it has.
    pub(crate) fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// Bytes that are no whole packet yet.
    pub(crate) fn left(&self) -> &[u8] {
        &self.input
    }

    /// The next whole packet, with its bytes.
    pub(crate) fn next(&mut self, version: &str) -> Option<Read1> {
        if self.input.is_empty() {
            return None;
        }
        // What 3.1.1 says to a version that it does not know, and what is said to one that nobody knows.
        let is_unknown = self.sender == Role::Server && self.input.starts_with(&UNKNOWN_VERSION);
        let version = match version {
            _ if is_unknown => "3.1.1",
            "any" if self.input.starts_with(&UNKNOWN_VERSION[..2]) => "3.1.1",
            "any" => "5.0",
            version => version,
        };
        let (version, options) = receiver(version)?;
        let options = options.with_sender(Some(self.sender));
        let mut rest = &self.input[..];
        let result = match Packet::decode(version, &options, &mut rest) {
            Ok(None) => return None,
            Ok(Some(one)) => Ok(packet(version, &one)),
            Err(error) => Err(error.to_string()),
        };
        let taken = self.input.len() - rest.len();
        Some(match result {
            Ok(value) => Read1::Packet(value, self.input.drain(..taken).collect()),
            Err(error) => Read1::Garbage(error, std::mem::take(&mut self.input)),
        })
    }

    /// Writes all of it, in this time at most. An end is noticed by what reads.
    pub(crate) fn write(&mut self, bytes: &[u8], time: Duration) -> Result<(), String> {
        let deadline = Instant::now() + time;
        let mut left = bytes;
        loop {
            let result = match left {
                [] => self.transport.flush(),
                _ => self
                    .transport
                    .write(left)
                    .map(|written| left = &left[written..]),
            };
            match result {
                Ok(()) if left.is_empty() => {
                    if self.transport.flush().is_ok() {
                        return Ok(());
                    }
                }
                Ok(()) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                // The other side has ended it.
                Err(_) => return Ok(()),
            }
            if Instant::now() >= deadline {
                return Err("it takes no bytes".into());
            }
            // Where it cannot be written, what has come may be in the way.
            if self.pump() == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            if self.end.is_some() {
                return Ok(());
            }
        }
    }

    /// Ends the connection without a word, and waits a short time until the other side has seen it.
    pub(crate) fn close(&mut self) {
        if self.end.is_some() {
            return;
        }
        let _ = self.control.shutdown(Shutdown::Write);
        let deadline = Instant::now() + Duration::from_millis(300);
        while self.end.is_none() && Instant::now() < deadline {
            if self.pump() == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            self.input.clear();
        }
        let _ = self.control.shutdown(Shutdown::Both);
        // One that goes on with a half of a connection sees the rest of it go now.
        if self.end.is_none() {
            thread::sleep(Duration::from_millis(50));
        }
        self.end = Some("closed".into());
    }
}
