//! A client and a server application, their connections and sessions, and the link between them.

use std::collections::VecDeque;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::oracle::{Oracle, Side};
use super::time::Watch;
use crate::{
    AckToken, ClientConnection, ClientEvent, Connack, Connect, DropReason, Message, Options,
    Packet, Properties, Property, Publish, QoS, ReasonCode, ServerConnection, ServerEvent, Session,
    Version,
};

/// What is explored: the bounds, and what the applications do.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) version: Version,
    /// What the client publishes, and what the server does.
    pub(super) messages: [Vec<QoS>; 2],
    /// Receive Maximum that the client announces, and that of the server.
    pub(super) receive_maximum: [u16; 2],
    pub(super) cuts: u8,
    pub(super) losses: u8,
    pub(super) lose: &'static [Loss],
    pub(super) publishing: Publishing,
    pub(super) acknowledging: Acknowledging,
    /// With a keep alive time passes too.
    pub(super) time: Option<Time>,
}

/// What becomes of a session while there is no connection.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) enum Loss {
    /// The server forgets it and says so.
    Server,
    /// The client forgets it and starts clean.
    Client,
    /// The client forgets it and goes on with the server's, whatever that is.
    ClientGoesOn,
}

#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) enum Publishing {
    /// Everything before the first connection (client) or as soon as there is a session (server). A message leaves with
    /// `poll_transmit`, which may come at any time, so one that waits is as good as one that is not published yet:
    /// nothing can be done to it but to drop it with its session.
    AtOnce,
    /// At any time; without a connection into the session.
    Freely,
}

#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) enum Acknowledging {
    Automatic,
    /// At any time, in any order.
    Manual,
    /// And with a failure too.
    Refusing,
}

#[derive(Copy, Clone, Debug)]
pub(super) struct Time {
    /// Seconds.
    pub(super) keep_alive: u16,
    /// How often it may move on to the next deadline.
    pub(super) steps: u8,
    /// It stands still while bytes are under way or due: then no connection may end by itself.
    pub(super) prompt: bool,
}

#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// The ends of a connection that is over give the transport up.
    Close,
    Connect,
    /// The next packet arrives at this side.
    Deliver(Side),
    /// This side gives its transport one packet.
    Transmit(Side),
    /// This side acknowledges one of the messages that wait for it.
    Acknowledge(Side, u8, ReasonCode),
    Publish(Side),
    /// The same and `poll_transmit` in one call.
    PublishInto(Side),
    /// The transport breaks and loses what is under way.
    Cut,
    Lose(Loss),
    /// Time passes until the next deadline.
    Wait,
}

impl Action {
    /// Whether it is part of the way to rest: the link is healed, bytes and acknowledgements pass, and nobody asks for
    /// more. Of those that a state offers, in the order of [`World::actions`], the first that does anything is the next
    /// step.
    pub(super) fn is_towards_rest(self) -> bool {
        matches!(
            self,
            Self::Close
                | Self::Connect
                | Self::Deliver(_)
                | Self::Transmit(_)
                | Self::Acknowledge(_, 0, ReasonCode::Success)
        )
    }
}

/// The whole state. What is not part of the machines is kept as small as the rules allow, since every difference counts.
///
/// Packets pass whole: that a part of one does nothing until the rest is there is tested for each packet, so a cut
/// within a packet is a cut before it. A cut happens at both ends at once: what an end would still do after the other
/// has noticed (read what is under way, send into the void, publish) reaches nobody, so the same end states come about
/// if it does so before.
#[derive(Clone, Hash)]
pub(super) struct World {
    pub(super) client: Option<ClientConnection>,
    pub(super) server: Option<ServerConnection>,
    /// While there is no connection that has them.
    pub(super) client_session: Option<Session>,
    pub(super) server_session: Option<Session>,
    /// Packets under way, by receiver.
    pub(super) link: [VecDeque<Vec<u8>>; 2],
    /// Messages that wait for an acknowledgement, by receiver.
    tokens: [Vec<(AckToken, u8)>; 2],
    /// The client has no session and has not said so yet.
    starts_clean: bool,
    cuts: u8,
    pub(super) losses: u8,
    pub(super) oracle: Oracle,
    pub(super) watch: Watch,
}

pub(super) type Outcome = Result<(), String>;

impl World {
    pub(super) fn new(setup: &Setup) -> Self {
        let mut world = Self {
            client: None,
            server: None,
            client_session: Some(Session::new()),
            server_session: None,
            link: Default::default(),
            tokens: Default::default(),
            starts_clean: false,
            cuts: 0,
            losses: 0,
            oracle: Oracle::new(),
            watch: Watch::default(),
        };
        if setup.publishing == Publishing::AtOnce {
            for _ in &setup.messages[Side::Client as usize] {
                world.publish(setup, Side::Client).unwrap();
            }
        }
        world
    }

