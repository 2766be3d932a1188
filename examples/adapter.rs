//! The codec behind lines of JSON on stdin and stdout, so that a program in any language can put bytes or topics before it
//! and see the verdict. `spec-vectors/README.md` describes the protocol.
//!
//! ```sh
//! printf '{"id":1,"version":"5.0","hex":"d000"}\n' | cargo run -q --release --example adapter
//! {"id":1,"packet":{"type":"PINGRESP"},"result":"ok"}
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;

use sansio_mqtt::{
    DecodeError, MAXIMUM_PACKET_SIZE, Packet, ReasonCode, TopicError, TopicFilter, TopicName,
    Version, Violation,
};
use serde_json::{Map, Value, json};

#[path = "../tests/support/json.rs"]
pub(crate) mod json;

/// The longest line that is read, in bytes without its end: any packet of MQTT in hexadecimal fits, with room for the
/// words around it. Of a longer one no more than this is held, and the rest is skipped.
const MAXIMUM_LINE: usize = 2 * MAXIMUM_PACKET_SIZE as usize + (1 << 20);

const HELP: &str = r#"adapter: reads one JSON object per line, answers each with one line

  {"id":1,"op":"decode","version":"5.0","direction":"c2s","hex":"d000"}
  {"id":2,"op":"topic","version":"5.0","topic":"a/b"}
  {"id":3,"op":"filter","version":"5.0","filter":"a/+"}
  {"id":4,"op":"match","version":"5.0","filter":"a/+","topic":"a/b"}

"id" is any JSON value and comes back. "op" is decode if it is left out, "direction"
(c2s, s2c, any) is any. Empty lines are ignored. The end of stdin is the end.
"#;

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        print!("{HELP}");
        return ExitCode::from(u8::from(!std::env::args_os().any(|arg| arg == "--help")));
    }
    match serve(
        MAXIMUM_LINE,
        &mut BufReader::new(io::stdin()),
        &mut io::stdout().lock(),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the answers has gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("adapter: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers line by line until the input ends. Each answer is flushed, since the peer may wait for it.
pub(crate) fn serve(
    maximum: usize,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input
            .by_ref()
            .take(maximum as u64 + 1)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let answer = if read > maximum && !line.ends_with(b"\n") {
            let id = salvaged_id(&line);
            line = Vec::new();
            input.skip_until(b'\n')?;
            failed(id, format!("line is longer than {maximum} bytes"))
        } else if line.trim_ascii().is_empty() {
            continue;
        } else {
            answer(line.trim_ascii())
        };
        serde_json::to_writer(&mut *output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
}

/// The answer to one line.
fn answer(line: &[u8]) -> Value {
    let request = match serde_json::from_slice(line) {
        Ok(Value::Object(request)) => request,
        Ok(_) => return failed(Value::Null, "not a JSON object"),
        Err(error) => return failed(salvaged_id(line), format!("not JSON: {error}")),
    };
    let id = request.get("id").cloned().unwrap_or_default();
    match respond(&request) {
        Ok(mut response) => {
            response["id"] = id;
            response
        }
        Err(error) => failed(id, error),
    }
}

fn failed(id: Value, error: impl Into<String>) -> Value {
    json!({"id": id, "error": error.into()})
}

/// What stands behind the first `"id":` of a line that is not JSON, if that is a whole value.
fn salvaged_id(line: &[u8]) -> Value {
    const KEY: &[u8] = br#""id""#;
    for at in 0..line.len().saturating_sub(KEY.len()) {
        let Some(behind) = line[at..].strip_prefix(KEY) else {
            continue;
        };
        let Some(value) = behind.trim_ascii_start().strip_prefix(b":") else {
            continue;
        };
        let mut values = serde_json::Deserializer::from_slice(value).into_iter();
        return match values.next() {
            // A number at the very end may have lost digits.
            Some(Ok(id)) if values.byte_offset() < value.len() => id,
            _ => Value::Null,
        };
    }
    Value::Null
}

fn respond(request: &Map<String, Value>) -> Result<Value, String> {
    let text = |name: &str| match request.get(name) {
        Some(Value::String(text)) => Ok(Some(&text[..])),
        Some(Value::Null) | None => Ok(None),
        Some(_) => Err(format!("{name} is not a string")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| format!("{name} is missing"));
    let op = text("op")?.unwrap_or("decode");
    if !["decode", "topic", "filter", "match"].contains(&op) {
        return Err(format!("unknown op {op}"));
    }
    let name = needed("version")?;
    let (version, options) =
        json::receiver(name).ok_or_else(|| format!("unsupported version {name}"))?;
    match op {
        "topic" => Ok(checked(version, TopicName::new(needed("topic")?).err())),
        "filter" => {
            let error = TopicFilter::new(version, needed("filter")?).err();
            Ok(checked(version, error))
        }
        "match" => {
            let (filter, topic) = (needed("filter")?, needed("topic")?);
            let filter = TopicFilter::new(version, filter).map_err(|e| format!("filter: {e}"))?;
            let topic = TopicName::new(topic).map_err(|e| format!("topic: {e}"))?;
            Ok(json!({"result": filter.matches(&topic)}))
        }
        _ => {
            let direction = text("direction")?.unwrap_or("any");
            let sender =
                json::sender(direction).ok_or_else(|| format!("unknown direction {direction}"))?;
            let bytes = json::unhex(needed("hex")?).ok_or("hex is not pairs of digits")?;
            let mut input = &bytes[..];
            let options = options.with_sender(sender);
            Ok(match Packet::decode(version, &options, &mut input) {
                Ok(Some(packet)) => decoded(json::packet(version, &packet), input.len()),
                Ok(None) => json!({"result": "incomplete"}),
                Err(error) => refused(version, &error),
            })
        }
    }
}

fn decoded(packet: Value, rest: usize) -> Value {
    let mut response = json!({"result": "ok", "packet": packet});
    if rest != 0 {
        response["rest"] = rest.into();
    }
    response
}

/// The two kinds of errors are those of 5.0, section 1.2. Before 5.0 there are no reason codes.
fn refused(version: Version, error: &DecodeError) -> Value {
    let reason = error.violation().reason_code();
    let mut response = json!({
        "result": match reason {
            ReasonCode::MalformedPacket => "malformed",
            _ => "protocol-error",
        },
        "statement": error.statement(),
        "offset": error.offset(),
    });
    if version == Version::V5 {
        response["reason"] = json::code(reason.as_u8()).into();
    }
    response
}

fn checked(version: Version, error: Option<TopicError>) -> Value {
    match error {
        None => json!({"result": true}),
        Some(error) => {
            let statement = match (error, version) {
                // The length that a packet could not even say.
                (TopicError::TooLong, Version::V31) => "section 2.5",
                (TopicError::TooLong, _) => "MQTT-4.7.3-3",
                // Of all strings, and of topics once more.
                (TopicError::NullCharacter, Version::V311 | Version::V5) => "MQTT-4.7.3-2",
                (error, _) => Violation::from(error).statement(version),
            };
            json!({"result": false, "statement": statement})
        }
    }
}
