//! What the applications and the wire have seen so far, as far as a rule needs it, and the rules.

use std::collections::VecDeque;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::world::{Setup, announced};
use crate::{Packet, PublishHandle, QoS, ReasonCode, Session};

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

#[derive(Clone, Hash)]
pub(super) struct Oracle {
    /// By the side that publishes.
    ways: [Way; 2],
    /// A session was lost in a way that the standard gives the other side no means to notice: what it keeps under a
    /// Packet Identifier may be of another session. Counts of deliveries are then not promised.
    confused: bool,
    /// A session was lost at all.
    lost: bool,
    /// The client's session has ended with its connection (3.1.1, CleanSession): what is open will be dropped.
    ended: bool,
    /// The client has sent CONNECT and has no CONNACK.
    awaits_connack: bool,
}

/// Messages in one direction.
#[derive(Clone, Default, Hash)]
struct Way {
    messages: Vec<Seen>,
    /// Exchanges that the sender has begun and not ended: Packet Identifier and message.
    open: Vec<(u16, u8)>,
    /// Those that count against the receiver's Receive Maximum.
    counted: Vec<u16>,
    /// The last message that came on this connection.
    last: Option<u8>,
    /// The last message that came for the first time.
    newest: Option<u8>,
    /// Acknowledgements that the receiver owes, in the order of arrival.
    owed: VecDeque<(u16, QoS)>,
    /// Exchanges that have had PUBREC, in the order of its arrival.
    releases: Vec<u16>,
    /// PUBREL packets that the sender owes.
    due: VecDeque<u16>,
}

/// What is known of a message.
#[derive(Clone, Hash)]
struct Seen {
    handle: PublishHandle,
    qos: QoS,
    sent: bool,
    delivered: bool,
    accepted: bool,
    refused: bool,
    fate: Fate,
}

#[derive(Copy, Clone, Debug, PartialEq, Hash)]
enum Fate {
    Open,
    Published,
    Refused,
    Dropped,
    /// Its session is gone, and with it the promise.
    Gone,
}

type Outcome = Result<(), String>;

impl Oracle {
    pub(super) fn new() -> Self {
        Self {
            ways: Default::default(),
            confused: false,
            lost: false,
            ended: false,
            awaits_connack: false,
        }
    }

    pub(super) fn published(&self, side: Side) -> usize {
        self.ways[side as usize].messages.len()
    }

    pub(super) fn is_confused(&self) -> bool {
        self.confused
    }

    pub(super) fn confused(&mut self) {
        self.confused = true;
    }

    pub(super) fn awaits_connack(&self) -> bool {
        self.awaits_connack
    }

    // --- connections and sessions ------------------------------------------------------------------------------------

    pub(super) fn connect(&mut self) {
        self.awaits_connack = true;
        for way in &mut self.ways {
            way.counted.clear();
            way.last = None;
            way.owed.clear();
            way.due.clear();
        }
    }

    pub(super) fn opened(&mut self, side: Side, present: bool) {
        let mut present = present;
        if side == Side::Client {
            self.awaits_connack = false;
            present &= !self.ended;
            self.ended = false;
        }
        let way = &mut self.ways[side as usize];
        if present {
            way.due = way.releases.iter().copied().collect();
        } else {
            way.open.clear();
            way.releases.clear();
        }
    }

    /// This side has no session any more.
    pub(super) fn session_gone(&mut self, side: Side) {
        self.lost = true;
        let way = &mut self.ways[side as usize];
        for message in &mut way.messages {
            if message.fate == Fate::Open {
                message.fate = Fate::Gone;
            }
        }
        way.open.clear();
        way.releases.clear();
    }

    pub(super) fn session_ended(&mut self) {
        self.ended = true;
    }

    /// The server has accepted and the client does not know: if that was without a session, it will take the new one
    /// for the old.
    pub(super) fn not_greeted(&mut self) {
        self.confused |= self.lost;
    }

    // --- the wire ----------------------------------------------------------------------------------------------------

