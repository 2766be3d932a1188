// The messages of one direction, and what must be true of them: the oracle of the delivery guarantees.

use std::collections::HashMap;

use sansio_mqtt::*;

use crate::machine::Arrival;
use crate::watch::Transmission;

#[derive(Copy, Clone, Debug, PartialEq)]
enum State {
    /// Nothing has been reported.
    Open,
    Published,
    Dropped(DropReason),
    /// The application threw its session away.
    Forgotten,
}

struct Sent {
    message: Message,
    since: Instant,
    state: State,
    transmissions: u32,
    id: Option<u16>,
    deliveries: u32,
    /// The connection of the last transmission and of the last delivery.
    sent_on: u32,
    delivered_on: u32,
    /// The receiver has it for good: taken and acknowledged, or acknowledged by itself.
    taken: bool,
}

#[derive(Default)]
pub(crate) struct Ledger {
    sent: Vec<Sent>,
    handles: HashMap<PublishHandle, usize>,
    /// By identifier, what is in flight.
    in_flight: HashMap<u16, usize>,
    /// Dropped in flight at QoS 2: the exchange goes on without the message.
    abandoned: usize,
    /// The last that was sent on this connection, plus one; the last that was delivered for the first time, plus one.
    last_sent: (u32, usize),
    last_first: usize,
}

impl Ledger {
    /// The number that the next message has to carry.
    pub(crate) fn next(&self) -> usize {
        self.sent.len()
    }

    pub(crate) fn accepted(&mut self, handle: PublishHandle, message: Message, since: Instant) {
        assert_eq!(number(message.payload()), self.sent.len());
        let before = self.handles.insert(handle, self.sent.len());
        assert_eq!(before, None, "a handle twice");
        self.sent.push(Sent {
            message,
            since,
            state: State::Open,
            transmissions: 0,
            id: None,
            deliveries: 0,
            sent_on: 0,
            delivered_on: 0,
            taken: false,
        });
    }

    /// Messages and their bytes that the session can be keeping at most.
    pub(crate) fn kept(&self) -> (usize, usize) {
        let kept = self.sent.iter().filter(|sent| {
            sent.state == State::Open
                && (sent.message.qos() != QoS::AtMostOnce || sent.transmissions == 0)
        });
        kept.fold((0, 0), |(count, bytes), sent| {
            let properties: usize = sent.message.properties().iter().map(|_| 64).sum();
            let message = &sent.message;
            (
                count + 1,
                bytes + message.topic().len() + message.payload().len() + properties,
            )
        })
    }

    /// What a session taken out of its connection, with everything reported that there was to report, has to hold.
    pub(crate) fn check_session(&self, session: &Session) {
        let held = session.queued() + session.in_flight();
        let kept = self.kept().0;
        assert!(
            (kept..=kept + self.abandoned).contains(&held),
            "{held} held, {kept} open: {session:?}"
        );
    }

    pub(crate) fn transmitted(
        &mut self,
        packet: &Transmission<'_>,
        connection: u32,
        now: Instant,
        version: Version,
    ) {
        let index = number(packet.payload);
        let sent = &mut self.sent[index];
        let what = format!(
            "message {index}, sent {} times, {:?}",
            sent.transmissions, sent.state
        );
        assert_eq!(packet.qos, sent.message.qos(), "{what}");
        assert_eq!(sent.state, State::Open, "{what}");
        // Resends first, then the queue, each in the order of the calls.
        if self.last_sent.0 == connection {
            assert!(index >= self.last_sent.1, "{what}: out of order");
        }
        self.last_sent = (connection, index + 1);
        let again = sent.transmissions > 0;
        if packet.qos == QoS::AtMostOnce {
            assert!(!again, "{what}: QoS 0 again");
        }
        assert_eq!(packet.dup, again, "{what}: DUP");
        if again {
            assert_eq!(packet.id, sent.id, "{what}: another identifier");
            assert_ne!(sent.sent_on, connection, "{what}: twice on one connection");
        } else if let Some(id) = packet.id {
            let before = self.in_flight.insert(id, index);
            assert_eq!(before, None, "{what}: identifier in use");
        }
        if let (Some(expiry), Version::V5) = (sent.message.message_expiry_interval(), version) {
            let waited = u32::try_from(now.saturating_duration_since(sent.since).as_secs())
                .expect("a short time");
            let left = expiry.saturating_sub(waited);
            let told = packet.expiry.expect("the expiry is sent along");
            if again {
                assert!(told == left || told == 1, "{what}: expiry {told} of {left}");
            } else {
                assert!(expiry == 0 || left > 0, "{what}: sent after its expiry");
                assert_eq!(told, left, "{what}: expiry");
            }
        }
        sent.sent_on = connection;
        sent.transmissions += 1;
        sent.id = packet.id;
    }

