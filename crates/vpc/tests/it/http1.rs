//! The response head over HTTP/1.1: silent, garbled, broken off.

use std::sync::Arc;
use std::time::Duration;

use connection_error::{ErrorCode, Phase};
use http::Request;
use tokio::io::AsyncWriteExt;

use crate::support::{World, answers, get, hold, post, read_head, reset, serve, service_at};

#[tokio::test]
async fn the_request_is_what_the_worker_wrote() {
    let world = World::new();
    let (heard, mut hears) = tokio::sync::mpsc::channel(1);
    let address = serve(move |_, mut stream| {
        let heard = heard.clone();
        async move {
            heard.send(read_head(&mut stream).await).await.unwrap();
            let answer = "HTTP/1.1 201 Created\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Hop: 1\r\nConnection: x-hop, close\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let service = Arc::new(service_at(address));
    let request = Request::post("http://shop.internal:1234/a%2Fb/?q=%20&r")
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("x-public", "2")
        .header("cdn-loop", "other")
        .header("host", "ignored")
        .body(invocation::empty())
        .unwrap();
    let response = world.fetch(&service, request).await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    assert!(!response.headers().contains_key("x-hop") && !response.headers().contains_key("connection"));
    assert_eq!(crate::support::read(response).await.unwrap(), "ok");

    let head = hears.recv().await.unwrap().to_lowercase();
    assert!(head.starts_with("post /a%2fb/?q=%20&r http/1.1\r\n"), "{head}");
    assert!(head.contains("host: shop.internal:1234\r\n") && !head.contains("ignored"), "{head}");
    assert!(head.contains("cdn-loop: other\r\n") && head.contains("cdn-loop: culvert\r\n"), "{head}");
    assert!(head.contains("x-public: 2") && !head.contains("x-private"), "{head}");
    assert!(head.contains("content-length: 0\r\n"), "{head}");

    let event = world.event().await;
    assert_eq!((event.status, event.error, event.reused), (Some(201), None, false));
    assert_eq!(event.address, Some(address.to_string()));
    assert_eq!(event.connector, Some(uuid::Uuid::from_u128(9)));
    let timings = event.timings;
    assert!(timings.connect.is_some() && timings.request.is_some() && timings.head.is_some(), "{timings:?}");
    assert!(timings.dns.is_none() && timings.tls.is_none(), "{timings:?}");
}

#[tokio::test]
async fn closed_before_the_head() {
    let world = World::new();
    let service = Arc::new(service_at(answers(b"").await));
    let error = world.fails(&service, "http://x/", ErrorCode::ConnectionTerminated, Phase::Head).await;
    assert!(error.detail.contains("closed the connection") && error.detail.contains("without an answer"), "{error:?}");
    assert!(error.retryable, "a GET may be repeated");
    let error =
        world.request_fails(&service, post("http://x/", "data"), ErrorCode::ConnectionTerminated, Phase::Head).await;
    assert!(!error.retryable, "a POST may have been acted upon");
}

#[tokio::test]
async fn closed_in_the_middle_of_the_head() {
    let world = World::new();
    let service = Arc::new(service_at(answers(b"HTTP/1.1 200 OK\r\nContent-Le").await));
    let error = world.fails(&service, "http://x/", ErrorCode::ConnectionTerminated, Phase::Head).await;
    assert!(error.detail.contains("in the middle of the response head, after 27 bytes"), "{error:?}");
}

#[tokio::test]
async fn reset_before_the_head() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        reset(stream);
    })
    .await;
    let service = Arc::new(service_at(address));
    let error = world.fails(&service, "http://x/", ErrorCode::ConnectionTerminated, Phase::Head).await;
    assert!(error.detail.contains("reset"), "{error:?}");
}

#[tokio::test]
async fn reset_while_the_request_is_being_sent() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        reset(stream);
    })
    .await;
    let service = Arc::new(service_at(address));
    let body = vec![b'x'; 64 * 1024 * 1024];
    let error =
        world.request_fails(&service, post("http://x/", body), ErrorCode::ConnectionTerminated, Phase::Request).await;
    assert!(error.detail.contains("while the request was being sent"), "{error:?}");
}

