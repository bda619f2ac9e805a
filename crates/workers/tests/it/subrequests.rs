//! What a Worker asks of others.

use std::sync::Arc;

use invocation::{Outcome, Target};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subrequests_reach_their_target_and_are_recorded() {
    let world = World::new();
    let version = Arc::new(worker(&["subrequests.js"]));
    let (_, body) = world.text(&version, "/hello").await;
    assert_eq!(body, r#"{"status":200,"from":"fake","text":"hello"}"#);
    let record = world.records.next().await;
    let [subrequest] = &record.subrequests[..] else { panic!("{record:?}") };
    assert_eq!((subrequest.target.as_str(), subrequest.method.as_str()), ("API", "GET"));
    assert_eq!((subrequest.url.as_str(), subrequest.status), ("http://private/hello?x=1", Some(200)));
    assert!(subrequest.duration_ms >= 0.0);

    assert_eq!(world.text(&version, "/public").await.1, "hello");
    assert_eq!(world.records.next().await.subrequests[0].target, "fetch");
    let asked = std::mem::take(&mut *world.fake.asked.lock().unwrap());
    assert_eq!(asked[0].0, Target::VpcService(Uuid::from_u128(1)));
    assert_eq!(asked[1], (Target::Public, "GET".into(), "https://public.example/hello".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hop_of_a_redirect_is_a_subrequest() {
    let world = World::new();
    let version = Arc::new(worker(&["subrequests.js"]));
    let (_, body) = world.text(&version, "/redirect").await;
    assert_eq!(body, r#"{"status":200,"redirected":true,"url":"http://private/hello"}"#);
    let record = world.records.next().await;
    assert_eq!(record.subrequests.iter().map(|one| one.status).collect::<Vec<_>>(), [Some(302), Some(200)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_connection_is_an_error_with_its_facts() {
    let world = World::new();
    let version = Arc::new(worker(&["subrequests.js"]));
    let (_, body) = world.text(&version, "/refused").await;
    let expected = json!({
        "text": "Error: ProxyError: connection_refused",
        "isError": true,
        "code": "connection_refused",
        "category": "Bad Upstream",
        "phase": "connect",
        "detail": "10.0.0.5:80 refused",
        "retryable": true,
    });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Ok);
    assert_eq!(record.subrequests[0].error.as_deref(), Some("ProxyError: connection_refused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_a_limit() {
    let world = World::new();
    let mut version = worker(&["subrequests.js"]);
    version.limits.subrequests = 50;
    let version = Arc::new(version);
    let (_, body) = world.text(&version, "/many?count=52").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["done"], 50);
    assert!(body["failed"].as_str().unwrap().starts_with("Too many subrequests by single Worker invocation."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seventh_waits() {
    let world = World::new();
    let version = Arc::new(worker(&["subrequests.js"]));
    let (answer, ()) = tokio::join!(world.text(&version, "/seven"), async {
        reaches(&world.fake.at_gate, 6).await;
        world.fake.gate.send_replace(true);
    });
    assert_eq!(answer.1, "[200,200,200,200,200,200,200]");
    assert_eq!(*world.fake.at_gate.borrow(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invocations_wait_side_by_side() {
    let world = World::with(|options| options.isolates_per_worker = 1);
    let version = Arc::new(worker(&["subrequests.js"]));
    let mut answers = Vec::new();
    for _ in 0..100 {
        answers.push(tokio::spawn(world.platform.dispatch(version.clone(), invoke(get("/gate")))));
    }
    reaches(&world.fake.at_gate, 100).await;
    assert_eq!(world.platform.isolates(), 1);
    world.fake.gate.send_replace(true);
    for answer in answers {
        assert_eq!(text(answer.await.unwrap().unwrap()).await.1, "through");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_one_invocation_is_not_for_another() {
    let world = World::with(|options| options.isolates_per_worker = 1);
    let version = Arc::new(worker(&["subrequests.js"]));
    let first = tokio::spawn(world.platform.dispatch(version.clone(), invoke(get("/across"))));
    reaches(&world.fake.at_gate, 1).await;
    let ended = world.get(&version, "/across").await.unwrap_err();
    assert!(ended.message.contains("Cannot perform I/O on behalf of a different request"), "{}", ended.message);
    world.fake.gate.send_replace(true);
    assert_eq!(text(first.await.unwrap().unwrap()).await.1, "kept");
}
