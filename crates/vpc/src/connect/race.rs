//! Which address to try next, and when (RFC 8305, "Happy Eyeballs", in its essentials). Sans-IO: time is passed in.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

/// How long one address has before the next one is tried beside it (RFC 8305 section 5).
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many addresses are tried at most.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start connecting to this address.
    Start(SocketAddr),
    /// Wait for an attempt to end; after this moment ask again.
    WaitUntil(Instant),
    /// Wait for an attempt to end.
    Wait,
    /// All have failed.
    Exhausted,
}

/// The race of the addresses of one name.
#[derive(Debug)]
pub(crate) struct Race {
    waiting: VecDeque<SocketAddr>,
    running: usize,
    next_start: Option<Instant>,
}

impl Race {
    /// A race of these addresses, the families taking turns, IPv6 first (RFC 8305 section 4).
    pub(crate) fn new(addresses: &[SocketAddr]) -> Self {
        let (mut v6, mut v4): (VecDeque<SocketAddr>, VecDeque<SocketAddr>) =
            addresses.iter().partition(|address| address.is_ipv6());
        let mut waiting = VecDeque::new();
        while waiting.len() < MAX_ADDRESSES {
            let before = waiting.len();
            waiting.extend(v6.pop_front());
            waiting.extend(v4.pop_front());
            if waiting.len() == before {
                break;
            }
        }
        waiting.truncate(MAX_ADDRESSES);
        Self { waiting, running: 0, next_start: None }
    }

    /// More addresses, found while others were tried.
    pub(crate) fn join(&mut self, addresses: impl Iterator<Item = SocketAddr>) {
        let room = MAX_ADDRESSES.saturating_sub(self.waiting.len());
        self.waiting.extend(addresses.take(room));
    }

    /// What to do now.
    pub(crate) fn poll(&mut self, now: Instant) -> Step {
        match self.next_start {
            Some(at) if now < at && !self.waiting.is_empty() => Step::WaitUntil(at),
            _ => match self.waiting.pop_front() {
                Some(address) => {
                    self.running += 1;
                    self.next_start = Some(now + ATTEMPT_DELAY);
                    Step::Start(address)
                }
                None if self.running > 0 => Step::Wait,
                None => Step::Exhausted,
            },
        }
    }

    /// A started attempt failed: the next one need not wait.
    pub(crate) fn failed(&mut self) {
        self.running = self.running.saturating_sub(1);
        self.next_start = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let list = addresses(&["10.0.0.1:1", "10.0.0.2:1", "[fd00::1]:1", "[fd00::2]:1", "10.0.0.3:1"]);
        let mut race = Race::new(&list);
        let mut now = Instant::now();
        let mut order = Vec::new();
        loop {
            match race.poll(now) {
                Step::Start(address) => order.push(address),
                Step::WaitUntil(at) => now = at,
                Step::Wait => break,
                Step::Exhausted => unreachable!("attempts are running"),
            }
        }
        assert_eq!(order, addresses(&["[fd00::1]:1", "10.0.0.1:1", "[fd00::2]:1", "10.0.0.2:1", "10.0.0.3:1"]));
    }

    #[test]
    fn the_second_starts_after_the_delay_or_the_first_failure() {
        let start = Instant::now();
        let list = addresses(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
        let mut race = Race::new(&list);
        assert_eq!(race.poll(start), Step::Start(list[0]));
        assert_eq!(race.poll(start), Step::WaitUntil(start + ATTEMPT_DELAY));
        assert_eq!(race.poll(start + ATTEMPT_DELAY), Step::Start(list[1]));
        race.failed();
        assert_eq!(race.poll(start + ATTEMPT_DELAY), Step::Start(list[2]));
        assert_eq!(race.poll(start + ATTEMPT_DELAY), Step::Wait);
        race.failed();
        race.failed();
        assert_eq!(race.poll(start + ATTEMPT_DELAY), Step::Exhausted);
    }

    #[test]
    fn one_that_joins_late_starts_when_its_turn_has_come() {
        let start = Instant::now();
        let list = addresses(&["[fd00::1]:1", "10.0.0.1:1", "10.0.0.2:1"]);
        let mut race = Race::new(&list[..1]);
        assert_eq!(race.poll(start), Step::Start(list[0]));
        assert_eq!(race.poll(start), Step::Wait);
        race.join(list[1..].iter().copied());
        assert_eq!(race.poll(start), Step::WaitUntil(start + ATTEMPT_DELAY));
        assert_eq!(race.poll(start + ATTEMPT_DELAY), Step::Start(list[1]));
        race.failed();
        assert_eq!(race.poll(start + ATTEMPT_DELAY), Step::Start(list[2]));
    }

    #[test]
    fn none_is_exhausted_and_many_are_bounded() {
        assert_eq!(Race::new(&[]).poll(Instant::now()), Step::Exhausted);
        let many: Vec<SocketAddr> = (1..=100).map(|host| SocketAddr::from(([10, 0, 0, host], 1))).collect();
        let mut race = Race::new(&many);
        let starts = std::iter::from_fn(|| match race.poll(Instant::now()) {
            Step::Start(address) => {
                race.failed();
                Some(address)
            }
            _ => None,
        });
        assert_eq!(starts.count(), MAX_ADDRESSES);
    }
}
