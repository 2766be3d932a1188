//! A signal that ends a run before its time: what is begun is ended as always, so that nothing is left behind.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a run did not come to its end.
pub(crate) const INTERRUPTED: &str = "interrupted";
/// Of a shell that was interrupted.
const AT_ONCE: i32 = 130;

static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT, SIGTERM and SIGHUP end the run; a second one ends the program at once.
pub(crate) fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if IS_INTERRUPTED.swap(true, Ordering::Relaxed) {
            process::exit(AT_ONCE);
        }
    })
}

pub(crate) fn is_interrupted() -> bool {
    IS_INTERRUPTED.load(Ordering::Relaxed)
}
