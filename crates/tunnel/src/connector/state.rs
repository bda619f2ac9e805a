//! What all connections of a connector share.

use super::policy::DestinationPolicy;
use super::routing::Routing;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tunnel_proto::origin::DialFailure;
use uuid::Uuid;

/// Shared by all connections.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) id: Uuid,
    pub(crate) policy: DestinationPolicy,
    pub(crate) dns_resolvers: Vec<SocketAddr>,
    pub(crate) counters: Counters,
    routing: Mutex<Routing>,
}

/// What `/metrics` shows.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) ready_connections: AtomicU64,
    pub(crate) registrations: AtomicU64,
    pub(crate) registrations_failed: AtomicU64,
    /// TCP flows and UDP sessions open now.
    pub(crate) active_flows: AtomicU64,
    pub(crate) tcp_flows: AtomicU64,
    pub(crate) udp_sessions: AtomicU64,
    pub(crate) published_requests: AtomicU64,
    /// From the edge to private services.
    pub(crate) bytes_in: AtomicU64,
    /// From private services to the edge.
    pub(crate) bytes_out: AtomicU64,
    failures: Failures,
}

/// Failed dials by cause.
#[derive(Debug, Default)]
struct Failures {
    refused: AtomicU64,
    timed_out: AtomicU64,
    unreachable: AtomicU64,
    too_many: AtomicU64,
    not_allowed: AtomicU64,
    other: AtomicU64,
}

impl Counters {
    fn failure(&self, cause: DialFailure) -> &AtomicU64 {
        match cause {
            DialFailure::Refused => &self.failures.refused,
            DialFailure::TimedOut => &self.failures.timed_out,
            DialFailure::NetworkUnreachable | DialFailure::NoRouteToHost => &self.failures.unreachable,
            DialFailure::TooManyFlows => &self.failures.too_many,
            DialFailure::NotAllowed => &self.failures.not_allowed,
            DialFailure::NoSuchHost | DialFailure::Other => &self.failures.other,
        }
    }

    pub(crate) fn count_failure(&self, cause: DialFailure) {
        self.failure(cause).fetch_add(1, Ordering::Relaxed);
    }

    /// Failed dials by cause, with the names that `/metrics` gives them.
    pub(crate) fn failures(&self) -> [(&'static str, u64); 6] {
        let count = |cause| self.failure(cause).load(Ordering::Relaxed);
        [
            ("refused", count(DialFailure::Refused)),
            ("timeout", count(DialFailure::TimedOut)),
            ("unreachable", count(DialFailure::NetworkUnreachable)),
            ("too_many_flows", count(DialFailure::TooManyFlows)),
            ("not_allowed", count(DialFailure::NotAllowed)),
            ("other", count(DialFailure::Other)),
        ]
    }
}

impl State {
    pub(crate) fn new(policy: DestinationPolicy, dns_resolvers: Vec<SocketAddr>) -> Self {
        Self { id: Uuid::new_v4(), policy, dns_resolvers, counters: Counters::default(), routing: Mutex::default() }
    }

    pub(crate) fn routing(&self) -> MutexGuard<'_, Routing> {
        self.routing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place among the active flows, `None` when there are as many as the configuration allows.
    pub(crate) fn enter_flow(self: &Arc<Self>) -> Option<FlowPlace> {
        let limit = self.routing().max_active_flows;
        let before = self.counters.active_flows.fetch_add(1, Ordering::Relaxed);
        let place = FlowPlace(Arc::clone(self));
        (limit == 0 || before < limit).then_some(place)
    }
}

/// A place among the active flows; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct FlowPlace(Arc<State>);

impl Drop for FlowPlace {
    fn drop(&mut self) {
        self.0.counters.active_flows.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a connection as ready for as long as it lives.
#[derive(Debug)]
pub(crate) struct Ready(Arc<State>);

impl Ready {
    pub(crate) fn new(state: Arc<State>) -> Self {
        state.counters.ready_connections.fetch_add(1, Ordering::Relaxed);
        state.counters.registrations.fetch_add(1, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.0.counters.ready_connections.fetch_sub(1, Ordering::Relaxed);
    }
}
