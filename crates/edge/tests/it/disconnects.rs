//! A visitor that goes away is noticed, wherever the exchange stands.

use edge::EdgeOptions;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::support::{Drops, Running, patiently, start};

/// A Worker that thinks for ever, and says when it began and when it was dropped.
async fn thinking() -> (Running, mpsc::UnboundedReceiver<()>, Drops) {
    let (drops, guard) = Drops::new();
    let (begun, began) = mpsc::unbounded_channel();
    let edge = start(EdgeOptions::default(), move |invocation| {
        let guard = guard("dispatch");
        let begun = begun.clone();
        Box::pin(async move {
            let _guard = guard;
            let _unread = invocation.request;
            begun.send(()).unwrap();
            std::future::pending().await
        })
    })
    .await;
    (edge, began, drops)
}

async fn leaves_after(request: &str) {
    let (edge, mut began, mut drops) = thinking().await;
    let mut client = edge.connect().await;
    client.send(request).await;
    patiently("the Worker to begin", began.recv()).await.unwrap();
    drop(client);
    assert_eq!(drops.next().await, "dispatch", "{request:?}");
}

#[tokio::test]
async fn while_the_worker_thinks() {
    leaves_after("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
}

#[tokio::test]
async fn while_the_worker_does_not_read_the_body() {
    leaves_after("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    leaves_after("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfull").await;
    leaves_after("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfull\r\n").await;
}

#[tokio::test]
async fn while_the_next_request_waits_behind() {
    leaves_after("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
}

#[tokio::test]
async fn by_closing_its_sending_half_only() {
    let (edge, mut began, mut drops) = thinking().await;
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    patiently("the Worker to begin", began.recv()).await.unwrap();
    client.socket.shutdown().await.unwrap();
    assert_eq!(drops.next().await, "dispatch");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn together_with_its_request() {
    // Whether the Worker began before the end was read, it does not go on.
    let (edge, _began, _drops) = thinking().await;
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfull"]
    {
        let mut client = edge.connect().await;
        client.send(request).await;
        client.socket.shutdown().await.unwrap();
        assert_eq!(client.rest().await, "", "{request:?}");
    }
    let all_closed = async {
        while edge.counters.connections_open() > 0 {
            tokio::task::yield_now().await;
        }
    };
    patiently("both connections to end", all_closed).await;
}

#[tokio::test]
async fn while_the_response_streams() {
    let (mut drops, guard) = Drops::new();
    let edge = start(EdgeOptions::default(), move |_| {
        let guard = guard("body");
        let first = futures_util::stream::once(async { Ok(Frame::data(bytes::Bytes::from_static(b"first"))) });
        let never = futures_util::stream::once(async move {
            let _guard = guard;
            std::future::pending().await
        });
        use futures_util::StreamExt;
        let body = StreamBody::new(first.chain(never)).boxed_unsync();
        Box::pin(async move { Ok(Response::new(body)) })
    })
    .await;
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    assert_eq!(client.chunk().await, b"first");
    drop(client);
    assert_eq!(drops.next().await, "body");
}
