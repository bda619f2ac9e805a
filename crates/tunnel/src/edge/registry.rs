//! The live connections of all tunnels.

use super::link::Link;
use super::select::{self, Candidate};
use super::status::{self, ConnectorStatus, TransportKind};
use crate::quic::CloseCode;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// The live connections, by tunnel.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    tunnels: Mutex<HashMap<Uuid, Vec<Arc<Link>>>>,
    /// What a locally managed connector said last of its configuration, by tunnel; for as long as it is connected.
    local_configurations: Mutex<HashMap<Uuid, Arc<[u8]>>>,
    /// Grows with each revocation: who was authenticated before one must be authenticated again.
    epoch: AtomicU64,
}

/// Why a connection was not added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NotAdded {
    /// The tunnel has that many others.
    Full(usize),
    /// A tunnel was revoked since the connector was authenticated.
    Stale,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<Arc<Link>>>> {
        self.tunnels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection and gives back the one it replaces: same connector, same index.
    /// `epoch` is what [`Self::epoch`] gave before the connector was authenticated.
    pub(crate) fn insert(&self, link: Arc<Link>, limit: usize, epoch: u64) -> Result<Option<Arc<Link>>, NotAdded> {
        let mut tunnels = self.lock();
        if self.epoch() != epoch {
            return Err(NotAdded::Stale);
        }
        let links = tunnels.entry(link.tunnel).or_default();
        let same = |other: &Arc<Link>| other.connector() == link.connector() && other.index == link.index;
        let replaced = links.iter().position(same).map(|position| links.swap_remove(position));
        if links.len() >= limit {
            return Err(NotAdded::Full(links.len()));
        }
        links.push(link);
        Ok(replaced)
    }

    pub(crate) fn remove(&self, link: &Link) {
        let mut tunnels = self.lock();
        if let Some(links) = tunnels.get_mut(&link.tunnel) {
            links.retain(|other| other.id != link.id);
            if links.is_empty() {
                tunnels.remove(&link.tunnel);
                self.local_configurations().remove(&link.tunnel);
            }
        }
    }

    fn local_configurations(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<[u8]>>> {
        self.local_configurations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a connector said of its configuration, as long as it is connected.
    pub(crate) fn keep_local_configuration(&self, link: &Link, configuration: &[u8]) {
        let tunnels = self.lock();
        if tunnels.get(&link.tunnel).is_some_and(|links| links.iter().any(|other| other.id == link.id)) {
            self.local_configurations().insert(link.tunnel, configuration.into());
        }
    }

    pub(crate) fn local_configuration(&self, tunnel: Uuid) -> Option<Arc<[u8]>> {
        self.local_configurations().get(&tunnel).cloned()
    }

    pub(crate) fn links(&self, tunnel: Uuid) -> Vec<Arc<Link>> {
        self.lock().get(&tunnel).cloned().unwrap_or_default()
    }

    /// Connections that take flows, the one to use first in front.
    pub(crate) fn choose(&self, tunnel: Uuid) -> Vec<Arc<Link>> {
        let mut links = self.links(tunnel);
        links.retain(|link| !link.is_draining());
        let candidates: Vec<Candidate> = links
            .iter()
            .map(|link| Candidate {
                connector: link.connector(),
                flows: link.flows(),
                rtt: link.rtt(),
                silent: link.is_silent(),
            })
            .collect();
        select::order(&candidates).into_iter().filter_map(|index| links.get(index).cloned()).collect()
    }

    /// One connection of each connector.
    pub(crate) fn one_per_connector(&self, tunnel: Uuid) -> Vec<Arc<Link>> {
        let mut seen = BTreeSet::new();
        self.links(tunnel).into_iter().filter(|link| seen.insert(link.connector())).collect()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Closes and forgets all connections of a tunnel.
    pub(crate) fn revoke(&self, tunnel: Uuid) {
        let links = {
            let mut tunnels = self.lock();
            self.epoch.fetch_add(1, Ordering::SeqCst);
            self.local_configurations().remove(&tunnel);
            tunnels.remove(&tunnel).unwrap_or_default()
        };
        for link in links {
            link.close(CloseCode::Revoked, "the tunnel was revoked");
        }
    }

    pub(crate) fn connectors(&self, tunnel: Uuid) -> Vec<ConnectorStatus> {
        let mut connectors: BTreeMap<Uuid, Vec<Arc<Link>>> = BTreeMap::new();
        for link in self.links(tunnel) {
            connectors.entry(link.connector()).or_default().push(link);
        }
        let live = connectors.values().filter(|links| links.iter().any(|link| !link.is_draining())).count();
        connectors
            .into_iter()
            .filter_map(|(id, mut links)| {
                links.sort_by_key(|link| link.index);
                let client = &links.first()?.client;
                let transports: Vec<TransportKind> = links.iter().map(|link| link.transport()).collect();
                Some(ConnectorStatus {
                    id,
                    version: client.version.clone(),
                    platform: client.platform.clone(),
                    features: client.features.names().to_vec(),
                    connections: links.iter().map(|link| link.status()).collect(),
                    draining: links.iter().all(|link| link.is_draining()),
                    warnings: status::warnings(&client.version, &transports, live),
                })
            })
            .collect()
    }
}
