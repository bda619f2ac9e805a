//! Facts as spans: the visitor's request, the Worker under it, each subrequest under that, the connection attempt under a
//! subrequest to a private service, and the attempt's phases.

use std::time::Duration;

use connection_error::Phase;
use invocation::{Outcome, TraceContext};
use time::OffsetDateTime;

use super::attributes::Attributes;
use super::messages::{Event, Span, SpanKind, Status, StatusCode};
use super::nanoseconds;
use crate::{ConnectionEvent, ExchangeRecord, InvocationRecord, redact, span_id};

/// Where a span is in time, and in its trace.
struct Place {
    context: TraceContext,
    start: u64,
    end: u64,
}

impl Place {
    fn new(context: TraceContext, started: OffsetDateTime, duration: Duration) -> Self {
        let start = nanoseconds(started);
        Self { context, start, end: start.saturating_add(duration.as_nanos() as u64) }
    }

    fn span(self, name: String, kind: SpanKind, attributes: Attributes, status: Option<Status>) -> Span {
        Span {
            trace_id: self.context.trace_id.to_be_bytes().to_vec(),
            span_id: self.context.span_id.to_be_bytes().to_vec(),
            parent_span_id: self.context.parent_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
            flags: u32::from(self.context.sampled),
            name,
            kind: kind as i32,
            start_time_unix_nano: self.start,
            end_time_unix_nano: self.end,
            attributes: attributes.0,
            status,
            events: Vec::new(),
        }
    }
}

fn failed(message: impl Into<String>) -> Option<Status> {
    Some(Status { message: message.into(), code: StatusCode::Error as i32 })
}

/// A trace that is recorded.
fn recorded(trace: Option<TraceContext>) -> Option<TraceContext> {
    trace.filter(|trace| trace.sampled)
}

fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_2 => "2",
        http::Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// The visitor's request.
pub(super) fn of_exchange(record: &ExchangeRecord, spans: &mut Vec<Span>) {
    let Some(context) = recorded(record.trace) else { return };
    let url = redact::url(&record.path);
    let (path, query) = url.split_once('?').map_or((url.as_ref(), None), |(path, query)| (path, Some(query)));
    let attributes = Attributes::default()
        .with("http.request.method", record.method.as_str())
        .with("url.scheme", record.scheme)
        .with("url.path", path)
        .maybe("url.query", query)
        .maybe("server.address", record.host.as_deref())
        .with("client.address", record.client.to_string())
        .with("network.protocol.name", "http")
        .with("network.protocol.version", version(record.protocol))
        .maybe("user_agent.original", record.user_agent.as_deref())
        .maybe("http.response.status_code", record.status)
        .with("http.response.body.size", record.response_bytes)
        .maybe("culvert.worker", record.worker.as_deref())
        .with("culvert.ray_id", record.ray_id.to_string());
    let status = match record.status {
        // By the conventions, a server's span has failed when the server has.
        Some(status) if status >= 500 => failed(""),
        None => failed("the visitor went away before there was a response"),
        Some(_) => None,
    };
    let name = match &record.worker {
        Some(worker) => format!("{} {worker}", record.method),
        None => record.method.to_string(),
    };
    let place = Place::new(context, record.started, record.duration);
    spans.push(place.span(name, SpanKind::Server, attributes, status));
}

