//! What the serving path reads: everything that is configured, as it was at one moment, in memory.
//!
//! The contract between a change and a request:
//!
//! 1. Every method that changes the configuration raises the generation in its own transaction and returns after
//!    the commit.
//! 2. [`Store::snapshot`] returns a state at least as new as the last commit before the call. It is read in one
//!    transaction, so it never shows half of a change, and it says which generation it is.
//! 3. Whoever serves keeps the last snapshot in an atomic pointer, replaces it by one of a higher generation only,
//!    and does so before a change is acknowledged. Then every request that starts after the acknowledgement sees
//!    the change, and a request that is running keeps the snapshot that it began with.
//! 4. [`Store::changes`] is a `watch` channel of generations for those who follow without being asked.
//!
//! Versions never change: a snapshot takes those it knows from the one before, so that only new ones are read and
//! their secrets opened. Modules are not part of it; [`Store::modules`] reads them once per version.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use crate::Store;
use crate::account::Account;
use crate::certificate::{self, KeyedCertificate};
use crate::database::{Transaction, query, uuid};
use crate::deployment::{self, Deployment};
use crate::error::StoreError;
use crate::network_route::{self, NetworkRoute};
use crate::publication::{self, TunnelConfiguration};
use crate::seal::{Sealer, Secret};
use crate::service::{self, VpcService};
use crate::triggers::{self, Triggers};
use crate::tunnel::{self, ConfigSource, Tunnel};
use crate::version::{self, Version};
use crate::worker::{self, Worker};

/// A deployed version with the secrets that its bindings name.
#[derive(Debug)]
pub struct ServedVersion {
    /// The version.
    pub version: Version,
    /// The text of each `secret_text` binding, by name.
    pub secrets: BTreeMap<String, Secret>,
}

/// A Worker as it is served.
#[derive(Debug)]
pub struct ServedWorker {
    /// The Worker and its settings.
    pub worker: Worker,
    /// The deployment in force; none: it has versions but none takes traffic.
    pub deployment: Option<Deployment>,
    /// The versions of the deployment.
    pub versions: HashMap<Uuid, Arc<ServedVersion>>,
    /// Routes, custom domains, schedules.
    pub triggers: Triggers,
}

impl ServedWorker {
    /// The version that a request goes to whose draw is `point`, evenly spread over 0 to 9,999.
    pub fn pick(&self, point: u16) -> Option<&Arc<ServedVersion>> {
        let id = self.deployment.as_ref()?.pick(point)?;
        self.versions.get(&id)
    }
}

/// A tunnel with its secret. Deleted tunnels are not in a snapshot.
#[derive(Debug)]
pub struct ServedTunnel {
    /// The tunnel.
    pub tunnel: Tunnel,
    /// What a connector proves that it knows.
    pub secret: Secret,
    /// What its connectors are told, where this server decides on it.
    pub configuration: Option<TunnelConfiguration>,
    /// Host names that were routed to it one by one.
    pub hostnames: Vec<String>,
}

/// Everything that is configured, at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Rises with every change.
    pub generation: u64,
    /// The account.
    pub account: Account,
    /// By name.
    pub workers: BTreeMap<String, Arc<ServedWorker>>,
    /// By identifier.
    pub services: HashMap<Uuid, Arc<VpcService>>,
    /// By identifier.
    pub tunnels: HashMap<Uuid, Arc<ServedTunnel>>,
    /// By identifier.
    pub certificates: HashMap<Uuid, Arc<KeyedCertificate>>,
    /// What is behind which tunnel, the oldest first.
    pub network_routes: Vec<NetworkRoute>,
}

/// The generation that the database has.
pub(crate) async fn generation(transaction: &mut Transaction) -> Result<u64, StoreError> {
    query("SELECT generation FROM meta WHERE id = 1").fetch_one(transaction).await?.number("meta", "generation")
}

async fn load(
    transaction: &mut Transaction,
    sealer: &Sealer,
    account: &Account,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, StoreError> {
    let known: HashMap<Uuid, &Arc<ServedVersion>> = previous
        .into_iter()
        .flat_map(|snapshot| snapshot.workers.values())
        .flat_map(|worker| worker.versions.iter())
        .map(|(id, version)| (*id, version))
        .collect();
    // The first read fixes what this transaction sees.
    let generation = generation(transaction).await?;
    let mut deployments = deployment::all_current(transaction).await?;
    let mut reached = triggers::all(transaction).await?;
    let mut workers = BTreeMap::new();
    let rows = query("SELECT * FROM workers WHERE account_id = $1")
        .bind(account.id.as_str())
        .fetch_all(&mut *transaction)
        .await?;
    for row in rows {
        let worker = worker::read(&row)?;
        let deployment = deployments.remove(&worker.id);
        let triggers = reached.remove(&worker.id).unwrap_or_default();
        let mut versions = HashMap::new();
        for share in deployment.iter().flat_map(|deployment| &deployment.shares) {
            let served = match known.get(&share.version_id) {
                Some(version) => Arc::clone(version),
                None => {
                    let row = query("SELECT * FROM versions WHERE id = $1")
                        .bind(share.version_id)
                        .fetch_one(&mut *transaction)
                        .await?;
                    Arc::new(ServedVersion {
                        version: version::read(&row)?,
                        secrets: version::read_secrets(transaction, sealer, share.version_id).await?,
                    })
                }
            };
            versions.insert(share.version_id, served);
        }
        workers.insert(worker.name.clone(), Arc::new(ServedWorker { worker, deployment, versions, triggers }));
    }
    let mut services = HashMap::new();
    for row in query("SELECT * FROM services WHERE account_id = $1")
        .bind(account.id.as_str())
        .fetch_all(&mut *transaction)
        .await?
    {
        let service = service::read(&row)?;
        services.insert(service.id, Arc::new(service));
    }
    let mut tunnels = HashMap::new();
    for row in query("SELECT * FROM tunnels WHERE account_id = $1 AND deleted_on IS NULL")
        .bind(account.id.as_str())
        .fetch_all(&mut *transaction)
        .await?
    {
        let id = uuid(&row, "tunnels", "id")?;
        let tunnel = tunnel::read(&row)?;
        let configuration = match tunnel.config_src {
            ConfigSource::Local => None,
            ConfigSource::Remote => publication::configuration(&mut *transaction, id).await?,
        };
        let hostnames = publication::hostnames(&mut *transaction, id).await?;
        let secret = tunnel::open_secret(sealer, &row, id)?;
        tunnels.insert(id, Arc::new(ServedTunnel { tunnel, secret, configuration, hostnames }));
    }
    let mut certificates = HashMap::new();
    for row in query("SELECT * FROM certificates WHERE account_id = $1")
        .bind(account.id.as_str())
        .fetch_all(&mut *transaction)
        .await?
    {
        let keyed = certificate::read_keyed(sealer, &row)?;
        certificates.insert(keyed.certificate.id, Arc::new(keyed));
    }
    let network_routes = network_route::all(transaction, account.id.as_str()).await?;
    Ok(Snapshot { generation, account: account.clone(), workers, services, tunnels, certificates, network_routes })
}

impl Store {
    /// Everything that is configured, at least as new as the last commit before this call. Cheap when nothing
    /// changed: then it is the same one as before.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        // One at a time, so that callers who come together share one reading and the newest is kept.
        let mut last = self.last_snapshot.lock().await;
        let mut transaction = self.database.read().await?;
        if let Some(snapshot) = last.as_ref()
            && snapshot.generation == generation(&mut transaction).await?
        {
            return Ok(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(load(&mut transaction, &self.sealer, &self.account, last.as_deref()).await?);
        *last = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}
