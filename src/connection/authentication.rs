//! Enhanced authentication (5.0 §4.12): the connection carries it without knowing the method, and sees
//! to whose turn it is, to the number of steps and to the time of each.

use alloc::boxed::Box;

use super::timers::Timer;
use super::{CloseCause, Core, Phase, RequestError};
use crate::packet::{Auth, Disconnect, Packet};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::types::{PacketType, Role};
use crate::violation::Violation;

/// Of a connection whose CONNECT named a method.
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Authentication {
    /// That of CONNECT.
    method: Box<str>,
    turn: Turn,
    /// AUTH packets of the peer since it began.
    rounds: u8,
    /// Until when the peer's AUTH has to be there, in a re-authentication. Before CONNACK the deadline of
    /// the opening goes for it.
    deadline: Timer,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[cfg_attr(test, derive(Hash))]
enum Turn {
    /// No authentication is under way.
    Nobody,
    Ours,
    /// An AUTH (or, before it is there, CONNACK) is due from the peer.
    Peer,
}

impl Core {
    /// CONNECT named a method: the server has the next word.
    pub(super) fn begin_authentication(&mut self, method: &str) {
        let turn = match self.role {
            Role::Client => Turn::Peer,
            Role::Server => Turn::Ours,
        };
        self.rare().authentication = Some(Authentication {
            method: Box::from(method),
            turn,
            rounds: 0,
            deadline: Timer::OFF,
        });
    }

    fn authentication(&self) -> Option<&Authentication> {
        self.rare.as_ref()?.authentication.as_ref()
    }

    pub(crate) fn authentication_method(&self) -> Option<&str> {
        self.authentication().map(|state| &*state.method)
    }

    /// Whether the peer has not answered our AUTH: then there is nothing to be accepted yet.
    pub(crate) fn awaits_auth(&self) -> bool {
        self.authentication()
            .is_some_and(|state| state.turn == Turn::Peer)
    }

    /// With CONNACK of success it is over.
    pub(super) fn end_authentication(&mut self) {
        self.set_turn(Turn::Nobody, Timer::OFF);
    }

    fn set_turn(&mut self, turn: Turn, deadline: Timer) {
        let rare = self.rare.as_mut();
        if let Some(state) = rare.and_then(|rare| rare.authentication.as_mut()) {
            (state.turn, state.deadline) = (turn, deadline);
            if turn == Turn::Nobody {
                state.rounds = 0;
            }
        }
    }

    /// The application's AUTH.
    pub(crate) fn auth(&mut self, now: Instant, auth: &Auth<'_>) -> Result<(), RequestError> {
        if !matches!(self.phase, Phase::Connecting | Phase::Connected) {
            return Err(RequestError::NotOpen);
        }
        let Some(state) = self.authentication() else {
            return Err(RequestError::AuthenticationMethod);
        };
        if auth.properties.authentication_method() != Some(&*state.method) {
            return Err(RequestError::AuthenticationMethod);
        }
        let fits_phase = match self.phase {
            // MQTT-4.12.0-2 and MQTT-4.12.0-3 of 5.0.
            Phase::Connecting => auth.reason == ReasonCode::ContinueAuthentication,
            _ => auth.reason.allowed_in(PacketType::Auth, Some(self.role)),
        };
        if !fits_phase {
            return Err(RequestError::ReasonCode(auth.reason));
        }
        let expected = match auth.reason {
            ReasonCode::ReAuthenticate => Turn::Nobody,
            _ => Turn::Ours,
        };
        if state.turn != expected {
            return Err(RequestError::AuthenticationOrder);
        }
        self.require_room()?;
        self.push_trimmed(Packet::from(*auth))?;
        if auth.reason == ReasonCode::Success {
            self.end_authentication();
        } else if self.phase == Phase::Connecting {
            self.set_turn(Turn::Peer, Timer::OFF);
            self.start_connect_timeout(now);
        } else {
            self.await_auth(now);
        }
        Ok(())
    }

    /// Starts, or starts again, the time that the peer has in a re-authentication.
    fn await_auth(&mut self, now: Instant) {
        self.set_turn(Turn::Peer, Timer::at(now, self.options.connect_timeout()));
    }

    /// The peer cannot send the AUTH that is due: it is inside a message.
    pub(super) fn postpone_auth(&mut self, now: Instant) {
        if self.authentication_deadline() != Timer::OFF {
            self.await_auth(now);
        }
    }

    /// The peer's AUTH.
    pub(crate) fn on_auth(&mut self, auth: &Auth<'_>) -> Result<(), Violation> {
        let again = auth.reason == ReasonCode::ReAuthenticate;
        self.check_authentication_method(&auth.properties).map_err(
            |violation| match violation {
                Violation::AuthenticationMethodMismatch if again => {
                    Violation::ReauthenticationMethod
                }
                other => other,
            },
        )?;
        let connecting = self.phase != Phase::Connected;
        if connecting && auth.reason != ReasonCode::ContinueAuthentication {
            // MQTT-4.12.0-2 and MQTT-4.12.0-3 of 5.0.
            return Err(Violation::ReasonCodeInvalid);
        }
        let maximum = self.options.maximum_authentication_rounds();
        let rare = self.rare.as_mut();
        let Some(state) = rare.and_then(|rare| rare.authentication.as_mut()) else {
            return Err(Violation::AuthenticationNotNegotiated);
        };
        let due = match auth.reason {
            ReasonCode::ReAuthenticate => Turn::Nobody,
            _ => Turn::Peer,
        };
        if state.turn != due {
            return Err(Violation::AuthenticationUnexpected);
        }
        if auth.reason == ReasonCode::Success {
            self.end_authentication();
            return Ok(());
        }
        if state.rounds >= maximum {
            return Err(Violation::AuthenticationRounds);
        }
        state.rounds += 1;
        self.set_turn(Turn::Ours, Timer::OFF);
        if connecting {
            // The application has as long as it needs.
            self.stop_deadline();
        }
        Ok(())
    }

    /// The method of AUTH and CONNACK is that of CONNECT (MQTT-4.12.0-5 to -7, MQTT-4.12.1-1 of 5.0).
    pub(crate) fn check_authentication_method(
        &self,
        properties: &Properties<'_>,
    ) -> Result<(), Violation> {
        self.check_problem_information(properties)?;
        match (
            self.authentication_method(),
            properties.authentication_method(),
        ) {
            (None, _) => Err(Violation::AuthenticationNotNegotiated),
            (Some(ours), Some(theirs)) if ours == theirs => Ok(()),
            _ => Err(Violation::AuthenticationMethodMismatch),
        }
    }

    /// The deadline of a re-authentication.
    #[inline]
    pub(super) fn authentication_deadline(&self) -> Timer {
        match &self.rare {
            None => Timer::OFF,
            Some(rare) => {
                let state = rare.authentication.as_ref();
                state.map_or(Timer::OFF, |state| state.deadline)
            }
        }
    }

    /// A re-authentication that does not come to its end has failed (MQTT-4.12.1-2 of 5.0). True: the
    /// connection is closed.
    pub(super) fn time_out_authentication(&mut self, now: Instant) -> bool {
        if !self.authentication_deadline().due(now) {
            return false;
        }
        if self.is_held_by_application() {
            // Nobody listens: that nothing is heard proves nothing.
            self.await_auth(now);
            return false;
        }
        self.push_disconnect(&Disconnect::new(match self.role {
            Role::Server => ReasonCode::NotAuthorized,
            Role::Client => ReasonCode::UnspecifiedError,
        }));
        self.close(CloseCause::AuthenticationTimeout, true);
        true
    }
}