    /// Everything that may happen next; some of it may turn out to change nothing.
    pub(super) fn actions(&self, setup: &Setup) -> Vec<Action> {
        let mut actions = Vec::new();
        let sides = [Side::Server, Side::Client];
        let over = self.closed(Side::Client) || self.closed(Side::Server);
        if over {
            actions.push(Action::Close);
        }
        match &self.client {
            None => actions.push(Action::Connect),
            Some(_) => {
                for side in sides {
                    if !self.link[side as usize].is_empty() && self.wants_input(side) {
                        actions.push(Action::Deliver(side));
                    }
                }
                actions.extend(sides.map(Action::Transmit));
                for side in sides {
                    for position in 0..u8::try_from(self.tokens[side as usize].len()).unwrap() {
                        actions.push(Action::Acknowledge(side, position, ReasonCode::Success));
                        if setup.acknowledging == Acknowledging::Refusing {
                            let reason = ReasonCode::QuotaExceeded;
                            actions.push(Action::Acknowledge(side, position, reason));
                        }
                    }
                }
                if self.cuts < setup.cuts {
                    actions.push(Action::Cut);
                }
                if let Some(time) = setup.time {
                    if self.watch.steps < time.steps && !over && self.next_deadline().is_some() {
                        actions.push(Action::Wait);
                    }
                }
            }
        }
        for side in sides {
            let has_session = match side {
                Side::Client => true,
                Side::Server => match &self.server {
                    Some(server) => server.is_connected() || self.server_session.is_some(),
                    None => self.server_session.is_some(),
                },
            };
            let left = self.oracle.published(side) < setup.messages[side as usize].len();
            if setup.publishing == Publishing::Freely && has_session && left {
                actions.push(Action::Publish(side));
                let open = match side {
                    Side::Client => self.client.is_some(),
                    Side::Server => self
                        .server
                        .as_ref()
                        .is_some_and(ServerConnection::is_connected),
                };
                if open && !over {
                    actions.push(Action::PublishInto(side));
                }
            }
        }
        if self.client.is_none() && self.losses < setup.losses {
            for &loss in setup.lose {
                if loss != Loss::Server || self.server_session.is_some() {
                    actions.push(Action::Lose(loss));
                }
            }
        }
        actions
    }

    pub(super) fn act(&mut self, setup: &Setup, action: Action) -> Outcome {
        match action {
            Action::Close => self.cut(),
            Action::Connect => self.connect(setup),
            Action::Deliver(side) => self.deliver(setup, side),
            Action::Transmit(side) => self.transmit(setup, side),
            Action::Acknowledge(side, position, reason) => {
                self.acknowledge(side, position.into(), reason)
            }
            Action::Publish(side) => self.publish(setup, side),
            Action::PublishInto(side) => self.publish_into(setup, side),
            Action::Cut => {
                self.cuts += 1;
                self.cut()
            }
            Action::Lose(loss) => self.lose(loss),
            Action::Wait => self.wait(setup),
        }
    }

    // --- the link ----------------------------------------------------------------------------------------------------

    fn connect(&mut self, setup: &Setup) -> Outcome {
        let properties = match setup.version {
            Version::V5 => &[Property::SessionExpiryInterval(3600)][..],
            _ => &[],
        };
        let connect = Connect {
            clean_start: self.starts_clean,
            keep_alive: setup.time.map_or(0, |time| time.keep_alive),
            properties: Properties::from(properties),
            ..Connect::new(setup.version, "c")
        };
        let now = self.watch.now;
        let session = self.client_session.take().unwrap();
        let client = ClientConnection::new(now, &connect, session, options(setup, Side::Client));
        self.client = Some(client.map_err(|error| format!("{error}"))?);
        self.server = Some(ServerConnection::new(now, options(setup, Side::Server)));
        self.oracle.connect();
        self.watch.connect();
        Ok(())
    }

    fn deliver(&mut self, setup: &Setup, side: Side) -> Outcome {
        let bytes = self.link[side as usize].pop_front().unwrap();
        if !self.closed(side) {
            let packet = decode(setup, &mut &bytes[..])?;
            self.oracle.arrives(side, &packet);
            self.watch.arrives(side, &packet);
        }
        let mut input = &bytes[..];
        // Until there is nothing more, as a driver does; the call after the event gives the automatic acknowledgement.
        // A driver that stops between the two has acknowledged nothing: so does a cut before the next `poll_transmit`.
        while self.receive(setup, side, &mut input)? {}
        if input.is_empty() {
            Ok(())
        } else {
            Err("a packet was not taken".into())
        }
    }

