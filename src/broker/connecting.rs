//! How a client gets in, and how its session begins, goes on and ends.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::connections::{Asked, AskedKind};
use super::{
    Admission, AnswerError, AnswerErrorReason, Broker, BrokerEvent, BrokerRecord, Client,
    QuestionToken, Will,
};
use crate::connection::{Closed, RequestError};
use crate::index::SubscriberId;
use crate::message::Message;
use crate::packet::{Auth, Connack, Connect, Disconnect};
use crate::property::{Properties, Property};
use crate::reason::ReasonCode;
use crate::server::AcceptErrorReason;
use crate::session::Session;
use crate::time::Instant;
use crate::types::{PacketType, QoS, Role, Version};

/// What is kept of a CONNECT until it is answered.
pub(super) struct Connecting {
    client_id: Box<str>,
    will: Option<Box<Will>>,
    clean_start: bool,
    keep_alive: u16,
    session_expiry_interval: u32,
    version: Version,
}

/// A CONNACK that says what a DISCONNECT would say.
pub(super) fn refusal<'d>(disconnect: &Disconnect<'d>) -> Connack<'d> {
    let reason = disconnect.reason;
    let allowed = reason.is_error() && reason.allowed_in(PacketType::Connack, Some(Role::Server));
    Connack {
        properties: disconnect.properties,
        ..Connack::new(match allowed {
            true => reason,
            false => ReasonCode::ServerUnavailable,
        })
    }
}

