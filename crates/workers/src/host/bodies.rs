//! Bodies that have not entered JavaScript: read a piece at a time, read whole, given away, or dropped.
//!
//! A piece that is there already is taken on the isolate's thread; otherwise a task of the runtime waits for it. Nothing is read ahead.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use invocation::{Body, BodyError};
use isolate::{Arguments, Charge, Ledger, Scope, Throw, Value};

use super::{Host, id, number};
use crate::coding::{Format, decoded, encoded};
use crate::event::{Completion, ReadFailure};
use crate::supervisor::Ticket;
use crate::table::Table;

/// The most that is set aside for a body because it says that it is so large.
const TRUSTED: usize = 1024 * 1024;

enum State {
    /// Nobody reads it.
    Idle(Body),
    /// This operation does.
    Busy(u64),
    /// Read to its end, or failed.
    Over,
}

struct NativeBody {
    owner: Ticket,
    state: State,
    /// What its bytes are compressed with, as its headers say; script reads them without that.
    format: Option<Format>,
}

/// The bodies of an isolate.
#[derive(Default)]
pub(crate) struct Bodies {
    table: Table<NativeBody>,
}

impl Bodies {
    /// Keeps a body, which may be compressed; 0 for one without bytes.
    pub(crate) fn insert(&mut self, owner: Ticket, body: Body, format: Option<Format>) -> u64 {
        if body.is_end_stream() {
            return 0;
        }
        self.table.insert(NativeBody { owner, state: State::Idle(body), format }).unwrap_or(0)
    }

    /// A body comes back from the task that read from it; `None` when it is over.
    pub(crate) fn restore(&mut self, body: u64, back: Option<Body>) {
        if let Some(native) = self.table.get_mut(body) {
            native.state = back.map_or(State::Over, State::Idle);
        }
    }

    /// All bodies of an invocation, to be dropped.
    pub(super) fn release(&mut self, owner: Ticket) -> Vec<Body> {
        let released = self.table.drain_where(|body| body.owner == owner);
        released
            .into_iter()
            .filter_map(|(_, body)| if let State::Idle(body) = body.state { Some(body) } else { None })
            .collect()
    }

    /// Takes a body to give it away whole, compressed as `wanted`; says whether its bytes are other ones than came.
    pub(super) fn give_away(&mut self, owner: Ticket, body: u64, wanted: Wanted) -> Result<(Body, bool), Throw> {
        match self.table.get_mut(body) {
            Some(native) if native.owner != owner => {
                Err(Throw::Error("Cannot perform I/O on behalf of a different request.".to_owned()))
            }
            Some(NativeBody { state: State::Idle(_), .. }) => match self.table.remove(body) {
                Some(NativeBody { state: State::Idle(body), format, .. }) => Ok(match (wanted, format) {
                    (Wanted::AsItCame, _) => (body, false),
                    (Wanted::In(wanted), format) if wanted == format => (body, false),
                    (Wanted::In(wanted), format) => {
                        let plain = if let Some(format) = format { decoded(body, format) } else { body };
                        (if let Some(wanted) = wanted { encoded(plain, wanted) } else { plain }, true)
                    }
                }),
                _ => Err(used()),
            },
            _ => Err(used()),
        }
    }
}

/// How the bytes of a body are to be compressed for whom it is given to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// Whatever they are.
    AsItCame,
    /// In this format, or not at all.
    In(Option<Format>),
}

/// A body that is not compressed, compressed when it is to be; and whether it is.
pub(super) fn compressed(body: Body, format: Option<Format>) -> (Body, bool) {
    match format {
        Some(format) => (encoded(body, format), true),
        None => (body, false),
    }
}

fn used() -> Throw {
    Throw::TypeError("This body has been used already.".to_owned())
}

/// A piece counts to the isolate's memory until script has it.
fn charge(ledger: &Ledger, piece: &Result<Option<Bytes>, BodyError>) -> Charge {
    ledger.charge(piece.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len))
}

/// Whatever is there now: a piece, the end, or an error; `None` when it is still to come.
fn piece_now(body: &mut Body) -> Option<Result<Option<Bytes>, BodyError>> {
    // The waker does nothing: when nothing is there, a task polls again with its own.
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut *body).poll_frame(&mut context) {
            Poll::Pending => return None,
            Poll::Ready(None) => return Some(Ok(None)),
            Poll::Ready(Some(Err(error))) => return Some(Err(error)),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Some(Ok(Some(data))),
                _ => {}
            },
        }
    }
}

/// The next piece, the end, or an error.
async fn piece(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(error),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {}
            },
        }
    }
}

/// Bytes as they come in, as far as the isolate's memory allows.
struct Rest {
    bytes: Vec<u8>,
    charge: Charge,
}

