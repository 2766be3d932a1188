//! The crate's own time: it reads no clock, so the caller says what time it is.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::Add;
use core::time::Duration;

/// Milliseconds since an origin that the caller chooses.
///
/// Only differences matter, so any monotonic source does: a hardware counter, the system's clock, the
/// virtual clock of a test. All arithmetic saturates: a clock that jumps or stands still cannot make a
/// timer wrap around. One that may not be set (`Option<Instant>`) takes no more memory than one that is.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Instant(
    /// One more than the milliseconds.
    NonZeroU64,
);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    pub(crate) const LAST: Self = Self(NonZeroU64::MAX);

    /// The instant this many milliseconds after the origin; the last one there is, for `u64::MAX`, is a millisecond before
    /// that.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(millis))
    }

    /// Milliseconds since the origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0.get() - 1
    }

    /// This instant and a duration, or the last instant there is. A part of a millisecond counts as a
    /// whole one, so that nothing is ever due before its time.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis_rounded_up(duration)))
    }

    /// The time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instant").field(&self.as_millis()).finish()
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The same as [`Instant::saturating_add`].
    fn add(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }
}

const fn millis_rounded_up(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1000)
        .saturating_add(duration.subsec_nanos().div_ceil(1_000_000) as u64)
}

/// The system's monotonic clock as [`Instant`]s, with the moment of its making as the origin.
#[cfg(feature = "std")]
#[derive(Copy, Clone, Debug)]
pub struct Clock(std::time::Instant);

#[cfg(feature = "std")]
impl Clock {
    /// A clock that reads zero now.
    #[must_use]
    pub fn new() -> Self {
        Self(std::time::Instant::now())
    }

    /// Whole milliseconds since [`Clock::new`].
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// How long to sleep until `deadline`; zero if it has passed.
    ///
    /// Counted from the exact time, not from the whole milliseconds of [`Clock::now`]: who sleeps that long
    /// reads at least `deadline` afterwards and does not spin through the last millisecond.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Duration {
        Duration::from_millis(deadline.as_millis()).saturating_sub(self.0.elapsed())
    }
}

#[cfg(feature = "std")]
impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let end = Instant::from_millis(u64::MAX);
        assert_eq!(end + Duration::from_millis(1), end);
        assert_eq!(Instant::ZERO + Duration::MAX, end);
        assert_eq!(end.as_millis(), u64::MAX - 1);
        assert_eq!(Instant::from_millis(u64::MAX - 1), end);
        assert_eq!(Instant::ZERO.saturating_duration_since(end), Duration::ZERO);
        assert_eq!(
            Instant::from_millis(7).saturating_duration_since(Instant::from_millis(5)),
            Duration::from_millis(2)
        );
    }

    #[test]
    fn nothing_is_due_early() {
        assert_eq!(
            Instant::ZERO + Duration::from_nanos(1),
            Instant::from_millis(1)
        );
        assert_eq!(
            Instant::ZERO + Duration::from_millis(1),
            Instant::from_millis(1)
        );
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_sleep_until_the_deadline_reaches_it() {
        let clock = Clock::new();
        let deadline = clock.now() + Duration::from_millis(2);
        std::thread::sleep(clock.until(deadline));
        assert!(clock.now() >= deadline);
        assert_eq!(clock.until(Instant::ZERO), Duration::ZERO);
    }
}
