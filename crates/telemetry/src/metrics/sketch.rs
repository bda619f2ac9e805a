//! Quantiles of any number of values in little space.

use sketches_ddsketch::{Config, DDSketch};

use crate::error::TelemetryError;

/// A DDSketch with a relative error of one per cent. Sketches of parts merge into the sketch of the whole without loss.
#[derive(Clone)]
pub(crate) struct Sketch(DDSketch);

impl Default for Sketch {
    fn default() -> Self {
        // The default settings are those that a decoded sketch has, too: only equal settings merge.
        Self(DDSketch::new(Config::defaults()))
    }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sketch").field("count", &self.0.count()).finish_non_exhaustive()
    }
}

impl Sketch {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), TelemetryError> {
        self.0.merge(&other.0).map_err(|error| TelemetryError::Corrupt(format!("a sketch: {error}")))
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// The value that a share of all values, 0 to 1, does not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        self.0.quantile(share).ok().flatten()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        if self.0.count() == 0 { Vec::new() } else { self.0.to_java_bytes() }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, TelemetryError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        DDSketch::from_java_bytes(bytes)
            .map(Self)
            .map_err(|error| TelemetryError::Corrupt(format!("a sketch: {error}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn stored_and_merged_it_is_as_good_as_before() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut values = Vec::new();
        let mut merged = Sketch::default();
        for _ in 0..20 {
            let mut part = Sketch::default();
            for _ in 0..500 {
                // From microseconds to hours, with zeros among them.
                let value = if rng.u32(0..50) == 0 { 0.0 } else { 10_f64.powf(rng.f64() * 10.0) };
                part.add(value);
                values.push(value);
            }
            let part = Sketch::decode(&part.encode()).unwrap();
            merged.merge(&part).unwrap();
            merged = Sketch::decode(&merged.encode()).unwrap();
        }
        values.sort_unstable_by(f64::total_cmp);
        assert_eq!(merged.count(), 10_000);
        for share in [0.0, 0.05, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let exact = values[(share * 9_999.0) as usize];
            let found = merged.quantile(share).unwrap();
            assert!((found - exact).abs() <= exact * 0.0101, "{share}: {found} for {exact}");
        }
    }

    #[test]
    fn an_empty_one_is_nothing() {
        let empty = Sketch::decode(&Sketch::default().encode()).unwrap();
        assert_eq!((empty.count(), empty.quantile(0.5)), (0, None));
        assert!(Sketch::decode(b"no sketch").is_err());
    }
}
