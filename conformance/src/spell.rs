//! What a vector writes short, spelt out. Nothing here trusts the file.

use serde_json::{Map, Value};

/// The longest text or list that is spelt out: the largest packet in hexadecimal, with some room.
const LIMIT: usize = 2 * 268_435_460;

/// A text in `key`, or in pieces in `runs_key`.
pub(crate) fn text(vector: &Value, key: &str, runs_key: &str) -> Result<String, String> {
    if let Some(text) = vector[key].as_str() {
        return Ok(text.to_owned());
    }
    let runs = vector[runs_key]
        .as_array()
        .ok_or_else(|| format!("neither {key} nor {runs_key}"))?;
    let mut out = String::new();
    for run in runs {
        let piece = run[0].as_str().ok_or("a piece that is no text")?;
        repeat(&mut out, piece, &run[1])?;
    }
    Ok(out)
}

/// A packet with its long texts and lists spelt out.
pub(crate) fn packet(value: &Value) -> Result<Value, String> {
    match value {
        Value::Object(map) if map.contains_key("repeat") => {
            let piece = packet(&value["repeat"])?;
            let mut out = String::new();
            let piece = piece
                .as_str()
                .ok_or("a repetition of something else than text")?;
            repeat(&mut out, piece, &value["times"])?;
            Ok(out.into())
        }
        Value::Object(map) if map.contains_key("concat") => {
            let parts = value["concat"]
                .as_array()
                .ok_or("a concat that is no list")?;
            let mut out = String::new();
            for part in parts {
                let part = packet(part)?;
                let part = part.as_str().ok_or("a part that is no text")?;
                repeat(&mut out, part, &Value::from(1))?;
            }
            Ok(out.into())
        }
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                out.insert(key.clone(), packet(value)?);
            }
            Ok(out.into())
        }
        Value::Array(list) => {
            let mut out = Vec::new();
            for element in list {
                if element.get("repeat").is_some() {
                    let times = times(&element["times"], 1)?;
                    let element = packet(&element["repeat"])?;
                    out.extend(std::iter::repeat_n(element, times));
                } else {
                    out.push(packet(element)?);
                }
            }
            Ok(out.into())
        }
        other => Ok(other.clone()),
    }
}

fn repeat(out: &mut String, piece: &str, many: &Value) -> Result<(), String> {
    let many = times(many, piece.len().max(1))?;
    if out.len() + many * piece.len() > LIMIT {
        return Err("a text that is longer than any packet".into());
    }
    out.push_str(&piece.repeat(many));
    Ok(())
}

fn times(value: &Value, size: usize) -> Result<usize, String> {
    value
        .as_u64()
        .and_then(|many| usize::try_from(many).ok())
        .filter(|many| many.checked_mul(size).is_some_and(|size| size <= LIMIT))
        .ok_or_else(|| format!("{value} is no number of repetitions"))
}

/// A long text cut, for people.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// A long text cut at a word.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else {
        return text.to_owned();
    };
    let kept = &text[..end];
    let kept = kept.rsplit_once(' ').map_or(kept, |(kept, _)| kept);
    format!("{kept} …")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{cut, packet, text};

    #[test]
    fn short_forms() {
        let short = json!({"a": {"concat": ["x", {"repeat": "ab", "times": 2}]}, "l": [1, {"repeat": ["k"], "times": 2}]});
        assert_eq!(
            packet(&short),
            Ok(json!({"a": "xabab", "l": [1, ["k"], ["k"]]}))
        );
        let runs = json!({"runs": [["30ff", 1], ["61", 3]]});
        assert_eq!(text(&runs, "hex", "runs"), Ok("30ff616161".into()));
        assert_eq!(cut("abc", 2), "ab… (3 bytes)");
    }

    #[test]
    fn too_much_is_refused() {
        let short = json!({"repeat": "a", "times": 1_000_000_000_000_u64});
        assert!(packet(&short).is_err());
        assert!(text(&json!({"runs": [["61", u64::MAX]]}), "hex", "runs").is_err());
        assert!(text(&json!({"runs": [["61", -1]]}), "hex", "runs").is_err());
        assert!(text(&json!({}), "hex", "runs").is_err());
    }
}
