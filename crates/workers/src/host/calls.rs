//! Calls of other Workers, and the answers to theirs.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use invocation::{Answer, Body, BodyError, Call, Entrypoint, Event, Message, Rpc, Target, WorkerCall};
use isolate::{Arguments, Scope, Throw, Value};
use uuid::Uuid;

use super::bodies::Wanted;
use super::engine::elements;
use super::fetch::{Sending, ended};
use super::held::hold;
use super::{Host, id, number};
use crate::event::{Completion, Event as ThreadEvent, HostError};
use crate::seat::Seat;
use crate::supervisor::{Flow, Ticket};
use crate::version::BindingKind;

/// Where script sends a request or a call (`FetchTarget` in `host.d.ts`).
pub(super) enum Callee {
    /// The public network.
    Public,
    /// Whatever is bound to this name.
    Binding(String),
    /// An entrypoint of the Worker itself.
    Own(Entrypoint),
}

impl Callee {
    /// Argument `index`.
    pub(super) fn from(arguments: &Arguments<'_>, index: usize) -> Result<Callee, Throw> {
        Ok(match arguments.value(index)? {
            Value::Undefined => Callee::Public,
            Value::String(name) => Callee::Binding(name),
            _ => {
                let mut parts = arguments.strings(index)?.into_iter();
                let name = parts.next().filter(|name| !name.is_empty()).map(Arc::from);
                Callee::Own(Entrypoint { name, props: parts.next().map(Arc::from) })
            }
        })
    }
}

impl fmt::Display for Callee {
    /// As records name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Callee::Public => f.write_str("fetch"),
            Callee::Binding(name) => f.write_str(name),
            Callee::Own(Entrypoint { name, .. }) => {
                write!(f, "ctx.exports.{}", name.as_deref().unwrap_or("default"))
            }
        }
    }
}

/// What a callee turned out to be.
pub(super) enum Destination {
    /// No Worker.
    Outside(Target),
    /// A Worker.
    Worker(WorkerDestination),
}

/// An entrypoint of a Worker.
pub(super) struct WorkerDestination {
    worker: Arc<str>,
    version: Option<Uuid>,
    entrypoint: Entrypoint,
}

/// Streams of an answer that are still on their way.
struct AnswerStreams {
    seat: Arc<Seat>,
    ticket: Ticket,
    left: AtomicUsize,
    dropped: AtomicBool,
}

impl AnswerStreams {
    fn finished(&self, taken: bool) {
        if !taken {
            self.dropped.store(true, Ordering::Relaxed);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let dropped = self.dropped.load(Ordering::Relaxed);
            let event = if dropped { ThreadEvent::VisitorGone } else { ThreadEvent::BodyOver };
            self.seat.mailbox.post(event(self.ticket));
        }
    }
}

/// One of them.
struct AnswerStream {
    body: Body,
    streams: Arc<AnswerStreams>,
    finished: bool,
}

impl AnswerStream {
    fn finish(&mut self, taken: bool) {
        if !std::mem::replace(&mut self.finished, true) {
            self.streams.finished(taken);
        }
    }
}

impl http_body::Body for AnswerStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.finish(true);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerStream {
    fn drop(&mut self) {
        let taken = self.body.is_end_stream();
        self.finish(taken);
    }
}

impl Host {
    /// What a callee is; or why it cannot be asked.
    pub(super) fn destination(&self, callee: &Callee) -> Result<Destination, HostError> {
        let version = self.version();
        match callee {
            Callee::Public => Ok(Destination::Outside(Target::Public)),
            Callee::Own(entrypoint) => Ok(Destination::Worker(WorkerDestination {
                worker: version.name.clone(),
                version: Some(version.id),
                entrypoint: entrypoint.clone(),
            })),
            Callee::Binding(name) => {
                match version.bindings.iter().find(|binding| binding.name == *name).map(|binding| &binding.kind) {
                    Some(BindingKind::Service { worker, entrypoint }) => Ok(Destination::Worker(WorkerDestination {
                        worker: worker.clone(),
                        version: None,
                        entrypoint: entrypoint.clone(),
                    })),
                    _ => self.target(Some(name), "fetch").map(Destination::Outside),
                }
            }
        }
    }

    /// What calls a Worker; or why there will be no call.
    pub(super) fn to_worker(
        &self,
        ticket: Ticket,
        destination: WorkerDestination,
        event: Event,
        record: usize,
    ) -> Result<Result<Sending, HostError>, Throw> {
        let mut running = self.running.borrow_mut();
        let running = running.get_mut(&ticket).ok_or_else(ended)?;
        if running.depth >= Call::MAX_DEPTH {
            let message = format!(
                "Subrequest depth limit exceeded (Error 1019). {} Workers have called one another to come here: a service binding leads back to a Worker that is in the chain already.",
                Call::MAX_DEPTH
            );
            if let Event::Fetch(_) = event {
                // A request gets an answer: whoever passes it on shows the visitor what is wrong.
                let result = Ok(Answer::Response(loop_detected()));
                return Ok(Ok(Box::pin(std::future::ready(Completion::Answered { record, result }))));
            }
            running.note_end(record, Err(message.clone()));
            return Ok(Err(HostError::error(message)));
        }
        let WorkerDestination { worker, version, entrypoint } = destination;
        let (ray_id, trace) = (running.record.ray_id, running.trace_of(record));
        let call = Call { event, entrypoint, ray_id, depth: running.depth + 1, trace };
        let outbound = self.services.options.outbound.clone();
        Ok(Ok(Box::pin(async move {
            let result = outbound.call(WorkerCall { worker, version, call }).await;
            Completion::Answered { record, result }
        })))
    }

