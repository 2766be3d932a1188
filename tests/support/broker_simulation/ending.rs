use std::collections::BTreeMap;
use std::time::Duration;

use sansio_mqtt::*;

use super::client::{Client, OBSERVERS};
use super::standing::Fate;
use super::world::{Outcome, World, fail, payload_id};

impl World {
    /// The faults are over: everybody comes back, and everything is settled.
    pub(super) fn end(&mut self) {
        // Some stay away until their wills are due and their sessions have ended.
        for at in 0..self.clients.len() {
            if at < OBSERVERS || !self.random.once_in(3) {
                self.come_back(at);
            }
        }
        self.quiesce();
        for _ in 0..16 {
            self.pass(Duration::from_secs(10));
            self.quiesce();
        }
        for round in 0..3 {
            for at in 0..self.clients.len() {
                self.come_back(at);
            }
            self.quiesce();
            let all = self.clients.iter().all(Client::is_connected);
            if !all && round == 2 {
                fail!(self, "somebody is not connected");
            }
        }
        self.check_deliveries();
        self.check_wills();
        self.check_retained();
        self.leave_nothing();
    }

    fn come_back(&mut self, at: usize) {
        if self.clients[at].connection.is_none() {
            self.connect(at, u32::MAX, false, false);
        }
    }

    fn check_deliveries(&mut self) {
        for (at, client) in self.clients.iter().enumerate() {
            if client.has_unsettled() {
                fail!(self, "client {at} has messages that nobody acknowledges");
            }
        }
        for (number, message) in self.messages.iter().enumerate() {
            if message.outcome != Outcome::Acknowledged || message.expiry.is_some() {
                continue;
            }
            for &(at, session, is_sure) in &message.stood {
                let client = &self.clients[at];
                if !is_sure || client.session_number != session {
                    continue;
                }
                self.totals.due += 1;
                if !client.received.contains_key(&number) {
                    fail!(self, "client {at} has not got message {number}");
                }
            }
        }
    }

    fn check_wills(&mut self) {
        // Who is connected now has come back without a will.
        for (number, message) in self.messages.iter().enumerate() {
            if message.topic.is_some() {
                continue;
            }
            for observer in &self.clients[..OBSERVERS] {
                let count = observer.received.get(&number).copied().unwrap_or_default();
                let is_wrong = match message.fate {
                    Fate::Published => count == 0,
                    Fate::NotPublished => count > 0,
                    Fate::Open => false,
                };
                if is_wrong || message.qos == QoS::ExactlyOnce && count > 1 {
                    fail!(
                        self,
                        "will {number} was published {count} times, {:?}",
                        message.fate
                    );
                }
            }
            match message.fate {
                Fate::Published => self.totals.wills_judged[0] += 1,
                Fate::NotPublished => self.totals.wills_judged[1] += 1,
                Fate::Open => {}
            }
        }
    }

