//! The keeper: takes facts, has them written, answers questions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::registry::Registry;
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::access_log::AccessLog;
use crate::database::{self, Lock, Names, Readers, TelemetryLocation};
use crate::error::TelemetryError;
use crate::filter::{ConnectionFilter, InvocationFilter, Page, Paging};
use crate::live::{Live, LiveItem, LiveReader};
use crate::logs::{self, LogAnswer, LogQuestion};
use crate::lost::{self, LossBook};
use crate::metrics::counting::Counted;
use crate::metrics::prometheus::{Export, PrometheusFormat};
use crate::metrics::query::{MetricsQuery, MetricsReader};
use crate::metrics::range::Made;
use crate::metrics::rollup::{self, Rollup};
use crate::metrics::rows::Resolution;
use crate::metrics::totals::Totals;
use crate::options::{Keep, TelemetryOptions};
use crate::otlp::{Exporter, Fact};
use crate::queue::{KeptInvocation, LossCounts, Losses, Queue};
use crate::retention::Swept;
use crate::sampling::Sampling;
use crate::view::{ConnectionView, InvocationView};
use crate::writer::{self, Keys};
use crate::{ConnectionEvent, ExchangeRecord, InvocationRecord, Sink, connections, invocations, otlp, retention};

/// How often what is too old is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// How long hours, days and sums are made at a time; what is not made by then waits for the next time of writing.
const ROLLING: Duration = Duration::from_millis(200);

/// Keeps facts in a database. Clones are the same keeper.
#[derive(Debug, Clone)]
pub struct Telemetry {
    recorder: Arc<Recorder>,
    names: Arc<Names>,
    made: Arc<Made>,
    readers: Readers,
    minutes_kept: Duration,
    orders: mpsc::Sender<Order>,
}

/// The side that takes facts.
#[derive(Debug)]
pub(crate) struct Recorder {
    metrics: Mutex<Recorded>,
    queue: Queue,
    live: Live,
    sampling: RwLock<HashMap<String, Sampling>>,
    keep: Keep,
    access_log: Option<AccessLog>,
    exporter: Option<Exporter>,
}

/// Metrics of what was recorded.
#[derive(Debug, Default)]
struct Recorded {
    counted: Counted,
    totals: Totals,
}

impl Recorder {
    fn new(options: &TelemetryOptions) -> Result<(Self, Option<otlp::Task>), TelemetryError> {
        let (exporter, task) = options.otlp.clone().map(Exporter::new).transpose()?.unzip();
        let recorder = Self {
            metrics: Mutex::default(),
            queue: Queue::new(options),
            live: Live::new(options.live_buffer),
            sampling: RwLock::default(),
            keep: options.keep,
            access_log: options.access_log.clone().map(AccessLog::open).transpose()?,
            exporter,
        };
        Ok((recorder, task))
    }

    fn count(&self, count: impl FnOnce(&mut Recorded, i64)) {
        if self.keep == Keep::Nothing {
            return;
        }
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        count(&mut metrics, current_minute());
    }

    /// Everything since start.
    pub(crate) fn totals(&self) -> Totals {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).totals.clone()
    }

    pub(crate) fn losses(&self) -> Losses {
        let (queue_full, unwritten) = self.exporter.as_ref().map(Exporter::lost).unwrap_or_default();
        Losses {
            access_log: self.access_log.as_ref().map(AccessLog::losses).unwrap_or_default(),
            otlp: LossCounts { queue_full, shed: 0, unwritten },
            ..self.queue.losses()
        }
    }

    /// What its settings say of a Worker's invocations.
    fn sampling(&self, worker: &str) -> Sampling {
        let settings = self.sampling.read().unwrap_or_else(PoisonError::into_inner);
        settings.get(worker).copied().unwrap_or_default()
    }
}

/// Minutes since 1970.
fn current_minute() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp().div_euclid(60)
}

