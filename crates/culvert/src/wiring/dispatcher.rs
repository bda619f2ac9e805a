//! To Workers: visitors' requests and the calls of other Workers, by what is served now.

use std::sync::{Arc, OnceLock};

use http::Response;
use invocation::{Answer, Body, BoxFuture, CallFailed, Dispatch, Ended, Invocation, Outcome, Route, WorkerCall};
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

/// Workers that other Workers call. Made before the platform that runs them all, which needs it to be made.
#[derive(Clone)]
pub struct Callable {
    current: Current,
    workers: Arc<OnceLock<workers::Platform>>,
}

impl Callable {
    /// The Workers of `current`, once [`Callable::run_by`] says who runs them.
    pub fn new(current: Current) -> Self {
        Self { current, workers: Arc::default() }
    }

    /// Says who runs them, once.
    pub fn run_by(&self, workers: workers::Platform) {
        let _ = self.workers.set(workers);
    }

    /// Calls a Worker: a version of its deployment, or the one that is asked for.
    pub fn call(&self, call: WorkerCall) -> BoxFuture<'static, Result<Answer, CallFailed>> {
        let WorkerCall { worker, version, call } = call;
        let serving = self.current.load();
        let version = match version {
            // A version that was replaced a moment ago goes on with its successor.
            Some(id) => serving.versions.get(&id).cloned().or_else(|| pick(&serving, &worker)),
            None => pick(&serving, &worker),
        };
        let workers = self.workers.get().cloned();
        Box::pin(async move {
            match (version, workers) {
                (Some(version), Some(workers)) => workers.call(version, call).await,
                _ => {
                    let message = format!("The Worker \"{worker}\" does not exist any more, or has no deployment.");
                    Err(Ended::new(Outcome::ScriptNotFound, message).into())
                }
            }
        })
    }
}
