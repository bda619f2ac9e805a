//! Facts as spans: the visitor's request, the Worker under it, each subrequest under that, the connection attempt under a
//! subrequest to a private service, and the attempt's phases.

use std::time::Duration;

use connection_error::{ErrorCode, Phase};
use invocation::{Outcome, TraceContext};
use time::OffsetDateTime;

use super::attributes::{self, Attributes};
use super::messages::{Event, Span, SpanKind, Status, StatusCode};
use super::nanoseconds;
use crate::record::Ending;
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
        .method(record.method.as_str())
        .with("url.scheme", record.scheme)
        .with("url.path", path)
        .maybe("url.query", query)
        .with("client.address", record.client.to_string())
        .with("network.protocol.name", "http")
        .with("network.protocol.version", version(record.protocol))
        .maybe("user_agent.original", record.user_agent.as_deref())
        .maybe("http.response.status_code", record.status)
        .with("http.response.body.size", record.response_bytes)
        .maybe("culvert.worker", record.worker.as_deref())
        .with("culvert.ray_id", record.ray_id.to_string());
    let attributes = match record.host.as_deref() {
        Some(host) => attributes.server(host, Some(record.scheme)),
        None => attributes,
    };
    let (error, status) = match record.status {
        // By the conventions, a server's span has failed when the server has.
        Some(status) if status >= 500 => (Some(status.to_string()), failed("")),
        None => (Some("canceled".to_owned()), failed("the visitor went away before there was a response")),
        Some(_) => (None, None),
    };
    let attributes = attributes.maybe("error.type", error);
    let method = attributes::method_in_name(record.method.as_str());
    let name = match &record.worker {
        Some(worker) => format!("{method} {worker}"),
        None => method.to_owned(),
    };
    let place = Place::new(context, record.started, record.duration);
    spans.push(place.span(name, SpanKind::Server, attributes, status));
}

/// The Worker's run and its subrequests.
pub(super) fn of_invocation(record: &InvocationRecord, spans: &mut Vec<Span>) {
    let Some(request) = recorded(record.trace) else { return };
    let mut context = request.child(span_id::of_invocation(record.id));
    if record.event_type == "scheduled" {
        // The clock has no span: the trace begins here.
        context.parent_id = None;
    }
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
    let (error, status) = match record.outcome {
        Outcome::Ok | Outcome::Canceled | Outcome::ResponseStreamDisconnected => (None, None),
        outcome => {
            let thrown = record.exceptions.first().filter(|_| outcome == Outcome::Exception);
            let error = thrown.map_or(outcome.as_str(), |exception| exception.name.as_str());
            (Some(error), failed(cause.unwrap_or_else(|| outcome.to_string())))
        }
    };
    let attributes = attributes.maybe("error.type", error);
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
        let attributes = Attributes::default().with("culvert.binding", subrequest.target.as_str());
        let attributes = match subrequest.method.as_str() {
            // A method of another Worker, by its name.
            "RPC" => attributes.with("rpc.method", subrequest.url.as_str()),
            // A raw connection, by its address.
            "CONNECT" => attributes.with("network.transport", "tcp").server(&subrequest.url, None),
            method => attributes.method(method).url(&redact::url(&subrequest.url)),
        };
        // By the conventions, a client's span has failed when the answer is an error, or there is none.
        let (error, status) = match (&subrequest.error, subrequest.status) {
            (Some(error), _) => (Some(kind(error).to_owned()), failed(error.clone())),
            (None, Some(status)) if status >= 400 => (Some(status.to_string()), failed("")),
            _ => (None, None),
        };
        let attributes = attributes.maybe("http.response.status_code", subrequest.status).maybe("error.type", error);
        let place = Place::new(
            context.child(span_id::subrequest_span(record.id, index)),
            started,
            milliseconds(subrequest.duration_ms),
        );
        let name = format!("{} {}", subrequest.method, subrequest.target);
        spans.push(place.span(name, SpanKind::Client, attributes, status));
    }
}

/// The kind of an error by its text: the code of a connection's, for the text of others may be anything.
fn kind(error: &str) -> &str {
    let code = error.trim_start_matches("ProxyError: ");
    if code.parse::<ErrorCode>().is_ok() { code } else { attributes::OTHER }
}

