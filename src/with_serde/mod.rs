//! Feature `serde`: values for storage, configuration and structured logs. They are no wire format: a packet's bytes are
//! what `encode` makes.
//!
//! Plain and owned values come back, and pass the same checks as values that are made by hand: `values`, `options`,
//! `kept`, `session`. Packets and errors, which borrow or are only ever made by a decoder, go out only: `packets`.
//!
//! All of it stands on the public interface of the crate, sessions on the checks of stored ones, so that nothing is made
//! here that could not be made by a caller.

mod kept;
mod options;
mod packets;
mod session;
mod values;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

/// Bytes as such and not as a sequence of numbers; a format without bytes makes numbers of them, which come back.
#[derive(Default)]
struct Octets<'a>(Cow<'a, [u8]>);

impl<'a> From<&'a [u8]> for Octets<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Octets<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.into())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vec<u8>, A::Error> {
                // The length that a hostile input claims costs nothing.
                let mut bytes = Vec::new();
                while let Some(byte) = numbers.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }

        let bytes = deserializer.deserialize_byte_buf(Bytes)?;
        Ok(Self(Cow::Owned(bytes)))
    }
}

/// A sequence with its length, without which some formats do not go.
fn sequence<S: Serializer>(
    serializer: S,
    items: impl Iterator<Item = impl Serialize> + Clone,
) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(items.clone().count()))?;
    for item in items {
        sequence.serialize_element(&item)?;
    }
    sequence.end()
}
