//! Plain `connect()`: TCP to the public network and never to a private one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use invocation::{BoxFuture, FetchError, Socket};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::public_network::{NotPublic, is_public};

/// How long an address may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Mail is not sent by Workers, as at Cloudflare.
const SMTP: u16 = 25;

/// Opens connections to public hosts.
#[derive(Clone)]
pub struct PublicSockets {
    private_too: bool,
    /// Where this edge itself listens.
    own: Arc<[SocketAddr]>,
    tls: Arc<ClientConfig>,
}

fn failed(error: &dyn std::fmt::Display) -> FetchError {
    FetchError::Refused(format!("proxy request failed, cannot connect to the specified address: {error}"))
}

impl PublicSockets {
    /// With `private_too`, private, loopback and link-local addresses are reached as well, but for `own`.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(private_too: bool, own: Vec<SocketAddr>) -> Result<Self, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { private_too, own: own.into(), tls: Arc::new(tls) })
    }

    /// Opens a connection.
    pub async fn connect(&self, host: &str, port: u16, tls: Option<String>) -> Result<Box<dyn Socket>, FetchError> {
        if port == SMTP {
            return Err(FetchError::Refused("Connections to port 25 are prohibited.".to_owned()));
        }
        let mut last = None;
        for address in self.addresses(host, port).await? {
            if self.own.contains(&address) {
                return Err(FetchError::Refused("TCP Loop detected: this edge itself listens there.".to_owned()));
            }
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    let socket = Box::new(PublicSocket { stream: Box::new(stream), address, tls: self.tls.clone() });
                    return match tls {
                        None => Ok(socket),
                        Some(name) => socket.start_tls(name).await,
                    };
                }
                Ok(Err(error)) => last = Some(failed(&error)),
                Err(_) => last = Some(failed(&format_args!("no answer from {address} in {CONNECT:?}"))),
            }
        }
        Err(last.unwrap_or_else(|| failed(&"the host has no address")))
    }

    /// The addresses of a host that may be connected to.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((host, port)).await.map_err(|error| failed(&error))?.collect(),
        };
        let public: Vec<SocketAddr> =
            found.iter().copied().filter(|address| self.private_too || is_public(address.ip())).collect();
        if public.is_empty() && !found.is_empty() {
            return Err(FetchError::Refused(NotPublic { what: "connect()", host: host.to_owned() }.to_string()));
        }
        Ok(public)
    }
}

/// A connection to a public host. Its stream is boxed, so that TLS over it is no type of its own.
struct PublicSocket {
    stream: Box<dyn vpc::Io>,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Socket for PublicSocket {
    fn remote_address(&self) -> String {
        self.address.to_string()
    }

    fn start_tls(self: Box<Self>, server_name: String) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>> {
        let PublicSocket { stream, address, tls } = *self;
        Box::pin(async move {
            let name = ServerName::try_from(server_name.clone())
                .map_err(|_| FetchError::Refused(format!("\"{server_name}\" cannot be a TLS server name.")))?;
            let handshake = TlsConnector::from(tls.clone()).connect(name, stream);
            let failed = |error: &dyn std::fmt::Display| {
                FetchError::Network(format!("the TLS handshake with {address} for {server_name} failed: {error}"))
            };
            match tokio::time::timeout(HANDSHAKE, handshake).await {
                Ok(Ok(stream)) => {
                    let stream = Box::new(stream);
                    Ok(Box::new(PublicSocket { stream, address, tls }) as Box<dyn Socket>)
                }
                Ok(Err(error)) => Err(failed(&error)),
                Err(_) => Err(failed(&format_args!("not complete after {HANDSHAKE:?}"))),
            }
        })
    }
}

impl AsyncRead for PublicSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for PublicSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
