//! The sockets of all connections, and one loop that gives their bytes to the broker and its bytes to them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{self, Duration, SystemTime};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use sansio_mqtt::{
    Broker, BrokerEvent, BrokerOptions, ConnectionId, Disconnect, Instant, Message, QuestionToken,
    ReasonCode,
};
use sansio_mqtt_drivers::{Scheme, Transport};
use tracing::{debug, error, info, warn};

use crate::Error;
use crate::access::{Acl, Passwords};
use crate::answers::{Credentials, check_passwords};
use crate::metrics;
use crate::peers::{End, Peer, Peers, write_some};
use crate::store::Store;

/// Bytes taken from and given to a socket at a time.
const CHUNK: usize = 64 << 10;
/// How long the end of a connection may take, and of the whole.
const LINGER: Duration = Duration::from_secs(5);
/// When to accept again after the system had no room for one more connection.
const RETRY: Duration = Duration::from_millis(100);

const WAKER: Token = Token(usize::MAX);

pub(crate) struct Setup {
    pub(crate) options: BrokerOptions,
    pub(crate) listeners: Vec<(Scheme, String)>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) passwords: Option<Passwords>,
    pub(crate) acl: Option<Acl>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) metrics: Option<SocketAddr>,
    #[cfg(feature = "faults")]
    pub(crate) faults: crate::faults::Faults,
}

/// UNIX time, which the times in the database need, but from a clock that does not go back.
struct Clock(time::Instant, Instant);

impl Clock {
    fn new() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = u64::try_from(unix.unwrap_or_default().as_millis()).unwrap_or(0);
        Self(time::Instant::now(), Instant::from_millis(millis))
    }

    fn now(&self) -> Instant {
        self.1 + self.0.elapsed()
    }
}

/// What other threads tell the loop.
pub(crate) enum Mail {
    Password {
        token: QuestionToken,
        is_right: bool,
        client_id: String,
    },
    Stored(Result<u64, String>),
    Metrics(Sender<String>),
    Stop,
}

#[derive(Clone)]
pub(crate) struct MailBox(Sender<Mail>, Arc<Waker>);

impl MailBox {
    pub(crate) fn send(&self, mail: Mail) {
        // An error: the loop has ended.
        if self.0.send(mail).is_ok() {
            let _ = self.1.wake();
        }
    }
}

pub(crate) struct Server {
    poll: Poll,
    listeners: Vec<(Scheme, TcpListener)>,
    tls: Option<Arc<rustls::ServerConfig>>,
    /// Passwords are checked, in a thread.
    pub(crate) passwords: Option<Sender<Credentials>>,
    pub(crate) acl: Option<Acl>,
    mail: Receiver<Mail>,
    store: Option<Store>,
    pub(crate) broker: Broker,
    clock: Clock,
    pub(crate) peers: Peers,
    /// Peers with more to read, or to write, than their turn allowed.
    turns: VecDeque<ConnectionId>,
    /// Peers from which the broker does not want anything now.
    stalled: Vec<ConnectionId>,
    /// When to forget peers that are at their end.
    ends: VecDeque<(Instant, ConnectionId)>,
    accept_at: Option<Instant>,
    stop_at: Option<Instant>,
    buffer: Vec<u8>,
    made: Vec<u8>,
    connections: u64,
    #[cfg(feature = "faults")]
    faults: crate::faults::Faults,
}

