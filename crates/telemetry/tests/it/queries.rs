//! Filters and pages give exactly what a plain look through all facts gives.

use std::time::Duration;

use connection_error::{Category, ErrorCode};
use fastrand::Rng;
use invocation::{Outcome, RayId};
use telemetry::{
    ConnectionEvent, ConnectionFilter, ConnectionView, InvocationFilter, InvocationRecord, InvocationView, Paging,
    Status, Telemetry,
};
use uuid::Uuid;

use crate::facts::{keeper, moment, random_connection, random_invocation};

async fn all_invocations(telemetry: &Telemetry, filter: &InvocationFilter, limit: u32) -> Vec<InvocationView> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = telemetry.invocations(filter, &Paging::new(limit, after).unwrap()).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        found.extend(page.items);
        match page.next {
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => return found,
        }
    }
}

async fn all_connections(telemetry: &Telemetry, filter: &ConnectionFilter, limit: u32) -> Vec<ConnectionView> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = telemetry.connections(filter, &Paging::new(limit, after).unwrap()).await.unwrap();
        found.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

/// What the visitor saw: the response, or the error page that stands for how the invocation ended.
fn shown_status(record: &InvocationRecord) -> Option<u16> {
    let page = match record.outcome {
        _ if record.event_type != "fetch" => None,
        Outcome::Exception | Outcome::InternalError => Some(500),
        Outcome::ExceededCpu | Outcome::ExceededMemory | Outcome::ExceededWallTime | Outcome::LoadShed => Some(503),
        Outcome::ScriptNotFound => Some(404),
        _ => None,
    };
    record.status.or(page)
}

