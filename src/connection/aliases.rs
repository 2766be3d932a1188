//! Topic aliases of one connection, a table for each direction (5.0 §3.3.2.3.4). Both die with it
//! (MQTT-3.3.2-7).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

/// What the peer set. A tree: the peer chooses which of the aliases it was allowed it uses.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct InboundAliases {
    topics: BTreeMap<u16, Bytes>,
}

impl InboundAliases {
    pub(crate) fn set(&mut self, alias: u16, topic: &str) {
        // Peers name the pair again and again: a copy only where it is new.
        if self.topics.get(&alias).is_none_or(|known| known != topic) {
            self.topics
                .insert(alias, Bytes::copy_from_slice(topic.as_bytes()));
        }
    }

    pub(crate) fn get(&self, alias: u16) -> Option<Bytes> {
        self.topics.get(&alias).cloned()
    }
}

/// What we set: the least recently used alias is given to a new topic.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct OutboundAliases {
    /// Alias `n` is entry `n - 1`.
    entries: Vec<(Bytes, u64)>,
    clock: u64,
}

/// How a topic goes out.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Chosen {
    /// The peer knows the alias: the topic stays out.
    Known(u16),
    /// Topic and alias together, which sets the alias.
    Set(u16),
}

impl OutboundAliases {
    /// Chooses without setting: a packet that is not sent in the end sets nothing.
    pub(crate) fn choose(&self, topic: &str, maximum: u16) -> Option<Chosen> {
        if maximum == 0 {
            return None;
        }
        let mut oldest = (u64::MAX, 0u16);
        for ((known, used), alias) in self.entries.iter().zip(1u16..=maximum) {
            if known == topic {
                return Some(Chosen::Known(alias));
            }
            oldest = oldest.min((*used, alias));
        }
        match u16::try_from(self.entries.len() + 1) {
            Ok(alias) if alias <= maximum => Some(Chosen::Set(alias)),
            _ => Some(Chosen::Set(oldest.1)),
        }
    }

    /// The packet went out.
    pub(crate) fn sent(&mut self, topic: &str, chosen: Chosen) {
        self.clock += 1;
        let (Chosen::Known(alias) | Chosen::Set(alias)) = chosen;
        let index = usize::from(alias).saturating_sub(1);
        match (self.entries.get_mut(index), chosen) {
            (Some(entry), Chosen::Known(_)) => entry.1 = self.clock,
            (Some(entry), Chosen::Set(_)) => {
                *entry = (Bytes::copy_from_slice(topic.as_bytes()), self.clock);
            }
            (None, _) => {
                let topic = Bytes::copy_from_slice(topic.as_bytes());
                self.entries.push((topic, self.clock));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_alias_is_given_away() {
        let mut aliases = OutboundAliases::default();
        let mut send = |topic: &str| {
            let chosen = aliases.choose(topic, 2).unwrap();
            aliases.sent(topic, chosen);
            chosen
        };
        assert_eq!(send("a"), Chosen::Set(1));
        assert_eq!(send("b"), Chosen::Set(2));
        assert_eq!(send("a"), Chosen::Known(1));
        assert_eq!(send("c"), Chosen::Set(2));
        assert_eq!(send("a"), Chosen::Known(1));
        assert_eq!(send("b"), Chosen::Set(2));
        assert_eq!(send("c"), Chosen::Set(1));
        assert_eq!(aliases.choose("c", 0), None);
    }

    #[test]
    fn a_choice_that_is_not_sent_sets_nothing() {
        let aliases = OutboundAliases::default();
        assert_eq!(aliases.choose("a", 1), Some(Chosen::Set(1)));
        assert_eq!(aliases.choose("a", 1), Some(Chosen::Set(1)));
    }
}
