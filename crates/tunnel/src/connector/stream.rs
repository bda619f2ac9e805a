//! Streams that the edge opens: a flow to a private service, or calls.

use super::datagrams::UdpSessions;
use super::dial;
use super::pipe;
use super::published;
use super::state::State;
use crate::exchange::{self, ExchangeError};
use bytes::{Bytes, BytesMut};
use quinn::{RecvStream, SendStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tunnel_proto::rpc::{Call, Interfaces, Reply, RpcServer};
use tunnel_proto::stream::{
    ConnectRequest, ConnectResponse, ConnectionType, RPC_SIGNATURE, StreamError, StreamKind, stream_kind,
};

/// How long the edge may take to say what a stream is for.
const PREAMBLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long calls on one stream may take.
const RPC_TIMEOUT: Duration = Duration::from_secs(30);
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// Why a stream was given up.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error("the edge ended it before it said what it is for")]
    Ended,
    #[error("the edge did not say in time what it is for")]
    TooSlow,
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Read(#[from] quinn::ReadError),
    #[error(transparent)]
    Write(#[from] quinn::WriteError),
}

/// Serves one stream to its end.
pub(crate) async fn serve(state: Arc<State>, sessions: Arc<UdpSessions>, send: SendStream, receive: RecvStream) {
    if let Err(error) = serve_kind(&state, &sessions, send, receive).await {
        tracing::debug!(%error, "stream of the edge given up");
    }
}

/// What a stream is for.
enum Purpose {
    Flow(ConnectRequest, Bytes),
    Rpc(BytesMut),
}

async fn serve_kind(
    state: &Arc<State>,
    sessions: &Arc<UdpSessions>,
    send: SendStream,
    mut receive: RecvStream,
) -> Result<(), ServeError> {
    let purpose = tokio::time::timeout(PREAMBLE_TIMEOUT, read_purpose(&mut receive)).await;
    match purpose.map_err(|_| ServeError::TooSlow)?? {
        Purpose::Flow(request, early) if request.kind == ConnectionType::Tcp => {
            serve_flow(state, request, early, send, receive).await
        }
        Purpose::Flow(request, early) => {
            state.counters.published_requests.fetch_add(1, Ordering::Relaxed);
            Ok(published::serve_quic(state, request, early, send, receive).await?)
        }
        Purpose::Rpc(early) => {
            let served = serve_calls(state, sessions, early, send, receive);
            let served = tokio::time::timeout(RPC_TIMEOUT, served).await;
            served.map_err(|_| ExchangeError::TimedOut(RPC_TIMEOUT))??;
            Ok(())
        }
    }
}

async fn read_purpose(receive: &mut RecvStream) -> Result<Purpose, ServeError> {
    let mut input = BytesMut::new();
    loop {
        let Some(chunk) = receive.read_chunk(CHUNK, true).await? else {
            return Err(ServeError::Ended);
        };
        input.extend_from_slice(&chunk.bytes);
        match stream_kind(&input)? {
            Some(StreamKind::Data) => {
                if let Some((request, length)) = ConnectRequest::decode(&input)? {
                    return Ok(Purpose::Flow(request, input.split_off(length).freeze()));
                }
            }
            Some(StreamKind::Rpc) => return Ok(Purpose::Rpc(input.split_off(RPC_SIGNATURE.len()))),
            None => {}
        }
    }
}

async fn serve_flow(
    state: &Arc<State>,
    request: ConnectRequest,
    early: Bytes,
    mut send: SendStream,
    mut receive: RecvStream,
) -> Result<(), ServeError> {
    state.counters.tcp_flows.fetch_add(1, Ordering::Relaxed);
    let failed = match open(state, &request, &mut receive).await {
        Ok(Some((stream, _place))) => {
            send.write_chunk(ConnectResponse::default().encode()).await?;
            pipe::run(&state.counters, stream, send, receive, early).await;
            return Ok(());
        }
        // The edge gave it up in the meantime.
        Ok(None) => return Ok(()),
        Err(failed) => failed,
    };
    tracing::debug!(destination = request.destination, error = failed.error, "flow not opened");
    send.write_chunk(failed.encode()).await?;
    let _ = send.finish();
    // Answered means delivered: the stream's end must not overtake the answer.
    let _ = send.stopped().await;
    Ok(())
}

type Opened = (tokio::net::TcpStream, super::state::FlowPlace);

/// Dials, unless the edge resets the stream before that is done.
async fn open(
    state: &Arc<State>,
    request: &ConnectRequest,
    receive: &mut RecvStream,
) -> Result<Option<Opened>, ConnectResponse> {
    let destination = dial::parse_destination(&request.destination)
        .map_err(|error| ConnectResponse { error, metadata: Vec::new() })?;
    tokio::select! {
        dialled = dial::tcp(state, destination) => dialled.map(Some).map_err(|error| error.to_response()),
        _ = receive.received_reset() => Ok(None),
    }
}

async fn serve_calls(
    state: &Arc<State>,
    sessions: &Arc<UdpSessions>,
    mut buffer: BytesMut,
    mut writer: SendStream,
    mut reader: RecvStream,
) -> Result<(), ExchangeError> {
    let mut server = RpcServer::new(Interfaces::Connector);
    while let Some((question, call)) = exchange::next_call(&mut server, &mut reader, &mut writer, &mut buffer).await? {
        let reply = match call {
            Call::UpdateConfiguration { version, configuration } => {
                let update = state.routing().update(version, &configuration);
                if update.error.is_empty() {
                    tracing::info!(version = update.latest_applied_version, "configuration from the edge");
                } else {
                    tracing::warn!(version, error = update.error, "configuration from the edge refused");
                }
                Reply::UpdateConfiguration(update)
            }
            Call::RegisterUdpSession(register) => Reply::RegisterUdpSession(sessions.register_by_rpc(register).await),
            Call::UnregisterUdpSession(end) => {
                sessions.end(end.session);
                Reply::UnregisterUdpSession
            }
            Call::RegisterConnection(_) | Call::UnregisterConnection | Call::UpdateLocalConfiguration(_) => continue,
        };
        server.respond(question, &reply);
    }
    let _ = writer.finish();
    Ok(())
}
