//! `waitUntil`, visitors who leave, the console.

use std::sync::Arc;
use std::time::{Duration, Instant};

use invocation::Outcome;
use serde_json::json;
use telemetry::Level;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_the_answer() {
    let world = World::new();
    let version = Arc::new(worker(&["background.js"]));
    assert_eq!(world.text(&version, "/wait-until").await.1, "answered");
    reaches(&world.fake.at_gate, 1).await;
    assert_eq!(world.records.count(), 0, "not over yet");
    world.fake.gate.send_replace(true);
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Ok);
    let lines: Vec<_> = record.logs.iter().map(|line| line.message[0].as_str().unwrap()).collect();
    assert_eq!(lines, ["before", "after"]);
    assert_eq!(record.subrequests.len(), 1);

    assert_eq!(world.text(&version, "/wait-until-rejects").await.1, "answered");
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Ok);
    assert_eq!(record.exceptions[0].message, "in the background");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_who_leaves_ends_what_is_not_kept() {
    let world = World::new();
    let version = Arc::new(worker(&["background.js"]));
    for path in ["/gone", "/gone-signal"] {
        let answer = tokio::spawn(world.platform.dispatch(version.clone(), invoke(get(path))));
        reaches(&world.fake.waiting, 1).await;
        let start = Instant::now();
        answer.abort();
        let record = world.records.next().await;
        assert!(start.elapsed() < Duration::from_secs(2), "{path}");
        assert_eq!(record.outcome, Outcome::Canceled, "{path}");
        assert_eq!(record.status, None);
        reaches(&world.fake.waiting, 0).await;
        if path == "/gone-signal" {
            assert_eq!(record.logs[0].message, ["aborted", "AbortError"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_who_leaves_does_not_end_what_is_kept() {
    let world = World::new();
    let version = Arc::new(worker(&["background.js"]));
    let answer = tokio::spawn(world.platform.dispatch(version.clone(), invoke(get("/gone-wait-until"))));
    reaches(&world.fake.waiting, 1).await;
    reaches(&world.fake.at_gate, 1).await;
    answer.abort();
    // Still there when the gate opens.
    assert!(answer.await.unwrap_err().is_cancelled());
    world.text(&version, "/nothing").await;
    assert_eq!(world.records.next().await.outcome, Outcome::Ok);
    world.fake.gate.send_replace(true);
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Canceled);
    assert_eq!(record.logs[0].message, ["went on"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_lines_keep_their_order_and_shape() {
    let world = World::new();
    let version = Arc::new(worker(&["background.js"]));
    world.text(&version, "/console").await;
    let record = world.records.next().await;
    let levels: Vec<_> = record.logs.iter().map(|line| line.level).collect();
    assert_eq!(levels, [Level::Log, Level::Error, Level::Warn, Level::Info, Level::Debug]);
    assert_eq!(record.logs[0].message, [json!("one"), json!(2), json!({"three": [4]})]);
    assert!(record.logs[1].message[0].as_str().unwrap().starts_with("Error: five"), "{:?}", record.logs[1]);
    assert!(!record.truncated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_lines_are_cut_and_survive_the_isolate() {
    let world = World::new();
    let version = with_cpu(worker(&["background.js"]), 1000);
    assert_eq!(world.text(&version, "/chatter").await.1, "logged");
    let record = world.records.next().await;
    assert!(record.truncated);
    let bytes: usize = record.logs.iter().flat_map(|line| &line.message).map(|value| value.to_string().len()).sum();
    assert!(bytes > 200 * 1024 && bytes <= 257 * 1024, "{bytes}");
    assert_eq!(record.logs[1].message[0], 1);

    let version = with_cpu(worker(&["background.js"]), 50);
    let ended = world.get(&version, "/chatter-loop").await.unwrap_err();
    assert_eq!(ended.outcome, Outcome::ExceededCpu);
    assert_eq!(world.records.next().await.logs[0].message, ["last words"]);
}
