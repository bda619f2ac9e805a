//! Compression streams, by flate2. Input is given a chunk at a time; output is taken in pieces of bounded size, so that little input which
//! decompresses to much never needs memory for all of it.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use isolate::{Arguments, Charge, Scope, Throw, Value};

use super::{Host, id, number};
use crate::supervisor::Ticket;
use crate::table::Table;

/// The most streams of one isolate at a time; each has up to 300 KB of windows and tables.
const LIMIT: usize = 64;
/// What a stream needs for windows and tables, in bytes: zlib's own figures (zlib.h, `deflateInit2`), rounded up.
const COMPRESSES: usize = 272 * 1024;
const DECOMPRESSES: usize = 48 * 1024;
/// Bytes of a piece of output.
const PIECE: usize = 64 * 1024;
/// The windows of gzip and deflate have 2^15 bytes.
const WINDOW_BITS: u8 = 15;

enum Coder {
    Compress(Compress),
    Decompress(Decompress),
}

struct Stream {
    owner: Ticket,
    coder: Coder,
    input: Vec<u8>,
    /// Bytes of the input that have been taken.
    taken: usize,
    /// No more input comes.
    last: bool,
    /// The end of the compressed data was seen, or written.
    ended: bool,
    /// For tables, and for the input.
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

fn coder(format: &str, decompress: bool, level: Compression) -> Option<Coder> {
    Some(match (format, decompress) {
        ("deflate", false) => Coder::Compress(Compress::new(level, true)),
        ("deflate-raw", false) => Coder::Compress(Compress::new(level, false)),
        ("gzip", false) => Coder::Compress(Compress::new_gzip(level, WINDOW_BITS)),
        ("deflate", true) => Coder::Decompress(Decompress::new(true)),
        ("deflate-raw", true) => Coder::Decompress(Decompress::new(false)),
        ("gzip", true) => Coder::Decompress(Decompress::new_gzip(WINDOW_BITS)),
        _ => return None,
    })
}

/// What one step gave.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Output(Vec<u8>),
    /// More input is needed, or all is done.
    Nothing,
    Failed(&'static str),
}

impl Stream {
    fn new(owner: Ticket, coder: Coder, mut charge: Charge) -> Self {
        charge.grow(if matches!(coder, Coder::Compress(_)) { COMPRESSES } else { DECOMPRESSES });
        Stream { owner, coder, input: Vec::new(), taken: 0, last: false, ended: false, charge }
    }

    fn give(&mut self, input: Vec<u8>) {
        self.charge.shrink(self.input.len());
        self.charge.grow(input.len());
        self.input = input;
        self.taken = 0;
    }

    fn step(&mut self) -> Step {
        let rest = self.input.get(self.taken..).unwrap_or_default();
        if self.ended {
            return if rest.is_empty() || matches!(self.coder, Coder::Compress(_)) {
                Step::Nothing
            } else {
                Step::Failed("There is data after the end of the compressed data.")
            };
        }
        if rest.is_empty() && !self.last {
            return Step::Nothing;
        }
        let mut output = Vec::with_capacity(PIECE);
        let (before, status) = match &mut self.coder {
            Coder::Compress(coder) => {
                let flush = if self.last { FlushCompress::Finish } else { FlushCompress::None };
                (coder.total_in(), coder.compress_vec(rest, &mut output, flush).map_err(|_| ()))
            }
            Coder::Decompress(coder) => {
                (coder.total_in(), coder.decompress_vec(rest, &mut output, FlushDecompress::None).map_err(|_| ()))
            }
        };
        let after = match &self.coder {
            Coder::Compress(coder) => coder.total_in(),
            Coder::Decompress(coder) => coder.total_in(),
        };
        self.taken = self.taken.saturating_add(usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX));
        let Ok(status) = status else { return Step::Failed("The compressed data is not valid.") };
        self.ended = status == Status::StreamEnd;
        if output.is_empty() {
            if self.last && !self.ended && matches!(self.coder, Coder::Decompress(_)) && self.taken >= self.input.len()
            {
                return Step::Failed("The compressed data ends too early.");
            }
            // The input is taken, or the end or trailing data comes next.
            return if self.taken < self.input.len() && status != Status::BufError {
                self.step()
            } else {
                Step::Nothing
            };
        }
        output.shrink_to_fit();
        Step::Output(output)
    }
}

/// `compressorCreate(format, decompress, level?)`
pub(super) fn create(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let level = if arguments.is_undefined(2) {
        Compression::default()
    } else {
        Compression::new(u32::try_from(id(arguments, 2)?.min(9)).unwrap_or_default())
    };
    let Some(coder) = coder(&arguments.string(0)?, arguments.bool(1)?, level) else { return Ok(Value::Undefined) };
    let mut compressors = host.compressors.borrow_mut();
    if compressors.table.len() >= LIMIT {
        return Err(Throw::Error(format!(
            "Too many compression streams are open at the same time: the limit is {LIMIT}."
        )));
    }
    let stream = Stream::new(host.current(), coder, host.seat.ledger.charge(0));
    Ok(number(compressors.table.insert(stream).unwrap_or(0)))
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
    stream.last = input.is_none();
    stream.give(input.unwrap_or_default());
    Ok(Value::Undefined)
}

/// `compressorTake(id)`
pub(super) fn take(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let id = id(arguments, 0)?;
    let mut compressors = host.compressors.borrow_mut();
    let stream = compressors.table.get_mut(id).ok_or_else(gone)?;
    let step = stream.step();
    let over = matches!(step, Step::Failed(_)) || (stream.last && step == Step::Nothing);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(format: &str, decompress: bool, chunks: &[&[u8]]) -> Result<Vec<u8>, &'static str> {
        let mut stream = Stream::new(
            0,
            coder(format, decompress, Compression::default()).unwrap(),
            isolate::Ledger::default().charge(0),
        );
        let mut result = Vec::new();
        let ends = chunks.iter().map(Some).chain([None]);
        for chunk in ends {
            stream.last = chunk.is_none();
            stream.give(chunk.map(|chunk| chunk.to_vec()).unwrap_or_default());
            loop {
                match stream.step() {
                    Step::Output(output) => {
                        assert!(output.len() <= PIECE);
                        result.extend(output);
                    }
                    Step::Nothing => break,
                    Step::Failed(reason) => return Err(reason),
                }
            }
        }
        Ok(result)
    }

    #[test]
    fn each_format_comes_back() {
        let data: Vec<u8> = (0..1_000_000_u32).map(|value| (value * value / 7) as u8).collect();
        for format in ["gzip", "deflate", "deflate-raw"] {
            let packed = run(format, false, &[&data[..10], b"", &data[10..]]).unwrap();
            assert_eq!(run(format, true, &[&packed[..1], &packed[1..9], b"", &packed[9..]]).unwrap(), data, "{format}");
            assert_eq!(run(format, true, &[&packed[..packed.len() - 1]]), Err("The compressed data ends too early."));
            let after = [packed.as_slice(), b"x"].concat();
            assert_eq!(run(format, true, &[&after]), Err("There is data after the end of the compressed data."));
            assert_eq!(run(format, true, &[&packed, b"x"]), Err("There is data after the end of the compressed data."));
            let empty = run(format, false, &[]).unwrap();
            assert_eq!(run(format, true, &[&empty]).unwrap(), b"");
            assert_eq!(run(format, true, &[]), Err("The compressed data ends too early."));
        }
        assert_eq!(run("gzip", true, &[b"not gzip at all"]), Err("The compressed data is not valid."));
    }
}
