//! Diagnoses: what each phase found, whether or not the service answers, and that nothing else notices.

use std::sync::Arc;
use std::time::Duration;

use connection_error::{ErrorCode, Phase};
use http::Method;
use tokio::io::AsyncWriteExt;
use vpc::{Diagnosis, Finding, FindingState, Host, OpenError, Options, Probe, Scheme, Service, ServiceKind};

use crate::dns::{only_orders, resolver};
use crate::support::certificates::{Authority, Dates};
use crate::support::{DirectNetwork, World, answers, hold, listen, read_head, serve, service_at};
use crate::tls::{config, tls_server, trusting};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Length: 2\r\n\r\nok";

async fn diagnose(world: &World, service: &Service, probe: Probe) -> Diagnosis {
    let diagnosis = world.vpc.diagnose(world.network.clone(), service, &probe, Duration::from_secs(20)).await;
    world.no_event();
    println!("{diagnosis:#?}");
    diagnosis
}

fn states(diagnosis: &Diagnosis) -> Vec<(Phase, FindingState)> {
    diagnosis.findings.iter().map(|finding| (finding.phase, finding.state)).collect()
}

fn finding(diagnosis: &Diagnosis, phase: Phase) -> &Finding {
    diagnosis.findings.iter().find(|finding| finding.phase == phase).unwrap()
}

#[tokio::test]
async fn an_answer_is_told_with_the_facts_of_every_phase() {
    let world = World::with(DirectNetwork::resolving(resolver(only_orders).await), Options::default());
    let authority = Authority::new("Test CA");
    let address = tls_server(config(authority.issue(&["orders.internal"], Dates::Now)), OK).await;
    let mut service = trusting(address, authority.root());
    service.host = Host::Hostname { name: "orders.internal".to_owned(), resolvers: Vec::new() };
    for _ in 0..2 {
        let diagnosis = diagnose(&world, &service, Probe::default()).await;
        assert!(diagnosis.error.is_none());
        assert!(
            diagnosis.findings.iter().all(|finding| finding.state == FindingState::Ok && finding.duration.is_some())
        );
        assert_eq!(diagnosis.findings.len(), 7);
        assert_eq!(finding(&diagnosis, Phase::Body).facts["bytes"], 2);
        let dns = &finding(&diagnosis, Phase::Dns).facts;
        assert_eq!((&dns["addresses"][0], &dns["ttl"]), (&"127.0.0.1".into(), &60.into()));
        assert_eq!(dns["resolver"], "the connector's own resolver");
        assert_eq!(finding(&diagnosis, Phase::Connect).facts["address"], address.to_string());
        let tls = &finding(&diagnosis, Phase::Tls).facts;
        assert_eq!((&tls["version"], &tls["verification"]), (&"TLSv1.3".into(), &"verify_full".into()));
        assert_eq!(tls["chain"][0]["subject"], "CN=orders.internal");
        assert_eq!(tls["chain"][0]["names"][0], "orders.internal");
        assert_eq!(tls["chain"][0]["not_after"], "2100-01-01T00:00:00Z");
        let head = &finding(&diagnosis, Phase::Head).facts;
        assert_eq!(
            (&head["status"], &head["http"], &head["server"]),
            (&200.into(), &"HTTP/1.1".into(), &"test".into())
        );
    }
    // Each asked anew: twice two families.
    assert_eq!(world.network.asked(), 4);
}

#[tokio::test]
async fn a_refused_certificate_is_shown_whole() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let address = tls_server(config(authority.issue(&["orders.internal"], Dates::Past)), OK).await;
    let service = trusting(address, authority.root());
    let probe = Probe { host: Some("orders.internal".to_owned()), ..Probe::default() };
    let diagnosis = diagnose(&world, &service, probe).await;
    assert_eq!(
        states(&diagnosis),
        [
            (Phase::Route, FindingState::Ok),
            (Phase::Connect, FindingState::Ok),
            (Phase::Tls, FindingState::Failed),
            (Phase::Request, FindingState::Skipped),
            (Phase::Head, FindingState::Skipped),
            (Phase::Body, FindingState::Skipped),
        ]
    );
    let error = diagnosis.error.clone().unwrap();
    assert_eq!((error.code, error.phase), (ErrorCode::TlsCertificateError, Phase::Tls));
    assert!(error.detail.contains("it has expired"), "{}", error.detail);
    let tls = finding(&diagnosis, Phase::Tls);
    assert_eq!(
        (&tls.facts["version"], &tls.facts["chain"][0]["not_after"]),
        (&"TLSv1.3".into(), &"2020-01-01T00:00:00Z".into())
    );
    assert!(tls.facts["cipher"].as_str().unwrap().starts_with("TLS13_"));
    assert_eq!(tls.detail.as_ref(), Some(&error.detail));
}

