//! One request and its response head on one connection.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use connection_error::{ConnectionError, Phase, Timings};
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

use super::connection::{Connection, Stream};
use super::failure::{self, HeadEvidence};
use super::request_body::{Progress, RequestBody, RequestSource};
use super::response_body::Ending;
use super::stall::{Situation, Verdict};
use crate::plan::Plan;
use crate::policy::Policy;
use crate::traffic::Traffic;

/// How large a part of the request body goes to an HTTP/1.1 connection at once.
const HTTP1_PART: usize = 64 * 1024;

/// How large a part of the request body goes to an HTTP/2 stream at once.
const HTTP2_PART: usize = 16 * 1024;

/// A response head, with what its body needs.
pub(crate) struct Answer {
    pub response: Response<Incoming>,
    pub ending: Ending,
}

/// An exchange without a response head.
pub(crate) struct Failed {
    pub error: Box<ConnectionError>,
    /// It is certain that the service has not looked at the request.
    pub unprocessed: bool,
    /// Bytes of the request that left, where that is known.
    pub sent: Option<u64>,
    /// Bytes of the response that came.
    pub received: u64,
}

/// Sends the request and waits for the response head, timing both.
pub(crate) async fn exchange(
    connection: Connection,
    plan: &Plan,
    source: &RequestSource,
    policy: &Policy,
    timings: &mut Timings,
) -> Result<Answer, Failed> {
    let watch = |traffic: Option<Arc<Traffic>>, address| Watch { source, policy, plan, traffic, address };
    match connection {
        Connection::Http1(mut connection) => {
            connection.traffic.begin();
            let request = http1_request(plan, source);
            let watch = watch(Some(Arc::clone(&connection.traffic)), connection.facts.address);
            let response = watch.head(connection.sender.try_send_request(request), timings).await?;
            Ok(Answer { response, ending: Ending::Http1(Box::new(connection)) })
        }
        Connection::Http2(connection) => {
            let request = http2_request(plan, source).map_err(|error| Failed {
                error: Box::new(ConnectionError::internal(
                    Phase::Request,
                    format!("The request could not be written as HTTP/2: {error}."),
                )),
                unprocessed: true,
                sent: Some(0),
                received: 0,
            })?;
            let stream = Stream::of(&connection);
            let watch = watch(None, connection.facts.address);
            let mut sender = connection.sender.clone();
            let response = watch.head(sender.try_send_request(request), timings).await?;
            Ok(Answer { response, ending: Ending::Http2 { _stream: stream, address: connection.facts.address } })
        }
    }
}

fn http1_request(plan: &Plan, source: &RequestSource) -> Request<RequestBody> {
    let mut request = Request::new(source.player(Some(HTTP1_PART)));
    *request.method_mut() = plan.method.clone();
    *request.uri_mut() = plan.origin_form();
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = plan.headers.clone();
    // RFC 9110 section 8.6: methods that are about a body say so when there is none.
    if source.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&plan.method) {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    request
}

fn http2_request(plan: &Plan, source: &RequestSource) -> Result<Request<RequestBody>, http::Error> {
    let mut request = Request::new(source.player(Some(HTTP2_PART)));
    *request.method_mut() = plan.method.clone();
    *request.uri_mut() = plan.absolute_form()?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = plan.headers.clone();
    request.headers_mut().remove(HOST);
    Ok(request)
}

/// What watches over an exchange until its head is there.
struct Watch<'a> {
    source: &'a RequestSource,
    policy: &'a Policy,
    plan: &'a Plan,
    traffic: Option<Arc<Traffic>>,
    address: SocketAddr,
}

impl Watch<'_> {
    async fn head(
        &self,
        sending: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>,
        timings: &mut Timings,
    ) -> Result<Response<Incoming>, Failed> {
        let started = Instant::now();
        let mut sending = pin!(sending);
        loop {
            let passed = self.traffic.as_ref().map(|traffic| traffic.passed());
            let body = self.source.progress();
            let situation = Situation {
                now: Instant::now(),
                started,
                body: &body,
                passed: passed.as_ref(),
                read_timeout: self.policy.read_timeout,
                write_timeout: self.policy.write_timeout,
            };
            let deadline = match situation.verdict() {
                Verdict::Until(deadline) => deadline,
                stalled => {
                    self.time(started, timings);
                    let timeouts = (self.policy.read_timeout, self.policy.write_timeout);
                    let idempotent = self.plan.is_idempotent();
                    let error = match &body {
                        Progress::Failed(source) => failure::of_source(source),
                        _ => {
                            failure::of_stall(stalled, Phase::Head, self.address, timeouts, passed.as_ref(), idempotent)
                        }
                    };
                    return Err(self.failed(error, false));
                }
            };
            let result = tokio::select! {
                biased;
                result = &mut sending => result,
                () = tokio::time::sleep_until(deadline) => continue,
            };
            self.time(started, timings);
            return result.map_err(|mut error| {
                let returned = error.take_message().is_some();
                let body = self.source.progress();
                let passed = self.traffic.as_ref().map(|traffic| traffic.passed());
                let evidence = HeadEvidence {
                    address: self.address,
                    elapsed: started.elapsed(),
                    body: &body,
                    passed: passed.as_ref(),
                    idempotent: self.plan.is_idempotent(),
                };
                let read = failure::of_head(error.error(), returned, &evidence);
                self.failed(read.error, read.unprocessed)
            });
        }
    }

    /// How long sending took so far, and waiting since then.
    fn time(&self, started: Instant, timings: &mut Timings) {
        let now = Instant::now();
        let passed = self.traffic.as_ref().map(|traffic| traffic.passed()).unwrap_or_default();
        let Progress::Done(given) = self.source.progress() else {
            timings.request = Some(now - started);
            return;
        };
        if passed.write_blocked_since.is_some() || passed.write_failed.is_some() {
            timings.request = Some(now - started);
            return;
        }
        let sent = given.max(started).max(passed.last_sent.unwrap_or(started)).min(now);
        timings.request = Some(sent - started);
        timings.head = Some(now - sent);
    }

    fn failed(&self, error: Box<ConnectionError>, unprocessed: bool) -> Failed {
        let passed = self.traffic.as_ref().map(|traffic| traffic.passed());
        Failed {
            error,
            unprocessed,
            sent: passed.as_ref().map(|passed| passed.sent),
            received: passed.map_or(0, |passed| passed.received),
        }
    }
}
