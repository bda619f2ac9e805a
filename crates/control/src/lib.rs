//! Operators in: the HTTP API, in the form of Cloudflare's v4 API, so that stock `wrangler` and others who speak it
//! work with Culvert. Under `/client/v4`; `GET /healthz` says 200 once it is served,
//! `GET /metrics` is for Prometheus.
//!
//! It must not know how Workers run, how tunnels are served, or where telemetry is kept: it asks a [`Platform`].
//! It writes to the `store` and has the serving path follow before it answers.

mod account;
mod api;
mod auth;
mod certificates;
pub mod codes;
mod connectivity;
mod edge;
mod envelope;
mod error_reference;
mod lacking;
mod network_routes;
mod openapi;
mod pages;
mod platform;
mod published;
mod query;
mod request;
mod serve;
mod session;
mod tail;
mod telemetry;
mod throttle;
mod token_policies;
mod tokens;
mod tunnels;
mod virtual_networks;
mod worker;
mod workers_logs;

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use store::Store;

pub use auth::Peer;
pub use pages::Pages;
pub use platform::{
    BoxFuture, EdgeAddresses, LogsAbout, LogsFound, NotDiagnosed, Platform, Rejected, ServiceProbe, TailEvent,
    TelemetryError, TelemetryPage, TelemetryQuery, TunnelConnection, Validated, WorkerCandidate,
};
pub use serve::serve;

use api::Api;
use envelope::ApiError;
use throttle::Throttle;

/// Where the API lives.
pub const PREFIX: &str = "/client/v4";

/// What the API works with. Cheap to clone.
#[derive(Clone)]
pub struct ControlState(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    platform: Arc<dyn Platform>,
    throttle: Mutex<Throttle>,
    deploying: lacking::Deploying,
    tails: tail::Sessions,
    sessions: session::Sessions,
    pages: Pages,
}

impl ControlState {
    /// An API over this store and this platform, without pages.
    pub fn new(store: Arc<Store>, platform: Arc<dyn Platform>) -> Self {
        Self::with_pages(store, platform, Pages::default())
    }

    /// An API with pages for browsers beside it.
    pub fn with_pages(store: Arc<Store>, platform: Arc<dyn Platform>, pages: Pages) -> Self {
        ControlState(Arc::new(Inner {
            store,
            platform,
            throttle: Mutex::new(Throttle::default()),
            deploying: lacking::Deploying::default(),
            tails: tail::Sessions::default(),
            sessions: session::Sessions::default(),
            pages,
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn platform(&self) -> &dyn Platform {
        &*self.0.platform
    }

    pub(crate) fn tails(&self) -> &tail::Sessions {
        &self.0.tails
    }

    pub(crate) fn sessions(&self) -> &session::Sessions {
        &self.0.sessions
    }

    /// What slows failed logins down.
    pub(crate) fn throttle<T>(&self, act: impl FnOnce(&mut Throttle) -> T) -> T {
        act(&mut self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The Workers that wrangler's users deploy.
    pub(crate) fn deploying(&self) -> &lacking::Deploying {
        &self.0.deploying
    }
}

/// The API as a router, to be served by [`serve`] or beside other routes.
pub fn router(state: ControlState) -> Router {
    let api = operations(state.clone());
    let document = Bytes::from(openapi::document(&api.operations).to_string());
    let description = move || {
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ready(([json], document.clone()))
    };
    Router::new()
        .nest(PREFIX, api.router)
        .route(&format!("{PREFIX}/openapi.json"), get(description))
        .route("/healthz", get(healthz))
        .route("/metrics", get(telemetry::prometheus))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn(whole))
        // Every handler that reads a body bounds it itself, and says so in the envelope.
        .layer(DefaultBodyLimit::disable())
        .with_state(state)
}

/// Every operation of the API.
fn operations(state: ControlState) -> Api {
    let api = Api::new(state);
    let api = account::add(api);
    let api = worker::add(api);
    let api = connectivity::add(api);
    let api = certificates::add(api);
    let api = tunnels::add(api);
    let api = published::add(api);
    let api = network_routes::add(api);
    let api = virtual_networks::add(api);
    let api = telemetry::add(api);
    let api = workers_logs::add(api);
    let api = tail::add(api);
    let api = session::add(api);
    let api = error_reference::add(api);
    let api = edge::add(api);
    tokens::add(api)
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// What is no operation of the API is a page, or nothing.
async fn not_found(State(state): State<ControlState>, request: Request) -> Response {
    if let Some(refusal) = lacking::at(request.uri()) {
        return refusal.into_response();
    }
    let path = request.uri().path();
    state.0.pages.answer(request.method(), path, request.headers()).unwrap_or_else(|| {
        let message = format!("There is nothing at {path}. The API's paths begin with {PREFIX}.");
        ApiError::new(codes::NO_ROUTE, message).into_response()
    })
}

async fn method_not_allowed(request: Request) -> ApiError {
    let path = request.uri().path();
    let message = format!("{} is not possible at {path}.", request.method());
    let refusal = lacking::at(request.uri()).map(|refusal| refusal.recoded(codes::METHOD_NOT_ALLOWED));
    refusal.unwrap_or_else(|| ApiError::new(codes::METHOD_NOT_ALLOWED, message))
}

/// Runs a request to its end even when the client goes away, so that a change that was committed also reaches the
/// serving path; and turns a panic into an answer.
async fn whole(request: Request, next: Next) -> Response {
    let ray = uuid::Uuid::new_v4().simple().to_string();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => {
            ApiError::internal("answering the request", &format_args!("{method} {path}: {error}")).into_response()
        }
    };
    let status = response.status();
    // What slips past the handlers (a framework's own refusal) gets the envelope all the same.
    let is_plain = (status.is_client_error() || status.is_server_error())
        && response.headers().get(CONTENT_TYPE).is_none_or(|value| value != "application/json");
    if is_plain {
        response = ApiError::new(
            if status.is_server_error() { codes::INTERNAL } else { codes::BAD_REQUEST },
            format!("The request cannot be answered: {status}."),
        )
        .into_response();
    }
    let headers = response.headers_mut();
    if let Ok(ray) = HeaderValue::from_str(&ray) {
        headers.insert(HeaderName::from_static("cf-ray"), ray);
    }
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::debug!(%method, path, status = status.as_u16(), ray, "API request");
    response
}
