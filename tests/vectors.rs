//! The codec held to `spec-vectors/`: what it takes and refuses, by which reason code and statement, and what it writes.
//! `spec-vectors/README.md` says what the fields of a vector mean.

#[path = "support/json.rs"]
mod json;
#[path = "support/vector.rs"]
mod vector;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::panic::{self, AssertUnwindSafe};

use sansio_mqtt::*;
use serde_json::Value;
use vector::{Rules, bytes, expanded, number, read, root, spelt};

/// One test for each file of vectors, and the list of the files.
macro_rules! codec {
    ($($module:ident $version:literal: $($file:ident)*;)*) => {
        $(mod $module {
            $(#[test] fn $file() {
                super::codec_file($version, stringify!($file));
            })*
        })*
        const CODEC: &[(&str, &[&str])] = &[$(($version, &[$(stringify!($file)),*])),*];
    };
}

codec! {
    v31 "3.1": connack connect disconnect fixed_header odd pingreq pingresp puback pubcomp publish pubrec pubrel
        strings suback subscribe unsuback unsubscribe;
    v311 "3.1.1": connack connect disconnect fixed_header odd pingreq pingresp puback pubcomp publish pubrec pubrel
        strings suback subscribe unsuback unsubscribe;
    v5 "5.0": auth connack connect disconnect fixed_header odd pingreq pingresp puback pubcomp publish pubrec pubrel
        strings suback subscribe unsuback unsubscribe;
}

const TOPICS: &[&str] = &["filters", "matches", "names"];

#[test]
fn topic_names() {
    topic_file("names", |version, vector| {
        let topic = spelt(vector, "topic");
        name(version, &topic, vector["valid"] == true)
    });
}

#[test]
fn topic_filters() {
    topic_file("filters", |version, vector| {
        let text = spelt(vector, "filter");
        filter(version, &text, vector["valid"] == true, &vector["share"])
    });
}

#[test]
fn topic_matches() {
    topic_file("matches", |version, vector| {
        let (filter, topic) = (spelt(vector, "filter"), spelt(vector, "topic"));
        let filter = TopicFilter::new(version, filter).map_err(|e| format!("filter: {e}"))?;
        let topic = TopicName::new(topic).map_err(|e| format!("topic: {e}"))?;
        let (seen, expected) = (filter.matches(&topic), vector["matches"] == true);
        ensure(seen == expected, || format!("matches: {seen}"))
    });
}

#[test]
fn every_file_has_a_test() {
    let mut listed = BTreeSet::new();
    for (version, files) in CODEC {
        listed.extend(
            files
                .iter()
                .map(|file| format!("codec/{version}/{file}.json")),
        );
    }
    listed.extend(TOPICS.iter().map(|file| format!("topics/{file}.json")));
    let mut found = BTreeSet::new();
    let mut directories = vec!["codec".to_owned(), "topics".to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory)).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let path = format!("{directory}/{name}");
            if entry.file_type().expect("a type").is_dir() {
                directories.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    assert_eq!(found, listed);
}

/// Whether something is as it has to be; what it is instead.
type Verdict = Result<(), String>;

fn ensure(good: bool, seen: impl FnOnce() -> String) -> Verdict {
    if good { Ok(()) } else { Err(seen()) }
}

