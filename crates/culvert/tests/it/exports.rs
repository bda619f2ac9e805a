//! The ways out: the access log, and traces, logs and metrics for an OpenTelemetry collector.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use prost::Message;
use serde_json::Value;
use telemetry::otlp_messages::{Data, LogsRequest, MetricsRequest, Number, Span, TracesRequest};

use crate::failures::closed_port;
use crate::harness::{Edge, Process, http_service, wait_for};

const CALLER: &str = r#"
export default {
  async fetch(request, env) {
    console.log("on the way");
    const answer = await env.PRIVATE_API.fetch("http://inventory.internal/stock/7");
    return new Response(`${request.headers.get("traceparent")} ${await answer.text()}`);
  },
};
"#;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

type Spans = Arc<Mutex<Vec<Span>>>;
type Paths = Arc<Mutex<HashMap<String, usize>>>;

/// A collector: its port, the spans that it got, and how often it was asked what.
fn collecting() -> (u16, Spans, Paths) {
    let (spans, paths) = (Spans::default(), Paths::default());
    let port = http_service({
        let (spans, paths) = (spans.clone(), paths.clone());
        move |line, _, body| {
            let path = line.split(' ').nth(1).unwrap().to_owned();
            if path == "/v1/traces" {
                let message = TracesRequest::decode(body).unwrap();
                let scopes = message.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
                spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
            }
            *paths.lock().unwrap().entry(path).or_default() += 1;
            String::new()
        }
    });
    (port, spans, paths)
}

#[test]
fn a_trace_goes_on_through_methods_and_sockets() {
    let (collector, spans, _) = collecting();
    let edge = Edge::start_with(&["--otlp-endpoint", &format!("http://127.0.0.1:{collector}")]);
    let tunnel = edge.tunnel(&[]);
    let states = http_service(|_, headers, _| {
        let states = headers.iter().filter(|(name, _)| name == "tracestate").map(|(_, value)| value.as_str());
        states.collect::<Vec<_>>().join(", ")
    });
    let service = edge.service(&tunnel.id, "http", states, &[]);
    let tcp = ["vpc", "service", "create", "db", "--type", "tcp", "--tunnel-id", &tunnel.id, "--ipv4", "127.0.0.1"];
    let tcp = edge.json(&[&tcp[..], &["--tcp-port", &states.to_string()]].concat());
    let tcp = tcp["service_id"].as_str().unwrap();
    let callee = r#"import { WorkerEntrypoint } from "cloudflare:workers";
        export default class extends WorkerEntrypoint { hello() { return "hello"; } }"#;
    edge.deploy_module("callee", callee);
    let caller = r#"export default { async fetch(request, env) {
        await env.CALLEE.hello();
        const socket = env.DB.connect("db:1");
        await socket.opened;
        await socket.close();
        return env.API.fetch("http://x/"); } };"#;
    let configuration = format!(
        r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "services": [{{"binding": "CALLEE", "service": "callee"}}],
             "vpc_services": [{{"binding": "API", "service_id": "{service}"}}, {{"binding": "DB", "service_id": "{tcp}"}}]}}"#
    );
    edge.deploy("caller", &[("index.js", caller)], &configuration, &[]);

    // Of several lines, all pass.
    let given = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [("traceparent", given.as_str()), ("tracestate", "a=1"), ("tracestate", "b=2")];
    assert_eq!(edge.visit("caller", "GET", "/", &headers, b"").text(), "a=1, b=2");
    let wanted = [("worker callee", "RPC CALLEE"), ("RPC CALLEE", "worker caller"), ("connect db", "CONNECT DB")];
    let tree = wait_for("the spans", || {
        let spans = spans.lock().unwrap().clone();
        wanted.iter().all(|(name, _)| spans.iter().any(|span| span.name == *name)).then_some(spans)
    });
    let named = |name: &str| tree.iter().find(|span| span.name == name).unwrap();
    for (child, parent) in wanted {
        assert_eq!(named(child).parent_span_id, named(parent).span_id, "{child}");
        assert_eq!(named(child).trace_id, named(parent).trace_id, "{child}");
    }

    // What belongs to a trace that is not valid belongs to none.
    let headers = [("traceparent", "nonsense"), ("tracestate", "a=1")];
    assert_eq!(edge.visit("caller", "GET", "/", &headers, b"").text(), "");
}

