//! HTTP/2, chosen by ALPN, with services that break it off in its own ways.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connection_error::{ErrorCode, Phase};
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use vpc::Service;

use crate::support::certificates::{Authority, Dates};
use crate::support::{World, body_error, get, post, serve, service_at};

type Incoming = (Request<RecvStream>, SendResponse<Bytes>);

fn acceptor(authority: &Authority) -> TlsAcceptor {
    let identity = authority.issue(&["orders.internal"], Dates::Now);
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], identity.key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A service that speaks HTTP/2 and does this with each connection.
async fn connections<F, R>(authority: &Authority, with: F) -> Arc<Service>
where
    F: Fn(usize, Connection<TlsStream<TcpStream>, Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let acceptor = acceptor(authority);
    let with = Arc::new(with);
    let address = serve(move |number, stream| {
        let (acceptor, with) = (acceptor.clone(), Arc::clone(&with));
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            with(number, h2::server::handshake(stream).await.unwrap()).await;
        }
    })
    .await;
    trusting(address, authority)
}

fn trusting(address: SocketAddr, authority: &Authority) -> Arc<Service> {
    let mut service = service_at(address);
    service.tls.extra_roots.push(authority.root());
    service.policy.read_timeout = Duration::from_secs(2);
    service.policy.write_timeout = Duration::from_millis(300);
    Arc::new(service)
}

/// A service that does this with each request.
async fn requests<F>(authority: &Authority, with: F) -> Arc<Service>
where
    F: Fn(Incoming) + Send + Sync + 'static,
{
    let with = Arc::new(with);
    connections(authority, move |_, mut connection| {
        let with = Arc::clone(&with);
        async move {
            while let Some(Ok(incoming)) = connection.accept().await {
                with(incoming);
            }
        }
    })
    .await
}

fn ok(respond: &mut SendResponse<Bytes>, body: &'static str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let service = requests(&authority, |(request, mut respond)| {
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.uri().to_string(), "https://orders.internal:1/a?b");
        assert!(!request.headers().contains_key("connection") && request.headers()["cdn-loop"] == "culvert");
        ok(&mut respond, "ok");
    })
    .await;
    assert_eq!(world.text(&service, get("https://orders.internal:1/a?b")).await, "ok");
    let event = world.event().await;
    assert!(event.timings.tls.is_some() && event.timings.head.is_some() && !event.reused);
    let all = (0..50).map(|_| world.text(&service, get("https://orders.internal:1/a?b")));
    assert!(futures_util::future::join_all(all).await.iter().all(|text| text == "ok"));
    assert!(world.event().await.reused);
    assert_eq!(world.network.opened(), 1);
}

#[tokio::test]
async fn a_burst_waits_for_the_first_connection() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let service = requests(&authority, |(_, mut respond)| ok(&mut respond, "ok")).await;
    let all = (0..80).map(|_| world.text(&service, get("https://orders.internal/")));
    assert!(futures_util::future::join_all(all).await.iter().all(|text| text == "ok"));
    assert_eq!(world.network.opened(), 1);
    // Where opening fails, everyone finds out by himself and nobody waits for another.
    let (listener, refused) = crate::support::listen().await;
    drop(listener);
    let mut service = service_at(refused);
    service.policy.breaker = None;
    let service = Arc::new(service);
    let all = (0..20).map(|_| world.get(&service, "https://orders.internal/"));
    let codes: Vec<_> =
        futures_util::future::join_all(all).await.into_iter().map(|result| result.unwrap_err().code).collect();
    assert_eq!(codes, [ErrorCode::ConnectionRefused; 20]);
}

