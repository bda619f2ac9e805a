//! Which connection a new flow takes. Pure.

use std::time::Duration;
use uuid::Uuid;

/// Round trips shorter than this weigh the same beside load. They are measured on machines that do other things as well: a
/// handshake on a busy one takes a few milliseconds longer, and is remembered for seconds.
const SHORTEST: Duration = Duration::from_millis(5);

/// What is known of a connection when a flow is to be opened. Draining connections are no candidates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Several connections belong to one connector.
    pub(crate) connector: Uuid,
    /// Flows open on it.
    pub(crate) flows: u32,
    /// Smoothed round-trip time.
    pub(crate) rtt: Duration,
    /// Nothing was heard from it for longer than keep-alive allows.
    pub(crate) silent: bool,
}

impl Candidate {
    /// What one more flow would wait for, as far as that can be told: the time of a round trip, for each flow.
    fn cost(&self) -> u128 {
        (u128::from(self.flows) + 1) * self.rtt.max(SHORTEST).as_micros()
    }
}

/// The order in which connections are tried, as indexes into `candidates`: those that are heard before those that are
/// not, cheap before dear (of equals the nearest), and each connector once before any is tried twice, as a connector that failed will mostly
/// fail again.
pub(crate) fn order(candidates: &[Candidate]) -> Vec<usize> {
    let mut sorted: Vec<(usize, &Candidate)> = candidates.iter().enumerate().collect();
    sorted.sort_by_key(|(index, candidate)| (candidate.silent, candidate.cost(), candidate.rtt, *index));
    let mut order: Vec<(bool, usize, usize)> = Vec::with_capacity(sorted.len());
    for (place, (index, candidate)) in sorted.iter().enumerate() {
        let before = sorted.iter().take(place).filter(|(_, other)| other.connector == candidate.connector).count();
        order.push((candidate.silent, before, *index));
    }
    // Stable: cost still decides among equals.
    order.sort_by_key(|(silent, before, _)| (*silent, *before));
    order.into_iter().map(|(_, _, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(connector: u128, flows: u32, milliseconds: u64) -> Candidate {
        Candidate {
            connector: Uuid::from_u128(connector),
            flows,
            rtt: Duration::from_millis(milliseconds),
            silent: false,
        }
    }

    #[test]
    fn load_and_latency_decide() {
        assert_eq!(order(&[]), Vec::<usize>::new());
        assert_eq!(order(&[candidate(1, 5, 10), candidate(1, 0, 10)]), [1, 0]);
        assert_eq!(order(&[candidate(1, 0, 50), candidate(1, 0, 10)]), [1, 0]);
        // Of idle ones the nearest, however near both are.
        assert_eq!(order(&[candidate(1, 0, 2), candidate(1, 0, 1)]), [1, 0]);
        // Far but idle against near but busy: 50 ms * 1 < 10 ms * 6.
        assert_eq!(order(&[candidate(1, 5, 10), candidate(2, 0, 50)]), [1, 0]);
        // Below some milliseconds load counts first.
        let mut near = candidate(1, 1, 0);
        near.rtt = Duration::from_micros(80);
        let mut nearer = candidate(1, 0, 0);
        nearer.rtt = Duration::from_millis(4);
        assert_eq!(order(&[near, nearer]), [1, 0]);
    }

    #[test]
    fn silent_ones_come_last() {
        let mut silent = candidate(1, 0, 1);
        silent.silent = true;
        assert_eq!(order(&[silent, candidate(2, 100, 100)]), [1, 0]);
    }

    #[test]
    fn every_connector_is_tried_before_one_is_tried_twice() {
        let candidates = [candidate(1, 0, 1), candidate(1, 0, 2), candidate(1, 0, 3), candidate(2, 9, 9)];
        assert_eq!(order(&candidates), [0, 3, 1, 2]);
    }
}
