//! Serves one QUIC connection of a connector, from its handshake to its end.

use super::directory::{Refusal, TunnelGrant};
use super::link::{Carrier, Link};
use super::registry::NotAdded;
use super::udp::{self, SessionEvent};
use super::{Shared, Unregistered, tunnels};
use crate::exchange::{self, ExchangeError};
use crate::quic::{CONNECTION_WINDOW, CloseCode};
use bytes::BytesMut;
use quinn::{RecvStream, SendStream, VarInt};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tunnel_proto::rpc::{
    Call, ConnectionDetails, Exception, ExceptionKind, Interfaces, RegisterConnection, RegistrationRefusal, Reply,
    RpcServer,
};
use tunnel_proto::stream::RPC_SIGNATURE;
use uuid::Uuid;

/// The largest message before the peer has proved who it is.
const UNPROVEN_MESSAGE: usize = 64 * 1024;
/// The largest message after that: a local configuration.
const PROVEN_MESSAGE: usize = 1024 * 1024;
/// How long the directory may think.
const AUTHENTICATION: Duration = Duration::from_secs(4);
/// How long a refused connector has to read the reason.
const REFUSED: Duration = Duration::from_secs(1);
/// How long a stream that the connector opens may take.
const STREAM_TIMEOUT: Duration = Duration::from_secs(10);
/// What a refused connector is told to wait; stock ones do not heed it.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The control stream and the machine on it.
struct Control {
    server: RpcServer,
    writer: SendStream,
    reader: RecvStream,
    buffer: BytesMut,
}

impl Control {
    async fn next_call(&mut self) -> Result<Option<(u32, Call)>, ExchangeError> {
        exchange::next_call(&mut self.server, &mut self.reader, &mut self.writer, &mut self.buffer).await
    }

    async fn respond(&mut self, question: u32, reply: &Reply) -> std::io::Result<()> {
        self.server.respond(question, reply);
        exchange::flush_server(&mut self.server, &mut self.writer).await
    }
}

/// How the time before a registration ended.
enum Opening {
    /// Connected and gone without a stream: a check before connecting.
    Check,
    /// Registered.
    Registered(Box<(Arc<Link>, TunnelGrant, Control)>),
    /// Refused, with the reason.
    Refused(Refusal),
    /// Broke the protocol or was lost.
    Failed(String),
}

pub(crate) async fn serve(shared: Arc<Shared>, incoming: quinn::Incoming, place: Unregistered) {
    let address = incoming.remote_address();
    let deadline = shared.limits.registration_deadline;
    let accepted = async { incoming.accept()?.await };
    let connection = match tokio::time::timeout(deadline, accepted).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "handshake failed");
            return;
        }
        Err(_) => return,
    };
    let opening = tokio::time::timeout(deadline, open(&shared, &connection)).await;
    drop(place);
    match opening {
        Ok(Opening::Check) => tracing::debug!(%address, "checked and gone"),
        Ok(Opening::Registered(registered)) => {
            let (link, grant, control) = *registered;
            run(&shared, &connection, link, grant, control).await;
        }
        Ok(Opening::Refused(refusal)) => {
            tracing::warn!(%address, reason = %refusal, "registration refused");
            // The connector closes when it has read the reason.
            let _ = tokio::time::timeout(REFUSED, connection.closed()).await;
            CloseCode::NotRegistered.close(&connection, "registration refused");
        }
        Ok(Opening::Failed(reason)) => {
            tracing::debug!(%address, %reason, "no registration");
            CloseCode::Protocol.close(&connection, &reason);
        }
        Err(_) => {
            tracing::debug!(%address, "no registration in time");
            CloseCode::NotRegistered.close(&connection, "no registration in time");
        }
    }
}

