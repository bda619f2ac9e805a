//! Published requests in data streams of QUIC.

use super::{Answer, Asked, Body, NoAnswer, has_body, no_body, tcp_websocket, websocket};
use crate::connector::state::State;
use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use http::{HeaderMap, Response, StatusCode, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use quinn::{RecvStream, SendStream, VarInt, WriteError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncReadExt;
use tunnel_proto::http::{RequestHead, ResponseHead};
use tunnel_proto::stream::{ConnectRequest, ConnectResponse, ConnectionType};

/// What is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// Serves one request to its end.
pub(crate) async fn serve(
    state: &Arc<State>,
    request: ConnectRequest,
    early: Bytes,
    mut send: SendStream,
    receive: RecvStream,
) -> Result<(), WriteError> {
    let (head, target) = match read_head(&request) {
        Ok(read) => read,
        Err(reason) => return refuse(&mut send, &reason.into()).await,
    };
    let is_websocket = request.kind == ConnectionType::WebSocket;
    let (body, receive) = if is_websocket {
        (no_body(), Some(receive))
    } else if has_body(&head) {
        (request_body(Arc::clone(state), early.clone(), receive), None)
    } else {
        (no_body(), None)
    };
    let published = Arc::clone(&state.routing().published);
    let answer = tokio::select! {
        answer = published.ask(&state.policy, Asked { head, target, is_websocket, body }) => answer,
        // The edge gave it up in the meantime.
        _ = send.stopped() => return Ok(()),
    };
    match answer {
        Err(reason) => refuse(&mut send, &reason).await,
        Ok(Answer::Own(own)) => {
            send.write_chunk(response_head(own.status, &own.fields())).await?;
            send.write_chunk(own.body()).await?;
            // Fails only when the edge has stopped the stream.
            let _ = send.finish();
            Ok(())
        }
        Ok(Answer::Tcp(stream, fields)) => {
            send.write_chunk(response_head(StatusCode::SWITCHING_PROTOCOLS, &fields)).await?;
            if let Some(receive) = receive {
                tcp_websocket::join(state, stream, std::io::Cursor::new(early).chain(receive), send).await;
            }
            Ok(())
        }
        Ok(Answer::Service(response)) => {
            send.write_chunk(response_head(response.status(), response.headers())).await?;
            match receive {
                Some(receive) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    websocket::join(state, response, std::io::Cursor::new(early).chain(receive), send).await;
                    Ok(())
                }
                _ => pass_body(state, response, &mut send).await,
            }
        }
    }
}

fn read_head(request: &ConnectRequest) -> Result<(RequestHead, PathAndQuery), String> {
    let head = RequestHead::from_metadata(&request.metadata).map_err(|error| error.to_string())?;
    let uri: Uri = request.destination.parse().map_err(|error| format!("`{}`: {error}", request.destination))?;
    let target = uri.into_parts().path_and_query.unwrap_or(PathAndQuery::from_static("/"));
    Ok((head, target))
}

/// What the edge sends until it ends its side; broken off, it fails.
fn request_body(state: Arc<State>, early: Bytes, receive: RecvStream) -> Body {
    let pieces = stream::unfold((state, early, receive), |(state, early, mut receive)| async move {
        let piece = if early.is_empty() {
            receive.read_chunk(CHUNK, true).await.map(|chunk| chunk.map(|chunk| chunk.bytes))
        } else {
            Ok(Some(early))
        };
        let piece = piece.transpose()?.map_err(Into::into);
        if let Ok(piece) = &piece {
            state.counters.bytes_in.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Some((piece.map(Frame::data), (state, Bytes::new(), receive)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

async fn refuse(send: &mut SendStream, reason: &NoAnswer) -> Result<(), WriteError> {
    tracing::debug!(reason = reason.text, "published request not answered");
    let metadata = reason.dial.as_ref().map(|dial| dial.to_response().metadata).unwrap_or_default();
    send.write_chunk(ConnectResponse { error: reason.text.clone(), metadata }.encode()).await?;
    let _ = send.finish();
    // Answered means delivered: the stream's end must not overtake the answer.
    let _ = send.stopped().await;
    Ok(())
}

/// The answer's beginning. Set-Cookie stays split.
fn response_head(status: StatusCode, fields: &HeaderMap) -> Bytes {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = fields.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let metadata = ResponseHead { status: status.as_u16(), fields }.into_metadata();
    ConnectResponse { error: String::new(), metadata }.encode()
}

/// Passes the body on; trailers have no place in the protocol.
async fn pass_body(state: &State, response: Response<Incoming>, send: &mut SendStream) -> Result<(), WriteError> {
    let mut body = response.into_body();
    let mut stopped = std::pin::pin!(send.stopped());
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = &mut stopped => return Ok(()),
        };
        match frame {
            Some(Ok(frame)) => {
                let Ok(piece) = frame.into_data() else { continue };
                let length = piece.len() as u64;
                send.write_chunk(piece).await?;
                state.counters.bytes_out.fetch_add(length, Ordering::Relaxed);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "the private service broke off its response");
                let _ = send.reset(VarInt::from_u32(0));
                return Ok(());
            }
            None => {
                let _ = send.finish();
                return Ok(());
            }
        }
    }
}
