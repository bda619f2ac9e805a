//! Compressed data, a step at a time: input is given a piece at a time, output is taken in pieces of bounded size, so that little input which
//! decompresses to much never needs memory for all of it.

mod body;

use std::fmt;

use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderStateStruct};
use brotli::reader::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

pub(crate) use body::{decoded, encoded};

/// Bytes of a piece of output.
pub(crate) const PIECE: usize = 64 * 1024;
/// The windows of gzip and deflate have 2^15 bytes.
const WINDOW_BITS: u8 = 15;
/// The quality of Brotli that responses are compressed with, of 11, and its window of 2^19 bytes: fast, and memory stays small.
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW_BITS: i32 = 19;

/// A format of compressed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Brotli,
    /// With the frame of zlib.
    Deflate,
    DeflateRaw,
    Gzip,
}

impl Format {
    /// By the name that script gives it.
    pub(crate) fn named(name: &str) -> Option<Format> {
        Some(match name {
            "brotli" => Format::Brotli,
            "deflate" => Format::Deflate,
            "deflate-raw" => Format::DeflateRaw,
            "gzip" => Format::Gzip,
            _ => return None,
        })
    }

    /// What the body under these headers is compressed with, of what the platform undoes: as on Cloudflare, one of gzip and Brotli.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Format> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let value = values.next()?.to_str().ok()?.trim();
        if values.next().is_some() {
            return None;
        }
        if value.eq_ignore_ascii_case("gzip") || value.eq_ignore_ascii_case("x-gzip") {
            Some(Format::Gzip)
        } else if value.eq_ignore_ascii_case("br") {
            Some(Format::Brotli)
        } else {
            None
        }
    }
}

/// What one step gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Output(Vec<u8>),
    /// More input is needed, or all is done.
    Nothing,
    Failed(&'static str),
}

enum Engine {
    Compress(Compress),
    Decompress(Decompress),
    Brotli(Box<BrotliEncoderStateStruct<StandardAlloc>>),
    Unbrotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
}

/// What one call of an engine did.
struct Progress {
    /// Bytes of the input that it took.
    taken: usize,
    /// It can do no more without input, or is at the end.
    idle: bool,
    ended: bool,
}

impl Engine {
    fn decompresses(&self) -> bool {
        matches!(self, Engine::Decompress(_) | Engine::Unbrotli(_))
    }

    /// Bytes of windows and tables. Those of zlib are its own figures (zlib.h, `deflateInit2`), rounded up; those of Brotli are what it takes for
    /// the windows that programs use (2^19 to 2^22 bytes), though a stream may ask for one of 2^24.
    fn held(&self) -> usize {
        match self {
            Engine::Compress(_) => 272 * 1024,
            Engine::Decompress(_) => 48 * 1024,
            Engine::Brotli(_) | Engine::Unbrotli(_) => 4 * 1024 * 1024,
        }
    }

    /// Works on `input`; `None` when it is malformed. `output` has room.
    fn work(&mut self, input: &[u8], last: bool, output: &mut Vec<u8>) -> Option<Progress> {
        let took = |before: u64, after: u64| usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX);
        let of =
            |taken, status| Progress { taken, idle: status == Status::BufError, ended: status == Status::StreamEnd };
        match self {
            Engine::Compress(coder) => {
                let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
                let before = coder.total_in();
                let status = coder.compress_vec(input, output, flush).ok()?;
                Some(of(took(before, coder.total_in()), status))
            }
            Engine::Decompress(coder) => {
                let before = coder.total_in();
                let status = coder.decompress_vec(input, output, FlushDecompress::None).ok()?;
                Some(of(took(before, coder.total_in()), status))
            }
            Engine::Brotli(coder) => {
                let operation = if last {
                    BrotliEncoderOperation::BROTLI_OPERATION_FINISH
                } else {
                    BrotliEncoderOperation::BROTLI_OPERATION_PROCESS
                };
                let (mut left, mut taken, mut room, mut made) = (input.len(), 0, PIECE, 0);
                output.resize(PIECE, 0);
                let done = coder.compress_stream(
                    operation,
                    &mut left,
                    input,
                    &mut taken,
                    &mut room,
                    output,
                    &mut made,
                    &mut None,
                    &mut |_, _, _, _| (),
                );
                output.truncate(made);
                let ended = coder.is_finished();
                done.then_some(Progress { taken, idle: made == 0, ended })
            }
            Engine::Unbrotli(coder) => {
                let (mut left, mut taken, mut room, mut made, mut total) = (input.len(), 0, PIECE, 0, 0);
                output.resize(PIECE, 0);
                let result = BrotliDecompressStream(
                    &mut left, &mut taken, input, &mut room, &mut made, output, &mut total, coder,
                );
                output.truncate(made);
                let idle = matches!(result, BrotliResult::NeedsMoreInput);
                let ended = matches!(result, BrotliResult::ResultSuccess);
                (!matches!(result, BrotliResult::ResultFailure)).then_some(Progress { taken, idle, ended })
            }
        }
    }
}

/// Compresses or decompresses a stream.
pub(crate) struct Coder {
    engine: Engine,
    input: Vec<u8>,
    /// Bytes of the input that have been taken.
    taken: usize,
    /// No more input comes.
    last: bool,
    /// The end of the compressed data was seen, or written.
    ended: bool,
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coder").field("last", &self.last).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Coder {
    /// One that compresses, with a level of zlib's from 0 to 9 where the format has such.
    pub(crate) fn compress(format: Format, level: Option<u32>) -> Self {
        let zlib = level.map_or_else(Compression::default, |level| Compression::new(level.min(9)));
        Self::with(match format {
            Format::Brotli => {
                let mut coder = BrotliEncoderStateStruct::new(StandardAlloc::default());
                coder.params.quality = level.unwrap_or(BROTLI_QUALITY).min(11).cast_signed();
                coder.params.lgwin = BROTLI_WINDOW_BITS;
                Engine::Brotli(Box::new(coder))
            }
            Format::Deflate => Engine::Compress(Compress::new(zlib, true)),
            Format::DeflateRaw => Engine::Compress(Compress::new(zlib, false)),
            Format::Gzip => Engine::Compress(Compress::new_gzip(zlib, WINDOW_BITS)),
        })
    }

