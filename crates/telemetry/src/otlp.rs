//! OTLP: traces, logs and metrics for an OpenTelemetry collector, by HTTP with Protobuf.
//!
//! Facts wait in a bounded queue; a task makes messages of them and sends these. A collector that is slow or away costs
//! nothing but the facts that it misses, which are counted. `spans`, `logs` and `metrics` only translate.

mod attributes;
mod logs;
pub mod messages;
mod metrics;
mod sender;
mod spans;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::keeper::Recorder;
use crate::{ConnectionEvent, ExchangeRecord, InvocationRecord, TelemetryError};
use messages::{
    LogRecord, LogsRequest, MetricsRequest, Resource, ResourceLogs, ResourceMetrics, ResourceSpans, Scope, ScopeLogs,
    ScopeMetrics, ScopeSpans, Span, TracesRequest,
};
use sender::{Sender, Signal};

/// How long a fact waits at most for others to be sent with.
const LINGER: Duration = Duration::from_secs(1);
/// Spans, or log records, of one message.
const BATCH: usize = 512;
/// Facts that wait to be sent; more are dropped and counted.
const QUEUE: usize = 16_384;
/// How long the last message may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where to send traces, logs and metrics, and how.
#[derive(Debug, Clone)]
pub struct OtlpOptions {
    /// The collector's base address, `http://127.0.0.1:4318` for example. `/v1/traces` and its siblings are added.
    pub endpoint: String,
    /// Headers of each message, for a collector that wants to know who sends.
    pub headers: Vec<(String, String)>,
    /// `service.name` of everything that is sent.
    pub service_name: String,
    /// How often metrics are sent.
    pub metrics_interval: Duration,
}

impl OtlpOptions {
    /// For a collector there: no headers, the name `culvert`, metrics every 15 seconds.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            headers: Vec::new(),
            service_name: "culvert".to_owned(),
            metrics_interval: Duration::from_secs(15),
        }
    }
}

/// Facts on their way out.
#[derive(Debug)]
pub(crate) enum Fact {
    Invocation {
        record: Arc<InvocationRecord>,
        /// Whether what it says is sent too: head sampling leaves some out.
        with_logs: bool,
    },
    Connection(Arc<ConnectionEvent>),
    Exchange(Box<ExchangeRecord>),
    /// Send everything now, then answer.
    Flush(oneshot::Sender<()>),
}

/// The side that takes facts; never waits.
#[derive(Debug)]
pub(crate) struct Exporter {
    facts: mpsc::Sender<Fact>,
    lost: Arc<Lost>,
}

/// What never reached the collector.
#[derive(Debug, Default)]
struct Lost {
    queue_full: AtomicU64,
    unsent: AtomicU64,
}

impl Exporter {
    /// Checks the options, and gives the task that has to be run besides.
    pub(crate) fn new(options: OtlpOptions) -> Result<(Self, Task), TelemetryError> {
        let sender = Sender::new(&options)?;
        let (facts, received) = mpsc::channel(QUEUE);
        let lost = Arc::new(Lost::default());
        let task = Task {
            received,
            sender,
            resource: attributes::resource(&options.service_name),
            metrics_interval: options.metrics_interval.max(Duration::from_millis(10)),
            lost: lost.clone(),
            started: nanoseconds(OffsetDateTime::now_utc()),
            spans: Vec::new(),
            logs: Vec::new(),
        };
        Ok((Self { facts, lost }, task))
    }

