//! OTLP, as a collector reads it: a real server decodes what comes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use invocation::{Outcome, TraceContext};
use prost::Message;
use telemetry::otlp_messages::{
    Data, KeyValue, LogRecord, LogsRequest, Metric, MetricsRequest, Number, Span, TracesRequest, Value,
};
use telemetry::{OtlpOptions, Sampling, SubrequestRecord, Telemetry, TelemetryOptions, subrequest_span};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::engine::location;
use crate::facts::{connection, invocation, keeper_with, line, unlimited};

/// What a collector was sent.
#[derive(Default)]
struct Received {
    spans: Mutex<Vec<Span>>,
    logs: Mutex<Vec<LogRecord>>,
    metrics: Mutex<Vec<Metric>>,
    heads: Mutex<Vec<String>>,
    /// Messages that are still refused with 503.
    refusing: AtomicUsize,
}

/// A collector on a port of its own.
async fn collector(refusing: usize) -> (String, Arc<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let received = Arc::new(Received { refusing: refusing.into(), ..Received::default() });
    let sink = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, sink.clone()));
        }
    });
    (endpoint, received)
}

async fn serve(stream: TcpStream, received: Arc<Received>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line.to_ascii_lowercase());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.trim().parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let refuses =
            received.refusing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if !refuses {
            keep(&received, &head, &body);
        }
        let answer = if refuses { "503 Service Unavailable" } else { "200 OK" };
        stream.write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
    }
}

