//! `GET /ready` and `GET /metrics` of a connector.

use super::state::State;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use std::fmt::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Takes the port, so that a port in use is an error at start.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>) {
    let router = Router::new().route("/ready", get(ready)).route("/metrics", get(metrics)).with_state(state);
    let served = async { axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await };
    if let Err(error) = served.await {
        tracing::error!(%error, "metrics are not served any more");
    }
}

/// 200 with at least one registered connection, 503 without, as cloudflared has it.
async fn ready(extract::State(state): extract::State<Arc<State>>) -> impl IntoResponse {
    let ready = state.counters.ready_connections.load(Ordering::Relaxed);
    let status = if ready > 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "status": status.as_u16(), "readyConnections": ready, "connectorId": state.id });
    (status, Json(body))
}

async fn metrics(extract::State(state): extract::State<Arc<State>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text(&state))
}

/// The Prometheus text format, version 0.0.4.
fn text(state: &State) -> String {
    let counters = &state.counters;
    let mut text = String::new();
    let mut add = |name: &str, kind: &str, help: &str, value: &AtomicU64| {
        let value = value.load(Ordering::Relaxed);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# HELP culvert_connector_{name} {help}\n# TYPE culvert_connector_{name} {kind}\nculvert_connector_{name} {value}"
        );
    };
    add("ready_connections", "gauge", "Connections registered with the edge.", &counters.ready_connections);
    add("registrations_total", "counter", "Registrations that the edge accepted.", &counters.registrations);
    add(
        "registrations_failed_total",
        "counter",
        "Connections that ended without a registration.",
        &counters.registrations_failed,
    );
    add("active_flows", "gauge", "TCP flows and UDP sessions open now.", &counters.active_flows);
    add("tcp_flows_total", "counter", "TCP flows that the edge asked for.", &counters.tcp_flows);
    add("udp_sessions_total", "counter", "UDP sessions that the edge asked for.", &counters.udp_sessions);
    add(
        "published_requests_total",
        "counter",
        "HTTP and WebSocket requests to published services.",
        &counters.published_requests,
    );
    add("received_bytes_total", "counter", "Bytes from the edge to private services.", &counters.bytes_in);
    add("sent_bytes_total", "counter", "Bytes from private services to the edge.", &counters.bytes_out);
    let _ = writeln!(
        text,
        "# HELP culvert_connector_dial_failures_total Flows that could not be opened, by cause.\n# TYPE culvert_connector_dial_failures_total counter"
    );
    for (cause, count) in counters.failures() {
        let _ = writeln!(text, "culvert_connector_dial_failures_total{{cause=\"{cause}\"}} {count}");
    }
    text
}
