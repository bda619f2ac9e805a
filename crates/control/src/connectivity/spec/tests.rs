#![allow(clippy::unwrap_used)]
use super::*;

const TUNNEL: &str = "33333333-3333-4333-8333-333333333333";

fn with(changes: Value) -> Value {
    let mut body = json!({
        "name": "api", "type": "http",
        "host": { "ipv4": "10.0.0.5", "network": { "tunnel_id": TUNNEL } },
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn named(host: Value) -> Value {
    with(json!({ "host": host }))
}

fn pointers(body: &Value) -> Vec<String> {
    let text = format!("{:?}", parse(body).unwrap_err());
    text.split("pointer: Some(\"").skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect()
}

#[test]
fn the_four_forms_of_a_host_come_back_as_they_went_in() {
    for host in [
        json!({ "ipv4": "10.0.0.5", "network": { "tunnel_id": TUNNEL } }),
        json!({ "ipv6": "fd00::1", "network": { "tunnel_id": TUNNEL } }),
        json!({ "ipv4": "10.0.0.5", "ipv6": "fd00::1", "network": { "tunnel_id": TUNNEL } }),
        json!({ "hostname": "web.internal", "resolver_network": { "tunnel_id": TUNNEL } }),
        json!({ "hostname": "web.internal", "resolver_network": { "tunnel_id": TUNNEL, "resolver_ips": ["10.0.0.2", "fd00::53"] } }),
    ] {
        let spec = parse(&named(host.clone())).unwrap();
        let at = time::OffsetDateTime::UNIX_EPOCH;
        let service = VpcService { id: Uuid::nil(), spec: spec.clone(), created_on: at, modified_on: at };
        let shown = view(&service);
        assert_eq!(shown["host"], host);
        assert!(shown.get("http_port").is_none() && shown.get("https_port").is_none());
        let again = parse(&shown).unwrap();
        assert_eq!(again.host, spec.host);
        assert_eq!(again.protocol.http_ports(), spec.protocol.http_ports());
    }
}

#[test]
fn a_host_is_addresses_or_a_name() {
    let network = json!({ "tunnel_id": TUNNEL });
    for (host, pointer) in [
        (json!({ "network": network }), "/host"),
        (json!({ "ipv4": "10.0.0.5", "hostname": "a", "network": network }), "/host"),
        (json!({ "ipv4": "10.0.0.256", "network": network }), "/host/ipv4"),
        (json!({ "ipv4": "fd00::1", "network": network }), "/host/ipv4"),
        (json!({ "ipv4": "0.0.0.0", "network": network }), "/host/ipv4"),
        (json!({ "ipv4": "224.0.0.1", "network": network }), "/host/ipv4"),
        (json!({ "ipv6": "10.0.0.5", "network": network }), "/host/ipv6"),
        (json!({ "ipv6": "::", "network": network }), "/host/ipv6"),
        (json!({ "ipv4": "10.0.0.5" }), "/host/network"),
        (json!({ "ipv4": "10.0.0.5", "network": {} }), "/host/network/tunnel_id"),
        (json!({ "ipv4": "10.0.0.5", "network": { "tunnel_id": "x" } }), "/host/network/tunnel_id"),
        (json!({ "ipv4": "10.0.0.5", "network": network, "resolver_network": network }), "/host/resolver_network"),
        (json!({ "hostname": "a.b", "network": network }), "/host/network"),
        (json!({ "hostname": "a.b" }), "/host/resolver_network"),
        (
            json!({ "hostname": "a.b", "resolver_network": { "tunnel_id": TUNNEL, "resolver_ips": ["x"] } }),
            "/host/resolver_network/resolver_ips/0",
        ),
        (
            json!({ "hostname": "a.b", "resolver_network": { "tunnel_id": TUNNEL, "resolver_ips": "10.0.0.2" } }),
            "/host/resolver_network/resolver_ips",
        ),
        (json!({ "ipv4": "10.0.0.5", "network": network, "port": 1 }), "/host/port"),
    ] {
        assert_eq!(pointers(&named(host.clone()))[0], pointer, "{host}");
    }
}

#[test]
fn hostnames_are_checked_rule_by_rule() {
    let of = |hostname: &str| named(json!({ "hostname": hostname, "resolver_network": { "tunnel_id": TUNNEL } }));
    for good in ["web.internal", "Web.Internal.", "a", "_srv.a-b.c"] {
        assert!(parse(&of(good)).is_ok(), "{good}");
    }
    for (bad, words) in [
        ("", "empty"),
        ("http://web", "scheme"),
        ("web/path", "path"),
        ("10.0.0.5", "IP address"),
        ("[fd00::1]", "IP address"),
        ("fd00::1", "IP address"),
        ("web:80", "port"),
        ("we b", "white space"),
        ("-web", "labels"),
        ("a..b", "labels"),
        ("app.localhost", "localhost"),
        (&"a.".repeat(130), "253"),
    ] {
        let error = format!("{:?}", parse(&of(bad)).unwrap_err());
        assert!(error.contains(words), "{bad}: {error}");
    }
}

#[test]
fn ports_go_with_their_type() {
    let ports = |changes| parse(&with(changes)).unwrap().protocol.http_ports();
    assert_eq!(ports(json!({})), (Some(80), Some(443)));
    assert_eq!(ports(json!({ "http_port": 8080 })), (Some(8080), None));
    assert_eq!(ports(json!({ "http_port": null, "https_port": 8443 })), (None, Some(8443)));
    for (changes, pointer) in [
        (json!({ "http_port": 0 }), "/http_port"),
        (json!({ "https_port": 65_536 }), "/https_port"),
        (json!({ "http_port": "80" }), "/http_port"),
        (json!({ "tcp_port": 5432 }), "/tcp_port"),
        (json!({ "app_protocol": "mysql" }), "/app_protocol"),
        (json!({ "type": "tcp" }), "/tcp_port"),
        (json!({ "type": "tcp", "tcp_port": 1, "http_port": 1 }), "/http_port"),
        (json!({ "type": "tcp", "tcp_port": 1, "app_protocol": "redis" }), "/app_protocol"),
        (json!({ "type": "udp" }), "/type"),
        (json!({ "name": " " }), "/name"),
        (json!({ "name": 5 }), "/name"),
        (json!({ "nmae": "x" }), "/nmae"),
    ] {
        assert_eq!(pointers(&with(changes.clone())), [pointer], "{changes}");
    }
}

#[test]
fn tls_settings_fit_together() {
    let id = "44444444-4444-4444-8444-444444444444";
    let of = |tls: Value| with(json!({ "tls_settings": tls }));
    assert!(parse(&of(json!({ "cert_verification_mode": "verify_ca", "certificate_authority": id }))).is_ok());
    assert!(parse(&of(json!({ "certificate_authority": id }))).is_ok());
    for (tls, pointer) in [
        (json!({ "cert_verification_mode": "none" }), "/tls_settings/cert_verification_mode"),
        (
            json!({ "cert_verification_mode": "disabled", "certificate_authority": id }),
            "/tls_settings/certificate_authority",
        ),
        (json!({ "client_certificate": "x" }), "/tls_settings/client_certificate"),
        (json!({ "verify": true }), "/tls_settings/verify"),
        (json!("verify_full"), "/tls_settings"),
    ] {
        assert_eq!(pointers(&of(tls.clone())), [pointer], "{tls}");
    }
}

#[test]
fn every_fault_is_named_at_once() {
    let body = json!({ "name": "", "type": "udp", "host": {} });
    assert_eq!(pointers(&body), ["/name", "/type", "/host"]);
}

#[test]
fn a_policy_comes_back_as_it_went_in_and_not_at_all_when_it_says_nothing() {
    let id = "44444444-4444-4444-8444-444444444444";
    let of = |policy: Value| with(json!({ "policy": policy }));
    let shown = |body: &Value| {
        let at = time::OffsetDateTime::UNIX_EPOCH;
        view(&VpcService { id: Uuid::nil(), spec: parse(body).unwrap(), created_on: at, modified_on: at })
    };
    let policy = json!({
        "connect_timeout_ms": 1000, "read_timeout_ms": 2000, "max_connections": 4, "max_new_connections_per_second": 10,
        "breaker": { "enabled": true, "failures": 3 }, "allowed_methods": ["GET", "HEAD"], "allowed_path_prefixes": ["/api"],
        "trusted_roots": [id],
    });
    assert_eq!(shown(&of(policy.clone()))["policy"], policy);
    assert_eq!(shown(&of(json!({ "allowed_methods": ["get"] })))["policy"], json!({ "allowed_methods": ["GET"] }));
    for nothing in [json!(null), json!({}), json!({ "breaker": null, "allowed_methods": [] })] {
        assert_eq!(shown(&of(nothing)).get("policy"), None);
    }
    for (policy, pointer) in [
        (json!({ "read_timeout_ms": 0 }), "/policy/read_timeout_ms"),
        (json!({ "read_timeout_ms": 3_600_001 }), "/policy/read_timeout_ms"),
        (json!({ "read_timeout": 1 }), "/policy/read_timeout"),
        (json!({ "max_connections": "5" }), "/policy/max_connections"),
        (json!({ "breaker": true }), "/policy/breaker"),
        (json!({ "breaker": { "enabled": 1 } }), "/policy/breaker/enabled"),
        (json!({ "breaker": { "failures": 0 } }), "/policy/breaker/failures"),
        (json!({ "allowed_methods": ["GET", "CONNECT"] }), "/policy/allowed_methods/1"),
        (json!({ "allowed_methods": "GET" }), "/policy/allowed_methods"),
        (json!({ "allowed_path_prefixes": ["api"] }), "/policy/allowed_path_prefixes/0"),
        (json!({ "trusted_roots": ["x"] }), "/policy/trusted_roots/0"),
        (json!([]), "/policy"),
    ] {
        assert_eq!(pointers(&of(policy.clone())), [pointer], "{policy}");
    }
}
