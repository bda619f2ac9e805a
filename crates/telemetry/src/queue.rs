//! Between those who record facts and the one who writes them: bounded, never waiting, counting what it drops.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use invocation::Outcome;
use tokio::sync::Notify;

use crate::{ConnectionEvent, InvocationRecord, Level, TelemetryOptions};

/// Facts that were recorded and are not kept. Metrics count them all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Invocations.
    pub invocations: LossCounts,
    /// Connection events.
    pub connections: LossCounts,
    /// Lines of the access log.
    pub access_log: LossCounts,
    /// Records that tail Workers were too slow for.
    pub tail: LossCounts,
    /// What an OpenTelemetry collector did not get: facts that did not fit into the queue, and spans, log records and metrics
    /// that it did not take.
    pub otlp: LossCounts,
    /// Invocations that were left out on purpose ([`crate::Sampling`]).
    pub sampled_out: u64,
}

/// Facts of one kind that are not kept, by cause, since start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LossCounts {
    /// The queue was full: the writer did not keep up.
    pub queue_full: u64,
    /// More uneventful facts, or more failures, a second than the options allow.
    pub shed: u64,
    /// The database could not be written.
    pub unwritten: u64,
}

impl LossCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.queue_full + self.shed + self.unwritten
    }
}

#[derive(Debug, Default)]
struct LossCounters {
    queue_full: AtomicU64,
    shed: AtomicU64,
    unwritten: AtomicU64,
}

impl LossCounters {
    fn read(&self) -> LossCounts {
        LossCounts {
            queue_full: self.queue_full.load(Ordering::Relaxed),
            shed: self.shed.load(Ordering::Relaxed),
            unwritten: self.unwritten.load(Ordering::Relaxed),
        }
    }

    fn count(&self, refusal: Refusal) {
        match refusal {
            Refusal::Full => &self.queue_full,
            Refusal::Shed => &self.shed,
        }
        .fetch_add(1, Ordering::Relaxed);
    }
}

/// Why a fact is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Full,
    Shed,
}

/// So many facts a second of each of two classes, and a quarter of that while there are more than twice as many: keeping
/// must cost the least when there is the most to do. Decides only; time is passed in.
#[derive(Debug)]
struct Budget {
    per_second: u32,
    second: Instant,
    classes: [Class; 2],
}

#[derive(Debug, Clone, Copy)]
struct Class {
    offered: u32,
    taken: u32,
    /// How many may be taken in this second.
    limit: u32,
}

impl Budget {
    fn new(per_second: u32, now: Instant) -> Self {
        let class = Class { offered: 0, taken: 0, limit: per_second };
        Self { per_second, second: now, classes: [class; 2] }
    }

    /// Whether one more fact is within the budget of its class.
    fn take(&mut self, eventful: bool, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.second).as_secs();
        if passed >= 1 {
            for class in &mut self.classes {
                let is_overload = passed == 1 && class.offered > self.per_second.saturating_mul(2);
                let limit = if is_overload { self.per_second.div_ceil(4) } else { self.per_second };
                *class = Class { offered: 0, taken: 0, limit };
            }
            self.second = now;
        }
        let [uneventful_class, eventful_class] = &mut self.classes;
        let class = if eventful { eventful_class } else { uneventful_class };
        let within = class.taken < class.limit;
        class.taken += u32::from(within);
        class.offered = class.offered.saturating_add(1);
        within
    }
}

/// An invocation that is kept.
#[derive(Debug)]
pub(crate) struct KeptInvocation {
    pub record: Arc<InvocationRecord>,
    /// Whether its Worker's logs have an event for the invocation itself, besides what it said.
    pub invocation_log: bool,
}

/// Facts on their way to the database.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub invocations: Vec<KeptInvocation>,
    pub connections: Vec<Arc<ConnectionEvent>>,
}

#[derive(Debug)]
struct Pending {
    batch: Batch,
    bytes: usize,
    invocation_budget: Budget,
    connection_budget: Budget,
}

#[derive(Debug)]
pub(crate) struct Queue {
    pending: Mutex<Pending>,
    max_facts: usize,
    max_bytes: usize,
    invocation_losses: LossCounters,
    connection_losses: LossCounters,
    tail_losses: LossCounters,
    sampled_out: AtomicU64,
    /// Tells the writer not to wait for its next time.
    pub half_full: Notify,
}

impl Queue {
    pub(crate) fn new(options: &TelemetryOptions) -> Self {
        let now = Instant::now();
        Self {
            pending: Mutex::new(Pending {
                batch: Batch::default(),
                bytes: 0,
                invocation_budget: Budget::new(options.max_invocations_per_second, now),
                connection_budget: Budget::new(options.max_connections_per_second, now),
            }),
            max_facts: options.queue_facts,
            max_bytes: options.queue_bytes,
            invocation_losses: LossCounters::default(),
            connection_losses: LossCounters::default(),
            tail_losses: LossCounters::default(),
            sampled_out: AtomicU64::new(0),
            half_full: Notify::new(),
        }
    }

