//! CPU time goes to the invocation whose code ran, and all of it to one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use invocation::Outcome;

use crate::support::*;

const INVOCATIONS: usize = 20;
/// How far from the thread's clock an invocation may be.
const PRECISION: Duration = Duration::from_millis(2);

/// The only isolate's thread.
fn thread() -> PathBuf {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path());
    let mut named = threads
        .filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "isolate charged"));
    named.next().expect("a thread that is named after its Worker")
}

/// CPU time of a thread that sleeps, by the scheduler's own count (proc_pid_schedstat(5)).
fn clock(thread: &Path) -> Duration {
    let text = std::fs::read_to_string(thread.join("schedstat")).unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_pays_for_its_own() {
    let world = World::with(|options| {
        options.isolates_per_worker = 1;
        options.spare_isolates = 0;
    });
    let mut version = source(
        "let sum = 0;
         export default {
           async fetch(request) {
             const rounds = Number(new URL(request.url).searchParams.get('rounds'));
             for (let turn = 0; turn < 4; turn++) {
               for (let i = 0; i < rounds; i++) sum = (sum * 31 + i) % 65521;
               await scheduler.wait(1);
             }
             return new Response('done');
           },
         };",
    );
    version.name = "charged".into();
    let version = Arc::new(version);
    for _ in 0..5 {
        world.text(&version, "/?rounds=100000").await;
        world.records.next().await;
    }
    let thread = thread();
    let before = clock(&thread);
    let asked: Vec<_> = (0..INVOCATIONS)
        .map(|number| {
            let path = if number % 2 == 0 { "/?rounds=3000000" } else { "/?rounds=0" };
            tokio::spawn(world.platform.dispatch(version.clone(), invoke(get(path))))
        })
        .collect();
    for answer in asked {
        drop(answer.await.unwrap().unwrap());
    }
    let mut charged = [Vec::new(), Vec::new()];
    for _ in 0..INVOCATIONS {
        let record = world.records.next().await;
        assert_eq!(record.outcome, Outcome::Ok);
        charged[usize::from(record.url.ends_with("rounds=0"))].push(record.cpu_time);
    }
    let passed = clock(&thread) - before;
    let [busy, waiting] = charged;
    let sum: Duration = busy.iter().chain(&waiting).sum();
    let off = passed.abs_diff(sum);
    println!("{passed:?} by the thread's clock, {sum:?} charged; busy {busy:?}, waiting {waiting:?}");
    assert!(off < PRECISION * INVOCATIONS as u32, "{off:?} between the thread's clock and what was charged");
    let least = busy.iter().min().unwrap();
    let most = waiting.iter().max().unwrap();
    assert!(*most * 4 < *least, "one that only waited was charged with {most:?}, one that worked with {least:?}");
}
