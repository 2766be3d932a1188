// Both kinds of connection behind one set of methods, and what an application keeps of their events.

#![allow(dead_code)] // each user uses a part of it

use sansio_mqtt::*;

/// What an application keeps of an event; both roles have the same.
#[derive(Debug)]
pub(crate) enum Event {
    Connect(Asked),
    Connack {
        session_present: bool,
        reason: ReasonCode,
        limits: Limits,
    },
    Publish(Arrival),
    /// The handle, the identifier that it had, and the peer's last word.
    Published(PublishHandle, u16, ReasonCode),
    Dropped(Dropped),
    /// SUBSCRIBE (true) or UNSUBSCRIBE, with the filters.
    Request {
        token: RequestToken,
        subscribe: bool,
        filters: Vec<String>,
    },
    /// The answer to a request of ours.
    Answered(RequestHandle, u16, Vec<ReasonCode>),
    Auth(ReasonCode),
    Disconnect(ReasonCode),
    Other(String),
}

/// What the server application asks a CONNECT for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) clean_start: bool,
    pub(crate) limits: Limits,
    pub(crate) method: Option<String>,
    pub(crate) client_id_empty: bool,
}

/// What a peer announced.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_packet_size: u32,
    pub(crate) topic_alias_maximum: u16,
}

impl Limits {
    fn of(properties: &Properties<'_>) -> Self {
        Self {
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            maximum_packet_size: properties.maximum_packet_size().unwrap_or(u32::MAX),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
        }
    }
}

/// A PUBLISH that was given to the application.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) message: Message,
    pub(crate) id: Option<u16>,
    pub(crate) dup: bool,
    pub(crate) ack: Option<AckToken>,
}

impl Arrival {
    fn of(incoming: Incoming<'_>) -> Self {
        Self {
            message: incoming.to_message(),
            id: incoming.publish.packet_id.map(PacketId::get),
            dup: incoming.publish.dup,
            ack: incoming.ack,
        }
    }
}

/// What both roles have.
pub(crate) trait Machine: Sized {
    const SENDER: Role;
    fn receive(&mut self, now: Instant, input: &mut &[u8]) -> Option<Event>;
    fn receive_eof(&mut self, now: Instant);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>, limit: usize) -> usize;
    fn poll_timeout(&self) -> Option<Instant>;
    fn closed(&self) -> Option<Closed>;
    fn into_session(self) -> Session;
    fn version(&self) -> Version;
    fn is_connected(&self) -> bool;
    fn wants_input(&self) -> bool;
    fn send_quota(&self) -> u16;
    fn session(&self) -> &Session;
    fn publish(&mut self, now: Instant, message: Message) -> Result<PublishHandle, PublishError>;
    fn publish_into(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        out: &mut Vec<u8>,
    ) -> Result<PublishHandle, PublishErrorReason>;
    fn acknowledge(&mut self, token: &AckToken, reason: ReasonCode)
    -> Result<(), AcknowledgeError>;
    fn auth(&mut self, now: Instant, auth: &Auth<'_>) -> Result<(), RequestError>;
    fn disconnect(&mut self, now: Instant, packet: &Disconnect<'_>) -> Result<(), RequestError>;
}

macro_rules! same_methods {
    () => {
        fn receive_eof(&mut self, now: Instant) {
            self.receive_eof(now);
        }
        fn handle_timeout(&mut self, now: Instant) {
            self.handle_timeout(now);
        }
        fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>, limit: usize) -> usize {
            self.poll_transmit(now, out, limit)
        }
        fn poll_timeout(&self) -> Option<Instant> {
            self.poll_timeout()
        }
        fn closed(&self) -> Option<Closed> {
            self.closed()
        }
        fn into_session(self) -> Session {
            self.into_session()
        }
        fn version(&self) -> Version {
            self.version()
        }
        fn is_connected(&self) -> bool {
            self.is_connected()
        }
        fn wants_input(&self) -> bool {
            self.wants_input()
        }
        fn send_quota(&self) -> u16 {
            self.send_quota()
        }
        fn session(&self) -> &Session {
            self.session()
        }
        fn publish(
            &mut self,
            now: Instant,
            message: Message,
        ) -> Result<PublishHandle, PublishError> {
            self.publish(now, message)
        }
        fn publish_into(
            &mut self,
            now: Instant,
            publish: &Publish<'_>,
            out: &mut Vec<u8>,
        ) -> Result<PublishHandle, PublishErrorReason> {
            self.publish_into(now, publish, out)
        }
        fn acknowledge(
            &mut self,
            token: &AckToken,
            reason: ReasonCode,
        ) -> Result<(), AcknowledgeError> {
            self.acknowledge(token, reason)
        }
        fn auth(&mut self, now: Instant, auth: &Auth<'_>) -> Result<(), RequestError> {
            self.auth(now, auth)
        }
        fn disconnect(
            &mut self,
            now: Instant,
            packet: &Disconnect<'_>,
        ) -> Result<(), RequestError> {
            self.disconnect(now, packet)
        }
    };
}

