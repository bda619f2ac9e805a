//! Bodies that flow, both ways, with back-pressure.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::BodyExt;
use invocation::{BodyError, Outcome};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_flow_as_they_come() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    for path in ["/pipe", "/upper", "/proxy"] {
        let (pieces, body) = channel();
        let mut response = world.send(&version, post(path, body)).await.unwrap();
        for round in 0..5 {
            // Each piece arrives before the next one is sent.
            let piece = format!("piece {round}");
            pieces.send(Bytes::from(piece.clone())).await.unwrap();
            let frame =
                tokio::time::timeout(PATIENCE, response.body_mut().frame()).await.expect(path).unwrap().unwrap();
            let expected = if path == "/upper" { piece.to_uppercase() } else { piece };
            assert_eq!(frame.into_data().unwrap(), expected, "{path}");
        }
        drop(pieces);
        assert!(response.body_mut().frame().await.is_none());
        let record = world.records.next().await;
        assert_eq!(record.outcome, Outcome::Ok, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_holds_the_writer_back() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let mut response = world.get(&version, "/produce").await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    // Nobody reads: the writer comes to a halt far from its 4,096 pieces.
    let mut last = String::new();
    let produced = loop {
        let (_, produced) = world.text(&version, "/produced").await;
        if produced == last {
            break produced.parse::<u32>().unwrap();
        }
        last = produced;
    };
    assert!(produced < 64, "{produced}");
    let mut bytes = 16 * 1024;
    while let Some(frame) = tokio::time::timeout(PATIENCE, response.body_mut().frame()).await.expect("a frame in time")
    {
        bytes += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(bytes, 4096 * 16 * 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_pipe_takes_no_more_than_its_reader() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let mut response = world.get(&version, "/pieces").await.unwrap();
    for _ in 0..3 {
        response.body_mut().frame().await.unwrap().unwrap();
    }
    assert_eq!(world.fake.taken.load(Ordering::SeqCst), 3);
    drop(response);
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::ResponseStreamDisconnected);
    assert_eq!(world.fake.taken.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_read_only_as_far_as_script_asks() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let (answer, ()) = tokio::join!(world.text(&version, "/slowly"), async {
        reaches(&world.fake.at_gate, 1).await;
        assert!(world.fake.taken.load(Ordering::SeqCst) <= 2);
        world.fake.gate.send_replace(true);
    });
    assert_eq!(answer, (200, "16384".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn script_writes_the_body_of_a_subrequest() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    assert_eq!(world.text(&version, "/upload").await.1, format!("Ok({})", 64 * 64 * 1024));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_source_breaks_the_response() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let response = world.get(&version, "/error").await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(&error, BodyError::Canceled(reason) if reason.contains("the source broke")), "{error}");
    assert_eq!(world.records.next().await.outcome, Outcome::Exception);

    let response = world.get(&version, "/broken").await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(&error, BodyError::Connection(error) if error.detail == "closed after 2 bytes"), "{error}");
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Exception);
    assert_eq!(record.exceptions[0].message, "ProxyError: http_response_incomplete");
    assert_eq!(record.exceptions[0].connection.as_ref().unwrap().detail, "closed after 2 bytes");

    let (_, caught) = world.text(&version, "/broken-text").await;
    assert!(caught.contains("ProxyError: http_response_incomplete"), "{caught}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nothing_will_write_is_hung() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let response = world.get(&version, "/stuck").await.unwrap();
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.expect("an end in time");
    assert!(body.is_err());
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::Exception);
    assert!(record.exceptions[0].message.contains("had hung"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_leaves_cancels_the_stream() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let mut response = world.get(&version, "/produce").await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    let record = world.records.next().await;
    assert_eq!(record.outcome, Outcome::ResponseStreamDisconnected);
    assert_eq!(record.logs.len(), 1, "{record:?}");
    assert_eq!(record.logs[0].message, ["cancelled"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_length_is_kept() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    let response = world.get(&version, "/fixed").await.unwrap();
    assert_eq!(response.headers()["content-length"], "10");
    assert_eq!(text(response).await.1, "0123456789");
    assert_eq!(world.records.next().await.outcome, Outcome::Ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_requests_have_no_body() {
    let world = World::new();
    let version = Arc::new(worker(&["streams.js"]));
    for path in ["/pieces", "/produce"] {
        let request = http::Request::head(format!("http://worker.localhost{path}")).body(invocation::empty()).unwrap();
        let response = world.send(&version, request).await.unwrap();
        assert_eq!(text(response).await, (200, String::new()), "{path}");
        assert_eq!(world.records.next().await.outcome, Outcome::Ok, "{path}");
    }
    assert_eq!(world.fake.taken.load(Ordering::SeqCst), 0);
}
