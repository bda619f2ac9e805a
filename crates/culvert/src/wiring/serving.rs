//! What is served now: the configuration of one moment, ready for the paths that requests take.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use store::{Snapshot, Store, StoreError};
use uuid::Uuid;
use workers::WorkerVersion;

use super::addresses::Addresses;
use super::private_networks::PrivateNetworks;
use super::published_hosts::PublishedNames;
use super::registrations::{VersionParts, vpc_service, worker_version};

/// What is served, replaced whole on every change.
pub type Current = Arc<ArcSwap<Serving>>;

/// The configuration of one moment.
pub struct Serving {
    /// Where it comes from.
    pub snapshot: Arc<Snapshot>,
    /// Which Worker is at which address.
    pub addresses: Addresses,
    /// Which tunnel is at which host name.
    pub published: PublishedNames,
    /// Deployed versions.
    pub versions: HashMap<Uuid, Arc<WorkerVersion>>,
    /// VPC Services.
    pub services: HashMap<Uuid, Arc<vpc::Service>>,
    /// VPC Networks.
    pub networks: PrivateNetworks,
}

impl Serving {
    /// What the store has now. Versions that `previous` has already are taken from it: they never change.
    pub async fn load(store: &Store, cpu_ceiling: Duration, previous: Option<&Self>) -> Result<Self, StoreError> {
        let snapshot = store.snapshot().await?;
        let mut versions = HashMap::new();
        for (name, worker) in &snapshot.workers {
            for (id, served) in &worker.versions {
                let known = previous.and_then(|previous| previous.versions.get(id));
                let version = match known {
                    Some(version) => version.clone(),
                    None => {
                        let modules = store.modules(*id).await?;
                        Arc::new(worker_version(*id, name, &VersionParts::of(served, &modules), cpu_ceiling))
                    }
                };
                versions.insert(*id, version);
            }
        }
        let mut services = HashMap::new();
        for (id, kept) in &snapshot.services {
            match vpc_service(kept, &snapshot) {
                Ok(service) => {
                    let known =
                        previous.and_then(|previous| previous.services.get(id)).filter(|known| ***known == service);
                    services.insert(*id, known.cloned().unwrap_or_else(|| Arc::new(service)));
                }
                Err(error) => tracing::error!(service = %id, "this service cannot be reached: {error}"),
            }
        }
        let (addresses, networks) = (Addresses::of(&snapshot), PrivateNetworks::of(&snapshot));
        let published = PublishedNames::of(&snapshot);
        Ok(Self { addresses, networks, published, snapshot, versions, services })
    }
}
