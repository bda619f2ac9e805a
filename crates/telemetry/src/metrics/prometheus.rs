//! Counters and histograms since start, for Prometheus.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use connection_error::{Category, ErrorCode};
use invocation::Outcome;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use uuid::Uuid;

use crate::keeper::Recorder;
use crate::metrics::counting::OTHER;
use crate::{ConnectionEvent, InvocationRecord};

/// The most Workers, and the most services, with labels of their own.
const MAX_LABELS: usize = 1000;

/// Upper bounds in seconds, from a millisecond to half a minute; a last bucket without bound follows.
const BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Debug, Clone, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Histogram {
    fn add(&mut self, time: std::time::Duration) {
        let seconds = time.as_secs_f64();
        let place = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.buckets.get_mut(place) {
            *count += 1;
        }
        self.sum += seconds;
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn bounded(&self) -> Vec<(f64, u64)> {
        BOUNDS.iter().copied().chain([f64::MAX]).zip(self.buckets).collect()
    }
}

#[derive(Debug, Clone, Default)]
struct WorkerTotals {
    outcomes: HashMap<Outcome, u64>,
    subrequests: u64,
    cpu: Histogram,
    wall: Histogram,
}

#[derive(Debug, Clone, Default)]
struct ServiceTotals {
    name: String,
    succeeded: u64,
    reused: u64,
    failures: HashMap<(ErrorCode, Category), u64>,
    dns: Histogram,
    connect: Histogram,
    first_byte: Histogram,
}

/// Everything since start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    workers: HashMap<String, WorkerTotals>,
    services: HashMap<Uuid, ServiceTotals>,
}

impl Totals {
    pub(crate) fn count_invocation(&mut self, record: &InvocationRecord) {
        let name = if self.workers.len() < MAX_LABELS || self.workers.contains_key(&record.worker) {
            &record.worker
        } else {
            OTHER
        };
        if !self.workers.contains_key(name) {
            self.workers.insert(name.to_owned(), WorkerTotals::default());
        }
        let Some(totals) = self.workers.get_mut(name) else { return };
        *totals.outcomes.entry(record.outcome).or_default() += 1;
        totals.subrequests += record.subrequests.len() as u64;
        totals.cpu.add(record.cpu_time);
        totals.wall.add(record.wall_time);
    }

    pub(crate) fn count_connection(&mut self, event: &ConnectionEvent) {
        let known = self.services.len() < MAX_LABELS || self.services.contains_key(&event.service);
        let (id, name) = if known { (event.service, event.service_name.as_str()) } else { (Uuid::nil(), OTHER) };
        let totals = self.services.entry(id).or_default();
        if totals.name != name {
            name.clone_into(&mut totals.name);
        }
        totals.reused += u64::from(event.reused);
        match &event.error {
            Some(error) => *totals.failures.entry((error.code, error.category)).or_default() += 1,
            None => totals.succeeded += 1,
        }
        let failed = event.error.as_ref().map(|error| error.phase);
        for (histogram, time, phase) in [
            (&mut totals.dns, event.timings.dns, connection_error::Phase::Dns),
            (&mut totals.connect, event.timings.connect, connection_error::Phase::Connect),
            (&mut totals.first_byte, event.timings.head, connection_error::Phase::Head),
        ] {
            if let Some(time) = time
                && failed != Some(phase)
            {
                histogram.add(time);
            }
        }
    }
}

/// Encodes a keeper's totals whenever it is asked to.
#[derive(Debug)]
pub(crate) struct Export(pub Arc<Recorder>);

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Collector for Export {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let totals = self.0.totals();
        encode_workers(&mut encoder, &totals)?;
        encode_services(&mut encoder, &totals)?;
        self.encode_losses(&mut encoder)
    }
}

