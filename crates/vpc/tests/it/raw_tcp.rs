//! Raw TCP connections.

use std::sync::Arc;

use connection_error::{ErrorCode, Phase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use vpc::{Service, ServiceKind};

use crate::support::certificates::{Authority, Dates};
use crate::support::{World, caller, listen, serve, service_at};

fn tcp_service(address: std::net::SocketAddr) -> Service {
    Service { kind: ServiceKind::Tcp { port: address.port(), app_protocol: None }, ..service_at(address) }
}

#[tokio::test]
async fn bytes_go_both_ways_and_half_a_close_is_passed_on() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        heard.reverse();
        stream.write_all(&heard).await.unwrap();
    })
    .await;
    let service = Arc::new(tcp_service(address));
    let mut connection = world.vpc.connect(Arc::clone(&service), caller()).await.unwrap();
    assert_eq!(connection.address(), address);
    connection.write_all(b"abc").await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "cba");
    world.no_event();
    drop(connection);
    let event = world.event().await;
    assert_eq!((event.status, event.error, event.canceled), (None, None, false));
    assert_eq!(event.address, Some(address.to_string()));
    assert!(event.timings.connect.is_some() && event.timings.request.is_none());
}

#[tokio::test]
async fn connections_fail_as_those_of_fetch_do() {
    let world = World::new();
    let (listener, address) = listen().await;
    drop(listener);
    let service = Arc::new(tcp_service(address));
    let error = world.vpc.connect(Arc::clone(&service), caller()).await.unwrap_err();
    world.check(&service, &error, ErrorCode::ConnectionRefused, Phase::Connect).await;
    // fetch() is for HTTP services, connect() for TCP ones.
    world.fails(&service, "http://x/", ErrorCode::HttpRequestDenied, Phase::Route).await;
    let http = Arc::new(service_at(address));
    let error = world.vpc.connect(Arc::clone(&http), caller()).await.unwrap_err();
    world.check(&http, &error, ErrorCode::HttpRequestDenied, Phase::Route).await;
}

#[tokio::test]
async fn tls_can_be_started() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let identity = authority.issue(&["db.internal"], Dates::Now);
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], identity.key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let address = serve(move |_, mut stream| {
        let acceptor = acceptor.clone();
        async move {
            // As databases do: a word in plain text first.
            let mut word = [0; 3];
            stream.read_exact(&mut word).await.unwrap();
            stream.write_all(b"S").await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut word = [0; 5];
            stream.read_exact(&mut word).await.unwrap();
            stream.write_all(&word).await.unwrap();
            stream.flush().await.unwrap();
            let _ = stream.read(&mut word).await;
        }
    })
    .await;
    let mut service = tcp_service(address);
    service.tls.extra_roots.push(authority.root());
    let service = Arc::new(service);
    for (name, accepted) in [("db.internal", true), ("other.internal", false)] {
        let mut connection = world.vpc.connect(Arc::clone(&service), caller()).await.unwrap();
        connection.write_all(b"TLS").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'S');
        match connection.start_tls(name).await {
            Ok(mut connection) => {
                assert!(accepted);
                connection.write_all(b"hello").await.unwrap();
                connection.flush().await.unwrap();
                let mut word = [0; 5];
                connection.read_exact(&mut word).await.unwrap();
                assert_eq!(&word, b"hello");
                drop(connection);
                let event = world.event().await;
                assert!(event.timings.tls.is_some() && event.error.is_none());
            }
            Err(error) => {
                assert!(!accepted, "{error:?}");
                world.check(&service, &error, ErrorCode::TlsCertificateError, Phase::Tls).await;
            }
        }
    }
}

/// What an I/O error of a connection carries.
fn carried(error: &std::io::Error) -> connection_error::ConnectionError {
    error.get_ref().and_then(|inner| inner.downcast_ref::<connection_error::ConnectionError>()).unwrap().clone()
}

#[tokio::test]
async fn a_reset_is_told_with_its_facts() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        stream.write_all(b"hello").await.unwrap();
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
        // Bytes that nobody has read make this close a reset.
    })
    .await;
    let service = Arc::new(tcp_service(address));
    let mut connection = world.vpc.connect(Arc::clone(&service), caller()).await.unwrap();
    let mut greeting = [0; 5];
    connection.read_exact(&mut greeting).await.unwrap();
    connection.write_all(b"more than one byte").await.unwrap();
    let failed = carried(&connection.read_u8().await.unwrap_err());
    assert!(failed.detail.contains("after 5 bytes"), "{}", failed.detail);
    drop(connection);
    let event = world.event().await;
    assert_eq!(event.error.as_ref(), Some(&failed));
    assert_eq!((failed.code, failed.phase), (ErrorCode::ConnectionTerminated, Phase::Request));
}

#[tokio::test]
async fn bytes_that_nobody_takes_time_out() {
    let world = World::new();
    let address = serve(|_, stream| async move {
        // Held, and never read.
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let mut service = tcp_service(address);
    service.policy.write_timeout = std::time::Duration::from_millis(200);
    let mut connection = world.vpc.connect(Arc::new(service), caller()).await.unwrap();
    let piece = vec![0; 65_536];
    let failed = loop {
        if let Err(error) = connection.write_all(&piece).await {
            break carried(&error);
        }
    };
    assert_eq!((failed.code, failed.phase), (ErrorCode::ConnectionWriteTimeout, Phase::Request));
    drop(connection);
    assert_eq!(world.event().await.error, Some(failed));
}
