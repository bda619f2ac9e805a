//! Made-up facts.

use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase, ROWS, Timings};
use fastrand::Rng;
use invocation::{Outcome, RayId};
use telemetry::{
    ConnectionEvent, ConsoleLine, ExceptionRecord, InvocationRecord, Level, SubrequestRecord, Telemetry,
    TelemetryOptions,
};
use tempfile::TempDir;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::engine::location;

/// A keeper with a database of its own, that keeps everything.
pub async fn keeper() -> (TempDir, Telemetry) {
    keeper_with(unlimited()).await
}

pub async fn keeper_with(options: TelemetryOptions) -> (TempDir, Telemetry) {
    let directory = tempfile::tempdir().unwrap();
    let telemetry = Telemetry::open(&location(directory.path()).await, options).await.unwrap();
    (directory, telemetry)
}

pub fn unlimited() -> TelemetryOptions {
    TelemetryOptions {
        queue_facts: 1 << 20,
        queue_bytes: 1 << 30,
        max_invocations_per_second: u32::MAX,
        max_connections_per_second: u32::MAX,
        ..TelemetryOptions::default()
    }
}

/// The time of fact `number`: one each millisecond, the last a minute ago.
pub fn moment(number: u64) -> OffsetDateTime {
    let milliseconds = (OffsetDateTime::now_utc().unix_timestamp() - 3600) * 1000;
    OffsetDateTime::from_unix_timestamp(milliseconds / 1000).unwrap() + Duration::from_millis(number)
}

pub fn invocation(number: u64) -> InvocationRecord {
    InvocationRecord {
        id: Uuid::from_u128(u128::from(number)),
        ray_id: RayId(number),
        worker: "hello".to_owned(),
        version: Uuid::from_u128(7),
        event_type: "fetch",
        entrypoint: None,
        trigger: None,
        started: moment(number),
        outcome: Outcome::Ok,
        cpu_time: Duration::from_micros(1250),
        wall_time: Duration::from_micros(2500),
        memory: 4 << 20,
        method: "GET".to_owned(),
        url: format!("http://hello.localhost/{number}"),
        headers: vec![("accept".to_owned(), "*/*".to_owned()), ("cookie".to_owned(), "secret=1".to_owned())],
        status: Some(200),
        logs: Vec::new(),
        exceptions: Vec::new(),
        subrequests: Vec::new(),
        further_subrequests: 0,
        truncated: false,
        trace: None,
    }
}

pub fn line(text: &str) -> ConsoleLine {
    ConsoleLine { timestamp: 1, level: Level::Log, message: vec![text.into(), serde_json::json!({"a": 1})] }
}

pub fn random_invocation(number: u64, rng: &mut Rng) -> InvocationRecord {
    let mut record = invocation(number);
    record.worker = format!("worker-{}", rng.u32(0..4));
    record.version = Uuid::from_u128(7 + rng.u128(0..3));
    if rng.u32(0..5) == 0 {
        record.event_type = "scheduled";
    }
    record.outcome = if rng.bool() { Outcome::Ok } else { Outcome::ALL[rng.usize(0..Outcome::ALL.len())] };
    record.status = [None, Some(200), Some(304), Some(404), Some(500), Some(503)][rng.usize(0..6)];
    record.cpu_time = Duration::from_micros(rng.u64(0..100_000));
    if rng.u32(0..4) == 0 {
        let words = ["Alpha", "beta-blocker", "the \"quoted\" word", "ünïcode", "100%_sure"];
        record.logs.push(line(&format!("saw {} here", words[rng.usize(0..words.len())])));
    }
    if record.outcome == Outcome::Exception {
        record.exceptions.push(ExceptionRecord {
            timestamp: 2,
            name: "TypeError".to_owned(),
            message: format!("x{} is not a function", rng.u32(0..3)),
            stack: "at fetch (index.js:1:1)".to_owned(),
            connection: None,
        });
    }
    if rng.bool() {
        record.subrequests.push(SubrequestRecord {
            target: "API".to_owned(),
            method: "GET".to_owned(),
            url: "http://api.internal/018f3b2c-1a2b-4c3d-8e4f-0123456789ab".to_owned(),
            started_ms: 0.5,
            duration_ms: 1.5,
            status: Some(200),
            error: None,
        });
    }
    record
}

pub fn connection(number: u64) -> ConnectionEvent {
    ConnectionEvent {
        id: Uuid::from_u128(u128::from(number)),
        started: moment(number),
        service: Uuid::from_u128(1000),
        service_name: "api".to_owned(),
        tunnel: Uuid::from_u128(2000),
        connector: Some(Uuid::from_u128(3000)),
        worker: "hello".to_owned(),
        invocation: Uuid::from_u128(4000),
        ray_id: RayId(number),
        address: Some("10.0.0.5:8080".to_owned()),
        reused: false,
        timings: Timings {
            dns: Some(Duration::from_micros(900)),
            connect: Some(Duration::from_micros(1250)),
            request: Some(Duration::from_micros(100)),
            head: Some(Duration::from_micros(5000)),
            ..Timings::default()
        },
        status: Some(200),
        error: None,
        canceled: false,
        trace: None,
    }
}

pub fn random_connection(number: u64, rng: &mut Rng) -> ConnectionEvent {
    let mut event = connection(number);
    event.service = Uuid::from_u128(1000 + rng.u128(0..3));
    event.tunnel = Uuid::from_u128(2000 + rng.u128(0..2));
    event.connector = rng.bool().then(|| Uuid::from_u128(3000 + rng.u128(0..2)));
    event.worker = format!("worker-{}", rng.u32(0..4));
    if rng.u32(0..3) == 0 {
        let row = ROWS[rng.usize(0..ROWS.len())];
        let mut error =
            ConnectionError::new(row.code, row.phases[0], format!("{} at 10.0.0.{}", row.code, rng.u8(0..3)));
        error.category = row.category;
        event.error = Some(error);
        event.status = None;
        event.timings = Timings::default();
    } else if rng.u32(0..5) == 0 {
        event.canceled = true;
        event.status = None;
        event.timings.head = None;
    }
    event
}

pub fn refused(number: u64) -> ConnectionEvent {
    let error =
        ConnectionError::new(ErrorCode::ConnectionRefused, Phase::Connect, "10.0.0.5:8080 refused the connection");
    ConnectionEvent { status: None, error: Some(error), ..connection(number) }
}
