//! The life of one connection of a connector that both transports share: registration, control stream, end.

use super::carrier::Carrier;
use super::directory::{Refusal, TunnelGrant};
use super::link::Link;
use super::registry::{NotAdded, Registry};
use super::{Shared, tunnels};
use crate::exchange::{self, ExchangeError};
use crate::quic::CloseCode;
use bytes::BytesMut;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tunnel_proto::rpc::{
    Call, ConnectionDetails, Exception, ExceptionKind, Interfaces, RegisterConnection, RegistrationRefusal, Reply,
    RpcServer,
};
use uuid::Uuid;

/// The largest message before the peer has proved who it is.
const SMALL_MESSAGE: usize = 64 * 1024;
/// The largest message after that: a local configuration.
const LARGE_MESSAGE: usize = 1024 * 1024;
/// How long the directory may think.
const AUTHENTICATION: Duration = Duration::from_secs(4);
/// What a refused connector is told to wait; stock ones do not heed it.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The control stream and the machine on it.
pub(crate) struct Control<R, W> {
    server: RpcServer,
    reader: R,
    writer: W,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Control<R, W> {
    pub(crate) fn new(reader: R, writer: W) -> Self {
        let mut server = RpcServer::new(Interfaces::Registration);
        server.set_message_limit(SMALL_MESSAGE);
        Self { server, reader, writer, buffer: BytesMut::new() }
    }

    async fn next_call(&mut self) -> Result<Option<(u32, Call)>, ExchangeError> {
        exchange::next_call(&mut self.server, &mut self.reader, &mut self.writer, &mut self.buffer).await
    }

    async fn respond(&mut self, question: u32, reply: &Reply) -> std::io::Result<()> {
        self.server.respond(question, reply);
        exchange::flush_server(&mut self.server, &mut self.writer).await
    }
}

/// A link's place in the registry; dropping it takes the link out and closes it, whatever became of the session.
pub(crate) struct Membership {
    registry: Arc<Registry>,
    pub(crate) link: Arc<Link>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.link.drain();
        self.registry.remove(&self.link);
        self.link.close(CloseCode::Done, "done");
        self.link.pool.close();
    }
}

/// Why a connection was not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRegistered {
    #[error("registration refused: {0}")]
    Refused(Refusal),
    #[error("{0}")]
    Failed(String),
}