    fn receive(&mut self, setup: &Setup, side: Side, input: &mut &[u8]) -> Result<bool, String> {
        let now = self.watch.now;
        let manual = setup.acknowledging != Acknowledging::Automatic;
        let incoming = match side {
            Side::Client => match self.client.as_mut().unwrap().receive(now, input) {
                None => return Ok(false),
                Some(ClientEvent::Connack(connack)) => {
                    self.starts_clean = false;
                    self.watch.opened(Side::Client);
                    self.oracle.opened(Side::Client, connack.session_present);
                    return Ok(true);
                }
                Some(ClientEvent::Publish(incoming)) => incoming,
                Some(ClientEvent::Published { handle, ack }) => {
                    self.oracle.settled(side, handle, ack.reason)?;
                    return Ok(true);
                }
                Some(ClientEvent::Dropped(dropped)) => {
                    self.dropped(side, dropped)?;
                    return Ok(true);
                }
                Some(ClientEvent::Disconnect(_)) if setup.time.is_some() => return Ok(true),
                Some(other) => return Err(format!("{other:?}")),
            },
            Side::Server => match self.server.as_mut().unwrap().receive(now, input) {
                None => return Ok(false),
                Some(ServerEvent::Connect(connect)) => {
                    self.accept(setup, connect.clean_start)?;
                    return Ok(true);
                }
                Some(ServerEvent::Publish(incoming)) => incoming,
                Some(ServerEvent::Published { handle, ack }) => {
                    self.oracle.settled(side, handle, ack.reason)?;
                    return Ok(true);
                }
                Some(ServerEvent::Dropped(dropped)) => {
                    self.dropped(side, dropped)?;
                    return Ok(true);
                }
                Some(other) => return Err(format!("{other:?}")),
            },
        };
        let message = incoming.publish.payload[0];
        self.oracle.delivered(side.other(), message)?;
        match incoming.ack {
            Some(token) if manual => self.tokens[side as usize].push((token, message)),
            None if !manual => self.oracle.accepted(side.other(), message)?,
            ack => return Err(format!("{ack:?} with a message")),
        }
        Ok(true)
    }

    fn dropped(&mut self, side: Side, dropped: crate::Dropped) -> Outcome {
        if dropped.reason != DropReason::SessionLost || self.losses == 0 {
            return Err(format!("{dropped:?}"));
        }
        self.oracle.dropped(side, dropped.handle)
    }

    /// The server application has its answer to CONNECT ready.
    fn accept(&mut self, setup: &Setup, clean_start: bool) -> Outcome {
        if clean_start && self.server_session.take().is_some() {
            self.oracle.session_gone(Side::Server);
        }
        let session = self.server_session.take();
        let present = session.is_some();
        let server = self.server.as_mut().unwrap();
        server
            .accept(self.watch.now, session, &Connack::new(ReasonCode::Success))
            .map_err(|error| format!("{error}"))?;
        self.watch.opened(Side::Server);
        self.oracle.opened(Side::Server, present);
        if setup.publishing == Publishing::AtOnce && self.oracle.published(Side::Server) == 0 {
            for _ in &setup.messages[Side::Server as usize] {
                self.publish(setup, Side::Server)?;
            }
        }
        Ok(())
    }

    fn transmit(&mut self, setup: &Setup, side: Side) -> Outcome {
        let now = self.watch.now;
        let mut bytes = Vec::new();
        // A limit of one byte gives one packet.
        match side {
            Side::Client => self
                .client
                .as_mut()
                .unwrap()
                .poll_transmit(now, &mut bytes, 1),
            Side::Server => self
                .server
                .as_mut()
                .unwrap()
                .poll_transmit(now, &mut bytes, 1),
        };
        self.put(setup, side, &bytes)
    }

    /// Puts whole packets on the link.
    fn put(&mut self, setup: &Setup, side: Side, mut bytes: &[u8]) -> Outcome {
        while !bytes.is_empty() {
            let before = bytes;
            let packet = decode(setup, &mut bytes)?;
            self.oracle.leaves(setup, side, &packet)?;
            self.watch.leaves(side);
            let packet = &before[..before.len() - bytes.len()];
            self.link[side.other() as usize].push_back(packet.into());
        }
        Ok(())
    }

