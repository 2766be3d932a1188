use super::tree::{self, NUMBER};
use crate::packet::SubscriptionOptions;
use crate::types::Version;

/// A subscriber, in most cases a session of a client, by a number of the caller's. Numbers below 536,870,912 take the
/// least memory, in whatever order they come.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct SubscriberId(u32);

impl SubscriberId {
    /// Any number will do.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Who subscribed, and how the subscription is to be served.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Subscriber {
    /// The subscriber.
    pub id: SubscriberId,
    /// Maximum QoS, No Local, Retain As Published and Retain Handling of this subscription.
    pub options: SubscriptionOptions,
    /// 5.0: the Subscription Identifier, 1 to 268,435,455.
    pub identifier: Option<u32>,
}

impl Subscriber {
    /// Without a Subscription Identifier.
    #[must_use]
    pub const fn new(id: SubscriberId, options: SubscriptionOptions) -> Self {
        Self {
            id,
            options,
            identifier: None,
        }
    }

    /// The same with a Subscription Identifier, 1 to 268,435,455.
    #[must_use]
    pub const fn with_identifier(mut self, identifier: u32) -> Self {
        self.identifier = Some(identifier);
        self
    }

    /// As an entry of a list.
    pub(super) fn entry(self) -> [u32; 3] {
        let options = self.options.to_byte().into();
        [self.id.0, options, self.identifier.unwrap_or(0)]
    }

    pub(super) fn from_entry([number, options, identifier]: [u32; 3]) -> Self {
        let options = u8::try_from(options).unwrap_or_default();
        Self {
            id: SubscriberId(number),
            options: SubscriptionOptions::from_byte(Version::V5, options).unwrap_or_default(),
            identifier: (identifier != 0).then_some(identifier),
        }
    }

    /// As a reference, if there is nothing to it but a QoS and a number that is not too large.
    pub(super) fn value(self) -> Option<u32> {
        let [number, options, identifier] = self.entry();
        let fits = number <= NUMBER && options <= 2 && identifier == 0;
        fits.then_some(tree::value(options << 29 | number))
    }

    pub(super) fn from_value(value: u32) -> Self {
        Self::from_entry(entry_of_value(value))
    }
}

pub(super) const fn entry_of_value(value: u32) -> [u32; 3] {
    [value & NUMBER, value >> 29 & 3, 0]
}

/// Some subscribers of one filter: at least one, and at most 128 at a time.
#[derive(Copy, Clone, Debug)]
pub struct Subscribers<'a> {
    columns: [&'a [u32]; 3],
}

impl<'a> Subscribers<'a> {
    pub(super) const fn new(columns: [&'a [u32]; 3]) -> Self {
        Self { columns }
    }

    /// Their numbers ([`SubscriberId::get`]), ascending.
    #[must_use]
    pub fn ids(&self) -> &'a [u32] {
        let [ids, ..] = self.columns;
        ids
    }

    /// Each with its options and its identifier.
    pub fn iter(&self) -> impl Iterator<Item = Subscriber> + use<'a> {
        let [ids, options, identifiers] = self.columns;
        let entries = ids.iter().zip(options).zip(identifiers);
        entries
            .map(|((&id, &options), &identifier)| Subscriber::from_entry([id, options, identifier]))
    }
}
