//! Failures that need a network of their own: the whole test runs again inside a network namespace, where routes can be broken.

use std::process::Command;

use crate::failures::assert_failure;
use crate::harness::{ConnectedTunnel, Edge};

/// Runs the calling test in a namespace of networks and mounts that has a loopback interface and what `setup` adds. True inside.
pub fn in_namespace(test: &str, setup: &str) -> bool {
    const INSIDE: &str = "CULVERT_TEST_IN_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let script = format!("ip link set lo up && {setup} && touch \"$READY\" && exec \"$0\" \"$@\"");
    let ready = tempfile::tempdir().unwrap();
    let marker = ready.path().join("ready");
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--net", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .env("READY", &marker)
        .status();
    match status {
        Ok(status) if marker.exists() => assert!(status.success(), "failed inside the namespace"),
        _ => eprintln!("skipped: no network namespace with `{setup}` can be made here"),
    }
    false
}

fn bound(edge: &Edge, address: &str) -> ConnectedTunnel {
    let tunnel = edge.tunnel(&[]);
    let service = edge.service(&tunnel.id, "http", 80, &["--ipv4", address]);
    edge.deploy_private_api("private-api", &service);
    tunnel
}

#[test]
fn destination_ip_unroutable() {
    if in_namespace("namespace::destination_ip_unroutable", "ip route add unreachable 10.99.0.0/16") {
        let edge = Edge::start();
        let _tunnel = bound(&edge, "10.99.0.5");
        assert_failure(&edge, "private-api", ["destination_ip_unroutable", "Bad Upstream", "connect"]);
    }
}

#[test]
fn connection_timeout() {
    // Packets for 10.99.0.5 arrive at an interface that nobody with this address is behind, and are lost.
    let setup = "ip link add near type veth peer name far && ip address add 10.99.0.1/24 dev near && \
                 ip link set near up && ip link set far up && \
                 ip neighbour add 10.99.0.5 lladdr 02:00:00:00:00:05 dev near";
    if in_namespace("namespace::connection_timeout", setup) {
        let edge = Edge::start();
        let _tunnel = bound(&edge, "10.99.0.5");
        assert_failure(&edge, "private-api", ["connection_timeout", "Bad Upstream", "connect"]);
    }
}
