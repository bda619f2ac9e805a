//! Failures that are caused for real, from a Worker through a tunnel: the exception, the event, and whose fault it is.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{
    ConnectedTunnel, Edge, Process, connect, http_service, private_service, read_head, read_request, wait_for,
};

/// A bound Worker fails with this code, category and phase; the Worker and the event say the same. Gives the detail.
pub fn assert_failure(edge: &Edge, worker: &str, [code, category, phase]: [&str; 3]) -> String {
    let answer = edge.get(worker, "/");
    assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
    let caught = answer.json();
    assert_eq!(caught["caught"], format!("Error: ProxyError: {code}"), "{caught}");
    assert_eq!([&caught["code"], &caught["category"], &caught["phase"]], [code, category, phase], "{caught}");
    let detail = caught["detail"].as_str().unwrap().to_owned();
    let event = edge.fact(&format!("/connectivity/events?code={code}&worker={worker}"), |_| true);
    for (field, expected) in [("code", code), ("category", category), ("phase", phase), ("detail", &detail)] {
        assert_eq!(find(&event, field), Some(expected), "{field} of {event}");
    }
    detail
}

/// A member of the event, or of the error in it.
fn find<'a>(event: &'a Value, field: &str) -> Option<&'a str> {
    event.get(field).or_else(|| event.get("error")?.get(field))?.as_str()
}

fn bound(edge: &Edge, tunnel: &ConnectedTunnel, scheme: &str, port: u16, extra: &[&str]) -> String {
    let service = edge.service(&tunnel.id, scheme, port, extra);
    edge.deploy_private_api("private-api", &service);
    service
}

/// A port at which nothing listens.
pub fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn connection_refused() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = closed_port();
    bound(&edge, &tunnel, "http", port, &[]);
    let detail = assert_failure(&edge, "private-api", ["connection_refused", "Bad Upstream", "connect"]);
    assert!(detail.contains(&format!("127.0.0.1:{port}")), "{detail}");
}

#[test]
fn destination_unavailable_without_a_connector() {
    let edge = Edge::start();
    let tunnel = edge.json(&["tunnel", "create", "lonely"])["id"].as_str().unwrap().to_owned();
    let service = edge.service(&tunnel, "http", 80, &[]);
    edge.deploy_private_api("private-api", &service);
    assert_failure(&edge, "private-api", ["destination_unavailable", "Bad Upstream", "route"]);
}

#[test]
fn destination_unavailable_when_the_connector_is_killed_and_back_with_a_new_one() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|_, _, _| "here".to_owned());
    bound(&edge, &tunnel, "http", port, &[]);
    assert_eq!(edge.get("private-api", "/").text(), "here");
    tunnel.connector.signal("-TERM");
    edge.wait_for_connections(&tunnel.id, 0);
    assert_failure(&edge, "private-api", ["destination_unavailable", "Bad Upstream", "route"]);
    let _connector = edge.connect(&tunnel.id, &[]);
    assert_eq!(edge.get("private-api", "/").text(), "here");
}

#[test]
fn http_request_denied_for_a_scheme_without_a_port() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    // Only the https port is given: http: is not enabled.
    bound(&edge, &tunnel, "https", 443, &[]);
    assert_failure(&edge, "private-api", ["http_request_denied", "Bad Upstream", "route"]);
}

#[test]
fn destination_not_found_when_the_service_is_deleted() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let service = bound(&edge, &tunnel, "http", closed_port(), &[]);
    edge.call_api("DELETE", &format!("/connectivity/directory/services/{service}?force=true"));
    let detail = assert_failure(&edge, "private-api", ["destination_not_found", "Bad Upstream", "route"]);
    assert!(detail.contains(&service), "{detail}");
}

#[test]
fn destination_not_found_when_the_tunnel_is_deleted() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    bound(&edge, &tunnel, "http", closed_port(), &[]);
    let refused = edge.run(&["tunnel", "delete", &tunnel.id]);
    assert_eq!(refused.status.code(), Some(1), "a tunnel in use is not deleted by accident");
    edge.call_api("DELETE", &format!("/cfd_tunnel/{}?force=true", tunnel.id));
    assert_failure(&edge, "private-api", ["destination_not_found", "Bad Upstream", "route"]);
}

