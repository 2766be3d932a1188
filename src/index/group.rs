use alloc::collections::BTreeMap;
use core::ops::Bound;

use super::levels::hash;
use super::members::{Members, NONE};
use super::{Subscriber, SubscriberId};
use crate::topic::{TopicFilter, TopicName};

/// Up to so many slots a member is found by looking at each, and a table of them would take more than they do.
const FEW: u32 = 16;

/// How a [`SharedGroup`] chooses the member that gets a message. Each message goes to one member, and which one is up to
/// the server (5.0 §4.8.2).
#[non_exhaustive]
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Pick<'a> {
    /// One after the other in the order of their numbers, round and round. Who cannot take a message is passed over until
    /// its next turn; the one behind it has had its own turn then, and so no more messages than the others.
    ///
    /// Where it depends on the message who can take it, members that are passed over often get less than their share:
    /// [`LeastRecentlyUsed`](Self::LeastRecentlyUsed) keeps their place for them.
    RoundRobin,
    /// The one that got no message for the longest time, in whichever way those were picked; a member that is new has its
    /// turn behind the others. Who cannot take a message keeps its place: it gets the first one that it can take, and is
    /// asked each time until then.
    LeastRecentlyUsed,
    /// Messages of one topic to one member, as long as it can take them; else to a second one, the same each time.
    ///
    /// Each member has about as many topics as any other. One that comes gets its share from all of them; one that goes
    /// leaves its topics to all others; no other topic moves. Only where members go until most of their slots are free
    /// each also moves up to three members' shares, to give back memory.
    StickyByTopic(&'a TopicName<'a>),
    /// The same for messages of one publisher.
    StickyByPublisher(SubscriberId),
    /// Any, each with the same chance; in an order that the seed decides.
    Random,
}

/// The members of a Shared Subscription: of all who subscribed with one share name to one filter (5.0 §4.8.2).
///
/// ```
/// use sansio_mqtt::*;
///
/// let filter = TopicFilter::new(Version::V5, "$share/workers/jobs/#")?;
/// let mut group = SharedGroup::new(&filter, 0x5EED).unwrap();
/// let at_least_once = SubscriptionOptions::new(QoS::AtLeastOnce);
/// for number in [1, 2, 3] {
///     group.add(Subscriber::new(SubscriberId::new(number), at_least_once));
/// }
///
/// // Who is connected, has quota left, and takes packets of this size?
/// let can_take = |member: &Subscriber| member.id.get() != 2;
/// let mut turn = || group.pick(Pick::RoundRobin, usize::MAX, can_take).map(|member| member.id.get());
/// assert_eq!([turn(), turn(), turn()], [Some(1), Some(3), Some(1)]);
///
/// // The same member for the same topic.
/// let topic = TopicName::new("jobs/7")?;
/// let first = group.pick(Pick::StickyByTopic(&topic), usize::MAX, |_| true);
/// assert_eq!(group.pick(Pick::StickyByTopic(&topic), usize::MAX, |_| true), first);
///
/// // No one can take it: keep it for later, or drop it.
/// assert_eq!(group.pick(Pick::Random, usize::MAX, |_| false), None);
/// # Ok::<(), TopicError>(())
/// ```
///
/// # Delivery
///
/// The message goes to the member that was picked, with the lower of its own QoS and that of the subscription
/// [MQTT-4.8.2-3], and RETAIN as its options say. A client that has other subscriptions to the topic gets those
/// deliveries besides. What follows depends on the QoS with which it was sent:
///
/// - The connection ends, the session does not: QoS 2 has to wait for the member [MQTT-4.8.2-4]; QoS 1 may.
/// - The session ends: QoS 1 that was not acknowledged should go to another member, QoS 2 must not [MQTT-4.8.2-5]. What
///   was not sent yet can go to anyone.
/// - The member refuses it, with a reason code of 0x80 or more in PUBACK or PUBREC: it is discarded, and goes to no one
///   else [MQTT-4.8.2-6].
///
/// So a server keeps the [`GroupId`](crate::GroupId) with the message. When a session ends it first takes the member out,
/// and then picks again for each of these messages: the group knows no messages, and whoever is left is asked as for a
/// new one. A `GroupId` whose group is gone by then finds nothing, and nobody is there to get the message.
///
/// A new member gets no retained messages (5.0 §3.8.4).
///
/// # Cost
///
/// With n members: [`add`](Self::add), [`remove`](Self::remove), [`get`](Self::get) and [`pick`](Self::pick), as long as
/// the first one that is asked can take it, O(log n); `LeastRecentlyUsed` O(1). Each further one asked costs as much
/// again. `pick` allocates nothing. A member takes 24 bytes, and some 17 more to be found by its number in a group of more
/// than 16; members that are gone leave behind at most twice the slots that are needed, and a group without members
/// holds no more than its filter.
#[derive(Clone)]
pub struct SharedGroup {
    filter: TopicFilter<'static>,
    seed: u64,
    members: Members,
    /// Slots by number, if there are more than a few.
    by_number: BTreeMap<u32, u32>,
    /// The number of who was asked last in a round.
    turn: u32,
    random: u64,
}

