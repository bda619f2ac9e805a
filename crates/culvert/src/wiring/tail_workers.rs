//! Tail Workers: the records of a Worker's invocations go to the Workers that its settings name, as they end.

use std::sync::Arc;

use invocation::{Call, Entrypoint, Event, WorkerCall};
use serde_json::{Value, json};
use store::Snapshot;
use telemetry::{ConnectionEvent, ExchangeRecord, InvocationRecord, InvocationView, Sink};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::dispatcher::Callable;
use super::serving::Current;

/// The most records that are being handed over at a time; further ones are dropped, so that a slow tail Worker costs no memory.
const HANDED_OVER: usize = 256;

/// The most records that wait to be handed over.
const WAITING: usize = 1024;

/// Records on their way to tail Workers.
pub type Records = mpsc::Receiver<InvocationRecord>;

/// Where records end, with what tail Workers are to get split off. Nobody is woken for a record that no Worker wants.
pub struct TailedSink {
    sink: Arc<dyn Sink>,
    current: Current,
    wanted: mpsc::Sender<InvocationRecord>,
}

impl TailedSink {
    /// With the records for [`run`].
    pub fn new(sink: Arc<dyn Sink>, current: Current) -> (Arc<Self>, Records) {
        let (wanted, records) = mpsc::channel(WAITING);
        (Arc::new(Self { sink, current, wanted }), records)
    }
}

impl Sink for TailedSink {
    fn invocation(&self, record: InvocationRecord) {
        // A tail Worker's own work would call it again and again.
        let wanted = record.event_type != "tail" && {
            let serving = self.current.load();
            consumers(&serving.snapshot, &record.worker).next().is_some()
        };
        if wanted && self.wanted.try_send(record.clone()).is_err() {
            tracing::debug!(worker = record.worker, "a record did not fit among those that wait for tail Workers");
        }
        self.sink.invocation(record);
    }

    fn connection(&self, event: ConnectionEvent) {
        self.sink.connection(event);
    }

    fn exchange(&self, record: ExchangeRecord) {
        self.sink.exchange(record);
    }
}

/// The Workers that get the records of one.
fn consumers<'a>(snapshot: &'a Snapshot, producer: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let named = snapshot.workers.get(producer).map(|served| served.worker.settings.tail_consumers.as_slice());
    named.unwrap_or_default().iter().filter_map(|consumer| consumer.get("service")?.as_str())
}

/// A record as `tail` handlers and tail sessions get it: as it is shown, with the fields that Workers' own has.
pub fn trace_item(record: &InvocationRecord) -> Option<Value> {
    let mut item = serde_json::to_value(InvocationView::of(record)).ok()?;
    let fields = item.as_object_mut()?;
    fields.insert("diagnosticsChannelEvents".to_owned(), json!([]));
    fields.insert("scriptTags".to_owned(), json!([]));
    fields.insert("executionModel".to_owned(), json!("stateless"));
    Some(item)
}

/// Hands records over, until told to stop.
pub async fn run(mut records: Records, current: Current, workers: Callable, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(HANDED_OVER));
    loop {
        let record = tokio::select! {
            () = stop.cancelled() => return,
            record = records.recv() => record,
        };
        let Some(record) = record else { return };
        hand_over(&record, &current, &workers, &room);
    }
}

fn hand_over(record: &InvocationRecord, current: &Current, workers: &Callable, room: &Arc<Semaphore>) {
    let serving = current.load();
    let mut events = None;
    for consumer in consumers(&serving.snapshot, &record.worker) {
        let Some(events) = events.get_or_insert_with(|| trace_item(record).map(|item| json!([item]).to_string()))
        else {
            return;
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            tracing::warn!(worker = record.worker, consumer, "a tail Worker is too slow: a record was dropped");
            return;
        };
        let event = Event::Tail { producers: vec![record.worker.clone()], events: events.clone() };
        let call = Call { event, entrypoint: Entrypoint::default(), ray_id: record.ray_id, depth: 0 };
        let handed = workers.call(WorkerCall { worker: consumer.into(), version: None, call });
        let consumer = consumer.to_owned();
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = handed.await {
                tracing::info!(consumer, "a tail Worker failed: {error}");
            }
        });
    }
}
