//! Failed logins slow down. The decision is pure: time is passed in. Requests with a good token never come here, so
//! that nobody can lock others out by guessing from the same address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// So many failures are answered at once.
const FREE: u32 = 5;
/// From so many failures on, guesses are refused without being looked at any more.
const REFUSE: u32 = 60;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Failures are forgotten after this time without one.
const FORGET: Duration = Duration::from_secs(60);
/// Addresses that are remembered at most.
const ADDRESSES: usize = 10_000;

/// What to do with a failed login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer after this time.
    Delay(Duration),
    /// Answer at once that there were too many, and when to come back.
    Refuse(Duration),
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<IpAddr, (u32, Instant)>,
}

impl Throttle {
    /// A login from `address` failed.
    pub(crate) fn handle_failure(&mut self, address: IpAddr, now: Instant) -> Verdict {
        let fresh = |last: Instant| now.saturating_duration_since(last) < FORGET;
        if self.failures.len() >= ADDRESSES && !self.failures.contains_key(&address) {
            self.failures.retain(|_, (_, last)| fresh(*last));
            if self.failures.len() >= ADDRESSES {
                // Too many to remember: treat everybody unknown as one who has failed often.
                return Verdict::Delay(LONGEST_DELAY);
            }
        }
        let (count, last) = self.failures.entry(address).or_insert((0, now));
        if !fresh(*last) {
            *count = 0;
        }
        *count = count.saturating_add(1);
        *last = now;
        if *count > REFUSE {
            return Verdict::Refuse(FORGET);
        }
        let Some(over) = count.checked_sub(FREE + 1) else {
            return Verdict::Delay(Duration::ZERO);
        };
        Verdict::Delay(FIRST_DELAY.saturating_mul(1u32.checked_shl(over).unwrap_or(u32::MAX)).min(LONGEST_DELAY))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn failures_cost_more_and_more_and_are_forgotten() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        let delays: Vec<Verdict> = (0..12).map(|_| throttle.handle_failure(address(1), start)).collect();
        assert!(delays[..5].iter().all(|d| *d == Verdict::Delay(Duration::ZERO)));
        assert_eq!(delays[5], Verdict::Delay(Duration::from_millis(100)));
        assert_eq!(delays[6], Verdict::Delay(Duration::from_millis(200)));
        assert_eq!(delays[11], Verdict::Delay(LONGEST_DELAY));
        assert_eq!(throttle.handle_failure(address(2), start), Verdict::Delay(Duration::ZERO));
        assert_eq!(throttle.handle_failure(address(1), start + FORGET), Verdict::Delay(Duration::ZERO));
    }

    #[test]
    fn after_sixty_failures_guesses_are_refused() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..REFUSE {
            assert!(matches!(throttle.handle_failure(address(1), start), Verdict::Delay(_)));
        }
        assert_eq!(throttle.handle_failure(address(1), start), Verdict::Refuse(FORGET));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        for number in 0..20_000 {
            throttle.handle_failure(address(number), start);
        }
        assert_eq!(throttle.failures.len(), ADDRESSES);
        throttle.handle_failure(address(30_000), start + FORGET);
        assert_eq!(throttle.failures.len(), 1);
    }
}
