//! One filter with one topic, checks of both, and the rules of the standard that some get wrong.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::from_utf8;
use std::time::{Duration, Instant};

use mqtt_topic_engine::{CacheStrategy, TopicPath, TopicPatternPath};
use sansio_mqtt::{TopicFilter, TopicName, Version};

use crate::matcher::{
    self, Linear, Matcher, Mqtt5Protocol, OneToOne, Ours, Quill, Rumqttc, TopicEngine,
};
use crate::table::{Goal, Section};
use crate::textbook::Trie;
use crate::{OURS, say};

/// 43 bytes.
const NAME: &str = "sensors/eu-west/device-0042/temperature/raw";
const FILTERS: [(&str, &str, f64); 4] = [
    ("exact", NAME, 6.8),
    ("one +", "sensors/eu-west/+/temperature/raw", 8.8),
    ("three +", "sensors/+/+/+/raw", 19.5),
    ("#", "sensors/#", 3.8),
];
const FILTER: &str = "sensors/+/device-0042/temperature/raw-value";

/// Filter, topic, and whether they match: the examples of the standard, and what others are known to get wrong.
const RULES: [(&str, &str, bool); 34] = [
    ("sport/tennis/player1/#", "sport/tennis/player1", true),
    (
        "sport/tennis/player1/#",
        "sport/tennis/player1/ranking",
        true,
    ),
    (
        "sport/tennis/player1/#",
        "sport/tennis/player1/score/wimbledon",
        true,
    ),
    ("sport/#", "sport", true),
    ("#", "sport/tennis", true),
    ("#", "/finance", true),
    ("sport/tennis/+", "sport/tennis/player1", true),
    ("sport/tennis/+", "sport/tennis/player1/ranking", false),
    ("sport/+", "sport", false),
    ("sport/+", "sport/", true),
    ("+", "sport", true),
    ("+", "/finance", false),
    ("+/+", "/finance", true),
    ("/+", "/finance", true),
    ("+/tennis/#", "sport/tennis", true),
    ("#", "$SYS/uptime", false),
    ("+/monitor/Clients", "$SYS/monitor/Clients", false),
    ("$SYS/#", "$SYS/uptime", true),
    ("$SYS/#", "$SYS", true),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
    ("a/#", "a/$b", true),
    ("a/+", "a/$b", true),
    ("a//b", "a//b", true),
    ("a//b", "a/b", false),
    ("a/+/b", "a//b", true),
    ("a/b", "a/b/", false),
    ("a/b/", "a/b", false),
    ("/", "/", true),
    ("A", "a", false),
    ("a/#", "ab", false),
    ("+/+/#", "a", false),
    ("a/+/#", "a/", true),
    ("été/+", "été/a", true),
    ("+/a", "無線機/a", true),
];

pub(crate) fn sections() -> [Section; 2] {
    say("one to one");
    [times(), rules()]
}

fn times() -> Section {
    let mut section = Section::new("one filter and one topic of 43 bytes, ns");
    for (what, filter, goal) in FILTERS {
        let what = format!("match: {what}");
        let mut put = |column, time| {
            section.put(&what, column, time);
        };
        let (ours, topic) = (matcher::filter(filter), matcher::topic(NAME));
        put(OURS, each(|| black_box(&ours).matches(black_box(&topic))));
        for (column, matches) in [
            (Rumqttc::NAME, Rumqttc::matches as fn(&str, &str) -> bool),
            (Mqtt5Protocol::NAME, Mqtt5Protocol::matches),
        ] {
            put(column, each(|| matches(black_box(filter), black_box(NAME))));
        }
        // These two match what was made of filter and topic before: here, outside of the time.
        let pattern = TopicPatternPath::new_from_string(filter, CacheStrategy::NoCache);
        let pattern = pattern.expect("a filter");
        let path = std::sync::Arc::new(TopicPath::new(NAME));
        put(
            TopicEngine::NAME,
            each(|| black_box(&pattern).try_match(path.clone()).is_ok()),
        );
        let pattern = quill::Pattern::parse(filter).expect("a filter");
        let topic = quill::Topic::parse(NAME).expect("a topic");
        put(
            Quill::NAME,
            each(|| black_box(&pattern).matches(black_box(&topic))),
        );
        section.set_goal(&what, Goal::AtMost(goal));
    }
    type Check = fn(&str) -> bool;
    let topics: [(_, Check); 3] = [
        (OURS, |text| TopicName::new(text).is_ok()),
        (Rumqttc::NAME, rumqttc::valid_topic),
        (Mqtt5Protocol::NAME, mqtt5_protocol::is_valid_topic_name),
    ];
    let filters: [(_, Check); 3] = [
        (OURS, |text| TopicFilter::new(Version::V5, text).is_ok()),
        (Rumqttc::NAME, rumqttc::valid_filter),
        (Mqtt5Protocol::NAME, mqtt5_protocol::is_valid_topic_filter),
    ];
    for (what, text, checks, goal) in [
        ("check of a topic, with UTF-8", NAME, topics, 12.0),
        (
            "check of a filter with +, with UTF-8",
            FILTER,
            filters,
            32.0,
        ),
    ] {
        for (column, check) in checks {
            let time = each(|| from_utf8(black_box(text.as_bytes())).is_ok_and(check));
            section.put(what, column, time).goal = Goal::AtMost(goal);
        }
    }
    section
}

/// Rules of the standard that someone breaks.
fn rules() -> Section {
    let mut section = Section::new(format!("wrong, of {} filters and topics", RULES.len()));
    // Some panic.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    wrong::<Ours<false>>(&mut section);
    wrong::<Trie>(&mut section);
    wrong::<TopicEngine>(&mut section);
    wrong::<Quill>(&mut section);
    wrong::<Linear<Rumqttc>>(&mut section);
    wrong::<Linear<Mqtt5Protocol>>(&mut section);
    std::panic::set_hook(hook);
    section
}

fn wrong<M: Matcher>(section: &mut Section) {
    let matches = |filter, topic| {
        let mut matcher = M::new();
        matcher.insert(&M::filter(filter), 0);
        let mut found = Vec::new();
        matcher.matches(&M::topic(topic), &mut found);
        !found.is_empty()
    };
    let wrong = RULES.iter().filter(|&&(filter, topic, right)| {
        catch_unwind(AssertUnwindSafe(|| matches(filter, topic))).ok() != Some(right)
    });
    let row = section.put("wrong", M::NAME, wrong.count() as f64);
    row.with_ratios = false;
}

/// ns, the best of many batches.
fn each(mut run: impl FnMut() -> bool) -> f64 {
    const BATCHES: usize = 200;
    const LENGTH: u32 = 2_000;
    let mut best = Duration::MAX;
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..LENGTH {
            black_box(run());
        }
        best = best.min(start.elapsed());
    }
    best.as_nanos() as f64 / f64::from(LENGTH)
}
