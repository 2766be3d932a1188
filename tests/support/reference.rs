// Topic names, filters and matching by splitting at slashes and looking at one level after the other (section 4.7).

use sansio_mqtt::{TopicError, TopicFilter, TopicName, Version};

/// 5: MQTT-4.7.0-1, MQTT-4.7.3-1, -2; 3: MQTT-4.7.1-1, MQTT-4.7.3-1, -2. Without the limit of length.
pub(crate) fn name_is_well_formed(name: &str) -> bool {
    !name.is_empty() && !name.contains(['\0', '+', '#'])
}

/// The first wildcard that does not fill its level, or is a `#` with something behind it (5: MQTT-4.7.1-1, -2; 3:
/// MQTT-4.7.1-2, -3).
pub(crate) fn wildcard_fault(filter: &str) -> Option<TopicError> {
    let characters: Vec<char> = filter.chars().collect();
    characters.iter().enumerate().find_map(|(i, character)| {
        let begins = i == 0 || characters[i - 1] == '/';
        let next = characters.get(i + 1);
        match character {
            '+' if !begins || !matches!(next, None | Some('/')) => {
                Some(TopicError::MisplacedSingleLevelWildcard)
            }
            '#' if !begins || next.is_some() => Some(TopicError::MisplacedMultiLevelWildcard),
            _ => None,
        }
    })
}

pub(crate) fn is_well_formed(filter: &str) -> bool {
    !filter.is_empty() && !filter.contains('\0') && wildcard_fault(filter).is_none()
}

/// The share name and the filter behind it (5: MQTT-4.8.2-1, -2); in 5.0 a filter that is none, in both versions a bad
/// one, is `None`.
pub(crate) fn parts(version: Version, filter: &str) -> Option<(Option<&str>, &str)> {
    let shared = filter.strip_prefix("$share/");
    let (share_name, inner) = match shared.filter(|_| version == Version::V5) {
        None => (None, filter),
        Some(shared) => {
            let (share_name, inner) = shared.split_once('/')?;
            if !name_is_well_formed(share_name) {
                return None;
            }
            (Some(share_name), inner)
        }
    };
    is_well_formed(inner).then_some((share_name, inner))
}

pub(crate) fn levels(text: &str) -> Vec<&str> {
    text.split('/').collect()
}

pub(crate) fn level_matches(filter: &[&str], name: &[&str]) -> bool {
    // MQTT-4.7.2-1
    if name[0].starts_with('$') && matches!(filter[0], "+" | "#") {
        return false;
    }
    for (i, level) in filter.iter().enumerate() {
        match (*level, name.get(i)) {
            ("#", _) => return true, // all levels above were equal, so the parent at least is there
            ("+", Some(_)) => {}
            (level, Some(name)) if level == *name => {}
            _ => return false,
        }
    }
    filter.len() == name.len()
}

/// A filter and a name, in every version: the same verdict, parts and match.
pub(crate) fn check_topics(filter: &str, name: &str) {
    const LONGEST: usize = 65_535;
    let made_name = TopicName::new(name);
    let right = name.len() <= LONGEST && name_is_well_formed(name);
    assert_eq!(made_name.is_ok(), right, "{name:?}");
    if let Ok(made_name) = &made_name {
        assert_eq!(made_name.as_str(), name);
        assert!(made_name.levels().eq(levels(name)), "{name:?}");
    }
    for version in [Version::V31, Version::V311, Version::V5] {
        let made = TopicFilter::new(version, filter);
        let parts = parts(version, filter).filter(|_| filter.len() <= LONGEST);
        let got = made
            .as_ref()
            .ok()
            .map(|made| (made.share_name(), made.filter()));
        assert_eq!(got, parts, "{version} {filter:?}");
        let (Ok(made), Some((_, inner))) = (made, parts) else {
            continue;
        };
        assert_eq!(made.as_str(), filter);
        assert_eq!(made.has_wildcard(), inner.contains(['+', '#']));
        if let Ok(made_name) = &made_name {
            let matches = level_matches(&levels(inner), &levels(name));
            assert_eq!(made.matches(made_name), matches, "{filter:?} {name:?}");
        }
    }
}
