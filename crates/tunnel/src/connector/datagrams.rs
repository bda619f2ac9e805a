//! UDP sessions of one connection, in both versions of the protocol.

use super::dial;
use super::state::{FlowPlace, State};
use crate::dns_message::{HEADER, question_end};
use crate::exchange;
use bytes::Bytes;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tunnel_proto::connector::DatagramVersion;
use tunnel_proto::datagram::{MAX_PAYLOAD, v2, v3};
use tunnel_proto::origin::{self, DialFailure};
use tunnel_proto::rpc::{Call, RegisterUdpSession, RpcClient, UdpSession, UnregisterUdpSession};
use tunnel_proto::stream::RPC_SIGNATURE;
use uuid::Uuid;

/// The most sessions on one connection, whatever the configuration allows.
const MAX_SESSIONS: usize = 1024;
/// Payloads that wait to be sent to an origin; more are dropped, as UDP does.
const QUEUE: usize = 64;
/// A session without payload ends after this time when the edge does not say.
const IDLE: Duration = Duration::from_secs(210);
/// How long the edge may take to hear that a session has ended.
const RPC_TIMEOUT: Duration = Duration::from_secs(5);
/// Enough to tell a payload that does not fit in a datagram from one that does, and to find the question in it.
const RECEIVED: usize = 4096;
/// The port of DNS, whose answers can be cut with a mark.
const DNS: u16 = 53;

/// The UDP sessions of one connection.
#[derive(Debug)]
pub(crate) struct UdpSessions {
    connection: quinn::Connection,
    version: DatagramVersion,
    state: Arc<State>,
    sessions: Mutex<HashMap<Uuid, mpsc::Sender<Bytes>>>,
}

