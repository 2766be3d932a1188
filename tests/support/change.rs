// Changes of bytes that were right.

use proptest::prelude::*;

/// One change of a byte string.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        at().prop_map(Change::Remove),
        at().prop_map(Change::Cut),
    ]
}

/// A change of length that the fixed header says too, as far as one byte can say it.
pub(crate) fn mend_length(bytes: &mut [u8]) {
    let rest = bytes.len().saturating_sub(2);
    if let (Some(length), Ok(rest @ 0..=127)) = (bytes.get_mut(1), u8::try_from(rest)) {
        *length = rest;
    }
}

pub(crate) fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match change {
        Change::Set(at, byte) => bytes[at.index(length)] = *byte,
        Change::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Change::Insert(at, byte) => bytes.insert(at.index(length), *byte),
        Change::Remove(at) => drop(bytes.remove(at.index(length))),
        Change::Cut(at) => bytes.truncate(at.index(length)),
    }
}
