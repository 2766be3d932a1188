//! Cases side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::interrupt::is_interrupted;

/// Does all the jobs with so many threads; `each` is told of each result as it comes.
pub(crate) fn pool<'j, J: Sync, R: Send>(
    jobs: &'j [J],
    workers: usize,
    one: impl Fn(&J) -> R + Sync,
    mut each: impl FnMut(&'j J, R),
) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..workers.min(jobs.len()) {
            let sender = sender.clone();
            let (next, one) = (&next, &one);
            scope.spawn(move || {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = one(job);
                    // What was broken off is no result.
                    if is_interrupted() || sender.send((job, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (job, result) in receiver {
            each(job, result);
        }
    });
}
