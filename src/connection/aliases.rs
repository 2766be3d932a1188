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
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

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

/// What we set: those that the application chose, and beside them automatic ones, of which the least
/// recently used is given to a new topic.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct OutboundAliases {
    automatic: Vec<Automatic>,
    clock: u64,
    /// The same pairs twice, to be found by either.
    explicit: BTreeMap<Bytes, Explicit>,
    explicit_topics: BTreeMap<u16, Bytes>,
}

#[cfg_attr(test, derive(Clone, Hash))]
struct Automatic {
    topic: Bytes,
    alias: u16,
    used: u64,
}

#[cfg_attr(test, derive(Clone, Hash))]
struct Explicit {
    alias: u16,
    /// A packet with topic and alias has gone out.
    sent: bool,
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
    pub(crate) fn is_empty(&self) -> bool {
        self.automatic.is_empty() && self.explicit.is_empty()
    }

    pub(crate) fn has_explicit(&self) -> bool {
        !self.explicit.is_empty()
    }

    /// The application binds the alias to the topic; whatever either was bound to is free.
    pub(crate) fn bind(&mut self, topic: &str, alias: u16) {
        let known = self.explicit.get(topic.as_bytes());
        if known.is_some_and(|known| known.alias == alias) {
            return;
        }
        self.automatic
            .retain(|entry| entry.alias != alias && entry.topic != topic);
        let topic = Bytes::copy_from_slice(topic.as_bytes());
        if let Some(earlier) = self.explicit_topics.insert(alias, topic.clone()) {
            self.explicit.remove(&earlier);
        }
        let binding = Explicit { alias, sent: false };
        if let Some(earlier) = self.explicit.insert(topic, binding) {
            self.explicit_topics.remove(&earlier.alias);
        }
    }

    /// Chooses without setting: a packet that is not sent in the end sets nothing. At most `automatic`
    /// aliases are ours to choose; none is above the peer's `maximum`.
    pub(crate) fn choose(&self, topic: &str, automatic: u16, maximum: u16) -> Option<Chosen> {
        if let Some(&Explicit { alias, sent }) = self.explicit.get(topic.as_bytes()) {
            return Some(match sent {
                true => Chosen::Known(alias),
                false => Chosen::Set(alias),
            });
        }
        if automatic == 0 {
            return None;
        }
        let mut oldest: Option<&Automatic> = None;
        for entry in &self.automatic {
            if entry.topic == topic {
                return Some(Chosen::Known(entry.alias));
            }
            if oldest.is_none_or(|oldest| entry.used < oldest.used) {
                oldest = Some(entry);
            }
        }
        let free = if self.automatic.len() < usize::from(automatic) {
            (1..=maximum).find(|alias| self.is_free(*alias))
        } else {
            None
        };
        free.or(oldest.map(|oldest| oldest.alias)).map(Chosen::Set)
    }

    fn is_free(&self, alias: u16) -> bool {
        !self.explicit_topics.contains_key(&alias)
            && self.automatic.iter().all(|entry| entry.alias != alias)
    }

    /// The packet went out.
    pub(crate) fn sent(&mut self, topic: &str, chosen: Chosen) {
        if let Some(explicit) = self.explicit.get_mut(topic.as_bytes()) {
            explicit.sent = true;
            return;
        }
        self.clock += 1;
        let used = self.clock;
        let (Chosen::Known(alias) | Chosen::Set(alias)) = chosen;
        let mut entries = self.automatic.iter_mut();
        match (entries.find(|entry| entry.alias == alias), chosen) {
            (Some(entry), Chosen::Known(_)) => entry.used = used,
            (Some(entry), Chosen::Set(_)) => {
                entry.topic = Bytes::copy_from_slice(topic.as_bytes());
                entry.used = used;
            }
            (None, _) => {
                let topic = Bytes::copy_from_slice(topic.as_bytes());
                self.automatic.push(Automatic { topic, alias, used });
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
            let chosen = aliases.choose(topic, 2, 9).unwrap();
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
        assert_eq!(aliases.choose("c", 0, 9), None);
    }

    #[test]
    fn a_choice_that_is_not_sent_sets_nothing() {
        let aliases = OutboundAliases::default();
        assert_eq!(aliases.choose("a", 1, 1), Some(Chosen::Set(1)));
        assert_eq!(aliases.choose("a", 1, 1), Some(Chosen::Set(1)));
    }

    #[test]
    fn an_explicit_alias_is_never_taken_and_takes_what_it_needs() {
        let mut aliases = OutboundAliases::default();
        let send = |aliases: &mut OutboundAliases, topic: &str| {
            let chosen = aliases.choose(topic, 2, 3)?;
            aliases.sent(topic, chosen);
            Some(chosen)
        };
        let (known, set) = (Chosen::Known, Chosen::Set);
        aliases.bind("x", 1);
        for (topic, chosen) in [
            ("x", set(1)),
            ("a", set(2)),
            ("b", set(3)),
            ("c", set(2)),
            ("x", known(1)),
            ("b", known(3)),
        ] {
            assert_eq!(send(&mut aliases, topic), Some(chosen), "{topic}");
        }
        // Out of the hands of an automatic one; and a topic that had one gets the new.
        aliases.bind("y", 3);
        aliases.bind("c", 1);
        aliases.bind("c", 1);
        for (topic, chosen) in [
            ("y", set(3)),
            ("c", set(1)),
            ("c", known(1)),
            ("b", set(2)),
            ("x", set(2)),
            ("y", known(3)),
        ] {
            assert_eq!(send(&mut aliases, topic), Some(chosen), "{topic}");
        }
        // All are explicit.
        aliases.bind("x", 2);
        assert_eq!(send(&mut aliases, "b"), None);
        // One moves, and leaves its alias free.
        aliases.bind("y", 1);
        assert_eq!(send(&mut aliases, "y"), Some(set(1)));
        assert_eq!(send(&mut aliases, "c"), Some(set(3)));
        assert_eq!(aliases.explicit.len(), aliases.explicit_topics.len());
    }
}
