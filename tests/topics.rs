//! Topic Names, Topic Filters and matching: tables, a small world tried out whole, and random text, the latter two against
//! a reference that splits at slashes and compares level by level.

#[path = "support/reference.rs"]
mod reference;

use std::borrow::Cow;

use proptest::prelude::*;
use reference::{
    check_topics, is_well_formed, level_matches, levels, name_is_well_formed, parts, wildcard_fault,
};
use sansio_mqtt::{TopicError, TopicFilter, TopicName, Version};

use TopicError::{
    Empty, EmptyShareName, MisplacedMultiLevelWildcard, MisplacedSingleLevelWildcard,
    NullCharacter, ShareName, TooLong, WildcardInName,
};
use Version::{V5, V311};

fn name_error(text: &str) -> Option<TopicError> {
    TopicName::new(text).err()
}

fn filter_error(version: Version, text: &str) -> Option<TopicError> {
    TopicFilter::new(version, text).err()
}

fn matches(filter: &str, name: &str) -> bool {
    let filter = TopicFilter::new(V5, filter).unwrap();
    filter.matches(&TopicName::new(name).unwrap())
}

// --- tables ----------------------------------------------------------------------------------------------------------

#[test]
fn names() {
    for name in [
        "a",
        "/",
        "//",
        "/a",
        "a/",
        "a//b",
        " ",
        "a b",
        "$",
        "$SYS",
        "$SYS/x",
        "a/$b",
        "$share",
        "$share/",
        "$share/g/t",
        "é",
        "é/日本",
        "🦀/🦀",
        "\u{feff}a",
        "\u{1}",
        "\u{ffff}",
        "sensors/eu-west/device-0042/temperature",
    ] {
        assert_eq!(name_error(name), None, "{name:?}");
        assert_eq!(TopicName::new(name).unwrap().as_str(), name);
    }
    for (name, error) in [
        ("", Empty),
        ("\0", NullCharacter),
        ("a\0b", NullCharacter),
        ("sensors/eu-west/device-0042/temperature\0", NullCharacter),
        ("+", WildcardInName),
        ("#", WildcardInName),
        ("a+", WildcardInName),
        ("a/#", WildcardInName),
        ("é/+/é", WildcardInName),
        ("#sensors/eu-west/device-0042/temperature", WildcardInName),
    ] {
        assert_eq!(name_error(name), Some(error), "{name:?}");
    }
}

#[test]
fn filters_of_both_versions() {
    for filter in [
        "a",
        "/",
        "//",
        "a/",
        "/a",
        "+",
        "#",
        "/+",
        "+/",
        "/#",
        "+/+",
        "+/#",
        "a/+/b",
        "a/#",
        "a//#",
        "+//+",
        "$SYS/#",
        "$SYS/+",
        "a/$b/+",
        "$",
        "$share",
        "$shared/g",
        "$SHARE/g",
        "é/+/日本/#",
        " ",
        "a b",
        "🦀",
    ] {
        for version in [V311, V5] {
            assert_eq!(filter_error(version, filter), None, "{filter:?}");
            let made = TopicFilter::new(version, filter).unwrap();
            assert_eq!(
                (made.as_str(), made.filter(), made.share_name()),
                (filter, filter, None)
            );
            assert_eq!(
                made.has_wildcard(),
                filter.contains(['+', '#']),
                "{filter:?}"
            );
        }
    }
    for (filter, error) in [
        ("", Empty),
        ("\0", NullCharacter),
        ("a\0b", NullCharacter),
        ("a/\0", NullCharacter),
        ("#\0", NullCharacter),
        ("##", MisplacedMultiLevelWildcard),
        ("#/", MisplacedMultiLevelWildcard),
        ("#/a", MisplacedMultiLevelWildcard),
        ("a#", MisplacedMultiLevelWildcard),
        ("a/b#", MisplacedMultiLevelWildcard),
        ("a/#/b", MisplacedMultiLevelWildcard),
        ("#a", MisplacedMultiLevelWildcard),
        ("++", MisplacedSingleLevelWildcard),
        ("+#", MisplacedSingleLevelWildcard),
        ("#+", MisplacedMultiLevelWildcard),
        ("a+", MisplacedSingleLevelWildcard),
        ("+a", MisplacedSingleLevelWildcard),
        ("+a/b", MisplacedSingleLevelWildcard),
        ("a/+b/c", MisplacedSingleLevelWildcard),
        ("a/b+/c", MisplacedSingleLevelWildcard),
        ("é+", MisplacedSingleLevelWildcard),
        ("+é", MisplacedSingleLevelWildcard),
        ("日本#", MisplacedMultiLevelWildcard),
        (
            "sensors/eu-west/device-0042/temperature+",
            MisplacedSingleLevelWildcard,
        ),
    ] {
        for version in [V311, V5] {
            assert_eq!(filter_error(version, filter), Some(error), "{filter:?}");
        }
    }
}