#[test]
fn connection_terminated_before_the_head() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = private_service(|stream| {
        let mut writer = stream.try_clone().unwrap();
        read_request(&mut BufReader::new(stream));
        let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-");
    });
    bound(&edge, &tunnel, "http", port, &[]);
    assert_failure(&edge, "private-api", ["connection_terminated", "Bad Upstream", "head"]);
}

#[test]
fn http_protocol_error() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = private_service(|stream| {
        let mut writer = stream.try_clone().unwrap();
        read_request(&mut BufReader::new(stream));
        let _ = writer.write_all(b"220 mail.internal ESMTP ready\r\n");
    });
    bound(&edge, &tunnel, "http", port, &[]);
    assert_failure(&edge, "private-api", ["http_protocol_error", "Bad Upstream", "head"]);
}

#[test]
fn http_response_incomplete() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = private_service(|stream| {
        let mut writer = stream.try_clone().unwrap();
        read_request(&mut BufReader::new(stream));
        let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy(
        "reader",
        &[(
            "index.js",
            r#"export default { async fetch(request, env) {
                 const response = await env.API.fetch("http://inventory.internal/");
                 try { return new Response(await response.text()); }
                 catch (error) { return Response.json({ caught: String(error), phase: error.phase }, { status: 503 }); } } };"#,
        )],
        &format!(r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "vpc_services": [{{"binding": "API", "service_id": "{service}"}}]}}"#),
        &[],
    );
    let caught = edge.get("reader", "/").json();
    assert_eq!(caught["caught"], "Error: ProxyError: http_response_incomplete");
    assert_eq!(caught["phase"], "body");
    edge.fact("/connectivity/events?code=http_response_incomplete", |_| true);

    // Passed on to the visitor, it does not look whole, whether it broke before the Worker answered or after; and the record
    // says why it ended.
    let module = r#"export default { async fetch(request, env) {
        const response = await env.API.fetch("http://inventory.internal/");
        await scheduler.wait(Number(new URL(request.url).searchParams.get("wait")));
        return response; } };"#;
    let bound = format!(
        r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "vpc_services": [{{"binding": "API", "service_id": "{service}"}}]}}"#
    );
    edge.deploy("passer", &[("index.js", module)], &bound, &[]);
    for wait in [0, 0, 0, 20, 20] {
        let mut stream = connect(edge.addresses.http);
        let path = format!("GET /?wait={wait} HTTP/1.1\r\nHost: passer.localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(path.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let head = read_head(&mut reader);
        assert_eq!((head.status, head.header("content-length")), (200, Some("100")), "{head:?}");
        let mut body = Vec::new();
        // The connection is closed or reset.
        let _ = reader.read_to_end(&mut body);
        assert!(body.len() < 100, "{} bytes", body.len());
        let ray = head.header("cf-ray").unwrap();
        let record = edge.fact("/workers/invocations?worker=passer", |record| record["rayId"] == ray);
        assert_eq!(record["outcome"], "exception", "{record}");
        assert_eq!(record["exceptions"][0]["connection"]["code"], "http_response_incomplete", "{record}");
    }
}

#[test]
fn an_error_that_the_worker_lets_escape_is_in_its_record() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let service = edge.service(&tunnel.id, "http", closed_port(), &[]);
    edge.deploy(
        "careless",
        &[("index.js", r#"export default { fetch: (request, env) => env.API.fetch("http://inventory.internal/") };"#)],
        &format!(r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "vpc_services": [{{"binding": "API", "service_id": "{service}"}}]}}"#),
        &[],
    );
    let answer = edge.get("careless", "/");
    assert_eq!((answer.status, answer.text().trim()), (500, "error code: 1101"));
    let record = edge.fact("/workers/invocations?worker=careless", |_| true);
    assert_eq!(record["exceptions"][0]["message"], "ProxyError: connection_refused", "{record}");
    assert_eq!(record["exceptions"][0]["connection"]["code"], "connection_refused", "{record}");
}

/// A Worker that calls `https:`.
fn https_caller(edge: &Edge, service: &str, host: &str) {
    edge.deploy(
        "private-api",
        &[
            (
                "index.js",
                &format!(
                    r#"import {{ describe }} from "./describe.js";
                    export default {{ async fetch(request, env) {{
                      try {{ return await env.API.fetch("https://{host}/"); }}
                      catch (error) {{ return Response.json(describe(error), {{ status: 503 }}); }} }} }};"#
                ),
            ),
            ("describe.js", include_str!("../../../../examples/private-api/describe.js")),
        ],
        &format!(r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "vpc_services": [{{"binding": "API", "service_id": "{service}"}}]}}"#),
        &[],
    );
}

