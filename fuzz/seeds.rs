//! Writes what the fuzzers begin with into `corpus/`: the test vectors, a packet of each kind, and a conversation with a
//! client and with a server. `cargo run --manifest-path fuzz/Cargo.toml --example seeds`

#[path = "../tests/support/compare.rs"]
#[allow(dead_code)]
mod compare;
#[path = "../tests/support/naive.rs"]
#[allow(dead_code)]
mod naive;
#[path = "../tests/support/samples.rs"]
mod samples;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sansio_mqtt::{
    Change, Instant, MAXIMUM_PACKET_SIZE, Message, Options, Packet, PacketId, Properties, Property,
    PublishHandle, QoS, Role, Session, Version,
};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is longer teaches a fuzzer little and slows it down.
const LONGEST: usize = 4096;

struct Corpus {
    folder: PathBuf,
    counts: BTreeMap<&'static str, usize>,
}

impl Corpus {
    fn add(&mut self, target: &'static str, bytes: &[u8]) -> Result<()> {
        if bytes.len() > LONGEST {
            return Ok(());
        }
        let count = self.counts.entry(target).or_default();
        let folder = self.folder.join(target);
        if *count == 0 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(folder.join(format!("seed-{count:05}")), bytes)?;
        *count += 1;
        Ok(())
    }

    /// To everything that takes a stream of packets.
    fn add_stream(&mut self, version: Version, sender: Option<Role>, bytes: &[u8]) -> Result<()> {
        let decode = option_byte(version, sender);
        self.add("decode", &[&[decode], bytes].concat())?;
        let sender = sender.unwrap_or(Role::Client);
        let packets = samples::samples(version);
        let opens = |packet: &&Packet<'_>| match (sender, packet) {
            (Role::Client, Packet::Connect(_)) => true,
            (_, Packet::Connack(connack)) => connack.session_present,
            _ => false,
        };
        let mut opening = Vec::new();
        if let Some(packet) = packets.iter().find(opens) {
            packet.encode(version, &mut opening)?;
        }
        // A byte at a time, and in pieces of some bytes.
        let chunked = option_byte(version, Some(sender));
        self.add(
            "chunked",
            &[&[chunked, 0, 6, 14], &opening[..], bytes].concat(),
        )?;
        Ok(())
    }
}

/// Without a limit, and with 3.1 where it is meant.
fn option_byte(version: Version, sender: Option<Role>) -> u8 {
    let fits = |&byte: &u8| {
        let (v, options) = compare::decode_options(byte);
        v == version
            && options.sender() == sender
            && options.maximum_packet_size() == MAXIMUM_PACKET_SIZE
            && options.accept_v31() == (version == Version::V31)
            && !options.unchecked_filters()
            && !options.control_characters_refused()
    };
    (0..=u8::MAX).find(fits).unwrap_or_default()
}

fn packets(corpus: &mut Corpus) -> Result<()> {
    for version in compare::VERSIONS {
        let mut streams: [Vec<u8>; 2] = Default::default();
        for packet in samples::samples(version) {
            let mut bytes = Vec::new();
            packet.encode(version, &mut bytes)?;
            for (sender, stream) in [Role::Client, Role::Server].into_iter().zip(&mut streams) {
                let rules = compare::decode_options(option_byte(version, Some(sender))).1;
                if compare::compare(version, &rules, &bytes).is_some() {
                    corpus.add_stream(version, Some(sender), &bytes)?;
                    stream.extend_from_slice(&bytes);
                }
            }
        }
        corpus.add_stream(version, Some(Role::Client), &streams[0])?;
        corpus.add_stream(version, Some(Role::Server), &streams[1])?;
    }
    Ok(())
}

/// Exchanges: requests and messages of every QoS, the way of a client, and the answers to them, the way of a server.
fn conversations(corpus: &mut Corpus) -> Result<()> {
    const CLIENT_5: &[&[u8]] = &[
        b"\x82\x07\0\x01\0\0\x01a\x01",
        b"\x32\x07\0\x01t\0\x02\0x",
        b"\x34\x07\0\x01t\0\x03\0x",
        b"\x62\x02\0\x03\xc0\0",
        b"\xa2\x06\0\x04\0\0\x01a",
        b"\x40\x02\0\x01\x50\x02\0\x02\x70\x02\0\x02",
        b"\xe0\x01\x04",
    ];
    const CLIENT_3: &[&[u8]] = &[
        b"\x82\x06\0\x01\0\x01a\x01",
        b"\x32\x06\0\x01t\0\x02x",
        b"\x34\x06\0\x01t\0\x03x",
        b"\x62\x02\0\x03\xc0\0",
        b"\xa2\x05\0\x04\0\x01a",
        b"\x40\x02\0\x01\x50\x02\0\x02\x70\x02\0\x02",
        b"\xe0\0",
    ];
    const SERVER_5: &[&[u8]] = &[
        b"\x90\x04\0\x01\0\0",
        b"\x32\x07\0\x01t\0\x02\0x",
        b"\x34\x0a\0\x01t\0\x03\x03\x23\0\x01x",
        b"\x62\x02\0\x03\xd0\0",
        b"\x30\x06\0\0\x03\x23\0\x01",
        b"\x40\x02\0\x02\x50\x02\0\x03\x70\x02\0\x03",
        b"\xe0\x01\x8b",
    ];
    const SERVER_3: &[&[u8]] = &[
        b"\x90\x03\0\x01\0",
        b"\x32\x06\0\x01t\0\x02x",
        b"\x34\x06\0\x01t\0\x03x",
        b"\x62\x02\0\x03\xd0\0",
        b"\x40\x02\0\x02\x50\x02\0\x03\x70\x02\0\x03",
    ];
    for (version, sender, packets) in [
        (Version::V5, Role::Client, CLIENT_5),
        (Version::V311, Role::Client, CLIENT_3),
        (Version::V31, Role::Client, CLIENT_3),
        (Version::V5, Role::Server, SERVER_5),
        (Version::V311, Role::Server, SERVER_3),
    ] {
        corpus.add_stream(version, Some(sender), &packets.concat())?;
    }
    Ok(())
}

