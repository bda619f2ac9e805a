//! Leaving HTTP: what an upgrade request asks, whether a `101` answers it (RFC 9110 section 7.8, RFC 6455 section 4), and the
//! byte streams that it leaves behind.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use invocation::websocket_accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uuid::Uuid;

use crate::attempt::Attempt;
use crate::headers::has_token;
use crate::network::Io;
use crate::state::ConnectionPermit;

/// An upgrade that a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade {
    protocol: String,
    /// For a WebSocket, the key of this handshake: the caller's, or one of ours when it has none.
    websocket_key: Option<HeaderValue>,
}

impl Upgrade {
    /// From the fields of the request, before hop-by-hop fields are removed.
    pub(crate) fn new(protocol: String, headers: &HeaderMap) -> Self {
        let websocket_key = protocol.eq_ignore_ascii_case("websocket").then(|| {
            headers.get(SEC_WEBSOCKET_KEY).cloned().unwrap_or_else(|| {
                let nonce = Uuid::new_v4().into_bytes();
                HeaderValue::from_str(&STANDARD.encode(nonce)).unwrap_or(HeaderValue::from_static(""))
            })
        });
        Self { protocol, websocket_key }
    }

    /// Adds the fields that ask for it.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Ok(protocol) = HeaderValue::from_str(&self.protocol) {
            headers.insert(UPGRADE, protocol);
        }
        if let Some(key) = &self.websocket_key {
            headers.insert(SEC_WEBSOCKET_KEY, key.clone());
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
    }

    /// What is asked for.
    pub(crate) fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Whether a `101` with these fields is the right answer, or what is wrong with it.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), String> {
        let shown = |name: &HeaderName| {
            headers.get(name).map_or_else(
                || format!("no {name} header"),
                |value| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())),
            )
        };
        if !has_token(headers, &CONNECTION, "upgrade") {
            return Err(format!("Connection: upgrade was expected, and it has {}", shown(&CONNECTION)));
        }
        let asked = self.protocol.split('/').next().unwrap_or_default();
        let right = headers.get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').any(|got| got.trim().split('/').next().unwrap_or_default().eq_ignore_ascii_case(asked))
        });
        if !right {
            return Err(format!("Upgrade: {} was expected, and it has {}", self.protocol, shown(&UPGRADE)));
        }
        let Some(key) = &self.websocket_key else { return Ok(()) };
        let expected = websocket_accept(key.as_bytes());
        let given = headers.get(SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().trim_ascii());
        if given != Some(expected.as_bytes()) {
            return Err(format!(
                "Sec-WebSocket-Accept: {expected} was expected, and it has {}",
                shown(&SEC_WEBSOCKET_ACCEPT)
            ));
        }
        Ok(())
    }
}

/// The connection after a `101`, raw bytes both ways. It counts as one of the service's connections, and its event is sent,
/// when it is dropped.
pub struct UpgradedStream {
    io: Box<dyn Io>,
    _attempt: Attempt,
    _permit: ConnectionPermit,
}

impl UpgradedStream {
    pub(crate) fn new(io: Box<dyn Io>, attempt: Attempt, permit: ConnectionPermit) -> Self {
        Self { io, _attempt: attempt, _permit: permit }
    }
}

impl fmt::Debug for UpgradedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradedStream").finish_non_exhaustive()
    }
}

impl AsyncRead for UpgradedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for UpgradedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

/// In the extensions of a `101` response: where its [`UpgradedStream`] can be taken, once.
#[derive(Debug, Clone)]
pub struct Upgraded(Arc<Mutex<Option<UpgradedStream>>>);

impl Upgraded {
    pub(crate) fn new(stream: UpgradedStream) -> Self {
        Self(Arc::new(Mutex::new(Some(stream))))
    }

    /// The stream; `None` when it has been taken already.
    pub fn take(&self) -> Option<UpgradedStream> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of RFC 6455 section 1.3.
    #[test]
    fn accepts_the_handshake_of_the_rfc() {
        let request: HeaderMap =
            [(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="))].into_iter().collect();
        let upgrade = Upgrade::new("websocket".to_owned(), &request);
        let answer = |connection: &'static str, to: &'static str, accept: &'static str| -> HeaderMap {
            [
                (CONNECTION, HeaderValue::from_static(connection)),
                (UPGRADE, HeaderValue::from_static(to)),
                (SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(accept)),
            ]
            .into_iter()
            .collect()
        };
        let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(upgrade.check(&answer("Upgrade", "WebSocket", right)), Ok(()));
        assert!(upgrade.check(&answer("keep-alive", "websocket", right)).unwrap_err().contains("keep-alive"));
        assert!(upgrade.check(&answer("upgrade", "h2c", right)).unwrap_err().contains("h2c"));
        assert!(upgrade.check(&answer("upgrade", "websocket", "AAAA")).unwrap_err().contains("AAAA"));
        assert!(upgrade.check(&HeaderMap::new()).unwrap_err().contains("no connection header"));
    }

    #[test]
    fn makes_a_key_where_there_is_none() {
        let upgrade = Upgrade::new("websocket".to_owned(), &HeaderMap::new());
        let mut headers = HeaderMap::new();
        upgrade.add_to(&mut headers);
        assert_eq!(STANDARD.decode(&headers[SEC_WEBSOCKET_KEY]).unwrap().len(), 16);
        assert_eq!(headers[SEC_WEBSOCKET_VERSION], "13");
    }
}
