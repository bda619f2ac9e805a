//! Before anything is opened: policy, restricted addresses, limits, the breaker, tunnels without a connector.

use std::sync::Arc;
use std::time::Duration;

use connection_error::{ErrorCode, Phase};
use http::Request;
use ipnet::IpNet;
use uuid::Uuid;
use vpc::{BreakerPolicy, DnsQueryError, Host, OpenError, Options, Policy, Restrictions, ServiceKind};

use crate::support::{DirectNetwork, World, answers, get, hold, listen, read, serve, service_at};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

#[tokio::test]
async fn one_port_denies_the_other_scheme() {
    let world = World::new();
    let mut service = service_at(answers(OK).await);
    service.kind = ServiceKind::Http { http_port: None, https_port: Some(1) };
    let service = Arc::new(service);
    let error = world.fails(&service, "http://x/", ErrorCode::HttpRequestDenied, Phase::Route).await;
    assert_eq!(error.timings, connection_error::Timings::default());
    assert!(!error.retryable);
    assert_eq!(world.network.opened(), 0);
}

#[tokio::test]
async fn policies_of_method_and_path_deny() {
    let world = World::new();
    let mut service = service_at(answers(OK).await);
    service.policy.allowed_path_prefixes = vec!["/public".to_owned()];
    service.policy.allowed_methods = vec![http::Method::GET];
    let service = Arc::new(service);
    world.fails(&service, "http://x/private", ErrorCode::HttpRequestDenied, Phase::Route).await;
    let delete = Request::delete("http://x/public").body(invocation::empty()).unwrap();
    world.request_fails(&service, delete, ErrorCode::HttpRequestDenied, Phase::Route).await;
    assert_eq!(world.text(&service, get("http://x/public/a")).await, "ok");
}

#[tokio::test]
async fn restricted_addresses_are_prohibited() {
    let (_listener, edge) = listen().await;
    let restrictions = Restrictions {
        networks: vec!["10.0.0.0/8".parse::<IpNet>().unwrap()],
        visitor_listeners: vec![edge],
        edge_listeners: vec!["127.0.0.1:1".parse().unwrap()],
    };
    let world = World::with(DirectNetwork::default(), Options { restrictions, ..Options::default() });
    for address in ["169.254.169.254:80", "0.0.0.0:80", "224.0.0.1:80", "[fe80::1]:80", "10.1.2.3:80", "127.0.0.1:1"] {
        let service = Arc::new(service_at(address.parse().unwrap()));
        world.fails(&service, "http://x/", ErrorCode::DestinationIpProhibited, Phase::Route).await;
    }
    let service = Arc::new(service_at(edge));
    world.fails(&service, "http://x/", ErrorCode::ProxyLoopDetected, Phase::Route).await;
    assert_eq!(world.network.opened(), 0);
}

#[tokio::test]
async fn a_request_that_was_here_before_is_a_loop() {
    let world = World::new();
    let service = Arc::new(service_at(answers(OK).await));
    let request = Request::get("http://x/").header("cdn-loop", "other, culvert").body(invocation::empty()).unwrap();
    world.request_fails(&service, request, ErrorCode::ProxyLoopDetected, Phase::Route).await;
    // The edge's own refusal is recognised too.
    let refusal = b"HTTP/1.1 508 Loop\r\nProxy-Status: culvert; error=proxy_loop_detected\r\nContent-Length: 0\r\n\r\n";
    let service = Arc::new(service_at(answers(refusal).await));
    world.fails(&service, "http://x/", ErrorCode::ProxyLoopDetected, Phase::Head).await;
}

#[tokio::test]
async fn the_connections_of_a_service_are_limited() {
    let world = World::new();
    let address = serve(|_, mut stream| async move {
        crate::support::read_head(&mut stream).await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            .await
            .unwrap();
        hold(stream).await;
    })
    .await;
    let mut service = service_at(address);
    service.policy.max_connections = 2;
    let service = Arc::new(service);
    let first = world.get(&service, "http://x/1").await.unwrap();
    let second = world.get(&service, "http://x/2").await.unwrap();
    let error = world.fails(&service, "http://x/3", ErrorCode::ConnectionLimitReached, Phase::Route).await;
    assert!(error.retryable && error.detail.contains('2'));
    // Giving up one makes room for another.
    drop(first);
    assert!(world.event().await.error.is_none());
    let third = world.get(&service, "http://x/3").await.unwrap();
    drop((second, third));
}