    /// Returns the number of the message.
    pub(crate) fn delivered(
        &mut self,
        arrival: &Arrival,
        connection: u32,
        manual: bool,
        version: Version,
    ) -> usize {
        let index = number(arrival.message.payload());
        let sent = &mut self.sent[index];
        let what = format!(
            "message {index}, delivered {} times, {:?}",
            sent.deliveries, sent.state
        );
        assert!(
            sent.transmissions > sent.deliveries,
            "{what}: more often than it was sent"
        );
        assert_eq!(
            sent.sent_on, connection,
            "{what}: not sent on this connection"
        );
        let (got, meant) = (&arrival.message, &sent.message);
        assert_eq!(
            (got.topic(), got.payload()),
            (meant.topic(), meant.payload()),
            "{what}"
        );
        assert_eq!(
            (got.qos(), got.retain()),
            (meant.qos(), meant.retain()),
            "{what}"
        );
        if version == Version::V5 {
            assert_eq!(got.properties(), meant.properties(), "{what}");
        }
        assert!(
            sent.deliveries == 0 || sent.delivered_on != connection,
            "{what}: twice on one connection"
        );
        if got.qos() == QoS::ExactlyOnce {
            assert!(!sent.taken, "{what}: QoS 2 again");
        }
        if sent.deliveries == 0 {
            assert!(
                index >= self.last_first,
                "{what}: behind {}",
                self.last_first
            );
            self.last_first = index + 1;
        }
        sent.deliveries += 1;
        sent.delivered_on = connection;
        sent.taken |= !manual;
        index
    }

    pub(crate) fn acknowledged(&mut self, index: usize, reason: ReasonCode) {
        self.sent[index].taken |= !reason.is_error();
    }

    pub(crate) fn published(&mut self, handle: PublishHandle, id: u16) {
        let sent = &mut self.sent[*self.handles.get(&handle).expect("a handle that was given")];
        assert_eq!(sent.state, State::Open);
        assert_ne!(sent.message.qos(), QoS::AtMostOnce);
        assert_eq!(sent.id, Some(id));
        assert!(
            sent.deliveries > 0,
            "settled and never delivered: {:?}",
            sent.message
        );
        sent.state = State::Published;
        self.in_flight.remove(&id);
    }

    pub(crate) fn dropped(&mut self, dropped: &Dropped) {
        let sent = &mut self.sent[*self
            .handles
            .get(&dropped.handle)
            .expect("a handle that was given")];
        assert_eq!(sent.state, State::Open, "{dropped:?}");
        sent.state = State::Dropped(dropped.reason);
        let qos = sent.message.qos();
        match &dropped.message {
            Some(message) => assert_eq!(*message, sent.message),
            None => assert!(
                dropped.reason == DropReason::QueueFull || (qos == QoS::ExactlyOnce && sent.taken),
                "{dropped:?}"
            ),
        }
        match dropped.reason {
            DropReason::SessionLost => assert!(qos != QoS::AtMostOnce && sent.transmissions > 0),
            DropReason::Expired | DropReason::QueueFull => {
                assert_eq!(sent.transmissions, 0, "{dropped:?}");
            }
            _ => assert!(
                qos != QoS::AtMostOnce || sent.transmissions == 0,
                "{dropped:?}"
            ),
        }
        if let Some(id) = sent.id {
            self.in_flight.remove(&id);
            self.abandoned +=
                usize::from(qos == QoS::ExactlyOnce && dropped.reason != DropReason::SessionLost);
        }
    }

    /// The session of the sender is thrown away.
    pub(crate) fn forget(&mut self) {
        for sent in &mut self.sent {
            if sent.state == State::Open {
                sent.state = State::Forgotten;
            }
        }
        self.handles.clear();
        self.in_flight.clear();
        self.abandoned = 0;
    }

    /// After the link has healed and both sessions are empty.
    pub(crate) fn check_end(&self) {
        assert_eq!(self.kept().0, 0, "accepted and never reported");
        assert!(self.in_flight.is_empty(), "{:?}", self.in_flight);
        for (index, sent) in self.sent.iter().enumerate() {
            let what = format!(
                "message {index}, {:?}, delivered {} times",
                sent.state, sent.deliveries
            );
            match (sent.message.qos(), sent.state) {
                (QoS::AtMostOnce, state) => {
                    assert_ne!(state, State::Published, "{what}");
                    assert!(
                        sent.deliveries <= sent.transmissions && sent.transmissions <= 1,
                        "{what}"
                    );
                }
                (_, State::Open) => panic!("{what}"),
                (_, State::Published) => assert!(sent.deliveries > 0, "{what}"),
                (_, State::Dropped(DropReason::Expired | DropReason::QueueFull)) => {
                    assert_eq!(sent.deliveries, 0, "{what}");
                }
                _ => {}
            }
        }
    }
}

/// The number that a payload begins with.
fn number(payload: &[u8]) -> usize {
    let digits = payload
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let text = std::str::from_utf8(&payload[..digits]).expect("digits");
    text.parse().expect("a number")
}
