//! Going out: what a Worker asks of the rest.

use std::io;
use std::sync::Arc;

use connection_error::ConnectionError;
use http::{Request, Response};
use uuid::Uuid;

use crate::{Answer, Body, BoxFuture, CallFailed, Connect, RayId, Socket, TraceContext, WorkerCall};

/// Where a subrequest goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `fetch()` without a binding: the public network, never a private one.
    Public,
    /// `env.BINDING.fetch()` of a VPC Service, by the service's id.
    VpcService(Uuid),
    /// `env.BINDING.fetch()` of a VPC Network.
    VpcNetwork(PrivateNetwork),
}

/// What a VPC Network binding opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrivateNetwork {
    /// What is behind one tunnel, by the tunnel's id.
    Tunnel(Uuid),
    /// What is behind the tunnels of the account: `cf1:network`.
    Account,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The Worker's name.
    pub worker: Arc<str>,
    /// The invocation.
    pub invocation: Uuid,
    /// The visitor's request.
    pub ray_id: RayId,
    /// The span of what is asked, where it is traced.
    pub trace: Option<TraceContext>,
}

/// One hop of a Worker's `fetch()`. Redirects are followed by the caller, each hop being a subrequest of its own.
#[derive(Debug)]
pub struct Subrequest {
    /// Where it goes.
    pub target: Target,
    /// The request; its URI is absolute.
    pub request: Request<Body>,
    /// Who asks.
    pub caller: Caller,
}

/// Why a subrequest has no response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The connection to a private service failed: the Worker catches a `ProxyError`.
    #[error(transparent)]
    Connection(#[from] Box<ConnectionError>),
    /// A public host could not be reached.
    #[error("Network connection lost: {0}")]
    Network(String),
    /// Culvert does not make this request, for the reason given.
    #[error("{0}")]
    Refused(String),
}

impl FetchError {
    /// What a [`Socket`] failed with.
    pub fn of_io(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectionError>()) {
            Some(error) => Self::Connection(Box::new(error.clone())),
            None => Self::Network(error.to_string()),
        }
    }
}

/// Carries out what Workers ask for.
pub trait Outbound: Send + Sync + 'static {
    /// Sends the request and waits for the response head. Dropping the future, or the response's body, gives it up. A
    /// [`ConnectionError`] in the extensions of the response is a failure that counts although there is an answer.
    fn fetch(&self, subrequest: Subrequest) -> BoxFuture<'static, Result<Response<Body>, FetchError>>;

    /// Opens a TCP connection and waits until it stands. Dropping the future gives it up.
    fn connect(&self, connect: Connect) -> BoxFuture<'static, Result<Box<dyn Socket>, FetchError>>;

    /// Calls another Worker and waits for its answer. Dropping the future, or the bodies of the answer, gives it up.
    fn call(&self, call: WorkerCall) -> BoxFuture<'static, Result<Answer, CallFailed>>;
}