    pub(super) fn leaves(&mut self, setup: &Setup, side: Side, packet: &Packet<'_>) -> Outcome {
        let way = &mut self.ways[side as usize];
        match packet {
            Packet::Publish(publish) => {
                let index = publish.payload[0];
                let message = &mut way.messages[usize::from(index)];
                if message.qos != publish.qos || message.fate != Fate::Open {
                    return Err(format!("{packet} of a message that is {:?}", message.fate));
                }
                if publish.dup != message.sent {
                    return Err(format!("{packet}: DUP is wrong"));
                }
                message.sent = true;
                let Some(id) = publish.packet_id else {
                    message.fate = Fate::Published;
                    return Ok(());
                };
                let id = id.get();
                let open = way.open.iter().find(|open| open.0 == id);
                match (open, publish.dup) {
                    (None, false) => way.open.push((id, index)),
                    (Some(open), true) if open.1 == index && !way.counted.contains(&id) => {}
                    _ => return Err(format!("{packet}: the identifier is of {open:?}")),
                }
                if way.releases.contains(&id) {
                    return Err(format!("{packet} after PUBREC"));
                }
                way.counted.push(id);
                if way.counted.len() > usize::from(announced(setup, side.other())) {
                    return Err(format!("{packet} beyond Receive Maximum"));
                }
                Ok(())
            }
            Packet::Pubrel(ack) => match way.due.pop_front() {
                Some(id) if id == ack.packet_id.get() => Ok(()),
                due => Err(format!("{packet} where {due:?} is due")),
            },
            Packet::Puback(ack) => self.answers(side, ack.packet_id.get(), QoS::AtLeastOnce),
            Packet::Pubrec(ack) => self.answers(side, ack.packet_id.get(), QoS::ExactlyOnce),
            _ => Ok(()),
        }
    }

    /// PUBACK and PUBREC leave in the order in which the messages came (4.6).
    fn answers(&mut self, side: Side, id: u16, qos: QoS) -> Outcome {
        match self.ways[side.other() as usize].owed.pop_front() {
            Some(owed) if owed == (id, qos) => Ok(()),
            owed => Err(format!("{side:?} acknowledges {id} where {owed:?} is owed")),
        }
    }

    pub(super) fn arrives(&mut self, side: Side, packet: &Packet<'_>) {
        let own = &mut self.ways[side as usize];
        match packet {
            Packet::Publish(publish) => {
                if let Some(id) = publish.packet_id {
                    let way = &mut self.ways[side.other() as usize];
                    way.owed.push_back((id.get(), publish.qos));
                }
            }
            Packet::Puback(ack) => own.ends(ack.packet_id.get()),
            Packet::Pubrec(ack) if ack.reason.is_error() => own.ends(ack.packet_id.get()),
            Packet::Pubrec(ack) => {
                own.releases.push(ack.packet_id.get());
                own.due.push_back(ack.packet_id.get());
            }
            Packet::Pubcomp(ack) => own.ends(ack.packet_id.get()),
            _ => {}
        }
    }

    // --- the applications --------------------------------------------------------------------------------------------

    pub(super) fn publish(&mut self, side: Side, handle: PublishHandle, qos: QoS) {
        self.ways[side as usize].messages.push(Seen {
            handle,
            qos,
            sent: false,
            delivered: false,
            accepted: false,
            refused: false,
            fate: Fate::Open,
        });
    }

    /// The application of the other side is given a message.
    pub(super) fn delivered(&mut self, sender: Side, index: u8) -> Outcome {
        let way = &mut self.ways[sender as usize];
        if way.last.is_some_and(|last| last >= index) {
            return Err(format!("message {index} came after {:?}", way.last));
        }
        way.last = Some(index);
        let message = &mut way.messages[usize::from(index)];
        if !message.delivered {
            message.delivered = true;
            if way.newest.is_some_and(|newest| newest > index) {
                return Err(format!("message {index} came first after {:?}", way.newest));
            }
            way.newest = Some(index);
        }
        Ok(())
    }

