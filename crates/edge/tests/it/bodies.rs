//! Bodies stream both ways at the reader's pace.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use edge::EdgeOptions;
use http::Response;
use http_body::Frame;
use http_body_util::BodyExt;
use invocation::BodyError;
use tokio::io::AsyncReadExt;

use crate::support::{patiently, start, text};

#[tokio::test]
async fn an_echo_answers_each_chunk_before_the_next_is_sent() {
    let edge = start(EdgeOptions::default(), |invocation| {
        Box::pin(async move { Ok(Response::new(invocation.request.into_body())) })
    })
    .await;
    let mut client = edge.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.send("5\r\nfirst\r\n").await;
    let head = client.head().await;
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.chunk().await, b"first");
    for i in 0..20 {
        client.send(&format!("2\r\n{i:02}\r\n")).await;
        assert_eq!(client.chunk().await, format!("{i:02}").as_bytes());
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, b"");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nnext").await;
    assert_eq!(client.reply().await.text(), "next");
}

/// As many frames as are asked for, counted.
struct Endless(Arc<AtomicUsize>, Bytes);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.fetch_add(self.1.len(), Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(self.1.clone()))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_is_made_no_faster_than_it_is_read() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let edge = start(EdgeOptions::default(), move |_| {
        let body = Endless(counter.clone(), Bytes::from(vec![7_u8; 64 * 1024])).boxed_unsync();
        Box::pin(async move { Ok(Response::new(body)) })
    })
    .await;
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    let mut read = 0;
    let mut buffer = vec![0_u8; 256 * 1024];
    while read < 64 << 20 {
        read += patiently("bytes", client.socket.read(&mut buffer)).await.unwrap();
        // What the kernel's buffers and hyper's take on loopback; the body itself is endless.
        let ahead = made.load(Ordering::SeqCst).saturating_sub(read);
        assert!(ahead < 32 << 20, "{ahead} bytes ahead of the reader");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_body_waits_for_its_reader() {
    // The Worker reads one frame for each permit.
    let permits = Arc::new(tokio::sync::Semaphore::new(0));
    let granted = permits.clone();
    let edge = start(EdgeOptions::default(), move |invocation| {
        let permits = granted.clone();
        Box::pin(async move {
            let mut body = invocation.request.into_body();
            let mut total = 0;
            loop {
                permits.acquire().await.unwrap().forget();
                match body.frame().await {
                    Some(frame) => total += frame.unwrap().into_data().map_or(0, |data| data.len()),
                    None => return Ok(text(&total.to_string())),
                }
            }
        })
    })
    .await;
    let mut client = edge.connect().await;
    let size = 64 << 20;
    client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")).await;
    // Without a reader the kernel's buffers fill, and writing stops far from the end.
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    loop {
        match client.socket.try_write(&chunk) {
            Ok(count) => sent += count,
            Err(_) => {
                let writable = client.socket.writable();
                if tokio::time::timeout(std::time::Duration::from_millis(300), writable).await.is_err() {
                    break;
                }
            }
        }
        assert!(sent < size, "the edge took the whole body though nobody read it");
    }
    permits.add_permits(tokio::sync::Semaphore::MAX_PERMITS / 2);
    while sent < size {
        patiently("room", client.socket.writable()).await.unwrap();
        if let Ok(count) = client.socket.try_write(&chunk[..chunk.len().min(size - sent)]) {
            sent += count;
        }
    }
    assert_eq!(client.reply().await.text(), size.to_string());
}

#[tokio::test]
async fn expect_continue_is_answered_when_the_worker_reads() {
    let edge = start(EdgeOptions::default(), |invocation| {
        Box::pin(async move {
            if invocation.request.uri().path() == "/unread" {
                return Ok(text("not wanted"));
            }
            let body = invocation.request.into_body().collect().await.unwrap().to_bytes();
            Ok(Response::new(invocation::full(body)))
        })
    })
    .await;
    let mut client = edge.connect().await;
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    client.send(&format!("POST / {head}")).await;
    assert_eq!(client.head().await.status, 100);
    client.send("body").await;
    assert_eq!(client.reply().await.text(), "body");
    client.send(&format!("POST /unread {head}")).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (200, "not wanted".to_owned()));
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_complete() {
    let edge = start(EdgeOptions::default(), |_| {
        let frames = vec![
            Ok(Frame::data(Bytes::from_static(b"half"))),
            Err(BodyError::Network("the other half is lost".to_owned())),
        ];
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        Box::pin(async move { Ok(Response::new(body)) })
    })
    .await;
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    assert_eq!(client.chunk().await, b"half");
    let rest = client.rest().await;
    assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
}