impl SharedGroup {
    /// A group without members; `None` if the filter is no Shared Subscription.
    ///
    /// The seed decides which member gets which topic, so who publishes cannot choose a member without knowing it; and
    /// what [`Pick::Random`] gives.
    #[must_use]
    pub fn new(filter: &TopicFilter<'_>, seed: u64) -> Option<Self> {
        filter.share_name()?;
        Some(Self {
            filter: filter.clone().into_owned(),
            seed,
            members: Members::new(),
            by_number: BTreeMap::new(),
            turn: u32::MAX,
            random: mix(seed),
        })
    }

    /// Puts a member in. If it is one already its options and identifier are replaced in place, and given back: it
    /// counts once (5.0 §4.8.2), and nothing moves.
    ///
    /// No Local is not for shared subscriptions [MQTT-3.8.3-4] and has no effect here.
    pub fn add(&mut self, member: Subscriber) -> Option<Subscriber> {
        if let Some(at) = self.find(member.id) {
            return self.members.replace(at, member);
        }
        let at = self.members.insert(member);
        if !self.by_number.is_empty() {
            self.by_number.insert(member.id.get(), at);
        } else if self.members.slots() > FEW {
            let members = self.members.iter();
            self.by_number = members.map(|(at, member)| (member.id.get(), at)).collect();
        }
        None
    }

    /// Takes a member out; `None` if it is none.
    pub fn remove(&mut self, id: SubscriberId) -> Option<Subscriber> {
        let at = self.find(id)?;
        let member = self.members.remove(at);
        self.by_number.remove(&id.get());
        // Twice: each removal makes two slots too many.
        for _ in 0..2 {
            let moved = if self.members.is_sparse() {
                self.members.shorten()
            } else {
                None
            };
            if let Some((moved, at)) = moved {
                if let Some(entry) = self.by_number.get_mut(&moved.id.get()) {
                    *entry = at;
                }
            }
        }
        if self.members.slots() <= FEW {
            self.by_number = BTreeMap::new();
        }
        member
    }

