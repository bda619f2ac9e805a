//! Tail Workers: the records of a Worker's invocations go to the Workers that its settings name, as they end.

use std::sync::Arc;

use invocation::{Call, Entrypoint, Event, WorkerCall};
use serde_json::{Value, json};
use store::Snapshot;
use telemetry::{InvocationRecord, InvocationView, LiveItem, LiveReader};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::dispatcher::Callable;
use super::serving::Current;

/// The most records that are being handed over at a time; further ones are dropped, so that a slow tail Worker costs no memory.
const HANDED_OVER: usize = 256;

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

/// Hands records over, until told to stop. They are watched from the start, so that a Worker's first record after its deployment is not missed.
pub async fn run(mut live: LiveReader, current: Current, workers: Callable, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(HANDED_OVER));
    loop {
        let item = tokio::select! {
            () = stop.cancelled() => return,
            item = live.next() => item,
        };
        match item {
            None => return,
            Some(LiveItem::Invocation(record)) => hand_over(&record, &current, &workers, &room),
            Some(LiveItem::Missed(missed)) => tracing::debug!(missed, "tail Workers did not get all records"),
            Some(LiveItem::Connection(_)) => {}
        }
    }
}

fn hand_over(record: &InvocationRecord, current: &Current, workers: &Callable, room: &Arc<Semaphore>) {
    // A tail Worker's own work would call it again and again.
    if record.event_type == "tail" {
        return;
    }
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
