use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use core::num::NonZeroU64;

use super::group::{mix, tree_bytes};
use super::levels::hash;
use super::{SharedGroup, Subscriber, SubscriberId};
use crate::slab::Slab;
use crate::topic::TopicFilter;

const SLOT_BITS: u32 = 29;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

/// Which group of an index. The group is there as long as it has members; afterwards the id finds nothing, also when
/// others subscribe under the same share name to the same filter: each group has an id that none had before it (until
/// there have been 34 billion).
///
/// It means nothing to another index, nor to the next run of a program: what is stored had better have share name and
/// filter.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct GroupId(NonZeroU64);

impl GroupId {
    fn new(serial: u64, slot: u32) -> Option<Self> {
        NonZeroU64::new(serial << SLOT_BITS | u64::from(slot)).map(Self)
    }

    /// Where it is while it is there; less than 2^29.
    pub(super) fn slot(self) -> u32 {
        (self.0.get() & SLOT_MASK) as u32
    }
}

struct Entry {
    id: GroupId,
    group: SharedGroup,
}

/// The groups of an index.
pub(super) struct Groups {
    entries: Slab<Box<Entry>>,
    /// Slots by the hash of the filter; equal hashes say nothing, the text decides.
    by_filter: BTreeSet<(u32, u32)>,
    /// The slots of each subscriber's groups.
    by_member: Option<BTreeSet<(SubscriberId, u32)>>,
    seed: u64,
    serial: u64,
    members: usize,
    /// What the groups hold.
    bytes: usize,
}

impl Groups {
    /// With or without a list of groups for each subscriber.
    pub(super) const fn new(seed: u64, subscriber_lists: bool) -> Self {
        Self {
            entries: Slab::new(),
            by_filter: BTreeSet::new(),
            by_member: if subscriber_lists {
                Some(BTreeSet::new())
            } else {
                None
            },
            seed,
            serial: 0,
            members: 0,
            bytes: 0,
        }
    }

    /// `None` if the filter is no Shared Subscription, or there are 2^29 groups.
    pub(super) fn get_or_create(&mut self, filter: &TopicFilter<'_>) -> Option<GroupId> {
        if let Some(id) = self.find(filter) {
            return Some(id);
        }
        let hash = self.hash(filter);
        self.serial = self.serial % (u64::MAX >> SLOT_BITS) + 1;
        let seed = mix(self.seed ^ u64::from(hash));
        let group = SharedGroup::new(filter, seed)?;
        let bytes = group.heap_bytes();
        // The slot is known when it is filled.
        let entry = Entry {
            id: GroupId::new(self.serial, 0)?,
            group,
        };
        let slot = self.entries.insert(Box::new(entry));
        let id = GroupId::new(self.serial, slot).filter(|_| u64::from(slot) <= SLOT_MASK);
        let (Some(id), Some(entry)) = (id, self.entries.get_mut(slot)) else {
            self.entries.remove(slot);
            return None;
        };
        entry.id = id;
        self.by_filter.insert((hash, slot));
        self.bytes += bytes;
        Some(id)
    }

    /// Drops a group that has no members; `false` if it has, or there is none.
    pub(super) fn remove_if_empty(&mut self, id: GroupId) -> bool {
        let Some(group) = self.group(id).filter(|group| group.is_empty()) else {
            return false;
        };
        let (hash, bytes) = (self.hash(group.filter()), group.heap_bytes());
        self.by_filter.remove(&(hash, id.slot()));
        self.entries.remove(id.slot());
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }

    /// Puts a member in, or replaces it and gives the old one.
    pub(super) fn add(&mut self, id: GroupId, member: Subscriber) -> Option<Subscriber> {
        let group = self.group_mut(id)?;
        let before = group.heap_bytes();
        let old = group.add(member);
        let after = group.heap_bytes();
        self.bytes = (self.bytes + after).saturating_sub(before);
        if old.is_none() {
            self.members += 1;
            if let Some(by_member) = &mut self.by_member {
                by_member.insert((member.id, id.slot()));
            }
        }
        old
    }

