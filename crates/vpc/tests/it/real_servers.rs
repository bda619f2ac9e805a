//! Real servers of others: nginx, `openssl s_server`, dnsmasq. Each test is skipped, and says so, where one is missing.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use connection_error::{Category, ErrorCode, Phase};
use http::Request;
use tempfile::TempDir;
use tokio::net::TcpStream;
use vpc::{Host, Options};

use crate::support::certificates::{Authority, Dates, Identity};
use crate::support::{DirectNetwork, World, get, listen, post, read, service_at};

/// A server's process, ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program, unless it is not installed.
fn start(program: &str, arguments: &[&str], directory: &Path) -> Option<Server> {
    let started = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => Some(Server(child)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

async fn free_port() -> u16 {
    let (_listener, address) = listen().await;
    address.port()
}

/// Waits until something listens there.
async fn listening(port: u16) {
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing listens on port {port}");
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn write(directory: &Path, identity: &Identity, authority: &Authority) {
    std::fs::write(directory.join("cert.pem"), &identity.certificate_pem).unwrap();
    std::fs::write(directory.join("key.pem"), &identity.key_pem).unwrap();
    std::fs::write(directory.join("ca.pem"), authority.root_pem()).unwrap();
}

#[tokio::test]
async fn nginx_by_http_and_https() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new("Test CA");
    write(directory.path(), &authority.issue(&["orders.internal"], Dates::Now), &authority);
    let (http, https) = (free_port().await, free_port().await);
    let root = directory.path().display();
    let config = format!(
        "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
         events {{ worker_connections 64; }}
         http {{
           access_log off; keepalive_requests 3; client_max_body_size 1k;
           client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
           uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
           server {{
             listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl http2;
             ssl_certificate cert.pem; ssl_certificate_key key.pem;
             location / {{ return 200 \"$scheme $host $request_uri $server_protocol\\n\"; }}
             location /drop {{ return 444; }}
             location /file {{ root {root}; }}
           }}
         }}"
    );
    std::fs::write(directory.path().join("nginx.conf"), config).unwrap();
    std::fs::create_dir(directory.path().join("file")).unwrap();
    std::fs::write(directory.path().join("file/big"), vec![b'x'; 5_000_000]).unwrap();
    let arguments = ["-p", ".", "-e", "error.log", "-c", "nginx.conf"];
    let Some(_nginx) = start("nginx", &arguments, directory.path()) else { return };
    listening(http).await;

    let world = World::new();
    let mut service = service_at(at(http));
    service.kind = vpc::ServiceKind::Http { http_port: Some(http), https_port: Some(https) };
    service.tls.extra_roots.push(authority.root());
    let service = Arc::new(service);
    // nginx closes every third connection's keep-alive: nobody notices.
    for number in 0..20 {
        let text = world.text(&service, get(&format!("http://shop.internal:99/{number}?q"))).await;
        assert_eq!(text, format!("http shop.internal /{number}?q HTTP/1.1\n"));
        let text = world.text(&service, get(&format!("https://orders.internal/{number}"))).await;
        assert_eq!(text, format!("https orders.internal /{number} HTTP/2.0\n"));
        assert!(world.event().await.error.is_none());
        assert!(world.event().await.error.is_none());
    }
    assert_eq!(world.text(&service, get("https://orders.internal/file/big")).await.len(), 5_000_000);
    assert_eq!(world.event().await.error, None);
    let big = world.fetch(&service, post("http://x/file/big", vec![b'x'; 10_000_000])).await.unwrap();
    assert_eq!(big.status(), 413);
    read(big).await.unwrap();
    assert_eq!(world.event().await.status, Some(413));
    let head = Request::head("http://x/file/big").body(invocation::empty()).unwrap();
    let response = world.fetch(&service, head).await.unwrap();
    assert_eq!(response.headers()["content-length"], "5000000");
    assert_eq!(read(response).await.unwrap(), "");
    assert_eq!(world.event().await.error, None);
    // 444 is nginx's way of closing without an answer.
    world.fails(&service, "http://x/drop", ErrorCode::ConnectionTerminated, Phase::Head).await;
    world.fails(&service, "https://other.internal/", ErrorCode::TlsCertificateError, Phase::Tls).await;
}

#[tokio::test]
async fn openssl_without_a_common_version_or_cipher() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new("Test CA");
    write(directory.path(), &authority.issue(&["orders.internal"], Dates::Now), &authority);
    for (options, said) in [
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..], "neither TLS 1.2 nor TLS 1.3"),
        (&["-tls1_2", "-cipher", "AES128-SHA"], "handshake_failure"),
        (&["-Verify", "1", "-CAfile", "ca.pem", "-verify_return_error"], "certificate_required"),
        (&["-tls1_2", "-Verify", "1", "-CAfile", "ca.pem", "-verify_return_error"], "handshake_failure"),
    ] {
        let port = free_port().await;
        let accept = format!("127.0.0.1:{port}");
        let mut arguments = vec!["s_server", "-accept", &accept, "-cert", "cert.pem", "-key", "key.pem", "-www"];
        arguments.extend_from_slice(options);
        let Some(_server) = start("openssl", &arguments, directory.path()) else { return };
        listening(port).await;
        let world = World::new();
        let mut service = service_at(at(port));
        service.tls.extra_roots.push(authority.root());
        let error =
            world.fails(&Arc::new(service), "https://orders.internal/", ErrorCode::TlsProtocolError, Phase::Tls).await;
        assert!(error.detail.contains(said), "{error:?}");
    }
}

#[tokio::test]
async fn dnsmasq_resolves() {
    let directory = TempDir::new().unwrap();
    let port = free_port().await;
    let arguments = [
        "--keep-in-foreground".to_owned(),
        format!("--port={port}"),
        "--conf-file=/dev/null".to_owned(),
        "--user=".to_owned(),
        "--no-resolv".to_owned(),
        "--no-hosts".to_owned(),
        "--listen-address=127.0.0.1".to_owned(),
        "--bind-interfaces".to_owned(),
        "--local=/internal/".to_owned(),
        "--host-record=orders.internal,127.0.0.1".to_owned(),
        "--cname=shop.internal,orders.internal".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(_dnsmasq) = start("dnsmasq", &arguments, directory.path()) else { return };
    listening(port).await;
    let world = World::with(DirectNetwork::resolving(at(port)), Options::default());
    let web = crate::support::answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
    let named = |name: &str| {
        let mut service = service_at(web);
        service.host = Host::Hostname { name: name.to_owned(), resolvers: Vec::new() };
        Arc::new(service)
    };
    for name in ["orders.internal", "shop.internal"] {
        assert_eq!(world.text(&named(name), get("http://x/")).await, "ok");
        assert!(world.event().await.error.is_none());
    }
    let error = world.fails(&named("missing.internal"), "http://x/", ErrorCode::DnsError, Phase::Dns).await;
    assert_eq!(error.category, Category::Client);
    // It knows no other resolver to ask about the rest of the world.
    let error = world.fails(&named("example.org"), "http://x/", ErrorCode::DnsError, Phase::Dns).await;
    assert_eq!(error.category, Category::BadUpstream, "{error:?}");
    assert!(error.detail.contains("REFUSED"), "{error:?}");
}
