//! Counters and histograms since start, for those who measure from outside: as families of samples with labels, which
//! Prometheus and OTLP write each in its own way.

use std::collections::HashMap;
use std::time::Duration;

use connection_error::{Category, ErrorCode, Phase};
use invocation::Outcome;
use uuid::Uuid;

use crate::metrics::counting::{OTHER, first_byte};
use crate::record::Ending;
use crate::{ConnectionEvent, InvocationRecord, LossCounts, Losses};

/// The most Workers, and the most services, with labels of their own.
const MAX_LABELS: usize = 1000;

/// Upper bounds in seconds, from a millisecond to half a minute; a last bucket without bound follows.
pub(crate) const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How often something took how long.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Times {
    fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let place = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.buckets.get_mut(place) {
            *count += 1;
        }
        self.sum += seconds;
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All of them together, in seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }

    /// How many there are up to each of the bounds and above the one before, and above the last one.
    pub(crate) fn buckets(&self) -> &[u64] {
        &self.buckets
    }
}

#[derive(Debug, Clone, Default)]
struct WorkerTotals {
    outcomes: HashMap<Outcome, u64>,
    subrequests: u64,
    cpu: Times,
    wall: Times,
}

#[derive(Debug, Clone, Default)]
struct ServiceTotals {
    name: String,
    succeeded: u64,
    canceled: u64,
    reused: u64,
    failures: HashMap<(ErrorCode, Category), u64>,
    dns: Times,
    connect: Times,
    first_byte: Times,
}

/// Everything since start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    workers: HashMap<String, WorkerTotals>,
    services: HashMap<Uuid, ServiceTotals>,
}

