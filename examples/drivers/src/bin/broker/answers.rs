//! What the broker asks, and how it is answered: by the files of `access`, at once or, where a password is to be checked,
//! when a thread has done so.

use std::sync::mpsc::Receiver;

use sansio_mqtt::{
    Admission, AnswerErrorReason, Connack, Connect, ConnectionId, Disconnect, Instant, Question,
    QuestionToken, ReasonCode, Verdict, Version,
};
use tracing::{info, warn};

use crate::access::Passwords;
use crate::peers::Name;
use crate::serve::{Mail, MailBox, Server};

/// A password to be checked by a thread.
pub(crate) struct Credentials {
    token: QuestionToken,
    client_id: String,
    user: String,
    password: Vec<u8>,
}

impl Server {
    pub(crate) fn answer(&mut self, id: ConnectionId, now: Instant, question: Question<'_>) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let result = match question {
            Question::Connect { connect, token } => {
                return self.on_connect(id, now, &connect, token);
            }
            Question::Publish { message, token } => {
                let client_id = peer.client_id().unwrap_or("");
                let verdict = match &self.acl {
                    Some(acl)
                        if !acl.may_publish(client_id, peer.user.as_deref(), message.topic()) =>
                    {
                        info!("{}: may not publish to {:?}", peer.name, message.topic());
                        Verdict::Deny(ReasonCode::NotAuthorized)
                    }
                    _ => Verdict::Allow,
                };
                self.broker.answer_publish(token, now, verdict)
            }
            Question::Subscribe { subscribe, token } => {
                let version = self.broker.version(id).unwrap_or(Version::V5);
                let mut codes = Vec::new();
                for one in subscribe.subscriptions.iter() {
                    let client_id = peer.client_id().unwrap_or("");
                    let user = peer.user.as_deref();
                    let allowed = self
                        .acl
                        .as_ref()
                        .is_none_or(|acl| acl.may_subscribe(client_id, user, one.filter));
                    codes.push(if allowed {
                        info!(
                            "{}: subscribed to {:?}, QoS {}",
                            peer.name, one.filter, one.options.qos
                        );
                        ReasonCode::granted(one.options.qos)
                    } else {
                        info!("{}: may not subscribe to {:?}", peer.name, one.filter);
                        match version {
                            Version::V5 => ReasonCode::NotAuthorized,
                            _ => ReasonCode::UnspecifiedError,
                        }
                    });
                }
                self.broker.answer_subscribe(token, now, &codes)
            }
            // No Authentication Method is taken, so nothing is to be continued.
            Question::Auth { token, .. } => {
                let reason = Connack::new(ReasonCode::BadAuthenticationMethod);
                self.broker.refuse(token, now, &reason)
            }
            _ => Ok(()),
        };
        if let Err(error) = result {
            warn!("{}: {error}", peer.name);
            let reason = Disconnect::new(ReasonCode::ImplementationSpecificError);
            self.broker.disconnect(id, now, &reason);
        }
    }

    fn on_connect(
        &mut self,
        id: ConnectionId,
        now: Instant,
        connect: &Connect<'_>,
        token: QuestionToken,
    ) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if connect.properties.authentication_method().is_some() {
            let reason = Connack::new(ReasonCode::BadAuthenticationMethod);
            let _ = self.broker.refuse(token, now, &reason);
            return;
        }
        peer.user = connect.user_name.map(Into::into);
        if let (Some(acl), Some(will)) = (&self.acl, &connect.will) {
            let user = peer.user.as_deref();
            if !acl.may_publish(connect.client_id, user, will.topic) {
                info!("{}: may not have a will at {:?}", peer.name, will.topic);
                let _ = self
                    .broker
                    .refuse(token, now, &Connack::new(ReasonCode::NotAuthorized));
                return;
            }
        }
        let client_id = connect.client_id.to_owned();
        match (&self.passwords, connect.user_name) {
            (None, _) => self.admit(now, token, true, &client_id),
            (Some(_), None) => self.admit(now, token, false, &client_id),
            (Some(passwords), Some(user)) => {
                let credentials = Credentials {
                    token,
                    client_id,
                    user: user.to_owned(),
                    password: connect.password.unwrap_or_default().to_vec(),
                };
                let _ = passwords.send(credentials);
            }
        }
    }

    pub(crate) fn admit(
        &mut self,
        now: Instant,
        token: QuestionToken,
        is_right: bool,
        client_id: &str,
    ) {
        let id = token.connection();
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let result = if is_right {
            let is_old = self.broker.session(client_id).is_some();
            let version = self.broker.version(id).unwrap_or(Version::V5);
            let result = self.broker.accept(token, now, &Admission::default());
            if let Some(client_id) = self.broker.client_id(id) {
                let which = if is_old { "known" } else { "new" };
                let name = Name::ClientId(client_id.clone());
                let address = std::mem::replace(&mut peer.name, name);
                info!("{}: {which} client at {address}, MQTT {version}", peer.name);
            }
            result
        } else {
            info!("{}: {client_id:?}: wrong user name or password", peer.name);
            let reason = Connack::new(ReasonCode::BadUserNameOrPassword);
            self.broker.refuse(token, now, &reason)
        };
        let Err(refused) = result else { return };
        info!("{}: {client_id:?} refused: {refused}", peer.name);
        let reason = match &refused.reason {
            AnswerErrorReason::ReasonCode(code) => *code,
            _ => ReasonCode::ServerUnavailable,
        };
        if let Some(token) = refused.token {
            let _ = self.broker.refuse(token, now, &Connack::new(reason));
        }
    }
}

pub(crate) fn check_passwords(
    passwords: &Passwords,
    incoming: &Receiver<Credentials>,
    mailbox: &MailBox,
) {
    while let Ok(Credentials {
        token,
        client_id,
        user,
        password,
    }) = incoming.recv()
    {
        let is_right = passwords.check(&user, &password);
        mailbox.send(Mail::Password {
            token,
            is_right,
            client_id,
        });
    }
}
