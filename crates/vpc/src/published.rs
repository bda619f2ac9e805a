//! Visitors' requests at host names that lead to a tunnel: attempts as any other, with their events. The connector speaks HTTP
//! to the service there, so that all that can be known of an attempt is through whom it went and what came of it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use connection_error::{ConnectionError, ErrorCode, Phase};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use invocation::{Body, BodyError, RayId, Upgraded};
use tunnel::edge::{Answer, ResponseBody, Tunnels};
use uuid::Uuid;

use crate::attempt::Attempt;
use crate::connect::failure;
use crate::network::OpenError;
use crate::upgrade::UpgradedStream;
use crate::vpc::Vpc;

/// How long a service may take to answer, as at Cloudflare.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(100);

/// A host name that leads to what a tunnel's connectors publish there.
#[derive(Debug, Clone)]
pub struct PublishedHost {
    /// The tunnel, which the events of its requests have for a service too, as those of its network have.
    pub tunnel: Uuid,
    /// The tunnel's name.
    pub tunnel_name: String,
    /// The host name.
    pub name: String,
}

/// That what is published did not answer.
#[derive(Debug)]
pub struct NotForwarded {
    /// Why.
    pub error: Box<ConnectionError>,
    /// Whether there was a connector to ask at all.
    pub is_connected: bool,
}

impl Vpc {
    /// Sends a visitor's request through `tunnels` to the service that is published at its host, and waits for the response's
    /// head. `is_websocket` asks for a WebSocket; a `101` carries [`Upgraded`].
    ///
    /// The event's service is the tunnel, and it has no Worker.
    ///
    /// # Errors
    ///
    /// [`NotForwarded`] with what the connector says. Failures of the response's body come out of the body.
    pub async fn forward(
        &self,
        tunnels: &Tunnels,
        host: &PublishedHost,
        request: Request<Body>,
        is_websocket: bool,
        ray_id: RayId,
    ) -> Result<Response<Body>, NotForwarded> {
        let trace = request.extensions().get().copied();
        let mut attempt = Attempt::at_published(self.sink(), host, ray_id, trace);
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        let began = Instant::now();
        let answered = tunnels.send_http(host.tunnel, request, is_websocket, ANSWER_TIMEOUT).await;
        match answered {
            Ok(answer) => {
                attempt.timings().head = Some(began.elapsed());
                attempt.carried_by(Some(answer.connector()));
                Ok(match answer {
                    Answer::Response(response) => {
                        attempt.answered(response.status());
                        response.map(|body| PublishedBody { body, attempt, received: 0 }.boxed_unsync())
                    }
                    Answer::Upgraded(head, flow) => {
                        attempt.answered(head.status());
                        let mut response = head.map(|()| invocation::empty());
                        response.extensions_mut().insert(Upgraded::new(UpgradedStream::new(
                            Box::new(flow),
                            attempt,
                            None,
                        )));
                        response
                    }
                })
            }
            Err(failed) => {
                attempt.carried_by(failed.connector);
                let error = unanswered(host, &failed.error.clone().into());
                match error.phase {
                    Phase::Connect => attempt.timings().connect = Some(began.elapsed()),
                    Phase::Head => attempt.timings().head = Some(began.elapsed()),
                    _ => {}
                }
                Err(NotForwarded { error: attempt.fail(error), is_connected: failed.connector.is_some() })
            }
        }
    }
}

/// Why there is no answer.
fn unanswered(host: &PublishedHost, error: &OpenError) -> Box<ConnectionError> {
    match error {
        // The connector gives up on connecting long before.
        OpenError::TimedOut { after } if *after >= ANSWER_TIMEOUT => Box::new(ConnectionError::new(
            ErrorCode::ConnectionReadTimeout,
            Phase::Head,
            format!("{} did not answer within {:.0} s.", host.name, after.as_secs_f64()),
        )),
        error => failure::of_one(host.tunnel, &host.name, error),
    }
}

/// A response's body. Its attempt's event is sent when it ends, fails or is dropped.
struct PublishedBody {
    body: ResponseBody,
    attempt: Attempt,
    received: u64,
}

impl http_body::Body for PublishedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        Pin::new(&mut this.body).poll_frame(cx).map(|frame| match frame {
            Some(Ok(frame)) => {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let detail = format!("The response broke off after {} bytes: {error}.", this.received);
                let error = ConnectionError::new(ErrorCode::HttpResponseIncomplete, Phase::Body, detail);
                Some(Err(BodyError::Connection(*this.attempt.fail(Box::new(error)))))
            }
            None => {
                this.attempt.finish();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
