//! A request on an HTTP/2 connection, on which the edge is the client.

use super::head;
use super::request_body::{BodyFailure, Replay};
use super::response_body::ResponseBody;
use super::{Answer, NotAnswered, Outgoing, Progress};
use crate::body::{BodyReader, BodyWriter};
use crate::edge::carrier::Http2;
use crate::edge::flow::{Flow, FlowStream};
use crate::edge::link::{Link, LinkUse};
use crate::edge::open::OpenError;
use crate::http2;
use bytes::Bytes;
use h2::{Reason, SendStream};
use http::header::{SEC_WEBSOCKET_ACCEPT, TE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use tokio_util::task::AbortOnDropHandle;
use tunnel_proto::http::deserialize_fields;
use tunnel_proto::origin::DialFailure;

/// What is said of a service that a stock connector could not reach: by HTTP/2 it gives no reason.
const NO_REASON: &str = "it could not reach the service and does not say why, as it is connected by HTTP/2: run it with --protocol quic to learn more";

pub(super) async fn send(carrier: &Http2, counted: LinkUse, outgoing: &Outgoing) -> Result<Answer, NotAnswered> {
    let started = Instant::now();
    let link = counted.shared();
    let Outgoing { head, is_websocket, body } = outgoing;
    let lost = |error: h2::Error, progress| NotAnswered::new(&link, OpenError::lost(&link, error), outgoing, progress);
    let mut request = Request::new(());
    *request.version_mut() = Version::HTTP_2;
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head::request_fields(head, !body.is_empty(), body.exact_length(), *is_websocket);
    // Here there is a place for trailers; services send them to those who say so.
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    if *is_websocket {
        request.headers_mut().insert(http2::UPGRADE, HeaderValue::from_static(http2::WEBSOCKET));
    }
    let mut requests = carrier.requests().ready().await.map_err(|error| lost(error, Progress::NotSent))?;
    let ends = body.is_empty() && !is_websocket;
    let (response, stream) = requests.send_request(request, ends).map_err(|error| lost(error, Progress::NotSent))?;
    let mut websocket = None;
    let mut body_sent = None;
    if *is_websocket {
        websocket = Some(BodyWriter::new(stream));
    } else if !ends {
        body_sent = Some(Box::pin(send_body(Arc::clone(body), stream, counted.shared())));
    }
    let response = {
        let mut response = pin!(response);
        loop {
            let Some(sending) = &mut body_sent else { break response.await };
            tokio::select! {
                biased;
                response = &mut response => break response,
                sent = sending => {
                    body_sent = None;
                    if let Err(error) = sent {
                        let text = format!("the request's body broke off: {error}");
                        return Err(NotAnswered::new(&link, OpenError::Other { text }, outgoing, Progress::Sent));
                    }
                }
            }
        }
    };
    let response = response.map_err(|error| {
        let refused = error.reason() == Some(Reason::REFUSED_STREAM);
        lost(error, if refused { Progress::NotSent } else { Progress::Sent })
    })?;
    let (answered, reader) = response.into_parts();
    let field = |name| answered.headers.get(name).and_then(|value| value.to_str().ok());
    if field(http2::META).is_some_and(|meta| meta != http2::META_ORIGIN) {
        return Err(match field(http2::ERROR) {
            Some(text) => {
                NotAnswered::of_origin(&link, DialFailure::classify(text), text.to_owned(), started.elapsed(), outgoing)
            }
            // The request may have reached the service.
            None => {
                let error = OpenError::of_dial(DialFailure::Other, NO_REASON.to_owned(), started.elapsed());
                NotAnswered::new(&link, error, outgoing, Progress::Sent)
            }
        });
    }
    let response = response_head(answered.status, &answered.headers).ok_or_else(|| {
        let text = "its answer is malformed: the header fields cannot be read".to_owned();
        NotAnswered::new(&link, OpenError::Other { text }, outgoing, Progress::Sent)
    })?;
    // HTTP/2 has no 101; a WebSocket that stands is known by this field.
    if answered.status == StatusCode::OK
        && response.headers().contains_key(SEC_WEBSOCKET_ACCEPT)
        && let Some(writer) = websocket
    {
        let mut response = response;
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let stream = FlowStream::Http2(writer, BodyReader::new(reader));
        return Ok(Answer::Upgraded(response, Flow::new(counted, stream, Bytes::new())));
    }
    counted.opened();
    // The service may answer before it has read everything.
    let sending = body_sent.map(|sending| {
        AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = sending.await;
        }))
    });
    let length = head::body_length(&head.method, &response);
    Ok(Answer::Response(response.map(|()| ResponseBody::http2(reader, length, counted, sending))))
}

/// The service's header fields are in one of the connector's.
fn response_head(status: StatusCode, fields: &HeaderMap) -> Option<Response<()>> {
    let text = fields.get(http2::RESPONSE_FIELDS).map_or(Some(""), |text| text.to_str().ok())?;
    let fields = deserialize_fields(text).ok()?;
    head::response_head(status.as_u16(), fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}

/// Sends the body and its end; what the connector does not take any more is left. Dropping it before that resets the stream.
async fn send_body(body: Arc<Replay>, stream: SendStream<Bytes>, link: Arc<Link>) -> Result<(), BodyFailure> {
    let mut writer = BodyWriter::new(stream);
    for index in 0.. {
        match body.piece(index).await {
            Some(Ok(piece)) => {
                if writer.write_all(&piece).await.is_err() {
                    return Ok(());
                }
                link.count_sent(piece.len());
            }
            Some(Err(error)) => {
                writer.reset();
                return Err(error);
            }
            None => break,
        }
    }
    // Fails only when the connector has broken the stream.
    let _ = writer.finish();
    Ok(())
}
