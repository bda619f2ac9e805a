//! What is kept, for how long, and what is lost and counted.

use std::time::Duration;

use invocation::Outcome;
use telemetry::{
    ConnectionFilter, InvocationFilter, InvocationView, LiveItem, LossCounts, Paging, Telemetry, TelemetryError,
    TelemetryLocation, TelemetryOptions,
};
use time::OffsetDateTime;

use crate::engine::{everything, location};
use crate::facts::{connection, invocation, keeper_with, line, refused, unlimited};

async fn count(telemetry: &Telemetry) -> (usize, usize) {
    let paging = Paging::new(1000, None).unwrap();
    let invocations = telemetry.invocations(&InvocationFilter::default(), &paging).await.unwrap();
    let connections = telemetry.connections(&ConnectionFilter::default(), &paging).await.unwrap();
    (invocations.items.len(), connections.items.len())
}

#[tokio::test]
async fn a_fact_is_written_by_itself_and_found_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let location = location(directory.path()).await;
    let options = TelemetryOptions { flush_interval: Duration::from_millis(20), ..TelemetryOptions::default() };
    let telemetry = Telemetry::open(&location, options.clone()).await.unwrap();
    let mut record = invocation(1);
    record.logs.push(line("hello"));
    telemetry.recorder().invocation(record.clone());
    while count(&telemetry).await.0 == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    telemetry.recorder().connection(connection(1));
    telemetry.close().await.unwrap();
    assert!(matches!(telemetry.flush().await, Err(TelemetryError::Closed)));
    let telemetry = Telemetry::open(&location, options).await.unwrap();
    assert_eq!(count(&telemetry).await, (1, 1));
    let page = telemetry.invocations(&InvocationFilter::default(), &Paging::default()).await.unwrap();
    assert_eq!(page.items, [InvocationView::of(&record)]);
}

#[tokio::test]
async fn no_secret_reaches_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let location = location(directory.path()).await;
    let telemetry = Telemetry::open(&location, unlimited()).await.unwrap();
    let mut record = invocation(1);
    record.url = "http://a/?id=S3cr3tS3cr3tS3cr3tS3cr3t&seen=findable".to_owned();
    record.headers.push(("Authorization".to_owned(), "Bearer hunter2".to_owned()));
    telemetry.recorder().invocation(record);
    telemetry.close().await.unwrap();
    let all = everything(&location, directory.path()).await;
    assert!(all.iter().any(|bytes| String::from_utf8_lossy(bytes).contains("findable")));
    for bytes in all {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hunter2") && !text.contains("S3cr3t") && !text.contains("secret=1"));
    }
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let options = TelemetryOptions { queue_facts: 10, flush_interval: Duration::from_secs(3600), ..unlimited() };
    let (_directory, telemetry) = keeper_with(options).await;
    // On this single-threaded runtime the writer does not run before the first wait.
    for number in 0..15 {
        telemetry.recorder().invocation(invocation(number));
    }
    telemetry.recorder().connection(connection(1));
    telemetry.flush().await.unwrap();
    assert_eq!(count(&telemetry).await, (10, 0));
    let losses = telemetry.losses();
    assert_eq!(losses.invocations, LossCounts { queue_full: 5, ..LossCounts::default() });
    assert_eq!(losses.connections, LossCounts { queue_full: 1, ..LossCounts::default() });
    telemetry.recorder().connection(connection(2));
    telemetry.flush().await.unwrap();
    assert_eq!(count(&telemetry).await, (10, 1));
}

#[tokio::test]
async fn a_queue_is_bounded_in_bytes_too() {
    let options = TelemetryOptions { queue_bytes: 100_000, flush_interval: Duration::from_secs(3600), ..unlimited() };
    let (_directory, telemetry) = keeper_with(options).await;
    for number in 0..10 {
        let mut record = invocation(number);
        record.logs.push(line(&"x".repeat(30_000)));
        telemetry.recorder().invocation(record);
    }
    telemetry.flush().await.unwrap();
    assert_eq!((count(&telemetry).await.0, telemetry.losses().invocations.queue_full), (3, 7));
}

