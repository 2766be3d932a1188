//! A server with shared subscriptions, whose sessions come, lose their connections and end with messages in flight.
//! Each message is settled once, and none waits or is lost while a member could take it.

use super::super::{Deliveries, Overlap, Pick};
use super::*;
use crate::packet::SubscriptionOptions;
use crate::topic::TopicName;
use crate::types::{QoS, Version};
use alloc::vec;
use alloc::vec::Vec;

const FILTERS: [&str; 3] = ["$share/a/x", "$share/b/x", "$share/a/+"];
const SESSIONS: u32 = 12;
const QUOTA: usize = 3;

#[derive(Default, Clone)]
struct Client {
    is_connected: bool,
    in_flight: Vec<usize>,
}

#[derive(Copy, Clone, PartialEq, Debug)]
enum State {
    Waits,
    /// With that session.
    Sent(u32),
    Acknowledged,
    /// Refused, or of QoS 2 with a session that ended: no one else gets it.
    Discarded,
    /// There is no subscription any more.
    Unsubscribed,
}

struct Message {
    qos: QoS,
    group: GroupId,
    state: State,
    /// The sessions that it was sent to.
    sent: Vec<u32>,
}

struct Server {
    groups: Groups,
    clients: Vec<Client>,
    messages: Vec<Message>,
    random: u64,
}

impl Server {
    fn chance(&mut self, below: usize) -> usize {
        self.random = mix(self.random.wrapping_add(0x9E37_79B9_7F4A_7C15));
        (self.random >> 16) as usize % below
    }

    fn can_take(client: &Client) -> bool {
        client.is_connected && client.in_flight.len() < QUOTA
    }

    /// Picks a member for a message that is with nobody.
    fn send(&mut self, number: usize, how: Pick<'_>) {
        let message = &mut self.messages[number];
        let Some(group) = self.groups.group_mut(message.group) else {
            message.state = State::Unsubscribed;
            return;
        };
        let clients = &mut self.clients;
        let picked = group.pick(how, usize::MAX, |member| {
            Self::can_take(&clients[member.id.get() as usize])
        });
        message.state = State::Waits;
        if let Some(member) = picked {
            let session = member.id.get();
            clients[session as usize].in_flight.push(number);
            message.state = State::Sent(session);
            message.sent.push(session);
        }
    }

    fn end_session(&mut self, session: u32, how: Pick<'_>) {
        let id = SubscriberId::new(session);
        loop {
            let group = self.groups.of(id).next();
            let Some((group, _)) = group else { break };
            assert!(self.groups.remove(group, id).is_some());
            self.groups.remove_if_empty(group);
        }
        let client = core::mem::take(&mut self.clients[session as usize]);
        for number in client.in_flight {
            match self.messages[number].qos {
                QoS::ExactlyOnce => self.messages[number].state = State::Discarded,
                _ => self.send(number, how),
            }
        }
    }

    fn answer(&mut self, session: usize, is_refused: bool) {
        let count = self.clients[session].in_flight.len();
        if self.clients[session].is_connected && count > 0 {
            let at = self.chance(count);
            let number = self.clients[session].in_flight.remove(at);
            assert_eq!(self.messages[number].state, State::Sent(session as u32));
            self.messages[number].state = if is_refused {
                State::Discarded
            } else {
                State::Acknowledged
            };
        }
    }

    /// What a server does whenever a member may have room again.
    fn send_waiting(&mut self, how: Pick<'_>) {
        for number in 0..self.messages.len() {
            if self.messages[number].state == State::Waits {
                self.send(number, how);
            }
        }
    }

    fn check(&self) {
        let mut in_flight = 0;
        for (number, message) in self.messages.iter().enumerate() {
            match message.state {
                State::Waits => {
                    let group = self.groups.group(message.group).unwrap();
                    let mut members = group.iter();
                    assert!(
                        !members.any(|one| Self::can_take(&self.clients[one.id.get() as usize]))
                    );
                }
                State::Sent(session) => {
                    let with = &self.clients[session as usize].in_flight;
                    assert_eq!(with.iter().filter(|&&other| other == number).count(), 1);
                    in_flight += 1;
                }
                _ => {}
            }
            // [MQTT-4.8.2-5]
            assert!(message.qos != QoS::ExactlyOnce || message.sent.len() <= 1);
        }
        let of_clients = self.clients.iter().map(|client| client.in_flight.len());
        assert_eq!(in_flight, of_clients.sum::<usize>());
    }
}

