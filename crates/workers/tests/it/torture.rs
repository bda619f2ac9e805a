//! Hostile Workers, a file each in `tests/torture/`, 8 at a time, beside a well-behaved one. The first line of a file names the outcomes
//! that are right for it; a single allocation that can never fit is an exception, many small ones exceed the memory limit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use crate::support::*;

/// For those that are to exceed their CPU time, which do nothing but use it.
const CPU: Duration = Duration::from_millis(100);
/// For the others: which limit they meet must not hang on how busy the machine is.
const AMPLE_CPU: Duration = Duration::from_secs(300);
/// How long one may take. Nothing depends on it but a test that hangs.
const PATIENCE: Duration = Duration::from_secs(600);
const MEMORY: usize = 48 * 1024 * 1024;
const AT_ONCE: usize = 8;

/// Files by name: the outcomes that are right, and the source.
fn files() -> BTreeMap<String, (Vec<String>, String)> {
    let folder = Path::new("tests/torture");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let expected = source.lines().next().and_then(|line| line.strip_prefix("// Expected: "));
        let expected = expected.unwrap_or_else(|| panic!("{name} does not say what is expected"));
        files.insert(name, (expected.split(", ").map(str::to_owned).collect(), source));
    }
    files
}

/// The most memory that this process has had resident, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or_default() * 1024
}

/// Times of the answers of the well-behaved Worker until told to stop.
async fn behave(world: Arc<World>, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let version = Arc::new(source("export default { fetch: () => new Response('well') };"));
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        assert_eq!(world.text(&version, "/").await, (200, "well".into()));
        times.push(before.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times.sort();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes on a busy machine; run it with --ignored torture"]
async fn hostile_workers_end_as_they_should() {
    let world = Arc::new(World::with(|options| {
        options.isolates_per_worker = 1;
        options.isolate_memory = MEMORY;
    }));
    let stop = Arc::new(AtomicBool::new(false));
    let good = tokio::spawn(behave(world.clone(), stop.clone()));
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let files = files();
    assert!(files.len() >= 150, "{}", files.len());
    let mut tasks = tokio::task::JoinSet::new();
    for (name, (expected, text)) in &files {
        let cpu = if expected.iter().any(|outcome| outcome == "exceededCpu") { CPU } else { AMPLE_CPU };
        let mut version = source(text);
        version.name = name.as_str().into();
        let version = with_cpu(version, cpu.as_millis() as u64);
        let (world, slots) = (world.clone(), slots.clone());
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await.unwrap();
            let answer = world.platform.dispatch(version, invoke(get("/")));
            if let Ok(response) = tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time") {
                // Its body may break off.
                drop(tokio::time::timeout(PATIENCE, response.into_body().collect()).await.expect("an end in time"));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let times = good.await.unwrap();

    let mut wrong = Vec::new();
    let mut seen = 0;
    while seen < files.len() {
        let record = world.records.next().await;
        let Some((expected, _)) = files.get(record.worker.as_str()) else { continue };
        seen += 1;
        if !expected.iter().any(|outcome| outcome == record.outcome.as_str()) {
            let said = record.exceptions.first().map(|exception| &exception.message);
            wrong.push(format!(
                "{}: {} instead of {expected:?} after {:?} of CPU time ({said:?})",
                record.worker,
                record.outcome.as_str(),
                record.cpu_time
            ));
        }
    }
    println!(
        "{} hostile Workers; the well-behaved one answered {} times, p99 {:?}; at most {} MB were resident",
        files.len(),
        times.len(),
        times.get(times.len().saturating_sub(1) * 99 / 100),
        peak() / 1024 / 1024
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
