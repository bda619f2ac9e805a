//! The keeper: takes facts, has them written, answers questions.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{SqliteConnection, SqlitePool};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::database::{self, Names};
use crate::error::TelemetryError;
use crate::filter::{ConnectionFilter, InvocationFilter, Page, Paging};
use crate::live::{Live, LiveItem, LiveReader};
use crate::options::TelemetryOptions;
use crate::queue::{Losses, Queue};
use crate::view::{ConnectionView, InvocationView};
use crate::writer::{self, Keys};
use crate::{ConnectionEvent, InvocationRecord, Sink, connections, invocations, retention};

/// How often what is too old is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Keeps facts in a file of its own. Clones are the same keeper.
#[derive(Debug, Clone)]
pub struct Telemetry {
    recorder: Arc<Recorder>,
    names: Arc<Names>,
    readers: SqlitePool,
    orders: mpsc::Sender<Order>,
}

/// The side that takes facts.
#[derive(Debug)]
struct Recorder {
    queue: Queue,
    live: Live,
}

impl Sink for Recorder {
    fn invocation(&self, record: InvocationRecord) {
        let record = Arc::new(record);
        if self.live.is_watched() {
            self.live.send(LiveItem::Invocation(record.clone()));
        }
        self.queue.push_invocation(record);
    }

    fn connection(&self, event: ConnectionEvent) {
        let event = Arc::new(event);
        if self.live.is_watched() {
            self.live.send(LiveItem::Connection(event.clone()));
        }
        self.queue.push_connection(event);
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
    /// Opens or makes the file and starts the task that writes it. Must run on a tokio runtime.
    pub async fn open(path: impl AsRef<Path>, options: TelemetryOptions) -> Result<Self, TelemetryError> {
        let (mut connection, readers) = database::open(path.as_ref()).await?;
        let names = Arc::new(Names::load(&mut connection).await?);
        let recorder = Arc::new(Recorder { queue: Queue::new(&options), live: Live::new(options.live_buffer) });
        let (orders, received) = mpsc::channel(16);
        let writer = Writer {
            connection,
            names: names.clone(),
            recorder: recorder.clone(),
            keys: Keys::new(i64::from(std::process::id()) ^ OffsetDateTime::now_utc().unix_timestamp()),
            options,
        };
        tokio::spawn(writer.run(received));
        Ok(Self { recorder, names, readers, orders })
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
        invocations::query(&self.readers, &self.names, filter, paging).await
    }

    /// Connection events, newest first, as stored up to now.
    pub async fn connections(
        &self,
        filter: &ConnectionFilter,
        paging: &Paging,
    ) -> Result<Page<ConnectionView>, TelemetryError> {
        connections::query(&self.readers, &self.names, filter, paging).await
    }

    /// Facts as they happen from now on.
    pub fn watch(&self) -> LiveReader {
        self.recorder.live.watch()
    }

    /// Facts that were recorded and are not kept, since start.
    pub fn losses(&self) -> Losses {
        self.recorder.queue.losses()
    }

    /// Waits until everything recorded before is in the file.
    pub async fn flush(&self) -> Result<(), TelemetryError> {
        self.order(Order::Flush).await
    }

    /// Removes what is too old or too much now; it is done from time to time anyway. Returns how many facts went.
    pub async fn sweep(&self) -> Result<u64, TelemetryError> {
        self.order(Order::Sweep).await
    }

    /// Writes what waits and closes the file. What is recorded after that is lost.
    pub async fn close(&self) -> Result<(), TelemetryError> {
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
    connection: SqliteConnection,
    names: Arc<Names>,
    recorder: Arc<Recorder>,
    keys: Keys,
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
                        let _ = answer.send(self.sweep().await);
                    }
                    Some(Order::Close(answer)) => {
                        let written = self.write().await;
                        let closed = database::close(self.connection).await;
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
                    let swept = self.sweep().await;
                    self.report(swept.map(drop));
                }
            }
        }
    }

    async fn write(&mut self) -> Result<(), TelemetryError> {
        let batch = self.recorder.queue.drain();
        if batch.invocations.is_empty() && batch.connections.is_empty() {
            return Ok(());
        }
        let written = writer::write(&mut self.connection, &self.names, &mut self.keys, &batch).await;
        if written.is_err() {
            self.recorder.queue.count_unwritten(batch.invocations.len(), batch.connections.len());
        }
        written
    }

    async fn sweep(&mut self) -> Result<u64, TelemetryError> {
        retention::sweep(&mut self.connection, &self.options, OffsetDateTime::now_utc()).await
    }

    fn report(&self, result: Result<(), TelemetryError>) {
        if let Err(error) = result {
            tracing::error!(%error, "telemetry could not be written; facts are lost and counted");
        }
    }
}
