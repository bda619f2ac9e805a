//! What is told of one request when it is over: to the access log, and to those who follow traces.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue, REFERER, USER_AGENT};
use http::{HeaderMap, Request, StatusCode};
use invocation::{RayId, Route, TRACEPARENT, TRACESTATE, TraceContext};
use telemetry::{ExchangeRecord, Sink};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::connection::Peer;
use crate::options::EdgeOptions;

/// The longest text of a header that is told.
const LONGEST: usize = 1024;

/// A request that is being served. Its record is sent when this is dropped.
pub(crate) struct Visit {
    record: ExchangeRecord,
    begun: Instant,
    sink: Arc<dyn Sink>,
}

impl Visit {
    /// A request's head was read.
    pub(crate) fn begin<B>(
        sink: Arc<dyn Sink>,
        options: &EdgeOptions,
        peer: &Peer,
        request: &Request<B>,
        ray: RayId,
    ) -> Self {
        let text = |name: HeaderName| {
            let value = request.headers().get(name)?;
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Some(text.chars().take(LONGEST).collect())
        };
        let record = ExchangeRecord {
            ray_id: ray,
            started: OffsetDateTime::now_utc(),
            duration: Duration::ZERO,
            client: peer.address,
            protocol: request.version(),
            method: request.method().clone(),
            scheme: options.scheme.as_str(),
            host: None,
            path: request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            user_agent: text(USER_AGENT),
            referer: text(REFERER),
            worker: None,
            version: None,
            status: None,
            response_bytes: 0,
            complete: false,
            trace: options.trace_sampling.map(|share| trace(request.headers(), share)),
        };
        Self { record, begun: Instant::now(), sink }
    }

    /// The host that was asked for.
    pub(crate) fn asked(&mut self, host: &Arc<str>) {
        self.record.host = Some(Arc::clone(host));
    }

    /// A Worker serves it.
    pub(crate) fn routed(&mut self, route: &Route) {
        self.record.worker = Some(Arc::clone(&route.worker));
        self.record.version = Some(route.version);
    }

    /// Tells those who work for the request which trace it belongs to. The Worker sees our span, so that what it passes on
    /// by itself is right as well.
    pub(crate) fn pass_on(&self, head: &mut http::request::Parts) {
        let Some(trace) = self.record.trace else { return };
        head.extensions.insert(trace);
        if trace.parent_id.is_none() {
            // It is of another trace, or of none (W3C Trace Context, section 3.3).
            head.headers.remove(TRACESTATE);
        }
        if let Ok(value) = HeaderValue::try_from(trace.to_string()) {
            head.headers.insert(HeaderName::from_static(TRACEPARENT), value);
        }
    }

    /// There is a response.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.record.status = Some(status.as_u16());
    }

    /// So much of its body goes out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.record.response_bytes = self.record.response_bytes.saturating_add(bytes as u64);
    }

    /// All of it went out.
    pub(crate) fn completed(&mut self) {
        self.record.complete = true;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.record.duration = self.begun.elapsed();
        self.sink.exchange(self.record.clone());
    }
}

/// The trace that a request belongs to: its sender's, or a new one.
fn trace(headers: &HeaderMap, share: f64) -> TraceContext {
    let given = headers.get(TRACEPARENT).and_then(|value| TraceContext::parse(value.to_str().ok()?));
    match given {
        Some(parent) => parent.child(fastrand::u64(1..)),
        None => TraceContext::begin(share),
    }
}
