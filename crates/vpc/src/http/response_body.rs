//! The response's body on its way in: counted, timed, its failures named, its connection given back at its end.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use connection_error::{ConnectionError, Phase};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use invocation::BodyError;
use tokio::time::{Instant, Sleep};

use super::connection::{Connection, Http1, Stream};
use super::failure::{self, BodyEvidence};
use super::request_body::{Progress, RequestSource};
use super::stall::{Situation, Verdict};
use crate::attempt::Attempt;
use crate::policy::Policy;
use crate::state::{PoolKey, ServiceState};

/// What holds the connection while the body is read.
pub(crate) enum Ending {
    /// The whole connection.
    Http1(Box<Http1>),
    /// A part of one.
    Http2 { _stream: Stream, address: SocketAddr },
}

impl Ending {
    /// The traffic of a connection that is the response's alone.
    pub(crate) fn passed(&self) -> Option<crate::traffic::Passed> {
        match self {
            Self::Http1(connection) => Some(connection.traffic.passed()),
            Self::Http2 { .. } => None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Http1(connection) => connection.facts.address,
            Self::Http2 { address, .. } => *address,
        }
    }
}

/// A response body. Its attempt's event is sent when it ends, fails or is dropped.
pub(crate) struct ResponseBody {
    body: Incoming,
    attempt: Attempt,
    ending: Option<Ending>,
    state: Arc<ServiceState>,
    key: PoolKey,
    source: RequestSource,
    announced: Option<u64>,
    received: u64,
    idempotent: bool,
    started: Instant,
    /// Since when the reader waits; a reader that takes its time is not the service's fault.
    waiting_since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl ResponseBody {
    pub(crate) fn new(
        body: Incoming,
        attempt: Attempt,
        ending: Ending,
        state: Arc<ServiceState>,
        key: PoolKey,
        source: RequestSource,
        idempotent: bool,
    ) -> Self {
        let now = Instant::now();
        let announced = body.size_hint().exact();
        let mut this = Self {
            body,
            attempt,
            ending: Some(ending),
            state,
            key,
            source,
            announced,
            received: 0,
            idempotent,
            started: now,
            waiting_since: None,
            alarm: None,
        };
        if this.body.is_end_stream() {
            this.complete();
        }
        this
    }

    /// The body is there to its end.
    fn complete(&mut self) {
        if let Some(Ending::Http1(connection)) = self.ending.take() {
            give_back(*connection, Arc::clone(&self.state), self.key.clone());
        }
        self.alarm = None;
        self.attempt.finish();
    }

    fn fail(&mut self, error: Box<ConnectionError>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.ending = None;
        self.alarm = None;
        Poll::Ready(Some(Err(BodyError::Connection(*self.attempt.fail(error)))))
    }

    fn passed(&self) -> Option<crate::traffic::Passed> {
        self.ending.as_ref().and_then(Ending::passed)
    }

    /// Nothing has come: for how long is that all right?
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Box<ConnectionError>> {
        loop {
            let Policy { read_timeout, write_timeout, .. } = self.state.service().policy;
            let waiting_since = *self.waiting_since.get_or_insert_with(Instant::now);
            // The common case is that more comes soon: what the deadline really is, is worked out when this one passes.
            let alarm = self.alarm.get_or_insert_with(|| {
                Box::pin(tokio::time::sleep_until(waiting_since + read_timeout.min(write_timeout)))
            });
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let passed = self.passed();
            let body = match self.source.progress() {
                // What is not sent yet may be sent beside the response; what has been sent is over.
                Progress::Done(at) => Progress::Done(at.max(waiting_since)),
                other => other,
            };
            let situation = Situation {
                now: Instant::now(),
                started: self.started,
                body: &body,
                passed: passed.as_ref(),
                read_timeout,
                write_timeout,
            };
            match situation.verdict() {
                Verdict::Until(deadline) => {
                    if let Some(alarm) = &mut self.alarm {
                        alarm.as_mut().reset(deadline.max(Instant::now() + Duration::from_millis(1)));
                    }
                }
                stalled => {
                    let address = self.ending.as_ref().map_or_else(unknown_address, Ending::address);
                    return Poll::Ready(failure::of_stall(
                        stalled,
                        Phase::Body,
                        address,
                        (read_timeout, write_timeout),
                        passed.as_ref(),
                        self.idempotent,
                    ));
                }
            }
        }
    }
}

fn unknown_address() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

/// Puts a connection back as soon as it can take the next request. Where the service has answered in full and the request
/// is still being sent, that has the write timeout to come to an end; then the connection is closed.
fn give_back(mut connection: Http1, state: Arc<ServiceState>, key: PoolKey) {
    if connection.sender.is_closed() {
        return;
    }
    if connection.sender.is_ready() {
        state.keep(key, Connection::Http1(connection));
        return;
    }
    tokio::spawn(async move {
        let patience = state.service().policy.write_timeout;
        if let Ok(Ok(())) = tokio::time::timeout(patience, connection.sender.ready()).await {
            state.keep(key, Connection::Http1(connection));
        }
    });
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.ending.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.waiting_since = None;
                if this.body.is_end_stream() {
                    this.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let passed = this.passed();
                let evidence = BodyEvidence {
                    address: this.ending.as_ref().map_or_else(unknown_address, Ending::address),
                    announced: this.announced,
                    received: this.received,
                    request_body: &this.source.progress(),
                    passed: passed.as_ref(),
                    idempotent: this.idempotent,
                };
                let error = failure::of_body(&error, &evidence);
                this.fail(error)
            }
            Poll::Ready(None) => {
                this.complete();
                Poll::Ready(None)
            }
            Poll::Pending => match this.poll_stalled(cx) {
                Poll::Ready(error) => this.fail(error),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ending.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.ending.is_none() { SizeHint::with_exact(0) } else { self.body.size_hint() }
    }
}
