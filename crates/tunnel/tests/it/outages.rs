//! Lost packets, and connectors that are killed while they carry requests. A connector is a process of its own here: this
//! test program again, which a signal ends without a goodbye.

use crate::setup::{Edge, PATIENCE, Relay, TUNNEL, echo, eventually};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tunnel::connector::{Connector, ConnectorOptions, Protocol};
use tunnel::edge::{OpenError, Tunnels};
use tunnel::{Token, Uuid};

/// Options of the connector process.
const EDGE: &str = "CULVERT_TEST_EDGE";
const TOKEN: &str = "CULVERT_TEST_TOKEN";
const CA: &str = "CULVERT_TEST_CA";
const CONNECTIONS: &str = "CULVERT_TEST_CONNECTIONS";
const PROTOCOL: &str = "CULVERT_TEST_PROTOCOL";

/// Has a command start the connector process, with one connection, to the edge at `address`.
pub fn configure(command: &mut Command, edge: &Edge, address: SocketAddr, protocol: &str) {
    command
        .env(EDGE, address.to_string())
        .env(TOKEN, edge.token().encode())
        .env(CA, edge.connector_options().ca_pem.unwrap())
        .env(CONNECTIONS, "1")
        .env(PROTOCOL, protocol);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the other tests, as a process of its own"]
async fn connector_process() {
    let token = Token::decode(&std::env::var(TOKEN).unwrap()).unwrap();
    let count = |name| std::env::var(name).ok().and_then(|count| count.parse().ok());
    let by_http2 = std::env::var(PROTOCOL).is_ok_and(|protocol| protocol == "http2");
    let options = ConnectorOptions {
        ca_pem: Some(std::env::var(CA).unwrap()),
        connections: count(CONNECTIONS).unwrap_or(tunnel::connector::DEFAULT_CONNECTIONS),
        protocol: if by_http2 { Protocol::Http2 } else { Protocol::Quic },
        ..ConnectorOptions::new(token, vec![std::env::var(EDGE).unwrap()])
    };
    Connector::new(options).unwrap().run(std::future::pending()).await.unwrap();
}

/// A connector that can be killed.
pub struct Process {
    child: Child,
    id: Uuid,
}

impl Process {
    /// Starts one and waits until all its connections stand.
    pub async fn start(edge: &Edge) -> Self {
        let known: Vec<Uuid> = ids(&edge.tunnels);
        let options = edge.connector_options();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "outages::connector_process", "--ignored", "--nocapture"])
            .env(EDGE, edge.address.to_string())
            .env(TOKEN, edge.token().encode())
            .env(CA, options.ca_pem.unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Self { child, id: Uuid::nil() };
        let newcomer = || ids(&edge.tunnels).into_iter().find(|id| !known.contains(id));
        eventually("the process is registered", || newcomer().is_some()).await;
        process.id = newcomer().unwrap();
        eventually("all its connections stand", || edge.connections_of(process.id) == 4).await;
        process
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ids(tunnels: &Tunnels) -> Vec<Uuid> {
    tunnels.connectors(TUNNEL).iter().map(|connector| connector.id).collect()
}

/// One request that is over.
struct Done {
    began: Instant,
    /// When its flow was there.
    opened: Instant,
    connector: Uuid,
    answered: bool,
}

async fn request(tunnels: &Tunnels, destination: SocketAddr) -> Result<Done, OpenError> {
    let began = Instant::now();
    let mut flow = tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.map_err(|failed| failed.error)?;
    let (opened, connector) = (Instant::now(), flow.connector());
    let exchange = async {
        flow.write_all(b"question").await?;
        let mut answer = [0; 8];
        flow.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(&answer == b"question")
    };
    let answered = tokio::time::timeout(PATIENCE, exchange).await.is_ok_and(|answer| answer.unwrap_or(false));
    Ok(Done { began, opened, connector, answered })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_one_is_killed_under_load() {
    let edge = Edge::start().await;
    let mut first = Process::start(&edge).await;
    let second = Process::start(&edge).await;
    let destination = echo().await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let (tunnels, stop, done) = (edge.tunnels.clone(), Arc::clone(&stop), Arc::clone(&done));
        load.spawn(async move {
            let mut requests = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                requests.push(request(&tunnels, destination).await);
                done.fetch_add(1, Ordering::Relaxed);
            }
            requests
        });
    }
    eventually("both replicas work", || done.load(Ordering::Relaxed) >= 200).await;
    first.kill();
    let killed = Instant::now();
    eventually("the dead one is given up", || ids(&edge.tunnels) == [second.id]).await;
    let given_up = done.load(Ordering::Relaxed);
    eventually("the other one goes on", || done.load(Ordering::Relaxed) >= given_up + 200).await;
    stop.store(true, Ordering::Relaxed);
    let (mut on_first, mut after) = (0, 0);
    for request in load.join_all().await.into_iter().flatten() {
        let done = request.expect("a flow opens, whichever replica is dead");
        on_first += usize::from(done.connector == first.id && done.answered);
        after += usize::from(done.opened > killed);
        // That its flow is there may have been on its way to the edge when the connector died.
        let in_flight = done.connector == first.id && done.began <= killed;
        assert!(
            done.answered || in_flight,
            "failed, {:?} after the kill",
            done.opened.saturating_duration_since(killed)
        );
    }
    assert!(on_first > 0, "the one that was killed had carried requests");
    assert!(after >= 200, "{after} requests after the kill");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_replica_is_killed_and_comes_back() {
    let edge = Edge::start().await;
    let mut process = Process::start(&edge).await;
    let destination = echo().await;
    assert!(request(&edge.tunnels, destination).await.unwrap().answered);
    process.kill();
    // At first the edge only knows that it hears nothing; never is the service blamed.
    let error = edge.tunnels.open_tcp(TUNNEL, destination, Duration::from_secs(1)).await.unwrap_err().error;
    assert!(matches!(error, OpenError::ConnectorLost { connector, .. } if connector == process.id), "{error:?}");
    eventually("the dead one is given up", || ids(&edge.tunnels).is_empty()).await;
    let error = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap_err().error;
    assert_eq!(error, OpenError::NoConnector);
    let started = Instant::now();
    let _process = Process::start(&edge).await;
    assert!(request(&edge.tunnels, destination).await.unwrap().answered);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_packets_cost_time_and_nothing_else() {
    let edge = Edge::start().await;
    let relay = Relay::lossy(edge.address, 5).await;
    let options = ConnectorOptions { edges: vec![relay.address.to_string()], ..edge.connector_options() };
    let _connector = edge.connect(options).await;
    let destination = echo().await;
    for _ in 0..20 {
        assert!(request(&edge.tunnels, destination).await.unwrap().answered);
    }
    let mut flow = edge.tunnels.open_tcp(TUNNEL, destination, PATIENCE).await.unwrap();
    let sent: Vec<u8> = (0..2 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut received = vec![0; sent.len()];
    let (mut read, mut write) = tokio::io::split(&mut flow);
    let moved = async { tokio::join!(write.write_all(&sent), read.read_exact(&mut received)) };
    let (written, got) = tokio::time::timeout(PATIENCE * 2, moved).await.unwrap();
    written.unwrap();
    got.unwrap();
    assert!(received == sent);
}
