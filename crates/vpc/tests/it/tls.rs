//! TLS with real certificates, right and wrong, and with ports that do not speak it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use connection_error::{ErrorCode, Phase};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use vpc::{CertificateVerification, ClientCertificate, Service};

use crate::support::certificates::{Authority, Dates, Identity, self_signed};
use crate::support::{World, answers, body_error, get, hold, listen, reset, serve, service_at};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub fn config(identity: Identity) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], identity.key)
        .unwrap()
}

/// A service that answers one request over TLS with these bytes, and then breaks off without close_notify.
pub async fn tls_server(config: ServerConfig, answer: &'static [u8]) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    serve(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut buffer = [0; 4096];
            while let Ok(length) = stream.read(&mut buffer).await
                && length > 0
            {
                stream.write_all(answer).await.unwrap();
                if !answer.ends_with(b"ok") {
                    return;
                }
            }
        }
    })
    .await
}

pub fn trusting(address: SocketAddr, root: CertificateDer<'static>) -> Service {
    let mut service = service_at(address);
    service.tls.extra_roots.push(root);
    service
}

#[tokio::test]
async fn a_right_certificate_is_accepted() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let address = tls_server(config(authority.issue(&["orders.internal", "127.0.0.1"], Dates::Now)), OK).await;
    let service = Arc::new(trusting(address, authority.root()));
    for url in ["https://orders.internal/", "https://127.0.0.1/"] {
        assert_eq!(world.text(&service, get(url)).await, "ok");
        assert!(world.event().await.timings.tls.is_some());
    }
    // The same name, written as an absolute one.
    assert_eq!(world.text(&service, get("https://orders.internal./")).await, "ok");
    assert!(world.event().await.reused);
}

#[tokio::test]
async fn wrong_certificates_are_told_apart() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let stranger = Authority::new("Stranger CA");
    for (issuer, name, dates, said) in [
        (&authority, "orders.internal", Dates::Past, "it has expired"),
        (&authority, "orders.internal", Dates::Future, "not valid yet"),
        (&authority, "billing.internal", Dates::Now, "it is not for orders.internal, the host in the URL"),
        (&stranger, "orders.internal", Dates::Now, "its issuer is neither a public authority"),
    ] {
        let address = tls_server(config(issuer.issue(&[name], dates)), OK).await;
        let service = Arc::new(trusting(address, authority.root()));
        let error = world.fails(&service, "https://orders.internal/", ErrorCode::TlsCertificateError, Phase::Tls).await;
        assert!(error.detail.contains(said), "{error:?}");
        assert!(error.detail.contains(&format!("subject CN={name}")), "{error:?}");
        assert!(error.detail.contains("issuer CN=") && error.detail.contains("valid from 20"), "{error:?}");
        assert!(error.timings.tls.is_some() && error.timings.connect.is_some());
        assert!(!error.retryable);
    }
}