#[tokio::test]
async fn silence() {
    let world = World::new();
    let address = serve(|_, stream| hold(stream)).await;
    let mut service = service_at(address);
    service.policy.read_timeout = Duration::from_millis(200);
    let error = world.fails(&Arc::new(service), "http://x/", ErrorCode::ConnectionReadTimeout, Phase::Head).await;
    assert_eq!(error.category, connection_error::Category::Client);
    assert!(error.detail.contains("nothing in answer"), "{error:?}");
    assert!(error.timings.head.unwrap() >= Duration::from_millis(190), "{error:?}");
    assert!(error.timings.request.unwrap() < Duration::from_millis(150), "{error:?}");
}

#[tokio::test]
async fn silence_in_the_middle_of_the_head() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        hold(stream).await;
    })
    .await;
    let mut service = service_at(address);
    service.policy.read_timeout = Duration::from_millis(200);
    let error = world.fails(&Arc::new(service), "http://x/", ErrorCode::ConnectionReadTimeout, Phase::Head).await;
    assert!(error.detail.contains("after its first 17 bytes"), "{error:?}");
}

#[tokio::test]
async fn a_head_that_comes_slowly_is_waited_for() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        for part in ["HTTP/1.1 ", "200 ", "OK\r\n", "Content-Length: 2\r\n", "\r\n", "ok"] {
            tokio::time::sleep(Duration::from_millis(120)).await;
            stream.write_all(part.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut service = service_at(address);
    service.policy.read_timeout = Duration::from_millis(400);
    assert_eq!(world.text(&Arc::new(service), get("http://x/")).await, "ok");
}

#[tokio::test]
async fn the_service_takes_no_more_bytes() {
    let world = World::new();
    let address = serve(|_, stream| hold(stream)).await;
    let mut service = service_at(address);
    service.policy.write_timeout = Duration::from_millis(300);
    let body = vec![b'x'; 64 * 1024 * 1024];
    let error = world
        .request_fails(&Arc::new(service), post("http://x/", body), ErrorCode::ConnectionWriteTimeout, Phase::Request)
        .await;
    assert_eq!(error.category, connection_error::Category::Client);
    assert!(error.timings.request.unwrap() >= Duration::from_millis(300), "{error:?}");
}

#[tokio::test]
async fn what_is_not_http() {
    let world = World::new();
    for (bytes, hint) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "SSH"),
        (b"\x15\x03\x01\x00\x02\x02\x46 and more", "https:"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", "HTTP/2"),
        (b"220 mail.internal ESMTP\r\n\r\n", "220 mail"),
        (b"HTTP/1.1 2oo OK\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed"),
    ] {
        let service = Arc::new(service_at(answers(bytes).await));
        let error = world.fails(&service, "http://x/", ErrorCode::HttpProtocolError, Phase::Head).await;
        assert!(error.detail.contains(hint), "{error:?}");
    }
    let endless = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"X-More: and more and more and more\r\n").await.is_ok() {}
    })
    .await;
    let error =
        world.fails(&Arc::new(service_at(endless)), "http://x/", ErrorCode::HttpProtocolError, Phase::Head).await;
    assert!(error.detail.contains("larger than the limit"), "{error:?}");
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let world = World::new();
    let service = Arc::new(service_at(
        answers(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        )
        .await,
    ));
    assert_eq!(world.get(&service, "http://x/").await.unwrap().status(), 204);
    assert_eq!(world.event().await.status, Some(204));
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for() {
    let world = World::new();
    let service = Arc::new(service_at(
        answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").await,
    ));
    world.fails(&service, "http://x/", ErrorCode::HttpProtocolError, Phase::Head).await;
}

#[tokio::test]
async fn giving_up_before_the_head_is_told() {
    let world = World::new();
    let address = serve(|_, stream| hold(stream)).await;
    let service = Arc::new(service_at(address));
    let given_up = tokio::time::timeout(Duration::from_millis(100), world.get(&service, "http://x/")).await;
    assert!(given_up.is_err());
    let event = world.event().await;
    assert_eq!((event.status, event.error), (None, None));
    world.no_event();
}
