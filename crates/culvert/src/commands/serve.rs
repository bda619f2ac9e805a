//! `culvert serve`: opens the store, starts every part, and serves until told to stop.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use control::EdgeAddresses;
use serde::{Deserialize, Serialize};
use store::{DatabaseLocation, Secret, Store};
use telemetry::{Telemetry, TelemetryLocation};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tunnel::authority::CertificateAuthority;
use tunnel::edge::{EdgeOptions as TunnelOptions, TunnelEdge};
use vpc::Vpc;

use super::signals::{on_hangup, until_told_to_stop};
use crate::configuration::Configuration;
use crate::failure::Failure;
use crate::wiring::{
    Callable, ControlPlatform, Current, Dispatcher, KnownTunnels, Outbounds, PublicNetwork, PublicSockets,
    PublishedHosts, Serving, StoredTunnels, TailedSink, scheduler, tail_workers,
};
use crate::{cli, dashboard};

/// In the data directory: where this edge listens. Written when it serves, so that its presence says so.
pub const ADDRESSES_FILE: &str = "addresses.json";

/// In the data directory: what connectors need to trust this edge.
pub const TUNNEL_CA_FILE: &str = "tunnel-ca.pem";

/// In the data directory: records and events.
const TELEMETRY_FILE: &str = "telemetry.db";

/// The name under which the store keeps the tunnels' certificate authority.
const TUNNEL_CA_MATERIAL: &str = "tunnel-ca";

/// Where an edge listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Addresses {
    /// Visitors.
    pub http: SocketAddr,
    /// The API.
    pub api: SocketAddr,
    /// Connectors.
    pub tunnel: SocketAddr,
}

impl Addresses {
    /// What the file says, if it is there.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

/// Serves until SIGTERM or SIGINT.
pub fn run(arguments: cli::Serve) -> Result<(), Failure> {
    let configuration = Configuration::of(arguments)?;
    super::log::start();
    let visitors = super::event_loop(super::processors())?;
    super::event_loop(super::half_the_processors())?.block_on(serve(configuration, visitors.handle()))
}

/// `visitors` is an event loop for their connections alone.
async fn serve(configuration: Configuration, visitors: &Handle) -> Result<(), Failure> {
    let directory = &configuration.data_dir;
    let failed = |what: &'static str| move |error: &dyn std::fmt::Display| Failure::failed(format!("{what}: {error}"));
    let store = Store::open(directory, &configuration.database, &configuration.secrets_key)
        .await
        .map_err(|error| failed("the store cannot be opened")(&error))?;
    let store = Arc::new(store);
    let addresses_file = directory.join(ADDRESSES_FILE);
    let _ = fs::remove_file(&addresses_file);
    store
        .ensure_admin_token(directory)
        .await
        .map_err(|error| failed("the administrator's token cannot be made")(&error))?;
    let authority = tunnel_authority(&store, directory).await?;
    let tunnel_ca = authority.certificate_pem().to_owned();
    let cpu_ceiling = configuration.cpu_ceiling;
    let serving = Serving::load(&store, cpu_ceiling, None)
        .await
        .map_err(|error| failed("the configuration cannot be read")(&error))?;
    let current: Current = Arc::new(ArcSwap::from_pointee(serving));

    let trace_sampling = configuration.telemetry.trace_sampling()?;
    let telemetry_location = match &configuration.database {
        DatabaseLocation::DataDirectory => TelemetryLocation::File(directory.join(TELEMETRY_FILE)),
        DatabaseLocation::Postgres(address) => TelemetryLocation::Postgres(Box::new(address.options().clone())),
    };
    let telemetry = Telemetry::open(&telemetry_location, configuration.telemetry.options()?)
        .await
        .map_err(|error| failed("records cannot be kept")(&error))?;

    let http = visitors
        .spawn(listen("visitors", configuration.http))
        .await
        .map_err(|error| failed("cannot listen for visitors")(&error))??;
    let api = listen("the API", configuration.api).await?;
    let tunnel_edge = TunnelEdge::bind(
        TunnelOptions::new(configuration.tunnel, authority),
        Arc::new(StoredTunnels::new(current.clone())),
    )
    .await
    .map_err(|error| failed("cannot listen for connectors")(&error))?;
    let local =
        |listener: &TcpListener| listener.local_addr().map_err(|error| failed("cannot tell an address")(&error));
    let addresses = Addresses { http: local(&http)?, api: local(&api)?, tunnel: tunnel_edge.local_addr() };

    let vpc = Vpc::new(
        Arc::new(KnownTunnels::new(current.clone(), tunnel_edge.tunnels())),
        telemetry.recorder(),
        vpc_options(&configuration, &addresses),
    );
    let public = PublicNetwork::new(configuration.allow_private_fetch);
    let sockets =
        PublicSockets::new(configuration.allow_private_fetch, vec![addresses.http, addresses.api, addresses.tunnel])
            .map_err(|error| failed("TLS cannot be set up")(&error))?;
    let callable = Callable::new(current.clone());
    let outbounds = Arc::new(Outbounds {
        current: current.clone(),
        vpc: vpc.clone(),
        public,
        sockets,
        workers: callable.clone(),
        sink: telemetry.recorder(),
    });
    let (sink, tailed) = TailedSink::new(telemetry.recorder(), current.clone());
    let defaults = workers::PlatformOptions::new(outbounds, sink, Handle::current());
    let workers = workers::Platform::start(workers::PlatformOptions {
        isolates_per_worker: configuration
            .max_isolates
            .map_or(defaults.isolates_per_worker, std::num::NonZeroUsize::get),
        isolate_memory: configuration.isolate_memory.unwrap_or(defaults.isolate_memory),
        freeze_clock: !configuration.running_clocks,
        memory_budget: configuration.isolates_memory.unwrap_or(defaults.memory_budget),
        ..defaults
    })
    .map_err(|error| failed("the JavaScript engine cannot be started")(&error))?;

    callable.run_by(workers.clone());

    let stop = CancellationToken::new();
    let edge = edge::Edge::with(
        Arc::new(Dispatcher::new(current.clone(), workers.clone())),
        Arc::new(PublishedHosts::new(current.clone(), tunnel_edge.tunnels(), vpc.clone())),
        edge::EdgeOptions { trace_sampling, ..edge_options(&configuration) },
        telemetry.wants_exchanges().then(|| telemetry.recorder()),
    );
    let visits = visitors.spawn({
        let stopped = stop.clone();
        async move { edge.serve(http, stopped.cancelled()).await }
    });
    let platform = Arc::new(ControlPlatform {
        store: store.clone(),
        current: current.clone(),
        reloading: Mutex::new(()),
        workers: workers.clone(),
        vpc,
        tunnels: tunnel_edge.tunnels(),
        telemetry: telemetry.clone(),
        edge: EdgeAddresses { visitors: addresses.http, tunnel: addresses.tunnel, tunnel_ca: Some(tunnel_ca) },
        cpu_ceiling,
    });
    platform.apply_sampling(None);
    let follower = tokio::spawn(platform.clone().follow());
    let state = control::ControlState::with_pages(store.clone(), platform, dashboard::pages());
    let operators = tokio::spawn(control::serve(api, control::router(state), stop.clone()));

    let scheduler =
        tokio::spawn(scheduler::run(store.clone(), current.clone(), callable.clone(), trace_sampling, stop.clone()));
    let tails = tokio::spawn(tail_workers::run(tailed, current.clone(), callable, stop.clone()));

    announce(&addresses_file, &addresses)?;
    tokio::select! {
        stopped = until_told_to_stop() => stopped?,
        failed = on_hangup(|| telemetry.reopen_access_log()) => failed?,
    }
    tracing::info!("stopping: no new requests, those in flight may finish");
    let _ = fs::remove_file(&addresses_file);
    stop.cancel();
    let _ = visits.await;
    let _ = operators.await;
    let _ = scheduler.await;
    follower.abort();
    workers.shutdown().await;
    let _ = tails.await;
    tunnel_edge.shutdown().await;
    telemetry.close().await.map_err(|error| failed("the last records could not be kept")(&error))?;
    store.close().await;
    Ok(())
}

/// What no service may be: the edge itself, and what the operator restricts.
fn vpc_options(configuration: &Configuration, addresses: &Addresses) -> vpc::Options {
    let restrictions = vpc::Restrictions {
        networks: configuration.restrict.clone(),
        visitor_listeners: vec![addresses.http],
        edge_listeners: vec![addresses.api, addresses.tunnel],
    };
    vpc::Options { cdn_id: configuration.edge_name.clone(), restrictions, ..vpc::Options::default() }
}

fn edge_options(configuration: &Configuration) -> edge::EdgeOptions {
    let defaults = edge::EdgeOptions::default();
    edge::EdgeOptions {
        name: configuration.edge_name.clone(),
        proxy_status: configuration.proxy_status,
        busy_poll: configuration.busy_poll.unwrap_or(defaults.busy_poll),
        ..defaults
    }
}

async fn listen(whom: &'static str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::failed(format!("cannot listen for {whom} at {address}: {error}; another process may be using it"))
    })
}