impl Sink for Recorder {
    fn invocation(&self, record: InvocationRecord) {
        self.count(|metrics, minute| {
            metrics.counted.at(minute).count_invocation(&record);
            metrics.totals.count_invocation(&record);
        });
        let record = Arc::new(record);
        if self.live.is_watched() {
            self.live.send(LiveItem::Invocation(record.clone()));
        }
        let sampling = self.sampling(&record.worker);
        let is_sampled = sampling.keeps(&record);
        if let Some(exporter) = &self.exporter {
            exporter.push(Fact::Invocation { record: record.clone(), with_logs: is_sampled });
        }
        match self.keep {
            Keep::Facts if is_sampled => {
                self.queue.push_invocation(KeptInvocation { record, invocation_log: sampling.invocation_logs });
            }
            Keep::Facts => self.queue.count_sampled_out(),
            Keep::Metrics | Keep::Nothing => {}
        }
    }

    fn connection(&self, event: ConnectionEvent) {
        self.count(|metrics, minute| {
            metrics.counted.at(minute).count_connection(&event);
            metrics.totals.count_connection(&event);
        });
        let event = Arc::new(event);
        if self.live.is_watched() {
            self.live.send(LiveItem::Connection(event.clone()));
        }
        if let Some(exporter) = &self.exporter
            && event.trace.is_some()
        {
            exporter.push(Fact::Connection(event.clone()));
        }
        if self.keep == Keep::Facts {
            self.queue.push_connection(event);
        }
    }

    fn tail_dropped(&self) {
        self.queue.count_tail_dropped();
    }

    fn exchange(&self, record: ExchangeRecord) {
        let record = Box::new(record);
        if let Some(exporter) = &self.exporter
            && record.trace.is_some_and(|trace| trace.sampled)
        {
            exporter.push(Fact::Exchange(record.clone()));
        }
        if let Some(log) = &self.access_log {
            log.push(record);
        }
    }
}

/// What the writer is told.
#[derive(Debug)]
enum Order {
    /// Write what waits, then answer.
    Flush(oneshot::Sender<Result<(), TelemetryError>>),
    /// Remove what is too old or too much, then answer with how many facts went.
    Sweep(oneshot::Sender<Result<u64, TelemetryError>>),
    /// Write what waits, close the file, end.
    Close(oneshot::Sender<Result<(), TelemetryError>>),
}

impl Telemetry {
    /// Opens or makes the database and starts the task that writes it. Must run on a tokio runtime.
    pub async fn open(location: &TelemetryLocation, options: TelemetryOptions) -> Result<Self, TelemetryError> {
        let (mut database, readers) = database::open(location).await?;
        let names = Arc::new(Names::load(&mut database).await?);
        let rollup = Rollup::open(&mut database).await?;
        let made = Arc::new(Made::default());
        let (recorder, exporting) = Recorder::new(&options)?;
        let recorder = Arc::new(recorder);
        if let Some(task) = exporting {
            tokio::spawn(task.run(Arc::downgrade(&recorder)));
        }
        let (orders, received) = mpsc::channel(16);
        let minutes_kept = options.minute_retention;
        let writer = Writer {
            database,
            names: names.clone(),
            made: made.clone(),
            rollup,
            recorder: recorder.clone(),
            keys: Keys::new(i64::from(std::process::id()) ^ OffsetDateTime::now_utc().unix_timestamp()),
            losses: LossBook::default(),
            options,
        };
        tokio::spawn(writer.run(received));
        Ok(Self { recorder, names, made, readers, minutes_kept, orders })
    }

    /// Where facts are recorded. Recording never waits.
    pub fn recorder(&self) -> Arc<dyn Sink> {
        self.recorder.clone()
    }

    /// Invocations, newest first, as stored up to now.
    pub async fn invocations(
        &self,
        filter: &InvocationFilter,
        paging: &Paging,
    ) -> Result<Page<InvocationView>, TelemetryError> {
        let page = invocations::query(&self.readers, &self.names, filter, paging).await?;
        let lost = lost::sum(&self.readers, lost::Kind::Invocations, filter.since, filter.until).await?;
        Ok(Page { lost, ..page })
    }

    /// Connection events, newest first, as stored up to now.
    pub async fn connections(
        &self,
        filter: &ConnectionFilter,
        paging: &Paging,
    ) -> Result<Page<ConnectionView>, TelemetryError> {
        let page = connections::query(&self.readers, &self.names, filter, paging).await?;
        let lost = lost::sum(&self.readers, lost::Kind::Connections, filter.since, filter.until).await?;
        Ok(Page { lost, ..page })
    }

