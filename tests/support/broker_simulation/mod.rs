//! A broker, its clients and the links between them, driven from one seed, and what is known of each message, session,
//! subscription and will. Everything is judged by what a client was told: what was not acknowledged may have happened or not.
//!
//! `world` has links, time, the store and crashes, `client` what clients do and learn, `standing` what the broker has to know
//! of each client, `ending` how a history ends and what must have come of it.

mod client;
mod ending;
mod random;
mod standing;
mod world;

use std::fmt;

pub(crate) use world::run;

/// What has happened.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) events: u64,
    pub(crate) clients: u64,
    pub(crate) connections: u64,
    pub(crate) takeovers: u64,
    pub(crate) crashes: u64,
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    /// Acknowledged messages that a subscriber had to get.
    pub(crate) due: u64,
    pub(crate) wills: u64,
    /// Wills that had to be published, and that were not to be.
    pub(crate) wills_judged: [u64; 2],
    pub(crate) retained: u64,
    pub(crate) expired: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.clients += other.clients;
        self.connections += other.connections;
        self.takeovers += other.takeovers;
        self.crashes += other.crashes;
        self.messages += other.messages;
        self.deliveries += other.deliveries;
        self.due += other.due;
        self.wills += other.wills;
        for (mine, other) in self.wills_judged.iter_mut().zip(other.wills_judged) {
            *mine += other;
        }
        self.retained += other.retained;
        self.expired += other.expired;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events: {} clients, {} connections, {} take-overs, {} crashes, {} messages, {} deliveries ({} due), \
             {} wills ({} due, {} not), {} retained at the end, {} dropped as expired",
            self.events,
            self.clients,
            self.connections,
            self.takeovers,
            self.crashes,
            self.messages,
            self.deliveries,
            self.due,
            self.wills,
            self.wills_judged[0],
            self.wills_judged[1],
            self.retained,
            self.expired,
        )
    }
}
