//! The totals since start in the form that Prometheus reads.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::keeper::Recorder;
use crate::metrics::totals::{BOUNDS, Family, Times};

/// Encodes a keeper's totals whenever it is asked to.
#[derive(Debug)]
pub(crate) struct Export(pub Arc<Recorder>);

impl Collector for Export {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let totals = self.0.totals();
        let losses = self.0.losses();
        for family in totals.counters().into_iter().chain(losses.counters()) {
            encode_counters(&mut encoder, &family)?;
        }
        for family in totals.histograms() {
            encode_histograms(&mut encoder, &family)?;
        }
        Ok(())
    }
}

fn encode_counters(encoder: &mut DescriptorEncoder, family: &Family<u64>) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(family.name, family.help, None, MetricType::Counter)?;
    for sample in &family.samples {
        if sample.labels.is_empty() {
            metric.encode_counter::<NoLabelSet, _, f64>(&sample.value, None)?;
        } else {
            let labels = sample.labels.as_slice();
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&sample.value, None)?;
        }
    }
    Ok(())
}

fn encode_histograms(encoder: &mut DescriptorEncoder, family: &Family<&Times>) -> Result<(), fmt::Error> {
    let mut metric =
        encoder.encode_descriptor(family.name, family.help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for sample in &family.samples {
        let labels = sample.labels.as_slice();
        let times = sample.value;
        let buckets: Vec<(f64, u64)> =
            BOUNDS.iter().copied().chain([f64::MAX]).zip(times.buckets().iter().copied()).collect();
        metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(times.sum(), times.count(), &buckets, None)?;
    }
    Ok(())
}
