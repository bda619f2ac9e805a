//! One connection to the edge by HTTP/2 over TCP, on which the edge is the HTTP/2 client.

use super::session::{Control, HANDSHAKE_TIMEOUT, Link, RegisterError, Served};
use super::state::State;
use super::{Protocol, dial, pipe, published};
use crate::body::{BodyReader, BodyWriter};
use crate::http2;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderValue, Request, Response, StatusCode};
use rustls_pki_types::ServerName;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

/// How long the edge may take to ask for the control stream.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the goodbye may take.
const CLOSING: Duration = Duration::from_millis(500);
/// Flows that the edge may have open at once.
const STREAMS: u32 = 4096;
/// The largest configuration, in bytes.
const MAX_CONFIGURATION: u64 = 1024 * 1024;
/// How often QUIC is tried again when HTTP/2 was only second choice.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

type Asked = (Request<RecvStream>, SendResponse<Bytes>);

impl Link {
    /// Connects, registers and serves; notes in `since` when it was registered, and says why it ended.
    pub(super) async fn run_http2(&mut self, since: &mut Option<Instant>) -> Result<String, RegisterError> {
        let drain = self.drain.clone();
        let address = self.edge_address().await?;
        let connected = tokio::select! {
            connected = tokio::time::timeout(HANDSHAKE_TIMEOUT, connect(address, Arc::clone(&self.tls.http2))) => connected,
            () = drain.cancelled() => return Ok("shutdown".to_owned()),
        };
        let failed = |reason: String| RegisterError::Http2 { address, reason };
        let (mut connection, local) = connected
            .map_err(|_| failed("no answer in time".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let pings = connection.ping_pong();
        let flows = TaskTracker::new();
        let (controls, mut asked) = mpsc::channel::<Asked>(1);
        // Accepting drives the whole connection, so it goes on beside everything else until the connection ends.
        let accepting = {
            let (flows, state) = (flows.clone(), Arc::clone(&self.state));
            async move {
                while let Some(request) = connection.accept().await {
                    match request {
                        Ok((request, respond)) if is(&request, http2::CONTROL_STREAM) => {
                            // A second one is dropped, which refuses it.
                            let _ = controls.try_send((request, respond));
                        }
                        Ok((request, respond)) => {
                            flows.spawn(serve_request(Arc::clone(&state), request, respond));
                        }
                        Err(error) => return error.to_string(),
                    }
                }
                "the edge closed the connection".to_owned()
            }
        };
        tokio::pin!(accepting);
        let mut control = tokio::select! {
            reason = &mut accepting => return Err(failed(reason)),
            control = tokio::time::timeout(CONTROL_TIMEOUT, take_control(&mut asked)) => control
                .map_err(|_| failed("the edge did not ask for the control stream".to_owned()))?
                .map_err(&failed)?,
        };
        let greeted = tokio::select! {
            reason = &mut accepting => return Err(failed(reason)),
            greeted = self.greet(&mut control, address, local) => greeted,
        };
        greeted?;
        *since = Some(Instant::now());
        let probe = self.quic_answers();
        let work = async {
            match pings {
                Some(pings) => tokio::select! {
                    reason = &mut accepting => reason,
                    reason = http2::keep_alive(pings, |_| {}) => reason,
                },
                None => (&mut accepting).await,
            }
        };
        let served = self.serve(control, &flows, work, probe).await;
        Ok(match served {
            Served::Lost(reason) | Served::Broken(reason) => reason,
            Served::Drained => {
                // What is still to be sent goes out.
                let _ = tokio::time::timeout(CLOSING, accepting).await;
                "done with HTTP/2".to_owned()
            }
        })
    }

    /// Ready when QUIC works, which is then better; never where HTTP/2 was asked for.
    async fn quic_answers(&self) {
        if self.options.protocol != Protocol::Auto {
            return std::future::pending().await;
        }
        let mut probe = self.for_probe();
        loop {
            tokio::time::sleep(PROBE_INTERVAL).await;
            if let Ok(connection) = probe.dial_quic().await {
                crate::quic::CloseCode::Done.close(&connection, "check complete");
                tracing::info!(index = self.index, "the edge answers by UDP: changing to QUIC");
                return;
            }
        }
    }
}

async fn connect(
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
) -> std::io::Result<(h2::server::Connection<TlsStream<TcpStream>, Bytes>, Option<std::net::IpAddr>)> {
    let stream = TcpStream::connect(address).await?;
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().ok().map(|local| local.ip());
    let name = ServerName::try_from(http2::SERVER_NAME).map_err(std::io::Error::other)?;
    let stream = TlsConnector::from(tls).connect(name, stream).await?;
    let connection = h2::server::Builder::new()
        .initial_window_size(http2::STREAM_WINDOW)
        .initial_connection_window_size(http2::CONNECTION_WINDOW)
        .max_header_list_size(http2::HEADERS)
        .max_concurrent_streams(STREAMS)
        .handshake(stream)
        .await
        .map_err(std::io::Error::other)?;
    Ok((connection, local))
}

fn is(request: &Request<RecvStream>, upgrade: &str) -> bool {
    request.headers().get(http2::UPGRADE).is_some_and(|value| value == upgrade)
}

/// Answers the edge's request for the control stream.
async fn take_control(asked: &mut mpsc::Receiver<Asked>) -> Result<Control<BodyReader, BodyWriter>, String> {
    let (request, mut respond) = asked.recv().await.ok_or_else(|| "the connection ended".to_owned())?;
    let body = respond.send_response(Response::new(()), false).map_err(|error| error.to_string())?;
    Ok(Control::new(BodyReader::new(request.into_body()), BodyWriter::new(body)))
}

/// Serves one request: a flow or a configuration.
async fn serve_request(state: Arc<State>, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let served = if is(&request, http2::UPDATE_CONFIGURATION) {
        update_configuration(&state, request, &mut respond).await
    } else if request.headers().get(http2::TCP_SOURCE).is_some_and(|source| !source.is_empty()) {
        serve_flow(&state, request, &mut respond).await
    } else {
        published::serve_http2(&state, request, &mut respond).await
    };
    if let Err(error) = served {
        tracing::debug!(%error, "request of the edge given up");
    }
}

async fn serve_flow(
    state: &Arc<State>,
    request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    state.counters.tcp_flows.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let destination = request.uri().authority().map_or("", http::uri::Authority::as_str);
    let destination = match dial::parse_destination(destination) {
        Ok(destination) => destination,
        Err(reason) => return refuse(respond, http2::META_CONNECTOR, &reason),
    };
    let dialled = tokio::select! {
        dialled = dial::tcp(state, destination) => dialled,
        // The edge gave it up in the meantime.
        _ = std::future::poll_fn(|cx| respond.poll_reset(cx)) => return Ok(()),
    };
    let (stream, _place) = match dialled {
        Ok(dialled) => dialled,
        Err(error) => {
            let meta = if error.is_limit() { http2::META_RATE_LIMITED } else { http2::META_CONNECTOR };
            return refuse(respond, meta, &error.text);
        }
    };
    let mut response = Response::new(());
    response.headers_mut().insert(http2::META, HeaderValue::from_static(http2::META_ORIGIN));
    let writer = BodyWriter::new(respond.send_response(response, false)?);
    pipe::run_http2(&state.counters, stream, writer, BodyReader::new(request.into_body())).await;
    Ok(())
}

/// 502 with the reason in a field of our own; cloudflared gives none.
pub(super) fn refuse(respond: &mut SendResponse<Bytes>, meta: &'static str, reason: &str) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.headers_mut().insert(http2::META, HeaderValue::from_static(meta));
    if let Ok(reason) = HeaderValue::from_str(reason) {
        response.headers_mut().insert(http2::ERROR, reason);
    }
    respond.send_response(response, true).map(drop)
}

#[derive(Deserialize)]
struct Update<'a> {
    version: i32,
    #[serde(borrow)]
    config: &'a RawValue,
}

async fn update_configuration(
    state: &State,
    request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut body = Vec::new();
    if BodyReader::new(request.into_body()).take(MAX_CONFIGURATION).read_to_end(&mut body).await.is_err() {
        return Ok(());
    }
    let update = match serde_json::from_slice::<Update<'_>>(&body) {
        Ok(update) => state.routing().update(update.version, update.config.get().as_bytes()),
        Err(error) => state.routing().refuse(error.to_string()),
    };
    let error = Some(update.error).filter(|error| !error.is_empty());
    let answer = serde_json::json!({ "lastAppliedVersion": update.latest_applied_version, "err": error });
    let mut stream = respond.send_response(Response::new(()), false)?;
    stream.send_data(Bytes::from(answer.to_string()), true)
}
