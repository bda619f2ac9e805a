//! The edge with an unmodified cloudflared as its connector.
//!
//! Runs only where the environment variable CLOUDFLARED names the program, in a network namespace that has nothing but
//! loopback: cloudflared looks for servers of Cloudflare at its start. `unshare` (util-linux) and `ip` (iproute2) make it.

use crate::dns::{Dnsmasq, many_names, resolves};
use crate::kinds::serves_every_kind;
use crate::published::{killed_under_load, publish, serves_published_requests, service};
use crate::setup::{Directory, Edge, PATIENCE, TUNNEL, closed_port, echo, eventually};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunnel::edge::{DnsQueryError, DnsTransport, OpenError, Resolver, TransportKind};

/// Set for the tests that run inside the namespace.
const INSIDE: &str = "CULVERT_TEST_NAMESPACE";

/// A cloudflared on its way; dropping it kills it.
struct Cloudflared {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Cloudflared {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cloudflared {
    /// `connections` is the number of times the edge's address is given.
    fn start(edge: &Edge, connections: usize, protocol: &str, run_options: &[&str]) -> Self {
        // cloudflared talks to the world at its start, so there must be no way to it.
        let devices = std::fs::read_to_string("/proc/self/net/dev").unwrap();
        let interfaces: Vec<&str> =
            devices.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
        assert_eq!(interfaces, ["lo"], "only inside the namespace");
        let mut command = Command::new(std::env::var_os("CLOUDFLARED").unwrap());
        let folder = arguments(&mut command, edge, &vec![edge.address; connections], protocol);
        command.args(run_options).stdout(Stdio::null());
        if std::env::var_os("CLOUDFLARED_LOG").is_none() {
            command.stderr(Stdio::null());
        }
        Self { child: command.spawn().unwrap(), _folder: folder }
    }

    async fn registered(edge: &Edge, connections: usize, protocol: &str, run_options: &[&str]) -> Self {
        let cloudflared = Self::start(edge, connections, protocol, run_options);
        eventually("cloudflared is registered", || count(edge) == connections).await;
        cloudflared
    }

    fn terminate(&self) {
        assert!(Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap().success());
    }
}

/// The arguments of a cloudflared that connects to these addresses of the edge, once for each. What follows is for `run`.
pub fn arguments(command: &mut Command, edge: &Edge, edges: &[SocketAddr], protocol: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, edge.connector_options().ca_pem.unwrap()).unwrap();
    command.args(["tunnel", "--no-autoupdate", "--grace-period", "2s", "--metrics", "127.0.0.1:0"]);
    // Older ones know neither the checks nor the option against them.
    command.env("TUNNEL_NO_PRECHECKS", "true");
    command.arg("--protocol").arg(protocol);
    for edge in edges {
        command.arg("--edge").arg(edge.to_string());
    }
    command.arg("--cacert").arg(&ca).arg("run").arg("--token").arg(edge.token().encode());
    command.env("HOME", folder.path()).current_dir(folder.path());
    folder
}

/// Asks for version 3 of datagrams by the name that this release has for it; it takes no notice of the other.
const V3: [&str; 4] = ["--features", "support_datagram_v3_2", "--features", "support_datagram_v3_1"];

fn count(edge: &Edge) -> usize {
    edge.tunnels.connectors(TUNNEL).iter().map(|status| status.connections.len()).sum()
}

#[test]
fn stock_cloudflared_as_connector() {
    let Some(cloudflared) = std::env::var_os("CLOUDFLARED") else {
        eprintln!("SKIPPED: CLOUDFLARED does not name a cloudflared");
        return;
    };
    assert!(Path::new(&cloudflared).is_file(), "CLOUDFLARED names no file");
    let script = r#"ip link set lo up && exec "$0" "$@""#;
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "--", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["stock::inside", "--ignored", "--test-threads=1"])
        .env(INSIDE, "1")
        .status();
    match status {
        Ok(status) => assert!(status.success(), "the tests inside the namespace failed"),
        Err(error) => eprintln!("SKIPPED: no network namespace can be made: {error}"),
    }
}

mod inside {
    use super::*;

