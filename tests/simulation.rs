//! Long random histories of a client and a server, held to the guarantees of delivery. `PROPTEST_CASES` says how many; each
//! is run with and without calls that have no reason, which must make no difference.

#[path = "support/machine.rs"]
mod machine;
#[path = "support/simulation.rs"]
mod simulation;
#[path = "support/watch.rs"]
mod watch;

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use simulation::{History, run};

static HISTORIES: AtomicUsize = AtomicUsize::new(0);
static MESSAGES: AtomicUsize = AtomicUsize::new(0);
static DELIVERIES: AtomicUsize = AtomicUsize::new(0);
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// Half of a history's records are few and half are many: what is short is found and told in a short one.
fn histories() -> impl Strategy<Value = History> {
    prop_oneof![vec(any::<[u8; 8]>(), 1..60), vec(any::<[u8; 8]>(), 1..600)].prop_map(History)
}

fn check(history: &History, seed: u64) {
    let plain = run(history, None);
    let spurious = run(history, Some(seed));
    for (one, other) in plain.lines.iter().zip(&spurious.lines) {
        assert_eq!(one, other, "calls without a reason have changed it");
    }
    assert_eq!(plain.lines.len(), spurious.lines.len());
    HISTORIES.fetch_add(1, Ordering::Relaxed);
    MESSAGES.fetch_add(plain.messages, Ordering::Relaxed);
    DELIVERIES.fetch_add(plain.deliveries, Ordering::Relaxed);
    CONNECTIONS.fetch_add(plain.connections, Ordering::Relaxed);
}

#[test]
fn guarantees_hold_over_long_histories() {
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    // PROPTEST_CASES, or what takes some seconds.
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config.cases,
        None => 200,
    };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases, ..config });
    let result = runner.run(&(histories(), any::<u64>()), |(history, seed)| {
        check(&history, seed);
        Ok(())
    });
    println!(
        "{} histories, {} connections, {} messages, {} deliveries",
        HISTORIES.load(Ordering::Relaxed),
        CONNECTIONS.load(Ordering::Relaxed),
        MESSAGES.load(Ordering::Relaxed),
        DELIVERIES.load(Ordering::Relaxed),
    );
    if let Err(error) = result {
        panic!("{error}");
    }
}
