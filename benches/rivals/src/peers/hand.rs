//! What the machine can do: PUBLISH and PUBACK parsed by hand, every field checked, in safe code. Nothing else is
//! there, no error says where or why, and nothing can be asked of a property.

use crate::inputs::varint;
use crate::peer::{Peer, SliceIn, black_box, slice_in};

type Checked<T> = Result<T, &'static str>;

pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a str,
    pub(crate) packet_id: u16,
    pub(crate) flags: u8,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

pub(crate) enum Packet<'a> {
    Publish(Publish<'a>),
    Puback(u16),
}

/// First byte, length of the fixed header, remaining length.
#[inline(always)]
fn fixed_header(bytes: &[u8]) -> Checked<Option<(u8, usize, usize)>> {
    let [first, length, ..] = *bytes else {
        return Ok(None);
    };
    if length < 0x80 {
        return Ok(Some((first, 2, usize::from(length))));
    }
    let mut remaining = usize::from(length & 0x7f);
    for i in 1..4 {
        let Some(&byte) = bytes.get(1 + i) else {
            return Ok(None);
        };
        remaining |= usize::from(byte & 0x7f) << (7 * i);
        match byte {
            0 => return Err("overlong length"),
            1..0x80 => return Ok(Some((first, 2 + i, remaining))),
            _ => {}
        }
    }
    Err("length of five bytes")
}

#[inline(always)]
fn binary<'a>(rest: &mut &'a [u8]) -> Checked<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk().ok_or("short")?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (field, behind) = behind.split_at_checked(length).ok_or("short")?;
    *rest = behind;
    Ok(field)
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

#[inline(always)]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word
}

/// Not 0 if there is something to look at: no ASCII, U+0000, in a topic a wildcard. Eight bytes at a time.
#[inline(always)]
fn suspects<const TOPIC: bool>(bytes: &[u8]) -> u64 {
    let in_word = |chunk: &[u8; 8]| {
        let word = u64::from_le_bytes(*chunk);
        let mut found = word | zero_bytes(word);
        if TOPIC {
            found |= zero_bytes(word ^ (LOW * u64::from(b'+')));
            found |= zero_bytes(word ^ (LOW * u64::from(b'#')));
        }
        found
    };
    match bytes.last_chunk() {
        Some(last) => {
            let mut found = in_word(last);
            for chunk in bytes.as_chunks().0 {
                found |= in_word(chunk);
            }
            found & HIGH
        }
        None => bytes.iter().fold(0, |found, &byte| {
            found | u64::from(byte >= 0x80 || wrong::<TOPIC>(byte))
        }),
    }
}

#[inline(always)]
fn wrong<const TOPIC: bool>(byte: u8) -> bool {
    byte == 0 || (TOPIC && (byte == b'+' || byte == b'#'))
}

#[inline(always)]
fn text<const TOPIC: bool>(bytes: &[u8]) -> Checked<&str> {
    if suspects::<TOPIC>(bytes) != 0 && bytes.iter().any(|&byte| wrong::<TOPIC>(byte)) {
        return Err("character");
    }
    core::str::from_utf8(bytes).map_err(|_| "UTF-8")
}

#[inline(always)]
fn check_properties(mut rest: &[u8]) -> Checked<()> {
    let mut seen = 0u64;
    while let Some((&id, behind)) = rest.split_first() {
        rest = behind;
        if id != 0x26 && id != 0x0b {
            if id > 63 || seen & (1 << id) != 0 {
                return Err("twice");
            }
            seen |= 1 << id;
        }
        match id {
            0x01 => match *rest {
                [0 | 1, ref behind @ ..] => rest = behind,
                _ => return Err("payload format indicator"),
            },
            0x02 => rest = rest.get(4..).ok_or("short")?,
            0x23 => match *rest {
                [high, low, ref behind @ ..] if high | low != 0 => rest = behind,
                _ => return Err("topic alias"),
            },
            0x03 => _ = text::<false>(binary(&mut rest)?)?,
            0x08 => _ = text::<true>(binary(&mut rest)?)?,
            0x09 => _ = binary(&mut rest)?,
            0x26 => {
                text::<false>(binary(&mut rest)?)?;
                text::<false>(binary(&mut rest)?)?;
            }
            _ => return Err("property"),
        }
    }
    Ok(())
}

#[inline(always)]
fn property_block<'a>(rest: &mut &'a [u8]) -> Checked<&'a [u8]> {
    let (mut length, mut count) = (0, 0);
    loop {
        let &byte = rest.get(count).ok_or("short")?;
        length |= usize::from(byte & 0x7f) << (7 * count);
        count += 1;
        if byte < 0x80 {
            break;
        }
        if count == 4 {
            return Err("length of five bytes");
        }
    }
    let (block, behind) = rest
        .get(count..)
        .and_then(|rest| rest.split_at_checked(length))
        .ok_or("short")?;
    *rest = behind;
    Ok(block)
}