impl Server {
    pub(crate) fn new(setup: Setup) -> Result<Self, Error> {
        let poll = Poll::new()?;
        let clock = Clock::new();
        let (sender, mail) = mpsc::channel();
        let mailbox = MailBox(sender, Arc::new(Waker::new(poll.registry(), WAKER)?));

        let (store, broker) = match &setup.data {
            None => (None, Broker::new(clock.now(), setup.options)),
            Some(directory) => {
                let mailbox = mailbox.clone();
                let stored = move |result| mailbox.send(Mail::Stored(result));
                let (store, broker) = Store::open(directory, clock.now(), setup.options, stored)?;
                let counters = broker.counters();
                info!(
                    "{}: {} sessions, {} retained messages",
                    directory.display(),
                    counters.sessions,
                    counters.retained_messages
                );
                (Some(store), broker)
            }
        };
        let mut listeners = Vec::new();
        for (scheme, address) in setup.listeners {
            let address = address
                .to_socket_addrs()
                .and_then(|mut all| all.next().ok_or_else(|| ErrorKind::NotFound.into()));
            let listener = address.and_then(TcpListener::bind);
            let mut listener = listener.map_err(|error| format!("{}: {error}", scheme.name()))?;
            let token = Token(usize::MAX - 1 - listeners.len());
            poll.registry()
                .register(&mut listener, token, Interest::READABLE)?;
            println!(
                "listening on {}://{}",
                scheme.name(),
                listener.local_addr()?
            );
            listeners.push((scheme, listener));
        }
        if let Some(address) = setup.metrics {
            let http = tiny_http::Server::http(address)?;
            println!("metrics on http://{}", http.server_addr());
            let mailbox = mailbox.clone();
            thread::spawn(move || metrics::serve(&http, &mailbox));
        }
        let passwords = setup.passwords.map(|passwords| {
            let (sender, credentials) = mpsc::channel();
            let mailbox = mailbox.clone();
            thread::spawn(move || check_passwords(&passwords, &credentials, &mailbox));
            sender
        });
        ctrlc::set_handler(move || mailbox.send(Mail::Stop))?;
        Ok(Self {
            poll,
            listeners,
            tls: setup.tls,
            passwords,
            acl: setup.acl,
            mail,
            store,
            broker,
            clock,
            peers: Peers::default(),
            turns: VecDeque::new(),
            stalled: Vec::new(),
            ends: VecDeque::new(),
            accept_at: None,
            stop_at: None,
            buffer: vec![0; CHUNK],
            made: Vec::with_capacity(2 * CHUNK),
            connections: 0,
            #[cfg(feature = "faults")]
            faults: setup.faults,
        })
    }

