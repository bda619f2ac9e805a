//! What a `101` leaves behind.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// In the extensions of a response of `101`: the connection after it, to be taken once. What goes over it are the frames of RFC 6455 without
/// extensions, so that any two of them can be joined byte by byte. The response's own handshake fields are for the one who reads it:
/// whoever passes the response on writes its own.
#[derive(Clone)]
pub struct Upgraded(Arc<Mutex<Option<Box<dyn Duplex>>>>);

impl Upgraded {
    /// With this connection.
    pub fn new(connection: impl Duplex + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(connection)))))
    }

    /// The connection; `None` when it has been taken already.
    pub fn take(&self) -> Option<Box<dyn Duplex>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}

/// What a client and a server hash together with the key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` for a key (RFC 6455 section 4.2.2).
pub fn websocket_accept(key: &[u8]) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3.
    #[test]
    fn accepts_the_handshake_of_the_rfc() {
        assert_eq!(websocket_accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