    async fn answers(edge: &Edge) {
        let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
        let sent: Vec<u8> = (0..2 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (mut read, mut write) = tokio::io::split(&mut flow);
        let mut received = vec![0; sent.len()];
        let (written, got) = tokio::join!(write.write_all(&sent), read.read_exact(&mut received));
        written.unwrap();
        got.unwrap();
        assert!(received == sent);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn four_quic_connections_carry_flows() {
        let edge = Edge::start().await;
        let _cloudflared = Cloudflared::registered(&edge, 4, "quic", &[]).await;
        let status = edge.tunnels.connectors(TUNNEL);
        assert_eq!(status.len(), 1);
        assert!(status[0].version.starts_with("20"), "{status:?}");
        assert!(status[0].connections.iter().all(|connection| connection.transport == TransportKind::Quic));
        for _ in 0..4 {
            answers(&edge).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn failures_are_told_apart() {
        let edge = Edge::start().await;
        let _cloudflared = Cloudflared::registered(&edge, 1, "quic", &[]).await;
        let open = async |destination| {
            edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.map_err(|failed| failed.error)
        };
        let refused = open(closed_port().await).await.unwrap_err();
        assert!(matches!(refused, OpenError::Refused { .. }), "{refused:?}");
        // Nothing but loopback has a route here.
        let unreachable = open("10.200.0.9:80".parse().unwrap()).await.unwrap_err();
        assert!(matches!(unreachable, OpenError::Unreachable { .. }), "{unreachable:?}");
        let limited = r#"{"ingress":[{"service":"http_status:404"}],"warp-routing":{"maxActiveFlows":1}}"#;
        assert_eq!(edge.tunnels.push_configuration(TUNNEL, 2, limited).await[0].result, Ok(2));
        let destination = echo().await;
        let _first = open(destination).await.unwrap();
        let many = open(destination).await.unwrap_err();
        assert!(matches!(many, OpenError::TooManyFlows { .. }), "{many:?}");
        let bad = edge.tunnels.push_configuration(TUNNEL, 3, "{bad").await;
        assert!(bad[0].result.as_ref().is_err_and(|reason| reason.contains("invalid character")), "{bad:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn dns_by_both_versions_and_both_transports() {
        let Some(dnsmasq) = Dnsmasq::start().await else { return };
        let resolver = dnsmasq.address.to_string();
        for features in [&[][..], &V3[..]] {
            let edge = Edge::start().await;
            let options = [&["--dns-resolver-addrs", resolver.as_str()][..], features].concat();
            let _cloudflared = Cloudflared::registered(&edge, 1, "quic", &options).await;
            for transport in [DnsTransport::Udp, DnsTransport::Tcp] {
                resolves(&edge, Resolver::Virtual, transport).await;
                resolves(&edge, Resolver::Address(dnsmasq.address), transport).await;
            }
        }
        // In version 3, it counts flows that it could not dial for ever: here all are.
        for features in [&[][..], &V3[..]] {
            let edge = Edge::start().await;
            let options =
                [&["--dns-resolver-addrs", resolver.as_str(), "--max-active-flows", "8"][..], features].concat();
            let _cloudflared = Cloudflared::registered(&edge, 1, "quic", &options).await;
            many_names(&edge, Resolver::Virtual, 100).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn it_comes_back_after_an_edge_restart() {
        let edge = Edge::start().await;
        let _cloudflared = Cloudflared::registered(&edge, 1, "quic", &[]).await;
        let edge = edge.restart().await;
        eventually("it is back", || count(&edge) == 1).await;
        answers(&edge).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn it_drains_and_goes() {
        let edge = Edge::start().await;
        let cloudflared = Cloudflared::registered(&edge, 1, "quic", &[]).await;
        let destination = echo().await;
        let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
        cloudflared.terminate();
        eventually("it drains", || edge.tunnels.connectors(TUNNEL).iter().all(|status| status.draining)).await;
        assert_eq!(
            edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap_err().error,
            OpenError::NoConnector
        );
        flow.write_all(b"x").await.unwrap();
        assert_eq!(flow.read_u8().await.unwrap(), b'x');
        eventually("it is gone", || count(&edge) == 0).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn a_locally_managed_one_tells_its_configuration() {
        let mut directory = Directory::new();
        directory.grant.remotely_managed = false;
        let edge = Edge::start_with(directory, Default::default()).await;
        let _cloudflared = Cloudflared::registered(&edge, 1, "quic", &["--url", "http://127.0.0.1:8080"]).await;
        eventually("its configuration is here", || edge.tunnels.local_configuration(TUNNEL).is_some()).await;
        let configuration = edge.tunnels.local_configuration(TUNNEL).unwrap();
        let configuration: serde_json::Value = serde_json::from_slice(&configuration).unwrap();
        assert!(configuration["ingress"].is_array(), "{configuration}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn a_wrong_secret_keeps_it_out() {
        let edge = Edge::start().await;
        // The last --token counts.
        let token = tunnel::Token { secret: vec![1; 32], ..edge.token() }.encode();
        let _cloudflared = Cloudflared::start(&edge, 1, "quic", &["--token", &token]);
        eventually("it asked", || *edge.directory.asked.lock().unwrap() > 0).await;
        assert_eq!(count(&edge), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn http2_carries_flows_and_no_names() {
        let edge = Edge::start().await;
        let cloudflared = Cloudflared::registered(&edge, 2, "http2", &[]).await;
        let status = edge.tunnels.connectors(TUNNEL);
        assert!(status[0].connections.iter().all(|connection| connection.transport == TransportKind::Http2));
        assert!(status[0].warnings.iter().any(|warning| warning.contains("HTTP/2")), "{status:?}");
        answers(&edge).await;
        let error = edge.tunnels.open_tcp(TUNNEL, closed_port().await, PATIENCE).await.unwrap_err().error;
        assert!(matches!(&error, OpenError::Other { text } if text.contains("--protocol quic")), "{error:?}");
        let limited = r#"{"ingress":[{"service":"http_status:404"}],"warp-routing":{"maxActiveFlows":1}}"#;
        assert_eq!(edge.tunnels.push_configuration(TUNNEL, 2, limited).await[0].result, Ok(2));
        let bad = r#"{"ingress":[{"hostname":"a.example","service":"http_status:404"}]}"#;
        let bad = edge.tunnels.push_configuration(TUNNEL, 3, bad).await;
        assert!(bad[0].result.is_err(), "{bad:?}");
        let destination = echo().await;
        let first = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
        let many = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap_err().error;
        assert!(matches!(many, OpenError::TooManyFlows { .. }), "{many:?}");
        for transport in [DnsTransport::Udp, DnsTransport::Tcp] {
            let error =
                edge.tunnels.query_dns(TUNNEL, Resolver::Virtual, transport, &[0; 17], PATIENCE).await.unwrap_err();
            assert!(matches!(error, DnsQueryError::NoDatagrams { .. }), "{error:?}");
        }
        // Over HTTP/2 it stays as long as there are flows, whatever the grace period says.
        drop(first);
        cloudflared.terminate();
        eventually("it drains", || edge.tunnels.connectors(TUNNEL).iter().all(|status| status.draining)).await;
        eventually("it is gone", || count(&edge) == 0).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn it_serves_published_requests_by_both_transports() {
        for (protocol, trailers) in [("quic", false), ("http2", true)] {
            let edge = Edge::start().await;
            let _cloudflared = Cloudflared::registered(&edge, 1, protocol, &[]).await;
            serves_published_requests(&edge, trailers).await;
            serves_every_kind(&edge, 8).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn of_two_replicas_one_is_killed_under_load() {
        let edge = Edge::start().await;
        let mut first = Cloudflared::registered(&edge, 1, "quic", &[]).await;
        let _second = Cloudflared::start(&edge, 1, "quic", &[]);
        eventually("both are registered", || count(&edge) == 2).await;
        publish(&edge, 1, service().await).await;
        killed_under_load(&edge, || {
            first.child.kill().unwrap();
            first.child.wait().unwrap();
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by stock_cloudflared_as_connector"]
    async fn http2_ends_at_once_when_the_tunnel_is_revoked() {
        let edge = Edge::start().await;
        let _cloudflared = Cloudflared::registered(&edge, 1, "http2", &[]).await;
        let mut flow = edge.tunnels.open_tcp(TUNNEL, echo().await, PATIENCE).await.unwrap();
        edge.directory.revoked.lock().unwrap().insert(TUNNEL);
        edge.tunnels.revoke(TUNNEL);
        assert_eq!(count(&edge), 0);
        let error = tokio::time::timeout(PATIENCE, flow.read_u8()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    }
}
