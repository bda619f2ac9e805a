//! What a Worker sees of a request, and what a visitor sees of a response.

use edge::{EdgeOptions, Scheme};
use http::Response;

use crate::support::{Seen, start, start_hello, text};

#[tokio::test]
async fn a_request_goes_to_the_worker_and_back() {
    let seen = Seen::default();
    let note = seen.clone();
    let edge = start(EdgeOptions::default(), move |invocation| {
        let ray = invocation.ray_id.to_string();
        note.note(invocation);
        Box::pin(async move { Ok(text(&ray)) })
    })
    .await;
    let port = edge.address.port();
    let reply = edge
        .ask(&format!(
            "GET /a/../b?c=d HTTP/1.1\r\nHost: Hello.localhost:{port}\r\nCF-Ray: forged\r\nX-Real-IP: 1.2.3.4\r\nConnection: keep-alive\r\nAccept: */*\r\n\r\n"
        ))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cf-ray"), Some(reply.text().as_str()));
    assert_eq!(reply.text().len(), 16);
    assert!(reply.header("date").is_some());
    let head = seen.last();
    assert_eq!(head.uri.to_string(), format!("http://hello.localhost:{port}/b?c=d"));
    let mut headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    headers.sort_unstable();
    let (ray, host) = (reply.text(), format!("hello.localhost:{port}"));
    let expected = [
        ("accept", "*/*"),
        ("cf-connecting-ip", "127.0.0.1"),
        ("cf-ray", ray.as_str()),
        ("host", &host),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-real-ip", "127.0.0.1"),
    ];
    assert_eq!(headers, expected);
}

#[tokio::test]
async fn the_scheme_is_the_listener_s() {
    let seen = Seen::default();
    let note = seen.clone();
    let options = EdgeOptions { scheme: Scheme::Https, ..EdgeOptions::default() };
    let edge = start(options, move |invocation| {
        note.note(invocation);
        Box::pin(async { Ok(text("")) })
    })
    .await;
    edge.ask("GET http://shop.example:443/x HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    assert_eq!(seen.last().uri, "https://shop.example/x");
    assert_eq!(seen.last().headers["host"], "shop.example");
    assert_eq!(seen.last().headers["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn connections_are_kept_and_requests_may_be_pipelined() {
    let edge = start(EdgeOptions::default(), |invocation| {
        Box::pin(async move {
            // Later requests are faster: order must come from the connection.
            let path = invocation.request.uri().path().to_owned();
            if path == "/0" {
                tokio::task::yield_now().await;
            }
            Ok(text(&path))
        })
    })
    .await;
    let mut client = edge.connect().await;
    let requests: String = (0..50).map(|i| format!("GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(&requests).await;
    let mut rays = std::collections::HashSet::new();
    for i in 0..50 {
        let reply = client.reply().await;
        assert_eq!(reply.text(), format!("/{i}"));
        rays.insert(reply.header("cf-ray").unwrap().to_owned());
    }
    assert_eq!(rays.len(), 50);
    client.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "/after");
    client.send("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "/last");
    assert_eq!(client.rest().await, "");
    assert_eq!(edge.counters.requests(), 52);
    assert_eq!(edge.counters.connections_accepted(), 1);
}

#[tokio::test]
async fn http_1_0_works_with_a_host() {
    let edge = start_hello(EdgeOptions::default()).await;
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "hello");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let edge = start_hello(EdgeOptions::default()).await;
    let mut client = edge.connect().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
    assert_eq!(client.reply().await.text(), "hello");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_worker_s_headers_cannot_break_the_framing() {
    let edge = start(EdgeOptions::default(), |invocation| {
        let head = Response::builder()
            .header("content-length", "3")
            .header("transfer-encoding", "chunked")
            .header("connection", "x-hop, close")
            .header("keep-alive", "timeout=1")
            .header("x-hop", "1")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("cf-ray", "forged");
        let head = if invocation.request.uri().path() == "/304" { head.status(304) } else { head };
        Box::pin(async move { Ok(head.body(invocation::full("longer than three")).unwrap()) })
    })
    .await;
    let mut client = edge.connect().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let reply = client.reply().await;
        assert_eq!(reply.text(), "longer than three");
        let names: Vec<_> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert!(!names.iter().any(|name| ["transfer-encoding", "connection", "keep-alive", "x-hop"].contains(name)));
        assert_eq!(names.iter().filter(|name| **name == "set-cookie").count(), 2);
        assert_ne!(reply.header("cf-ray"), Some("forged"));
    }
    client.send("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.head().await.status, 304);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "longer than three");
}

#[tokio::test]
async fn an_upgrade_request_can_be_seen_and_is_answered_as_any_other() {
    let seen = Seen::default();
    let note = seen.clone();
    let edge = start(EdgeOptions::default(), move |invocation| {
        note.note(invocation);
        Box::pin(async { Ok(Response::builder().status(426).body(invocation::empty()).unwrap()) })
    })
    .await;
    let reply = edge.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(reply.status, 426);
    assert_eq!(seen.last().headers["upgrade"], "websocket");
    assert!(!seen.last().headers.contains_key("connection"));
}