#[test]
fn a_request_is_one_trace_from_the_visitor_to_the_private_service() {
    let (collector, spans, paths) = collecting();
    let edge = Edge::start_with(&["--otlp-endpoint", &format!("http://127.0.0.1:{collector}")]);
    let tunnel = edge.tunnel(&[]);
    let port = http_service(|_, headers, _| {
        let find = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone());
        format!("{} {}", find("traceparent").unwrap_or_default(), find("tracestate").unwrap_or_default())
    });
    let service = edge.service(&tunnel.id, "http", port, &[]);
    let configuration = format!(
        r#"{{"main": "index.js", "compatibility_date": "2026-11-01", "vpc_services": [{{"binding": "PRIVATE_API", "service_id": "{service}"}}]}}"#
    );
    edge.deploy("caller", &[("index.js", CALLER)], &configuration, &[]);

    let given = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let answer = edge.visit("caller", "GET", "/shop", &[("traceparent", &given), ("tracestate", "v=1")], b"");
    let text = answer.text();
    let (worker_saw, service_saw) = text.split_once(' ').unwrap();
    let (service_saw, state) = service_saw.split_once(' ').unwrap();
    assert_eq!(state, "v=1");
    let span_in = |header: &str| {
        let parts: Vec<&str> = header.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, "01"), "{header}");
        parts[2].to_owned()
    };

    let wanted =
        ["GET caller", "worker caller", "GET PRIVATE_API", "connect inventory-0", "connect", "request", "head"];
    let tree = wait_for("the spans", || {
        let spans = spans.lock().unwrap().clone();
        wanted.iter().all(|name| spans.iter().any(|span| span.name == *name)).then_some(spans)
    });
    let named = |name: &str| tree.iter().find(|span| span.name == name).unwrap();
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(tree.iter().all(|span| hex(&span.trace_id) == TRACE));
    assert_eq!(hex(&named("GET caller").parent_span_id), "00f067aa0ba902b7");
    assert_eq!(hex(&named("GET caller").span_id), span_in(worker_saw));
    assert_eq!(hex(&named("GET PRIVATE_API").span_id), span_in(service_saw));
    for (child, parent) in [
        ("worker caller", "GET caller"),
        ("GET PRIVATE_API", "worker caller"),
        ("connect inventory-0", "GET PRIVATE_API"),
        ("head", "connect inventory-0"),
    ] {
        assert_eq!(named(child).parent_span_id, named(parent).span_id, "{child}");
    }
    edge.process.signal("-TERM");
    wait_for("logs and metrics", || {
        let paths = paths.lock().unwrap();
        (paths.contains_key("/v1/logs") && paths.contains_key("/v1/metrics")).then_some(())
    });
}

#[test]
fn every_request_is_a_line_of_the_access_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let edge = Edge::start_with(&["--access-log", path.to_str().unwrap()]);
    edge.deploy_module("hello", "export default { fetch: () => new Response('hi there') };");
    let answer = edge.visit("hello", "GET", "/a?b=0123456789abcdef0123456789abcdef", &[("User-Agent", "test")], b"");
    assert_eq!(answer.text(), "hi there");
    assert_eq!(edge.get("nobody", "/").status, 404);
    let lines = |path: &std::path::Path| -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let written = wait_for("two lines", || Some(lines(&path)).filter(|lines| lines.len() == 2));
    let hello = &written[0];
    assert_eq!(hello["ray"], answer.header("cf-ray").unwrap());
    assert_eq!(
        (&hello["worker"], &hello["status"], &hello["response_bytes"]),
        (&"hello".into(), &200.into(), &8.into())
    );
    assert_eq!((&hello["path"], &hello["user_agent"]), (&"/a?b=REDACTED".into(), &"test".into()));
    assert_eq!(hello["complete"], true);
    assert_eq!((&written[1]["status"], &written[1]["worker"]), (&404.into(), &Value::Null));
    // The edge's own log is JSON where nobody watches a terminal.
    assert!(
        edge.log().lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"].is_string()))
    );
    // Rotated away, the file is begun anew.
    let moved = directory.path().join("access.log.1");
    fs::rename(&path, &moved).unwrap();
    edge.process.signal("-HUP");
    wait_for("the new file", || {
        edge.get("hello", "/");
        path.exists().then_some(())
    });
    // Stopped in order, nothing is left unwritten.
    let mut edge = edge;
    edge.get("hello", "/last");
    edge.process.signal("-TERM");
    edge.process.0.wait().unwrap();
    assert_eq!(lines(&path).last().unwrap()["path"], "/last");
}

/// What came out of a collector.
#[derive(Default)]
struct Collected {
    spans: Vec<Span>,
    /// Bodies of log records.
    logs: Vec<String>,
    /// The latest value of each counter, all its points added up.
    sums: HashMap<String, i64>,
}

