//! Raw TCP: a byte stream to a service or a destination on a network, with TLS when the caller wants to start it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use connection_error::{ConnectionError, ErrorCode, Phase};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::attempt::Attempt;
use crate::network::Io;
use crate::state::{ConnectionPermit, ServiceState};
use crate::tls::Offer;

/// An open connection. It counts as one of the service's connections, and its event is sent, when it is dropped.
pub struct TcpConnection {
    io: Box<dyn Io>,
    address: SocketAddr,
    state: Arc<ServiceState>,
    attempt: Attempt,
    permit: ConnectionPermit,
}

impl TcpConnection {
    pub(crate) fn new(
        io: Box<dyn Io>,
        address: SocketAddr,
        state: Arc<ServiceState>,
        attempt: Attempt,
        permit: ConnectionPermit,
    ) -> Self {
        Self { io, address, state, attempt, permit }
    }

    /// The literal address that was connected to, behind the tunnel.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes on in TLS, checked against `server_name` as the service's settings say.
    ///
    /// # Errors
    ///
    /// `tls_certificate_error` or `tls_protocol_error`; `http_request_denied` when the name cannot be one of TLS.
    pub async fn start_tls(self, server_name: &str) -> Result<Self, Box<ConnectionError>> {
        let Self { io, address, state, mut attempt, permit } = self;
        let Ok(name) = ServerName::try_from(server_name.to_owned()) else {
            return Err(attempt.fail(Box::new(ConnectionError::new(
                ErrorCode::HttpRequestDenied,
                Phase::Route,
                format!("`{server_name}` cannot be a TLS server name."),
            ))));
        };
        let tls = match state.tls() {
            Ok(tls) => tls,
            Err(error) => return Err(attempt.fail(error)),
        };
        let started = Instant::now();
        let shaken = tls.connect(io, name, Offer::Nothing, state.service().policy.tls_timeout).await;
        attempt.timings().tls = Some(started.elapsed());
        match shaken {
            Ok(stream) => Ok(Self { io: Box::new(stream), address, state, attempt, permit }),
            Err(error) => {
                state.missed(&error);
                Err(attempt.fail(error))
            }
        }
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl AsyncRead for TcpConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}
