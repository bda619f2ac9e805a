//! CompressionStream and DecompressionStream, as a Worker sees them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{World, worker};

#[tokio::test(flavor = "multi_thread")]
async fn there_and_back() {
    let world = World::new();
    let (status, text) = world.text(&Arc::new(worker(&["compression.js"])), "/round-trip").await;
    assert_eq!(status, 200);
    let results: Value = serde_json::from_str(&text).unwrap();
    for format in ["gzip", "deflate", "deflate-raw"] {
        assert_eq!(results[format], json!([true, true]), "{format}");
        assert_eq!(results[format!("{format} cut")], "TypeError: The compressed data ends too early.");
        assert_eq!(results[format!("{format} more")], "TypeError: There is data after the end of the compressed data.");
    }
    assert_eq!(results["known"], "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn little_that_becomes_much_is_taken_in_pieces() {
    let world = World::with(|options| options.isolate_memory = 32 * 1024 * 1024);
    let mut version = worker(&["compression.js"]);
    version.limits.cpu = crate::support::PATIENCE;
    let (_, text) = world.text(&Arc::new(version), "/bomb").await;
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["length"], 1024 * 65536);
    assert!(result["largest"].as_u64().unwrap() <= 65536, "{result}");
    assert!(result["packed"].as_u64().unwrap() < 1_000_000, "{result}");
}
