//! HTTP/2 with prior knowledge, on the same port.

use bytes::Bytes;
use edge::EdgeOptions;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{Drops, Running, Seen, patiently, start, start_hello, text};

async fn connect<B>(edge: &Running) -> SendRequest<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let socket = TcpStream::connect(edge.address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let edge = start(EdgeOptions::default(), |invocation| {
        Box::pin(async move {
            let url = invocation.request.uri().to_string();
            let body = invocation.request.into_body().collect().await.unwrap().to_bytes();
            Ok(text(&format!("{url} {}", body.len())))
        })
    })
    .await;
    let sender = connect::<Full<Bytes>>(&edge).await;
    let tasks: Vec<_> = (0..100)
        .map(|i| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let body = Full::new(Bytes::from(vec![b'x'; i * 1000]));
                let request = Request::post(format!("http://Shop.localhost/{i}")).body(body).unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert!(response.headers().contains_key("cf-ray"));
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, format!("http://shop.localhost/{i} {}", i * 1000));
            })
        })
        .collect();
    for task in tasks {
        patiently("a response", task).await.unwrap();
    }
    assert_eq!((edge.counters.connections_accepted(), edge.counters.requests()), (1, 100));
}

#[tokio::test]
async fn a_worker_sees_the_same_as_of_http_1() {
    let seen = Seen::default();
    let note = seen.clone();
    let edge = start(EdgeOptions::default(), move |invocation| {
        note.note(invocation);
        Box::pin(async {
            Ok(Response::builder().header("connection", "close").header("x-a", "1").body(invocation::empty()).unwrap())
        })
    })
    .await;
    let mut sender = connect::<Empty<Bytes>>(&edge).await;
    let request = Request::get("https://shop.localhost:8787/?q")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("cf-connecting-ip", "1.2.3.4")
        .body(Empty::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["x-a"], "1");
    let head = seen.last();
    assert_eq!(head.uri, "http://shop.localhost:8787/?q");
    assert_eq!(head.headers["host"], "shop.localhost:8787");
    assert_eq!(head.headers["cookie"], "a=1; b=2");
    assert_eq!(head.headers["cf-connecting-ip"], "127.0.0.1");
}

#[tokio::test]
async fn a_stream_that_is_given_up_cancels_its_request_only() {
    let (mut drops, guard) = Drops::new();
    let (begun, mut began) = tokio::sync::mpsc::unbounded_channel();
    let edge = start(EdgeOptions::default(), move |invocation| {
        let (guard, begun) = (guard("dispatch"), begun.clone());
        Box::pin(async move {
            if invocation.request.uri().path() == "/quick" {
                std::mem::forget(guard);
                return Ok(text("quick"));
            }
            let _guard = guard;
            begun.send(()).unwrap();
            std::future::pending().await
        })
    })
    .await;
    let mut sender = connect::<Empty<Bytes>>(&edge).await;
    let request = |path: &str| Request::get(format!("http://a{path}")).body(Empty::new()).unwrap();
    let slow = tokio::spawn(sender.send_request(request("/slow")));
    patiently("the Worker to begin", began.recv()).await.unwrap();
    slow.abort();
    assert_eq!(drops.next().await, "dispatch");
    let response = sender.send_request(request("/quick")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "quick");
}

#[tokio::test]
async fn heads_over_the_limits() {
    let edge = start_hello(EdgeOptions::default()).await;
    let mut sender = connect::<Empty<Bytes>>(&edge).await;
    let long = format!("http://a/{}", "x".repeat(16 * 1024));
    let response = sender.send_request(Request::get(long).body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 414);
    let mut request = Request::get("http://a/");
    for _ in 0..3 {
        request = request.header("x-big", "x".repeat(60 * 1024));
    }
    let response = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 431);
    assert!(response.headers().contains_key("cf-ray"));
}
