//! [`Network`] by plain sockets, with the faults that only a tunnel has.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use invocation::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use uuid::Uuid;
use vpc::{DnsQueryError, DnsTransport, Draining, Network, NotOpened, OpenError, OpenedFlow};

/// Who carries its flows.
pub const CONNECTOR: Uuid = Uuid::from_u128(9);

/// Connects directly.
#[derive(Default)]
pub struct DirectNetwork {
    /// What opening says instead of trying.
    pub open_fault: Mutex<Option<OpenError>>,
    /// What asking says instead of trying.
    pub dns_fault: Mutex<Option<DnsQueryError>>,
    /// Where the resolver of an address really is; `None` stands for the connector's own.
    pub resolvers: Mutex<HashMap<Option<IpAddr>, SocketAddr>>,
    pub opened: AtomicUsize,
    pub asked: AtomicUsize,
    pub asked_by_tcp: AtomicUsize,
    /// The connector is about to go.
    pub draining: Arc<AtomicBool>,
}

impl DirectNetwork {
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// A network whose connector's resolver is this one.
    pub fn resolving(resolver: SocketAddr) -> Self {
        let network = Self::default();
        network.resolvers.lock().unwrap().insert(None, resolver);
        network
    }

    async fn open(&self, destination: SocketAddr, timeout: Duration) -> Result<OpenedFlow, OpenError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        if let Some(fault) = self.open_fault.lock().unwrap().clone() {
            return Err(fault);
        }
        match tokio::time::timeout(timeout, TcpStream::connect(destination)).await {
            Err(_) => Err(OpenError::TimedOut { after: timeout }),
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).unwrap();
                let signal = Arc::clone(&self.draining);
                Ok(OpenedFlow {
                    io: Box::new(stream),
                    connector: Some(CONNECTOR),
                    draining: Draining::new(move || signal.load(Ordering::SeqCst)),
                })
            }
            Ok(Err(error)) => {
                let text = error.to_string();
                Err(match error.kind() {
                    io::ErrorKind::ConnectionRefused => OpenError::Refused { text },
                    io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                        OpenError::Unreachable { text }
                    }
                    io::ErrorKind::TimedOut => OpenError::TimedOut { after: timeout },
                    _ => OpenError::Other { text },
                })
            }
        }
    }

    async fn ask(&self, resolver: SocketAddr, transport: DnsTransport, message: &[u8]) -> io::Result<Vec<u8>> {
        match transport {
            DnsTransport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await?;
                socket.connect(resolver).await?;
                socket.send(message).await?;
                let mut buffer = vec![0; 4096];
                let length = socket.recv(&mut buffer).await?;
                buffer.truncate(length);
                Ok(buffer)
            }
            DnsTransport::Tcp => {
                self.asked_by_tcp.fetch_add(1, Ordering::SeqCst);
                let mut stream = TcpStream::connect(resolver).await?;
                stream.write_u16(message.len() as u16).await?;
                stream.write_all(message).await?;
                let mut answer = vec![0; stream.read_u16().await?.into()];
                stream.read_exact(&mut answer).await?;
                Ok(answer)
            }
        }
    }
}

impl Network for DirectNetwork {
    fn open_tcp(
        &self,
        _tunnel: Uuid,
        destination: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<OpenedFlow, NotOpened>> {
        Box::pin(async move {
            self.open(destination, timeout).await.map_err(|error| {
                let was_asked = !matches!(error, OpenError::NoTunnel | OpenError::NoConnector);
                NotOpened { connector: was_asked.then_some(CONNECTOR), error }
            })
        })
    }

    fn query_dns<'a>(
        &'a self,
        _tunnel: Uuid,
        resolver: Option<SocketAddr>,
        transport: DnsTransport,
        message: &'a [u8],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsQueryError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if let Some(fault) = self.dns_fault.lock().unwrap().clone() {
                return Err(fault);
            }
            assert!(resolver.is_none_or(|resolver| resolver.port() == 53));
            let key = resolver.map(|resolver| resolver.ip());
            let address = *self.resolvers.lock().unwrap().get(&key).expect("a resolver that the test knows");
            match tokio::time::timeout(timeout, self.ask(address, transport, message)).await {
                Err(_) => Err(DnsQueryError::TimedOut { after: timeout }),
                Ok(answer) => answer.map_err(|error| DnsQueryError::Failed { text: error.to_string() }),
            }
        })
    }

    fn is_beside_the_edge(&self, _tunnel: Uuid) -> bool {
        true
    }
}