    /// Takes a member out; the group stays, even if it was the last one.
    pub(super) fn remove(&mut self, id: GroupId, member: SubscriberId) -> Option<Subscriber> {
        let group = self.group_mut(id)?;
        let before = group.heap_bytes();
        let old = group.remove(member)?;
        let after = group.heap_bytes();
        self.bytes = (self.bytes + after).saturating_sub(before);
        self.members = self.members.saturating_sub(1);
        if let Some(by_member) = &mut self.by_member {
            by_member.remove(&(member, id.slot()));
        }
        Some(old)
    }

    pub(super) fn find(&self, filter: &TopicFilter<'_>) -> Option<GroupId> {
        filter.share_name()?;
        let hash = self.hash(filter);
        let mut alike = self.by_filter.range((hash, 0)..=(hash, u32::MAX));
        alike.find_map(|&(_, slot)| {
            let entry = self.entries.get(slot)?;
            (entry.group.filter().as_str() == filter.as_str()).then_some(entry.id)
        })
    }

    pub(super) fn group(&self, id: GroupId) -> Option<&SharedGroup> {
        let entry = self.entries.get(id.slot())?;
        (entry.id == id).then_some(&entry.group)
    }

    /// To pick a member, that is: `add` and `remove` of a group by itself would not be counted.
    pub(super) fn group_mut(&mut self, id: GroupId) -> Option<&mut SharedGroup> {
        let entry = self.entries.get_mut(id.slot())?;
        (entry.id == id).then_some(&mut entry.group)
    }

    pub(super) fn id_of(&self, slot: u32) -> Option<GroupId> {
        self.entries.get(slot).map(|entry| entry.id)
    }

    /// The slot of a group that is there.
    pub(super) fn slot(&self, id: GroupId) -> Option<u32> {
        self.group(id).map(|_| id.slot())
    }

    /// The groups in which a subscriber is; without lists all groups are looked at.
    pub(super) fn of(&self, member: SubscriberId) -> impl Iterator<Item = (GroupId, &SharedGroup)> {
        let listed = self.by_member.as_ref().map(|by_member| {
            let slots = by_member.range((member, 0)..=(member, u32::MAX));
            slots.filter_map(|&(_, slot)| self.entries.get(slot))
        });
        let all = self.by_member.is_none().then(|| {
            let entries = self.entries.iter();
            entries.filter(move |entry| entry.group.get(member).is_some())
        });
        let entries = listed
            .into_iter()
            .flatten()
            .chain(all.into_iter().flatten());
        entries.map(|entry| (entry.id, &entry.group))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (GroupId, &SharedGroup)> {
        self.entries.iter().map(|entry| (entry.id, &entry.group))
    }

    /// Members of all groups.
    pub(super) const fn members(&self) -> usize {
        self.members
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.by_filter.len()
    }

    /// Nearly.
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.heap_bytes()
            + self.len() * size_of::<Entry>()
            + self.bytes
            + tree_bytes::<(u32, u32)>(self.len())
            + self.by_member.as_ref().map_or(0, |by_member| {
                tree_bytes::<(SubscriberId, u32)>(by_member.len())
            })
    }

