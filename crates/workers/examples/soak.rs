//! Creates and ends isolates, each with a Worker of its own that answers, allocates, or is stopped, and prints the memory of the process. Fails
//! when it is not flat.
//!
//! `cargo run --release -p workers --example soak [ISOLATES]`

use std::process::ExitCode;
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

/// At the same time.
const AT_ONCE: usize = 10;
/// What the last isolates may add to what the first fifth of them left resident, in MiB: the allocator's habits, not a leak, which would be
/// some KiB for each isolate at the least.
const DRIFT: usize = 32;

/// Workers that leave in different ways.
const SOURCES: [&str; 4] = [
    "export default { fetch: () => new Response('Hello World!') };",
    "const keep = []; export default { fetch() { for (let i = 0; i < 2e4; i++) keep.push({ i }); setTimeout(() => {}, 1e6); return new Response('kept'); } };",
    "export default { fetch() { for (;;); } };",
    "export default { fetch() { throw new Error('no'); } };",
];

struct Nowhere;

impl Outbound for Nowhere {
    fn call(&self, _: WorkerCall) -> BoxFuture<'static, Result<Answer, CallFailed>> {
        Box::pin(async { Err(Ended::new(Outcome::ScriptNotFound, "There is no other Worker.").into()) })
    }

    fn connect(&self, _: Connect) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        Box::pin(async { Err(FetchError::Refused("there is no network here".to_owned())) })
    }

    fn fetch(&self, _: Subrequest) -> BoxFuture<'static, Result<Response<Body>, FetchError>> {
        Box::pin(async { Err(FetchError::Refused("there is no network here".to_owned())) })
    }
}

impl Sink for Nowhere {
    fn invocation(&self, record: InvocationRecord) {
        drop(record);
    }

    fn connection(&self, _: ConnectionEvent) {}
}

fn version(source: &'static str) -> Arc<WorkerVersion> {
    Arc::new(WorkerVersion {
        id: Uuid::new_v4(),
        name: "soak".into(),
        main_module: "index.js".to_owned(),
        modules: vec![WorkerModule {
            name: "index.js".to_owned(),
            kind: ModuleKind::EsModule,
            content: Bytes::from_static(source.as_bytes()),
        }],
        bindings: Vec::new(),
        limits: Limits { cpu: Duration::from_millis(20), ..Limits::default() },
        compatibility_date: "2026-11-01".to_owned(),
        compatibility_flags: Vec::new(),
    })
}

/// A Worker is called once and retired.
async fn once(platform: Platform, source: &'static str) {
    let version = version(source);
    let request = Request::get("http://soak.localhost/").header("host", "soak.localhost").body(invocation::empty());
    let Ok(request) = request else { return };
    let invocation = Invocation { request, ray_id: RayId(1), client: None };
    if let Ok(response) = platform.dispatch(version.clone(), invocation).await {
        drop(response.into_body().collect().await);
    }
    platform.retire(version.id);
}

/// Resident memory of this process, in MiB.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() / 256
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let isolates = std::env::args().nth(1).and_then(|count| count.parse::<usize>().ok()).unwrap_or(10_000);
    let runtime = tokio::runtime::Handle::current();
    let platform = Platform::start(PlatformOptions::new(Arc::new(Nowhere), Arc::new(Nowhere), runtime))?;
    let begun = Instant::now();
    let mut early = 0;
    for round in 1..=10 {
        for _ in 0..isolates / 10 / AT_ONCE {
            let mut tasks = JoinSet::new();
            for source in SOURCES.iter().cycle().take(AT_ONCE) {
                tasks.spawn(once(platform.clone(), source));
            }
            tasks.join_all().await;
        }
        while platform.isolates() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!("{} isolates, {:?}: {} MiB resident", isolates * round / 10, begun.elapsed(), resident());
        if round == 2 {
            early = resident();
        }
    }
    let flat = resident() <= early + DRIFT;
    println!("{}", if flat { "flat" } else { "memory was lost" });
    Ok(if flat { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
