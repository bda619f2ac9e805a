//! The thread of one isolate: takes what arrives, enters JavaScript, carries the supervisor's verdicts out. It decides nothing.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use connection_error::ConnectionError;
use invocation::{Answer, BodyError, CallFailed, Ended, FetchError, Outcome};
use isolate::{Failure, Isolate, Place, Scope, Termination, Value};
use telemetry::{ExceptionRecord, InvocationRecord};

use crate::boot::{Booted, Entries};
use crate::event::{Completion, Event, HostError, ReadFailure};
use crate::host::{Arrival, Host, SocketFailure, describe, flatten, number, utf8};
use crate::job::Job;
use crate::pool::Pool;
use crate::running::{Running, timestamp};
use crate::supervisor::{BACKGROUND_GIVEN_UP, Ending, Stop, Ticket, Verdict};

/// CPU time for telling JavaScript to forget what never completes.
const FORGET_CPU: Duration = Duration::from_secs(1);

/// An isolate that has had nothing to do for so long gives memory back.
const REST: Duration = Duration::from_secs(1);

/// One isolate and what is around it.
pub(crate) struct Thread {
    host: Rc<Host>,
    pool: Arc<Pool>,
    /// Gone once script may not run any more.
    isolate: Option<(Isolate, Rc<Entries>)>,
    /// Ends when nothing waits.
    retiring: bool,
    closed: bool,
    /// Script ran since memory was last given back.
    used: bool,
    /// Whose entry was stopped, and where.
    stopped: Option<(Ticket, Place)>,
}

impl Thread {
    /// A thread for an isolate that is ready.
    pub(crate) fn new(host: Rc<Host>, pool: Arc<Pool>, booted: Booted, retiring: bool) -> Self {
        let Booted { isolate, entries, .. } = booted;
        Thread {
            host,
            pool,
            isolate: Some((isolate, Rc::new(entries))),
            retiring,
            closed: false,
            used: true,
            stopped: None,
        }
    }

    /// Runs until the isolate is not needed any more.
    pub(crate) fn run(mut self) {
        let host = self.host.clone();
        let mut events = Vec::new();
        while !self.closed {
            let timers = host.operations.borrow().deadline(Instant::now());
            let lingering = host.supervisor.borrow().poll_deadline();
            let resting = (self.used && host.running.borrow().is_empty()).then(|| Instant::now() + REST);
            let deadline = [timers, lingering, resting].into_iter().flatten().min();
            let job = host.seat.mailbox.next(&mut events, deadline);
            if job.is_none() && events.is_empty() && resting.is_some_and(|end| end <= Instant::now()) {
                self.give_memory_back();
            }
            for event in events.drain(..) {
                self.handle(event);
                self.carry_out();
            }
            if let Some(job) = job {
                self.begin(job);
                self.carry_out();
            }
            self.complete_what_is_ready();
            host.supervisor.borrow_mut().tick(Instant::now());
            self.carry_out();
            if self.retiring && host.seat.mailbox.jobs() == 0 {
                host.supervisor.borrow_mut().drain();
                self.carry_out();
            }
        }
    }

    /// Nothing is going on: the isolate should need little while it waits.
    fn give_memory_back(&mut self) {
        self.used = false;
        if let Some((isolate, _)) = &mut self.isolate {
            // No script runs, and nothing is left to report.
            let _ = isolate.enter(None, |scope| {
                scope.compact();
                Ok(())
            });
        }
    }

    /// What is ready now; what becomes ready by it waits for the next round.
    fn complete_what_is_ready(&mut self) {
        let host = self.host.clone();
        let ready = host.operations.borrow().ready();
        for _ in 0..ready {
            let ready = host.operations.borrow_mut().pop_ready();
            let Some((operation, completion)) = ready else { break };
            self.complete(operation, completion);
            self.carry_out();
        }
        let now = Instant::now();
        loop {
            let due = host.operations.borrow_mut().due(now);
            let Some(operation) = due else { break };
            self.complete(operation, Completion::Done);
            self.carry_out();
        }
    }

