use super::TopicError;
use super::name::is_wildcard;
use crate::types::Version;

const PREFIX: &[u8] = b"$share/";

/// Where the Topic Filter inside `$share/{ShareName}/{filter}` starts, or 0 if `text` is no Shared Subscription.
///
/// `$share` alone and `$shared/x` are ordinary filters; whatever begins with `$share/` must have a share name of at least
/// one character without wildcards, a slash and a filter (5.0: [MQTT-4.8.2-1], [MQTT-4.8.2-2]). Before 5.0 nothing is
/// said of `$share`.
#[inline(always)]
pub(super) fn inner_start(version: Version, text: &[u8]) -> Result<usize, TopicError> {
    match text.strip_prefix(PREFIX) {
        Some(rest) if version == Version::V5 => behind_prefix(rest),
        _ => Ok(0),
    }
}

#[inline(never)]
fn behind_prefix(rest: &[u8]) -> Result<usize, TopicError> {
    if let [] | [b'/', ..] = rest {
        return Err(TopicError::EmptyShareName);
    }
    let length = rest.iter().position(|&byte| byte == b'/');
    let Some((name, [_slash, _, ..])) = length.and_then(|length| rest.split_at_checked(length))
    else {
        return Err(TopicError::ShareName);
    };
    if name.contains(&0) {
        return Err(TopicError::NullCharacter);
    }
    if name.iter().any(|&byte| is_wildcard(byte)) {
        return Err(TopicError::ShareName);
    }
    Ok(PREFIX.len() + name.len() + 1)
}

/// The share name in front of an inner filter that starts at `inner`.
pub(super) fn share_name(text: &str, inner: usize) -> Option<&str> {
    text.get(PREFIX.len()..inner.checked_sub(1)?)
}
