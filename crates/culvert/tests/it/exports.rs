//! The ways out: the access log, and traces, logs and metrics for an OpenTelemetry collector.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex};

use prost::Message;
use serde_json::Value;
use telemetry::otlp_messages::{Span, TracesRequest};

use crate::harness::{Edge, http_service, wait_for};

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

#[test]
fn a_request_is_one_trace_from_the_visitor_to_the_private_service() {
    let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
    let paths: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let collector = http_service({
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