    /// And has it for good: at once, or with its acknowledgement.
    pub(super) fn accepted(&mut self, sender: Side, index: u8) -> Outcome {
        let message = &mut self.ways[sender as usize].messages[usize::from(index)];
        if message.qos == QoS::ExactlyOnce && message.accepted && !self.confused {
            return Err(format!("message {index} came twice"));
        }
        message.accepted = true;
        Ok(())
    }

    pub(super) fn refused(&mut self, sender: Side, index: u8) -> Outcome {
        self.ways[sender as usize].messages[usize::from(index)].refused = true;
        Ok(())
    }

    pub(super) fn settled(
        &mut self,
        side: Side,
        handle: PublishHandle,
        reason: ReasonCode,
    ) -> Outcome {
        let confused = self.confused;
        let message = self.ways[side as usize].open_message(handle)?;
        // A PUBCOMP that does not know the identifier ends the exchange all the same.
        let refused = reason.is_error() && reason != ReasonCode::PacketIdentifierNotFound;
        let deserved = match (refused, message.qos) {
            (false, _) => message.accepted,
            (true, QoS::ExactlyOnce) => message.refused && !message.accepted,
            (true, _) => message.refused,
        };
        if !deserved && !confused {
            return Err(format!(
                "{handle:?} settled with {reason} and not delivered so"
            ));
        }
        message.fate = if refused {
            Fate::Refused
        } else {
            Fate::Published
        };
        Ok(())
    }

    pub(super) fn dropped(&mut self, side: Side, handle: PublishHandle) -> Outcome {
        let message = self.ways[side as usize].open_message(handle)?;
        if !message.sent {
            return Err(format!("{handle:?} was dropped and never sent"));
        }
        message.fate = Fate::Dropped;
        Ok(())
    }

    // --- the states --------------------------------------------------------------------------------------------------

    pub(super) fn check_session(&self, side: Side, session: &Session) -> Outcome {
        let way = &self.ways[side as usize];
        if session.in_flight() != way.open.len() {
            return Err(format!(
                "{side:?} has {} in flight, on the wire are {:?}",
                session.in_flight(),
                way.open
            ));
        }
        Ok(())
    }

    pub(super) fn check_quota(&self, side: Side, quota: u16, maximum: u16) -> Outcome {
        let way = &self.ways[side as usize];
        if usize::from(quota) + way.counted.len() != usize::from(maximum) {
            return Err(format!(
                "{side:?} has a quota of {quota} of {maximum} with {:?} open",
                way.counted
            ));
        }
        Ok(())
    }

    pub(super) fn check_at_rest(&self, side: Side, lost: bool) -> Outcome {
        let way = &self.ways[side as usize];
        for message in &way.messages {
            let right = match message.fate {
                Fate::Open => false,
                Fate::Published => {
                    message.accepted || message.qos == QoS::AtMostOnce || self.confused
                }
                Fate::Refused => message.refused,
                Fate::Dropped | Fate::Gone => lost,
            };
            if !right {
                return Err(format!(
                    "{side:?}: {:?} is {:?}",
                    message.handle, message.fate
                ));
            }
        }
        let left = way.open.len() + way.counted.len() + way.owed.len() + way.releases.len();
        if left + way.due.len() > 0 {
            return Err(format!("{side:?}: exchanges are open at rest"));
        }
        Ok(())
    }
}

impl Way {
    fn ends(&mut self, id: u16) {
        self.open.retain(|open| open.0 != id);
        self.counted.retain(|&counted| counted != id);
        self.releases.retain(|&released| released != id);
    }

    fn open_message(&mut self, handle: PublishHandle) -> Result<&mut Seen, String> {
        self.messages
            .iter_mut()
            .find(|message| message.handle == handle && message.fate == Fate::Open)
            .ok_or_else(|| format!("{handle:?} was reported twice or never given"))
    }
}
