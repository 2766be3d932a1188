//! Every state that a client, a server and a link between them can reach within bounds, on the shipped code.
//!
//! `cargo test` looks at small bounds. `SANSIO_MQTT_EXPLORE=bounded` takes about a minute and `=full` some more, both
//! with `cargo test --release --lib explore -- --nocapture --test-threads=1`, which prints what was explored. The rules
//! that every state is held to are in `rules`, `oracle` and, for time, in `time`; `search` says how the way to rest is shown.

mod oracle;
mod rules;
mod search;
mod time;
mod world;

use std::string::String;
use std::vec::Vec;
use std::{format, println};

use world::{Acknowledging, Loss, Publishing, Setup, Time};

use crate::{QoS, Version};

#[derive(Copy, Clone, PartialEq, PartialOrd)]
enum Bounds {
    Small,
    Bounded,
    Full,
}

fn bounds() -> Bounds {
    match std::env::var("SANSIO_MQTT_EXPLORE").as_deref() {
        Ok("full") => Bounds::Full,
        Ok("bounded") => Bounds::Bounded,
        Ok(other) => panic!("SANSIO_MQTT_EXPLORE is {other}: full or bounded is meant"),
        Err(_) => Bounds::Small,
    }
}

/// QoS 1 and 2 in the order of publishing: `"21"` is a message of QoS 2, then one of QoS 1.
fn messages(text: &str) -> Vec<QoS> {
    text.chars()
        .map(|qos| match qos {
            '0' => QoS::AtMostOnce,
            '1' => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        })
        .collect()
}

/// Both keep their sessions, everything is published at once and acknowledged automatically.
fn setup(version: Version, client: &str, server: &str) -> Setup {
    Setup {
        version,
        messages: [messages(client), messages(server)],
        receive_maximum: [2, 2],
        cuts: 2,
        losses: 0,
        lose: &[],
        publishing: Publishing::AtOnce,
        acknowledging: Acknowledging::Automatic,
        time: None,
    }
}

/// Explores each and prints a line for it.
fn run(group: &str, setups: &[Setup]) {
    let (mut states, mut transitions, mut depth) = (0, 0, 0);
    for setup in setups {
        let explored = match search::explore(setup) {
            Ok(explored) => explored,
            Err(counterexample) => panic!(
                "{}\n{} after {} steps:\n{:#?}",
                describe(setup),
                counterexample.fault,
                counterexample.steps.len(),
                counterexample.steps
            ),
        };
        println!(
            "{group}: {} | {} states, {} transitions, {} deep, {} at rest",
            describe(setup),
            explored.states,
            explored.transitions,
            explored.depth,
            explored.at_rest
        );
        states += explored.states;
        transitions += explored.transitions;
        depth = depth.max(explored.depth);
    }
    println!(
        "{group}: {} setups, {states} states, {transitions} transitions, {depth} deep",
        setups.len()
    );
}

fn describe(setup: &Setup) -> String {
    let digits = |messages: &[QoS]| -> String {
        let digits = messages.iter().map(|&qos| char::from(b'0' + qos as u8));
        format!("{:>3}", digits.collect::<String>())
    };
    let mut text = format!(
        "{:?} messages {} {} receive maximum {:?} cuts {}",
        setup.version,
        digits(&setup.messages[0]),
        digits(&setup.messages[1]),
        setup.receive_maximum,
        setup.cuts
    );
    if setup.losses > 0 {
        text += &format!(" losses {} of {:?}", setup.losses, setup.lose);
    }
    if setup.publishing != Publishing::AtOnce {
        text += &format!(" publishing {:?}", setup.publishing);
    }
    if setup.acknowledging != Acknowledging::Automatic {
        text += &format!(" acknowledging {:?}", setup.acknowledging);
    }
    if let Some(time) = setup.time {
        text += &format!(" {time:?}");
    }
    text
}

/// The setups of 5.0 with each Receive Maximum; 3.1.1 announces none.
fn with_maxima(setups: Vec<Setup>) -> Vec<Setup> {
    let mut all = Vec::new();
    for setup in setups {
        let maxima: &[[u16; 2]] = match setup.version {
            Version::V5 => &[[2, 2], [1, 1]],
            _ => &[setup.receive_maximum],
        };
        all.extend(maxima.iter().map(|&receive_maximum| Setup {
            receive_maximum,
            ..setup.clone()
        }));
    }
    all
}

const VERSIONS: [Version; 2] = [Version::V5, Version::V311];

/// What one side publishes while the other publishes nothing; then both.
fn traffic(version: Version, alone: &[&str], both: &[(&str, &str)]) -> Vec<Setup> {
    let mut setups = Vec::new();
    for messages in alone {
        setups.push(setup(version, messages, ""));
        setups.push(setup(version, "", messages));
    }
    for (client, server) in both {
        setups.push(setup(version, client, server));
    }
    setups
}