    fn handle(&mut self, event: Event) {
        let host = self.host.clone();
        match event {
            Event::Completed { operation, completion } => self.complete(operation, completion),
            Event::ReaderGone { sink, response_of } => {
                // The cause first; then whoever writes learns it, and then the Worker.
                if let Some(ticket) = response_of {
                    host.supervisor.borrow_mut().visitor_gone(ticket, Instant::now());
                }
                if let Some((operation, error)) = host.reader_gone(sink) {
                    self.complete(operation, Completion::Failed(error));
                }
            }
            Event::VisitorGone(ticket) => host.supervisor.borrow_mut().visitor_gone(ticket, Instant::now()),
            Event::BodyOver(ticket) => host.supervisor.borrow_mut().body_over(ticket, Instant::now()),
            Event::BodyFailed(ticket, error) => {
                self.body_broke(Some(ticket), &error);
                if let Some(running) = host.running.borrow_mut().get_mut(&ticket) {
                    running.exception(escaped(&error));
                }
                host.supervisor.borrow_mut().source_failed(ticket, &error.to_string(), Instant::now());
            }
            Event::Retire => self.retiring = true,
            Event::Shutdown => host.supervisor.borrow_mut().shut_down(Instant::now()),
        }
    }

    /// Begins an invocation.
    fn begin(&mut self, job: Job) {
        let host = self.host.clone();
        let ticket = job.ticket;
        if job.reply.is_closed() {
            // The visitor left while it waited.
            self.pool.cancel(job);
            return;
        }
        let (mut running, event, entrypoint) = Running::new(job, &host.version(), &host.seat.ledger);
        let called = running.depth > 0;
        for (line, bytes) in host.startup_lines.borrow_mut().drain(..) {
            running.log(line, bytes);
        }
        let method = running.record.method.clone();
        let url = running.record.url.clone();
        let name = entrypoint.name.as_deref().map_or(Value::Undefined, Value::from);
        let props = entrypoint.props.as_deref().map_or(Value::Undefined, Value::from);
        host.running.borrow_mut().insert(ticket, running);
        host.seat.running.fetch_add(1, Ordering::Relaxed);
        host.supervisor.borrow_mut().began(ticket, host.version().limits.cpu());
        match event {
            invocation::Event::Fetch(request) => {
                let (head, body) = request.into_parts();
                let body = number(host.bodies.borrow_mut().insert(ticket, body, None));
                self.enter(ticket, |scope, entries| {
                    let headers = flatten(&head.headers);
                    let arguments =
                        [number(ticket), method.into(), url.into(), headers, body, Value::Bool(called), name, props];
                    scope.call(&entries.fetch, &arguments)
                });
            }
            invocation::Event::Scheduled { cron, time } => {
                host.supervisor.borrow_mut().goes_unattended(ticket, Instant::now());
                self.enter(ticket, |scope, entries| {
                    let arguments = [number(ticket), cron.into(), Value::Number(time as f64)];
                    scope.call(&entries.scheduled, &arguments)
                });
            }
            invocation::Event::Tail { events, .. } => {
                host.supervisor.borrow_mut().goes_unattended(ticket, Instant::now());
                self.enter(ticket, |scope, entries| scope.call(&entries.tail, &[number(ticket), events.into()]));
            }
            invocation::Event::Rpc(rpc) => {
                let (value, streams) = match rpc.arguments {
                    Some(message) => host.unpack(ticket, message),
                    None => (Value::Undefined, Value::List(Vec::new())),
                };
                let path = Value::List(rpc.path.into_iter().map(Value::from).collect());
                self.enter(ticket, |scope, entries| {
                    scope.call(&entries.rpc, &[number(ticket), path, value, streams, name, props])
                });
            }
        }
    }

