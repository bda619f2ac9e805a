//! Raw TCP: a byte stream to a service or a destination on a network, with TLS when the caller wants to start it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use invocation::{BoxFuture, FetchError, Socket};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::attempt::Attempt;
use crate::network::Io;
use crate::state::{ConnectionPermit, ServiceState};
use crate::tls::Offer;

/// An open connection. It counts as one of the service's connections, and its event is sent, when it is dropped.
///
/// When it breaks, reading and writing fail with an [`io::Error`] around a [`ConnectionError`], which the event has too.
/// It may be silent for as long as both sides like; only bytes that the other side does not take for the service's write
/// timeout break it.
pub struct TcpConnection {
    io: Box<dyn Io>,
    address: SocketAddr,
    state: Arc<ServiceState>,
    attempt: Attempt,
    permit: ConnectionPermit,
    /// Bytes that came so far.
    received: u64,
    /// Ends when bytes that are to be written have waited too long.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl TcpConnection {
    pub(crate) fn new(
        io: Box<dyn Io>,
        address: SocketAddr,
        state: Arc<ServiceState>,
        attempt: Attempt,
        permit: ConnectionPermit,
    ) -> Self {
        Self { io, address, state, attempt, permit, received: 0, stalled: None }
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
        let Self { io, address, state, mut attempt, permit, .. } = self;
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
            Ok(stream) => Ok(Self::new(Box::new(stream), address, state, attempt, permit)),
            Err(error) => {
                state.missed(&error);
                Err(attempt.fail(error))
            }
        }
    }

    /// The connection broke.
    fn broke(&mut self, error: &io::Error) -> io::Error {
        let (address, received) = (self.address, self.received);
        let how = match error.kind() {
            io::ErrorKind::ConnectionReset => "reset the connection",
            io::ErrorKind::UnexpectedEof => "broke off TLS",
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => "closed the connection",
            _ => "broke off the connection",
        };
        let detail = format!("{address} {how} after {received} bytes from it ({error}).");
        let failure = ConnectionError::new(ErrorCode::ConnectionTerminated, Phase::Request, detail);
        io::Error::new(error.kind(), *self.attempt.note(Box::new(failure)))
    }

    /// Nothing could be written for too long.
    fn stuck(&mut self, after: Duration) -> io::Error {
        let detail = format!("{} took no more bytes for {:.1} s.", self.address, after.as_secs_f64());
        let failure = ConnectionError::new(ErrorCode::ConnectionWriteTimeout, Phase::Request, detail);
        io::Error::new(io::ErrorKind::TimedOut, *self.attempt.note(Box::new(failure)))
    }

    /// What became of a write, watched for the write timeout.
    fn watched<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Ok(value)) => {
                self.stalled = None;
                Poll::Ready(Ok(value))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.broke(&error))),
            Poll::Pending => {
                let timeout = self.state.service().policy.write_timeout;
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                stalled.as_mut().poll(cx).map(|()| Err(self.stuck(timeout)))
            }
        }
    }
}

impl Socket for TcpConnection {
    fn remote_address(&self) -> String {
        self.address.to_string()
    }

    fn start_tls(self: Box<Self>, server_name: String) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        Box::pin(async move {
            let secured = TcpConnection::start_tls(*self, &server_name).await?;
            Ok(Box::new(secured) as Box<dyn Socket>)
        })
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl AsyncRead for TcpConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut *self.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                self.received += (buf.filled().len() - before) as u64;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.broke(&error))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for TcpConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.io).poll_write(cx, data);
        self.watched(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut *self.io).poll_flush(cx);
        self.watched(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut *self.io).poll_shutdown(cx);
        self.watched(cx, shut)
    }
}
