//! `culvert tail WORKER`: invocations as they end, over the same socket that `wrangler tail` reads.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::records::{encoded, lines};
use super::signals::until_told_to_stop;
use crate::api_client::{ApiClient, Payload};
use crate::cli::{self, Call};
use crate::failure::{Failure, root_cause};
use crate::output::{Printed, print_line, text};

/// A tail that the edge ended in order after at least this long had reached the end of its life, and is opened again.
const LIFETIME: Duration = Duration::from_secs(60);

/// A quiet connection is asked for a sign of life this often, and given up after as long again.
const PING: Duration = Duration::from_secs(20);

/// How a tail ended.
enum Ended {
    /// Nobody reads any more, or the person said so.
    Enough,
    /// The edge ended it in order.
    ByEdge,
}

/// Prints what happens until told to stop.
pub async fn run(Call { what: arguments, api }: Call<cli::Tail>) -> Result<(), Failure> {
    let as_json = api.json;
    let api = ApiClient::new(&api)?;
    let path = format!("/workers/scripts/{}/tails", encoded(&arguments.worker));
    let filters = filters(&arguments)?;
    loop {
        let session: Value = api.post(&path, Payload::json(&json!({ "filters": filters }))).await?;
        let began = Instant::now();
        let ended = tokio::select! {
            ended = watch(text(&session, "/url"), &arguments.worker, as_json) => ended,
            stopped = until_told_to_stop() => stopped.map(|()| Ended::Enough),
        };
        // The edge forgets a tail whose client is gone; this is sooner.
        let _ = api.delete(&format!("{path}/{}", text(&session, "/id"))).await;
        match ended? {
            Ended::Enough => return Ok(()),
            Ended::ByEdge if began.elapsed() >= LIFETIME => {}
            Ended::ByEdge => {
                return Err(Failure::failed(
                    "the edge ended the tail: it is stopping, or somebody closed it over the API",
                ));
            }
        }
    }
}

/// Reads one session's socket.
async fn watch(url: &str, worker: &str, as_json: bool) -> Result<Ended, Failure> {
    let failed = |what: String| Failure::failed(format!("the tail at {url} {what}"));
    let mut request = url.into_client_request().map_err(|error| failed(format!("has no usable address: {error}")))?;
    request.headers_mut().insert(http::header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("trace-v1"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request)
        .await
        .map_err(|error| failed(format!("cannot be read: {}", root_cause(&error))))?;
    eprintln!("Connected to {worker}, waiting for requests. Ctrl-C ends this.");
    let mut pings = tokio::time::interval(PING);
    let mut heard = true;
    pings.tick().await;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = pings.tick() => {
                if !std::mem::take(&mut heard) {
                    return Err(failed(format!("has been silent for {} s; is the edge still running?", PING.as_secs())));
                }
                let pinged = socket.send(Message::Ping(Vec::new().into())).await;
                pinged.map_err(|error| failed(format!("broke off: {error}")))?;
                continue;
            }
        };
        heard = true;
        match message {
            None => return Err(failed("broke off".to_owned())),
            Some(Err(error)) => return Err(failed(format!("broke off: {}", root_cause(&error)))),
            Some(Ok(Message::Close(frame))) => {
                return match frame {
                    Some(frame) if frame.code == CloseCode::Normal => Ok(Ended::ByEdge),
                    _ => Err(failed("was closed by the edge".to_owned())),
                };
            }
            Some(Ok(Message::Text(event))) if as_json => {
                if print_line(&event) == Printed::NobodyReads {
                    return Ok(Ended::Enough);
                }
            }
            Some(Ok(Message::Text(event))) => {
                let event: Value = serde_json::from_str(&event)
                    .map_err(|error| failed(format!("sent something that is no event: {error}")))?;
                if lines(&event).iter().any(|line| print_line(line) == Printed::NobodyReads) {
                    return Ok(Ended::Enough);
                }
            }
            Some(Ok(_)) => {}
        }
    }
}

/// The filters in the form of the API, which is wrangler's.
fn filters(arguments: &cli::Tail) -> Result<Vec<Value>, Failure> {
    let mut filters = Vec::new();
    if let Some(rate) = arguments.sampling_rate {
        if !(0.0..=1.0).contains(&rate) {
            return Err(Failure::usage(format!("--sampling-rate is {rate}, and 0 to 1 are possible")));
        }
        filters.push(json!({ "sampling_rate": rate }));
    }
    if !arguments.status.is_empty() {
        let outcomes: Vec<&str> = arguments.status.iter().flat_map(|status| status.outcomes()).copied().collect();
        filters.push(json!({ "outcome": outcomes }));
    }
    if !arguments.method.is_empty() {
        filters.push(json!({ "method": arguments.method }));
    }
    for header in &arguments.header {
        filters.push(match header.split_once(':') {
            Some((name, value)) => json!({ "header": { "key": name.trim(), "query": value.trim() } }),
            None => json!({ "header": { "key": header } }),
        });
    }
    if !arguments.ip.is_empty() {
        filters.push(json!({ "client_ip": arguments.ip }));
    }
    if let Some(text) = &arguments.search {
        filters.push(json!({ "query": text }));
    }
    if let Some(version) = arguments.version_id {
        filters.push(json!({ "scriptVersion": version }));
    }
    Ok(filters)
}
