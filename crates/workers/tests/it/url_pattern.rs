//! URLPattern, as a Worker sees it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{World, worker};

#[tokio::test(flavor = "multi_thread")]
async fn patterns_match() {
    let world = World::new();
    let (status, text) = world.text(&Arc::new(worker(&["url_pattern.js"])), "/").await;
    assert_eq!(status, 200);
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        result,
        json!({
            "groups": {"id": "12", "rest": "x/y"},
            "input": "/books/12/x/y",
            "inputs": ["https://a.example/books/12/x/y"],
            "misses": false,
            "none": null,
            "relative": false,
            "regexp": [true, false],
            "pathname": "/books/:id(\\d+)/:rest*",
            "cases": [true, false],
            "bad": "TypeError",
        })
    );
}
