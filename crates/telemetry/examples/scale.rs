//! Fills a file with facts and measures what queries take: `scale FILE [CONNECTIONS] [INVOCATIONS]`, ten million and one
//! million by default. A file that is there already is measured as it is. `bench/run queries` runs it.
#![allow(clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::time::{Duration, Instant};

use connection_error::{ConnectionError, ROWS, Timings};
use fastrand::Rng;
use invocation::{Outcome, RayId};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use telemetry::{
    ConnectionEvent, ConnectionFilter, ConsoleLine, ExceptionRecord, InvocationFilter, InvocationRecord, Level,
    MetricsQuery, MetricsSubject, SubrequestRecord, Telemetry, TelemetryError, TelemetryLocation, TelemetryOptions,
};
use time::OffsetDateTime;
use uuid::Uuid;

/// The time over which the facts are spread: what is kept of connections.
const SPAN: Duration = Duration::from_secs(23 * 60 * 60);
/// How often each query is measured.
const ROUNDS: usize = 21;

fn options() -> TelemetryOptions {
    TelemetryOptions {
        queue_facts: 200_000,
        queue_bytes: 1 << 30,
        max_invocations_per_second: u32::MAX,
        max_connections_per_second: u32::MAX,
        max_bytes: u64::MAX,
        ..TelemetryOptions::default()
    }
}

/// The time of fact `number` of `count`.
fn moment(number: u64, count: u64) -> OffsetDateTime {
    let into = SPAN.as_secs_f64() * (number as f64 / count as f64);
    OffsetDateTime::now_utc() - SPAN + Duration::from_secs_f64(into)
}

fn event(number: u64, count: u64, rng: &mut Rng) -> ConnectionEvent {
    let service = rng.u128(0..50);
    // One attempt in twenty fails; some codes are far rarer than others.
    let error = (rng.u32(0..20) == 0).then(|| {
        let row = ROWS[(rng.f64() * rng.f64() * ROWS.len() as f64) as usize];
        let detail = format!("{} at 10.0.{}.{}:8080", row.code, service, rng.u8(..));
        let mut error = ConnectionError::new(row.code, row.phases[0], detail);
        error.category = row.category;
        error
    });
    // One in a hundred of the others is given up by the one who asked.
    let canceled = error.is_none() && rng.u32(0..100) == 0;
    let time = |rng: &mut Rng, most: u64| Some(Duration::from_micros(rng.u64(50..most)));
    ConnectionEvent {
        id: Uuid::from_u128(rng.u128(..)),
        started: moment(number, count),
        service: Uuid::from_u128(1000 + service),
        service_name: format!("service-{service}"),
        tunnel: Uuid::from_u128(2000 + service % 10),
        connector: Some(Uuid::from_u128(if number.is_multiple_of(1_000_000) { 3999 } else { 3000 + service % 20 })),
        // Each Worker has its service.
        worker: format!("worker-{}", service * 2 + rng.u128(0..2)),
        invocation: Uuid::from_u128(rng.u128(..)),
        ray_id: RayId(number),
        address: Some(format!("10.0.0.{service}:8080")),
        reused: rng.bool(),
        timings: Timings {
            dns: time(rng, 2_000),
            connect: time(rng, 5_000),
            tls: None,
            request: time(rng, 200),
            head: time(rng, 50_000).filter(|_| !canceled),
        },
        status: (error.is_none() && !canceled).then_some(200),
        error,
        canceled,
        trace: None,
    }
}

