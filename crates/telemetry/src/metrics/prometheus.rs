//! The totals since start in the form that Prometheus reads.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::keeper::Recorder;
use crate::metrics::totals::{BOUNDS, Family, Times};

/// The text formats that Prometheus and its kin read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrometheusFormat {
    /// OpenMetrics 1.0, for those who say that they take it.
    OpenMetrics,
    /// Prometheus's own format 0.0.4, which everything reads.
    Text,
}

impl PrometheusFormat {
    /// The one for a request with this `Accept` header.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    /// How the format is called in HTTP.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What is encoded as OpenMetrics, in this format.
    pub(crate) fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => as_text(&open_metrics),
        }
    }
}

/// Samples are the same in both formats. A counter's help and type stand under its whole name in the older one, and there
/// is neither a unit nor an end.
fn as_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some((name, words)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = Some((name, words));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let ending = if kind == "counter" { "_total" } else { "" };
            if let Some((_, words)) = help.take().filter(|(helped, _)| *helped == name) {
                text.extend(["# HELP ", name, ending, " ", words, "\n"]);
            }
            text.extend(["# TYPE ", name, ending, " ", kind, "\n"]);
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            text.extend([line, "\n"]);
        }
    }
    text
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_counters_in_full() {
        let open = "# HELP a Things\n# TYPE a counter\na_total{x=\"1\"} 2\n# HELP b_seconds Times\n# TYPE b_seconds histogram\n\
                    # UNIT b_seconds seconds\nb_seconds_count 1\n# EOF\n";
        let text = "# HELP a_total Things\n# TYPE a_total counter\na_total{x=\"1\"} 2\n# HELP b_seconds Times\n\
                    # TYPE b_seconds histogram\nb_seconds_count 1\n";
        assert_eq!(PrometheusFormat::Text.of(open.to_owned()), text);
        assert_eq!(PrometheusFormat::OpenMetrics.of(open.to_owned()), open);
    }

    #[test]
    fn prometheus_gets_what_it_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(PrometheusFormat::accepted(Some(prometheus)), PrometheusFormat::OpenMetrics);
        assert_eq!(PrometheusFormat::accepted(Some("*/*")), PrometheusFormat::Text);
        assert_eq!(PrometheusFormat::accepted(None), PrometheusFormat::Text);
    }
}
