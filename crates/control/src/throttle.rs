//! Failed logins slow down. The decision is pure: time is passed in. A token that was good before is looked at whatever its
//! address has done, so that nobody locks others out by guessing from the same address.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many failures are answered at once.
const FREE: u32 = 5;
/// From so many failures on, tokens that were not good before are looked at one in [`PACE`], and the others refused.
const REFUSE: u32 = 60;
const PACE: Duration = Duration::from_secs(1);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Failures are forgotten after this time without one.
const FORGET: Duration = Duration::from_secs(60);
/// Addresses that are remembered at most.
const ADDRESSES: usize = 10_000;
/// Good tokens that are remembered at most.
const TOKENS: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// When a token was looked at last although there were too many failures.
    looked: Option<Instant>,
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<IpAddr, Failures>,
    /// Tokens that were good, by a hash whose key nobody knows.
    good: HashSet<u64>,
    hasher: RandomState,
}

/// Those who hold one address of IPv6 hold its whole network.
fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

fn is_fresh(failures: &Failures, now: Instant) -> bool {
    now.saturating_duration_since(failures.last) < FORGET
}

impl Throttle {
    /// Somebody at `address` shows a token. Errs with the time to wait where it is not to be looked at.
    pub(crate) fn handle_attempt(&mut self, address: IpAddr, token: &str, now: Instant) -> Result<(), Duration> {
        if self.good.contains(&self.hasher.hash_one(token)) {
            return Ok(());
        }
        let Some(failures) = self.failures.get_mut(&holder(address)).filter(|failures| is_fresh(failures, now)) else {
            return Ok(());
        };
        if failures.count < REFUSE {
            return Ok(());
        }
        if failures.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= PACE) {
            failures.looked = Some(now);
            return Ok(());
        }
        Err(FORGET)
    }

    /// The token was good.
    pub(crate) fn handle_success(&mut self, token: &str) {
        let hash = self.hasher.hash_one(token);
        if self.good.len() >= TOKENS && !self.good.contains(&hash) {
            self.good.clear();
        }
        self.good.insert(hash);
    }

    /// The token was not good, or is so no longer. Gives the time after which to say so.
    pub(crate) fn handle_failure(&mut self, address: IpAddr, token: &str, now: Instant) -> Duration {
        self.good.remove(&self.hasher.hash_one(token));
        let address = holder(address);
        if self.failures.len() >= ADDRESSES && !self.failures.contains_key(&address) {
            self.failures.retain(|_, failures| is_fresh(failures, now));
            if self.failures.len() >= ADDRESSES {
                // Too many to remember: treat everybody unknown as one who has failed often.
                return LONGEST_DELAY;
            }
        }
        let failures = self.failures.entry(address).or_insert(Failures { count: 0, last: now, looked: None });
        if !is_fresh(failures, now) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        let Some(over) = failures.count.checked_sub(FREE + 1) else {
            return Duration::ZERO;
        };
        FIRST_DELAY.saturating_mul(1u32.checked_shl(over).unwrap_or(u32::MAX)).min(LONGEST_DELAY)
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
        let delays: Vec<Duration> = (0..12).map(|_| throttle.handle_failure(address(1), "x", start)).collect();
        assert!(delays[..5].iter().all(|delay| *delay == Duration::ZERO));
        assert_eq!(delays[5], Duration::from_millis(100));
        assert_eq!(delays[6], Duration::from_millis(200));
        assert_eq!(delays[11], LONGEST_DELAY);
        assert_eq!(throttle.handle_failure(address(2), "x", start), Duration::ZERO);
        assert_eq!(throttle.handle_failure(address(1), "x", start + FORGET), Duration::ZERO);
    }

    #[test]
    fn after_sixty_failures_one_guess_a_second_is_looked_at() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        throttle.handle_success("good");
        for number in 0..REFUSE {
            let guess = format!("guess {number}");
            assert_eq!(throttle.handle_attempt(address(1), &guess, start), Ok(()));
            throttle.handle_failure(address(1), &guess, start);
        }
        // Five minutes of guesses, a hundred each second.
        let mut looked_at = 0;
        for tick in 0..30_000 {
            let now = start + Duration::from_millis(10) * tick;
            if throttle.handle_attempt(address(1), "guess", now).is_ok() {
                looked_at += 1;
                assert_eq!(throttle.handle_failure(address(1), "guess", now), LONGEST_DELAY);
            }
            assert_eq!(throttle.handle_attempt(address(1), "good", now), Ok(()));
            assert_eq!(throttle.handle_attempt(address(2), "guess", now), Ok(()));
        }
        assert_eq!(looked_at, 300);
        let later = start + Duration::from_secs(300) + FORGET;
        assert_eq!(throttle.handle_attempt(address(1), "guess", later), Ok(()));
        assert_eq!(throttle.handle_failure(address(1), "guess", later), Duration::ZERO);
    }

    #[test]
    fn a_token_that_is_good_no_longer_is_a_guess() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        throttle.handle_success("t");
        for _ in 0..=REFUSE {
            throttle.handle_failure(address(1), "t", start);
        }
        assert_eq!(throttle.handle_attempt(address(1), "t", start), Ok(()));
        assert_eq!(throttle.handle_attempt(address(1), "t", start), Err(FORGET));
    }

    #[test]
    fn addresses_of_one_holder_count_together() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        for number in 0..u16::try_from(REFUSE).unwrap_or_default() {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, number, number);
            throttle.handle_failure(address.into(), "x", start);
        }
        let of_network = |network| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 9, 9, 9, 9));
        assert!(throttle.handle_attempt(of_network(1), "x", start).is_ok());
        assert!(throttle.handle_attempt(of_network(1), "x", start).is_err());
        assert!(throttle.handle_attempt(of_network(2), "x", start).is_ok());
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        assert_eq!(holder(mapped.into()), IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        for number in 0..20_000 {
            throttle.handle_failure(address(number), "x", start);
            throttle.handle_success(&number.to_string());
        }
        assert_eq!(throttle.failures.len(), ADDRESSES);
        assert!(throttle.good.len() <= TOKENS);
        throttle.handle_failure(address(30_000), "x", start + FORGET);
        assert_eq!(throttle.failures.len(), 1);
    }
}
