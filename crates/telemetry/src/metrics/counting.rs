//! Counting facts as they are recorded. Bounded: beyond so many different keys, further ones are counted together.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use invocation::Outcome;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::TelemetryError;
use crate::metrics::sketch::Sketch;
use crate::record::Ending;
use crate::{ConnectionEvent, InvocationRecord};

/// The most keys of one kind and bucket. Workers, versions and services are configured and few; this is for mistakes.
const MAX_KEYS: usize = 10_000;
/// The most minutes that wait to be written.
const MAX_MINUTES: usize = 60;
/// Under this name is counted what has no key of its own any more.
pub(crate) const OTHER: &str = "(other)";

/// Exact counts of a Worker's invocations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerCounts {
    /// All invocations.
    pub requests: u64,
    /// By how they ended; outcomes that did not occur are absent.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// What they asked of others.
    pub subrequests: u64,
}

impl WorkerCounts {
    /// Invocations for whose end the Worker or the edge is to blame.
    pub(crate) fn failed(&self) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| is_failure(**outcome)).map(|(_, count)| count).sum()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        self.subrequests += other.subrequests;
    }
}

/// Whether the Worker or the edge is to blame: a visitor who goes away is no failure.
pub(crate) fn is_failure(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Ok | Outcome::Canceled | Outcome::ResponseStreamDisconnected | Outcome::ScriptNotFound)
}

#[derive(Debug, Clone, Default)]
pub(crate) struct WorkerMetrics {
    pub counts: WorkerCounts,
    /// Microseconds.
    pub cpu: Sketch,
    /// Microseconds.
    pub wall: Sketch,
    /// Bytes.
    pub memory: Sketch,
}

impl WorkerMetrics {
    fn count(&mut self, record: &InvocationRecord) {
        self.counts.requests += 1;
        *self.counts.outcomes.entry(record.outcome).or_default() += 1;
        self.counts.subrequests += record.subrequests.len() as u64 + record.further_subrequests;
        self.cpu.add(record.cpu_time.as_micros() as f64);
        self.wall.add(record.wall_time.as_micros() as f64);
        self.memory.add(record.memory as f64);
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), TelemetryError> {
        self.counts.merge(&other.counts);
        self.cpu.merge(&other.cpu)?;
        self.wall.merge(&other.wall)?;
        self.memory.merge(&other.memory)
    }
}

/// Latencies of connections, in microseconds. Each phase has only the attempts that came through it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    pub dns: Sketch,
    pub connect: Sketch,
    pub tls: Sketch,
    pub first_byte: Sketch,
}

impl Latencies {
    fn count(&mut self, event: &ConnectionEvent) {
        let timings = &event.timings;
        // A phase that failed is in the event too; its time is that of the failure, and no latency.
        let failed = event.error.as_ref().map(|error| error.phase);
        let phases = [
            (&mut self.dns, timings.dns, connection_error::Phase::Dns),
            (&mut self.connect, timings.connect, connection_error::Phase::Connect),
            (&mut self.tls, timings.tls, connection_error::Phase::Tls),
            (&mut self.first_byte, first_byte(timings), connection_error::Phase::Head),
        ];
        for (sketch, time, phase) in phases {
            if let Some(time) = time
                && failed != Some(phase)
            {
                sketch.add(time.as_micros() as f64);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), TelemetryError> {
        self.dns.merge(&other.dns)?;
        self.connect.merge(&other.connect)?;
        self.tls.merge(&other.tls)?;
        self.first_byte.merge(&other.first_byte)
    }
}

/// From the start of an attempt to the end of the response's head, where it came so far.
pub(crate) fn first_byte(timings: &connection_error::Timings) -> Option<std::time::Duration> {
    let before = [timings.dns, timings.connect, timings.tls, timings.request];
    timings.head.map(|head| head + before.into_iter().flatten().sum::<std::time::Duration>())
}

/// Everything by which connection attempts are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AttemptKey {
    pub service: Uuid,
    pub tunnel: Uuid,
    pub connector: Option<Uuid>,
    pub worker: String,
    pub ending: Ending,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    pub attempts: u64,
    pub reused: u64,
}

impl Attempts {
    pub(crate) fn merge(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.reused += other.reused;
    }
}

/// Metrics of some stretch of time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    pub workers: HashMap<(String, Uuid), WorkerMetrics>,
    pub latencies: HashMap<(Uuid, Uuid), Latencies>,
    pub attempts: HashMap<AttemptKey, Attempts>,
}

