//! The same through a real tunnel: edge and connector in this process, over QUIC on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use connection_error::{ErrorCode, Phase};
use http_body_util::BodyExt;
use invocation::BoxFuture;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tunnel::connector::{Connector, ConnectorOptions};
use tunnel::edge::{CertificateAuthority, EdgeOptions, Refusal, TunnelDirectory, TunnelEdge, TunnelGrant};
use tunnel::{Token, Uuid};
use vpc::{Host, Options};

use crate::support::{World, answers, body_error, get, hold, listen, post, read_head, reset, serve, service_at};

const TUNNEL: Uuid = Uuid::from_u128(1);
const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

/// Lets anyone serve any tunnel.
struct Open;

impl TunnelDirectory for Open {
    fn authenticate(&self, _: &str, _: Uuid, _: &[u8]) -> BoxFuture<'_, Result<TunnelGrant, Refusal>> {
        Box::pin(async { Ok(TunnelGrant::default()) })
    }
}

/// An edge and its connector.
struct Tunnel {
    edge: TunnelEdge,
    connector: Option<JoinHandle<()>>,
    /// Tells the connector to drain and stop.
    stop: Option<oneshot::Sender<()>>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(connector) = &self.connector {
            connector.abort();
        }
    }
}

impl Tunnel {
    async fn start(dns_resolvers: Vec<SocketAddr>) -> (Self, World) {
        let authority = CertificateAuthority::create().unwrap();
        let ca_pem = authority.certificate_pem().to_owned();
        let options = EdgeOptions::new("127.0.0.1:0".parse().unwrap(), authority);
        let edge = TunnelEdge::bind(options, Arc::new(Open)).await.unwrap();
        let token = Token { account: ACCOUNT.to_owned(), tunnel: TUNNEL, secret: vec![7; 32], endpoint: None };
        let options = ConnectorOptions {
            ca_pem: Some(ca_pem),
            connections: 1,
            dns_resolvers,
            ..ConnectorOptions::new(token, vec![edge.local_addr().to_string()])
        };
        let connector = Connector::new(options).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            if stopped.await.is_err() {
                // A sender that is dropped asks for nothing.
                std::future::pending().await
            }
        };
        let connector = tokio::spawn(async move { connector.run(stopped).await.unwrap() });
        let tunnels = edge.tunnels();
        let world = World::over(Arc::new(tunnels.clone()), Options::default());
        let registered = async {
            while tunnels.connectors(TUNNEL).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), registered).await.expect("the connector registers");
        (Self { edge, connector: Some(connector), stop: Some(stop) }, world)
    }

    /// Kills the connector.
    fn cut(&mut self) {
        self.edge.tunnels().revoke(TUNNEL);
        if let Some(connector) = self.connector.take() {
            connector.abort();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_their_failures() {
    let (_tunnel, world) = Tunnel::start(Vec::new()).await;
    let ok = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
    let service = Arc::new(service_at(ok));
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    let event = world.event().await;
    assert!(event.connector.is_some() && event.address == Some(ok.to_string()), "{event:?}");
    assert!(event.timings.connect.is_some());

    let (listener, refused) = listen().await;
    drop(listener);
    let service = Arc::new(service_at(refused));
    world.fails(&service, "http://x/", ErrorCode::ConnectionRefused, Phase::Connect).await;

    let service = Arc::new(service_at(answers(b"").await));
    world.fails(&service, "http://x/", ErrorCode::ConnectionTerminated, Phase::Head).await;
    let service = Arc::new(service_at(answers(b"SSH-2.0-x\r\n").await));
    world.fails(&service, "http://x/", ErrorCode::HttpProtocolError, Phase::Head).await;

    let resets = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        reset(stream);
    })
    .await;
    let service = Arc::new(service_at(resets));
    let error = world.fails(&service, "http://x/", ErrorCode::ConnectionTerminated, Phase::Head).await;
    assert!(error.detail.contains("reset"), "{error:?}");

    let mut silent = service_at(serve(|_, stream| hold(stream)).await);
    silent.policy.read_timeout = Duration::from_millis(300);
    world.fails(&Arc::new(silent), "http://x/", ErrorCode::ConnectionReadTimeout, Phase::Head).await;

    let service = Arc::new(service_at(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await));
    let error = body_error(world.get(&service, "http://x/").await.unwrap()).await;
    world.check(&service, &error, ErrorCode::HttpResponseIncomplete, Phase::Body).await;
    assert!(error.detail.contains("4 of 9 bytes"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_takes_no_more_bytes() {
    let (_tunnel, world) = Tunnel::start(Vec::new()).await;
    let mut stuck = service_at(serve(|_, stream| hold(stream)).await);
    stuck.policy.write_timeout = Duration::from_millis(500);
    let body = vec![b'x'; 64 * 1024 * 1024];
    let request = post("http://x/", body);
    world.request_fails(&Arc::new(stuck), request, ErrorCode::ConnectionWriteTimeout, Phase::Request).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_is_used_and_replaced() {
    let (_tunnel, world) = Tunnel::start(Vec::new()).await;
    let address = serve(|_, mut stream| async move {
        for _ in 0..2 {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        }
        read_head(&mut stream).await;
    })
    .await;
    let service = Arc::new(service_at(address));
    let mut reused = 0;
    for _ in 0..10 {
        assert_eq!(world.text(&service, get("http://x/")).await, "ok");
        let event = world.event().await;
        assert_eq!(event.error, None);
        reused += u32::from(event.reused);
    }
    assert!(reused >= 3, "{reused} of 10 requests used a kept connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_connector_does_not_wait_for_kept_connections() {
    let (mut tunnel, world) = Tunnel::start(Vec::new()).await;
    let address = serve(|_, mut stream| async move {
        while !read_head(&mut stream).await.is_empty() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await;
    assert_eq!(world.text(&Arc::new(service_at(address)), get("http://x/")).await, "ok");
    tunnel.stop.take().unwrap().send(()).unwrap();
    // Its grace period is 30 s, and so long it would wait for the connection.
    let connector = tunnel.connector.take().unwrap();
    tokio::time::timeout(Duration::from_secs(15), connector).await.expect("it does not wait").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connector_goes_away() {
    let (mut tunnel, world) = Tunnel::start(Vec::new()).await;
    let address = serve(|number, mut stream| async move {
        read_head(&mut stream).await;
        if number == 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
        }
        hold(stream).await;
    })
    .await;
    let service = Arc::new(service_at(address));
    let mut response = world.get(&service, "http://x/").await.unwrap();
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    let waiting = {
        let (vpc, service) = (world.vpc.clone(), Arc::clone(&service));
        tokio::spawn(async move { vpc.fetch(service, get("http://x/"), crate::support::caller()).await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    tunnel.cut();
    let error = body_error(response).await;
    let other = waiting.await.unwrap().unwrap_err();
    println!("{} | {}", error.detail, other.detail);
    assert_eq!((error.code, error.phase), (ErrorCode::HttpResponseIncomplete, Phase::Body));
    assert_eq!((other.code, other.phase), (ErrorCode::ConnectionTerminated, Phase::Head));
    assert!(other.detail.contains("connector") && other.detail.contains("lost"), "{other:?}");
    world.event().await;
    world.event().await;
    world.fails(&service, "http://x/", ErrorCode::DestinationUnavailable, Phase::Route).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_resolved_behind_the_tunnel() {
    let resolver = crate::dns::resolver(crate::dns::only_orders).await;
    let (_tunnel, world) = Tunnel::start(vec![resolver]).await;
    let ok = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
    let mut service = service_at(ok);
    service.host = Host::Hostname { name: "orders.internal".to_owned(), resolvers: Vec::new() };
    assert_eq!(world.text(&Arc::new(service.clone()), get("http://x/")).await, "ok");
    assert!(world.event().await.timings.dns.is_some());
    service.host = Host::Hostname { name: "missing.internal".to_owned(), resolvers: Vec::new() };
    let error = world.fails(&Arc::new(service), "http://x/", ErrorCode::DnsError, Phase::Dns).await;
    assert_eq!(error.category, connection_error::Category::Client);
}