/// Waits for the registration on the control stream, which is the first that the connector opens.
async fn open(shared: &Arc<Shared>, connection: &quinn::Connection) -> Opening {
    let (writer, reader) = match connection.accept_bi().await {
        Ok(streams) => streams,
        Err(quinn::ConnectionError::ApplicationClosed(_)) => return Opening::Check,
        Err(error) => return Opening::Failed(error.to_string()),
    };
    let mut server = RpcServer::new(Interfaces::Registration);
    server.set_message_limit(UNPROVEN_MESSAGE);
    let mut control = Control { server, writer, reader, buffer: BytesMut::new() };
    loop {
        let (question, call) = match control.next_call().await {
            Ok(Some(call)) => call,
            Ok(None) => return Opening::Failed("the control stream ended".to_owned()),
            Err(error) => return Opening::Failed(error.to_string()),
        };
        let Call::RegisterConnection(registration) = call else {
            control.server.fail(question, &exception("register first"));
            continue;
        };
        let outcome = register(shared, connection, &registration).await;
        let reply = match &outcome {
            Ok((link, grant)) => Ok(ConnectionDetails {
                id: link.id,
                location: shared.location.clone(),
                remotely_managed: grant.remotely_managed,
            }),
            Err(refusal) => Err(RegistrationRefusal {
                cause: refusal.to_string(),
                retry_after: if refusal.should_retry() { RETRY_AFTER } else { Duration::ZERO },
                should_retry: refusal.should_retry(),
            }),
        };
        let sent = control.respond(question, &Reply::RegisterConnection(reply)).await;
        return match (outcome, sent) {
            (Ok((link, _)), Err(error)) => {
                shared.registry.remove(&link);
                Opening::Failed(error.to_string())
            }
            (Ok((link, grant)), Ok(())) => Opening::Registered(Box::new((link, grant, control))),
            (Err(refusal), _) => {
                let _ = control.writer.finish();
                Opening::Refused(refusal)
            }
        };
    }
}

/// Asks the directory and adds the connection to the registry.
async fn register(
    shared: &Arc<Shared>,
    connection: &quinn::Connection,
    registration: &RegisterConnection,
) -> Result<(Arc<Link>, TunnelGrant), Refusal> {
    let address = connection.remote_address();
    if !shared.failures().allows(address.ip(), Instant::now()) {
        return Err(Refusal::RateLimited);
    }
    loop {
        let epoch = shared.registry.epoch();
        let authentication =
            shared.directory.authenticate(&registration.account, registration.tunnel, &registration.secret);
        let grant = tokio::time::timeout(AUTHENTICATION, authentication)
            .await
            .unwrap_or_else(|_| Err(Refusal::Unavailable("no answer in time".to_owned())))
            .inspect_err(|refusal| {
                tracing::warn!(tunnel = %registration.tunnel, account = registration.account, connector = %registration.options.client.id, %address, reason = %refusal, "registration refused");
                if refusal.is_failure() {
                    shared.failures().record(address.ip(), Instant::now());
                }
            })?;
        let link = Arc::new(Link::new(Uuid::new_v4(), registration, Carrier::Quic(connection.clone()), address));
        match shared.registry.insert(Arc::clone(&link), shared.limits.connections_per_tunnel, epoch) {
            Ok(replaced) => {
                if let Some(replaced) = replaced {
                    replaced.close(CloseCode::Replaced, "replaced by a newer connection of the same connector");
                }
                return Ok((link, grant));
            }
            Err(NotAdded::Full(count)) => return Err(Refusal::TooManyConnections(count)),
            Err(NotAdded::Stale) => {}
        }
    }
}

/// Serves a registered connection until it ends.
async fn run(
    shared: &Arc<Shared>,
    connection: &quinn::Connection,
    link: Arc<Link>,
    grant: TunnelGrant,
    mut control: Control,
) {
    connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
    control.server.set_message_limit(PROVEN_MESSAGE);
    let status = link.status();
    tracing::info!(
        tunnel = %link.tunnel, name = grant.name, connector = %link.connector(), index = link.index,
        version = link.client.version, platform = link.client.platform, address = %status.remote_address,
        "connector connected"
    );
    shared.directory.connector_connected(link.tunnel, &status);
    let reason = tokio::select! {
        reason = connection.closed() => reason.to_string(),
        reason = serve_control(shared, &link, control) => reason,
        () = serve_streams(connection, &link) => connection.closed().await.to_string(),
        () = async { tokio::join!(udp::receive(&link), link.listen(), push(&link, grant)); } => String::new(),
    };
    link.drain();
    shared.registry.remove(&link);
    CloseCode::Done.close(connection, &reason);
    tracing::info!(tunnel = %link.tunnel, connector = %link.connector(), index = link.index, reason, "connector disconnected");
    shared.directory.connector_disconnected(link.tunnel, &link.status(), &reason);
}

