//! One case of one crate: time, allocations, instructions.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Instant;

use crate::alloc;
use crate::inputs::{MIXED, TOPIC, input, payload};
use crate::peer::Peer;

#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub(crate) enum Kind {
    Decode,
    Encode,
    Build,
}

/// What is measured: kind, name and, as a word for the command line, its short name.
pub(crate) const CASES: [(Kind, &str, &str); 12] = [
    (Kind::Decode, "publish QoS 0, 64 B", "decode-publish0"),
    (Kind::Decode, "publish QoS 1, 1 KiB", "decode-publish1"),
    (Kind::Decode, "puback", "decode-puback"),
    (Kind::Decode, "connect, will", "decode-connect"),
    (Kind::Decode, "subscribe, 8 filters", "decode-subscribe"),
    (Kind::Decode, "mixed stream", "decode-mixed"),
    (Kind::Encode, "publish QoS 0, 64 B", "encode-publish0"),
    (Kind::Encode, "publish QoS 1, 1 KiB", "encode-publish1"),
    (Kind::Encode, "puback", "encode-puback"),
    (Kind::Encode, "connect, will", "encode-connect"),
    (Kind::Encode, "subscribe, 8 filters", "encode-subscribe"),
    (Kind::Build, "publish QoS 0, 64 B", "build-publish0"),
];

/// Batches of one round; the mixed stream is a thousand packets long, so fewer do.
const BATCHES: usize = 60;
const MIXED_BATCHES: usize = 8;

/// The functions that callgrind counts.
#[inline(never)]
fn measured_decode<P: Peer>(peer: &mut P, input: &mut P::Input, count: usize) -> usize {
    (0..count)
        .take_while(|_| matches!(peer.decode(input), Ok(true)))
        .count()
}

#[inline(never)]
fn measured_encode<P: Peer>(peer: &mut P, prepared: &mut P::Prepared, count: usize) -> usize {
    (0..count).map(|_| peer.encode(prepared)).sum()
}

#[inline(never)]
fn measured_build<P: Peer>(peer: &mut P, out: &mut Vec<u8>, payload: &[u8], count: usize) -> usize {
    (0..count)
        .map(|_| {
            peer.build(out, black_box(TOPIC), black_box(payload))
                .unwrap_or(0)
        })
        .sum()
}

/// What the batches of one case took, in ns for a packet.
pub(crate) struct Sample {
    pub(crate) nanoseconds: Vec<f64>,
    pub(crate) allocations: f64,
    /// Packets handled in all, those of the trial runs included.
    pub(crate) packets: usize,
}

/// `batches`: `None` for as many as a round has. `None` comes back if the crate cannot do it, or does it wrongly.
pub(crate) fn sample<P: Peer>(case: usize, batches: Option<usize>) -> Option<Sample> {
    let (kind, name, _) = CASES[case];
    let batches = batches.unwrap_or(if name == "mixed stream" {
        MIXED_BATCHES
    } else {
        BATCHES
    });
    catch_unwind(AssertUnwindSafe(|| match kind {
        Kind::Decode => decode::<P>(&input(name, P::VERSION), name, batches),
        Kind::Encode => encode::<P>(&input(name, P::VERSION), batches),
        Kind::Build => build::<P>(&input(name, P::VERSION), batches),
    }))
    .ok()?
}

fn copies(length: usize) -> usize {
    (96 * 1024 / length).clamp(16, 1000)
}

fn decode<P: Peer>(bytes: &[u8], name: &str, batches: usize) -> Option<Sample> {
    let (bytes, count) = match name {
        "mixed stream" => (bytes.to_vec(), MIXED),
        _ => (bytes.repeat(copies(bytes.len())), copies(bytes.len())),
    };
    let mut peer = P::new();
    if measured_decode(&mut peer, &mut P::load(&bytes), count) != count {
        return None;
    }
    let mut input = P::load(&bytes);
    let allocations = alloc::count(|| measured_decode(&mut peer, &mut input, count));
    let nanoseconds = (0..batches).map(|_| {
        let mut input = P::load(&bytes);
        let start = Instant::now();
        black_box(measured_decode(&mut peer, &mut input, count));
        start.elapsed().as_nanos() as f64 / count as f64
    });
    Some(Sample {
        nanoseconds: nanoseconds.collect(),
        allocations: allocations as f64 / count as f64,
        packets: count * (batches + 2),
    })
}

fn encode<P: Peer>(bytes: &[u8], batches: usize) -> Option<Sample> {
    let mut peer = P::new();
    let mut prepared = peer.prepare(bytes, 2)?;
    peer.encode(&mut prepared);
    // The same packet, if in another order of properties.
    if P::output(&mut prepared).len() != bytes.len() {
        return None;
    }
    let count = copies(bytes.len());
    let mut prepared = peer.prepare(bytes, count + 1)?;
    peer.encode(&mut prepared);
    let allocations = alloc::count(|| measured_encode(&mut peer, &mut prepared, count));
    let mut nanoseconds = vec![];
    for _ in 0..batches {
        let mut prepared = peer.prepare(bytes, count + 1)?;
        peer.encode(&mut prepared);
        let start = Instant::now();
        black_box(measured_encode(&mut peer, &mut prepared, count));
        nanoseconds.push(start.elapsed().as_nanos() as f64 / count as f64);
    }
    Some(Sample {
        nanoseconds,
        allocations: allocations as f64 / count as f64,
        packets: count * (batches + 1),
    })
}

fn build<P: Peer>(bytes: &[u8], batches: usize) -> Option<Sample> {
    const COUNT: usize = 500;
    let (mut peer, mut out, payload) = (P::new(), Vec::with_capacity(8192), payload(64));
    if peer.build(&mut out, TOPIC, &payload)? != bytes.len() {
        return None;
    }
    let allocations = alloc::count(|| measured_build(&mut peer, &mut out, &payload, COUNT));
    let nanoseconds = (0..batches).map(|_| {
        let start = Instant::now();
        black_box(measured_build(&mut peer, &mut out, &payload, COUNT));
        start.elapsed().as_nanos() as f64 / COUNT as f64
    });
    Some(Sample {
        nanoseconds: nanoseconds.collect(),
        allocations: allocations as f64 / COUNT as f64,
        packets: COUNT * (batches + 1),
    })
}

/// Instructions for a packet, counted by callgrind in a run of this program with that case alone; they do not depend on
/// what else the machine does. `None` without valgrind.
pub(crate) fn instructions(peer: &str, version: u8, case: &str) -> Option<u64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--collect-atstart=no",
            "--toggle-collect=*measured_*",
        ])
        .arg(std::env::current_exe().ok()?)
        .args(["count", peer, &version.to_string(), case])
        .output()
        .ok()?;
    let number_behind = |text: &[u8], word: &str| -> Option<u64> {
        let text = String::from_utf8_lossy(text).into_owned();
        let (_, behind) = text.split_once(word)?;
        behind.split_whitespace().next()?.parse().ok()
    };
    let packets = number_behind(&output.stdout, "packets ")?;
    let all = number_behind(&output.stderr, "Collected : ")?;
    all.checked_div(packets)
}