fn encode_workers(encoder: &mut DescriptorEncoder, totals: &Totals) -> Result<(), fmt::Error> {
    let mut workers: Vec<_> = totals.workers.iter().collect();
    workers.sort_unstable_by_key(|(name, _)| name.as_str());

    let help = "Invocations of Workers by how they ended";
    let mut metric = encoder.encode_descriptor("culvert_worker_invocations", help, None, MetricType::Counter)?;
    for (name, worker) in &workers {
        for &outcome in Outcome::ALL {
            let Some(count) = worker.outcomes.get(&outcome) else { continue };
            let labels: Labels<'_, 2> = [("worker", name), ("outcome", outcome.as_str())];
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(count, None)?;
        }
    }
    let help = "What Workers asked of others";
    let mut metric = encoder.encode_descriptor("culvert_worker_subrequests", help, None, MetricType::Counter)?;
    for (name, worker) in &workers {
        let labels: Labels<'_, 1> = [("worker", name)];
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&worker.subrequests, None)?;
    }
    for (name, help, histogram) in [
        ("culvert_worker_cpu_time", "CPU time of invocations", (|w| &w.cpu) as fn(&WorkerTotals) -> &Histogram),
        ("culvert_worker_wall_time", "Time of invocations from beginning to end", |w| &w.wall),
    ] {
        let mut metric = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (worker, totals) in &workers {
            let labels: Labels<'_, 1> = [("worker", worker)];
            let histogram = histogram(totals);
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                histogram.sum,
                histogram.count(),
                &histogram.bounded(),
                None,
            )?;
        }
    }
    Ok(())
}

fn encode_services(encoder: &mut DescriptorEncoder, totals: &Totals) -> Result<(), fmt::Error> {
    let mut services: Vec<_> = totals.services.iter().map(|(id, totals)| (id.to_string(), totals)).collect();
    services.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));

    let help = "Attempts to reach private services";
    let mut metric = encoder.encode_descriptor("culvert_vpc_connections", help, None, MetricType::Counter)?;
    for (id, service) in &services {
        let failed: u64 = service.failures.values().sum();
        for (result, count) in [("success", service.succeeded), ("failure", failed)] {
            let labels: Labels<'_, 3> = [("service_id", id), ("service", &service.name), ("result", result)];
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
    }
    let help = "Attempts on kept-alive connections";
    let mut metric = encoder.encode_descriptor("culvert_vpc_connections_reused", help, None, MetricType::Counter)?;
    for (id, service) in &services {
        let labels: Labels<'_, 2> = [("service_id", id), ("service", &service.name)];
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&service.reused, None)?;
    }
    let help = "Failed attempts to reach private services by code and whose fault it is";
    let mut metric = encoder.encode_descriptor("culvert_vpc_connection_errors", help, None, MetricType::Counter)?;
    for (id, service) in &services {
        let mut failures: Vec<_> = service.failures.iter().collect();
        failures.sort_unstable_by_key(|(failure, _)| **failure);
        for ((code, category), count) in failures {
            let labels: Labels<'_, 4> = [
                ("service_id", id),
                ("service", &service.name),
                ("code", code.as_str()),
                ("category", category.as_str()),
            ];
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(count, None)?;
        }
    }
    for (name, help, histogram) in [
        ("culvert_vpc_dns_time", "Resolving names through tunnels", (|s| &s.dns) as fn(&ServiceTotals) -> &Histogram),
        ("culvert_vpc_connect_time", "Opening connections from connectors", |s| &s.connect),
        ("culvert_vpc_first_byte_time", "From the end of a request to the head of its response", |s| &s.first_byte),
    ] {
        let mut metric = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (id, service) in &services {
            let labels: Labels<'_, 2> = [("service_id", id), ("service", &service.name)];
            let histogram = histogram(service);
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                histogram.sum,
                histogram.count(),
                &histogram.bounded(),
                None,
            )?;
        }
    }
    Ok(())
}

impl Export {
    fn encode_losses(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let losses = self.0.losses();
        let help = "Facts that were counted in the metrics and are not kept one by one";
        let mut metric = encoder.encode_descriptor("culvert_telemetry_dropped", help, None, MetricType::Counter)?;
        for (kind, counts) in [("invocation", losses.invocations), ("connection", losses.connections)] {
            for (reason, count) in
                [("queue_full", counts.queue_full), ("shed", counts.shed), ("unwritten", counts.unwritten)]
            {
                let labels: Labels<'_, 2> = [("kind", kind), ("reason", reason)];
                metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
            }
        }
        let help = "Invocations that head sampling left out";
        let mut metric = encoder.encode_descriptor("culvert_telemetry_sampled_out", help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&losses.sampled_out, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::default();
        for milliseconds in [0, 1, 2, 30_000, 30_001] {
            histogram.add(Duration::from_millis(milliseconds));
        }
        let counts: Vec<_> = histogram.bounded().into_iter().map(|(_, count)| count).collect();
        assert_eq!((counts[0], counts[1], counts[13], counts[14], histogram.count()), (2, 1, 1, 1, 5));
    }
}