#[test]
fn shared_filters_are_for_5_0() {
    for (filter, name, inner) in [
        ("$share/g/t", "g", "t"),
        ("$share/g/#", "g", "#"),
        ("$share/g/+/a", "g", "+/a"),
        ("$share/g//", "g", "/"),
        ("$share/g//a", "g", "/a"),
        ("$share/日本/é/+", "日本", "é/+"),
        ("$share/$/t", "$", "t"),
        ("$share/g/$share/h/t", "g", "$share/h/t"),
    ] {
        let made = TopicFilter::new(V5, filter).unwrap();
        assert_eq!(
            (made.as_str(), made.share_name(), made.filter()),
            (filter, Some(name), inner)
        );
        assert_eq!(made.has_wildcard(), inner.contains(['+', '#']));
        let made = TopicFilter::new(V311, filter).unwrap();
        assert_eq!(
            (made.as_str(), made.share_name(), made.filter()),
            (filter, None, filter)
        );
    }
    for (filter, in_5_0, in_3_1_1) in [
        ("$share/", EmptyShareName, None),
        ("$share//", EmptyShareName, None),
        ("$share//t", EmptyShareName, None),
        ("$share/g", ShareName, None),
        ("$share/g/", ShareName, None),
        ("$share/+/t", ShareName, None),
        ("$share/#", ShareName, None),
        ("$share/g+/t", ShareName, Some(MisplacedSingleLevelWildcard)),
        ("$share/g#/t", ShareName, Some(MisplacedMultiLevelWildcard)),
        ("$share/#/t", ShareName, Some(MisplacedMultiLevelWildcard)),
        ("$share/g\0/t", NullCharacter, Some(NullCharacter)),
        ("$share/g/t\0", NullCharacter, Some(NullCharacter)),
        (
            "$share/g/t#",
            MisplacedMultiLevelWildcard,
            Some(MisplacedMultiLevelWildcard),
        ),
        (
            "$share/g/#/t",
            MisplacedMultiLevelWildcard,
            Some(MisplacedMultiLevelWildcard),
        ),
        (
            "$share/g/+t",
            MisplacedSingleLevelWildcard,
            Some(MisplacedSingleLevelWildcard),
        ),
    ] {
        assert_eq!(filter_error(V5, filter), Some(in_5_0), "{filter:?}");
        assert_eq!(filter_error(V311, filter), in_3_1_1, "{filter:?}");
    }
}

#[test]
fn lengths_are_counted_in_bytes() {
    let longest = "a".repeat(65_535);
    let multibyte = "é".repeat(32_768);
    let shared = format!("$share/g/{}", "a".repeat(65_535 - 9));
    assert_eq!(name_error(&longest), None);
    assert_eq!(filter_error(V5, &longest), None);
    assert_eq!(filter_error(V5, &shared), None);
    for too_long in [format!("{longest}a"), multibyte, format!("{shared}a")] {
        assert_eq!(name_error(&too_long), Some(TooLong));
        assert_eq!(filter_error(V311, &too_long), Some(TooLong));
        assert_eq!(filter_error(V5, &too_long), Some(TooLong));
    }
}