fn keep(received: &Received, head: &str, body: &[u8]) {
    received.heads.lock().unwrap().push(head.to_owned());
    if head.starts_with("post /v1/traces ") {
        let message = TracesRequest::decode(body).unwrap();
        let spans = message.resource_spans.into_iter().flat_map(|resource| {
            assert_eq!(text(&resource.resource.unwrap().attributes, "service.name"), "culvert");
            resource.scope_spans.into_iter().flat_map(|scope| scope.spans)
        });
        received.spans.lock().unwrap().extend(spans);
    } else if head.starts_with("post /v1/logs ") {
        let message = LogsRequest::decode(body).unwrap();
        let scopes = message.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        received.logs.lock().unwrap().extend(scopes.flat_map(|scope| scope.log_records));
    } else if head.starts_with("post /v1/metrics ") {
        let message = MetricsRequest::decode(body).unwrap();
        let scopes = message.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        *received.metrics.lock().unwrap() = scopes.flat_map(|scope| scope.metrics).collect();
    } else {
        panic!("{head}");
    }
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match find(attributes, key) {
        Some(Value::String(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

async fn keeper(endpoint: &str) -> (TempDir, Telemetry) {
    let mut otlp = OtlpOptions::new(endpoint);
    otlp.headers = vec![("x-key".to_owned(), "secret".to_owned())];
    keeper_with(TelemetryOptions { otlp: Some(otlp), ..unlimited() }).await
}

#[tokio::test]
async fn an_invocation_is_a_tree_of_spans() {
    let (endpoint, received) = collector(0).await;
    let (_directory, telemetry) = keeper(&endpoint).await;
    let request = TraceContext { trace_id: 0xabc, span_id: 1, parent_id: Some(77), sampled: true };
    let mut record = invocation(5);
    record.trace = Some(request);
    record.outcome = Outcome::Exception;
    record.logs.push(line("said"));
    record.subrequests.push(SubrequestRecord {
        target: "API".to_owned(),
        method: "GET".to_owned(),
        url: "http://api.internal/0123456789abcdef0123456789abcdef".to_owned(),
        started_ms: 0.5,
        duration_ms: 7.25,
        status: None,
        error: Some("ProxyError: connection_read_timeout".to_owned()),
    });
    let subrequest = subrequest_span(record.id, 0);
    let mut event = connection(5);
    event.started = record.started;
    event.trace = Some(request.child(99).child(subrequest));
    let error = ConnectionError::new(ErrorCode::ConnectionReadTimeout, Phase::Head, "nothing was received");
    event.error = Some(error);
    let sink = telemetry.recorder();
    sink.connection(event);
    sink.invocation(record.clone());
    // Neither of these is in a recorded trace.
    sink.connection(connection(6));
    let mut unsampled = invocation(7);
    unsampled.trace = Some(TraceContext { sampled: false, ..request });
    sink.invocation(unsampled);
    telemetry.close().await.unwrap();

    let spans = received.spans.lock().unwrap();
    let named =
        |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    let worker = named("worker hello");
    assert_eq!(worker.parent_span_id, 1_u64.to_be_bytes());
    assert_eq!(worker.status.as_ref().unwrap().code, 2);
    let asked = named("GET API");
    assert_eq!((asked.span_id.as_slice(), &asked.parent_span_id), (&subrequest.to_be_bytes()[..], &worker.span_id));
    assert_eq!(text(&asked.attributes, "url.full"), "http://api.internal/REDACTED");
    assert_eq!(asked.end_time_unix_nano - asked.start_time_unix_nano, 7_250_000);
    let attempt = named("connect api");
    assert_eq!(attempt.parent_span_id, asked.span_id);
    assert_eq!(text(&attempt.attributes, "error.type"), "connection_read_timeout");
    assert_eq!(text(&attempt.attributes, "culvert.error.category"), "Client");
    assert_eq!(text(&attempt.attributes, "network.peer.address"), "10.0.0.5");
    let phases = ["dns", "connect", "request", "head"].map(named);
    assert!(phases.iter().all(|phase| phase.parent_span_id == attempt.span_id));
    assert!(phases.windows(2).all(|pair| pair[0].end_time_unix_nano == pair[1].start_time_unix_nano));
    assert_eq!(phases[3].status.as_ref().unwrap().message, "connection_read_timeout");
    assert_eq!(attempt.end_time_unix_nano, phases[3].end_time_unix_nano);
    assert_eq!(spans.len(), 7, "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace_id == 0xabc_u128.to_be_bytes()));

    let logs = received.logs.lock().unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].span_id, worker.span_id);
    assert_eq!(logs[0].body.as_ref().unwrap().value, Some(Value::String("said {\"a\":1}".to_owned())));
    assert!(received.heads.lock().unwrap().iter().all(|head| head.contains("x-key: secret")));
}

#[tokio::test]
async fn metrics_are_the_exact_totals() {
    let (endpoint, received) = collector(0).await;
    let (_directory, telemetry) = keeper(&endpoint).await;
    for number in 0..250 {
        telemetry.recorder().invocation(invocation(number));
        telemetry.recorder().connection(connection(number));
    }
    telemetry.close().await.unwrap();
    let metrics = received.metrics.lock().unwrap();
    let named = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap().data.as_ref().unwrap();
    let Data::Sum(sum) = named("culvert_worker_invocations") else { panic!("not a sum") };
    assert!(sum.is_monotonic);
    assert_eq!(sum.data_points[0].value, Some(Number::Int(250)));
    assert_eq!(text(&sum.data_points[0].attributes, "outcome"), "ok");
    let Data::Histogram(times) = named("culvert_vpc_connect_time") else { panic!("not a histogram") };
    assert_eq!(times.data_points[0].count, 250);
    assert_eq!(times.data_points[0].bucket_counts.iter().sum::<u64>(), 250);
    assert_eq!(times.data_points[0].bucket_counts.len(), times.data_points[0].explicit_bounds.len() + 1);
}

#[tokio::test]
async fn a_collector_that_comes_back_misses_nothing_and_one_that_does_not_is_counted() {
    let (endpoint, received) = collector(2).await;
    let (_directory, telemetry) = keeper(&endpoint).await;
    telemetry.set_sampling("quiet", Sampling { head_sampling_rate: 0.0, invocation_logs: true });
    let mut record = invocation(1);
    record.logs.push(line("one"));
    telemetry.recorder().invocation(record.clone());
    // What head sampling leaves out is not sent either.
    record.worker = "quiet".to_owned();
    telemetry.recorder().invocation(record);
    telemetry.close().await.unwrap();
    assert_eq!(received.logs.lock().unwrap().len(), 1);
    assert_eq!(telemetry.losses().otlp.total(), 0);

    // Nothing listens: given up after some tries, and counted. Recording is none the wiser.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (_directory, telemetry) = keeper(&nowhere).await;
    let mut record = invocation(1);
    record.logs.push(line("lost"));
    telemetry.recorder().invocation(record);
    for _ in 0..1000 {
        if telemetry.losses().otlp.unwritten > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(telemetry.losses().otlp.unwritten > 0);
    telemetry.flush().await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let options = TelemetryOptions { otlp: Some(OtlpOptions::new("collector:4317")), ..TelemetryOptions::default() };
    let refused = Telemetry::open(&location(directory.path()).await, options).await.unwrap_err();
    assert!(refused.to_string().contains("collector:4317"), "{refused}");
}