/// Waits for the registration and answers it. `carrier` makes what the link is to use.
pub(crate) async fn register<R, W>(
    shared: &Arc<Shared>,
    control: &mut Control<R, W>,
    address: SocketAddr,
    carrier: impl Fn() -> Carrier,
) -> Result<(Membership, TunnelGrant), NotRegistered>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let failed = |error: &dyn std::fmt::Display| NotRegistered::Failed(error.to_string());
    loop {
        let call = control.next_call().await.map_err(|error| failed(&error))?;
        let (question, call) = call.ok_or_else(|| failed(&"the control stream ended"))?;
        let Call::RegisterConnection(registration) = call else {
            control.server.fail(question, &exception("register first"));
            continue;
        };
        let outcome = admit(shared, address, &registration, &carrier).await;
        let reply = match &outcome {
            Ok((member, grant)) => Ok(ConnectionDetails {
                id: member.link.id,
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
            (Ok(_), Err(error)) => Err(failed(&error)),
            (Ok(registered), Ok(())) => Ok(registered),
            (Err(refusal), _) => {
                // The peer reads the reason and sees that there is no more to come.
                let _ = control.writer.shutdown().await;
                Err(NotRegistered::Refused(refusal))
            }
        };
    }
}

/// Asks the directory and adds the connection to the registry.
async fn admit(
    shared: &Arc<Shared>,
    address: SocketAddr,
    registration: &RegisterConnection,
    carrier: &impl Fn() -> Carrier,
) -> Result<(Membership, TunnelGrant), Refusal> {
    let refused = |refusal: &Refusal| {
        tracing::warn!(
            tunnel = %registration.tunnel, account = registration.account, connector = %registration.options.client.id,
            %address, reason = %refusal, "registration refused"
        );
        if refusal.is_failure() {
            shared.failures().record(address.ip(), Instant::now());
        }
    };
    if !shared.failures().allows(address.ip(), Instant::now()) {
        return Err(Refusal::RateLimited).inspect_err(refused);
    }
    loop {
        let epoch = shared.registry.epoch();
        let authentication =
            shared.directory.authenticate(&registration.account, registration.tunnel, &registration.secret);
        let grant = tokio::time::timeout(AUTHENTICATION, authentication)
            .await
            .unwrap_or_else(|_| Err(Refusal::Unavailable("no answer in time".to_owned())))
            .inspect_err(refused)?;
        let link = Arc::new(Link::new(Uuid::new_v4(), registration, carrier(), address));
        match shared.registry.insert(Arc::clone(&link), shared.limits.connections_per_tunnel, epoch) {
            Ok(replaced) => {
                if let Some(replaced) = replaced {
                    replaced.close(CloseCode::Replaced, "replaced by a newer connection of the same connector");
                }
                return Ok((Membership { registry: Arc::clone(&shared.registry), link }, grant));
            }
            Err(NotAdded::Full(count)) => return Err(Refusal::TooManyConnections(count)).inspect_err(refused),
            Err(NotAdded::Stale) => {}
        }
    }
}

/// Serves a registered connection until `work`, which is what the transport has to do, ends with a reason or the control
/// stream does. The carrier is closed then.
pub(crate) async fn run<R, W>(
    shared: &Arc<Shared>,
    member: Membership,
    grant: TunnelGrant,
    mut control: Control<R, W>,
    work: impl Future<Output = String>,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    control.server.set_message_limit(LARGE_MESSAGE);
    let link = Arc::clone(&member.link);
    let status = link.status();
    tracing::info!(
        tunnel = %link.tunnel, name = grant.name, connector = %link.connector(), index = link.index,
        transport = ?status.transport, version = link.client.version, platform = link.client.platform,
        address = %status.remote_address, "connector connected"
    );
    shared.directory.connector_connected(link.tunnel, &status);
    let reason = tokio::select! {
        reason = work => reason,
        reason = serve_control(shared, &link, control) => reason,
        () = async { tokio::join!(link.listen(), push(shared, &link, grant.remotely_managed)); } => String::new(),
    };
    drop(member);
    tracing::info!(tunnel = %link.tunnel, connector = %link.connector(), index = link.index, reason, "connector disconnected");
    shared.directory.connector_disconnected(link.tunnel, &link.status(), &reason);
}

/// Gives a remotely managed connector its configuration when it has registered.
async fn push(shared: &Shared, link: &Link, remotely_managed: bool) {
    if remotely_managed && let Some((version, json)) = shared.directory.configuration(link.tunnel) {
        match tunnels::push_configuration(link, version, &json).await {
            Ok(applied) => tracing::debug!(connector = %link.connector(), version, applied, "configuration pushed"),
            Err(reason) => tracing::warn!(connector = %link.connector(), version, reason, "configuration not taken"),
        }
    }
}

/// Answers calls on the control stream. Ends only with a reason to close the connection.
async fn serve_control<R, W>(shared: &Arc<Shared>, link: &Arc<Link>, mut control: Control<R, W>) -> String
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
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
                link.drain();
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
                shared.registry.keep_local_configuration(link, &configuration);
                Reply::UpdateLocalConfiguration
            }
            Call::RegisterConnection(_) => {
                control.server.fail(question, &exception("this connection is registered"));
                continue;
            }
            // The server serves none of these.
            Call::RegisterUdpSession(_) | Call::UnregisterUdpSession(_) | Call::UpdateConfiguration { .. } => continue,
        };
        if let Err(error) = control.respond(question, &reply).await {
            tracing::debug!(connector = %link.connector(), %error, "control stream lost");
        }
    }
}

fn exception(reason: &str) -> Exception {
    Exception { kind: ExceptionKind::Failed, reason: reason.to_owned() }
}