/// Runs all vectors of a file and shows each that is not as it says.
fn run(path: &str, vectors: &Value, check: impl Fn(&Value) -> Verdict) {
    let vectors = vectors.as_array().expect("a list of vectors");
    assert!(!vectors.is_empty(), "{path} has no vectors");
    let (mut failures, mut report) = (0, String::new());
    for vector in vectors {
        // A panic, too, is shown with the vector that it comes from.
        let checked = panic::catch_unwind(AssertUnwindSafe(|| check(vector)));
        if let Err(seen) = checked.unwrap_or_else(|_| Err("a panic, see above".into())) {
            failures += 1;
            let _ = writeln!(
                report,
                "{}: {}",
                vector["id"].as_str().unwrap_or("no id"),
                vector["comment"].as_str().unwrap_or_default()
            );
            for (key, value) in vector.as_object().expect("an object") {
                if key != "id" && key != "comment" {
                    let _ = writeln!(report, "    {key}: {}", shortened(&value.to_string()));
                }
            }
            let _ = writeln!(report, "  seen: {}", shortened(&seen));
        }
    }
    assert!(
        failures == 0,
        "{path}: {failures} of {} vectors fail\n{report}",
        vectors.len()
    );
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(1000) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

// ---------------------------------------------------------------------------------------------- codec

fn codec_file(version: &str, file: &str) {
    let path = format!("codec/{version}/{file}.json");
    let content = read(&path);
    assert_eq!(content["format"], 1);
    assert_eq!(content["kind"], "codec");
    assert_eq!(content["version"], version);
    let rules = Rules::of(version);
    run(&path, &content["vectors"], |vector| {
        codec(version, &rules, vector)
    });
}

fn codec(version: &str, rules: &Rules, vector: &Value) -> Verdict {
    let (version, options) = json::receiver(version).expect("a version");
    let bytes = bytes(vector);
    let direction = vector["direction"].as_str().expect("a direction");
    let senders = match json::sender(direction).expect("c2s, s2c or any") {
        None => &[None, Some(Role::Client), Some(Role::Server)][..],
        Some(Role::Client) => &[Some(Role::Client)],
        Some(Role::Server) => &[Some(Role::Server)],
    };
    for &sender in senders {
        let case = Case {
            version,
            options: options.with_sender(sender),
            bytes: &bytes,
            vector,
        };
        match vector["verdict"].as_str() {
            Some("valid") => case.valid(),
            Some("malformed" | "protocol-error") => case.refused(rules),
            Some("incomplete") => case.incomplete(&bytes),
            other => panic!("verdict {other:?}"),
        }
        .map_err(|seen| format!("from {sender:?}: {seen}"))?;
    }
    Ok(())
}

/// One vector, with one idea of who sent it.
struct Case<'a> {
    version: Version,
    options: DecodeOptions,
    bytes: &'a [u8],
    vector: &'a Value,
}

impl<'a> Case<'a> {
    fn decode(&self, bytes: &'a [u8]) -> Result<Option<(Packet<'a>, usize)>, DecodeError> {
        decode(self.version, &self.options, bytes)
    }

    fn valid(&self) -> Verdict {
        let rest = self.vector.get("rest").map_or(0, number);
        let (packet, left) = match self.decode(self.bytes) {
            Ok(Some(decoded)) => decoded,
            other => return Err(shown(&other)),
        };
        let (seen, expected) = (
            json::packet(self.version, &packet),
            expanded(&self.vector["packet"]),
        );
        ensure(seen == expected, || seen.to_string())?;
        ensure(left == rest, || format!("{left} bytes are left over"))?;
        let whole = &self.bytes[..self.bytes.len() - rest];

        // Who does not know the sender takes what one side may send.
        let unknown = self.options.with_sender(None);
        let from_anyone = decode(self.version, &unknown, whole);
        ensure(from_anyone == Ok(Some((packet, 0))), || {
            format!("from an unknown sender: {}", shown(&from_anyone))
        })?;
        for neighbour in [
            &[0xC0, 0x00][..],
            b"\x30\x05\x00\x01a\x00b",
            &[0; 16],
            &[0xFF; 16],
        ] {
            let both = [whole, neighbour].concat();
            let seen = decode(self.version, &self.options, &both);
            ensure(seen == Ok(Some((packet, neighbour.len()))), || {
                format!("with {} behind it: {}", json::hex(neighbour), shown(&seen))
            })?;
        }
        for length in lengths(whole.len()) {
            self.incomplete(&whole[..length])?;
        }
        self.at_the_size_limit(whole)?;
        self.with_disallowed_characters(whole, &packet)?;
        self.written(&packet, whole)
    }

    /// The bytes are a beginning and nothing more.
    fn incomplete(&self, bytes: &'a [u8]) -> Verdict {
        let seen = self.decode(bytes);
        ensure(seen == Ok(None), || {
            format!("the first {} bytes: {}", bytes.len(), shown(&seen))
        })
    }

