//! A request in a data stream of QUIC.

use super::head;
use super::request_body::{BodyFailure, Replay};
use super::response_body::ResponseBody;
use super::{Answer, NotAnswered, Outgoing, Progress};
use crate::edge::flow::{Flow, FlowStream};
use crate::edge::link::{Link, LinkUse};
use crate::edge::open::{self, OpenError};
use crate::edge::sender::Sender;
use http::StatusCode;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tunnel_proto::http::ResponseHead;
use tunnel_proto::origin::OriginError;
use tunnel_proto::stream::{ConnectRequest, ConnectionType};

/// What a request still has to send after its head.
enum Sending {
    /// Nothing.
    Nothing,
    /// A body.
    Body(Sender),
    /// Whatever the two sides of a WebSocket have to say.
    WebSocket(Sender),
}

pub(super) async fn send(
    connection: &quinn::Connection,
    counted: LinkUse,
    outgoing: &Outgoing,
) -> Result<Answer, NotAnswered> {
    let started = Instant::now();
    let link = counted.shared();
    let heard = link.carrier.heard();
    let lost = |error: &dyn std::fmt::Display| {
        // Whatever was sent on a connection that was not heard again has not arrived.
        let progress = if link.carrier.heard() == heard { Progress::NotSent } else { Progress::Sent };
        NotAnswered::new(&link, OpenError::lost(&link, error), outgoing, progress)
    };
    let Outgoing { head, is_websocket, body } = outgoing;
    let (sender, mut receive) = connection.open_bi().await.map_err(|error| lost(&error))?;
    let mut sender = Sender::new(sender);
    let request = ConnectRequest {
        destination: head.uri.to_string(),
        kind: if *is_websocket { ConnectionType::WebSocket } else { ConnectionType::Http },
        metadata: head::request_head(head, !body.is_empty(), body.exact_length(), *is_websocket).into_metadata(),
    };
    sender.write_chunk(request.encode()).await.map_err(|error| lost(&error))?;
    let sending = if *is_websocket {
        Sending::WebSocket(sender)
    } else if body.is_empty() {
        // Fails only when the connector has stopped the stream.
        let _ = sender.finish();
        sender.done();
        Sending::Nothing
    } else {
        Sending::Body(sender)
    };
    let mut websocket = None;
    // A stream can be written to from one place only, so what sends the body owns its half.
    let mut body_sent = match sending {
        Sending::Body(sender) => Some(Box::pin(send_body(Arc::clone(body), sender, Arc::clone(&link)))),
        Sending::WebSocket(sender) => {
            websocket = Some(sender);
            None
        }
        Sending::Nothing => None,
    };
    let answer = {
        let mut answer = pin!(open::read_response(&link, &mut receive));
        loop {
            let Some(sending) = &mut body_sent else { break answer.await };
            tokio::select! {
                biased;
                answer = &mut answer => break answer,
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
    let (answer, early) = answer.map_err(|error| match &error {
        OpenError::ConnectorLost { reason, .. } => lost(reason),
        _ => NotAnswered::new(&link, error, outgoing, Progress::Sent),
    })?;
    if let Some(error) = OriginError::from_response(&answer) {
        return Err(NotAnswered::of_origin(&link, error.cause, error.words(), started.elapsed(), outgoing));
    }
    let malformed = |reason: String| {
        let text = format!("its answer is malformed: {reason}");
        NotAnswered::new(&link, OpenError::Other { text }, outgoing, Progress::Sent)
    };
    let answered = ResponseHead::from_response(&answer).map_err(|error| malformed(error.to_string()))?;
    let fields = answered.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let response = head::response_head(answered.status, fields)
        .ok_or_else(|| malformed(format!("{} is no status", answered.status)))?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(mut sender) = websocket else { return Err(malformed("nobody asked for an upgrade".to_owned())) };
        sender.done();
        return Ok(Answer::Upgraded(response, Flow::new(counted, FlowStream::Quic(sender, receive), early)));
    }
    counted.opened();
    let length = head::body_length(&head.method, &response);
    // The service may answer before it has read everything.
    let sending = body_sent.map(|sending| {
        AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = sending.await;
        }))
    });
    Ok(Answer::Response(response.map(|()| ResponseBody::quic(receive, early, length, counted, sending))))
}

/// Sends the body and its end; what the connector does not take any more is left.
async fn send_body(body: Arc<Replay>, mut sender: Sender, link: Arc<Link>) -> Result<(), BodyFailure> {
    for index in 0.. {
        match body.piece(index).await {
            Some(Ok(piece)) => {
                let length = piece.len();
                if sender.write_chunk(piece).await.is_err() {
                    return Ok(());
                }
                link.count_sent(length);
            }
            // The sender is dropped, so that a body that broke off does not look like one that ended.
            Some(Err(error)) => return Err(error),
            None => break,
        }
    }
    // Fails only when the connector has stopped the stream.
    let _ = sender.finish();
    sender.done();
    Ok(())
}