    /// Chooses the member that gets a message, among those of whom the predicate says that they can take it now: whose
    /// connection is there, whose Receive Maximum is not used up, whose Maximum Packet Size is not less than the packet
    /// (5.0 §3.1.2.11.4).
    ///
    /// It asks one member after the other, none twice, until one can take it or `limit` have been asked; `None`: none of
    /// these can. With a limit [`Pick::RoundRobin`] and [`Pick::Random`] ask others the next time, the rest of them
    /// the same ones.
    pub fn pick(
        &mut self,
        how: Pick<'_>,
        limit: usize,
        mut can_take: impl FnMut(&Subscriber) -> bool,
    ) -> Option<Subscriber> {
        let limit = limit.min(self.len());
        let at = match how {
            Pick::RoundRobin => self.in_turn(limit, can_take),
            Pick::LeastRecentlyUsed => {
                let mut asked = self.members.by_use().take(limit);
                asked.find(|(_, member)| can_take(member)).map(|(at, _)| at)
            }
            Pick::StickyByTopic(topic) => {
                let hash = hash(self.seed, topic.as_str().as_bytes());
                self.by_key(mix(self.seed ^ u64::from(hash)), limit, can_take)
            }
            Pick::StickyByPublisher(id) => {
                let key = mix(self.seed).wrapping_add(id.get().into());
                self.by_key(mix(key), limit, can_take)
            }
            Pick::Random => {
                self.random = self.random.wrapping_add(GOLDEN);
                self.by_key(mix(self.random), limit, can_take)
            }
        }?;
        self.members.touch(at);
        self.members.get(at).copied()
    }

    /// A member's options and identifier.
    #[must_use]
    pub fn get(&self, id: SubscriberId) -> Option<Subscriber> {
        self.members.get(self.find(id)?).copied()
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len() as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The members, in no order to rely on.
    pub fn iter(&self) -> impl Iterator<Item = Subscriber> {
        self.members.iter().map(|(_, member)| *member)
    }

    /// The whole filter: `$share/{ShareName}/{filter}`.
    #[must_use]
    pub const fn filter(&self) -> &TopicFilter<'static> {
        &self.filter
    }

    /// The name that the members share.
    #[must_use]
    pub fn share_name(&self) -> &str {
        self.filter.share_name().unwrap_or_default()
    }

    /// Bytes of the heap that the group holds, without what the allocator adds; nearly.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.filter.as_str().len()
            + self.members.heap_bytes()
            + tree_bytes::<(u32, u32)>(self.by_number.len())
    }

    fn find(&self, id: SubscriberId) -> Option<u32> {
        if self.by_number.is_empty() {
            let mut members = self.members.iter();
            return members
                .find(|(_, member)| member.id == id)
                .map(|(at, _)| at);
        }
        self.by_number.get(&id.get()).copied()
    }

    /// The member with the next number, and behind the highest one that with the lowest.
    fn behind(&self, number: u32) -> Option<u32> {
        if self.by_number.is_empty() {
            let distance =
                |member: &Subscriber| member.id.get().wrapping_sub(number.wrapping_add(1));
            let members = self.members.iter();
            return members
                .min_by_key(|(_, member)| distance(member))
                .map(|(at, _)| at);
        }
        let behind = (Bound::Excluded(number), Bound::Unbounded);
        let next = self.by_number.range(behind).next();
        let next = next.or_else(|| self.by_number.first_key_value());
        next.map(|(_, &at)| at)
    }

    fn in_turn(
        &mut self,
        limit: usize,
        mut can_take: impl FnMut(&Subscriber) -> bool,
    ) -> Option<u32> {
        for _ in 0..limit {
            let at = self.behind(self.turn)?;
            let member = self.members.get(at)?;
            self.turn = member.id.get();
            if can_take(member) {
                return Some(at);
            }
        }
        None
    }

    /// The first that can take it in an order of all members that belongs to the key.
    ///
    /// A key draws slots, again and again: who is in the first one that is not free, has it. So a slot that becomes free
    /// leaves its keys to whatever each draws next, and one that is filled gets only keys that drew it before theirs.
    fn by_key(
        &self,
        key: u64,
        limit: usize,
        mut can_take: impl FnMut(&Subscriber) -> bool,
    ) -> Option<u32> {
        /// Most slots are in use, so nearly all members can be drawn so of a small group, and enough of a large one.
        const DRAWS: usize = 32;
        let mut asked = [NONE; DRAWS];
        let mut count = 0;
        let mut draw = key;
        for _ in 0..DRAWS {
            if count == limit {
                return None;
            }
            let at = jump(draw, self.members.slots());
            draw = mix(draw.wrapping_add(GOLDEN));
            let Some(member) = self.members.get(at) else {
                continue;
            };
            if asked.iter().take(count).any(|&before| before == at) {
                continue;
            }
            if can_take(member) {
                return Some(at);
            }
            if let Some(place) = asked.get_mut(count) {
                *place = at;
            }
            count += 1;
        }
        for at in Shuffled::new(draw, self.members.slots()) {
            if count == limit {
                return None;
            }
            let member = self.members.get(at);
            let Some(member) = member.filter(|_| !asked.contains(&at)) else {
                continue;
            };
            if can_take(member) {
                return Some(at);
            }
            count += 1;
        }
        None
    }
}