fn record(number: u64, count: u64, rng: &mut Rng) -> InvocationRecord {
    let words = ["cart", "checkout", "inventory", "payment", "search", "session", "shipment", "wishlist"];
    let word = words[rng.usize(0..words.len())];
    let failed = rng.u32(0..50) == 0;
    // Most failures have no response; a few come after it, and a few are not the Worker's.
    let outcome = match (failed, rng.u32(0..20)) {
        (false, _) => Outcome::Ok,
        (true, 0) => Outcome::ExceededMemory,
        (true, 1) => Outcome::LoadShed,
        (true, _) => Outcome::Exception,
    };
    let started = moment(number, count);
    let timestamp = started.unix_timestamp() * 1000;
    let line = |text: String| ConsoleLine { timestamp, level: Level::Log, message: vec![text.into()] };
    let worker = rng.u128(0..100);
    InvocationRecord {
        id: Uuid::from_u128(rng.u128(..)),
        ray_id: RayId(number),
        worker: format!("worker-{worker}"),
        // The oldest thousand ran in versions that nobody runs any more.
        version: Uuid::from_u128(worker * 2 + rng.u128(0..2) + if number < 1000 { 1000 } else { 0 }),
        event_type: "fetch",
        entrypoint: None,
        started,
        outcome,
        cpu_time: Duration::from_micros((rng.f64() * rng.f64() * 50_000.0) as u64),
        wall_time: Duration::from_micros(rng.u64(500..100_000)),
        memory: rng.u64(2 << 20..64 << 20),
        method: "GET".to_owned(),
        url: format!("https://shop.example/{word}/{}?page={}", rng.u32(0..1_000_000), rng.u8(..)),
        trigger: None,
        headers: vec![("accept".to_owned(), "*/*".to_owned()), ("user-agent".to_owned(), "Mozilla/5.0".to_owned())],
        status: (!failed || rng.u32(0..10) == 0).then_some(if failed {
            500
        } else if rng.u32(0..30) == 0 {
            404
        } else {
            200
        }),
        logs: vec![
            line(format!("looking for {word} number {}", rng.u32(..))),
            line(format!("took {} rows", rng.u8(..))),
        ],
        exceptions: failed
            .then(|| ExceptionRecord {
                timestamp,
                name: "TypeError".to_owned(),
                message: format!("x{} is not a function", rng.u32(0..1000)),
                stack: "at fetch (index.js:12:7)".to_owned(),
                connection: None,
            })
            .into_iter()
            .collect(),
        subrequests: vec![SubrequestRecord {
            target: "API".to_owned(),
            method: "GET".to_owned(),
            url: format!("http://api.internal/{word}"),
            started_ms: 0.5,
            duration_ms: 3.5,
            status: Some(200),
            error: None,
        }],
        further_subrequests: 0,
        truncated: false,
        trace: None,
    }
}

async fn fill(telemetry: &Telemetry, connections: u64, invocations: u64) -> Result<(), TelemetryError> {
    const STEP: u64 = 50_000;
    let mut rng = Rng::with_seed(7);
    let recorder = telemetry.recorder();
    let begun = Instant::now();
    for first in (0..connections).step_by(STEP as usize) {
        (first..connections.min(first + STEP))
            .for_each(|number| recorder.connection(event(number, connections, &mut rng)));
        telemetry.flush().await?;
    }
    println!("{connections} connection events recorded and written in {:.0} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    for first in (0..invocations).step_by(STEP as usize) {
        (first..invocations.min(first + STEP))
            .for_each(|number| recorder.invocation(record(number, invocations, &mut rng)));
        telemetry.flush().await?;
    }
    println!("{invocations} invocations recorded and written in {:.0} s", begun.elapsed().as_secs_f64());
    assert_eq!(telemetry.losses(), telemetry::Losses::default());
    Ok(())
}

/// Metrics are of the time of recording, which here is a few minutes: gives the whole day rows like those of the last minute,
/// as many as there would be.
async fn spread_metrics(path: &str) -> Result<(), sqlx::Error> {
    let mut file = SqliteConnectOptions::new().filename(path).connect().await?;
    let minutes = "WITH RECURSIVE minutes (ago) AS (SELECT 1 UNION ALL SELECT ago + 1 FROM minutes WHERE ago < 1380)";
    for (table, columns) in [
        ("connection_counts", "service, tunnel, connector, worker, code, category, attempts, reused"),
        ("connection_latencies", "service, tunnel, dns, connect, tls, first_byte"),
        ("worker_metrics", "worker, version, requests, failed, subrequests, counts, cpu, wall, memory"),
    ] {
        let begun = Instant::now();
        let last = format!("SELECT max(bucket) FROM {table} WHERE resolution = 60");
        let sql = format!(
            "INSERT OR IGNORE INTO {table} (resolution, bucket, {columns}) {minutes} \
             SELECT 60, bucket - ago, {columns} FROM minutes, \
             (SELECT * FROM {table} WHERE resolution = 60 AND bucket = ({last}) LIMIT 400)"
        );
        // Only names of ours are in it.
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut file).await?.rows_affected();
        println!("{rows} rows of {table} in {:.0} s", begun.elapsed().as_secs_f64());
    }
    // Hours, and what is summed up, are made anew of all these minutes.
    for sql in [
        "DELETE FROM worker_metrics WHERE resolution > 60",
        "DELETE FROM connection_latencies WHERE resolution > 60",
        "DELETE FROM connection_counts WHERE resolution > 60",
        "DELETE FROM worker_overview",
        "DELETE FROM latency_overview",
        "DELETE FROM connection_overview",
    ] {
        sqlx::query(sql).execute(&mut file).await?;
    }
    file.close().await
}

