//! Answers, modules, bindings, what a handler sees.

use std::sync::Arc;

use http::Request;
use invocation::Outcome;
use serde_json::{Value, json};
use workers::{Binding, BindingKind};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modules_of_every_kind() {
    let world = World::new();
    let version = Arc::new(worker(&[
        "bundle/main.js",
        "bundle/add.wasm",
        "bundle/note.txt",
        "bundle/data.json",
        "bundle/raw.bin",
        "bundle/lib/math.js",
        "bundle/lib/started.js",
        "bundle/lib/lazy.js",
        "bundle/lib/cycle_a.js",
        "bundle/lib/cycle_b.js",
    ]));
    let (_, body) = world.text(&version, "/").await;
    let expected = json!({
        "twice": 42,
        "note": "some text\n",
        "data": {"deep": {"value": [1, 2, 3]}},
        "raw": [0, 1, 254, 255],
        "sum": 42,
        "started": "awaited",
        "cycle": 4,
        "global": "undefined",
    });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    assert_eq!(world.text(&version, "/lazy").await.1, r#"{"value":"loaded late","same":true}"#);
    let (_, message) = world.text(&version, "/missing").await;
    assert!(message.contains("./lib/nothing.js") && message.contains("bundle/main.js"), "{message}");
    let (_, message) = world.text(&version, "/own").await;
    assert!(message.contains("culvert:host.js"), "{message}");
}

fn bound() -> Arc<workers::WorkerVersion> {
    let mut version = worker(&["requests.js"]);
    let bind = |name: &str, kind| Binding { name: name.into(), kind };
    version.bindings.extend([
        bind("PLAIN", BindingKind::PlainText("plain".into())),
        bind("SECRET", BindingKind::SecretText("s3cret".into())),
        bind("JSON", BindingKind::Json(json!({"deep": [1, {"a": null}]}))),
    ]);
    Arc::new(version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_responses() {
    let world = World::new();
    let version = bound();
    let request = Request::post("http://worker.localhost/json").header("content-type", "application/json");
    let request = request.body(invocation::full(r#"{"a": [1, "é"]}"#)).unwrap();
    let response = world.send(&version, request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(text(response).await, (201, r#"{"got":{"a":[1,"é"]},"type":"application/json"}"#.into()));

    let (_, seen) = world.text(&version, "/seen?q=1%202").await;
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["method"], "GET");
    assert_eq!(seen["url"], "http://worker.localhost/seen?q=1%202");
    assert_eq!(seen["query"], "1 2");
    assert_eq!(seen["headers"], json!([["x-test", "1"]]));

    let response = world.get(&version, "/headers").await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["x-latin"].as_bytes(), b"caf\xe9");
    assert_eq!(response.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);

    let (_, env) = world.text(&version, "/env").await;
    let expected = json!({"plain": "plain", "secret": "s3cret", "json": {"a": null}, "api": "function",
        "keys": ["API", "JSON", "NETWORK", "PLAIN", "SECRET"]});
    assert_eq!(serde_json::from_str::<Value>(&env).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_whole_and_in_pieces() {
    let world = World::new();
    let version = bound();
    let send = async |path: &str, body| text(world.send(&version, post(path, body)).await.unwrap()).await.1;
    assert_eq!(send("/text", invocation::full("grüße")).await, "GRÜSSE");
    assert_eq!(send("/text", invocation::empty()).await, "");
    assert_eq!(send("/bytes", invocation::full("abc")).await, "`cb");
    assert_eq!(send("/clone", invocation::full("ab")).await, "abab");
    for path in ["/text", "/clone"] {
        let (pieces, body) = channel();
        let feed = tokio::spawn(async move {
            // A character in two pieces.
            for piece in [&b"a\xc3"[..], b"\xa9", b"b"] {
                pieces.send(piece.into()).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let expected = if path == "/text" { "AÉB" } else { "aébaéb" };
        assert_eq!(send(path, body).await, expected);
        feed.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_and_text() {
    let world = World::new();
    let version = bound();
    assert_eq!(world.text(&version, "/encodings").await.1, r#"["hi","aGk=","テ",2,"http://user@h:81/x?y#z"]"#);
    assert_eq!(world.text(&version, "/timer").await.1, "true");
    assert_eq!(world.text(&version, "/order").await.1, "micro,soon,late");
    let (_, first) = world.text(&version, "/random").await;
    let (_, second) = world.text(&version, "/random").await;
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_advance_with_io_only() {
    let world = World::with(|options| options.freeze_clock = true);
    let (_, text) = world.text(&Arc::new(worker(&["clock.js"])), "/").await;
    assert_eq!(text, r#"{"still":[0,0,0],"moved":[true,true]}"#);
}
