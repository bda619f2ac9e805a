//! One registered connection of a connector, as the rest of the edge uses it.

use super::carrier::Carrier;
use super::session_pool::SessionPool;
use super::status::{ConnectionStatus, TransportKind};
use super::udp::Sessions;
use crate::quic::CloseCode;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tunnel_proto::connector::{ConnectorVersion, DatagramVersion, HALF_CLOSE};
use tunnel_proto::rpc::{ClientInfo, RegisterConnection};
use uuid::Uuid;

/// Without a packet for this long (two keep-alives), a connection is taken for silent.
const SILENCE: Duration = Duration::from_millis(2200);

/// A registered connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: Uuid,
    pub(crate) tunnel: Uuid,
    pub(crate) index: u8,
    pub(crate) client: ClientInfo,
    pub(crate) carrier: Carrier,
    pub(crate) sessions: Sessions,
    /// Sessions to resolvers.
    pub(crate) pool: SessionPool,
    remote_address: SocketAddr,
    since: OffsetDateTime,
    started: Instant,
    draining: AtomicBool,
    flows: AtomicU32,
    flows_total: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    /// Milliseconds after `started` when a packet was last heard, as sampled by [`Link::listen`].
    heard: AtomicU64,
}

impl Link {
    pub(crate) fn new(
        id: Uuid,
        registration: &RegisterConnection,
        carrier: Carrier,
        remote_address: SocketAddr,
    ) -> Self {
        Self {
            id,
            tunnel: registration.tunnel,
            index: registration.connection_index,
            client: registration.options.client.clone(),
            carrier,
            sessions: Sessions::default(),
            pool: SessionPool::default(),
            remote_address,
            since: OffsetDateTime::now_utc(),
            started: Instant::now(),
            draining: AtomicBool::new(false),
            flows: AtomicU32::new(0),
            flows_total: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        }
    }

    pub(crate) fn connector(&self) -> Uuid {
        self.client.id
    }

    pub(crate) fn transport(&self) -> TransportKind {
        self.carrier.kind()
    }

    pub(crate) fn version(&self) -> ConnectorVersion {
        ConnectorVersion::parse(&self.client.version)
    }

    /// The connector closes one direction of a flow at a time.
    pub(crate) fn half_close(&self) -> bool {
        self.client.features.contains(HALF_CLOSE)
    }

    /// The version of datagrams spoken here, `None` where there are none.
    pub(crate) fn datagram_version(&self) -> Option<DatagramVersion> {
        self.client.features.datagram_version().filter(|_| self.carrier.has_datagrams())
    }

    pub(crate) fn rtt(&self) -> Duration {
        self.carrier.rtt()
    }

    /// Samples what is heard until the connection ends.
    pub(crate) async fn listen(&self) {
        let mut heard = self.carrier.heard();
        let mut interval = tokio::time::interval(SILENCE / 5);
        loop {
            interval.tick().await;
            let now = self.carrier.heard();
            if now != heard {
                heard = now;
                self.heard.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Nothing was heard for longer than keep-alive allows.
    pub(crate) fn is_silent(&self) -> bool {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(heard) > SILENCE
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// No new flows from now on. Says whether that is news.
    pub(crate) fn drain(&self) -> bool {
        !self.draining.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.carrier.close(code, reason);
    }

    pub(crate) fn flows(&self) -> u32 {
        self.flows.load(Ordering::Relaxed)
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        ConnectionStatus {
            id: self.id,
            connector: self.connector(),
            index: self.index,
            transport: self.transport(),
            since: self.since,
            remote_address: self.remote_address,
            rtt: self.rtt(),
            flows: self.flows(),
            flows_total: self.flows_total.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            draining: self.is_draining(),
        }
    }
}

/// Counts one flow of a link for as long as it lives, from when it is asked for: a burst is spread that way.
#[derive(Debug)]
pub(crate) struct LinkUse(Arc<Link>);

impl LinkUse {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        link.flows.fetch_add(1, Ordering::Relaxed);
        Self(link)
    }

    /// The link without the counting, for a part of the flow that runs by itself.
    pub(crate) fn shared(&self) -> Arc<Link> {
        Arc::clone(&self.0)
    }

    /// The flow stands.
    pub(crate) fn opened(&self) {
        self.0.flows_total.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn link(&self) -> &Link {
        &self.0
    }

    pub(crate) fn downgrade(&self) -> Weak<Link> {
        Arc::downgrade(&self.0)
    }
}

impl Drop for LinkUse {
    fn drop(&mut self) {
        self.0.flows.fetch_sub(1, Ordering::Relaxed);
    }
}