    pub(crate) fn push_invocation(&self, kept: KeptInvocation) {
        let record = &kept.record;
        let eventful = record.outcome != Outcome::Ok
            || !record.exceptions.is_empty()
            || record.status.is_some_and(|status| status >= 500)
            || record.logs.iter().any(|line| line.level == Level::Error);
        let size = invocation_size(record);
        let taken = self.push(size, |pending| {
            if !pending.invocation_budget.take(eventful, Instant::now()) {
                return Err(Refusal::Shed);
            }
            pending.batch.invocations.push(kept);
            Ok(())
        });
        if let Err(refusal) = taken {
            self.invocation_losses.count(refusal);
        }
    }

    pub(crate) fn push_connection(&self, event: Arc<ConnectionEvent>) {
        let size = connection_size(&event);
        let taken = self.push(size, |pending| {
            if !pending.connection_budget.take(event.error.is_some(), Instant::now()) {
                return Err(Refusal::Shed);
            }
            pending.batch.connections.push(event);
            Ok(())
        });
        if let Err(refusal) = taken {
            self.connection_losses.count(refusal);
        }
    }

    fn push(&self, size: usize, put: impl FnOnce(&mut Pending) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = pending.batch.invocations.len() + pending.batch.connections.len();
        if facts >= self.max_facts || pending.bytes.saturating_add(size) > self.max_bytes {
            return Err(Refusal::Full);
        }
        put(&mut pending)?;
        pending.bytes += size;
        let is_half_full = facts + 1 == self.max_facts.div_ceil(2)
            || (pending.bytes > self.max_bytes / 2 && pending.bytes - size <= self.max_bytes / 2);
        drop(pending);
        if is_half_full {
            self.half_full.notify_one();
        }
        Ok(())
    }

    /// Everything that waits.
    pub(crate) fn drain(&self) -> Batch {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.bytes = 0;
        std::mem::take(&mut pending.batch)
    }

    pub(crate) fn count_unwritten(&self, invocations: usize, connections: usize) {
        self.invocation_losses.unwritten.fetch_add(invocations as u64, Ordering::Relaxed);
        self.connection_losses.unwritten.fetch_add(connections as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_sampled_out(&self) {
        self.sampled_out.fetch_add(1, Ordering::Relaxed);
    }

    /// A record did not reach the tail Workers that it was for.
    pub(crate) fn count_tail_dropped(&self) {
        self.tail_losses.count(Refusal::Full);
    }

    pub(crate) fn losses(&self) -> Losses {
        Losses {
            invocations: self.invocation_losses.read(),
            connections: self.connection_losses.read(),
            tail: self.tail_losses.read(),
            sampled_out: self.sampled_out.load(Ordering::Relaxed),
            ..Losses::default()
        }
    }
}

/// About as many bytes as a record holds.
fn invocation_size(record: &InvocationRecord) -> usize {
    let texts = record.worker.len() + record.method.len() + record.url.len();
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
    let logs: usize = record.logs.iter().flat_map(|line| &line.message).map(|value| value_size(value) + 56).sum();
    let exceptions: usize = record.exceptions.iter().map(|e| e.name.len() + e.message.len() + e.stack.len() + 96).sum();
    let subrequests: usize = record
        .subrequests
        .iter()
        .map(|s| s.target.len() + s.method.len() + s.url.len() + s.error.as_ref().map_or(0, String::len) + 128)
        .sum();
    size_of::<InvocationRecord>() + texts + headers + logs + exceptions + subrequests
}

fn value_size(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(values) => values.iter().map(|value| value_size(value) + 32).sum(),
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + value_size(value) + 64).sum()
        }
        _ => 0,
    }
}

fn connection_size(event: &ConnectionEvent) -> usize {
    let error = event.error.as_ref().map_or(0, |error| error.detail.len() + 64);
    size_of::<ConnectionEvent>()
        + event.service_name.len()
        + event.worker.len()
        + event.address.as_ref().map_or(0, String::len)
        + error
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_class_has_its_budget_each_second() {
        let start = Instant::now();
        let mut budget = Budget::new(2, start);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert!(budget.take(false, at(0)) && budget.take(false, at(1)) && !budget.take(false, at(2)));
        assert!(budget.take(true, at(3)) && budget.take(true, at(4)) && !budget.take(true, at(999)));
        assert!(budget.take(false, at(1000)) && budget.take(true, at(1000)));
        assert!(budget.take(false, at(1500)) && !budget.take(false, at(1999)) && budget.take(false, at(2000)));
    }

    #[test]
    fn a_quarter_is_taken_under_overload() {
        let start = Instant::now();
        let mut budget = Budget::new(100, start);
        let mut taken = |second: u64, offered: u64| {
            let at = |number| start + Duration::from_secs(second) + Duration::from_millis(number * 900 / offered);
            (0..offered).filter(|number| budget.take(false, at(*number))).count()
        };
        // 200 a second are not twice as many and more; 201 are.
        let seconds = [(0, 50), (1, 200), (2, 201), (3, 1000), (4, 1000), (5, 10), (6, 150), (7, 1000), (20, 150)];
        let counts = seconds.map(|(second, offered)| taken(second, offered));
        assert_eq!(counts, [50, 100, 100, 25, 25, 10, 100, 100, 100]);
        // The other class has a budget of its own.
        assert!(budget.take(true, start + Duration::from_secs(20)));
    }
}
