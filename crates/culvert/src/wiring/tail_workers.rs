//! Tail Workers: the records of a Worker's invocations go to the Workers that its settings name, as they end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// How often it is said that records were dropped, at most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Records on their way to tail Workers.
pub struct Records {
    receiver: mpsc::Receiver<InvocationRecord>,
    dropped: Arc<Dropped>,
}

/// Records that tail Workers were too slow for: all are counted in the metrics, and told of in the log now and then.
struct Dropped {
    sink: Arc<dyn Sink>,
    untold: Mutex<Untold>,
}

/// What the log does not know yet.
#[derive(Default)]
struct Untold {
    records: u64,
    told: Option<Instant>,
}

impl Dropped {
    fn one(&self, producer: &str) {
        self.sink.tail_dropped();
        let now = Instant::now();
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.records += 1;
        if untold.told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY) {
            let records = untold.records;
            tracing::warn!(producer, records, "tail Workers are too slow: records were dropped; the logs have them");
            *untold = Untold { records: 0, told: Some(now) };
        }
    }
}

/// Where records end, with what tail Workers are to get split off. Nobody is woken for a record that no Worker wants.
pub struct TailedSink {
    sink: Arc<dyn Sink>,
    current: Current,
    wanted: mpsc::Sender<InvocationRecord>,
    dropped: Arc<Dropped>,
}

impl TailedSink {
    /// With the records for [`run`].
    pub fn new(sink: Arc<dyn Sink>, current: Current) -> (Arc<Self>, Records) {
        let (wanted, receiver) = mpsc::channel(WAITING);
        let dropped = Arc::new(Dropped { sink: sink.clone(), untold: Mutex::default() });
        (Arc::new(Self { sink, current, wanted, dropped: dropped.clone() }), Records { receiver, dropped })
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
            self.dropped.one(&record.worker);
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
    if let Some(request) = fields.get_mut("event").and_then(|event| event.get_mut("request")?.as_object_mut()) {
        // What Cloudflare knows of a visitor; nothing here, and code that looks into it finds an object.
        request.insert("cf".to_owned(), json!({}));
    }
    Some(item)
}

/// Hands records over, until told to stop.
pub async fn run(mut records: Records, current: Current, workers: Callable, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(HANDED_OVER));
    loop {
        let record = tokio::select! {
            () = stop.cancelled() => return,
            record = records.receiver.recv() => record,
        };
        let Some(record) = record else { return };
        hand_over(&record, &current, &workers, &room, &records.dropped);
    }
}

fn hand_over(
    record: &InvocationRecord,
    current: &Current,
    workers: &Callable,
    room: &Arc<Semaphore>,
    dropped: &Dropped,
) {
    let serving = current.load();
    let mut events = None;
    for consumer in consumers(&serving.snapshot, &record.worker) {
        let Some(events) = events.get_or_insert_with(|| trace_item(record).map(|item| json!([item]).to_string()))
        else {
            return;
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            dropped.one(&record.worker);
            return;
        };
        let event = Event::Tail { producers: vec![record.worker.clone()], events: events.clone() };
        let call = Call { event, entrypoint: Entrypoint::default(), ray_id: record.ray_id, depth: 0, trace: None };
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
