//! Dials the services of ingress rules, within the connector's own rules.

use super::origin_stream::OriginStream;
use crate::connector::dial::DialError;
use crate::connector::ingress;
use crate::connector::policy::DestinationPolicy;
use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tower_service::Service;
use tunnel_proto::origin::{DialFailure, Network};

/// Resolves and connects.
#[derive(Clone, Debug)]
pub(super) struct Dialler {
    policy: DestinationPolicy,
    timeout: Duration,
    /// The socket that takes the place of every host.
    socket: Option<PathBuf>,
}

impl Dialler {
    /// `timeout` is for all addresses of a name together.
    pub(super) fn new(policy: DestinationPolicy, timeout: Duration) -> Self {
        Self { policy, timeout, socket: None }
    }

    /// The same, to a socket of this machine whatever the URL says.
    pub(super) fn over_socket(self, path: PathBuf) -> Self {
        Self { socket: Some(path), ..self }
    }

    async fn dial(self, uri: Uri) -> Result<OriginStream, DialError> {
        if let Some(path) = &self.socket {
            return self.unix(path).await.map(OriginStream::Unix);
        }
        let host = ingress::bare(uri.host().unwrap_or_default());
        let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
        self.tcp(host, port).await.map(OriginStream::Tcp)
    }

    async fn unix(&self, path: &std::path::Path) -> Result<UnixStream, DialError> {
        if !self.policy.allows_sockets() {
            return Err(DialError::socket_not_allowed(path));
        }
        match tokio::time::timeout(self.timeout, UnixStream::connect(path)).await {
            Ok(connected) => connected.map_err(|error| DialError::from_socket(path, &error)),
            Err(_) => Err(DialError::from_socket(path, &std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// Connects to the first address of `host`, a name or an address, that takes it.
    pub(super) async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let deadline = Instant::now() + self.timeout;
        let found = tokio::time::timeout_at(deadline, tokio::net::lookup_host((host, port))).await;
        let found: Vec<SocketAddr> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(_)) => return Err(DialError::no_such_host(host)),
            Err(_) => return Err(DialError::lookup_timed_out(host)),
        };
        let mut failure = DialError::no_such_host(host);
        for address in found {
            if !self.policy.allows(address) {
                failure = DialError::of(Network::Tcp, address, DialFailure::NotAllowed, "policy");
                continue;
            }
            match tokio::time::timeout_at(deadline, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Not needed for the flow to work.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = DialError::from_io(Network::Tcp, address, &error),
                Err(_) => return Err(DialError::of(Network::Tcp, address, DialFailure::TimedOut, "dial")),
            }
        }
        Err(failure)
    }
}

impl Service<Uri> for Dialler {
    type Response = TokioIo<OriginStream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialler = self.clone();
        Box::pin(async move { dialler.dial(uri).await.map(TokioIo::new) })
    }
}
