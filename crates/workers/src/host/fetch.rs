//! Requests to others: through a VPC Service, to another Worker, to the public network.

use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::response::Parts;
use http::{Method, Request, StatusCode, Uri};
use invocation::{Body, BoxFuture, Event, Subrequest, Target, Upgraded};
use isolate::{Arguments, Scope, Throw, Value};

use super::bodies::Wanted;
use super::calls::{Callee, Destination};
use super::headers::{flatten, unflatten};
use super::invocations::announced_length;
use super::outgoing::Outgoing;
use super::{Host, id, number};
use crate::coding::Format;
use crate::event::{Completion, HostError};
use crate::supervisor::Ticket;
use crate::version::BindingKind;

/// What script asks for.
struct Ask {
    callee: Callee,
    method: String,
    url: String,
    headers: Vec<String>,
    outgoing: Outgoing,
}

/// A subrequest that can be sent.
struct Prepared {
    sending: Sending,
    /// The index of its record.
    record: usize,
    /// The number of its body's sink, or 0.
    sink: u64,
}

/// `fetch(invocation, target, method, url, headers, body)`
pub(super) fn fetch(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    let ask = Ask {
        callee: Callee::from(arguments, 1)?,
        method: arguments.string(2)?,
        url: arguments.string(3)?,
        headers: arguments.strings(4)?,
        outgoing: Outgoing::from(arguments, 5, &host.seat.ledger)?,
    };
    let (operation, sink) = host.subrequest(ticket, ask)?;
    Ok(Value::List(vec![number(operation), number(sink)]))
}

impl Host {
    /// Where a binding leads, or the public network without one. `what` it is to do is for the error's words.
    pub(super) fn target(&self, binding: Option<&str>, what: &str) -> Result<Target, HostError> {
        let Some(name) = binding else { return Ok(Target::Public) };
        let version = self.version();
        match version.bindings.iter().find(|binding| binding.name == name).map(|binding| &binding.kind) {
            Some(BindingKind::VpcService { service_id }) => Ok(Target::VpcService(*service_id)),
            Some(BindingKind::VpcNetwork { network }) => Ok(Target::VpcNetwork(*network)),
            _ => Err(HostError::type_error(format!("The binding \"{name}\" cannot {what}."))),
        }
    }

    /// Counts one more subrequest of an invocation, or says that it is one too many.
    pub(super) fn count_subrequest(&self, ticket: Ticket) -> Result<Result<(), HostError>, Throw> {
        let limit = self.version().limits.subrequests;
        let mut running = self.running.borrow_mut();
        if running.get_mut(&ticket).ok_or_else(ended)?.count_subrequest(limit) {
            return Ok(Ok(()));
        }
        Ok(Err(HostError::error(format!(
            "Too many subrequests by single Worker invocation. The limit is {limit} (`limits.subrequests`)."
        ))))
    }

    /// Sends a subrequest; gives the operation, and the sink of its body or 0.
    fn subrequest(&self, ticket: Ticket, ask: Ask) -> Result<(u64, u64), Throw> {
        let writes = matches!(ask.outgoing, Outgoing::Script);
        match self.prepare(ticket, ask)? {
            Err(error) => {
                let sink = if writes { self.dead_sink(ticket)? } else { 0 };
                Ok((self.begin_failed(ticket, error)?, sink))
            }
            Ok(Prepared { sending, record, sink }) => Ok((self.begin_subrequest(ticket, record, sending)?, sink)),
        }
    }

