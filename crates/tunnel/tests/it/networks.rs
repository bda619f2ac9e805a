//! Outages of real networks: the edge, and each replica with its private services, in network namespaces of their own, joined
//! by links that are cut and that lose packets. With CLOUDFLARED set, the same is asked of stock cloudflared.
//!
//! Needs `unshare` and `nsenter` (util-linux), `ip` (iproute2) and, for lost packets, `nft` (nftables).

use crate::outages;
use crate::published::{self, killed_under_load, publish};
use crate::setup::{Edge, PATIENCE, TUNNEL, eventually};
use crate::stock;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tunnel::edge::{OpenError, Tunnels};

/// Set inside the namespace.
const INSIDE: &str = "CULVERT_TEST_NETWORKS";
/// Where the private services of every far namespace are: an echo, and HTTP.
const ECHO: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7007);
const HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

#[test]
fn outages_of_networks() {
    let script = r#"ip link set lo up && ip link add probe type veth peer name eborp && ip link delete probe && touch "$READY" && exec "$0" "$@""#;
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "--", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["networks::inside", "--ignored", "--test-threads=1", "--nocapture"])
        .env(INSIDE, "1")
        .env("READY", &ready)
        .status();
    match status {
        Ok(status) if ready.exists() => assert!(status.success(), "the tests inside the namespace failed"),
        _ => eprintln!("SKIPPED: no network namespaces with links between them can be made here"),
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

/// The private services of a namespace: this test program again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the other tests, as a process of its own"]
async fn services_process() {
    let echo = TcpListener::bind(ECHO).await.unwrap();
    let http = TcpListener::bind(HTTP).await.unwrap();
    tokio::spawn(published::serve(http));
    while let Ok((mut stream, _)) = echo.accept().await {
        tokio::spawn(async move {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
}

/// Ends with its owner.
struct Killed {
    child: Child,
    _folder: Option<tempfile::TempDir>,
}

impl From<Child> for Killed {
    fn from(child: Child) -> Self {
        Self { child, _folder: None }
    }
}

impl Killed {
    /// `kill -9`.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A namespace at the far end of a link, with private services in it.
struct Far {
    /// The process whose namespace it is, and the services.
    holder: Killed,
    _services: Option<Killed>,
    number: u8,
}

impl Far {
    fn new(number: u8) -> Self {
        let holder = Command::new("unshare").args(["--net", "sleep", "infinity"]).spawn().unwrap();
        let mut far = Self { holder: holder.into(), _services: None, number };
        let (pid, near, peer) = (far.pid(), far.near(), format!("far{number}"));
        // The process has its own namespace a little after it was started.
        let own = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        let started = Instant::now();
        while own(&pid) == own("self") {
            assert!(started.elapsed() < PATIENCE, "no namespace");
            std::thread::sleep(Duration::from_millis(1));
        }
        run("ip", &["link", "add", &near, "type", "veth", "peer", "name", &peer, "netns", &pid]);
        run("ip", &["address", "add", &format!("10.9.{number}.1/24"), "dev", &near]);
        run("ip", &["link", "set", &near, "up"]);
        far.run("ip", &["link", "set", "lo", "up"]);
        far.run("ip", &["address", "add", &format!("10.9.{number}.2/24"), "dev", &peer]);
        far.run("ip", &["link", "set", &peer, "up"]);
        let services = far
            .command(std::env::current_exe().unwrap().to_str().unwrap())
            .args(["--exact", "networks::services_process", "--ignored"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        far._services = Some(services.into());
        // Local address and port, remote ones, and 0A for listening.
        let listens = |service: SocketAddr| format!(":{:04X} 00000000:0000 0A", service.port());
        while {
            let sockets = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
            [ECHO, HTTP].iter().any(|service| !sockets.contains(&listens(*service)))
        } {
            assert!(started.elapsed() < PATIENCE, "no services");
            std::thread::sleep(Duration::from_millis(1));
        }
        far
    }

    fn pid(&self) -> String {
        self.holder.child.id().to_string()
    }

    fn near(&self) -> String {
        format!("near{}", self.number)
    }

    /// A command that will run inside.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid())).arg("--").arg(program);
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        assert!(self.command(program).args(arguments).status().unwrap().success(), "{program} {arguments:?}");
    }

    /// The edge as it is seen from inside.
    fn edge(&self, edge: &Edge) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::new(10, 9, self.number, 1).into(), edge.address.port())
    }

    fn cut(&self) {
        run("ip", &["link", "set", &self.near(), "down"]);
    }

    fn mend(&self) {
        run("ip", &["link", "set", &self.near(), "up"]);
    }

    /// Loses so many of a hundred packets, in both directions.
    fn lose(&self, percent: u8) -> bool {
        let rule = format!("numgen random mod 100 < {percent} drop");
        let script = format!(
            "table inet lossy {{ chain input {{ type filter hook input priority 0; policy accept; iif lo accept; {rule}; }}; }}"
        );
        let load = |mut command: Command| command.arg(&script).status().is_ok_and(|status| status.success());
        let mut near = Command::new("nft");
        near.arg("--");
        let mut far = self.command("nft");
        far.arg("--");
        load(near) && load(far)
    }
}

impl Drop for Far {
    /// The link would go with the namespace, some time after the last process in it.
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.near()]).status();
    }
}

/// Who is put to the test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Ours,
    Stock,
}