    fn hash(&self, filter: &TopicFilter<'_>) -> u32 {
        hash(self.seed, filter.as_str().as_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation)] // small numbers
mod simulation;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::SubscriptionOptions;
    use crate::types::{QoS, Version};
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::new(Version::V5, text).unwrap()
    }

    fn member(number: u32, qos: QoS) -> Subscriber {
        Subscriber::new(SubscriberId::new(number), SubscriptionOptions::new(qos))
    }

    #[test]
    fn an_id_is_that_of_one_group() {
        let mut groups = Groups::new(1, true);
        assert_eq!(groups.get_or_create(&filter("a/b")), None);
        let first = groups.get_or_create(&filter("$share/g/a")).unwrap();
        assert_eq!(groups.get_or_create(&filter("$share/g/a")), Some(first));
        let others = ["$share/h/a", "$share/g/b", "$share/g/+"].map(filter);
        let others = others.map(|filter| groups.get_or_create(&filter).unwrap());
        assert_eq!(groups.len(), 4);
        assert_eq!(groups.group(first).unwrap().share_name(), "g");
        assert_eq!(groups.group(first).unwrap().filter().filter(), "a");
        assert_eq!(groups.id_of(first.slot()), Some(first));

        assert_eq!(groups.add(first, member(1, QoS::AtMostOnce)), None);
        assert!(!groups.remove_if_empty(first));
        assert_eq!(groups.len(), 4);
        assert!(groups.remove(first, SubscriberId::new(1)).is_some());
        assert!(groups.remove_if_empty(first));
        assert_eq!(
            (groups.slot(first), groups.id_of(first.slot())),
            (None, None)
        );

        // In its slot is another one now.
        let again = groups.get_or_create(&filter("$share/g/a")).unwrap();
        assert_eq!(again.slot(), first.slot());
        assert_eq!(
            (groups.slot(again), groups.slot(first)),
            (Some(again.slot()), None)
        );
        assert!(groups.group(first).is_none() && groups.group_mut(first).is_none());
        assert_eq!(groups.add(first, member(1, QoS::AtMostOnce)), None);
        assert_eq!(groups.members(), 0);
        for id in others.into_iter().chain([again]) {
            assert!(groups.remove_if_empty(id));
        }
        assert_eq!((groups.len(), groups.heap_bytes()), (0, 0));
    }

    #[test]
    fn as_a_map_of_maps() {
        for lists in [true, false] {
            let mut groups = Groups::new(7, lists);
            let mut model = BTreeMap::<String, BTreeMap<u32, QoS>>::new();
            let mut random = 1u64;
            for round in 0..20_000u64 {
                random = mix(random.wrapping_add(round));
                let text = format!("$share/g{}/a/{}", random % 7, (random >> 8) % 7);
                let number = ((random >> 16) % 40) as u32;
                // Most that come stay for a while, then most go.
                let comes = (random >> 32) % 5 < if (round / 2000) % 2 == 0 { 4 } else { 1 };
                if comes {
                    let qos = QoS::from_u8(((random >> 40) % 3) as u8).unwrap();
                    let id = groups.get_or_create(&filter(&text)).unwrap();
                    let old = groups.add(id, member(number, qos));
                    let of_model = model.entry(text).or_default().insert(number, qos);
                    assert_eq!(old.map(|old| old.options.qos), of_model);
                } else {
                    let id = groups.find(&filter(&text));
                    assert_eq!(id.is_some(), model.contains_key(&text));
                    let Some(id) = id else { continue };
                    let old = groups.remove(id, SubscriberId::new(number));
                    let members = model.get_mut(&text).unwrap();
                    assert_eq!(old.map(|old| old.options.qos), members.remove(&number));
                    assert_eq!(groups.remove_if_empty(id), members.is_empty());
                    if members.is_empty() {
                        model.remove(&text);
                    }
                }
                assert_eq!(groups.members(), model.values().map(BTreeMap::len).sum());
                assert_eq!(groups.len(), model.len());
                if round % 100 == 0 {
                    check(&groups, &model);
                }
            }
        }
    }

    fn check(groups: &Groups, model: &BTreeMap<String, BTreeMap<u32, QoS>>) {
        let mut bytes = 0;
        for (id, group) in groups.iter() {
            bytes += group.heap_bytes();
            assert_eq!(groups.find(group.filter()), Some(id));
            let mut members: Vec<_> = group
                .iter()
                .map(|one| (one.id.get(), one.options.qos))
                .collect();
            members.sort_unstable();
            let of_model = &model[group.filter().as_str()];
            assert!(
                members
                    .into_iter()
                    .eq(of_model.iter().map(|(&number, &qos)| (number, qos)))
            );
        }
        assert_eq!(groups.bytes, bytes);
        for number in 0..40 {
            let of = groups.of(SubscriberId::new(number));
            let mut of: Vec<_> = of.map(|(_, group)| group.filter().as_str()).collect();
            of.sort_unstable();
            let of_model = model
                .iter()
                .filter(|(_, members)| members.contains_key(&number));
            assert!(of.into_iter().eq(of_model.map(|(text, _)| text.as_str())));
        }
    }
}