/// How the store keeps the tunnels' certificate authority.
#[derive(Serialize, Deserialize)]
struct AuthorityPems {
    certificate: String,
    key: String,
}

/// The authority that signs the edge's certificate: the store's, made on first use. Its certificate is for everyone.
async fn tunnel_authority(store: &Store, directory: &Path) -> Result<CertificateAuthority, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("the tunnels' certificate authority cannot be had: {error}"))
    };
    let kept = match store.material(TUNNEL_CA_MATERIAL).await.map_err(|error| failed(&error))? {
        Some(kept) => kept,
        None => {
            let made = CertificateAuthority::create().map_err(|error| failed(&error))?;
            let pems = AuthorityPems {
                certificate: made.certificate_pem().to_owned(),
                key: made.private_key_pem().to_owned(),
            };
            let json = serde_json::to_vec(&pems).map_err(|error| failed(&error))?;
            store.material_or_insert(TUNNEL_CA_MATERIAL, &Secret::new(json)).await.map_err(|error| failed(&error))?
        }
    };
    let pems: AuthorityPems = serde_json::from_slice(kept.expose()).map_err(|error| failed(&error))?;
    let authority = CertificateAuthority::from_pem(&pems.certificate, &pems.key).map_err(|error| failed(&error))?;
    let path = directory.join(TUNNEL_CA_FILE);
    write_whole(&path, authority.certificate_pem().as_bytes())?;
    Ok(authority)
}

fn announce(path: &Path, addresses: &Addresses) -> Result<(), Failure> {
    let json = serde_json::to_vec_pretty(addresses)
        .map_err(|error| Failure::failed(format!("cannot write addresses: {error}")))?;
    write_whole(path, &json)?;
    let Addresses { http, api, tunnel } = addresses;
    tracing::info!("visitors  http://{http} (Worker NAME at http://NAME.localhost:{})", http.port());
    tracing::info!("API       http://{api}/client/v4");
    tracing::info!("dashboard http://{api}/");
    tracing::info!("tunnels   {tunnel}");
    Ok(())
}

/// Writes a file so that a reader sees all of it or nothing.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