#[tokio::test]
async fn how_much_is_checked_is_the_services_choice() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let stranger = Authority::new("Stranger CA");
    let wrong_name = || config(authority.issue(&["billing.internal"], Dates::Now));
    let expired = || config(authority.issue(&["orders.internal"], Dates::Past));
    let unknown = || config(stranger.issue(&["orders.internal"], Dates::Now));
    for (mode, config, accepted) in [
        (CertificateVerification::VerifyCa, wrong_name(), true),
        (CertificateVerification::VerifyCa, expired(), false),
        (CertificateVerification::VerifyCa, unknown(), false),
        (CertificateVerification::Disabled, wrong_name(), true),
        (CertificateVerification::Disabled, expired(), true),
        (CertificateVerification::Disabled, unknown(), true),
    ] {
        let mut service = trusting(tls_server(config, OK).await, authority.root());
        service.tls.verification = mode;
        let service = Arc::new(service);
        if accepted {
            assert_eq!(world.text(&service, get("https://orders.internal/")).await, "ok");
            assert!(world.event().await.error.is_none());
        } else {
            world.fails(&service, "https://orders.internal/", ErrorCode::TlsCertificateError, Phase::Tls).await;
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_trusted_by_itself() {
    let world = World::new();
    let identity = self_signed("orders.internal");
    let itself = identity.certificate.clone();
    let address = tls_server(config(identity), OK).await;
    let error = world
        .fails(&Arc::new(service_at(address)), "https://orders.internal/", ErrorCode::TlsCertificateError, Phase::Tls)
        .await;
    assert!(error.detail.contains("CN=orders.internal"), "{error:?}");
    let service = Arc::new(trusting(address, itself));
    assert_eq!(world.text(&service, get("https://orders.internal/")).await, "ok");
    assert!(world.event().await.error.is_none());
    world.fails(&service, "https://billing.internal/", ErrorCode::TlsCertificateError, Phase::Tls).await;
}

#[tokio::test]
async fn client_certificates_are_presented_when_asked_for() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.root()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let server = || {
        let identity = authority.issue(&["orders.internal"], Dates::Now);
        ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(vec![identity.certificate], identity.key)
            .unwrap()
    };
    let without = Arc::new(trusting(tls_server(server(), OK).await, authority.root()));
    let error = world.fails(&without, "https://orders.internal/", ErrorCode::TlsProtocolError, Phase::Tls).await;
    assert!(error.detail.contains("certificate_required"), "{error:?}");

    let mut with = (*without).clone();
    let ours = authority.issue(&["edge.internal"], Dates::Now);
    with.tls.client_certificate = Some(ClientCertificate { chain: vec![ours.certificate], key: Arc::new(ours.key) });
    assert_eq!(world.text(&Arc::new(with), get("https://orders.internal/")).await, "ok");
}

#[tokio::test]
async fn ports_that_do_not_speak_tls() {
    let world = World::new();
    let plain = serve(|_, mut stream| async move {
        let mut hello = [0; 64];
        let _ = stream.read(&mut hello).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        let _ = stream.shutdown().await;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
    })
    .await;
    let closes = serve(|_, mut stream| async move {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello).await;
    })
    .await;
    let resets = serve(|_, mut stream| async move {
        let mut hello = [0; 16];
        let _ = stream.read(&mut hello).await;
        reset(stream);
    })
    .await;
    for (address, said) in [(plain, "plain HTTP"), (closes, "closed the connection"), (resets, "broke off")] {
        let service = Arc::new(service_at(address));
        let error = world.fails(&service, "https://orders.internal/", ErrorCode::TlsProtocolError, Phase::Tls).await;
        assert!(error.detail.contains(said), "{error:?}");
    }
    let mut silent = service_at(serve(|_, stream| hold(stream)).await);
    silent.policy.tls_timeout = Duration::from_millis(200);
    let error =
        world.fails(&Arc::new(silent), "https://orders.internal/", ErrorCode::TlsProtocolError, Phase::Tls).await;
    assert!(error.detail.contains("0.2 s") && error.timings.tls.unwrap() >= Duration::from_millis(200), "{error:?}");
}

#[tokio::test]
async fn an_alert_is_named() {
    let world = World::new();
    // A fatal handshake_failure, as a server without a common cipher sends it.
    let address = serve(|_, mut stream| async move {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello).await;
        let _ = stream.write_all(b"\x15\x03\x03\x00\x02\x02\x28").await;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
    })
    .await;
    let service = Arc::new(service_at(address));
    let error = world.fails(&service, "https://orders.internal/", ErrorCode::TlsProtocolError, Phase::Tls).await;
    assert!(error.detail.contains("handshake_failure"), "{error:?}");
}

#[tokio::test]
async fn a_body_without_the_end_of_tls_is_incomplete() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let identity = authority.issue(&["orders.internal"], Dates::Now);
    let address = tls_server(config(identity), b"HTTP/1.1 200 OK\r\n\r\nperhaps all of it").await;
    let service = Arc::new(trusting(address, authority.root()));
    let response = world.get(&service, "https://orders.internal/").await.unwrap();
    let error = body_error(response).await;
    assert!(error.detail.contains("close_notify"), "{error:?}");
    world.check(&service, &error, ErrorCode::HttpResponseIncomplete, Phase::Body).await;
}

#[tokio::test]
async fn http_on_a_tls_port_is_told() {
    let world = World::new();
    let authority = Authority::new("Test CA");
    let address = tls_server(config(authority.issue(&["orders.internal"], Dates::Now)), OK).await;
    let service = Arc::new(service_at(address));
    let error = world.fails(&service, "http://orders.internal/", ErrorCode::HttpProtocolError, Phase::Head).await;
    assert!(error.detail.contains("https:"), "{error:?}");
    let (listener, refused) = listen().await;
    drop(listener);
    world
        .fails(&Arc::new(service_at(refused)), "https://orders.internal/", ErrorCode::ConnectionRefused, Phase::Connect)
        .await;
    // A name that TLS cannot verify is refused before anything is opened.
    let service = Arc::new(service_at(answers(OK).await));
    world.fails(&service, "https://a..b/", ErrorCode::HttpRequestDenied, Phase::Route).await;
}
