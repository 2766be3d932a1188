//! Two honest connections over a link that chunks, delays and breaks, held to the guarantees of delivery; with and without
//! calls that have no reason, which make no difference.
#![no_main]

#[path = "../../tests/support/machine.rs"]
mod machine;
#[path = "../../tests/support/simulation.rs"]
mod simulation;
#[path = "../../tests/support/watch.rs"]
mod watch;

use simulation::{History, run};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let history = History(
        data.chunks_exact(8)
            .map(|part| part.try_into().expect("eight"))
            .collect(),
    );
    let plain = run(&history, None);
    assert!(
        run(&history, Some(data.len() as u64)) == plain,
        "calls without a reason have changed it"
    );
});
