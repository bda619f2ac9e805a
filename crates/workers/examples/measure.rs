//! Measures the platform alone: time from the first request to its answer for a version never run before, memory of idle isolates,
//! and hello worlds a second at several concurrencies.
//!
//! `cargo run --release -p workers --example measure [ISOLATES] [REQUESTS]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use invocation::{
    Answer, Body, BoxFuture, CallFailed, Connect, Ended, FetchError, Invocation, Outbound, Outcome, RayId, Socket,
    Subrequest, WorkerCall,
};
use telemetry::{ConnectionEvent, InvocationRecord, Sink};
use tokio::task::JoinSet;
use uuid::Uuid;
use workers::{Limits, ModuleKind, Platform, PlatformOptions, WorkerModule, WorkerVersion};

struct Nowhere;

impl Outbound for Nowhere {
    fn call(&self, _: WorkerCall) -> BoxFuture<'static, Result<Answer, CallFailed>> {
        Box::pin(async { Err(Ended::new(Outcome::ScriptNotFound, "There is no other Worker.").into()) })
    }

    fn fetch(&self, _: Subrequest) -> BoxFuture<'static, Result<Response<Body>, FetchError>> {
        Box::pin(async { Err(FetchError::Refused("there is no network here".to_owned())) })
    }

    fn connect(&self, _: Connect) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        Box::pin(async { Err(FetchError::Refused("there is no network here".to_owned())) })
    }
}

impl Sink for Nowhere {
    fn invocation(&self, record: InvocationRecord) {
        drop(record);
    }

    fn connection(&self, _: ConnectionEvent) {}
}

fn version() -> Arc<WorkerVersion> {
    let source = "export default { async fetch(request) { return new Response('Hello World!'); } };";
    Arc::new(WorkerVersion {
        id: Uuid::new_v4(),
        name: "hello".into(),
        main_module: "index.js".to_owned(),
        modules: vec![WorkerModule {
            name: "index.js".to_owned(),
            kind: ModuleKind::EsModule,
            content: Bytes::from_static(source.as_bytes()),
        }],
        bindings: Vec::new(),
        limits: Limits::default(),
        compatibility_date: "2026-11-01".to_owned(),
        compatibility_flags: Vec::new(),
    })
}

async fn once(platform: &Platform, version: &Arc<WorkerVersion>) {
    let request = Request::get("http://hello.localhost/").header("host", "hello.localhost").body(invocation::empty());
    let Ok(request) = request else { return };
    let invocation = Invocation { request, ray_id: RayId(1), client: None };
    match platform.dispatch(version.clone(), invocation).await {
        Ok(response) => drop(response.into_body().collect().await),
        Err(ended) => println!("failed: {ended}"),
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

fn quantile(sorted: &[Duration], of: f64) -> Duration {
    let index = (sorted.len().saturating_sub(1)) as f64 * of;
    sorted.get(index as usize).copied().unwrap_or_default()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (isolates, requests) = (arguments.next().unwrap_or(200), arguments.next().unwrap_or(200_000));
    let before = Instant::now();
    let runtime = tokio::runtime::Handle::current();
    let platform = Platform::start(PlatformOptions::new(Arc::new(Nowhere), Arc::new(Nowhere), runtime))?;
    println!("start of the platform: {:?}", before.elapsed());

    once(&platform, &version()).await;
    let resident_before = resident();
    let mut times = Vec::new();
    for _ in 0..isolates {
        let version = version();
        let before = Instant::now();
        once(&platform, &version).await;
        times.push(before.elapsed());
    }
    times.sort();
    println!(
        "first answer of a version, one after the other: median {:?}, p99 {:?}",
        quantile(&times, 0.5),
        quantile(&times, 0.99)
    );
    let mut times = Vec::new();
    for _ in 0..isolates.min(50) {
        // Time for a spare isolate to be made.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let version = version();
        let before = Instant::now();
        once(&platform, &version).await;
        times.push(before.elapsed());
    }
    times.sort();
    println!(
        "first answer of a version, now and then: median {:?}, p99 {:?}",
        quantile(&times, 0.5),
        quantile(&times, 0.99)
    );
    println!(
        "resident memory an isolate: {} KB",
        resident().saturating_sub(resident_before) / 1024 / (isolates + isolates.min(50)).max(1)
    );

    let version = version();
    for concurrency in [1, 32, 128] {
        let each = requests / concurrency;
        let before = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..concurrency {
            let (platform, version) = (platform.clone(), version.clone());
            tasks.spawn(async move {
                for _ in 0..each {
                    once(&platform, &version).await;
                }
            });
        }
        tasks.join_all().await;
        let elapsed = before.elapsed();
        let rate = (each * concurrency) as f64 / elapsed.as_secs_f64();
        println!("hello world, concurrency {concurrency}: {rate:.0} a second");
    }
    println!("resident memory at the end: {} MB", resident() / 1024 / 1024);
    Ok(())
}
