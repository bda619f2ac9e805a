//! Memory hogs: each ends with `exceededMemory`, the platform goes on.

use std::sync::Arc;

use invocation::Outcome;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hogs_are_stopped() {
    let world = World::with(|options| {
        options.isolates_per_worker = 1;
        options.isolate_memory = 48 * 1024 * 1024;
    });
    let version = Arc::new(worker(&["hogs.js"]));
    for path in [
        "/array",
        "/string",
        "/repeat",
        "/buffers",
        "/fill",
        "/map",
        "/closures",
        "/wasm",
        "/caught",
        "/promises",
        "/json",
    ] {
        let ended = world.get(&version, path).await.expect_err(path);
        let record = world.records.next().await;
        // A single allocation that can never fit is an exception that script may catch; what it then does is up to it.
        let refused = ended.outcome == Outcome::Exception
            && (ended.message.contains("memory") || ended.message.contains("length") || ended.message.contains("size"));
        assert!(ended.outcome == Outcome::ExceededMemory || refused, "{path}: {ended:?}");
        assert_eq!(record.outcome, ended.outcome, "{path}");
        if ended.outcome == Outcome::ExceededMemory {
            assert!(ended.message.starts_with("Worker exceeded memory limit."), "{path}: {ended:?}");
            assert_eq!(record.exceptions[0].message, "Worker exceeded memory limit.");
        }
        assert_eq!(world.text(&version, "/").await, (200, "fine".into()), "after {path}");
        assert_eq!(world.records.next().await.outcome, Outcome::Ok);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_too_large_to_hold_is_refused() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let (_, message) = world.text(&version, "/big").await;
    assert!(message.contains("Memory limit would be exceeded before EOF"), "{message}");
}