    /// A packet that is one byte too large is refused when its fixed header is there, and not before.
    fn at_the_size_limit(&self, whole: &[u8]) -> Verdict {
        let size = u32::try_from(whole.len()).expect("a packet");
        let fits = self.options.with_maximum_packet_size(size);
        let small = self.options.with_maximum_packet_size(size - 1);
        let header = header_len(whole);
        let seen = decode(self.version, &fits, &whole[..header]);
        let good = matches!(seen, Ok(None)) || header == whole.len();
        ensure(good, || format!("at the limit: {}", shown(&seen)))?;
        for length in [header - 1, header, whole.len()] {
            let seen = decode(self.version, &small, &whole[..length]);
            let good = match seen {
                Ok(None) => length < header,
                Err(error) => length >= header && error.violation() == Violation::PacketTooLarge,
                Ok(Some(_)) => false,
            };
            ensure(good, || {
                format!("{length} bytes, over the limit: {}", shown(&seen))
            })?;
        }
        Ok(())
    }

    /// Characters that a receiver may refuse: refused when asked for, and nothing else with them.
    fn with_disallowed_characters(&self, whole: &[u8], packet: &Packet<'_>) -> Verdict {
        let has = |key: &str, value: &str| {
            let list = self.vector[key].as_array();
            list.is_some_and(|list| list.iter().any(|one| one == value))
        };
        let may_be_malformed = has("tags", "may") && has("alternatives", "malformed");
        let strict = self.options.with_control_characters_refused(true);
        let seen = decode(self.version, &strict, whole);
        let good = match seen {
            Err(error) => may_be_malformed && error.violation() == Violation::DisallowedCharacter,
            Ok(decoded) => !may_be_malformed && decoded == Some((*packet, 0)),
        };
        ensure(good, || {
            format!("strict about characters: {}", shown(&seen))
        })
    }

    /// How the packet is written.
    fn written(&self, packet: &Packet<'_>, read: &[u8]) -> Verdict {
        let mut out = Vec::new();
        if let Err(error) = packet.encode(self.version, &mut out) {
            // The one packet that may be read and must not be sent.
            let no_method = EncodeError::Violation(Violation::AuthenticationMethodMissing) == error;
            let allowed =
                matches!(packet, Packet::Auth(auth) if auth.properties.is_empty()) && no_method;
            return ensure(allowed, || format!("not written: {error}"));
        }
        let announced = packet.encoded_len(self.version);
        ensure(announced == out.len(), || {
            format!("{announced} bytes announced, {} written", out.len())
        })?;
        let again = decode(self.version, &self.options, &out);
        ensure(again == Ok(Some((*packet, 0))), || {
            format!("written as {}, read as {}", json::hex(&out), shown(&again))
        })?;
        // Those properties of a PUBLISH that are fields of the struct are written before the others.
        let reordered = match packet {
            Packet::Publish(publish) => {
                publish.topic_alias.is_some()
                    || publish.message_expiry_interval.is_some()
                    || !publish.subscription_identifiers.is_empty()
            }
            _ => false,
        };
        let good = match self.vector["canonical"].as_bool() {
            Some(true) if reordered => out.len() == read.len(),
            Some(true) => out == read,
            // In 3.1 some bits are not looked at, and written as 0.
            Some(false) if self.version == Version::V31 && out.len() == read.len() => out != read,
            Some(false) => out.len() < read.len(),
            None => return Err("canonical is missing".into()),
        };
        ensure(good, || format!("written as {}", json::hex(&out)))
    }

    fn refused(&self, rules: &Rules) -> Verdict {
        let seen = self.decode(self.bytes);
        let Err(error) = seen else {
            return Err(shown(&seen));
        };
        let wrong = |what: &str| Err(format!("{what}: {}", shown(&seen)));
        let violation = error.violation();
        if let Some(reasons) = self.vector["reasons"].as_array() {
            // The first is the one that the standard names, or the reading that is taken here.
            let reason = json::code(violation.reason_code().as_u8());
            if reasons.first().and_then(Value::as_str) != Some(&reason[..]) {
                return wrong("reason code");
            }
        } else if self.version == Version::V5 {
            return wrong("the vector has no reason codes");
        }
        let kind = match violation.reason_code() {
            ReasonCode::MalformedPacket => "malformed",
            _ => "protocol-error",
        };
        if self.version == Version::V5 && self.vector["verdict"] != kind {
            return wrong("kind of error");
        }
        if !rules.allow(error.statement(), &self.vector["statements"]) {
            return wrong("statement");
        }
        match self.vector["offset"].as_u64() {
            Some(offset) if offset != error.offset() as u64 => return wrong("offset"),
            _ => {}
        }
        // Nothing that follows can change it.
        for neighbour in [&[0xC0, 0x00][..], &[0; 16], &[0xFF; 16]] {
            let both = [self.bytes, neighbour].concat();
            let seen = decode(self.version, &self.options, &both);
            ensure(seen == Err(error), || {
                format!("with {} behind it: {}", json::hex(neighbour), shown(&seen))
            })?;
        }
        self.refused_early(error)
    }

