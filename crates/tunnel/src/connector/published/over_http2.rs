//! Published requests on an HTTP/2 connection, on which the edge is the client.

use super::{Answer, Asked, Body, NoAnswer, no_body, tcp_websocket, websocket};
use crate::body::{BodyReader, BodyWriter};
use crate::connector::state::State;
use crate::http2;
use bytes::Bytes;
use futures_util::stream;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::CONTENT_LENGTH;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWriteExt;
use tunnel_proto::http::{RequestHead, serialize_fields};

/// Serves one request to its end.
pub(crate) async fn serve(
    state: &Arc<State>,
    request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    state.counters.published_requests.fetch_add(1, Ordering::Relaxed);
    let is_websocket = request.headers().get(http2::UPGRADE).is_some_and(|kind| kind == http2::WEBSOCKET);
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = head.headers.iter().filter(|(name, _)| *name != http2::UPGRADE);
    let head = RequestHead {
        method: head.method.as_str().to_owned(),
        host: head.uri.authority().map(|authority| authority.host().to_owned()).unwrap_or_default(),
        fields: fields.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
    };
    let (body, reader) = if is_websocket {
        (no_body(), Some(BodyReader::new(body)))
    } else if body.is_end_stream() {
        (no_body(), None)
    } else {
        (request_body(Arc::clone(state), body), None)
    };
    let published = Arc::clone(&state.routing().published);
    let answer = tokio::select! {
        answer = published.ask(&state.policy, Asked { head, target, is_websocket, body }) => answer,
        // The edge gave it up in the meantime.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return Ok(()),
    };
    match answer {
        Err(NoAnswer { text, .. }) => {
            tracing::debug!(reason = text, "published request not answered");
            crate::connector::http2_session::refuse(respond, http2::META_CONNECTOR, &text)
        }
        Ok(Answer::Own(own)) => {
            let body = own.body();
            let mut stream = respond.send_response(response_head(own.status, &own.fields()), body.is_empty())?;
            if body.is_empty() { Ok(()) } else { stream.send_data(body, true) }
        }
        Ok(Answer::Tcp(stream, fields)) => {
            let head = response_head(StatusCode::SWITCHING_PROTOCOLS, &fields);
            let mut writer = BodyWriter::new(respond.send_response(head, false)?);
            if let Some(reader) = reader {
                tcp_websocket::join(state, stream, reader, &mut writer).await;
            }
            Ok(())
        }
        Ok(Answer::Service(response)) => {
            let head = response_head(response.status(), response.headers());
            let mut writer = BodyWriter::new(respond.send_response(head, false)?);
            match reader {
                Some(reader) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    websocket::join(state, response, reader, &mut writer).await;
                }
                _ => pass_body(state, response, writer).await,
            }
            Ok(())
        }
    }
}

/// What the edge sends until it ends its side; broken off, it fails.
fn request_body(state: Arc<State>, body: RecvStream) -> Body {
    let pieces = stream::unfold((state, body), |(state, mut body)| async move {
        let piece = body.data().await?;
        if let Ok(piece) = &piece {
            state.counters.bytes_in.fetch_add(piece.len() as u64, Ordering::Relaxed);
            // Fails only when the stream is over already.
            let _ = body.flow_control().release_capacity(piece.len());
        }
        Some((piece.map(Frame::data).map_err(Into::into), (state, body)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// The service's fields in one of the connector's; HTTP/2 has no 101.
fn response_head(status: StatusCode, fields: &HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = if status == StatusCode::SWITCHING_PROTOCOLS { StatusCode::OK } else { status };
    let text = serialize_fields(fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    let headers = response.headers_mut();
    if let Ok(text) = HeaderValue::from_str(&text) {
        headers.insert(http2::RESPONSE_FIELDS, text);
    }
    headers.insert(http2::META, HeaderValue::from_static(http2::META_ORIGIN));
    if let Some(length) = fields.get(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, length.clone());
    }
    response
}

/// Passes the body on, trailers included.
async fn pass_body(state: &State, response: Response<Incoming>, mut writer: BodyWriter) {
    let mut body = response.into_body();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = poll_fn(|cx| writer.poll_reset(cx)) => return,
        };
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => {
                    if writer.write_all(&piece).await.is_err() {
                        return;
                    }
                    state.counters.bytes_out.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        // The end of the stream as well.
                        let _ = writer.finish_with(trailers);
                        return;
                    }
                }
            },
            Some(Err(error)) => {
                tracing::debug!(%error, "the private service broke off its response");
                writer.reset();
                return;
            }
            None => {
                // Fails only when the edge has broken the stream.
                let _ = writer.finish();
                return;
            }
        }
    }
}