impl Machine for ClientConnection {
    const SENDER: Role = Role::Client;

    fn receive(&mut self, now: Instant, input: &mut &[u8]) -> Option<Event> {
        Some(match self.receive(now, input)? {
            ClientEvent::Connack(connack) => Event::Connack {
                session_present: connack.session_present,
                reason: connack.reason,
                limits: Limits::of(&connack.properties),
            },
            ClientEvent::Publish(incoming) => Event::Publish(Arrival::of(incoming)),
            ClientEvent::Published { handle, ack } => {
                Event::Published(handle, ack.packet_id.get(), ack.reason)
            }
            ClientEvent::Dropped(dropped) => Event::Dropped(dropped),
            ClientEvent::Subscribed { handle, suback } => Event::Answered(
                handle,
                suback.packet_id.get(),
                suback.reason_codes.iter().collect(),
            ),
            ClientEvent::Unsubscribed { handle, unsuback } => Event::Answered(
                handle,
                unsuback.packet_id.get(),
                unsuback.reason_codes.iter().collect(),
            ),
            ClientEvent::Auth(auth) => Event::Auth(auth.reason),
            ClientEvent::Disconnect(disconnect) => Event::Disconnect(disconnect.reason),
            other => Event::Other(format!("{other:?}")),
        })
    }

    same_methods!();
}

impl Machine for ServerConnection {
    const SENDER: Role = Role::Server;

    fn receive(&mut self, now: Instant, input: &mut &[u8]) -> Option<Event> {
        Some(match self.receive(now, input)? {
            ServerEvent::Connect(connect) => Event::Connect(Asked {
                clean_start: connect.clean_start,
                limits: Limits::of(&connect.properties),
                method: connect.properties.authentication_method().map(Into::into),
                client_id_empty: connect.client_id.is_empty(),
            }),
            ServerEvent::Publish(incoming) => Event::Publish(Arrival::of(incoming)),
            ServerEvent::Published { handle, ack } => {
                Event::Published(handle, ack.packet_id.get(), ack.reason)
            }
            ServerEvent::Dropped(dropped) => Event::Dropped(dropped),
            ServerEvent::Subscribe { subscribe, token } => Event::Request {
                token,
                subscribe: true,
                filters: subscribe
                    .subscriptions
                    .iter()
                    .map(|one| one.filter.into())
                    .collect(),
            },
            ServerEvent::Unsubscribe { unsubscribe, token } => Event::Request {
                token,
                subscribe: false,
                filters: unsubscribe.filters.iter().map(Into::into).collect(),
            },
            ServerEvent::Auth(auth) => Event::Auth(auth.reason),
            ServerEvent::Disconnect(disconnect) => Event::Disconnect(disconnect.reason),
            other => Event::Other(format!("{other:?}")),
        })
    }

    same_methods!();
}