#[test]
fn matching() {
    for (filter, yes, no) in [
        // `#` stands for its parent too.
        (
            "sport/#",
            &["sport", "sport/", "sport/a", "sport/a/b"][..],
            &["sports", "spor", "a/sport", "$sport"][..],
        ),
        (
            "a/+/#",
            &["a/", "a/b", "a//", "a/b/c", "a/b/c/d"],
            &["a", "b/a", "/a"],
        ),
        ("/#", &["/", "/a", "//", "/a/b"], &["a", "a/"]),
        (
            "+/#",
            &["a", "/", "a/b", "/a", "a/$b"],
            &["$a", "$a/b", "$"],
        ),
        (
            "#",
            &["a", "/", "//", "/$a", "é", "a$"],
            &["$", "$a", "$/a", "$SYS"],
        ),
        // `+` is one level, an empty one too.
        (
            "+",
            &["a", "é", "a$", "🦀"],
            &["a/", "/", "/a", "a/b", "$a", "$"],
        ),
        ("/+", &["/", "/a", "/$a"], &["a", "//", "/a/"]),
        ("+/", &["/", "a/"], &["a", "//", "a/b", "$a/"]),
        (
            "+/+",
            &["/", "a/", "/a", "a/b"],
            &["a", "//", "a/b/c", "$a/b"],
        ),
        ("a/+", &["a/", "a/b", "a/$b"], &["a", "a/b/c", "a//", "b/b"]),
        (
            "a/+/b",
            &["a/x/b", "a//b", "a/éé/b"],
            &["a/b", "a/x/c", "a/x/y/b", "a/x/b/"],
        ),
        (
            "+/a/+/b/+",
            &["x/a/y/b/z", "/a//b/"],
            &["x/a/y/b", "x/b/y/b/z"],
        ),
        // Empty levels are levels.
        ("a", &["a"], &["/a", "a/", "A", "b", "ab"]),
        ("/", &["/"], &["//", "a"]),
        ("a//b", &["a//b"], &["a/b", "a///b"]),
        ("//", &["//"], &["/", "///"]),
        // Only the first byte of the name decides about `$`.
        (
            "$SYS/#",
            &["$SYS", "$SYS/", "$SYS/a/b"],
            &["$SY", "$SYSa", "SYS", "a/$SYS"],
        ),
        (
            "$SYS/+",
            &["$SYS/", "$SYS/a", "$SYS/$a"],
            &["$SYS", "$SYS/a/b"],
        ),
        ("$/+", &["$/", "$/a"], &["$", "$a/b"]),
        ("a/#", &["a/$SYS", "a/$/b"], &["$a", "$a/b"]),
        ("$share", &["$share"], &["$share/g"]),
        // It holds for the filter inside `$share/{ShareName}/`.
        (
            "$share/g/#",
            &["a", "a/b", "/"],
            &["$SYS", "$SYS/a", "$share", "$share/g/a"],
        ),
        ("$share/g/+/a", &["b/a", "/a"], &["$SYS/a", "$share/g/b/a"]),
        (
            "$share/g/$SYS/#",
            &["$SYS", "$SYS/a"],
            &["a", "$share/g/$SYS"],
        ),
        ("$share/g/a", &["a"], &["g/a", "$share/g/a"]),
        // Bytes are compared as they are; no normalisation [MQTT-4.7.3-4].
        ("é", &["é"], &["e\u{301}", "e"]),
        ("é/+", &["é/è", "é/"], &["è/é"]),
        ("日本/#", &["日本", "日本/日"], &["日", "日本本", "日/本"]),
        // Longer than a machine word, with the difference in every part of it.
        (
            "sensors/eu-west/+/temperature",
            &[
                "sensors/eu-west/device-0042/temperature",
                "sensors/eu-west//temperature",
            ],
            &[
                "sensors/eu-west/device-0042/temperaturE",
                "sensors/eu-west/device-0042/temperature/",
                "sensorS/eu-west/x/temperature",
                "sensors/eu-west/device-0042/temperatur",
                "sensors/eu-west/device-0042/x/temperature",
            ],
        ),
        (
            "0123456789abcde",
            &["0123456789abcde"],
            &["0123456789abcdef", "0123456789abcd", "x123456789abcde"],
        ),
    ] {
        for name in yes {
            assert!(matches(filter, name), "{filter:?} should match {name:?}");
        }
        for name in no {
            assert!(
                !matches(filter, name),
                "{filter:?} should not match {name:?}"
            );
        }
    }
}