    /// The events of Workers' logs, as stored up to now. `account` is whose they are said to be.
    pub async fn logs(&self, question: &LogQuestion, account: &str) -> Result<LogAnswer, TelemetryError> {
        logs::answer(&self.readers, &self.names, question, account).await
    }

    /// Metrics grouped by one dimension, in the API's form: `{since, until, step, groups: [{key, count, failed, last, points?,
    /// …}]}`, as stored up to now.
    pub async fn metric_groups(&self, query: &MetricsQuery) -> Result<serde_json::Value, TelemetryError> {
        let reader = MetricsReader { readers: &self.readers, names: &self.names, made: &self.made };
        reader.groups(query, self.minutes_kept).await
    }

    /// Adds the metrics since start to a registry, next to those of others.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Export(self.recorder.clone())));
    }

    /// The metrics since start, for Prometheus.
    pub fn render_prometheus(&self, format: PrometheusFormat) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        format.of(text)
    }

    /// Sets which of a Worker's invocations are kept one by one, from now on. Metrics and live readers see all of them.
    pub fn set_sampling(&self, worker: &str, sampling: Sampling) {
        let mut settings = self.recorder.sampling.write().unwrap_or_else(PoisonError::into_inner);
        if sampling == Sampling::default() {
            settings.remove(worker);
        } else {
            settings.insert(worker.to_owned(), sampling);
        }
    }

    /// Facts as they happen from now on.
    pub fn watch(&self) -> LiveReader {
        self.recorder.live.watch()
    }

    /// Facts that were recorded and are not kept, since start.
    pub fn losses(&self) -> Losses {
        self.recorder.losses()
    }

    /// Whether anything is done with visitors' requests ([`Sink::exchange`]): they are logged or traced.
    pub fn wants_exchanges(&self) -> bool {
        self.recorder.access_log.is_some() || self.recorder.exporter.is_some()
    }

    /// Begins the access log's file anew: the old one was moved away.
    pub fn reopen_access_log(&self) {
        if let Some(log) = &self.recorder.access_log {
            log.reopen();
        }
    }

    /// Waits until everything recorded before is in the database.
    pub async fn flush(&self) -> Result<(), TelemetryError> {
        self.order(Order::Flush).await
    }

    /// Removes what is too old or too much now; it is done from time to time anyway. Returns how many facts went.
    pub async fn sweep(&self) -> Result<u64, TelemetryError> {
        self.order(Order::Sweep).await
    }

    /// Writes what waits and closes the file. What is recorded after that is lost.
    pub async fn close(&self) -> Result<(), TelemetryError> {
        if let Some(exporter) = &self.recorder.exporter {
            exporter.flush().await;
        }
        if let Some(log) = &self.recorder.access_log {
            // Panics are in the log already.
            let _ = tokio::task::spawn_blocking(log.flush()).await;
        }
        let closed = self.order(Order::Close).await;
        self.readers.close().await;
        closed
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, TelemetryError>>) -> Order,
    ) -> Result<T, TelemetryError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.map_err(|_| TelemetryError::Closed)?;
        answered.await.map_err(|_| TelemetryError::Closed)?
    }
}

/// The task that writes.
struct Writer {
    database: database::Writer,
    names: Arc<Names>,
    recorder: Arc<Recorder>,
    made: Arc<Made>,
    rollup: Rollup,
    keys: Keys,
    losses: LossBook,
    options: TelemetryOptions,
}

