//! Visitors' requests to Workers: by what is served now.

use std::sync::Arc;

use http::Response;
use invocation::{Body, BoxFuture, Dispatch, Ended, Invocation, Outcome, Route};
use workers::WorkerVersion;

use super::serving::{Current, Serving};

/// Finds the version for a request and runs it.
pub struct Dispatcher {
    current: Current,
    workers: workers::Platform,
}

impl Dispatcher {
    /// Serves what `current` says.
    pub fn new(current: Current, workers: workers::Platform) -> Self {
        Self { current, workers }
    }
}

/// The version of a Worker that this request goes to, by the deployment's percentages.
fn pick(serving: &Serving, worker: &str) -> Option<Arc<WorkerVersion>> {
    let served = serving.snapshot.workers.get(worker)?.pick(fastrand::u16(0..10_000))?;
    serving.versions.get(&served.version.id).cloned()
}

impl Dispatch for Dispatcher {
    fn route(&self, host: &str, path: &str) -> Option<Route> {
        let serving = self.current.load();
        let version = pick(&serving, serving.addresses.worker_at(host, path)?)?;
        Some(Route { worker: version.name.clone(), version: version.id })
    }

    fn dispatch(&self, route: Route, invocation: Invocation) -> BoxFuture<'static, Result<Response<Body>, Ended>> {
        let serving = self.current.load();
        // A deployment between `route` and this takes the version away; the request then goes to what replaced it.
        let version = serving.versions.get(&route.version).cloned().or_else(|| pick(&serving, &route.worker));
        let workers = self.workers.clone();
        Box::pin(async move {
            let Some(version) = version else {
                let message = format!("the Worker `{}` was deleted while the request was on its way", route.worker);
                return Err(Ended::new(Outcome::ScriptNotFound, message));
            };
            workers.dispatch(version, invocation).await
        })
    }
}
