//! UDP sessions through one connection, in both versions of the protocol.

use super::carrier::Carrier;
use super::link::Link;
use crate::exchange::{self, ExchangeError};
use bytes::Bytes;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tunnel_proto::connector::DatagramVersion;
use tunnel_proto::datagram::{v2, v3};
use tunnel_proto::origin::DialFailure;
use tunnel_proto::rpc::{Call, RegisterUdpSession, Reply, RpcClient, UnregisterUdpSession};
use tunnel_proto::stream::RPC_SIGNATURE;
use uuid::Uuid;

/// Events of one session that wait for its owner; more are dropped, as UDP does.
const QUEUE: usize = 32;
/// A connector ends an idle session after this time by itself.
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// How long one RPC on a stream of its own may take.
const RPC_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer to a registration by datagram is awaited before it is asked again.
const RETRANSMIT: Duration = Duration::from_millis(500);

/// What happens to a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SessionEvent {
    /// Answer to a registration (version 3).
    Answer(v3::Answer),
    /// A payload came back.
    Payload(Bytes),
    /// The connector ended it, with its reason.
    Ended(String),
}

/// Why a session was not made.
#[derive(Debug)]
pub(crate) enum SessionError {
    /// The connection carries no datagrams.
    NoDatagrams,
    /// The connector's words and what they mean.
    Refused(DialFailure, String),
    /// The connection is gone.
    Lost(String),
    /// The payload does not fit in a datagram.
    TooLarge(usize),
}

/// The sessions of one connection, by id.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<Uuid, mpsc::Sender<SessionEvent>>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, mpsc::Sender<SessionEvent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an event to the session's owner. Without an owner, or when the owner is slow, it is dropped.
    pub(crate) fn deliver(&self, session: Uuid, event: SessionEvent) {
        if let Some(owner) = self.lock().get(&session) {
            let _ = owner.try_send(event);
        }
    }
}

/// A session; dropping it forgets it, and tells the connector where the protocol has a message for that.
#[derive(Debug)]
pub(crate) struct Session {
    link: Arc<Link>,
    id: Uuid,
    version: DatagramVersion,
    events: mpsc::Receiver<SessionEvent>,
}