/// Ours, and the stock one where it is there.
fn kinds() -> Vec<Kind> {
    if std::env::var_os("CLOUDFLARED").is_some() { vec![Kind::Ours, Kind::Stock] } else { vec![Kind::Ours] }
}

/// Starts a connector with one connection in a far namespace.
fn connector(kind: Kind, far: &Far, edge: &Edge, protocol: &str) -> Killed {
    let address = far.edge(edge);
    let mut folder = None;
    let mut command = match kind {
        Kind::Ours => {
            let mut command = far.command(std::env::current_exe().unwrap().to_str().unwrap());
            command.args(["--exact", "outages::connector_process", "--ignored"]);
            outages::configure(&mut command, edge, address, protocol);
            command
        }
        Kind::Stock => {
            let program = std::env::var("CLOUDFLARED").unwrap();
            let mut command = far.command(&program);
            folder = Some(stock::arguments(&mut command, edge, &[address], protocol));
            command
        }
    };
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Killed { child, _folder: folder }
}

async fn registered(edge: &Edge, connectors: usize) {
    eventually("the connectors are registered", || edge.tunnels.connectors(TUNNEL).len() == connectors).await;
}

async fn echoes(tunnels: &Tunnels, length: usize) -> bool {
    let exchange = async {
        let mut flow = tunnels.open_tcp(TUNNEL, ECHO, PATIENCE).await.ok()?;
        let sent: Vec<u8> = (0..length as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut received = vec![0; sent.len()];
        let (mut read, mut write) = tokio::io::split(&mut flow);
        let (written, got) = tokio::join!(write.write_all(&sent), read.read_exact(&mut received));
        (written.is_ok() && got.is_ok() && sent == received).then_some(())
    };
    tokio::time::timeout(PATIENCE * 3, exchange).await.is_ok_and(|done| done.is_some())
}

/// Requests without a pause until told to stop; those that failed, by when they were begun.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    tasks: JoinSet<Vec<Instant>>,
}

impl Load {
    fn start(tunnels: &Tunnels) -> Self {
        let mut load = Self { stop: Arc::default(), done: Arc::default(), tasks: JoinSet::new() };
        for _ in 0..4 {
            let (tunnels, stop, done) = (tunnels.clone(), Arc::clone(&load.stop), Arc::clone(&load.done));
            load.tasks.spawn(async move {
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    if !echoes(&tunnels, 8).await {
                        failed.push(begun);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                failed
            });
        }
        load
    }

    async fn more(&self, what: &str) {
        let before = self.done.load(Ordering::Relaxed);
        eventually(what, || self.done.load(Ordering::Relaxed) >= before + 100).await;
    }

    async fn stop(self) -> Vec<Instant> {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().flatten().collect()
    }
}

mod inside {
    use super::*;