#[tokio::test]
async fn a_post_on_a_lost_connection_is_not_sent_twice() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let service = connections(&authority, move |_, mut connection| {
        let counted = Arc::clone(&counted);
        async move {
            let Some(Ok((_, mut respond))) = connection.accept().await else { return };
            ok(&mut respond, "ok");
            // The next request is taken, and the connection lost with it.
            if let Some(Ok(_)) = connection.accept().await {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }
    })
    .await;
    assert_eq!(world.text(&service, get("https://orders.internal/")).await, "ok");
    world.event().await;
    let request = post("https://orders.internal/", "data");
    let error = world.request_fails(&service, request, ErrorCode::ConnectionTerminated, Phase::Head).await;
    assert!(!error.retryable);
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_that_is_reset_before_the_head() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let service = requests(&authority, |(_, mut respond)| respond.send_reset(Reason::INTERNAL_ERROR)).await;
    let error = world.fails(&service, "https://orders.internal/", ErrorCode::HttpRequestError, Phase::Request).await;
    assert!(error.detail.contains("INTERNAL_ERROR"), "{error:?}");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let service = connections(&authority, |number, mut connection| async move {
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            if number == 0 {
                respond.send_reset(Reason::REFUSED_STREAM);
            } else {
                ok(&mut respond, "ok");
            }
        }
    })
    .await;
    // Even a POST: the service says that it has not looked at it.
    assert_eq!(world.text(&service, post("https://orders.internal/", "data")).await, "ok");
    assert!(world.event().await.error.is_none());
    assert_eq!(world.network.opened(), 2);
    let always = requests(&authority, |(_, mut respond)| respond.send_reset(Reason::REFUSED_STREAM)).await;
    let error = world.fails(&always, "https://orders.internal/", ErrorCode::HttpRequestError, Phase::Request).await;
    assert!(error.detail.contains("REFUSED_STREAM") && error.retryable, "{error:?}");
}

#[tokio::test]
async fn a_connection_that_says_goodbye_is_replaced() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let service = connections(&authority, |_, mut connection| async move {
        // One request, then GOAWAY and the end.
        if let Some(Ok((_, mut respond))) = connection.accept().await {
            ok(&mut respond, "ok");
        }
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
    })
    .await;
    for _ in 0..5 {
        assert_eq!(world.text(&service, post("https://orders.internal/", "data")).await, "ok");
        assert!(world.event().await.error.is_none());
    }
}

#[tokio::test]
async fn a_connection_that_is_dropped() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let service = connections(&authority, |_, mut connection| async move {
        let _request = connection.accept().await;
        let (stream, _) = (connection, ());
        drop(stream);
    })
    .await;
    let error = world.fails(&service, "https://orders.internal/", ErrorCode::ConnectionTerminated, Phase::Head).await;
    assert!(error.detail.contains("HTTP/2"), "{error:?}");
}

#[tokio::test]
async fn a_body_that_is_reset() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let service = requests(&authority, |(_, mut respond)| {
        tokio::spawn(async move {
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(b"half"), false).unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.send_reset(Reason::CANCEL);
        });
    })
    .await;
    let mut response = world.get(&service, "https://orders.internal/").await.unwrap();
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    let error = body_error(response).await;
    assert!(error.detail.contains("CANCEL") && error.detail.contains("after 4 bytes"), "{error:?}");
    world.check(&service, &error, ErrorCode::HttpResponseIncomplete, Phase::Body).await;
}

#[tokio::test]
async fn trailers_come_through() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let service = requests(&authority, |(request, mut respond)| {
        assert_eq!(request.headers()["te"], "trailers");
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(b"data"), false).unwrap();
        stream.send_trailers([("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect()).unwrap();
    })
    .await;
    let request = Request::get("https://orders.internal/").header("te", "trailers").body(invocation::empty()).unwrap();
    let collected = world.fetch(&service, request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn silence_and_a_closed_window() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let silent = requests(&authority, |incoming| {
        tokio::spawn(async move {
            let _incoming = incoming;
            std::future::pending::<()>().await;
        });
    })
    .await;
    let mut impatient = (*silent).clone();
    impatient.policy.read_timeout = Duration::from_millis(200);
    let impatient = Arc::new(impatient);
    world.fails(&impatient, "https://orders.internal/", ErrorCode::ConnectionReadTimeout, Phase::Head).await;
    // Nobody opens the stream's window again: the body gets stuck.
    let long = post("https://orders.internal/", vec![b'x'; 4 * 1024 * 1024]);
    world.request_fails(&silent, long, ErrorCode::ConnectionWriteTimeout, Phase::Request).await;
}

#[tokio::test]
async fn garbage_instead_of_http2() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let acceptor = acceptor(&authority);
    let address = serve(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &[0xff; 64]).await;
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
        }
    })
    .await;
    let service = trusting(address, &authority);
    let error = world.fails(&service, "https://orders.internal/", ErrorCode::HttpProtocolError, Phase::Head).await;
    assert!(error.detail.contains("HTTP/2"), "{error:?}");
}