#[test]
fn in_3_1_1_share_is_matched_literally() {
    let filter = TopicFilter::new(V311, "$share/g/+").unwrap();
    assert!(filter.matches(&TopicName::new("$share/g/a").unwrap()));
    assert!(!filter.matches(&TopicName::new("a").unwrap()));
}

/// As many levels as a topic can have: neither the stack nor the time may suffer.
#[test]
fn the_deepest_topics() {
    let slashes = "/".repeat(65_535);
    let pluses = "+/".repeat(32_767) + "+";
    let open = "+/".repeat(32_767) + "#";
    let half = "/".repeat(32_767);
    assert!(matches(&slashes, &slashes));
    assert!(matches("#", &slashes));
    assert!(matches("/#", &slashes));
    assert!(matches(&pluses, &half));
    assert!(matches(&open, &half));
    assert!(matches(&open, &slashes));
    assert!(!matches(&pluses, &slashes));
    assert!(!matches(&slashes, &half));
    assert_eq!(TopicName::new(slashes).unwrap().levels().count(), 65_536);
}

#[test]
fn texts_are_kept_as_given() {
    let owned = TopicName::new(String::from("a/b")).unwrap();
    let borrowed = TopicName::new("a/b").unwrap();
    assert_eq!(owned, borrowed);
    assert_eq!(borrowed.clone().into_owned(), owned);
    assert_eq!(format!("{owned}|{borrowed:>5}"), "a/b|  a/b");

    let owned = TopicFilter::new(V5, String::from("$share/g/a")).unwrap();
    let borrowed = TopicFilter::new(V5, Cow::Borrowed("$share/g/a")).unwrap();
    assert_eq!(owned, borrowed);
    assert_eq!(borrowed.clone().into_owned(), owned);
    assert_eq!(format!("{owned}|{borrowed:>12}"), "$share/g/a|  $share/g/a");
    assert_eq!(AsRef::<str>::as_ref(&owned), "$share/g/a");
    assert_ne!(owned, TopicFilter::new(V311, "$share/g/a").unwrap());
}

// --- against the reference -------------------------------------------------------------------------------------------

/// Every text over `alphabet` with 1 to `longest` characters.
fn world(alphabet: &[char], longest: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut start = 0;
    for _ in 0..longest {
        let end = all.len();
        for i in start..end {
            for c in alphabet {
                let text = format!("{}{c}", all[i]);
                all.push(text);
            }
        }
        start = end;
    }
    all.remove(0);
    all
}

