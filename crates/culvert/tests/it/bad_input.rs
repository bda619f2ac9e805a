//! Bad input of any kind gets a clear error, and nothing falls over.

use std::fs;
use std::io::{BufReader, Write};
use std::net::UdpSocket;

use serde_json::Value;

use crate::harness::{Answer, Edge, connect, http_service, read_answer, request};

fn api(edge: &Edge, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
    let token = fs::read_to_string(edge.data().join("admin-token")).unwrap();
    let authorization = format!("Bearer {}", token.trim());
    let path = format!("/client/v4/accounts/local{path}");
    request(
        edge.addresses.api,
        method,
        &path,
        &[("Authorization", &authorization), ("Content-Type", content_type)],
        body,
    )
}

/// A 4xx in the envelope, with a code and a sentence; gives the sentence.
fn refusal(answer: &Answer) -> String {
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let envelope: Value = answer.json();
    assert_eq!(envelope["success"], false, "{envelope}");
    assert!(envelope["errors"][0]["code"].is_u64(), "{envelope}");
    envelope["errors"][0]["message"].as_str().unwrap().to_owned()
}

const MULTIPART: &str = "multipart/form-data; boundary=edge";

fn upload(metadata: &str, module: &str) -> Vec<u8> {
    format!(
        "--edge\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n--edge\r\nContent-Disposition: form-data; name=\"index.js\"; filename=\"index.js\"\r\nContent-Type: application/javascript+module\r\n\r\n{module}\r\n--edge--\r\n"
    )
    .into_bytes()
}

#[test]
fn malformed_uploads_are_refused_with_a_sentence() {
    let edge = Edge::start();
    let put = |content_type: &str, body: &[u8]| refusal(&api(&edge, "PUT", "/workers/scripts/bad", content_type, body));
    put(MULTIPART, b"not multipart at all");
    put(MULTIPART, b"--edge\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{");
    put("text/plain", b"export default {}");
    put(MULTIPART, &upload("{ not json", "export default {}"));
    put(MULTIPART, &upload(r#"{"main_module": "other.js"}"#, "export default {}"));

    let metadata = r#"{"main_module": "index.js", "compatibility_date": "2026-11-01", "bindings": []}"#;
    let syntax = put(MULTIPART, &upload(metadata, "export default {\n  fetch() { return new Response( }\n};"));
    assert!(syntax.contains("index.js:2"), "{syntax}");
    let import = put(MULTIPART, &upload(metadata, "import './missing.js'; export default { fetch() {} };"));
    assert!(import.contains("missing.js"), "{import}");
    let handlers = put(MULTIPART, &upload(metadata, "export default {};"));
    assert!(handlers.contains("handler"), "{handlers}");
    let startup = put(MULTIPART, &upload(metadata, "for (;;); export default { fetch() {} };"));
    assert!(startup.contains("CPU"), "{startup}");
    let unknown =
        r#"{"main_module": "index.js", "bindings": [{"name": "CACHE", "type": "kv_namespace", "namespace_id": "x"}]}"#;
    let binding = put(MULTIPART, &upload(unknown, "export default { fetch() {} };"));
    assert!(binding.contains("CACHE"), "{binding}");
    let nowhere = r#"{"main_module": "index.js", "bindings": [{"name": "API", "type": "vpc_service", "service_id": "11111111-1111-4111-8111-111111111111"}]}"#;
    let service = put(MULTIPART, &upload(nowhere, "export default { fetch() {} };"));
    assert!(service.contains("11111111-1111-4111-8111-111111111111"), "{service}");
    assert_eq!(edge.get("bad", "/").status, 404, "nothing of it was deployed");
}

#[test]
fn bad_tokens_are_refused() {
    let edge = Edge::start();
    for headers in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", "Basic YTpi")]] {
        let answer = request(edge.addresses.api, "GET", "/client/v4/accounts/local/workers/scripts", headers, b"");
        assert!([401, 403].contains(&answer.status), "{answer:?}");
        refusal(&answer);
    }
    let output = edge.run(&["vpc", "service", "list", "--api-token", "wrong"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stderr.is_empty());
}

#[test]
fn services_are_validated() {
    let edge = Edge::start();
    let tunnel = edge.json(&["tunnel", "create", "a"])["id"].as_str().unwrap().to_owned();
    for service in [
        "{".to_owned(),
        "{}".to_owned(),
        r#"{"name": "a", "type": "ftp"}"#.to_owned(),
        format!(r#"{{"name": "a", "type": "http", "host": {{"ipv4": "300.1.1.1", "network": {{"tunnel_id": "{tunnel}"}}}}}}"#),
        format!(r#"{{"name": "a", "type": "http", "http_port": 70000, "host": {{"ipv4": "10.0.0.1", "network": {{"tunnel_id": "{tunnel}"}}}}}}"#),
        format!(r#"{{"name": "a", "type": "tcp", "host": {{"ipv4": "10.0.0.1", "network": {{"tunnel_id": "{tunnel}"}}}}}}"#),
        r#"{"name": "a", "type": "http", "host": {"ipv4": "10.0.0.1", "network": {"tunnel_id": "11111111-1111-4111-8111-111111111111"}}}"#.to_owned(),
    ] {
        refusal(&api(&edge, "POST", "/connectivity/directory/services", "application/json", service.as_bytes()));
    }
    assert_eq!(edge.json(&["vpc", "service", "list"]).as_array().unwrap().len(), 0);
}

#[test]
fn oversized_headers_are_refused_and_the_next_visitor_is_served() {
    let edge = Edge::start();
    edge.deploy_module("fine", "export default { fetch: () => new Response('fine') };");
    let large = "x".repeat(200 << 10);
    assert_eq!(edge.visit("fine", "GET", "/", &[("X-Large", &large)], b"").status, 431);
    let mut stream = connect(edge.addresses.http);
    stream.write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut BufReader::new(stream)).status, 400);
    assert_eq!(edge.get("fine", "/").text(), "fine");
}

#[test]
fn garbage_on_the_tunnel_port_changes_nothing() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|_, _, _| "fine".to_owned());
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    let garbage = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut state = 1u32;
    for length in (0..2000).map(|round| round % 1300) {
        let datagram: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        garbage.send_to(&datagram, edge.addresses.tunnel).unwrap();
    }
    assert_eq!(edge.get("private-api", "/").text(), "fine");
}

#[test]
fn unknown_paths_and_methods_stay_in_the_envelope() {
    let edge = Edge::start();
    refusal(&api(&edge, "GET", "/no/such/thing", "application/json", b""));
    refusal(&api(&edge, "PATCH", "/connectivity/directory/services", "application/json", b"{}"));
    refusal(&api(&edge, "GET", "/connectivity/directory/services/not-a-uuid", "application/json", b""));
}
