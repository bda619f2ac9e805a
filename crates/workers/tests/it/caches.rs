//! The Cache API, as a Worker sees it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{World, worker};

async fn ask(world: &World, path: &str) -> Value {
    let (status, text) = world.text(&Arc::new(worker(&["caches.js"])), path).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_kept_and_forgotten() {
    let world = World::new();
    assert_eq!(
        ask(&world, "/all").await,
        json!([
            null,
            [200, "kept", "HIT", "text/plain", "https://cache.example/a"],
            304,
            [206, "ep", "bytes 1-2/4"],
            null,
            null,
            200,
            "streamed",
            true,
            false,
            null,
            null,
        ])
    );
    assert_eq!(ask(&world, "/through").await, json!(["hello", "hello"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept() {
    let world = World::new();
    let refused = ask(&world, "/refused").await;
    assert_eq!(refused[0], "TypeError: Cannot cache response to non-GET request.");
    assert_eq!(refused[1], "TypeError: Cannot cache response to a range request (206 Partial Content).");
    assert_eq!(refused[2], "TypeError: Cannot cache response with 'Vary: *' header.");
    assert!(refused[3].as_str().unwrap().starts_with("TypeError: Cache.put: 2 arguments required"), "{refused}");
    assert!(refused[4].as_str().unwrap().starts_with("Error: The response is too large for the cache"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_isolates_of_a_worker_share_it() {
    let world = World::new();
    assert_eq!(ask(&world, "/match").await, Value::Null);
    assert_eq!(ask(&world, "/put").await, "put");
    // Another version of the same Worker, and so another isolate.
    assert_eq!(ask(&world, "/match").await, "of another invocation");
}
