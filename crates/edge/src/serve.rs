//! Accepts connections, within bounds, until told to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use invocation::{Dispatch, NoOrigins, Origins};
use telemetry::Sink;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::connection;
use crate::counters::Counters;
use crate::options::EdgeOptions;
use crate::ray::RayIds;
use crate::vigil::Vigil;

/// How far a listener's life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Serving,
    /// No new requests; those in flight go on.
    Draining,
}

/// What all connections of an edge share.
pub(crate) struct Shared {
    pub dispatch: Arc<dyn Dispatch>,
    /// Who answers at hosts without a Worker.
    pub origins: Arc<dyn Origins>,
    pub options: EdgeOptions,
    pub counters: Arc<Counters>,
    pub rays: RayIds,
    /// Who is told of each request.
    pub sink: Option<Arc<dyn Sink>>,
    pub vigil: Arc<Vigil>,
    pub protocol: auto::Builder<TokioExecutor>,
    connections: Arc<Semaphore>,
}

/// Takes visitors' connections and dispatches their requests. Clones are the same edge: limits and counters hold over
/// all listeners that it serves.
#[derive(Clone)]
pub struct Edge {
    shared: Arc<Shared>,
}

impl Edge {
    /// An edge that gives its requests to `dispatch`. It does nothing until [`Edge::serve`].
    pub fn new(dispatch: Arc<dyn Dispatch>, options: EdgeOptions) -> Self {
        Self::with(dispatch, Arc::new(NoOrigins), options, None)
    }

    /// The same, with `origins` for the hosts that `dispatch` does not know, and a `sink` that is told of each request when it is over.
    pub fn with(
        dispatch: Arc<dyn Dispatch>,
        origins: Arc<dyn Origins>,
        options: EdgeOptions,
        sink: Option<Arc<dyn Sink>>,
    ) -> Self {
        let protocol = connection::protocol(&options);
        let vigil = Arc::new(Vigil::new(options.busy_poll));
        let connections = Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            shared: Arc::new(Shared {
                dispatch,
                origins,
                options,
                counters: Arc::default(),
                rays: RayIds::new(),
                sink,
                vigil,
                protocol,
                connections,
            }),
        }
    }

    /// What it has done so far.
    pub fn counters(&self) -> Arc<Counters> {
        self.shared.counters.clone()
    }

    /// Serves a listener until `shutdown` is ready; then takes no more connections, lets the requests in flight end, and
    /// drops those that have not ended after [`EdgeOptions::drain_timeout`]. Returns when no connection is left.
    ///
    /// Must run on a tokio runtime with I/O and time enabled. Dropping the future stops accepting; connections that are
    /// open go on.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let (stage, stage_seen) = watch::channel(Stage::Serving);
        let abort = CancellationToken::new();
        let tasks = TaskTracker::new();
        let _vigil = AbortOnDropHandle::new(tokio::spawn(self.shared.vigil.clone().keep()));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = self.accept(&listener) => accepted,
            };
            let (permit, socket, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A connection that died in the backlog, or no file descriptor is left: either passes.
                    tracing::warn!(%error, "a connection could not be accepted");
                    if !is_about_one_connection(&error) {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    continue;
                }
            };
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, client = %address, "TCP_NODELAY could not be set");
            }
            let shared = self.shared.clone();
            let stage = stage_seen.clone();
            let abort = abort.clone();
            shared.counters.accept();
            tasks.spawn(async move {
                let _open = Open { counters: shared.counters.clone(), _permit: permit };
                connection::serve(shared, socket, address, stage, abort).await;
            });
        }
        drop(listener);
        stage.send_replace(Stage::Draining);
        tasks.close();
        if tokio::time::timeout(self.shared.options.drain_timeout, tasks.wait()).await.is_err() {
            abort.cancel();
            tasks.wait().await;
        }
    }

    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream, std::net::SocketAddr)> {
        let permit = self.shared.connections.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (socket, address) = listener.accept().await?;
        Ok((permit, socket, address))
    }
}

/// Counts a connection as open until it is dropped, however that comes.
struct Open {
    counters: Arc<Counters>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.close();
    }
}

/// Whether the next connection can be accepted at once.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}