#[tokio::test]
async fn failures_are_kept_when_successes_are_shed() {
    let options = TelemetryOptions { max_invocations_per_second: 5, max_connections_per_second: 5, ..unlimited() };
    let (_directory, telemetry) = keeper_with(options).await;
    let recorder = telemetry.recorder();
    for number in 0..100 {
        recorder.invocation(invocation(number));
        recorder.connection(connection(number));
    }
    for number in 100..103 {
        let mut record = invocation(number);
        record.outcome = Outcome::ExceededCpu;
        recorder.invocation(record);
        recorder.connection(refused(number));
    }
    telemetry.flush().await.unwrap();
    let losses = telemetry.losses();
    let (invocations, connections) = count(&telemetry).await;
    // The loop may reach into a second second, which has a budget of its own.
    assert!((8..=13).contains(&invocations) && (8..=13).contains(&connections), "{invocations} {connections}");
    assert_eq!(losses.invocations.shed as usize + invocations, 103);
    assert_eq!(losses.connections.shed as usize + connections, 103);
    let failed = ConnectionFilter { failed_only: true, ..ConnectionFilter::default() };
    assert_eq!(telemetry.connections(&failed, &Paging::default()).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn old_facts_go() {
    let options = TelemetryOptions {
        invocation_retention: Duration::from_secs(7 * 86_400),
        connection_retention: Duration::from_secs(86_400),
        ..unlimited()
    };
    let (_directory, telemetry) = keeper_with(options).await;
    let now = OffsetDateTime::now_utc();
    for hours in 0..240_u64 {
        let started = now - Duration::from_secs(hours * 3600 + 60);
        let mut record = invocation(hours);
        record.started = started;
        record.logs.push(line("findable"));
        telemetry.recorder().invocation(record);
        let mut event = connection(hours);
        event.started = started;
        telemetry.recorder().connection(event);
    }
    telemetry.flush().await.unwrap();
    assert_eq!(telemetry.sweep().await.unwrap(), 72 + 216);
    assert_eq!(count(&telemetry).await, (168, 24));
    let found = InvocationFilter { text: Some("findable".to_owned()), ..InvocationFilter::default() };
    assert_eq!(telemetry.invocations(&found, &Paging::new(1000, None).unwrap()).await.unwrap().items.len(), 168);
}

#[tokio::test]
async fn the_oldest_go_when_it_is_too_much() {
    let options = TelemetryOptions { max_bytes: 4 << 20, ..unlimited() };
    let directory = tempfile::tempdir().unwrap();
    let location = location(directory.path()).await;
    let telemetry = Telemetry::open(&location, options).await.unwrap();
    let now = OffsetDateTime::now_utc();
    // More than are removed in one step, so that some stay.
    for number in 0..12_000 {
        let mut record = invocation(number);
        record.started = now - Duration::from_secs(12_000 - number);
        record.logs.push(line(&format!("{number} {}", "some words that fill the page ".repeat(10))));
        telemetry.recorder().invocation(record);
    }
    telemetry.flush().await.unwrap();
    // The keeper may have done so by itself already.
    telemetry.sweep().await.unwrap();
    let newest = telemetry.invocations(&InvocationFilter::default(), &Paging::new(1, None).unwrap()).await.unwrap();
    assert_eq!(newest.items[0].ray_id.0, 11_999);
    let oldest = InvocationFilter { ray_id: Some(invocation::RayId(0)), ..InvocationFilter::default() };
    assert!(telemetry.invocations(&oldest, &Paging::default()).await.unwrap().items.is_empty());
    for _ in 0..20 {
        telemetry.sweep().await.unwrap();
    }
    telemetry.close().await.unwrap();
    // A file gives the room back; a server keeps it for what comes.
    if let TelemetryLocation::File(path) = &location {
        let size = std::fs::metadata(path).unwrap().len();
        assert!(size < 24 << 20, "{size} bytes");
    }
}

#[tokio::test]
async fn live_readers_see_everything_or_are_told() {
    let options = TelemetryOptions { live_buffer: 4, ..unlimited() };
    let (_directory, telemetry) = keeper_with(options).await;
    telemetry.recorder().invocation(invocation(0));
    let mut reader = telemetry.watch();
    let mut slow = telemetry.watch();
    telemetry.recorder().invocation(invocation(1));
    telemetry.recorder().connection(refused(2));
    let Some(LiveItem::Invocation(record)) = reader.next().await else { panic!("an invocation") };
    assert_eq!(record.ray_id.0, 1);
    let Some(LiveItem::Connection(event)) = reader.next().await else { panic!("a connection") };
    assert_eq!(event.ray_id.0, 2);
    for number in 3..10 {
        telemetry.recorder().invocation(invocation(number));
    }
    let Some(LiveItem::Missed(missed)) = slow.next().await else { panic!("a loss") };
    let Some(LiveItem::Invocation(next)) = slow.next().await else { panic!("an invocation") };
    assert_eq!((missed, next.ray_id.0), (5, 6));
}
