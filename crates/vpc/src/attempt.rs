//! One attempt's event, in the making. It is sent once, when the attempt's fate is known.

use std::net::SocketAddr;
use std::sync::Arc;

use connection_error::{ConnectionError, Timings};
use invocation::{RayId, TraceContext};
use telemetry::{ConnectionEvent, Sink};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::service::Service;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The Worker's name.
    pub worker: Arc<str>,
    /// The invocation.
    pub invocation: Uuid,
    /// The visitor's request.
    pub ray_id: RayId,
}

/// Holds the [`ConnectionEvent`] until the attempt succeeds to the end of the body, fails, or is given up, which is when
/// this is dropped. An attempt that was given up before its response head has neither status nor error in its event.
pub(crate) struct Attempt {
    event: ConnectionEvent,
    sink: Arc<dyn Sink>,
    sent: bool,
}

impl Attempt {
    pub(crate) fn new(sink: Arc<dyn Sink>, service: &Service, caller: &Caller) -> Self {
        let event = ConnectionEvent {
            id: Uuid::new_v4(),
            started: OffsetDateTime::now_utc(),
            service: service.id,
            service_name: service.name.clone(),
            tunnel: service.tunnel,
            connector: None,
            worker: caller.worker.to_string(),
            invocation: caller.invocation,
            ray_id: caller.ray_id,
            address: None,
            reused: false,
            timings: Timings::default(),
            status: None,
            error: None,
            trace: None,
        };
        Self { event, sink, sent: false }
    }

    /// The span of the subrequest that this belongs to.
    pub(crate) fn traced(&mut self, trace: Option<TraceContext>) {
        self.event.trace = trace;
    }

    pub(crate) fn timings(&mut self) -> &mut Timings {
        &mut self.event.timings
    }

    pub(crate) fn via(&mut self, address: SocketAddr, connector: Option<Uuid>, reused: bool) {
        self.event.address = Some(address.to_string());
        self.event.connector = connector;
        self.event.reused = reused;
    }

    pub(crate) fn answered(&mut self, status: http::StatusCode) {
        self.event.status = Some(status.as_u16());
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