/// Has roll-ups made of what [`spread_metrics`] wrote: before anything is removed, all are made.
async fn roll_up(telemetry: &Telemetry) -> Result<(), TelemetryError> {
    let begun = Instant::now();
    telemetry.sweep().await?;
    println!("rolled up in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// What a query took over some rounds, and how many rows it gave.
async fn measure(
    name: &str,
    mut query: impl AsyncFnMut() -> Result<usize, TelemetryError>,
) -> Result<f64, TelemetryError> {
    let mut times = Vec::with_capacity(ROUNDS);
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        rows = query().await?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let first = times.first().copied().unwrap_or_default();
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
    println!("{:8.2} {:8.2} {:8.2} {:6}  {name}", at(0.5), at(0.9), first, rows);
    Ok(at(0.5))
}

async fn measure_all(telemetry: &Telemetry, count: u64, only: &str) -> Result<f64, TelemetryError> {
    let mut worst: f64 = 0.0;
    println!("median    90 %    first   rows  query (milliseconds; 100 rows a page)");
    let service = Uuid::from_u128(1007).to_string();
    let connector = Uuid::from_u128(3007).to_string();
    // It carried one attempt in a million.
    let rare = Uuid::from_u128(3999).to_string();
    let ray = RayId(count / 3).to_string();
    let connections: &[&[(&str, &str)]] = &[
        &[],
        &[("failed", "true")],
        &[("canceled", "true")],
        &[("canceled", "true"), ("service", &service), ("worker", "worker-14")],
        &[("canceled", "true"), ("connector", &connector)],
        &[("canceled", "true"), ("worker", "no such worker")],
        &[("code", "none"), ("service", &service)],
        // What finds nothing has to look the longest.
        &[("service", &service), ("worker", "worker-42")],
        &[("worker", "worker-42"), ("connector", &connector)],
        &[("failed", "true"), ("connector", &connector), ("worker", "worker-42")],
        &[("failed", "true"), ("connector", &connector)],
        &[("failed", "true"), ("connector", &rare)],
        &[("canceled", "true"), ("connector", &rare)],
        &[("service", &service), ("connector", &rare)],
        &[("category", "client"), ("connector", &rare)],
        &[("service", &service)],
        &[("service", &service), ("failed", "true")],
        &[("service", &service), ("code", "http_response_incomplete")],
        &[("code", "proxy_internal_error")],
        &[("code", "connection_refused"), ("worker", "worker-42")],
        &[("category", "client"), ("service", &service)],
        &[("category", "internal")],
        &[("connector", &connector)],
        &[("worker", "worker-42")],
        &[("worker", "worker-42"), ("failed", "true")],
        &[("detail", "10.0.7.255:8080")],
        &[("detail", "no such text anywhere")],
        &[("ray_id", &ray)],
        &[("since", "12h"), ("until", "11h")],
        &[("service", &service), ("since", "20h"), ("until", "19h"), ("failed", "true")],
    ];
    for pairs in connections {
        let (filter, paging) = ConnectionFilter::from_pairs(pairs.iter().copied())?;
        let name = format!("connections {pairs:?}");
        if !name.contains(only) {
            continue;
        }
        worst =
            worst.max(measure(&name, async || Ok(telemetry.connections(&filter, &paging).await?.items.len())).await?);
    }
    let version = Uuid::from_u128(42).to_string();
    let old_version = Uuid::from_u128(1084).to_string();
    let invocations: &[&[(&str, &str)]] = &[
        &[],
        &[("worker", "worker-42")],
        &[("outcome", "exception")],
        &[("outcome", "exceededCpu")],
        &[("worker", "worker-42"), ("outcome", "error")],
        &[("status", "404")],
        &[("status", "500")],
        &[("status", "503")],
        &[("status", "5xx")],
        &[("status", "5xx"), ("outcome", "error")],
        &[("status", "418")],
        &[("outcome", "error")],
        &[("status", "5xx"), ("worker", "worker-42")],
        &[("version", &version)],
        &[("version", &old_version)],
        &[("version", &old_version), ("worker", "worker-42")],
        &[("version", &old_version), ("outcome", "error")],
        &[("min_cpu", "1000")],
        &[("min_cpu", "1000"), ("outcome", "error")],
        &[("min_cpu", "1000"), ("text", "checkout")],
        &[("status", "302")],
        &[("status", "3xx"), ("worker", "worker-42")],
        &[("worker", "worker-42"), ("text", "checkout")],
        &[("text", "checkout")],
        &[("text", "x123 is not a function")],
        &[("text", "no such text anywhere")],
        &[("text", "payment"), ("worker", "worker-42"), ("outcome", "exception")],
        &[("min_cpu", "40")],
        &[("min_cpu", "49.9"), ("worker", "worker-42")],
        &[("ray_id", &ray)],
        &[("since", "12h"), ("until", "11h")],
    ];
    for pairs in invocations {
        let (filter, paging) = InvocationFilter::from_pairs(pairs.iter().copied())?;
        let name = format!("invocations {pairs:?}");
        if !name.contains(only) {
            continue;
        }
        worst =
            worst.max(measure(&name, async || Ok(telemetry.invocations(&filter, &paging).await?.items.len())).await?);
    }
    let (connections, workers) = (MetricsSubject::Connections, MetricsSubject::Workers);
    // What the dashboard's pages ask for, and the same without any filter.
    let metrics: &[(MetricsSubject, &[(&str, &str)])] = &[
        (connections, &[("by", "category"), ("step", "300"), ("since", "24h")]),
        (connections, &[("step", "300"), ("quantiles", "true"), ("since", "24h")]),
        (connections, &[("by", "service"), ("step", "300"), ("since", "24h")]),
        (connections, &[("by", "service"), ("quantiles", "true"), ("since", "24h")]),
        (connections, &[("by", "code"), ("since", "24h")]),
        (connections, &[("code", "none"), ("step", "300"), ("since", "24h")]),
        (connections, &[("by", "connector"), ("since", "24h")]),
        (connections, &[("by", "tunnel"), ("step", "300"), ("since", "24h")]),
        (connections, &[("connector", &connector), ("by", "code"), ("since", "24h")]),
        (connections, &[("category", "client"), ("by", "service"), ("step", "300"), ("since", "24h")]),
        (connections, &[("worker", "worker-14"), ("by", "code"), ("step", "300"), ("since", "24h")]),
        (connections, &[("by", "worker"), ("since", "24h")]),
        (connections, &[("service", &service), ("by", "category"), ("step", "300"), ("since", "24h")]),
        (connections, &[("service", &service), ("quantiles", "true"), ("step", "300"), ("since", "24h")]),
        (connections, &[("service", &service), ("code", "dns_error"), ("by", "worker"), ("since", "24h")]),
        (connections, &[("code", "dns_error"), ("by", "service"), ("since", "24h")]),
        (connections, &[("detail", "10.0.7.255"), ("by", "code"), ("step", "300"), ("since", "24h")]),
        (workers, &[("by", "worker"), ("quantiles", "true"), ("since", "24h")]),
        (workers, &[("by", "worker"), ("step", "300"), ("since", "6h")]),
        (workers, &[("by", "outcome"), ("step", "300"), ("since", "24h")]),
        (workers, &[("by", "version"), ("quantiles", "true"), ("since", "24h")]),
        (workers, &[("quantiles", "true"), ("step", "300"), ("since", "24h")]),
        (workers, &[("worker", "worker-42"), ("by", "outcome"), ("step", "300"), ("since", "24h")]),
        (workers, &[("worker", "worker-42"), ("quantiles", "true"), ("step", "300"), ("since", "24h")]),
    ];
    for (subject, pairs) in metrics {
        let subject = *subject;
        let query = MetricsQuery::from_pairs(subject, pairs.iter().copied())?;
        let name = format!("{subject:?} metrics {pairs:?}");
        if !name.contains(only) {
            continue;
        }
        let groups = async || {
            let found = telemetry.metric_groups(&query).await?;
            Ok(found["groups"].as_array().map_or(0, Vec::len))
        };
        worst = worst.max(measure(&name, groups).await?);
    }
    Ok(worst)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: scale FILE [CONNECTIONS] [INVOCATIONS] [PART OF A QUERY'S NAME]")?;
    let mut count = |default| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (connections, invocations) = (count(10_000_000)?, count(1_000_000)?);
    let only = arguments.next().unwrap_or_default();
    let is_new = !Path::new(&path).exists();
    let location = TelemetryLocation::File(path.clone().into());
    if is_new {
        let telemetry = Telemetry::open(&location, options()).await?;
        fill(&telemetry, connections, invocations).await?;
        telemetry.close().await?;
        spread_metrics(&path).await?;
    }
    let telemetry = Telemetry::open(&location, options()).await?;
    roll_up(&telemetry).await?;
    println!("{:.1} GiB in {path}", std::fs::metadata(&path)?.len() as f64 / (1_u64 << 30) as f64);
    let worst = measure_all(&telemetry, invocations, &only).await?;
    println!("the slowest query takes {worst:.1} ms at the median; the target is under 200 ms");
    telemetry.close().await?;
    Ok(())
}
