//! An edge with a directory of one tunnel, connectors for it, and origins.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tunnel::connector::{Connector, ConnectorOptions};
use tunnel::edge::{
    CertificateAuthority, ConnectionStatus, EdgeLimits, EdgeOptions, Refusal, TunnelDirectory, TunnelEdge, TunnelGrant,
    Tunnels,
};
use tunnel::{BoxFuture, Token, Uuid};

pub const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
pub const TUNNEL: Uuid = Uuid::from_u128(0xaaaaaaaa_bbbb_cccc_dddd_eeeeeeeeeeee);
/// Enough for a slow machine; nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Knows [`TUNNEL`] and notes what happens.
pub struct Directory {
    pub secret: Vec<u8>,
    /// Another tunnel of the same account, with its secret.
    pub other: Option<(Uuid, Vec<u8>)>,
    pub grant: TunnelGrant,
    pub configuration: Mutex<Option<(i32, String)>>,
    pub revoked: Mutex<HashSet<Uuid>>,
    pub asked: Mutex<usize>,
    pub events: Mutex<Vec<String>>,
}

impl Directory {
    pub fn new() -> Self {
        Self {
            secret: (0..32).collect(),
            other: None,
            grant: TunnelGrant { name: "test".to_owned(), remotely_managed: true },
            configuration: Mutex::default(),
            revoked: Mutex::default(),
            asked: Mutex::default(),
            events: Mutex::default(),
        }
    }

    fn check(&self, account: &str, tunnel: Uuid, secret: &[u8]) -> Result<TunnelGrant, Refusal> {
        *self.asked.lock().unwrap() += 1;
        let expected = match &self.other {
            Some((other, expected)) if tunnel == *other => expected,
            _ if tunnel == TUNNEL => &self.secret,
            _ => return Err(Refusal::UnknownTunnel),
        };
        if account != ACCOUNT {
            return Err(Refusal::WrongAccount);
        }
        if secret != expected {
            return Err(Refusal::WrongSecret);
        }
        if self.revoked.lock().unwrap().contains(&tunnel) {
            return Err(Refusal::Revoked);
        }
        Ok(self.grant.clone())
    }
}

impl TunnelDirectory for Directory {
    fn authenticate(&self, account: &str, tunnel: Uuid, secret: &[u8]) -> BoxFuture<'_, Result<TunnelGrant, Refusal>> {
        let result = self.check(account, tunnel, secret);
        Box::pin(async move { result })
    }

    fn configuration(&self, _: Uuid) -> Option<(i32, String)> {
        self.configuration.lock().unwrap().clone()
    }

    fn connector_connected(&self, _: Uuid, connection: &ConnectionStatus) {
        self.events.lock().unwrap().push(format!("+{}", connection.index));
    }

    fn connector_disconnected(&self, _: Uuid, connection: &ConnectionStatus, _: &str) {
        self.events.lock().unwrap().push(format!("-{}", connection.index));
    }
}

/// An edge on a loopback port.
pub struct Edge {
    pub edge: Option<TunnelEdge>,
    pub tunnels: Tunnels,
    pub directory: Arc<Directory>,
    pub address: SocketAddr,
    authority: (String, String),
}

impl Edge {
    pub async fn start() -> Self {
        Self::start_with(Directory::new(), EdgeLimits::default()).await
    }

    pub async fn start_with(directory: Directory, limits: EdgeLimits) -> Self {
        let authority = CertificateAuthority::create().unwrap();
        let authority = (authority.certificate_pem().to_owned(), authority.private_key_pem().to_owned());
        Self::bind(Arc::new(directory), limits, authority, "127.0.0.1:0".parse().unwrap()).await
    }

    /// Listens elsewhere than on loopback, inside a network namespace.
    pub async fn start_at(listen: SocketAddr) -> Self {
        let authority = CertificateAuthority::create().unwrap();
        let authority = (authority.certificate_pem().to_owned(), authority.private_key_pem().to_owned());
        Self::bind(Arc::new(Directory::new()), EdgeLimits::default(), authority, listen).await
    }

    async fn bind(
        directory: Arc<Directory>,
        limits: EdgeLimits,
        authority: (String, String),
        listen: SocketAddr,
    ) -> Self {
        let options = EdgeOptions {
            limits,
            ..EdgeOptions::new(listen, CertificateAuthority::from_pem(&authority.0, &authority.1).unwrap())
        };
        let edge = TunnelEdge::bind(options, Arc::clone(&directory) as Arc<dyn TunnelDirectory>).await.unwrap();
        Self { tunnels: edge.tunnels(), address: edge.local_addr(), edge: Some(edge), directory, authority }
    }