/// Reads datagrams of a connection and hands them to sessions until the connection ends.
pub(crate) async fn receive(link: &Link) {
    let (Carrier::Quic(connection), Some(version)) = (&link.carrier, link.client.features.datagram_version()) else {
        return;
    };
    while let Ok(datagram) = connection.read_datagram().await {
        let delivered = match version {
            DatagramVersion::V2 => match v2::Datagram::decode(&datagram) {
                Ok(v2::Datagram::Udp { session, payload }) => Ok(Some((session, SessionEvent::Payload(payload)))),
                Ok(v2::Datagram::Ip(_) | v2::Datagram::TracingSpan(_)) => Ok(None),
                Err(error) => Err(error),
            },
            DatagramVersion::V3 => match v3::Datagram::decode(&datagram) {
                Ok(v3::Datagram::Payload { request, payload }) => Ok(Some((request, SessionEvent::Payload(payload)))),
                Ok(v3::Datagram::Answer { request, answer }) => Ok(Some((request, SessionEvent::Answer(answer)))),
                Ok(v3::Datagram::Register(_) | v3::Datagram::Icmp(_)) => Ok(None),
                Err(error) => Err(error),
            },
        };
        match delivered {
            Ok(Some((session, event))) => {
                if let SessionEvent::Payload(payload) = &event {
                    link.count_received(payload.len());
                }
                link.sessions.deliver(session, event);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(connector = %link.connector(), %error, "datagram dropped"),
        }
    }
}

/// Makes a session to `destination`.
pub(crate) async fn open(link: Arc<Link>, destination: SocketAddr) -> Result<Session, SessionError> {
    let version = link.datagram_version().ok_or(SessionError::NoDatagrams)?;
    let id = Uuid::new_v4();
    let (sender, events) = mpsc::channel(QUEUE);
    link.sessions.lock().insert(id, sender);
    // From here on, dropping the session cleans up.
    let mut session = Session { link, id, version, events };
    match version {
        DatagramVersion::V2 => session.register_by_rpc(destination).await?,
        DatagramVersion::V3 => session.register_by_datagram(destination).await?,
    }
    Ok(session)
}

impl Session {
    async fn register_by_rpc(&mut self, destination: SocketAddr) -> Result<(), SessionError> {
        let request = Call::RegisterUdpSession(RegisterUdpSession {
            session: self.id,
            destination,
            close_after_idle: IDLE,
            trace_context: String::new(),
        });
        match call(&self.link, &request).await {
            Ok(Reply::RegisterUdpSession(session)) if session.error.is_empty() => Ok(()),
            Ok(Reply::RegisterUdpSession(session)) => {
                Err(SessionError::Refused(DialFailure::classify(&session.error), session.error))
            }
            Ok(other) => Err(SessionError::Lost(format!("it answered something else: {other:?}"))),
            Err(error) => Err(SessionError::Lost(error.to_string())),
        }
    }

    async fn register_by_datagram(&mut self, destination: SocketAddr) -> Result<(), SessionError> {
        let register = v3::Datagram::Register(v3::Register {
            request: self.id,
            destination,
            idle: IDLE,
            traced: false,
            bundled: None,
        });
        let register = register.encode().map_err(|_| SessionError::TooLarge(0))?;
        loop {
            send(&self.link, register.clone())?;
            let Ok(event) = tokio::time::timeout(RETRANSMIT, self.events.recv()).await else {
                continue;
            };
            let (cause, text) = match event {
                Some(SessionEvent::Answer(v3::Answer::Accepted)) => return Ok(()),
                Some(SessionEvent::Answer(v3::Answer::Unreachable)) => {
                    (DialFailure::NetworkUnreachable, "destination unreachable".to_owned())
                }
                Some(SessionEvent::Answer(v3::Answer::CannotBind)) => {
                    (DialFailure::NetworkUnreachable, "the connector could not bind or connect a UDP socket".to_owned())
                }
                Some(SessionEvent::Answer(v3::Answer::TooManyFlows)) => {
                    (DialFailure::TooManyFlows, DialFailure::TooManyFlows.words().to_owned())
                }
                Some(SessionEvent::Answer(v3::Answer::Failed(text))) => (DialFailure::classify(&text), text),
                Some(SessionEvent::Payload(_)) => continue,
                Some(SessionEvent::Ended(text)) => (DialFailure::classify(&text), text),
                None => return Err(SessionError::Lost("the session was dropped".to_owned())),
            };
            return Err(SessionError::Refused(cause, text));
        }
    }

    /// Sends a payload. It may be lost on the way, as UDP payloads may.
    pub(crate) fn send(&self, payload: Bytes) -> Result<(), SessionError> {
        let length = payload.len();
        let datagram = match self.version {
            DatagramVersion::V2 => v2::Datagram::Udp { session: self.id, payload }.encode(),
            DatagramVersion::V3 => v3::Datagram::Payload { request: self.id, payload }.encode(),
        };
        send(&self.link, datagram.map_err(|_| SessionError::TooLarge(length))?)?;
        self.link.count_sent(length);
        Ok(())
    }

    /// Whether it can serve another query, as far as that was heard. What came for an earlier one is forgotten.
    pub(crate) fn is_alive(&mut self) -> bool {
        loop {
            match self.events.try_recv() {
                Ok(SessionEvent::Payload(_) | SessionEvent::Answer(v3::Answer::Accepted)) => {}
                Ok(SessionEvent::Ended(_) | SessionEvent::Answer(_)) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    /// The next payload, or the reason why there will be none.
    pub(crate) async fn receive(&mut self) -> Result<Bytes, SessionError> {
        loop {
            match self.events.recv().await {
                Some(SessionEvent::Payload(payload)) => return Ok(payload),
                // After the first answer: Culvert's connector tells that the origin failed.
                Some(SessionEvent::Answer(v3::Answer::Failed(text)) | SessionEvent::Ended(text)) => {
                    return Err(SessionError::Refused(DialFailure::classify(&text), text));
                }
                Some(SessionEvent::Answer(_)) => {}
                None => return Err(SessionError::Lost("the session was dropped".to_owned())),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.link.sessions.lock().remove(&self.id);
        if self.version == DatagramVersion::V2
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (link, session) = (Arc::clone(&self.link), self.id);
            // Frees the connector's socket and its place among the active flows; it would idle out otherwise.
            runtime.spawn(async move {
                let message = "done".to_owned();
                if let Err(error) =
                    call(&link, &Call::UnregisterUdpSession(UnregisterUdpSession { session, message })).await
                {
                    tracing::debug!(connector = %link.connector(), %error, "UDP session not unregistered");
                }
            });
        }
    }
}

fn send(link: &Link, datagram: Bytes) -> Result<(), SessionError> {
    use quinn::SendDatagramError;
    let Carrier::Quic(connection) = &link.carrier else {
        return Err(SessionError::NoDatagrams);
    };
    let length = datagram.len();
    connection.send_datagram(datagram).map_err(|error| match error {
        SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => SessionError::NoDatagrams,
        SendDatagramError::TooLarge => SessionError::TooLarge(length),
        SendDatagramError::ConnectionLost(error) => SessionError::Lost(error.to_string()),
    })
}

/// One call on an RPC stream of its own.
pub(crate) async fn call(link: &Link, call: &Call) -> Result<Reply, ExchangeError> {
    let Carrier::Quic(connection) = &link.carrier else {
        return Err(ExchangeError::Ended(": HTTP/2 has no RPC streams".to_owned()));
    };
    let exchange = async {
        let (mut writer, mut reader) = connection.open_bi().await.map_err(std::io::Error::from)?;
        writer.write_all(&RPC_SIGNATURE).await.map_err(std::io::Error::from)?;
        let mut client = RpcClient::new();
        let reply = exchange::call(&mut client, &mut reader, &mut writer, call, RPC_TIMEOUT).await?;
        client.close();
        exchange::flush_client(&mut client, &mut writer).await?;
        writer.shutdown().await?;
        Ok(reply)
    };
    tokio::time::timeout(RPC_TIMEOUT, exchange).await.map_err(|_| ExchangeError::TimedOut(RPC_TIMEOUT))?
}