fn matches_invocation(record: &InvocationRecord, filter: &InvocationFilter) -> bool {
    let view = InvocationView::of(record);
    let text = |needle: &str| {
        let mut all = vec![view.event.request.as_ref().unwrap().url.clone()];
        all.extend(view.exceptions.iter().map(|e| format!("{}: {}", e.name, e.message)));
        for value in view.logs.iter().flat_map(|line| &line.message) {
            all.push(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        all.iter().any(|part| part.to_lowercase().contains(&needle.to_lowercase()))
    };
    filter.worker.as_ref().is_none_or(|worker| *worker == record.worker)
        && (filter.outcomes.is_empty() || filter.outcomes.contains(&record.outcome))
        && filter.version.is_none_or(|version| record.version == version)
        && match (filter.status, shown_status(record)) {
            (None, _) => true,
            (Some(Status::Exact(wanted)), Some(status)) => wanted == status,
            (Some(Status::Class(wanted)), Some(status)) => u16::from(wanted) == status / 100,
            (Some(_), None) => false,
        }
        && filter.text.as_deref().is_none_or(text)
        && filter.since.is_none_or(|since| record.started >= since)
        && filter.until.is_none_or(|until| record.started < until)
        && filter.ray_id.is_none_or(|ray| record.ray_id == ray)
        && filter.id.is_none_or(|id| record.id == id)
        && filter.min_cpu.is_none_or(|cpu| record.cpu_time >= cpu)
}

fn matches_connection(event: &ConnectionEvent, filter: &ConnectionFilter) -> bool {
    let error = event.error.as_ref();
    filter.service.is_none_or(|service| event.service == service)
        && filter.tunnel.is_none_or(|tunnel| event.tunnel == tunnel)
        && filter.connector.is_none_or(|connector| event.connector == Some(connector))
        && filter.worker.as_ref().is_none_or(|worker| event.worker == *worker)
        && filter.code.is_none_or(|code| error.is_some_and(|error| error.code == code))
        && filter.category.is_none_or(|category| error.is_some_and(|error| error.category == category))
        && filter.detail.as_ref().is_none_or(|detail| error.is_some_and(|error| error.detail.contains(detail.as_str())))
        && filter.ray_id.is_none_or(|ray| event.ray_id == ray)
        && (!filter.failed_only || error.is_some())
        && (!filter.succeeded_only || (error.is_none() && !event.canceled))
        && (!filter.canceled_only || event.canceled)
        && filter.since.is_none_or(|since| event.started >= since)
        && filter.until.is_none_or(|until| event.started < until)
}

#[tokio::test]
async fn invocations_by_every_filter() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let (_directory, telemetry) = keeper().await;
    // One base time for both sides: `moment` moves with the clock.
    let records: Vec<_> = (0..2500).map(|number| random_invocation(number, &mut rng)).collect();
    let recorder = telemetry.recorder();
    let mut shuffled = records.clone();
    rng.shuffle(&mut shuffled);
    for record in shuffled {
        recorder.invocation(record);
    }
    telemetry.flush().await.unwrap();
    assert_eq!(telemetry.losses().invocations.total(), 0);

    for round in 0..120 {
        let filter = InvocationFilter {
            version: (rng.u32(0..3) == 0).then(|| Uuid::from_u128(7 + rng.u128(0..4))),
            id: (rng.u32(0..8) == 0).then(|| Uuid::from_u128(rng.u128(0..100))),
            worker: (rng.u32(0..3) == 0).then(|| format!("worker-{}", rng.u32(0..5))),
            outcomes: match rng.u32(0..4) {
                0 => vec![Outcome::Exception],
                1 => vec![Outcome::Ok, Outcome::ExceededCpu, Outcome::Canceled],
                2 => Outcome::ALL.to_vec(),
                _ => Vec::new(),
            },
            status: [
                None,
                None,
                None,
                Some(Status::Exact(200)),
                Some(Status::Exact(404)),
                Some(Status::Exact(500)),
                Some(Status::Exact(503)),
                Some(Status::Class(5)),
                Some(Status::Class(3)),
            ][rng.usize(0..9)],
            text: [
                None,
                None,
                None,
                Some("ALPHA"),
                Some("beta-b"),
                Some("\"quoted\""),
                Some("nïc"),
                Some("0%_s"),
                Some("x1 is not"),
                Some("localhost/12"),
                Some("absent"),
            ][rng.usize(0..11)]
            .map(str::to_owned),
            since: (rng.u32(0..4) == 0).then(|| records[rng.usize(0..2500)].started),
            until: (rng.u32(0..4) == 0).then(|| records[rng.usize(0..2500)].started),
            ray_id: (rng.u32(0..10) == 0).then(|| RayId(rng.u64(0..750))),
            min_cpu: (rng.u32(0..5) == 0).then(|| Duration::from_micros(rng.u64(0..100_000))),
        };
        let expected: Vec<_> =
            records.iter().rev().filter(|record| matches_invocation(record, &filter)).map(InvocationView::of).collect();
        let limit = if round % 10 == 0 { 7 } else { 1000 };
        let found = all_invocations(&telemetry, &filter, limit).await;
        assert_eq!(found.len(), expected.len(), "{filter:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn connections_by_every_filter() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let (_directory, telemetry) = keeper().await;
    let events: Vec<_> = (0..700).map(|number| random_connection(number, &mut rng)).collect();
    for event in events.clone() {
        telemetry.recorder().connection(event);
    }
    telemetry.flush().await.unwrap();
    for round in 0..120 {
        let code = events[rng.usize(0..700)].error.as_ref().map(|error| error.code).filter(|_| rng.u32(0..4) == 0);
        let filter = ConnectionFilter {
            succeeded_only: rng.u32(0..5) == 0,
            canceled_only: rng.u32(0..5) == 0,
            service: (rng.u32(0..3) == 0).then(|| Uuid::from_u128(1000 + rng.u128(0..4))),
            tunnel: (rng.u32(0..4) == 0).then(|| Uuid::from_u128(2000 + rng.u128(0..3))),
            connector: (rng.u32(0..4) == 0).then(|| Uuid::from_u128(3000 + rng.u128(0..3))),
            worker: (rng.u32(0..4) == 0).then(|| format!("worker-{}", rng.u32(0..5))),
            code,
            category: (rng.u32(0..5) == 0).then(|| Category::ALL[rng.usize(0..3)]),
            detail: (rng.u32(0..6) == 0).then(|| "10.0.0.1".to_owned()),
            ray_id: (rng.u32(0..10) == 0).then(|| RayId(rng.u64(0..750))),
            failed_only: rng.u32(0..4) == 0,
            since: (rng.u32(0..4) == 0).then(|| events[rng.usize(0..700)].started),
            until: (rng.u32(0..4) == 0).then(|| events[rng.usize(0..700)].started),
        };
        let expected: Vec<_> =
            events.iter().rev().filter(|event| matches_connection(event, &filter)).map(ConnectionView::from).collect();
        let limit = if round % 10 == 0 { 7 } else { 1000 };
        let found = all_connections(&telemetry, &filter, limit).await;
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn new_facts_do_not_disturb_a_reader_of_pages() {
    let (_directory, telemetry) = keeper().await;
    let recorder = telemetry.recorder();
    let mut rng = Rng::with_seed(1);
    for number in 0..100 {
        recorder.invocation(random_invocation(number, &mut rng));
    }
    telemetry.flush().await.unwrap();
    let filter = InvocationFilter::default();
    let first = telemetry.invocations(&filter, &Paging::new(60, None).unwrap()).await.unwrap();
    for number in 100..200 {
        recorder.invocation(random_invocation(number, &mut rng));
    }
    telemetry.flush().await.unwrap();
    let second = telemetry.invocations(&filter, &Paging::new(60, first.next).unwrap()).await.unwrap();
    let rays: Vec<_> = first.items.iter().chain(&second.items).map(|view| view.ray_id.0).collect();
    assert_eq!(rays, (0..100).rev().collect::<Vec<_>>());
    assert_eq!(second.next, None);
}

/// Whoever looks for what visitors saw finds the invocations behind error pages, whose records have no response all the same.
#[tokio::test]
async fn an_error_page_is_found_by_its_status() {
    let (_directory, telemetry) = keeper().await;
    for (number, outcome) in (0..).zip(Outcome::ALL) {
        for (event_type, number) in [("fetch", number), ("scheduled", number + 100)] {
            let record =
                InvocationRecord { outcome: *outcome, status: None, event_type, ..crate::facts::invocation(number) };
            telemetry.recorder().invocation(record);
        }
    }
    let answered = InvocationRecord {
        outcome: Outcome::Exception,
        status: Some(200),
        logs: vec![crate::facts::line("after the response")],
        ..crate::facts::invocation(50)
    };
    telemetry.recorder().invocation(answered);
    telemetry.flush().await.unwrap();
    let found = async |pairs: &[(&str, &str)]| {
        let (filter, paging) = InvocationFilter::from_pairs(pairs.iter().copied()).unwrap();
        let page = telemetry.invocations(&filter, &paging).await.unwrap();
        assert!(page.items.iter().all(|view| view.event_type == "fetch"));
        let mut outcomes: Vec<_> = page.items.iter().map(|view| view.outcome).collect();
        outcomes.sort_unstable();
        (outcomes, page.items)
    };
    let mut failed = vec![Outcome::Exception, Outcome::InternalError];
    failed.sort_unstable();
    assert_eq!(found(&[("status", "500")]).await.0, failed);
    let mut stopped = vec![Outcome::ExceededCpu, Outcome::ExceededMemory, Outcome::ExceededWallTime, Outcome::LoadShed];
    stopped.sort_unstable();
    assert_eq!(found(&[("status", "503")]).await.0, stopped);
    let (all, views) = found(&[("status", "5xx"), ("worker", "hello")]).await;
    assert_eq!(all.len(), failed.len() + stopped.len());
    // The Worker gave no response, and the record does not say that it did.
    assert!(views.iter().all(|view| view.event.response.is_none()));
    assert_eq!(found(&[("status", "5xx"), ("outcome", "exception,ok")]).await.0, [Outcome::Exception]);
    assert_eq!(found(&[("status", "404")]).await.0, [Outcome::ScriptNotFound]);
    assert_eq!(found(&[("status", "200")]).await.0, [Outcome::Exception]);
}

#[tokio::test]
async fn json_of_a_failed_connection() {
    let (_directory, telemetry) = keeper().await;
    telemetry.recorder().connection(crate::facts::refused(5));
    telemetry.flush().await.unwrap();
    let (filter, paging) = ConnectionFilter::from_pairs([("code", "connection_refused"), ("limit", "1")]).unwrap();
    let page = telemetry.connections(&filter, &paging).await.unwrap();
    let view = &page.items[0];
    assert_eq!(view.failure.as_ref().unwrap().code, ErrorCode::ConnectionRefused);
    let json = serde_json::to_value(view).unwrap();
    assert_eq!(json["code"], "connection_refused");
    assert_eq!(json["category"], "Bad Upstream");
    assert_eq!(json["phase"], "connect");
    assert_eq!(json["detail"], "10.0.0.5:8080 refused the connection");
    assert_eq!(json["timings"], serde_json::json!({"dns": 0.9, "connect": 1.25, "request": 0.1, "head": 5.0}));
    assert_eq!(json["address"], "10.0.0.5:8080");
    assert_eq!(json["rayId"], "0000000000000005");
    assert_eq!(serde_json::from_value::<ConnectionView>(json).unwrap(), *view);
    assert!(moment(5).unix_timestamp() - view.timestamp / 1000 <= 60);
}
