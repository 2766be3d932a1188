//! Random histories of a broker and many clients in virtual time, with links that break and a broker that crashes, held to
//! what MQTT guarantees. `SANSIO_MQTT_SIMULATE` says how many seeds, `SANSIO_MQTT_SEED` names one to be run again.

#[path = "support/broker_simulation/mod.rs"]
mod broker_simulation;

use broker_simulation::{Totals, run};

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

#[test]
fn guarantees_hold_for_many_clients() {
    if let Some(seed) = number("SANSIO_MQTT_SEED") {
        println!("{}", run(seed));
        return;
    }
    let seeds = number("SANSIO_MQTT_SIMULATE").unwrap_or(24);
    let mut totals = Totals::default();
    for seed in 0..seeds {
        totals.add(&run(seed));
    }
    println!("{seeds} seeds, {totals}");
}
