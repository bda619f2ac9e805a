//! New connections per second: a token bucket that holds one second's worth.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket. Time is passed in.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// Tokens at `updated`; absent before the first request, when the bucket is full.
    tokens: Option<(f64, Instant)>,
}

impl RateLimiter {
    /// Takes a token, or says how long until there is one.
    pub(crate) fn take(&mut self, per_second: Option<u32>, now: Instant) -> Result<(), Duration> {
        let Some(per_second) = per_second else { return Ok(()) };
        let rate = f64::from(per_second.max(1));
        let tokens = match self.tokens {
            None => rate,
            Some((tokens, updated)) => (tokens + now.saturating_duration_since(updated).as_secs_f64() * rate).min(rate),
        };
        if tokens < 1.0 {
            self.tokens = Some((tokens, now));
            return Err(Duration::from_secs_f64((1.0 - tokens) / rate));
        }
        self.tokens = Some((tokens - 1.0, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_so_many_and_refills_evenly() {
        let start = Instant::now();
        let mut limiter = RateLimiter::default();
        for _ in 0..4 {
            assert_eq!(limiter.take(Some(4), start), Ok(()));
        }
        assert_eq!(limiter.take(Some(4), start), Err(Duration::from_millis(250)));
        assert_eq!(limiter.take(Some(4), start + Duration::from_millis(250)), Ok(()));
        assert!(limiter.take(Some(4), start + Duration::from_millis(250)).is_err());
        // However long it rests, no more than a second's worth is kept.
        for _ in 0..4 {
            assert_eq!(limiter.take(Some(4), start + Duration::from_secs(60)), Ok(()));
        }
        assert!(limiter.take(Some(4), start + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn no_limit_is_no_limit() {
        let now = Instant::now();
        let mut limiter = RateLimiter::default();
        assert!((0..10_000).all(|_| limiter.take(None, now).is_ok()));
    }
}
