//! Which invocations are kept one by one. Metrics count all of them.

use invocation::RayId;

use crate::InvocationRecord;

/// A Worker's `observability` settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Which share of the invocations is kept, 0 to 1. Decided at the head: not by how they end.
    pub head_sampling_rate: f64,
    /// Whether each invocation is an event of the Worker's logs itself. Where not, those are not kept that said nothing: no console
    /// line and no exception.
    pub invocation_logs: bool,
}

impl Default for Sampling {
    /// Everything.
    fn default() -> Self {
        Self { head_sampling_rate: 1.0, invocation_logs: true }
    }
}

impl Sampling {
    /// Whether this invocation is kept by itself.
    pub(crate) fn keeps(&self, record: &InvocationRecord) -> bool {
        let says_something = !record.logs.is_empty() || !record.exceptions.is_empty();
        (self.invocation_logs || says_something) && self.includes(record.ray_id)
    }

    /// Whether the request with this ray id is in the sample. The same request is in or out wherever this is asked.
    fn includes(&self, ray: RayId) -> bool {
        // Ray ids may follow each other closely: mixed (SplitMix64's finalizer), their upper bits are as good as random.
        let mut mixed = ray.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits: exact as a float.
        ((mixed >> 11) as f64) < self.head_sampling_rate * (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_right_for_ids_in_a_row() {
        for rate in [0.0, 0.01, 0.25, 0.5, 1.0] {
            let sampling = Sampling { head_sampling_rate: rate, invocation_logs: true };
            let included = (0..100_000).filter(|ray| sampling.includes(RayId(*ray))).count();
            let expected = rate * 100_000.0;
            assert!((included as f64 - expected).abs() < 600.0, "{rate}: {included}");
            if rate == 0.0 || rate == 1.0 {
                assert_eq!(included as f64, expected);
            }
        }
    }
}
