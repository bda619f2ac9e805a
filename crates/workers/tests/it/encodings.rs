//! Bodies with a Content-Encoding: read without it, given away untouched, compressed as a response's headers say.

use std::io::Read;
use std::sync::Arc;

use http_body_util::BodyExt;
use workers::WorkerVersion;

use crate::support::{World, gzip, worker};

/// The response's Content-Encoding, its Content-Length, and its bytes as they are sent.
async fn sent(world: &World, version: &Arc<WorkerVersion>, path: &str) -> (Option<String>, Option<String>, Vec<u8>) {
    let response = world.get(version, path).await.unwrap();
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (encoding, length) = (header("content-encoding"), header("content-length"));
    (encoding, length, response.into_body().collect().await.unwrap().to_bytes().into())
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_compressed_is_read_without_that() {
    let world = World::new();
    let version = Arc::new(worker(&["encodings.js"]));
    assert_eq!(world.text(&version, "/read").await.1, "hello");
    assert_eq!(sent(&world, &version, "/plain").await, (None, None, b"hello".to_vec()));
    let broken = world.text(&version, "/broken").await.1;
    assert!(broken.starts_with("TypeError: The body could not be decoded as its Content-Encoding says"), "{broken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_does_not_look_at_stays_as_it_is() {
    let world = World::new();
    let version = Arc::new(worker(&["encodings.js"]));
    let packed = gzip(b"hello");
    let length = Some(packed.len().to_string());
    assert_eq!(sent(&world, &version, "/untouched").await, (Some("gzip".into()), length, packed));
    assert_eq!(sent(&world, &version, "/manual").await.2, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_writes_is_compressed_as_its_headers_say() {
    let world = World::new();
    let version = Arc::new(worker(&["encodings.js"]));
    let (encoding, length, bytes) = sent(&world, &version, "/rewritten").await;
    assert_eq!((encoding.as_deref(), length, gunzip(&bytes).as_str()), (Some("gzip"), None, "hello"));
    let (encoding, length, bytes) = sent(&world, &version, "/brotli").await;
    assert_eq!((encoding.as_deref(), length), (Some("br"), None));
    let mut text = String::new();
    brotli::Decompressor::new(&bytes[..], 4096).read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello ".repeat(100));
}
