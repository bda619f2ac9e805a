//! Going in: which Worker, which request, and how it ended.

use std::net::IpAddr;
use std::sync::Arc;

use connection_error::ErrorCode;
use http::{Request, Response};
use uuid::Uuid;

use crate::{Body, BoxFuture, Outcome, RayId};

/// Which version of which Worker serves a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The Worker's name.
    pub worker: Arc<str>,
    /// The version that was chosen for this request.
    pub version: Uuid,
}

/// One visitor's request on its way to a Worker.
#[derive(Debug)]
pub struct Invocation {
    /// The request. Its URI is absolute, as the Worker will see it in `request.url`.
    pub request: Request<Body>,
    /// The name of this request everywhere.
    pub ray_id: RayId,
    /// Where the visitor's connection comes from.
    pub client: Option<IpAddr>,
}

/// An invocation that ended without a response. The message is for the log and the operator, never for the visitor.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{outcome}: {message}")]
pub struct Ended {
    /// How it ended; never [`Outcome::Ok`].
    pub outcome: Outcome,
    /// The first cause in one sentence.
    pub message: String,
    /// The code of the failed connection that it was, if it was one that the Worker let escape.
    pub connection: Option<ErrorCode>,
}

impl Ended {
    /// An end that no failed connection caused.
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, message: message.into(), connection: None }
    }
}

/// Runs Workers.
pub trait Dispatch: Send + Sync + 'static {
    /// The version that serves this host (lower case, without port) and path now, if any does.
    fn route(&self, host: &str, path: &str) -> Option<Route>;

    /// Runs one invocation until its response head is there; the response's body goes on after that.
    /// Dropping the future, or the response's body before its end, says that the visitor is gone.
    fn dispatch(&self, route: Route, invocation: Invocation) -> BoxFuture<'static, Result<Response<Body>, Ended>>;
}
