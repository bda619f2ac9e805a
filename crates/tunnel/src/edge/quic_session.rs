//! Serves one QUIC connection of a connector, from its handshake to its end.

use super::carrier::Carrier;
use super::link::Link;
use super::session::{self, Control, NotRegistered};
use super::udp::{self, SessionEvent};
use super::{Shared, Unregistered};
use crate::exchange::{self, ExchangeError};
use crate::quic::{CONNECTION_WINDOW, CloseCode};
use bytes::BytesMut;
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tunnel_proto::rpc::{Call, Interfaces, Reply, RpcServer};
use tunnel_proto::stream::RPC_SIGNATURE;

/// How long a refused connector has to read the reason.
const REFUSED: Duration = Duration::from_secs(1);
/// The largest message on a stream that the connector opens, in bytes: the end of a UDP session and its reason.
const STREAM_MESSAGE: usize = 8 * 1024;
/// How long a stream that the connector opens may take.
const STREAM_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a connection from an address that has shown that it receives.
pub(crate) async fn serve_proven(shared: Arc<Shared>, incoming: quinn::Incoming, place: Unregistered) {
    if let Some(connection) = handshake(&shared, incoming).await {
        serve(shared, connection, place).await;
    }
}

/// Serves a connection from an address that may be forged; a handshake shows that it is not.
pub(crate) async fn serve_unproven(shared: Arc<Shared>, incoming: quinn::Incoming, permit: OwnedSemaphorePermit) {
    let Some(connection) = handshake(&shared, incoming).await else {
        return;
    };
    drop(permit);
    let address = connection.remote_address();
    match Unregistered::enter(&shared, address.ip()) {
        Some(place) => serve(shared, connection, place).await,
        None => {
            tracing::debug!(%address, "too many connections without a registration");
            CloseCode::NotRegistered.close(&connection, "too many connections without a registration");
        }
    }
}

async fn handshake(shared: &Shared, incoming: quinn::Incoming) -> Option<quinn::Connection> {
    let address = incoming.remote_address();
    let accepted = async { incoming.accept()?.await };
    match tokio::time::timeout(shared.limits.registration_deadline, accepted).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "QUIC handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn serve(shared: Arc<Shared>, connection: quinn::Connection, place: Unregistered) {
    let address = connection.remote_address();
    let deadline = shared.limits.registration_deadline;
    let opening = async {
        // The connector opens the control stream first.
        let (writer, reader) = connection.accept_bi().await?;
        let mut control = Control::new(reader, writer);
        let registered = session::register(&shared, &mut control, address, || Carrier::Quic(connection.clone())).await;
        Ok::<_, ConnectionError>((control, registered))
    };
    let opening = tokio::time::timeout(deadline, opening).await;
    drop(place);
    match opening {
        Ok(Ok((control, Ok((member, grant))))) => {
            connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
            let link = Arc::clone(&member.link);
            session::run(&shared, member, grant, control, work(&connection, &link)).await;
        }
        Ok(Ok((_control, Err(NotRegistered::Refused(_))))) => {
            // The connector closes when it has read the reason.
            let _ = tokio::time::timeout(REFUSED, connection.closed()).await;
            CloseCode::NotRegistered.close(&connection, "registration refused");
        }
        Ok(Ok((_control, Err(NotRegistered::Failed(reason))))) => {
            tracing::debug!(%address, %reason, "no registration");
            CloseCode::Protocol.close(&connection, &reason);
        }
        // A check before connecting ends so, without a stream.
        Ok(Err(error)) => tracing::debug!(%address, %error, "gone without a registration"),
        Err(_) => {
            tracing::debug!(%address, "no registration in time");
            CloseCode::NotRegistered.close(&connection, "no registration in time");
        }
    }
}

/// What QUIC has to do besides the control stream; ends with the connection.
async fn work(connection: &quinn::Connection, link: &Arc<Link>) -> String {
    tokio::join!(serve_streams(connection, link), udp::receive(link));
    connection.closed().await.to_string()
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
    server.set_message_limit(STREAM_MESSAGE);
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
