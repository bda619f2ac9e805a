//! What is too large, too slow, too many or no HTTP at all.

use std::time::Duration;

use edge::EdgeOptions;
use http_body_util::BodyExt;
use invocation::{BodyError, Outcome};
use tokio::io::AsyncWriteExt;

use crate::support::{Seen, ended, patiently, start, start_hello, text};

#[tokio::test]
async fn heads_over_the_limits_are_refused_with_a_page() {
    let edge = start_hello(EdgeOptions::default()).await;
    let long = "x".repeat(16 * 1024);
    let reply = edge.ask(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert_eq!((reply.status, reply.header("cf-ray").is_some()), (414, true));
    // A server name, scheme and slash: the longest URL that is accepted.
    let longest = "x".repeat(16 * 1024 - "http://a/".len());
    assert_eq!(edge.ask(&format!("GET /{longest} HTTP/1.1\r\nHost: a\r\n\r\n")).await.status, 200);

    let big = format!("x-big: {}\r\n", "x".repeat(60 * 1024));
    let reply = edge.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{big}{big}\r\n")).await;
    assert_eq!(reply.status, 200);
    let reply = edge.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{big}{big}{big}\r\n")).await;
    assert_eq!((reply.status, reply.header("cf-ray").is_some()), (431, true));
    assert_eq!(edge.counters.requests_refused(), 2);
    // Far beyond, reading stops.
    let mut client = edge.connect().await;
    let mut head = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for _ in 0..20 {
        head.push_str(&big);
    }
    let _ = client.socket.write_all(head.as_bytes()).await;
    let rest = client.rest().await;
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 431"), "{rest:?}");
    assert_eq!(edge.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.text(), "hello");
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_forgotten() {
    let edge = start_hello(EdgeOptions::default()).await;
    let tls_hello = "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}";
    for garbage in [
        "\0\0\0\0\0\0\0\0",
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        tls_hello,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot frames at all, whatever they say",
    ] {
        let mut client = edge.connect().await;
        client.send(garbage).await;
        client.socket.shutdown().await.unwrap();
        let rest = client.rest().await;
        let first = rest.lines().next().unwrap_or_default().to_owned();
        assert!(!first.contains(" 200 ") && !rest.contains("hello"), "{garbage:?}: {rest:?}");
        assert!(!first.starts_with("HTTP/1.1 4") || rest.contains("\r\ncf-ray: "), "{garbage:?}: {rest:?}");
    }
    assert_eq!(edge.counters.requests(), 0);
    for refused in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let reply = edge.ask(refused).await;
        assert_eq!((reply.status, reply.header("cf-ray").is_some()), (400, true), "{refused:?}");
    }
    for refused in ["TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"] {
        let reply = edge.ask(refused).await;
        assert_eq!((reply.status, reply.header("allow").is_some()), (405, true), "{refused:?}");
    }
    assert_eq!(edge.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.text(), "hello");
}

#[tokio::test]
async fn a_request_body_over_the_limit_is_413() {
    let seen = Seen::default();
    let note = seen.clone();
    let options = EdgeOptions { max_request_body: Some(1000), ..EdgeOptions::default() };
    let edge = start(options, move |invocation| {
        let body = note.note(invocation);
        Box::pin(async move {
            match body.collect().await {
                Ok(body) => Ok(text(&body.to_bytes().len().to_string())),
                Err(BodyError::TooLarge { limit: 1000 }) => Err(ended(Outcome::Exception)),
                Err(other) => panic!("{other}"),
            }
        })
    })
    .await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    assert_eq!(edge.ask(&format!("{head}Content-Length: 1000\r\n\r\n{}", "x".repeat(1000))).await.text(), "1000");
    // The Worker never sees one that announces itself.
    let reply = edge.ask(&format!("{head}Content-Length: 1001\r\n\r\n{}", "x".repeat(1001))).await;
    assert_eq!(reply.status, 413);
    assert_eq!(seen.count(), 1);
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let reply = edge.ask(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n")).await;
    assert_eq!(reply.text(), "1000");
    let reply = edge.ask(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}1\r\nx\r\n0\r\n\r\n")).await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn the_refusal_arrives_though_the_body_is_still_being_sent() {
    let options = EdgeOptions { max_request_body: Some(1000), ..EdgeOptions::default() };
    let edge = start_hello(options).await;
    for _ in 0..20 {
        let mut client = edge.connect().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n").await;
        client.send(&"x".repeat(2_000_000)).await;
        assert_eq!(client.reply().await.status, 413);
    }
}

#[tokio::test]
async fn slow_heads_are_cut_off() {
    let options = EdgeOptions { head_timeout: Duration::from_millis(200), ..EdgeOptions::default() };
    let edge = start_hello(options).await;
    for begun in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", "PRI * HTTP/2.0\r\n"] {
        let mut client = edge.connect().await;
        client.send(begun).await;
        assert_eq!(client.rest().await, "", "{begun:?}");
    }
    // Drops of bytes do not help.
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let (mut reading, mut writing) = client.socket.into_split();
    let slow = tokio::spawn(async move {
        while writing.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut received = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut received);
    let _ = patiently("the slow connection to be closed", end).await;
    assert!(received.is_empty());
    patiently("the slow writer to fail", slow).await.unwrap();
    assert_eq!(edge.counters.connections_timed_out(), 5);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let options = EdgeOptions { idle_timeout: Duration::from_millis(200), ..EdgeOptions::default() };
    let edge = start_hello(options).await;
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "hello");
    assert_eq!(client.rest().await, "");
    assert_eq!(edge.counters.connections_timed_out(), 0);
}

#[tokio::test]
async fn a_visitor_that_takes_nothing_is_cut_off() {
    let options = EdgeOptions { write_timeout: Duration::from_millis(300), ..EdgeOptions::default() };
    let edge =
        start(options, |_| Box::pin(async { Ok(http::Response::new(invocation::full(vec![0_u8; 64 << 20]))) })).await;
    let mut client = edge.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    patiently("the connection to be cut off", async {
        while edge.counters.connections_open() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(edge.counters.connections_timed_out(), 1);
}

#[tokio::test]
async fn a_request_body_that_stalls_fails_the_worker_s_read() {
    let options = EdgeOptions { body_timeout: Duration::from_millis(200), ..EdgeOptions::default() };
    let edge = start(options, |invocation| {
        Box::pin(async move {
            let read = invocation.request.into_body().collect().await;
            Ok(text(&read.map(|_| String::new()).unwrap_or_else(|error| error.to_string())))
        })
    })
    .await;
    let reply = edge.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert!(reply.text().contains("the visitor sent nothing for 0.2 s"), "{}", reply.text());
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let options = EdgeOptions { max_connections: 2, ..EdgeOptions::default() };
    let edge = start_hello(options).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut first, mut second, mut third) = (edge.connect().await, edge.connect().await, edge.connect().await);
    for client in [&mut first, &mut second] {
        client.send(request).await;
        assert_eq!(client.reply().await.text(), "hello");
    }
    third.send(request).await;
    assert_eq!(edge.counters.connections_open(), 2);
    drop(first);
    assert_eq!(third.reply().await.text(), "hello");
    assert_eq!(edge.counters.connections_accepted(), 3);
}

#[tokio::test]
async fn mangled_requests_harm_nobody() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let edge = start_hello(EdgeOptions::default()).await;
    let whole: &[&[u8]] = &[
        b"POST /a?b HTTP/1.1\r\nHost: a.example:8787\r\nAccept: text/html;q=0.5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade, x\r\nUpgrade: websocket\r\nCookie: a=b\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x04\x01\x05\0\0\0\x01\x82\x86\x84\x41",
    ];
    for _ in 0..400 {
        let mut bytes = whole[rng.usize(0..whole.len())].to_vec();
        for _ in 0..rng.usize(1..6) {
            if bytes.len() < 2 {
                break;
            }
            let at = rng.usize(0..bytes.len());
            match rng.u8(0..4) {
                0 => bytes[at] = rng.u8(..),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, rng.u8(..)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let mut client = edge.connect().await;
        let _ = client.socket.write_all(&bytes).await;
        let _ = client.socket.shutdown().await;
        client.rest().await;
    }
    assert_eq!(edge.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.text(), "hello");
}
