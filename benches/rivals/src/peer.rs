//! What is asked of each crate.

pub(crate) use std::hint::black_box;

pub(crate) trait Peer: Sized {
    const NAME: &'static str;
    /// The byte of CONNECT: 4 or 5.
    const VERSION: u8;

    fn new() -> Self;

    /// The buffer that the crate reads from.
    type Input;
    fn load(bytes: &[u8]) -> Self::Input;
    /// Takes one packet from the buffer and drops it. `Ok(false)`: more bytes are needed.
    fn decode(&mut self, input: &mut Self::Input) -> Result<bool, String>;

    /// What is to be encoded, and where to.
    type Prepared;
    /// The packet of these bytes, `count` times where the crate encodes by value.
    fn prepare(&mut self, bytes: &[u8], count: usize) -> Option<Self::Prepared>;
    /// Encodes one packet into the emptied output; its length.
    fn encode(&mut self, prepared: &mut Self::Prepared) -> usize;
    fn output(prepared: &mut Self::Prepared) -> Vec<u8>;

    /// Builds a QoS 0 PUBLISH from its parts and encodes it; its length.
    fn build(&mut self, _output: &mut Vec<u8>, _topic: &str, _payload: &[u8]) -> Option<usize> {
        None
    }
}

/// A buffer for crates that read from a slice.
pub(crate) struct SliceIn {
    bytes: Vec<u8>,
    pub(crate) o: usize,
}

impl SliceIn {
    #[inline(always)]
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.o..]
    }
}

pub(crate) fn slice_in(bytes: &[u8]) -> SliceIn {
    SliceIn {
        bytes: bytes.to_vec(),
        o: 0,
    }
}

pub(crate) fn dbg<E: std::fmt::Debug>(error: E) -> String {
    format!("{error:?}")
}

/// The length of the packet at the beginning, for crates that do not tell it.
#[inline(always)]
pub(crate) fn frame_len(bytes: &[u8]) -> Option<usize> {
    let mut length = 0usize;
    for i in 0..4 {
        let byte = *bytes.get(1 + i)?;
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(2 + i + length);
        }
    }
    Some(usize::MAX)
}