    /// A new subscriber gets the last message of each topic.
    fn check_retained(&mut self) {
        let mut fresh = BTreeMap::new();
        for topic in 0..self.topics.len() {
            if self.random.once_in(2) {
                continue;
            }
            let (is_clear, expiry) = (self.random.once_in(3), self.random.pick(&[None, Some(30)]));
            let owner = self.topics[topic].owner;
            match self.publish(owner, topic, true, is_clear, expiry) {
                Some(number) => fresh.insert(topic, number),
                None => fail!(self, "client {owner} cannot publish"),
            };
        }
        self.quiesce();
        for _ in 0..6 {
            let seconds = self.random.pick(&[1, 10]);
            self.pass(Duration::from_secs(seconds));
            self.quiesce();
        }
        let got = self.ask_for_retained();
        self.totals.retained += got.len() as u64;
        let number_of = |name: &str| got.get(name).map(|payload| payload_id(payload));
        for (at, topic) in self.topics.iter().enumerate() {
            let is_there = number_of(&topic.name);
            // What may be there: what is not known to be followed by another one.
            let mut may_be = vec![None];
            for &number in &topic.retained {
                let message = &self.messages[number];
                let is_known =
                    message.outcome == Outcome::Acknowledged || fresh.get(&at) == Some(&number);
                if is_known {
                    may_be.clear();
                }
                let (early, late) = match message.expires {
                    Some((first, last)) => (
                        self.now + Duration::from_secs(2) > first,
                        self.now > last + Duration::from_secs(2),
                    ),
                    None => (false, false),
                };
                if !message.is_clear && !late {
                    may_be.push(Some(Some(number)));
                }
                if message.is_clear || early {
                    may_be.push(None);
                }
            }
            if !may_be.contains(&is_there) {
                fail!(
                    self,
                    "topic {} has {is_there:?}, not one of {may_be:?}",
                    topic.name
                );
            }
        }
        // Those of wills: what was published last.
        let mut last = BTreeMap::new();
        for (name, payload) in &self.clients[0].retained {
            last.insert(name, payload);
        }
        for (name, payload) in &got {
            if name.starts_with("w/") && last.get(name).is_some_and(|last| *last != payload) {
                fail!(self, "topic {name} has another will");
            }
        }
        for name in last.keys() {
            if !got.contains_key(*name) {
                fail!(self, "the will of {name} is not retained");
            }
        }
        // They go.
        let clear: Vec<String> = got.into_keys().collect();
        for name in clear {
            let nothing = Message::new(&name, b"").map(|one| one.with_retain(true));
            if let Ok(nothing) = nothing {
                self.broker.publish(self.now, &nothing);
            }
        }
        self.quiesce();
        if !self.ask_for_retained().is_empty() {
            fail!(self, "messages are retained that were cleared");
        }
    }

    /// What a new client gets.
    fn ask_for_retained(&mut self) -> BTreeMap<String, Vec<u8>> {
        let at = self.clients.len();
        let mut client = Client::new(at, &mut self.random);
        client.version = Version::V5;
        self.clients.push(client);
        self.connect(at, 0, true, false);
        self.quiesce();
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        self.subscribe(at, "#".into(), options, None);
        self.quiesce();
        let mut got = BTreeMap::new();
        for (name, payload) in std::mem::take(&mut self.clients[at].retained) {
            if got.insert(name.clone(), payload).is_some() {
                fail!(self, "two messages are retained for {name}");
            }
        }
        self.leave_for_good(at);
        self.quiesce();
        got
    }

    /// All sessions end, and the broker holds nothing.
    fn leave_nothing(&mut self) {
        for at in 0..self.clients.len() {
            if self.clients[at].connection.is_some() {
                self.leave_for_good(at);
            }
        }
        self.quiesce();
        for at in 0..self.clients.len() {
            self.connect(at, 0, true, false);
        }
        self.quiesce();
        for at in 0..self.clients.len() {
            self.leave_for_good(at);
        }
        self.quiesce();
        // Half-open ones.
        let left: Vec<_> = self.links.keys().copied().collect();
        for id in left {
            self.cut(id);
        }
        self.quiesce();
        let counters = self.broker.counters();
        let held = [
            counters.connections,
            counters.connected,
            counters.sessions,
            counters.subscriptions,
            counters.retained_messages,
            counters.retained_bytes,
        ];
        if held != [0; 6] {
            fail!(self, "the broker still has {counters:?}");
        }
        if let Some(timeout) = self.broker.poll_timeout() {
            fail!(
                self,
                "the broker still waits for {timeout:?} at {:?}",
                self.now
            );
        }
        let mut records = Vec::new();
        self.broker.take_records(&mut records);
        self.broker.snapshot(|record| records.push(record));
        if !records.is_empty() || self.broker.poll_ready().is_some() {
            fail!(self, "the broker still has {records:?}");
        }
    }
}