impl UdpSessions {
    pub(crate) fn new(connection: quinn::Connection, version: DatagramVersion, state: Arc<State>) -> Self {
        Self { connection, version, state, sessions: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, mpsc::Sender<Bytes>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes datagrams from the edge until the connection ends; then the sessions end as well.
    pub(crate) async fn receive(self: &Arc<Self>) {
        while let Ok(datagram) = self.connection.read_datagram().await {
            let handled = match self.version {
                DatagramVersion::V2 => v2::Datagram::decode(&datagram).map(|datagram| self.handle_v2(datagram)),
                DatagramVersion::V3 => v3::Datagram::decode(&datagram).map(|datagram| self.handle_v3(datagram)),
            };
            if let Err(error) = handled {
                tracing::debug!(%error, "datagram of the edge dropped");
            }
        }
        self.lock().clear();
    }

    fn handle_v2(&self, datagram: v2::Datagram) {
        match datagram {
            v2::Datagram::Udp { session, payload } => self.deliver(session, payload),
            // ICMP and tracing are not offered.
            v2::Datagram::Ip(_) | v2::Datagram::TracingSpan(_) => {}
        }
    }

    fn handle_v3(self: &Arc<Self>, datagram: v3::Datagram) {
        match datagram {
            v3::Datagram::Register(register) => {
                let sessions = Arc::clone(self);
                tokio::spawn(async move {
                    let request = register.request;
                    let answer = match sessions.register(request, register.destination, register.idle).await {
                        Ok(()) => v3::Answer::Accepted,
                        Err(error) => match error.cause {
                            DialFailure::TooManyFlows => v3::Answer::TooManyFlows,
                            _ => v3::Answer::Failed(error.text),
                        },
                    };
                    sessions.send_v3(&v3::Datagram::Answer { request, answer });
                    if let Some(payload) = register.bundled {
                        sessions.deliver(request, payload);
                    }
                });
            }
            v3::Datagram::Payload { request, payload } => self.deliver(request, payload),
            v3::Datagram::Icmp(_) | v3::Datagram::Answer { .. } => {}
        }
    }

    fn deliver(&self, session: Uuid, payload: Bytes) {
        if let Some(session) = self.lock().get(&session) {
            // A full queue drops it, as UDP does.
            let _ = session.try_send(payload);
        }
    }

    /// A session asked for by RPC (version 2).
    pub(crate) async fn register_by_rpc(self: &Arc<Self>, register: RegisterUdpSession) -> UdpSession {
        let error = if self.version == DatagramVersion::V3 {
            "this connector takes UDP sessions by datagram (version 3) only".to_owned()
        } else {
            let registered = self.register(register.session, register.destination, register.close_after_idle).await;
            registered.err().map(|error| error.text).unwrap_or_default()
        };
        UdpSession { error, spans: Vec::new() }
    }

    /// Ends a session; the edge knows.
    pub(crate) fn end(&self, session: Uuid) {
        self.lock().remove(&session);
    }

    /// Makes a session, unless there is one with this id already, which is then left as it is.
    async fn register(
        self: &Arc<Self>,
        id: Uuid,
        destination: SocketAddr,
        idle: Duration,
    ) -> Result<(), dial::DialError> {
        if self.lock().contains_key(&id) {
            return Ok(());
        }
        let (socket, place) = dial::udp(&self.state, destination).await?;
        let (sender, payloads) = mpsc::channel(QUEUE);
        {
            let mut sessions = self.lock();
            if sessions.len() >= MAX_SESSIONS {
                return Err(dial::DialError::too_many_sessions(destination));
            }
            // Two registrations of one id at the same time: the first stands.
            if sessions.contains_key(&id) {
                return Ok(());
            }
            sessions.insert(id, sender);
        }
        self.state.counters.udp_sessions.fetch_add(1, Ordering::Relaxed);
        let idle = if idle.is_zero() { IDLE } else { idle };
        tokio::spawn(Arc::clone(self).run(id, socket, payloads, idle, destination.port() == DNS, place));
        Ok(())
    }

    /// Moves payloads both ways until the session ends.
    async fn run(
        self: Arc<Self>,
        id: Uuid,
        socket: UdpSocket,
        mut payloads: mpsc::Receiver<Bytes>,
        idle: Duration,
        dns: bool,
        place: FlowPlace,
    ) {
        let mut buffer = vec![0; RECEIVED];
        let reason = loop {
            let received = tokio::select! {
                payload = payloads.recv() => match payload {
                    Some(payload) => {
                        self.state.counters.bytes_in.fetch_add(payload.len() as u64, Ordering::Relaxed);
                        socket.send(&payload).await.map(|_| None)
                    }
                    // The edge has ended it, or the connection is gone.
                    None => return,
                },
                received = socket.recv(&mut buffer) => received.map(Some),
                () = tokio::time::sleep(idle) => break format!("session idle for {}s", idle.as_secs()),
            };
            match received {
                Ok(Some(length)) => {
                    self.state.counters.bytes_out.fetch_add(length as u64, Ordering::Relaxed);
                    self.send_payload(id, buffer.get(..length).unwrap_or_default(), dns);
                }
                Ok(None) => {}
                Err(error) => break self.failure(&socket, &error),
            }
        };
        self.lock().remove(&id);
        drop(place);
        self.tell_end(id, reason).await;
    }

    /// cloudflared's text for a failed read.
    fn failure(&self, socket: &UdpSocket, error: &std::io::Error) -> String {
        let words = match error.kind() {
            std::io::ErrorKind::ConnectionRefused => DialFailure::Refused.words().to_owned(),
            std::io::ErrorKind::NetworkUnreachable => DialFailure::NetworkUnreachable.words().to_owned(),
            std::io::ErrorKind::HostUnreachable => DialFailure::NoRouteToHost.words().to_owned(),
            _ => error.to_string().to_lowercase(),
        };
        match (socket.local_addr(), socket.peer_addr()) {
            (Ok(local), Ok(peer)) => format!("read udp {local}->{peer}: read: {words}"),
            _ => format!("read udp: read: {words}"),
        }
    }

    fn send_payload(&self, id: Uuid, payload: &[u8], dns: bool) {
        let overhead = match self.version {
            DatagramVersion::V2 | DatagramVersion::V3 => 17,
        };
        let room = self.connection.max_datagram_size().unwrap_or(0).saturating_sub(overhead).min(MAX_PAYLOAD);
        let payload = if payload.len() <= room {
            Bytes::copy_from_slice(payload)
        } else if let Some(cut) = dns.then(|| truncate_dns(payload)).flatten().filter(|cut| cut.len() <= room) {
            // The edge asks again by TCP, where it would wait in vain for a datagram that cannot be sent.
            Bytes::from(cut)
        } else {
            tracing::debug!(length = payload.len(), room, "UDP payload does not fit in a datagram");
            return;
        };
        match self.version {
            DatagramVersion::V2 => {
                if let Ok(datagram) = (v2::Datagram::Udp { session: id, payload }).encode() {
                    self.send(datagram);
                }
            }
            DatagramVersion::V3 => self.send_v3(&v3::Datagram::Payload { request: id, payload }),
        }
    }

    fn send_v3(&self, datagram: &v3::Datagram) {
        if let Ok(datagram) = datagram.encode() {
            self.send(datagram);
        }
    }

    fn send(&self, datagram: Bytes) {
        if let Err(error) = self.connection.send_datagram(datagram) {
            tracing::debug!(%error, "datagram not sent");
        }
    }

    /// Version 2 has a call for it. Version 3 has nothing; where the origin failed, a second answer to the registration
    /// tells an edge of Culvert, and others ignore it.
    async fn tell_end(&self, session: Uuid, message: String) {
        match self.version {
            DatagramVersion::V2 => {
                let call = Call::UnregisterUdpSession(UnregisterUdpSession { session, message });
                let exchange = async {
                    let (mut writer, mut reader) = self.connection.open_bi().await.map_err(std::io::Error::from)?;
                    writer.write_all(&RPC_SIGNATURE).await.map_err(std::io::Error::from)?;
                    let mut client = RpcClient::new();
                    exchange::call(&mut client, &mut reader, &mut writer, &call, RPC_TIMEOUT).await?;
                    client.close();
                    exchange::flush_client(&mut client, &mut writer).await?;
                    let _ = writer.finish();
                    Ok::<_, exchange::ExchangeError>(())
                };
                if let Err(error) = exchange.await {
                    tracing::debug!(%error, "the edge was not told that a UDP session ended");
                }
            }
            DatagramVersion::V3 => {
                if origin::DialFailure::classify(&message) != DialFailure::Other {
                    self.send_v3(&v3::Datagram::Answer { request: session, answer: v3::Answer::Failed(message) });
                }
            }
        }
    }
}

/// A DNS answer cut to its header and question, marked as truncated (TC, RFC 1035 section 4.1.1); `None` when it is not one.
fn truncate_dns(message: &[u8]) -> Option<Vec<u8>> {
    let header = message.get(..HEADER)?;
    let questions = u16::from_be_bytes([*header.get(4)?, *header.get(5)?]);
    let mut end = HEADER;
    for _ in 0..questions {
        end = question_end(message, end)?;
    }
    let mut cut = message.get(..end)?.to_vec();
    *cut.get_mut(2)? |= 0x02;
    cut.get_mut(6..HEADER)?.fill(0);
    Some(cut)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dns_answers_are_cut_to_the_question() {
        let mut answer = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        answer.extend_from_slice(b"\x02db\x08internal\x00\x00\x01\x00\x01");
        let question_end = answer.len();
        answer.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3]);
        let cut = truncate_dns(&answer).unwrap();
        assert_eq!(cut.len(), question_end);
        assert_eq!(cut[..12], [0x12, 0x34, 0x83, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
        for length in 0..question_end {
            assert_eq!(truncate_dns(&answer[..length]), None);
        }
        assert_eq!(truncate_dns(&[0xff; 64]), None);
    }
}
