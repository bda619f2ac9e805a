//! The ids of spans, made from the ids of what they stand for: whoever makes one of an invocation's spans knows the others
//! without being told.

use uuid::Uuid;

/// The span of a Worker's run.
pub(crate) fn of_invocation(invocation: Uuid) -> u64 {
    mixed(invocation, 0)
}

/// The span of the subrequest with this index in the invocation's record.
pub fn subrequest_span(invocation: Uuid, index: usize) -> u64 {
    mixed(invocation, (index as u64).wrapping_add(1))
}

/// The span of a connection attempt, and of its phases from 1 on.
pub(crate) fn of_attempt(attempt: Uuid, phase: u64) -> u64 {
    mixed(attempt, phase)
}

/// SplitMix64's finalizer over both halves; never 0, which is no span id.
fn mixed(id: Uuid, place: u64) -> u64 {
    let (high, low) = id.as_u64_pair();
    let finalized = |mut value: u64| {
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    let place = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    finalized(finalized(high).wrapping_add(low).wrapping_add(place)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn spans_are_told_apart() {
        let ids: HashSet<u64> = (0..100)
            .flat_map(|id| (0..100).map(move |index| subrequest_span(Uuid::from_u128(id), index)))
            .chain((0..100).map(|id| of_invocation(Uuid::from_u128(id))))
            .collect();
        assert_eq!(ids.len(), 10_100);
        assert!(!ids.contains(&0));
    }
}