/// One number or histogram, by its labels.
#[derive(Debug)]
pub(crate) struct Sample<V> {
    pub labels: Vec<(&'static str, String)>,
    pub value: V,
}

/// Samples of one name.
#[derive(Debug)]
pub(crate) struct Family<V> {
    /// Without the endings that Prometheus adds.
    pub name: &'static str,
    pub help: &'static str,
    pub samples: Vec<Sample<V>>,
}

impl<V> Family<V> {
    fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: Vec::new() }
    }

    fn add(&mut self, labels: &[(&'static str, &str)], value: V) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.samples.push(Sample { labels, value });
    }
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
        totals.subrequests += record.subrequests.len() as u64 + record.further_subrequests;
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
        match event.ending() {
            Ending::Failed(code, category) => *totals.failures.entry((code, category)).or_default() += 1,
            Ending::Canceled => totals.canceled += 1,
            Ending::Succeeded => totals.succeeded += 1,
        }
        let failed = event.error.as_ref().map(|error| error.phase);
        for (times, time, phase) in [
            (&mut totals.dns, event.timings.dns, Phase::Dns),
            (&mut totals.connect, event.timings.connect, Phase::Connect),
            (&mut totals.first_byte, first_byte(&event.timings), Phase::Head),
        ] {
            if let Some(time) = time
                && failed != Some(phase)
            {
                times.add(time);
            }
        }
    }

    /// What is counted.
    pub(crate) fn counters(&self) -> Vec<Family<u64>> {
        let mut invocations = Family::new("culvert_worker_invocations", "Invocations of Workers by how they ended");
        let mut subrequests = Family::new("culvert_worker_subrequests", "What Workers asked of others");
        for (name, worker) in self.sorted_workers() {
            for outcome in Outcome::ALL {
                if let Some(count) = worker.outcomes.get(outcome) {
                    invocations.add(&[("worker", name), ("outcome", outcome.as_str())], *count);
                }
            }
            subrequests.add(&[("worker", name)], worker.subrequests);
        }
        let mut connections = Family::new("culvert_vpc_connections", "Attempts to reach private services");
        let mut reused = Family::new("culvert_vpc_connections_reused", "Attempts on kept-alive connections");
        let mut errors = Family::new(
            "culvert_vpc_connection_errors",
            "Failed attempts to reach private services by code and whose fault it is",
        );
        for (id, service) in self.sorted_services() {
            let name = service.name.as_str();
            let failed: u64 = service.failures.values().sum();
            let results = [("success", service.succeeded), ("failure", failed), ("canceled", service.canceled)];
            for (result, count) in results {
                connections.add(&[("service_id", &id), ("service", name), ("result", result)], count);
            }
            reused.add(&[("service_id", &id), ("service", name)], service.reused);
            let mut failures: Vec<_> = service.failures.iter().collect();
            failures.sort_unstable_by_key(|(failure, _)| **failure);
            for ((code, category), count) in failures {
                let labels = [
                    ("service_id", id.as_str()),
                    ("service", name),
                    ("code", code.as_str()),
                    ("category", category.as_str()),
                ];
                errors.add(&labels, *count);
            }
        }
        vec![invocations, subrequests, connections, reused, errors]
    }

    /// What took its time.
    pub(crate) fn histograms(&self) -> Vec<Family<&Times>> {
        let mut cpu = Family::new("culvert_worker_cpu_time", "CPU time of invocations");
        let mut wall = Family::new("culvert_worker_wall_time", "Time of invocations from beginning to end");
        for (name, worker) in self.sorted_workers() {
            cpu.add(&[("worker", name)], &worker.cpu);
            wall.add(&[("worker", name)], &worker.wall);
        }
        let mut dns = Family::new("culvert_vpc_dns_time", "Resolving names through tunnels");
        let mut connect = Family::new("culvert_vpc_connect_time", "Opening connections from connectors");
        let mut first_byte =
            Family::new("culvert_vpc_first_byte_time", "From the start of an attempt to the head of its response");
        for (id, service) in self.sorted_services() {
            let labels = [("service_id", id.as_str()), ("service", service.name.as_str())];
            dns.add(&labels, &service.dns);
            connect.add(&labels, &service.connect);
            first_byte.add(&labels, &service.first_byte);
        }
        vec![cpu, wall, dns, connect, first_byte]
    }

    fn sorted_workers(&self) -> Vec<(&str, &WorkerTotals)> {
        let mut workers: Vec<_> = self.workers.iter().map(|(name, totals)| (name.as_str(), totals)).collect();
        workers.sort_unstable_by_key(|(name, _)| *name);
        workers
    }

    fn sorted_services(&self) -> Vec<(String, &ServiceTotals)> {
        let mut services: Vec<_> = self.services.iter().map(|(id, totals)| (id.to_string(), totals)).collect();
        services.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        services
    }
}

impl Losses {
    /// What is not kept, or was not exported.
    pub(crate) fn counters(&self) -> Vec<Family<u64>> {
        let mut dropped = Family::new(
            "culvert_telemetry_dropped",
            "Facts that were counted in the metrics and are not kept one by one, or not exported",
        );
        let kinds = [
            ("invocation", self.invocations),
            ("connection", self.connections),
            ("access_log", self.access_log),
            ("tail", self.tail),
            ("otlp", self.otlp),
        ];
        for (kind, LossCounts { queue_full, shed, unwritten }) in kinds {
            for (reason, count) in [("queue_full", queue_full), ("shed", shed), ("unwritten", unwritten)] {
                dropped.add(&[("kind", kind), ("reason", reason)], count);
            }
        }
        let mut sampled_out = Family::new("culvert_telemetry_sampled_out", "Invocations that head sampling left out");
        sampled_out.add(&[], self.sampled_out);
        vec![dropped, sampled_out]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut times = Times::default();
        for milliseconds in [0, 1, 2, 30_000, 30_001] {
            times.add(Duration::from_millis(milliseconds));
        }
        let counts = times.buckets();
        assert_eq!((counts[0], counts[1], counts[13], counts[14], times.count()), (2, 1, 1, 1, 5));
    }
}
