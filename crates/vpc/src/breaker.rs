//! Leaving a failing service alone: after some consecutive failures only a trial now and then is let through.

use std::time::Duration;

use tokio::time::Instant;

use crate::policy::BreakerPolicy;

/// Counts a service's consecutive failures. Time is passed in.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    next_trial: Option<Instant>,
    last_failure: String,
}

/// The breaker is open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// Consecutive failures so far.
    pub failures: u32,
    /// The last of them.
    pub last_failure: String,
    /// Until the next trial is let through.
    pub next_trial_in: Duration,
}

impl Breaker {
    /// Asks to make an attempt. While open, one a trial interval is admitted.
    pub(crate) fn admit(&mut self, policy: Option<&BreakerPolicy>, now: Instant) -> Result<(), Open> {
        let (Some(policy), Some(next_trial)) = (policy, self.next_trial) else { return Ok(()) };
        if now < next_trial {
            return Err(Open {
                failures: self.failures,
                last_failure: self.last_failure.clone(),
                next_trial_in: next_trial - now,
            });
        }
        self.next_trial = Some(now + policy.trial_every);
        Ok(())
    }

    /// What an attempt would be told now, without making one.
    pub(crate) fn look(&self, now: Instant) -> Option<Open> {
        let next_trial_in = self.next_trial?.checked_duration_since(now).filter(|wait| !wait.is_zero())?;
        Some(Open { failures: self.failures, last_failure: self.last_failure.clone(), next_trial_in })
    }

    /// An attempt reached the service.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// An attempt failed in a way that speaks against the service as a whole.
    pub(crate) fn failed(&mut self, policy: Option<&BreakerPolicy>, now: Instant, what: impl Into<String>) {
        let Some(policy) = policy else { return };
        self.failures = self.failures.saturating_add(1);
        self.last_failure = what.into();
        if self.failures >= policy.failures {
            self.next_trial = Some(now + policy.trial_every);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy { failures: 3, trial_every: Duration::from_secs(5) };

    #[test]
    fn opens_after_consecutive_failures_and_lets_one_trial_through() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            assert_eq!(breaker.admit(Some(&POLICY), at(0)), Ok(()));
            breaker.failed(Some(&POLICY), at(0), "connection_refused");
        }
        let open = breaker.admit(Some(&POLICY), at(2));
        assert_eq!(
            open,
            Err(Open {
                failures: 3,
                last_failure: "connection_refused".to_owned(),
                next_trial_in: Duration::from_secs(3)
            })
        );
        // The trial interval is over: one attempt passes, the next one waits again, before and after its failure.
        assert_eq!(breaker.admit(Some(&POLICY), at(5)), Ok(()));
        assert!(breaker.admit(Some(&POLICY), at(6)).is_err());
        breaker.failed(Some(&POLICY), at(7), "connection_timeout");
        assert!(breaker.admit(Some(&POLICY), at(11)).is_err());
        assert_eq!(breaker.admit(Some(&POLICY), at(12)), Ok(()));
        breaker.succeeded();
        assert_eq!(breaker.admit(Some(&POLICY), at(12)), Ok(()));
        assert_eq!(breaker.admit(Some(&POLICY), at(12)), Ok(()));
    }

    #[test]
    fn success_in_between_starts_the_count_again() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(Some(&POLICY), now, "x");
            breaker.failed(Some(&POLICY), now, "x");
            breaker.succeeded();
            assert_eq!(breaker.admit(Some(&POLICY), now), Ok(()));
        }
    }

    #[test]
    fn without_a_policy_it_never_opens() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker.failed(None, now, "x");
        }
        assert_eq!(breaker.admit(None, now), Ok(()));
    }
}