    /// An operation is over: script hears of it, unless it was given up.
    fn complete(&mut self, operation: u64, completion: Completion) {
        let host = self.host.clone();
        let owner = host.operations.borrow_mut().end(operation);
        let outcome = self.settle(owner, completion);
        let Some(owner) = owner else { return };
        host.supervisor.borrow_mut().operation_ended(owner);
        self.enter(owner, |scope, entries| {
            let (ok, value) = match outcome {
                Ok(value) => (true, value),
                Err(error) => (false, describe_error(scope, &error)?),
            };
            scope.call(&entries.complete, &[number(operation), Value::Bool(ok), value])
        });
    }

    /// What came in goes where it belongs; what is left is for script.
    fn settle(&mut self, owner: Option<Ticket>, completion: Completion) -> Result<Value, HostError> {
        let host = &self.host;
        match completion {
            Completion::Done => Ok(Value::Undefined),
            Completion::Failed(error) => Err(error),
            Completion::CacheDeleted(was_there) => Ok(Value::Bool(was_there)),
            Completion::Cached(found) => {
                let (Some(owner), Some(found)) = (owner, found) else { return Ok(Value::Undefined) };
                let (mut head, ()) = http::Response::new(()).into_parts();
                (head.status, head.headers) = (found.status, found.headers);
                Ok(host.received(owner, head, invocation::full(found.body)))
            }
            Completion::Read { id, body, piece, charge } => {
                // From here on the bytes are script's.
                drop(charge);
                let back = matches!(piece, Ok(Some(_))).then_some(body);
                host.bodies.borrow_mut().restore(id, back);
                match piece {
                    Ok(Some(bytes)) => Ok(Value::Bytes(bytes.into())),
                    Ok(None) => Ok(Value::Undefined),
                    Err(error) => {
                        self.body_broke(owner, &error);
                        Err(HostError::from(&error))
                    }
                }
            }
            Completion::ReadAll { id, text, rest, charge } => {
                drop(charge);
                host.bodies.borrow_mut().restore(id, None);
                let rest = rest.map_err(|failure| match failure {
                    ReadFailure::Broken(error) => {
                        self.body_broke(owner, &error);
                        HostError::from(&error)
                    }
                    ReadFailure::TooMuch => HostError::type_error("Memory limit would be exceeded before EOF."),
                })?;
                Ok(if text { Value::String(utf8(rest)) } else { Value::Bytes(rest) })
            }
            Completion::Fetched { record, result } => {
                // Nobody is there to hear of it: the response is dropped.
                let Some(owner) = owner else { return Ok(Value::Undefined) };
                if let Some(running) = host.running.borrow_mut().get_mut(&owner) {
                    running.subrequest_ended(record, result.as_ref().map(|(head, _)| Some(head.status.as_u16())));
                    if let Some(error) = result.as_ref().ok().and_then(|(head, _)| head.extensions.get()) {
                        running.connection_failed(error);
                    }
                }
                let (head, body) = result.map_err(|error| HostError::of_fetch(&error))?;
                Ok(host.received(owner, head, body))
            }
            Completion::Arrived(arrival) => Ok(match arrival? {
                None => Value::Undefined,
                Some(Arrival::Text(text)) => Value::String(text),
                Some(Arrival::Binary(bytes)) => Value::Bytes(bytes.into()),
                Some(Arrival::Closed(code, reason)) => Value::List(vec![Value::Number(code.into()), reason.into()]),
            }),
            Completion::Answered { record, result } => {
                let Some(owner) = owner else { return Ok(Value::Undefined) };
                if let Some(running) = host.running.borrow_mut().get_mut(&owner) {
                    running.called(record, &result);
                }
                match result {
                    Ok(Answer::Response(response)) => {
                        let (head, body) = response.into_parts();
                        Ok(host.received(owner, head, body))
                    }
                    Ok(Answer::Done) => Ok(Value::Undefined),
                    Ok(Answer::Value(message)) => {
                        let (value, streams) = host.unpack(owner, message);
                        Ok(Value::List(vec![value, streams]))
                    }
                    Err(CallFailed { thrown: Some(thrown), .. }) => Ok(Value::Bytes(thrown.into())),
                    Err(CallFailed { ended, .. }) => Err(HostError::error(ended.message)),
                }
            }
            Completion::Connected { record, result } => {
                let Some(owner) = owner else { return Ok(Value::Undefined) };
                if let Some(running) = host.running.borrow_mut().get_mut(&owner) {
                    running.subrequest_ended(record, result.as_ref().map(|_| None));
                }
                let socket = result.map_err(|error| HostError::from(&error))?;
                let address = socket.remote_address();
                let id = host.sockets.borrow_mut().insert(owner, socket);
                let id = id.ok_or_else(|| HostError::error("There are too many open sockets."))?;
                Ok(Value::List(vec![number(id), address.into()]))
            }
            Completion::SocketRead(piece) => {
                let piece = piece.map_err(|failure| self.socket_failed(owner, failure))?;
                Ok(if piece.is_empty() { Value::Undefined } else { Value::Bytes(piece) })
            }
            Completion::SocketDone(done) => {
                done.map(|()| Value::Undefined).map_err(|failure| self.socket_failed(owner, failure))
            }
        }
    }