    /// One that decompresses.
    pub(crate) fn decompress(format: Format) -> Self {
        let alloc = StandardAlloc::default;
        Self::with(match format {
            Format::Brotli => Engine::Unbrotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()))),
            Format::Deflate => Engine::Decompress(Decompress::new(true)),
            Format::DeflateRaw => Engine::Decompress(Decompress::new(false)),
            Format::Gzip => Engine::Decompress(Decompress::new_gzip(WINDOW_BITS)),
        })
    }

    fn with(engine: Engine) -> Self {
        Coder { engine, input: Vec::new(), taken: 0, last: false, ended: false }
    }

    /// Further input. What was given before must have been taken.
    pub(crate) fn give(&mut self, input: Vec<u8>) {
        self.input = input;
        self.taken = 0;
    }

    /// Bytes that it holds: windows, tables and input.
    pub(crate) fn held(&self) -> usize {
        self.engine.held().saturating_add(self.input.len())
    }

    /// No more input comes.
    pub(crate) fn end(&mut self) {
        self.give(Vec::new());
        self.last = true;
    }

    /// Whether [`Coder::end`] was called.
    pub(crate) fn is_last(&self) -> bool {
        self.last
    }

    /// Works until there is something to say.
    pub(crate) fn step(&mut self) -> Step {
        loop {
            let rest = self.input.get(self.taken..).unwrap_or_default();
            if self.ended {
                return if rest.is_empty() || !self.engine.decompresses() {
                    Step::Nothing
                } else {
                    Step::Failed("There is data after the end of the compressed data.")
                };
            }
            if rest.is_empty() && !self.last {
                // What a full piece of output left inside comes first.
                return self.rest_of_output();
            }
            let mut output = Vec::with_capacity(PIECE);
            let Some(progress) = self.engine.work(rest, self.last, &mut output) else {
                return Step::Failed("The compressed data is not valid.");
            };
            self.taken = self.taken.saturating_add(progress.taken);
            self.ended = progress.ended;
            if !output.is_empty() {
                output.shrink_to_fit();
                return Step::Output(output);
            }
            let all_taken = self.taken >= self.input.len();
            if self.last && !self.ended && all_taken && self.engine.decompresses() {
                return Step::Failed("The compressed data ends too early.");
            }
            // The input is taken, or the end or trailing data comes next.
            if all_taken || progress.idle {
                return Step::Nothing;
            }
        }
    }

    /// Output that an engine still has when its input is taken.
    fn rest_of_output(&mut self) -> Step {
        if !matches!(self.engine, Engine::Unbrotli(_) | Engine::Decompress(_)) || self.input.is_empty() {
            return Step::Nothing;
        }
        let mut output = Vec::with_capacity(PIECE);
        let Some(progress) = self.engine.work(&[], false, &mut output) else {
            return Step::Failed("The compressed data is not valid.");
        };
        self.ended = progress.ended;
        if output.is_empty() {
            return Step::Nothing;
        }
        output.shrink_to_fit();
        Step::Output(output)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(mut coder: Coder, chunks: &[&[u8]]) -> Result<Vec<u8>, &'static str> {
        let mut result = Vec::new();
        for chunk in chunks.iter().map(Some).chain([None]) {
            match chunk {
                Some(chunk) => coder.give(chunk.to_vec()),
                None => coder.end(),
            }
            loop {
                match coder.step() {
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
        for format in ["gzip", "deflate", "deflate-raw", "brotli"].map(|name| Format::named(name).unwrap()) {
            let unpack = |chunks: &[&[u8]]| run(Coder::decompress(format), chunks);
            let packed = run(Coder::compress(format, None), &[&data[..10], b"", &data[10..]]).unwrap();
            assert_eq!(unpack(&[&packed[..1], &packed[1..9], b"", &packed[9..]]).unwrap(), data, "{format:?}");
            assert_eq!(
                unpack(&[&packed[..packed.len() - 1]]),
                Err("The compressed data ends too early."),
                "{format:?}"
            );
            let after = [packed.as_slice(), b"x"].concat();
            assert_eq!(unpack(&[&after]), Err("There is data after the end of the compressed data."), "{format:?}");
            assert_eq!(
                unpack(&[&packed, b"x"]),
                Err("There is data after the end of the compressed data."),
                "{format:?}"
            );
            let empty = run(Coder::compress(format, None), &[]).unwrap();
            assert_eq!(unpack(&[&empty]).unwrap(), b"");
            assert_eq!(unpack(&[]), Err("The compressed data ends too early."), "{format:?}");
        }
        assert_eq!(
            run(Coder::decompress(Format::Gzip), &[b"not gzip at all"]),
            Err("The compressed data is not valid.")
        );
    }

    #[test]
    fn little_that_becomes_much_comes_in_pieces() {
        let zeros = vec![0; 8 * 1024 * 1024];
        for format in [Format::Gzip, Format::Deflate, Format::Brotli] {
            let packed = run(Coder::compress(format, None), &[&zeros]).unwrap();
            assert!(packed.len() < zeros.len() / 500, "{format:?}");
            assert_eq!(run(Coder::decompress(format), &[&packed]).unwrap().len(), zeros.len());
        }
    }
}