    async fn start() -> Edge {
        assert!(std::env::var_os(INSIDE).is_some(), "only inside the namespace");
        Edge::start_at("0.0.0.0:0".parse().unwrap()).await
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by outages_of_networks"]
    async fn lost_packets_cost_time_and_nothing_else() {
        for kind in kinds() {
            for protocol in ["quic", "http2"] {
                let (edge, far) = (start().await, Far::new(1));
                let _connector = connector(kind, &far, &edge, protocol);
                registered(&edge, 1).await;
                if !far.lose(3) {
                    eprintln!("SKIPPED: no nft, or not in this kernel, so that packets cannot be lost");
                    return;
                }
                for _ in 0..10 {
                    assert!(echoes(&edge.tunnels, 100).await, "{kind:?} by {protocol}");
                }
                assert!(echoes(&edge.tunnels, 512 * 1024).await, "{kind:?} by {protocol}");
                run("nft", &["flush", "ruleset"]);
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by outages_of_networks"]
    async fn a_cut_link_takes_only_what_was_in_flight_on_it() {
        for kind in kinds() {
            let edge = start().await;
            let fars = [Far::new(1), Far::new(2)];
            let _connectors = fars.each_ref().map(|far| connector(kind, far, &edge, "quic"));
            registered(&edge, 2).await;
            let load = Load::start(&edge.tunnels);
            load.more("both work").await;
            fars[0].cut();
            let cut = Instant::now();
            eventually("the lost one is given up", || edge.tunnels.connectors(TUNNEL).len() == 1).await;
            load.more("the other one goes on").await;
            fars[0].mend();
            registered(&edge, 2).await;
            load.more("both work again").await;
            let late = load.stop().await.iter().filter(|begun| **begun > cut).count();
            assert_eq!(late, 0, "{kind:?}: requests begun after the cut have failed");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by outages_of_networks"]
    async fn a_killed_replica_takes_only_what_was_in_flight_on_it() {
        for kind in kinds() {
            let edge = start().await;
            let fars = [Far::new(1), Far::new(2)];
            let [mut first, _second] = fars.each_ref().map(|far| connector(kind, far, &edge, "quic"));
            registered(&edge, 2).await;
            publish(&edge, 1, HTTP).await;
            let load = Load::start(&edge.tunnels);
            let mut killed = None;
            killed_under_load(&edge, || {
                first.kill();
                killed = Some(Instant::now());
            })
            .await;
            let killed = killed.unwrap();
            let late = load.stop().await.iter().filter(|begun| **begun > killed).count();
            assert_eq!(late, 0, "{kind:?}: flows begun after the kill have failed");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by outages_of_networks"]
    async fn without_the_only_replica_nothing_connects_until_it_is_back() {
        for kind in kinds() {
            let (edge, far) = (start().await, Far::new(1));
            let mut only = connector(kind, &far, &edge, "quic");
            registered(&edge, 1).await;
            assert!(echoes(&edge.tunnels, 8).await);
            only.kill();
            eventually("it is given up", || edge.tunnels.connectors(TUNNEL).is_empty()).await;
            let error = edge.tunnels.open_tcp(TUNNEL, ECHO, PATIENCE).await.unwrap_err().error;
            assert_eq!(error, OpenError::NoConnector);
            let started = Instant::now();
            let _back = connector(kind, &far, &edge, "quic");
            registered(&edge, 1).await;
            assert!(echoes(&edge.tunnels, 8).await);
            println!("{kind:?}: {} ms from its start to the first answer", started.elapsed().as_millis());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "run by outages_of_networks"]
    async fn connectors_come_back_after_the_edge() {
        for kind in kinds() {
            let (edge, far) = (start().await, Far::new(1));
            let _connector = connector(kind, &far, &edge, "quic");
            registered(&edge, 1).await;
            let edge = edge.restart().await;
            let started = Instant::now();
            registered(&edge, 1).await;
            assert!(echoes(&edge.tunnels, 8).await);
            println!("{kind:?}: {} ms from the edge's restart to the first answer", started.elapsed().as_millis());
        }
    }
}