/// Numbers for the fuzzers that make packets or histories of them.
fn numbers(corpus: &mut Corpus) -> Result<()> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..300 {
        let mut bytes = [0; 600];
        for byte in &mut bytes {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_be_bytes()[0];
        }
        corpus.add("encode", &bytes)?;
        for target in ["roundtrip", "client", "server", "pair"] {
            corpus.add(target, &bytes)?;
        }
    }
    Ok(())
}

fn vectors(corpus: &mut Corpus, folder: &Path) -> Result<()> {
    for (name, version) in [
        ("3.1", Version::V31),
        ("3.1.1", Version::V311),
        ("5.0", Version::V5),
    ] {
        for vector in read_folder(&folder.join("codec").join(name))? {
            let sender = match vector["direction"].as_str() {
                Some("c2s") => Some(Role::Client),
                Some("s2c") => Some(Role::Server),
                _ => None,
            };
            corpus.add_stream(version, sender, &bytes(&vector)?)?;
        }
    }
    for vector in read_folder(&folder.join("topics"))? {
        let text = |key| vector[key].as_str();
        let filter = text("filter").or(text("topic")).unwrap_or_default();
        let name = text("topic").or(text("filter")).unwrap_or_default();
        corpus.add("topic", format!("{filter}\n{name}").as_bytes())?;
    }
    Ok(())
}

/// The vectors of all files in a folder, in the order of their names.
fn read_folder(folder: &Path) -> Result<Vec<Value>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries: std::io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let mut files: Vec<_> = entries?.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    let mut vectors = Vec::new();
    for file in files {
        let mut content: Value = serde_json::from_slice(&fs::read(&file)?)?;
        match content["vectors"].take() {
            Value::Array(list) => vectors.extend(list),
            _ => return Err(format!("no vectors in {}", file.display()).into()),
        }
    }
    Ok(vectors)
}

fn bytes(vector: &Value) -> Result<Vec<u8>> {
    if let Some(hex) = vector["hex"].as_str() {
        return unhex(hex);
    }
    let mut bytes = Vec::new();
    for run in vector["runs"].as_array().ok_or("neither hex nor runs")? {
        let (hex, times) = (run[0].as_str(), run[1].as_u64());
        let piece = unhex(hex.ok_or("a run without hex")?)?;
        bytes.extend(piece.repeat(times.ok_or("a run without a count")?.try_into()?));
    }
    Ok(bytes)
}

fn unhex(hex: &str) -> Result<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair| -> Result<u8> { Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?) };
    pairs.map(byte).collect()
}

/// Stored sessions: a snapshot with changes behind it, and all of that as a snapshot.
fn sessions(corpus: &mut Corpus) -> Result<()> {
    let options = Options::new();
    let mut session = Session::established();
    for qos in [
        QoS::AtMostOnce,
        QoS::AtLeastOnce,
        QoS::ExactlyOnce,
        QoS::ExactlyOnce,
    ] {
        let message = Message::new("t", b"x")?
            .with_properties(Properties::from(&[Property::UserProperty("a", "b")][..]))?
            .with_qos(qos)
            .with_message_expiry_interval(Some(2000))
            .with_subscription_identifiers(&[7])?;
        session.enqueue(Instant::ZERO, message, &options)?;
    }
    session.enqueue(
        Instant::ZERO,
        Message::with_streamed_payload("s", 300)?,
        &options,
    )?;
    let mut log = Vec::new();
    session.snapshot(&mut log);
    let handle = PublishHandle::from_u64;
    let mut changes = vec![Change::Begun];
    for number in 1..=4u16 {
        changes.push(Change::Sent {
            handle: handle(number.into()),
            packet_id: PacketId::new(number).filter(|_| number > 1),
        });
    }
    for packet_id in [2, 3, 4].into_iter().filter_map(PacketId::new) {
        changes.push(Change::Received { packet_id });
        if packet_id.get() != 2 {
            changes.push(Change::Released { packet_id });
        }
    }
    changes.extend(PacketId::new(3).map(|packet_id| Change::Settled { packet_id }));
    changes.extend(PacketId::new(3).map(|packet_id| Change::Forgotten { packet_id }));
    for change in changes {
        change.encode(&mut log);
        for flags in 0..4 {
            corpus.add("snapshot", &[&[flags], &log[..]].concat())?;
        }
    }
    let mut whole = Vec::new();
    Session::restore(&log)?.snapshot(&mut whole);
    corpus.add("snapshot", &[&[0], &whole[..]].concat())?;
    corpus.add("snapshot", &[&[3], &whole[..]].concat())
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = Corpus {
        folder: root.join("corpus"),
        counts: BTreeMap::new(),
    };
    packets(&mut corpus)?;
    conversations(&mut corpus)?;
    numbers(&mut corpus)?;
    sessions(&mut corpus)?;
    for topics in [
        "a/+/b\na/x/b",
        "$share/g/#\n$SYS/x",
        "+\n/",
        "a/#\na",
        "a+\na\0",
    ] {
        corpus.add("topic", topics.as_bytes())?;
    }
    vectors(&mut corpus, &root.join("../spec-vectors"))?;
    for (target, count) in &corpus.counts {
        println!("{target}: {count} seeds");
    }
    Ok(())
}