#[test]
fn deliveries() {
    let mut setups = Vec::new();
    for version in VERSIONS {
        let (alone, both): (&[&str], &[(&str, &str)]) = match bounds() {
            Bounds::Small => (&["22", "21", "12", "11", "212"], &[("2", "2"), ("2", "1")]),
            Bounds::Bounded => (
                &[
                    "222", "221", "212", "122", "211", "121", "112", "111", "202",
                ],
                &[
                    ("2", "2"),
                    ("21", "2"),
                    ("2", "12"),
                    ("21", "21"),
                    ("22", "2"),
                ],
            ),
            Bounds::Full => (
                &[
                    "222", "221", "212", "122", "211", "121", "112", "111", "202",
                ],
                &[
                    ("21", "21"),
                    ("21", "12"),
                    ("22", "21"),
                    ("21", "22"),
                    ("11", "22"),
                    ("222", "2"),
                    ("2", "222"),
                    ("22", "22"),
                    ("212", "21"),
                    ("12", "212"),
                ],
            ),
        };
        let cuts = if bounds() == Bounds::Small { 2 } else { 3 };
        setups.extend(
            traffic(version, alone, both)
                .into_iter()
                .map(|setup| Setup { cuts, ..setup }),
        );
    }
    run("deliveries", &with_maxima(setups));
}

/// Publishing at any moment, in both ways of doing so.
#[test]
fn publishing_at_any_time() {
    let mut setups = Vec::new();
    for version in VERSIONS {
        let (alone, both): (&[&str], &[(&str, &str)]) = match bounds() {
            Bounds::Small => (&["22", "21", "20"], &[("2", "2")]),
            Bounds::Bounded => (&["212", "221", "201"], &[("21", "2"), ("2", "12")]),
            Bounds::Full => (
                &["222", "212", "221", "201", "121"],
                &[("21", "21"), ("22", "2"), ("2", "22"), ("02", "20")],
            ),
        };
        let cuts = if bounds() == Bounds::Full { 3 } else { 2 };
        setups.extend(
            traffic(version, alone, both)
                .into_iter()
                .map(|setup| Setup {
                    cuts,
                    publishing: Publishing::Freely,
                    ..setup
                }),
        );
    }
    run("publishing at any time", &with_maxima(setups));
}

/// The applications acknowledge themselves, in any order, and refuse messages (5.0).
#[test]
fn acknowledgements() {
    let mut setups = Vec::new();
    for version in VERSIONS {
        let (alone, both): (&[&str], &[(&str, &str)]) = match bounds() {
            Bounds::Small => (&["22", "21", "12"], &[]),
            Bounds::Bounded => (&["222", "212", "121", "112"], &[("2", "2"), ("21", "1")]),
            Bounds::Full => (
                &["222", "221", "212", "122", "211", "121", "112", "111"],
                &[("21", "2"), ("2", "12")],
            ),
        };
        let kinds: &[Acknowledging] = match version {
            Version::V5 => &[Acknowledging::Manual, Acknowledging::Refusing],
            _ => &[Acknowledging::Manual],
        };
        let cuts = if bounds() == Bounds::Full { 2 } else { 1 };
        for &acknowledging in kinds {
            for mut setup in traffic(version, alone, both) {
                setup.acknowledging = acknowledging;
                setup.cuts = cuts;
                if version == Version::V311 {
                    // Announced to nobody, but the connection reads no further.
                    setups.push(Setup {
                        receive_maximum: [1, 1],
                        ..setup.clone()
                    });
                }
                setups.push(setup);
            }
        }
    }
    run("acknowledgements", &with_maxima(setups));
}

/// A side loses its session: what was under way is reported once by the other, what only waited is sent.
#[test]
fn lost_sessions() {
    let mut setups = Vec::new();
    for version in VERSIONS {
        let (alone, both): (&[&str], &[(&str, &str)]) = match bounds() {
            Bounds::Small => (&["21"], &[("2", "1")]),
            Bounds::Bounded => (&["212", "22", "12"], &[("21", "2"), ("2", "21")]),
            Bounds::Full => (&["212", "222", "121"], &[("21", "2"), ("2", "21")]),
        };
        let lose: &[&[Loss]] = match bounds() {
            Bounds::Small => &[&[Loss::Server], &[Loss::Client], &[Loss::ClientGoesOn]],
            _ => &[
                &[Loss::Server],
                &[Loss::Client],
                &[Loss::Server, Loss::Client, Loss::ClientGoesOn],
            ],
        };
        for &lose in lose {
            setups.extend(
                traffic(version, alone, both)
                    .into_iter()
                    .map(|setup| Setup {
                        cuts: 2,
                        losses: if bounds() == Bounds::Full { 2 } else { 1 },
                        lose,
                        publishing: Publishing::Freely,
                        ..setup
                    }),
            );
        }
    }
    run("lost sessions", &with_maxima(setups));
}

/// Keep alive, pings and the opening, on a link that delivers in time and on one that does as it likes.
#[test]
fn deadlines() {
    let mut setups = Vec::new();
    for version in VERSIONS {
        for prompt in [true, false] {
            let (both, steps): (&[(&str, &str)], _) = match bounds() {
                Bounds::Small => (&[("", ""), ("2", ""), ("", "1")], 3),
                Bounds::Bounded => (&[("", ""), ("2", ""), ("", "2"), ("1", "1")], 4),
                Bounds::Full => (&[("", ""), ("2", ""), ("", "2"), ("1", "1"), ("21", "")], 5),
            };
            setups.extend(traffic(version, &[], both).into_iter().map(|setup| Setup {
                cuts: 1,
                time: Some(Time {
                    keep_alive: 10,
                    steps: if prompt { 2 * steps } else { steps },
                    prompt,
                }),
                ..setup
            }));
        }
    }
    run("deadlines", &setups);
}