#[tokio::test]
async fn new_connections_are_limited_in_rate() {
    let world = World::new();
    let mut service = service_at(answers(OK).await);
    service.policy.max_new_connections_per_second = Some(1);
    let service = Arc::new(service);
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
    assert!(world.event().await.error.is_none());
    let error = world.fails(&service, "http://x/", ErrorCode::RateLimited, Phase::Route).await;
    assert_eq!(error.category, connection_error::Category::Client);
}

#[tokio::test]
async fn a_failing_service_is_left_alone_until_a_trial_succeeds() {
    let world = World::new();
    let (listener, address) = listen().await;
    drop(listener);
    let mut service = service_at(address);
    service.policy.breaker = Some(BreakerPolicy { failures: 3, trial_every: Duration::from_millis(200) });
    let service = Arc::new(service);
    for _ in 0..3 {
        world.fails(&service, "http://x/", ErrorCode::ConnectionRefused, Phase::Connect).await;
    }
    let error = world.fails(&service, "http://x/", ErrorCode::DestinationUnavailable, Phase::Route).await;
    assert!(
        error.detail.contains("3 consecutive failures") && error.detail.contains("connection_refused"),
        "{error:?}"
    );
    assert_eq!(world.network.opened(), 3);
    // The service comes back; a trial finds out.
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            crate::support::read_head(&mut stream).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, OK).await;
        }
    });
    let back = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Ok(response) = world.get(&service, "http://x/").await {
                return read(response).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(back.await.unwrap(), "ok");
    assert_eq!(world.text(&service, get("http://x/")).await, "ok");
}

#[tokio::test]
async fn what_only_a_tunnel_can_say() {
    let text = || "too many active flows".to_owned();
    for (fault, code, phase) in [
        (OpenError::NoTunnel, ErrorCode::DestinationNotFound, Phase::Route),
        (OpenError::NoConnector, ErrorCode::DestinationUnavailable, Phase::Route),
        (OpenError::ConnectorLost { text: text() }, ErrorCode::DestinationUnavailable, Phase::Route),
        (OpenError::TooManyFlows { text: text() }, ErrorCode::ConnectionLimitReached, Phase::Connect),
        (OpenError::NotAllowed { text: text() }, ErrorCode::DestinationIpProhibited, Phase::Route),
        (OpenError::Unreachable { text: text() }, ErrorCode::DestinationIpUnroutable, Phase::Connect),
    ] {
        let world = World::new();
        *world.network.open_fault.lock().unwrap() = Some(fault);
        let service = Arc::new(service_at("10.0.0.1:80".parse().unwrap()));
        world.fails(&service, "http://x/", code, phase).await;
    }
    for (fault, code, phase) in [
        (DnsQueryError::NoConnector, ErrorCode::DestinationUnavailable, Phase::Route),
        (DnsQueryError::NoTunnel, ErrorCode::DestinationNotFound, Phase::Route),
        (
            DnsQueryError::Unsupported { reason: "the connector is older than 2025.7.0: update it".to_owned() },
            ErrorCode::DnsError,
            Phase::Dns,
        ),
    ] {
        let world = World::new();
        *world.network.dns_fault.lock().unwrap() = Some(fault);
        let mut service = service_at("10.0.0.1:80".parse().unwrap());
        service.host = Host::Hostname { name: "api.internal".to_owned(), resolvers: Vec::new() };
        world.fails(&Arc::new(service), "http://x/", code, phase).await;
        // Asked once for each family: such a fault is the same the second time.
        assert_eq!(world.network.asked(), 2);
    }
}

#[tokio::test]
async fn an_edited_or_forgotten_service_begins_anew() {
    let world = World::new();
    let (listener, address) = listen().await;
    drop(listener);
    let mut service = service_at(address);
    service.policy = Policy {
        breaker: Some(BreakerPolicy { failures: 1, trial_every: Duration::from_secs(3600) }),
        ..Policy::default()
    };
    let service = Arc::new(service);
    world.fails(&service, "http://x/", ErrorCode::ConnectionRefused, Phase::Connect).await;
    world.fails(&service, "http://x/", ErrorCode::DestinationUnavailable, Phase::Route).await;
    // The same registration read again is the same; another one is not.
    let same = Arc::new((*service).clone());
    world.fails(&same, "http://x/", ErrorCode::DestinationUnavailable, Phase::Route).await;
    let edited = Arc::new(vpc::Service { tunnel: Uuid::from_u128(2), ..(*service).clone() });
    world.fails(&edited, "http://x/", ErrorCode::ConnectionRefused, Phase::Connect).await;
    world.fails(&edited, "http://x/", ErrorCode::DestinationUnavailable, Phase::Route).await;
    world.vpc.forget(edited.id);
    world.fails(&edited, "http://x/", ErrorCode::ConnectionRefused, Phase::Connect).await;
}