#[tokio::test]
async fn a_failure_is_in_its_phase() {
    let world = World::new();
    let (listener, address) = listen().await;
    drop(listener);
    let plain = Probe { scheme: Some(Scheme::Http), ..Probe::default() };
    let diagnosis = diagnose(&world, &service_at(address), plain.clone()).await;
    let error = diagnosis.error.clone().unwrap();
    assert_eq!((error.code, error.phase), (ErrorCode::ConnectionRefused, Phase::Connect));
    assert_eq!(finding(&diagnosis, Phase::Connect).state, FindingState::Failed);
    assert_eq!(finding(&diagnosis, Phase::Head).state, FindingState::Skipped);

    // That there is no connector shows late, and belongs to the route all the same.
    *world.network.open_fault.lock().unwrap() = Some(OpenError::NoConnector);
    let diagnosis = diagnose(&world, &service_at(address), plain.clone()).await;
    assert_eq!(diagnosis.error.clone().unwrap().code, ErrorCode::DestinationUnavailable);
    assert_eq!(finding(&diagnosis, Phase::Route).state, FindingState::Failed);
    assert_eq!(finding(&diagnosis, Phase::Connect).state, FindingState::Skipped);

    // A service that takes its time is waited for as long as the diagnosis may last.
    let silent = serve(|_, stream| hold(stream)).await;
    let world = World::new();
    let patience = Duration::from_millis(300);
    let diagnosis = world.vpc.diagnose(world.network.clone(), &service_at(silent), &plain, patience).await;
    assert_eq!(diagnosis.error.clone().unwrap().code, ErrorCode::ConnectionReadTimeout);
    assert_eq!(finding(&diagnosis, Phase::Request).state, FindingState::Ok);
    assert_eq!(finding(&diagnosis, Phase::Head).state, FindingState::Failed);
}

#[tokio::test]
async fn a_body_is_read_as_far_as_need_be() {
    let plain = Probe { scheme: Some(Scheme::Http), ..Probe::default() };
    let broken = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    })
    .await;
    let diagnosis = diagnose(&World::new(), &service_at(broken), plain.clone()).await;
    let error = diagnosis.error.clone().unwrap();
    assert_eq!((error.code, error.phase), (ErrorCode::HttpResponseIncomplete, Phase::Body));
    assert_eq!(finding(&diagnosis, Phase::Head).state, FindingState::Ok);

    let endless = serve(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n").await.unwrap();
        hold(stream).await;
    })
    .await;
    let world = World::new();
    let patience = Duration::from_millis(300);
    let diagnosis = world.vpc.diagnose(world.network.clone(), &service_at(endless), &plain, patience).await;
    assert!(diagnosis.error.is_none(), "{diagnosis:#?}");
    let body = finding(&diagnosis, Phase::Body);
    assert_eq!((body.state, &body.facts["bytes"]), (FindingState::Ok, &9.into()));
    assert!(body.detail.as_ref().unwrap().ends_with("it goes on."), "{body:?}");
}

#[tokio::test]
async fn nothing_is_changed_and_the_breaker_is_told_of_and_passed() {
    let world = World::new();
    let (listener, address) = listen().await;
    drop(listener);
    let service = Arc::new(service_at(address));
    for _ in 0..8 {
        world.fails(&service, "http://x/", ErrorCode::ConnectionRefused, Phase::Connect).await;
    }
    let plain = Probe { scheme: Some(Scheme::Http), ..Probe::default() };
    let diagnosis = diagnose(&world, &service, plain).await;
    assert_eq!(diagnosis.error.clone().unwrap().code, ErrorCode::ConnectionRefused);
    let breaker = finding(&diagnosis, Phase::Route).facts["breaker"].as_str().unwrap().to_owned();
    assert!(breaker.starts_with("open after 8 consecutive failures"), "{breaker}");

    // A policy that allows nothing but changes lets the connection be tried, and nothing be asked.
    let authority = Authority::new("Test CA");
    let mut service =
        trusting(tls_server(config(authority.issue(&["127.0.0.1"], Dates::Now)), b"never").await, authority.root());
    service.policy.allowed_methods = vec![Method::POST];
    let diagnosis = diagnose(&world, &service, Probe::default()).await;
    assert!(diagnosis.error.is_none());
    assert_eq!(finding(&diagnosis, Phase::Tls).state, FindingState::Ok);
    assert_eq!(finding(&diagnosis, Phase::Request).state, FindingState::Skipped);
}

#[tokio::test]
async fn a_tcp_service_is_connected_to_and_no_more() {
    let world = World::new();
    let address = answers(OK).await;
    let mut service = service_at(address);
    service.kind = ServiceKind::Tcp { port: address.port(), app_protocol: None };
    let diagnosis = diagnose(&world, &service, Probe::default()).await;
    assert_eq!(states(&diagnosis), [(Phase::Route, FindingState::Ok), (Phase::Connect, FindingState::Ok)]);
}