    /// A message as JavaScript gets it: the value's bytes, and the numbers of the streams.
    pub(crate) fn unpack(&self, owner: Ticket, message: Message) -> (Value, Value) {
        let mut bodies = self.bodies.borrow_mut();
        let streams = message.streams.into_iter().map(|body| number(bodies.insert(owner, body, None)));
        (Value::Bytes(message.value.into()), Value::List(streams.collect()))
    }

    /// The streams of a message: bodies, and for each the number of its sink, or 0.
    fn pack(&self, owner: Ticket, streams: &[u64]) -> Result<(Vec<Body>, Vec<u64>), Throw> {
        let mut bodies = Vec::new();
        let mut sinks = Vec::new();
        for &stream in streams {
            let (sink, body) = if stream == 0 {
                self.sink(owner, None, None)?
            } else {
                (0, self.bodies.borrow_mut().give_away(owner, stream, Wanted::In(None))?.0)
            };
            bodies.push(body);
            sinks.push(sink);
        }
        Ok((bodies, sinks))
    }

    /// Sinks that nobody reads, for the streams that script writes.
    fn pack_for_nobody(&self, owner: Ticket, streams: &[u64]) -> Result<Vec<u64>, Throw> {
        streams.iter().map(|&stream| if stream == 0 { self.dead_sink(owner) } else { Ok(0) }).collect()
    }

    /// Calls a Worker; gives the operation, and the sinks of the arguments' streams.
    fn call(
        &self,
        ticket: Ticket,
        callee: &Callee,
        path: Vec<String>,
        value: Option<Vec<u8>>,
        streams: &[u64],
    ) -> Result<(u64, Vec<u64>), Throw> {
        let destination = match self.destination(callee) {
            Ok(Destination::Worker(destination)) => Ok(destination),
            Ok(Destination::Outside(_)) => Err(HostError::type_error(format!("\"{callee}\" has no methods."))),
            Err(error) => Err(error),
        };
        let begun = match destination {
            Err(error) => Err(error),
            Ok(destination) => {
                self.subrequest_begins(ticket, callee, "RPC", &path.join("."))?.map(|record| (destination, record))
            }
        };
        let (destination, record) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                return Ok((self.begin_failed(ticket, error)?, self.pack_for_nobody(ticket, streams)?));
            }
        };
        let (streams, sinks) = self.pack(ticket, streams)?;
        let arguments = value.map(|value| Message { value: hold(&self.seat.ledger, value), streams });
        let operation = match self.to_worker(ticket, destination, Event::Rpc(Rpc { path, arguments }), record)? {
            Ok(sending) => self.begin_subrequest(ticket, record, sending)?,
            Err(error) => self.begin_failed(ticket, error)?,
        };
        Ok((operation, sinks))
    }

    /// Answers the Worker that called; gives the sinks of the value's streams.
    fn answer(&self, ticket: Ticket, value: Vec<u8>, streams: &[u64]) -> Result<Vec<u64>, Throw> {
        if !self.supervisor.borrow().awaits_head(ticket) {
            return self.pack_for_nobody(ticket, streams);
        }
        let flow = if streams.is_empty() {
            Flow::Whole
        } else if streams.contains(&0) {
            Flow::Script
        } else {
            Flow::Native
        };
        let (bodies, sinks) = self.pack(ticket, streams)?;
        let watched = Arc::new(AnswerStreams {
            seat: self.seat.clone(),
            ticket,
            left: AtomicUsize::new(bodies.len()),
            dropped: AtomicBool::new(false),
        });
        let streams = bodies
            .into_iter()
            .map(|body| AnswerStream { body, streams: watched.clone(), finished: false }.boxed_unsync())
            .collect();
        let answer = Answer::Value(Message { value: hold(&self.seat.ledger, value), streams });
        let sent = self.running.borrow_mut().get_mut(&ticket).is_some_and(|running| running.answer(answer));
        let mut supervisor = self.supervisor.borrow_mut();
        if sent {
            supervisor.responded(ticket, flow)
        } else {
            supervisor.undeliverable(ticket)
        }
        Ok(sinks)
    }
}

/// What a Worker that is called too deep answers: Cloudflare's Error 1019.
fn loop_detected() -> http::Response<Body> {
    let mut response = http::Response::new(invocation::full("error code: 1019"));
    *response.status_mut() = http::StatusCode::LOOP_DETECTED;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A list of numbers.
fn numbers(scope: &mut Scope<'_>, arguments: &Arguments<'_>, index: usize) -> Result<Vec<u64>, Throw> {
    let list = elements(scope, &arguments.handle(index))?;
    Ok(list.iter().map(|value| if let Value::Number(number) = value { *number as u64 } else { 0 }).collect())
}

fn list(numbers: Vec<u64>) -> Value {
    Value::List(numbers.into_iter().map(number).collect())
}

/// `call(invocation, target, path, value, streams)`
pub(super) fn call(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    let callee = Callee::from(arguments, 1)?;
    let path = arguments.strings(2)?;
    let value = if arguments.is_undefined(3) { None } else { Some(arguments.bytes(3)?) };
    let streams = numbers(scope, arguments, 4)?;
    let (operation, sinks) = host.call(ticket, &callee, path, value, &streams)?;
    Ok(Value::List(vec![number(operation), list(sinks)]))
}

/// `answer(invocation, value, streams)`
pub(super) fn answer(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    let value = arguments.bytes(1)?;
    let streams = numbers(scope, arguments, 2)?;
    Ok(list(host.answer(ticket, value, &streams)?))
}
