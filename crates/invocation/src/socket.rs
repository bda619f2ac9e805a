//! Going out without HTTP: what a Worker's `connect()` asks of the rest, and the byte stream that it gets.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{BoxFuture, Caller, FetchError, Target};

/// A Worker's `connect()`.
#[derive(Debug, Clone)]
pub struct Connect {
    /// Where it goes. A VPC Service picks host and port itself.
    pub target: Target,
    /// The host that the Worker named: a name, or an address without brackets.
    pub host: String,
    /// The port that it named.
    pub port: u16,
    /// For TLS from the first byte, the name that the certificate must be for.
    pub tls: Option<String>,
    /// Who asks.
    pub caller: Caller,
}

/// A TCP connection that stands, as a stream of bytes each way. Dropping it closes it. A failure that has a
/// [`connection_error::ConnectionError`] is an [`std::io::Error`] around it; [`FetchError::of_io`] finds it.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {
    /// The address that was connected to, as text with its port.
    fn remote_address(&self) -> String;

    /// Goes on in TLS; the certificate must be for this name, as far as the target's settings check it.
    fn start_tls(self: Box<Self>, server_name: String) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>>;
}