    /// Takes a fact, or counts it as lost.
    pub(crate) fn push(&self, fact: Fact) {
        if self.facts.try_send(fact).is_err() {
            self.lost.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Facts that did not fit into the queue, and spans, log records and metrics that the collector did not take.
    pub(crate) fn lost(&self) -> (u64, u64) {
        (self.lost.queue_full.load(Ordering::Relaxed), self.lost.unsent.load(Ordering::Relaxed))
    }

    /// Waits until everything taken before is sent or lost, for a few seconds at most.
    pub(crate) async fn flush(&self) {
        let (answer, answered) = oneshot::channel();
        let flushed = async {
            if self.facts.send(Fact::Flush(answer)).await.is_ok() {
                let _ = answered.await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, flushed).await;
    }
}

/// What sends.
pub(crate) struct Task {
    received: mpsc::Receiver<Fact>,
    sender: Sender,
    resource: Resource,
    metrics_interval: Duration,
    lost: Arc<Lost>,
    /// When counting began, in nanoseconds since 1970.
    started: u64,
    spans: Vec<Span>,
    logs: Vec<LogRecord>,
}

impl Task {
    /// Sends until nobody records any more.
    pub(crate) async fn run(mut self, recorder: Weak<Recorder>) {
        let mut linger = tokio::time::interval(LINGER);
        linger.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut measure =
            tokio::time::interval_at(tokio::time::Instant::now() + self.metrics_interval, self.metrics_interval);
        measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                fact = self.received.recv() => match fact {
                    Some(Fact::Flush(answer)) => {
                        self.send_facts().await;
                        self.send_metrics(&recorder).await;
                        // Whoever asked may have lost patience.
                        let _ = answer.send(());
                    }
                    Some(fact) => {
                        self.translate(&fact);
                        if self.spans.len() >= BATCH || self.logs.len() >= BATCH {
                            self.send_facts().await;
                        }
                    }
                    None => return self.send_facts().await,
                },
                _ = linger.tick() => self.send_facts().await,
                _ = measure.tick() => self.send_metrics(&recorder).await,
            }
        }
    }

    fn translate(&mut self, fact: &Fact) {
        match fact {
            Fact::Invocation { record, with_logs } => {
                spans::of_invocation(record, &mut self.spans);
                if *with_logs {
                    logs::of_invocation(record, &mut self.logs);
                }
            }
            Fact::Connection(event) => spans::of_connection(event, &mut self.spans),
            Fact::Exchange(record) => spans::of_exchange(record, &mut self.spans),
            Fact::Flush(_) => {}
        }
    }

    async fn send_facts(&mut self) {
        if !self.spans.is_empty() {
            let spans = std::mem::take(&mut self.spans);
            let count = spans.len();
            let scope_spans = ScopeSpans { scope: scope(), spans };
            let resource_spans =
                ResourceSpans { resource: Some(self.resource.clone()), scope_spans: vec![scope_spans] };
            let message = TracesRequest { resource_spans: vec![resource_spans] };
            self.send(Signal::Traces, message.encode_to_vec(), count).await;
        }
        if !self.logs.is_empty() {
            let log_records = std::mem::take(&mut self.logs);
            let count = log_records.len();
            let scope_logs = ScopeLogs { scope: scope(), log_records };
            let resource_logs = ResourceLogs { resource: Some(self.resource.clone()), scope_logs: vec![scope_logs] };
            let message = LogsRequest { resource_logs: vec![resource_logs] };
            self.send(Signal::Logs, message.encode_to_vec(), count).await;
        }
    }

    async fn send_metrics(&mut self, recorder: &Weak<Recorder>) {
        let Some((totals, losses)) = recorder.upgrade().map(|recorder| (recorder.totals(), recorder.losses())) else {
            return;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let metrics = metrics::of_totals(&totals, &losses, self.started, now);
        let count = metrics.len();
        let scope_metrics = ScopeMetrics { scope: scope(), metrics };
        let resource_metrics =
            ResourceMetrics { resource: Some(self.resource.clone()), scope_metrics: vec![scope_metrics] };
        let message = MetricsRequest { resource_metrics: vec![resource_metrics] };
        self.send(Signal::Metrics, message.encode_to_vec(), count).await;
    }

    async fn send(&mut self, signal: Signal, message: Vec<u8>, count: usize) {
        if let Err(error) = self.sender.send(signal, message.into()).await {
            self.lost.unsent.fetch_add(count as u64, Ordering::Relaxed);
            self.sender.complain(signal, count, &error);
        }
    }
}

fn scope() -> Option<Scope> {
    Some(Scope { name: "culvert".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// Nanoseconds since 1970, as OTLP counts time.
fn nanoseconds(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp_nanos()).unwrap_or(0)
}