    /// What the fixed header shows is refused before the body is there; and no beginning is taken for a packet.
    fn refused_early(&self, error: DecodeError) -> Verdict {
        let bytes = self.bytes;
        let enough = if !is_first_byte(self.version, bytes[0]) {
            1
        } else if bytes.len() > 4 && bytes[1..5].iter().all(|byte| byte & 0x80 != 0) {
            5
        } else {
            bytes.len()
        };
        for length in lengths(bytes.len()) {
            let seen = self.decode(&bytes[..length]);
            let good = match seen {
                Ok(None) => length < enough,
                Err(early) => early == error,
                Ok(Some(_)) => false,
            };
            ensure(good, || format!("{length} bytes: {}", shown(&seen)))?;
        }
        Ok(())
    }
}

/// The packet and the number of bytes left. What is not taken is left as it is.
fn decode<'a>(
    version: Version,
    options: &DecodeOptions,
    bytes: &'a [u8],
) -> Result<Option<(Packet<'a>, usize)>, DecodeError> {
    let mut input = bytes;
    let result = Packet::decode(version, options, &mut input);
    if !matches!(result, Ok(Some(_))) {
        assert_eq!(input.len(), bytes.len(), "input that is not used is taken");
    }
    result.map(|packet| packet.map(|packet| (packet, input.len())))
}

