//! What is configured: accounts, API tokens, Workers with their versions, deployments and secrets, VPC Services,
//! tunnels, certificates, and the log of who changed them. Kept in SQLite, or in PostgreSQL where several edges share
//! it; an acknowledged write is on the disk, and a process that is killed at any moment leaves every acknowledged write
//! and no half one.
//!
//! It must not know HTTP, nor how anything of this is served. What the serving path reads is a [`Snapshot`]; the
//! contract is written down there, in `snapshot.rs`.
//!
//! Futures of this crate must be driven to their end: dropping one in the middle of a change leaves the database
//! whole, but the caller does not know whether the change happened.

mod account;
mod address;
mod audit;
mod certificate;
mod cron;
mod database;
mod deployment;
mod error;
mod follow;
mod key;
mod material;
mod network_route;
mod permission;
mod publication;
mod publish;
mod seal;
mod service;
mod service_policy;
mod snapshot;
mod token;
mod triggers;
mod tunnel;
mod version;
mod worker;

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Mutex, watch};

pub use account::{Account, AccountId, LOCAL_ACCOUNT};
pub use audit::{Actor, AuditEntry, AuditQuery};
pub use certificate::{Certificate, CertificateKind, KeyedCertificate};
pub use cron::{Cron, CronError};
pub use database::{DATABASE_FILE, DatabaseLocation, PostgresAddress, backup};
pub use deployment::{Deployment, DeploymentDetail, MAX_SHARES, Percentage, Share, check_shares};
pub use error::{StoreError, Thing};
pub use key::{KEY_FILE, KeySource};
pub use network_route::{MAX_NETWORK_ROUTES, NetworkDestination, NetworkRoute, NetworkRouteChange};
pub use permission::Permission;
pub use publication::TunnelConfiguration;
pub use publish::{Base, Code, IfAbsent, NewVersion, Publish, Published};
pub use seal::Secret;
pub use service::{
    AppProtocol, CertVerificationMode, Force, MAX_SERVICES, Protocol, ServiceHost, TlsSettings, VpcService,
    VpcServiceSpec,
};
pub use service_policy::{Breaker, ServicePolicy};
pub use snapshot::{ServedTunnel, ServedVersion, ServedWorker, Snapshot};
pub use token::{ADMIN_TOKEN_FILE, ApiToken, NewToken, TokenCheck};
pub use triggers::{Domain, Route, Schedule, Triggers};
pub use tunnel::{ConfigSource, TUNNEL_SECRET_BYTES, Tunnel, TunnelQuery};
pub use version::{
    Binding, BindingKind, ExportedEntrypoint, Limits, Module, ModuleKind, NetworkRef, Version, VersionDetail,
};
pub use worker::{MAX_WORKERS, SettingsPatch, Worker, WorkerSettings};

use database::Database;
use key::IfMissing;
use seal::Sealer;

/// An open store. Share it in an [`Arc`].
#[derive(Debug)]
pub struct Store {
    database: Database,
    sealer: Sealer,
    account: Account,
    generation: Arc<watch::Sender<u64>>,
    /// Looks for changes that other edges commit, where there may be some.
    _follower: Option<follow::Follower>,
    last_snapshot: Mutex<Option<Arc<Snapshot>>>,
}

impl Store {
    /// Opens the store whose files are in `data_dir`, making the directory (0700), the database and the key where they
    /// are missing, and running the migrations that the database lacks. A key that does not belong to the database is
    /// refused.
    pub async fn open(data_dir: &Path, location: &DatabaseLocation, key: &KeySource) -> Result<Self, StoreError> {
        let failed = |path: PathBuf| move |source| StoreError::DataDirectory { path, source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed(data_dir.to_owned()))?;
        let database = Database::open(location, data_dir).await?;
        let if_missing = if material::has_key_check(&database).await? { IfMissing::Refuse } else { IfMissing::Make };
        let sealer = Sealer::new(&key::load(key, data_dir, if_missing)?)?;
        material::check_key(&database, &sealer).await?;
        let account = account::ensure(&database).await?;
        let (generation, _) = watch::channel(0);
        let generation = Arc::new(generation);
        let _follower = follow::Follower::start(&database, &generation);
        let store = Store { database, sealer, account, generation, _follower, last_snapshot: Mutex::new(None) };
        let snapshot = store.snapshot().await?;
        store.announce(snapshot.generation);
        Ok(store)
    }

    /// The account that everything in this store belongs to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Follows the generation: a number that rises with every change of configuration, whoever commits it. What another
    /// edge commits to a shared database is seen a quarter of a second later.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Closes the database in order. A store that is dropped or killed instead loses nothing.
    pub async fn close(&self) {
        self.database.close().await;
    }

    pub(crate) fn announce(&self, generation: u64) {
        follow::announce(&self.generation, generation);
    }
}
