//! Subrequests.

use http::{Method, Request, Uri};
use invocation::{Subrequest, Target};
use isolate::{Arguments, Scope, Throw, Value};

use super::headers::unflatten;
use super::invocations::announced_length;
use super::outgoing::Outgoing;
use super::{Host, id, number, optional_string};
use crate::event::{Completion, HostError};
use crate::supervisor::Ticket;
use crate::version::BindingKind;

/// What script asks for.
struct Ask {
    binding: Option<String>,
    method: String,
    url: String,
    headers: Vec<String>,
    outgoing: Outgoing,
}

/// `fetch(invocation, binding, method, url, headers, body)`
pub(super) fn fetch(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    let ask = Ask {
        binding: optional_string(arguments, 1)?,
        method: arguments.string(2)?,
        url: arguments.string(3)?,
        headers: arguments.strings(4)?,
        outgoing: Outgoing::from(arguments, 5)?,
    };
    let (operation, sink) = host.subrequest(ticket, ask)?;
    Ok(Value::List(vec![number(operation), number(sink)]))
}

fn ended() -> Throw {
    Throw::Error("The request that this belongs to has ended.".to_owned())
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
            Ok((subrequest, record, sink)) => {
                let connections = self.running.borrow_mut().get_mut(&ticket).map(|running| running.connections());
                let outbound = self.services.options.outbound.clone();
                let operation = self.begin_task(ticket, async move {
                    let permit = match connections {
                        Some(connections) => connections.acquire_owned().await.ok(),
                        None => None,
                    };
                    let result = outbound.fetch(subrequest).await.map(http::Response::into_parts);
                    drop(permit);
                    Completion::Fetched { record, result }
                })?;
                Ok((operation, sink))
            }
        }
    }

    /// The subrequest with the index of its record and the number of its sink; or why there will be none.
    fn prepare(&self, ticket: Ticket, ask: Ask) -> Result<Result<(Subrequest, usize, u64), HostError>, Throw> {
        let target = match self.target(ask.binding.as_deref(), "fetch") {
            Ok(target) => target,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(uri) = ask.url.parse::<Uri>() else {
            return Ok(Err(HostError::type_error(format!("Fetch API cannot load: {}", ask.url))));
        };
        let Ok(method) = ask.method.parse::<Method>() else {
            return Ok(Err(HostError::type_error(format!("Invalid HTTP method string: {}", ask.method))));
        };
        let headers = match unflatten(&ask.headers) {
            Ok(headers) => headers,
            Err(error) => return Ok(Err(HostError::type_error(error))),
        };
        if let Err(error) = self.count_subrequest(ticket)? {
            return Ok(Err(error));
        }
        let (invocation, ray_id, record) = {
            let mut running = self.running.borrow_mut();
            let running = running.get_mut(&ticket).ok_or_else(ended)?;
            let record = running.subrequest(ask.binding.as_deref().unwrap_or("fetch"), &ask.method, &ask.url);
            let (invocation, ray_id) = running.ids();
            (invocation, ray_id, record)
        };
        let mut sink = 0;
        let body = match ask.outgoing {
            Outgoing::None => invocation::empty(),
            Outgoing::Whole(bytes) => invocation::full(bytes),
            Outgoing::Native(body) => self.bodies.borrow_mut().give_away(ticket, body)?,
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
        let worker = self.version().name.clone();
        Ok(Ok((Subrequest { target, request, worker, invocation, ray_id }, record, sink)))
    }
}
