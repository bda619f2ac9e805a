//! Leaving HTTP.

use std::sync::Arc;

use connection_error::{ErrorCode, Phase};
use http::Request;
use invocation::Body;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vpc::Upgraded;

use crate::support::{World, answers, get, read, read_head, serve, service_at};

/// The handshake of RFC 6455 section 1.3.
fn handshake() -> Request<Body> {
    Request::get("http://x/chat")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(invocation::empty())
        .unwrap()
}

#[tokio::test]
async fn bytes_go_both_ways_after_a_switch() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        let head = read_head(&mut stream).await.to_lowercase();
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("sec-websocket-version: 13\r\n"), "{head}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nearly";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    })
    .await;
    let mut service = service_at(address);
    service.policy.max_connections = 1;
    let service = Arc::new(service);
    let response = world.fetch(&service, handshake()).await.unwrap();
    assert_eq!(response.status(), 101);
    let upgraded = response.extensions().get::<Upgraded>().unwrap().clone();
    let mut stream = upgraded.take().unwrap();
    assert!(upgraded.take().is_none());
    let mut buffer = [0; 5];
    stream.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"early");
    stream.write_all(b"hello").await.unwrap();
    stream.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"hello");
    // It is one of the service's connections for as long as it lasts, and an attempt under way.
    world.fails(&service, "http://x/", ErrorCode::ConnectionLimitReached, Phase::Route).await;
    drop(stream);
    let event = world.event().await;
    assert_eq!((event.status, event.error), (Some(101), None));
}

#[tokio::test]
async fn a_wrong_switch_throws() {
    let world = World::new();
    for (answer, said) in [
        (&b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"[..], "Connection: upgrade was expected"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "upgrade: h2c"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
            "AAAA",
        ),
    ] {
        let service = Arc::new(service_at(answers(answer).await));
        let error = world.request_fails(&service, handshake(), ErrorCode::HttpUpgradeFailed, Phase::Head).await;
        assert!(error.detail.contains(said), "{error:?}");
    }
}

#[tokio::test]
async fn another_answer_is_given_to_the_worker_and_counted() {
    let world = World::new();
    let service = Arc::new(service_at(answers(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await));
    let response = world.fetch(&service, handshake()).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(read(response).await.unwrap(), "no");
    let event = world.event().await;
    assert_eq!(event.status, Some(403));
    let error = event.error.unwrap();
    assert_eq!((error.code, error.phase), (ErrorCode::HttpUpgradeFailed, Phase::Head));
    assert!(error.detail.contains("403"), "{error:?}");
    assert!(world.get(&service, "http://x/").await.is_ok_and(|response| response.status() == 403));
}

#[tokio::test]
async fn a_plain_request_asks_for_nothing() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        let head = read_head(&mut stream).await.to_lowercase();
        assert!(!head.contains("upgrade"), "{head}");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    })
    .await;
    assert_eq!(
        world.get(&Arc::new(service_at(address)), &get("http://x/").uri().to_string()).await.unwrap().status(),
        204
    );
}
