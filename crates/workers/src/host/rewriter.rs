//! HTMLRewriter: the handlers of script for `crate::html`.

use isolate::{Arguments, Charge, Scope, Throw, Value};

use super::{Host, id, number};
use crate::html::{Handlers, Input, MEMORY, Rewriter, Stop};
use crate::supervisor::Ticket;
use crate::table::Table;

/// The most rewriters of one isolate that work at a time.
const LIMIT: usize = 64;

/// What one needs while it holds nothing back, in bytes: its stack, and the parser's tables.
const WORKING: usize = 64 * 1024;

/// A rewriter of an invocation.
struct Working {
    owner: Ticket,
    /// Taken out while it runs.
    rewriter: Option<Rewriter>,
    charge: Charge,
}

/// The rewriters of an isolate.
#[derive(Default)]
pub(super) struct Rewriters {
    table: Table<Working>,
}

impl Rewriters {
    /// Takes out what an invocation left unfinished, to be dropped.
    pub(super) fn release(&mut self, owner: Ticket) -> Vec<Rewriter> {
        let released = self.table.drain_where(|working| working.owner == owner);
        released.into_iter().filter_map(|(_, working)| working.rewriter).collect()
    }
}

/// `rewriterCheck(selector)`
pub(super) fn check(_: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let checked = Handlers::new(Some(&arguments.string(0)?), String::new());
    Ok(checked.err().map_or(Value::Undefined, Value::String))
}

/// `rewriterCreate(elementHandlers, documentHandlers, encoding)`
pub(super) fn create(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let (elements, documents) = (arguments.strings(0)?, arguments.strings(1)?);
    let mut handlers = Vec::new();
    for pair in elements.chunks_exact(2) {
        if let [selector, wants] = pair {
            handlers.push(Handlers::new(Some(selector), wants.clone()).map_err(Throw::TypeError)?);
        }
    }
    for wants in documents {
        handlers.push(Handlers::new(None, wants).map_err(Throw::TypeError)?);
    }
    let mut rewriters = host.rewriters.borrow_mut();
    if rewriters.table.len() >= LIMIT {
        return Err(Throw::Error(format!(
            "Too many HTML documents are rewritten at the same time: the limit is {LIMIT}."
        )));
    }
    let rewriter = Rewriter::new(handlers, &arguments.string(2)?).map_err(Throw::Error)?;
    let charge = host.seat.ledger.charge(WORKING);
    let working = Working { owner: host.current(), rewriter: Some(rewriter), charge };
    Ok(number(rewriters.table.insert(working).unwrap_or(0)))
}

/// `rewriterResume(id, "piece" | "end" | "edits", what)`
pub(super) fn resume(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let id = id(arguments, 0)?;
    let input = match arguments.string(1)?.as_str() {
        "piece" => Input::Piece(arguments.bytes(2)?),
        "edits" => Input::Edits(arguments.strings(2)?),
        _ => Input::End,
    };
    let given = if let Input::Piece(piece) = &input { piece.len() } else { 0 };
    let taken = host.rewriters.borrow_mut().table.get_mut(id).and_then(|working| working.rewriter.take());
    let Some(mut rewriter) = taken else {
        return Err(Throw::Error("The request that this HTMLRewriter belongs to has ended.".to_owned()));
    };
    let (stop, output) = rewriter.resume(input);
    let ended = matches!(stop, Stop::Done | Stop::Failed(_));
    if ended {
        host.rewriters.borrow_mut().table.remove(id);
    } else if let Some(working) = host.rewriters.borrow_mut().table.get_mut(id) {
        working.rewriter = Some(rewriter);
        // The parser holds back at most what it was given since something came out.
        let before = if output.is_empty() { working.charge.bytes() } else { WORKING };
        let held = before.saturating_add(given).min(WORKING + MEMORY);
        working.charge.set(held);
    }
    let output = if output.is_empty() { Value::Undefined } else { Value::Bytes(output) };
    let (kind, index, facts) = match stop {
        Stop::NeedsInput => ("input", 0, Vec::new()),
        Stop::Done => ("done", 0, Vec::new()),
        Stop::Failed(reason) => ("failed", 0, vec![reason]),
        Stop::Handler { kind, index, facts } => (kind, index, facts),
    };
    let facts = Value::List(facts.into_iter().map(Value::String).collect());
    Ok(Value::List(vec![output, Value::from(kind), Value::from(index), facts]))
}

/// `rewriterDrop(id)`
pub(super) fn release(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let dropped = host.rewriters.borrow_mut().table.remove(id(arguments, 0)?);
    if let Some(Working { rewriter: Some(mut rewriter), .. }) = dropped {
        // Ends it in order when it waits for a handler; otherwise dropping it unwinds its stack.
        rewriter.resume(Input::Abort);
    }
    Ok(Value::Undefined)
}
