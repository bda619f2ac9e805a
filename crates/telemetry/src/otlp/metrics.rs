//! The totals since start as metrics of OpenTelemetry: the same numbers that Prometheus reads.

use super::attributes::Attributes;
use super::messages::{Data, Histogram, HistogramDataPoint, Metric, Number, NumberDataPoint, Sum, Temporality};
use crate::Losses;
use crate::metrics::totals::{self, Times, Totals};

/// The stretch of time that the numbers are of, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Stretch {
    start: u64,
    end: u64,
}

impl Stretch {
    fn number(self, attributes: Attributes, count: u64) -> NumberDataPoint {
        NumberDataPoint {
            attributes: attributes.0,
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            value: Some(Number::Int(i64::try_from(count).unwrap_or(i64::MAX))),
        }
    }

    fn times(self, attributes: Attributes, times: &Times) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: attributes.0,
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            count: times.count(),
            sum: Some(times.sum()),
            bucket_counts: times.buckets().to_vec(),
            explicit_bounds: totals::BOUNDS.to_vec(),
        }
    }
}

fn counter(name: &str, description: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    Metric {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: "1".to_owned(),
        data: Some(Data::Sum(Sum {
            data_points,
            aggregation_temporality: Temporality::Cumulative as i32,
            is_monotonic: true,
        })),
    }
}

fn histogram(name: &str, description: &str, data_points: Vec<HistogramDataPoint>) -> Metric {
    Metric {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: "s".to_owned(),
        data: Some(Data::Histogram(Histogram { data_points, aggregation_temporality: Temporality::Cumulative as i32 })),
    }
}

/// Everything since `start`, as of `end`.
pub(super) fn of_totals(totals: &Totals, losses: &Losses, start: u64, end: u64) -> Vec<Metric> {
    let stretch = Stretch { start, end };
    let mut metrics = Vec::new();
    for family in totals.counters().into_iter().chain(losses.counters()) {
        let points = family.samples.iter().map(|sample| {
            let labels =
                sample.labels.iter().fold(Attributes::default(), |all, (name, value)| all.with(name, value.as_str()));
            stretch.number(labels, sample.value)
        });
        metrics.push(counter(family.name, family.help, points.collect()));
    }
    for family in totals.histograms() {
        let points = family.samples.iter().map(|sample| {
            let labels =
                sample.labels.iter().fold(Attributes::default(), |all, (name, value)| all.with(name, value.as_str()));
            stretch.times(labels, sample.value)
        });
        metrics.push(histogram(family.name, family.help, points.collect()));
    }
    metrics
}
