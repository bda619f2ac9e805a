//! Connections that become WebSockets. What goes over them is the Worker's business: here it is bytes.

use bytes::Bytes;
use edge::EdgeOptions;
use http::{Method, Request, Response, Version};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use invocation::Upgraded;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{Running, Seen, patiently, start};

const ASKING: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// An edge whose Worker answers everything with a connection, and the other ends of these.
async fn upgrading() -> (Running, mpsc::UnboundedReceiver<DuplexStream>, Seen) {
    let (ends, given) = mpsc::unbounded_channel();
    let seen = Seen::default();
    let note = seen.clone();
    let edge = start(EdgeOptions::default(), move |invocation| {
        let (here, there) = tokio::io::duplex(1024);
        ends.send(there).unwrap();
        note.note(invocation);
        Box::pin(async move {
            let response = Response::builder()
                .status(101)
                .header("sec-websocket-protocol", "chat")
                .header("sec-websocket-extensions", "permessage-deflate")
                .header("sec-websocket-accept", "of another connection");
            let mut response = response.body(invocation::empty()).unwrap();
            response.extensions_mut().insert(Upgraded::new(here));
            Ok(response)
        })
    })
    .await;
    (edge, given, seen)
}

#[tokio::test]
async fn an_upgrade_joins_the_visitor_and_the_worker() {
    let (edge, mut given, seen) = upgrading().await;
    let mut client = edge.connect().await;
    // What is sent before the answer is part of the stream after it.
    client.send(&format!("{ASKING}early ")).await;
    let head = client.head().await;
    assert_eq!(head.status, 101);
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("upgrade"), Some("websocket"));
    assert_eq!(head.header("sec-websocket-protocol"), Some("chat"));
    assert_eq!(head.header("sec-websocket-extensions"), None);
    assert!(head.header("cf-ray").is_some());
    let request = seen.last();
    assert_eq!((request.method.as_str(), request.headers["upgrade"].as_bytes()), ("GET", &b"websocket"[..]));

    let mut worker = patiently("the connection", given.recv()).await.unwrap();
    client.send("from the visitor").await;
    let mut bytes = [0; 22];
    patiently("bytes", worker.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"early from the visitor");
    worker.write_all(b"from the Worker").await.unwrap();
    assert_eq!(client.exactly(15).await, b"from the Worker");

    // The end of one side is the end of the other.
    drop(worker);
    assert_eq!(client.rest().await, "");
    let mut client = edge.connect().await;
    client.send(ASKING).await;
    client.head().await;
    let mut worker = patiently("the connection", given.recv()).await.unwrap();
    drop(client);
    assert_eq!(patiently("the end", worker.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn who_does_not_ask_gets_none() {
    let (edge, mut given, _) = upgrading().await;
    for wrong in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        ASKING.replace("13", "8"),
        ASKING.replace("keep-alive, Upgrade", "keep-alive"),
        ASKING.replace("Sec-WebSocket-Key", "X-Key"),
        ASKING.replace("WebSocket\r\n", "h2c\r\n"),
        ASKING.replace("GET", "PUT"),
    ] {
        assert_eq!(edge.ask(&wrong).await.status, 500, "{wrong}");
        let mut worker = patiently("the connection", given.recv()).await.unwrap();
        assert_eq!(patiently("the end", worker.read(&mut [0; 1])).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn extended_connect_is_the_same_on_http_2() {
    let (edge, mut given, seen) = upgrading().await;
    let socket = TcpStream::connect(edge.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    // The answer to a request comes after the edge's settings, which allow the next one.
    let plain = Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(patiently("a page", sender.send_request(plain)).await.unwrap().status(), 500);
    drop(patiently("the connection", given.recv()).await);

    let mut request = Request::builder().method(Method::CONNECT).uri("http://a/chat").version(Version::HTTP_2);
    request.extensions_mut().unwrap().insert(Protocol::from_static("websocket"));
    let request = request.header("sec-websocket-version", "13").body(Empty::<Bytes>::new()).unwrap();
    let response = patiently("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    let head = seen.last();
    assert_eq!((head.method.as_str(), head.headers["upgrade"].as_bytes()), ("GET", &b"websocket"[..]));
    assert_eq!(head.uri, "http://a/chat");

    let mut visitor = TokioIo::new(patiently("the stream", hyper::upgrade::on(response)).await.unwrap());
    let mut worker = patiently("the connection", given.recv()).await.unwrap();
    visitor.write_all(b"ping").await.unwrap();
    let mut bytes = [0; 4];
    patiently("bytes", worker.read_exact(&mut bytes)).await.unwrap();
    worker.write_all(b"pong").await.unwrap();
    patiently("bytes", visitor.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"pong");
    drop(worker);
    assert_eq!(patiently("the end", visitor.read(&mut bytes)).await.unwrap(), 0);
}
