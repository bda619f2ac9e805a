//! Bodies that JavaScript writes, with back-pressure from whoever reads them.

use std::sync::Arc;

use http_body_util::BodyExt;
use invocation::Body;
use isolate::{Arguments, Scope, Throw, Value};

use super::held::hold;
use super::operations::Kind;
use super::sink_body::{Pipe, SinkBody, Written};
use super::{Host, id, number};
use crate::event::{Completion, HostError};
use crate::supervisor::Ticket;
use crate::table::Table;

struct Sink {
    owner: Ticket,
    /// Whether it is the response's body.
    is_response: bool,
    /// The writer's end; absent until the body exists.
    pipe: Option<Arc<Pipe>>,
}

/// The sinks of an isolate.
#[derive(Default)]
pub(crate) struct Sinks {
    table: Table<Sink>,
}

impl Sinks {
    /// Lets go of all sinks of an invocation: their readers learn that there is no more.
    pub(super) fn release(&mut self, owner: Ticket) -> Released {
        Released(
            self.table.drain_where(|sink| sink.owner == owner).into_iter().filter_map(|(_, sink)| sink.pipe).collect(),
        )
    }
}

/// Sinks of an invocation that is over; dropping this aborts those that were not closed.
pub(super) struct Released(Vec<Arc<Pipe>>);

impl Drop for Released {
    fn drop(&mut self) {
        for pipe in &self.0 {
            pipe.abort("the Worker's invocation ended before the end of the body");
        }
    }
}

fn gone() -> HostError {
    HostError::error("Network connection lost: the other side stopped reading the body.")
}

impl Host {
    /// A body that JavaScript will write; gives the sink's number and the reader's end.
    pub(super) fn sink(
        &self,
        owner: Ticket,
        response_of: Option<Ticket>,
        length: Option<u64>,
    ) -> Result<(u64, Body), Throw> {
        let full = || Throw::Error("There are too many open bodies.".to_owned());
        let mut sinks = self.sinks.borrow_mut();
        let sink = Sink { owner, is_response: response_of.is_some(), pipe: None };
        let id = sinks.table.insert(sink).ok_or_else(full)?;
        let (pipe, body) = SinkBody::new(self.seat.clone(), id, response_of, length);
        if let Some(sink) = sinks.table.get_mut(id) {
            sink.pipe = Some(pipe);
        }
        Ok((id, body.boxed_unsync()))
    }

    /// A body that nobody will read: whatever is written to it fails.
    pub(super) fn dead_sink(&self, owner: Ticket) -> Result<u64, Throw> {
        let (id, body) = self.sink(owner, None, None)?;
        drop(body);
        Ok(id)
    }

    /// The reader dropped its end. Gives the write that will not be taken.
    pub(crate) fn reader_gone(&self, sink: u64) -> Option<(u64, HostError)> {
        let operation = self.sinks.borrow_mut().table.get_mut(sink)?.pipe.as_ref()?.take_writer()?;
        Some((operation, gone()))
    }

    fn pipe(&self, sink: u64) -> Option<(Ticket, bool, Arc<Pipe>)> {
        let mut sinks = self.sinks.borrow_mut();
        let sink = sinks.table.get_mut(sink)?;
        Some((sink.owner, sink.is_response, sink.pipe.clone()?))
    }
}

/// `sinkWrite(sink, bytes)`.
pub(super) fn write(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let sink = id(arguments, 0)?;
    let bytes = hold(&host.seat.ledger, arguments.bytes(1)?);
    let Some((owner, _, pipe)) = host.pipe(sink) else {
        return Err(Throw::TypeError("This body was ended already.".to_owned()));
    };
    let operation = host.begin(owner, Kind::Local)?;
    match pipe.write(bytes, operation) {
        Written::Taken => host.complete_soon(operation, Completion::Done),
        Written::Waits => {}
        Written::Refused => host.complete_soon(operation, Completion::Failed(gone())),
    }
    Ok(number(operation))
}

/// `sinkClose(sink)`
pub(super) fn close(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let sink = id(arguments, 0)?;
    if let Some((owner, is_response, pipe)) = host.pipe(sink) {
        pipe.close();
        host.sinks.borrow_mut().table.remove(sink);
        if is_response {
            host.supervisor.borrow_mut().body_written(owner);
        }
    }
    Ok(Value::Undefined)
}

/// `sinkAbort(sink, reason)`
pub(super) fn abort(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let sink = id(arguments, 0)?;
    let reason = arguments.string(1)?;
    if let Some((owner, is_response, pipe)) = host.pipe(sink) {
        if let Some(operation) = pipe.abort(&reason) {
            host.complete_soon(operation, Completion::Failed(HostError::error(reason.clone())));
        }
        host.sinks.borrow_mut().table.remove(sink);
        if is_response {
            host.supervisor.borrow_mut().body_failed(owner, &reason);
        }
    }
    Ok(Value::Undefined)
}