fn simulate(seed: u64) -> [usize; 4] {
    let mut server = Server {
        groups: Groups::new(seed, seed % 4 != 0),
        clients: vec![Client::default(); SESSIONS as usize],
        messages: Vec::new(),
        random: seed,
    };
    let filters = FILTERS.map(|text| TopicFilter::new(Version::V5, text).unwrap());
    let topic = TopicName::new("x").unwrap();
    for _ in 0..400 {
        let how = match server.chance(5) {
            0 => Pick::RoundRobin,
            1 => Pick::LeastRecentlyUsed,
            2 => Pick::StickyByTopic(&topic),
            3 => Pick::StickyByPublisher(SubscriberId::new(3)),
            _ => Pick::Random,
        };
        let session = server.chance(SESSIONS as usize);
        match server.chance(12) {
            0..=1 => {
                let id = SubscriberId::new(session as u32);
                let filter = &filters[server.chance(FILTERS.len())];
                let group = server.groups.get_or_create(filter).unwrap();
                let options = SubscriptionOptions::new(QoS::ExactlyOnce);
                server.groups.add(group, Subscriber::new(id, options));
                server.clients[session].is_connected = true;
            }
            2..=5 => {
                let filter = &filters[server.chance(FILTERS.len())];
                let qos = QoS::from_u8(server.chance(2) as u8 + 1).unwrap();
                if let Some(group) = server.groups.find(filter) {
                    server.messages.push(Message {
                        qos,
                        group,
                        state: State::Waits,
                        sent: Vec::new(),
                    });
                    server.send(server.messages.len() - 1, how);
                }
            }
            6..=7 => server.answer(session, false),
            8 => server.answer(session, true),
            9 => server.clients[session].is_connected = false,
            10 => server.clients[session].is_connected = true,
            _ => server.end_session(session as u32, how),
        }
        server.send_waiting(how);
        server.check();
    }
    // In the end all are connected and answer.
    for _ in 0..server.messages.len() {
        for session in 0..SESSIONS as usize {
            server.clients[session].is_connected = true;
            server.answer(session, false);
        }
        server.send_waiting(Pick::LeastRecentlyUsed);
        server.check();
    }
    let [mut acknowledged, mut discarded, mut unsubscribed, mut again] = [0; 4];
    for message in &server.messages {
        match message.state {
            State::Acknowledged => acknowledged += 1,
            State::Discarded => discarded += 1,
            State::Unsubscribed => unsubscribed += 1,
            State::Waits | State::Sent(_) => panic!("{:?}", message.state),
        }
        again += usize::from(message.sent.len() > 1);
    }
    [acknowledged, discarded, unsubscribed, again]
}

#[test]
fn every_message_is_settled_once() {
    let mut total = [0; 4];
    for seed in 0..300 {
        for (total, one) in total.iter_mut().zip(simulate(seed)) {
            *total += one;
        }
    }
    // Nothing holds because it did not happen.
    assert!(total.into_iter().all(|count| count > 500), "{total:?}");
}

/// 5.0 §4.8.2: a client with a shared and a plain subscription gets a copy for each.
#[test]
fn a_shared_copy_is_one_of_its_own() {
    let mut groups = Groups::new(1, true);
    let filters = FILTERS.map(|text| TopicFilter::new(Version::V5, text).unwrap());
    let [first, second, _] = filters.map(|filter| groups.get_or_create(&filter).unwrap());
    let member = |number, identifier| {
        let options = SubscriptionOptions::new(QoS::AtLeastOnce);
        Subscriber::new(SubscriberId::new(number), options).with_identifier(identifier)
    };
    for overlap in [Overlap::OneCopy, Overlap::CopyPerSubscription] {
        let mut deliveries = Deliveries::new();
        deliveries.add_shared(second, member(1, 5));
        deliveries.add_shared(first, member(1, 6));
        deliveries.add(member(2, 8));
        deliveries.add(member(1, 7));
        deliveries.merge(overlap, None);
        let copies = deliveries.iter();
        let copies = copies.map(|one| (one.subscriber.get(), one.group, one.identifiers));
        assert!(copies.eq([
            (1, None, &[7][..]),
            (1, Some(first), &[6]),
            (1, Some(second), &[5]),
            (2, None, &[8]),
        ]));
    }
}
