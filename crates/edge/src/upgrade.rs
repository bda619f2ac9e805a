//! Visitors who ask for a WebSocket: by `Upgrade` (RFC 6455) or, on HTTP/2, by extended CONNECT (RFC 8441).

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use invocation::{Duplex, websocket_accept};
use tokio::io::{AsyncWriteExt, copy, split};

use crate::headers::asks_for_upgrade;

const WEBSOCKET: &str = "websocket";

/// How long one direction may go on after the other has ended.
const PARTING: Duration = Duration::from_secs(5);

/// A visitor's wish for a WebSocket.
pub(crate) struct Wish {
    upgrade: OnUpgrade,
    /// What the visitor wants answered; HTTP/2 has no such thing.
    accept: Option<HeaderValue>,
}

impl Wish {
    /// The wish of a request, if it has one. A CONNECT that has is made the GET that it would be on HTTP/1.1.
    pub(crate) fn of(request: &mut Request<Incoming>) -> Option<Self> {
        if request.version() >= Version::HTTP_2 {
            let asked = request.method() == Method::CONNECT
                && request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == WEBSOCKET);
            if !asked {
                return None;
            }
            *request.method_mut() = Method::GET;
            return Some(Self { upgrade: hyper::upgrade::on(request), accept: None });
        }
        let headers = request.headers();
        let asked = request.method() == Method::GET
            && asks_for_upgrade(headers)
            && headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
            && headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|value| value == "13");
        if !asked {
            return None;
        }
        let accept = websocket_accept(headers.get(SEC_WEBSOCKET_KEY)?.as_bytes());
        let accept = HeaderValue::try_from(accept).ok()?;
        Some(Self { upgrade: hyper::upgrade::on(request), accept: Some(accept) })
    }

    /// Adds what a Worker knows the wish by, where the protocol has nothing of it.
    pub(crate) fn show(headers: &mut HeaderMap) {
        headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
    }

    /// Makes the head of a Worker's `101` the visitor's own, and gives its status and the connection to come.
    pub(crate) fn fulfil(self, headers: &mut HeaderMap, connection: Box<dyn Duplex>) -> (StatusCode, Joined) {
        // The frames have no extensions, whatever the one who made the socket agreed on with whom.
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        headers.remove(SEC_WEBSOCKET_ACCEPT);
        headers.remove(CONTENT_LENGTH);
        let joined = Joined { upgrade: self.upgrade, connection };
        let Some(accept) = self.accept else { return (StatusCode::OK, joined) };
        headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        (StatusCode::SWITCHING_PROTOCOLS, joined)
    }
}

/// A visitor's connection, once it is upgraded, and the one that it is to be joined with.
pub(crate) struct Joined {
    upgrade: OnUpgrade,
    connection: Box<dyn Duplex>,
}

impl Joined {
    /// Moves bytes both ways until either side ends.
    pub(crate) async fn run(self) -> io::Result<()> {
        let visitor = TokioIo::new(self.upgrade.await.map_err(io::Error::other)?);
        let (mut visitor_reader, mut visitor_writer) = split(visitor);
        let (mut reader, mut writer) = split(self.connection);
        {
            let mut out = std::pin::pin!(async {
                let copied = copy(&mut reader, &mut visitor_writer).await;
                let _ = visitor_writer.shutdown().await;
                copied
            });
            let mut back = std::pin::pin!(async {
                let copied = copy(&mut visitor_reader, &mut writer).await;
                let _ = writer.shutdown().await;
                copied
            });
            // A WebSocket is over when one side is; what the other has sent before may still arrive.
            tokio::select! {
                ended = &mut out => {
                    ended?;
                    let _ = tokio::time::timeout(PARTING, back).await;
                }
                ended = &mut back => {
                    ended?;
                    let _ = tokio::time::timeout(PARTING, out).await;
                }
            }
        }
        Ok(())
    }
}

/// The WebSocket that an HTTP/1.1 connection has become, for its driver.
pub(crate) type Successor = Mutex<Option<Joined>>;