impl Writer {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut flushes = tokio::time::interval(self.options.flush_interval.max(Duration::from_millis(1)));
        flushes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweeps = tokio::time::interval_at(tokio::time::Instant::now() + SWEEP_INTERVAL, SWEEP_INTERVAL);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let recorder = self.recorder.clone();
        loop {
            // An answer that nobody waits for any more is no failure.
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Flush(answer)) => {
                        let _ = answer.send(self.write().await);
                    }
                    Some(Order::Sweep(answer)) => {
                        let _ = answer.send(self.sweep_all().await);
                    }
                    Some(Order::Close(answer)) => {
                        let written = self.write().await;
                        let closed = self.database.close().await;
                        let _ = answer.send(written.and(closed));
                        return;
                    }
                    // Nobody holds the keeper any more; a recorder may, until it is written for the last time.
                    None => {
                        let written = self.write().await;
                        self.report(written);
                        return;
                    }
                },
                () = recorder.queue.half_full.notified() => {
                    let written = self.write().await;
                    self.report(written);
                }
                _ = flushes.tick() => {
                    let written = self.write().await;
                    self.report(written);
                }
                _ = sweeps.tick() => {
                    let swept = self.sweep_all().await;
                    self.report(swept.map(drop));
                }
            }
        }
    }

    async fn write(&mut self) -> Result<(), TelemetryError> {
        let counted = self.write_counted().await;
        let losses = self.losses.write(&mut self.database, &self.recorder.losses(), current_minute()).await;
        let written = self.write_facts().await;
        // Last, and not for long: what was recorded is safe before hours are made of what is safe already.
        let rolled = self.roll_up(ROLLING).await;
        counted.and(losses).and(written).and(rolled)
    }

    async fn write_facts(&mut self) -> Result<(), TelemetryError> {
        let batch = self.recorder.queue.drain();
        if batch.invocations.is_empty() && batch.connections.is_empty() {
            return Ok(());
        }
        let written = writer::write(&mut self.database, &self.names, &mut self.keys, &batch).await;
        if written.is_err() {
            self.recorder.queue.count_unwritten(batch.invocations.len(), batch.connections.len());
        }
        written
    }

    /// Adds what was counted since to the minutes in the database.
    async fn write_counted(&mut self) -> Result<(), TelemetryError> {
        let counted = self.recorder.metrics.lock().unwrap_or_else(PoisonError::into_inner).counted.take();
        if !counted.is_empty()
            && let Err(error) = self.rollup.add(&mut self.database, &self.names, &counted).await
        {
            // Metrics are exact: they wait for the next time. Their number of keys is bounded.
            let mut metrics = self.recorder.metrics.lock().unwrap_or_else(PoisonError::into_inner);
            metrics.counted.put_back(counted)?;
            return Err(error);
        }
        Ok(())
    }

    async fn roll_up(&mut self, patience: Duration) -> Result<(), TelemetryError> {
        let rolled = self.rollup.roll(&mut self.database, &self.names, current_minute(), patience).await;
        self.made.set(self.rollup.made_until(current_minute()));
        rolled
    }

    /// Sweeps until there is nothing more to do, and writes in between: what is recorded meanwhile must not wait.
    async fn sweep_all(&mut self) -> Result<u64, TelemetryError> {
        let mut removed = 0;
        loop {
            let swept = self.sweep().await?;
            removed += swept.removed;
            if !swept.more {
                return Ok(removed);
            }
            self.write().await?;
        }
    }

    async fn sweep(&mut self) -> Result<Swept, TelemetryError> {
        // What is to be removed must have been rolled up.
        self.write_counted().await?;
        self.roll_up(Duration::MAX).await?;
        let now = OffsetDateTime::now_utc();
        let mut transaction = self.database.begin_with(Lock::Metrics).await?;
        let mut more = false;
        for (resolution, kept) in [
            (Resolution::Minute, self.options.minute_retention),
            (Resolution::Hour, self.options.rollup_retention),
            (Resolution::Day, self.options.rollup_retention),
        ] {
            more |= rollup::forget(&mut transaction, resolution, retention::ago(now, kept).unix_timestamp()).await?;
        }
        lost::forget(&mut transaction, retention::ago(now, self.options.invocation_retention)).await?;
        transaction.commit().await?;
        let swept = retention::sweep(&mut self.database, &self.options, now).await?;
        Ok(Swept { more: swept.more || more, ..swept })
    }

    fn report(&self, result: Result<(), TelemetryError>) {
        if let Err(error) = result {
            tracing::error!(%error, "telemetry could not be written; facts are lost and counted");
        }
    }
}
