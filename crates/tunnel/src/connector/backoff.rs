//! How long to wait before a connection is tried again. Pure: chance is passed in.

use std::time::Duration;

/// 2^5 = 32 s is the longest range.
const MAX_EXPONENT: u32 = 5;
/// After a connection that worked, the next is tried within this time.
const AT_ONCE: Duration = Duration::from_millis(200);
/// A connection that was registered for this long worked.
const WORKED: Duration = Duration::from_secs(5);

/// Failures of one connection since it last worked.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    /// One quick retry was spent since it last worked.
    hurried: bool,
}

impl Backoff {
    /// The wait after a connection that was registered for `registered_for` (`None`: it never was).
    /// `chance` is in [0, 1).
    pub(crate) fn after(&mut self, registered_for: Option<Duration>, chance: f64) -> Duration {
        if registered_for.is_some_and(|lived| lived >= WORKED) {
            self.failures = 0;
            self.hurried = false;
        }
        if registered_for.is_some() && !self.hurried {
            self.hurried = true;
            return AT_ONCE.mul_f64(chance);
        }
        self.failures = (self.failures + 1).min(MAX_EXPONENT);
        Duration::from_secs(1 << self.failures).mul_f64(chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_doubles_up_to_32_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..7).map(|_| backoff.after(None, 0.999_999).as_secs_f64().round() as u64).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 32, 32]);
        assert_eq!(backoff.after(None, 0.0), Duration::ZERO);
    }

    #[test]
    fn what_worked_is_tried_again_at_once_but_only_once() {
        let mut backoff = Backoff::default();
        backoff.after(None, 0.5);
        assert!(backoff.after(Some(Duration::from_secs(60)), 0.99) < AT_ONCE);
        // Registered and thrown out again and again: no loop without a pause.
        assert_eq!(backoff.after(Some(Duration::ZERO), 0.5), Duration::from_secs(1));
        assert_eq!(backoff.after(Some(Duration::ZERO), 0.5), Duration::from_secs(2));
        assert!(backoff.after(Some(WORKED), 0.99) < AT_ONCE);
    }
}