    /// A body of an invocation failed.
    fn body_broke(&self, owner: Option<Ticket>, error: &BodyError) {
        if let BodyError::Connection(error) = error {
            self.connection_failed(owner, error);
        }
    }

    /// A socket of an invocation failed.
    fn socket_failed(&self, owner: Option<Ticket>, failure: SocketFailure) -> HostError {
        match failure {
            SocketFailure::Broke(error) => {
                if let FetchError::Connection(error) = &error {
                    self.connection_failed(owner, error);
                }
                HostError::from(&error)
            }
            SocketFailure::Unusable(error) => error,
        }
    }

    fn connection_failed(&self, owner: Option<Ticket>, error: &ConnectionError) {
        let mut running = self.host.running.borrow_mut();
        if let Some(running) = owner.and_then(|owner| running.get_mut(&owner)) {
            running.connection_failed(error);
        }
    }

    /// One entry into JavaScript, on account of an invocation.
    fn enter(
        &mut self,
        ticket: Ticket,
        call: impl FnOnce(&mut Scope<'_>, &Entries) -> Result<Value, Failure>,
    ) -> Option<Value> {
        let host = self.host.clone();
        let budget = host.supervisor.borrow().budget(ticket)?;
        let (isolate, entries) = self.isolate.as_mut()?;
        let entries = entries.clone();
        self.used = true;
        host.seat.entered(Instant::now());
        host.set_current(ticket);
        let entry = isolate.enter(Some(budget), |scope| {
            let result = call(scope, &entries);
            match result {
                // The built-ins catch what a handler throws; what comes here is fatal for the invocation all the same.
                Err(Failure::Exception(exception)) => {
                    host.fail(scope, ticket, &exception);
                    Ok(None)
                }
                other => other.map(Some),
            }
        });
        host.set_current(0);
        let now = Instant::now();
        host.seat.left(now);
        if let Some(running) = host.running.borrow_mut().get_mut(&ticket) {
            for rejection in &entry.rejections {
                running.exception(describe(rejection));
            }
        }
        let (value, stop) = match entry.result {
            Ok(value) => (value, None),
            Err(Failure::Exception(_)) => (None, None),
            Err(Failure::Terminated(termination)) => (None, Some(stop(termination))),
        };
        if let Some(place) = entry.stopped_at {
            self.stopped = Some((ticket, place));
        }
        let mut supervisor = host.supervisor.borrow_mut();
        supervisor.entry_ended(ticket, entry.cpu, stop, now);
        if entry.memory.full {
            supervisor.drain();
        }
        value
    }

    fn carry_out(&mut self) {
        let host = self.host.clone();
        loop {
            let verdict = host.supervisor.borrow_mut().poll_verdict();
            let Some(verdict) = verdict else { break };
            match verdict {
                Verdict::Disconnect(ticket) => {
                    let said =
                        self.enter(ticket, |scope, entries| scope.call(&entries.disconnected, &[number(ticket)]));
                    let keeps_on = !matches!(said, Some(Value::Bool(false)));
                    host.supervisor.borrow_mut().disconnected(ticket, keeps_on, Instant::now());
                }
                Verdict::Refuse(ticket, outcome, message) => {
                    if let Some(running) = host.running.borrow_mut().get_mut(&ticket) {
                        let exception = running.record.exceptions.first().filter(|_| outcome == Outcome::Exception);
                        let connection = exception.and_then(|exception| Some(exception.connection.as_ref()?.code));
                        running.refuse(Ended { outcome, message, connection });
                    }
                }
                Verdict::GiveUpBackground(ticket) => {
                    if let Some(running) = host.running.borrow_mut().get_mut(&ticket) {
                        running.note(BACKGROUND_GIVEN_UP);
                    }
                }
                Verdict::End(ticket, ending) => self.end(ticket, ending),
                Verdict::StopAccepting => {
                    host.seat.stop_accepting();
                    self.pool.place_again(host.seat.mailbox.close());
                }
                Verdict::Close => self.closed = true,
            }
        }
        // After everyone has been told: freeing a full heap takes a while.
        if !host.supervisor.borrow().runs_script() {
            self.isolate = None;
        }
    }

    /// Frees what an invocation holds and records it.
    fn end(&mut self, ticket: Ticket, ending: Ending) {
        let host = self.host.clone();
        let operations = host.release(ticket);
        if !(operations.is_empty() && ending.done)
            && host.supervisor.borrow().runs_script()
            && let Some((isolate, entries)) = &mut self.isolate
            && let Some(forget) = &entries.forget
        {
            let operations = operations.into_iter().map(number).collect();
            let forgotten =
                isolate.enter(Some(FORGET_CPU), |scope| scope.call(forget, &[Value::List(operations), number(ticket)]));
            if let Err(failure) = forgotten.result {
                tracing::warn!(%failure, "the built-ins did not forget what was given up");
            }
        }
        let Some(mut running) = host.running.borrow_mut().remove(&ticket) else { return };
        host.seat.running.fetch_sub(1, Ordering::Relaxed);
        if let Some(message) = ending.exception {
            let stopped = self.stopped.as_ref().filter(|(culprit, _)| *culprit == ticket);
            running.exception(ExceptionRecord {
                timestamp: timestamp(),
                name: "Error".to_owned(),
                message: message.to_owned(),
                stack: stopped.map_or_else(String::new, |(_, place)| format!("Error: {message}\n    at {place}")),
                connection: None,
            });
        }
        let record = InvocationRecord {
            outcome: ending.outcome,
            cpu_time: ending.cpu,
            memory: host.seat.ledger.used() as u64,
            ..running.into_record()
        };
        host.services.options.sink.invocation(record);
    }
}

impl Drop for Thread {
    /// Records what is left when the thread panics.
    fn drop(&mut self) {
        let Ok(mut running) = self.host.running.try_borrow_mut() else { return };
        for (_, running) in running.drain() {
            let record = InvocationRecord { outcome: Outcome::InternalError, ..running.into_record() };
            self.host.services.options.sink.invocation(record);
        }
    }
}

/// A body's failure as an exception that no script could catch, because the body went to the visitor past it.
fn escaped(error: &BodyError) -> ExceptionRecord {
    let connection = match error {
        BodyError::Connection(connection) => Some(Box::new(connection.clone())),
        _ => None,
    };
    let (name, message) = ("Error".to_owned(), error.to_string());
    ExceptionRecord { timestamp: timestamp(), name, message, stack: String::new(), connection }
}

fn stop(termination: Termination) -> Stop {
    match termination {
        Termination::CpuLimit { .. } => Stop::Cpu,
        Termination::MemoryLimit { used, limit } => Stop::Memory { used, limit },
        Termination::Requested(_) => Stop::Shutdown,
    }
}

/// The `HostError` that JavaScript makes an Error of.
fn describe_error(scope: &mut Scope<'_>, error: &HostError) -> Result<Value, Failure> {
    let host = scope.data::<Host>();
    match (host.json.get(), serde_json::to_string(error)) {
        (Some(json), Ok(text)) => json.parse(scope, text),
        _ => Ok(Value::Undefined),
    }
}