    fn cut(&mut self) -> Outcome {
        let now = self.watch.now;
        for side in [Side::Client, Side::Server] {
            self.link[side as usize].clear();
            self.tokens[side as usize].clear();
        }
        let mut client = self.client.take().unwrap();
        client.receive_eof(now);
        let greeted = !self.oracle.awaits_connack();
        if client.closed().unwrap().session_expiry_interval == 0 {
            self.oracle.session_ended();
        }
        self.client_session = Some(client.into_session());
        let mut server = self.server.take().unwrap();
        server.receive_eof(now);
        let lives = server.closed().unwrap().session_expiry_interval > 0;
        // Unless the connection was accepted, it never had the session of this client.
        if server.session().is_established() {
            if lives {
                self.server_session = Some(server.into_session());
            } else {
                self.oracle.session_gone(Side::Server);
            }
            if !greeted {
                self.oracle.not_greeted();
            }
        }
        self.watch.cut();
        Ok(())
    }

    fn lose(&mut self, loss: Loss) -> Outcome {
        self.losses += 1;
        match loss {
            Loss::Server => {
                self.server_session = None;
                self.oracle.session_gone(Side::Server);
            }
            Loss::Client => {
                self.client_session = Some(Session::new());
                self.oracle.session_gone(Side::Client);
                self.starts_clean = true;
            }
            Loss::ClientGoesOn => {
                self.client_session = Some(Session::established());
                self.oracle.session_gone(Side::Client);
                self.oracle.confused();
                self.starts_clean = false;
            }
        }
        Ok(())
    }

    // --- the applications --------------------------------------------------------------------------------------------

    fn publish(&mut self, setup: &Setup, side: Side) -> Outcome {
        let now = self.watch.now;
        let index = self.oracle.published(side);
        let qos = setup.messages[side as usize][index];
        let message = Message::new("t", &[u8::try_from(index).unwrap()])
            .unwrap()
            .with_qos(qos);
        let options = options(setup, side);
        let kept = match side {
            Side::Client => &mut self.client_session,
            Side::Server => &mut self.server_session,
        };
        let published = match (side, kept) {
            (_, Some(session)) => session.enqueue(now, message, &options),
            (Side::Client, None) => self.client.as_mut().unwrap().publish(now, message),
            (Side::Server, None) => self.server.as_mut().unwrap().publish(now, message),
        };
        let handle = published.map_err(|error| format!("{error}"))?;
        self.oracle.publish(side, handle, qos);
        Ok(())
    }

    fn publish_into(&mut self, setup: &Setup, side: Side) -> Outcome {
        let now = self.watch.now;
        let index = self.oracle.published(side);
        let qos = setup.messages[side as usize][index];
        let payload = [u8::try_from(index).unwrap()];
        let publish = Publish {
            qos,
            ..Publish::new("t", &payload)
        };
        let mut bytes = Vec::new();
        let published = match side {
            Side::Client => {
                let client = self.client.as_mut().unwrap();
                client.publish_into(now, &publish, &mut bytes)
            }
            Side::Server => {
                let server = self.server.as_mut().unwrap();
                server.publish_into(now, &publish, &mut bytes)
            }
        };
        let handle = published.map_err(|error| format!("{error}"))?;
        self.oracle.publish(side, handle, qos);
        self.put(setup, side, &bytes)
    }

    fn acknowledge(&mut self, side: Side, position: usize, reason: ReasonCode) -> Outcome {
        let (token, message) = self.tokens[side as usize].remove(position);
        let mut given = |reason| match side {
            Side::Client => self.client.as_mut().unwrap().acknowledge(&token, reason),
            Side::Server => self.server.as_mut().unwrap().acknowledge(&token, reason),
        };
        given(reason).map_err(|error| format!("{error}"))?;
        if given(ReasonCode::Success).is_ok() {
            return Err("a token was good twice".into());
        }
        if reason.is_error() {
            self.oracle.refused(side.other(), message)
        } else {
            self.oracle.accepted(side.other(), message)
        }
    }
}

fn options(setup: &Setup, side: Side) -> Options {
    Options::new()
        .with_receive_maximum(setup.receive_maximum[side as usize])
        .with_manual_acknowledgement(setup.acknowledging != Acknowledging::Automatic)
}

/// What the peer of this side knows of its Receive Maximum.
pub(super) fn announced(setup: &Setup, side: Side) -> u16 {
    match setup.version {
        Version::V5 => setup.receive_maximum[side as usize],
        _ => u16::MAX,
    }
}

fn decode<'b>(setup: &Setup, bytes: &mut &'b [u8]) -> Result<Packet<'b>, String> {
    let packet = Packet::decode(setup.version, &crate::DecodeOptions::new(), bytes);
    packet
        .map_err(|error| format!("{error}"))?
        .ok_or("a part of a packet".into())
}
