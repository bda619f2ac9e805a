//! Bounds by peer address: open connections without a registration, and failed registrations. Pure, time is passed in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The most addresses remembered.
const MAX_ADDRESSES: usize = 16 * 1024;
/// One failure is forgiven in this time.
const FORGIVEN: Duration = Duration::from_secs(1);

/// An IPv6 host owns a /64, so that is what counts as one address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

/// A leaky bucket of failures for each address.
#[derive(Debug)]
pub(crate) struct FailureLimiter {
    burst: u32,
    /// When the bucket will be empty.
    addresses: HashMap<IpAddr, Instant>,
}

impl FailureLimiter {
    pub(crate) fn new(burst: u32) -> Self {
        Self { burst, addresses: HashMap::new() }
    }

    /// Whether a registration from `address` is looked at.
    pub(crate) fn allows(&self, address: IpAddr, now: Instant) -> bool {
        let level =
            self.addresses.get(&network(address)).map_or(Duration::ZERO, |empty| empty.saturating_duration_since(now));
        level + FORGIVEN <= FORGIVEN * self.burst
    }

    /// Counts a failure.
    pub(crate) fn record(&mut self, address: IpAddr, now: Instant) {
        if self.addresses.len() >= MAX_ADDRESSES {
            self.addresses.retain(|_, empty| *empty > now);
            if self.addresses.len() >= MAX_ADDRESSES {
                // As many attackers as can be remembered: forget them all rather than grow.
                self.addresses.clear();
            }
        }
        let most = now + FORGIVEN * self.burst;
        let empty = self.addresses.entry(network(address)).or_insert(now);
        *empty = ((*empty).max(now) + FORGIVEN).min(most);
    }
}

/// Counts connections by address.
#[derive(Debug)]
pub(crate) struct AddressCounter {
    limit: usize,
    total_limit: usize,
    total: usize,
    addresses: HashMap<IpAddr, usize>,
}

impl AddressCounter {
    pub(crate) fn new(limit: usize, total_limit: usize) -> Self {
        Self { limit, total_limit, total: 0, addresses: HashMap::new() }
    }

    /// Takes a place; [`Self::leave`] gives it back.
    pub(crate) fn enter(&mut self, address: IpAddr) -> bool {
        let count = self.addresses.entry(network(address)).or_default();
        if self.total >= self.total_limit || *count >= self.limit {
            if *count == 0 {
                self.addresses.remove(&network(address));
            }
            return false;
        }
        *count += 1;
        self.total += 1;
        true
    }

    pub(crate) fn leave(&mut self, address: IpAddr) {
        let address = network(address);
        if let Some(count) = self.addresses.get_mut(&address) {
            *count -= 1;
            self.total = self.total.saturating_sub(1);
            if *count == 0 {
                self.addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn failures_fill_the_bucket_and_time_empties_it() {
        let start = Instant::now();
        let mut limiter = FailureLimiter::new(3);
        for _ in 0..3 {
            assert!(limiter.allows(HERE, start));
            limiter.record(HERE, start);
        }
        assert!(!limiter.allows(HERE, start));
        assert!(limiter.allows(IpAddr::from([10, 0, 0, 1]), start));
        assert!(limiter.allows(HERE, start + Duration::from_millis(1100)));
        limiter.record(HERE, start + Duration::from_millis(1100));
        assert!(!limiter.allows(HERE, start + Duration::from_millis(1101)));
        assert!(limiter.allows(HERE, start + Duration::from_secs(10)));
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut limiter = FailureLimiter::new(3);
        for number in 0..3 * MAX_ADDRESSES as u32 {
            limiter.record(IpAddr::from(number.to_be_bytes()), start);
        }
        assert!(limiter.addresses.len() <= MAX_ADDRESSES);
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let start = Instant::now();
        let mut limiter = FailureLimiter::new(1);
        limiter.record("2001:db8::1".parse().unwrap_or(HERE), start);
        assert!(!limiter.allows("2001:db8::2".parse().unwrap_or(HERE), start));
        assert_eq!(network("::ffff:127.0.0.1".parse().unwrap_or(HERE)), HERE);
    }

    #[test]
    fn places_are_counted() {
        let mut counter = AddressCounter::new(2, 3);
        let other = IpAddr::from([10, 0, 0, 1]);
        assert!(counter.enter(HERE) && counter.enter(HERE) && !counter.enter(HERE));
        assert!(counter.enter(other) && !counter.enter(other));
        counter.leave(HERE);
        assert!(counter.enter(other));
        counter.leave(HERE);
        assert_eq!(counter.addresses.len(), 1);
    }
}
