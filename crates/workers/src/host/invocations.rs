//! How invocations are answered and how they fail.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use invocation::{Answer, Body};
use isolate::{Arguments, Exception, Scope, Throw, Value};
use telemetry::ExceptionRecord;

use super::bodies::{Wanted, compressed};
use super::outgoing::Outgoing;
use super::piped::PipedBody;
use super::{Host, headers, id, number};
use crate::coding::Format;
use crate::running::timestamp;
use crate::supervisor::{Flow, Ticket};

/// The length that the headers announce.
pub(super) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// `respond(invocation, status, statusText, headers, body, webSocket, encoded)`
///
/// The status text is dropped: HTTP/2 has none, and HTTP/1.1 recipients ignore it. Unless the body is `encoded` already, it is compressed as its
/// `Content-Encoding` says.
pub(super) fn respond(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    let status = u16::try_from(id(arguments, 1)?).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| Throw::RangeError("The response's status is not an HTTP status.".to_owned()))?;
    let mut headers = headers::unflatten(&arguments.strings(3)?).map_err(Throw::TypeError)?;
    let outgoing = Outgoing::from(arguments, 4, &host.seat.ledger)?;
    let is_head = host.running.borrow_mut().get_mut(&ticket).is_some_and(|running| running.is_head);
    if !host.supervisor.borrow_mut().awaits_head(ticket) {
        // The visitor is gone already: whoever writes the body shall learn it.
        return Ok(if let Outgoing::Script = outgoing { number(host.dead_sink(ticket)?) } else { Value::Number(0.0) });
    }
    let has_body = !is_head && !status.is_informational() && !matches!(status.as_u16(), 204 | 205 | 304);
    let length = announced_length(&headers);
    let mut sink = 0;
    let upgraded =
        if arguments.is_undefined(5) { None } else { Some(host.give_socket_away(ticket, id(arguments, 5)?)?) };
    let is_encoded = !arguments.is_undefined(6) && arguments.bool(6)?;
    let format = if is_encoded { None } else { Format::of(&headers) };
    let wanted = if is_encoded { Wanted::AsItCame } else { Wanted::In(format) };
    let empty = || (invocation::empty(), false);
    let ((body, recoded), flow) = match outgoing {
        // The connection flows until it is over.
        Outgoing::None if upgraded.is_some() => (empty(), Flow::Native),
        Outgoing::None => (empty(), Flow::Whole),
        Outgoing::Whole(bytes) if has_body => (compressed(invocation::full(bytes), format), Flow::Whole),
        Outgoing::Whole(_) => (empty(), Flow::Whole),
        Outgoing::Native(body) => {
            let (body, recoded) = host.bodies.borrow_mut().give_away(ticket, body, wanted)?;
            if has_body {
                match invocation::at_hand(body) {
                    Ok(bytes) => ((invocation::full(bytes), recoded), Flow::Whole),
                    Err(body) => {
                        let length = if recoded { None } else { length };
                        ((host.watched(ticket, body, length), recoded), Flow::Native)
                    }
                }
            } else {
                (empty(), Flow::Whole)
            }
        }
        Outgoing::Script if has_body => {
            let (id, body) = host.sink(ticket, Some(ticket), length)?;
            sink = id;
            (compressed(body, format), Flow::Script)
        }
        Outgoing::Script => {
            sink = host.dead_sink(ticket)?;
            (empty(), Flow::Whole)
        }
    };
    if recoded {
        headers.remove(CONTENT_LENGTH);
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(upgraded) = upgraded {
        response.extensions_mut().insert(upgraded);
    }
    let sent =
        host.running.borrow_mut().get_mut(&ticket).is_some_and(|running| running.answer(Answer::Response(response)));
    let mut supervisor = host.supervisor.borrow_mut();
    if sent {
        supervisor.responded(ticket, flow)
    } else {
        supervisor.undeliverable(ticket)
    }
    Ok(number(sink))
}

/// `fail(invocation, error, thrown)`
pub(super) fn fail(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    let exception = scope.exception(&arguments.handle(1));
    if !arguments.is_undefined(2)
        && let Some(running) = host.running.borrow_mut().get_mut(&ticket)
    {
        running.thrown = Some(arguments.bytes(2)?.into());
    }
    host.fail(scope, ticket, &exception);
    Ok(Value::Undefined)
}

/// `finish(invocation)`
pub(super) fn finish(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    if host.supervisor.borrow().awaits_head(ticket) {
        let sent = host.running.borrow_mut().get_mut(&ticket).is_some_and(|running| running.answer(Answer::Done));
        let mut supervisor = host.supervisor.borrow_mut();
        if sent { supervisor.responded(ticket, Flow::Whole) } else { supervisor.undeliverable(ticket) }
    }
    Ok(Value::Undefined)
}

/// `done(invocation)`
pub(super) fn done(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    scope.data::<Host>().supervisor.borrow_mut().script_done(id(arguments, 0)?);
    Ok(Value::Undefined)
}

/// `reportError(invocation, error)`
pub(super) fn report_error(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let ticket = id(arguments, 0)?;
    let exception = scope.exception(&arguments.handle(1));
    host.record(scope, ticket, &exception);
    Ok(Value::Undefined)
}

/// `current()`
pub(super) fn current(scope: &mut Scope<'_>, _: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(number(scope.data::<Host>().current()))
}

/// The record of an exception.
pub(crate) fn describe(exception: &Exception) -> ExceptionRecord {
    ExceptionRecord {
        timestamp: timestamp(),
        name: exception.name.clone(),
        message: exception.message.clone(),
        stack: exception.stack.clone(),
        connection: None,
    }
}

impl Host {
    /// The handler of an invocation failed. Nothing happens when script was stopped while the exception was described, which may run getters: the
    /// stop is what ends the invocation then.
    pub(crate) fn fail(&self, scope: &mut Scope<'_>, ticket: Ticket, exception: &Exception) {
        if scope.is_stopped() {
            return;
        }
        self.record(scope, ticket, exception);
        self.supervisor.borrow_mut().failed(ticket, format!("Uncaught {}", exception.summary()));
    }

    /// Keeps an exception that nothing caught.
    pub(crate) fn record(&self, scope: &mut Scope<'_>, ticket: Ticket, exception: &Exception) {
        let mut record = describe(exception);
        if exception.message.starts_with("ProxyError: ") {
            // The facts of the connection are the error's own properties.
            let facts = self.json.get().and_then(|json| json.stringify(scope, &exception.value));
            record.connection = facts.and_then(|facts| serde_json::from_str(&facts).ok()).map(Box::new);
        }
        if let Some(running) = self.running.borrow_mut().get_mut(&ticket) {
            running.exception(record);
        }
    }

    /// A native response body that says how it ended.
    fn watched(&self, ticket: Ticket, body: Body, remaining: Option<u64>) -> Body {
        PipedBody { body, seat: self.seat.clone(), ticket, remaining, finished: false }.boxed_unsync()
    }
}
