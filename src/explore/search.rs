//! Breadth first through every state that a [`World`] can reach. A counterexample is therefore a shortest one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::string::String;
use std::vec::Vec;

use super::world::{Action, Setup, World};

/// What the search has seen.
#[derive(Debug)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// Steps from the start to the state that is farthest.
    pub(super) depth: usize,
    /// States in which nothing is left to be done.
    pub(super) at_rest: usize,
}

/// What went wrong and the steps that lead there.
#[derive(Debug)]
pub(super) struct Counterexample {
    pub(super) fault: String,
    pub(super) steps: Vec<Action>,
}

/// How a state was reached, and where its way to rest goes on.
struct Node {
    parent: u32,
    /// Which of the actions of the parent.
    choice: u8,
    onward: u32,
}

/// No way onward: the state is at rest.
const REST: u32 = u32::MAX;

/// Follows every action from every state and holds each state to the rules.
///
/// That every state has a way forward, and that all is settled at its end, takes no search of its own: the first action
/// of a state that changes anything is its step towards rest, and where it leads is a state of the search. So it is
/// enough to look at the states at rest, and that from no state these steps run in a circle.
pub(super) fn explore(setup: &Setup) -> Result<Explored, Counterexample> {
    let start = World::new(setup);
    let mut seen: HashMap<u128, u32, BuildHasherDefault<Given>> = HashMap::default();
    seen.insert(fingerprint(&start), 0);
    let mut nodes = Vec::from([Node {
        parent: 0,
        choice: 0,
        onward: REST,
    }]);
    let mut layer = Vec::from([start]);
    let mut first = 0;
    let mut explored = Explored {
        states: 0,
        transitions: 0,
        depth: 0,
        at_rest: 0,
    };
    loop {
        let mut next = Vec::new();
        for (offset, world) in layer.drain(..).enumerate() {
            let at = index(first + offset);
            let actions = world.actions(setup);
            let print = fingerprint(&world);
            let mut onward = None;
            for (choice, action) in actions.iter().enumerate() {
                let mut changed = world.clone();
                let fail = |fault| {
                    let mut steps = steps(setup, &nodes, at);
                    steps.push(*action);
                    Err(Counterexample { fault, steps })
                };
                if let Err(fault) = changed.act(setup, *action) {
                    return fail(fault);
                }
                let reached = fingerprint(&changed);
                if reached == print {
                    continue;
                }
                explored.transitions += 1;
                let to = match seen.entry(reached) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(place) => {
                        if let Err(fault) = changed.check(setup) {
                            return fail(fault);
                        }
                        let to = index(nodes.len());
                        place.insert(to);
                        nodes.push(Node {
                            parent: at,
                            choice: u8::try_from(choice).unwrap(),
                            onward: REST,
                        });
                        next.push(changed);
                        to
                    }
                };
                if action.is_towards_rest() {
                    onward.get_or_insert(to);
                }
            }
            match onward {
                Some(to) => nodes[at as usize].onward = to,
                None => {
                    explored.at_rest += 1;
                    if let Err(fault) = world.check_at_rest(setup) {
                        let steps = steps(setup, &nodes, at);
                        return Err(Counterexample { fault, steps });
                    }
                }
            }
        }
        if next.is_empty() {
            break;
        }
        explored.depth += 1;
        first = nodes.len() - next.len();
        layer = next;
    }
    explored.states = nodes.len();
    match circle(&nodes) {
        None => Ok(explored),
        Some(at) => Err(Counterexample {
            fault: "a state that never comes to rest".into(),
            steps: steps(setup, &nodes, at),
        }),
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).ok().filter(|&at| at != REST).unwrap()
}

/// A state from which the steps towards rest run in a circle.
fn circle(nodes: &[Node]) -> Option<u32> {
    // The walk that came by first; one that meets itself is in a circle, one that meets an earlier walk ends as that.
    let mut walks = std::vec![0u32; nodes.len()];
    for start in 0..index(nodes.len()) {
        let (walk, mut at) = (start + 1, start);
        while at != REST && walks[at as usize] == 0 {
            walks[at as usize] = walk;
            at = nodes[at as usize].onward;
        }
        if at != REST && walks[at as usize] == walk {
            return Some(at);
        }
    }
    None
}

/// The actions that lead to a state.
fn steps(setup: &Setup, nodes: &[Node], mut at: u32) -> Vec<Action> {
    let mut choices = Vec::new();
    while at != 0 {
        choices.push(nodes[at as usize].choice);
        at = nodes[at as usize].parent;
    }
    let mut world = World::new(setup);
    let mut steps = Vec::new();
    for choice in choices.into_iter().rev() {
        let action = world.actions(setup)[usize::from(choice)];
        world.act(setup, action).unwrap();
        steps.push(action);
    }
    steps
}

fn fingerprint(world: &World) -> u128 {
    let mut hasher = Wide(0x6a09_e667_f3bc_c908_bb67_ae85_84ca_a73b);
    world.hash(&mut hasher);
    hasher.0
}

/// 128 bits, so that among 2^27 states two share a fingerprint with a chance of about 2^-75. Each step is a bijection of
/// what was before.
struct Wide(u128);

impl Wide {
    fn word(&mut self, word: u64) {
        self.0 =
            (self.0 ^ u128::from(word)).wrapping_mul(0x2d35_8dcc_aa6c_78a5_8bb8_4b93_962e_acc9);
        self.0 ^= self.0 >> 67;
    }
}

impl Hasher for Wide {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.word(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.word(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.word(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.word(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.word(n as u64);
    }

    fn finish(&self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// For what is a hash already.
#[derive(Default)]
struct Given(u64);

impl Hasher for Given {
    fn write(&mut self, _: &[u8]) {}

    fn write_u128(&mut self, n: u128) {
        self.0 = (n >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