impl Broker {
    /// True: that is to be asked about.
    pub(super) fn on_connect(&mut self, slot: u32, now: Instant, connect: &Connect<'_>) -> bool {
        if let Some(leaving) = &self.leaving {
            let reference = leaving.server_reference.as_deref();
            let properties: Vec<_> = reference
                .map(Property::ServerReference)
                .into_iter()
                .collect();
            let disconnect = Disconnect {
                properties: Properties::from(&properties[..]),
                ..Disconnect::new(leaving.reason)
            };
            let connack = refusal(&disconnect);
            if let Some(connection) = self.connections.get_mut(slot) {
                let _ = connection.machine.refuse(now, &connack);
            }
            return false;
        }
        if self.connections.len() > self.options.maximum_connections {
            self.refuse_with(slot, now, ReasonCode::ServerBusy);
            return false;
        }
        let will = match connect.will.as_ref().map(Message::from_will) {
            None => None,
            Some(Ok(message)) if self.is_reserved(message.topic()) => {
                self.refuse_with(slot, now, ReasonCode::NotAuthorized);
                return false;
            }
            Some(Ok(message)) => {
                let properties = connect.will.as_ref().map(|will| will.properties);
                let delay = properties.and_then(|properties| properties.will_delay_interval());
                let delay = delay.unwrap_or(0);
                Some(Box::new(Will { message, delay }))
            }
            Some(Err(_)) => {
                self.refuse_with(slot, now, ReasonCode::TopicNameInvalid);
                return false;
            }
        };
        let is_authenticating = connect.properties.authentication_method().is_some();
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.connecting = Some(Box::new(Connecting {
                client_id: connect.client_id.into(),
                will,
                clean_start: connect.clean_start,
                keep_alive: connect.keep_alive,
                session_expiry_interval: connect.properties.session_expiry_interval().unwrap_or(0),
                version: connect.version,
            }));
        }
        if self.options.ask_connect {
            self.ask(slot, now, AskedKind::Connect);
            return true;
        }
        if is_authenticating {
            self.refuse_with(slot, now, ReasonCode::BadAuthenticationMethod);
        } else if let Err(reason) = self.admit(slot, now, &Admission::default()) {
            let reason = match reason {
                AnswerErrorReason::ReasonCode(reason) => reason,
                AnswerErrorReason::Connection(AcceptErrorReason::Request(
                    RequestError::NotSupported(reason),
                )) => reason,
                // CONNACK can be too large for a client that takes very little.
                _ => ReasonCode::PacketTooLarge,
            };
            self.refuse_with(slot, now, reason);
        }
        false
    }

    fn refuse_with(&mut self, slot: u32, now: Instant, reason: ReasonCode) {
        if let Some(machine) = self.machine(slot) {
            // Earlier versions have one code for all this.
            let is_busy = matches!(reason, ReasonCode::ServerBusy | ReasonCode::QuotaExceeded);
            let reason = match machine.version() {
                Version::V31 | Version::V311 if is_busy => ReasonCode::ServerUnavailable,
                _ => reason,
            };
            let _ = machine.refuse(now, &Connack::new(reason));
        }
    }

    /// Accepts a client, as the answer to [`Question::Connect`](crate::Question::Connect) or, before it is accepted,
    /// [`Question::Auth`](crate::Question::Auth).
    ///
    /// An older connection of the same client ends now (0x8E, Session taken over), and its session goes on here unless the
    /// client wants a clean start ([MQTT-3.1.4-3], [MQTT-3.1.2-4] of 5.0; [MQTT-3.1.4-2], [MQTT-3.1.2-6] of 3.1.1).
    ///
    /// # Errors
    ///
    /// The question is of another kind or not open any more, or CONNACK cannot be made as asked for. With
    /// [`QuotaExceeded`](ReasonCode::QuotaExceeded) there are as many sessions as there may be.
    pub fn accept(
        &mut self,
        token: QuestionToken,
        now: Instant,
        admission: &Admission<'_>,
    ) -> Result<(), AnswerError> {
        let is_kind = |kind: &AskedKind| matches!(kind, AskedKind::Connect);
        self.answer(token, now, is_kind, |broker, slot| {
            broker.admit(slot, now, admission)
        })
    }

    /// Refuses a client, as the answer to [`Question::Connect`](crate::Question::Connect) or, before it is accepted,
    /// [`Question::Auth`](crate::Question::Auth): with a Server Reference to send it elsewhere. A client before 5.0 gets a
    /// CONNACK only where that version has a return code for the reason.
    ///
    /// # Errors
    ///
    /// The question is of another kind or not open any more, or CONNACK cannot be made so.
    pub fn refuse(
        &mut self,
        token: QuestionToken,
        now: Instant,
        connack: &Connack<'_>,
    ) -> Result<(), AnswerError> {
        let is_kind = |kind: &AskedKind| matches!(kind, AskedKind::Connect);
        self.answer(token, now, is_kind, |broker, slot| {
            let machine = broker.machine(slot).ok_or(AnswerErrorReason::Stale)?;
            Ok(machine
                .refuse(now, connack)
                .map_err(AcceptErrorReason::from)?)
        })
    }

    /// Sends a step of enhanced authentication (5.0 §4.12), as the answer to [`Question::Connect`](crate::Question::Connect)
    /// or [`Question::Auth`](crate::Question::Auth); what the client answers is the next question. A re-authentication ends
    /// with Success here, or by [ending the connection](Self::disconnect).
    ///
    /// # Errors
    ///
    /// The question is of another kind or not open any more, the client named no Authentication Method or another one, or the
    /// reason code is not a server's at this point.
    pub fn authenticate(
        &mut self,
        token: QuestionToken,
        now: Instant,
        auth: &Auth<'_>,
    ) -> Result<(), AnswerError> {
        let is_kind =
            |kind: &AskedKind| matches!(kind, AskedKind::Connect | AskedKind::Authenticate);
        self.answer(token, now, is_kind, |broker, slot| {
            let machine = broker.machine(slot).ok_or(AnswerErrorReason::Stale)?;
            Ok(machine.auth(now, auth).map_err(AcceptErrorReason::from)?)
        })
    }

    /// Gives an answer that may turn out not to be possible; the question stays open then.
    fn answer(
        &mut self,
        token: QuestionToken,
        now: Instant,
        is_kind: impl Fn(&AskedKind) -> bool,
        act: impl FnOnce(&mut Self, u32) -> Result<(), AnswerErrorReason>,
    ) -> Result<(), AnswerError> {
        self.log.begin();
        let slot = token.connection.slot;
        let done = match self.why_not(&token, &is_kind) {
            Some(reason) => Err(reason),
            None => act(self, slot),
        };
        if let Err(reason) = done {
            self.finish_closed(now);
            return Err(self.refuse_answer(token, reason));
        }
        self.take_asked(token, now, is_kind)?;
        self.settle(slot);
        self.finish_closed(now);
        Ok(())
    }

    /// Why a question cannot be answered so.
    fn why_not(
        &self,
        token: &QuestionToken,
        is_kind: impl Fn(&AskedKind) -> bool,
    ) -> Option<AnswerErrorReason> {
        let connection = self.get(token.connection);
        let connection = connection.filter(|connection| connection.question == token.number);
        match connection.and_then(|connection| connection.asked.as_ref()) {
            None => Some(AnswerErrorReason::Stale),
            Some(asked) if !is_kind(&asked.kind) => Some(AnswerErrorReason::Kind),
            Some(_) => None,
        }
    }

    /// The question, which is answered with this.
    pub(super) fn take_asked(
        &mut self,
        token: QuestionToken,
        now: Instant,
        is_kind: impl Fn(&AskedKind) -> bool,
    ) -> Result<AskedKind, AnswerError> {
        if let Some(reason) = self.why_not(&token, is_kind) {
            return Err(self.refuse_answer(token, reason));
        }
        let connection = self.connections.get_mut(token.connection.slot);
        let asked = connection.and_then(|connection| {
            // Nothing was taken from it meanwhile.
            connection.machine.forgive_silence(now);
            connection.asked.take()
        });
        match asked {
            Some(asked) => {
                let Asked { kind, .. } = *asked;
                Ok(kind)
            }
            None => Err(self.refuse_answer(token, AnswerErrorReason::Stale)),
        }
    }

    pub(super) fn refuse_answer(
        &self,
        token: QuestionToken,
        reason: AnswerErrorReason,
    ) -> AnswerError {
        let is_open = self.why_not(&token, |_| true).is_none();
        AnswerError {
            token: is_open.then_some(token),
            reason,
        }
    }

    /// Lets a client in that has sent CONNECT.
    fn admit(
        &mut self,
        slot: u32,
        now: Instant,
        admission: &Admission<'_>,
    ) -> Result<(), AnswerErrorReason> {
        let connection = self.connections.get_mut(slot);
        let Some(mut connecting) = connection.and_then(|connection| connection.connecting.take())
        else {
            return Err(AnswerErrorReason::Stale);
        };
        let result = self.admit_as(slot, now, admission, &mut connecting);
        if let (Err(_), Some(connection)) = (&result, self.connections.get_mut(slot)) {
            connection.connecting = Some(connecting);
        }
        result
    }

    fn admit_as(
        &mut self,
        slot: u32,
        now: Instant,
        admission: &Admission<'_>,
        connecting: &mut Connecting,
    ) -> Result<(), AnswerErrorReason> {
        let name: Arc<str> = match admission.client_id {
            Some(name) if name.is_empty() || name.len() > usize::from(u16::MAX) => {
                return Err(AnswerErrorReason::ClientIdentifier);
            }
            Some(name) => name.into(),
            None if connecting.client_id.is_empty() => self.assign_name(),
            None => (&*connecting.client_id).into(),
        };
        let mut known = self.names.get(&name).copied();
        if known.is_none() && self.clients.len() >= self.options.maximum_sessions {
            return Err(AnswerErrorReason::ReasonCode(ReasonCode::QuotaExceeded));
        }
        let properties = self.connack_properties(admission, connecting, &name);
        let connack = Connack {
            properties: Properties::from(&properties[..]),
            ..Connack::new(ReasonCode::Success)
        };
        let expiry = self.session_expiry(admission, connecting);
        let options = self.connection_options(admission.options.as_ref(), expiry > 0);
        let away = admission.options.as_ref().map(|_| options.clone());
        let Some(connection) = self.connections.get_mut(slot) else {
            return Err(AnswerErrorReason::Stale);
        };
        // Who cannot be accepted ends nobody's connection nor session (5.0 §3.1.4; 3.1.1 §3.1.4).
        connection.machine.set_options(options);
        connection.machine.check_accept(&connack)?;
        // The older connection ends first, so that its session is there to be resumed.
        let client = known.and_then(|number| self.clients.get(number));
        if let Some(older) = client.and_then(|client| client.connection) {
            self.end_with(older, now, ReasonCode::SessionTakenOver);
            self.finish(older, now);
            known = self.names.get(&name).copied();
        }
        // What is due may not have been looked at yet.
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let client = known.and_then(|number| self.clients.get(number));
        let (expired, will_due) = client.map_or((false, false), |client| {
            (due(client.expires_at()), due(client.will_at()))
        });
        if let (Some(number), true) = (known, connecting.clean_start || expired) {
            // It takes its delayed will along.
            self.remove_client(number, now);
            known = None;
        } else if let (Some(number), true) = (known, will_due) {
            self.publish_will(number, now);
        }
        let Some(connection) = self.connections.get_mut(slot) else {
            return Err(AnswerErrorReason::Stale);
        };
        let client = known.and_then(|number| self.clients.get_mut(number));
        let session = client.and_then(|client| client.session.take());
        let accepted = connection
            .machine
            .accept(now, session.map(|one| *one), &connack);
        if let Err(error) = accepted {
            if let Some(client) = known.and_then(|number| self.clients.get_mut(number)) {
                client.session = error.session;
            }
            return Err(error.reason.into());
        }
        let number = match known {
            Some(number) => number,
            None => self.insert_client(&name),
        };
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.client = Some(number);
        }
        self.counters.connected += 1;
        if let Some(client) = self.clients.get_mut(number) {
            client.connection = Some(slot);
            let had_will = client.will.is_some();
            client.will = connecting.will.take();
            client.since = None;
            client.expiry = expiry;
            client.set_options(away);
            if expiry > 0 || client.will.is_some() || client.is_stored {
                client.is_stored = true;
                self.log.add(|| client.record());
                let client_id = &client.name;
                if let Some(will) = &client.will {
                    self.log.add(|| BrokerRecord::Will {
                        client_id: Arc::clone(client_id),
                        delay: will.delay,
                        message: will.message.clone(),
                    });
                } else if had_will {
                    self.log.add(|| BrokerRecord::WillGone {
                        client_id: Arc::clone(client_id),
                    });
                }
            }
        }
        self.schedule_client(number);
        Ok(())
    }

    /// Seconds that the session will outlive the connection.
    fn session_expiry(&self, admission: &Admission<'_>, connecting: &Connecting) -> u32 {
        let given = admission.properties.session_expiry_interval();
        match connecting.version {
            Version::V5 => given.unwrap_or(connecting.session_expiry_interval),
            _ if connecting.clean_start => 0,
            _ => u32::MAX,
        }
        .min(self.options.maximum_session_expiry)
    }

    pub(super) fn insert_client(&mut self, name: &Arc<str>) -> u32 {
        let number = self.clients.insert(Client {
            name: Arc::clone(name),
            connection: None,
            session: None,
            will: None,
            expiry: 0,
            since: None,
            is_stored: false,
            timer: None,
            subscriptions: 0,
            filter_bytes: 0,
            rare: None,
        });
        self.names.insert(Arc::clone(name), number);
        number
    }

    /// A name that nobody has, nor can guess without the seed.
    fn assign_name(&mut self) -> Arc<str> {
        loop {
            self.assigned += 1;
            let first = crate::index::mix(self.seed ^ self.assigned);
            let second = crate::index::mix(first ^ self.seed.rotate_left(32));
            let name = format!("auto-{first:016x}{second:016x}");
            if !self.names.contains_key(&*name) {
                return name.into();
            }
        }
    }

    /// What CONNACK tells, of what the caller does not tell itself.
    fn connack_properties<'p>(
        &self,
        admission: &Admission<'p>,
        connecting: &Connecting,
        name: &'p str,
    ) -> Vec<Property<'p>> {
        let options = &self.options;
        let given = &admission.properties;
        let mut properties: Vec<Property<'p>> = given.iter().collect();
        let mut tell = |is_needed: bool, property: Property<'p>| {
            if is_needed {
                properties.push(property);
            }
        };
        let is_assigned =
            connecting.client_id.is_empty() && given.assigned_client_identifier().is_none();
        tell(is_assigned, Property::AssignedClientIdentifier(name));
        let maximum = options.maximum_qos;
        let is_limited = maximum < QoS::ExactlyOnce && given.maximum_qos().is_none();
        tell(is_limited, Property::MaximumQos(maximum));
        for (is_available, is_given, property) in [
            (
                options.retain_available,
                given.retain_available().is_some(),
                Property::RetainAvailable(false),
            ),
            (
                options.wildcard_subscriptions,
                given.wildcard_subscription_available().is_some(),
                Property::WildcardSubscriptionAvailable(false),
            ),
            (
                options.shared_subscriptions,
                given.shared_subscription_available().is_some(),
                Property::SharedSubscriptionAvailable(false),
            ),
            (
                options.subscription_identifiers,
                given.subscription_identifier_available().is_some(),
                Property::SubscriptionIdentifierAvailable(false),
            ),
        ] {
            tell(!is_available && !is_given, property);
        }
        let (expiry, maximum) = (
            connecting.session_expiry_interval,
            options.maximum_session_expiry,
        );
        let is_less = expiry > maximum && given.session_expiry_interval().is_none();
        tell(is_less, Property::SessionExpiryInterval(maximum));
        let maximum = options.maximum_keep_alive;
        let is_more = connecting.keep_alive == 0 || connecting.keep_alive > maximum;
        let is_told = maximum < u16::MAX && is_more && given.server_keep_alive().is_none();
        tell(is_told, Property::ServerKeepAlive(maximum));
        match connecting.version {
            Version::V5 => properties,
            _ => Vec::new(),
        }
    }

    /// The connection of a client has ended: its session goes on without it for a while, or ends.
    pub(super) fn client_left(
        &mut self,
        number: u32,
        now: Instant,
        session: Session,
        closed: Closed,
    ) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        client.connection = None;
        client.session = Some(Box::new(session));
        let will_goes = !closed.will_due && client.will.take().is_some();
        // One that was to end with its connection does: CONNACK said so, and nothing of it is recorded.
        if client.expiry > 0 {
            client.expiry = closed
                .session_expiry_interval
                .min(self.options.maximum_session_expiry);
        }
        if client.expiry == 0 {
            return self.remove_client(number, now);
        }
        client.since = Some(now);
        self.log.add(|| client.record());
        if will_goes {
            let client_id = &client.name;
            self.log.add(|| BrokerRecord::WillGone {
                client_id: Arc::clone(client_id),
            });
        }
        if client.will_at() == Some(now) {
            self.publish_will(number, now);
        }
        self.schedule_client(number);
    }

    pub(super) fn publish_will(&mut self, number: u32, now: Instant) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        if let Some(will) = client.will.take() {
            let name = Arc::clone(&client.name);
            self.log.add(|| BrokerRecord::WillGone {
                client_id: Arc::clone(&name),
            });
            self.publish_will_of(will.message, &name, Some(number), now);
        }
    }

    fn publish_will_of(
        &mut self,
        message: Message,
        name: &Arc<str>,
        number: Option<u32>,
        now: Instant,
    ) {
        let message = self.as_offered(message);
        if message.retain() {
            // Nobody is there to be told.
            let _ = self.retain(now, &message, Some(name));
        }
        self.route(now, &message, number);
        self.tell_published(Some(Arc::clone(name)), message);
    }

    /// Ends a session, with its subscriptions and its will. Its connection has ended before.
    pub(super) fn remove_client(&mut self, number: u32, now: Instant) {
        let Some(mut client) = self.clients.remove(number) else {
            return;
        };
        self.names.remove(&client.name);
        if let Some(timer) = client.timer {
            self.timers.remove(&(timer, super::Timer::Client(number)));
        }
        if client.is_stored {
            let client_id = &client.name;
            self.log.add(|| BrokerRecord::Ended {
                client_id: Arc::clone(client_id),
            });
        }
        self.remove_subscriptions(number);
        // What is on its way goes before what comes because of its end.
        self.give_to_others(now, &mut client);
        if let Some(will) = client.will.take() {
            self.publish_will_of(will.message, &client.name, None, now);
        }
        if self.options.session_events {
            let client_id = client.name;
            self.events
                .push_back(BrokerEvent::SessionEnded { client_id });
        }
    }

    fn remove_subscriptions(&mut self, number: u32) {
        let id = SubscriberId::new(number);
        if !self.options.bridge_events {
            self.index.remove_subscriber(id, usize::MAX);
            return;
        }
        let filters: Vec<_> = self.index.subscriptions_of(id).collect();
        for (filter, _) in filters {
            self.index.remove(&filter, id);
            if !self.index.contains(&filter) {
                self.events
                    .push_back(BrokerEvent::LastSubscription { filter });
            }
        }
    }
}
