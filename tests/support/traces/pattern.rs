//! Whether a packet fits a pattern: fields that are left out fit anything, and what is captured once has to come again.

use std::collections::BTreeMap;

use serde_json::Value;

/// What was captured, by name.
pub(crate) type Captured = BTreeMap<String, Value>;

/// The pattern with what was captured in its place: what is sent.
pub(crate) fn filled(value: &Value, captured: &Captured) -> Value {
    match value {
        Value::Object(map) => match map.get("var").and_then(Value::as_str) {
            // What was never captured stays as it is, and cannot be sent.
            Some(name) => captured.get(name).unwrap_or(value).clone(),
            None => map
                .iter()
                .map(|(key, value)| (key.clone(), filled(value, captured)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        },
        Value::Array(list) => list.iter().map(|one| filled(one, captured)).collect(),
        other => other.clone(),
    }
}

/// Fits it to the packet, with what is captured then, or says what does not fit.
pub(crate) fn fit(
    pattern: &Value,
    packet: &Value,
    captured: &Captured,
) -> Result<Captured, String> {
    let mut captured = captured.clone();
    walk(pattern, Some(packet), &mut captured).map_err(|(path, text)| format!("{path}: {text}"))?;
    Ok(captured)
}

type Misfit = (String, String);

fn walk(pattern: &Value, value: Option<&Value>, captured: &mut Captured) -> Result<(), Misfit> {
    let misfit = |text: String| Err((String::new(), text));
    let within = |key: &str, result: Result<(), Misfit>| {
        result.map_err(|(path, text)| (format!("/{key}{path}"), text))
    };
    if pattern.get("absent").is_some() {
        return match value {
            None => Ok(()),
            Some(value) => misfit(format!("{value} where nothing should be")),
        };
    }
    let Some(value) = value else {
        return misfit(format!("nothing where {pattern} should be"));
    };
    match pattern {
        Value::Object(map) => {
            if let Some(name) = map.get("var").and_then(Value::as_str) {
                let others = map.get("differs").and_then(Value::as_array);
                for other in others.into_iter().flatten().filter_map(Value::as_str) {
                    if captured.get(other) == Some(value) {
                        return misfit(format!("{value} is {other}"));
                    }
                }
                return match captured.get(name) {
                    Some(first) if first != value => misfit(format!("{value}, {name} is {first}")),
                    Some(_) => Ok(()),
                    None => {
                        captured.insert(name.into(), value.clone());
                        Ok(())
                    }
                };
            }
            if let Some(Value::Array(choices)) = map.get("one_of") {
                return match choices.contains(value) {
                    true => Ok(()),
                    false => misfit(format!("{value} is none of {pattern}")),
                };
            }
            if map.contains_key("min") || map.contains_key("max") {
                let number = value.as_u64();
                let bound = |key: &str| map.get(key).and_then(Value::as_u64);
                let fits = number.is_some_and(|number| {
                    bound("min").is_none_or(|min| min <= number)
                        && bound("max").is_none_or(|max| number <= max)
                });
                return match fits {
                    true => Ok(()),
                    false => misfit(format!("{value} is out of {pattern}")),
                };
            }
            if !value.is_object() {
                return misfit(format!("{value} is not {pattern}"));
            }
            for (key, pattern) in map {
                within(key, walk(pattern, value.get(key), captured))?;
            }
            Ok(())
        }
        Value::Array(patterns) => {
            let values = value.as_array().map_or(&[][..], Vec::as_slice);
            if patterns.len() != values.len() {
                return misfit(format!("{value} is not as long as {pattern}"));
            }
            for (index, (pattern, value)) in patterns.iter().zip(values).enumerate() {
                within(&index.to_string(), walk(pattern, Some(value), captured))?;
            }
            Ok(())
        }
        pattern if pattern == value => Ok(()),
        pattern => misfit(format!("{value} is not {pattern}")),
    }
}