impl Metrics {
    pub(crate) fn count_invocation(&mut self, record: &InvocationRecord) {
        let key = (record.worker.clone(), record.version);
        bounded(&mut self.workers, key, || (OTHER.to_owned(), Uuid::nil())).count(record);
    }

    pub(crate) fn count_connection(&mut self, event: &ConnectionEvent) {
        let other = || (Uuid::nil(), Uuid::nil());
        bounded(&mut self.latencies, (event.service, event.tunnel), other).count(event);
        let key = AttemptKey {
            service: event.service,
            tunnel: event.tunnel,
            connector: event.connector,
            worker: event.worker.clone(),
            ending: event.ending(),
        };
        let one = Attempts { attempts: 1, reused: u64::from(event.reused) };
        let ending = key.ending;
        let other = || AttemptKey {
            service: Uuid::nil(),
            tunnel: Uuid::nil(),
            connector: None,
            worker: OTHER.to_owned(),
            ending,
        };
        bounded(&mut self.attempts, key, other).merge(one);
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), TelemetryError> {
        for (key, metrics) in &other.workers {
            self.workers.entry(key.clone()).or_default().merge(metrics)?;
        }
        for (key, latencies) in &other.latencies {
            self.latencies.entry(*key).or_default().merge(latencies)?;
        }
        for (key, attempts) in &other.attempts {
            self.attempts.entry(key.clone()).or_default().merge(*attempts);
        }
        Ok(())
    }
}

/// The value of a key, or of the common key when there are too many.
fn bounded<K: Eq + Hash, V: Default>(map: &mut HashMap<K, V>, key: K, other: impl FnOnce() -> K) -> &mut V {
    let key = if map.len() < MAX_KEYS || map.contains_key(&key) { key } else { other() };
    map.entry(key).or_default()
}

/// Metrics that were counted and not yet rolled up, by minute since 1970.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    minutes: Vec<(i64, Metrics)>,
}

impl Counted {
    /// The metrics of this minute. Minutes follow each other, so it is nearly always the last one.
    pub(crate) fn at(&mut self, minute: i64) -> &mut Metrics {
        let place = match self.minutes.iter().rposition(|(known, _)| *known == minute) {
            Some(place) => place,
            None => {
                self.minutes.push((minute, Metrics::default()));
                self.minutes.len() - 1
            }
        };
        // The place was just found or made.
        &mut self.minutes[place].1
    }

    pub(crate) fn take(&mut self) -> Vec<(i64, Metrics)> {
        std::mem::take(&mut self.minutes)
    }

    /// Puts back what could not be rolled up, to be tried again. When that goes on for long, the oldest minutes become one:
    /// sums stay exact, and memory stays bounded.
    pub(crate) fn put_back(&mut self, minutes: Vec<(i64, Metrics)>) -> Result<(), TelemetryError> {
        for (minute, metrics) in minutes {
            self.at(minute).merge(&metrics)?;
        }
        self.minutes.sort_unstable_by_key(|(minute, _)| *minute);
        while self.minutes.len() > MAX_MINUTES {
            let (_, oldest) = self.minutes.remove(0);
            if let Some((_, next)) = self.minutes.first_mut() {
                next.merge(&oldest)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_waits_for_hours_is_exact_and_bounded() {
        let mut counted = Counted::default();
        for minute in 0..300 {
            let attempts = Attempts { attempts: 1, reused: 0 };
            let key = AttemptKey {
                service: Uuid::nil(),
                tunnel: Uuid::nil(),
                connector: None,
                worker: "hello".to_owned(),
                ending: Ending::Succeeded,
            };
            counted.at(minute).attempts.insert(key, attempts);
            let taken = counted.take();
            counted.put_back(taken).unwrap();
        }
        let minutes = counted.take();
        assert_eq!(minutes.len(), MAX_MINUTES);
        let sum: u64 = minutes.iter().flat_map(|(_, metrics)| metrics.attempts.values()).map(|a| a.attempts).sum();
        assert_eq!((sum, minutes.last().unwrap().0), (300, 299));
    }

    #[test]
    fn too_many_keys_are_counted_together() {
        let mut map = HashMap::new();
        for key in 0..MAX_KEYS as u64 + 500 {
            *bounded(&mut map, key, || u64::MAX) += 1;
        }
        *bounded(&mut map, 7, || u64::MAX) += 1;
        assert_eq!(map.len(), MAX_KEYS + 1);
        assert_eq!((map.get(&7), map.get(&u64::MAX)), (Some(&2), Some(&500)));
    }
}
