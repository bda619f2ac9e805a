//! Leaving HTTP: what an upgrade request asks, whether a `101` answers it (RFC 9110 section 7.8, RFC 6455 section 4), and the
//! byte streams that it leaves behind.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
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
    /// The names of the extensions that a WebSocket may have.
    extensions: Vec<String>,
    /// The protocols of which a WebSocket may have one.
    protocols: Vec<String>,
}

/// The elements of a comma-separated field, over all its lines.
fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

/// The name of an extension, without its parameters.
fn extension_name(element: &str) -> &str {
    element.split(';').next().unwrap_or_default().trim()
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
        let extensions = elements(headers, &SEC_WEBSOCKET_EXTENSIONS).map(|it| extension_name(it).to_owned()).collect();
        let protocols = elements(headers, &SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        Self { protocol, websocket_key, extensions, protocols }
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
        // RFC 6455 section 4.1: what was not asked for fails the connection.
        let unasked =
            |given: &str| !self.extensions.iter().any(|asked| asked.eq_ignore_ascii_case(extension_name(given)));
        if elements(headers, &SEC_WEBSOCKET_EXTENSIONS).any(unasked) {
            return Err(format!("it has {}, which was not asked for", shown(&SEC_WEBSOCKET_EXTENSIONS)));
        }
        let chosen = headers.get(SEC_WEBSOCKET_PROTOCOL).map(|value| value.to_str().unwrap_or_default().trim());
        if chosen.is_some_and(|chosen| !self.protocols.iter().any(|asked| asked == chosen)) {
            return Err(format!("it has {}, which was not asked for", shown(&SEC_WEBSOCKET_PROTOCOL)));
        }
        Ok(())
    }
}

/// The connection after a `101`, raw bytes both ways. It counts as one of the service's connections until it is dropped, which
/// is when its event is sent.
pub struct UpgradedStream {
    io: Box<dyn Io>,
    _attempt: Attempt,
    /// A registered service counts its connections.
    _permit: Option<ConnectionPermit>,
}

impl UpgradedStream {
    pub(crate) fn new(io: Box<dyn Io>, attempt: Attempt, permit: Option<ConnectionPermit>) -> Self {
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
    fn an_answer_has_only_what_was_asked_for() {
        let request: HeaderMap = [
            (SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==")),
            (SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static("permessage-deflate; client_max_window_bits, x-other")),
            (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chat, superchat")),
        ]
        .into_iter()
        .collect();
        let (asking, plain) = (Upgrade::new("websocket".to_owned(), &request), {
            let key = [(SEC_WEBSOCKET_KEY, request[SEC_WEBSOCKET_KEY].clone())].into_iter().collect();
            Upgrade::new("websocket".to_owned(), &key)
        });
        let answer = |name: HeaderName, value: &'static str| -> HeaderMap {
            [
                (CONNECTION, HeaderValue::from_static("upgrade")),
                (UPGRADE, HeaderValue::from_static("websocket")),
                (SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
                (name, HeaderValue::from_static(value)),
            ]
            .into_iter()
            .collect()
        };
        let deflate = answer(SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate; server_no_context_takeover");
        assert_eq!(asking.check(&deflate), Ok(()));
        assert!(plain.check(&deflate).unwrap_err().contains("permessage-deflate"));
        let chat = answer(SEC_WEBSOCKET_PROTOCOL, "superchat");
        assert_eq!(asking.check(&chat), Ok(()));
        assert!(plain.check(&chat).unwrap_err().contains("superchat"));
        assert!(asking.check(&answer(SEC_WEBSOCKET_PROTOCOL, "chat, superchat")).is_err());
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
