//! Message channels, event sources, structured clones, errors as events: as a Worker sees them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{World, worker};

async fn ask(path: &str) -> Value {
    let world = World::new();
    let (status, text) = world.text(&Arc::new(worker(&["messages.js"])), path).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel() {
    assert_eq!(ask("/channel").await, json!([0, true, 4, true, "three", "DataCloneError", "through"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_stream() {
    let seen = json!([["message", "one\ntwo", ""], ["other", "three", "7"], ["message", "", "7"]]);
    assert_eq!(ask("/events").await, json!([seen, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn clones_of_what_the_platform_has() {
    let refused = "DataCloneError";
    assert_eq!(ask("/clone").await, json!(["x", true, true, "AbortError", 5, [1, 2], true, refused, refused, refused]));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_nobody_caught_are_events() {
    let seen = json!([["Uncaught TypeError: reported", "reported"], ["Uncaught RangeError: thrown", "thrown"]]);
    assert_eq!(ask("/errors").await, seen);
}
