//! One attempt's event, in the making. It is sent once, when the attempt's fate is known.

use std::net::SocketAddr;
use std::sync::Arc;

use connection_error::{ConnectionError, Timings};
use invocation::{Caller, RayId, TraceContext};
use telemetry::{ConnectionEvent, Sink};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::published::PublishedHost;
use crate::service::Service;

/// Holds the [`ConnectionEvent`] until the attempt succeeds to the end of the body, fails, or is given up, which is when
/// this is dropped. One that is dropped before there is a response or, without HTTP, a connection is canceled.
pub(crate) struct Attempt {
    event: ConnectionEvent,
    sink: Arc<dyn Sink>,
    sent: bool,
}

/// The event of an attempt of which nothing is known yet.
fn begun(service: Uuid, service_name: String, tunnel: Uuid, ray_id: RayId) -> ConnectionEvent {
    ConnectionEvent {
        id: Uuid::new_v4(),
        started: OffsetDateTime::now_utc(),
        service,
        service_name,
        tunnel,
        connector: None,
        worker: String::new(),
        invocation: Uuid::nil(),
        ray_id,
        address: None,
        reused: false,
        timings: Timings::default(),
        status: None,
        error: None,
        canceled: true,
        trace: None,
    }
}

impl Attempt {
    pub(crate) fn new(sink: Arc<dyn Sink>, service: &Service, caller: &Caller) -> Self {
        let event = ConnectionEvent {
            worker: caller.worker.to_string(),
            invocation: caller.invocation,
            trace: caller.trace,
            ..begun(service.id, service.name.clone(), service.tunnel, caller.ray_id)
        };
        Self { event, sink, sent: false }
    }

    /// A visitor's, at a host name that leads to a tunnel.
    pub(crate) fn at_published(
        sink: Arc<dyn Sink>,
        host: &PublishedHost,
        ray_id: RayId,
        trace: Option<TraceContext>,
    ) -> Self {
        let event = ConnectionEvent { trace, ..begun(host.tunnel, host.tunnel_name.clone(), host.tunnel, ray_id) };
        Self { event, sink, sent: false }
    }

    pub(crate) fn timings(&mut self) -> &mut Timings {
        &mut self.event.timings
    }

    /// Through whom, where the rest is not known.
    pub(crate) fn carried_by(&mut self, connector: Option<Uuid>) {
        self.event.connector = connector;
    }

    pub(crate) fn via(&mut self, address: SocketAddr, connector: Option<Uuid>, reused: bool) {
        self.event.address = Some(address.to_string());
        self.event.connector = connector;
        self.event.reused = reused;
    }

    /// The response's head is there.
    pub(crate) fn answered(&mut self, status: http::StatusCode) {
        self.event.status = Some(status.as_u16());
        self.event.canceled = false;
    }

    /// The connection stands, and that was all there was to do.
    pub(crate) fn connected(&mut self) {
        self.event.canceled = false;
    }

    /// The attempt failed: completes the error with what is known here, sends the event, and gives the error back.
    pub(crate) fn fail(&mut self, error: Box<ConnectionError>) -> Box<ConnectionError> {
        let error = self.note(error);
        self.finish();
        error
    }

    /// Counts an error in the event although the caller gets a response. The first cause stays.
    pub(crate) fn note(&mut self, mut error: Box<ConnectionError>) -> Box<ConnectionError> {
        error.service = Some(self.event.service_name.clone());
        error.ray_id = Some(self.event.ray_id.to_string());
        error.timings = self.event.timings;
        self.event.error.get_or_insert_with(|| (*error).clone());
        self.event.canceled = false;
        error
    }

    /// Nothing more will happen in it.
    pub(crate) fn finish(&mut self) {
        if !std::mem::replace(&mut self.sent, true) {
            self.sink.connection(self.event.clone());
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.finish();
    }
}