/// The Worker's run and its subrequests.
pub(super) fn of_invocation(record: &InvocationRecord, spans: &mut Vec<Span>) {
    let Some(request) = recorded(record.trace) else { return };
    let context = request.child(span_id::of_invocation(record.id));
    let attributes = Attributes::default()
        .with("faas.name", record.worker.as_str())
        .with("faas.version", record.version.to_string())
        .with("faas.invocation_id", record.id.to_string())
        .with("faas.trigger", if record.event_type == "fetch" { "http" } else { "other" })
        .with("culvert.event_type", record.event_type)
        .with("culvert.outcome", record.outcome.as_str())
        .with("culvert.cpu_time_ms", record.cpu_time.as_secs_f64() * 1e3)
        .with("culvert.memory_bytes", record.memory)
        .with("culvert.ray_id", record.ray_id.to_string());
    let cause = record.exceptions.first().map(|exception| format!("{}: {}", exception.name, exception.message));
    let status = match record.outcome {
        Outcome::Ok | Outcome::Canceled | Outcome::ResponseStreamDisconnected => None,
        outcome => failed(cause.unwrap_or_else(|| outcome.to_string())),
    };
    let place = Place::new(context, record.started, record.wall_time);
    let mut span = place.span(format!("worker {}", record.worker), SpanKind::Internal, attributes, status);
    span.events = record
        .exceptions
        .iter()
        .map(|exception| Event {
            time_unix_nano: u64::try_from(exception.timestamp).unwrap_or(0).saturating_mul(1_000_000),
            name: "exception".to_owned(),
            attributes: Attributes::default()
                .with("exception.type", exception.name.as_str())
                .with("exception.message", exception.message.as_str())
                .with("exception.stacktrace", exception.stack.as_str())
                .0,
        })
        .collect();
    spans.push(span);
    for (index, subrequest) in record.subrequests.iter().enumerate() {
        let milliseconds = |value: f64| Duration::try_from_secs_f64(value / 1000.0).unwrap_or_default();
        let started = record.started + milliseconds(subrequest.started_ms);
        let attributes = Attributes::default()
            .with("http.request.method", subrequest.method.as_str())
            .with("url.full", redact::url(&subrequest.url).into_owned())
            .with("culvert.binding", subrequest.target.as_str())
            .maybe("http.response.status_code", subrequest.status)
            .maybe("error.type", subrequest.error.as_deref());
        // By the conventions, a client's span has failed when the answer is an error, or there is none.
        let status = match (&subrequest.error, subrequest.status) {
            (Some(error), _) => failed(error.clone()),
            (None, Some(status)) if status >= 400 => failed(""),
            _ => None,
        };
        let place = Place::new(
            context.child(span_id::subrequest_span(record.id, index)),
            started,
            milliseconds(subrequest.duration_ms),
        );
        let name = format!("{} {}", subrequest.method, subrequest.target);
        spans.push(place.span(name, SpanKind::Client, attributes, status));
    }
}

/// A connection attempt and its phases.
pub(super) fn of_connection(event: &ConnectionEvent, spans: &mut Vec<Span>) {
    let Some(subrequest) = recorded(event.trace) else { return };
    let context = subrequest.child(span_id::of_attempt(event.id, 0));
    let (address, port) = match event.address.as_deref().map(str::parse::<std::net::SocketAddr>) {
        Some(Ok(address)) => (Some(address.ip().to_string()), Some(address.port())),
        _ => (None, None),
    };
    let error = event.error.as_ref();
    let attributes = Attributes::default()
        .with("culvert.vpc_service.id", event.service.to_string())
        .with("culvert.vpc_service.name", event.service_name.as_str())
        .with("culvert.tunnel.id", event.tunnel.to_string())
        .maybe("culvert.connector.id", event.connector.map(|connector| connector.to_string()))
        .maybe("network.peer.address", address)
        .maybe("network.peer.port", port)
        .with("culvert.connection.reused", event.reused)
        .maybe("http.response.status_code", event.status)
        .maybe("error.type", error.map(|error| error.code.as_str()))
        .maybe("culvert.error.category", error.map(|error| error.category.as_str()))
        .maybe("culvert.error.phase", error.map(|error| error.phase.as_str()));
    let timings = [
        (Phase::Dns, event.timings.dns),
        (Phase::Connect, event.timings.connect),
        (Phase::Tls, event.timings.tls),
        (Phase::Request, event.timings.request),
        (Phase::Head, event.timings.head),
    ];
    let total: Duration = timings.iter().filter_map(|(_, time)| *time).sum();
    let status = error.and_then(|error| failed(format!("{}: {}", error.code, error.detail)));
    let place = Place::new(context, event.started, total);
    spans.push(place.span(format!("connect {}", event.service_name), SpanKind::Client, attributes, status));
    let mut began = event.started;
    for (number, (phase, time)) in (1..).zip(timings) {
        let Some(time) = time else { continue };
        let status = error.filter(|error| error.phase == phase).and_then(|error| failed(error.code.as_str()));
        let place = Place::new(context.child(span_id::of_attempt(event.id, number)), began, time);
        spans.push(place.span(phase.as_str().to_owned(), SpanKind::Internal, Attributes::default(), status));
        began += time;
    }
}
