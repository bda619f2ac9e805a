//! Beside Workers: services that answer visitors at a host of their own.

use connection_error::ErrorCode;
use http::Response;
use uuid::Uuid;

use crate::{Body, BoxFuture, Invocation};

/// Why an origin did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginFailure {
    /// Nothing connects this edge with the network that the origin is in.
    Disconnected,
    /// The origin could not be reached, or broke off.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
}

/// An origin that did not answer. The message is for the log and the operator, never for the visitor.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct NoAnswer {
    /// What visitors are told.
    pub failure: OriginFailure,
    /// What it was among the failures of connections.
    pub code: ErrorCode,
    /// The first cause in one sentence.
    pub message: String,
}

/// Knows the origins and reaches them.
pub trait Origins: Send + Sync + 'static {
    /// The origin that answers at this host (lower case, without port), if any does.
    fn origin(&self, host: &str) -> Option<Uuid>;

    /// Sends a visitor's request and waits for the response's head. Dropping the future, or the response's body, says that
    /// the visitor is gone.
    fn forward(&self, origin: Uuid, request: Invocation) -> BoxFuture<'static, Result<Response<Body>, NoAnswer>>;
}

/// Knows no origin at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOrigins;

impl Origins for NoOrigins {
    fn origin(&self, _: &str) -> Option<Uuid> {
        None
    }

    fn forward(&self, _: Uuid, _: Invocation) -> BoxFuture<'static, Result<Response<Body>, NoAnswer>> {
        let message = "there are no origins".to_owned();
        Box::pin(async {
            Err(NoAnswer { failure: OriginFailure::Disconnected, code: ErrorCode::DestinationNotFound, message })
        })
    }
}
