//! The connection attempt itself, with real sockets.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use connection_error::{ErrorCode, Phase};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use vpc::{Host, ServiceKind};

use crate::support::network::CONNECTOR;
use crate::support::{World, answers, get, listen, service_at};

/// A listener that answers no further connection attempt: its queue is full and nobody takes from it.
pub async fn full_listener() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queued.push(stream);
        assert!(queued.len() < 64, "the queue should have filled");
    }
    (listener, queued, address)
}

#[tokio::test]
async fn nobody_listens() {
    let world = World::new();
    let (listener, address) = listen().await;
    drop(listener);
    let service = Arc::new(service_at(address));
    let error = world.fails(&service, "http://x/", ErrorCode::ConnectionRefused, Phase::Connect).await;
    assert!(error.detail.contains(&address.to_string()), "{error:?}");
    world.get(&service, "http://x/").await.unwrap_err();
    let event = world.event().await;
    assert_eq!((event.connector, event.address), (Some(CONNECTOR), Some(address.to_string())));
    assert!(error.retryable);
    assert!(error.timings.connect.is_some() && error.timings.request.is_none() && error.timings.dns.is_none());
}

#[tokio::test]
async fn nobody_answers() {
    let world = World::new();
    let (_listener, _queued, address) = full_listener().await;
    let mut service = service_at(address);
    service.policy.connect_timeout = Duration::from_millis(300);
    let error = world.fails(&Arc::new(service), "http://x/", ErrorCode::ConnectionTimeout, Phase::Connect).await;
    assert!(error.timings.connect.unwrap() >= Duration::from_millis(300));
    assert!(error.detail.contains("0.3 s"), "{error:?}");
}

#[tokio::test]
async fn no_route() {
    let world = World::new();
    // The documentation prefix is routed nowhere, unless there is a default route for IPv6.
    let address: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
    let service = service_at(address);
    let service = Arc::new(service);
    match TcpStream::connect(address).await {
        Err(error) if [ErrorKind::NetworkUnreachable, ErrorKind::HostUnreachable].contains(&error.kind()) => {}
        other => {
            eprintln!("skipped: this machine routes 2001:db8::/32 somewhere ({other:?})");
            return;
        }
    }
    world.fails(&service, "http://x/", ErrorCode::DestinationIpUnroutable, Phase::Connect).await;
}

#[tokio::test]
async fn the_address_that_answers_is_used() {
    let world = World::new();
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let address = answers(ok).await;
    // Nothing listens on this port over IPv6, so IPv4 wins at once.
    let mut service = service_at(address);
    service.host = Host::Addresses { ipv4: Some(Ipv4Addr::LOCALHOST), ipv6: Some(Ipv6Addr::LOCALHOST) };
    let service = Arc::new(service);
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    let event = world.event().await;
    assert_eq!(event.address, Some(address.to_string()));
    assert!(event.timings.connect.unwrap() < Duration::from_millis(250), "{event:?}");
}

#[tokio::test]
async fn of_two_failing_addresses_the_telling_one_is_reported() {
    let world = World::new();
    let (listener, address) = listen().await;
    drop(listener);
    let mut service = service_at(address);
    service.host = Host::Addresses { ipv4: Some(Ipv4Addr::LOCALHOST), ipv6: Some("2001:db8::1".parse().unwrap()) };
    service.kind = ServiceKind::Http { http_port: Some(address.port()), https_port: None };
    service.policy.connect_timeout = Duration::from_millis(500);
    let error = world.fails(&Arc::new(service), "http://x/", ErrorCode::ConnectionRefused, Phase::Connect).await;
    assert!(error.detail.contains("127.0.0.1") && error.detail.contains("2001:db8::1"), "{error:?}");
}