#[test]
fn tls_protocol_error_at_a_plain_port() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|_, _, _| "plain".to_owned());
    let service = edge.service(&tunnel.id, "https", port, &[]);
    https_caller(&edge, &service, "inventory.internal");
    assert_failure(&edge, "private-api", ["tls_protocol_error", "Bad Upstream", "tls"]);
}

#[test]
fn tls_certificate_error_and_its_ways_out() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let Some((_server, port)) = openssl_server(edge.directory.path()) else { return };
    let service = edge.service(&tunnel.id, "https", port, &[]);
    https_caller(&edge, &service, "inventory.internal");
    let detail = assert_failure(&edge, "private-api", ["tls_certificate_error", "Bad Upstream", "tls"]);
    assert!(!detail.is_empty());
    let trusting = edge.service(&tunnel.id, "https", port, &["--cert-verification-mode", "disabled"]);
    https_caller(&edge, &trusting, "inventory.internal");
    let answer = edge.get("private-api", "/");
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A real `openssl s_server` with a self-signed certificate; skips without openssl.
pub fn openssl_server(directory: &Path) -> Option<(Process, u16)> {
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=inventory.internal", "-addext", "subjectAltName=DNS:inventory.internal", "-out"])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: openssl is not installed");
        return None;
    }
    let port = closed_port();
    let child = Command::new("openssl")
        .args(["s_server", "-www", "-quiet", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
        .arg(&certificate)
        .arg("-key")
        .arg(&key)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    wait_for("openssl s_server", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    Some((process, port))
}

/// A port that is free for UDP and for TCP.
fn dns_port() -> u16 {
    wait_for("a port for DNS", || {
        let port = closed_port();
        UdpSocket::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

/// A real dnsmasq that knows `inventory.private` and that nothing else below `private` exists; skips without dnsmasq.
pub fn dnsmasq(directory: &Path) -> Option<(Process, u16)> {
    let program = ["/usr/sbin/dnsmasq", "/usr/bin/dnsmasq"].into_iter().find(|path| Path::new(path).exists());
    let Some(program) = program else {
        eprintln!("skipped: dnsmasq is not installed");
        return None;
    };
    let port = dns_port();
    let configuration = directory.join("dnsmasq.conf");
    let text = format!(
        "port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nno-daemon\nuser=root\npid-file={}\nlocal=/private/\nhost-record=inventory.private,127.0.0.1\n",
        directory.join("dnsmasq.pid").display()
    );
    fs::write(&configuration, text).unwrap();
    let child = Command::new(program)
        .arg("--conf-file".to_owned() + "=" + configuration.to_str().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    wait_for("dnsmasq", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    Some((process, port))
}

#[test]
fn names_are_resolved_inside_and_nxdomain_is_the_clients_fault() {
    let edge = Edge::start();
    let Some((_dnsmasq, port)) = dnsmasq(edge.directory.path()) else { return };
    let tunnel = edge.tunnel(&["--dns-resolver", &format!("127.0.0.1:{port}")]);
    let here = http_service(|_, _, _| "by name".to_owned());
    bound(&edge, &tunnel, "http", here, &["--hostname", "inventory.private"]);
    assert_eq!(edge.get("private-api", "/").text(), "by name");
    let event = edge.fact("/connectivity/events?worker=private-api", |_| true);
    assert!(event["timings"]["dns"].is_number(), "{event}");

    bound(&edge, &tunnel, "http", here, &["--hostname", "nowhere.private"]);
    let detail = assert_failure(&edge, "private-api", ["dns_error", "Client", "dns"]);
    assert!(detail.contains("nowhere.private"), "{detail}");
}

#[test]
fn dns_timeout_when_the_resolver_is_silent() {
    let edge = Edge::start();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tunnel = edge.tunnel(&["--dns-resolver", &silent.local_addr().unwrap().to_string()]);
    bound(&edge, &tunnel, "http", 80, &["--hostname", "inventory.private"]);
    assert_failure(&edge, "private-api", ["dns_timeout", "Bad Upstream", "dns"]);
}