    /// Until a signal ends it.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            let now = self.clock.now();
            for event in &events {
                self.on_event(event, now);
            }
            for _ in 0..self.turns.len() {
                let Some(id) = self.turns.pop_front() else {
                    break;
                };
                self.read(id, now);
                self.write(id, now);
            }
            while let Ok(mail) = self.mail.try_recv() {
                self.on_mail(mail, now)?;
            }
            if self.broker.poll_timeout().is_some_and(|at| at <= now) {
                self.broker.handle_timeout(now);
            }
            while let Some(event) = self.broker.poll_event() {
                log_event(&event);
            }
            #[cfg(feature = "faults")]
            while let Some(id) = self.faults.poll_ready(now) {
                self.write(id, now);
            }
            // What is sent makes records in turn.
            loop {
                let saved = match &mut self.store {
                    Some(store) => store.save(&mut self.broker),
                    None => false,
                };
                let mut wrote = false;
                while let Some(id) = self.broker.poll_ready() {
                    wrote = true;
                    self.write(id, now);
                }
                if !saved && !wrote {
                    break;
                }
            }
            for id in std::mem::take(&mut self.stalled) {
                let Some(peer) = self.peers.get_mut(id) else {
                    continue;
                };
                if self.broker.wants_input(id) {
                    peer.is_stalled = false;
                    self.turns.push_back(id);
                } else {
                    self.stalled.push(id);
                }
            }
            while let Some(&(at, id)) = self.ends.front() {
                if at > now {
                    break;
                }
                self.ends.pop_front();
                self.forget(id, now);
            }
            if self.accept_at.is_some_and(|at| at <= now) {
                self.accept_at = None;
                for number in 0..self.listeners.len() {
                    self.accept(number, now);
                }
            }
            if self
                .stop_at
                .is_some_and(|at| at <= now || self.broker.counters().connections == 0)
            {
                break;
            }
        }
        if let Some(mut store) = self.store.take() {
            store.save(&mut self.broker);
            store.close();
        }
        info!("ended");
        Ok(())
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.turns.is_empty() {
            return Some(Duration::ZERO);
        }
        let end = self.ends.front().map(|(at, ..)| *at);
        let all = [
            self.broker.poll_timeout(),
            end,
            self.accept_at,
            self.stop_at,
            #[cfg(feature = "faults")]
            self.faults.poll_timeout(),
        ];
        let next = all.into_iter().flatten().min()?;
        let wait = next.saturating_duration_since(self.clock.now());
        // `poll` counts milliseconds, and the deadline is within one.
        Some(wait.saturating_add(Duration::from_millis(1)))
    }

    fn on_event(&mut self, event: &Event, now: Instant) {
        let Token(token) = event.token();
        let listener = usize::MAX - 1 - token.min(usize::MAX - 1);
        if event.token() == WAKER {
            return;
        }
        if listener < self.listeners.len() {
            return self.accept(listener, now);
        }
        // Of the transport that had the number before: no more than a read and a write too many.
        let Some(id) = self.peers.id_at(token) else {
            return;
        };
        if event.is_readable() || event.is_read_closed() {
            if let Some(peer) = self.peers.get_mut(id) {
                // One read shows whether there is more, unless the end may be what follows.
                peer.reads_on |= event.is_read_closed();
            }
            self.read(id, now);
        }
        if event.is_writable() {
            self.write(id, now);
        }
    }

    fn accept(&mut self, number: usize, now: Instant) {
        loop {
            let (scheme, listener) = &self.listeners[number];
            match listener.accept() {
                Ok((socket, address)) if self.stop_at.is_none() => {
                    let scheme = *scheme;
                    if let Err(error) = self.open(scheme, socket, address, now) {
                        debug!("{address}: {error}");
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // No descriptor is left, say. There is no event when there is one again.
                    warn!("accept: {error}");
                    self.accept_at = Some(now + RETRY);
                    return;
                }
            }
        }
    }

    fn open(
        &mut self,
        scheme: Scheme,
        mut socket: TcpStream,
        address: SocketAddr,
        now: Instant,
    ) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let id = self.broker.connected(now);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .poll
            .registry()
            .register(&mut socket, Token(id.index()), interest);
        let transport =
            registered.and_then(|()| Transport::accept(scheme, socket, self.tls.as_ref()));
        match transport {
            Ok(transport) => self.peers.insert(Peer::new(transport, address, id)),
            Err(error) => {
                self.broker.disconnected(id, now);
                return Err(error);
            }
        }
        self.connections += 1;
        Ok(())
    }

    /// Reads once and gives the broker what there is.
    fn read(&mut self, id: ConnectionId, now: Instant) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if !peer.input.is_empty() && peer.end == End::Open && !self.broker.wants_input(id) {
            return self.stall(id);
        }
        let mut read = Ok(0);
        if !peer.is_eof {
            read = peer.transport.read(&mut self.buffer);
        }
        let read = match read {
            Ok(0) => {
                peer.is_eof = true;
                peer.reads_on = false;
                0
            }
            Ok(read) => {
                // A short read has emptied a plain socket; what comes later is another event.
                let goes_on = read == self.buffer.len() || !peer.transport.is_plain();
                if goes_on || peer.reads_on {
                    self.turns.push_back(id);
                }
                read
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                peer.reads_on = false;
                0
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.turns.push_back(id);
                0
            }
            Err(error) => {
                debug!("{}: {error}", peer.name);
                return self.lose(id, now);
            }
        };
        if peer.end != End::Open {
            if peer.is_eof {
                self.forget(id, now);
            }
            return;
        }
        if peer.input.is_empty() {
            let buffer = std::mem::take(&mut self.buffer);
            let mut input = &buffer[..read];
            self.receive(id, now, &mut input);
            if let Some(peer) = self.peers.get_mut(id) {
                peer.input.extend_from_slice(input);
            }
            self.buffer = buffer;
        } else {
            peer.input.extend_from_slice(&self.buffer[..read]);
            let mut all = std::mem::take(&mut peer.input);
            let mut input = &all[..];
            self.receive(id, now, &mut input);
            let taken = all.len() - input.len();
            if let Some(peer) = self.peers.get_mut(id) {
                all.drain(..taken);
                if !all.is_empty() {
                    peer.input = all;
                }
            }
        }
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if !self.broker.wants_input(id) {
            self.stall(id);
        } else if peer.is_eof && !peer.eof_told {
            peer.eof_told = true;
            self.broker.receive_eof(id, now);
        }
    }

    fn stall(&mut self, id: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(id)
            && !peer.is_stalled
        {
            peer.is_stalled = true;
            peer.reads_on = true;
            self.stalled.push(id);
        }
    }

    /// The transport has failed.
    fn lose(&mut self, id: ConnectionId, now: Instant) {
        self.broker.receive_eof(id, now);
        self.log_end(id);
        self.forget(id, now);
    }

    fn log_end(&self, id: ConnectionId) {
        let Some(peer) = self.peers.get(id).filter(|peer| peer.end == End::Open) else {
            return;
        };
        if let Some(closed) = self.broker.closed(id) {
            match peer.client_id() {
                Some(_) => info!("{}: closed: {}", peer.name, closed.cause),
                None => debug!("{}: closed: {}", peer.name, closed.cause),
            }
        }
    }

    fn forget(&mut self, id: ConnectionId, now: Instant) {
        // The number is free from then on.
        if self.peers.remove(id).is_some() {
            self.broker.disconnected(id, now);
            #[cfg(feature = "faults")]
            self.faults.forget(id);
        }
    }

    fn receive(&mut self, id: ConnectionId, now: Instant, input: &mut &[u8]) {
        #[cfg(feature = "faults")]
        let changed = self.faults.incoming(id, input);
        #[cfg(feature = "faults")]
        let input = &mut &changed[..];
        while let Some(question) = self.broker.receive(id, now, input) {
            self.answer(id, now, question);
        }
        #[cfg(feature = "faults")]
        if self.faults.put_back(id, input) {
            self.broker.receive_eof(id, now);
        }
    }

    /// Writes what there is, as far as the transport takes it.
    fn write(&mut self, id: ConnectionId, now: Instant) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let mut turns = 8;
        let shook_hands = !peer.transport.is_handshaking();
        let result = loop {
            if peer.output.is_empty() {
                self.made.clear();
                if turns == 0 {
                    self.turns.push_back(id);
                    return;
                }
                turns -= 1;
                let made = self.broker.poll_transmit(id, now, &mut self.made, CHUNK);
                #[cfg(feature = "faults")]
                let made = self.faults.outgoing(id, now, made, &mut self.made);
                if made == 0 {
                    break peer.transport.flush();
                }
                match write_some(&mut peer.transport, &self.made) {
                    Ok(written) if written == self.made.len() => {}
                    Ok(written) => {
                        peer.output.extend_from_slice(&self.made[written..]);
                        peer.written = 0;
                        break Err(ErrorKind::WouldBlock.into());
                    }
                    Err(error) => break Err(error),
                }
            } else {
                match write_some(&mut peer.transport, &peer.output[peer.written..]) {
                    Ok(written) => peer.written += written,
                    Err(error) => break Err(error),
                }
                if peer.written < peer.output.len() {
                    break Err(ErrorKind::WouldBlock.into());
                }
                (peer.output, peer.written) = (Vec::new(), 0);
            }
        };
        // What was read with the end of the handshake is in no socket that could tell of it.
        if !shook_hands && !peer.transport.is_handshaking() {
            self.turns.push_back(id);
        }
        let is_flushed = match result {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => {
                debug!("{}: {error}", peer.name);
                return self.lose(id, now);
            }
        };
        if self.broker.closed(id).is_none() {
            return;
        }
        self.log_end(id);
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if peer.end == End::Open {
            peer.end = End::Closing;
            self.ends.push_back((now + LINGER, id));
        }
        if peer.end == End::Closing && is_flushed && self.broker.is_finished(peer.id) {
            peer.end = End::Lingering;
            peer.transport.close();
            if let Some(socket) = peer.transport.socket() {
                let _ = socket.shutdown(Shutdown::Write);
            }
            peer.input = Vec::new();
            if peer.is_eof {
                self.forget(id, now);
            } else {
                self.turns.push_back(id);
            }
        }
    }

    fn on_mail(&mut self, mail: Mail, now: Instant) -> Result<(), Error> {
        match mail {
            Mail::Password {
                token,
                is_right,
                client_id,
            } => {
                self.admit(now, token, is_right, &client_id);
            }
            Mail::Stored(Ok(number)) => self.broker.stored(number),
            // Nothing can be acknowledged any more.
            Mail::Stored(Err(error)) => {
                error!("the database: {error}");
                return Err(error.into());
            }
            Mail::Metrics(reply) => {
                let _ = reply.send(metrics::text(&self.broker.counters(), self.connections));
            }
            Mail::Stop if self.stop_at.is_none() => {
                info!("shutting down");
                self.stop_at = Some(now + LINGER);
                let reason = Disconnect::new(ReasonCode::ServerShuttingDown);
                self.broker.shut_down(now, &reason);
            }
            // Once more: at once.
            Mail::Stop => self.stop_at = Some(now),
        }
        Ok(())
    }
}

fn log_event(event: &BrokerEvent) {
    match event {
        BrokerEvent::Dropped {
            client_id,
            message,
            reason,
        } => {
            let topic = message.as_ref().map(Message::topic);
            info!("{client_id:?}: message lost: {reason}: {topic:?}");
        }
        BrokerEvent::NotRetained { message, reason } => {
            warn!("not retained: {:?}: {reason}", message.topic());
        }
        other => debug!("{other:?}"),
    }
}