    /// What sends the subrequest; or why there will be none.
    fn prepare(&self, ticket: Ticket, ask: Ask) -> Result<Result<Prepared, HostError>, Throw> {
        let destination = match self.destination(&ask.callee) {
            Ok(destination) => destination,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(uri) = ask.url.parse::<Uri>() else {
            return Ok(Err(HostError::type_error(format!("Fetch API cannot load: {}", ask.url))));
        };
        let Ok(method) = ask.method.parse::<Method>() else {
            return Ok(Err(HostError::type_error(format!("Invalid HTTP method string: {}", ask.method))));
        };
        let mut headers = match unflatten(&ask.headers) {
            Ok(headers) => headers,
            Err(error) => return Ok(Err(HostError::type_error(error))),
        };
        // The two connections of a WebSocket are joined frame by frame, so that neither may have an extension of its own.
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        let record = match self.subrequest_begins(ticket, &ask.callee, &ask.method, &ask.url)? {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(running) = self.running.borrow().get(&ticket) {
            running.pass_on_trace(record, &mut headers);
        }
        let mut sink = 0;
        let body = match ask.outgoing {
            Outgoing::None => invocation::empty(),
            Outgoing::Whole(bytes) => invocation::full(bytes),
            Outgoing::Native(body) => self.bodies.borrow_mut().give_away(ticket, body, Wanted::In(None))?.0,
            Outgoing::Script => {
                let (id, body) = self.sink(ticket, None, announced_length(&headers))?;
                sink = id;
                body
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let sending = match destination {
            Destination::Outside(target) => Ok(self.to_outside(ticket, target, request, record)?),
            Destination::Worker(worker) => self.to_worker(ticket, worker, Event::Fetch(request), record)?,
        };
        Ok(sending.map(|sending| Prepared { sending, record, sink }))
    }

    /// Sends a request to what is no Worker, once fewer than six of the invocation wait for a response head.
    fn to_outside(
        &self,
        ticket: Ticket,
        target: Target,
        request: Request<Body>,
        record: usize,
    ) -> Result<Sending, Throw> {
        let mut running = self.running.borrow_mut();
        let running = running.get_mut(&ticket).ok_or_else(ended)?;
        let caller = running.caller(&self.version().name, record);
        let connections = running.connections();
        let outbound = self.services.options.outbound.clone();
        Ok(Box::pin(async move {
            let permit = connections.acquire_owned().await.ok();
            let subrequest = Subrequest { target, request, caller };
            let result = outbound.fetch(subrequest).await.map(http::Response::into_parts);
            drop(permit);
            // Mostly a short answer came with its head: whoever reads it need not come back to this task for it.
            let whole = |body| invocation::at_hand(body).map_or_else(|body| body, invocation::full);
            Completion::Fetched { record, result: result.map(|(head, body)| (head, whole(body))) }
        }))
    }

    /// Counts a subrequest and begins its record; gives the record's index, or why there will be none.
    pub(super) fn subrequest_begins(
        &self,
        ticket: Ticket,
        callee: &Callee,
        method: &str,
        url: &str,
    ) -> Result<Result<usize, HostError>, Throw> {
        if let Err(error) = self.count_subrequest(ticket)? {
            return Ok(Err(error));
        }
        let mut running = self.running.borrow_mut();
        let running = running.get_mut(&ticket).ok_or_else(ended)?;
        Ok(Ok(running.subrequest(&callee.to_string(), method, url)))
    }

    /// A response as JavaScript gets it: `[status, statusText, headers, bodyId or 0, socketId or 0]`.
    pub(crate) fn received(&self, owner: Ticket, mut head: Parts, body: Body) -> Value {
        let socket = self.upgraded(owner, head.extensions.remove::<Upgraded>());
        let body = self.bodies.borrow_mut().insert(owner, body, Format::of(&head.headers));
        let reason = StatusCode::canonical_reason(&head.status).unwrap_or_default();
        let status = Value::Number(head.status.as_u16().into());
        Value::List(vec![status, reason.into(), flatten(&head.headers), number(body), number(socket)])
    }
}

/// What a task does for an operation.
pub(super) type Sending = BoxFuture<'static, Completion>;

/// The invocation is over.
pub(super) fn ended() -> Throw {
    Throw::Error("The request that this belongs to has ended.".to_owned())
}