impl Collected {
    fn take(&mut self, path: &str, body: &[u8]) {
        match path {
            "/v1/traces" => {
                let scopes =
                    TracesRequest::decode(body).unwrap().resource_spans.into_iter().flat_map(|r| r.scope_spans);
                self.spans.extend(scopes.flat_map(|scope| scope.spans));
            }
            "/v1/logs" => {
                let scopes = LogsRequest::decode(body).unwrap().resource_logs.into_iter().flat_map(|r| r.scope_logs);
                self.logs.extend(scopes.flat_map(|scope| scope.log_records).map(|record| format!("{:?}", record.body)));
            }
            "/v1/metrics" => {
                let scopes = MetricsRequest::decode(body).unwrap().resource_metrics.into_iter();
                for metric in scopes.flat_map(|r| r.scope_metrics).flat_map(|scope| scope.metrics) {
                    let Some(Data::Sum(sum)) = metric.data else { continue };
                    assert!(sum.is_monotonic, "{}", metric.name);
                    let value = sum.data_points.iter().map(|point| match point.value {
                        Some(Number::Int(number)) => number,
                        ref other => panic!("{}: {other:?}", metric.name),
                    });
                    let sum = value.sum();
                    self.sums.insert(metric.name, sum);
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// An OpenTelemetry collector that passes everything on; skips where it is not installed.
fn collector(edge_of: &tempfile::TempDir, to: u16) -> Option<(Process, SocketAddr)> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let program = cache?.join("culvert/rotel/rotel-agent");
    if !program.exists() {
        eprintln!("skipped: the OpenTelemetry collector rotel is not installed (scripts/setup test installs it)");
        return None;
    }
    let at = SocketAddr::from(([127, 0, 0, 1], closed_port()));
    let grpc = SocketAddr::from(([127, 0, 0, 1], closed_port()));
    let file = |name: &str| edge_of.path().join(name);
    let output = fs::File::create(file("collector.out")).unwrap();
    let child = Command::new(program)
        .args(["start", "--exporter", "otlp", "--otlp-exporter-protocol", "http", "--batch-timeout", "50ms"])
        .args(["--otlp-http-endpoint", &at.to_string(), "--otlp-grpc-endpoint", &grpc.to_string()])
        .args(["--otlp-exporter-endpoint", &format!("http://127.0.0.1:{to}")])
        .arg("--pid-file")
        .arg(file("collector.pid"))
        .arg("--log-file")
        .arg(file("collector.log"))
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let process = Process(child);
    wait_for("the collector listens", || TcpStream::connect(at).ok());
    Some((process, at))
}

#[test]
fn a_collector_reads_traces_logs_and_metrics() {
    let collected: Arc<Mutex<Collected>> = Arc::default();
    let sink = http_service({
        let collected = collected.clone();
        move |line, headers, body| {
            let mut plain = Vec::new();
            let zipped = headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip");
            if zipped {
                flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
            } else {
                plain.extend(body);
            }
            collected.lock().unwrap().take(line.split(' ').nth(1).unwrap(), &plain);
            String::new()
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let Some((_collector, at)) = collector(&directory, sink) else { return };
    let edge = Edge::start_with(&["--otlp-endpoint", &format!("http://{at}")]);
    edge.deploy_module(
        "chatty",
        "export default { fetch(request) { console.log('on the way'); if (request.url.endsWith('/throw')) throw new Error('as asked'); return new Response('hi'); } };",
    );
    for number in 0..20 {
        let answer = edge.get("chatty", if number % 4 == 0 { "/throw" } else { "/" });
        assert_eq!(answer.status, if number % 4 == 0 { 500 } else { 200 });
    }
    // Stopped in order, the edge sends what it has.
    let mut edge = edge;
    edge.process.signal("-TERM");
    edge.process.0.wait().unwrap();
    wait_for("all that was sent", || {
        let collected = collected.lock().unwrap();
        let spans = |name: &str| collected.spans.iter().filter(|span| span.name == name).count();
        let lines = collected.logs.iter().filter(|body| body.contains("on the way")).count();
        let invocations = collected.sums.get("culvert_worker_invocations").copied();
        (spans("worker chatty") == 20 && spans("GET chatty") == 20 && lines == 20 && invocations == Some(20))
            .then_some(())
    });
    let collected = collected.lock().unwrap();
    let failed =
        |span: &&Span| span.name == "worker chatty" && span.events.iter().any(|event| event.name == "exception");
    assert_eq!(collected.spans.iter().filter(failed).count(), 5);
    for span in collected.spans.iter().filter(|span| span.name == "worker chatty") {
        let parent = collected.spans.iter().find(|parent| parent.span_id == span.parent_span_id).unwrap();
        assert_eq!((parent.name.as_str(), &parent.trace_id), ("GET chatty", &span.trace_id));
    }
}
