//! Answers, modules, bindings.

use std::sync::Arc;

use invocation::Outcome;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello() {
    let world = World::new();
    let version = Arc::new(worker(&["hello.js"]));
    let response = world.get(&version, "/x").await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain;charset=UTF-8");
    assert_eq!(text(response).await, (200, "Hello World!".into()));
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Ok);
    assert_eq!((record.method.as_str(), record.url.as_str()), ("GET", "http://worker.localhost/x"));
    assert_eq!(record.headers, [("x-test".to_owned(), "1".to_owned())]);
    assert_eq!(record.status, Some(200));
    assert!(!record.cpu_time.is_zero() && record.cpu_time < record.wall_time, "{record:?}");
    assert!(record.memory > 0);
    world.platform.retire(version.id);
    world.settled().await;
}
