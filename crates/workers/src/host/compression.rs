//! Compression streams: the coders that script feeds.

use isolate::{Arguments, Charge, Scope, Throw, Value};

use super::{Host, id, number};
use crate::coding::{Coder, Format, Step};
use crate::supervisor::Ticket;
use crate::table::Table;

/// The most streams of one isolate at a time.
const LIMIT: usize = 64;

struct Stream {
    owner: Ticket,
    coder: Coder,
    /// For what the coder holds.
    charge: Charge,
}

/// The compression streams of an isolate.
#[derive(Default)]
pub(super) struct Compressors {
    table: Table<Stream>,
}

impl Compressors {
    /// Drops what an invocation left unfinished.
    pub(super) fn release(&mut self, owner: Ticket) {
        drop(self.table.drain_where(|stream| stream.owner == owner));
    }
}

/// `compressorCreate(format, decompress, level?)`
pub(super) fn create(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let level = if arguments.is_undefined(2) { None } else { u32::try_from(id(arguments, 2)?.min(11)).ok() };
    let Some(format) = Format::named(&arguments.string(0)?) else { return Ok(Value::Undefined) };
    let coder = if arguments.bool(1)? { Coder::decompress(format) } else { Coder::compress(format, level) };
    let mut compressors = host.compressors.borrow_mut();
    if compressors.table.len() >= LIMIT {
        return Err(Throw::Error(format!(
            "Too many compression streams are open at the same time: the limit is {LIMIT}."
        )));
    }
    let charge = host.seat.ledger.charge(coder.held());
    Ok(number(compressors.table.insert(Stream { owner: host.current(), coder, charge }).unwrap_or(0)))
}

fn gone() -> Throw {
    Throw::Error("The request that this compression stream belongs to has ended.".to_owned())
}

/// `compressorGive(id, bytes)`; without bytes, no more come.
pub(super) fn give(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let input = if arguments.is_undefined(1) { None } else { Some(arguments.bytes(1)?) };
    let mut compressors = host.compressors.borrow_mut();
    let stream = compressors.table.get_mut(id(arguments, 0)?).ok_or_else(gone)?;
    match input {
        Some(input) => stream.coder.give(input),
        None => stream.coder.end(),
    }
    stream.charge.set(stream.coder.held());
    Ok(Value::Undefined)
}

/// `compressorTake(id)`
pub(super) fn take(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let id = id(arguments, 0)?;
    let mut compressors = host.compressors.borrow_mut();
    let stream = compressors.table.get_mut(id).ok_or_else(gone)?;
    let step = stream.coder.step();
    let over = matches!(step, Step::Failed(_)) || (stream.coder.is_last() && step == Step::Nothing);
    if over {
        compressors.table.remove(id);
    }
    match step {
        Step::Output(output) => Ok(Value::Bytes(output)),
        Step::Nothing => Ok(Value::Undefined),
        Step::Failed(reason) => Err(Throw::TypeError(reason.to_owned())),
    }
}

/// `compressorDrop(id)`
pub(super) fn release(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let dropped = scope.data::<Host>().compressors.borrow_mut().table.remove(id(arguments, 0)?);
    drop(dropped);
    Ok(Value::Undefined)
}