/// Gives a remotely managed connector its configuration when it has registered.
async fn push(link: &Link, grant: TunnelGrant) {
    if let (true, Some((version, json))) = (grant.remotely_managed, grant.configuration) {
        match tunnels::push_configuration(link, version, json.into_bytes()).await {
            Ok(applied) => tracing::debug!(connector = %link.connector(), version, applied, "configuration pushed"),
            Err(reason) => tracing::warn!(connector = %link.connector(), version, reason, "configuration not taken"),
        }
    }
}

/// Answers calls on the control stream. Ends only with a reason to close the connection.
async fn serve_control(shared: &Arc<Shared>, link: &Arc<Link>, mut control: Control) -> String {
    loop {
        let (question, call) = match control.next_call().await {
            Ok(Some(call)) => call,
            // In good order after unregisterConnection: the connection stays for the connector's grace period.
            Ok(None) => {
                link.drain();
                return std::future::pending().await;
            }
            Err(ExchangeError::Rpc(error)) => return format!("control stream: {error}"),
            Err(error) => {
                tracing::debug!(connector = %link.connector(), %error, "control stream lost");
                return std::future::pending().await;
            }
        };
        let reply = match call {
            Call::UnregisterConnection => {
                if link.drain() {
                    tracing::info!(tunnel = %link.tunnel, connector = %link.connector(), index = link.index, "connector drains");
                }
                Reply::UnregisterConnection
            }
            Call::UpdateLocalConfiguration(configuration) => {
                shared.directory.local_configuration(link.tunnel, link.connector(), &configuration);
                Reply::UpdateLocalConfiguration
            }
            Call::RegisterConnection(_) => {
                control.server.fail(question, &exception("this connection is registered"));
                continue;
            }
            Call::RegisterUdpSession(_) | Call::UnregisterUdpSession(_) | Call::UpdateConfiguration { .. } => continue,
        };
        if let Err(error) = control.respond(question, &reply).await {
            tracing::debug!(connector = %link.connector(), %error, "control stream lost");
        }
    }
}

/// Streams that the connector opens after the control stream: it ends UDP sessions on them.
async fn serve_streams(connection: &quinn::Connection, link: &Arc<Link>) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let Ok((writer, reader)) = stream else { return };
                let link = Arc::clone(link);
                streams.spawn(async move {
                    let served = tokio::time::timeout(STREAM_TIMEOUT, serve_stream(&link, writer, reader)).await;
                    if let Ok(Err(error)) = served {
                        tracing::debug!(connector = %link.connector(), %error, "stream of the connector failed");
                    }
                });
            }
            Some(_) = streams.join_next() => {}
        }
    }
}

async fn serve_stream(link: &Link, mut writer: SendStream, mut reader: RecvStream) -> Result<(), ExchangeError> {
    let mut signature = [0; RPC_SIGNATURE.len()];
    let read = reader.read_exact(&mut signature).await;
    if read.is_err() || signature != RPC_SIGNATURE {
        return Err(ExchangeError::Ended(": it does not begin with the RPC signature".to_owned()));
    }
    let mut server = RpcServer::new(Interfaces::EdgeSessions);
    server.set_message_limit(UNPROVEN_MESSAGE);
    let mut buffer = BytesMut::new();
    while let Some((question, call)) = exchange::next_call(&mut server, &mut reader, &mut writer, &mut buffer).await? {
        if let Call::UnregisterUdpSession(end) = call {
            link.sessions.deliver(end.session, SessionEvent::Ended(end.message));
            server.respond(question, &Reply::UnregisterUdpSession);
        }
    }
    let _ = writer.finish();
    Ok(())
}

fn exception(reason: &str) -> Exception {
    Exception { kind: ExceptionKind::Failed, reason: reason.to_owned() }
}
