//! Tunnels as their operator sees them: connectors and what is to be said of them, rotated and revoked tokens.

use crate::harness::{Edge, http_service, request, wait_for};

#[test]
fn a_rotated_secret_cuts_at_once_and_only_the_new_token_connects() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|_, _, _| "in stock".to_owned());
    let service = edge.service(&tunnel.id, "http", port, &[]);
    edge.deploy_private_api("private-api", &service);
    assert_eq!(edge.get("private-api", "/").status, 200);

    let token = std::fs::read_to_string(edge.data().join("admin-token")).unwrap();
    let secret = "b2xkIHNlY3JldHMgYXJlIG5vdCBmb3IgZXZlciwgdGhpcyBpcyBuZXc=";
    let body = format!(r#"{{"tunnel_secret":"{secret}"}}"#);
    let authorization = format!("Bearer {}", token.trim());
    let path = format!("/client/v4/accounts/local/cfd_tunnel/{}", tunnel.id);
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    let answer = request(edge.addresses.api, "PATCH", &path, &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(edge.api(&format!("/cfd_tunnel/{}", tunnel.id))["connections"], serde_json::json!([]));
    // The old one comes back with the old secret, and is told why it stays out.
    wait_for("the reason in the log", || edge.log().contains("the tunnel's secret is wrong").then_some(()));
    assert_eq!(edge.api(&format!("/cfd_tunnel/{}", tunnel.id))["connections"], serde_json::json!([]));

    let _new = edge.connect(&tunnel.id, &[]);
    assert_eq!(edge.get("private-api", "/").status, 200);
}

#[test]
fn connectors_are_shown_with_warnings() {
    let edge = Edge::start();
    let tunnel = edge.tunnel(&["--protocol", "http2"]);
    let connectors = edge.json(&["tunnel", "info", &tunnel.id]);
    let connector = &connectors[0];
    for fact in ["id", "version", "platform", "features", "connections", "warnings"] {
        assert!(!connector[fact].is_null(), "{fact}: {connector}");
    }
    for fact in ["transport", "since", "remote_address", "rtt_ms", "flows", "bytes_sent", "bytes_received"] {
        assert!(!connector["connections"][0][fact].is_null(), "{fact}: {connector}");
    }
    let shown = edge.run(&["tunnel", "info", &tunnel.id]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("Connected by HTTP/2") && shown.contains("only connector"), "{shown}");
}
