//! The modules of Node.js, in the engine. Skipped where they are not built (`make build` builds them).

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use workers::{Binding, BindingKind, WorkerVersion};

use crate::support::*;

fn version() -> Option<Arc<WorkerVersion>> {
    if !std::path::Path::new("node/dist/names.txt").exists() {
        eprintln!("skipped: the modules of Node.js are not built; `make build` builds them");
        return None;
    }
    let mut version = worker(&["node.js"]);
    version.compatibility_flags = vec!["nodejs_compat".to_owned()];
    version.compatibility_date = "2026-01-01".to_owned();
    version.bindings =
        vec![Binding { name: "PLAIN".to_owned(), kind: BindingKind::PlainText("from the bindings".to_owned()) }];
    Some(Arc::new(version))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_do_what_node_does() {
    let Some(version) = version() else { return };
    let world = World::new();
    for check in [
        "globals",
        "buffers",
        "hashes",
        "streamedHashes",
        "ciphers",
        "signatures",
        "events",
        "streams",
        "storage",
        "paths",
    ] {
        let (status, said) = world.text(&version, &format!("/{check}")).await;
        assert_eq!((status, said.as_str()), (200, "right"), "{check}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_is_each_requests_own() {
    let Some(version) = version() else { return };
    let world = Arc::new(World::with(|options| options.isolates_per_worker = 1));
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (world, version) = (world.clone(), version.clone());
        requests.spawn(async move {
            let (status, said) = world.text(&version, &format!("/store?is={number}")).await;
            assert_eq!((status, said), (200, number.to_string()));
        });
    }
    while let Some(done) = requests.join_next().await {
        done.unwrap();
    }
}

/// 256 MiB through `Readable.fromWeb`, a `Transform` and `Readable.toWeb`, in an isolate that may hold 128 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_keep_memory_flat() {
    let Some(version) = version() else { return };
    const PIECES: usize = 4096;
    const PIECE: usize = 64 * 1024;
    let world = World::new();
    let (sender, body) = channel();
    let request = post("/flat", body);
    let answer = tokio::spawn(async move {
        let piece = Bytes::from(vec![7; PIECE]);
        for _ in 0..PIECES {
            if sender.send(piece.clone()).await.is_err() {
                break;
            }
        }
    });
    let response = world.send(&version, request).await.unwrap();
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().into_data().map_or(0, |bytes| bytes.len());
    }
    answer.await.unwrap();
    assert_eq!(length, PIECES * PIECE);
    let record = world.records.next().await;
    assert_eq!(record.outcome, invocation::Outcome::Ok, "{record:?}");
    assert!(record.memory < 64 * 1024 * 1024, "{} bytes", record.memory);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_flag_the_import_says_which() {
    let Some(version) = version() else { return };
    let mut version = version.as_ref().clone();
    version.compatibility_flags.clear();
    version.id = uuid::Uuid::new_v4();
    let world = World::new();
    let ended = world.get(&Arc::new(version), "/paths").await.expect_err("a refusal");
    assert!(ended.message.contains("nodejs_compat"), "{ended:?}");
}
