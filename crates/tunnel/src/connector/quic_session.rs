//! One connection to the edge by QUIC.

use super::datagrams::UdpSessions;
use super::send_window;
use super::session::{Control, HANDSHAKE_TIMEOUT, Link, RegisterError, Served};
use super::state::State;
use super::stream;
use crate::quic::{self, CloseCode, SERVER_NAME};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// How long the goodbye may take.
const CLOSING: Duration = Duration::from_millis(500);

/// Closes a connection that is let go, also when flows still hold on to it. Closing twice does nothing.
struct CloseOnDrop(quinn::Connection);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        CloseCode::Done.close(&self.0, "the connector is gone");
    }
}

impl Link {
    /// Connects, registers and serves; notes in `since` when it was registered, and says why it ended.
    pub(super) async fn run_quic(&mut self, since: &mut Option<Instant>) -> Result<String, RegisterError> {
        let drain = self.drain.clone();
        let connection = tokio::select! {
            connection = self.dial_quic() => connection?,
            () = drain.cancelled() => return Ok("shutdown".to_owned()),
        };
        let _close = CloseOnDrop(connection.clone());
        let address = connection.remote_address();
        let lost = |error: quinn::ConnectionError| RegisterError::Quic { address, reason: error.to_string() };
        let (writer, reader) = connection.open_bi().await.map_err(lost)?;
        let mut control = Control::new(reader, writer);
        let greeted = self.greet(&mut control, address, connection.local_ip()).await;
        if let Err(error) = greeted {
            CloseCode::Done.close(&connection, "not registered");
            return Err(error);
        }
        *since = Some(Instant::now());
        let sessions = UdpSessions::new(connection.clone(), self.options.datagrams, Arc::clone(&self.state));
        let sessions = Arc::new(sessions);
        let flows = TaskTracker::new();
        let work = async {
            tokio::join!(
                accept_streams(&connection, &self.state, &sessions, &flows),
                sessions.receive(),
                send_window::keep(&connection)
            );
            connection.closed().await.to_string()
        };
        let served = self.serve(control, &flows, work, std::future::pending()).await;
        Ok(match served {
            Served::Lost(reason) => reason,
            Served::Broken(reason) => {
                CloseCode::Protocol.close(&connection, &reason);
                reason
            }
            Served::Drained => {
                CloseCode::Done.close(&connection, "graceful shutdown");
                if let Some((_, endpoint)) = &self.endpoint {
                    let _ = tokio::time::timeout(CLOSING, endpoint.wait_idle()).await;
                }
                "shutdown".to_owned()
            }
        })
    }

    /// Connects and does no more.
    pub(super) async fn dial_quic(&mut self) -> Result<quinn::Connection, RegisterError> {
        let address = self.edge_address().await?;
        let endpoint = self.endpoint_for(address)?;
        let connecting = endpoint
            .connect_with(self.tls.quic.clone(), address, SERVER_NAME)
            .map_err(|source| RegisterError::Dial { address, source })?;
        let connected = tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await;
        match connected.map_err(|_| RegisterError::Silent(address))? {
            Ok(connection) => Ok(connection),
            Err(quinn::ConnectionError::TimedOut) => Err(RegisterError::Silent(address)),
            Err(error) => Err(RegisterError::Quic { address, reason: explain(&error) }),
        }
    }

    fn endpoint_for(&mut self, address: SocketAddr) -> Result<quinn::Endpoint, quic::SetupError> {
        if let Some((ipv6, endpoint)) = &self.endpoint
            && *ipv6 == address.is_ipv6()
        {
            return Ok(endpoint.clone());
        }
        let any: SocketAddr = if address.is_ipv6() { ([0_u16; 8], 0).into() } else { ([0, 0, 0, 0], 0).into() };
        let (endpoint, _) = quic::endpoint(any, None)?;
        self.endpoint = Some((address.is_ipv6(), endpoint.clone()));
        Ok(endpoint)
    }
}

/// The error, and what to do about it where that can be told.
fn explain(error: &quinn::ConnectionError) -> String {
    match error {
        quinn::ConnectionError::TransportError(cause) if cause.reason.contains("UnknownIssuer") => {
            format!("{error}. The edge's certificate is not trusted: give the edge's CA file with --ca")
        }
        _ => error.to_string(),
    }
}

async fn accept_streams(
    connection: &quinn::Connection,
    state: &Arc<State>,
    sessions: &Arc<UdpSessions>,
    flows: &TaskTracker,
) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        flows.spawn(stream::serve(Arc::clone(state), Arc::clone(sessions), send, receive));
    }
}