/// A connection attempt and its phases. It is a part of the subrequest, which alone is the client's span by the conventions for HTTP: only
/// that one knows method and URL.
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
        .maybe("culvert.error.phase", error.map(|error| error.phase.as_str()))
        .maybe("culvert.connection.canceled", (event.ending() == Ending::Canceled).then_some(true));
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
    spans.push(place.span(format!("connect {}", event.service_name), SpanKind::Internal, attributes, status));
    let mut began = event.started;
    for (number, (phase, time)) in (1..).zip(timings) {
        let Some(time) = time else { continue };
        let status = error.filter(|error| error.phase == phase).and_then(|error| failed(error.code.as_str()));
        let place = Place::new(context.child(span_id::of_attempt(event.id, number)), began, time);
        spans.push(place.span(phase.as_str().to_owned(), SpanKind::Internal, Attributes::default(), status));
        began += time;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::SubrequestRecord;
    use crate::otlp::messages::Value;
    use invocation::RayId;
    use std::sync::Arc;
    use uuid::Uuid;

    const TRACE: TraceContext = TraceContext { trace_id: 1, span_id: 2, parent_id: None, sampled: true };

    /// The attributes that the conventions for HTTP name.
    fn conventional(span: &Span) -> Vec<(String, String)> {
        let mut found: Vec<_> = span
            .attributes
            .iter()
            .filter(|attribute| {
                ["http.", "url.", "server.", "error.", "rpc.", "network.transport"]
                    .iter()
                    .any(|prefix| attribute.key.starts_with(prefix))
            })
            .map(|attribute| {
                let value = match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
                    Value::String(text) => text.clone(),
                    Value::Int(number) => number.to_string(),
                    other => panic!("{other:?}"),
                };
                (attribute.key.clone(), value)
            })
            .collect();
        found.sort();
        found
    }

    fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn subrequest(method: &str, url: &str, status: Option<u16>, error: Option<&str>) -> Vec<(String, String)> {
        let record = InvocationRecord {
            id: Uuid::from_u128(1),
            ray_id: RayId(1),
            worker: "shop".to_owned(),
            version: Uuid::nil(),
            event_type: "fetch",
            entrypoint: None,
            started: OffsetDateTime::UNIX_EPOCH,
            outcome: Outcome::Ok,
            cpu_time: Duration::ZERO,
            wall_time: Duration::ZERO,
            memory: 0,
            trigger: None,
            method: "GET".to_owned(),
            url: "http://shop/".to_owned(),
            headers: Vec::new(),
            status: Some(200),
            logs: Vec::new(),
            exceptions: Vec::new(),
            subrequests: vec![SubrequestRecord {
                target: "API".to_owned(),
                method: method.to_owned(),
                url: url.to_owned(),
                started_ms: 0.0,
                duration_ms: 1.0,
                status,
                error: error.map(str::to_owned),
            }],
            further_subrequests: 0,
            truncated: false,
            trace: Some(TRACE),
        };
        let mut spans = Vec::new();
        of_invocation(&record, &mut spans);
        assert_eq!(spans[1].kind, SpanKind::Client as i32);
        conventional(&spans[1])
    }

    #[test]
    fn a_subrequest_has_what_a_client_must_say() {
        let expected = of(&[
            ("error.type", "503"),
            ("http.request.method", "GET"),
            ("http.response.status_code", "503"),
            ("server.address", "api.internal"),
            ("server.port", "8443"),
            ("url.full", "https://api.internal:8443/x?q=1"),
        ]);
        assert_eq!(subrequest("GET", "https://api.internal:8443/x?q=1", Some(503), None), expected);
        let expected = of(&[
            ("error.type", "connection_refused"),
            ("http.request.method", "_OTHER"),
            ("http.request.method_original", "BREW"),
            ("server.address", "fd00::1"),
            ("server.port", "80"),
            ("url.full", "http://[fd00::1]/"),
        ]);
        assert_eq!(subrequest("BREW", "http://[fd00::1]/", None, Some("ProxyError: connection_refused")), expected);
        let expected = of(&[
            ("error.type", "_OTHER"),
            ("http.request.method", "POST"),
            ("server.address", "a.example"),
            ("server.port", "443"),
            ("url.full", "https://a.example"),
        ]);
        assert_eq!(subrequest("POST", "https://a.example", None, Some("the visitor's 17th problem")), expected);
    }

    #[test]
    fn what_is_not_http_does_not_say_that_it_is() {
        assert_eq!(subrequest("RPC", "cart.add", None, None), of(&[("rpc.method", "cart.add")]));
        let expected = of(&[("network.transport", "tcp"), ("server.address", "db.internal"), ("server.port", "5432")]);
        assert_eq!(subrequest("CONNECT", "db.internal:5432", None, None), expected);
    }

    #[test]
    fn a_request_has_what_a_server_must_say() {
        let exchange = |status: Option<u16>, host: &str| {
            let record = ExchangeRecord {
                ray_id: RayId(1),
                started: OffsetDateTime::UNIX_EPOCH,
                duration: Duration::from_millis(1),
                client: [192, 0, 2, 1].into(),
                protocol: http::Version::HTTP_11,
                method: http::Method::GET,
                scheme: "http",
                host: Some(Arc::from(host)),
                path: "/a?b=1".to_owned(),
                user_agent: None,
                referer: None,
                worker: None,
                version: None,
                status,
                response_bytes: 0,
                complete: true,
                trace: Some(TRACE),
            };
            let mut spans = Vec::new();
            of_exchange(&record, &mut spans);
            conventional(&spans[0])
        };
        let find = |attributes: &[(String, String)], wanted: &str| {
            attributes.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone())
        };
        let failed = exchange(Some(503), "shop.localhost:8787");
        assert_eq!(find(&failed, "error.type").as_deref(), Some("503"));
        assert_eq!(find(&failed, "server.address").as_deref(), Some("shop.localhost"));
        assert_eq!(find(&failed, "server.port").as_deref(), Some("8787"));
        let fine = exchange(Some(404), "shop.example");
        assert_eq!((find(&fine, "error.type"), find(&fine, "server.port").as_deref()), (None, Some("80")));
        assert_eq!(find(&exchange(None, "a"), "error.type").as_deref(), Some("canceled"));
    }
}
