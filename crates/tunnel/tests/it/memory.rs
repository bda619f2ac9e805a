//! What hostile connectors cost in memory. The edge is a process of its own here: this test program again.

use crate::hostile::{call, dial_at, registration};
use crate::setup::{ACCOUNT, Directory, Edge, PATIENCE, TUNNEL};
use bytes::Bytes;
use rustls::crypto::aws_lc_rs::default_provider;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tunnel::Token;
use tunnel_proto::rpc::Reply;
use tunnel_proto::stream::RPC_SIGNATURE;

/// Where the edge's process leaves its address and its authority.
const FOLDER: &str = "CULVERT_TEST_EDGE_FOLDER";
/// By how much the edge may grow, in MiB.
const GROWTH: u64 = 96;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the other tests, as a process of its own"]
async fn edge_process() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let edge = Edge::start().await;
    std::fs::write(folder.join("ca.pem"), edge.connector_options().ca_pem.unwrap()).unwrap();
    std::fs::write(folder.join("new"), edge.address.to_string()).unwrap();
    std::fs::rename(folder.join("new"), folder.join("address")).unwrap();
    // Until the test ends, or is ended.
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let _ = ended.await;
}

/// An edge that can be weighed.
struct Process {
    child: Child,
    address: SocketAddr,
    pem: String,
}

impl Process {
    async fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory::edge_process", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let address = loop {
            if let Ok(address) = std::fs::read_to_string(folder.join("address")) {
                break address.parse().unwrap();
            }
            assert!(child.try_wait().unwrap().is_none() && started.elapsed() < PATIENCE, "the edge does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Self { child, address, pem: std::fs::read_to_string(folder.join("ca.pem")).unwrap() }
    }

    /// A line of what the system says of it, in MiB.
    fn mib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    async fn dial(&self) -> Option<quinn::Connection> {
        dial_at(self.address, &self.pem, default_provider()).await.ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn token() -> Token {
    Token { account: ACCOUNT.to_owned(), tunnel: TUNNEL, secret: Directory::new().secret, endpoint: None }
}

/// Opens as many streams as it may and sends on each as much as is taken. Keeps them for a moment.
async fn flood(connection: quinn::Connection, begin: &'static [u8]) {
    let mut streams = JoinSet::new();
    while let Ok(Ok((mut send, receive))) = timeout(Duration::from_millis(200), connection.open_bi()).await {
        streams.spawn(async move {
            let zeros = vec![0; 1 << 20];
            let sent = async {
                send.write_all(begin).await?;
                loop {
                    send.write_all(&zeros).await?;
                }
                #[allow(unreachable_code)]
                Ok::<_, quinn::WriteError>(())
            };
            let _ = timeout(Duration::from_secs(1), sent).await;
            drop((send, receive));
        });
        if streams.len() > 512 {
            break;
        }
    }
    let datagram = Bytes::from(vec![1; 1000]);
    for _ in 0..5000 {
        if connection.send_datagram_wait(datagram.clone()).await.is_err() {
            break;
        }
    }
    while streams.join_next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_bad_connectors_cost_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let edge = Process::start(folder.path()).await;
    let before = edge.mib("VmRSS:");
    // Strangers who say as much as they are let.
    let mut floods = JoinSet::new();
    for _ in 0..40 {
        let Some(connection) = edge.dial().await else { continue };
        floods.spawn(flood(connection, &[]));
    }
    while floods.join_next().await.is_some() {}
    let strangers = edge.mib("VmHWM:");
    // Connectors of a tunnel: long descriptions of themselves, and messages that never end.
    let long = "9".repeat(40_000);
    for index in 0..16 {
        let connection = edge.dial().await.unwrap();
        let (reply, control) = call(&connection, &registration(&token(), index, &long)).await;
        assert!(matches!(reply, Reply::RegisterConnection(Ok(_))), "{reply:?}");
        floods.spawn(async move {
            // What follows the signature is no message.
            flood(connection, &RPC_SIGNATURE).await;
            drop(control);
        });
    }
    while floods.join_next().await.is_some() {}
    let connectors = edge.mib("VmHWM:");
    println!("MiB: {before} before, {strangers} after strangers, {connectors} after connectors");
    assert!(strangers < before + GROWTH, "strangers cost {} MiB", strangers - before);
    assert!(connectors < before + GROWTH, "connectors cost {} MiB", connectors - before);
    // It serves whoever is next.
    let connection = edge.dial().await.unwrap();
    let (reply, _control) = call(&connection, &registration(&token(), 20, "2026.8.2")).await;
    assert!(matches!(reply, Reply::RegisterConnection(Ok(_))), "{reply:?}");
}