#[test]
fn a_small_world_whole() {
    let names = world(&['a', 'b', '$', '/'], 5);
    let names: Vec<_> = names
        .iter()
        .map(|text| (levels(text), TopicName::new(text.as_str()).unwrap()))
        .collect();
    let mut pairs = 0;
    for text in world(&['a', 'b', '+', '#', '$', '/'], 5) {
        assert_eq!(
            name_error(&text),
            text.contains(['+', '#']).then_some(WildcardInName),
            "{text:?}"
        );
        let expected = wildcard_fault(&text);
        for version in [V311, V5] {
            assert_eq!(filter_error(version, &text), expected, "{text:?}");
        }
        if expected.is_some() {
            continue;
        }
        let filter = TopicFilter::new(V5, text.as_str()).unwrap();
        let shared = TopicFilter::new(V5, format!("$share/g/{text}")).unwrap();
        let filter_levels = levels(&text);
        for (name_levels, name) in &names {
            let expected = level_matches(&filter_levels, name_levels);
            assert_eq!(filter.matches(name), expected, "{filter:?} {name:?}");
            assert_eq!(shared.matches(name), expected, "{shared:?} {name:?}");
            pairs += usize::from(expected);
        }
    }
    assert!(pairs > 10_000, "the world is too small: {pairs}");
}

/// Filters are checked in pieces: every short text at every place of a longer one. The odd signs have the codes next to
/// those of the wildcards and the slash.
#[test]
fn a_small_world_inside_longer_filters() {
    for text in world(&['é', '+', '#', '/', '.', '*', '"', '\0'], 4) {
        for before in 0..10 {
            for after in ["", "/", "/+/12345678", "12345678/#"] {
                let filter = format!("{}/{text}{after}", &"123456789"[..before]);
                let good = filter_error(V311, &filter).is_none();
                assert_eq!(good, is_well_formed(&filter), "{filter:?}");
            }
        }
    }
}

fn joined(level: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(level, 1..7).prop_map(|levels| levels.join("/"))
}

fn level() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        3 => "[ab$é]{1,2}",
        2 => "\\PC{0,12}",
        1 => "[a-z日$]{6,20}",
        1 => any::<String>(),
    ]
}

/// A name and a filter made from it by turning levels into wildcards, so that matches are common.
fn related() -> impl Strategy<Value = (String, String)> {
    joined(level()).prop_flat_map(|name| {
        let count = name.split('/').count();
        let keep = prop::collection::vec(0..4u8, count);
        (Just(name), keep, 0..=count, 0..3u8).prop_map(|(name, keep, cut, end)| {
            let mut filter: Vec<&str> = name
                .split('/')
                .zip(keep)
                .map(|(level, keep)| if keep == 0 { "+" } else { level })
                .collect();
            match end {
                0 => {
                    filter.truncate(cut);
                    filter.push("#");
                }
                1 => filter.truncate(cut.max(1)),
                _ => {}
            }
            let filter = filter.join("/");
            (name, filter)
        })
    })
}

proptest! {
    #[test]
    fn checks_agree_with_the_reference(text in prop_oneof![
        joined(prop_oneof![level(), Just("+".into()), Just("#".into()), "[a+#é]{1,2}"]),
        any::<String>(),
        "\\$share/[g+#é\0/]{0,3}/[a+#/]{0,4}",
    ]) {
        prop_assert_eq!(name_error(&text).is_none(), name_is_well_formed(&text));
        prop_assert_eq!(filter_error(V311, &text).is_none(), is_well_formed(&text));
        prop_assert_eq!(filter_error(V5, &text).is_none(), parts(V5, &text).is_some());
        check_topics(&text, &text);
    }

    #[test]
    fn matches_agrees_with_the_reference(
        (name, filter) in prop_oneof![
            4 => related(),
            1 => (joined(level()), joined(prop_oneof![level(), Just("+".into())])),
        ]
    ) {
        let Ok(made_name) = TopicName::new(name.as_str()) else { return Ok(()) };
        let Ok(made) = TopicFilter::new(V311, filter.as_str()) else { return Ok(()) };
        let expected = level_matches(&levels(&filter), &levels(&name));
        prop_assert_eq!(made.matches(&made_name), expected);
        if let Ok(shared) = TopicFilter::new(V5, format!("$share/g/{filter}")) {
            prop_assert_eq!(shared.matches(&made_name), expected);
        }
    }
}