impl Rest {
    /// Takes a piece. `Some` when there is nothing more to take.
    fn take(&mut self, piece: Result<Option<Bytes>, BodyError>) -> Option<Result<Vec<u8>, ReadFailure>> {
        match piece {
            Ok(None) => Some(Ok(std::mem::take(&mut self.bytes))),
            Err(error) => Some(Err(ReadFailure::Broken(error))),
            Ok(Some(piece)) if !self.charge.try_grow(piece.len()) => Some(Err(ReadFailure::TooMuch)),
            Ok(Some(piece)) => {
                if self.bytes.is_empty() && self.bytes.capacity() == 0 {
                    // Not copied when nobody else holds them.
                    self.bytes = Vec::from(piece);
                } else {
                    self.bytes.extend_from_slice(&piece);
                }
                None
            }
        }
    }
}

impl Host {
    /// Takes an idle body to read from it; gives its owner. `None` when it is over.
    fn take_to_read(&self, body: u64) -> Result<(Ticket, Option<Body>), Throw> {
        let mut bodies = self.bodies.borrow_mut();
        let native = bodies.table.get_mut(body).ok_or_else(used)?;
        match std::mem::replace(&mut native.state, State::Over) {
            State::Idle(idle) => {
                let idle = if let Some(format) = native.format.take() { decoded(idle, format) } else { idle };
                Ok((native.owner, Some(idle)))
            }
            State::Over => Ok((native.owner, None)),
            State::Busy(operation) => {
                native.state = State::Busy(operation);
                Err(Throw::TypeError("This body is being read already.".to_owned()))
            }
        }
    }

    fn busy(&self, body: u64, operation: u64) {
        if let Some(native) = self.bodies.borrow_mut().table.get_mut(body) {
            native.state = State::Busy(operation);
        }
    }

    /// Reads the rest, as bytes or as text.
    fn read_rest(&self, body: u64, text: bool) -> Result<Value, Throw> {
        let id = body;
        let (owner, taken) = self.take_to_read(id)?;
        let mut taking = Rest { bytes: Vec::new(), charge: self.seat.ledger.charge(0) };
        let ready = |rest, charge| self.begin_ready(owner, Completion::ReadAll { id, text, rest, charge }).map(number);
        let Some(mut body) = taken else { return ready(Ok(Vec::new()), taking.charge) };
        if usize::try_from(body.size_hint().lower()).is_ok_and(|bytes| !self.seat.ledger.has_room(bytes)) {
            return ready(Err(ReadFailure::TooMuch), taking.charge);
        }
        while let Some(piece) = piece_now(&mut body) {
            if let Some(rest) = taking.take(piece) {
                return ready(rest, taking.charge);
            }
        }
        let hint = usize::try_from(body.size_hint().lower()).unwrap_or(TRUSTED).min(TRUSTED);
        let operation = self.begin_task(owner, async move {
            taking.bytes.reserve(hint);
            let rest = loop {
                if let Some(rest) = taking.take(piece(&mut body).await) {
                    break rest;
                }
            };
            Completion::ReadAll { id, text, rest, charge: taking.charge }
        })?;
        self.busy(id, operation);
        Ok(number(operation))
    }
}

/// `bodyRead(body)`
pub(super) fn read(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let id = id(arguments, 0)?;
    let (owner, taken) = host.take_to_read(id)?;
    let Some(mut body) = taken else {
        let charge = host.seat.ledger.charge(0);
        let over = Completion::Read { id, body: invocation::empty(), piece: Ok(None), charge };
        return host.begin_ready(owner, over).map(number);
    };
    if let Some(piece) = piece_now(&mut body) {
        let charge = charge(&host.seat.ledger, &piece);
        let operation = host.begin_ready(owner, Completion::Read { id, body, piece, charge })?;
        host.busy(id, operation);
        return Ok(number(operation));
    }
    let ledger = host.seat.ledger.clone();
    let operation = host.begin_task(owner, async move {
        let piece = piece(&mut body).await;
        let charge = charge(&ledger, &piece);
        Completion::Read { id, body, piece, charge }
    })?;
    host.busy(id, operation);
    Ok(number(operation))
}

/// `bodyReadAll(body)`
pub(super) fn read_all(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    scope.data::<Host>().read_rest(id(arguments, 0)?, false)
}

/// `bodyReadText(body)`
pub(super) fn read_text(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    scope.data::<Host>().read_rest(id(arguments, 0)?, true)
}

/// `bodyCancel(body)`
pub(super) fn cancel(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let removed = host.bodies.borrow_mut().table.remove(id(arguments, 0)?);
    if let Some(NativeBody { state: State::Busy(operation), .. }) = removed {
        host.give_up(operation);
    }
    Ok(Value::Undefined)
}
