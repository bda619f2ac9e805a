//! TCP in the binary messages of a WebSocket: what `cloudflared access` speaks to the ingress rules of TCP services.

use crate::connector::state::State;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderMap, HeaderValue};
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// What is read of TCP at once, in bytes: a message. As in cloudflared, which takes no larger ones whole.
const BLOCK: usize = 16 * 1024;
/// The largest message from the other side, in bytes.
const MESSAGE: usize = 1 << 20;

/// The fields of a 101 that agrees to a WebSocket, which was asked for with this key.
pub(super) fn agreement(key: Option<&str>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let accept = key.and_then(|key| HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok());
    if let Some(accept) = accept {
        fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    fields
}

/// Joins a TCP connection with the WebSocket whose frames the edge carries, until either side ends.
pub(super) async fn join(
    state: &State,
    mut service: TcpStream,
    from_edge: impl AsyncRead + Unpin,
    to_edge: impl AsyncWrite + Unpin,
) {
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE));
    let stream = tokio::io::join(from_edge, to_edge);
    let websocket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    let (mut messages_out, mut messages_in) = websocket.split();
    let (mut from_service, mut to_service) = service.split();
    let counters = &state.counters;
    let inward = async {
        while let Some(Ok(message)) = messages_in.next().await {
            let bytes: Bytes = match message {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => text.into(),
                Message::Close(_) => break,
                // Pings are answered by the protocol itself.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            if to_service.write_all(&bytes).await.is_err() {
                break;
            }
            counters.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
    };
    let outward = async {
        let mut block = vec![0; BLOCK];
        while let Ok(length) = from_service.read(&mut block).await
            && length > 0
        {
            let bytes = Bytes::copy_from_slice(block.get(..length).unwrap_or_default());
            if messages_out.send(Message::Binary(bytes)).await.is_err() {
                return;
            }
            counters.bytes_out.fetch_add(length as u64, Ordering::Relaxed);
        }
        // The end of the data, after all of it.
        let _ = messages_out.send(Message::Close(None)).await;
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}