impl core::fmt::Debug for SharedGroup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SharedGroup")
            .field("filter", &self.filter)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The fraction of the golden ratio: multiples of it are spread evenly.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Every bit of the result depends on every bit of the word (the finalizer of `SplitMix64`).
pub(crate) const fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ word >> 31
}

/// A number below `count` for a key; with one more, the keys that change all get the new number (Lamping and Veach, "A
/// Fast, Minimal Memory, Consistent Hash Algorithm", in whole numbers). Takes some ln(`count`) steps.
const fn jump(mut key: u64, count: u32) -> u32 {
    let (mut at, mut next) = (0, 0);
    while next < count as u64 {
        at = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((at + 1) << 31) / ((key >> 33) + 1);
    }
    (at & 0xFFFF_FFFF) as u32
}

/// The numbers below `count`, each once, in an order that belongs to the key: a permutation of the next power of two, of
/// steps that can each be undone (times an odd number, plus a number, a shifted exclusive or).
struct Shuffled {
    keys: [u64; 6],
    count: u32,
    mask: u64,
    shift: u32,
    next: u64,
}

impl Shuffled {
    fn new(mut key: u64, count: u32) -> Self {
        let keys = [(); 6].map(|()| {
            key = key.wrapping_add(GOLDEN);
            mix(key)
        });
        let bits = u32::BITS - count.saturating_sub(1).leading_zeros();
        Self {
            keys,
            count,
            mask: (1 << bits) - 1,
            shift: bits.div_ceil(2).max(1),
            next: 0,
        }
    }
}

impl Iterator for Shuffled {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.next <= self.mask {
            let mut number = self.next;
            self.next += 1;
            for key in self.keys {
                number = number.wrapping_mul(key | 1).wrapping_add(key >> 32) & self.mask;
                number ^= number >> self.shift;
            }
            if let Some(number) = u32::try_from(number).ok().filter(|&n| n < self.count) {
                return Some(number);
            }
        }
        None
    }
}

/// About what a B-tree of so many entries takes.
pub(super) const fn tree_bytes<T>(len: usize) -> usize {
    len * (2 * size_of::<T>() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_has_each_number_once() {
        for count in (0..300).chain([1 << 12, 5000]) {
            for key in 0..4 {
                let mut numbers: alloc::vec::Vec<_> = Shuffled::new(key, count).collect();
                numbers.sort_unstable();
                assert!(numbers.into_iter().eq(0..count), "{count}");
            }
        }
    }

    #[test]
    fn one_more_number_takes_its_share_and_moves_nothing_else() {
        for count in [1u32, 2, 3, 10, 1000] {
            let keys = (0..30_000).map(|key| mix(GOLDEN.wrapping_mul(key)));
            let mut moved = 0;
            for key in keys {
                let (before, after) = (jump(key, count), jump(key, count + 1));
                assert!(before < count && (after == before || after == count));
                moved += u32::from(after == count);
            }
            let share = 30_000 / (count + 1);
            assert!(moved.abs_diff(share) < share / 10 + 20, "{count} {moved}");
        }
    }
}