fn shown(result: &Result<Option<(Packet<'_>, usize)>, DecodeError>) -> String {
    match result {
        Ok(Some((packet, 0))) => format!("valid, {packet}"),
        Ok(Some((packet, rest))) => format!("valid, {rest} bytes left, {packet}"),
        Ok(None) => "incomplete".into(),
        Err(error) => format!("{}, {error}", error.violation().reason_code()),
    }
}

/// Every number below `length`, or of a long packet those near its ends and some between.
fn lengths(length: usize) -> impl Iterator<Item = usize> {
    let start = length.min(64);
    let end = start.max(length.saturating_sub(64));
    let step = (length / 256).max(1);
    (0..start)
        .chain((start..end).step_by(step))
        .chain(end..length)
}

/// The number of bytes of the fixed header.
fn header_len(bytes: &[u8]) -> usize {
    2 + bytes[1..]
        .iter()
        .take_while(|byte| **byte & 0x80 != 0)
        .count()
}

/// Types and flags as table 2-1 and table 2-2 have them, the QoS and DUP of PUBLISH by section 3.3.1.
fn is_first_byte(version: Version, first: u8) -> bool {
    match (first >> 4, first & 0x0F) {
        (0, _) => false,
        (3, flags) => flags & 0x06 != 0x06 && (flags & 0x08 == 0 || flags & 0x06 != 0),
        (6 | 8 | 10, flags) => flags == 2,
        (15, flags) => version == Version::V5 && flags == 0,
        (_, flags) => flags == 0,
    }
}

// ---------------------------------------------------------------------------------------------- topics

fn topic_file(file: &str, check: impl Fn(Version, &Value) -> Verdict) {
    let path = format!("topics/{file}.json");
    let content = read(&path);
    assert_eq!(content["format"], 1);
    assert_eq!(content["kind"], file);
    run(&path, &content["vectors"], |vector| {
        let versions = vector["versions"].as_array().expect("a list");
        assert!(!versions.is_empty());
        versions.iter().try_for_each(|name| {
            let name = name.as_str().expect("a text");
            let (version, _) = json::receiver(name).expect("a version");
            check(version, vector).map_err(|seen| format!("in {name}: {seen}"))
        })
    });
}

/// A Topic Name by itself, in a PUBLISH and in a will, read and written.
fn name(version: Version, topic: &str, valid: bool) -> Verdict {
    let seen = TopicName::new(topic);
    let kept = seen.as_ref().is_ok_and(|name| name.as_str() == topic);
    ensure(kept == valid, || format!("{seen:?}"))?;

    let publish = Packet::from(Publish::new(topic, b"payload"));
    let will = Some(Will::new(topic, b""));
    let connect = Packet::from(Connect {
        keep_alive: 0,
        will,
        ..Connect::new(version, "c")
    });
    let field = [&len16(topic)[..], topic.as_bytes()].concat();
    let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    let head = CONNECTS
        .iter()
        .find(|(of, _)| *of == version)
        .expect("a version")
        .1;
    for (what, packet, first, body) in [
        (
            "PUBLISH",
            publish,
            0x30,
            [&field, none, b"payload"].concat(),
        ),
        (
            "will",
            connect,
            0x10,
            [head, none, b"\0\x01c", none, &field, b"\0\0"].concat(),
        ),
    ] {
        both_ways(version, packet, first, &body, topic.len(), valid)
            .map_err(|seen| format!("{what}: {seen}"))?;
    }
    Ok(())
}

/// The variable header of a CONNECT with a will at QoS 0 and Clean Start, up to the properties.
const CONNECTS: &[(Version, &[u8])] = &[
    (Version::V31, b"\0\x06MQIsdp\x03\x06\0\0"),
    (Version::V311, b"\0\x04MQTT\x04\x06\0\0"),
    (Version::V5, b"\0\x04MQTT\x05\x06\0\0"),
];

/// A Topic Filter by itself, in a SUBSCRIBE and in an UNSUBSCRIBE, read and written.
fn filter(version: Version, text: &str, valid: bool, share: &Value) -> Verdict {
    let seen = TopicFilter::new(version, text);
    let kept = seen.as_ref().is_ok_and(|filter| filter.as_str() == text);
    ensure(kept == valid, || format!("{seen:?}"))?;
    if let Ok(filter) = &seen {
        let expected = match share {
            Value::Object(_) if version == Version::V5 => {
                (share["name"].as_str(), spelt(share, "filter"))
            }
            _ => (None, text.to_owned()),
        };
        let seen = (filter.share_name(), filter.filter().to_owned());
        ensure(seen == expected, || format!("{seen:?}"))?;
    }

    let id = PacketId::new(1).expect("not 0");
    let subscriptions = [Subscription::new(text, QoS::AtMostOnce)];
    let filters = [text];
    let field = [&len16(text)[..], text.as_bytes()].concat();
    let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    let subscribe = Packet::from(Subscribe::new(id, &subscriptions));
    let unsubscribe = Packet::from(Unsubscribe::new(id, &filters));
    for (what, packet, first, body) in [
        (
            "SUBSCRIBE",
            subscribe,
            0x82,
            [&[0, 1][..], none, &field, &[0]].concat(),
        ),
        (
            "UNSUBSCRIBE",
            unsubscribe,
            0xA2,
            [&[0, 1][..], none, &field].concat(),
        ),
    ] {
        both_ways(version, packet, first, &body, text.len(), valid)
            .map_err(|seen| format!("{what}: {seen}"))?;
    }
    Ok(())
}

/// The length of a text as two bytes; a text that is too long is not read from them.
fn len16(text: &str) -> [u8; 2] {
    u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes()
}

/// The packet is written as these bytes and read from them, or neither is done. A text too long for its length field has
/// no bytes to be read from.
fn both_ways(
    version: Version,
    packet: Packet<'_>,
    first: u8,
    body: &[u8],
    text_len: usize,
    valid: bool,
) -> Verdict {
    let mut bytes = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    bytes.push(length.to_le_bytes()[0]);
    bytes.extend_from_slice(body);
    let mut out = Vec::new();
    let result = packet.encode(version, &mut out);
    let good = match result {
        Ok(()) => valid && out == bytes,
        Err(_) => !valid && out.is_empty(),
    };
    ensure(good, || format!("{result:?}, written: {}", json::hex(&out)))?;
    if text_len > 65_535 {
        return Ok(());
    }
    let (_, options) = json::receiver(&version.to_string()).expect("a version");
    let seen = decode(version, &options, &bytes);
    let good = match seen {
        Ok(decoded) => valid && decoded == Some((packet, 0)),
        Err(_) => !valid,
    };
    ensure(good, || shown(&seen))
}