    /// Shuts down and starts again on the same port.
    pub async fn restart(mut self) -> Self {
        self.edge.take().unwrap().shutdown().await;
        let authority = self.authority.clone();
        Self::bind(Arc::clone(&self.directory), EdgeLimits::default(), authority, self.address).await
    }

    pub fn token(&self) -> Token {
        Token { account: ACCOUNT.to_owned(), tunnel: TUNNEL, secret: self.directory.secret.clone(), endpoint: None }
    }

    /// Options of a connector with one connection and no grace.
    pub fn connector_options(&self) -> ConnectorOptions {
        ConnectorOptions {
            ca_pem: Some(self.authority.0.clone()),
            connections: 1,
            metrics: Some("127.0.0.1:0".parse().unwrap()),
            grace_period: Duration::from_millis(300),
            ..ConnectorOptions::new(self.token(), vec![self.address.to_string()])
        }
    }

    /// Starts a connector and waits until all its connections are registered.
    pub async fn connect(&self, options: ConnectorOptions) -> RunningConnector {
        let expected = usize::from(options.connections);
        let connector = RunningConnector::start(options);
        let id = connector.id;
        eventually("the connector is registered", || self.connections_of(id) == expected).await;
        connector
    }

    pub async fn connect_one(&self) -> RunningConnector {
        self.connect(self.connector_options()).await
    }

    pub fn connections_of(&self, connector: Uuid) -> usize {
        self.tunnels
            .connectors(TUNNEL)
            .iter()
            .filter(|status| status.id == connector)
            .map(|status| status.connections.len())
            .sum()
    }
}

/// A connector on its way. Dropping it kills it without a goodbye to its peers but the close of its sockets.
pub struct RunningConnector {
    pub id: Uuid,
    pub metrics: Option<SocketAddr>,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl RunningConnector {
    pub fn start(options: ConnectorOptions) -> Self {
        let connector = Connector::new(options).unwrap();
        let (id, metrics) = (connector.id(), connector.metrics_addr());
        let (shutdown, asked) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let asked = async {
                // A sender that is dropped asks for nothing.
                if asked.await.is_err() {
                    std::future::pending().await
                }
            };
            connector.run(asked).await.unwrap();
        });
        Self { id, metrics, shutdown: Some(shutdown), task }
    }

    /// Asks it to drain and waits until it is done.
    pub async fn shutdown(mut self) {
        self.begin_shutdown();
        tokio::time::timeout(PATIENCE, &mut self.task).await.unwrap().unwrap();
    }

    pub fn begin_shutdown(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    /// GETs a path of its metrics address: status line and body.
    pub async fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.metrics.unwrap()).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }
}

impl Drop for RunningConnector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Polls until `condition` holds; fails the test when it never does.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An origin that gives back what it gets, and closes its side when the peer does.
pub async fn echo() -> SocketAddr {
    origin(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

/// An origin that runs `serve` for each connection.
pub async fn origin<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A port on which nothing listens.
pub async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Carries datagrams between one connector and the edge until it is cut: then both sides hear nothing, as when a machine
/// dies or a cable is pulled. May lose some of them on the way.
pub struct Relay {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn start(edge: SocketAddr) -> Self {
        Self::lossy(edge, 0).await
    }

    /// Loses so many of a hundred datagrams, in both directions, the same ones each time.
    pub async fn lossy(edge: SocketAddr, percent: u64) -> Self {
        let front = Arc::new(tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = front.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let back = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            back.connect(edge).await.unwrap();
            let (mut client, mut inward, mut outward) = (None, vec![0; 65535], vec![0; 65535]);
            let mut state = 1_u64;
            let mut is_lost = move || {
                // Knuth's MMIX generator; its high bits are the good ones.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % 100 < percent
            };
            loop {
                tokio::select! {
                    received = front.recv_from(&mut inward) => {
                        let (length, from) = received.unwrap();
                        client = Some(from);
                        if is_lost() {
                            continue;
                        }
                        let _ = back.send(&inward[..length]).await;
                    }
                    received = back.recv(&mut outward) => {
                        if is_lost() {
                            continue;
                        }
                        if let (Ok(length), Some(client)) = (received, client) {
                            let _ = front.send_to(&outward[..length], client).await;
                        }
                    }
                }
            }
        });
        Self { address, task }
    }

    pub fn cut(&self) {
        self.task.abort();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