/// The packet at the beginning, and its length.
#[inline(always)]
pub(crate) fn parse<const V: u8>(bytes: &[u8]) -> Checked<Option<(Packet<'_>, usize)>> {
    let Some((first, header, remaining)) = fixed_header(bytes)? else {
        return Ok(None);
    };
    let end = header + remaining;
    let Some(mut rest) = bytes.get(header..end) else {
        return Ok(None);
    };
    match first >> 4 {
        3 => {
            let qos = first >> 1 & 3;
            if qos == 3 || (qos == 0 && first & 8 != 0) {
                return Err("flags");
            }
            let topic = text::<true>(binary(&mut rest)?)?;
            let mut packet_id = 0;
            if qos > 0 {
                let (bytes, behind) = rest.split_first_chunk().ok_or("short")?;
                packet_id = u16::from_be_bytes(*bytes);
                if packet_id == 0 {
                    return Err("packet identifier");
                }
                rest = behind;
            }
            let mut properties = &[][..];
            if V == 5 {
                properties = property_block(&mut rest)?;
                if !properties.is_empty() {
                    check_properties(properties)?;
                }
            }
            let publish = Publish {
                topic,
                packet_id,
                flags: first & 15,
                properties,
                payload: rest,
            };
            Ok(Some((Packet::Publish(publish), end)))
        }
        4 => {
            let (bytes, behind) = rest.split_first_chunk().ok_or("short")?;
            let packet_id = u16::from_be_bytes(*bytes);
            if first != 0x40 || packet_id == 0 || (!behind.is_empty() && V == 4) {
                return Err("PUBACK");
            }
            Ok(Some((Packet::Puback(packet_id), end)))
        }
        _ => Err("not written"),
    }
}

#[inline(always)]
pub(crate) fn write_publish<const V: u8>(out: &mut Vec<u8>, publish: &Publish<'_>) {
    let id = publish.flags & 6 != 0;
    let properties = publish.properties.len();
    let mut length = 2 + publish.topic.len() + publish.payload.len();
    if id {
        length += 2;
    }
    if V == 5 {
        length += properties + if properties < 128 { 1 } else { 2 };
    }
    out.reserve(length + 5);
    out.push(0x30 | publish.flags);
    varint(length, out);
    #[expect(clippy::cast_possible_truncation, reason = "a short topic")]
    out.extend_from_slice(&(publish.topic.len() as u16).to_be_bytes());
    out.extend_from_slice(publish.topic.as_bytes());
    if id {
        out.extend_from_slice(&publish.packet_id.to_be_bytes());
    }
    if V == 5 {
        varint(properties, out);
        out.extend_from_slice(publish.properties);
    }
    out.extend_from_slice(publish.payload);
}

pub(crate) struct P<const V: u8>;

impl<const V: u8> Peer for P<V> {
    const NAME: &'static str = "(by hand)";
    const VERSION: u8 = V;

    fn new() -> Self {
        Self
    }

    type Input = SliceIn;

    fn load(bytes: &[u8]) -> SliceIn {
        slice_in(bytes)
    }

    #[inline]
    fn decode(&mut self, input: &mut SliceIn) -> Result<bool, String> {
        let Some((packet, length)) = parse::<V>(input.rest())? else {
            return Ok(false);
        };
        black_box(&packet);
        input.o += length;
        Ok(true)
    }

    type Prepared = (Packet<'static>, Vec<u8>);

    fn prepare(&mut self, bytes: &[u8], _: usize) -> Option<Self::Prepared> {
        let (packet, _) = parse::<V>(bytes.to_vec().leak()).ok()??;
        Some((packet, Vec::with_capacity(8192)))
    }

    #[inline]
    fn encode(&mut self, (packet, out): &mut Self::Prepared) -> usize {
        out.clear();
        match black_box(&*packet) {
            Packet::Puback(packet_id) => {
                let [high, low] = packet_id.to_be_bytes();
                out.extend_from_slice(&[0x40, 2, high, low]);
            }
            Packet::Publish(publish) => write_publish::<V>(out, publish),
        }
        black_box(&*out).len()
    }

    fn output(prepared: &mut Self::Prepared) -> Vec<u8> {
        prepared.1.clone()
    }

    #[inline]
    fn build(&mut self, out: &mut Vec<u8>, topic: &str, payload: &[u8]) -> Option<usize> {
        let publish = Publish {
            topic: text::<true>(topic.as_bytes()).ok()?,
            packet_id: 0,
            flags: 0,
            properties: &[],
            payload,
        };
        out.clear();
        write_publish::<V>(out, &publish);
        Some(black_box(&*out).len())
    }
}
